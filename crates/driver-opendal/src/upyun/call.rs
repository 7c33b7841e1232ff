//! One operation on UpYun: what opendal asks for it, put right, and what UpYun answered, as it was.
//!
//! opendal's service makes and signs each request. The signature covers the method, the path and the date, so the host and
//! the headers that opendal leaves out or gets wrong are set here, on the way; and answers that are errors end here, so
//! that none is taken for something else (a 404 for an empty folder).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use davmux_driver::Calls;
use davmux_driver::meter::Meter;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header, request};
use opendal_core::raw::BoxedStaticFuture;
use opendal_core::{Buffer, Execute, Executor, HttpBody, HttpTransport, HttpTransporter, OperationContext};

use crate::http::{NoAnswer, client, error_document, opendal_body, send};

/// How often a request is sent at most, and how often while UpYun only says that its key is busy.
const ATTEMPTS: u32 = 4;
const ATTEMPTS_WHILE_BUSY: u32 = 6;
/// The first pause between two attempts at most; it doubles each time, and a random part of it is taken.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Characters of UpYun's message that are passed on.
const MESSAGE_LIMIT: usize = 300;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

/// Changes a request before it is sent.
type Amend = Box<dyn Fn(&mut HeaderMap) + Send + Sync>;

/// One operation.
pub(crate) struct Call {
    host: Host,
    calls: Calls,
    amend: Amend,
    /// The same request twice does what it does once.
    repeatable: bool,
    seen: Mutex<Seen>,
}

/// What the answers were.
#[derive(Default)]
struct Seen {
    /// Of the last good answer.
    headers: HeaderMap,
    trouble: Option<Trouble>,
    doubtful: bool,
    page: Option<HeaderValue>,
}

/// Why an operation failed.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    NoAnswer(NoAnswer),
    Refused(Refusal),
    /// The answer makes no sense.
    Nonsense(String),
}

/// What UpYun said instead of doing it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// <https://help.upyun.com/knowledge-base/errno/>
    pub(crate) code: Option<u64>,
    pub(crate) message: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) content_range: Option<String>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Call {
    /// An operation whose requests are sent as they are.
    pub(crate) fn new(host: &Host, calls: &Calls) -> Self {
        let (host, calls) = (host.clone(), calls.clone());
        Self { host, calls, amend: Box::new(|_| ()), repeatable: true, seen: Mutex::default() }
    }

    /// With other headers.
    pub(crate) fn amended(self, amend: impl Fn(&mut HeaderMap) + Send + Sync + 'static) -> Self {
        Self { amend: Box::new(amend), ..self }
    }

    /// Never sent again when it may have been done.
    pub(crate) fn only_once(self) -> Self {
        Self { repeatable: false, ..self }
    }

    /// What opendal's service needs to send its requests as this operation.
    pub(crate) fn context(self: &Arc<Self>) -> OperationContext {
        let transport = HttpTransporter::new(Transport(Arc::clone(self)));
        OperationContext::from_parts(transport, Executor::with(Tasks))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A header of the last good answer.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.seen().headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// Whether a request may have been done although it failed here.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.seen().doubtful
    }

    /// Why opendal's service failed: what was seen here, else its own words, which are about the answer.
    pub(crate) fn trouble(&self, error: &opendal_core::Error) -> Trouble {
        self.seen().trouble.take().unwrap_or_else(|| Trouble::Nonsense(error.message().to_owned()))
    }

    async fn send(&self, request: Request<Buffer>) -> Result<Response<HttpBody>, Trouble> {
        let (mut parts, body) = request.into_parts();
        (self.amend)(&mut parts.headers);
        self.follow_pages(&parts)?;
        let uri = Uri::builder().scheme(self.host.scheme.clone()).authority(self.host.authority.clone());
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = uri.path_and_query(path).build().map_err(|error| Trouble::Nonsense(error.to_string()))?;
        let body = body.to_bytes();
        let http = client().map_err(|error| Trouble::Nonsense(error.to_string()))?;
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let trouble = match send(http, &self.calls, again(&parts, &uri, body.clone())).await {
                Ok(answer) if answer.status().is_success() => {
                    self.seen().headers = answer.headers().clone();
                    return Ok(answer.map(opendal_body));
                }
                Ok(answer) => {
                    let (head, body) = answer.into_parts();
                    Trouble::Refused(Refusal::read(head.status, &head.headers, &error_document(body).await))
                }
                Err(none) => Trouble::NoAnswer(none),
            };
            let may_have_happened = trouble.may_have_happened();
            self.seen().doubtful |= may_have_happened;
            let most = if trouble.is_busy() { ATTEMPTS_WHILE_BUSY } else { ATTEMPTS };
            let again = trouble.is_worth_retrying() && (self.repeatable || !may_have_happened);
            if attempt >= most || !again {
                return Err(trouble);
            }
            // Half of the pause is sure, so that the last attempt comes late enough.
            tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause *= 2;
            attempt += 1;
        }
    }

    /// A listing that is sent back to the page that it comes from would never end.
    fn follow_pages(&self, parts: &request::Parts) -> Result<(), Trouble> {
        let Some(page) = parts.headers.get("x-list-iter") else { return Ok(()) };
        let mut seen = self.seen();
        if seen.page.as_ref() == Some(page) {
            return Err(Trouble::Nonsense("the listing goes in a circle".to_owned()));
        }
        seen.page = Some(page.clone());
        Ok(())
    }
}

fn again(parts: &request::Parts, uri: &Uri, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request
}

impl Trouble {
    /// Whether the request may have taken effect although it failed here.
    fn may_have_happened(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Refused(refusal) => refusal.status.is_server_error() || refusal.status.as_u16() == 499,
            Self::Nonsense(_) => false,
        }
    }

    /// "concurrent put or delete": UpYun locks a key for a moment after each change of it.
    fn is_busy(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::TOO_MANY_REQUESTS)
    }

    fn is_worth_retrying(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Refused(refusal) => matches!(refusal.status.as_u16(), 429 | 499 | 500 | 502 | 503 | 504),
            Self::Nonsense(_) => false,
        }
    }

    /// The status of a refusal.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::NoAnswer(_) | Self::Nonsense(_) => None,
        }
    }
}

impl Refusal {
    fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let message = said.get("msg").and_then(|text| text.as_str()).map(|text| {
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            line.chars().take(MESSAGE_LIMIT).collect()
        });
        Self {
            status,
            code: said.get("code").and_then(serde_json::Value::as_u64),
            message,
            retry_after: header(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
            content_range: header(header::CONTENT_RANGE).map(str::to_owned),
        }
    }
}

/// The transport of one operation.
struct Transport(Arc<Call>);

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal_core::Result<Response<HttpBody>> {
        self.0.send(request).await.map_err(|trouble| {
            // The words are for nobody: `Call::trouble` tells what happened.
            self.0.seen().trouble = Some(trouble);
            opendal_core::Error::new(opendal_core::ErrorKind::Unexpected, "the request failed")
        })
    }
}

/// Runs the parts of an upload that are sent side by side; their calls count where the upload's do.
struct Tasks;

impl Execute for Tasks {
    fn execute(&self, task: BoxedStaticFuture<()>) {
        drop(tokio::spawn(Meter::current().scope(task)));
    }
}
