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
use super::pairs;
use super::subsets::{Choice, Finder, Part};
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
    let rows = |choice: &Choice<N>| {
        let firsts = choice.parts[0].iter().map(|(class, _)| *class as usize);
        let seconds = choice.parts[1].iter().map(|(class, _)| count + *class as usize);
        firsts.chain(seconds).collect::<Vec<_>>()
    };
    let mut used = [vec![0; count], vec![0; finder.classes[1].len()]];
    let mut found = Vec::new();
    for edges in split(edges, |edge| vec![edge.a as usize, count + edge.b as usize]) {
        let mut effort = Effort::new(settings.effort);
        let (choices, all) = finder.choices(&edges, &mut effort);
        let mut complete = complete && all;
        for mut choices in split(choices, rows) {
            if pass.shape == Shape::ManyToMany {
                complete &= finder.drop_divisible(&mut choices, &mut effort);
            }
            let mut packed: Vec<Packed<N>> = split(choices, rows)
                .flat_map(|choices| pack(&finder, settings, choices, rows))
                .collect();
            combine(&mut packed);
            for packed in &packed {
                record(&finder, packed, complete, &mut used, &mut found);
            }
        }
    }
    found
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
fn combine<N>(parts: &mut [Packed<N>]) {
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

/// Choices by the numbers that their rows have among themselves.
struct Local<N> {
    parts: Vec<[Vec<Part>; 2]>,
    /// What each choice is worth.
    values: Vec<Vec<N>>,
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
        let values: Vec<_> = choices.map(|choice| value(finder.pass.shape, choice)).collect();
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
        let mut best_first = by_class.clone();
        for list in &mut best_first {
            list.sort_by(|x, y| values[*y].cmp(&values[*x]).then(x.cmp(y)));
        }
        Self { parts, values, sizes, by_class, best_first, users }
    }
}

/// What a choice is worth: what counts first comes first, and more is better.
fn value<N: Exact>(shape: Shape, choice: &Choice<N>) -> Vec<N> {
    let number = |value: i64| N::of(I512::from(value)).unwrap_or_default();
    let (first, second) = (i64::from(choice.size(0)), i64::from(choice.size(1)));
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

/// Solves choices that depend on one another.
fn pack<N: Exact>(
    finder: &Finder<'_, N>,
    settings: Settings,
    mut choices: Vec<Choice<N>>,
    rows: impl Fn(&Choice<N>) -> Vec<usize>,
) -> Vec<Packed<N>> {
    choices.sort_by(|x, y| x.parts.cmp(&y.parts));
    let local = Local::new(finder, choices.iter());
    let mut search = Search::new(&local, Effort::new(settings.effort));
    search.greedy();
    search.run(Order::ByConflict);
    let possible = search.possible();
    let counts = search.best.1;
    let mut effort = search.effort;
    if effort.is_gone() {
        return vec![Packed::undetermined(choices, counts)];
    }
    let kept = choices.into_iter().zip(counts).zip(possible);
    let kept = kept.filter(|(_, possible)| *possible).map(|(choice, _)| choice).collect();
    split(kept, |(choice, _): &(Choice<N>, u32)| rows(choice))
        .map(|part| {
            let (choices, counts) = part.into_iter().unzip();
            certified(finder, settings, choices, counts, &mut effort)
        })
        .collect()
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
    let local = Local::new(finder, choices.iter());
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
            value: zero.clone(),
            best: (zero.clone(), vec![0; choices]),
            hope: Hope {
                at: vec![(0, 0); classes],
                decided: vec![false; classes],
                sum: zero,
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
        let mut value = vec![N::default(); self.value.len()];
        for (own, count) in self.local.values.iter().zip(&counts) {
            add(&mut value, own, *count);
        }
        self.best = (value, counts);
    }

    /// A solution to begin with: what fits, best first.
    fn greedy(&mut self) {
        let values = &self.local.values;
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|x, y| values[*y].cmp(&values[*x]).then(x.cmp(y)));
        let mut left = self.left.clone();
        let mut counts = vec![0; values.len()];
        for choice in order {
            let sides = self.local.parts[choice].iter().zip(&left);
            let times = sides.flat_map(|(parts, left)| {
                parts.iter().map(|(class, count)| left[*class as usize] / *count)
            });
            let times = times.min().unwrap_or_default();
            counts[choice] = times;
            for (parts, left) in self.local.parts[choice].iter().zip(&mut left) {
                parts.iter().for_each(|(class, count)| left[*class as usize] -= times * count);
            }
        }
        self.set_best(counts);
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
            add(&mut self.hope.sum, &local.values[choice], times);
        } else {
            subtract(&mut self.hope.sum, &local.values[choice], times);
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
        if (at, times) != known {
            undo.push((class as u32, known));
            self.put(class, (at, times));
        }
    }

    fn put(&mut self, class: usize, hoped: (usize, u32)) {
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
        add(&mut self.value, &local.values[choice], 1);
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
        subtract(&mut self.value, &local.values[choice], 1);
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
        bound
    }

    fn is_promising(&mut self) -> bool {
        self.effort.spend(1);
        let bound = self.bound();
        if self.goal == Goal::Best { bound > self.best.0 } else { bound >= self.best.0 }
    }

    /// The class to decide next; none if nothing is left to decide.
    fn next_class(&self, order: Order, depth: usize) -> Option<usize> {
        if order == Order::ByRow {
            return (depth < self.local.by_class.len()).then_some(depth);
        }
        if let Some((choice, most)) = self.at_most
            && let Some((class, _)) = self.local.parts[choice][0].first()
            && let Some((hoped, times)) = self.hoped(*class as usize)
            && hoped == choice
            && self.counts[choice] + times > most
        {
            return Some(*class as usize);
        }
        let (side, class) = self.hope.short.first()?;
        let wants = |user: &&u32| {
            self.hoped(**user as usize).is_some_and(|(choice, _)| {
                self.local.parts[choice][*side].iter().any(|(other, _)| other == class)
            })
        };
        let user = self.local.users[*side][*class as usize].iter().find(wants);
        user.map(|user| *user as usize)
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
                let is_promising = self.is_promising();
                let next = again.or_else(|| Some((self.next_class(order, passed)?, 0)));
                match next {
                    _ if self.effort.is_gone() => done = true,
                    _ if !is_promising => {}
                    None => done = self.arrive(),
                    Some((class, next)) => {
                        stack.push(Frame { class, next, made: None, passed: false });
                    }
                }
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

    /// A whole solution.
    fn arrive(&mut self) -> bool {
        self.found += 1;
        if self.goal == Goal::Count {
            return self.found >= MOST_ALTERNATIVES;
        }
        let mut counts = self.counts.clone();
        for class in 0..self.local.by_class.len() {
            if let Some((choice, times)) = self.hoped(class) {
                counts[choice] += times;
            }
        }
        self.best = (self.bound(), counts);
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
