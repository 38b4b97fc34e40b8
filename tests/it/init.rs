//! `recon init`: the inferred configuration passes the check and reconciles like a hand-written
//! one.

mod amounts;
mod files;

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
            if uniting["step"] == "null_equals: 0" {
                let begin = format!("  {}: {{ type: ", field["name"].as_str().unwrap());
                assert!(text.contains(&begin), "{begin}");
                text = text.replace(&begin, &begin.replace("type: ", "null_equals: 0, type: "));
            } else if uniting["written"] == false && uniting["step"] != "strip_leading_zeros" {
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

/// Rows per side, matches, and rejected or filtered rows of A.
fn figures(project: &Project) -> [u64; 5] {
    let records = &run(project)["records"];
    ["a", "b", "matched", "rejected_a", "filtered_a"]
        .map(|name| records[name].as_u64().unwrap_or_default())
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

/// Identifiers that both sides write alike keep their letters, even if another column has their numbers.
#[test]
fn a_step_that_no_row_needs_is_not_written() {
    type Row = fn(u32) -> String;
    let cases: [(&str, Row); 5] = [
        ("id,fee", |n| format!("T{n},{n}")),
        ("order,seq,amount", |n| format!("ORD-{n},{n},{n}.50")),
        ("customer,amount", |n| format!("C{n},{n}.50")),
        ("ref,customer,name", |n| format!("T-{n},C{n},Name {n}")),
        ("ref,seat,amount", |n| format!("T-{n},{}{n},{n}.50", ["C", "D"][n as usize % 2])),
    ];
    for (header, row) in cases {
        let project = Project::new();
        let [a, b] = rows([header, header], 30, |n| [row(n), row(n)]);
        let said = init(&project, a, b);
        let yaml = configuration(&project);
        assert!(!said.contains("steps that make"), "{said}");
        assert!(!yaml.contains("strip_prefix") && !yaml.contains("debit_credit"), "{yaml}");
        assert_eq!(run(&project)["records"]["matched"], 30, "{said}");
        let key = row(5);
        let explained = project.recon(&["explain", key.split(',').next().unwrap()]);
        assert_eq!(explained.code, 0, "{}", explained.err);
    }
}

#[test]
fn a_prefix_is_stripped_without_joined_rows_if_values_need_it() {
    let project = Project::new();
    // No key: each reference occurs twice.
    let [a, b] = rows(["reference,amount,note", "reference,amount,note"], 24, |n| {
        let (reference, amount) = (9_000 + n % 12, n * 10);
        [format!("TRANSFER-{reference},{amount}.50,x"), format!("{reference},{amount}.50,x")]
    });
    init(&project, a, b);
    let yaml = configuration(&project);
    assert!(yaml.contains("reference: [{ strip_prefix: \"TRANSFER-\" }]"), "{yaml}");
    assert_eq!(run(&project)["records"]["aligned"], 24, "{yaml}");
}

#[test]
fn an_empty_cell_for_zero_in_few_rows_is_proposed_and_not_written() {
    for (empty, written) in [(3, false), (60, true)] {
        let project = Project::new();
        let [a, b] = rows(["id,fee", "id,fee"], 100, |n| {
            let id = format!("T-{n:03}");
            match n <= empty {
                true => [format!("{id},"), format!("{id},0.00")],
                false => [format!("{id},{n}.50"), format!("{id},{n}.50")],
            }
        });
        let said = init(&project, a, b);
        let sentence = match written {
            true => "`null_equals: 0` makes 60 of 100 rows agree: `(empty)` = `0.00`",
            false => "`null_equals: 0` would make 3 more of 100 rows agree: `(empty)` = `0.00`",
        };
        assert!(said.contains(sentence), "{said}");
        let yaml = configuration(&project);
        assert_eq!(yaml.contains("], null_equals: 0,"), written, "{yaml}");
        let differing = if written { 0 } else { 3 };
        assert_eq!(run(&project)["records"]["matched"], 100 - differing, "{said}");
    }
}

#[test]
fn a_key_that_all_rows_have_is_chosen_before_one_with_empty_parts() {
    let project = Project::new();
    let item = |n: u32| ["", "x", "y", "z", "w", "v", "u"][n as usize * 5 % 7];
    let row = |n: u32| [format!("R{}", n / 3), (n % 3 + 1).to_string(), item(n).to_owned()];
    let [a, b] = rows(["Reference,line,Item,qty", "Order No.;Pos;name;units"], 300, |n| {
        let cells = row(n - 1);
        let quantity = n * 37 % 500;
        [format!("{},{quantity}", cells.join(",")), format!("{};{quantity}", cells.join(";"))]
    });
    let said = init(&project, &a, &b);
    assert!(configuration(&project).contains("key: [reference, line]"), "{said}");
    let records = &run(&project)["records"];
    assert_eq!((&records["matched"], &records["rejected_a"]), (&300.into(), &0.into()), "{said}");
    // The numbers of lines have too few values to be mapped by them.
    let project = Project::new();
    let [a, b] = rows(["id,Pos,qty", "Order No.;Zeile;units"], 120, |n| {
        let (order, line, quantity) = (n / 3, n % 3 + 1, n * 137 % 500);
        let gone = |every: u32| if n.is_multiple_of(every) { 1_000 } else { 0 };
        [
            format!("C{},{line},{quantity}", order + gone(20)),
            format!("C{};{line};{quantity}", order + 2 * gone(30)),
        ]
    });
    let said = init(&project, &a, &b);
    assert!(configuration(&project).contains("key: [id, pos]"), "{said}");
    assert_eq!(run(&project)["records"]["aligned"], 112, "{said}");
}

#[test]
fn rows_without_a_key_are_counted_in_the_output() {
    let project = Project::new();
    let [a, b] = rows(["id,amount", "id,amount"], 40, |n| {
        let id = if n % 10 == 0 { String::new() } else { format!("T-{n}") };
        let other = if n == 10 { "T-10".to_owned() } else { id.clone() };
        [format!("{id},{n}.50"), format!("{other},{n}.50")]
    });
    let said = init(&project, a, b);
    assert!(said.contains("rows that lack it and are rejected: 4 of A, 3 of B"), "{said}");
    let records = &run(&project)["records"];
    assert_eq!((&records["rejected_a"], &records["rejected_b"]), (&4.into(), &3.into()));
}

/// A part that can't be written leaves nothing of the others.
#[cfg(unix)]
#[test]
fn a_failed_init_leaves_no_files() {
    let names = |project: &Project| {
        let entries = std::fs::read_dir(project.path(".")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let (a, b) = nameless(20);
    let project = Project::new();
    project.write("a.csv", &a).write("b.csv", &b).write("rules", "no folder");
    let said = project.recon(&["init", "a.csv", "b.csv"]);
    assert_ne!(said.code, 0);
    assert!(said.err.contains("can't write"), "{}", said.err);
    assert_eq!(names(&project), ["a.csv", "b.csv", "rules"]);
    // A file can't become longer than a kilobyte, as on a full disk.
    let project = Project::new();
    project.write("a.csv", &a).write("b.csv", &b);
    let recon = project.command(&[]);
    let program = recon.get_program().to_str().unwrap();
    let line = format!("trap '' XFSZ; ulimit -f 1; exec '{program}' init a.csv b.csv");
    let mut shell = std::process::Command::new("sh");
    let said = shell.current_dir(project.path(".")).args(["-c", &line]).output().unwrap();
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(error.contains("can't write recon.yaml"), "{error}");
    assert_eq!(names(&project), ["a.csv", "b.csv"]);
    // A link stays one.
    std::os::unix::fs::symlink("other.yaml", project.path("recon.yaml")).unwrap();
    project.write("other.yaml", "mine");
    assert_eq!(project.recon(&["init", "a.csv", "b.csv", "--force"]).code, 0);
    assert!(project.path("recon.yaml").is_symlink());
    assert!(std::fs::read_to_string(project.path("other.yaml")).unwrap().contains("version: 1"));
    assert_eq!(names(&project), ["a.csv", "b.csv", "other.yaml", "recon.yaml", "rules"]);
}

#[test]
fn json_that_is_cut_off_or_empty_is_told() {
    let project = Project::new();
    project.write("ok.json", r#"[{"id":1},{"id":2}]"#);
    project.write("o.json", r#"{"o":[{"id":1},{"id":2}],"p/q":1}"#);
    for (text, code, message) in [
        ("{\"id\":1,\n", 3, "error[bad-json]: the JSON ends within an object"),
        ("{\"id\":1,\n\"x\":{\n", 3, "error[bad-json]: the JSON ends within an object"),
        ("{\"id\":1,\n\"x\":2\n}\n", 2, "error[no-records]"),
        ("[]", 3, "error[no-header]: the file has no rows"),
    ] {
        project.write("cut.json", text);
        let said = project.recon(&["init", "cut.json", "ok.json"]);
        assert_eq!(said.code, code, "{text}: {}{}", said.out, said.err);
        assert!(said.err.contains(message), "{text}: {}", said.err);
    }
    assert_eq!(project.recon(&["init", "o.json", "ok.json"]).code, 0);
    for (pointer, expected) in [
        ("/x", "there are `/o`, `/p~1q`"),
        ("/o/y", "there are `/o/0`, `/o/1`"),
        ("/p~1r", "did you mean `/p~1q`?"),
    ] {
        project.replace("recon.yaml", "records: \"/o\"", &format!("records: \"{pointer}\""));
        let said = project.recon(&["run"]);
        assert!(said.err.contains(expected), "{pointer}: {}", said.err);
        project.replace("recon.yaml", &format!("records: \"{pointer}\""), "records: \"/o\"");
    }
}

fn init_again(project: &Project, a: &str, b: &str) -> String {
    project.write("a.csv", a).write("b.csv", b);
    let said = project.recon(&["init", "a.csv", "b.csv", "--force"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said.out
}
