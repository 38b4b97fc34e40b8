//! `recon user` and `recon token` through the real program.

use crate::program::Project;

const STORE: [&str; 2] = ["--store", "sqlite:people.db"];

/// Runs the program on the store of the test, with a meaningless `USER`.
fn recon(project: &Project, arguments: &[&str]) -> crate::program::Said {
    let all: Vec<&str> = arguments.iter().chain(&STORE).copied().collect();
    crate::program::output(project.command(&all).env("USER", "ops")).into()
}

fn json(project: &Project, arguments: &[&str]) -> serde_json::Value {
    let said = recon(project, &[arguments, &["--json"]].concat());
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn people_and_tokens_need_no_configuration() {
    let project = Project::new();
    project.write("password", "four words of hers\n").write("poor", "password1234\n");
    let add = |name: &str, more: &[&str]| recon(&project, &[&["user", "add", name], more].concat());
    let said = add("Ann", &["--role", "analyst", "--password-file", "password"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "Created user Ann (analyst); the password must be changed at the first login\n"),
        "{}",
        said.err
    );
    let said = add("ann", &["--role", "senior", "--no-password"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("the login `ann` is taken"), "{}", said.err);
    let said = add("bob", &["--role", "analyst", "--password-file", "poor"]);
    assert!(said.code == 2 && said.err.contains("among the first"), "{}", said.err);
    let said = add("bob", &["--role", "analyst"]);
    assert!(said.code == 2 && said.err.contains("no terminal"), "{}", said.err);
    let said = add("bob", &["--role", "analyst", "--password-file", "missing"]);
    assert!(said.code == 2 && said.err.contains("missing"), "{}", said.err);
    let said = add("bob", &["--role", "admin", "--role", "analyst", "--no-password"]);
    assert!(said.code == 2 && said.err.contains("an admin takes no part"), "{}", said.err);
    let said = add("bob", &["--role", "king", "--no-password"]);
    assert!(said.code == 2 && said.err.contains("supervisor"), "{}", said.err);
    let said = add("root", &["--role", "admin", "--no-password", "--display-name", "Root"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = recon(&project, &["user", "roles", "ROOT", "--role", "analyst"]);
    assert!(said.code == 2 && said.err.contains("last admin"), "{}", said.err);
    let said = recon(&project, &["user", "disable", "root"]);
    assert!(said.code == 2 && said.err.contains("last admin"), "{}", said.err);

    let person =
        json(&project, &["user", "roles", "ann", "--role", "analyst", "--role", "supervisor"]);
    assert_eq!(person["roles"], serde_json::json!(["analyst", "supervisor"]));
    let person = json(&project, &["user", "grant", "ann", "account"]);
    assert_eq!(person["field_grants"], serde_json::json!(["account"]));
    let person = json(&project, &["user", "revoke", "ann", "account"]);
    assert_eq!(person["field_grants"], serde_json::json!([]));
    let person = json(&project, &["user", "password", "ann", "--password-file", "password"]);
    assert_eq!(
        (&person["has_password"], &person["must_change_password"]),
        (&true.into(), &true.into())
    );
    let said = add("ann.2", &["--same-as", "ann"]);
    assert!(
        said.code == 0 && said.out.contains("once its owner agrees"),
        "{}{}",
        said.out,
        said.err
    );
    let said = add("ann.3", &["--same-as", "ann", "--password-file", "password"]);
    assert_eq!(said.code, 2, "{}", said.out);
    let said = recon(&project, &["user", "invite", "ann.2"]);
    assert!(said.code == 2 && said.err.contains("consent"), "{}", said.err);
    let link = json(&project, &["user", "invite", "ann"]);
    assert!(link["path"].as_str().unwrap().starts_with("/review/first?token="), "{link}");
    assert!(!person.to_string().contains("argon2"));

    let token = json(&project, &["token", "create", "etl", "--user", "ann", "--scope", "view"]);
    let text = token["token"].as_str().unwrap();
    assert!(text.starts_with("rcn_") && text.len() > 60, "{text}");
    let said = recon(&project, &["token", "create", "x", "--user", "ann", "--scope", "authorize"]);
    assert!(said.code == 2 && said.err.contains("may not authorize"), "{}", said.err);
    let year = ["token", "create", "x", "--user", "ann", "--scope", "view", "--expires", "365d"];
    assert_eq!(recon(&project, &year).code, 2);
    let tokens = json(&project, &["token", "list", "--user", "ann"]);
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 1);
    assert!(!tokens.to_string().contains(text));
    let id = token["token_id"].as_str().unwrap();
    assert_eq!(recon(&project, &["token", "revoke", id]).code, 0);
    assert!(json(&project, &["token", "list"])["tokens"][0]["revoked_at"].is_string());
    assert_eq!(recon(&project, &["token", "revoke", "nothing"]).code, 2);

    assert_eq!(recon(&project, &["user", "disable", "ann"]).out, "Disabled user Ann\n");
    let table = recon(&project, &["user", "list"]).out;
    assert!(table.contains("disabled") && table.contains("proxy"), "{table}");
    assert_eq!(recon(&project, &["user", "enable", "ann"]).code, 0);
    let people = json(&project, &["user", "list"]);
    assert_eq!(people["people"].as_array().unwrap().len(), 3);
    let actors = "SELECT DISTINCT actor_id || ' ' || auth_method AS who FROM recon.audit_trail";
    let actors = json(&project, &["sql", actors]);
    let id = |option: &str| {
        let output = std::process::Command::new("id").arg(option).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let account = format!("cli:{}:{} cli", id("-u"), id("-un"));
    assert_eq!(actors.as_array().unwrap().len(), 1, "{actors}");
    assert_eq!(actors[0]["who"], account.as_str());
    // The store's files contain no password or token in plain text.
    for name in ["people.db", "people.db-wal"] {
        let bytes = std::fs::read(project.path(name)).unwrap_or_default();
        for secret in ["four words of hers", text] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{name}");
        }
    }
}

#[test]
fn a_password_can_be_read_from_standard_input() {
    use std::io::Write as _;
    let project = Project::new();
    let arguments = ["user", "add", "ann", "--role", "analyst", "--password-file", "-"];
    let mut command = project.command(&[&arguments[..], &STORE].concat());
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"four words of hers\r\n").unwrap();
    assert!(crate::program::ended(child).status.success());
    let said = project.recon(&[&["user", "list"], &STORE[..]].concat());
    assert!(said.out.contains("password"), "{}", said.out);
    // Reading commands need an existing store.
    let said = project.recon(&["user", "list", "--store", "sqlite:other.db"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert_eq!(project.recon(&["user", "list"]).code, 2, "no configuration and no store");
}
