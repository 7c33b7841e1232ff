use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static CEPH: Provider = Provider {
    word: "ceph",
    also: &["radosgw"],
    title: "Ceph (radosgw)",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V1, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "It does not encode common prefixes where keys are encoded, so it is listed without encoding.",
            "Newer versions check conditions on writes; older ones do not: `conditional_writes: true` uses them.",
        ],
        tested_with: &[],
        sources: &[
            "rclone/rclone backend/s3/provider/Ceph.yaml",
            "tracker.ceph.com/issues/41870",
            "ceph/ceph#63348 (conditions)",
        ],
        example: "\
bucket: your-bucket
endpoint: https://ceph.example.com
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
