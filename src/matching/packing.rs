//! Choosing among sets of rows: the best selection in which no row is used twice.
//!
//! Branch and bound: the rows of the first side are decided one after the other, each with one of its choices or with
//! none. A branch is cut when even the best choice that still fits each remaining row can't make it better. The same search
//! then asks for each match whether a solution as good does without it.

use std::collections::BTreeMap;

use bnum::types::I512;

use super::assign::MOST_ALTERNATIVES;
use super::components::Sets;
use super::item::Items;
use super::number::{Effort, Exact};
use super::pairs::{self, Edge};
use super::subsets::{Choice, Finder, Part};
use super::{Certificate, Found, Pass, Settings, Shape};

/// A search goes as deep as it has rows to decide; beyond this it would not fit on a thread's stack.
const DEEPEST: usize = 2_000;

/// The best matches of a block in which a side may have several units, and the tied alternatives to them.
pub(super) fn solve<N: Exact>(pass: &Pass, settings: Settings, items: &Items<N>) -> Vec<Found> {
    let finder = Finder::new(pass, items);
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
    for edges in split(edges, |edge| (edge.a as usize, count + edge.b as usize)) {
        let mut effort = Effort::new(settings.effort);
        let (choices, all) = finder.choices(&edges, &mut effort);
        let complete = complete && all;
        let joined = |choice: &Choice<N>| {
            let firsts = choice.parts[0].iter().map(|(class, _)| *class as usize);
            let seconds = choice.parts[1].iter().map(|(class, _)| count + *class as usize);
            firsts.chain(seconds).collect::<Vec<_>>()
        };
        for choices in split_sets(choices, joined) {
            let packed = pack(&finder, settings, choices);
            record(&finder, &packed, complete, &mut used, &mut found);
        }
    }
    found
}

/// Edges by connected component.
fn split<N>(
    edges: Vec<Edge<N>>,
    ends: impl Fn(&Edge<N>) -> (usize, usize),
) -> impl Iterator<Item = Vec<Edge<N>>> {
    split_sets(edges, move |edge| {
        let (a, b) = ends(edge);
        vec![a, b]
    })
}

/// Things by connected component, where each joins some nodes.
fn split_sets<T>(things: Vec<T>, nodes: impl Fn(&T) -> Vec<usize>) -> impl Iterator<Item = Vec<T>> {
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

/// A solved component.
struct Packed<N> {
    choices: Vec<Choice<N>>,
    /// How often each choice is made, and how often in every best solution.
    counts: Vec<u32>,
    certain: Vec<u32>,
    /// Whether another best solution makes the choice more often.
    tied: Vec<bool>,
    alternatives: Vec<u32>,
    undetermined: bool,
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

struct Search<'c, N> {
    choices: &'c [Choice<N>],
    /// What each choice is worth.
    values: &'c [Vec<N>],
    /// The choices whose lowest class of the first side is this, in the order in which they are tried.
    by_class: Vec<Vec<usize>>,
    /// The same, best first: for the bound.
    best_first: Vec<Vec<usize>>,
    /// What is left of each class.
    left: [Vec<u32>; 2],
    counts: Vec<u32>,
    value: Vec<N>,
    best: Option<(Vec<N>, Vec<u32>)>,
    /// A choice that may be made at most so often.
    at_most: Option<(usize, u32)>,
    goal: Goal,
    found: u32,
    effort: Effort,
}

fn pack<N: Exact>(
    finder: &Finder<'_, N>,
    settings: Settings,
    mut choices: Vec<Choice<N>>,
) -> Packed<N> {
    choices.sort_by(|x, y| x.parts.cmp(&y.parts));
    // Classes are numbered anew within the component.
    let numbered = |side: usize| {
        let parts = choices.iter().flat_map(|choice| &choice.parts[side]);
        let mut all: Vec<u32> = parts.map(|(class, _)| *class).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let local = [numbered(0), numbered(1)];
    let renumbered: Vec<Choice<N>> = choices
        .iter()
        .map(|choice| {
            let side = |side: usize| {
                let local = &local[side];
                let place = move |(class, count): &Part| {
                    (local.binary_search(class).unwrap_or_default() as u32, *count)
                };
                choice.parts[side].iter().map(place).collect()
            };
            Choice { parts: [side(0), side(1)], distances: choice.distances.clone() }
        })
        .collect();
    let values: Vec<Vec<N>> =
        choices.iter().map(|choice| value(finder.pass.shape, choice)).collect();
    let left = [0, 1].map(|side| {
        let size = |class: &u32| finder.classes[side][*class as usize].len() as u32;
        local[side].iter().map(size).collect::<Vec<_>>()
    });
    let units: u32 = left[0].iter().sum();
    let mut search = Search::new(&renumbered, &values, left, settings.effort);
    search.greedy();
    let deep = units as usize + local[0].len() > DEEPEST;
    if !deep {
        search.from(0, 0);
    }
    let mut undetermined = deep || search.effort.is_gone();
    let counts = search.best.as_ref().map_or_else(Vec::new, |(_, counts)| counts.clone());
    let mut packed = Packed {
        certain: counts.clone(),
        tied: vec![false; counts.len()],
        alternatives: vec![0; counts.len()],
        counts,
        choices,
        undetermined: false,
    };
    if !undetermined && settings.take {
        // The first of the best solutions in the order of the rows' values.
        search.in_order();
        undetermined = !search.another(None);
        packed.counts.clone_from(&search.counts_found());
        packed.certain.clone_from(&packed.counts);
    }
    if !undetermined {
        undetermined = !search.certify(&mut packed);
    }
    if !undetermined && settings.take {
        search.count(&mut packed);
    }
    packed.undetermined = undetermined;
    packed
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

impl<'c, N: Exact> Search<'c, N> {
    fn new(
        choices: &'c [Choice<N>],
        values: &'c [Vec<N>],
        left: [Vec<u32>; 2],
        effort: u64,
    ) -> Self {
        let mut best_first = vec![Vec::new(); left[0].len()];
        for (at, choice) in choices.iter().enumerate() {
            if let Some((class, _)) = choice.parts[0].first() {
                best_first[*class as usize].push(at);
            }
        }
        for list in &mut best_first {
            list.sort_by(|x, y| values[*y].cmp(&values[*x]).then(x.cmp(y)));
        }
        let fields = values.first().map_or(0, Vec::len);
        Self {
            choices,
            values,
            by_class: best_first.clone(),
            best_first,
            left,
            counts: vec![0; choices.len()],
            value: vec![N::default(); fields],
            best: None,
            at_most: None,
            goal: Goal::Best,
            found: 0,
            effort: Effort::new(effort),
        }
    }

    /// Tries choices in the order of the rows' values from now on.
    fn in_order(&mut self) {
        self.by_class.iter_mut().for_each(|list| list.sort_unstable());
    }

    /// A solution to begin with: what fits, best first.
    fn greedy(&mut self) {
        let mut order: Vec<usize> = (0..self.choices.len()).collect();
        order.sort_by(|x, y| self.values[*y].cmp(&self.values[*x]).then(x.cmp(y)));
        let mut taken = Vec::new();
        for choice in order {
            while self.fits(choice) {
                self.make(choice, true);
                taken.push(choice);
            }
        }
        self.best = Some((self.value.clone(), self.counts.clone()));
        taken.into_iter().for_each(|choice| self.make(choice, false));
    }

    fn fits(&self, choice: usize) -> bool {
        let parts = &self.choices[choice].parts;
        let has = |side: usize| {
            let enough = |(class, count): &Part| self.left[side][*class as usize] >= *count;
            parts[side].iter().all(enough)
        };
        let allowed = self.at_most.is_none_or(|(at, most)| at != choice || self.counts[at] < most);
        allowed && has(0) && has(1)
    }

    /// Makes a choice once more or once less.
    fn make(&mut self, choice: usize, more: bool) {
        for side in 0..2 {
            for (class, count) in &self.choices[choice].parts[side] {
                let left = &mut self.left[side][*class as usize];
                *left = if more { *left - count } else { *left + count };
            }
        }
        self.counts[choice] = if more { self.counts[choice] + 1 } else { self.counts[choice] - 1 };
        for (sum, value) in self.value.iter_mut().zip(&self.values[choice]) {
            *sum = if more { *sum + *value } else { *sum - *value };
        }
    }

    /// Whether what is left could still lead to the goal.
    fn is_promising(&mut self, class: usize) -> bool {
        let mut bound = self.value.clone();
        let mut looked = 0;
        for class in class..self.left[0].len() {
            let left = self.left[0][class];
            let fitting = (left > 0).then(|| {
                self.best_first[class].iter().find(|choice| {
                    looked += 1;
                    self.fits(**choice)
                })
            });
            if let Some(Some(choice)) = fitting {
                for (sum, value) in bound.iter_mut().zip(&self.values[*choice]) {
                    for _ in 0..left {
                        *sum = *sum + *value;
                    }
                }
            }
        }
        self.effort.spend(looked + 1);
        let Some((best, _)) = &self.best else { return true };
        if self.goal == Goal::Best { bound > *best } else { bound >= *best }
    }

    /// Decides about the rows of a class and of those after it. Of a class, choices come in their order, so that no
    /// solution is found twice. `true` ends the search.
    fn from(&mut self, class: usize, first: usize) -> bool {
        if !self.is_promising(class) {
            return false;
        }
        if self.effort.is_gone() {
            return true;
        }
        if class == self.left[0].len() {
            return self.arrive();
        }
        if self.left[0][class] > 0 {
            for at in first..self.by_class[class].len() {
                let choice = self.by_class[class][at];
                if self.fits(choice) {
                    self.make(choice, true);
                    let done = self.from(class, at);
                    self.make(choice, false);
                    if done {
                        return true;
                    }
                }
            }
        }
        self.from(class + 1, 0)
    }

    /// A whole solution.
    fn arrive(&mut self) -> bool {
        self.found += 1;
        if self.goal == Goal::Count {
            return self.found >= MOST_ALTERNATIVES;
        }
        self.best = Some((self.value.clone(), self.counts.clone()));
        self.goal == Goal::Another
    }

    fn counts_found(&self) -> Vec<u32> {
        self.best.as_ref().map_or_else(Vec::new, |(_, counts)| counts.clone())
    }

    /// Looks for a solution as good as the best in which a choice is made at most so often; `false` if there is
    /// none, or the effort ran out.
    fn another(&mut self, at_most: Option<(usize, u32)>) -> bool {
        (self.goal, self.at_most, self.found) = (Goal::Another, at_most, 0);
        self.from(0, 0) && !self.effort.is_gone()
    }

    /// Says of each choice how often it is made in every best solution; `false` if the effort ran out.
    fn certify(&mut self, packed: &mut Packed<N>) -> bool {
        for at in 0..packed.counts.len() {
            while packed.certain[at] > 0 {
                if !self.another(Some((at, packed.certain[at] - 1))) {
                    break;
                }
                for (other, count) in self.counts_found().into_iter().enumerate() {
                    packed.certain[other] = packed.certain[other].min(count);
                    packed.tied[other] |= count > packed.counts[other];
                }
            }
            if self.effort.is_gone() {
                return false;
            }
        }
        true
    }

    /// Counts for each choice that is not certain the best solutions that make it less often.
    fn count(&mut self, packed: &mut Packed<N>) {
        for at in 0..packed.counts.len() {
            if packed.certain[at] < packed.counts[at] {
                (self.goal, self.found) = (Goal::Count, 0);
                self.at_most = Some((at, packed.counts[at] - 1));
                self.from(0, 0);
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
