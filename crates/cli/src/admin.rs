//! What an administrator asks of the tree.

use std::sync::Arc;
use std::time::SystemTime;

use davmux_dav::{Dav, LockScope};
use davmux_metrics::Page;
use davmux_server::{Administration, Handle, Health, Held, Refused};
use davmux_tree::{Metrics, Relays, Tree, TreePath};

use crate::app::App;
use crate::reload::Reloads;

/// The tree and its locks, as their administrator sees them.
pub(crate) struct Watched {
    pub(crate) tree: Arc<Tree>,
    pub(crate) dav: Dav,
    pub(crate) server: Handle<App>,
    pub(crate) mounts: Arc<Metrics>,
    pub(crate) relays: Relays,
    pub(crate) reloads: Reloads,
}

impl Administration for Watched {
    async fn health(&self) -> Vec<Health> {
        let mounts = self.tree.health().await;
        let shown = mounts.into_iter().map(|mount| Health {
            path: mount.mount.to_string(),
            ready: mount.ready,
            age: mount.checked.elapsed(),
            last_error: mount.last_error.map(|(error, at)| (error, at.elapsed())),
        });
        shown.collect()
    }

    async fn measure(&self, page: &mut Page) {
        page.gauges("davmux_build_info", "Always 1; which davmux this is.")
            .with("version", env!("CARGO_PKG_VERSION"))
            .value(1_u64);
        self.server.measure(page);
        self.mounts.write(&self.tree, page);
        self.relays.write(page);
        self.reloads.write(page);
        if let Ok(locks) = self.dav.locks(&TreePath::root()).await {
            page.gauges("davmux_locks", "Locks that clients hold.").value(locks.len() as u64);
        }
    }

    fn refresh(&self, path: &str) -> Result<(), Refused> {
        if self.tree.refresh(&parsed(path)?) { Ok(()) } else { Err(Refused::Nowhere) }
    }

    async fn reload(&self) -> Result<String, String> {
        self.reloads.ask().await
    }

    async fn locks(&self, path: &str) -> Result<Vec<Held>, Refused> {
        let locks = self.dav.locks(&parsed(path)?).await.map_err(|_| Refused::Unavailable)?;
        let now = SystemTime::now();
        let shown = locks.into_iter().map(|lock| Held {
            path: lock.path.to_string(),
            user: lock.user.map(|user| user.to_string()),
            shared: lock.scope == LockScope::Shared,
            deep: lock.deep,
            // One that is over is as good as gone.
            ends_in: lock.expires.duration_since(now).unwrap_or_default(),
        });
        Ok(shown.collect())
    }

    async fn end_locks(&self, path: &str) -> Result<usize, Refused> {
        self.dav.end_locks(&parsed(path)?).await.map_err(|_| Refused::Unavailable)
    }
}

fn parsed(path: &str) -> Result<TreePath, Refused> {
    TreePath::parse(path).map_err(|_| Refused::Invalid)
}
