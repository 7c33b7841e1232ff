use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters, ListVersion,
    Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static COS: Provider = Provider {
    word: "cos",
    also: &["tencent", "tencentcos", "qcloud"],
    title: "Tencent Cloud COS",
    endpoint: Some("cos.{region}.myqcloud.com"),
    hosts: &[
        "cos.accelerate.myqcloud.com",
        "cos.{region}.myqcloud.com",
        "cos-internal.{region}.tencentcos.cn",
        "cos.{region}.tencentcos.cn",
    ],
    region: None,
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Host,
        listing: Listing { version: ListVersion::V1, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Unsigned(
        "a CDN host of COS takes no S3 signatures: leave its links unsigned, with the CDN's own way back to the bucket",
    ),
    keys: Keys {
        id: Some(Form { begins: &["AKID"], lengths: &[], letters: Letters::Any }),
        secret: Some(Form { begins: &[], lengths: &[32], letters: Letters::Any }),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::S3,
    page: Page {
        notes: &[
            "The bucket's name has the account's APPID at its end: `films-1250000000`.",
            "Links to the bucket's own host are answered as a download (`x-cos-force-download`, `Content-Disposition: attachment`) for buckets made since 2024, and .apk and .ipa are refused there: a custom domain avoids both.",
            "`cos.accelerate.myqcloud.com` answers for objects only: it cannot list, so it is no endpoint; it can be a `custom_host`.",
            "Conditions on writes are looked at before the write: whether COS checks them over S3 is not known.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "tencentcloud.com/document/product/436/57456, 436/102489",
            "rclone/rclone backend/s3/provider/TencentCOS.yaml",
            "Moonlark-Dev/Moonlark#1416 (Content-MD5, both list versions)",
            "ddcat-ai/open-ai-canvas#226 (a CDN host takes no signature)",
        ],
        example: "\
bucket: your-bucket-1250000000
region: ap-guangzhou
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
