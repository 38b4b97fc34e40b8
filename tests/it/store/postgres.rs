//! Cases specific to PostgreSQL.

use std::path::Path;

use recon::database::StoreUrl;
use recon::database::postgres::Connector;
use recon::diagnostic::Code;
use recon::store::{Opening, open};

use super::Place;
use super::fixture::{column, new_run, run_in_one_pass};

fn parse(url: &str) -> StoreUrl {
    StoreUrl::parse(url, Path::new("")).unwrap()
}

#[test]
fn a_condition_on_the_run_reads_only_its_partitions() {
    let place = Place::postgres();
    let store = place.open();
    let runs = [new_run("one", 0, true), new_run("two", 0, true), new_run("three", 0, true)];
    for run in &runs {
        run_in_one_pass(&*store, run);
    }
    for (view, partition) in [
        ("recon_records", "record_rows_"),
        ("data_differences", "difference_rows_"),
        ("attributions", "difference_rows_"),
    ] {
        let plan = column(
            &*store,
            &format!(
                "EXPLAIN (ANALYZE, COSTS off, TIMING off) \
                 SELECT * FROM recon.{view} WHERE run_id = '{}'",
                runs[1].id
            ),
        );
        let read = plan
            .iter()
            .filter(|step| step.contains(partition) && step.contains("actual rows"))
            .count();
        assert_eq!(read, 1, "{view}: {}", plan.join("\n"));
    }
}

#[test]
fn programs_starting_together_migrate_once() {
    let place = Place::postgres();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(place.open()));
        }
    });
    let store = place.open();
    let applied = column(&*store, "SELECT count(*) FROM recon.schema_migrations");
    assert_eq!(applied, [recon::store::migrate::POSTGRES.len().to_string()]);
}

#[test]
fn an_unreachable_server_is_distinguished_from_a_refusal() {
    let away = open(&parse("postgres://127.0.0.1:1/x?connect_timeout=2"), Opening::Create);
    let problem = away.err().unwrap();
    assert_eq!(problem.code, Code::StoreUnreachable);
    let place = Place::postgres();
    let StoreUrl::Postgres(url) = &place.url else { unreachable!() };
    let missing = format!("postgres://postgres:secret@{}:{}/no_such", url.host, url.port);
    let problem = open(&parse(&missing), Opening::Create).err().unwrap();
    assert_eq!(problem.code, Code::StoreMissing);
    assert!(problem.message.contains("no_such"), "{problem}");
    assert!(!problem.to_string().contains("secret"), "{problem}");
    let unknown = format!("postgres://nobody_here@{}:{}/postgres", url.host, url.port);
    assert_eq!(open(&parse(&unknown), Opening::Create).err().unwrap().code, Code::StoreLogin);
    // Only its creator knows the throw-away server's CA.
    if std::env::var_os("RECON_TEST_DATABASE_URL").is_none() {
        let url = format!("{}?sslmode=verify-full", place.url);
        assert_eq!(open(&parse(&url), Opening::Create).err().unwrap().code, Code::StoreTls);
    }
    // The right host and port, login and sslmode.
    drop(place.open());
}

#[test]
fn a_role_without_privileges_gets_a_clear_error() {
    let place = Place::postgres();
    drop(place.open());
    let StoreUrl::Postgres(url) = &place.url else { unreachable!() };
    let role = format!("recon_reader_{}", std::process::id());
    place.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA recon TO {role}; \
         GRANT SELECT ON ALL TABLES IN SCHEMA recon TO {role}"
    ));
    let database = url.database.clone().unwrap();
    let reader = format!("postgres://{role}:x@{}:{}/{database}", url.host, url.port);
    let store = open(&parse(&reader), Opening::Existing).unwrap();
    assert_eq!(column(&*store, "SELECT count(*) FROM recon.recon_runs"), ["0"]);
    let problem = store.create_run(&new_run("job", 0, true)).unwrap_err();
    assert_eq!(problem.code, Code::StorePermission);
    assert!(problem.help.is_some());
    drop(store);
    // Another role, for which the server only reads, as a replica does.
    place.execute(&format!(
        "ALTER ROLE {role} SUPERUSER; ALTER ROLE {role} SET default_transaction_read_only = on"
    ));
    let create = || {
        let store = open(&parse(&reader), Opening::Existing)?;
        store.create_run(&new_run("job", 0, true)).map(drop)
    };
    assert_eq!(create().unwrap_err().code, Code::StoreReadOnly);
    place.execute(&format!("ALTER ROLE {role} RESET default_transaction_read_only"));
    create().unwrap();
    let StoreUrl::Postgres(admin) = parse(&place.url.to_string()) else { unreachable!() };
    let mut client = Connector::new(&admin).unwrap().connect().unwrap();
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
}
