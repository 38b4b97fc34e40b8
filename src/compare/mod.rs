//! Comparing: the typed cells of two rows, field by field, with three outcomes each.
//!
//! Comparing is a pure function of two rows and the configuration. Money is compared exactly, and
//! swapping the sides mirrors the result (unless a percentage's base names a side).
//!
//! A new kind of tolerance is one new file and its name in the list below. Of a type's kinds, the
//! first is the one that is suggested for a field without tolerance.

pub mod pattern;
mod tolerance;

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::SpecProblem;
use crate::domain::calendar::Calendar;
use crate::domain::pairing::{Cost, PairCost};
use crate::domain::row::push_cell;
use crate::domain::{Cell, Cells, DiffType, Kind, NextPair, RawCell, RowRef, Severity, Value};

use tolerance::{Exact, Tolerance, tolerances};

tolerances! {
    number,
    days,
    business_days,
    seconds,
    similarity,
    token_set,
}

pub use business_days::CalendarSpec;
pub use number::{BaseSpec, CombineSpec};

/// The result of comparing two values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldResult {
    Equal,
    /// Not the same, but no further apart than the field tolerates.
    Within,
    Different(DiffType),
}

#[derive(Clone, Debug)]
pub struct FieldCompare {
    kind: Kind,
    compared: bool,
    tolerance: Arc<dyn Tolerance>,
    null_equals: Option<Value>,
    severity: Option<Severity>,
}

impl FieldCompare {
    /// A field that must be equal.
    pub fn exact(kind: Kind) -> Self {
        let tolerance = Arc::new(Exact(kind));
        Self { kind, compared: true, tolerance, null_equals: None, severity: None }
    }

    /// Gives the field this tolerance; `base` is the folder that relative paths start from.
    ///
    /// # Errors
    /// Problems of the tolerance, with the path from the field's map.
    pub fn set_tolerance(
        &mut self,
        spec: &ToleranceSpec,
        base: &Path,
    ) -> Result<(), Vec<SpecProblem>> {
        self.tolerance = spec.resolve(self.kind, base).map_err(|problems| {
            problems.into_iter().map(|problem| problem.under("tolerance")).collect::<Vec<_>>()
        })?;
        Ok(())
    }

    /// The same field, in which a null stands for this value.
    #[must_use]
    pub fn with_null_equals(self, null_equals: Option<Value>) -> Self {
        Self { null_equals, ..self }
    }

    /// The same field, whose differences have this severity.
    #[must_use]
    pub fn with_severity(self, severity: Option<Severity>) -> Self {
        Self { severity, ..self }
    }

    /// A field that is shown and never compared, unparsable values included.
    pub fn informational(kind: Kind) -> Self {
        Self { compared: false, ..Self::exact(kind) }
    }

    pub const fn is_compared(&self) -> bool {
        self.compared
    }

    /// The severity of a difference of this type in this field.
    pub fn severity(&self, diff_type: DiffType) -> Severity {
        self.severity.unwrap_or_else(|| diff_type.default_severity())
    }

    /// Compares two cells of this field.
    ///
    /// The order of the decisions is part of the contract: a value that can't be parsed is a type mismatch whatever
    /// the other side has; then null is decided; only then does tolerance count.
    pub fn compare(&self, a: RawCell<'_>, b: RawCell<'_>) -> FieldResult {
        if !self.compared {
            return FieldResult::Equal;
        }
        if a.is_unparsed() || b.is_unparsed() {
            return FieldResult::Different(DiffType::TypeMismatch);
        }
        if a == b {
            return FieldResult::Equal;
        }
        let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
        match (a.decode(&mut buffer_a), b.decode(&mut buffer_b)) {
            (Cell::Null, other) | (other, Cell::Null) => {
                if self.null_equals.as_ref().is_some_and(|value| value.as_cell() == other) {
                    FieldResult::Equal
                } else {
                    FieldResult::Different(DiffType::NullMismatch)
                }
            }
            (a, b) if a == b => FieldResult::Equal,
            (a, b) if self.tolerance.holds(a, b) => FieldResult::Within,
            _ => FieldResult::Different(mismatch(self.kind)),
        }
    }

    /// True if two cells of this field differ beyond tolerance.
    pub fn differs(&self, a: RawCell<'_>, b: RawCell<'_>) -> bool {
        matches!(self.compare(a, b), FieldResult::Different(_))
    }

    /// The tolerance in words: `±0.005`, `±2 business days`, `exact`.
    pub fn describe(&self) -> String {
        if self.compared { self.tolerance.describe() } else { "not compared".to_owned() }
    }

    /// The least tolerance that would have let these values pass, in the words of `recon.yaml`;
    /// `None` where no tolerance would (null against a value, true against false, unparsable text).
    pub fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        self.tolerance.clearing(a, b)
    }

    /// By how much two values that differ miss the tolerance; `None` where that is not one number.
    pub fn missed(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        self.tolerance.missed(a, b)
    }
}

const fn mismatch(kind: Kind) -> DiffType {
    match kind {
        Kind::Text => DiffType::StringMismatch,
        Kind::Decimal | Kind::Integer => DiffType::NumericMismatch,
        Kind::Date | Kind::Datetime => DiffType::DateMismatch,
        Kind::Boolean => DiffType::BooleanMismatch,
    }
}

/// How the records of a job are compared: one entry per field of the layout.
#[derive(Clone, Debug)]
pub struct Comparison {
    fields: Vec<FieldCompare>,
    key_len: usize,
}

/// The result of comparing a pair: how many fields needed their tolerance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairResult {
    /// Fields beyond tolerance.
    pub different: u32,
    /// Fields within tolerance but not equal.
    pub within: u32,
}

impl Comparison {
    /// A comparison of these fields in layout order, of which the first `key_len` are the key. Key
    /// fields are equal by the time two rows meet here, so they are not looked at.
    pub const fn new(fields: Vec<FieldCompare>, key_len: usize) -> Self {
        Self { fields, key_len }
    }

    /// The business calendar of the first field that has one.
    pub fn calendar(&self) -> Option<&Calendar> {
        self.fields.iter().find_map(|field| field.tolerance.calendar())
    }

    /// The comparison of the field at this position of the layout.
    pub fn field(&self, at: usize) -> Option<&FieldCompare> {
        self.fields.get(at)
    }

    /// Compares a pair and calls `each` for every field on which it differs.
    pub fn pair<'a>(
        &self,
        a: Cells<'a>,
        b: Cells<'a>,
        mut each: impl FnMut(u16, DiffType, RawCell<'a>, RawCell<'a>),
    ) -> PairResult {
        let mut result = PairResult::default();
        // Most pairs are the same bytes, and only unparsed values differ from themselves.
        if a.are_same_bytes(b)
            && !(a.may_have_unparsed() && a.into_iter().any(RawCell::is_unparsed))
        {
            return result;
        }
        let (mut left, mut right) = (a, b);
        for (at, field) in self.fields.iter().enumerate() {
            let Some(next) = Cells::next_pair(&mut left, &mut right) else { break };
            let NextPair::Cells(a, b) = next else { continue };
            if at < self.key_len {
                continue;
            }
            match field.compare(a, b) {
                FieldResult::Equal => {}
                FieldResult::Within => result.within += 1,
                FieldResult::Different(diff_type) => {
                    result.different += 1;
                    each(u16::try_from(at).unwrap_or(u16::MAX), diff_type, a, b);
                }
            }
        }
        result
    }

    /// Whether any field besides the key is compared.
    pub fn compares_fields(&self) -> bool {
        self.fields.iter().skip(self.key_len).any(FieldCompare::is_compared)
    }

    /// The severity of a difference of this type in the field at this position.
    pub fn severity(&self, at: u16, diff_type: DiffType) -> Severity {
        self.field(usize::from(at))
            .map_or_else(|| diff_type.default_severity(), |field| field.severity(diff_type))
    }
}

impl PairCost for Comparison {
    fn cost(&self, a: RowRef<'_>, b: RowRef<'_>) -> Cost {
        let result = self.pair(a.cells(), b.cells(), |_, _, _, _| {});
        Cost { different: result.different, within: result.within }
    }

    fn identity(&self, row: RowRef<'_>, out: &mut Vec<u8>) {
        let fields = self.fields.iter().zip(row.cells()).skip(self.key_len);
        for (field, cell) in fields.filter(|(field, _)| field.compared) {
            let mut buffer = [0; 36];
            let value = match (cell.decode(&mut buffer), &field.null_equals) {
                (Cell::Null, Some(value)) => value.as_cell(),
                (value, _) => value,
            };
            push_cell(
                out,
                match value {
                    // However many zeros are written.
                    Cell::Decimal(number) => Cell::Decimal(number.normalized()),
                    value => value,
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tolerance::tests::{compare, field};
    use super::*;
    use crate::domain::Row;

    fn decimal(text: &str) -> Cell<'static> {
        Cell::Decimal(text.parse().unwrap())
    }

    #[test]
    fn unparsable_text_is_a_type_mismatch_even_against_itself_or_null() {
        let field = field(Kind::Decimal, "{ absolute: '1000' }");
        let mismatch = FieldResult::Different(DiffType::TypeMismatch);
        assert_eq!(compare(&field, Cell::Unparsed("x"), Cell::Unparsed("x")), mismatch);
        assert_eq!(compare(&field, Cell::Unparsed("x"), Cell::Null), mismatch);
        assert_eq!(compare(&field, decimal("1"), Cell::Unparsed("1")), mismatch);
    }

    #[test]
    fn a_row_differs_from_itself_if_a_value_is_unparsed() {
        let fields = vec![FieldCompare::exact(Kind::Text), FieldCompare::exact(Kind::Decimal)];
        let comparison = Comparison::new(fields, 1);
        let different = |value: Cell<'_>| {
            let row = Row::of([Cell::Text("k"), value]);
            let cells = Cells::new(&row.cells);
            comparison.pair(cells, cells, |_, _, _, _| {}).different
        };
        assert_eq!(different(Cell::Unparsed("x")), 1);
        // The coefficient of this one is the tag of unparsed values.
        assert_eq!(different(decimal("1.0")), 0);
    }

    #[test]
    fn null_is_decided_before_tolerance() {
        let zero = Value::Decimal("0".parse().unwrap());
        let lenient = field(Kind::Decimal, "{ absolute: '5' }").with_null_equals(Some(zero));
        assert_eq!(compare(&lenient, Cell::Null, Cell::Null), FieldResult::Equal);
        assert_eq!(compare(&lenient, Cell::Null, decimal("0.00")), FieldResult::Equal);
        assert_eq!(
            compare(&lenient, decimal("0.01"), Cell::Null),
            FieldResult::Different(DiffType::NullMismatch)
        );
    }

    #[test]
    fn an_informational_field_never_differs() {
        let informational = FieldCompare::informational(Kind::Decimal);
        for (a, b) in [
            (decimal("1"), decimal("2")),
            (decimal("1"), Cell::Null),
            (Cell::Unparsed("x"), Cell::Unparsed("x")),
        ] {
            assert_eq!(compare(&informational, a, b), FieldResult::Equal);
        }
        assert_eq!(informational.describe(), "not compared");
        let fields = vec![FieldCompare::exact(Kind::Text), informational];
        assert!(!Comparison::new(fields, 1).compares_fields());
    }

    #[test]
    fn the_written_scale_of_a_decimal_is_no_difference() {
        let field = FieldCompare::exact(Kind::Decimal);
        assert_eq!(compare(&field, decimal("1.0"), decimal("1.000")), FieldResult::Equal);
        assert_eq!(field.describe(), "exact");
        assert_eq!(FieldCompare::exact(Kind::Boolean).clearing(decimal("1"), decimal("2")), None);
    }
}
