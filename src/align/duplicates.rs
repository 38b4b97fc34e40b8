//! Rows that share a key are paired one to one so that the total cost is least.
//!
//! Identical rows go first. What is left is the assignment problem; it is solved exactly up to
//! [`OPTIMAL_LIMIT`] rows a side by the Hungarian method with potentials (Kuhn 1955; the O(n³)
//! formulation of Jonker and Volgenant 1987), and among all optimal assignments the one that gives
//! the earliest line of A the earliest line of B is taken. Beyond that it is greedy.

use std::collections::HashMap;

use crate::domain::pairing::{Cost, PairCost};
use crate::domain::{PerSide, RowRef, Side};

use super::Placed;

/// Rows of one key, a side, up to which pairing is optimal; beyond it is greedy.
pub const OPTIMAL_LIMIT: usize = 64;

/// Limit on the candidate pairs of the greedy pairing. Beyond it, each row of A is compared only with the next rows
/// of B.
const GREEDY_PAIRS: usize = 1 << 21;

/// Pairs the rows of one key and places all of them; `true` if it had to be greedy. `rejected` is
/// the line and offset of a rejected row of this key, for each side.
pub(super) fn pair<'a>(
    a: &[RowRef<'a>],
    b: &[RowRef<'a>],
    rejected: PerSide<Option<(u64, u64)>>,
    cost: &dyn PairCost,
    place: &mut impl FnMut(Placed<'a>),
) -> bool {
    let mut partner = identical(a, b, cost);
    let rest_a: Vec<usize> = (0..a.len()).filter(|at| partner[*at].is_none()).collect();
    let mut taken = vec![false; b.len()];
    partner.iter().flatten().for_each(|at| taken[*at] = true);
    let rest_b: Vec<usize> = (0..b.len()).filter(|at| !taken[*at]).collect();
    let cost_of = |i: usize, j: usize| cost.cost(a[rest_a[i]], b[rest_b[j]]);
    let greedy = rest_a.len() > OPTIMAL_LIMIT || rest_b.len() > OPTIMAL_LIMIT;
    let pairs = if rest_a.is_empty() || rest_b.is_empty() {
        Vec::new()
    } else if greedy {
        greedily(rest_a.len(), rest_b.len(), cost_of)
    } else {
        optimally(rest_a.len(), rest_b.len(), cost_of)
    };
    for (i, j) in pairs {
        partner[rest_a[i]] = Some(rest_b[j]);
        taken[rest_b[j]] = true;
    }
    for (row, partner) in a.iter().zip(&partner) {
        match partner {
            Some(at) => place(Placed::Pair(*row, b[*at])),
            None => {
                place(Placed::Surplus { side: Side::A, row: *row, rejected_partner: rejected.b })
            }
        }
    }
    for (row, taken) in b.iter().zip(&taken) {
        if !taken {
            let rejected_partner = rejected.a;
            place(Placed::Surplus { side: Side::B, row: *row, rejected_partner });
        }
    }
    greedy && !rest_a.is_empty() && !rest_b.is_empty()
}

/// For each row of A the row of B with the same compared values, each used once, by line.
fn identical(a: &[RowRef<'_>], b: &[RowRef<'_>], cost: &dyn PairCost) -> Vec<Option<usize>> {
    let mut by_values: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (at, row) in b.iter().enumerate().rev() {
        let mut values = Vec::new();
        cost.identity(*row, &mut values);
        by_values.entry(values).or_default().push(at);
    }
    let mut values = Vec::new();
    let mut partner = |row: &RowRef<'_>| {
        values.clear();
        cost.identity(*row, &mut values);
        by_values.get_mut(&values).and_then(Vec::pop)
    };
    a.iter().map(&mut partner).collect()
}

/// The cheapest pair first, then by A's line, then by B's.
fn greedily(a: usize, b: usize, cost: impl Fn(usize, usize) -> Cost) -> Vec<(usize, usize)> {
    let width = (GREEDY_PAIRS / a).clamp(1, b);
    let mut candidates = Vec::with_capacity(a.saturating_mul(width));
    for i in 0..a {
        // A window that moves with i; it is all of B unless the key is repeated thousands of times.
        let start = (i * b / a).min(b - width);
        candidates.extend((start..start + width).map(|j| (cost(i, j), i, j)));
    }
    candidates.sort_unstable();
    let (mut used_a, mut used_b) = (vec![false; a], vec![false; b]);
    let mut pairs = Vec::new();
    let mut take = |i: usize, j: usize, used_a: &mut [bool], used_b: &mut [bool]| {
        if !used_a[i] && !used_b[j] {
            (used_a[i], used_b[j]) = (true, true);
            pairs.push((i, j));
        }
    };
    for (_, i, j) in candidates {
        take(i, j, &mut used_a, &mut used_b);
    }
    // With a window some rows may be left on both sides: in the order of their lines.
    let left_b: Vec<_> = (0..b).filter(|j| !used_b[*j]).collect();
    let left_a: Vec<_> = (0..a).filter(|i| !used_a[*i]).collect();
    for (i, j) in left_a.into_iter().zip(left_b) {
        take(i, j, &mut used_a, &mut used_b);
    }
    pairs
}

/// The assignment of least total cost. The smaller side is padded with rows of no cost; their
/// partners are surplus.
fn optimally(a: usize, b: usize, cost: impl Fn(usize, usize) -> Cost) -> Vec<(usize, usize)> {
    let size = a.max(b);
    let weight = |cost: Cost| i64::from(cost.different) << 32 | i64::from(cost.within);
    let costs: Vec<Vec<i64>> = (0..size)
        .map(|i| (0..size).map(|j| if i < a && j < b { weight(cost(i, j)) } else { 0 }).collect())
        .collect();
    let (mut partner, tight) = hungarian(&costs);
    earliest(&mut partner, &tight);
    partner.into_iter().enumerate().filter(|(i, j)| *i < a && *j < b).collect()
}

/// The Hungarian method on a square matrix: each row's column, and which pairs have no reduced
/// cost (the perfect matchings among them are exactly the optimal assignments).
fn hungarian(costs: &[Vec<i64>]) -> (Vec<usize>, Vec<Vec<bool>>) {
    let size = costs.len();
    // Index 0 is a sentinel, rows and columns count from 1, as in the classical formulation.
    let mut row_potential = vec![0i64; size + 1];
    let mut column_potential = vec![0i64; size + 1];
    let mut row_of = vec![0usize; size + 1];
    for row in 1..=size {
        row_of[0] = row;
        let mut least = vec![i64::MAX; size + 1];
        let mut from = vec![0usize; size + 1];
        let mut visited = vec![false; size + 1];
        let mut column = 0;
        while row_of[column] != 0 {
            visited[column] = true;
            let current = row_of[column];
            let (mut delta, mut nearest) = (i64::MAX, 0);
            for j in 1..=size {
                if visited[j] {
                    continue;
                }
                let reduced =
                    costs[current - 1][j - 1] - row_potential[current] - column_potential[j];
                if reduced < least[j] {
                    least[j] = reduced;
                    from[j] = column;
                }
                if least[j] < delta {
                    delta = least[j];
                    nearest = j;
                }
            }
            for j in 0..=size {
                if visited[j] {
                    row_potential[row_of[j]] += delta;
                    column_potential[j] -= delta;
                } else {
                    least[j] = least[j].saturating_sub(delta);
                }
            }
            column = nearest;
        }
        while column != 0 {
            row_of[column] = row_of[from[column]];
            column = from[column];
        }
    }
    let mut partner = vec![0; size];
    for column in 1..=size {
        partner[row_of[column] - 1] = column - 1;
    }
    let tight = (0..size)
        .map(|i| {
            (0..size)
                .map(|j| costs[i][j] == row_potential[i + 1] + column_potential[j + 1])
                .collect()
        })
        .collect();
    (partner, tight)
}

/// Turns an optimal assignment into the optimal one that is first in the order of lines: row by
/// row the earliest column with which the later rows can still be matched tightly.
fn earliest(partner: &mut [usize], tight: &[Vec<bool>]) {
    let size = partner.len();
    let mut owner = vec![0; size];
    for (row, column) in partner.iter().enumerate() {
        owner[*column] = row;
    }
    for row in 0..size {
        for column in 0..partner[row] {
            // Columns of earlier rows are settled; this one's owner must find another.
            if !tight[row][column] || owner[column] < row {
                continue;
            }
            let freed = partner[row];
            let mut seen = vec![false; size];
            seen[column] = true;
            let mut moves = Vec::new();
            if reassign(owner[column], row, freed, tight, &owner, &mut seen, &mut moves) {
                for (moved, to) in moves {
                    partner[moved] = to;
                    owner[to] = moved;
                }
                partner[row] = column;
                owner[column] = row;
                break;
            }
        }
    }
}

/// Finds `row` another column so that the chain of moves ends at the column `free`; only rows after
/// `settled` may move.
fn reassign(
    row: usize,
    settled: usize,
    free: usize,
    tight: &[Vec<bool>],
    owner: &[usize],
    seen: &mut [bool],
    moves: &mut Vec<(usize, usize)>,
) -> bool {
    for column in 0..seen.len() {
        if seen[column] || !tight[row][column] || (column != free && owner[column] <= settled) {
            continue;
        }
        seen[column] = true;
        if column == free || reassign(owner[column], settled, free, tight, owner, seen, moves) {
            moves.push((row, column));
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every assignment of rows to columns or to no partner, in the order of lines.
    fn assignments(rows: usize, free: &[usize], skips: usize) -> Vec<Vec<Option<usize>>> {
        if rows == 0 {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        let mut extend = |choice: Option<usize>, free: &[usize], skips: usize| {
            for mut rest in assignments(rows - 1, free, skips) {
                rest.insert(0, choice);
                all.push(rest);
            }
        };
        for column in free {
            let left: Vec<_> = free.iter().copied().filter(|other| other != column).collect();
            extend(Some(*column), &left, skips);
        }
        if skips > 0 {
            extend(None, free, skips - 1);
        }
        all
    }

    /// The cheapest assignment, the first of those in the order of lines, by trying all.
    fn by_trying_all(
        a: usize,
        b: usize,
        cost: &dyn Fn(usize, usize) -> Cost,
    ) -> Vec<(usize, usize)> {
        let pairs = |assignment: Vec<Option<usize>>| -> Vec<(usize, usize)> {
            assignment.into_iter().enumerate().filter_map(|(i, j)| Some((i, j?))).collect()
        };
        let weight = |pairs: &Vec<(usize, usize)>| {
            let sum = pairs.iter().map(|(i, j)| cost(*i, *j));
            sum.fold((0, 0), |sum, cost| (sum.0 + cost.different, sum.1 + cost.within))
        };
        let columns: Vec<_> = (0..b).collect();
        let all = assignments(a, &columns, a.saturating_sub(b)).into_iter().map(pairs);
        all.min_by_key(weight).unwrap()
    }

    proptest! {
        #[test]
        fn is_the_cheapest_assignment_and_the_first_of_those(
            a in 1usize..6, b in 1usize..6,
            costs in proptest::collection::vec((0u32..3, 0u32..2), 36),
        ) {
            let cost = |i: usize, j: usize| {
                let (different, within) = costs[i * 6 + j];
                Cost { different, within }
            };
            let expected = by_trying_all(a, b, &cost);
            let mut found = optimally(a, b, cost);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn greedy_pairs_as_many_rows_as_there_are(a in 1usize..200, b in 1usize..200, seed: u32) {
            let cost = |i: usize, j: usize| Cost { different: (i as u32 * 7 + j as u32 * 13 + seed % 97) % 5, within: 0 };
            let pairs = greedily(a, b, cost);
            prop_assert_eq!(pairs.len(), a.min(b));
        }
    }
}
