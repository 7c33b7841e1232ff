//! Reading: a look, and then the very version that it saw.

use davmux_driver::{Body, Entry, Error, ErrorKind, Etag, Expect, ReadReply, ReadRequest, RelPath, Result};
use opendal_core::BytesRange;
use opendal_core::options::ReadOptions;
use opendal_core::raw::oio::Read as _;
use opendal_core::raw::{OpRead, OpReader, Service as _};

use super::place::Place;
use crate::body::exactly;

const OP: &str = "read";

/// Opens a file.
pub(crate) async fn read(place: &Place, path: &RelPath, request: &ReadRequest) -> Result<ReadReply> {
    let entry = place.stat(OP, path, Expect::Any).await?;
    if entry.is_dir() {
        return Err(Error::new(ErrorKind::IsDir, OP, path));
    }
    if request.if_match.is_some() && request.if_match != entry.etag {
        return Err(Error::new(ErrorKind::Precondition, OP, path));
    }
    let size = entry.size;
    let range = match request.range {
        None => 0..size,
        Some(asked) => asked.resolve(size).ok_or_else(|| Error::new(ErrorKind::Range { size }, OP, path))?,
    };
    if range.is_empty() {
        let body = Box::pin(futures_util::stream::empty());
        return Ok(ReadReply { entry, range, body: Body::Stream(body) });
    }
    let conditional = place.service.capability().read_with_if_match;
    let if_match = entry.etag.as_ref().filter(|_| conditional).map(|etag| etag.as_str().to_owned());
    let options = ReadOptions { if_match, ..ReadOptions::default() };
    let (_, args, _): (BytesRange, OpRead, OpReader) = options.into();
    let reader = place.service.read(&place.context, &place.key(path), args);
    let reader = reader.map_err(|error| super::place::error_of(OP, path, &error))?;
    let asked = if range == (0..size) { BytesRange::from(..) } else { BytesRange::from(range.clone()) };
    let (seen, body) = match reader.open(asked).await {
        Ok(opened) => opened,
        Err(error) => return Err(place.failed(OP, path, &error).await),
    };
    let told = seen.into_metadata().and_then(|metadata| metadata.etag().and_then(Etag::new));
    if told.is_some() && told != entry.etag {
        return Err(between(&entry));
    }
    let left = range.end - range.start;
    Ok(ReadReply { entry, range, body: Body::Stream(exactly(body, left, path.clone())) })
}

/// The file changed between the look and the read.
fn between(entry: &Entry) -> Error {
    Error::new(ErrorKind::Precondition, OP, &entry.path).with_detail("the file changed while it was opened")
}
