//! Clients that take too much or too long: they are told so or let go of, the others are answered, and nothing is left.
//! The full sizes are in `tests/bench/crowd.rs`.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Davmux, PATIENCE, bucket, local, other, s3};

/// Serves a bucket at `/b` and a folder at `/l` with these limits.
async fn limited(s3: &davmux_s3_server::Running, folder: &std::path::Path, limits: &str) -> Davmux {
    let mounts = format!("{}{}", bucket("/b", s3, &["read: relay"]), local("/l", folder));
    let server = format!("server:\n  anonymous: read-write\n  http2: true\n  limits: {{{limits}}}\n");
    let davmux = Davmux::serve_file(&format!("version: 1\n{server}mounts:\n{mounts}")).await;
    davmux.logged(r#""the mount is ready","mount":"/b""#).await;
    davmux
}

/// Open file descriptors of the server.
fn descriptors(davmux: &Davmux) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", davmux.id())).unwrap().count()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what} never came to be");
}

/// The peak of the server's memory, in MiB.
fn peak(davmux: &Davmux) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", davmux.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

async fn connect(davmux: &Davmux) -> TcpStream {
    TcpStream::connect(&davmux.addr).await.unwrap()
}

/// Everything that the server still says; it may end with a reset.
async fn said(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut all)).await.expect("the connection ends");
    String::from_utf8_lossy(&all).into_owned()
}

async fn uploads_in_progress(s3: &davmux_s3_server::Running) -> usize {
    other(s3).list_multipart_uploads().bucket("bucket").send().await.unwrap().uploads().len()
}

#[tokio::test]
async fn while_many_connections_drip_their_heads_others_are_answered_and_afterwards_all_is_free() {
    let (s3, folder) = (s3().await, tempfile::tempdir().unwrap());
    let davmux = limited(&s3, folder.path(), "header_timeout: 2s, connections_per_address: 1000").await;
    davmux.put("/l/file", "x").await;
    let before = descriptors(&davmux);
    let mut dripping = Vec::new();
    for _ in 0..300 {
        let mut socket = connect(&davmux).await;
        socket.write_all(b"GET /l/file HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
        dripping.push(tokio::spawn(async move {
            while socket.write_all(b"y").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }));
        assert_eq!(davmux.get("/l/file").await.text(), "x");
    }
    for task in dripping {
        tokio::time::timeout(PATIENCE, task).await.expect("each is cut").unwrap();
    }
    until("the former count of descriptors", async || descriptors(&davmux) <= before).await;
    assert!(davmux.log().contains(r#""status":408"#));
}

#[tokio::test]
async fn slow_readers_hold_no_connection_to_the_storage_and_get_every_byte_in_the_end() {
    const LENGTH: usize = 12 << 20;
    let (s3, folder) = (s3().await, tempfile::tempdir().unwrap());
    // Far more readers than may relay at once.
    let davmux = limited(&s3, folder.path(), "relays: 3, relay_timeout: 100ms, send_timeout: 1h").await;
    let film = davmux_driver_testkit::shorthand::pattern(LENGTH, 7);
    davmux.put("/b/film", film.clone()).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut socket = connect(&davmux).await;
        socket.write_all(b"GET /b/film HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        socket.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        readers.push(socket);
    }
    for mut socket in readers {
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.unwrap();
        assert!(all.ends_with(&film) && all.len() > LENGTH, "{} bytes", all.len());
    }
}

#[tokio::test]
async fn an_upload_that_stands_still_is_told_408_and_leaves_nothing() {
    let (s3, folder) = (s3().await, tempfile::tempdir().unwrap());
    let davmux = limited(&s3, folder.path(), "body_timeout: 300ms").await;
    for path in ["/b/f", "/l/f"] {
        let mut socket = connect(&davmux).await;
        let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 40 << 20);
        socket.write_all(head.as_bytes()).await.unwrap();
        // Enough for a part.
        socket.write_all(&vec![b'x'; 17 << 20]).await.unwrap();
        let answer = said(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(davmux.get(path).await.status, 404);
    }
    until("no upload in progress", async || uploads_in_progress(&s3).await == 0).await;
    assert_eq!(std::fs::read_dir(folder.path().join(".davmux-staging")).map_or(0, Iterator::count), 0);
}

#[tokio::test]
async fn a_file_over_the_limit_is_413_and_leaves_nothing_whether_its_length_was_told_or_not() {
    let (s3, folder) = (s3().await, tempfile::tempdir().unwrap());
    let davmux = limited(&s3, folder.path(), "body_size: 20MiB").await;
    let large = vec![b'x'; (20 << 20) + 1];
    for path in ["/b/f", "/l/f"] {
        let mut socket = connect(&davmux).await;
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            large.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        assert!(said(&mut socket).await.starts_with("HTTP/1.1 413 "));
        let mut socket = connect(&davmux).await;
        let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", large.len());
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&large).await.unwrap();
        socket.write_all(b"\r\n0\r\n\r\n").await.unwrap();
        assert!(said(&mut socket).await.starts_with("HTTP/1.1 413 "));
        assert_eq!(davmux.get(path).await.status, 404);
        assert_eq!(davmux.put(path, Bytes::from(large[1..].to_vec())).await, 201);
    }
    until("no upload in progress", async || uploads_in_progress(&s3).await == 0).await;
}

#[tokio::test]
async fn whatever_is_sent_the_next_client_is_answered_and_memory_is_bounded() {
    let (s3, folder) = (s3().await, tempfile::tempdir().unwrap());
    let davmux =
        limited(&s3, folder.path(), "header_timeout: 1s, idle_timeout: 1s, body_timeout: 1s, send_timeout: 1s").await;
    davmux.put("/l/file", "x").await;
    davmux.put("/l/large", Bytes::from(vec![b'x'; 8 << 20])).await;
    let before = descriptors(&davmux);
    let mega = "m".repeat(1 << 20);
    let get = "GET /l/file HTTP/1.1\r\nHost: x\r\n\r\n";
    let put = "PUT /l/f HTTP/1.1\r\nHost: x\r\n";
    let large = "GET /l/large HTTP/1.1\r\nHost: x\r\n\r\n";
    let attacks: Vec<(&str, Vec<u8>)> = vec![
        ("a header of a megabyte", format!("GET / HTTP/1.1\r\nHost: x\r\nX: {mega}\r\n\r\n").into()),
        ("headers of a megabyte", format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(170_000)).into()),
        ("a method of a megabyte", format!("{mega} / HTTP/1.1\r\nHost: x\r\n\r\n").into()),
        ("a target of a megabyte", format!("GET /{mega} HTTP/1.1\r\nHost: x\r\n\r\n").into()),
        (
            "an extension of a megabyte",
            format!("{put}Transfer-Encoding: chunked\r\n\r\n1;{mega}\r\nx\r\n0\r\n\r\n").into(),
        ),
        ("trailers of a megabyte", format!("{put}Transfer-Encoding: chunked\r\n\r\n0\r\nX: {mega}\r\n\r\n").into()),
        ("an endless chunk", format!("{put}Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n{mega}").into()),
        ("an endless length", format!("{put}Content-Length: 18446744073709551615\r\n\r\n{mega}").into()),
        ("a negative length", format!("{put}Content-Length: -1\r\n\r\n{mega}").into()),
        ("a thousand requests, pipelined", get.repeat(1000).into()),
        ("a hundred files, pipelined, and none is read", large.repeat(100).into()),
        (
            "a body that nobody reads",
            format!("GET /l/file HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{mega}").into(),
        ),
        ("no HTTP at all", mega.clone().into()),
        ("streams that are reset at once", rapid_reset(20_000)),
        ("a head in endless continuations", continuations(20_000)),
        ("settings without end", frames(4, 0, 0, &[], 50_000)),
        ("pings without end", frames(6, 0, 0, &[0; 8], 50_000)),
        ("window updates of nothing", frames(8, 0, 0, &[0; 4], 1000)),
        ("priorities without end", frames(2, 0, 1, &[0, 0, 0, 0, 1], 50_000)),
        ("empty data without end", frames(0, 0, 1, &[], 50_000)),
    ];
    for (name, attack) in attacks {
        let mut socket = connect(&davmux).await;
        let (_reader, mut writer) = socket.split();
        // The server may close at any byte of it, or stop reading.
        let _ = tokio::time::timeout(Duration::from_secs(3), writer.write_all(&attack)).await;
        assert_eq!(davmux.get("/l/file").await.text(), "x", "beside {name}");
        drop(socket);
        assert_eq!(davmux.get("/l/file").await.text(), "x", "after {name}");
    }
    until("the former count of descriptors", async || descriptors(&davmux) <= before + 1).await;
    assert_eq!(uploads_in_progress(&s3).await, 0);
    assert_eq!(davmux.get("/l/f").await.status, 404);
    let most = peak(&davmux);
    assert!(most < 250, "{most} MiB");
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn opening() -> Vec<u8> {
    [PREFACE, &frame(4, 0, 0, &[])].concat()
}

/// The same frame many times.
fn frames(kind: u8, flags: u8, stream: u32, payload: &[u8], times: usize) -> Vec<u8> {
    [opening(), frame(kind, flags, stream, payload).repeat(times)].concat()
}

/// `GET /l/large`, in HPACK's static table and literals (RFC 7541).
fn head() -> Vec<u8> {
    [&[0x82, 0x86, 0x04, 8][..], b"/l/large", &[0x01, 1], b"x"].concat()
}

/// CVE-2023-44487.
fn rapid_reset(times: u32) -> Vec<u8> {
    let mut all = opening();
    for n in 0..times {
        let stream = 2 * n + 1;
        all.extend(frame(1, 0x05, stream, &head()));
        all.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    all
}

/// CVE-2024-27316 and its kin.
fn continuations(times: usize) -> Vec<u8> {
    // A literal that is not indexed: `x: y`.
    let field = [0x00, 1, b'x', 1, b'y'].repeat(200);
    [opening(), frame(1, 0, 1, &head()), frame(9, 0, 1, &field).repeat(times.min(2000))].concat()
}
