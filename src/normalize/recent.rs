//! The results that a column gave lately: most columns say the same few things over and over, and
//! looking an input up is several times as fast as taking its steps and its type again.
//!
//! A table of pairs of places: each input has one pair, in which a later input replaces the earlier of two. So
//! memory is bounded. A lookup mostly waits for memory; so places hold the numbers of entries, and the parts of an entry that
//! every lookup reads lie apart from its cell, which is read only if it has no code. Inputs are hashed and compared
//! as words, and a result is copied as its code or at its greatest length: no call, no loop.

use std::sync::Arc;

use crate::domain::RawCell;
use crate::domain::dictionary::{Code, Dictionary};
use crate::domain::identity::fold;

/// How many pairs there are at first, and at most. There are no more than the entries need, so that lookups read few
/// lines of the processor's cache.
const PAIRS: [usize; 2] = [128, 16_384];
/// There are at least so many pairs for each entry, so that hardly three share one.
const PAIRS_EACH: usize = 4;
/// Number of inputs after which the benefit is measured. At first fewer need to be found: in a column of
/// thousands of values that recur, most inputs are new until then.
const JUDGED_AFTER: u32 = 8_192;
/// The longest input that is kept.
const INPUT: usize = 32;
/// The longest input that is two words.
const SHORT: usize = 16;
/// The longest result that is kept.
const RESULT: usize = 28;
/// The length of the input of the entry that no place has.
const NONE: u8 = u8::MAX;

/// What an input gave.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    input_length: u8,
    cell_length: u8,
    flags: u8,
    state: State,
    code: Code,
}

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A cell that may get a code.
    New,
    Cell,
    Code,
}

/// Results of one column.
#[derive(Debug)]
pub(super) struct Recent {
    /// Numbers of entries by the hash of their input; 0 for none.
    pairs: Vec<[u16; 2]>,
    inputs: Vec<[u64; 4]>,
    outcomes: Vec<Outcome>,
    cells: Vec<[u8; RESULT]>,
    looked: u32,
    found: u32,
    /// Whether the present pairs have been judged once: by then nearly all that recurs has occurred.
    is_judged: bool,
    /// Gives codes for results that occur again.
    dictionary: Option<Arc<Dictionary>>,
}

/// An input as words, with its hash.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    input: [u64; 4],
    length: u8,
}

/// An input of at most [`SHORT`] bytes as words. Inputs of one length are equal if their words are.
#[inline(always)]
fn short_words(input: &[u8]) -> [u64; 2] {
    let short = |at: usize| u64::from(input.get(at).copied().unwrap_or_default());
    let half = |bytes: Option<&[u8; 4]>| u64::from(bytes.map_or(0, |b| u32::from_le_bytes(*b)));
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let length = input.len();
    if length >= 8 {
        // The last word overlaps the first.
        [word(input.first_chunk()), word(input.last_chunk())]
    } else if length >= 4 {
        [half(input.first_chunk()) | half(input.last_chunk()) << 32, 0]
    } else {
        [short(0) | short(length / 2) << 8 | short(length.saturating_sub(1)) << 16, 0]
    }
}

impl Recent {
    pub(super) fn new() -> Self {
        let mut recent = Self {
            pairs: Vec::new(),
            inputs: Vec::new(),
            outcomes: Vec::new(),
            cells: Vec::new(),
            looked: 0,
            found: 0,
            is_judged: false,
            dictionary: None,
        };
        recent.pairs.resize(PAIRS[0], [0; 2]);
        let none = Outcome {
            input_length: NONE,
            cell_length: 0,
            flags: 0,
            state: State::Cell,
            code: [0; 2],
        };
        recent.add([0; 4], none, [0; RESULT]);
        recent
    }

    /// From now on, results that occur again are codes of this dictionary.
    pub(super) fn encode_with(&mut self, dictionary: Arc<Dictionary>) {
        self.dictionary = Some(dictionary);
    }

    /// True while remembering pays: after a lot of inputs, one in two must have been found, and one in eight at first.
    pub(super) fn pays(&mut self) -> bool {
        if self.looked < JUDGED_AFTER {
            return true;
        }
        let pays = self.found >= self.looked / if self.is_judged { 2 } else { 8 };
        (self.looked, self.found, self.is_judged) = (0, 0, true);
        pays
    }

    /// Makes room for more entries, and gives those that there are their new pairs.
    fn grow(&mut self) {
        let pairs = 2 * self.pairs.len();
        self.pairs.clear();
        self.pairs.resize(pairs, [0; 2]);
        let entries = self.inputs.iter().zip(&self.outcomes).enumerate().skip(1);
        for (number, (input, outcome)) in entries {
            let hash = hash_of(*input, outcome.input_length);
            let Some([first, second]) = self.pairs.get_mut(pair(hash, pairs)) else { continue };
            // One that a third takes the place of is not found any more.
            (*first, *second) = (number as u16, *first);
        }
    }

    fn add(&mut self, input: [u64; 4], outcome: Outcome, cell: [u8; RESULT]) {
        self.inputs.push(input);
        self.outcomes.push(outcome);
        self.cells.push(cell);
    }

    /// Appends the result for `input` to `out` and returns its flags, if it is known.
    #[inline(always)]
    pub(super) fn find(&mut self, input: &[u8], out: &mut Vec<u8>) -> Option<u8> {
        self.looked += 1;
        let length = input.len();
        let is_long = length > SHORT;
        let (hash, [low, high], end) = if is_long {
            let Place { hash, input: [a, b, c, d], .. } = Place::of(input)?;
            (hash, [a, b], [c, d])
        } else {
            let [low, high] = short_words(input);
            (hash(low, high), [low, high], [0; 2])
        };
        let [first, second] = *self.pairs.get(pair(hash, self.pairs.len()))?;
        let is_its = |number: u16| {
            let [a, b, c, d] = *self.inputs.get(usize::from(number))?;
            let outcome = *self.outcomes.get(usize::from(number))?;
            let mut different = (a ^ low) | (b ^ high);
            different |= (usize::from(outcome.input_length) ^ length) as u64;
            if is_long {
                different |= (c ^ end[0]) | (d ^ end[1]);
            }
            (different == 0).then_some((number, outcome))
        };
        let (number, mut outcome) = match is_its(first) {
            Some(found) => found,
            None => is_its(second)?,
        };
        self.found += 1;
        if outcome.state == State::New {
            outcome = self.encode(number)?;
        }
        if outcome.state == State::Code {
            out.extend_from_slice(&outcome.code);
        } else {
            let length = out.len() + usize::from(outcome.cell_length);
            out.extend_from_slice(self.cells.get(usize::from(number))?);
            out.truncate(length);
        }
        Some(outcome.flags)
    }

    /// The result has occurred again, so a code for it will pay.
    #[cold]
    fn encode(&mut self, number: u16) -> Option<Outcome> {
        let cell = self.cells.get(usize::from(number))?;
        let outcome = self.outcomes.get_mut(usize::from(number))?;
        let cell = RawCell::new(cell.get(..usize::from(outcome.cell_length))?);
        let code = self.dictionary.as_ref().and_then(|dictionary| dictionary.code(cell));
        outcome.state = if code.is_some() { State::Code } else { State::Cell };
        outcome.code = code.unwrap_or_default();
        Some(*outcome)
    }

    /// Keeps the `result` and the `flags` for an `input`, if both are short enough.
    pub(super) fn keep(&mut self, input: &[u8], result: &[u8], flags: u8) {
        if self.pairs.len() < (PAIRS_EACH * self.inputs.len()).min(PAIRS[1]) {
            self.grow();
        }
        let mut cell = [0; RESULT];
        let (Some(place), Some(room)) = (Place::of(input), cell.get_mut(..result.len())) else {
            return;
        };
        room.copy_from_slice(result);
        let state = if self.dictionary.is_some() { State::New } else { State::Cell };
        // It is less than a cell.
        let cell_length = result.len() as u8;
        let outcome =
            Outcome { input_length: place.length, cell_length, flags, state, code: [0; 2] };
        let at = pair(place.hash, self.pairs.len());
        let Some([first, second]) = self.pairs.get_mut(at) else { return };
        std::mem::swap(first, second);
        let number = usize::from(*first);
        if number == 0 {
            // There are not more entries than places, but for a few of smaller tables that are not found any more.
            *first = self.inputs.len() as u16;
            self.add(place.input, outcome, cell);
        } else {
            self.inputs[number] = place.input;
            self.outcomes[number] = outcome;
            self.cells[number] = cell;
        }
    }
}

impl Place {
    /// None for an input that is too long.
    #[inline]
    fn of(input: &[u8]) -> Option<Self> {
        let length = input.len() as u8;
        if input.len() <= SHORT {
            let [low, high] = short_words(input);
            let input = [low, high, 0, 0];
            return Some(Self { hash: hash_of(input, length), input, length });
        }
        if input.len() > INPUT {
            return None;
        }
        // The last words overlap those before.
        let halves = [input.first_chunk::<SHORT>()?, input.last_chunk::<SHORT>()?];
        let [begin, end] = [u128::from_le_bytes(*halves[0]), u128::from_le_bytes(*halves[1])];
        let words = [begin as u64, (begin >> 64) as u64, end as u64, (end >> 64) as u64];
        Some(Self { hash: hash_of(words, length), input: words, length })
    }
}

/// The hash of an input of so many bytes.
#[inline(always)]
const fn hash_of([a, b, c, d]: [u64; 4], length: u8) -> u64 {
    if length as usize <= SHORT { hash(a, b) } else { hash(hash(a, b) ^ c, d) }
}

#[inline(always)]
const fn hash(low: u64, high: u64) -> u64 {
    fold(low ^ 0x9e37_79b9_7f4a_7c15, high ^ 0xbf58_476d_1ce4_e5b9)
}

/// The place of a pair among so many, which are a power of two.
#[inline(always)]
const fn pair(hash: u64, pairs: usize) -> usize {
    hash as usize & (pairs - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cell, Cells, Row};
    use proptest::prelude::*;

    /// A result and flag like those of a column.
    fn result(input: &[u8]) -> (Vec<u8>, u8) {
        (input.iter().rev().copied().collect(), (input.len() % 8) as u8)
    }

    fn look(recent: &mut Recent, input: &[u8]) -> bool {
        let (expected, flag) = result(input);
        let mut out = b"before".to_vec();
        match recent.find(input, &mut out) {
            Some(kept) => {
                assert_eq!((&out[6..], kept), (expected.as_slice(), flag));
                true
            }
            None => {
                assert_eq!(out, b"before");
                recent.keep(input, &expected, flag);
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
    fn a_result_that_recurs_becomes_its_code() {
        let dictionary = Arc::<Dictionary>::default();
        let mut recent = Recent::new();
        recent.encode_with(Arc::clone(&dictionary));
        let eur = Row::of([Cell::Text("EUR")]).cells;
        let mut out = Vec::new();
        assert_eq!(recent.find(b"eur", &mut out), None);
        recent.keep(b"eur", &eur, 3);
        for _ in 0..2 {
            assert_eq!(recent.find(b"eur", &mut out), Some(3));
        }
        let codes = dictionary.finish();
        assert_eq!(out.len(), 2 * size_of::<Code>());
        assert!(Cells::with_codes(&out, &codes).eq(Cells::new(&[eur.clone(), eur].concat())));
    }

    #[test]
    fn a_column_of_thousands_of_values_is_remembered() {
        let mut recent = Recent::new();
        let mut random = fastrand::Rng::with_seed(5);
        let found = (0..200_000).filter(|_| {
            let found = look(&mut recent, &random.u32(..9_000).to_le_bytes());
            assert!(recent.pays());
            found
        });
        assert!(found.count() > 150_000);
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
