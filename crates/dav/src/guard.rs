//! Whether a lock stands in the way of a change (RFC 4918 section 7).

use davmux_tree::{Node, RelPath, TreePath};
use http::StatusCode;

use crate::call::Call;
use crate::locks::{Lock, LockScope};
use crate::status::{Condition, Failure};

/// What a method is about to do at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The content or the properties of what stands there change.
    Itself,
    /// Something appears there, or takes the place of what stands there with all below it.
    Appears,
    /// It goes, with all below it.
    Goes,
}

impl Call {
    /// Refuses a change (423) that a lock forbids whose token was not submitted by the user who holds it. `known` is what
    /// stands there, where it was looked at already.
    pub(crate) async fn guard(
        &self,
        path: &RelPath,
        change: Change,
        tokens: &[String],
        known: Option<&Option<Node>>,
    ) -> Result<(), Failure> {
        let place = self.place(path);
        let locks = self.locks(&place).await?;
        if locks.is_empty() {
            return Ok(());
        }
        let user = self.user();
        let refused = |lock: &Lock| {
            Err(Failure::condition(StatusCode::LOCKED, Condition::TokenSubmitted(self.href_of(&lock.path))))
        };
        if let Some(lock) = in_the_way(&locks, &place, user, tokens) {
            return refused(lock);
        }
        if change == Change::Itself {
            return Ok(());
        }
        let below = locks.iter().filter(|lock| lock.path != place && lock.path.is_within(&place));
        for lock in below {
            if let Some(lock) = in_the_way(&locks, &lock.path, user, tokens) {
                return refused(lock);
            }
        }
        // A lock on a folder protects which members it has.
        let Some(parent) = place.parent() else { return Ok(()) };
        let Some(lock) = in_the_way(&locks, &parent, user, tokens) else { return Ok(()) };
        let membership_changes = match (change, known) {
            (Change::Goes, _) => true,
            (_, Some(node)) => node.is_none(),
            (_, None) => self.look(path).await?.is_none(),
        };
        if membership_changes { refused(lock) } else { Ok(()) }
    }
}

/// A lock on `place` under which the request does not act. Of several shared locks it must hold one.
fn in_the_way<'a>(locks: &'a [Lock], place: &TreePath, user: Option<&str>, tokens: &[String]) -> Option<&'a Lock> {
    let covering = || locks.iter().filter(|lock| lock.covers(place));
    if covering().any(|lock| lock.is_held(user, tokens)) {
        return None;
    }
    covering().find(|lock| lock.scope == LockScope::Exclusive).or_else(|| covering().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    fn lock(token: &str, at: &str, user: &str, scope: LockScope, deep: bool) -> Lock {
        Lock {
            token: Arc::from(token),
            path: TreePath::parse(at).unwrap(),
            user: Some(Arc::from(user)),
            owner: Arc::from(""),
            scope,
            deep,
            expires: UNIX_EPOCH,
        }
    }

    #[test]
    fn a_token_counts_only_for_the_user_who_holds_the_lock() {
        let locks = [lock("1", "/a", "alice", LockScope::Exclusive, false)];
        let place = TreePath::parse("/a").unwrap();
        let tokens = ["1".to_owned()];
        assert!(in_the_way(&locks, &place, Some("alice"), &tokens).is_none());
        assert!(in_the_way(&locks, &place, Some("bob"), &tokens).is_some());
        assert!(in_the_way(&locks, &place, None, &tokens).is_some());
        assert!(in_the_way(&locks, &place, Some("alice"), &[]).is_some());
    }

    #[test]
    fn one_of_several_shared_locks_is_enough() {
        let locks =
            [lock("1", "/a", "alice", LockScope::Shared, true), lock("2", "/a/b", "bob", LockScope::Shared, false)];
        let place = TreePath::parse("/a/b").unwrap();
        assert!(in_the_way(&locks, &place, Some("alice"), &["1".to_owned()]).is_none());
        assert!(in_the_way(&locks, &place, Some("bob"), &["2".to_owned()]).is_none());
        assert!(in_the_way(&locks, &place, Some("carol"), &["2".to_owned()]).is_some());
        assert!(in_the_way(&locks, &TreePath::parse("/ab").unwrap(), None, &[]).is_none());
    }
}
