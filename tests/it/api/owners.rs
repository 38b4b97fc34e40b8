//! Impersonation is impossible: initial passwords, logins of one administrator, tokens, solo mode.

use serde_json::{Value as Json, json};

use super::browser::{GIVEN, PASSWORD, cookie, log_in, own_password};
use super::{Served, json as document, verdict};
use crate::program::Project;
use crate::wire::{Answer, Client};

fn with_cookie(served: &Served, cookie: &str, method: &str, path: &str, body: &Json) -> Answer {
    let headers = [("Content-Type", "application/json"), ("Cookie", cookie)];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Client::to(&served.server).ask(method, path, &headers, &body).unwrap()
}

fn project() -> Project {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    project.write("password", GIVEN);
    project
}

/// A user created on the command line who then changes the password.
fn added(served: &Served, name: &str, role: &str) -> String {
    let said = served.project().recon(&[
        "user",
        "add",
        name,
        "--role",
        role,
        "--password-file",
        "password",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    own_password(&served.server, name, PASSWORD);
    cookie(&log_in(&served.server, &[], name, PASSWORD))
}

#[test]
fn an_initial_password_must_be_changed_first() {
    let served = Served::of(project(), &[]);
    let add = ["user", "add", "zoe", "--role", "manager", "--password-file", "password"];
    assert_eq!(served.project().recon(&add).code, 0);
    let mine = cookie(&log_in(&served.server, &[], "zoe", GIVEN));
    let me = document(&with_cookie(&served, &mine, "GET", "/auth/me", &Json::Null));
    assert_eq!(me["must_change_password"], true);
    let routes = recon::server::every_route();
    let id = "0190b5a0-0000-7000-8000-00000000ffff";
    let mut shut = 0;
    for (path, item) in routes["paths"].as_object().unwrap() {
        let at = path.replace("{id}", id).replace("{login}", "x").replace("{file}", "x.css");
        for (method, operation) in item.as_object().unwrap() {
            let open = operation["security"].as_array().is_some_and(|all| {
                all.iter().any(|one| one.as_object().is_some_and(serde_json::Map::is_empty))
            }) || operation["security"] == json!([]);
            if open || ["/auth/me", "/auth/password", "/review/password"].contains(&path.as_str()) {
                continue;
            }
            let method = method.to_ascii_uppercase();
            let plain = [("Cookie", mine.as_str())];
            let answer = Client::to(&served.server).ask(&method, &at, &plain, "").unwrap();
            let page =
                answer.header("location").is_some_and(|to| to.starts_with("/review/password"));
            let said = verdict(&answer).1;
            let forbidden = said == "missing-permission"
                || (answer.status == 403 && at.starts_with("/review/"));
            let refused = said == "password-change-required" || forbidden;
            assert!(page || refused, "{method} {at}: {} {}", answer.status, answer.text());
            shut += 1;
        }
    }
    assert!(shut > 40, "{shut} routes were tried");
    let body = json!({ "present": GIVEN, "new": PASSWORD });
    let changed = with_cookie(&served, &mine, "POST", "/auth/password", &body);
    assert_eq!(changed.status, 204, "{}", changed.text());
    let new = cookie(&changed);
    assert_eq!(with_cookie(&served, &new, "GET", "/workflow/queue", &Json::Null).status, 200);
    assert_eq!(with_cookie(&served, &mine, "GET", "/auth/me", &Json::Null).status, 401);
    served.server.assert_well();
}

#[test]
fn pages_redirect_to_the_password_change_and_back() {
    let served = Served::of(project(), &[]);
    let add = ["user", "add", "zoe", "--role", "analyst", "--password-file", "password"];
    assert_eq!(served.project().recon(&add).code, 0);
    let form = |path: &str, cookie: &str, body: &str| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Cookie", cookie)];
        let headers = if cookie.is_empty() { &headers[..1] } else { &headers[..] };
        Client::to(&served.server).ask("POST", path, headers, body).unwrap()
    };
    let given = GIVEN.replace(' ', "+");
    let own = PASSWORD.replace(' ', "+");
    let answer = form("/review/login", "", &format!("username=zoe&password={given}"));
    let mine = cookie(&answer);
    let headers = [("Cookie", mine.as_str())];
    let asked = Client::to(&served.server).ask("GET", "/review/queue?field=amount", &headers, "");
    let to = asked.unwrap().header("location").unwrap().to_owned();
    assert!(to.starts_with("/review/password?then=%2Freview%2Fqueue"), "{to}");
    let page = Client::to(&served.server).ask("GET", &to, &headers, "").unwrap();
    assert!(page.status == 200 && page.text().contains("Choose your own password"));
    let body = |again: &str| {
        format!("present={given}&password={own}&again={again}&then=%2Freview%2Fqueue")
    };
    assert_eq!(form("/review/password", &mine, &body("other")).status, 422);
    let wrong = format!("present=nothing&password={own}&again={own}");
    assert_eq!(form("/review/password", &mine, &wrong).status, 403);
    let done = form("/review/password", &mine, &body(&own));
    assert_eq!((done.status, done.header("location")), (303, Some("/review/queue")));
    let headers = [("Cookie", cookie(&done))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let queue = Client::to(&served.server).ask("GET", "/review/queue", &headers, "").unwrap();
    assert_eq!(queue.status, 200);
    // A second login is confirmed in the profile.
    assert_eq!(served.project().recon(&["user", "add", "zoe.2", "--same-as", "zoe"]).code, 0);
    let cookie = headers[0].1;
    let profile = Client::to(&served.server).ask("GET", "/review/profile", &headers, "").unwrap();
    assert!(profile.text().contains("zoe.2"), "{}", profile.text());
    let second = "login=zoe.2&password=words+for+the+second&again=words+for+the+second";
    let agreed = form("/review/agree", cookie, second);
    assert_eq!(agreed.status, 303, "{}", agreed.text());
    assert_eq!(log_in(&served.server, &[], "zoe.2", "words for the second").status, 204);
    served.server.assert_well();
}

#[test]
fn two_new_logins_of_one_administrator_are_not_six_eyes() {
    let served = Served::of(project(), &[]);
    let (maker, checker, authorizer) = (
        added(&served, "m", "analyst"),
        added(&served, "c", "supervisor"),
        added(&served, "x.y", "manager"),
    );
    let resolve = |item: &Json| {
        json!({ "attribution_id": item["attribution_id"], "action": "OVERRIDE",
                "new_reason_code": "TIMING_LAG", "comments": "booked a day late" })
    };
    let approve = |who: &str, id: &str| {
        let path = format!("/workflow/proposals/{id}");
        let seen = document(&with_cookie(&served, who, "GET", &path, &Json::Null));
        let tag = format!("\"{}\"", seen["tag"].as_str().unwrap());
        let body = json!({ "content_hash": seen["content_hash"] }).to_string();
        let headers =
            [("Content-Type", "application/json"), ("Cookie", who), ("If-Match", tag.as_str())];
        Client::to(&served.server).ask("POST", &format!("{path}/approve"), &headers, &body).unwrap()
    };
    // Six eyes: a confident prediction is overridden, or a functional reason becomes
    // non-functional.
    let (mut six, mut four) = (None, None);
    for item in served.queue("ann", "limit=200") {
        if six.is_some() && four.is_some() {
            break;
        }
        let made = with_cookie(&served, &maker, "POST", "/workflow/resolve", &resolve(&item));
        let made = document(&made);
        let id = made["proposal_id"].as_str().map(str::to_owned);
        match made["eyes_required"].as_u64() {
            Some(6) => six = six.or(id),
            Some(4) => four = four.or(id),
            _ => {}
        }
    }
    let (six, four) = (six.expect("one of six eyes"), four.expect("one of four eyes"));
    let refused = approve(&checker, &six);
    assert_eq!(verdict(&refused), (403, "one-administrator".into()), "{}", refused.text());
    let refused = approve(&authorizer, &six);
    assert_eq!(verdict(&refused), (403, "one-administrator".into()), "{}", refused.text());
    // Users whose passwords were never set by someone else are allowed.
    let tag = document(&served.person("bob").get(&format!("/workflow/proposals/{six}")));
    let body = json!({ "content_hash": tag["content_hash"] });
    let path = format!("/workflow/proposals/{six}/approve");
    let checked = served.person("bob").post_if(tag["tag"].as_str().unwrap(), &path, &body);
    assert_eq!(checked.status, 200, "{}", checked.text());
    // Four-eye decisions are reported.
    assert_eq!(approve(&checker, &four).status, 200);
    let file = served.person("aud").get("/review/reports?report=duties&format=jsonl");
    let file = file.text();
    let findings = file.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let found = findings.into_iter().find(|one| one["kind"] == "one-administrator");
    let found = found.unwrap_or_else(|| panic!("{file}"));
    assert_eq!(found["entity"], four);
    served.server.assert_well();
}

#[test]
fn an_approval_does_not_count_after_its_user_lost_the_role() {
    let served = Served::new();
    let roles = |name: &str, role: &str| {
        let said = served.project().recon(&["user", "roles", name, "--role", role]);
        assert_eq!(said.code, 0, "{}", said.err);
    };
    let approve = |name: &str, id: &str| {
        let path = format!("/workflow/proposals/{id}");
        let seen = document(&served.person(name).get(&path));
        let body = json!({ "content_hash": seen["content_hash"] });
        let tag = seen["tag"].as_str().unwrap();
        document(&served.person(name).post_if(tag, &format!("{path}/approve"), &body))
    };
    let six: Vec<String> = served
        .queue("ann", "limit=200")
        .iter()
        .filter_map(|item| {
            let ask = json!({
                "attribution_id": item["attribution_id"], "action": "OVERRIDE",
                "new_reason_code": "TIMING_LAG", "comments": "booked a day late",
            });
            let made = document(&served.person("ann").post("/workflow/resolve", &ask));
            let id = made["proposal_id"].as_str()?.to_owned();
            (made["eyes_required"] == 6).then_some(id)
        })
        .take(2)
        .collect();
    let [lost, kept] = six.as_slice() else { panic!("two of six eyes: {six:?}") };
    for id in &six {
        assert_eq!(approve("bob", id)["state"], "CHECKED");
    }
    // Approvals of users who keep the role still count.
    assert_eq!(approve("cat", kept)["state"], "APPLIED");
    roles("bob", "analyst");
    roles("bob", "supervisor");
    // The check of before is gone: the second approval is a check, and a third person authorizes.
    let moved = approve("cat", lost);
    assert_eq!(moved["state"], "CHECKED", "{moved}");
    assert_eq!(approve("mia", lost)["state"], "APPLIED");
    let seen = document(&served.person("aud").get(&format!("/workflow/proposals/{lost}")));
    let counts: Vec<_> = seen["approvals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["person"].clone(), one["counts"].clone()))
        .collect();
    assert!(counts.iter().any(|(_, counts)| counts == false), "{counts:?}");
    let verdict = document(&served.person("aud").get("/audit/verify"));
    assert_eq!(verdict["ok"], true, "{verdict}");
    served.server.assert_well();
}

#[test]
fn tokens_cannot_create_extend_or_revoke_tokens() {
    let served = Served::of(project(), &[]);
    let sue = served.person("sue");
    let wanted = json!({ "name": "again", "scopes": ["view"], "expires_in": 90 });
    assert_eq!(verdict(&sue.post("/auth/tokens", &wanted)), (403, "token-by-token".into()));
    let other = super::token(served.project(), "sue", &["view"]);
    let id = other.split('_').nth(1).unwrap().to_owned();
    let revoked = sue.ask("DELETE", &format!("/auth/tokens/{id}"), &[], "");
    assert_eq!(verdict(&revoked), (403, "token-by-token".into()));
    assert_eq!(served.bearer(&other).get("/auth/me").status, 200);
    // An administrator's login would make tokens.
    let adm = served.person("adm");
    let admin = json!({ "login": "eve", "roles": ["admin"] });
    assert_eq!(verdict(&adm.post("/admin/users", &admin)), (403, "token-by-token".into()));
    let link = adm.post("/admin/users/adm/invitation", &json!({}));
    assert_eq!(verdict(&link), (403, "token-by-token".into()));
    let promoted = adm.ask(
        "PATCH",
        "/admin/users/ann",
        &[("Content-Type", "application/json")],
        r#"{"roles": ["admin"]}"#,
    );
    assert_eq!(verdict(&promoted), (403, "token-by-token".into()));
    let analyst = json!({ "login": "eve", "roles": ["analyst"] });
    assert_eq!(adm.post("/admin/users", &analyst).status, 201);
    // A session may.
    let mine = added(&served, "zoe", "supervisor");
    let made = with_cookie(
        &served,
        &mine,
        "POST",
        "/auth/tokens",
        &json!({
        "name": "etl", "scopes": ["view", "check"], "expires_in": 1 }),
    );
    assert_eq!(made.status, 201, "{}", made.text());
    let text = document(&made)["token"].as_str().unwrap().to_owned();
    let me = document(&served.bearer(&text).get("/auth/me"));
    assert_eq!(me["permissions"], json!(["view"]), "a token is nobody's second pair of eyes");
    // Users can't give their own token the name of a deciding token.
    let named = with_cookie(
        &served,
        &mine,
        "POST",
        "/auth/tokens",
        &json!({
        "name": "test", "scopes": ["view"], "expires_in": 1 }),
    );
    assert_eq!(verdict(&named), (403, "deciding-token".into()));
    served.server.assert_well();
}

#[test]
fn a_solo_user_cannot_touch_shared_work_or_leave_anything_behind() {
    let served = Served::of(project(), &[]);
    let item = served.queue("ann", "limit=1").remove(0);
    let made = served.person("ann").post(
        "/workflow/resolve",
        &json!({
        "attribution_id": item["attribution_id"], "action": "REJECT", "comments": "it is wrong" }),
    );
    let proposal = document(&made)["proposal_id"].as_str().unwrap().to_owned();
    let mut served = served;
    let adm = served.person("adm").token;
    served.server.stop();
    let project = std::mem::replace(&mut served.server.project, Project::new());
    let people = "SELECT count(*) AS n FROM recon.people";
    let before = project.sql(people);
    let server = crate::wire::Server::serving(project, None, &["--solo"]);
    let mut client = Client::to(&server);
    let path = format!("/workflow/proposals/{proposal}");
    let seen = document(&client.get(&path));
    let tag = format!("\"{}\"", seen["tag"].as_str().unwrap());
    let hash = json!({ "content_hash": seen["content_hash"] }).to_string();
    let why = json!({ "comments": "not like this" }).to_string();
    let amended = json!({ "action": "REJECT", "comments": "no reason at all" }).to_string();
    let ask = |method: &str, path: &str, body: &str| {
        let headers = [("Content-Type", "application/json"), ("If-Match", tag.as_str())];
        Client::to(&server).ask(method, path, &headers, body).unwrap()
    };
    for (method, path, body) in [
        ("POST", format!("{path}/approve"), &hash),
        ("POST", format!("{path}/return"), &why),
        ("POST", format!("{path}/withdraw"), &String::new()),
        ("PUT", path.clone(), &amended),
        (
            "POST",
            "/auth/tokens".into(),
            &json!({
            "name": "later", "scopes": ["view"], "expires_in": 90 })
            .to_string(),
        ),
        (
            "POST",
            "/reasons/proposals".into(),
            &json!({
            "code": "NEW_ONE", "description": "as one likes", "is_functional": true,
            "examples": [] })
            .to_string(),
        ),
        (
            "POST",
            "/admin/policy/proposals".into(),
            &json!({
            "policy": {}, "comments": "fewer eyes" })
            .to_string(),
        ),
    ] {
        let answer = ask(method, &path, body);
        assert_eq!(verdict(&answer), (409, "solo".into()), "{method} {path}: {}", answer.text());
    }
    // Nor can an administrator create anyone here.
    let bearer = format!("Bearer {adm}");
    let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
    let body = json!({ "login": "eve", "roles": ["manager"] }).to_string();
    let answer = Client::to(&server).ask("POST", "/admin/users", &headers, &body).unwrap();
    assert_eq!(verdict(&answer), (409, "solo".into()));
    // Every row of a solo decision says so.
    let rows = server.project.sql("SELECT max(seq) AS n FROM recon.audit_trail");
    let queue = document(&Client::to(&server).get("/workflow/queue?limit=1"));
    let id = queue[0]["attribution_id"].as_str().unwrap();
    let done = ask(
        "POST",
        "/workflow/resolve",
        &json!({
        "attribution_id": id, "action": "REJECT", "comments": "mine alone" })
        .to_string(),
    );
    assert_eq!(document(&done)["status"], "REJECTED", "{}", done.text());
    let said = ask("POST", &format!("/workflow/items/{id}/comments"), "{\"text\":\"as I said\"}");
    assert_eq!(said.status, 201, "{}", said.text());
    let told = server.project.sql(&format!(
        "SELECT DISTINCT coalesce(control, 'null') AS c FROM recon.audit_trail WHERE seq > {} \
         AND action_type NOT IN ('START', 'STOP')",
        rows[0]["n"]
    ));
    assert_eq!(told, json!([{ "c": "NONE" }]));
    assert_eq!(server.project.sql(people), before);
    let open = server.project.sql("SELECT state, control FROM recon.proposals ORDER BY created_at");
    assert_eq!(open[0], json!({ "state": "OPEN", "control": "FOUR_EYE" }));
    server.assert_well();
}
