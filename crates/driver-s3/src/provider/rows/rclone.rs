use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing,
    Page, PartLimits, Provider, Regions,
};

pub(super) static RCLONE: Provider = Provider {
    word: "rclone",
    also: &[],
    title: "rclone serve s3",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
    regions: Regions::Any,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::No,
            copy_source: true,
            delete: true,
        },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys::NOT_KNOWN,
    cors: Cors::ByHand("`rclone serve s3` keeps no CORS rules for a bucket; it allows every origin"),
    page: Page {
        notes: &[
            "Objects are files of a folder: a file and a folder of one name exclude each other, and a name has at most 255 bytes (a longer one is an internal error, 500).",
            "Composed and decomposed forms of a folder's name are one folder.",
            "A copy does not look at `If-None-Match` and `If-Match`.",
            "CreateMultipartUpload answers a document of another name than S3's, which davmux reads as well; the ETag of an upload in parts is that of the whole file.",
            "A range of more bytes from the end than there are is 416; davmux then asks for the whole file.",
            "A link does not work together with an `Authorization` header, and not for several ranges at once.",
            "The region that a request is signed for is not checked.",
            "A link is good for GET alone: HEAD on it is 403.",
            "An object that is read while it is replaced may come with the length of the old one and the bytes of the new one.",
        ],
        tested_with: &[
            "rclone v1.76.0 before a folder: contract suite, `crates/driver-s3/tests/real`, rclone through davmux",
        ],
        sources: &["github.com/rclone/rclone cmd/serve/s3", "github.com/rclone/gofakes3 v0.0.12"],
        example: "\
bucket: your-bucket
endpoint: http://127.0.0.1:8080
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
