//! Writing. Among keys a file appears when its last byte is there. Where it would be seen before, it is written under a hidden
//! name beside its place and renamed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use davmux_driver::{Entry, Error, ErrorKind, Expect, RelPath, Result, Upload, When, WriteRequest};
use opendal_core::Buffer;
use opendal_core::options::WriteOptions;
use opendal_core::raw::oio::{self, Write as _};
use opendal_core::raw::{OpRename, OpWrite, Service as _};
use uuid::Uuid;

use super::place::{Place, Shape, error_of};

const OP: &str = "write";
const MIB: u64 = 1024 * 1024;
/// How the hidden names begin.
pub(crate) const STAGED: &str = ".davmux-upload-";
/// The least that goes out at once.
const PART: u64 = 8 * MIB;
/// The same where the length is not told: good for 312 GiB.
const PART_OF_UNKNOWN: u64 = 32 * MIB;
/// Parts of one upload that every service takes.
const MOST_PARTS: u64 = 10_000;
/// The largest file of a service that takes it only whole.
pub(crate) const LARGEST_WHOLE: u64 = 64 * MIB;

struct Writing {
    place: Arc<Place>,
    path: RelPath,
    request: WriteRequest,
    /// Where the bytes go: the file's own key, or the hidden one.
    key: String,
    staged: Option<String>,
    writer: Option<oio::Writer>,
    part: usize,
    held: BytesMut,
    taken: u64,
    committed: bool,
}

/// Begins a file.
pub(crate) async fn begin(place: &Arc<Place>, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
    if path.is_root() {
        return Err(Error::new(ErrorKind::IsDir, OP, path));
    }
    place.fits(OP, path)?;
    let part = part_size(place, request.size).ok_or_else(|| too_large(path))?;
    place.parent_stands(OP, path).await?;
    let (key, staged) = match place.shape {
        Shape::Keys => (place.key(path), None),
        Shape::Folders { .. } => {
            let name = format!("{STAGED}{}", Uuid::new_v4().simple());
            (staged_key(place, path, &name), Some(name))
        }
    };
    Ok(Box::new(Writing {
        place: Arc::clone(place),
        path: path.clone(),
        request,
        key,
        staged,
        writer: None,
        part: usize::try_from(part).unwrap_or(usize::MAX),
        held: BytesMut::new(),
        taken: 0,
        committed: false,
    }))
}

/// Removes what an upload of an earlier process left.
pub(crate) async fn sweep(place: &Place, path: &RelPath, upload_id: &str) -> Result<()> {
    if place.shape == Shape::Keys || !upload_id.starts_with(STAGED) || upload_id.contains('/') {
        return Ok(());
    }
    match place.delete(&staged_key(place, path, upload_id)).await {
        Err(error) if error.kind() != opendal_core::ErrorKind::NotFound => Err(error_of("abort_upload", path, &error)),
        _ => Ok(()),
    }
}

fn staged_key(place: &Place, path: &RelPath, name: &str) -> String {
    let folder = path.parent().unwrap_or_else(RelPath::root);
    let before = if place.root.join(&folder).is_root() { String::new() } else { place.dir_key(&folder) };
    format!("{before}{name}")
}

fn part_size(place: &Place, size: Option<u64>) -> Option<u64> {
    match (place.shape, size) {
        (Shape::Folders { whole: true }, Some(size)) if size > LARGEST_WHOLE => None,
        (Shape::Folders { whole: true }, _) => Some(LARGEST_WHOLE),
        (Shape::Folders { whole: false }, _) => Some(MIB),
        (Shape::Keys, None) => Some(PART_OF_UNKNOWN),
        (Shape::Keys, Some(size)) => Some(size.div_ceil(MOST_PARTS).div_ceil(MIB).saturating_mul(MIB).max(PART)),
    }
}

fn too_large(path: &RelPath) -> Error {
    Error::new(ErrorKind::TooLarge, OP, path).with_detail("opendal takes a file for this storage only whole, in memory")
}

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, mut chunk: Bytes) -> Result<()> {
        self.taken = self.taken.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.place.shape == (Shape::Folders { whole: true }) && self.taken > LARGEST_WHOLE {
            return Err(too_large(&self.path));
        }
        while !chunk.is_empty() {
            if self.held.len() == self.part {
                self.hand_on().await?;
            }
            let room = self.part - self.held.len();
            self.held.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Entry> {
        match self.commit().await {
            Ok(entry) => {
                self.committed = true;
                Ok(entry)
            }
            Err(error) => {
                self.give_up().await;
                Err(error)
            }
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.give_up().await;
        Ok(())
    }

    fn upload_id(&self) -> Option<&str> {
        self.staged.as_deref().filter(|_| self.writer.is_some())
    }
}

impl Writing {
    fn writer(&mut self) -> Result<&mut oio::Writer> {
        if self.writer.is_none() {
            let capability = self.place.service.capability();
            let (mut if_not_exists, mut if_match) = (false, None);
            if self.staged.is_none() {
                match &self.request.when {
                    When::Always => {}
                    When::Absent => if_not_exists = capability.write_with_if_not_exists,
                    When::Matches(etag) if capability.write_with_if_match => if_match = Some(etag.as_str().to_owned()),
                    When::Matches(_) => {}
                }
            }
            let content_type =
                self.request.content_type.as_deref().filter(|_| capability.write_with_content_type).map(str::to_owned);
            let options =
                WriteOptions { if_not_exists, if_match, content_type, concurrent: 1, ..WriteOptions::default() };
            let writer = OpWrite::from_options(&capability, options)
                .and_then(|(args, _)| self.place.service.write(&self.place.context, &self.key, args))
                .map_err(|error| error_of(OP, &self.path, &error))?;
            self.writer = Some(writer);
        }
        self.writer.as_mut().ok_or_else(|| Error::new(ErrorKind::Backend, OP, &self.path))
    }

    async fn hand_on(&mut self) -> Result<()> {
        let part = std::mem::take(&mut self.held).freeze();
        let path = self.path.clone();
        let handed = self.writer()?.write(Buffer::from(part)).await;
        handed.map_err(|error| error_of(OP, &path, &error))
    }

    async fn commit(&mut self) -> Result<Entry> {
        let there = self.place.target(OP, &self.path, &self.request.when).await?;
        if self.staged.is_some() && there.is_some_and(|there| there.is_dir()) {
            return Err(Error::new(ErrorKind::IsDir, OP, &self.path));
        }
        if !self.held.is_empty() || self.writer.is_none() {
            self.hand_on().await?;
        }
        let path = self.path.clone();
        let closed = self.writer()?.close().await;
        closed.map_err(|error| self.refused(&error))?;
        if self.staged.is_some() {
            let target = self.place.key(&path);
            let renamed = self.place.service.rename(&self.place.context, &self.key, &target, OpRename::new()).await;
            if let Err(error) = renamed {
                // Where the answer was lost the hidden file is gone and its bytes are the file.
                let gone = matches!(self.place.look(&self.key).await, Err(error) if error.kind() == opendal_core::ErrorKind::NotFound);
                let stands = self.place.stat(OP, &path, Expect::File).await;
                if !(gone && stands.is_ok_and(|entry| !entry.is_dir() && entry.size == self.taken)) {
                    return Err(error_of(OP, &path, &error));
                }
            }
        }
        let entry = self.place.look(&self.place.key(&path)).await.map_err(|error| error_of(OP, &path, &error))?;
        super::place::entry_of(&path, &entry).ok_or_else(|| Error::new(ErrorKind::Backend, OP, &path))
    }

    /// A condition that the storage itself found broken.
    fn refused(&self, error: &opendal_core::Error) -> Error {
        use opendal_core::ErrorKind as Theirs;
        let broken = matches!(error.kind(), Theirs::ConditionNotMatch | Theirs::AlreadyExists);
        match &self.request.when {
            When::Absent if broken => Error::new(ErrorKind::AlreadyExists, OP, &self.path),
            When::Matches(_) if broken => Error::new(ErrorKind::Precondition, OP, &self.path),
            _ => error_of(OP, &self.path, error),
        }
    }

    /// Leaves nothing behind, as far as the storage lets it.
    async fn give_up(&mut self) {
        self.committed = true;
        let Some(mut writer) = self.writer.take() else { return };
        // A service that cannot abort has nothing to show, or the hidden file, which goes now.
        let _aborted = writer.abort().await;
        drop(writer);
        if self.staged.is_some() {
            let _swept = self.place.delete(&self.key).await;
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (false, Some(mut writer), Ok(runtime)) =
            (self.committed, self.writer.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (place, key, staged) = (Arc::clone(&self.place), self.key.clone(), self.staged.is_some());
        drop(runtime.spawn(async move {
            let _aborted = writer.abort().await;
            drop(writer);
            if staged {
                let _swept = place.delete(&key).await;
            }
        }));
    }
}
