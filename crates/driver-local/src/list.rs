//! Listings, read page by page.

use std::io;
use std::sync::Arc;

use cap_std::fs::{Dir, DirEntry, ReadDir};
use davmux_driver::{Enters, Entry, Error, ErrorKind, Page, Pages, RelPath, Result};
use futures_util::{StreamExt, stream};

use crate::entry::entry;
use crate::look::is_reserved;
use crate::root::{Opened, Root, blocking, fail, place};
use crate::staging::STAGING;

const PAGE: usize = 1000;
/// One member of a folder.
enum Member {
    Entry(Entry),
    /// Something that cannot be named or must not be followed, in this folder.
    Hidden(RelPath),
    /// It went while the folder was read, or it is davmux's own.
    None,
}

/// Goes through a folder, or through all below it. Links to folders are leaves then: nothing behind them is listed.
struct Walk {
    top: RelPath,
    deep: bool,
    /// Where it is deep; `None`: into all folders.
    enters: Option<Enters>,
    folders: Vec<RelPath>,
    reading: Option<(RelPath, ReadDir)>,
}

impl Walk {
    fn new(top: &RelPath, deep: bool, enters: Option<Enters>) -> Self {
        Self { top: top.clone(), deep, enters, folders: vec![top.clone()], reading: None }
    }

    fn next(&mut self, opened: &Opened) -> Result<Option<Member>> {
        loop {
            let Some((folder, members)) = &mut self.reading else {
                let Some(folder) = self.folders.pop() else { return Ok(None) };
                match read_dir(opened, &folder) {
                    Ok(members) => self.reading = Some((folder, members)),
                    // It went since it was seen in its parent.
                    Err(error) if error.kind() == ErrorKind::NotFound && folder != self.top => {}
                    Err(error) => return Err(error),
                }
                continue;
            };
            let Some(read) = members.next() else {
                self.reading = None;
                continue;
            };
            let read = read.map_err(|error| fail("list", folder, error))?;
            let member = member(opened, folder, &read, !self.deep)?;
            if let Member::Entry(entry) = &member
                && self.deep
                && entry.is_dir()
                && self.enters.as_ref().is_none_or(|enters| enters(&entry.path))
            {
                self.folders.push(entry.path.clone());
            }
            return Ok(Some(member));
        }
    }
}

/// A listing between two pages.
struct Listing {
    root: Arc<Root>,
    opened: Option<Arc<Opened>>,
    walk: Walk,
    hidden: usize,
}

impl Listing {
    /// The next page, and whether it is the last. Blocks.
    fn page(&mut self) -> Result<(Page, bool)> {
        let top = &self.walk.top;
        let opened = match &self.opened {
            Some(opened) => Arc::clone(opened),
            None => self.root.get("list", top)?,
        };
        if self.opened.is_none() && self.walk.deep && is_link(&opened, top) {
            let detail = "a symbolic link to a folder: nothing is copied or deleted through it";
            return Err(Error::new(ErrorKind::Denied, "list", top).with_detail(detail));
        }
        self.opened = Some(Arc::clone(&opened));
        let mut page = Page::default();
        while page.entries.len() + page.unnameable.len() < PAGE {
            match self.walk.next(&opened)? {
                Some(Member::Entry(entry)) => page.entries.push(entry),
                Some(Member::Hidden(folder)) => page.unnameable.push(folder),
                Some(Member::None) => {}
                None => {
                    self.hidden += page.unnameable.len();
                    self.end(&opened)?;
                    return Ok((page, true));
                }
            }
        }
        self.hidden += page.unnameable.len();
        Ok((page, false))
    }

    fn end(&self, opened: &Opened) -> Result<()> {
        // What is read from a folder that was unmounted or removed on the way ends early, and without an error.
        self.root.still(opened, "list", &self.walk.top)?;
        if self.hidden > 0 {
            tracing::warn!(
                root = %self.root.path().display(),
                folder = %self.walk.top,
                count = self.hidden,
                "entries are hidden: a name that is not UTF-8 or is reserved, a link that leaves the folder, or no file at all"
            );
        }
        Ok(())
    }
}

/// Each page is a piece of work of its own, so that a slow reader holds no thread; the stream ends only after the page that
/// said that it is the last.
fn pages(root: &Arc<Root>, walk: Walk) -> Pages {
    let listing = Listing { root: Arc::clone(root), opened: None, walk, hidden: 0 };
    stream::unfold(Some(Box::new(listing)), |listing| async move {
        let mut listing = listing?;
        let top = listing.walk.top.clone();
        let read = blocking("list", &top, move || {
            let (page, is_last) = listing.page()?;
            Ok((page, (!is_last).then_some(listing)))
        });
        Some(match read.await {
            Ok((page, rest)) => (Ok(page), rest),
            Err(error) => (Err(error), None),
        })
    })
    .boxed()
}

/// The members of a folder.
pub(crate) fn list(root: &Arc<Root>, dir: &RelPath) -> Pages {
    pages(root, Walk::new(dir, false, None))
}

/// Everything below a folder, and of the folders that are not gone into nothing.
pub(crate) fn list_tree(root: &Arc<Root>, dir: &RelPath, enters: Option<Enters>) -> Pages {
    pages(root, Walk::new(dir, true, enters))
}

/// Whether anything below a folder is shown to nobody. Blocks.
pub(crate) fn hides(opened: &Opened, dir: &RelPath) -> Result<bool> {
    let mut walk = Walk::new(dir, true, None);
    while let Some(member) = walk.next(opened)? {
        if matches!(member, Member::Hidden(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_link(opened: &Opened, path: &RelPath) -> bool {
    !path.is_root() && opened.symlink_metadata(place(path)).is_ok_and(|meta| meta.is_symlink())
}

fn read_dir(opened: &Dir, dir: &RelPath) -> Result<cap_std::fs::ReadDir> {
    opened.open_dir(place(dir)).and_then(|dir| dir.entries()).map_err(|error| fail("list", dir, error))
}

fn member(opened: &Opened, folder: &RelPath, read: &DirEntry, follow: bool) -> Result<Member> {
    let name = read.file_name();
    let Some(path) = name.to_str().and_then(|name| folder.child(name).ok()) else {
        return Ok(Member::Hidden(folder.clone()));
    };
    if path.as_str() == STAGING {
        return Ok(Member::None);
    }
    if is_reserved(&path) {
        return Ok(Member::Hidden(folder.clone()));
    }
    let gone = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(Member::None),
        _ => Err(fail("list", &path, error)),
    };
    let meta = match read.metadata() {
        Ok(meta) => meta,
        Err(error) => return gone(error),
    };
    if !meta.is_symlink() {
        return Ok(entry(path, &meta).map_or_else(|| Member::Hidden(folder.clone()), Member::Entry));
    }
    // By the whole path, so that a link to elsewhere below the root is followed.
    match opened.metadata(place(&path)) {
        Ok(target) if target.is_dir() && !follow => Ok(Member::Entry(Entry::file(path, 0))),
        Ok(target) => Ok(entry(path, &target).map_or_else(|| Member::Hidden(folder.clone()), Member::Entry)),
        Err(_) => Ok(Member::Hidden(folder.clone())),
    }
}
