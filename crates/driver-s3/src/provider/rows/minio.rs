use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, Dialect, ListVersion, Listing, Page, PartLimits,
    Provider,
};

pub(super) static MINIO: Provider = Provider {
    word: "minio",
    title: "MinIO",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::No,
            copy_source: true,
            delete: false,
        },
    },
    session_token: true,
    cors: Cors::ByHand("MinIO's free build keeps no CORS rules for a bucket; the server allows every origin"),
    page: Page {
        notes: &[],
        tested_with: &[],
        sources: &[],
        example: "\
bucket: your-bucket
endpoint: http://127.0.0.1:9000
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
