//! Moving and copying inside the folder.

use std::fs::File;
use std::io;
use std::sync::PoisonError;

use cap_std::fs::Dir;
use davmux_driver::{Entry, Error, ErrorKind, Native, RelPath, Result, When};
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use crate::root::{Opened, Root, as_file, fail, fresh_name};
use crate::upload::{Staged, look};

/// Moves a file or folder in one step. Blocks.
pub(crate) fn rename(root: &Root, opened: &Opened, entry: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    let from = &entry.path;
    let failed = |error| fail("rename", to, error);
    if to.is_within(from) || from.is_within(to) {
        return Err(Error::new(ErrorKind::InvalidPath, "rename", to).with_detail("one lies in the other"));
    }
    // Only the version that the caller saw is moved.
    if entry.etag.is_some() && look(opened, "rename", from)?.etag != entry.etag {
        return Err(Error::new(ErrorKind::Precondition, "rename", from));
    }
    let (source, source_name) = opened.parent(from).map_err(|error| fail("rename", from, error))?;
    let (target, target_name) = opened.parent(to).map_err(failed)?;
    let moved = match when {
        When::Absent => to_nothing(&source, source_name, &target, target_name),
        When::Matches(etag) => {
            let _conditions = root.conditions.lock().unwrap_or_else(PoisonError::into_inner);
            let there = match look(opened, "rename", to) {
                Ok(there) => there.etag,
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            if there.as_ref() != Some(etag) {
                return Err(Error::new(ErrorKind::Precondition, "rename", to));
            }
            source.rename(source_name, &target, target_name)
        }
        When::Always => replace(opened, (&source, source_name), (&target, target_name)),
    };
    match moved {
        Ok(()) => {}
        Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => return Ok(Native::Declined),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(fail("rename", from, error)),
        Err(error) => return Err(failed(error)),
    }
    for folder in [source, target] {
        as_file(&folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    look(opened, "rename", to).map(Native::Done)
}

fn to_nothing(source: &Dir, source_name: &str, target: &Dir, target_name: &str) -> io::Result<()> {
    match rustix::fs::renameat_with(source, source_name, target, target_name, RenameFlags::NOREPLACE) {
        // A file system that cannot check in the same step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match target.symlink_metadata(target_name) {
            Ok(_) => Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => source.rename(source_name, target, target_name),
            Err(error) => Err(error),
        },
        result => Ok(result?),
    }
}

/// Moves over whatever stands at the target. What the kernel does not replace in one step (a folder with members, another
/// kind) steps aside into the staging folder, comes back if the move fails, and is removed after it.
fn replace(opened: &Opened, source: (&Dir, &str), target: (&Dir, &str)) -> io::Result<()> {
    let moving = || source.0.rename(source.1, target.0, target.1);
    let first = match moving() {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    if !matches!(Errno::from_io_error(&first), Some(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR | Errno::NOTDIR)) {
        return Err(first);
    }
    let staging = opened.staging()?;
    let aside = fresh_name();
    target.0.rename(target.1, &staging, &aside)?;
    if let Err(error) = moving() {
        // Best effort: the error that matters is the first one.
        let _ = staging.rename(&aside, target.0, target.1);
        return Err(error);
    }
    let is_dir = staging.symlink_metadata(&aside).is_ok_and(|meta| meta.is_dir());
    let removed = if is_dir { staging.remove_dir_all(&aside) } else { staging.remove_file(&aside) };
    if let Err(error) = removed {
        tracing::warn!(%error, "what was replaced is still in the staging folder; the next start removes it");
    }
    Ok(())
}

/// Copies one file, by the kernel alone where it can. Blocks.
pub(crate) fn copy(root: &Root, opened: &Opened, from: &Entry, to: &RelPath, when: &When) -> Result<Entry> {
    let source = open(opened, "copy", &from.path)?;
    let seen = look_at(&source, &from.path)?;
    if from.etag.is_some() && seen.etag != from.etag {
        return Err(Error::new(ErrorKind::Precondition, "copy", &from.path));
    }
    let failed = |error| fail("copy", to, error);
    let (parent, name) = opened.parent(to).map_err(failed)?;
    match (parent.metadata(name), when) {
        (Ok(meta), _) if meta.is_dir() => return Err(Error::new(ErrorKind::IsDir, "copy", to)),
        (Ok(_), When::Absent) => return Err(Error::new(ErrorKind::AlreadyExists, "copy", to)),
        _ => {}
    }
    let mut staged = Staged::new(opened).map_err(failed)?;
    let copied = io::copy(&mut &source, &mut staged.file).map_err(failed)?;
    if copied != seen.size || look_at(&source, &from.path)?.etag != seen.etag {
        return Err(Error::new(ErrorKind::Precondition, "copy", &from.path));
    }
    // Like `cp -p`: a copy is as old as what it is a copy of.
    staged.place(root, opened, to, when, seen.modified)
}

/// Opens a file for reading; never waits for a pipe's other end.
pub(crate) fn open(opened: &Opened, op: &'static str, path: &RelPath) -> Result<File> {
    use cap_std::fs::OpenOptionsExt;
    let failed = |error| fail(op, path, error);
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = cap_std::fs::OpenOptions::new();
    options.read(true).custom_flags(flags);
    Ok(opened.open_with(crate::root::place(path), &options).map_err(failed)?.into_std())
}

/// What an open file is.
pub(crate) fn look_at(file: &File, path: &RelPath) -> Result<Entry> {
    let meta = file.metadata().map_err(|error| fail("read", path, error))?;
    let meta = cap_std::fs::Metadata::from_just_metadata(meta);
    crate::entry::entry(path.clone(), &meta).ok_or_else(|| Error::new(ErrorKind::NotFound, "read", path))
}
