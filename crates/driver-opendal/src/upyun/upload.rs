//! Writing: what fits into one part is one PUT of the whole body; more is an upload in parts, completed at the end.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use davmux_driver::{Entry, Error, ErrorKind, RelPath, Result, Upload, WriteRequest};
use http::HeaderValue;
use opendal_core::Buffer;
use opendal_core::options::WriteOptions;
use opendal_core::raw::oio::{self, Write as _};
use opendal_core::raw::{OpWrite, Service as _};
use uuid::Uuid;

use super::call::Call;
use super::error;
use super::place::{NONCE, Place};

const OP: &str = "write";
const MIB: u64 = 1024 * 1024;
/// Parts are whole mebibytes, all of one size but the last, at most 50 MiB and at most 10,000 of them
/// (upyun/go-sdk upyun/rest.go; `X-Upyun-Multi-Part-Size` of UpYun's REST API).
const MOST_PARTS: u64 = 10_000;
const LARGEST_PART: u64 = 50 * MIB;
/// The largest file that fits into that many parts.
pub(crate) const LARGEST: u64 = MOST_PARTS * LARGEST_PART;
/// The usual part: good for 39 GiB.
const PART: u64 = 4 * MIB;
/// A part where the length is not told: good for 156 GiB.
const PART_OF_UNKNOWN: u64 = 16 * MIB;
/// Parts that are sent side by side.
const SIDE_BY_SIDE: usize = 2;
/// "notfound multipart uuid": an upload that was completed already, or swept.
const NO_SUCH_UPLOAD: u64 = 40_001_035;

/// An upload under way.
pub(crate) struct Writing {
    place: Arc<Place>,
    path: RelPath,
    request: WriteRequest,
    call: Arc<Call>,
    writer: oio::Writer,
    nonce: String,
    part: usize,
    /// What is not yet opendal's; at most one part.
    held: BytesMut,
    taken: u64,
}

/// Begins a file. Its folder is looked for, since UpYun would make it.
pub(crate) async fn begin(place: &Arc<Place>, path: &RelPath, request: WriteRequest) -> Result<Writing> {
    if path.is_root() {
        return Err(Error::new(ErrorKind::IsDir, OP, path));
    }
    let part = part_size(request.size).ok_or_else(|| too_large(path))?;
    place.parent_stands(OP, path).await?;
    let nonce = Uuid::new_v4().simple().to_string();
    let call = Arc::new(place.call().amended(amendment(&nonce, part)));
    let options = WriteOptions { concurrent: SIDE_BY_SIDE, ..WriteOptions::default() };
    let args = OpWrite::from_options(&place.service.capability(), options)
        .map(|(args, _)| args)
        .map_err(|error| error::of_opendal(OP, path, &error))?;
    let args = match request.content_type.as_deref() {
        Some(content_type) if HeaderValue::from_str(content_type).is_ok() => args.into_content_type(content_type),
        _ => args,
    };
    let writer = place.service.write(&call.context(), &place.key(path), args);
    Ok(Writing {
        place: Arc::clone(place),
        path: path.clone(),
        request,
        writer: writer.map_err(|error| error::of_opendal(OP, path, &error))?,
        call,
        nonce,
        part: usize::try_from(part).unwrap_or(usize::MAX),
        held: BytesMut::new(),
        taken: 0,
    })
}

/// What opendal leaves out: the size of the parts, without which UpYun takes only parts of 1 MiB; and a name for the upload,
/// by which it is known again when the answer to its commit is lost.
fn amendment(nonce: &str, part: u64) -> impl Fn(&mut http::HeaderMap) + Send + Sync + 'static {
    let nonce = HeaderValue::from_str(nonce).ok();
    move |headers| {
        let stage = headers.get("x-upyun-multi-stage");
        let (initiates, names) = (stage.is_some_and(|stage| stage == "initiate"), stage.is_none());
        if initiates {
            headers.insert("x-upyun-multi-part-size", HeaderValue::from(part));
        }
        if (initiates || names)
            && let Some(nonce) = &nonce
        {
            headers.insert(NONCE, nonce.clone());
        }
    }
}

/// The size of the parts of a file; `None` where it is too large for the storage.
fn part_size(size: Option<u64>) -> Option<u64> {
    match size {
        None => Some(PART_OF_UNKNOWN),
        Some(size) if size > LARGEST => None,
        Some(size) => Some(size.div_ceil(MOST_PARTS).div_ceil(MIB).saturating_mul(MIB).max(PART)),
    }
}

fn too_large(path: &RelPath) -> Error {
    Error::new(ErrorKind::TooLarge, OP, path)
        .with_detail("UpYun takes 10,000 parts of at most 50 MiB; where the sender does not tell the length, of 16 MiB")
}

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, mut chunk: Bytes) -> Result<()> {
        self.taken = self.taken.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.taken > MOST_PARTS.saturating_mul(u64::try_from(self.part).unwrap_or(u64::MAX)) {
            return Err(too_large(&self.path));
        }
        while !chunk.is_empty() {
            // A full part is handed on when more comes: a file of one part is one PUT.
            if self.held.len() == self.part {
                self.hand_on().await?;
            }
            let room = self.part - self.held.len();
            self.held.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Entry> {
        self.place.holds(OP, &self.path, &self.request.when).await?;
        self.hand_on().await?;
        let committed = self.writer.close().await;
        if let Err(error) = committed {
            self.decide(&error).await?;
        }
        Ok(Entry { content_type: self.request.content_type.clone(), ..Entry::file(self.path.clone(), self.taken) })
    }

    /// There is no call that ends an upload; UpYun removes what was not completed within 24 hours by itself.
    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Writing {
    async fn hand_on(&mut self) -> Result<()> {
        let part = std::mem::take(&mut self.held).freeze();
        if part.is_empty() && self.taken > 0 {
            return Ok(());
        }
        let handed = self.writer.write(Buffer::from(part)).await;
        match handed {
            Ok(()) => Ok(()),
            Err(error) => Err(self.place.failed(OP, &self.path, self.call.trouble(&error)).await),
        }
    }

    /// Whether a commit that failed here took effect: the file tells which upload wrote it.
    async fn decide(&self, error: &opendal_core::Error) -> Result<()> {
        let trouble = self.call.trouble(error);
        let gone = matches!(&trouble, super::call::Trouble::Refused(refusal) if refusal.code == Some(NO_SUCH_UPLOAD));
        if (self.call.is_doubtful() || gone)
            && let Ok(seen) = self.place.look(OP, &self.path).await
            && seen.nonce.as_ref() == Some(&self.nonce)
        {
            return Ok(());
        }
        Err(self.place.failed(OP, &self.path, trouble).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_upyun_takes_fits_into_its_parts() {
        for size in [0, 1, PART, MOST_PARTS * PART, MOST_PARTS * PART + 1, LARGEST - 1, LARGEST] {
            let part = part_size(Some(size)).unwrap();
            assert!(part.is_multiple_of(MIB) && part <= LARGEST_PART, "{size}");
            assert!(size.div_ceil(part) <= MOST_PARTS, "{size}");
        }
        assert_eq!(part_size(Some(LARGEST + 1)), None);
        assert!(part_size(None).is_some_and(|part| part.is_multiple_of(MIB) && part <= LARGEST_PART));
    }
}
