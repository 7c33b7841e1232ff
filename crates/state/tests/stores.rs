//! Both stores keep the same contract; the file's facts outlive it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use davmux_state::{Error, File, Memory, PendingUpload, Store, Table, Uploads};

const TABLE: Table = Table::Uploads;

async fn both(folder: &Path) -> [Arc<dyn Store>; 2] {
    [Arc::new(Memory::new()), Arc::new(File::open(folder).await.unwrap())]
}

#[tokio::test]
async fn a_value_is_read_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        assert_eq!(store.get(TABLE, "a").await.unwrap(), None);
        store.remove(TABLE, "a").await.unwrap();
        store.put(TABLE, "a", b"1").await.unwrap();
        store.put(TABLE, "a", b"2").await.unwrap();
        assert_eq!(store.get(TABLE, "a").await.unwrap().unwrap(), b"2");
        store.remove(TABLE, "a").await.unwrap();
        assert_eq!(store.get(TABLE, "a").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_listing_holds_the_prefix_and_nothing_beside_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        assert!(store.list(TABLE, "").await.unwrap().is_empty());
        for key in ["b", "a/2", "a/1", "a", "a0", "ä"] {
            store.put(TABLE, key, key.as_bytes()).await.unwrap();
        }
        let keys = |facts: Vec<(String, Vec<u8>)>| {
            assert!(facts.iter().all(|(key, value)| key.as_bytes() == value));
            facts.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys(store.list(TABLE, "a/").await.unwrap()), ["a/1", "a/2"]);
        assert_eq!(keys(store.list(TABLE, "").await.unwrap()), ["a", "a/1", "a/2", "a0", "b", "ä"]);
    }
}

#[tokio::test]
async fn replace_changes_only_what_still_stands() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        assert!(!store.replace(TABLE, "k", Some(b"x"), Some(b"1")).await.unwrap());
        assert!(store.replace(TABLE, "k", None, Some(b"1")).await.unwrap());
        assert!(!store.replace(TABLE, "k", None, Some(b"2")).await.unwrap());
        assert!(!store.replace(TABLE, "k", Some(b"2"), None).await.unwrap());
        assert_eq!(store.get(TABLE, "k").await.unwrap().unwrap(), b"1");
        assert!(store.replace(TABLE, "k", Some(b"1"), Some(b"2")).await.unwrap());
        assert!(store.replace(TABLE, "k", Some(b"2"), None).await.unwrap());
        assert_eq!(store.get(TABLE, "k").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_race_to_replace_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let racers = (0..8u8).map(|racer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.replace(TABLE, "k", None, Some(&[racer])).await.unwrap() })
        });
        let mut winners = 0;
        for racer in racers.collect::<Vec<_>>() {
            winners += usize::from(racer.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
}

#[tokio::test]
async fn uploads_outlive_a_restart_of_the_file_store() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("made/on/demand");
    let uploads = Uploads::new(Arc::new(File::open(&state).await.unwrap()));
    uploads.record("/films", "a.mkv", "id-1").await.unwrap();
    uploads.record("/films", "a.mkv", "id-2").await.unwrap();
    uploads.record("/films", "a.mkv", "id-2").await.unwrap();
    uploads.forget("/films", "a.mkv", "id-1").await.unwrap();
    uploads.forget("/films", "a.mkv", "never known").await.unwrap();
    drop(uploads);

    let uploads = Uploads::new(Arc::new(File::open(&state).await.unwrap()));
    let left = PendingUpload { mount: "/films".into(), path: "a.mkv".into(), upload_id: "id-2".into() };
    assert_eq!(uploads.all().await.unwrap(), [left]);
}

#[tokio::test]
async fn a_record_of_another_format_is_an_error_and_not_skipped() {
    let store = Arc::new(Memory::new());
    store.put(Table::Uploads, "no record", b"1").await.unwrap();
    let error = Uploads::new(store).all().await.unwrap_err();
    assert!(matches!(error, Error::Record { .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_its_name_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let garbage = b"this is not a database. ".repeat(4096);
    std::fs::write(&path, &garbage).unwrap();
    let error = File::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn a_file_damaged_in_its_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let store = File::open(folder.path()).await.unwrap();
    store.put(TABLE, "k", b"v").await.unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[64..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = File::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let not_a_folder = folder.path().join("file");
    std::fs::write(&not_a_folder, b"").unwrap();
    let error = File::open(&not_a_folder).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    assert!(error.to_string().contains(not_a_folder.to_str().unwrap()), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_this_user_may_read_the_file_and_its_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("made/state");
    let _store = File::open(&state).await.unwrap();
    for path in [state.join("state.redb"), state] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} {mode:o}", path.display());
    }
}

const FOLDER_OF_THE_OTHER: &str = "DAVMUX_TEST_STATE_FOLDER";

#[tokio::test]
async fn a_second_process_is_told_that_the_file_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let store = File::open(folder.path()).await.unwrap();
    let second = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "second_process", "--ignored", "--nocapture"]);
        command.env(FOLDER_OF_THE_OTHER, folder.path()).output().unwrap()
    };
    let output = second();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("in use by another process"), "{said}");
    drop(store);
    let said = String::from_utf8_lossy(&second().stdout).into_owned();
    assert!(said.contains("opened"), "{said}");
}

#[tokio::test]
#[ignore = "the other process of a_second_process_is_told_that_the_file_is_in_use, which starts it"]
async fn second_process() {
    let Some(folder) = std::env::var_os(FOLDER_OF_THE_OTHER) else { return };
    match File::open(folder).await {
        Ok(_) => println!("opened"),
        Err(error) => println!("{error}"),
    }
}
