//! The binary under test, an S3 server beside it, and a client.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use davmux_s3_server::{Running, Server};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;

/// How long anything may take before a test gives up: far more than it ever needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running davmux. Ended when dropped.
pub struct Davmux {
    child: Child,
    pub addr: String,
    pub dir: Arc<TempDir>,
    log: Arc<Mutex<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, or that it was cut.
    pub body: Result<Bytes, String>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.as_ref().expect("the body is whole").to_vec()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The hrefs of a 207, as they stand there.
    pub fn hrefs(&self) -> Vec<String> {
        let text = self.text();
        text.split("<D:href>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }
}

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_davmux"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Collects what a pipe says, line by line.
fn follow(pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>, lines: Option<mpsc::Sender<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
            drop(log);
            if let Some(lines) = &lines {
                let _ = lines.send(line);
            }
        }
    });
}

impl Davmux {
    /// Serves a mounts file; `mounts` is what follows `mounts:`.
    pub async fn serve(mounts: &str) -> Self {
        Self::serve_file(&format!("version: 1\nserver:\n  anonymous: read-write\nmounts:\n{mounts}")).await
    }

    /// Serves a whole file, from a fresh folder.
    pub async fn serve_file(file: &str) -> Self {
        Self::serve_in(Arc::new(tempfile::tempdir().unwrap()), file).await
    }

    /// Serves a whole file from a folder that is there: a restart.
    pub async fn serve_in(dir: Arc<TempDir>, file: &str) -> Self {
        let path = dir.path().join("mounts.yaml");
        std::fs::write(&path, file).unwrap();
        let mut command = binary();
        command.arg("serve").arg(&path).args(["--listen", "127.0.0.1:0"]);
        Self::spawn(command, dir).await
    }

    /// Serves a whole file, with the log in a file and not looked at: for measuring.
    pub async fn serve_quietly(file: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let path = dir.path().join("mounts.yaml");
        std::fs::write(&path, file).unwrap();
        let mut command = binary();
        command.stderr(std::fs::File::create(dir.path().join("log")).unwrap());
        command.arg("serve").arg(&path).args(["--listen", "127.0.0.1:0"]);
        Self::spawn(command, dir).await
    }

    pub async fn spawn(mut command: Command, dir: Arc<TempDir>) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (send, lines) = mpsc::channel();
        follow(child.stdout.take().unwrap(), Arc::clone(&log), Some(send));
        if let Some(stderr) = child.stderr.take() {
            follow(stderr, Arc::clone(&log), None);
        }
        let found = tokio::task::spawn_blocking(move || {
            while let Ok(line) = lines.recv_timeout(PATIENCE) {
                // Of several addresses the first one of TCP.
                if let Some((_, url)) = line.split_once("listening on http") {
                    return Some(
                        url.trim_start_matches('s').trim_start_matches("://").trim_end_matches('/').to_owned(),
                    );
                }
            }
            None
        });
        let Some(addr) = found.await.unwrap() else {
            let _ = child.kill();
            panic!("davmux did not start:\n{}", log.lock().unwrap());
        };
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { child, addr, dir, log, client }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log holds a text.
    pub async fn logged(&self, text: &str) {
        let found = tokio::time::timeout(PATIENCE, async {
            while !self.log().contains(text) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(found.await.is_ok(), "{text:?} is not in the log:\n{}", self.log());
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://{}{path}", self.addr));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = tokio::time::timeout(PATIENCE, self.client.request(request)).await.unwrap().unwrap();
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.map(|body| body.to_bytes()).map_err(|error| error.to_string()),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> StatusCode {
        self.send("PUT", path, &[], body).await.status
    }

    pub async fn propfind(&self, path: &str, depth: &str) -> Answer {
        self.send("PROPFIND", path, &[("Depth", depth)], "").await
    }

    pub async fn to(&self, method: &str, from: &str, to: &str) -> Answer {
        self.send(method, from, &[("Destination", &format!("http://{}{to}", self.addr))], "").await
    }

    /// Sends raw bytes on a connection of its own, and reads until the other side closes.
    pub async fn raw(&self, request: &[u8]) -> Vec<u8> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::TcpStream::connect(&self.addr).await.unwrap();
        socket.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
        answer
    }

    /// What the administrator's listener answers to a request line, with these header lines: the status, the head and the
    /// body.
    pub async fn administer_with(&self, line: &str, headers: &str) -> (u16, String, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        self.logged("administration on http://").await;
        let log = self.log();
        let (_, rest) = log.split_once("administration on http://").expect("it listens");
        let addr = rest.split('/').next().unwrap();
        let mut socket = tokio::net::TcpStream::connect(addr).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }

    /// The status and the body that the administrator's listener answers with.
    pub async fn administer(&self, line: &str) -> (u16, String) {
        let (status, _, body) = self.administer_with(line, "").await;
        (status, body)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and the exit status.
    pub async fn terminate(mut self) -> (Option<i32>, String) {
        let status = Command::new("kill").arg(self.id().to_string()).status().unwrap();
        assert!(status.success());
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        let code = tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap();
        (code, self.log())
    }

    /// SIGKILL: what a crash leaves.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Davmux {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An S3 server with one bucket, `bucket`.
pub async fn s3() -> Running {
    Server::builder().bucket("bucket").start().await.unwrap()
}

/// Another program on the same storage.
pub fn other(s3: &Running) -> aws_sdk_s3::Client {
    use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(s3.endpoint())
        .region(Region::new(s3.region().to_owned()))
        .credentials_provider(Credentials::new(s3.access_key(), s3.secret_key(), None, None, "test"))
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// A mount of the bucket `bucket`, with more options as lines of YAML (`"read: relay"`).
pub fn bucket(path: &str, s3: &Running, options: &[&str]) -> String {
    let mut mount = format!(
        "  - path: {path}\n    driver: s3\n    bucket: bucket\n    endpoint: {}\n    region: {}\n    access_key_id: {}\n    \
         secret_access_key: {}\n    force_path_style: true\n",
        s3.endpoint(),
        s3.region(),
        s3.access_key(),
        s3.secret_key(),
    );
    for option in options {
        writeln!(mount, "    {option}").unwrap();
    }
    if !options.iter().any(|option| option.starts_with("placeholder")) {
        mount.push_str("    placeholder: .placeholder\n");
    }
    mount
}

/// A mount of a folder below the mounts file.
pub fn local(path: &str, folder: &std::path::Path) -> String {
    format!("  - path: {path}\n    driver: local\n    root_folder_path: {}\n", folder.display())
}
