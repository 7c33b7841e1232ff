//! Another tree takes the place of one on which requests go on.

use std::sync::Arc;
use std::time::Duration;

use davmux_driver_testkit::{Memory, Op};
use davmux_tree::{Access, Mount, Tree, View};
use futures_util::FutureExt;

use crate::support::*;

fn everything(tree: &Arc<Tree>) -> View {
    View::new(Arc::clone(tree), at("/"), Access::ReadWrite)
}

/// The tree with other mounts, in its place.
fn replaced(tree: &Tree, mounts: Vec<Arc<Mount>>) -> (Arc<Tree>, View) {
    let next = tree.with(mounts, Vec::new());
    tree.give_way_to(&next);
    let view = everything(&next);
    (next, view)
}

fn same(tree: &Tree) -> Vec<Arc<Mount>> {
    tree.mounts().cloned().collect()
}

fn mount(path: &str, driver: Arc<dyn davmux_tree::Driver>) -> Arc<Mount> {
    Arc::new(Mount::new(at(path), driver, kept(KEPT)))
}

#[tokio::test]
async fn a_mount_that_stays_keeps_what_is_known_through_it_and_both_trees_see_each_others_changes() {
    for one in both() {
        fill(&one.view, &["f/a"]).await;
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
        let other: Arc<dyn davmux_tree::Driver> = Arc::new(Memory::keys());
        let mounts = [same(&one.tree), vec![mount("/other", other)]].concat();
        let (_, view) = replaced(&one.tree, mounts);
        one.log().clear();
        assert_eq!(names(&view, "f").await.unwrap(), ["a"]);
        assert_eq!(one.log().total(), 0, "it was known");
        put(&one.view, "f/old", "x").await.unwrap();
        put(&view, "f/new", "x").await.unwrap();
        for view in [&view, &one.view] {
            assert_eq!(names(view, "f").await.unwrap(), ["a", "new", "old"]);
        }
        delete(&one.view, "f").await.unwrap();
        assert!(names(&view, "f").await.unwrap_err().is_not_found());
    }
}

#[tokio::test]
async fn another_storage_at_the_same_path_is_never_answered_from_what_is_known_of_the_former_one() {
    for (one, two) in both().into_iter().zip(both()) {
        fill(&one.view, &["f/one"]).await;
        fill(&two.view, &["f/two"]).await;
        one.tree.refresh(&at("/"));
        let is_there = async |view: &View, file: &str| view.stat(&path(file)).await.is_ok();
        assert!(is_there(&one.view, "f/one").await && !is_there(&one.view, "f/two").await);
        let (_, view) = replaced(&one.tree, vec![mount("/", driver_of(&two.faulty))]);
        assert!(!is_there(&view, "f/one").await && is_there(&view, "f/two").await, "looked at one by one");
        assert!(is_there(&one.view, "f/one").await && !is_there(&one.view, "f/two").await);
        // Each in turn, so that each finds what the other left in memory.
        for _ in 0..2 {
            assert_eq!(names(&view, "f").await.unwrap(), ["two"]);
            assert_eq!(get(&view, "f/two").await.unwrap(), "of f/two");
            assert!(get(&view, "f/one").await.unwrap_err().is_not_found());
            assert_eq!(names(&one.view, "f").await.unwrap(), ["one"], "a request that goes on");
            assert_eq!(get(&one.view, "f/one").await.unwrap(), "of f/one");
            assert!(get(&one.view, "f/two").await.unwrap_err().is_not_found());
        }
    }
}

#[tokio::test]
async fn a_load_of_the_former_storage_is_not_joined() {
    let (one, two) = (keys(), keys());
    fill(&two.view, &["f/two"]).await;
    fill(&one.view, &["f/one"]).await;
    one.tree.refresh(&at("/"));
    let gate = one.faulty.on(Op::List).gate();
    let former = one.view.clone();
    let listing = tokio::spawn(async move { names(&former, "f").await });
    gate.reached().await;
    let (_, view) = replaced(&one.tree, vec![mount("/", driver_of(&two.faulty))]);
    let listed = tokio::spawn(async move { names(&view, "f").await });
    settle().await;
    gate.open();
    assert_eq!(listed.await.unwrap().unwrap(), ["two"]);
    assert_eq!(listing.await.unwrap().unwrap(), ["one"]);
}

/// The same storage with other options, or elsewhere, while an upload through the former mount goes on.
#[tokio::test]
async fn a_change_that_ends_after_the_reload_is_seen_through_the_new_mount_of_its_storage() {
    for place in ["/", "/elsewhere"] {
        for one in both() {
            fill(&one.view, &["f/a", "g/b"]).await;
            let gate = one.faulty.on(Op::Finish).gate();
            let upload = tokio::spawn(begin(&one.view, "f/new", "x").await.unwrap().finish());
            gate.reached().await;
            let (_, view) = replaced(&one.tree, vec![mount(place, driver_of(&one.faulty))]);
            let f = format!("{}/f", &place[1..]);
            let f = f.trim_start_matches('/');
            assert_eq!(names(&view, f).await.unwrap(), ["a"]);
            assert!(get(&view, &format!("{f}/new")).await.unwrap_err().is_not_found());
            gate.open();
            upload.await.unwrap().unwrap();
            assert_eq!(names(&view, f).await.unwrap(), ["a", "new"], "at {place}");
            assert_eq!(get(&view, &format!("{f}/new")).await.unwrap(), "x");
            // Whole folders too.
            rename(&one.view, "g", "f/g").await.unwrap();
            assert_eq!(names(&view, f).await.unwrap(), ["a", "g", "new"], "at {place}");
            delete(&one.view, "f/g").await.unwrap();
            assert_eq!(names(&view, f).await.unwrap(), ["a", "new"], "at {place}");
        }
    }
}

#[tokio::test]
async fn a_request_that_goes_on_sees_what_is_changed_through_the_new_mount_of_its_storage() {
    for one in both() {
        fill(&one.view, &["f/a"]).await;
        let (_, view) = replaced(&one.tree, vec![mount("/", driver_of(&one.faulty))]);
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
        put(&view, "f/new", "x").await.unwrap();
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a", "new"]);
    }
}

#[tokio::test]
async fn operations_on_both_trees_exclude_each_other() {
    for one in both() {
        fill(&one.view, &["f/a"]).await;
        let gate = one.faulty.on(Op::Delete).gate();
        let former = one.view.clone();
        let removal = tokio::spawn(async move { delete(&former, "f").await });
        gate.reached().await;
        let (_, view) = replaced(&one.tree, vec![mount("/", driver_of(&one.faulty))]);
        let upload = tokio::spawn(begin(&view, "f/new", "x").await.unwrap().finish());
        settle().await;
        assert!(!upload.is_finished(), "not beside the removal");
        gate.open();
        assert_eq!(removal.await.unwrap().unwrap(), []);
    }
}

#[tokio::test]
async fn a_start_after_a_reload_leaves_uploads_alone_that_are_under_way_and_looks_at_new_mounts_only() {
    let one = keys();
    one.tree.start().await;
    one.log().clear();
    let upload = begin(&one.view, "a", "x").await.unwrap();
    assert_eq!(one.uploads.all().await.unwrap().len(), 1);
    let other = keys();
    let mounts = [same(&one.tree), vec![mount("/other", driver_of(&other.faulty))]].concat();
    let (next, view) = replaced(&one.tree, mounts);
    next.start().await;
    assert_eq!((one.log().count(Op::AbortUpload), one.log().count(Op::Check)), (0, 0));
    assert_eq!(other.log().count(Op::Check), 1);
    upload.finish().await.unwrap();
    assert_eq!(get(&view, "a").await.unwrap(), "x");
}

#[tokio::test]
async fn what_begins_before_the_start_has_ended_is_not_taken_for_what_was_left() {
    let one = keys();
    one.uploads.record("/", "left", "its-id").await.unwrap();
    one.tree.recall().await;
    let upload = begin(&one.view, "a", "x").await.unwrap();
    one.tree.start().await;
    let left: Vec<_> = one.uploads.all().await.unwrap().into_iter().map(|upload| upload.path).collect();
    assert_eq!(left, ["a"]);
    upload.finish().await.unwrap();
    assert_eq!(get(&one.view, "a").await.unwrap(), "x");
}

#[tokio::test]
async fn what_an_earlier_process_left_in_a_mount_that_a_reload_brings_back_is_removed_then() {
    let one = keys();
    one.uploads.record("/back", "left", "its-id").await.unwrap();
    one.tree.start().await;
    assert_eq!(one.uploads.all().await.unwrap().len(), 1);
    let mounts = [same(&one.tree), vec![mount("/back", driver_of(&one.faulty))]].concat();
    let (next, _) = replaced(&one.tree, mounts);
    next.start().await;
    assert_eq!(one.uploads.all().await.unwrap(), []);
}

#[tokio::test]
async fn a_drain_of_the_new_tree_waits_for_the_work_of_the_former_one() {
    let one = keys();
    let held = begin(&one.view, "a", "x").await.unwrap();
    let (next, _) = replaced(&one.tree, vec![mount("/", driver_of(&one.faulty))]);
    drop(one.view);
    let mut drain = Box::pin(next.drain(Duration::from_secs(3600)));
    assert!(drain.as_mut().now_or_never().is_none());
    held.abort().await;
    drain.await;
    assert_eq!(one.memory.uploads_in_progress(), 0);
}
