//! What requests carry beside what they ask for.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use davmux_driver::{
    ByteRange, Driver as _, Entry, ErrorKind, Expect, LinkRequest, Native, ReadRequest, When, WriteRequest,
};
use davmux_driver_s3::{CustomerKey, Encryption, LinkDisposition, S3Options};
use davmux_s3_server::{Call, Server};

use crate::linking::follow;
use crate::support::{Fixture, bytes, driver, feed, get, path, put};

const MIB: usize = 1 << 20;

async fn fixture(change: impl FnOnce(&mut S3Options)) -> Fixture {
    Fixture::with(Server::builder(), change).await
}

fn key(byte: u8) -> CustomerKey {
    CustomerKey::from_base64(&STANDARD.encode([byte; 32])).unwrap()
}

/// Makes one call of each kind: a small file, a large one, a look, a listing, a read, a copy, a deletion.
async fn all_kinds(fixture: &Fixture) {
    let s3 = &fixture.s3;
    let small = put(s3, "small", "x").await;
    put_large(fixture, "large").await;
    s3.stat(&path("small"), Expect::Any).await.unwrap();
    get(s3, "small").await.unwrap();
    let Native::Done(_) = s3.copy(&small, &path("copy"), &When::Always).await.unwrap() else { panic!("declined") };
    let removal = davmux_driver::Removal { path: path("copy"), kind: davmux_driver::Kind::File, etag: None };
    assert!(s3.delete(&[removal]).await.unwrap().is_empty());
}

async fn put_large(fixture: &Fixture, name: &str) -> Bytes {
    let content = Bytes::from((0..9 * MIB).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    let request = WriteRequest { size: Some(content.len() as u64), ..WriteRequest::default() };
    let mut upload = fixture.s3.write(&path(name), request).await.unwrap();
    feed(&mut upload, &content).await.unwrap();
    upload.finish().await.unwrap();
    content
}

/// The operations whose calls carry a header with this value, each once.
fn carried(calls: &[Call], header: &str, value: &str) -> Vec<&'static str> {
    let carries = |call: &&Call| call.header(header).is_some_and(|found| found.contains(value));
    let mut operations: Vec<_> = calls.iter().filter(carries).map(|call| call.operation).collect();
    operations.sort_unstable();
    operations.dedup();
    operations
}

const MAKING: [&str; 3] = ["CopyObject", "CreateMultipartUpload", "PutObject"];

#[tokio::test]
async fn class_encryption_and_access_list_are_said_where_an_object_is_made_and_nowhere_else() {
    let fixture = fixture(|options| {
        options.settings.storage_class = Some("STANDARD_IA".into());
        options.settings.encryption = Encryption::Kms(Some("my-key".into()));
        options.settings.acl = Some("public-read".into());
    })
    .await;
    all_kinds(&fixture).await;
    let calls = fixture.calls().calls();
    assert_eq!(carried(&calls, "x-amz-storage-class", "STANDARD_IA"), MAKING);
    assert_eq!(carried(&calls, "x-amz-server-side-encryption", "aws:kms"), MAKING);
    assert_eq!(carried(&calls, "x-amz-server-side-encryption-aws-kms-key-id", "my-key"), MAKING);
    assert_eq!(carried(&calls, "x-amz-acl", "public-read"), MAKING);
}

#[tokio::test]
async fn without_settings_nothing_is_said() {
    let fixture = fixture(|_| ()).await;
    all_kinds(&fixture).await;
    for header in ["x-amz-storage-class", "x-amz-acl", "x-amz-server-side-encryption"] {
        assert_eq!(carried(&fixture.calls().calls(), header, ""), [""; 0], "{header}");
    }
}

#[tokio::test]
async fn every_request_names_the_user_agent() {
    let fixture = fixture(|options| options.settings.user_agent = Some("films/1.0".into())).await;
    all_kinds(&fixture).await;
    let calls = fixture.calls().calls();
    assert!(calls.len() > 8);
    for call in calls {
        assert_eq!(call.header("user-agent"), Some("films/1.0"), "{}", call.operation);
    }
}

#[tokio::test]
async fn with_a_customer_key_everything_works_and_nothing_without_it() {
    let fixture = fixture(|options| options.settings.encryption = Encryption::Customer(key(1))).await;
    let s3 = &fixture.s3;
    let small = put(s3, "small", "hello").await;
    let large = put_large(&fixture, "large").await;
    assert_eq!(s3.stat(&path("small"), Expect::File).await.unwrap().size, 5);
    assert_eq!(get(s3, "small").await.unwrap(), "hello");
    assert_eq!(get(s3, "large").await.unwrap(), large);
    let part = ReadRequest { range: Some(ByteRange::FromTo(1, 3)), if_match: small.etag.clone() };
    assert_eq!(bytes(s3.read(&path("small"), part).await.unwrap()).await.unwrap(), "el");
    let Native::Done(_) = s3.copy(&small, &path("copy"), &When::Always).await.unwrap() else { panic!("declined") };
    assert_eq!(get(s3, "copy").await.unwrap(), "hello");

    let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: None };
    assert!(matches!(s3.link(&small, request).await, Ok(Native::Declined)), "no client could follow it");

    let other_key = driver(&fixture.server, |options| options.settings.encryption = Encryption::Customer(key(2)));
    let no_key = driver(&fixture.server, |_| ());
    for (who, s3) in [("another key", other_key), ("no key", no_key)] {
        let error = s3.read(&path("small"), ReadRequest::default()).await.unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::NotFound), "{who}: {error}");
    }
}

#[tokio::test]
async fn a_link_offers_its_file_under_its_name() {
    for (disposition, word) in [(LinkDisposition::Inline, "inline"), (LinkDisposition::Attachment, "attachment")] {
        let fixture = fixture(|options| options.link_disposition = disposition).await;
        put(&fixture.s3, "d/na\u{ef}ve \"file\"; a+b.txt", "x").await;
        let file = Entry::file(path("d/na\u{ef}ve \"file\"; a+b.txt"), 1);
        let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: Some("text/plain".into()) };
        let Native::Done(link) = fixture.s3.link(&file, request).await.unwrap() else { panic!("declined") };
        let answer = follow(&link).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-disposition"],
            format!("{word}; filename*=UTF-8''na%C3%AFve%20%22file%22%3B%20a%2Bb.txt")
        );
        assert_eq!(answer.headers()["content-type"], "text/plain");
    }
}
