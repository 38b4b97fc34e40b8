//! Choosing among sets of rows: the best selection in which no row is used twice.
//!
//! Branch and bound: as long as the best choices of all rows of the first side get in each other's way, one of those rows is
//! decided, with each of its choices or with none. A branch is cut when even the best choice that still fits each
//! remaining row can't make it better. The same search then asks for each match whether a solution as good does without it.
//! What no best solution can have is dropped before that, so what depends on one another is small.

use std::collections::{BTreeMap, BTreeSet};

use bnum::types::I512;

use super::assign::MOST_ALTERNATIVES;
use super::components::Sets;
use super::item::Items;
use super::number::{Effort, Exact};
use super::pairs::{self, Edge};
use super::subsets::{Choice, Finder, Part, Sought};
use super::{Certificate, Found, Pass, Settings, Shape};

/// The best matches of a block in which a side may have several units, and the tied alternatives to them.
pub(super) fn solve<N: Exact>(pass: &Pass, settings: Settings, items: &Items<N>) -> Vec<Found> {
    let mut finder = Finder::new(pass, items);
    let forward = [pairs::classes(&items.sides[0]), pairs::classes(&items.sides[1])];
    let unsummed = |field: usize| !pass.near[field].summed;
    let (mut edges, complete) = pairs::edges(items, &forward, settings.effort, unsummed);
    if finder.mirrored {
        edges.iter_mut().for_each(|edge| std::mem::swap(&mut edge.a, &mut edge.b));
        edges.sort_unstable_by_key(|edge| (edge.a, edge.b));
    }
    let count = finder.classes[0].len();
    let mut used = [vec![0; count], vec![0; finder.classes[1].len()]];
    let mut found = Vec::new();
    for edges in split(edges, |edge| vec![edge.a as usize, count + edge.b as usize]) {
        let (packed, all) = match pass.shape {
            Shape::ManyToMany => whole(&mut finder, settings, &edges),
            _ => stepwise(&mut finder, settings, &edges),
        };
        for packed in &packed {
            record(&finder, packed, complete && all, &mut used, &mut found);
        }
    }
    found
}

/// The rows of a choice, numbered over both sides.
fn rows<N: Exact>(finder: &Finder<'_, N>, choice: &Choice<N>) -> Vec<usize> {
    let count = finder.classes[0].len();
    let firsts = choice.parts[0].iter().map(|(class, _)| *class as usize);
    let seconds = choice.parts[1].iter().map(|(class, _)| count + *class as usize);
    firsts.chain(seconds).collect()
}

/// Several rows on both sides: larger sets are better, so all are searched before any is chosen.
fn whole<N: Exact>(
    finder: &mut Finder<'_, N>,
    settings: Settings,
    edges: &[Edge<N>],
) -> (Vec<Packed<N>>, bool) {
    let mut effort = Effort::new(settings.effort);
    let (choices, mut complete) = finder.all(edges, &mut effort);
    let mut done = Vec::new();
    let groups: Vec<Vec<Choice<N>>> = split(choices, |choice| rows(finder, choice)).collect();
    for mut choices in groups {
        complete &= finder.drop_divisible(&mut choices, &mut effort);
        let mut packed = Vec::new();
        for mut choices in split(choices, |choice| rows(finder, choice)) {
            choices.sort_by(|x, y| x.parts.cmp(&y.parts));
            let mut effort = Effort::new(settings.effort);
            let solved = Solved::new(finder, choices.iter(), &mut effort);
            packed.extend(certify(finder, settings, choices, &solved, &mut effort));
        }
        combine(&mut packed.iter_mut().collect::<Vec<_>>());
        done.extend(packed);
    }
    (done, complete)
}

/// One row on the first side: larger sets are worse, so they are searched only for rows that could do without their
/// smaller ones. A choice stands for the sets of a row that are not known; what a best solution could have of these
/// is searched next, until it has none.
fn stepwise<N: Exact>(
    finder: &mut Finder<'_, N>,
    settings: Settings,
    edges: &[Edge<N>],
) -> (Vec<Packed<N>>, bool) {
    let (mut searching, mut packing) = (Effort::new(settings.effort), Effort::new(settings.effort));
    let mut sought = finder.sought(edges, searching);
    let mut choices = Vec::new();
    finder.smallest(&mut sought, &mut searching, &mut choices);
    let mut known: BTreeMap<Vec<(u32, [u32; 2])>, Solved> = BTreeMap::new();
    let (parts, complete) = loop {
        let unknown = sought.iter().filter_map(Sought::unknown);
        let all: Vec<Choice<N>> = choices.iter().cloned().chain(unknown).collect();
        let mut parts: Vec<Vec<Choice<N>>> = split(all, |choice| rows(finder, choice)).collect();
        // What small parts do not need is left to the large ones.
        parts.sort_by_key(Vec::len);
        let mut before = std::mem::take(&mut known);
        let mut wanted = BTreeSet::new();
        let mut is_stuck = false;
        let mut solved = Vec::new();
        let count = parts.len();
        for (done, mut choices) in parts.into_iter().enumerate() {
            choices.sort_by(|x, y| x.parts.cmp(&y.parts));
            let depths = depths(&choices);
            let result = before.remove(&depths).unwrap_or_else(|| {
                packing.share(count - done, |own| Solved::new(finder, choices.iter(), own))
            });
            let unknown = result.wanted(&choices);
            is_stuck |= result.is_open && !unknown.is_empty();
            wanted.extend(unknown);
            solved.push((choices, depths, result));
        }
        let stuck = |one: &Sought<'_, N>| wanted.contains(&one.first) && !one.is_open();
        is_stuck |= sought.iter().any(stuck);
        if wanted.is_empty() || is_stuck {
            break (solved, !is_stuck);
        }
        known = solved.into_iter().map(|(_, depths, result)| (depths, result)).collect();
        finder.deepen(&mut sought, |one| wanted.contains(&one.first), &mut searching, &mut choices);
    };
    let count = parts.len();
    let mut packed = Vec::new();
    for (done, (choices, _, solved)) in parts.into_iter().enumerate() {
        packing.share(count - done, |own| {
            packed.extend(certify(finder, settings, choices, &solved, own));
        });
    }
    if complete && settings.take {
        count_together(finder, &mut sought, (choices, &mut searching), &mut packed);
    }
    (packed, complete)
}

/// How many of its sets are known of each row of the first side: what a part consists of.
fn depths<N>(choices: &[Choice<N>]) -> Vec<(u32, [u32; 2])> {
    let mut counts: BTreeMap<u32, [u32; 2]> = BTreeMap::new();
    for choice in choices {
        for (class, _) in &choice.parts[0] {
            let [known, next] = counts.entry(*class).or_default();
            if choice.is_unknown() { *next = choice.sizes[1] } else { *known += 1 }
        }
    }
    counts.into_iter().collect()
}

/// Alternatives are those of all rows that depend on one another by any sets, also by those that no best solution
/// has, as far as the effort suffices to know them.
fn count_together<N: Exact>(
    finder: &mut Finder<'_, N>,
    sought: &mut [Sought<'_, N>],
    (mut choices, effort): (Vec<Choice<N>>, &mut Effort),
    packed: &mut [Packed<N>],
) {
    if packed.iter().filter(|part| part.solutions > 1).count() < 2 {
        return;
    }
    for _ in 0..finder.pass.max_rows {
        finder.deepen(sought, |_| true, effort, &mut choices);
    }
    let mut sets = Sets::new(finder.classes[0].len() + finder.classes[1].len());
    for choice in &choices {
        rows(finder, choice).windows(2).for_each(|pair| sets.join(pair[0], pair[1]));
    }
    let mut groups: BTreeMap<usize, Vec<&mut Packed<N>>> = BTreeMap::new();
    for part in packed {
        let first = part.choices.first().and_then(|choice| choice.parts[0].first());
        let root = first.map_or(0, |(class, _)| sets.find(*class as usize));
        groups.entry(root).or_default().push(part);
    }
    groups.into_values().for_each(|mut parts| combine(&mut parts));
}

/// Things by connected component, where each joins some nodes.
fn split<T>(things: Vec<T>, nodes: impl Fn(&T) -> Vec<usize>) -> impl Iterator<Item = Vec<T>> {
    let most = things.iter().flat_map(&nodes).max().map_or(0, |most| most + 1);
    let mut sets = Sets::new(most);
    for thing in &things {
        let nodes = nodes(thing);
        nodes.windows(2).for_each(|pair| sets.join(pair[0], pair[1]));
    }
    let mut components: BTreeMap<usize, Vec<T>> = BTreeMap::new();
    for thing in things {
        let root = nodes(&thing).first().map_or(0, |node| sets.find(*node));
        components.entry(root).or_default().push(thing);
    }
    components.into_values()
}

/// Choices that depend on one another, solved.
struct Packed<N> {
    choices: Vec<Choice<N>>,
    /// How often each choice is made, and how often in every best solution.
    counts: Vec<u32>,
    certain: Vec<u32>,
    /// Whether another best solution makes the choice more often.
    tied: Vec<bool>,
    alternatives: Vec<u32>,
    /// How many best solutions there are, as far as they were counted.
    solutions: u32,
    undetermined: bool,
}

/// Alternatives are those of the whole component: each goes with every best solution of its other parts.
fn combine<N>(parts: &mut [&mut Packed<N>]) {
    let all: Vec<u32> = parts.iter().map(|part| part.solutions).collect();
    for (at, part) in parts.iter_mut().enumerate() {
        let others = all.iter().enumerate().filter(|(other, _)| *other != at);
        let others = others.fold(1, |product: u32, (_, count)| {
            product.saturating_mul((*count).max(1)).min(MOST_ALTERNATIVES)
        });
        for count in &mut part.alternatives {
            *count = count.saturating_mul(others).min(MOST_ALTERNATIVES);
        }
    }
}

/// A price for each class of both sides.
type Prices<N> = [Vec<Vec<N>>; 2];

/// Choices by the numbers that their rows have among themselves.
struct Local<N> {
    parts: Vec<[Vec<Part>; 2]>,
    /// What each choice is worth, and what is left of that after the prices of its rows.
    values: Vec<Vec<N>>,
    gains: Vec<Vec<N>>,
    /// A price for each class of both sides, and the sum of all prices.
    prices: Prices<N>,
    priced: Vec<N>,
    with_price: Vec<(usize, u32)>,
    /// Whether what counts less is never more than nothing, so that a bound can be rounded.
    rounds: bool,
    /// The best solution that was met on the way to the prices.
    met: Vec<u32>,
    /// How many rows each class has.
    sizes: [Vec<u32>; 2],
    /// The choices whose lowest class of the first side is this, by their rows' values and best first.
    by_class: Vec<Vec<usize>>,
    best_first: Vec<Vec<usize>>,
    /// For each class of both sides the classes of the first side with a choice that uses it.
    users: [Vec<Vec<u32>>; 2],
}

impl<N: Exact> Local<N> {
    /// Of choices in the order of their rows' values.
    fn new<'c>(finder: &Finder<'_, N>, choices: impl Iterator<Item = &'c Choice<N>> + Clone) -> Self
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

    /// Puts prices on rows that several others want, so that what all hope for together comes down to what they can
    /// get: one row after another gets the price that is best for it alone (coordinate descent on the dual).
    fn set_prices(&mut self, effort: &mut Effort) {
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

    /// A bound without what no solution can have: those have whole values, and what comes after a part of one is at
    /// most nothing.
    fn rounded(&self, mut bound: Vec<N>) -> Vec<N> {
        if self.rounds
            && let Some(at) = bound.iter().position(|value| value.whole(FINE) != *value)
        {
            bound[at] = bound[at].whole(FINE);
            bound[at + 1..].fill(N::default());
        }
        bound
    }

    /// What all hope for together, and how often that uses each class.
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

    /// What still fits beside some choices, best first.
    fn fill(&self, mut counts: Vec<u32>, worth: &[Vec<N>]) -> Vec<u32> {
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

    /// What a solution is worth.
    fn worth(&self, counts: &[u32]) -> Vec<N> {
        let mut worth = self.nothing();
        for (value, count) in self.values.iter().zip(counts) {
            add(&mut worth, value, *count);
        }
        worth
    }

    fn nothing(&self) -> Vec<N> {
        vec![N::default(); self.priced.len()]
    }

    /// Sets the price of a class to what the first one offers that has to go without; `true` if it changed.
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
        self.charge(side, class, price)
    }
}

/// How many units of a class there are among these.
fn uses(parts: &[Part], class: usize) -> u32 {
    parts.iter().find(|(known, _)| *known as usize == class).map_or(0, |(_, count)| *count)
}

/// To change what a class hopes for costs as much as so many other steps.
const PUTTING: u64 = 8;

/// Values are counted in so many parts, so that a price can be a part of one.
const FINE: u32 = 64;

/// The steps in which all prices move, and how often each is taken.
const STEPS: [u32; 9] = [32, 16, 16, 8, 8, 4, 2, 1, 1];
const AT_EACH_STEP: usize = 40;

/// How often all prices are set anew.
const MOST_ROUNDS: usize = 50;

/// What a choice is worth: what counts first comes first, and more is better.
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

fn add<N: Exact>(sum: &mut [N], value: &[N], times: u32) {
    for _ in 0..times {
        sum.iter_mut().zip(value).for_each(|(sum, value)| *sum = *sum + *value);
    }
}

fn subtract<N: Exact>(sum: &mut [N], value: &[N], times: u32) {
    for _ in 0..times {
        sum.iter_mut().zip(value).for_each(|(sum, value)| *sum = *sum - *value);
    }
}

/// The best solution of choices that depend on one another, and which of them a best solution could have.
struct Solved {
    counts: Vec<u32>,
    possible: Vec<bool>,
    /// The effort ran out: it is the best that was found.
    is_open: bool,
}

impl Solved {
    /// Of choices in the order of their rows' values.
    fn new<'c, N: Exact + 'c>(
        finder: &Finder<'_, N>,
        choices: impl Iterator<Item = &'c Choice<N>> + Clone,
        effort: &mut Effort,
    ) -> Self {
        let mut local = Local::new(finder, choices);
        effort.share(4, |own| local.set_prices(own));
        let mut search = Search::new(&local, *effort);
        search.greedy();
        search.run(Order::ByConflict);
        let possible = search.possible();
        *effort = search.effort;
        Self { counts: search.best.1, possible, is_open: search.effort.is_gone() }
    }

    /// The classes of the first side whose unknown sets are wanted: those that the solution has, or if it has none,
    /// those that another one as good could have.
    fn wanted<N>(&self, choices: &[Choice<N>]) -> Vec<u32> {
        let wanted = |is_wanted: &dyn Fn(usize) -> bool| -> Vec<u32> {
            let unknown = choices.iter().enumerate().filter(|(_, choice)| choice.is_unknown());
            unknown
                .filter(|(at, _)| is_wanted(*at))
                .map(|(_, choice)| choice.parts[0][0].0)
                .collect()
        };
        let chosen = wanted(&|at| self.counts[at] > 0);
        if chosen.is_empty() { wanted(&|at| self.possible[at]) } else { chosen }
    }
}

/// A choice, how often it is made, and whether a best solution could have it.
type State<N> = (Choice<N>, (u32, bool));

/// Says of each choice of the best solution how sure it is; what is independent without choices that no best solution
/// has is looked at for itself.
fn certify<N: Exact>(
    finder: &Finder<'_, N>,
    settings: Settings,
    choices: Vec<Choice<N>>,
    solved: &Solved,
    effort: &mut Effort,
) -> Vec<Packed<N>> {
    let states = solved.counts.iter().copied().zip(solved.possible.iter().copied());
    let all = choices.into_iter().zip(states);
    let mut all: Vec<_> = all.filter(|(choice, _)| !choice.is_unknown()).collect();
    if solved.is_open || effort.is_gone() {
        let (choices, states): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let counts: Vec<u32> = states.into_iter().map(|(count, _)| count).collect();
        return vec![filled(finder, choices, counts)];
    }
    all.retain(|(_, (_, possible))| *possible);
    let parts: Vec<Vec<State<N>>> = split(all, |(choice, _)| rows(finder, choice)).collect();
    let count = parts.len();
    let certify = |(done, part): (usize, Vec<State<N>>)| {
        let (choices, states): (Vec<_>, Vec<_>) = part.into_iter().unzip();
        let counts = states.into_iter().map(|(count, _)| count).collect();
        effort.share(count - done, |own| certified(finder, settings, choices, counts, own))
    };
    parts.into_iter().enumerate().map(certify).collect()
}

/// A solution that is not proven, with what still fits beside it.
fn filled<N: Exact>(
    finder: &Finder<'_, N>,
    choices: Vec<Choice<N>>,
    counts: Vec<u32>,
) -> Packed<N> {
    let local = Local::new(finder, choices.iter());
    let counts = local.fill(counts, &local.values);
    Packed::undetermined(choices, counts)
}

/// Says of each choice of a best solution how sure it is.
fn certified<N: Exact>(
    finder: &Finder<'_, N>,
    settings: Settings,
    choices: Vec<Choice<N>>,
    counts: Vec<u32>,
    effort: &mut Effort,
) -> Packed<N> {
    if effort.is_gone() {
        return Packed::undetermined(choices, counts);
    }
    let mut local = Local::new(finder, choices.iter());
    effort.share(4, |own| local.set_prices(own));
    let mut search = Search::new(&local, *effort);
    search.set_best(counts);
    if settings.take {
        // The first of the best solutions in the order of the rows' values.
        search.another(None, Order::ByRow);
    }
    let mut packed = Packed::undetermined(choices, search.best.1.clone());
    search.certify(&mut packed);
    if settings.take && !search.effort.is_gone() {
        search.count(&mut packed);
    }
    packed.undetermined = search.effort.is_gone();
    *effort = search.effort;
    packed
}

impl<N> Packed<N> {
    fn undetermined(choices: Vec<Choice<N>>, counts: Vec<u32>) -> Self {
        Self {
            tied: vec![false; choices.len()],
            alternatives: vec![0; choices.len()],
            choices,
            certain: counts.clone(),
            counts,
            solutions: 1,
            undetermined: true,
        }
    }
}

/// What a search is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The best value.
    Best,
    /// The first solution as good as the best.
    Another,
    /// So many solutions as good as the best.
    Count,
}

/// Which class is decided next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// One whose best choice gets in the way of another's; if there is none, all best choices are made.
    ByConflict,
    /// The first, its choices by the rows' values: every solution is found, and once.
    ByRow,
}

struct Search<'c, N> {
    local: &'c Local<N>,
    /// What is left of each class.
    left: [Vec<u32>; 2],
    counts: Vec<u32>,
    /// The sum of all prices and of the gains of what is made: with the prices paid, what that is worth.
    value: Vec<N>,
    best: (Vec<N>, Vec<u32>),
    hope: Hope<N>,
    /// A choice that may be made at most so often.
    at_most: Option<(usize, u32)>,
    goal: Goal,
    found: u32,
    effort: Effort,
}

/// The most that the classes that are not decided yet could add: each its best choice that still fits, once for each
/// row that it has left. It is kept up to date with each choice made or taken back.
struct Hope<N> {
    /// For each class where its best choice that fits is among its choices, and how often it counts.
    at: Vec<(usize, u32)>,
    decided: Vec<bool>,
    sum: Vec<N>,
    nothing: Vec<N>,
    /// What all of them together want of each class of both sides.
    wanted: [Vec<u32>; 2],
    /// The classes of which more is wanted than is left: side and class.
    short: BTreeSet<(usize, u32)>,
}

/// What a choice changed in the hope: a class and what was known of it.
type Undo = Vec<(u32, (usize, u32))>;

/// A class that is being decided.
struct Frame {
    class: usize,
    /// The next of its choices to try.
    next: usize,
    /// The choice that is made at the moment.
    made: Option<(usize, Undo)>,
    /// Whether all its choices were tried, and it is now left as it is.
    passed: bool,
}

impl<'c, N: Exact> Search<'c, N> {
    fn new(local: &'c Local<N>, effort: Effort) -> Self {
        let fields = local.values.first().map_or(0, Vec::len);
        let classes = local.by_class.len();
        let choices = local.parts.len();
        let zero = vec![N::default(); fields];
        let mut search = Self {
            local,
            left: local.sizes.clone(),
            counts: vec![0; choices],
            value: local.priced.clone(),
            best: (zero.clone(), vec![0; choices]),
            hope: Hope {
                at: vec![(0, 0); classes],
                decided: vec![false; classes],
                sum: zero.clone(),
                nothing: zero,
                wanted: [0, 1].map(|side| vec![0; local.sizes[side].len()]),
                short: BTreeSet::new(),
            },
            at_most: None,
            goal: Goal::Best,
            found: 0,
            effort,
        };
        (0..classes).for_each(|class| search.renew(class, &mut Vec::new()));
        search
    }

    fn set_best(&mut self, counts: Vec<u32>) {
        self.best = (self.local.worth(&counts), counts);
    }

    /// A solution to begin with.
    fn greedy(&mut self) {
        let local = self.local;
        let mut all: Vec<Vec<u32>> = [&local.values, &local.gains]
            .map(|worth| local.fill(vec![0; local.parts.len()], worth))
            .into();
        all.extend((!local.met.is_empty()).then(|| local.met.clone()));
        for counts in all {
            let value = local.worth(&counts);
            if value > self.best.0 {
                self.best = (value, counts);
            }
        }
    }

    fn fits(&self, choice: usize) -> bool {
        let mut sides = self.local.parts[choice].iter().zip(&self.left);
        self.at_most.is_none_or(|(at, most)| at != choice || self.counts[at] < most)
            && sides.all(|(parts, left)| {
                parts.iter().all(|(class, count)| left[*class as usize] >= *count)
            })
    }

    /// The best choice of a class that fits, and how often it counts.
    fn hoped(&self, class: usize) -> Option<(usize, u32)> {
        let (at, times) = self.hope.at[class];
        let choice = self.local.best_first[class].get(at)?;
        (times > 0 && !self.hope.decided[class]).then_some((*choice, times))
    }

    /// Adds what a class hopes for to the sums, or takes it away.
    fn weigh(&mut self, class: usize, more: bool) {
        let Some((choice, times)) = self.hoped(class) else { return };
        let local = self.local;
        if more {
            add(&mut self.hope.sum, &local.gains[choice], times);
        } else {
            subtract(&mut self.hope.sum, &local.gains[choice], times);
        }
        for (side, parts) in local.parts[choice].iter().enumerate() {
            for (class, count) in parts {
                let wanted = &mut self.hope.wanted[side][*class as usize];
                *wanted = if more { *wanted + times * count } else { *wanted - times * count };
                self.compare(side, *class);
            }
        }
    }

    /// Notes whether more is wanted of a class than is left.
    fn compare(&mut self, side: usize, class: u32) {
        if self.hope.wanted[side][class as usize] > self.left[side][class as usize] {
            self.hope.short.insert((side, class));
        } else {
            self.hope.short.remove(&(side, class));
        }
    }

    /// Looks again for the best choice of a class, after something was made.
    fn renew(&mut self, class: usize, undo: &mut Undo) {
        let known = self.hope.at[class];
        let list = &self.local.best_first[class];
        let times = self.left[0][class];
        let mut at = known.0;
        while times > 0 && list.get(at).is_some_and(|choice| !self.fits(*choice)) {
            at += 1;
        }
        self.effort.spend((at - known.0) as u64 + 1);
        if list.get(at).is_some_and(|choice| self.local.gains[*choice] < self.hope.nothing) {
            // It is better to go without.
            at = list.len();
        }
        if (at, times) != known {
            undo.push((class as u32, known));
            self.put(class, (at, times));
        }
    }

    fn put(&mut self, class: usize, hoped: (usize, u32)) {
        self.effort.spend(PUTTING);
        self.weigh(class, false);
        self.hope.at[class] = hoped;
        self.weigh(class, true);
    }

    fn decide(&mut self, class: usize, decided: bool) {
        if decided {
            self.weigh(class, false);
        }
        self.hope.decided[class] = decided;
        if !decided {
            self.weigh(class, true);
        }
    }

    fn make(&mut self, choice: usize) -> Undo {
        let local = self.local;
        self.counts[choice] += 1;
        add(&mut self.value, &local.gains[choice], 1);
        for (side, parts) in local.parts[choice].iter().enumerate() {
            for (class, count) in parts {
                self.left[side][*class as usize] -= count;
                self.compare(side, *class);
            }
        }
        let mut undo = Vec::new();
        for (class, _) in &local.parts[choice][0] {
            self.renew_open(*class, &mut undo);
        }
        for (side, parts) in local.parts[choice].iter().enumerate() {
            for (class, _) in parts {
                for user in &local.users[side][*class as usize] {
                    self.renew_open(*user, &mut undo);
                }
            }
        }
        undo
    }

    fn renew_open(&mut self, class: u32, undo: &mut Undo) {
        if !self.hope.decided[class as usize] {
            self.renew(class as usize, undo);
        }
    }

    fn take_back(&mut self, choice: usize, undo: Undo) {
        let local = self.local;
        for (class, known) in undo.into_iter().rev() {
            self.put(class as usize, known);
        }
        self.counts[choice] -= 1;
        subtract(&mut self.value, &local.gains[choice], 1);
        for (side, parts) in local.parts[choice].iter().enumerate() {
            for (class, count) in parts {
                self.left[side][*class as usize] += count;
                self.compare(side, *class);
            }
        }
    }

    /// What could be reached at most.
    fn bound(&self) -> Vec<N> {
        let mut bound = self.value.clone();
        add(&mut bound, &self.hope.sum, 1);
        self.local.rounded(bound)
    }

    fn is_promising(&mut self) -> bool {
        self.effort.spend(1);
        let bound = self.bound();
        if self.goal == Goal::Best { bound > self.best.0 } else { bound >= self.best.0 }
    }

    /// The class that hopes for a choice more often than that may be made.
    fn exceeding(&self) -> Option<usize> {
        let (choice, most) = self.at_most?;
        let class = self.local.parts[choice][0].first()?.0 as usize;
        let (hoped, times) = self.hoped(class)?;
        (hoped == choice && self.counts[choice] + times > most).then_some(class)
    }

    /// The class to decide next; none if nothing is left to decide.
    fn next_class(&mut self, order: Order, depth: usize) -> Option<usize> {
        if order == Order::ByRow {
            return (depth < self.local.by_class.len()).then_some(depth);
        }
        if let Some(class) = self.exceeding() {
            return Some(class);
        }
        let Some((side, class)) = self.hope.short.first() else { return self.next_buyer() };
        let wants = |user: &&u32| {
            self.hoped(**user as usize).is_some_and(|(choice, _)| {
                self.local.parts[choice][*side].iter().any(|(other, _)| other == class)
            })
        };
        let user = self.local.users[*side][*class as usize].iter().find(wants);
        user.map(|user| *user as usize)
    }

    /// A class that could still pay a price that nobody pays; as long as there is one, what all hope for is worth less
    /// than the bound says.
    fn next_buyer(&mut self) -> Option<usize> {
        for (side, class) in &self.local.with_price {
            let users = &self.local.users[*side][*class as usize];
            self.effort.spend(1);
            if self.hope.wanted[*side][*class as usize] >= self.left[*side][*class as usize] {
                continue;
            }
            let could = |user: &&u32| {
                let own = **user as usize;
                let mut list = self.local.by_class[own].iter();
                !self.hope.decided[own]
                    && self.left[0][own] > 0
                    && list.any(|choice| {
                        uses(&self.local.parts[*choice][*side], *class as usize) > 0
                            && self.fits(*choice)
                    })
            };
            if let Some(user) = users.iter().find(could) {
                return Some(*user as usize);
            }
        }
        None
    }

    /// Searches; `true` if what was wanted is found, or the effort ran out.
    fn run(&mut self, order: Order) -> bool {
        let mut stack: Vec<Frame> = Vec::new();
        // How many classes are decided, and whether one is to go on with, and from which of its choices.
        let mut passed = 0;
        let mut enter = Some(None);
        let mut done = false;
        loop {
            if let Some(again) = enter.take() {
                if self.is_promising() {
                    let next = again.or_else(|| Some((self.next_class(order, passed)?, 0)));
                    // What all hope for is a solution if they don't get in each other's way.
                    let arrives = match order {
                        Order::ByConflict => {
                            self.hope.short.is_empty() && self.exceeding().is_none()
                        }
                        Order::ByRow => next.is_none(),
                    };
                    done = arrives && again.is_none() && self.arrive();
                    if let Some((class, next)) = next.filter(|_| !done) {
                        stack.push(Frame { class, next, made: None, passed: false });
                    }
                }
                done |= self.effort.is_gone();
            }
            let Some(mut frame) = stack.pop() else { return done };
            if let Some((choice, undo)) = frame.made.take() {
                self.take_back(choice, undo);
            }
            if frame.passed {
                self.decide(frame.class, false);
                passed -= 1;
                continue;
            }
            if done {
                continue;
            }
            let local = self.local;
            let list = match order {
                Order::ByConflict => &local.best_first[frame.class],
                Order::ByRow => &local.by_class[frame.class],
            };
            let rest = list[frame.next..].iter();
            let fitting = rest.clone().position(|choice| self.fits(*choice));
            self.effort.spend(fitting.unwrap_or(rest.len()) as u64);
            if let Some(skipped) = fitting.filter(|_| self.left[0][frame.class] > 0) {
                let at = frame.next + skipped;
                frame.made = Some((list[at], self.make(list[at])));
                frame.next = at + 1;
                // Of a class, choices come in their order, so that no solution is found twice.
                enter = Some(Some((frame.class, at)));
            } else {
                self.decide(frame.class, true);
                frame.passed = true;
                passed += 1;
                enter = Some(None);
            }
            stack.push(frame);
        }
    }

    /// A whole solution; `true` if it is what was wanted.
    fn arrive(&mut self) -> bool {
        let mut counts = self.counts.clone();
        for class in 0..self.local.by_class.len() {
            if let Some((choice, times)) = self.hoped(class) {
                counts[choice] += times;
            }
        }
        let value = self.local.worth(&counts);
        match self.goal {
            Goal::Best if value <= self.best.0 => return false,
            Goal::Another | Goal::Count if value < self.best.0 => return false,
            _ => {}
        }
        self.found += 1;
        if self.goal == Goal::Count {
            return self.found >= MOST_ALTERNATIVES;
        }
        self.best = (value, counts);
        self.goal == Goal::Another
    }

    /// Which choices a best solution could have.
    fn possible(&mut self) -> Vec<bool> {
        (0..self.local.parts.len())
            .map(|choice| {
                let undo = self.make(choice);
                let possible = self.bound() >= self.best.0;
                self.take_back(choice, undo);
                possible
            })
            .collect()
    }

    /// Searches with a choice made at most so often.
    fn restricted(&mut self, at_most: Option<(usize, u32)>, order: Order) -> bool {
        (self.at_most, self.found) = (at_most, 0);
        let mut undo = Vec::new();
        if let Some((choice, _)) = at_most {
            let class = self.local.parts[choice][0].first().map_or(0, |(class, _)| *class);
            self.renew(class as usize, &mut undo);
        }
        let done = self.run(order);
        self.at_most = None;
        for (class, known) in undo {
            self.put(class as usize, known);
        }
        done
    }

    /// Looks for a solution as good as the best in which a choice is made at most so often; `false` if there is
    /// none, or the effort ran out.
    fn another(&mut self, at_most: Option<(usize, u32)>, order: Order) -> bool {
        self.goal = Goal::Another;
        self.restricted(at_most, order) && !self.effort.is_gone()
    }

    /// Says of each choice how often it is made in every best solution.
    fn certify(&mut self, packed: &mut Packed<N>) {
        for at in 0..packed.counts.len() {
            while packed.certain[at] > 0
                && self.another(Some((at, packed.certain[at] - 1)), Order::ByConflict)
            {
                for (other, count) in self.best.1.iter().enumerate() {
                    packed.certain[other] = packed.certain[other].min(*count);
                    packed.tied[other] |= *count > packed.counts[other];
                }
            }
        }
    }

    /// Counts the best solutions, and for each choice that is not certain those that make it less often.
    fn count(&mut self, packed: &mut Packed<N>) {
        if packed.certain == packed.counts {
            return;
        }
        self.goal = Goal::Count;
        self.restricted(None, Order::ByRow);
        packed.solutions = self.found.max(1);
        for at in 0..packed.counts.len() {
            if packed.certain[at] < packed.counts[at] {
                self.restricted(Some((at, packed.counts[at] - 1)), Order::ByRow);
                packed.alternatives[at] = self.found.max(1);
            }
        }
    }
}

/// Turns choices of classes into matches of units: alike units go by their line.
fn record<N: Exact>(
    finder: &Finder<'_, N>,
    packed: &Packed<N>,
    complete: bool,
    used: &mut [Vec<usize>; 2],
    found: &mut Vec<Found>,
) {
    let undetermined = packed.undetermined || !complete;
    let oriented = |sides: [Vec<usize>; 2]| {
        let [first, second] = sides;
        if finder.mirrored { [second, first] } else { [first, second] }
    };
    for certain in [true, false] {
        for (at, choice) in packed.choices.iter().enumerate() {
            let sure = packed.certain[at].min(packed.counts[at]);
            let count = if certain { sure } else { packed.counts[at] - sure };
            for _ in 0..count {
                let mut units = |side: usize| {
                    let mut all = Vec::new();
                    for (class, count) in &choice.parts[side] {
                        let used = &mut used[side][*class as usize];
                        let start = finder.classes[side][*class as usize].start + *used;
                        all.extend(start..start + *count as usize);
                        *used += *count as usize;
                    }
                    all
                };
                found.push(Found {
                    units: oriented([units(0), units(1)]),
                    certificate: match (undetermined, certain) {
                        (true, _) => Certificate::Undetermined,
                        (false, true) => Certificate::Unique,
                        (false, false) => Certificate::Tied,
                    },
                    alternatives: if certain { 0 } else { packed.alternatives[at] },
                    chosen: true,
                });
            }
        }
    }
    for (at, choice) in packed.choices.iter().enumerate() {
        if packed.tied[at] && !undetermined {
            let units = |side: usize| {
                let parts = choice.parts[side].iter();
                parts
                    .flat_map(|(class, count)| {
                        let start = finder.classes[side][*class as usize].start;
                        start..start + *count as usize
                    })
                    .collect()
            };
            found.push(Found {
                units: oriented([units(0), units(1)]),
                certificate: Certificate::Tied,
                alternatives: 0,
                chosen: false,
            });
        }
    }
}
