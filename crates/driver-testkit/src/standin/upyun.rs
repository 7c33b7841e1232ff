//! A stand-in for UpYun: its REST API and a download domain bound to the service, on two ports of 127.0.0.1.
//!
//! It is **not UpYun**. It does what UpYun's pages and clients say of it and refuses what they say is refused, so that a
//! driver cannot live on more: signatures and dates are checked; copies and moves of folders, deletions of folders with
//! members, files over folders, parts of another size than announced and pages of more than 4,096 are refused; missing
//! folders of a new file are made unasked; nothing is conditional, and an upload that is not completed is never seen. What the
//! sources leave open is noted where it is decided.
//!
//! Sources: upyun/go-sdk (`upyun/rest.go`, `auth.go`, `fileinfo.go`), <https://help.upyun.com/knowledge-base/errno/>,
//! beyondstorage/go-service-uss (codes, "concurrent put or delete"), upyun/token-examples (`_upt`).

mod api;
mod download;
mod store;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use store::Store;

/// The service's name.
pub const BUCKET: &str = "films";
/// The operator's name.
pub const OPERATOR: &str = "operator";
/// The operator's password.
pub const PASSWORD: &str = "pass&word";
/// The token of the bound domain.
pub const TOKEN: &str = "anti-leech";

/// What goes wrong with the next request of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429, "concurrent put or delete": nothing is done.
    Busy,
    /// 503: nothing is done.
    Down,
    /// It is done, and the connection ends before the answer.
    LoseAnswer,
    /// The body of the answer ends in the middle.
    CutAnswer,
    /// A listing that sends the client to the page that it comes from.
    Circle,
}

/// A running stand-in. It ends when this is dropped.
pub struct UpYunServer {
    endpoint: String,
    host: String,
    shared: Arc<Shared>,
    listeners: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    calls: Mutex<Vec<String>>,
    faults: Mutex<VecDeque<(String, Fault)>>,
    ahead: Mutex<Duration>,
}

impl fmt::Debug for UpYunServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpYunServer")
            .field("endpoint", &self.endpoint)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Drop for UpYunServer {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

impl UpYunServer {
    /// Starts an empty service.
    ///
    /// # Panics
    /// If no port can be listened on: without a server there is nothing to test.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let (endpoint, api) = listen(&shared, api::answer).await;
        let (host, download) = listen(&shared, download::answer).await;
        Self { endpoint, host, shared, listeners: [api, download] }
    }

    /// `http://127.0.0.1:PORT` of the REST API.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `http://127.0.0.1:PORT` of the bound domain.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The calls of the REST API since the last time, as `METHOD /service/path`, with ` copy`, ` move`, ` initiate`, ` upload`
    /// or ` complete` behind it.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.calls))
    }

    /// Lets the next request of this method go wrong; faults of one method wait for their turn.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        lock(&self.shared.faults).push_back((method.to_owned(), fault));
    }

    /// The same for the next step of an upload in parts: `initiate`, `upload` or `complete`.
    pub fn fail_next_of(&self, stage: &str, fault: Fault) {
        self.fail_next(stage, fault);
    }

    /// Puts empty files there, unseen by the calls.
    pub fn fill(&self, keys: impl IntoIterator<Item = String>) {
        let now = self.shared.now();
        let mut store = lock(&self.shared.store);
        keys.into_iter().for_each(|key| store.fill(&key, now));
    }

    /// Sets its clock so far before the machine's.
    pub fn set_ahead(&self, by: Duration) {
        *lock(&self.shared.ahead) = by;
    }

    /// Uploads that were begun and not completed.
    pub fn open_uploads(&self) -> usize {
        lock(&self.shared.store).open_uploads()
    }

    /// Takes the service itself away: every answer is 404.
    pub fn remove_bucket(&self) {
        lock(&self.shared.store).is_gone = true;
    }
}

impl Shared {
    fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (now + *lock(&self.ahead)).as_secs()
    }

    fn fault(&self, method: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let at = faults.iter().position(|(of, _)| of == method)?;
        faults.remove(at).map(|(_, fault)| fault)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a request is answered with; `None`: the connection ends.
type Answer = Option<Response<Full<Bytes>>>;

#[derive(Debug, thiserror::Error)]
#[error("the connection ends here")]
struct Ends;

async fn listen<F, A>(shared: &Arc<Shared>, answer: F) -> (String, JoinHandle<()>)
where
    F: Fn(Arc<Shared>, Request<Bytes>) -> A + Copy + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    #[expect(clippy::expect_used, reason = "a test that has no server has failed, and should say so where it began")]
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    #[expect(clippy::expect_used, reason = "a bound socket has an address")]
    let address = listener.local_addr().expect("an address");
    let shared = Arc::clone(shared);
    let task = tokio::spawn(async move {
        // Connections end with the listener.
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(Arc::clone(&shared), stream, answer));
            while connections.try_join_next().is_some() {}
        }
    });
    (format!("http://{address}"), task)
}

async fn serve<F, A>(shared: Arc<Shared>, stream: TcpStream, answer: F)
where
    F: Fn(Arc<Shared>, Request<Bytes>) -> A + Copy + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (parts, body) = request.into_parts();
            // A body that does not arrive whole is as if it had not been sent.
            let body = body.collect().await.map_err(|_| Ends)?.to_bytes();
            answer(shared, Request::from_parts(parts, body)).await.ok_or(Ends)
        }
    });
    // A client that goes away ends its connection, and nothing else.
    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The key of a request's path: what stands behind `/service/`, decoded; `None` for a path that is none.
fn decode(path: &str) -> Option<String> {
    let text = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    let text = text.strip_prefix('/')?.trim_end_matches('/').to_owned();
    let whole = text.is_empty() || text.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    whole.then_some(text)
}

/// A part of a body, where one is asked for by `Range`.
fn ranged(request: &Request<Bytes>, body: &Bytes) -> Result<(StatusCode, Bytes, Option<String>), u64> {
    let size = body.len() as u64;
    let Some(text) = request.headers().get("range").and_then(|value| value.to_str().ok()) else {
        return Ok((StatusCode::OK, body.clone(), None));
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let range = text.strip_prefix("bytes=").and_then(|text| text.split_once('-'));
    let (start, end) = match range {
        Some(("", count)) => (size.saturating_sub(number(count).unwrap_or(0)), size),
        Some((first, "")) => (number(first).unwrap_or(size), size),
        Some((first, last)) => {
            (number(first).unwrap_or(size), number(last).map_or(0, |last| last.saturating_add(1)).min(size))
        }
        None => (size, 0),
    };
    if start >= end {
        return Err(size);
    }
    let part = body.slice(usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0));
    Ok((StatusCode::PARTIAL_CONTENT, part, Some(format!("bytes {start}-{}/{size}", end - 1))))
}

fn http_date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}
