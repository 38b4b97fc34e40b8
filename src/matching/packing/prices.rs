//! Prices of rows. The value of a choice is reduced by the prices of its rows, so that the sum of the prices and of
//! the best remaining values is a bound.

use std::collections::BTreeSet;

use bnum::types::I512;

use super::{Choice, Effort, Exact, Finder, Part, Shape};

/// A price for each class of both sides.
type Prices<N> = [Vec<Vec<N>>; 2];

/// Choices by the numbers that their rows have among themselves.
pub(super) struct Local<N> {
    pub(super) parts: Vec<[Vec<Part>; 2]>,
    /// The value of each choice, and the rest after the prices of its rows.
    pub(super) values: Vec<Vec<N>>,
    pub(super) gains: Vec<Vec<N>>,
    /// A price for each class of both sides, and the sum of all prices.
    pub(super) prices: Prices<N>,
    pub(super) priced: Vec<N>,
    pub(super) with_price: Vec<(usize, u32)>,
    /// The lesser objectives together are never worth one unit of a greater one, so a bound can be rounded.
    pub(super) rounds: bool,
    /// The best solution that was met on the way to the prices.
    pub(super) met: Vec<u32>,
    /// How many rows each class has.
    pub(super) sizes: [Vec<u32>; 2],
    /// The choices whose lowest class of the first side is this, by their rows' values and best first.
    pub(super) by_class: Vec<Vec<usize>>,
    pub(super) best_first: Vec<Vec<usize>>,
    /// For each class of both sides the classes of the first side with a choice that uses it.
    pub(super) users: [Vec<Vec<u32>>; 2],
}

impl<N: Exact> Local<N> {
    /// Of choices in the order of their rows' values.
    pub(super) fn new<'c>(
        finder: &Finder<'_, N>,
        choices: impl Iterator<Item = &'c Choice<N>> + Clone,
    ) -> Self
    where
        N: 'c,
    {
        let numbered = |side: usize| {
            let parts = choices.clone().flat_map(move |choice| &choice.parts[side]);
            let all: BTreeSet<u32> = parts.map(|(class, _)| *class).collect();
            all.into_iter().collect::<Vec<u32>>()
        };
        let classes = [numbered(0), numbered(1)];
        let place = |side: usize, choice: &Choice<N>| -> Vec<Part> {
            let place = |(class, count): &Part| {
                (classes[side].binary_search(class).unwrap_or_default() as u32, *count)
            };
            choice.parts[side].iter().map(place).collect()
        };
        let parts: Vec<_> =
            choices.clone().map(|choice| [place(0, choice), place(1, choice)]).collect();
        let values: Vec<_> = choices
            .map(|choice| {
                let value = value(finder.pass.shape, choice);
                let mut fine = vec![N::default(); value.len()];
                add(&mut fine, &value, FINE);
                fine
            })
            .collect();
        let rounds = finder.pass.shape != Shape::ManyToMany;
        let sizes = [0, 1].map(|side| {
            let size = |class: &u32| finder.classes[side][*class as usize].len() as u32;
            classes[side].iter().map(size).collect::<Vec<_>>()
        });
        let mut by_class = vec![Vec::new(); classes[0].len()];
        let mut users = [0, 1].map(|side| vec![Vec::new(); classes[side].len()]);
        for (at, parts) in parts.iter().enumerate() {
            let own = parts[0].first().map_or(0, |(class, _)| *class);
            by_class[own as usize].push(at);
            for (side, parts) in parts.iter().enumerate() {
                parts.iter().for_each(|(class, _)| users[side][*class as usize].push(own));
            }
        }
        for list in users.iter_mut().flatten() {
            list.sort_unstable();
            list.dedup();
        }
        let zero = vec![N::default(); values.first().map_or(0, Vec::len)];
        let prices = [0, 1].map(|side| vec![zero.clone(); classes[side].len()]);
        let (gains, best_first) = (values.clone(), by_class.clone());
        let mut local = Self {
            parts,
            values,
            gains,
            prices,
            priced: zero,
            rounds,
            met: Vec::new(),
            with_price: Vec::new(),
            sizes,
            by_class,
            best_first,
            users,
        };
        local.sort();
        local
    }

    fn sort(&mut self) {
        for list in &mut self.best_first {
            list.sort_by(|x, y| self.gains[*y].cmp(&self.gains[*x]).then(x.cmp(y)));
        }
    }

    /// Sets prices on rows that several others want, to lower the bound towards the best solution: one row after
    /// another gets the price that is best for it alone (coordinate descent on the dual).
    pub(super) fn set_prices(&mut self, effort: &mut Effort) {
        for _ in 0..MOST_ROUNDS {
            let mut has_changed = false;
            for (side, class) in self.contested() {
                has_changed |= self.set_price(side, class, effort);
                if effort.is_gone() {
                    break;
                }
            }
            if !has_changed || effort.is_gone() {
                break;
            }
        }
        if self.rounds && !effort.is_gone() && !self.contested().is_empty() {
            self.refine_prices(effort);
        }
        let nothing = self.nothing();
        for side in 0..2 {
            for (class, price) in self.prices[side].iter().enumerate() {
                if *price > nothing {
                    add(&mut self.priced, price, self.sizes[side][class]);
                    self.with_price.push((side, class as u32));
                }
            }
        }
        self.sort();
    }

    /// Moves all prices at once, a little up where more is wanted than there is and down where less is, in steps
    /// that get smaller (Held and Karp's subgradient), and keeps the prices with the least bound.
    fn refine_prices(&mut self, effort: &mut Effort) {
        let nothing = self.nothing();
        let one = N::of(I512::ONE).unwrap_or_default();
        let (mut least, mut kept) = (None, (self.prices.clone(), self.gains.clone()));
        let mut met: Option<(Vec<N>, Vec<u32>)> = None;
        for step in STEPS.iter().flat_map(|step| std::iter::repeat_n(*step, AT_EACH_STEP)) {
            if !effort.spend(4 * self.parts.len() as u64) {
                break;
            }
            let (mut bound, wanted) = self.hopes();
            for (prices, sizes) in self.prices.iter().zip(&self.sizes) {
                for (price, size) in prices.iter().zip(sizes) {
                    add(&mut bound, price, *size);
                }
            }
            let counts = self.fill(vec![0; self.parts.len()], &self.gains);
            let worth = self.worth(&counts);
            if met.as_ref().is_none_or(|(known, _)| worth > *known) {
                met = Some((worth, counts));
            }
            if least.as_ref().is_none_or(|known| bound < *known) {
                least = Some(bound.clone());
                kept = (self.prices.clone(), self.gains.clone());
            }
            if met.as_ref().is_some_and(|(known, _)| self.rounded(bound) <= *known) {
                break;
            }
            for (side, wanted) in wanted.into_iter().enumerate() {
                for (class, want) in wanted.into_iter().enumerate() {
                    let size = self.sizes[side][class];
                    if want == size || (want < size && self.prices[side][class] == nothing) {
                        continue;
                    }
                    let mut price = self.prices[side][class].clone();
                    for _ in 0..step * want.abs_diff(size) {
                        price[1] = if want > size { price[1] + one } else { price[1] - one };
                    }
                    if price < nothing {
                        price.clone_from(&nothing);
                    }
                    self.charge(side, class, price);
                }
            }
        }
        (self.prices, self.gains) = kept;
        self.met = met.map(|(_, counts)| counts).unwrap_or_default();
    }

    /// A bound without values that no solution can have: these are whole numbers, and the objectives after a
    /// fractional one add at most nothing.
    pub(super) fn rounded(&self, mut bound: Vec<N>) -> Vec<N> {
        if self.rounds
            && let Some(at) = bound.iter().position(|value| value.whole(FINE) != *value)
        {
            bound[at] = bound[at].whole(FINE);
            bound[at + 1..].fill(N::default());
        }
        bound
    }

    /// The sum of the best offers of all classes, and how often they use each class.
    fn hopes(&self) -> (Vec<N>, [Vec<u32>; 2]) {
        let nothing = self.nothing();
        let mut sum = nothing.clone();
        let mut wanted = [0, 1].map(|side: usize| vec![0; self.sizes[side].len()]);
        for (class, list) in self.by_class.iter().enumerate() {
            let best = list.iter().max_by(|x, y| self.gains[**x].cmp(&self.gains[**y]));
            let Some(best) = best.filter(|best| self.gains[**best] > nothing) else { continue };
            let times = self.sizes[0][class];
            add(&mut sum, &self.gains[*best], times);
            for (side, parts) in self.parts[*best].iter().enumerate() {
                for (other, count) in parts {
                    wanted[side][*other as usize] += count * times;
                }
            }
        }
        (sum, wanted)
    }

    /// Gives a class a price; `false` if it has it already.
    fn charge(&mut self, side: usize, class: usize, price: Vec<N>) -> bool {
        let before = std::mem::replace(&mut self.prices[side][class], price);
        if before == self.prices[side][class] {
            return false;
        }
        for user in &self.users[side][class] {
            for choice in &self.by_class[*user as usize] {
                let count = uses(&self.parts[*choice][side], class);
                add(&mut self.gains[*choice], &before, count);
                subtract(&mut self.gains[*choice], &self.prices[side][class], count);
            }
        }
        true
    }

    /// The classes that are wanted more often than they have rows, and those that have a price.
    fn contested(&self) -> Vec<(usize, usize)> {
        let (nothing, (_, wanted)) = (self.nothing(), self.hopes());
        let all = [0, 1].into_iter().flat_map(|side| {
            let count = self.sizes[side].len();
            (0..count).map(move |class| (side, class))
        });
        all.filter(|(side, class)| {
            let (side, class) = (*side, *class);
            wanted[side][class] > self.sizes[side][class] || self.prices[side][class] != nothing
        })
        .collect()
    }

    /// Adds choices that still fit beside these, best first.
    pub(super) fn fill(&self, mut counts: Vec<u32>, worth: &[Vec<N>]) -> Vec<u32> {
        let mut left = self.sizes.clone();
        let mut take = |choice: usize, times: u32| {
            for (parts, left) in self.parts[choice].iter().zip(&mut left) {
                for (class, count) in parts {
                    left[*class as usize] -= times * count;
                }
            }
            let sides = self.parts[choice].iter().zip(&left);
            let times = sides.flat_map(|(parts, left)| {
                parts.iter().map(|(class, count)| left[*class as usize] / *count)
            });
            times.min().unwrap_or_default()
        };
        for (choice, count) in counts.iter().enumerate() {
            take(choice, *count);
        }
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.sort_by(|x, y| worth[*y].cmp(&worth[*x]).then(x.cmp(y)));
        for choice in order {
            let times = take(choice, 0);
            take(choice, times);
            counts[choice] += times;
        }
        counts
    }

    /// The value of a solution.
    pub(super) fn worth(&self, counts: &[u32]) -> Vec<N> {
        let mut worth = self.nothing();
        for (value, count) in self.values.iter().zip(counts) {
            add(&mut worth, value, *count);
        }
        worth
    }

    pub(super) fn nothing(&self) -> Vec<N> {
        vec![N::default(); self.priced.len()]
    }

    /// Sets the price of a class to the offer of the first bidder that must go without; `true` if it changed.
    fn set_price(&mut self, side: usize, class: usize, effort: &mut Effort) -> bool {
        let nothing = self.nothing();
        let mut offers: Vec<(Vec<N>, u32)> = Vec::new();
        for user in &self.users[side][class] {
            let list = &self.by_class[*user as usize];
            effort.spend(list.len() as u64 + 1);
            // The best gain with this class, if it were free, and the best without it.
            let (mut with, mut without) = (None, nothing.clone());
            for choice in list {
                let gain = &self.gains[*choice];
                match uses(&self.parts[*choice][side], class) {
                    0 if *gain > without => without.clone_from(gain),
                    0 => {}
                    count => {
                        let mut free = gain.clone();
                        add(&mut free, &self.prices[side][class], count);
                        if with.as_ref().is_none_or(|(known, _)| free > *known) {
                            with = Some((free, count));
                        }
                    }
                }
            }
            let Some((mut offer, count)) = with.filter(|(with, _)| *with > without) else {
                continue;
            };
            subtract(&mut offer, &without, 1);
            offers.push((offer, count * self.sizes[0][*user as usize]));
        }
        offers.sort_by(|x, y| y.0.cmp(&x.0));
        let mut left = self.sizes[side][class];
        let mut price = nothing;
        for (offer, count) in offers {
            if count > left {
                price = offer;
                break;
            }
            left -= count;
        }
        // A choice that uses several rows of a class can drive its price up by a factor in each round. Any price
        // gives a valid bound, so one that would outgrow the numbers stays as it was.
        if price.iter().any(|value| N::of(value.wide()).is_none()) {
            return false;
        }
        self.charge(side, class, price)
    }
}

/// How many units of a class there are among these.
pub(super) fn uses(parts: &[Part], class: usize) -> u32 {
    parts.iter().find(|(known, _)| *known as usize == class).map_or(0, |(_, count)| *count)
}

/// Steps charged for changing the estimate of a class.
pub(super) const PUTTING: u64 = 8;

/// Values are counted in this many parts, so that a price can be a part of one.
const FINE: u32 = 64;

/// The steps in which all prices move, and how often each is taken.
const STEPS: [u32; 9] = [32, 16, 16, 8, 8, 4, 2, 1, 1];
const AT_EACH_STEP: usize = 40;

/// Most rounds in which all prices are set anew.
const MOST_ROUNDS: usize = 50;

/// The value of a choice: the most important measure first, and more is better.
fn value<N: Exact>(shape: Shape, choice: &Choice<N>) -> Vec<N> {
    let number = |value: i64| N::of(I512::from(value)).unwrap_or_default();
    let [first, second] = choice.sizes.map(i64::from);
    let mut value = match shape {
        Shape::ManyToMany => vec![number(first + second), number(1)],
        _ => vec![number(1), number(-second)],
    };
    value.extend(choice.distances.iter().map(|distance| -*distance));
    value
}

pub(super) fn add<N: Exact>(sum: &mut [N], value: &[N], times: u32) {
    for _ in 0..times {
        sum.iter_mut().zip(value).for_each(|(sum, value)| *sum = *sum + *value);
    }
}

pub(super) fn subtract<N: Exact>(sum: &mut [N], value: &[N], times: u32) {
    for _ in 0..times {
        sum.iter_mut().zip(value).for_each(|(sum, value)| *sum = *sum - *value);
    }
}
