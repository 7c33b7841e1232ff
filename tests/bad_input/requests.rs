//! Request lines, paths and headers.

use http::StatusCode;

use super::{Both, both, status};

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
