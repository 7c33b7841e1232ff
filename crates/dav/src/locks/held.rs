//! [`Held`]: locks in memory, found by where they lie and by when they end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use davmux_tree::TreePath;

use super::{Lock, LockRefusal, Reach};

/// The most locks that one user may hold.
pub(super) const MOST_OF_USER: usize = 10_000;
/// The most locks on one resource: each answer about it tells them all.
pub(super) const MOST_OF_RESOURCE: usize = 64;
/// The most memory that all locks together may take, in bytes: some 100,000 usual ones.
pub(super) const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What a lock takes besides its texts, in bytes, roughly.
const PLAIN: usize = 512;
/// A clock that goes back by less only trembles.
const TREMBLE: Duration = Duration::from_secs(1);

/// The locks that have not ended.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By path with a slash at its end, so that everything below a path is one range.
    by_path: BTreeMap<Arc<str>, Vec<Lock>>,
    /// By when they end, with path and token.
    by_end: BTreeSet<(SystemTime, Arc<str>, Arc<str>)>,
    by_user: HashMap<Option<Arc<str>>, usize>,
    bytes: usize,
    /// The latest time that the clock told.
    seen: Option<SystemTime>,
    /// What ended by itself and may still be kept elsewhere.
    expired: Vec<Lock>,
}

fn key(path: &TreePath) -> Arc<str> {
    if path.is_root() { Arc::from("/") } else { Arc::from(format!("{path}/")) }
}

fn bytes(lock: &Lock, key: &str) -> usize {
    PLAIN + 2 * key.len() + lock.owner.len()
}

impl Held {
    /// Ends what has expired at `now`. Where the clock was set back, each lock keeps the life that it had left.
    pub(super) fn pass(&mut self, now: SystemTime) {
        let back = self.seen.and_then(|seen| seen.duration_since(now).ok()).unwrap_or_default();
        if back > TREMBLE {
            self.by_end.clear();
            for (key, locks) in &mut self.by_path {
                for lock in locks {
                    lock.expires = lock.expires.checked_sub(back).unwrap_or(now);
                    self.by_end.insert((lock.expires, Arc::clone(key), Arc::clone(&lock.token)));
                }
            }
        }
        if back.is_zero() || back > TREMBLE {
            self.seen = Some(now);
        }
        while let Some((_, key, token)) = self.by_end.first().filter(|(end, ..)| *end <= now).cloned() {
            match self.take(&key, &token) {
                Some(lock) => self.expired.push(lock),
                None => drop(self.by_end.pop_first()),
            }
        }
    }

    /// What ended by itself since this was last asked.
    pub(super) fn take_expired(&mut self) -> Vec<Lock> {
        std::mem::take(&mut self.expired)
    }

    /// What was taken could not be forgotten elsewhere: it is told again.
    pub(super) fn put_back_expired(&mut self, expired: Vec<Lock>) {
        self.expired.extend(expired);
    }

    /// The locks that `reach` asks for, those above first.
    pub(super) fn related(&self, path: &TreePath, reach: Reach) -> Vec<&Lock> {
        let key = key(path);
        let covering = key.match_indices('/').filter_map(|(at, _)| self.by_path.get(&key[..=at]));
        let mut found: Vec<&Lock> = covering.flatten().collect();
        match reach {
            Reach::Itself => {}
            Reach::Below => {
                let below = self.by_path.range::<str, _>((Bound::Excluded(&*key), Bound::Unbounded));
                found.extend(below.take_while(|(other, _)| other.starts_with(&*key)).flat_map(|(_, locks)| locks));
            }
            Reach::Members => {
                let mut next = Bound::Excluded(key.to_string());
                loop {
                    let from = next.as_ref().map(String::as_str);
                    let Some((other, locks)) = self.by_path.range::<str, _>((from, Bound::Unbounded)).next() else {
                        break;
                    };
                    let Some(below) = other.strip_prefix(&*key) else { break };
                    let name = below.find('/').unwrap_or(below.len());
                    if name + 1 == below.len() {
                        found.extend(locks);
                    }
                    // What lies deeper is stepped over: '0' follows '/'.
                    next = Bound::Included(format!("{key}{}0", &below[..name]));
                }
            }
        }
        found
    }

    /// Whether a lock may be added.
    pub(super) fn may_add(&self, lock: &Lock) -> Result<(), LockRefusal> {
        let reach = if lock.deep { Reach::Below } else { Reach::Itself };
        if let Some(other) = self.related(&lock.path, reach).into_iter().find(|other| other.conflicts(lock)) {
            return Err(LockRefusal::Conflict(Box::new(other.clone())));
        }
        if self.by_path.get(&key(&lock.path)).is_some_and(|locks| locks.len() >= MOST_OF_RESOURCE) {
            return Err(LockRefusal::Crowded);
        }
        if self.by_user.get(&lock.user).is_some_and(|count| *count >= MOST_OF_USER) {
            return Err(LockRefusal::TooMany);
        }
        if self.bytes + bytes(lock, &key(&lock.path)) > MOST_BYTES { Err(LockRefusal::Full) } else { Ok(()) }
    }

    /// Keeps a lock, in place of what was known of it.
    pub(super) fn keep(&mut self, lock: Lock) {
        let key = key(&lock.path);
        self.take(&key, &lock.token);
        *self.by_user.entry(lock.user.clone()).or_default() += 1;
        self.bytes += bytes(&lock, &key);
        self.by_end.insert((lock.expires, Arc::clone(&key), Arc::clone(&lock.token)));
        self.by_path.entry(key).or_default().push(lock);
    }

    /// The lock of this token on exactly this path.
    pub(super) fn get(&self, path: &TreePath, token: &str) -> Option<&Lock> {
        self.by_path.get(&key(path))?.iter().find(|lock| &*lock.token == token)
    }

    /// Forgets a lock.
    pub(super) fn end(&mut self, path: &TreePath, token: &str) {
        self.take(&key(path), token);
    }

    fn take(&mut self, key: &str, token: &str) -> Option<Lock> {
        let locks = self.by_path.get_mut(key)?;
        let at = locks.iter().position(|lock| &*lock.token == token)?;
        let lock = locks.remove(at);
        if locks.is_empty() {
            self.by_path.remove(key);
        }
        self.by_end.remove(&(lock.expires, Arc::from(key), Arc::clone(&lock.token)));
        self.bytes -= bytes(&lock, key);
        if let Some(count) = self.by_user.get_mut(&lock.user) {
            *count -= 1;
            if *count == 0 {
                self.by_user.remove(&lock.user);
            }
        }
        Some(lock)
    }
}
