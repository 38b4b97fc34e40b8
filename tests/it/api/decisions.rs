//! Decisions by two and three users, unauthorized, repeated, late, and concurrent.

use std::sync::Barrier;

use serde_json::{Value as Json, json};

use super::{Served, json as document, verdict};

fn override_of(item: &Json) -> Json {
    json!({
        "attribution_id": item["attribution_id"], "action": "OVERRIDE",
        "new_reason_code": "TIMING_LAG", "comments": "booked a day late",
    })
}

#[test]
fn a_decision_takes_a_maker_and_a_checker() {
    let served = Served::new();
    let items = served.queue("ann", "limit=200");
    let item = &items[0];
    for name in ["attribution_id", "confidence_score", "status", "difference", "current_reason"] {
        assert!(!item[name].is_null(), "{name}: {item}");
    }
    assert!(items.windows(2).all(|pair| {
        pair[0]["confidence_score"].as_f64() <= pair[1]["confidence_score"].as_f64()
    }));
    let answer = served.person("ann").post("/workflow/resolve", &override_of(item));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let resolved = document(&answer);
    assert_eq!(resolved["message"], "Resolution processed successfully");
    assert_eq!((&resolved["status"], &resolved["eyes_done"]), (&"PENDING".into(), &2.into()));
    // A second proposal is refused; the response names the first.
    let again = served.person("sue").post("/workflow/resolve", &override_of(item));
    assert_eq!(verdict(&again), (409, "already-pending".into()));
    assert_eq!(document(&again)["proposal"], resolved["proposal_id"]);

    let path = format!("/workflow/proposals/{}", resolved["proposal_id"].as_str().unwrap());
    let shown = served.person("bob").get(&path);
    let proposal = document(&shown);
    let tag = shown.header("etag").unwrap().trim_matches('"').to_owned();
    assert_eq!(resolved["proposal_tag"], tag);
    let approve = format!("{path}/approve");
    let good = json!({ "content_hash": proposal["content_hash"] });
    let before = served.state();
    let bob = served.person("bob");
    for (answer, expected) in [
        (served.person("ann").post_if(&tag, &approve, &good), (403, "missing-permission")),
        (bob.post(&approve, &good), (428, "")),
        (bob.post_if("p9-00000000", &approve, &good), (412, "")),
        (bob.post_if("nonsense", &approve, &good), (412, "stale")),
        (bob.post_if(&tag, &approve, &json!({ "content_hash": "0".repeat(64) })), (409, "")),
        (bob.post_if(&tag, &approve, &json!({ "content_hash": "x" })), (422, "invalid")),
        (bob.post_if(&tag, &approve, &json!({})), (422, "invalid")),
    ] {
        let (status, code) = verdict(&answer);
        assert_eq!(status, expected.0, "{code}: {}", answer.text());
        assert!(expected.1.is_empty() || code == expected.1, "{code}");
    }
    assert_eq!(served.state(), before, "a refused request changed something");
    let approved = bob.post_if(&tag, &approve, &good);
    assert_eq!(approved.status, 200, "{}", approved.text());
    let mut state = document(&approved);
    if state["state"] == "CHECKED" {
        let tag = state["tag"].as_str().unwrap().to_owned();
        let same = bob.post_if(&tag, &approve, &good);
        assert_eq!(same.status, 403, "{}", same.text());
        state = document(&served.person("cat").post_if(&tag, &approve, &good));
    }
    assert_eq!((&state["state"], &state["status"]), (&"APPLIED".into(), &"ACCEPTED".into()));
    let audit = document(&served.person("aud").get("/audit?limit=5"));
    assert_eq!(audit["items"][0]["action_type"], "APPROVE");
    // Reports and `explain` name the users and their comments.
    let project = served.project();
    let csv = project.recon(&["report", "--format", "csv"]).out;
    let named = csv.lines().find(|line| line.contains("booked a day late")).unwrap();
    assert!(named.contains(",ann,") && named.contains(",bob,"), "{named}");
    let reference = ["source_a_ref_id", "source_b_ref_id"]
        .into_iter()
        .find_map(|name| item[name].as_str())
        .unwrap();
    let said = project.recon(&["explain", reference]);
    assert!(said.out.contains("checked by   bob"), "{}", said.out);
    assert!(said.out.contains("booked a day late"), "{}", said.out);
    let verdict = document(&served.person("aud").get("/audit/verify"));
    assert_eq!(verdict["ok"], true, "{verdict}");
    served.server.assert_well();
}

#[test]
fn nobody_approves_their_own_proposal() {
    let served = Served::new();
    let item = served.queue("bob", "limit=1").remove(0);
    let resolved = document(&served.person("bob").post("/workflow/resolve", &override_of(&item)));
    let path = format!("/workflow/proposals/{}", resolved["proposal_id"].as_str().unwrap());
    let proposal = document(&served.person("bob").get(&path));
    let tag = proposal["tag"].as_str().unwrap();
    let good = json!({ "content_hash": proposal["content_hash"] });
    let before = served.state();
    // The same person with another login and another token.
    let project = served.project();
    assert_eq!(
        project.recon(&["user", "add", "bob2", "--same-as", "bob", "--no-password"]).code,
        0
    );
    let second = super::token(project, "bob2", &["view", "check"]);
    let other = super::token(project, "bob", &["view", "check"]);
    let after = served.state();
    // A login without ben's consent does not work.
    let answer = served.bearer(&second).post_if(tag, &format!("{path}/approve"), &good);
    assert_eq!(answer.status, 401, "{}", answer.text());
    for person in [served.person("bob"), served.bearer(&other)] {
        let answer = person.post_if(tag, &format!("{path}/approve"), &good);
        assert_eq!(verdict(&answer), (403, "self-approval".into()));
    }
    assert_eq!(served.state()[..3], before[..3]);
    assert_eq!(served.state(), after);
    // An amender becomes a contributor, and earlier ETags are stale.
    let amendment =
        json!({ "action": "REJECT", "comments": "no reason explains this one" }).to_string();
    let if_match = format!("\"{tag}\"");
    let cat = served.person("cat");
    let amended = cat.ask("PUT", &path, &[("If-Match", &if_match)], &amendment);
    assert_eq!(amended.status, 200, "{}", amended.text());
    let amended = document(&amended);
    let stale = served.person("mia").post_if(tag, &format!("{path}/approve"), &good);
    assert_eq!(stale.status, 412, "{}", stale.text());
    let tag = amended["tag"].as_str().unwrap();
    let good = json!({ "content_hash": amended["content_hash"] });
    let own = cat.post_if(tag, &format!("{path}/approve"), &good);
    assert_eq!(verdict(&own), (403, "self-approval".into()));
    // Sent back with a comment, the item is restored.
    let back = format!("{path}/return");
    let blank = json!({ "comments": "\u{a0}\u{200b}\u{200b} \u{a0}\u{301}" });
    assert_eq!(served.person("mia").post_if(tag, &back, &blank).status, 422);
    let why = json!({ "comments": "the rate is another day's" });
    let returned = served.person("mia").post_if(tag, &back, &why);
    assert_eq!(returned.status, 200, "{}", returned.text());
    let id = item["attribution_id"].as_str().unwrap();
    let shown = document(&served.person("ann").get(&format!("/workflow/items/{id}")));
    assert_eq!(shown["status"], "UNKNOWN");
    assert!(shown["sent_back"]["comment"].as_str().unwrap().contains("another day"));
    served.server.assert_well();
}

#[test]
fn malformed_decisions_are_refused_and_change_nothing() {
    let served = Served::new();
    let item = served.queue("ann", "limit=1").remove(0);
    let before = served.state();
    let good = override_of(&item);
    let with = |name: &str, value: Json| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let ann = served.person("ann");
    for (body, status, text) in [
        (
            with("attribution_id", "0190b5a0-0000-7000-8000-00000000ffff".into()),
            404,
            "Attribution record not found",
        ),
        (with("new_reason_code", Json::Null), 400, "New reason code required for OVERRIDE"),
        (with("new_reason_code", "NO_SUCH".into()), 400, "Invalid Reason Code provided"),
        (with("new_reason_code", "timing_lag".into()), 400, "Invalid Reason Code provided"),
        (with("actor_id", "bob".into()), 403, "actor_id"),
        (with("comments", Json::Null), 422, ""),
        (with("comments", "    ".into()), 422, ""),
        (with("comments", "\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}".into()), 422, ""),
        (with("comments", "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}".into()), 422, ""),
        (with("comments", "\u{301}\u{301}\u{301}\u{301}\u{301}".into()), 422, ""),
        (with("action", "DELETE".into()), 422, ""),
        (with("status", "ACCEPTED".into()), 422, "status"),
        (with("is_locked", false.into()), 422, "is_locked"),
        (with("assigned_by", "bob".into()), 422, "assigned_by"),
        (with("eyes_required", 2.into()), 422, "eyes_required"),
        (with("version", 99.into()), 412, ""),
        (with("version", "1".into()), 422, "version"),
        (with("attribution_id", "' OR 1=1--".into()), 422, ""),
    ] {
        let answer = ann.post("/workflow/resolve", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let problem = document(&answer);
        assert!(problem["detail"].as_str().unwrap().contains(text), "{problem}");
    }
    for (body, status) in [
        (r#"{"attribution_id": 1, "attribution_id": 2}"#, 400),
        (r#"{"comments": NaN}"#, 400),
        (r#"{"version": 1e400}"#, 400),
        ("{", 400),
        ("[]", 422),
        ("", 415),
    ] {
        let answer = ann.ask("POST", "/workflow/resolve", &[], body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(ann.ask("POST", "/workflow/resolve", &[], &deep).status, 400);
    let typed = [("Content-Type", "text/plain")];
    assert_eq!(ann.ask("POST", "/workflow/resolve", &typed, &good.to_string()).status, 415);
    // The requester's name can't be forged.
    assert_eq!(served.state(), before);
    let own = ann.post("/workflow/resolve", &with("actor_id", "ann".into()));
    assert_eq!(own.status, 200, "{}", own.text());
    served.server.assert_well();
}

#[test]
fn a_repeated_request_has_one_effect() {
    let served = Served::new();
    let item = served.queue("ann", "limit=1").remove(0);
    let body = override_of(&item).to_string();
    let rows = || served.state()[3][0]["n"].as_i64().unwrap();
    let before = rows();
    let barrier = Barrier::new(16);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            let key = [("Idempotency-Key", "key-1")];
            served.person("ann").ask("POST", "/workflow/resolve", &key, &body)
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert!(!good.is_empty() && answers.iter().all(|a| matches!(a.status, 200 | 409)));
    assert!(good.iter().all(|answer| answer.body == good[0].body));
    assert_eq!(rows(), before + 1);
    let key = [("Idempotency-Key", "key-1")];
    let replayed = served.person("ann").ask("POST", "/workflow/resolve", &key, &body);
    assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (200, Some("true")));
    let other = override_of(&item).to_string().replace("a day", "two days");
    let answer = served.person("ann").ask("POST", "/workflow/resolve", &key, &other);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(rows(), before + 1);
    served.server.assert_well();
}

#[test]
fn a_malformed_key_is_refused_by_its_own_code() {
    let served = Served::new();
    let item = served.queue("ann", "limit=1").remove(0);
    let body = override_of(&item).to_string();
    let before = served.state();
    for bad in ["", "two words", "a/b", "a\u{fc}", &"k".repeat(101)] {
        let key = [("Idempotency-Key", bad)];
        let answer = served.person("ann").ask("POST", "/workflow/resolve", &key, &body);
        if bad == "a\u{fc}" && answer.status == 400 {
            // No header of HTTP.
            continue;
        }
        assert_eq!(verdict(&answer), (422, "invalid-idempotency-key".into()), "{bad}");
    }
    assert_eq!(served.state(), before);
    let key = [("Idempotency-Key", &*"k".repeat(100))];
    let answer = served.person("ann").ask("POST", "/workflow/resolve", &key, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn exactly_one_of_concurrent_decisions_wins() {
    let served = Served::new();
    let item = served.queue("ann", "limit=1").remove(0);
    let barrier = Barrier::new(32);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let (served, item, barrier) = (&served, &item, &barrier);
        let threads: Vec<_> = (0..32)
            .map(|number| {
                scope.spawn(move || {
                    let name = ["ann", "sue", "bob", "cat"][number % 4];
                    let mut body = override_of(item);
                    body["new_reason_code"] =
                        ["TIMING_LAG", "FX_VARIANCE", "ACCRUAL_DIFF"][number % 3].into();
                    barrier.wait();
                    served.person(name).post("/workflow/resolve", &body).status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409 | 412)), "{statuses:?}");
    served.server.assert_well();
}

#[test]
fn a_bulk_of_items_without_a_likely_cause_asks_for_one() {
    let served = Served::new();
    let page = |path: &str| served.person("ann").get(path).text().to_owned();
    let asks = "No cause was found for any of them: choose one.";
    let without = page("/review/bulk?reason_code=UNKNOWN&choice=*");
    assert!(without.contains(asks) && without.contains("SYSTEM_CONVERSION"), "{without}");
    // With another cause, with a likely one, and of proposed items, it is the preview.
    for path in [
        "/review/bulk?reason_code=UNKNOWN&choice=SYSTEM_CONVERSION",
        "/review/bulk?reason_code=SYSTEM_CONVERSION&choice=*",
        "/review/bulk?reason_code=UNKNOWN&choice=-",
    ] {
        let shown = page(path);
        assert!(!shown.contains(asks) && shown.contains("data-screen=\"bulk\""), "{shown}");
    }
    served.server.assert_well();
}

#[test]
fn a_bulk_decision_covers_exactly_the_items_shown() {
    let served = Served::new();
    let groups = document(&served.person("ann").get("/workflow/groups?limit=5"));
    let group = &groups["items"][0];
    let count = group["count"].as_u64().unwrap();
    let preview = served.person("ann").post(
        "/workflow/bulk/preview",
        &json!({
            "filter": { "signature": group["signature"] },
            "action": "OVERRIDE", "new_reason_code": "SYSTEM_CONVERSION",
        }),
    );
    assert_eq!(preview.status, 200, "{}", preview.text());
    let preview = document(&preview);
    let excluded = preview["excluded"].as_array().unwrap().len() as u64;
    assert_eq!(preview["count"].as_u64().unwrap() + excluded, count);
    let commit = json!({ "token": preview["token"], "comments": "the migration's rounding" });
    let made = served.person("ann").post("/workflow/bulk", &commit);
    assert_eq!(made.status, 201, "{}", made.text());
    let place = made.header("location").unwrap().to_owned();
    let shown = document(&served.person("bob").get(&place));
    assert_eq!(shown["count"], preview["count"]);
    let none = json!({ "action": "REJECT" });
    assert_eq!(served.person("ann").post("/workflow/bulk/preview", &none).status, 422);
    let bad = json!({ "token": "nonsense", "comments": "hello there" });
    let refused = served.person("ann").post("/workflow/bulk", &bad).status;
    assert!(matches!(refused, 404 | 409 | 410 | 422), "{refused}");
    served.server.assert_well();
}
