//! A mount with `driver: s3`

use std::time::Duration;

use davmux_driver::RelPath;
use davmux_driver_s3::{S3Options, Secret};
use davmux_tree::{MountOptions, ReadPolicy};

use crate::file::{Bucket, Storage};
use crate::units;
use crate::walk::{Section, Text};
use crate::yaml::Value;

const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// What keeps an empty folder alive where the file does not say.
const PLACEHOLDER: &str = ".placeholder";

pub(super) fn s3(section: &Section<'_>) -> (Option<Storage>, MountOptions) {
    let bucket = section.required_text("bucket");
    if let Some(bucket) = bucket
        && !bucket.as_str().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    {
        section.walk.mistake(
            bucket.at,
            format!("bucket: {} is not a name of letters, digits, `-`, `_` and `.`", bucket.shown()),
        );
    }
    let keys = key_pair(section).unwrap_or_default();
    let force_path_style = section.flag("force_path_style");
    let mut options = S3Options {
        provider: super::s3_provider::provider(section),
        overrides: super::s3_provider::overrides(section, force_path_style),
        endpoint: url(section, "endpoint", "an http or https URL such as https://s3.example.com"),
        region: section.text("region").map(|text| text.as_str().to_owned()),
        access_key_id: keys.access_key_id,
        secret_access_key: keys.secret_access_key,
        session_token: keys.session_token,
        profile: section.text("profile").map(|text| text.as_str().to_owned()),
        root_folder_path: prefix(section),
        force_path_style: force_path_style.unwrap_or(false),
        custom_host: url(section, "custom_host", "a host or an http or https URL such as cdn.example.com"),
        custom_host_presign: section.flag("custom_host_presign").unwrap_or(false),
        remove_bucket: section.flag("remove_bucket").unwrap_or(false),
        // No key of the file: nobody has a Backblaze of their own, except for tests.
        b2_api: (section.walk.environment)("DAVMUX_B2_API").filter(|url| !url.is_empty()),
        ..S3Options::new(bucket.map_or("", |text| text.as_str()))
    };
    check_keys(section, &options);
    super::s3_objects::objects(section, &mut options);
    super::s3_provider::findings(section, &options);
    let placeholder = placeholder(section);
    let mount = MountOptions { link_life: link_life(section), ..remote(section) };
    (bucket.map(|_| Storage::S3(Box::new(Bucket { options, placeholder }))), mount)
}

/// What the tree must know of a storage behind a network.
pub(super) fn remote(section: &Section<'_>) -> MountOptions {
    MountOptions {
        read: read_policy(section).unwrap_or_default(),
        list_cache: list_cache(section),
        quota_available: quota_available(section),
        ..MountOptions::default()
    }
}

/// The free space that clients are told of a storage that does not know its own.
pub(super) fn quota_available(section: &Section<'_>) -> Option<u64> {
    section.parsed("quota_available", "a size such as 1TiB", units::size)
}

/// How long a listing is kept.
pub(super) fn list_cache(section: &Section<'_>) -> Duration {
    section
        .parsed("list_cache", "a duration up to 7d, such as 60s, or 0", |text| {
            units::duration(text, None).filter(|kept| *kept <= WEEK)
        })
        .unwrap_or(Duration::from_secs(60))
}

/// The least life of a link.
pub(super) fn link_life(section: &Section<'_>) -> Duration {
    section
        .parsed("sign_url_expire", "a duration from 1s to 7d, such as 4h", |text| {
            units::duration(text, Some(HOUR)).filter(|life| (Duration::from_secs(1)..=WEEK).contains(life))
        })
        .unwrap_or(4 * HOUR)
}

pub(super) fn url(section: &Section<'_>, name: &'static str, expected: &str) -> Option<String> {
    let text = section.text(name)?;
    let host = text.as_str().strip_prefix("http://").or_else(|| text.as_str().strip_prefix("https://"));
    let host = host.unwrap_or(text.as_str());
    if host.is_empty()
        || host.starts_with('/')
        || host.contains("://")
        || host.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#' | '\\'))
    {
        // A URL with credentials in it is not repeated.
        let shown = if host.contains('@') { "this".to_owned() } else { text.shown() };
        section.walk.mistake(text.at, format!("{name}: {shown} is not {expected}"));
        return None;
    }
    Some(text.as_str().to_owned())
}

/// Keys that exclude each other, and keys that a provider needs.
fn check_keys(section: &Section<'_>, options: &S3Options) {
    let profile = section.pair("profile").map(|pair| pair.at);
    if let (Some(at), Some(_)) = (profile, &options.access_key_id) {
        section.walk.mistake(at, "`profile` and `access_key_id` are both set: leave one of them out");
    }
    if !options.provider.is_some_and(|row| row.exchanges_keys) {
        return;
    }
    // It gives temporary keys for these, and takes nothing else.
    if options.access_key_id.is_none() && !section.is_wrong(&["access_key_id", "access_key_id_file"]) {
        section.missing("access_key_id");
    }
    for name in ["session_token", "session_token_file", "profile"] {
        if let Some(pair) = section.present(&[name]).first().and_then(|_| section.pair(name)) {
            section.walk.mistake(
                pair.at,
                format!("{name}: DogeCloud takes the access key and the secret of its console alone"),
            );
        }
    }
}

/// Credentials of a bucket; none at all: the AWS credential chain.
#[derive(Default)]
struct KeyPair {
    access_key_id: Option<String>,
    secret_access_key: Option<Secret>,
    session_token: Option<Secret>,
}

fn key_pair(section: &Section<'_>) -> Option<KeyPair> {
    const ID: [&str; 2] = ["access_key_id", "access_key_id_file"];
    const SECRET: [&str; 2] = ["secret_access_key", "secret_access_key_file"];
    const TOKEN: [&str; 2] = ["session_token", "session_token_file"];
    // The id alone opens nothing, so it may stand in the file.
    let id = section.hash(ID[0], ID[1]);
    let secret = section.secret(SECRET[0], SECRET[1]);
    let token = section.secret(TOKEN[0], TOKEN[1]);
    let half = match (&id, &secret, &token) {
        (Some((_, at)), None, _) if !section.is_wrong(&SECRET) => {
            Some((*at, "`access_key_id` is nothing without `secret_access_key`"))
        }
        (None, Some((_, at)), _) if !section.is_wrong(&ID) => {
            Some((*at, "`secret_access_key` is nothing without `access_key_id`"))
        }
        (None, None, Some((_, at))) if !section.is_wrong(&ID) && !section.is_wrong(&SECRET) => {
            Some((*at, "`session_token` is nothing without `access_key_id` and `secret_access_key`"))
        }
        _ => None,
    };
    if let Some((at, message)) = half {
        section.walk.mistake(at, format!("{message}; set both, or no key at all to use the AWS credential chain"));
    }
    let for_driver = |secret: &crate::Secret| Secret::new(secret.reveal());
    Some(KeyPair {
        access_key_id: Some(id?.0.reveal().to_owned()),
        secret_access_key: Some(for_driver(&secret?.0)),
        session_token: token.map(|(token, _)| for_driver(&token)),
    })
}

pub(super) fn prefix(section: &Section<'_>) -> String {
    let Some(text) = section.text("root_folder_path") else { return String::new() };
    let prefix = text.as_str().trim_matches('/');
    if RelPath::parse(prefix).is_err() {
        let message = "is not a prefix such as /films/2024: no `.`, `..`, `//` and no control characters";
        section.walk.mistake(text.at, format!("root_folder_path: {} {message}", text.shown()));
    }
    prefix.to_owned()
}

pub(super) fn placeholder(section: &Section<'_>) -> Vec<String> {
    let Some(pair) = section.pair("placeholder") else { return vec![PLACEHOLDER.to_owned()] };
    let is_list = matches!(pair.node.value, Value::List(_));
    let mut names: Vec<String> = Vec::new();
    for node in section.one_or_many("placeholder").unwrap_or_default() {
        let Some(text) = section.walk.scalar(node, "placeholder", "a name, a list of names, or \"\" for none") else {
            continue;
        };
        match marker_name(text, is_list) {
            Ok(Some(name)) if names.contains(&name) => {
                section.walk.mistake(text.at, format!("placeholder: {} stands there twice", text.shown()));
            }
            Ok(name) => names.extend(name),
            Err(why) => section.walk.mistake(text.at, format!("placeholder: {} {why}", text.shown())),
        }
    }
    names
}

fn marker_name(text: Text<'_>, is_list: bool) -> Result<Option<String>, &'static str> {
    let name = text.as_str();
    if name.is_empty() {
        return if is_list { Err("is empty; write `placeholder: \"\"` for none") } else { Ok(None) };
    }
    match RelPath::root().child(name) {
        Ok(_) => Ok(Some(name.to_owned())),
        Err(_) => Err("is not the name of a file, without slashes"),
    }
}

/// `read`, or AList's word for it.
fn read_policy(section: &Section<'_>) -> Option<ReadPolicy> {
    let pair = section.pair("read")?;
    let is_alist = pair.key == "webdav_policy";
    let name = if is_alist { "webdav_policy" } else { "read" };
    let expected = if is_alist {
        "302_redirect, native_proxy or use_proxy_url"
    } else {
        "one of auto, redirect, relay, proxy_url"
    };
    let text = section.walk.scalar(&pair.node, name, expected)?;
    match (is_alist, text.as_str()) {
        // With the proxy in the place of the storage's links: whom it does not work for is relayed.
        (false, "auto" | "proxy_url") | (true, "use_proxy_url") => return Some(ReadPolicy::Auto),
        (false, "redirect") | (true, "302_redirect") => return Some(ReadPolicy::Redirect),
        (false, "relay") | (true, "native_proxy") => return Some(ReadPolicy::Relay),
        _ => section.walk.mistake(text.at, format!("{name}: {} is not {expected}", text.shown())),
    }
    None
}
