//! Reading a file.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;

use crate::{Entry, Etag, Result};

/// Bytes of a file as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// One range of a file, as a client may ask for it before its length is known (RFC 9110 section 14.1.2). Ends are
/// exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From this offset to the end.
    From(u64),
    /// From the first offset to before the second; cut at the end of the file.
    FromTo(u64, u64),
    /// The last so many bytes; the whole file where it is shorter.
    Last(u64),
}

impl ByteRange {
    /// The offsets in a file of `size` bytes; `None` where no byte of the file is in the range (416).
    pub fn resolve(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(start) => start..size,
            Self::FromTo(start, end) => start..end.min(size),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct ReadRequest {
    /// Part of the file; `None`: all of it.
    pub range: Option<ByteRange>,
    /// Read only this version; another one there is [`ErrorKind::Precondition`](crate::ErrorKind::Precondition).
    pub if_match: Option<Etag>,
}

/// The answer to a read. `entry` and `range` describe the very bytes in `body` (the same open file, the same GET),
/// never an earlier look.
#[derive(Debug)]
pub struct ReadReply {
    /// The file; its `size` is the whole length.
    pub entry: Entry,
    /// The offsets that `body` holds; `0..size` when no range was asked, and empty only for an empty file.
    pub range: Range<u64>,
    /// The bytes.
    pub body: Body,
}

/// The bytes of a [`ReadReply`].
pub enum Body {
    /// A local file, to be read at the offsets of the reply's range.
    File(Arc<File>),
    /// Exactly the bytes of the reply's range, or an error: a stream that ends early without one breaks the contract.
    Stream(ByteStream),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_as_rfc_9110_says() {
        assert_eq!(ByteRange::From(0).resolve(10), Some(0..10));
        assert_eq!(ByteRange::From(10).resolve(10), None);
        assert_eq!(ByteRange::FromTo(2, 5).resolve(10), Some(2..5));
        assert_eq!(ByteRange::FromTo(2, 50).resolve(10), Some(2..10));
        assert_eq!(ByteRange::Last(3).resolve(10), Some(7..10));
        assert_eq!(ByteRange::Last(30).resolve(10), Some(0..10));
        assert_eq!(ByteRange::Last(0).resolve(10), None);
        assert_eq!(ByteRange::From(0).resolve(0), None);
    }
}
