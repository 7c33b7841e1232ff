//! PUT in all its forms.

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Both, both, files, put, status};
use crate::support::PATIENCE;

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
