//! [`Placeholder`]: the wrapper.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use davmux_driver::{
    Capabilities, Driver, Enters, Entry, Error, ErrorKind, Expect, Kind, Link, LinkRequest, Native, Page, Pages,
    ReadReply, ReadRequest, RelPath, Removal, Result, Upload, Usage, When, WriteRequest,
};
use futures_util::{StreamExt, TryStreamExt, stream};

/// How many deletions of the storage below one deletion here may run at once.
const DELETIONS_AT_ONCE: usize = 4;

/// The names of the markers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNames {
    /// No name at all: then the storage is used without this wrapper.
    #[error("a placeholder needs at least one name")]
    None,
    /// Not the name of a file.
    #[error("{0:?} cannot be the name of a placeholder: {1}")]
    Name(String, davmux_driver::InvalidPath),
}

/// A storage of keys whose folders stay.
#[derive(Debug)]
pub struct Placeholder {
    inner: Arc<dyn Driver>,
    /// The first is written, all are hidden.
    names: Vec<String>,
}

impl Placeholder {
    /// Wraps a storage. The first of `names` is written; all are hidden.
    ///
    /// # Errors
    /// [`InvalidNames`] for no name, or for one that is not a single valid segment.
    pub fn new(inner: Arc<dyn Driver>, names: Vec<String>) -> Result<Self, InvalidNames> {
        if names.is_empty() {
            return Err(InvalidNames::None);
        }
        for name in &names {
            RelPath::root().child(name).map_err(|why| InvalidNames::Name(name.clone(), why))?;
        }
        Ok(Self { inner, names })
    }

    fn is_marker(&self, path: &RelPath) -> bool {
        self.names.iter().any(|name| name == path.name())
    }

    fn hides(&self, entry: &Entry) -> bool {
        entry.kind == Kind::File && self.is_marker(&entry.path)
    }

    /// The markers that a folder may have.
    fn markers(&self, folder: &RelPath) -> impl Iterator<Item = RelPath> {
        // The names were checked.
        self.names.iter().filter_map(|name| folder.child(name).ok())
    }

    fn refuse_marker(&self, op: &'static str, path: &RelPath) -> Result<()> {
        // Something below a marker's name would make a folder of it, which hides the marker.
        if !path.segments().any(|segment| self.names.iter().any(|name| name == segment)) {
            return Ok(());
        }
        let detail = "this name marks folders in the bucket and is hidden; choose another one";
        Err(Error::new(ErrorKind::InvalidPath, op, path).with_detail(detail))
    }

    async fn mark(&self, folder: &RelPath) -> Result<()> {
        let Some(marker) = self.markers(folder).next() else { return Ok(()) };
        let request = WriteRequest { size: Some(0), ..WriteRequest::default() };
        self.inner.write(&marker, request).await?.finish().await.map(drop)
    }
}

fn not_there(op: &'static str, path: &RelPath) -> Error {
    Error::new(ErrorKind::NotFound, op, path)
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Driver for Placeholder {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        let entry = self.inner.stat(path, expect).await?;
        if self.hides(&entry) { Err(not_there("stat", path)) } else { Ok(entry) }
    }

    fn list(&self, dir: &RelPath) -> Pages {
        let names: Vec<String> = self.names.clone();
        let shown = move |entry: &Entry| entry.kind == Kind::Dir || !names.iter().any(|name| name == entry.path.name());
        self.inner
            .list(dir)
            .map_ok(move |mut page| {
                page.entries.retain(&shown);
                page
            })
            .boxed()
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        if self.is_marker(path) {
            return Err(not_there("read", path));
        }
        self.inner.read(path, request).await
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        self.refuse_marker("write", path)?;
        self.inner.write(path, request).await
    }

    async fn abort_upload(&self, path: &RelPath, upload_id: &str) -> Result<()> {
        self.inner.abort_upload(path, upload_id).await
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.refuse_marker("create folder", path)?;
        self.mark(path).await
    }

    async fn keep_dir(&self, path: &RelPath) -> Result<()> {
        // The root is there without a key.
        if path.is_root() { Ok(()) } else { self.mark(path).await }
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        let mut removals = Vec::with_capacity(batch.len());
        for removal in batch {
            if removal.kind == Kind::Dir {
                let marker = |path| Removal { path, kind: Kind::File, etag: None };
                removals.extend(self.markers(&removal.path).map(marker));
            } else if self.is_marker(&removal.path) {
                // Hidden, so it was not seen and is not deleted by itself.
                continue;
            }
            removals.push(removal.clone());
        }
        let size = self.capabilities().delete_batch.max(1);
        let deletions = removals.chunks(size).map(|chunk| self.inner.delete(chunk));
        let results: Vec<_> = stream::iter(deletions.collect::<Vec<_>>()).buffered(DELETIONS_AT_ONCE).collect().await;
        let mut failed: Vec<(RelPath, Error)> = Vec::new();
        let mut lost = None;
        let mut known = false;
        for (result, chunk) in results.into_iter().zip(removals.chunks(size)) {
            match result {
                Ok(errors) => {
                    known = true;
                    failed.extend(errors);
                }
                Err(error) => {
                    let kind = error.kind();
                    failed.extend(
                        chunk.iter().map(|removal| (removal.path.clone(), Error::new(kind, "delete", &removal.path))),
                    );
                    lost = Some(error);
                }
            }
        }
        match lost {
            // Nothing is known of any of them.
            Some(error) if !known => Err(error),
            _ => Ok(self.named_by_folder(failed, batch)),
        }
    }

    async fn link(&self, file: &Entry, request: LinkRequest) -> Result<Native<Link>> {
        self.inner.link(file, request).await
    }

    fn list_tree(&self, dir: &RelPath) -> Native<Pages> {
        self.list_tree_in(dir, Arc::new(|_| true))
    }

    fn list_tree_in(&self, dir: &RelPath, enters: Enters) -> Native<Pages> {
        let Native::Done(pages) = self.inner.list_tree_in(dir, enters) else { return Native::Declined };
        let (names, top) = (self.names.clone(), dir.clone());
        let mut folders = HashSet::new();
        Native::Done(
            pages
                .map_ok(move |page| Page {
                    entries: page
                        .entries
                        .into_iter()
                        .filter_map(|entry| {
                            let is_marker = entry.kind == Kind::File && names.iter().any(|n| n == entry.path.name());
                            // A marker is its folder; that of the top is not below the top.
                            let entry = match entry.path.parent() {
                                Some(folder) if is_marker && folder != top => Entry::dir(folder),
                                _ if is_marker => return None,
                                _ => entry,
                            };
                            (entry.kind == Kind::File || folders.insert(entry.path.clone())).then_some(entry)
                        })
                        .collect(),
                    unnameable: page.unnameable,
                })
                .boxed(),
        )
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.refuse_marker("copy", to)?;
        self.inner.copy(from, to, when).await
    }

    async fn begin_copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Box<dyn Upload>>> {
        self.refuse_marker("copy", to)?;
        self.inner.begin_copy(from, to, when).await
    }

    async fn rename(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.refuse_marker("rename", to)?;
        self.inner.rename(from, to, when).await
    }

    async fn set_modified(&self, path: &RelPath, modified: SystemTime) -> Result<Native<()>> {
        self.inner.set_modified(path, modified).await
    }

    async fn usage(&self) -> Result<Native<Usage>> {
        self.inner.usage().await
    }
}

impl Placeholder {
    /// A marker that stayed is a folder that stayed; nobody was told of the marker.
    fn named_by_folder(&self, failed: Vec<(RelPath, Error)>, batch: &[Removal]) -> Vec<(RelPath, Error)> {
        let asked: HashSet<&RelPath> = batch.iter().map(|removal| &removal.path).collect();
        let mut told = HashSet::new();
        failed
            .into_iter()
            .map(|(path, error)| match path.parent() {
                Some(folder) if !asked.contains(&path) => (folder, error),
                _ => (path, error),
            })
            .filter(|(path, _)| told.insert(path.clone()))
            .collect()
    }
}
