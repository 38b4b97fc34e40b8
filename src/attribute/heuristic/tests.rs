use super::*;
use crate::domain::row::push_cell;
use crate::domain::{Cell, Cells, Date, DiffType, Field, FieldRef, Kind, Layout, Severity};
use proptest::prelude::*;

fn plan(text: &str) -> RulesPlan {
    RulesPlan {
        scripts: vec![ScriptSource::from_text("rules/a.rhai", text)],
        codes: ["ONE", "TWO", "THREE"].map(str::to_owned).to_vec(),
    }
}

/// A difference that owns its data.
#[derive(Clone, Debug)]
struct Owned {
    field: FieldRef,
    diff_type: DiffType,
    severity: Severity,
    a: Option<Vec<u8>>,
    b: Option<Vec<u8>>,
    partner_rejected: bool,
}

fn layout() -> Layout {
    let fields = [("id", Kind::Text), ("amount", Kind::Decimal), ("day", Kind::Date)];
    Layout::new(fields.map(|(name, kind)| Field::new(name, kind)).to_vec(), 1)
}

fn row(id: &str, cents: i64, day: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_cell(&mut bytes, Cell::Text(id));
    push_cell(&mut bytes, Cell::Decimal(crate::domain::Decimal::new(cents.into(), 2).unwrap()));
    push_cell(&mut bytes, Cell::Date(Date::from_days(day)));
    bytes
}

impl Owned {
    fn missing(cents: i64) -> Self {
        Self {
            field: FieldRef::EntireRecord,
            diff_type: DiffType::MissingInSourceA,
            severity: Severity::High,
            a: None,
            b: Some(row("k", cents, 20_000)),
            partner_rejected: false,
        }
    }

    fn numeric(a: i64, b: i64) -> Self {
        Self {
            field: FieldRef::Field(1),
            diff_type: DiffType::NumericMismatch,
            severity: Severity::Medium,
            a: Some(row("k", a, 20_000)),
            b: Some(row("k", b, 20_000)),
            partner_rejected: false,
        }
    }

    fn with<T>(&self, layout: &Layout, look: impl FnOnce(&DifferenceContext<'_>) -> T) -> T {
        look(&DifferenceContext {
            layout,
            field: self.field,
            diff_type: self.diff_type,
            severity: self.severity,
            a: self.a.as_deref().map(Cells::new),
            b: self.b.as_deref().map(Cells::new),
            partner_rejected: self.partner_rejected,
            matched: None,
        })
    }
}

const RULES: &str = r#"
fn attribute_zero(d) {
    if d.diff_type == "MISSING_IN_SOURCE_A" { return reason("ONE", 0.97); }
}
fn attribute_failing(d) {
    if d.diff_type == "NUMERIC_MISMATCH" && d.percent > 50 { throw "too far apart"; }
    if d.severity == "LOW" { note("low"); }
}
fn attribute_amounts(d) {
    if d.abs_delta < 0.02 { note(`delta ${d.delta}`); return reason("TWO", 0.9); }
}
fn attribute_records(d) {
    if d.record_a != () && d.record_b != () && d.record_a.day != d.record_b.day {
        return reason("THREE", if d.partner_rejected { 0.1 } else { 0.5 });
    }
}
fn attribute_keys(d) {
    if d.record_b != () && d.record_b.keys().len() > 2 && d.field == "day" { return reason("ONE", 0.2); }
}
"#;

#[test]
fn a_plain_rule_needs_no_call_of_its_script() {
    let layout = layout();
    let mut rules = Rules::new(&plan(RULES)).unwrap();
    for cents in 0..1_000 {
        let decision = Owned::missing(cents).with(&layout, |d| rules.decide(d));
        let Decision::Claimed { code, rule, line, notes, .. } = decision else { panic!() };
        assert_eq!((code, rule, line, notes.len()), (0, 0, 3, 0));
    }
    assert_eq!(rules.calls(), 0);
    assert_eq!(rules.rules()[0].name, "attribute_zero");
    assert_eq!(rules.rules()[0].place.to_string(), "rules/a.rhai:2:4");
}

#[test]
fn rarely_repeated_values_are_not_memoized() {
    let layout = layout();
    let text = "fn attribute_it(d) { if d.diff_type != \"NUMERIC_MISMATCH\" { return; } \
                let limits = [6].filter(|limit| limit > 1); \
                if d.a + 1 < limits[0] { return reason(\"ONE\", 1); } }";
    let mut rules = Rules::new(&plan(text)).unwrap();
    for round in 0..2 {
        for cents in 0..1_000 {
            let decision = Owned::numeric(cents, 7).with(&layout, |d| rules.decide(d));
            assert_eq!(matches!(decision, Decision::Claimed { .. }), cents < 500, "{cents}");
        }
        assert_eq!(rules.calls(), 1_000 * (round + 1));
        assert!(rules.rules[0].memo.size() < 3_000, "{}", rules.rules[0].memo.size());
    }
    let calls = rules.calls();
    for cents in 0..1_000 {
        Owned::missing(cents).with(&layout, |d| rules.decide(d));
    }
    assert_eq!(rules.calls(), calls + 1, "giving up one branch must not touch the others");
}

#[test]
fn no_rule_runs_after_an_error() {
    let layout = layout();
    let mut rules = Rules::new(&plan(RULES)).unwrap();
    let decision = Owned::numeric(100, 1_000).with(&layout, |d| rules.decide(d));
    let Decision::Passed { error: Some(error), .. } = decision else { panic!("{decision:?}") };
    assert_eq!(&*error.message, "too far apart");
    assert_eq!(&*error.function, "attribute_failing");
    assert_eq!(error.place.to_string(), "rules/a.rhai:6:62");
    assert_eq!(rules.calls(), 1);
}

#[test]
fn the_first_rule_that_answers_wins_across_scripts() {
    let layout = layout();
    let script = |name: &str, text: &str| ScriptSource::from_text(name, text);
    let plan = RulesPlan {
        scripts: vec![
            script("b.rhai", "fn attribute_z(d) { note(\"seen\"); } fn attribute_y(d) {}"),
            script(
                "a.rhai",
                "fn attribute_x(d) { reason(\"TWO\", 0.5) } fn attribute_a(d) { reason(\"ONE\", 1) }",
            ),
        ],
        ..plan("")
    };
    let mut rules = Rules::new(&plan).unwrap();
    let decision = Owned::missing(1).with(&layout, |d| rules.decide(d));
    let Decision::Claimed { code, rule, notes, .. } = decision else { panic!("{decision:?}") };
    assert_eq!((code, rules.rules()[rule].name.as_str()), (1, "attribute_x"));
    assert_eq!(notes, ["seen"]);
}

fn difference() -> impl Strategy<Value = Owned> {
    let row = || (0i64..8, 0i32..3).prop_map(|(cents, day)| row("k", cents, 20_000 + day));
    (
        prop_oneof![Just(FieldRef::EntireRecord), (0u16..3).prop_map(FieldRef::Field)],
        prop::sample::select(DiffType::ALL),
        prop::sample::select(Severity::ALL),
        prop::option::weighted(0.9, row()),
        prop::option::weighted(0.9, row()),
        any::<bool>(),
    )
        .prop_map(|(field, diff_type, severity, a, b, partner_rejected)| Owned {
            field,
            diff_type,
            severity,
            a,
            b,
            partner_rejected,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn memoizing_changes_only_the_number_of_calls(differences in prop::collection::vec(difference(), 1..300)) {
        let layout = layout();
        let plan = plan(RULES);
        let mut remembering = Rules::new(&plan).unwrap();
        let mut forgetful = Rules::new(&plan).unwrap().without_memory();
        for owned in &differences {
            let expected = owned.with(&layout, |d| forgetful.decide(d));
            prop_assert_eq!(owned.with(&layout, |d| remembering.decide(d)), expected);
        }
        prop_assert!(remembering.calls() <= forgetful.calls());
    }
}
