//! Deleting, and folders that stay (promise 9).

use std::time::Duration;

use davmux_driver_testkit::{Fault, Memory, Op};
use davmux_tree::{Driver, ErrorKind, MountOptions, Problem, When};

use crate::support::*;

#[tokio::test]
async fn two_deletes_at_once_of_the_last_two_members_leave_the_folder() {
    for (listed, tags) in [(true, false), (false, false), (true, true), (false, true)] {
        let one = keys();
        for key in ["f/a", "f/b"] {
            one.memory.plant(key, "x");
        }
        if listed {
            names(&one.view, "f").await.unwrap();
        }
        // Both have looked at the folder before either is gone.
        let gate = one.faulty.on(Op::Delete).times(2).gate();
        let deletes: Vec<_> = ["f/a", "f/b"]
            .map(|file| {
                let view = one.view.clone();
                tokio::spawn(async move {
                    let when =
                        if tags { When::Matches(view.stat(&path(file)).await?.etag.unwrap()) } else { When::Always };
                    view.delete(&path(file), when).await
                })
            })
            .into();
        gate.reached().await;
        gate.reached().await;
        gate.open();
        for delete in deletes {
            assert!(delete.await.unwrap().unwrap().is_empty());
        }
        assert_eq!(names(&one.view, "f").await.unwrap(), Vec::<String>::new(), "listed before: {listed}");
        assert_eq!(names(&afresh(&one), "").await.unwrap(), ["f"], "listed before: {listed}");
    }
}

#[tokio::test]
async fn the_folder_of_the_last_member_stays_when_that_is_moved_away_or_is_a_folder() {
    let one = keys();
    for key in ["f/only", "g/sub/x"] {
        one.memory.plant(key, "x");
    }
    rename(&one.view, "f/only", "elsewhere").await.unwrap();
    delete(&one.view, "g/sub").await.unwrap();
    assert_eq!(names(&afresh(&one), "").await.unwrap(), ["elsewhere", "f", "g"]);
    assert_eq!(one.memory.raw_keys(), ["elsewhere", "f/.placeholder", "g/.placeholder"]);
}

#[tokio::test]
async fn the_marker_stands_before_the_last_member_goes() {
    let one = keys();
    one.memory.plant("f/only", "x");
    one.faulty.on(Op::KeepDir).fault(Fault::Before(ErrorKind::Unavailable));
    assert_eq!(problem(delete(&one.view, "f/only").await), Problem::Storage(ErrorKind::Unavailable));
    assert_eq!(one.memory.raw_keys(), ["f/only"]);
}

#[tokio::test]
async fn without_a_marker_the_folder_goes_and_all_above_it_that_held_nothing_else() {
    let memory = Memory::keys();
    for key in ["a/b/c/only", "a2/x"] {
        memory.plant(key, "x");
    }
    let one = one(std::sync::Arc::new(memory.clone()), memory, kept(KEPT));
    for folder in ["", "a", "a/b", "a/b/c"] {
        names(&one.view, folder).await.unwrap();
    }
    delete(&one.view, "a/b/c/only").await.unwrap();
    assert_eq!(names(&one.view, "").await.unwrap(), ["a2"]);
    for folder in ["a", "a/b", "a/b/c"] {
        assert!(one.view.stat(&path(folder)).await.unwrap_err().is_not_found(), "{folder}");
        assert!(names(&one.view, folder).await.unwrap_err().is_not_found(), "{folder}");
    }
}

#[tokio::test]
async fn names_that_cannot_be_said_are_never_deleted_and_their_folders_are_named() {
    let one = keys();
    for key in ["f/a", "f/sub//odd", "f/sub/b", "f/other/c", "f/sub/c\u{1}"] {
        one.memory.plant(key, "x");
    }
    assert_eq!(delete(&one.view, "f").await.unwrap(), [("/f/sub".to_owned(), Problem::Unnameable)]);
    assert_eq!(one.memory.raw_keys(), ["f/sub//odd", "f/sub/c\u{1}"]);
    assert_eq!(names(&one.view, "f").await.unwrap(), ["sub"]);
}

#[tokio::test]
async fn one_member_that_fails_keeps_itself_and_its_folders_only() {
    for one in both() {
        fill(&one.view, &["f/a", "f/s/bad", "f/s/good", "f/t/b"]).await;
        if one.faulty.capabilities().real_dirs {
            one.faulty.on(Op::Delete).at(&path("f/s/bad")).fault(Fault::Before(ErrorKind::Denied));
            let failed = delete(&one.view, "f").await.unwrap();
            assert_eq!(failed, [("/f/s/bad".to_owned(), Problem::Storage(ErrorKind::Denied))]);
            assert_eq!(all(&one.view, "").await.unwrap().into_keys().collect::<Vec<_>>(), ["f", "f/s", "f/s/bad"]);
        } else {
            // One call deletes all of the files.
            one.faulty.on(Op::Delete).fault(Fault::Before(ErrorKind::Denied));
            assert!(!delete(&one.view, "f").await.unwrap().is_empty());
            assert_eq!(all(&one.view, "").await.unwrap().len(), 7, "nothing went, nothing is hidden");
        }
        assert!(delete(&one.view, "f").await.unwrap().is_empty(), "again ends it");
        assert!(all(&one.view, "").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_listing_that_breaks_off_leaves_the_folder_and_says_so() {
    let memory = Memory::keys().with_page_size(1);
    let one = one(bucket(&memory), memory, kept(KEPT));
    fill(&one.view, &["f/a", "f/b", "f/c"]).await;
    one.faulty.on(Op::ListTree).fault(Fault::CutAfter(1, ErrorKind::Timeout));
    let failed = delete(&one.view, "f").await.unwrap();
    assert_eq!(failed, [("/f".to_owned(), Problem::Storage(ErrorKind::Timeout))]);
    assert!(afresh(&one).stat(&path("f")).await.unwrap().is_dir());
}

#[tokio::test]
async fn a_delete_that_nobody_waits_for_runs_on() {
    for one in both() {
        fill(&one.view, &["f/a", "f/s/b"]).await;
        let gate = one.faulty.on(Op::Delete).gate();
        let view = one.view.clone();
        let request = tokio::spawn(async move { delete(&view, "f").await });
        gate.reached().await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        gate.open();
        one.tree.drain(Duration::from_secs(3600)).await;
        assert!(one.memory.raw_keys().is_empty());
    }
}

#[tokio::test]
async fn at_the_drain_limit_a_delete_stops_between_two_members() {
    let memory = Memory::folders().with_page_size(1);
    let one = one(std::sync::Arc::new(memory.clone()), memory, kept(KEPT));
    let files: Vec<String> = (0..40).map(|number| format!("f/{number:02}")).collect();
    fill(&one.view, &files.iter().map(String::as_str).collect::<Vec<_>>()).await;
    fill(&one.view, &["p/x"]).await;
    let gate = one.faulty.on(Op::Delete).every().gate();
    let view = one.view.clone();
    let removal = tokio::spawn(async move { delete(&view, "f").await });
    gate.reached().await;
    let tree = std::sync::Arc::clone(&one.tree);
    let drain = tokio::spawn(async move { tree.drain(Duration::ZERO).await });
    // Its calls hold, so the limit passes while the operation runs; another one tells when it has passed.
    let mut probe = 0;
    while copy(&one.view, "p", &format!("q{probe}")).await.unwrap().failed.is_empty() {
        probe += 1;
        tokio::task::yield_now().await;
    }
    gate.open();
    drain.await.unwrap();
    let failed = removal.await.unwrap().unwrap();
    assert_eq!(failed, [("/f".to_owned(), Problem::Stopping)]);
    let left = names(&afresh(&one), "f").await.unwrap();
    assert!(!left.is_empty() && left.len() < 40, "{} of 40 are left", left.len());
}

#[tokio::test]
async fn a_delete_on_condition_asks_what_stands_there_now() {
    let one = keys();
    put(&one.view, "a", "seen").await.unwrap();
    let etag = one.view.stat(&path("a")).await.unwrap().etag.unwrap();
    // Another program writes it.
    one.memory.plant("a", "not seen");
    let result = one.view.delete(&path("a"), When::Matches(etag)).await;
    assert_eq!(problem(result), Problem::Storage(ErrorKind::Precondition));
    assert_eq!(get(&afresh(&one), "a").await.unwrap(), "not seen");
}

#[tokio::test]
async fn mounts_are_not_deleted_from_here_nor_what_holds_them() {
    let (_, view) = tree(vec![
        ("/", std::sync::Arc::new(Memory::folders()), MountOptions::default()),
        ("/a/b", std::sync::Arc::new(Memory::folders()), MountOptions::default()),
    ]);
    for place in ["", "a", "a/b"] {
        assert_eq!(problem(delete(&view, place).await), Problem::MountPoint, "{place}");
    }
    put(&view, "a/b/c", "x").await.unwrap();
    assert!(delete(&view, "a/b/c").await.unwrap().is_empty());
}
