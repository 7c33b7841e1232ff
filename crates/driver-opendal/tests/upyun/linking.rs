//! Links on the bound domain.

use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{Driver, Entry, Link, LinkRequest, Native};
use davmux_driver_testkit::shorthand::{path, put};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;

use crate::support::{Place, open};

async fn link(driver: &dyn Driver, file: &Entry, seconds: u64) -> Native<Link> {
    let request = LinkRequest { valid_for: Duration::from_secs(seconds), content_type: None };
    driver.link(file, request).await.unwrap()
}

async fn fetch(url: &http::Uri) -> (StatusCode, Bytes) {
    let stream = tokio::net::TcpStream::connect(url.authority().unwrap().as_str()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let target = url.path_and_query().unwrap().as_str();
    let request = Request::get(target).header("host", url.authority().unwrap().as_str()).body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    connection.abort();
    (status, body)
}

#[tokio::test]
async fn a_link_opens_any_name_and_no_other_file() {
    let place = Place::start().await;
    for name in ["plain", "a b", "100%", "50%41", "a?b#c", "a+b&c=d", "日本語", "é", "e\u{301}", "'()*~!"] {
        let at = format!("dir/{name}");
        let file = put(&place.driver, &at, at.clone()).await;
        let Native::Done(link) = link(&place.driver, &file, 60).await else { panic!("declined") };
        assert_eq!(fetch(&link.url).await, (StatusCode::OK, Bytes::from(at)), "{}", link.url);
        let elsewhere = link.url.to_string().replacen("/dir/", "/other/", 1).parse().unwrap();
        assert_eq!(fetch(&elsewhere).await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_link_of_a_folder_of_the_service_names_the_whole_key() {
    let place = Place::start().await;
    place.driver.create_dir(&path("sub folder")).await.unwrap();
    let place = place.rooted("sub folder");
    let file = put(&place.driver, "file", "x").await;
    let Native::Done(link) = link(&place.driver, &file, 60).await else { panic!("declined") };
    assert_eq!(fetch(&link.url).await.0, StatusCode::OK);
    assert!(link.url.path().ends_with("/sub%20folder/file"));
}

#[tokio::test]
async fn a_link_ends_when_it_says() {
    let place = Place::start().await;
    let file = put(&place.driver, "file", "x").await;
    let Native::Done(link) = link(&place.driver, &file, 3600).await else { panic!("declined") };
    place.server.set_ahead(Duration::from_secs(3500));
    assert_eq!(fetch(&link.url).await.0, StatusCode::OK);
    place.server.set_ahead(Duration::from_secs(3602));
    assert_eq!(fetch(&link.url).await.0, StatusCode::FORBIDDEN);
    assert!(link.expires_at.unwrap() <= std::time::SystemTime::now() + Duration::from_secs(3602));
}

#[tokio::test]
async fn without_a_domain_or_for_a_folder_there_is_no_link() {
    let place = Place::start().await;
    let file = put(&place.driver, "file", "x").await;
    let without = open(&place.server, |options| options.custom_host = None);
    assert!(matches!(link(&without, &file, 60).await, Native::Declined));
    assert!(matches!(link(&place.driver, &Entry::dir(path("dir")), 60).await, Native::Declined));
}

#[tokio::test]
async fn without_a_token_a_link_is_bare_and_never_signed_with_the_password() {
    let place = Place::start().await;
    let file = put(&place.driver, "file", "x").await;
    let bare = open(&place.server, |options| options.link_token = None);
    let Native::Done(link) = link(&bare, &file, 60).await else { panic!("declined") };
    assert_eq!((link.url.query(), link.expires_at), (None, None));
}

#[tokio::test]
async fn no_secret_shows() {
    let place = Place::start().await;
    let file = put(&place.driver, "file", "x").await;
    let Native::Done(link) = link(&place.driver, &file, 60).await else { panic!("declined") };
    let wrong = open(&place.server, |options| options.password = davmux_driver_opendal::Secret::new("hunter2"));
    let error = wrong.check().await.unwrap_err();
    let shown = format!("{:?} {link:?} {wrong:?} {error} {error:?}", place.driver);
    for secret in ["hunter2", "pass&word", "anti-leech", "_upt", "UPYUN"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
