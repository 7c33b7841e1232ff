//! The call by which a file appears, and what is done when its answer is lost.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use davmux_driver::{Entry, Error, ErrorKind, Etag, Kind, Metadata, RelPath, Result, When, WriteRequest};

use crate::bucket::{Bucket, NONCE, entry_of};
use crate::client::{for_bytes, for_long_work};
use crate::error::Failure;
use crate::learnt::Ability;
use crate::list::has_members;
use crate::metadata;
use crate::stat::unfounded;

const OP: &str = "write";
/// Attempts against another writer that is in the middle of the same key (409).
pub(crate) const CONFLICTS: u32 = 4;

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

/// The metadata of a new object: what tells its upload from others, and what its writer gave.
pub(crate) fn object_metadata(nonce: &str, metadata: &Metadata) -> HashMap<String, String> {
    let given = metadata::write(metadata).map(|(name, value)| (name.to_owned(), value));
    given.chain([(NONCE.to_owned(), nonce.to_owned())]).collect()
}

/// What a storage must know to check a condition itself.
fn needed(when: &When) -> Option<Ability> {
    match when {
        When::Always => None,
        When::Absent => Some(Ability::WriteAbsent),
        When::Matches(_) => Some(Ability::WriteMatches),
    }
}

/// Who sees to the condition of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// The storage, in one step with the change.
    InTheCall,
    /// A look right before. Another process can slip in between.
    Before,
}

/// The headers of a condition: If-None-Match and If-Match.
fn headers(when: &When, check: Check) -> (Option<String>, Option<String>) {
    match when {
        When::Absent if check == Check::InTheCall => (Some("*".to_owned()), None),
        When::Matches(etag) if check == Check::InTheCall => (None, Some(etag.as_str().to_owned())),
        When::Always | When::Absent | When::Matches(_) => (None, None),
    }
}

/// Looks whether a condition holds, for a storage that does not check it itself: one call, none for [`When::Always`].
pub(crate) async fn look_first(bucket: &Bucket, op: &'static str, path: &RelPath, when: &When) -> Result<()> {
    if *when == When::Always {
        return Ok(());
    }
    let fails = |kind| Err(Error::new(kind, op, path));
    match (bucket.head(path).await, when) {
        (Ok(_), When::Absent) => fails(ErrorKind::AlreadyExists),
        (Ok(head), When::Matches(etag)) if head.e_tag().and_then(Etag::new).as_ref() == Some(etag) => Ok(()),
        (Ok(_), _) => fails(ErrorKind::Precondition),
        (Err(look), When::Matches(_)) if look.status == Some(404) => match has_members(bucket, path).await {
            // The bucket at least is there.
            Ok(_) => fails(ErrorKind::Precondition),
            Err(failure) => Err(unfounded(bucket.failed(op, path, failure))),
        },
        // Should the bucket be missing, then the call that follows says so.
        (Err(look), _) if look.status == Some(404) => Ok(()),
        (Err(look), _) => Err(bucket.failed(op, path, look)),
    }
}

/// Waits a little before a call that met another writer is sent again.
pub(crate) async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(50 << tries.min(8)).mul_f64(rand::random())).await;
}

impl Commit<'_> {
    /// Makes the file appear, or tells why it did not.
    pub(crate) async fn run(&self, call: &Call<'_>) -> Result<Entry> {
        let when = &self.request.when;
        let mut tries = 1;
        loop {
            let check = if self.bucket.spoken().conditions.on_writes(when) { Check::InTheCall } else { Check::Before };
            if check == Check::Before {
                look_first(self.bucket, OP, self.path, when).await?;
            }
            let sent = match call {
                Call::Put(body) => self.put(body, check).await,
                Call::Complete { upload_id, parts } => self.complete(upload_id, parts, check).await,
            };
            let failure = match sent {
                Ok(etag) => return Ok(self.entry(etag)),
                Err(failure) => failure,
            };
            if failure.is_conflict() && tries < CONFLICTS {
                pause(tries).await;
                tries += 1;
                continue;
            }
            if let (Check::InTheCall, true, Some(ability)) = (check, failure.is_unknown(), needed(when)) {
                self.bucket.lacks(ability);
                continue;
            }
            return self.decide(failure).await;
        }
    }

    async fn put(&self, body: &Bytes, check: Check) -> Result<Option<Etag>, Failure> {
        let (if_none_match, if_match) = headers(&self.request.when, check);
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
            .set_metadata(Some(object_metadata(self.nonce, &self.request.metadata)))
            .body(ByteStream::from(body.clone()))
            .customize()
            .config_override(for_bytes(body.len()));
        // TLS protects the body already, and hashing it costs more than sending it.
        let call = if self.bucket.endpoint.is_https() { call.disable_payload_signing() } else { call };
        let reply = call.send().await.map_err(|error| Failure::sdk(&error))?;
        Ok(reply.e_tag().and_then(Etag::new))
    }

    async fn complete(&self, upload_id: &str, parts: &[CompletedPart], check: Check) -> Result<Option<Etag>, Failure> {
        let (if_none_match, if_match) = headers(&self.request.when, check);
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
            metadata: Some(Box::new(self.request.metadata)),
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
