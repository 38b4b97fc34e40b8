use super::*;
use crate::diagnostic::Code;
use crate::domain::row::push_cell;
use crate::domain::{
    Cell, Cells, Confidence, Date, DiffType, DifferenceContext, Field, FieldRef, Instant, Kind,
    Layout, Severity, Side,
};

fn script(text: &str) -> NormalizeScript {
    NormalizeScript::compile(&ScriptSource::from_text("rules/normalize.rhai", text)).unwrap()
}

fn value(body: &str) -> Result<Option<String>, ScriptError> {
    script(&format!("fn f(v) {{ {body} }}")).call_value("f", "x")
}

fn is_true(expression: &str) {
    assert_eq!(value(expression), Ok(Some("true".into())), "{expression}");
}

#[test]
fn an_endless_loop_ends_with_function_and_line() {
    let text = "fn g(v) {\n  v += \"x\";\n  loop {\n    if v == \"\" { break; }\n  }\n}\nfn f(v) {\n  g(v)\n}";
    let error = script(text).call_value("g", "x").unwrap_err();
    assert!(error.message.contains("more than 200000 operations"), "{error}");
    assert_eq!(&*error.function, "g");
    assert!(error.ran_out);
    assert!((3..=4).contains(&error.place.line), "{error}");
    let error = script(text).call_value("f", "x").unwrap_err();
    assert_eq!(&*error.function, "f");
    assert_eq!(error.place.to_string(), "rules/normalize.rhai:8:3");
    assert_eq!(error.place.text, "  g(v)");
}

#[test]
fn deep_recursion_ends_before_the_stack_does() {
    // Each level adds as much nesting as an expression may have, on a thread as small as ours are.
    let nested = format!("{}f(v){}", "(1 + ".repeat(20), ")".repeat(20));
    let text = format!("fn f(v) {{ {nested} }}");
    let error = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(move || script(&text).call_value("f", "x").unwrap_err())
        .unwrap()
        .join()
        .unwrap();
    assert!(error.message.contains("32 levels deep"), "{error}");
    assert!(!error.ran_out);
}

#[test]
fn nothing_grows_without_a_limit() {
    for body in [
        r#"let s = "0123456789"; loop { s += s; }"#,
        r#"v.pad(10000000, 'x'); v"#,
        "let a = []; loop { a.push(1); }",
        "let a = []; a.pad(10000000, 0); a",
        "let a = [v]; loop { a += a; }",
        "let m = #{}; let i = 0; loop { m[i.to_string()] = i; m.len(); i += 1; }",
        r#"let a = []; let s = ""; s.pad(100000, 'x'); loop { a.push(s); }"#,
    ] {
        let error = value(body).unwrap_err();
        // A large value is expensive to use, too.
        let said = ["too large", "operations"].iter().any(|why| error.message.contains(why));
        assert!(said, "{body}: {error}");
        assert_eq!((error.place.line, &*error.function), (1, "f"), "{body}: {error}");
    }
    let many: String = (0..300).map(|i| format!("let v{i} = {i}; ")).collect();
    assert!(value(&many).unwrap_err().message.contains("variables"));
    let functions: String = (0..501).map(|i| format!("fn f{i}() {{}} ")).collect();
    assert!(ScriptSource::from_text("f", functions).check().is_err());
    let nested = format!("fn f(v) {{ {}1{} }}", "(".repeat(200), ")".repeat(200));
    assert!(ScriptSource::from_text("f", nested).check().is_err());
}

/// Each of these takes gigabytes or minutes if only operations are counted.
#[test]
fn the_size_of_values_counts_as_work() {
    let long = "let s = \"\"; s.pad(60000, 'x');";
    let many = "let a = []; a.pad(4000, 0); let b = a;";
    for body in [
        format!("{long} let m = #{{}}; let i = 0; loop {{ m[\"k\" + i] = s + i; i += 1; }}"),
        "let m = #{}; let i = 0; loop { m[\"k\" + i] = m; i += 1; }".to_owned(),
        "let m = #{}; loop { m.k = m; }".to_owned(),
        "let a = [0]; loop { a[0] = a; }".to_owned(),
        "let a = [0]; loop { a = [a]; }".to_owned(),
        "let f = || 1; loop { let g = f; f = || g; }".to_owned(),
        format!("{many} let m = #{{}}; let i = 0; loop {{ m[\"k\" + i] = a; i += 1; }}"),
        format!("{long} loop {{ s.index_of(\"yy\"); }}"),
        format!("{long} loop {{ digits(s); }}"),
        format!("{long} loop {{ is_transposed(s, s); }}"),
        format!("{long} loop {{ has_word(s, [\"y\", \"z\"]); }}"),
        format!("{long} s = s.sub_string(0, 1900); loop {{ edits(s, s); }}"),
        format!("{long} s = s.sub_string(0, 1900); loop {{ similarity(s, s); }}"),
        format!("{long} let t = s; t.replace(\"x\", s); t"),
        format!("{many} loop {{ a == b; }}"),
        format!("{many} loop {{ a.contains(1); }}"),
        format!("{many} loop {{ a.index_of(1); }}"),
        "let f = |x| x; f = f.curry(1); v".to_owned(),
    ] {
        let source = ScriptSource::from_text("r.rhai", format!("fn f(v) {{ {body} }}"));
        let Ok(mut script) = NormalizeScript::compile(&source) else {
            assert!(body.contains("curry"), "{body}");
            continue;
        };
        let error = script.call_value("f", "x").unwrap_err();
        let said = ["too large", "200000 operations"].iter().any(|why| error.message.contains(why));
        assert!(said, "{body}: {error}");
        // The next call has the whole budget.
        assert!(script.call_value("f", "x").unwrap_err().message == error.message, "{body}");
    }
}

#[test]
fn the_work_of_one_call_is_not_charged_to_the_next() {
    let mut script = script("fn f(v) { let s = \"\"; s.pad(60000, 'x'); digits(s + v) }");
    for _ in 0..1_000 {
        assert_eq!(script.call_value("f", "1"), Ok(Some("1".into())));
    }
}

#[test]
fn replaced_functions_agree_with_those_of_rhai() {
    for expression in [
        r#"let t = "a.b.a"; t.replace("a", "xy"); t == "xy.b.xy""#,
        r#"let t = "a.b.a"; t.replace('a', 'z'); t == "z.b.z""#,
        r#"let t = "aXa"; t.replace("X", '-'); t == "a-a""#,
        r#"let t = "aXa"; t.replace('X', "--"); t == "a--a""#,
        r#"[1, "a", [2.50, ()]] == [1.0, "a", [2.5, ()]]"#,
        "[1, 2] != [1, 3] && [1] != [1, 2]",
        "#{a: 1, b: [2]} == #{b: [2], a: 1} && #{a: 1} != #{a: 2}",
        r#"[1, "x", 'c', true].contains('c') && "x" in [1, "x"] && !(2 in [1])"#,
        r#"[5, 6, 5].index_of(5) == 0 && [5, 6, 5].index_of(5, 1) == 2 && [5].index_of(7) == -1"#,
        "[5, 6, 5].index_of(5, -1) == 2",
        "[1, 2, 3].index_of(|x| x == 2) == 1 && [1, 2].contains(2.0)",
        r#"let a = [3, 1, 2]; a.sort(); let t = ["b", "a"]; t.sort_desc(); a == [1, 2, 3] && t == ["b", "a"]"#,
        "[2.5, 0.5].order() == [0.5, 2.5] && [1, 2].order_desc() == [2, 1] && [(), ()].order() == [(), ()]",
        "[].order() == [] && ['b', 'a'].order() == ['a', 'b'] && [true, false].order() == [false, true]",
        r#"let failed = false; try { [1, "a"].order(); } catch { failed = true; } failed"#,
        "let failed = false; try { [[1], [2]].order(); } catch { failed = true; } failed",
        r#""a b  c".split() == ["a", "b", "c"] && "a-b-c".split("-") == ["a", "b", "c"]"#,
        r#""a-b-c".split('-', 2) == ["a", "b-c"] && "a-b-c".split("-", 0) == ["a-b-c"]"#,
        r#""a-b-c".split_rev("-") == ["c", "b", "a"] && "a-b-c".split_rev('-', 2) == ["c", "a-b"]"#,
        r#""".split("-") == [""] && "".split() == [""] && "ab".split("-") == ["ab"]"#,
        r#""aé".to_chars() == ['a', 'é'] && "a-b".split(1) == ["a", "-b"]"#,
        "let m = #{a: 1, b: 2}; m.mixin(#{b: 3, c: 4}); m == #{a: 1, b: 3, c: 4}",
        "let m = #{a: 1}; m.fill_with(#{a: 2, b: 3}); m += #{d: 5}; m == #{a: 1, b: 3, d: 5}",
        "#{a: 1} + #{a: 2, b: 3} == #{a: 2, b: 3}",
        r#"#{a: 1, b: [2.50, "x"]}.to_json() == "{\"a\":1,\"b\":[2.50,\"x\"]}""#,
    ] {
        is_true(expression);
    }
}

#[test]
fn only_scripts_are_quoted() {
    for text in ["root:$6$secret$:19000:0\n", "secret", "user = \"secret\";", "'secret"] {
        let problem = ScriptSource::from_text("shadow", text).check().unwrap_err().remove(0);
        assert_eq!(problem.code, Code::NoScript);
        assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
    }
    let empty = ScriptSource::from_text("r", "// nothing yet\n").check();
    assert!(empty.is_ok(), "{empty:?}");
}

#[test]
fn there_is_no_way_out_of_the_sandbox() {
    for body in [
        "eval(\"1\")",
        "print(v)",
        "debug(v)",
        "import \"x\" as y;",
        "timestamp()",
        "sleep(1)",
        "exit()",
        "open_file(v)",
        "rand()",
        "parse_json(v)",
        "get_fn_metadata_list()",
    ] {
        let source = ScriptSource::from_text("r.rhai", format!("fn f(v) {{ {body} }}"));
        let refused = match NormalizeScript::compile(&source) {
            Ok(mut script) => script.call_value("f", "x").is_err(),
            Err(_) => true,
        };
        assert!(refused, "{body}");
    }
    let source = ScriptSource::from_text("r.rhai", "fn f(v) {\n  eval(v)\n}");
    let problem = source.check().unwrap_err().remove(0);
    let place = problem.place.unwrap();
    assert_eq!((place.line, place.column, place.text.as_str()), (2, 3, "  eval(v)"));
}

#[test]
fn errors_carry_file_line_column_text_and_function() {
    let error = script("// first\nfn f(v) {\n    let x = v.nothing_like_it();\n    x\n}")
        .call_value("f", "x")
        .unwrap_err();
    assert_eq!(error.place.to_string(), "rules/normalize.rhai:3:15");
    assert_eq!(error.place.text, "    let x = v.nothing_like_it();");
    assert_eq!(&*error.function, "f");
    assert_eq!(&*error.message, "there is no function nothing_like_it (text)");
    let thrown = value(r#"throw "not a side: " + v"#).unwrap_err();
    assert_eq!(&*thrown.message, "not a side: x");

    let problem = ScriptSource::from_text("a.rhai", "fn f(v) {\n  let = 1;\n}")
        .check()
        .unwrap_err()
        .remove(0);
    assert_eq!(problem.code, Code::ScriptSyntax);
    let place = problem.place.unwrap();
    assert_eq!((place.to_string().as_str(), place.text.as_str()), ("a.rhai:2:7", "  let = 1;"));
}

#[test]
fn variables_and_properties_that_do_not_exist_are_errors() {
    assert!(ScriptSource::from_text("r", "fn f(v) { w }").check().is_err());
    assert!(value("let m = #{a: 1}; m.b").is_err());
    is_true("let m = #{a: 1}; m.get(\"b\") == ()");
}

#[test]
fn statements_outside_of_functions_are_refused() {
    let problem = ScriptSource::from_text("r", "fn f(v) { v }\nlet x = 1;").check().unwrap_err();
    assert_eq!(problem[0].code, Code::ScriptStatement);
    assert_eq!(problem[0].place.as_ref().unwrap().line, 2);
}

#[test]
fn functions_come_in_the_order_of_the_file() {
    let names =
        ["attribute_zebra", "attribute_b", "helper", "attribute_a", "attribute_m", "attribute_c"];
    let text: String = names
        .iter()
        .map(|name| format!("// fn not_this(d) {{}}\n/* fn nor {{ this */ fn {name}(d) {{ `fn ${{1}} fn x() {{`; }}\n"))
        .collect();
    let source = ScriptSource::from_text("rules/a.rhai", text);
    let outline = source.check().unwrap();
    let found: Vec<_> = outline.functions.iter().map(|f| (f.name.as_str(), f.line)).collect();
    let expected: Vec<_> = names.iter().zip(1..).map(|(name, at)| (*name, at * 2)).collect();
    assert_eq!(found, expected);
    assert!(outline.functions.iter().all(|f| f.column == 24 && f.arity == 1));

    let rules = RuleScript::compile(&source, &[]).unwrap();
    let rules: Vec<_> = rules.functions().iter().map(|f| f.name.as_str()).collect();
    assert_eq!(
        rules,
        ["attribute_zebra", "attribute_b", "attribute_a", "attribute_m", "attribute_c"]
    );
}

#[test]
fn decimals_are_exact_or_an_error() {
    for expression in [
        "0.1 + 0.2 == 0.3",
        "0.02 > 0.01999",
        "1.50 == 1.5",
        "2 == 2.0 && 2.5 > 2 && 1 < 1.1",
        "1 - 0.9 == 0.1",
        "0.1 * 0.1 == 0.01",
        "5.5 % 2 == 1.5",
        "1.1 ** 2 == 1.21",
        "let x = 1.5; x += 1; x -= 0.25; x *= 2; x == 4.5",
        "let x = 1; x += 0.5; x == 1.5",
        "-(1.5) == -1.5",
        "round(2.345, 2) == 2.35",
        "() < 0.02 || () > 0.02 || () == 0.02 || () <= 0 || () >= 0",
    ] {
        if expression.starts_with("()") {
            assert_eq!(value(expression), Ok(Some("false".into())));
        } else {
            is_true(expression);
        }
    }
    // Each of these has an answer in 96 bits that is not the right one.
    for body in [
        "79228162514264337593543950335.0 + 0.0000000001",
        "7922816251426433759354395033.5 + 0.0000000000000000000000000001",
        "7922816251426433759354395033.5 - 0.0000000000000000000000000001",
        "0.0000000000000000000000000001 * 0.1",
        "1234567890.123456789 * 1234567890.123456789",
        "let x = 7922816251426433759354395033.5; x += 0.0000000000000000000000000001; x",
        "let x = 0.0000000000000000000000000001; x *= 0.1; x",
        "1.23456789 ** 5",
        "parse_decimal(\"0.12345678901234567890123456789\")",
    ] {
        let error = value(body).unwrap_err();
        assert!(error.message.contains("more digits than"), "{body}: {error}");
    }
    let long = ScriptSource::from_text("r", "fn f(v) { 0.12345678901234567890123456789 }");
    assert!(long.check().unwrap_err()[0].message.contains("more than 28 digits"));
    assert!(value("1.0 / 0").is_err());
    assert!(value("2.0 ** 0.5").is_err());
}

#[test]
fn a_value_becomes_text_or_null() {
    assert_eq!(value("v"), Ok(Some("x".into())));
    assert_eq!(value("()"), Ok(None));
    assert_eq!(value(""), Ok(None));
    assert_eq!(value("1.50"), Ok(Some("1.50".into())));
    assert_eq!(value("7"), Ok(Some("7".into())));
    assert_eq!(value("v == \"x\""), Ok(Some("true".into())));
    assert_eq!(value("v.len() == 1"), Ok(Some("true".into())));
    let error = value("#{}").unwrap_err();
    assert_eq!(
        &*error.message,
        "it returned a map, expected a text without NUL, a number, true, false or ()"
    );
    assert_eq!((error.place.line, error.place.column), (1, 4));
    assert!(script("fn f(v) { v }").call_value("g", "x").is_err());
}

#[test]
fn a_row_is_changed_and_may_gain_fields() {
    let mut script = script(
        r#"fn row(raw, r) {
            if raw["D/C"] == "D" { r.amount = "-" + r.amount; }
            r.fee = ();
            r.book = raw.desk + 1;
            r
        }"#,
    );
    let mut fields =
        vec![("fee".to_owned(), Some("1".to_owned())), ("amount".to_owned(), Some("5".to_owned()))];
    script.call_row(&[("D/C", Some("D")), ("desk", Some("X"))], &mut fields).unwrap();
    let expected = [("fee", None), ("amount", Some("-5")), ("book", Some("X1"))];
    let found: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
    assert_eq!(found, expected);

    let before = fields.clone();
    let error = script.call_row(&[("desk", None)], &mut fields).unwrap_err();
    assert!(error.message.contains("D/C"), "{error}");
    assert_eq!(fields, before);
}

#[test]
fn a_filter_says_true_or_false() {
    let mut script =
        script("fn is_live(raw) { raw.status != \"CANCELLED\" }\nfn vague(raw) { raw.status }");
    assert_eq!(script.call_filter("is_live", &[("status", Some("NEW"))]), Ok(true));
    assert_eq!(script.call_filter("is_live", &[("status", Some("CANCELLED"))]), Ok(false));
    let error = script.call_filter("vague", &[("status", Some("NEW"))]).unwrap_err();
    assert_eq!(&*error.message, "it returned a text, expected true or false");
}

#[test]
fn literals_of_reason_are_found_wherever_they_stand() {
    let text = "fn attribute_a(d) {\n  if d.field == \"x\" { return reason(\"ONE\", 1); }\n  \
                let f = |x| reason(\"TWO\", x);\n  switch 1 { 1 => reason(\"THREE\", 0.5), _ => () }\n}\n\
                private fn help(c) { reason(c, 0.5); if false { reason(\"FOUR\", 1) } }";
    let outline = ScriptSource::from_text("a.rhai", text).check().unwrap();
    let found: Vec<_> =
        outline.reasons.iter().map(|(code, place)| (code.as_str(), place.line)).collect();
    assert_eq!(found, [("ONE", 2), ("TWO", 3), ("THREE", 4), ("FOUR", 6)]);
}

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

mod plain {
    use super::*;
    use proptest::prelude::*;

    const LAYOUT: [(&str, Kind); 3] =
        [("id", Kind::Text), ("amount", Kind::Decimal), ("quantity", Kind::Integer)];

    fn rules(text: &str) -> RuleScript {
        let codes =
            ["ONE", "TWO", "ROUNDING_DIFF", "FX_VARIANCE", "ACCRUAL_DIFF"].map(str::to_owned);
        RuleScript::compile(&ScriptSource::from_text("rules/attribution.rhai", text), &codes)
            .unwrap()
    }

    /// The result without the interpreter, after a check that the interpreter gives the same.
    fn told(
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
        let told: Vec<_> = (0..count).map(|rule| script.plain_answer(rule, &d)).collect();
        for (rule, verdict) in told.iter().enumerate() {
            if let Some(verdict) = verdict {
                assert_eq!(Ok(verdict), script.call(rule, None).as_ref());
            }
        }
        told
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
            for text in [RULES, include_str!("../../rules/attribution.rhai")] {
                let mut script = rules(text);
                for (a, b, kind, severity) in &differences {
                    told(&mut script, *kind, *severity, [of(*a), of(*b)]);
                    told(&mut script, DiffType::NumericMismatch, *severity, [of(*a), of(*b)]);
                }
            }
        }
    }

    #[test]
    fn rules_of_comparisons_need_no_script() {
        let mut script = rules(RULES);
        let number =
            |value: i128, scale| Cell::Decimal(crate::domain::Decimal::new(value, scale).unwrap());
        let of = |told: &Option<Verdict>| {
            told.as_ref().map(|told| told.reason.map(|reason| reason.code))
        };
        let numeric = DiffType::NumericMismatch;
        let far = told(&mut script, numeric, Severity::Low, [number(100, 0), number(50, 0)]);
        let far: Vec<_> = far.iter().map(of).collect();
        let expected =
            [Some(None), Some(Some(2)), Some(Some(0)), None, Some(None), None, Some(Some(3)), None];
        assert_eq!(far, expected);
        let near = told(&mut script, numeric, Severity::Low, [number(1000, 1), number(1011, 1)]);
        let near: Vec<_> = near.iter().map(of).collect();
        let expected =
            [Some(None), Some(Some(1)), Some(Some(0)), None, Some(None), None, Some(Some(3)), None];
        assert_eq!(near, expected);
        let small = told(&mut script, numeric, Severity::Low, [number(1000, 2), number(1001, 2)]);
        let small: Vec<_> = small.iter().map(of).collect();
        // A note, a value that is no reason, a closure and a confidence above 1 are for the script.
        let expected = [None, Some(Some(2)), Some(Some(0)), None, None, None, Some(Some(3)), None];
        assert_eq!(small, expected);
        let text = told(
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
        assert_eq!(told(&mut script, kind, Severity::Low, [number(1), number(1)]), [None]);
        let passes = Some(Verdict { reason: None, notes: Vec::new() });
        assert_eq!(told(&mut script, kind, Severity::Low, [number(1), number(3)]), [passes]);
    }
}
