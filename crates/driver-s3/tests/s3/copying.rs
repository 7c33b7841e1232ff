//! Copies in parts.

use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{Driver, Entry, ErrorKind, Etag, Expect, Native, Upload, When};
use davmux_driver_s3::provider::{Overrides, Provider};
use davmux_s3_server::{Condition, Copies, Fault, Limits, Refusal, Server, Strict};
use futures_util::future::join_all;

use crate::support::{BUCKET, Fixture, get, path};

const MIB: usize = 1 << 20;

/// A bucket whose CopyObject takes 10 MiB, and a file of 23 MiB in it with all that a copy must carry over.
async fn fixture(strict: Strict, row: &str) -> (Fixture, Entry, Bytes) {
    let limits = Limits { max_copy: 10 << 20, max_part_copy: 10 << 20, ..Limits::S3 };
    let fixture = Fixture::with(Server::builder().strict(strict).limits(limits), |options| {
        options.provider = Provider::named(row);
        options.overrides = Overrides { copy_largest: Some(10 << 20), ..Overrides::default() };
    })
    .await;
    let content: Bytes = (0..23 * MIB).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
    let put = fixture.client().put_object().bucket(BUCKET).key("a b+").body(content.clone().into());
    let put = put.content_type("video/x-test").cache_control("max-age=60").content_disposition("inline");
    put.metadata("mtime", "1500000000.5").metadata("davmux-upload", "the source's").send().await.unwrap();
    let entry = fixture.s3.stat(&path("a b+"), Expect::File).await.unwrap();
    fixture.calls().reset();
    (fixture, entry, content)
}

async fn begun(fixture: &Fixture, from: &Entry, to: &str, when: When) -> Box<dyn Upload> {
    assert!(matches!(fixture.s3.copy(from, &path(to), &when).await, Ok(Native::Declined)));
    match fixture.s3.begin_copy(from, &path(to), &when).await.unwrap() {
        Native::Done(upload) => upload,
        Native::Declined => panic!("a large file is copied in parts"),
    }
}

async fn left_behind(fixture: &Fixture) -> usize {
    fixture.client().list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len()
}

#[tokio::test]
async fn a_large_file_is_copied_in_parts_side_by_side_with_all_that_it_carries() {
    for row in ["amazon", "other"] {
        let (fixture, from, content) = fixture(Strict::amazon(), row).await;
        let upload = begun(&fixture, &from, "to", When::Absent).await;
        assert!(upload.upload_id().is_some(), "a crash from here on leaves something");
        assert!(get(&fixture.s3, "to").await.is_err(), "nothing is seen before the end");
        fixture.calls().reset();
        fixture.faults().together(4);
        let copy = upload.finish().await.unwrap();
        assert_eq!((fixture.calls().count("UploadPartCopy"), fixture.calls().count("UploadPart")), (4, 0));
        assert_eq!((copy.path.as_str(), copy.size), ("to", from.size));
        assert!(get(&fixture.s3, "to").await.unwrap() == content);
        let head = fixture.client().head_object().bucket(BUCKET).key("to").send().await.unwrap();
        assert_eq!(head.e_tag().and_then(Etag::new), copy.etag);
        assert_eq!(head.content_type(), Some("video/x-test"));
        assert_eq!((head.cache_control(), head.content_disposition()), (Some("max-age=60"), Some("inline")));
        let metadata = head.metadata().unwrap();
        assert_eq!(metadata.get("mtime").map(String::as_str), Some("1500000000.5"));
        assert_ne!(metadata.get("davmux-upload").map(String::as_str), Some("the source's"), "each upload has its own");
        assert_eq!(left_behind(&fixture).await, 0);
    }
}

#[tokio::test]
async fn a_copy_in_parts_heeds_its_condition_at_its_begin_and_at_its_end() {
    for row in ["amazon", "other"] {
        let (fixture, from, _) = fixture(Strict::amazon(), row).await;
        let upload = begun(&fixture, &from, "to", When::Absent).await;
        fixture.put_keys(&["to"]).await;
        assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::AlreadyExists, "{row}");
        let error = fixture.s3.begin_copy(&from, &path("to"), &When::Absent).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{row}");
        assert_eq!((get(&fixture.s3, "to").await.unwrap(), left_behind(&fixture).await), ("x".into(), 0), "{row}");
    }
}

#[tokio::test]
async fn parts_of_two_versions_are_never_mixed() {
    let ignored = Condition::Ignored;
    for (row, part_copy_source) in [("amazon", Condition::Honoured), ("b2", ignored)] {
        let mut strict = Strict::default();
        strict.conditions.part_copy_source = part_copy_source;
        let (fixture, from, content) = fixture(strict, row).await;
        let upload = begun(&fixture, &from, "to", When::Always).await;
        let changed = vec![1; content.len()];
        fixture.client().put_object().bucket(BUCKET).key("a b+").body(changed.into()).send().await.unwrap();
        let error = upload.finish().await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Precondition, &path("a b+")), "{row}: {error}");
        let error = fixture.s3.begin_copy(&from, &path("to"), &When::Always).await.err().unwrap();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Precondition, &path("a b+")), "{row}: {error}");
        assert!(get(&fixture.s3, "to").await.is_err(), "{row}");
        assert_eq!(left_behind(&fixture).await, 0, "{row}");
    }
}

#[tokio::test]
async fn a_copy_in_parts_that_fails_or_is_dropped_leaves_nothing() {
    let (fixture, from, _) = fixture(Strict::amazon(), "amazon").await;
    fixture.put_keys(&["to"]).await;
    for operation in ["UploadPartCopy", "CompleteMultipartUpload"] {
        let upload = begun(&fixture, &from, "to", When::Always).await;
        fixture.faults().every(operation, Fault::AccessDenied);
        assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::Denied);
        fixture.faults().clear();
        assert_eq!(left_behind(&fixture).await, 0, "{operation}");
    }
    begun(&fixture, &from, "to", When::Always).await.abort().await.unwrap();
    assert_eq!(left_behind(&fixture).await, 0);
    let mut upload = begun(&fixture, &from, "to", When::Always).await;
    assert!(upload.write("bytes".into()).await.is_err());
    drop(upload);
    // The removal was begun by the drop: nothing else would ever end this.
    while left_behind(&fixture).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&fixture.s3, "to").await.unwrap(), "x", "the former file stands");
}

#[tokio::test]
async fn a_copy_that_failed_waits_for_its_parts_under_way_before_it_is_removed() {
    let (fixture, from, _) = fixture(Strict::amazon(), "amazon").await;
    let upload = begun(&fixture, &from, "to", When::Always).await;
    fixture.calls().reset();
    // One fails for good while the other three are to be sent again.
    fixture.faults().together(4);
    fixture.faults().nth("UploadPartCopy", 1, Fault::AccessDenied);
    for nth in 2..=4 {
        let slower = Refusal::new(503, "SlowDown", "slower").retry_after(1);
        fixture.faults().nth("UploadPartCopy", nth, Fault::Refuse(slower));
    }
    assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::Denied);
    let calls = fixture.calls().calls();
    let (parts, removals): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.operation == "UploadPartCopy");
    assert_eq!((parts.len(), removals.len()), (4 + 3, 1));
    // Else a part may be stored after the removal, and be there for ever.
    assert!(parts.iter().all(|part| part.end.is_some_and(|end| end < removals[0].start)));
}

#[tokio::test]
async fn many_copies_at_once_are_not_many_times_as_many_calls() {
    let (fixture, from, _) = fixture(Strict::amazon(), "amazon").await;
    let mut uploads = Vec::new();
    for number in 0..12 {
        uploads.push(begun(&fixture, &from, &format!("to {number}"), When::Always).await);
    }
    fixture.calls().reset();
    fixture.faults().every("UploadPartCopy", Fault::AccessDenied);
    fixture.faults().together(32);
    fixture.faults().latency(Duration::from_millis(100));
    for ended in join_all(uploads.into_iter().map(|upload| upload.finish())).await {
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Denied);
    }
    let mut calls = fixture.calls().calls();
    calls.retain(|call| call.operation == "UploadPartCopy");
    assert_eq!(calls.len(), 12 * 4);
    let under_way = |at: u64| calls.iter().filter(|call| call.start <= at && call.end.unwrap() > at).count();
    assert_eq!(calls.iter().map(|call| under_way(call.start)).max(), Some(32));
}

#[tokio::test]
async fn a_limit_lower_than_the_row_says_is_learnt() {
    let limits = Limits { max_copy: 10 << 20, ..Limits::S3 };
    let fixture = Fixture::with(Server::builder().limits(limits), |_| ()).await;
    let body = vec![7; 23 * MIB].into();
    fixture.client().put_object().bucket(BUCKET).key("a").body(body).send().await.unwrap();
    let from = fixture.s3.stat(&path("a"), Expect::File).await.unwrap();
    assert!(matches!(fixture.s3.begin_copy(&from, &path("b"), &When::Always).await, Ok(Native::Declined)));
    begun(&fixture, &from, "b", When::Always).await.finish().await.unwrap();
    assert_eq!(fixture.calls().count("CopyObject"), 1);
    begun(&fixture, &from, "c", When::Always).await.finish().await.unwrap();
    assert_eq!(fixture.calls().count("CopyObject"), 1, "it is not asked for again");
    assert_eq!(get(&fixture.s3, "c").await.unwrap().len(), 23 * MIB);
}

#[tokio::test]
async fn a_storage_that_copies_no_parts_after_all_is_streamed() {
    let part_copy = Some(Refusal::new(501, "NotImplemented", "UploadPartCopy is not implemented"));
    let strict = Strict { copies: Copies { part_copy, ..Copies::default() }, ..Strict::default() };
    let (fixture, from, _) = fixture(strict, "other").await;
    let error = begun(&fixture, &from, "to", When::Always).await.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(left_behind(&fixture).await, 0);
    assert!(matches!(fixture.s3.begin_copy(&from, &path("to"), &When::Always).await, Ok(Native::Declined)));
}
