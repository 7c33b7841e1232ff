//! [`Error`]: what went wrong in a storage, in words that the layers above can act on.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::RelPath;

/// The result of a storage's work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened. Above the drivers each kind becomes one status, in one exhaustive match.
///
/// A driver says [`NotFound`](Self::NotFound) only when its storage said so in a complete answer: "I could not look" is
/// [`Unavailable`](Self::Unavailable), [`Timeout`](Self::Timeout), [`Denied`](Self::Denied) or
/// [`Backend`](Self::Backend), since a client may take a 404 as leave to delete its own copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The storage said that nothing is there.
    NotFound,
    /// Something is there already ([`When::Absent`](crate::When::Absent), or a folder to be made).
    AlreadyExists,
    /// A folder stands where a file is needed.
    IsDir,
    /// A file stands where a folder is needed.
    NotDir,
    /// The folder has members.
    NotEmpty,
    /// The storage cannot hold this name (too long, a reserved form).
    InvalidPath,
    /// This storage, or this part of it, is not written to.
    ReadOnly,
    /// The storage cannot do this at all, and nothing else can stand in for it; the detail says why.
    Unsupported,
    /// The storage refused: credentials or rights.
    Denied,
    /// A condition did not hold: [`When::Matches`](crate::When::Matches), `if_match`, a changed source.
    Precondition,
    /// The range begins behind the end; `size` is the length of the file in bytes.
    Range {
        /// The whole file's length in bytes.
        size: u64,
    },
    /// Larger than the storage takes.
    TooLarge,
    /// No room, or a quota is used up.
    NoSpace,
    /// Fewer or more bytes came than were announced.
    Incomplete,
    /// Asked too often; transient.
    Throttled {
        /// How long the storage asked to wait.
        retry_after: Option<Duration>,
    },
    /// Out of reach, or its root is missing; transient as far as this request can tell.
    Unavailable,
    /// No answer in time; transient.
    Timeout,
    /// The storage answered something that makes no sense, or failed by its own fault.
    Backend,
}

impl ErrorKind {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable | Self::Timeout)
    }
}

/// A storage's error: what was tried, on what, what happened and, where there is one, the cause below.
///
/// `Display` is one line without the cause; whoever ends the request prints the chain, once. Neither may hold a key, a
/// token or a signed URL.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    op: &'static str,
    path: RelPath,
    detail: Option<Box<str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `op` (a verb: `"list"`, `"write"`) on `path`.
    pub fn new(kind: ErrorKind, op: &'static str, path: &RelPath) -> Self {
        Self { kind, op, path: path.clone(), detail: None, source: None }
    }

    /// Adds what a person needs to know: what the storage said, what to do about it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// Adds the error below this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was tried.
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// On what, below the storage's root.
    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// What a person needs to know, where the storage said more than the kind.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: ", self.op, self.path.as_str())?;
        match self.kind {
            ErrorKind::NotFound => f.write_str("not found"),
            ErrorKind::AlreadyExists => f.write_str("already exists"),
            ErrorKind::IsDir => f.write_str("is a folder"),
            ErrorKind::NotDir => f.write_str("is not a folder"),
            ErrorKind::NotEmpty => f.write_str("folder is not empty"),
            ErrorKind::InvalidPath => f.write_str("the storage cannot hold this name"),
            ErrorKind::ReadOnly => f.write_str("read-only"),
            ErrorKind::Unsupported => f.write_str("not possible on this storage"),
            ErrorKind::Denied => f.write_str("denied by the storage"),
            ErrorKind::Precondition => f.write_str("a condition does not hold"),
            ErrorKind::Range { size } => {
                write!(f, "the range begins behind the end at {size} bytes")
            }
            ErrorKind::TooLarge => f.write_str("too large for the storage"),
            ErrorKind::NoSpace => f.write_str("no space left"),
            ErrorKind::Incomplete => f.write_str("the content did not arrive as announced"),
            ErrorKind::Throttled { .. } => f.write_str("the storage asks to slow down"),
            ErrorKind::Unavailable => f.write_str("the storage is out of reach"),
            ErrorKind::Timeout => f.write_str("the storage did not answer in time"),
            ErrorKind::Backend => f.write_str("the storage failed"),
        }?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// An error and what is below it, in one line, each part once. For the detail of an [`Error`]: who wraps an error must know
/// that it names no secret; hyper's name no headers and no queries.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let below = error.to_string();
        if !text.ends_with(&below) {
            text.push_str(": ");
            text.push_str(&below);
        }
        next = error.source();
    }
    text
}
