//! [`Moves`]: moves of folders that have begun to remove their source.

use std::sync::Arc;

use crate::fields::{decode, encode};
use crate::{Error, Result, Store, Table};

/// The value of each record: its format.
const RECORD: &[u8] = b"1";

/// Moves whose source is being removed, member by member. From then on the target may hold the only copy of a member, so
/// the same move asked again, also after a crash, must join what stands there and not replace it.
#[derive(Clone, Debug)]
pub struct Moves {
    store: Arc<dyn Store>,
}

impl Moves {
    /// The moves kept in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Keeps that the source `from` of a move to `to` begins to go; both are paths in the tree.
    ///
    /// # Errors
    /// Those of the store; then the source must stay.
    pub async fn record(&self, from: &str, to: &str) -> Result<()> {
        self.store.put(Table::Moves, &encode([from, to]), RECORD).await
    }

    /// The move has ended, or what it left is gone. One that is not known is a success.
    ///
    /// # Errors
    /// Those of the store; then a later move of the same paths joins its target, too.
    pub async fn forget(&self, from: &str, to: &str) -> Result<()> {
        self.store.remove(Table::Moves, &encode([from, to])).await
    }

    /// Whether this move has begun and not ended.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn holds(&self, from: &str, to: &str) -> Result<bool> {
        Ok(self.store.get(Table::Moves, &encode([from, to])).await?.is_some())
    }

    /// All moves that have not ended, as `(from, to)`.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Record`] for a record that this version did not write.
    pub async fn all(&self) -> Result<Vec<(String, String)>> {
        let facts = self.store.list(Table::Moves, "").await?;
        facts
            .into_iter()
            .map(|(key, _)| {
                let unreadable = || Error::Record { table: Table::Moves.name(), key: key.clone() };
                let [from, to] = decode(&key).ok_or_else(unreadable)?;
                Ok((from, to))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_move_is_known_until_it_is_forgotten() {
        let moves = Moves::new(Arc::new(crate::Memory::new()));
        moves.record("/a", "/b").await.unwrap();
        assert!(moves.holds("/a", "/b").await.unwrap() && !moves.holds("/a", "/c").await.unwrap());
        assert_eq!(moves.all().await.unwrap(), [("/a".to_owned(), "/b".to_owned())]);
        moves.forget("/a", "/b").await.unwrap();
        moves.forget("/a", "/b").await.unwrap();
        assert!(!moves.holds("/a", "/b").await.unwrap());
    }
}
