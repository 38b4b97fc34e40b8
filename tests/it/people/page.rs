//! The People screen: invitations, roles, and whether there are enough people.

use serde_json::json;

use crate::api::{Served, json as json_of};
use crate::wire::Client;

fn form(served: &Served, who: &str, path: &str, body: &str) -> crate::wire::Answer {
    let typed = [("Content-Type", "application/x-www-form-urlencoded")];
    served.person(who).ask("POST", path, &typed, body)
}

#[test]
fn an_invited_user_alone_knows_the_password() {
    let served = Served::new();
    let answer = served.person("adm").get("/review/people");
    let page = answer.text();
    assert!(page.contains("There are enough people"), "{page}");
    assert_eq!(served.person("cat").get("/review/people").status, 403);
    let made = form(&served, "adm", "/review/people", "login=zoe&name=Zoe+Z&role=analyst");
    assert_eq!(made.status, 200, "{}", made.text());
    let text = made.text();
    let link = text.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
    // Whole, so that it can be sent as it is.
    let own = format!("http://{}", served.server.address);
    let path = link.strip_prefix(&own).unwrap_or_else(|| panic!("{link} begins with {own}"));
    assert!(path.starts_with("/review/first?token="), "{link}");
    let shown = Client::to(&served.server).get(&path.replace("&#38;", "&"));
    assert_eq!(shown.status, 200);
    assert!(shown.text().contains("Choose your password"));
    // Roles that exclude each other are refused in words; the person keeps those it has.
    let refused = form(&served, "adm", "/review/people/zoe", "do=roles&role=analyst&role=auditor");
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("role=\"alert\""));
    let changed = form(&served, "adm", "/review/people/zoe", "do=roles&role=supervisor");
    assert_eq!(changed.status, 303, "{}", changed.text());
    let disabled = form(&served, "adm", "/review/people/zoe", "do=disable");
    assert_eq!(disabled.status, 303, "{}", disabled.text());
    let users = served.project().sql(
        "SELECT p.is_disabled, r.role FROM recon.people p JOIN recon.logins l \
         ON l.person_id = p.person_id JOIN recon.person_roles r ON r.person_id = p.person_id \
         WHERE l.login = 'zoe'",
    );
    assert_eq!(users[0]["role"], "supervisor", "{users}");
    let said = served.project().sql(
        "SELECT DISTINCT action_type FROM recon.audit_trail \
         WHERE action_type IN ('ADD_PERSON', 'INVITE', 'SET_ROLES', 'DISABLE_PERSON')",
    );
    assert_eq!(said.as_array().unwrap().len(), 4, "{said}");
}

#[test]
fn the_screen_names_decisions_that_too_few_users_cannot_complete() {
    let served = Served::new();
    for login in ["cat", "mia"] {
        assert_eq!(
            form(&served, "adm", &format!("/review/people/{login}"), "do=disable").status,
            303
        );
    }
    let answer = served.person("adm").get("/review/people");
    let page = answer.text();
    assert!(page.contains("Six-eye items cannot be settled"), "{page}");
    // Users who may decide see it where they decide.
    for (who, path) in [("ann", "/review/queue"), ("bob", "/review/check"), ("adm", "/review")] {
        let answer = served.person(who).get(path);
        let page = answer.text();
        assert!(page.contains("No authorizer: six-eye items cannot be settled."), "{who}: {page}");
    }
}

#[test]
fn an_administrator_sees_the_tokens_of_all_and_a_token_revokes_none() {
    let served = Served::new();
    let page = |who: &str| served.person(who).get("/review/people").text().to_string();
    let of_ann = page("adm");
    let row = of_ann.split("<li>").find(|row| row.contains("of <bdi>ann</bdi>"));
    let id = row.and_then(|row| row.split("name=\"id\" value=\"").nth(1)).unwrap();
    let id = id.split('"').next().unwrap();
    let body = format!("id={id}");
    assert_eq!(form(&served, "ann", "/review/people/tokens/revoke", &body).status, 403);
    assert_eq!(served.person("ann").get("/workflow/queue").status, 200);
    let revoked = form(&served, "adm", "/review/people/tokens/revoke", &body);
    // A token can't revoke other tokens: that takes a session.
    assert_eq!(revoked.status, 403, "{}", revoked.text());
}

/// The first item of the queue, proposed by ann and sent back by bob.
fn sent_back(served: &Served) {
    let item = served.queue("ann", "")[0]["attribution_id"].clone();
    let decision =
        json!({ "attribution_id": item, "action": "REJECT", "comments": "not explained" });
    let made = json_of(&served.person("ann").post("/workflow/resolve", &decision));
    let id = made["proposal_id"].as_str().unwrap();
    let why = json!({ "comments": "look again" });
    let path = format!("/workflow/proposals/{id}/return");
    let tag = made["proposal_tag"].as_str().unwrap();
    assert_eq!(served.person("bob").post_if(tag, &path, &why).status, 200);
}

#[test]
fn auditors_see_no_waiting_work() {
    let served = Served::new();
    sent_back(&served);
    let waits =
        |who: &str| served.person(who).get("/review").text().contains("difference sent back");
    assert!(waits("ann"));
    assert!(!waits("adm") && !waits("aud"));
    // Nor is each proposal said to be for others.
    let item = served.queue("ann", "")[0]["attribution_id"].clone();
    let decision =
        json!({ "attribution_id": item, "action": "REJECT", "comments": "not explained" });
    assert_eq!(served.person("ann").post("/workflow/resolve", &decision).status, 200);
    let listed = served.person("aud").get("/review/check").text().to_string();
    assert!(listed.contains("Confirm as break"), "{listed}");
    assert!(!listed.contains("approves it next") && !listed.contains("permission"), "{listed}");
}

#[test]
fn a_page_for_a_problem_has_every_tab_of_its_user() {
    let served = Served::new();
    for (who, tab) in
        [("adm", "/review/people"), ("aud", "/review/reports"), ("ann", "/review/work")]
    {
        let answer = served.person(who).get("/review/nowhere");
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains(&format!("href=\"{tab}\"")), "{who}");
    }
}
