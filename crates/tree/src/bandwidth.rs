//! How fast bytes may go to and from a storage, all requests together.
//!
//! Each request takes its turn for a small piece, gets it, and queues up again behind the others: so those that wait share
//! what there is evenly, whatever the size of their chunks. A request that nobody reads takes no turn.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use davmux_driver::ByteStream;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use crate::mounts::Spot;

/// Bytes a second that a mount may carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bandwidth {
    /// From the storage: relays, and copies that are streamed through here. `None`: as fast as it goes.
    pub down: Option<NonZeroU64>,
    /// To the storage.
    pub up: Option<NonZeroU64>,
}

/// What is let through in one turn.
const PIECE: usize = 64 * 1024;
/// For how long what was not used is kept for later.
const SAVED: Duration = Duration::from_millis(250);

/// Both ways of one mount.
#[derive(Debug)]
pub(crate) struct Gates {
    pub(crate) down: Option<Gate>,
    pub(crate) up: Option<Gate>,
}

impl Gates {
    pub(crate) fn new(bandwidth: Bandwidth) -> Self {
        Self { down: bandwidth.down.map(Gate::new), up: bandwidth.up.map(Gate::new) }
    }
}

/// One way.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Bytes a second.
    rate: NonZeroU64,
    /// When all turns that were given are over; `None`: none was.
    free: Mutex<Option<Instant>>,
}

impl Gate {
    fn new(rate: NonZeroU64) -> Self {
        Self { rate, free: Mutex::new(None) }
    }

    /// Waits for the turn of so many bytes.
    pub(crate) async fn pass(&self, bytes: usize) {
        let turn = Duration::from_secs_f64(bytes as f64 / self.rate.get() as f64);
        let now = Instant::now();
        let begins = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let saved = now.checked_sub(SAVED).unwrap_or(now);
            let begins = free.map_or(saved, |free| free.max(saved));
            *free = Some(begins + turn);
            begins
        };
        if begins > now {
            let waits = Waits { gate: self, turn };
            sleep_until(begins).await;
            std::mem::forget(waits);
        }
    }
}

/// A turn that was given and has not come: dropped with a request that went away, it is somebody else's.
struct Waits<'a> {
    gate: &'a Gate,
    turn: Duration,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut free = self.gate.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.and_then(|free| free.checked_sub(self.turn));
    }
}

/// `chunk` in pieces of a turn each.
pub(crate) fn pieces(mut chunk: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!chunk.is_empty()).then(|| chunk.split_to(chunk.len().min(PIECE))))
}

/// A stream from the storage of `spot`, no faster than its mount allows.
pub(crate) fn throttled(spot: &Spot, stream: ByteStream) -> ByteStream {
    if spot.mount.gates().down.is_none() {
        return stream;
    }
    let mount = std::sync::Arc::clone(&spot.mount);
    let pieces = stream.flat_map(|chunk| match chunk {
        Ok(chunk) => stream::iter(pieces(chunk).map(Ok)).boxed(),
        Err(error) => stream::iter([Err(error)]).boxed(),
    });
    pieces
        .then(move |piece| {
            let mount = std::sync::Arc::clone(&mount);
            async move {
                if let (Ok(piece), Some(gate)) = (&piece, &mount.gates().down) {
                    gate.pass(piece.len()).await;
                }
                piece
            }
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use davmux_driver::RelPath;
    use davmux_driver_testkit::Memory;

    use super::*;
    use crate::{Mount, MountOptions, TreePath};

    fn spot(down: u64) -> Spot {
        let bandwidth = Bandwidth { down: NonZeroU64::new(down), up: None };
        let options = MountOptions { bandwidth, ..MountOptions::default() };
        let mount = Mount::new(TreePath::root(), Arc::new(Memory::keys()), options);
        Spot { mount: Arc::new(mount), rel: RelPath::root(), path: TreePath::root() }
    }

    /// Chunks of `size` bytes without end.
    fn endless(size: usize) -> ByteStream {
        stream::repeat_with(move || Ok(Bytes::from(vec![0; size]))).boxed()
    }

    /// How many bytes a stream gave until `end`.
    async fn until(mut stream: ByteStream, end: Instant) -> u64 {
        let mut bytes = 0;
        while let Ok(Some(chunk)) = tokio::time::timeout_at(end, stream.next()).await {
            bytes += chunk.unwrap().len() as u64;
        }
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn requests_with_large_and_with_small_chunks_get_the_same_share_and_together_no_more_than_the_rate() {
        const RATE: u64 = 4 << 20;
        let (spot, end) = (spot(RATE), Instant::now() + Duration::from_secs(60));
        let sizes = [1 << 20, 256 << 10, 64 << 10, 64 << 10];
        let streams = sizes.map(|size| until(throttled(&spot, endless(size)), end));
        let got = futures_util::future::join_all(streams).await;
        let (most, fair) = (RATE * 60, RATE * 60 / 4);
        let all: u64 = got.iter().sum();
        assert!(all <= most + RATE / 4 + 4 * PIECE as u64 && all > most * 99 / 100, "{got:?} of {most}");
        assert!(got.iter().all(|bytes| bytes.abs_diff(fair) < fair / 50), "{got:?}, not {fair} each");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_read_leaves_its_share_to_the_others_and_saves_up_next_to_nothing() {
        const RATE: u64 = 1 << 20;
        let spot = spot(RATE);
        let mut idle = throttled(&spot, endless(PIECE));
        idle.next().await.unwrap().unwrap();
        let start = Instant::now();
        let busy = until(throttled(&spot, endless(PIECE)), start + Duration::from_secs(30)).await;
        assert!(busy > 29 * RATE, "{busy}");
        tokio::time::advance(Duration::from_secs(3600)).await;
        let after = until(idle, Instant::now() + Duration::from_secs(10)).await;
        assert!(after <= 10 * RATE + RATE / 4 + 2 * PIECE as u64, "{after}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_a_stream_is_what_it_was() {
        let start = Instant::now();
        let mut stream = throttled(&spot(0), endless(1 << 20));
        assert_eq!(stream.next().await.unwrap().unwrap().len(), 1 << 20);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
