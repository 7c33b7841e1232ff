//! Where S3 draws its lines.

/// Sizes in bytes and counts that S3 sets. Tests lower them to reach the other side without moving gigabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The least size of a part that is not the last (5 MiB).
    pub min_part: u64,
    /// The most that one PutObject or UploadPart takes (5 GiB).
    pub max_put: u64,
    /// The most that one CopyObject takes (5 GiB).
    pub max_copy: u64,
    /// The most that one UploadPartCopy takes (5 GiB).
    pub max_part_copy: u64,
    /// The most parts of an upload (10,000).
    pub max_parts: u16,
    /// The most keys that one DeleteObjects takes (1,000).
    pub delete_keys: usize,
}

impl Limits {
    /// Those of Amazon S3.
    pub const S3: Self = Self {
        min_part: 5 << 20,
        max_put: 5 << 30,
        max_copy: 5 << 30,
        max_part_copy: 5 << 30,
        max_parts: 10_000,
        delete_keys: 1_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::S3
    }
}
