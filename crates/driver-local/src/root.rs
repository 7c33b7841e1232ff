//! The root folder: opened when it is there, and the only way to a path.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use davmux_driver::{Error, ErrorKind, RelPath, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::entry::Births;
use crate::staging::{Held, STAGING};

/// The root folder of a storage.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    open: Mutex<Option<Arc<Opened>>>,
    /// Taken for each change that replaces or removes, from the look at what stands there to the change itself. Content
    /// is written and synced outside.
    pub(crate) commits: Mutex<()>,
}

/// The folder as it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    dir: Dir,
    identity: (u64, u64),
    pub(crate) held: Mutex<Option<Held>>,
    pub(crate) births: Mutex<Births>,
}

impl std::ops::Deref for Opened {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        &self.dir
    }
}

impl Root {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None), commits: Mutex::new(()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, opened anew where another one stands at its path now. Blocks.
    pub(crate) fn get(&self, op: &'static str, path: &RelPath) -> Result<Arc<Opened>> {
        let away = |error: io::Error| {
            let detail =
                format!("the root folder {} cannot be opened; create it or mount its disk", self.path.display());
            Error::new(ErrorKind::Unavailable, op, path).with_detail(detail).with_source(error)
        };
        let now = std::fs::metadata(&self.path).map_err(away)?;
        let identity = (std::os::unix::fs::MetadataExt::dev(&now), std::os::unix::fs::MetadataExt::ino(&now));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = open.as_ref().filter(|opened| opened.identity == identity) {
            return Ok(Arc::clone(opened));
        }
        let dir = Dir::open_ambient_dir(&self.path, ambient_authority()).map_err(away)?;
        let meta = dir.dir_metadata().map_err(away)?;
        let identity = (meta.dev(), meta.ino());
        let opened = Arc::new(Opened { dir, identity, held: Mutex::default(), births: Mutex::default() });
        opened.sweep(&self.path);
        *open = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Whether the folder that was opened is still the one at the root's path; else what is done in it is seen by nobody.
    /// Blocks.
    pub(crate) fn still(&self, opened: &Opened, op: &'static str, path: &RelPath) -> Result<()> {
        if self.get(op, path)?.identity == opened.identity {
            return Ok(());
        }
        let detail = format!("the root folder {} was replaced meanwhile; try again", self.path.display());
        Err(Error::new(ErrorKind::Unavailable, op, path).with_detail(detail))
    }
}

impl Opened {
    /// The folder that holds a path, and the path's name in it.
    pub(crate) fn parent<'a>(&self, path: &'a RelPath) -> io::Result<(Dir, &'a str)> {
        let parent = path.parent().unwrap_or_else(RelPath::root);
        if parent.segments().next() == Some(STAGING) {
            // It may be missing, and must be no link.
            self.staging()?;
        }
        Ok((self.dir.open_dir(place(&parent))?, path.name()))
    }
}

/// A folder as a file that can be synced and locked: a [`Dir`] is opened with `O_PATH`, which is good for neither.
pub(crate) fn as_file(dir: &Dir) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(dir, ".", flags, Mode::empty())?))
}

/// Makes a change in a folder outlast a power loss. The change stands already, so that a failure is no error of it.
pub(crate) fn settle(folder: &Dir, op: &'static str, path: &RelPath) {
    if let Err(error) = as_file(folder).and_then(|folder| folder.sync_all()) {
        tracing::warn!(op, %path, %error, "done, but its folder cannot be synced: a power loss may undo it");
    }
}

/// A path as the file system takes it.
pub(crate) fn place(path: &RelPath) -> &Path {
    Path::new(if path.is_root() { "." } else { path.as_str() })
}

/// A name that no other process uses.
pub(crate) fn fresh_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What the file system said, in the words of the contract.
pub(crate) fn kind_of(error: &io::Error) -> ErrorKind {
    let Some(errno) = Errno::from_io_error(error) else {
        // cap-std's own refusal of a path that leads out of the root.
        return match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::InvalidInput => ErrorKind::InvalidPath,
            _ => ErrorKind::Backend,
        };
    };
    match errno {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::NOTDIR => ErrorKind::NotDir,
        Errno::ISDIR => ErrorKind::IsDir,
        Errno::EXIST => ErrorKind::AlreadyExists,
        Errno::NOTEMPTY => ErrorKind::NotEmpty,
        Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => ErrorKind::InvalidPath,
        Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::TXTBSY => ErrorKind::Denied,
        Errno::ROFS => ErrorKind::ReadOnly,
        Errno::NOSPC | Errno::DQUOT => ErrorKind::NoSpace,
        Errno::FBIG => ErrorKind::TooLarge,
        Errno::TIMEDOUT => ErrorKind::Timeout,
        Errno::STALE | Errno::NOTCONN | Errno::HOSTDOWN | Errno::MFILE | Errno::NFILE | Errno::NXIO => {
            ErrorKind::Unavailable
        }
        _ => ErrorKind::Backend,
    }
}

/// An error of `op` on `path`.
pub(crate) fn fail(op: &'static str, path: &RelPath, error: io::Error) -> Error {
    Error::new(kind_of(&error), op, path).with_source(error)
}

/// Runs on the blocking pool.
pub(crate) async fn blocking<T: Send + 'static>(
    op: &'static str,
    path: &RelPath,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(ErrorKind::Backend, op, path).with_source(error)),
    }
}
