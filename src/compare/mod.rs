//! Comparing: the typed cells of two rows, field by field, with three outcomes each.
//!
//! Comparing is a pure function of two rows and the configuration. Money is compared exactly, and
//! swapping the sides mirrors the result (unless a percentage's base names a side).

mod boolean;
mod date;
mod number;
pub mod pattern;
mod spec;
mod text;

use crate::domain::pairing::{Cost, PairCost};
use crate::domain::{
    Cell, Cells, DiffType, Difference, Field, FieldRef, Kind, Layout, RawCell, RowRef,
};
use crate::domain::{Severity, Value};

pub use crate::domain::calendar::Calendar;
pub use spec::{BaseSpec, CalendarSpec, CombineSpec, CompareSpec, ToleranceSpec, WeekdaySpec};

/// How two values of a field stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same value.
    Equal,
    /// Not the same, but no further apart than the field tolerates.
    Within,
    /// A difference of this type.
    Different(DiffType),
}

/// How far two values may be apart; bounds are inclusive.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Tolerance {
    /// Not at all.
    #[default]
    Exact,
    /// Two numbers.
    Number(number::NumberTolerance),
    /// Two dates: calendar days.
    Days(u32),
    /// Two dates: business days of a calendar.
    BusinessDays(u32, Calendar),
    /// Two instants: nanoseconds.
    Nanoseconds(i128),
    /// Two texts: the least Jaro–Winkler similarity.
    Similarity(f64),
}

/// How one field is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldCompare {
    kind: Kind,
    /// Whether the two sides are compared at all; see [`FieldCompare::informational`].
    compared: bool,
    tolerance: Tolerance,
    null_equals: Option<Value>,
    severity: Option<Severity>,
}

impl FieldCompare {
    /// A field that must be equal.
    pub const fn exact(kind: Kind) -> Self {
        Self {
            kind,
            compared: true,
            tolerance: Tolerance::Exact,
            null_equals: None,
            severity: None,
        }
    }

    /// A field that is shown and never compared, unparsable values included.
    pub fn informational(kind: Kind) -> Self {
        Self { compared: false, ..Self::exact(kind) }
    }

    /// Whether the two sides are compared.
    pub const fn is_compared(&self) -> bool {
        self.compared
    }

    /// The severity of a difference of this type in this field.
    pub fn severity(&self, diff_type: DiffType) -> Severity {
        self.severity.unwrap_or_else(|| diff_type.default_severity())
    }

    /// Compares two cells of this field.
    ///
    /// The order of the decisions is part of the contract: what can't be parsed is a type mismatch
    /// whatever the other side says; then null is decided; only then does tolerance count.
    pub fn compare(&self, a: RawCell<'_>, b: RawCell<'_>) -> Outcome {
        if !self.compared {
            return Outcome::Equal;
        }
        if a.is_unparsed() || b.is_unparsed() {
            return Outcome::Different(DiffType::TypeMismatch);
        }
        if a == b {
            return Outcome::Equal;
        }
        let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
        match (a.decode(&mut buffer_a), b.decode(&mut buffer_b)) {
            (Cell::Null, other) | (other, Cell::Null) => {
                if self.null_equals.as_ref().is_some_and(|value| value.as_cell() == other) {
                    Outcome::Equal
                } else {
                    Outcome::Different(DiffType::NullMismatch)
                }
            }
            (a, b) => self.compare_values(a, b),
        }
    }

    /// Whether two cells of this field differ beyond tolerance.
    pub fn differs(&self, a: RawCell<'_>, b: RawCell<'_>) -> bool {
        matches!(self.compare(a, b), Outcome::Different(_))
    }

    fn compare_values(&self, a: Cell<'_>, b: Cell<'_>) -> Outcome {
        match (a, b) {
            (Cell::Text(a), Cell::Text(b)) => text::compare(a, b, &self.tolerance),
            (Cell::Date(a), Cell::Date(b)) => date::compare(a, b, &self.tolerance),
            (Cell::Instant(a), Cell::Instant(b)) => date::compare_instants(a, b, &self.tolerance),
            (Cell::Boolean(a), Cell::Boolean(b)) => boolean::compare(a, b),
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => number::compare(a, b, &self.tolerance),
                // The normalize stage gives both sides of a field the same type.
                _ => Outcome::Different(DiffType::TypeMismatch),
            },
        }
    }

    /// The tolerance in words, for people: `±0.005`, `2 business days`, `exact`.
    pub fn describe(&self) -> String {
        if !self.compared {
            return "not compared".to_owned();
        }
        match &self.tolerance {
            Tolerance::Exact => "exact".to_owned(),
            Tolerance::Number(tolerance) => tolerance.describe(),
            Tolerance::Days(days) => format!("±{days} days"),
            Tolerance::BusinessDays(days, _) => format!("±{days} business days"),
            Tolerance::Nanoseconds(bound) => format!("±{} seconds", date::seconds_text(*bound)),
            Tolerance::Similarity(least) => format!("similarity of at least {least}"),
        }
    }

    /// The least tolerance that would have let these values pass, in the words of `recon.yaml`;
    /// `None` where no tolerance would (null against a value, true against false, unparsable text).
    pub fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        match (a, b) {
            (Cell::Text(a), Cell::Text(b)) => Some(text::clearing(a, b)),
            (Cell::Date(a), Cell::Date(b)) => Some(date::clearing(a, b, &self.tolerance)),
            (Cell::Instant(a), Cell::Instant(b)) => Some(date::clearing_instants(a, b)),
            (a, b) => number::clearing(a.number()?, b.number()?),
        }
    }
}

/// How the records of a job are compared: one entry per field of the layout.
#[derive(Clone, Debug, PartialEq)]
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

    /// Whether any field besides the key is compared.
    pub fn compares_anything(&self) -> bool {
        self.fields.iter().skip(self.key_len).any(FieldCompare::is_compared)
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
        // Most pairs are the same bytes, and only what can't be parsed differs from itself.
        if a.bytes() == b.bytes() && !a.into_iter().any(RawCell::is_unparsed) {
            return result;
        }
        let cells = a.zip(b).zip(&self.fields).enumerate().skip(self.key_len);
        for (at, ((a, b), field)) in cells {
            match field.compare(a, b) {
                Outcome::Equal => {}
                Outcome::Within => result.within += 1,
                Outcome::Different(diff_type) => {
                    result.different += 1;
                    each(u16::try_from(at).unwrap_or(u16::MAX), diff_type, a, b);
                }
            }
        }
        result
    }

    /// The differences of a pair as they are stored.
    pub fn differences(&self, a: Cells<'_>, b: Cells<'_>) -> Vec<Difference> {
        let mut differences = Vec::new();
        self.pair(a, b, |at, diff_type, a, b| {
            differences.push(Difference {
                field: FieldRef::Field(at),
                diff_type,
                severity: self.severity(at, diff_type),
                value_a: a.decode(&mut [0; 36]).text(),
                value_b: b.decode(&mut [0; 36]).text(),
                partner_rejected: false,
            });
        });
        differences
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

    /// The comparison of a layout in which every field must be equal.
    pub fn exact(layout: &Layout) -> Self {
        let exact = |field: &Field| match field.compared {
            true => FieldCompare::exact(field.kind),
            false => FieldCompare::informational(field.kind),
        };
        let fields = layout.fields().iter().map(exact).collect();
        Self::new(fields, layout.key_len())
    }
}

impl PairCost for Comparison {
    fn cost(&self, a: RowRef<'_>, b: RowRef<'_>) -> Cost {
        let result = self.pair(a.cells(), b.cells(), |_, _, _, _| {});
        Cost { different: result.different, within: result.within }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Decimal, Row};
    use proptest::prelude::*;

    fn raw(row: &Row) -> RawCell<'_> {
        Cells::new(&row.cells).next().unwrap()
    }

    fn compare(field: &FieldCompare, a: Cell<'_>, b: Cell<'_>) -> Outcome {
        field.compare(raw(&Row::of([a])), raw(&Row::of([b])))
    }

    fn decimal(text: &str) -> Cell<'static> {
        Cell::Decimal(text.parse().unwrap())
    }

    fn field(kind: Kind, yaml: &str) -> FieldCompare {
        spec::tests::field(kind, yaml)
    }

    #[test]
    fn what_can_not_be_parsed_is_a_type_mismatch_even_against_itself_or_null() {
        let field = field(Kind::Decimal, "tolerance: { absolute: '1000' }");
        let mismatch = Outcome::Different(DiffType::TypeMismatch);
        assert_eq!(compare(&field, Cell::Unparsed("x"), Cell::Unparsed("x")), mismatch);
        assert_eq!(compare(&field, Cell::Unparsed("x"), Cell::Null), mismatch);
        assert_eq!(compare(&field, decimal("1"), Cell::Unparsed("1")), mismatch);
    }

    #[test]
    fn null_is_decided_before_tolerance() {
        let lenient = field(Kind::Decimal, "tolerance: { absolute: '5' }\nnull_equals: '0'");
        assert_eq!(compare(&lenient, Cell::Null, Cell::Null), Outcome::Equal);
        assert_eq!(compare(&lenient, Cell::Null, decimal("0.00")), Outcome::Equal);
        assert_eq!(
            compare(&lenient, decimal("0.01"), Cell::Null),
            Outcome::Different(DiffType::NullMismatch)
        );
    }

    #[test]
    fn an_informational_field_never_differs_and_costs_nothing() {
        let informational = FieldCompare::informational(Kind::Decimal);
        for (a, b) in [
            (decimal("1"), decimal("2")),
            (decimal("1"), Cell::Null),
            (Cell::Unparsed("x"), Cell::Unparsed("x")),
        ] {
            assert_eq!(compare(&informational, a, b), Outcome::Equal);
        }
        assert_eq!(informational.describe(), "not compared");
        let fields = vec![FieldCompare::exact(Kind::Text), informational];
        assert!(!Comparison::new(fields, 1).compares_fields());
    }

    #[test]
    fn the_written_scale_of_a_decimal_is_no_difference() {
        let field = FieldCompare::exact(Kind::Decimal);
        assert_eq!(compare(&field, decimal("1.0"), decimal("1.000")), Outcome::Equal);
    }

    #[test]
    fn tells_what_tolerance_would_have_cleared_a_difference() {
        let field = field(Kind::Decimal, "tolerance: { absolute: '0.005' }");
        assert_eq!(field.describe(), "±0.005");
        assert_eq!(
            field.clearing(decimal("100"), decimal("100.25")).unwrap(),
            "absolute: 0.25, or percent: 0.2494 of the larger"
        );
        assert_eq!(field.clearing(Cell::Null, decimal("1")), None);
    }

    proptest! {
        #[test]
        fn a_wider_tolerance_never_adds_a_difference(a: i32, b: i32, narrow in 0u32..1000, more in 0u32..1000) {
            let (a, b) = (Cell::Integer(a.into()), Cell::Integer(b.into()));
            for unit in ["absolute", "percent"] {
                let at = |bound: u32| field(Kind::Integer, &format!("tolerance: {{ {unit}: '{bound}' }}"));
                let tight = compare(&at(narrow), a, b);
                let wide = compare(&at(narrow + more), a, b);
                prop_assert!(matches!(tight, Outcome::Different(_)) || !matches!(wide, Outcome::Different(_)));
            }
        }

        #[test]
        fn swapping_the_sides_mirrors_the_result(a: i64, b: i64, scale in 0u8..6, bound in 0u32..100_000) {
            let cell = |value: i64| Cell::Decimal(Decimal::new(value.into(), scale).unwrap());
            for tolerance in [
                format!("{{ absolute: '{bound}' }}"),
                format!("{{ percent: '{bound}' }}"),
                format!("{{ percent: '{bound}', base: smaller }}"),
                format!("{{ percent: '1', absolute: '{bound}', combine: either }}"),
                format!("{{ percent: '1', absolute: '{bound}', combine: both }}"),
            ] {
                let field = field(Kind::Decimal, &format!("tolerance: {tolerance}"));
                prop_assert_eq!(compare(&field, cell(a), cell(b)), compare(&field, cell(b), cell(a)));
            }
        }
    }
}
