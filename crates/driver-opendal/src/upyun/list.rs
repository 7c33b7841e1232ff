//! Listing a folder.
//!
//! opendal pages through it; what it would make of a 404 (an empty folder) never reaches it.

use std::sync::Arc;

use davmux_driver::{Entry, Error, ErrorKind, Page, Pages, RelPath};
use futures_util::stream;
use http::HeaderValue;
use opendal_core::EntryMode;
use opendal_core::options::ListOptions;
use opendal_core::raw::oio::{self, List as _};
use opendal_core::raw::{OpList, Service as _, build_abs_path, normalize_root};

use super::call::{Call, Trouble};
use super::place::Place;
use super::{error, failed_listing};

const OP: &str = "list";
/// The most that UpYun tells in one answer. opendal asks for 256 where more than this is wanted.
const PAGE: usize = 4096;

/// A listing under way.
struct Listing {
    place: Arc<Place>,
    dir: RelPath,
    call: Arc<Call>,
    lister: oio::Lister,
    began: bool,
}

/// The members of a folder.
pub(crate) fn pages(place: Arc<Place>, dir: RelPath) -> Pages {
    let call = Arc::new(folder_call(&place));
    let lister = match lister(&place, &dir, &call, PAGE) {
        Ok(lister) => lister,
        Err(error) => return failed_listing(error::of_opendal(OP, &dir, &error)),
    };
    let listing = Listing { place, dir, call, lister, began: false };
    Box::pin(stream::unfold(Some(listing), |listing| async move {
        let mut listing = listing?;
        match listing.next_page().await {
            Ok(Some((page, more))) => Some((Ok(page), more.then_some(listing))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// Whether anything is in a folder. What cannot be looked at counts as empty.
pub(crate) async fn has_members(place: &Place, dir: &RelPath) -> bool {
    first(place, dir).await.is_ok_and(|any| any)
}

/// Asks for the first member of a folder: whether there is one.
pub(crate) async fn first(place: &Place, dir: &RelPath) -> Result<bool, Trouble> {
    let call = Arc::new(folder_call(place));
    let trouble = |error: &opendal_core::Error| call.trouble(error);
    let mut lister = lister(place, dir, &call, 1).map_err(|error| trouble(&error))?;
    lister.next().await.map(|entry| entry.is_some()).map_err(|error| trouble(&error))
}

/// Without this header UpYun answers a listing of a file with the file (upyun/go-sdk upyun/rest.go).
fn folder_call(place: &Place) -> Call {
    place.call().amended(|headers| {
        headers.insert("x-upyun-folder", HeaderValue::from_static("true"));
    })
}

fn lister(place: &Place, dir: &RelPath, call: &Arc<Call>, limit: usize) -> opendal_core::Result<oio::Lister> {
    let options = ListOptions { limit: Some(limit), ..ListOptions::default() };
    place.service.list(&call.context(), &folder_key(place, dir), OpList::from(options))
}

/// A folder as opendal calls it: with a slash at the end, the whole service `/`.
fn folder_key(place: &Place, dir: &RelPath) -> String {
    format!("{}/", place.key(dir))
}

impl Listing {
    /// The next members, as many as come with one answer; and whether more may follow.
    async fn next_page(&mut self) -> Result<Option<(Page, bool)>, Error> {
        let mut page = Page::default();
        for _ in 0..PAGE {
            match self.lister.next().await {
                Ok(Some(entry)) => self.add(&mut page, &entry),
                Ok(None) if self.began && page.entries.is_empty() && page.unnameable.is_empty() => return Ok(None),
                Ok(None) => return Ok(Some((page, false))),
                Err(error) => return Err(self.error(&error).await),
            }
        }
        self.began = true;
        Ok(Some((page, true)))
    }

    fn add(&self, page: &mut Page, entry: &oio::Entry) {
        // The name as UpYun tells it: opendal puts the folder before it.
        let before = build_abs_path(&normalize_root(&folder_key(&self.place, &self.dir)), "");
        let metadata = entry.metadata();
        let name = entry.path().strip_prefix(&before).unwrap_or_default();
        let is_dir = metadata.mode() == EntryMode::DIR;
        let name = if is_dir { name.strip_suffix('/').unwrap_or(name) } else { name };
        let Ok(path) = self.dir.child(name) else {
            page.unnameable.push(self.dir.clone());
            return;
        };
        let modified = metadata.last_modified().map(std::time::SystemTime::from);
        page.entries.push(if is_dir {
            Entry { modified, ..Entry::dir(path) }
        } else {
            Entry {
                modified: modified.filter(|time| *time > std::time::UNIX_EPOCH),
                content_type: metadata.content_type().map(Into::into),
                ..Entry::file(path, metadata.content_length())
            }
        });
    }

    async fn error(&self, error: &opendal_core::Error) -> Error {
        let trouble = self.call.trouble(error);
        if self.dir.is_root() {
            return self.place.root_failed(OP, &self.dir, trouble);
        }
        let error = self.place.failed(OP, &self.dir, trouble).await;
        match error.kind() {
            // The listing of a file is refused so (406).
            ErrorKind::IsDir => Error::new(ErrorKind::NotDir, OP, &self.dir),
            ErrorKind::NotFound if self.began => Error::new(ErrorKind::Unavailable, OP, &self.dir)
                .with_detail("the folder went away while it was listed"),
            _ => error,
        }
    }
}
