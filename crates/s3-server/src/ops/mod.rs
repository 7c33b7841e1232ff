//! The S3 operations, on a [`Namespace`].

mod buckets;
mod copies;
mod lists;
mod objects;
mod uploads;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::StreamExt as _;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use unicode_normalization::UnicodeNormalization as _;

use crate::cors::Cors;
use crate::encryption;
use crate::front::check_md5;
use crate::namespace::Namespace;
use crate::store::{Attributes, Blob};
use crate::strict::Strict;

#[derive(Debug)]
pub(crate) struct Operations {
    namespace: Arc<Namespace>,
    region: String,
    strict: Strict,
    cors: Cors,
    /// Buckets that say they keep versions.
    versioned: BTreeSet<String>,
}

impl Operations {
    pub(crate) fn new(
        namespace: Arc<Namespace>,
        region: String,
        strict: Strict,
        cors: Cors,
        versioned: BTreeSet<String>,
    ) -> Self {
        Self { namespace, region, strict, cors, versioned }
    }

    /// The key as it is kept.
    fn key(&self, key: &str) -> String {
        if self.strict.nfc_keys { key.nfc().collect() } else { key.to_owned() }
    }

    /// Takes a body in, and keeps it only if it is what the client said.
    async fn receive(
        &self,
        body: Option<StreamingBlob>,
        said_length: Option<i64>,
        said_md5: Option<&str>,
        headers: &HeaderMap,
    ) -> S3Result<Received> {
        // A body in aws-chunked has its own length, and may have no Content-Length at all.
        let decoded = headers.get("x-amz-decoded-content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        let said_length = decoded
            .or_else(|| u64::try_from(said_length?).ok())
            .ok_or_else(|| s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header."))?;
        if said_length > self.strict.limits.max_put {
            return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed object size."));
        }
        let mut staging = self.namespace.store().stage().await.map_err(S3Error::internal_error)?;
        let mut hash = Md5::new();
        let mut length = 0;
        if let Some(mut body) = body {
            while let Some(data) = body.next().await {
                let data = data.map_err(wrong_body)?;
                length += data.len() as u64;
                if length > said_length {
                    break;
                }
                hash.update(&data);
                staging.write(data).await.map_err(S3Error::internal_error)?;
            }
        }
        if length != said_length {
            return Err(s3_error!(
                IncompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP header."
            ));
        }
        let md5 = hash.finalize().into();
        if let Some(said) = said_md5 {
            check_md5(said, md5)?;
        }
        let blob = staging.finish().await.map_err(S3Error::internal_error)?;
        Ok(Received { blob, md5 })
    }
}

/// A body that arrived whole.
struct Received {
    blob: Arc<dyn Blob>,
    md5: [u8; 16],
}

/// The error of a body that did not arrive: cut, or not as signed. s3s tells them apart by their text alone.
fn wrong_body(error: s3s::StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut mismatch = S3Error::with_source(code, error);
        mismatch.set_status_code(http::StatusCode::BAD_REQUEST);
        mismatch
    } else if text.contains("SignatureMismatch") {
        S3Error::with_source(S3ErrorCode::SignatureDoesNotMatch, error)
    } else {
        S3Error::with_source(S3ErrorCode::IncompleteBody, error)
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The header fields and the metadata that a write gives its object.
fn attributes(headers: &HeaderMap, metadata: Option<Metadata>) -> S3Result<Attributes> {
    const KEPT: [&str; 5] =
        ["content-type", "cache-control", "content-disposition", "content-encoding", "content-language"];
    let mut attributes = Attributes::default();
    for name in KEPT {
        let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else { continue };
        // It says how the body came, not what it is.
        let value = if name == "content-encoding" {
            value.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect::<Vec<_>>().join(",")
        } else {
            value.to_owned()
        };
        if !value.is_empty() {
            attributes.headers.insert(name.to_owned(), value);
        }
    }
    attributes.headers.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
    attributes.metadata = metadata.unwrap_or_default().into_iter().collect();
    encryption::keep(headers, &mut attributes)?;
    Ok(attributes)
}

/// How an object is kept, as answers tell it. AWS says nothing of the class STANDARD.
struct Kept {
    storage_class: Option<StorageClass>,
    encryption: Option<ServerSideEncryption>,
    kms_key: Option<String>,
    customer_algorithm: Option<String>,
    customer_md5: Option<String>,
}

impl Kept {
    fn of(attributes: &Attributes) -> Self {
        let header = |name: &str| attributes.headers.get(name).cloned();
        let class = header(encryption::STORAGE_CLASS).filter(|class| class != StorageClass::STANDARD);
        Self {
            storage_class: class.map(StorageClass::from),
            encryption: header(encryption::ENCRYPTION).map(ServerSideEncryption::from),
            kms_key: header(encryption::KMS_KEY),
            customer_algorithm: header(encryption::CUSTOMER_ALGORITHM),
            customer_md5: header(encryption::CUSTOMER_MD5),
        }
    }
}

fn quoted(etag: &str) -> Option<ETag> {
    Some(ETag::Strong(etag.to_owned()))
}

/// S3 counts in signed numbers.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

type Answered<T> = S3Result<S3Response<T>>;

fn answer<T>(output: T) -> Answered<T> {
    Ok(S3Response::new(output))
}

/// A request whose key is as it is kept.
macro_rules! keyed {
    ($this:expr, $request:expr) => {{
        let mut request = $request;
        request.input.key = $this.key(&request.input.key);
        request
    }};
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answered<ListBucketsOutput> {
        self.buckets()
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answered<HeadBucketOutput> {
        self.bucket_head(&request.input)
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> Answered<CreateBucketOutput> {
        self.make_bucket(request.input).await
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Answered<GetBucketLocationOutput> {
        self.location(&request.input)
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> Answered<GetBucketVersioningOutput> {
        self.versioning(&request.input)
    }

    async fn put_bucket_cors(&self, request: S3Request<PutBucketCorsInput>) -> Answered<PutBucketCorsOutput> {
        self.set_cors(request.input)
    }

    async fn get_bucket_cors(&self, request: S3Request<GetBucketCorsInput>) -> Answered<GetBucketCorsOutput> {
        self.show_cors(&request.input)
    }

    async fn delete_bucket_cors(&self, request: S3Request<DeleteBucketCorsInput>) -> Answered<DeleteBucketCorsOutput> {
        self.remove_cors(&request.input)
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> Answered<ListObjectsOutput> {
        self.list_v1(request)
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> Answered<ListObjectsV2Output> {
        self.list_v2(request)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Answered<ListMultipartUploadsOutput> {
        self.list_uploads(request.input)
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> Answered<ListPartsOutput> {
        self.parts(keyed!(self, request).input)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answered<HeadObjectOutput> {
        self.head(keyed!(self, request))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answered<GetObjectOutput> {
        self.get(keyed!(self, request))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> Answered<PutObjectOutput> {
        self.put(keyed!(self, request)).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> Answered<DeleteObjectOutput> {
        self.delete(keyed!(self, request).input).await
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> Answered<DeleteObjectsOutput> {
        self.delete_batch(request).await
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answered<CopyObjectOutput> {
        self.copy(keyed!(self, request)).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answered<CreateMultipartUploadOutput> {
        self.begin_upload(keyed!(self, request))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> Answered<UploadPartOutput> {
        self.part(keyed!(self, request)).await
    }

    async fn upload_part_copy(&self, request: S3Request<UploadPartCopyInput>) -> Answered<UploadPartCopyOutput> {
        self.part_copy(keyed!(self, request)).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answered<CompleteMultipartUploadOutput> {
        self.complete(keyed!(self, request).input).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answered<AbortMultipartUploadOutput> {
        self.abort(&keyed!(self, request).input)
    }
}
