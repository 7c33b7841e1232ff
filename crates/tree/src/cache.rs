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
//! Generations live in a fixed number of slots; two folders that share one only lose a chance to keep something.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache as Moka;

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

/// A whole listing.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Shared with those who are reading it, who go on seeing one moment; a change meanwhile goes into a copy.
    members: Mutex<Arc<Members>>,
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

#[derive(Debug)]
pub(crate) struct Cache {
    folders: Moka<TreePath, Arc<Folder>>,
    lone: Moka<TreePath, Lone>,
    slots: Vec<Mutex<Slot>>,
    /// With fixed keys: which folders share a slot is the same in each run.
    hasher: BuildHasherDefault<DefaultHasher>,
    deep: Mutex<Deep>,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            folders: Moka::builder()
                .weigher(|_, folder: &Arc<Folder>| folder.weight)
                .max_capacity(LISTING_MEMORY)
                .build(),
            lone: Moka::builder().max_capacity(LONE_ENTRIES).build(),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
            hasher: BuildHasherDefault::default(),
            deep: Mutex::new(Deep::default()),
        }
    }

    fn slot(&self, folder: &TreePath) -> usize {
        // The remainder is smaller than SLOTS.
        (self.hasher.hash_one(folder) % SLOTS as u64) as usize
    }

    fn at(&self, slot: usize) -> MutexGuard<'_, Slot> {
        self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deep(&self) -> MutexGuard<'_, Deep> {
        self.deep.lock().unwrap_or_else(PoisonError::into_inner)
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
            until: Instant::now() + ttl,
            weight: u32::try_from(bytes + 200).unwrap_or(u32::MAX),
        });
        self.keep(folder, stamp, || self.folders.insert(folder.clone(), kept));
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
        if let Some(folder) = self.parent_listing(path) {
            folder.set(path.name(), found.as_ref());
        }
        if !found.as_ref().is_some_and(|kept| kept.node.is_dir()) {
            self.folders.invalidate(path);
        }
        self.lone.insert(path.clone(), Lone { found, until: Instant::now() + ttl, generation });
    }

    pub(crate) fn listing(&self, folder: &TreePath) -> Option<Arc<Folder>> {
        self.folders.get(folder).filter(|kept| Instant::now() < kept.until)
    }

    fn parent_listing(&self, path: &TreePath) -> Option<Arc<Folder>> {
        self.listing(&path.parent()?)
    }

    pub(crate) fn known(&self, path: &TreePath) -> Known {
        if let Some(folder) = self.parent_listing(path) {
            return folder.get(path.name()).map_or(Known::Absent, Known::Present);
        }
        match self.lone.get(path) {
            Some(Lone { found, until, generation }) if Instant::now() < until && self.counts(path, generation) => {
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
        self.folders.invalidate(folder);
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
        let parent = path.parent().unwrap_or_else(TreePath::root);
        let mut slot = self.at(self.slot(&parent));
        slot.generation += 1;
        match now {
            Some(found) if !ttl.is_zero() => self.set(path, found, ttl, slot.generation),
            _ => {
                self.folders.invalidate(&parent);
                self.folders.invalidate(path);
                self.lone.invalidate(path);
            }
        }
    }

    /// Forgets a listing, so that the next one comes from the storage.
    pub(crate) fn forget_listing(&self, folder: &TreePath) {
        let _slot = self.at(self.slot(folder));
        self.folders.invalidate(folder);
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

    fn drop_below(&self, path: &TreePath) {
        for (folder, _) in &self.folders {
            if folder.is_within(path) {
                self.folders.invalidate(&*folder);
            }
        }
        for (lone, _) in &self.lone {
            if lone.is_within(path) {
                self.lone.invalidate(&*lone);
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
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn one(name: &str) -> BTreeMap<Arc<str>, Kept> {
        BTreeMap::from([(Arc::from(name), Kept::told(Node::folder(name)))])
    }

    #[test]
    fn a_listing_from_before_a_change_is_not_kept_behind_it() {
        let cache = Cache::new();
        let stamp = cache.stamp(&path("/f"));
        let new = path("/f/new");
        cache.begin(&new, TTL).is(Some(Kept::told(Node::folder("new"))));
        cache.keep_listing(&path("/f"), one("old"), TTL, stamp);
        assert!(cache.listing(&path("/f")).is_none());
        assert!(matches!(cache.known(&new), Known::Present(_)));
    }

    #[test]
    fn a_listing_from_the_middle_of_a_change_shows_its_end() {
        let cache = Cache::new();
        let gone = path("/f/gone");
        let change = cache.begin(&gone, TTL);
        let stamp = cache.stamp(&path("/f"));
        cache.keep_listing(&path("/f"), one("gone"), TTL, stamp);
        change.is(None);
        assert!(matches!(cache.known(&gone), Known::Absent));
    }

    #[test]
    fn a_change_that_failed_leaves_nothing_known() {
        let cache = Cache::new();
        let stamp = cache.stamp(&path("/f"));
        cache.keep_listing(&path("/f"), one("a"), TTL, stamp);
        drop(cache.begin(&path("/f/a"), TTL));
        assert!(matches!(cache.known(&path("/f/a")), Known::No));
    }

    #[test]
    fn nothing_of_a_subtree_is_kept_while_it_changes() {
        let cache = Cache::new();
        let change = cache.begin_deep(&path("/f"));
        let stamp = cache.stamp(&path("/f/sub"));
        cache.keep_listing(&path("/f/sub"), one("a"), TTL, stamp);
        assert!(cache.listing(&path("/f/sub")).is_none());
        drop(change);
        cache.keep_listing(&path("/f/sub"), one("a"), TTL, stamp);
        assert!(cache.listing(&path("/f/sub")).is_none(), "the stamp is from before the end");
        let stamp = cache.stamp(&path("/f/sub"));
        cache.keep_listing(&path("/f/sub"), one("a"), TTL, stamp);
        assert!(cache.listing(&path("/f/sub")).is_some());
    }

    #[test]
    fn of_a_folder_that_is_renewed_nothing_from_before_counts() {
        let cache = Cache::new();
        let (folder, member) = (path("/f"), path("/f/a"));
        let stamp = cache.stamp(&folder);
        cache.keep_one(&member, None, TTL, stamp);
        assert!(matches!(cache.known(&member), Known::Absent));
        cache.renew(&folder);
        assert!(matches!(cache.known(&member), Known::No));
        cache.keep_listing(&folder, one("b"), TTL, stamp);
        cache.keep_one(&member, None, TTL, stamp);
        assert!(cache.listing(&folder).is_none() && matches!(cache.known(&member), Known::No), "a look from before");
        cache.keep_one(&member, Some(Kept::told(Node::folder("a"))), TTL, cache.stamp(&folder));
        assert!(matches!(cache.known(&member), Known::Present(_)));
    }

    #[test]
    fn a_refresh_forgets_what_is_below_and_not_what_is_beside() {
        let cache = Cache::new();
        for folder in ["/f", "/f/sub", "/g"] {
            cache.keep_listing(&path(folder), one("a"), TTL, cache.stamp(&path(folder)));
        }
        let late = cache.stamp(&path("/f/sub"));
        cache.keep_one(&path("/f/sub/deep/x"), None, TTL, cache.stamp(&path("/f/sub/deep")));
        cache.refresh(&path("/f"));
        assert!(cache.listing(&path("/f")).is_none() && cache.listing(&path("/f/sub")).is_none());
        assert!(matches!(cache.known(&path("/f/sub/deep/x")), Known::No));
        assert!(cache.listing(&path("/g")).is_some());
        cache.keep_listing(&path("/f/sub"), one("a"), TTL, late);
        assert!(cache.listing(&path("/f/sub")).is_none(), "a load from before is not kept");
        cache.refresh(&TreePath::root());
        assert!(cache.listing(&path("/g")).is_none());
    }
}
