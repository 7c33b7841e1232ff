//! The locks that clients hold: what a lock is, and the questions asked of whatever keeps them.

mod held;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use davmux_tree::TreePath;

pub use table::LockTable;

/// One lock (RFC 4918 section 6). It lies on a path of the tree, so users with different views see the same lock.
#[derive(Clone)]
pub struct Lock {
    /// `urn:uuid:...`
    pub token: Arc<str>,
    /// What is locked (the lock root).
    pub path: TreePath,
    /// Who holds it; `None`: whoever is not logged in.
    pub user: Option<Arc<str>>,
    /// What the client says of its owner: its `owner` element, written anew as safe XML that needs `D` to be bound to
    /// `DAV:`; `""`: it said nothing.
    pub owner: Arc<str>,
    /// Exclusive or shared.
    pub scope: LockScope,
    /// `Depth: infinity`.
    pub deep: bool,
    /// When it ends by itself.
    pub expires: SystemTime,
}

/// `Debug` leaves the token out.
impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("path", &self.path)
            .field("user", &self.user)
            .field("scope", &self.scope)
            .field("deep", &self.deep)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Whether others may hold a lock of the same kind beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockScope {
    /// Nobody else.
    Exclusive,
    /// Others that are shared too.
    Shared,
}

/// Why a lock was not given, or the locks could not be looked at.
#[derive(Clone, Debug)]
pub enum LockRefusal {
    /// This one stands in the way.
    Conflict(Box<Lock>),
    /// The user holds as many as one user may.
    TooMany,
    /// As many shared ones lie on the resource as one may have.
    Crowded,
    /// All users together hold as much as is kept.
    Full,
    /// The store failed.
    Failed,
}

/// Tells the time; a test tells its own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Which locks are asked for beside those on a path itself and on the folders above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// None.
    Itself,
    /// Those on the members of this folder.
    Members,
    /// Those on everything below.
    Below,
}

/// The longest life of a lock: what clients get that ask for more, or for `Infinite`. One that goes away without UNLOCK blocks
/// others no longer than that.
pub(crate) const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// Where locks are kept. Every answer leaves out what has expired. A future that is dropped leaves its change done or not
/// done, never half.
///
/// A store that several instances share can stand behind it: each method is one question or one atomic step, and none hands
/// out a guard (docs/adr/0015-locks-in-the-state-store.md).
#[async_trait]
pub trait LockStore: fmt::Debug + Send + Sync + 'static {
    /// The locks on a path and on the folders above it, of any depth, and those that `reach` adds. Those above come first.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`] where the store could not look: then nobody may act as if there were none.
    async fn related(&self, path: &TreePath, reach: Reach) -> Result<Vec<Lock>, LockRefusal>;

    /// Adds a lock if none that it conflicts with is there, in one step.
    ///
    /// # Errors
    /// [`LockRefusal`].
    async fn add(&self, lock: Lock) -> Result<(), LockRefusal>;

    /// Lets a lock live until `expires`; `None` where it is not there any more.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`].
    async fn refresh(&self, path: &TreePath, token: &str, expires: SystemTime) -> Result<Option<Lock>, LockRefusal>;

    /// Ends locks in one step, and answers how many of them were still there.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`].
    async fn remove(&self, locks: &[Lock]) -> Result<usize, LockRefusal>;
}

impl Lock {
    /// Whether it protects what is at `path`.
    pub(crate) fn covers(&self, path: &TreePath) -> bool {
        self.path == *path || (self.deep && path.is_within(&self.path))
    }

    /// Whether the two cannot be held together (RFC 4918 section 6.2).
    fn conflicts(&self, other: &Self) -> bool {
        let exclusive = self.scope == LockScope::Exclusive || other.scope == LockScope::Exclusive;
        exclusive && (self.covers(&other.path) || other.covers(&self.path))
    }

    /// Whether a request of `user` that submits `tokens` acts under this lock.
    pub(crate) fn is_held(&self, user: Option<&str>, tokens: &[String]) -> bool {
        self.user.as_deref() == user && tokens.iter().any(|token| **token == *self.token)
    }
}

/// How long is left of a lock, in whole seconds; the begun one counts, so that who asked for 600 reads 600.
pub(crate) fn seconds_left(lock: &Lock, now: SystemTime) -> u64 {
    lock.expires.duration_since(now).unwrap_or(Duration::ZERO).as_secs_f64().ceil() as u64
}
