//! Everything below a folder.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use davmux_driver::{Driver, Enters, Kind, Native, Page, Pages, RelPath};
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt, stream};

use crate::Result;
use crate::mounts::Spot;
use crate::pace::{Pace, throttled};
use crate::rights::{Rights, Sight};

/// Pages of entries below a folder of one mount, without the folder itself, in any order. Only a stream that ended
/// without an error is the whole tree.
pub(crate) type Walk = Pin<Box<dyn Stream<Item = Result<Page>> + Send>>;

/// How many folders are listed at once where the storage has no listing of a whole tree.
const FOLDERS_AT_ONCE: usize = 8;

pub(crate) fn walk(spot: &Spot) -> Walk {
    walk_in(spot, None)
}

/// The same for who sees only this of it, and leaves out the rest: a folder of which nothing is seen may be one that cannot
/// be listed, and to fail there would tell of it.
pub(crate) fn walk_seen(spot: &Spot, seen: &Rights) -> Walk {
    let (mount, seen) = (Arc::clone(&spot.mount), seen.clone());
    walk_in(spot, Some(Arc::new(move |folder| seen.sight(&mount.path().join(folder)) != Sight::Nothing)))
}

fn walk_in(spot: &Spot, enters: Option<Enters>) -> Walk {
    let listed = match &enters {
        Some(enters) => spot.driver().list_tree_in(&spot.rel, Arc::clone(enters)),
        None => spot.driver().list_tree(&spot.rel),
    };
    let pages = match listed {
        Native::Done(pages) => patient(pages),
        Native::Declined => folder_by_folder(spot, enters),
    };
    let owner = spot.clone();
    pages
        .map(move |page| match page {
            Ok(mut page) => {
                page.entries.retain(|entry| !owner.mount.is_staging(&entry.path));
                Ok(page)
            }
            Err(error) => Err(owner.error(error)),
        })
        .boxed()
}

/// Waits where a storage refuses a page as it is asked too often, and asks for that page again.
fn patient(pages: Pages) -> Pages {
    let state = Some((pages, Pace::new(1)));
    stream::unfold(state, |state| async move {
        let (mut pages, pace) = state?;
        let mut refused = None;
        loop {
            match pages.next().await {
                Some(Ok(page)) => {
                    pace.faster();
                    return Some((Ok(page), Some((pages, pace))));
                }
                Some(Err(error)) => match throttled(error.kind()) {
                    Some(wait) if pace.rest(wait).await => refused = Some(error),
                    _ => return Some((Err(error), None)),
                },
                // A stream that does not go on after it was refused has not come to its end.
                None => return refused.map(|error| (Err(error), None)),
            }
        }
    })
    .boxed()
}

/// The next page of a folder, and the pages after it.
type NextPage = (Option<davmux_driver::Result<Page>>, Pages);

struct Folders {
    spot: Spot,
    enters: Option<Enters>,
    waiting: VecDeque<RelPath>,
    listing: FuturesUnordered<Pin<Box<dyn Future<Output = NextPage> + Send>>>,
    failed: bool,
}

fn folder_by_folder(spot: &Spot, enters: Option<Enters>) -> Pages {
    let folders = Folders {
        spot: spot.clone(),
        enters,
        waiting: VecDeque::from([spot.rel.clone()]),
        listing: FuturesUnordered::new(),
        failed: false,
    };
    stream::unfold(folders, |mut folders| async move {
        let page = folders.next().await?;
        folders.failed = page.is_err();
        Some((page, folders))
    })
    .boxed()
}

impl Folders {
    async fn next(&mut self) -> Option<davmux_driver::Result<Page>> {
        if self.failed {
            return None;
        }
        loop {
            while self.listing.len() < FOLDERS_AT_ONCE
                && let Some(folder) = self.waiting.pop_front()
            {
                let pages = patient(self.spot.driver().list(&folder));
                self.listing.push(Box::pin(next_page(pages)));
            }
            let (page, rest) = self.listing.next().await?;
            if let Some(page) = page {
                if let Ok(page) = &page {
                    let folders = page.entries.iter().filter(|entry| entry.kind == Kind::Dir).map(|entry| &entry.path);
                    let entered = |path: &&RelPath| self.enters.as_ref().is_none_or(|enters| enters(path));
                    self.waiting.extend(folders.filter(entered).cloned());
                    self.listing.push(Box::pin(next_page(rest)));
                }
                return Some(page);
            }
        }
    }
}

async fn next_page(mut pages: Pages) -> NextPage {
    (pages.next().await, pages)
}

/// The folders of a tree that must stay because something in them does: each that is given, and all above it up to the
/// top.
#[derive(Debug, Default)]
pub(crate) struct Staying(std::collections::HashSet<RelPath>);

impl Staying {
    /// This folder stays, so everything above it does.
    pub(crate) fn folder(&mut self, folder: &RelPath) {
        let mut next = Some(folder.clone());
        while let Some(folder) = next {
            next = folder.parent();
            if !self.0.insert(folder) {
                return;
            }
        }
    }

    /// This member stays, so the folder that holds it does.
    pub(crate) fn member(&mut self, path: &RelPath) {
        if let Some(folder) = path.parent() {
            self.folder(&folder);
        }
    }

    pub(crate) fn holds(&self, folder: &RelPath) -> bool {
        self.0.contains(folder)
    }
}

/// Whether a storage's folders exist by themselves.
pub(crate) fn has_real_dirs(driver: &dyn Driver) -> bool {
    driver.capabilities().real_dirs
}

#[cfg(test)]
mod tests {
    use davmux_driver::{Entry, Error, ErrorKind};
    use tokio::time::{Duration, Instant};

    use super::*;

    fn page(name: &str) -> davmux_driver::Result<Page> {
        Ok(Page { entries: vec![Entry::dir(RelPath::parse(name).unwrap())], unnameable: Vec::new() })
    }

    fn failed(kind: ErrorKind) -> davmux_driver::Result<Page> {
        Err(Error::new(kind, "list", &RelPath::root()))
    }

    const SLOW_DOWN: ErrorKind = ErrorKind::Throttled { retry_after: None };

    async fn walked(pages: impl Stream<Item = davmux_driver::Result<Page>> + Send + 'static) -> Vec<String> {
        let told = patient(pages.boxed()).map(|page| match page {
            Ok(page) => page.entries[0].path.to_string(),
            Err(error) => format!("{:?}", error.kind()),
        });
        told.collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_was_refused_is_waited_for_and_passed_once() {
        let slow = || failed(SLOW_DOWN);
        let pages = vec![slow(), page("a"), slow(), slow(), slow(), page("b"), page("c"), slow(), page("d")];
        assert_eq!(walked(stream::iter(pages)).await, ["a", "b", "c", "d"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_does_not_go_on_after_it_was_refused_is_not_whole() {
        let pages = vec![page("a"), failed(SLOW_DOWN)];
        assert_eq!(walked(stream::iter(pages)).await, ["a".to_owned(), format!("{SLOW_DOWN:?}")]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_waiting_helps_ends_a_listing() {
        let pages = vec![page("a"), failed(ErrorKind::Unavailable), page("b")];
        assert_eq!(walked(stream::iter(pages)).await, ["a", "Unavailable"]);
        let begun = Instant::now();
        let for_ever = stream::repeat_with(|| failed(SLOW_DOWN));
        assert_eq!(walked(for_ever).await, [format!("{SLOW_DOWN:?}")]);
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
    }
}
