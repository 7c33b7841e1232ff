use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static UPYUN: Provider = Provider {
    word: "upyun",
    also: &["uss"],
    title: "UpYun (S3 gateway)",
    endpoint: Some("s3.api.upyun.com"),
    hosts: &["s3.api.upyun.com"],
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
    session_token: false,
    custom_hosts: CustomHosts::Unsigned(
        "a domain bound to an UpYun service takes UpYun's own `_upt` token; `driver: upyun` makes such links",
    ),
    keys: Keys::NOT_KNOWN,
    cors: Cors::ByHand("set CORS in UpYun's console"),
    page: Page {
        notes: &[
            "The gateway is switched on for each service in the console, where its keys are made; it takes no session token.",
            "Links on the bound domain and moves inside the storage need UpYun's own API.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &["help.upyun.com/knowledge-base/s3-api"],
        example: "\
bucket: your-service
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
