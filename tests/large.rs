//! Folders larger than what may be held of them: memory does not grow with their members. Linux, as `/proc` is asked.
//! `DAVMUX_LARGE_FOLDER=1000000` makes the folder of another size than the usual one.

use std::time::Duration;

use davmux_s3_server::{Running, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Davmux, bucket};

/// Members. Listings above 100,000 are not kept; this many more show whether anything else is.
const MEMBERS: u32 = 150_000;
/// What may be held over an idle process, in MB.
const BOUND: u64 = 200;
/// Far more than it takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(900);

fn members() -> u32 {
    std::env::var("DAVMUX_LARGE_FOLDER").map_or(MEMBERS, |members| members.parse().unwrap())
}

async fn start() -> (Running, Davmux) {
    let s3 = Server::builder().bucket("bucket").numbered_objects("bucket", "large/", members()).start().await.unwrap();
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    davmux.logged("the mount is ready").await;
    (s3, davmux)
}

/// A field of `/proc/PID/status`, in MB.
fn status(davmux: &Davmux, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", davmux.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Sends a request and reads its answer to the end: its status line, and how often it holds a text.
async fn count(addr: &str, request: &str, text: &[u8]) -> (String, usize) {
    let answer = async {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let (mut buffer, mut head) = (vec![0; 1 << 20], String::new());
        // What was read last may hold the beginning of the text.
        let (mut kept, mut found) = (0, 0);
        loop {
            let read = socket.read(&mut buffer[kept..]).await.unwrap();
            if read == 0 {
                return (head, found);
            }
            let filled = &buffer[..kept + read];
            if head.is_empty() {
                head = String::from_utf8_lossy(filled).lines().next().unwrap_or_default().to_owned();
            }
            found += filled.windows(text.len()).filter(|window| *window == text).count();
            let rest = filled.len().min(text.len() - 1);
            let from = filled.len() - rest;
            buffer.copy_within(from..from + rest, 0);
            kept = rest;
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.expect("an answer")
}

fn request(method: &str, davmux: &Davmux, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", davmux.addr)
}

/// Runs one request and holds its memory against the bound.
async fn within_bound(davmux: &Davmux, what: &str, request: &str, text: &[u8]) -> (String, usize) {
    let idle = status(davmux, "VmRSS:");
    std::fs::write(format!("/proc/{}/clear_refs", davmux.id()), "5").unwrap();
    let answer = count(&davmux.addr, request, text).await;
    let peak = status(davmux, "VmHWM:").saturating_sub(idle);
    eprintln!("{what} of {} members: peak {peak} MB over {idle} MB idle", members());
    assert!(peak <= BOUND, "{what}: {peak} MB over idle");
    answer
}

#[tokio::test]
async fn a_folder_with_very_many_members_is_listed_and_deleted_in_bounded_memory() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: the memory of a process is read from /proc");
        return;
    }
    let (s3, davmux) = start().await;
    s3.recorder().reset();
    let propfind = request("PROPFIND", &davmux, "/b/large/", "Depth: 1\r\n");
    let (head, found) = within_bound(&davmux, "PROPFIND", &propfind, b"</D:response>").await;
    assert!(head.contains(" 207 "), "{head}");
    assert_eq!(found, members() as usize + 1);
    let pages = u64::from(members().div_ceil(1000));
    assert!(s3.recorder().total() <= pages + 1, "{:?}", s3.recorder().counts());
    let delete = request("DELETE", &davmux, "/b/large/", "");
    let (head, _) = within_bound(&davmux, "DELETE", &delete, b"</D:response>").await;
    assert!(head.contains(" 204 "), "{head}");
    let (_, found) = count(&davmux.addr, &request("PROPFIND", &davmux, "/b/", "Depth: 1\r\n"), b"</D:response>").await;
    assert_eq!(found, 1, "the folder is gone");
}
