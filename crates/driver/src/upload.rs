//! Writing a file: nothing is visible until [`Upload::finish`].

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Entry, Etag, Metadata, Result};

/// A condition on what stands at the target when the change takes effect. Serves `If-Match`, `If-None-Match: *` and
/// `Overwrite: F` alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Whatever is there.
    #[default]
    Always,
    /// Only if nothing is there; else [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists).
    Absent,
    /// Only if this version is there; else [`ErrorKind::Precondition`](crate::ErrorKind::Precondition).
    Matches(Etag),
}

/// What is to be written.
#[derive(Clone, Debug, Default)]
pub struct WriteRequest {
    /// The length in bytes, where the sender said it. The tree checks that it arrives; a driver may plan with it.
    pub size: Option<u64>,
    /// Checked again when the upload takes effect.
    pub when: When,
    /// The media type to keep, where the storage keeps one.
    pub content_type: Option<Arc<str>>,
    /// The time and the checksums to keep with the file, where the storage can: as its own time, or as
    /// [`Entry::metadata`]. Who announces a checksum verifies it before [`Upload::finish`].
    pub metadata: Metadata,
}

/// A file being written.
///
/// Nothing is visible at the path until [`finish`](Self::finish) says `Ok`; until then the former file stands untouched.
/// The tree owns every upload and ends it by `finish` or by `abort`; `Drop` never commits and starts a clean-up only as
/// the last resort.
#[async_trait]
pub trait Upload: Send {
    /// Takes the next bytes. Resolves when they are accepted: this is the back-pressure. An error ends the upload;
    /// `abort` then cleans up.
    async fn write(&mut self, chunk: Bytes) -> Result<()>;

    /// Commits: the whole file appears at its path, replacing a file that stood there. Answers the new entry with its
    /// new ETag, so that no look is needed afterwards; `modified` is `None` where the storage did not tell it.
    ///
    /// A commit whose answer was lost is decided here by looking, never reported as failed when it stands. On an error
    /// the former file stands and what was staged is gone.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) or [`Precondition`](crate::ErrorKind::Precondition) where the
    /// request's condition no longer holds; [`IsDir`](crate::ErrorKind::IsDir) where a folder stands there and the
    /// storage can tell; [`NoSpace`](crate::ErrorKind::NoSpace).
    async fn finish(self: Box<Self>) -> Result<Entry>;

    /// Gives up and waits until nothing is left behind.
    async fn abort(self: Box<Self>) -> Result<()>;

    /// An id by which [`Driver::abort_upload`](crate::Driver::abort_upload) can clean up in a later process, once there
    /// is something to clean up that would outlive this one (an S3 UploadId). Asked after each `write`.
    fn upload_id(&self) -> Option<&str> {
        None
    }
}
