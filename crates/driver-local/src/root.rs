//! The root folder: opened when it is there, and the only way to a path.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use davmux_driver::{Error, ErrorKind, RelPath, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The folder in the root that holds what is not complete yet. Names that begin so are hidden everywhere.
pub(crate) const STAGING: &str = ".davmux-staging";

/// The root folder of a storage.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    open: Mutex<Option<Arc<Opened>>>,
    /// Taken from the look at a target's version to the change that depends on it.
    pub(crate) conditions: Mutex<()>,
}

/// The folder as it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    dir: Dir,
    identity: (u64, u64),
    /// Holds a shared lock on the staging folder for as long as this process uses it.
    staging: Mutex<Option<File>>,
}

impl std::ops::Deref for Opened {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        &self.dir
    }
}

impl Root {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None), conditions: Mutex::new(()) }
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
        let opened = Arc::new(Opened { dir, identity: (meta.dev(), meta.ino()), staging: Mutex::new(None) });
        opened.sweep(&self.path);
        *open = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

impl Opened {
    /// Removes what an earlier process left, unless another one is using the folder now.
    fn sweep(&self, root: &Path) {
        let Ok(staging) = self.dir.open_dir(STAGING) else { return };
        let Ok(lock) = as_file(&staging) else { return };
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let mut count = 0_u64;
            for entry in staging.entries().into_iter().flatten().flatten() {
                let name = entry.file_name();
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let removed = if is_dir { staging.remove_dir_all(&name) } else { staging.remove_file(&name) };
                match removed {
                    Ok(()) => count += 1,
                    Err(error) => tracing::warn!(root = %root.display(), %error, "a staging file stays"),
                }
            }
            if count > 0 {
                tracing::info!(root = %root.display(), count, "removed staging files that an earlier run left");
            }
        }
        self.hold(lock);
    }

    fn hold(&self, lock: File) {
        // Shared: several processes may serve one folder, and none sweeps while another one is there.
        if let Err(error) = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) {
            tracing::debug!(%error, "the staging folder cannot be locked");
        }
        *self.staging.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
    }

    /// The staging folder, made where it is missing.
    pub(crate) fn staging(&self) -> io::Result<Dir> {
        let dir = match self.dir.open_dir(STAGING) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.dir.create_dir(STAGING) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
                self.dir.open_dir(STAGING)?
            }
            Err(error) => return Err(error),
        };
        if self.staging.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.hold(as_file(&dir)?);
        }
        Ok(dir)
    }

    /// The folder that holds a path, and the path's name in it.
    pub(crate) fn parent<'a>(&self, path: &'a RelPath) -> io::Result<(Dir, &'a str)> {
        let parent = path.parent().unwrap_or_else(RelPath::root);
        Ok((self.dir.open_dir(place(&parent))?, path.name()))
    }
}

/// A folder as a file that can be synced and locked: a [`Dir`] is opened with `O_PATH`, which is good for neither.
pub(crate) fn as_file(dir: &Dir) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(dir, ".", flags, Mode::empty())?))
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
