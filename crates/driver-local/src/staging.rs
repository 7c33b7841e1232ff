//! The folder for what is not complete yet: locked while it is used, and swept when nobody uses it.
//!
//! What a sweep may not simply delete, or would not find, has a *note* beside it, written before the change that makes
//! it necessary:
//!
//! * `aside-X.note`: `aside-X` was moved out of its place, and loses it only to the file or folder that the note names.
//!   Where that one does not stand, a sweep puts `aside-X` back.
//! * `beside-X.note`: a file is staged elsewhere, beside a target on another device; a sweep removes it there.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::PoisonError;

use cap_std::fs::{Dir, MetadataExt, OpenOptions};
use davmux_driver::RelPath;
use rustix::fs::{FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::root::{Opened, as_file, fresh_name, place};

/// The folder in the root that holds what is not complete yet. Names that begin so are reserved everywhere.
pub(crate) const STAGING: &str = ".davmux-staging";

const NOTE: &str = ".note";
const ASIDE: &str = "aside-";
const BESIDE: &str = "beside-";

/// A shared lock on the staging folder, for as long as this process uses that very folder.
#[derive(Debug)]
pub(crate) struct Held {
    identity: (u64, u64),
    _lock: File,
}

impl Opened {
    /// The staging folder, made where it is missing, and locked.
    pub(crate) fn staging(&self) -> io::Result<Dir> {
        let dir = match self.open_staging() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.create_dir(STAGING) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => self.open_staging()?,
            },
            result => result?,
        };
        self.hold(&dir)?;
        Ok(dir)
    }

    /// Follows no link: what a link points to is somebody's, and would be swept.
    fn open_staging(&self) -> io::Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&**self, STAGING, flags, Mode::empty()) {
            Ok(dir) => Ok(Dir::from_std_file(File::from(dir))),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{STAGING} in the root folder is a link or a file; remove it, so that a folder can be made there"
                ),
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Locks the folder, unless it is the one that is locked already: it may have been removed and made anew.
    fn hold(&self, dir: &Dir) -> io::Result<()> {
        let meta = dir.dir_metadata()?;
        let identity = (meta.dev(), meta.ino());
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held().as_ref().is_some_and(|held| held.identity == identity) {
            return Ok(());
        }
        let lock = as_file(dir)?;
        // Shared: several processes may serve one folder. This waits for the end of another one's sweep.
        if let Err(error) = rustix::io::retry_on_intr(|| rustix::fs::flock(&lock, FlockOperation::LockShared)) {
            tracing::debug!(%error, "the staging folder cannot be locked");
        }
        *held() = Some(Held { identity, _lock: lock });
        Ok(())
    }

    /// Removes what an earlier process left, unless another one is using the folder now.
    pub(crate) fn sweep(&self, root: &Path) {
        let warn = |error: io::Error| tracing::warn!(root = %root.display(), %error, "the staging folder is not swept");
        let staging = match self.open_staging() {
            Ok(staging) => staging,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return warn(error),
        };
        match as_file(&staging) {
            Ok(lock) if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() => {
                self.clear(&staging, root).unwrap_or_else(warn);
            }
            Ok(_) => {}
            Err(error) => warn(error),
        }
        self.hold(&staging).unwrap_or_else(warn);
    }

    fn clear(&self, staging: &Dir, root: &Path) -> io::Result<()> {
        let names: Vec<OsString> = staging.entries()?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        let mut kept = HashSet::new();
        for name in names.iter().filter_map(|name| name.to_str()?.strip_suffix(NOTE)) {
            match self.settle(staging, name) {
                Ok(true) => {}
                Ok(false) => kept.extend([name.to_owned(), format!("{name}{NOTE}")]),
                Err(error) => {
                    let kept_at = format!("{STAGING}/{name}");
                    tracing::warn!(root = %root.display(), %error, kept_at, "what a crash moved aside stays there");
                    kept.extend([name.to_owned(), format!("{name}{NOTE}")]);
                }
            }
        }
        let mut count = 0_u64;
        for name in names.iter().filter(|name| !name.to_str().is_some_and(|name| kept.contains(name))) {
            match remove(staging, Path::new(name)) {
                Ok(()) => count += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(root = %root.display(), %error, "a staging file stays"),
            }
        }
        if count > 0 {
            tracing::info!(root = %root.display(), count, "removed staging files that an earlier run left");
        }
        Ok(())
    }

    /// Does what the note of `name` says; whether both can go.
    fn settle(&self, staging: &Dir, name: &str) -> io::Result<bool> {
        let text = staging.read_to_string(format!("{name}{NOTE}"))?;
        // A note that was cut short was followed by no change.
        let Some((path, inode)) = text.strip_suffix('\n').and_then(|text| text.split_once('\n')) else {
            return Ok(true);
        };
        let (Ok(path), Ok(inode)) = (RelPath::parse(path), inode.parse::<u64>()) else { return Ok(true) };
        let parent = self.open_dir(place(&path.parent().unwrap_or_else(RelPath::root)));
        if name.starts_with(BESIDE) {
            let parent = match parent {
                Ok(parent) => parent,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            };
            return match parent.remove_file(path.name()) {
                Ok(()) => Ok(true),
                // On the root's own device: the other one is not mounted now, and the file may be on it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Ok(parent.dir_metadata()?.dev() != self.dir_metadata()?.dev())
                }
                Err(error) => Err(error),
            };
        }
        if !exists(staging, name)? {
            return Ok(true);
        }
        let parent = parent?;
        match parent.symlink_metadata(path.name()) {
            Ok(meta) if meta.ino() == inode => Ok(true),
            Ok(_) => Err(io::Error::other(format!("something else stands at {path} now"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                to_nothing((staging, name), (&parent, path.name()))?;
                tracing::info!(%path, "put back what a crash had left moved aside");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

fn exists(dir: &Dir, name: &str) -> io::Result<bool> {
    match dir.symlink_metadata(name) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(staging: &Dir, name: &Path) -> io::Result<()> {
    if staging.symlink_metadata(name)?.is_dir() { staging.remove_dir_all(name) } else { staging.remove_file(name) }
}

/// A rename that replaces nothing.
pub(crate) fn to_nothing(from: (&Dir, &str), to: (&Dir, &str)) -> io::Result<()> {
    match rustix::fs::renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        // A file system that cannot check in the same step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if exists(to.0, to.1)? => Err(Errno::EXIST.into()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => from.0.rename(from.1, to.0, to.1),
        result => Ok(result?),
    }
}

/// A note for the next sweep; gone when dropped, unless it is kept.
#[derive(Debug)]
struct Note {
    staging: Dir,
    name: String,
    kept: bool,
}

impl Note {
    /// Writes a note that will outlive a power loss.
    fn write(staging: Dir, name: String, path: &RelPath, inode: u64) -> io::Result<Self> {
        let mut file = staging.open_with(&name, OpenOptions::new().write(true).create_new(true))?;
        let note = Self { staging, name, kept: false };
        file.write_all(format!("{path}\n{inode}\n").as_bytes())?;
        file.sync_all()?;
        as_file(&note.staging)?.sync_all()?;
        Ok(note)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.staging.remove_file(&self.name);
        }
    }
}

/// Says where a file is staged that is not in the staging folder; lives as long as the file.
#[derive(Debug)]
pub(crate) struct Beside {
    _note: Note,
}

impl Beside {
    /// The file is not there yet.
    pub(crate) fn announce(opened: &Opened, path: &RelPath) -> io::Result<Self> {
        let name = format!("{BESIDE}{}{NOTE}", fresh_name());
        Ok(Self { _note: Note::write(opened.staging()?, name, path, 0)? })
    }
}

/// What was moved out of its place. Unless it is put back, moved on or discarded, the next sweep settles it.
#[derive(Debug)]
pub(crate) struct Aside {
    name: String,
    note: Note,
}

impl Aside {
    /// Moves what stands at `path` aside. It loses its place only to `successor`, an inode number.
    pub(crate) fn take(opened: &Opened, from: (&Dir, &str), path: &RelPath, successor: u64) -> io::Result<Self> {
        let name = format!("{ASIDE}{}", fresh_name());
        let mut note = Note::write(opened.staging()?, format!("{name}{NOTE}"), path, successor)?;
        from.0.rename(from.1, &note.staging, &name)?;
        note.kept = true;
        Ok(Self { name, note })
    }

    /// Moves it back. Where that fails it stays, and the error says where; the next sweep tries again.
    pub(crate) fn put_back(mut self, to: (&Dir, &str)) -> io::Result<()> {
        to_nothing((&self.note.staging, &self.name), to).map_err(|error| {
            let at = format!("{STAGING}/{}", self.name);
            io::Error::new(
                error.kind(),
                format!("what stood there could not be put back, and is kept at {at}: {error}"),
            )
        })?;
        self.note.kept = false;
        Ok(())
    }

    /// Its successor stands.
    pub(crate) fn discard(self) {
        let Self { name, mut note } = self;
        let staging = note.staging.try_clone();
        note.kept = false;
        drop(note);
        if let Err(error) = staging.and_then(|staging| remove(&staging, Path::new(&name))) {
            tracing::warn!(%error, "what was replaced is still in the staging folder; the next start removes it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::mem::forget;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::root::Root;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    /// A root with `old/file`, which then is moved aside for `new`; and a crash.
    fn crash() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        fs::create_dir(root.join("old")).unwrap();
        fs::write(root.join("old/file"), "precious").unwrap();
        fs::write(root.join("new"), "new").unwrap();
        let opened = Root::new(root.clone()).get("test", &RelPath::root()).unwrap();
        let successor = fs::metadata(root.join("new")).unwrap().ino();
        drop(Aside::take(&opened, (&opened, "old"), &path("old"), successor).unwrap());
        assert!(!root.join("old").exists());
        (folder, root)
    }

    fn open_again(root: &Path) -> Vec<String> {
        Root::new(root.to_owned()).get("test", &RelPath::root()).unwrap();
        let left = fs::read_dir(root.join(STAGING)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn what_was_only_moved_aside_is_put_back() {
        let (_folder, root) = crash();
        assert!(open_again(&root).is_empty());
        assert_eq!(fs::read(root.join("old/file")).unwrap(), b"precious");
    }

    #[test]
    fn what_lost_its_place_to_its_successor_is_removed() {
        let (_folder, root) = crash();
        fs::rename(root.join("new"), root.join("old")).unwrap();
        assert!(open_again(&root).is_empty());
        assert_eq!(fs::read(root.join("old")).unwrap(), b"new");
    }

    #[test]
    fn what_lost_its_place_to_something_else_is_kept() {
        let (_folder, root) = crash();
        fs::write(root.join("old"), "another").unwrap();
        let left = open_again(&root);
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(open_again(&root), left, "and by the next start, too");
        assert_eq!(fs::read(root.join(STAGING).join(&left[0]).join("file")).unwrap(), b"precious");
        assert_eq!(fs::read(root.join("old")).unwrap(), b"another");
    }

    #[test]
    fn what_was_staged_beside_its_place_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        fs::create_dir(root.join("disk")).unwrap();
        let opened = Root::new(root.clone()).get("test", &RelPath::root()).unwrap();
        forget(Beside::announce(&opened, &path("disk/.davmux-staging-x")).unwrap());
        drop(opened);
        assert_eq!(open_again(&root).len(), 1, "its disk may be away: the note stays");
        fs::write(root.join("disk/.davmux-staging-x"), "half").unwrap();
        assert!(open_again(&root).is_empty());
        assert_eq!(fs::read_dir(root.join("disk")).unwrap().count(), 0);
    }
}
