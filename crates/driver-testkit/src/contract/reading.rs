//! Reading.

use davmux_driver::{ByteRange, ErrorKind, ReadRequest};

use super::{Fixture, fails, not_here, same};
use crate::shorthand::*;

fn part(range: ByteRange) -> ReadRequest {
    ReadRequest { range: Some(range), if_match: None }
}

/// A read without a range gives the whole file, and the entry that stat gives.
pub async fn a_file_is_read_whole(fixture: &Fixture) {
    let driver = fixture.driver();
    let data = pattern(300_001, 1);
    let entry = put(driver, "dir/file", data.clone()).await;
    let reply = driver.read(&path("dir/file"), ReadRequest::default()).await.unwrap();
    same(&reply.entry, &entry);
    assert_eq!(reply.range, 0..300_001);
    assert!(bytes_of(reply).await.unwrap() == data, "other bytes");
}

/// Each form of a range gives its bytes, its offsets and the size of the whole.
pub async fn every_form_of_range_is_read(fixture: &Fixture) {
    let driver = fixture.driver();
    let data = pattern(200_000, 2);
    put(driver, "file", data.clone()).await;
    for (range, expected) in [
        (ByteRange::From(0), 0..200_000),
        (ByteRange::From(199_999), 199_999..200_000),
        (ByteRange::FromTo(0, 1), 0..1),
        (ByteRange::FromTo(70_000, 140_001), 70_000..140_001),
        (ByteRange::FromTo(199_990, 1 << 40), 199_990..200_000),
        (ByteRange::Last(1), 199_999..200_000),
        (ByteRange::Last(1 << 40), 0..200_000),
    ] {
        let reply = driver.read(&path("file"), part(range)).await.unwrap();
        assert_eq!((reply.range.clone(), reply.entry.size), (expected.clone(), 200_000), "{range:?}");
        let bytes = bytes_of(reply).await.unwrap();
        assert!(bytes == data[expected.start as usize..expected.end as usize], "{range:?} gives other bytes");
    }
}

/// A range behind the end is `Range` with the size; so is any range of an empty file.
pub async fn a_range_behind_the_end_tells_the_size(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "ten", "0123456789").await;
    put(driver, "none", "").await;
    for range in [ByteRange::From(10), ByteRange::FromTo(11, 20), ByteRange::Last(0)] {
        fails(driver.read(&path("ten"), part(range)).await, &[ErrorKind::Range { size: 10 }]);
    }
    for range in [ByteRange::From(0), ByteRange::Last(5)] {
        fails(driver.read(&path("none"), part(range)).await, &[ErrorKind::Range { size: 0 }]);
    }
}

/// `if_match` reads its version and no other.
pub async fn a_stale_tag_is_not_read(fixture: &Fixture) {
    let driver = fixture.driver();
    let old = put(driver, "file", "old").await;
    let Some(etag) = old.etag else { return not_here("no tags") };
    let request = || ReadRequest { range: None, if_match: Some(etag.clone()) };
    assert_eq!(bytes_of(driver.read(&path("file"), request()).await.unwrap()).await.unwrap(), "old");
    put(driver, "file", "newer").await;
    fails(driver.read(&path("file"), request()).await, &[ErrorKind::Precondition]);
}

/// An empty file has an empty body.
pub async fn an_empty_file_is_read(fixture: &Fixture) {
    let driver = fixture.driver();
    let entry = put(driver, "empty", "").await;
    assert_eq!(entry.size, 0);
    let reply = driver.read(&path("empty"), ReadRequest::default()).await.unwrap();
    assert_eq!(reply.range, 0..0);
    assert!(bytes_of(reply).await.unwrap().is_empty());
}

/// A folder has no bytes: `IsDir` or `NotFound`.
pub async fn a_folder_is_not_read(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/file", "x").await;
    for at in ["dir", ""] {
        let reply = driver.read(&path(at), ReadRequest::default()).await;
        fails(reply, &[ErrorKind::IsDir, ErrorKind::NotFound]);
    }
}

/// A read of what is not there is `NotFound`.
pub async fn a_missing_file_is_not_read(fixture: &Fixture) {
    for at in ["missing", "missing/deeper"] {
        fails(try_get(fixture.driver(), at).await, &[ErrorKind::NotFound]);
    }
}
