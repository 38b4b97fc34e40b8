//! Dictionary encoding: a cell that occurs in many rows is kept once, and the rows hold its code.
//!
//! A code takes two bytes where most cells take five to thirty. All threads and both sides of a run share one
//! numbering, so that equal codes are equal cells; the first occurrences of a cell are written out, so other bytes
//! need not be other cells. [`Cells`](super::Cells) gives the cell of a code; nothing outside of a run sees codes.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::RawCell;
use super::evidence::write_cell;

/// The bit of a code's first byte that no tag of a cell has.
const MARK: u16 = 1 << 15;

/// The bytes of a code.
pub const CODE_BYTES: usize = 2;

/// The longest cell that has a code.
const LONGEST: usize = 256;

/// A code as rows hold it.
pub type Code = [u8; CODE_BYTES];

/// True if a cell that begins with this byte is a code.
#[inline]
pub const fn is_code(first: u8) -> bool {
    first & (MARK >> 8) as u8 != 0
}

/// A dictionary that grows while rows are read.
#[derive(Debug, Default)]
pub struct Dictionary {
    growing: Mutex<Growing>,
    is_full: AtomicBool,
}

#[derive(Debug, Default)]
struct Growing {
    numbers: HashTable<u16>,
    codes: Codes,
}

impl Dictionary {
    /// The code of a cell; none for an unparsed one, for one that is no longer than a code or very long, and once all
    /// codes are given.
    pub fn code(&self, cell: RawCell<'_>) -> Option<Code> {
        if !(CODE_BYTES + 1..=LONGEST).contains(&cell.bytes().len())
            || cell.is_unparsed()
            || self.is_full.load(Ordering::Relaxed)
        {
            return None;
        }
        let hasher = FixedState::default();
        let hash = hasher.hash_one(cell.bytes());
        let mut growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let Growing { numbers, codes } = &mut *growing;
        let is_same = |number: &u16| codes.cell(*number).bytes() == cell.bytes();
        let number = match numbers.find(hash, is_same) {
            Some(number) => *number,
            None => {
                let number = u16::try_from(codes.entries.len()).ok().filter(|next| *next < MARK);
                let Some(number) = number else {
                    self.is_full.store(true, Ordering::Relaxed);
                    return None;
                };
                codes.push(cell);
                let again = |number: &u16| hasher.hash_one(codes.cell(*number).bytes());
                numbers.insert_unique(hash, number, again);
                number
            }
        };
        Some((MARK | number).to_be_bytes())
    }

    /// What the codes given so far mean. No more codes are given.
    pub fn finish(&self) -> Arc<Codes> {
        self.is_full.store(true, Ordering::Relaxed);
        let mut growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(std::mem::take(&mut growing.codes))
    }
}

/// What codes mean.
#[derive(Debug, Default)]
pub struct Codes {
    entries: Vec<Entry>,
    /// Each cell, and behind it its form in evidence.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    cell_length: u16,
    json_length: u16,
}

/// Of rows without codes.
pub static NO_CODES: Codes = Codes { entries: Vec::new(), bytes: Vec::new() };

impl Codes {
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn push(&mut self, cell: RawCell<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(cell.bytes());
        let json = self.bytes.len();
        write_cell(cell, &mut self.bytes);
        // Cells are short, and there are few of them.
        self.entries.push(Entry {
            start: start as u32,
            cell_length: (json - start) as u16,
            json_length: (self.bytes.len() - json) as u16,
        });
    }

    #[inline]
    fn entry(&self, code: u16) -> Option<(usize, usize, usize)> {
        let entry = self.entries.get(usize::from(code & !MARK))?;
        let start = entry.start as usize;
        let json = start + usize::from(entry.cell_length);
        Some((start, json, json + usize::from(entry.json_length)))
    }

    /// The cell of a code; null for a code that was never given.
    #[inline]
    pub(super) fn cell(&self, code: u16) -> RawCell<'_> {
        let cell = self.entry(code).and_then(|(start, json, _)| self.bytes.get(start..json));
        cell.map_or(RawCell::NULL, RawCell::new)
    }

    /// The cell of a code as an element of evidence.
    #[inline]
    pub(super) fn json(&self, code: u16) -> &[u8] {
        let json = self.entry(code).and_then(|(_, json, end)| self.bytes.get(json..end));
        json.unwrap_or(b"null")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Cells, NextPair, Row, evidence};
    use super::*;

    fn text(text: &str) -> Row {
        Row::of([Cell::Text(text)])
    }

    fn code(dictionary: &Dictionary, row: &Row) -> Option<Code> {
        dictionary.code(Cells::new(&row.cells).next().unwrap())
    }

    #[test]
    fn a_code_reads_back_as_its_cell() {
        let dictionary = Dictionary::default();
        let rows = ["EUR", "a \"quoted\" text", "EUR", "USD"].map(text);
        let codes = rows.each_ref().map(|row| code(&dictionary, row).unwrap());
        assert_eq!(codes[0], codes[2]);
        let (coded, whole) = (codes.concat(), rows.map(|row| row.cells).concat());
        let codes = dictionary.finish();
        let cells = Cells::with_codes(&coded, &codes);
        assert!(cells.eq(Cells::new(&whole)));
        let mut again = Vec::new();
        cells.push_to(&mut again);
        assert_eq!(again, whole);
        let json = |cells| {
            let mut json = Vec::new();
            evidence::write(cells, &mut json);
            String::from_utf8(json).unwrap()
        };
        assert_eq!(json(cells), json(Cells::new(&whole)));
    }

    #[test]
    fn two_rows_are_compared_by_codes_and_by_cells() {
        let dictionary = Dictionary::default();
        let [eur, usd] = ["EUR", "USD"].map(text);
        let [of_eur, of_usd] = [&eur, &usd].map(|row| code(&dictionary, row).unwrap());
        // The same value is written out in one row and coded in the other; then come one code, and two.
        let left = [eur.cells.as_slice(), &of_eur, &of_eur].concat();
        let right = [of_eur, of_eur, of_usd].concat();
        let codes = dictionary.finish();
        let (mut left, mut right) =
            (Cells::with_codes(&left, &codes), Cells::with_codes(&right, &codes));
        let seen =
            std::iter::from_fn(|| Cells::next_pair(&mut left, &mut right)).map(|next| match next {
                NextPair::SameCode => "code",
                NextPair::Cells(a, b) if a == b => "equal",
                NextPair::Cells(..) => "different",
            });
        assert_eq!(seen.collect::<Vec<_>>(), ["equal", "code", "different"]);
    }

    #[test]
    fn short_and_unparsed_cells_and_those_beyond_all_codes_have_none() {
        let dictionary = Dictionary::default();
        let no_code = |cell| code(&dictionary, &Row::of([cell])).is_none();
        assert!(no_code(Cell::Null) && no_code(Cell::Boolean(true)) && no_code(Cell::Text("")));
        assert!(no_code(Cell::Unparsed("31/31/2026")));
        for number in 0..MARK {
            assert!(code(&dictionary, &text(&number.to_string())).is_some() || number < 10);
        }
        assert_eq!(code(&dictionary, &text("one more")), None);
    }
}
