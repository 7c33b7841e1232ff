//! Who asks, limits, and answers that fail.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use davmux_server::{Anonymous, Options};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{ALICE, Client, Running, ask, header, open_options, options, start, status};
use tokio::net::TcpStream;

type Http2 = hyper::client::conn::http2::SendRequest<Empty<bytes::Bytes>>;

async fn http2(running: &Running) -> Http2 {
    let socket = TcpStream::connect(running.address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.max_header_list_size(1024 * 1024);
    let (sender, connection) = builder.handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://server.example{path}"))
}

#[tokio::test]
async fn without_credentials_they_are_asked_for() {
    let running = start(options()).await;
    let (head, _) = ask(running.address, "GET /who HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(status(&head), 401);
    assert_eq!(header(&head, "www-authenticate"), Some("Basic realm=\"davmux\", charset=\"UTF-8\""));
}

#[tokio::test]
async fn a_user_is_named_to_the_application() {
    let running = start(options()).await;
    let (head, body) = ask(running.address, &format!("GET /who HTTP/1.1\r\nhost: a:80\r\n{ALICE}\r\n")).await;
    assert_eq!(status(&head), 200);
    assert_eq!(body, r#"User("alice") Some(127.0.0.1) Http Some("a:80") false false"#);
}

#[tokio::test]
async fn wrong_credentials_are_refused_even_where_none_are_needed() {
    for anonymous in [Anonymous::ReadOnly, Anonymous::ReadWrite] {
        let running = start(Options { anonymous, ..options() }).await;
        let (head, body) = ask(running.address, "GET /who HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(status(&head) == 200 && body.starts_with("Anonymous"), "{head}{body}");
        for wrong in ["Basic YWxpY2U6d3Jvbmc=", "Bearer x", "Basic"] {
            let request = format!("GET /who HTTP/1.1\r\nhost: a\r\nauthorization: {wrong}\r\n\r\n");
            assert_eq!(status(&ask(running.address, &request).await.0), 401, "{wrong}");
        }
    }
}

#[tokio::test]
async fn what_the_application_opens_needs_no_credentials() {
    let running = start(options()).await;
    assert_eq!(status(&ask(running.address, "OPTIONS / HTTP/1.1\r\nhost: a\r\n\r\n").await.0), 200);
    let wrong = "OPTIONS / HTTP/1.1\r\nhost: a\r\nauthorization: Basic YWxpY2U6d3Jvbmc=\r\n\r\n";
    assert_eq!(status(&ask(running.address, wrong).await.0), 401);
}

#[tokio::test]
async fn the_application_learns_the_client_behind_a_trusted_proxy_only() {
    let request = "GET /who HTTP/1.1\r\nhost: own\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\n\
        x-forwarded-host: files.example\r\n\r\n";
    let running = start(open_options()).await;
    let (_, body) = ask(running.address, request).await;
    assert_eq!(body, r#"Anonymous Some(127.0.0.1) Http Some("own") true false"#);
    let trusting = Options { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..open_options() };
    let (_, body) = ask(start(trusting).await.address, request).await;
    assert_eq!(body, r#"Anonymous Some(203.0.113.9) Https Some("files.example") true true"#);
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_lives() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(status(&client.response().await.0), 500);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.response().await.1, "hello");
}

#[tokio::test]
async fn heads_up_to_64_kib_are_read_and_larger_ones_are_431() {
    let running = start(open_options()).await;
    for (length, expected) in [(60_000, 200), (66_000, 431), (300_000, 431)] {
        let mut client = Client::connect(running.address).await;
        client.send(&format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(length))).await;
        assert_eq!(status(&client.head().await), expected, "{length}");
    }
}

#[tokio::test]
async fn the_limit_of_heads_is_the_same_on_http2() {
    let running = start(Options { http2: true, ..open_options() }).await;
    let mut client = http2(&running).await;
    for (length, expected) in [(60_000, StatusCode::OK), (66_000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)] {
        // In several fields, as a client with many cookies would have it; one field alone may not be as large.
        let mut request = get("/");
        for _ in 0..10 {
            request = request.header("x", "y".repeat(length / 10));
        }
        let response = client.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), expected, "{length}");
    }
}

#[tokio::test]
async fn both_protocols_are_served_on_one_port_where_http2_is_on() {
    let running = start(Options { http2: true, ..open_options() }).await;
    let response = http2(&running).await.send_request(get("/who").body(Empty::new()).unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"Anonymous Some(127.0.0.1) Http Some("server.example") false false"#);
    // In pieces, so that the first ones could still become the preface of HTTP/2.
    let mut client = Client::connect(running.address).await;
    client.send("P").await;
    client.send("ROPFIND / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.response().await.1, "hello");
}

#[tokio::test]
async fn http2_is_not_served_where_it_is_off() {
    let running = start(open_options()).await;
    let sent = http2(&running).await.send_request(get("/").body(Empty::new()).unwrap()).await;
    assert!(sent.is_err());
}

#[tokio::test]
async fn a_chunked_body_that_fails_has_no_last_chunk() {
    let running = start(open_options()).await;
    for path in ["/fail", "/panic-later"] {
        let mut client = Client::connect(running.address).await;
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let (text, _) = client.rest().await;
        assert!(text.contains("transfer-encoding: chunked"), "{text}");
        assert!(text.ends_with("4\r\npart\r\n"), "{text}");
    }
}

#[tokio::test]
async fn a_body_of_known_length_that_fails_ends_before_its_length() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("GET /fail-sized HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let (text, _) = client.rest().await;
    assert!(text.ends_with("\r\n\r\npart"), "{text}");
}

#[tokio::test]
async fn on_http_1_0_a_body_that_fails_ends_with_a_reset() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("GET /fail HTTP/1.0\r\n\r\n").await;
    let (_, end) = client.rest().await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn on_http2_a_body_that_fails_resets_its_stream_alone() {
    let running = start(Options { http2: true, ..open_options() }).await;
    let mut client = http2(&running).await;
    for path in ["/fail", "/panic-later"] {
        let response = client.send_request(get(path).body(Empty::new()).unwrap()).await.unwrap();
        assert!(response.into_body().collect().await.is_err(), "{path}");
    }
    let response = client.send_request(get("/").body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_target_with_a_fragment_is_400_also_where_requests_are_pipelined() {
    for http2 in [false, true] {
        let running = start(Options { http2, ..open_options() }).await;
        let mut client = Client::connect(running.address).await;
        client
            .send(
                "GET /length HTTP/1.1\r\nhost: a#b\r\n\r\n\
                 DELETE /a#b HTTP/1.1\r\nhost: a\r\n\r\n\
                 PUT /length HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nGET /#c H\
                 PUT /length HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\n#\r\n\r\n0\r\n\r\n\
                 PUT /length?d#e HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc\
                 GET http://a/length#f HTTP/1.1\r\nhost: a\r\n\r\n\
                 GET /length HTTP/1.1\r\nhost: a\r\n\r\n",
            )
            .await;
        for (expected, text) in [(200, "0"), (400, ""), (200, "9"), (200, "3"), (400, ""), (400, ""), (200, "0")] {
            let (head, body) = client.response().await;
            assert_eq!(status(&head), expected, "{body}");
            assert!(body.starts_with(text), "{body}");
        }
    }
}

/// hyper takes a line of trailers that ends with a line feed alone for the beginning of a longer one; who reads it as a line
/// takes what follows for a request, and is a request ahead from there on.
#[tokio::test]
async fn a_request_that_two_readers_would_see_at_different_places_is_refused() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client
        .send(
            "PUT /length HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\n\r\n\
             GET /no: HTTP/1.1\r\n\r\n\
             PUT /length#b HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
    for expected in [200, 400] {
        let (head, body) = client.response().await;
        assert_eq!(status(&head), expected, "{body}");
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn of(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most)).map(|_| pieces[self.below(pieces.len())]).collect()
    }

    /// A request, and the status and body of its answer.
    fn request(&mut self) -> (String, u16, String) {
        let fragment = ["", "", "#", "?a#b"][self.below(4)];
        let status = if fragment.is_empty() { 200 } else { 400 };
        let lines = self.of(&["\r\n", "\n"], 3);
        let head = format!("PUT /length{fragment} HTTP/1.1\r\nhost: a#b\r\n{}", self.of(&["x: #\r\n", "y:\r\n"], 3));
        let body = self.of(&["#", "\r\n", "\r\n\r\n", "0\r\n\r\n", "GET /c#d HTTP/1.1\r\nhost: a\r\n\r\n", "5\r\n"], 8);
        let length = body.len().to_string();
        // The rest of what is refused is dropped with its connection where it comes in chunks.
        if status == 400 || self.below(2) == 0 {
            return (format!("{lines}{head}content-length: {length}\r\n\r\n{body}"), status, length);
        }
        let (mut text, mut rest) = (format!("{lines}{head}transfer-encoding: chunked\r\n\r\n"), body.as_str());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(1 + self.below(rest.len()));
            text +=
                &format!("{}{:x}{}\r\n{chunk}\r\n", self.of(&["0"], 3), chunk.len(), self.of(&[" ;a#", ";b=\"#\""], 2));
            rest = after;
        }
        (format!("{text}0\r\n{}\r\n", self.of(&["t: #\r\n", "GET: /e#f\r\n"], 3)), status, length)
    }
}

/// Whatever their bodies hold: what stands in a body is never taken for a request, and no request for a part of a body.
#[tokio::test]
async fn requests_of_any_form_behind_one_another_are_told_apart() {
    let running = start(open_options()).await;
    for seed in 0..40 {
        let mut random = Random(seed);
        let requests: Vec<_> = (0..10).map(|_| random.request()).collect();
        let text: String = requests.iter().map(|(text, ..)| text.as_str()).collect();
        let mut client = Client::connect(running.address).await;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len()));
            client.send(piece).await;
            tokio::task::yield_now().await;
            rest = after;
        }
        for (nth, (_, expected, length)) in requests.iter().enumerate() {
            let (head, body) = client.response().await;
            assert_eq!(status(&head), *expected, "seed {seed}, request {nth}: {body}\n{text:?}");
            assert!(*expected == 400 || body == *length, "seed {seed}, request {nth}: {body}\n{text:?}");
        }
    }
}
