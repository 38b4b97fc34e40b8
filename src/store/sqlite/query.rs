//! One read-only statement of a person.
//!
//! Three walls, each enough by itself: the file is attached read-only, an authorizer allows nothing
//! but reading, and the prepared statement must call itself read-only.

use std::path::Path;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;

use crate::database::sqlite::{Access, attached, problem};
use crate::diagnostic::Problem;
use crate::store::{RowSink, SqlValue};

/// Runs `sql` on the store at `path`.
pub(super) fn run(path: &Path, sql: &str, sink: &mut dyn RowSink) -> Result<(), Problem> {
    let connection = attached(path, Access::Read).map_err(|error| problem(path, &error))?;
    connection.authorizer(Some(allow_reading));
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => refused(),
        Some(
            rusqlite::ErrorCode::Unknown
            | rusqlite::ErrorCode::ApiMisuse
            | rusqlite::ErrorCode::TypeMismatch
            | rusqlite::ErrorCode::TooBig,
        )
        | None => Problem::usage("sql", message(&error)),
        Some(_) => problem(path, &error),
    };
    let mut statements = rusqlite::Batch::new(&connection, sql);
    let Some(mut statement) = statements.next().map_err(failed)? else {
        return Err(Problem::usage("sql", "there is no statement"));
    };
    if !statement.readonly() {
        return Err(refused());
    }
    // What follows must be nothing; it isn't run to find out.
    match statements.next() {
        Ok(None) => {}
        Ok(Some(_)) | Err(_) => {
            return Err(Problem::usage("sql", "one statement at a time: there is more than one"));
        }
    }
    if statement.parameter_count() > 0 {
        return Err(Problem::usage("sql", "the statement has parameters, which nothing fills")
            .help("write the values into the statement"));
    }
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    sink.columns(&names)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut values = Vec::with_capacity(names.len());
    while let Some(row) = rows.next().map_err(failed)? {
        values.clear();
        for at in 0..names.len() {
            values.push(match row.get_ref(at).map_err(failed)? {
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

fn allow_reading(context: AuthContext<'_>) -> Authorization {
    match context.action {
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
    Problem::usage("sql-refused", "only statements that read are allowed here")
        .help("SELECT, WITH, VALUES and EXPLAIN read; PRAGMA and ATTACH are refused too")
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
