//! Storages to mounts.

use serde_json::Value as Json;

use super::proxies::Proxies;
use super::{Object, Program, flag, number, place, string};
use crate::draft::{Entry, Note, Value};

const LONGEST_LINK: i64 = 7 * 24;
const LONGEST_CACHE: i64 = 7 * 24 * 60;

/// One of `storages`; `None`, with a note, where it cannot be taken over.
pub(super) fn mount(storage: &Object, program: Program, proxies: &mut Proxies, notes: &mut Vec<Note>) -> Option<Entry> {
    let path = place(&string(storage, "mount_path"));
    let driver = string(storage, "driver");
    let what = format!("storage {path} ({driver})");
    let mut note = |why: &str| notes.push(Note { what: what.clone(), why: why.to_owned() });
    if flag(storage, "disabled") {
        note("it is disabled");
        return None;
    }
    // internal/op/storage.go: what stands behind the dot only tells several storages at one place apart.
    if path.contains(".balance") {
        note("several storages at one place are not supported; the one without `.balance` is taken over");
        return None;
    }
    let addition: Object = match storage.get("addition") {
        Some(Json::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(Json::Object(addition)) => addition.clone(),
        _ => Object::new(),
    };
    let mut entry = Entry::new(&path);
    let remark = string(storage, "remark");
    if !remark.is_empty() {
        entry.comment(remark);
    }
    entry.set("path", &path);
    let mut lost: Vec<String> = Vec::new();
    match driver.as_str() {
        "S3" | "Doge" => s3(&mut entry, &addition, driver == "Doge", program, &mut lost),
        "USS" => upyun(&mut entry, &addition, &mut lost),
        "Local" => local(&mut entry, &addition, &mut lost),
        _ => {
            note("storages of this driver are not supported; those of S3, Doge, USS and Local are");
            return None;
        }
    }
    if driver != "Local" {
        served(&mut entry, storage, proxies, &mut lost);
    } else if string(storage, "webdav_policy") == "use_proxy_url" {
        lost.push("its download proxy: a folder has no links that it could fetch, so reads come from here".to_owned());
    }
    for why in lost {
        note(&why);
    }
    Some(entry)
}

fn s3(entry: &mut Entry, addition: &Object, is_doge: bool, program: Program, lost: &mut Vec<String>) {
    let text = |key: &str| string(addition, key);
    entry.set("driver", "s3");
    if is_doge {
        entry.set("provider", "dogecloud");
        entry.comment("Where the space is, and with which keys it is asked, comes from DogeCloud.");
    }
    entry.set("bucket", text("bucket"));
    if !is_doge {
        entry.set_if("endpoint", &text("endpoint"));
        // What an empty region becomes there (drivers/s3/driver.go, Init).
        entry.set_if(
            "region",
            Some(text("region")).filter(|region| region != "alist" && region != "openlist").as_deref().unwrap_or(""),
        );
    }
    entry.set_if("access_key_id", &text("access_key_id"));
    entry.secret("secret_access_key", &text("secret_access_key"));
    if !is_doge {
        entry.secret("session_token", &text("session_token"));
    }
    root(entry, addition);
    if flag(addition, "force_path_style") && !is_doge {
        entry.set("force_path_style", "true");
    }
    if !is_doge {
        entry.set_if("list_object_version", &text("list_object_version"));
    }
    placeholder(entry, addition, program);
    let custom_host = text("custom_host");
    let presign = flag(addition, "enable_custom_host_presign");
    if !custom_host.is_empty() {
        entry.set("custom_host", &custom_host);
        if presign && is_doge {
            lost.push("links of DogeCloud's hosts take no signature, so they are not signed".to_owned());
        } else if presign {
            entry.set("custom_host_presign", "true");
        }
        if flag(addition, "remove_bucket") {
            entry.set("remove_bucket", "true");
        }
    }
    let is_signed = custom_host.is_empty() || (presign && !is_doge);
    if is_signed {
        expire(entry, addition, lost);
        if flag(addition, "add_filename_to_disposition") {
            entry.set("link_disposition", "attachment");
        }
    }
    // AList's words are Amazon's in small letters, and with dashes for some.
    entry.set_if("storage_class", &text("storage_class").replace('-', "_").to_ascii_uppercase());
    entry.set_if("user_agent", &text("user_agent"));
    if flag(addition, "enable_direct_upload") {
        lost.push("uploads of browsers straight into the bucket: WebDAV clients know none".to_owned());
    }
}

/// drivers/s3/util.go of both: an empty one is the program's own.
fn placeholder(entry: &mut Entry, addition: &Object, program: Program) {
    let named = string(addition, "placeholder");
    if addition.contains_key("use_placeholder") && !flag(addition, "use_placeholder") {
        entry.set("placeholder", "");
    } else if !named.is_empty() {
        entry.set("placeholder", named);
    } else {
        match program {
            Program::AList => entry.set("placeholder", ".alist"),
            Program::OpenList => entry.set("placeholder", ".openlist"),
            Program::Unknown => {
                entry
                    .comment("The backup does not say whose it is: the first placeholder is written, both are hidden.");
                entry.keys.push(("placeholder", Value::List(&[".openlist", ".alist"])));
            }
        }
    }
}

fn upyun(entry: &mut Entry, addition: &Object, lost: &mut Vec<String>) {
    let text = |key: &str| string(addition, key);
    entry.set("driver", "upyun");
    entry.set("bucket", text("bucket"));
    entry.set("operator", text("operator_name"));
    entry.secret("password", &text("operator_password"));
    // What is called endpoint there is the domain of downloads (drivers/uss/driver.go, Link).
    entry.set_if("custom_host", &text("endpoint"));
    let token = text("anti_theft_chain_token");
    entry.secret("link_token", &token);
    if token.is_empty() {
        lost.push(
            "links were signed with the operator's password; here they are bare, and `link_token` signs them"
                .to_owned(),
        );
    } else {
        expire(entry, addition, lost);
    }
    root(entry, addition);
}

fn local(entry: &mut Entry, addition: &Object, lost: &mut Vec<String>) {
    entry.set("driver", "local");
    let folder = string(addition, "root_folder_path");
    if !folder.starts_with('/') {
        lost.push(
            "its folder is relative to where the other program ran, and here to this file: write it whole".to_owned(),
        );
    }
    entry.set("root_folder_path", if folder.is_empty() { "/".to_owned() } else { folder });
    let bin = string(addition, "recycle_bin_path");
    if !bin.is_empty() && bin != "delete permanently" {
        lost.push(format!("the recycle bin {bin}: what is deleted is gone"));
    }
    if addition.contains_key("show_hidden") && !flag(addition, "show_hidden") {
        lost.push("names that begin with a dot are shown".to_owned());
    }
}

/// How a storage behind a network is served.
fn served(entry: &mut Entry, storage: &Object, proxies: &mut Proxies, lost: &mut Vec<String>) {
    match string(storage, "webdav_policy").as_str() {
        "native_proxy" => entry.set("read", "relay"),
        "use_proxy_url" => proxies.read(entry, storage, lost),
        // Everybody is redirected there, whether they can follow or not.
        "302_redirect" => {
            entry.comment("`read: redirect` would redirect everybody, as before; `auto` those whom it works for.")
        }
        _ => {}
    }
    // Minutes (internal/model/storage.go).
    let minutes = number(storage, "cache_expiration");
    if minutes <= 0 {
        entry.set("list_cache", "0");
    } else {
        entry.set("list_cache", format!("{}m", minutes.min(LONGEST_CACHE)));
    }
    if !string(storage, "custom_cache_policies").is_empty() {
        lost.push("how long listings of single folders are kept: one time counts for all".to_owned());
    }
}

fn root(entry: &mut Entry, addition: &Object) {
    let root = string(addition, "root_folder_path");
    if !root.trim_matches('/').is_empty() {
        entry.set("root_folder_path", root);
    }
}

/// Hours; 4 where nothing is said (drivers/s3/meta.go), which is the usual life here too.
fn expire(entry: &mut Entry, addition: &Object, lost: &mut Vec<String>) {
    let hours = number(addition, "sign_url_expire");
    if hours <= 0 || hours == 4 {
        return;
    }
    if hours > LONGEST_LINK {
        lost.push(format!("links of {hours} hours: no storage signs for more than 7 days"));
    }
    entry.set("sign_url_expire", format!("{}h", hours.min(LONGEST_LINK)));
}
