//! [`Pulse`]: whether a connection moves, and when its patience ends.
//!
//! One timer for each connection, which is set anew only when the time that it must look at comes nearer: a request costs
//! no timer. Beside the connection's own task, an HTTP/2 request's tell of themselves here.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Limits;
use crate::wire::Wire;

/// How long what cannot be late now is not looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What a client who waited too long for is told, where a part of its request has come (RFC 9110 section 15.5.9).
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 36\r\nconnection: close\r\n\r\nthe request took too long to arrive\n";

/// What moves on a connection.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    /// Milliseconds since then, when something last happened.
    moved: AtomicU64,
    /// Requests on which this server works: they are being answered, or their body waits for its source.
    busy: AtomicUsize,
    /// Responses whose body has not ended.
    open: AtomicUsize,
    /// The client does not take what was written.
    blocked: AtomicBool,
    /// No request has come yet.
    fresh: AtomicBool,
    /// A part of a head has come (HTTP/1).
    head: AtomicBool,
    /// The client is told that it took too long, when it is next read from.
    tell: AtomicBool,
}

/// Who is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// The head of a request.
    Head,
    /// The next request.
    Idle,
    /// The client takes nothing of a response.
    Send,
}

/// The patience with a connection, from its beginning on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) header: Duration,
    idle: Duration,
    send: Duration,
}

impl From<&Limits> for Patience {
    fn from(limits: &Limits) -> Self {
        Self { header: limits.header_timeout, idle: limits.idle_timeout, send: limits.send_timeout }
    }
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            fresh: AtomicBool::new(true),
            head: AtomicBool::new(false),
            tell: AtomicBool::new(false),
        }
    }

    fn moves(&self) {
        // More than the age of the universe is no connection's.
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
    }

    /// The first byte of a request has come.
    pub(crate) fn head_begins(&self) {
        self.head.store(true, Ordering::Relaxed);
        self.moves();
    }

    /// A head is whole.
    pub(crate) fn head_ends(&self) {
        self.head.store(false, Ordering::Relaxed);
        self.fresh.store(false, Ordering::Relaxed);
    }

    /// When the connection's patience ends, and with what.
    fn due(&self, patience: Patience) -> Option<(Instant, Late)> {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let (busy, open) = (self.busy.load(Ordering::Relaxed), self.open.load(Ordering::Relaxed));
        let (for_how_long, late) = match () {
            () if is(&self.blocked) => (patience.send, Late::Send),
            () if busy > 0 => return None,
            () if open > 0 => (patience.send, Late::Send),
            () if is(&self.head) || is(&self.fresh) => (patience.header, Late::Head),
            () => (patience.idle, Late::Idle),
        };
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        Some((self.began + moved + for_how_long, late))
    }

    /// Has the client told, at the next read, that it was too slow; false where it has sent nothing to be answered.
    pub(crate) fn tell_late(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        self.tell.store(head, Ordering::Relaxed);
        head
    }
}

/// A request, from the end of its head to the end of its response.
#[derive(Debug)]
pub(crate) struct Beat {
    wire: Arc<Wire>,
    busy: bool,
}

impl Beat {
    /// This server works on it.
    pub(crate) fn begin(wire: Arc<Wire>) -> Self {
        let pulse = &wire.pulse;
        pulse.busy.fetch_add(1, Ordering::Relaxed);
        pulse.open.fetch_add(1, Ordering::Relaxed);
        Self { wire, busy: true }
    }

    /// Whether it now waits for this server (`true`) or for its client.
    pub(crate) fn waits_for_us(&mut self, busy: bool) {
        let pulse = &self.wire.pulse;
        match (self.busy, busy) {
            (true, false) => _ = pulse.busy.fetch_sub(1, Ordering::Relaxed),
            (false, true) => _ = pulse.busy.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
        self.busy = busy;
        pulse.moves();
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.waits_for_us(false);
        self.wire.pulse.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Resolves when the client is late. Must be polled whenever the connection is.
pub(crate) struct Watch<'a> {
    pulse: &'a Pulse,
    patience: Patience,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(pulse: &'a Pulse, patience: Patience) -> Self {
        Self { pulse, patience, timer: Box::pin(sleep_until(pulse.began + patience.header)) }
    }
}

impl Future for Watch<'_> {
    type Output = Late;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Late> {
        let this = &mut *self;
        let (at, late) = match this.pulse.due(this.patience) {
            Some((at, late)) => (at, Some(late)),
            None => (Instant::now() + LOOK_AGAIN, None),
        };
        if this.timer.deadline() > at {
            this.timer.as_mut().reset(at);
        }
        // The timer only says when to look; mostly what it was set for is long past, and it goes on to the next.
        while this.timer.as_mut().poll(cx).is_ready() {
            match late {
                Some(late) if at <= Instant::now() => return Poll::Ready(late),
                _ => this.timer.as_mut().reset(at.max(Instant::now() + Duration::from_millis(1))),
            }
        }
        Poll::Pending
    }
}

/// A stream that tells its pulse what it writes.
pub(crate) struct Watched<S> {
    stream: S,
    wire: Arc<Wire>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(crate) fn new(stream: S, wire: Arc<Wire>) -> Self {
        Self { stream, wire }
    }

    fn wrote<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let pulse = &self.wire.pulse;
        match &polled {
            Poll::Pending => pulse.blocked.store(true, Ordering::Relaxed),
            Poll::Ready(_) => {
                pulse.blocked.store(false, Ordering::Relaxed);
                pulse.moves();
            }
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.wire.pulse.tell.swap(false, Ordering::Relaxed) {
            // No response is on its way, so there is room for these few bytes, or nobody who reads them.
            let _ = Pin::new(&mut self.stream).poll_write(cx, TOO_SLOW);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_pending() { self.wrote(polled) } else { polled }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { header: Duration::from_secs(30), idle: Duration::from_secs(120), send: Duration::from_secs(900) };

    /// Who is late, and after how many seconds, as seen from `wire` on.
    async fn late(wire: &Wire) -> (Late, u64) {
        let start = Instant::now();
        let late = Watch::new(&wire.pulse, PATIENCE).await;
        (late, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_and_each_head_have_their_time_and_an_idle_connection_has_more() {
        let wire = Wire::new();
        assert_eq!(late(&wire).await, (Late::Head, 30));
        let wire = Arc::new(Wire::new());
        tokio::time::advance(Duration::from_secs(20)).await;
        wire.pulse.head_ends();
        drop(Beat::begin(Arc::clone(&wire)));
        assert_eq!(late(&wire).await, (Late::Idle, 120));
        wire.pulse.head_begins();
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(late(&wire).await, (Late::Head, 10));
        assert!(wire.pulse.tell_late());
    }

    #[tokio::test(start_paused = true)]
    async fn the_byte_that_begins_a_head_brings_the_end_of_patience_nearer() {
        let wire = Arc::new(Wire::new());
        wire.pulse.head_ends();
        drop(Beat::begin(Arc::clone(&wire)));
        let mut watch = Watch::new(&wire.pulse, PATIENCE);
        tokio::select! {
            biased;
            _ = &mut watch => panic!("too early"),
            () = tokio::time::sleep(Duration::from_secs(40)) => {}
        }
        wire.pulse.head_begins();
        let start = Instant::now();
        assert_eq!((watch.await, start.elapsed().as_secs()), (Late::Head, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn no_client_is_late_for_what_it_waits_for() {
        let wire = Arc::new(Wire::new());
        wire.pulse.head_ends();
        let mut beat = Beat::begin(Arc::clone(&wire));
        let mut watch = Watch::new(&wire.pulse, PATIENCE);
        tokio::select! {
            biased;
            _ = &mut watch => panic!("nobody is late"),
            () = tokio::time::sleep(Duration::from_secs(100_000)) => {}
        }
        // The head was sent, and of the body nothing is taken.
        beat.waits_for_us(false);
        let start = Instant::now();
        assert_eq!(watch.await, Late::Send);
        // Looked at from time to time only.
        assert!((900..=930).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
}
