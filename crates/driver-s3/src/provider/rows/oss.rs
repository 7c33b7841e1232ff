use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters, ListVersion,
    Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static OSS: Provider = Provider {
    word: "oss",
    also: &["aliyun", "alibaba"],
    title: "Alibaba Cloud OSS",
    endpoint: Some("oss-{region}.aliyuncs.com"),
    hosts: &[
        "oss-accelerate.aliyuncs.com",
        "oss-accelerate-overseas.aliyuncs.com",
        "s3.oss-accelerate.aliyuncs.com",
        "s3.oss-{region}-internal.aliyuncs.com",
        "s3.oss-{region}.aliyuncs.com",
        "oss-{region}-internal.aliyuncs.com",
        "oss-{region}.aliyuncs.com",
    ],
    region: None,
    regions: Regions::Named { prefix: "oss-" },
    dialect: Dialect {
        addressing: Addressing::Host,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits { largest: 1_000_000_000, parts: true },
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys {
        id: Some(Form { begins: &["LTAI", "STS."], lengths: &[], letters: Letters::Any }),
        secret: Some(Form { begins: &[], lengths: &[30, 44], letters: Letters::Any }),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::ByHand("OSS sets CORS by its own API: console, bucket, Data Security, CORS; or `ossutil cors`"),
    page: Page {
        notes: &[
            "Links to the bucket's own host are answered as a download (`x-oss-force-download`, `Content-Disposition: attachment`) for images since 2019 and for more types since December 2025, and .apk and .ipa are refused there: a custom domain bound to the bucket avoids both.",
            "With a hotlink protection an empty Referer must be allowed: a redirect carries none.",
            "The region may be written as the endpoint: `oss-cn-hangzhou` or `oss-cn-hangzhou.aliyuncs.com`.",
            "A bucket with a dot in its name cannot be used over https.",
            "Objects over 1 GB are copied in parts.",
            "Conditions on writes are looked at before the write: whether OSS checks them over S3 is not known.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "help.aliyun.com/en/oss/developer-reference/compatibility-with-amazon-s3",
            "help.aliyun.com/en/oss/developer-reference/uploadpartcopy",
            "help.aliyun.com 0048-00000101, 0048-00000114, map-custom-domain-names-5 (forced download)",
            "alibabacloud.com/help/en/oss/user-guide/0017-00000804 (trailers refused)",
            "apache/opendal core/services/s3/src/compatible_services.md",
            "rclone/rclone backend/s3/provider/Alibaba.yaml",
            "AlistGo/alist#9389 (1 GB)",
            "milvus-io/milvus-storage#500 (Content-MD5)",
        ],
        example: "\
bucket: your-bucket
region: cn-hangzhou
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
