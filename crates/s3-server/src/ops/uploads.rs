//! Uploads in parts.

use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};
use uuid::Uuid;

use super::{Answered, Kept, Operations, Received, answer, attributes, hex, quoted};
use crate::conditions::WriteCondition;
use crate::encryption;
use crate::namespace::{Part, Upload, no_such_upload, now};
use crate::store::Object;

impl Operations {
    pub(super) fn begin_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answered<CreateMultipartUploadOutput> {
        let S3Request { input, headers, .. } = request;
        let id = Uuid::new_v4().simple().to_string();
        let attributes = attributes(&headers, input.metadata)?;
        let kept = Kept::of(&attributes);
        let upload = Upload { initiated: now(), attributes, parts: std::collections::BTreeMap::new() };
        self.namespace.with_bucket(&input.bucket, |bucket| {
            bucket.uploads.insert((input.key.clone(), id.clone()), upload);
            Ok(())
        })?;
        answer(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            server_side_encryption: kept.encryption,
            ssekms_key_id: kept.kms_key,
            sse_customer_algorithm: kept.customer_algorithm,
            sse_customer_key_md5: kept.customer_md5,
            ..CreateMultipartUploadOutput::default()
        })
    }

    /// Checks that a part may be added to an upload by who sends `headers`.
    pub(super) fn check_upload(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        part: i32,
        headers: &HeaderMap,
    ) -> S3Result<()> {
        let last = i32::from(self.strict.limits.max_parts);
        if !(1..=last).contains(&part) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and {last}, inclusive"));
        }
        let upload = (key.to_owned(), id.to_owned());
        self.namespace.with_bucket(bucket, |bucket| {
            let upload = bucket.uploads.get(&upload).ok_or_else(no_such_upload)?;
            encryption::check_part(&upload.attributes, headers)
        })
    }

    /// Adds a part, if its upload was not ended meanwhile. Answers when, in seconds since 1970.
    pub(super) fn keep_part(
        &self,
        bucket: &str,
        key: String,
        id: String,
        number: i32,
        received: Received,
    ) -> S3Result<i64> {
        let modified = now();
        let part = Part { md5: received.md5, modified, blob: received.blob };
        let replaced = self.namespace.with_bucket(bucket, |bucket| {
            let upload = bucket.uploads.get_mut(&(key, id)).ok_or_else(no_such_upload)?;
            Ok(upload.parts.insert(number, part))
        })?;
        drop(replaced);
        Ok(modified)
    }

    pub(super) async fn part(&self, request: S3Request<UploadPartInput>) -> Answered<UploadPartOutput> {
        let S3Request { input, headers, .. } = request;
        self.check_upload(&input.bucket, &input.key, &input.upload_id, input.part_number, &headers)?;
        let md5 = input.content_md5.as_deref();
        let received = self.receive(input.body, input.content_length, md5, &headers).await?;
        let etag = hex(&received.md5);
        self.keep_part(&input.bucket, input.key, input.upload_id, input.part_number, received)?;
        answer(UploadPartOutput { e_tag: quoted(&etag), ..UploadPartOutput::default() })
    }

    pub(super) async fn complete(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> Answered<CompleteMultipartUploadOutput> {
        let condition = WriteCondition::read(self.strict.conditions.complete, input.if_none_match, input.if_match)?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let upload = (input.key.clone(), input.upload_id.clone());
        let upload = self
            .namespace
            .with_bucket(&input.bucket, |bucket| bucket.uploads.get(&upload).cloned().ok_or_else(no_such_upload))?;
        if named.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        let invalid_part = || {
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
                 specified entity tag may not match the part's entity tag."
            )
        };
        let mut hash = Md5::new();
        let mut blobs: Vec<std::sync::Arc<dyn crate::store::Blob>> = Vec::with_capacity(named.len());
        let mut before = 0;
        let mut size = 0;
        for part in &named {
            let number = part.part_number.ok_or_else(invalid_part)?;
            if number <= before {
                return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
            }
            before = number;
            let stored = upload.parts.get(&number).ok_or_else(invalid_part)?;
            if part.e_tag.as_ref().is_none_or(|tag| tag.value() != hex(&stored.md5)) {
                return Err(invalid_part());
            }
            hash.update(stored.md5);
            size += stored.blob.size();
            blobs.push(std::sync::Arc::clone(&stored.blob));
        }
        if blobs.iter().rev().skip(1).any(|blob| blob.size() < self.strict.limits.min_part) {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed object size."
            ));
        }
        if let Some(refusal) = self.strict.equal_parts
            && let [others @ .., last] = blobs.as_slice()
            && let Some(first) = others.first()
            && (others.iter().any(|blob| blob.size() != first.size()) || last.size() > first.size())
        {
            return Err(refusal.into());
        }
        if input.mpu_object_size.is_some_and(|said| u64::try_from(said) != Ok(size)) {
            return Err(s3_error!(InvalidRequest, "The provided x-amz-mp-object-size does not match the parts"));
        }
        let object = Object {
            key: input.key,
            size,
            etag: format!("{}-{}", hex(&hash.finalize()), named.len()),
            modified: now(),
            attributes: upload.attributes,
            blobs,
        };
        let kept = Kept::of(&object.attributes);
        let object = self.namespace.put(&input.bucket, object, condition, Some(input.upload_id)).await?;
        answer(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, crate::listing::encode(&object.key))),
            bucket: Some(input.bucket),
            key: Some(object.key.clone()),
            e_tag: quoted(&object.etag),
            server_side_encryption: kept.encryption,
            ssekms_key_id: kept.kms_key,
            ..CompleteMultipartUploadOutput::default()
        })
    }

    pub(super) fn abort(&self, input: &AbortMultipartUploadInput) -> Answered<AbortMultipartUploadOutput> {
        let upload = (input.key.clone(), input.upload_id.clone());
        let aborted = self
            .namespace
            .with_bucket(&input.bucket, |bucket| bucket.uploads.remove(&upload).ok_or_else(no_such_upload))?;
        drop(aborted);
        answer(AbortMultipartUploadOutput::default())
    }
}
