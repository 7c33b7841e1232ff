//! A file appears whole or not at all (promise 3), whoever hangs up (promise 5), and nothing is left behind (promise 8).

use std::time::Duration;

use bytes::Bytes;
use davmux_driver_testkit::{Fault, Op};
use davmux_tree::{ErrorKind, Problem, PutRequest, Transfer, When};

use crate::support::*;

#[tokio::test]
async fn a_put_that_is_dropped_leaves_nothing_and_is_forgotten() {
    let one = keys();
    fill(&one.view, &["f/a"]).await;
    let unfinished = begin(&one.view, "f/a", "new").await.unwrap();
    assert_eq!(one.uploads.all().await.unwrap().len(), 1, "known to the state store while it runs");
    drop(unfinished);
    one.tree.drain(Duration::from_secs(3600)).await;
    assert_eq!(one.uploads.all().await.unwrap(), []);
    assert_eq!(one.memory.uploads_in_progress(), 0);
    assert_eq!(one.log().count(Op::Abort), 1, "by abort, not by being dropped");
    assert_eq!(get(&one.view, "f/a").await.unwrap(), "of f/a");
}

#[tokio::test]
async fn a_shutdown_waits_for_an_upload_that_somebody_still_holds() {
    use futures_util::FutureExt;
    let one = keys();
    let held = begin(&one.view, "a", "x").await.unwrap();
    let mut drain = Box::pin(one.tree.drain(Duration::from_secs(3600)));
    assert!(drain.as_mut().now_or_never().is_none());
    held.abort().await;
    drain.await;
    assert_eq!((one.uploads.all().await.unwrap().len(), one.memory.uploads_in_progress()), (0, 0));
}

#[tokio::test]
async fn an_upload_that_could_not_be_aborted_is_removed_at_the_next_start() {
    let one = keys();
    one.faulty.on(Op::Abort).fault(Fault::Before(ErrorKind::Unavailable));
    begin(&one.view, "a", "x").await.unwrap().abort().await;
    assert_eq!(one.uploads.all().await.unwrap().len(), 1);
    one.tree.start().await;
    assert_eq!(one.uploads.all().await.unwrap(), []);
    assert_eq!(one.log().count(Op::AbortUpload), 1);
}

#[tokio::test]
async fn an_upload_that_failed_and_could_not_be_removed_is_removed_at_the_next_start() {
    let one = keys();
    one.faulty.on(Op::Finish).fault(Fault::Before(ErrorKind::Unavailable));
    one.faulty.on(Op::AbortUpload).fault(Fault::Before(ErrorKind::Unavailable));
    assert!(put(&one.view, "a", "x").await.is_err());
    assert_eq!(one.uploads.all().await.unwrap().len(), 1, "nobody knows whether it is gone");
    one.tree.start().await;
    assert_eq!(one.uploads.all().await.unwrap(), []);
    assert_eq!(one.log().count(Op::AbortUpload), 2);
    // One that could be removed is not left for the next start.
    one.faulty.on(Op::Finish).fault(Fault::Before(ErrorKind::Unavailable));
    assert!(put(&one.view, "a", "x").await.is_err());
    assert_eq!((one.uploads.all().await.unwrap().len(), one.memory.uploads_in_progress()), (0, 0));
}

#[tokio::test]
async fn a_finish_that_nobody_waits_for_still_commits() {
    for one in both() {
        let gate = one.faulty.on(Op::Finish).gate();
        let put = begin(&one.view, "a", "whole").await.unwrap();
        let finish = tokio::spawn(put.finish());
        gate.reached().await;
        finish.abort();
        assert!(finish.await.unwrap_err().is_cancelled());
        gate.open();
        one.tree.drain(Duration::from_secs(3600)).await;
        assert_eq!(get(&one.view, "a").await.unwrap(), "whole");
        assert_eq!(one.uploads.all().await.unwrap(), []);
    }
}

#[tokio::test]
async fn too_short_too_long_or_failed_leaves_the_former_file() {
    for one in both() {
        fill(&one.view, &["f/a"]).await;
        let request = || PutRequest { size: Some(3), ..PutRequest::default() };
        let mut short = one.view.put(&path("f/a"), request()).await.unwrap();
        short.write(Bytes::from_static(b"xx")).await.unwrap();
        assert_eq!(problem(short.finish().await), Problem::Storage(ErrorKind::Incomplete));
        let mut long = one.view.put(&path("f/a"), request()).await.unwrap();
        assert_eq!(problem(long.write(Bytes::from_static(b"xxxx")).await), Problem::Storage(ErrorKind::Incomplete));
        drop(long);
        one.faulty.on(Op::Finish).fault(Fault::Before(ErrorKind::NoSpace));
        assert_eq!(problem(put(&one.view, "f/a", "new").await), Problem::Storage(ErrorKind::NoSpace));
        settle().await;
        assert_eq!(get(&one.view, "f/a").await.unwrap(), "of f/a");
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
        assert_eq!(one.memory.uploads_in_progress(), 0);
        assert_eq!(one.uploads.all().await.unwrap(), []);
    }
}

#[tokio::test]
async fn conditions_are_looked_at_before_and_at_the_commit() {
    for one in both() {
        let written = put(&one.view, "a", "1").await.unwrap();
        assert!(written.created);
        let when = |when| PutRequest { when, ..PutRequest::default() };
        assert_eq!(problem(one.view.put(&path("a"), when(When::Absent)).await), Problem::Exists);
        let matching = When::Matches(written.node.etag.clone().unwrap());
        let early = one.view.put(&path("a"), when(matching.clone())).await.unwrap();
        assert!(!put(&one.view, "a", "2").await.unwrap().created);
        assert_eq!(problem(early.finish().await), Problem::Storage(ErrorKind::Precondition));
        assert_eq!(problem(one.view.put(&path("b"), when(matching)).await), Problem::Storage(ErrorKind::Precondition));
        let late = one.view.put(&path("b"), when(When::Absent)).await.unwrap();
        put(&one.view, "b", "first").await.unwrap();
        assert_eq!(problem(late.finish().await), Problem::Exists);
        assert_eq!(get(&one.view, "b").await.unwrap(), "first");
        assert_eq!(get(&one.view, "a").await.unwrap(), "2");
    }
}

#[tokio::test]
async fn a_folder_made_while_a_file_arrives_is_not_hidden_nor_hides_it() {
    for one in both() {
        let file = begin(&one.view, "a", "x").await.unwrap();
        one.view.create_dir(&path("a")).await.unwrap();
        assert_eq!(problem(file.finish().await), Problem::Storage(ErrorKind::IsDir));
        assert!(one.view.stat(&path("a")).await.unwrap().is_dir());
        assert_eq!(one.memory.uploads_in_progress(), 0);
    }
}

#[tokio::test]
async fn a_folder_deleted_while_a_file_arrives_does_not_come_back() {
    for one in both() {
        fill(&one.view, &["f/a", "g/a"]).await;
        let file = begin(&one.view, "f/b", "x").await.unwrap();
        delete(&one.view, "f").await.unwrap();
        assert_eq!(problem(file.finish().await), Problem::NoParent);
        assert_eq!(names(&one.view, "").await.unwrap(), ["g"]);
        assert_eq!(names(&afresh(&one), "").await.unwrap(), ["g"]);
    }
}

#[tokio::test]
async fn of_two_who_make_the_same_folder_one_is_told_that_it_exists() {
    let one = keys();
    let gate = one.faulty.on(Op::CreateDir).gate();
    let view = one.view.clone();
    let first = tokio::spawn(async move { view.create_dir(&path("f")).await });
    gate.reached().await;
    let view = one.view.clone();
    let second = tokio::spawn(async move { view.create_dir(&path("f")).await });
    settle().await;
    gate.open();
    first.await.unwrap().unwrap();
    assert_eq!(problem(second.await.unwrap()), Problem::Exists);
}

#[tokio::test]
async fn operations_on_overlapping_paths_wait_and_neighbours_do_not() {
    for one in both() {
        fill(&one.view, &["a/x", "ab/x"]).await;
        let inside = begin(&one.view, "a/x", "late").await.unwrap();
        let gate = one.faulty.on(Op::Finish).at(&path("a/x")).gate();
        let inside = tokio::spawn(inside.finish());
        gate.reached().await;
        let view = one.view.clone();
        let whole = tokio::spawn(async move { delete(&view, "a").await });
        settle().await;
        assert!(!whole.is_finished(), "the folder waits for what is written in it");
        put(&one.view, "ab/x", "neighbour").await.unwrap();
        gate.open();
        inside.await.unwrap().unwrap();
        assert!(whole.await.unwrap().unwrap().is_empty());
        assert_eq!(names(&one.view, "").await.unwrap(), ["ab"]);
    }
}

#[tokio::test]
async fn a_copy_that_nobody_waits_for_runs_on() {
    for one in both() {
        fill(&one.view, &["a/1", "a/2", "a/s/3"]).await;
        let gate = one.faulty.on(Op::CreateDir).gate();
        let view = one.view.clone();
        let request =
            tokio::spawn(
                async move { view.copy(&path("a"), &path("b"), Transfer { overwrite: true, deep: true }).await },
            );
        gate.reached().await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        gate.open();
        one.tree.drain(Duration::from_secs(3600)).await;
        assert_eq!(all(&one.view, "b").await.unwrap().len(), 4);
    }
}
