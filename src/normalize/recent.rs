//! The results that a column gave lately: most columns say the same few things over and over, and
//! looking an input up is several times as fast as taking its steps and its type again.
//!
//! A direct-mapped table: each input has one slot, and a later input replaces an earlier one. So
//! memory is bounded, and a column of few values touches few slots. Inputs are hashed and compared
//! as four words, and a result is copied at its greatest length: no call, no loop.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// How many results are kept at first (clearing more costs more than a short input), then, and in a column
/// of thousands of values.
const SLOTS: [usize; 3] = [256, 8_192, 32_768];
/// Number of inputs after which there are more slots than at first.
const FULL_AFTER: u32 = 1_024;
/// Number of inputs after which the benefit is measured.
const JUDGED_AFTER: u32 = 8_192;
/// The longest input that is kept.
const INPUT: usize = 32;
/// The longest result that is kept.
const RESULT: usize = 29;
/// The length of the input of an empty slot.
const EMPTY: u8 = u8::MAX;

/// An input and its result, in one cache line.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Slot {
    input: [u64; 4],
    result: [u8; RESULT],
    input_length: u8,
    result_length: u8,
    flags: u8,
}

impl Slot {
    const UNUSED: Self = Self {
        input: [0; 4],
        result: [0; RESULT],
        input_length: EMPTY,
        result_length: 0,
        flags: 0,
    };
}

/// Results of one column.
#[derive(Debug)]
pub(super) struct Recent {
    hasher: FixedState,
    slots: Vec<Slot>,
    looked: u32,
    found: u32,
    /// Whether the present slots have been judged once: by then nearly all that repeats has occurred.
    is_judged: bool,
}

/// Slot of an input's result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    hash: u64,
    input: [u64; 4],
}

/// An input of at most [`INPUT`] bytes as words. Inputs of one length are equal if their words are.
#[inline]
fn words(input: &[u8]) -> Option<[u64; 4]> {
    let short = |at: usize| u64::from(input.get(at).copied().unwrap_or_default());
    let half = |bytes: Option<&[u8; 4]>| u64::from(bytes.map_or(0, |b| u32::from_le_bytes(*b)));
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let length = input.len();
    match length {
        // The last words overlap those before.
        8..=16 => Some([word(input.first_chunk()), word(input.last_chunk()), 0, 0]),
        4..8 => Some([half(input.first_chunk()) | half(input.last_chunk()) << 32, 0, 0, 0]),
        0..4 => Some([
            short(0) | short(length / 2) << 8 | short(length.saturating_sub(1)) << 16,
            0,
            0,
            0,
        ]),
        17..=INPUT => {
            let (begin, end) = (input.first_chunk::<16>()?, input.last_chunk::<16>()?);
            let [begin, end] = [begin, end].map(|half| u128::from_le_bytes(*half));
            Some([begin as u64, (begin >> 64) as u64, end as u64, (end >> 64) as u64])
        }
        _ => None,
    }
}

impl Recent {
    pub(super) fn new() -> Self {
        let hasher = FixedState::with_seed(0x7265_6365_6e74);
        let slots = vec![Slot::UNUSED; SLOTS[0]];
        Self { hasher, slots, looked: 0, found: 0, is_judged: false }
    }

    /// True while remembering pays: after a lot of inputs, one in two must have been found. If many were
    /// missed, there are more slots from then on.
    pub(super) fn pays(&mut self) -> bool {
        if self.looked < JUDGED_AFTER {
            return true;
        }
        let pays = self.found >= self.looked / 2;
        let misses_many = self.found < self.looked / 16 * 15;
        if pays && misses_many && self.is_judged {
            self.enlarge(SLOTS[2]);
        }
        (self.looked, self.found, self.is_judged) = (0, 0, true);
        pays
    }

    /// Makes room for so many results; all are forgotten.
    fn enlarge(&mut self, slots: usize) {
        if self.slots.len() < slots {
            self.slots = vec![Slot::UNUSED; slots];
        }
    }

    /// Appends the result for `input` to `out` and returns its flags, or the place at which to
    /// [`keep`](Self::keep) it, if it is short enough.
    #[inline]
    pub(super) fn find(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<u8, Option<Place>> {
        self.looked += 1;
        let Some(words) = words(input) else { return Err(None) };
        let mut hasher = self.hasher.build_hasher();
        let [first, second, third, fourth] = words;
        hasher.write_u64(first);
        hasher.write_u64(second);
        if input.len() > 16 {
            hasher.write_u64(third);
            hasher.write_u64(fourth);
        }
        let place = Place { hash: hasher.finish(), input: words };
        match self.slots.get(place.slot(self.slots.len())) {
            Some(slot) if slot.input == words && usize::from(slot.input_length) == input.len() => {
                let length = out.len() + usize::from(slot.result_length);
                out.extend_from_slice(&slot.result);
                out.truncate(length);
                self.found += 1;
                Ok(slot.flags)
            }
            _ => Err(Some(place)),
        }
    }

    /// Keeps the `result` and the `flags` for an `input` of this length, if the result is short enough.
    #[inline]
    pub(super) fn keep(&mut self, place: Place, input: usize, result: &[u8], flags: u8) {
        if self.looked >= FULL_AFTER {
            self.enlarge(SLOTS[1]);
        }
        let at = place.slot(self.slots.len());
        let Some(slot) = self.slots.get_mut(at) else { return };
        let Some(room) = slot.result.get_mut(..result.len()) else { return };
        room.copy_from_slice(result);
        slot.input = place.input;
        // Both are less than a slot.
        (slot.input_length, slot.result_length) = (input as u8, result.len() as u8);
        slot.flags = flags;
    }
}

impl Place {
    #[inline]
    const fn slot(&self, slots: usize) -> usize {
        // The number of slots is a power of two.
        self.hash as usize & (slots - 1)
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
            Err(place) => {
                assert_eq!(out, b"before");
                assert_eq!(place.is_some(), input.len() <= INPUT);
                if let Some(place) = place {
                    recent.keep(place, input.len(), &expected, flag);
                }
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
                let short = input.len() <= RESULT;
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
