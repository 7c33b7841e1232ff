//! What the state store keeps of files and folders goes where they go: dead properties, and kept times and checksums.

use crate::TreePath;
use crate::remove::Failed;
use crate::transfer::Job;
use crate::tree::Tree;

impl Tree {
    /// Forgets what is kept of what is gone, or of what was there before something new came: of a path and all below.
    pub(crate) async fn forget_facts(&self, path: &TreePath) {
        self.forget_properties(path).await;
        self.forget_kept(path).await;
    }

    /// The same after a removal that left something: of what is gone.
    pub(crate) async fn forget_facts_of_gone(&self, path: &TreePath, stayed: &[Failed]) {
        self.forget_properties_of_gone(path).await;
        self.forget_kept_but(path, stayed).await;
    }

    /// After a COPY or a MOVE. `joined`: it was to finish an earlier move, so what stands at the target is no old content.
    pub(crate) async fn transfer_facts(&self, job: &Job, created: bool, joined: bool, failed: &[Failed]) {
        self.transfer_properties(job, created, joined, failed.is_empty()).await;
        self.transfer_kept(job, failed).await;
    }
}
