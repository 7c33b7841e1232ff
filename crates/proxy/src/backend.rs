//! Requests that the worker sends: to the server, and to where the server's answers lead.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{chain, follow, meter};
use futures_util::{TryStreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::api::Fetch;

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// Until the head of an answer is there.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a body may stand still.
const STALL: Duration = Duration::from_secs(60);

/// An https client without certificates to trust.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no TLS roots: {0}; install the system's CA certificates")]
pub struct NoRoots(String);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("no answer in time")]
    Timeout,
    /// hyper's errors name no headers and no queries.
    #[error("no connection, or it broke: {0}")]
    Connection(String),
    #[error("{0}")]
    Redirect(&'static str),
    #[error("the answer is too long")]
    TooLong,
    #[error("the body stands still")]
    Stalled,
}

/// The HTTP client of the worker.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Backend {
    pub(crate) fn new() -> Result<Self, NoRoots> {
        static CONNECTOR: OnceLock<Result<HttpsConnector<HttpConnector>, NoRoots>> = OnceLock::new();
        let connector = CONNECTOR.get_or_init(|| {
            let mut tcp = HttpConnector::new();
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            tcp.set_connect_timeout(Some(CONNECT));
            let builder = hyper_rustls::HttpsConnectorBuilder::new();
            let builder = builder.with_native_roots().map_err(|error| NoRoots(error.to_string()))?;
            Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
        });
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector.clone()?);
        Ok(Self { http })
    }

    /// Sends one request and waits for the head of its answer. It counts as one call.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, NoAnswer> {
        meter::count_call();
        match tokio::time::timeout(ANSWER, self.http.request(request)).await {
            Err(_) => Err(NoAnswer::Timeout),
            Ok(answer) => answer.map_err(|error| NoAnswer::Connection(chain(&error))),
        }
    }

    /// Fetches what the server named, and goes where that redirects, a few times.
    pub(crate) async fn fetch(&self, fetch: &Fetch, asked: &HeaderMap) -> Result<Response<Incoming>, NoAnswer> {
        let mut here = fetch.url.clone();
        let mut redirects = 0;
        loop {
            let mut request = Request::get(here.clone());
            if let Some(headers) = request.headers_mut() {
                headers.extend(asked.clone());
                // Meant for the host that the server named, and for no other.
                if here.authority() == fetch.url.authority() {
                    headers.extend(fetch.headers.clone());
                }
                // The bytes as they are stored.
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            let request = request.body(Full::default()).map_err(|error| NoAnswer::Connection(error.to_string()))?;
            let answer = self.send(request).await?;
            if !follow::is_redirect(answer.status()) {
                return Ok(answer);
            }
            redirects += 1;
            if redirects > follow::MOST {
                return Err(NoAnswer::Redirect("the link redirects again and again"));
            }
            let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            here = follow::target(&here, location.unwrap_or_default()).map_err(NoAnswer::Redirect)?;
        }
    }
}

/// A short body, as a whole.
pub(crate) async fn whole(body: Incoming, longest: usize) -> Result<Bytes, NoAnswer> {
    match tokio::time::timeout(ANSWER, Limited::new(body, longest).collect()).await {
        Err(_) => Err(NoAnswer::Timeout),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(NoAnswer::TooLong),
        Ok(Err(error)) => Err(NoAnswer::Connection(error.to_string())),
    }
}

/// A body as it comes, and an error where it stands still.
pub(crate) fn chunks(body: Incoming) -> impl futures_util::Stream<Item = Result<Bytes, NoAnswer>> + Send {
    let frames = stream::try_unfold(body, |mut body| async move {
        loop {
            match tokio::time::timeout(STALL, body.frame()).await {
                Err(_) => return Err(NoAnswer::Stalled),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(NoAnswer::Connection(chain(&error))),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some((data, body)));
                    }
                }
            }
        }
    });
    frames.into_stream()
}
