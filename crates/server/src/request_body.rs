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

use crate::{BoxError, Metrics};

/// Bytes of an unwanted body that are read at most.
const MOST_DROPPED: u64 = 1024 * 1024;
/// How long they are waited for.
const LONGEST_DROPPED: Duration = Duration::from_secs(5);
/// A sender that says nothing for so long is gone. It holds its share of the upload memory for as long as it is waited for.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

/// A request's body. `100 Continue` is sent when it is first polled. A sender that falls silent for two minutes, or that
/// goes away before the end, is an error of the body.
pub struct RequestBody {
    body: Option<Incoming>,
    silence: Option<Pin<Box<Sleep>>>,
    leftover: Option<Leftover>,
    metrics: Arc<Metrics>,
}

impl RequestBody {
    /// The body, and what to tell once the response is made; `None` where nothing will be left over.
    pub(crate) fn new(body: Incoming, version: Version, metrics: Arc<Metrics>) -> (Self, Option<Leftover>) {
        // HTTP/2 resets the one stream and the others go on.
        let leftover = (version < Version::HTTP_2 && !body.is_end_stream()).then(Leftover::default);
        (Self { body: Some(body), silence: None, leftover: leftover.clone(), metrics }, leftover)
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
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let silence = this.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(LONGEST_SILENCE)));
        ready!(silence.as_mut().poll(cx));
        this.body = None;
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped sending").into())))
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
#[derive(Clone, Default)]
pub(crate) struct Leftover(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    /// The application has the body, or had read all of it.
    #[default]
    Elsewhere,
    /// The application dropped it.
    Unread(Incoming),
    /// The response is made; what is dropped from now on is read away at once.
    Answered,
}

impl Leftover {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, body: Incoming) {
        let mut state = self.state();
        match *state {
            State::Answered => drain(body),
            _ => *state = State::Unread(body),
        }
    }

    /// The response is made. Begins to read away what is left; true if the connection must not be used again. Called where
    /// the head of the response is written before anything else happens on the connection.
    pub(crate) fn answered(&self, expects_continue: bool) -> bool {
        match std::mem::replace(&mut *self.state(), State::Answered) {
            // Read to its end, or still wanted by a task that outlives the response.
            State::Elsewhere | State::Answered => false,
            State::Unread(body) => {
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
