//! What is known without asking a storage: whole listings, and single entries, also that nothing is there.
//!
//! The rule that keeps it true: each folder has a generation that a change raises before it begins and after it ended. A
//! load notes the generation first and keeps its result only if it still stands, so an answer from before a change is
//! never kept behind it (a cache's own invalidation would not stop a load that is under way). Changes made here are put
//! into the kept listing itself, so the next listing after an upload costs nothing and shows it.
//!
//! Somebody who will not have what is kept (`Cache-Control: no-cache`) raises a folder's generation too, and what was kept
//! before of its members one by one does not count any more.
//!
//! After a reload two trees share what is kept for as long as requests of the former one go on. Each thing that is kept
//! belongs to the mount through which it was learnt, and a mount that took its path knows nothing of it; what forgets
//! something forgets it whoever it belongs to, so a change through either tree is seen by both. A change through a mount that was replaced
//! may be one of a storage that is mounted elsewhere now: when it ends, all is forgotten.
//!
//! Generations live in a fixed number of slots; two folders that share one only lose a chance to keep something.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache as Moka;

use crate::mounts::{MountId, Mounts};
use crate::node::Told;
use crate::{Node, TreePath};

/// Listings with more members than this are streamed and not kept.
pub(crate) const LARGEST_LISTING: usize = 100_000;

/// Memory for kept listings, in bytes.
const LISTING_MEMORY: u64 = 96 * 1024 * 1024;
/// How many single entries are kept.
const LONE_ENTRIES: u64 = 50_000;
const SLOTS: usize = 1024;

/// A node, and whether its time is still to be asked for: S3 does not tell it with the answer to a write.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) node: Node,
    pub(crate) time_pending: bool,
}

impl Kept {
    pub(crate) fn told(node: Node) -> Self {
        Self { node, time_pending: false }
    }

    /// What the answer to a write told.
    pub(crate) fn written(node: Node) -> Self {
        let time_pending = node.modified.is_none() && !node.is_dir();
        Self { node, time_pending }
    }
}

/// The members of a folder, by name.
pub(crate) type Members = BTreeMap<Arc<str>, Kept>;

/// The mount through which something was learnt.
type Owner = Option<MountId>;

/// A whole listing.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Shared with those who are reading it, who go on seeing one moment; a change meanwhile goes into a copy.
    members: Mutex<Arc<Members>>,
    owner: Owner,
    until: Instant,
    weight: u32,
}

impl Folder {
    fn members(&self) -> MutexGuard<'_, Arc<Members>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: &str, found: Option<&Kept>) {
        let mut shared = self.members();
        let members = Arc::make_mut(&mut shared);
        match found {
            Some(kept) => members.insert(Arc::clone(&kept.node.name), kept.clone()),
            None => members.remove(name),
        };
    }

    /// The members as they are at this moment.
    pub(crate) fn now(&self) -> Arc<Members> {
        Arc::clone(&self.members())
    }

    pub(crate) fn get(&self, name: &str) -> Option<Kept> {
        self.members().get(name).cloned()
    }

    /// Whether a member that `counts` is in it.
    pub(crate) fn any(&self, counts: impl Fn(&str) -> bool) -> bool {
        self.members().keys().any(|name| counts(name))
    }

    /// How many members have a time that is still to be asked for.
    pub(crate) fn pending(&self) -> usize {
        self.members().values().filter(|kept| kept.time_pending).count()
    }
}

/// What is known of one path.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Nothing: a storage must be asked.
    No,
    /// Nothing is there.
    Absent,
    /// This is there.
    Present(Kept),
}

/// The generation that a load began in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    slot: usize,
    generation: u64,
    epoch: u64,
}

/// The generation of the folders that share a slot.
#[derive(Debug, Default)]
struct Slot {
    generation: u64,
    /// Nothing that was kept in an earlier generation counts.
    renewed: u64,
}

/// What is kept of one path by itself.
#[derive(Clone, Debug)]
struct Lone {
    found: Option<Kept>,
    owner: Owner,
    until: Instant,
    /// That of its folder when it was kept.
    generation: u64,
}

/// Changes of whole subtrees.
#[derive(Debug, Default)]
struct Deep {
    epoch: u64,
    under_way: Vec<TreePath>,
}

/// What is kept, as a tree with these mounts sees it.
#[derive(Debug)]
pub(crate) struct Cache {
    mounts: Arc<Mounts>,
    memory: Arc<Memory>,
}

/// What is kept, for all trees that share it.
#[derive(Debug)]
struct Memory {
    folders: Moka<TreePath, Arc<Folder>>,
    lone: Moka<TreePath, Lone>,
    slots: Vec<Mutex<Slot>>,
    /// With fixed keys: which folders share a slot is the same in each run.
    hasher: BuildHasherDefault<DefaultHasher>,
    deep: Mutex<Deep>,
}

impl Cache {
    pub(crate) fn new(mounts: Arc<Mounts>) -> Self {
        let memory = Memory {
            folders: Moka::builder()
                .weigher(|_, folder: &Arc<Folder>| folder.weight)
                .max_capacity(LISTING_MEMORY)
                .build(),
            lone: Moka::builder().max_capacity(LONE_ENTRIES).build(),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
            hasher: BuildHasherDefault::default(),
            deep: Mutex::new(Deep::default()),
        };
        Self { mounts, memory: Arc::new(memory) }
    }

    /// The same as a tree with other mounts sees it.
    pub(crate) fn with(&self, mounts: Arc<Mounts>) -> Self {
        Self { mounts, memory: Arc::clone(&self.memory) }
    }

    fn owner(&self, path: &TreePath) -> Owner {
        self.mounts.covering(path).map(|mount| mount.id())
    }

    fn slot(&self, folder: &TreePath) -> usize {
        // The remainder is smaller than SLOTS.
        (self.memory.hasher.hash_one(folder) % SLOTS as u64) as usize
    }

    fn at(&self, slot: usize) -> MutexGuard<'_, Slot> {
        self.memory.slots[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deep(&self) -> MutexGuard<'_, Deep> {
        self.memory.deep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be taken before a storage is asked about `folder` or its members.
    pub(crate) fn stamp(&self, folder: &TreePath) -> Stamp {
        let slot = self.slot(folder);
        Stamp { slot, generation: self.at(slot).generation, epoch: self.deep().epoch }
    }

    /// Whether nothing changed since.
    pub(crate) fn stands(&self, stamp: Stamp) -> bool {
        self.at(stamp.slot).generation == stamp.generation && self.deep().epoch == stamp.epoch
    }

    /// Runs `keep` only if nothing of `path` changed since the stamp, and no change slips in between.
    fn keep(&self, path: &TreePath, stamp: Stamp, keep: impl FnOnce()) {
        let slot = self.at(stamp.slot);
        let deep = self.deep();
        let overlaps = |changing: &TreePath| path.is_within(changing);
        if slot.generation == stamp.generation && deep.epoch == stamp.epoch && !deep.under_way.iter().any(overlaps) {
            keep();
        }
    }

    pub(crate) fn keep_listing(&self, folder: &TreePath, members: Members, ttl: Duration, stamp: Stamp) {
        if ttl.is_zero() || members.len() > LARGEST_LISTING {
            return;
        }
        let bytes: usize = members.values().map(|kept| weight(&kept.node)).sum();
        let kept = Arc::new(Folder {
            members: Mutex::new(Arc::new(members)),
            owner: self.owner(folder),
            until: Instant::now() + ttl,
            weight: u32::try_from(bytes + 200).unwrap_or(u32::MAX),
        });
        self.keep(folder, stamp, || self.memory.folders.insert(folder.clone(), kept));
    }

    /// Keeps that a folder is empty which was made after the stamp was taken.
    pub(crate) fn keep_empty(&self, folder: &TreePath, ttl: Duration, stamp: Stamp) {
        self.keep_listing(folder, Members::new(), ttl, stamp);
    }

    /// Keeps what a storage said of one path; the stamp is of its folder.
    pub(crate) fn keep_one(&self, path: &TreePath, found: Option<Kept>, ttl: Duration, stamp: Stamp) {
        if ttl.is_zero() {
            return;
        }
        self.keep(path, stamp, || self.set(path, found, ttl, stamp.generation));
    }

    fn set(&self, path: &TreePath, found: Option<Kept>, ttl: Duration, generation: u64) {
        if let Some(parent) = path.parent()
            && let Some(folder) = self.memory.folders.get(&parent)
        {
            if self.may_use(&parent, &folder) {
                folder.set(path.name(), found.as_ref());
            } else {
                // Another tree's, which would go on without the change.
                self.memory.folders.invalidate(&parent);
            }
        }
        if !found.as_ref().is_some_and(|kept| kept.node.is_dir()) {
            self.memory.folders.invalidate(path);
        }
        self.memory
            .lone
            .insert(path.clone(), Lone { found, owner: self.owner(path), until: Instant::now() + ttl, generation });
    }

    pub(crate) fn listing(&self, folder: &TreePath) -> Option<Arc<Folder>> {
        self.memory.folders.get(folder).filter(|kept| self.may_use(folder, kept))
    }

    fn may_use(&self, folder: &TreePath, kept: &Folder) -> bool {
        Instant::now() < kept.until && kept.owner == self.owner(folder)
    }

    fn parent_listing(&self, path: &TreePath) -> Option<Arc<Folder>> {
        self.listing(&path.parent()?)
    }

    pub(crate) fn known(&self, path: &TreePath) -> Known {
        if let Some(folder) = self.parent_listing(path) {
            return folder.get(path.name()).map_or(Known::Absent, Known::Present);
        }
        match self.memory.lone.get(path) {
            Some(Lone { found, owner, until, generation })
                if Instant::now() < until && self.counts(path, generation) && owner == self.owner(path) =>
            {
                found.map_or(Known::Absent, Known::Present)
            }
            _ if self.listing(path).is_some() => Known::Present(Kept::told(Node::folder(path.name()))),
            _ => Known::No,
        }
    }

    fn counts(&self, path: &TreePath, generation: u64) -> bool {
        generation >= self.at(self.slot(&path.parent().unwrap_or_else(TreePath::root))).renewed
    }

    /// What is kept of the members of a folder does not count any more, nor does what a load brings that is under way.
    pub(crate) fn renew(&self, folder: &TreePath) {
        let mut slot = self.at(self.slot(folder));
        slot.generation += 1;
        slot.renewed = slot.generation;
        self.memory.folders.invalidate(folder);
    }

    /// Forgets all that is kept of a path and of what is below it.
    pub(crate) fn refresh(&self, path: &TreePath) {
        drop(self.begin_deep(path));
    }

    /// A change of one entry begins. [`Change::is`] or dropping the change ends it.
    pub(crate) fn begin<'a>(&'a self, path: &'a TreePath, ttl: Duration) -> Change<'a> {
        if let Some(parent) = path.parent() {
            self.at(self.slot(&parent)).generation += 1;
        }
        Change { cache: self, path, ttl, ended: false }
    }

    fn end(&self, path: &TreePath, ttl: Duration, now: Option<Option<Kept>>) {
        if self.mounts.covering(path).is_some_and(|mount| mount.is_replaced()) {
            return self.forget_all();
        }
        let parent = path.parent().unwrap_or_else(TreePath::root);
        let mut slot = self.at(self.slot(&parent));
        slot.generation += 1;
        match now {
            Some(found) if !ttl.is_zero() => self.set(path, found, ttl, slot.generation),
            _ => {
                self.memory.folders.invalidate(&parent);
                self.memory.folders.invalidate(path);
                self.memory.lone.invalidate(path);
            }
        }
    }

    /// Forgets a listing, so that the next one comes from the storage.
    pub(crate) fn forget_listing(&self, folder: &TreePath) {
        let _slot = self.at(self.slot(folder));
        self.memory.folders.invalidate(folder);
    }

    /// Forgets what is known of one path and of its folder.
    pub(crate) fn forget(&self, path: &TreePath) {
        self.end(path, Duration::ZERO, None);
    }

    /// A change of a whole subtree begins; until it is dropped nothing of it is kept, and afterwards nothing is known.
    pub(crate) fn begin_deep(&self, path: &TreePath) -> DeepChange<'_> {
        self.begin_move(path, true)
    }

    /// The same, where it is known that no folder stands there before or after unless it is `deep`.
    pub(crate) fn begin_move(&self, path: &TreePath, deep: bool) -> DeepChange<'_> {
        if !deep {
            let parent = path.parent().unwrap_or_else(TreePath::root);
            self.at(self.slot(&parent)).generation += 1;
            return DeepChange { cache: self, path: path.clone(), deep, outcome: None };
        }
        let mut deep = self.deep();
        deep.epoch += 1;
        deep.under_way.push(path.clone());
        drop(deep);
        self.drop_below(path);
        DeepChange { cache: self, path: path.clone(), deep: true, outcome: None }
    }

    fn forget_all(&self) {
        self.deep().epoch += 1;
        self.drop_below(&TreePath::root());
    }

    fn drop_below(&self, path: &TreePath) {
        for (folder, _) in &self.memory.folders {
            if folder.is_within(path) {
                self.memory.folders.invalidate(&*folder);
            }
        }
        for (lone, _) in &self.memory.lone {
            if lone.is_within(path) {
                self.memory.lone.invalidate(&*lone);
            }
        }
    }
}

fn weight(node: &Node) -> usize {
    let text = node.name.len() + node.etag.as_ref().map_or(0, |etag| etag.as_str().len());
    let told = if node.told.is_some() { size_of::<Told>() + 16 } else { 0 };
    size_of::<Kept>() + text + told + 96
}

/// A change of one entry under way. Dropped without a word (an error, a panic) nothing is known afterwards.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    cache: &'a Cache,
    path: &'a TreePath,
    ttl: Duration,
    ended: bool,
}

impl Change<'_> {
    /// The change ended, and this is what stands there now.
    pub(crate) fn is(mut self, now: Option<Kept>) {
        self.ended = true;
        self.cache.end(self.path, self.ttl, Some(now));
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.cache.forget(self.path);
        }
    }
}

/// A change of a whole subtree under way.
#[derive(Debug)]
pub(crate) struct DeepChange<'a> {
    cache: &'a Cache,
    path: TreePath,
    deep: bool,
    outcome: Option<(Duration, Option<Kept>)>,
}

impl DeepChange<'_> {
    /// The change ended, and this stands at its top now.
    pub(crate) fn is(mut self, now: Option<Kept>, ttl: Duration) {
        self.outcome = Some((ttl, now));
    }
}

impl Drop for DeepChange<'_> {
    fn drop(&mut self) {
        if self.deep {
            self.cache.drop_below(&self.path);
        }
        match self.outcome.take() {
            Some((ttl, now)) => self.cache.end(&self.path, ttl, Some(now)),
            None => self.cache.forget(&self.path),
        }
        if !self.deep {
            return;
        }
        let mut deep = self.cache.deep();
        deep.epoch += 1;
        if let Some(at) = deep.under_way.iter().position(|path| *path == self.path) {
            deep.under_way.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
