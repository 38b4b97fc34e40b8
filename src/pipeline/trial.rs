//! The passes of a job over a handful of rows in memory, for fixtures of `recon test`.

use crate::align::{Placed, align};
use crate::compare::Comparison;
use crate::domain::{Layout, PerSide, RawCell, Row, RowRef, Side, key};
use crate::matching::{Certificate, Incomplete, Pass, match_block};

use super::MatchPlan;

/// A match that was made. Rows are positions in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialMatch {
    /// The pass that made it; `key` for the key.
    pub pass: String,
    /// Its rows of A, ascending.
    pub a: Vec<usize>,
    /// Its rows of B, ascending.
    pub b: Vec<usize>,
    pub certificate: Certificate,
}

/// Matches these rows by the key, if the job has one, and by its passes.
pub fn try_passes(
    layout: &Layout,
    comparison: &Comparison,
    matching: &MatchPlan,
    rows: PerSide<&[Row]>,
) -> Vec<TrialMatch> {
    let key_len = layout.key_len();
    let rows = PerSide::of(|side| {
        let numbered = rows[side].iter().zip(0u64..);
        numbered
            .map(|(row, at)| {
                RowRef::new(key::hash(row.borrow(0).cells(), key_len), at, at, &row.cells)
            })
            .collect::<Vec<RowRef<'_>>>()
    });
    let mut open = PerSide::of(|side| (0..rows[side].len()).collect::<Vec<usize>>());
    let mut made = Vec::new();
    if key_len > 0 {
        let keyed = PerSide::of(|side| {
            let has_key = |row: &&RowRef<'_>| has_all(row.cells().take(key_len));
            rows[side].iter().filter(has_key).copied().collect::<Vec<_>>()
        });
        let keyed = PerSide { a: keyed.a.as_slice(), b: keyed.b.as_slice() };
        align(keyed, key_len, comparison, |placed| {
            if let Placed::Pair(a, b) = placed {
                let (a, b) = (a.line as usize, b.line as usize);
                let (pass, certificate) = (MatchPlan::KEY_PASS.to_owned(), Certificate::Unique);
                made.push(TrialMatch { pass, a: vec![a], b: vec![b], certificate });
            }
        });
        remove(&mut open, &made);
    }
    for pass in &matching.passes {
        let before = made.len();
        for block in blocks(&rows, &open, pass) {
            let of = |side: Side| block[side].iter().map(|at| rows[side][*at]).collect::<Vec<_>>();
            let (a, b) = (of(Side::A), of(Side::B));
            let outcome = match_block(pass, matching.settings, PerSide { a: &a, b: &b });
            for one in outcome.matches.into_iter().filter(|one| one.made) {
                let place = |side: Side, rows: &[u32]| {
                    let mut all: Vec<usize> =
                        rows.iter().map(|row| block[side][*row as usize]).collect();
                    all.sort_unstable();
                    all
                };
                made.push(TrialMatch {
                    pass: pass.name.clone(),
                    a: place(Side::A, &one.a),
                    b: place(Side::B, &one.b),
                    certificate: one.certificate,
                });
            }
        }
        remove(&mut open, &made[before..]);
    }
    made
}

fn has_all<'a>(mut cells: impl Iterator<Item = RawCell<'a>>) -> bool {
    cells.all(|cell| !cell.is_null() && !cell.is_unparsed())
}

fn remove(open: &mut PerSide<Vec<usize>>, made: &[TrialMatch]) {
    open.a.retain(|row| !made.iter().any(|one| one.a.contains(row)));
    open.b.retain(|row| !made.iter().any(|one| one.b.contains(row)));
}

/// The open rows by the values of `equal`; rows that lack one are left out, and so is every group of such a row.
fn blocks(
    rows: &PerSide<Vec<RowRef<'_>>>,
    open: &PerSide<Vec<usize>>,
    pass: &Pass,
) -> Vec<PerSide<Vec<usize>>> {
    let value = |side: Side, row: usize| -> Vec<RawCell<'_>> {
        let cells: Vec<_> = rows[side][row].cells().collect();
        pass.equal.iter().filter_map(|field| cells.get(*field).copied()).collect()
    };
    let same = |x: &[RawCell<'_>], y: &[RawCell<'_>]| {
        x.iter().zip(y).all(|(x, y)| x.decode(&mut [0; 36]) == y.decode(&mut [0; 36]))
    };
    let mut incomplete = Incomplete::default();
    for side in Side::BOTH {
        let lacking = open[side].iter().filter(|row| !has_all(value(side, **row).into_iter()));
        lacking.for_each(|row| incomplete.add(pass, side, &rows[side][*row]));
    }
    let mut blocks: Vec<(Vec<RawCell<'_>>, PerSide<Vec<usize>>)> = Vec::new();
    for side in Side::BOTH {
        for row in &open[side] {
            let own = value(side, *row);
            if !has_all(own.iter().copied()) || incomplete.has(pass, side, &rows[side][*row]) {
                continue;
            }
            let at = blocks.iter().position(|(other, _)| same(other, &own)).unwrap_or_else(|| {
                blocks.push((own, PerSide::default()));
                blocks.len() - 1
            });
            blocks[at].1[side].push(*row);
        }
    }
    blocks.into_iter().map(|(_, block)| block).collect()
}
