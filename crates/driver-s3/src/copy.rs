//! Copying inside the bucket, without the bytes passing through here: what one CopyObject takes.

use aws_sdk_s3::operation::copy_object::CopyObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use davmux_driver::{Entry, Error, ErrorKind, Etag, Native, RelPath, Result, When};

use crate::bucket::{Bucket, NONCE, time};
use crate::client::{Attempts, for_long_work};
use crate::commit::{CONFLICTS, look_first, pause};
use crate::error::{Failure, backend};
use crate::key::encode_path;
use crate::learnt::Ability;
use crate::provider::CopyAbsent;

pub(crate) const OP: &str = "copy";
/// R2's condition on the target of a copy (developers.cloudflare.com/r2/api/s3/extensions).
const CLOUDFLARE: &str = "cf-copy-destination-if-none-match";

/// One CopyObject.
struct Copy<'a> {
    bucket: &'a Bucket,
    from: &'a Entry,
    to: &'a RelPath,
    /// How the storage is told that the target must be absent, where it is.
    absent: CopyAbsent,
    /// Whether the storage checks the version of the source.
    checks_source: bool,
}

/// Copies one file. The SDK sends it again where the answer is lost: without a condition that writes the same bytes again, and
/// with one it is found out what the first attempt did.
pub(crate) async fn copy(bucket: &Bucket, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    let mut conflicts = 1;
    // One of the calls was sent more than once, so one that was not answered may have made the copy.
    let mut doubt = false;
    loop {
        let dialect = bucket.spoken();
        if from.is_dir() || from.size > dialect.copy.largest {
            return Ok(Native::Declined);
        }
        let absent = if *when == When::Absent { dialect.conditions.copy_absent } else { CopyAbsent::No };
        if absent == CopyAbsent::No {
            look_first(bucket, OP, to, when).await?;
        }
        let copy = Copy { bucket, from, to, absent, checks_source: dialect.conditions.copy_source };
        if !copy.checks_source {
            source_is_still(bucket, from).await?;
        }
        let attempts = Attempts::default();
        let failure = match copy.send(&attempts).await {
            Ok(reply) => return copy.done(&reply).map(Native::Done),
            Err(failure) => failure,
        };
        doubt |= attempts.were_several();
        if failure.is_conflict() && conflicts < CONFLICTS {
            pause(conflicts).await;
            conflicts += 1;
            continue;
        }
        if failure.status == Some(412) {
            return copy.refused(doubt).await.map(Native::Done);
        }
        if failure.is_unknown() {
            if absent != CopyAbsent::No {
                bucket.lacks(Ability::CopyAbsent);
                continue;
            }
            if copy.checks_source && from.etag.is_some() {
                bucket.lacks(Ability::CopySource);
                continue;
            }
            return Ok(Native::Declined);
        }
        if is_too_large(&failure, from.size, dialect.parts.least) {
            bucket.learnt.too_large_to_copy(from.size);
            return Ok(Native::Declined);
        }
        return Err(bucket.failed(OP, if failure.status == Some(404) { &from.path } else { to }, failure));
    }
}

/// Whether one call is too small for the object. S3 says `InvalidRequest` for this, as for a few other things that copying
/// in parts cannot change either.
fn is_too_large(failure: &Failure, size: u64, least_part: u64) -> bool {
    failure.is_code("EntityTooLarge") || (failure.is_code("InvalidRequest") && size > 2 * least_part)
}

/// Looks whether the source is still the version to be copied, for a storage that does not check it itself.
async fn source_is_still(bucket: &Bucket, from: &Entry) -> Result<()> {
    let Some(etag) = &from.etag else { return Ok(()) };
    look_first(bucket, OP, &from.path, &When::Matches(etag.clone())).await.map_err(|error| match error.kind() {
        ErrorKind::Precondition => changed(from),
        _ => error,
    })
}

/// The source is another version than the one to be copied.
pub(crate) fn changed(from: &Entry) -> Error {
    Error::new(ErrorKind::Precondition, OP, &from.path).with_detail("the source has changed")
}

/// A key as `x-amz-copy-source` has it: encoded, the slashes left, and none before the bucket.
pub(crate) fn copy_source(bucket: &Bucket, path: &RelPath) -> String {
    format!("{}/{}", bucket.name, encode_path(&bucket.root.key(path)))
}

impl Copy<'_> {
    async fn send(&self, attempts: &Attempts) -> Result<CopyObjectOutput, Failure> {
        let source_tag = self.from.etag.as_ref().filter(|_| self.checks_source);
        let absent = self.absent;
        self.bucket
            .client
            .copy_object()
            .bucket(&self.bucket.name)
            .key(self.bucket.root.key(self.to))
            .copy_source(copy_source(self.bucket, &self.from.path))
            .set_copy_source_if_match(source_tag.map(|etag| etag.as_str().to_owned()))
            .set_if_none_match((absent == CopyAbsent::IfNoneMatch).then(|| "*".to_owned()))
            .customize()
            .config_override(for_long_work())
            .interceptor(attempts.clone())
            .mutate_request(move |request| {
                if absent == CopyAbsent::Cloudflare {
                    request.headers_mut().insert(CLOUDFLARE, "*");
                }
            })
            .send()
            .await
            .map_err(|error| Failure::sdk(&error))
    }

    fn done(&self, reply: &CopyObjectOutput) -> Result<Entry> {
        let result = reply.copy_object_result();
        let etag = result.and_then(|result| result.e_tag()).and_then(Etag::new);
        let etag = etag.ok_or_else(|| backend(OP, self.to, "the storage did not confirm the copy"))?;
        Ok(Entry {
            path: self.to.clone(),
            modified: result.and_then(|result| result.last_modified()).and_then(time),
            etag: Some(etag),
            ..self.from.clone()
        })
    }

    /// Which of both conditions did not hold: one 412 stands for either. In doubt, the target that stands may be what an
    /// attempt whose answer was lost has made.
    async fn refused(&self, doubt: bool) -> Result<Entry> {
        if self.absent == CopyAbsent::No {
            return Err(changed(self.from));
        }
        match self.bucket.head(self.to).await {
            Ok(there) if doubt && self.is_copy(&there).await => {
                let etag = there.e_tag().and_then(Etag::new);
                let modified = there.last_modified().and_then(time);
                Ok(Entry { path: self.to.clone(), modified, etag, ..self.from.clone() })
            }
            Ok(_) => Err(Error::new(ErrorKind::AlreadyExists, OP, self.to)),
            Err(failure) if failure.status == Some(404) => Err(changed(self.from)),
            Err(failure) => Err(self.bucket.failed(OP, self.to, failure)),
        }
    }

    /// Whether an object is a copy of the source: of the same tag, or with the mark of the same upload.
    async fn is_copy(&self, there: &HeadObjectOutput) -> bool {
        let size = there.content_length().and_then(|size| u64::try_from(size).ok());
        if size != Some(self.from.size) {
            return false;
        }
        if self.from.etag.is_some() && there.e_tag().and_then(Etag::new) == self.from.etag {
            return true;
        }
        let mark = |head: &HeadObjectOutput| head.metadata().and_then(|map| map.get(NONCE)).cloned();
        match (mark(there), self.bucket.head(&self.from.path).await) {
            (Some(copied), Ok(source)) => mark(&source) == Some(copied),
            _ => false,
        }
    }
}
