//! The call by which a file appears, and what is done when its answer is lost.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use davmux_driver::{Entry, Error, ErrorKind, Etag, Kind, RelPath, Result, When, WriteRequest};

use crate::bucket::{Bucket, NONCE, entry_of};
use crate::client::{for_bytes, for_long_work};
use crate::error::Failure;

const OP: &str = "write";
/// Attempts against another writer that is in the middle of the same key (409).
const CONFLICTS: u32 = 4;

/// What is to appear, and how it is known again.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) bucket: &'a Bucket,
    pub(crate) path: &'a RelPath,
    pub(crate) request: &'a WriteRequest,
    /// Stands in the object's metadata and in no other's.
    pub(crate) nonce: &'a str,
    pub(crate) size: u64,
}

/// The call that does it.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    /// The whole file in one request.
    Put(Bytes),
    /// Its parts, sent before, joined.
    Complete {
        /// The upload they belong to.
        upload_id: &'a str,
        /// In order.
        parts: &'a [CompletedPart],
    },
}

/// The headers of a condition: If-None-Match and If-Match.
fn conditions(when: &When) -> (Option<String>, Option<String>) {
    match when {
        When::Always => (None, None),
        When::Absent => (Some("*".to_owned()), None),
        When::Matches(etag) => (None, Some(etag.as_str().to_owned())),
    }
}

impl Commit<'_> {
    /// Makes the file appear, or tells why it did not.
    pub(crate) async fn run(&self, call: &Call<'_>) -> Result<Entry> {
        let mut tries = 1;
        loop {
            let sent = match call {
                Call::Put(body) => self.put(body).await,
                Call::Complete { upload_id, parts } => self.complete(upload_id, parts).await,
            };
            let failure = match sent {
                Ok(etag) => return Ok(self.entry(etag)),
                Err(failure) => failure,
            };
            if failure.is_conflict() && tries < CONFLICTS {
                tokio::time::sleep(Duration::from_millis(50 << tries).mul_f64(rand::random())).await;
                tries += 1;
                continue;
            }
            return self.decide(failure).await;
        }
    }

    async fn put(&self, body: &Bytes) -> Result<Option<Etag>, Failure> {
        let (if_none_match, if_match) = conditions(&self.request.when);
        let call = self
            .bucket
            .client
            .put_object()
            .bucket(&self.bucket.name)
            .key(self.bucket.root.key(self.path))
            .set_if_none_match(if_none_match)
            .set_if_match(if_match)
            .set_content_type(self.request.content_type.as_deref().map(ToOwned::to_owned))
            .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX))
            .metadata(NONCE, self.nonce)
            .body(ByteStream::from(body.clone()))
            .customize()
            .config_override(for_bytes(body.len()));
        // TLS protects the body already, and hashing it costs more than sending it.
        let call = if self.bucket.endpoint.is_https() { call.disable_payload_signing() } else { call };
        let reply = call.send().await.map_err(|error| Failure::sdk(&error))?;
        Ok(reply.e_tag().and_then(Etag::new))
    }

    async fn complete(&self, upload_id: &str, parts: &[CompletedPart]) -> Result<Option<Etag>, Failure> {
        let (if_none_match, if_match) = conditions(&self.request.when);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        let reply = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(self.bucket.root.key(self.path))
            .upload_id(upload_id)
            .multipart_upload(parts)
            .set_if_none_match(if_none_match)
            .set_if_match(if_match)
            .customize()
            .config_override(for_long_work())
            .send()
            .await
            .map_err(|error| Failure::sdk(&error))?;
        match reply.e_tag().and_then(Etag::new) {
            Some(etag) => Ok(Some(etag)),
            // A 200 can hold an error, as it is sent before the work is done.
            None => Err(Failure::doubtful("the storage did not confirm that the parts were joined")),
        }
    }

    fn entry(&self, etag: Option<Etag>) -> Entry {
        Entry {
            path: self.path.clone(),
            kind: Kind::File,
            size: self.size,
            modified: None,
            etag,
            content_type: self.request.content_type.clone(),
        }
    }

    /// A failed call may have taken effect: the first attempt of several, one whose answer was lost. What stands there
    /// tells it by the nonce.
    async fn decide(&self, failure: Failure) -> Result<Entry> {
        let conditional = self.request.when != When::Always;
        let refused = failure.status == Some(412);
        let gone = failure.is_code("NoSuchUpload") || failure.status == Some(404);
        if !failure.may_have_happened() && !refused && !gone {
            return Err(self.error(failure));
        }
        match self.bucket.head(self.path).await {
            Ok(head) if head.metadata().and_then(|map| map.get(NONCE)).is_some_and(|nonce| nonce == self.nonce) => {
                let entry = entry_of(self.path, &head);
                entry.ok_or_else(|| self.error(Failure::nonsense("the storage does not tell what it holds")))
            }
            Ok(_) => Err(self.error(failure)),
            Err(look) if look.status == Some(404) => {
                // To match a version where nothing is.
                if conditional && gone && !failure.is_code("NoSuchUpload") && !failure.is_code("NoSuchBucket") {
                    return Err(Error::new(ErrorKind::Precondition, OP, self.path));
                }
                Err(self.error(failure))
            }
            Err(look) => {
                let look = self.bucket.failed("look after a write", self.path, look);
                Err(self.error(failure).with_source(look))
            }
        }
    }

    fn error(&self, failure: Failure) -> Error {
        if failure.status == Some(412) {
            let kind =
                if self.request.when == When::Absent { ErrorKind::AlreadyExists } else { ErrorKind::Precondition };
            return Error::new(kind, OP, self.path);
        }
        if failure.is_code("NoSuchUpload") {
            let detail = "the storage no longer knows this upload; somebody removed it";
            return Error::new(ErrorKind::Backend, OP, self.path).with_detail(detail);
        }
        self.bucket.failed(OP, self.path, failure)
    }
}
