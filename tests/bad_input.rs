//! What clients should not send, and what they do at the wrong moment: a clear answer, and nothing is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Davmux, PATIENCE, bucket, local, s3};

const LOCK: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";

/// A local folder at `/l` and a bucket at `/b`.
struct Both {
    davmux: Davmux,
    folder: tempfile::TempDir,
    s3: davmux_s3_server::Running,
}

async fn both() -> Both {
    let folder = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", folder.path()))).await;
    davmux.logged("the mount is ready").await;
    Both { davmux, folder, s3 }
}

/// Files in a folder of this machine, those that davmux keeps for itself included.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The status of the first response on a connection; 0 where it was closed without one.
async fn status(davmux: &Davmux, request: &str) -> u16 {
    let answer = davmux.raw(request.as_bytes()).await;
    let line = String::from_utf8_lossy(&answer);
    line.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

/// A PUT with these header lines, sent as it stands, on a connection that the server closes.
fn put(path: &str, headers: &str, body: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}")
}

/// Waits until a path holds something.
async fn appears(davmux: &Davmux, path: &str) -> Answer {
    let found = async {
        loop {
            let answer = davmux.get(path).await;
            if answer.status == StatusCode::OK {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{path} never appeared"))
}

// --- The body is XML.

#[tokio::test]
async fn xml_that_cannot_be_read_is_400_and_too_much_of_it_413() {
    let both = both().await;
    let davmux = &both.davmux;
    let entity = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>";
    let deep = "<a>".repeat(5_000);
    let huge = format!("<D:propfind xmlns:D='DAV:'><D:prop>{}</D:prop></D:propfind>", "<D:a/>".repeat(300_000));
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/file");
        assert_eq!(davmux.put(&path, "x").await, StatusCode::CREATED);
        for (method, root) in [("PROPFIND", "propfind"), ("PROPPATCH", "propertyupdate"), ("LOCK", "lockinfo")] {
            for bad in [
                "<a",
                "text",
                "<x:a/>",
                "<a xmlns='DAV:'/>",
                &format!("<{root} xmlns='urn:other'/>"),
                &format!("{entity}<{root} xmlns='DAV:'><allprop/>&e;</{root}>"),
                &format!("<D:{root} xmlns:D='DAV:'><D:prop>"),
                &format!("<D:{root} xmlns:D='DAV:'><x:a xmlns:x=''/></D:{root}>"),
                &format!("<{root} xmlns='DAV:'/><{root} xmlns='DAV:'/>"),
                "\0",
                &deep,
            ] {
                let answer = davmux.send(method, &path, &[("Depth", "0")], bad.to_owned()).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {bad:.60}");
                assert!(!answer.text().contains("root:"), "an entity was read");
            }
            let answer = davmux.send(method, &path, &[("Depth", "0")], vec![b'<', 0xFF, b'/', b'>']).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method}, not UTF-8");
            let answer = davmux.send(method, &path, &[("Depth", "0")], huge.clone()).await;
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{method}");
        }
        assert_eq!(davmux.put(&path, "y").await, StatusCode::NO_CONTENT, "no lock was left");
    }
}

// --- Headers that name a depth or a target.

#[tokio::test]
async fn a_depth_or_overwrite_that_is_none_is_400_and_changes_nothing() {
    let both = both().await;
    let davmux = &both.davmux;
    for mount in ["/b", "/l"] {
        davmux.send("MKCOL", &format!("{mount}/d"), &[], "").await;
        davmux.put(&format!("{mount}/d/file"), "x").await;
        let (folder, to) = (format!("{mount}/d"), format!("{mount}/to"));
        for depth in ["2", "-1", "1,noroot", "", "0, 0"] {
            for method in ["PROPFIND", "COPY", "MOVE", "DELETE", "LOCK"] {
                let body = if method == "LOCK" { LOCK } else { "" };
                let headers = [("Depth", depth), ("Destination", to.as_str())];
                let answer = davmux.send(method, &folder, &headers, body).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {depth:?}");
            }
        }
        for (method, depth) in [("MOVE", "0"), ("DELETE", "0"), ("DELETE", "1"), ("COPY", "1"), ("LOCK", "1")] {
            let body = if method == "LOCK" { LOCK } else { "" };
            let answer = davmux.send(method, &folder, &[("Depth", depth), ("Destination", &to)], body).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {depth}");
        }
        for overwrite in ["", "yes", "T, F"] {
            let headers = [("Overwrite", overwrite), ("Destination", to.as_str())];
            assert_eq!(davmux.send("MOVE", &folder, &headers, "").await.status, StatusCode::BAD_REQUEST);
        }
        assert_eq!(davmux.get(&format!("{mount}/d/file")).await.text(), "x");
        assert_eq!(davmux.propfind(&to, "0").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_destination_outside_the_tree_is_refused_and_the_source_stays() {
    let folder = tempfile::tempdir().unwrap();
    let inner = tempfile::tempdir().unwrap();
    let file = format!(
        "version: 1\nserver:\n  anonymous: read-write\n  base_path: /dav\nmounts:\n{}{}",
        local("/l", folder.path()),
        local("/l/in/ner", inner.path())
    );
    let davmux = Davmux::serve_file(&file).await;
    assert_eq!(davmux.put("/dav/l/file", "source").await, StatusCode::CREATED);
    assert_eq!(davmux.put("/dav/l/in/ner/file", "inner").await, StatusCode::CREATED);
    let long = format!("/dav/l/{}", "n".repeat(300));
    let longer = format!("/dav{}", "/n".repeat(5_000));
    for (destination, expected) in [
        ("/l/x", 502),
        ("/", 502),
        ("/davx/x", 502),
        ("http://other.example/l/x", 502),
        ("", 400),
        ("x", 400),
        ("http://", 400),
        ("ftp://h/dav/l/x", 400),
        ("/dav/l/x#y", 400),
        ("/dav/l/a%00", 400),
        ("/dav/l/a%2fb", 400),
        ("/dav/l/%zz", 400),
        ("/dav/l/%ff", 400),
        ("/dav/l//x", 400),
        ("/dav/l/../x", 400),
        ("/dav/l/%2e%2e/%2e%2e/x", 400),
        ("/dav/l/in/ner/%2E%2E/x", 400),
        (longer.as_str(), 400),
        ("/dav", 403),
        ("/dav/l/", 403),
        ("/dav/l/file", 403),
        ("/dav/l/file/below", 403),
        ("/dav/l/in", 403),
        ("/dav/l/in/ner", 403),
        (long.as_str(), 403),
        ("/dav/l/missing/x", 409),
        ("/dav/new", 409),
    ] {
        for method in ["COPY", "MOVE"] {
            let answer = davmux.send(method, "/dav/l/file", &[("Destination", destination)], "").await;
            assert_eq!(answer.status.as_u16(), expected, "{method} to {destination:.60}");
        }
    }
    // What holds a mount is not moved away or deleted, nor what would hold itself.
    for source in ["/dav/", "/dav/l", "/dav/l/in", "/dav/l/in/ner"] {
        for method in ["MOVE", "DELETE"] {
            let answer = davmux.send(method, source, &[("Destination", "/dav/l/x")], "").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {source}");
        }
    }
    assert_eq!(davmux.get("/dav/l/file").await.text(), "source");
    assert_eq!(davmux.get("/dav/l/in/ner/file").await.text(), "inner");
    assert_eq!(files(folder.path()), [folder.path().join("file")]);
}

// --- Request lines, paths and headers.

#[tokio::test]
async fn paths_and_headers_beyond_their_limits_are_refused_before_any_storage_is_asked() {
    let Both { davmux, folder: _folder, s3 } = both().await;
    let deep = "/a".repeat(20_000);
    let calls = s3.recorder().total();
    for method in ["GET", "PROPFIND", "PUT", "MKCOL", "DELETE", "MOVE"] {
        for mount in ["/b", "/l"] {
            let line = format!("{method} {mount}{deep} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
            assert_eq!(status(&davmux, &format!("{line}Destination: /l/x\r\n\r\n")).await, 414, "{method} {mount}");
        }
    }
    assert_eq!(s3.recorder().total(), calls);
    let get = "GET /l/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    assert_eq!(status(&davmux, &format!("{get}X-A: {}\r\n\r\n", "a".repeat(60_000))).await, 200);
    assert_eq!(status(&davmux, &format!("{get}X-A: {}\r\n\r\n", "a".repeat(70_000))).await, 431);
    assert_eq!(status(&davmux, &format!("{get}{}\r\n", "X-A: a\r\n".repeat(500))).await, 431);
    assert_eq!(status(&davmux, &format!("{get}If: ({})\r\n\r\n", "<urn:a>".repeat(8_000))).await, 400);
    assert_eq!(status(&davmux, &format!("{get}If: </{}> (<urn:a>)\r\n\r\n", "a".repeat(60_000))).await, 400);
    for (line, expected) in [
        ("GET * HTTP/1.1", 400),
        ("GET l HTTP/1.1", 400),
        ("GET //l/ HTTP/1.1", 400),
        ("GET /l//x HTTP/1.1", 400),
        ("GET /l/%00 HTTP/1.1", 400),
        ("GET /l/%c3 HTTP/1.1", 400),
        ("DELETE /l/%2e%2e HTTP/1.1", 400),
        ("GET / HTTP/9.9", 400),
        ("GET /", 400),
        ("\u{16}\u{3}\u{1}", 400),
        ("POST /l/ HTTP/1.1", 405),
        ("PATCH /l/ HTTP/1.1", 405),
        ("get /l/ HTTP/1.1", 501),
        ("DELETE http://x HTTP/1.1", 403),
        ("OPTIONS * HTTP/1.1", 200),
    ] {
        let request = format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&davmux, &request).await, expected, "{line}");
    }
    assert!(!davmux.log().contains("panicked"), "{}", davmux.log());
}

#[tokio::test]
async fn a_range_or_condition_that_makes_no_sense_never_gives_wrong_bytes() {
    let both = both().await;
    let davmux = &both.davmux;
    let many = format!("bytes={}", (0..200).map(|n| format!("{n}-{n},")).collect::<String>());
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/file");
        assert_eq!(davmux.put(&path, "former").await, StatusCode::CREATED);
        let etag = davmux.get(&path).await.header("etag").to_owned();
        for (range, if_range, expected, body) in [
            ("bytes=1-2", "", 206, "or"),
            ("bytes=-2", "", 206, "er"),
            ("bytes=-99", "", 206, "former"),
            ("bytes=5-99999999999999999999999", "", 206, "r"),
            ("bytes=6-", "", 416, ""),
            ("bytes=-0", "", 416, ""),
            ("bytes=18446744073709551615-", "", 416, ""),
            ("bytes=3-1", "", 200, "former"),
            ("bytes=0-1,3-4", "", 200, "former"),
            (&many, "", 200, "former"),
            ("lines=0-1", "", 200, "former"),
            ("bytes", "", 200, "former"),
            ("bytes=1-2", &etag, 206, "or"),
            ("bytes=1-2", &format!("W/{etag}"), 200, "former"),
            ("bytes=1-2", "\"other\"", 200, "former"),
            ("bytes=1-2", "nonsense", 200, "former"),
            ("bytes=1-2", "Thu, 01 Jan 1970 00:00:00 GMT", 200, "former"),
        ] {
            let mut headers = vec![("Range", range)];
            headers.extend((!if_range.is_empty()).then_some(("If-Range", if_range)));
            let answer = davmux.send("GET", &path, &headers, "").await;
            assert_eq!(answer.status.as_u16(), expected, "{range:.40} {if_range}");
            assert!(expected == 416 || answer.text() == body, "{range:.40} {if_range}: {}", answer.text());
        }
        for (name, value, expected) in [
            ("If-Match", "\"no\"", 412),
            ("If-Match", "\"open", 400),
            ("If-None-Match", "*", 412),
            ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", 412),
            ("If", "(", 400),
            ("If", "(<urn:uuid:0>)", 412),
            ("If", "([\"no\"])", 412),
        ] {
            let answer = davmux.send("PUT", &path, &[(name, value)], "no").await;
            assert_eq!(answer.status.as_u16(), expected, "{name}: {value}");
        }
        assert_eq!(davmux.get(&path).await.text(), "former");
    }
}

// --- PUT in all its forms.

#[tokio::test]
async fn every_form_of_a_put_stores_the_whole_file_or_nothing() {
    let Both { davmux, folder, s3 } = both().await;
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    let expects = |length: &str| format!("{CHUNKED}X-Expected-Entity-Length: {length}\r\n");
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/file");
        assert_eq!(davmux.put(&path, "former").await, StatusCode::CREATED);
        for (headers, body, expected, content) in [
            ("", "", 204, ""),
            ("Content-Length: 0\r\n", "", 204, ""),
            (CHUNKED, "0\r\n\r\n", 204, ""),
            (CHUNKED, "3\r\nabc\r\n0\r\n\r\n", 204, "abc"),
            (&expects("3"), "3\r\nabc\r\n0\r\n\r\n", 204, "abc"),
            (&expects("0"), "0\r\n\r\n", 204, ""),
            ("Content-Length: 3\r\nX-Expected-Entity-Length: 3\r\n", "abc", 204, "abc"),
            // From here on the file stays.
            (&expects("9"), "3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            (&expects("2"), "3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            (&expects("0"), "3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            (&expects("x"), "3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("Content-Length: 3\r\nX-Expected-Entity-Length: 9\r\n", "abc", 400, "former"),
            (CHUNKED, "zz\r\nabc\r\n0\r\n\r\n", 400, "former"),
            (CHUNKED, "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("Content-Length: -1\r\n", "abc", 400, "former"),
            ("Content-Length: 99999999999999999999\r\n", "abc", 400, "former"),
            ("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd", 400, "former"),
            ("Transfer-Encoding: identity\r\n", "abc", 400, "former"),
            ("Transfer-Encoding : chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("Transfer-Encoding: gzip, chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", 501, "former"),
            ("Transfer-Encoding: chunked, chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", 501, "former"),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", 501, "former"),
            ("Content-Encoding: gzip\r\nContent-Length: 3\r\n", "abc", 415, "former"),
            ("Content-Range: bytes 0-2/3\r\nContent-Length: 3\r\n", "abc", 501, "former"),
        ] {
            assert_eq!(status(&davmux, &put(&path, headers, body)).await, expected, "{mount} {headers:?} {body:?}");
            assert_eq!(davmux.get(&path).await.text(), content, "{mount} {headers:?} {body:?}");
            davmux.put(&path, "former").await;
        }
        for (at, expected) in [("", 403), ("/", 405), ("/file/", 405), ("/file/below", 409), ("/missing/x", 409)] {
            let request = put(&format!("{mount}{at}"), "Content-Length: 1\r\n", "x");
            assert_eq!(status(&davmux, &request).await, expected, "{mount}{at}");
        }
    }
    assert_eq!(files(folder.path()), [folder.path().join("file")]);
    assert_eq!(s3.recorder().count("CreateMultipartUpload"), s3.recorder().count("AbortMultipartUpload"));
}

#[tokio::test]
async fn after_two_lengths_nothing_more_is_read_from_the_connection() {
    let both = both().await;
    let davmux = &both.davmux;
    davmux.put("/l/kept", "kept").await;
    // Who believes the length sees a DELETE inside the body; who believes the chunks sees it behind.
    let smuggled = "0\r\n\r\nDELETE /l/kept HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", smuggled.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", smuggled.len()),
    ] {
        let answer = davmux.raw(format!("PUT /l/x HTTP/1.1\r\nHost: x\r\n{lengths}\r\n{smuggled}").as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert_eq!(davmux.get("/l/kept").await.text(), "kept");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_told_a_refusal_first() {
    let both = both().await;
    let davmux = &both.davmux;
    davmux.put("/l/file", "former").await;
    for (path, header, expected) in [
        ("/l/missing/x", "", "HTTP/1.1 409"),
        ("/b/missing/x", "", "HTTP/1.1 409"),
        ("/l/file", "If-None-Match: *\r\n", "HTTP/1.1 412"),
        ("/l/file", "", "HTTP/1.1 100"),
    ] {
        let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\n{header}Expect: 100-continue\r\nContent-Length: 3000000000\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        tokio::time::timeout(PATIENCE, socket.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected, "{path} {header}");
    }
    assert_eq!(davmux.get("/l/file").await.text(), "former");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_end_changes_nothing_and_one_that_leaves_after_it_has_stored_its_file() {
    let Both { davmux, folder, s3: _s3 } = both().await;
    let content = vec![7; 3_000_000];
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/file");
        davmux.put(&path, "former").await;
        let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len());
        let chunked = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        for sent in [0, 1, 100_000, content.len() - 1] {
            for reset in [false, true] {
                let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
                socket.write_all(head.as_bytes()).await.unwrap();
                socket.write_all(&content[..sent]).await.unwrap();
                if reset {
                    socket.set_zero_linger().unwrap();
                }
                drop(socket);
                let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
                socket.write_all(format!("{chunked}{sent:x}\r\n").as_bytes()).await.unwrap();
                socket.write_all(&content[..sent]).await.unwrap();
                drop(socket);
            }
        }
        // One that counted as whole would be found here, or below if it took its time.
        assert_eq!(davmux.get(&path).await.text(), "former");
        assert_eq!(davmux.put(&path, "after").await, StatusCode::NO_CONTENT);
        // All of it, and gone before the answer.
        let head = format!("PUT {mount}/all HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len());
        let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
        socket.write_all(&[head.as_bytes(), &content].concat()).await.unwrap();
        drop(socket);
        assert_eq!(appears(&davmux, &format!("{mount}/all")).await.body.unwrap().len(), content.len());
        assert_eq!(davmux.get(&path).await.text(), "after");
    }
    // What they had staged goes as soon as each is found gone.
    let cleaned = async {
        while files(folder.path()).len() != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, cleaned).await.is_ok(), "{:?}", files(folder.path()));
}

// --- Who may.

#[tokio::test]
async fn who_may_only_read_changes_nothing_by_any_method() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let file = format!(
        "version: 1\nusers:\n  - {{ name: r, password: r, access: read-only }}\n  - {{ name: w, password: w, access: \
         read-write }}\nmounts:\n{}{}    read_only: true\n",
        local("/l", folder.path()),
        local("/ro", folder.path())
    );
    let davmux = Davmux::serve_file(&file).await;
    let (reader, writer) = (("Authorization", "Basic cjpy"), ("Authorization", "Basic dzp3"));
    let patch = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><a/></D:prop></D:set></D:propertyupdate>";
    for (user, path) in [(reader, "/l/file"), (writer, "/ro/file")] {
        for (method, body) in
            [("PUT", "y"), ("MKCOL", ""), ("DELETE", ""), ("MOVE", ""), ("PROPPATCH", patch), ("LOCK", LOCK)]
        {
            let answer = davmux.send(method, path, &[user, ("Destination", "/l/to")], body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        }
        let answer = davmux.send("COPY", path, &[user, ("Destination", "/ro/to")], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(davmux.send("GET", path, &[user], "").await.text(), "x");
    }
    assert_eq!(files(folder.path()), [folder.path().join("file")]);
    let twice = [reader, writer];
    assert_eq!(davmux.send("GET", "/l/file", &twice, "").await.status, StatusCode::BAD_REQUEST);
    for wrong in ["Basic", "Basic !", "Bearer cjpy", "Basic cg==", "Basic /zr/"] {
        let answer = davmux.send("GET", "/l/file", &[("Authorization", wrong)], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
}

// --- Names.

#[tokio::test]
async fn a_page_and_a_listing_hold_hostile_names_as_text() {
    let both = both().await;
    let davmux = &both.davmux;
    let names =
        ["\"><img src=x onerror=y>", "'&amp;", "javascript:alert(1)", "%2e%2e", " lead", "trail.", "...", "\\", "~|*?"];
    for mount in ["/b", "/l"] {
        for name in names {
            let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            assert_eq!(davmux.put(&format!("{mount}/{escaped}"), name).await, StatusCode::CREATED, "{name}");
        }
        let page = davmux.get(&format!("{mount}/")).await;
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        let page = page.text();
        assert!(!page.contains("<img") && !page.contains("href=\"javascript"), "{page}");
        assert!(page.contains("&lt;img"), "{page}");
        let hrefs = davmux.propfind(&format!("{mount}/"), "1").await.hrefs();
        assert_eq!(hrefs.len(), names.len() + 1);
        let mut found: Vec<String> = Vec::new();
        for href in &hrefs[1..] {
            found.push(davmux.get(href).await.text());
        }
        found.sort();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(found, names, "each href leads to its file");
        for bad in ["%0A", "%7F", "%C2%85", "%EF%BF%BE"] {
            assert_eq!(davmux.put(&format!("{mount}/{bad}"), "x").await, StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}

// --- Many at once.

#[tokio::test]
async fn of_many_who_lock_one_name_at_once_one_has_it_and_none_is_left() {
    let both = Arc::new(both().await);
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/new");
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (both, path) = (Arc::clone(&both), path.clone());
            clients.spawn(async move {
                let answer = both.davmux.send("LOCK", &path, &[], LOCK).await;
                (answer.status.as_u16(), answer.header("lock-token").to_owned())
            });
        }
        let answers = clients.join_all().await;
        let held: Vec<_> = answers.iter().filter(|(status, _)| matches!(status, 200 | 201)).collect();
        assert_eq!(held.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 201 | 423)), "{answers:?}");
        assert_eq!(both.davmux.put(&path, "x").await, StatusCode::LOCKED);
        let refresh = both.davmux.send("LOCK", &path, &[("If", "(<urn:uuid:0>)")], "").await;
        assert_eq!(refresh.status, StatusCode::PRECONDITION_FAILED);
        let token = [("Lock-Token", held[0].1.as_str())];
        let elsewhere = both.davmux.send("UNLOCK", &format!("{mount}/other"), &token, "").await;
        assert_eq!(elsewhere.status, StatusCode::CONFLICT);
        assert_eq!(both.davmux.send("UNLOCK", &path, &token, "").await.status, StatusCode::NO_CONTENT);
        assert_eq!(both.davmux.put(&path, "x").await, StatusCode::NO_CONTENT);
    }
}

/// What every writer of the next test stores: it can be told whole from torn, and one from another.
fn content(writer: usize, nth: usize) -> String {
    format!("{writer}-{nth};").repeat(1 + nth % 3 * 20_000)
}

#[tokio::test]
async fn what_was_answered_as_stored_is_there_whole_however_many_write_beside_it() {
    let both = Arc::new(both().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6_usize {
        let both = Arc::clone(&both);
        writers.spawn(async move {
            let mount = ["/b", "/l"][writer % 2];
            let mut stands: HashMap<String, String> = HashMap::new();
            for nth in 0..24 {
                let own = format!("{mount}/own-{writer}-{}", nth % 3);
                let other = format!("{mount}/own-{writer}-{}", (nth + 1) % 3);
                let answer = match nth % 5 {
                    3 => both.davmux.to("MOVE", &own, &other).await,
                    4 => both.davmux.send("DELETE", &own, &[], "").await,
                    _ => both.davmux.send("PUT", &own, &[], content(writer, nth)).await,
                };
                match (nth % 5, answer.status.as_u16()) {
                    (3, 201 | 204) => {
                        let moved = stands.remove(&own).unwrap();
                        stands.insert(other, moved);
                    }
                    (4, 204) => assert!(stands.remove(&own).is_some(), "{own}"),
                    (3 | 4, 404) => assert!(!stands.contains_key(&own), "{own}"),
                    (_, 201 | 204) => {
                        stands.insert(own.clone(), content(writer, nth));
                    }
                    (_, status) => panic!("{own}: {status}"),
                }
                // The same names for everybody: who wins is open, that a whole file stands there is not.
                let shared = format!("{mount}/shared-{}", nth % 2);
                let across = format!("{}/shared-{}", ["/l", "/b"][writer % 2], nth % 2);
                match nth % 4 {
                    0 | 1 => drop(both.davmux.put(&shared, content(writer, nth)).await),
                    2 => drop(both.davmux.to("MOVE", &shared, &across).await),
                    _ => drop(both.davmux.send("DELETE", &shared, &[], "").await),
                }
                let read = both.davmux.get(&shared).await;
                assert!(matches!(read.status, StatusCode::OK | StatusCode::NOT_FOUND), "{}", read.status);
                if read.status == StatusCode::OK {
                    let text = read.text();
                    let first = text.split_inclusive(';').next().unwrap();
                    let times = text.len() / first.len();
                    assert!(matches!(times, 1 | 20_001 | 40_001), "{times} of {first}");
                    assert_eq!(text, first.repeat(times), "torn");
                }
            }
            stands
        });
    }
    for stands in writers.join_all().await {
        assert!(!stands.is_empty());
        for (path, content) in stands {
            assert_eq!(both.davmux.get(&path).await.text(), content, "{path}");
        }
    }
}

#[tokio::test]
async fn readers_who_stall_do_not_keep_fifty_others_waiting() {
    let both = Arc::new(both().await);
    let large = vec![1; 20_000_000];
    let mut stalled = Vec::new();
    for mount in ["/b", "/l"] {
        assert_eq!(both.davmux.put(&format!("{mount}/large"), large.clone()).await, StatusCode::CREATED);
        assert_eq!(both.davmux.put(&format!("{mount}/small"), "small").await, StatusCode::CREATED);
        for _ in 0..5 {
            let mut socket = TcpStream::connect(&both.davmux.addr).await.unwrap();
            let get = format!("GET {mount}/large HTTP/1.1\r\nHost: x\r\n\r\n");
            socket.write_all(get.as_bytes()).await.unwrap();
            let mut first = [0; 12];
            socket.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            stalled.push(socket);
        }
    }
    let mut others = tokio::task::JoinSet::new();
    for nth in 0..50 {
        let both = Arc::clone(&both);
        others.spawn(async move {
            let mount = ["/b", "/l"][nth % 2];
            match nth % 3 {
                0 => assert_eq!(both.davmux.get(&format!("{mount}/small")).await.text(), "small"),
                1 => assert_eq!(both.davmux.put(&format!("{mount}/new-{nth}"), "x").await, StatusCode::CREATED),
                _ => assert!(both.davmux.propfind(&format!("{mount}/"), "1").await.hrefs().len() >= 3),
            }
        });
    }
    others.join_all().await;
    // They were stalled, not forgotten.
    let mut rest = 0;
    let mut buffer = vec![0; 1 << 20];
    while rest < large.len() {
        let read = stalled[0].read(&mut buffer).await.unwrap();
        assert!(read > 0, "the response ended early");
        rest += read;
    }
}

#[tokio::test]
async fn sigterm_in_the_midst_of_a_move_and_an_upload_loses_no_file() {
    let Both { davmux, folder, s3 } = both().await;
    davmux.send("MKCOL", "/l/tree", &[], "").await;
    let names: Vec<String> = (0..40).map(|nth| format!("tree/{nth}")).collect();
    for name in &names {
        davmux.put(&format!("/l/{name}"), name.clone()).await;
    }
    let mut upload = TcpStream::connect(&davmux.addr).await.unwrap();
    upload.write_all(b"PUT /b/half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    let mut moving = TcpStream::connect(&davmux.addr).await.unwrap();
    let request = "MOVE /l/tree/ HTTP/1.1\r\nHost: x\r\nDestination: /b/tree/\r\n\r\n";
    moving.write_all(request.as_bytes()).await.unwrap();
    let begun = async {
        while s3.recorder().count("PutObject") < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    // Nobody waits for either any more.
    drop((upload, moving));
    let (code, log) = davmux.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    let again = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", folder.path()))).await;
    for name in &names {
        let (there, here) = (again.get(&format!("/b/{name}")).await, again.get(&format!("/l/{name}")).await);
        let whole = |answer: &Answer| answer.status == StatusCode::OK && answer.text() == *name;
        assert!(whole(&there) || whole(&here), "{name}: {} and {}", there.status, here.status);
    }
    assert_eq!(again.get("/b/half").await.status, StatusCode::NOT_FOUND);
}
