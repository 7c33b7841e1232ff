//! Another tree in the place of this one, while requests go on.
//!
//! A tree does not change. A reload makes a second one, new requests get that, and what has begun on the first one ends
//! on it. What is one in a process they share: path locks (an operation of either waits for those of the other), tasks (a drain
//! waits for both), the state, and what is kept in memory, each by the mount through which it was learnt.

use std::sync::Arc;

use crate::freshness::Renewals;
use crate::health::TOLD_AGAIN;
use crate::mounts::Mounts;
use crate::recent::Recent;
use crate::tree::Tree;
use crate::{Mount, RedirectRule};

impl Tree {
    /// A tree with these mounts and rules beside this one. A mount of this one that is to stay as it is is handed in itself
    /// and keeps its driver, what is known through it, and its health.
    #[must_use]
    pub fn with(&self, mounts: Vec<Arc<Mount>>, redirect_rules: Vec<RedirectRule>) -> Arc<Self> {
        let mounts = Arc::new(Mounts::new(mounts));
        Arc::new(Self {
            cache: self.cache.with(Arc::clone(&mounts)),
            mounts,
            loads: Arc::clone(&self.loads),
            // What a mount answered a moment ago says nothing of another one at its path.
            renewals: Renewals::default(),
            checks: Recent::new(TOLD_AGAIN),
            links: Arc::clone(&self.links),
            rules: redirect_rules,
            locks: self.locks.clone(),
            leaving: self.leaving.clone(),
            unfinished: self.unfinished.clone(),
            tasks: self.tasks.clone(),
            uploads: self.uploads.clone(),
            properties: self.properties.clone(),
            kept: self.kept.clone(),
            left: Arc::clone(&self.left),
        })
    }

    /// To be said right before requests go to `next` and not to this tree any more. What is still changed through a mount
    /// that `next` does not have may be seen through one that it has: from now on nothing that is kept outlives such a
    /// change.
    pub fn give_way_to(&self, next: &Self) {
        for mount in self.mounts.iter() {
            if !next.mounts.iter().any(|there| there.id() == mount.id()) {
                mount.set_replaced();
            }
        }
    }
}
