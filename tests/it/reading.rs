//! Reading other people's files: nothing is silently misread, and a source's peculiarities can be
//! configured.

use serde_json::Value as Json;

use crate::program::Project;

/// A job of two CSV files with the same columns: `options` are those of A, `fields` the fields.
fn job(options: &str, fields: &str, a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> Project {
    let names: Vec<&str> = fields.lines().filter_map(|line| line.split(':').next()).collect();
    let map: Vec<String> = names.iter().map(|name| format!("{0}: {0}", name.trim())).collect();
    let map = map.join(", ");
    let own_map = if options.contains("map:") { "" } else { &format!("\n    map: {{ {map} }}") };
    let read = if options.contains("read:") { "" } else { "\n    read: { csv: { path: a.csv } }" };
    let text = format!(
        "version: 1\njob: reading\nsources:\n  a:\n    system: LEFT{read}{own_map}\n{options}\n  b:\n    \
         system: RIGHT\n    read: {{ csv: {{ path: b.csv }} }}\n    map: {{ {map} }}\nkey: [id]\nfields:\n{fields}\n"
    );
    let project = Project::new();
    project.write("recon.yaml", text).write("a.csv", a).write("b.csv", b);
    project
}

const AMOUNTS: &str = "  id: { type: text }\n  amount: { type: decimal }";

fn run(project: &Project) -> (Json, String) {
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    (serde_json::from_str(&said.out).unwrap(), said.err)
}

/// The counts of the summary that are not 0.
fn counts(summary: &Json) -> Vec<String> {
    let records = summary["records"].as_object().unwrap();
    let some = records.iter().filter(|(_, count)| **count != 0);
    some.map(|(name, count)| format!("{name} {count}")).collect()
}

fn rejected(project: &Project) -> Vec<(u64, String)> {
    let rows = project.sql("SELECT line, code FROM recon.rejected_rows ORDER BY side, line");
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (row["line"].as_u64().unwrap(), row["code"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_stray_quote_swallows_no_rows() {
    let rows = |from: u32, to: u32| -> String {
        (from..=to).map(|id| format!("{id},text {id},{id}.00\n")).collect()
    };
    let fields = "  id: { type: text }\n  what: { type: text }\n  amount: { type: decimal }";
    let head = "id,what,amount\n";
    let b = format!("{head}{}", rows(1, 200));
    // Never closed; closed by a later quote; closed where the width fits again.
    for (name, line, more) in [
        ("unclosed", "50,\"text 50,50.00\n", ""),
        ("closed by another", "50,\"text 50,50.00\n", "151,\"text 151\",151.00\n"),
        ("closed by a stray one", "50,\"text 50,50.00\n", "151,text 151\",151.00\n"),
        ("inches", "50,\"text 50\"\",50.00\n", "151,\"text 151\"\",151.00\n"),
    ] {
        let rest = if more.is_empty() {
            rows(51, 200)
        } else {
            format!("{}{more}{}", rows(51, 150), rows(152, 200))
        };
        let a = format!("{head}{}{line}{rest}", rows(1, 49));
        let project = job("", fields, a, &b);
        let (summary, _) = run(&project);
        assert_eq!(summary["status"], "COMPLETED_WITH_ERRORS", "{name}");
        let found = rejected(&project);
        assert_eq!(found[0].0, 51, "{name}: {found:?}");
        assert!(found.iter().all(|(line, _)| matches!(line, 51 | 152)), "{name}: {found:?}");
        let aligned = summary["records"]["aligned"].as_u64().unwrap() as usize;
        assert_eq!(aligned + found.len(), 200, "{name}");
        assert_eq!(summary["records"]["breaks"], found.len(), "{name}");
        let said = project.sql("SELECT message FROM recon.rejected_rows ORDER BY line LIMIT 1");
        assert!(said[0]["message"].as_str().unwrap().contains("lines after it"), "{name}: {said}");
        // The key precedes the quote: the partner is marked.
        let explained = project.json(&["explain", "50", "--json"]);
        assert_eq!(explained["records"][0]["rejected_partner_line"], 51, "{name}");
    }
}

#[test]
fn a_byte_order_mark_before_a_later_row_is_not_part_of_its_key() {
    let project = job(
        "",
        AMOUNTS,
        "\u{feff}id,amount\n1,1\n\u{feff}2,2\n\u{feff}\"3\",3\n",
        "id,amount\n1,1\n2,2\n3,3\n",
    );
    assert_eq!(counts(&run(&project).0), ["a 3", "b 3", "aligned 3", "matched 3"]);
}

#[test]
fn footers_sections_and_extra_empty_fields_can_be_excluded() {
    let a = "id,amount\n1,1\nSection two\n2,2,\n3,3\nTotal,,6\nmade by me\n";
    let b = "id,amount\n1,1\n2,2\n3,3\n";
    let (summary, _) = run(&job("", AMOUNTS, a, b));
    assert_eq!(summary["records"]["rejected_a"], 4);
    let matched = ["a 3", "b 3", "aligned 3", "matched 3"];
    let extras = "    read: { csv: { path: a.csv, ignore_empty_extras: true, skip_footer: 2 } }";
    let (summary, _) = run(&job(extras, AMOUNTS, a, b));
    assert_eq!(
        (&summary["records"]["rejected_a"], &summary["records"]["matched"]),
        (&1.into(), &3.into())
    );
    let filtered = ["a 6", "b 3", "aligned 3", "matched 3", "filtered_a 3"];
    let read = "    read: { csv: { path: a.csv, ignore_empty_extras: true } }";
    let wheres = format!("{read}\n    where: [{{ column: id, matches: '^[0-9]+$' }}]");
    let (summary, _) = run(&job(&wheres, AMOUNTS, a, b));
    assert_eq!(counts(&summary), filtered);
    let by_place = wheres.replace("column: id", "column: \"#1\"");
    assert_eq!(counts(&run(&job(&by_place, AMOUNTS, a, b)).0), filtered);
    let footer = "    read: { csv: { path: a.csv, skip_footer: 2 } }";
    let (summary, _) =
        run(&job(footer, AMOUNTS, "id,amount\n1,1\n2,2\n3,3\nTotal,,6\nmade by me\n", b));
    assert_eq!(counts(&summary), matched);
}

#[test]
fn a_filter_applies_to_rows_of_another_width_as_far_as_their_cells_go() {
    let a = "id,amount,state\n1,1,ok\nTotal,1\n2,2\n3,3,gone\n";
    let b = "id,amount,state\n1,1,ok\n2,2,ok\n";
    let fields = "  id: { type: text }\n  amount: { type: decimal }\n  state: { type: text }";
    let project = job("    script: a.rhai\n    filter: live", fields, a, b);
    project.write("a.rhai", "fn live(raw) { raw.id != \"Total\" && raw.state == \"ok\" }");
    let (summary, _) = run(&project);
    assert_eq!(summary["records"]["filtered_a"], 2);
    // Row 2 can't be filtered without its state: it stays rejected.
    assert_eq!(rejected(&project), [(4, "RAGGED_ROW".to_owned())]);
}

#[test]
fn filling_down_crosses_blocks_and_is_explained() {
    let mut a = "account,id,amount\n".to_owned();
    let mut b = a.clone();
    // Several blocks, so that several threads read them.
    let pad = "x".repeat(400);
    for group in 0..40 {
        for row in 0..200 {
            let id = group * 200 + row;
            let account = if row == 0 { format!("ACC{group}{pad}") } else { String::new() };
            a += &format!("{account},{id},{id}\n");
            b += &format!("ACC{group}{pad},{id},{id}\n");
        }
    }
    let fields = "  id: { type: text }\n  account: { type: text }\n  amount: { type: decimal }";
    let project = job("    fill: [account]", fields, a, b);
    let (summary, _) = run(&project);
    assert_eq!(counts(&summary), ["a 8000", "b 8000", "aligned 8000", "matched 8000"]);
    let explained = project.recon(&["explain", "7999"]);
    assert!(
        explained.out.contains("ACC39") && !explained.out.contains("have changed"),
        "{}",
        explained.out
    );

    // Values of an unreadable row are not invented.
    let a = "account,id,amount\nA,1,1\n\"B\"x,2,2\n,3,3\nC,4,4\n,5,5\n";
    let b = "account,id,amount\nA,1,1\nB,2,2\nB,3,3\nC,4,4\nC,5,5\n";
    let project = job("    fill: [account]", fields, a, b);
    let (summary, _) = run(&project);
    assert_eq!(summary["differences"]["by_type"]["NULL_MISMATCH"], 1);
    assert_eq!(summary["records"]["matched"], 3);
    let said = job("    fill: [acount]", fields, a, b).recon(&["check"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("recon.yaml:8:12") && said.err.contains("`account`"), "{}", said.err);
}

#[test]
fn filling_down_fills_cells_that_are_missing_and_keeps_declared_nulls() {
    let fields = "  id: { type: text }\n  amount: { type: decimal }\n  state: { type: text }";
    let b = "id,amount,state\n1,1,x\n2,2,x\n3,3,x\n";
    let source = |options: &str| {
        format!("    read: {{ csv: {{ path: a.csv, {options} }} }}\n    fill: [state]")
    };
    let padded = source("pad_short_rows: true");
    let project = job(&padded, fields, "id,amount,state\n1,1,x\n2,2\n3,3,\n", b);
    assert_eq!(counts(&run(&project).0), ["a 3", "b 3", "aligned 3", "matched 3"]);
    let explained = project.recon(&["explain", "2"]).out;
    assert!(!explained.contains("have changed"), "{explained}");

    // Rows 4 to 6 have the declared null, and what goes down from it.
    let a = "id,amount,state\n1,1,x\n2,2,\n3,3,x\n4,4,NA\n5,5,\n6,6,y\n";
    let b = "id,amount,state\n1,1,x\n2,2,x\n3,3,x\n4,4,\n5,5,\n6,6,y\n";
    for nulls in ["[NA]", "['', NA]", "[NA, '-', '']"] {
        let project = job(&source(&format!("null_values: {nulls}")), fields, a, b);
        let counted = counts(&run(&project).0);
        assert_eq!(counted, ["a 6", "b 6", "aligned 6", "matched 6"], "{nulls}");
    }
}

#[test]
fn repeated_column_names_are_mapped_by_position() {
    let a = "id,amount,currency,base,currency\n1,1,EUR,2,USD\n";
    let b = "id,first,second\n1,EUR,USD\n";
    let fields = "  id: { type: text }\n  first: { type: text }\n  second: { type: text }";
    for (first, second) in [("currency#1", "currency#2"), ("#3", "#5")] {
        let map = format!("    map: {{ id: id, first: \"{first}\", second: \"{second}\" }}");
        assert_eq!(run(&job(&map, fields, a, b)).0["records"]["matched"], 1, "{first}");
    }
    let said = job("    map: { id: id, first: currency, second: \"currency#3\" }", fields, a, b)
        .recon(&["check"]);
    assert_eq!(said.code, 2);
    for part in ["columns 3 and 5", "`\"currency#1\"`", "`\"#3\"`", "no column `currency#3`"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    // Scripts use these names too; the plain name would be ambiguous.
    let map = "    map: { id: id }\n    script: a.rhai";
    let project = job(map, fields, a, b);
    let script =
        "fn row(raw, r) { r.first = raw[\"currency#1\"]; r.second = raw[\"currency#2\"]; r }";
    project.write("a.rhai", script);
    assert_eq!(run(&project).0["records"]["matched"], 1);
}

#[test]
fn times_of_many_kinds_are_read_exactly() {
    let fields = "  id: { type: text }\n  at: { type: datetime, formats: [\"%FT%T%.f%z\"] }";
    for (format, a, b) in [
        ("%s%.f", "1648771200.123", "2022-04-01T00:00:00.123Z"),
        ("%s%3f", "1648771200123", "2022-04-01T00:00:00.123Z"),
        ("excel", "44652.75", "2022-04-01T18:00:00Z"),
        ("%F %T%.f%z", "2022-04-01 02:00:00+02", "2022-04-01T00:00:00Z"),
        ("%F %T %z", "2022-04-01 00:00:00 UTC", "2022-04-01T00:00:00+00:00"),
        ("[de] %d. %B %Y %H:%M", "1. April 2022 00:00", "2022-04-01T00:00:00Z"),
        ("[fr] %d %b %Y", "01 avr. 2022", "2022-04-01T00:00:00Z"),
        ("[pl] %d %B %Y", "1 kwietnia 2022", "2022-04-01T00:00:00Z"),
    ] {
        let options = format!("    formats: {{ at: [\"{format}\"] }}");
        let project = job(&options, fields, format!("id,at\n1,{a}\n"), format!("id,at\n1,{b}\n"));
        let (summary, err) = run(&project);
        assert_eq!(summary["records"]["matched"], 1, "{format}: {err}");
    }
    // Instants a millisecond apart are different.
    let options = "    formats: { at: [\"%s%.f\"] }";
    let project =
        job(options, fields, "id,at\n1,1648771200.124\n", "id,at\n1,2022-04-01T00:00:00.123Z\n");
    assert_eq!(run(&project).0["differences"]["by_type"]["DATE_MISMATCH"], 1);
}

#[test]
fn local_times_that_exist_twice_or_never_are_reported_with_an_example() {
    let fields = "  id: { type: text }\n  at: { type: datetime, formats: [\"%F %T\"] }";
    let a = "id,at\n1,2026-10-25 02:30:00\n2,2026-03-29 02:30:00\n3,2026-07-01 12:00:00\n";
    let b = "id,at\n1,2026-10-25 00:30:00\n2,2026-03-29 01:30:00\n3,2026-07-01 10:00:00\n";
    let (summary, err) = run(&job("    timezone: Europe/Zurich", fields, a, b));
    assert_eq!(summary["records"]["matched"], 3);
    for part in [
        "local-time-twice",
        "1 value of `at` in source A, `2026-10-25 02:30:00`",
        "local-time-never",
        "1 value of `at` in source A, `2026-03-29 02:30:00`",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[test]
fn an_instant_read_as_a_date_is_the_day_in_the_timezone() {
    let fields = "  id: { type: text }\n  day: { type: date }";
    let options = "    formats: { day: [\"%FT%T%z\"] }\n    timezone: America/New_York";
    let project =
        job(options, fields, "id,day\n1,2026-01-16T04:30:00Z\n", "id,day\n1,2026-01-15\n");
    assert_eq!(run(&project).0["records"]["matched"], 1);
    let as_written = options.lines().next().unwrap();
    let project =
        job(as_written, fields, "id,day\n1,2026-01-16T04:30:00Z\n", "id,day\n1,2026-01-16\n");
    assert_eq!(run(&project).0["records"]["matched"], 1);
}

#[test]
fn canonically_equal_names_stay_equal_through_the_steps() {
    for step in ["reference", "alphanumeric_only", "letters_only", "account_number", "company_name"]
    {
        let fields =
            format!("  id: {{ type: text, normalize: [{step}] }}\n  amount: {{ type: integer }}");
        let project = job("", &fields, "id,amount\nCafe\u{301},1.0\n", "id,amount\nCafé,1\n");
        assert_eq!(run(&project).0["records"]["matched"], 1, "{step}");
    }
}

#[test]
fn scripts_can_read_the_business_date() {
    let fields = "  id: { type: text }\n  day: { type: date }";
    let project = job(
        "    script: a.rhai\n    normalize: { day: [settles] }",
        fields,
        "id,day\n1,x\n",
        "id,day\n1,2026-01-20\n",
    );
    project
        .write("a.rhai", "fn settles(v) { add_business_days(batch_date(), 2, [\"2026-01-19\"]) }");
    let said = project.recon(&["run", "--json", "--batch-date", "2026-01-15"]);
    let summary: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!(summary["records"]["matched"], 1, "{}", said.err);
}

#[test]
fn check_reports_how_a_lookup_files_first_line_is_read() {
    let fields = "  id: { type: text, normalize: [{ lookup: { file: l.csv } }] }\n  amount: { type: decimal }";
    let project = job("", fields, "id,amount\nJPM,1\n", "id,amount\nJPM,1\n");
    project.write("l.csv", "JPM,JP MORGAN\nJPMC,JP MORGAN\n");
    let said = project.recon(&["check"]);
    assert!(
        said.out.contains("lookup file l.csv: the first line, `JPM,JP MORGAN`, is its header"),
        "{}",
        said.out
    );
    assert!(
        said.err.contains("lookup-header") && said.err.contains("header: false"),
        "{}",
        said.err
    );
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["warnings"][0]["code"], "lookup-header", "{summary}");
    let said = project.recon(&["run"]);
    let page = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains("is taken for its header"), "{page}");
    assert_eq!(said.err.matches("lookup-header").count(), 1, "{}", said.err);
    project.replace("recon.yaml", "file: l.csv", "file: l.csv, header: false");
    let said = project.recon(&["check"]);
    assert!(said.out.contains("is data") && said.err.is_empty(), "{} {}", said.out, said.err);
}
