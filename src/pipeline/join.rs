//! The second phase of a pass: workers turn partitions into records with differences and reasons,
//! in parallel; one thread writes them in partition order, a few neighboring partitions at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::attribute::{Attributor, Machine, RuleFailures};
use crate::diagnostic::Problem;
use crate::domain::Progress;
use crate::domain::progress::Unit;
use crate::store::{Batch, Writer};
use crate::threads;

use super::Plan;
use super::halt::{Halt, Turnstile};
use super::machine::Sampler;
use super::matching::Rows;
use super::read::join;
use super::recorder::{Depth, Recorder, survey};
use super::tally::Tally;

/// How many lots for each worker may be begun before the writer has them. When all workers are done, the writer is
/// alone with what is left.
const LEAD: usize = 2;

pub(super) struct Joined {
    pub tally: Tally,
    /// Keys repeated so often that their rows were paired greedily.
    pub greedy_keys: u64,
    pub rule_failures: RuleFailures,
    /// Worker time for aligning, and for comparing and attributing.
    pub align: Duration,
    pub compare: Duration,
    /// Writer time.
    pub store: Duration,
}

/// Time of several threads, in nanoseconds.
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

/// Worker output for a lot: some neighboring partitions.
enum Output {
    /// A batch; more follow.
    Batch(Batch),
    /// The lot is finished.
    Done,
}

/// Shared by the workers of this phase.
struct Shared<'p> {
    plan: &'p Plan,
    machine: &'p Machine,
    depth: Depth,
    rows: &'p Rows,
    next: AtomicUsize,
    turnstile: Turnstile,
    align: Stopwatch,
    compare: Stopwatch,
    halt: &'p Halt,
    progress: &'p dyn Progress,
}

/// Takes the batches of each lot, in their order; true if the next one is there already.
pub(super) type Sink<'s> = dyn FnMut(usize, &mut Batch, bool) -> Result<(), Problem> + 's;

/// A sink that numbers records consecutively and writes them.
pub(super) fn writing<'s>(
    writer: &'s mut dyn Writer,
    sampler: &'s mut Sampler,
) -> impl FnMut(usize, &mut Batch, bool) -> Result<(), Problem> + 's {
    let mut records = 0;
    move |_, batch, more| {
        batch.renumber(records);
        records += batch.record_count();
        sampler.look_at(batch);
        if more { writer.write_before_another(batch) } else { writer.write(batch) }
    }
}

/// Joins all partitions and gives the results to `sink`.
pub(super) fn join_partitions(
    plan: &Plan,
    machine: &Machine,
    depth: Depth,
    rows: &Rows,
    sink: &mut Sink<'_>,
    halt: &Halt,
    progress: &dyn Progress,
) -> Result<Joined, Problem> {
    let lots = rows.len().div_ceil(rows.together());
    let threads = plan.options.threads.min(lots);
    crate::threads::room_for(threads)?;
    progress.start("comparing", lots as u64, Unit::Items);
    let lead = LEAD * threads.max(1);
    let shared = Shared {
        plan,
        machine,
        depth,
        rows,
        next: AtomicUsize::new(0),
        turnstile: Turnstile::new(lead),
        align: Stopwatch::default(),
        compare: Stopwatch::default(),
        halt,
        progress,
    };
    let (sender, receiver) = bounded(lead);
    // Written batches, for reuse.
    let (used, spare) = bounded(lead);
    let mut joined = Joined {
        tally: Tally::default(),
        greedy_keys: 0,
        rule_failures: RuleFailures::default(),
        align: Duration::ZERO,
        compare: Duration::ZERO,
        store: Duration::ZERO,
    };
    let shared_ref = &shared;
    let workers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .filter_map(|_| {
                let (sender, spare) = (sender.clone(), spare.clone());
                halt.guard(threads::start(scope, move || {
                    shared_ref.work(&sender, &spare).inspect_err(|problem| {
                        // Others may be waiting for the partition that this thread abandoned.
                        halt.stop(problem.clone());
                        shared_ref.turnstile.open();
                    })
                }))
            })
            .collect();
        drop(sender);
        halt.guard(write_in_order(&receiver, &used, sink, shared_ref, &mut joined.store));
        // If the writer failed, no worker may wait for it.
        shared_ref.turnstile.open();
        drop(receiver);
        threads.into_iter().filter_map(|thread| halt.guard(join(thread))).collect::<Vec<_>>()
    });
    halt.outcome()?;
    for (tally, greedy_keys, failures) in workers {
        joined.tally.add(&tally);
        joined.greedy_keys += greedy_keys;
        joined.rule_failures.merge(failures);
    }
    joined.align = shared.align.per_thread(threads);
    joined.compare = shared.compare.per_thread(threads);
    Ok(joined)
}

/// Counts differences before the first decision, because a model uses how common each kind is in
/// the whole run. Costs as much as aligning and comparing.
pub(super) fn count_differences(
    plan: &Plan,
    rows: &Rows,
    halt: &Halt,
    progress: &dyn Progress,
) -> Result<Tally, Problem> {
    progress.start("counting", rows.len() as u64, Unit::Items);
    let next = AtomicUsize::new(0);
    let count = || {
        let mut tally = Tally::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= rows.len() || halt.check(progress) {
                return Ok(tally);
            }
            rows.parts(plan, index, false, |part| {
                part.place(plan, |entry| survey(plan, &entry, &mut tally));
                Ok(())
            })?;
            progress.advance(1);
        }
    };
    let count = &count;
    let tallies = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.options.threads.min(rows.len()))
            .filter_map(|_| halt.guard(threads::start(scope, count)))
            .collect();
        threads.into_iter().filter_map(|thread| halt.guard(join(thread))).collect::<Vec<_>>()
    });
    halt.outcome()?;
    let mut sum = Tally::default();
    tallies.iter().for_each(|tally| sum.add(tally));
    Ok(sum)
}

impl Shared<'_> {
    fn work(
        &self,
        sender: &Sender<(usize, Output)>,
        spare: &Receiver<Batch>,
    ) -> Result<(Tally, u64, RuleFailures), Problem> {
        let attributor = match self.depth {
            Depth::Ingest => None,
            Depth::Attribute => {
                let (plan, machine) = (self.plan, self.machine);
                Some(Attributor::new(&plan.attribution, machine, &plan.layout)?)
            }
        };
        let mut recorder = Recorder::new(self.plan, self.depth, attributor);
        let mut greedy_keys = 0;
        let together = self.rows.together();
        loop {
            let lot = self.next.fetch_add(1, Ordering::Relaxed);
            let first = lot.saturating_mul(together);
            if first >= self.rows.len() {
                break;
            }
            self.turnstile.enter(lot);
            if self.halt.check(self.progress) {
                self.turnstile.open();
                break;
            }
            // A closed channel means that the run was abandoned.
            let send = |output| sender.send((lot, output)).is_ok();
            let next = || spare.try_recv().unwrap_or_default();
            for partition in first..self.rows.len().min(first + together) {
                let mut loading = Instant::now();
                let mut is_first = true;
                self.rows.parts(self.plan, partition, true, |part| {
                    // Of a partition that is split for want of memory, each part goes its own way.
                    if !std::mem::take(&mut is_first) {
                        send(Output::Batch(recorder.take(next())));
                    }
                    if part.has_all_rows() {
                        recorder.totals(part.rows());
                    }
                    // Rows are loaded and sorted before the first is placed; from then on records are made one
                    // by one, while their rows are still in the processor's cache.
                    let mut begun = None;
                    let notes = part.place(self.plan, |entry| {
                        begun.get_or_insert_with(|| {
                            self.align.add(loading);
                            Instant::now()
                        });
                        recorder.place(entry);
                    });
                    greedy_keys += notes.greedy_keys;
                    recorder.stop_on_failure(self.plan.options.stop_on_rule_error)?;
                    match begun {
                        Some(begun) => self.compare.add(begun),
                        None => self.align.add(loading),
                    }
                    loading = Instant::now();
                    Ok(())
                })?;
            }
            send(Output::Batch(recorder.take(next())));
            if !send(Output::Done) {
                break;
            }
        }
        let (tally, failures) = recorder.finish();
        Ok((tally, greedy_keys, failures))
    }
}

/// Gives batches to the sink in the order of the lots.
fn write_in_order(
    receiver: &Receiver<(usize, Output)>,
    used: &Sender<Batch>,
    sink: &mut Sink<'_>,
    shared: &Shared<'_>,
    spent: &mut Duration,
) -> Result<(), Problem> {
    let mut waiting = Waiting::default();
    for (lot, made) in receiver {
        waiting.add(lot, made);
        while let Some(made) = waiting.take() {
            match made {
                Output::Batch(mut batch) => {
                    while !waiting.has_batch()
                        && let Ok((lot, made)) = receiver.try_recv()
                    {
                        waiting.add(lot, made);
                    }
                    let begun = Instant::now();
                    sink(waiting.next, &mut batch, waiting.has_batch())?;
                    *spent += begun.elapsed();
                    batch.clear();
                    // A surplus batch is dropped.
                    let _ = used.try_send(batch);
                }
                Output::Done => {
                    waiting.next += 1;
                    shared.turnstile.advance(waiting.next);
                    shared.progress.advance(1);
                }
            }
        }
    }
    Ok(())
}

/// Outputs that wait for those before them.
#[derive(Default)]
struct Waiting {
    outputs: BTreeMap<usize, VecDeque<Output>>,
    /// The lot whose turn it is.
    next: usize,
}

impl Waiting {
    fn add(&mut self, lot: usize, made: Output) {
        self.outputs.entry(lot).or_default().push_back(made);
    }

    /// The next one, if it is there.
    fn take(&mut self) -> Option<Output> {
        let made = self.outputs.get_mut(&self.next)?.pop_front();
        if matches!(made, Some(Output::Done)) {
            self.outputs.remove(&self.next);
        }
        made
    }

    /// Whether the next batch is there.
    fn has_batch(&self) -> bool {
        let mut lots = (self.next..).map_while(|lot| self.outputs.get(&lot)?.front());
        lots.any(|made| matches!(made, Output::Batch(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_waits_for_those_before_it() {
        let mut waiting = Waiting::default();
        let is_batch = |made: Option<Output>| matches!(made, Some(Output::Batch(_)));
        waiting.add(1, Output::Batch(Batch::default()));
        waiting.add(1, Output::Done);
        assert!(waiting.take().is_none() && !waiting.has_batch());
        waiting.add(0, Output::Batch(Batch::default()));
        assert!(waiting.has_batch() && is_batch(waiting.take()));
        // The first lot may have another one.
        assert!(waiting.take().is_none() && !waiting.has_batch());
        waiting.add(0, Output::Done);
        assert!(waiting.has_batch() && matches!(waiting.take(), Some(Output::Done)));
        waiting.next += 1;
        assert!(waiting.has_batch() && is_batch(waiting.take()) && !waiting.has_batch());
        assert!(matches!(waiting.take(), Some(Output::Done)) && waiting.outputs.is_empty());
    }
}
