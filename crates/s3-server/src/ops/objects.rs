//! Reading, writing and deleting single objects.

use std::ops::Range;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;
use s3s::dto::{self, *};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Result, StdError, s3_error};

use super::{Answered, Kept, Operations, answer, attributes, hex, quoted, signed};
use crate::conditions::{ReadCondition, WriteCondition, tag_matches, timestamp};
use crate::encryption::{self, Side};
use crate::faults::Fault;
use crate::namespace::now;
use crate::store::{Blob, Object};

/// The bytes that an answer carries, and its Content-Range.
fn part_of(object: &Object, range: Option<dto::Range>) -> S3Result<(Range<u64>, Option<String>)> {
    let Some(range) = range else { return Ok((0..object.size, None)) };
    match range.check(object.size) {
        Ok(part) if !part.is_empty() => {
            let text = format!("bytes {}-{}/{}", part.start, part.end - 1, object.size);
            Ok((part, Some(text)))
        }
        _ => {
            let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
            let mut headers = HeaderMap::new();
            headers.insert("content-type", http::HeaderValue::from_static("application/xml"));
            if let Ok(value) = format!("bytes */{}", object.size).parse() {
                headers.insert("content-range", value);
            }
            error.set_headers(headers);
            Err(error)
        }
    }
}

/// The blobs of `object` that `range` touches, with the part of each.
pub(super) fn pieces(object: &Object, range: Range<u64>) -> Vec<(Arc<dyn Blob>, Range<u64>)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for blob in &object.blobs {
        let end = start + blob.size();
        let piece = range.start.max(start)..range.end.min(end);
        if !piece.is_empty() {
            pieces.push((Arc::clone(blob), piece.start - start..piece.end - start));
        }
        start = end;
    }
    pieces
}

fn no_part_number(part_number: Option<i32>) -> S3Result<()> {
    match part_number {
        None => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "partNumber is not known here")),
    }
}

impl Operations {
    pub(super) fn head(&self, request: S3Request<HeadObjectInput>) -> Answered<HeadObjectOutput> {
        let S3Request { input, headers, .. } = request;
        no_part_number(input.part_number)?;
        let object = self.namespace.object(&input.bucket, &input.key)?;
        encryption::check_reader(&object, &headers, Side::Own)?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        condition.check_read(&object)?;
        let (part, content_range) = part_of(&object, input.range)?;
        let kept = Kept::of(&object.attributes);
        let header = |name: &str| object.attributes.headers.get(name).cloned();
        answer(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: input.response_cache_control.or_else(|| header("cache-control")),
            content_disposition: input.response_content_disposition.or_else(|| header("content-disposition")),
            content_encoding: input.response_content_encoding.or_else(|| header("content-encoding")),
            content_language: input.response_content_language.or_else(|| header("content-language")),
            content_type: input.response_content_type.or_else(|| header("content-type")),
            content_length: Some(signed(part.end - part.start)),
            content_range,
            e_tag: quoted(&object.etag),
            last_modified: Some(timestamp(object.modified)),
            metadata: Some(object.attributes.metadata.clone().into_iter().collect()),
            storage_class: kept.storage_class,
            server_side_encryption: kept.encryption,
            ssekms_key_id: kept.kms_key,
            sse_customer_algorithm: kept.customer_algorithm,
            sse_customer_key_md5: kept.customer_md5,
            ..HeadObjectOutput::default()
        })
    }

    pub(super) fn get(&self, request: S3Request<GetObjectInput>) -> Answered<GetObjectOutput> {
        let S3Request { input, headers, .. } = request;
        no_part_number(input.part_number)?;
        let object = self.namespace.object(&input.bucket, &input.key)?;
        encryption::check_reader(&object, &headers, Side::Own)?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        condition.check_read(&object)?;
        let (part, content_range) = part_of(&object, input.range)?;
        let length = part.end - part.start;
        let body = (length > 0).then(|| {
            let pieces = pieces(&object, part).into_iter().map(|(blob, range)| blob.read(range));
            let frames = stream::iter(pieces).flatten().map_ok(Frame::data).map_err(StdError::from);
            StreamingBlob::from(Body::http_body_unsync(StreamBody::new(frames)))
        });
        let kept = Kept::of(&object.attributes);
        let header = |name: &str| object.attributes.headers.get(name).cloned();
        // The response-* overrides are the work of s3s.
        answer(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body,
            cache_control: header("cache-control"),
            content_disposition: header("content-disposition"),
            content_encoding: header("content-encoding"),
            content_language: header("content-language"),
            content_type: header("content-type"),
            content_length: Some(signed(length)),
            content_range,
            e_tag: quoted(&object.etag),
            last_modified: Some(timestamp(object.modified)),
            metadata: Some(object.attributes.metadata.clone().into_iter().collect()),
            storage_class: kept.storage_class,
            server_side_encryption: kept.encryption,
            ssekms_key_id: kept.kms_key,
            sse_customer_algorithm: kept.customer_algorithm,
            sse_customer_key_md5: kept.customer_md5,
            ..GetObjectOutput::default()
        })
    }

    pub(super) async fn put(&self, request: S3Request<PutObjectInput>) -> Answered<PutObjectOutput> {
        let S3Request { input, headers, .. } = request;
        self.namespace.with_bucket(&input.bucket, |_| Ok(()))?;
        let condition = WriteCondition::read(self.strict.conditions.put, input.if_none_match, input.if_match)?;
        let attributes = attributes(&headers, input.metadata)?;
        let kept = Kept::of(&attributes);
        let md5 = input.content_md5.as_deref();
        let received = self.receive(input.body, input.content_length, md5, &headers).await?;
        let object = Object {
            key: input.key,
            size: received.blob.size(),
            etag: hex(&received.md5),
            modified: now(),
            attributes,
            blobs: vec![received.blob],
        };
        let object = self.namespace.put(&input.bucket, object, condition, None).await?;
        answer(PutObjectOutput {
            e_tag: quoted(&object.etag),
            server_side_encryption: kept.encryption,
            ssekms_key_id: kept.kms_key,
            sse_customer_algorithm: kept.customer_algorithm,
            sse_customer_key_md5: kept.customer_md5,
            ..PutObjectOutput::default()
        })
    }

    pub(super) async fn delete(&self, input: DeleteObjectInput) -> Answered<DeleteObjectOutput> {
        let if_match = self.strict.conditions.delete.take(input.if_match)?;
        let condition = WriteCondition { if_match, if_none_match: None };
        self.namespace.remove(&input.bucket, &input.key, move |object| condition.check(object)).await?;
        answer(DeleteObjectOutput::default())
    }

    pub(super) async fn delete_batch(&self, request: S3Request<DeleteObjectsInput>) -> Answered<DeleteObjectsOutput> {
        let S3Request { input: DeleteObjectsInput { bucket, delete, .. }, extensions, .. } = request;
        let failing = match extensions.get() {
            Some(Fault::KeyErrors(keys)) => *keys,
            _ => 0,
        };
        self.namespace.with_bucket(&bucket, |_| Ok(()))?;
        if delete.objects.is_empty() || delete.objects.len() > self.strict.limits.delete_keys {
            return Err(self.strict.deletes.too_many.into());
        }
        if delete.objects.iter().any(|object| object.e_tag.is_some()) {
            self.strict.conditions.delete_batch.take(Some(()))?;
        }
        let quiet = delete.quiet.unwrap_or_default();
        let mut deleted = Vec::new();
        let mut errors = Vec::new();
        for (index, ObjectIdentifier { key, e_tag, .. }) in delete.objects.into_iter().enumerate() {
            let e_tag = self.strict.conditions.delete_batch.take(e_tag)?;
            let allowed = move |object: Option<&Object>| match (e_tag, object) {
                _ if index < failing => {
                    Err(s3_error!(InternalError, "We encountered an internal error. Please try again."))
                }
                (Some(tag), Some(object)) if !tag_matches(&tag, object) => {
                    Err(S3Error::with_message(S3ErrorCode::PreconditionFailed, "The ETag is another"))
                }
                (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
                _ => Ok(()),
            };
            match self.namespace.remove(&bucket, &self.key(&key), allowed).await {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key: Some(key),
                    version_id: None,
                }),
            }
        }
        let deleted = (!quiet).then_some(deleted);
        answer(DeleteObjectsOutput { deleted, errors: Some(errors), request_charged: None })
    }
}
