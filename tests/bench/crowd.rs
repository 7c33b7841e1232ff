//! Many clients at once, and what they cost: slow readers, connections without a request, heads that never end.

use std::time::{Duration, Instant};

use davmux_s3_server::{Folder, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::Process;
use crate::support::{Davmux, bucket};

const FILM: usize = 100_000_000;

/// A bucket with a film at `/b`, relayed, and these limits; the log in a file.
async fn serve(limits: &str) -> (davmux_s3_server::Running, Davmux, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let store = Folder::open(data.path()).unwrap();
    let s3 = Server::builder().store(store).bucket("bucket").start().await.unwrap();
    let server = format!("server:\n  anonymous: read-write\n  limits: {{{limits}}}\n");
    let file = format!("version: 1\n{server}mounts:\n{}", bucket("/b", &s3, &["read: relay"]));
    let davmux = Davmux::serve_quietly(&file).await;
    assert!(davmux.put("/b/small", "x").await.is_success());
    (s3, davmux, data)
}

async fn get(davmux: &Davmux, path: &str) -> TcpStream {
    let mut socket = TcpSocket::new_v4().unwrap().connect(davmux.addr.parse().unwrap()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// 200 clients relay a film of 100 MB at the same time and read about 64 KB a second each.
pub(crate) async fn slow_readers() {
    const CLIENTS: usize = 200;
    let (_s3, davmux, _data) = serve("requests_per_user: 1000").await;
    crate::load::upload(&davmux.addr, "/b/film", FILM as u64).await;
    let process = Process(davmux.id());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (idle, cpu) = (process.memory(), process.cpu());
    process.forget_peak();
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut socket = get(&davmux, "/b/film").await;
        readers.spawn(async move {
            let mut piece = vec![0; 16 * 1024];
            let end = Instant::now() + Duration::from_secs(20);
            while Instant::now() < end {
                socket.read_exact(&mut piece).await.unwrap();
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
    }
    let alone = latency(&davmux, 50).await;
    while readers.join_next().await.transpose().unwrap().is_some() {}
    println!(
        "{CLIENTS} slow readers of 100 MB: peak {} MB ({idle} MB before), {:.1} CPU-seconds in 20 s; another's request {:.1} ms",
        process.peak(),
        process.cpu() - cpu,
        alone * 1e3
    );
}

/// 1,000 connections that made one request and stay.
pub(crate) async fn idle() {
    const CLIENTS: usize = 1000;
    let (_s3, davmux, _data) = serve("connections_per_address: 10000").await;
    let process = Process(davmux.id());
    get(&davmux, "/b/small").await.read_exact(&mut [0; 12]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = process.memory_kb();
    let mut open = Vec::new();
    for _ in 0..CLIENTS {
        let mut socket = get(&davmux, "/b/small").await;
        socket.read_exact(&mut [0; 12]).await.unwrap();
        open.push(socket);
    }
    let each = process.memory_kb().saturating_sub(before) as f64 / CLIENTS as f64;
    println!("{CLIENTS} idle connections: {each:.1} KB each ({} MB before)", before / 1024);
}

/// 5,000 connections that send a byte of their head a second.
pub(crate) async fn slowloris() {
    const CLIENTS: usize = 5000;
    davmux_server::raise_descriptor_limit();
    let (_s3, davmux, _data) = serve("connections_per_address: 10000, header_timeout: 20s").await;
    let process = Process(davmux.id());
    let alone = latency(&davmux, 200).await;
    let (cpu, memory) = (process.cpu(), process.memory());
    let mut dripping = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
        dripping.spawn(async move {
            let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ").await;
            while socket.write_all(b"y").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    let attacked = latency(&davmux, 200).await;
    let peak = process.memory();
    let begin = Instant::now();
    while dripping.join_next().await.is_some() {}
    println!(
        "{CLIENTS} dripping heads: another's request takes {:.2} ms, alone {:.2} ms: {:.1} times; {:.1} KB a connection; \
         {:.1} CPU-seconds until the last was cut, {:.0} s later",
        attacked * 1e3,
        alone * 1e3,
        attacked / alone,
        peak.saturating_sub(memory) as f64 * 1024.0 / CLIENTS as f64,
        process.cpu() - cpu,
        begin.elapsed().as_secs_f64()
    );
}

/// The mean of some requests in a row, in seconds.
async fn latency(davmux: &Davmux, times: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..times {
        assert_eq!(davmux.propfind("/b/small", "0").await.status, 207);
    }
    begin.elapsed().as_secs_f64() / f64::from(times)
}
