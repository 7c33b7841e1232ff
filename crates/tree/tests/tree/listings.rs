//! A listing is whole, or it is an error (promise 1); what is kept of it is true.

use davmux_driver_testkit::{Fault, Memory, Op};
use davmux_tree::{Driver, ErrorKind, MountOptions, Problem};
use futures_util::StreamExt;
use std::sync::Arc;

use crate::support::*;

const DOWN: ErrorKind = ErrorKind::Unavailable;

fn paged() -> One {
    let memory = Memory::keys().with_page_size(2);
    one(bucket(&memory), memory, kept(KEPT))
}

#[tokio::test]
async fn an_error_after_the_first_page_reaches_every_reader_and_is_not_kept() {
    let one = paged();
    for name in ["a", "b", "c", "d"] {
        one.memory.plant(&format!("f/{name}"), "x");
    }
    let fresh = one.view.clone();
    one.faulty.on(Op::List).fault(Fault::CutAfter(1, DOWN));
    let folder = path("f");
    let (first, second) = futures_util::join!(fresh.list(&folder), fresh.list(&folder));
    assert_eq!(one.log().count(Op::List), 1);
    for mut reader in [first.unwrap(), second.unwrap()] {
        assert_eq!(reader.next().await.unwrap().unwrap().len(), 2);
        assert_eq!(problem(reader.next().await.unwrap()), Problem::Storage(DOWN));
        assert!(reader.next().await.is_none());
    }
    one.faulty.heal();
    assert_eq!(names(&fresh, "f").await.unwrap(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn an_error_of_a_listing_without_a_cache_ends_it_too() {
    let memory = Memory::keys().with_page_size(2);
    let one = one(bucket(&memory), memory, MountOptions::default());
    fill(&one.view, &["f/a", "f/b", "f/c"]).await;
    one.faulty.on(Op::List).at(&path("f")).fault(Fault::CutAfter(1, DOWN));
    assert_eq!(problem(names(&one.view, "f").await), Problem::Storage(DOWN));
}

#[tokio::test]
async fn ten_readers_cost_one_listing() {
    let one = paged();
    for name in ["a", "b", "c"] {
        one.memory.plant(&format!("f/{name}"), "x");
    }
    let gate = one.faulty.on(Op::List).gate();
    let readers: Vec<_> = (0..10)
        .map(|_| {
            let view = one.view.clone();
            tokio::spawn(async move { names(&view, "f").await.unwrap() })
        })
        .collect();
    gate.reached().await;
    settle().await;
    gate.open();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), ["a", "b", "c"]);
    }
    assert_eq!(one.log().count(Op::List), 1);
    names(&one.view, "f").await.unwrap();
    assert_eq!(one.log().count(Op::List), 1, "and then none");
}

#[tokio::test]
async fn what_was_written_during_a_load_is_seen_afterwards_and_not_hidden_by_it() {
    for one in both() {
        fill(&one.view, &["f/a"]).await;
        let view = afresh(&one);
        let gate = one.faulty.on(Op::List).at(&path("f")).gate_after();
        let early = tokio::spawn({
            let view = view.clone();
            async move { names(&view, "f").await }
        });
        gate.reached().await;
        put(&view, "f/b", "x").await.unwrap();
        assert_eq!(names(&view, "f").await.unwrap(), ["a", "b"], "a new reader does not join the old load");
        gate.open();
        early.await.unwrap().unwrap();
        assert_eq!(names(&view, "f").await.unwrap(), ["a", "b"]);
        assert_eq!(get(&view, "f/b").await.unwrap(), "x");
        delete(&view, "f/a").await.unwrap();
        assert_eq!(names(&view, "f").await.unwrap(), ["b"]);
    }
}

#[tokio::test]
async fn a_load_from_the_middle_of_a_folders_removal_is_not_kept() {
    let one = keys();
    fill(&one.view, &["f/a", "f/b", "g/x"]).await;
    let gate = one.faulty.on(Op::Delete).gate();
    let view = one.view.clone();
    let removal = tokio::spawn(async move { delete(&view, "f").await });
    gate.reached().await;
    names(&one.view, "f").await.unwrap();
    names(&one.view, "").await.unwrap();
    gate.open();
    assert!(removal.await.unwrap().unwrap().is_empty());
    assert_eq!(names(&one.view, "").await.unwrap(), ["g"]);
    assert!(names(&one.view, "f").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_listing_out_of_memory_is_one_moment_however_slowly_it_is_read() {
    let one = keys();
    for number in 0..1500 {
        one.memory.plant(&format!("f/m{number:04}"), "x");
    }
    names(&one.view, "f").await.unwrap();
    let mut slow = one.view.list(&path("f")).await.unwrap();
    let first = slow.next().await.unwrap().unwrap();
    assert_eq!(first.len(), 1000);
    rename(&one.view, "f/m1499", "f/a").await.unwrap();
    let rest = gather(slow).await.unwrap();
    assert_eq!(rest.last().unwrap().name.as_ref(), "m1499", "it is missed neither under the old name nor the new");
    let now = names(&one.view, "f").await.unwrap();
    assert_eq!((now.len(), now[0].as_str()), (1500, "a"));
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once() {
    let one = keys();
    for _ in 0..3 {
        assert!(one.view.stat(&path("no")).await.unwrap_err().is_not_found());
    }
    assert_eq!(one.log().total(), 1);
    put(&one.view, "no", "now").await.unwrap();
    assert_eq!(get(&one.view, "no").await.unwrap(), "now");
}

#[tokio::test]
async fn an_outage_is_not_taken_for_nothing_there() {
    for one in both() {
        fill(&one.view, &["f/a"]).await;
        let view = afresh(&one);
        for op in [Op::Stat, Op::List, Op::Read] {
            one.faulty.on(op).every().fault(Fault::Before(DOWN));
        }
        assert_eq!(problem(view.stat(&path("f/a")).await), Problem::Storage(DOWN));
        assert_eq!(problem(names(&view, "f").await), Problem::Storage(DOWN));
        assert_eq!(problem(get(&view, "f/a").await), Problem::Storage(DOWN));
        assert_eq!(problem(put(&view, "f/b", "x").await.map(|_| ())), Problem::Storage(DOWN));
        one.faulty.heal();
        assert_eq!(get(&view, "f/a").await.unwrap(), "of f/a");
    }
}

#[tokio::test]
async fn a_member_that_turned_out_to_be_gone_is_gone_from_the_kept_listing() {
    let one = keys();
    fill(&one.view, &["f/a", "f/b"]).await;
    names(&one.view, "f").await.unwrap();
    // Another program deletes it.
    one.memory
        .delete(&[davmux_driver::Removal { path: path("f/a"), kind: davmux_tree::Kind::File, etag: None }])
        .await
        .unwrap();
    assert!(get(&one.view, "f/a").await.unwrap_err().is_not_found());
    assert_eq!(names(&one.view, "f").await.unwrap(), ["b"]);
}

#[tokio::test]
async fn names_that_cannot_be_said_are_hidden_and_the_others_listed() {
    let one = keys();
    for key in ["f/a", "f//b", "f/c\u{1}"] {
        one.memory.plant(key, "x");
    }
    assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
}

#[tokio::test]
async fn the_root_lists_its_mounts_when_one_is_down() {
    let (up, down) = (Memory::folders(), faulty(Arc::new(Memory::folders())));
    down.on(Op::List).every().fault(Fault::Before(DOWN));
    down.on(Op::Stat).every().fault(Fault::Before(DOWN));
    let down: Arc<dyn Driver> = down;
    let (_, view) = tree(vec![("/up", Arc::new(up), kept(KEPT)), ("/down", down, kept(KEPT))]);
    assert_eq!(names(&view, "").await.unwrap(), ["down", "up"]);
    assert!(view.stat(&path("down")).await.unwrap().is_dir());
    assert_eq!(problem(names(&view, "down").await), Problem::Storage(DOWN), "and not as an empty folder");
    assert_eq!(names(&view, "up").await.unwrap(), Vec::<String>::new());
}
