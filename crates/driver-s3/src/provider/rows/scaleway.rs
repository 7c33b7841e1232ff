use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters,
    ListVersion, Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static SCALEWAY: Provider = Provider {
    word: "scaleway",
    also: &["scw"],
    title: "Scaleway",
    endpoint: Some("s3.{region}.scw.cloud"),
    hosts: &["s3.{region}.scw.cloud"],
    region: None,
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits { most: 1_000, ..PartLimits::S3 },
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::IfNoneMatch,
            copy_source: true,
            delete: false,
        },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::NotKnown,
    keys: Keys { id: Some(Form { begins: &["SCW"], lengths: &[20], letters: Letters::Upper }), ..Keys::NOT_KNOWN },
    cors: Cors::S3,
    page: Page {
        notes: &["An upload has 1,000 parts at most: parts are larger than elsewhere."],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "scaleway.com/en/docs/object-storage/api-cli/multipart-uploads",
            "scaleway.com/en/docs/object-storage/api-cli/using-conditional-writes",
            "scaleway.com/en/docs/object-storage/api-cli/using-api-call-list",
            "rclone/rclone backend/s3/provider/Scaleway.yaml",
        ],
        example: "\
bucket: your-bucket
region: fr-par
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
