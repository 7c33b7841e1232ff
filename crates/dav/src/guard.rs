//! Whether a lock stands in the way of a change (RFC 4918 section 7).

use std::collections::{HashMap, HashSet};

use davmux_tree::{Node, RelPath, TreePath};
use http::StatusCode;

use crate::call::Call;
use crate::locks::{Lock, LockScope, Reach};
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
        let reach = if change == Change::Itself { Reach::Itself } else { Reach::Below };
        let mut locks = self.locks(&place, reach).await?;
        // What changes all below a folder is refused where its user does not see all of it, so what is not seen stays as it is.
        locks.retain(|lock| !lock.path.is_within(&place) || self.view.sees(&lock.path));
        if locks.is_empty() {
            return Ok(());
        }
        let locks = Locks::new(&locks, self.user(), tokens);
        let refused = |lock: &Lock| {
            Err(Failure::condition(StatusCode::LOCKED, Condition::TokenSubmitted(self.href_of(&lock.path))))
        };
        if let Some(lock) = locks.in_the_way(&place) {
            return refused(lock);
        }
        if change == Change::Itself {
            return Ok(());
        }
        if let Some(lock) = locks.in_the_way_below(&place) {
            return refused(lock);
        }
        // A lock on a folder protects which members it has.
        let Some(parent) = place.parent() else { return Ok(()) };
        let Some(lock) = locks.in_the_way(&parent) else { return Ok(()) };
        let membership_changes = match (change, known) {
            (Change::Goes, _) => true,
            (_, Some(node)) => node.is_none(),
            (_, None) => self.look(path).await?.is_none(),
        };
        if membership_changes { refused(lock) } else { Ok(()) }
    }
}

/// Locks by where they lie, and under which of them a request acts. A folder may hold thousands, and a request may submit as
/// many tokens.
struct Locks<'a>(HashMap<&'a TreePath, Vec<Standing<'a>>>);

struct Standing<'a> {
    lock: &'a Lock,
    /// The request submits its token, and its user holds it.
    held: bool,
}

impl<'a> Locks<'a> {
    fn new(locks: &'a [Lock], user: Option<&str>, tokens: &[String]) -> Self {
        let tokens: HashSet<&str> = tokens.iter().map(String::as_str).collect();
        let mut by_path: HashMap<&TreePath, Vec<Standing<'a>>> = HashMap::new();
        for lock in locks {
            let held = lock.user.as_deref() == user && tokens.contains(&*lock.token);
            by_path.entry(&lock.path).or_default().push(Standing { lock, held });
        }
        Self(by_path)
    }

    /// A lock on `place` under which the request does not act. Of several shared locks it must hold one.
    fn in_the_way(&self, place: &TreePath) -> Option<&'a Lock> {
        let mut covering = Vec::new();
        let mut next = Some(place.clone());
        while let Some(path) = next {
            covering.extend(self.0.get(&path).into_iter().flatten().filter(|standing| standing.lock.covers(place)));
            next = path.parent();
        }
        if covering.iter().any(|standing| standing.held) {
            return None;
        }
        let exclusive = covering.iter().find(|standing| standing.lock.scope == LockScope::Exclusive);
        exclusive.or(covering.first()).map(|standing| standing.lock)
    }

    fn in_the_way_below(&self, place: &TreePath) -> Option<&'a Lock> {
        let below = self.0.keys().filter(|path| **path != place && path.is_within(place));
        below.filter_map(|path| self.in_the_way(path)).min_by(|a, b| a.path.cmp(&b.path))
    }
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

    fn in_the_way(locks: &[Lock], place: &str, user: Option<&str>, tokens: &[&str]) -> bool {
        let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
        Locks::new(locks, user, &tokens).in_the_way(&TreePath::parse(place).unwrap()).is_some()
    }

    #[test]
    fn a_token_counts_only_for_the_user_who_holds_the_lock() {
        let locks = [lock("1", "/a", "alice", LockScope::Exclusive, false)];
        assert!(!in_the_way(&locks, "/a", Some("alice"), &["1"]));
        assert!(in_the_way(&locks, "/a", Some("bob"), &["1"]));
        assert!(in_the_way(&locks, "/a", None, &["1"]));
        assert!(in_the_way(&locks, "/a", Some("alice"), &[]));
    }

    #[test]
    fn one_of_several_shared_locks_is_enough() {
        let locks =
            [lock("1", "/a", "alice", LockScope::Shared, true), lock("2", "/a/b", "bob", LockScope::Shared, false)];
        assert!(!in_the_way(&locks, "/a/b", Some("alice"), &["1"]));
        assert!(!in_the_way(&locks, "/a/b", Some("bob"), &["2"]));
        assert!(in_the_way(&locks, "/a/b", Some("carol"), &["2"]));
        assert!(!in_the_way(&locks, "/ab", None, &[]));
    }

    #[test]
    fn all_that_lies_below_must_be_held() {
        let mut locks: Vec<Lock> =
            (0..3).map(|n| lock(&n.to_string(), &format!("/a/{n}"), "alice", LockScope::Exclusive, false)).collect();
        locks.push(lock("far", "/b", "bob", LockScope::Exclusive, false));
        let place = TreePath::parse("/a").unwrap();
        let below = |tokens: &[&str]| {
            let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
            Locks::new(&locks, Some("alice"), &tokens).in_the_way_below(&place).map(|lock| lock.path.to_string())
        };
        assert_eq!(below(&["0", "1", "2"]), None);
        assert_eq!(below(&["0"]).as_deref(), Some("/a/1"));
    }
}
