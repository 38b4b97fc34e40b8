//! A new file gets the schema in one step: building it migration by migration takes several times as
//! long, because SQLite reads the whole schema again after each `ALTER TABLE`.

use rusqlite::{Connection, Error, params};

use crate::store::migrate::Migration;

/// The schema after all migrations.
const SCHEMA: &str = include_str!("../../../migrations/sqlite/schema.sql");

/// Brings the schema of `connection` from before the `missing` of `all` migrations up to date, and
/// notes them in `schema_migrations`.
pub(super) fn apply(
    connection: &Connection,
    missing: &[Migration],
    all: &[Migration],
) -> Result<(), Error> {
    let is_new = missing.len() == all.len();
    if is_new {
        connection.execute_batch(SCHEMA)?;
    }
    let mut note = connection.prepare(
        "INSERT INTO schema_migrations VALUES \
         (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), ?4)",
    )?;
    for migration in missing {
        if !is_new {
            connection.execute_batch(migration.sql)?;
        }
        note.execute(params![
            migration.version,
            migration.name,
            migration.checksum(),
            env!("CARGO_PKG_VERSION")
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::store::migrate::SQLITE;

    /// The statements that make the schema of this file, and the rows that it has from the start.
    fn statements(connection: &Connection) -> String {
        let mut text = String::from(
            "-- The schema that the migrations make, for new files. Produced from them: `RECON_UPDATE_DOCS=1 cargo test`\n\
             -- writes it anew.\n",
        );
        let texts = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        for sql in texts(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
        ) {
            write!(text, "\n{sql};\n").unwrap();
        }
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' \
                      AND name <> 'schema_migrations' AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
        for table in texts(tables) {
            let columns = texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
            let quoted: Vec<String> = columns.iter().map(|name| format!("quote({name})")).collect();
            let values = quoted.join(" || ', ' || ");
            for row in texts(&format!("SELECT {values} FROM {table}")) {
                write!(text, "\nINSERT INTO {table} VALUES ({row});\n").unwrap();
            }
        }
        text
    }

    /// A file to which every migration was applied.
    fn migrated() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let (first, rest) = SQLITE.split_first().unwrap();
        let table = "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, \
                     checksum TEXT NOT NULL, applied_at TEXT NOT NULL, program_version TEXT NOT NULL)";
        connection.execute_batch(table).unwrap();
        connection.execute_batch(first.sql).unwrap();
        apply(&connection, rest, SQLITE).unwrap();
        connection
    }

    #[test]
    fn a_new_file_has_the_schema_that_the_migrations_make() {
        let made = statements(&migrated());
        if std::env::var_os("RECON_UPDATE_DOCS").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite/schema.sql");
            std::fs::write(path, made).unwrap();
            return;
        }
        assert!(
            made == SCHEMA,
            "migrations/sqlite/schema.sql is out of date; RECON_UPDATE_DOCS=1 cargo test writes it anew"
        );
        let connection = Connection::open_in_memory().unwrap();
        apply(&connection, SQLITE, SQLITE).unwrap();
        assert_eq!(statements(&connection), made);
    }
}
