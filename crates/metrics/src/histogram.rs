//! [`Histogram`]: how long things took.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::metrics::histogram;

/// How long things took. The bounds are the same for all: from half a millisecond, which an answer from memory takes, to
/// what a large upload takes; each about two and a half times the one before, so that a quantile is off by less than that.
///
/// It is made when something is observed first: of the calls that a storage knows most are never made.
#[derive(Debug, Default)]
pub struct Histogram(OnceLock<histogram::Histogram>);

/// Upper bounds in seconds.
const BOUNDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];

impl Histogram {
    /// One more, which took so long.
    pub fn observe(&self, took: Duration) {
        self.0.get_or_init(|| histogram::Histogram::new(BOUNDS)).observe(took.as_secs_f64());
    }

    /// What was observed, if anything was. It goes on counting.
    pub(crate) fn observed(&self) -> Option<histogram::Histogram> {
        self.0.get().cloned()
    }
}
