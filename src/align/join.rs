//! The join of one partition: rows are sorted by the hash of their key, rows of one key become records.

use crate::domain::pairing::PairCost;
use crate::domain::{Cells, PerSide, RowRef, Side, key};

use super::duplicates;

/// Destination of a row. Every row that takes part is placed exactly once.
#[derive(Clone, Copy, Debug)]
pub enum Placed<'a> {
    /// Two rows of one key.
    Pair(RowRef<'a>, RowRef<'a>),
    /// A row whose key the other side lacks.
    Alone {
        side: Side,
        row: RowRef<'a>,
        /// The other side has a row of this key, but it was rejected: its line and byte offset.
        rejected_partner: Option<(u64, u64)>,
    },
    /// A row too many of its key.
    Surplus {
        side: Side,
        row: RowRef<'a>,
        /// The other side has a row of this key that was rejected: its line and byte offset. With it
        /// there might be no row too many.
        rejected_partner: Option<(u64, u64)>,
    },
}

/// Warnings about how rows were paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Keys repeated so often that their rows were paired greedily.
    pub greedy_keys: u64,
}

/// Aligns the rows of one partition and calls `place` once for every row except rejected ones. Rows
/// must be in the order of their lines. Records are in the order of the hashes of their keys, so
/// that the partitioning does not matter; keys of the same hash are in the order of their first
/// row, A's rows first.
pub fn align<'a>(
    rows: PerSide<&[RowRef<'a>]>,
    key_len: usize,
    cost: &dyn PairCost,
    mut place: impl FnMut(Placed<'a>),
) -> Notes {
    align_with(rows, key_len, cost, Cells::are_same_bytes, &mut |placed, _| place(placed))
}

/// As [`align`], for a caller that does not read the values of a pair; where both keys occur once, it gets the
/// positions of the rows.
pub fn align_at<'a>(
    rows: PerSide<&[RowRef<'a>]>,
    key_len: usize,
    cost: &dyn PairCost,
    mut place: impl FnMut(Placed<'a>, Option<(u32, u32)>),
) -> Notes {
    align_with(rows, key_len, cost, |_, _| false, &mut place)
}

/// Two rows for which `are_equal` holds skip the comparison of their keys.
fn align_with<'a>(
    rows: PerSide<&[RowRef<'a>]>,
    key_len: usize,
    cost: &dyn PairCost,
    are_equal: impl Fn(Cells<'a>, Cells<'a>) -> bool,
    place: &mut impl FnMut(Placed<'a>, Option<(u32, u32)>),
) -> Notes {
    let mut notes = Notes::default();
    let mut touched = 0;
    let order = rows.map(|_, rows| by_hash(rows));
    let mut rest = PerSide { a: order.a.as_slice(), b: order.b.as_slice() };
    while let Some(hash) = first_hash(rest) {
        for side in Side::BOTH {
            touched ^= touch(rows[side], rest[side]);
        }
        let run = PerSide { a: take_run(&mut rest.a, hash), b: take_run(&mut rest.b, hash) };
        match (run.a, run.b) {
            ([(_, at_a)], [(_, at_b)]) => {
                let (a, b) = (rows.a[*at_a as usize], rows.b[*at_b as usize]);
                let (cells_a, cells_b) = (a.cells(), b.cells());
                let is_one_key =
                    are_equal(cells_a, cells_b) || key::equal(cells_a, cells_b, key_len);
                if is_one_key && !a.rejected && !b.rejected {
                    place(Placed::Pair(a, b), Some((*at_a, *at_b)));
                    continue;
                }
            }
            ([(_, at)], []) => {
                alone(Side::A, rows.a[*at as usize], &mut |placed| place(placed, None));
                continue;
            }
            ([], [(_, at)]) => {
                alone(Side::B, rows.b[*at as usize], &mut |placed| place(placed, None));
                continue;
            }
            _ => {}
        }
        let run = PerSide::of(|side| {
            run[side].iter().map(|(_, at)| rows[side][*at as usize]).collect::<Vec<_>>()
        });
        align_run(run, key_len, cost, &mut notes, &mut |placed| place(placed, None));
    }
    std::hint::black_box(touched);
    notes
}

/// How many rows ahead their bytes are read, and twice as many ahead where those are.
const AHEAD: usize = 6;

/// Reads a byte of rows that will be used soon, so that they are in the processor's cache by then: the order of
/// hashes is none in memory.
#[inline(always)]
fn touch(rows: &[RowRef<'_>], order: &[(u64, u32)]) -> u8 {
    let row = |ahead: usize| rows.get(order.get(ahead)?.1 as usize);
    let place = row(2 * AHEAD).map_or(0, |row| row.line as u8);
    place ^ row(AHEAD).map_or(0, |row| row.cells().first_byte())
}

/// A row whose key no other row has.
#[inline]
fn alone<'a>(side: Side, row: RowRef<'a>, place: &mut impl FnMut(Placed<'a>)) {
    if !row.rejected {
        place(Placed::Alone { side, row, rejected_partner: None });
    }
}

/// About how many rows share a bucket.
const BUCKET_ROWS: usize = 2;

/// The rows by hash and line: hash and position. Hashes are spread evenly, so putting them into buckets by
/// their leading bits and sorting each is four times as fast as sorting all of them.
fn by_hash(rows: &[RowRef<'_>]) -> Vec<(u64, u32)> {
    let (lowest, highest) =
        rows.iter().fold((u64::MAX, 0), |(low, high), row| (low.min(row.hash), high.max(row.hash)));
    // Rows of one partition have the first bits in common.
    let significant = u64::BITS - (lowest ^ highest).leading_zeros();
    let bits = (rows.len() / BUCKET_ROWS).max(1).ilog2().min(significant);
    let bucket = |hash: u64| match bits {
        0 => 0,
        _ => (hash << (u64::BITS - significant) >> (u64::BITS - bits)) as usize,
    };
    let mut ends = vec![0u32; 1 << bits];
    rows.iter().for_each(|row| ends[bucket(row.hash)] += 1);
    let mut sum = 0;
    for end in &mut ends {
        sum += std::mem::replace(end, sum);
    }
    let mut order = vec![(0, 0); rows.len()];
    for (row, at) in rows.iter().zip(0u32..) {
        let end = &mut ends[bucket(row.hash)];
        order[*end as usize] = (row.hash, at);
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        order[start..end as usize].sort_unstable();
        start = end as usize;
    }
    order
}

fn first_hash(rest: PerSide<&[(u64, u32)]>) -> Option<u64> {
    let first = |side: &[(u64, u32)]| side.first().map(|(hash, _)| *hash);
    match (first(rest.a), first(rest.b)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Cuts the rows of this hash off the front.
fn take_run<'o>(rest: &mut &'o [(u64, u32)], hash: u64) -> &'o [(u64, u32)] {
    let length = rest.iter().take_while(|(other, _)| *other == hash).count();
    let (run, after) = rest.split_at(length);
    *rest = after;
    run
}

/// The rows of one key.
struct Group<'a> {
    rows: PerSide<Vec<RowRef<'a>>>,
    /// Line and byte offset of the first row of this key that was rejected.
    rejected: PerSide<Option<(u64, u64)>>,
}

/// Aligns rows whose keys have one hash: nearly always one key.
fn align_run<'a>(
    run: PerSide<Vec<RowRef<'a>>>,
    key_len: usize,
    cost: &dyn PairCost,
    notes: &mut Notes,
    place: &mut impl FnMut(Placed<'a>),
) {
    let mut groups: Vec<(RowRef<'a>, Group<'a>)> = Vec::new();
    for side in Side::BOTH {
        for row in &run[side] {
            let same = |(representative, _): &(RowRef<'a>, Group<'a>)| {
                key::equal(representative.cells(), row.cells(), key_len)
            };
            let at = groups.iter().position(same).unwrap_or_else(|| {
                let group = Group { rows: PerSide::default(), rejected: PerSide::default() };
                groups.push((*row, group));
                groups.len() - 1
            });
            let (_, group) = &mut groups[at];
            if row.rejected {
                let first = &mut group.rejected[side];
                *first = first.or(Some((row.line, row.offset)));
            } else {
                group.rows[side].push(*row);
            }
        }
    }
    for (_, Group { rows, rejected }) in groups {
        match (rows.a.as_slice(), rows.b.as_slice()) {
            ([], []) => {}
            ([a], [b]) => place(Placed::Pair(*a, *b)),
            (_, []) => one_sided(Side::A, &rows.a, rejected.b, place),
            ([], _) => one_sided(Side::B, &rows.b, rejected.a, place),
            (a, b) => notes.greedy_keys += u64::from(duplicates::pair(a, b, rejected, cost, place)),
        }
    }
}

/// A key that one side lacks: its first row is the missing record, the others are surplus.
fn one_sided<'a>(
    side: Side,
    rows: &[RowRef<'a>],
    rejected_partner: Option<(u64, u64)>,
    place: &mut impl FnMut(Placed<'a>),
) {
    for (at, row) in rows.iter().enumerate() {
        if at == 0 {
            place(Placed::Alone { side, row: *row, rejected_partner });
        } else {
            place(Placed::Surplus { side, row: *row, rejected_partner });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pairing::Cost;
    use crate::domain::{Cell, Row};
    use proptest::prelude::*;

    /// Rows are (key, value); two values differ or they don't.
    struct ByValue;

    impl PairCost for ByValue {
        fn cost(&self, a: RowRef<'_>, b: RowRef<'_>) -> Cost {
            let different = a.cells().zip(b.cells()).filter(|(a, b)| a != b).count();
            Cost { different: different as u32, within: 0 }
        }

        fn identity(&self, row: RowRef<'_>, out: &mut Vec<u8>) {
            out.extend_from_slice(&row.cells().whole());
        }
    }

    fn rows(pairs: &[(u8, u8)]) -> Vec<Row> {
        let row = |(at, (key, value)): (usize, &(u8, u8))| Row {
            line: at as u64 + 2,
            ..Row::of([Cell::Integer((*key).into()), Cell::Integer((*value).into())])
        };
        pairs.iter().enumerate().map(row).collect()
    }

    /// The records as (line of A, line of B).
    fn placed(a: &[Row], b: &[Row]) -> Vec<(Option<u64>, Option<u64>)> {
        let a: Vec<_> = a.iter().map(|row| row.borrow(1)).collect();
        let b: Vec<_> = b.iter().map(|row| row.borrow(1)).collect();
        let mut all = Vec::new();
        align(PerSide { a: &a, b: &b }, 1, &ByValue, |placed| {
            all.push(match placed {
                Placed::Pair(a, b) => (Some(a.line), Some(b.line)),
                Placed::Alone { side: Side::A, row, .. }
                | Placed::Surplus { side: Side::A, row, .. } => (Some(row.line), None),
                Placed::Alone { side: Side::B, row, .. }
                | Placed::Surplus { side: Side::B, row, .. } => (None, Some(row.line)),
            });
        });
        all
    }

    #[test]
    fn a_repeated_key_pairs_the_rows_that_fit_and_leaves_the_surplus() {
        let a = rows(&[(1, 10), (1, 20), (1, 20)]);
        let b = rows(&[(1, 20), (1, 11)]);
        assert_eq!(placed(&a, &b), [(Some(2), Some(3)), (Some(3), Some(2)), (Some(4), None)]);
    }

    #[test]
    fn a_repeated_key_of_one_side_is_one_missing_record_and_surplus() {
        let a = rows(&[(1, 1), (1, 2)]);
        let borrowed: Vec<_> = a.iter().map(|row| row.borrow(1)).collect();
        let mut kinds = Vec::new();
        align(PerSide { a: &borrowed, b: &[] }, 1, &ByValue, |placed| {
            kinds.push(matches!(placed, Placed::Alone { .. }));
        });
        assert_eq!(kinds, [true, false]);
    }

    fn rejected(mut row: RowRef<'_>) -> RowRef<'_> {
        row.rejected = true;
        row
    }

    #[test]
    fn the_partner_of_a_rejected_row_is_marked() {
        let (a, b) = (rows(&[(1, 1)]), rows(&[(1, 1)]));
        let a: Vec<_> = a.iter().map(|row| row.borrow(1)).collect();
        let b: Vec<_> = b.iter().map(|row| row.borrow(1)).map(rejected).collect();
        let mut told = Vec::new();
        align(PerSide { a: &a, b: &b }, 1, &ByValue, |placed| {
            if let Placed::Alone { rejected_partner, .. } = placed {
                told.push(rejected_partner);
            }
        });
        assert_eq!(told, [Some((2, 0))]);
    }

    #[test]
    fn a_surplus_row_is_marked_if_its_key_has_rejected_rows() {
        let a = rows(&[(1, 1), (1, 2), (2, 1), (2, 2)]);
        let b = rows(&[(1, 1), (1, 9), (2, 1)]);
        let a: Vec<_> = a.iter().map(|row| row.borrow(1)).collect();
        let mut b: Vec<_> = b.iter().map(|row| row.borrow(1)).collect();
        b[1].rejected = true;
        let mut told = Vec::new();
        align(PerSide { a: &a, b: &b }, 1, &ByValue, |placed| {
            if let Placed::Surplus { row, rejected_partner, .. } = placed {
                told.push((row.line, rejected_partner));
            }
        });
        told.sort_unstable();
        assert_eq!(told, [(3, Some((3, 0))), (5, None)]);
    }

    proptest! {
        #[test]
        fn rows_are_sorted_by_hash_and_line(
            prefix in 0u64..4,
            shift in 0u32..64,
            hashes in proptest::collection::vec(any::<u64>(), 0..200),
        ) {
            let hashes: Vec<u64> = hashes.iter().map(|hash| prefix << 62 | hash >> shift >> 2).collect();
            let rows: Vec<_> = hashes.iter().map(|hash| RowRef::new(*hash, 1, 0, &[])).collect();
            let mut sorted: Vec<_> = hashes.iter().copied().zip(0u32..).collect();
            sorted.sort_unstable();
            prop_assert_eq!(by_hash(&rows), sorted);
        }

        #[test]
        fn every_row_is_placed_exactly_once(
            a in proptest::collection::vec((0u8..6, 0u8..3), 0..90),
            b in proptest::collection::vec((0u8..6, 0u8..3), 0..90),
        ) {
            let (a, b) = (rows(&a), rows(&b));
            let all = placed(&a, &b);
            let mut lines_a: Vec<_> = all.iter().filter_map(|(a, _)| *a).collect();
            let mut lines_b: Vec<_> = all.iter().filter_map(|(_, b)| *b).collect();
            lines_a.sort_unstable();
            lines_b.sort_unstable();
            prop_assert_eq!(lines_a, (2..a.len() as u64 + 2).collect::<Vec<_>>());
            prop_assert_eq!(lines_b, (2..b.len() as u64 + 2).collect::<Vec<_>>());
        }

        #[test]
        fn swapping_the_sides_pairs_as_many_rows_at_the_same_cost(
            a in proptest::collection::vec((0u8..3, 0u8..5), 0..40),
            b in proptest::collection::vec((0u8..3, 0u8..5), 0..40),
        ) {
            let (a, b) = (rows(&a), rows(&b));
            let total = |pairs: Vec<(Option<u64>, Option<u64>)>, left: &[Row], right: &[Row]| {
                let row = |rows: &[Row], line: u64| rows[line as usize - 2].cells.clone();
                let equal = pairs.iter().filter(|(a, b)| {
                    a.zip(*b).is_some_and(|(a, b)| row(left, a) == row(right, b))
                });
                (equal.count(), pairs.iter().filter(|(a, b)| a.is_some() && b.is_some()).count())
            };
            prop_assert_eq!(total(placed(&a, &b), &a, &b), total(placed(&b, &a), &b, &a));
        }
    }
}
