//! The tables of a database that is not a store, to choose a source from.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::postgres::{Connector, of_source};
use super::{PostgresUrl, StoreUrl};
use crate::diagnostic::{Code, Problem};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, quoted where SQL needs it.
    pub name: String,
    /// How many rows it has; at most `COUNTED`.
    pub rows: i64,
}

impl Table {
    pub fn query(&self) -> String {
        format!("SELECT * FROM {}", self.name)
    }
}

/// Rows are not counted beyond this number.
const COUNTED: i64 = 1_000_000;
/// More tables are not counted.
const MOST_TABLES: usize = 200;

fn count(table: &str) -> String {
    format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {COUNTED}) counted")
}

/// The tables of a database that may be read, by their names.
///
/// # Errors
/// The database can't be opened.
pub fn of(url: &StoreUrl) -> Result<Vec<Table>, Problem> {
    match url {
        StoreUrl::Postgres(url) => {
            of_postgres(url).map_err(|problem| of_source(problem, "its URL"))
        }
        StoreUrl::Sqlite(path) => of_sqlite(path).map_err(|error| {
            let message = format!("this SQLite database can't be read: {error}");
            Problem::new(Code::SourceUnreadable, message)
                .in_file(path)
                .help("check that it is complete and may be read")
        }),
    }
}

fn of_sqlite(path: &Path) -> Result<Vec<Table>, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' \
         ESCAPE '\\' ORDER BY name",
    )?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let names = names.take(MOST_TABLES).collect::<Result<Vec<_>, _>>()?;
    let table = |name: &String| {
        let name = quoted(name);
        let rows = connection.query_row(&count(&name), [], |row| row.get(0)).ok()?;
        Some(Table { name, rows })
    };
    // A view may be broken.
    Ok(names.iter().filter_map(table).collect())
}

fn of_postgres(url: &PostgresUrl) -> Result<Vec<Table>, Problem> {
    let connector = Connector::new(url)?;
    let mut client = connector.connect()?;
    let failed = |error: &::postgres::Error| connector.problem(error);
    // The names are for the source, which reads without the store's path.
    client
        .batch_execute("RESET search_path; SET default_transaction_read_only = on")
        .map_err(|error| failed(&error))?;
    let names = client
        .query(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' \
             AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE') \
             AND has_table_privilege(c.oid, 'SELECT') ORDER BY n.nspname <> 'public', 1, 2",
            &[],
        )
        .map_err(|error| failed(&error))?;
    let mut tables = Vec::new();
    for row in names.iter().take(MOST_TABLES) {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let name = match schema.as_str() {
            "public" => quoted(&name),
            schema => format!("{}.{}", quoted(schema), quoted(&name)),
        };
        if let Ok(rows) = client.query_one(&count(&name), &[]) {
            tables.push(Table { rows: rows.get(0), name });
        }
    }
    Ok(tables)
}

/// A name as SQL writes it.
fn quoted(name: &str) -> String {
    const WORDS: [&str; 12] = [
        "all", "check", "default", "end", "from", "group", "limit", "order", "select", "table",
        "user", "where",
    ];
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !WORDS.contains(&name);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_views_of_sqlite_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE \"Order\" (id); INSERT INTO \"Order\" VALUES (1), (2); CREATE TABLE a (id); \
                 CREATE VIEW broken AS SELECT x FROM gone; CREATE VIEW v AS SELECT id FROM \"Order\"",
            )
            .unwrap();
        let tables = of(&StoreUrl::Sqlite(path)).unwrap();
        let found: Vec<_> = tables.iter().map(|table| (table.query(), table.rows)).collect();
        assert_eq!(
            found,
            [
                ("SELECT * FROM \"Order\"".to_owned(), 2),
                ("SELECT * FROM a".to_owned(), 0),
                ("SELECT * FROM v".to_owned(), 2)
            ]
        );
    }
}
