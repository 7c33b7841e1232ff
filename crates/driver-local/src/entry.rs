//! What the file system says of a file or folder.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::fs::{Metadata, MetadataExt};
use davmux_driver::{Entry, Etag, Kind, RelPath};

/// An entry, or `None` for what is neither a file nor a folder.
pub(crate) fn entry(path: RelPath, meta: &Metadata) -> Option<Entry> {
    let kind = if meta.is_dir() {
        Kind::Dir
    } else if meta.is_file() {
        Kind::File
    } else {
        return None;
    };
    let is_file = kind == Kind::File;
    Some(Entry {
        path,
        kind,
        size: if is_file { meta.len() } else { 0 },
        modified: modified(meta),
        etag: if is_file { etag(meta) } else { None },
        content_type: None::<Arc<str>>,
    })
}

fn modified(meta: &Metadata) -> Option<SystemTime> {
    let (seconds, nanos) = (meta.mtime(), u64::try_from(meta.mtime_nsec()).ok()?);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base =
        if seconds < 0 { SystemTime::UNIX_EPOCH.checked_sub(whole) } else { SystemTime::UNIX_EPOCH.checked_add(whole) };
    base?.checked_add(Duration::from_nanos(nanos))
}

/// Changes with the time of change, the length, and the file itself: every write here makes a new file, so two versions of
/// one name differ even within one tick of the clock.
fn etag(meta: &Metadata) -> Option<Etag> {
    Etag::new(&format!("{:x}-{:x}-{:x}-{:x}", meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino()))
}
