//! Results of rules without the interpreter agree with the interpreter.

use super::*;
use proptest::prelude::*;

const LAYOUT: [(&str, Kind); 3] =
    [("id", Kind::Text), ("amount", Kind::Decimal), ("quantity", Kind::Integer)];

fn rules(text: &str) -> RuleScript {
    let codes = ["ONE", "TWO", "ROUNDING_DIFF", "FX_VARIANCE", "ACCRUAL_DIFF"].map(str::to_owned);
    RuleScript::compile(&ScriptSource::from_text("rules/attribution.rhai", text), &codes).unwrap()
}

/// The result without the interpreter, after a check that the interpreter gives the same.
fn plain_results(
    script: &mut RuleScript,
    diff_type: DiffType,
    severity: Severity,
    [a, b]: [Cell<'_>; 2],
) -> Vec<Option<Verdict>> {
    let layout = Layout::new(LAYOUT.map(|(name, kind)| Field::new(name, kind)).to_vec(), 1);
    let row = |value: Cell<'_>| {
        let mut cells = Vec::new();
        for cell in [Cell::Text("x"), value, Cell::Integer(7)] {
            push_cell(&mut cells, cell);
        }
        cells
    };
    let (a, b) = (row(a), row(b));
    let d = DifferenceContext {
        layout: &layout,
        field: FieldRef::Field(1),
        diff_type,
        severity,
        a: Some(Cells::new(&a)),
        b: Some(Cells::new(&b)),
        partner_rejected: false,
        matched: None,
    };
    script.load(&d);
    let count = script.functions().len();
    let plain_results: Vec<_> = (0..count).map(|rule| script.plain_answer(rule, &d)).collect();
    for (rule, verdict) in plain_results.iter().enumerate() {
        if let Some(verdict) = verdict {
            assert_eq!(Ok(verdict), script.call(rule, None).as_ref());
        }
    }
    plain_results
}

const RULES: &str = r#"
fn attribute_a(d) {
    if d.diff_type != "NUMERIC_MISMATCH" || d.abs_delta >= 1 { return; }
    note("small");
    reason("ONE", 0.5)
}
fn attribute_b(d) {
    switch d.diff_type {
        "TYPE_MISMATCH" => reason("ONE", 1),
        "NUMERIC_MISMATCH" => {
            let share = d.percent;
            if share > 0.5 && share < 3.0 {
                return reason("TWO", 0.80);
            } else if !(d.delta <= -100) {
                let share = 7;
                if share == 7 { return reason("ROUNDING_DIFF", 0.95); }
            }
            if share == 7 { return reason("ONE", 0.1); }
        }
        _ => ()
    }
}
fn attribute_c(d) {
    let d = 1;
    if d == 1 { return reason("ONE", 0.25); }
}
fn attribute_d(d) { if d.a == d.b { reason("ONE", 0.5) } else { reason("TWO", if d.severity == "LOW" { 1 } else { 0 }) } }
fn attribute_e(d) { if d.percent < 1 { true } }
fn attribute_f(d) { let least = [1, 2].filter(|x| x > 1); if d.delta > least[0] { return reason("ONE", 1); } }
fn attribute_g(d) { if d.field == "amount" && d.delta != 0.10 { reason("FX_VARIANCE", 0.8) } }
fn attribute_h(d) { if d.delta > 1 { throw "no"; } reason("ONE", 2) }
"#;

fn cell() -> impl Strategy<Value = Option<(i64, u8)>> {
    proptest::option::weighted(0.95, (-100_000i64..100_000, 0u8..4))
}

fn of(cell: Option<(i64, u8)>) -> Cell<'static> {
    cell.and_then(|(value, scale)| crate::domain::Decimal::new(value.into(), scale))
        .map_or(Cell::Null, Cell::Decimal)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn plain_results_agree_with_the_script(
        differences in proptest::collection::vec(
            (
                cell(),
                cell(),
                proptest::sample::select(DiffType::ALL.to_vec()),
                proptest::sample::select(Severity::ALL.to_vec()),
            ),
            1..50,
        ),
    ) {
        for text in [RULES, include_str!("../../../rules/attribution.rhai")] {
            let mut script = rules(text);
            for (a, b, kind, severity) in &differences {
                plain_results(&mut script, *kind, *severity, [of(*a), of(*b)]);
                plain_results(&mut script, DiffType::NumericMismatch, *severity, [of(*a), of(*b)]);
            }
        }
    }
}

#[test]
fn rules_of_comparisons_need_no_script() {
    let mut script = rules(RULES);
    let number =
        |value: i128, scale| Cell::Decimal(crate::domain::Decimal::new(value, scale).unwrap());
    let of = |plain_results: &Option<Verdict>| {
        plain_results.as_ref().map(|plain_results| plain_results.reason.map(|reason| reason.code))
    };
    let numeric = DiffType::NumericMismatch;
    let far = plain_results(&mut script, numeric, Severity::Low, [number(100, 0), number(50, 0)]);
    let far: Vec<_> = far.iter().map(of).collect();
    let expected = [
        Some(None),
        Some(Some(2)),
        Some(Some(0)),
        Some(Some(1)),
        Some(None),
        None,
        Some(Some(3)),
        None,
    ];
    assert_eq!(far, expected);
    let near =
        plain_results(&mut script, numeric, Severity::Low, [number(1000, 1), number(1011, 1)]);
    let near: Vec<_> = near.iter().map(of).collect();
    let expected = [
        Some(None),
        Some(Some(1)),
        Some(Some(0)),
        Some(Some(1)),
        Some(None),
        None,
        Some(Some(3)),
        None,
    ];
    assert_eq!(near, expected);
    let small =
        plain_results(&mut script, numeric, Severity::Low, [number(1000, 2), number(1001, 2)]);
    let small: Vec<_> = small.iter().map(of).collect();
    // A value that is no reason, a closure and a confidence above 1 are for the script.
    let expected = [
        Some(Some(0)),
        Some(Some(2)),
        Some(Some(0)),
        Some(Some(1)),
        None,
        None,
        Some(Some(3)),
        None,
    ];
    assert_eq!(small, expected);
    let text = plain_results(
        &mut script,
        DiffType::TypeMismatch,
        Severity::Low,
        [Cell::Text("?"), number(1, 0)],
    );
    assert_eq!(of(&text[1]), Some(Some(0)));
}

#[test]
fn a_script_with_its_own_reason_runs() {
    let mut script = rules(
        "fn reason(a, b) { () }\nfn attribute_it(d) { if d.abs_delta < 1 { return reason(\"ONE\", 1); } }",
    );
    let number = |value| Cell::Integer(value);
    let kind = DiffType::NumericMismatch;
    let passes = [Some(Verdict { reason: None, notes: Vec::new() })];
    for b in [1, 3] {
        assert_eq!(plain_results(&mut script, kind, Severity::Low, [number(1), number(b)]), passes);
    }
}

const TEXT_RULES: &str = r#"
fn attribute_a(d) {
    let a = d.a;
    let b = d.b;
    a.replace(".", ""); a.replace(",", "; "); a.trim();
    b.replace(".", ""); b.replace(",", "; "); b.trim();
    if a == b { return reason("ONE", 0.9); }
    if d.a != a && d.diff_type == "STRING_MISMATCH" { a.replace("", "-"); let c = a; c.trim(); if c == b { return reason("TWO", 0.1); } }
}
fn attribute_b(d) { let a = d.a; if a.trim() == d.b { reason("ONE", 0.5) } }
fn attribute_c(d) { const A = d.a; A.trim(); if A == d.b { return reason("TWO", 1); } }
fn attribute_d(d) { let a = d.a; a.to_upper(); if a == d.b { return reason("TWO", 1); } }
fn attribute_e(d) { let a = d.a; if true { let a = d.b; a.trim(); } if a == d.b { return reason("TWO", 1); } }
fn attribute_f(d) { let a = d.text_a; a.trim(); if a == d.b { return reason("TWO", 1); } }
"#;

/// What rules mostly do besides comparing: functions of recon and of their own, arithmetic, loops, notes.
const WIDE_RULES: &str = r#"
fn attribute_sums(d) {
    let a = d.a; let b = d.b;
    if a == () || b == () || d.delta == () { return; }
    if a + b > 0.1 || a - b < -3 || a * 2 == b || -a == b { return reason("ONE", 0.5); }
    if abs(d.delta) / 3 > 1.5 || round(a, 1) == round(b, 1) || min(a, b) == max(a, b) { return reason("TWO", 0.25); }
    if floor(a) == ceiling(b) || truncate(a) == sign(b) || to_decimal(a) < to_decimal(b) { reason("FX_VARIANCE", 0.1 + 0.2) }
}
fn attribute_integers(d) {
    let q = d.record_a.quantity;
    if q + 1 > 7 && q * 3 - 2 != 20 && q / 2 == 3 { note(`${q} is ${q + 1} less one`); return reason("ONE", 1); }
    if to_int(q) == 7 && abs(-q) == 7 && sign(q) == 1 && min(q, 7.5) == 7 && max(q, 7.5) == 7.5 { reason("TWO", q - 6) }
}
fn attribute_texts(d) {
    let a = d.text_a; let b = d.text_b;
    if a == () || b == () { return; }
    if a.len() > b.len() && a.starts_with(b) { note("longer: " + a); return reason("ONE", 0.9); }
    if a.ends_with(b) || a.contains("ä") || "," in b { return reason("TWO", 0.8); }
    if letters(a.to_upper()) == letters(b.to_upper()) && digits(a) == digits(b) { return reason("FX_VARIANCE", 0.7); }
    if alphanumeric(a) == b.to_lower() || is_blank(a) || a.is_empty() { return reason("ACCRUAL_DIFF", 0.6); }
    if a.index_of(".") == b.index_of(".") && a.sub_string(1) == b.sub_string(0, 2) { return reason("ONE", 0.4); }
    if without_prefix(a, "a") == without_suffix(b, "a") { return reason("ONE", 0.3); }
    if is_transposed(a, b) || edits(a, b) == 1 || similarity(a, b) > 0.9 { return reason("TWO", 0.2); }
    if has_word(a, ["AA", "Ä"]) || a in ["a", "b", 1, 2.5, ()] { reason("TWO", 0.1) }
}
fn attribute_loops(d) {
    for name in d.differing {
        if name == "id" { continue; }
        let a = d.record_a[name]; let b = d.record_b[name];
        if a == b { break; }
        note(`${name} differs`);
        if d.differing.len() == 1 && d.agreeing.len() > 1 { return reason("ONE", 0.5); }
    }
    for digit in [0, 1, 2.5, "x"] {
        if digit == "x" { note("at the end"); return reason("TWO", 0.5); }
        if d.a == digit { let digit = 7; note(`${digit}`); break; }
    }
}
fn attribute_calls(d) {
    let kind = kind_of(d, 3);
    if kind == "" { return; }
    if is_same(d.text_a, d.text_b) { reason("ONE", if kind == "two" { 0.5 } else { 0.6 }) } else { reason("TWO", 0.5) }
}
fn kind_of(d, n) { let a = n - 1; if d.delta == a { return "two"; } if d.severity in ["LOW", "HIGH"] { `n${n}` } else { "" } }
fn is_same(x, y) { if x == () || y == () { return false; } x.trim(); x.replace("a", "b"); let d = y; d.trim(); x == d }
fn attribute_record(d) {
    if d.record_a == () || d.record_b == () { return; }
    if d.record_a.amount == d.record_b.amount { return reason("ONE", 0.5); }
    if d.record_a["quantity"] == d.record_b.quantity && d.days == () { reason("TWO", 0.5) }
}
fn attribute_fails(d) {
    if d.a == 1 { return reason("NONE", 0.5); }
    if d.a == 2 { return d.record_a.missing; }
    if d.a == 3 { return reason("ONE", 1 / 0); }
    if d.a == 4 { return reason("ONE", "x" + 1); }
    let i = 9223372036854775807;
    if d.a == 5 && i + 1 > 0 { return reason("ONE", 1); }
    let x = 0;
    x += 1;
    if x == 1 { reason("TWO", 0.5) }
}
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn wide_rules_agree_with_the_script(
        numbers in proptest::collection::vec((cell(), cell()), 1..20),
        small in proptest::collection::vec((-6i64..7, -6i64..7), 1..20),
        texts in proptest::collection::vec(("[ .,aAbä1]{0,4}", "[ .,aAbä1]{0,4}"), 1..20),
        severity in proptest::sample::select(Severity::ALL.to_vec()),
    ) {
        let (mut wide, mut shipped) = (rules(WIDE_RULES), shipped());
        let mut agree = |kind, values| {
            plain_results(&mut wide, kind, severity, values);
            plain_results(&mut shipped, kind, severity, values);
        };
        let small = small.iter().map(|(a, b)| (Some((*a, 0)), Some((*b, 0))));
        for (a, b) in numbers.iter().copied().chain(small) {
            agree(DiffType::NumericMismatch, [of(a), of(b)]);
            if let (Some((a, _)), Some((b, _))) = (a, b) {
                agree(DiffType::NumericMismatch, [Cell::Integer(a.into()), Cell::Integer(b.into())]);
                let date = |days: i64| Cell::Date(crate::domain::Date::from_days((days % 40) as i32));
                agree(DiffType::DateMismatch, [date(a), date(b)]);
            }
        }
        for (a, b) in &texts {
            agree(DiffType::StringMismatch, [Cell::Text(a), Cell::Text(b)]);
            agree(DiffType::TypeMismatch, [Cell::Unparsed(a), Cell::Integer(1)]);
        }
    }
}

/// The rules of a new project.
fn shipped() -> RuleScript {
    let text = include_str!("../../../rules/attribution.rhai");
    let codes = text.split('"').filter(|word| word.contains('_')).map(str::to_owned);
    let codes: Vec<String> = codes.chain(["ROUNDING_DIFF".to_owned()]).collect();
    RuleScript::compile(&ScriptSource::from_text("rules/attribution.rhai", text), &codes).unwrap()
}

#[test]
fn what_rules_mostly_do_needs_no_script() {
    let number = |value, scale| Cell::Decimal(crate::domain::Decimal::new(value, scale).unwrap());
    let kinds = [
        (DiffType::NumericMismatch, [number(123_456, 2), number(1_235, 0)]),
        (DiffType::NumericMismatch, [number(100, 0), number(10_000, 0)]),
        (DiffType::NumericMismatch, [number(700, 0), number(12, 1)]),
        (DiffType::StringMismatch, [Cell::Text("Smith & Co."), Cell::Text("SMITH & CO")]),
        (DiffType::StringMismatch, [Cell::Text("Acme Ltd"), Cell::Text("ACME")]),
        (DiffType::StringMismatch, [Cell::Text("one"), Cell::Text("quite another")]),
    ];
    for (kind, values) in kinds {
        for (name, mut script) in [("wide", rules(WIDE_RULES)), ("shipped", shipped())] {
            let results = plain_results(&mut script, kind, Severity::Low, values);
            let functions = script.functions().iter().zip(&results);
            let left: Vec<_> = functions
                .filter(|(_, one)| one.is_none())
                .map(|(rule, _)| rule.name.as_str())
                .collect();
            let expected: &[&str] = if name == "wide" { &["attribute_fails"] } else { &[] };
            assert_eq!(left, expected, "{name} {values:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn plain_results_of_texts_agree_with_the_script(
        texts in proptest::collection::vec(("[ .,a\u{a0}\u{e4}]{0,6}", "[ .,a\u{a0}\u{e4}]{0,6}"), 1..50),
    ) {
        let mut script = rules(TEXT_RULES);
        for (a, b) in &texts {
            for [a, b] in [
                [Cell::Text(a), Cell::Text(b)],
                [Cell::Text(a), Cell::Text(a)],
                [Cell::Unparsed(a), Cell::Text(b)],
                [Cell::Null, Cell::Text(b)],
                [Cell::Text(a), Cell::Integer(1)],
            ] {
                plain_results(&mut script, DiffType::StringMismatch, Severity::Low, [a, b]);
            }
        }
    }
}

#[test]
fn rules_that_change_texts_need_no_script() {
    let of = |script: &mut RuleScript, a: &str, b: &str| {
        let values = [Cell::Text(a), Cell::Text(b)];
        let results = plain_results(script, DiffType::StringMismatch, Severity::Low, values);
        let code = |verdict: Verdict| verdict.reason.map(|reason| reason.code);
        results.into_iter().map(|verdict| verdict.map(code)).collect::<Vec<_>>()
    };
    let mut script = rules(TEXT_RULES);
    let passes = Some(None);
    // Changing a constant is for the script.
    let expected = [Some(Some(0)), passes, None, passes, passes, passes];
    assert_eq!(of(&mut script, " A. Ltd.", "A Ltd"), expected);
    assert_eq!(of(&mut script, " .x", "-x-")[0], Some(Some(1)));
    // So is a text that takes more work.
    assert_eq!(of(&mut script, &"x".repeat(257), "x")[0], None);
    let mut script = rules(
        "fn trim() { this = \"x\"; }\nfn attribute_it(d) { let a = d.a; a.trim(); if a == d.b { return reason(\"ONE\", 1); } }",
    );
    assert_eq!(of(&mut script, " y", "y"), [None]);
}
