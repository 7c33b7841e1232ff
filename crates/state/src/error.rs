//! [`Error`]: why a fact could not be read or kept.

use std::io;
use std::path::PathBuf;

/// The result of a store's work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a fact could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder or the file cannot be made or opened.
    #[error("cannot open the state file {}: check that its folder exists and that this user may write there", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the file open.
    #[error(
        "the state file {} is in use by another process: stop that one, or give each its own state_dir",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a state file, or it is damaged.
    #[error(
        "the state file {} is damaged or not a state file ({detail}): restore it from a backup, or move it away to begin \
         anew without what it held",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file was written by a version with another format.
    #[error("the state file {} has format {found}, this version reads {known}: use the version that wrote it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u64,
        /// The format of this version.
        known: u64,
    },
    /// The store did not answer: a full disk, an input or output error.
    #[error("the state store cannot {action}: {detail}")]
    Unavailable {
        /// What was tried: `"read"`, `"write"`.
        action: &'static str,
        /// What the store said.
        detail: String,
    },
    /// A record that this version cannot read.
    #[error("a record in the table {table} of the state store cannot be read: {key:?}")]
    Record {
        /// The table.
        table: &'static str,
        /// The record's key.
        key: String,
    },
}
