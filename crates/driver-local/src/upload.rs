//! Writing a file: staged, synced, renamed.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cap_std::fs::{Dir, OpenOptions};
use davmux_driver::{Entry, Error, ErrorKind, RelPath, Result, Upload, When, WriteRequest};
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use crate::entry::entry;
use crate::root::{Opened, Root, STAGING, as_file, blocking, fail, fresh_name, place};

/// How much is collected before it is written.
const CHUNK: usize = 1024 * 1024;

/// A file in the staging folder; removed when dropped, unless it was renamed into place.
#[derive(Debug)]
pub(crate) struct Staged {
    dir: Dir,
    name: String,
    pub(crate) file: File,
    placed: bool,
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
        Self::in_dir(opened.staging()?, fresh_name())
    }

    fn in_dir(dir: Dir, name: String) -> io::Result<Self> {
        let file = dir.open_with(&name, OpenOptions::new().read(true).write(true).create_new(true))?.into_std();
        Ok(Self { dir, name, file, placed: false })
    }

    /// Puts the file, with all that was written, in its place. Blocks.
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
        if let Ok(former) = parent.metadata(name)
            && former.is_file()
        {
            let permissions =
                std::os::unix::fs::PermissionsExt::from_mode(cap_std::fs::MetadataExt::mode(&former) & 0o7777);
            self.file.set_permissions(permissions).map_err(failed)?;
        }
        self.file.sync_all().map_err(failed)?;
        match self.rename(root, &parent, name, path, when) {
            // A folder below the root may be on another device; then the file is staged beside its place.
            Err(error) if is_cross_device(&error) => {
                self = self.beside(&parent).map_err(failed)?;
                self.rename(root, &parent, name, path, when)?;
            }
            result => result?,
        }
        let meta = self.file.metadata().map_err(failed)?;
        let meta = cap_std::fs::Metadata::from_just_metadata(meta);
        // The name is there; what a power loss would undo is reported as what it is.
        as_file(&parent).and_then(|folder| folder.sync_all()).map_err(failed)?;
        entry(path.clone(), &meta).ok_or_else(|| Error::new(ErrorKind::Backend, "write", path))
    }

    fn beside(&self, parent: &Dir) -> io::Result<Self> {
        let mut beside = Self::in_dir(parent.try_clone()?, format!("{STAGING}-{}", fresh_name()))?;
        let mut from = &self.file;
        io::Seek::rewind(&mut from)?;
        io::copy(&mut from, &mut beside.file)?;
        let meta = self.file.metadata()?;
        beside.file.set_permissions(meta.permissions())?;
        beside.file.set_modified(meta.modified()?)?;
        beside.file.sync_all()?;
        Ok(beside)
    }

    fn rename(&mut self, root: &Root, parent: &Dir, name: &str, path: &RelPath, when: &When) -> Result<()> {
        let failed = |error| fail("write", path, error);
        match when {
            When::Always => self.dir.rename(&self.name, parent, name).map_err(failed)?,
            When::Absent => self.rename_to_nothing(parent, name).map_err(failed)?,
            When::Matches(etag) => {
                let _conditions = root.conditions.lock().unwrap_or_else(PoisonError::into_inner);
                let there = parent.metadata(name).ok().and_then(|meta| entry(path.clone(), &meta));
                if there.and_then(|entry| entry.etag).as_ref() != Some(etag) {
                    return Err(Error::new(ErrorKind::Precondition, "write", path));
                }
                self.dir.rename(&self.name, parent, name).map_err(failed)?;
            }
        }
        self.placed = true;
        Ok(())
    }

    fn rename_to_nothing(&self, parent: &Dir, name: &str) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.dir, &self.name, parent, name, RenameFlags::NOREPLACE) {
            // A file system that cannot: a link fails where something stands, too.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.dir.hard_link(&self.name, parent, name)?;
                self.dir.remove_file(&self.name)
            }
            result => Ok(result?),
        }
    }
}

fn is_cross_device(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| Errno::from_io_error(error) == Some(Errno::XDEV))
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
            let (parent, name) = opened.parent(&target).map_err(failed)?;
            match parent.metadata(name) {
                Ok(meta) if meta.is_dir() => return Err(Error::new(ErrorKind::IsDir, "write", &target)),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
            let staged = Staged::new(&opened).map_err(failed)?;
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
        let (path, when, modified) = (self.path.clone(), self.request.when.clone(), self.request.modified);
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

/// What stands at a path.
pub(crate) fn look(opened: &Opened, op: &'static str, path: &RelPath) -> Result<Entry> {
    let meta = opened.metadata(place(path)).map_err(|error| fail(op, path, error))?;
    // Sockets, pipes and devices are not there as far as anybody can see.
    entry(path.clone(), &meta).ok_or_else(|| Error::new(ErrorKind::NotFound, op, path))
}
