use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static WASABI: Provider = Provider {
    word: "wasabi",
    also: &[],
    title: "Wasabi",
    endpoint: Some("s3.{region}.wasabisys.com"),
    hosts: &["s3.wasabisys.com", "s3.{region}.wasabisys.com"],
    region: Some("us-east-1"),
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::NotKnown,
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &["Whether it checks conditions on writes is not known: they are looked at before."],
        tested_with: &[],
        sources: &[
            "rclone/rclone backend/s3/provider/Wasabi.yaml",
            "apache/opendal core/services/s3/src/compatible_services.md",
        ],
        example: "\
bucket: your-bucket
region: eu-central-1
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
