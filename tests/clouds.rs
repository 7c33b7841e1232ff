//! Clouds with an API of their own, behind the real binary: what a client sees is what it sees of every other mount.

use bytes::Bytes;
use davmux_driver_testkit::standin::dogecloud::{DogeCloud, Offered};
use davmux_driver_testkit::standin::upyun::{self, UpYunServer};
use davmux_s3_server::Server;
use http::StatusCode;

use crate::support::Davmux;

/// A folder made, filled, listed, read, moved and removed.
async fn everyday_work(davmux: &Davmux, mount: &str) {
    let at = |path: &str| format!("{mount}{path}");
    assert_eq!(davmux.send("MKCOL", &at("/d/"), &[], "").await.status, StatusCode::CREATED);
    let large = Bytes::from(vec![b'x'; 300 * 1024]);
    assert_eq!(davmux.put(&at("/d/a%20b.bin"), large.clone()).await, StatusCode::CREATED);
    assert_eq!(davmux.put(&at("/d/small"), "hello").await, StatusCode::CREATED);
    assert_eq!(davmux.propfind(&at("/d/"), "1").await.hrefs().len(), 3);
    assert_eq!(davmux.get(&at("/d/small")).await.body.unwrap(), "hello");

    let redirect = davmux.send("GET", &at("/d/a%20b.bin"), &[("User-Agent", "Kodi/21.0")], "").await;
    assert_eq!(redirect.status, StatusCode::FOUND, "{}", davmux.log());
    let link = redirect.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(follow(&link).await, (StatusCode::OK, large));

    assert_eq!(davmux.to("MOVE", &at("/d/"), &at("/e/")).await.status, StatusCode::CREATED);
    assert_eq!(davmux.get(&at("/d/small")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(davmux.get(&at("/e/small")).await.body.unwrap(), "hello");
    assert_eq!(davmux.send("DELETE", &at("/e/"), &[], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(davmux.propfind(&at("/e/"), "0").await.status, StatusCode::NOT_FOUND);
}

/// Follows a link as a player does.
async fn follow(link: &str) -> (StatusCode, Bytes) {
    use http_body_util::{BodyExt as _, Empty};
    let client: hyper_util::client::legacy::Client<_, Empty<Bytes>> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let answer = client.get(link.parse().unwrap()).await.unwrap();
    (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn dogecloud_needs_its_console_s_keys_and_the_bucket_s_name_alone() {
    let server = Server::builder().bucket("s-gz-1-films-1258813047").start().await.unwrap();
    let offered =
        Offered { name: "films".into(), s3_bucket: "s-gz-1-films-1258813047".into(), s3_endpoint: server.endpoint() };
    let api = DogeCloud::start(server.keyring().clone(), vec![offered]).await;
    // Players that seek on a link get none that ends before the promised life, so an hour is promised here.
    let mount = format!(
        "  - path: /doge\n    driver: s3\n    provider: dogecloud\n    bucket: films\n    endpoint: {}\n    \
         access_key_id: {}\n    secret_access_key: {}\n    sign_url_expire: 1h\n",
        api.endpoint(),
        api.access_key(),
        api.secret_key()
    );
    let davmux = Davmux::serve(&mount).await;
    everyday_work(&davmux, "/doge").await;
    assert_eq!(api.calls(), 1, "one pair of keys serves all of it");
    assert!(!davmux.log().contains(api.secret_key()), "the log holds no secret");
}

#[tokio::test]
async fn upyun_works_over_its_own_api_with_links_on_the_bound_domain() {
    let cloud = UpYunServer::start().await;
    let mount = format!(
        "  - path: /up\n    driver: upyun\n    bucket: {}\n    operator: {}\n    password: {}\n    endpoint: {}\n    \
         custom_host: {}\n    link_token: {}\n",
        upyun::BUCKET,
        upyun::OPERATOR,
        upyun::PASSWORD,
        cloud.endpoint(),
        cloud.host(),
        upyun::TOKEN
    );
    let davmux = Davmux::serve(&mount).await;
    everyday_work(&davmux, "/up").await;
    assert!(!davmux.log().contains(upyun::PASSWORD), "the log holds no secret");
}
