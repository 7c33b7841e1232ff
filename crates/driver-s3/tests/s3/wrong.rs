//! Bad input from the side of the storage: what each answer becomes, and what it says to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use davmux_driver::{Driver, Error, ErrorKind, Expect, ReadRequest, RelPath};
use davmux_driver_s3::provider::ListVersion;
use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use davmux_s3_server::{Fault, Refusal, Regions, Server, Strict};

use crate::support::{BUCKET, Fixture, answering, canned, collect, driver, first_error, get, path, xml};

/// An answer with further headers.
fn with_headers(status: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    xml(status, body).replacen("Connection: close\r\n", &format!("Connection: close\r\n{headers}"), 1)
}

fn error_of(code: &str, message: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

/// What a listing, a look and a read say of one answer.
async fn said(answer: &str) -> [Error; 3] {
    let s3 = canned(vec![answer.to_owned()]).await;
    [
        first_error(s3.list(&RelPath::root())).await,
        s3.stat(&path("a"), Expect::File).await.unwrap_err(),
        s3.read(&path("a"), ReadRequest::default()).await.unwrap_err(),
    ]
}

#[track_caller]
fn say(errors: &[Error], kind: ErrorKind, words: &[&str]) {
    for error in errors {
        assert_eq!(error.kind(), kind, "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} is missing: {error}");
        }
    }
}

#[tokio::test]
async fn wrong_credentials_say_which_line_is_wrong() {
    let secret = error_of("AccessDenied", "Forbidden: Invalid signature");
    say(&said(&xml("403 Forbidden", &secret)).await, ErrorKind::Denied, &["check secret_access_key"]);
    let rights = error_of("AccessDenied", "Access Denied");
    say(&said(&xml("403 Forbidden", &rights)).await, ErrorKind::Denied, &["policy"]);
    let key = error_of("InvalidAccessKeyId", "not in our records");
    say(&said(&xml("403 Forbidden", &key)).await, ErrorKind::Denied, &["access_key_id"]);
    let token = error_of("ExpiredToken", "The provided token has expired.");
    say(&said(&xml("400 Bad Request", &token)).await, ErrorKind::Denied, &["session_token", "get a new one"]);
}

#[tokio::test]
async fn a_wrong_region_says_the_line_to_write() {
    let line = "write `region: eu-west-3`";
    let malformed =
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-3</Region></Error>";
    say(&said(&xml("400 Bad Request", malformed)).await, ErrorKind::Unavailable, &[line]);
    let told = "the region 'us-east-1' is wrong; expecting 'eu-west-3'";
    let told = error_of("AuthorizationHeaderMalformed", told);
    say(&said(&xml("400 Bad Request", &told)).await, ErrorKind::Unavailable, &[line]);
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        // As a HEAD is answered: only the header tells.
        let bare = with_headers(status, &[("x-amz-bucket-region", "eu-west-3")], "");
        say(&said(&bare).await, ErrorKind::Unavailable, &[line]);
    }
    let elsewhere = "<Error><Code>PermanentRedirect</Code><Message>m</Message>\
                     <Endpoint>films.s3.eu-west-3.example</Endpoint></Error>";
    let line = "write `endpoint: s3.eu-west-3.example`";
    say(&said(&xml("301 Moved Permanently", elsewhere)).await, ErrorKind::Unavailable, &[line]);
}

#[tokio::test]
async fn a_clock_that_is_off_says_by_how_much() {
    let now = SystemTime::now();
    let off = Duration::from_secs(20 * 60);
    for (theirs, words) in [(now - off, "20 minutes ahead"), (now + off, "20 minutes behind")] {
        let date = httpdate::fmt_http_date(theirs);
        let answer = |body: &str| with_headers("403 Forbidden", &[("Date", &date)], body);
        let skewed = answer(&error_of("RequestTimeTooSkewed", "too large"));
        say(&said(&skewed).await, ErrorKind::Denied, &[words, "set it"]);
        // Signed by the storage's clock, so it is not the clock.
        for error in said(&answer(&error_of("SignatureDoesNotMatch", "no"))).await {
            assert!(error.to_string().contains("secret_access_key"), "{error}");
        }
    }
    let agrees = with_headers("403 Forbidden", &[("Date", &httpdate::fmt_http_date(now))], "");
    assert!(!said(&agrees).await[0].to_string().contains("clock"));
}

#[tokio::test]
async fn a_storage_that_asks_for_a_long_pause_is_passed_up_at_once() {
    for (status, code) in [("503 Slow Down", "SlowDown"), ("429 Too Many Requests", "TooManyRequests")] {
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        let answer = with_headers(status, &[("Retry-After", "120")], &error_of(code, "slower"));
        let endpoint = answering(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            answer.clone()
        })
        .await;
        let s3 = on(endpoint);
        let kind = ErrorKind::Throttled { retry_after: Some(Duration::from_secs(120)) };
        say(&[first_error(s3.list(&RelPath::root())).await], kind, &["slower"]);
        assert_eq!(served.swap(0, Ordering::Relaxed), 1, "{status}");
        say(&[s3.read(&path("a"), ReadRequest::default()).await.unwrap_err()], kind, &["slower"]);
        assert_eq!(served.load(Ordering::Relaxed), 1, "{status}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let listing = xml("200 OK", "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    let object = with_headers("200 OK", &[("ETag", "\"e\"")], "x");
    for answer in [
        xml("499 Client Disconnect", ""),
        with_headers("429 Too Many Requests", &[("Retry-After", "0")], ""),
        with_headers("503 Slow Down", &[("Retry-After", "0")], &error_of("SlowDown", "slower")),
    ] {
        let s3 = canned(vec![answer.clone(), listing.clone()]).await;
        assert_eq!(collect(s3.list(&RelPath::root())).await.unwrap(), (vec![], vec![]), "{answer}");
        let s3 = canned(vec![answer.clone(), object.clone()]).await;
        assert_eq!(get(&s3, "a").await.unwrap(), "x", "{answer}");
    }
}

#[tokio::test]
async fn a_web_page_is_never_a_file_or_a_folder() {
    for status in ["200 OK", "403 Forbidden", "404 Not Found", "302 Found"] {
        for page in ["<!DOCTYPE html><html><body>MinIO Console</body></html>", "\n<HTML></HTML>"] {
            let errors = said(&xml(status, page)).await;
            for error in &errors {
                assert_ne!(error.kind(), ErrorKind::NotFound, "{status}: {error}");
                assert!(error.to_string().contains("port 9001"), "{status}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_404_of_somebody_else_is_not_a_missing_file() {
    // The custom host has lost it, the storage has not.
    let cdn = answering(|_| xml("404 Not Found", "gone")).await;
    let fixture = Fixture::with(Server::builder(), |options| {
        options.custom_host = Some(cdn);
        options.relay_from = davmux_driver_s3::RelayFrom::CustomHost;
    })
    .await;
    fixture.put_keys(&["a"]).await;
    let error = get(&fixture.s3, "a").await.unwrap_err();
    say(&[error], ErrorKind::Unavailable, &["custom_host"]);
    assert_eq!(get(&fixture.s3, "b").await.unwrap_err().kind(), ErrorKind::NotFound, "the storage says so");
}

#[tokio::test]
async fn an_error_inside_a_200_is_an_error() {
    for (code, kind) in [
        ("InternalError", ErrorKind::Backend),
        ("SlowDown", ErrorKind::Throttled { retry_after: None }),
        ("AccessDenied", ErrorKind::Denied),
    ] {
        let s3 = canned(vec![xml("200 OK", &error_of(code, "inside"))]).await;
        say(&[first_error(s3.list(&RelPath::root())).await], kind, &["inside"]);
    }
}

#[tokio::test]
async fn a_document_that_would_grow_is_not_read() {
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">\
                ]><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>&b;</Key><Size>1</Size></Contents>\
                </ListBucketResult>";
    let s3 = canned(vec![xml("200 OK", bomb)]).await;
    say(&[first_error(s3.list(&RelPath::root())).await], ErrorKind::Backend, &["document type"]);
    // And one that is simply too large ends while it is read.
    let large = format!("<ListBucketResult>{}</ListBucketResult>", "<x/>".repeat(5 << 20));
    let s3 = canned(vec![xml("200 OK", &large)]).await;
    say(&[first_error(s3.list(&RelPath::root())).await], ErrorKind::Backend, &["length limit exceeded"]);
}

#[tokio::test]
async fn a_listing_of_another_length_than_announced_is_an_error() {
    let whole = xml("200 OK", "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    let length = whole.lines().find(|line| line.starts_with("Content-Length")).unwrap().to_owned();
    for wrong in ["Content-Length: 30", "Content-Length: 5000", "Content-Length: 0", "Content-Length: -1"] {
        let s3 = canned(vec![whole.replacen(&length, wrong, 1)]).await;
        let error = first_error(s3.list(&RelPath::root())).await;
        assert_ne!(error.kind(), ErrorKind::NotFound, "{wrong}: {error}");
    }
}

#[tokio::test]
async fn keys_that_no_path_can_say_are_hidden_counted_and_out_of_reach() {
    let fixture = Fixture::start().await;
    let long = "k".repeat(1024);
    let odd = ["/leading", "//two", "a//b", "a/./b", "a/../b", "../up", ".", "..", "a/\u{1}", "tab\t"];
    fixture.put_keys(&odd).await;
    fixture.put_keys(&["a/fine", "b", &long]).await;
    let (names, unnameable) = collect(fixture.s3.list(&RelPath::root())).await.unwrap();
    assert_eq!(names, ["a/", "b", &long]);
    // "/", "..", "../", ".", and the one with a tab.
    assert_eq!(unnameable, [""; 5]);
    let (names, unnameable) = collect(fixture.s3.list(&path("a"))).await.unwrap();
    assert_eq!((names, unnameable.len()), (vec!["a/fine".to_owned()], 4));
    // Everything that can be named goes; nothing else does.
    let removal = |name: &str, kind| davmux_driver::Removal { path: path(name), kind, etag: None };
    let file = davmux_driver::Kind::File;
    let removals = [removal("a/fine", file), removal("b", file), removal(&long, file)];
    let removals: Vec<_> = removals.into_iter().chain([removal("a", davmux_driver::Kind::Dir)]).collect();
    assert!(fixture.s3.delete(&removals).await.unwrap().is_empty());
    let client = fixture.client();
    for key in odd {
        let left = client.head_object().bucket(BUCKET).key(key).send().await;
        assert!(left.is_ok(), "{key:?} is gone");
    }
    assert!(client.head_object().bucket(BUCKET).key("b").send().await.is_err());
}

fn on(endpoint: String) -> S3 {
    let mut options = S3Options::new(BUCKET);
    options.endpoint = Some(endpoint);
    options.access_key_id = Some("id".into());
    options.secret_access_key = Some(Secret::new("secret"));
    options.force_path_style = true;
    S3::open(options, UploadMemory::default()).unwrap()
}

/// What a listing, a look, a read and a check say.
async fn all_say(s3: &S3) -> [Error; 4] {
    [
        first_error(s3.list(&RelPath::root())).await,
        s3.stat(&path("a"), Expect::File).await.unwrap_err(),
        s3.read(&path("a"), ReadRequest::default()).await.unwrap_err(),
        s3.check().await.unwrap_err(),
    ]
}

#[tokio::test]
async fn keys_that_have_ended_are_denied_and_say_so() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["a"]).await;
    let end = SystemTime::now() - Duration::from_secs(60);
    fixture.server.keyring().end(fixture.server.access_key(), end);
    say(&all_say(&fixture.s3).await, ErrorKind::Denied, &["no longer, good"]);
}

#[tokio::test]
async fn a_server_of_another_region_is_named_with_the_line_to_write() {
    let strict = Strict { regions: Regions::Own, ..Strict::default() };
    let server = Server::builder().region("eu-west-3").strict(strict);
    let fixture = Fixture::with(server, |options| options.region = Some("us-east-1".into())).await;
    say(&all_say(&fixture.s3).await, ErrorKind::Unavailable, &["write `region: eu-west-3`"]);
    for for_now in [false, true] {
        let server = Server::builder().bucket_elsewhere("films", "eu-west-3", "s3.eu-west-3.example", for_now);
        let server = server.start().await.unwrap();
        say(&all_say(&driver(&server, |_| ())).await, ErrorKind::Unavailable, &["write `region: eu-west-3`"]);
    }
}

#[tokio::test]
async fn a_listing_that_a_server_spoils_is_an_error_and_never_short() {
    let keys: Vec<String> = (0..1100).map(|number| format!("k{number:08}")).collect();
    for (version, operation) in [(ListVersion::V1, "ListObjects"), (ListVersion::V2, "ListObjectsV2")] {
        let fixture = Fixture::with(Server::builder(), |options| options.overrides.list_version = Some(version)).await;
        fixture.put_keys(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for fault in [Fault::TruncatedXml, Fault::XmlBomb, Fault::CutBody(100)] {
            fixture.faults().every(operation, fault);
            let error = first_error(fixture.s3.list(&RelPath::root())).await;
            assert!(matches!(error.kind(), ErrorKind::Backend | ErrorKind::Unavailable), "{fault:?}: {error}");
            assert!(fixture.s3.stat(&path("k00000000"), Expect::Any).await.is_err(), "{fault:?}");
            fixture.faults().clear();
        }
        let throttled = Refusal::new(429, "TooManyRequests", "slower").retry_after(0);
        for refusal in [throttled, Refusal::new(499, "ClientDisconnect", "gone")] {
            fixture.faults().nth(operation, 2, Fault::Refuse(refusal));
            assert_eq!(collect(fixture.s3.list(&RelPath::root())).await.unwrap().0, keys, "{refusal:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_repeats_its_token_is_an_error() {
    let fixture = Fixture::with(Server::builder().numbered_objects(BUCKET, "k", 2100), |_| ()).await;
    fixture.faults().every("ListObjectsV2", Fault::RepeatedToken);
    let error = first_error(fixture.s3.list(&RelPath::root())).await;
    say(&[error], ErrorKind::Backend, &["again and again"]);
    assert!(fixture.calls().total() <= 4);
}
