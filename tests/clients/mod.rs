//! What clients send, byte for byte as their sources or captures have it, and what each needs in the answers.
//!
//! A replay is a list of raw requests, each with the place that it was read in. Heads are written here with plain line ends
//! and sent with those of HTTP; words in braces (`{path}`, `{token}`, `{length}`) are filled in. The answers are judged by the
//! client's own rules, which stand beside the requests. Each replay runs on a local folder and on a bucket whose server
//! refuses what Amazon S3 refuses.

// Explorer and Office, through the Windows redirector.
mod explorer;
// davfs2, and neon under it.
mod davfs2;
// macOS.
mod finder;
// Kodi, and libcurl under it.
mod kodi;
// gvfs, Cyberduck and others whose sequences are short.
mod others;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use davmux_s3_server::{Running, Server, Strict};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::{Answer, Davmux, PATIENCE, bucket, local};

/// The two kinds of storage that each replay runs on, as paths of the tree.
const ROOTS: [&str; 2] = ["/l", "/b"];

/// `alice` with the password `secret`.
const BASIC: &str = "Basic YWxpY2U6c2VjcmV0";

/// A local folder and a bucket in one tree, for one user.
struct Site {
    davmux: Davmux,
    s3: Running,
    folder: TempDir,
}

/// More lines of YAML.
#[derive(Clone, Copy, Debug, Default)]
struct Lines<'a> {
    server: &'a [&'a str],
    local: &'a [&'a str],
    bucket: &'a [&'a str],
}

impl Site {
    async fn start() -> Self {
        Self::with(Lines::default()).await
    }

    async fn with(lines: Lines<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let s3 = Server::builder().bucket("bucket").strict(Strict::amazon()).start().await.unwrap();
        let indented = |lines: &[&str], by: &str| lines.iter().map(|line| format!("{by}{line}\n")).collect::<String>();
        let file = format!(
            "version: 1\nserver:\n  drain: 1s\n{}users:\n  - {{ name: alice, password: secret, access: read-write \
             }}\nmounts:\n{}{}{}",
            indented(lines.server, "  "),
            local("/l", folder.path()),
            indented(lines.local, "    "),
            bucket("/b", &s3, lines.bucket)
        );
        let davmux = Davmux::serve_file(&file).await;
        Self { davmux, s3, folder }
    }

    /// A connection that a client keeps.
    async fn connect(&self) -> Connection {
        Connection::to(&self.davmux.addr).await
    }

    /// Puts a file there as somebody else.
    async fn put(&self, path: &str, content: impl Into<Bytes>) {
        let answer = self.davmux.send("PUT", path, &[("Authorization", BASIC)], content).await;
        assert!(answer.status.is_success(), "PUT {path}: {}", answer.status);
    }

    /// What is there now, seen by somebody else.
    async fn read(&self, path: &str) -> Option<Bytes> {
        let answer = self.davmux.send("GET", path, &[("Authorization", BASIC)], "").await;
        match answer.status {
            StatusCode::OK => Some(answer.body.unwrap()),
            StatusCode::NOT_FOUND => None,
            other => panic!("GET {path}: {other}"),
        }
    }

    /// The hrefs of a folder's members.
    async fn members(&self, path: &str) -> Vec<String> {
        let answer = self.davmux.send("PROPFIND", path, &[("Authorization", BASIC), ("Depth", "1")], "").await;
        assert_eq!(answer.status, StatusCode::MULTI_STATUS, "{path}");
        answer.hrefs().split_off(1)
    }

    /// A path in the local folder.
    fn here(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

/// A request: its head as the source has it, without the empty line, and its body.
#[derive(Clone, Debug)]
struct Raw {
    head: String,
    body: Vec<u8>,
    /// The head alone is sent; the body follows when the server asks for it.
    waits: bool,
}

/// A request whose words in braces are filled in; `{length}` is the length of its body.
fn raw(head: &str, body: impl AsRef<[u8]>, words: &[(&str, &str)]) -> Raw {
    let body = body.as_ref().to_vec();
    let length = body.len().to_string();
    let mut filled = head.to_owned();
    for (word, value) in words.iter().chain(&[("length", length.as_str()), ("basic", BASIC)]) {
        filled = filled.replace(&format!("{{{word}}}"), value);
    }
    Raw { head: filled, body, waits: false }
}

impl Raw {
    /// A header less: what a client leaves out before it was asked for a password.
    fn without(mut self, name: &str) -> Self {
        self.head = self.head.lines().filter(|line| !line.starts_with(name)).collect::<Vec<_>>().join("\n");
        self
    }

    fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }
}

/// The body in chunks, as CFNetwork and libcurl send what they do not know the length of.
fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in content.chunks(size) {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

/// A connection of HTTP/1.1 that is kept, and opened anew where the server closed it.
struct Connection {
    addr: String,
    socket: BufReader<TcpStream>,
}

impl Connection {
    async fn to(addr: &str) -> Self {
        Self { addr: addr.to_owned(), socket: BufReader::new(TcpStream::connect(addr).await.unwrap()) }
    }

    /// Sends a request and reads its whole answer.
    async fn send(&mut self, request: &Raw) -> Answer {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        answer.unwrap_or_else(|_| panic!("no answer to {}", request.head))
    }

    async fn exchange(&mut self, request: &Raw) -> Answer {
        self.write(request).await;
        let (mut status, mut headers) = self.head().await;
        while status.is_informational() {
            if status == StatusCode::CONTINUE && request.waits {
                self.socket.write_all(&request.body).await.unwrap();
            }
            (status, headers) = self.head().await;
        }
        let body = self.body(request.method(), status, &headers).await;
        if headers.get("connection").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close")) {
            self.socket = BufReader::new(TcpStream::connect(&self.addr).await.unwrap());
        }
        Answer { status, headers, body }
    }

    /// The head with the line ends of HTTP, and the body unless it waits.
    async fn write(&mut self, request: &Raw) {
        let head = request.head.trim_end_matches('\n').replace("{host}", &self.addr).replace('\n', "\r\n");
        assert!(!head.contains('{'), "a word was not filled in: {head}");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(b"\r\n\r\n");
        if !request.waits {
            bytes.extend_from_slice(&request.body);
        }
        self.socket.write_all(&bytes).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.socket.read_line(&mut line).await.unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    async fn head(&mut self) -> (StatusCode, HeaderMap) {
        let line = self.line().await;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = StatusCode::from_u16(status.unwrap_or_else(|| panic!("no status line: {line:?}"))).unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                assert!(line.is_empty(), "no header: {line:?}");
                return (status, headers);
            };
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
    }

    async fn body(&mut self, method: &str, status: StatusCode, headers: &HeaderMap) -> Result<Bytes, String> {
        if method == "HEAD" || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
            return Ok(Bytes::new());
        }
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
            loop {
                let size = usize::from_str_radix(&self.line().await, 16).map_err(|error| error.to_string())?;
                let from = body.len();
                body.resize(from + size, 0);
                self.socket.read_exact(&mut body[from..]).await.map_err(|error| error.to_string())?;
                self.line().await;
                if size == 0 {
                    return Ok(body.into());
                }
            }
        }
        let length = headers.get("content-length").expect("a length or chunks, as the connection is kept");
        body.resize(length.to_str().unwrap().parse().unwrap(), 0);
        self.socket.read_exact(&mut body).await.map_err(|error| error.to_string())?;
        Ok(body.into())
    }
}

/// What the elements of this name hold, in the order of the document.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let open = format!("<D:{name}>");
    xml.split(&open).skip(1).map(|rest| rest.split("</D:").next().unwrap().to_owned()).collect()
}

/// The token in the answer to a LOCK, as clients find it: the href in `locktoken`.
fn token(answer: &Answer) -> String {
    let text = answer.text();
    let found = elements(&text, "locktoken");
    found[0].strip_prefix("<D:href>").unwrap_or_else(|| panic!("no token: {text}")).to_owned()
}

/// Whether a lock was given for about the time that was asked for, in seconds; what is told is what is left of it.
fn lasts(answer: &Answer, asked: u64) -> bool {
    let told = elements(&answer.text(), "timeout");
    let left: u64 = told[0].strip_prefix("Second-").unwrap().parse().unwrap();
    left <= asked && left > asked / 2
}

/// The properties that were found, for each href: what stands in the propstat with 200.
fn found(answer: &Answer) -> HashMap<String, String> {
    let text = answer.text();
    let mut all = HashMap::new();
    for response in text.split("<D:response>").skip(1) {
        let href = elements(response, "href").remove(0);
        let found = response.split("<D:propstat>").find(|part| part.contains("HTTP/1.1 200 OK"));
        all.insert(href, found.unwrap_or_default().to_owned());
    }
    all
}
