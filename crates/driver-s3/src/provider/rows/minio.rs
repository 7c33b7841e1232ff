use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static MINIO: Provider = Provider {
    word: "minio",
    also: &[],
    title: "MinIO",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { write_absent: true, write_matches: true, copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys::NOT_KNOWN,
    cors: Cors::ByHand(
        "MinIO's free build keeps no CORS rules for a bucket; the server allows every origin unless MINIO_API_CORS_ALLOW_ORIGIN says otherwise",
    ),
    page: Page {
        notes: &[
            "The endpoint is that of the API, usually port 9000; port 9001 is usually the console.",
            "Behind a proxy `custom_host` with `custom_host_presign: true` names the host that clients reach; the proxy must pass the Host header on.",
            "A copy does not look at `If-None-Match` and `If-Match`, and a deletion not at `If-Match`.",
            "A file that another tool puts beside a folder of its name hides the folder from listings; what is in it can still be read.",
            "Uploads in parts that are under way are told for the whole bucket or for one whole key (ListMultipartUploads with any other prefix finds none).",
            "A name has at most 255 bytes; a key with an empty, `.` or `..` segment is refused.",
            "The region that a request is signed for is not checked.",
            "A link is good for GET alone: HEAD on it is 403.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
            "MinIO of 2026-02-12 (v0.0.0-20260212201848-7aac2a2c5b7c), one disk: contract suite, `crates/driver-s3/tests/real`, litmus, cadaver and rclone through davmux",
        ],
        sources: &[
            "rclone/rclone backend/s3/provider/Minio.yaml",
            "apache/opendal core/services/s3/src/compatible_services.md",
        ],
        example: "\
bucket: your-bucket
endpoint: http://127.0.0.1:9000
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
