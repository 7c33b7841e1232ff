//! ListObjects, ListObjectsV2, ListMultipartUploads and ListParts.

use std::ops::Bound;

use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::{Answered, Operations, answer, quoted, signed};
use crate::conditions::timestamp;
use crate::listing::{self, Item, Query};
use crate::namespace::no_such_upload;

/// The most that one page holds.
const PAGE: i32 = 1000;

/// A page, as both versions of the call answer it.
struct Found {
    contents: Vec<Object>,
    prefixes: Vec<CommonPrefix>,
    next: Option<String>,
}

fn limit(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(PAGE) {
        number if number < 0 => Err(s3_error!(InvalidArgument, "The number of keys must not be negative")),
        number => Ok(number.min(PAGE)),
    }
}

fn encodes(encoding: Option<&EncodingType>) -> S3Result<bool> {
    match encoding.map(EncodingType::as_str) {
        None | Some("") => Ok(false),
        Some(EncodingType::URL) => Ok(true),
        Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
    }
}

fn name(name: &str, encode: bool) -> String {
    if encode { listing::encode(name) } else { name.to_owned() }
}

impl Operations {
    fn find(&self, bucket: &str, query: &Query<'_>, encode: bool) -> S3Result<Found> {
        self.namespace.with_bucket(bucket, |bucket| {
            let page = listing::page(&bucket.objects, query);
            let mut found = Found { contents: Vec::new(), prefixes: Vec::new(), next: page.next.map(str::to_owned) };
            for item in page.items {
                match item {
                    Item::Key(key, object) => found.contents.push(Object {
                        key: Some(name(key, encode)),
                        e_tag: quoted(&object.etag),
                        last_modified: Some(timestamp(object.modified)),
                        size: Some(signed(object.size)),
                        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                        ..Object::default()
                    }),
                    Item::Prefix(prefix) => {
                        found.prefixes.push(CommonPrefix { prefix: Some(name(prefix, encode)) });
                    }
                }
            }
            Ok(found)
        })
    }

    pub(super) fn list_v1(&self, input: ListObjectsInput) -> Answered<ListObjectsOutput> {
        let encode = encodes(input.encoding_type.as_ref())?;
        let max = limit(input.max_keys)?;
        let found = self.find(
            &input.bucket,
            &Query {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: input.marker.as_deref().unwrap_or_default(),
                limit: usize::try_from(max).unwrap_or_default(),
            },
            encode,
        )?;
        // Without a delimiter AWS tells no NextMarker: the client is to take the last key.
        let has_delimiter = input.delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty());
        answer(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(name(input.prefix.as_deref().unwrap_or_default(), encode)),
            marker: Some(name(input.marker.as_deref().unwrap_or_default(), encode)),
            max_keys: Some(max),
            is_truncated: Some(found.next.is_some()),
            next_marker: found.next.filter(|_| has_delimiter).map(|next| name(&next, encode)),
            contents: Some(found.contents),
            common_prefixes: Some(found.prefixes),
            delimiter: input.delimiter.map(|delimiter| name(&delimiter, encode)),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    pub(super) fn list_v2(&self, input: ListObjectsV2Input) -> Answered<ListObjectsV2Output> {
        let encode = encodes(input.encoding_type.as_ref())?;
        let max = limit(input.max_keys)?;
        let from_token = match &input.continuation_token {
            None => None,
            Some(token) => Some(
                listing::from_token(token)
                    .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?,
            ),
        };
        let after = from_token.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
        let found = self.find(
            &input.bucket,
            &Query {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after,
                limit: usize::try_from(max).unwrap_or_default(),
            },
            encode,
        )?;
        let count = found.contents.len() + found.prefixes.len();
        answer(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(name(input.prefix.as_deref().unwrap_or_default(), encode)),
            max_keys: Some(max),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(found.next.is_some()),
            next_continuation_token: found.next.map(|next| listing::token(&next)),
            contents: Some(found.contents),
            common_prefixes: Some(found.prefixes),
            delimiter: input.delimiter.map(|delimiter| name(&delimiter, encode)),
            encoding_type: input.encoding_type,
            start_after: input.start_after.map(|after| name(&after, encode)),
            request_charged: None,
        })
    }

    pub(super) fn list_uploads(&self, input: ListMultipartUploadsInput) -> Answered<ListMultipartUploadsOutput> {
        if input.delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(s3_error!(NotImplemented, "ListMultipartUploads takes no delimiter here"));
        }
        let encode = encodes(input.encoding_type.as_ref())?;
        let max = limit(input.max_uploads)?;
        let size = usize::try_from(max).unwrap_or_default();
        let prefix = input.prefix.clone().unwrap_or_default();
        let key_marker = input.key_marker.clone().unwrap_or_default();
        let id_marker = input.upload_id_marker.clone().unwrap_or_default();
        let (uploads, next) = self.namespace.with_bucket(&input.bucket, |bucket| {
            let mut uploads = Vec::new();
            let mut next = None;
            for ((key, id), upload) in &bucket.uploads {
                // A key marker alone passes over all uploads of that key.
                let behind = *key > key_marker || (*key == key_marker && !id_marker.is_empty() && *id > id_marker);
                if !key.starts_with(&prefix) || (!key_marker.is_empty() && !behind) {
                    continue;
                }
                if uploads.len() == size {
                    next = uploads.last().map(|(key, id, _): &(String, String, _)| (key.clone(), id.clone()));
                    break;
                }
                uploads.push((key.clone(), id.clone(), upload.initiated));
            }
            Ok((uploads, next))
        })?;
        let truncated = next.is_some();
        let (next_key, next_id) = next.unzip();
        answer(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: Some(name(&prefix, encode)),
            key_marker: Some(name(&key_marker, encode)),
            upload_id_marker: Some(id_marker),
            max_uploads: Some(max),
            is_truncated: Some(truncated),
            next_key_marker: next_key.map(|key| name(&key, encode)),
            next_upload_id_marker: next_id,
            encoding_type: input.encoding_type,
            uploads: Some(
                uploads
                    .into_iter()
                    .map(|(key, id, initiated)| MultipartUpload {
                        key: Some(name(&key, encode)),
                        upload_id: Some(id),
                        initiated: Some(timestamp(initiated)),
                        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                        ..MultipartUpload::default()
                    })
                    .collect(),
            ),
            ..ListMultipartUploadsOutput::default()
        })
    }

    pub(super) fn parts(&self, input: ListPartsInput) -> Answered<ListPartsOutput> {
        let max = limit(input.max_parts)?;
        let size = usize::try_from(max).unwrap_or_default();
        let marker = input.part_number_marker.unwrap_or_default();
        let upload = (input.key.clone(), input.upload_id.clone());
        let (parts, truncated) = self.namespace.with_bucket(&input.bucket, |bucket| {
            let upload = bucket.uploads.get(&upload).ok_or_else(no_such_upload)?;
            let mut rest = upload.parts.range((Bound::Excluded(marker), Bound::Unbounded));
            let parts: Vec<Part> = rest
                .by_ref()
                .take(size)
                .map(|(number, part)| Part {
                    part_number: Some(*number),
                    e_tag: quoted(&super::hex(&part.md5)),
                    last_modified: Some(timestamp(part.modified)),
                    size: Some(signed(part.blob.size())),
                    ..Part::default()
                })
                .collect();
            Ok((parts, size > 0 && rest.next().is_some()))
        })?;
        answer(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            max_parts: Some(max),
            is_truncated: Some(truncated),
            parts: Some(parts),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..ListPartsOutput::default()
        })
    }
}
