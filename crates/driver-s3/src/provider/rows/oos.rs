use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static OOS: Provider = Provider {
    word: "oos",
    also: &["ctyun", "tianyi"],
    title: "Tianyi Cloud OOS",
    endpoint: Some("oos-{region}.ctyunapi.cn"),
    hosts: &["oos-{region}.ctyunapi.cn"],
    region: None,
    regions: Regions::Named { prefix: "oos-" },
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V1, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::None,
        copy: CopyLimits { parts: false, ..CopyLimits::S3 },
        parts: PartLimits::S3,
        conditions: Conditions::NONE,
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::NotKnown,
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
            "code of several clients that build https://oos-<region>.ctyunapi.cn and sign SigV4 for the region",
            "ctyun.cn/document/10026693/10027878 (list of endpoints)",
        ],
        example: "\
bucket: your-bucket
region: cn
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
