//! A refusal reaches the client, whatever it is still sending.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::{Client, header, open_options, options, start, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `length` bytes after the head while it reads, as clients do, and returns the head of the response.
async fn upload(socket: TcpStream, request: String, length: usize) -> String {
    let (mut reader, mut writer) = socket.into_split();
    let sending = tokio::spawn(async move {
        writer.write_all(request.as_bytes()).await?;
        let chunk = vec![b'x'; 64 * 1024];
        let mut left = length;
        while left > 0 {
            let sent = writer.write(&chunk[..left.min(chunk.len())]).await?;
            left -= sent;
        }
        writer.flush().await
    });
    let mut read = Vec::new();
    while !read.windows(4).any(|window| window == b"\r\n\r\n") {
        let more = reader.read_buf(&mut read).await.expect("a status and not a reset");
        assert!(more > 0, "the connection ended without a status");
    }
    sending.abort();
    String::from_utf8(read).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_ten_megabytes_reads_the_refusal() {
    const LENGTH: usize = 10 * 1024 * 1024;
    let (refusing, asking) = (start(open_options()).await, start(options()).await);
    for (address, expected) in [(refusing.address, 412), (asking.address, 401)] {
        for _ in 0..20 {
            let request = format!("PUT /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: {LENGTH}\r\n\r\n");
            let head = upload(TcpStream::connect(address).await.unwrap(), request, LENGTH).await;
            assert_eq!(status(&head), expected);
            assert_eq!(header(&head, "connection"), Some("close"));
        }
    }
}

#[tokio::test]
async fn after_a_refused_small_body_the_connection_goes_on() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    for _ in 0..3 {
        client.send("PUT /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n").await;
        let (head, body) = client.response().await;
        assert_eq!((status(&head), body.as_str(), header(&head, "connection")), (412, "refused", None));
        client.send(&"x".repeat(100_000)).await;
    }
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.response().await.1, "hello");
}

#[tokio::test]
async fn a_body_of_unknown_length_that_is_refused_ends_the_connection() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("PUT /refuse HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let head = client.head().await;
    assert_eq!((status(&head), header(&head, "connection")), (412, Some("close")));
    client.send("0\r\n\r\n").await;
    assert!(client.rest().await.1.is_ok());
}

#[tokio::test]
async fn nobody_is_told_to_continue_when_refused() {
    let (refusing, asking) = (start(open_options()).await, start(options()).await);
    for (address, expected) in [(refusing.address, 412), (asking.address, 401)] {
        let mut client = Client::connect(address).await;
        client.send("PUT /refuse HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n").await;
        let (head, _) = client.response().await;
        assert_eq!((status(&head), header(&head, "connection")), (expected, Some("close")));
        // One that sends all the same does no harm, and is not taken for a request.
        client.send("GET /").await;
        assert_eq!(client.rest().await.0, "");
    }
}

#[tokio::test]
async fn who_waits_is_told_to_continue_when_the_body_is_wanted() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("PUT /length HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 100);
    client.send("hello").await;
    let (head, body) = client.response().await;
    assert_eq!((status(&head), body.as_str(), header(&head, "connection")), (200, "5", None));
}
