//! Deleting: one file, or a folder with all that is in it, with an answer that names each member that stayed.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use davmux_driver::{Driver, Entry, ErrorKind, Etag, Kind, RelPath, Removal, When};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::audit::Change;
use crate::gate::{Allowed, Whole};
use crate::leaving::Leave;
use crate::locks::Claim;
use crate::mounts::Spot;
use crate::pace::{Pace, throttled};
use crate::tree::Tree;
use crate::walk::{Staying, has_real_dirs, walk};
use crate::{Error, Problem, Result, TreePath};

/// A member that an operation left as it was, and why.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Where in the tree.
    pub path: TreePath,
    /// Why.
    pub error: Error,
}

impl Tree {
    /// Deletes what stands at a path as it is stored, with everything below. What could not be deleted is named.
    pub(crate) async fn delete(self: &Arc<Self>, place: &Allowed<'_, Whole>, when: When) -> Result<Vec<Failed>> {
        let spot = self.writable_spot(place.at())?;
        let tree = Arc::clone(self);
        let work = async move {
            let removed = tree.delete_now(&spot, &when).await;
            Change::new("delete", &spot.path).ended(&removed, |failed| (failed.len(), None));
            removed
        };
        self.tasks.run(work).await
    }

    async fn delete_now(&self, spot: &Spot, when: &When) -> Result<Vec<Failed>> {
        let _claimed = self.locks.claim(vec![Claim::all(&spot.path)]).await;
        let node = match when {
            // The storage may not check the version by itself, so it is asked what stands there now.
            When::Matches(_) => self.look_anew(&spot.path).await?,
            When::Always | When::Absent => self.look(&spot.path).await?,
        };
        let etag = match when {
            When::Matches(etag) if node.etag.as_ref() != Some(etag) => {
                return Err(Error::new(Problem::Storage(ErrorKind::Precondition), &spot.path));
            }
            When::Matches(etag) => Some(etag.clone()),
            When::Always | When::Absent => None,
        };
        let leave = self.keep_parent(spot).await?;
        let failed = if node.is_dir() {
            let change = self.cache.begin_deep(&spot.path);
            let failed = self.remove_tree(spot, |_| Choice::Remove(None)).await;
            if failed.is_empty() {
                change.is(None, spot.ttl());
                self.unfinished.target_gone(&spot.path).await;
            }
            failed
        } else {
            self.remove_file(spot, etag).await?;
            Vec::new()
        };
        self.left(leave);
        if failed.is_empty() {
            self.forget_facts(&spot.path).await;
        } else {
            self.forget_facts_of_gone(&spot.path, &failed).await;
        }
        Ok(failed)
    }

    /// Before a member goes: where folders are not real, and this is the last member, its folder is made to stay. To be
    /// kept until the member is gone.
    pub(crate) async fn keep_parent(&self, spot: &Spot) -> Result<Leaves> {
        let Some(parent) = spot.parent().filter(|_| !has_real_dirs(spot.driver())) else {
            return Ok(Leaves { _leave: None, emptied: None });
        };
        let leave = self.leaving.begin(&parent.path, spot.rel.name());
        let stays = parent.rel.is_root() || self.any_stays(&parent, &leave).await?;
        if stays {
            return Ok(Leaves { _leave: Some(leave), emptied: None });
        }
        let emptied = match spot.driver().keep_dir(&parent.rel).await {
            Ok(()) => None,
            // Folders exist only while something is in them: it goes with its last member.
            Err(error) if error.kind() == ErrorKind::Unsupported => Some(parent),
            Err(error) => return Err(parent.error(error)),
        };
        Ok(Leaves { _leave: Some(leave), emptied })
    }

    async fn any_stays(&self, parent: &Spot, leave: &Leave) -> Result<bool> {
        if let Some(listing) = self.cache.listing(&parent.path) {
            return Ok(listing.any(|name| leave.stays(name)));
        }
        let mut pages = parent.driver().list(&parent.rel);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| parent.error(error))?;
            // A member without a name is a member too.
            if !page.unnameable.is_empty() || page.entries.iter().any(|entry| leave.stays(entry.path.name())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// After the member is gone.
    pub(crate) fn left(&self, leaves: Leaves) {
        // Without a marker the folder went too, and each above it that held nothing else.
        let mut next = leaves.emptied;
        while let Some(folder) = next.filter(|folder| !folder.rel.is_root()) {
            self.cache.forget(&folder.path);
            next = folder.parent();
        }
    }

    pub(crate) async fn remove_file(&self, spot: &Spot, etag: Option<Etag>) -> Result<()> {
        let change = self.cache.begin(&spot.path, spot.ttl());
        let removal = Removal { path: spot.rel.clone(), kind: Kind::File, etag };
        let failed = spot.driver().delete(&[removal]).await.map_err(|error| spot.error(error))?;
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(spot.error(error));
        }
        spot.mount.answered();
        change.is(None);
        Ok(())
    }

    /// Removes a folder with what `choose` says of the members below. A folder stays while something in it does. The
    /// folders come last, so a crash on the way leaves a smaller tree and never a member without its folder.
    pub(crate) async fn remove_tree(&self, top: &Spot, choose: impl FnMut(&Entry) -> Choice) -> Vec<Failed> {
        self.remove_until(top, choose, || self.tasks.stopping()).await
    }

    /// Removes what an operation made and cannot use, also when the server is stopping.
    pub(crate) async fn clear_away(&self, top: &Spot) -> Vec<Failed> {
        self.remove_until(top, |_| Choice::Remove(None), || false).await
    }

    async fn remove_until(
        &self,
        top: &Spot,
        mut choose: impl FnMut(&Entry) -> Choice,
        stopping: impl Fn() -> bool,
    ) -> Vec<Failed> {
        let mut removals = Removals::new(top);
        let mut folders = vec![top.rel.clone()];
        let mut unnameable = HashSet::new();
        let mut pages = walk(top);
        'pages: while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    removals.stay(&top.rel, error);
                    break;
                }
            };
            for folder in page.unnameable {
                if unnameable.insert(folder.clone()) {
                    let error = Error::new(Problem::Unnameable, &top.at(folder.clone()).path);
                    removals.stay(&folder, error);
                }
            }
            for entry in page.entries {
                if stopping() {
                    removals.stay(&top.rel, Error::new(Problem::Stopping, &top.path));
                    break 'pages;
                }
                match (entry.kind, choose(&entry)) {
                    (Kind::Dir, _) => folders.push(entry.path),
                    (Kind::File, Choice::Remove(etag)) => {
                        removals.add(Removal { path: entry.path, kind: Kind::File, etag }).await;
                    }
                    (Kind::File, Choice::Stay(problem)) => {
                        removals.staying.member(&entry.path);
                        if let Some(problem) = problem {
                            let path = top.at(entry.path).path;
                            removals.failed.push(Failed { error: Error::new(problem, &path), path });
                        }
                    }
                }
            }
        }
        drop(pages);
        removals.settle().await;
        removals.folders(folders).await;
        removals.failed
    }
}

/// A member on its way out, and what that does to its folder.
#[derive(Debug)]
pub(crate) struct Leaves {
    _leave: Option<Leave>,
    /// The folder that it was the last member of.
    emptied: Option<Spot>,
}

/// What becomes of a file when its folder is removed.
#[derive(Debug)]
pub(crate) enum Choice {
    /// It goes; only this version, where one is given and the storage can tell.
    Remove(Option<Etag>),
    /// It stays, for this reason or for one that was told already.
    Stay(Option<Problem>),
}

type Batch =
    Pin<Box<dyn Future<Output = (Vec<RelPath>, davmux_driver::Result<Vec<(RelPath, davmux_driver::Error)>>)> + Send>>;

/// Removals in batches, a bounded number of them at once.
struct Removals<'a> {
    top: &'a Spot,
    size: usize,
    at_once: usize,
    pace: Arc<Pace>,
    batch: Vec<Removal>,
    under_way: FuturesUnordered<Batch>,
    staying: Staying,
    failed: Vec<Failed>,
}

impl<'a> Removals<'a> {
    fn new(top: &'a Spot) -> Self {
        let size = top.driver().capabilities().delete_batch.max(1);
        let at_once = if size == 1 { 16 } else { 4 };
        Self {
            top,
            size,
            at_once,
            pace: Arc::new(Pace::new(at_once)),
            batch: Vec::new(),
            under_way: FuturesUnordered::new(),
            staying: Staying::default(),
            failed: Vec::new(),
        }
    }

    fn stay(&mut self, folder: &RelPath, error: Error) {
        self.staying.folder(folder);
        self.failed.push(Failed { path: self.top.at(folder.clone()).path, error });
    }

    async fn add(&mut self, removal: Removal) {
        self.batch.push(removal);
        if self.batch.len() >= self.size {
            self.send().await;
        }
    }

    async fn send(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.under_way.len() >= self.at_once {
            self.one().await;
        }
        let (driver, batch) = (Arc::clone(self.top.mount.driver()), std::mem::take(&mut self.batch));
        self.under_way.push(Box::pin(delete(driver, batch, Arc::clone(&self.pace))));
    }

    /// Waits for one batch.
    async fn one(&mut self) {
        let Some((paths, result)) = self.under_way.next().await else { return };
        match result {
            Ok(failed) => {
                for (path, error) in failed {
                    self.fail(path, |spot| spot.error(error));
                }
            }
            Err(error) => {
                let error = self.top.error(error);
                for path in paths {
                    self.fail(path, |_| error.clone());
                }
            }
        }
    }

    fn fail(&mut self, path: RelPath, error: impl FnOnce(&Spot) -> Error) {
        self.staying.member(&path);
        let spot = self.top.at(path);
        self.failed.push(Failed { error: error(&spot), path: spot.path });
    }

    async fn settle(&mut self) {
        self.send().await;
        while !self.under_way.is_empty() {
            self.one().await;
        }
    }

    /// The folders in which nothing stays, the deepest first.
    async fn folders(&mut self, mut folders: Vec<RelPath>) {
        folders.retain(|folder| !self.staying.holds(folder));
        folders.sort_by_key(|folder| std::cmp::Reverse(folder.segments().count()));
        let real = has_real_dirs(self.top.driver());
        let mut depth = None;
        for folder in folders {
            let its_depth = folder.segments().count();
            if real && depth != Some(its_depth) {
                self.settle().await;
                depth = Some(its_depth);
            }
            // Something below it may have failed since.
            if !self.staying.holds(&folder) {
                self.add(Removal { path: folder, kind: Kind::Dir, etag: None }).await;
            }
        }
        self.settle().await;
    }
}

async fn delete(
    driver: Arc<dyn Driver>,
    batch: Vec<Removal>,
    pace: Arc<Pace>,
) -> (Vec<RelPath>, davmux_driver::Result<Vec<(RelPath, davmux_driver::Error)>>) {
    // What is gone already counts as deleted, so the whole batch can be asked for again.
    let result = pace.member(slow_down, || driver.delete(&batch)).await;
    (batch.into_iter().map(|removal| removal.path).collect(), result)
}

/// Whether the storage asked to be asked less, of the batch or of a member.
pub(crate) fn slow_down(deleted: &davmux_driver::Result<Vec<(RelPath, davmux_driver::Error)>>) -> Option<Duration> {
    match deleted {
        Ok(failed) => failed.iter().find_map(|(_, error)| throttled(error.kind())),
        Err(error) => throttled(error.kind()),
    }
}
