//! Turns a placed row into what is stored: evidence, differences, reasons and gate status.

use crate::align::Placed;
use crate::attribute::Attributor;
use crate::diagnostic::Problem;
use crate::domain::gate;
use crate::domain::{
    AssignedBy, Attribution, Cells, DiffType, DifferenceContext, FieldRef, RawCell, RowRef,
    Severity, Side, Status, evidence,
};
use crate::store::{AttributionRow, Batch, DifferenceRow, RecordKind, RecordRow, Text};

use super::Plan;
use super::signer::Signer;
use super::tally::Tally;

/// How far a pass over the sources goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Store every record as evidence (`recon ingest`).
    Ingest,
    /// Compare and attribute as well (`recon run`).
    Attribute,
}

/// One side of a record with its position in the source.
#[derive(Clone, Copy, Debug)]
struct Present<'a> {
    cells: Cells<'a>,
    place: (u64, u64),
}

impl<'a> From<RowRef<'a>> for Present<'a> {
    fn from(row: RowRef<'a>) -> Self {
        Self { cells: row.cells(), place: (row.line, row.offset) }
    }
}

/// A difference before attribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub field: FieldRef,
    pub diff_type: DiffType,
    pub severity: Severity,
    pub a: Option<RawCell<'a>>,
    pub b: Option<RawCell<'a>>,
}

/// Turns placed rows into batches, on one thread.
pub(super) struct Recorder<'p> {
    plan: &'p Plan,
    depth: Depth,
    attributor: Option<Attributor<'p>>,
    /// Field and kind of all differences of the current record.
    together: Vec<(FieldRef, DiffType)>,
    pub tally: Tally,
    batch: Batch,
    signer: Signer<'p>,
}

impl<'p> Recorder<'p> {
    pub fn new(plan: &'p Plan, depth: Depth, attributor: Option<Attributor<'p>>) -> Self {
        let (tally, batch) = (Tally::default(), Batch::default());
        let signer = Signer::new(plan);
        Self { plan, depth, attributor, together: Vec::new(), tally, batch, signer }
    }

    /// Takes the batch recorded so far, numbered from 1, and continues in `next`, which is empty.
    pub fn take(&mut self, next: Batch) -> Batch {
        self.signer.next_batch();
        std::mem::replace(&mut self.batch, next)
    }

    /// A rule failure that ends the run, as an error; with `of_any`, any failure does.
    pub fn stop_on_failure(&self, of_any: bool) -> Result<(), Problem> {
        self.attributor.as_ref().map_or(Ok(()), |attributor| attributor.stop_on_failure(of_any))
    }

    /// The counts, the number of rule failures, and the first of them.
    pub fn finish(self) -> (Tally, u64, Vec<Problem>) {
        let (failed, failures) = self.attributor.map_or((0, Vec::new()), Attributor::failures);
        (self.tally, failed, failures)
    }

    pub fn place(&mut self, placed: Placed<'_>) {
        let books = &mut self.tally.books;
        match placed {
            Placed::Pair(a, b) => {
                books.aligned += 1;
                self.record(RecordKind::Pair, Some(a.into()), Some(b.into()), None);
            }
            Placed::Alone { side, row, rejected_partner } => {
                books.missing_in[side.other()] += 1;
                let row = Some(row.into());
                match side {
                    Side::A => self.record(RecordKind::OnlyA, row, None, rejected_partner),
                    Side::B => self.record(RecordKind::OnlyB, None, row, rejected_partner),
                }
            }
            Placed::Surplus { side, row, rejected_partner } => {
                books.duplicates[side] += 1;
                let row = Some(row.into());
                match side {
                    Side::A => self.record(RecordKind::SurplusA, row, None, rejected_partner),
                    Side::B => self.record(RecordKind::SurplusB, None, row, rejected_partner),
                }
            }
        }
    }

    fn record(
        &mut self,
        kind: RecordKind,
        a: Option<Present<'_>>,
        b: Option<Present<'_>>,
        rejected_partner: Option<(u64, u64)>,
    ) {
        let cells_a = a.map(|present| present.cells);
        let cells_b = b.map(|present| present.cells);
        if self.depth == Depth::Attribute {
            let number = self.batch.record_count() + 1;
            let found = find(self.plan, kind, cells_a, cells_b, &mut self.tally);
            self.judge(number, &found, cells_a, cells_b, rejected_partner.is_some());
            if found.is_empty() && !self.plan.options.keep_all {
                return;
            }
        }
        self.batch.record(&RecordRow {
            kind,
            a: cells_a,
            b: cells_b,
            partner_rejected: rejected_partner.is_some(),
            place_a: a.map(|present| present.place).or(rejected_partner),
            place_b: b.map(|present| present.place).or(rejected_partner),
        });
    }

    /// Stores the differences of a record with their reasons, and counts its gate status.
    fn judge(
        &mut self,
        record: u64,
        found: &[Found<'_>],
        a: Option<Cells<'_>>,
        b: Option<Cells<'_>>,
        partner_rejected: bool,
    ) {
        let Some(attributor) = self.attributor.as_mut() else { return };
        let mut verdicts: Vec<(Status, bool)> = Vec::with_capacity(found.len());
        self.together.clear();
        self.together.extend(found.iter().map(|found| (found.field, found.diff_type)));
        for difference in found {
            let context = DifferenceContext {
                layout: &self.plan.layout,
                field: difference.field,
                diff_type: difference.diff_type,
                severity: difference.severity,
                a,
                b,
                partner_rejected,
            };
            let attribution = attributor.decide(&context, &self.together);
            let functional = self.plan.attribution.is_functional(&attribution.reason);
            verdicts.push((attribution.status, functional));
            self.tally.attribution(&attribution, functional);
            let mut given = push_attribution(&mut self.batch, &attribution);
            let signed = self.signer.sign(&mut self.batch, &context, &attribution.reason);
            given.signature = Some(signed);
            let row = DifferenceRow {
                record,
                field: difference.field,
                diff_type: difference.diff_type,
                severity: difference.severity,
                value_a: push_value(&mut self.batch, difference, Side::A),
                value_b: push_value(&mut self.batch, difference, Side::B),
                amount_abs: self.signer.amount(&context),
                attribution: Some(given),
            };
            self.batch.differences.push(row);
        }
        self.tally.gate(gate::verdict(verdicts));
    }
}

/// Counts a record and its differences without storing them.
pub(super) fn survey(plan: &Plan, placed: &Placed<'_>, tally: &mut Tally) {
    let (kind, a, b) = match placed {
        Placed::Pair(a, b) => {
            tally.books.aligned += 1;
            (RecordKind::Pair, Some(a.cells()), Some(b.cells()))
        }
        Placed::Alone { side, row, .. } => {
            tally.books.missing_in[side.other()] += 1;
            match side {
                Side::A => (RecordKind::OnlyA, Some(row.cells()), None),
                Side::B => (RecordKind::OnlyB, None, Some(row.cells())),
            }
        }
        Placed::Surplus { side, row, .. } => {
            tally.books.duplicates[*side] += 1;
            match side {
                Side::A => (RecordKind::SurplusA, Some(row.cells()), None),
                Side::B => (RecordKind::SurplusB, None, Some(row.cells())),
            }
        }
    };
    find(plan, kind, a, b, tally);
}

/// The differences of a record, counted in `tally`.
pub(super) fn find<'a>(
    plan: &Plan,
    kind: RecordKind,
    a: Option<Cells<'a>>,
    b: Option<Cells<'a>>,
    tally: &mut Tally,
) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    if let (RecordKind::Pair, Some(a), Some(b)) = (kind, a, b) {
        let result = plan.comparison.pair(a, b, |at, diff_type, a, b| {
            let severity = plan.comparison.severity(at, diff_type);
            let field = FieldRef::Field(at);
            found.push(Found { field, diff_type, severity, a: Some(a), b: Some(b) });
        });
        if found.is_empty() {
            tally.books.matched += 1;
            tally.books.within_tolerance += u64::from(result.within > 0);
        }
    } else {
        let diff_type = match kind {
            RecordKind::Pair | RecordKind::OnlyA => DiffType::MissingInSourceB,
            RecordKind::OnlyB => DiffType::MissingInSourceA,
            RecordKind::SurplusA => DiffType::DuplicateInSourceA,
            RecordKind::SurplusB => DiffType::DuplicateInSourceB,
        };
        let severity = diff_type.default_severity();
        let field = FieldRef::EntireRecord;
        found.push(Found { field, diff_type, severity, a: None, b: None });
    }
    tally.books.breaks += u64::from(!found.is_empty());
    for difference in &found {
        tally.difference(difference.field, difference.diff_type);
    }
    found
}

/// Adds one side's canonical text to the batch: `None` for null, `EXISTS` on the side that has the
/// whole record.
pub(super) fn push_value(batch: &mut Batch, found: &Found<'_>, side: Side) -> Option<Text> {
    let raw = match side {
        Side::A => found.a,
        Side::B => found.b,
    };
    match found.field {
        FieldRef::EntireRecord => {
            let has = match found.diff_type {
                DiffType::MissingInSourceB | DiffType::DuplicateInSourceA => Side::A,
                _ => Side::B,
            };
            (has == side).then(|| batch.push(FieldRef::EXISTS))
        }
        FieldRef::Field(_) => raw.filter(|raw| !raw.is_null()).map(|raw| {
            batch.build(|text| {
                use std::fmt::Write as _;
                let _ = write!(text, "{}", raw.decode(&mut [0; 36]));
            })
        }),
    }
}

pub(super) fn push_attribution(batch: &mut Batch, attribution: &Attribution) -> AttributionRow {
    let assigned_by = match &attribution.assigned_by {
        AssignedBy::Rule(function) => batch.build(|text| {
            text.push_str("RULE:");
            text.push_str(function);
        }),
        other => batch.push(&other.to_string()),
    };
    AttributionRow {
        reason: batch.push(&attribution.reason),
        confidence: attribution.confidence,
        status: attribution.status,
        assigned_by,
        explanation: explanation(batch, attribution),
        signature: None,
    }
}

/// Adds the notes and the model's explanation as a JSON object; `None` if there is neither.
fn explanation(batch: &mut Batch, attribution: &Attribution) -> Option<Text> {
    let Attribution { notes, model, .. } = attribution;
    (!notes.is_empty() || model.is_some()).then(|| {
        batch.build(|text| {
            text.push('{');
            if !notes.is_empty() {
                text.push_str("\"notes\":[");
                for (at, note) in notes.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    evidence::write_json_string(note, text);
                }
                text.push(']');
            }
            if let Some(model) = model {
                text.push_str(if notes.is_empty() { "\"model\":" } else { ",\"model\":" });
                text.push_str(model);
            }
            text.push('}');
        })
    })
}
