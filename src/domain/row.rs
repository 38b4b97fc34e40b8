//! Compact rows: a row's typed cells as one run of bytes.
//!
//! A row is a header (line, byte offset) and its cells in [`Layout`](super::Layout) order. Cells
//! are self-delimiting and canonical: equal bytes mean equal values in equal written form, so that
//! most comparisons are one `memcmp`. This is the only representation between normalizing and
//! storing, without an allocation per cell.

use super::{Cell, Date, Decimal, Instant, place};

mod tag {
    pub const NULL: u8 = 0;
    pub const TEXT: u8 = 1;
    /// A byte of scale and length, then an `i64` in as few bytes as it needs, lowest first.
    pub const DECIMAL: u8 = 2;
    /// Scale, then an `i128`.
    pub const DECIMAL_WIDE: u8 = 3;
    pub const INTEGER: u8 = 4;
    pub const INTEGER_WIDE: u8 = 5;
    pub const DATE: u8 = 6;
    pub const INSTANT: u8 = 7;
    pub const FALSE: u8 = 8;
    pub const TRUE: u8 = 9;
    pub const UNPARSED: u8 = 10;
    /// A lower- or upper-case UUID as its 16 bytes: keys are often UUIDs, and this takes 17 bytes
    /// instead of 38.
    pub const UUID_LOWER: u8 = 11;
    pub const UUID_UPPER: u8 = 12;
}

/// Appends `value` as an unsigned LEB128 integer.
pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads an unsigned LEB128 integer at the start of `bytes`: the value and its length.
#[inline]
pub fn read_varint(bytes: &[u8]) -> (u64, usize) {
    match bytes.first() {
        Some(byte) if *byte < 0x80 => (u64::from(*byte), 1),
        _ => match bytes.first_chunk().and_then(|eight| read_short_varint(*eight)) {
            Some(read) => read,
            None => read_long_varint(bytes),
        },
    }
}

/// Reads an integer of at most eight bytes: they are taken together in three steps.
#[inline]
const fn read_short_varint(bytes: [u8; 8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(bytes);
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    let length = ends.trailing_zeros() / 8 + 1;
    let sevens = word << (64 - 8 * length) >> (64 - 8 * length) & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let value = fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4;
    Some((value, length as usize))
}

fn read_long_varint(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return (value, at + 1);
        }
    }
    (value, bytes.len().min(10))
}

pub fn push_cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.push(tag::NULL),
        Cell::Text(text) => {
            if !push_uuid(out, text.as_bytes(), UuidLetters::AsWritten) {
                push_text(out, tag::TEXT, text);
            }
        }
        Cell::Decimal(value) => {
            if let Ok(small) = i64::try_from(value.coefficient()) {
                let length = bytes_of(small);
                out.extend_from_slice(&[tag::DECIMAL, value.scale() | (length as u8 - 1) << 5]);
                out.extend_from_slice(&small.to_le_bytes()[..length]);
            } else {
                out.extend_from_slice(&[tag::DECIMAL_WIDE, value.scale()]);
                out.extend_from_slice(&value.coefficient().to_le_bytes());
            }
        }
        Cell::Integer(value) => {
            if let Ok(small) = i64::try_from(value) {
                out.push(tag::INTEGER);
                out.extend_from_slice(&small.to_le_bytes());
            } else {
                out.push(tag::INTEGER_WIDE);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        Cell::Date(value) => {
            out.push(tag::DATE);
            out.extend_from_slice(&value.days().to_le_bytes());
        }
        Cell::Instant(value) => {
            out.push(tag::INSTANT);
            out.extend_from_slice(&value.seconds().to_le_bytes());
            out.extend_from_slice(&value.nanoseconds().to_le_bytes());
        }
        Cell::Boolean(value) => out.push(if value { tag::TRUE } else { tag::FALSE }),
        Cell::Unparsed(text) => push_text(out, tag::UNPARSED, text),
    }
}

/// The number of low bytes that hold the value and its sign.
const fn bytes_of(value: i64) -> usize {
    // A bit for the sign, and eight to a byte.
    let bits = 65 - (if value < 0 { !value } else { value }).leading_zeros();
    bits.div_ceil(8) as usize
}

/// Reads a number from its low bytes.
#[inline]
fn read_short_i64(bytes: &[u8]) -> i64 {
    let mut value = match bytes.last() {
        Some(last) if last & 0x80 != 0 => -1,
        _ => 0,
    };
    for byte in bytes.iter().rev() {
        value = value << 8 | i64::from(*byte);
    }
    value
}

fn push_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    push_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Where the digits of a UUID begin in its text, and how many there are.
const GROUPS: [(usize, usize); 5] = [(0, 8), (9, 4), (14, 4), (19, 4), (24, 12)];

/// How letters were written, and whether there is anything but digits and letters.
const LOWER: u8 = 1;
const UPPER: u8 = 2;
const NO_DIGIT: u8 = 4;

/// The two digits of each byte.
const fn digit_pairs(digits: &[u8; 16]) -> [[u8; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
}
static LOWER_PAIRS: [[u8; 2]; 256] = digit_pairs(b"0123456789abcdef");
static UPPER_PAIRS: [[u8; 2]; 256] = digit_pairs(b"0123456789ABCDEF");

/// What becomes of the letters of a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UuidLetters {
    AsWritten,
    Upper,
    Lower,
}

/// Appends the cell of a text that is a UUID, as [`push_cell`] appends that of the text with these letters, and says
/// whether it is one.
#[inline]
pub fn push_uuid(out: &mut Vec<u8>, text: &[u8], letters: UuidLetters) -> bool {
    let Some((tag, packed)) = pack_uuid(text, letters) else { return false };
    out.push(tag);
    out.extend_from_slice(&packed);
    true
}

/// `8-4-4-4-12` hexadecimal digits in one case, as tag and 16 bytes.
#[inline]
fn pack_uuid(text: &[u8], letters: UuidLetters) -> Option<(u8, [u8; 16])> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != [b'-'; 4] {
        return None;
    }
    let mut digits = [0; 32];
    let mut at = 0;
    for (start, length) in GROUPS {
        digits[at..at + length].copy_from_slice(&text[start..start + length]);
        at += length;
    }
    // The same few steps for each digit, without branches: the compiler takes many at a time.
    let mut seen = 0;
    for digit in &mut digits {
        let (number, lower, upper) =
            (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'), digit.wrapping_sub(b'A'));
        let is_letter = lower.min(upper) < 6;
        seen |= if lower < 6 { LOWER } else { 0 };
        seen |= if upper < 6 { UPPER } else { 0 };
        seen |= if is_letter || number < 10 { 0 } else { NO_DIGIT };
        *digit = if is_letter { 10 + lower.min(upper) } else { number };
    }
    let mut packed = [0; 16];
    for (slot, pair) in packed.iter_mut().zip(digits.as_chunks::<2>().0) {
        *slot = pair[0] << 4 | pair[1];
    }
    match (seen, letters) {
        (0 | LOWER, UuidLetters::AsWritten) => Some((tag::UUID_LOWER, packed)),
        (UPPER, UuidLetters::AsWritten) => Some((tag::UUID_UPPER, packed)),
        (0, _) => Some((tag::UUID_LOWER, packed)),
        (seen, UuidLetters::Lower) if seen < NO_DIGIT => Some((tag::UUID_LOWER, packed)),
        (seen, UuidLetters::Upper) if seen < NO_DIGIT => Some((tag::UUID_UPPER, packed)),
        _ => None,
    }
}

/// The 36 characters of a packed UUID.
#[inline]
fn unpack_uuid(bytes: &[u8], pairs: &[[u8; 2]; 256]) -> [u8; 36] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = pairs[usize::from(*byte)];
    }
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (start, length) in GROUPS {
        text[start..start + length].copy_from_slice(&digits[at..at + length]);
        at += length;
    }
    text
}

/// One encoded cell. Two cells with the same bytes hold the same value, written the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawCell<'a>(&'a [u8]);

/// Room for the text of a packed cell while it is looked at.
pub type TextBuffer = [u8; 36];

impl<'a> RawCell<'a> {
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub fn is_null(self) -> bool {
        self.0.first() == Some(&tag::NULL)
    }

    pub fn is_unparsed(self) -> bool {
        self.0.first() == Some(&tag::UNPARSED)
    }

    pub fn is_decimal(self) -> bool {
        matches!(self.0.first(), Some(&tag::DECIMAL | &tag::DECIMAL_WIDE))
    }

    /// The bytes of a parsed text. Callers that write many of them check UTF-8 once, at the end.
    #[inline]
    pub fn text_bytes<'b>(self, buffer: &'b mut TextBuffer) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        let body = self.0.get(1..).unwrap_or_default();
        let pairs = match self.0.first() {
            Some(&tag::TEXT) => {
                let (_, start) = read_varint(body);
                return body.get(start..);
            }
            Some(&tag::UUID_LOWER) => &LOWER_PAIRS,
            Some(&tag::UUID_UPPER) => &UPPER_PAIRS,
            _ => return None,
        };
        *buffer = unpack_uuid(body, pairs);
        Some(buffer)
    }

    /// The value. `buffer` holds the text of a packed cell, which is why it must live as long.
    #[inline]
    pub fn decode<'b>(self, buffer: &'b mut TextBuffer) -> Cell<'b>
    where
        'a: 'b,
    {
        let body = self.0.get(1..).unwrap_or_default();
        match self.0.first() {
            Some(&tag::TEXT) => Cell::Text(text_of(body)),
            Some(&tag::UNPARSED) => Cell::Unparsed(text_of(body)),
            Some(&tag::DECIMAL) => decimal_of(
                body.first().map(|first| first & 0x1f).as_ref(),
                read_short_i64(body.get(1..).unwrap_or_default()).into(),
            ),
            Some(&tag::DECIMAL_WIDE) => decimal_of(body.first(), read_i128(body, 1)),
            Some(&tag::INTEGER) => Cell::Integer(read_i64(body, 0).into()),
            Some(&tag::INTEGER_WIDE) => Cell::Integer(read_i128(body, 0)),
            Some(&tag::DATE) => Cell::Date(Date::from_days(read_i32(body, 0))),
            Some(&tag::INSTANT) => {
                Cell::Instant(Instant::new(read_i64(body, 0), read_i32(body, 8).cast_unsigned()))
            }
            Some(&tag::FALSE) => Cell::Boolean(false),
            Some(&tag::TRUE) => Cell::Boolean(true),
            Some(&tag::UUID_LOWER) => unpacked(body, &LOWER_PAIRS, buffer),
            Some(&tag::UUID_UPPER) => unpacked(body, &UPPER_PAIRS, buffer),
            _ => Cell::Null,
        }
    }
}

fn unpacked<'b>(body: &[u8], pairs: &[[u8; 2]; 256], buffer: &'b mut TextBuffer) -> Cell<'b> {
    *buffer = unpack_uuid(body, pairs);
    Cell::Text(std::str::from_utf8(buffer).unwrap_or_default())
}

#[inline]
fn decimal_of<'a>(scale: Option<&u8>, coefficient: i128) -> Cell<'a> {
    Decimal::new(coefficient, scale.copied().unwrap_or_default()).map_or(Cell::Null, Cell::Decimal)
}

#[inline]
fn text_of(body: &[u8]) -> &str {
    let (_, start) = read_varint(body);
    // Only `push_cell` writes these bytes, and it is given a `&str`.
    std::str::from_utf8(body.get(start..).unwrap_or_default()).unwrap_or_default()
}

#[inline]
fn read_i32(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_le_bytes)
}

fn read_i64(bytes: &[u8], at: usize) -> i64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, i64::from_le_bytes)
}

fn read_i128(bytes: &[u8], at: usize) -> i128 {
    bytes.get(at..at + 16).and_then(|b| b.try_into().ok()).map_or(0, i128::from_le_bytes)
}

/// The cells of a row, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a>(&'a [u8]);

impl<'a> Cells<'a> {
    /// The cells encoded in `bytes` by [`push_cell`].
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes not yet read.
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The bytes of the first `count` cells.
    pub fn prefix(self, count: usize) -> &'a [u8] {
        let mut rest = self;
        rest.by_ref().take(count).for_each(drop);
        &self.0[..self.0.len() - rest.0.len()]
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = RawCell<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawCell<'a>> {
        let length = match *self.0.first()? {
            tag::TEXT | tag::UNPARSED => {
                let (length, width) = read_varint(&self.0[1..]);
                1 + width + usize::try_from(length).unwrap_or(usize::MAX / 2)
            }
            tag::DECIMAL => 3 + usize::from(self.0.get(1).map_or(0, |packed| packed >> 5)),
            tag::DECIMAL_WIDE => 18,
            tag::INTEGER => 9,
            tag::DATE => 5,
            tag::INSTANT => 13,
            tag::INTEGER_WIDE | tag::UUID_LOWER | tag::UUID_UPPER => 17,
            _ => 1,
        };
        let (cell, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Some(RawCell(cell))
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<RawCell<'a>> {
        for _ in 0..n {
            self.next()?;
        }
        self.next()
    }
}

/// A row that borrows its cells.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'a> {
    /// The hash of the key; see [`key::hash`](super::key::hash).
    pub hash: u64,
    /// The line of the source on which the row begins, from 1.
    pub line: u64,
    /// The byte offset of the row in the (decompressed) source.
    pub offset: u64,
    /// The row was rejected after its key was read: it takes no part, but marks its partner
    /// (`partner_rejected`). It has key cells only.
    pub rejected: bool,
    cells: &'a [u8],
}

impl<'a> RowRef<'a> {
    /// A row of encoded cells.
    pub const fn new(hash: u64, line: u64, offset: u64, cells: &'a [u8]) -> Self {
        Self { hash, line, offset, rejected: false, cells }
    }

    /// The same place with other cells.
    #[must_use]
    pub const fn with_cells<'b>(&self, cells: &'b [u8]) -> RowRef<'b> {
        let Self { hash, line, offset, rejected, .. } = *self;
        RowRef { hash, line, offset, rejected, cells }
    }

    /// By this, rows of a source are in the order in which they stand in it: input, line, offset. Rows taken over
    /// from an earlier date come first.
    pub const fn order(&self) -> (usize, u64, u64) {
        match place::input_of(self.offset) {
            place::CARRIED => (0, place::within(self.offset), 0),
            input => (input + 1, self.line, self.offset),
        }
    }

    /// The same row under another hash.
    #[must_use]
    pub const fn with_hash(self, hash: u64) -> Self {
        Self { hash, ..self }
    }

    /// The cells in layout order.
    pub const fn cells(&self) -> Cells<'a> {
        Cells(self.cells)
    }

    /// Appends the row to `out`, to be read back by [`RowRef::read`].
    pub fn push(&self, out: &mut Vec<u8>) {
        push_varint(out, (self.cells.len() as u64) << 1 | u64::from(self.rejected));
        push_varint(out, self.line);
        push_varint(out, self.offset);
        out.extend_from_slice(self.cells);
    }

    /// Reads the row at the start of `bytes`, and returns the rest; `None` at the end. Its hash is that of the first
    /// `key_len` cells: computing it again is as fast as storing it.
    #[inline]
    pub fn read(bytes: &'a [u8], key_len: usize) -> Option<(Self, &'a [u8])> {
        if bytes.is_empty() {
            return None;
        }
        let (length, width) = read_varint(bytes);
        let rest = bytes.get(width..)?;
        let (line, width) = read_varint(rest);
        let rest = rest.get(width..)?;
        let (offset, width) = read_varint(rest);
        let rest = rest.get(width..)?;
        let (cells, rest) = rest.split_at_checked(usize::try_from(length >> 1).ok()?)?;
        let hash = super::key::hash(Cells(cells), key_len);
        Some((Self { hash, line, offset, rejected: length & 1 == 1, cells }, rest))
    }
}

/// A row that owns its cells: for tests, explanations and the odd row that must outlive its batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The line of the source on which the row begins, from 1.
    pub line: u64,
    /// The byte offset of the row in the source.
    pub offset: u64,
    pub cells: Vec<u8>,
}

impl Row {
    pub fn of<'a>(cells: impl IntoIterator<Item = Cell<'a>>) -> Self {
        let mut row = Self::default();
        for cell in cells {
            push_cell(&mut row.cells, cell);
        }
        row
    }

    /// The row, borrowed; its hash is that of the first `key_len` cells.
    pub fn borrow(&self, key_len: usize) -> RowRef<'_> {
        let hash = super::key::hash(Cells(&self.cells), key_len);
        RowRef::new(hash, self.line, self.offset, &self.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells() -> impl Strategy<Value = super::super::Value> {
        use super::super::Value;
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            ".*".prop_map(Value::Text),
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Value::Text),
            "[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}".prop_map(Value::Text),
            "[0-9A-Fa-f-]{36}".prop_map(Value::Text),
            ".*".prop_map(Value::Unparsed),
            any::<i32>().prop_map(|days| Value::Date(Date::from_days(days))),
            (any::<i64>(), 0u32..1_000_000_000)
                .prop_map(|(s, n)| Value::Instant(Instant::new(s, n))),
            any::<i128>().prop_map(Value::Integer),
            (any::<i64>(), 0u8..=28).prop_map(|(c, s)| Value::Decimal(
                Decimal::new(i128::from(c) * 1_000_003, s).unwrap()
            )),
        ]
    }

    #[test]
    fn the_letters_of_a_uuid_become_what_the_text_would() {
        let cell = |text: &str| {
            let mut out = Vec::new();
            push_cell(&mut out, Cell::Text(text));
            out
        };
        for (text, is_uuid) in [
            ("086ffca2-32b4-406b-87da-d2f6b8c75bcf", true),
            ("086FFCA2-32B4-406B-87DA-D2F6B8C75BCF", true),
            ("086ffca2-32B4-406b-87da-d2f6b8c75bcf", true),
            ("08600002-3204-4060-8700-020608075000", true),
            ("086ffca2-32b4-406b-87da-d2f6b8c75bcg", false),
            ("086ffca2-32b4-406b-87da-d2f6b8c75bc", false),
            ("086ffca2+32b4-406b-87da-d2f6b8c75bcf", false),
        ] {
            let changes = [
                (UuidLetters::Upper, text.to_uppercase()),
                (UuidLetters::Lower, text.to_lowercase()),
                (UuidLetters::AsWritten, text.to_owned()),
            ];
            for (letters, meant) in changes {
                let mut out = Vec::new();
                let packed = push_uuid(&mut out, text.as_bytes(), letters);
                let is_mixed = letters == UuidLetters::AsWritten && text.contains("32B4-406b");
                assert_eq!(packed, is_uuid && !is_mixed, "{text} {letters:?}");
                assert_eq!(out, if packed { cell(&meant) } else { Vec::new() });
            }
        }
    }

    proptest! {
        #[test]
        fn a_varint_reads_back(bits in 0u32..=64, value: u64, behind in proptest::collection::vec(any::<u8>(), 0..9)) {
            let value = value.checked_shr(64 - bits).unwrap_or(0);
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let length = bytes.len();
            bytes.extend(behind);
            prop_assert_eq!(read_varint(&bytes), (value, length));
            prop_assert_eq!(read_long_varint(&bytes), (value, length));
        }

        #[test]
        fn a_row_reads_back_as_written(values in proptest::collection::vec(cells(), 0..12), line: u64, offset: u64) {
            let row = Row { line, offset, ..Row::of(values.iter().map(|value| value.as_cell())) };
            let mut bytes = Vec::new();
            row.borrow(0).push(&mut bytes);
            row.borrow(0).push(&mut bytes);
            let (first, rest) = RowRef::read(&bytes, 0).unwrap();
            let (second, rest) = RowRef::read(rest, 0).unwrap();
            prop_assert!(RowRef::read(rest, 0).is_none());
            prop_assert_eq!((first.line, second.offset), (line, offset));
            let back: Vec<_> = second.cells().map(|cell| cell.decode(&mut [0; 36]).to_value()).collect();
            prop_assert_eq!(back, values);
        }
    }
}
