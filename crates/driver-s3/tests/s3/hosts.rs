//! Links for hosts that are not the endpoint, each followed as a plain client does.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use davmux_driver::{Driver, Link, LinkRequest, Native};
use davmux_driver_s3::provider::Provider;
use davmux_driver_s3::{S3, S3Options};
use davmux_s3_server::{Server, Strict};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;

use crate::support::{BUCKET, Fixture, driver, path, put};

const BOUND: &str = "films.example.com";
const PUBLIC: &str = "cdn.example.com";
const NAMES: [&str; 4] = ["plain", "a b+c%?#", "d/(1)*'~&=", "\u{1f600} n\u{303}"];

/// A server with a bound and a public host, and a driver on it.
async fn fixture(front: Strict) -> Fixture {
    let server = Server::builder().strict(front).bound_host(BOUND, BUCKET).public_host(PUBLIC, BUCKET);
    let fixture = Fixture::with(server, |options| options.force_path_style = false).await;
    for name in NAMES {
        put(&fixture.s3, name, name).await;
    }
    fixture
}

fn with_host(fixture: &Fixture, host: &str, change: impl FnOnce(&mut S3Options)) -> S3 {
    let host = host.replace("PORT", &fixture.server.addr().port().to_string());
    driver(&fixture.server, |options| {
        options.force_path_style = false;
        options.custom_host = Some(host);
        change(options);
    })
}

async fn link(s3: &S3, name: &str) -> Link {
    let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: None };
    match s3.link(&davmux_driver::Entry::file(path(name), 1), request).await.unwrap() {
        Native::Done(link) => link,
        Native::Declined => panic!("a file of a bucket has a link"),
    }
}

/// Follows a link whose host resolves to the server.
async fn follow(fixture: &Fixture, link: &Link) -> Response<Bytes> {
    let stream = tokio::net::TcpStream::connect(fixture.server.addr()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(link.url.path_and_query().unwrap().as_str())
        .header("host", link.url.authority().unwrap().as_str())
        .body(Empty::<Bytes>::new())
        .unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_bound_host_takes_links_that_are_signed_for_it() {
    let fixture = fixture(Strict::amazon()).await;
    let bound = with_host(&fixture, "http://films.example.com:PORT/", |options| {
        (options.custom_host_presign, options.remove_bucket) = (true, true);
    });
    for name in NAMES {
        let link = link(&bound, name).await;
        assert_eq!(link.url.host(), Some(BOUND));
        assert!(link.expires_at.unwrap() > SystemTime::now() + Duration::from_secs(30));
        let answer = follow(&fixture, &link).await;
        assert_eq!((answer.status().as_u16(), answer.body()), (200, &Bytes::from(name)), "{}", link.url);
    }
    let mut elsewhere = link(&bound, "plain").await;
    elsewhere.url = elsewhere.url.to_string().replace(BOUND, "localhost").parse().unwrap();
    assert_eq!(follow(&fixture, &elsewhere).await.status(), 403, "and holds for no other host");
    let unsigned = with_host(&fixture, "films.example.com:PORT", |options| options.remove_bucket = true);
    assert_eq!(follow(&fixture, &link(&unsigned, "plain").await).await.status(), 403, "the bucket is private");
}

#[tokio::test]
async fn a_public_host_takes_links_that_are_not_signed_and_do_not_expire() {
    let fixture = fixture(Strict::r2()).await;
    let public = with_host(&fixture, "cdn.example.com:PORT", |options| options.remove_bucket = true);
    for name in NAMES {
        let link = link(&public, name).await;
        assert_eq!((link.url.host(), link.url.query(), link.expires_at), (Some(PUBLIC), None, None));
        let answer = follow(&fixture, &link).await;
        assert_eq!((answer.status().as_u16(), answer.body()), (200, &Bytes::from(name)), "{}", link.url);
    }
    let signed = with_host(&fixture, "cdn.example.com:PORT", |options| {
        (options.custom_host_presign, options.remove_bucket) = (true, true);
    });
    assert!(!follow(&fixture, &link(&signed, "plain").await).await.status().is_success(), "it serves no signed ones");
}

#[tokio::test]
async fn a_host_has_the_bucket_in_its_path_once() {
    let fixture = fixture(Strict::amazon()).await;
    for host in ["http://gate.example.com:PORT", "http://gate.example.com:PORT/films/"] {
        let gate = with_host(&fixture, host, |options| options.custom_host_presign = true);
        let link = link(&gate, "a b+c%?#").await;
        assert_eq!(link.url.path(), "/films/a%20b%2Bc%25%3F%23");
        assert_eq!(follow(&fixture, &link).await.status(), 200, "{host}");
    }
}

#[tokio::test]
async fn a_bound_host_of_a_provider_with_buckets_in_hosts_needs_no_remove_bucket() {
    let server = Server::builder().strict(Strict::oss()).bound_host(BOUND, BUCKET);
    let at_oss = |options: &mut S3Options| {
        options.provider = Provider::named("oss");
        options.force_path_style = false;
        options.endpoint = options.endpoint.as_ref().map(|endpoint| endpoint.replace("127.0.0.1", "localhost"));
    };
    let fixture = Fixture::with(server, at_oss).await;
    put(&fixture.s3, "a b", "x").await;
    let own = link(&fixture.s3, "a b").await;
    assert!(own.url.host() == Some("films.localhost") && own.url.path() == "/a%20b", "{}", own.url);
    let answer = follow(&fixture, &own).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-disposition"]),
        (200, &"attachment".parse().unwrap())
    );
    let bound = with_host(&fixture, "films.example.com:PORT", |options| {
        at_oss(options);
        options.custom_host_presign = true;
    });
    let link = link(&bound, "a b").await;
    assert_eq!((link.url.host(), link.url.path()), (Some(BOUND), "/a%20b"));
    let answer = follow(&fixture, &link).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers().get("content-disposition")),
        (200, None),
        "no forced download"
    );
}
