//! Who may ask, until when, by whose clock, and at which host.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use davmux_s3_server::{Key, Running, Server, Strict};

use crate::client::{BUCKET, config, fresh, get, put, raw, started};

const HOUR: Duration = Duration::from_secs(3600);

fn with_key(server: &Running, access: &str, secret: &str, token: Option<&str>) -> Client {
    let key = Credentials::new(access, secret, token.map(str::to_owned), None, "test");
    Client::from_conf(config(server).credentials_provider(key).build())
}

async fn link(client: &Client, key: &str, life: Duration) -> String {
    let life = PresigningConfig::expires_in(life).unwrap();
    client.get_object().bucket(BUCKET).key(key).presigned(life).await.unwrap().uri().to_owned()
}

#[tokio::test]
async fn a_temporary_key_holds_with_its_token_until_its_end() {
    let (server, client) = fresh().await;
    put(&client, "a", "content").await;
    let end = SystemTime::now() + 2 * HOUR;
    server.keyring().add(Key::new("temporary", "secret-of-it").session_token("token").ends(end));
    let holder = with_key(&server, "temporary", "secret-of-it", Some("token"));
    assert_eq!(get(&holder, "a").await.unwrap(), b"content");
    let link = link(&holder, "a", 4 * HOUR).await;
    assert_eq!(raw(&server, "GET", &link, &[], b"").await.status, Some(200));
    let other = with_key(&server, "temporary", "secret-of-it", Some("another"));
    assert_eq!(get(&other, "a").await.unwrap_err(), "InvalidToken");
    let none = with_key(&server, "temporary", "secret-of-it", None);
    assert_eq!(get(&none, "a").await.unwrap_err(), "InvalidAccessKeyId");
    let wrong = with_key(&server, "temporary", "another", Some("token"));
    assert_eq!(get(&wrong, "a").await.unwrap_err(), "SignatureDoesNotMatch");

    server.keyring().end("temporary", SystemTime::now());
    assert_eq!(get(&holder, "a").await.unwrap_err(), "ExpiredToken");
    let answer = raw(&server, "GET", &link, &[], b"").await;
    assert!(answer.text().contains("<Code>ExpiredToken</Code>"), "a link dies with its key: {}", answer.text());
    server.keyring().end("temporary", end);
    assert_eq!(get(&holder, "a").await.unwrap(), b"content");
    server.keyring().remove("temporary");
    assert_eq!(get(&holder, "a").await.unwrap_err(), "InvalidAccessKeyId");
    assert_eq!(get(&client, "a").await.unwrap(), b"content", "the first pair stays");
    let shown = format!("{:?} {:?}", server.keyring(), Key::new("a", "hidden").session_token("hidden"));
    assert!(!shown.contains("secret") && !shown.contains("hidden"), "{shown}");
}

#[tokio::test]
async fn the_servers_clock_judges_signatures_links_and_keys() {
    let (server, client) = fresh().await;
    put(&client, "a", "content").await;
    server.keyring().add(Key::new("short", "short").ends(SystemTime::now() + HOUR / 6));
    let short = with_key(&server, "short", "short", None);
    let hour = link(&client, "a", HOUR).await;
    server.clock().set_ahead(HOUR / 5);
    get(&client, "a").await.unwrap();
    assert_eq!(get(&short, "a").await.unwrap_err(), "ExpiredToken");
    let ahead = |server: &Running| server.clock().set_ahead(HOUR / 3);
    for set in [ahead, |server: &Running| server.clock().set_behind(HOUR / 3)] {
        set(&server);
        // A new client: the SDK learns the difference from the Date of each answer, and signs accordingly.
        let client = Client::from_conf(config(&server).build());
        let error = client.list_objects().bucket(BUCKET).send().await.unwrap_err();
        let answer = error.raw_response().unwrap();
        assert_eq!(answer.status().as_u16(), 403);
        let text = String::from_utf8_lossy(answer.body().bytes().unwrap());
        assert!(text.contains("<Code>RequestTimeTooSkewed</Code>") && text.contains("<ServerTime>"), "{text}");
    }
    assert_eq!(raw(&server, "GET", &hour, &[], b"").await.status, Some(403), "signed in the server's future");
    server.clock().set_ahead(HOUR / 2);
    assert_eq!(raw(&server, "GET", &hour, &[], b"").await.status, Some(200), "a link may be older than 15 minutes");
    server.clock().set_ahead(2 * HOUR);
    let answer = raw(&server, "GET", &hour, &[], b"").await;
    assert!(answer.text().contains("Request has expired"), "{}", answer.text());
}

#[tokio::test]
async fn a_bound_host_takes_signatures_and_a_public_one_none() {
    let server = Server::builder().strict(Strict { path_style: None, ..Strict::oss() });
    let server = server.bound_host("files.example.com", BUCKET).public_host("cdn.example.com", BUCKET);
    let (server, client) = started(server).await;
    put(&client, "d/a", "content").await;

    // Signed for the host, with the bucket in neither host nor path.
    let bound = config(&server).endpoint_url("http://files.example.com").force_path_style(true).build();
    let hour = PresigningConfig::expires_in(HOUR).unwrap();
    let signed = Client::from_conf(bound).get_object().bucket("d").key("a").presigned(hour).await.unwrap();
    let path = signed.uri().strip_prefix("http://files.example.com").unwrap().to_owned();
    let files = [("host", "files.example.com")];
    let answer = raw(&server, "GET", &path, &files, b"").await;
    assert_eq!((answer.status, answer.text().as_str()), (Some(200), "content"));
    assert!(!answer.head.contains("x-oss-force-download"), "{}", answer.head);
    assert_eq!(raw(&server, "GET", "/d/a", &files, b"").await.status, Some(403));

    let cdn = [("host", "cdn.example.com")];
    let answer = raw(&server, "GET", "/d/a", &cdn, b"").await;
    assert_eq!((answer.status, answer.text().as_str()), (Some(200), "content"));
    assert_eq!(raw(&server, "GET", &path, &cdn, b"").await.status, Some(401), "a link is not served there");
    assert_eq!(raw(&server, "GET", "/", &cdn, b"").await.status, Some(403), "nor a listing");
    assert_eq!(raw(&server, "DELETE", "/d/a", &cdn, b"").await.status, Some(403));

    let get = client.get_object().bucket(BUCKET).key("d/a").response_content_disposition("inline");
    let default = get.send().await.unwrap();
    assert_eq!(default.content_disposition(), Some("attachment"), "the default host is for saving");
}

#[tokio::test]
async fn the_recorder_keeps_what_was_said_but_no_secret() {
    let (server, client) = fresh().await;
    put(&client, "a", "content").await;
    let link = link(&client, "a", HOUR).await;
    raw(&server, "GET", &link, &[("user-agent", "a test"), ("x-amz-security-token", "hidden")], b"").await;
    let call = server.recorder().calls().pop().unwrap();
    assert_eq!(call.header("user-agent"), Some("a test"));
    assert!(call.query.contains("X-Amz-Expires=3600"), "{}", call.query);
    let shown = format!("{:?}", server.recorder().calls()).to_ascii_lowercase();
    for secret in ["signature=", "hidden", "authorization"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
