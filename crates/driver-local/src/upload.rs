//! Writing a file: staged, synced, renamed.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions};
use davmux_driver::{Entry, Error, ErrorKind, RelPath, Result, Upload, When, WriteRequest};
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use crate::entry::entry;
use crate::look::{look_at, may_name, standing};
use crate::root::{Opened, Root, blocking, fail, fresh_name, settle};
use crate::staging::{Beside, STAGING};

/// How much is collected before it is written.
const CHUNK: usize = 1024 * 1024;

/// A file in the staging folder, or beside its place; removed when dropped, unless it was renamed into place.
#[derive(Debug)]
pub(crate) struct Staged {
    dir: Dir,
    name: String,
    pub(crate) file: File,
    placed: bool,
    /// For the next sweep, where the file is not in the staging folder.
    _beside: Option<Beside>,
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

impl Staged {
    pub(crate) fn new(opened: &Opened) -> io::Result<Self> {
        let dir = opened.staging()?;
        let mut repeated = Vec::new();
        loop {
            let staged = Self::in_dir(dir.try_clone()?, fresh_name(), None)?;
            let meta = Metadata::from_file(&staged.file)?;
            if opened.births.lock().unwrap_or_else(PoisonError::into_inner).is_new(&meta) {
                return Ok(staged);
            }
            // Kept until another number was found.
            repeated.push(staged);
        }
    }

    fn in_dir(dir: Dir, name: String, beside: Option<Beside>) -> io::Result<Self> {
        let file = dir.open_with(&name, OpenOptions::new().read(true).write(true).create_new(true))?.into_std();
        Ok(Self { dir, name, file, placed: false, _beside: beside })
    }

    /// Puts the file, with all that was written, in its place. A link there is replaced itself, and what it leads to stays
    /// as it is: the path that was asked for is the one that changes. Blocks.
    pub(crate) fn place(
        mut self,
        root: &Root,
        opened: &Opened,
        path: &RelPath,
        when: &When,
        modified: Option<SystemTime>,
    ) -> Result<Entry> {
        let failed = |error| fail("write", path, error);
        let (parent, name) = opened.parent(path).map_err(failed)?;
        if let Some(modified) = modified {
            self.file.set_modified(modified).map_err(failed)?;
        }
        if let Some(former) = standing(opened, "write", path)?
            && former.is_file()
        {
            // Not what gives its runner other rights: that was meant for the former content.
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(former.mode() & 0o777);
            self.file.set_permissions(permissions).map_err(failed)?;
        }
        self.file.sync_all().map_err(failed)?;
        let target = Target { root, opened, folder: &parent, name, path, when };
        let placed = match self.commit(&target) {
            // A folder below the root may be on another device; then the file is staged beside its place.
            Err(error) if is_cross_device(&error) => self.beside(&target).map_err(failed)?.commit(&target)?,
            result => result?,
        };
        settle(&parent, "write", path);
        Ok(placed)
    }

    fn beside(&self, target: &Target<'_>) -> io::Result<Self> {
        let name = format!("{STAGING}-{}", fresh_name());
        let path = target.path.parent().and_then(|parent| parent.child(&name).ok());
        let path = path.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let note = Beside::announce(target.opened, &path)?;
        let mut beside = Self::in_dir(target.folder.try_clone()?, name, Some(note))?;
        let mut from = &self.file;
        io::Seek::rewind(&mut from)?;
        io::copy(&mut from, &mut beside.file)?;
        let meta = self.file.metadata()?;
        beside.file.set_permissions(meta.permissions())?;
        beside.file.set_modified(meta.modified()?)?;
        beside.file.sync_all()?;
        Ok(beside)
    }

    /// Makes the file visible, if the condition holds.
    fn commit(&mut self, target: &Target<'_>) -> Result<Entry> {
        let entry = self.rename(target)?;
        self.placed = true;
        Ok(entry)
    }

    fn rename(&self, target: &Target<'_>) -> Result<Entry> {
        let &Target { root, opened, folder, name, path, when } = target;
        let failed = |error| fail("write", path, error);
        // A rename changes nothing of it.
        let placed = look_at(&self.file, path)?;
        let _commit = root.commits.lock().unwrap_or_else(PoisonError::into_inner);
        root.still(opened, "write", path)?;
        let there = standing(opened, "write", path)?;
        match when {
            When::Absent => return self.rename_to_nothing(folder, name).map(|()| placed).map_err(failed),
            When::Matches(etag) => {
                let there = there.and_then(|meta| entry(path.clone(), &meta)).and_then(|entry| entry.etag);
                if there.as_ref() != Some(etag) {
                    return Err(Error::new(ErrorKind::Precondition, "write", path));
                }
            }
            When::Always if there.is_some_and(|meta| meta.is_dir()) => {
                return Err(Error::new(ErrorKind::IsDir, "write", path));
            }
            When::Always => {}
        }
        self.dir.rename(&self.name, folder, name).map_err(failed)?;
        Ok(placed)
    }

    fn rename_to_nothing(&self, parent: &Dir, name: &str) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.dir, &self.name, parent, name, RenameFlags::NOREPLACE) {
            // A file system that cannot: a link fails where something stands, too.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.dir.hard_link(&self.name, parent, name)?;
                // It stands; a second name that stays in the staging folder is swept.
                let _ = self.dir.remove_file(&self.name);
                Ok(())
            }
            result => Ok(result?),
        }
    }
}

/// Where a staged file goes.
struct Target<'a> {
    root: &'a Root,
    opened: &'a Opened,
    folder: &'a Dir,
    name: &'a str,
    path: &'a RelPath,
    when: &'a When,
}

pub(crate) fn is_cross_device(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| Errno::from_io_error(error) == Some(Errno::XDEV))
}

/// Whether a file of this length may fit. A file system that does not tell its room, as some that are programs do not, is tried.
fn has_room(file: &File, size: u64) -> bool {
    match rustix::fs::fstatvfs(file) {
        // With the part that is set aside for the administrator, who may be the one who runs this.
        Ok(room) if room.f_blocks > 0 => size <= room.f_bfree.saturating_mul(room.f_frsize),
        _ => true,
    }
}

/// An upload into a folder.
#[derive(Debug)]
pub(crate) struct LocalUpload {
    root: Arc<Root>,
    opened: Arc<Opened>,
    path: RelPath,
    request: WriteRequest,
    /// Away while a write is under way.
    staged: Option<Staged>,
    buffer: BytesMut,
}

impl LocalUpload {
    pub(crate) async fn begin(root: Arc<Root>, path: &RelPath, request: WriteRequest) -> Result<Self> {
        let target = path.clone();
        blocking("write", path, move || {
            let opened = root.get("write", &target)?;
            let failed = |error| fail("write", &target, error);
            if target.is_root() {
                return Err(Error::new(ErrorKind::IsDir, "write", &target));
            }
            may_name("write", &target)?;
            if standing(&opened, "write", &target)?.is_some_and(|meta| meta.is_dir()) {
                return Err(Error::new(ErrorKind::IsDir, "write", &target));
            }
            let staged = Staged::new(&opened).map_err(failed)?;
            if request.size.is_some_and(|size| size > CHUNK as u64 && !has_room(&staged.file, size)) {
                return Err(Error::new(ErrorKind::NoSpace, "write", &target));
            }
            Ok(Self { root, opened, path: target, request, staged: Some(staged), buffer: BytesMut::new() })
        })
        .await
    }

    fn over(&self) -> Error {
        Error::new(ErrorKind::Incomplete, "write", &self.path)
    }

    async fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (bytes, path) = (self.buffer.split().freeze(), self.path.clone());
        let mut staged = self.staged.take().ok_or_else(|| self.over())?;
        // Dropped in the middle, the closure still ends and drops what is staged.
        let staged = blocking("write", &self.path, move || {
            staged.file.write_all(&bytes).map_err(|error| fail("write", &path, error))?;
            Ok(staged)
        })
        .await?;
        self.staged = Some(staged);
        Ok(())
    }
}

#[async_trait]
impl Upload for LocalUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        if self.staged.is_none() {
            return Err(self.over());
        }
        self.buffer.extend_from_slice(&chunk);
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn finish(mut self: Box<Self>) -> Result<Entry> {
        self.flush().await?;
        let staged = self.staged.take().ok_or_else(|| self.over())?;
        let (root, opened) = (Arc::clone(&self.root), Arc::clone(&self.opened));
        let (path, when, modified) = (self.path.clone(), self.request.when.clone(), self.request.metadata.modified);
        blocking("write", &self.path, move || staged.place(&root, &opened, &path, &when, modified)).await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let staged = self.staged.take();
        blocking("abort", &self.path, move || {
            drop(staged);
            Ok(())
        })
        .await
    }
}
