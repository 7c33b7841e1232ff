//! The time that a client gave a file is the one that is shown, whoever asks, and goes where the file goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use davmux_driver_testkit::{Fault, Memory, Op};
use davmux_state::{Error, Kept, KeptIndex, Store, Swap, Table};
use davmux_tree::{
    Access, Checksums, ErrorKind, Mount, Node, Problem, PutRequest, Result, Tree, TreeOptions, View, When, Written,
};

use crate::support::*;

const SUMS: Checksums = Checksums { md5: Some([5; 16]), sha1: None };

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

async fn put_at(view: &View, to: &str, data: &str, modified: SystemTime) -> Result<Written> {
    let request = PutRequest { modified: Some(modified), checksums: SUMS, ..PutRequest::default() };
    let mut put = view.put(&path(to), request).await?;
    put.write(Bytes::from(data.to_owned())).await?;
    put.finish().await
}

/// The node as a listing has it.
async fn listed(view: &View, what: &str) -> Option<Node> {
    let at = path(what);
    let nodes = gather(view.list(&at.parent().unwrap()).await.unwrap()).await.unwrap();
    nodes.into_iter().find(|node| *node.name == *at.name())
}

/// The time that a look shows, which a listing shows too.
async fn shown(view: &View, what: &str) -> Option<SystemTime> {
    let looked = view.stat(&path(what)).await.unwrap();
    assert_eq!(listed(view, what).await.unwrap().modified, looked.modified, "{what}: look and listing differ");
    looked.modified
}

fn index(one: &One) -> KeptIndex {
    KeptIndex::new(Arc::<davmux_state::Memory>::clone(&one.store))
}

#[tokio::test]
async fn a_time_that_came_with_a_file_is_shown_by_all_and_outlives_a_restart() {
    for one in both() {
        let view = &one.view;
        fill(view, &["d/other"]).await;
        let written = put_at(view, "d/f", "x", time(1_000)).await.unwrap();
        assert_eq!((written.node.modified, written.node.checksums()), (Some(time(1_000)), SUMS));
        assert_eq!(shown(view, "d/f").await, Some(time(1_000)));
        for view in [view, &restarted(&one)] {
            assert_eq!(shown(view, "d/f").await, Some(time(1_000)));
            assert_eq!(view.stat(&path("d/f")).await.unwrap().checksums(), SUMS);
            assert_eq!(open(view, "d/f", &Default::default()).await.unwrap().node.modified, Some(time(1_000)));
        }
        // In the other order: a listing is the first to see it.
        let view = restarted(&one);
        assert_eq!(listed(&view, "d/f").await.unwrap().checksums(), SUMS);
        let unlisted = View::new(
            Tree::new(
                vec![Mount::new(at("/"), driver_of(&one.faulty), kept(Duration::ZERO))],
                TreeOptions { redirect_rules: Vec::new(), store: Arc::<davmux_state::Memory>::clone(&one.store) },
            ),
            at("/"),
            Access::ReadWrite,
        );
        assert_eq!(shown(&unlisted, "d/f").await, Some(time(1_000)), "without a cache");
    }
}

#[tokio::test]
async fn what_another_program_puts_there_has_its_own_time() {
    for one in both() {
        fill(&one.view, &["d/other"]).await;
        put_at(&one.view, "d/f", "x", time(1_000)).await.unwrap();
        one.memory.plant("d/f", "y");
        let view = restarted(&one);
        assert!(shown(&view, "d/f").await.unwrap() > time(1_700_000_000));
        assert!(view.stat(&path("d/f")).await.unwrap().checksums().is_empty());
    }
}

#[tokio::test]
async fn the_metadata_of_a_file_is_shown_by_listings_once_it_was_looked_at_or_read() {
    let one = keys();
    for name in ["d/looked", "d/read", "d/neither"] {
        fill(&one.view, &["d/other"]).await;
        put_at(&one.view, name, "x", time(1_000)).await.unwrap();
    }
    // Another davmux, which was told nothing of them.
    let (_, view) = tree(vec![("/", driver_of(&one.faulty), kept(Duration::ZERO))]);
    let own = listed(&view, "d/looked").await.unwrap().modified;
    assert!(own > Some(time(1_700_000_000)));
    assert_eq!(view.stat(&path("d/looked")).await.unwrap().modified, Some(time(1_000)));
    open(&view, "d/read", &Default::default()).await.unwrap();
    for (name, expected) in [("d/looked", Some(time(1_000))), ("d/read", Some(time(1_000)))] {
        let node = listed(&view, name).await.unwrap();
        assert_eq!((node.modified, node.checksums()), (expected, SUMS), "{name}");
    }
    assert!(listed(&view, "d/neither").await.unwrap().modified > Some(time(1_700_000_000)));
}

#[tokio::test]
async fn a_time_alone_is_set_without_writing_the_file_and_shown_at_once() {
    for one in both() {
        let view = &one.view;
        fill(view, &["d/f"]).await;
        assert!(view.set_modified(&path("d/f"), time(2_000)).await.unwrap());
        assert_eq!(shown(view, "d/f").await, Some(time(2_000)));
        let calls = one.log().calls();
        let written = calls.iter().filter(|call| call.op == Op::Write && call.path == path("d/f")).count();
        assert_eq!(written, 1, "only its own upload");
        assert!(!calls.iter().any(|call| call.op == Op::Copy));
        assert_eq!(shown(&restarted(&one), "d/f").await, Some(time(2_000)));
        assert!(view.set_modified(&path("d/missing"), time(1)).await.unwrap_err().is_not_found());
    }
}

#[tokio::test]
async fn a_set_time_wins_over_the_metadata_and_checksums_stay() {
    for one in both() {
        let view = &one.view;
        put_at(view, "f", "x", time(1_000)).await.unwrap();
        assert!(view.set_modified(&path("f"), time(3_000)).await.unwrap());
        for view in [view, &restarted(&one)] {
            assert_eq!(shown(view, "f").await, Some(time(3_000)));
            assert_eq!(view.stat(&path("f")).await.unwrap().checksums(), SUMS);
        }
    }
}

#[tokio::test]
async fn times_follow_a_copy_and_a_move_and_stay_with_their_neighbours() {
    for one in both() {
        let view = &one.view;
        fill(view, &["a/s/other", "ab/x"]).await;
        put_at(view, "a/f", "x", time(1_000)).await.unwrap();
        put_at(view, "a/s/g", "x", time(2_000)).await.unwrap();
        put_at(view, "ab/f", "x", time(3_000)).await.unwrap();
        assert!(copy(view, "a", "b").await.unwrap().failed.is_empty());
        copy(view, "ab/f", "b/h").await.unwrap();
        let expected = [("b/f", 1_000), ("b/s/g", 2_000), ("b/h", 3_000), ("a/f", 1_000)];
        // A time of a folder's own storage is that of the copy where the storage has no metadata.
        for (name, seconds) in expected {
            assert_eq!(shown(view, name).await, Some(time(seconds)), "{name}");
        }
        assert!(rename(view, "b", "c").await.unwrap().failed.is_empty());
        rename(view, "ab/f", "moved").await.unwrap();
        for view in [view, &restarted(&one)] {
            for (name, seconds) in [("c/f", 1_000), ("c/s/g", 2_000), ("c/h", 3_000), ("moved", 3_000)] {
                assert_eq!(shown(view, name).await, Some(time(seconds)), "{name}");
                assert_eq!(view.stat(&path(name)).await.unwrap().checksums(), SUMS, "{name}");
            }
        }
        for left in ["/b", "/ab/f"] {
            assert!(index(&one).within(left).await.unwrap().is_empty(), "{left}");
        }
    }
}

#[tokio::test]
async fn what_replaces_or_comes_after_a_file_does_not_inherit_its_time() {
    let one = keys();
    let view = &one.view;
    for name in ["deleted", "replaced", "copied-over", "moved-over", "folder/f"] {
        fill(view, &["folder/other", "source/1", "source/2"]).await;
        put_at(view, name, "x", time(1_000)).await.unwrap();
    }
    delete(view, "deleted").await.unwrap();
    put(view, "deleted", "x").await.unwrap();
    put(view, "replaced", "x").await.unwrap();
    copy(view, "source/1", "copied-over").await.unwrap();
    rename(view, "source/2", "moved-over").await.unwrap();
    copy(view, "source", "folder").await.unwrap();
    assert!(index(&one).within("/").await.unwrap().is_empty(), "{:?}", index(&one).within("/").await);
    for name in ["deleted", "replaced", "copied-over", "moved-over"] {
        assert!(shown(view, name).await > Some(time(1_700_000_000)), "{name}");
    }
}

#[tokio::test]
async fn a_folder_in_a_bucket_keeps_its_time_until_it_goes() {
    let one = keys();
    let view = &one.view;
    fill(view, &["d/s/f"]).await;
    assert!(view.set_modified(&path("d/s"), time(1_000)).await.unwrap());
    put(view, "d/s/g", "x").await.unwrap();
    assert_eq!(shown(view, "d/s").await, Some(time(1_000)));
    rename(view, "d", "e").await.unwrap();
    assert_eq!(shown(view, "e/s").await, Some(time(1_000)));
    assert_eq!(shown(&restarted(&one), "e/s").await, Some(time(1_000)));
    delete(view, "e/s").await.unwrap();
    view.create_dir(&path("e/s")).await.unwrap();
    assert_eq!(shown(view, "e/s").await, None);
}

#[tokio::test]
async fn what_a_look_brings_does_not_take_the_place_of_what_was_kept_meanwhile() {
    let one = keys();
    // By another davmux, so that nothing is known of it here.
    put_at(&afresh(&one), "f", "x", time(1_000)).await.unwrap();
    let gate = one.faulty.on(Op::Stat).at(&path("f")).gate_after();
    let view = one.view.clone();
    let looked = tokio::spawn(async move { view.stat(&path("f")).await });
    gate.reached().await;
    put(&one.view, "f", "y").await.unwrap();
    assert!(one.view.set_modified(&path("f"), time(3_000)).await.unwrap());
    gate.open();
    assert_eq!(looked.await.unwrap().unwrap().modified, Some(time(1_000)), "the version that it asked about");
    for view in [&one.view, &restarted(&one)] {
        assert_eq!(shown(view, "f").await, Some(time(3_000)));
    }
}

#[tokio::test]
async fn times_follow_a_large_folder_that_is_renamed_in_one_step() {
    const MANY: u64 = 5_000;
    let one = folders();
    fill(&one.view, &["b/s/other"]).await;
    put_at(&one.view, "b/s/f", "x", time(1_000)).await.unwrap();
    let of = index(&one).get("/b/s/f").await.unwrap().unwrap();
    let others = (0..MANY).map(|n| (format!("/b/s/{n}"), Some(Kept { modified: Some(time(n)), ..of.clone() })));
    index(&one).change(others.collect()).await.unwrap();
    rename(&one.view, "b", "c").await.unwrap();
    assert!(index(&one).within("/b").await.unwrap().is_empty());
    let moved = index(&one).within("/c").await.unwrap();
    assert_eq!(moved.len() as u64, MANY + 1);
    assert!(moved.contains(&("/c/s/4999".to_owned(), Kept { modified: Some(time(4_999)), ..of })));
    assert_eq!(one.view.stat(&path("c/s/f")).await.unwrap().checksums(), SUMS);
}

#[tokio::test]
async fn a_member_that_a_move_left_keeps_its_time_and_those_that_went_leave_none() {
    let one = keys();
    let view = &one.view;
    fill(view, &["d/s/other"]).await;
    for name in ["d/goes", "d/s/stays", "d/s/goes"] {
        put_at(view, name, "x", time(1_000)).await.unwrap();
    }
    one.faulty.on(Op::Copy).at(&path("d/s/stays")).fault(Fault::Before(ErrorKind::Denied));
    one.faulty.on(Op::Read).at(&path("d/s/stays")).fault(Fault::Before(ErrorKind::Denied));
    assert_eq!(rename(view, "d", "e").await.unwrap().failed.len(), 1);
    one.faulty.heal();
    let left: Vec<String> = index(&one).within("/d").await.unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, ["/d/s/stays"]);
    for name in ["d/s/stays", "e/goes", "e/s/goes"] {
        assert_eq!(shown(&restarted(&one), name).await, Some(time(1_000)), "{name}");
    }
}

#[tokio::test]
async fn what_was_kept_of_a_folder_that_a_rename_replaced_is_forgotten() {
    let one = folders();
    fill(&one.view, &["b/other", "c/s/other"]).await;
    for name in ["b/new", "c/s/old"] {
        put_at(&one.view, name, "x", time(1_000)).await.unwrap();
    }
    rename(&one.view, "b", "c").await.unwrap();
    let left: Vec<String> = index(&one).within("/").await.unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, ["/c/new"]);
}

#[tokio::test]
async fn a_time_that_the_storage_set_itself_is_not_kept_beside_it() {
    let one = folders();
    let request = PutRequest { modified: Some(time(1_000)), ..PutRequest::default() };
    let put = one.view.put(&path("f"), request).await.unwrap();
    assert_eq!(put.finish().await.unwrap().node.modified, Some(time(1_000)));
    assert!(index(&one).is_empty().await.unwrap());
}

#[tokio::test]
async fn a_file_without_a_time_puts_nothing_into_the_state() {
    let one = keys();
    fill(&one.view, &["d/f"]).await;
    put(&one.view, "d/f", "again").await.unwrap();
    shown(&restarted(&one), "d/f").await.unwrap();
    assert!(index(&one).is_empty().await.unwrap());
}

/// A store that fails from some moment on.
#[derive(Debug, Default)]
struct Failing {
    store: davmux_state::Memory,
    reads: AtomicBool,
    writes: AtomicBool,
}

fn healthy<'a>(store: &'a davmux_state::Memory, fails: &AtomicBool) -> davmux_state::Result<&'a davmux_state::Memory> {
    if fails.load(Ordering::Relaxed) {
        return Err(Error::Unavailable { action: "write", detail: "no space left on device".into() });
    }
    Ok(store)
}

impl Failing {
    fn store(&self) -> davmux_state::Result<&davmux_state::Memory> {
        healthy(&self.store, &self.reads)
    }

    fn writable(&self) -> davmux_state::Result<&davmux_state::Memory> {
        healthy(&self.store, &self.writes)
    }
}

#[async_trait]
impl Store for Failing {
    async fn get(&self, table: Table, key: &str) -> davmux_state::Result<Option<Vec<u8>>> {
        self.store()?.get(table, key).await
    }
    async fn put(&self, table: Table, key: &str, value: &[u8]) -> davmux_state::Result<()> {
        self.writable()?.put(table, key, value).await
    }
    async fn remove(&self, table: Table, key: &str) -> davmux_state::Result<()> {
        self.writable()?.remove(table, key).await
    }
    async fn list(&self, table: Table, prefix: &str) -> davmux_state::Result<Vec<(String, Vec<u8>)>> {
        self.store()?.list(table, prefix).await
    }
    async fn list_up_to(
        &self,
        table: Table,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> davmux_state::Result<(Vec<(String, Vec<u8>)>, bool)> {
        self.store()?.list_up_to(table, prefix, after, most).await
    }
    async fn replace(
        &self,
        table: Table,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> davmux_state::Result<bool> {
        self.writable()?.replace(table, key, expected, value).await
    }
    async fn is_empty(&self, table: Table) -> davmux_state::Result<bool> {
        self.store()?.is_empty(table).await
    }
    async fn get_all(&self, table: Table, keys: Vec<String>) -> davmux_state::Result<Vec<Option<Vec<u8>>>> {
        self.store()?.get_all(table, keys).await
    }
    async fn replace_all(&self, table: Table, swaps: Vec<Swap>) -> davmux_state::Result<usize> {
        self.writable()?.replace_all(table, swaps).await
    }
    async fn remove_all(&self, table: Table, prefixes: Vec<String>) -> davmux_state::Result<()> {
        self.writable()?.remove_all(table, prefixes).await
    }
    async fn change(&self, table: Table, changes: Vec<(String, Option<Vec<u8>>)>) -> davmux_state::Result<()> {
        self.writable()?.change(table, changes).await
    }
}

#[tokio::test]
async fn a_time_that_cannot_be_kept_is_not_told_as_kept_and_the_file_stands() {
    for reads_fail in [false, true] {
        let mounts = vec![Mount::new(at("/"), bucket(&Memory::keys()), kept(KEPT))];
        let store = Arc::new(Failing::default());
        let tree = Tree::new(mounts, TreeOptions { redirect_rules: Vec::new(), store: Arc::<Failing>::clone(&store) });
        let view = View::new(tree, at("/"), Access::ReadWrite);
        put_at(&view, "before", "x", time(1_000)).await.unwrap();
        store.writes.store(true, Ordering::Relaxed);
        store.reads.store(reads_fail, Ordering::Relaxed);
        let written = put_at(&view, "f", "x", time(1_000)).await.unwrap();
        assert_ne!(written.node.modified, Some(time(1_000)));
        assert_eq!(get(&view, "f").await.unwrap(), "x");
        assert_eq!(names(&view, "").await.unwrap(), ["before", "f"]);
        assert_eq!(problem(view.set_modified(&path("f"), time(1)).await), Problem::State);
        copy(&view, "f", "g").await.unwrap();
        copy(&view, "before", "h").await.unwrap();
        for name in ["f", "g", "h"] {
            assert_ne!(
                shown(&view, name).await,
                Some(time(1_000)),
                "{name}, {reads_fail}: a later listing would not show it"
            );
        }
        assert!(view.delete(&path("f"), When::Always).await.unwrap().is_empty());
    }
}
