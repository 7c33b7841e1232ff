//! A storage that answers what no honest one does: davmux goes on answering others, its memory stays bounded, a client is
//! told of a failure and never of a folder or a file that is not so, and nothing is written outside a root.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Davmux, PATIENCE, local};

const MIB: u64 = 1 << 20;

/// What davmux may hold more than at its start while it is lied to, in a debug build, two kept listings included.
const MOST_MEMORY: u64 = 220 * MIB;

/// What is sent for one request.
enum Sent {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then the other ones over and over.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes, and then nothing, with the connection open.
    Silence(Vec<u8>),
}

/// An answer with a length that is right.
fn answer(status: &str, headers: &str, body: &str) -> Sent {
    let head = format!("HTTP/1.1 {status}\r\nx-amz-request-id: 1\r\nContent-Length: {}\r\n{headers}", body.len());
    Sent::Bytes([head.as_bytes(), b"Connection: close\r\n\r\n", body.as_bytes()].concat())
}

fn page(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b\
         </Name><Prefix></Prefix><MaxKeys>1000</MaxKeys>{inside}</ListBucketResult>"
    )
}

fn member(key: &str, size: &str, modified: &str, etag: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
    )
}

fn plain_member(key: &str) -> String {
    member(key, "1", "2024-01-01T00:00:00.000Z", "&quot;e&quot;")
}

fn whole(members: &str) -> Sent {
    answer("200 OK", "Content-Type: application/xml\r\n", &page(&format!("{members}<IsTruncated>false</IsTruncated>")))
}

const FILE: &str = "ETag: \"e\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/plain\r\n";

/// Each case is a bucket: what it answers to a listing, and to anything else.
fn lie(case: &str, request: &str, count: usize) -> Sent {
    let listing = request.starts_with("GET") && request.lines().next().is_some_and(|line| line.contains("prefix="));
    let nothing = || answer("404 Not Found", "", "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>");
    let head = request.starts_with("HEAD");
    match (case, listing) {
        // Pages that never end, each with a token that was never there.
        ("pages", true) => {
            let members: String = (0..1000).map(|n| plain_member(&format!("{count:012}-{n:04}"))).collect();
            let more = format!(
                "{members}<IsTruncated>true</IsTruncated><NextContinuationToken>t{count}</NextContinuationToken>"
            );
            answer("200 OK", "", &page(&more))
        }
        ("token", true) => {
            let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>";
            answer("200 OK", "", &page(&format!("{}{more}", plain_member("a"))))
        }
        ("document", true) => {
            let head = "HTTP/1.1 200 OK\r\nx-amz-request-id: 1\r\nContent-Length: 10000000000\r\n\r\n";
            let start = format!("{head}{}", page("").split("</ListBucketResult>").next().unwrap());
            Sent::Endless(start.into(), plain_member("again").repeat(500).into())
        }
        ("entities", true) => answer(
            "200 OK",
            "",
            &format!(
                "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY a \"{}\"><!ENTITY b \"{}\"><!ENTITY c SYSTEM \
                 \"file:///etc/passwd\">]>{}",
                "x".repeat(10_000),
                "&a;".repeat(10_000),
                page("<Contents><Key>&b;&c;</Key><Size>1</Size></Contents>").split_once("?>").unwrap().1
            ),
        ),
        ("terabyte", true) => {
            Sent::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 1_u64 << 40, page("")).into())
        }
        ("zipped", true) => {
            // 10 MB of zeros are 10 kB of gzip; whoever unpacks them is lost.
            answer("200 OK", "Content-Encoding: gzip\r\n", &page(""))
        }
        ("flood", true) | ("flood", false) => {
            let flood: String = (0..20_000).map(|n| format!("x-flood-{n}: {}\r\n", "f".repeat(60))).collect();
            answer("200 OK", &flood, &page(""))
        }
        ("long-header", _) => answer("200 OK", &format!("x-long: {}\r\n", "l".repeat(4 << 20)), &page("")),
        ("garbage", _) => Sent::Bytes(b"\x00\xff\x16\x03\x01 not HTTP\r\n\r\n".to_vec()),
        ("no-xml", true) => answer("200 OK", "", "\u{1}<<<>>>&&&"),
        ("html", true) => answer("200 OK", "Content-Type: text/html\r\n", "<html><body>Welcome</body></html>"),
        ("half", true) => {
            let text = page(&plain_member("a"));
            answer("200 OK", "", &text[..text.len() - 5])
        }
        ("silence", _) => Sent::Silence(Vec::new()),
        ("drip", true) => Sent::Silence(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<?xml".to_vec()),
        ("circle", _) => answer("307 Temporary Redirect", "Location: /circle/\r\n", ""),
        ("sizes-negative", true) => whole(&member("f", "-1", "2024-01-01T00:00:00.000Z", "&quot;e&quot;")),
        ("sizes-huge", true) => {
            whole(&member("f", "99999999999999999999999", "2024-01-01T00:00:00.000Z", "&quot;e&quot;"))
        }
        ("sizes-words", true) => whole(&member("f", "many", "2024-01-01T00:00:00.000Z", "&quot;e&quot;")),
        ("dates", true) => whole(
            &["-99999-01-01T00:00:00Z", "999999-12-31T23:59:59Z", "2024-13-45T99:99:99Z", "never", ""]
                .iter()
                .enumerate()
                .map(|(n, date)| member(&format!("f{n}"), "1", date, "&quot;e&quot;"))
                .collect::<String>(),
        ),
        ("etags", true) => whole(
            &["&quot;a&#13;&#10;x-made-up: yes&quot;", "&quot;&quot;&quot;", "W/&quot;&lt;b>&quot;", "", "&#233;"]
                .iter()
                .enumerate()
                .map(|(n, etag)| member(&format!("f{n}"), "1", "2024-01-01T00:00:00.000Z", etag))
                .collect::<String>(),
        ),
        ("keys", true) => {
            let odd = [
                "../../outside",
                "..",
                ".",
                "/absolute",
                "a/../../outside",
                "\\..\\outside",
                "x//y",
                "./here",
                "a&#10;b",
                "..%2f..%2foutside",
                "%2e%2e/outside",
                "C:\\outside",
                "nul&#1;",
                &"k".repeat(1 << 20),
            ];
            whole(&odd.into_iter().chain(["good"]).map(plain_member).collect::<String>())
        }
        // A file, which is not as long as it says.
        ("short", false) => Sent::Bytes(format!("HTTP/1.1 200 OK\r\n{FILE}Content-Length: 100\r\n\r\nabc").into()),
        ("more", false) => Sent::Bytes(format!("HTTP/1.1 200 OK\r\n{FILE}Content-Length: 3\r\n\r\nabcdefgh").into()),
        ("terabyte", false) if head => answer("200 OK", "", ""),
        ("terabyte", false) => {
            Sent::Bytes(format!("HTTP/1.1 200 OK\r\n{FILE}Content-Length: {}\r\n\r\nabc", 1_u64 << 40).into())
        }
        ("negative", false) => Sent::Bytes(format!("HTTP/1.1 200 OK\r\n{FILE}Content-Length: -5\r\n\r\nabc").into()),
        ("lengths", false) => {
            Sent::Bytes(format!("HTTP/1.1 200 OK\r\n{FILE}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd").into())
        }
        ("other-part", false) => Sent::Bytes(
            format!(
                "HTTP/1.1 206 Partial Content\r\n{FILE}Content-Range: bytes 5-7/100\r\nContent-Length: 3\r\n\r\nabc"
            )
            .into(),
        ),
        ("endless", false) => Sent::Endless(
            format!("HTTP/1.1 200 OK\r\n{FILE}Transfer-Encoding: chunked\r\n\r\n").into(),
            b"4\r\nabcd\r\n".repeat(1000),
        ),
        ("splitting", false) => {
            answer("200 OK", "ETag: \"a\u{b}x\"\r\nContent-Type: text/html\u{b}x-made-up: yes\r\n", "abc")
        }
        ("inside", false) if request.starts_with("PUT") => {
            answer("200 OK", "", "<Error><Code>InternalError</Code><Message>it did not work</Message></Error>")
        }
        ("inside", false) => answer("200 OK", FILE, if head { "" } else { "x" }),
        (_, true) => whole(""),
        (_, false) if case == "keys" && !head => answer("200 OK", FILE, "x"),
        _ => nothing(),
    }
}

/// The storage. Each request counts, so that it is seen when nobody asks any more.
async fn storage() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, asked) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let (mut request, mut buffer) = (Vec::new(), [0; 16 * 1024]);
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match socket.read(&mut buffer).await {
                        Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                        _ => return,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let case = request.split('/').nth(1).unwrap_or_default().split(['/', '?', ' ']).next().unwrap();
                match lie(case, &request, counter.fetch_add(1, Ordering::Relaxed)) {
                    Sent::Bytes(bytes) => drop(socket.write_all(&bytes).await),
                    Sent::Endless(start, again) => {
                        let mut sent = socket.write_all(&start).await;
                        while sent.is_ok() {
                            sent = socket.write_all(&again).await;
                        }
                    }
                    Sent::Silence(start) => {
                        let _ = socket.write_all(&start).await;
                        // Until the other side gives up.
                        while let Ok(1..) = socket.read(&mut buffer).await {}
                    }
                }
            });
        }
    });
    (addr, asked)
}

fn mounts(addr: SocketAddr, cases: &[&str], more: &str) -> String {
    let mount = |case: &&str| {
        format!(
            "  - path: /{case}\n    driver: s3\n    bucket: {case}\n    endpoint: http://{addr}\n    region: us-east-1\n    \
             access_key_id: key\n    secret_access_key: secret\n    force_path_style: true\n    read: relay\n{more}"
        )
    };
    cases.iter().map(mount).collect()
}

/// Memory in bytes at its highest.
fn peak(davmux: &Davmux) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", davmux.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// Others are answered.
async fn serves_others(davmux: &Davmux) {
    assert_eq!(davmux.get("/local/file").await.text(), "fine");
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("root")).unwrap();
    std::fs::write(dir.path().join("root/file"), "fine").unwrap();
    dir
}

/// A listing that is a failure to who asked: a status that says so, or a body that is cut.
async fn fails_to_list(davmux: &Davmux, path: &str) {
    let answer = davmux.propfind(path, "1").await;
    match answer.status {
        StatusCode::MULTI_STATUS => {
            assert!(answer.body.is_err(), "{path}: {}", answer.text());
        }
        status => assert!(status.is_server_error() && status != StatusCode::INTERNAL_SERVER_ERROR, "{path}: {status}"),
    }
}

#[tokio::test]
async fn a_listing_that_is_a_lie_is_an_error_and_never_a_folder() {
    let (dir, (addr, _)) = (folder(), storage().await);
    let cases = [
        "token",
        "document",
        "entities",
        "terabyte",
        "flood",
        "long-header",
        "garbage",
        "no-xml",
        "html",
        "half",
        "circle",
        "sizes-negative",
        "sizes-huge",
        "sizes-words",
    ];
    let davmux = Davmux::serve(&(local("/local", &dir.path().join("root")) + &mounts(addr, &cases, ""))).await;
    let before = peak(&davmux);
    for case in cases {
        fails_to_list(&davmux, &format!("/{case}/")).await;
        serves_others(&davmux).await;
    }
    let grown = peak(&davmux) - before;
    assert!(grown < MOST_MEMORY, "{} MiB more", grown / MIB);
    assert!(!davmux.log().contains("panicked"), "{}", davmux.log());
}

#[tokio::test]
async fn a_file_that_is_a_lie_is_an_error_and_never_short_or_missing() {
    let (dir, (addr, _)) = (folder(), storage().await);
    let cases = [
        "short",
        "terabyte",
        "negative",
        "lengths",
        "other-part",
        "endless",
        "flood",
        "long-header",
        "garbage",
        "circle",
    ];
    let davmux = Davmux::serve(&(local("/local", &dir.path().join("root")) + &mounts(addr, &cases, ""))).await;
    let before = peak(&davmux);
    for case in cases {
        let answer = davmux.get(&format!("/{case}/f")).await;
        let told = answer.status.is_server_error() && answer.status != StatusCode::INTERNAL_SERVER_ERROR;
        assert!(told || answer.body.is_err(), "{case}: {} {:?}", answer.status, answer.body);
        serves_others(&davmux).await;
    }
    let grown = peak(&davmux) - before;
    assert!(grown < MOST_MEMORY, "{} MiB more", grown / MIB);
    assert!(!davmux.log().contains("panicked"), "{}", davmux.log());
}

#[tokio::test]
async fn what_is_too_long_or_splits_a_head_reaches_no_client() {
    let (dir, (addr, _)) = (folder(), storage().await);
    let cases = ["more", "splitting", "etags", "dates", "zipped"];
    let davmux = Davmux::serve(&(local("/local", &dir.path().join("root")) + &mounts(addr, &cases, ""))).await;
    assert_eq!(davmux.get("/more/f").await.text(), "abc", "as long as it was said to be");
    let answer = davmux.get("/splitting/f").await;
    assert!(!answer.headers.contains_key("x-made-up"), "{:?}", answer.headers);
    for case in ["etags", "dates"] {
        let answer = davmux.propfind(&format!("/{case}/"), "1").await;
        assert!(!answer.headers.contains_key("x-made-up"));
        match answer.status {
            StatusCode::MULTI_STATUS => assert_eq!(answer.hrefs().len(), 6, "{case}: {}", answer.text()),
            status => assert!(status.is_server_error(), "{case}: {status}"),
        }
    }
    serves_others(&davmux).await;
    assert!(!davmux.log().contains("panicked"), "{}", davmux.log());
}

#[tokio::test]
async fn a_listing_without_an_end_is_read_as_far_as_somebody_reads_it_and_no_further() {
    let (dir, (addr, asked)) = (folder(), storage().await);
    let local = local("/local", &dir.path().join("root"));
    for more in ["    list_cache: 0\n", "    list_cache: 60s\n"] {
        let davmux = Davmux::serve(&(local.clone() + &mounts(addr, &["pages"], more))).await;
        let before = peak(&davmux);
        let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
        socket.write_all(b"PROPFIND /pages/ HTTP/1.1\r\nHost: x\r\nDepth: 1\r\n\r\n").await.unwrap();
        // More than a listing that is kept may have: 150,000 members.
        let mut buffer = vec![0; 1 << 20];
        let (mut read, reading) = (0, Duration::from_secs(50));
        let enough = tokio::time::timeout(reading, async {
            while read < 48 << 20 {
                match socket.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => read += count,
                }
            }
        });
        let _ = enough.await;
        assert!(read > 1 << 20, "{read} bytes");
        serves_others(&davmux).await;
        drop(socket);
        // It is asked no more once nobody reads.
        let stopped = async {
            loop {
                let count = asked.load(Ordering::Relaxed);
                for _ in 0..20 {
                    serves_others(&davmux).await;
                }
                if asked.load(Ordering::Relaxed) == count {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, stopped).await.expect("it goes on asking for pages that nobody wants");
        let grown = peak(&davmux) - before;
        assert!(grown < MOST_MEMORY, "{more}: {} MiB more", grown / MIB);
    }
}

#[tokio::test]
async fn a_storage_that_falls_silent_holds_up_nobody_else() {
    let (dir, (addr, asked)) = (folder(), storage().await);
    let davmux = Arc::new(
        Davmux::serve(&(local("/local", &dir.path().join("root")) + &mounts(addr, &["silence", "drip"], ""))).await,
    );
    let count = asked.load(Ordering::Relaxed);
    let mut waiting = Vec::new();
    for n in 0..64 {
        let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
        let request = match n % 4 {
            0 => "GET /silence/f HTTP/1.1\r\nHost: x\r\n\r\n",
            1 => "PROPFIND /drip/ HTTP/1.1\r\nHost: x\r\nDepth: 1\r\n\r\n",
            2 => "PUT /silence/f HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
            _ => "PROPFIND /silence/ HTTP/1.1\r\nHost: x\r\nDepth: 1\r\n\r\n",
        };
        socket.write_all(request.as_bytes()).await.unwrap();
        waiting.push(socket);
    }
    let begun = async {
        while asked.load(Ordering::Relaxed) < count + 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    for _ in 0..50 {
        serves_others(&davmux).await;
    }
    assert_eq!(davmux.propfind("/local/", "1").await.status, StatusCode::MULTI_STATUS);
}

/// All paths below a folder.
fn below(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            found.insert(entry.path().strip_prefix(dir).unwrap().display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn keys_that_lead_out_of_a_folder_lead_nowhere() {
    let (dir, (addr, _)) = (folder(), storage().await);
    let davmux = Davmux::serve(&(local("/local", &dir.path().join("root")) + &mounts(addr, &["keys"], ""))).await;
    let listed = davmux.propfind("/keys/", "1").await;
    assert_eq!(listed.status, StatusCode::MULTI_STATUS);
    for href in listed.hrefs() {
        let inside = href == "/keys/"
            || href.strip_prefix("/keys/").is_some_and(|name| !name.split('/').any(|part| part == ".." || part == "."));
        assert!(inside, "{href:.200}");
    }
    assert!(listed.hrefs().contains(&"/keys/good".to_owned()), "{:.2000}", listed.text());
    let copied = davmux.to("COPY", "/keys/", "/local/copied").await;
    assert!(copied.status.is_success() || copied.status.is_server_error(), "{}", copied.status);
    for path in below(dir.path()) {
        let inside = path == "root" || path.starts_with("root/");
        assert!(inside, "{path} is outside of the root");
    }
    serves_others(&davmux).await;
}

#[tokio::test]
async fn an_error_inside_an_answer_that_says_200_is_no_copy() {
    let (dir, (addr, _)) = (folder(), storage().await);
    let davmux = Davmux::serve(&(local("/local", &dir.path().join("root")) + &mounts(addr, &["inside"], ""))).await;
    let copied = davmux.to("COPY", "/inside/f", "/inside/g").await;
    assert!(!matches!(copied.status, StatusCode::CREATED | StatusCode::NO_CONTENT), "{}", copied.status);
    let moved = davmux.to("MOVE", "/inside/f", "/inside/g").await;
    assert!(!matches!(moved.status, StatusCode::CREATED | StatusCode::NO_CONTENT), "{}", moved.status);
}
