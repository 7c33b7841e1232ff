//! [`Node`]: what stands at one place of the tree.

use std::sync::Arc;
use std::time::SystemTime;

use davmux_driver::{Checksums, Entry, Etag, Kind, RelPath};
use davmux_state::Kept;

/// A file or a folder of the tree: what its storage says of it, under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The last segment of its path; `""` for a root.
    pub name: Arc<str>,
    /// File or folder.
    pub kind: Kind,
    /// Length in bytes; 0 for a folder.
    pub size: u64,
    /// The time that was kept of it, else when the storage says that its content last changed.
    pub modified: Option<SystemTime>,
    /// Strong; equal in PROPFIND, HEAD, GET and the answer to PUT.
    pub etag: Option<Etag>,
    /// The media type that the storage keeps, where it keeps one.
    pub content_type: Option<Arc<str>>,
    /// What is kept of it, where something is.
    pub(crate) told: Option<Arc<Told>>,
}

/// What a node was told from the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The storage's own time.
    stored: Option<SystemTime>,
    checksums: Checksums,
}

impl Node {
    /// A folder that no storage describes: a mount point, or a parent of one.
    pub fn folder(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            kind: Kind::Dir,
            size: 0,
            modified: None,
            etag: None,
            content_type: None,
            told: None,
        }
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
            told: None,
        }
    }

    /// Takes what is kept of this version.
    pub(crate) fn tell(&mut self, kept: &Kept) {
        let checksums = Checksums { md5: kept.md5, sha1: kept.sha1 };
        self.told = Some(Arc::new(Told { stored: self.modified, checksums }));
        self.modified = kept.modified.or(self.modified);
    }

    /// When the storage says that its content last changed, where it does.
    pub(crate) fn stored(&self) -> Option<SystemTime> {
        self.told.as_ref().map_or(self.modified, |told| told.stored)
    }

    /// Checksums of the content, as far as they are known for certain.
    pub fn checksums(&self) -> Checksums {
        self.told.as_ref().map(|told| told.checksums).unwrap_or_default()
    }

    /// The same as a driver says it, at a place below the root of its storage.
    pub(crate) fn to_entry(&self, path: &RelPath) -> Entry {
        Entry {
            path: path.clone(),
            kind: self.kind,
            size: self.size,
            modified: self.stored(),
            etag: self.etag.clone(),
            content_type: self.content_type.clone(),
            metadata: None,
        }
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Dir
    }
}
