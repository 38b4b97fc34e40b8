//! Access rights: every route by every role, from the server's own document, against a reviewed
//! file.

use std::fmt::Write as _;

use super::{PEOPLE, Served};
use crate::wire::{Answer, Client};

#[test]
fn every_route_admits_exactly_the_roles_of_the_table() {
    let served = Served::new();
    let document = recon::server::every_route();
    let names = ["ann", "sue", "bob", "cat", "aud", "adm"];
    let mut table = String::from(
        "# Who gets past the door of each route: + may, - 403, 401 must log in\n# (pages lead to the log-in).\n# nobody",
    );
    for name in names {
        let role = PEOPLE.iter().find(|(own, _)| *own == name).unwrap().1;
        write!(table, " {role}").unwrap();
    }
    table.push('\n');
    let mut rows = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let id = if path.starts_with("/auth/tokens") {
            "nosuchtoken"
        } else {
            "0190b5a0-0000-7000-8000-00000000ffff"
        };
        let at = path.replace("{id}", id).replace("{login}", "nobody").replace("{file}", "x.css");
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let body = if operation.get("requestBody").is_some() { "{}" } else { "" };
            let typed = [("Content-Type", "application/json")];
            let typed = if body.is_empty() { &[][..] } else { &typed[..] };
            let sign = |answer: &Answer| match answer.status {
                401 => "401",
                303 if answer
                    .header("location")
                    .is_some_and(|to| to.starts_with("/review/login"))
                    && !at.starts_with("/review/log") =>
                {
                    "401"
                }
                403 => "-",
                _ => "+",
            };
            let nobody = Client::to(&served.server).ask(&method, &at, typed, body).unwrap();
            let mut row = format!("{method} {path}: {}", sign(&nobody));
            for name in names {
                let answer = served.person(name).ask(&method, &at, typed, body);
                assert_ne!(answer.status, 500, "{method} {at}: {}", answer.text());
                write!(row, " {}", sign(&answer)).unwrap();
            }
            rows.push(row);
        }
    }
    rows.sort_unstable();
    table += &rows.join("\n");
    table.push('\n');
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/api/permissions.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(file, &table).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(table, expected, "UPDATE_EXPECTED=1 cargo test writes it anew; read what changed");
    served.server.assert_well();
}
