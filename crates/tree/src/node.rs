//! [`Node`]: what stands at one place of the tree.

use std::sync::Arc;
use std::time::SystemTime;

use davmux_driver::{Entry, Etag, Kind, RelPath};

/// A file or a folder of the tree: what its storage says of it, under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The last segment of its path; `""` for a root.
    pub name: Arc<str>,
    /// File or folder.
    pub kind: Kind,
    /// Length in bytes; 0 for a folder.
    pub size: u64,
    /// When its content last changed, where the storage knows.
    pub modified: Option<SystemTime>,
    /// Strong; equal in PROPFIND, HEAD, GET and the answer to PUT.
    pub etag: Option<Etag>,
    /// The media type that the storage keeps, where it keeps one.
    pub content_type: Option<Arc<str>>,
}

impl Node {
    /// A folder that no storage describes: a mount point, or a parent of one.
    pub fn folder(name: &str) -> Self {
        Self { name: Arc::from(name), kind: Kind::Dir, size: 0, modified: None, etag: None, content_type: None }
    }

    /// What a driver says, under the name that it has there.
    pub(crate) fn from_entry(entry: Entry) -> Self {
        Self {
            name: Arc::from(entry.path.name()),
            kind: entry.kind,
            size: entry.size,
            modified: entry.modified,
            etag: entry.etag,
            content_type: entry.content_type,
        }
    }

    /// The same as a driver says it, at a place below the root of its storage.
    pub(crate) fn to_entry(&self, path: &RelPath) -> Entry {
        Entry {
            path: path.clone(),
            kind: self.kind,
            size: self.size,
            modified: self.modified,
            etag: self.etag.clone(),
            content_type: self.content_type.clone(),
        }
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Dir
    }
}
