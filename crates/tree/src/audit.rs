//! One line in the log for each change that was made: who, what, from where, to where.
//!
//! It is written by the task that makes the change and not by the request that asked for it, so a change that runs on after
//! its client has gone has its line too. What was refused has none: nothing changed. Where a storage failed and the change
//! may have been made in part, the line says `failed`.

use std::net::IpAddr;
use std::sync::Arc;

use davmux_driver::ErrorKind;

use crate::{Problem, Result, TreePath};

tokio::task_local! {
    static BY: By;
}

/// Who asks for the changes of a request.
#[derive(Clone, Debug, Default)]
pub struct By {
    /// `None`: somebody who is not logged in.
    pub user: Option<Arc<str>>,
    /// The client's address, where it is known.
    pub address: Option<IpAddr>,
}

impl By {
    /// Runs what this one asks for; also what goes on in tasks of the tree.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        BY.scope(self, work).await
    }

    /// Who asks now.
    pub(crate) fn current() -> Self {
        BY.try_with(Clone::clone).unwrap_or_default()
    }
}

/// A change that begins.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    action: &'static str,
    path: TreePath,
    to: Option<TreePath>,
}

impl Change {
    pub(crate) fn new(action: &'static str, path: &TreePath) -> Self {
        Self { action, path: path.clone(), to: None }
    }

    pub(crate) fn to(self, to: &TreePath) -> Self {
        Self { to: Some(to.clone()), ..self }
    }

    /// It has ended. Of what was done, `told` says how many members it failed for, and the bytes that were written.
    pub(crate) fn ended<T>(self, result: &Result<T>, told: impl FnOnce(&T) -> (usize, Option<u64>)) {
        let (outcome, failed, bytes, error) = match result {
            Ok(value) => match told(value) {
                (0, bytes) => ("done", None, bytes, None),
                (failed, bytes) => ("partial", Some(failed as u64), bytes, None),
            },
            Err(error) if may_have_changed(error.problem()) => ("failed", None, None, Some(error.to_string())),
            Err(_) => return,
        };
        let By { user, address } = By::current();
        tracing::info!(
            target: "audit",
            user = user.as_deref(),
            address = address.map(tracing::field::display),
            action = self.action,
            path = %self.path,
            to = self.to.map(tracing::field::display),
            result = outcome,
            failed,
            bytes,
            error,
            "changed"
        );
    }
}

/// Whether a storage may have done something before it failed.
fn may_have_changed(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::Storage(
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Backend | ErrorKind::Throttled { .. }
        )
    )
}
