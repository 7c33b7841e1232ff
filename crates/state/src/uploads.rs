//! [`Uploads`]: what a killed process may have left in a storage.

use std::sync::Arc;

use crate::fields::{decode, encode};
use crate::{Error, Result, Store, Table};

/// The value of each record: its format.
const RECORD: &[u8] = b"1";

/// An upload that was begun and of which no end is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingUpload {
    /// The mount's path in the tree.
    pub mount: String,
    /// The file, below the mount's root.
    pub path: String,
    /// The storage's name for the upload.
    pub upload_id: String,
}

/// The uploads in progress. A record is made before parts are sent and removed after the upload was completed or aborted;
/// what is found at a start was left by a process that did not come to that, and is aborted.
#[derive(Clone, Debug)]
pub struct Uploads {
    store: Arc<dyn Store>,
}

impl Uploads {
    /// The uploads kept in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Keeps an upload. Keeping it twice is keeping it once.
    ///
    /// # Errors
    /// Those of the store; then nothing may be known of the upload at the next start.
    pub async fn record(&self, mount: &str, path: &str, upload_id: &str) -> Result<()> {
        self.store.put(Table::Uploads, &encode([mount, path, upload_id]), RECORD).await
    }

    /// Forgets an upload that has ended. One that is not known is a success.
    ///
    /// # Errors
    /// Those of the store; then the upload is aborted once more at the next start, which does no harm.
    pub async fn forget(&self, mount: &str, path: &str, upload_id: &str) -> Result<()> {
        self.store.remove(Table::Uploads, &encode([mount, path, upload_id])).await
    }

    /// All uploads that have not ended, of all mounts.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Record`] for a record that this version did not write.
    pub async fn all(&self) -> Result<Vec<PendingUpload>> {
        let facts = self.store.list(Table::Uploads, "").await?;
        facts
            .into_iter()
            .map(|(key, value)| {
                let fields = if value == RECORD { decode(&key) } else { None };
                let unreadable = || Error::Record { table: Table::Uploads.name(), key: key.clone() };
                let [mount, path, upload_id] = fields.ok_or_else(unreadable)?;
                Ok(PendingUpload { mount, path, upload_id })
            })
            .collect()
    }
}
