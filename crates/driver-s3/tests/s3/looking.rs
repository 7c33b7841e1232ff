//! `stat` and `check`.

use davmux_driver::{Driver, ErrorKind, Expect, RelPath};
use davmux_driver_s3::{S3, Secret, UploadMemory};
use davmux_s3_server::{Fault, Server};

use crate::support::{Fixture, canned, driver, metered, options, path, put, xml};

#[tokio::test]
async fn a_look_is_two_calls_in_one_round_trip() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "content").await;
    fixture.calls().reset();
    fixture.faults().together(2);
    let (entry, calls) = metered(fixture.s3.stat(&path("a"), Expect::Any)).await;
    let entry = entry.unwrap();
    assert_eq!((entry.is_dir(), entry.size), (false, 7));
    assert!(entry.etag.is_some() && entry.modified.is_some());
    assert_eq!((calls, fixture.calls().total(), fixture.calls().round_trips()), (2, 2, 1));
}

#[tokio::test]
async fn what_is_known_of_a_path_spares_a_call() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "d/a", "x").await;
    fixture.calls().reset();
    assert!(!fixture.s3.stat(&path("d/a"), Expect::File).await.unwrap().is_dir());
    assert!(fixture.s3.stat(&path("d"), Expect::Dir).await.unwrap().is_dir());
    assert!(fixture.s3.stat(&RelPath::root(), Expect::Any).await.unwrap().is_dir());
    assert_eq!(fixture.calls().total(), 2);
    assert_eq!(fixture.s3.stat(&path("d/a"), Expect::Dir).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fixture.s3.stat(&path("d/b"), Expect::File).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_folder_wins_over_a_file_of_its_name() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["a", "a/b", "c/", "d//x"]).await;
    for name in ["a", "c", "d"] {
        assert!(fixture.s3.stat(&path(name), Expect::Any).await.unwrap().is_dir(), "{name}");
    }
    assert_eq!(fixture.s3.stat(&path("x"), Expect::Any).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_missing_bucket_is_never_a_missing_file() {
    let fixture = Fixture::start().await;
    let s3 = driver(&fixture.server, |options| options.bucket = "nowhere".into());
    for expect in [Expect::Any, Expect::File, Expect::Dir] {
        let error = s3.stat(&path("a"), expect).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{expect:?} {error}");
        assert!(error.to_string().contains("\"nowhere\" does not exist"), "{error}");
    }
    assert_eq!(s3.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_wrong_secret_is_denied_at_once_and_says_what_to_check() {
    let fixture = Fixture::start().await;
    let s3 = driver(&fixture.server, |options| options.secret_access_key = Some(Secret::new("wrong-secret")));
    for expect in [Expect::Any, Expect::File] {
        fixture.calls().reset();
        let error = s3.stat(&path("a"), expect).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("check secret_access_key"), "{error}");
        assert!(!format!("{error:?}").contains("wrong-secret"));
        assert_eq!(fixture.calls().total(), 2, "wrong credentials are not tried again");
    }
    let s3 = driver(&fixture.server, |options| options.access_key_id = Some("nobody".into()));
    let error = s3.check().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("access_key_id"), "{error}");
}

#[tokio::test]
async fn a_check_is_one_call() {
    let fixture = Fixture::start().await;
    fixture.s3.check().await.unwrap();
    assert_eq!(fixture.calls().total(), 1);
}

#[tokio::test]
async fn a_storage_that_is_down_is_unavailable_and_opening_it_does_not_fail() {
    let fixture = Fixture::start().await;
    let options = options(&fixture.server);
    fixture.server.stop().await;
    let s3 = S3::open(options, UploadMemory::default()).unwrap();
    let error = s3.stat(&path("a"), Expect::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn throttling_is_waited_out_and_counted() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "x").await;
    fixture.calls().reset();
    fixture.faults().nth("HeadObject", 1, Fault::SlowDown);
    let (entry, calls) = metered(fixture.s3.stat(&path("a"), Expect::File)).await;
    assert_eq!(entry.unwrap().size, 1);
    assert_eq!((calls, fixture.calls().total()), (2, 2), "each attempt counts");
}

#[tokio::test]
async fn throttling_without_end_is_throttled_after_four_attempts() {
    let fixture = Fixture::start().await;
    fixture.faults().every("ListObjectsV2", Fault::SlowDown);
    let error = fixture.s3.check().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Throttled { .. }), "{error}");
    assert_eq!(fixture.calls().total(), 4);
}

#[tokio::test]
async fn a_404_that_is_no_s3_answer_is_not_a_missing_file() {
    let s3 = canned(vec![xml("404 Not Found", "<html>no such page</html>")]).await;
    for expect in [Expect::Any, Expect::File, Expect::Dir] {
        let error = s3.stat(&path("a"), expect).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{expect:?} {error}");
    }
}

#[tokio::test]
async fn a_bucket_in_another_region_says_which() {
    let body = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message><Region>eu-west-3</Region></Error>";
    let s3 = canned(vec![xml("301 Moved Permanently", body)]).await;
    let error = s3.stat(&path("a"), Expect::Any).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.to_string().contains("eu-west-3"), "{error}");
}

#[tokio::test]
async fn a_root_folder_confines_everything_below_it() {
    let fixture = Fixture::with(Server::builder(), |options| options.root_folder_path = "/root/".into()).await;
    fixture.put_keys(&["root/a", "root-neighbour", "b"]).await;
    assert_eq!(fixture.s3.stat(&path("a"), Expect::Any).await.unwrap().path, path("a"));
    assert_eq!(fixture.s3.stat(&path("b"), Expect::Any).await.unwrap_err().kind(), ErrorKind::NotFound);
    put(&fixture.s3, "c", "x").await;
    assert!(fixture.calls().calls().iter().all(|call| call.key.is_empty() || call.key.starts_with("root/")));
}

#[tokio::test]
async fn a_key_that_no_bucket_can_hold_costs_no_call() {
    let fixture = Fixture::start().await;
    let (fits, long) = (path(&"k".repeat(1024)), path(&format!("{}x", "k/".repeat(600))));
    fixture.calls().reset();
    assert_eq!(fixture.s3.stat(&long, Expect::Any).await.unwrap_err().kind(), ErrorKind::NotFound);
    let read = fixture.s3.read(&long, davmux_driver::ReadRequest::default()).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::NotFound);
    let refused = fixture.s3.write(&long, davmux_driver::WriteRequest::default()).await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidPath);
    let removal = davmux_driver::Removal { path: long, kind: davmux_driver::Kind::File, etag: None };
    assert!(fixture.s3.delete(&[removal]).await.unwrap().is_empty());
    assert_eq!(fixture.calls().total(), 0);
    put(&fixture.s3, fits.as_str(), "x").await;
    assert_eq!(fixture.s3.stat(&fits, Expect::Any).await.unwrap().size, 1);
}
