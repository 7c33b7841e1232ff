//! Writing: one PutObject for what fits into a part, parts sent in parallel for the rest.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedPart;
use bytes::{Buf as _, Bytes, BytesMut};
use davmux_driver::meter::Meter;
use davmux_driver::{Entry, Error, ErrorKind, RelPath, Result, Upload, WriteRequest};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use crate::bucket::Bucket;
use crate::client::for_bytes;
use crate::commit::{Call, Commit, object_metadata};
use crate::cut::{Cut, TooLarge};
use crate::error::{Failure, backend};
use crate::memory::UploadMemory;
use crate::multipart::{Multipart, completed_part, part_failed};

const OP: &str = "write";
/// Bytes of a file of unknown length that are gathered before it takes memory for a part: most such files are smaller,
/// and shall not hold what others wait for.
const FIRST: usize = 64 * 1024;

/// A part being gathered.
#[derive(Debug)]
struct Part {
    bytes: BytesMut,
    size: usize,
    share: OwnedSemaphorePermit,
}

impl Part {
    fn is_full(&self) -> bool {
        self.bytes.len() >= self.size
    }
}

/// A part that the storage has, and its buffer where nobody else holds it.
#[derive(Debug)]
struct Sent {
    part: CompletedPart,
    buffer: Option<BytesMut>,
}

/// A file on its way into a bucket.
#[derive(Debug)]
pub(crate) struct S3Upload {
    bucket: Arc<Bucket>,
    memory: UploadMemory,
    cut: Cut,
    path: RelPath,
    request: WriteRequest,
    nonce: String,
    /// The first bytes of a file of unknown length, [`FIRST`] at most.
    first: BytesMut,
    part: Option<Part>,
    written: u64,
    /// Parts handed over so far.
    number: u64,
    multipart: Multipart,
    sending: JoinSet<Result<Sent>>,
    sent: Vec<CompletedPart>,
    /// The buffer of a part that was sent, for the next one: allocated anew each time, the pieces of a large upload leave
    /// the allocator with twice the memory that is in use.
    spare: Option<BytesMut>,
    /// A write failed or was dropped half-way: what was taken is not known.
    broken: bool,
}

impl S3Upload {
    pub(crate) fn new(
        bucket: &Arc<Bucket>,
        memory: &UploadMemory,
        cut: Cut,
        path: &RelPath,
        request: WriteRequest,
    ) -> Result<Self> {
        let upload = Self {
            bucket: Arc::clone(bucket),
            memory: memory.clone(),
            cut,
            path: path.clone(),
            nonce: nonce(),
            first: BytesMut::new(),
            part: None,
            written: 0,
            number: 0,
            multipart: Multipart::new(bucket, path),
            sending: JoinSet::new(),
            sent: Vec::new(),
            spare: None,
            broken: false,
            request,
        };
        if let Some(size) = upload.request.size {
            upload.cut.check(size).map_err(|why| upload.too_large(why))?;
        }
        Ok(upload)
    }

    fn too_large(&self, why: TooLarge) -> Error {
        Error::new(ErrorKind::TooLarge, OP, &self.path).with_detail(why)
    }

    /// Whether the file is known to be larger than one request carries.
    fn is_surely_large(&self) -> bool {
        self.request.size.is_some_and(|size| size > self.cut.part(1, Some(size)))
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<()> {
        let written = self.written.saturating_add(chunk.len() as u64);
        if self.request.size.is_some_and(|size| written > size) {
            let detail = "more bytes came than were announced";
            return Err(Error::new(ErrorKind::Incomplete, OP, &self.path).with_detail(detail));
        }
        if written > self.cut.largest() {
            return Err(self.too_large(self.cut.beyond_reach()));
        }
        let is_first = self.request.size.is_none() && self.number == 0 && self.part.is_none();
        if is_first && self.first.len() + chunk.len() <= FIRST {
            self.first.extend_from_slice(&chunk);
            self.written = written;
            return Ok(());
        }
        while !chunk.is_empty() {
            if self.part.as_ref().is_some_and(Part::is_full) {
                self.hand_over().await?;
            }
            let part = match &mut self.part {
                Some(part) => part,
                None => {
                    let mut next = self.next_part().await?;
                    next.bytes.extend_from_slice(&std::mem::take(&mut self.first));
                    self.part.insert(next)
                }
            };
            let count = chunk.len().min(part.size - part.bytes.len());
            part.bytes.extend_from_slice(&chunk[..count]);
            chunk.advance(count);
            self.written += count as u64;
            if self.is_surely_large() {
                self.begin();
            }
        }
        Ok(())
    }

    /// Waits for the memory of the next part. No other memory is held idle meanwhile.
    async fn next_part(&mut self) -> Result<Part> {
        if !self.cut.has_part(self.number + 1) {
            return Err(self.too_large(self.cut.beyond_reach()));
        }
        let usual = self.cut.part(self.number + 1, self.request.size);
        // A file that says its length takes no more than that.
        let size = self.request.size.map_or(usual, |size| usual.min(size.saturating_sub(self.written)));
        let no_room = || self.too_large(self.cut.beyond_reach());
        let share = self.memory.share(size).await.ok_or_else(no_room)?;
        let size = usize::try_from(size).map_err(|_| no_room())?;
        let spare = self.spare.take().filter(|spare| spare.capacity() >= size);
        Ok(Part { bytes: spare.unwrap_or_else(|| BytesMut::with_capacity(size)), size, share })
    }

    /// Starts CreateMultipartUpload, once.
    fn begin(&mut self) {
        let (content_type, metadata) =
            (&self.request.content_type, object_metadata(&self.nonce, &self.request.metadata));
        self.multipart.begin(|create| {
            create.set_content_type(content_type.as_deref().map(ToOwned::to_owned)).set_metadata(Some(metadata))
        });
    }

    /// Sends the gathered part in the background.
    async fn hand_over(&mut self) -> Result<()> {
        self.begin();
        let id = self.multipart.id().await?;
        while self.sending.len() >= self.cut.parallel {
            self.one_sent().await?;
        }
        let Some(Part { bytes, share, .. }) = self.part.take() else {
            return Ok(());
        };
        self.number += 1;
        let number = i32::try_from(self.number).unwrap_or(i32::MAX);
        let (bucket, path) = (Arc::clone(&self.bucket), self.path.clone());
        self.sending.spawn(Meter::current().scope(async move {
            let bytes = bytes.freeze();
            let part = send_part(&bucket, &path, &id, number, bytes.clone()).await;
            drop(share);
            let mut buffer = bytes.try_into_mut().ok();
            if let Some(buffer) = &mut buffer {
                buffer.clear();
            }
            part.map(|part| Sent { part, buffer })
        }));
        Ok(())
    }

    /// Waits for any part in flight.
    async fn one_sent(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            None => Ok(()),
            Some(Ok(sent)) => {
                let Sent { part, buffer } = sent?;
                self.sent.push(part);
                self.spare = buffer.or(self.spare.take());
                Ok(())
            }
            Some(Err(_)) => Err(backend(OP, &self.path, "the sending of a part was stopped")),
        }
    }

    async fn commit(&mut self) -> Result<Entry> {
        if self.broken {
            let detail = "an earlier write of this upload did not end well";
            return Err(Error::new(ErrorKind::Incomplete, OP, &self.path).with_detail(detail));
        }
        if !self.multipart.has_begun() {
            let (body, _share) = match self.part.take() {
                Some(part) => (part.bytes.freeze(), Some(part.share)),
                None => (std::mem::take(&mut self.first).freeze(), None),
            };
            return self.to_commit().run(&Call::Put(body)).await;
        }
        if self.part.is_some() {
            self.hand_over().await?;
        }
        while !self.sending.is_empty() {
            self.one_sent().await?;
        }
        self.sent.sort_by_key(CompletedPart::part_number);
        let id = self.multipart.id().await?;
        self.to_commit().run(&Call::Complete { upload_id: &id, parts: &self.sent }).await
    }

    fn to_commit(&self) -> Commit<'_> {
        Commit {
            bucket: &self.bucket,
            path: &self.path,
            request: &self.request,
            nonce: &self.nonce,
            size: self.written,
        }
    }

    /// Ends the parts in flight and removes the upload at the storage.
    async fn clean_up(&mut self) -> Result<()> {
        self.part = None;
        self.sending.shutdown().await;
        self.multipart.abort().await
    }
}

/// What stands in the metadata of one upload and of no other.
pub(crate) fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        if self.broken {
            return Err(Error::new(ErrorKind::Incomplete, OP, &self.path));
        }
        self.broken = true;
        self.take(chunk).await?;
        self.broken = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Entry> {
        match self.commit().await {
            Ok(entry) => {
                self.multipart.completed();
                Ok(entry)
            }
            Err(error) => {
                if let Err(left) = self.clean_up().await {
                    tracing::warn!(path = %self.path, error = %left, "an upload that failed could not be removed");
                }
                Err(error)
            }
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.clean_up().await
    }

    fn upload_id(&self) -> Option<&str> {
        self.multipart.known_id()
    }
}

impl Drop for S3Upload {
    /// The last resort: nobody awaited the end.
    fn drop(&mut self) {
        self.multipart.abandon(std::mem::take(&mut self.sending));
    }
}

async fn send_part(bucket: &Bucket, path: &RelPath, id: &str, number: i32, bytes: Bytes) -> Result<CompletedPart> {
    let length = bytes.len();
    let call = bucket
        .client
        .upload_part()
        .bucket(&bucket.name)
        .key(bucket.root.key(path))
        .upload_id(id)
        .part_number(number)
        .content_length(i64::try_from(length).unwrap_or(i64::MAX))
        .body(ByteStream::from(bytes))
        .customize()
        .config_override(for_bytes(length));
    // TLS protects the body already, and hashing it costs more than sending it.
    let call = if bucket.endpoint.is_https() { call.disable_payload_signing() } else { call };
    let reply = call.send().await.map_err(|error| part_failed(bucket, OP, path, Failure::sdk(&error)))?;
    completed_part(number, reply.e_tag(), path)
}
