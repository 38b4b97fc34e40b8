//! All rows of a run as future records: those that share a key, and the matches of the passes among the others.

use std::borrow::Cow;

use super::super::Plan;
use super::super::halt::Halt;
use super::super::settle::{self, Settled};
use super::super::tally::Tally;
use super::Passes;
use crate::align::{Notes, Partitioning, Partitions, Placed, SpillRoom, align};
use crate::diagnostic::Problem;
use crate::domain::{PerSide, Progress, RawCell, RowRef, Side};

pub(in super::super) struct Rows {
    keyed: Partitions,
    /// Only of a job with `match`.
    settled: Option<Partitions>,
    /// Pairs of each of the first partitions.
    paired: Vec<Option<Paired>>,
    /// Matches that were not made because they are not certain.
    pub left_ambiguous: u64,
    /// The totals of the rows that the passes were given.
    pub tally: Tally,
    /// Rows may come in any order.
    is_disordered: bool,
}

/// The pairs that the key makes in a partition that is not split, so that it need not be aligned again.
#[derive(Debug, Default)]
pub(super) struct Paired {
    pub rows: PerSide<usize>,
    /// Positions of the rows of each pair, in the order of the records.
    pub pairs: Vec<(u32, u32)>,
    pub notes: Notes,
}

/// Some rows, to be turned into records at once.
#[derive(Clone, Copy)]
pub(in super::super) struct Part<'a> {
    rows: PerSide<&'a [RowRef<'a>]>,
    is_settled: bool,
    /// Only pairs count: the passes have the other rows.
    only_pairs: bool,
    paired: Option<&'a Paired>,
}

/// A record to be.
pub(in super::super) enum Entry<'a> {
    Keyed(Placed<'a>),
    /// By a pass, or by none.
    Settled(Settled<'a>),
}

impl Rows {
    /// The rows as they were read, after all passes.
    pub fn new(
        plan: &Plan,
        keyed: Partitions,
        spill: (Partitioning, &SpillRoom),
        halt: &Halt,
        progress: &dyn Progress,
    ) -> Result<Self, Problem> {
        let Some(matching) = &plan.matching else {
            let tally = Tally::default();
            let (is_disordered, paired) = (false, Vec::new());
            return Ok(Self {
                keyed,
                settled: None,
                paired,
                left_ambiguous: 0,
                tally,
                is_disordered,
            });
        };
        let passes = Passes::new(plan, matching, spill, halt, progress);
        let (settled, results) = passes.run(&keyed)?;
        let mut paired: Vec<Option<Paired>> =
            std::iter::repeat_with(|| None).take(keyed.len()).collect();
        for (index, pairs) in results.paired {
            paired[index] = Some(pairs);
        }
        let (left_ambiguous, tally) = (results.left_ambiguous, results.tally);
        let settled = Some(settled);
        Ok(Self { keyed, settled, paired, left_ambiguous, tally, is_disordered: false })
    }

    /// The rows as other processes gathered them, in any order.
    pub fn gathered(keyed: Partitions, settled: Option<Partitions>) -> Self {
        let (left_ambiguous, tally, paired) = (0, Tally::default(), Vec::new());
        Self { keyed, settled, paired, left_ambiguous, tally, is_disordered: true }
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.keyed_len() + self.settled.as_ref().map_or(0, Partitions::len)
    }

    /// The records of so many neighboring partitions are written together.
    pub const fn together(&self) -> usize {
        self.keyed.together()
    }

    /// How many of them are of rows that share a key; they come first.
    pub fn keyed_len(&self) -> usize {
        self.keyed.len()
    }

    /// Calls `each` with the rows of a partition, in parts if it is too large; with `take` its memory is free
    /// afterwards.
    pub fn parts(
        &self,
        plan: &Plan,
        index: usize,
        take: bool,
        mut each: impl FnMut(Part<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let (partitions, index, key_len, is_settled) =
            match (index.checked_sub(self.keyed.len()), &self.settled) {
                (Some(index), Some(settled)) => (settled, index, settle::PREFIX, true),
                _ => (&self.keyed, index, plan.layout.spread_len(), false),
            };
        let only_pairs = self.settled.is_some();
        let paired = self.paired.get(index).filter(|_| !is_settled).and_then(Option::as_ref);
        let mut part =
            |rows: PerSide<&[RowRef<'_>]>| each(Part { rows, is_settled, only_pairs, paired });
        let part = |rows: PerSide<&[RowRef<'_>]>| {
            if self.is_disordered { in_order(rows, &mut part) } else { part(rows) }
        };
        if take {
            partitions.take(index, key_len, part)
        } else {
            partitions.look(index, key_len, part)
        }
    }
}

impl<'a> Part<'a> {
    /// The same with other rows, of those that it has.
    pub const fn with_rows<'b>(self, rows: PerSide<&'b [RowRef<'b>]>) -> Part<'b> {
        let Part { is_settled, only_pairs, .. } = self;
        Part { rows, is_settled, only_pairs, paired: None }
    }

    /// The rows of both sides.
    pub const fn rows(self) -> PerSide<&'a [RowRef<'a>]> {
        self.rows
    }

    /// True for records of passes.
    pub const fn is_settled(self) -> bool {
        self.is_settled
    }

    /// True for rows as they were read, of which the passes have none.
    pub const fn has_all_rows(self) -> bool {
        !self.is_settled && !self.only_pairs
    }

    /// Makes records of the rows.
    pub fn place(self, plan: &Plan, mut place: impl FnMut(Entry<'a>)) -> Notes {
        if self.is_settled {
            settle::read(self.rows, |settled| place(Entry::Settled(settled)));
            return Notes::default();
        }
        let key_len = plan.layout.key_len();
        if !self.only_pairs {
            return align(self.rows, key_len, &*plan.comparison, |row| place(Entry::Keyed(row)));
        }
        let is_whole = |paired: &&Paired| {
            Side::BOTH.iter().all(|side| paired.rows[*side] == self.rows[*side].len())
        };
        if let Some(paired) = self.paired.filter(is_whole) {
            let PerSide { a, b } = self.rows;
            for (at_a, at_b) in &paired.pairs {
                place(Entry::Keyed(Placed::Pair(a[*at_a as usize], b[*at_b as usize])));
            }
            return paired.notes;
        }
        let keyed = with_key(key_len, self.rows);
        let keyed = PerSide { a: &*keyed.a, b: &*keyed.b };
        align(keyed, key_len, &*plan.comparison, |row| {
            if matches!(row, Placed::Pair(..)) {
                place(Entry::Keyed(row));
            }
        })
    }
}

/// Calls `each` with the same rows in the order of their places.
pub(super) fn in_order(
    rows: PerSide<&[RowRef<'_>]>,
    each: impl FnOnce(PerSide<&[RowRef<'_>]>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let sorted = rows.map(|_, rows| {
        let mut rows = rows.to_vec();
        rows.sort_by_key(RowRef::order);
        rows
    });
    each(PerSide { a: &sorted.a, b: &sorted.b })
}

/// The rows that have a key; the others are left out.
pub(super) fn with_key<'r, 'a>(
    key_len: usize,
    rows: PerSide<&'r [RowRef<'a>]>,
) -> PerSide<Cow<'r, [RowRef<'a>]>> {
    rows.map(|_, rows| {
        let is_keyed = |row: &&RowRef<'_>| key_len > 0 && has_all(row.cells().take(key_len));
        if rows.iter().all(|row| is_keyed(&row)) {
            return Cow::Borrowed(rows);
        }
        Cow::Owned(rows.iter().filter(is_keyed).copied().collect())
    })
}

pub(in super::super) fn has_all<'a>(mut cells: impl Iterator<Item = RawCell<'a>>) -> bool {
    cells.all(|cell| !cell.is_null() && !cell.is_unparsed())
}
