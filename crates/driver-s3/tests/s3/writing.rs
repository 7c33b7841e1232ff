//! Uploads.

use std::sync::Arc;

use bytes::Bytes;
use davmux_driver::{Driver, ErrorKind, Etag, Upload, When, WriteRequest};
use davmux_driver_s3::provider::{Overrides, Provider};
use davmux_driver_s3::{S3, UploadMemory};
use davmux_s3_server::{Builder, Checksums, Condition, Conditions, Fault, Limits, Refusal, Server, Strict};

use crate::support::{BUCKET, Fixture, driver, feed, get, metered, options, path, put};

const MIB: usize = 1 << 20;

fn content(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

async fn upload(s3: &S3, name: &str, size: Option<u64>, when: When) -> Box<dyn Upload> {
    let request = WriteRequest { size, when, content_type: Some("text/x-test".into()), ..WriteRequest::default() };
    s3.write(&path(name), request).await.unwrap()
}

/// Uploads that were begun and neither completed nor removed.
async fn left_behind(fixture: &Fixture) -> usize {
    fixture.client().list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len()
}

#[tokio::test]
async fn a_small_file_is_one_call_at_its_end() {
    let fixture =
        Fixture::with(Server::builder().strict(Strict { checksums: Checksums::REFUSED, ..Strict::amazon() }), |_| ())
            .await;
    for (name, length, size) in
        [("a", 100, Some(100)), ("b", 100, None), ("empty", 0, Some(0)), ("part", 8 * MIB, None)]
    {
        let content = content(length);
        fixture.calls().reset();
        let mut upload = upload(&fixture.s3, name, size, When::Always).await;
        feed(&mut upload, &content).await.unwrap();
        assert_eq!(fixture.calls().total(), 0, "nothing is sent before it is verified");
        let (entry, calls) = metered(upload.finish()).await;
        let entry = entry.unwrap();
        assert_eq!((calls, fixture.calls().total(), fixture.calls().count("PutObject")), (1, 1, 1));
        assert_eq!(
            (entry.size, entry.modified, entry.content_type.as_deref()),
            (length as u64, None, Some("text/x-test"))
        );
        let reply = fixture.s3.read(&path(name), Default::default()).await.unwrap();
        assert_eq!((&reply.entry.etag, reply.entry.content_type.as_deref()), (&entry.etag, Some("text/x-test")));
        assert_eq!(crate::support::bytes(reply).await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_at_most_fifteen_calls() {
    let fixture = Fixture::start().await;
    let content = content(100_000_000);
    for size in [Some(100_000_000), None] {
        fixture.calls().reset();
        let (entry, calls) = metered(async {
            let mut upload = upload(&fixture.s3, "big", size, When::Always).await;
            feed(&mut upload, &content).await.unwrap();
            upload.finish().await
        })
        .await;
        let entry = entry.unwrap();
        assert!(calls <= 15 && calls == fixture.calls().total(), "{calls} {:?}", fixture.calls().counts());
        let reply = fixture.s3.read(&path("big"), Default::default()).await.unwrap();
        assert_eq!((&reply.entry.etag, reply.entry.content_type.as_deref()), (&entry.etag, Some("text/x-test")));
        assert!(crate::support::bytes(reply).await.unwrap() == content);
    }
    assert_eq!(left_behind(&fixture).await, 0);
}

#[tokio::test]
async fn parts_are_sent_side_by_side() {
    let fixture = Fixture::with(Server::builder(), |options| options.part_size = Some(5 << 20)).await;
    let mut upload = upload(&fixture.s3, "a", None, When::Always).await;
    let content = content(5 * MIB * 4 + 1);
    upload.write(content.slice(..5 * MIB + 1)).await.unwrap();
    assert_eq!(upload.upload_id().map(str::is_empty), Some(false), "something would be left behind now");
    // Each waits for the others: one after the other would be tried again until some met, and so be more calls.
    fixture.faults().together(3);
    upload.write(content.slice(5 * MIB + 1..)).await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(fixture.calls().count("UploadPart"), 5);
    assert!(get(&fixture.s3, "a").await.unwrap() == content);
}

/// One row that has all conditions, and one that has none.
const ROWS: [&str; 2] = ["amazon", "other"];

async fn of_row(word: &str, server: Builder) -> Fixture {
    Fixture::with(server, |options| options.provider = Provider::named(word)).await
}

#[tokio::test]
async fn conditions_hold_for_both_ways_whether_the_storage_checks_them_or_not() {
    for row in ROWS {
        let fixture = of_row(row, Server::builder()).await;
        let first = put(&fixture.s3, "a", "one").await;
        for length in [10, 9 * MIB] {
            let content = content(length);
            for (when, kind) in [
                (When::Absent, ErrorKind::AlreadyExists),
                (When::Matches(Etag::new("other").unwrap()), ErrorKind::Precondition),
            ] {
                let mut upload = upload(&fixture.s3, "a", Some(length as u64), when.clone()).await;
                feed(&mut upload, &content).await.unwrap();
                let error = upload.finish().await.unwrap_err();
                assert_eq!(error.kind(), kind, "{row} {length} {when:?}: {error}");
                assert_eq!(get(&fixture.s3, "a").await.unwrap(), "one", "the former file stands");
            }
            let mut upload = upload(&fixture.s3, "gone", None, When::Matches(first.etag.clone().unwrap())).await;
            feed(&mut upload, &content).await.unwrap();
            let error = upload.finish().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Precondition, "{row} {length}: {error}");
        }
        assert_eq!(left_behind(&fixture).await, 0);
        fixture.calls().reset();
        let mut upload = upload(&fixture.s3, "a", None, When::Matches(first.etag.unwrap())).await;
        upload.write("two".into()).await.unwrap();
        upload.finish().await.unwrap();
        assert_eq!(fixture.calls().count("HeadObject"), u64::from(row == "other"));
        assert_eq!(get(&fixture.s3, "a").await.unwrap(), "two");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_no_condition_that_fails() {
    for row in ROWS {
        let fixture = of_row(row, Server::builder()).await;
        let elsewhere = driver(&fixture.server, |options| {
            options.provider = Provider::named(row);
            options.bucket = "nowhere".into();
        });
        for when in [When::Absent, When::Matches(Etag::new("tag").unwrap())] {
            let mut upload = upload(&elsewhere, "a", None, when.clone()).await;
            upload.write("x".into()).await.unwrap();
            let error = upload.finish().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{row} {when:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_condition_that_the_storage_turns_out_not_to_know_is_looked_at_before_from_then_on() {
    let conditions = Conditions::writes(Condition::Refused(Refusal::NOT_IMPLEMENTED));
    let server = Server::builder().strict(Strict { conditions, ..Strict::amazon() });
    let fixture = of_row("amazon", server).await;
    for (name, length, calls) in [("a", 10, 3), ("b", 10, 2), ("c", 9 * MIB, 5)] {
        fixture.calls().reset();
        let mut first = upload(&fixture.s3, name, None, When::Absent).await;
        feed(&mut first, &content(length)).await.unwrap();
        first.finish().await.unwrap();
        assert_eq!(fixture.calls().total(), calls, "{name}: {:?}", fixture.calls().counts());
        let mut second = upload(&fixture.s3, name, None, When::Absent).await;
        feed(&mut second, &content(length)).await.unwrap();
        assert_eq!(second.finish().await.unwrap_err().kind(), ErrorKind::AlreadyExists, "{name}");
    }
    assert_eq!(left_behind(&fixture).await, 0);
}

#[tokio::test]
async fn parts_keep_to_what_the_row_says() {
    let change = |equal: bool| {
        move |options: &mut davmux_driver_s3::S3Options| {
            options.part_size = Some(5 << 20);
            options.overrides = Overrides { parts_most: Some(3), parts_equal: Some(equal), ..Overrides::default() };
        }
    };
    for equal in [false, true] {
        let equal_parts = equal.then_some(Refusal::new(400, "InvalidPart", "All non-trailing parts must be equal"));
        let limits = Limits { max_parts: 3, ..Limits::S3 };
        let server = Server::builder().strict(Strict { equal_parts, ..Strict::amazon() }).limits(limits);
        let fixture = Fixture::with(server, change(equal)).await;
        // 16 MiB in three parts are parts of 6 MiB; 5, 10 and 20 MiB are what an unknown length reaches, or 3 times 32 MiB.
        for (size, length) in [(Some(16 << 20), 16 * MIB), (None, if equal { 70 * MIB } else { 35 * MIB })] {
            fixture.calls().reset();
            let content = content(length);
            let mut upload = upload(&fixture.s3, "a", size, When::Always).await;
            feed(&mut upload, &content).await.unwrap();
            upload.finish().await.unwrap();
            assert_eq!(fixture.calls().count("UploadPart"), 3, "{equal} {size:?}");
            assert!(get(&fixture.s3, "a").await.unwrap() == content);
        }
    }
}

#[tokio::test]
async fn a_file_of_unknown_length_beyond_all_parts_is_refused_and_the_former_stands() {
    let fixture = Fixture::with(Server::builder(), |options| {
        options.part_size = Some(5 << 20);
        options.overrides = Overrides { parts_most: Some(3), ..Overrides::default() };
    })
    .await;
    put(&fixture.s3, "a", "one").await;
    let mut upload = upload(&fixture.s3, "a", None, When::Always).await;
    let error = feed(&mut upload, &content(36 * MIB)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("can have 35 MiB"), "{error}");
    upload.abort().await.unwrap();
    assert_eq!((left_behind(&fixture).await, get(&fixture.s3, "a").await.unwrap()), (0, "one".into()));
}

#[tokio::test]
async fn more_than_was_announced_is_refused() {
    let fixture = Fixture::start().await;
    let mut upload = upload(&fixture.s3, "a", Some(3), When::Always).await;
    assert_eq!(upload.write("four".into()).await.unwrap_err().kind(), ErrorKind::Incomplete);
    upload.abort().await.unwrap();
    assert!(get(&fixture.s3, "a").await.is_err());
}

#[tokio::test]
async fn a_small_file_of_unknown_length_waits_for_no_memory() {
    let fixture = Fixture::start().await;
    let memory = UploadMemory::new(8 << 20);
    let s3 = S3::open(options(&fixture.server), memory.clone()).unwrap();
    let mut holder = upload(&s3, "holder", None, When::Always).await;
    holder.write(content(100_000)).await.unwrap();
    assert_eq!(memory.free(), 0);
    let mut small = upload(&s3, "small", None, When::Always).await;
    feed(&mut small, &content(50_000)).await.unwrap();
    small.finish().await.unwrap();
    assert_eq!(get(&s3, "small").await.unwrap(), content(50_000));
    holder.abort().await.unwrap();
    assert_eq!(memory.free(), memory.total());
}

#[tokio::test]
async fn a_join_that_fails_inside_a_200_is_done_again() {
    let fixture = Fixture::start().await;
    for code in ["InternalError", "SlowDown"] {
        let refusal = Refusal::new(200, code, "We encountered an error. Please try again.");
        fixture.faults().nth("CompleteMultipartUpload", 1, Fault::ErrorInside(refusal));
        let content = content(9 * MIB);
        let mut upload = upload(&fixture.s3, code, None, When::Always).await;
        feed(&mut upload, &content).await.unwrap();
        upload.finish().await.unwrap();
        assert!(get(&fixture.s3, code).await.unwrap() == content);
    }
    assert_eq!(fixture.calls().count("CompleteMultipartUpload"), 4);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_decided_by_looking() {
    let fixture = of_row("amazon", Server::builder()).await;
    for (operation, length) in [("PutObject", 10), ("CompleteMultipartUpload", 9 * MIB)] {
        let content = content(length);
        for when in [When::Always, When::Absent] {
            let name = format!("{operation}-{when:?}");
            // Lost once: the SDK tries again and meets its own file. Lost always: nobody ever answers.
            for every in [false, true] {
                let name = format!("{name}-{every}");
                let mut upload = upload(&fixture.s3, &name, None, when.clone()).await;
                feed(&mut upload, &content).await.unwrap();
                if every {
                    fixture.faults().every(operation, Fault::LostAnswer);
                } else {
                    fixture.faults().nth(operation, 1, Fault::LostAnswer);
                }
                let entry = upload.finish().await.unwrap_or_else(|error| panic!("{name}: {error}"));
                fixture.faults().clear();
                assert_eq!(entry.size, length as u64, "{name}");
                let reply = fixture.s3.read(&path(&name), Default::default()).await.unwrap();
                assert_eq!(reply.entry.etag, entry.etag, "{name}");
            }
        }
    }
    assert_eq!(left_behind(&fixture).await, 0);
}

#[tokio::test]
async fn a_commit_that_did_not_happen_is_an_error_and_leaves_the_former_file() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "one").await;
    for (operation, length) in [
        ("PutObject", 10),
        ("CompleteMultipartUpload", 9 * MIB),
        ("UploadPart", 9 * MIB),
        ("CreateMultipartUpload", 9 * MIB),
    ] {
        for fault in [Fault::Close, Fault::InternalError, Fault::AccessDenied] {
            let mut upload = upload(&fixture.s3, "a", None, When::Always).await;
            fixture.faults().every(operation, fault);
            match feed(&mut upload, &content(length)).await {
                Ok(()) => drop(upload.finish().await.unwrap_err()),
                Err(_) => upload.abort().await.unwrap(),
            }
            fixture.faults().clear();
            assert_eq!(get(&fixture.s3, "a").await.unwrap(), "one", "{operation} {fault:?}");
        }
    }
    assert_eq!(left_behind(&fixture).await, 0);
}

#[tokio::test]
async fn an_abort_leaves_nothing_and_a_drop_not_for_long() {
    let fixture = Fixture::start().await;
    let mut one = upload(&fixture.s3, "a", None, When::Always).await;
    feed(&mut one, &content(9 * MIB)).await.unwrap();
    let id = one.upload_id().unwrap().to_owned();
    one.abort().await.unwrap();
    assert_eq!(left_behind(&fixture).await, 0);
    fixture.s3.abort_upload(&path("a"), &id).await.unwrap();

    let mut two = upload(&fixture.s3, "a", None, When::Always).await;
    feed(&mut two, &content(9 * MIB)).await.unwrap();
    drop(two);
    // The removal was begun by the drop: nothing else would ever end this.
    while left_behind(&fixture).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&fixture.s3, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_upload_of_an_earlier_process_is_removed_by_its_id() {
    let fixture = Fixture::start().await;
    let begun = fixture.client().create_multipart_upload().bucket(BUCKET).key("a").send().await.unwrap();
    fixture.s3.abort_upload(&path("a"), begun.upload_id().unwrap()).await.unwrap();
    assert_eq!(left_behind(&fixture).await, 0);
}

#[tokio::test]
async fn ten_uploads_get_through_memory_for_one_part() {
    let fixture = Fixture::start().await;
    let memory = UploadMemory::new(8 << 20);
    let s3 = Arc::new(S3::open(options(&fixture.server), memory.clone()).unwrap());
    let content = content(17 * MIB);
    let tasks: Vec<_> = (0..10)
        .map(|number| {
            let (s3, content) = (Arc::clone(&s3), content.clone());
            tokio::spawn(async move {
                let size = (number % 2 == 0).then_some(content.len() as u64);
                let mut upload = upload(&s3, &number.to_string(), size, When::Always).await;
                feed(&mut upload, &content).await.unwrap();
                upload.finish().await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().size, content.len() as u64);
    }
    assert_eq!(memory.free(), memory.total(), "every share came back");
}

#[tokio::test]
async fn a_write_that_was_dropped_half_way_never_becomes_a_file() {
    let fixture = Fixture::start().await;
    let memory = UploadMemory::new(8 << 20);
    let s3 = S3::open(options(&fixture.server), memory.clone()).unwrap();
    let mut waiting = upload(&s3, "a", None, When::Always).await;
    let mut other = upload(&s3, "other", None, When::Always).await;
    other.write(content(100_000)).await.unwrap();
    let dropped = futures_util::FutureExt::now_or_never(waiting.write(content(100_000)));
    assert!(dropped.is_none(), "it had to wait for memory");
    drop(other);
    assert_eq!(waiting.finish().await.unwrap_err().kind(), ErrorKind::Incomplete);
    assert_eq!(get(&s3, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(memory.free(), memory.total());
}

#[tokio::test]
async fn a_file_too_large_for_the_memory_is_refused_before_a_byte() {
    let fixture = Fixture::start().await;
    let s3 = S3::open(options(&fixture.server), UploadMemory::new(8 << 20)).unwrap();
    let request = WriteRequest { size: Some(1 << 40), ..WriteRequest::default() };
    let error = s3.write(&path("a"), request).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("upload_memory"), "{error}");
}
