//! Copying inside the bucket, without the bytes passing through here.

use davmux_driver::{Entry, Error, ErrorKind, Etag, Native, RelPath, Result, When};

use crate::bucket::{Bucket, time};
use crate::client::for_long_work;
use crate::error::{Failure, backend};
use crate::key::encode_path;

const OP: &str = "copy";
/// What CopyObject takes at most (S3's limit); larger ones are streamed by the tree.
const LARGEST: u64 = 5 * 1_000_000_000;

/// Copies one file. A lost answer needs no look: the SDK sends the same copy again, which writes the same bytes again.
pub(crate) async fn copy(bucket: &Bucket, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    // CopyObject can check that its target is absent, and on few storages more than that.
    if from.is_dir() || from.size > LARGEST || matches!(when, When::Matches(_)) {
        return Ok(Native::Declined);
    }
    let mut first = true;
    loop {
        let absent = *when == When::Absent;
        let reply = bucket
            .client
            .copy_object()
            .bucket(&bucket.name)
            .key(bucket.root.key(to))
            .copy_source(format!("{}/{}", bucket.name, encode_path(&bucket.root.key(&from.path))))
            .set_copy_source_if_match(from.etag.as_ref().map(|etag| etag.as_str().to_owned()))
            .set_if_none_match(absent.then(|| "*".to_owned()))
            .customize()
            .config_override(for_long_work())
            .send()
            .await;
        let failure = match reply {
            Ok(reply) => {
                // A 200 can hold an error, as it is sent before the work is done.
                let result = reply.copy_object_result();
                let etag = result.and_then(|result| result.e_tag()).and_then(Etag::new);
                let Some(etag) = etag else {
                    return Err(backend(OP, to, "the storage did not confirm the copy"));
                };
                return Ok(Native::Done(Entry {
                    path: to.clone(),
                    modified: result.and_then(|result| result.last_modified()).and_then(time),
                    etag: Some(etag),
                    ..from.clone()
                }));
            }
            Err(error) => Failure::sdk(&error),
        };
        if failure.is_conflict() && std::mem::take(&mut first) {
            continue;
        }
        if failure.status == Some(412) {
            return Err(refused(bucket, from, to, absent).await);
        }
        // An old storage without conditions on copies, or a limit lower than S3's.
        if matches!(failure.code.as_deref(), Some("NotImplemented" | "EntityTooLarge")) || failure.status == Some(501) {
            return Ok(Native::Declined);
        }
        return Err(bucket.failed(OP, if failure.status == Some(404) { &from.path } else { to }, failure));
    }
}

/// Which of both conditions did not hold. One 412 stands for either.
async fn refused(bucket: &Bucket, from: &Entry, to: &RelPath, absent: bool) -> Error {
    let changed = || Error::new(ErrorKind::Precondition, OP, &from.path).with_detail("the source has changed");
    if !absent {
        return changed();
    }
    match bucket.head(to).await {
        Ok(_) => Error::new(ErrorKind::AlreadyExists, OP, to),
        Err(failure) if failure.status == Some(404) => changed(),
        Err(failure) => bucket.failed(OP, to, failure),
    }
}
