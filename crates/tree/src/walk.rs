//! Everything below a folder.

use std::collections::VecDeque;
use std::pin::Pin;

use davmux_driver::{Driver, Kind, Native, Page, Pages, RelPath};
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt, stream};

use crate::Result;
use crate::mounts::Spot;

/// Pages of entries below a folder of one mount, without the folder itself, in any order. Only a stream that ended
/// without an error is the whole tree.
pub(crate) type Walk = Pin<Box<dyn Stream<Item = Result<Page>> + Send>>;

/// How many folders are listed at once where the storage has no listing of a whole tree.
const FOLDERS_AT_ONCE: usize = 8;

pub(crate) fn walk(spot: &Spot) -> Walk {
    let pages = match spot.driver().list_tree(&spot.rel) {
        Native::Done(pages) => pages,
        Native::Declined => folder_by_folder(spot),
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

/// The next page of a folder, and the pages after it.
type NextPage = (Option<davmux_driver::Result<Page>>, Pages);

struct Folders {
    spot: Spot,
    waiting: VecDeque<RelPath>,
    listing: FuturesUnordered<Pin<Box<dyn Future<Output = NextPage> + Send>>>,
    failed: bool,
}

fn folder_by_folder(spot: &Spot) -> Pages {
    let folders = Folders {
        spot: spot.clone(),
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
                let pages = self.spot.driver().list(&folder);
                self.listing.push(Box::pin(next_page(pages)));
            }
            let (page, rest) = self.listing.next().await?;
            if let Some(page) = page {
                if let Ok(page) = &page {
                    let folders = page.entries.iter().filter(|entry| entry.kind == Kind::Dir);
                    self.waiting.extend(folders.map(|entry| entry.path.clone()));
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
