//! Listings, read on a thread of the blocking pool that waits for the reader.

use std::io;
use std::sync::Arc;

use cap_std::fs::{Dir, DirEntry};
use davmux_driver::{Entry, Error, ErrorKind, Kind, Page, Pages, RelPath, Result};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use crate::entry::entry;
use crate::root::{Opened, Root, STAGING, fail, place};

const PAGE: usize = 1000;
/// Pages that are ahead of the reader.
const AHEAD: usize = 2;

/// Sends pages as they fill.
struct Sender {
    pages: mpsc::Sender<Result<Page>>,
    page: Page,
    hidden: u64,
}

/// The reader went away.
struct Gone;

impl Sender {
    fn add(&mut self, member: Member) -> Result<(), Gone> {
        match member {
            Member::Entry(entry) => self.page.entries.push(entry),
            Member::Hidden(folder) => {
                self.hidden += 1;
                self.page.unnameable.push(folder);
            }
            Member::None => {}
        }
        if self.page.entries.len() + self.page.unnameable.len() >= PAGE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Gone> {
        self.pages.blocking_send(Ok(std::mem::take(&mut self.page))).map_err(|_| Gone)
    }
}

enum Member {
    Entry(Entry),
    /// Something that cannot be named or must not be followed, in this folder.
    Hidden(RelPath),
    /// It went while the folder was read, or it is davmux's own.
    None,
}

fn pages(
    root: &Arc<Root>,
    dir: &RelPath,
    read: impl FnOnce(&Opened, &RelPath, &mut Sender) -> Result<Result<(), Gone>> + Send + 'static,
) -> Pages {
    let (root, dir) = (Arc::clone(root), dir.clone());
    stream::once(async move {
        let (send, receive) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut sender = Sender { pages: send, page: Page::default(), hidden: 0 };
            let result = root.get("list", &dir).and_then(|opened| read(&opened, &dir, &mut sender));
            match result {
                Ok(Ok(())) => {
                    // The reader may have gone; then nobody waits for the rest.
                    let _ = sender.flush();
                }
                Ok(Err(Gone)) => {}
                Err(error) => drop(sender.pages.blocking_send(Err(error))),
            }
            if sender.hidden > 0 {
                tracing::warn!(
                    root = %root.path().display(),
                    folder = %dir,
                    count = sender.hidden,
                    "entries are hidden: a name that is not UTF-8, a link that leaves the folder, or no file at all"
                );
            }
        });
        stream::unfold(receive, |mut receive| async move { Some((receive.recv().await?, receive)) })
    })
    .flatten()
    .boxed()
}

pub(crate) fn list(root: &Arc<Root>, dir: &RelPath) -> Pages {
    pages(root, dir, |opened, dir, sender| {
        for read in read_dir(opened, dir)? {
            let read = read.map_err(|error| fail("list", dir, error))?;
            if sender.add(member(opened, dir, &read, true)?).is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    })
}

/// Everything below a folder. Links to folders are leaves: nothing behind them is listed.
pub(crate) fn list_tree(root: &Arc<Root>, dir: &RelPath) -> Pages {
    pages(root, dir, |opened, top, sender| {
        if is_link(opened, top) {
            let detail = "a symbolic link to a folder: nothing is copied or deleted through it";
            return Err(Error::new(ErrorKind::Denied, "list", top).with_detail(detail));
        }
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for read in read_dir(opened, &folder)? {
                let read = read.map_err(|error| fail("list", &folder, error))?;
                let member = member(opened, &folder, &read, false)?;
                if let Member::Entry(entry) = &member
                    && entry.kind == Kind::Dir
                {
                    folders.push(entry.path.clone());
                }
                if sender.add(member).is_err() {
                    return Ok(Err(Gone));
                }
            }
        }
        Ok(Ok(()))
    })
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
    if path.name().starts_with(STAGING) {
        return Ok(Member::None);
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
