//! Headers that browsers send by themselves: cookies, origins, sites.

use super::{Project, Served, json, verdict};
use crate::wire::{Answer, Client, Server};

pub const PASSWORD: &str = "four words of hers";
/// The password set by an administrator.
pub const GIVEN: &str = "chosen by somebody else";

fn served() -> Served {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    project.write("password", GIVEN);
    for (name, role) in [("zoe", "analyst"), ("yan", "supervisor")] {
        let said =
            project.recon(&["user", "add", name, "--role", role, "--password-file", "password"]);
        assert_eq!(said.code, 0, "{}", said.err);
    }
    let served = Served::of(project, &[]);
    for name in ["zoe", "yan"] {
        own_password(&served.server, name, PASSWORD);
    }
    served
}

/// The user changes the initial password.
pub fn own_password(server: &Server, name: &str, password: &str) {
    let cookie = cookie(&log_in(server, &[], name, GIVEN));
    let body = serde_json::json!({ "present": GIVEN, "new": password }).to_string();
    let headers = [("Content-Type", "application/json"), ("Cookie", cookie.as_str())];
    let answer = Client::to(server).ask("POST", "/auth/password", &headers, &body).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
}

pub fn log_in(server: &Server, headers: &[(&str, &str)], name: &str, password: &str) -> Answer {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers);
    let body = serde_json::json!({ "username": name, "password": password }).to_string();
    Client::to(server).ask("POST", "/auth/login", &all, &body).unwrap()
}

pub fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

#[test]
fn sessions_are_fresh_and_end_for_good() {
    let served = served();
    let server = &served.server;
    let preset = "recon=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    let answer = log_in(server, &[("Cookie", preset)], "zoe", PASSWORD);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let cookie = cookie(&answer);
    assert_ne!(cookie, preset);
    let me = |cookie: &str| {
        Client::to(server).ask("GET", "/auth/me", &[("Cookie", cookie)], "").unwrap()
    };
    assert_eq!(json(&me(&cookie))["login"], "zoe");
    assert_eq!(me(preset).status, 401);
    // A change of roles ends it.
    assert_eq!(served.project().recon(&["user", "roles", "zoe", "--role", "senior"]).code, 0);
    assert_eq!(me(&cookie).status, 401);
    let second = self::cookie(&log_in(server, &[], "ZOE", PASSWORD));
    assert_eq!(me(&second).status, 200);
    let out = Client::to(server).ask("POST", "/auth/logout", &[("Cookie", &second)], "").unwrap();
    assert_eq!(out.status, 204);
    assert_eq!(me(&second).status, 401);
    // A wrong name and a wrong password get the same response.
    let wrong = log_in(server, &[], "zoe", "not her password");
    let nobody = log_in(server, &[], "nobody", "not her password");
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(json(&wrong)["detail"], json(&nobody)["detail"]);
    let answers: Vec<u16> =
        (0..8).map(|_| log_in(server, &[], "zoe", "not her password").status).collect();
    assert!(answers.contains(&429), "{answers:?}");
    served.server.assert_well();
}

#[test]
fn cross_site_requests_are_refused() {
    let served = served();
    let server = &served.server;
    let cookie = cookie(&log_in(server, &[], "yan", PASSWORD));
    let own = format!("http://{}", server.address);
    let item = served.queue("ann", "limit=1").remove(0);
    let body = serde_json::json!({
        "attribution_id": item["attribution_id"], "action": "OVERRIDE",
        "new_reason_code": "TIMING_LAG", "comments": "booked a day late",
    })
    .to_string();
    let before = served.state();
    let token = format!("Bearer {}", served.person("ann").token);
    let typed = ("Content-Type", "application/json");
    let with = ("Cookie", cookie.as_str());
    for headers in [
        vec![typed, with, ("Sec-Fetch-Site", "cross-site")],
        vec![typed, with, ("Sec-Fetch-Site", "same-site")],
        vec![typed, with, ("Origin", "https://evil.example")],
        vec![typed, with, ("Origin", "null")],
        vec![typed, with, ("Origin", "http://localhost:1")],
        // A browser that sends both still counts as a browser.
        vec![typed, with, ("Authorization", &token), ("Sec-Fetch-Site", "cross-site")],
    ] {
        let mut client = Client::to(server);
        let answer = client.ask("POST", "/workflow/resolve", &headers, &body).unwrap();
        assert_eq!(verdict(&answer), (403, "cross-origin".into()), "{headers:?}");
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let plain = [("Content-Type", "text/plain"), with];
    let answer = Client::to(server).ask("POST", "/workflow/resolve", &plain, &body).unwrap();
    assert_eq!(answer.status, 415);
    assert_eq!(served.state(), before);
    let good = [typed, with, ("Origin", &own)];
    let answer = Client::to(server).ask("POST", "/workflow/resolve", &good, &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    served.server.assert_well();
}

#[test]
fn only_the_declared_proxy_is_trusted() {
    let start = |networks: &str| {
        let project = Project::of(".");
        project.json(&["run", "--json"]);
        let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
        let server = format!(
            "server:\n  requests_per_second: 0\n  public_url: https://recon.example.com\n  \
             cors_origins: [https://tools.example.com]\n  \
             trusted_proxy: {{ networks: {networks}, user_header: X-Forwarded-User }}\n"
        );
        project.write("recon.yaml", format!("{yaml}\n{server}"));
        project
    };
    for networks in ["['*']", "[0.0.0.0/0]", "[]", "['::/0']"] {
        let said = start(networks).recon(&["serve", "--bind", "127.0.0.1:0"]);
        assert_eq!(said.code, 2, "{networks}: {}", said.err);
    }
    let me = |served: &Served, headers: &[(&str, &str)]| {
        Client::to(&served.server).ask("GET", "/auth/me", headers, "").unwrap()
    };
    let elsewhere = Served::of(start("[10.9.8.7]"), &[]);
    assert_eq!(me(&elsewhere, &[("X-Forwarded-User", "ann")]).status, 401);
    let served = Served::of(start("[127.0.0.1]"), &[]);
    let answer = me(&served, &[("X-Forwarded-User", "ann"), ("X-Forwarded-Proto", "https")]);
    assert_eq!(json(&answer)["auth_method"], "proxy");
    assert!(answer.header("strict-transport-security").is_some());
    assert_eq!(me(&served, &[("X-Forwarded-User", "nobody")]).status, 401);
    assert_eq!(me(&served, &[]).status, 401);
    let twice = [("X-Forwarded-User", "ann"), ("X-Forwarded-User", "bob")];
    assert_eq!(me(&served, &twice).status, 400);
    // Pages of the listed origin may call; others may not.
    let cors = |origin: &str| {
        let answer = me(&served, &[("Origin", origin)]);
        assert_eq!(answer.header("vary"), Some("Origin"));
        assert!(answer.header("access-control-allow-credentials").is_none());
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(cors("https://evil.example"), None);
    assert_eq!(cors("null"), None);
    assert_eq!(cors("https://tools.example.com").as_deref(), Some("https://tools.example.com"));
    elsewhere.server.assert_well();
    served.server.assert_well();
}
