//! The identity of a row from one business date to the next: a hash of its key, else of its `ref`, else of all its
//! values and its side. It is stored, so neither the hash nor its input may ever change.

use super::{Cell, Cells, Layout, RawCell, Side};

/// A 64-bit hash of bytes that is the same on every machine and in every version.
#[derive(Clone, Copy, Debug)]
pub struct StableHash(u64);

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;

/// Both halves of the product, mixed: each bit depends on all bits.
#[inline]
pub const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product >> 64) as u64 ^ product as u64
}

impl StableHash {
    /// A hash that begins with this number.
    pub const fn new(seed: u64) -> Self {
        Self(fold(seed ^ FIRST, SECOND))
    }

    #[must_use]
    pub const fn number(self, value: u64) -> Self {
        Self(fold(self.0 ^ value ^ FIRST, SECOND).wrapping_add(value.rotate_left(32)))
    }

    /// Takes in bytes and their length.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut hash = self;
        let (whole, rest) = bytes.as_chunks::<8>();
        for eight in whole {
            hash = hash.number(u64::from_le_bytes(*eight));
        }
        let mut last = [0; 8];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        hash.number(u64::from_le_bytes(last)).number(bytes.len() as u64)
    }

    pub const fn finish(self) -> u64 {
        fold(self.0 ^ SECOND, FIRST)
    }
}

/// The hash of a text.
pub fn of_text(text: &str) -> u64 {
    StableHash::new(0).bytes(text.as_bytes()).finish()
}

fn add(hash: StableHash, raw: RawCell<'_>) -> StableHash {
    let wide =
        |hash: StableHash, value: i128| hash.number(value as u64).number((value >> 64) as u64);
    if let Some(text) = raw.text_bytes(&mut [0; 36]) {
        return hash.number(2).bytes(text);
    }
    match raw.decode(&mut [0; 36]) {
        Cell::Null => hash.number(1),
        Cell::Text(text) => hash.number(2).bytes(text.as_bytes()),
        Cell::Unparsed(text) => hash.number(3).bytes(text.as_bytes()),
        Cell::Integer(value) => wide(hash.number(4), value),
        Cell::Decimal(value) => {
            let value = value.normalized();
            wide(hash.number(5), value.coefficient()).number(value.scale().into())
        }
        Cell::Date(value) => hash.number(6).number(i64::from(value.days()).cast_unsigned()),
        Cell::Instant(value) => hash
            .number(7)
            .number(value.seconds().cast_unsigned())
            .number(value.nanoseconds().into()),
        Cell::Boolean(value) => hash.number(8).number(value.into()),
    }
}

/// The hash of these cells, if none of them is null or unreadable and there are some.
fn of_cells<'a>(kind: u64, cells: impl Iterator<Item = RawCell<'a>>) -> Option<u64> {
    let mut hash = StableHash::new(kind);
    let mut some = false;
    for raw in cells {
        if raw.is_null() || raw.is_unparsed() {
            return None;
        }
        some = true;
        hash = add(hash, raw);
    }
    some.then(|| hash.finish())
}

/// The hash that identifies a row of this side from date to date.
pub fn of_row(layout: &Layout, side: Side, cells: Cells<'_>) -> u64 {
    let refs = || {
        let named = cells.zip(layout.fields());
        named.filter(|(_, field)| field.in_ref).map(|(cell, _)| cell)
    };
    of_cells(1, cells.take(layout.key_len())).or_else(|| of_cells(2, refs())).unwrap_or_else(|| {
        let side = StableHash::new(3).number(side as u64);
        cells.fold(side, add).finish()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Decimal, Field, Kind, Row};
    use super::*;

    fn layout(key_len: usize, in_ref: bool) -> Layout {
        let mut fields = vec![Field::new("a", Kind::Decimal), Field::new("b", Kind::Text)];
        fields[1].in_ref = in_ref;
        Layout::new(fields, key_len)
    }

    fn row(number: i128, scale: u8, text: &str) -> Row {
        Row::of([Cell::Decimal(Decimal::new(number, scale).unwrap()), Cell::Text(text)])
    }

    fn hash(layout: &Layout, side: Side, row: &Row) -> u64 {
        of_row(layout, side, Cells::new(&row.cells))
    }

    #[test]
    fn a_row_is_known_by_its_key_then_its_ref_then_its_values_and_side() {
        let (one, other) = (row(10, 1, "x"), row(100, 2, "y"));
        let keyed = layout(1, true);
        assert_eq!(hash(&keyed, Side::A, &one), hash(&keyed, Side::B, &other));
        let named = layout(0, true);
        assert_ne!(hash(&named, Side::A, &one), hash(&named, Side::A, &other));
        assert_eq!(hash(&named, Side::A, &one), hash(&named, Side::B, &row(7, 0, "x")));
        let bare = layout(0, false);
        assert_ne!(hash(&bare, Side::A, &one), hash(&bare, Side::B, &one));
        assert_eq!(hash(&bare, Side::A, &one), hash(&bare, Side::A, &row(1, 0, "x")));
        // A null key falls back to the next.
        let none = Row::of([Cell::Null, Cell::Text("x")]);
        assert_eq!(hash(&keyed, Side::A, &none), hash(&named, Side::A, &one));
    }

    #[test]
    fn stored_hashes_stay_the_same_from_version_to_version() {
        assert_eq!(of_text("T-1"), 0xd3c0_1d76_be44_71e8);
        assert_eq!(hash(&layout(1, false), Side::A, &row(10, 1, "x")), 0xc6ae_8730_437b_f7c8);
    }
}
