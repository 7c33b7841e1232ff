use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static BOS: Provider = Provider {
    word: "bos",
    also: &["baidu", "bce"],
    title: "Baidu BOS",
    endpoint: Some("s3.{region}.bcebos.com"),
    hosts: &["s3.{region}.bcebos.com"],
    region: None,
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits { parts: false, ..CopyLimits::S3 },
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
            "With a Referer whitelist an empty Referer must be allowed: a redirect carries none.",
            "UploadPartCopy is not among the calls that Baidu lists: what is over 5 GB is streamed.",
            "Guides disagree whether `s3.<region>.bcebos.com` takes the bucket in its host; it stands in the path.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "cloud.baidu.com/doc/BOS/s/Njwvyq8ho (compatible calls)",
            "intl.cloud.baidu.com/doc/BOS/s/Ck1rk80hn-en (regions and endpoints)",
            "cloud.baidu.com/doc/BOS/s/xjwvyq9l4 (endpoints for S3)",
        ],
        example: "\
bucket: your-bucket
region: bj
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
