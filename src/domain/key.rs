//! Keys: hashing, comparing and displaying them.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::{Cell, Cells, RawCell};

/// A hash of the first `key_len` cells by their *value*: `1.0` and `1.00` hash alike. It is the
/// same in every process, so that partitions are.
#[inline]
pub fn hash(mut cells: Cells<'_>, key_len: usize) -> u64 {
    const STATE: FixedState = FixedState::with_seed(0x7265_636f_6e21);
    let mut hasher = STATE.build_hasher();
    for _ in 0..key_len {
        let Some(raw) = cells.next_cell() else { break };
        // All other types have one form of bytes for each value.
        if raw.is_decimal()
            && let Cell::Decimal(value) = raw.decode(&mut [0; 36])
        {
            let value = value.normalized();
            hasher.write_i128(value.coefficient());
            hasher.write_u8(value.scale());
        } else {
            hasher.write(raw.bytes());
        }
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// Compares the first `key_len` cells of both rows as typed values.
pub fn equal(a: Cells<'_>, b: Cells<'_>, key_len: usize) -> bool {
    a.take(key_len).zip(b.take(key_len)).all(|(left, right)| {
        left == right || left.decode(&mut [0; 36]) == right.decode(&mut [0; 36])
    })
}

/// The key as shown to users (`source_a_ref_id`): the canonical texts of the parts joined by `|`;
/// `\` escapes `|` and `\`.
pub fn reference(cells: Cells<'_>, key_len: usize) -> String {
    joined(cells.take(key_len))
}

/// Some cells as a reference for people, as [`reference()`] writes it.
pub fn joined<'a>(cells: impl Iterator<Item = RawCell<'a>>) -> String {
    let mut text = String::new();
    for (at, raw) in cells.enumerate() {
        if at > 0 {
            text.push('|');
        }
        let part = raw.decode(&mut [0; 36]).to_string();
        for character in part.chars() {
            if matches!(character, '|' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Decimal, Row};
    use super::*;

    #[test]
    fn equal_values_written_differently_are_one_key() {
        let short = Row::of([Cell::Decimal(Decimal::new(10, 1).unwrap()), Cell::Null]);
        let long = Row::of([Cell::Decimal(Decimal::new(1_000, 3).unwrap()), Cell::Text("x")]);
        let (short, long) = (short.borrow(1), long.borrow(1));
        assert_eq!(short.hash, long.hash);
        assert!(equal(short.cells(), long.cells(), 1));
        assert!(!equal(short.cells(), long.cells(), 2));
    }

    #[test]
    fn a_reference_escapes_its_separator() {
        let row = Row::of([Cell::Text(r"a|b\c"), Cell::Integer(7)]);
        assert_eq!(reference(row.borrow(2).cells(), 2), r"a\|b\\c|7");
    }
}
