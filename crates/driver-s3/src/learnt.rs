//! What a storage turned out not to know, whatever its row says.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::provider::{BulkDelete, CopyAbsent, Dialect};

/// Something that a row can promise and a storage not know. Asked for it, it says so and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    WriteAbsent,
    WriteMatches,
    CopyAbsent,
    CopySource,
    ConditionalDelete,
    BulkDelete,
    PartCopy,
}

impl Ability {
    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// What is not known, and what is done instead.
    pub(crate) fn instead(self) -> &'static str {
        match self {
            Self::WriteAbsent => "If-None-Match on writes: davmux looks before it writes (conditional_writes: false)",
            Self::WriteMatches => "If-Match on writes: davmux looks before it writes (conditional_writes: false)",
            Self::CopyAbsent => "a condition on the target of a copy: davmux looks before it copies",
            Self::CopySource => "x-amz-copy-source-if-match: davmux looks at the source before it copies",
            Self::ConditionalDelete => {
                "If-Match on deletions: davmux looks before it deletes (conditional_deletes: false)"
            }
            Self::BulkDelete => "DeleteObjects: keys are deleted one by one (bulk_delete: false)",
            Self::PartCopy => "UploadPartCopy: large files are copied through this server (part_copy: false)",
        }
    }
}

/// What one bucket taught since the start.
#[derive(Debug)]
pub(crate) struct Learnt {
    missing: AtomicU8,
    /// Bytes of the smallest object that was too large for one CopyObject.
    too_large_to_copy: AtomicU64,
}

impl Default for Learnt {
    fn default() -> Self {
        Self { missing: AtomicU8::new(0), too_large_to_copy: AtomicU64::new(u64::MAX) }
    }
}

impl Learnt {
    /// Whether that is news.
    pub(crate) fn lacks(&self, ability: Ability) -> bool {
        self.missing.fetch_or(ability.bit(), Ordering::Relaxed) & ability.bit() == 0
    }

    pub(crate) fn too_large_to_copy(&self, size: u64) {
        self.too_large_to_copy.fetch_min(size, Ordering::Relaxed);
    }

    /// What is left of a dialect.
    pub(crate) fn within(&self, mut dialect: Dialect) -> Dialect {
        let missing = self.missing.load(Ordering::Relaxed);
        let lacks = |ability: Ability| missing & ability.bit() != 0;
        let conditions = &mut dialect.conditions;
        conditions.write_absent &= !lacks(Ability::WriteAbsent);
        conditions.write_matches &= !lacks(Ability::WriteMatches);
        conditions.copy_source &= !lacks(Ability::CopySource);
        conditions.delete &= !lacks(Ability::ConditionalDelete);
        if lacks(Ability::CopyAbsent) {
            conditions.copy_absent = CopyAbsent::No;
        }
        if lacks(Ability::BulkDelete) {
            dialect.bulk_delete = BulkDelete::None;
        }
        dialect.copy.parts &= !lacks(Ability::PartCopy);
        let largest = self.too_large_to_copy.load(Ordering::Relaxed).saturating_sub(1);
        dialect.copy.largest = dialect.copy.largest.min(largest);
        dialect
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Conditions, Provider};

    #[test]
    fn what_was_learnt_is_taken_from_every_row() {
        for row in Provider::all() {
            let learnt = Learnt::default();
            assert_eq!(learnt.within(row.dialect), row.dialect, "{}", row.word);
            for ability in [
                Ability::WriteAbsent,
                Ability::WriteMatches,
                Ability::CopyAbsent,
                Ability::CopySource,
                Ability::ConditionalDelete,
                Ability::BulkDelete,
                Ability::PartCopy,
            ] {
                assert!(learnt.lacks(ability), "news");
                assert!(!learnt.lacks(ability), "known");
            }
            learnt.too_large_to_copy(1000);
            learnt.too_large_to_copy(2000);
            let left = learnt.within(row.dialect);
            assert_eq!((left.conditions, left.bulk_delete), (Conditions::NONE, BulkDelete::None));
            assert_eq!((left.copy.parts, left.copy.largest), (false, 999));
        }
    }
}
