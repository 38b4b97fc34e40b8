//! The first step: rows of a source become rows in partitions.

use std::sync::PoisonError;

use super::super::halt::Halt;
use super::super::reconcile::read_all;
use super::counts::Counts;
use super::rows::{Destination, give};
use super::{Out, SLOTS, Task};
use crate::align::{Partitioning, SpillRoom};
use crate::diagnostic::Problem;
use crate::domain::place::SourceFile;
use crate::domain::{PerSide, Side};
use crate::exchange::{Kind, Payload};
use crate::source::{Opened, RowCounts};
use crate::store::RejectedRow;

/// Source of a task's rows.
pub enum Reading {
    /// A stream, which counts the rows of each file.
    RowStream(RowCounts),
    /// The inputs of the source from this number on.
    Inputs(u64),
}

/// Reads rows of one side, and gives them to `out`.
///
/// # Errors
/// They can't be read, or a script went beyond its limits.
pub fn prepare(
    task: Task<'_>,
    side: Side,
    opened: Opened,
    reading: Reading,
    out: &mut Out<'_>,
) -> Result<(), Problem> {
    let Task { plan, tag, progress, .. } = task;
    let options = &plan.options;
    let how = Partitioning::fixed(options.threads, options.memory_limit);
    let room = SpillRoom::new(&options.temp_dir);
    let halt = Halt::default();
    let other = plan.sources[side.other()].unread(&[]);
    let opened = match side {
        Side::A => PerSide { a: opened, b: other },
        Side::B => PerSide { a: other, b: opened },
    };
    let mut counts = Counts::default();
    let mut payload = Vec::new();
    let mut reject = |rejected: Vec<RejectedRow>| {
        for row in &rejected {
            counts.reject(row);
            let body = serde_json::to_vec(row).unwrap_or_default();
            Payload { kind: Kind::Rejected, number: 0, body: &body }.write(tag, &mut payload);
            let slot = row.line.cast_signed().rem_euclid(i64::from(SLOTS));
            out(i32::try_from(slot).unwrap_or_default(), &payload)?;
        }
        Ok(())
    };
    let read = read_all(plan, opened, (how, &room), &halt, &mut reject, progress)?;
    let at = Destination { first_slot: 0, kind: Kind::Keyed, pass: 0 };
    give(task, &read.partitions, at, plan.layout.spread_len(), out)?;
    counts.set_doubtful(read.doubtful);
    let digest = match side {
        Side::A => read.digests.a,
        Side::B => read.digests.b,
    };
    match reading {
        Reading::Inputs(first) => {
            let mut warnings = digest.warnings;
            for (file, number) in digest.files.into_iter().zip(first..) {
                counts.files[side].insert(number, (file, std::mem::take(&mut warnings)));
            }
        }
        Reading::RowStream(rows) => {
            let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            for (number, rows) in rows.iter() {
                let file = SourceFile { rows: *rows, ..SourceFile::default() };
                counts.files[side].insert(*number, (file, Vec::new()));
            }
        }
    }
    counts.read = read.tally;
    counts.send(tag, out)
}
