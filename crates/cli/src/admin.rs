//! What an administrator asks of the tree.

use std::sync::Arc;

use davmux_server::{Administration, Health, Unknown};
use davmux_tree::{Tree, TreePath};

/// The tree, as its administrator sees it.
pub(crate) struct Watched(pub(crate) Arc<Tree>);

impl Administration for Watched {
    async fn health(&self) -> Vec<Health> {
        let mounts = self.0.health().await;
        let shown = mounts.into_iter().map(|mount| Health {
            path: mount.mount.to_string(),
            ready: mount.ready,
            age: mount.checked.elapsed(),
            last_error: mount.last_error.map(|(error, at)| (error, at.elapsed())),
        });
        shown.collect()
    }

    fn refresh(&self, path: &str) -> Result<(), Unknown> {
        let path = TreePath::parse(path).map_err(|_| Unknown::Invalid)?;
        if self.0.refresh(&path) { Ok(()) } else { Err(Unknown::Nowhere) }
    }
}
