//! Multipart uploads in progress below the root, whoever began them.

use std::collections::HashSet;
use std::sync::Arc;

use aws_sdk_s3::types::EncodingType;
use davmux_driver::{ErrorKind, RelPath, Result, UploadInProgress, UploadPages};
use futures_util::stream;

use super::{KeepDocument, error};
use crate::bucket::{Bucket, time};
use crate::error::{Failure, backend};
use crate::key::decode_listed;
use crate::list::document;

const LIST: &str = "list uploads";
const LOOK: &str = "look at an upload";
const ABORT: &str = "abort an upload";

/// Where a listing goes on: behind this upload of this key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Marker {
    key: Option<String>,
    id: Option<String>,
}

/// The pages of the listing. The first call is made when the first page is asked for.
pub(super) fn pages(bucket: Arc<Bucket>) -> UploadPages {
    struct Listing {
        bucket: Arc<Bucket>,
        next: Marker,
        /// All markers seen, so that a storage that goes in circles is noticed.
        seen: HashSet<Marker>,
    }
    let listing = Listing { bucket, next: Marker::default(), seen: HashSet::new() };
    Box::pin(stream::unfold(Some(listing), |state| async move {
        let mut listing = state?;
        match page(&listing.bucket, &listing.next).await {
            Err(error) => Some((Err(error), None)),
            Ok((uploads, None)) => Some((Ok(uploads), None)),
            Ok((uploads, Some(next))) if listing.seen.insert(next.clone()) => {
                listing.next = next;
                Some((Ok(uploads), Some(listing)))
            }
            Ok(_) => Some((Err(in_circles(LIST)), None)),
        }
    }))
}

fn in_circles(op: &'static str) -> davmux_driver::Error {
    backend(op, &RelPath::root(), "the storage's listing does not get on")
}

async fn page(bucket: &Bucket, from: &Marker) -> Result<(Vec<UploadInProgress>, Option<Marker>)> {
    let root = RelPath::root();
    let prefix = bucket.root.prefix(&root);
    let kept = KeepDocument::default();
    let call = bucket
        .client
        .list_multipart_uploads()
        .bucket(&bucket.name)
        .set_prefix((!prefix.is_empty()).then(|| prefix.clone()))
        .set_encoding_type(bucket.dialect.listing.url_encoding.then_some(EncodingType::Url))
        .set_key_marker(from.key.clone())
        .set_upload_id_marker(from.id.clone())
        .customize()
        .interceptor(kept.clone());
    let reply = call.send().await.map_err(|error| bucket.error(LIST, &root, &error))?;
    if document::check(&kept.take(), "ListMultipartUploadsResult").is_err() {
        return Err(backend(LIST, &root, "the list came cut or garbled"));
    }
    let encoded = reply.encoding_type() == Some(&EncodingType::Url);
    let name =
        |text: &str| if encoded { String::from_utf8_lossy(&decode_listed(text)).into_owned() } else { text.to_owned() };
    let uploads = reply.uploads().iter().filter_map(|upload| {
        let key = name(upload.key()?);
        // Some list all of a bucket, whatever prefix they are asked for.
        let inside = key.starts_with(&prefix);
        let started = upload.initiated().and_then(time);
        Some(UploadInProgress { key, id: upload.upload_id()?.to_owned(), started }).filter(|_| inside)
    });
    let next = match (reply.is_truncated(), reply.next_key_marker()) {
        (Some(true), None) => return Err(in_circles(LIST)),
        (Some(true), key) => Some(Marker { key: key.map(name), id: reply.next_upload_id_marker().map(str::to_owned) }),
        _ => None,
    };
    Ok((uploads.collect(), next))
}

/// How many bytes of an upload have arrived.
pub(super) async fn size(bucket: &Bucket, upload: &UploadInProgress) -> Result<u64> {
    inside(bucket, LOOK, upload)?;
    let (mut size, mut marker) = (0_u64, None::<String>);
    loop {
        let call = bucket.client.list_parts().bucket(&bucket.name).key(&upload.key).upload_id(&upload.id);
        let call = call.set_part_number_marker(marker.clone());
        let reply = call.send().await.map_err(|error| bucket.error(LOOK, &RelPath::root(), &error))?;
        size += reply.parts().iter().filter_map(|part| u64::try_from(part.size()?).ok()).sum::<u64>();
        if reply.is_truncated() != Some(true) {
            return Ok(size);
        }
        let next = reply.next_part_number_marker().map(str::to_owned);
        if next.is_none() || next == marker {
            return Err(in_circles(LOOK));
        }
        marker = next;
    }
}

/// Removes an upload; one that is gone is a success.
pub(super) async fn abort(bucket: &Bucket, upload: &UploadInProgress) -> Result<()> {
    inside(bucket, ABORT, upload)?;
    let call = bucket.client.abort_multipart_upload().bucket(&bucket.name).key(&upload.key).upload_id(&upload.id);
    let Err(error) = call.send().await else { return Ok(()) };
    let failure = Failure::sdk(&error);
    if failure.is_code("NoSuchUpload") || failure.is_code("NoSuchKey") {
        return Ok(());
    }
    Err(bucket.failed(ABORT, &RelPath::root(), failure))
}

fn inside(bucket: &Bucket, op: &'static str, upload: &UploadInProgress) -> Result<()> {
    if upload.key.starts_with(&bucket.root.prefix(&RelPath::root())) {
        return Ok(());
    }
    Err(error(ErrorKind::Denied, op, format!("{:?} is not below this mount's root_folder_path", upload.key)))
}
