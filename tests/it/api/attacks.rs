//! Revoked rights, forged header values, and information that must not leak.

use recon::domain::review::Role;

use super::{Served, json, scopes, token, verdict};
use crate::wire::Client;

#[test]
fn a_revoked_right_takes_effect_immediately() {
    let served = Served::new();
    let project = served.project();
    let bob = served.person("bob");
    assert_eq!(bob.get("/workflow/queue?limit=1").status, 200);
    assert_eq!(project.recon(&["user", "roles", "bob", "--role", "auditor"]).code, 0);
    let refused = bob.post("/workflow/bulk/preview", &serde_json::json!({}));
    assert_eq!(verdict(&refused), (403, "missing-permission".into()));
    assert_eq!(project.recon(&["user", "disable", "bob"]).code, 0);
    assert_eq!(bob.get("/workflow/queue?limit=1").status, 401);
    // A token has a subset of its user's permissions, and stops working once revoked.
    let narrow = token(project, "cat", &["view"]);
    let narrow = served.bearer(&narrow);
    assert_eq!(narrow.get("/workflow/queue?limit=1").status, 200);
    assert_eq!(narrow.get("/admin/policy").status, 403);
    let id = narrow.token.split('_').nth(1).unwrap();
    for name in ["ann", "cat"] {
        let by_token = served.person(name).ask("DELETE", &format!("/auth/tokens/{id}"), &[], "");
        assert_eq!(verdict(&by_token), (403, "token-by-token".into()));
    }
    assert_eq!(project.recon(&["token", "revoke", id]).code, 0);
    assert_eq!(narrow.get("/workflow/queue?limit=1").status, 401);
    for forged in ["", "x", "rcn_a_b_c", &narrow.token[..narrow.token.len() - 1]] {
        assert_eq!(served.bearer(forged).get("/auth/me").status, 401, "{forged}");
    }
    let greedy = serde_json::json!({ "name": "x", "scopes": ["authorize"], "expires_in": 5 });
    let refused = served.person("ann").post("/auth/tokens", &greedy);
    assert!(matches!(refused.status, 403 | 422), "{}", refused.text());
    served.server.assert_well();
}

#[test]
fn an_admin_cannot_act_as_a_second_user() {
    let served = Served::new();
    let adm = served.person("adm");
    let change =
        |login: &str, body: &str| adm.ask("PATCH", &format!("/admin/users/{login}"), &[], body);
    assert_eq!(change("adm", r#"{"roles": ["admin", "analyst"]}"#).status, 409);
    assert_eq!(change("aud", r#"{"roles": ["auditor", "manager"]}"#).status, 409);
    assert_eq!(change("adm", r#"{"disabled": true}"#).status, 409);
    assert_eq!(change("nobody", r#"{"disabled": true}"#).status, 404);
    assert_eq!(change("ann", r#"{"role": ["admin"]}"#).status, 422);
    let made =
        adm.post("/admin/users", &serde_json::json!({ "login": "new", "roles": ["analyst"] }));
    assert_eq!(made.status, 201, "{}", made.text());
    let twice = adm.post("/admin/users", &serde_json::json!({ "login": "NEW", "roles": [] }));
    assert_eq!(twice.status, 409, "{}", twice.text());
    let own = adm.post("/workflow/resolve", &serde_json::json!({}));
    assert_eq!(own.status, 403);
    let audit = json(&served.person("aud").get("/audit?limit=3"));
    assert!(audit.to_string().contains("\"adm\"") || audit.to_string().contains("new"), "{audit}");
    assert_eq!(scopes(Role::Auditor).len(), 4);
    served.server.assert_well();
}

#[test]
fn values_cannot_become_headers_and_errors_reveal_no_internals() {
    let served = Served::new();
    let evil = "%0d%0aSet-Cookie:%20evil=1";
    let ann = served.person("ann");
    for path in [
        format!("/workflow/queue?q={evil}&limit=1"),
        format!("/runs?job={evil}"),
        format!("/workflow/items/{evil}"),
        format!("/runs/{evil}/export"),
        format!("/docs/{evil}"),
    ] {
        let answer = ann.get(&path);
        assert!(answer.header("set-cookie").is_none(), "{path}: {:?}", answer.headers);
        assert!(matches!(answer.status, 200 | 400 | 404 | 422), "{path}: {}", answer.status);
    }
    let anybody = |path: &str| Client::to(&served.server).get(path);
    for path in ["/ready", "/health", "/metrics", "/openapi.json", "/nowhere", "/auth/me"] {
        let answer = anybody(path);
        let all = format!("{:?}{}", answer.headers, answer.text());
        for told in
            ["SELECT", "sqlite", "tiny", "/tmp/", "/root", env!("CARGO_PKG_VERSION"), ".rs:"]
        {
            assert!(!all.contains(told), "{path} tells {told}: {all}");
        }
        assert!(answer.header("server").is_none());
    }
    assert!(json(&anybody("/ready"))["checks"].is_null());
    let checks = json(&served.person("adm").get("/ready"))["checks"].clone();
    for check in ["db", "migrations", "audit_chain", "disk", "self_request"] {
        assert_eq!(checks[check], true, "{check}");
    }
    // The log has a line per request, and client input is escaped in it.
    let agent = "x\u{7f}\u{9b}";
    let mut client = Client::to(&served.server);
    let refused = client.ask("GET", "/health", &[("User-Agent", agent)], "").unwrap();
    assert_eq!(refused.status, 400);
    let log = std::fs::read_to_string(served.project().path("access.log")).unwrap();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["status"].is_number(), "{line}");
    }
    assert!(!log.contains("rcn_") && !log.contains("Set-Cookie: evil"), "{log}");
    served.server.assert_well();
}

#[test]
fn solo_mode_has_exactly_one_user() {
    let project = crate::program::Project::of(".");
    project.json(&["run", "--json"]);
    let served = Served::of(project, &["--solo"]);
    let mut client = Client::to(&served.server);
    let me = json(&client.get("/auth/me"));
    assert_eq!(me["solo"], true, "{me}");
    let queue = client.get("/workflow/queue?limit=1");
    assert_eq!(queue.status, 200, "{}", queue.text());
    let item = json(&queue)[0].clone();
    let body = serde_json::json!({
        "attribution_id": item["attribution_id"], "action": "OVERRIDE",
        "new_reason_code": "TIMING_LAG", "comments": "booked a day late",
    });
    let typed = [("Content-Type", "application/json")];
    let answer = client.ask("POST", "/workflow/resolve", &typed, &body.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let evil = [("Content-Type", "application/json"), ("Origin", "https://evil.example")];
    let answer = client.ask("POST", "/workflow/resolve", &evil, &body.to_string()).unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    let controls = served
        .project()
        .sql("SELECT DISTINCT control FROM recon.audit_trail WHERE stage = 'MAKER'");
    assert_eq!(controls[0]["control"], "NONE", "{controls}");
    // The page names nobody else.
    let page = client.get("/review/reasons");
    let page = page.text();
    assert!(page.contains("Add a reason"), "{page}");
    assert!(!page.contains("ropose") && !page.contains("/review/check"), "{page}");
    served.server.assert_well();
}
