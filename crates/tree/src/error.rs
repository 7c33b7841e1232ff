//! [`Error`]: why the tree did not do what was asked.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use davmux_driver::ErrorKind;

use crate::TreePath;

/// The result of the tree's work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened. The `dav` crate maps each to one status, in one exhaustive match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A storage said so.
    Storage(ErrorKind),
    /// Nothing is there, and no storage is asked: no mount covers the place.
    NotFound,
    /// The folder that should hold it is missing or is a file (409, RFC 4918 sections 9.3.1 and 9.7.1).
    NoParent,
    /// Something stands at the target and may not be replaced (`Overwrite: F`: 412), or a folder to be made exists (405).
    Exists,
    /// A mount point, a parent of one, or a folder that holds one: not to be written, moved or deleted from here.
    MountPoint,
    /// The mount may only be read, or the user may not change what is there.
    ReadOnly,
    /// Something that may be below it may not be changed by the user, so that it cannot be moved, deleted or replaced as a
    /// whole. Whether something is there makes no difference.
    Guarded,
    /// Source and target are the same, or one lies in the other (403, RFC 4918 sections 9.8.5 and 9.9.4).
    Overlap,
    /// A name that davmux keeps for itself.
    Reserved,
    /// A name of files that file managers leave behind, in a mount that takes none ([`Junk`](crate::Junk)).
    Junk,
    /// The source changed while it was copied; it stays.
    Changed,
    /// Holds names that WebDAV cannot say; they, and the folder that holds them, stay.
    Unnameable,
    /// The server is stopping and this member was not reached.
    Stopping,
    /// A property that is too long, or one too many.
    PropertyLimit,
    /// The state store did not answer; the log says why.
    State,
    /// As many relays as are allowed at once, and none ended while this one waited ([`Relays`](crate::Relays)).
    RelaysBusy,
}

/// Why, where, and what the storage said.
#[derive(Clone, Debug)]
pub struct Error {
    problem: Problem,
    path: TreePath,
    source: Option<Arc<davmux_driver::Error>>,
}

impl Error {
    pub(crate) fn new(problem: Problem, path: &TreePath) -> Self {
        Self { problem, path: path.clone(), source: None }
    }

    pub(crate) fn storage(path: &TreePath, source: davmux_driver::Error) -> Self {
        Self { problem: Problem::Storage(source.kind()), path: path.clone(), source: Some(Arc::new(source)) }
    }

    /// What happened.
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// Where in the tree.
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// What the storage said for a person, where it said more than the kind. Never a secret.
    pub fn detail(&self) -> Option<&str> {
        self.source.as_ref().and_then(|source| source.detail())
    }

    /// Whether it says, from a complete answer, that nothing is there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.problem, Problem::NotFound | Problem::Storage(ErrorKind::NotFound))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        f.write_str(match self.problem {
            Problem::Storage(_) => "the storage refused",
            Problem::NotFound => "nothing is there",
            Problem::NoParent => "the folder that should hold it does not exist",
            Problem::Exists => "something is there already",
            Problem::MountPoint => "a mount point is there or below and cannot be changed",
            Problem::ReadOnly => "this part of the tree is read-only",
            Problem::Guarded => "the user may not change all that can be below it",
            Problem::Overlap => "source and target are the same or one lies in the other",
            Problem::Reserved => "this name is reserved",
            Problem::Junk => "the mount takes no such files",
            Problem::Changed => "it changed meanwhile and was left where it is",
            Problem::Unnameable => "it holds names that WebDAV cannot say; they were left where they are",
            Problem::Stopping => "the server is stopping",
            Problem::PropertyLimit => "its properties are too many or too long",
            Problem::State => "the state store did not answer",
            Problem::RelaysBusy => "too many files are relayed at the moment",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
