//! Candidates of open rows, and why they were not taken.

use std::collections::HashMap;

use super::bound::{Bound, Limit, Position};
use super::item::{Item, Items, Spread, apart};
use super::number::Exact;
use super::{Certificate, Pass, PossibleMatch, Shape};
use crate::domain::words::Likeness;
use crate::domain::{Decimal, PerSide, Side};

/// How many candidates an open row has at most.
pub const MOST_CANDIDATES: usize = 5;

/// Most neighbors that are examined for them.
const MOST_LOOKS: usize = 1_000;

/// A possible match that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The rows of the other side.
    pub rows: Vec<u32>,
    /// Why it was not taken.
    pub why: Why,
}

/// Why a candidate was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is too far away.
    Missed {
        /// The first `near` field whose bound is missed, as a position in the pass.
        near: usize,
        /// Distance: B − A, or the similarity of texts.
        apart: Decimal,
        /// By how much the bound is missed.
        by: Option<Decimal>,
    },
    /// These rows of the open row's side have it.
    Taken(Vec<u32>),
    /// Another best solution does without this match.
    Tied,
    /// The effort ran out before the best solution was known.
    Undetermined,
}

/// The candidates of all units that no match was made for.
pub(super) fn candidates<N: Exact>(
    pass: &Pass,
    items: &Items<N>,
    found: &[PossibleMatch],
    is_made: impl Fn(&PossibleMatch) -> bool,
    rows: impl Fn(usize, &[usize]) -> Vec<u32>,
) -> PerSide<Vec<(u32, Vec<Candidate>)>> {
    // For each unit the match that was made with it, and the possible ones that were not.
    let mut made: [HashMap<usize, &PossibleMatch>; 2] = [HashMap::new(), HashMap::new()];
    let mut left: [HashMap<usize, Vec<&PossibleMatch>>; 2] = [HashMap::new(), HashMap::new()];
    for one in found {
        for side in 0..2 {
            for unit in &one.units[side] {
                if is_made(one) {
                    made[side].insert(*unit, one);
                } else {
                    left[side].entry(*unit).or_default().push(one);
                }
            }
        }
    }
    PerSide::of(|side| {
        let (own, other) = (side as usize, side.other() as usize);
        let near = Neighbors::new(items, other);
        let mut all = Vec::new();
        for unit in 0..items.sides[own].len() {
            if made[own].contains_key(&unit) {
                continue;
            }
            let mut candidates: Vec<Candidate> = Vec::new();
            let possible = left[own].get(&unit).map_or(&[][..], Vec::as_slice);
            if pass.shape != Shape::OneToOne {
                for one in possible.iter().take(MOST_CANDIDATES) {
                    candidates.push(Candidate {
                        rows: rows(other, &one.units[other]),
                        why: open_reason(one),
                    });
                }
            }
            for neighbor in near.nearest(items, side, unit) {
                let rows_of = rows(other, &[neighbor]);
                if candidates.len() >= MOST_CANDIDATES {
                    break;
                }
                if candidates.iter().any(|known| known.rows == rows_of) {
                    continue;
                }
                let missed = missed(pass, items, side, unit, neighbor);
                let why = match (missed, made[other].get(&neighbor)) {
                    (Some(missed), _) => missed,
                    (None, Some(one)) => Why::Taken(rows(own, &one.units[own])),
                    (None, None) => possible
                        .iter()
                        .chain(left[other].get(&neighbor).into_iter().flatten())
                        .next()
                        .map_or(Why::Undetermined, |one| open_reason(one)),
                };
                candidates.push(Candidate { rows: rows_of, why });
            }
            for row in &items.sides[own][unit].rows {
                all.push((*row, candidates.clone()));
            }
        }
        all
    })
}

fn open_reason(found: &PossibleMatch) -> Why {
    match found.certificate {
        Certificate::Undetermined => Why::Undetermined,
        _ => Why::Tied,
    }
}

/// The units of a side by their value in the first `near` field.
struct Neighbors<N> {
    side: usize,
    /// Empty where the first field has no single value for each unit.
    sorted: Vec<(N, usize)>,
}

impl<N: Exact> Neighbors<N> {
    fn new(items: &Items<N>, side: usize) -> Self {
        let value = |(at, item): (usize, &Item<N>)| Some((item.values.first()?.single()?, at));
        let sorted = items.sides[side].iter().enumerate().map(value).collect::<Option<Vec<_>>>();
        let mut sorted = sorted.unwrap_or_default();
        sorted.sort_unstable();
        Self { side, sorted }
    }

    /// The nearest units, nearest first.
    fn nearest(&self, items: &Items<N>, side: Side, unit: usize) -> Vec<usize> {
        let own = &items.sides[side as usize][unit];
        let mut found: Vec<(Vec<N>, usize)> = Vec::new();
        let look = |at: usize, found: &mut Vec<(Vec<N>, usize)>| {
            let other = &items.sides[self.side][at];
            let fields = items.limits.iter().zip(&own.values).zip(&other.values);
            let distances = fields.map(|((limit, x), y)| {
                let (a, b) = if side == Side::A { (x, y) } else { (y, x) };
                apart(limit, a, b).0
            });
            let entry = (distances.collect(), at);
            let place = found.partition_point(|known| *known < entry);
            if place < MOST_CANDIDATES {
                found.insert(place, entry);
                found.truncate(MOST_CANDIDATES);
            }
        };
        match own.values.first().and_then(Spread::single).filter(|_| !self.sorted.is_empty()) {
            Some(value) => {
                let mut above = self.sorted.partition_point(|(other, _)| *other < value);
                let mut below = above;
                for _ in 0..MOST_LOOKS {
                    let up = self.sorted.get(above).map(|(other, _)| value.distance(*other));
                    let down = below
                        .checked_sub(1)
                        .and_then(|at| self.sorted.get(at))
                        .map(|(other, _)| value.distance(*other));
                    let Some(next) = up.into_iter().chain(down).min() else { break };
                    let is_far = |(distances, _): &(Vec<N>, usize)| {
                        distances.first().is_some_and(|distance| *distance < next)
                    };
                    if found.len() == MOST_CANDIDATES && found.last().is_some_and(is_far) {
                        break;
                    }
                    if up == Some(next) {
                        look(self.sorted[above].1, &mut found);
                        above += 1;
                    } else {
                        below -= 1;
                        look(self.sorted[below].1, &mut found);
                    }
                }
            }
            None => {
                for at in 0..items.sides[self.side].len().min(MOST_LOOKS) {
                    look(at, &mut found);
                }
            }
        }
        found.into_iter().map(|(_, at)| at).collect()
    }
}

/// The first bound that two units miss.
fn missed<N: Exact>(
    pass: &Pass,
    items: &Items<N>,
    side: Side,
    own: usize,
    other: usize,
) -> Option<Why> {
    let (a, b) = if side == Side::A { (own, other) } else { (other, own) };
    let (a, b) = (&items.sides[0][a], &items.sides[1][b]);
    (0..pass.near.len()).find_map(|near| {
        let limit = &items.limits[near];
        let (distance, within) = apart(limit, &a.values[near], &b.values[near]);
        if within {
            return None;
        }
        let decimal = |value: N| items.decimal(near, value);
        Some(match limit {
            Limit::Similar(_) => {
                // Distances of several rows add up; the mean is shown.
                let pairs = i128::try_from(a.rows.len() * b.rows.len()).unwrap_or(1).max(1);
                let mean = (i128::try_from(distance.wide()).ok()? + pairs - 1) / pairs;
                let similarity = Likeness::apart(mean.try_into().ok()?).rounded_down();
                let by = match pass.near[near].bound {
                    Bound::Similarity(least) | Bound::Words(least) => least.checked_sub(similarity),
                    _ => None,
                };
                Why::Missed { near, apart: similarity, by }
            }
            _ => {
                let worst = worst(limit, &a.values[near], &b.values[near])?;
                let by = excess(limit, worst.0, worst.1);
                let apart = decimal(worst.1 - worst.0)?;
                Why::Missed { near, apart, by: by.and_then(decimal) }
            }
        })
    })
}

/// The first pair of values that is not within the bound.
fn worst<N: Exact>(limit: &Limit<N>, a: &Spread<N>, b: &Spread<N>) -> Option<(N, N)> {
    let pairs = a.all().iter().flat_map(|x| b.all().iter().map(move |y| (*x, *y)));
    pairs.into_iter().find(|(x, y)| limit.position(*x, *y) != Position::Within)
}

/// By how much a bound is missed; none for a percentage, which has no single answer.
fn excess<N: Exact>(limit: &Limit<N>, a: N, b: N) -> Option<N> {
    match limit {
        Limit::Number { absolute, percent: None, .. } => {
            Some(a.distance(b) - absolute.unwrap_or_default())
        }
        Limit::Between(from, to) => {
            let apart = b - a;
            Some(if apart < *from { *from - apart } else { apart - *to })
        }
        _ => None,
    }
}
