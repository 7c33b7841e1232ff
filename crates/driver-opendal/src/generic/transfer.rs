//! Copying and moving inside the storage, where its service does so in one step.

use davmux_driver::{Entry, Error, ErrorKind, Expect, Native, RelPath, Result, When};
use opendal_core::options::CopyOptions;
use opendal_core::raw::oio::Copy as _;
use opendal_core::raw::{OpCopy, OpRename, Service as _};

use super::place::{Place, Shape, error_of};

/// Copies a file, where the storage does it by itself: opendal's copy over SFTP writes into the file that clients see.
pub(crate) async fn copy(place: &Place, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    const OP: &str = "copy";
    let capability = place.service.capability();
    if from.is_dir() || !capability.copy || place.shape == (Shape::Folders { whole: false }) {
        return Ok(Native::Declined);
    }
    let there = begin(place, OP, from, to, when).await?;
    // A folder in the way would go with its members (RFC 4918 section 9.8.4).
    if there.is_some_and(|there| there.is_dir()) {
        return Err(Error::new(ErrorKind::IsDir, OP, to));
    }
    let failed = |error: opendal_core::Error| error_of(OP, to, &error);
    let options = CopyOptions { source_content_length_hint: Some(from.size), ..CopyOptions::default() };
    let args = OpCopy::from_options(&capability, options).map_err(failed)?;
    let mut copier =
        place.service.copy(&place.context, &place.key(&from.path), &place.key(to), args).map_err(failed)?;
    while copier.next().await.map_err(failed)?.is_some() {}
    copier.close().await.map_err(failed)?;
    place.stat(OP, to, Expect::File).await.map(Native::Done)
}

/// Moves a file or a folder to where nothing is, and a file over a file.
pub(crate) async fn rename(place: &Place, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
    const OP: &str = "rename";
    if place.shape == Shape::Keys || !place.service.capability().rename {
        return Ok(Native::Declined);
    }
    if let Some(there) = begin(place, OP, from, to, when).await?
        && (there.is_dir() || from.is_dir())
    {
        return Ok(Native::Declined);
    }
    let (source, target) = (place.key(&from.path), place.key(to));
    let moved = place.service.rename(&place.context, &source, &target, OpRename::new());
    moved.await.map_err(|error| error_of(OP, to, &error))?;
    place.stat(OP, to, Expect::Any).await.map(Native::Done)
}

/// Whether the source is still what the caller saw and the condition holds; what stands at the target.
async fn begin(place: &Place, op: &'static str, from: &Entry, to: &RelPath, when: &When) -> Result<Option<Entry>> {
    place.fits(op, to)?;
    if to.is_within(&from.path) || from.path.is_within(to) {
        return Err(Error::new(ErrorKind::InvalidPath, op, to).with_detail("one would take the place of the other"));
    }
    let now = place.stat(op, &from.path, Expect::Any).await?;
    if now.is_dir() != from.is_dir() || (from.etag.is_some() && from.etag != now.etag) {
        return Err(Error::new(ErrorKind::Precondition, op, &from.path).with_detail("the source changed"));
    }
    place.target(op, to, when).await
}
