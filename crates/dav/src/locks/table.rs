//! [`LockTable`]: the locks of one process, in memory, and kept in the state store.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use davmux_state::{LockRecord, Store};
use davmux_tree::TreePath;

use super::held::Held;
use super::{Clock, LONGEST_LIFE, Lock, LockRefusal, LockScope, LockStore, Reach};

/// The locks of one process. Every question is answered from memory; a change is written to the state store before it is
/// seen, with one write, so that it outlives a restart. What ends by itself is forgotten there with the next change.
#[derive(Clone)]
pub struct LockTable {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    held: Mutex<Held>,
    /// `None`: they end with the process.
    records: Option<davmux_state::Locks>,
    /// Held from the moment a change is decided until it is seen: the next is decided on what it left.
    changing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for LockTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockTable").field("records", &self.shared.records).finish_non_exhaustive()
    }
}

/// What a change does.
#[derive(Default)]
struct Change {
    kept: Option<Lock>,
    ended: Vec<Lock>,
}

impl LockTable {
    /// No locks yet. They end with the process.
    pub fn in_memory(clock: Clock) -> Self {
        Self::new(Held::default(), None, clock)
    }

    /// The locks that `store` keeps. Those whose time is over are removed there.
    ///
    /// # Errors
    /// Those of the store. Locks that cannot be read are no reason to go on without them: what they protect could be
    /// overwritten.
    pub async fn open(store: Arc<dyn Store>, clock: Clock) -> Result<Self, davmux_state::Error> {
        let records = davmux_state::Locks::new(store);
        let now = clock();
        let mut held = Held::default();
        let mut ended = Vec::new();
        for record in records.all().await? {
            match TreePath::parse(&record.path) {
                Ok(path) if record.expires > now => held.keep(lock(record, path, now)),
                _ => ended.push(record),
            }
        }
        if !ended.is_empty() {
            let forgotten = records.change(None, ended.iter().map(|record| (&*record.path, &*record.token))).await;
            if let Err(error) = forgotten {
                tracing::warn!(%error, "locks that have ended are not removed from the state store");
            }
        }
        Ok(Self::new(held, Some(records), clock))
    }

    fn new(held: Held, records: Option<davmux_state::Locks>, clock: Clock) -> Self {
        let changing = tokio::sync::Mutex::default();
        Self { shared: Arc::new(Shared { clock, held: Mutex::new(held), records, changing }) }
    }

    /// Decides a change and does it: in the state store, then in memory. Runs to its end even if the caller goes away.
    async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Held) -> Result<(T, Change), LockRefusal> + Send + 'static,
    ) -> Result<T, LockRefusal> {
        let shared = Arc::clone(&self.shared);
        match &self.shared.records {
            None => shared.change(decide).await,
            Some(_) => tokio::spawn(shared.change(decide)).await.unwrap_or(Err(LockRefusal::Failed)),
        }
    }
}

impl Shared {
    /// What is held now.
    fn held(&self) -> MutexGuard<'_, Held> {
        let now = (self.clock)();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.pass(now);
        held
    }

    async fn change<T>(
        self: Arc<Self>,
        decide: impl FnOnce(&Held) -> Result<(T, Change), LockRefusal>,
    ) -> Result<T, LockRefusal> {
        let _changing = self.changing.lock().await;
        let (value, change, expired) = {
            let mut held = self.held();
            let (value, change) = decide(&held)?;
            if change.kept.is_none() && change.ended.is_empty() {
                return Ok(value);
            }
            (value, change, held.take_expired())
        };
        if let Some(records) = &self.records {
            let kept = change.kept.as_ref().map(record);
            let gone: Vec<(String, &str)> =
                change.ended.iter().chain(&expired).map(|lock| (lock.path.to_string(), &*lock.token)).collect();
            if let Err(error) = records.change(kept.as_ref(), gone.iter().map(|(path, token)| (&**path, *token))).await
            {
                tracing::error!(%error, "a lock cannot be kept in the state store");
                self.held().put_back_expired(expired);
                return Err(LockRefusal::Failed);
            }
        }
        let mut held = self.held();
        for lock in &change.ended {
            held.end(&lock.path, &lock.token);
        }
        if let Some(lock) = change.kept {
            held.keep(lock);
        }
        Ok(value)
    }
}

#[async_trait]
impl LockStore for LockTable {
    async fn related(&self, path: &TreePath, reach: Reach) -> Result<Vec<Lock>, LockRefusal> {
        Ok(self.shared.held().related(path, reach).into_iter().cloned().collect())
    }

    async fn add(&self, lock: Lock) -> Result<(), LockRefusal> {
        self.change(move |held| {
            held.may_add(&lock)?;
            Ok(((), Change { kept: Some(lock), ..Change::default() }))
        })
        .await
    }

    async fn refresh(&self, path: &TreePath, token: &str, expires: SystemTime) -> Result<Option<Lock>, LockRefusal> {
        let (path, token) = (path.clone(), token.to_owned());
        self.change(move |held| {
            let longer = held.get(&path, &token).map(|lock| Lock { expires, ..lock.clone() });
            Ok((longer.clone(), Change { kept: longer, ..Change::default() }))
        })
        .await
    }

    async fn remove(&self, locks: &[Lock]) -> Result<usize, LockRefusal> {
        let locks = locks.to_vec();
        self.change(move |held| {
            let mut ended = locks;
            ended.retain(|lock| held.get(&lock.path, &lock.token).is_some());
            Ok((ended.len(), Change { ended, ..Change::default() }))
        })
        .await
    }
}

fn record(lock: &Lock) -> LockRecord {
    LockRecord {
        path: lock.path.to_string(),
        token: lock.token.to_string(),
        user: lock.user.as_deref().map(str::to_owned),
        owner: lock.owner.to_string(),
        exclusive: lock.scope == LockScope::Exclusive,
        deep: lock.deep,
        expires: lock.expires,
    }
}

/// A lock as it was kept. None lives longer than any is given, whatever the clock said when it was kept.
fn lock(record: LockRecord, path: TreePath, now: SystemTime) -> Lock {
    Lock {
        token: Arc::from(record.token),
        path,
        user: record.user.map(Arc::from),
        owner: Arc::from(record.owner),
        scope: if record.exclusive { LockScope::Exclusive } else { LockScope::Shared },
        deep: record.deep,
        expires: record.expires.min(now + LONGEST_LIFE),
    }
}
