//! COPY and MOVE never destroy first (promise 4).

use std::sync::Arc;

use davmux_driver_testkit::{Fault, Memory, Op};
use davmux_tree::{Access, ErrorKind, MountOptions, Problem, Transfer, View};

use crate::support::*;

const DOWN: ErrorKind = ErrorKind::Unavailable;

/// A folder at `/l`, a bucket at `/k`, and the scripts of both.
struct Two {
    folders: Arc<davmux_driver_testkit::Faulty>,
    keys: Arc<davmux_driver_testkit::Faulty>,
    memory: Memory,
    view: View,
}

fn two() -> Two {
    let (local, memory) = (Memory::folders(), Memory::keys());
    let (folders, keys) = (faulty(Arc::new(local)), faulty(bucket(&memory)));
    let (l, k) = (driver_of(&folders), driver_of(&keys));
    let (_, view) = tree(vec![("/l", l, kept(KEPT)), ("/k", k, kept(KEPT))]);
    Two { folders, keys, memory, view }
}

#[tokio::test]
async fn whatever_stands_at_the_target_is_replaced_on_every_kind_of_storage() {
    for (from, to) in [("l", "l"), ("l", "k"), ("k", "l"), ("k", "k")] {
        for (source, target) in [("d", "d"), ("d", "f"), ("f", "d"), ("f", "f")] {
            for take in [false, true] {
                let Two { view, memory, .. } = two();
                fill(&view, &["l/d/1", "l/d/s/2", "l/f", "k/d/1", "k/d/s/2", "k/f"]).await;
                let (from, to) = (format!("{from}/{source}"), format!("{to}/new"));
                fill(&view, &[if target == "d" { format!("{to}/old") } else { to.clone() }.as_str()]).await;
                let done = if take { rename(&view, &from, &to).await } else { copy(&view, &from, &to).await }.unwrap();
                let what = format!("{from} to {to}, a {target}, take {take}");
                assert!(!done.created && done.failed.is_empty(), "{what}: {done:?}");
                let found = all(&view, "").await.unwrap();
                let at = |path: String| found.get(&path).cloned();
                if source == "d" {
                    assert_eq!(at(format!("{to}/1")), Some(Some(format!("of {from}/1"))), "{what}");
                    assert_eq!(at(format!("{to}/s/2")), Some(Some(format!("of {from}/s/2"))), "{what}");
                } else {
                    assert_eq!(at(to.clone()), Some(Some(format!("of {from}"))), "{what}");
                }
                assert_eq!(at(format!("{to}/old")), None, "{what}");
                assert_eq!(at(from.clone()).is_none(), take, "{what}");
                assert!(!memory.raw_keys().contains(&"new".to_owned()) || source == "f", "{what}: no file hides");
            }
        }
    }
}

#[tokio::test]
async fn nothing_old_goes_before_all_of_the_new_stands() {
    for (from, to) in [("l", "k"), ("k", "l"), ("k", "k")] {
        for target in ["d", "f"] {
            for take in [false, true] {
                let Two { view, folders, keys, .. } = two();
                let (from, to) = (format!("{from}/d"), format!("{to}/new"));
                fill(&view, &[&format!("{from}/1"), &format!("{from}/2"), &format!("{from}/3")]).await;
                fill(&view, &[if target == "d" { format!("{to}/1") } else { to.clone() }.as_str()]).await;
                fill(&view, &[if target == "d" { format!("{to}/old") } else { to.clone() }.as_str()]).await;
                let before = all(&view, "").await.unwrap();
                for faulty in [&folders, &keys] {
                    for op in [Op::Read, Op::Copy] {
                        faulty.on(op).at(&path("d/2")).fault(Fault::Before(DOWN));
                    }
                }
                let done = if take { rename(&view, &from, &to).await } else { copy(&view, &from, &to).await }.unwrap();
                let what = format!("{from} to {to}, a {target}, take {take}");
                assert_eq!(told(&done.failed), [(format!("/{from}/2"), Problem::Storage(DOWN))], "{what}");
                for faulty in [&folders, &keys] {
                    faulty.heal();
                }
                let after = all(&view, "").await.unwrap();
                for (path, content) in &before {
                    // A bucket holds old and new side by side, so a member of the same name is the new one already.
                    let replaced = to.starts_with('k') && *path == format!("{to}/1");
                    assert!(replaced || after.get(path) == Some(content), "{path} is gone: {what}");
                }
                let done = if take { rename(&view, &from, &to).await } else { copy(&view, &from, &to).await }.unwrap();
                assert!(done.failed.is_empty(), "{what}");
                assert_eq!(names(&view, &to).await.unwrap(), ["1", "2", "3"], "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_member_that_changed_meanwhile_stays_and_is_named_and_the_move_again_loses_nothing() {
    let Two { view, keys, memory, .. } = two();
    fill(&view, &["k/d/1", "k/d/2", "k/d/3"]).await;
    // After everything was copied and before the source is listed to be removed, another program writes.
    let gate = keys.on(Op::ListTree).nth(2).gate();
    let mover = view.clone();
    let moved = tokio::spawn(async move { rename(&mover, "k/d", "k/new").await });
    gate.reached().await;
    memory.plant("d/2", "changed");
    gate.open();
    let done = moved.await.unwrap().unwrap();
    assert_eq!(told(&done.failed), [("/k/d/2".to_owned(), Problem::Changed)]);
    assert_eq!(names(&view, "k/d").await.unwrap(), ["2"]);
    assert_eq!(get(&view, "k/d/2").await.unwrap(), "changed");
    // The target holds the only copies of the others now.
    assert!(rename(&view, "k/d", "k/new").await.unwrap().failed.is_empty());
    assert_eq!(names(&view, "k/new").await.unwrap(), ["1", "2", "3"]);
    assert_eq!(get(&view, "k/new/2").await.unwrap(), "changed");
    assert!(view.stat(&path("k/d")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_failed_member_of_a_move_to_a_new_place_keeps_itself_only() {
    for to in ["k/new", "l/new"] {
        let Two { view, keys, .. } = two();
        fill(&view, &["k/d/1", "k/d/2", "k/d/3"]).await;
        for op in [Op::Read, Op::Copy] {
            keys.on(op).at(&path("d/2")).fault(Fault::Before(DOWN));
        }
        let done = rename(&view, "k/d", to).await.unwrap();
        assert_eq!(told(&done.failed), [("/k/d/2".to_owned(), Problem::Storage(DOWN))]);
        assert_eq!(
            (names(&view, "k/d").await.unwrap(), names(&view, to).await.unwrap()),
            (vec!["2".into()], vec!["1".into(), "3".into()])
        );
        keys.heal();
        assert!(rename(&view, "k/d", to).await.unwrap().failed.is_empty());
        assert_eq!(names(&view, to).await.unwrap(), ["1", "2", "3"], "again: what the first one moved is not replaced");
    }
}

#[tokio::test]
async fn a_move_that_a_crash_ended_while_its_source_went_is_finished_after_the_restart() {
    let one = keys();
    fill(&one.view, &["d/1", "d/2", "d/3"]).await;
    // The last thing that the storage does for the first process is to delete a member.
    one.faulty.on(Op::Copy).at(&path("d/2")).fault(Fault::Before(DOWN));
    assert_eq!(rename(&one.view, "d", "new").await.unwrap().failed.len(), 1);
    one.faulty.heal();
    let view = restarted(&one);
    assert!(rename(&view, "d", "new").await.unwrap().failed.is_empty());
    assert_eq!(names(&view, "new").await.unwrap(), ["1", "2", "3"], "what the first process moved is not replaced");
    // It has ended, so the next move of the same paths replaces what it finds, as any move does.
    fill(&view, &["d/4"]).await;
    rename(&view, "d", "new").await.unwrap();
    assert_eq!(names(&view, "new").await.unwrap(), ["4"]);
}

#[tokio::test]
async fn a_target_that_was_deleted_since_an_unfinished_move_is_replaced_like_any_other() {
    let Two { view, keys, .. } = two();
    fill(&view, &["k/d/1", "k/d/2"]).await;
    keys.on(Op::Copy).at(&path("d/2")).fault(Fault::Before(DOWN));
    assert_eq!(rename(&view, "k/d", "k/new").await.unwrap().failed.len(), 1);
    keys.heal();
    delete(&view, "k/new").await.unwrap();
    fill(&view, &["k/new/other"]).await;
    rename(&view, "k/d", "k/new").await.unwrap();
    assert_eq!(names(&view, "k/new").await.unwrap(), ["2"]);
}

#[tokio::test]
async fn a_moved_file_that_changed_after_it_was_copied_stays() {
    let Two { view, keys, memory, .. } = two();
    put(&view, "k/a", "one").await.unwrap();
    let gate = keys.on(Op::Copy).gate_after();
    let mover = view.clone();
    let moved = tokio::spawn(async move { rename(&mover, "k/a", "k/b").await });
    gate.reached().await;
    memory.plant("a", "two");
    gate.open();
    assert_eq!(told(&moved.await.unwrap().unwrap().failed), [("/k/a".to_owned(), Problem::Changed)]);
    assert_eq!((get(&view, "k/a").await.unwrap(), get(&view, "k/b").await.unwrap()), ("two".into(), "one".into()));
}

#[tokio::test]
async fn what_another_program_wrote_is_what_is_copied_and_moved() {
    let Two { view, memory, .. } = two();
    fill(&view, &["k/a", "k/b"]).await;
    names(&view, "k").await.unwrap();
    memory.plant("a", "newer");
    memory.plant("b", "newer");
    copy(&view, "k/a", "k/c").await.unwrap();
    rename(&view, "k/b", "k/d").await.unwrap();
    assert_eq!((get(&view, "k/c").await.unwrap(), get(&view, "k/d").await.unwrap()), ("newer".into(), "newer".into()));
}

#[tokio::test]
async fn names_that_cannot_be_said_stay_at_the_source_and_are_never_replaced() {
    let Two { view, memory, .. } = two();
    fill(&view, &["k/d/1", "k/d/s/2", "k/f", "l/x"]).await;
    memory.plant("d/s//odd", "x");
    for (from, to) in [("k/f", "k/d"), ("l/x", "k/d")] {
        assert_eq!(problem(copy(&view, from, to).await), Problem::Unnameable);
        assert_eq!(problem(rename(&view, from, to).await), Problem::Unnameable);
    }
    let before = memory.raw_keys();
    view.create_dir(&path("l/e")).await.unwrap();
    assert_eq!(problem(copy(&view, "l/e", "k/d").await), Problem::Unnameable);
    assert_eq!(memory.raw_keys(), before);
    let done = rename(&view, "k/d", "l/x").await.unwrap();
    assert_eq!(told(&done.failed), [("/k/d/s".to_owned(), Problem::Unnameable)]);
    assert_eq!(all(&view, "l/x").await.unwrap().len(), 3);
    assert_eq!(memory.raw_keys(), ["d/.placeholder", "d/s/.placeholder", "d/s//odd", "f"]);
}

#[tokio::test]
async fn a_folder_with_names_that_cannot_be_said_is_not_replaced_by_a_rename() {
    let one = folders();
    fill(&one.view, &["d/1", "e/2"]).await;
    one.memory.plant("e/odd\u{1}", "x");
    assert_eq!(problem(rename(&one.view, "d", "e").await), Problem::Unnameable);
    assert_eq!(problem(copy(&one.view, "d", "e").await), Problem::Unnameable);
    assert_eq!(problem(copy(&one.view, "d/1", "e").await), Problem::Unnameable);
    assert!(one.memory.raw_keys().contains(&"e/odd\u{1}".to_owned()));
    assert!(one.memory.staged().is_empty());
}

#[tokio::test]
async fn onto_itself_into_itself_and_onto_what_holds_it_are_refused_and_neighbours_are_not() {
    for one in both() {
        fill(&one.view, &["a/b/c", "ab/x"]).await;
        for (from, to) in [("a", "a"), ("a", "a/b"), ("a", "a/new"), ("a/b", "a")] {
            assert_eq!(problem(copy(&one.view, from, to).await), Problem::Overlap, "{from} to {to}");
            assert_eq!(problem(rename(&one.view, from, to).await), Problem::Overlap, "{from} to {to}");
        }
        rename(&one.view, "a", "abc").await.unwrap();
        assert_eq!(names(&one.view, "").await.unwrap(), ["ab", "abc"]);
        assert_eq!(names(&one.view, "ab").await.unwrap(), ["x"]);
    }
}

#[tokio::test]
async fn not_to_overwrite_is_refused_before_anything_is_done() {
    for one in both() {
        fill(&one.view, &["a/1", "b/2", "f"]).await;
        let options = Transfer { overwrite: false, deep: true };
        for to in ["b", "f"] {
            assert_eq!(problem(one.view.copy(&path("a"), &path(to), options).await), Problem::Exists);
            assert_eq!(problem(one.view.rename(&path("a"), &path(to), false).await), Problem::Exists);
        }
        assert_eq!(problem(copy(&one.view, "a", "no/where").await), Problem::NoParent);
        assert!(copy(&one.view, "no", "x").await.unwrap_err().is_not_found());
    }
}

#[tokio::test]
async fn a_copy_that_is_cut_leaves_neither_file_nor_upload() {
    let Two { view, keys, folders, memory } = two();
    fill(&view, &["l/a", "l/b", "k/b"]).await;
    folders.on(Op::Read).every().fault(Fault::CutAfter(2, ErrorKind::Denied));
    assert_eq!(problem(copy(&view, "l/a", "k/a").await), Problem::Storage(ErrorKind::Denied));
    assert_eq!(problem(copy(&view, "l/b", "k/b").await), Problem::Storage(ErrorKind::Denied));
    assert_eq!(names(&view, "k").await.unwrap(), ["b"]);
    assert_eq!(get(&view, "k/b").await.unwrap(), "of k/b");
    assert_eq!((memory.uploads_in_progress(), keys.log().count(Op::Abort)), (0, 2));
}

#[tokio::test]
async fn mounts_in_a_folder_are_copied_and_never_moved_or_replaced() {
    let inner = Memory::keys();
    let (_, view) = tree(vec![("/", Arc::new(Memory::folders()), kept(KEPT)), ("/a/in", bucket(&inner), kept(KEPT))]);
    fill(&view, &["a/in/x", "a/in/s/y", "b/z"]).await;
    assert!(copy(&view, "a", "c").await.unwrap().failed.is_empty());
    assert_eq!(
        all(&view, "c").await.unwrap().into_keys().collect::<Vec<_>>(),
        ["c/in", "c/in/s", "c/in/s/y", "c/in/x"]
    );
    for (from, to) in [("a", "d"), ("a/in", "d")] {
        assert_eq!(problem(rename(&view, from, to).await), Problem::MountPoint);
    }
    for to in ["a", "a/in"] {
        assert_eq!(problem(copy(&view, "b", to).await), Problem::MountPoint);
    }
}

#[tokio::test]
async fn read_only_views_and_mounts_are_read_and_not_changed() {
    let read_only = MountOptions { read_only: true, ..kept(KEPT) };
    let (shut, open) = (Memory::folders(), Memory::folders());
    shut.plant("f", "x");
    let (tree, view) = tree(vec![("/shut", Arc::new(shut), read_only), ("/open", Arc::new(open), kept(KEPT))]);
    put(&view, "open/f", "x").await.unwrap();
    let reader = View::new(tree, at("/open"), Access::ReadOnly);
    assert_eq!(get(&reader, "f").await.unwrap(), "x");
    for (view, place) in [(&view, "shut/"), (&reader, "")] {
        let (file, new) = (format!("{place}f"), format!("{place}new"));
        assert_eq!(problem(put(view, &new, "x").await), Problem::ReadOnly);
        assert_eq!(problem(view.create_dir(&path(&new)).await), Problem::ReadOnly);
        assert_eq!(problem(delete(view, &file).await), Problem::ReadOnly);
        assert_eq!(problem(copy(view, &file, &new).await), Problem::ReadOnly);
        assert_eq!(problem(rename(view, &file, &new).await), Problem::ReadOnly);
        assert_eq!(
            problem(view.set_modified(&path(&file), std::time::SystemTime::UNIX_EPOCH).await),
            Problem::ReadOnly
        );
        assert_eq!(problem(view.writable(&path(&file))), Problem::ReadOnly);
    }
    assert_eq!(problem(rename(&view, "shut/f", "open/g").await), Problem::ReadOnly);
    copy(&view, "shut/f", "open/g").await.unwrap();
}

#[tokio::test]
async fn a_source_whose_listing_breaks_off_stays_as_it_is() {
    for target in ["new", "old"] {
        let memory = Memory::keys().with_page_size(1);
        let one = one(bucket(&memory), memory, kept(KEPT));
        fill(&one.view, &["d/1", "d/2", "d/3", "old/1"]).await;
        one.faulty.on(Op::ListTree).at(&path("d")).fault(Fault::CutAfter(2, DOWN));
        let done = rename(&one.view, "d", target).await.unwrap();
        assert_eq!(told(&done.failed), [("/d".to_owned(), Problem::Storage(DOWN))]);
        assert_eq!(names(&one.view, "d").await.unwrap(), ["1", "2", "3"]);
        assert!(rename(&one.view, "d", target).await.unwrap().failed.is_empty());
        assert_eq!(names(&one.view, target).await.unwrap(), ["1", "2", "3"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_asks_to_slow_down_gets_every_member_in_the_end() {
    const SLOW_DOWN: ErrorKind = ErrorKind::Throttled { retry_after: None };
    let memory = Memory::keys();
    for number in 0..200 {
        memory.plant(&format!("d/{:02}/{number:03}", number % 20), "x");
    }
    let one = one(bucket(&memory), memory, kept(KEPT));
    // A fifth of all answers, and for a while all of them.
    for nth in (1..200).step_by(5).chain(200..207) {
        one.faulty.on(Op::Copy).nth(nth).fault(Fault::Before(SLOW_DOWN));
    }
    one.faulty.on(Op::Delete).times(3).fault(Fault::Before(SLOW_DOWN));
    let done = rename(&one.view, "d", "e").await.unwrap();
    assert!(done.failed.is_empty(), "{:?}", told(&done.failed));
    assert_eq!(one.log().count(Op::Copy), 200 + 40 + 7);
    assert_eq!(one.memory.raw_keys().len(), 201, "the marker of the new top is all that was added");
}

#[tokio::test(start_paused = true)]
async fn what_a_copy_replaces_goes_also_where_the_storage_asks_to_slow_down() {
    let one = keys();
    fill(&one.view, &["d/1", "e/1", "e/2", "e/f/3"]).await;
    one.faulty.on(Op::Delete).times(3).fault(Fault::Before(ErrorKind::Throttled { retry_after: None }));
    let done = copy(&one.view, "d", "e").await.unwrap();
    assert!(done.failed.is_empty(), "{:?}", told(&done.failed));
    assert_eq!(names(&one.view, "e").await.unwrap(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_never_takes_more_ends_a_copy_with_each_member_named() {
    let one = keys();
    fill(&one.view, &["d/1", "d/2", "d/3"]).await;
    one.faulty.on(Op::Copy).every().fault(Fault::Before(ErrorKind::Throttled { retry_after: None }));
    let done = copy(&one.view, "d", "e").await.unwrap();
    assert_eq!(done.failed.len(), 3, "{:?}", told(&done.failed));
}

#[tokio::test]
async fn a_copy_piece_by_piece_is_known_to_the_state_store_while_it_runs() {
    let memory = Memory::keys().with_copies_up_to(5);
    let one = one(bucket(&memory), memory, kept(KEPT));
    fill(&one.view, &["large"]).await;
    one.log().clear();
    let gate = one.faulty.on(Op::Finish).gate();
    let look = async {
        gate.reached().await;
        assert_eq!(one.uploads.all().await.unwrap().len(), 1, "a crash now leaves something that is known");
        gate.open();
    };
    let (copied, ()) = futures_util::join!(copy(&one.view, "large", "copy"), look);
    assert!(copied.unwrap().failed.is_empty());
    assert_eq!((one.log().count(Op::BeginCopy), one.log().count(Op::Read)), (1, 0));
    // One that turns out not to do it is streamed.
    one.faulty.on(Op::Finish).fault(Fault::Before(ErrorKind::Unsupported));
    copy(&one.view, "large", "streamed").await.unwrap();
    assert_eq!(one.log().count(Op::Read), 1);
    let found = all(&one.view, "").await.unwrap();
    for name in ["copy", "streamed"] {
        assert_eq!(found[name].as_deref(), Some("of large"));
    }
    assert_eq!((one.uploads.all().await.unwrap().len(), one.memory.uploads_in_progress()), (0, 0));
}
