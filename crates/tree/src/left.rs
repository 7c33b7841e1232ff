//! What a process that was killed left behind goes at the next start (promise 8).

use std::sync::{Mutex, PoisonError};

use davmux_driver::RelPath;
use davmux_state::{PendingUpload, Uploads};
use tokio::sync::OnceCell;

use crate::tree::Tree;

/// The uploads that an earlier process began and did not end. They are read once and before this process begins any: the
/// state store names both kinds alike, and one that is under way must not be taken for one that was left.
#[derive(Debug)]
pub(crate) struct Left {
    uploads: Uploads,
    found: OnceCell<()>,
    waiting: Mutex<Vec<PendingUpload>>,
}

impl Left {
    pub(crate) fn new(uploads: Uploads) -> Self {
        Self { uploads, found: OnceCell::new(), waiting: Mutex::default() }
    }

    async fn find(&self) {
        let find = async {
            match self.uploads.all().await {
                Ok(left) => self.wait(left),
                Err(error) => tracing::warn!(%error, "the uploads that an earlier run left cannot be read"),
            }
        };
        self.found.get_or_init(|| find).await;
    }

    fn take(&self) -> Vec<PendingUpload> {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wait(&self, left: Vec<PendingUpload>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
    }
}

impl Tree {
    /// Reads what an earlier process left behind, for [`start`](Self::start) to remove. To be done before the first request.
    pub async fn recall(&self) {
        self.left.find().await;
    }

    /// Looks at every mount once and says in the log which are in trouble; removes what a killed process left in them.
    /// A mount in trouble does not keep the others from being served. After a reload the mounts that are new are looked at.
    pub async fn start(&self) {
        self.recall().await;
        let new = self.mounts.iter().filter(|mount| mount.starts());
        futures_util::future::join_all(new.map(|mount| async move {
            match mount.driver().check().await {
                Ok(()) => tracing::info!(mount = %mount.path(), driver = mount.driver().name(), "the mount is ready"),
                Err(error) => drop(mount.error(mount.path(), error)),
            }
        }))
        .await;
        let mut stay = Vec::new();
        for upload in self.left.take() {
            if !self.abort_left(&upload).await {
                stay.push(upload);
            }
        }
        self.left.wait(stay);
    }

    /// Whether it is gone.
    async fn abort_left(&self, upload: &PendingUpload) -> bool {
        let mount = self.mounts.iter().find(|mount| mount.path().to_string() == upload.mount);
        let (Some(mount), Ok(path)) = (mount, RelPath::parse(&upload.path)) else {
            tracing::warn!(
                mount = upload.mount,
                path = upload.path,
                "an upload was left in a mount that is not there now"
            );
            return false;
        };
        match mount.driver().abort_upload(&path, &upload.upload_id).await {
            Ok(()) => {
                tracing::info!(mount = %mount.path(), path = %path, "removed an upload that an earlier run left");
                if let Err(error) = self.uploads.forget(&upload.mount, &upload.path, &upload.upload_id).await {
                    tracing::warn!(%error, "the state store does not forget an upload");
                }
                true
            }
            Err(error) => {
                tracing::warn!(mount = %mount.path(), path = %path, %error, "an upload that an earlier run left stays for now");
                false
            }
        }
    }
}
