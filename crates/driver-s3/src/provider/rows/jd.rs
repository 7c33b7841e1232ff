use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static JD: Provider = Provider {
    word: "jd",
    also: &["jdcloud"],
    title: "JD Cloud OSS",
    endpoint: Some("s3.{region}.jdcloud-oss.com"),
    hosts: &["s3.{region}.jdcloud-oss.com", "s3-internal.{region}.jdcloud-oss.com"],
    region: None,
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Host,
        listing: Listing { version: ListVersion::V1, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::None,
        copy: CopyLimits { parts: false, ..CopyLimits::S3 },
        parts: PartLimits::S3,
        conditions: Conditions::NONE,
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "Little is known of it: lists by the old call, deletes key by key, and streams what is larger than one copy takes. `list_object_version: v2`, `bulk_delete: 1000` and `part_copy: true` try more.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "docs.jdcloud.com/cn/object-storage-service/endpoint-using-rulers",
            "docs.jdcloud.com/cn/object-storage-service/oss-endpont-list",
        ],
        example: "\
bucket: your-bucket
region: cn-north-1
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
