//! Rules: the properties of a difference, results and recorded reads.

use super::*;

/// A layout with one field of each type, and rows for both sides.
struct Sample {
    layout: Layout,
    a: Vec<u8>,
    b: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let fields = [
            ("name", Kind::Text),
            ("amount", Kind::Decimal),
            ("count", Kind::Integer),
            ("day", Kind::Date),
            ("at", Kind::Datetime),
            ("live", Kind::Boolean),
            ("note", Kind::Text),
            ("bad", Kind::Decimal),
            ("wide", Kind::Decimal),
            ("big", Kind::Integer),
        ];
        let fields = fields.map(|(name, kind)| Field::new(name, kind));
        let wide: crate::domain::Decimal = "1234567890123456789012345678901.25".parse().unwrap();
        let row = |cells: &[Cell<'_>]| {
            let mut bytes = Vec::new();
            cells.iter().for_each(|cell| push_cell(&mut bytes, *cell));
            bytes
        };
        Self {
            layout: Layout::new(fields.to_vec(), 1),
            a: row(&[
                Cell::Text("MARTHA"),
                Cell::Decimal("100.00".parse().unwrap()),
                Cell::Integer(10),
                Cell::Date("2026-01-15".parse().unwrap()),
                Cell::Instant(Instant::new(0, 0)),
                Cell::Boolean(true),
                Cell::Null,
                Cell::Unparsed("n/a"),
                Cell::Decimal(wide),
                Cell::Integer(1),
            ]),
            b: row(&[
                Cell::Text("MARHTA"),
                Cell::Decimal("98.50".parse().unwrap()),
                Cell::Integer(7),
                Cell::Date(Date::from_civil(2026, 1, 12).unwrap()),
                Cell::Instant(Instant::new(86_400 + 3_600, 0)),
                Cell::Boolean(false),
                Cell::Text("x"),
                Cell::Decimal("1".parse().unwrap()),
                Cell::Decimal("1".parse().unwrap()),
                Cell::Integer(i128::from(i64::MAX) + 2),
            ]),
        }
    }

    fn context(&self, field: &str, diff_type: DiffType) -> DifferenceContext<'_> {
        DifferenceContext {
            layout: &self.layout,
            field: match self.layout.position(field) {
                Some(at) => FieldRef::Field(at as u16),
                None => FieldRef::EntireRecord,
            },
            diff_type,
            severity: Severity::Medium,
            a: (diff_type != DiffType::MissingInSourceA).then(|| Cells::new(&self.a)),
            b: (diff_type != DiffType::MissingInSourceB).then(|| Cells::new(&self.b)),
            partner_rejected: false,
            matched: None,
        }
    }
}

fn codes() -> Vec<String> {
    vec!["ROUNDING_DIFF".into(), "TIMING_LAG".into()]
}

fn rule(body: &str) -> RuleScript {
    let source =
        ScriptSource::from_text("rules/a.rhai", format!("fn attribute_it(d) {{ {body} }}"));
    RuleScript::compile(&source, &codes()).unwrap()
}

/// Asserts that `expression` is true of the difference.
fn holds(expression: &str, d: &DifferenceContext<'_>) {
    let verdict =
        rule(&format!("if {expression} {{ reason(\"TIMING_LAG\", 1) }}")).call_once(d, None);
    let verdict = verdict.unwrap_or_else(|error| panic!("{expression}: {error}"));
    assert!(verdict.reason.is_some(), "{expression} is not true");
}

#[test]
fn looking_at_wide_records_and_long_texts_counts() {
    let fields = |count: usize| {
        let names = (0..count).map(|at| Field::new(format!("field_{at}"), Kind::Text));
        Layout::new(names.collect(), 1)
    };
    let long = "x".repeat(60_000);
    for body in [
        "for i in 0..5000 { d.differing; }",
        "for i in 0..5000 { d.agreeing; }",
        "for i in 0..5000 { try { d.record_b.no_such_field; } catch {} }",
        "for i in 0..9000 { d.record_b.keys(); }",
        "for i in 0..9000 { d.record_b.field_1; }",
        "for i in 0..9000 { d.delta; }",
        "for i in 0..5000 { d.match_pass; }",
    ] {
        let call = |layout: &Layout, cells: &[u8], matched: &str| {
            let d = DifferenceContext {
                layout,
                field: FieldRef::EntireRecord,
                diff_type: DiffType::MissingInSourceA,
                severity: Severity::Medium,
                a: None,
                b: Some(Cells::new(cells)),
                partner_rejected: false,
                matched: Some(matched),
            };
            rule(body).call_once(&d, None).map(drop)
        };
        let cells = |count: usize| {
            let mut bytes = Vec::new();
            (0..count).for_each(|_| push_cell(&mut bytes, Cell::Text("x")));
            bytes
        };
        assert_eq!(call(&fields(3), &cells(3), "{}"), Ok(()), "{body}");
        let wide = call(&fields(1_000), &cells(1_000), &format!("{{\"pass\": \"{long}\"}}"));
        assert!(wide.unwrap_err().ran_out, "{body}");
    }
}

#[test]
fn every_property_is_there_and_typed_for_every_diff_type() {
    let sample = Sample::new();
    let numbers = sample.context("amount", DiffType::NumericMismatch);
    let none = |names: &[&str], d: &DifferenceContext<'_>| {
        names.iter().for_each(|name| holds(&format!("d.{name} == ()"), d));
    };
    for fact in [
        "d.field == \"amount\" && d.diff_type == \"NUMERIC_MISMATCH\" && d.severity == \"MEDIUM\"",
        "type_of(d.a) == \"decimal\" && d.a == 100 && d.b == 98.5",
        "d.text_a == \"100.00\" && d.text_b == \"98.50\"",
        "d.delta == -1.5 && d.abs_delta == 1.5 && d.percent == 1.5",
        "type_of(d.delta) == \"decimal\" && type_of(d.percent) == \"decimal\"",
        "d.partner_rejected == false",
        "d.record_a.amount == d.a && d.record_b.count == 7 && d.record_a.note == ()",
        "d.record_b[\"name\"] == \"MARHTA\" && \"day\" in d.record_a && !(\"x\" in d.record_a)",
        "d.record_a.keys().len() == 10",
    ] {
        holds(fact, &numbers);
    }
    none(&["days", "similarity"], &numbers);

    let integers = sample.context("count", DiffType::NumericMismatch);
    holds(
        "type_of(d.a) == \"i64\" && d.delta == -3 && d.abs_delta == 3 && d.percent == 30",
        &integers,
    );
    let big = sample.context("big", DiffType::NumericMismatch);
    holds("d.b == 9223372036854775809.0 && d.delta == 9223372036854775808.0", &big);

    let dates = sample.context("day", DiffType::DateMismatch);
    holds("d.a == \"2026-01-15\" && d.b == d.text_b && d.days == -3 && d.b < d.a", &dates);
    none(&["delta", "abs_delta", "percent", "similarity"], &dates);

    let instants = sample.context("at", DiffType::DateMismatch);
    holds("d.a == \"1970-01-01T00:00:00Z\" && d.days == 1", &instants);

    let texts = sample.context("name", DiffType::StringMismatch);
    holds("d.a == \"MARTHA\" && d.similarity == 0.9611", &texts);
    none(&["delta", "percent", "days"], &texts);

    let flags = sample.context("live", DiffType::BooleanMismatch);
    holds("d.a && !d.b && d.text_a == \"true\"", &flags);
    none(&["delta", "days", "similarity"], &flags);

    let null = sample.context("note", DiffType::NullMismatch);
    holds("d.a == () && d.text_a == () && d.b == \"x\"", &null);
    none(&["delta", "days", "similarity"], &null);

    let unparsed = sample.context("bad", DiffType::TypeMismatch);
    holds("d.a == \"n/a\" && d.text_a == \"n/a\" && d.b == 1", &unparsed);
    none(&["delta", "percent"], &unparsed);

    for (diff_type, fact) in [
        (
            DiffType::MissingInSourceA,
            "d.record_a == () && d.text_a == () && d.text_b == \"EXISTS\"",
        ),
        (
            DiffType::MissingInSourceB,
            "d.record_b == () && d.text_b == () && d.text_a == \"EXISTS\"",
        ),
        (DiffType::DuplicateInSourceA, "d.record_a.name == \"MARTHA\""),
        (DiffType::DuplicateInSourceB, "d.record_b.name == \"MARHTA\""),
    ] {
        let d = sample.context("", diff_type);
        holds("d.field == \"ENTIRE_RECORD\"", &d);
        holds(&format!("d.diff_type == \"{}\"", diff_type.name()), &d);
        holds(fact, &d);
        none(&["a", "b", "delta", "abs_delta", "percent", "days", "similarity"], &d);
    }
}

#[test]
fn a_number_that_does_not_fit_is_an_error_not_another_number() {
    let sample = Sample::new();
    let d = sample.context("wide", DiffType::NumericMismatch);
    let error = rule("d.a > 1").call_once(&d, None).unwrap_err();
    assert!(
        error.message.contains("1234567890123456789012345678901.25 has more digits"),
        "{error}"
    );
    holds("d.text_a == \"1234567890123456789012345678901.25\" && d.percent > 99", &d);
}

#[test]
fn a_record_without_the_field_is_an_error_with_a_suggestion() {
    let sample = Sample::new();
    let d = sample.context("amount", DiffType::NumericMismatch);
    let error = rule("d.record_a.amuont == 1").call_once(&d, None).unwrap_err();
    assert!(error.message.contains("did you mean `amount`?"), "{error}");
    assert!(rule("d.no_such_property").call_once(&d, None).is_err());
    assert!(rule("d.field = \"x\"; ()").call_once(&d, None).is_err());
}

#[test]
fn a_reason_has_a_declared_code_a_confidence_and_a_place() {
    let sample = Sample::new();
    let d = sample.context("amount", DiffType::NumericMismatch);
    let verdict = rule("\n  reason(\"TIMING_LAG\", 0.9)").call_once(&d, None).unwrap();
    let reason = verdict.reason.unwrap();
    assert_eq!((reason.code, reason.line, reason.column), (1, 2, 3));
    assert_eq!(reason.confidence, Confidence::new(0.9).unwrap());
    for sure in ["0", "1", "1.0"] {
        holds(&format!("true {{ return reason(\"TIMING_LAG\", {sure}); }} if true"), &d);
    }
    for (body, part) in [
        ("reason(\"TIMING_LAG\", 1.01)", "the confidence 1.01 is not within 0..1"),
        ("reason(\"TIMING_LAG\", -1)", "the confidence -1 is not within 0..1"),
        ("reason(\"TIMING_LAGG\", 0.5)", "did you mean TIMING_LAG?"),
        ("reason(\"ELSE\", 0.5)", "ELSE is not declared"),
        ("reason(\"TIMING_LAG\", \"high\")", "there is no function reason"),
        ("true", "it returned true or false, expected reason"),
        ("loop { note(\"again\"); }", "more than 20 notes"),
    ] {
        let error = rule(body).call_once(&d, None).unwrap_err();
        assert!(error.message.contains(part), "{body}: {error}");
        assert_eq!(&*error.function, "attribute_it");
    }
}

#[test]
fn a_unit_result_passes_on_and_notes_stay_with_their_call() {
    let sample = Sample::new();
    let d = sample.context("amount", DiffType::NumericMismatch);
    let mut noting =
        rule("note(\"one\"); note(\"two\"); if d.delta > 0 { reason(\"TIMING_LAG\", 1) }");
    for _ in 0..2 {
        let verdict = noting.call_once(&d, None).unwrap();
        assert_eq!(verdict, Verdict { reason: None, notes: vec!["one".into(), "two".into()] });
    }
    assert_eq!(rule("()").call_once(&d, None).unwrap().reason, None);
    assert_eq!(rule("return;").call_once(&d, None).unwrap().reason, None);
}

#[test]
fn reads_are_recorded_in_order_and_once() {
    let sample = Sample::new();
    let d = sample.context("amount", DiffType::NumericMismatch);
    let mut reads = Reads::default();
    rule("d.diff_type; if d.record_a.count > 1 && d.record_a.count < 99 { d.severity }; d.diff_type; ()")
        .call_once(&d, Some(&mut reads))
        .unwrap();
    let properties: Vec<_> = reads.iter().map(|(property, _)| property.clone()).collect();
    let expected = [
        Property::DiffType,
        Property::Record(Side::A),
        Property::RecordField(Side::A, "count".into()),
        Property::Severity,
    ];
    assert_eq!(properties, expected);
    assert!(reads.are_complete());
    for (property, value) in reads.iter() {
        let mut again = Vec::new();
        property.encode(&d, &mut again);
        assert_eq!(again, value);
    }
    rule("d.record_a.keys(); ()").call_once(&d, Some(&mut reads)).unwrap();
    assert!(!reads.are_complete());
}

#[test]
fn a_rule_takes_the_difference_and_nothing_else() {
    let source = ScriptSource::from_text("a.rhai", "\nfn attribute_it(d, x) {}");
    let problem = RuleScript::compile(&source, &[]).err().unwrap();
    assert_eq!((problem.code, problem.place.unwrap().line), (Code::RuleArity, 2));
    let source = ScriptSource::from_text("a.rhai", "private fn attribute_it(d, x) {}");
    assert!(RuleScript::compile(&source, &[]).unwrap().functions().is_empty());
}

#[test]
fn a_difference_has_the_differing_and_agreeing_fields_of_its_record() {
    let mut sample = Sample::new();
    // No value is the same on both sides.
    let d = sample.context("amount", DiffType::NumericMismatch);
    holds(r#"d.differing == d.record_a.keys() && d.agreeing == []"#, &d);
    let missing = sample.context("", DiffType::MissingInSourceA);
    holds("d.differing == [] && d.agreeing == []", &missing);
    // Nine fields are the same, the tenth is null.
    sample.b = sample.a.clone();
    let d = sample.context("amount", DiffType::NumericMismatch);
    holds(r#"d.differing == [] && d.agreeing.len() == 9 && "amount" in d.agreeing"#, &d);
}
