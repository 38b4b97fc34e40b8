//! The passes of `match`, between aligning and comparing: rows that the key did not pair are matched block by block,
//! and become records like any other.
//!
//! Rows move from pass to pass in partitions, in memory or in temporary files, by the hash of the next pass's `equal`
//! fields. The result of a pass is a pure function of the block, so neither threads nor partitions change it.

mod rows;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::align::{BlockRows, Gathered, Partitioning, Partitions, Placed, SpillRoom, align_at};
use crate::diagnostic::Problem;
use crate::domain::progress::Unit;
use crate::domain::row::push_cell;
use crate::domain::{CandidateRow, Cell, Cells, Matched, PerSide, Progress, RowRef, Side, key};
use crate::matching::{Incomplete, match_block};
use crate::store::RecordKind;
use crate::threads;

use super::halt::Halt;
use super::read::join;
use super::recorder::add_totals;
use super::settle;
use super::tally::Tally;
use super::{MatchPlan, Plan};
use rows::{Paired, in_order, with_key};

pub(super) use rows::{Entry, Rows, has_all};

/// The fewest partitions of a pass, as a power of two: so that several threads have something to do.
const LEAST_BITS: u32 = 4;

/// The rows that one buffer holds before it is sorted apart.
const BUFFERED: usize = 1 << 14;

/// Positions of some of a partition's rows among all of them. Both are in the order of their lines.
struct Places<'r, 'a> {
    rows: &'r [RowRef<'a>],
    /// For each of some rows; empty if these are all.
    at: Vec<u32>,
}

impl<'r, 'a> Places<'r, 'a> {
    fn new(rows: &'r [RowRef<'a>], some: &[RowRef<'a>]) -> Self {
        let mut at = Vec::new();
        if some.len() < rows.len() {
            let mut next = some.iter().map(RowRef::order).peekable();
            for (place, row) in (0u32..).zip(rows) {
                if next.next_if_eq(&row.order()).is_some() {
                    at.push(place);
                }
            }
        }
        Self { rows, at }
    }

    /// The position of a row, given its position among some rows if known.
    fn of(&self, at: Option<u32>, row: &RowRef<'_>) -> u32 {
        match at {
            Some(at) => self.at.get(at as usize).copied().unwrap_or(at),
            None => {
                let order = row.order();
                let found = self.rows.binary_search_by_key(&order, RowRef::order);
                let look = |_| self.rows.iter().position(|other| other.order() == order);
                found.or_else(|at| look(at).ok_or(at)).unwrap_or_default() as u32
            }
        }
    }
}

/// Notes that travel with an open row from pass to pass.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Note {
    /// Other rows with its key.
    #[serde(default, rename = "k")]
    kin: Kin,
    /// Line and byte offset of a rejected row of the other side with its key.
    #[serde(default, rename = "r", skip_serializing_if = "Option::is_none")]
    rejected: Option<(u64, u64)>,
    /// Candidates so far.
    #[serde(default, rename = "c", skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<CandidateRow>,
}

/// Other rows with the key of an open row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Kin {
    /// There are none, or no key.
    #[default]
    None,
    /// The key pairs other rows: it is one too many.
    Paired,
    /// Its side has more rows of its key, the other has none.
    Siblings,
    /// This row is not open any more; it says that its key occurs.
    Gone,
}

/// The passes of a run at work.
struct Passes<'p> {
    plan: &'p Plan,
    matching: &'p MatchPlan,
    how: Partitioning,
    room: &'p SpillRoom,
    halt: &'p Halt,
    progress: &'p dyn Progress,
}

/// The output of one worker: rows for each later pass, rows that stay open, and records.
struct Worker<'w> {
    passes: &'w Passes<'w>,
    /// One for each pass, then one for the rows that stay open.
    open: Vec<Sink<'w>>,
    settled: Sink<'w>,
    paired: Vec<(usize, Paired)>,
    left_ambiguous: u64,
    tally: Tally,
    /// For each pass the groups of rows that it leaves out.
    incomplete: Vec<Incomplete>,
    cells: Vec<u8>,
}

/// Rows on their way into partitions.
struct Sink<'p> {
    gathered: Gathered<'p>,
    buffers: PerSide<BlockRows>,
}

impl<'p> Sink<'p> {
    fn new(passes: &Passes<'p>) -> Self {
        let gathered = Gathered::new(passes.how, passes.room);
        Self { gathered, buffers: PerSide::default() }
    }

    fn push(&mut self, side: Side, row: &RowRef<'_>) -> Result<(), Problem> {
        self.buffers[side].push(row);
        if self.buffers[side].len() >= BUFFERED { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Problem> {
        for side in Side::BOTH {
            // Rows are put in order when they are used, so their blocks need no numbers.
            self.gathered.add(side, 0, &self.buffers[side])?;
            self.buffers[side].clear();
        }
        Ok(())
    }
}

/// The output of all workers so far.
struct PassResults<'w> {
    open: Vec<Vec<Gathered<'w>>>,
    settled: Vec<Gathered<'w>>,
    paired: Vec<(usize, Paired)>,
    left_ambiguous: u64,
    tally: Tally,
    incomplete: Vec<Incomplete>,
}

impl<'w> PassResults<'w> {
    fn new(sinks: usize) -> Self {
        let open = std::iter::repeat_with(Vec::new).take(sinks).collect();
        let incomplete = vec![Incomplete::default(); sinks];
        let (settled, paired, tally) = (Vec::new(), Vec::new(), Tally::default());
        Self { open, settled, paired, left_ambiguous: 0, tally, incomplete }
    }

    fn add(&mut self, workers: Vec<Worker<'w>>) {
        for worker in workers {
            for (all, sink) in self.open.iter_mut().zip(worker.open) {
                all.push(sink.gathered);
            }
            self.settled.push(worker.settled.gathered);
            self.paired.extend(worker.paired);
            self.left_ambiguous += worker.left_ambiguous;
            self.tally.add(&worker.tally);
            for (all, incomplete) in self.incomplete.iter_mut().zip(worker.incomplete) {
                all.merge(incomplete);
            }
        }
    }
}

impl<'p> Passes<'p> {
    fn new(
        plan: &'p Plan,
        matching: &'p MatchPlan,
        (how, room): (Partitioning, &'p SpillRoom),
        halt: &'p Halt,
        progress: &'p dyn Progress,
    ) -> Self {
        let bits = how.bits.max(LEAST_BITS);
        // A worker fills several sinks at once.
        let share = how.share / (matching.passes.len() + 2);
        let how = Partitioning { bits, share, ..how };
        Self { plan, matching, how, room, halt, progress }
    }

    /// The records of all passes, and their results.
    fn run(&self, keyed: &Partitions) -> Result<(Partitions, PassResults<'_>), Problem> {
        let last = self.matching.passes.len();
        let mut results = PassResults::new(last + 1);
        results.add(self.by_key(keyed, false)?);
        for number in 0..=last {
            let partitions = Partitions::new(self.how, std::mem::take(&mut results.open[number]));
            // All rows that the pass leaves out have been sent on by now.
            let incomplete = results.incomplete.get_mut(number).map(std::mem::take);
            results.add(self.step(number, &incomplete.unwrap_or_default(), &partitions)?);
        }
        let settled = Partitions::new(self.how, std::mem::take(&mut results.settled));
        Ok((settled, results))
    }

    /// Sends on the rows that the key does not pair.
    fn by_key(&self, keyed: &Partitions, is_disordered: bool) -> Result<Vec<Worker<'_>>, Problem> {
        let layout = &self.plan.layout;
        self.in_parallel("aligning", keyed.len(), |worker, index| {
            let mut parts = Vec::new();
            let open = |rows: PerSide<&[RowRef<'_>]>| {
                if is_disordered {
                    in_order(rows, |rows| worker.open_rows(rows).map(drop))
                } else {
                    parts.push(worker.open_rows(rows)?);
                    Ok(())
                }
            };
            match layout.key_len() {
                // No pairs share a key, so the rows are no longer needed here.
                0 => keyed.take(index, layout.spread_len(), open)?,
                _ => keyed.look(index, layout.spread_len(), open)?,
            }
            if parts.len() == 1 {
                worker.paired.extend(parts.pop().map(|paired| (index, paired)));
            }
            Ok(())
        })
    }

    /// One pass over the rows that are open to it; after the last one, records of those that stayed open.
    fn step(
        &self,
        number: usize,
        incomplete: &Incomplete,
        partitions: &Partitions,
    ) -> Result<Vec<Worker<'_>>, Problem> {
        let prefix = self.matching.prefix(number);
        let has_ended = number == self.matching.passes.len();
        self.in_parallel("matching", partitions.len(), |worker, index| {
            partitions.take(index, prefix, |rows| {
                if has_ended { worker.rest(rows) } else { worker.pass(number, incomplete, rows) }
            })
        })
    }

    /// Runs the partitions on all cores.
    fn in_parallel<'w>(
        &'w self,
        what: &'static str,
        count: usize,
        work: impl Fn(&mut Worker<'w>, usize) -> Result<(), Problem> + Sync,
    ) -> Result<Vec<Worker<'w>>, Problem> {
        let threads = self.plan.options.threads.min(count).max(1);
        threads::room_for(threads)?;
        self.progress.start(what, count as u64, Unit::Items);
        let next = AtomicUsize::new(0);
        let run = || {
            let mut worker = Worker::new(self);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count || self.halt.check(self.progress) {
                    break;
                }
                work(&mut worker, index)?;
                self.progress.advance(1);
            }
            worker.flush()?;
            Ok(worker)
        };
        let run = &run;
        let workers = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .filter_map(|_| {
                    self.halt.guard(threads::start(scope, move || {
                        run().inspect_err(|problem: &Problem| self.halt.stop(problem.clone()))
                    }))
                })
                .collect();
            threads.into_iter().filter_map(|thread| self.halt.guard(join(thread))).collect()
        });
        self.halt.outcome()?;
        Ok(workers)
    }
}

impl MatchPlan {
    /// By how many cells rows lie that are open to a pass; after the last pass by one, the hash of their key.
    pub(super) fn prefix(&self, number: usize) -> usize {
        self.passes.get(number).map_or(REST_PREFIX, |pass| pass.equal.len())
    }
}

/// The result of one step of matching.
pub(super) struct Stepped {
    /// The rows that are open to each pass, then those that stay open.
    pub open: Vec<Partitions>,
    pub settled: Partitions,
    pub left_ambiguous: u64,
    pub tally: Tally,
    pub incomplete: Vec<Incomplete>,
}

/// One step of matching alone: that by the key, without a pass; a pass; or after the last one the rest.
#[derive(Clone, Copy)]
pub(super) struct Step<'s> {
    pub matching: &'s MatchPlan,
    pub pass: Option<usize>,
    pub incomplete: &'s Incomplete,
}

/// Does one step with rows that come in any order.
pub(super) fn step(
    plan: &Plan,
    Step { matching, pass, incomplete }: Step<'_>,
    partitions: &Partitions,
    spill: (Partitioning, &SpillRoom),
    halt: &Halt,
    progress: &dyn Progress,
) -> Result<Stepped, Problem> {
    let passes = Passes::new(plan, matching, spill, halt, progress);
    let mut results = PassResults::new(matching.passes.len() + 1);
    results.add(match pass {
        None => passes.by_key(partitions, true)?,
        Some(number) => passes.step(number, incomplete, partitions)?,
    });
    let PassResults { open, settled, left_ambiguous, tally, incomplete, .. } = results;
    Ok(Stepped {
        open: open.into_iter().map(|open| Partitions::new(passes.how, open)).collect(),
        settled: Partitions::new(passes.how, settled),
        left_ambiguous,
        tally,
        incomplete,
    })
}

/// An open row, decoded: its cells and its notes.
struct Open<'a> {
    row: RowRef<'a>,
    note: Note,
}

impl<'a> Open<'a> {
    /// After this many cells.
    fn read(row: &RowRef<'a>, prefix: usize) -> Self {
        let mut cells = row.cells();
        cells.by_ref().take(prefix).for_each(drop);
        let note = cells.next().map(|cell| match cell.decode(&mut [0; 36]) {
            Cell::Text(text) => serde_json::from_str(text).unwrap_or_default(),
            _ => Note::default(),
        });
        Self { row: row.with_cells(cells), note: note.unwrap_or_default() }
    }
}

/// The rows that stay open lie by one cell, the hash of their key.
const REST_PREFIX: usize = 1;

impl<'p> Worker<'p> {
    fn new(passes: &'p Passes<'p>) -> Self {
        let sinks = 0..=passes.matching.passes.len();
        Self {
            passes,
            open: sinks.map(|_| Sink::new(passes)).collect(),
            settled: Sink::new(passes),
            paired: Vec::new(),
            left_ambiguous: 0,
            tally: Tally::default(),
            incomplete: vec![Incomplete::default(); passes.matching.passes.len()],
            cells: Vec::new(),
        }
    }

    fn flush(&mut self) -> Result<(), Problem> {
        self.open.iter_mut().chain([&mut self.settled]).try_for_each(Sink::flush)
    }

    /// Sends on the rows that the key does not pair, and gives the pairs.
    fn open_rows(&mut self, rows: PerSide<&[RowRef<'_>]>) -> Result<Paired, Problem> {
        add_totals(&self.passes.plan.money, rows, &mut self.tally);
        let key_len = self.passes.plan.layout.key_len();
        let mut open: Vec<(Side, RowRef<'_>, Note)> = Vec::new();
        for side in Side::BOTH {
            let keyless = |row: &&RowRef<'_>| key_len == 0 || !has_all(row.cells().take(key_len));
            let keyless = rows[side].iter().filter(|row| !row.rejected && keyless(row));
            open.extend(keyless.map(|row| (side, *row, Note::default())));
        }
        // Of a key that one side lacks, the first row comes as alone and the others at once after it.
        let mut alone: Option<(RowRef<'_>, usize)> = None;
        let keyed = with_key(key_len, rows);
        let keyed = PerSide { a: &*keyed.a, b: &*keyed.b };
        // Positions of the rows with a key among all rows.
        let places = rows.map(|side, rows| Places::new(rows, keyed[side]));
        let mut pairs = Vec::with_capacity(keyed.a.len().min(keyed.b.len()));
        let notes = align_at(keyed, key_len, &*self.passes.plan.comparison, |placed, at| {
            let (side, row, rejected, kin) = match placed {
                Placed::Pair(a, b) => {
                    let (at_a, at_b) = at.unzip();
                    pairs.push((places.a.of(at_a, &a), places.b.of(at_b, &b)));
                    return;
                }
                Placed::Alone { side, row, rejected_partner } => {
                    alone = Some((row, open.len()));
                    (side, row, rejected_partner, Kin::None)
                }
                Placed::Surplus { side, row, rejected_partner } => {
                    let first = alone
                        .filter(|(first, _)| key::equal(first.cells(), row.cells(), key_len))
                        .and_then(|(_, at)| open.get_mut(at));
                    let kin = if first.is_some() { Kin::Siblings } else { Kin::Paired };
                    if let Some((_, _, note)) = first {
                        note.kin = Kin::Siblings;
                    }
                    (side, row, rejected_partner, kin)
                }
            };
            open.push((side, row, Note { kin, rejected, candidates: Vec::new() }));
        });
        open.into_iter().try_for_each(|(side, row, note)| self.send(0, side, &row, &note))?;
        Ok(Paired { rows: rows.map(|_, rows| rows.len()), pairs, notes })
    }

    /// Sends an open row to the next pass in which it can take part.
    fn send(
        &mut self,
        from: usize,
        side: Side,
        row: &RowRef<'_>,
        note: &Note,
    ) -> Result<(), Problem> {
        let passes = &self.passes.matching.passes;
        let layout = &self.passes.plan.layout;
        let all: Vec<_> = row.cells().collect();
        self.cells.clear();
        let next = (from..passes.len()).find(|number| {
            let equal = &passes[*number].equal;
            has_all(equal.iter().filter_map(|field| all.get(*field).copied()))
        });
        let skipped = from..next.unwrap_or(passes.len());
        for (incomplete, pass) in self.incomplete[skipped.clone()].iter_mut().zip(&passes[skipped])
        {
            incomplete.add(pass, side, row);
        }
        let prefix = match next {
            Some(number) => {
                let equal = &passes[number].equal;
                let cells = equal.iter().filter_map(|field| all.get(*field));
                cells.for_each(|cell| self.cells.extend_from_slice(cell.bytes()));
                equal.len()
            }
            None => {
                let hash = key::hash(row.cells(), layout.spread_len());
                push_cell(&mut self.cells, Cell::Integer(hash.into()));
                REST_PREFIX
            }
        };
        let note = serde_json::to_string(note).unwrap_or_default();
        push_cell(&mut self.cells, Cell::Text(&note));
        row.cells().push_to(&mut self.cells);
        let hash = key::hash(Cells::new(&self.cells), prefix);
        let sent = row.with_hash(hash);
        self.open[next.unwrap_or(passes.len())]
            .push(side, &sent.with_cells(Cells::new(&self.cells)))
    }

    /// One pass over the rows of a partition, block by block.
    fn pass(
        &mut self,
        number: usize,
        incomplete: &Incomplete,
        rows: PerSide<&[RowRef<'_>]>,
    ) -> Result<(), Problem> {
        let pass = &self.passes.matching.passes[number];
        let prefix = pass.equal.len();
        for block in blocks(rows, prefix) {
            let mut open = PerSide::of(|_| Vec::new());
            for side in Side::BOTH {
                for row in &block[side] {
                    let one = Open::read(row, prefix);
                    if incomplete.has(pass, side, &one.row) {
                        self.send(number + 1, side, &one.row, &one.note)?;
                    } else {
                        open[side].push(one);
                    }
                }
            }
            self.block(number, open)?;
        }
        Ok(())
    }

    fn block(&mut self, number: usize, mut open: PerSide<Vec<Open<'_>>>) -> Result<(), Problem> {
        let Passes { plan, matching, .. } = *self.passes;
        let pass = &matching.passes[number];
        let mut matched = PerSide::of(|side| vec![false; open[side].len()]);
        if !open.a.is_empty() && !open.b.is_empty() {
            let rows = PerSide::of(|side| {
                open[side].iter().map(|open| open.row).collect::<Vec<RowRef<'_>>>()
            });
            let outcome = match_block(pass, matching.settings, PerSide { a: &rows.a, b: &rows.b });
            let words = settle::BlockText { plan, matching, pass, rows: rows.as_ref() };
            for one in &outcome.matches {
                if !one.made {
                    self.left_ambiguous += 1;
                    continue;
                }
                one.a.iter().for_each(|row| matched.a[*row as usize] = true);
                one.b.iter().for_each(|row| matched.b[*row as usize] = true);
                let (side, row) = settle::made(&words, one, &mut self.cells);
                self.settled.push(side, &row.with_cells(Cells::new(&self.cells)))?;
            }
            for side in Side::BOTH {
                for (row, candidates) in &outcome.candidates[side] {
                    let note = &mut open[side][*row as usize].note;
                    settle::add_candidates(&words, side, candidates, &mut note.candidates);
                }
            }
        }
        let passes = matching.passes.len();
        for side in Side::BOTH {
            for (at, one) in open[side].iter().enumerate() {
                if !matched[side][at] {
                    self.send(number + 1, side, &one.row, &one.note)?;
                } else if one.note.kin == Kin::Siblings {
                    let gone = Note { kin: Kin::Gone, ..Note::default() };
                    self.send(passes, side, &one.row, &gone)?;
                }
            }
        }
        Ok(())
    }

    /// Makes records of the rows that no pass matched: missing on the other side, or one too many of their key.
    fn rest(&mut self, rows: PerSide<&[RowRef<'_>]>) -> Result<(), Problem> {
        let Passes { plan, matching, .. } = *self.passes;
        let key_len = plan.layout.key_len();
        for block in blocks(rows, REST_PREFIX) {
            for side in Side::BOTH {
                let open: Vec<_> =
                    block[side].iter().map(|row| Open::read(row, REST_PREFIX)).collect();
                for (at, one) in open.iter().enumerate() {
                    let is_kin =
                        |other: &Open<'_>| key::equal(other.row.cells(), one.row.cells(), key_len);
                    let is_duplicate = match one.note.kin {
                        Kin::Gone => continue,
                        Kin::None => false,
                        Kin::Paired => true,
                        Kin::Siblings => {
                            let gone = |other: &Open<'_>| other.note.kin == Kin::Gone;
                            open[..at].iter().any(is_kin)
                                || open[at..].iter().any(|other| gone(other) && is_kin(other))
                        }
                    };
                    let kind = match (side, is_duplicate) {
                        (Side::A, false) => RecordKind::OnlyA,
                        (Side::B, false) => RecordKind::OnlyB,
                        (Side::A, true) => RecordKind::SurplusA,
                        (Side::B, true) => RecordKind::SurplusB,
                    };
                    let name = settle::own_reference(plan, matching, side, &one.row);
                    let carried = plan.carried.of(&one.row);
                    let matched = Matched {
                        ref_a: name.clone().filter(|_| side == Side::A),
                        ref_b: name.filter(|_| side == Side::B),
                        carried_a: carried.clone().filter(|_| side == Side::A),
                        carried_b: carried.filter(|_| side == Side::B),
                        candidates: one.note.candidates.clone(),
                        ..Matched::default()
                    };
                    let rejected = one.note.rejected;
                    settle::left(plan, kind, side, &one.row, rejected, &matched, &mut self.cells);
                    let row = settle::placed(side, &one.row);
                    self.settled.push(side, &row.with_cells(Cells::new(&self.cells)))?;
                }
            }
        }
        Ok(())
    }
}

/// The rows of each block, in the order of their lines: rows whose first cells have the same values.
fn blocks<'a>(rows: PerSide<&[RowRef<'a>]>, prefix: usize) -> Vec<PerSide<Vec<RowRef<'a>>>> {
    let mut all: Vec<(Side, RowRef<'a>)> = Vec::new();
    for side in Side::BOTH {
        all.extend(rows[side].iter().map(|row| (side, *row)));
    }
    all.sort_by_key(|(side, row)| (row.hash, *side as usize, row.order()));
    let mut blocks = Vec::new();
    for run in all.chunk_by(|(_, x), (_, y)| x.hash == y.hash) {
        // Nearly always one block; several values may have one hash.
        let mut of_run: Vec<(RowRef<'a>, PerSide<Vec<RowRef<'a>>>)> = Vec::new();
        for (side, row) in run {
            let same = |(first, _): &(RowRef<'a>, PerSide<Vec<RowRef<'a>>>)| {
                key::equal(first.cells(), row.cells(), prefix)
            };
            let at = of_run.iter().position(same).unwrap_or_else(|| {
                of_run.push((*row, PerSide::default()));
                of_run.len() - 1
            });
            of_run[at].1[*side].push(*row);
        }
        blocks.extend(of_run.into_iter().map(|(_, block)| block));
    }
    blocks
}
