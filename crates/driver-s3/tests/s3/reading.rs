//! `read`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use davmux_driver::{ByteRange, Driver, ErrorKind, Etag, Expect, ReadRequest, RelPath};
use davmux_driver_s3::{RelayFrom, Secret};
use davmux_s3_server::{Fault, Server, Strict};

use crate::support::{Fixture, answering, bytes, canned, driver, get, metered, path, put, xml};

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

/// An answer to a GET.
fn object(headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\nETag: \"e\"\r\n{headers}Connection: close\r\n\r\n{body}")
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A driver that reads from a public host.
async fn relayed_from(host: String) -> Fixture {
    Fixture::with(Server::builder(), |options| {
        options.custom_host = Some(host);
        options.remove_bucket = true;
        options.relay_from = RelayFrom::CustomHost;
    })
    .await
}

#[tokio::test]
async fn a_read_comes_from_the_custom_host_where_the_mount_says_so() {
    for presign in [false, true] {
        let server = Server::builder().public_bucket("films").start().await.unwrap();
        put(&driver(&server, |_| ()), "a b+c", "0123456789").await;
        // The endpoint that writes is another one: nothing answers there.
        let cdn = server.endpoint();
        let s3 = driver(&server, |options| {
            options.endpoint = Some("http://127.0.0.1:9".into());
            options.custom_host = Some(cdn);
            options.custom_host_presign = presign;
            options.relay_from = RelayFrom::CustomHost;
        });
        assert_eq!(get(&s3, "a b+c").await.unwrap(), "0123456789", "presign: {presign}");
        let reply = s3.read(&path("a b+c"), range(ByteRange::FromTo(2, 5))).await.unwrap();
        assert_eq!(bytes(reply).await.unwrap(), "234", "presign: {presign}");
    }
}

#[tokio::test]
async fn a_redirect_of_a_public_host_is_followed_with_range_and_condition() {
    let seen = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&seen);
    let edge = answering(move |head| {
        *log.lock().unwrap() = head.to_ascii_lowercase();
        "HTTP/1.1 206 Partial Content\r\nETag: \"e\"\r\nContent-Range: bytes 1-2/4\r\nContent-Length: 2\r\n\
         Connection: close\r\n\r\nbc"
            .to_owned()
    })
    .await;
    let cdn = answering(move |head| {
        let target = head.split(' ').nth(1).unwrap();
        moved(&format!("{edge}/edge{target}?token=1"))
    })
    .await;
    let fixture = relayed_from(cdn).await;
    let request = ReadRequest { range: Some(ByteRange::FromTo(1, 3)), if_match: Etag::new("\"e\"") };
    assert_eq!(bytes(fixture.s3.read(&path("d/a b"), request).await.unwrap()).await.unwrap(), "bc");
    let seen = seen.lock().unwrap().clone();
    assert!(seen.starts_with("get /edge/d/a%20b?token=1 "), "{seen}");
    assert!(seen.contains("range: bytes=1-2\r\n") && seen.contains("if-match: \"e\"\r\n"), "{seen}");
    assert!(!seen.contains("authorization") && !seen.contains("x-amz") && !seen.contains("referer"), "{seen}");
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_an_error() {
    let circles = answering(|head| moved(head.split(' ').nth(1).unwrap())).await;
    let error = get(&relayed_from(circles).await.s3, "a").await.unwrap_err();
    assert!(error.to_string().contains("again and again"), "{error}");
    let nowhere = answering(|_| moved("ftp://127.0.0.1/a")).await;
    let error = get(&relayed_from(nowhere).await.s3, "a").await.unwrap_err();
    assert!(error.to_string().contains("no URL"), "{error}");
    // A read that is signed goes to the host that it is signed for, and to no other.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let thief = answering(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        object(&[("Content-Length", "1")], "x")
    })
    .await;
    let s3 = canned(vec![moved(&thief)]).await;
    assert_eq!(get(&s3, "a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_stored_with_gzip_is_read_as_it_is_stored() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // As Google answers: packed for those who say that they take it, unpacked and without a length for others.
    let endpoint = answering(move |head| {
        count.fetch_add(1, Ordering::Relaxed);
        assert!(!head.contains("SignedHeaders=host%3Baccept") && !head.contains("SignedHeaders=accept"));
        let stored = [("x-goog-stored-content-encoding", "gzip"), ("x-goog-stored-content-length", "4")];
        let takes_gzip = head.to_ascii_lowercase().contains("accept-encoding: gzip\r\n");
        match (head.starts_with("HEAD"), takes_gzip) {
            (true, _) => object(&stored, ""),
            (false, true) => {
                object(&[&stored[..], &[("Content-Encoding", "gzip"), ("Content-Length", "4")]].concat(), "gzip")
            }
            (false, false) => {
                object(&[&stored[..], &[("Transfer-Encoding", "chunked")]].concat(), "8\r\nunpacked\r\n0\r\n\r\n")
            }
        }
    })
    .await;
    let fixture = Fixture::start().await;
    let s3 = driver(&fixture.server, |options| options.endpoint = Some(endpoint));
    assert_eq!(s3.stat(&path("a"), Expect::File).await.unwrap().size, 4);
    asked.store(0, Ordering::Relaxed);
    for calls in [2, 1] {
        assert_eq!(get(&s3, "a").await.unwrap(), "gzip");
        assert_eq!(asked.swap(0, Ordering::Relaxed), calls, "what was seen is remembered");
    }
}
