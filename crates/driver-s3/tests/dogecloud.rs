//! DogeCloud's driver, on a stand-in for the token API and an S3 server whose keys end.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use davmux_driver::{Body, Driver, Entry, ErrorKind, Expect, LinkRequest, Native, ReadRequest, RelPath, WriteRequest};
use davmux_driver_s3::{DogeCloud, OptionsError, S3Options, Secret, UploadMemory};
use davmux_driver_testkit::Fixture;
use davmux_driver_testkit::standin::dogecloud::{self as standin, Offered, Trouble};
use davmux_s3_server::{Fault, Running, Server};
use futures_util::TryStreamExt as _;

const HOURS_2: Duration = Duration::from_secs(7200);

struct Doge {
    server: Running,
    api: standin::DogeCloud,
    driver: DogeCloud,
}

/// The name at the storage, and DogeCloud's.
const BEHIND: &str = "s-gz-1-films-1258813047";
const NAME: &str = "films";

fn options(api: &standin::DogeCloud) -> S3Options {
    let mut options = S3Options::new(NAME);
    options.endpoint = Some(api.endpoint());
    options.access_key_id = Some(api.access_key().to_owned());
    options.secret_access_key = Some(Secret::new(api.secret_key()));
    options
}

fn offered(server: &Running) -> Vec<Offered> {
    let bucket = |name: &str, s3_bucket: &str| Offered {
        name: name.into(),
        s3_bucket: s3_bucket.into(),
        s3_endpoint: server.endpoint(),
    };
    vec![bucket("music", "s-gz-1-music-1258813047"), bucket(NAME, BEHIND)]
}

async fn doge_with(change: impl FnOnce(&mut S3Options)) -> Doge {
    let server = Server::builder().bucket(BEHIND).start().await.unwrap();
    let api = standin::DogeCloud::start(server.keyring().clone(), offered(&server)).await;
    let mut options = options(&api);
    change(&mut options);
    let driver = DogeCloud::open(options, UploadMemory::default()).unwrap();
    Doge { server, api, driver }
}

async fn doge() -> Doge {
    doge_with(|_| ()).await
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

async fn put(driver: &DogeCloud, name: &str, content: &'static str) -> Entry {
    let request = WriteRequest { size: Some(content.len() as u64), ..WriteRequest::default() };
    let mut upload = driver.write(&path(name), request).await.unwrap();
    upload.write(Bytes::from(content)).await.unwrap();
    upload.finish().await.unwrap()
}

async fn get(driver: &DogeCloud, name: &str) -> davmux_driver::Result<Bytes> {
    match driver.read(&path(name), ReadRequest::default()).await?.body {
        Body::Stream(stream) => Ok(stream.try_collect::<Vec<_>>().await?.concat().into()),
        Body::File(_) => panic!("a bucket has no files of this machine"),
    }
}

async fn life_of_link(driver: &DogeCloud, asked: Duration) -> Duration {
    let request = LinkRequest { valid_for: asked, content_type: None };
    let Native::Done(link) = driver.link(&Entry::file(path("a"), 1), request).await.unwrap() else {
        panic!("declined")
    };
    link.expires_at.unwrap().duration_since(SystemTime::now()).unwrap()
}

mod whole_bucket {
    async fn fixture() -> super::Fixture {
        let super::Doge { server, api, driver } = super::doge().await;
        super::Fixture::new(super::Arc::new(driver)).with_guard((server, api))
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

mod prefix {
    async fn fixture() -> super::Fixture {
        let change = |options: &mut super::S3Options| options.root_folder_path = "a prefix/of+it".into();
        let super::Doge { server, api, driver } = super::doge_with(change).await;
        super::Fixture::new(super::Arc::new(driver)).with_guard((server, api))
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

#[tokio::test]
async fn opening_asks_nobody_and_the_first_use_finds_the_bucket() {
    let doge = doge().await;
    assert_eq!(doge.api.calls(), 0);
    put(&doge.driver, "a", "x").await;
    assert_eq!(doge.api.calls(), 1);
    let call = doge.server.recorder().calls().into_iter().find(|call| call.operation == "PutObject").unwrap();
    assert_eq!(call.bucket, BEHIND);
}

#[tokio::test]
async fn the_providers_row_chooses_the_driver() {
    let doge = doge().await;
    let options = |word| {
        let mut options = options(&doge.api);
        options.provider = davmux_driver_s3::provider::Provider::named(word);
        options
    };
    let chosen = davmux_driver_s3::open(options("dogecloud"), UploadMemory::default()).unwrap();
    chosen.check().await.unwrap();
    assert_eq!(doge.api.calls(), 1);
    let plain = davmux_driver_s3::open(options("minio"), UploadMemory::default()).unwrap();
    assert!(plain.check().await.is_err(), "the token API is no bucket");
}

#[tokio::test]
async fn the_bucket_may_be_named_as_the_storage_names_it() {
    let doge = doge_with(|options| options.bucket = BEHIND.into()).await;
    doge.driver.check().await.unwrap();
}

#[tokio::test]
async fn fifty_who_come_at_once_are_one_question() {
    let doge = doge().await;
    let (root, names) = (RelPath::root(), (0..50).map(|number| path(&format!("f{number}"))).collect::<Vec<_>>());
    let looks = names.iter().map(|name| doge.driver.stat(name, Expect::File));
    for answer in futures_util::future::join_all(looks).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(doge.api.calls(), 1);
    doge.driver.list(&root).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(doge.api.calls(), 1);
}

#[tokio::test]
async fn fifty_who_come_at_once_while_it_is_down_share_its_refusal() {
    let doge = doge().await;
    doge.api.set_trouble(Some(Trouble::Says(200, 403, "not allowed")));
    let (name, looks) = (path("a"), 50);
    let answers = futures_util::future::join_all((0..looks).map(|_| doge.driver.stat(&name, Expect::File))).await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("it said 403 not allowed"), "{error}");
    }
    assert_eq!(doge.api.calls(), 1);
}

#[tokio::test]
async fn a_token_api_that_is_down_at_the_start_is_an_outage_and_says_what_it_said() {
    let doge = doge().await;
    doge.api.set_trouble(Some(Trouble::Broken));
    let error = doge.driver.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("DogeCloud's token API does not answer"), "{error}");
    assert!(doge.api.calls() > 1, "it was asked more than once");
    assert_eq!(doge.server.recorder().total(), 0);

    let other = self::doge().await;
    other.api.set_trouble(Some(Trouble::Says(503, 503, "busy")));
    let error = other.driver.list(&RelPath::root()).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("it said 503 busy"), "{error}");
}

#[tokio::test]
async fn wrong_keys_are_denied_though_the_answer_is_200_and_nothing_secret_is_said() {
    let doge = doge_with(|options| options.secret_access_key = Some(Secret::new("not-the-secret"))).await;
    let error = doge.driver.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let said = error.to_string();
    assert!(said.contains("secret_access_key") && said.contains("401"), "{said}");
    assert!(!said.contains("not-the-secret") && !format!("{:?}", doge.driver).contains("not-the-secret"));
}

#[tokio::test]
async fn a_bucket_that_is_not_offered_is_an_outage_that_names_those_that_are() {
    let doge = doge_with(|options| options.bucket = "filme".into()).await;
    let error = doge.driver.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no bucket \"filme\"; it offers music, films"), "{error}");
}

#[tokio::test]
async fn missing_keys_are_said_without_asking() {
    let mut options = S3Options::new(NAME);
    options.access_key_id = Some("id".into());
    let error = DogeCloud::open(options, UploadMemory::default()).unwrap_err();
    assert_eq!(error, OptionsError::DogeCloudKeys);
}

#[tokio::test]
async fn no_link_outlives_its_key() {
    let doge = doge().await;
    let life = life_of_link(&doge.driver, HOURS_2 * 2).await;
    assert!(life <= HOURS_2 && life > HOURS_2 - Duration::from_secs(60), "{life:?}");
    let life = life_of_link(&doge.driver, HOURS_2 / 2).await;
    assert!(life <= HOURS_2 / 2 + Duration::from_secs(1), "{life:?}");
}

#[tokio::test]
async fn a_right_that_is_missing_is_no_reason_for_new_keys() {
    let doge = doge().await;
    put(&doge.driver, "a", "x").await;
    doge.server.faults().every("GetObject", Fault::AccessDenied);
    assert_eq!(get(&doge.driver, "a").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(doge.api.calls(), 1);
}

#[tokio::test]
async fn an_administrator_finds_the_same_bucket() {
    let doge = doge().await;
    let request = WriteRequest::default();
    let mut upload = doge.driver.write(&path("big"), request).await.unwrap();
    upload.write(vec![0; 9 << 20].into()).await.unwrap();
    let admin: &dyn davmux_driver::Admin = &doge.driver;
    let pages: Vec<_> = admin.uploads().unwrap().try_collect().await.unwrap();
    assert_eq!(pages.concat().len(), 1, "{pages:?}");
    upload.abort().await.unwrap();
}
