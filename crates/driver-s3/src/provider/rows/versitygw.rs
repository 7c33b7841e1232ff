use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing,
    Page, PartLimits, Provider, Regions,
};

pub(super) static VERSITYGW: Provider = Provider {
    word: "versitygw",
    also: &[],
    title: "versitygw",
    endpoint: None,
    hosts: &[],
    region: Some("us-east-1"),
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: false, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions {
            write_absent: true,
            write_matches: true,
            copy_absent: CopyAbsent::No,
            copy_source: true,
            delete: false,
        },
    },
    exchanges_keys: false,
    session_token: false,
    custom_hosts: CustomHosts::Signed,
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "Objects are files of a folder: a file and a folder of one name exclude each other, a name has at most 255 bytes, and a key with an empty, `.` or `..` segment is the path that the disk makes of it.",
            "A copy does not look at `If-None-Match` and `If-Match`; DeleteObject looks at `If-Match`, DeleteObjects not at the ETag of a key.",
            "`encoding-type=url` is not heeded; a control character in a key comes as U+FFFD in a listing.",
            "A request that is signed for another region than the server's is refused, and the answer names the right one.",
            "An unknown access key is answered with 404 (`XAdminUserNotFound`), which davmux takes for a denial.",
            "A link is good for GET alone: HEAD on it is 403.",
        ],
        tested_with: &[
            "versitygw v1.8.0 on a folder (`posix`): contract suite, `crates/driver-s3/tests/real`, rclone through davmux",
        ],
        sources: &["github.com/versity/versitygw"],
        example: "\
bucket: your-bucket
endpoint: http://127.0.0.1:7070
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
