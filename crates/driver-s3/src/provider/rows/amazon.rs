use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, Dialect, ListVersion, Listing, Page, PartLimits,
    Provider,
};

pub(super) static AMAZON: Provider = Provider {
    word: "amazon",
    title: "Amazon S3",
    endpoint: Some("s3.{region}.amazonaws.com"),
    hosts: &[
        "s3.{region}.amazonaws.com",
        "s3.{region}.amazonaws.com.cn",
        "s3.dualstack.{region}.amazonaws.com",
        "s3.dualstack.{region}.amazonaws.com.cn",
        "s3.amazonaws.com",
    ],
    region: Some("us-east-1"),
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V2, url_encoding: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        // 10,000 parts of 5 GiB since December 2025, 48.8 TiB.
        parts: PartLimits { object: 10_000 * (5 << 30), ..PartLimits::S3 },
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::IfNoneMatch,
            copy_source: true,
            delete: true,
        },
    },
    session_token: true,
    cors: Cors::S3,
    page: Page {
        notes: &["A bucket whose name has a dot is addressed in the path: its host would not fit the certificate."],
        tested_with: &[],
        sources: &[
            "docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html",
            "docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html",
        ],
        example: "\
bucket: your-bucket
region: eu-west-3
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
