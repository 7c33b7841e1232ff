//! The access log: one line for each request, when its response has ended.
//!
//! A line is an event of the target `access` at the level `INFO`, with the fields `method`, `path` (as it was sent, without
//! the query), `status` (499: the client left before there was one), `bytes` (of the body), `duration_ms`, `client`,
//! `user`, the name of the `token`, `user_agent`, `outcome` (`complete`, `aborted` by the client, `failed` with an `error`), and what the
//! application noted: `read`, `why`, `s3_calls`. A request that could not be read (400, 414, 431) has a line with its
//! status, client and error alone.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body::{Body as _, Frame, SizeHint};

use crate::limits::InFlight;
use crate::metrics::{Metrics, Way};
use crate::pulse::Beat;
use crate::{Body, BoxError};

/// What an application adds to the line of a request: an extension of its response.
#[derive(Clone, Default)]
pub struct AccessNote {
    /// How a read was answered (`redirect`, `relay`) and why.
    pub read: Option<(Cow<'static, str>, Cow<'static, str>)>,
    /// The calls to backends, asked when the response has ended.
    pub backend_calls: Option<Arc<dyn Fn() -> u64 + Send + Sync>>,
}

impl fmt::Debug for AccessNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.backend_calls.as_ref().map(|calls| calls());
        f.debug_struct("AccessNote").field("read", &self.read).field("backend_calls", &calls).finish()
    }
}

/// The status in the line of a client that left before there was one.
const LEFT: u16 = 499;

/// How a response ended.
enum Outcome {
    Complete,
    Aborted,
    Failed(String),
}

/// The line of one request. It is written when this is dropped, so there is exactly one, whatever happens.
pub(crate) struct AccessLine {
    pub(crate) started: Instant,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) user: Option<Arc<str>>,
    /// The name of the token by which the user asked.
    pub(crate) token: Option<Arc<str>>,
    /// It is not written.
    pub(crate) quiet: bool,
    status: Option<StatusCode>,
    bytes: u64,
    outcome: Outcome,
    note: Option<AccessNote>,
    metrics: Arc<Metrics>,
}

impl AccessLine {
    pub(crate) fn new(
        method: Method,
        uri: Uri,
        user_agent: Option<HeaderValue>,
        client: Option<IpAddr>,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.begun();
        Self {
            metrics,
            started: Instant::now(),
            method,
            uri,
            user_agent,
            client,
            user: None,
            token: None,
            quiet: false,
            status: None,
            bytes: 0,
            outcome: Outcome::Aborted,
            note: None,
        }
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        let status = self.status.map_or(LEFT, |status| status.as_u16());
        let took = self.started.elapsed();
        self.metrics.ended(&self.method, status, took);
        if self.quiet {
            return;
        }
        let (outcome, error) = match &self.outcome {
            Outcome::Complete => ("complete", None),
            Outcome::Aborted => ("aborted", None),
            Outcome::Failed(error) => ("failed", Some(error.as_str())),
        };
        let note = self.note.as_ref();
        let read = note.and_then(|note| note.read.as_ref());
        let user_agent = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        tracing::info!(
            target: "access",
            method = self.method.as_str(),
            path = self.uri.path(),
            status,
            bytes = self.bytes,
            duration_ms = took.as_micros() as f64 / 1000.0,
            client = self.client.as_ref().map(tracing::field::display),
            user = self.user.as_deref(),
            token = self.token.as_deref(),
            user_agent = user_agent.as_deref(),
            outcome,
            error,
            read = read.map(|(decision, _)| &**decision),
            why = read.map(|(_, reason)| &**reason),
            s3_calls = note.and_then(|note| note.backend_calls.as_ref()).map(|calls| calls()),
        );
    }
}

/// The line of a request that could not be read as one: without a method, a path and what else its head would have said.
pub(crate) fn unread(status: StatusCode, client: Option<IpAddr>, error: &str) {
    tracing::info!(
        target: "access",
        status = status.as_u16(),
        client = client.as_ref().map(tracing::field::display),
        outcome = "complete",
        error,
    );
}

/// A response's body that knows what was taken from it.
pub(crate) struct LoggedBody {
    body: Body,
    /// Bytes that are still to come, where that is known.
    left: Option<u64>,
    /// When the body fails only a reset can show that.
    resets: bool,
    way: Way,
    line: AccessLine,
    beat: Beat,
    _in_flight: Option<InFlight>,
}

/// What a request holds until its response has ended.
pub(crate) struct Holding {
    pub(crate) beat: Beat,
    /// `None`: it was refused before it counted.
    pub(crate) in_flight: Option<InFlight>,
}

impl LoggedBody {
    /// Puts `line` behind the response. With `resets` a failing body of unknown length ends the connection with a reset, as
    /// the client would take its end for the end of the body.
    pub(crate) fn wrap(
        mut response: Response<Body>,
        mut line: AccessLine,
        holding: Holding,
        resets: bool,
    ) -> Response<Self> {
        let Holding { mut beat, in_flight } = holding;
        beat.waits_for_us(false);
        line.status = Some(response.status());
        line.note = response.extensions_mut().remove::<AccessNote>();
        let status = response.status();
        let without_body = line.method == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.body().is_end_stream();
        if without_body {
            line.outcome = Outcome::Complete;
        }
        let said = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let left = said.or(response.body().size_hint().exact());
        let resets = resets && left.is_none();
        let way = match line.note.as_ref().and_then(|note| note.read.as_ref()) {
            Some((done, _)) if done == "redirect" => Way::Redirect,
            Some(_) => Way::Relay,
            None => Way::Other,
        };
        response.map(|body| Self { body, left, resets, way, line, beat, _in_flight: in_flight })
    }

    fn fail(&mut self, error: String) {
        self.line.outcome = Outcome::Failed(error);
        if self.resets {
            self.beat.wire().reset.store(true, Ordering::Relaxed);
        }
    }
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        // A panic here would take the other streams of the connection along, and leave no word in the line.
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.body).poll_frame(cx)));
        this.beat.waits_for_us(matches!(polled, Ok(Poll::Pending)));
        let frame = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(frame)) => frame,
            Err(_) => Some(Err("the application panicked".into())),
        };
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                this.line.bytes += length;
                this.line.metrics.sent(this.way, length);
                this.left = this.left.map(|left| left.saturating_sub(length));
                if this.left == Some(0) || this.body.is_end_stream() {
                    this.line.outcome = Outcome::Complete;
                }
            }
            Some(Err(error)) => this.fail(chain(&**error)),
            // hyper refuses to end a body before its length.
            None if this.left.is_some_and(|left| left > 0) => this.fail("it ended before its length".to_owned()),
            None => this.line.outcome = Outcome::Complete,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An error with its causes; a cause that the text above it repeats is left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
