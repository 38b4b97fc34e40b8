//! Branch and bound over the choices of a component.

use std::collections::BTreeSet;

use super::prices::{Local, PUTTING, add, subtract, uses};
use super::{Effort, Exact, MOST_ALTERNATIVES, Packed};

/// The goal of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The best value.
    Best,
    /// The first solution as good as the best.
    Another,
    /// Count solutions as good as the best.
    Count,
}

/// The order in which classes are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// A class whose best choice conflicts with another's; if there is none, all best choices are made.
    ByConflict,
    /// The first, its choices by the rows' values: every solution is found, and once.
    ByRow,
}

pub(super) struct Search<'c, N> {
    local: &'c Local<N>,
    /// Rows of each class that are not used yet.
    left: [Vec<u32>; 2],
    counts: Vec<u32>,
    /// The sum of all prices and of the gains of made choices: together with the prices paid, their value.
    value: Vec<N>,
    pub(super) best: (Vec<N>, Vec<u32>),
    hope: Hope<N>,
    /// A choice that may be made at most so often.
    at_most: Option<(usize, u32)>,
    goal: Goal,
    found: u32,
    pub(super) effort: Effort,
}

/// The most that the classes that are not decided yet could add: each its best choice that still fits, once for each
/// row that it has left. It is kept up to date with each choice made or taken back.
struct Hope<N> {
    /// For each class where its best choice that fits is among its choices, and how often it counts.
    at: Vec<(usize, u32)>,
    decided: Vec<bool>,
    sum: Vec<N>,
    nothing: Vec<N>,
    /// Rows of each class that they need together, for both sides.
    wanted: [Vec<u32>; 2],
    /// The classes of which more is wanted than is left: side and class.
    short: BTreeSet<(usize, u32)>,
}

/// Undo record of a choice: a class and its previous state.
type Undo = Vec<(u32, (usize, u32))>;

/// A class that is being decided.
struct Frame {
    class: usize,
    /// The next of its choices to try.
    next: usize,
    /// The choice that is made at the moment.
    made: Option<(usize, Undo)>,
    /// All its choices were tried, and it is left as it is.
    passed: bool,
}

impl<'c, N: Exact> Search<'c, N> {
    pub(super) fn new(local: &'c Local<N>, effort: Effort) -> Self {
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

    pub(super) fn set_best(&mut self, counts: Vec<u32>) {
        self.best = (self.local.worth(&counts), counts);
    }

    /// A solution to begin with.
    pub(super) fn greedy(&mut self) {
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

    /// Adds the estimate of a class to the sums, or subtracts it.
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

    /// An upper bound of the value that can still be reached.
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

    /// A class that could still use a priced row that nobody uses; as long as there is one, the estimate is below the
    /// bound.
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

    /// Searches; `true` if a solution is found, or the effort ran out.
    pub(super) fn run(&mut self, order: Order) -> bool {
        let mut stack: Vec<Frame> = Vec::new();
        // Number of decided classes, and the class and choice to continue with, if any.
        let mut passed = 0;
        let mut enter = Some(None);
        let mut done = false;
        loop {
            if let Some(again) = enter.take() {
                if self.is_promising() {
                    let next = again.or_else(|| Some((self.next_class(order, passed)?, 0)));
                    // The units' best choices are a solution if they do not conflict.
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

    /// A whole solution; `true` if the search may end.
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

    /// The choices that a best solution could have.
    pub(super) fn possible(&mut self) -> Vec<bool> {
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
    pub(super) fn another(&mut self, at_most: Option<(usize, u32)>, order: Order) -> bool {
        self.goal = Goal::Another;
        self.restricted(at_most, order) && !self.effort.is_gone()
    }

    /// Says of each choice how often it is made in every best solution.
    pub(super) fn certify(&mut self, packed: &mut Packed<N>) {
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
    pub(super) fn count(&mut self, packed: &mut Packed<N>) {
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
