//! One to one: candidate pairs by sort and window, then an exact assignment of each component.

use std::collections::BTreeMap;
use std::ops::Range;

use bnum::types::I512;

use super::assign::{Assignment, Network, assign};
use super::bound::{Limit, Position};
use super::components::Sets;
use super::item::{Item, Items, apart};
use super::number::{Effort, Exact};
use super::{Certificate, PossibleMatch, Settings};

/// Two classes whose units may be paired, and how far apart they are in each field.
pub(super) struct Edge<N> {
    pub a: u32,
    pub b: u32,
    pub distances: Vec<N>,
}

/// The first unit of each class and how many it has.
pub(super) fn classes<N>(items: &[Item<N>]) -> Vec<Range<usize>> {
    let mut classes: Vec<Range<usize>> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match classes.last_mut() {
            Some(last) if items[last.start].class == item.class => last.end = at + 1,
            _ => classes.push(at..at + 1),
        }
    }
    classes
}

/// For each class of A the classes of B that are within the bound of the most selective field, as a range of
/// `order`. Fields for which `counts` is false are not looked at.
pub(super) struct Windows {
    /// Classes of B by their value in the chosen field.
    pub order: Vec<u32>,
    /// For each class of A.
    pub ranges: Vec<Range<usize>>,
}

impl Windows {
    pub fn new<N: Exact>(
        items: &Items<N>,
        classes: &[Vec<Range<usize>>; 2],
        counts: impl Fn(usize) -> bool,
    ) -> Self {
        let all = classes[1].len();
        let mut best =
            Self { order: (0..all as u32).collect(), ranges: vec![0..all; classes[0].len()] };
        let mut least = all.saturating_mul(classes[0].len());
        for (field, limit) in items.limits.iter().enumerate() {
            if !counts(field) || !limit.is_window() {
                continue;
            }
            if let Some(windows) = Self::of_field(items, classes, field, limit) {
                let size = windows.ranges.iter().map(Range::len).sum();
                if size < least {
                    (best, least) = (windows, size);
                }
            }
        }
        best
    }

    /// `None` if a unit has several values in this field.
    fn of_field<N: Exact>(
        items: &Items<N>,
        classes: &[Vec<Range<usize>>; 2],
        field: usize,
        limit: &Limit<N>,
    ) -> Option<Self> {
        let value = |side: usize, class: usize| {
            items.sides[side][classes[side][class].start].values[field].single()
        };
        let mut sorted = (0..classes[1].len())
            .map(|class| Some((value(1, class)?, class as u32)))
            .collect::<Option<Vec<_>>>()?;
        sorted.sort_unstable();
        let ranges = (0..classes[0].len())
            .map(|class| {
                let a = value(0, class)?;
                let below = |entry: &(N, u32)| limit.position(a, entry.0) == Position::Below;
                let start = sorted.partition_point(below);
                let within = |entry: &(N, u32)| limit.position(a, entry.0) != Position::Above;
                Some(start..start + sorted[start..].partition_point(within))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { order: sorted.into_iter().map(|(_, class)| class).collect(), ranges })
    }
}

/// The distances of two units in all fields that count, if they are within all bounds.
pub(super) fn distances<N: Exact>(
    items: &Items<N>,
    a: &Item<N>,
    b: &Item<N>,
    counts: impl Fn(usize) -> bool,
) -> Option<Vec<N>> {
    let mut distances = Vec::with_capacity(items.limits.len());
    for (field, limit) in items.limits.iter().enumerate() {
        if counts(field) {
            let (distance, within) = apart(limit, &a.values[field], &b.values[field]);
            if !within {
                return None;
            }
            distances.push(distance);
        } else {
            distances.push(N::default());
        }
    }
    Some(distances)
}

/// All candidate pairs of classes by the fields that count, by A and then B; `false` if there are more than the effort allows, so that each
/// class has only its first ones.
pub(super) fn edges<N: Exact>(
    items: &Items<N>,
    classes: &[Vec<Range<usize>>; 2],
    effort: u64,
    counts: impl Fn(usize) -> bool + Copy,
) -> (Vec<Edge<N>>, bool) {
    let windows = Windows::new(items, classes, counts);
    let looks: usize = windows.ranges.iter().map(Range::len).sum();
    let most = usize::try_from(effort).unwrap_or(usize::MAX).max(1);
    let complete = looks <= most;
    let each = if complete { usize::MAX } else { (most / classes[0].len().max(1)).max(1) };
    let mut edges = Vec::new();
    for (a, range) in windows.ranges.into_iter().enumerate() {
        let first = edges.len();
        for b in windows.order[range].iter().take(each) {
            let left = &items.sides[0][classes[0][a].start];
            let right = &items.sides[1][classes[1][*b as usize].start];
            if let Some(distances) = distances(items, left, right, counts) {
                edges.push(Edge { a: a as u32, b: *b, distances });
            }
        }
        edges[first..].sort_unstable_by_key(|edge| edge.b);
    }
    (edges, complete)
}

/// The pairs of the best solution, and the tied alternatives to them.
pub(super) fn solve<N: Exact>(settings: Settings, items: &Items<N>) -> Vec<PossibleMatch> {
    let classes = [classes(&items.sides[0]), classes(&items.sides[1])];
    let (edges, complete) = edges(items, &classes, settings.effort, |_| true);
    let count = classes[0].len();
    let mut sets = Sets::new(count + classes[1].len());
    for edge in &edges {
        sets.join(edge.a as usize, count + edge.b as usize);
    }
    let mut components: BTreeMap<usize, Vec<Edge<N>>> = BTreeMap::new();
    for edge in edges {
        components.entry(sets.find(edge.a as usize)).or_default().push(edge);
    }
    let mut found = Vec::new();
    let mut used = [vec![0; classes[0].len()], vec![0; classes[1].len()]];
    for edges in components.into_values() {
        let mut assignment = component(settings, &classes, &edges);
        assignment.undetermined |= !complete;
        record(&classes, &edges, &assignment, &mut used, &mut found);
    }
    found
}

fn component<N: Exact>(
    settings: Settings,
    classes: &[Vec<Range<usize>>; 2],
    edges: &[Edge<N>],
) -> Assignment {
    let numbered = |pick: fn(&Edge<N>) -> u32| {
        let mut all: Vec<u32> = edges.iter().map(pick).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let local = [numbered(|edge| edge.a), numbered(|edge| edge.b)];
    let size = |side: usize| {
        local[side].iter().map(|class| classes[side][*class as usize].len() as u32).collect()
    };
    let place =
        |side: usize, class: u32| local[side].binary_search(&class).unwrap_or_default() as u32;
    let ends = |edge: &Edge<N>| (place(0, edge.a), place(1, edge.b));
    let mut effort = Effort::new(settings.effort);
    if let Some((costs, alone)) = scalars(edges, classes, &local) {
        let costs = edges.iter().zip(costs).map(|(edge, cost)| {
            let (a, b) = ends(edge);
            (a, b, cost)
        });
        let (supply, capacity, edges) = (size(0), size(1), costs.collect());
        let network = Network { supply, capacity, edges, alone, zero: 0 };
        return assign(&network, &mut effort, settings.take);
    }
    let fields = edges.first().map_or(0, |edge| edge.distances.len());
    let vector = |first: i128, rest: Vec<N>| {
        let mut all = vec![N::of(I512::from(first)).unwrap_or_default()];
        all.extend(rest);
        all
    };
    let costs = edges.iter().map(|edge| {
        let (a, b) = ends(edge);
        (a, b, vector(0, edge.distances.clone()))
    });
    let nothing = || vec![N::default(); fields];
    let (supply, capacity, edges) = (size(0), size(1), costs.collect());
    let network: Network<Vec<N>> = Network {
        supply,
        capacity,
        edges,
        alone: vector(1, nothing()),
        zero: vector(0, nothing()),
    };
    assign(&network, &mut effort, settings.take)
}

/// The costs as single numbers in which the first distance outweighs any sum of the second, and so on, and the
/// cost of staying alone, which outweighs all; `None` if they don't fit.
fn scalars<N: Exact>(
    edges: &[Edge<N>],
    classes: &[Vec<Range<usize>>; 2],
    local: &[Vec<u32>; 2],
) -> Option<(Vec<i128>, i128)> {
    let rows: usize = local[0].iter().map(|class| classes[0][*class as usize].len()).sum();
    // A path has at most two edges for each node, and is compared with another one.
    let terms = i128::try_from(4 * (rows + local[0].len() + local[1].len() + 1)).ok()?;
    let fields = edges.first()?.distances.len();
    let mut weight = 1i128;
    let mut weights = vec![0i128; fields];
    let narrow = |value: N| i128::try_from(value.wide()).ok();
    for field in (0..fields).rev() {
        let most = edges.iter().map(|edge| edge.distances[field]).max()?;
        weights[field] = weight;
        weight = weight.checked_mul(narrow(most)?.checked_mul(terms)?.checked_add(1)?)?;
    }
    // The sum of all that is added up must fit as well.
    weight.checked_mul(terms)?.checked_mul(4)?;
    let costs = edges.iter().map(|edge| {
        let terms = edge.distances.iter().zip(&weights);
        terms.map(|(distance, weight)| Some(narrow(*distance)? * weight)).sum()
    });
    Some((costs.collect::<Option<Vec<i128>>>()?, weight))
}

/// Turns pairs of classes into pairs of units: alike units go by their line.
fn record<N>(
    classes: &[Vec<Range<usize>>; 2],
    edges: &[Edge<N>],
    assignment: &Assignment,
    used: &mut [Vec<usize>; 2],
    found: &mut Vec<PossibleMatch>,
) {
    // Certain ones come first, so that the choice among tied ones does not matter.
    for certain in [true, false] {
        for (at, edge) in edges.iter().enumerate() {
            let (a, b) = (edge.a as usize, edge.b as usize);
            let sure = assignment.certain[at].min(assignment.flow[at]);
            let count = if certain { sure } else { assignment.flow[at] - sure };
            for _ in 0..count {
                let mut unit = |side: usize, class: usize| {
                    used[side][class] += 1;
                    classes[side][class].start + used[side][class] - 1
                };
                found.push(PossibleMatch {
                    units: [vec![unit(0, a)], vec![unit(1, b)]],
                    certificate: match (assignment.undetermined, certain) {
                        (true, _) => Certificate::Undetermined,
                        (false, true) => Certificate::Unique,
                        (false, false) => Certificate::Tied,
                    },
                    alternatives: if certain { 0 } else { assignment.alternatives[at] },
                    chosen: true,
                });
            }
        }
    }
    for (at, edge) in edges.iter().enumerate() {
        if assignment.tied[at] && assignment.flow[at] == 0 && !assignment.undetermined {
            let first = |side: usize, class: u32| vec![classes[side][class as usize].start];
            found.push(PossibleMatch {
                units: [first(0, edge.a), first(1, edge.b)],
                certificate: Certificate::Tied,
                alternatives: 0,
                chosen: false,
            });
        }
    }
}
