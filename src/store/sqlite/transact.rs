//! Transactions of the review on SQLite.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, Statement, ToSql, params_from_iter};

use super::SqliteStore;
use super::identity::Log;
use super::unlogged::turn_log_on;
use super::write_lock::WriteConnection;
use crate::database::sqlite as database;
use crate::diagnostic::{Code, Problem};
use crate::store::SqlValue;
use crate::store::trail_end::TrailEnd;
use crate::store::transact::{Dialect, SqlRow, Transact, Transaction, Work};

impl Transact for SqliteStore {
    fn read(&self, work: &mut Work<'_>) -> Result<(), Problem> {
        self.identity.check_all()?;
        let read = |connection: &Connection, direct: bool| {
            let undo = self.begin(connection, "BEGIN")?;
            work(&mut SqliteTransaction { path: &self.path, connection, direct })?;
            undo.commit().map_err(|error| self.problem(&error))
        };
        self.look(read).map_err(|problem| self.identity.reason(problem))
    }

    fn write(&self, work: &mut Work<'_>) -> Result<(), Problem> {
        self.identity.check()?;
        let mut guard = self.write_lock.take(&self.path)?;
        let reason = |problem| self.identity.reason(problem);
        let held = match guard.held.take() {
            Some(held) => held,
            None => self.write_connection().map_err(|error| reason(self.problem(&error)))?,
        };
        let held = guard.held.insert(held);
        let done = self.write_with(held, work).map_err(reason);
        if done.as_ref().is_err_and(|problem| problem.code == Code::StoreReplaced) {
            // It has the file open that was replaced.
            guard.held = None;
        }
        done
    }

    fn write_at_start(&self, work: &mut Work<'_>) -> Result<(), Problem> {
        self.identity.check()?;
        let connection = self.direct()?;
        let begin = || self.begin(&connection, "BEGIN IMMEDIATE");
        let undo = self.waiting.while_seen(begin)?;
        let mut transaction = SqliteTransaction::direct(&self.path, &connection);
        self.trail_end.check(&mut transaction)?;
        work(&mut transaction)?;
        undo.commit().map_err(|error| self.problem(&error))?;
        self.identity.check()?;
        self.spare.keep(connection);
        Ok(())
    }
}

impl SqliteStore {
    fn write_connection(&self) -> Result<WriteConnection, rusqlite::Error> {
        let connection = database::attached(&self.path, database::Access::Write)?;
        turn_log_on(&connection, "recon", &self.waiting);
        // A person's decision is on the disk before the answer is sent.
        connection.execute_batch("PRAGMA recon.synchronous = FULL")?;
        connection.set_prepared_statement_cache_capacity(256);
        Ok(WriteConnection { connection, log: Log::default() })
    }

    fn write_with(&self, held: &mut WriteConnection, work: &mut Work<'_>) -> Result<(), Problem> {
        let begin = || self.begin(&held.connection, "BEGIN IMMEDIATE");
        let undo = self.waiting.while_seen(begin)?;
        held.log.check(&self.path)?;
        let mut transaction = SqliteTransaction::attached(&self.path, &held.connection);
        self.trail_end.check(&mut transaction)?;
        work(&mut transaction)?;
        let end = TrailEnd::end(&mut transaction)?;
        undo.commit().map_err(|error| self.problem(&error))?;
        // Rows written to a file that was deleted meanwhile are lost.
        self.identity.check()?;
        held.log.check(&self.path)?;
        self.identity.remember(&held.log);
        self.trail_end.remember(end);
        Ok(())
    }

    /// Begins a transaction, which is rolled back unless it is committed, after a panic too.
    fn begin<'c>(&self, connection: &'c Connection, begin: &str) -> Result<Undo<'c>, Problem> {
        connection.execute_batch(begin).map_err(|error| self.problem(&error))?;
        Ok(Undo { connection })
    }
}

/// Rolls back when it is dropped.
struct Undo<'c> {
    connection: &'c Connection,
}

impl Undo<'_> {
    fn commit(self) -> Result<(), rusqlite::Error> {
        self.connection.execute_batch("COMMIT")?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        // A connection that can't even roll back reports that with its next statement.
        let _ = self.connection.execute_batch("ROLLBACK");
    }
}

/// The transaction that is open on a connection.
pub(super) struct SqliteTransaction<'c> {
    path: &'c Path,
    connection: &'c Connection,
    /// The file is the main database, whose names are not qualified.
    direct: bool,
}

impl<'c> SqliteTransaction<'c> {
    const fn attached(path: &'c Path, connection: &'c Connection) -> Self {
        Self { path, connection, direct: false }
    }

    /// On a connection that opened the file as its main database.
    pub const fn direct(path: &'c Path, connection: &'c Connection) -> Self {
        Self { path, connection, direct: true }
    }
}

impl SqliteTransaction<'_> {
    fn problem(&self, error: &rusqlite::Error) -> Problem {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => {
                Problem::new(Code::StoreConstraint, format!("the store refused: {error}"))
            }
            _ => database::problem(self.path, error),
        }
    }

    fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>, Problem> {
        let mut sql = numbered(sql);
        if self.direct {
            sql = sql.replace("recon.", "");
        }
        self.connection.prepare_cached(&sql).map_err(|error| self.problem(&error))
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn execute(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<u64, Problem> {
        let mut statement = self.prepare(sql)?;
        let changed = statement.execute(params_from_iter(parameters));
        changed.map(|rows| rows as u64).map_err(|error| self.problem(&error))
    }

    fn query(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<Vec<SqlRow>, Problem> {
        let mut answers = Vec::new();
        self.query_each(sql, parameters, &mut |answer| {
            answers.push(answer);
            Ok(())
        })?;
        Ok(answers)
    }

    fn query_each(
        &mut self,
        sql: &str,
        parameters: &[SqlValue],
        each: &mut dyn FnMut(SqlRow) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let mut statement = self.prepare(sql)?;
        let columns = statement.column_count();
        let problem = |error: rusqlite::Error| self.problem(&error);
        let statement: &mut Statement<'_> = &mut statement;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(problem)?;
        while let Some(row) = rows.next().map_err(problem)? {
            let values = (0..columns).map(|at| row.get_ref(at).map(read));
            each(SqlRow(values.collect::<Result<_, _>>().map_err(problem)?))?;
        }
        Ok(())
    }
}

/// `$1` as SQLite numbers it; a `$` before anything else, such as a JSON path, stays.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    while let Some(character) = characters.next() {
        let digit = characters.peek().is_some_and(char::is_ascii_digit);
        text.push(if character == '$' && digit { '?' } else { character });
    }
    text
}

fn read(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(value) => SqlValue::Integer(value),
        ValueRef::Real(value) => SqlValue::Real(value),
        ValueRef::Text(text) => SqlValue::Text(match simdutf8::basic::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(text).into_owned(),
        }),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    }
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Self::Boolean(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Json(json) => ToSqlOutput::Owned(Value::Text(json.to_string())),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn only_numbers_are_parameters() {
        assert_eq!(numbered("a = $1 AND b -> '$[0]' = $12"), "a = ?1 AND b -> '$[0]' = ?12");
    }
}
