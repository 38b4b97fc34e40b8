//! Responses match the OpenAPI document, and a fuzzer finds no deviation.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use super::{Served, json as body};
use crate::wire::Client;

/// A schema of the document with its components beside it.
fn validator(document: &Json, schema: &Json) -> jsonschema::Validator {
    let text = schema.to_string().replace("#/components/schemas/", "#/$defs/");
    let mut whole: Json = serde_json::from_str(&text).unwrap();
    let components = document["components"]["schemas"].to_string();
    let components = components.replace("#/components/schemas/", "#/$defs/");
    whole["$defs"] = serde_json::from_str(&components).unwrap();
    jsonschema::validator_for(&whole).unwrap()
}

#[test]
fn the_document_has_versioned_paths_and_no_pages() {
    let served = Served::new();
    let document = body(&Client::to(&served.server).get("/openapi.json"));
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert!(paths.iter().all(|path| !path.starts_with("/review")), "{paths:?}");
    for path in ["/v1/workflow/groups", "/v1/runs", "/workflow/queue", "/workflow/resolve"] {
        assert!(paths.iter().any(|one| *one == path), "{path}");
    }
    assert_eq!(document["tags"][0]["name"], "workflow");
    let ann = served.person("ann");
    for path in ["/workflow/queue", "/workflow/groups", "/runs"] {
        let (plain, versioned) = (ann.get(path), ann.get(&format!("/v1{path}")));
        assert_eq!((plain.status, versioned.status), (200, 200), "{path}");
    }
    for path in ["/v1/health", "/v1/review", "/v1", "/v2/runs"] {
        assert_eq!(ann.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_legacy_actor_is_ignored_with_a_warning() {
    let served = Served::new();
    let items = served.queue("ann", "limit=2");
    let decide = |at: usize, actor: &str| {
        served.person("ann").post(
            "/workflow/resolve",
            &json!({
                "attribution_id": items[at]["attribution_id"], "action": "REJECT",
                "comments": "a true break", "actor_id": actor,
            }),
        )
    };
    let own = decide(0, "ann");
    assert_eq!(own.status, 200, "{}", own.text());
    assert!(own.header("warning").unwrap().contains("actor_id"));
    assert_eq!(super::verdict(&decide(1, "bob")), (403, "actor-mismatch".into()));
}

#[test]
fn responses_match_the_openapi_document() {
    let served = Served::new();
    let document = body(&Client::to(&served.server).get("/openapi.json"));
    let item = served.queue("ann", "limit=1").remove(0);
    let id = item["attribution_id"].as_str().unwrap();
    let decision = json!({
        "attribution_id": id, "action": "OVERRIDE", "new_reason_code": "TIMING_LAG",
        "comments": "booked a day late",
    });
    let resolved = body(&served.person("ann").post("/workflow/resolve", &decision));
    let proposal = resolved["proposal_id"].as_str().unwrap();
    let run = item["run_id"].as_str().unwrap();
    for (who, template, path) in [
        ("ann", "/workflow/queue", "/workflow/queue?limit=20".to_owned()),
        ("ann", "/workflow/groups", "/workflow/groups".into()),
        ("ann", "/workflow/summary", "/workflow/summary".into()),
        ("ann", "/workflow/items/{id}", format!("/workflow/items/{id}")),
        ("ann", "/workflow/items/{id}/history", format!("/workflow/items/{id}/history")),
        ("ann", "/workflow/items/{id}/similar", format!("/workflow/items/{id}/similar")),
        ("bob", "/workflow/proposals", "/workflow/proposals".into()),
        ("bob", "/workflow/proposals/{id}", format!("/workflow/proposals/{proposal}")),
        ("ann", "/reasons", "/reasons".into()),
        ("ann", "/runs", "/runs".into()),
        ("ann", "/runs/{id}", format!("/runs/{run}")),
        ("ann", "/runs/{id}/differences", format!("/runs/{run}/differences")),
        ("aud", "/audit", "/audit".into()),
        ("aud", "/audit/checkpoint", "/audit/checkpoint".into()),
        ("aud", "/audit/verify", "/audit/verify".into()),
        ("aud", "/reports/overrides", "/reports/overrides".into()),
        ("aud", "/reports/access", "/reports/access".into()),
        ("ann", "/auth/me", "/auth/me".into()),
        ("ann", "/auth/tokens", "/auth/tokens".into()),
        ("adm", "/admin/users", "/admin/users".into()),
        ("adm", "/admin/policy", "/admin/policy".into()),
        ("adm", "/ready", "/ready".into()),
    ] {
        let answer = served.person(who).get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let versioned = format!("/v1{template}");
        let template = match document["paths"].get(&versioned) {
            Some(_) => {
                assert!(!body(&served.person(who).get(&format!("/v1{path}"))).is_null());
                versioned.as_str()
            }
            None => template,
        };
        let operation = &document["paths"][template]["get"];
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(!schema.is_null(), "{template}");
        let value = body(&answer);
        let problems: Vec<String> = validator(&document, schema)
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{path}: {problems:#?}");
    }
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    let refused = body(&Client::to(&served.server).get("/auth/me"));
    assert!(validator(&document, &problem).is_valid(&refused), "{refused}");
    served.server.assert_well();
}

/// The fuzzer installed by `scripts/test`.
fn schemathesis() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/st");
    let program = std::env::var_os("RECON_SCHEMATHESIS").map_or(own, PathBuf::from);
    assert!(program.exists(), "{} is not there; ./scripts/test installs it", program.display());
    program
}

#[test]
fn a_fuzzer_finds_nothing() {
    let served = Served::new();
    // Existing ids, so that the fuzzer gets past 404.
    let items = served.queue("cat", "limit=3");
    let id = |at: usize| items[at]["attribution_id"].as_str().unwrap();
    let decision =
        json!({ "attribution_id": id(0), "action": "REJECT", "comments": "a true break" });
    let resolved = body(&served.person("ann").post("/workflow/resolve", &decision));
    let mut config = include_str!("schemathesis.toml").to_owned();
    for (paths, id) in [
        ("^/v1/workflow/items/", id(1)),
        ("^/v1/workflow/proposals/", resolved["proposal_id"].as_str().unwrap()),
        ("^/v1/runs/", items[0]["run_id"].as_str().unwrap()),
    ] {
        config += &format!(
            "\n[[operations]]\ninclude-path-regex = \"{paths}\"\nparameters = {{ \"path.id\" = \"{id}\" }}\n"
        );
    }
    served.project().write("schemathesis.toml", config);
    let output = Command::new(schemathesis())
        .args(["--config-file", "schemathesis.toml"])
        .args(["run", &format!("http://{}/openapi.json", served.server.address)])
        .args(["--header", &format!("Authorization: Bearer {}", served.person("cat").token)])
        .env("NO_COLOR", "1")
        .current_dir(served.project().path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    served.server.assert_well();
}

#[test]
fn the_address_of_what_was_made_is_declared_where_it_is_sent() {
    let served = Served::new();
    let document = body(&Client::to(&served.server).get("/openapi.json"));
    let is_declared = |path: &str| {
        let made = &document["paths"][path]["post"]["responses"]["201"];
        assert!(made.is_object(), "{path}");
        made["headers"]["Location"].is_object()
    };
    let item = served.queue("ann", "limit=1").remove(0);
    let id = item["attribution_id"].as_str().unwrap();
    let comments = format!("/workflow/items/{id}/comments");
    let user = json!({ "login": "new", "roles": ["analyst"] });
    for (who, path, asked, body) in [
        ("ann", "/v1/workflow/items/{id}/comments", comments.as_str(), json!({ "text": "seen" })),
        ("adm", "/v1/admin/users", "/admin/users", user),
        ("adm", "/v1/admin/users/{login}/invitation", "/admin/users/ann/invitation", json!({})),
    ] {
        let answer = served.person(who).post(asked, &body);
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
        assert_eq!(is_declared(path), answer.header("location").is_some(), "{path}");
    }
    assert!(is_declared("/v1/workflow/bulk") && is_declared("/v1/admin/policy/proposals"));
}
