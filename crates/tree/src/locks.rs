//! Operations on overlapping paths exclude each other (promise 4), within this process.
//!
//! An operation claims all its paths in one step and waits behind every earlier operation that it overlaps, granted or
//! still waiting. Arrival is the one global order: nobody waits for a later one, so there is no deadlock, and nobody is
//! overtaken, so nobody starves. These are not WebDAV locks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::TreePath;

/// A path that an operation works on.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    path: TreePath,
    /// Everything below too.
    deep: bool,
    exclusive: bool,
}

impl Claim {
    /// To change one entry.
    pub(crate) fn one(path: &TreePath) -> Self {
        Self { path: path.clone(), deep: false, exclusive: true }
    }

    /// To change an entry and everything below.
    pub(crate) fn all(path: &TreePath) -> Self {
        Self { path: path.clone(), deep: true, exclusive: true }
    }

    /// To read an entry and everything below, while nobody changes it.
    pub(crate) fn read(path: &TreePath) -> Self {
        Self { path: path.clone(), deep: true, exclusive: false }
    }

    fn conflicts(&self, other: &Self) -> bool {
        (self.exclusive || other.exclusive)
            && (self.path == other.path
                || (self.deep && other.path.is_within(&self.path))
                || (other.deep && self.path.is_within(&other.path)))
    }
}

#[derive(Debug)]
struct Operation {
    id: u64,
    claims: Vec<Claim>,
    /// Taken when granted.
    waiting: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    operations: VecDeque<Operation>,
}

impl Queue {
    /// Grants what waits behind nothing any more.
    fn grant(&mut self) {
        for at in 0..self.operations.len() {
            if self.operations[at].waiting.is_some()
                && !(0..at).any(|earlier| overlap(&self.operations[earlier].claims, &self.operations[at].claims))
                && let Some(waiting) = self.operations[at].waiting.take()
            {
                // A receiver that is gone was dropped while waiting; its guard takes the operation out.
                let _ = waiting.send(());
            }
        }
    }
}

fn overlap(a: &[Claim], b: &[Claim]) -> bool {
    a.iter().any(|a| b.iter().any(|b| a.conflicts(b)))
}

/// All operations under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathLocks(Arc<Mutex<Queue>>);

/// Ends the claims when dropped.
#[derive(Debug)]
pub(crate) struct Claimed {
    locks: PathLocks,
    id: u64,
}

impl PathLocks {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no earlier operation overlaps.
    pub(crate) async fn claim(&self, claims: Vec<Claim>) -> Claimed {
        let (send, granted) = oneshot::channel();
        let claimed = {
            let mut queue = self.queue();
            let id = queue.next;
            queue.next += 1;
            queue.operations.push_back(Operation { id, claims, waiting: Some(send) });
            queue.grant();
            Claimed { locks: self.clone(), id }
        };
        // The sender lives in the queue until it is used, so this cannot fail.
        let _ = granted.await;
        claimed
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut queue = self.locks.queue();
        queue.operations.retain(|operation| operation.id != self.id);
        queue.grant();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    #[test]
    fn overlapping_operations_wait_and_neighbours_do_not() {
        let locks = PathLocks::default();
        let folder = locks.claim(vec![Claim::all(&path("/a"))]).now_or_never().unwrap();
        assert!(locks.claim(vec![Claim::one(&path("/a/b/c"))]).now_or_never().is_none());
        assert!(locks.claim(vec![Claim::all(&path("/"))]).now_or_never().is_none());
        assert!(locks.claim(vec![Claim::one(&path("/ab"))]).now_or_never().is_some());
        drop(folder);
        assert!(locks.claim(vec![Claim::one(&path("/a/b/c"))]).now_or_never().is_some());
    }

    #[test]
    fn readers_share_and_a_waiting_writer_is_not_overtaken() {
        let locks = PathLocks::default();
        let first = locks.claim(vec![Claim::read(&path("/a"))]).now_or_never().unwrap();
        let second = locks.claim(vec![Claim::read(&path("/a"))]).now_or_never().unwrap();
        let mut writer = Box::pin(locks.claim(vec![Claim::one(&path("/a/x"))]));
        assert!(writer.as_mut().now_or_never().is_none());
        let mut late = Box::pin(locks.claim(vec![Claim::read(&path("/a"))]));
        assert!(late.as_mut().now_or_never().is_none(), "a later reader waits behind the writer");
        drop((first, second));
        let written = writer.now_or_never().unwrap();
        assert!(late.as_mut().now_or_never().is_none());
        drop(written);
        assert!(late.now_or_never().is_some());
    }

    #[test]
    fn two_operations_that_swap_their_paths_do_not_deadlock() {
        let locks = PathLocks::default();
        let (a, b) = (path("/a"), path("/b"));
        let first = locks.claim(vec![Claim::all(&a), Claim::all(&b)]).now_or_never().unwrap();
        let mut second = Box::pin(locks.claim(vec![Claim::all(&b), Claim::all(&a)]));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn one_who_gives_up_waiting_leaves_the_queue() {
        let locks = PathLocks::default();
        let first = locks.claim(vec![Claim::read(&path("/a"))]).now_or_never().unwrap();
        drop(Box::pin(locks.claim(vec![Claim::all(&path("/a"))])));
        assert!(locks.claim(vec![Claim::read(&path("/a"))]).now_or_never().is_some());
        drop(first);
    }
}
