//! Rows on their way between the steps, and the steps that need nothing but rows.

use super::super::halt::Halt;
use super::super::join::count_differences;
use super::super::matching::{self, Rows};
use super::super::settle;
use super::counts::{Counts, State};
use super::{In, OPEN, Out, SETTLED, SLOTS, Task};
use crate::align::{Gathered, Partitioning, Partitions, SpillRoom};
use crate::diagnostic::{Code, Problem};
use crate::domain::Side;
use crate::exchange::{Kind, Payload, stream_problem};
use crate::matching::Incomplete;
use crate::store::RejectedRow;

/// How many bytes of rows go into one payload.
const PAYLOAD_BYTES: usize = 1 << 20;

/// Destination of rows: the slot of their first partition, their kind, and the pass that open ones wait for.
#[derive(Clone, Copy)]
pub(super) struct Destination {
    pub first_slot: i32,
    pub kind: Kind,
    pub pass: u8,
}

/// Gives the rows of all partitions to `out`.
pub(super) fn give(
    task: Task<'_>,
    partitions: &Partitions,
    place: Destination,
    prefix: usize,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let (mut body, mut payload) = (Vec::new(), Vec::new());
    for (index, slot) in (0..partitions.len()).zip(place.first_slot..) {
        partitions.take(index, prefix, |rows| {
            for side in Side::BOTH {
                let number = place.pass << 1 | u8::from(side == Side::B);
                let mut send = |body: &mut Vec<u8>| {
                    Payload { kind: place.kind, number, body }.write(task.tag, &mut payload);
                    body.clear();
                    out(slot, &payload)
                };
                for row in rows[side] {
                    row.push(&mut body);
                    if body.len() > PAYLOAD_BYTES {
                        send(&mut body)?;
                    }
                }
                if !body.is_empty() {
                    send(&mut body)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The partition that a slot of a range means.
fn partition_of(slot: i32, first: i32) -> Result<usize, Problem> {
    let partition = slot.checked_sub(first).filter(|partition| (0..SLOTS).contains(partition));
    let partition = partition.and_then(|partition| usize::try_from(partition).ok());
    partition.ok_or_else(|| stream_problem(format!("rows of this kind have no slot {slot}")))
}

/// The rows of a task, gathered from its input.
pub(super) struct GatheredRows<'r> {
    how: Partitioning,
    keyed: Gathered<'r>,
    settled: Gathered<'r>,
}

impl<'r> GatheredRows<'r> {
    /// Gathers the rows of the input, and gives rejected ones to `reject`.
    pub fn read(
        task: Task<'_>,
        room: &'r SpillRoom,
        rows: &mut In<'_>,
        reject: &mut dyn FnMut(u32, RejectedRow) -> Result<(), Problem>,
    ) -> Result<Self, Problem> {
        let options = &task.plan.options;
        let how = Partitioning::fixed(options.threads, options.memory_limit / 2);
        let mut all =
            Self { how, keyed: Gathered::new(how, room), settled: Gathered::new(how, room) };
        rows(&mut |slot, bytes| {
            let Payload { kind, number, body } = Payload::read(bytes, task.tag)?;
            let side = if number & 1 == 0 { Side::A } else { Side::B };
            match kind {
                Kind::Keyed => all.keyed.add_taken(side, partition_of(slot, 0)?, body),
                Kind::Settled => all.settled.add_taken(side, partition_of(slot, SETTLED)?, body),
                Kind::Rejected => {
                    let row = serde_json::from_slice(body).map_err(|error| {
                        stream_problem(format!("a rejected row can't be read: {error}"))
                    })?;
                    let slot = u32::try_from(partition_of(slot, 0)?).unwrap_or_default();
                    reject(slot, row)
                }
                Kind::Open => Err(stream_problem("rows are still open to passes")
                    .help("run every step of `recon shard match` first")),
                Kind::Counts => Err(stream_problem("counts go to the driver, not to this step")
                    .help("give it rows whose slot is not -1")),
            }
        })?;
        Ok(all)
    }

    pub fn rows(self, task: Task<'_>) -> Rows {
        let Self { how, keyed, settled } = self;
        let has_passes = task.plan.matching.is_some();
        let settled = has_passes.then(|| Partitions::new(how, [settled]));
        Rows::gathered(Partitions::new(how, [keyed]), settled)
    }
}

/// A step of matching: the first is that by the key, the last makes records of rows that stayed open.
///
/// # Errors
/// There is no such step, or the input is not the output of the step before.
pub fn match_step(
    task: Task<'_>,
    state: &State,
    step: usize,
    rows: &mut In<'_>,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let Task { plan, tag, progress, .. } = task;
    let steps = task.match_steps();
    let (Some(matching), true) = (&plan.matching, step < steps) else {
        let message = format!("this job has {steps} steps of matching, and no step {step}");
        return Err(Problem::new(Code::ShardUnsupported, message)
            .help("`recon shard plan` says as `passes` how many there are, counted from 0"));
    };
    let pass = step.checked_sub(1);
    let options = &plan.options;
    let room = SpillRoom::new(&options.temp_dir);
    let how = Partitioning::fixed(options.threads, options.memory_limit / 2);
    let mut gathered = Gathered::new(how, &room);
    let has_key = plan.layout.key_len() > 0;
    rows(&mut |slot, bytes| {
        let Payload { kind, number, body } = Payload::read(bytes, tag)?;
        let side = if number & 1 == 0 { Side::A } else { Side::B };
        match (kind, pass) {
            (Kind::Keyed, None) => {
                gathered.add_taken(side, partition_of(slot, 0)?, body)?;
                if has_key { out(slot, bytes) } else { Ok(()) }
            }
            (Kind::Open, Some(pass)) if usize::from(number >> 1) == pass => {
                gathered.add_taken(side, partition_of(slot, OPEN)?, body)
            }
            (Kind::Open, Some(pass)) if usize::from(number >> 1) < pass => {
                Err(stream_problem("a step of matching was left out")
                    .help("each step takes the open rows of the step before"))
            }
            (Kind::Open, None) | (Kind::Counts, _) => {
                Err(stream_problem("the stream is not one for this step of matching"))
            }
            // Rows of later passes, and finished ones.
            _ => out(slot, bytes),
        }
    })?;
    let partitions = Partitions::new(how, [gathered]);
    let nothing = Incomplete::default();
    let incomplete = pass.and_then(|pass| state.counts.incomplete.get(pass)).unwrap_or(&nothing);
    let halt = Halt::default();
    let work = matching::Step { matching, pass, incomplete };
    let made = matching::step(plan, work, &partitions, (how, &room), &halt, progress)?;
    for ((number, open), pass) in made.open.iter().enumerate().zip(0u8..) {
        let place = Destination { first_slot: OPEN, kind: Kind::Open, pass };
        give(task, open, place, matching.prefix(number), out)?;
    }
    let place = Destination { first_slot: SETTLED, kind: Kind::Settled, pass: 0 };
    give(task, &made.settled, place, settle::PREFIX, out)?;
    let counts = Counts {
        passes: made.tally,
        left_ambiguous: made.left_ambiguous,
        incomplete: made.incomplete,
        ..Counts::default()
    };
    counts.send(tag, out)
}

/// Samples the records for conventions; with a model, also counts all differences.
///
/// # Errors
/// The input is not the output of the steps before.
pub fn survey(
    task: Task<'_>,
    state: &State,
    rows: &mut In<'_>,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let Task { plan, tag, progress, .. } = task;
    let room = SpillRoom::new(&plan.options.temp_dir);
    let rows = GatheredRows::read(task, &room, rows, &mut |_, _| Ok(()))?.rows(task);
    let mut sample = state.sample(task);
    sample.gather(plan, &rows)?;
    let counted = if task.spread.has_model() {
        Some(count_differences(plan, &rows, &Halt::default(), progress)?)
    } else {
        None
    };
    Counts { sample: Some(sample), counted, ..Counts::default() }.send(tag, out)
}
