//! ListObjects, ListObjectsV2, ListMultipartUploads and ListParts.

use std::ops::Bound;

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::{Answered, Operations, answer, quoted, signed};
use crate::conditions::timestamp;
use crate::encryption;
use crate::faults::Fault;
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

/// How names are written.
#[derive(Clone, Copy)]
struct Writing {
    keys: bool,
    prefixes: bool,
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
    fn find(&self, bucket: &str, query: &Query<'_>, writing: Writing, fault: Option<Fault>) -> S3Result<Found> {
        let mut found = self.page(bucket, query, writing)?;
        match fault {
            Some(Fault::RepeatedToken) if !query.after.is_empty() => found.next = Some(query.after.to_owned()),
            Some(Fault::Unordered) => {
                found.contents.reverse();
                found.prefixes.reverse();
            }
            _ => {}
        }
        Ok(found)
    }

    fn page(&self, bucket: &str, query: &Query<'_>, writing: Writing) -> S3Result<Found> {
        self.namespace.with_bucket(bucket, |bucket| {
            let page = listing::page(&bucket.objects, query);
            let mut found = Found { contents: Vec::new(), prefixes: Vec::new(), next: page.next.map(str::to_owned) };
            for item in page.items {
                match item {
                    Item::Key(key, object) => found.contents.push(Object {
                        key: Some(name(key, writing.keys)),
                        e_tag: quoted(&object.etag),
                        last_modified: Some(timestamp(object.modified)),
                        size: Some(signed(object.size)),
                        storage_class: Some(match object.attributes.headers.get(encryption::STORAGE_CLASS) {
                            Some(class) => ObjectStorageClass::from(class.clone()),
                            None => ObjectStorageClass::from_static(ObjectStorageClass::STANDARD),
                        }),
                        ..Object::default()
                    }),
                    Item::Prefix(prefix) => {
                        found.prefixes.push(CommonPrefix { prefix: Some(name(prefix, writing.prefixes)) });
                    }
                }
            }
            Ok(found)
        })
    }

    /// Whether names are to be encoded, and what is said of it.
    fn writing(&self, said: Option<EncodingType>) -> S3Result<(Writing, Option<EncodingType>)> {
        let said = said.filter(|_| !self.strict.listing.ignores_encoding);
        let keys = encodes(said.as_ref())?;
        Ok((Writing { keys, prefixes: keys && !self.strict.listing.plain_prefixes }, said))
    }

    pub(super) fn list_v1(&self, request: S3Request<ListObjectsInput>) -> Answered<ListObjectsOutput> {
        let S3Request { input, extensions, .. } = request;
        let fault = extensions.get().copied();
        let (writing, encoding_type) = self.writing(input.encoding_type)?;
        let encode = writing.keys;
        let max = limit(input.max_keys)?;
        let loses_marker = encode && self.strict.listing.encoding_loses_marker;
        let marker = input.marker.filter(|_| !loses_marker).unwrap_or_default();
        let found = self.find(
            &input.bucket,
            &Query {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: &marker,
                limit: usize::try_from(max).unwrap_or_default(),
            },
            writing,
            fault,
        )?;
        // Without a delimiter AWS tells no NextMarker: the client is to take the last key.
        let tells_marker = input.delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty())
            || fault == Some(Fault::RepeatedToken);
        answer(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(name(input.prefix.as_deref().unwrap_or_default(), encode)),
            marker: Some(name(&marker, encode)),
            max_keys: Some(max),
            is_truncated: Some(found.next.is_some()),
            next_marker: found.next.filter(|_| tells_marker).map(|next| name(&next, encode)),
            contents: Some(found.contents),
            common_prefixes: Some(found.prefixes),
            delimiter: input.delimiter.map(|delimiter| name(&delimiter, encode)),
            encoding_type,
            request_charged: None,
        })
    }

    pub(super) fn list_v2(&self, request: S3Request<ListObjectsV2Input>) -> Answered<ListObjectsV2Output> {
        let S3Request { mut input, extensions, .. } = request;
        let habits = self.strict.listing;
        if habits.only_v1 || habits.ignores_start_after {
            input.start_after = None;
        }
        if habits.only_v1 {
            input.continuation_token = None;
        }
        let (writing, encoding_type) = self.writing(input.encoding_type)?;
        let encode = writing.keys;
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
            writing,
            extensions.get().copied(),
        )?;
        let count = found.contents.len() + found.prefixes.len();
        // Both versions answer with the same element; version 1 neither counts nor knows of tokens.
        let v2 = !habits.only_v1;
        answer(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(name(input.prefix.as_deref().unwrap_or_default(), encode)),
            max_keys: Some(max),
            key_count: i32::try_from(count).ok().filter(|_| v2),
            continuation_token: input.continuation_token,
            is_truncated: Some(found.next.is_some()),
            next_continuation_token: found.next.filter(|_| v2).map(|next| listing::token(&next)),
            contents: Some(found.contents),
            common_prefixes: Some(found.prefixes),
            delimiter: input.delimiter.map(|delimiter| name(&delimiter, encode)),
            encoding_type,
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
