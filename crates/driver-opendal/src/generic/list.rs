//! Listing a folder.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use davmux_driver::{Entry, Error, ErrorKind, Page, Pages, RelPath, Result};
use futures_util::{FutureExt as _, stream};
use opendal_core::EntryMode;
use opendal_core::options::ListOptions;
use opendal_core::raw::oio::{self, List as _};
use opendal_core::raw::{OpList, Service as _};

use super::place::{Place, Shape, entry_of, error_of};
use super::upload::STAGED;

const OP: &str = "list";
/// Members of one page.
const PAGE: usize = 1000;

/// What a listing tells.
enum Told {
    /// The folder itself.
    Itself,
    Member(Entry),
    /// A member that no path can name.
    Unnameable,
    /// A file that is being written.
    Staged,
}

/// The members of a folder. They are gathered before the first page goes out: opendal's services do not promise an order, a
/// file and a folder may share a name among keys, and whether a folder is there shows only at the end.
pub(crate) fn pages(place: Arc<Place>, dir: RelPath) -> Pages {
    let gathered = async move { gather(&place, &dir).await };
    Box::pin(stream::unfold(Some(Err(gathered.boxed())), |state| async move {
        let mut rest: std::vec::IntoIter<Page> = match state? {
            Ok(rest) => rest,
            Err(gathered) => match gathered.await {
                Ok(pages) => pages.into_iter(),
                Err(error) => return Some((Err(error), None)),
            },
        };
        let page = rest.next()?;
        Some((Ok(page), Some(Ok(rest))))
    }))
}

/// Whether anything is in a folder.
pub(crate) async fn has_members(place: &Place, dir: &RelPath) -> Result<bool> {
    match any(place, dir).await {
        Ok(any) => Ok(any),
        // A listing of keys never says that a folder is missing: such an answer is about the bucket.
        Err(error) if error.kind() == opendal_core::ErrorKind::NotFound => {
            place.check(OP, dir).await?;
            Ok(false)
        }
        Err(error) => Err(error_of(OP, dir, &error)),
    }
}

/// The same, in opendal's words. Among keys a marker of the folder counts.
pub(crate) async fn any(place: &Place, dir: &RelPath) -> opendal_core::Result<bool> {
    let options = ListOptions { limit: Some(2), ..ListOptions::default() };
    let mut lister = place.service.list(&place.context, &place.dir_key(dir), OpList::from(options))?;
    while let Some(entry) = next(&mut lister).await? {
        match told(place, dir, &entry) {
            Ok(Told::Itself) if place.shape != Shape::Keys => {}
            _ => return Ok(true),
        }
    }
    Ok(false)
}

/// The next entry. Some of opendal's services panic at names that they do not expect.
async fn next(lister: &mut oio::Lister) -> opendal_core::Result<Option<oio::Entry>> {
    AssertUnwindSafe(lister.next()).catch_unwind().await.unwrap_or_else(|_| {
        Err(opendal_core::Error::new(
            opendal_core::ErrorKind::Unexpected,
            "opendal cannot read a name in this listing, such as one that is not UTF-8",
        ))
    })
}

async fn gather(place: &Place, dir: &RelPath) -> Result<Vec<Page>> {
    place.fits(OP, dir).map_err(|_| Error::new(ErrorKind::NotFound, OP, dir))?;
    let lister = place.service.list(&place.context, &place.dir_key(dir), OpList::new());
    let mut lister = lister.map_err(|error| error_of(OP, dir, &error))?;
    let mut members: HashMap<RelPath, Entry> = HashMap::new();
    let mut unnameable = 0_usize;
    let mut stands = place.shape == Shape::Keys && dir.is_root();
    loop {
        let entry = match next(&mut lister).await {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) => return Err(failed(place, dir, &error).await),
        };
        match told(place, dir, &entry)? {
            Told::Itself => {}
            Told::Unnameable => unnameable += 1,
            Told::Staged => {}
            Told::Member(entry) => {
                // The folder wins; the file behind it is hidden and counted.
                match members.get(&entry.path) {
                    Some(other) if other.is_dir() != entry.is_dir() => {
                        unnameable += 1;
                        if entry.is_dir() {
                            members.insert(entry.path.clone(), entry);
                        }
                    }
                    Some(_) => {}
                    None => drop(members.insert(entry.path.clone(), entry)),
                }
            }
        }
        stands = true;
    }
    if !stands {
        let missing = opendal_core::Error::new(opendal_core::ErrorKind::NotFound, "not found");
        return Err(failed(place, dir, &missing).await);
    }
    let mut entries: Vec<_> = members.into_values().collect();
    entries.sort_by(|one, two| one.path.cmp(&two.path));
    let mut pages: Vec<Page> =
        entries.chunks(PAGE).map(|entries| Page { entries: entries.to_vec(), unnameable: Vec::new() }).collect();
    if unnameable > 0 {
        pages.push(Page { entries: Vec::new(), unnameable: vec![dir.clone(); unnameable] });
    }
    Ok(pages)
}

/// What an entry of the listing of `dir` is. One that is elsewhere makes the listing an error.
fn told(place: &Place, dir: &RelPath, entry: &oio::Entry) -> Result<Told> {
    let itself = place.dir_key(dir);
    let before = if itself == "/" { "" } else { &itself };
    let path = entry.path();
    if path == itself || (itself == "/" && path.is_empty()) {
        return Ok(Told::Itself);
    }
    if path == itself.trim_end_matches('/') {
        return Err(Error::new(ErrorKind::NotDir, OP, dir));
    }
    let Some(name) = path.strip_prefix(before) else {
        let detail = "the storage tells what is not in this folder";
        return Err(Error::new(ErrorKind::Backend, OP, dir).with_detail(detail));
    };
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.starts_with(STAGED) && place.shape != Shape::Keys {
        return Ok(Told::Staged);
    }
    Ok(match dir.child(name) {
        Ok(path) if entry.metadata().mode() != EntryMode::Unknown => {
            entry_of(&path, entry.metadata()).map_or(Told::Unnameable, Told::Member)
        }
        _ => Told::Unnameable,
    })
}

async fn failed(place: &Place, dir: &RelPath, error: &opendal_core::Error) -> Error {
    let error = place.failed(OP, dir, error).await;
    if error.kind() == ErrorKind::NotFound && dir.is_root() {
        return Error::new(ErrorKind::Unavailable, OP, dir).with_detail("the root folder is not there");
    }
    error
}
