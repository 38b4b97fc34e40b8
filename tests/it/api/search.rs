//! Search and lists on both stores: hits, the counts of each list, and that no list loses items.

use serde_json::{Value as Json, json};

use super::lists::unchunked;
use super::{Served, json as body, verdict};
use crate::program::Project;

const JOB: &str = r#"version: 1
job: payments
store: STORE
sources:
  a:
    system: LEDGER
    read: { csv: { path: a.csv } }
    map: { id: id, party: party, currency: currency, amount: amount, note: note }
    normalize: { id: [strip_punctuation, strip_leading_zeros] }
  b:
    system: BANK
    read: { csv: { path: b.csv } }
    map: { id: id, party: party, currency: currency, amount: amount, note: note }
    normalize: { id: [strip_punctuation, strip_leading_zeros] }
key: [id]
fields:
  id: { type: text, normalize: [upper] }
  party: { type: text }
  currency: { type: text }
  amount: { type: decimal, monetary: true }
  note: { type: text }
rules:
  attribute: [rules.rhai]
reason_codes:
  ROUNDING_DIFF: { functional: true, description: "Decimals lost on one side" }
  UNKNOWN: { functional: false, description: "Nobody knows" }
"#;

const RULES: &str = r#"
fn attribute(d) {
    if d.field == "amount" { return reason("ROUNDING_DIFF", if d.a == "3.25" { 0.99 } else { 0.5 }); }
}
"#;

/// Payments of which each differs in its amount, and every other in its note, too.
fn served(store: &str) -> Served {
    let project = Project::new();
    let mut a = "id,party,currency,amount,note\n".to_owned();
    let mut b = a.clone();
    for at in 1..=30 {
        let party = if at % 3 == 0 { "Müller & Söhne" } else { "ACME Ltd" };
        let note = if at % 2 == 0 { "left" } else { "same" };
        a.push_str(&format!("00-ref/{at:04},{party},EUR,{at}.25,{note}\n"));
        b.push_str(&format!("REF{at:04},{party},EUR,{at},same\n"));
    }
    a.push_str("lonely1,Zebra Bank,EUR,1234567.5,alone\n");
    project.write("a.csv", a).write("b.csv", b).write("rules.rhai", RULES);
    project.write("recon.yaml", JOB.replace("STORE", store));
    project.json(&["run", "--json"]);
    Served::of_store(store, project, &[])
}

fn told_to(store: &str, story: impl Fn(&Served)) {
    let served = served(store);
    story(&served);
    served.server.assert_well();
}

fn on_both(story: impl Fn(&Served)) {
    told_to("sqlite:recon.db", &story);
    told_to(&crate::postgres::new_database(), &story);
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn found(served: &Served, query: &str) -> usize {
    served.queue("ann", &format!("limit=200&{query}")).len()
}

#[test]
fn a_text_is_found_in_references_values_and_counterparties_in_any_case() {
    on_both(|served| {
        for (text, items) in [
            ("ref0002", 2),
            ("00-ref/0002", 2),
            ("REF0002", 2),
            ("müller", 15),
            ("MÜLLER & SÖ", 15),
            ("zebra", 1),
            ("1,234,567.5", 1),
            ("7.25", 3),
            ("nothing is like it", 0),
            ("zz", 0),
        ] {
            let query = format!("status=ALL&q={}", escaped(text));
            assert_eq!(found(served, &query), items, "{text}");
            let groups = body(&served.person("ann").get(&format!("/workflow/groups?{query}")));
            let groups = groups["items"].as_array().unwrap().clone();
            let sum: u64 = groups.iter().map(|group| group["count"].as_u64().unwrap()).sum();
            assert_eq!(sum, items as u64, "the groups of {text}");
        }
    });
}

#[test]
fn pages_of_a_search_visit_each_item_once() {
    on_both(|served| {
        let ann = served.person("ann");
        let mut path = "/workflow/queue?status=ALL&limit=4&q=acme&count=exact".to_owned();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let answer = ann.get(&path);
            assert_eq!(answer.header("x-total-count"), Some("30"));
            let items = body(&answer).as_array().unwrap().clone();
            assert!(!items.is_empty(), "no page is empty");
            for item in items {
                assert!(seen.insert(item["attribution_id"].to_string()));
            }
            let Some(link) = answer.header("link") else { break };
            path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        assert_eq!(seen.len(), 30);
    });
}

#[test]
fn the_order_of_amounts_keeps_the_items_without_one() {
    on_both(|served| {
        let all = found(served, "");
        for limit in [200, 7] {
            let ann = served.person("ann");
            let mut path = format!("/workflow/queue?sort=amount&limit={limit}");
            let mut amounts: Vec<Option<f64>> = Vec::new();
            loop {
                let answer = ann.get(&path);
                // The amount of a missing record is its own, no difference: it comes with those without one.
                for item in body(&answer).as_array().unwrap() {
                    let differs = item["difference"]["diff_type"] == "NUMERIC_MISMATCH";
                    let amount = item["amount_abs"].as_str().filter(|_| differs);
                    amounts.push(amount.map(|text| text.parse().unwrap()));
                }
                let Some(link) = answer.header("link") else { break };
                path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
            }
            assert_eq!(amounts.len(), all, "pages of {limit}");
            let mut sorted = amounts.clone();
            sorted.sort_by(|a, b| b.partial_cmp(a).unwrap());
            assert_eq!(amounts, sorted);
            assert!(amounts.contains(&None) && amounts.iter().any(Option::is_some));
        }
    });
}

#[test]
fn lists_of_every_status_are_whole() {
    on_both(|served| {
        let (ann, bob) = (served.person("ann"), served.person("bob"));
        let items = served.queue("ann", "field_name=note&limit=200");
        let id = |at: usize| items[at]["attribution_id"].as_str().unwrap();
        let decide = |at: usize| {
            let answer = ann.post(
                "/workflow/resolve",
                &json!({ "attribution_id": id(at), "action": "REJECT", "comments": "a true break" }),
            );
            assert_eq!(answer.status, 200, "{}", answer.text());
            body(&answer)
        };
        let step = |proposal: &Json, step: &str| {
            let id = proposal["proposal_id"].as_str().unwrap();
            let path = format!("/workflow/proposals/{id}");
            let read = body(&bob.get(&path));
            let answer = bob.post_if(
                read["tag"].as_str().unwrap_or_else(|| read["proposal"]["tag"].as_str().unwrap()),
                &format!("{path}/{step}"),
                &match step {
                    "approve" => json!({ "content_hash": proposal_hash(&read) }),
                    _ => json!({ "comments": "look again" }),
                },
            );
            assert_eq!(answer.status, 200, "{}", answer.text());
        };
        let amounts = served.queue("ann", "field_name=amount&limit=1");
        let accepted = ann.post(
            "/workflow/resolve",
            &json!({ "attribution_id": amounts[0]["attribution_id"], "action": "APPROVE" }),
        );
        step(&body(&accepted), "approve");
        step(&decide(0), "approve");
        step(&decide(1), "return");
        decide(2);
        let assigned = ann.ask(
            "PUT",
            &format!("/workflow/items/{}/assignee", id(3)),
            &[],
            &json!({ "assignee": "ann" }).to_string(),
        );
        assert_eq!(assigned.status, 200, "{}", assigned.text());
        for (query, ids) in [
            ("status=REJECTED", vec![id(0)]),
            ("sent_back=true", vec![id(1)]),
            ("status=PENDING", vec![id(2)]),
            ("assignee=me", vec![id(3)]),
            ("assignee=me&q=ref", vec![id(3)]),
            ("sent_back=true&field_name=note", vec![id(1)]),
            ("sla=overdue", vec![]),
        ] {
            let listed = served.queue("ann", query);
            let listed: Vec<&str> =
                listed.iter().map(|item| item["attribution_id"].as_str().unwrap()).collect();
            assert_eq!(listed, ids, "{query}");
        }
        let accepted = found(served, "status=ACCEPTED");
        let expected = served
            .project()
            .sql("SELECT count(*) AS n FROM recon.attributions WHERE status = 'ACCEPTED'");
        assert_eq!(accepted as u64, expected[0]["n"].as_u64().unwrap());
        assert_eq!(accepted, 1);
        assert_eq!(found(served, "sla=ok"), found(served, ""));
        // The search counts each list by itself, and includes later decisions.
        assert_eq!(found(served, "status=REJECTED&q=left"), 1);
        assert_eq!(verdict(&ann.get("/workflow/queue?q=a%00b")).0, 422);
    });
}

fn proposal_hash(read: &Json) -> String {
    let at = if read["content_hash"].is_string() { read } else { &read["proposal"] };
    at["content_hash"].as_str().unwrap().to_owned()
}

#[test]
fn kept_figures_are_those_of_the_items() {
    on_both(|served| {
        let kept = || {
            served.project().sql(
                "SELECT f.blocked, n.status, sum(n.items) AS items \
                 FROM recon.run_figures f JOIN recon.reason_counts n ON n.run_no = f.run_no \
                 WHERE n.items <> 0 GROUP BY 1, 2 ORDER BY 2",
            )
        };
        let counted = || {
            served.project().sql(
                "SELECT (SELECT count(*) FROM recon.recon_records r WHERE r.gate_status = 'BLOCKED') \
                 AS blocked, CASE status WHEN 'UNKNOWN' THEN 1 WHEN 'PENDING' THEN 2 \
                 WHEN 'ACCEPTED' THEN 3 ELSE 4 END AS status, count(*) AS items \
                 FROM recon.attributions GROUP BY 1, 2 ORDER BY 2",
            )
        };
        let text = |rows: &Json| rows.to_string().replace('"', "").replace(".0", "");
        // The server counts a new run within a few seconds.
        let begun = std::time::Instant::now();
        while kept() == json!([]) && begun.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert_eq!(text(&kept()), text(&counted()), "before decisions");
        let (ann, bob) = (served.person("ann"), served.person("bob"));
        let ids: Vec<String> = served
            .queue("ann", "field_name=amount&limit=10")
            .iter()
            .map(|item| item["attribution_id"].as_str().unwrap().to_owned())
            .collect();
        for (at, id) in ids.iter().enumerate() {
            let body = match at % 2 {
                0 => json!({ "attribution_id": id, "action": "APPROVE" }),
                _ => {
                    json!({ "attribution_id": id, "action": "REJECT", "comments": "a true break" })
                }
            };
            let proposal = super::json(&ann.post("/workflow/resolve", &body));
            let path = format!("/workflow/proposals/{}", proposal["proposal_id"].as_str().unwrap());
            let read = super::json(&bob.get(&path));
            let tag = read["tag"].as_str().unwrap();
            let answer = match at % 3 {
                0 => bob.post_if(
                    tag,
                    &format!("{path}/approve"),
                    &json!({ "content_hash": proposal_hash(&read) }),
                ),
                1 => bob.post_if(
                    tag,
                    &format!("{path}/return"),
                    &json!({ "comments": "look again" }),
                ),
                _ => continue,
            };
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        assert_eq!(text(&kept()), text(&counted()), "after decisions");
        // Two of the approved ones accept the predicted cause, which counts as chosen.
        let reasons = super::json(&ann.get("/reasons?q=rounding"));
        assert_eq!(reasons[0]["used"], 2, "{reasons}");
        // Filters count the remaining items.
        let open = served.queue("ann", "field_name=amount&limit=200");
        let open_id = open[0]["attribution_id"].as_str().unwrap();
        let path = format!("/workflow/items/{open_id}/assignee");
        assert_eq!(ann.ask("PUT", &path, &[], "{\"assignee\": \"ann\"}").status, 200);
        let page = ann.get("/review/queue?field_name=amount").text().to_string();
        let counted = ["me (1)".to_owned(), format!("nobody ({})", open.len() - 1)];
        for option in counted.into_iter().chain([format!("in time ({})", open.len())]) {
            assert!(page.contains(&option), "no “{option}”");
        }
    });
}

#[test]
fn a_list_is_downloaded_with_its_filter() {
    on_both(|served| {
        let ann = served.person("ann");
        let filter = "status=ALL&q=m%C3%BCller&sort=amount";
        let listed = served.queue("ann", &format!("limit=200&{filter}"));
        let lines = ann.get(&format!("/v1/workflow/export?{filter}&format=jsonl"));
        let lines: Vec<Json> = unchunked(&lines.body)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let ids = |items: &[Json]| -> Vec<String> {
            items.iter().map(|item| item["attribution_id"].to_string()).collect()
        };
        assert_eq!(ids(&lines), ids(&listed));
        let csv = ann.get(&format!("/v1/workflow/export?{filter}&format=csv"));
        let csv = unchunked(&csv.body);
        assert_eq!(csv.lines().count(), listed.len() + 1);
        assert!(csv.lines().next().unwrap().contains("due_at"));
        let book = ann.get(&format!("/v1/workflow/export?{filter}&format=xlsx"));
        assert_eq!(book.status, 200);
        assert!(book.body.windows(4).any(|four| four == b"PK\x03\x04"), "a workbook");
        assert_eq!(verdict(&ann.get("/v1/workflow/export?format=exe")).0, 422);
        let page = ann.get("/v1/workflow/export?colour=red");
        assert_eq!(page.status, 422, "unknown filters are refused");
    });
}

#[test]
fn a_digest_lists_the_open_work() {
    let served = served("sqlite:recon.db");
    let items = served.queue("ann", "field_name=note&limit=2");
    let decided = served.person("ann").post(
        "/workflow/resolve",
        &json!({
            "attribution_id": items[0]["attribution_id"], "action": "REJECT",
            "comments": "a true break",
        }),
    );
    assert_eq!(decided.status, 200, "{}", decided.text());
    let digest = served.project().json(&["report", "--digest", "--json"]);
    assert_eq!(digest["to_decide"], found(&served, "") as u64);
    assert_eq!((&digest["proposed"], &digest["proposals_to_check"]), (&json!(1), &json!(1)));
    assert_eq!(digest["runs"][0]["job"], "payments");
    assert_eq!(digest["runs"][0]["to_decide"], digest["to_decide"]);
    let text = served.project().recon(&["report", "--digest"]);
    assert!(
        text.out.contains("To decide") && text.out.contains("1 proposal to check"),
        "{}",
        text.out
    );
    served.server.assert_well();
}

#[test]
fn a_search_counts_a_break_that_goes_on_once() {
    on_both(|served| {
        let earlier =
            served.project().json(&["runs", "list", "--json"])["runs"][0]["run_id"].clone();
        let earlier = earlier.as_str().unwrap();
        served.project().json(&["run", "--json", "--batch-date", "2199-01-01"]);
        let page = served.person("ann").get("/review/queue?q=acme&view=items").text().to_owned();
        let tab = page.split("To decide").nth(1).unwrap();
        let number = tab.split('>').nth(1).unwrap().split('<').next().unwrap();
        let listed = found(served, "q=acme");
        assert!(listed > 10, "{listed}");
        assert_eq!(number, listed.to_string(), "the tab has the number of its list");
        let all = found(served, "q=acme&status=ALL");
        assert!(all >= listed, "{all}");
        let of_earlier = found(served, &format!("q=acme&run_id={earlier}"));
        assert_eq!(of_earlier, listed, "the list of the earlier run has them, too");
        let decided = found(served, "q=acme&status=ACCEPTED");
        assert_eq!(all, listed + decided + found(served, "q=acme&status=PENDING"));
    });
}

#[test]
fn a_row_is_traced_with_the_fields_in_their_order() {
    on_both(|served| {
        let said = served.project().recon(&["explain", "REF0002"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let id = served.queue("ann", "q=REF0002&field_name=note")[0]["attribution_id"].clone();
        let page = served.person("ann").get(&format!("/review/items/{}/why", id.as_str().unwrap()));
        for text in [said.out.as_str(), page.text()] {
            assert!(text.contains("a.csv:3"), "{text}");
            assert!(!text.contains("changed since the run"), "{text}");
        }
    });
}
