//! How large the parts of an upload are.

use crate::provider::PartLimits;

const MIB: u64 = 1 << 20;
/// How many sizes the parts of a file of unknown length may have: after each twentieth of the parts they become twice as
/// large.
const SIZES: u64 = 20;
/// Parts of one fixed size that the memory holds, where all parts must be equal and the length is not known.
const FIXED_IN_MEMORY: u64 = 8;

/// How uploads to one bucket are cut. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// A usual part.
    usual: u64,
    /// What a part must fit into.
    memory: u64,
    limits: PartLimits,
    /// Parts in flight at most.
    pub(crate) parallel: usize,
}

/// Why a file cannot be stored, in words.
pub(crate) type TooLarge = String;

impl Cut {
    pub(crate) fn new(usual: u64, memory: u64, parallel: usize, limits: PartLimits) -> Self {
        let usual = usual.max(limits.least).min(limits.largest).min(memory);
        Self { usual, memory, limits, parallel: parallel.max(1) }
    }

    /// The largest object, whatever the memory.
    pub(crate) fn largest(&self) -> u64 {
        self.limits.object.min(self.limits.most.saturating_mul(self.limits.largest))
    }

    /// Bytes of part `number`, from 1, of a file of this length.
    pub(crate) fn part(&self, number: u64, size: Option<u64>) -> u64 {
        match size {
            // The least that is enough: larger parts only hold more memory.
            Some(size) => {
                self.usual.max(size.div_ceil(self.limits.most).next_multiple_of(MIB)).min(self.limits.largest)
            }
            None if self.limits.equal => self.usual.max((self.memory / FIXED_IN_MEMORY).min(self.limits.largest)),
            None => {
                let doublings = (number - 1) / (self.limits.most / SIZES).max(1);
                let most = self.limits.largest.min(self.memory);
                self.usual.saturating_mul(1 << doublings.min(63)).min(most)
            }
        }
    }

    /// Whether a part of this number may follow, so far as the number is concerned.
    pub(crate) fn has_part(&self, number: u64) -> bool {
        number <= self.limits.most
    }

    /// Whether a file of this length can be stored at all.
    pub(crate) fn check(&self, size: u64) -> Result<(), TooLarge> {
        if size > self.largest() {
            return Err(format!("the largest file that the storage takes has {}", shown(self.largest())));
        }
        let part = self.part(1, Some(size));
        if part > self.memory {
            let (part, memory) = (shown(part), shown(self.memory));
            return Err(format!(
                "a file of this size goes in parts of {part}, and upload_memory is {memory}: raise it"
            ));
        }
        Ok(())
    }

    /// How far a file of unknown length reaches.
    fn reach(&self) -> u64 {
        let parts = (1..=self.limits.most).map(|number| self.part(number, None));
        parts.fold(0, u64::saturating_add).min(self.largest())
    }

    /// What is said of a file of unknown length that does not end.
    pub(crate) fn beyond_reach(&self) -> TooLarge {
        let reach = self.reach();
        let more = if reach < self.largest() {
            "; a client that announces the length, or more upload_memory, gets further"
        } else {
            ""
        };
        format!("a file whose length is not announced can have {} here{more}", shown(reach))
    }
}

/// A size in the largest unit that is not too coarse.
fn shown(bytes: u64) -> String {
    if bytes >= 10 * 1024 * MIB { format!("{} GiB", bytes >> 30) } else { format!("{} MiB", bytes >> 20) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider;

    const GIB: u64 = 1 << 30;
    const TIB: u64 = 1 << 40;
    const USUAL: u64 = 8 * MIB;

    fn cut(memory: u64, limits: PartLimits) -> Cut {
        Cut::new(USUAL, memory, 4, limits)
    }

    fn limits(most: u64, equal: bool) -> PartLimits {
        PartLimits { most, equal, ..PartLimits::S3 }
    }

    /// The parts of a whole file. The last one is what is left.
    fn parts(cut: &Cut, size: u64, known: bool) -> Option<Vec<u64>> {
        let (mut parts, mut left) = (Vec::new(), size);
        while left > 0 {
            let number = parts.len() as u64 + 1;
            if !cut.has_part(number) {
                return None;
            }
            let part = cut.part(number, known.then_some(size)).min(left);
            parts.push(part);
            left -= part;
        }
        Some(parts)
    }

    fn assert_allowed(cut: &Cut, parts: &[u64]) {
        let limits = &cut.limits;
        assert!(parts.len() as u64 <= limits.most);
        if let Some((last, before)) = parts.split_last() {
            assert!(before.iter().all(|part| (limits.least..=limits.largest).contains(part)));
            assert!(*last <= limits.largest);
            if limits.equal {
                assert!(before.iter().all(|part| *part == before[0] && last <= part));
            }
        }
    }

    #[test]
    fn a_known_length_fits_every_row_up_to_its_largest_object() {
        for row in Provider::all() {
            let cut = cut(5 * GIB, row.dialect.parts);
            let largest = cut.largest();
            for size in [1, USUAL, USUAL + 1, 100_000_000, 80_000 * MIB, 80_000 * MIB + 1, 5_000_000_000_000, largest] {
                if size > largest {
                    continue;
                }
                assert_eq!(cut.check(size), Ok(()), "{} {size}", row.word);
                let parts = parts(&cut, size, true).unwrap_or_else(|| panic!("{} {size}", row.word));
                assert_allowed(&cut, &parts);
                assert_eq!(parts.iter().sum::<u64>(), size);
            }
            assert!(cut.check(largest + 1).unwrap_err().contains("largest"), "{}", row.word);
        }
    }

    #[test]
    fn an_unknown_length_reaches_what_is_said_and_not_a_byte_less() {
        for row in Provider::all() {
            for memory in [USUAL, 256 * MIB, 64 * GIB] {
                let cut = cut(memory, row.dialect.parts);
                let reach = cut.reach();
                let parts = parts(&cut, reach, false).unwrap_or_else(|| panic!("{} {memory}", row.word));
                assert_allowed(&cut, &parts);
                assert!(parts.iter().all(|part| *part <= memory), "{} {memory}", row.word);
            }
        }
    }

    #[test]
    fn with_enough_memory_an_unknown_length_reaches_five_terabytes_in_ten_thousand_parts() {
        assert!(cut(2 * GIB, limits(10_000, false)).reach() >= 5 * TIB);
        // All parts equal: the memory says how large they are from the first one on.
        assert!(cut(8 * 525 * MIB, limits(10_000, true)).reach() >= 5 * TIB);
        // 1,000 parts carry 5,000 GiB only if each of them is as large as can be, the first one too.
        let cut = cut(8 * 5 * GIB, limits(1_000, true));
        assert_eq!(cut.reach(), cut.largest());
        assert_eq!(cut.largest(), 5_000 * GIB);
    }

    #[test]
    fn with_the_usual_memory_an_unknown_length_goes_far_enough_for_most() {
        let reach = |most, equal| cut(256 * MIB, limits(most, equal)).reach() / GIB;
        assert_eq!([reach(10_000, false), reach(10_000, true)], [1996, 312]);
        assert_eq!([reach(1_000, false), reach(1_000, true)], [199, 31]);
    }

    #[test]
    fn small_parts_come_first_and_a_hundred_megabytes_are_twelve() {
        let cut = cut(256 * MIB, PartLimits::S3);
        assert_eq!([1, 500, 501, 10_000].map(|number| cut.part(number, None) / MIB), [8, 8, 16, 256]);
        for known in [true, false] {
            assert_eq!(parts(&cut, 100_000_000, known).unwrap().len(), 12, "with begin and end 14 calls");
        }
    }

    #[test]
    fn a_part_that_does_not_fit_the_memory_is_said_when_the_length_is_known() {
        let cut = cut(8 * MIB, PartLimits::S3);
        assert_eq!(cut.check(80_000 * MIB), Ok(()));
        let error = cut.check(80_000 * MIB + 1).unwrap_err();
        assert!(error.contains("parts of 9 MiB") && error.contains("upload_memory is 8 MiB"), "{error}");
        let error = cut.beyond_reach();
        assert!(error.contains("78 GiB") && error.contains("upload_memory"), "{error}");
    }
}
