//! Walks a stored run record by record, with all differences of a record at once, because features
//! may use the other differences of the record.

use std::ops::ControlFlow;

use crate::diagnostic::Problem;
use crate::domain::{Cells, DiffType, DifferenceContext, FieldRef, Layout, RunId, Severity};
use crate::store::run::OwnedAttribution;
use crate::store::{DifferenceLot, Store, StoredDifference, StoredRecord};

use super::diff::decode;

#[derive(Clone, Debug)]
pub(super) struct RecordDifference {
    pub number: u64,
    pub field: FieldRef,
    pub diff_type: DiffType,
    pub severity: Severity,
    pub attribution: Option<CurrentAttribution>,
}

/// The stored attribution of a difference.
#[derive(Clone, Debug)]
pub(super) struct CurrentAttribution {
    pub attribution: OwnedAttribution,
    pub held_by_people: bool,
}

/// A record with its differences.
pub(super) struct Record<'a> {
    pub a: Option<Cells<'a>>,
    pub b: Option<Cells<'a>>,
    pub partner_rejected: bool,
    pub matched: Option<&'a str>,
    pub differences: &'a [RecordDifference],
    /// Field and kind of each difference.
    pub together: &'a [(FieldRef, DiffType)],
    layout: &'a Layout,
}

impl<'a> Record<'a> {
    pub fn context(&self, difference: &RecordDifference) -> DifferenceContext<'a> {
        DifferenceContext {
            layout: self.layout,
            field: difference.field,
            diff_type: difference.diff_type,
            severity: difference.severity,
            a: self.a,
            b: self.b,
            partner_rejected: self.partner_rejected,
            matched: self.matched,
        }
    }

    /// The cells of the present side, A first.
    pub fn cells(&self) -> Option<Cells<'a>> {
        self.a.or(self.b)
    }
}

/// The current record. Buffers are reused.
#[derive(Default)]
pub(super) struct Gathered {
    number: u64,
    a: Vec<u8>,
    b: Vec<u8>,
    has: (bool, bool),
    partner_rejected: bool,
    matched: Option<String>,
    differences: Vec<RecordDifference>,
    together: Vec<(FieldRef, DiffType)>,
}

impl Gathered {
    fn begin(&mut self, layout: &Layout, record: &StoredRecord<'_>) -> Result<(), Problem> {
        self.number = record.number;
        self.partner_rejected = record.partner_rejected;
        self.matched = record.matched.map(str::to_owned);
        self.differences.clear();
        self.together.clear();
        let (a, b) = decode(layout, record, &mut self.a, &mut self.b)?;
        self.has = (a.is_some(), b.is_some());
        Ok(())
    }

    fn add(&mut self, difference: &StoredDifference<'_>) {
        self.together.push((difference.field, difference.diff_type));
        self.differences.push(RecordDifference {
            number: difference.number,
            field: difference.field,
            diff_type: difference.diff_type,
            severity: difference.severity,
            attribution: difference.attribution.map(|given| CurrentAttribution {
                held_by_people: given.held_by_people,
                attribution: OwnedAttribution {
                    reason: given.reason.to_owned(),
                    confidence: given.confidence,
                    status: given.status,
                    assigned_by: given.assigned_by.to_owned(),
                    explanation: None,
                },
            }),
        });
    }

    fn record<'a>(&'a self, layout: &'a Layout) -> Record<'a> {
        Record {
            a: self.has.0.then(|| Cells::new(&self.a)),
            b: self.has.1.then(|| Cells::new(&self.b)),
            partner_rejected: self.partner_rejected,
            matched: self.matched.as_deref(),
            differences: &self.differences,
            together: &self.together,
            layout,
        }
    }
}

impl Gathered {
    /// Takes the next difference, before which the record that is complete by then goes to `each`.
    fn next(
        &mut self,
        layout: &Layout,
        difference: &StoredDifference<'_>,
        record: &StoredRecord<'_>,
        each: &mut Visit<'_>,
    ) -> Result<(), Problem> {
        if record.number != self.number {
            self.end(layout, each)?;
            self.begin(layout, record)?;
        }
        self.add(difference);
        Ok(())
    }

    /// Gives the last record to `each`.
    fn end(&mut self, layout: &Layout, each: &mut Visit<'_>) -> Result<(), Problem> {
        if self.differences.is_empty() {
            return Ok(());
        }
        each(&self.record(layout))?;
        self.differences.clear();
        Ok(())
    }

    /// Calls `each` for every record of a lot that has differences, in order.
    pub fn walk(
        &mut self,
        layout: &Layout,
        lot: &DifferenceLot,
        each: &mut Visit<'_>,
    ) -> Result<(), Problem> {
        let walked = lot.each(&mut |difference, record| {
            self.next(layout, difference, record, each).map(ControlFlow::Continue)
        });
        walked.and_then(|_| self.end(layout, each))
    }
}

/// Is given a record with its differences.
pub(super) type Visit<'v> = dyn FnMut(&Record<'_>) -> Result<(), Problem> + 'v;

/// Calls `each` for every record of a run that has differences, in order.
pub(super) fn walk(
    store: &dyn Store,
    run: RunId,
    layout: &Layout,
    each: &mut Visit<'_>,
) -> Result<(), Problem> {
    let mut gathered = Gathered::default();
    store.difference_lots(run, &mut |lot| {
        gathered.walk(layout, &lot, each).map(ControlFlow::Continue)
    })
}
