//! Copying inside the bucket what is too large for one CopyObject: in ranges, side by side.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use davmux_driver::{Entry, Error, ErrorKind, Etag, Expect, Native, RelPath, Result, Upload, When, WriteRequest};
use futures_util::{StreamExt as _, stream};

use crate::bucket::{Bucket, NONCE, metadata_of};
use crate::client::for_long_work;
use crate::commit::{Call, Commit, look_first};
use crate::copy::{OP, changed, copy_source};
use crate::error::{Failure, backend};
use crate::learnt::Ability;
use crate::multipart::{Multipart, completed_part, part_failed};
use crate::provider::Dialect;
use crate::stat;
use crate::upload::nonce;

/// Ranges of one file that are copied at the same time.
const AT_ONCE: usize = 8;
/// Bytes of a usual range: small enough to be copied side by side and tried again, large enough to be few.
const RANGE: u64 = 128 << 20;

/// A copy that has begun.
#[derive(Debug)]
struct PartCopy {
    bucket: Arc<Bucket>,
    /// The very version that is copied: its tag is known.
    from: Entry,
    etag: Etag,
    to: RelPath,
    request: WriteRequest,
    nonce: String,
    ranges: Vec<Range<u64>>,
    multipart: Multipart,
}

/// Begins a copy in parts. It becomes visible when the upload is finished.
pub(crate) async fn begin(
    bucket: &Arc<Bucket>,
    from: &Entry,
    to: &RelPath,
    when: &When,
) -> Result<Native<Box<dyn Upload>>> {
    let dialect = bucket.spoken();
    if from.is_dir() || !dialect.copy.parts || from.size <= dialect.copy.largest {
        return Ok(Native::Declined);
    }
    let Some(ranges) = ranges(from.size, &dialect) else { return Ok(Native::Declined) };
    // A multipart upload takes over nothing of the source by itself.
    let head = match bucket.head(&from.path).await {
        Ok(head) => head,
        Err(failure) => {
            // An answer without a body says too little.
            stat::stat(bucket, &from.path, Expect::File).await?;
            return Err(bucket.failed(OP, &from.path, failure));
        }
    };
    let Some(etag) = head.e_tag().and_then(Etag::new) else {
        // Parts of two versions could be mixed.
        return Ok(Native::Declined);
    };
    let size = head.content_length().and_then(|size| u64::try_from(size).ok());
    if from.etag.as_ref().is_some_and(|asked| *asked != etag) || size != Some(from.size) {
        return Err(changed(from));
    }
    look_first(bucket, OP, to, when).await?;
    let nonce = nonce();
    let mut multipart = Multipart::new(bucket, to);
    multipart.begin(|create| {
        create
            .set_content_type(head.content_type.clone())
            .set_content_encoding(head.content_encoding.clone())
            .set_content_language(head.content_language.clone())
            .set_content_disposition(head.content_disposition.clone())
            .set_cache_control(head.cache_control.clone())
            .set_metadata(Some(metadata(&head, &nonce)))
    });
    multipart.id().await?;
    let request = WriteRequest {
        size: Some(from.size),
        when: when.clone(),
        content_type: head.content_type().map(Arc::from),
        metadata: metadata_of(&head),
    };
    let (bucket, from, to) = (Arc::clone(bucket), from.clone(), to.clone());
    Ok(Native::Done(Box::new(PartCopy { bucket, from, etag, to, request, nonce, ranges, multipart })))
}

/// What the source has in its metadata, and the mark of this copy instead of the source's own.
fn metadata(head: &HeadObjectOutput, nonce: &str) -> HashMap<String, String> {
    let mut metadata = head.metadata().cloned().unwrap_or_default();
    metadata.insert(NONCE.to_owned(), nonce.to_owned());
    metadata
}

/// Cuts a file into ranges of nearly one size, none of them larger than the one before; `None` where the storage takes no
/// object of this size.
fn ranges(size: u64, dialect: &Dialect) -> Option<Vec<Range<u64>>> {
    let parts = dialect.parts;
    if size == 0 || size > parts.object {
        return None;
    }
    let usual = (dialect.copy.largest / AT_ONCE as u64).clamp(parts.least, RANGE);
    let range = size.div_ceil((size / usual).clamp(1, parts.most));
    if range > parts.largest {
        return None;
    }
    let starts = (0..size.div_ceil(range)).map(|number| number * range);
    Some(starts.map(|start| start..size.min(start + range)).collect())
}

impl PartCopy {
    async fn run(&mut self) -> Result<Entry> {
        let upload_id = self.multipart.id().await?;
        let checks_source = self.bucket.spoken().conditions.copy_source;
        let copies = (1..).zip(&self.ranges).map(|(number, range)| self.part(&upload_id, number, range, checks_source));
        let copies: Vec<_> = copies.collect();
        let mut parts = self.all(copies).await?;
        parts.sort_by_key(CompletedPart::part_number);
        if !checks_source {
            // Nobody looked at the version of each range, so it is made sure that it was the same all the time.
            look_first(&self.bucket, OP, &self.from.path, &When::Matches(self.etag.clone()))
                .await
                .map_err(|error| if error.kind() == ErrorKind::Precondition { changed(&self.from) } else { error })?;
        }
        let commit = Commit {
            bucket: &self.bucket,
            path: &self.to,
            request: &self.request,
            nonce: &self.nonce,
            size: self.from.size,
        };
        commit.run(&Call::Complete { upload_id: &upload_id, parts: &parts }).await
    }

    /// After one has failed no other is begun, and those under way are awaited: the storage goes on with a call that
    /// nobody waits for, and its part would outlive the upload's removal (docs.aws.amazon.com, AbortMultipartUpload).
    async fn all(&self, copies: Vec<impl Future<Output = Result<CompletedPart>> + Send>) -> Result<Vec<CompletedPart>> {
        let failed = AtomicBool::new(false);
        let mut under_way = stream::iter(copies)
            .take_while(|_| std::future::ready(!failed.load(Ordering::Relaxed)))
            .buffer_unordered(AT_ONCE);
        let (mut parts, mut first) = (Vec::new(), Ok(()));
        while let Some(part) = under_way.next().await {
            match part {
                Ok(part) => parts.push(part),
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    first = first.and(Err(error));
                }
            }
        }
        first.map(|()| parts)
    }

    async fn part(
        &self,
        upload_id: &str,
        number: i32,
        range: &Range<u64>,
        checks_source: bool,
    ) -> Result<CompletedPart> {
        let bucket = &self.bucket;
        // The semaphore is never closed.
        let _share = bucket.ranges.acquire().await.ok();
        // S3 takes no range of a small source.
        let whole = range.start == 0 && range.end == self.from.size;
        let reply = bucket
            .client
            .upload_part_copy()
            .bucket(&bucket.name)
            .key(bucket.root.key(&self.to))
            .upload_id(upload_id)
            .part_number(number)
            .copy_source(copy_source(bucket, &self.from.path))
            .set_copy_source_range((!whole).then(|| format!("bytes={}-{}", range.start, range.end - 1)))
            .set_copy_source_if_match(checks_source.then(|| self.etag.as_str().to_owned()))
            .customize()
            .config_override(for_long_work())
            .send()
            .await
            .map_err(|error| self.failed(Failure::sdk(&error)))?;
        completed_part(number, reply.copy_part_result().and_then(|result| result.e_tag()), &self.to)
    }

    fn failed(&self, failure: Failure) -> Error {
        if failure.status == Some(412) {
            return changed(&self.from);
        }
        if failure.is_unknown() {
            self.bucket.lacks(Ability::PartCopy);
            return Error::new(ErrorKind::Unsupported, OP, &self.to).with_detail("the storage copies no parts");
        }
        let path = if failure.is_code("NoSuchKey") { &self.from.path } else { &self.to };
        part_failed(&self.bucket, OP, path, failure)
    }
}

#[async_trait]
impl Upload for PartCopy {
    async fn write(&mut self, _chunk: Bytes) -> Result<()> {
        Err(backend(OP, &self.to, "a copy takes no bytes"))
    }

    async fn finish(mut self: Box<Self>) -> Result<Entry> {
        match self.run().await {
            Ok(entry) => {
                self.multipart.completed();
                Ok(entry)
            }
            Err(error) => {
                if let Err(left) = self.multipart.abort().await {
                    tracing::warn!(path = %self.to, error = %left, "a copy that failed could not be removed");
                }
                Err(error)
            }
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.multipart.abort().await
    }

    fn upload_id(&self) -> Option<&str> {
        self.multipart.known_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    #[test]
    fn ranges_cover_every_file_that_a_row_copies_in_parts() {
        for row in Provider::all().filter(|row| row.dialect.copy.parts) {
            let (dialect, parts) = (&row.dialect, row.dialect.parts);
            let largest = parts.object.min(parts.most * parts.largest);
            for size in [dialect.copy.largest.saturating_add(1), 5_000_000_001, 1 << 40, largest - 1, largest] {
                if size > largest {
                    continue;
                }
                let ranges = ranges(size, dialect).unwrap_or_else(|| panic!("{} {size}", row.word));
                assert!(ranges.len() as u64 <= parts.most, "{} {size}", row.word);
                assert_eq!((ranges[0].start, ranges.last().unwrap().end), (0, size));
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                let length = |range: &Range<u64>| range.end - range.start;
                // The last one too is large enough for those that want it of every range (Garage).
                assert!(ranges.iter().all(|range| (parts.least..=parts.largest).contains(&length(range))));
                assert!(ranges.iter().rev().skip(1).all(|range| length(range) == length(&ranges[0])));
            }
            assert_eq!(ranges(largest + 1, dialect), None, "{}", row.word);
        }
    }

    #[test]
    fn a_file_just_too_large_is_copied_side_by_side() {
        let dialect = Provider::other().dialect;
        assert_eq!(ranges(5_000_000_001, &dialect).unwrap().len(), 37);
    }
}
