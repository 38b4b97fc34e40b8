//! Sets of rows whose sums fit: exact search over whole numbers, smaller sets first.
//!
//! The candidates are sorted by amount, largest first, so what the next k can add at most and what the last k
//! add at least is one subtraction of running sums. A branch that can't reach the target any more is cut, whatever the
//! signs; the last row of a set is looked up instead of tried.

use std::collections::HashSet;
use std::ops::Range;

use super::bound::Position;
use super::item::{Items, Spread, apart};
use super::number::{Effort, Exact};
use super::pairs::Edge;
use super::{Pass, Shape};

/// A class and how many of its units.
pub(super) type Part = (u32, u32);

/// A possible match: units of the first and of the second side, by class, and how far apart they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice<N> {
    pub parts: [Vec<Part>; 2],
    pub distances: Vec<N>,
}

impl<N> Choice<N> {
    /// How many units a side has.
    pub fn size(&self, side: usize) -> u32 {
        self.parts[side].iter().map(|(_, count)| count).sum()
    }
}

/// The work on one block: the first side is the one that has a single row, if any has.
pub(super) struct Finder<'p, N> {
    pub pass: &'p Pass,
    pub items: &'p Items<N>,
    pub classes: [Vec<Range<usize>>; 2],
    /// Whether B is the first side.
    pub mirrored: bool,
}

/// An emitted set costs as much as so many steps, because it is kept.
const KEEPING: u64 = 32;

/// Candidates of the second side, ready for the search.
struct Pool<N> {
    /// Class, amount in the first summed field, currency; alike ones are neighbors.
    units: Vec<(u32, N, u32)>,
    /// `sums[n]` is the sum of the first n amounts.
    sums: Vec<N>,
}

impl<'p, N: Exact> Finder<'p, N> {
    pub fn new(pass: &'p Pass, items: &'p Items<N>) -> Self {
        let mirrored = pass.shape == Shape::ManyToOne;
        let of = |side: usize| super::pairs::classes(&items.sides[side]);
        let classes = if mirrored { [of(1), of(0)] } else { [of(0), of(1)] };
        Self { pass, items, classes, mirrored }
    }

    /// The side of the block that is the first or the second here.
    pub const fn side(&self, side: usize) -> usize {
        if self.mirrored { 1 - side } else { side }
    }

    fn values(&self, side: usize, class: u32) -> &[Spread<N>] {
        let unit = self.classes[side][class as usize].start;
        &self.items.sides[self.side(side)][unit].values
    }

    fn currency(&self, side: usize, class: u32) -> u32 {
        let unit = self.classes[side][class as usize].start;
        self.items.sides[self.side(side)][unit].currency
    }

    fn available(&self, side: usize, class: u32) -> u32 {
        self.classes[side][class as usize].len() as u32
    }

    fn amount(&self, field: usize, side: usize, class: u32) -> N {
        self.values(side, class)[field].single().unwrap_or_default()
    }

    /// The sum of some units in a summed field.
    fn sum(&self, field: usize, side: usize, parts: &[Part]) -> N {
        let mut sum = N::default();
        for (class, count) in parts {
            for _ in 0..*count {
                sum = sum + self.amount(field, side, *class);
            }
        }
        sum
    }

    fn summed(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.pass.near.len()).filter(|field| self.pass.near[*field].summed)
    }

    /// All choices of a component whose pairs of classes (first, second) are `pairs`; `false` if the effort ran
    /// out.
    pub fn choices(&self, pairs: &[Edge<N>], effort: &mut Effort) -> (Vec<Choice<N>>, bool) {
        let mut firsts: Vec<u32> = pairs.iter().map(|pair| pair.a).collect();
        firsts.dedup();
        let partners: Vec<&[Edge<N>]> = pairs.chunk_by(|x, y| x.a == y.a).collect();
        let mut choices = Vec::new();
        let mut complete = true;
        if self.pass.shape != Shape::ManyToMany {
            for (at, first) in firsts.iter().enumerate() {
                // Each row has the same share of what is left, so that none depends on the others' order.
                let share = effort.left() / (firsts.len() - at) as u64;
                let mut own = Effort::new(share.max(1));
                complete &= self.second(&[(*first, 1)], partners[at], &mut own, &mut choices);
                effort.spend(share - own.left().min(share));
            }
            return (choices, complete);
        }
        for size in 1..=self.pass.max_rows {
            let mut chosen = Vec::new();
            if !self.first_sets(&firsts, &partners, 0, size, &mut chosen, effort, &mut choices) {
                complete = false;
                break;
            }
        }
        complete &= self.drop_divisible(&mut choices, effort);
        (choices, complete)
    }

    /// Sets of so many units of the first side, from a position on, each with its sets of the second side.
    #[expect(clippy::too_many_arguments, reason = "the state of a recursion")]
    fn first_sets(
        &self,
        firsts: &[u32],
        partners: &[&[Edge<N>]],
        from: usize,
        size: usize,
        chosen: &mut Vec<(usize, u32)>,
        effort: &mut Effort,
        choices: &mut Vec<Choice<N>>,
    ) -> bool {
        if size == 0 {
            let parts: Vec<Part> = chosen.iter().map(|(at, count)| (firsts[*at], *count)).collect();
            let common = common(partners, chosen);
            return effort.spend(common.len() as u64 + 1)
                && self.second(&parts, &common, effort, choices);
        }
        for at in from..firsts.len() {
            let fits = chosen.first().is_none_or(|(first, _)| {
                self.currency(0, firsts[*first]) == self.currency(0, firsts[at])
            });
            if !fits {
                continue;
            }
            let most = self.available(0, firsts[at]).min(size as u32);
            for count in 1..=most {
                if !effort.spend(1) {
                    return false;
                }
                chosen.push((at, count));
                let rest = size - count as usize;
                let went_on =
                    self.first_sets(firsts, partners, at + 1, rest, chosen, effort, choices);
                chosen.pop();
                if !went_on {
                    return false;
                }
            }
        }
        true
    }

    /// The sets of the second side that fit these units of the first, smaller sets first.
    fn second(
        &self,
        first: &[Part],
        partners: &[Edge<N>],
        effort: &mut Effort,
        choices: &mut Vec<Choice<N>>,
    ) -> bool {
        let Some(field) = self.summed().next() else { return true };
        let target = self.sum(field, 0, first);
        let (low, high) = self.interval(field, target);
        let mut units: Vec<(u32, N, u32)> = Vec::new();
        for pair in partners {
            let (amount, currency) = (self.amount(field, 1, pair.b), self.currency(1, pair.b));
            let count = self.available(1, pair.b).min(self.pass.max_rows as u32);
            units.extend((0..count).map(|_| (pair.b, amount, currency)));
        }
        units.sort_by(|x, y| y.1.cmp(&x.1).then(x.0.cmp(&y.0)));
        let mut sums = vec![N::default()];
        for (_, amount, _) in &units {
            sums.push(sums[sums.len() - 1] + *amount);
        }
        let pool = Pool { units, sums };
        let mut chosen = Vec::new();
        for size in 1..=self.pass.max_rows.min(pool.units.len()) {
            let mut keep = |chosen: &[usize], effort: &mut Effort| {
                let choice = self.choice(first, &pool, chosen, partners);
                choice.is_none_or(|choice| {
                    choices.push(choice);
                    effort.spend(KEEPING)
                })
            };
            let sum = N::default();
            if !pool.search(0, size, sum, (low, high), &mut chosen, effort, &mut keep) {
                return false;
            }
        }
        true
    }

    /// The sums of the second side that are within the bound of a sum of the first; none for no limit.
    fn interval(&self, field: usize, target: N) -> (Option<N>, Option<N>) {
        let limit = &self.items.limits[field];
        if !limit.is_window() {
            return (None, None);
        }
        let within = |other: N| {
            let (a, b) = if self.mirrored { (other, target) } else { (target, other) };
            limit.position(a, b) == Position::Within
        };
        (farthest(target, true, within), farthest(target, false, within))
    }

    /// The choice that a set of the pool is, if all summed fields are within their bounds.
    fn choice(
        &self,
        first: &[Part],
        pool: &Pool<N>,
        chosen: &[usize],
        partners: &[Edge<N>],
    ) -> Option<Choice<N>> {
        let mut second: Vec<Part> = Vec::new();
        for at in chosen {
            let class = pool.units[*at].0;
            match second.iter_mut().find(|(known, _)| *known == class) {
                Some((_, count)) => *count += 1,
                None => second.push((class, 1)),
            }
        }
        second.sort_unstable();
        let mut distances = vec![N::default(); self.pass.near.len()];
        for field in self.summed() {
            let sums = [self.sum(field, 0, first), self.sum(field, 1, &second)];
            let (a, b) = (sums[self.side(0)], sums[self.side(1)]);
            let limit = &self.items.limits[field];
            let (distance, within) = apart(limit, &Spread::One(a), &Spread::One(b));
            if !within {
                return None;
            }
            distances[field] = distance;
        }
        for (class, count) in &second {
            let at = partners.binary_search_by_key(class, |pair| pair.b).ok()?;
            for (field, distance) in partners[at].distances.iter().enumerate() {
                if !self.pass.near[field].summed {
                    for _ in 0..*count {
                        distances[field] = distances[field] + *distance;
                    }
                }
            }
        }
        Some(Choice { parts: [first.to_vec(), second], distances })
    }

    /// Drops choices that are two smaller ones put together: two groups are better than one. `false` if the effort
    /// ran out.
    fn drop_divisible(&self, choices: &mut Vec<Choice<N>>, effort: &mut Effort) -> bool {
        choices.sort_by_key(|choice| choice.size(0) + choice.size(1));
        let known: HashSet<[Vec<Part>; 2]> =
            choices.iter().map(|choice| choice.parts.clone()).collect();
        let mut kept: Vec<Choice<N>> = Vec::new();
        let mut complete = true;
        for choice in choices.drain(..) {
            let lowest = choice.parts[0].first().map(|(class, _)| *class);
            let divisible = choice.size(0) > 1
                && choice.size(1) > 1
                && kept.iter().any(|smaller| {
                    complete &= effort.spend(1);
                    complete
                        && smaller.parts[0].first().map(|(class, _)| *class) == lowest
                        && without(&choice, smaller).is_some_and(|rest| known.contains(&rest))
                });
            if !divisible {
                kept.push(choice);
            }
        }
        *choices = kept;
        complete
    }
}

/// What is left of a choice without a smaller one; `None` if that is not a part of it, or nothing is left of a side.
fn without<N>(choice: &Choice<N>, smaller: &Choice<N>) -> Option<[Vec<Part>; 2]> {
    let rest = |side: usize| {
        let mut rest = choice.parts[side].clone();
        for (class, count) in &smaller.parts[side] {
            let own = rest.iter_mut().find(|(known, _)| known == class)?;
            own.1 = own.1.checked_sub(*count)?;
        }
        rest.retain(|(_, count)| *count > 0);
        (!rest.is_empty()).then_some(rest)
    };
    Some([rest(0)?, rest(1)?])
}

/// The partners that all chosen units of the first side have, with the distances to all of them.
fn common<N: Exact>(partners: &[&[Edge<N>]], chosen: &[(usize, u32)]) -> Vec<Edge<N>> {
    let Some(((first, _), rest)) = chosen.split_first() else { return Vec::new() };
    let mut all = Vec::new();
    'partner: for pair in partners[*first] {
        let mut distances = vec![N::default(); pair.distances.len()];
        for (at, count) in std::iter::once(&chosen[0]).chain(rest) {
            let Ok(found) = partners[*at].binary_search_by_key(&pair.b, |other| other.b) else {
                continue 'partner;
            };
            for (sum, distance) in distances.iter_mut().zip(&partners[*at][found].distances) {
                for _ in 0..*count {
                    *sum = *sum + *distance;
                }
            }
        }
        all.push(Edge { a: pair.a, b: pair.b, distances });
    }
    all
}

/// The farthest value below or above the target that is within, by doubling and halving. What is within
/// are neighbors.
fn farthest<N: Exact>(target: N, below: bool, within: impl Fn(N) -> bool) -> Option<N> {
    let at = |step: N| if below { target - step } else { target + step };
    if !within(target) {
        return None;
    }
    let one = N::of(bnum::types::I512::ONE)?;
    let (mut near, mut far) = (N::default(), one);
    while within(at(far)) {
        near = far;
        far = far + far;
        // A bound that reaches this far cuts nothing.
        N::of(far.wide())?;
    }
    while near + one < far {
        let middle = N::of((near.wide() + far.wide()) / bnum::types::I512::TWO)?;
        if within(at(middle)) { near = middle } else { far = middle }
    }
    Some(at(near))
}

impl<N: Exact> Pool<N> {
    /// Calls `keep` with every set of exactly `size` units, from a position on, whose sum lies between both ends.
    /// Of alike units the first are taken. `false` if the effort ran out.
    #[expect(clippy::too_many_arguments, reason = "the state of a recursion")]
    fn search(
        &self,
        from: usize,
        size: usize,
        sum: N,
        ends: (Option<N>, Option<N>),
        chosen: &mut Vec<usize>,
        effort: &mut Effort,
        keep: &mut impl FnMut(&[usize], &mut Effort) -> bool,
    ) -> bool {
        let count = self.units.len();
        if count < from + size {
            return true;
        }
        let (low, high) = ends;
        let least = sum + self.sums[count] - self.sums[count - size];
        if high.is_some_and(|high| least > high) {
            return true;
        }
        let mut at = from;
        if size == 1
            && let Some(high) = high
        {
            // The amounts fall, so the first that is not too large is found by halving.
            at += self.units[from..].partition_point(|(_, amount, _)| sum + *amount > high);
        }
        while at + size <= count {
            if !effort.spend(1) {
                return false;
            }
            let most = sum + self.sums[at + size] - self.sums[at];
            if low.is_some_and(|low| most < low) {
                return true;
            }
            let (class, amount, currency) = self.units[at];
            let is_first = at == from || self.units[at - 1].0 != class;
            let fits = chosen.first().is_none_or(|first| self.units[*first].2 == currency);
            if is_first && fits {
                chosen.push(at);
                let went_on = if size == 1 {
                    keep(chosen, effort)
                } else {
                    self.search(at + 1, size - 1, sum + amount, ends, chosen, effort, keep)
                };
                chosen.pop();
                if !went_on {
                    return false;
                }
            }
            at += 1;
        }
        true
    }
}
