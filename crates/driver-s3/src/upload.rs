//! Writing: one PutObject for what fits into a part, parts sent in parallel for the rest.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedPart;
use bytes::{Buf as _, Bytes, BytesMut};
use davmux_driver::meter::Meter;
use davmux_driver::{Entry, Error, ErrorKind, RelPath, Result, Upload, WriteRequest};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, JoinSet};

use crate::bucket::{Bucket, NONCE};
use crate::client::for_bytes;
use crate::commit::{Call, Commit};
use crate::error::{Failure, backend};
use crate::memory::UploadMemory;
use crate::upload_document::AnyUploadDocument;

const OP: &str = "write";
/// Parts that S3 takes at most.
const PARTS: u64 = 10_000;
/// Parts of one size in a file of unknown length, before they become twice as large.
const STEP: u64 = 1_000;
/// The largest part.
const LARGEST: u64 = 5 << 30;
const MIB: u64 = 1 << 20;

/// How uploads to one bucket are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Bytes of a usual part.
    pub(crate) part: u64,
    /// Parts in flight at most.
    pub(crate) parallel: usize,
}

impl Cut {
    /// Bytes of part `number`, from 1.
    fn part_size(self, number: u64, size: Option<u64>) -> u64 {
        match size {
            Some(size) => self.part.max(size.div_ceil(PARTS).next_multiple_of(MIB)),
            None => self.part << ((number - 1) / STEP).min(16),
        }
        .min(LARGEST)
    }
}

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
    part: Option<Part>,
    written: u64,
    /// Parts handed over so far.
    number: u64,
    /// CreateMultipartUpload, on its way: a task of its own, so that its answer is not lost with a dropped future.
    beginning: Option<JoinHandle<Result<()>>>,
    id: Arc<OnceLock<String>>,
    sending: JoinSet<Result<Sent>>,
    sent: Vec<CompletedPart>,
    /// The buffer of a part that was sent, for the next one: allocated anew each time, the pieces of a large upload leave
    /// the allocator with twice the memory that is in use.
    spare: Option<BytesMut>,
    /// A write failed or was dropped half-way: what was taken is not known.
    broken: bool,
    ended: bool,
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
            nonce: format!("{:032x}", rand::random::<u128>()),
            part: None,
            written: 0,
            number: 0,
            beginning: None,
            id: Arc::default(),
            sending: JoinSet::new(),
            sent: Vec::new(),
            spare: None,
            broken: false,
            ended: false,
            request,
        };
        let size = upload.cut.part_size(1, upload.request.size);
        if size > upload.memory.total() || upload.request.size.is_some_and(|size| size > PARTS * LARGEST) {
            return Err(upload.too_large(size));
        }
        Ok(upload)
    }

    fn too_large(&self, part: u64) -> Error {
        Error::new(ErrorKind::TooLarge, OP, &self.path).with_detail(format!(
            "a file of this size goes in parts of {} MiB, and upload_memory is {} MiB",
            part / MIB,
            self.memory.total() / MIB
        ))
    }

    /// Whether the file is known to be larger than one request carries.
    fn is_surely_large(&self) -> bool {
        self.request.size.is_some_and(|size| size > self.cut.part_size(1, Some(size)))
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<()> {
        while !chunk.is_empty() {
            if self.part.as_ref().is_some_and(Part::is_full) {
                self.hand_over().await?;
            }
            let part = match &mut self.part {
                Some(part) => part,
                None => {
                    let next = self.next_part().await?;
                    self.part.insert(next)
                }
            };
            let count = chunk.len().min(part.size - part.bytes.len());
            part.bytes.extend_from_slice(&chunk[..count]);
            chunk.advance(count);
            self.written += u64::try_from(count).unwrap_or(u64::MAX);
            if self.is_surely_large() {
                self.begin();
            }
        }
        Ok(())
    }

    /// Waits for the memory of the next part. No other memory is held idle meanwhile.
    async fn next_part(&mut self) -> Result<Part> {
        if self.number >= PARTS {
            let detail = "the file has more parts than the storage takes";
            return Err(Error::new(ErrorKind::TooLarge, OP, &self.path).with_detail(detail));
        }
        let usual = self.cut.part_size(self.number + 1, self.request.size);
        // A file that says its length takes no more than that; one that sends more than it said goes on in parts.
        let left = self.request.size.and_then(|size| size.checked_sub(self.written)).filter(|left| *left > 0);
        let size =
            if self.number == 0 || self.is_surely_large() { left.map_or(usual, |left| left.min(usual)) } else { usual };
        let share = self.memory.share(size).await.ok_or_else(|| self.too_large(usual))?;
        let size = usize::try_from(size).map_err(|_| self.too_large(usual))?;
        let spare = self.spare.take().filter(|spare| spare.capacity() >= size);
        Ok(Part { bytes: spare.unwrap_or_else(|| BytesMut::with_capacity(size)), size, share })
    }

    /// Starts CreateMultipartUpload, once.
    fn begin(&mut self) {
        if self.beginning.is_some() || self.id.get().is_some() {
            return;
        }
        let (bucket, path, id) = (Arc::clone(&self.bucket), self.path.clone(), Arc::clone(&self.id));
        let (nonce, content_type) = (self.nonce.clone(), self.request.content_type.clone());
        self.beginning = Some(tokio::spawn(Meter::current().scope(async move {
            let reply = bucket
                .client
                .create_multipart_upload()
                .bucket(&bucket.name)
                .key(bucket.root.key(&path))
                .set_content_type(content_type.as_deref().map(ToOwned::to_owned))
                .metadata(NONCE, nonce)
                .customize()
                .interceptor(AnyUploadDocument)
                .send()
                .await
                .map_err(|error| bucket.error(OP, &path, &error))?;
            let told = reply.upload_id().filter(|id| !id.is_empty());
            let told = told.ok_or_else(|| backend(OP, &path, "the storage gave no id for the upload"))?;
            id.get_or_init(|| told.to_owned());
            Ok(())
        })));
    }

    /// The id of the upload, once it has begun.
    async fn begun(&mut self) -> Result<String> {
        self.begin();
        if let Some(beginning) = &mut self.beginning {
            let result = beginning.await;
            self.beginning = None;
            result.map_err(|_| backend(OP, &self.path, "the upload was stopped"))??;
        }
        self.id.get().cloned().ok_or_else(|| backend(OP, &self.path, "the upload has no id"))
    }

    /// Sends the gathered part in the background.
    async fn hand_over(&mut self) -> Result<()> {
        let id = self.begun().await?;
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
        if self.beginning.is_none() && self.id.get().is_none() {
            let (body, _share) = match self.part.take() {
                Some(part) => (part.bytes.freeze(), Some(part.share)),
                None => (Bytes::new(), None),
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
        let id = self.begun().await?;
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
        if let Some(beginning) = &mut self.beginning {
            // Failed: then there is nothing to remove.
            let _ = beginning.await;
            self.beginning = None;
        }
        if let Some(id) = self.id.get() {
            abort(&self.bucket, &self.path, id).await?;
        }
        self.ended = true;
        Ok(())
    }
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
                self.ended = true;
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
        self.id.get().map(String::as_str)
    }
}

impl Drop for S3Upload {
    /// The last resort: nobody awaited the end.
    fn drop(&mut self) {
        if self.ended || (self.beginning.is_none() && self.id.get().is_none()) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (bucket, path, id) = (Arc::clone(&self.bucket), self.path.clone(), Arc::clone(&self.id));
        let (beginning, mut sending) = (self.beginning.take(), std::mem::take(&mut self.sending));
        runtime.spawn(async move {
            sending.shutdown().await;
            if let Some(beginning) = beginning {
                let _ = beginning.await;
            }
            let Some(id) = id.get() else { return };
            if let Err(error) = abort(&bucket, &path, id).await {
                tracing::warn!(path = %path, error = %error, "an abandoned upload could not be removed");
            }
        });
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
    let reply = call.send().await.map_err(|error| {
        let failure = Failure::sdk(&error);
        if failure.is_code("NoSuchUpload") {
            return backend(OP, path, "the storage no longer knows this upload; somebody removed it");
        }
        bucket.failed(OP, path, failure)
    })?;
    let etag = reply.e_tag().ok_or_else(|| backend(OP, path, "the storage gave no tag for a part"))?;
    Ok(CompletedPart::builder().part_number(number).e_tag(etag).build())
}

/// Removes an upload at the storage; one that is gone is a success.
pub(crate) async fn abort(bucket: &Bucket, path: &RelPath, id: &str) -> Result<()> {
    let call = bucket.client.abort_multipart_upload().bucket(&bucket.name).key(bucket.root.key(path)).upload_id(id);
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let failure = Failure::sdk(&error);
            if failure.is_code("NoSuchUpload") || failure.is_code("NoSuchKey") {
                return Ok(());
            }
            Err(bucket.failed("abort upload", path, failure))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cut = Cut { part: 8 * MIB, parallel: 4 };

    #[test]
    fn a_known_size_stays_within_ten_thousand_parts() {
        for size in [1, 8 * MIB, 100_000_000, 80_000 * MIB, 80_000 * MIB + 1, 5 << 40] {
            let part = CUT.part_size(1, Some(size));
            assert!(size.div_ceil(part) <= PARTS, "{size}");
            assert!(part == 8 * MIB || size > 80_000 * MIB, "{size}");
        }
        assert_eq!(100_000_000_u64.div_ceil(CUT.part_size(1, Some(100_000_000))), 12, "with begin and end 14 calls");
    }

    #[test]
    fn parts_of_an_unknown_size_grow_until_five_terabytes_fit() {
        let total: u64 = (1..=PARTS).map(|number| CUT.part_size(number, None)).sum();
        assert!(total >= 5 << 40, "{total}");
        assert_eq!(CUT.part_size(STEP, None), 8 * MIB);
        assert_eq!(CUT.part_size(STEP + 1, None), 16 * MIB);
    }
}
