//! Links, on a server that checks their signatures.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use davmux_driver::{Driver, Link, LinkRequest, Native};
use davmux_driver_s3::{S3, S3Options};
use davmux_s3_server::{Server, Strict};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::support::{Fixture, metered, path, put};

const NAMES: [&str; 8] =
    ["plain", "a b", "a+b", "100%", "what?#", "it's (a) *star*~", "a&b=c;d,e@f:g!$", "d/\u{1f600} n\u{303}"];

async fn link(s3: &S3, name: &str) -> Link {
    let file = davmux_driver::Entry::file(path(name), 1);
    let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: None };
    match s3.link(&file, request).await.unwrap() {
        Native::Done(link) => link,
        Native::Declined => panic!("a file of a bucket has a link"),
    }
}

/// Follows a link as any client does.
pub(crate) async fn follow(link: &Link) -> Response<Bytes> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(Request::get(link.url.clone()).body(Empty::new()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_link_works_for_every_name_and_costs_no_call() {
    let fixture = Fixture::with(Server::builder().strict(Strict::amazon()), |_| ()).await;
    for name in NAMES {
        put(&fixture.s3, name, name).await;
        let (link, calls) = metered(link(&fixture.s3, name)).await;
        assert_eq!(calls, 0);
        let answer = follow(&link).await;
        assert_eq!((answer.status().as_u16(), answer.body()), (200, &Bytes::from(name)), "{name}");
        assert!(link.expires_at.unwrap() > SystemTime::now() + Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_link_that_was_changed_does_not_work() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "x").await;
    put(&fixture.s3, "b", "x").await;
    let mut link = link(&fixture.s3, "a").await;
    link.url = link.url.to_string().replace("/films/a?", "/films/b?").parse().unwrap();
    assert_eq!(follow(&link).await.status(), 403);
}

#[tokio::test]
async fn a_link_can_say_the_media_type() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a", "x").await;
    let request =
        LinkRequest { valid_for: Duration::from_secs(60), content_type: Some("video/x-matroska; a=\"b c\"".into()) };
    let Native::Done(link) = fixture.s3.link(&davmux_driver::Entry::file(path("a"), 1), request).await.unwrap() else {
        panic!("declined");
    };
    let answer = follow(&link).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"video/x-matroska; a=\"b c\"".parse().unwrap())
    );
}

#[tokio::test]
async fn a_custom_host_signs_for_the_host_it_names() {
    let fixture = Fixture::start().await;
    put(&fixture.s3, "a b", "x").await;
    // The same server by another name, so the host in the signature is another one.
    let host = format!("localhost:{}", fixture.server.addr().port());
    let custom = |change: fn(&mut S3Options)| {
        let host = host.clone();
        crate::support::driver(&fixture.server, move |options| {
            options.custom_host = Some(host);
            change(options);
        })
    };
    let signed = link(&custom(|options| options.custom_host_presign = true), "a b").await;
    assert_eq!(signed.url.authority().unwrap().as_str(), host);
    assert_eq!(follow(&signed).await.status(), 200);
    let unsigned = link(&custom(|_| ()), "a b").await;
    assert_eq!((unsigned.url.query(), unsigned.expires_at), (None, None));
    assert_eq!(follow(&unsigned).await.status(), 403, "the bucket is private");
}

#[tokio::test]
async fn a_folder_has_no_link() {
    let fixture = Fixture::start().await;
    let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: None };
    let folder = davmux_driver::Entry::dir(path("d"));
    assert!(matches!(fixture.s3.link(&folder, request).await, Ok(Native::Declined)));
}
