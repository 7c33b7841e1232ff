//! Looking at what stands at a path, and what of it may be seen.

use std::fs::File;
use std::io;

use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt};
use davmux_driver::{Entry, Error, ErrorKind, RelPath, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::entry::entry;
use crate::root::{Opened, fail, place};
use crate::staging::STAGING;

/// Names that begin like the staging folder's belong to the driver, wherever they are. What is in the root's own staging
/// folder is for the tree to name.
pub(crate) fn is_reserved(path: &RelPath) -> bool {
    let is_staged = path.as_str().strip_prefix(STAGING).is_some_and(|rest| rest.starts_with('/'));
    !is_staged && path.segments().any(|segment| segment.starts_with(STAGING))
}

/// Refuses a target that would be hidden at once.
pub(crate) fn may_name(op: &'static str, path: &RelPath) -> Result<()> {
    if is_reserved(path) {
        let detail = format!("names that begin with {STAGING} are reserved; choose another");
        return Err(Error::new(ErrorKind::InvalidPath, op, path).with_detail(detail));
    }
    Ok(())
}

/// What stands at a path. Links are followed; what is hidden is not there as far as anybody can see.
pub(crate) fn look(opened: &Opened, op: &'static str, path: &RelPath) -> Result<Entry> {
    let hidden = || Error::new(ErrorKind::NotFound, op, path);
    if is_reserved(path) {
        return Err(hidden());
    }
    let meta = opened.metadata(place(path)).map_err(|error| fail(op, path, error))?;
    entry(path.clone(), &meta).ok_or_else(hidden)
}

/// What a change would replace or remove: its metadata, a link's target's for a link. What is hidden is refused, for
/// nobody who asks for the change has seen it.
pub(crate) fn standing(opened: &Opened, op: &'static str, path: &RelPath) -> Result<Option<Metadata>> {
    let hidden = |what: &str| {
        let detail =
            format!("{what} stands there, which is not shown and so not changed; remove it on the disk itself");
        Err(Error::new(ErrorKind::Denied, op, path).with_detail(detail))
    };
    let failed = |error| fail(op, path, error);
    let (parent, name) = opened.parent(path).map_err(failed)?;
    let meta = match parent.symlink_metadata(name) {
        Ok(_) if is_reserved(path) => return hidden("a file of the driver's own"),
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let is_shown = |meta: &Metadata| meta.is_file() || meta.is_dir();
    if !meta.is_symlink() {
        return if is_shown(&meta) { Ok(Some(meta)) } else { hidden("a socket, a pipe or a device") };
    }
    // By the whole path: a link may lead anywhere below the root.
    match opened.metadata(place(path)) {
        Ok(target) if is_shown(&target) => Ok(Some(target)),
        _ => hidden("a link that leads out of the folder, or nowhere,"),
    }
}

/// Opens a file for reading; never waits for a pipe's other end.
pub(crate) fn open(opened: &Opened, op: &'static str, path: &RelPath) -> Result<File> {
    if is_reserved(path) {
        return Err(Error::new(ErrorKind::NotFound, op, path));
    }
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    match opened.open_with(place(path), &options) {
        Ok(file) => Ok(file.into_std()),
        // A socket, or a device that nothing drives.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NXIO | Errno::NODEV)) => {
            Err(Error::new(ErrorKind::NotFound, op, path).with_source(error))
        }
        Err(error) => Err(fail(op, path, error)),
    }
}

/// What an open file is.
pub(crate) fn look_at(file: &File, path: &RelPath) -> Result<Entry> {
    let meta = file.metadata().map_err(|error| fail("read", path, error))?;
    let meta = Metadata::from_just_metadata(meta);
    entry(path.clone(), &meta).ok_or_else(|| Error::new(ErrorKind::NotFound, "read", path))
}
