//! Listings: ListObjectsV2 or ListObjects, page by page, the next one fetched while the last is read.

pub(crate) mod document;
mod habits;
mod page;
mod v1;
mod v2;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use davmux_driver::meter::Meter;
use davmux_driver::{Entry, Error, ErrorKind, Kind, Page, Pages, RelPath, Result};
use futures_util::stream;
use tokio::task::JoinSet;

use crate::bucket::Bucket;
use crate::error::{Failure, backend};
use crate::key::{Name, name_below};
use crate::order::{HoldBack, Item, Sorted};
use crate::stat::unfounded;
pub(crate) use document::NotAListing;
pub(crate) use habits::Habits;
use page::{Ask, PAGE, Place, Reply};

/// The most keys of a listing that has to be sorted here, as it is in memory until its end: some 200 MB.
const LARGEST_UNSORTED: usize = 1_000_000;

/// How far a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The members of one folder.
    Members,
    /// Everything below it.
    Tree,
}

impl Depth {
    fn op(self) -> &'static str {
        match self {
            Self::Members => "list",
            Self::Tree => "list tree",
        }
    }
}

/// The pages of a listing. The first call is made when the first page is asked for.
pub(crate) fn pages(bucket: &Arc<Bucket>, dir: &RelPath, depth: Depth) -> Pages {
    let listing = Listing {
        ask: Ask { prefix: bucket.root.prefix(dir), depth, most: None },
        whole: habits::is_unsorted(bucket).then(Vec::new),
        bucket: Arc::clone(bucket),
        dir: dir.clone(),
        hold: HoldBack::default(),
        next: Next::Page(Place::Start),
        seen: HashSet::new(),
        found: false,
        given: false,
    };
    Box::pin(stream::unfold(Some(listing), |state: Option<Listing>| async move {
        let mut listing = state?;
        match listing.next_page().await {
            Ok(page) => page.map(|page| (Ok(page), Some(listing))),
            Err(error) if matches!(error.kind(), ErrorKind::Throttled { .. }) => Some((Err(error), Some(listing))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// Whether any key begins with this folder's prefix: one call. It also proves that the bucket answers.
pub(crate) async fn has_members(bucket: &Bucket, dir: &RelPath) -> Result<bool, Failure> {
    let ask = Ask { prefix: bucket.root.prefix(dir), depth: Depth::Tree, most: Some(1) };
    let mut place = Place::Start;
    loop {
        let reply = page::page(bucket, &ask, &place).await?;
        match reply.next {
            _ if !reply.items.is_empty() => return Ok(true),
            None => return Ok(false),
            // A page may be empty before the last.
            Some(next) if next != place => place = next,
            Some(_) => return Err(Failure::nonsense(CIRCLES)),
        }
    }
}

const CIRCLES: &str = "the storage answers the same page of the listing again and again";

/// What comes next.
#[derive(Debug)]
enum Next {
    /// The page at this place, not asked for yet.
    Page(Place),
    /// That page, on its way. Dropped with the listing.
    Coming(Place, JoinSet<Result<Reply>>),
    /// What is left of a listing that was sorted here, last first.
    Left(Vec<Item>),
    Nothing,
}

struct Listing {
    bucket: Arc<Bucket>,
    dir: RelPath,
    ask: Ask,
    hold: HoldBack,
    next: Next,
    /// Hashes of all pages and places seen, so that a storage that goes in circles is noticed.
    seen: HashSet<u64>,
    /// Everything, for a storage that does not sort.
    whole: Option<Vec<Item>>,
    /// Any key was there, so the folder exists.
    found: bool,
    /// Something was passed on.
    given: bool,
}

impl Listing {
    fn op(&self) -> &'static str {
        self.ask.depth.op()
    }

    async fn next_page(&mut self) -> Result<Option<Page>> {
        loop {
            let (place, reply) = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::Page(place) => {
                    let reply = fetch(&self.bucket, &self.dir, &self.ask, &place).await;
                    (place, reply)
                }
                Next::Coming(place, mut coming) => match coming.join_next().await {
                    Some(Ok(reply)) => (place, reply),
                    // It panicked, or the runtime ends.
                    _ => return Err(backend(self.op(), &self.dir, "the listing was stopped")),
                },
                Next::Left(left) => return Ok(self.page_of_sorted(left)),
                Next::Nothing => return Ok(None),
            };
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) => {
                    // Nothing of this page was taken: it is the one to ask for, should anybody ask again.
                    self.next = Next::Page(place);
                    return Err(error);
                }
            };
            self.found |= !reply.items.is_empty();
            self.is_new(&reply)?;
            self.ask_for_next(reply.next);
            let ended = matches!(self.next, Next::Nothing);
            if ended && !self.found && !self.dir.is_root() {
                return Err(Error::new(ErrorKind::NotFound, self.op(), &self.dir));
            }
            let Some(sorted) = self.sort(reply.items, ended)? else { continue };
            let page = self.page(sorted);
            if !page.entries.is_empty() || !page.unnameable.is_empty() {
                self.given = true;
                return Ok(Some(page));
            }
        }
    }

    /// Refuses a page that was here before, and a place that was.
    fn is_new(&mut self, reply: &Reply) -> Result<()> {
        let hash = |hashed: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            hashed(&mut hasher);
            hasher.finish()
        };
        let place = reply.next.as_ref().map(|next| hash(&|hasher| next.hash(hasher)));
        // One folder alone may fill several pages, where a page ends after so many keys looked at.
        let keys =
            (reply.items.len() > 1).then(|| hash(&|hasher| reply.items.iter().for_each(|item| item.key.hash(hasher))));
        let is_new = [place, keys].into_iter().flatten().all(|hash| self.seen.insert(hash));
        if is_new { Ok(()) } else { Err(backend(self.op(), &self.dir, CIRCLES)) }
    }

    fn ask_for_next(&mut self, next: Option<Place>) {
        let Some(place) = next else { return };
        let (bucket, dir, ask) = (Arc::clone(&self.bucket), self.dir.clone(), self.ask.clone());
        let mut coming = JoinSet::new();
        let asked = place.clone();
        coming.spawn(Meter::current().scope(async move { fetch(&bucket, &dir, &ask, &asked).await }));
        self.next = Next::Coming(place, coming);
    }

    /// What can be passed on after these items; `None`: nothing before the listing is whole.
    fn sort(&mut self, mut items: Vec<Item>, ended: bool) -> Result<Option<Sorted>> {
        // Keys and prefixes come apart, each sorted.
        items.sort_by(|a, b| a.key.cmp(&b.key));
        if self.whole.is_none() && !items.first().is_none_or(|first| self.hold.is_next(&first.key)) {
            self.bucket.habits.set_unsorted();
            tracing::warn!(
                bucket = self.bucket.name,
                "the storage lists keys out of their order; its folders are read whole from now on"
            );
            if self.given {
                let detail = "the storage lists keys out of their order; try again";
                return Err(Error::new(ErrorKind::Unavailable, self.op(), &self.dir).with_detail(detail));
            }
            // From the beginning, as nothing was passed on yet.
            self.whole = Some(Vec::new());
            self.hold = HoldBack::default();
            self.seen.clear();
            self.next = Next::Page(Place::Start);
            return Ok(None);
        }
        let mut sorted = Sorted::default();
        match &mut self.whole {
            None => {
                for item in items {
                    self.hold.take(item, &mut sorted);
                }
                if ended {
                    self.hold.end(&mut sorted);
                }
                Ok(Some(sorted))
            }
            Some(whole) => {
                whole.append(&mut items);
                if whole.len() > LARGEST_UNSORTED {
                    let detail = "the storage lists keys out of their order, and there are too many to sort them here";
                    return Err(backend(self.op(), &self.dir, detail));
                }
                if ended {
                    whole.sort_by(|a, b| b.key.cmp(&a.key));
                    self.next = Next::Left(std::mem::take(whole));
                }
                Ok(None)
            }
        }
    }

    /// The next page of a listing that is here as a whole.
    fn page_of_sorted(&mut self, mut left: Vec<Item>) -> Option<Page> {
        let mut sorted = Sorted::default();
        while sorted.shown.len() + sorted.hidden.len() < PAGE {
            match left.pop() {
                Some(item) => self.hold.take(item, &mut sorted),
                None => {
                    self.hold.end(&mut sorted);
                    break;
                }
            }
        }
        if !left.is_empty() {
            self.next = Next::Left(left);
        } else {
            self.hold.end(&mut sorted);
        }
        let page = self.page(sorted);
        (!page.entries.is_empty() || !page.unnameable.is_empty()).then_some(page)
    }

    fn page(&self, sorted: Sorted) -> Page {
        let mut page = Page::default();
        let below = |item: &Item| name_below(&self.dir, item.key.get(self.ask.prefix.len()..).unwrap_or_default());
        for item in sorted.shown {
            match below(&item) {
                Name::Own => {}
                Name::Unnameable(folder) => page.unnameable.push(folder),
                Name::Of(path) if item.doubtful => page.unnameable.push(path.parent().unwrap_or_else(RelPath::root)),
                Name::Of(path) if item.key.ends_with(b"/") => page.entries.push(Entry::dir(path)),
                Name::Of(path) => page.entries.push(Entry {
                    path,
                    kind: Kind::File,
                    size: item.size,
                    modified: item.modified,
                    etag: item.etag,
                    content_type: None,
                    metadata: None,
                }),
            }
        }
        for item in sorted.hidden {
            match below(&item) {
                Name::Own => {}
                Name::Unnameable(folder) => page.unnameable.push(folder),
                Name::Of(path) => page.unnameable.push(path.parent().unwrap_or_else(RelPath::root)),
            }
        }
        page
    }
}

async fn fetch(bucket: &Bucket, dir: &RelPath, ask: &Ask, place: &Place) -> Result<Reply> {
    page::page(bucket, ask, place).await.map_err(|failure| unfounded(bucket.failed(ask.depth.op(), dir, failure)))
}
