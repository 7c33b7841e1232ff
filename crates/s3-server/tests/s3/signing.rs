use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use davmux_s3_server::{Server, Strict};

use crate::client::{BUCKET, code, config, fresh, get, put, raw, started};
use crate::keys::odd_keys;

fn minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

async fn link(client: &Client, key: &str) -> String {
    client.get_object().bucket(BUCKET).key(key).presigned(minute()).await.unwrap().uri().to_owned()
}

#[tokio::test]
async fn a_link_gives_any_key() {
    let (server, client) = fresh().await;
    for key in odd_keys() {
        put(&client, &key, key.clone()).await;
        let answer = raw(&server, "GET", &link(&client, &key).await, &[], b"").await;
        assert_eq!((answer.status, answer.body.as_slice()), (Some(200), key.as_bytes()), "{key:?}");
    }
}

#[tokio::test]
async fn a_link_for_get_is_not_one_for_head() {
    let (server, client) = fresh().await;
    put(&client, "a", "content").await;
    let link = link(&client, "a").await;
    assert_eq!(raw(&server, "GET", &link, &[], b"").await.status, Some(200));
    let head = raw(&server, "HEAD", &link, &[], b"").await;
    assert_eq!((head.status, head.body.len()), (Some(403), 0));
    let other = raw(&server, "GET", &link.replace("/a?", "/b?"), &[], b"").await;
    assert!(other.text().contains("<Code>SignatureDoesNotMatch</Code>"), "{}", other.text());
}

#[tokio::test]
async fn an_expired_link_is_refused() {
    let (server, client) = fresh().await;
    put(&client, "a", "content").await;
    let past = SystemTime::now() - Duration::from_secs(120);
    let expired = PresigningConfig::builder().start_time(past).expires_in(Duration::from_secs(60)).build().unwrap();
    let link = client.get_object().bucket(BUCKET).key("a").presigned(expired).await.unwrap();
    let answer = raw(&server, "GET", link.uri(), &[], b"").await;
    assert_eq!(answer.status, Some(403));
    assert!(answer.text().contains("expired"), "{}", answer.text());
}

#[tokio::test]
async fn a_link_with_authorization_is_refused_where_that_is_strict() {
    for (strict, expected) in [(Strict::default(), 200), (Strict { one_auth: true, ..Strict::default() }, 400)] {
        let (server, client) = started(Server::builder().strict(strict)).await;
        put(&client, "a", "content").await;
        let link = link(&client, "a").await;
        let answer = raw(&server, "GET", &link, &[("authorization", "Basic YTpi")], b"").await;
        assert_eq!(answer.status, Some(expected), "{}", answer.text());
        if expected == 400 {
            assert!(answer.text().contains("<Code>InvalidArgument</Code>"), "{}", answer.text());
            assert!(answer.text().contains("Only one auth mechanism allowed"), "{}", answer.text());
        }
        assert_eq!(raw(&server, "GET", &link, &[], b"").await.status, Some(200));
        assert_eq!(get(&client, "a").await.unwrap(), b"content", "a signature in the header alone is fine");
    }
}

#[tokio::test]
async fn an_answer_is_dressed_as_the_link_says() {
    let (server, client) = fresh().await;
    put(&client, "a", "content").await;
    let get = client.get_object().bucket(BUCKET).key("a").response_content_type("text/x-other");
    let link = get.response_content_disposition("attachment; filename=\"b\"").presigned(minute()).await.unwrap();
    let answer = raw(&server, "GET", link.uri(), &[("range", "bytes=0-2")], b"").await;
    assert_eq!((answer.status, answer.body.as_slice()), (Some(206), b"con".as_slice()));
    assert!(answer.head.contains("content-type: text/x-other\r\n"), "{}", answer.head);
    assert!(answer.head.contains("content-disposition: attachment; filename=\"b\"\r\n"), "{}", answer.head);
    assert!(answer.head.contains("content-range: bytes 0-2/7\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn strangers_are_refused() {
    let (server, client) = started(Server::builder().public_bucket("public")).await;
    put(&client, "a", "content").await;
    let put = client.put_object().bucket("public").key("a").body(ByteStream::from_static(b"open"));
    put.send().await.unwrap();
    let wrong = Credentials::new(server.access_key(), "another", None, None, "test");
    let wrong = Client::from_conf(config(&server).credentials_provider(wrong).build());
    assert_eq!(get(&wrong, "a").await.unwrap_err(), "SignatureDoesNotMatch");
    let unknown = Credentials::new("another", server.secret_key(), None, None, "test");
    let unknown = Client::from_conf(config(&server).credentials_provider(unknown).build());
    assert_eq!(get(&unknown, "a").await.unwrap_err(), "InvalidAccessKeyId");
    assert_eq!(raw(&server, "GET", "/films/a", &[], b"").await.status, Some(403));
    assert_eq!(raw(&server, "GET", "/public/a", &[], b"").await.text(), "open");
    let head = raw(&server, "HEAD", "/public/a", &[], b"").await;
    assert!(head.head.contains("content-length: 4\r\n") && head.body.is_empty(), "{}", head.head);
    assert_eq!(raw(&server, "GET", "/public", &[], b"").await.status, Some(403));
    assert_eq!(raw(&server, "PUT", "/public/a", &[("content-length", "0")], b"").await.status, Some(403));
    let debug = format!("{server:?}");
    assert!(!debug.contains(server.secret_key()), "{debug}");
}

#[tokio::test]
async fn a_bucket_can_be_named_by_the_host() {
    let (server, client) = started(Server::builder().strict(Strict::oss())).await;
    let host = format!("{BUCKET}.localhost:{}", server.addr().port());
    // Signed for that host; sent to the address, so that no resolver has to know it.
    let client_of_host =
        Client::from_conf(config(&server).endpoint_url(server.host_style_endpoint()).force_path_style(false).build());
    let put = client_of_host.put_object().bucket(BUCKET).key("a//b").presigned(minute()).await.unwrap();
    let path = put.uri().strip_prefix(&format!("http://{host}")).unwrap();
    let answer = raw(&server, "PUT", path, &[("host", &host), ("content-length", "3")], b"abc").await;
    assert_eq!(answer.status, Some(200), "{}", answer.text());
    let call = server.recorder().calls().pop().unwrap();
    assert_eq!((call.operation, call.bucket.as_str(), call.key.as_str()), ("PutObject", BUCKET, "a//b"));
    assert_eq!(
        code(client.get_object().bucket(BUCKET).key("a//b").send().await.unwrap_err()),
        "SecondLevelDomainForbidden"
    );
}

/// What a subscriber wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn signatures_and_keys_are_not_logged() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("off,davmux_s3_server=trace,s3s=trace")
        .with_writer({
            let written = written.clone();
            move || written.clone()
        })
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let (server, client) = fresh().await;
            put(&client, "a", "content").await;
            let link = link(&client, "a").await;
            assert_eq!(raw(&server, "GET", &link, &[], b"").await.status, Some(200));
            assert_eq!(raw(&server, "HEAD", &link, &[], b"").await.status, Some(403));
        });
    });
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("PutObject") && log.contains("GetObject"), "calls are logged: {log}");
    for secret in ["ignature", "uthorization", "Credential", "davmux-test-secret"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
