//! Everything that the feature table's extractors read, gathered once per difference.

use super::date::DateFacts;
use super::encode::{Encoded, Encoder, RunContext, sides};
use super::key::{self, KeyFacts};
use super::matched::MatchFacts;
use super::number::NumberFacts;
use super::record::RecordFacts;
use super::seen::SeenFacts;
use super::text::TextFacts;
use super::{COUNT, TABLE, flag};
use crate::domain::{Cell, Decimal, DiffType, DifferenceContext, FieldRef, Kind, Layout};

/// Field and kind of every difference of the record.
pub type Together<'a> = &'a [(FieldRef, DiffType)];

/// Facts about one difference.
pub(super) struct Facts {
    pub diff_type: f32,
    pub kind: f32,
    pub severity: f32,
    pub entire_record: f32,
    pub present: [f32; 2],
    pub null: [f32; 2],
    pub unparsed: [f32; 2],
    pub unparsed_same_number: f32,
    pub partner_rejected: f32,
    pub number: NumberFacts,
    pub date: DateFacts,
    pub text: TextFacts,
    pub together: TogetherFacts,
    pub record_nulls: f32,
    pub amounts_zero: f32,
    pub run: [f32; 3],
    pub key: KeyFacts,
    pub categories: [Encoded; 7],
    pub matched: MatchFacts,
    pub record: RecordFacts,
    pub seen: SeenFacts,
}

#[derive(Default)]
pub(super) struct TogetherFacts {
    pub count: f32,
    pub share: f32,
    pub numeric: f32,
    pub date: f32,
    pub text: f32,
    pub null: f32,
    pub unparsed: f32,
    pub currency: f32,
}

/// Reads features; one per thread. Only the edit distance of texts allocates.
#[derive(Clone, Debug)]
pub struct Extractor<'a> {
    encoder: &'a Encoder,
    run: &'a RunContext,
    positions: [Option<usize>; 3],
    texts: [String; 2],
    /// The differences are those that the encoder has learned from.
    are_known: bool,
}

impl<'a> Extractor<'a> {
    pub fn new(encoder: &'a Encoder, run: &'a RunContext, layout: &Layout) -> Self {
        let positions = encoder.positions(layout);
        Self { encoder, run, positions, texts: [String::new(), String::new()], are_known: false }
    }

    /// For the differences that the encoder has learned from: none sees its own words or reason in it.
    #[must_use]
    pub fn of_known(self) -> Self {
        Self { are_known: true, ..self }
    }

    /// Writes the features of `difference` into the first [`COUNT`] numbers of `out`, in the order
    /// of the [`catalogue`](super::catalogue). `together` has all differences of its record.
    pub fn extract(
        &mut self,
        difference: &DifferenceContext<'_>,
        together: Together<'_>,
        out: &mut [f32],
    ) {
        let facts = self.gather(difference, together);
        for (feature, out) in TABLE.iter().zip(out) {
            let value = (feature.extract)(&facts);
            // The largest floats would overflow when the library averages two of them.
            *out = if value.is_nan() {
                super::ABSENT
            } else {
                value.clamp(super::ABSENT, -super::ABSENT)
            };
        }
    }

    /// The features as a new row.
    pub fn row(&mut self, difference: &DifferenceContext<'_>, together: Together<'_>) -> Vec<f32> {
        let mut row = vec![0.0; COUNT];
        self.extract(difference, together, &mut row);
        row
    }

    fn gather(&mut self, difference: &DifferenceContext<'_>, together: Together<'_>) -> Facts {
        let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
        let a = difference.cell(difference.a, &mut buffer_a);
        let b = difference.cell(difference.b, &mut buffer_b);
        let field = match difference.field {
            FieldRef::Field(at) => difference.layout.fields().get(usize::from(at)),
            FieldRef::EntireRecord => None,
        };
        let present = [difference.a.is_some(), difference.b.is_some()];
        let null =
            |cell: Cell<'_>, present: bool| flag(field.is_some() && present && cell.is_null());
        let (record_nulls, amounts_zero) = record(difference);
        Facts {
            diff_type: f32::from(difference.diff_type.code()),
            kind: field.map_or(0.0, |field| 1.0 + field.kind as u8 as f32),
            severity: f32::from(difference.severity.code()),
            entire_record: flag(difference.diff_type.is_entire_record()),
            present: present.map(flag),
            null: [null(a, present[0]), null(b, present[1])],
            unparsed: [flag(a.is_unparsed()), flag(b.is_unparsed())],
            unparsed_same_number: flag(same_number(a, b)),
            partner_rejected: flag(difference.partner_rejected),
            number: match (a.number(), b.number()) {
                (Some(a), Some(b)) => NumberFacts::of(a, b),
                (Some(alone), None) | (None, Some(alone)) => NumberFacts::alone(alone),
                (None, None) => NumberFacts::NONE,
            },
            date: DateFacts::of(a, b, self.run.batch_date),
            text: self.text(a, b, difference),
            together: self.together(difference, together),
            record_nulls,
            amounts_zero,
            run: self.run.shares(difference.field, difference.diff_type).map(magnitude),
            key: self.key(difference),
            categories: self.encoder.encode(difference, &self.positions, &self.run.systems),
            matched: MatchFacts::of(difference.matched),
            record: RecordFacts::of(
                difference,
                together,
                self.run.batch_date,
                (self.encoder.words(), self.are_known.into()),
            ),
            seen: self.encoder.seen(difference, self.are_known),
        }
    }

    fn text(&mut self, a: Cell<'_>, b: Cell<'_>, difference: &DifferenceContext<'_>) -> TextFacts {
        use std::fmt::Write as _;
        let textual = |cell: Cell<'_>| matches!(cell, Cell::Text(_) | Cell::Unparsed(_));
        if a.is_null() || b.is_null() || !(textual(a) || textual(b)) {
            return TextFacts::NONE;
        }
        let longest = self.encoder.longest(difference.field_name());
        let [text_a, text_b] = &mut self.texts;
        for (text, cell) in [(&mut *text_a, a), (&mut *text_b, b)] {
            text.clear();
            let _ = write!(text, "{cell}");
        }
        TextFacts::of(text_a, text_b, longest)
    }

    fn together(
        &self,
        difference: &DifferenceContext<'_>,
        together: Together<'_>,
    ) -> TogetherFacts {
        let mut facts = TogetherFacts { count: together.len() as f32, ..TogetherFacts::default() };
        facts.share = together.len() as f32 / difference.layout.len().max(1) as f32;
        for (field, diff_type) in together {
            if self.positions[0].is_some_and(|at| *field == FieldRef::Field(at as u16)) {
                facts.currency = 1.0;
            }
            if *field == difference.field {
                continue;
            }
            match diff_type {
                DiffType::NumericMismatch => facts.numeric = 1.0,
                DiffType::DateMismatch => facts.date = 1.0,
                DiffType::StringMismatch => facts.text = 1.0,
                DiffType::NullMismatch => facts.null = 1.0,
                DiffType::TypeMismatch => facts.unparsed = 1.0,
                _ => {}
            }
        }
        facts
    }

    fn key(&mut self, difference: &DifferenceContext<'_>) -> KeyFacts {
        key::write(difference, &mut self.texts[0]);
        KeyFacts::of(&self.texts[0], self.encoder.key_length())
    }
}

/// The power of ten of a share.
fn magnitude(share: f32) -> f32 {
    if share > 0.0 { share.log10() } else { super::ABSENT }
}

/// How many fields are null on a side, and whether all numbers of a side are zero.
fn record(difference: &DifferenceContext<'_>) -> (f32, f32) {
    let mut nulls = 0;
    let mut all_zero = false;
    for (_, cells) in sides(difference) {
        let (mut numbers, mut zeros) = (0, 0);
        for (field, raw) in
            difference.layout.fields().iter().zip(cells).skip(difference.layout.key_len())
        {
            nulls += u32::from(raw.is_null());
            if matches!(field.kind, Kind::Decimal | Kind::Integer)
                && let Some(number) = raw.decode(&mut [0; 36]).number()
            {
                numbers += 1;
                zeros += u32::from(number.is_zero());
            }
        }
        all_zero |= numbers > 0 && numbers == zeros;
    }
    (nulls as f32, flag(all_zero))
}

/// Whether two texts, one of which is unparsed, are the same number with different separators.
fn same_number(a: Cell<'_>, b: Cell<'_>) -> bool {
    if !(a.is_unparsed() || b.is_unparsed()) {
        return false;
    }
    match (any_number(a), any_number(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The number that a text most likely means: the last separator before one, two or more than three
/// digits is the decimal point, the others group digits; currency signs and spaces are ignored.
fn any_number(cell: Cell<'_>) -> Option<Decimal> {
    let text = match cell {
        Cell::Text(text) | Cell::Unparsed(text) => text,
        other => return other.number(),
    };
    let mut plain = [0u8; 64];
    let mut length = 0;
    let mut point = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                *plain.get_mut(length)? = byte;
                length += 1;
            }
            b'.' | b',' => {
                let digits =
                    text.as_bytes()[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
                let last = !text.as_bytes()[at + 1..].iter().any(|b| matches!(b, b'.' | b','));
                if last && digits != 3 {
                    point = Some(length);
                }
            }
            _ => {}
        }
    }
    if length == 0 {
        return None;
    }
    let negative = text.contains('-') || (text.starts_with('(') && text.ends_with(')'));
    let coefficient: i128 = std::str::from_utf8(&plain[..length]).ok()?.parse().ok()?;
    let scale = u8::try_from(point.map_or(0, |point| length - point)).ok()?;
    Decimal::new(if negative { -coefficient } else { coefficient }, scale)
}

#[cfg(test)]
mod tests {
    use super::super::{ABSENT, Learner, catalogue};
    use super::*;
    use crate::domain::{Field, PerSide, Row, Severity, Value};
    use proptest::prelude::*;

    fn layout() -> Layout {
        let field = |name: &str, kind| Field::new(name, kind);
        Layout::new(
            vec![
                field("id", Kind::Text),
                field("trade_date", Kind::Date),
                field("trade_ccy", Kind::Text),
                field("amount", Kind::Decimal),
            ],
            1,
        )
    }

    fn row(values: &[Value]) -> Row {
        Row::of(values.iter().map(Value::as_cell))
    }

    fn named(row: &[f32], name: &str) -> f32 {
        row[catalogue().iter().position(|feature| feature.name == name).unwrap()]
    }

    #[test]
    fn features_match_the_table() {
        let layout = layout();
        let date = Value::Date("2026-01-30".parse().unwrap());
        let amount = |text: &str| Value::Decimal(text.parse().unwrap());
        let text = |text: &str| Value::Text(text.to_owned());
        let a = row(&[text("T-01"), date.clone(), text("EUR"), amount("1234.50")]);
        let b = row(&[text("T-01"), date, text("USD"), amount("1243.50")]);
        let difference = DifferenceContext {
            layout: &layout,
            field: FieldRef::Field(3),
            diff_type: DiffType::NumericMismatch,
            severity: Severity::Medium,
            a: Some(a.borrow(1).cells()),
            b: Some(b.borrow(1).cells()),
            partner_rejected: false,
            matched: None,
        };
        let systems = PerSide { a: "FRONT".to_owned(), b: "RISK".to_owned() };
        let mut learner = Learner::new(&layout);
        learner.observe(&difference, &systems, "FX_VARIANCE");
        let encoder = learner.finish();
        let mut run = RunContext::new(systems, None, 10);
        run.count(difference.field, difference.diff_type, 1);
        run.count(FieldRef::Field(2), DiffType::StringMismatch, 1);
        let together = [
            (FieldRef::Field(2), DiffType::StringMismatch),
            (difference.field, difference.diff_type),
        ];
        let mut extractor = Extractor::new(&encoder, &run, &layout);
        let row = extractor.row(&difference, &together);
        for (name, expected) in [
            ("digits_transposed", 1.0),
            ("delta_last_decimals", 900.0),
            ("together", 2.0),
            ("together_currency", 1.0),
            ("together_text", 1.0),
            ("together_numeric", 0.0),
            ("run_field_share", -1.0),
            ("run_pair_share", 0.5f32.log10()),
            ("currency_share", 1.0),
            ("direction_share", ABSENT),
            ("days", ABSENT),
            ("key_length", 4.0),
            ("key_punctuation", 1.0),
        ] {
            assert_eq!(named(&row, name), expected, "{name}");
        }
    }

    #[test]
    fn unparsed_numbers_are_compared() {
        let number = Cell::Decimal("1234.5".parse().unwrap());
        for text in ["1,234.50", "1.234,50", "USD 1234.5", "1 234,5"] {
            assert!(same_number(Cell::Unparsed(text), number), "{text}");
        }
        assert!(same_number(Cell::Unparsed("(12)"), Cell::Integer(-12)));
        assert!(!same_number(Cell::Unparsed("1,234.51"), number));
        assert!(!same_number(Cell::Unparsed("n/a"), number));
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            ".{0,20}".prop_map(Value::Text),
            ".{0,20}".prop_map(Value::Unparsed),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(|value| Value::Integer(value.into())),
            (any::<i64>(), 0u8..=28).prop_map(|(value, scale)| Value::Decimal(
                Decimal::new(value.into(), scale).unwrap()
            )),
            any::<i32>().prop_map(|days| Value::Date(crate::domain::Date::from_days(days / 4))),
            (any::<i32>(), 0u32..1_000).prop_map(|(seconds, nanos)| Value::Instant(
                crate::domain::Instant::new(seconds.into(), nanos)
            )),
        ]
    }

    proptest! {
        #[test]
        fn every_feature_is_finite_for_any_cells(
            a in proptest::option::of(proptest::collection::vec(values(), 4)),
            b in proptest::option::of(proptest::collection::vec(values(), 4)),
            field in 0u16..6,
            kind in 0..DiffType::ALL.len(),
        ) {
            let layout = layout();
            let (a, b) = (a.map(|a| row(&a)), b.map(|b| row(&b)));
            let difference = DifferenceContext {
                layout: &layout,
                field: if field == 5 { FieldRef::EntireRecord } else { FieldRef::Field(field) },
                diff_type: DiffType::ALL[kind],
                severity: Severity::Low,
                a: a.as_ref().map(|row| row.borrow(1).cells()),
                b: b.as_ref().map(|row| row.borrow(1).cells()),
                partner_rejected: false,
                matched: None,
            };
            let systems = PerSide { a: String::new(), b: String::new() };
            let mut learner = Learner::new(&layout);
            learner.observe(&difference, &systems, "FX_VARIANCE");
            let encoder = learner.finish();
            let run = RunContext::new(systems, Some(crate::domain::Date::from_days(20_000)), 0);
            let mut extractor = Extractor::new(&encoder, &run, &layout);
            let mut out = [f32::NAN; COUNT];
            extractor.extract(&difference, &[], &mut out);
            prop_assert!(out.iter().all(|value| value.is_finite()));
            prop_assert_eq!(out.to_vec(), extractor.row(&difference, &[]));
        }
    }
}
