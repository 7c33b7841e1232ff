//! What clients may take: over it they are told so, or let go of, and the others notice nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use davmux_metrics::Label as _;
use davmux_server::{Limits, Options, Refusal};
use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{ALICE, Client, Running, ask, header, open_options, options, start, status};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

const SHORT: Duration = Duration::from_millis(200);
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

async fn limited(limits: Limits) -> Running {
    start(Options { limits, ..open_options() }).await
}

/// A connection from an address of its own below 127.0.0.0/8.
async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Until the server has let go of its connections.
async fn all_gone(running: &Running) {
    while running.handle.load().connections() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_503_and_there_is_room_again_when_one_has_ended() {
    let running = limited(Limits { connections: Some(2), ..Limits::default() }).await;
    let (mut first, mut second) = (Client::connect(running.address).await, Client::connect(running.address).await);
    for client in [&mut first, &mut second] {
        client.send(GET).await;
        client.response().await;
    }
    for _ in 0..3 {
        let mut third = Client::connect(running.address).await;
        third.send(GET).await;
        let (head, body) = third.response().await;
        assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("5")));
        assert!(body.contains("too many connections"), "{body}");
        assert_eq!(third.rest().await.0, "");
    }
    assert_eq!(running.handle.load().refused(Refusal::Connections), 3);
    first.send(GET).await;
    assert_eq!(first.response().await.1, "hello");
    drop((first, second));
    all_gone(&running).await;
    assert_eq!(status(&ask(running.address, GET).await.0), 200);
}

#[tokio::test]
async fn one_address_cannot_take_the_connections_of_another_but_a_trusted_proxy_may_bring_many() {
    let limits = Limits { connections_per_address: 3, ..Limits::default() };
    let trusted_proxies = vec!["127.0.0.9/32".parse().unwrap()];
    let running = start(Options { limits, trusted_proxies, ..open_options() }).await;
    let mut greedy = Vec::new();
    for _ in 0..3 {
        greedy.push(connect_from(7, running.address).await);
    }
    let refused = async {
        let mut client = Client::connect(running.address).await;
        client.socket = connect_from(7, running.address).await;
        client.send(GET).await;
        status(&client.response().await.0)
    };
    assert_eq!(refused.await, 503);
    let proxied = join_all((0..10).map(|_| connect_from(9, running.address))).await;
    let mut other = Client::connect(running.address).await;
    other.send(GET).await;
    assert_eq!(status(&other.response().await.0), 200);
    assert_eq!(running.handle.load().refused(Refusal::ConnectionsPerAddress), 1);
    drop((greedy, proxied));
}

#[tokio::test]
async fn a_head_that_comes_a_byte_at_a_time_is_told_408() {
    let running = limited(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    // The first request of a connection, and a later one.
    for before in ["", GET] {
        let mut client = Client::connect(running.address).await;
        client.send(before).await;
        if !before.is_empty() {
            client.response().await;
        }
        let (mut reader, mut writer) = client.socket.into_split();
        let dripping = tokio::spawn(async move {
            for byte in "GET / HTTP/1.1\r\nx: ".bytes().chain(std::iter::repeat(b'y')) {
                if writer.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(SHORT / 20).await;
            }
        });
        let mut answer = Vec::new();
        // The client may find a reset behind the answer, since it goes on sending.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(status(&answer), 408, "{answer}");
        assert_eq!(header(&answer, "connection"), Some("close"));
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(header(&answer, "content-length"), Some(body.len().to_string().as_str()));
        dripping.await.unwrap();
    }
    assert_eq!(running.handle.load().refused(Refusal::HeaderTimeout), 2);
    all_gone(&running).await;
}

async fn assert_closed(client: &mut Client) {
    let (text, end) = client.rest().await;
    assert_eq!((text.as_str(), end.unwrap()), ("", 0));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let silent = limited(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    assert_closed(&mut Client::connect(silent.address).await).await;
    let idle = limited(Limits { idle_timeout: SHORT, ..Limits::default() }).await;
    let mut client = Client::connect(idle.address).await;
    client.send(GET).await;
    client.response().await;
    assert_closed(&mut client).await;
    for running in [&silent, &idle] {
        all_gone(running).await;
        assert!(Refusal::ALL.iter().all(|why| running.handle.load().refused(*why) == 0));
    }
}

#[tokio::test]
async fn a_request_that_takes_long_to_answer_is_not_late() {
    let limits = Limits { header_timeout: SHORT, idle_timeout: SHORT, send_timeout: SHORT, ..Limits::default() };
    let running = limited(limits).await;
    let mut client = Client::connect(running.address).await;
    client.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    running.app.held.acquire().await.unwrap().forget();
    tokio::time::sleep(3 * SHORT).await;
    running.app.release.add_permits(1);
    assert_eq!(client.response().await.1, "released");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_response_is_let_go_of() {
    let running = limited(Limits { send_timeout: SHORT, ..Limits::default() }).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = Client::connect(running.address).await;
    client.socket = socket.connect(running.address).await.unwrap();
    client.send("GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await;
    while running.handle.load().refused(Refusal::SendTimeout) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    all_gone(&running).await;
    let (_, end) = drained(&mut client).await;
    assert!(end.is_err(), "a reset, since the response is not whole");
}

async fn drained(client: &mut Client) -> (usize, std::io::Result<usize>) {
    let mut all = 0;
    loop {
        match client.more().await {
            Ok(0) => return (all, Ok(0)),
            Ok(read) => all += read,
            Err(error) => return (all, Err(error)),
        }
    }
}

#[tokio::test]
async fn over_http_2_a_window_that_stays_shut_is_let_go_of_too_and_an_idle_connection_ends() {
    let limits = Limits { send_timeout: SHORT, idle_timeout: 2 * SHORT, ..Limits::default() };
    let running = start(Options { http2: true, limits, ..open_options() }).await;
    let io = TokioIo::new(TcpStream::connect(running.address).await.unwrap());
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut client, connection) = builder.handshake::<_, Empty<bytes::Bytes>>(io).await.unwrap();
    let connection = tokio::spawn(connection);
    let get = |path: &str| {
        let uri = format!("http://{}{path}", running.address);
        http::Request::get(uri).body(Empty::new()).unwrap()
    };
    let whole = client.send_request(get("/")).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "hello");
    let unread = client.send_request(get("/flood")).await.unwrap();
    // The connection ends while it is read by its own task and the body by nobody.
    let _ = connection.await.unwrap();
    assert_eq!(running.handle.load().refused(Refusal::SendTimeout), 1);
    drop(unread);

    let io = TokioIo::new(TcpStream::connect(running.address).await.unwrap());
    let (mut client, connection) = builder.handshake::<_, Empty<bytes::Bytes>>(io).await.unwrap();
    let connection = tokio::spawn(connection);
    client.send_request(get("/")).await.unwrap().into_body().collect().await.unwrap();
    connection.await.unwrap().unwrap();
    all_gone(&running).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent_or_cut_where_its_length_was_not_told() {
    let running = limited(Limits { body_size: Some(1000), ..Limits::default() }).await;
    let mut client = Client::connect(running.address).await;
    client.send("PUT /store HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n").await;
    let (head, body) = client.response().await;
    assert_eq!(status(&head), 413);
    assert!(body.contains("larger"), "{body}");

    let mut client = Client::connect(running.address).await;
    client.send("PUT /store HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await;
    client.send(&"x".repeat(1000)).await;
    assert_eq!(client.response().await.1, "1000");
    // A client that sends far more than may come still reads why.
    let chunk = format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000));
    client.send("PUT /store HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..5 {
        client.send(&chunk).await;
    }
    let (head, _) = client.response().await;
    assert_eq!((status(&head), header(&head, "connection")), (413, Some("close")));
    assert_eq!(running.handle.load().refused(Refusal::BodySize), 2);
}

#[tokio::test]
async fn a_body_that_stands_still_is_told_408() {
    let running = limited(Limits { body_timeout: SHORT, ..Limits::default() }).await;
    for framing in ["content-length: 10\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let mut client = Client::connect(running.address).await;
        client.send(&format!("PUT /store HTTP/1.1\r\nhost: a\r\n{framing}")).await;
        let (head, body) = client.response().await;
        assert_eq!((status(&head), header(&head, "connection")), (408, Some("close")), "{body}");
        assert_eq!(client.rest().await.0, "");
    }
    assert_eq!(running.handle.load().refused(Refusal::BodyTimeout), 2);
    all_gone(&running).await;
}

#[tokio::test]
async fn a_users_requests_wait_for_their_own_and_too_many_are_told_429_on_a_connection_that_goes_on() {
    let limits = Limits { requests_per_user: 2, ..Limits::default() };
    let running = start(Options { limits, ..options() }).await;
    let hold = format!("GET /hold HTTP/1.1\r\nhost: a\r\n{ALICE}\r\n");
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(running.address).await;
        client.send(&hold).await;
        clients.push(client);
    }
    // Two are answered, two wait, and one is told to come back.
    running.app.held.acquire_many(2).await.unwrap().forget();
    let (refused, at, _) =
        futures_util::future::select_all(clients.iter_mut().map(|client| Box::pin(client.response()))).await;
    assert_eq!((status(&refused.0), header(&refused.0, "retry-after")), (429, Some("2")));
    assert_eq!(header(&refused.0, "connection"), None);
    assert_eq!(running.handle.load().refused(Refusal::Requests), 1);
    running.app.release.add_permits(4);
    for (n, client) in clients.iter_mut().enumerate() {
        if n != at {
            assert_eq!(client.response().await.1, "released");
        }
    }
    let again = &mut clients[at];
    again.send(&format!("GET / HTTP/1.1\r\nhost: a\r\n{ALICE}\r\n")).await;
    assert_eq!(again.response().await.1, "hello");
}
