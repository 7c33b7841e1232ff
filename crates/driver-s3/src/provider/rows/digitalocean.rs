use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static DIGITALOCEAN: Provider = Provider {
    word: "digitalocean",
    also: &["spaces"],
    title: "DigitalOcean Spaces",
    endpoint: Some("{region}.digitaloceanspaces.com"),
    hosts: &["{region}.digitaloceanspaces.com"],
    region: None,
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V2, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Unsigned("the CDN of Spaces takes unsigned links of public files"),
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "Whether it checks conditions on writes is not known: they are looked at before.",
            "A CDN host of Spaces goes into `custom_host` with `remove_bucket: true`.",
        ],
        tested_with: &[],
        sources: &[
            "docs.digitalocean.com/products/spaces/reference/s3-compatibility",
            "rclone/rclone backend/s3/provider/DigitalOcean.yaml",
        ],
        example: "\
bucket: your-bucket
region: fra1
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
