//! Matching by hand over the API and the page.

use serde_json::{Value as Json, json};

use super::{Served, json as document, verdict};

fn ids(served: &Served, kind: &str) -> Vec<String> {
    let found =
        served.queue("ann", &format!("status=ALL&by_people=false&limit=200&diff_type={kind}"));
    let id = |item: &Json| item["attribution_id"].as_str().unwrap().to_owned();
    found.iter().map(id).collect()
}

#[test]
fn rows_without_a_partner_are_matched_over_the_api() {
    let served = Served::new();
    let only_a = ids(&served, "MISSING_IN_SOURCE_B").remove(0);
    let ann = served.person("ann");
    let found = ann.get(&format!("/v1/workflow/items/{only_a}/candidates"));
    assert_eq!(found.status, 200, "{}", found.text());
    let found = document(&found);
    let only_b = found["items"][0]["attribution_id"].as_str().unwrap().to_owned();
    let preview =
        document(&ann.post("/v1/workflow/matches/preview", &json!({ "ids": [only_a, only_b] })));
    assert_eq!(preview["rows_a"].as_array().unwrap().len(), 1, "{preview}");
    assert!(preview["sums"][0]["difference"].is_string(), "{preview}");
    let body = json!({
        "ids": [only_a, only_b], "reason_code": "TIMING_LAG", "comments": "one trade, two names",
    });
    let before = served.state();
    let alone = ann.post(
        "/v1/workflow/matches",
        &json!({ "ids": [only_a], "reason_code": "TIMING_LAG", "comments": "one trade" }),
    );
    assert_eq!(alone.status, 422, "{}", alone.text());
    let same = ann.post(
        "/v1/workflow/matches",
        &json!({ "ids": [only_a, only_a], "reason_code": "TIMING_LAG", "comments": "one trade" }),
    );
    assert_eq!(verdict(&same), (422, "unmatchable-rows".into()));
    assert_eq!(served.state(), before);

    let proposed = ann.post("/v1/workflow/matches", &body);
    assert_eq!(proposed.status, 201, "{}", proposed.text());
    let proposal = document(&proposed);
    let path = format!("/workflow/proposals/{}", proposal["proposal_id"].as_str().unwrap());
    assert_eq!(proposed.header("location"), Some(path.as_str()));
    assert_eq!(proposal["eyes_required"], 4);
    let page = served.person("bob").get(&path.replace("/workflow", "/review"));
    assert!(page.text().contains("Match by hand as TIMING_LAG"), "{}", page.text());
    let good = json!({ "content_hash": proposal["content_hash"] });
    let tag = proposal["tag"].as_str().unwrap();
    let approved = served.person("bob").post_if(tag, &format!("{path}/approve"), &good);
    assert_eq!(approved.status, 200, "{}", approved.text());
    let item = document(&ann.get(&format!("/v1/workflow/items/{only_b}")));
    assert_eq!(item["status"], "ACCEPTED");
    assert_eq!(item["current_reason"]["code"], "TIMING_LAG");
    let link = &item["matched_by_hand"];
    assert_eq!(
        (&link["match_id"], link["rows"].as_array().unwrap().len()),
        (&proposal["proposal_id"], 2)
    );
    let page = ann.get(&format!("/review/items/{only_a}")).text().to_owned();
    assert!(page.contains("Matched by hand") && page.contains("Take the match apart"), "{page}");

    let match_id = link["match_id"].as_str().unwrap();
    let apart = ann.post(
        &format!("/v1/workflow/matches/{match_id}/unmatch"),
        &json!({ "comments": "they are two trades" }),
    );
    assert_eq!(apart.status, 201, "{}", apart.text());
    let apart = document(&apart);
    assert_eq!(apart["eyes_required"], 6);
    // A checker and an authorizer agree, and both rows are open again.
    let path = format!("/workflow/proposals/{}", apart["proposal_id"].as_str().unwrap());
    for (who, state, rows) in [("bob", "CHECKED", "PENDING"), ("cat", "APPLIED", "UNKNOWN")] {
        let page = served.person(who).get(&path.replace("/workflow", "/review")).text().to_owned();
        assert!(
            page.contains("Take a match apart") && page.contains("they are two trades"),
            "{page}"
        );
        let seen = document(&served.person(who).get(&path));
        let good = json!({ "content_hash": seen["content_hash"] });
        let tag = seen["tag"].as_str().unwrap();
        let done = served.person(who).post_if(tag, &format!("{path}/approve"), &good);
        assert_eq!(
            (done.status, &document(&done)["state"]),
            (200, &json!(state)),
            "{}",
            done.text()
        );
        for id in [&only_a, &only_b] {
            let item = document(&ann.get(&format!("/v1/workflow/items/{id}")));
            assert_eq!(item["status"], rows);
        }
    }
    let item = document(&ann.get(&format!("/v1/workflow/items/{only_b}")));
    assert!(item["matched_by_hand"].is_null(), "{item}");
    let verified = document(&served.person("aud").get("/audit/verify"));
    assert_eq!(verified["ok"], true, "{verified}");
    served.server.assert_well();
}

#[test]
fn open_rows_of_the_other_side_are_searched() {
    let served = Served::new();
    let ann = served.person("ann");
    let row = |kind: &str| {
        let id = ids(&served, kind).remove(0);
        let item = document(&ann.get(&format!("/v1/workflow/items/{id}")));
        let side = if kind.ends_with('B') { "source_a_ref_id" } else { "source_b_ref_id" };
        (id, item[side].as_str().unwrap().to_lowercase())
    };
    let (only_a, own) = row("MISSING_IN_SOURCE_B");
    let (only_b, other) = row("MISSING_IN_SOURCE_A");
    let found = |q: &str| -> Vec<String> {
        let path = format!("/v1/workflow/items/{only_a}/candidates?q={q}");
        let items = document(&ann.get(&path))["items"].as_array().unwrap().clone();
        items.iter().map(|one| one["attribution_id"].as_str().unwrap().to_owned()).collect()
    };
    // Always by a part of the reference; never rows of its own side, or unknown ones.
    assert_eq!(found(&other), [only_b.as_str()]);
    assert!(found(&other[..4]).contains(&only_b));
    assert_eq!(found(&own), [""; 0]);
    assert_eq!(found("nothing-has-this"), [""; 0]);
    let page = |q: &str| {
        ann.get(&format!("/review/match?id={only_a}&around={only_a}&q={q}")).text().to_owned()
    };
    assert!(page(&other).contains(&format!("name=\"id\" value=\"{only_b}\"")), "{}", page(&other));
    assert!(page(&own).contains("No open row contains this text."), "{}", page(&own));
    served.server.assert_well();
}

#[test]
fn the_page_shows_both_sums_and_proposes_the_match() {
    let served = Served::new();
    let only_a = ids(&served, "MISSING_IN_SOURCE_B").remove(0);
    let only_b = ids(&served, "MISSING_IN_SOURCE_A").remove(0);
    let ann = served.person("ann");
    let item = ann.get(&format!("/review/items/{only_a}")).text().to_owned();
    assert!(item.contains(&format!("/review/match?id={only_a}")), "{item}");
    let alone = ann.get(&format!("/review/match?id={only_a}"));
    assert_eq!(alone.status, 200, "{}", alone.text());
    assert!(alone.text().contains(&only_b) && alone.text().contains("a row of each side"));
    let both = ann.get(&format!("/review/match?id={only_a}&id={only_b}&q=")).text().to_owned();
    assert!(both.contains("Difference") && both.contains("Propose the match"), "{both}");
    let form =
        |code: &str| format!("id={only_a}&id={only_b}&code={code}&comment=one+trade%2C+two+names");
    let typed = [("Content-Type", "application/x-www-form-urlencoded")];
    let refused = ann.ask("POST", "/review/match", &typed, &form("NONE_SUCH"));
    assert!(refused.status == 400 && refused.text().contains("Invalid Reason Code"));
    let sent = ann.ask("POST", "/review/match", &typed, &form("TIMING_LAG"));
    assert_eq!(sent.status, 303, "{}", sent.text());
    assert!(sent.header("location").unwrap().contains("said=proposed."));
    assert_eq!(served.queue("ann", "status=PENDING").len(), 2);
    served.server.assert_well();
}

#[test]
fn a_view_has_a_name_and_an_address() {
    let served = Served::new();
    let ann = served.person("ann");
    let typed = [("Content-Type", "application/x-www-form-urlencoded")];
    let form = "name=Late+ones&filter=%3Fsla%3Doverdue%26colour%3Dred";
    let saved = ann.ask("POST", "/review/views", &typed, form);
    assert_eq!(saved.status, 303, "{}", saved.text());
    // Unknown filters are not kept.
    assert_eq!(saved.header("location"), Some("/review/queue?sla=overdue&said=saved-view"));
    let page = ann.get("/review/queue").text().to_owned();
    assert!(page.contains("href=\"/review/queue?sla=overdue\"><bdi>Late ones</bdi>"), "{page}");
    let others = served.person("sue").get("/review/queue").text().to_owned();
    assert!(!others.contains("Late ones"));
    let gone = ann.ask("POST", "/review/views/delete", &typed, "name=Late+ones");
    assert_eq!(gone.status, 303);
    assert!(!ann.get("/review/queue").text().contains("Late ones"));
    served.server.assert_well();
}

#[test]
fn the_profile_makes_and_revokes_tokens() {
    let project = crate::program::Project::of(".");
    let mut served = Served::of(project, &[]);
    let typed = [("Content-Type", "application/x-www-form-urlencoded")];
    let ann = served.person("ann");
    let page = ann.get("/review/profile").text().to_owned();
    assert!(page.contains("New token") && page.contains("Revoke"), "{page}");
    // Tokens neither make nor revoke tokens.
    let made = ann.ask("POST", "/review/profile/tokens", &typed, "name=nightly&days=30&scope=view");
    assert!(made.status == 403 && !made.text().contains("rcn_"), "{}", made.text());
    assert_eq!(served.server.stop(), 0);
}
