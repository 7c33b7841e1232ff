//! What a bucket's answers have taught.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::bucket::Bucket;
use crate::provider::{ListVersion, Provider};

/// What was seen of the answers of one bucket, beyond what its row says.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    unpacks: AtomicBool,
    unsorted: AtomicBool,
    only_v1: AtomicBool,
    prefixes: AtomicU8,
}

/// How a storage says prefixes under `<EncodingType>url</EncodingType>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefixes {
    /// Nobody knows.
    Unknown = 0,
    /// As S3 has it.
    Encoded = 1,
    /// As they are, beside keys that are encoded, as Ceph does (tracker.ceph.com/issues/41870).
    Plain = 2,
}

impl Habits {
    pub(super) fn set_unsorted(&self) {
        self.unsorted.store(true, Ordering::Relaxed);
    }

    /// Whether it unpacks what was stored with gzip.
    pub(crate) fn unpacks(&self) -> bool {
        self.unpacks.load(Ordering::Relaxed)
    }

    pub(crate) fn set_unpacks(&self) {
        self.unpacks.store(true, Ordering::Relaxed);
    }

    /// It answers ListObjectsV2 as ListObjects.
    pub(super) fn set_only_v1(&self, bucket: &str) {
        if !self.only_v1.swap(true, Ordering::Relaxed) {
            tracing::info!(
                bucket,
                "the storage does not know ListObjectsV2; it is listed with ListObjects from now on"
            );
        }
    }

    pub(super) fn set_prefixes(&self, how: Prefixes) {
        self.prefixes.store(how as u8, Ordering::Relaxed);
    }
}

/// Whether the bucket lists keys out of their order, by its row or as seen.
pub(super) fn is_unsorted(bucket: &Bucket) -> bool {
    !bucket.dialect.listing.sorted || bucket.habits.unsorted.load(Ordering::Relaxed)
}

/// How the bucket is asked from its first page on.
pub(super) fn version(bucket: &Bucket) -> ListVersion {
    if bucket.habits.only_v1.load(Ordering::Relaxed) { ListVersion::V1 } else { bucket.dialect.listing.version }
}

/// How the bucket says prefixes in an encoded reply: as seen, or as its row can be trusted to.
pub(super) fn prefixes(bucket: &Bucket) -> Prefixes {
    match bucket.habits.prefixes.load(Ordering::Relaxed) {
        1 => Prefixes::Encoded,
        2 => Prefixes::Plain,
        _ if bucket.dialect.listing.url_encoding && !is_unknown(bucket) => Prefixes::Encoded,
        _ => Prefixes::Unknown,
    }
}

/// Whether nothing is known of the provider.
pub(super) fn is_unknown(bucket: &Bucket) -> bool {
    std::ptr::eq(bucket.provider, Provider::other())
}
