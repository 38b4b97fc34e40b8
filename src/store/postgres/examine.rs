//! Finds the functions and columns that a user's statement would use, before it runs.
//!
//! A read-only transaction keeps a statement from changing rows, but not from calling functions with side effects:
//! ending other sessions, waiting, reading files. Nor does it know which columns are secrets. So PostgreSQL itself
//! parses the statement into a temporary view, which is rolled back; the parsed form names every function, table and
//! column, however they were written.

use std::sync::LazyLock;

use ::postgres::{Client, Error};
use regex::Regex;

use crate::diagnostic::{Code, Problem};
use crate::store::query::{is_secret, secret};

/// Functions of PostgreSQL that are marked volatile and still only read.
const HARMLESS: &[&str] = &[
    "clock_timestamp",
    "gen_random_uuid",
    "pg_database_size",
    "pg_indexes_size",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "random",
    "timeofday",
];

/// Catalogues that show how tables are built and who is connected. Others show rows of tables (`pg_stats`) or passwords.
const CATALOGUES: &[&str] = &[
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_database",
    "pg_description",
    "pg_index",
    "pg_indexes",
    "pg_locks",
    "pg_namespace",
    "pg_roles",
    "pg_settings",
    "pg_stat_activity",
    "pg_stat_ssl",
    "pg_stat_user_indexes",
    "pg_stat_user_tables",
    "pg_tables",
    "pg_type",
    "pg_views",
];

/// The functions in a statement that parses as a view, each with its number; the statement does not run.
static FUNCTIONS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r":(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)").ok());

/// A table in the parsed form, or the columns read of the table before it.
static TABLES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r":relid (\d+)|:selectedCols \(b([ \d]*)\)").ok());

/// PostgreSQL's offset of column numbers in a set of columns; the whole row is column 0.
const FIRST_COLUMN: i32 = 7;

/// Refuses a statement of this many columns that calls functions with side effects, or that reads a secret. It must
/// be one statement without parameters.
pub(super) fn examine(
    client: &mut Client,
    sql: &str,
    columns: usize,
    failed: &dyn Fn(Error) -> Problem,
) -> Result<(), Problem> {
    let names: Vec<String> = (1..=columns).map(|at| format!("c{at}")).collect();
    let mut transaction = client.transaction().map_err(failed)?;
    transaction
        .batch_execute(&format!(
            "CREATE TEMPORARY VIEW recon_statement ({}) AS {sql}",
            names.join(", ")
        ))
        .map_err(|error| unparsed(error, failed))?;
    let tree: String = transaction
        .query_one(
            "SELECT ev_action::text FROM pg_catalog.pg_rewrite \
             WHERE ev_class = 'pg_temp.recon_statement'::regclass",
            &[],
        )
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    let (Some(functions), Some(tables)) = (&*FUNCTIONS, &*TABLES) else {
        return Err(Problem::new(Code::SqlUnexamined, "the statement can't be examined"));
    };
    let called: Vec<u32> = functions
        .captures_iter(&tree)
        .filter_map(|found| found.get(1)?.as_str().parse().ok())
        .collect();
    let acts = transaction
        .query_opt(
            "SELECT n.nspname || '.' || p.proname FROM pg_catalog.pg_proc p \
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
             WHERE p.oid = ANY ($1) AND NOT ( \
                 (n.nspname = 'recon' AND p.provolatile = 'i') \
                 OR (n.nspname = 'pg_catalog' AND p.oid < 16384 \
                     AND p.proname !~ '_to_xml|^txid_current$|^pg_current_xact_id$' \
                     AND (p.provolatile <> 'v' OR p.proname = ANY ($2)))) \
             ORDER BY 1 LIMIT 1",
            &[&called, &HARMLESS],
        )
        .map_err(failed)?;
    if let Some(row) = acts {
        let name: String = row.try_get(0).map_err(failed)?;
        return Err(Problem::new(
            Code::SqlFunctionRefused,
            format!("the function {name} may do more than read"),
        )
        .help(
            "functions of PostgreSQL that compute from their arguments are allowed; for others use \
             psql",
        ));
    }
    let (mut read, mut table) = (Vec::new(), 0);
    for found in tables.captures_iter(&tree) {
        if let Some(number) = found.get(1) {
            table = number.as_str().parse().unwrap_or_default();
            read.push((table, Vec::new()));
        } else if let Some(set) = found.get(2) {
            let columns = set.as_str().split_whitespace().filter_map(|bit| bit.parse::<i32>().ok());
            read.push((table, columns.map(|bit| bit - FIRST_COLUMN).collect()));
        }
    }
    for (table, columns) in read {
        refuse_secrets(&mut transaction, table, &columns).map_err(failed)??;
    }
    transaction.rollback().map_err(failed)
}

/// Refuses catalogues that show rows or passwords, and columns that are secrets.
fn refuse_secrets(
    transaction: &mut ::postgres::Transaction<'_>,
    table: u32,
    columns: &[i32],
) -> Result<Result<(), Problem>, Error> {
    let found = transaction.query(
        "SELECT n.nspname::text, c.relname::text, a.attnum::integer, a.attname::text \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
         WHERE c.oid = $1 AND n.nspname IN ('recon', 'pg_catalog', 'pg_toast')",
        &[&table],
    )?;
    for row in found {
        let (schema, table): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let (number, column): (i32, String) = (row.try_get(2)?, row.try_get(3)?);
        if schema != "recon" && !CATALOGUES.contains(&table.as_str()) {
            let message = format!("{schema}.{table} is not for reading here");
            return Ok(Err(Problem::new(Code::SqlSecret, message)
                .help("`recon sql --tables` lists the tables of the store")));
        }
        let is_read = columns.contains(&number) || columns.contains(&0);
        if schema == "recon" && is_read && is_secret(&table, &column) {
            return Ok(Err(secret(&table, &column)));
        }
    }
    Ok(Ok(()))
}

/// Explains why a statement can't be a view: one that writes is refused as such.
fn unparsed(error: Error, failed: &dyn Fn(Error) -> Problem) -> Problem {
    let Some(said) = error.as_db_error() else { return failed(error) };
    match said.code().code() {
        "0A000" => super::query::refused(),
        "42501" => failed(error).help(
            "recon parses a statement as a temporary view before it runs it: grant this role \
             TEMPORARY on the database",
        ),
        // A function without a value can only be called for its side effects.
        "42P16" if said.message().ends_with("pseudo-type void") => Problem::new(
            Code::SqlFunctionRefused,
            "a function that returns nothing may do more than read",
        ),
        "42P16" => Problem::new(Code::Sql, said.message().to_owned())
            .help("a column of the answer needs a type of its own: name its parts or cast it"),
        _ => failed(error),
    }
}
