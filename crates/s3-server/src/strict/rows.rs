//! One profile a provider, from what was read about it. Where nothing was found the profile refuses or ignores, so that
//! a client that passes it asks for nothing that is not known to be there.

use super::{Checksums, Condition, Conditions, Copies, Deletes, Digest, Listing, OnWrite, Refusal, Regions, Strict};
use crate::limits::Limits;

/// A leading slash in the source of a copy (AlistGo/alist#8001 for B2).
const EMPTY_BUCKET: Refusal = Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid: ''");

/// A wholly escaped source of a copy (AlistGo/alist#7980).
const NO_SOURCE: Refusal =
    Refusal::new(400, "InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");

/// A source of a copy that is signed unescaped (AlistGo/alist#7858 for OBS).
const NO_SIGNATURE: Refusal = Refusal::new(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
);

/// Calls that a provider's S3 gate does not list.
const NO_SUCH_CALL: Refusal =
    Refusal::new(501, "NotImplemented", "A request you made implies functionality that is not implemented");

/// A bucket in the host, where hosts do not name buckets: the first segment of the path is taken for it.
const NOT_A_BUCKET: Refusal = Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist");

/// A body without its length (rclone/rclone `backend/s3`, and the live notes of vdavid/cmdr for Google and R2).
const NO_LENGTH: Refusal =
    Refusal::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header.");

/// The limits of S3.
const LIMITS: Limits = Limits::S3;

impl Strict {
    /// Every row: the provider's word in a mounts file, and its profile.
    pub fn rows() -> impl Iterator<Item = (&'static str, Self)> {
        [
            ("amazon", Self::amazon()),
            ("oss", Self::oss()),
            ("cos", Self::cos()),
            ("oos", Self::oos()),
            ("bos", Self::bos()),
            ("kodo", Self::kodo()),
            ("obs", Self::obs()),
            ("jd", Self::jd()),
            ("dogecloud", Self::dogecloud()),
            ("eos", Self::eos()),
            ("upyun", Self::upyun()),
            ("r2", Self::r2()),
            ("b2", Self::b2()),
            ("scaleway", Self::scaleway()),
            ("minio", Self::minio()),
            ("gcs", Self::gcs()),
        ]
        .into_iter()
    }

    /// Amazon S3: one signature a request, its own region, a checksum with DeleteObjects; all conditions.
    pub fn amazon() -> Self {
        Self {
            one_auth: true,
            regions: Regions::Own,
            deletes: Deletes { digest: Digest::Any, ..Deletes::default() },
            ..Self::default()
        }
    }

    /// Alibaba Cloud OSS: path style refused (apache/opendal `core/services/s3/src/compatible_services.md`), trailers
    /// refused (error 0017-00000804 of its user guide), Content-MD5 with DeleteObjects and checksums ignored
    /// (milvus-io/milvus-storage#500), CopyObject up to 1 GB (AlistGo/alist#9389), no CORS call among those that its
    /// compatibility page lists, downloads forced on the default host (0048-00000101; for all types here, for
    /// pictures and pages there). Conditions on writes were not found.
    pub fn oss() -> Self {
        Self {
            path_style: Some(Refusal::new(
                403,
                "SecondLevelDomainForbidden",
                "The bucket you are attempting to access must be addressed using OSS third level domain.",
            )),
            one_auth: true,
            checksums: Checksums {
                trailer: Some(Refusal::new(
                    400,
                    "InvalidArgument",
                    "aws-chunked encoding is not supported with the specified x-amz-content-sha256 value.",
                )),
                ..Checksums::default()
            },
            deletes: Deletes { digest: Digest::Md5, ..Deletes::default() },
            copies: Copies { escaped_slash: Some(NO_SOURCE), ..Copies::default() },
            conditions: Conditions::writes(Condition::Ignored),
            cors: Some(NO_SUCH_CALL),
            forced_download: Some("x-oss-force-download"),
            limits: Limits { max_copy: 1 << 30, ..LIMITS },
            ..Self::default()
        }
    }

    /// Tencent COS: path style refused for buckets since 2024 and downloads forced on the default host (documents
    /// 436/57456 and 436/102489), Content-MD5 with DeleteObjects (Moonlark-Dev/Moonlark#1416). Conditions on writes
    /// were not found.
    pub fn cos() -> Self {
        Self {
            path_style: Some(Refusal::new(
                403,
                "PathStyleDomainForbidden",
                "The bucket you are attempting to access must be addressed using COS virtual-styled domain.",
            )),
            one_auth: true,
            deletes: Deletes { digest: Digest::Md5, ..Deletes::default() },
            conditions: Conditions::writes(Condition::Ignored),
            forced_download: Some("x-cos-force-download"),
            ..Self::default()
        }
    }

    /// Tianyi OOS: nothing but single objects, a listing in version 1 and uploads in parts is known of it.
    pub fn oos() -> Self {
        Self { listing: Listing { ignores_encoding: true, ..Listing::CAREFUL }, ..Self::careful() }
    }

    /// Baidu BOS: both listings without `fetch-owner`, no UploadPartCopy among the calls that its compatibility page
    /// lists (cloud.baidu.com/doc/BOS/s/Njwvyq8ho), CORS calls. Conditions on writes were not found.
    pub fn bos() -> Self {
        Self {
            listing: Listing { fetch_owner: Some(NO_SUCH_CALL), ..Listing::default() },
            deletes: Deletes { digest: Digest::Md5, ..Deletes::default() },
            copies: Copies { part_copy: Some(NO_SUCH_CALL), ..Copies::default() },
            conditions: Conditions::writes(Condition::Ignored),
            ..Self::default()
        }
    }

    /// Qiniu Kodo: `encoding-type` is not supported in either listing (developer.qiniu.com/kodo/4087). Conditions on
    /// writes were not found.
    pub fn kodo() -> Self {
        Self {
            listing: Listing { ignores_encoding: true, ..Listing::default() },
            deletes: Deletes { digest: Digest::Md5, ..Deletes::default() },
            conditions: Conditions::writes(Condition::Ignored),
            ..Self::default()
        }
    }

    /// Huawei OBS: path style refused, version 1 of the listing alone on some buckets and the same page for ever
    /// under `encoding-type` (rclone/rclone `backend/s3/s3.go`, `setQuirks`), Content-MD5 with DeleteObjects, a
    /// checksum header takes the signature's place and fails (PeerDB-io/peerdb#2602), an unescaped source of a copy
    /// does not fit the signature (AlistGo/alist#7858). Conditions on writes were not found.
    pub fn obs() -> Self {
        Self {
            path_style: Some(Refusal::new(
                403,
                "VirtualHostDomainRequired",
                "Virtual host domain is required when access a bucket.",
            )),
            one_auth: true,
            checksums: Checksums {
                header: Some(Refusal::new(
                    400,
                    "XAmzContentSHA256Mismatch",
                    "The provided 'x-amz-content-sha256' header does not match what was computed.",
                )),
                ..Checksums::default()
            },
            listing: Listing { only_v1: true, encoding_loses_marker: true, ..Listing::default() },
            deletes: Deletes { digest: Digest::Md5, ..Deletes::default() },
            copies: Copies { plain_non_ascii: Some(NO_SIGNATURE), ..Copies::default() },
            conditions: Conditions::writes(Condition::Ignored),
            ..Self::default()
        }
    }

    /// JD Cloud: the bucket in the host (docs.jdcloud.com, "endpoint using rulers"); of the rest nothing was found.
    pub fn jd() -> Self {
        Self {
            path_style: Some(Refusal::new(
                403,
                "AccessDenied",
                "The bucket must be addressed as a subdomain of the endpoint.",
            )),
            ..Self::careful()
        }
    }

    /// DogeCloud: a COS bucket behind keys that end after two hours. The keys are the test's part, see
    /// [`Keyring`](crate::Keyring).
    pub fn dogecloud() -> Self {
        Self::cos()
    }

    /// 139 EOS: path style, version 1 without url-encoding (rclone/rclone `backend/s3/provider/ChinaMobile.yaml`), as
    /// an old Ceph gateway, whose common prefixes are not encoded (tracker.ceph.com 41870).
    pub fn eos() -> Self {
        Self {
            host_style: Some(NOT_A_BUCKET),
            listing: Listing { plain_prefixes: true, encoding_loses_marker: true, ..Listing::CAREFUL },
            ..Self::careful()
        }
    }

    /// UpYun's S3 gate: calls on files alone, no session token (help.upyun.com/knowledge-base/s3-api).
    pub fn upyun() -> Self {
        Self {
            session_token: Some(Refusal::new(400, "InvalidArgument", "x-amz-security-token is not supported")),
            bucket_settings: Some(NO_SUCH_CALL),
            ..Self::careful()
        }
    }

    /// Cloudflare R2: path style, three words for the region (jeessy2/backup-x#127 has the refusal), aws-chunked
    /// refused (cloudflare/cloudflare-docs#19236), one checksum at a time (vectordotdev/vector#25803), up to 700 keys in
    /// one DeleteObjects (apache/opendal), equal parts (apache/opendal#2904), no leading slash in the source of a copy
    /// (AlistGo/alist#8083), the copy's target in a header of its own, NFC keys and 411 without a length
    /// (vdavid/cmdr). ACLs are refused (f2face/cloudflare-r2#12). The one write a second that a key may have is
    /// not on: see [`Strict::hasty_write`] and [`Strict::R2_HASTY_WRITE`].
    pub fn r2() -> Self {
        let ignored = OnWrite::all(Condition::Ignored);
        Self {
            one_auth: true,
            regions: Regions::OneOf(
                &["auto", "us-east-1", "", "wnam", "enam", "weur", "eeur", "apac", "oc"],
                Refusal::new(
                    400,
                    "InvalidRegionName",
                    "The region name is not valid. Must be one of: wnam, enam, weur, eeur, apac, oc, auto",
                ),
            ),
            length_missing: Some(NO_LENGTH),
            checksums: Checksums {
                header: None,
                trailer: Some(Refusal::new(
                    501,
                    "NotImplemented",
                    "STREAMING-UNSIGNED-PAYLOAD-TRAILER not implemented",
                )),
                signed_chunks: Some(Refusal::new(
                    501,
                    "NotImplemented",
                    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD not implemented",
                )),
                two_at_once: Some(Refusal::new(
                    400,
                    "InvalidRequest",
                    "You can only specify one non-default checksum at a time.",
                )),
            },
            deletes: Deletes {
                digest: Digest::Any,
                too_many: Refusal::new(500, "InternalError", "We encountered an internal error. Please try again."),
                batch: None,
            },
            copies: Copies {
                leading_slash: Some(Refusal::new(400, "InvalidArgument", "Invalid Argument: copy source bucket name")),
                ..Copies::default()
            },
            equal_parts: Some(Refusal::new(400, "InvalidPart", "All non-trailing parts must have the same length.")),
            conditions: Conditions {
                copy: ignored,
                cf_copy_destination: true,
                // cloudflare/cloudflare-docs#32458 lists them as unsupported.
                part_copy_source: Condition::Ignored,
                delete: Condition::Ignored,
                delete_batch: Condition::Ignored,
                ..Conditions::default()
            },
            acl: Some(Refusal::new(501, "NotImplemented", "Header 'x-amz-acl' not implemented")),
            nfc_keys: true,
            limits: Limits { delete_keys: 700, ..LIMITS },
            ..Self::default()
        }
    }

    /// What R2 answers the second write of one key within a second (developers.cloudflare.com/r2, limits).
    pub const R2_HASTY_WRITE: Refusal =
        Refusal::new(429, "TooManyRequests", "Reduce your concurrent request rate for the same object.");

    /// Backblaze B2: its own region, checksum headers refused as until 2025 (iterate-ch/cyberduck#15841), conditions
    /// on writes 501 and no leading slash in the source of a copy (AlistGo/alist#8001). What it says to a wrong region is not
    /// written down anywhere that was found; the text is that of a wrong signature.
    pub fn b2() -> Self {
        Self {
            one_auth: true,
            regions: Regions::OwnElse(Refusal::new(403, "SignatureDoesNotMatch", "Signature validation failed")),
            checksums: Checksums {
                header: Some(Refusal::new(
                    400,
                    "InvalidArgument",
                    "Unsupported header 'x-amz-checksum' received for this API call.",
                )),
                ..Checksums::default()
            },
            copies: Copies { leading_slash: Some(EMPTY_BUCKET), ..Copies::default() },
            conditions: Conditions::writes(Condition::Refused(Refusal::NOT_IMPLEMENTED)),
            ..Self::default()
        }
    }

    /// Scaleway: its own region, and 1,000 parts at most (its page on multipart uploads). Conditions on writes and copies
    /// (its page "Using conditional writes" of July 2026); on deletions none were found.
    pub fn scaleway() -> Self {
        Self {
            one_auth: true,
            regions: Regions::Own,
            deletes: Deletes { digest: Digest::Any, ..Deletes::default() },
            conditions: Conditions {
                delete: Condition::Ignored,
                delete_batch: Condition::Ignored,
                ..Conditions::default()
            },
            limits: Limits { max_parts: 1_000, ..LIMITS },
            ..Self::default()
        }
    }

    /// MinIO: path style unless it is told a domain, its own region; conditions with PutObject and CompleteMultipartUpload
    /// (minio/minio `cmd/object-handlers.go`, `cmd/object-multipart-handlers.go`). CORS is not a bucket's there.
    pub fn minio() -> Self {
        let ignored = OnWrite::all(Condition::Ignored);
        Self {
            host_style: Some(NOT_A_BUCKET),
            one_auth: true,
            regions: Regions::Own,
            deletes: Deletes { digest: Digest::Any, ..Deletes::default() },
            conditions: Conditions {
                copy: ignored,
                delete: Condition::Ignored,
                delete_batch: Condition::Ignored,
                ..Conditions::default()
            },
            cors: Some(NO_SUCH_CALL),
            ..Self::default()
        }
    }

    /// Google Cloud Storage by its XML interface: `x-id` and a signed Accept-Encoding refused (rclone/rclone#6670 and
    /// `setQuirks`), no UploadPartCopy but CopyObject of any size (issuetracker.google.com 323465186), a checksum with
    /// DeleteObjects (milvus-io/milvus-storage#480), 411 without a length and all conditions on writes ignored (vdavid/cmdr).
    /// Its CORS documents have another schema.
    pub fn gcs() -> Self {
        Self {
            one_auth: true,
            x_id: Some(Refusal::new(400, "InvalidArgument", "Invalid query parameter(s): x-id")),
            signed_accept_encoding: Some(NO_SIGNATURE),
            length_missing: Some(NO_LENGTH),
            deletes: Deletes { digest: Digest::Any, ..Deletes::default() },
            copies: Copies { part_copy: Some(NO_SUCH_CALL), ..Copies::default() },
            conditions: Conditions::writes(Condition::Ignored),
            cors: Some(Refusal::new(
                400,
                "MalformedCORSConfiguration",
                "The CORS document has another schema than that of S3",
            )),
            limits: Limits { max_copy: u64::MAX, ..LIMITS },
            ..Self::default()
        }
    }

    /// A provider of which nothing is known but that it is one: version 1 of the listing, no DeleteObjects, no
    /// UploadPartCopy, no checksum, no condition.
    pub fn careful() -> Self {
        Self {
            one_auth: true,
            checksums: Checksums::REFUSED,
            listing: Listing::CAREFUL,
            deletes: Deletes {
                batch: Some(Refusal::new(
                    405,
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource.",
                )),
                ..Deletes::default()
            },
            copies: Copies {
                part_copy: Some(NO_SUCH_CALL),
                leading_slash: Some(EMPTY_BUCKET),
                escaped_slash: Some(NO_SOURCE),
                plain_non_ascii: Some(NO_SIGNATURE),
            },
            conditions: Conditions {
                copy_source: Condition::Ignored,
                part_copy_source: Condition::Ignored,
                ..Conditions::writes(Condition::Ignored)
            },
            acl: Some(Refusal::NOT_IMPLEMENTED),
            cors: Some(NO_SUCH_CALL),
            ..Self::default()
        }
    }
}

impl Listing {
    /// Version 1 and nothing else.
    const CAREFUL: Self = Self {
        only_v1: true,
        ignores_start_after: true,
        fetch_owner: None,
        ignores_encoding: false,
        plain_prefixes: false,
        encoding_loses_marker: true,
    };
}
