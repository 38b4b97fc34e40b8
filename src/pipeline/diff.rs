//! `recon diff`: compares a stored run's records as a stream, without loading the run.

use std::time::Instant;

use crate::diagnostic::{Code, Problem};
use crate::domain::progress::Unit;
use crate::domain::{
    Books, Cells, DifferenceContext, Layout, Matched, Money, MoneyFields, PerSide, Progress,
    RunStatus, Side, Stage, evidence,
};
use crate::store::{Batch, DifferenceRow, RecordKind, RecordLot, RunRow, StoredRecord, Writer};

use super::conventions::{Sample, as_warning};
use super::lots::{Worker, work_in_order};
use super::recorder::{called, count_money, find, push_value};
use super::signer::Signer;
use super::tally::Tally;
use super::{Finished, Plan, RunOutcome, Session, conclude, stored_outcome};

/// Compares a stored run with the current configuration, which must be the one it was ingested
/// with; another one is refused even if the run is already compared. A compared run stays
/// unchanged.
pub fn diff(session: Session<'_>, plan: &Plan, run: &RunRow) -> Result<Finished, Problem> {
    let begun = Instant::now();
    check_comparable(plan, run)?;
    if run.stage >= Some(Stage::Compared) {
        let outcome = stored_outcome(session.store, run)?;
        return Ok(Finished { run: run.clone(), outcome, counts: None });
    }
    session.store.repair()?;
    let _lock =
        session.store.lock(&run.job, run.batch_date, session.lock_timeout, session.progress)?;
    session.store.resume_run(run.id)?;
    conclude(session, run.id, begun, |writer| {
        let outcome = compare_stored(session, plan, run, writer)?;
        Ok((outcome, Stage::Compared, run.metadata.clone()))
    })
}

fn check_comparable(plan: &Plan, run: &RunRow) -> Result<(), Problem> {
    if run.stage.is_none() {
        let message = format!("run {} was not ingested completely ({})", run.id, run.status);
        return Err(Problem::new(Code::NotIngested, message).help("ingest again: `recon ingest`"));
    }
    let stored = run.metadata.get("identity");
    if run.layout != *plan.layout || stored != Some(&plan.record.identity) {
        let message = format!(
            "`key`, `map`, `fields` or `normalize` (their scripts and lookup files too) have changed \
             since run {} was ingested",
            run.id
        );
        return Err(Problem::new(Code::ConfigurationChanged, message)
            .help("ingest again: `recon ingest`, or `recon run`"));
    }
    Ok(())
}

fn compare_stored(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    writer: &mut dyn Writer,
) -> Result<RunOutcome, Problem> {
    let begun = Instant::now();
    let ingested = stored_outcome(session.store, run)?;
    let money = MoneyFields::of(&run.metadata);
    let mut sample = Sample::new(&run.layout, ingested.books.read);
    let comparer = || {
        Ok(Comparer {
            plan,
            layout: &run.layout,
            money: &money,
            progress: session.progress,
            signer: Signer::new(plan),
            tally: Tally::default(),
            sample: sample.clone(),
            sides: Default::default(),
            batch: Batch::default(),
        })
    };
    session.progress.start("comparing", run.total_records, Unit::Items);
    let found = work_in_order(
        (session, plan, run),
        |pass_on| {
            let mut number = 0;
            session.store.record_lots(run.id, &mut |lot| {
                number += 1;
                pass_on((number, lot))
            })
        },
        comparer,
        &mut |_| {},
        writer,
    )?;
    let mut tally = Tally::default();
    for (of_worker, taken) in found {
        tally.add(&of_worker);
        sample.add(taken);
    }
    let found = tally.books(&run.layout);
    let books = Books {
        matched: found.matched,
        within_tolerance: found.within_tolerance,
        breaks: found.breaks,
        by_type: found.by_type,
        by_field: found.by_field,
        by_field_and_type: found.by_field_and_type,
        money: between(ingested.books.money, tally.money.money(&money, &run.layout)),
        ..ingested.books
    };
    if let Some(sentence) = books.discrepancy().or_else(|| Money::discrepancy(&books.money)) {
        return Err(Problem::new(Code::BooksDoNotClose, sentence));
    }
    let mut seconds = ingested.seconds;
    seconds.compare = begun.elapsed().as_secs_f64();
    let conventions = sample.conventions(plan);
    let warnings = conventions.warnings();
    let mut data_warnings = ingested.data_warnings;
    data_warnings.extend(warnings.iter().map(as_warning));
    // Not as the run stands, which an interrupted command has left FAILED.
    let clean = books.rejected == PerSide::default();
    let status = if clean { RunStatus::Completed } else { RunStatus::CompletedWithErrors };
    Ok(RunOutcome { status, books, seconds, warnings, data_warnings, conventions, ..ingested })
}

/// Compares lots of records.
struct Comparer<'p> {
    plan: &'p Plan,
    layout: &'p Layout,
    money: &'p MoneyFields,
    progress: &'p dyn Progress,
    signer: Signer<'p>,
    tally: Tally,
    sample: Sample,
    /// The cells of a record's sides.
    sides: (Vec<u8>, Vec<u8>),
    batch: Batch,
}

impl Worker<(usize, RecordLot)> for Comparer<'_> {
    type Found = (Tally, Sample);

    fn work(&mut self, (number, lot): &(usize, RecordLot)) -> Result<Batch, Problem> {
        let mut records = 0;
        lot.each(&mut |record| {
            records += 1;
            self.compare(*number, record)
        })?;
        self.progress.advance(records);
        Ok(std::mem::take(&mut self.batch))
    }

    fn finish(self) -> (Tally, Sample) {
        (self.tally, self.sample)
    }
}

impl Comparer<'_> {
    fn compare(&mut self, lot: usize, record: &StoredRecord<'_>) -> Result<(), Problem> {
        let Self { plan, layout, batch, tally, .. } = self;
        let (a, b) = decode(layout, record, &mut self.sides.0, &mut self.sides.1)?;
        let is_matched = matches!(record.kind, RecordKind::Pair | RecordKind::Group);
        let matched = match record.matched.filter(|_| is_matched) {
            Some(matched) => Some(read_matched(record.number, matched)?),
            None => None,
        };
        let skip = matched.as_ref().map_or(&[][..], |matched| &matched.skip);
        self.sample.offer(lot, layout.spread_len(), record.kind, a, b);
        let found = find(plan, record.kind, a, b, skip, tally);
        let sides = PerSide { a, b };
        count_money(plan, self.money, record.kind, sides, matched.as_ref(), &found, tally);
        let row = called(layout, record.kind, [a, b], matched.as_ref(), &mut batch.partners);
        for difference in &found {
            let context = DifferenceContext {
                layout,
                field: difference.field,
                diff_type: difference.diff_type,
                severity: difference.severity,
                a,
                b,
                partner_rejected: record.partner_rejected,
                matched: record.matched,
            };
            let difference = DifferenceRow {
                record: record.number,
                row,
                field: difference.field,
                diff_type: difference.diff_type,
                severity: difference.severity,
                value_a: push_value(batch, difference, Side::A),
                value_b: push_value(batch, difference, Side::B),
                amount_abs: self.signer.amount(&context),
                attribution: None,
            };
            batch.differences.push(difference);
        }
        Ok(())
    }
}

/// The totals of the ingested rows, with the differences of their records.
fn between(mut totals: Vec<Money>, moved: Vec<Money>) -> Vec<Money> {
    for one in &mut totals {
        let same = |other: &&Money| other.field == one.field && other.currency == one.currency;
        if let Some(moved) = moved.iter().find(same) {
            one.missing_in_b = moved.missing_in_b;
            one.duplicates_a = moved.duplicates_a;
            one.differences = moved.differences;
            one.within_tolerance = moved.within_tolerance;
            one.missing_in_a = moved.missing_in_a;
            one.duplicates_b = moved.duplicates_b;
            one.within_tolerance_records = moved.within_tolerance_records;
        }
    }
    totals
}

/// How a stored record was matched.
pub(super) fn read_matched(record: u64, text: &str) -> Result<Matched, Problem> {
    serde_json::from_str(text).map_err(|reason| {
        let message = format!("record {record} of the store can't be read: {reason}");
        Problem::new(Code::Evidence, message)
            .help("something other than recon has changed the store; ingest again")
    })
}

/// Decodes the sides of a stored record into these buffers.
pub(super) fn decode<'b>(
    layout: &Layout,
    record: &StoredRecord<'_>,
    a: &'b mut Vec<u8>,
    b: &'b mut Vec<u8>,
) -> Result<(Option<Cells<'b>>, Option<Cells<'b>>), Problem> {
    let side = |text: Option<&str>, buffer: &'b mut Vec<u8>| {
        buffer.clear();
        let Some(text) = text else { return Ok::<_, Problem>(None) };
        evidence::read(layout, text, buffer).map_err(|reason| {
            let message = format!("record {} of the store can't be read: {reason}", record.number);
            Problem::new(Code::Evidence, message)
                .help("the store was changed from outside; ingest again")
        })?;
        Ok(Some(Cells::new(&*buffer)))
    };
    // A pair with identical sides has one text, decoded once.
    if let (Some(text_a), Some(text_b)) = (record.a, record.b)
        && std::ptr::eq(text_a, text_b)
    {
        let cells = side(record.a, a)?;
        b.clear();
        cells.into_iter().for_each(|cells| cells.push_to(b));
        return Ok((cells, Some(Cells::new(b))));
    }
    Ok((side(record.a, a)?, side(record.b, b)?))
}
