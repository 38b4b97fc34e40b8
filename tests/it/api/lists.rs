//! Lists and files: paging, literal search, and exports without formulas.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Served, json, verdict};
use crate::program::Project;

fn next(link: Option<&str>) -> Option<String> {
    let link = link?;
    assert!(link.ends_with(">; rel=\"next\""), "{link}");
    Some(link.trim_start_matches('<').split('>').next().unwrap().to_owned())
}

#[test]
fn paging_visits_each_item_once() {
    let house = Served::new();
    let ann = house.person("ann");
    let whole = json(&ann.get("/workflow/queue?limit=200&status=ALL&count=exact"));
    let mut path = "/workflow/queue?limit=7&status=ALL".to_owned();
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    loop {
        let answer = ann.get(&path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        for item in json(&answer).as_array().unwrap() {
            let id = item["attribution_id"].as_str().unwrap().to_owned();
            assert!(seen.insert(id.clone()), "{id} came twice");
            order.push(id);
        }
        match next(answer.header("link")) {
            Some(link) => path = link,
            None => break,
        }
    }
    let ids: Vec<&str> = whole
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["attribution_id"].as_str().unwrap())
        .collect();
    assert_eq!(order[..ids.len().min(order.len())], ids[..ids.len().min(order.len())]);
    let total = house.project().sql("SELECT count(*) AS n FROM recon.attributions");
    assert_eq!(order.len() as u64, total[0]["n"].as_u64().unwrap());
    // A cursor is valid only for its list and can't be tampered with.
    let answer = ann.get("/workflow/queue?limit=7");
    let link = next(answer.header("link")).unwrap();
    let cursor = link.split("cursor=").nth(1).unwrap();
    for bad in [
        format!("/workflow/queue?limit=7&status=ALL&cursor={cursor}"),
        format!("/workflow/queue?limit=7&sort=age&cursor={cursor}"),
        format!("/workflow/queue?limit=7&cursor={}x", &cursor[..cursor.len() - 1]),
        "/workflow/queue?cursor=AAAA".into(),
        "/workflow/queue?cursor=99999999999999999999".into(),
        "/runs?cursor=AAAA".into(),
        "/audit?cursor=AAAA".into(),
    ] {
        let asker = house.person("bob");
        let answer = if bad.starts_with("/audit") { asker.get(&bad) } else { ann.get(&bad) };
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
        assert!(answer.text().contains("cursor"), "{bad}");
    }
    house.server.assert_well();
}

#[test]
fn search_terms_are_literal() {
    let house = Served::new();
    let ann = house.person("ann");
    for word in
        ["' OR 1=1--", "%", "_", "\\", "\"", "a* OR b", "NEAR(", "\u{1F4A9}", ";DROP TABLE x"]
    {
        let escaped: String = word.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for name in ["q", "job", "field_name", "signature", "reason_code", "assignee"] {
            let answer = ann.get(&format!("/workflow/queue?{name}={escaped}"));
            assert!(matches!(answer.status, 200 | 422), "{name}={word}: {}", answer.text());
            if answer.status == 200 && name != "q" {
                assert_eq!(json(&answer), Json::Array(Vec::new()), "{name}={word}");
            }
        }
        for path in ["/reasons?q=", "/workflow/proposals?maker=", "/runs?job="] {
            let answer = ann.get(&format!("{path}{escaped}"));
            assert!(matches!(answer.status, 200 | 422), "{path}{word}: {}", answer.text());
        }
        let answer = house.person("aud").get(&format!("/audit?q={escaped}&actor={escaped}"));
        assert_eq!(answer.status, 200, "{word}: {}", answer.text());
    }
    let long = "a".repeat(7_000);
    assert_eq!(ann.get(&format!("/workflow/queue?q={long}")).status, 422);
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "min_confidence=NaN",
        "x=1",
        "status=unknown",
        "sort=confidence%3B",
        "run_id=x",
        "q=%00",
        "sla=late",
    ] {
        let answer = ann.get(&format!("/workflow/queue?{bad}"));
        assert_eq!(answer.status, 422, "{bad}: {}", answer.text());
    }
    let answer = ann.get("/workflow/queue?run_id=1");
    assert_eq!(answer.status, 404, "no run's id begins so: {}", answer.text());
    house.server.assert_well();
}

#[test]
fn exports_are_complete_and_safe_for_spreadsheets() {
    let project = Project::of(".");
    // Cells that a spreadsheet would run, on side A only.
    let file = "examples/fx_trades/front_office.csv";
    let text = std::fs::read_to_string(project.path(file)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let counterparty = lines[0].split(',').position(|name| name == "counterparty").unwrap();
    for (line, cell) in
        lines[1..].iter_mut().zip(["=1+1", "@SUM(A1)", "-2", "+cmd"].into_iter().cycle())
    {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[counterparty] = cell;
        *line = cells.join(",");
    }
    project.write(file, lines.join("\n") + "\n");
    let run = project.json(&["run", "--json"])["run_id"].as_str().unwrap().to_owned();
    let house = Served::of(project, &[]);
    let ann = house.person("ann");
    let answer = ann.get(&format!("/runs/{run}/export?format=csv"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let name = format!("attachment; filename=\"recon-{run}.csv\"");
    assert_eq!(answer.header("content-disposition"), Some(name.as_str()));
    let safe = unchunked(&answer.body);
    let mut reader = csv::Reader::from_reader(safe.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|own| own == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let total = house.project().sql("SELECT count(*) AS n FROM recon.attributions");
    assert_eq!(rows.len() as u64, total[0]["n"].as_u64().unwrap());
    let cell = |value: &str| rows.iter().find(|row| &row[at("value_a")] == value);
    for escaped in ["'=1+1", "'@SUM(A1)", "'+CMD"] {
        let row = cell(escaped).unwrap_or_else(|| panic!("{escaped} is not there"));
        assert_eq!(&row[at("_escaped")], "value_a");
    }
    assert_eq!(&cell("-2").unwrap()[at("_escaped")], "");
    let lines = unchunked(&ann.get(&format!("/runs/{run}/export?format=jsonl")).body);
    assert_eq!(lines.lines().count(), rows.len());
    let raw = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    assert!(raw.filter(|item| item["difference"]["value_a"] == "=1+1").count() > 1);
    let audit = unchunked(&house.person("aud").get("/audit/export?format=jsonl").body);
    assert!(audit.lines().all(|line| line.contains("prev_hash")), "{audit}");
    // Both formats verify offline and give the server's last hash.
    let end: Json =
        serde_json::from_slice(&house.person("aud").get("/audit/checkpoint").body).unwrap();
    let whole = house.person("aud").get("/audit/export?format=csv&cells=raw").body;
    for trail in [audit, unchunked(&whole)] {
        let verdict = recon::store::export::verify(&mut trail.as_bytes(), &[]).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        assert_eq!(
            (&end["n"], &end["head_hash"]),
            (&verdict.checked.into(), &verdict.head_hash.into())
        );
    }
    let old = "GET /audit/export HTTP/1.0\r\n";
    let mut client = crate::wire::Client::to(&house.server);
    let token = house.person("aud").token;
    let host = house.server.address;
    client.send(format!("{old}Host: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")).unwrap();
    assert_eq!(client.statuses(), [505]);
    house.server.assert_well();
}

/// The text of a chunked body.
pub fn unchunked(mut body: &[u8]) -> String {
    let mut text = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let length = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return String::from_utf8(text).unwrap();
        }
        text.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

#[test]
fn runs_are_named_by_their_beginning_or_as_the_latest() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    project.json(&["run", "--json", "--batch-date", "2026-01-14"]);
    let house = Served::of(project, &[]);
    let runs = house.project().sql("SELECT run_id FROM recon.recon_runs ORDER BY run_id");
    let ids: Vec<&str> =
        runs.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    let [first, last] = ids[..] else { panic!("{ids:?}") };
    let alike = first.bytes().zip(last.bytes()).take_while(|(one, other)| one == other).count();
    let ann = house.person("ann");
    for (name, id) in [
        ("latest", last),
        ("LATEST", last),
        (last, last),
        (&last.to_uppercase(), last),
        (&first[..alike + 1], first),
        (&last[..alike + 2], last),
    ] {
        let shown = json(&ann.get(&format!("/runs/{name}")));
        assert_eq!(shown["run_id"], id, "{name}: {shown}");
        let listed = json(&ann.get(&format!("/runs/{name}/differences?limit=1")));
        assert_eq!(listed["items"][0]["run_id"], id, "{name}");
        let export = ann.get(&format!("/runs/{name}/export"));
        assert!(export.text().contains(id), "{name}");
        let queue = json(&ann.get(&format!("/workflow/queue?run_id={name}&limit=1&status=ALL")));
        assert_eq!(queue[0]["run_id"], id, "{name}");
        if name != id {
            let page = ann.get(&format!("/review/queue?status=ALL&run={name}"));
            assert_eq!(page.status, 303, "{name}");
            let place = format!("/review/queue?status=ALL&run={id}");
            assert_eq!(page.header("location"), Some(place.as_str()));
        }
    }
    let many = ann.get(&format!("/runs/{}", &first[..alike]));
    assert_eq!(verdict(&many), (409, "run-ambiguous".into()));
    assert!(many.text().contains(first) && many.text().contains(last), "{}", many.text());
    let many = ann.get(&format!("/workflow/queue?run_id={}", &first[..alike]));
    assert_eq!(verdict(&many), (409, "run-ambiguous".into()));
    for none in ["ffff", "0190b5a0-0000-7000-8000-00000000000c"] {
        assert_eq!(ann.get(&format!("/runs/{none}")).status, 404, "{none}");
    }
    assert_eq!(ann.get("/runs/newest").status, 404);
    assert_eq!(ann.get("/workflow/queue?run_id=ffff").status, 404);
    assert_eq!(ann.get("/workflow/queue?run_id=newest").status, 422);
    house.server.assert_well();
}

#[test]
fn the_overview_begins_with_warnings_that_question_the_figures() {
    for masked in ["", "review: { masked_fields: [amount], deciding_tokens: [test] }\n"] {
        let project = Project::new();
        let mut rows = [String::from("id,amount\n"), String::from("id,amount\n")];
        for number in 1..60 {
            rows[0] += &format!("T{number},{number}.25\n");
            rows[1] += &format!("T{number},-{number}.25\n");
        }
        project.write("a.csv", &rows[0]);
        project.write("b.csv", &rows[1]);
        let source = |name: &str| {
            format!(
                "{{ system: {name}, read: {{ csv: {{ path: {name}.csv }} }}, \
                 map: {{ id: id, amount: amount }} }}"
            )
        };
        project.write(
            "recon.yaml",
            format!(
                "version: 1\njob: signs\nsources:\n  a: {}\n  b: {}\nkey: [id]\nfields:\n  \
                 id: {{ type: text }}\n  amount: {{ type: decimal }}\n{masked}",
                source("a"),
                source("b")
            ),
        );
        let summary = project.json(&["run", "--json"]);
        assert_eq!(summary["warnings"][0]["code"], "same-difference", "{summary}");
        let house = Served::of(project, &[]);
        let page = house.person("ann").get("/review");
        assert_eq!(page.status, 200);
        assert!(page.text().contains("Check this first"));
        assert_eq!(page.text().contains("negate"), masked.is_empty(), "{masked}");
        assert_eq!(page.text().contains("masked for you"), !masked.is_empty(), "{masked}");
        house.server.assert_well();
    }
}

#[test]
fn every_list_of_the_page_is_a_file_too() {
    let house = Served::new();
    let items = house.queue("ann", "limit=1");
    let decision = serde_json::json!({
        "attribution_id": items[0]["attribution_id"], "action": "REJECT",
        "comments": "=1+1 is what the source says",
    });
    assert_eq!(house.person("ann").post("/workflow/resolve", &decision).status, 200);
    let job = items[0]["job"].as_str().unwrap();
    for (who, path, word) in [
        ("bob", "/review/check?open=true", "proposed_by"),
        ("ann", "/review/work", "decision"),
        ("ann", "/review/reasons", "is_functional"),
        ("ann", &format!("/review/breaks?job={job}"), "since"),
        ("adm", "/review/people", "login"),
        ("aud", "/review/reports?report=access", "person_id"),
    ] {
        let joint = if path.contains('?') { '&' } else { '?' };
        let file = |format: &str| house.person(who).get(&format!("{path}{joint}format={format}"));
        let (csv, lines, book) = (file("csv"), file("jsonl"), file("xlsx"));
        for answer in [&csv, &lines, &book] {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let name = answer.header("content-disposition").unwrap();
            assert!(name.starts_with("attachment; filename=\"recon-"), "{name}");
        }
        let (csv, lines) = (csv.text(), lines.text());
        assert!(csv.lines().next().unwrap().contains(word), "{path}: {csv}");
        assert_eq!(csv.lines().count(), lines.lines().count() + 1, "{path}");
        for line in lines.lines() {
            assert!(serde_json::from_str::<Json>(line).unwrap().is_object(), "{line}");
        }
        assert!(book.body.starts_with(b"PK"), "{path} is a workbook");
        let page = house.person(who).get(path);
        assert!(page.text().contains("format=xlsx"), "{path} has links to its files");
        if path.contains("check") {
            assert!(csv.contains("'=1+1"), "a formula is escaped: {csv}");
        }
    }
    house.server.assert_well();
}

#[test]
fn lists_refuse_filters_that_they_do_not_know() {
    let house = Served::new();
    let item = house.queue("ann", "limit=1").remove(0);
    let item = item["attribution_id"].as_str().unwrap();
    for (who, path) in [
        ("ann", "/review?colour=red"),
        ("ann", "/review/queue?colour=red"),
        ("ann", "/review/queue?sla=late"),
        ("ann", &format!("/review/items/{item}?colour=red")),
        ("ann", &format!("/review/items/{item}?severity=")),
        ("ann", "/review/bulk?field_name=amount&colour=red"),
        ("ann", "/review/reasons?colour=red"),
        ("ann", "/review/work?colour=red"),
        ("ann", "/review/help?colour=red"),
        ("adm", "/review/people?colour=red"),
        ("bob", "/review/check?colour=red"),
        ("bob", "/review/check?stage=later"),
        ("bob", "/review/check?state=GONE"),
        ("bob", "/review/check?kind=OTHER"),
        ("aud", "/review/audit?colour=red"),
        ("aud", "/review/audit?stage=BOSS"),
        ("aud", "/review/audit?from=yesterday"),
        ("aud", "/review/reports?colour=red"),
        ("aud", "/review/reports?report=other"),
        ("aud", "/review/reports?to=soon"),
        ("ann", "/v1/workflow/queue?colour=red"),
        ("bob", "/v1/workflow/proposals?colour=red"),
        ("aud", "/v1/audit?stage=BOSS"),
    ] {
        let expected = if path.ends_with('=') { 200 } else { 422 };
        assert_eq!(house.person(who).get(path).status, expected, "{path}");
    }
    // The names are those of the API.
    for query in
        ["stage=to_check", "open=true", "open=false", "state=RETURNED", "kind=BULK", "maker=nobody"]
    {
        for path in ["/review/check", "/v1/workflow/proposals"] {
            assert_eq!(house.person("bob").get(&format!("{path}?{query}")).status, 200, "{query}");
        }
    }
}

#[test]
fn the_trail_is_downloaded_with_its_filter() {
    let house = Served::new();
    let items = house.queue("ann", "limit=2");
    for (item, action) in items.iter().zip(["REJECT", "OVERRIDE"]) {
        let mut decision = serde_json::json!({
            "attribution_id": item["attribution_id"], "action": action,
            "comments": "=1+1 is what the source says",
        });
        if action == "OVERRIDE" {
            decision["new_reason_code"] = "TIMING_LAG".into();
        }
        assert_eq!(house.person("ann").post("/workflow/resolve", &decision).status, 200);
    }
    let aud = house.person("aud");
    let page = aud.get("/review/audit?action=REJECT&stage=MAKER").text().to_string();
    let page = page.replace("&#38;", "&").replace("&amp;", "&");
    let link = |format: &str| {
        let start = "/v1/audit/export?action=REJECT&stage=MAKER&format=";
        assert!(page.contains(&format!("{start}{format}")), "no link to {format}");
        aud.get(&format!("{start}{format}"))
    };
    let (csv, lines, book) = (link("csv"), link("jsonl"), link("xlsx"));
    for answer in [&csv, &lines, &book] {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let csv = unchunked(&csv.body);
    assert!(csv.contains("'=1+1") && !csv.contains("OVERRIDE"), "{csv}");
    assert!(unchunked(&lines.body).matches("\"REJECT\"").count() == 1);
    assert!(book.body.windows(2).any(|two| two == b"PK"), "a workbook");
}

#[test]
fn filters_tell_how_many_items_each_value_leaves() {
    let house = Served::new();
    let list = house.person("ann").get("/workflow/queue?limit=1&count=exact");
    let all: u64 = list.header("x-total-count").unwrap().parse().unwrap();
    let items = house.queue("ann", "limit=1");
    let id = items[0]["attribution_id"].as_str().unwrap();
    let put = house.person("ann").ask(
        "PUT",
        &format!("/workflow/items/{id}/assignee"),
        &[],
        "{\"assignee\": \"ann\"}",
    );
    assert_eq!(put.status, 200, "{}", put.text());
    let page = house.person("ann").get("/review/queue").text().to_string();
    // `teaches` is a list of its own, for users who may decide.
    assert!(page.contains("sort=teaches") && page.contains("Teaches most"), "{page}");
    let teaches = house.person("ann").get("/review/queue?view=items&sort=teaches");
    assert!(teaches.status == 200 && teaches.text().contains("would teach a model most"));
    // Why: how many look like each is said, and is the size of its group.
    let taught = house.queue("ann", "sort=teaches&limit=20");
    let of_group = |item: &Json| {
        let id = item["signature"].as_str().unwrap();
        house.queue("ann", &format!("signature={id}&limit=200")).len()
    };
    assert!(!taught.is_empty());
    for item in &taught {
        assert_eq!(item["group_size"].as_u64(), Some(of_group(item) as u64), "{item}");
    }
    for option in ["me (1)".to_owned(), format!("nobody ({})", all - 1), format!("in time ({all})")]
    {
        assert!(page.contains(&option), "no “{option}”: {page}");
    }
    let list = house.person("ann").get("/review/queue?assignee=me&view=items").text().to_string();
    assert!(list.contains("me (1)") && !list.contains("nobody ("), "only the value in force");
    assert!(list.contains("<title>Queue (1)"), "the title has the number of the list");
    assert!(list.contains(&format!("1 of the {all} differences")), "{list}");
}
