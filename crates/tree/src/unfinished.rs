//! What is remembered of a MOVE that has not ended.

use davmux_driver::ErrorKind;
use davmux_state::Moves;

use crate::transfer::Job;
use crate::{Error, Problem, Result, TreePath};

/// Moves that left members behind. Asked again, such a move joins what stands at its target: to replace that, as another
/// move onto a folder would, is to lose what the first one moved. They outlive a crash in the state store.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished(Moves);

impl Unfinished {
    pub(crate) fn new(moves: Moves) -> Self {
        Self(moves)
    }

    pub(crate) async fn begin(&self, job: &Job) -> Result<()> {
        self.0.record(&job.from.to_string(), &job.to.to_string()).await.map_err(|error| unknown(job, &error))
    }

    pub(crate) async fn end(&self, job: &Job) {
        if let Err(error) = self.0.forget(&job.from.to_string(), &job.to.to_string()).await {
            tracing::warn!(from = %job.from, to = %job.to, %error, "the state store does not forget a move that has ended");
        }
    }

    pub(crate) async fn holds(&self, job: &Job) -> Result<bool> {
        self.0.holds(&job.from.to_string(), &job.to.to_string()).await.map_err(|error| unknown(job, &error))
    }

    /// Whatever comes there later is something else.
    pub(crate) async fn target_gone(&self, path: &TreePath) {
        let moves = self.0.all().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the moves that have not ended cannot be read");
            Vec::new()
        });
        for (from, to) in moves {
            if TreePath::parse(&to).is_ok_and(|to| to.is_within(path))
                && let Err(error) = self.0.forget(&from, &to).await
            {
                tracing::warn!(from, to, %error, "the state store does not forget a move");
            }
        }
    }
}

/// Without the state nobody knows whether a move was begun; nothing is changed then.
fn unknown(job: &Job, error: &davmux_state::Error) -> Error {
    tracing::warn!(from = %job.from, to = %job.to, %error, "the state store does not answer; the move waits");
    Error::new(Problem::Storage(ErrorKind::Unavailable), &job.from)
}
