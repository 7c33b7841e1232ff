//! Writing to a [`Memory`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use davmux_driver::{Entry, Error, ErrorKind, Kind, Metadata, RelPath, Result, Upload, When, WriteRequest};

use super::{Memory, Object, Shape, allow, folders};
use crate::Op;

pub(super) struct MemoryUpload {
    memory: Memory,
    path: RelPath,
    when: When,
    content_type: Option<Arc<str>>,
    metadata: Metadata,
    id: String,
    data: BytesMut,
    begun: bool,
}

impl fmt::Debug for MemoryUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryUpload").field("path", &self.path).finish_non_exhaustive()
    }
}

impl MemoryUpload {
    pub(super) fn begin(memory: &Memory, path: &RelPath, request: WriteRequest) -> Result<Self> {
        let mut state = memory.lock();
        memory.may_write(&state, path, &request.when)?;
        let id = format!("upload-{}", state.tick());
        state.uploads.insert(id.clone());
        Ok(Self {
            memory: memory.clone(),
            path: path.clone(),
            when: request.when,
            content_type: request.content_type,
            metadata: request.metadata,
            id,
            data: BytesMut::new(),
            begun: false,
        })
    }

    /// An upload that has its bytes already.
    pub(super) fn of_copy(memory: &Memory, to: &RelPath, when: &When, source: Object) -> Result<Self> {
        let request = WriteRequest {
            size: None,
            when: when.clone(),
            content_type: source.content_type,
            metadata: source.metadata.unwrap_or_default(),
        };
        let mut upload = Self::begin(memory, to, request)?;
        upload.data = BytesMut::from(source.data.as_ref());
        upload.begun = true;
        Ok(upload)
    }
}

impl Memory {
    fn may_write(&self, state: &super::State, path: &RelPath, when: &When) -> Result<()> {
        let there = match self.shape {
            Shape::Folders => {
                folders::need_parent(state, "write", path)?;
                folders::look(state, path)
            }
            Shape::Keys if path.is_root() => return Err(Error::new(ErrorKind::IsDir, "write", path)),
            // A bucket looks at the key alone.
            Shape::Keys => state.objects.get(path.as_str()).map(|object| object.entry(path)),
        };
        if there.as_ref().is_some_and(Entry::is_dir) && *when != When::Absent {
            return Err(Error::new(ErrorKind::IsDir, "write", path));
        }
        allow(when, there.as_ref(), "write", path)
    }
}

#[async_trait]
impl Upload for MemoryUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.memory.log.add(Op::UploadWrite, &self.path);
        self.begun = true;
        self.data.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Entry> {
        self.memory.log.add(Op::Finish, &self.path);
        let data = std::mem::take(&mut self.data).freeze();
        let mut state = self.memory.lock();
        self.memory.may_write(&state, &self.path, &self.when)?;
        let mut object = state.object(Kind::File, data);
        let keys = self.memory.shape == Shape::Keys;
        if keys {
            object.content_type = self.content_type.take();
            object.metadata = Some(self.metadata);
        } else if let Some(modified) = self.metadata.modified {
            object.modified = modified;
        }
        let mut entry = object.entry(&self.path);
        if keys {
            entry.modified = None;
        }
        state.objects.insert(self.path.as_str().to_owned(), object);
        drop(state);
        Ok(entry)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.memory.log.add(Op::Abort, &self.path);
        Ok(())
    }

    fn upload_id(&self) -> Option<&str> {
        (self.begun && self.memory.shape == Shape::Keys).then_some(self.id.as_str())
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        self.memory.lock().uploads.remove(&self.id);
    }
}
