//! [`Local`]: the driver.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use davmux_driver::{
    Admin, Body, Capabilities, Driver, Enters, Entry, Error, ErrorKind, Expect, Kind, Link, LinkRequest, Native, Pages,
    ReadReply, ReadRequest, RelPath, Removal, Report, Result, Upload, Usage, When, WriteRequest, probe,
};

use crate::look::{look, look_at, may_name, open, standing};
use crate::root::{Opened, Root, blocking, fail, place, settle};
use crate::staging::STAGING;
use crate::upload::LocalUpload;
use crate::{list, rename};

/// Which folder.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// The root folder. It need not exist yet; until it does every operation is `Unavailable`.
    pub root: PathBuf,
}

/// A folder as storage.
#[derive(Debug)]
pub struct Local {
    root: Arc<Root>,
}

impl Local {
    /// Takes a folder; it is opened when it is first used.
    pub fn new(options: LocalOptions) -> Self {
        Self { root: Arc::new(Root::new(options.root)) }
    }

    /// Runs on the blocking pool with the open root.
    async fn with<T: Send + 'static>(
        &self,
        op: &'static str,
        path: &RelPath,
        work: impl FnOnce(&Root, &Opened) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (root, at) = (Arc::clone(&self.root), path.clone());
        blocking(op, path, move || {
            let opened = root.get(op, &at)?;
            work(&root, &opened)
        })
        .await
    }
}

/// A folder has neither CORS rules nor uploads that a stranger could have begun.
#[async_trait]
impl Admin for Local {
    async fn probe(&self, may_write: bool, report: &dyn Report) -> bool {
        probe::of_driver(self, may_write, report).await
    }
}

#[async_trait]
impl Driver for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn capabilities(&self) -> &Capabilities {
        static CAPABILITIES: OnceLock<Capabilities> = OnceLock::new();
        CAPABILITIES.get_or_init(|| Capabilities {
            real_dirs: true,
            // Absent is the kernel's; Matches is checked under a lock of this process, and others can slip in.
            atomic_conditions: false,
            conditional_delete: false,
            delete_batch: 1,
            max_file_size: None,
            staging: RelPath::parse(STAGING).ok(),
            reads_files: true,
        })
    }

    async fn check(&self) -> Result<()> {
        self.with("check", &RelPath::root(), |_, opened| {
            opened.entries().map(drop).map_err(|error| fail("check", &RelPath::root(), error))
        })
        .await
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        let at = path.clone();
        self.with("stat", path, move |_, opened| match look(opened, "stat", &at) {
            Ok(entry) if expect == Expect::Dir && !entry.is_dir() => Err(Error::new(ErrorKind::NotFound, "stat", &at)),
            // A file stands where a folder is in the path: nothing can be there.
            Err(error) if error.kind() == ErrorKind::NotDir => Err(Error::new(ErrorKind::NotFound, "stat", &at)),
            result => result,
        })
        .await
    }

    fn list(&self, dir: &RelPath) -> Pages {
        list::list(&self.root, dir)
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        let at = path.clone();
        self.with("read", path, move |_, opened| {
            let file = open(opened, "read", &at).map_err(|error| match error.kind() {
                ErrorKind::NotDir => Error::new(ErrorKind::NotFound, "read", &at),
                _ => error,
            })?;
            let entry = look_at(&file, &at)?;
            if entry.is_dir() {
                return Err(Error::new(ErrorKind::IsDir, "read", &at));
            }
            if request.if_match.is_some() && request.if_match != entry.etag {
                return Err(Error::new(ErrorKind::Precondition, "read", &at));
            }
            let range = match request.range {
                None => 0..entry.size,
                Some(range) => range
                    .resolve(entry.size)
                    .ok_or_else(|| Error::new(ErrorKind::Range { size: entry.size }, "read", &at))?,
            };
            Ok(ReadReply { entry, range, body: Body::File(Arc::new(file)) })
        })
        .await
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        Ok(Box::new(LocalUpload::begin(Arc::clone(&self.root), path, request).await?))
    }

    async fn abort_upload(&self, _path: &RelPath, _upload_id: &str) -> Result<()> {
        // What is staged is removed when the folder is opened.
        Ok(())
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        let at = path.clone();
        self.with("create folder", path, move |_, opened| {
            let failed = |error| fail("create folder", &at, error);
            if at.is_root() {
                return Err(Error::new(ErrorKind::AlreadyExists, "create folder", &at));
            }
            may_name("create folder", &at)?;
            let (parent, name) = opened.parent(&at).map_err(failed)?;
            parent.create_dir(name).map_err(failed)?;
            settle(&parent, "create folder", &at);
            Ok(())
        })
        .await
    }

    async fn keep_dir(&self, _path: &RelPath) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        let batch = batch.to_vec();
        self.with("delete", &RelPath::root(), move |root, opened| {
            let failed = batch
                .into_iter()
                .filter_map(|removal| Some((removal.path.clone(), remove(root, opened, &removal).err()?)));
            Ok(failed.collect())
        })
        .await
    }

    async fn link(&self, _file: &Entry, _request: LinkRequest) -> Result<Native<Link>> {
        Ok(Native::Declined)
    }

    fn list_tree(&self, dir: &RelPath) -> Native<Pages> {
        Native::Done(list::list_tree(&self.root, dir, None))
    }

    fn list_tree_in(&self, dir: &RelPath, enters: Enters) -> Native<Pages> {
        Native::Done(list::list_tree(&self.root, dir, Some(enters)))
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        let (from, to, when) = (from.clone(), to.clone(), when.clone());
        let path = from.path.clone();
        self.with("copy", &path, move |root, opened| rename::copy(root, opened, &from, &to, &when).map(Native::Done))
            .await
    }

    async fn rename(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        let (from, to, when) = (from.clone(), to.clone(), when.clone());
        let path = from.path.clone();
        self.with("rename", &path, move |root, opened| rename::rename(root, opened, &from, &to, &when)).await
    }

    async fn set_modified(&self, path: &RelPath, modified: SystemTime) -> Result<Native<()>> {
        let at = path.clone();
        self.with("set time", path, move |_, opened| {
            let file = open(opened, "set time", &at)?;
            file.set_modified(modified).map_err(|error| fail("set time", &at, error))?;
            Ok(Native::Done(()))
        })
        .await
    }

    async fn usage(&self) -> Result<Native<Usage>> {
        self.with("usage", &RelPath::root(), |_, opened| {
            let room =
                rustix::fs::fstatvfs(&**opened).map_err(|error| fail("usage", &RelPath::root(), error.into()))?;
            let used = room.f_blocks.saturating_sub(room.f_bfree).saturating_mul(room.f_frsize);
            Ok(Native::Done(Usage { used: Some(used), available: room.f_bavail.saturating_mul(room.f_frsize) }))
        })
        .await
    }
}

fn remove(root: &Root, opened: &Opened, removal: &Removal) -> Result<()> {
    let path = &removal.path;
    if path.is_root() {
        return Err(Error::new(ErrorKind::InvalidPath, "delete", path).with_detail("the root folder stays"));
    }
    let _commit = root.commits.lock().unwrap_or_else(PoisonError::into_inner);
    match standing(opened, "delete", path) {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(()),
        // Not even its folder is there, or a file is in the way of the path: nothing can be there.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotDir) => return Ok(()),
        Err(error) => return Err(error),
    }
    // What is removed is the entry itself, a link and not what it leads to.
    let removed = match removal.kind {
        Kind::File => opened.remove_file(place(path)),
        Kind::Dir => opened.remove_dir(place(path)),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fail("delete", path, error)),
        _ => Ok(()),
    }
}
