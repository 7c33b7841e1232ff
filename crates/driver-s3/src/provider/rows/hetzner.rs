use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static HETZNER: Provider = Provider {
    word: "hetzner",
    also: &[],
    title: "Hetzner Object Storage",
    endpoint: Some("{region}.your-objectstorage.com"),
    hosts: &["{region}.your-objectstorage.com"],
    region: None,
    regions: Regions::Any,
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
    custom_hosts: CustomHosts::Unsigned("Hetzner has no custom domains for buckets"),
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "It has customer keys (SSE-C) as its only encryption, and does not copy what is encrypted so.",
            "Hetzner says that a copy may fail although both names are in one place; it is streamed then.",
            "Whether it checks conditions on writes is not known: they are looked at before.",
        ],
        tested_with: &[],
        sources: &[
            "docs.hetzner.com/storage/object-storage/supported-actions",
            "rclone/rclone backend/s3/provider/Hetzner.yaml",
        ],
        example: "\
bucket: your-bucket
region: fsn1
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
