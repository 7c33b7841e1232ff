//! What a storage holds: files and folders.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::RelPath;

/// A strong entity tag as the backend gave it, quotes included (RFC 9110 section 8.8.3); opaque to everybody.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Etag(Arc<str>);

impl Etag {
    /// Takes a tag with or without its quotes. A weak tag (`W/"x"`) cannot serve as a strong one and gives `None`,
    /// as does one with a character that no tag may hold.
    pub fn new(text: &str) -> Option<Self> {
        let opaque = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => text,
        };
        let valid = |c: char| !c.is_control() && c != '"' && c != ' ';
        (!text.starts_with("W/") && opaque.chars().all(valid)).then(|| Self(Arc::from(format!("\"{opaque}\""))))
    }

    /// The tag with its quotes, as it stands in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag without its quotes.
    pub fn opaque(&self) -> &str {
        self.0.trim_matches('"')
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// File or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Bytes under a name.
    File,
    /// A folder; in a bucket a prefix that at least one key begins with.
    Dir,
}

/// Checksums of a file's content that are true: announced by its writer and verified, or computed from it. A storage's ETag
/// is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checksums {
    /// MD5 (RFC 1321).
    pub md5: Option<[u8; 16]>,
    /// SHA-1 (RFC 3174).
    pub sha1: Option<[u8; 20]>,
}

impl Checksums {
    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and of the others what is missing here.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self { md5: self.md5.or(others.md5), sha1: self.sha1.or(others.sha1) }
    }
}

/// What a writer gave a file besides its content, where the storage keeps it beside its own time of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// When the content changed at its origin.
    pub modified: Option<SystemTime>,
    /// Of the content.
    pub checksums: Checksums,
}

/// One file or folder, as its storage describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, below the storage's root.
    pub path: RelPath,
    /// File or folder.
    pub kind: Kind,
    /// Length in bytes; 0 for a folder.
    pub size: u64,
    /// When its content last changed. `None`: the storage did not say with this answer, and nobody invents a time.
    pub modified: Option<SystemTime>,
    /// Changes with every change of the content; `None` for folders and where the storage has none.
    pub etag: Option<Etag>,
    /// The media type that the storage keeps, where it keeps one.
    pub content_type: Option<Arc<str>>,
    /// `None`: this answer does not tell it (a listing), or the storage keeps none: then `modified` is the time that a writer
    /// gave.
    pub metadata: Option<Box<Metadata>>,
}

impl Entry {
    /// A folder of which only its place is known.
    pub fn dir(path: RelPath) -> Self {
        Self { path, kind: Kind::Dir, size: 0, modified: None, etag: None, content_type: None, metadata: None }
    }

    /// A file of a known length, nothing else known.
    pub fn file(path: RelPath, size: u64) -> Self {
        Self { path, kind: Kind::File, size, modified: None, etag: None, content_type: None, metadata: None }
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Dir
    }
}
