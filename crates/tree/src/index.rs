//! Filling the index of kept times for a whole mount, for what another program put there.

use std::sync::Arc;

use davmux_driver::{Entry, ErrorKind, Expect, Metadata, RelPath};
use davmux_state::Kept;
use futures_util::{StreamExt, stream};

use crate::kept::{is_of, record_of};
use crate::mounts::Spot;
use crate::pace::{Pace, throttled};
use crate::properties::key;
use crate::tree::Tree;
use crate::walk::{has_real_dirs, walk};
use crate::{Error, Problem, Result, TreePath};

/// Files that are looked at together.
const AT_ONCE: usize = 16;

/// How far it is, and what it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Files that were listed.
    pub files: u64,
    /// Of them, those of which nothing is known yet: one look each.
    pub unknown: u64,
    /// Of these, those that were looked at.
    pub looked: u64,
    /// Of these, those with a time or a checksum.
    pub found: u64,
    /// Those that could not be looked at. They are tried again the next time.
    pub failed: u64,
}

impl Tree {
    /// Whether the storage of a mount keeps times beside its own, so that an index of it can hold something.
    pub fn may_index(&self, mount: &TreePath) -> bool {
        self.mount_spot(mount).is_some_and(|spot| !has_real_dirs(spot.driver()))
    }

    fn mount_spot(&self, mount: &TreePath) -> Option<Spot> {
        let mount = self.mounts.iter().find(|candidate| candidate.path() == mount)?;
        Some(Spot { rel: RelPath::root(), path: mount.path().clone(), mount: Arc::clone(mount) })
    }

    /// Counts the files of a mount of which nothing is known. Lists all of it and looks at none.
    ///
    /// # Errors
    /// Those of the listing, and [`Problem::State`] where the index cannot be read.
    pub async fn count_unknown(&self, mount: &TreePath, progress: impl Fn(Indexed)) -> Result<Indexed> {
        self.survey(mount, false, progress).await
    }

    /// Looks at each file of a mount of which nothing is known, and keeps what its metadata says, also that it says nothing.
    /// What was kept before an error, or before the future was dropped, stays and is not looked at again.
    ///
    /// # Errors
    /// As [`count_unknown`](Self::count_unknown). A file that cannot be looked at is counted.
    pub async fn index(&self, mount: &TreePath, progress: impl Fn(Indexed)) -> Result<Indexed> {
        self.survey(mount, true, progress).await
    }

    async fn survey(&self, mount: &TreePath, look: bool, progress: impl Fn(Indexed)) -> Result<Indexed> {
        let top = self.mount_spot(mount).ok_or_else(|| Error::new(Problem::NotFound, mount))?;
        let unusable = |error: davmux_state::Error| {
            tracing::error!(%mount, %error, "the index of times cannot be read or written");
            Error::new(Problem::State, mount)
        };
        let mut indexed = Indexed::default();
        let pace = Pace::new(AT_ONCE);
        let mut pages = walk(&top);
        while let Some(page) = pages.next().await {
            let files: Vec<Entry> =
                page?.entries.into_iter().filter(|entry| !entry.is_dir() && entry.etag.is_some()).collect();
            let keys: Vec<String> = files.iter().map(|file| key(&top.at(file.path.clone()).path)).collect();
            let found = self.kept.get_all(keys.iter().map(String::as_str)).await.map_err(unusable)?;
            indexed.files += files.len() as u64;
            let known = |file: &Entry, kept: &Option<Kept>| kept.as_ref().is_some_and(|kept| is_of(kept, file));
            let unknown: Vec<Entry> =
                files.into_iter().zip(found).filter(|(file, kept)| !known(file, kept)).map(|(file, _)| file).collect();
            indexed.unknown += unknown.len() as u64;
            progress(indexed);
            if look {
                let records = looks(&top, unknown, &pace, &mut indexed, &progress).await;
                self.kept.change(records).await.map_err(unusable)?;
            }
        }
        Ok(indexed)
    }
}

/// Looks at these files. Answers what is to be kept of them.
async fn looks(
    top: &Spot,
    files: Vec<Entry>,
    pace: &Pace,
    indexed: &mut Indexed,
    progress: &impl Fn(Indexed),
) -> Vec<(String, Option<Kept>)> {
    let asked = |looked: &davmux_driver::Result<Entry>| throttled(looked.as_ref().err()?.kind());
    let mut looks = stream::iter(files)
        .map(|file| async move { pace.member(asked, || top.driver().stat(&file.path, Expect::File)).await })
        .buffer_unordered(AT_ONCE);
    let mut records = Vec::new();
    while let Some(looked) = looks.next().await {
        indexed.looked += 1;
        match looked {
            Ok(entry) => {
                let metadata = entry.metadata.as_deref().copied().unwrap_or_default();
                indexed.found += u64::from(metadata != Metadata::default());
                let place = key(&top.at(entry.path.clone()).path);
                records.extend(record_of(&entry, metadata).map(|kept| (place, Some(kept))));
            }
            // It went meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                indexed.failed += 1;
                drop(top.at(error.path().clone()).error(error));
            }
        }
        progress(*indexed);
    }
    records
}
