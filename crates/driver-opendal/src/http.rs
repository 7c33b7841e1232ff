//! The HTTP client under opendal's services: the workspace's own hyper and rustls, so that opendal brings no second one.

use std::fmt;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{Calls, Op, chain};
use futures_core::Stream;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opendal_core::{Buffer, HttpBody};
use tokio::time::{Instant, Sleep};

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// Until the head of an answer is there, for a request that carries little.
const ANSWER: Duration = Duration::from_secs(30);
/// The slowest link that a body must get through on, in bytes a second.
const SLOWEST: u64 = 64 * 1024;
/// How long a body may stand still.
const STALL: Duration = Duration::from_secs(60);
/// Bytes of an error's body that are looked at.
const ERROR_LIMIT: usize = 64 * 1024;

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// An https client without certificates to trust.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no TLS roots: {0}; install the system's CA certificates")]
pub struct NoRoots(String);

/// The client of the whole process. Made when the first storage is opened, so that missing TLS roots are said then.
pub(crate) fn client() -> Result<&'static Http, NoRoots> {
    static HTTP: OnceLock<Result<Http, NoRoots>> = OnceLock::new();
    HTTP.get_or_init(|| {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| NoRoots(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector))
    })
    .as_ref()
    .map_err(Clone::clone)
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum NoAnswer {
    /// Not in time.
    Timeout,
    /// There was no connection, or it broke.
    Connection(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no answer in time"),
            Self::Connection(why) => f.write_str(why),
        }
    }
}

/// Sends one request and waits for the head of its answer. It counts as one call.
pub(crate) async fn send(http: &Http, calls: &Calls, request: Request<Bytes>) -> Result<Response<Incoming>, NoAnswer> {
    let carried = u64::try_from(request.body().len()).unwrap_or(u64::MAX);
    let patience = ANSWER.saturating_add(Duration::from_secs(carried / SLOWEST));
    let call = calls.begin(Op::of(request.method().as_str()));
    let answer = match tokio::time::timeout(patience, http.request(request.map(Full::new))).await {
        Err(_) => return Err(NoAnswer::Timeout),
        Ok(answer) => answer.map_err(|error| NoAnswer::Connection(chain(&error)))?,
    };
    call.answered(answer.status().as_u16());
    Ok(answer)
}

/// What an answer that is an error says, or what of it came in time: the status alone tells the most.
pub(crate) async fn error_document(body: Incoming) -> Bytes {
    match tokio::time::timeout(ANSWER, Limited::new(body, ERROR_LIMIT).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    }
}

/// An answer's body, as opendal takes it.
pub(crate) fn opendal_body(body: Incoming) -> HttpBody {
    let size = body.size_hint().exact();
    HttpBody::new(Chunks { body, stall: Box::pin(tokio::time::sleep(STALL)) }, size)
}

/// The chunks of a body, and an error where it stands still.
struct Chunks {
    body: Incoming,
    stall: Pin<Box<Sleep>>,
}

impl Stream for Chunks {
    type Item = opendal_core::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let failed = |message: String| {
                let error = opendal_core::Error::new(opendal_core::ErrorKind::Unexpected, message);
                Poll::Ready(Some(Err(error.set_temporary())))
            };
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    ready!(self.stall.as_mut().poll(cx));
                    return failed("the body stands still".to_owned());
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return failed(format!("the connection broke: {}", chain(&error))),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.stall.as_mut().reset(Instant::now() + STALL);
                    // An empty buffer would say that the body ends here.
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Buffer::from(data))));
                    }
                }
            }
        }
    }
}
