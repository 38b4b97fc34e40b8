//! The API of the real server: decisions, access rights of every role, attacks.

mod attacks;
mod blind;
pub mod browser;
mod by_hand;
mod decisions;
mod document;
mod lists;
mod masked;
mod matched;
mod matrix;
mod notify;
mod owners;
mod search;
mod statement;

use std::collections::BTreeMap;

use recon::domain::review::{Permission, Role};
use serde_json::Value as Json;

use crate::program::Project;
use crate::wire::{Answer, Client, Server};

/// Test users: one for each role, and two that share one.
const PEOPLE: &[(&str, Role)] = &[
    ("ann", Role::Analyst),
    ("sue", Role::Senior),
    ("bob", Role::Supervisor),
    ("cat", Role::Manager),
    ("mia", Role::Manager),
    ("aud", Role::Auditor),
    ("adm", Role::Admin),
];

/// A server with a run to review, and users.
pub struct Served {
    pub server: Server,
    tokens: BTreeMap<&'static str, String>,
}

impl Served {
    /// The shipped example, run and served.
    pub fn new() -> Self {
        let project = Project::of(".");
        project.json(&["run", "--json"]);
        Self::of(project, &[])
    }

    /// Serves this project, which has been run, with these arguments.
    pub fn of(project: Project, arguments: &[&str]) -> Self {
        Self::of_store("sqlite:recon.db", project, arguments)
    }

    /// Serves this project, which has been run into the store at this URL, with these arguments.
    pub fn of_store(store: &str, project: Project, arguments: &[&str]) -> Self {
        let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
        let fast = "server: { requests_per_second: 0 }\n";
        let mut more = String::from("\n");
        if !yaml.contains("\nserver:") {
            more.push_str(fast);
        }
        if !yaml.contains("\nreview:") {
            // Test users authenticate with tokens, some of which may check.
            more.push_str("review: { deciding_tokens: [test] }\n");
        }
        project.write("recon.yaml", format!("{yaml}{more}"));
        let mut tokens = BTreeMap::new();
        for (name, role) in PEOPLE {
            let said =
                project.recon(&["user", "add", name, "--role", role.name(), "--no-password"]);
            assert_eq!(said.code, 0, "{name}: {}", said.err);
            tokens.insert(*name, token(&project, name, &scopes(*role)));
        }
        Self { server: Server::of_store(store, project, None, arguments), tokens }
    }

    /// A client of the server.
    pub fn person(&self, name: &str) -> Person<'_> {
        Person { served: self, token: self.tokens[name].clone() }
    }

    /// The client with this token.
    pub fn bearer(&self, token: &str) -> Person<'_> {
        Person { served: self, token: token.to_owned() }
    }

    pub fn project(&self) -> &Project {
        &self.server.project
    }

    /// The state that a refused request must not change: items, proposals, approvals and the audit
    /// trail.
    pub fn state(&self) -> Vec<Json> {
        [
            "SELECT status, is_locked, version, count(*) AS n FROM recon.attributions \
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            "SELECT proposal_id, state, version FROM recon.proposals ORDER BY 1",
            "SELECT proposal_id, person_id, decision FROM recon.approvals ORDER BY 1, 2",
            "SELECT count(*) AS n FROM recon.audit_trail",
        ]
        .map(|statement| self.project().sql(statement))
        .to_vec()
    }

    /// Undecided items, as seen by a user.
    pub fn queue(&self, name: &str, query: &str) -> Vec<Json> {
        let answer = self.person(name).get(&format!("/workflow/queue?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        json(&answer).as_array().unwrap().clone()
    }
}

/// A role's permissions, as scopes.
pub fn scopes(role: Role) -> Vec<&'static str> {
    role.permissions().iter().map(Permission::name).collect()
}

/// A new token of a login.
pub fn token(project: &Project, login: &str, scopes: &[&str]) -> String {
    let mut arguments = vec!["token", "create", "test", "--user", login, "--json"];
    for scope in scopes {
        arguments.extend(["--scope", scope]);
    }
    project.json(&arguments)["token"].as_str().unwrap().to_owned()
}

/// The JSON of a response.
pub fn json(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// A client with a token.
pub struct Person<'a> {
    served: &'a Served,
    pub token: String,
}

impl Person<'_> {
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "Content-Type") {
            all.push(("Content-Type", "application/json"));
        }
        all.extend(headers);
        Client::to(&self.served.server).ask(method, path, &all, body).unwrap()
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Json) -> Answer {
        self.ask("POST", path, &[], &body.to_string())
    }

    /// A POST request with `If-Match`.
    pub fn post_if(&self, tag: &str, path: &str, body: &Json) -> Answer {
        let tag = format!("\"{tag}\"");
        self.ask("POST", path, &[("If-Match", &tag)], &body.to_string())
    }
}

/// A response's status and the code of its problem.
pub fn verdict(answer: &Answer) -> (u16, String) {
    let code = serde_json::from_slice::<Json>(&answer.body).unwrap_or_default();
    (answer.status, code["code"].as_str().unwrap_or_default().to_owned())
}
