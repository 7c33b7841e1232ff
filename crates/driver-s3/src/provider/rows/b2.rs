use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters, ListVersion,
    Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static B2: Provider = Provider {
    word: "b2",
    also: &["backblaze"],
    title: "Backblaze B2",
    endpoint: Some("s3.{region}.backblazeb2.com"),
    hosts: &["s3.{region}.backblazeb2.com"],
    region: None,
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions::NONE,
    },
    exchanges_keys: false,
    session_token: false,
    custom_hosts: CustomHosts::Unsigned("a CDN before B2 takes unsigned links of a public bucket"),
    keys: Keys {
        id: Some(Form { begins: &["00"], lengths: &[25], letters: Letters::Hex }),
        secret: Some(Form { begins: &["K0"], lengths: &[31], letters: Letters::Base64 }),
        not_id: Some((
            Form { begins: &[], lengths: &[12], letters: Letters::Hex },
            "this is the id of B2's master key, which the S3 API does not take; add an application key",
        )),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::B2,
    page: Page {
        notes: &[
            "It needs an application key: `keyID` is the access key id, `applicationKey` the secret. The master key is refused.",
            "The region stands in the endpoint: `s3.us-west-005.backblazeb2.com`.",
            "It takes no conditions on writes (501): they are looked at before.",
            "It keeps versions unless told otherwise: what is deleted is hidden and goes on costing until a lifecycle rule of the bucket removes it.",
            "CORS is set by its native API; `davmux cors` does so.",
            "Control characters in names are refused.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "backblaze.com/docs/cloud-storage-call-the-s3-compatible-api",
            "backblaze.com/docs/cloud-storage-s3-compatible-app-keys",
            "backblaze.com/apidocs/s3-copy-object",
            "vdavid/cmdr crates/cmdr-s3/DETAILS.md (a live account)",
            "iterate-ch/cyberduck#15841 (checksum headers)",
            "AlistGo/alist#8001 (copy source with a leading slash)",
        ],
        example: "\
bucket: your-bucket
endpoint: s3.us-west-005.backblazeb2.com
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
