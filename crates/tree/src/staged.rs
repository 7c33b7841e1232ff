//! [`Staged`]: an upload under way that is known to the state store, so that nothing is left behind (promise 8).

use bytes::Bytes;
use davmux_driver::{Entry, Upload, WriteRequest};
use davmux_state::Uploads;

use crate::bandwidth::pieces;
use crate::mounts::Spot;
use crate::tree::Tree;

/// A driver's result.
type Result<T> = davmux_driver::Result<T>;

/// An upload under way. It must be ended by [`finish`](Self::finish) or [`abort`](Self::abort).
pub(crate) struct Staged {
    upload: Box<dyn Upload>,
    spot: Spot,
    uploads: Uploads,
    recorded: Option<String>,
}

impl Staged {
    pub(crate) async fn begin(tree: &Tree, spot: &Spot, request: WriteRequest) -> Result<Self> {
        let upload = spot.driver().write(&spot.rel, request).await?;
        Ok(Self { upload, spot: spot.clone(), uploads: tree.uploads.clone(), recorded: None })
    }

    /// An upload that a driver has begun by itself.
    pub(crate) async fn begun(tree: &Tree, spot: &Spot, upload: Box<dyn Upload>) -> Self {
        let mut staged = Self { upload, spot: spot.clone(), uploads: tree.uploads.clone(), recorded: None };
        staged.record().await;
        staged
    }

    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<()> {
        let written = match &self.spot.mount.gates().up {
            None => self.upload.write(chunk).await,
            Some(gate) => {
                let mut written = Ok(());
                for piece in pieces(chunk) {
                    gate.pass(piece.len()).await;
                    written = self.upload.write(piece).await;
                    if written.is_err() {
                        break;
                    }
                }
                written
            }
        };
        // Also after an error: what began before it is still to be removed.
        self.record().await;
        written
    }

    /// Makes the upload known to the state store, once it has an id.
    async fn record(&mut self) {
        if self.recorded.is_none()
            && let Some(id) = self.upload.upload_id()
        {
            let id = id.to_owned();
            // Before the record is made: it is forgotten even when this future is dropped meanwhile.
            self.recorded = Some(id.clone());
            if let Err(error) = self.uploads.record(&self.mount(), self.spot.rel.as_str(), &id).await {
                tracing::warn!(path = %self.spot.path, %error, "an upload's id cannot be kept; a crash now would leave it behind");
            }
        }
    }

    /// Commits, as [`Upload::finish`].
    pub(crate) async fn finish(self) -> Result<Entry> {
        let (mount, spot) = (self.mount(), self.spot);
        // An upload may get its id only now, when what is buffered turns out to be all or the last part; it then ends in
        // the same call.
        let finished = self.upload.finish().await;
        // A driver that fails does not say whether it could remove what it had staged: a storage that takes no commit
        // may take no removal either. What is gone already counts as removed.
        if let (Err(_), Some(id)) = (&finished, &self.recorded)
            && let Err(error) = spot.driver().abort_upload(&spot.rel, id).await
        {
            tracing::warn!(path = %spot.path, %error, "an upload that failed is not removed yet");
            return finished;
        }
        forget(&self.uploads, &mount, &spot, self.recorded).await;
        finished
    }

    /// Gives up, and waits until nothing is left.
    pub(crate) async fn abort(self) {
        let (mount, spot) = (self.mount(), self.spot);
        match self.upload.abort().await {
            Ok(()) => forget(&self.uploads, &mount, &spot, self.recorded).await,
            // Still in the state store, so the next start tries again.
            Err(error) => tracing::warn!(path = %spot.path, %error, "an upload that was given up is not removed yet"),
        }
    }

    fn mount(&self) -> String {
        self.spot.mount.path().to_string()
    }
}

async fn forget(uploads: &Uploads, mount: &str, spot: &Spot, recorded: Option<String>) {
    if let Some(id) = recorded
        && let Err(error) = uploads.forget(mount, spot.rel.as_str(), &id).await
    {
        tracing::warn!(path = %spot.path, %error, "the state store does not forget an upload");
    }
}
