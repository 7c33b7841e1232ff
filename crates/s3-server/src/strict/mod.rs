//! Refusals and habits that real providers are known for.
//!
//! A profile is data: [`Strict`] with its switches, one function a provider in `rows.rs`. What can be told from the head
//! of a request is refused in `requests.rs`, before the operation begins; the rest is asked for by the operations.
//! All of it stands in for clouds that a test cannot reach. It says what was read about them, not what they do today.

mod refusal;
mod requests;
mod rows;

pub use refusal::Refusal;
pub(crate) use refusal::{Refused, xml};
pub(crate) use requests::{Elsewhere, Inspection};

use crate::limits::Limits;

/// What the server refuses, ignores or does otherwise than S3 at its most willing, which is the default.
///
/// A HEAD on a link that was signed for GET is refused always, as the signature does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one provider's habit, and they are combined freely")]
pub struct Strict {
    /// A bucket in the path.
    pub path_style: Option<Refusal>,
    /// A bucket in the host, below one of the server's domains. Bound hosts are another thing.
    pub host_style: Option<Refusal>,
    /// A signed URL that comes with an Authorization header, of whatever scheme, is 400 `InvalidArgument`, as on AWS.
    pub one_auth: bool,
    /// Which region the scope of a signature may name.
    pub regions: Regions,
    /// A session token.
    pub session_token: Option<Refusal>,
    /// The `x-id` that the AWS SDKs put in a query.
    pub x_id: Option<Refusal>,
    /// Accept-Encoding among the signed headers, which a front end rewrites so that the signature does not fit.
    pub signed_accept_encoding: Option<Refusal>,
    /// A POST or PUT without Content-Length, also an empty one.
    pub length_missing: Option<Refusal>,
    /// Checksums other than Content-MD5.
    pub checksums: Checksums,
    /// Listings.
    pub listing: Listing,
    /// DeleteObjects.
    pub deletes: Deletes,
    /// CopyObject and UploadPartCopy.
    pub copies: Copies,
    /// The parts of an upload but the last must be of one size, and the last not larger.
    pub equal_parts: Option<Refusal>,
    /// Conditions on writes and on the source of a copy. Those of a read are always honoured.
    pub conditions: Conditions,
    /// An ACL given with a write.
    pub acl: Option<Refusal>,
    /// The CORS calls of a bucket.
    pub cors: Option<Refusal>,
    /// The other calls that ask for a bucket's settings: location, versioning.
    pub bucket_settings: Option<Refusal>,
    /// Keys are made NFC (Unicode TR 15), so a decomposed twin is the same object.
    pub nfc_keys: bool,
    /// A second write of one key within a second; 429 `TooManyRequests` on R2, see [`Strict::R2_HASTY_WRITE`].
    pub hasty_write: Option<Refusal>,
    /// Objects from the default host are for saving only: the name of the header field that says so. They come with
    /// `Content-Disposition: attachment`, whatever the link asked for. A bound host has no such rule.
    pub forced_download: Option<&'static str>,
    /// Sizes and counts. [`Builder::limits`](crate::Builder::limits) has the last word, for tests without gigabytes.
    pub limits: Limits,
}

/// Which region the scope of a signature may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Regions {
    /// Any word.
    #[default]
    Any,
    /// The server's. Another is 400 with the right one in `<Region>`, as on AWS.
    Own,
    /// The server's. Another gets no hint.
    OwnElse(Refusal),
    /// One of these words.
    OneOf(&'static [&'static str], Refusal),
}

/// Checksums in `x-amz-checksum-*` and in `aws-chunked` bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// Any `x-amz-checksum-*` or `x-amz-sdk-checksum-algorithm`.
    pub header: Option<Refusal>,
    /// A checksum behind the body: `STREAMING-UNSIGNED-PAYLOAD-TRAILER`, `x-amz-trailer`, or `aws-chunked` without
    /// signed chunks.
    pub trailer: Option<Refusal>,
    /// A body in signed chunks: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.
    pub signed_chunks: Option<Refusal>,
    /// Content-MD5 together with an `x-amz-checksum-*`.
    pub two_at_once: Option<Refusal>,
}

impl Checksums {
    /// None of them is taken.
    pub const REFUSED: Self = Self {
        header: Some(Refusal::NOT_IMPLEMENTED),
        trailer: Some(Refusal::NOT_IMPLEMENTED),
        signed_chunks: Some(Refusal::NOT_IMPLEMENTED),
        two_at_once: None,
    };
}

/// Habits of listings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one provider's habit, and they are combined freely")]
pub struct Listing {
    /// ListObjectsV2 is not known. It is answered as ListObjects would be: `continuation-token` and `start-after` are
    /// not looked at, and there is no token for the next page.
    pub only_v1: bool,
    /// `start-after` is not looked at.
    pub ignores_start_after: bool,
    /// `fetch-owner` of ListObjectsV2.
    pub fetch_owner: Option<Refusal>,
    /// `encoding-type` is not looked at: names come as they are, and no `<EncodingType>` is said.
    pub ignores_encoding: bool,
    /// Under `encoding-type=url` common prefixes come as they are.
    pub plain_prefixes: bool,
    /// Under `encoding-type=url` ListObjects does not look at `marker`: every page is the first one.
    pub encoding_loses_marker: bool,
}

/// Rules of DeleteObjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletes {
    /// The call as a whole.
    pub batch: Option<Refusal>,
    /// Which checksum must come with it.
    pub digest: Digest,
    /// More keys than [`Limits::delete_keys`].
    pub too_many: Refusal,
}

impl Default for Deletes {
    fn default() -> Self {
        Self { batch: None, digest: Digest::Optional, too_many: MALFORMED_XML }
    }
}

/// 400, as AWS answers more keys than it takes.
const MALFORMED_XML: Refusal = Refusal::new(
    400,
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
);

/// Which checksum a DeleteObjects must bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Digest {
    /// None.
    #[default]
    Optional,
    /// Content-MD5 or one in `x-amz-checksum-*`; 400 `InvalidRequest` without, as on AWS.
    Any,
    /// Content-MD5; 400 `InvalidRequest` without.
    Md5,
}

/// Rules of copies. The largest sizes are in [`Limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// UploadPartCopy.
    pub part_copy: Option<Refusal>,
    /// A source that begins with a slash.
    pub leading_slash: Option<Refusal>,
    /// A source whose slash between bucket and key is escaped.
    pub escaped_slash: Option<Refusal>,
    /// A source with bytes beyond ASCII that are not escaped.
    pub plain_non_ascii: Option<Refusal>,
}

/// How a condition is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// As S3 says.
    #[default]
    Honoured,
    /// As if it had not been sent.
    Ignored,
    /// Refused, whether it holds or not.
    Refused(Refusal),
}

/// The two conditions of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnWrite {
    /// `If-None-Match: *`.
    pub if_none_match: Condition,
    /// `If-Match`.
    pub if_match: Condition,
}

impl OnWrite {
    /// Both alike.
    pub const fn all(condition: Condition) -> Self {
        Self { if_none_match: condition, if_match: condition }
    }
}

/// Conditions, by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// PutObject.
    pub put: OnWrite,
    /// CompleteMultipartUpload.
    pub complete: OnWrite,
    /// The target of CopyObject.
    pub copy: OnWrite,
    /// `cf-copy-destination-if-none-match: *` and `cf-copy-destination-if-match` say the same of the target of
    /// CopyObject, as on R2. Where this is off they are unknown header fields.
    pub cf_copy_destination: bool,
    /// `x-amz-copy-source-if-*` of CopyObject.
    pub copy_source: Condition,
    /// `x-amz-copy-source-if-*` of UploadPartCopy.
    pub part_copy_source: Condition,
    /// If-Match of DeleteObject.
    pub delete: Condition,
    /// The ETag of a key in DeleteObjects.
    pub delete_batch: Condition,
}

impl Conditions {
    /// All that a write can carry alike; those on the source of a copy are honoured.
    pub const fn writes(condition: Condition) -> Self {
        let write = OnWrite::all(condition);
        Self {
            put: write,
            complete: write,
            copy: write,
            cf_copy_destination: false,
            copy_source: Condition::Honoured,
            part_copy_source: Condition::Honoured,
            delete: condition,
            delete_batch: condition,
        }
    }
}
