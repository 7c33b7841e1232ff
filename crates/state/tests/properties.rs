//! Properties on both stores: what belongs to a resource, to the members of a folder, to all that lies below.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use davmux_state::{File, Memory, Properties, Property, PropertyChange, Store, Table};

async fn both(folder: &Path) -> [Arc<dyn Store>; 2] {
    [Arc::new(Memory::new()), Arc::new(File::open(folder).await.unwrap())]
}

fn property(name: &str, value: &str) -> Property {
    Property { namespace: "urn:t".into(), name: name.into(), value: value.into(), lang: None }
}

fn set(path: &str, name: &str, value: &str) -> (String, PropertyChange) {
    (path.to_owned(), PropertyChange::Set(property(name, value)))
}

fn remove(path: &str, name: &str) -> (String, PropertyChange) {
    (path.to_owned(), PropertyChange::Remove { namespace: "urn:t".into(), name: name.into() })
}

/// More bytes than any of these take.
const MANY: usize = 1 << 20;

fn paths(found: Vec<(String, Property)>) -> Vec<String> {
    let mut paths: Vec<_> = found.into_iter().map(|(path, _)| path).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_resource_its_members_and_all_below_are_told_apart_from_their_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let properties = Properties::new(store);
        let all = ["/", "/a", "/a b", "/a-1", "/a/b", "/a/b/c", "/a/bc", "/a/b/c/d", "/ab", "/ab/c", "/a!/x"];
        properties.change(all.iter().map(|path| set(path, "p", path)).collect()).await.unwrap();
        for path in all {
            assert_eq!(properties.of(path).await.unwrap(), [property("p", path)]);
        }
        assert!(properties.of("/b").await.unwrap().is_empty());
        assert_eq!(paths(properties.of_members("/", MANY).await.unwrap().unwrap()), ["/a", "/a b", "/a-1", "/ab"]);
        assert_eq!(paths(properties.of_members("/a", MANY).await.unwrap().unwrap()), ["/a/b", "/a/bc"]);
        assert_eq!(paths(properties.of_members("/a/b/c/d", MANY).await.unwrap().unwrap()), [""; 0]);
        assert_eq!(paths(properties.within("/a").await.unwrap()), ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/bc"]);
        assert_eq!(paths(properties.within("/ab").await.unwrap()), ["/ab", "/ab/c"]);
        assert_eq!(properties.within("/").await.unwrap().len(), all.len());
    }
}

#[tokio::test]
async fn changes_are_done_in_their_order_and_the_last_counts() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let properties = Properties::new(store);
        properties
            .change(vec![set("/a", "p", "1"), remove("/a", "p"), set("/a", "q", "1"), set("/a", "q", "2")])
            .await
            .unwrap();
        assert_eq!(properties.of("/a").await.unwrap(), [property("q", "2")]);
        properties.change(vec![remove("/a", "q"), remove("/a", "never there")]).await.unwrap();
        assert!(properties.of("/a").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_kept_changes_nothing() {
    let properties = Properties::new(Arc::new(Memory::new()));
    assert!(properties.change(vec![set("/a", "p", "1"), set("/a", "\0", "1")]).await.is_err());
    assert!(properties.of("/a").await.unwrap().is_empty());
}

#[tokio::test]
async fn properties_outlive_a_restart_of_the_file_store() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Property { lang: Some("de".into()), ..property("p", "<x>é\u{10000}</x>") };
    let properties = Properties::new(Arc::new(File::open(folder.path()).await.unwrap()));
    properties.change(vec![("/a".to_owned(), PropertyChange::Set(kept.clone()))]).await.unwrap();
    drop(properties);
    let properties = Properties::new(Arc::new(File::open(folder.path()).await.unwrap()));
    assert_eq!(properties.of("/a").await.unwrap(), [kept]);
}

#[tokio::test]
async fn a_record_of_another_format_is_an_error_and_not_skipped() {
    let store = Arc::new(Memory::new());
    store.put(Table::Properties, "\0a\0n\0p", b"2:x").await.unwrap();
    assert!(Properties::new(store).of("/a").await.is_err());
}

#[tokio::test]
async fn no_more_of_a_large_folder_is_read_than_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let properties = Properties::new(Arc::clone(&store));
        let value = "x".repeat(1000);
        let changes = (0..20).map(|n| set(&format!("/a/{n}"), "p", &value)).collect();
        properties.change(changes).await.unwrap();
        assert!(properties.of_members("/a", 10_000).await.unwrap().is_none());
        assert_eq!(properties.of_members("/a", MANY).await.unwrap().unwrap().len(), 20);
        let (some, whole) = store.list_up_to(Table::Properties, "/a\0", "", 3000).await.unwrap();
        assert_eq!((some.len(), whole), (3, false));
        let (all, whole) = store.list_up_to(Table::Properties, "/a\0", "", MANY).await.unwrap();
        assert!(whole && all == store.list(Table::Properties, "/a\0").await.unwrap());
        assert_eq!(store.list_up_to(Table::Properties, "/b", "", 0).await.unwrap(), (Vec::new(), true));
    }
}

#[tokio::test]
async fn all_of_a_folder_is_forgotten_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let properties = Properties::new(store);
        let all = ["/a", "/a b", "/a/b", "/a/b/c", "/ab", "/ab/c"];
        properties.change(all.iter().map(|path| set(path, "p", path)).collect()).await.unwrap();
        properties.forget_within("/none").await.unwrap();
        properties.forget_within("/a").await.unwrap();
        assert_eq!(paths(properties.within("/").await.unwrap()), ["/a b", "/ab", "/ab/c"]);
        properties.forget_within("/ab/c").await.unwrap();
        assert_eq!(paths(properties.within("/").await.unwrap()), ["/a b", "/ab"]);
    }
}
