//! Whether the mounts answer: asked by those who watch over a server.

use std::time::{Duration, Instant};

use davmux_driver::{Error, ErrorKind, RelPath};

use crate::tree::Tree;
use crate::{Mount, TreePath};

/// How long what a mount answered is told again, so that many who watch cost no more than one.
pub(crate) const TOLD_AGAIN: Duration = Duration::from_secs(5);
/// How long an answer is waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// How a mount is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Where it is.
    pub mount: TreePath,
    /// Whether its storage answered when it was last asked.
    pub ready: bool,
    /// When that was.
    pub checked: Instant,
    /// What the storage said when it last was in trouble, in this process, and when that was.
    pub last_error: Option<(String, Instant)>,
}

impl Tree {
    /// How each mount is, in the order of their paths. Asks each storage at most once in five seconds, and waits as long.
    pub async fn health(&self) -> Vec<Health> {
        let checked = futures_util::future::join_all(self.mounts.iter().map(|mount| async move {
            let (ready, checked) = self.checks.get(mount.path(), check(mount)).await;
            Health { mount: mount.path().clone(), ready, checked, last_error: mount.last_error() }
        }));
        let mut all = checked.await;
        all.sort_by(|one, other| one.mount.cmp(&other.mount));
        all
    }
}

async fn check(mount: &Mount) -> (bool, Instant) {
    let checked = tokio::time::timeout(LONGEST, mount.driver().check()).await.unwrap_or_else(|_| {
        let error = Error::new(ErrorKind::Timeout, "check", &RelPath::root());
        Err(error.with_detail("the storage did not answer within 5 s"))
    });
    let ready = checked.is_ok();
    match checked {
        Ok(()) => mount.answered(),
        // It is logged there.
        Err(error) => drop(mount.error(mount.path(), error)),
    }
    (ready, Instant::now())
}
