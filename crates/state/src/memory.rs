//! [`Memory`]: facts that end with the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::store::start;
use crate::{Result, Store, Swap, Table};

type Facts = BTreeMap<Table, BTreeMap<String, Vec<u8>>>;

/// A store in memory: for tests, the demo, and a server without a `state_dir`.
#[derive(Debug, Default)]
pub struct Memory {
    facts: Mutex<Facts>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Nothing between two changes of the map can panic, so it is never left half-changed.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.facts().get(&table).and_then(|facts| facts.get(key)).cloned())
    }

    async fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<()> {
        self.facts().entry(table).or_default().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn remove(&self, table: Table, key: &str) -> Result<()> {
        self.facts().entry(table).or_default().remove(key);
        Ok(())
    }

    async fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let facts = self.facts();
        let Some(facts) = facts.get(&table) else { return Ok(Vec::new()) };
        let from_prefix = facts.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        Ok(from_prefix
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn list_up_to(
        &self,
        table: Table,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<(Vec<(String, Vec<u8>)>, bool)> {
        let facts = self.facts();
        let Some(facts) = facts.get(&table) else { return Ok((Vec::new(), true)) };
        let (mut found, mut bytes) = (Vec::new(), 0);
        let from_prefix = facts.range::<str, _>((start(prefix, after), Bound::Unbounded));
        for (key, value) in from_prefix.take_while(|(key, _)| key.starts_with(prefix)) {
            if bytes >= most {
                return Ok((found, false));
            }
            bytes += key.len() + value.len();
            found.push((key.clone(), value.clone()));
        }
        Ok((found, true))
    }

    async fn replace(&self, table: Table, key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool> {
        let mut facts = self.facts();
        let facts = facts.entry(table).or_default();
        if facts.get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => facts.insert(key.to_owned(), value.to_vec()),
            None => facts.remove(key),
        };
        Ok(true)
    }

    async fn is_empty(&self, table: Table) -> Result<bool> {
        Ok(self.facts().get(&table).is_none_or(BTreeMap::is_empty))
    }

    async fn get_all(&self, table: Table, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>> {
        let facts = self.facts();
        let facts = facts.get(&table);
        Ok(keys.iter().map(|key| facts.and_then(|facts| facts.get(key)).cloned()).collect())
    }

    async fn replace_all(&self, table: Table, swaps: Vec<Swap>) -> Result<usize> {
        let mut facts = self.facts();
        let facts = facts.entry(table).or_default();
        let mut done = 0;
        for Swap { key, expected, value } in swaps {
            if facts.get(&key) == expected.as_ref() {
                match value {
                    Some(value) => facts.insert(key, value),
                    None => facts.remove(&key),
                };
                done += 1;
            }
        }
        Ok(done)
    }

    async fn remove_all(&self, table: Table, prefixes: Vec<String>) -> Result<()> {
        let mut facts = self.facts();
        facts.entry(table).or_default().retain(|key, _| !prefixes.iter().any(|prefix| key.starts_with(prefix)));
        Ok(())
    }

    async fn change(&self, table: Table, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
        let mut facts = self.facts();
        let facts = facts.entry(table).or_default();
        for (key, value) in changes {
            match value {
                Some(value) => facts.insert(key, value),
                None => facts.remove(&key),
            };
        }
        Ok(())
    }
}
