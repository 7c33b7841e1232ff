//! What the file system says of a file or folder.

use std::collections::HashSet;
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
        metadata: None,
    })
}

fn modified(meta: &Metadata) -> Option<SystemTime> {
    let (seconds, nanos) = (meta.mtime(), u64::try_from(meta.mtime_nsec()).ok()?);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base =
        if seconds < 0 { SystemTime::UNIX_EPOCH.checked_sub(whole) } else { SystemTime::UNIX_EPOCH.checked_add(whole) };
    base?.checked_add(Duration::from_nanos(nanos))
}

/// Changes with the time of change, the length, and the file itself. Every write here makes a new file, so that two versions
/// of one name differ even with one length and one time (which a client may set): by the inode, and where that number came
/// back, by the time at which it was made. Survives a rename.
fn etag(meta: &Metadata) -> Option<Etag> {
    let born = born(meta).unwrap_or_default();
    let (time, nanos, len, inode) = (meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino());
    Etag::new(&format!("{time:x}-{nanos:x}-{len:x}-{inode:x}-{:x}", born.as_nanos()))
}

/// When the file was made, since 1970. `None` where the file system does not tell it, and where the standard library asks
/// the kernel in a way that cannot, while cap-std can: each file must have the same answer from both.
fn born(meta: &Metadata) -> Option<Duration> {
    if cfg!(all(target_os = "linux", not(target_env = "gnu"))) {
        return None;
    }
    meta.created().ok()?.into_std().duration_since(SystemTime::UNIX_EPOCH).ok()
}

/// The files that were made within the last tick of the file system's clock. An inode number that comes back within one
/// tick would give two contents one ETag.
#[derive(Debug, Default)]
pub(crate) struct Births {
    tick: Duration,
    inodes: HashSet<u64>,
}

impl Births {
    /// Whether this file's number and time of birth are its own.
    pub(crate) fn is_new(&mut self, meta: &Metadata) -> bool {
        let Some(born) = born(meta) else { return true };
        if born > self.tick {
            self.tick = born;
            self.inodes.clear();
        }
        born < self.tick || self.inodes.insert(meta.ino())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_number_that_comes_back_within_a_tick_is_not_new() {
        let file = tempfile::tempfile().unwrap();
        let meta = Metadata::from_file(&file).unwrap();
        if born(&meta).is_none() {
            println!("skipped: this file system does not tell when a file was made");
            return;
        }
        let mut births = Births::default();
        assert!(births.is_new(&meta));
        assert!(!births.is_new(&meta));
        births.tick -= Duration::from_nanos(1);
        assert!(births.is_new(&meta), "in the next tick it is another file");
    }
}
