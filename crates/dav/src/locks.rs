//! The locks that clients hold: what a lock is, the store behind them, and the questions asked of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use davmux_tree::TreePath;

/// One lock (RFC 4918 section 6). It lies on a path of the tree, so users with different views see the same lock.
#[derive(Clone)]
pub struct Lock {
    /// `urn:uuid:...`
    pub token: Arc<str>,
    /// What is locked (the lock root).
    pub path: TreePath,
    /// Who holds it; `None`: whoever is not logged in.
    pub user: Option<Arc<str>>,
    /// What the client says of its owner: the content of the `owner` element, written anew as safe XML.
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

/// Why a lock was not given.
#[derive(Clone, Debug)]
pub enum LockRefusal {
    /// This one stands in the way.
    Conflict(Box<Lock>),
    /// The user holds as many as one user may.
    TooMany,
    /// The store failed.
    Failed,
}

/// Tells the time; a test tells its own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Where locks are kept. Every answer leaves out what has expired.
#[async_trait]
pub trait LockStore: fmt::Debug + Send + Sync + 'static {
    /// The locks that can matter to a path: on it, on the folders above it (of any depth), and on everything below it.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`] where the store could not look: then nobody may act as if there were none.
    async fn related(&self, path: &TreePath) -> Result<Vec<Lock>, LockRefusal>;

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

    /// Ends a lock; false where it is not there any more.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`].
    async fn remove(&self, path: &TreePath, token: &str) -> Result<bool, LockRefusal>;

    /// Ends the locks on a path and below it. Those on a path in `keep`, below one of them or on a folder above one of
    /// them stay.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`].
    async fn remove_within(&self, path: &TreePath, keep: &[TreePath]) -> Result<(), LockRefusal>;
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

/// Locks in memory. They end with the process.
pub struct MemoryLocks {
    clock: Clock,
    held: Mutex<Held>,
}

/// The most locks that one user may hold.
const MOST_LOCKS: usize = 10_000;

#[derive(Default)]
struct Held {
    /// By path with a slash at its end, so that everything below a path is one range.
    by_path: BTreeMap<String, Vec<Lock>>,
    by_user: HashMap<Option<Arc<str>>, usize>,
    /// No lock expires before it.
    next_expiry: Option<SystemTime>,
}

impl MemoryLocks {
    /// No locks yet.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemTime::now))
    }

    /// No locks yet, and a clock that says when they expire.
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, held: Mutex::default() }
    }

    /// What is held now.
    fn held(&self) -> MutexGuard<'_, Held> {
        let now = (self.clock)();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.next_expiry.is_some_and(|next| next <= now) {
            held.retain(|lock| lock.expires > now);
        }
        held
    }
}

impl Default for MemoryLocks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLocks").finish_non_exhaustive()
    }
}

fn key(path: &TreePath) -> String {
    if path.is_root() { "/".to_owned() } else { format!("{path}/") }
}

impl Held {
    fn retain(&mut self, mut stays: impl FnMut(&Lock) -> bool) {
        let mut gone = Vec::new();
        self.by_path.retain(|_, locks| {
            locks.retain(|lock| {
                let stay = stays(lock);
                if !stay {
                    gone.push(lock.user.clone());
                }
                stay
            });
            !locks.is_empty()
        });
        for user in gone {
            self.uncount(&user);
        }
        self.next_expiry = self.by_path.values().flatten().map(|lock| lock.expires).min();
    }

    fn uncount(&mut self, user: &Option<Arc<str>>) {
        if let Some(count) = self.by_user.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.by_user.remove(user);
            }
        }
    }

    fn related(&self, path: &TreePath) -> impl Iterator<Item = &Lock> {
        let key = key(path);
        let mut above = Vec::new();
        let mut next = path.parent();
        while let Some(folder) = next {
            above.extend(self.by_path.get(&self::key(&folder)).into_iter().flatten());
            next = folder.parent();
        }
        let start = key.clone();
        let below = self.by_path.range(start..).take_while(move |(other, _)| other.starts_with(&key));
        above.into_iter().rev().chain(below.flat_map(|(_, locks)| locks))
    }
}

#[async_trait]
impl LockStore for MemoryLocks {
    async fn related(&self, path: &TreePath) -> Result<Vec<Lock>, LockRefusal> {
        Ok(self.held().related(path).cloned().collect())
    }

    async fn add(&self, lock: Lock) -> Result<(), LockRefusal> {
        let mut held = self.held();
        if let Some(other) = held.related(&lock.path).find(|other| other.conflicts(&lock)) {
            return Err(LockRefusal::Conflict(Box::new(other.clone())));
        }
        let count = held.by_user.entry(lock.user.clone()).or_default();
        if *count >= MOST_LOCKS {
            return Err(LockRefusal::TooMany);
        }
        *count += 1;
        held.next_expiry = Some(held.next_expiry.map_or(lock.expires, |next| next.min(lock.expires)));
        held.by_path.entry(key(&lock.path)).or_default().push(lock);
        Ok(())
    }

    async fn refresh(&self, path: &TreePath, token: &str, expires: SystemTime) -> Result<Option<Lock>, LockRefusal> {
        let mut held = self.held();
        held.next_expiry = held.next_expiry.map(|next| next.min(expires));
        let locks = held.by_path.get_mut(&key(path));
        Ok(locks.and_then(|locks| locks.iter_mut().find(|lock| &*lock.token == token)).map(|lock| {
            lock.expires = expires;
            lock.clone()
        }))
    }

    async fn remove(&self, path: &TreePath, token: &str) -> Result<bool, LockRefusal> {
        let mut held = self.held();
        let key = key(path);
        let Some(locks) = held.by_path.get_mut(&key) else { return Ok(false) };
        let Some(at) = locks.iter().position(|lock| &*lock.token == token) else { return Ok(false) };
        let lock = locks.remove(at);
        if locks.is_empty() {
            held.by_path.remove(&key);
        }
        held.uncount(&lock.user);
        Ok(true)
    }

    async fn remove_within(&self, path: &TreePath, keep: &[TreePath]) -> Result<(), LockRefusal> {
        let mut held = self.held();
        if held.related(path).next().is_none() {
            return Ok(());
        }
        let kept = |lock: &Lock| keep.iter().any(|kept| kept.is_within(&lock.path) || lock.path.is_within(kept));
        held.retain(|lock| !lock.path.is_within(path) || kept(lock));
        Ok(())
    }
}

/// How long is left of a lock, in whole seconds.
pub(crate) fn seconds_left(lock: &Lock, now: SystemTime) -> u64 {
    lock.expires.duration_since(now).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::UNIX_EPOCH;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn lock(at: &str, token: &str, scope: LockScope, deep: bool) -> Lock {
        Lock {
            token: Arc::from(token),
            path: path(at),
            user: Some(Arc::from("alice")),
            owner: Arc::from(""),
            scope,
            deep,
            expires: UNIX_EPOCH + Duration::from_secs(100),
        }
    }

    fn store() -> (MemoryLocks, Arc<AtomicU64>) {
        let now = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&now);
        let clock = Arc::new(move || UNIX_EPOCH + Duration::from_secs(seen.load(Ordering::SeqCst)));
        (MemoryLocks::with_clock(clock), now)
    }

    async fn tokens(store: &MemoryLocks, at: &str) -> Vec<String> {
        store.related(&path(at)).await.unwrap().iter().map(|lock| lock.token.to_string()).collect()
    }

    #[tokio::test]
    async fn a_neighbour_is_not_related() {
        let (store, _) = store();
        for at in ["/", "/a", "/a/b", "/a-b", "/ab", "/a!"] {
            store.add(lock(at, at, LockScope::Shared, false)).await.unwrap();
        }
        assert_eq!(tokens(&store, "/a").await, ["/", "/a", "/a/b"]);
        assert_eq!(tokens(&store, "/a/b/c").await, ["/", "/a", "/a/b"]);
        assert_eq!(tokens(&store, "/ab").await, ["/", "/ab"]);
    }

    #[tokio::test]
    async fn exclusive_locks_stand_alone_and_shared_ones_together() {
        use LockScope::{Exclusive, Shared};
        for (first, second, conflict) in [
            (("/a", Exclusive, false), ("/a", Exclusive, false), true),
            (("/a", Exclusive, false), ("/a", Shared, false), true),
            (("/a", Shared, false), ("/a", Shared, false), false),
            (("/a", Shared, false), ("/a", Exclusive, false), true),
            (("/a", Exclusive, true), ("/a/b/c", Shared, false), true),
            (("/a", Exclusive, false), ("/a/b", Exclusive, false), false),
            (("/a/b", Exclusive, false), ("/a", Exclusive, true), true),
            (("/a/b", Exclusive, false), ("/a", Exclusive, false), false),
            (("/a", Exclusive, true), ("/ab", Exclusive, true), false),
        ] {
            let (store, _) = store();
            store.add(lock(first.0, "1", first.1, first.2)).await.unwrap();
            let second_result = store.add(lock(second.0, "2", second.1, second.2)).await;
            assert_eq!(matches!(second_result, Err(LockRefusal::Conflict(_))), conflict, "{first:?} {second:?}");
        }
    }

    #[tokio::test]
    async fn a_lock_ends_when_its_time_is_over() {
        let (store, now) = store();
        store.add(lock("/a", "1", LockScope::Exclusive, false)).await.unwrap();
        now.store(99, Ordering::SeqCst);
        assert_eq!(tokens(&store, "/a").await, ["1"]);
        let longer = UNIX_EPOCH + Duration::from_secs(200);
        assert!(store.refresh(&path("/a"), "1", longer).await.unwrap().is_some());
        now.store(150, Ordering::SeqCst);
        assert_eq!(tokens(&store, "/a").await, ["1"]);
        now.store(200, Ordering::SeqCst);
        assert!(tokens(&store, "/a").await.is_empty());
        assert!(store.refresh(&path("/a"), "1", longer).await.unwrap().is_none());
        store.add(lock("/a", "2", LockScope::Exclusive, false)).await.unwrap();
    }

    #[tokio::test]
    async fn a_user_holds_a_bounded_number_and_may_go_on_after_an_unlock() {
        let (store, _) = store();
        for n in 0..MOST_LOCKS {
            store.add(lock(&format!("/f{n}"), "t", LockScope::Exclusive, false)).await.unwrap();
        }
        assert!(matches!(store.add(lock("/more", "t", LockScope::Exclusive, false)).await, Err(LockRefusal::TooMany)));
        assert!(store.remove(&path("/f0"), "t").await.unwrap());
        store.add(lock("/more", "t", LockScope::Exclusive, false)).await.unwrap();
    }

    #[tokio::test]
    async fn what_stays_keeps_its_lock() {
        let (store, _) = store();
        for at in ["/a", "/a/gone", "/a/stays/x", "/ab"] {
            store.add(lock(at, at, LockScope::Exclusive, false)).await.unwrap();
        }
        store.remove_within(&path("/a"), &[path("/a/stays")]).await.unwrap();
        assert_eq!(tokens(&store, "/").await, ["/a", "/a/stays/x", "/ab"]);
        store.remove_within(&path("/a"), &[]).await.unwrap();
        assert_eq!(tokens(&store, "/").await, ["/ab"]);
    }
}
