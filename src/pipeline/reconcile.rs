//! One pass over both sources: read, align, compare, attribute and store, without reading back.

use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::align::{Partitioning, SpillRoom};
use crate::diagnostic::Problem;
use crate::domain::metadata::Seconds;
use crate::domain::place;
use crate::domain::{PerSide, Progress};
use crate::source::Opened;
use crate::store::{Batch, RejectedRow, Writer};
use crate::threads;

use super::conclusion::{Findings, check_rejected};
use super::conventions::{Conventions, Sample};
use super::halt::Halt;
use super::join::{count_differences, join_partitions, writing};
use super::machine::{RunMachine, Sampler, run_context};
use super::matching::Rows;
use super::open_items::{Taken, Waiting};
use super::read::{Read, read};
use super::recorder::Depth;
use super::{Plan, RunOutcome};

/// Memory for a row that was carried.
const WAITING_BYTES: u64 = 200;

/// Reads both sources and stores the result, which becomes visible when the writer finishes.
pub(super) fn reconcile(
    plan: &Plan,
    mut ready: RunMachine,
    opened: PerSide<Opened>,
    waiting: Option<Waiting>,
    depth: Depth,
    writer: &mut dyn Writer,
    progress: &dyn Progress,
) -> Result<RunOutcome, Problem> {
    let begun = Instant::now();
    let halt = Halt::default();
    let waiting_bytes = waiting.as_ref().map_or(0, |waiting| waiting.len() as u64 * WAITING_BYTES);
    let size = opened.a.size() + opened.b.size() + waiting_bytes;
    let options = &plan.options;
    let how = Partitioning::new(size, options.threads, options.memory_limit);
    // Dropping it removes its temporary files, however the run ends.
    let room = SpillRoom::new(&options.temp_dir);
    let mut store = Duration::ZERO;
    let mut first: PerSide<Option<RejectedRow>> = PerSide::default();
    let mut reject = |rejected: Vec<RejectedRow>| {
        for row in &rejected {
            let known = &mut first[row.side];
            let place = |row: &RejectedRow| (place::input_of(row.offset), row.line);
            if known.as_ref().is_none_or(|known| place(row) < place(known)) {
                *known = Some(row.clone());
            }
        }
        let begun = Instant::now();
        let written = writer.write(&Batch::of_rejected(rejected));
        store += begun.elapsed();
        written
    };
    let read = read_all(plan, opened, (how, &room), &halt, &mut reject, progress)?;
    check_rejected(plan, &read.tally.books, &read.digests, &first)?;
    let read_for = begun.elapsed();
    let Read { mut partitions, tally: mut read_tally, digests, doubtful } = read;
    let mut with_carried = plan.clone();
    let mut taken_warnings = Vec::new();
    let mut open_items = None;
    if let Some(waiting) = waiting {
        let Taken { rows, counts, record, warnings } =
            waiting.take_over(plan, &mut partitions, (how, &room))?;
        with_carried.carried = std::sync::Arc::new(rows);
        read_tally.books.open_items = Some(counts);
        open_items = Some(record);
        taken_warnings = warnings;
    }
    let plan = &with_carried;
    let rows = Rows::new(plan, partitions, (how, &room), &halt, progress)?;
    let conventions = match depth {
        // Conventions are detected when the run is compared.
        Depth::Ingest => Conventions::default(),
        Depth::Attribute => {
            let mut sample = Sample::new(&plan.layout, read_tally.books.read);
            sample.gather(plan, &rows)?;
            sample.conventions(plan)
        }
    };
    ready.machine.held_back = conventions.held_back(&plan.layout, &read_tally.books);
    if depth == Depth::Attribute && ready.machine.champion.is_some() {
        let counted = count_differences(plan, &rows, &halt, progress)?;
        let books = counted.books(&plan.layout);
        let systems = plan.systems.clone();
        ready.machine.run = run_context(systems, plan.batch_date, &plan.layout, &books);
    }
    let mut sampler = Sampler::new(plan, plan.batch_date);
    let joined = {
        let mut sink = writing(writer, &mut sampler);
        join_partitions(plan, &ready.machine, depth, &rows, &mut sink, &halt, progress)?
    };
    let mut tally = read_tally;
    tally.add(&rows.tally);
    tally.add(&joined.tally);
    let machine = (depth == Depth::Attribute).then(|| ready.record(sampler));
    let seconds = Seconds {
        total: 0.0,
        read: read_for.as_secs_f64(),
        align: joined.align.as_secs_f64(),
        compare: joined.compare.as_secs_f64(),
        store: (store + joined.store).as_secs_f64(),
    };
    let findings = Findings {
        tally,
        left_ambiguous: rows.left_ambiguous,
        greedy_keys: joined.greedy_keys,
        rule_failures: joined.rule_failures,
        digests,
        doubtful,
        conventions,
        taken_warnings,
        machine_warnings: ready.warnings,
    };
    let outcome = findings.conclude(plan, depth)?;
    Ok(RunOutcome { open_items, machine, seconds, ..outcome })
}

/// Reads both sources, and gives rejected rows to `reject` as they come.
pub(super) fn read_all(
    plan: &Plan,
    opened: PerSide<Opened>,
    spill: (Partitioning, &SpillRoom),
    halt: &Halt,
    reject: &mut dyn FnMut(Vec<RejectedRow>) -> Result<(), Problem>,
    progress: &dyn Progress,
) -> Result<Read, Problem> {
    let (sender, receiver) = bounded::<Vec<RejectedRow>>(16);
    let read = std::thread::scope(|scope| {
        let work = move || read(plan, opened, spill, halt, &sender, progress);
        let reading = threads::start(scope, work)?;
        for rejected in receiver {
            halt.guard(reject(rejected));
        }
        super::read::join(reading)
    });
    halt.outcome()?;
    read
}
