//! What is known of a file's checksums, and who is told.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::{Fixture, Reply};

/// Of `new`.
const SHA1: &str = "SHA1:c2a6b03f190dfb2b4aa91f8af8d477a9bc3401dc";
const MD5: &str = "MD5:22af645d1859cb5ca6da0c484f1f37ea";

/// Asks as rclone does (rclone/rclone, `backend/webdav/webdav.go`, `owncloudProps`).
async fn ask(f: &Fixture, path: &str, depth: &str) -> Reply {
    let body = "<d:propfind xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:prop><d:resourcetype/>\
                <oc:checksums/></d:prop></d:propfind>";
    f.send("PROPFIND", path, &[("depth", depth)], body).await
}

async fn told(f: &Fixture, path: &str) -> String {
    let reply = ask(f, path, "0").await;
    let text = reply.text();
    let Some((_, rest)) = text.split_once("<oc:checksums xmlns:oc=\"http://owncloud.org/ns\"><oc:checksum>") else {
        let missing = "<oc:checksums xmlns:oc=\"http://owncloud.org/ns\"/></D:prop><D:status>HTTP/1.1 404";
        assert!(text.contains(missing), "{text}");
        return String::new();
    };
    let (sums, rest) = rest.split_once("</oc:checksum></oc:checksums>").unwrap();
    assert!(rest.starts_with("</D:prop><D:status>HTTP/1.1 200 OK"), "{text}");
    sums.to_owned()
}

#[tokio::test]
async fn both_checksums_of_a_file_are_told_to_clients_of_owncloud() {
    let f = Fixture::new();
    let both = format!("{SHA1} {MD5}");
    for (name, header) in [
        ("announced", ("oc-checksum", SHA1)),
        ("other", ("oc-checksum", MD5)),
        ("unknown", ("oc-checksum", "SHA3-256:00")),
        ("streamed", ("x-oc-mtime", "784111777")),
    ] {
        assert_eq!(f.status("PUT", &format!("/{name}"), &[header], "new").await, 201);
        assert_eq!(told(&f, &format!("/{name}")).await, both, "{name}");
    }
    assert_eq!(ask(&f, "/", "1").await.text().matches(&both).count(), 4);
    // One that nobody asked for is not computed; an ETag is none.
    assert_eq!(f.status("PUT", "/plain", &[], "new").await, 201);
    assert_eq!(told(&f, "/plain").await, "");
    assert_eq!(told(&f, "/").await, "");
    // Not without being asked for.
    assert!(!f.send("PROPFIND", "/announced", &[("depth", "0")], "").await.text().contains("checksum"));
}

#[tokio::test]
async fn a_checksum_is_of_the_version_that_stands_there() {
    let f = Fixture::new();
    assert_eq!(f.status("PUT", "/a", &[("oc-checksum", SHA1)], "new").await, 201);
    assert_eq!(f.status("PUT", "/a", &[("oc-checksum", SHA1)], "now").await, 400);
    assert_eq!(told(&f, "/a").await, format!("{SHA1} {MD5}"), "a refused one changes nothing");
    assert_eq!(f.status("COPY", "/a", &[("destination", "/copy")], "").await, 201);
    assert_eq!(told(&f, "/copy").await, format!("{SHA1} {MD5}"));
    assert_eq!(f.status("MOVE", "/copy", &[("destination", "/moved")], "").await, 201);
    assert_eq!(told(&f, "/moved").await, format!("{SHA1} {MD5}"));
    assert_eq!(f.status("PUT", "/a", &[], "now").await, 204);
    assert_eq!(told(&f, "/a").await, "");
    assert_eq!(f.status("DELETE", "/moved", &[], "").await, 204);
    assert_eq!(f.status("PUT", "/moved", &[], "new").await, 201);
    assert_eq!(told(&f, "/moved").await, "");
}

/// ownCloud's clients compare the header with what they received.
#[tokio::test]
async fn a_reader_is_told_the_strongest_checksum() {
    let f = Fixture::new();
    f.status("PUT", "/a", &[("oc-checksum", MD5)], "new").await;
    for (method, range) in [("HEAD", ""), ("GET", ""), ("GET", "bytes=1-")] {
        let headers: &[(&str, &str)] = if range.is_empty() { &[] } else { &[("range", range)] };
        assert_eq!(f.send(method, "/a", headers, "").await.header("oc-checksum"), SHA1, "{method} {range}");
    }
    f.status("PUT", "/b", &[], "new").await;
    assert_eq!(f.send("GET", "/b", &[], "").await.header("oc-checksum"), "");
}

/// rclone repeats the checksum that it was told where it sets a time (rclone/rclone, `backend/webdav/webdav.go`,
/// `SetModTime`). To say another one is to change what the server computes.
#[tokio::test]
async fn a_checksum_may_be_repeated_and_not_changed() {
    let f = Fixture::new();
    f.status("PUT", "/a", &[("oc-checksum", SHA1)], "new").await;
    let set = |sums: &str| {
        format!(
            "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><D:set><D:prop>\
             <lastmodified xmlns=\"DAV:\">784111777</lastmodified><oc:checksums><oc:checksum>{sums}</oc:checksum>\
             </oc:checksums></D:prop></D:set></D:propertyupdate>"
        )
    };
    for (sums, accepted) in [
        (SHA1.to_owned(), true),
        (format!("{SHA1} {MD5}"), true),
        (SHA1.replace('c', "d"), false),
        (format!("{SHA1} {}", MD5.replace('2', "3")), false),
        ("SHA1:".to_owned(), false),
        ("ADLER32:028e014b".to_owned(), false),
        (String::new(), false),
    ] {
        let text = f.send("PROPPATCH", "/a", &[], &set(&sums)).await.text().to_owned();
        assert_eq!(!text.contains("424 Failed Dependency"), accepted, "{sums}: {text}");
        assert_eq!(told(&f, "/a").await, format!("{SHA1} {MD5}"), "{sums}");
    }
    let reply = f.send("HEAD", "/a", &[], "").await;
    assert_eq!(reply.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    let remove = set("").replace("D:set", "D:remove");
    assert!(f.send("PROPPATCH", "/a", &[], &remove).await.text().contains("403"));
}
