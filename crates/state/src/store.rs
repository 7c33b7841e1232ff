//! [`Store`]: the contract of every place that keeps facts.

use std::fmt;
use std::ops::Bound;

use async_trait::async_trait;

use crate::Result;

/// A namespace for keys. The name of a table is part of the format: it is never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Table {
    /// Uploads in progress, see [`Uploads`](crate::Uploads).
    Uploads,
    /// Moves whose source is being removed, see [`Moves`](crate::Moves).
    Moves,
    /// Properties that clients set, see [`Properties`](crate::Properties).
    Properties,
    /// Times and checksums of files, see [`KeptIndex`](crate::KeptIndex).
    Kept,
    /// Locks that clients hold, see [`Locks`](crate::Locks).
    Locks,
}

impl Table {
    /// The name under which a store keeps the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uploads => "uploads",
            Self::Moves => "moves",
            Self::Properties => "properties",
            Self::Kept => "kept",
            Self::Locks => "locks",
        }
    }
}

/// A change of one value that is done only while the value is still the one that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The key.
    pub key: String,
    /// What was seen; `None`: nothing.
    pub expected: Option<Vec<u8>>,
    /// What is to stand there; `None`: nothing.
    pub value: Option<Vec<u8>>,
}

/// Where the keys begin that have this prefix and stand behind another key.
pub(crate) fn start<'a>(prefix: &'a str, after: &'a str) -> Bound<&'a str> {
    if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) }
}

/// A store of small facts.
///
/// A change that was answered with `Ok` is kept, as durably as the store can (a file: through a crash of the machine). A
/// future that is dropped half-way leaves the change done or not done, never half.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The value of a key.
    async fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>>;

    /// Sets the value of a key.
    async fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<()>;

    /// Removes a key. An absent one is a success.
    async fn remove(&self, table: Table, key: &str) -> Result<()>;

    /// All keys that begin with `prefix` and their values, sorted by the bytes of the key, as they stood at one moment.
    async fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>>;

    /// The same of the keys behind `after` (`""`: from the first on), but no further once keys and values have taken `most`
    /// bytes; and whether these are all that remain.
    async fn list_up_to(
        &self,
        table: Table,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<(Vec<(String, Vec<u8>)>, bool)>;

    /// In one step: if the value is `expected` (`None`: absent), sets it to `value` (`None`: removes it). Answers whether it
    /// did.
    async fn replace(&self, table: Table, key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool>;

    /// Whether a table holds nothing at all.
    async fn is_empty(&self, table: Table) -> Result<bool>;

    /// The values of many keys, in their order, as they stood at one moment.
    async fn get_all(&self, table: Table, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>>;

    /// In one step: each [`replace`](Self::replace) by itself. Answers how many were done.
    async fn replace_all(&self, table: Table, swaps: Vec<Swap>) -> Result<usize>;

    /// In one step: removes all keys that begin with one of the prefixes, however many they are.
    async fn remove_all(&self, table: Table, prefixes: Vec<String>) -> Result<()>;

    /// In one step: sets each key to its value (`None`: removes it), in this order. Nobody sees a part of it.
    async fn change(&self, table: Table, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<()>;
}
