//! The hash join of one partition: rows are grouped by key, groups become records.

use hashbrown::HashTable;

use crate::domain::pairing::PairCost;
use crate::domain::{PerSide, RowRef, Side, key};

use super::duplicates;

/// Where a row ends up. Every row that takes part is placed exactly once.
#[derive(Clone, Copy, Debug)]
pub enum Placed<'a> {
    /// Two rows of one key.
    Pair(RowRef<'a>, RowRef<'a>),
    /// A row whose key the other side lacks.
    Alone {
        /// Whose row it is.
        side: Side,
        /// The row.
        row: RowRef<'a>,
        /// The other side has a row of this key, but it was rejected: its line and byte offset.
        rejected_partner: Option<(u64, u64)>,
    },
    /// A row too many of its key.
    Surplus {
        /// Whose row it is.
        side: Side,
        /// The row.
        row: RowRef<'a>,
    },
}

/// What a person should know about how rows were paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Keys repeated so often that their rows were paired greedily.
    pub greedy_keys: u64,
}

/// Rows of one side with the same key, as a chain through `next`.
#[derive(Clone, Copy, Debug)]
struct Chain {
    first: u32,
    last: u32,
    count: u32,
    /// Line and byte offset of the first row of this key that was rejected.
    rejected: Option<(u64, u64)>,
}

const END: u32 = u32::MAX;

impl Chain {
    const EMPTY: Self = Self { first: END, last: END, count: 0, rejected: None };

    fn push(&mut self, at: u32, next: &mut [u32]) {
        if self.count == 0 {
            self.first = at;
        } else if let Some(link) = next.get_mut(self.last as usize) {
            *link = at;
        }
        self.last = at;
        self.count += 1;
    }

    fn rows<'r, 'a>(
        self,
        rows: &'r [RowRef<'a>],
        next: &'r [u32],
    ) -> impl Iterator<Item = RowRef<'a>> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let row = *rows.get(at as usize)?;
            at = next.get(at as usize).copied().unwrap_or(END);
            Some(row)
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Group<'a> {
    /// Any row of the group: it has the key.
    representative: RowRef<'a>,
    chains: PerSide<Chain>,
}

/// Aligns the rows of one partition and calls `place` once for every row that takes part, and for no
/// row that was rejected. Rows must come in the order of their lines. Records come in the order in
/// which their keys first occur, A's rows first.
pub fn align<'a>(
    rows: PerSide<&[RowRef<'a>]>,
    key_len: usize,
    cost: &dyn PairCost,
    mut place: impl FnMut(Placed<'a>),
) -> Notes {
    let mut notes = Notes::default();
    let mut next = rows.map(|_, rows| vec![END; rows.len()]);
    let groups = group(rows, key_len, &mut next);
    for group in &groups {
        let chains = group.chains;
        match (chains.a.count, chains.b.count) {
            (0, 0) => {}
            (1, 1) => {
                if let (Some(a), Some(b)) =
                    (rows.a.get(chains.a.first as usize), rows.b.get(chains.b.first as usize))
                {
                    place(Placed::Pair(*a, *b));
                }
            }
            (_, 0) => one_sided(Side::A, &chains, rows, &next, &mut place),
            (0, _) => one_sided(Side::B, &chains, rows, &next, &mut place),
            _ => {
                let of =
                    |side: Side| -> Vec<_> { chains[side].rows(rows[side], &next[side]).collect() };
                let greedy = duplicates::pair(&of(Side::A), &of(Side::B), cost, &mut place);
                notes.greedy_keys += u64::from(greedy);
            }
        }
    }
    notes
}

/// A key that one side lacks: its first row is the missing record, the others are surplus.
fn one_sided<'a>(
    side: Side,
    chains: &PerSide<Chain>,
    rows: PerSide<&[RowRef<'a>]>,
    next: &PerSide<Vec<u32>>,
    place: &mut impl FnMut(Placed<'a>),
) {
    let rejected_partner = chains[side.other()].rejected;
    for (at, row) in chains[side].rows(rows[side], &next[side]).enumerate() {
        if at == 0 {
            place(Placed::Alone { side, row, rejected_partner });
        } else {
            place(Placed::Surplus { side, row });
        }
    }
}

fn group<'a>(
    rows: PerSide<&[RowRef<'a>]>,
    key_len: usize,
    next: &mut PerSide<Vec<u32>>,
) -> Vec<Group<'a>> {
    let expected = rows.a.len().max(rows.b.len());
    let mut table: HashTable<u32> = HashTable::with_capacity(expected + expected / 8);
    let mut groups: Vec<Group<'a>> = Vec::with_capacity(expected + expected / 8);
    for side in Side::BOTH {
        for (at, row) in rows[side].iter().enumerate() {
            let same = |group: &u32| {
                groups.get(*group as usize).is_some_and(|group| {
                    group.representative.hash == row.hash
                        && key::equal(group.representative.cells(), row.cells(), key_len)
                })
            };
            let index = match table.find(row.hash, same) {
                Some(found) => *found as usize,
                None => {
                    let index = groups.len();
                    let hash_of = |group: &u32| {
                        groups.get(*group as usize).map_or(0, |group| group.representative.hash)
                    };
                    table.insert_unique(row.hash, index as u32, hash_of);
                    let chains = PerSide { a: Chain::EMPTY, b: Chain::EMPTY };
                    groups.push(Group { representative: *row, chains });
                    index
                }
            };
            let chain = &mut groups[index].chains[side];
            if row.rejected {
                chain.rejected = chain.rejected.or(Some((row.line, row.offset)));
            } else {
                chain.push(at as u32, &mut next[side]);
            }
        }
    }
    groups
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
    }

    fn rows(pairs: &[(u8, u8)]) -> Vec<Row> {
        let row = |(at, (key, value)): (usize, &(u8, u8))| Row {
            line: at as u64 + 2,
            ..Row::of([Cell::Integer((*key).into()), Cell::Integer((*value).into())])
        };
        pairs.iter().enumerate().map(row).collect()
    }

    /// What became of the rows, as (line of A, line of B).
    fn placed(a: &[Row], b: &[Row]) -> Vec<(Option<u64>, Option<u64>)> {
        let a: Vec<_> = a.iter().map(|row| row.borrow(1)).collect();
        let b: Vec<_> = b.iter().map(|row| row.borrow(1)).collect();
        let mut all = Vec::new();
        align(PerSide { a: &a, b: &b }, 1, &ByValue, |placed| {
            all.push(match placed {
                Placed::Pair(a, b) => (Some(a.line), Some(b.line)),
                Placed::Alone { side: Side::A, row, .. }
                | Placed::Surplus { side: Side::A, row } => (Some(row.line), None),
                Placed::Alone { side: Side::B, row, .. }
                | Placed::Surplus { side: Side::B, row } => (None, Some(row.line)),
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
    fn the_partner_of_a_rejected_row_is_told() {
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

    proptest! {
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
