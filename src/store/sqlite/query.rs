//! One read-only statement of a person.
//!
//! Three walls, each enough by itself: the file is attached read-only, an authorizer allows nothing
//! but reading, and the prepared statement must call itself read-only. The authorizer also keeps
//! secrets from being read.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;

use crate::database::sqlite::{Access, attached, problem};
use crate::diagnostic::{Code, Problem};
use crate::store::query::{self, QueryLimits, TableColumn};
use crate::store::{RowSink, SqlValue};

/// The longest text or blob that a statement may make.
const LONGEST_VALUE: i32 = 64 << 20;

/// Steps of SQLite's virtual machine between two looks at the clock.
const STEPS: i32 = 10_000;

/// A secret that a statement asked for: table and column.
type RequestedSecret = Arc<Mutex<Option<(String, String)>>>;

/// Runs `sql` on the store at `path`.
pub(super) fn run(
    path: &Path,
    sql: &str,
    limits: QueryLimits,
    sink: &mut dyn RowSink,
) -> Result<(), Problem> {
    let failed = |error: rusqlite::Error| problem(path, &error);
    let connection = attached(path, Access::Read).map_err(failed)?;
    // Sorting and grouping go to temporary files beyond SQLite's cache, so memory is bounded.
    connection.execute_batch("PRAGMA temp_store = FILE").map_err(failed)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE).map_err(failed)?;
    let asked = RequestedSecret::default();
    let denied = Arc::clone(&asked);
    connection.authorizer(Some(move |context: AuthContext<'_>| allow_reading(context, &denied)));
    if let Some(deadline) = limits.timeout.and_then(|time| Instant::now().checked_add(time)) {
        connection.progress_handler(STEPS, Some(move || Instant::now() > deadline));
    }
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
            match asked.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some((table, column)) => query::secret(&table, &column),
                None => refused(),
            }
        }
        Some(rusqlite::ErrorCode::OperationInterrupted) => limits.timed_out(),
        Some(
            rusqlite::ErrorCode::Unknown
            | rusqlite::ErrorCode::ApiMisuse
            | rusqlite::ErrorCode::TypeMismatch
            | rusqlite::ErrorCode::TooBig,
        )
        | None => Problem::new(Code::Sql, message(&error)),
        Some(_) => problem(path, &error),
    };
    let mut statements = rusqlite::Batch::new(&connection, sql);
    let Some(mut statement) = statements.next().map_err(&failed)? else {
        return Err(Problem::new(Code::Sql, "there is no statement"));
    };
    if !statement.readonly() {
        return Err(refused());
    }
    // The statement must be the only one. The rest is parsed, never run.
    match statements.next() {
        Ok(None) => {}
        Ok(Some(_)) | Err(_) => {
            return Err(Problem::new(Code::Sql, "one statement at a time: there is more than one"));
        }
    }
    if statement.parameter_count() > 0 {
        return Err(Problem::new(Code::Sql, "the statement has parameters, which nothing fills")
            .help("write the values into the statement"));
    }
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    sink.columns(&names)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    let mut values = Vec::with_capacity(names.len());
    let mut count = 0;
    while let Some(row) = rows.next().map_err(&failed)? {
        limits.count(&mut count)?;
        values.clear();
        for at in 0..names.len() {
            values.push(match row.get_ref(at).map_err(&failed)? {
                ValueRef::Null => SqlValue::Null,
                ValueRef::Integer(value) => SqlValue::Integer(value),
                ValueRef::Real(value) => SqlValue::Real(value),
                ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
            });
        }
        sink.row(&values)?;
    }
    Ok(())
}

/// The columns of every table and view, without secrets.
pub(super) fn tables(path: &Path) -> Result<Vec<TableColumn>, Problem> {
    let read = || -> Result<Vec<TableColumn>, rusqlite::Error> {
        attached(path, Access::Read)?
            .prepare(
                "SELECT m.name, c.name, c.type FROM recon.sqlite_schema m \
                 JOIN pragma_table_info(m.name, 'recon') c \
                 WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 ORDER BY m.name, c.cid",
            )?
            .query_map([], |row| {
                Ok(TableColumn { table: row.get(0)?, column: row.get(1)?, kind: row.get(2)? })
            })?
            .collect()
    };
    let mut columns = read().map_err(|error| problem(path, &error))?;
    columns.retain(|one| !query::is_secret(&one.table, &one.column));
    Ok(columns)
}

fn allow_reading(context: AuthContext<'_>, asked: &RequestedSecret) -> Authorization {
    match context.action {
        AuthAction::Read { table_name, column_name }
            if query::is_secret(table_name, column_name) =>
        {
            let secret = Some((table_name.to_owned(), column_name.to_owned()));
            *asked.lock().unwrap_or_else(PoisonError::into_inner) = secret;
            Authorization::Deny
        }
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name }
            if !function_name.eq_ignore_ascii_case("load_extension") =>
        {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

fn refused() -> Problem {
    Problem::new(Code::SqlRefused, "only statements that read are allowed here")
        .help("SELECT, WITH, VALUES and EXPLAIN read; PRAGMA and ATTACH are refused too")
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
