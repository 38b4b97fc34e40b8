//! Masked values leave the server by no route, page, filter, sorting or file. The routes come from
//! the server's own list, so that a new one is tested too, or fails here until it is classified.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{Served, json as document};
use crate::program::Project;
use crate::wire::Answer;

const JOB: &str = r#"version: 1
job: town
store: sqlite:recon.db
sources:
  a:
    system: FRONT
    read: { csv: { path: a.csv } }
    map: { id: id, currency: currency, amount: amount, account: account, name: name }
  b:
    system: BACK
    read: { csv: { path: b.csv } }
    map: { id: id, currency: currency, amount: amount, account: account, name: name }
key: [id]
fields:
  id: { type: text }
  currency: { type: text }
  amount: { type: decimal, monetary: true }
  account: { type: text }
  name: { type: text }
rules:
  attribute: [rules.rhai]
reason_codes:
  ROUNDING_DIFF: { functional: true, description: "Decimals lost on one side" }
  TIMING_LAG: { functional: true, description: "Booked on another day" }
  MANUAL_ENTRY_ERR: { functional: false, description: "Typed wrongly" }
  UNKNOWN: { functional: false, description: "Nobody knows" }
server: { requests_per_second: 0 }
"#;

/// Rules that quote everything they see, about any difference.
const RULES: &str = r#"
fn attribute_all(d) {
    note(`${d.text_a} was truncated to ${d.text_b}`);
    if d.field == "ENTIRE_RECORD" { return reason("UNKNOWN", 0.2); }
    note(`key ${d.record_a.id}, amount ${d.record_a.amount}, account ${d.record_a.account}`);
    if d.field == "amount" { return reason("ROUNDING_DIFF", 0.8); }
    reason("MANUAL_ENTRY_ERR", 0.4)
}
"#;

const A: &str = "id,currency,amount,account,name\n\
    KEYSECRET1,USD,7312.567891,same,left\n\
    KEYSECRET2,USD,1,ACCSECRET9,same\n\
    KEYSECRET3,USD,73120.11,same,same\n\
    KEYSECRET4,USD,91735.5,same,same\n\
    KEYSECRET5,USD,7312.887891,same,same\n\
    KEYSECRET6,USD,5,ACCSECRET5,left\n";
const B: &str = "id,currency,amount,account,name\n\
    KEYSECRET1,USD,7312.56,same,right\n\
    KEYSECRET2,USD,1,ACCSECRE79,same\n\
    KEYSECRET4,USD,1.25,same,same\n\
    KEYSECRET5,USD,7312.88,same,same\n\
    KEYSECRET6,USD,5,ACCSECRET5,right\n";

/// Masked values, and texts and figures derived from them.
const OF_VALUES: &[&str] = &["7312", "ACCSECRE", "73120", "91735", "91734", "0.007891"];
const OF_KEYS: &[&str] = &["KEYSECRET"];

fn served(masked: &str) -> Served {
    let project = Project::new();
    let review = format!(
        "review:\n  masked_fields: [{masked}]\n  currency_field: currency\n  \
         thresholds: {{ USD: 1000 }}\n  deciding_tokens: [test]\n"
    );
    project.write("a.csv", A).write("b.csv", B).write("rules.rhai", RULES);
    project.write("recon.yaml", format!("{JOB}{review}"));
    project.json(&["run", "--json"]);
    let served = Served::of(project, &[]);
    for field in masked.split(", ") {
        assert_eq!(served.project().recon(&["user", "grant", "mia", field]).code, 0);
    }
    served
}

/// Non-GET operations whose responses never contain record data.
const TELL_NOTHING: &[&str] = &[
    "login",
    "logout",
    "login_agree",
    "password_change",
    "policy_propose",
    "token_create",
    "token_revoke",
    "user_change",
    "user_create",
    "user_invite",
    "page_agree",
    "page_change_person",
    "page_invitation",
    "page_revoke_token_of",
    "page_invite",
    "page_change_password",
    "page_log_in",
    "page_log_out",
    "page_make_first",
    "page_set_profile",
    "page_create_token",
    "page_revoke_token",
    "page_end_session",
    "page_save_view",
    "page_delete_view",
];

/// Query parameters of pages, which the document does not list.
const OF_PAGES: &[&str] = &[
    "run_id",
    "field_name",
    "diff_type",
    "reason_code",
    "present_reason",
    "monetary_field",
    "currency",
    "no_currency",
    "min_confidence",
    "min_amount",
    "max_amount",
    "sent_back",
    "by_people",
    "run",
    "job",
    "field",
    "type",
    "severity",
    "reason",
    "as",
    "band",
    "least",
    "most",
    "assignee",
    "sla",
    "q",
    "back",
    "functional",
    "by",
    "samples",
    "sort",
    "view",
    "status",
    "signature",
    "list",
    "report",
    "actor",
    "action",
    "stage",
    "entity",
    "from",
    "to",
    "mode",
    "signs",
    "verify",
    "like",
    "choice",
];

/// A user, and the texts that their responses must not contain.
struct Walk<'a> {
    served: &'a Served,
    secrets: &'a [&'a str],
    amounts: bool,
    tried: usize,
}

impl Walk<'_> {
    fn clean(&mut self, what: &str, answer: &Answer, asked: &str) {
        self.tried += 1;
        assert_ne!(answer.status, 500, "{what}: {}", answer.text());
        // A request's own input may be echoed.
        let text = without_ids(&String::from_utf8_lossy(&answer.body).replace(asked, ""));
        for secret in self.secrets {
            assert!(!text.contains(secret), "{what} tells {secret}: {text}");
        }
        // The length of a page may have the digits of a secret by chance.
        for (name, value) in answer.headers.iter().filter(|(name, _)| *name != "content-length") {
            let value = without_ids(&value.replace(asked, ""));
            assert!(!self.secrets.iter().any(|secret| value.contains(secret)), "{what}: {name}");
        }
    }

    fn get(&mut self, who: &str, path: &str, asked: &str) -> Answer {
        let answer = self.served.person(who).get(path);
        self.clean(
            &format!("{who} GET {path}"),
            &answer,
            if asked.is_empty() { "\0" } else { asked },
        );
        answer
    }

    /// Two values of a filter, one of them secret: the responses must not differ.
    fn same(&mut self, path: &str, name: &str, values: [&str; 2]) {
        let separator = if path.contains('?') { '&' } else { '?' };
        let found = values.map(|value| {
            let answer = self.get("cat", &format!("{path}{separator}{name}={value}"), value);
            (answer.status, ids(&answer))
        });
        assert_eq!(found[0], found[1], "{path}: {name} tells {values:?} apart");
    }
}

/// The text without ids and digests, which may contain any four digits by chance.
fn without_ids(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let run = &rest[start..];
        let length = run.find(|c| !is_part(c)).unwrap_or(run.len());
        kept.push_str(&rest[..start]);
        // Neither are fractions of seconds.
        if length < 8 && !rest[start + length..].starts_with('Z') {
            kept.push_str(&run[..length]);
        }
        rest = &run[length..];
    }
    kept + rest
}

/// A text of the same form that occurs in no record.
fn decoy(secret: &str) -> String {
    let other = |c: char| {
        if c.is_ascii_digit() {
            '9'
        } else if c.is_alphabetic() {
            'Z'
        } else {
            c
        }
    };
    secret.chars().map(other).collect()
}

/// The ids in a response, in order.
fn ids(answer: &Answer) -> Vec<String> {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let is_id = |part: &&str| part.len() == 36 && part.split('-').count() == 5;
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
        .filter(is_id)
        // Request ids are always new.
        .filter(|id| {
            text.contains(&format!("attribution_id\":\"{id}"))
                || text.contains(&format!("/items/{id}"))
        })
        .map(str::to_owned)
        .collect()
}

fn column(served: &Served, sql: &str) -> Vec<String> {
    let rows = served.project().sql(sql);
    let cell =
        |row: &Json| row.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(cell).collect()
}

/// Every path of every reading route, with real ids.
fn paths(served: &Served, path: &str) -> Vec<String> {
    let named = |name: &str| path.contains(&format!("{{{name}}}"));
    let with = |name: &str, values: Vec<String>| -> Vec<String> {
        values.iter().map(|value| path.replace(&format!("{{{name}}}"), value)).collect()
    };
    let kind = path.split('/').find(|part| ["items", "proposals", "runs"].contains(part));
    match kind {
        _ if named("file") => with("file", vec!["x.css".to_owned()]),
        _ if named("login") => with("login", vec!["ann".to_owned()]),
        Some("items") if named("id") => {
            with("id", column(served, "SELECT attribution_id FROM recon.attributions"))
        }
        Some("proposals") if named("id") => {
            with("id", column(served, "SELECT proposal_id FROM recon.proposals"))
        }
        Some("runs") if named("id") => {
            with("id", column(served, "SELECT run_id FROM recon.recon_runs"))
        }
        _ => {
            assert!(!path.contains('{'), "{path}: say here which ids this route takes");
            vec![path.to_owned()]
        }
    }
}

/// Every reading route, by users without the grant, with every filter, sorting and format.
fn look_everywhere(walk: &mut Walk<'_>, routes: &Json) {
    for (path, item) in routes["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else { continue };
        for at in paths(walk.served, path) {
            for who in ["cat", "ann", "aud", "adm"] {
                walk.get(who, &at, "");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] != "query"
                    // A band of confidence is no secret either.
                    || ["limit", "cursor", "band"].contains(&parameter["name"].as_str().unwrap())
                {
                    continue;
                }
                let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
                match (schema["enum"].as_array(), schema["type"].as_str()) {
                    (Some(values), _) => {
                        for value in values {
                            let value = value.as_str().unwrap();
                            walk.get("cat", &format!("{at}?{name}={value}"), "");
                        }
                    }
                    (None, Some("number" | "integer")) => {
                        // Confidence and row numbers are not secret; amounts are.
                        if name.contains("amount") && walk.amounts {
                            walk.same(&at, name, ["0.001", "50000"]);
                            walk.same(&at, name, ["7312.5", "99999"]);
                        }
                    }
                    _ => {
                        for secret in walk.secrets {
                            walk.same(&at, name, [secret, &decoy(secret)]);
                        }
                    }
                }
            }
        }
        if path.starts_with("/review") {
            for at in paths(walk.served, path).iter().take(2) {
                for name in OF_PAGES {
                    for value in ["amount", "-confidence", "ALL"] {
                        walk.get("cat", &format!("{at}?view=items&{name}={value}"), "");
                    }
                    if *name == "q" || walk.amounts && ["least", "most"].contains(name) {
                        for secret in walk.secrets {
                            walk.same(at, name, [secret, &decoy(secret)]);
                        }
                    }
                }
            }
        }
    }
}

/// Every writing route, by users without the grant. Returns the operations tried.
fn act_everywhere(walk: &mut Walk<'_>) -> BTreeSet<&'static str> {
    let served = walk.served;
    let mut tried = BTreeSet::new();
    let of_field = |field: &str| {
        let sql = format!(
            "SELECT a.attribution_id FROM recon.attributions a JOIN recon.data_differences d \
             ON d.diff_id = a.diff_id WHERE d.field_name = '{field}' AND a.status = 'UNKNOWN' \
             ORDER BY 1"
        );
        column(served, &sql)
    };
    let mut act =
        |operation: &'static str, who: &str, method: &str, path: &str, tag: &str, body: &Json| {
            tried.insert(operation);
            let tag = format!("\"{tag}\"");
            let answer = if operation.starts_with("page_") {
                let form: Vec<String> = body
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| {
                        format!("{name}={}", value.as_str().unwrap().replace(' ', "+"))
                    })
                    .collect();
                let typed = [("Content-Type", "application/x-www-form-urlencoded")];
                served.person(who).ask(method, path, &typed, &form.join("&"))
            } else {
                served.person(who).ask(
                    method,
                    path,
                    &[("If-Match", &tag)],
                    &if body.is_null() { String::new() } else { body.to_string() },
                )
            };
            walk.clean(&format!("{operation} {who} {path} {body}"), &answer, "\0");
            answer
        };
    let override_ = |id: &str| {
        json!({
        "attribution_id": id, "action": "OVERRIDE", "new_reason_code": "TIMING_LAG", "comments": "booked late" })
    };
    let tag_of = |id: &str| {
        let seen = document(&served.person("cat").get(&format!("/workflow/proposals/{id}")));
        (seen["tag"].as_str().unwrap().to_owned(), seen["content_hash"].clone())
    };
    let amounts = of_field("amount");
    let names = of_field("name");
    let accounts = of_field("account");
    let all: Vec<&String> = amounts.iter().chain(&accounts).collect();
    for code in ["APPROVE", "OVERRIDE", "REJECT"] {
        let more = if code == "OVERRIDE" { json!("TIMING_LAG") } else { Json::Null };
        let body = json!({ "ids": all, "action": code, "new_reason_code": more });
        act("bulk_preview", "sue", "POST", "/workflow/bulk/preview", "", &body);
    }
    for item in all.iter().copied().chain(&names) {
        let path = format!("/workflow/items/{item}");
        act(
            "item_comment",
            "sue",
            "POST",
            &format!("{path}/comments"),
            "",
            &json!({ "text": "look at it" }),
        );
        act(
            "item_assign",
            "sue",
            "PUT",
            &format!("{path}/assignee"),
            "",
            &json!({ "assignee": "sue" }),
        );
        let page = format!("/review/items/{item}");
        act(
            "page_comment",
            "sue",
            "POST",
            &format!("{page}/comment"),
            "",
            &json!({ "text": "so it is" }),
        );
        act("page_assign", "sue", "POST", &format!("{page}/assign"), "", &json!({ "to": "me" }));
        act(
            "sample",
            "sue",
            "POST",
            &format!("{path}/sample"),
            "",
            &json!({ "reason_code": "TIMING_LAG", "comments": "it is late" }),
        );
        act(
            "page_sample",
            "sue",
            "POST",
            &format!("{page}/sample"),
            "",
            &json!({ "choice": "reject", "comment": "it is late" }),
        );
        // Refused: the page shows the item again.
        act(
            "page_decide",
            "sue",
            "POST",
            &format!("{page}/decide"),
            "",
            &json!({ "choice": "reject" }),
        );
        act(
            "page_reopen",
            "sue",
            "POST",
            &format!("{page}/reopen"),
            "",
            &json!({ "choice": "reject" }),
        );
    }
    let alone = of_field("ENTIRE_RECORD");
    let no_match = "0190b5a0-0000-7000-8000-00000000ffff";
    let rows = json!({ "ids": alone });
    act("match_preview", "sue", "POST", "/workflow/matches/preview", "", &rows);
    let joined =
        json!({ "ids": alone, "reason_code": "TIMING_LAG", "comments": "they belong together" });
    act("match", "sue", "POST", "/workflow/matches", "", &joined);
    let why = json!({ "comments": "they do not" });
    act("unmatch", "sue", "POST", &format!("/workflow/matches/{no_match}/unmatch"), "", &why);
    let form = json!({ "id": alone[0], "code": "TIMING_LAG", "comment": "they belong together" });
    act("page_propose_match", "sue", "POST", "/review/match", "", &form);
    let why = json!({ "comment": "they do not" });
    act("page_unmatch", "sue", "POST", &format!("/review/matches/{no_match}/unmatch"), "", &why);
    // The item with a large amount: the trigger shows it.
    let large = &column(
        served,
        "SELECT a.attribution_id FROM recon.attributions a JOIN recon.data_differences d \
         ON d.diff_id = a.diff_id WHERE d.value_b = '1.25'",
    )[0];
    let small: Vec<&String> = amounts.iter().filter(|id| *id != large).collect();
    let made = document(&act("resolve", "sue", "POST", "/workflow/resolve", "", &override_(large)));
    let id = made["proposal_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let path = format!("/workflow/proposals/{id}");
    let (tag, _) = tag_of(&id);
    let amended = json!({ "action": "REJECT", "comments": "no reason at all" });
    act("proposal_amend", "sue", "PUT", &path, &tag, &amended);
    let (tag, hash) = tag_of(&id);
    let page = format!("/review/proposals/{id}");
    let stale = json!({ "version": "p1-00000000", "content_hash": "00", "choice": "reject", "comment": "because of it" });
    for (operation, who, verb) in [
        ("page_amend", "sue", "amend"),
        ("page_approve", "bob", "approve"),
        ("page_return", "bob", "return"),
        ("page_withdraw", "sue", "withdraw"),
    ] {
        act(operation, who, "POST", &format!("{page}/{verb}"), "", &stale);
    }
    let approve = json!({ "content_hash": hash });
    let checked =
        act("proposal_approve", "bob", "POST", &format!("{path}/approve"), &tag, &approve);
    assert_eq!(checked.status, 200, "{}", checked.text());
    let (tag, _) = tag_of(&id);
    let applied =
        act("proposal_approve", "cat", "POST", &format!("{path}/approve"), &tag, &approve);
    assert_eq!(document(&applied)["state"], "APPLIED", "{}", applied.text());
    let version =
        document(&served.person("cat").get(&format!("/workflow/items/{large}")))["version"]
            .to_string();
    let again =
        json!({ "action": "OVERRIDE", "new_reason_code": "TIMING_LAG", "comments": "after all" });
    let reopened =
        act("reopen", "sue", "POST", &format!("/workflow/items/{large}/reopen"), &version, &again);
    let id = document(&reopened)["proposal_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", reopened.text()))
        .to_owned();
    let (tag, _) = tag_of(&id);
    act(
        "proposal_return",
        "bob",
        "POST",
        &format!("/workflow/proposals/{id}/return"),
        &tag,
        &json!({ "comments": "not so" }),
    );
    for (item, operation) in
        accounts.iter().chain(&names).zip(["proposal_withdraw", "page_undo", ""])
    {
        let made =
            document(&act("resolve", "sue", "POST", "/workflow/resolve", "", &override_(item)));
        let id = made["proposal_id"].as_str().unwrap().to_owned();
        match operation {
            "proposal_withdraw" => {
                let (tag, _) = tag_of(&id);
                act(
                    "proposal_withdraw",
                    "sue",
                    "POST",
                    &format!("/workflow/proposals/{id}/withdraw"),
                    &tag,
                    &json!({}),
                );
            }
            "page_undo" => drop(act("page_undo", "sue", "POST", "/review/undo", "", &json!({}))),
            _ => {}
        }
    }
    let examples = json!({ "code": "CUT_OFF", "description": "Cut off on one side", "is_functional": true, "examples": [amounts[0]] });
    act("reason_propose", "sue", "POST", "/reasons/proposals", "", &examples);
    act(
        "page_propose_reason",
        "sue",
        "POST",
        "/review/reasons",
        "",
        &json!({ "code": "x", "like": amounts[0] }),
    );
    act(
        "page_select",
        "sue",
        "POST",
        "/review/bulk",
        "",
        &json!({ "id": amounts[0], "choice": "*" }),
    );
    let frozen = json!({ "ids": small, "action": "REJECT" });
    let preview =
        document(&act("bulk_preview", "sue", "POST", "/workflow/bulk/preview", "", &frozen));
    act(
        "page_commit",
        "sue",
        "POST",
        "/review/bulk/commit",
        "",
        &json!({ "token": "no such", "choice": "reject", "filter": "field=amount" }),
    );
    let commit = json!({ "token": preview["token"], "comments": "no reason at all" });
    let done = act("bulk_commit", "sue", "POST", "/workflow/bulk", "", &commit);
    assert_eq!(done.status, 201, "{}", done.text());
    // Several at once: the preview shows them, and so does the refusal of a stale one.
    let open = column(served, "SELECT proposal_id FROM recon.proposals WHERE closed_at IS NULL");
    let ids: Vec<String> = open.iter().map(|id| format!("{id}~p9-00000000~00")).collect();
    assert!(ids.len() > 1, "{ids:?}");
    let chosen = json!({ "id": ids.join(" "), "list": "to_check" });
    let preview = act("page_check_selected", "bob", "POST", "/review/check", "", &chosen);
    assert_eq!(preview.status, 200, "{}", preview.text());
    let refused = act("page_check_commit", "bob", "POST", "/review/check/commit", "", &chosen);
    assert_eq!(refused.status, 409, "{}", refused.text());
    tried
}

fn walk(masked: &str, secrets: &[&str]) {
    let served = served(masked);
    let routes = recon::server::every_route();
    // Control: with the grant everything is visible.
    let seen = served.person("mia").get("/workflow/queue?limit=200");
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    assert!(
        secrets.iter().filter(|secret| text.contains(**secret)).count() > secrets.len() / 2,
        "{text}"
    );
    let amounts = masked.contains("amount");
    let mut walk = Walk { served: &served, secrets, amounts, tried: 0 };
    let tried = act_everywhere(&mut walk);
    for (path, item) in routes["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                method == "get" || tried.contains(id) || TELL_NOTHING.contains(&id),
                "{method} {path}: walk {id} here, or say that it tells nothing of records"
            );
        }
    }
    look_everywhere(&mut walk, &routes);
    assert!(walk.tried > 1_000, "{} answers were looked at", walk.tried);
    served.server.assert_well();
}

#[test]
fn no_route_reveals_masked_values() {
    walk("amount, account", OF_VALUES);
}

#[test]
fn no_route_reveals_masked_keys() {
    walk("id", OF_KEYS);
}

#[test]
fn totals_are_shown_only_to_users_who_may_see_every_field() {
    let served = served("amount, account");
    let run = column(&served, "SELECT run_id FROM recon.recon_runs").remove(0);
    let page = |who: &str, path: &str| {
        let answer = served.person(who).get(path);
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    let statement = format!("/review/statement?run={run}");
    let (seen, masked) = (page("mia", &statement), page("cat", &statement));
    assert!(seen.contains("amount, USD") && seen.contains("class=\"waterfall\""), "{seen}");
    assert!(masked.contains("masked for you") && !masked.contains("amount, USD"), "{masked}");
    // Each line leads to its differences.
    let link = seen.split('"').find(|part| part.contains("&#38;as=") || part.contains("&as="));
    let link = link.unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert!(page("mia", &link).contains("data-row"), "{link}");
    // … and to those of its field and currency alone.
    assert!(link.contains("monetary_field=amount") && link.contains("currency=USD"), "{link}");
    let listed = page("mia", &link).matches("data-row").count();
    assert!(listed > 0);
    let other = link.replace("currency=USD", "currency=XXX");
    assert_eq!(page("mia", &other).matches("data-row").count(), 0, "{other}");
    // This job has no runs to search.
    assert!(page("mia", "/review/queue?job=nobody&currency=USD").contains("Nothing here"));
    for (who, shown) in [("mia", true), ("cat", false)] {
        assert_eq!(page(who, "/review").contains("Reconciliation statement"), shown, "{who}");
    }
    assert_eq!(served.person("mia").get("/review/statement?run=1").status, 404);
}

#[test]
fn amounts_of_masked_fields_cannot_be_sorted_or_filtered() {
    let served = served("amount, account");
    for query in ["sort=amount", "min_amount=1", "max_amount=1", "field_name=amount&min_amount=1"] {
        let answer = served.person("cat").get(&format!("/workflow/queue?{query}"));
        assert_eq!(super::verdict(&answer), (403, "masked-field".into()), "{query}");
        assert_eq!(served.person("mia").get(&format!("/workflow/queue?{query}")).status, 200);
    }
    let found = |who: &str, q: &str| {
        document(&served.person(who).get(&format!("/workflow/queue?q={q}")))
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (found("cat", "7312.56"), found("cat", "KEYSECRET1"), found("cat", "right")),
        (0, 2, 3)
    );
    assert!(found("mia", "7312.56") > 0, "with the grant it is looked for");
    served.server.assert_well();
}
