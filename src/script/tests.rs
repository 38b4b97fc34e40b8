mod plain;
mod rules;

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
fn a_missing_semicolon_is_no_unclosed_bracket() {
    for (text, at, said) in [
        (
            "fn f(d) {\n  let x = 1\n  let y = 2;\n  x + y\n}",
            "2:11",
            "a `;` is missing at the end of this statement",
        ),
        (
            "fn f(d) {\n  note(\"a\") // why\n\n  reason(\"A\", 1.0)\n}",
            "2:11",
            "a `;` is missing at the end of this statement",
        ),
        (
            "fn f(d) {\n  if d {\n    let x = d x + 1\n  }\n}",
            "3:13",
            "a `;` is missing at the end of this statement",
        ),
        ("fn f(d) {\n  let m = #{\n    a: 1\n    b: 2\n  };\n}", "4:5", ""),
        ("fn f(d) {\n  if d {\n    1\n}\nfn g(d) { 2 }", "1:9", "this `{` is not closed"),
        ("fn f(d) {\n  let x = 1", "1:9", "this `{` is not closed"),
        ("fn f(d) { let x = 1", "1:9", "this `{` is not closed"),
        ("fn f(d) {\n  let x = max(1,\n    2;\n  x\n}", "2:14", "this `(` is not closed"),
        ("fn f(d) {\n  let x = [1,\n    2\n}\nfn g(d) { 2 }", "2:11", "this `[` is not closed"),
        ("fn f(d) {\n  let x = (1 + 2\n  if x { }\n}", "2:11", "this `(` is not closed"),
    ] {
        let problems = ScriptSource::from_text("r.rhai", text).check().unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        let place = problem.place.as_ref().unwrap();
        assert_eq!(place.to_string(), format!("r.rhai:{at}"), "{text}\n{problem:?}");
        assert!(problem.message.starts_with(said), "{text}\n{problem:?}");
        assert_eq!(
            said.is_empty(),
            !problem.message.contains("this `") && !problem.message.contains("a `;`"),
            "{problem:?}"
        );
    }
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
