//! Links, followed by a client that knows nothing of S3.

use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{Driver, Entry, Link, LinkRequest, Native};
use davmux_driver_s3::S3;
use davmux_driver_s3::provider::CustomHosts;
use davmux_driver_testkit::shorthand::{path, put};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::target::place;

const NAMES: [&str; 10] = [
    "plain",
    "a b",
    "a+b",
    "100%",
    "%2e%2E",
    "what?#",
    "it's (a) *star*~",
    "a&b=c;d,e@f:g!$",
    "d/\u{1f600} n\u{303}",
    "<\"`{|}^[]>",
];

async fn link(s3: &S3, name: &str, content_type: Option<&str>) -> Link {
    let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: content_type.map(Into::into) };
    match s3.link(&Entry::file(path(name), 1), request).await.unwrap() {
        Native::Done(link) => link,
        Native::Declined => panic!("a file of a bucket has a link"),
    }
}

async fn follow(link: &Link, method: Method, range: Option<&str>) -> Response<Bytes> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(link.url.clone());
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let (parts, body) = client.request(request.body(Empty::new()).unwrap()).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_link_works_for_every_name() {
    let Some(place) = place() else { return };
    for name in NAMES {
        put(&place.s3, name, name).await;
        let answer = follow(&link(&place.s3, name, None).await, Method::GET, None).await;
        assert_eq!((answer.status().as_u16(), answer.body()), (200, &Bytes::from(name)), "{name}");
    }
}

#[tokio::test]
async fn a_link_is_read_in_ranges() {
    let Some(place) = place() else { return };
    put(&place.s3, "file", "0123456789").await;
    let link = link(&place.s3, "file", None).await;
    for (range, answered, content) in
        [("bytes=2-4", "bytes 2-4/10", "234"), ("bytes=7-", "bytes 7-9/10", "789"), ("bytes=-2", "bytes 8-9/10", "89")]
    {
        let answer = follow(&link, Method::GET, Some(range)).await;
        assert_eq!((answer.status().as_u16(), answer.body()), (206, &Bytes::from(content)), "{range}");
        assert_eq!(answer.headers()["content-range"], answered);
    }
    assert_eq!(follow(&link, Method::GET, Some("bytes=10-")).await.status(), 416);
}

#[tokio::test]
async fn a_link_says_the_media_type_that_it_was_signed_for() {
    let Some(place) = place() else { return };
    put(&place.s3, "file", "x").await;
    let answer = follow(&link(&place.s3, "file", Some("video/x-matroska; a=\"b c\"")).await, Method::GET, None).await;
    assert_eq!(answer.headers()["content-type"], "video/x-matroska; a=\"b c\"");
}

#[tokio::test]
async fn a_link_is_for_one_method_and_one_key() {
    let Some(place) = place() else { return };
    put(&place.s3, "one", "x").await;
    put(&place.s3, "two", "x").await;
    let mut link = link(&place.s3, "one", None).await;
    assert_eq!(follow(&link, Method::HEAD, None).await.status(), 403, "so HEAD is never redirected");
    assert_eq!(follow(&link, Method::DELETE, None).await.status(), 403);
    link.url = link.url.to_string().replace("/one?", "/two?").parse().unwrap();
    assert_eq!(follow(&link, Method::GET, None).await.status(), 403);
}

/// The same server by another name, as behind a proxy that passes the Host header on.
#[tokio::test]
async fn a_link_is_signed_for_a_custom_host() {
    let Some(place) = place() else { return };
    put(&place.s3, "a b", "x").await;
    let here = link(&place.s3, "a b", None).await.url;
    let (Some("127.0.0.1"), Some(port)) = (here.host(), here.port_u16()) else {
        println!("skipped: only a server on this machine has another name for certain");
        return;
    };
    let custom = place.with(|options| {
        options.custom_host = Some(format!("localhost:{port}"));
        options.custom_host_presign = true;
    });
    let link = link(&custom, "a b", None).await;
    assert_eq!(link.url.host(), Some("localhost"));
    let taken = follow(&link, Method::GET, None).await.status() == 200;
    assert_eq!(taken, place.s3.provider().custom_hosts == CustomHosts::Signed);
}
