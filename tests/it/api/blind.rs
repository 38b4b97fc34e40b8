//! Filters, sorting and groups do not reveal blind suggestions and blind samples.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Served, json as document, verdict};
use crate::program::Project;

fn served(more: &str) -> Served {
    let project = Project::of(".");
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    project.write("recon.yaml", format!("{yaml}\n{more}"));
    project.json(&["run", "--json"]);
    Served::of(project, &[])
}

fn ids(items: &Json) -> BTreeSet<String> {
    let items = items.as_array().or_else(|| items["items"].as_array()).unwrap();
    items.iter().map(|item| item["attribution_id"].as_str().unwrap().to_owned()).collect()
}

/// The whole queue, page by page.
fn everything(served: &Served) -> Vec<Json> {
    let mut all = Vec::new();
    let mut next = Some("/workflow/queue?limit=100".to_owned());
    while let Some(path) = next {
        let answer = served.person("ann").get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        all.extend(document(&answer).as_array().unwrap().iter().cloned());
        let link = answer.header("link").and_then(|link| link.split('>').next());
        next = link.map(|link| link.trim_start_matches('<').to_owned());
    }
    all
}

#[test]
fn filters_sorting_and_groups_do_not_reveal_hidden_suggestions() {
    let served = served("review: { blind_suggestions: 0.5, deciding_tokens: [test] }\n");
    let ann = served.person("ann");
    let all = everything(&served);
    let hidden: BTreeSet<String> = all
        .iter()
        .filter(|item| item["current_reason"].is_null())
        .map(|item| item["attribution_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(hidden.len() > 3 && hidden.len() < all.len(), "{} of {}", hidden.len(), all.len());
    // They are sorted by id, which reveals nothing.
    let order: Vec<&str> =
        all.iter().map(|item| item["attribution_id"].as_str().unwrap()).collect();
    assert!(order.is_sorted(), "{order:?}");
    let refused = ann.get("/workflow/queue?sort=-confidence");
    assert_eq!(verdict(&refused), (403, "suggestions-hidden".into()));
    // Only the other items are ranked by `teaches`.
    let teaches = ann.get("/workflow/queue?sort=teaches&limit=200");
    let named = ids(&document(&teaches));
    assert!(!named.is_empty() && named.is_disjoint(&hidden), "{named:?}");
    let codes = served.project().sql("SELECT DISTINCT code FROM recon.reason_codes");
    let signatures =
        served.project().sql("SELECT DISTINCT signature_id AS id FROM recon.signatures");
    let mut asked = vec!["min_confidence=0".to_owned(), "max_confidence=1".to_owned()];
    asked.extend(
        codes
            .as_array()
            .unwrap()
            .iter()
            .map(|row| format!("reason_code={}", row["code"].as_str().unwrap())),
    );
    asked.extend(
        signatures.as_array().unwrap().iter().map(|row| format!("signature={}", row["id"])),
    );
    let mut shown = BTreeSet::new();
    for query in &asked {
        for more in ["", "&sort=severity", "&status=ALL", "&q=T"] {
            let path = format!("/workflow/queue?limit=200&count=exact&{query}{more}");
            let answer = ann.get(&path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert!(answer.header("x-total-count").is_none(), "{path}: the number tells them");
            let found = ids(&document(&answer));
            assert!(found.is_disjoint(&hidden), "{path} tells hidden suggestions");
            shown.extend(found);
        }
        for path in
            [format!("/workflow/groups?{query}"), format!("/workflow/groups?by=reason&{query}")]
        {
            let groups = document(&ann.get(&path));
            for group in groups["items"].as_array().unwrap() {
                assert!(ids(&group["sample"]).is_disjoint(&hidden), "{path}");
            }
        }
    }
    assert!(!shown.is_empty(), "the others are found");
    let groups = document(&ann.get("/workflow/groups?by=reason&limit=200"));
    let counted: u64 =
        groups["items"].as_array().unwrap().iter().map(|one| one["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, all.len() as u64, "hidden ones are a group of their own");
    let of_hidden =
        groups["items"].as_array().unwrap().iter().find(|one| one["label"] == "suggestion hidden");
    assert_eq!(of_hidden.unwrap()["count"], hidden.len());
    for id in &hidden {
        let item = document(&ann.get(&format!("/workflow/items/{id}")));
        assert!(item["signature"].is_null() && item["group_size"].is_null(), "{item}");
        assert_eq!(item["confidence_score"], 0.0);
        assert!(ids_of_similar(&served, id).is_empty());
        let siblings = item["siblings"].as_array().unwrap();
        for sibling in siblings {
            let hidden = hidden.contains(sibling["attribution_id"].as_str().unwrap());
            assert!(!hidden || sibling["reason_code"].is_null(), "{sibling}");
        }
    }
    served.server.assert_well();
}

fn ids_of_similar(served: &Served, id: &str) -> BTreeSet<String> {
    ids(&document(&served.person("ann").get(&format!("/workflow/items/{id}/similar"))))
}

#[test]
fn filters_and_groups_do_not_reveal_blind_samples() {
    let project = Project::of(".");
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    assert!(yaml.contains("\nattribution:"));
    project.write(
        "recon.yaml",
        yaml.replacen("\nattribution:", "\nattribution:\n  audit_sample: 0.5", 1),
    );
    project.json(&["run", "--json"]);
    let served = Served::of(project, &[]);
    let samples = ids(&Json::Array(served.queue("ann", "limit=200&kind=AUDIT_SAMPLE")));
    assert!(samples.len() > 3, "{samples:?}");
    let ann = served.person("ann");
    let codes = served.project().sql("SELECT DISTINCT code FROM recon.reason_codes");
    for code in codes.as_array().unwrap() {
        let code = code["code"].as_str().unwrap();
        for status in ["ACCEPTED", "ALL"] {
            let query = format!("status={status}&reason_code={code}");
            let found = ids(&Json::Array(served.queue("ann", &format!("limit=200&{query}"))));
            assert!(found.is_disjoint(&samples), "{query} tells blind samples");
            let groups = document(&ann.get(&format!("/workflow/groups?{query}")));
            for group in groups["items"].as_array().unwrap() {
                assert!(ids(&group["sample"]).is_disjoint(&samples), "{query}");
            }
        }
    }
    // Without a revealing filter they appear among the others.
    let all = ids(&Json::Array(served.queue("ann", "limit=200&status=ACCEPTED")));
    assert!(!all.is_disjoint(&samples));
    served.server.assert_well();
}
