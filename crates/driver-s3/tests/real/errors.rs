//! What is wrong is said, and is never taken for "there is nothing".

use davmux_driver::{Driver, Entry, ErrorKind, Expect, Kind, Native, ReadRequest, Removal, Result, When};
use davmux_driver_s3::{S3, Secret};
use davmux_driver_testkit::shorthand::{list, path, put, try_get, try_put};

use crate::target::place;

/// How each call on files that are there, or would be, fails.
async fn failures(s3: &S3) -> Vec<(&'static str, Option<(ErrorKind, String)>)> {
    fn failure<T>(result: Result<T>) -> Option<(ErrorKind, String)> {
        result.err().map(|error| (error.kind(), error.to_string()))
    }
    let file = Entry::file(path("file"), 1);
    let removal = |name: &str| Removal { path: path(name), kind: Kind::File, etag: None };
    let one_failed = |failed: Vec<_>| failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error));
    let tree = match s3.list_tree(&path("")) {
        Native::Done(pages) => davmux_driver_testkit::shorthand::gather(pages).await,
        Native::Declined => panic!("a bucket lists trees"),
    };
    vec![
        ("check", failure(s3.check().await)),
        ("stat", failure(s3.stat(&path("file"), Expect::Any).await)),
        ("stat of a file", failure(s3.stat(&path("file"), Expect::File).await)),
        ("stat of a folder", failure(s3.stat(&path("dir"), Expect::Dir).await)),
        ("list", failure(list(s3, "").await)),
        ("list of a folder", failure(list(s3, "dir").await)),
        ("list tree", failure(tree)),
        ("read", failure(s3.read(&path("file"), ReadRequest::default()).await)),
        ("copy", failure(s3.copy(&file, &path("to"), &When::Always).await)),
        ("delete", failure(s3.delete(&[removal("file")]).await.and_then(one_failed))),
        ("delete many", failure(s3.delete(&[removal("file"), removal("other")]).await.and_then(one_failed))),
        ("write", failure(try_put(s3, "file", "x", When::Always).await)),
    ]
}

#[tokio::test]
async fn a_missing_bucket_is_an_outage() {
    let Some(place) = place() else { return };
    let nowhere = place.with(|options| options.bucket = format!("davmux-nowhere-{:08x}", rand::random::<u32>()));
    let makes_buckets = place.s3.provider().word == "seaweedfs";
    for (call, failure) in failures(&nowhere).await {
        if call == "write" && makes_buckets {
            println!("SeaweedFS makes a bucket of its own accord when a file is written");
            continue;
        }
        let (kind, text) = failure.unwrap_or_else(|| panic!("{call} works on a bucket that is not there"));
        assert_eq!(kind, ErrorKind::Unavailable, "{call}: {text}");
        assert!(text.contains("bucket"), "{call}: {text}");
    }
}

#[tokio::test]
async fn wrong_keys_are_denied() {
    let Some(place) = place() else { return };
    put(&place.s3, "file", "x").await;
    let wrong_secret = place.with(|options| options.secret_access_key = Some(Secret::new("not-the-secret-at-all")));
    let wrong_id = place.with(|options| options.access_key_id = Some("GK31c2f218a2e44f485b94239e".into()));
    for (what, s3) in [("secret", wrong_secret), ("id", wrong_id)] {
        for (call, failure) in failures(&s3).await {
            let (kind, text) = failure.unwrap_or_else(|| panic!("{call} works with a wrong {what}"));
            assert_eq!(kind, ErrorKind::Denied, "wrong {what}, {call}: {text}");
            assert!(!text.contains("not-the-secret"), "{text}");
        }
    }
    assert_eq!(try_get(&place.s3, "file").await.unwrap(), "x");
}

#[tokio::test]
async fn a_wrong_region_works_or_is_named() {
    let Some(place) = place() else { return };
    put(&place.s3, "file", "x").await;
    let elsewhere = place.with(|options| options.region = Some("mars-north-1".into()));
    for (call, failure) in failures(&elsewhere).await {
        let Some((kind, text)) = failure else { continue };
        if call == "stat of a folder" || call == "list of a folder" {
            assert!(matches!(kind, ErrorKind::NotFound | ErrorKind::Unavailable | ErrorKind::Denied), "{call}: {text}");
            continue;
        }
        // The first calls went through, and then "file" is gone.
        if kind == ErrorKind::NotFound && call == "copy" {
            continue;
        }
        assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Denied), "{call}: {kind:?} {text}");
        assert!(text.contains("region"), "{call}: {text}");
    }
}
