//! The second phase of a pass: partition by partition, in parallel, rows become records with
//! differences and reasons; one thread writes them in the order of the partitions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::align::{Partitioned, align};
use crate::attribute::{Attributor, Machine};
use crate::diagnostic::Problem;
use crate::domain::progress::Unit;
use crate::domain::{PerSide, Progress};
use crate::store::{Batch, Writer, difference_number};

use super::Plan;
use super::halt::{Halt, Turnstile};
use super::machine::Sampler;
use super::read::join;
use super::recorder::{Depth, Recorder, survey};
use super::tally::Tally;

/// How many partitions workers may be ahead of the writer.
const LEAD: usize = 16;

/// What the second phase found.
pub(super) struct Joined {
    pub tally: Tally,
    /// Keys repeated so often that their rows were paired greedily.
    pub greedy_keys: u64,
    /// Rules that failed, and the first of the failures.
    pub rule_failures: (u64, Vec<Problem>),
    /// Time of all workers in aligning, and in comparing and attributing.
    pub align: Duration,
    pub compare: Duration,
    /// Time of the writer.
    pub store: Duration,
}

/// Time that several threads spent, in nanoseconds.
#[derive(Default)]
struct Stopwatch(AtomicU64);

impl Stopwatch {
    fn add(&self, since: Instant) {
        let nanoseconds = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn per_thread(&self, threads: usize) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed) / threads.max(1) as u64)
    }
}

/// What the workers of this phase share.
struct Floor<'p> {
    plan: &'p Plan,
    machine: &'p Machine,
    depth: Depth,
    sides: PerSide<&'p Partitioned>,
    partitions: usize,
    next: AtomicUsize,
    turnstile: Turnstile,
    align: Stopwatch,
    compare: Stopwatch,
    halt: &'p Halt,
    progress: &'p dyn Progress,
}

/// Joins all partitions and writes what comes of it.
#[expect(
    clippy::too_many_arguments,
    reason = "what a phase of a run works with; each is one thing"
)]
pub(super) fn join_partitions(
    plan: &Plan,
    machine: &Machine,
    depth: Depth,
    sides: PerSide<&Partitioned>,
    bits: u32,
    writer: &mut dyn Writer,
    sampler: &mut Sampler,
    halt: &Halt,
    progress: &dyn Progress,
) -> Result<Joined, Problem> {
    let partitions = 1 << bits;
    let threads = plan.options.threads.min(partitions);
    progress.start("comparing", partitions as u64, Unit::Items);
    let floor = Floor {
        plan,
        machine,
        depth,
        sides,
        partitions,
        next: AtomicUsize::new(0),
        turnstile: Turnstile::new(LEAD),
        align: Stopwatch::default(),
        compare: Stopwatch::default(),
        halt,
        progress,
    };
    let (sender, receiver) = bounded(LEAD);
    let mut joined = Joined {
        tally: Tally::default(),
        greedy_keys: 0,
        rule_failures: (0, Vec::new()),
        align: Duration::ZERO,
        compare: Duration::ZERO,
        store: Duration::ZERO,
    };
    let floor_ref = &floor;
    let workers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                let sender = sender.clone();
                scope.spawn(move || floor_ref.work(&sender))
            })
            .collect();
        drop(sender);
        halt.guard(write_in_order(&receiver, writer, sampler, floor_ref, &mut joined.store));
        // If the writer gave up, nobody may wait for it.
        floor_ref.turnstile.advance(usize::MAX / 2);
        drop(receiver);
        threads.into_iter().filter_map(|thread| halt.guard(join(thread))).collect::<Vec<_>>()
    });
    halt.outcome()?;
    for (tally, greedy_keys, failed, failures) in workers {
        joined.tally.add(&tally);
        joined.greedy_keys += greedy_keys;
        joined.rule_failures.0 += failed;
        joined.rule_failures.1.extend(failures);
    }
    joined.align = floor.align.per_thread(threads);
    joined.compare = floor.compare.per_thread(threads);
    Ok(joined)
}

/// Counts what the partitions hold, before anything is decided about any of it: a model is told how
/// common a difference is in the whole run. It costs as much as aligning and comparing.
pub(super) fn count_differences(
    plan: &Plan,
    sides: PerSide<&Partitioned>,
    bits: u32,
    halt: &Halt,
    progress: &dyn Progress,
) -> Result<Tally, Problem> {
    let partitions = 1 << bits;
    progress.start("counting", partitions as u64, Unit::Items);
    let next = AtomicUsize::new(0);
    let count = || {
        let mut tally = Tally::default();
        let mut rows = PerSide { a: Vec::new(), b: Vec::new() };
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= partitions || halt.check(progress) {
                return Ok(tally);
            }
            sides.a.rows(index, &mut rows.a);
            sides.b.rows(index, &mut rows.b);
            let both = PerSide { a: rows.a.as_slice(), b: rows.b.as_slice() };
            align(both, plan.layout.key_len(), &*plan.comparison, |placed| {
                survey(plan, &placed, &mut tally);
            });
            progress.advance(1);
        }
    };
    let count = &count;
    let tallies = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..plan.options.threads.min(partitions)).map(|_| scope.spawn(count)).collect();
        threads.into_iter().filter_map(|thread| halt.guard(join(thread))).collect::<Vec<_>>()
    });
    halt.outcome()?;
    let mut sum = Tally::default();
    tallies.iter().for_each(|tally| sum.add(tally));
    Ok(sum)
}

impl Floor<'_> {
    fn work(
        &self,
        sender: &Sender<(usize, Batch)>,
    ) -> Result<(Tally, u64, u64, Vec<Problem>), Problem> {
        let attributor = match self.depth {
            Depth::Ingest => None,
            Depth::Attribute => {
                let (plan, machine) = (self.plan, self.machine);
                Some(Attributor::new(&plan.attribution, machine, &plan.layout)?)
            }
        };
        let mut recorder = Recorder::new(self.plan, self.depth, attributor);
        let mut rows = PerSide { a: Vec::new(), b: Vec::new() };
        let mut placed = Vec::new();
        let mut greedy_keys = 0;
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.partitions {
                break;
            }
            self.turnstile.enter(index);
            if self.halt.check(self.progress) {
                break;
            }
            let begun = Instant::now();
            self.sides.a.rows(index, &mut rows.a);
            self.sides.b.rows(index, &mut rows.b);
            let both = PerSide { a: rows.a.as_slice(), b: rows.b.as_slice() };
            let notes = align(both, self.plan.layout.key_len(), &*self.plan.comparison, |row| {
                placed.push(row);
            });
            greedy_keys += notes.greedy_keys;
            self.align.add(begun);
            let begun = Instant::now();
            for row in placed.drain(..) {
                recorder.place(row);
            }
            if self.plan.options.stop_on_rule_error {
                recorder.stop_on_failure()?;
            }
            self.compare.add(begun);
            if sender.send((index, recorder.take())).is_err() {
                break;
            }
        }
        let (tally, failed, failures) = recorder.finish();
        Ok((tally, greedy_keys, failed, failures))
    }
}

/// Writes batches in the order of their partitions, numbering records through.
fn write_in_order(
    receiver: &Receiver<(usize, Batch)>,
    writer: &mut dyn Writer,
    sampler: &mut Sampler,
    floor: &Floor<'_>,
    spent: &mut Duration,
) -> Result<(), Problem> {
    let mut waiting: BTreeMap<usize, Batch> = BTreeMap::new();
    let (mut next, mut records) = (0, 0);
    for (index, batch) in receiver {
        waiting.insert(index, batch);
        while let Some(mut batch) = waiting.remove(&next) {
            batch.renumber(records);
            records += batch.record_count();
            if sampler.is_on() {
                for row in &batch.differences {
                    let number = difference_number(row.record, row.field);
                    row.attribution.iter().for_each(|decided| sampler.look(number, decided));
                }
            }
            let begun = Instant::now();
            writer.write(&batch)?;
            *spent += begun.elapsed();
            next += 1;
            floor.turnstile.advance(next);
            floor.progress.advance(1);
        }
    }
    Ok(())
}
