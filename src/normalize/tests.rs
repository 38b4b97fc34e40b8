//! Rows as a whole: null markers, steps, types, keys, functions, memoized results, traces.

use std::cell::Cell as Counter;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;

use super::step::{path_text, steps};
use super::*;
use crate::diagnostic::{Code, Place};
use crate::domain::Cells;
use crate::domain::value::Kind;
use crate::script::{ScriptError, ScriptSource};

fn field(name: &str, kind: Kind, column: usize) -> FieldPlan {
    FieldPlan {
        name: name.into(),
        kind,
        column: Some(column),
        source_steps: Vec::new(),
        steps: Vec::new(),
        formats: Vec::new(),
        numbers: NumberFormat::default(),
    }
}

fn plan(fields: Vec<FieldPlan>) -> SidePlan {
    SidePlan {
        columns: (0..fields.len()).map(|at| format!("column {at}")).collect(),
        fields,
        key_len: 1,
        key_may_be_null: false,
        null_values: vec![String::new()],
        timezone: None,
        scripts: Vec::new(),
        row_function: false,
        filter: None,
        conditions: Vec::new(),
    }
}

/// The values of a row as texts: `null`, and `!` before unparsed ones.
fn show(cells: &[u8]) -> Vec<String> {
    let shown = Cells::new(cells).map(|raw| {
        let mut buffer = [0; 36];
        let cell = raw.decode(&mut buffer);
        match cell.text() {
            None => "null".to_owned(),
            Some(text) if cell.is_unparsed() => format!("!{text}"),
            Some(text) => text,
        }
    });
    shown.collect()
}

fn read(normalizer: &mut Normalizer, raw: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    assert_eq!(normalizer.row(raw, &mut out), RowResult::Row);
    show(&out)
}

fn rejected(normalizer: &mut Normalizer, raw: &[&str]) -> Reject {
    let mut out = vec![7];
    let RowResult::Rejected(reject) = normalizer.row(raw, &mut out) else { panic!("not rejected") };
    assert_eq!(out, [7], "nothing of a rejected row is appended");
    *reject
}

/// One text through the type of a field that is not the key.
fn typed(field: FieldPlan, text: &str) -> String {
    let plan = plan(vec![super::tests::field("id", Kind::Text, 0), field]);
    let mut normalizer = Normalizer::new(Arc::new(plan)).unwrap();
    read(&mut normalizer, &["k", text]).pop().unwrap()
}

#[test]
fn each_type_reads_its_values_and_keeps_others_as_written() {
    for (kind, text, expected) in [
        (Kind::Text, " as is ", " as is "),
        (
            Kind::Text,
            "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
            "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
        ),
        (Kind::Decimal, "-1.50", "-1.50"),
        (Kind::Decimal, "3e-1", "0.3"),
        (Kind::Decimal, "1,5", "!1,5"),
        (Kind::Decimal, " 1", "! 1"),
        (Kind::Integer, "007", "7"),
        (Kind::Integer, "5.0", "5"),
        (Kind::Integer, "5.5", "!5.5"),
        (Kind::Date, "2026-02-28", "2026-02-28"),
        (Kind::Date, "2026-02-29", "!2026-02-29"),
        (Kind::Datetime, "2026-01-15T10:00:00+02:00", "2026-01-15T08:00:00Z"),
        (Kind::Datetime, "2026-01-15 10:00:00", "2026-01-15T10:00:00Z"),
        (Kind::Datetime, "yesterday", "!yesterday"),
        (Kind::Boolean, "YES", "true"),
        (Kind::Boolean, "maybe", "!maybe"),
        (Kind::Decimal, "", "null"),
    ] {
        assert_eq!(typed(field("v", kind, 1), text), expected, "{kind} {text:?}");
    }
    let many = "9".repeat(39);
    assert_eq!(typed(field("v", Kind::Integer, 1), &many), format!("!{many}"));
}

#[test]
fn an_unparsable_value_is_kept_as_written() {
    let mut amount = field("v", Kind::Decimal, 1);
    amount.steps = steps("[trim, upper]");
    assert_eq!(typed(amount.clone(), " 12.5 "), "12.5");
    assert_eq!(typed(amount, " twelve "), "! twelve ");
}

#[test]
fn null_is_decided_before_any_step_and_an_emptied_text_is_not_null() {
    let mut text = field("v", Kind::Text, 1);
    text.source_steps = steps("[trim]");
    text.steps = steps("[upper, {null_if: [NONE]}]");
    let mut plan = plan(vec![field("id", Kind::Text, 0), text]);
    plan.null_values = vec!["N/A".into()];
    let mut normalizer = Normalizer::new(Arc::new(plan)).unwrap();
    for (raw, expected) in
        [("N/A", "null"), (" N/A", "N/A"), ("", ""), ("  ", ""), (" none", "null")]
    {
        assert_eq!(read(&mut normalizer, &["k", raw])[1], expected, "{raw:?}");
    }
}

#[test]
fn naive_datetimes_are_of_the_source_and_others_of_themselves() {
    let mut plan = plan(vec![field("id", Kind::Text, 0), field("at", Kind::Datetime, 1)]);
    plan.timezone = Some(resolve_timezone("Europe/Berlin").unwrap());
    plan.fields[1].formats = ["%Y-%m-%d", "%F %T%.f", "%FT%T%z"]
        .map(|format| TimeFormat::parse(format, Kind::Datetime).unwrap())
        .to_vec();
    let mut normalizer = Normalizer::new(Arc::new(plan)).unwrap();
    for (raw, expected) in [
        ("2026-01-15", "2026-01-14T23:00:00Z"),
        ("2026-07-15 10:20:30.5", "2026-07-15T08:20:30.5Z"),
        ("2026-07-15T10:20:30-0500", "2026-07-15T15:20:30Z"),
        ("1969-12-31 23:59:59.25", "1969-12-31T22:59:59.25Z"),
        // Ambiguous on this day and skipped on another: the earlier instant, and the offset before the change.
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
    ] {
        assert_eq!(read(&mut normalizer, &["k", raw])[1], expected, "{raw}");
    }
}

#[test]
fn a_row_without_a_readable_key_is_rejected_with_field_column_and_value() {
    let mut plan = plan(vec![
        field("id", Kind::Integer, 0),
        field("leg", Kind::Text, 1),
        field("note", Kind::Text, 2),
    ]);
    plan.key_len = 2;
    let mut normalizer = Normalizer::new(Arc::new(plan)).unwrap();
    let reject = rejected(&mut normalizer, &["", "x", "n"]);
    assert_eq!((reject.code, reject.key_cells), (Code::NullKey, None));
    assert!(
        reject.message.contains("field `id`, column `column 0`, value ``"),
        "{}",
        reject.message
    );
    let reject = rejected(&mut normalizer, &["4x", "x", "n"]);
    assert_eq!((reject.code, reject.key_cells), (Code::UnparsableKey, None));
    assert!(reject.message.contains("value `4x`"), "{}", reject.message);
    assert!(reject.message.contains("not a number"), "{}", reject.message);
    assert_eq!(rejected(&mut normalizer, &["4", "", "n"]).code, Code::NullKey);
    assert_eq!(read(&mut normalizer, &["4", "x", ""]), ["4", "x", "null"]);
}

/// Functions in Rust: they count their calls.
struct Counted(Rc<Counter<usize>>);

impl Functions for Counted {
    fn value(&mut self, function: &str, text: &str) -> Result<Option<String>, ScriptError> {
        self.0.set(self.0.get() + 1);
        match text {
            "gone" => Ok(None),
            "bad" => Err(ScriptError {
                function: function.into(),
                place: Place::default(),
                message: "no such side".into(),
                subject: None,
                ran_out: false,
            }),
            _ => Ok(Some(text.to_uppercase())),
        }
    }

    fn row(
        &mut self,
        _: &[(&str, Option<&str>)],
        _: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), ScriptError> {
        Ok(())
    }

    fn filter(&mut self, _: &str, _: &[(&str, Option<&str>)]) -> Result<bool, ScriptError> {
        Ok(true)
    }
}

#[test]
fn a_function_is_called_once_for_each_distinct_value_and_its_error_rejects_the_row() {
    let mut side = field("side", Kind::Text, 1);
    side.steps = steps("[trim, fn_side]");
    let plan = plan(vec![field("id", Kind::Text, 0), side]);
    let calls = Rc::new(Counter::new(0));
    let mut normalizer =
        Normalizer::with_functions(Arc::new(plan), Box::new(Counted(Rc::clone(&calls))));
    for _ in 0..1_000 {
        assert_eq!(read(&mut normalizer, &["k", "buy"])[1], "BUY");
        assert_eq!(read(&mut normalizer, &["k", "gone"])[1], "null");
        assert_eq!(read(&mut normalizer, &["k", ""])[1], "null");
    }
    assert_eq!(calls.get(), 2);
    let reject = rejected(&mut normalizer, &["k", "bad"]);
    assert_eq!(reject.code, Code::ScriptErrorRow);
    assert!(reject.message.contains("no such side"), "{}", reject.message);
    assert_eq!(show(&reject.key_cells.unwrap()), ["k"]);
}

const SCRIPT: &str = r#"
fn row(raw, r) {
    if raw["column 2"] == "REV" { r.amount = "-" + r.amount; }
    if raw["column 2"] == "TYPO" { r.amuont = "1"; }
    if raw["column 2"] == "BOOM" { throw "boom"; }
    r.kind = raw["column 2"];
    r
}
fn is_live(raw) {
    if raw["column 2"] == "CRASH" { throw "crash"; }
    raw["column 2"] != "DEAD"
}
fn side(v) { if v == "B" { "BUY" } else { () } }
"#;

#[test]
fn the_script_filters_rows_changes_them_and_may_set_fields_without_a_column() {
    let mut side = field("side", Kind::Text, 3);
    side.source_steps = steps("[trim]");
    side.steps =
        resolve_steps(&[StepSpec::Function("side".into())], ".".as_ref(), &|name| name == "side")
            .unwrap();
    let mut kind = field("kind", Kind::Text, 0);
    kind.column = None;
    kind.steps = steps("[lower]");
    let mut plan =
        plan(vec![field("id", Kind::Text, 0), field("amount", Kind::Decimal, 1), kind, side]);
    plan.scripts = vec![ScriptSource::from_text("normalize.rhai", SCRIPT)];
    plan.row_function = true;
    plan.filter = Some("is_live".into());
    let mut normalizer = Normalizer::new(Arc::new(plan)).unwrap();
    assert_eq!(read(&mut normalizer, &["k", "5", "REV", " B"]), ["k", "-5", "rev", "BUY"]);
    assert_eq!(read(&mut normalizer, &["k", "5", "", "x"]), ["k", "5", "null", "null"]);
    assert_eq!(
        normalizer.row::<[&str]>(&["k", "5", "DEAD", "B"], &mut Vec::new()),
        RowResult::Filtered
    );
    for (kind, part) in [("TYPO", "did you mean `amount`?"), ("BOOM", "boom"), ("CRASH", "crash")] {
        let reject = rejected(&mut normalizer, &["k", "5", kind, "B"]);
        assert_eq!(reject.code, Code::ScriptErrorRow);
        assert!(reject.message.contains(part), "{}", reject.message);
        assert!(reject.message.contains("normalize.rhai"), "{}", reject.message);
        assert_eq!(show(&reject.key_cells.unwrap()), ["k"], "{kind}");
    }
}

#[test]
fn values_that_two_formats_read_differently_are_counted() {
    for costly in [false, true] {
        let mut day = field("day", Kind::Date, 1);
        day.formats = ["%d/%m/%Y", "%m/%d/%Y"]
            .map(|format| TimeFormat::parse(format, Kind::Date).unwrap())
            .to_vec();
        if costly {
            // A step with remembered results and no effect here.
            day.steps = steps("[{regex_replace: {pattern: x, with: y}}]");
        }
        let plan = plan(vec![field("id", Kind::Text, 0), day]);
        let mut normalizer = Normalizer::new(Arc::new(plan)).unwrap();
        for _ in 0..3 {
            assert_eq!(read(&mut normalizer, &["k", "01/02/2026"])[1], "2026-02-01");
            assert_eq!(read(&mut normalizer, &["k", "13/02/2026"])[1], "2026-02-13");
            assert_eq!(read(&mut normalizer, &["k", "02/02/2026"])[1], "2026-02-02");
        }
        let found = DoubtfulValues {
            field: "day".into(),
            doubt: Doubt::FORMATS,
            values: 3,
            example: "01/02/2026".into(),
        };
        assert_eq!(normalizer.doubtful_values(), [found]);
    }
}

#[test]
fn a_trace_shows_every_step_and_why_a_value_is_unparsed() {
    let mut amount = field("amount", Kind::Decimal, 1);
    amount.steps = steps("[trim, {replace: {from: x, to: '1'}}]");
    let plan = plan(vec![field("id", Kind::Text, 0), amount]);
    let mut normalizer = Normalizer::new(Arc::new(plan)).unwrap();
    let trace = normalizer.trace::<[&str]>(&["k", " x2 "]).pop().unwrap();
    assert_eq!(trace.column.as_deref(), Some("column 1"));
    assert_eq!(trace.raw.as_deref(), Some(" x2 "));
    let shown: Vec<_> = trace.steps.iter().map(|it| (&*it.step, it.result.as_deref())).collect();
    assert_eq!(shown, [("trim", Some("x2")), ("replace: {from: x, to: 1}", Some("12"))]);
    assert_eq!((trace.value.as_deref(), trace.unparsed), (Some("12"), None));
    let trace = normalizer.trace::<[&str]>(&["k", "y"]).pop().unwrap();
    assert_eq!(
        (trace.value.as_deref(), trace.unparsed.as_deref()),
        (Some("y"), Some("not a number"))
    );
    let trace = normalizer.trace::<[&str]>(&["k", ""]).pop().unwrap();
    assert!(trace.is_null_value && trace.value.is_none() && trace.steps.is_empty());
}

#[test]
fn an_unknown_function_is_a_problem_with_a_path() {
    let problems =
        resolve_steps(&[StepSpec::Function("sied".into())], ".".as_ref(), &|_| false).unwrap_err();
    assert_eq!(path_text(&problems[0].path), "0");
}

proptest! {
    /// For any file: no panic, as many cells as fields, and the same with and without remembered
    /// results.
    #[test]
    fn any_text_normalizes_and_remembering_changes_nothing(
        texts in proptest::collection::vec("\\PC*|[-+0-9.,eE()/: T]{0,20}|[ -~\u{a0}]*", 1..20),
        chain in prop::sample::select(vec![
            "[]", "[trim]", "[trim, upper, collapse_spaces]", "[company_name, {last: 3}]",
            "[strip_accents, digits_only, {null_if: ['']}]",
        ]),
    ) {
        let kinds = Kind::ALL;
        let fields = |extra: &str| {
            let mut fields = vec![field("id", Kind::Text, 0)];
            for (at, kind) in kinds.into_iter().enumerate() {
                let mut value = field(&format!("v{at}"), kind, 1);
                value.numbers = serde_yaml::from_str::<NumberSpec>("{thousands: ','}").unwrap().resolve().unwrap();
                value.source_steps = steps(chain);
                value.steps = steps(extra);
                fields.push(value);
            }
            fields
        };
        let mut plain = Normalizer::new(Arc::new(plan(fields("[]")))).unwrap();
        // The pattern never matches: the step is there because its results are remembered.
        let never = r"[{regex_replace: {pattern: '\z.', with: x}}]";
        let mut remembering = Normalizer::new(Arc::new(plan(fields(never)))).unwrap();
        for text in texts.iter().chain(&texts) {
            let raw: [&str; 2] = ["k", text];
            let (mut one, mut other) = (Vec::new(), Vec::new());
            prop_assert_eq!(plain.row(&raw[..], &mut one), RowResult::Row);
            prop_assert_eq!(remembering.row(&raw[..], &mut other), RowResult::Row);
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(Cells::new(&one).count(), 7);
            if chain == "[]" && !text.is_empty() {
                prop_assert_eq!(&show(&one)[1], text);
            }
            let traced = plain.trace(&raw[..]);
            for (field, cell) in traced.iter().zip(Cells::new(&one)) {
                prop_assert_eq!(&field.value, &cell.decode(&mut [0; 36]).text());
            }
        }
    }
}
