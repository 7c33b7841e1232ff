//! [`Relays`]: how many files are relayed at once, and what a relay holds while its client reads nothing.
//!
//! A paused film may stand still for an hour, and a hostile client asks for many files and reads none. Neither keeps a
//! connection to a storage: a stream that nobody asked for a while is let go of, with its seat among the relays, and when
//! the client reads again the rest is fetched anew ([`resuming`](crate::resuming)).

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{ByteStream, Error, ErrorKind, RelPath};
use davmux_metrics::{Counter, Page};
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// How long one more relay waits for another to end. Players and drives ask for many short ranges, so mostly one does.
const PATIENCE: Duration = Duration::from_secs(5);

/// The relays of all mounts that share this. Clones are the same.
#[derive(Clone, Debug)]
pub struct Relays(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Mutex<(usize, Duration)>,
    seats: Arc<Semaphore>,
    refused: Counter,
    let_go: Counter,
}

impl Relays {
    /// So many at once. One whose client reads nothing for `stall` gives back the storage's connection.
    pub fn new(most: usize, stall: Duration) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        let (limits, seats) = (Mutex::new((most, stall)), Arc::new(Semaphore::new(most)));
        Self(Arc::new(Inner { limits, seats, refused: Counter::default(), let_go: Counter::default() }))
    }

    /// Other limits. Where there are fewer seats now, those that are taken go when their relays end.
    pub fn set(&self, most: usize, stall: Duration) {
        let most = most.min(Semaphore::MAX_PERMITS);
        let (former, _) = std::mem::replace(&mut *lock(&self.0.limits), (most, stall));
        if let Some(more) = most.checked_sub(former) {
            self.0.seats.add_permits(more);
            return;
        }
        let fewer = former - most;
        let taken = fewer - self.0.seats.forget_permits(fewer);
        if let Ok(taken) = u32::try_from(taken)
            && taken > 0
        {
            let seats = Arc::clone(&self.0.seats);
            tokio::spawn(async move {
                // Behind those that wait already.
                if let Ok(permits) = seats.acquire_many_owned(taken).await {
                    permits.forget();
                }
            });
        }
    }

    fn limits(&self) -> (usize, Duration) {
        *lock(&self.0.limits)
    }

    /// Relays that hold a connection to a storage.
    pub fn running(&self) -> usize {
        self.limits().0.saturating_sub(self.0.seats.available_permits())
    }

    /// Relays that were refused since the start.
    pub fn refused(&self) -> u64 {
        self.0.refused.get()
    }

    /// Connections to storages that were given back because a client read nothing, since the start.
    pub fn let_go(&self) -> u64 {
        self.0.let_go.get()
    }

    /// Writes all of it.
    pub fn write(&self, page: &mut Page) {
        page.gauges("davmux_relays_running", "Relays that hold a connection to a storage.")
            .value(self.running() as u64);
        page.counters("davmux_relays_refused", "Relays that were refused because too many ran.").value(self.refused());
        page.counters("davmux_relays_let_go", "Connections to storages given back since a client read nothing.")
            .value(self.let_go());
    }

    /// A seat, waited for; `None`: none became free in time.
    pub(crate) async fn seat(&self) -> Option<Seat> {
        // Almost always there is one, and no timer is set.
        if let Ok(permit) = Arc::clone(&self.0.seats).try_acquire_owned() {
            return Some(Seat(permit));
        }
        match timeout(PATIENCE, Arc::clone(&self.0.seats).acquire_owned()).await {
            Ok(Ok(permit)) => Some(Seat(permit)),
            Ok(Err(_)) | Err(_) => {
                self.0.refused.inc();
                None
            }
        }
    }

    /// `stream` of the file at `path`, let go of when nobody asks it for a while. It then fails with
    /// [`ErrorKind::Incomplete`] when it is asked again.
    pub(crate) fn attended(&self, path: &RelPath, stream: ByteStream, seat: Seat) -> ByteStream {
        let held = Held::Open { stream, _seat: seat, idle_since: Some(Instant::now()) };
        let held = Arc::new(Mutex::new(held));
        let watch = tokio::spawn(watch(self.clone(), Arc::clone(&held)));
        Box::pin(Attended { held, watch, path: path.clone() })
    }
}

impl Default for Relays {
    /// 256 at once: with about half a MiB each of memory on the way, and two descriptors. 30 s: longer than a player takes
    /// between two pieces while it plays.
    fn default() -> Self {
        Self::new(256, Duration::from_secs(30))
    }
}

/// One relay's place among all.
#[derive(Debug)]
pub(crate) struct Seat(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

enum Held {
    Open {
        stream: ByteStream,
        _seat: Seat,
        /// When it last gave something, if nobody has asked for more since.
        idle_since: Option<Instant>,
    },
    LetGo,
}

struct Attended {
    held: Arc<Mutex<Held>>,
    watch: JoinHandle<()>,
    path: RelPath,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets go of a stream in time. Ended by the one who reads.
async fn watch(relays: Relays, held: Arc<Mutex<Held>>) {
    let (_, stall) = relays.limits();
    let mut look_at = Instant::now() + stall;
    loop {
        sleep_until(look_at).await;
        let now = Instant::now();
        let mut held = lock(&held);
        look_at = match &*held {
            Held::LetGo => return,
            Held::Open { idle_since: None, .. } => now + stall,
            Held::Open { idle_since: Some(since), .. } if *since + stall > now => *since + stall,
            Held::Open { .. } => {
                let stream = std::mem::replace(&mut *held, Held::LetGo);
                drop(held);
                drop(stream);
                relays.0.let_go.inc();
                return;
            }
        };
    }
}

impl Stream for Attended {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut held = lock(&self.held);
        let Held::Open { stream, idle_since, .. } = &mut *held else {
            let error = Error::new(ErrorKind::Incomplete, "read", &self.path);
            return Poll::Ready(Some(Err(error.with_detail("nobody read it for a while"))));
        };
        let polled = stream.as_mut().poll_next(cx);
        *idle_since = polled.is_ready().then(Instant::now);
        // The seat is free for the one that reads on.
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            *held = Held::LetGo;
        }
        polled
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.watch.abort();
        // The task holds it too until the runtime has seen that.
        *lock(&self.held) = Held::LetGo;
    }
}
