//! A store in memory.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::store::{Blob, Object, Staging, Store, StoredBucket};

/// Keeps everything in memory and forgets it with the server.
#[derive(Debug, Default)]
pub struct Memory {
    _private: (),
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Store for Memory {
    fn blocks(&self) -> bool {
        false
    }

    fn load(&self) -> io::Result<Vec<StoredBucket>> {
        Ok(Vec::new())
    }

    fn create_bucket(&self, _name: &str, _created: i64) -> io::Result<()> {
        Ok(())
    }

    fn save(&self, _bucket: &str, _object: &Object) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _bucket: &str, _key: &str) -> io::Result<()> {
        Ok(())
    }

    async fn stage(&self) -> io::Result<Box<dyn Staging>> {
        Ok(Box::new(Gathered(BytesMut::new())))
    }

    fn close(&self) {}
}

struct Gathered(BytesMut);

#[async_trait]
impl Staging for Gathered {
    async fn write(&mut self, data: Bytes) -> io::Result<()> {
        self.0.extend_from_slice(&data);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>> {
        Ok(Arc::new(Held(self.0.freeze())))
    }
}

struct Held(Bytes);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({} bytes)", self.0.len())
    }
}

impl Blob for Held {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let bounds = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.0.len());
        let part = self.0.slice(bounds(range.start)..bounds(range.end));
        stream::once(async move { Ok(part) }).boxed()
    }
}
