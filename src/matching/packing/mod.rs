//! Choosing among sets of rows: the best selection in which no row is used twice.
//!
//! Branch and bound: as long as the best choices of all rows of the first side get in each other's way, one of those rows is
//! decided, with each of its choices or with none. A branch is cut when even the best choice that still fits each
//! remaining row can't make it better. The same search then asks for each match whether a solution as good does without it.
//! What no best solution can have is dropped before that, so what depends on one another is small.

mod prices;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use super::assign::MOST_ALTERNATIVES;
use super::components::Sets;
use super::item::Items;
use super::number::{Effort, Exact};
use super::pairs::{self, Edge};
use super::subsets::{Choice, Finder, Part, Sought};
use super::{Certificate, Pass, PossibleMatch, Settings, Shape};
use prices::Local;
use search::{Order, Search};

/// The best matches of a block in which a side may have several units, and the tied alternatives to them.
pub(super) fn solve<N: Exact>(
    pass: &Pass,
    settings: Settings,
    items: &Items<N>,
) -> Vec<PossibleMatch> {
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
/// smaller ones. A placeholder choice represents the sets of a row that are still unsearched; if a best solution
/// could use one, these sets are searched next, until none does.
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
        // Effort that small parts leave over goes to the large ones.
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

/// Number of sets in which each row of the first side occurs, which identifies a part.
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
    /// Another best solution makes the choice more often.
    tied: Vec<bool>,
    alternatives: Vec<u32>,
    /// Number of best solutions found.
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

    /// The classes of the first side whose unsearched sets are needed: those in the solution, or if it has none,
    /// those in another one as good.
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

/// Certifies each choice of the best solution; parts that are independent without choices that no best solution has
/// is looked at for itself.
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

/// A solution that is not proven, with the choices that still fit beside it.
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

/// Turns choices of classes into matches of units: alike units go by their line.
fn record<N: Exact>(
    finder: &Finder<'_, N>,
    packed: &Packed<N>,
    complete: bool,
    used: &mut [Vec<usize>; 2],
    found: &mut Vec<PossibleMatch>,
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
                found.push(PossibleMatch {
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
            found.push(PossibleMatch {
                units: oriented([units(0), units(1)]),
                certificate: Certificate::Tied,
                alternatives: 0,
                chosen: false,
            });
        }
    }
}
