//! [`Locks`]: the locks that clients hold (RFC 4918 section 6).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fields::{decode, encode};
use crate::{Error, Result, Store, Table};

/// Before each value: its format.
const FORMAT: &str = "1";
/// Between the path and the token in a key. No path and no token holds it.
const END: char = '\0';

/// A lock as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct LockRecord {
    /// The lock root, a path in the tree: `/`, or `/` before each segment and none at the end.
    pub path: String,
    /// What the client shows to act under the lock.
    pub token: String,
    /// Who holds it; `None`: whoever is not logged in.
    pub user: Option<String>,
    /// What the client says of its owner, as XML.
    pub owner: String,
    /// Nobody else may hold one beside it.
    pub exclusive: bool,
    /// It covers everything below, too.
    pub deep: bool,
    /// When it ends by itself; kept to the millisecond.
    pub expires: SystemTime,
}

/// `Debug` leaves the token out.
impl fmt::Debug for LockRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockRecord").field("path", &self.path).field("user", &self.user).finish_non_exhaustive()
    }
}

/// The locks that have not ended, one record each.
///
/// A key is the lock root with a slash at its end, and the token. So the locks on one path and those on all that lies below
/// are each one range, which is what a store that several instances share must be asked for.
#[derive(Clone, Debug)]
pub struct Locks {
    store: Arc<dyn Store>,
}

impl Locks {
    /// The locks kept in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// All locks, also those whose time is over.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Record`] for a record that this version did not write: without it a client's work
    /// could be overwritten unseen.
    pub async fn all(&self) -> Result<Vec<LockRecord>> {
        let facts = self.store.list(Table::Locks, "").await?;
        facts
            .into_iter()
            .map(|(key, value)| {
                // The token stays out of messages.
                let path = key.split(END).next().unwrap_or_default().to_owned();
                record(&key, value).ok_or(Error::Record { table: Table::Locks.name(), key: path })
            })
            .collect()
    }

    /// Keeps one lock, in place of what was kept of it, and forgets those that ended, named by path and token, in one step.
    ///
    /// # Errors
    /// Those of the store; then nothing is changed.
    pub async fn change(&self, kept: Option<&LockRecord>, ended: impl IntoIterator<Item = (&str, &str)>) -> Result<()> {
        let ended = ended.into_iter().map(|(path, token)| (key(path, token), None));
        let mut changes: Vec<_> = ended.collect();
        changes.extend(kept.map(|lock| (key(&lock.path, &lock.token), Some(value(lock).into_bytes()))));
        if changes.is_empty() {
            return Ok(());
        }
        self.store.change(Table::Locks, changes).await
    }
}

fn key(path: &str, token: &str) -> String {
    let slash = if path.ends_with('/') { "" } else { "/" };
    format!("{path}{slash}{END}{token}")
}

fn value(lock: &LockRecord) -> String {
    let flag = |set, name| if set { name } else { "" };
    let expires = lock.expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    let fields = encode([
        flag(lock.user.is_some(), "user"),
        lock.user.as_deref().unwrap_or_default(),
        &lock.owner,
        flag(lock.exclusive, "exclusive"),
        flag(lock.deep, "deep"),
        &expires,
    ]);
    format!("{FORMAT}{fields}")
}

fn record(key: &str, value: Vec<u8>) -> Option<LockRecord> {
    let (path, token) = key.split_once(END)?;
    let path = match path.strip_suffix('/')? {
        "" => "/",
        path => path,
    };
    let value = String::from_utf8(value).ok()?;
    let [known, user, owner, exclusive, deep, expires] = decode(value.strip_prefix(FORMAT)?)?;
    let flag = |text: &str, name| match text {
        "" => Some(false),
        text => (text == name).then_some(true),
    };
    Some(LockRecord {
        path: path.to_owned(),
        token: token.to_owned(),
        user: flag(&known, "user")?.then_some(user),
        owner,
        exclusive: flag(&exclusive, "exclusive")?,
        deep: flag(&deep, "deep")?,
        expires: UNIX_EPOCH.checked_add(Duration::from_millis(expires.parse().ok()?))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    fn lock(path: &str, token: &str) -> LockRecord {
        LockRecord {
            path: path.to_owned(),
            token: token.to_owned(),
            user: Some("alice".to_owned()),
            owner: "<D:owner>1:2</D:owner>".to_owned(),
            exclusive: true,
            deep: false,
            expires: UNIX_EPOCH + Duration::from_millis(1_234_567),
        }
    }

    #[tokio::test]
    async fn a_lock_is_kept_replaced_and_forgotten() {
        let locks = Locks::new(Arc::new(Memory::new()));
        let mut first = lock("/", "1");
        let second = LockRecord { user: None, deep: true, exclusive: false, ..lock("/a b", "2:x") };
        locks.change(Some(&first), []).await.unwrap();
        locks.change(Some(&second), []).await.unwrap();
        assert_eq!(locks.all().await.unwrap(), [first.clone(), second.clone()]);
        first.expires += Duration::from_secs(1);
        locks.change(Some(&first), [("/a b", "2:x"), ("/never", "3")]).await.unwrap();
        assert_eq!(locks.all().await.unwrap(), [first]);
    }

    #[tokio::test]
    async fn a_record_of_another_format_is_an_error_that_does_not_tell_the_token() {
        let store = Arc::new(Memory::new());
        store.put(Table::Locks, "/a/\0urn:uuid:1", b"2").await.unwrap();
        let error = Locks::new(store).all().await.unwrap_err();
        assert!(matches!(error, Error::Record { .. }) && !format!("{error} {error:?}").contains("uuid"), "{error}");
        assert!(!format!("{:?}", lock("/a", "urn:uuid:1")).contains("uuid"));
    }

    #[test]
    fn what_was_not_encoded_here_is_refused() {
        let good = value(&lock("/a", "t"));
        assert_eq!(record("/a/\0t", good.clone().into()), Some(lock("/a", "t")));
        for key in ["", "/a/", "/a\0t", "/a1"] {
            assert_eq!(record(key, good.clone().into()), None, "{key:?}");
        }
        for value in ["", "1", "21:a", &good[..good.len() - 1], &good.replace("exclusive", "exclusivo")] {
            assert_eq!(record("/a/\0t", value.into()), None, "{value:?}");
        }
    }
}
