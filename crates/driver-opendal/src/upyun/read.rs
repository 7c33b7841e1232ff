//! Reading: one GET, its body passed through as it comes.

use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use davmux_driver::{Body, ByteRange, Entry, Error, ErrorKind, ReadReply, ReadRequest, RelPath, Result};
use http::{HeaderValue, header};
use opendal_core::BytesRange;
use opendal_core::raw::oio::Read as _;
use opendal_core::raw::{OpRead, Service as _};

use super::call::{Call, Trouble};
use super::error;
use super::place::Place;
use crate::body::exactly;

const OP: &str = "read";

/// Opens a file.
pub(crate) async fn read(place: &Place, path: &RelPath, request: &ReadRequest) -> Result<ReadReply> {
    if path.is_root() {
        return Err(Error::new(ErrorKind::IsDir, OP, path));
    }
    if request.if_match.is_some() {
        // UpYun tells no tag of a version, so whoever has one has it from elsewhere.
        return Err(Error::new(ErrorKind::Precondition, OP, path));
    }
    let Some(range) = asked(request.range) else {
        // No byte can be in such a range, and no header can say it.
        return Err(no_such_range(place, path, None).await);
    };
    let whole = request.range.is_none();
    let call = Arc::new(place.call().amended(move |headers| {
        // Otherwise the GET of a folder gives its listing (upyun/go-sdk upyun/rest.go).
        headers.insert("x-upyun-folder", HeaderValue::from_static("false"));
        if whole {
            // opendal asks for the whole of an empty file by a range that it has not.
            headers.remove(header::RANGE);
        }
    }));
    let reader = place.service.read(&call.context(), &place.key(path), OpRead::new());
    let reader = reader.map_err(|error| error::of_opendal(OP, path, &error))?;
    let body = match reader.open(range).await {
        Ok((_, body)) => body,
        Err(error) => return Err(failed(place, path, call.trouble(&error)).await),
    };
    let (entry, range) = describe(path, request.range, &call)?;
    let left = range.end - range.start;
    Ok(ReadReply { entry, range, body: Body::Stream(exactly(body, left, path.clone())) })
}

/// A range as opendal says it; `None` for one that holds no byte of any file.
fn asked(range: Option<ByteRange>) -> Option<BytesRange> {
    Some(match range {
        None => BytesRange::from(..),
        Some(ByteRange::From(start)) => BytesRange::from(start..),
        Some(ByteRange::FromTo(start, end)) if start < end => BytesRange::from(start..end),
        Some(ByteRange::Last(count)) if count > 0 => BytesRange::suffix(count),
        Some(ByteRange::FromTo(..) | ByteRange::Last(_)) => return None,
    })
}

async fn failed(place: &Place, path: &RelPath, trouble: Trouble) -> Error {
    match &trouble {
        Trouble::Refused(refusal) if refusal.status == http::StatusCode::RANGE_NOT_SATISFIABLE => {
            let size = refusal.content_range.as_deref().and_then(|text| text.strip_prefix("bytes */")?.parse().ok());
            no_such_range(place, path, size).await
        }
        _ => place.failed(OP, path, trouble).await,
    }
}

/// The error of a range without a byte; where the length is not known one look tells it.
async fn no_such_range(place: &Place, path: &RelPath, size: Option<u64>) -> Error {
    let size = match size {
        Some(size) => size,
        None => match place.look(OP, path).await {
            Ok(seen) if seen.entry.is_dir() => return Error::new(ErrorKind::IsDir, OP, path),
            Ok(seen) => seen.entry.size,
            Err(error) => return error,
        },
    };
    Error::new(ErrorKind::Range { size }, OP, path)
}

/// The entry and the offsets that an answer holds.
fn describe(path: &RelPath, asked: Option<ByteRange>, call: &Call) -> Result<(Entry, Range<u64>)> {
    let nonsense = |why: &str| error::nonsense(OP, path, why);
    let length: u64 = call
        .header("content-length")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| nonsense("UpYun does not tell the length of what it sends"))?;
    let (range, size) = match call.header("content-range") {
        None => (0..length, length),
        Some(text) => content_range(&text).ok_or_else(|| nonsense("UpYun sends a part and does not tell which"))?,
    };
    let wanted = match asked {
        None => 0..size,
        Some(asked) => asked.resolve(size).ok_or_else(|| Error::new(ErrorKind::Range { size }, OP, path))?,
    };
    if range != wanted || range.end - range.start != length {
        return Err(nonsense("UpYun sends another part of the file than was asked for"));
    }
    let modified = call.header("last-modified").and_then(|text| httpdate::parse_http_date(&text).ok());
    let entry = Entry {
        modified: modified.filter(|time| *time > UNIX_EPOCH),
        content_type: call.header("content-type").map(Into::into),
        ..Entry::file(path.clone(), size)
    };
    Ok((entry, range))
}

/// `bytes 0-9/100` as offsets and the whole length.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then(|| (first..last + 1, size))
}
