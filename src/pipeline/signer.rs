//! Gives differences their grouping keys and amounts; writes each label once per batch.

use foldhash::{HashMap, HashMapExt as _};

use crate::domain::signature::{Pattern, Signature};
use crate::domain::{Cell, DifferenceContext, FieldRef, RawCell};
use crate::store::{Batch, Text};

use super::Plan;

/// The grouping key of similar differences: field, kind, severity, pattern, and the reason's number.
type Shape = (FieldRef, u8, u8, Pattern, usize);

/// Caches the labels of the current batch.
pub(super) struct Signer<'p> {
    plan: &'p Plan,
    reasons: Vec<String>,
    known: HashMap<Shape, (Text, Text)>,
}

impl<'p> Signer<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        Self { plan, reasons: Vec::new(), known: HashMap::new() }
    }

    /// Forgets the texts of a finished batch.
    pub fn next_batch(&mut self) {
        self.known.clear();
    }

    fn is_monetary(&self, field: FieldRef) -> bool {
        match field {
            FieldRef::EntireRecord => false,
            FieldRef::Field(at) => self.plan.money.amounts.contains(&usize::from(at)),
        }
    }

    /// The amount at stake: the size of a difference in a monetary field.
    pub fn amount(&self, context: &DifferenceContext<'_>) -> Option<f64> {
        if !self.is_monetary(context.field) {
            return None;
        }
        let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
        let a = context.cell(context.a, &mut buffer_a).number()?;
        let b = context.cell(context.b, &mut buffer_b).number()?;
        Some(b.checked_sub(a)?.abs().to_f64())
    }

    /// The key and label of the group of a difference between these values, in the batch.
    pub fn sign(
        &mut self,
        batch: &mut Batch,
        context: &DifferenceContext<'_>,
        [a, b]: [Option<RawCell<'_>>; 2],
        reason: &str,
    ) -> (Text, Text) {
        let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
        let pattern = Pattern::of(
            a.map_or(Cell::Null, |cell| cell.decode(&mut buffer_a)),
            b.map_or(Cell::Null, |cell| cell.decode(&mut buffer_b)),
        );
        let number = match self.reasons.iter().position(|known| known == reason) {
            Some(number) => number,
            None => {
                self.reasons.push(reason.to_owned());
                self.reasons.len() - 1
            }
        };
        let severity = context.severity;
        let at = (context.field, context.diff_type.code(), severity.code(), pattern, number);
        if let Some(texts) = self.known.get(&at) {
            return *texts;
        }
        let signature = Signature {
            job: &self.plan.job,
            field: context.field_name(),
            diff_type: context.diff_type,
            reason,
            pattern,
            severity,
            monetary: self.is_monetary(context.field),
        };
        let texts = (batch.push(&signature.key()), batch.push(&signature.label()));
        self.known.insert(at, texts);
        texts
    }
}
