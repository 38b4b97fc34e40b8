//! Loads a result that was made on many machines into a store, as a run.
//!
//! Nothing is computed anew but the identities from date to date. The rows are counted as they are written, and the
//! run becomes visible only if all are there.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::path::PathBuf;

use serde_json::value::RawValue;

use super::super::Session;
use super::super::diff::read_matched;
use super::super::machine::Sampler;
use super::super::recorder::called;
use super::super::tally::Tally;
use super::close::Closed;
use crate::diagnostic::{Code, Problem};
use crate::domain::metadata::books_from_json;
use crate::domain::{
    Books, Cells, Confidence, DiffType, FieldRef, Layout, PerSide, RunStatus, Severity, Side,
    Status, evidence, place,
};
use crate::exchange::{Rows, StoredRow, Table, stored_rows};
use crate::store::{
    AttributionRow, Batch, DifferenceRow, RecordKind, RecordRow, RejectedRow, RunRow, Writer,
};

/// The files of each table.
pub type ImportedTables = BTreeMap<Table, Vec<PathBuf>>;

/// A batch is written once its text reaches this size.
const BATCH_TEXT: usize = 1 << 20;
/// Records after which a batch is written.
const BATCH_RECORDS: u64 = 8_192;

/// Loads the result as a run; the store is unchanged if that fails.
///
/// # Errors
/// A file can't be read, rows are missing or there twice, or the store failed.
pub fn import(
    session: Session<'_>,
    closed: &Closed,
    tables: &ImportedTables,
) -> Result<RunRow, Problem> {
    let store = session.store;
    store.repair()?;
    let (job, date) = closed.of()?;
    let id = closed.id()?;
    let _lock = store.lock(job, date, session.lock_timeout, session.progress)?;
    let new = closed.new_run()?;
    // Leftovers of a failed import have no rows.
    let is_left = |run: &RunRow| {
        let is_empty = run.status == RunStatus::Failed && run.stage.is_none();
        is_empty && run.job == new.job && run.layout == new.layout
    };
    let known = store.run(id)?;
    if known.as_ref().is_some_and(|run| !is_left(run)) {
        return Err(Problem::new(Code::RunExists, format!("run {id} is in the store already")));
    }
    store.sync_reason_codes(job, &closed.reason_codes())?;
    match known {
        None => store.create_run(&new)?,
        Some(_) => store.resume_run(id)?,
    }
    let result = (|| {
        let mut writer = store.writer(id)?;
        let (share, basis) = &closed.blind_checks;
        let mut sampler = Sampler::of(job, date, *share);
        write_all(session, closed, tables, &mut *writer, &mut sampler)?;
        if sampler.is_on() {
            store.sample_for_audit(id, basis, &sampler.chosen)?;
        }
        writer.finish(&closed.finish()?)
    })();
    session.progress.finish();
    if let Err(problem) = result {
        // The first error matters more than a failed cleanup; the next command repairs.
        let _ = store.fail_run(id, &problem.message);
        return Err(problem);
    }
    store.run(id)?.ok_or_else(|| super::super::gone(id))
}

fn incomplete(message: impl Into<String>) -> Problem {
    Problem::new(Code::ResultIncomplete, message)
}

/// Writes all rows, and proves that they are those that the run has counted.
fn write_all(
    session: Session<'_>,
    closed: &Closed,
    tables: &ImportedTables,
    writer: &mut dyn Writer,
    sampler: &mut Sampler,
) -> Result<(), Problem> {
    let layout = closed.layout()?;
    let functional: HashMap<String, bool> =
        closed.reason_codes().into_iter().map(|one| (one.code, one.functional)).collect();
    let merged = |table| Merged::open(table, closed, tables);
    let records = merged(Table::Record)?;
    let mut differences = merged(Table::Difference)?.peekable();
    let mut attributions = merged(Table::Attribution)?;
    let mut work = Work {
        layout: &layout,
        functional,
        batch: Batch::default(),
        tally: Tally::default(),
        a: Vec::new(),
        b: Vec::new(),
    };
    let mut written = 0;
    for record in records {
        let (number, record) = record?;
        if session.progress.interrupted() {
            return Err(Problem::interrupted());
        }
        if number != written + 1 {
            return Err(incomplete(format!(
                "record {} is not there; the next one is record {number}",
                written + 1
            )));
        }
        written = number;
        let mut own = Vec::new();
        while let Some(next) = differences
            .next_if(|next| next.as_ref().is_ok_and(|(of, _)| *of <= number) || next.is_err())
        {
            let (of, difference) = next?;
            let Some((given_to, attribution)) = attributions.next().transpose()? else {
                return Err(incomplete(format!("a difference of record {of} has no attribution")));
            };
            if of != number || given_to != of {
                return Err(incomplete(format!(
                    "differences and attributions do not fit record {number}"
                )));
            }
            own.push((difference, attribution));
        }
        work.record(number, &record, &own)?;
        if work.batch.text_len() > BATCH_TEXT || work.batch.record_count() >= BATCH_RECORDS {
            sampler.look_at(&work.batch);
            writer.write(&work.batch)?;
            work.batch.clear();
        }
    }
    if differences.next().is_some() || attributions.next().is_some() {
        return Err(incomplete(
            "there are differences or attributions of records that are not there",
        ));
    }
    sampler.look_at(&work.batch);
    writer.write(&work.batch)?;
    let rejected = rejected(tables)?;
    for row in &rejected {
        work.tally.books.rejected[row.side] += 1;
    }
    for rows in rejected.chunks(1_024) {
        writer.write(&Batch::of_rejected(rows.to_vec()))?;
    }
    prove(closed, &layout, &work.tally)
}

/// The rejected rows in the order of their places.
fn rejected(tables: &ImportedTables) -> Result<Vec<RejectedRow>, Problem> {
    let mut rejected = Vec::new();
    for path in tables.get(&Table::Rejected).into_iter().flatten() {
        for row in stored_rows(Table::Rejected, path)? {
            let row = row?;
            let text = |name: &str| row.text(name).unwrap_or_default().to_owned();
            let number = |name: &str| row.count(name).unwrap_or_default();
            rejected.push(RejectedRow {
                side: if row.text("side") == Some(Side::B.name()) { Side::B } else { Side::A },
                line: number("line"),
                offset: place::in_input(number("input"), number("offset")),
                code: text("code"),
                message: text("message"),
                text: text("text"),
                key: row.text("key").map(str::to_owned),
            });
        }
    }
    rejected.sort_by_key(|row| (row.side, place::input_of(row.offset), row.line, row.offset));
    Ok(rejected)
}

/// Compares the written rows with the run's counts.
fn prove(closed: &Closed, layout: &Layout, tally: &Tally) -> Result<(), Problem> {
    let counts = closed.counts().cloned().unwrap_or_default();
    let told: Books = books_from_json(&counts).map_err(|error| {
        Problem::new(
            Code::ResultUnreadable,
            format!("the counts of the run can't be read: {error}"),
        )
    })?;
    let found = tally.books(layout);
    let mut pairs = vec![
        ("rejected rows of A", told.rejected.a, found.rejected.a),
        ("rejected rows of B", told.rejected.b, found.rejected.b),
        ("records with differences", told.breaks, found.breaks),
        ("differences", closed.total_differences, found.differences()),
    ];
    if closed.keep_all {
        pairs.extend([
            ("records", closed.total_records, found.records()),
            ("pairs", told.aligned, found.aligned),
            ("groups", told.groups, found.groups),
            ("records missing in A", told.missing_in.a, found.missing_in.a),
            ("records missing in B", told.missing_in.b, found.missing_in.b),
            ("duplicates of A", told.duplicates.a, found.duplicates.a),
            ("duplicates of B", told.duplicates.b, found.duplicates.b),
        ]);
    }
    for (what, told, found) in pairs {
        if told != found {
            return Err(incomplete(format!("the run has {told} {what}, but {found} are there")));
        }
    }
    let by =
        |counts: &[crate::store::AttributionCount]| -> BTreeSet<(String, String, String, u64)> {
            let one = |one: &crate::store::AttributionCount| {
                let status = one.status.name().to_owned();
                (one.reason.clone(), status, one.assigned_by.clone(), one.count)
            };
            counts.iter().map(one).collect()
        };
    if told.by_field_and_type != found.by_field_and_type
        || by(&closed.attributions) != by(&tally.attributions)
    {
        return Err(incomplete(
            "differences or attributions by their kind are not as many as the run has counted",
        ));
    }
    Ok(())
}

/// The rows of all files of a table, in the order of their records.
struct Merged<'c> {
    table: Table,
    closed: &'c Closed,
    files: Vec<(PathBuf, Rows, u64)>,
    heads: BinaryHeap<Reverse<Head>>,
    failed: Option<Problem>,
}

/// The next row of a file.
struct Head {
    number: u64,
    file: usize,
    row: StoredRow,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        (self.number, self.file) == (other.number, other.file)
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.number, self.file).cmp(&(other.number, other.file))
    }
}

impl<'c> Merged<'c> {
    fn open(table: Table, closed: &'c Closed, tables: &ImportedTables) -> Result<Self, Problem> {
        let mut files = Vec::new();
        for path in tables.get(&table).into_iter().flatten() {
            files.push((path.clone(), stored_rows(table, path)?, 0));
        }
        let mut merged = Self { table, closed, files, heads: BinaryHeap::new(), failed: None };
        for file in 0..merged.files.len() {
            merged.advance(file)?;
        }
        Ok(merged)
    }

    /// Looks at the next row of a file.
    fn advance(&mut self, file: usize) -> Result<(), Problem> {
        let Some((path, rows, last)) = self.files.get_mut(file) else { return Ok(()) };
        let Some(row) = rows.next().transpose()? else { return Ok(()) };
        let slot = || {
            let (slot, index) = row.slot()?;
            Some(self.closed.first.get(slot as usize)? + index)
        };
        let number = row.record_number().or_else(slot).ok_or_else(|| {
            let message = format!(
                "a row of {} says neither its `record_number` nor its `slot` and `index`",
                self.table.plural()
            );
            Problem::new(Code::ResultUnreadable, message).in_file(&*path)
        })?;
        if number < *last {
            let message = "the rows are not in the order of their records";
            return Err(Problem::new(Code::ResultUnreadable, message)
                .in_file(&*path)
                .help("write each file in the order in which `recon shard join` gave its rows"));
        }
        *last = number;
        self.heads.push(Reverse(Head { number, file, row }));
        Ok(())
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<(u64, StoredRow), Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.failed.take() {
            return Some(Err(problem));
        }
        let Reverse(Head { number, file, row }) = self.heads.pop()?;
        // The row at hand comes first, then the failure to read the next one.
        self.failed = self.advance(file).err();
        Some(Ok((number, row)))
    }
}

/// Turns stored rows into batches.
struct Work<'l> {
    layout: &'l Layout,
    functional: HashMap<String, bool>,
    batch: Batch,
    tally: Tally,
    a: Vec<u8>,
    b: Vec<u8>,
}

impl Work<'_> {
    fn record(
        &mut self,
        number: u64,
        row: &StoredRow,
        differences: &[(StoredRow, StoredRow)],
    ) -> Result<(), Problem> {
        let kind = row.text("kind").and_then(RecordKind::from_name);
        let kind = kind.ok_or_else(|| wrong(number, "its kind is unknown"))?;
        let mut has = PerSide::of(|_| false);
        for (side, name) in [(Side::A, "normalized_data_a"), (Side::B, "normalized_data_b")] {
            let buffer = if side == Side::A { &mut self.a } else { &mut self.b };
            buffer.clear();
            if let Some(object) = row.text(name) {
                read_object(self.layout, object, buffer).map_err(|error| wrong(number, &error))?;
                has[side] = true;
            }
        }
        let sides = PerSide {
            a: has.a.then(|| Cells::new(&self.a)),
            b: has.b.then(|| Cells::new(&self.b)),
        };
        let place = |side: Side| {
            let of = |what: &str| row.count(&format!("{what}_{}", side.letter()));
            let offset = place::in_input(of("input").unwrap_or_default(), of("offset")?);
            Some((of("line")?, offset))
        };
        let matched_text = row.text("match_details");
        let matched = matched_text.map(|text| read_matched(number, text)).transpose()?;
        let is_match = matches!(kind, RecordKind::Pair | RecordKind::Group);
        let known = matched.as_ref().filter(|_| is_match);
        let partners = &mut self.batch.partners;
        let name = called(self.layout, kind, [sides.a, sides.b], known, partners);
        let stored = RecordRow {
            kind,
            a: sides.a,
            b: sides.b,
            partner_rejected: row.flag("partner_rejected"),
            place_a: place(Side::A),
            place_b: place(Side::B),
            matched: matched_text,
        };
        self.batch.record(&stored);
        count(&mut self.tally, kind, !differences.is_empty());
        for (difference, attribution) in differences {
            self.difference(number, name, difference, attribution)?;
        }
        Ok(())
    }

    fn difference(
        &mut self,
        number: u64,
        name: u64,
        row: &StoredRow,
        given: &StoredRow,
    ) -> Result<(), Problem> {
        let wrong = |what: &str| wrong(number, what);
        let field = match row.count("field") {
            Some(0) => FieldRef::EntireRecord,
            Some(at) if at <= self.layout.len() as u64 => {
                FieldRef::Field(u16::try_from(at - 1).unwrap_or_default())
            }
            _ => return Err(wrong("the field of a difference is invalid")),
        };
        let diff_type = row.text("diff_type").and_then(DiffType::from_name);
        let diff_type = diff_type.ok_or_else(|| wrong("the type of a difference is unknown"))?;
        let severity = row.text("severity").and_then(Severity::from_name);
        let severity = severity.ok_or_else(|| wrong("the severity of a difference is unknown"))?;
        let status = given.text("status").and_then(Status::from_name);
        let status = status.ok_or_else(|| wrong("the status of an attribution is unknown"))?;
        let confidence = given.real("confidence_score").and_then(Confidence::new);
        let confidence = confidence.ok_or_else(|| wrong("a confidence is not from 0 to 1"))?;
        let (Some(reason), Some(assigned_by)) =
            (given.text("reason_code"), given.text("assigned_by"))
        else {
            return Err(wrong("an attribution has no reason"));
        };
        let Some(functional) = self.functional.get(reason).copied() else {
            return Err(wrong(&format!("the job has no reason code {reason}")));
        };
        self.tally.difference(field, diff_type);
        self.tally.attribution_of(reason, status, assigned_by, functional);
        let batch = &mut self.batch;
        let mut text = |text: Option<&str>| text.map(|text| batch.push(text));
        let value_a = text(row.text("value_a"));
        let value_b = text(row.text("value_b"));
        let explanation = text(given.text("explanation"));
        let signature = text(given.text("signature")).zip(text(given.text("signature_label")));
        let (reason, assigned_by) = (batch.push(reason), batch.push(assigned_by));
        let attribution =
            AttributionRow { reason, confidence, status, assigned_by, explanation, signature };
        batch.differences.push(DifferenceRow {
            record: number,
            row: name,
            field,
            diff_type,
            severity,
            value_a,
            value_b,
            amount_abs: given.real("amount_abs"),
            attribution: Some(attribution),
        });
        Ok(())
    }
}

fn wrong(number: u64, what: &str) -> Problem {
    Problem::new(Code::ResultUnreadable, format!("record {number} can't be read: {what}"))
}

/// Counts a record as the recorder does.
fn count(tally: &mut Tally, kind: RecordKind, is_break: bool) {
    let books = &mut tally.books;
    match kind {
        RecordKind::Pair => books.aligned += 1,
        RecordKind::Group => books.groups += 1,
        RecordKind::OnlyA => books.missing_in.b += 1,
        RecordKind::OnlyB => books.missing_in.a += 1,
        RecordKind::SurplusA => books.duplicates.a += 1,
        RecordKind::SurplusB => books.duplicates.b += 1,
    }
    books.breaks += u64::from(is_break);
}

/// The cells of an object of a side's values.
fn read_object(layout: &Layout, object: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let values: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(object).map_err(|error| error.to_string())?;
    let mut array = String::with_capacity(object.len());
    for (at, name) in layout.names().enumerate() {
        array.push(if at == 0 { '[' } else { ',' });
        let value = values.get(name).ok_or_else(|| format!("it has no `{name}`"))?;
        array.push_str(value.get());
    }
    array.push_str(if layout.is_empty() { "[]" } else { "]" });
    evidence::read(layout, &array, out)
}
