//! The trait on [`Memory`].

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use davmux_driver::{
    Body, Capabilities, Driver, Entry, Error, ErrorKind, Expect, Kind, Link, LinkRequest, Native, Page, Pages,
    ReadReply, ReadRequest, RelPath, Removal, Result, Upload, Usage, When, WriteRequest,
};
use futures_util::{StreamExt as _, stream};

use super::upload::MemoryUpload;
use super::{Memory, Object, STAGING, Shape, State, allow, folders, keys};
use crate::Op;

/// How large the chunks of a body are.
const CHUNK: usize = 64 * 1024;
/// How much room there is.
const ROOM: u64 = 1 << 40;

impl Memory {
    fn file<'a>(&self, state: &'a State, path: &RelPath, op: &'static str) -> Result<&'a Object> {
        let error = |kind| Error::new(kind, op, path);
        match self.look(state, path) {
            None => Err(error(ErrorKind::NotFound)),
            Some(entry) if entry.is_dir() => Err(error(ErrorKind::IsDir)),
            Some(_) => state.objects.get(path.as_str()).ok_or_else(|| error(ErrorKind::Backend)),
        }
    }

    /// Pages of a listing that is taken when the first one is asked for.
    fn pages(&self, take: impl FnOnce(&State) -> Result<Page> + Send + 'static) -> Pages {
        let memory = self.clone();
        let pages = stream::once(async move {
            let listing = take(&memory.lock());
            let pages: Vec<Result<Page>> = match listing {
                Ok(page) => split(page, memory.page_size),
                Err(error) => vec![Err(error)],
            };
            stream::iter(pages)
        });
        Box::pin(pages.flatten())
    }
}

/// At least one page; the names that cannot be said come on the last.
fn split(whole: Page, size: usize) -> Vec<Result<Page>> {
    let chunks = whole.entries.chunks(size).map(|chunk| Page { entries: chunk.to_vec(), unnameable: Vec::new() });
    let mut pages: Vec<Page> = chunks.collect();
    match pages.last_mut() {
        Some(last) => last.unnameable = whole.unnameable,
        None => pages.push(whole),
    }
    pages.into_iter().map(Ok).collect()
}

/// Letters, digits and `-._~/` stay; the rest is escaped (RFC 3986 section 2.3).
fn escape(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

impl Memory {
    /// The source of a copy, if it is the version that was asked for.
    fn version(&self, state: &State, from: &Entry) -> Result<Object> {
        let source = self.file(state, &from.path, "copy")?;
        if from.etag.as_ref().is_some_and(|etag| *etag != source.etag) {
            return Err(Error::new(ErrorKind::Precondition, "copy", &from.path));
        }
        Ok(source.clone())
    }
}

#[async_trait]
impl Driver for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<()> {
        self.log.add(Op::Check, &RelPath::root());
        Ok(())
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        self.log.add(Op::Stat, path);
        let entry = self.look(&self.lock(), path);
        entry
            .filter(|entry| expect != Expect::Dir || entry.is_dir())
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "stat", path))
    }

    fn list(&self, dir: &RelPath) -> Pages {
        self.log.add(Op::List, dir);
        let (dir, shape) = (dir.clone(), self.shape);
        self.pages(move |state| match shape {
            Shape::Folders => folders::list(state, &dir),
            Shape::Keys => keys::list(state, &dir),
        })
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        self.log.add(Op::Read, path);
        let state = self.lock();
        let object = self.file(&state, path, "read")?;
        let entry = object.entry(path);
        if request.if_match.is_some_and(|etag| Some(etag) != entry.etag) {
            return Err(Error::new(ErrorKind::Precondition, "read", path));
        }
        let range = match request.range {
            None => 0..entry.size,
            Some(range) => range
                .resolve(entry.size)
                .ok_or_else(|| Error::new(ErrorKind::Range { size: entry.size }, "read", path))?,
        };
        // It fits: the data is in memory.
        let mut bytes = object.data.slice(range.start as usize..range.end as usize);
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            chunks.push(Ok(bytes.split_to(bytes.len().min(CHUNK))));
        }
        Ok(ReadReply { entry, range, body: Body::Stream(Box::pin(stream::iter(chunks))) })
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        self.log.add(Op::Write, path);
        Ok(Box::new(MemoryUpload::begin(self, path, request)?))
    }

    async fn abort_upload(&self, path: &RelPath, upload_id: &str) -> Result<()> {
        self.log.add(Op::AbortUpload, path);
        self.lock().uploads.remove(upload_id);
        Ok(())
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.log.add(Op::CreateDir, path);
        if self.shape == Shape::Keys {
            return Err(Error::new(ErrorKind::Unsupported, "create folder", path)
                .with_detail("a folder exists only while something is in it"));
        }
        let mut state = self.lock();
        if folders::look(&state, path).is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "create folder", path));
        }
        folders::need_parent(&state, "create folder", path)?;
        let folder = state.object(Kind::Dir, Bytes::new());
        state.objects.insert(path.as_str().to_owned(), folder);
        Ok(())
    }

    async fn keep_dir(&self, path: &RelPath) -> Result<()> {
        self.log.add(Op::KeepDir, path);
        if self.capabilities.real_dirs { Ok(()) } else { Err(Error::new(ErrorKind::Unsupported, "keep folder", path)) }
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        let first = batch.first().map_or_else(RelPath::root, |removal| removal.path.clone());
        self.log.add(Op::Delete, &first);
        if batch.len() > self.capabilities.delete_batch {
            return Err(Error::new(ErrorKind::Backend, "delete", &first).with_detail(format!(
                "{} entries at once, at most {}",
                batch.len(),
                self.capabilities.delete_batch
            )));
        }
        let mut state = self.lock();
        let mut failed = Vec::new();
        for Removal { path, kind, etag } in batch {
            let there = self.look(&state, path).and_then(|entry| entry.etag);
            let result = match self.shape {
                Shape::Folders if etag.is_some() && there.is_some() && *etag != there => {
                    Err(Error::new(ErrorKind::Precondition, "delete", path))
                }
                Shape::Folders => folders::delete(&mut state, path, *kind),
                Shape::Keys => {
                    keys::delete(&mut state, path, *kind);
                    Ok(())
                }
            };
            failed.extend(result.err().map(|error| (path.clone(), error)));
        }
        Ok(failed)
    }

    async fn link(&self, file: &Entry, request: LinkRequest) -> Result<Native<Link>> {
        self.log.add(Op::Link, &file.path);
        let Some(host) = &self.link_host else { return Ok(Native::Declined) };
        let url = format!("{host}/{}?signature=of-the-test", escape(file.path.as_str()));
        let url = url.parse().map_err(|why: http::uri::InvalidUri| {
            Error::new(ErrorKind::InvalidPath, "link", &file.path).with_source(why)
        })?;
        Ok(Native::Done(Link { url, expires_at: Some(SystemTime::now() + request.valid_for.min(self.longest_link)) }))
    }

    fn list_tree(&self, dir: &RelPath) -> Native<Pages> {
        if self.shape == Shape::Folders {
            return Native::Declined;
        }
        self.log.add(Op::ListTree, dir);
        let dir = dir.clone();
        Native::Done(self.pages(move |state| keys::list_tree(state, &dir)))
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.log.add(Op::Copy, &from.path);
        if self.shape == Shape::Folders || from.is_dir() || from.size > self.largest_copy {
            return Ok(Native::Declined);
        }
        let mut state = self.lock();
        let source = self.version(&state, from)?;
        let there = state.objects.get(to.as_str()).map(|object| object.entry(to));
        allow(when, there.as_ref(), "copy", to)?;
        let mut object = state.object(Kind::File, source.data);
        object.content_type = source.content_type;
        object.metadata = source.metadata;
        let entry = object.entry(to);
        state.objects.insert(to.as_str().to_owned(), object);
        Ok(Native::Done(entry))
    }

    async fn begin_copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Box<dyn Upload>>> {
        self.log.add(Op::BeginCopy, &from.path);
        if self.shape == Shape::Folders || from.is_dir() || from.size <= self.largest_copy {
            return Ok(Native::Declined);
        }
        let source = self.version(&self.lock(), from)?;
        Ok(Native::Done(Box::new(MemoryUpload::of_copy(self, to, when, source)?)))
    }

    async fn rename(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.log.add(Op::Rename, &from.path);
        if self.shape == Shape::Keys {
            return Ok(Native::Declined);
        }
        if from.path.as_str() == STAGING || to.as_str() == STAGING {
            return Err(
                Error::new(ErrorKind::InvalidPath, "rename", &from.path).with_detail("the staging folder stays")
            );
        }
        folders::rename(&mut self.lock(), from, to, when).map(Native::Done)
    }

    async fn set_modified(&self, path: &RelPath, modified: SystemTime) -> Result<Native<()>> {
        self.log.add(Op::SetModified, path);
        if self.shape == Shape::Keys {
            return Ok(Native::Declined);
        }
        let mut state = self.lock();
        match state.objects.get_mut(path.as_str()) {
            Some(object) => object.modified = modified,
            None => return Err(Error::new(ErrorKind::NotFound, "set time", path)),
        }
        Ok(Native::Done(()))
    }

    async fn usage(&self) -> Result<Native<Usage>> {
        self.log.add(Op::Usage, &RelPath::root());
        if self.shape == Shape::Keys {
            return Ok(Native::Declined);
        }
        let used = self.lock().objects.values().map(|object| object.data.len() as u64).sum();
        Ok(Native::Done(Usage { used: Some(used), available: ROOM.saturating_sub(used) }))
    }
}
