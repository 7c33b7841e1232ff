//! [`Dialect`]: how a provider speaks S3. What [`Overrides`] has of it can be set for one mount.

use davmux_driver::When;

/// How a provider speaks S3, as far as providers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Where the bucket stands in a URL.
    pub addressing: Addressing,
    /// How it lists.
    pub listing: Listing,
    /// Whether it deletes many keys in one call.
    pub bulk_delete: BulkDelete,
    /// What it copies by itself.
    pub copy: CopyLimits,
    /// Uploads in parts.
    pub parts: PartLimits,
    /// Which conditions it checks in one step with a change.
    pub conditions: Conditions,
}

/// Where the bucket stands in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// In the path alone.
    Path,
    /// In the host alone.
    Host,
    /// In either; in the host where its name is one DNS label.
    Either,
}

/// How a listing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// ListObjects or ListObjectsV2.
    pub version: ListVersion,
    /// Whether `encoding-type=url` is asked for. Without it a key that XML cannot say makes a listing an error.
    pub url_encoding: bool,
    /// Whether keys come in the order of their bytes. If not, a folder is read whole before any of it is passed on.
    pub sorted: bool,
}

/// ListObjects or ListObjectsV2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListVersion {
    /// ListObjects, which goes on behind a key.
    V1,
    /// ListObjectsV2, which goes on at a token.
    V2,
}

/// Whether a provider deletes many keys in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkDelete {
    /// DeleteObjects of so many keys at most, with Content-MD5.
    Keys(usize),
    /// DeleteObject, key by key.
    None,
}

/// What CopyObject and UploadPartCopy take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyLimits {
    /// The largest object in bytes that one CopyObject takes.
    pub largest: u64,
    /// Whether larger ones can be copied in parts; if not they are streamed through here.
    pub parts: bool,
}

/// Uploads in parts. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartLimits {
    /// The least part that is not the last.
    pub least: u64,
    /// The largest part, and the largest PutObject.
    pub largest: u64,
    /// The most parts of one upload.
    pub most: u64,
    /// All parts but the last must have one size.
    pub equal: bool,
    /// The largest object, in however many parts.
    pub object: u64,
}

/// Conditions that are checked in one step with the change. What is not is looked at before, and another process can
/// slip in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// `If-None-Match: *` on PutObject and CompleteMultipartUpload.
    pub write_absent: bool,
    /// `If-Match` on PutObject and CompleteMultipartUpload.
    pub write_matches: bool,
    /// How CopyObject is told that its target must be absent.
    pub copy_absent: CopyAbsent,
    /// `x-amz-copy-source-if-match` on CopyObject and UploadPartCopy.
    pub copy_source: bool,
    /// `If-Match` on DeleteObject and the ETag of a key in DeleteObjects.
    pub delete: bool,
}

/// How CopyObject is told that its target must be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyAbsent {
    /// It cannot be told.
    No,
    /// `If-None-Match: *`
    IfNoneMatch,
    /// `cf-copy-destination-if-none-match: *` (developers.cloudflare.com/r2/api/s3/extensions).
    Cloudflare,
}

/// What a mount says instead of its provider's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// [`Dialect::addressing`]
    pub addressing: Option<Addressing>,
    /// [`Listing::version`]
    pub list_version: Option<ListVersion>,
    /// [`Listing::url_encoding`]
    pub list_url_encoding: Option<bool>,
    /// [`Dialect::bulk_delete`]
    pub bulk_delete: Option<BulkDelete>,
    /// [`CopyLimits::largest`]
    pub copy_largest: Option<u64>,
    /// [`CopyLimits::parts`]
    pub copy_parts: Option<bool>,
    /// [`PartLimits::most`]
    pub parts_most: Option<u64>,
    /// [`PartLimits::equal`]
    pub parts_equal: Option<bool>,
    /// All of [`Conditions`] that a write has: `write_absent` and `write_matches`.
    pub write_conditions: Option<bool>,
    /// [`Conditions::delete`]
    pub delete_conditions: Option<bool>,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl PartLimits {
    /// Those that most providers took over from S3: 5 MiB to 5 GiB, 10,000 parts, 5 TiB (Amazon S3 User Guide, "Multipart
    /// upload limits", before December 2025).
    pub const S3: Self = Self { least: 5 * MIB, largest: 5 * GIB, most: 10_000, equal: false, object: 5 << 40 };
}

impl CopyLimits {
    /// Those of S3: 5 GB in one call, more in parts.
    pub const S3: Self = Self { largest: 5_000_000_000, parts: true };
}

impl Conditions {
    /// None at all.
    pub const NONE: Self = Self {
        write_absent: false,
        write_matches: false,
        copy_absent: CopyAbsent::No,
        copy_source: false,
        delete: false,
    };

    /// Whether a write checks this condition itself.
    pub(crate) fn on_writes(self, when: &When) -> bool {
        match when {
            When::Always => true,
            When::Absent => self.write_absent,
            When::Matches(_) => self.write_matches,
        }
    }
}

impl Dialect {
    /// The dialect with what a mount says instead.
    #[must_use]
    pub fn with(mut self, overrides: &Overrides) -> Self {
        fn set<T: Copy>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(&mut self.addressing, overrides.addressing);
        set(&mut self.listing.version, overrides.list_version);
        set(&mut self.listing.url_encoding, overrides.list_url_encoding);
        set(&mut self.bulk_delete, overrides.bulk_delete);
        set(&mut self.copy.largest, overrides.copy_largest);
        set(&mut self.copy.parts, overrides.copy_parts);
        set(&mut self.parts.most, overrides.parts_most);
        set(&mut self.parts.equal, overrides.parts_equal);
        set(&mut self.conditions.write_absent, overrides.write_conditions);
        set(&mut self.conditions.write_matches, overrides.write_conditions);
        set(&mut self.conditions.delete, overrides.delete_conditions);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    #[test]
    fn a_mount_sets_single_fields() {
        let row = Provider::named("amazon").unwrap().dialect;
        assert_eq!(row.with(&Overrides::default()), row);
        let overrides = Overrides { list_version: Some(ListVersion::V1), ..Overrides::default() };
        let set = row.with(&overrides);
        assert_eq!(set.listing, Listing { version: ListVersion::V1, ..row.listing });
        assert_eq!(Dialect { listing: row.listing, ..set }, row);
    }
}
