//! Looks at what another program may have changed, for those who will not have what is kept: a client that says so, and
//! an administrator.
//!
//! A client may say so with every request, so one path is looked at for its sake at most once in two seconds; what was
//! found then is as good. A look that fails is an error for all who waited for it: what was kept is not the answer to one
//! who did not want it.

use std::time::Duration;

use davmux_driver::Expect;
use unicode_normalization::UnicodeNormalization;

use crate::cache::Known;
use crate::recent::Recent;
use crate::tree::Tree;
use crate::{Result, TreePath};

/// How long a look is as good as another one.
const FRESH: Duration = Duration::from_secs(2);

/// The looks that clients asked for lately.
#[derive(Debug)]
pub(crate) struct Renewals {
    entries: Recent<Result<()>>,
    listings: Recent<()>,
}

impl Default for Renewals {
    fn default() -> Self {
        Self { entries: Recent::new(FRESH), listings: Recent::new(FRESH) }
    }
}

impl Tree {
    /// Looks at one path, whatever is kept of it. That nothing is there is no error: it is known then.
    pub(crate) async fn renew(&self, path: &TreePath) -> Result<()> {
        let Some(spot) = self.kept_spot(path) else { return Ok(()) };
        if self.mounts.is_fixed(path) {
            return Ok(());
        }
        let look = async {
            match self.ask(&spot, Expect::Any).await {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            }
        };
        self.renewals.entries.get(path, look).await
    }

    /// Has the next listing of a folder come from the storage, and what is known of its members by name with it. All who
    /// ask for it at once share one.
    pub(crate) async fn renew_listing(&self, path: &TreePath) {
        if self.kept_spot(path).is_none() {
            return;
        }
        let forget = async {
            if !self.mounts.is_fixed(path) {
                match self.cache.known(path) {
                    Known::Present(kept) if kept.node.is_dir() => {}
                    Known::No => {}
                    // It may be a folder by now.
                    Known::Present(_) | Known::Absent => self.cache.forget(path),
                }
            }
            self.cache.renew(path);
        };
        self.renewals.listings.get(path, forget).await;
    }

    /// The place, where anything is kept of it.
    fn kept_spot(&self, path: &TreePath) -> Option<crate::mounts::Spot> {
        self.spot(path).ok().flatten().filter(|spot| !spot.ttl().is_zero())
    }

    /// Forgets what is known of a path and of all below it, in whichever Unicode form it was asked for. False where nothing
    /// can be there.
    pub fn refresh(&self, path: &TreePath) -> bool {
        if self.mounts.place(path).is_nowhere() {
            return false;
        }
        self.cache.refresh(path);
        if !path.is_ascii() {
            let text = path.to_string();
            let forms = [text.nfc().collect::<String>(), text.nfd().collect()];
            for form in forms.iter().filter_map(|form| TreePath::parse(form).ok()).filter(|form| form != path) {
                self.cache.refresh(&form);
            }
        }
        true
    }
}
