use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing,
    Page, PartLimits, Provider, Regions,
};

pub(super) static SEAWEEDFS: Provider = Provider {
    word: "seaweedfs",
    also: &[],
    title: "SeaweedFS",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: false },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::IfNoneMatch,
            copy_source: true,
            delete: true,
        },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "Listings come in the order of its directories (`sub/` before `sub-1`), so a folder is read whole before its first entry is shown.",
            "A backslash in a key is taken for a slash, an empty segment is dropped, and a name has at most 255 bytes.",
            "A write into a bucket that is missing makes the bucket when the key is an administrator's (`-s3.autoCreateBucket=false` turns it off).",
            "An ETag comes without its quotes in the answer to a copy.",
            "The region that a request is signed for is not checked.",
            "A link is good for GET alone: HEAD on it is 403.",
        ],
        tested_with: &[
            "SeaweedFS 4.48 (`weed server -s3`): contract suite, `crates/driver-s3/tests/real`, rclone through davmux",
        ],
        sources: &["github.com/seaweedfs/seaweedfs"],
        example: "\
bucket: your-bucket
endpoint: http://127.0.0.1:8333
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
