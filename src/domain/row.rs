//! Compact rows: a row's typed cells as one run of bytes.
//!
//! A row is a header (line, byte offset) and its cells in [`Layout`](super::Layout) order. Cells
//! are self-delimiting and canonical: equal bytes mean equal values in equal written form, so that
//! most comparisons are one `memcmp`. This is the only representation between normalizing and
//! storing, without an allocation per cell.

use std::borrow::Cow;

use super::dictionary::{Codes, NO_CODES, is_code};
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

/// An integer below 2 to the power of 56 as [`push_varint`] writes it, in the low bytes of a word, and their number.
#[inline]
const fn short_varint(value: u64) -> (u64, usize) {
    let fours = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
    let pairs = fours & 0x0000_3fff_0000_3fff | (fours & 0x0fff_c000_0fff_c000) << 2;
    let sevens = pairs & 0x007f_007f_007f_007f | (pairs & 0x3f80_3f80_3f80_3f80) << 1;
    let length = (u64::BITS - (value | 1).leading_zeros()).div_ceil(7);
    let more = (1 << (8 * (length - 1))) - 1;
    (sevens | 0x8080_8080_8080_8080 & more, length as usize)
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
                let [a, b, c, d, e, f, g, h] = small.to_le_bytes();
                let packed = value.scale() | (length as u8 - 1) << 5;
                // Copied as a whole, and then cut: no call for a few bytes.
                let end = out.len() + 2 + length;
                out.extend_from_slice(&[tag::DECIMAL, packed, a, b, c, d, e, f, g, h]);
                out.truncate(end);
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

/// Where the groups of four digits of a UUID begin, two for each of its words.
const FOURS: [[usize; 2]; 4] = [[0, 4], [9, 14], [19, 24], [28, 32]];

const ONES: u64 = 0x0101_0101_0101_0101;

/// `8-4-4-4-12` hexadecimal digits in one case, as tag and 16 bytes.
#[inline]
fn pack_uuid(text: &[u8], letters: UuidLetters) -> Option<(u8, [u8; 16])> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != [b'-'; 4] {
        return None;
    }
    let half = |at: usize| {
        let four = text.get(at..).and_then(<[u8]>::first_chunk::<4>);
        four.map_or(0, |four| u64::from(u32::from_le_bytes(*four)))
    };
    let mut packed = 0;
    let (mut wrong, mut lower, mut upper) = (0, 0, 0);
    for (at, [first, second]) in FOURS.iter().enumerate() {
        let word = half(*first) | half(*second) << 32;
        // Letters have the bit 0x40, and 0x20 if they are lower case; digits have 0x20 alone.
        let is_letter = (word >> 6) & ONES;
        let four = read_digits((word & (0x0f * ONES)) + 9 * is_letter);
        // Whatever is written back as the same characters was digits.
        wrong |= u64::from_le_bytes(write_digits(four, LOWER)) ^ (word | is_letter << 5);
        lower |= is_letter & (word >> 5);
        upper |= is_letter & !(word >> 5);
        packed |= u128::from(four) << (32 * at);
    }
    if wrong != 0 {
        return None;
    }
    let tag = match letters {
        UuidLetters::AsWritten if lower != 0 && upper != 0 => return None,
        // Without letters, it is of either case.
        UuidLetters::AsWritten if upper != 0 => tag::UUID_UPPER,
        UuidLetters::Upper if lower | upper != 0 => tag::UUID_UPPER,
        _ => tag::UUID_LOWER,
    };
    Some((tag, packed.to_le_bytes()))
}

/// Eight digits, each in a byte of its own, as four bytes.
#[inline]
const fn read_digits(digits: u64) -> u32 {
    // The first of two digits is the high one.
    let pairs = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (fours | fours >> 16) as u32
}

/// What is added to a digit above 9 besides what is added to all, for its letter.
const LOWER: u64 = (b'a' - b'9' - 1) as u64;
const UPPER: u64 = (b'A' - b'9' - 1) as u64;

/// The 36 characters of a packed UUID.
#[inline]
fn unpack_uuid(bytes: &[u8], letters: u64) -> TextBuffer {
    let mut text = [b'-'; 36];
    let Some(bytes) = bytes.first_chunk::<16>() else { return text };
    let digits = |four: usize| {
        let at = 4 * four;
        let four = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        write_digits(u32::from_le_bytes(four), letters)
    };
    let [first, second, third, fourth] = [digits(0), digits(1), digits(2), digits(3)];
    text[..8].copy_from_slice(&first);
    text[9..13].copy_from_slice(&second[..4]);
    text[14..18].copy_from_slice(&second[4..]);
    text[19..23].copy_from_slice(&third[..4]);
    text[24..28].copy_from_slice(&third[4..]);
    text[28..].copy_from_slice(&fourth);
    text
}

/// The eight digits of four bytes: each step is on all bytes of a word, and none of them carries into the next.
#[inline]
const fn write_digits(bytes: u32, letters: u64) -> [u8; 8] {
    let word = bytes as u64;
    let fours = (word | word << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (pairs >> 4 | pairs << 8) & (0x0f * ONES);
    let is_letter = ((digits + 0x76 * ONES) & (0x80 * ONES)) >> 7;
    (digits + b'0' as u64 * ONES + is_letter * letters).to_le_bytes()
}

/// One encoded cell. Two cells with the same bytes hold the same value, written the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawCell<'a>(&'a [u8]);

/// Room for the text of a packed cell while it is looked at.
pub type TextBuffer = [u8; 36];

impl<'a> RawCell<'a> {
    pub(super) const NULL: RawCell<'static> = RawCell(&[tag::NULL]);

    /// The cell with these bytes, as [`push_cell`] writes them.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

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
        let letters = match self.0.first() {
            Some(&tag::TEXT) => {
                let (_, start) = read_varint(body);
                return body.get(start..);
            }
            Some(&tag::UUID_LOWER) => LOWER,
            Some(&tag::UUID_UPPER) => UPPER,
            _ => return None,
        };
        *buffer = unpack_uuid(body, letters);
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
            Some(&tag::UUID_LOWER) => unpacked(body, LOWER, buffer),
            Some(&tag::UUID_UPPER) => unpacked(body, UPPER, buffer),
            _ => Cell::Null,
        }
    }
}

fn unpacked<'b>(body: &[u8], letters: u64, buffer: &'b mut TextBuffer) -> Cell<'b> {
    *buffer = unpack_uuid(body, letters);
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
pub struct Cells<'a> {
    bytes: &'a [u8],
    codes: &'a Codes,
}

/// The next cells of two rows.
#[derive(Clone, Copy, Debug)]
pub enum NextPair<'a> {
    /// Equal and parsed.
    SameCode,
    Cells(RawCell<'a>, RawCell<'a>),
}

/// A cell as its row holds it.
pub(super) enum Piece<'a> {
    Cell(RawCell<'a>),
    Code(u16),
}

impl<'a> Cells<'a> {
    /// The cells encoded in `bytes` by [`push_cell`].
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::with_codes(bytes, &NO_CODES)
    }

    /// The same where some of the cells may be codes.
    pub const fn with_codes(bytes: &'a [u8], codes: &'a Codes) -> Self {
        Self { bytes, codes }
    }

    /// True if both are the same bytes, which makes them the same cells. Of rows of one run nearly all that are the
    /// same cells are.
    #[inline]
    pub fn are_same_bytes(self, other: Self) -> bool {
        self.bytes == other.bytes
    }

    /// The bytes of the cells not yet read, without codes.
    pub fn whole(self) -> Cow<'a, [u8]> {
        if self.codes.is_empty() {
            return Cow::Borrowed(self.bytes);
        }
        let mut bytes = Vec::new();
        self.push_to(&mut bytes);
        Cow::Owned(bytes)
    }

    /// The bytes behind the cells that were read, of a row that has no codes: they need not be cells.
    pub const fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// Appends the cells, without codes.
    pub fn push_to(self, out: &mut Vec<u8>) {
        if self.codes.is_empty() {
            out.extend_from_slice(self.bytes);
        } else {
            self.for_each(|cell| out.extend_from_slice(cell.bytes()));
        }
    }

    /// The first byte; 0 if there is none.
    #[inline]
    pub fn first_byte(self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// False if surely none of the cells is unparsed: their tag is in none of the bytes.
    #[inline]
    pub fn may_have_unparsed(self) -> bool {
        memchr::memchr(tag::UNPARSED, self.bytes).is_some()
    }

    /// Goes on by one cell in two rows of one run; the value of a code that both have is not looked up.
    #[inline]
    pub fn next_pair(a: &mut Self, b: &mut Self) -> Option<NextPair<'a>> {
        let cell = |piece: Piece<'a>, codes: &'a Codes| match piece {
            Piece::Cell(cell) => cell,
            Piece::Code(code) => codes.cell(code),
        };
        Some(match (a.next_piece()?, b.next_piece()?) {
            (Piece::Code(left), Piece::Code(right)) if left == right => NextPair::SameCode,
            (left, right) => NextPair::Cells(cell(left, a.codes), cell(right, b.codes)),
        })
    }

    /// What codes mean in these cells.
    pub(super) const fn codes(self) -> &'a Codes {
        self.codes
    }

    /// The next cell, where a call for each is too much.
    #[inline(always)]
    pub(super) fn next_cell(&mut self) -> Option<RawCell<'a>> {
        Some(match self.next_piece()? {
            Piece::Cell(cell) => cell,
            Piece::Code(code) => self.codes.cell(code),
        })
    }

    /// The next cell, not looked up.
    #[inline(always)]
    pub(super) fn next_piece(&mut self) -> Option<Piece<'a>> {
        let first = *self.bytes.first()?;
        if is_code(first) {
            let (code, rest) = self.bytes.split_first_chunk()?;
            self.bytes = rest;
            return Some(Piece::Code(u16::from_be_bytes(*code)));
        }
        let length = match first {
            tag::TEXT | tag::UNPARSED => {
                let (length, width) = read_varint(&self.bytes[1..]);
                1 + width + usize::try_from(length).unwrap_or(usize::MAX / 2)
            }
            tag::DECIMAL => 3 + usize::from(self.bytes.get(1).map_or(0, |packed| packed >> 5)),
            tag::DECIMAL_WIDE => 18,
            tag::INTEGER => 9,
            tag::DATE => 5,
            tag::INSTANT => 13,
            tag::INTEGER_WIDE | tag::UUID_LOWER | tag::UUID_UPPER => 17,
            _ => 1,
        };
        let (cell, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        Some(Piece::Cell(RawCell(cell)))
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = RawCell<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawCell<'a>> {
        self.next_cell()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<RawCell<'a>> {
        for _ in 0..n {
            self.next_piece()?;
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
    cells: Cells<'a>,
}

impl<'a> RowRef<'a> {
    /// A row of encoded cells.
    pub const fn new(hash: u64, line: u64, offset: u64, cells: &'a [u8]) -> Self {
        Self { hash, line, offset, rejected: false, cells: Cells::new(cells) }
    }

    /// The same place with other cells.
    #[must_use]
    pub const fn with_cells<'b>(&self, cells: Cells<'b>) -> RowRef<'b> {
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
        self.cells
    }

    /// Appends the row to `out`, to be read back by [`RowRef::read`].
    pub fn push(&self, out: &mut Vec<u8>) {
        let cells = self.cells;
        let length = if cells.codes.is_empty() {
            cells.bytes.len()
        } else {
            cells.map(|cell| cell.bytes().len()).sum()
        };
        let head = [(length as u64) << 1 | u64::from(self.rejected), self.line, self.offset];
        if (head[0] | head[1] | head[2]) >> 56 == 0 {
            // Copied as a whole, and then cut.
            let (mut bytes, mut at) = ([0; 24], 0);
            for value in &head {
                let (word, width) = short_varint(*value);
                // Three times eight bytes at most.
                if let Some(room) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                    *room = word.to_le_bytes();
                }
                at += width;
            }
            let end = out.len() + at;
            out.extend_from_slice(&bytes);
            out.truncate(end);
        } else {
            for value in head {
                push_varint(out, value);
            }
        }
        cells.push_to(out);
    }

    /// Reads the row at the start of `bytes`, of which some cells may be codes, and returns the rest; `None` at the
    /// end. Its hash is that of the first `key_len` cells: computing it again is as fast as storing it.
    #[inline]
    pub fn read(bytes: &'a [u8], key_len: usize, codes: &'a Codes) -> Option<(Self, &'a [u8])> {
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
        let cells = Cells::with_codes(cells, codes);
        let hash = super::key::hash(cells, key_len);
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
        let hash = super::key::hash(Cells::new(&self.cells), key_len);
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

    #[test]
    fn only_hexadecimal_digits_make_a_uuid() {
        let text = *b"086ffca2-32B4-406b-87da-d2f6b8c75bcf";
        for at in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut changed = text;
                changed[at] = byte;
                let is_digit =
                    if text[at] == b'-' { byte == b'-' } else { byte.is_ascii_hexdigit() };
                let packed = pack_uuid(&changed, UuidLetters::Lower);
                assert_eq!(packed.is_some(), is_digit, "{at} {byte}");
                if let Some((_, packed)) = packed {
                    assert_eq!(
                        unpack_uuid(&packed, LOWER),
                        changed.map(|byte| byte.to_ascii_lowercase())
                    );
                }
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
            if bits <= 56 {
                let (word, width) = short_varint(value);
                prop_assert_eq!((&word.to_le_bytes()[..width], width), (&bytes[..width], length));
            }
        }

        #[test]
        fn a_row_reads_back_as_written(values in proptest::collection::vec(cells(), 0..12), line: u64, offset: u64) {
            let row = Row { line, offset, ..Row::of(values.iter().map(|value| value.as_cell())) };
            let mut bytes = Vec::new();
            row.borrow(0).push(&mut bytes);
            row.borrow(0).push(&mut bytes);
            let (first, rest) = RowRef::read(&bytes, 0, &NO_CODES).unwrap();
            let (second, rest) = RowRef::read(rest, 0, &NO_CODES).unwrap();
            prop_assert!(RowRef::read(rest, 0, &NO_CODES).is_none());
            prop_assert_eq!((first.line, second.offset), (line, offset));
            let back: Vec<_> = second.cells().map(|cell| cell.decode(&mut [0; 36]).to_value()).collect();
            prop_assert_eq!(back, values);
        }
    }
}
