//! From a file to what is served.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use davmux_config::{Built, Config};
use davmux_driver::RelPath;
use davmux_tree::PutRequest;

async fn built(text: &str, dir: &Path) -> Built {
    let config = Config::parse(text, "m.yaml", dir, |_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    config.build().await.unwrap()
}

#[tokio::test]
async fn each_user_sees_a_root_and_has_rights_and_nobody_else_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("docs/hers")).unwrap();
    std::fs::write(dir.path().join("docs/hers/file"), "x").unwrap();
    let text = "version: 1\nserver: {base_path: /dav, state_dir: state}\nusers:\n  - {name: alice, password: a, root: /l/hers, access: read-only}\n  \
                - {name: bob, password: b}\nmounts:\n  - {path: /l, driver: local, root_folder_path: docs}\n";
    let built = built(text, dir.path()).await;
    assert_eq!(built.base_path, "/dav");
    assert!(built.anonymous.is_none());
    assert_eq!(built.server.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    let file = RelPath::parse("file").unwrap();
    assert_eq!(built.users["alice"].stat(&file).await.unwrap().size, 1);
    assert!(built.users["alice"].put(&file, PutRequest::default()).await.is_err());
    assert_eq!(built.users["bob"].stat(&RelPath::parse("l/hers/file").unwrap()).await.unwrap().size, 1);
    assert!(built.users["bob"].writable(&RelPath::parse("l/hers/file").unwrap()).is_ok());
    assert!(dir.path().join("state").is_dir());
}

#[tokio::test]
async fn all_drivers_are_made_without_asking_a_storage() {
    let dir = tempfile::tempdir().unwrap();
    let text = "version: 1\nserver: {anonymous: read-only}\nmounts:\n  - {path: /kept, driver: s3, bucket: b, endpoint: \"http://127.0.0.1:1\", access_key_id: a, \
                secret_access_key: b, region: us-east-1}\n  - {path: /bare, driver: s3, bucket: b, endpoint: \"http://127.0.0.1:1\", \
                access_key_id: a, secret_access_key: b, region: us-east-1, placeholder: \"\", read_only: true}\n  \
                - {path: /u, driver: upyun, bucket: b, operator: a, password: c, endpoint: \"http://127.0.0.1:1\"}\n  \
                - {path: /, driver: local, root_folder_path: missing}\n";
    let built = built(text, dir.path()).await;
    let mounts: Vec<_> = built
        .tree
        .mounts()
        .map(|mount| (mount.path().to_string(), mount.driver().name(), mount.options().read_only))
        .collect();
    assert_eq!(mounts.len(), 4);
    assert!(mounts.contains(&("/u".to_owned(), "upyun", false)), "{mounts:?}");
    assert!(mounts.contains(&("/bare".to_owned(), "s3", true)), "{mounts:?}");
    assert!(built.anonymous.is_some_and(|view| view.writable(&RelPath::parse("kept/x").unwrap()).is_err()));
}

#[tokio::test]
async fn a_state_that_cannot_be_opened_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state"), "a file where a folder is needed").unwrap();
    let text = "version: 1\nserver: {anonymous: read-only, state_dir: state}\nmounts: [{path: /, driver: local, root_folder_path: .}]\n";
    let config = Config::parse(text, "m.yaml", dir.path(), |_| None).unwrap();
    assert!(config.build().await.unwrap_err().to_string().contains("state_dir"));
}

#[tokio::test]
async fn whoever_is_not_logged_in_has_the_rights_of_anonymous_groups_and_never_more_than_anonymous_says() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("public")).unwrap();
    std::fs::create_dir_all(dir.path().join("own")).unwrap();
    let text = "version: 1\nserver: {anonymous: read-only, anonymous_groups: [guests]}\ngroups:\n  - {name: guests, access: none, rights: [{path: \
                /public, access: read-write}]}\nmounts: [{path: /, driver: local, root_folder_path: .}]\n";
    let view = built(text, dir.path()).await.anonymous.unwrap();
    let (public, own) = (RelPath::parse("public").unwrap(), RelPath::parse("own").unwrap());
    assert!(view.stat(&public).await.is_ok() && view.writable(&public).is_err());
    assert!(view.stat(&own).await.unwrap_err().is_not_found());
}
