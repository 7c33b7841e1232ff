//! [`RequestBody`]: a request's body, and what becomes of it when nobody wants it.
//!
//! A client that is still sending when the connection closes may find a reset in the place of the response, because the
//! system discards what it has received. So a body that was not read to its end is read and dropped for a while after the
//! response was made, beside the response on its way.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::{BoxError, Limits, Metrics, Refusal};

/// Bytes of an unwanted body that are read at most.
const MOST_DROPPED: u64 = 1024 * 1024;
/// How long they are waited for.
const LONGEST_DROPPED: Duration = Duration::from_secs(5);

/// A request's body. `100 Continue` is sent when it is first polled. A sender that falls silent, that sends more than it may
/// (both [`Limits`]), or that goes away before the end, is an error of the body. The client is told 408 or 413 then, if
/// the application answers with an error of its own.
pub struct RequestBody {
    body: Option<Incoming>,
    silence: Option<Pin<Box<Sleep>>>,
    /// How long a sender that says nothing is waited for: it holds its share of the upload memory meanwhile.
    longest_silence: Duration,
    /// Bytes that may still come.
    left: u64,
    leftover: Option<Leftover>,
    metrics: Arc<Metrics>,
}

impl RequestBody {
    /// The body, and what to tell once the response is made; `None` where there is no body.
    pub(crate) fn new(
        body: Incoming,
        version: Version,
        limits: &Limits,
        metrics: Arc<Metrics>,
    ) -> (Self, Option<Leftover>) {
        let leftover = (!body.is_end_stream()).then(|| Leftover::new(version));
        let longest_silence = limits.body_timeout;
        let left = limits.body_size.unwrap_or(u64::MAX);
        (Self { body: Some(body), silence: None, longest_silence, left, leftover: leftover.clone(), metrics }, leftover)
    }

    /// Ends it for a limit's sake.
    fn cut(&mut self, why: Refusal, text: &'static str) -> BoxError {
        let body = self.body.take();
        if let Some(leftover) = &self.leftover {
            leftover.cut(why);
            // Whoever sends too much is still sending, and reads the status only if the rest is taken away.
            if let (Refusal::BodySize, Some(body)) = (why, body) {
                leftover.keep(body);
            }
        }
        let kind = if why == Refusal::BodyTimeout { io::ErrorKind::TimedOut } else { io::ErrorKind::FileTooLarge };
        io::Error::new(kind, text).into()
    }

    /// The body as it is, before anybody asked for it.
    fn take_unread(&mut self) -> Option<Incoming> {
        self.body.take().filter(|body| !body.is_end_stream())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            match &frame {
                Some(Ok(frame)) => this.metrics.received(frame.data_ref().map_or(0, |data| data.len() as u64)),
                Some(Err(_)) | None => this.body = None,
            }
            this.silence = None;
            if let Some(Ok(frame)) = &frame {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match this.left.checked_sub(length) {
                    Some(left) => this.left = left,
                    None => {
                        return Poll::Ready(Some(Err(this.cut(Refusal::BodySize, "the body is larger than allowed"))));
                    }
                }
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let longest = this.longest_silence;
        let silence = this.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        ready!(silence.as_mut().poll(cx));
        Poll::Ready(Some(Err(this.cut(Refusal::BodyTimeout, "the client stopped sending"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(leftover), Some(body)) = (self.leftover.take(), self.take_unread()) {
            leftover.keep(body);
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}

/// Where an unread body waits until the response is made. Reading it earlier would send `100 Continue`.
#[derive(Clone)]
pub(crate) struct Leftover {
    state: Arc<Mutex<State>>,
    /// HTTP/2 resets the one stream and the others go on.
    drains: bool,
}

struct State {
    place: Place,
    /// Why the body was cut.
    why: Option<Refusal>,
}

enum Place {
    /// The application has the body, or had read all of it.
    Elsewhere,
    /// The application dropped it.
    Unread(Incoming),
    /// The response is made; what is dropped from now on is read away at once.
    Answered,
}

impl Leftover {
    fn new(version: Version) -> Self {
        let state = State { place: Place::Elsewhere, why: None };
        Self { state: Arc::new(Mutex::new(state)), drains: version < Version::HTTP_2 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, body: Incoming) {
        if !self.drains {
            return;
        }
        let mut state = self.state();
        match state.place {
            Place::Answered => drain(body),
            _ => state.place = Place::Unread(body),
        }
    }

    fn cut(&self, why: Refusal) {
        self.state().why = Some(why);
    }

    /// The limit that ended the body.
    pub(crate) fn why(&self) -> Option<Refusal> {
        self.state().why
    }

    /// The response is made. Begins to read away what is left; true if the connection must not be used again. Called where
    /// the head of the response is written before anything else happens on the connection.
    pub(crate) fn answered(&self, expects_continue: bool) -> bool {
        let mut state = self.state();
        let stalled = self.drains && state.why == Some(Refusal::BodyTimeout);
        match std::mem::replace(&mut state.place, Place::Answered) {
            // Read to its end, or still wanted by a task that outlives the response.
            Place::Elsewhere | Place::Answered => stalled,
            Place::Unread(body) => {
                // Whoever waited for `100 Continue` may or may not send now, so the next bytes cannot be told from a request.
                let short = body.size_hint().exact().is_some_and(|left| left <= MOST_DROPPED);
                let close = !short || expects_continue;
                drain(body);
                close
            }
        }
    }
}

/// Reads a body away. When this gives up, or the client does, the connection ends.
fn drain(mut body: Incoming) {
    tokio::spawn(async move {
        let deadline = Instant::now() + LONGEST_DROPPED;
        let dropping = async {
            let mut dropped = 0;
            while dropped < MOST_DROPPED {
                match body.frame().await {
                    Some(Ok(frame)) => dropped += frame.data_ref().map_or(0, |data| data.len() as u64),
                    Some(Err(_)) | None => return,
                }
            }
            // No more is read, but a client that writes first and reads later is left the time to look up.
            tokio::time::sleep_until(deadline).await;
        };
        // Running out of time is one of the two ways to end.
        let _ = tokio::time::timeout_at(deadline, dropping).await;
    });
}
