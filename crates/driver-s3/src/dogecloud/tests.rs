//! The life of DogeCloud's keys: the clock of the keys and that of the stand-in are moved by hand.

use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{ErrorKind, WriteRequest};
use davmux_driver_testkit::standin::dogecloud::{DogeCloud as StandIn, Offered, Trouble};
use davmux_s3_server::{Running, Server};
use futures_util::future::join_all;

use super::*;
use crate::Secret;

const MINUTE: Duration = Duration::from_secs(60);
const HOURS_2: Duration = Duration::from_secs(7200);

struct Doge {
    _server: Running,
    api: StandIn,
    driver: DogeCloud,
}

impl Doge {
    /// With one file, `a`, and keys that came just now.
    async fn start() -> Self {
        let server = Server::builder().bucket("behind").start().await.unwrap();
        let offered = Offered { name: "films".into(), s3_bucket: "behind".into(), s3_endpoint: server.endpoint() };
        let api = StandIn::start(server.keyring().clone(), vec![offered]).await;
        let mut options = S3Options::new("films");
        options.endpoint = Some(api.endpoint());
        options.access_key_id = Some(api.access_key().into());
        options.secret_access_key = Some(Secret::new(api.secret_key()));
        let driver = DogeCloud::open(options, UploadMemory::default()).unwrap();
        let doge = Self { _server: server, api, driver };
        doge.put().await.unwrap();
        assert_eq!(doge.api.calls(), 1);
        doge
    }

    /// Time passes here and at the storage.
    fn pass(&self, time: Duration) {
        self.driver.late.keys.advance(time);
        self.api.pass(time);
    }

    async fn put(&self) -> Result<Entry> {
        let request = WriteRequest { size: Some(1), ..WriteRequest::default() };
        let mut upload = self.driver.write(&path("a"), request).await?;
        upload.write(Bytes::from_static(b"x")).await?;
        upload.finish().await
    }

    async fn look(&self) -> Result<Entry> {
        self.driver.stat(&path("a"), Expect::File).await
    }

    async fn read(&self) -> Result<ReadReply> {
        self.driver.read(&path("a"), ReadRequest::default()).await
    }

    async fn life_of_link(&self) -> Duration {
        let request = LinkRequest { valid_for: HOURS_2 * 2, content_type: None };
        let Native::Done(link) = self.driver.link(&Entry::file(path("a"), 1), request).await.unwrap() else {
            panic!("declined")
        };
        link.expires_at.unwrap().duration_since(SystemTime::now()).unwrap()
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

#[tokio::test]
async fn keys_are_renewed_before_they_end() {
    let doge = Doge::start().await;
    doge.pass(MINUTE * 114);
    doge.look().await.unwrap();
    assert_eq!(doge.api.calls(), 1);
    doge.pass(MINUTE * 2);
    doge.look().await.unwrap();
    doge.read().await.unwrap();
    assert_eq!(doge.api.calls(), 2);
    doge.pass(MINUTE * 100);
    doge.look().await.unwrap();
    assert_eq!(doge.api.calls(), 2, "the new ones have a life of their own");
}

#[tokio::test]
async fn keys_that_the_storage_calls_ended_or_unknown_are_replaced_and_the_call_passes() {
    let doge = Doge::start().await;
    let mut questions = 1;
    for unknown in [false, true] {
        for call in ["look", "file", "list", "read", "put", "delete"] {
            // Old enough to be doubted, too young to be renewed by time.
            doge.driver.late.keys.advance(MINUTE * 2);
            if unknown {
                doge.api.revoke()
            } else {
                doge.api.pass(HOURS_2)
            }
            match call {
                "look" => drop(doge.driver.stat(&path("a"), Expect::Any).await.unwrap()),
                // A HEAD alone: its answer says no code.
                "file" => drop(doge.look().await.unwrap()),
                "list" => drop(doge.driver.list(&RelPath::root()).try_collect::<Vec<_>>().await.unwrap()),
                "read" => drop(doge.read().await.unwrap()),
                "put" => drop(doge.put().await.unwrap()),
                _ => {
                    let removal = Removal { path: path("b"), kind: davmux_driver::Kind::File, etag: None };
                    assert!(doge.driver.delete(&[removal]).await.unwrap().is_empty());
                }
            }
            questions += 1;
            assert_eq!(doge.api.calls(), questions, "{call}, unknown: {unknown}");
        }
    }
}

#[tokio::test]
async fn fifty_calls_that_meet_ended_keys_are_one_question() {
    let doge = Doge::start().await;
    doge.driver.late.keys.advance(MINUTE * 2);
    doge.api.pass(HOURS_2);
    for answer in join_all((0..50).map(|_| doge.read())).await {
        answer.unwrap();
    }
    assert_eq!(doge.api.calls(), 2);
}

#[tokio::test]
async fn a_token_api_that_is_down_is_bridged_while_the_keys_work_and_no_longer() {
    let doge = Doge::start().await;
    doge.api.set_trouble(Some(Trouble::Says(200, 500, "broken inside")));
    doge.pass(MINUTE * 116);
    doge.look().await.unwrap();
    let questions = doge.api.calls();
    assert!(questions > 1);
    doge.read().await.unwrap();
    assert_eq!(doge.api.calls(), questions, "it is not asked again at once");
    doge.pass(MINUTE * 4);
    for failed in [doge.look().await.map(drop), doge.read().await.map(drop), doge.put().await.map(drop)] {
        let error = failed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("it said 500 broken inside"), "{error}");
    }
    doge.api.set_trouble(None);
    doge.pass(MINUTE);
    doge.look().await.unwrap();
}

#[tokio::test]
async fn before_a_link_is_signed_keys_that_end_soon_are_renewed() {
    let doge = Doge::start().await;
    doge.api.set_life(MINUTE * 25);
    doge.pass(HOURS_2);
    assert!(doge.life_of_link().await <= MINUTE * 25, "no link outlives its key");
    assert_eq!(doge.api.calls(), 2);
    doge.life_of_link().await;
    assert_eq!(doge.api.calls(), 2, "new ones would be no better");
    doge.api.set_life(HOURS_2);
    doge.pass(MINUTE * 2);
    assert!(doge.life_of_link().await > HOURS_2 - MINUTE);
    assert_eq!(doge.api.calls(), 3);
}
