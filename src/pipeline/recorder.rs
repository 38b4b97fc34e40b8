//! Turns a placed row into stored evidence, differences, reasons and gate status.

use crate::align::Placed;
use crate::attribute::{Attributor, RuleFailures};
use crate::diagnostic::Problem;
use crate::domain::gate;
use crate::domain::money::with_rows;
use crate::domain::{
    AssignedBy, Attribution, Cells, DiffType, DifferenceContext, FieldRef, Layout, Matched, Member,
    MoneyFields, PerSide, RawCell, RowRef, Severity, Side, Status, evidence, identity,
};
use crate::store::{AttributionRow, Batch, DifferenceRow, RecordKind, RecordRow, Text};

use super::Plan;
use super::matching::Entry;
use super::settle::{self, Settled};
use super::signer::Signer;
use super::tally::Tally;

/// Stages that a pass over the sources includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Store every record as evidence (`recon ingest`).
    Ingest,
    /// Compare and attribute as well (`recon run`).
    Attribute,
}

/// A difference before attribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewDifference<'a> {
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

    /// The counts and the rule failures.
    pub fn finish(self) -> (Tally, RuleFailures) {
        (self.tally, self.attributor.map(Attributor::failures).unwrap_or_default())
    }

    pub fn place(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Keyed(placed) => {
                count(&mut self.tally, &placed);
                // With `ref`, a pair of the key is not called by the key.
                let known = settle::known(self.plan, &placed);
                let row = RecordRow { matched: known.as_deref(), ..record_of(self.plan, &placed) };
                self.record(&row, None);
            }
            Entry::Settled(settled) => {
                let matched = settled.matched();
                count_settled(&mut self.tally, &settled, &matched);
                self.record(&row_of(&settled), Some(&matched));
            }
        }
    }

    /// Adds the rows of a part to the totals of their sides.
    pub fn totals(&mut self, rows: PerSide<&[RowRef<'_>]>) {
        add_totals(&self.plan.money, rows, &mut self.tally);
    }

    fn record(&mut self, row: &RecordRow<'_>, matched: Option<&Matched>) {
        if self.depth == Depth::Attribute {
            let number = self.batch.record_count() + 1;
            let skip = matched.map_or(&[][..], |matched| &matched.skip);
            let found = find(self.plan, row.kind, row.a, row.b, skip, &mut self.tally);
            let sides = PerSide { a: row.a, b: row.b };
            count_money(
                self.plan,
                &self.plan.money,
                row.kind,
                sides,
                matched,
                &found,
                &mut self.tally,
            );
            let partners = &mut self.batch.partners;
            let called = called(&self.plan.layout, row.kind, [row.a, row.b], matched, partners);
            self.judge(number, called, &found, row);
            if found.is_empty() && !self.plan.options.keep_all {
                return;
            }
        }
        self.batch.record(row);
    }

    /// Stores the differences of a record with their reasons, and counts the verdict on it.
    fn judge(
        &mut self,
        record: u64,
        called: u64,
        found: &[NewDifference<'_>],
        evidence: &RecordRow<'_>,
    ) {
        let Some(attributor) = self.attributor.as_mut() else { return };
        if found.is_empty() {
            return self.tally.gate(gate::verdict([]));
        }
        let mut verdicts: Vec<(Status, bool)> = Vec::with_capacity(found.len());
        self.together.clear();
        self.together.extend(found.iter().map(|found| (found.field, found.diff_type)));
        for difference in found {
            let context = DifferenceContext {
                layout: &self.plan.layout,
                field: difference.field,
                diff_type: difference.diff_type,
                severity: difference.severity,
                a: evidence.a,
                b: evidence.b,
                partner_rejected: evidence.partner_rejected,
                matched: evidence.matched,
            };
            let attribution = attributor.decide(&context, &self.together);
            let plan = &self.plan.attribution;
            let functional = self.tally.attribution(&attribution, |code| plan.is_functional(code));
            verdicts.push((attribution.status, functional));
            let mut given = push_attribution(&mut self.batch, &attribution);
            let values = [difference.a, difference.b];
            let signed = self.signer.sign(&mut self.batch, &context, values, &attribution.reason);
            given.signature = Some(signed);
            let row = DifferenceRow {
                record,
                row: called,
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

/// Identity of a record from date to date; if its rows were matched, `partners` gets the identity of each. A group
/// goes by its one side.
pub(super) fn called(
    layout: &Layout,
    kind: RecordKind,
    [a, b]: [Option<Cells<'_>>; 2],
    matched: Option<&Matched>,
    partners: &mut Vec<u64>,
) -> u64 {
    let of = |side: Side, cells: Option<Cells<'_>>| {
        cells.map(|cells| identity::of_row(layout, side, cells))
    };
    let is_group = kind == RecordKind::Group;
    if kind != RecordKind::Pair && !is_group {
        return of(Side::A, a).or_else(|| of(Side::B, b)).unwrap_or_default();
    }
    let mut member = |side: Side, member: &Member| {
        let mut cells = Vec::new();
        evidence::read(layout, member.values.get(), &mut cells).ok()?;
        let name = identity::of_row(layout, side, Cells::new(&cells));
        partners.push(name);
        Some(name)
    };
    let mut first = [None, None];
    for (side, members) in matched.iter().flat_map(|one| [(Side::A, &one.a), (Side::B, &one.b)]) {
        for one in members {
            let name = member(side, one);
            let first = &mut first[side as usize];
            *first = first.or(name);
        }
    }
    let by_b = is_group && matched.is_some_and(|matched| matched.b.len() == 1);
    let [a, b] = match first {
        // Both rows of a pair by the key have one name.
        [None, None]
            if layout.key_len() > 0 && matched.is_none_or(|matched| matched.pass.is_none()) =>
        {
            let name = of(Side::A, a);
            if let Some(name) = name {
                partners.push(name);
            }
            [name, None]
        }
        [None, None] => {
            let names = [of(Side::A, a), of(Side::B, b)];
            partners.extend(names.into_iter().flatten());
            names
        }
        names => names,
    };
    let (lead, other) = if by_b { (b, a) } else { (a, b) };
    lead.or(other).unwrap_or_default()
}

/// Counts a record and its differences for statistics of the run, and stores nothing.
pub(super) fn survey(plan: &Plan, entry: &Entry<'_>, tally: &mut Tally) {
    match entry {
        Entry::Keyed(placed) => {
            count(tally, placed);
            let row = record_of(plan, placed);
            find(plan, row.kind, row.a, row.b, &[], tally);
        }
        Entry::Settled(settled) => {
            let matched = settled.matched();
            count_settled(tally, settled, &matched);
            find(plan, settled.kind, settled.a, settled.b, &matched.skip, tally);
        }
    }
}

/// Adds rows that take part to the totals of their sides.
pub(super) fn add_totals(fields: &MoneyFields, rows: PerSide<&[RowRef<'_>]>, tally: &mut Tally) {
    if fields.is_empty() {
        return;
    }
    for side in Side::BOTH {
        for row in rows[side].iter().filter(|row| !row.rejected) {
            tally.money.row(fields, side, row.cells(), (row.line, row.offset));
        }
    }
}

/// Counts a record's part in the difference of A's and B's totals.
pub(super) fn count_money(
    plan: &Plan,
    fields: &MoneyFields,
    kind: RecordKind,
    sides: PerSide<Option<Cells<'_>>>,
    matched: Option<&Matched>,
    found: &[NewDifference<'_>],
    tally: &mut Tally,
) {
    if fields.is_empty() {
        return;
    }
    if let (RecordKind::Pair, Some(a), Some(b)) = (kind, sides.a, sides.b)
        && (a.are_same_bytes(b) || fields.agree(a, b))
    {
        return;
    }
    let is_different = |at: usize| {
        found
            .iter()
            .any(|found| found.field == FieldRef::Field(u16::try_from(at).unwrap_or(u16::MAX)))
    };
    with_rows(&plan.layout, sides, matched, |rows| {
        tally.money.record(fields, kind.fate(), rows, &is_different);
    });
}

/// Counts the rows of a record.
fn count(tally: &mut Tally, placed: &Placed<'_>) {
    match placed {
        Placed::Pair(..) => tally.books.aligned += 1,
        Placed::Alone { side, .. } => tally.books.missing_in[side.other()] += 1,
        Placed::Surplus { side, .. } => tally.books.duplicates[*side] += 1,
    }
}

/// Counts the rows of a record of the passes.
fn count_settled(tally: &mut Tally, settled: &Settled<'_>, matched: &Matched) {
    let books = &mut tally.books;
    match settled.kind {
        RecordKind::Pair => books.aligned += 1,
        RecordKind::Group => {
            books.groups += 1;
            let members = matched.members();
            books.grouped.a += members.a as u64;
            books.grouped.b += members.b as u64;
        }
        RecordKind::OnlyA => books.missing_in.b += 1,
        RecordKind::OnlyB => books.missing_in.a += 1,
        RecordKind::SurplusA => books.duplicates.a += 1,
        RecordKind::SurplusB => books.duplicates.b += 1,
    }
    if let (Some(pass), Some(shape), Some(certificate)) =
        (&matched.pass, &matched.shape, &matched.certificate)
    {
        books.matches.get_or_insert_default().count(pass, shape, certificate, 1);
    }
}

/// The record to store of a row or a pair by the key.
fn record_of<'a>(plan: &Plan, placed: &Placed<'a>) -> RecordRow<'a> {
    let place = |row: RowRef<'_>| plan.carried.place(&row);
    let one_sided = |kind, side, row: RowRef<'a>, rejected: Option<(u64, u64)>| {
        let cells = |of: Side| (of == side).then(|| row.cells());
        let place = |of: Side| if of == side { Some(place(row)) } else { rejected };
        RecordRow {
            kind,
            a: cells(Side::A),
            b: cells(Side::B),
            partner_rejected: rejected.is_some(),
            place_a: place(Side::A),
            place_b: place(Side::B),
            matched: None,
        }
    };
    match *placed {
        Placed::Pair(a, b) => RecordRow {
            kind: RecordKind::Pair,
            a: Some(a.cells()),
            b: Some(b.cells()),
            partner_rejected: false,
            place_a: Some(place(a)),
            place_b: Some(place(b)),
            matched: None,
        },
        Placed::Alone { side, row, rejected_partner } => {
            let kind = if side == Side::A { RecordKind::OnlyA } else { RecordKind::OnlyB };
            one_sided(kind, side, row, rejected_partner)
        }
        Placed::Surplus { side, row, rejected_partner } => {
            let kind = if side == Side::A { RecordKind::SurplusA } else { RecordKind::SurplusB };
            one_sided(kind, side, row, rejected_partner)
        }
    }
}

/// The record to store of a match made by a pass.
const fn row_of<'a>(settled: &Settled<'a>) -> RecordRow<'a> {
    RecordRow {
        kind: settled.kind,
        a: settled.a,
        b: settled.b,
        partner_rejected: settled.partner_rejected,
        place_a: settled.place_a,
        place_b: settled.place_b,
        matched: Some(settled.matched),
    }
}

/// The differences of a record, counted in `tally`; without those of the fields to be skipped.
pub(super) fn find<'a>(
    plan: &Plan,
    kind: RecordKind,
    a: Option<Cells<'a>>,
    b: Option<Cells<'a>>,
    skip: &[usize],
    tally: &mut Tally,
) -> Vec<NewDifference<'a>> {
    let mut found = Vec::new();
    if let (RecordKind::Pair | RecordKind::Group, Some(a), Some(b)) = (kind, a, b) {
        let result = plan.comparison.pair(a, b, |at, diff_type, a, b| {
            if skip.contains(&usize::from(at)) {
                return;
            }
            let severity = plan.comparison.severity(at, diff_type);
            let field = FieldRef::Field(at);
            found.push(NewDifference { field, diff_type, severity, a: Some(a), b: Some(b) });
        });
        if found.is_empty() {
            tally.books.matched += 1;
            tally.books.within_tolerance += u64::from(result.within > 0);
        }
    } else {
        let diff_type = match kind {
            RecordKind::Pair | RecordKind::Group | RecordKind::OnlyA => DiffType::MissingInSourceB,
            RecordKind::OnlyB => DiffType::MissingInSourceA,
            RecordKind::SurplusA => DiffType::DuplicateInSourceA,
            RecordKind::SurplusB => DiffType::DuplicateInSourceB,
        };
        let severity = diff_type.default_severity();
        let field = FieldRef::EntireRecord;
        found.push(NewDifference { field, diff_type, severity, a: None, b: None });
    }
    tally.books.breaks += u64::from(!found.is_empty());
    for difference in &found {
        tally.difference(difference.field, difference.diff_type);
    }
    found
}

/// Adds one side's canonical text to the batch: `None` for null, `EXISTS` on the side that has the
/// whole record.
pub(super) fn push_value(batch: &mut Batch, found: &NewDifference<'_>, side: Side) -> Option<Text> {
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
