//! Conditions.

use davmux_driver::{ErrorKind, Etag, Kind, Removal, When, WriteRequest};
use futures_util::future::join_all;

use super::{Fixture, fails, not_here};
use crate::shorthand::*;

fn request(when: When) -> WriteRequest {
    WriteRequest { when, ..WriteRequest::default() }
}

fn other() -> Etag {
    Etag::new("a-tag-of-nothing").unwrap()
}

/// `Absent` writes where nothing is, and fails where something is.
pub async fn absent_loses_to_what_exists(fixture: &Fixture) {
    let driver = fixture.driver();
    try_put(driver, "file", "first", When::Absent).await.unwrap();
    fails(try_put(driver, "file", "second", When::Absent).await, &[ErrorKind::AlreadyExists]);
    assert_eq!(get(driver, "file").await, "first");
    assert_eq!(list(driver, "").await.unwrap().paths(), ["file"]);
}

/// A file that appears during the upload wins over `Absent`.
pub async fn absent_is_checked_again_at_the_end(fixture: &Fixture) {
    let driver = fixture.driver();
    let mut upload = driver.write(&path("file"), request(When::Absent)).await.unwrap();
    upload.write("late".into()).await.unwrap();
    put(driver, "file", "early").await;
    fails(upload.finish().await, &[ErrorKind::AlreadyExists]);
    assert_eq!(get(driver, "file").await, "early");
}

/// `Matches` writes over its version, not over another, and not where nothing is.
pub async fn matches_takes_only_its_version(fixture: &Fixture) {
    let driver = fixture.driver();
    let Some(etag) = put(driver, "file", "first").await.etag else { return not_here("no tags") };
    fails(try_put(driver, "file", "wrong", When::Matches(other())).await, &[ErrorKind::Precondition]);
    fails(try_put(driver, "nothing", "wrong", When::Matches(etag.clone())).await, &[ErrorKind::Precondition]);
    assert_eq!(get(driver, "file").await, "first");
    try_put(driver, "file", "second", When::Matches(etag.clone())).await.unwrap();
    fails(try_put(driver, "file", "stale", When::Matches(etag)).await, &[ErrorKind::Precondition]);
    assert_eq!(get(driver, "file").await, "second");
    assert_eq!(list(driver, "").await.unwrap().paths(), ["file"]);
}

/// A change during the upload is seen by `Matches`.
pub async fn matches_is_checked_again_at_the_end(fixture: &Fixture) {
    let driver = fixture.driver();
    let Some(etag) = put(driver, "file", "first").await.etag else { return not_here("no tags") };
    let mut upload = driver.write(&path("file"), request(When::Matches(etag))).await.unwrap();
    upload.write("late".into()).await.unwrap();
    put(driver, "file", "meanwhile").await;
    fails(upload.finish().await, &[ErrorKind::Precondition]);
    assert_eq!(get(driver, "file").await, "meanwhile");
}

/// Many uploads at once with `Absent`: one wins where conditions are atomic, and the file is whole anyway.
pub async fn of_many_absent_uploads_one_wins(fixture: &Fixture) {
    let driver = fixture.driver();
    let uploads = (0..8_u32).map(|number| {
        let driver = fixture.shared();
        tokio::spawn(async move { (number, try_put(&*driver, "file", pattern(20_000, number), When::Absent).await) })
    });
    let mut winners = Vec::new();
    for joined in join_all(uploads).await {
        match joined.unwrap() {
            (number, Ok(_)) => winners.push(number),
            (_, result) => drop(fails(result, &[ErrorKind::AlreadyExists])),
        }
    }
    if driver.capabilities().atomic_conditions {
        assert_eq!(winners.len(), 1, "{winners:?}");
    }
    let stands = get(driver, "file").await;
    assert!(winners.iter().any(|number| stands == pattern(20_000, *number)), "nobody's whole file");
}

/// Where the storage says that it checks tags when it deletes, it does.
pub async fn a_conditional_delete_takes_only_its_version(fixture: &Fixture) {
    let driver = fixture.driver();
    if !driver.capabilities().conditional_delete {
        return not_here("deletes without looking at tags");
    }
    let entry = put(driver, "file", "x").await;
    let removal = |etag| Removal { path: path("file"), kind: Kind::File, etag };
    let mut failed = driver.delete(&[removal(Some(other()))]).await.unwrap();
    assert_eq!(failed.len(), 1);
    fails(Err::<(), _>(failed.remove(0).1), &[ErrorKind::Precondition]);
    assert_eq!(get(driver, "file").await, "x");
    assert!(driver.delete(&[removal(entry.etag)]).await.unwrap().is_empty());
    fails(stat(driver, "file").await, &[ErrorKind::NotFound]);
}
