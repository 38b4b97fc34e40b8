//! `recon init`: the inferred configuration passes the check and reconciles like a hand-written
//! one.

use std::path::Path;

use serde_json::Value as Json;

use crate::program::Project;

/// The rows of both sides with a number.
type Rows = fn(u32) -> [String; 2];

/// The two files of an example in an empty folder, and the example's expected result.
fn inputs(example: &str, files: [&str; 2]) -> (Project, Json) {
    let project = Project::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    for file in files {
        project.write(file, std::fs::read(folder.join(file)).unwrap());
    }
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    (project, serde_json::from_str(&expected).unwrap())
}

/// Infers, checks and runs.
fn reconcile(project: &Project, files: [&str; 2]) -> (Json, Json) {
    let guessed = project.json(&["init", files[0], files[1], "--json"]);
    let check = project.recon(&["check"]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    (guessed["guesses"].clone(), project.json(&["run", "--json"]))
}

/// Infers, adopts the proposed steps, and runs.
fn reconcile_with_proposals(project: &Project, files: [&str; 2]) -> (Json, Json) {
    let guessed = project.json(&["init", files[0], files[1], "--json"]);
    let mut text = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    for field in guessed["guesses"]["fields"].as_array().unwrap() {
        for uniting in field["uniting"].as_array().unwrap() {
            // A lost zero is an error in the hand-written job too.
            if uniting["written"] == false && uniting["step"] != "strip_leading_zeros" {
                let begin =
                    format!("  {}: {{ type: text, normalize: [", field["name"].as_str().unwrap());
                let steps = format!("{begin}{}, ", uniting["step"].as_str().unwrap());
                assert!(text.contains(&begin), "{begin}");
                text = text.replace(&begin, &steps);
            }
        }
    }
    project.write("recon.yaml", text);
    (guessed["guesses"].clone(), project.json(&["run", "--json"]))
}

/// The columns of B by the canonical field that they are mapped to.
fn mapped(guesses: &Json) -> Vec<(&str, &str)> {
    let fields = guesses["fields"].as_array().unwrap();
    fields
        .iter()
        .map(|field| (field["name"].as_str().unwrap(), field["columns"]["b"].as_str().unwrap()))
        .collect()
}

#[test]
fn inferred_fx_trades_match_the_shipped_example_with_the_proposed_steps() {
    let files = ["front_office.csv", "risk.csv"];
    let (project, expected) = inputs("fx_trades", files);
    let (guesses, summary) = reconcile_with_proposals(&project, files);
    assert_eq!(
        mapped(&guesses),
        [
            ("transaction_id", "txn_ref"),
            ("trade_date", "trade_dt"),
            ("counterparty", "cpty"),
            ("buy_sell", "B/S"),
            ("currency", "ccy"),
            ("amount", "notional"),
            ("price", "px"),
            ("accrued_interest", "accrued"),
            ("account", "acct"),
        ]
    );
    for (name, count) in expected["records"].as_object().unwrap() {
        assert_eq!(summary["records"][name], *count, "{name}");
    }
    for (name, figures) in expected["differences"].as_object().unwrap() {
        assert_eq!(summary["differences"][name], *figures, "{name}");
    }
    let fields = guesses["fields"].as_array().unwrap();
    let side = fields.iter().find(|field| field["name"] == "buy_sell").unwrap();
    assert_eq!(side["source_normalize"]["b"], serde_json::json!(["side"]));
    let written = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    assert!(written.contains("\ncurrency_field: currency "), "{written}");
    for (name, monetary) in [("amount", true), ("accrued_interest", true), ("price", false)] {
        let line = written.lines().find(|line| line.starts_with(&format!("  {name}: {{")));
        let line = line.unwrap_or_default();
        assert_eq!(line.contains("monetary: true"), monetary, "{line}");
    }
    assert_eq!(summary["money"].as_array().unwrap()[0]["field"], "amount");
}

#[test]
fn inferred_awkward_files_match_the_shipped_example() {
    let files = ["bank.csv", "erp.tsv.gz"];
    let (project, expected) = inputs("awkward_files", files);
    let (guesses, summary) = reconcile(&project, files);
    for (name, count) in expected["records"].as_object().unwrap() {
        assert_eq!(summary["records"][name], *count, "{name}");
    }
    assert_eq!(summary["differences"]["by_type"], expected["differences"]["by_type"]);
    let (bank, erp) = (&guesses["sources"]["a"], &guesses["sources"]["b"]);
    assert_eq!(bank["skip_rows"]["value"], 3);
    assert_eq!(bank["comment"]["value"], "#");
    assert_eq!(bank["encoding"]["value"], "windows-1252");
    assert_eq!(erp["encoding"]["value"], "utf-16le");
    assert_eq!(erp["header"]["value"], false);
}

/// Tolerances are a business decision: values within them by hand are differences here.
#[test]
fn custody_positions_get_their_composite_key_and_agree_except_for_tolerances() {
    let files = ["custodian.csv", "books.csv"];
    let (project, expected) = inputs("custody_positions", files);
    let (guesses, summary) = reconcile_with_proposals(&project, files);
    let keys: Vec<&Json> =
        guesses["fields"].as_array().unwrap().iter().filter(|field| field["key"] == true).collect();
    assert_eq!(keys.len(), 3);
    for name in ["aligned", "missing_in_a", "missing_in_b", "duplicates_a", "rejected_b"] {
        assert_eq!(summary["records"][name], expected["records"][name], "{name}");
    }
    let (by_field, by_hand) =
        (&summary["differences"]["by_field"], &expected["differences"]["by_field"]);
    for name in ["ENTIRE_RECORD", "quantity", "pledged"] {
        assert_eq!(by_field[name], by_hand[name], "{name}");
    }
}

/// No column says which payments are settled, and that an amount is gross less fee.
#[test]
fn inferred_payments_are_aligned_as_in_the_shipped_example() {
    let files = ["processor.csv", "ledger.csv"];
    let (project, expected) = inputs("payments_ledger", files);
    let (guesses, summary) = reconcile(&project, files);
    assert_eq!(
        mapped(&guesses),
        [
            ("id", "external_ref"),
            ("created_at", "posting_date"),
            ("currency", "ccy"),
            ("fee", "charges")
        ]
    );
    for name in ["a", "b", "aligned", "missing_in_a", "duplicates_b"] {
        assert_eq!(summary["records"][name], expected["records"][name], "{name}");
    }
    assert_eq!(summary["differences"]["by_field"]["currency"], 1);
}

/// Two files without similar names.
fn nameless(rows: u32) -> (String, String) {
    let (mut a, mut b) = (String::from("u,v,w,x\n"), String::from("k;l;m;n\n"));
    let states = [("OPEN", "1"), ("SETTLED", "9"), ("CANCELLED", "4")];
    for row in 0..rows {
        let (word, code) = states[(row * row % 7) as usize % 3];
        let (day, month) = (row % 11 + 1, row % 5 + 1);
        a += &format!("{word},T-{row:05},2026-{month:02}-{day:02},{}.25\n", row * 37);
        b += &format!("{}.25;{day:02}/{month:02}/2026;t {row:05};X{code}\n", row * 37);
    }
    (a, b)
}

#[test]
fn columns_are_matched_by_values_alone() {
    let project = Project::new();
    let (a, b) = nameless(200);
    project.write("in/a.csv", a).write("in/b.csv", b);
    let (guesses, summary) = reconcile(&project, ["in/a.csv", "in/b.csv"]);
    assert_eq!(mapped(&guesses), [("v", "m"), ("u", "n"), ("w", "l"), ("x", "k")]);
    // No day is above the twelfth: only the rows decide.
    let fields = guesses["fields"].as_array().unwrap();
    let day = fields.iter().find(|field| field["name"] == "w").unwrap();
    assert_eq!(day["formats"]["b"], serde_json::json!(["%d/%m/%Y"]));
    assert_eq!(day["notes"], serde_json::json!([]));
    assert_eq!(summary["records"]["matched"], 200);
    let rules = std::fs::read_to_string(project.path("rules/normalize.rhai")).unwrap();
    assert!(rules.contains("fn u_of_b(v)") && rules.contains("\"X9\" => \"SETTLED\""));
    assert_eq!(project.recon(&["test"]).code, 0);
}

#[test]
fn nothing_is_overwritten_without_force() {
    let project = Project::new();
    let (a, b) = nameless(20);
    project.write("a.csv", a).write("b.csv", b).write("recon.yaml", "mine");
    let refused = project.recon(&["init", "a.csv", "b.csv"]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("recon.yaml exists"), "{}", refused.err);
    assert_eq!(std::fs::read_to_string(project.path("recon.yaml")).unwrap(), "mine");
    assert!(!project.path("rules").exists());
    let forced = project.recon(&["init", "a.csv", "b.csv", "--force"]);
    assert_eq!(forced.code, 0, "{}", forced.err);
    // Writing the same again changes nothing and needs no force.
    assert_eq!(project.recon(&["init", "a.csv", "b.csv"]).code, 0);
}

#[test]
fn sources_are_named_from_the_configuration() {
    let project = Project::new();
    let (a, b) = nameless(20);
    project.write("data/a.csv", a).write("data/b.csv", b);
    let said = project.recon(&["init", "data/a.csv", "data/b.csv", "-c", "jobs/x/recon.yaml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let text = std::fs::read_to_string(project.path("jobs/x/recon.yaml")).unwrap();
    assert!(text.contains("path: \"../../data/a.csv\""), "{text}");
    assert_eq!(project.recon(&["check", "-c", "jobs/x/recon.yaml"]).code, 0);
}

#[test]
fn without_files_a_template_is_written() {
    let project = Project::new();
    let said = project.recon(&["init"]);
    assert_eq!(said.code, 0, "{}", said.err);
    // The configuration is valid; its files don't exist yet.
    assert_eq!(project.recon(&["check"]).code, 3);
    project.write("a.csv", "id,date,amount\n1,2026-01-15,5.00\n");
    project.write("b.csv", "reference;booked_on;value\n1;15/01/2026;5,00\n");
    let check = project.recon(&["check"]);
    assert_eq!(check.code, 0, "{}", check.err);
    assert_eq!(project.json(&["run", "--json"])["records"]["matched"], 1);
}

#[test]
fn two_files_with_something_in_common_are_required() {
    let project = Project::new();
    project.write("a.csv", "id,name\n1,x\n2,y\n").write("b.csv", "2026-01-01\n2026-01-02\n");
    assert_eq!(project.recon(&["init", "a.csv"]).code, 2);
    let said = project.recon(&["init", "a.csv", "b.csv"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("no column of the first file"), "{}", said.err);
    assert_eq!(project.recon(&["init", "a.csv", "missing.csv"]).code, 3);
    assert!(!project.path("recon.yaml").exists());
}

/// Writes two files, infers, and returns the output.
fn init(project: &Project, a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> String {
    project.write("a.csv", a.as_ref()).write("b.csv", b.as_ref());
    let said = project.recon(&["init", "a.csv", "b.csv"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said.out
}

fn configuration(project: &Project) -> String {
    std::fs::read_to_string(project.path("recon.yaml")).unwrap()
}

/// Checks and runs the inferred configuration.
fn run(project: &Project) -> Json {
    let check = project.recon(&["check"]);
    assert_eq!(check.code, 0, "{}{}\n{}", check.out, check.err, configuration(project));
    project.json(&["run", "--json"])
}

/// The keys and fields that differ, in order.
fn differences(project: &Project) -> Vec<String> {
    let rows = project.json(&[
        "sql",
        "--format",
        "json",
        "SELECT coalesce(r.source_a_ref_id, r.source_b_ref_id) AS ref, d.field_name AS field \
         FROM recon.data_differences d \
         JOIN recon.recon_records r ON r.run_id = d.run_id AND r.record_id = d.record_id",
    ]);
    let mut found: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row["ref"].as_str().unwrap(), row["field"].as_str().unwrap()))
        .collect();
    found.sort();
    found
}

/// Rows of two files, generated by number.
fn rows(header: [&str; 2], count: u32, row: impl Fn(u32) -> [String; 2]) -> [String; 2] {
    let mut files = header.map(|header| format!("{header}\n"));
    for number in 1..=count {
        for (file, row) in files.iter_mut().zip(row(number)) {
            *file += &row;
            file.push('\n');
        }
    }
    files
}

#[test]
fn a_step_that_few_rows_need_is_proposed_and_not_written() {
    let project = Project::new();
    let [a, b] = rows(["id,cusip,note", "id,cusip,note"], 40, |n| {
        let a = format!("T{n:03},{:09},Paid {n}", n * 1_007_919);
        let b = match n {
            7 => format!("T{n:03},{},Paid {n}", n * 1_007_919),
            9 => format!("T{n:03},{:09},PAID {n}", n * 1_007_919),
            _ => a.clone(),
        };
        [a, b]
    });
    let said = init(&project, a, b);
    assert!(said.contains("note: `upper` would make 1 more of 40 rows agree"), "{said}");
    assert!(said.contains("`Paid 9` = `PAID 9`"), "{said}");
    assert!(said.contains("39 of 40 joined rows agree"), "{said}");
    run(&project);
    assert_eq!(differences(&project), ["T007 cusip", "T009 note"]);
}

#[test]
fn a_step_that_most_rows_need_is_written_and_printed() {
    let project = Project::new();
    let [a, b] = rows(["id,name", "id,name"], 20, |n| {
        let b = if n == 5 { "OTHER".to_owned() } else { format!("CLIENT {}", n % 7) };
        [format!("R-{n:03},Client {}", n % 7), format!("R-{n:03},{b}")]
    });
    let said = init(&project, a, b);
    assert!(
        said.contains("name: `upper` makes 19 of 20 rows agree: `Client 1` = `CLIENT 1`"),
        "{said}"
    );
    assert!(configuration(&project).contains("normalize: [trim, upper]"));
    run(&project);
    assert_eq!(differences(&project), ["R-005 name"]);
}

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
        init(&project, a, b);
        let text = configuration(&project);
        assert!(text.contains(written), "{name}: {text}");
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
fn dates_that_are_counted_or_named_in_other_languages_are_recognized() {
    const MONTHS: [&str; 4] = ["Januar", "Februar", "März", "Mai"];
    type Write<'w> = &'w dyn Fn(u32) -> String;
    let ways: [(&str, Write<'_>, Write<'_>); 9] = [
        ("[\"excel\"]", &|n| (46_022 + n).to_string(), &|n| format!("2026-01-{n:02}")),
        ("[\"%s\"]", &|n| (1_767_225_600 + n).to_string(), &|n| {
            format!("2026-01-01T00:00:{n:02}Z")
        }),
        ("[\"%s%3f\"]", &|n| (1_767_225_600_000 + u64::from(n) * 1_000).to_string(), &|n| {
            format!("2026-01-01T00:00:{n:02}Z")
        }),
        ("[de] %d. %B %Y", &|n| format!("{n}. {} 2026", MONTHS[n as usize % 4]), &|n| {
            format!("2026-{:02}-{n:02}", [1, 2, 3, 5][n as usize % 4])
        }),
        ("[fr] %d %B %Y", &|n| format!("{n} août 2026"), &|n| format!("{n:02}/08/2026")),
        ("[es] %d de %B de %Y", &|n| format!("{n} de enero de 2026"), &|n| {
            format!("2026-01-{n:02}")
        }),
        ("[ru] %d %B %Y г.", &|n| format!("{n} мая 2026 г."), &|n| format!("2026-05-{n:02}")),
        ("[cs] %d. %B %Y", &|n| format!("{n}. června 2026"), &|n| format!("2026-06-{n:02}")),
        ("%Y年%m月%d日", &|n| format!("2026年1月{n}日"), &|n| format!("2026/01/{n:02}")),
    ];
    for (written, a, b) in ways {
        let project = Project::new();
        let [a, b] = rows(["id,day", "id,day"], 20, |n| {
            [format!("K{n:02},{}", a(n)), format!("K{n:02},{}", b(n))]
        });
        init(&project, a, b);
        let text = configuration(&project);
        assert!(text.contains(written), "{written}: {text}");
        assert_eq!(run(&project)["records"]["matched"], 20, "{written}: {text}");
    }
    // Numbers that count something else are unchanged.
    let project = Project::new();
    let [a, b] = rows(["id,day", "id,day"], 20, |n| {
        [format!("K{n:02},{}", 46_000 + n * 7), format!("K{n:02},2026-01-{n:02}")]
    });
    init(&project, a, b);
    assert!(!configuration(&project).contains("excel"));
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
fn a_header_wider_than_its_rows_is_still_the_header() {
    let project = Project::new();
    let said = init(
        &project,
        "\u{feff}Date Processed,Description,Amount,\nPending,CAFE ROMA   LONDON,£52.10\n\
         14-Nov-2020,HOME COVER  03344,\"£1,046.85\"\n05-Nov-2020,TRAVEL CARD,£2.75\n",
        "day,text,amount\n2020-11-14,HOME COVER 03344,1046.85\n2020-11-05,TRAVEL CARD,2.75\n",
    );
    assert!(!said.contains("cafe_roma_london"), "{said}");
    assert_eq!(run(&project)["records"]["a"], 3);
}

#[test]
fn other_file_kinds_are_recognized() {
    let project = Project::new();
    project.write("ok.csv", "id,amount\n1,2.00\n");
    for (name, text, what) in [
        ("d.ofx", &b"OFXHEADER:100\nDATA:OFXSGML\n<OFX><STMTTRN>"[..], "OFX"),
        ("d.xml", b"<?xml version=\"1.0\"?><a><b>1</b></a>", "XML"),
        ("d.xls", b"<html><body><table><tr><td>1</td></tr></table>", "HTML"),
        ("d.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        ("d.parquet", b"PAR1\x15\x04\x15PAR1", "Parquet"),
        ("d.xlsx", b"PK\x03\x04\x14\x00\x06\x00", "zip archive"),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook"),
        ("d.db", b"SQLite format 3\x00\x10\x00", "SQLite"),
    ] {
        project.write(name, text);
        let said = project.recon(&["init", name, "ok.csv"]);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{name}");
        assert!(said.err.contains(what) && said.err.contains(name), "{name}: {}", said.err);
        assert!(said.err.contains("help:"), "{name}: {}", said.err);
    }
}

#[test]
fn wide_files_are_inferred_and_run() {
    let project = Project::new();
    let columns = 1_200u32;
    let head: String = (0..columns).map(|at| format!(",c{at}")).collect();
    let rows = |extra: u32| -> String {
        (0..20u32)
            .map(|row| {
                let cells: String = (0..columns)
                    .map(|at| {
                        format!(",{}", row * at + if (row, at) == (7, 3) { extra } else { 0 })
                    })
                    .collect();
                format!("W{row}{cells}\n")
            })
            .collect()
    };
    let said = init(&project, format!("id{head}\n{}", rows(0)), format!("id{head}\n{}", rows(1)));
    assert!(said.contains("1201 columns match"), "{said}");
    run(&project);
    assert_eq!(differences(&project), ["W7 c3"]);
}

/// Three times as many columns may take about three times as long, and not nine times. The time is that of the
/// processor, which a shell reports for its children.
#[cfg(unix)]
#[test]
fn guessing_is_linear_in_the_number_of_columns() {
    let seconds = |columns: u32| -> f64 {
        let project = Project::new();
        let head: String = (0..columns).map(|at| format!(",c{at}")).collect();
        let rows: String = (0..20)
            .map(|row| {
                let cells: String =
                    (0..columns).map(|at| format!(",{}", row * at % 9_973)).collect();
                format!("W{row}{cells}\n")
            })
            .collect();
        project
            .write("a.csv", format!("id{head}\n{rows}"))
            .write("b.csv", format!("id{head}\n{rows}"));
        let output = std::process::Command::new("sh")
            .args(["-c", "\"$0\" init a.csv b.csv >/dev/null 2>&1 || exit 1; times"])
            .arg(env!("CARGO_BIN_EXE_recon"))
            .current_dir(project.path(""))
            .output()
            .unwrap();
        assert!(output.status.success(), "{columns}");
        // Two lines: the shell's own times, and those of its children, user and system.
        let times = String::from_utf8(output.stdout).unwrap();
        let child = times.lines().nth(1).unwrap().split_whitespace().next().unwrap();
        let (minutes, seconds) = child.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    let (some, many) = (seconds(400), seconds(1_200));
    assert!(many < some * 5.0 + 0.2, "{some} s for 400 columns, {many} s for 1200");
}

#[test]
fn columns_of_the_same_name_are_mapped_or_explained() {
    let project = Project::new();
    // `status` has no common values, `amount` has texts on one side.
    let [a, b] = rows(["id,status,amount", "id,status,amount"], 12, |n| {
        let text = if n % 3 == 0 { "see note".to_owned() } else { format!("{n}.50") };
        [format!("K{n:02},left {n},{n}.50"), format!("K{n:02},right {n},{text}")]
    });
    let said = init(&project, a, b);
    let text = configuration(&project);
    assert!(text.contains("status: status") && text.contains("amount: amount"), "{text}");
    assert!(text.contains("amount: { type: decimal"), "{text}");
    assert!(said.contains("0 of 12 joined rows agree"), "{said}");
    let summary = run(&project);
    assert_eq!(summary["differences"]["by_type"]["TYPE_MISMATCH"], 4);
}

#[test]
fn repeated_rows_on_one_side_do_not_hide_the_key() {
    let project = Project::new();
    let [a, mut b] = rows(["id,amount", "id,amount"], 12, |n| {
        [format!("K{n:02},{n}.50"), format!("K{n:02},{n}.50")]
    });
    b += "K03,3.50\nK04,4.50\nK05,5.50\n";
    init(&project, a, b);
    assert!(configuration(&project).contains("key: [id]"));
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["records"]["duplicates_b"]),
        (&12.into(), &3.into())
    );
}

#[test]
fn without_a_key_check_gives_the_remedy() {
    let project = Project::new();
    let [a, b] = rows(["amount,city", "amount,city"], 12, |n| {
        [format!("{}.00,Rome", n % 3), format!("{}.30,Rome", n % 4)]
    });
    let said = init(&project, a, b);
    assert!(said.contains("key  NOT FOUND"), "{said}");
    let check = project.recon(&["check"]);
    assert_eq!(check.code, 2);
    assert!(check.err.contains("no-key") && check.err.contains("help:"), "{}", check.err);
}

#[test]
fn without_a_key_passes_are_proposed_with_their_matches_and_the_result_runs() {
    let project = Project::new();
    let mut a = "booked,amount,currency,payer,reference\n".to_owned();
    let mut b = "posted;amount;ccy;customer;document\n".to_owned();
    for n in 1..=30 {
        let (currency, customer) = (["EUR", "USD"][n % 2], ["ACME", "BOLT", "CARGO"][n % 3]);
        let reference = if n <= 20 { format!("INV-{n:03}") } else { String::new() };
        a += &format!("2026-03-{:02},{n}00.00,{currency},{customer},{reference}\n", n % 9 + 10);
        b += &format!("2026-03-{:02};{n}00.00;{currency};{customer};INV-{n:03}\n", n % 9 + 9);
    }
    // One payment of two invoices, and one that either of two could be.
    a += "2026-03-12,7777.00,EUR,DELTA,\n2026-03-12,55.55,EUR,DELTA,\n";
    b += "2026-03-12;7000.00;EUR;DELTA;D-1\n2026-03-12;777.00;EUR;DELTA;D-2\n";
    b += "2026-03-11;55.55;EUR;DELTA;D-3\n2026-03-11;55.55;EUR;DELTA;D-4\n";
    let said = init(&project, a, b);
    for line in [
        "matches 20 of 32 open rows of A and 20 of 34 open rows of B",
        "matches 10 of 12 open rows of A and 10 of 14 open rows of B; 1 and 1 are tied",
        "matches 1 of 2 open rows of A and 2 of 4 open rows of B",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!configuration(&project).contains("key:"), "{}", configuration(&project));
    assert_eq!(project.recon(&["check"]).code, 0);
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["aligned"], &summary["records"]["groups"]),
        (&30.into(), &1.into()),
        "{summary}"
    );
}

#[test]
fn key_overlap_is_counted_as_the_run_pairs_rows() {
    let project = Project::new();
    let [a, b] = rows(["id,amount", "id,amount"], 20, |n| {
        let other = if n <= 3 { format!("k{n:02}") } else { format!("K{n:02}") };
        [format!("K{n:02},{n}.50"), format!("{other},{n}.50")]
    });
    let said = init(&project, a, b);
    assert!(said.contains("85 % of the smaller side's values occur in both"), "{said}");
    assert!(said.contains("id: `upper` would make 3 more of 20 rows agree"), "{said}");
    assert_eq!(run(&project)["records"]["aligned"], 17);
}

#[test]
fn repeated_column_names_are_both_mapped() {
    let project = Project::new();
    let said = init(
        &project,
        "ref,amount,ccy,base,ccy\nx1,-47.00,USD,-41.20,EUR\nx2,1350.40,USD,1120.05,EUR\nx3,5.10,USD,4.00,EUR\n",
        "ref,amount,ccy,base,base_ccy\nx1,-47.00,USD,-41.20,EUR\nx2,1350.40,USD,1120.05,CHF\nx3,5.10,USD,4.00,EUR\n",
    );
    assert!(said.contains("`ccy` repeated"), "{said}");
    run(&project);
    let found = differences(&project);
    assert_eq!(found.len(), 1, "{said}");
    assert!(found[0].starts_with("x2 "), "{found:?}");
}

#[test]
fn exports_in_other_encodings_are_read() {
    for (label, bytes, wanted) in [
        ("windows-1250", &b"id;name\n1;\xa3\xf3d\x9f\n2;Krak\xf3w\n3;\x8cwi\xeatoch\xb3owice\n4;\xafory\n"[..], "Łódź"),
        ("windows-1251", b"id;name\n1;\xcc\xee\xf1\xea\xe2\xe0\n2;\xca\xe0\xe7\xe0\xed\xfc\n3;\xd1\xe0\xec\xe0\xf0\xe0\n4;\xce\xec\xf1\xea\n", "Москва"),
        ("shift_jis", b"id;name\n1;\x93\x8c\x8b\x9e\n2;\x91\xe5\x8d\xe3\n3;\x96\xbc\x8c\xc3\x89\xae\n4;\x8b\x9e\x93s\n", "東京"),
        ("windows-1252", b"id;name\n1;Z\xfcrich\n2;K\xf6ln\n3;M\xfcnchen\n4;Gen\xe8ve\n", "Zürich"),
    ] {
        let project = Project::new();
        let names = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().decode(bytes).0;
        assert!(names.contains(wanted));
        let said = init(&project, bytes, names.as_bytes());
        assert!(said.contains(&format!(", {label}")), "{label}: {said}");
        assert_eq!(run(&project)["records"]["matched"], 4, "{label}");
    }
}

#[test]
fn a_bank_export_with_a_preamble_is_read() {
    let project = Project::new();
    let mut bank = "\"Kontonummer:\";\"DE12 / Girokonto\";\n\n\"Von:\";\"01.01.2026\";\n\
        \"Kontostand vom 31.01.2026:\";\"1.234,56 EUR\";\n\n\
        \"Buchungstag\";\"Empfänger\";\"Betrag (EUR)\";\"Referenz\";\n"
        .to_owned();
    let mut ledger = "ref,day,payee,amount\n".to_owned();
    for n in 1..=3u32 {
        bank += &format!("\"{n:02}.01.2026\";\"Müller {n}\";\"-1.{n:03},50\";\"A-{n}\";\n");
        ledger += &format!("A-{n},2026-01-{n:02},Müller {n},-1{n:03}.50\n");
    }
    let bank = encoding_rs::WINDOWS_1252.encode(&bank).0.into_owned();
    let said = init(&project, bank, ledger);
    assert!(said.contains("windows-1252"), "{said}");
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["a"], &summary["records"]["matched"]),
        (&3.into(), &3.into()),
        "{}",
        configuration(&project)
    );
}

/// Rows per side, matches, and rejected or filtered rows of A.
fn figures(project: &Project) -> [u64; 5] {
    let records = &run(project)["records"];
    ["a", "b", "matched", "rejected_a", "filtered_a"]
        .map(|name| records[name].as_u64().unwrap_or_default())
}

/// A file of `count` rows and the same with `between` and `after` its rows.
fn with_lines(count: u32, between: &str, after: &str) -> [String; 2] {
    let [mut a, b] = rows(["ref,day,text,amount"; 2], count, |n| {
        let row = format!("R-{n:03},2026-01-{:02},Payment {n},{n}.50", n % 28 + 1);
        [if n % 2 == 0 { format!("{row}{between}") } else { row.clone() }, row]
    });
    a += after;
    [a, b]
}

#[test]
fn totals_and_trailers_are_skipped_and_printed() {
    // 2,000 rows exceed the sample from which a file's form is inferred.
    for count in [3u32, 30, 2_000] {
        let line = count + 2;
        for (after, skipped, why) in [
            (
                "TOTAL,,,600.00\n",
                1,
                format!(
                    "last 1 row skipped (skip_footer): line {line} begins with `TOTAL` and lacks 2"
                ),
            ),
            (
                "Grand total,,,600.00\nPrinted by the ledger on Monday\n",
                2,
                format!("line {} is text (`Printed by the ledger on Monday`)", line + 1),
            ),
            ("\n(30 rows)\n", 1, format!("line {} is text (`(30 rows)`)", line + 1)),
        ] {
            let project = Project::new();
            let [a, b] = with_lines(count, "", after);
            let said = init(&project, a, b);
            assert!(said.contains(&why), "{why}\n{said}");
            let yaml = configuration(&project);
            assert!(yaml.contains(&format!("skip_footer: {skipped} ")), "{yaml}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count, count, count, 0, 0], "{after}{yaml}");
        }
    }
}

#[test]
fn a_possible_data_row_at_the_end_is_kept_with_a_note() {
    for count in [3u32, 30] {
        // A company may be called Total; a payment may be truncated.
        for (last, note, rejected) in [
            ("Total,2026-01-31,Payment,600.00\n", "has `Total` and is read as data", 0),
            ("Cd,2026-0", "has 2 fields instead of 4, so it is rejected", 1),
        ] {
            let project = Project::new();
            let [mut a, b] = rows(["company,day,text,amount"; 2], count, |n| {
                let name = ["A", "B", "C", "D", "E", "F"][n as usize % 6].repeat(n as usize);
                let row = format!("{name},2026-01-{:02},Payment {n},{n}.50", n % 28 + 1);
                [row.clone(), row]
            });
            a += last;
            let said = init(&project, a, b);
            assert!(said.contains(note) && said.contains("`skip_footer: 1`"), "{said}");
            let yaml = configuration(&project);
            assert!(!yaml.contains("        skip_footer"), "{yaml}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count + 1, count, count, rejected, 0]);
        }
    }
}

#[test]
fn a_repeated_header_is_excluded_and_printed() {
    for count in [3u32, 30] {
        let project = Project::new();
        let [a, b] = with_lines(count, "\nref,day,text,amount", "");
        let said = init(&project, a, b);
        let why = match count / 2 {
            1 => "line 4 repeats the header: excluded (where)".to_owned(),
            times => {
                format!("the header is repeated {times} times, first on line 4: excluded (where)")
            }
        };
        assert!(said.contains(&why), "{said}");
        let yaml = configuration(&project);
        assert!(yaml.contains(r#"where: [{ column: "ref", not_equals: ["ref"] }]"#), "{yaml}");
        let rows = u64::from(count);
        assert_eq!(figures(&project), [rows + rows / 2, rows, rows, 0, rows / 2], "{yaml}");
    }
}

#[test]
fn extra_empty_fields_are_allowed() {
    for count in [3u32, 30] {
        let ordinary = with_lines(count, "", "");
        for (header, some, every) in [
            // Every line ends in a delimiter, so a column has no name.
            (";", ";", ";"),
            (";", "", ""),
            ("", ";", ";"),
            // Only some rows do.
            ("", ";", ""),
        ] {
            let project = Project::new();
            let a: String = ordinary[0]
                .replace(',', ";")
                .lines()
                .enumerate()
                .map(|(at, line)| match at {
                    0 => format!("{line}{header}\n"),
                    2 => format!("{line}{some}\n"),
                    _ => format!("{line}{every}\n"),
                })
                .collect();
            let said = init(&project, a, &ordinary[1]);
            let yaml = configuration(&project);
            assert_eq!(yaml.contains("ignore_empty_extras: true"), some != every, "{yaml}");
            assert_eq!(said.contains("ignore_empty_extras"), some != every, "{said}");
            let rows = u64::from(count);
            assert_eq!(figures(&project), [rows, rows, rows, 0, 0], "{said}{yaml}");
        }
    }
}

#[test]
fn short_rows_are_padded() {
    for count in [3u32, 30] {
        let project = Project::new();
        let [a, b] = rows(["ref,day,amount,note"; 2], count, |n| {
            let row = format!("R-{n:03},2026-01-{:02},{n}.50", n % 28 + 1);
            match n % 3 {
                0 => [format!("{row},seen {n}"), format!("{row},seen {n}")],
                _ if n < 3 => [row.clone(), format!("{row},")],
                _ => [format!("{row},new {n}"), format!("{row},new {n}")],
            }
        });
        let said = init(&project, a, b);
        let rows = u64::from(count);
        let yaml = configuration(&project);
        assert!(said.contains("pad_short_rows: 2 rows"), "{said}");
        assert_eq!(figures(&project), [rows, rows, rows, 0, 0], "{said}{yaml}");
    }
}

#[test]
fn of_several_headings_the_names_are_found() {
    for count in [3u32, 30] {
        for (above, says) in [
            ("Trade,,,Money\n", "lines 1 and 2 are both headings: line 2 names the columns"),
            (
                "Trade,Trade,Trade,Money\n",
                "lines 1 and 2 are both headings: line 2 names the columns",
            ),
            ("Which,When,What for,How much\n", "lines 1 and 2 are both headings"),
        ] {
            let project = Project::new();
            let [a, b] = with_lines(count, "", "");
            let said = init(&project, format!("{above}{a}"), b);
            assert!(said.contains(says), "{above}{said}");
            let yaml = configuration(&project);
            assert!(yaml.contains("skip_rows: 1 ") && yaml.contains("key: [ref]"), "{above}{yaml}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count, count, count, 0, 0], "{above}{yaml}");
        }
        // Below the names: a ruler, and types.
        for below in ["---,----------,-----,----\n", "text,date,text,decimal\n"] {
            let project = Project::new();
            let [a, b] = with_lines(count, "", "");
            let a = a.replacen('\n', &format!("\n{below}"), 1);
            let said = init(&project, a, b);
            assert!(said.contains("line 2, below the names, is"), "{below}{said}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count, count, count, 0, 0], "{below}");
        }
    }
    // A table drawn with rulers, as an ERP prints it, with its total.
    let project = Project::new();
    let [a, b] = rows(["|Doc. no. |Pstng Date|  Amount |", "doc,date,amount"], 20, |n| {
        let minus = if n % 3 == 0 { "-" } else { "" };
        [
            format!("|49000{n:04}|{n:02}.02.2026|{n:>6},50{minus:1}|", minus = minus),
            format!("49000{n:04},2026-02-{n:02},{minus}{n}.50"),
        ]
    });
    let ruler = "|------------------------------|\n";
    let a = format!(
        "{ruler}{}{ruler}|*        |          |   99,50 |\n{ruler}",
        a.replacen('\n', &format!("\n{ruler}"), 1)
    );
    init(&project, a, b);
    let yaml = configuration(&project);
    assert_eq!(figures(&project), [20, 20, 20, 0, 0], "{yaml}");
    assert!(yaml.contains("Doc. no."), "{yaml}");
}

#[test]
fn empty_rows_and_titles_at_the_end_are_skipped() {
    for after in [
        ",,,\n".repeat(30),
        ",,,\n,Podsumowanie,,\n".to_owned(),
        "\nDisclaimer:\nThis document was generated by the bank.\n".to_owned(),
    ] {
        let project = Project::new();
        let [a, b] = with_lines(12, "", &after);
        init(&project, a, b);
        assert_eq!(figures(&project), [12, 12, 12, 0, 0], "{after}{}", configuration(&project));
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
fn quoted_delimiters_make_no_fixed_width() {
    let project = Project::new();
    let [a, b] = rows(["kind,sym,ts,qty", "sym,ts,qty"], 20, |n| {
        let (sign, quantity) = if n % 2 == 0 { ("-", n * 1_001) } else { ("", n * 7) };
        let shown = if quantity > 999 {
            format!("{},{:03}", quantity / 1_000, quantity % 1_000)
        } else {
            quantity.to_string()
        };
        [
            format!("Order,S{n:03},\"2026-01-{n:02}, 10:00:00\",\"{sign}{shown}\""),
            format!("S{n:03},2026-01-{n:02} 10:00:00,{sign}{quantity}"),
        ]
    });
    init(&project, a, b);
    let yaml = configuration(&project);
    assert!(yaml.contains("key: [sym]") && !yaml.contains("fixed:"), "{yaml}");
    let known = run(&project);
    assert_eq!(known["records"]["aligned"], 20, "{yaml}");
    assert!(known["differences"]["by_field"].get("qty").is_none(), "{yaml}");
}

#[test]
fn numbers_that_a_program_made_of_identifiers_stay_the_key() {
    let project = Project::new();
    let [a, b] = rows(["customer_id,balance"; 2], 20, |n| {
        [format!("{}.0,{}.0", 1_000 + n, n * 7), format!("{},{}.00", 1_000 + n, n * 7)]
    });
    init(&project, a, b);
    let yaml = configuration(&project);
    assert!(yaml.contains("key: [customer_id]"), "{yaml}");
    assert_eq!(run(&project)["records"]["matched"], 20, "{yaml}");
    // Digits that a spreadsheet dropped are gone.
    let project = Project::new();
    let [a, b] = rows(["invoice,amount"; 2], 20, |n| {
        [format!("4.90000E+11,{n}.10"), format!("{},{n}.10", 490_000_000_000u64 + u64::from(n))]
    });
    let said = init(&project, a, b);
    assert!(said.contains("`4.90000E+11` lack digits"), "{said}");
    assert!(!said.contains("not recognized as such"), "{said}");
}

#[test]
fn a_number_is_chosen_as_the_key_before_a_description() {
    let project = Project::new();
    let [a, b] = rows(["data;histórico;documento", "data;historico;documento"], 20, |n| {
        let row = format!("2026-05-{n:02};PIX RECEBIDO {n};{}", 500_000 + n);
        [row.clone(), row]
    });
    init(&project, a, b);
    assert!(configuration(&project).contains("key: [documento]"), "{}", configuration(&project));
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
fn a_number_of_rows_is_no_key_if_another_column_makes_the_rows_agree() {
    let project = Project::new();
    let customer = |n: u32| format!("Customer {}", n * 7 % 11);
    let line = |no: u32, n: u32| format!("{no},INV-{},{},{n}.50\n", 7_000 + 3 * n, customer(n));
    let header = "No.,Invoice,Customer,Amount\n".to_owned();
    let a = (1..=20).fold(header.clone(), |file, n| file + line(n, n).as_str());
    let b = (1..=20).fold(header, |file, n| file + line(n, 21 - n).as_str());
    let said = init(&project, a, b);
    assert!(said.replace('\n', " ").contains("it seems to count rows"), "{said}");
    assert!(configuration(&project).contains("key: [invoice]"), "{said}");
    assert_eq!(run(&project)["records"]["matched"], 20);
}

#[test]
fn dates_with_offsets_points_and_days_of_the_year_are_read() {
    let cases: [fn(u32) -> String; 7] = [
        |n| format!("2026-01-{n:02} 10:10:00 +0100"),
        |n| format!("2026.01.{n:02}."),
        |n| format!("{n}. 1. 2026"),
        |n| format!("2026{n:03}"),
        |n| {
            let names = ["Wed", "Thu", "Fri", "Sat", "Sun", "Mon", "Tue"];
            format!("{} {n:02} Jan 2026", names[n as usize % 7])
        },
        |n| if n == 20 { "0000-00-00".to_owned() } else { format!("2026-01-{n:02}") },
        |n| format!("2026-01-{n:02} 10:10:00 UTC"),
    ];
    for date in cases {
        let project = Project::new();
        let [a, b] = rows(["ref,date", "ref,date"], 20, |n| {
            let other = if n == 7 { 9 } else { n };
            let date = date(n);
            let day =
                if date.starts_with('0') { String::new() } else { format!("2026-01-{other:02}") };
            [format!("K{n:02},{date}"), format!("K{n:02},{day}")]
        });
        let said = init(&project, a, b);
        run(&project);
        assert_eq!(differences(&project), ["K07 date"], "{said}\n{}", configuration(&project));
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
fn doubts_are_printed() {
    let cases: [(&str, &str, Rows, &str); 5] = [
        (
            "ref,period",
            "ref,period",
            |n| [format!("K{n:02},2026-{n:02}"), format!("K{n:02},P{n}/26")],
            "none of the 12 joined rows agree, such as `2026-",
        ),
        (
            "ref,日付,x",
            "ref,date,x",
            |n| [format!("K{n:02},令和8年1月{n}日,{n}"), format!("K{n:02},2026-01-{n:02},{n}")],
            "`日付` of A and `date` of B have names of the same meaning",
        ),
        (
            "ref,name",
            "ref,name",
            |n| {
                let name = format!("K{n:02},Client {n}");
                let (null, empty) = (format!("K{n:02},NULL"), format!("K{n:02},"));
                if n.is_multiple_of(4) { [null, empty] } else { [name.clone(), name] }
            },
            "A has `NULL` in 3 rows where B has nothing",
        ),
        (
            "ref,amount,",
            "ref,amount",
            |n| [format!("K{n:02},{n}.50,x"), format!("K{n:02},{n}.50")],
            "unmapped columns of A: column 3 (without a name)",
        ),
        (
            "ref,amount",
            "ref,amount",
            |n| [format!("K{n:02},{n}.37"), format!("K{n:02},{n}.40")],
            "often close but unequal: find out why",
        ),
    ];
    for (head_a, head_b, row, expected) in cases {
        let project = Project::new();
        let [a, b] = rows([head_a, head_b], 12, row);
        let said = init(&project, a, b);
        assert!(said.replace('\n', " ").contains(expected), "{expected}: {said}");
    }
    // Columns without names have places only, which are not said to differ.
    let project = Project::new();
    let [a, b] = rows(["", ""], 12, |n| {
        [format!("K{n:02},Client {n},{n}.50"), format!("{n}.50,K{n:02},Client {n}")]
    });
    let said = init(&project, a.trim_start(), b.trim_start());
    assert!(!said.contains("both sides have a column"), "{said}");
}

#[test]
fn the_mildest_step_that_unites_is_chosen() {
    let cases: [(Rows, &str); 3] = [
        (|n| [format!("Mu\u{308}ller {n}"), format!("Müller {n}")], "nfc"),
        (|n| [format!("DE12 3456 {n:04}"), format!("DE123456{n:04}")], "remove_spaces"),
        (|n| [format!("{{AB-{n:04}}}"), format!("ab-{n:04}")], "reference"),
    ];
    for (texts, step) in cases {
        let project = Project::new();
        let [a, b] =
            rows(["id,name", "id,name"], 12, |n| texts(n).map(|it| format!("K{n:02},{it}")));
        let said = init(&project, a, b);
        assert!(said.contains(&format!("`{step}` makes 12 of 12 rows agree")), "{step}: {said}");
    }
}

#[test]
fn lines_below_a_ruler_are_no_rows() {
    let project = Project::new();
    let [a, b] = rows(["id,name,amount", "id,name,amount"], 12, |n| {
        let row = format!("K{n:02},Client {n},{n}.50");
        [row.clone(), row]
    });
    let said = init(&project, a.clone() + "--------------------------\n共12笔记录\n", &b);
    assert!(said.contains("stands below a ruler"), "{said}");
    assert_eq!(run(&project)["records"]["matched"], 12);
    let said = init_again(&project, &(a.clone() + "\u{1a}"), &b);
    assert!(said.contains("Ctrl-Z"), "{said}");
    assert_eq!(run(&project)["records"]["rejected_a"], 0);
    let said = init_again(&project, &(a + "Zusammen,,\n"), &b);
    assert!(said.contains("begins with `Zusammen`") && said.contains("skip_footer: 1"), "{said}");
}

#[test]
fn references_with_a_prefix_on_one_side_are_the_key() {
    let project = Project::new();
    let [a, b] = rows(["\"TransferWise ID\",Date,Amount", "id,date,amount"], 20, |n| {
        let other = if n == 7 { 800 } else { n };
        [
            format!("TRANSFER-{},0{}-01-2026,{n}.50", 90_000 + n, n % 9 + 1),
            format!("{},2026-01-0{},{other}.50", 90_000 + n, n % 9 + 1),
        ]
    });
    let said = init(&project, a, b);
    assert!(
        said.contains("`{ strip_prefix: \"TRANSFER-\" }` in A makes 20 of 20 rows agree"),
        "{said}"
    );
    run(&project);
    assert_eq!(differences(&project), ["90007 amount"]);
}

#[test]
fn rows_of_more_fields_than_names_are_doubted() {
    let project = Project::new();
    let [a, b] = rows(["id,amount,currency", "id,amount,currency"], 12, |n| {
        [format!("K{n:02},{n},50,EUR"), format!("K{n:02},{n}.50,EUR")]
    });
    let said = init(&project, a, b);
    assert!(said.replace('\n', " ").contains("has 3 names, but the rows have 4 fields"), "{said}");
    let summary = run(&project);
    assert_eq!(summary["attributions"]["by_status"]["ACCEPTED"], Json::Null, "{summary}");
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

fn init_again(project: &Project, a: &str, b: &str) -> String {
    project.write("a.csv", a).write("b.csv", b);
    let said = project.recon(&["init", "a.csv", "b.csv", "--force"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said.out
}
