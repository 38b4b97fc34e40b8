//! The results that a column gave lately: most columns say the same few things over and over, and
//! looking an input up is several times as fast as taking its steps and its type again.
//!
//! A direct-mapped table: each input has one slot, and a later input replaces an earlier one. So
//! memory is bounded, and a column of few values touches few slots.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// How many results are kept.
const SLOTS: usize = 8_192;
/// How many at first: clearing all slots costs more than a short input.
const FIRST_SLOTS: usize = 256;
/// Number of inputs after which there are as many slots as can be.
const FULL_AFTER: u32 = 1_024;
/// A slot is one cache line.
const SLOT: usize = 64;
/// The bytes of a slot before input and result: whether it is used and the flags, both lengths, and
/// four bytes of the hash.
const HEAD: usize = 8;
/// Number of inputs after which the benefit is measured.
const JUDGED_AFTER: u32 = 8_192;

/// Marks a slot that holds something.
const USED: u8 = 1;
/// Bits of flags after a result.
const FLAGS: u8 = 1;

/// Results of one column.
#[derive(Debug)]
pub(super) struct Recent {
    hasher: FixedState,
    slots: Vec<[u8; SLOT]>,
    looked: u32,
    found: u32,
}

/// Slot of an input's result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(u64);

impl Recent {
    pub(super) fn new() -> Self {
        let hasher = FixedState::with_seed(0x7265_6365_6e74);
        Self { hasher, slots: vec![[0; SLOT]; FIRST_SLOTS], looked: 0, found: 0 }
    }

    /// True while remembering pays: after a first lot of inputs, one in two must have been found.
    pub(super) fn pays(&mut self) -> bool {
        if self.looked < JUDGED_AFTER {
            return true;
        }
        let pays = self.found >= JUDGED_AFTER / 2;
        (self.looked, self.found) = (0, 0);
        pays
    }

    /// Appends the result for `input` to `out` and returns its flags, or the slot in which to
    /// [`keep`](Self::keep) it.
    #[inline]
    pub(super) fn find(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<u8, Slot> {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(input);
        let hash = hasher.finish();
        self.looked += 1;
        let slot = &self.slots[hash as usize % self.slots.len()];
        let (middle, end) = (HEAD + usize::from(slot[1]), HEAD + usize::from(slot[2]));
        let tag = (hash >> 32) as u32;
        if slot[0] & USED == 0
            || slot[4..8] != tag.to_le_bytes()
            || slot.get(HEAD..middle) != Some(input)
        {
            return Err(Slot(hash));
        }
        out.extend_from_slice(slot.get(middle..end).unwrap_or_default());
        self.found += 1;
        Ok(slot[0] >> FLAGS)
    }

    /// Keeps the `result` and at most seven `flags` for `input`, if they are short enough.
    #[inline]
    pub(super) fn keep(&mut self, slot: Slot, input: &[u8], result: &[u8], flags: u8) {
        let (middle, end) = (HEAD + input.len(), HEAD + input.len() + result.len());
        if end > SLOT {
            return;
        }
        if self.looked >= FULL_AFTER && self.slots.len() < SLOTS {
            self.slots = vec![[0; SLOT]; SLOTS];
        }
        let Slot(hash) = slot;
        let place = hash as usize % self.slots.len();
        let slot = &mut self.slots[place];
        slot[0] = USED | flags << FLAGS;
        // Both are less than a slot.
        (slot[1], slot[2]) = (input.len() as u8, (end - HEAD) as u8);
        slot[4..8].copy_from_slice(&((hash >> 32) as u32).to_le_bytes());
        slot[HEAD..middle].copy_from_slice(input);
        slot[middle..end].copy_from_slice(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A result and flag like those of a column.
    fn result(input: &[u8]) -> (Vec<u8>, u8) {
        (input.iter().rev().copied().collect(), (input.len() % 8) as u8)
    }

    fn look(recent: &mut Recent, input: &[u8]) -> bool {
        let (expected, flag) = result(input);
        let mut out = b"before".to_vec();
        match recent.find(input, &mut out) {
            Ok(kept) => {
                assert_eq!((&out[6..], kept), (expected.as_slice(), flag));
                true
            }
            Err(slot) => {
                assert_eq!(out, b"before");
                recent.keep(slot, input, &expected, flag);
                false
            }
        }
    }

    proptest! {
        #[test]
        fn found_results_are_the_kept_ones(
            inputs in proptest::collection::vec(proptest::collection::vec(0u8..3, 0..40), 1..400),
        ) {
            let mut recent = Recent::new();
            for input in inputs {
                let short = 2 * input.len() + HEAD <= SLOT;
                look(&mut recent, &input);
                prop_assert_eq!(look(&mut recent, &input), short);
            }
        }
    }

    #[test]
    fn caching_pays_only_if_values_repeat() {
        let mut recent = Recent::new();
        for at in 0..100_000u32 {
            look(&mut recent, &(at % 1_000).to_le_bytes());
            assert!(recent.pays());
        }
        let paid = (0..100_000u32).take_while(|at| {
            look(&mut recent, &(1_000_000 + at).to_le_bytes());
            recent.pays()
        });
        assert!(paid.count() < 2 * JUDGED_AFTER as usize);
    }
}
