//! Writing.

use std::time::{Duration, SystemTime};

use davmux_driver::{Checksums, Driver, ErrorKind, Metadata, Native, ReadRequest, Upload, When, WriteRequest};

use super::{Fixture, fails, not_here, same};
use crate::shorthand::*;

/// `finish` answers what a stat then says, so nobody needs to look.
pub async fn finish_answers_the_entry_that_stat_then_gives(fixture: &Fixture) {
    let driver = fixture.driver();
    for (at, size) in [("file", 10), ("dir/deep/file", 100_000), ("empty", 0)] {
        let finished = put(driver, at, pattern(size, 3)).await;
        assert_eq!((finished.path.as_str(), finished.size, finished.is_dir()), (at, size as u64, false));
        same(&finished, &stat(driver, at).await.unwrap());
    }
}

/// The length need not be known beforehand.
pub async fn an_upload_without_an_announced_size_works(fixture: &Fixture) {
    let driver = fixture.driver();
    let mut upload = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
    for chunk in ["one ", "", "two"] {
        upload.write(chunk.into()).await.unwrap();
    }
    fails(stat(driver, "file").await, &[ErrorKind::NotFound]);
    assert_eq!(upload.finish().await.unwrap().size, 7);
    assert_eq!(get(driver, "file").await, "one two");
}

/// Content of another size has another tag, and a tag stays while nothing changes.
pub async fn a_new_size_changes_the_tag(fixture: &Fixture) {
    let driver = fixture.driver();
    let first = put(driver, "file", "1").await;
    same(&stat(driver, "file").await.unwrap(), &stat(driver, "file").await.unwrap());
    let second = put(driver, "file", "22").await;
    if first.etag.is_some() {
        assert_ne!(first.etag, second.etag);
    }
}

/// A shorter file leaves nothing of a longer one.
pub async fn a_replaced_file_is_replaced_whole(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "file", pattern(100_000, 4)).await;
    put(driver, "file", "short").await;
    assert_eq!(get(driver, "file").await, "short");
    assert_eq!(list(driver, "").await.unwrap().paths(), ["file"]);
}

/// 9 MiB and some bytes, in chunks of sizes that fit nothing.
pub async fn a_large_file_in_odd_chunks_arrives(fixture: &Fixture) {
    let driver = fixture.driver();
    let data = pattern(9 * 1024 * 1024 + 13, 5);
    for size in [Some(data.len() as u64), None] {
        let mut upload = driver.write(&path("large"), WriteRequest { size, ..Default::default() }).await.unwrap();
        let (mut rest, mut sizes) = (data.clone(), [1, 65_537, 1_300_001, 16_383].into_iter().cycle());
        while !rest.is_empty() {
            let next = sizes.next().unwrap().min(rest.len());
            upload.write(rest.split_to(next)).await.unwrap();
        }
        let entry = upload.finish().await.unwrap();
        assert_eq!(entry.size, data.len() as u64);
        same(&entry, &stat(driver, "large").await.unwrap());
        assert!(get(driver, "large").await == data, "other bytes");
    }
}

async fn begin(driver: &dyn Driver, chunks: usize) -> Box<dyn Upload> {
    let mut upload = driver.write(&path("dir/file"), WriteRequest::default()).await.unwrap();
    for number in 0..chunks {
        upload.write(pattern(700_000, number as u32)).await.unwrap();
    }
    upload
}

/// However far an upload came: dropped, it leaves file and listing as they were.
pub async fn an_upload_dropped_at_any_chunk_changes_nothing(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/file", "old").await;
    let before = walk(driver, "").await.unwrap();
    for chunks in 0..5 {
        drop(begin(driver, chunks).await);
        assert_eq!(walk(driver, "").await.unwrap(), before, "after {chunks} chunks");
        assert_eq!(get(driver, "dir/file").await, "old", "after {chunks} chunks");
    }
}

/// The same for one that is aborted.
pub async fn an_upload_aborted_at_any_chunk_changes_nothing(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/file", "old").await;
    let before = walk(driver, "").await.unwrap();
    for chunks in [0, 1, 2, 14] {
        begin(driver, chunks).await.abort().await.unwrap();
        assert_eq!(walk(driver, "").await.unwrap(), before, "after {chunks} chunks");
        assert_eq!(get(driver, "dir/file").await, "old", "after {chunks} chunks");
    }
}

/// Two uploads to one path: the file is always the whole of one, at the end that of the last `finish`.
pub async fn the_last_of_two_uploads_wins_whole(fixture: &Fixture) {
    let driver = fixture.driver();
    let (one, two) = (pattern(90_000, 1), pattern(50_000, 2));
    let mut first = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
    let mut second = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
    for at in (0..90_000).step_by(10_000) {
        first.write(one.slice(at..at + 10_000)).await.unwrap();
        if at < 50_000 {
            second.write(two.slice(at..at + 10_000)).await.unwrap();
        }
    }
    second.finish().await.unwrap();
    assert!(get(driver, "file").await == two, "not the first to finish");
    first.finish().await.unwrap();
    assert!(get(driver, "file").await == one, "not the last to finish");
}

/// Where folders are real, a folder is not replaced by a file; where they are not, it still wins.
pub async fn a_file_is_not_written_over_a_folder(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/member", "x").await;
    let written = try_put(driver, "dir", "y", When::Always).await;
    if driver.capabilities().real_dirs || written.is_err() {
        fails(written, &[ErrorKind::IsDir]);
    }
    assert_eq!(get(driver, "dir/member").await, "x");
    if fixture.hides_folders {
        return not_here("the storage hides a folder that has the name of a file");
    }
    assert!(stat(driver, "dir").await.unwrap().is_dir());
}

/// The root cannot become a file.
pub async fn the_root_is_not_written(fixture: &Fixture) {
    let kinds = [ErrorKind::IsDir, ErrorKind::InvalidPath, ErrorKind::Denied];
    fails(try_put(fixture.driver(), "", "x", When::Always).await, &kinds);
}

/// Cleaning up what is gone already succeeds, and touches no file.
pub async fn an_unknown_upload_id_is_aborted_already(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "file", "x").await;
    driver.abort_upload(&path("file"), "an-id-of-nothing").await.unwrap();
    assert_eq!(get(driver, "file").await, "x");
}

/// A time and checksums that come with an upload are the file's, as its own time or as metadata, or they are ignored;
/// `finish`, stat and read agree, and a copy takes them along.
pub async fn an_announced_time_is_kept_or_ignored(fixture: &Fixture) {
    let driver = fixture.driver();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let checksums = Checksums { md5: Some([1; 16]), sha1: Some([2; 20]) };
    let metadata = Metadata { modified: Some(time), checksums };
    let mut upload = driver.write(&path("file"), WriteRequest { metadata, ..Default::default() }).await.unwrap();
    upload.write("x".into()).await.unwrap();
    let finished = upload.finish().await.unwrap();
    let looked = stat(driver, "file").await.unwrap();
    same(&finished, &looked);
    if let Native::Done(()) = driver.set_modified(&path("file"), time).await.unwrap() {
        assert_eq!(looked.modified, Some(time), "a storage that can set times keeps them");
        assert_eq!(looked.metadata, None, "and has no second time");
    }
    let read = driver.read(&path("file"), ReadRequest::default()).await.unwrap().entry;
    assert_eq!((&finished.metadata, &read.metadata), (&looked.metadata, &looked.metadata));
    let Some(kept) = &looked.metadata else { return };
    assert_eq!(**kept, metadata);
    if let Native::Done(_) = driver.copy(&looked, &path("copy"), &When::Always).await.unwrap() {
        assert_eq!(stat(driver, "copy").await.unwrap().metadata, looked.metadata);
    }
}
