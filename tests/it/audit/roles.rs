//! PostgreSQL with two roles: one owns the tables, the other serves and can't change the trail.

use recon::store::{append_only, transact};

use super::assert_sound;
use crate::program::Project;
use crate::review::fixture::team;
use crate::store::Place;

#[test]
fn the_serving_role_can_only_append_to_the_trail() {
    let url = crate::postgres::new_database();
    let admin = Place::at(&url);
    let name = url.rsplit('/').next().unwrap();
    let (owner, server) = (format!("{name}_owner"), format!("{name} server"));
    admin.execute(&format!(
        "CREATE ROLE {owner} LOGIN; CREATE ROLE \"{server}\" LOGIN; \
         GRANT CREATE ON DATABASE {name} TO {owner}"
    ));
    let of = |role: &str| url.replacen("postgres@", &format!("{role}@"), 1);
    let (owner_url, server_url) = (of(&owner), of(&server.replace(' ', "%20")));
    let project = Project::new();
    let migrate = |arguments: &[&str]| project.recon(&[&["migrate"], arguments].concat());

    let said = migrate(&["--store", &owner_url, "--owner-url", &owner_url]);
    assert!(said.code == 2 && said.err.contains("must differ"), "{}", said.err);
    let said = migrate(&["--store", "sqlite:x.db", "--owner-url", &owner_url]);
    assert!(said.code == 2 && said.err.contains("must both be PostgreSQL URLs"), "{}", said.err);
    let said = migrate(&["--store", &server_url, "--owner-url", &owner_url]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.ends_with(&format!("the role {server} can serve\n")), "{}", said.out);
    assert!(!said.err.contains("append-only"), "{}", said.err);
    // Repeating it has no effect.
    let again = migrate(&["--store", &server_url, "--owner-url", &owner_url]);
    assert!(again.code == 0 && again.out.contains("is up to date"), "{}{}", again.out, again.err);
    // Serving as the owner gives a warning.
    let said = migrate(&["--store", &owner_url]);
    assert!(said.code == 0 && said.err.contains("may change the audit trail"), "{}", said.err);

    let (owners, servers) = (Place::at(&owner_url), Place::at(&server_url));
    let store = servers.open();
    let warning = transact::read(&*store, |tx| append_only::warning(tx)).unwrap();
    assert_eq!(warning, None);
    // The owner makes runs; the server stores decisions.
    let stage = team(false);
    crate::review::fixture::stock(&*owners.open(), "fx", &[crate::review::fixture::GUESS]);
    let review = stage.review(&*store);
    let ann = stage.actor("ann");
    let item = review
        .queue(&ann, &recon::review::QueueFilter::default(), &recon::review::PageAsk::default())
        .unwrap()
        .items
        .pop()
        .unwrap();
    let ask = crate::review::fixture::approve(&item.attribution_id);
    let resolved = review.resolve(&ann, &ask).unwrap().value;
    let sue = stage.actor("sue");
    review.approve(&sue, &crate::review::fixture::agree(&resolved, review, &sue)).unwrap();
    review.tidy().unwrap();
    assert_eq!(assert_sound(&*store).checked, 3);
    // As that role the program manages users, reads, verifies and serves.
    for arguments in [
        &["user", "add", "ann", "--role", "analyst", "--no-password"][..],
        &["token", "create", "etl", "--user", "ann", "--scope", "view"],
        &["runs", "list"],
        &["audit", "verify", "--replay"],
    ] {
        let said = project.recon(&[arguments, &["--store", &server_url]].concat());
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    }
    let serve = ["serve", "--bind", "127.0.0.1:0", "--json", "--store", &server_url];
    let mut child = project
        .command(&serve)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert!(line.contains("http://"), "{line}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let said = crate::program::Said::from(crate::program::ended(child));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.err.contains("may change the audit trail"), "{}", said.err);
    let checked = assert_sound(&*store).checked;
    for sql in [
        "UPDATE audit_trail SET comments = 'x'",
        "DELETE FROM audit_trail",
        "TRUNCATE audit_trail",
        "DROP TABLE audit_trail",
        "ALTER TABLE audit_trail DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_trail_keeps_rows ON audit_trail",
        "CREATE OR REPLACE FUNCTION audit_trail_keeps_rows() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RETURN OLD; END'",
        "SET session_replication_role = replica",
        "ALTER TABLE audit_trail OWNER TO CURRENT_USER",
        "DELETE FROM approvals",
        "DELETE FROM contributors",
        "UPDATE contributors SET person_id = 'x'",
        "DELETE FROM proposals",
        "DELETE FROM schema_migrations",
    ] {
        let refused = servers.try_execute(sql).unwrap_err();
        assert!(
            refused.contains("permission denied") || refused.contains("must be owner"),
            "{sql}: {refused}"
        );
    }
    assert_eq!(assert_sound(&*store).checked, checked);
}
