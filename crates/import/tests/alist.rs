//! Backups of OpenList and AList, of the form that their page writes, with every field of their models.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::HashMap;
use std::path::Path;

use davmux_config::{Config, Storage};
use davmux_import::{Error, Imported, Secret, Secrets, alist};

const OPENLIST: &str = include_str!("files/openlist.json");
const ALIST: &str = include_str!("files/alist.json");

fn imported(text: &str) -> Imported {
    let mut count = 0;
    let mut new_password = || {
        count += 1;
        Secret::new(format!("new password {count}"))
    };
    alist(text, &mut new_password).unwrap()
}

fn config(imported: &Imported, secrets: Secrets) -> Config {
    let rendered = imported.render(secrets);
    let variables: HashMap<_, _> = rendered.variables.iter().cloned().collect();
    let environment = |name: &str| variables.get(name).map(|secret| secret.reveal().to_owned());
    Config::parse(&rendered.yaml, "mounts.yaml", Path::new("/etc/davmux"), environment)
        .unwrap_or_else(|wrong| panic!("{wrong}\n{}", rendered.yaml))
}

fn note<'a>(imported: &'a Imported, what: &str) -> Vec<&'a str> {
    imported.notes().iter().filter(|note| note.what.starts_with(what)).map(|note| note.why.as_str()).collect()
}

/// The lines of a mount.
fn lines(yaml: &str, path: &str) -> Vec<String> {
    let from = yaml.split_once(&format!("  - path: {path}\n")).unwrap_or_else(|| panic!("no {path} in\n{yaml}")).1;
    from.lines().take_while(|line| line.starts_with("    ")).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_result_is_a_good_file_with_secrets_in_it_or_beside_it() {
    for text in [OPENLIST, ALIST] {
        let imported = imported(text);
        let (inside, beside) = (config(&imported, Secrets::InFile), config(&imported, Secrets::InVariables));
        assert_eq!(format!("{:?}", inside.mounts), format!("{:?}", beside.mounts));
        let rendered = imported.render(Secrets::InVariables);
        assert!(!rendered.variables.is_empty());
        for (name, secret) in &rendered.variables {
            assert!(!rendered.yaml.contains(secret.reveal()), "{name} is in the file:\n{}", rendered.yaml);
        }
        assert_eq!(rendered.yaml, imported.render(Secrets::InVariables).yaml, "the same each time");
    }
}

#[test]
fn secrets_come_out_as_they_went_in() {
    let config = config(&imported(OPENLIST), Secrets::InFile);
    let Storage::S3(bucket) = &config.mounts[0].storage else { panic!() };
    let secret = bucket.options.secret_access_key.as_ref().unwrap();
    assert_eq!(secret.reveal(), "secret/With+$pecial${CHARS}x");
}

#[test]
fn a_bucket_has_what_it_had_and_no_more() {
    let imported = imported(OPENLIST);
    let yaml = imported.render(Secrets::InVariables).yaml;
    assert_eq!(
        lines(&yaml, "/films"),
        [
            "driver: s3",
            "bucket: films",
            "endpoint: https://s3.eu-central-1.amazonaws.com",
            "region: eu-central-1",
            "access_key_id: AKIAEXAMPLEEXAMPLE01",
            "secret_access_key: ${FILMS_SECRET_ACCESS_KEY}",
            "list_object_version: v1",
            "placeholder: .openlist",
            "list_cache: 30m",
        ]
    );
    assert!(yaml.contains("# the films of the family\n"), "a remark is a comment of one line: {yaml}");
    assert_eq!(
        lines(&yaml, "/minio")[3..],
        [
            "region: us-east-1",
            "access_key_id: AKIAEXAMPLEEXAMPLE01",
            "secret_access_key: ${MINIO_SECRET_ACCESS_KEY}",
            "session_token: ${MINIO_SESSION_TOKEN}",
            "force_path_style: true",
            "list_object_version: v1",
            "placeholder: .openlist",
            "custom_host: http://10.0.0.5:9000",
            "custom_host_presign: true",
            "sign_url_expire: 168h",
            "link_disposition: attachment",
            "user_agent: x/1",
            "read: proxy_url",
            "proxy_url: https://proxy.example.com",
            "list_cache: 10080m",
        ]
    );
    let why = note(&imported, "storage /minio").join("; ");
    for part in ["200 hours", "single folders"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let film = lines(&yaml, "/电影");
    for line in [
        "root_folder_path: /2024/new",
        "placeholder: .keep",
        "remove_bucket: true",
        "list_cache: 0",
        "read: relay",
        "list_object_version: v2",
    ] {
        assert!(film.iter().any(|found| found == line), "{line}: {film:?}");
    }
    assert!(!film.iter().any(|line| line.starts_with("region") || line.starts_with("sign_url_expire")), "{film:?}");
}

/// The backup with the storage `/minio`, read through a proxy, and the token changed.
fn proxied(token: Option<&str>, change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> Imported {
    let mut backup: serde_json::Value = serde_json::from_str(OPENLIST).unwrap();
    let settings = backup["settings"].as_array_mut().unwrap();
    match token {
        None => settings.retain(|setting| setting["key"] != "token"),
        Some(token) => settings.iter_mut().find(|setting| setting["key"] == "token").unwrap()["value"] = token.into(),
    }
    let storages = backup["storages"].as_array_mut().unwrap();
    let minio = storages.iter_mut().find(|storage| storage["mount_path"] == "/minio").unwrap();
    change(minio.as_object_mut().unwrap());
    imported(&backup.to_string())
}

#[test]
fn a_download_proxy_is_kept_with_the_token_that_it_knows() {
    let kept = imported(OPENLIST);
    let config = config(&kept, Secrets::InFile);
    let urls: Vec<_> =
        config.mounts.iter().filter_map(|mount| Some((mount.path.to_string(), mount.proxy_url.as_ref()?))).collect();
    assert_eq!(urls.len(), 1);
    assert_eq!((urls[0].0.as_str(), urls[0].1.to_string().as_str()), ("/minio", "https://proxy.example.com"));
    let token = "openlist-0b54a7a3-6f0e-4b0c-9d3a-1f5e2c7d8a90-admin-token-of-64-letters";
    assert!(config.server.proxy.unwrap().tokens.hold(token.as_bytes()));
    let beside = kept.render(Secrets::InVariables);
    assert!(beside.yaml.contains("  proxy_token: ${PROXY_TOKEN}\n"), "{}", beside.yaml);
    assert!(beside.variables.iter().any(|(name, secret)| name == "PROXY_TOKEN" && secret.reveal() == token));
    assert!(!note(&kept, "storage /minio").join("").contains("proxy"), "nothing is lost: {:?}", kept.notes());
    let unneeded = proxied(Some(token), |storage| {
        storage["webdav_policy"] = "native_proxy".into();
    });
    assert!(!unneeded.render(Secrets::InFile).yaml.contains("proxy_token"), "only where a mount needs it");
}

#[test]
fn a_download_proxy_that_cannot_be_kept_is_told_and_reads_are_relayed() {
    const URL: &str = "https://proxy.example.com";
    let good = "a".repeat(32);
    let set = |key: &'static str, value: serde_json::Value| {
        move |storage: &mut serde_json::Map<String, serde_json::Value>| {
            storage.insert(key.to_owned(), value);
        }
    };
    let same = || set("webdav_policy", "use_proxy_url".into());
    for (imported, part, names) in [
        (proxied(None, same()), "does not hold the token", true),
        (proxied(Some(""), same()), "does not hold the token", true),
        (proxied(Some(&good[1..]), same()), "fewer than 32", true),
        (proxied(Some(&format!("{good} {good}")), same()), "a space", true),
        (proxied(Some(&format!("{good}\u{e4}")), same()), "not ASCII", true),
        (proxied(Some(&good), set("disable_proxy_sign", true.into())), "without a signature", true),
        (proxied(Some(&good), set("down_proxy_sign", false.into())), "without a signature", true),
        (proxied(Some(&good), set("down_proxy_url", "".into())), "missing", false),
        (proxied(Some(&good), set("down_proxy_url", "https://me:word@dl.example.com".into())), "password", false),
    ] {
        let why = note(&imported, "storage /minio").join("; ");
        assert!(why.contains(part) && why.contains("relayed"), "{part}: {why}");
        assert_eq!(why.contains(URL), names, "{why}");
        let yaml = imported.render(Secrets::InFile).yaml;
        assert!(lines(&yaml, "/minio").contains(&"read: relay".to_owned()), "{part}: {yaml}");
        for absent in ["proxy_url:", "proxy_token:", &good[1..], "me:word"] {
            assert!(!yaml.contains(absent), "{part}, {absent}: {yaml}");
        }
        config(&imported, Secrets::InFile);
    }
    let kept = proxied(Some(&good), same());
    assert!(kept.render(Secrets::InFile).yaml.contains(&format!("proxy_token: {good}")));
}

#[test]
fn doge_upyun_and_folders_are_taken_over() {
    let imported = imported(OPENLIST);
    let yaml = imported.render(Secrets::InVariables).yaml;
    assert_eq!(lines(&yaml, "/doge")[..3], ["driver: s3", "provider: dogecloud", "bucket: space"]);
    assert!(note(&imported, "storage /doge").join("").contains("no signature"));
    assert_eq!(
        lines(&yaml, "/uss"),
        [
            "driver: upyun",
            "bucket: service",
            "operator: operator",
            "password: ${USS_PASSWORD}",
            "custom_host: files.example.com",
            "link_token: ${USS_LINK_TOKEN}",
            "sign_url_expire: 24h",
            "list_cache: 30m",
        ]
    );
    assert_eq!(lines(&yaml, "/documents"), ["driver: local", "root_folder_path: /srv/documents"]);
    assert_eq!(note(&imported, "storage /bin").len(), 3, "relative, recycle bin, hidden names");
}

#[test]
fn what_is_not_taken_over_is_told_and_stands_in_the_file() {
    let imported = imported(OPENLIST);
    for (what, part) in [
        ("storage /drive (GoogleDrive)", "not supported"),
        ("storage /films.balance1", "several storages"),
        ("storage /off", "disabled"),
        ("folder /films/private", "password is not"),
        ("folder /documents", "list of readers"),
        ("settings", "web interface"),
        ("passwords", "new one"),
    ] {
        assert!(note(&imported, what).join("").contains(part), "{what}: {:?}", imported.notes());
    }
    assert!(note(&imported, "folder /empty").is_empty());
    let yaml = imported.render(Secrets::InFile).yaml;
    for told in imported.notes() {
        assert!(yaml.contains(&format!("# * {told}\n")), "{told}");
    }
    for secret in ["google secret", "meta secret"] {
        assert!(!yaml.contains(secret), "{secret}");
    }
}

#[test]
fn users_keep_their_folder_and_never_get_more_rights() {
    let imported = imported(OPENLIST);
    let config = config(&imported, Secrets::InFile);
    let users: Vec<_> = config.users.iter().map(|user| (user.name.as_str(), user.root.to_string())).collect();
    let all = [("admin", "/"), ("alice", "/films"), ("电影", "/"), ("bob", "/documents")];
    assert_eq!(users, all.map(|(name, root)| (name, root.to_owned())));
    let yaml = imported.render(Secrets::InFile).yaml;
    let access = |name: &str| {
        yaml.split_once(&format!("- name: {name}\n"))
            .unwrap()
            .1
            .split_once("access: ")
            .unwrap()
            .1
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        [access("admin"), access("alice"), access("电影"), access("bob")],
        ["read-write", "read-write", "read-only", "read-only"]
    );
    for (what, part) in [
        ("user web only", "may not use WebDAV"),
        ("user gone", "disabled"),
        ("user drive", "in no mount"),
        ("user a:b", "colon"),
        ("user bob", "safe side"),
    ] {
        assert!(note(&imported, what).join("").contains(part), "{what}: {:?}", imported.notes());
    }
    assert!(yaml.contains("anonymous: read-only"), "the guest");
}

#[test]
fn alist_and_openlist_are_told_apart_by_their_version_or_by_their_fields() {
    let placeholder = |text: &str| {
        let yaml = imported(text).render(Secrets::InFile).yaml;
        yaml.lines().find_map(|line| line.trim().strip_prefix("placeholder: ").map(str::to_owned)).unwrap()
    };
    assert_eq!(placeholder(OPENLIST), ".openlist");
    assert_eq!(placeholder(ALIST), ".alist");
    let without = |text: &str, words: &[&str]| {
        let mut backup: serde_json::Value = serde_json::from_str(text).unwrap();
        backup["settings"] = serde_json::json!([]);
        for storage in backup["storages"].as_array_mut().unwrap() {
            for word in words {
                storage.as_object_mut().unwrap().remove(*word);
            }
        }
        backup.to_string()
    };
    assert_eq!(placeholder(&without(OPENLIST, &[])), ".openlist");
    assert_eq!(placeholder(&without(ALIST, &[])), ".alist");
    let neither = ["disable_proxy_sign", "custom_cache_policies", "down_proxy_sign"];
    assert_eq!(placeholder(&without(OPENLIST, &neither)), "[.openlist, .alist]");
}

#[test]
fn what_alist_has_alone_is_understood() {
    let imported = imported(ALIST);
    let yaml = imported.render(Secrets::InVariables).yaml;
    assert!(lines(&yaml, "/a").contains(&"storage_class: STANDARD_IA".to_owned()), "{yaml}");
    assert!(lines(&yaml, "/bare").contains(&"placeholder: \"\"".to_owned()), "{yaml}");
    assert!(note(&imported, "storage /uss").join("").contains("bare"), "{:?}", imported.notes());
    assert!(note(&imported, "user carol").join("").contains("role"), "{:?}", imported.notes());
    let passwords: Vec<_> = imported
        .render(Secrets::InVariables)
        .variables
        .into_iter()
        .filter(|(name, _)| name == "OLD_PASSWORD")
        .collect();
    assert_eq!(passwords[0].1.reveal(), "kept from long ago", "as versions before 3.6 kept them");
    assert!(yaml.contains("anonymous: none"), "the guest is disabled");
}

#[test]
fn what_is_no_backup_is_refused_with_the_way_out() {
    let refused = |text: &str| alist(text, &mut || Secret::new("x")).unwrap_err();
    assert!(matches!(refused("nonsense"), Error::NoBackup(_)));
    assert!(matches!(refused("[]"), Error::NoBackup(_)));
    assert!(matches!(refused("{}"), Error::NoBackup(_)));
    let encrypted = OPENLIST.replacen("\"encrypted\": \"\"", "\"encrypted\": \"VTJGc2RHVmtYMS8=\"", 1);
    assert!(matches!(refused(&encrypted), Error::EncryptedBackup));
    let error = refused(r#"{"storages": [{"mount_path": "/g", "driver": "GoogleDrive"}]}"#);
    assert!(
        matches!(&error, Error::NoMounts(notes) if notes.len() == 1) && error.to_string().contains("/g"),
        "{error}"
    );
}
