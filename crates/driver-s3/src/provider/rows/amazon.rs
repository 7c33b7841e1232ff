use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters,
    ListVersion, Listing, Page, PartLimits, Provider, Regions,
};

pub(in crate::provider) static AMAZON: Provider = Provider {
    word: "amazon",
    also: &["aws", "s3", "amazonaws"],
    title: "Amazon S3",
    endpoint: Some("s3.{region}.amazonaws.com"),
    hosts: &[
        "s3-accelerate.amazonaws.com",
        "s3-accelerate.dualstack.amazonaws.com",
        "s3.amazonaws.com",
        "s3.dualstack.{region}.amazonaws.com",
        "s3.dualstack.{region}.amazonaws.com.cn",
        "s3-fips.{region}.amazonaws.com",
        "s3-fips.dualstack.{region}.amazonaws.com",
        "s3.{region}.amazonaws.com",
        "s3.{region}.amazonaws.com.cn",
        "s3-{region}.amazonaws.com",
    ],
    region: Some("us-east-1"),
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Either,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits { object: 10_000 * (5 << 30), ..PartLimits::S3 },
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::IfNoneMatch,
            copy_source: true,
            delete: true,
        },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Unsigned("CloudFront and a public host have no S3 signatures; they take unsigned links"),
    keys: Keys {
        id: Some(Form { begins: &["AKIA", "ASIA"], lengths: &[20], letters: Letters::Upper }),
        secret: Some(Form { begins: &[], lengths: &[40], letters: Letters::Base64 }),
        temporary: Some("ASIA"),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::S3,
    page: Page {
        notes: &[
            "A bucket whose name has a dot is addressed in the path: its host would not fit the certificate.",
            "Without keys the AWS credential chain is asked: environment, profile, shared files, web identity, container, instance.",
            "An id that begins with ASIA belongs to temporary keys and needs `session_token`; links end with such keys.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html",
            "docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html",
            "docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html (10,000 parts of 5 GiB since December 2025)",
            "docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html",
            "rclone/rclone backend/s3/provider/AWS.yaml",
            "vdavid/cmdr crates/cmdr-s3/DETAILS.md (a live account)",
        ],
        example: "\
bucket: your-bucket
region: eu-west-3
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
