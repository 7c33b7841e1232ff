use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing, Page,
    PartLimits, Provider, Regions,
};

pub(super) static DOGECLOUD: Provider = Provider {
    word: "dogecloud",
    also: &["doge"],
    title: "DogeCloud",
    endpoint: None,
    hosts: &[],
    region: Some("automatic"),
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Host,
        listing: Listing { version: ListVersion::V1, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: true,
    session_token: true,
    custom_hosts: CustomHosts::Unsigned("a CDN host of DogeCloud takes no S3 signatures"),
    keys: Keys::NOT_KNOWN,
    cors: Cors::ByHand("set CORS in DogeCloud's console: object storage, the space, its settings"),
    page: Page {
        notes: &[
            "The keys of its console get temporary keys of Tencent COS, renewed before they end after two hours; endpoint and region come with them.",
            "`bucket` is the space's name, or its name at COS.",
            "No link outlives the temporary key that it was signed with.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
            "the stand-in of its token API",
        ],
        sources: &[
            "AlistGo/alist drivers/s3/doge.go",
            "AlistGo/alist#6273, #6277 (keys that were not renewed)",
            "the row of Tencent COS, where the data is",
        ],
        example: "\
bucket: your-space
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
