use crate::provider::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Cors, CustomHosts, Dialect, Keys, ListVersion, Listing,
    Page, PartLimits, Provider, Regions,
};

pub(super) static GARAGE: Provider = Provider {
    word: "garage",
    also: &[],
    title: "Garage",
    endpoint: None,
    hosts: &[],
    region: Some("garage"),
    regions: Regions::Checked,
    dialect: Dialect {
        addressing: Addressing::Path,
        listing: Listing { version: ListVersion::V2, url_encoding: true, sorted: true },
        bulk_delete: BulkDelete::Keys(1000),
        copy: CopyLimits::S3,
        parts: PartLimits::S3,
        conditions: Conditions {
            write_absent: false,
            write_matches: false,
            copy_absent: CopyAbsent::No,
            copy_source: true,
            delete: false,
        },
    },
    exchanges_keys: false,
    session_token: true,
    custom_hosts: CustomHosts::Signed,
    keys: Keys::NOT_KNOWN,
    cors: Cors::S3,
    page: Page {
        notes: &[
            "`If-None-Match` and `If-Match` are ignored on every change, so davmux looks before it writes, copies or deletes, and another writer can slip in between.",
            "A PutObject ends the uploads in parts that are under way for its key.",
            "A part is copied from an object of 5 MiB or more only.",
            "A wrong secret and an unknown access key are both AccessDenied; the message says which.",
            "A request that is signed for another region than `s3_region` is refused.",
            "Keys are kept as they are, whatever is in them.",
            "A link is good for GET alone: HEAD on it is 403.",
        ],
        tested_with: &["Garage 2.5.0, one node: contract suite, `crates/driver-s3/tests/real`, rclone through davmux"],
        sources: &["garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility"],
        example: "\
bucket: your-bucket
endpoint: http://127.0.0.1:3900
region: garage
access_key_id: ${S3_KEY}
secret_access_key: ${S3_SECRET}
",
    },
};
