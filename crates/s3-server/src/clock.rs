//! What time the server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

/// The server's clock: the machine's, ahead or behind by what a test says. Clones are one clock.
///
/// Signatures, links and keys are judged by it, and the Date of an answer is its. The times of objects are the machine's.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Seconds ahead of the machine's clock.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// Sets it ahead of the machine's clock by so much.
    pub fn set_ahead(&self, by: Duration) {
        self.ahead.store(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Sets it behind the machine's clock by so much. A link that ended by the machine's clock stays ended.
    pub fn set_behind(&self, by: Duration) {
        self.ahead.store(i64::try_from(by.as_secs()).map_or(i64::MIN, |seconds| -seconds), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc().saturating_add(time::Duration::seconds(self.ahead.load(Ordering::Relaxed)))
    }
}
