//! `read`.

use davmux_driver::{ByteRange, Driver, ErrorKind, Etag, ReadRequest, RelPath};
use davmux_driver_s3::Secret;
use davmux_s3_server::{Fault, Server, Strict};

use crate::support::{Fixture, bytes, canned, driver, get, metered, path, put, xml};

fn range(range: ByteRange) -> ReadRequest {
    ReadRequest { range: Some(range), if_match: None }
}

#[tokio::test]
async fn a_read_is_one_call_and_describes_its_bytes() {
    let fixture = Fixture::with(Server::builder().strict(Strict::amazon()), |_| ()).await;
    let written = put(&fixture.s3, "a b+c", "0123456789").await;
    fixture.calls().reset();
    let (reply, calls) = metered(fixture.s3.read(&path("a b+c"), ReadRequest::default())).await;
    let reply = reply.unwrap();
    assert_eq!((calls, fixture.calls().total(), fixture.calls().count("GetObject")), (1, 1, 1));
    assert_eq!((reply.entry.size, reply.range.clone(), &reply.entry.etag), (10, 0..10, &written.etag));
    assert!(reply.entry.modified.is_some());
    assert_eq!(bytes(reply).await.unwrap(), "0123456789");
}

#[tokio::test]
async fn ranges_are_answered_with_the_whole_length() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "0123456789").await;
    for (asked, offsets) in [
        (ByteRange::From(4), 4..10),
        (ByteRange::FromTo(2, 5), 2..5),
        (ByteRange::FromTo(8, 50), 8..10),
        (ByteRange::Last(3), 7..10),
        (ByteRange::Last(30), 0..10),
    ] {
        let reply = fixture.s3.read(&path("a"), range(asked)).await.unwrap();
        assert_eq!((reply.entry.size, reply.range.clone()), (10, offsets.clone()), "{asked:?}");
        let expected = &b"0123456789"[offsets.start as usize..offsets.end as usize];
        assert_eq!(bytes(reply).await.unwrap(), expected, "{asked:?}");
    }
}

#[tokio::test]
async fn a_range_without_a_byte_tells_the_length() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "0123456789").await;
    put(&fixture.s3, "empty", "").await;
    for asked in [ByteRange::From(10), ByteRange::FromTo(20, 30), ByteRange::FromTo(5, 5), ByteRange::Last(0)] {
        let error = fixture.s3.read(&path("a"), range(asked)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Range { size: 10 }, "{asked:?}");
    }
    let error = fixture.s3.read(&path("empty"), range(ByteRange::From(0))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Range { size: 0 });
    assert_eq!(get(&fixture.s3, "empty").await.unwrap(), "");
    let error = fixture.s3.read(&path("gone"), range(ByteRange::Last(0))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn another_version_is_a_precondition() {
    let fixture = Fixture::start().await;
    let entry = put(&fixture.s3, "a", "one").await;
    for (etag, kind) in [(entry.etag, None), (Etag::new("\"other\""), Some(ErrorKind::Precondition))] {
        let request = ReadRequest { range: None, if_match: etag };
        assert_eq!(kind_of(fixture.s3.read(&path("a"), request)).await, kind);
    }
}

/// Only how it ended.
async fn kind_of<T>(read: impl Future<Output = davmux_driver::Result<T>>) -> Option<ErrorKind> {
    read.await.err().map(|error| error.kind())
}

#[tokio::test]
async fn missing_files_missing_buckets_and_wrong_keys_are_told_apart() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "d/a", "x").await;
    let nowhere = driver(&fixture.server, |options| options.bucket = "nowhere".into());
    let wrong = driver(&fixture.server, |options| options.secret_access_key = Some(Secret::new("wrong")));
    assert_eq!(kind_of(get(&fixture.s3, "b")).await, Some(ErrorKind::NotFound));
    assert_eq!(kind_of(get(&fixture.s3, "d")).await, Some(ErrorKind::NotFound));
    assert_eq!(kind_of(get(&nowhere, "a")).await, Some(ErrorKind::Unavailable));
    assert_eq!(kind_of(get(&wrong, "d/a")).await, Some(ErrorKind::Denied));
    let root = kind_of(fixture.s3.read(&RelPath::root(), ReadRequest::default())).await;
    assert_eq!(root, Some(ErrorKind::IsDir));
}

#[tokio::test]
async fn a_short_body_is_an_error() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", vec![7_u8; 300_000]).await;
    fixture.faults().nth("GetObject", 1, Fault::CutBody(1000));
    let error = get(&fixture.s3, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(get(&fixture.s3, "a").await.unwrap().len(), 300_000);
}

#[tokio::test]
async fn a_read_is_tried_again_until_its_first_byte() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "x").await;
    for fault in [Fault::SlowDown, Fault::InternalError, Fault::Close] {
        fixture.calls().reset();
        fixture.faults().nth("GetObject", 1, fault);
        let (content, calls) = metered(get(&fixture.s3, "a")).await;
        assert_eq!(content.unwrap(), "x", "{fault:?}");
        assert_eq!((calls, fixture.calls().total()), (2, 2), "{fault:?}");
    }
    fixture.calls().reset();
    fixture.faults().every("GetObject", Fault::SlowDown);
    let error = get(&fixture.s3, "a").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Throttled { .. }), "{error}");
    assert_eq!(fixture.calls().total(), 3);
}

#[tokio::test]
async fn an_error_never_shows_a_signature() {
    let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><SignatureProvided>sig123</SignatureProvided></Error>";
    let s3 = canned(vec![xml("403 Forbidden", body)]).await;
    let error = get(&s3, "a").await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("sig123") && !shown.contains("X-Amz"), "{shown}");
    // A connection that is refused.
    let fixture = Fixture::start().await;
    let s3 = fixture.s3.clone();
    fixture.server.stop().await;
    let error = get(&s3, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("X-Amz"), "{shown}");
}
