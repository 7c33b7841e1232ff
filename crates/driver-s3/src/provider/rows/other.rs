use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

/// The careful row: what fails loudly is tried (and done in another way from then on), what can fail silently is not.
pub(in crate::provider) static OTHER: Provider = Provider {
    word: "other",
    also: &[],
    title: "Any other S3-compatible service",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
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
    custom_hosts: CustomHosts::NotKnown,
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "Calls that a service may not know are tried, and done in another way once it says so.",
            "Conditions on writes are looked at before the write, as some services ignore them without a word: `conditional_writes: true` trusts them.",
        ],
        tested_with: &["contract suite at a front that knows the least (`crates/driver-s3/tests/rows.rs`)"],
        sources: &[],
        example: "\
bucket: your-bucket
endpoint: https://s3.example.com
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
