//! Links that lead to a download proxy.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use davmux_driver::Link;

use crate::TreePath;

/// Another host that relays for us. It learns from a signature in the link what to fetch, and asks for the storage's own link
/// itself.
pub trait DownloadProxy: fmt::Debug + Send + Sync {
    /// The link to the file at this place of the tree, good for `life` from `now` on; `None` where no URL can hold it.
    fn link(&self, path: &TreePath, now: SystemTime, life: Duration) -> Option<Link>;
}

/// Two are the same that make the same links.
impl PartialEq for dyn DownloadProxy {
    fn eq(&self, other: &Self) -> bool {
        let links =
            |proxy: &Self| proxy.link(&TreePath::root(), UNIX_EPOCH, Duration::from_secs(1)).map(|link| link.url);
        links(self) == links(other)
    }
}

impl Eq for dyn DownloadProxy {}
