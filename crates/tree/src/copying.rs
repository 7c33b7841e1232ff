//! The members of a folder on their way to another one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use davmux_driver::{Entry, ErrorKind, Kind, RelPath, When};
use futures_util::{StreamExt, stream};

use crate::kept::Copy;
use crate::mounts::Spot;
use crate::pace::{Pace, throttled};
use crate::remove::Failed;
use crate::rights::Sight;
use crate::transfer::{Copied, Job, Version, refused};
use crate::tree::Tree;
use crate::walk::{has_real_dirs, walk_seen};
use crate::{Error, Problem, Result};

/// How many members are copied at once.
const MEMBERS_AT_ONCE: usize = 32;

/// One folder that is being copied. What could not be copied is noted and the rest goes on.
pub(crate) struct Copying<'a> {
    tree: &'a Arc<Tree>,
    job: &'a Job,
    /// Where the members are written: the target, or the place from which it is put in place.
    into: Spot,
    /// The target.
    to: Spot,
    /// Folders that exist in the target now, below it.
    folders: HashSet<RelPath>,
    /// What was made, by its path in the target's mount; kept where something old may have to go.
    made: Option<HashMap<RelPath, Kind>>,
    /// Folders of the source that hold names that cannot be said.
    unnameable: HashSet<RelPath>,
    /// A folder that the storage cannot keep empty.
    unkept: Option<Error>,
    pace: Pace,
    copied: Copied,
}

impl<'a> Copying<'a> {
    pub(crate) fn new(tree: &'a Arc<Tree>, job: &'a Job, into: Spot, to: Spot, replaces: bool) -> Self {
        Self {
            tree,
            job,
            into,
            to,
            folders: HashSet::new(),
            made: replaces.then(HashMap::new),
            unnameable: HashSet::new(),
            unkept: None,
            pace: Pace::new(MEMBERS_AT_ONCE),
            copied: Copied::default(),
        }
    }

    /// What happened, and what stands now.
    pub(crate) fn done(self) -> (Copied, HashMap<RelPath, Kind>) {
        (self.copied, self.made.unwrap_or_default())
    }

    /// Copies. An error means that the target folder could not be made, or that nothing of the source could be listed.
    pub(crate) async fn run(&mut self) -> Result<()> {
        self.make_folder(RelPath::root()).await?;
        if self.job.deep {
            self.copied.whole = true;
            if let Some(from) = self.tree.spot(&self.job.from)? {
                self.walk(&from, &RelPath::root()).await;
            }
            // Mounts that lie in the source are part of what the user sees there.
            let nested: Vec<_> = self.tree.mounts.below(&self.job.from).cloned().collect();
            for mount in nested {
                if !self.job.sees(mount.path(), Kind::Dir) {
                    continue;
                }
                let Some(below) = mount.path().below(&self.job.from) else { continue };
                let spot = Spot { rel: RelPath::root(), path: mount.path().clone(), mount };
                if self.make_folders_to(&below).await {
                    self.walk(&spot, &below).await;
                }
            }
        }
        match self.unkept.take() {
            Some(error) if self.copied.files == 0 && self.copied.failed.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// The place in the target of a path below it.
    fn place(&self, below: &RelPath) -> Spot {
        self.into.at(self.into.rel.join(below))
    }

    fn fail(&mut self, spot: &Spot, error: Error) {
        self.copied.failed.push(Failed { path: spot.path.clone(), error });
    }

    /// Copies everything below `from` to `below` the target.
    async fn walk(&mut self, from: &Spot, below: &RelPath) {
        let covered: Vec<_> = self.tree.mounts.below(&from.path).map(|mount| mount.path().clone()).collect();
        let mut pages = walk_seen(from, &self.job.seen);
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                // Only the mounts below make a folder of it.
                Err(error) if nothing_there(&error) && self.tree.mounts.holds_mounts(&from.path) => return,
                Err(error) => {
                    self.copied.whole = false;
                    return self.fail(from, error);
                }
            };
            for folder in page.unnameable {
                let spot = from.at(folder);
                if self.job.seen.sight(&spot.path) != Sight::All {
                    continue;
                }
                if self.unnameable.insert(spot.rel.clone()) {
                    let error = Error::new(Problem::Unnameable, &spot.path);
                    self.fail(&spot, error);
                }
            }
            let mut entries = page.entries;
            entries.retain(|entry| {
                let path = from.mount.path().join(&entry.path);
                !covered.iter().any(|mount| path.is_within(mount)) && self.job.sees(&path, entry.kind)
            });
            entries.sort_by_key(|entry| entry.path.segments().count());
            let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(Entry::is_dir);
            self.folders(from, below, folders).await;
            self.files(from, below, files).await;
            if self.tree.tasks.stopping() {
                self.copied.whole = false;
                return self.fail(from, Error::new(Problem::Stopping, &from.path));
            }
        }
    }

    fn target_of(&self, from: &Spot, below: &RelPath, entry: &Entry) -> RelPath {
        // Everything that is listed below a folder is within it.
        below.join(&entry.path.strip_prefix(&from.rel).unwrap_or_else(RelPath::root))
    }

    async fn folders(&mut self, from: &Spot, below: &RelPath, folders: Vec<Entry>) {
        if has_real_dirs(self.into.driver()) {
            for folder in folders {
                let target = self.target_of(from, below, &folder);
                self.make_folders_to(&target).await;
            }
            return;
        }
        // Keys need no folder above them, so their order does not matter.
        let targets: Vec<RelPath> = folders.iter().map(|folder| self.target_of(from, below, folder)).collect();
        let new: Vec<_> = targets.into_iter().filter(|target| self.folders.insert(target.clone())).collect();
        let pace = &self.pace;
        let places = new.into_iter().map(|target| (self.place(&target), target));
        let results: Vec<_> = stream::iter(places.collect::<Vec<_>>())
            .map(|(spot, target)| async move {
                let asked = |made: &davmux_driver::Result<()>| made.as_ref().err().and_then(|e| throttled(e.kind()));
                let made = pace.member(asked, || spot.driver().create_dir(&spot.rel)).await;
                (made, spot, target)
            })
            .buffer_unordered(MEMBERS_AT_ONCE)
            .collect()
            .await;
        for (result, spot, target) in results {
            if let Err(error) = self.made_folder(&spot, &target, result) {
                self.fail(&self.to.at(self.to.rel.join(&target)), error);
            }
        }
    }

    fn note(&mut self, target: &RelPath, kind: Kind) {
        if let Some(made) = &mut self.made {
            made.insert(self.to.rel.join(target), kind);
        }
    }

    async fn make_folder(&mut self, target: RelPath) -> Result<()> {
        if !self.folders.insert(target.clone()) {
            return Ok(());
        }
        let spot = self.place(&target);
        let result = spot.driver().create_dir(&spot.rel).await;
        self.made_folder(&spot, &target, result)
    }

    fn made_folder(&mut self, spot: &Spot, target: &RelPath, result: davmux_driver::Result<()>) -> Result<()> {
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => self.unkept = Some(spot.error(error)),
            Err(error) => return Err(refused(&self.to.at(self.to.rel.join(target)), error)),
        }
        self.note(target, Kind::Dir);
        Ok(())
    }

    /// Makes a folder and those above it, where they are not there; false when one could not be made.
    async fn make_folders_to(&mut self, target: &RelPath) -> bool {
        let mut chain = Vec::new();
        let mut next = Some(target.clone());
        while let Some(folder) = next.filter(|folder| !self.folders.contains(folder)) {
            next = folder.parent();
            chain.push(folder);
        }
        for folder in chain.into_iter().rev() {
            if let Err(error) = self.make_folder(folder.clone()).await {
                self.fail(&self.to.at(self.to.rel.join(&folder)), error);
                return false;
            }
        }
        true
    }

    async fn files(&mut self, from: &Spot, below: &RelPath, files: Vec<Entry>) {
        let real = has_real_dirs(self.into.driver());
        let mut ready = Vec::with_capacity(files.len());
        for file in files {
            let target = self.target_of(from, below, &file);
            let parent = target.parent().filter(|_| real);
            if match parent {
                Some(parent) => self.make_folders_to(&parent).await,
                None => true,
            } {
                ready.push((file, target));
            }
        }
        let (tree, pace) = (self.tree, &self.pace);
        let results: Vec<_> = stream::iter(ready)
            .map(|(file, target)| {
                let (source, place) = (from.at(file.path.clone()), self.place(&target));
                async move {
                    let copied = pace.member(slow_down, || copy_member(tree, &source, &file, &place)).await;
                    (copied, source, file, target)
                }
            })
            .buffer_unordered(MEMBERS_AT_ONCE)
            .collect()
            .await;
        let mut copies = Vec::new();
        for (copied, source, file, target) in results {
            match copied {
                Ok(copy) => {
                    let place = self.to.at(self.to.rel.join(&target));
                    copies.push(Copy::of(&source, &file, &place, copy));
                    self.note(&target, Kind::File);
                    self.copied.files += 1;
                    if self.job.take {
                        self.copied.versions.insert(file.path.clone(), Version::of(&file));
                    }
                }
                Err(error) => self.fail(&source, error),
            }
        }
        self.tree.copied(copies).await;
    }
}

async fn copy_member(tree: &Tree, source: &Spot, file: &Entry, place: &Spot) -> Result<Entry> {
    if tree.tasks.stopping() {
        return Err(Error::new(Problem::Stopping, &source.path));
    }
    tree.copy_version(source, file, place, &When::Always).await
}

/// Whether a storage asked to be asked less.
fn slow_down(copied: &Result<Entry>) -> Option<Duration> {
    match copied.as_ref().err()?.problem() {
        Problem::Storage(kind) => throttled(kind),
        _ => None,
    }
}

fn nothing_there(error: &Error) -> bool {
    error.is_not_found() || error.problem() == Problem::Storage(ErrorKind::NotDir)
}
