//! Results remembered per distinct input, for costly columns.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Maximum number of remembered results.
const MOST_ENTRIES: usize = 65_536;
/// Maximum bytes of inputs and results.
const MOST_BYTES: usize = 8 << 20;
/// Number of lookups after which the benefit is measured.
const JUDGED_AFTER: u32 = 16_384;
/// Remembering pays if at least one of this many lookups hits.
const ONE_HIT_IN: u32 = 8;

/// Results of one column. When it is full it starts anew, since sources are often sorted; when
/// hardly anything repeats it switches itself off.
#[derive(Debug)]
pub(super) struct Memo {
    hasher: FixedState,
    entries: HashTable<Entry>,
    /// Inputs, each followed by its result.
    bytes: Vec<u8>,
    lookups: u32,
    hits: u32,
    is_on: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    start: usize,
    middle: usize,
    end: usize,
    flags: u8,
}

/// Place for a result that will be remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(u64);

impl Memo {
    pub(super) fn new() -> Self {
        Self {
            hasher: FixedState::with_seed(0x6d65_6d6f),
            entries: HashTable::new(),
            bytes: Vec::new(),
            lookups: 0,
            hits: 0,
            is_on: true,
        }
    }

    /// The result for `input` and the flags stored with it; or where to [`remember`](Self::remember)
    /// it, unless remembering does not pay.
    pub(super) fn find(&mut self, input: &[u8]) -> Result<(&[u8], u8), Option<Slot>> {
        if !self.is_on {
            return Err(None);
        }
        if self.lookups == JUDGED_AFTER {
            if self.hits < JUDGED_AFTER / ONE_HIT_IN {
                *self = Self { is_on: false, ..Self::new() };
                return Err(None);
            }
            (self.lookups, self.hits) = (0, 0);
        }
        self.lookups += 1;
        let hash = self.hasher.hash_one(input);
        let found = self.entries.find(hash, |entry| {
            entry.hash == hash && self.bytes.get(entry.start..entry.middle) == Some(input)
        });
        let Some(entry) = found else { return Err(Some(Slot(hash))) };
        self.hits += 1;
        Ok((self.bytes.get(entry.middle..entry.end).unwrap_or_default(), entry.flags))
    }

    /// Remembers the `result` and `flags` for `input`.
    pub(super) fn remember(&mut self, slot: Slot, input: &[u8], result: &[u8], flags: u8) {
        let size = input.len() + result.len();
        if size > MOST_BYTES / 64 {
            return;
        }
        if self.entries.len() >= MOST_ENTRIES || self.bytes.len() + size > MOST_BYTES {
            self.entries.clear();
            self.bytes.clear();
        }
        let start = self.bytes.len();
        let middle = start + input.len();
        self.bytes.extend_from_slice(input);
        self.bytes.extend_from_slice(result);
        let entry = Entry { hash: slot.0, start, middle, end: self.bytes.len(), flags };
        self.entries.insert_unique(slot.0, entry, |entry| entry.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(memo: &mut Memo, input: &str) -> bool {
        match memo.find(input.as_bytes()) {
            Ok((result, flag)) => {
                assert_eq!(result, input.to_uppercase().as_bytes());
                assert_eq!(flag, input.len() as u8 % 8);
                true
            }
            Err(slot) => {
                if let Some(slot) = slot {
                    let result = input.to_uppercase();
                    memo.remember(slot, input.as_bytes(), result.as_bytes(), input.len() as u8 % 8);
                }
                false
            }
        }
    }

    #[test]
    fn a_column_of_two_values_costs_two_calls() {
        let mut memo = Memo::new();
        let texts = ["buy", "sell"];
        let misses = (0..100_000).filter(|at| !look(&mut memo, texts[at % 2])).count();
        assert_eq!(misses, 2);
    }

    #[test]
    fn memory_is_bounded_and_unique_values_are_not_remembered() {
        let mut memo = Memo::new();
        for at in 0..200_000 {
            assert!(!look(&mut memo, &format!("value {at}")));
        }
        assert!(!memo.is_on);
        assert_eq!(memo.bytes.capacity(), 0);

        let mut memo = Memo::new();
        let long = "x".repeat(1_000);
        for at in 0..100_000 {
            look(&mut memo, &format!("{long}{}", at / 2));
            assert!(memo.bytes.len() <= MOST_BYTES && memo.entries.len() <= MOST_ENTRIES);
        }
        assert!(memo.is_on);
    }
}
