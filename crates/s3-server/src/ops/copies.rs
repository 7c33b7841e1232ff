//! CopyObject and UploadPartCopy.

use std::sync::Arc;

use futures_util::StreamExt as _;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::dto::{self, *};
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::objects::pieces;
use super::{Answered, Kept, Operations, Received, answer, attributes, hex, quoted};
use crate::conditions::{ReadCondition, WriteCondition, timestamp};
use crate::encryption::{self, Side};
use crate::namespace::now;
use crate::store::Object;
use crate::strict::Conditions;

fn source(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, version_id: None } => Ok((bucket, key)),
        _ => Err(s3_error!(NotImplemented, "The source of a copy is a bucket and a key, without a version")),
    }
}

/// Conditions on the target, which s3s does not read for a copy.
fn target_condition(habits: &Conditions, headers: &HeaderMap) -> S3Result<WriteCondition> {
    let read = |name: &str| match headers.get(name) {
        None => Ok(None),
        Some(value) => ETagCondition::parse_http_header(value.as_bytes())
            .map(Some)
            .map_err(|error| s3_error!(error, InvalidArgument, "The header {name} is not an ETag")),
    };
    let mut condition = WriteCondition::read(habits.copy, read("if-none-match")?, read("if-match")?)?;
    if habits.cf_copy_destination {
        condition.if_none_match = condition.if_none_match.or(read("cf-copy-destination-if-none-match")?);
        condition.if_match = condition.if_match.or(read("cf-copy-destination-if-match")?);
    }
    Ok(condition)
}

impl Operations {
    pub(super) async fn copy(&self, request: S3Request<CopyObjectInput>) -> Answered<CopyObjectOutput> {
        let S3Request { input, headers, .. } = request;
        let (source_bucket, source_key) = source(&input.copy_source)?;
        let from = self.namespace.object(source_bucket, &self.key(source_key))?;
        encryption::check_reader(&from, &headers, Side::Source)?;
        let condition = ReadCondition {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        condition.source(self.strict.conditions.copy_source)?.check_source(&from)?;
        let target = target_condition(&self.strict.conditions, &headers)?;
        if from.size > self.strict.limits.max_copy {
            return Err(s3_error!(
                InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy source: {}",
                self.strict.limits.max_copy
            ));
        }
        let replace =
            input.metadata_directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let changes = replace || encryption::said(&headers);
        if !changes && source_bucket == input.bucket && self.key(source_key) == input.key {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata."
            ));
        }
        let attributes = if replace {
            attributes(&headers, input.metadata)?
        } else {
            let mut attributes = from.attributes.clone();
            encryption::keep(&headers, &mut attributes)?;
            attributes
        };
        let kept = Kept::of(&attributes);
        let object = Object {
            key: input.key,
            size: from.size,
            // AWS makes a copy in one piece, so a multipart ETag is lost. Reading it all again only for that is not
            // worth it: no client may rely on either.
            etag: from.etag.clone(),
            modified: now(),
            attributes,
            blobs: from.blobs.clone(),
        };
        let object = self.namespace.put(&input.bucket, object, target, None).await?;
        answer(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: quoted(&object.etag),
                last_modified: Some(timestamp(object.modified)),
                ..CopyObjectResult::default()
            }),
            server_side_encryption: kept.encryption,
            ssekms_key_id: kept.kms_key,
            sse_customer_algorithm: kept.customer_algorithm,
            sse_customer_key_md5: kept.customer_md5,
            ..CopyObjectOutput::default()
        })
    }

    pub(super) async fn part_copy(&self, request: S3Request<UploadPartCopyInput>) -> Answered<UploadPartCopyOutput> {
        let S3Request { input, headers, .. } = request;
        let (source_bucket, source_key) = source(&input.copy_source)?;
        self.check_upload(&input.bucket, &input.key, &input.upload_id, input.part_number, &headers)?;
        let from = self.namespace.object(source_bucket, &self.key(source_key))?;
        encryption::check_reader(&from, &headers, Side::Source)?;
        let condition = ReadCondition {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        condition.source(self.strict.conditions.part_copy_source)?.check_source(&from)?;
        let received = self.copied(&from, input.copy_source_range.as_deref()).await?;
        let etag = hex(&received.md5);
        let modified = self.keep_part(&input.bucket, input.key, input.upload_id, input.part_number, received)?;
        answer(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: quoted(&etag),
                last_modified: Some(timestamp(modified)),
                ..CopyPartResult::default()
            }),
            ..UploadPartCopyOutput::default()
        })
    }

    async fn copied(&self, from: &Arc<Object>, range: Option<&str>) -> S3Result<Received> {
        let range = match range {
            None => 0..from.size,
            // Unlike a GET, it must lie within the source.
            Some(text) => match dto::Range::parse(text) {
                Ok(dto::Range::Int { first, last: Some(last) }) if last < from.size => first..last + 1,
                _ => {
                    return Err(s3_error!(
                        InvalidArgument,
                        "The x-amz-copy-source-range value must be of the form bytes=first-last, within the source"
                    ));
                }
            },
        };
        if range.end - range.start > self.strict.limits.max_part_copy {
            return Err(s3_error!(InvalidRequest, "The specified copy source is larger than a part may be"));
        }
        let mut staging = self.namespace.store().stage().await.map_err(S3Error::internal_error)?;
        let mut hash = Md5::new();
        for (blob, range) in pieces(from, range) {
            let mut data = blob.read(range);
            while let Some(data) = data.next().await {
                let data = data.map_err(S3Error::internal_error)?;
                hash.update(&data);
                staging.write(data).await.map_err(S3Error::internal_error)?;
            }
        }
        let blob = staging.finish().await.map_err(S3Error::internal_error)?;
        Ok(Received { blob, md5: hash.finalize().into() })
    }
}
