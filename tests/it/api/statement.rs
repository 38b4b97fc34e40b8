//! The reconciliation statement on the page, on both stores: what people decide moves amounts from line to line.

use serde_json::{Value as Json, json};

use super::{Served, json as body};
use crate::postgres;
use crate::program::Project;

const JOB: &str = r#"version: 1
job: money
store: STORE
sources:
  a: { system: BANK, read: { csv: { path: a.csv } }, map: { id: id, currency: currency, amount: amount, fee: fee } }
  b: { system: LEDGER, read: { csv: { path: b.csv } }, map: { id: id, currency: currency, amount: amount, fee: fee } }
key: [id]
currency_field: currency
fields:
  id: { type: text }
  currency: { type: text }
  amount: { type: decimal, monetary: true }
  fee: { type: decimal, monetary: true }
rules:
  attribute: [rules.rhai]
reason_codes:
  ROUNDING: { functional: true, description: "Small" }
  LOST: { functional: false, description: "No partner" }
"#;

const RULES: &str = r#"fn small(d) { if d.field == "amount" { return reason("ROUNDING", 0.7); } }
"#;

/// Enough differences that their run is kept in memory.
const RECORDS: usize = 10_100;

fn served(store: &str) -> Served {
    let project = Project::new();
    let mut a = "id,currency,amount,fee\n".to_owned();
    let mut b = a.clone();
    for at in 1..=RECORDS {
        let currency = if at % 2 == 0 { "EUR" } else { "USD" };
        let (cents, fee) = (at % 100, at % 7);
        a.push_str(&format!("{at},{currency},{at}.{cents:02},{fee}\n"));
        // Some differ in the fee, too, or have no partner.
        let other = if at % 1_000 == 3 { fee + 1 } else { fee };
        if at % 1_000 != 5 {
            b.push_str(&format!("{at},{currency},{at}.5,{other}\n"));
        }
    }
    project.write("a.csv", a).write("b.csv", b).write("rules.rhai", RULES);
    project.write("recon.yaml", JOB.replace("STORE", store));
    project.json(&["run", "--json"]);
    Served::of_store(store, project, &[])
}

/// Reason, amount and count of each line that the page shows, statement after statement.
fn shown(served: &Served, run: &str) -> Vec<[String; 3]> {
    let answer = served.person("ann").get(&format!("/review/statement?run={run}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let cell = |row: &str, from: &str| {
        let rest = &row[row.find(from).unwrap() + from.len()..];
        let rest = &rest[rest.find('>').unwrap() + 1..];
        rest[..rest.find('<').unwrap()].to_owned()
    };
    let rows = text.split("<tr><th scope=\"row\">").skip(1);
    rows.map(|row| {
        [
            cell(row, "<span class=\"code"),
            cell(row, "<td class=\"right num\"").replace(',', ""),
            cell(row, "<a class=\"num\"").replace(',', ""),
        ]
    })
    .collect()
}

/// The same as a report has it, which reads every difference.
fn reported(served: &Served) -> Vec<[String; 3]> {
    let report = served.project().json(&["report", "--format", "json"]);
    let statements = report["statement"].as_array().unwrap();
    let line = |line: &Json| {
        let count = line["count"].as_u64().unwrap();
        let plural = if count == 1 { "difference" } else { "differences" };
        [
            line["reason"].as_str().unwrap().to_owned(),
            line["amount"].as_str().unwrap().to_owned(),
            format!("{count} {plural}"),
        ]
    };
    statements.iter().flat_map(|one| one["lines"].as_array().unwrap().iter().map(line)).collect()
}

fn amounts_move(store: &str) {
    let served = served(store);
    let run = served.queue("ann", "limit=1")[0]["run_id"].as_str().unwrap().to_owned();
    let agree = |when: &str| {
        let (shown, reported) = (shown(&served, &run), reported(&served));
        assert_eq!(shown.len(), reported.len(), "{when}");
        for (shown, reported) in shown.iter().zip(&reported) {
            assert_eq!([&shown[0], &shown[2]], [&reported[0], &reported[2]], "{when}");
            let exact = |text: &str| text.parse::<f64>().unwrap();
            assert!((exact(&shown[1]) - exact(&reported[1])).abs() < 1e-6, "{when}: {shown:?}");
        }
        shown
    };
    let before = agree("before");
    let queue = |query: &str| served.queue("ann", query);
    let resolve = |item: &Json, reason: &str| {
        let ask = json!({ "attribution_id": item["attribution_id"], "action": "OVERRIDE",
                          "new_reason_code": reason, "comments": "looked up" });
        let answer = served.person("ann").post("/workflow/resolve", &ask);
        assert_eq!(answer.status, 200, "{}", answer.text());
        body(&answer)["proposal_id"].as_str().unwrap().to_owned()
    };
    let end = |proposal: &str, how: &str| {
        let path = format!("/workflow/proposals/{proposal}");
        for who in ["bob", "cat"] {
            let detail = body(&served.person(who).get(&path));
            if !["OPEN", "CHECKED"].contains(&detail["state"].as_str().unwrap()) {
                return;
            }
            let ask = match how {
                "approve" => json!({ "content_hash": detail["content_hash"] }),
                _ => json!({ "comments": "look again" }),
            };
            let tag = detail["tag"].as_str().unwrap();
            let answer = served.person(who).post_if(tag, &format!("{path}/{how}"), &ask);
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    };
    // A record with two differences, one of a record without a partner, and one of many.
    let two = queue("field_name=fee&limit=1");
    let first = resolve(&two[0], "LOST");
    agree("proposed");
    end(&first, "approve");
    agree("settled");
    let alone = queue("diff_type=MISSING_IN_SOURCE_B&limit=1");
    let (second, third) = (resolve(&alone[0], "LOST"), resolve(&queue("limit=1")[0], "LOST"));
    end(&second, "approve");
    end(&third, "return");
    let after = agree("settled and returned");
    assert_ne!(before, after);
}

#[test]
fn amounts_move_from_line_to_line_on_sqlite() {
    amounts_move("sqlite:recon.db");
}

#[test]
fn amounts_move_from_line_to_line_on_postgres() {
    amounts_move(&postgres::new_database());
}

/// A job with every case in which a difference moves a total, or moves none, and as many plain ones as are asked for.
fn odd_amounts(store: &str, plain: usize) -> Served {
    let project = Project::new();
    let head = "id,currency,amount,fee\n";
    let mut a = head.to_owned()
        + "both,EUR,10.00,1\nonly,EUR,10.00,1\nodd,,7.00,1\nlost,,8.00,1\nnothing,EUR,,1\nhalf,USD,,1\n\
           none,,5.00,1\nfees,EUR,1.00,1\n";
    let mut b = head.to_owned()
        + "both,USD,12.00,1\nonly,USD,10.00,1\nodd,,7.50,1\nhalf,USD,3.00,1\nnone,EUR,5.50,1\n\
           fees,USD,1.00,2\nnew,EUR,4.00,\n";
    for at in 0..plain {
        let currency = ["EUR", "USD", ""][at % 3];
        a.push_str(&format!("{at},{currency},1.00,0\n"));
        b.push_str(&format!("{at},{currency},1.5{},0\n", at % 10));
    }
    project.write("a.csv", a).write("b.csv", b).write("rules.rhai", RULES.replace("0.7", "0.99"));
    project.write("recon.yaml", JOB.replace("STORE", store));
    project.json(&["run", "--json"]);
    Served::of_store(store, project, &[])
}

fn lists_have_what_lines_count(store: &str, plain: usize) {
    let served = odd_amounts(store, plain);
    let run = served.queue("ann", "limit=1")[0]["run_id"].as_str().unwrap().to_owned();
    let answer = served.person("ann").get(&format!("/review/statement?run={run}"));
    let text = answer.text().replace("&#38;", "&").replace("&amp;", "&");
    let lines: Vec<(&str, u64)> = text
        .split("href=\"")
        .filter(|rest| rest.starts_with("/review/queue?run="))
        .filter_map(|rest| {
            let (link, rest) = rest.split_once('"')?;
            let (_, rest) = rest.split_once('>')?;
            Some((link, rest.split_once(' ')?.0.replace(',', "").parse().ok()?))
        })
        .collect();
    let of = |part: &str| lines.iter().filter(|(link, _)| link.contains(part)).count();
    assert!(of("&currency=EUR") > 1 && of("&no_currency=true") > 1, "{lines:?}");
    let listed = |query: &str| {
        let answer =
            served.person("ann").get(&format!("/workflow/queue?{query}&limit=1&count=exact"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.header("x-total-count").unwrap().parse::<u64>().unwrap()
    };
    for (link, count) in &lines {
        let (_, query) = link.split_once('?').unwrap();
        let query = query.replace("run=", "run_id=").replace("view=items&", "");
        let query = query.replace("&as=", "&present_reason=");
        assert_eq!(listed(&query), *count, "{link}");
        if *count < 50 {
            let page = served.person("ann").get(link);
            assert_eq!(page.status, 200, "{link}");
            assert_eq!(page.text().matches("data-row").count() as u64, *count, "{link}");
        }
    }
    // Without a reason, the list of a total has what all of its lines have.
    for currency in ["currency=EUR", "currency=USD", "no_currency=true"] {
        let all: u64 = lines
            .iter()
            .filter(|(link, _)| link.ends_with(&format!("monetary_field=amount&{currency}")))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(listed(&format!("status=ALL&monetary_field=amount&{currency}")), all);
    }
    let answer = served.person("ann").get("/workflow/queue?no_currency=true&currency=EUR");
    assert_eq!(answer.status, 422, "{}", answer.text());
}

#[test]
fn a_line_leads_to_what_it_counts_on_sqlite() {
    lists_have_what_lines_count("sqlite:recon.db", 12);
}

#[test]
fn a_line_leads_to_what_it_counts_on_postgres() {
    lists_have_what_lines_count(&postgres::new_database(), 12);
}

#[test]
fn a_line_of_a_large_run_leads_to_what_it_counts() {
    lists_have_what_lines_count("sqlite:recon.db", RECORDS);
}
