//! The index of kept times and checksums on both stores.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use davmux_state::{File, Kept, KeptIndex, KeptOf, Memory, Store, Swap, Table};

async fn both(folder: &Path) -> [Arc<dyn Store>; 2] {
    [Arc::new(Memory::new()), Arc::new(File::open(folder).await.unwrap())]
}

fn kept(etag: &str) -> Kept {
    let of = KeptOf::File { etag: etag.into(), size: 1, seen: None };
    Kept { of, modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(5)), md5: None, sha1: None }
}

async fn fill(index: &KeptIndex, paths: &[&str]) {
    let changes = paths.iter().map(|path| ((*path).to_owned(), Some(kept(path)))).collect();
    index.change(changes).await.unwrap();
}

async fn left<'a>(index: &KeptIndex, paths: &[&'a str]) -> Vec<&'a str> {
    let found = index.get_all(paths.iter().copied()).await.unwrap();
    paths.iter().zip(found).filter(|(_, kept)| kept.is_some()).map(|(path, _)| *path).collect()
}

#[tokio::test]
async fn a_path_is_forgotten_with_all_below_and_without_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let index = KeptIndex::new(store);
        assert_eq!(index.get("/a").await.unwrap(), None);
        assert!(index.is_empty().await.unwrap());
        index.forget("/a").await.unwrap();
        let all = ["/a", "/a b", "/a-1", "/a/b", "/a/b/c", "/a/bc", "/ab", "/ab/c", "/a!/x", "/\u{10ffff}"];
        fill(&index, &all).await;
        assert_eq!(index.get("/a/b").await.unwrap(), Some(kept("/a/b")));
        assert!(!index.is_empty().await.unwrap());
        let mut within: Vec<_> = index.within("/a").await.unwrap().into_iter().collect();
        within.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(within, ["/a", "/a/b", "/a/b/c", "/a/bc"].map(|path| (path.to_owned(), kept(path))));
        index.forget("/a").await.unwrap();
        assert_eq!(left(&index, &all).await, ["/a b", "/a-1", "/ab", "/ab/c", "/a!/x", "/\u{10ffff}"]);
        index.forget("/ab/c").await.unwrap();
        index.forget("/\u{10ffff}").await.unwrap();
        assert_eq!(left(&index, &all).await, ["/a b", "/a-1", "/ab", "/a!/x"]);
    }
}

#[tokio::test]
async fn what_was_found_is_replaced_only_while_it_still_stands() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let index = KeptIndex::new(store);
        fill(&index, &["/a", "/b"]).await;
        let seen = |path| kept(path).having_seen(Some(SystemTime::UNIX_EPOCH)).unwrap();
        index.change(vec![("/a".to_owned(), Some(kept("newer")))]).await.unwrap();
        let changes = ["/a", "/b", "/gone"].map(|path| (path.to_owned(), Some(kept(path)), seen(path)));
        index.replace(changes.to_vec()).await.unwrap();
        index.replace(vec![("/b".to_owned(), None, kept("late")), ("/c".to_owned(), None, kept("/c"))]).await.unwrap();
        assert_eq!(index.get("/c").await.unwrap(), Some(kept("/c")));
        let found = index.get_all(["/a", "/b", "/gone"]).await.unwrap();
        assert_eq!(found, [Some(kept("newer")), Some(seen("/b")), None]);
    }
}

#[tokio::test]
async fn it_outlives_a_restart_of_the_file_store() {
    let folder = tempfile::tempdir().unwrap();
    let index = KeptIndex::new(Arc::new(File::open(folder.path()).await.unwrap()));
    fill(&index, &["/a"]).await;
    drop(index);
    let index = KeptIndex::new(Arc::new(File::open(folder.path()).await.unwrap()));
    assert_eq!(index.get("/a").await.unwrap(), Some(kept("/a")));
}

#[tokio::test]
async fn many_values_are_read_replaced_and_removed_in_one_step() {
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let keys = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(store.get_all(Table::Kept, keys.clone()).await.unwrap(), [None, None, None]);
        let swap = |key: &str, expected: Option<&str>, value: Option<&str>| Swap {
            key: key.into(),
            expected: expected.map(Into::into),
            value: value.map(Into::into),
        };
        let first = vec![swap("a", None, Some("1")), swap("b", Some("x"), Some("1")), swap("c", None, Some("1"))];
        assert_eq!(store.replace_all(Table::Kept, first).await.unwrap(), 2);
        let second = vec![swap("a", Some("1"), None), swap("c", Some("1"), Some("2"))];
        assert_eq!(store.replace_all(Table::Kept, second).await.unwrap(), 2);
        assert_eq!(store.get_all(Table::Kept, keys).await.unwrap(), [None, None, Some(b"2".to_vec())]);
        // Prefixes at the ends of what text can say.
        for key in ["\u{d7ff}1", "\u{e000}", "\u{10ffff}1", "\u{10ffff}\u{10ffff}"] {
            store.put(Table::Kept, key, b"1").await.unwrap();
        }
        store.remove_all(Table::Kept, vec!["\u{d7ff}".into(), "\u{10ffff}".into()]).await.unwrap();
        let left: Vec<_> = store.list(Table::Kept, "").await.unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(left, ["c", "\u{e000}"]);
        store.remove_all(Table::Kept, vec![String::new()]).await.unwrap();
        assert!(store.list(Table::Kept, "").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_large_subtree_is_read_in_pages_and_as_a_whole_while_what_was_read_goes() {
    const MANY: usize = 6_000;
    let folder = tempfile::tempdir().unwrap();
    for store in both(folder.path()).await {
        let index = KeptIndex::new(store);
        let mut paths = vec!["/a".to_owned(), "/ab".to_owned(), "/a-/x".to_owned()];
        paths.extend((0..MANY).map(|n| format!("/a/{n:04}-{}", "x".repeat(60))));
        paths.extend((0..MANY).map(|n| format!("/a/b/c/{n:04}-{}", "x".repeat(60))));
        index.change(paths.iter().map(|path| (path.clone(), Some(kept("e")))).collect()).await.unwrap();
        let (mut pages, mut read, mut count) = (index.pages("/a"), Vec::new(), 0);
        while let Some(page) = pages.next().await.unwrap() {
            count += 1;
            assert!(page.len() < MANY / 2, "one page of {}", page.len());
            index.change(page.iter().map(|(path, _)| (path.clone(), None)).collect()).await.unwrap();
            read.extend(page.into_iter().map(|(path, _)| path));
        }
        paths.retain(|path| path != "/ab" && path != "/a-/x");
        read.sort();
        paths.sort();
        assert!(read == paths && count > 4, "{} of {} in {count} pages", read.len(), paths.len());
        assert_eq!(left(&index, &["/a", "/ab", "/a-/x"]).await, ["/ab", "/a-/x"]);
    }
}
