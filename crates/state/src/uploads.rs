//! [`Uploads`]: what a killed process may have left in a storage.

use std::sync::Arc;

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

/// Each field with its length before it, so that no character in a field can be taken for a separator.
fn encode(fields: [&str; 3]) -> String {
    fields.iter().map(|field| format!("{}:{field}", field.len())).collect()
}

fn decode(mut key: &str) -> Option<[String; 3]> {
    let mut field = || {
        let (length, rest) = key.split_once(':')?;
        let (field, rest) = rest.split_at_checked(length.parse().ok()?)?;
        key = rest;
        Some(field.to_owned())
    };
    let fields = [field()?, field()?, field()?];
    key.is_empty().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_whatever_it_holds() {
        for fields in [["/films", "a/b.mkv", "id"], ["", "", ""], ["1:", "2:é", ":::3:x"], ["/", "ü\u{0}", "=/+"]] {
            assert_eq!(decode(&encode(fields)).unwrap(), fields.map(str::to_owned));
        }
        assert_ne!(encode(["a", "bc", "d"]), encode(["ab", "c", "d"]));
    }

    #[test]
    fn what_was_not_encoded_here_is_refused() {
        for key in ["", "x", "1:a1:b", "1:a1:b1:c!", "9:a1:b1:c", "1:a1:b-1:c", "1:é1:b1:c"] {
            assert_eq!(decode(key), None, "{key:?}");
        }
    }
}
