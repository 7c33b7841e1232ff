use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters, ListVersion,
    Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static KODO: Provider = Provider {
    word: "kodo",
    also: &["qiniu"],
    title: "Qiniu Kodo",
    endpoint: Some("s3.{region}.qiniucs.com"),
    hosts: &["s3.{region}.qiniucs.com", "s3-{region}.qiniucs.com"],
    region: None,
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Unsigned("a domain bound to a Kodo bucket takes Kodo's own signatures, not those of S3"),
    keys: Keys {
        id: Some(Form { begins: &[], lengths: &[40], letters: Letters::Base64 }),
        secret: Some(Form { begins: &[], lengths: &[40], letters: Letters::Base64 }),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::S3,
    page: Page {
        notes: &[
            "`bucket` is the \"S3 space name\" of the console, which can differ from the space's name.",
            "Its S3 hosts answer nothing that is not signed, not even of a public space: a public domain goes into `custom_host`.",
            "It ignores `encoding-type`.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "developer.qiniu.com/kodo/4087/compatible-s3-api",
            "developer.qiniu.com/kodo/4088/s3-access-domainname",
            "rclone/rclone backend/s3/provider/Qiniu.yaml",
        ],
        example: "\
bucket: your-bucket
region: cn-east-1
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
