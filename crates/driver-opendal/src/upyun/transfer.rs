//! Copying and moving inside the service, without the bytes: files only, as UpYun has it.

use std::sync::Arc;

use davmux_driver::{Entry, Error, ErrorKind, Native, RelPath, Result, When};
use http::HeaderValue;
use http::header::HeaderName;
use opendal_core::options::CopyOptions;
use opendal_core::raw::oio::Copy as _;
use opendal_core::raw::{OpCopy, OpRename, Service as _};

use super::call::Call;
use super::error;
use super::link::encode;
use super::place::Place;

static COPY_SOURCE: HeaderName = HeaderName::from_static("x-upyun-copy-source");
static MOVE_SOURCE: HeaderName = HeaderName::from_static("x-upyun-move-source");

/// Copies a file.
pub(crate) async fn copy(place: &Place, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    const OP: &str = "copy";
    if !begin(place, OP, from, to, when).await? {
        return Ok(Native::Declined);
    }
    let call = Arc::new(sourced(place, &COPY_SOURCE, from)?);
    // With the length told opendal does not ask for it.
    let options = CopyOptions { source_content_length_hint: Some(from.size), ..CopyOptions::default() };
    let unsent = |error: opendal_core::Error| error::of_opendal(OP, to, &error);
    let args = OpCopy::from_options(&place.service.capability(), options).map_err(unsent)?;
    let (source, target) = (place.key(&from.path), place.key(to));
    let mut copier = place.service.copy(&call.context(), &source, &target, args).map_err(unsent)?;
    match copier.close().await {
        Ok(_) => Ok(Native::Done(moved(from, to))),
        Err(error) => Err(place.failed(OP, to, call.trouble(&error)).await),
    }
}

/// Moves a file.
pub(crate) async fn rename(place: &Place, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    const OP: &str = "rename";
    if !begin(place, OP, from, to, when).await? {
        return Ok(Native::Declined);
    }
    let call = Arc::new(sourced(place, &MOVE_SOURCE, from)?.only_once());
    let (source, target) = (place.key(&from.path), place.key(to));
    let Err(error) = place.service.rename(&call.context(), &source, &target, OpRename::new()).await else {
        return Ok(Native::Done(moved(from, to)));
    };
    let trouble = call.trouble(&error);
    // A folder in the way does not go with its members; the tree takes it away first.
    if trouble.status().is_some_and(|status| status.as_u16() == 406) {
        return Ok(Native::Declined);
    }
    if call.is_doubtful() && is_done(place, OP, from, to).await {
        return Ok(Native::Done(moved(from, to)));
    }
    Err(place.failed(OP, to, trouble).await)
}

/// Whether UpYun can do it and the condition holds.
async fn begin(place: &Place, op: &'static str, from: &Entry, to: &RelPath, when: &When) -> Result<bool> {
    if from.is_dir() {
        return Ok(false);
    }
    if from.path == *to || to.is_root() {
        return Err(Error::new(ErrorKind::InvalidPath, op, to).with_detail("it would take its own place"));
    }
    if from.etag.is_some() {
        // UpYun tells no tag of a version, so whoever has one has it from elsewhere.
        return Err(Error::new(ErrorKind::Precondition, op, &from.path));
    }
    place.holds(op, to, when).await?;
    Ok(true)
}

/// opendal names the source bare. UpYun decodes it (upyun/go-sdk upyun/rest.go), so `100%41` would be another file, and a
/// header cannot say every name.
fn sourced(place: &Place, header: &'static HeaderName, from: &Entry) -> Result<Call> {
    let source = format!("/{}/{}", place.bucket, encode(&place.key(&from.path)));
    let source = HeaderValue::from_str(&source)
        .map_err(|error| error::nonsense("copy", &from.path, format!("no header can name it: {error}")))?;
    Ok(place.call().amended(move |headers| {
        headers.insert(header, source.clone());
    }))
}

/// Whether a move whose answer was lost took effect: the file is at its target, and no longer at its source.
async fn is_done(place: &Place, op: &'static str, from: &Entry, to: &RelPath) -> bool {
    let gone = matches!(place.look(op, &from.path).await, Err(error) if error.kind() == ErrorKind::NotFound);
    gone && place.look(op, to).await.is_ok_and(|seen| !seen.entry.is_dir() && seen.entry.size == from.size)
}

fn moved(from: &Entry, to: &RelPath) -> Entry {
    Entry { content_type: from.content_type.clone(), ..Entry::file(to.clone(), from.size) }
}
