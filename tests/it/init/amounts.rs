//! Amounts: signs, units, currencies and notations.

use super::*;

#[test]
fn amounts_are_read_in_each_sides_format() {
    let plain = |n: u32| format!("{}.{:02}", n * 123_457, n % 100);
    let group = |n: u32, separator: &str, point: &str| {
        let whole = (n * 123_457).to_string();
        let mut grouped = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                grouped += separator;
            }
            grouped.push(digit);
        }
        format!("{grouped}{point}{:02}", n % 100)
    };
    let lakh = |n: u32| {
        let whole = (n * 123_457).to_string();
        let (head, tail) = whole.split_at(whole.len() - 3);
        let mut grouped = String::new();
        for (at, digit) in head.chars().enumerate() {
            if at > 0 && (head.len() - at) % 2 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("{grouped},{tail}.{:02}", n % 100)
    };
    type Way<'w> = (&'w str, &'w dyn Fn(u32) -> String, &'w str);
    let ways: [Way<'_>; 12] = [
        ("euro sign", &|n| format!("€ {}", group(n, ".", ",")), "currency: [\"€\"]"),
        ("code behind", &|n| format!("{} EUR", group(n, ".", ",")), "currency: [\"EUR\"]"),
        ("dollar", &|n| format!("${}", group(n, ",", ".")), "currency: [\"$$\"]"),
        ("no-break space", &|n| group(n, "\u{a0}", ","), "\\u00A0"),
        ("narrow space", &|n| group(n, "\u{202f}", ","), "\\u202F"),
        ("apostrophe", &|n| group(n, "'", "."), "thousands: \"'\""),
        ("typographic apostrophe", &|n| group(n, "\u{2019}", "."), "\u{2019}"),
        ("lakh", &lakh, "grouping: indian"),
        ("rupees", &|n| format!("₹{}", lakh(n)), "grouping: indian, currency"),
        ("pounds and space", &|n| format!("£ {}", group(n, ",", ".")), "currency: [\"£\"]"),
        ("two separators", &|n| group(n, if n % 2 == 0 { "." } else { " " }, ","), "thousands: ["),
        ("plain", &plain, "amount: amount"),
    ];
    for (name, way, written) in ways {
        let project = Project::new();
        let [a, b] = rows(["id;amount", "id;amount"], 12, |n| {
            let other = if n == 5 { format!("{}.99", n) } else { plain(n) };
            [format!("K{n:02};{}", way(n)), format!("K{n:02};{other}")]
        });
        let said = init(&project, a, b);
        let text = configuration(&project);
        assert!(text.contains(written), "{name}: {text}");
        assert!(text.contains("type: decimal"), "{name}: {said}");
        let summary = run(&project);
        assert_eq!(summary["records"]["matched"], 11, "{name}: {text}");
        assert_eq!(differences(&project), ["K05 amount"], "{name}");
    }
}

#[test]
fn negative_amounts_are_read_in_each_sides_format() {
    type Way<'w> = (&'w str, &'w dyn Fn(u32) -> String, &'w str);
    let ways: [Way<'_>; 7] = [
        ("minus sign", &|n| format!("\u{2212}{n}.50"), "unicode_minus"),
        ("parentheses", &|n| format!("({n}.50)"), "parentheses"),
        ("trailing", &|n| format!("{n}.50-"), "trailing_minus"),
        ("marks", &|n| format!("{n}.50 DR"), "debit_credit: { debit: \"DR\", credit: \"CR\" }"),
        ("letters", &|n| format!("{n}.50 S"), "debit_credit: { debit: \"S\", credit: \"H\" }"),
        ("with currency", &|n| format!("-€{n}.50"), "currency: [\"€\"]"),
        (
            "currency first",
            &|n| format!("$ ({n}.50)"),
            "negative: [parentheses], currency: [\"$$\"]",
        ),
    ];
    for (name, way, written) in ways {
        let project = Project::new();
        let [a, b] = rows(["id;amount", "id;amount"], 12, |n| {
            let a = match (n % 3, name) {
                (0, "marks") => format!("{n}.50 CR"),
                (0, "letters") => format!("{n}.50 H"),
                (0, _) => format!("{n}.50"),
                _ => way(n),
            };
            let sign = if n % 3 == 0 { "" } else { "-" };
            [format!("K{n:02};{a}"), format!("K{n:02};{sign}{n}.50")]
        });
        let said = init(&project, a, b);
        let text = configuration(&project);
        assert!(text.contains(written), "{name}: {text}");
        // What is done to the text of a number is printed too.
        let step = "amount: `{ debit_credit";
        assert_eq!(said.contains(step), written.starts_with("debit_credit"), "{said}");
        if written.starts_with("debit_credit") {
            assert!(said.contains("` in A makes 12 of 12 rows agree: `"), "{said}");
        }
        assert_eq!(run(&project)["records"]["matched"], 12, "{name}: {text}");
    }
}

#[test]
fn opposite_signs_and_different_units_become_printed_steps() {
    for (name, step, b) in [
        (
            "signs",
            "`negate` in B makes 19 of 19 rows agree",
            &(|n: u32| format!("-{n}.25")) as &dyn Fn(u32) -> String,
        ),
        ("cents", "`{ scale: 0.01 }` in B makes 19 of 19 rows agree", &|n| format!("{n}25")),
        ("fractions", "percent", &|n| format!("{}", f64::from(n * 100 + 25) / 10_000.0)),
    ] {
        let project = Project::new();
        let [a, b] = rows(["id,amount", "id,amount"], 19, |n| {
            let sign = if name == "fractions" { " %" } else { "" };
            [format!("K{n:02},{n}.25{sign}"), format!("K{n:02},{}", b(n))]
        });
        let said = init(&project, a, b);
        let text = configuration(&project);
        assert!(said.contains(step) || text.contains("percent: as_fraction"), "{name}: {said}");
        assert_eq!(run(&project)["records"]["matched"], 19, "{name}: {text}");
    }
    // The tolerance is that of the fractions: a rate that is 0.4 percentage points off stays a difference.
    let project = Project::new();
    let [a, b] = rows(["id,rate", "id,rate"], 30, |n| {
        let off = if n == 7 { 40 } else { 0 };
        [format!("K{n:02},{n}.50%"), format!("K{n:02},0.{:04}", n * 100 + 50 + off)]
    });
    init(&project, a, b);
    let text = configuration(&project);
    assert!(text.contains("percent: as_fraction") && text.contains("absolute: 0.00005"), "{text}");
    run(&project);
    assert_eq!(differences(&project), ["K07 rate"]);
    // Zeros that one side leaves out are no rounding: 7.2 is not 7.24.
    let project = Project::new();
    let [a, b] = rows(["id,amount", "id,amount"], 30, |n| {
        [format!("K{n:02},{n}.2"), format!("K{n:02},{n}.{}", if n == 7 { "24" } else { "20" })]
    });
    init(&project, a, b);
    run(&project);
    assert_eq!(differences(&project), ["K07 amount"]);
    // A side that rounds is tolerated.
    let project = Project::new();
    let [a, b] = rows(["id,amount", "id,amount"], 30, |n| {
        let cents = n * 1_013;
        [
            format!("K{n:02},{}.{}", (cents + 5) / 100, (cents + 5) / 10 % 10),
            format!("K{n:02},{}.{:02}", cents / 100, cents % 100),
        ]
    });
    init(&project, a, b);
    assert_eq!(run(&project)["records"]["breaks"], 0, "{}", configuration(&project));
    // One row in twenty is an error, not a convention.
    let project = Project::new();
    let [a, b] = rows(["id,amount", "id,amount"], 20, |n| {
        [format!("K{n:02},{n}.25"), format!("K{n:02},{}{n}.25", if n == 4 { "-" } else { "" })]
    });
    assert!(!init(&project, a, b).contains("negate"));
    run(&project);
    assert_eq!(differences(&project), ["K04 amount"]);
}

/// Notations that no number format reads get steps; an unrecognized one is compared as text, unchanged. So the wrong
/// amounts differ in every notation: K05 has the other sign, K09 is ten times as much.
#[test]
fn amounts_in_any_notation_keep_their_signs_and_points() {
    for (before, behind, steps) in [
        ("=\"", "\"", r#"amount: [{ strip_prefix: "=\"" }, { strip_suffix: "\"" }]"#),
        ("- ", "", r#"amount: [{ replace: { from: "- ", to: "-" } }]"#),
        ("(", ") EUR", r#"amount: { negative: [parentheses], currency: ["EUR"] }"#),
        ("#", "#", ""),
    ] {
        let project = Project::new();
        let is_negative = before == "- " || before == "(";
        let [a, b] = rows(["id,amount", "id,amount"], 20, |n| {
            let amount = format!("{}.{:02}", 1_000 + n, n * 3);
            let sign = if is_negative == (n == 5) { "" } else { "-" };
            let b = if n == 9 { format!("{sign}{}.2", 10_090) } else { format!("{sign}{amount}") };
            let a = format!("{before}{amount}{behind}");
            [format!("K{n:02},\"{}\"", a.replace('"', "\"\"")), format!("K{n:02},{b}")]
        });
        let said = init(&project, a, b);
        let yaml = configuration(&project);
        assert!(yaml.contains(steps) && !yaml.contains("reference"), "{before}: {yaml}");
        run(&project);
        if steps.is_empty() {
            assert!(said.contains("not recognized as such"), "{said}");
            assert_eq!(differences(&project).len(), 20, "{yaml}");
        } else {
            assert_eq!(differences(&project), ["K05 amount", "K09 amount"], "{yaml}");
        }
    }
}

#[test]
fn amounts_in_two_columns_become_one_signed_amount() {
    let b = |n: u32| format!("K{n:02},{}{n}.50", if n.is_multiple_of(3) { "" } else { "-" });
    type Way<'w> = (&'w str, &'w dyn Fn(u32) -> String);
    let ways: [Way<'_>; 6] = [
        ("ref;Soll;Haben", &|n| match n % 3 {
            0 => format!(";{n},50"),
            _ => format!("{n},50;"),
        }),
        ("ref;Debit;Credit", &|n| match n % 3 {
            0 => format!("0.00;{n}.50"),
            _ => format!("{n}.50;0.00"),
        }),
        ("ref;Umsatz;S/H", &|n| format!("{n},50;{}", if n % 3 == 0 { "H" } else { "S" })),
        ("ref;Amount;Dr/Cr", &|n| format!("{n}.50;{}", if n % 3 == 0 { "CR" } else { "DR" })),
        ("番号;お支払金額;お預り金額", &|n| match n % 3 {
            0 => format!(";{n}.50"),
            _ => format!("{n}.50;"),
        }),
        ("Nr;Obciążenia;Uznania", &|n| match n % 3 {
            0 => format!(";{n},50"),
            _ => format!("-{n},50;"),
        }),
    ];
    for (header, way) in ways {
        let project = Project::new();
        let [a, b] = rows([header, "ref,amount"], 12, |n| [format!("K{n:02};{}", way(n)), b(n)]);
        let said = init(&project, a, b);
        let summary = run(&project);
        assert_eq!(
            summary["records"]["matched"],
            12,
            "{header}: {said}\n{}",
            configuration(&project)
        );
        let script = std::fs::read_to_string(project.path("rules/source_a.rhai")).unwrap();
        assert!(script.contains("fn row(raw, r)"), "{script}");
        assert!(said.contains("with a minus"), "{said}");
    }
}

#[test]
fn numbers_with_the_signs_and_digits_of_other_countries_are_read() {
    let wide = |text: &str| -> String {
        let wide = |c: char| {
            if c.is_ascii_digit() { char::from_u32(u32::from(c) + 0xfee0).unwrap() } else { c }
        };
        text.chars().map(wide).collect()
    };
    type Write<'w> = &'w dyn Fn(&str) -> String;
    let ways: [(&str, Write<'_>); 3] =
        [("\\", &|n| format!("\\{n}")), ("nfkc", &wide), (".–", &|n| format!("{n}.–"))];
    for (written, write) in ways {
        let project = Project::new();
        let [a, b] = rows(["id;amount", "id;amount"], 20, |n| {
            let amount = (n * 7_919).to_string();
            [format!("K{n:02};{}", write(&amount)), format!("K{n:02};{amount}")]
        });
        init(&project, a, b);
        let yaml = configuration(&project);
        assert!(yaml.contains(written), "{written}: {yaml}");
        assert!(!yaml.contains("amount: { type: text"), "{written}: {yaml}");
        assert_eq!(run(&project)["records"]["matched"], 20, "{written}: {yaml}");
    }
}

#[test]
fn a_decimal_comma_is_no_unit() {
    let project = Project::new();
    let [a, b] = rows(["id;qty"; 2], 20, |n| {
        [format!("{n};{}.{:03}", n + 100, n * 37), format!("{n};{},{:03}", n + 100, n * 37)]
    });
    let said = init(&project, a, b);
    let yaml = configuration(&project);
    assert!(!yaml.contains("scale") && said.contains("please choose"), "{said}{yaml}");
    assert_eq!(run(&project)["records"]["matched"], 20, "{yaml}");
}

#[test]
fn currencies_beside_amounts_are_compared_as_a_field_of_their_own() {
    let of = |n: u32| ["EUR", "USD", "GBP"][n as usize % 3];
    let sign = |n: u32| ["€", "$", "£"][n as usize % 3];
    let wrong = |n: u32| if n == 7 { "CHF" } else { of(n) };
    type Write<'w> = &'w dyn Fn(u32) -> String;
    let cases: [(&str, &str, Write<'_>, Write<'_>, &[&str]); 5] = [
        // Codes on both sides.
        (
            "ref,amount",
            "ref,amount",
            &|n| format!("{} {n}.50", of(n)),
            &|n| format!("{} {n}.50", wrong(n)),
            &["K07 amount_currency"],
        ),
        // Signs of one side are codes of the other.
        (
            "ref,amount",
            "ref,amount",
            &|n| format!("{}{n}.50", sign(n)),
            &|n| format!("{n}.50 {}", wrong(n)),
            &["K07 amount_currency"],
        ),
        // Codes of one side are a column of the other.
        (
            "ref,amount",
            "ref,amount,ccy",
            &|n| format!("{n}.50 {}", of(n)),
            &|n| format!("{n}.50,{}", wrong(n)),
            &["K07 amount_currency"],
        ),
        (
            "ref,amount",
            "ref,amount,ccy",
            &|n| format!("{}{n}.50", sign(n)),
            &|n| format!("{n}.50,{}", wrong(n)),
            &["K07 amount_currency"],
        ),
        // One currency in two spellings.
        ("ref,amount", "ref,amount", &|n| format!("${n}.50"), &|n| format!("USD {n}.50"), &[]),
    ];
    for (at, (head_a, head_b, a, b, expected)) in cases.into_iter().enumerate() {
        let project = Project::new();
        let files = rows([head_a, head_b], 20, |n| {
            [format!("K{n:02},{}", a(n)), format!("K{n:02},{}", b(n))]
        });
        let [a, b] = files;
        let said = init(&project, a, b);
        run(&project);
        let yaml = configuration(&project);
        assert_eq!(differences(&project), expected, "case {at}: {said}\n{yaml}");
        assert!(at < 4 || said.contains("`$` of A is taken for the `USD` of B"), "{said}");
    }
    // Two currencies throughout.
    for (one, other) in [("EUR ", "USD "), ("€", "£")] {
        let project = Project::new();
        let [a, b] = rows(["ref,amount", "ref,amount"], 12, |n| {
            [format!("K{n:02},{one}{n}.50"), format!("K{n:02},{other}{n}.50")]
        });
        init(&project, a, b);
        assert_eq!(run(&project)["records"]["matched"], 0);
    }
    // The other side does not say.
    let project = Project::new();
    let [a, b] = rows(["ref,amount", "ref,amount"], 12, |n| {
        [format!("K{n:02},{} {n}.50", of(n)), format!("K{n:02},{n}.50")]
    });
    assert!(init(&project, a, b).contains("B does not say which: only the numbers are compared"));
}

#[test]
fn units_behind_numbers_are_no_part_of_them() {
    let project = Project::new();
    let [a, b] = rows(["id,weight", "id,weight_kg"], 12, |n| {
        [format!("K{n:02},{n}.25 kg"), format!("K{n:02},{n}.{}", if n == 3 { "75" } else { "25" })]
    });
    init(&project, a, b);
    run(&project);
    assert_eq!(differences(&project), ["K03 weight"]);
    let project = Project::new();
    let [a, b] = rows(["id,weight", "id,weight"], 12, |n| {
        [format!("K{n:02},{n}.25 kg"), format!("K{n:02},{n}.25 lb")]
    });
    init(&project, a, b);
    assert_eq!(run(&project)["differences"]["by_field"]["weight_unit"], 12);
}

#[test]
fn words_that_the_other_sides_signs_show_give_the_sign() {
    let is_out = |n: u32| n.is_multiple_of(3);
    let cases: [(&str, &str, [&str; 2]); 3] = [
        ("ref,type,amount", "ref,amount", ["refund", "charge"]),
        ("ref,Af Bij,Bedrag (EUR)", "ref,amount", ["Af", "Bij"]),
        ("ref,Side,Quantity", "ref,quantity", ["SELL", "BUY"]),
    ];
    for (head_a, head_b, [out, into]) in cases {
        let project = Project::new();
        let [a, b] = rows([head_a, head_b], 15, |n| {
            let other = if n == 7 { 800 } else { n };
            let (word, minus) = if is_out(n) { (out, "-") } else { (into, "") };
            [format!("K{n:02},{word},{n}.50"), format!("K{n:02},{minus}{other}.50")]
        });
        let said = init(&project, a, b);
        assert!(said.contains(&format!("is `{out}`")), "{said}");
        assert!(!said.contains("both sides have a column"), "{said}");
        run(&project);
        let found = differences(&project);
        assert!(found.len() == 1 && found[0].starts_with("K07 "), "{found:?}\n{said}");
    }
}

#[test]
fn the_dash_of_accounting_formats_is_zero() {
    let project = Project::new();
    let [a, b] = rows(["ref,fee", "ref,fee"], 20, |n| match n % 4 {
        0 => [format!("K{n:02},\" -   \""), format!("K{n:02},0.00")],
        _ => [format!("K{n:02},{n}.50"), format!("K{n:02},{n}.{}", if n == 7 { 9 } else { 5 })],
    });
    let said = init(&project, a, b);
    run(&project);
    assert_eq!(differences(&project), ["K07 fee"], "{said}\n{}", configuration(&project));
}

#[test]
fn the_last_of_many_decimals_is_compared() {
    let project = Project::new();
    let [a, b] = rows(["id,rate", "id,rate"], 20, |n| {
        [format!("K{n:02},0.{n:018}"), format!("K{n:02},0.{:018}", if n == 7 { 8 } else { n })]
    });
    init(&project, a, b);
    run(&project);
    assert_eq!(differences(&project), ["K07 rate"]);
}
