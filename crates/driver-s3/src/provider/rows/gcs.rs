use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters, ListVersion,
    Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static GCS: Provider = Provider {
    word: "gcs",
    also: &["google", "googlecloud"],
    title: "Google Cloud Storage",
    endpoint: Some("storage.googleapis.com"),
    hosts: &["storage.googleapis.com"],
    region: Some("auto"),
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits { largest: PartLimits::S3.object, parts: false },
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: false,
    custom_hosts: CustomHosts::Unsigned(
        "a load balancer or CDN before a bucket takes unsigned links of a public bucket",
    ),
    keys: Keys {
        id: Some(Form { begins: &["GOOG"], lengths: &[24, 61], letters: Letters::Any }),
        secret: Some(Form { begins: &[], lengths: &[40], letters: Letters::Base64 }),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::ByHand(
        "Google's CORS document is not that of S3: `gcloud storage buckets update gs://BUCKET --cors-file=FILE`",
    ),
    page: Page {
        notes: &[
            "It needs an HMAC key: Cloud Storage, Settings, Interoperability.",
            "It ignores conditions on writes and deletions without a word: they are looked at before.",
            "One CopyObject takes an object of any size, and there is no UploadPartCopy.",
            "Carriage return and line feed in names are refused.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "cloud.google.com/storage/docs/interoperability",
            "rclone/rclone backend/s3/provider/GCS.yaml",
            "rclone/rclone#6670 (Accept-Encoding must not be signed)",
            "issuetracker.google.com/issues/323465186 (no UploadPartCopy)",
            "milvus-io/milvus-storage#480",
            "vdavid/cmdr crates/cmdr-s3/DETAILS.md (a live account: conditions ignored, 1,000 keys deleted at once)",
        ],
        example: "\
bucket: your-bucket
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
