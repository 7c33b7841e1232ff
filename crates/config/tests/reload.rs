//! A configuration takes the place of another one.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use davmux_config::{Built, Changes, Config};

const MOUNTS: &str = "  - {path: /l, driver: local, root_folder_path: l}\n  - {path: /b, driver: s3, bucket: b, endpoint: \
                      \"http://127.0.0.1:1\", access_key_id: a, secret_access_key_file: key, region: us-east-1}\n";

fn parsed(text: &str, dir: &Path) -> Config {
    Config::parse(text, "m.yaml", dir, |_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

async fn served(dir: &Path) -> (Config, Built) {
    std::fs::write(dir.join("key"), "secret").unwrap();
    let config = parsed(&file("", MOUNTS), dir);
    let built = config.build().await.unwrap();
    (config, built)
}

fn file(server: &str, mounts: &str) -> String {
    format!(
        "version: 1\nserver: {{anonymous: read-only, state_dir: state{server}}}\nusers:\n  - {{name: a, password: a}}\nmounts:\n{mounts}"
    )
}

async fn next(text: &str, dir: &Path, (former, running): &(Config, Built)) -> (Built, Changes) {
    parsed(text, dir).build_beside(former, &running.tree, &running.base).await.unwrap()
}

/// The mounts that both have, the very same.
fn kept(one: &Built, other: &Built) -> Vec<String> {
    let is_same = |mount: &&Arc<davmux_tree::Mount>| other.tree.mounts().any(|there| Arc::ptr_eq(there, mount));
    let mut kept: Vec<_> = one.tree.mounts().filter(is_same).map(|mount| mount.path().to_string()).collect();
    kept.sort();
    kept
}

#[tokio::test]
async fn mounts_that_are_the_same_keep_their_drivers_wherever_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let running = served(dir.path()).await;
    let text = file("", &format!("# a comment\n  - {{path: /n, driver: local, root_folder_path: n}}\n{MOUNTS}"));
    let (built, changes) = next(&text, dir.path(), &running).await;
    assert_eq!(kept(&built, &running.1), ["/b", "/l"]);
    assert_eq!(changes.to_string(), "mounts added: /n");
    let (built, changes) = next(&file("", MOUNTS), dir.path(), &running).await;
    assert_eq!((kept(&built, &running.1).len(), changes.to_string().as_str()), (2, "nothing changed"));
}

#[tokio::test]
async fn what_changed_is_named_also_where_only_a_secrets_file_did() {
    let dir = tempfile::tempdir().unwrap();
    let running = served(dir.path()).await;
    std::fs::write(dir.path().join("key"), "another").unwrap();
    let (built, changes) = next(&file("", MOUNTS), dir.path(), &running).await;
    assert_eq!((kept(&built, &running.1), changes.to_string().as_str()), (vec!["/l".to_owned()], "mounts changed: /b"));
    assert!(!format!("{changes:?}").contains("another"));
    std::fs::write(dir.path().join("key"), "secret").unwrap();
    let (_, changes) =
        next(&file("", MOUNTS).replace("root_folder_path: l", "root_folder_path: m"), dir.path(), &running).await;
    assert_eq!(changes.to_string(), "mounts changed: /l");
    let text = file(", upload_memory: 64MiB", "  - {path: /l, driver: local, root_folder_path: l}\n")
        .replace("- {name: a, password: a}", "- {name: a, password: b}\n  - {name: c, password: c}");
    let (_, changes) = next(&text, dir.path(), &running).await;
    assert_eq!(
        changes.to_string(),
        "mounts removed: /b; users added: c; users changed: a; server changed; server.upload_memory counts from the next start on"
    );
}

#[tokio::test]
async fn a_unix_socket_that_stays_keeps_its_mode_and_the_change_says_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "secret").unwrap();
    let former = parsed(&file(", listen: \"unix:s\", socket_mode: \"0666\"", MOUNTS), dir.path());
    let running = former.build().await.unwrap();
    let text = file(", listen: \"unix:s\", socket_mode: \"0600\"", MOUNTS);
    let (_, changes) = parsed(&text, dir.path()).build_beside(&former, &running.tree, &running.base).await.unwrap();
    assert_eq!(changes.to_string(), "server changed; server.socket_mode counts from the next start on");
    let text = file(", listen: \"unix:t\", socket_mode: \"0600\"", MOUNTS);
    let (_, changes) = parsed(&text, dir.path()).build_beside(&former, &running.tree, &running.base).await.unwrap();
    assert_eq!(changes.to_string(), "server changed");
}

#[tokio::test]
async fn the_state_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (former, running) = served(dir.path()).await;
    let text = file("", MOUNTS).replace("state_dir: state", "state_dir: elsewhere");
    let refused = parsed(&text, dir.path()).build_beside(&former, &running.tree, &running.base).await.unwrap_err();
    assert!(refused.to_string().contains("restart"), "{refused}");
    assert!(!dir.path().join("elsewhere").exists());
    let (built, _) = next(&file("", MOUNTS), dir.path(), &(former, running)).await;
    drop(built);
}

#[tokio::test]
async fn a_mount_that_cannot_be_made_leaves_the_running_tree_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (former, running) = served(dir.path()).await;
    let text = file(
        "",
        &format!(
            "{MOUNTS}  - {{path: /w, driver: s3, bucket: b, endpoint: \"http://127.0.0.1:1\", region: x, access_key_id: a, secret_access_key: b, user_agent: \"a\\nb\"}}\n"
        ),
    );
    let wrong = parsed(&text, dir.path()).build_beside(&former, &running.tree, &running.base).await;
    assert!(wrong.is_err());
    assert_eq!(running.tree.mounts().count(), 2);
}
