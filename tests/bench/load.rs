//! Load on a server, over plain sockets, so that it costs this process little.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A PUT of so many bytes.
pub(crate) async fn upload(addr: &str, path: &str, size: u64) {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {size}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![7; 1_000_000];
    let mut left = size;
    while left > 0 {
        let now = left.min(chunk.len() as u64);
        socket.write_all(&chunk[..usize::try_from(now).unwrap()]).await.unwrap();
        left -= now;
    }
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
}

/// A request whose answer is read to its end and thrown away: the bytes after its head.
async fn read_away(addr: &str, head: String) -> u64 {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 1 << 20];
    let (mut begin, mut length) = (Vec::<u8>::new(), 0);
    loop {
        let read = socket.read(&mut buffer).await.unwrap();
        if read == 0 {
            return length;
        }
        if length > 0 {
            length += read as u64;
            continue;
        }
        begin.extend(&buffer[..read]);
        if let Some(end) = begin.windows(4).position(|window| window == b"\r\n\r\n") {
            length = (begin.len() - end - 4) as u64;
        }
    }
}

/// A GET of a file: its length.
pub(crate) async fn download(addr: &str, path: &str) -> u64 {
    read_away(addr, format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")).await
}

/// A PROPFIND of a folder: the length of its answer, with chunk sizes.
pub(crate) async fn propfind(addr: &str, path: &str) -> u64 {
    read_away(addr, format!("PROPFIND {path} HTTP/1.1\r\nHost: {addr}\r\nDepth: 1\r\nConnection: close\r\n\r\n")).await
}

/// GETs of one file that is redirected, on 16 connections with one request each at a time: how many.
/// `login`: a header line with its end, or nothing.
pub(crate) async fn redirects(addr: &str, login: &str, time: Duration) -> u64 {
    let request = format!("GET /b/film HTTP/1.1\r\nHost: {addr}\r\nUser-Agent: Kodi/21.0\r\n{login}\r\n");
    let end = Instant::now() + time;
    let connections = (0..16).map(|_| {
        let (addr, request) = (addr.to_owned(), request.clone());
        tokio::spawn(async move {
            let mut socket = TcpStream::connect(addr).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let mut buffer = vec![0; 8192];
            let mut count = 0;
            while Instant::now() < end {
                socket.write_all(request.as_bytes()).await.unwrap();
                let mut length = 0;
                while !buffer[..length].ends_with(b"\r\n\r\n") {
                    length += socket.read(&mut buffer[length..]).await.unwrap();
                }
                assert!(buffer.starts_with(b"HTTP/1.1 302"), "{}", String::from_utf8_lossy(&buffer[..length]));
                count += 1;
            }
            count
        })
    });
    futures_util::future::join_all(connections.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).sum()
}
