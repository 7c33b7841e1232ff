//! Futures that are dropped: every call changes each entry entirely or not at all.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use davmux_driver::{Expect, Kind, ReadRequest, Removal, When, WriteRequest};
use futures_util::StreamExt as _;

use super::Fixture;
use crate::shorthand::*;

/// Polls once and drops.
fn poll_once<F: Future>(future: F) {
    let mut future = pin!(future);
    let _ready_or_not = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

/// Looking, listing and reading leave no trace, and the driver works on.
pub async fn looks_dropped_at_the_first_poll_change_nothing(fixture: &Fixture) {
    let driver = fixture.driver();
    let file = put(driver, "dir/file", "data").await;
    let before = walk(driver, "").await.unwrap();
    for _ in 0..3 {
        poll_once(driver.check());
        poll_once(driver.stat(&file.path, Expect::Any));
        poll_once(driver.stat(&path("missing"), Expect::Any));
        poll_once(driver.list(&path("dir")).next());
        poll_once(driver.read(&file.path, ReadRequest::default()));
        poll_once(driver.usage());
        poll_once(driver.keep_dir(&path("dir")));
        poll_once(driver.write(&file.path, WriteRequest::default()));
        poll_once(driver.abort_upload(&file.path, "no-such-id"));
    }
    assert_eq!(walk(driver, "").await.unwrap(), before);
    assert_eq!(get(driver, "dir/file").await, "data");
}

/// A step of an upload that is dropped ends the upload at most; the file stands.
pub async fn an_upload_dropped_at_the_first_poll_of_each_step_is_whole_or_nothing(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/file", "old").await;
    let before = walk(driver, "").await.unwrap();
    for chunks in 0..3 {
        let mut upload = driver.write(&path("dir/file"), WriteRequest::default()).await.unwrap();
        for number in 0..chunks {
            upload.write(pattern(600_000, number)).await.unwrap();
        }
        poll_once(upload.write(pattern(3_000_000, 9)));
        upload.abort().await.unwrap();
        let upload = driver.write(&path("dir/file"), WriteRequest::default()).await.unwrap();
        poll_once(upload.abort());
        assert_eq!(walk(driver, "").await.unwrap(), before);
        assert_eq!(get(driver, "dir/file").await, "old");
    }
}

/// A commit that is dropped stands, or it does not: the file is the old one or the new one.
pub async fn a_commit_dropped_at_the_first_poll_is_whole_or_nothing(fixture: &Fixture) {
    let driver = fixture.driver();
    let (old, new) = (pattern(150_000, 1), pattern(250_000, 2));
    for _ in 0..5 {
        put(driver, "file", old.clone()).await;
        let mut upload = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
        upload.write(new.clone()).await.unwrap();
        poll_once(upload.finish());
        whole(fixture, "file", &[&old, &new], false).await;
        assert_eq!(list(driver, "").await.unwrap().paths(), ["file"]);
    }
}

/// Folders, deletions, copies and renames that are dropped are done or not done.
pub async fn changes_dropped_at_the_first_poll_are_whole_or_nothing(fixture: &Fixture) {
    let driver = fixture.driver();
    let data = pattern(200_000, 3);
    for round in 0..3 {
        let at = |name: &str| format!("round{round}/{name}");
        let from = put(driver, &at("from"), data.clone()).await;
        put(driver, &at("to"), "target").await;
        put(driver, &at("gone"), "x").await;
        poll_once(driver.create_dir(&path(&at("made"))));
        poll_once(driver.copy(&from, &path(&at("to")), &When::Always));
        let removal = Removal { path: path(&at("gone")), kind: Kind::File, etag: None };
        poll_once(driver.delete(&[removal]));
        whole(fixture, &at("gone"), &[b"x"], true).await;
        whole(fixture, &at("to"), &[b"target", &data], false).await;
        poll_once(driver.rename(&from, &path(&at("moved")), &When::Absent));
        whole(fixture, &at("moved"), &[&data], true).await;
        whole(fixture, &at("from"), &[&data], true).await;
    }
}

async fn whole(fixture: &Fixture, at: &str, versions: &[&[u8]], may_be_gone: bool) {
    let driver = fixture.driver();
    let is_whole = |bytes: &[u8]| versions.contains(&bytes);
    let mut read = try_get(driver, at).await;
    // The change may still be under way in the storage and cut the read, or tear it; a later one tells.
    for _ in 0..10 {
        let again = match &read {
            Ok(bytes) => fixture.tears_reads && !is_whole(bytes),
            Err(error) => error.kind() == davmux_driver::ErrorKind::Unavailable,
        };
        if again {
            read = try_get(driver, at).await;
        }
    }
    match read {
        Ok(bytes) => assert!(is_whole(&bytes), "{at} is torn"),
        Err(error) => assert!(may_be_gone && error.kind() == davmux_driver::ErrorKind::NotFound, "{error}"),
    }
}
