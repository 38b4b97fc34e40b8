//! One to one: the exact assignment of the rows of one connected component.
//!
//! Classes of interchangeable rows are nodes with a supply; a candidate pair of classes is an edge with a cost. Rows
//! of A are added one at a time, each along a shortest augmenting path (the sparse form of Jonker and Volgenant, "A
//! shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 38, 1987;
//! Dijkstra's algorithm on costs reduced by the dual values). A row may also stay alone at a cost above that of all
//! pairs, so the result has the most pairs, and among those sets the least cost.
//!
//! The dual values prove the result and find other best solutions: a solution is best exactly if it uses only edges
//! without reduced cost, leaves alone only rows whose dual value is that of staying alone, and fills every column
//! that has a price. So a pair is in every best solution unless a cycle of such edges leads around it ([`Residual`]);
//! nothing is solved a second time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::number::{Cost, Effort};

/// A component to be solved. Nodes and edges come in the order in which ties are settled.
#[derive(Clone, Debug)]
pub(super) struct Network<C> {
    /// How many rows each class of A and of B has.
    pub supply: Vec<u32>,
    pub capacity: Vec<u32>,
    /// Edges as (class of A, class of B, cost), sorted by both classes.
    pub edges: Vec<(u32, u32, C)>,
    /// The cost of leaving a row of A alone: more than any set of pairs.
    pub alone: C,
    pub zero: C,
}

/// How many pairs each edge has in the solution, and their certificates.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub flow: Vec<u32>,
    /// Of the pairs of an edge, how many are in every best solution.
    pub certain: Vec<u32>,
    /// Edges of which some best solution has a pair and another has none.
    pub tied: Vec<bool>,
    /// The effort ran out: the pairs are the best that were found.
    pub undetermined: bool,
    /// For each edge, how many best solutions have fewer of its pairs, up to [`MOST_ALTERNATIVES`].
    pub alternatives: Vec<u32>,
}

/// Counting goes as deep as there are edges without cost; beyond this it would not fit on a thread's stack.
const DEEPEST: usize = 2_000;

/// Alternatives are counted up to this.
pub(super) const MOST_ALTERNATIVES: u32 = 100;

struct Solver<'n, C> {
    network: &'n Network<C>,
    /// Where each class's edges begin.
    first: Vec<usize>,
    /// The edges into each class of B.
    into: Vec<Vec<u32>>,
    flow: Vec<u32>,
    lonely: Vec<u32>,
    free: Vec<u32>,
    row_price: Vec<C>,
    column_price: Vec<C>,
    search: Search<C>,
}

/// The work space of one search, kept between searches: clearing what was touched costs less than new memory.
struct Search<C> {
    row_distance: Vec<Option<C>>,
    row_from: Vec<Option<u32>>,
    column_distance: Vec<Option<C>>,
    column_from: Vec<u32>,
    settled: Vec<bool>,
    /// Rows in the order in which they were reached, and columns that have a distance.
    rows: Vec<usize>,
    columns: Vec<usize>,
    heap: BinaryHeap<Reverse<(C, u32)>>,
}

impl<C: Cost> Search<C> {
    fn new(rows: usize, columns: usize) -> Self {
        Self {
            row_distance: vec![None; rows],
            row_from: vec![None; rows],
            column_distance: vec![None; columns],
            column_from: vec![0; columns],
            settled: vec![false; columns],
            rows: Vec::new(),
            columns: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }

    fn clear(&mut self) {
        for row in self.rows.drain(..) {
            self.row_distance[row] = None;
            self.row_from[row] = None;
        }
        for column in self.columns.drain(..) {
            self.column_distance[column] = None;
            self.settled[column] = false;
        }
        self.heap.clear();
    }
}

/// Solves a component. With `take`, the first of several best solutions is chosen and alternatives are counted.
pub(super) fn assign<C: Cost>(network: &Network<C>, effort: &mut Effort, take: bool) -> Assignment {
    let mut solver = Solver::new(network);
    let solved = solver.solve(effort);
    let edges = network.edges.len();
    let mut assignment = Assignment {
        flow: Vec::new(),
        certain: vec![0; edges],
        tied: vec![false; edges],
        undetermined: !solved,
        alternatives: vec![0; edges],
    };
    if solved {
        let mut residual = Residual::new(&solver);
        let mut proven = residual.certify(effort, &mut assignment);
        if proven && take {
            proven = residual.choose_first(effort, &assignment);
            // Certainty holds for every best solution; their number does not.
            proven = proven && residual.certify(effort, &mut assignment);
            residual.count_alternatives(effort, &mut assignment);
        }
        assignment.undetermined = !proven;
        assignment.flow = residual.flow;
    } else {
        solver.fill_up();
        assignment.flow = solver.flow;
    }
    assignment
}

impl<'n, C: Cost> Solver<'n, C> {
    fn new(network: &'n Network<C>) -> Self {
        let rows = network.supply.len();
        let mut first = vec![network.edges.len(); rows + 1];
        let mut into = vec![Vec::new(); network.capacity.len()];
        let mut row_price = vec![network.alone.clone(); rows];
        for (at, (row, column, cost)) in network.edges.iter().enumerate().rev() {
            first[*row as usize] = at;
            into[*column as usize].push(at as u32);
            let price = &mut row_price[*row as usize];
            if cost < price {
                price.clone_from(cost);
            }
        }
        for row in (0..rows).rev() {
            first[row] = first[row].min(first[row + 1]);
        }
        Self {
            network,
            first,
            into,
            flow: vec![0; network.edges.len()],
            lonely: vec![0; rows],
            free: network.capacity.clone(),
            row_price,
            column_price: vec![network.zero.clone(); network.capacity.len()],
            search: Search::new(rows, network.capacity.len()),
        }
    }

    /// Adds all rows of A; `false` if the effort ran out on the way.
    fn solve(&mut self, effort: &mut Effort) -> bool {
        for row in 0..self.network.supply.len() {
            let mut left = self.network.supply[row];
            while left > 0 {
                match self.augment(row, left, effort) {
                    Some(moved) => left -= moved,
                    None => return false,
                }
            }
        }
        true
    }

    /// Finds a shortest augmenting path from a row, moves as many rows along it as fit, and says how many.
    fn augment(&mut self, start: usize, most: u32, effort: &mut Effort) -> Option<u32> {
        self.search.clear();
        let (length, end) = self.shortest(start, effort)?;
        for row in &self.search.rows {
            if let Some(distance) = &self.search.row_distance[*row]
                && *distance < length
            {
                self.row_price[*row] = self.row_price[*row].plus(&length.minus(distance));
            }
        }
        for column in &self.search.columns {
            if let Some(distance) = &self.search.column_distance[*column]
                && self.search.settled[*column]
                && *distance < length
            {
                self.column_price[*column] =
                    self.column_price[*column].minus(&length.minus(distance));
            }
        }
        Some(self.shift(start, most, &end))
    }

    /// The length and the end of a shortest augmenting path; `None` if the effort ran out.
    fn shortest(&mut self, start: usize, effort: &mut Effort) -> Option<(C, End)> {
        let network = self.network;
        let search = &mut self.search;
        search.row_distance[start] = Some(network.zero.clone());
        search.rows.push(start);
        // The cheapest row to be left alone.
        let mut alone: Option<(C, usize)> = None;
        let mut scanned = 0;
        loop {
            while let Some(row) = search.rows.get(scanned).copied() {
                scanned += 1;
                let Some(so_far) = search.row_distance[row].clone() else { continue };
                let leaving = so_far.plus(&network.alone.minus(&self.row_price[row]));
                if alone.as_ref().is_none_or(|(best, _)| leaving < *best) {
                    alone = Some((leaving, row));
                }
                let range = self.first[row]..self.first[row + 1];
                if !effort.spend(range.len() as u64 + 1) {
                    return None;
                }
                for at in range {
                    let (_, column, cost) = &network.edges[at];
                    let column = *column as usize;
                    if search.settled[column] {
                        continue;
                    }
                    let reduced =
                        cost.minus(&self.row_price[row]).minus(&self.column_price[column]);
                    let distance = so_far.plus(&reduced);
                    let known = &mut search.column_distance[column];
                    if known.is_none() {
                        search.columns.push(column);
                    }
                    if known.as_ref().is_none_or(|known| distance < *known) {
                        *known = Some(distance.clone());
                        search.column_from[column] = at as u32;
                        search.heap.push(Reverse((distance, column as u32)));
                    }
                }
            }
            let next = loop {
                match search.heap.pop() {
                    Some(Reverse((_, column))) if search.settled[column as usize] => {}
                    other => break other,
                }
            };
            // The start may always be left alone.
            let (best, lonely) = alone.as_ref()?;
            let Some(Reverse((distance, column))) = next.filter(|next| next.0.0 <= *best) else {
                return Some((best.clone(), End::Alone(*lonely)));
            };
            let column = column as usize;
            search.settled[column] = true;
            if self.free[column] > 0 {
                return Some((distance, End::Column(column)));
            }
            for at in &self.into[column] {
                let row = network.edges[*at as usize].0 as usize;
                if self.flow[*at as usize] > 0 && search.row_distance[row].is_none() {
                    search.row_distance[row] = Some(distance.clone());
                    search.row_from[row] = Some(*at);
                    search.rows.push(row);
                }
            }
            if !effort.spend(self.into[column].len() as u64) {
                return None;
            }
        }
    }

    /// Moves rows along the path that was found.
    fn shift(&mut self, start: usize, most: u32, end: &End) -> u32 {
        let Search { row_from, column_from, .. } = &self.search;
        let mut forward = Vec::new();
        let mut backward = Vec::new();
        let (mut row, mut amount) = match *end {
            End::Column(column) => {
                let at = column_from[column];
                forward.push(at);
                (self.network.edges[at as usize].0 as usize, most.min(self.free[column]))
            }
            End::Alone(row) => (row, most),
        };
        while row != start {
            let Some(back) = row_from[row] else { break };
            backward.push(back);
            amount = amount.min(self.flow[back as usize]);
            let at = column_from[self.network.edges[back as usize].1 as usize];
            forward.push(at);
            row = self.network.edges[at as usize].0 as usize;
        }
        forward.iter().for_each(|at| self.flow[*at as usize] += amount);
        backward.iter().for_each(|at| self.flow[*at as usize] -= amount);
        match *end {
            End::Column(column) => self.free[column] -= amount,
            End::Alone(row) => self.lonely[row] += amount,
        }
        amount
    }

    /// The effort is gone: pairs the remaining rows, cheapest first.
    fn fill_up(&mut self) {
        let mut order: Vec<usize> = (0..self.network.edges.len()).collect();
        order.sort_by(|x, y| self.network.edges[*x].2.cmp(&self.network.edges[*y].2));
        let mut left = self.network.supply.clone();
        for (at, (row, ..)) in self.network.edges.iter().enumerate() {
            left[*row as usize] -= self.flow[at];
        }
        for at in order {
            let (row, column) =
                (self.network.edges[at].0 as usize, self.network.edges[at].1 as usize);
            let amount = left[row].min(self.free[column]);
            self.flow[at] += amount;
            left[row] -= amount;
            self.free[column] -= amount;
        }
    }
}

enum End {
    Column(usize),
    Alone(usize),
}

/// Changes that cost nothing: the edges of all best solutions, with one node for both "alone" and "free". A cycle
/// through it is another best solution.
struct Residual<'s, 'n, C> {
    solver: &'s Solver<'n, C>,
    flow: Vec<u32>,
    lonely: Vec<u32>,
    free: Vec<u32>,
    /// Edges without reduced cost.
    tight: Vec<bool>,
    may_be_alone: Vec<bool>,
    may_be_free: Vec<bool>,
    /// Edges that are not to change any more.
    fixed: Vec<bool>,
}

/// A way to change the solution by one pair.
#[derive(Clone, Copy, Debug)]
enum Step {
    More(usize),
    Fewer(usize),
    Leave(usize),
    Return(usize),
    Fill(usize),
    Vacate(usize),
}

impl<'s, 'n, C: Cost> Residual<'s, 'n, C> {
    fn new(solver: &'s Solver<'n, C>) -> Self {
        let network = solver.network;
        let tight = network.edges.iter().map(|(row, column, cost)| {
            let price =
                solver.row_price[*row as usize].plus(&solver.column_price[*column as usize]);
            price == *cost
        });
        Self {
            solver,
            flow: solver.flow.clone(),
            lonely: solver.lonely.clone(),
            free: solver.free.clone(),
            tight: tight.collect(),
            may_be_alone: solver.row_price.iter().map(|price| *price == network.alone).collect(),
            may_be_free: solver.column_price.iter().map(|price| *price == network.zero).collect(),
            fixed: vec![false; network.edges.len()],
        }
    }

    fn rows(&self) -> usize {
        self.solver.network.supply.len()
    }

    /// The node for every row alone and every free row.
    fn sink(&self) -> usize {
        self.rows() + self.solver.network.capacity.len()
    }

    /// Calls `each` with the neighbors of a node and the steps to them.
    fn steps(&self, node: usize, mut each: impl FnMut(usize, Step)) {
        let (rows, sink) = (self.rows(), self.sink());
        let edges = &self.solver.network.edges;
        if node < rows {
            let own = self.solver.first[node]..self.solver.first[node + 1];
            for (at, edge) in own.clone().zip(&edges[own]) {
                if self.tight[at] && !self.fixed[at] {
                    each(rows + edge.1 as usize, Step::More(at));
                }
            }
            if self.may_be_alone[node] {
                each(sink, Step::Leave(node));
            }
        } else if node < sink {
            let column = node - rows;
            for at in &self.solver.into[column] {
                let at = *at as usize;
                if self.flow[at] > 0 && !self.fixed[at] {
                    each(edges[at].0 as usize, Step::Fewer(at));
                }
            }
            if self.free[column] > 0 {
                each(sink, Step::Fill(column));
            }
        } else {
            for row in (0..rows).filter(|row| self.lonely[*row] > 0) {
                each(row, Step::Return(row));
            }
            for column in 0..self.solver.network.capacity.len() {
                let taken = self.solver.network.capacity[column] - self.free[column];
                if taken > 0 && self.may_be_free[column] {
                    each(rows + column, Step::Vacate(column));
                }
            }
        }
    }

    /// The steps of a path between two nodes that does not use edge `without`. The outer `None` says that
    /// the effort ran out.
    fn path(
        &self,
        from: usize,
        to: usize,
        without: usize,
        effort: &mut Effort,
    ) -> Option<Option<Vec<Step>>> {
        let mut came: Vec<Option<(usize, Step)>> = vec![None; self.sink() + 1];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                break;
            }
            let mut seen = 0;
            self.steps(node, |next, step| {
                seen += 1;
                let uses = matches!(step, Step::More(at) | Step::Fewer(at) if at == without);
                if !uses && next != from && came[next].is_none() {
                    came[next] = Some((node, step));
                    queue.push_back(next);
                }
            });
            if !effort.spend(seen + 1) {
                return None;
            }
        }
        let mut steps = Vec::new();
        let mut node = to;
        while node != from {
            let Some((before, step)) = came[node] else { return Some(None) };
            steps.push(step);
            node = before;
        }
        Some(Some(steps))
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::More(at) => self.flow[at] += 1,
            Step::Fewer(at) => self.flow[at] -= 1,
            Step::Leave(row) => self.lonely[row] += 1,
            Step::Return(row) => self.lonely[row] -= 1,
            Step::Fill(column) => self.free[column] -= 1,
            Step::Vacate(column) => self.free[column] += 1,
        }
    }

    /// Says of each edge how many of its pairs are in every best solution; `false` if the effort ran out.
    fn certify(&mut self, effort: &mut Effort, assignment: &mut Assignment) -> bool {
        let component = self.components();
        if !effort.spend(component.len() as u64 + self.flow.len() as u64) {
            return false;
        }
        let rows = self.rows();
        for at in 0..self.flow.len() {
            let (row, column) = (
                self.solver.network.edges[at].0 as usize,
                self.solver.network.edges[at].1 as usize,
            );
            let together = component[row] == component[rows + column];
            assignment.certain[at] = self.flow[at];
            assignment.tied[at] = false;
            if !self.tight[at] || !together {
                continue;
            }
            let full = self.solver.network.supply[row].min(self.solver.network.capacity[column]);
            if self.flow[at] == 0 || (self.flow[at] == 1 && full == 1) {
                // An unused edge within a cycle can be used; a used one can be given up.
                assignment.tied[at] = self.flow[at] > 0 || full == 1 || self.can_gain(at, effort);
                assignment.certain[at] = 0;
                continue;
            }
            // Several alike pairs: as many are certain as no exchange can take away.
            let before = (self.flow.clone(), self.lonely.clone(), self.free.clone());
            while self.flow[at] > 0 {
                match self.path(row, rows + column, at, effort) {
                    None => return false,
                    Some(None) => break,
                    Some(Some(steps)) => {
                        steps.into_iter().for_each(|step| self.take(step));
                        self.take(Step::Fewer(at));
                    }
                }
            }
            assignment.certain[at] = self.flow[at];
            (self.flow, self.lonely, self.free) = before;
            assignment.tied[at] = assignment.certain[at] < self.flow[at];
        }
        !effort.is_gone()
    }

    /// Searches for a best solution with a pair of an edge that this one does not use.
    fn can_gain(&self, at: usize, effort: &mut Effort) -> bool {
        let (row, column, _) = &self.solver.network.edges[at];
        let from = self.rows() + *column as usize;
        matches!(self.path(from, *row as usize, at, effort), Some(Some(_)))
    }

    /// The strongly connected components (Tarjan, "Depth-first search and linear graph algorithms", SIAM
    /// Journal on Computing 1, 1972), without recursion. An edge that has all pairs that it can
    /// have is not gone along forwards: that would only undo going back.
    fn components(&self) -> Vec<u32> {
        let nodes = self.sink() + 1;
        let next: Vec<Vec<u32>> = (0..nodes)
            .map(|node| {
                let mut all = Vec::new();
                self.steps(node, |to, step| {
                    let is_full = matches!(step, Step::More(at) if self.is_full(at));
                    if !is_full {
                        all.push(to as u32);
                    }
                });
                all
            })
            .collect();
        let mut order = vec![u32::MAX; nodes];
        let mut low = vec![0u32; nodes];
        let mut component = vec![u32::MAX; nodes];
        let (mut count, mut found) = (0, 0);
        let mut stack = Vec::new();
        for root in 0..nodes {
            if order[root] != u32::MAX {
                continue;
            }
            let mut work = vec![(root, 0usize)];
            while let Some((node, at)) = work.pop() {
                if at == 0 {
                    order[node] = count;
                    low[node] = count;
                    count += 1;
                    stack.push(node);
                }
                if let Some(to) = next[node].get(at) {
                    let to = *to as usize;
                    work.push((node, at + 1));
                    if order[to] == u32::MAX {
                        work.push((to, 0));
                    } else if component[to] == u32::MAX {
                        low[node] = low[node].min(order[to]);
                    }
                    continue;
                }
                if low[node] == order[node] {
                    while let Some(member) = stack.pop() {
                        component[member] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
                if let Some((parent, _)) = work.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        component
    }

    fn is_full(&self, at: usize) -> bool {
        let (row, column, _) = &self.solver.network.edges[at];
        let network = self.solver.network;
        let most = network.supply[*row as usize].min(network.capacity[*column as usize]);
        self.flow[at] == most
    }

    /// Moves to the first best solution: each class of A in turn has as many pairs as it can with the first
    /// class of B, then with the second, and so on.
    fn choose_first(&mut self, effort: &mut Effort, assignment: &Assignment) -> bool {
        let rows = self.rows();
        // The pairs of each class of A that are not fixed yet.
        let mut left = self.solver.network.supply.clone();
        for at in 0..self.flow.len() {
            let (row, column) = (
                self.solver.network.edges[at].0 as usize,
                self.solver.network.edges[at].1 as usize,
            );
            let usable = self.tight[at] && (assignment.tied[at] || self.flow[at] > 0);
            while usable && self.flow[at] < left[row] && !self.is_full(at) {
                match self.path(rows + column, row, at, effort) {
                    None => return false,
                    Some(None) => break,
                    Some(Some(steps)) => {
                        steps.into_iter().for_each(|step| self.take(step));
                        self.take(Step::More(at));
                    }
                }
            }
            left[row] -= self.flow[at];
            self.fixed[at] = true;
        }
        self.fixed.fill(false);
        true
    }

    /// Counts, for each edge with a pair that is not certain, the best solutions with fewer of its pairs.
    fn count_alternatives(&self, effort: &mut Effort, assignment: &mut Assignment) {
        let usable: Vec<usize> = (0..self.flow.len())
            .filter(|at| self.tight[*at] && (assignment.tied[*at] || self.flow[*at] > 0))
            .collect();
        for at in 0..self.flow.len() {
            if assignment.certain[at] < self.flow[at] {
                // There is one at least.
                assignment.alternatives[at] = 1;
                if usable.len() > DEEPEST {
                    continue;
                }
                let network = self.solver.network;
                let mut count = Count {
                    residual: self,
                    usable: &usable,
                    without: (at, self.flow[at] - 1),
                    left: network.supply.clone(),
                    free: network.capacity.clone(),
                    found: 0,
                };
                // A share of the effort for each, so that the order does not matter.
                let mut share = Effort::new((effort.left() / 64).max(1_000));
                count.from(0, &mut share);
                assignment.alternatives[at] = count.found.max(1);
            }
        }
    }
}

/// Enumerates best solutions: every combination of pairs on edges without reduced cost that leaves nothing
/// undone that the dual values ask for.
struct Count<'r, 's, 'n, C> {
    residual: &'r Residual<'s, 'n, C>,
    usable: &'r [usize],
    without: (usize, u32),
    left: Vec<u32>,
    free: Vec<u32>,
    found: u32,
}

impl<C: Cost> Count<'_, '_, '_, C> {
    fn from(&mut self, position: usize, effort: &mut Effort) {
        if self.found >= MOST_ALTERNATIVES || !effort.spend(1) {
            return;
        }
        let edges = &self.residual.solver.network.edges;
        let Some(at) = self.usable.get(position).copied() else {
            let columns = self.free.iter().zip(&self.residual.may_be_free);
            if columns.into_iter().all(|(free, may)| *free == 0 || *may) {
                let rows = self.left.iter().zip(&self.residual.may_be_alone);
                self.found += u32::from(rows.into_iter().all(|(left, may)| *left == 0 || *may));
            }
            return;
        };
        let (row, column) = (edges[at].0 as usize, edges[at].1 as usize);
        // A row that comes to its last edge must be paired now, unless it may be alone.
        let is_last =
            self.usable.get(position + 1).is_none_or(|next| edges[*next].0 as usize != row);
        let least = if is_last && !self.residual.may_be_alone[row] { self.left[row] } else { 0 };
        let mut most = self.left[row].min(self.free[column]);
        if at == self.without.0 {
            most = most.min(self.without.1);
        }
        for amount in (least..=most).rev() {
            self.left[row] -= amount;
            self.free[column] -= amount;
            self.from(position + 1, effort);
            self.left[row] += amount;
            self.free[column] += amount;
        }
    }
}
