//! Moving and copying inside the folder.

use std::io;
use std::sync::PoisonError;

use cap_std::fs::{Dir, Metadata, MetadataExt};
use davmux_driver::{Entry, Error, ErrorKind, Native, RelPath, Result, When};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::entry::entry;
use crate::list;
use crate::look::{look, look_at, may_name, open, standing};
use crate::root::{Opened, Root, fail, settle};
use crate::staging::{Aside, to_nothing};
use crate::upload::{Staged, is_cross_device};

/// How a folder is opened that is only looked at.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = OFlags::RDONLY;

/// One end of a move: an entry by its name in an open folder.
struct End<'a> {
    folder: Dir,
    name: &'a str,
    path: &'a RelPath,
}

impl<'a> End<'a> {
    fn of(opened: &Opened, path: &'a RelPath) -> Result<Self> {
        let (folder, name) = opened.parent(path).map_err(|error| fail("rename", path, error))?;
        Ok(Self { folder, name, path })
    }

    fn at(&self) -> (&Dir, &str) {
        (&self.folder, self.name)
    }

    /// The entry itself, not what a link leads to.
    fn own(&self) -> Result<Option<Metadata>> {
        match self.folder.symlink_metadata(self.name) {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&self, error: io::Error) -> Error {
        fail("rename", self.path, error)
    }

    fn is_in_folder_of(&self, other: &Self) -> Result<bool> {
        let id = |end: &Self| end.folder.dir_metadata().map(|meta| identity(&meta)).map_err(|error| end.fail(error));
        Ok(id(self)? == id(other)?)
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn overlap(to: &RelPath) -> Error {
    Error::new(ErrorKind::InvalidPath, "rename", to).with_detail("one lies in the other")
}

/// Moves a file or folder in one step. Blocks.
pub(crate) fn rename(root: &Root, opened: &Opened, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    may_name("rename", to)?;
    if to.is_within(&from.path) || from.path.is_within(to) {
        return Err(overlap(to));
    }
    let (source, target) = (End::of(opened, &from.path)?, End::of(opened, to)?);
    if *when == When::Always && target.own()?.is_some_and(|there| there.is_dir()) {
        may_replace(opened, &source, &target)?;
    }
    let moved = {
        let _commit = root.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let own = source.own()?.ok_or_else(|| Error::new(ErrorKind::NotFound, "rename", &from.path))?;
        if own.is_symlink() && !source.is_in_folder_of(&target)? {
            // A link below the root is relative: it would lead elsewhere from there.
            return Ok(Native::Declined);
        }
        // Only the version that the caller saw is moved.
        let seen = look(opened, "rename", &from.path)?;
        if from.etag.is_some() && seen.etag != from.etag {
            return Err(Error::new(ErrorKind::Precondition, "rename", &from.path));
        }
        root.still(opened, "rename", to)?;
        commit(opened, &source, &own, &target, when).map(|aside| (seen, aside))
    };
    let (seen, aside) = match moved {
        Err(error) if is_cross_device(&error) => return Ok(Native::Declined),
        result => result?,
    };
    settle(&target.folder, "rename", to);
    settle(&source.folder, "rename", &from.path);
    if let Some(aside) = aside {
        aside.discard();
    }
    // A rename changes nothing of the entry but its place.
    Ok(Native::Done(Entry { path: to.clone(), ..seen }))
}

/// Whether the folder at the target may go for the source: it does not hold it, and holds nothing that nobody saw. A look
/// at the paths would not do: a link above the source can lead to the target.
fn may_replace(opened: &Opened, source: &End<'_>, target: &End<'_>) -> Result<()> {
    let Some(there) = target.own()? else { return Ok(()) };
    let failed = |error| source.fail(error);
    let root = identity(&opened.dir_metadata().map_err(failed)?);
    let mut folder = source.folder.try_clone().map_err(failed)?;
    let mut at = identity(&folder.dir_metadata().map_err(failed)?);
    loop {
        if at == identity(&there) {
            return Err(overlap(target.path));
        }
        if at == root {
            break;
        }
        // Upwards by the file system's own account, for the identities alone.
        let flags = LOOK | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = rustix::fs::openat(&folder, "..", flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        folder = Dir::from_std_file(above.into());
        let above = identity(&folder.dir_metadata().map_err(failed)?);
        if above == at {
            break;
        }
        at = above;
    }
    if list::hides(opened, target.path)? {
        let detail = "the folder there holds entries that are not shown; remove them on the disk itself";
        return Err(Error::new(ErrorKind::Denied, "rename", target.path).with_detail(detail));
    }
    Ok(())
}

/// Makes the move. What stood at the target and could not be replaced in one step is aside then.
fn commit(opened: &Opened, source: &End<'_>, own: &Metadata, target: &End<'_>, when: &When) -> Result<Option<Aside>> {
    let there = standing(opened, "rename", target.path)?;
    match when {
        When::Absent => return to_nothing(source.at(), target.at()).map(|()| None).map_err(|error| target.fail(error)),
        When::Matches(etag) => {
            let there = there.and_then(|meta| entry(target.path.clone(), &meta)).and_then(|entry| entry.etag);
            if there.as_ref() != Some(etag) {
                return Err(Error::new(ErrorKind::Precondition, "rename", target.path));
            }
        }
        When::Always => {}
    }
    if target.own()?.is_some_and(|there| identity(&there) == identity(own)) {
        return onto_itself(opened, source, own, target).map(|()| None);
    }
    let moving = || source.folder.rename(source.name, &target.folder, target.name);
    let first = match moving() {
        Ok(()) => return Ok(None),
        Err(error) => error,
    };
    let in_the_way =
        matches!(Errno::from_io_error(&first), Some(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR | Errno::NOTDIR));
    if !in_the_way || *when != When::Always {
        return Err(target.fail(first));
    }
    // What the kernel does not replace in one step (a folder with members, another kind) steps aside, and comes back if
    // the move fails.
    let aside = Aside::take(opened, target.at(), target.path, own.ino()).map_err(|error| target.fail(error))?;
    match moving() {
        Ok(()) => Ok(Some(aside)),
        Err(error) => Err(put_back(aside, target, error)),
    }
}

/// The error of a move, after what it moved aside is back; or where that is now.
fn put_back(aside: Aside, end: &End<'_>, error: io::Error) -> Error {
    match aside.put_back(end.at()) {
        Ok(()) => end.fail(error),
        Err(lost) => {
            Error::new(ErrorKind::Backend, "rename", end.path).with_detail(lost.to_string()).with_source(error)
        }
    }
}

/// Two names of one file: the kernel's rename of one onto the other does nothing, and calls it a success.
fn onto_itself(opened: &Opened, source: &End<'_>, own: &Metadata, target: &End<'_>) -> Result<()> {
    if source.name == target.name && source.is_in_folder_of(target)? {
        return Err(overlap(target.path));
    }
    if own.is_dir() || own.nlink() == 1 {
        // One entry whose name the file system takes as another spelling.
        return source.folder.rename(source.name, &target.folder, target.name).map_err(|error| target.fail(error));
    }
    // Not by removing the source's name at once: where names differ in case alone it may be the target's, too.
    let aside = Aside::take(opened, source.at(), source.path, own.ino()).map_err(|error| source.fail(error))?;
    match target.own() {
        Ok(Some(_)) => {
            aside.discard();
            Ok(())
        }
        _ => aside
            .put_back(target.at())
            .map_err(|lost| Error::new(ErrorKind::Backend, "rename", target.path).with_detail(lost.to_string())),
    }
}

/// Copies one file, by the kernel alone where it can. Blocks.
pub(crate) fn copy(root: &Root, opened: &Opened, from: &Entry, to: &RelPath, when: &When) -> Result<Entry> {
    may_name("copy", to)?;
    let source = open(opened, "copy", &from.path)?;
    let seen = look_at(&source, &from.path)?;
    if from.etag.is_some() && seen.etag != from.etag {
        return Err(Error::new(ErrorKind::Precondition, "copy", &from.path));
    }
    match (standing(opened, "copy", to)?, when) {
        (Some(meta), _) if meta.is_dir() => return Err(Error::new(ErrorKind::IsDir, "copy", to)),
        (Some(_), When::Absent) => return Err(Error::new(ErrorKind::AlreadyExists, "copy", to)),
        _ => {}
    }
    let failed = |error| fail("copy", to, error);
    let mut staged = Staged::new(opened).map_err(failed)?;
    let copied = io::copy(&mut &source, &mut staged.file).map_err(failed)?;
    if copied != seen.size || look_at(&source, &from.path)?.etag != seen.etag {
        return Err(Error::new(ErrorKind::Precondition, "copy", &from.path));
    }
    // Like `cp -p`: a copy is as old as what it is a copy of.
    staged.place(root, opened, to, when, seen.modified)
}
