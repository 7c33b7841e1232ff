use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static EOS: Provider = Provider {
    word: "eos",
    also: &["139", "chinamobile", "ecloud"],
    title: "China Mobile EOS (139)",
    endpoint: None,
    hosts: &["eos-*.cmecloud.cn"],
    region: Some("us-east-1"),
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Path,
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
            "It behaves like an old Ceph: lists by the old call, without encoding.",
            "Whether it deletes many keys in one call and copies in parts is not known: `bulk_delete: 1000` and `part_copy: true` try it.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "rclone/rclone backend/s3/provider/ChinaMobile.yaml (30 hosts, quirks)",
            "ecloud.10086.cn/op-help-center/doc/article/48082",
        ],
        example: "\
bucket: your-bucket
endpoint: eos-wuxi-1.cmecloud.cn
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
