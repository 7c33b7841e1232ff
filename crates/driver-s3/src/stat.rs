//! Looking at one path.
//!
//! A HEAD that says 404 has no body, so it cannot tell a missing key from a missing bucket; the LIST beside it can.

use davmux_driver::{Entry, Error, ErrorKind, Expect, RelPath, Result};

use crate::bucket::{Bucket, entry_of};
use crate::error::{Failure, backend};
use crate::list::has_members;

const OP: &str = "stat";

/// Looks at one path, in one round trip where it is there.
pub(crate) async fn stat(bucket: &Bucket, path: &RelPath, expect: Expect) -> Result<Entry> {
    if path.is_root() {
        return Ok(Entry::dir(RelPath::root()));
    }
    match expect {
        Expect::Any => {
            let (head, members) = futures_util::join!(bucket.head(path), has_members(bucket, path));
            match members {
                Ok(true) => Ok(Entry::dir(path.clone())),
                Ok(false) => file(bucket, path, head).await,
                // Whether a folder stands there is not known, so whether the file is hidden is neither.
                Err(failure) => Err(unfounded(bucket.failed(OP, path, failure))),
            }
        }
        Expect::File => match bucket.head(path).await {
            Ok(head) => file(bucket, path, Ok(head)).await,
            // An answer without a body says too little: the LIST tells what is wrong.
            Err(head) if head.status.is_some_and(|status| (300..500).contains(&status)) => {
                match has_members(bucket, path).await {
                    Ok(_) => file(bucket, path, Err(head)).await,
                    Err(failure) => Err(unfounded(bucket.failed(OP, path, failure))),
                }
            }
            Err(head) => Err(bucket.failed(OP, path, head)),
        },
        Expect::Dir => match has_members(bucket, path).await {
            Ok(true) => Ok(Entry::dir(path.clone())),
            Ok(false) => Err(Error::new(ErrorKind::NotFound, OP, path)),
            Err(failure) => Err(unfounded(bucket.failed(OP, path, failure))),
        },
    }
}

async fn file(
    bucket: &Bucket,
    path: &RelPath,
    head: Result<aws_sdk_s3::operation::head_object::HeadObjectOutput, Failure>,
) -> Result<Entry> {
    match head {
        Ok(head) => {
            entry_of(path, &head).ok_or_else(|| backend(OP, path, "the storage does not tell the length of the file"))
        }
        Err(failure) => {
            let error = bucket.failed(OP, path, with_reason(bucket, path, failure).await);
            // What the storage takes for no name cannot be there.
            Err(if error.kind() == ErrorKind::InvalidPath { Error::new(ErrorKind::NotFound, OP, path) } else { error })
        }
    }
}

/// A refused HEAD has no body to say why: a name that is too long for the storage's disk, say. The same GET has one.
async fn with_reason(bucket: &Bucket, path: &RelPath, failure: Failure) -> Failure {
    if failure.status != Some(400) || failure.code.is_some() {
        return failure;
    }
    let call = bucket.client.get_object().bucket(&bucket.name).key(bucket.root.key(path)).range("bytes=0-0");
    match call.send().await {
        Ok(_) => failure,
        Err(error) => Failure::sdk(&error),
    }
}

/// A LIST never says that a key is missing: such an answer is about the bucket, or from no S3 server at all.
pub(crate) fn unfounded(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let detail = error.detail().unwrap_or("not found").to_owned();
    Error::new(ErrorKind::Unavailable, error.op(), error.path())
        .with_detail(format!("the bucket is not there: check bucket and endpoint; {detail}"))
}
