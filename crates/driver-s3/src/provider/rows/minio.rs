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
        listing: Listing { version: ListVersion::V2, url_encoding: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { write_absent: true, write_matches: true, copy_source: true, ..Conditions::NONE },
    },
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
            "It hides a file that shares its name with a folder of keys.",
        ],
        tested_with: &[],
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
