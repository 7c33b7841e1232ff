//! Listings: from memory, from a load that others share, or straight from the storage.
//!
//! A load runs in a task of its own and puts its pages where all its readers find them, so a folder that ten clients ask
//! for at once is listed once, and each reader gets the first page when it is there. It ends when nobody reads it any
//! more. A listing that grows too large to keep goes on with a window: pages that every reader has taken are dropped,
//! and the load waits for the slowest reader.

use std::collections::{HashMap, VecDeque};
use std::ops::Bound;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use davmux_driver::meter::Meter;
use davmux_driver::{ErrorKind, Page, Pages};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;

use crate::cache::{Folder, Kept, LARGEST_LISTING, Members, Stamp};
use crate::metrics::Listed;
use crate::mounts::{MountId, Spot};
use crate::tree::Tree;
use crate::walk::has_real_dirs;
use crate::{Error, Node, Result, TreePath};

/// Members of a folder, page by page. Only a stream that ended without an error is the whole listing.
pub type Listing = Pin<Box<dyn Stream<Item = Result<Vec<Node>>> + Send>>;

/// Members in one page out of memory.
const PAGE: usize = 1000;
/// How many pages a too large listing is ahead of its slowest reader.
const WINDOW: usize = 4;

/// The members of a folder in a mount, as the storage has them. Errors that come before the first page are the outer
/// result.
pub(crate) async fn members(tree: &Arc<Tree>, spot: &Spot) -> Result<Listing> {
    if let Some(folder) = tree.cache.listing(&spot.path) {
        match folder.pending() {
            0 => {
                spot.mount.metrics().listed(Listed::Hit);
                return Ok(from_memory(&folder));
            }
            // The storage did not tell the times of files that were just written. One listing tells all of them.
            _ => tree.cache.forget_listing(&spot.path),
        }
    }
    if spot.ttl().is_zero() {
        spot.mount.metrics().listed(Listed::Off);
        return first_page(straight(tree, spot)).await;
    }
    let stamp = tree.cache.stamp(&spot.path.parent().unwrap_or_else(TreePath::root));
    let listing = first_page(Reader::join(tree, spot).into_stream()).await?;
    // What has a first page is a folder, and of a folder in a store of keys nothing more is known: a look need not ask.
    if !has_real_dirs(spot.driver()) && !spot.rel.is_root() {
        tree.cache.keep_one(&spot.path, Some(Kept::told(Node::folder(spot.path.name()))), spot.ttl(), stamp);
    }
    Ok(listing)
}

/// One moment of the folder, however slowly it is read: a file that is renamed meanwhile is not missed.
fn from_memory(folder: &Folder) -> Listing {
    stream::unfold(Some((folder.now(), None)), |state| async move {
        let (members, last) = state?;
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        let page: Vec<Node> = members
            .range::<Arc<str>, _>((start, Bound::Unbounded))
            .take(PAGE)
            .map(|(_, kept)| kept.node.clone())
            .collect();
        let next = if page.len() < PAGE { None } else { page.last().map(|node| Arc::clone(&node.name)) };
        Some((Ok(page), next.map(|last| (members, Some(last)))))
    })
    .boxed()
}

fn straight(tree: &Arc<Tree>, spot: &Spot) -> Listing {
    let owner = spot.clone();
    let tree = Arc::clone(tree);
    spot.driver()
        .list(&spot.rel)
        .then(move |page| {
            let (tree, owner) = (Arc::clone(&tree), owner.clone());
            async move {
                match page {
                    Ok(page) => {
                        let mut nodes: Vec<Node> = take(&owner, page).collect();
                        tree.match_kept(&owner, &mut nodes).await;
                        Ok(nodes)
                    }
                    Err(error) => Err(owner.error(error)),
                }
            }
        })
        .boxed()
}

/// The members of a page; those without a name are counted in the log.
fn take<'a>(spot: &'a Spot, page: Page) -> impl Iterator<Item = Node> + use<'a> {
    if !page.unnameable.is_empty() {
        tracing::warn!(
            folder = %spot.path,
            hidden = page.unnameable.len(),
            "members whose names WebDAV cannot say are hidden"
        );
    }
    page.entries.into_iter().filter(move |entry| !spot.mount.is_staging(&entry.path)).map(Node::from_entry)
}

/// Waits for the first page, so that a folder that is not there is an error and not a listing.
async fn first_page(mut listing: Listing) -> Result<Listing> {
    match listing.next().await {
        Some(Err(error)) => Err(error),
        Some(Ok(page)) => Ok(stream::iter([Ok(page)]).chain(listing).boxed()),
        None => Ok(stream::empty().boxed()),
    }
}

/// Loads under way, by folder.
#[derive(Debug, Default)]
pub(crate) struct Loads(Mutex<HashMap<TreePath, Weak<Load>>>);

/// One load that any number of readers share.
#[derive(Debug)]
struct Load {
    mount: MountId,
    stamp: Stamp,
    state: Mutex<State>,
    /// Raised with every change of the state.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the first page that is still here.
    first: usize,
    pages: VecDeque<Arc<[Node]>>,
    members: usize,
    ended: Option<Result<()>>,
    /// Which page each reader takes next.
    readers: HashMap<u64, usize>,
    next_reader: u64,
}

impl State {
    fn is_large(&self) -> bool {
        self.members > LARGEST_LISTING
    }

    /// Drops what everybody has taken, once the listing is too large to keep.
    fn trim(&mut self) {
        if self.is_large() {
            let slowest = self.readers.values().copied().min().unwrap_or(usize::MAX);
            while self.first < slowest && self.pages.pop_front().is_some() {
                self.first += 1;
            }
        }
    }
}

impl Load {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn push(&self, page: Vec<Node>) {
        let mut state = self.state();
        state.members += page.len();
        state.pages.push_back(Arc::from(page));
        state.trim();
        drop(state);
        self.wake();
    }

    fn end(&self, result: Result<()>) {
        self.state().ended = Some(result);
        self.wake();
    }

    /// Whether the next page may be fetched: always, until the listing is too large to keep.
    fn has_room(&self) -> bool {
        let state = self.state();
        !state.is_large() || state.pages.len() < WINDOW
    }
}

/// One who reads a load.
struct Reader {
    load: Arc<Load>,
    id: u64,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.load.state();
        state.readers.remove(&self.id);
        state.trim();
        drop(state);
        self.load.wake();
    }
}

impl Reader {
    /// Joins a load that still stands, or begins one.
    fn join(tree: &Arc<Tree>, spot: &Spot) -> Self {
        let mut loads = tree.loads.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(load) = loads.get(&spot.path).and_then(Weak::upgrade)
            && load.mount == spot.mount.id()
            && tree.cache.stands(load.stamp)
            && let Some(reader) = Self::of(&load)
        {
            spot.mount.metrics().listed(Listed::Joined);
            return reader;
        }
        spot.mount.metrics().listed(Listed::Miss);
        let load = Arc::new(Load {
            mount: spot.mount.id(),
            stamp: tree.cache.stamp(&spot.path),
            state: Mutex::new(State::default()),
            changed: watch::Sender::new(0),
        });
        loads.retain(|_, load| load.strong_count() > 0);
        loads.insert(spot.path.clone(), Arc::downgrade(&load));
        drop(loads);
        let reader = Self { id: 0, load: Arc::clone(&load) };
        {
            let mut state = load.state();
            state.readers.insert(0, 0);
            state.next_reader = 1;
        }
        let pages = spot.driver().list(&spot.rel);
        tokio::spawn(Meter::current().scope(run(Arc::clone(tree), spot.clone(), Arc::downgrade(&load), pages)));
        reader
    }

    /// Nobody can join once pages were dropped, and nobody once it has ended: what may be answered from memory, and for
    /// how long, is the cache's to say, not that of a slow reader.
    fn of(load: &Arc<Load>) -> Option<Self> {
        let mut state = load.state();
        if state.first > 0 || state.is_large() || state.ended.is_some() {
            return None;
        }
        let id = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(id, 0);
        drop(state);
        Some(Self { load: Arc::clone(load), id })
    }

    async fn next(&self) -> Option<Result<Vec<Node>>> {
        let mut changed = self.load.changed.subscribe();
        loop {
            changed.mark_unchanged();
            {
                let mut state = self.load.state();
                let at = state.readers.get(&self.id).copied().unwrap_or_default();
                if let Some(page) = at.checked_sub(state.first).and_then(|index| state.pages.get(index)) {
                    let page = page.to_vec();
                    state.readers.insert(self.id, at + 1);
                    state.trim();
                    drop(state);
                    self.load.wake();
                    return Some(Ok(page));
                }
                match &state.ended {
                    Some(Ok(())) => return None,
                    Some(Err(error)) => return Some(Err(error.clone())),
                    None => {}
                }
            }
            // The sender is in the load, which this reader holds.
            let _ = changed.changed().await;
        }
    }

    fn into_stream(self) -> Listing {
        stream::unfold(Some(self), |reader| async move {
            let reader = reader?;
            match reader.next().await? {
                Ok(page) => Some((Ok(page), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

/// Fetches the pages, for as long as somebody reads them.
async fn run(tree: Arc<Tree>, spot: Spot, load: Weak<Load>, mut pages: Pages) {
    let _guard = Unended { load: Weak::clone(&load), spot: spot.clone() };
    let mut whole = Members::new();
    loop {
        let Some(stamp) = room(&load).await else { return };
        let page = pages.next().await;
        let Some(load) = load.upgrade() else { return };
        match page {
            Some(Ok(page)) => {
                spot.mount.answered();
                let mut nodes: Vec<Node> = take(&spot, page).collect();
                let seen = tree.match_kept(&spot, &mut nodes).await;
                if !load.state().is_large() {
                    whole.extend(nodes.iter().map(|node| (Arc::clone(&node.name), Kept::told(node.clone()))));
                }
                load.push(nodes);
                if load.state().is_large() {
                    whole = Members::new();
                }
                tree.kept_seen(&spot.path, stamp, seen).await;
            }
            Some(Err(error)) => {
                if error.kind() == ErrorKind::NotFound {
                    spot.mount.answered();
                }
                load.end(Err(spot.error(error)));
                return;
            }
            None => {
                if !load.state().is_large() {
                    tree.cache.keep_listing(&spot.path, std::mem::take(&mut whole), spot.ttl(), stamp);
                }
                load.end(Ok(()));
                return;
            }
        }
    }
}

/// A load that stopped without a word (a panic in the driver) is an error for its readers, who would wait for ever.
struct Unended {
    load: Weak<Load>,
    spot: Spot,
}

impl Drop for Unended {
    fn drop(&mut self) {
        if let Some(load) = self.load.upgrade()
            && load.state().ended.is_none()
        {
            let error = davmux_driver::Error::new(ErrorKind::Backend, "list", &self.spot.rel);
            load.end(Err(self.spot.error(error.with_detail("the listing stopped half-way"))));
        }
    }
}

/// Waits until the next page may be fetched; `None` when nobody reads any more.
async fn room(load: &Weak<Load>) -> Option<Stamp> {
    loop {
        let mut changed = {
            let load = load.upgrade()?;
            let changed = load.changed.subscribe();
            if load.has_room() {
                return Some(load.stamp);
            }
            changed
        };
        // An error: the last reader went, and the load with it.
        changed.changed().await.ok()?;
    }
}

/// A listing with the names that mounts put into the folder: they hide what the storage has under the same name.
pub(crate) fn overlaid(listing: Listing, mounted: Vec<Arc<str>>) -> Listing {
    if mounted.is_empty() {
        return listing;
    }
    let folders = mounted.iter().map(|name| Node::folder(name)).collect();
    let rest = listing.map(move |page| {
        page.map(|mut nodes| {
            nodes.retain(|node| !mounted.contains(&node.name));
            nodes
        })
    });
    stream::iter([Ok(folders)]).chain(rest).boxed()
}

/// A folder that only mounts are in.
pub(crate) fn of_mounts(mounted: &[Arc<str>]) -> Listing {
    let folders = mounted.iter().map(|name| Node::folder(name)).collect::<Vec<_>>();
    stream::iter([Ok::<_, Error>(folders)]).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mount, MountOptions, TreeOptions};
    use davmux_driver::{Entry, RelPath};
    use davmux_driver_testkit::Memory;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const MEMBERS: usize = LARGEST_LISTING / 4 + 1;

    fn large_page(number: usize) -> Page {
        let member = |at: usize| RelPath::root().child(&format!("{number}-{at}")).unwrap();
        Page { entries: (0..MEMBERS).map(|at| Entry::file(member(at), 1)).collect(), unnameable: Vec::new() }
    }

    /// A load of a folder of so many large pages, one who reads it, and how many pages were fetched.
    fn large(pages: usize) -> (Arc<Tree>, Spot, Reader, Arc<AtomicUsize>) {
        let options = MountOptions { list_cache: Duration::from_secs(60), ..MountOptions::default() };
        let mount = Mount::new(TreePath::root(), Arc::new(Memory::folders()), options);
        let store = Arc::new(davmux_state::Memory::new());
        let tree = Tree::new(vec![mount], TreeOptions { redirect_rules: Vec::new(), store });
        let spot = tree.spot(&TreePath::parse("/f").unwrap()).unwrap().unwrap();
        let load = Arc::new(Load {
            mount: spot.mount.id(),
            stamp: tree.cache.stamp(&spot.path),
            state: Mutex::new(State::default()),
            changed: watch::Sender::new(0),
        });
        let reader = Reader::of(&load).unwrap();
        let fetched = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&fetched);
        let pages = stream::iter(0..pages).map(move |number| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(large_page(number))
        });
        tokio::spawn(run(Arc::clone(&tree), spot.clone(), Arc::downgrade(&load), pages.boxed()));
        (tree, spot, reader, fetched)
    }

    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_listing_too_large_to_keep_waits_for_its_reader_with_a_few_pages() {
        let (tree, spot, reader, fetched) = large(12);
        settle().await;
        // Four pages make it large, and these are not dropped before they are read.
        assert_eq!(fetched.load(Ordering::Relaxed), WINDOW);
        assert!(Reader::of(&reader.load).is_none(), "nobody joins a listing that drops its pages");
        let mut members = 0;
        while let Some(page) = reader.next().await {
            members += page.unwrap().len();
            settle().await;
            assert!(reader.load.state().pages.len() <= WINDOW);
        }
        assert_eq!((members, fetched.load(Ordering::Relaxed)), (12 * MEMBERS, 12));
        assert!(tree.cache.listing(&spot.path).is_none());
    }

    #[tokio::test]
    async fn a_load_that_nobody_reads_ends() {
        let (_tree, _spot, reader, fetched) = large(12);
        settle().await;
        drop(reader);
        settle().await;
        assert_eq!(fetched.load(Ordering::Relaxed), WINDOW);
    }

    #[tokio::test]
    async fn a_load_that_ended_is_not_joined_however_slowly_it_is_read() {
        let (_tree, _spot, reader, _) = large(1);
        assert!(Reader::of(&reader.load).is_some());
        settle().await;
        assert!(Reader::of(&reader.load).is_none());
        assert_eq!(reader.next().await.unwrap().unwrap().len(), MEMBERS);
    }

    #[tokio::test]
    async fn a_load_that_panics_is_an_error_for_its_reader() {
        let (tree, spot, reader, _) = large(0);
        settle().await;
        assert!(reader.next().await.is_none());
        let load = Arc::new(Load {
            mount: spot.mount.id(),
            stamp: tree.cache.stamp(&spot.path),
            state: Mutex::new(State::default()),
            changed: watch::Sender::new(0),
        });
        let reader = Reader::of(&load).unwrap();
        let pages = stream::once(async { panic!("by test") }).boxed();
        assert!(tokio::spawn(run(tree, spot, Arc::downgrade(&load), pages)).await.is_err());
        assert!(reader.next().await.unwrap().is_err());
    }
}
