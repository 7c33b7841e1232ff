//! What is no HTTP, or not quite: it is refused, and what comes behind it is never taken for a request.

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{both, put, status};
use crate::support::{Davmux, PATIENCE};

/// Whoever reads the framing of what stands before it in another way takes this for a request.
const SMUGGLED: &str = "DELETE /l/kept HTTP/1.1\r\nHost: x\r\n\r\n";

/// The status lines of all responses until the server closes the connection.
async fn statuses(davmux: &Davmux, request: &[u8]) -> Vec<u16> {
    let answer = davmux.raw(request).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.split("HTTP/1.1 ").skip(1).map(|response| response[..3].parse().unwrap()).collect()
}

#[tokio::test]
async fn behind_a_body_whose_length_is_in_doubt_nothing_more_is_read() {
    let both = both().await;
    let davmux = &both.davmux;
    davmux.put("/l/kept", "kept").await;
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let none = format!("0\r\n\r\n{SMUGGLED}");
    let length = SMUGGLED.len() + 5;
    for (headers, body, expected) in [
        // The chunks count, and the connection ends (RFC 9112 section 6.3).
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), &none, 201),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), &none, 204),
        ("Content-Length: 5\r\nContent-Length: 0\r\n".into(), &none, 400),
        ("Content-Length: 5, 0\r\n".into(), &none, 400),
        ("Content-Length: +5\r\n".into(), &none, 400),
        ("Content-Length: 0x5\r\n".into(), &none, 400),
        ("Content-Length: 5 5\r\n".into(), &none, 400),
        ("Content-Length: \r\n".into(), &none, 400),
        ("Content-Length : 5\r\n".into(), &none, 400),
        ("X: a\r\n Content-Length: 5\r\n".into(), &none, 400),
        (" Content-Length: 5\r\n".into(), &none, 400),
        ("Transfer-Encoding : chunked\r\n".into(), &chunk, 400),
        ("X: a\r\n\tTransfer-Encoding: chunked\r\n".into(), &chunk, 400),
        ("X: a\rTransfer-Encoding: chunked\r\n".into(), &chunk, 400),
        ("X: a\0b\r\n".into(), &none, 400),
        ("X\0: b\r\n".into(), &none, 400),
        ("no colon\r\n".into(), &none, 400),
        (": no name\r\n".into(), &none, 400),
        ("Transfer-Encoding: chunked, identity\r\n".into(), &chunk, 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".into(), &chunk, 400),
        ("Transfer-Encoding: xchunked\r\n".into(), &chunk, 400),
        ("Transfer-Encoding: \x0bchunked\r\n".into(), &chunk, 400),
        ("Transfer-Encoding: identity, chunked\r\n".into(), &chunk, 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(), &chunk, 501),
    ] {
        let request = format!("PUT /l/x HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}");
        assert_eq!(statuses(davmux, request.as_bytes()).await, [expected], "{headers:?}");
        assert_eq!(davmux.get("/l/kept").await.text(), "kept", "{headers:?}");
    }
}

#[tokio::test]
async fn chunks_that_are_none_end_the_connection_and_store_nothing() {
    let both = both().await;
    let davmux = &both.davmux;
    davmux.put("/l/kept", "kept").await;
    for chunks in [
        "5 x\r\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        "\r\nabcde\r\n0\r\n\r\n",
        "5\nabcde\n0\n\n",
        "5\r\nabcdeX\r\n0\r\n\r\n",
        "5\r\nabcd\r\n0\r\n\r\n",
        "10000000000000005\r\nabcde\r\n0\r\n\r\n",
    ] {
        for mount in ["/b", "/l"] {
            let head = format!("PUT {mount}/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
            assert_eq!(statuses(davmux, format!("{head}{chunks}{SMUGGLED}").as_bytes()).await, [400], "{chunks:?}");
            assert_eq!(davmux.get(&format!("{mount}/x")).await.status, StatusCode::NOT_FOUND, "{chunks:?}");
        }
        assert_eq!(davmux.get("/l/kept").await.text(), "kept", "{chunks:?}");
    }
}

#[tokio::test]
async fn a_request_has_one_host_since_http_1_1() {
    let both = both().await;
    let davmux = &both.davmux;
    davmux.put("/l/file", "x").await;
    for (head, expected) in [
        ("GET /l/file HTTP/1.1\r\n", 400),
        ("GET /l/file HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        ("GET /l/file HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        ("GET http://a/l/file HTTP/1.1\r\nHost: b\r\n", 200),
        ("GET /l/file HTTP/1.0\r\n", 200),
        ("GET /l/file HTTP/1.0\r\nHost: a\r\n", 200),
        ("GET /l/file HTTP/1.1\r\nHost:\r\n", 200),
    ] {
        assert_eq!(status(davmux, &format!("{head}Connection: close\r\n\r\n")).await, expected, "{head:?}");
    }
}

#[tokio::test]
async fn odd_versions_methods_and_targets_have_an_answer_and_none_tells_more_than_it_should() {
    let both = both().await;
    let davmux = &both.davmux;
    davmux.put("/l/file", "x").await;
    for (line, expected) in [
        ("TRACE /l/file HTTP/1.1", 405),
        ("TRACE * HTTP/1.1", 405),
        ("CONNECT other.example:443 HTTP/1.1", 405),
        ("CONNECT /l/file HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 200),
        ("OPTIONS http://other.example HTTP/1.1", 200),
        ("PUT * HTTP/1.1", 400),
        ("SEARCH /l/ HTTP/1.1", 501),
        ("M\u{fc}LL /l/ HTTP/1.1", 400),
        ("GET http://other.example/l/file HTTP/1.1", 200),
        ("GET https://user:pass@other.example:99/l/file HTTP/1.1", 200),
        ("GET ftp://other.example/l/file HTTP/1.1", 200),
        ("GET http:///l/file HTTP/1.1", 400),
        ("GET \\l\\file HTTP/1.1", 400),
        ("GET /l/file HTTP/1.1 HTTP/1.1", 400),
        ("GET  /l/file HTTP/1.1", 400),
        ("GET\t/l/file\tHTTP/1.1", 400),
        ("GET /l/file http/1.1", 400),
        ("GET /l/file HTTP/2.0", 400),
        ("GET /l/file HTTP/0.9", 400),
        ("GET /l/file#x HTTP/1.1", 400),
        ("DELETE /l/file# HTTP/1.1", 400),
        ("DELETE http://x/l/file?a#b HTTP/1.1", 400),
    ] {
        let request = format!("{line}\r\nHost: x\r\nX-Told: secret-word\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&davmux.raw(request.as_bytes()).await).into_owned();
        let code = answer.split(' ').nth(1).unwrap_or_default();
        assert_eq!(code, expected.to_string(), "{line}: {answer}");
        assert!(!answer.contains("secret-word"), "{line} is echoed");
    }
    // What a browser of 1991 sends has no end of its head.
    assert_eq!(statuses(davmux, b"GET /l/file\r\n").await, [400]);
    assert_eq!(davmux.get("/l/file").await.text(), "x");
    assert!(!davmux.log().contains("panicked"), "{}", davmux.log());
}

#[tokio::test]
async fn a_request_that_arrives_byte_by_byte_is_one_and_so_is_the_next() {
    let both = both().await;
    let davmux = &both.davmux;
    let text = "PUT /l/slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n0\r\n\r\n\
                PUT /b/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nslow\
                GET /l/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
    socket.set_nodelay(true).unwrap();
    for byte in text.bytes() {
        socket.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 201").count(), 2, "{answer}");
    assert!(answer.ends_with("slow"), "{answer}");
    assert_eq!(davmux.get("/b/slow").await.text(), "slow");
}

#[tokio::test]
async fn requests_behind_one_another_are_answered_in_their_order_and_lines_may_end_with_a_line_feed() {
    let both = both().await;
    let davmux = &both.davmux;
    let mut text = put("/l/a", "Content-Length: 1\r\n", "a").replace("Connection: close\r\n", "");
    text += "\r\nGET /l/a HTTP/1.1\nHost: x\n\n";
    text += &"HEAD /l/a HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    text += "DELETE /l/a#b HTTP/1.1\r\nHost: x\r\n\r\n";
    text += "DELETE /l/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let expected: Vec<u16> = [201, 200].into_iter().chain(std::iter::repeat_n(200, 200)).chain([400, 204]).collect();
    assert_eq!(statuses(davmux, text.as_bytes()).await, expected);
}
