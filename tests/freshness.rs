//! What another program stored is seen at once by those who ask for it, and what an administrator may ask.

use davmux_s3_server::{Fault, Running};
use http::StatusCode;

use crate::support::{Davmux, bucket, local, s3};

const FRESH: (&str, &str) = ("Cache-Control", "no-cache");

/// Two servers of one bucket: what one stores, another program stored for the other.
async fn two(s3: &Running) -> (Davmux, Davmux) {
    let file = format!(
        "version: 1\nserver: {{ anonymous: read-write, admin_listen: \"127.0.0.1:0\" }}\nmounts:\n{}",
        bucket("/b", s3, &[])
    );
    let (ours, other) = (Davmux::serve_file(&file).await, Davmux::serve_file(&file).await);
    for davmux in [&ours, &other] {
        davmux.logged("the mount is ready").await;
    }
    (ours, other)
}

#[tokio::test]
async fn another_programs_upload_is_seen_at_once_by_who_says_no_cache_and_costs_one_listing() {
    let s3 = s3().await;
    let (ours, other) = two(&s3).await;
    assert_eq!(other.put("/b/a", "x").await, StatusCode::CREATED);
    let list = async |headers: &[(&str, &str)]| {
        let calls = s3.recorder().total();
        let mut headers = headers.to_vec();
        headers.push(("Depth", "1"));
        let members = ours.send("PROPFIND", "/b/", &headers, "").await.hrefs().len() - 1;
        (members, s3.recorder().total() - calls)
    };
    assert_eq!(list(&[]).await.0, 1);
    assert_eq!(ours.get("/b/new").await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.put("/b/new", "y").await, StatusCode::CREATED);
    let explorer = ("User-Agent", "Microsoft-WebDAV-MiniRedir/10.0.22631");
    for headers in [&[][..], &[FRESH, explorer], &[("Cache-Control", "max-age=0")]] {
        assert_eq!(list(headers).await, (1, 0), "{headers:?}");
    }
    assert_eq!(ours.get("/b/new").await.status, StatusCode::NOT_FOUND);
    assert_eq!(list(&[FRESH]).await, (2, 1));
    assert_eq!(ours.get("/b/new").await.text(), "y");
}

#[tokio::test]
async fn one_file_is_looked_at_anew_and_a_look_that_fails_is_an_error() {
    let s3 = s3().await;
    let (ours, other) = two(&s3).await;
    assert_eq!(ours.propfind("/b/", "1").await.hrefs().len(), 1);
    for (name, method) in [("get", "GET"), ("head", "HEAD"), ("propfind", "PROPFIND")] {
        let path = format!("/b/{name}");
        assert_eq!(other.put(&path, "content").await, StatusCode::CREATED);
        assert_eq!(ours.send(method, &path, &[("Depth", "0")], "").await.status, StatusCode::NOT_FOUND);
        let answer = ours.send(method, &path, &[("Depth", "0"), ("Pragma", "no-cache")], "").await;
        assert!(answer.status.is_success(), "{method}: {}", answer.status);
    }
    s3.faults().every("*", Fault::AccessDenied);
    for (method, depth) in [("PROPFIND", "1"), ("PROPFIND", "0"), ("HEAD", "0")] {
        let path = if depth == "1" { "/b/" } else { "/b/other" };
        let answer = ours.send(method, path, &[FRESH, ("Depth", depth)], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {depth}");
    }
}

#[tokio::test]
async fn a_refresh_shows_what_another_program_stored() {
    let s3 = s3().await;
    let (ours, other) = two(&s3).await;
    for path in ["/b/films", "/b/films/new", "/b/music"] {
        assert_eq!(other.send("MKCOL", path, &[], "").await.status, StatusCode::CREATED);
    }
    let members = async |folder: &str| ours.propfind(folder, "1").await.hrefs().len() - 1;
    let counts = async || [members("/b/films/").await, members("/b/films/new/").await, members("/b/music/").await];
    assert_eq!(counts().await, [1, 0, 0]);
    for path in ["/b/films/a", "/b/films/new/a", "/b/music/a"] {
        assert_eq!(other.put(path, "x").await, StatusCode::CREATED);
    }
    assert_eq!(counts().await, [1, 0, 0]);
    assert_eq!(ours.administer("POST /refresh?path=/b/films").await, (204, String::new()));
    assert_eq!(counts().await, [2, 1, 0]);
    assert_eq!(ours.administer("POST /refresh?path=/other").await.0, 404);
    assert_eq!(ours.administer("POST /refresh?path=b").await.0, 400);
    assert_eq!(ours.administer("POST /refresh").await.0, 204);
    assert_eq!(counts().await, [2, 1, 1]);
}

#[tokio::test]
async fn an_administrator_ends_the_lock_of_a_client_that_went_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "version: 1\nserver: {{ anonymous: read-write, admin_listen: \"127.0.0.1:0\" }}\nmounts:\n{}",
        local("/l", folder.path())
    );
    let davmux = Davmux::serve_file(&file).await;
    let lock = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                <D:locktype><D:write/></D:locktype></D:lockinfo>";
    let locked = davmux.send("LOCK", "/l/file", &[("Timeout", "Second-600")], lock).await;
    assert_eq!(locked.status, StatusCode::CREATED);
    assert_eq!(davmux.put("/l/file", "x").await, StatusCode::LOCKED);
    let (_, told) = davmux.administer("GET /locks?path=/l").await;
    assert!(told.contains("\"path\": \"/l/file\"") && !told.contains("urn:uuid"), "{told}");
    assert_eq!(davmux.administer("DELETE /locks?path=/other").await.1.trim(), "{\n  \"ended\": 0\n}");
    assert_eq!(davmux.administer("DELETE /locks?path=/l").await.1.trim(), "{\n  \"ended\": 1\n}");
    assert_eq!(davmux.put("/l/file", "x").await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn readiness_tells_the_mount_that_is_in_trouble_and_the_listener_ends_with_the_server() {
    let (s3, folder) = (s3().await, tempfile::tempdir().unwrap());
    s3.faults().every("*", Fault::AccessDenied);
    let file = format!(
        "version: 1\nserver: {{ anonymous: read-write, admin_listen: \"127.0.0.1:0\" }}\nmounts:\n{}{}",
        bucket("/b", &s3, &[]),
        local("/l", folder.path())
    );
    let davmux = Davmux::serve_file(&file).await;
    assert_eq!(davmux.administer("GET /healthz").await, (200, "ok\n".to_owned()));
    let (status, body) = davmux.administer("GET /readyz").await;
    assert_eq!(status, 200, "the other one is ready: {body}");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    let ready: Vec<_> = told["mounts"].as_array().unwrap().iter().map(|mount| mount["ready"].as_bool()).collect();
    assert_eq!(ready, [Some(false), Some(true)], "{body}");
    assert!(told["mounts"][0]["last_error"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert!(!body.contains(s3.secret_key()), "{body}");
    assert_eq!(davmux.administer("GET /readyz?mount=/b").await.0, 503);
    assert_eq!(davmux.administer("GET /readyz?mount=/l").await.0, 200);
    let (code, log) = davmux.terminate().await;
    assert_eq!(code, Some(0), "{log}");
}
