//! Sets of rows whose sums fit: exact search over whole numbers, smaller sets first.
//!
//! The candidates are sorted by amount, largest first, so the most that the next k can add and the least that the
//! last k add is one subtraction of running sums. A branch that can't reach the target any more is cut, whatever the
//! signs; the last row of a set is looked up instead of tried. Sets of four and more rows meet in the middle where
//! that is less work: two lists of smaller sets, sorted by their sums, are walked against each other (Horowitz and
//! Sahni 1974).

use std::collections::{HashMap, HashSet};
use std::ops::{Range, RangeInclusive};

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
    /// How many units each side has.
    pub sizes: [u32; 2],
}

impl<N> Choice<N> {
    /// True for the placeholder of sets that were not searched yet: it has no units of the second side.
    pub fn is_unknown(&self) -> bool {
        self.parts[1].is_empty()
    }
}

fn size(parts: &[Part]) -> u32 {
    parts.iter().map(|(_, count)| count).sum()
}

/// A class of the first side whose sets are searched size by size.
pub(super) struct Sought<'e, N> {
    pub first: u32,
    partners: &'e [Edge<N>],
    /// Classes with the same partners have the same number.
    alike: usize,
    /// All sets of up to this many units were searched.
    pub depth: usize,
    /// No set can have more units.
    most: usize,
    has_any: bool,
    /// The effort ran out on the next larger sets.
    is_stuck: bool,
}

impl<N: Exact> Sought<'_, N> {
    /// True if larger sets can be searched.
    pub const fn is_open(&self) -> bool {
        self.depth < self.most && !self.is_stuck
    }

    /// The placeholder for all unsearched sets: at least one unit larger, and at best without any distance.
    pub fn unknown(&self) -> Option<Choice<N>> {
        let distances = vec![N::default(); self.partners.first()?.distances.len()];
        let sizes = [1, self.depth as u32 + 1];
        let parts = [vec![(self.first, 1)], Vec::new()];
        (self.depth < self.most).then_some(Choice { parts, distances, sizes })
    }
}

/// The work on one block: the first side is the one that has a single row, if any has.
pub(super) struct Finder<'p, N> {
    pub pass: &'p Pass,
    pub items: &'p Items<N>,
    pub classes: [Vec<Range<usize>>; 2],
    /// B is the first side.
    pub mirrored: bool,
    /// The last pool: rows often have the same candidates.
    pool: Pool<N>,
    /// Steps that may still be spent on lists of small sets.
    listing: Effort,
}

/// Steps charged for an emitted set, because it is kept.
const KEEPING: u64 = 32;

/// Candidates of the second side, ready for the search.
#[derive(Default)]
struct Pool<N> {
    /// Class, amount in the first summed field, currency; alike ones are neighbors.
    units: Vec<(u32, N, u32)>,
    /// `sums[n]` is the sum of the first n amounts.
    sums: Vec<N>,
    /// For each size up to half of the largest one, all sets of that size by their sum, once they are needed.
    lists: [Vec<Few<N>>; HALF + 1],
}

/// The largest sets that are listed.
const HALF: usize = 4;

/// The most sets in a list: some 50 MiB.
const MOST_LISTED: u64 = 1 << 20;

/// A small set of units; its list has the size.
struct Few<N> {
    sum: N,
    units: [u32; HALF],
}

/// The number of sets of a size.
fn sets_of(units: usize, size: usize) -> u64 {
    (0..size as u64)
        .fold(1u64, |count, at| count.saturating_mul((units as u64).saturating_sub(at)) / (at + 1))
}

impl<'p, N: Exact> Finder<'p, N> {
    pub fn new(pass: &'p Pass, items: &'p Items<N>) -> Self {
        let mirrored = pass.shape == Shape::ManyToOne;
        let of = |side: usize| super::pairs::classes(&items.sides[side]);
        let classes = if mirrored { [of(1), of(0)] } else { [of(0), of(1)] };
        let (pool, listing) = (Pool::default(), Effort::new(0));
        Self { pass, items, classes, mirrored, pool, listing }
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

    /// The classes of the first side of a component whose pairs of classes (first, second) are `pairs`.
    pub fn sought<'e>(&mut self, pairs: &'e [Edge<N>], listing: Effort) -> Vec<Sought<'e, N>> {
        self.listing = listing;
        let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
        let sought = pairs.chunk_by(|x, y| x.a == y.a).map(|partners| {
            let seconds: Vec<u32> = partners.iter().map(|pair| pair.b).collect();
            let units: usize = seconds.iter().map(|class| self.available(1, *class) as usize).sum();
            let next = known.len();
            Sought {
                first: partners[0].a,
                partners,
                alike: *known.entry(seconds).or_insert(next),
                depth: 0,
                most: self.pass.max_rows.min(units),
                has_any: false,
                is_stuck: false,
            }
        });
        sought.collect()
    }

    /// For each class the smallest sets that fit.
    pub fn smallest(
        &mut self,
        sought: &mut [Sought<'_, N>],
        effort: &mut Effort,
        choices: &mut Vec<Choice<N>>,
    ) {
        for _ in 0..self.pass.max_rows {
            self.deepen(sought, |one| !one.has_any, effort, choices);
        }
    }

    /// Searches the sets of some classes that are one unit larger than the known ones.
    pub fn deepen(
        &mut self,
        sought: &mut [Sought<'_, N>],
        which: impl Fn(&Sought<'_, N>) -> bool,
        effort: &mut Effort,
        choices: &mut Vec<Choice<N>>,
    ) {
        let mut order: Vec<usize> = (0..sought.len()).collect();
        order.retain(|at| sought[*at].is_open() && which(&sought[*at]));
        // Classes with the same partners follow one another, because they share the same searches.
        order.sort_by_key(|at| sought[*at].alike);
        for (done, at) in order.iter().enumerate() {
            let one = &mut sought[*at];
            let before = choices.len();
            let complete = effort.share(order.len() - done, |own| {
                let (first, size) = ([(one.first, 1)], one.depth + 1);
                self.second(&first, one.partners, size..=size, own, choices)
            });
            one.depth += usize::from(complete);
            one.is_stuck = !complete;
            one.has_any |= choices.len() > before;
        }
    }

    /// All choices of a component with several units on both sides; `false` if the effort ran out.
    pub fn all(&mut self, pairs: &[Edge<N>], effort: &mut Effort) -> (Vec<Choice<N>>, bool) {
        self.listing = *effort;
        let mut firsts: Vec<u32> = pairs.iter().map(|pair| pair.a).collect();
        firsts.dedup();
        let partners: Vec<&[Edge<N>]> = pairs.chunk_by(|x, y| x.a == y.a).collect();
        let mut choices = Vec::new();
        for size in 1..=self.pass.max_rows {
            let mut chosen = Vec::new();
            if !self.first_sets(&firsts, &partners, 0, size, &mut chosen, effort, &mut choices) {
                return (choices, false);
            }
        }
        (choices, true)
    }

    /// Sets of this many units of the first side, from a position on, each with its sets of the second side.
    #[expect(clippy::too_many_arguments, reason = "the state of a recursion")]
    fn first_sets(
        &mut self,
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
                && self.second(&parts, &common, 1..=self.pass.max_rows, effort, choices);
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

    /// The sets of the second side of these sizes that fit these units of the first, smaller sets first.
    fn second(
        &mut self,
        first: &[Part],
        partners: &[Edge<N>],
        sizes: RangeInclusive<usize>,
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
        let mut pool = std::mem::take(&mut self.pool);
        if pool.units != units {
            pool = Pool::new(units);
        }
        let mut listing = self.listing;
        let ends = (low, high);
        let mut complete = true;
        for size in *sizes.start()..=(*sizes.end()).min(pool.units.len()) {
            let half = pool.meets(size, ends, &mut listing);
            let mut keep = |chosen: &[usize], effort: &mut Effort| {
                let choice = self.choice(first, &pool, chosen, partners);
                choice.is_none_or(|choice| {
                    choices.push(choice);
                    effort.spend(KEEPING)
                })
            };
            complete = match half {
                Some(half) => pool.meet(half, size, ends, effort, &mut keep),
                None => {
                    let (mut chosen, sum) = (Vec::new(), N::default());
                    pool.search(0, size, sum, ends, &mut chosen, effort, &mut keep)
                }
            };
            if !complete {
                break;
            }
        }
        (self.pool, self.listing) = (pool, listing);
        complete
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
        let sizes = [size(first), chosen.len() as u32];
        Some(Choice { parts: [first.to_vec(), second], distances, sizes })
    }

    /// Drops choices that are two smaller ones put together: two groups are better than one. `false` if the effort
    /// ran out.
    pub fn drop_divisible(&self, choices: &mut Vec<Choice<N>>, effort: &mut Effort) -> bool {
        choices.sort_by_key(|choice| choice.sizes[0] + choice.sizes[1]);
        let known: HashSet<[Vec<Part>; 2]> =
            choices.iter().map(|choice| choice.parts.clone()).collect();
        let mut kept: Vec<Choice<N>> = Vec::new();
        let mut complete = true;
        for choice in choices.drain(..) {
            let lowest = choice.parts[0].first().map(|(class, _)| *class);
            let divisible = choice.sizes[0] > 1
                && choice.sizes[1] > 1
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

/// The rest of a choice without a smaller one; `None` if that is not a part of it, or a side would be empty.
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

/// The farthest value below or above the target that is within the bound, by doubling and halving: values within it
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
    fn new(units: Vec<(u32, N, u32)>) -> Self {
        let mut sums = vec![N::default()];
        for (_, amount, _) in &units {
            sums.push(sums[sums.len() - 1] + *amount);
        }
        Self { units, sums, lists: Default::default() }
    }

    /// Whether a unit is the first of several alike ones.
    fn is_first(&self, at: usize) -> bool {
        at == 0 || self.units[at - 1].0 != self.units[at].0
    }

    /// Units of such a set that are in the first half, if combining sets from two lists is cheaper.
    fn meets(
        &mut self,
        size: usize,
        (low, high): (Option<N>, Option<N>),
        listing: &mut Effort,
    ) -> Option<usize> {
        let count = self.units.len();
        let half = size / 2;
        if !(4..=2 * HALF).contains(&size) || sets_of(count, size - half) > MOST_LISTED {
            return None;
        }
        let least = self.sums[count] - self.sums[count - size];
        if least > high? || self.sums[size] < low? {
            return None;
        }
        let listed =
            |half: usize| if self.lists[half].is_empty() { sets_of(count, half) } else { 0 };
        let cost = listed(half) + if size - half > half { listed(size - half) } else { 0 };
        let tried = sets_of(count, size - 1);
        if tried < 8 * sets_of(count, size - half) || cost >= listing.left() {
            return None;
        }
        listing.spend(cost);
        for half in [half, size - half] {
            if self.lists[half].is_empty() {
                let mut list = Vec::new();
                self.list(half, 0, &mut Vec::new(), N::default(), &mut list);
                list.sort_unstable_by(|x, y| x.sum.cmp(&y.sum).then(x.units.cmp(&y.units)));
                self.lists[half] = list;
            }
        }
        Some(half)
    }

    /// Lists all sets of `size` more units, from a position on. The first unit of a set may be any of alike ones.
    fn list(
        &self,
        size: usize,
        from: usize,
        chosen: &mut Vec<u32>,
        sum: N,
        list: &mut Vec<Few<N>>,
    ) {
        if size == 0 {
            let mut units = [0; HALF];
            units.iter_mut().zip(chosen.iter()).for_each(|(unit, chosen)| *unit = *chosen);
            list.push(Few { sum, units });
            return;
        }
        for at in from..=self.units.len().saturating_sub(size) {
            let (_, amount, currency) = self.units[at];
            let fits = match chosen.first() {
                None => true,
                Some(first) => {
                    (at == from || self.is_first(at)) && self.units[*first as usize].2 == currency
                }
            };
            if fits {
                chosen.push(at as u32);
                self.list(size - 1, at + 1, chosen, sum + amount, list);
                chosen.pop();
            }
        }
    }

    /// Calls `keep` with every set of exactly `size` units whose sum lies between both ends, combined from one of
    /// `half` units and one of the rest. `false` if the effort ran out.
    fn meet(
        &self,
        half: usize,
        size: usize,
        ends: (Option<N>, Option<N>),
        effort: &mut Effort,
        keep: &mut impl FnMut(&[usize], &mut Effort) -> bool,
    ) -> bool {
        let (Some(low), Some(high)) = ends else { return true };
        let (lefts, rights) = (&self.lists[half], &self.lists[size - half]);
        let (mut from, mut to) = (lefts.len(), lefts.len());
        for right in rights {
            while to > 0 && lefts[to - 1].sum > high - right.sum {
                to -= 1;
            }
            while from > 0 && lefts[from - 1].sum >= low - right.sum {
                from -= 1;
            }
            if !effort.spend(1) {
                return false;
            }
            let first = right.units[0] as usize;
            for left in lefts.get(from..to).unwrap_or_default() {
                if !effort.spend(1) {
                    return false;
                }
                let (start, last) = (left.units[0] as usize, left.units[half - 1] as usize);
                let fits = last < first
                    && self.is_first(start)
                    && (self.is_first(first) || last + 1 == first)
                    && self.units[start].2 == self.units[first].2;
                if fits {
                    let chosen = left.units[..half].iter().chain(&right.units[..size - half]);
                    let chosen: Vec<usize> = chosen.map(|unit| *unit as usize).collect();
                    if !keep(&chosen, effort) {
                        return false;
                    }
                }
            }
        }
        true
    }

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_put_together_from_two_lists_are_those_of_the_search(
            amounts in proptest::collection::vec((-3i128..12, 0u32..2, 1usize..4), 4..12),
            size in 4usize..=8, low in 0i128..40, width in 0i128..4,
        ) {
            let alike = amounts.iter().enumerate().flat_map(|(class, (amount, currency, times))| {
                std::iter::repeat_n((class as u32, *amount, *currency), *times)
            });
            let mut units: Vec<(u32, i128, u32)> = alike.take(16).collect();
            units.sort_by(|x, y| y.1.cmp(&x.1).then(x.0.cmp(&y.0)));
            prop_assume!(units.len() >= size);
            let mut pool = Pool::new(units);
            let ends = (Some(low), Some(low + width));
            let mut effort = Effort::new(u64::MAX);
            let mut searched = BTreeSet::new();
            pool.search(0, size, 0, ends, &mut Vec::new(), &mut effort, &mut |chosen: &[usize], _: &mut Effort| {
                searched.insert(chosen.to_vec())
            });
            for half in [size / 2, size - size / 2] {
                let mut list = Vec::new();
                pool.list(half, 0, &mut Vec::new(), 0, &mut list);
                list.sort_unstable_by_key(|few| few.sum);
                pool.lists[half] = list;
            }
            let mut met = BTreeSet::new();
            let complete = pool.meet(size / 2, size, ends, &mut effort, &mut |chosen: &[usize], _: &mut Effort| {
                met.insert(chosen.to_vec())
            });
            prop_assert!(complete, "a set came twice");
            prop_assert_eq!(met, searched);
        }
    }

    #[test]
    fn two_lists_are_used_where_they_are_less_work() {
        let units = |count: u32| (0..count).map(|at| (at, i128::from(1_000 - at), 0)).collect();
        let mut listing = Effort::new(10_000_000);
        let ends = (Some(5_800), Some(5_800));
        assert_eq!(Pool::<i128>::new(units(60)).meets(6, ends, &mut listing), Some(3));
        assert_eq!(Pool::<i128>::new(units(60)).meets(3, ends, &mut listing), None);
        assert_eq!(Pool::<i128>::new(units(7)).meets(6, ends, &mut listing), None);
        // No six of them add up to so little, so there is nothing to list.
        assert_eq!(Pool::<i128>::new(units(60)).meets(6, (Some(9), Some(9)), &mut listing), None);
        let mut little = Effort::new(100);
        assert_eq!(Pool::<i128>::new(units(60)).meets(6, ends, &mut little), None);
    }
}
