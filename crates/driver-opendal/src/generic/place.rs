//! A service, and what all operations on it share.

use std::time::SystemTime;

use davmux_driver::{Entry, Error, ErrorKind, Etag, Expect, Kind, RelPath, Result, When};
use opendal_core::raw::oio::Delete as _;
use opendal_core::raw::{OpDelete, OpStat, Service as _, Servicer};
use opendal_core::{EntryMode, Metadata, OperationContext};

use super::list;

/// Characters of a storage's message that are passed on.
const MESSAGE_LIMIT: usize = 300;

/// How the storage keeps its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Keys; a folder is a prefix of them. A file appears when its last byte is there.
    Keys,
    /// Folders of their own. A file is seen while it is written, so it is written under another name and renamed.
    Folders {
        /// opendal's service takes a file only whole, in memory.
        whole: bool,
    },
}

/// A service and the folder in it that is the storage's root.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) service: Servicer,
    pub(crate) context: OperationContext,
    pub(crate) root: RelPath,
    pub(crate) shape: Shape,
    /// A character that the storage takes for a slash; a path with one in it would be another path there.
    pub(crate) other_slash: Option<char>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("name", &self.name).field("root", &self.root).finish_non_exhaustive()
    }
}

impl Place {
    /// A file as opendal calls it. opendal's `Operator` trims the blanks of a path; its services do not.
    pub(crate) fn key(&self, path: &RelPath) -> String {
        self.root.join(path).as_str().to_owned()
    }

    /// A folder as opendal calls it: with a slash at its end, the root of the service `/`.
    pub(crate) fn dir_key(&self, path: &RelPath) -> String {
        format!("{}/", self.key(path))
    }

    /// Whether the storage can hold this name.
    pub(crate) fn fits(&self, op: &'static str, path: &RelPath) -> Result<()> {
        match self.other_slash {
            Some(slash) if path.as_str().contains(slash) => Err(Error::new(ErrorKind::InvalidPath, op, path)
                .with_detail(format!("this storage takes {slash:?} for a slash"))),
            _ => Ok(()),
        }
    }

    /// Looks at one path.
    pub(crate) async fn stat(&self, op: &'static str, path: &RelPath, expect: Expect) -> Result<Entry> {
        if path.is_root() {
            return Ok(Entry::dir(RelPath::root()));
        }
        let not_found = || Error::new(ErrorKind::NotFound, op, path);
        // What cannot be held is not there.
        self.fits(op, path).map_err(|_| not_found())?;
        match self.shape {
            Shape::Folders { .. } => {
                let entry = match self.look(&self.key(path)).await {
                    Ok(metadata) => entry_of(path, &metadata),
                    Err(error) => return Err(self.failed(op, path, &error).await),
                };
                match entry {
                    Some(entry) if expect == Expect::Dir && !entry.is_dir() => Err(not_found()),
                    Some(entry) => Ok(entry),
                    None => Err(Error::new(ErrorKind::Backend, op, path).with_detail("it is neither file nor folder")),
                }
            }
            Shape::Keys => {
                let key = self.key(path);
                let (file, members) = match expect {
                    Expect::Dir => (None, list::has_members(self, path).await?),
                    // The listing also proves that the bucket is there, which the answer to a HEAD cannot.
                    Expect::Any | Expect::File => {
                        let (file, members) =
                            futures_util::future::join(self.look(&key), list::has_members(self, path)).await;
                        (Some(file), members?)
                    }
                };
                if members {
                    return Ok(Entry::dir(path.clone()));
                }
                match file {
                    None => Err(not_found()),
                    Some(Ok(metadata)) => {
                        entry_of(path, &metadata).filter(|entry| !entry.is_dir()).ok_or_else(not_found)
                    }
                    Some(Err(error)) => Err(error_of(op, path, &error)),
                }
            }
        }
    }

    pub(crate) async fn look(&self, key: &str) -> opendal_core::Result<Metadata> {
        self.service.stat(&self.context, key, OpStat::new()).await.map(|answer| answer.into_metadata())
    }

    pub(crate) async fn delete(&self, key: &str) -> opendal_core::Result<()> {
        let mut deleter = self.service.delete(&self.context)?;
        deleter.delete(key, OpDelete::new()).await?;
        deleter.close().await
    }

    /// Whether the root is there and may be read.
    pub(crate) async fn check(&self, op: &'static str, path: &RelPath) -> Result<()> {
        let missing = |detail: String| Error::new(ErrorKind::Unavailable, op, path).with_detail(detail);
        let gone = || {
            missing("the bucket or the root folder is not there: check root_folder_path and the storage's name".into())
        };
        let looked = match self.shape {
            Shape::Keys => list::any(self, &RelPath::root()).await.map(drop),
            Shape::Folders { .. } => match self.look(&self.dir_key(&RelPath::root())).await {
                Ok(metadata) if metadata.mode() != EntryMode::DIR => {
                    return Err(missing("the root is not a folder".into()));
                }
                looked => looked.map(drop),
            },
        };
        match looked {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == opendal_core::ErrorKind::NotFound => Err(gone()),
            Err(error) => Err(error_of(op, path, &error)),
        }
    }

    /// The error of a failed call. "Nothing there" is believed only where the root is there.
    pub(crate) async fn failed(&self, op: &'static str, path: &RelPath, error: &opendal_core::Error) -> Error {
        let error = error_of(op, path, error);
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        match self.check(op, path).await {
            Ok(()) => error,
            Err(unfounded) => unfounded,
        }
    }

    /// Whether the folder for a new member is there; a storage of keys need not look.
    pub(crate) async fn parent_stands(&self, op: &'static str, path: &RelPath) -> Result<()> {
        if self.shape == Shape::Keys {
            return Ok(());
        }
        match path.parent() {
            Some(parent) if !parent.is_root() => match self.stat(op, &parent, Expect::Any).await {
                Ok(entry) if entry.is_dir() => Ok(()),
                Ok(_) => Err(Error::new(ErrorKind::NotDir, op, path)),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    Err(Error::new(ErrorKind::NotFound, op, path).with_detail("its folder is not there"))
                }
                Err(error) => Err(error),
            },
            _ => Ok(()),
        }
    }

    /// What stands at a target, where the condition on it holds now.
    pub(crate) async fn target(&self, op: &'static str, path: &RelPath, when: &When) -> Result<Option<Entry>> {
        let there = match self.stat(op, path, Expect::Any).await {
            Ok(entry) => Some(entry),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match (when, &there) {
            (When::Always, _) | (When::Absent, None) => Ok(there),
            (When::Absent, Some(_)) => Err(Error::new(ErrorKind::AlreadyExists, op, path)),
            (When::Matches(etag), Some(entry)) if entry.etag.as_ref() == Some(etag) => Ok(there),
            (When::Matches(_), _) => Err(Error::new(ErrorKind::Precondition, op, path)),
        }
    }
}

/// The entry that metadata describes; `None` for what is neither file nor folder.
pub(crate) fn entry_of(path: &RelPath, metadata: &Metadata) -> Option<Entry> {
    let modified = metadata.last_modified().map(SystemTime::from);
    match metadata.mode() {
        // A folder's time is not told: it changes with the hidden files that are written in it.
        EntryMode::DIR => Some(Entry::dir(path.clone())),
        EntryMode::FILE => Some(Entry {
            path: path.clone(),
            kind: Kind::File,
            size: metadata.content_length(),
            modified,
            etag: metadata.etag().and_then(Etag::new),
            content_type: metadata.content_type().map(Into::into),
            metadata: None,
        }),
        EntryMode::Unknown => None,
    }
}

/// The error of `op` on `path`. Only opendal's message is kept: what it adds of the request may hold a credential.
pub(crate) fn error_of(op: &'static str, path: &RelPath, error: &opendal_core::Error) -> Error {
    use opendal_core::ErrorKind as Theirs;
    let kind = match error.kind() {
        Theirs::NotFound => ErrorKind::NotFound,
        Theirs::PermissionDenied => ErrorKind::Denied,
        Theirs::IsADirectory => ErrorKind::IsDir,
        Theirs::NotADirectory => ErrorKind::NotDir,
        Theirs::AlreadyExists => ErrorKind::AlreadyExists,
        Theirs::RateLimited => ErrorKind::Throttled { retry_after: None },
        Theirs::ConditionNotMatch => ErrorKind::Precondition,
        Theirs::IsSameFile => ErrorKind::InvalidPath,
        Theirs::Unsupported => ErrorKind::Unsupported,
        _ if error.is_temporary() => ErrorKind::Unavailable,
        _ => ErrorKind::Backend,
    };
    let line = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::new(kind, op, path).with_detail(line.chars().take(MESSAGE_LIMIT).collect::<String>())
}
