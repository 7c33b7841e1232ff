//! An application that does what its path says, a server for it, and a client that sees every byte.
// Each test file uses its part of this.
#![allow(dead_code, unreachable_pub)]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Once};

use bytes::Bytes;
use davmux_server::{
    AccessNote, Anonymous, Application, Body, Bound, BoxError, Caller, Drained, Handle, Identity, Listen, LoginWanted,
    Options, Password, RequestBody, Secret, Server, User,
};
use futures_util::{StreamExt, stream};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing_subscriber::fmt::MakeWriter;

/// `alice:secret`
pub const ALICE: &str = "authorization: Basic YWxpY2U6c2VjcmV0\r\n";

pub struct Scripted {
    /// `/hold` answers when it gets a permit.
    pub release: Semaphore,
    /// Gets a permit when `/hold` was called.
    pub held: Semaphore,
}

/// The test keeps one end of it.
#[derive(Clone)]
pub struct App(pub Arc<Scripted>);

impl Default for App {
    fn default() -> Self {
        Self(Arc::new(Scripted { release: Semaphore::new(0), held: Semaphore::new(0) }))
    }
}

impl Application for App {
    fn is_open(&self, request: &Parts) -> bool {
        request.method == Method::OPTIONS
    }

    async fn call(&self, request: Request<RequestBody>, caller: Caller) -> Response<Body> {
        let note = |mut response: Response<Body>| {
            response.extensions_mut().insert(AccessNote {
                read: Some(("relay".into(), "small".into())),
                backend_calls: Some(Arc::new(|| 3)),
            });
            response
        };
        match request.uri().path() {
            "/who" => text(format!(
                "{:?} {:?} {:?} {:?} {} {}",
                caller.identity, caller.peer, caller.scheme, caller.host, caller.forwarded, caller.trusted_proto
            )),
            "/noted" => note(text("noted".into())),
            "/length" => match request.into_body().collect().await {
                Ok(body) => text(body.to_bytes().len().to_string()),
                Err(error) => text(format!("body: {error}")),
            },
            "/store" => match request.into_body().collect().await {
                Ok(body) => text(body.to_bytes().len().to_string()),
                Err(error) => {
                    let mut response = text(format!("body: {error}"));
                    *response.status_mut() = StatusCode::BAD_REQUEST;
                    response
                }
            },
            "/login-wanted" => {
                let mut response = text("refused".into());
                *response.status_mut() = StatusCode::FORBIDDEN;
                response.extensions_mut().insert(LoginWanted);
                response
            }
            "/refuse" => {
                let mut response = text("refused".into());
                *response.status_mut() = StatusCode::PRECONDITION_FAILED;
                response
            }
            "/panic" => panic!("as the test wants it"),
            "/panic-later" => Response::new(chunks([Ok("part"), Err("panic")])),
            "/fail" => Response::new(chunks([Ok("part"), Err("the storage is gone")])),
            "/fail-sized" => {
                let response = Response::builder().header("content-length", 100);
                response.body(chunks([Ok("part"), Err("the storage is gone")])).unwrap()
            }
            "/endless" => {
                let chunk: Result<_, BoxError> = Ok(Frame::data(Bytes::from(vec![b'x'; 64 * 1024])));
                let frames = stream::iter([chunk]).chain(stream::pending());
                Response::new(StreamBody::new(frames).boxed_unsync())
            }
            // More than any buffer on the way holds, without end.
            "/flood" => {
                let chunk = || Ok::<_, BoxError>(Frame::data(Bytes::from(vec![b'x'; 64 * 1024])));
                Response::new(StreamBody::new(stream::repeat_with(chunk)).boxed_unsync())
            }
            "/hold" => {
                self.0.held.add_permits(1);
                self.0.release.acquire().await.unwrap().forget();
                text("released".into())
            }
            _ => {
                assert!(matches!(caller.identity, Identity::Anonymous | Identity::User(_)));
                text("hello".into())
            }
        }
    }
}

fn text(text: String) -> Response<Body> {
    Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync())
}

fn chunks<const N: usize>(items: [Result<&'static str, &'static str>; N]) -> Body {
    let frames = stream::iter(items).then(|item| async move {
        // So that what came before is sent before.
        tokio::task::yield_now().await;
        match item {
            Ok(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
            Err("panic") => panic!("as the test wants it"),
            Err(error) => Err(BoxError::from(io::Error::other(error))),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

pub fn options() -> Options {
    let password = Some(Password::Plain(Secret::new("secret")));
    let user = User { name: "alice".into(), password, tokens: Vec::new() };
    Options { listen: vec!["127.0.0.1:0".parse().unwrap()], users: vec![user], ..Options::default() }
}

pub fn open_options() -> Options {
    Options { anonymous: Anonymous::ReadWrite, ..options() }
}

pub struct Running {
    pub address: SocketAddr,
    pub app: Arc<Scripted>,
    pub handle: Handle<App>,
    pub stop: oneshot::Sender<()>,
    pub ended: JoinHandle<Drained>,
}

pub async fn start(options: Options) -> Running {
    let app = App::default();
    let bound: Bound<App> = Server::bind(options, app.clone()).await.unwrap();
    let Listen::Tcp(address) = bound.addresses()[0].clone() else { panic!("TCP is what the options say") };
    let handle = bound.handle();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(bound.serve(async move {
        let _ = stopped.await;
    }));
    Running { address, app: app.0, handle, stop, ended }
}

/// A connection and what was read from it.
pub struct Client {
    pub socket: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { socket: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next response whose length is in its head: head and body.
    pub async fn response(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        while self.read.len() < length {
            assert!(self.more().await.unwrap() > 0, "the body ends early: {head}");
        }
        (head, String::from_utf8(self.read.drain(..length).collect()).unwrap())
    }

    /// The next head, up to its empty line.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                return String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
            }
            let more = self.more().await;
            assert!(matches!(more, Ok(1..)), "no head but {more:?} after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Everything until the connection ends, and how it ended.
    pub async fn rest(&mut self) -> (String, io::Result<usize>) {
        let end = loop {
            match self.more().await {
                Ok(0) => break Ok(0),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        (String::from_utf8(std::mem::take(&mut self.read)).unwrap(), end)
    }

    pub async fn more(&mut self) -> io::Result<usize> {
        self.socket.read_buf(&mut self.read).await
    }
}

pub async fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut client = Client::connect(address).await;
    client.send(request).await;
    client.response().await
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub fn status(head: &str) -> u16 {
    head[9..12].parse().unwrap()
}

/// The lines of the access log as they are written, on this thread.
pub struct Lines {
    lines: mpsc::UnboundedReceiver<String>,
    _guard: tracing::subscriber::DefaultGuard,
}

#[derive(Clone)]
struct Sender(mpsc::UnboundedSender<String>);

impl io::Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sender {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    pub fn capture() -> Self {
        Self::of("access=info")
    }

    /// The lines that a filter lets through.
    pub fn of(filter: &str) -> Self {
        // With a thread's own subscriber alone, a line that another thread meets first is found to interest nobody, and
        // that is remembered for all threads. One that takes everything, for all of them, keeps this from happening.
        static FOR_ALL: Once = Once::new();
        FOR_ALL.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .without_time()
            .with_env_filter(filter)
            .with_writer(Sender(sender))
            .finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Waits for the next line.
    pub async fn next(&mut self) -> String {
        self.lines.recv().await.unwrap()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
