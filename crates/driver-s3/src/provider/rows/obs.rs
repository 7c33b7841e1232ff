use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyLimits, Cors, CustomHosts, Dialect, Form, Keys, Letters, ListVersion,
    Listing, Page, PartLimits, Provider, Regions,
};

pub(super) static OBS: Provider = Provider {
    word: "obs",
    also: &["huawei", "huaweiobs"],
    title: "Huawei Cloud OBS",
    endpoint: Some("obs.{region}.myhuaweicloud.com"),
    hosts: &["obs.{region}.myhuaweicloud.com", "obs.{region}.myhuaweicloud.eu"],
    region: None,
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Host,
        listing: Listing { version: ListVersion::V1, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions { copy_source: true, ..Conditions::NONE },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys {
        id: Some(Form { begins: &[], lengths: &[20], letters: Letters::Upper }),
        secret: Some(Form { begins: &[], lengths: &[40], letters: Letters::Any }),
        ..Keys::NOT_KNOWN
    },
    cors: Cors::S3,
    page: Page {
        notes: &[
            "A parallel file system has no ListObjectsV2, and with `encoding-type` its marker does not move: it is listed by the old call, without encoding.",
            ".apk and .ipa are refused on the default host since 2023-12-30; a custom domain avoids it, and has https only through the CDN.",
            "Conditions on writes are looked at before the write: whether OBS checks them over S3 is not known.",
        ],
        tested_with: &[
            "contract suite and costs of calls at the strict front of this row (`crates/driver-s3/tests/rows.rs`)",
        ],
        sources: &[
            "support.huaweicloud.com/api-obs/obs_04_0082.html (copies up to 5 GB)",
            "rclone/rclone backend/s3/provider/HuaweiOBS.yaml",
            "AlistGo/alist#7858, #7860 (the copy source is signed encoded)",
            "milvus-io/milvus-storage#500, PeerDB-io/peerdb#2602 (no checksums)",
        ],
        example: "\
bucket: your-bucket
region: cn-north-4
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
