use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, Dialect, ListVersion, Listing, Page, PartLimits, Provider,
};

/// The careful row: what fails loudly is tried (and done in another way from then on), what can fail silently is not.
pub(in crate::provider) static OTHER: Provider = Provider {
    word: "other",
    title: "Any other S3-compatible service",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V2, url_encoding: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        // Some ignore a condition without a word.
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    session_token: true,
    cors: Cors::S3,
    page: Page {
        notes: &[],
        tested_with: &[],
        sources: &[],
        example: "\
bucket: your-bucket
endpoint: https://s3.example.com
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
