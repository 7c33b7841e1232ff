//! Work that outlives the request that asked for it (promise 5).

use std::future::Future;
use std::time::Duration;

use davmux_driver::meter::Meter;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;

use crate::By;

/// All such work under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs to its end, also when the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.spawn(work).await {
            Ok(value) => value,
            // The task is never aborted, so this is a panic: it belongs to the request.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// The same, without waiting.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let work = By::current().scope(work);
        self.tracker.spawn(Meter::current().scope(work).instrument(tracing::Span::current()))
    }

    /// Keeps a drain waiting for as long as it is held: for what is not a task yet and must not be left behind.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    /// Whether the drain limit of a shutdown has passed: a long operation stops before its next member.
    pub(crate) fn stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits for all work. What is not done within `limit` is asked to stop between two members, and awaited.
    pub(crate) async fn drain(&self, limit: Duration) {
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.tracker.len(), "the drain limit has passed, stopping between two members");
            self.stop.cancel();
            self.tracker.wait().await;
        }
    }
}
