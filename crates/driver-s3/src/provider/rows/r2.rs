use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters,
    ListVersion, Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static R2: Provider = Provider {
    word: "r2",
    also: &["cloudflare"],
    title: "Cloudflare R2",
    endpoint: None,
    hosts: &["*.r2.cloudflarestorage.com"],
    region: Some("auto"),
    regions: Regions::Fixed,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(700),
        copy: CopyLimits::S3,
        parts: PartLimits { equal: true, ..PartLimits::S3 },
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::Cloudflare,
            copy_source: true,
            delete: false,
        },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Unsigned(
        "R2 serves signed links only at its S3 endpoint; a custom domain and r2.dev take unsigned links of a public bucket",
    ),
    keys: Keys {
        id: Some(Form { begins: &[], lengths: &[32], letters: Letters::Hex }),
        secret: Some(Form { begins: &[], lengths: &[64], letters: Letters::Hex }),
        not_secret: Some((
            Form { begins: &[], lengths: &[40, 53], letters: Letters::Base64 },
            "this is an API token (40 characters); R2 shows the secret access key (64 hexadecimal digits) beside it when the token is made",
        )),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::S3,
    page: Page {
        notes: &[
            "The endpoint is `https://ACCOUNT.r2.cloudflarestorage.com`, with `.eu` or `.fedramp` behind ACCOUNT for a bucket of a jurisdiction. R2 shows it with the bucket at its end, which is understood.",
            "The region is always `auto`; location hints such as APAC, WNAM and EEUR are no regions, and are understood as `auto`.",
            "A public bucket (a custom domain, or r2.dev) is named by `custom_host` with `remove_bucket: true`; its links are unsigned and do not expire.",
            "Keys are kept in Unicode NFC: two names that differ only in that are one file.",
            "One key takes one write a second; more are answered 429 and tried again.",
            "A token bound to a bucket answers 403 for a bucket that is not there.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "developers.cloudflare.com/r2/api/s3/api",
            "developers.cloudflare.com/r2/api/s3/conditional-operations",
            "developers.cloudflare.com/r2/api/s3/extensions",
            "developers.cloudflare.com/r2/api/s3/presigned-urls",
            "rclone/rclone backend/s3/provider/Cloudflare.yaml",
            "apache/opendal core/services/s3/src/compatible_services.md (700 keys, equal parts)",
            "vdavid/cmdr crates/cmdr-s3/DETAILS.md (a live account)",
            "AlistGo/alist#6274, #7993 (region APAC, a token as secret)",
        ],
        example: "\
bucket: your-bucket
endpoint: https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
