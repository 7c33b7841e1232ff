//! One upload in parts, as the storage keeps it: begun in the background, known by its id, removed when it is given up.

use std::sync::{Arc, OnceLock};

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::types::CompletedPart;
use davmux_driver::meter::Meter;
use davmux_driver::{RelPath, Result};
use tokio::task::{JoinHandle, JoinSet};

use crate::bucket::Bucket;
use crate::client::Attempts;
use crate::error::{Failure, backend};
use crate::upload_document::AnyUploadDocument;

const OP: &str = "write";

/// An upload in parts. Dropped before its end, it is removed in the background.
#[derive(Debug)]
pub(crate) struct Multipart {
    bucket: Arc<Bucket>,
    path: RelPath,
    /// CreateMultipartUpload, on its way: a task of its own, so that its answer is not lost with a dropped future.
    beginning: Option<JoinHandle<Result<()>>>,
    id: Arc<OnceLock<String>>,
    ended: bool,
}

impl Multipart {
    pub(crate) fn new(bucket: &Arc<Bucket>, path: &RelPath) -> Self {
        Self { bucket: Arc::clone(bucket), path: path.clone(), beginning: None, id: Arc::default(), ended: false }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.beginning.is_some() || self.id.get().is_some()
    }

    /// The id, as soon as it is known.
    pub(crate) fn known_id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    /// Sends CreateMultipartUpload, once. `describe` says what the object will be.
    pub(crate) fn begin(
        &mut self,
        describe: impl FnOnce(CreateMultipartUploadFluentBuilder) -> CreateMultipartUploadFluentBuilder,
    ) {
        if self.has_begun() {
            return;
        }
        let (bucket, path, id) = (Arc::clone(&self.bucket), self.path.clone(), Arc::clone(&self.id));
        let call = bucket.client.create_multipart_upload().bucket(&bucket.name).key(bucket.root.key(&path));
        let call = describe(call);
        self.beginning = Some(tokio::spawn(Meter::current().scope(async move {
            let attempts = Attempts::default();
            let call = call.customize().interceptor(AnyUploadDocument).interceptor(attempts.clone());
            let reply = call.send().await.map_err(|error| bucket.error(OP, &path, &error))?;
            if attempts.were_several() {
                // A listing of uploads tells nothing by which an own one could be told from another program's.
                tracing::warn!(%path, "CreateMultipartUpload was sent again; the storage may hold an empty upload besides");
            }
            let told = reply.upload_id().filter(|id| !id.is_empty());
            let told = told.ok_or_else(|| backend(OP, &path, "the storage gave no id for the upload"))?;
            id.get_or_init(|| told.to_owned());
            Ok(())
        })));
    }

    /// The id, once the storage told it.
    pub(crate) async fn id(&mut self) -> Result<String> {
        if let Some(beginning) = &mut self.beginning {
            let result = beginning.await;
            self.beginning = None;
            result.map_err(|_| backend(OP, &self.path, "the upload was stopped"))??;
        }
        self.id.get().cloned().ok_or_else(|| backend(OP, &self.path, "the upload has no id"))
    }

    /// The upload has become an object; nothing is left to remove.
    pub(crate) fn completed(&mut self) {
        self.ended = true;
    }

    /// Gives up, and waits until the storage has removed it. Nothing of it may be in flight any more.
    pub(crate) async fn abort(&mut self) -> Result<()> {
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

    /// The last resort, when nobody awaits the end: stops what is in flight and removes the upload, in the background.
    pub(crate) fn abandon<T: Send + 'static>(&mut self, mut in_flight: JoinSet<T>) {
        if self.ended || !self.has_begun() {
            return;
        }
        self.ended = true;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (bucket, path, id) = (Arc::clone(&self.bucket), self.path.clone(), Arc::clone(&self.id));
        let beginning = self.beginning.take();
        runtime.spawn(async move {
            in_flight.shutdown().await;
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

impl Drop for Multipart {
    fn drop(&mut self) {
        self.abandon(JoinSet::<()>::new());
    }
}

/// A part that the storage has, of this number and tag.
pub(crate) fn completed_part(number: i32, etag: Option<&str>, path: &RelPath) -> Result<CompletedPart> {
    let etag = etag.ok_or_else(|| backend(OP, path, "the storage gave no tag for a part"))?;
    Ok(CompletedPart::builder().part_number(number).e_tag(etag).build())
}

/// The error of a part that could not be stored.
pub(crate) fn part_failed(bucket: &Bucket, op: &'static str, path: &RelPath, failure: Failure) -> davmux_driver::Error {
    if failure.is_code("NoSuchUpload") {
        return backend(op, path, "the storage no longer knows this upload; somebody removed it");
    }
    bucket.failed(op, path, failure)
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
