//! Statements of the review: transactions whose SQL is one text for both backends.
//!
//! Runs are written in bulk through [`super::Writer`]; decisions are small, and must be all or nothing together with
//! their audit rows. A [`Transaction`] gives that with statements whose parameters are `$1`, `$2`, … in the order of
//! their first mention, and whose names are qualified (`recon.…`), as in users' own SQL. Values are always bound,
//! never written into a statement.

use std::time::Duration;

use crate::database::patience;
use crate::diagnostic::{Code, Problem};

use super::SqlValue;

/// The SQL dialect of a transaction, for the few places where one text does not serve both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The end of a `SELECT` that locks the rows it reads. SQLite has a single writer and needs none.
    pub const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlRow(pub Vec<SqlValue>);

impl SqlRow {
    fn at(&self, column: usize) -> &SqlValue {
        self.0.get(column).unwrap_or(&SqlValue::Null)
    }

    /// A text; `None` for null.
    ///
    /// # Errors
    /// A value of another type.
    pub fn text(&self, column: usize) -> Result<Option<String>, Problem> {
        Ok(self.str(column)?.map(str::to_owned))
    }

    /// A text, borrowed; `None` for null.
    ///
    /// # Errors
    /// A value of another type.
    pub fn str(&self, column: usize) -> Result<Option<&str>, Problem> {
        match self.at(column) {
            SqlValue::Null => Ok(None),
            SqlValue::Text(text) | SqlValue::Json(text) => Ok(Some(text)),
            other => Err(unexpected(column, "a text", other)),
        }
    }

    /// A text that is never null.
    ///
    /// # Errors
    /// Null, or a value of another type.
    pub fn required(&self, column: usize) -> Result<String, Problem> {
        self.text(column)?.ok_or_else(|| unexpected(column, "a text", &SqlValue::Null))
    }

    /// A whole number; `None` for null.
    ///
    /// # Errors
    /// A value of another type.
    pub fn integer(&self, column: usize) -> Result<Option<i64>, Problem> {
        match self.at(column) {
            SqlValue::Null => Ok(None),
            SqlValue::Integer(value) => Ok(Some(*value)),
            SqlValue::Boolean(value) => Ok(Some(i64::from(*value))),
            other => Err(unexpected(column, "a whole number", other)),
        }
    }

    /// A whole number that is never null.
    ///
    /// # Errors
    /// Null, or a value of another type.
    pub fn count(&self, column: usize) -> Result<i64, Problem> {
        self.integer(column)?.ok_or_else(|| unexpected(column, "a whole number", &SqlValue::Null))
    }

    /// A number; `None` for null.
    ///
    /// # Errors
    /// A value of another type.
    pub fn real(&self, column: usize) -> Result<Option<f64>, Problem> {
        match self.at(column) {
            SqlValue::Null => Ok(None),
            SqlValue::Real(value) => Ok(Some(*value)),
            // Counts are far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
            SqlValue::Integer(value) => Ok(Some(*value as f64)),
            SqlValue::Text(text) if text.parse::<f64>().is_ok() => Ok(text.parse().ok()),
            other => Err(unexpected(column, "a number", other)),
        }
    }

    /// True or false; null is false.
    ///
    /// # Errors
    /// A value of another type.
    pub fn boolean(&self, column: usize) -> Result<bool, Problem> {
        Ok(self.integer(column)?.unwrap_or_default() != 0)
    }

    /// Bytes; `None` for null.
    ///
    /// # Errors
    /// A value of another type.
    pub fn blob(&self, column: usize) -> Result<Option<Vec<u8>>, Problem> {
        match self.at(column) {
            SqlValue::Null => Ok(None),
            SqlValue::Blob(bytes) => Ok(Some(bytes.clone())),
            other => Err(unexpected(column, "bytes", other)),
        }
    }
}

fn unexpected(column: usize, wanted: &str, found: &SqlValue) -> Problem {
    Problem::new(
        Code::StoreDamaged,
        format!("column {column} of an answer of the store should be {wanted}, it is {found:?}"),
    )
    .help("the store was changed by another hand, or it is damaged")
}

/// A transaction: its changes are visible when the function that it was handed to has returned `Ok`, and not at all
/// otherwise.
pub trait Transaction {
    /// Its SQL dialect.
    fn dialect(&self) -> Dialect;

    /// Runs a statement that changes rows; gives their number.
    ///
    /// # Errors
    /// The store's error. A constraint or trigger that refuses has the code [`Code::StoreConstraint`].
    fn execute(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<u64, Problem>;

    /// Runs a statement that gives rows.
    ///
    /// # Errors
    /// As [`Transaction::execute`].
    fn query(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<Vec<SqlRow>, Problem>;

    /// As [`Transaction::query`], for statements on the items of many runs that are asked again and again: PostgreSQL
    /// keeps the plan.
    ///
    /// # Errors
    /// As [`Transaction::execute`].
    fn query_again(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<Vec<SqlRow>, Problem> {
        self.query(sql, parameters)
    }

    /// Calls `each` for every row of an answer of any size.
    ///
    /// # Errors
    /// As [`Transaction::execute`], and errors of `each`.
    fn query_each(
        &mut self,
        sql: &str,
        parameters: &[SqlValue],
        each: &mut dyn FnMut(SqlRow) -> Result<(), Problem>,
    ) -> Result<(), Problem>;
}

/// Shorter ways to read small answers.
impl dyn Transaction + '_ {
    /// Reads every row of an answer.
    ///
    /// # Errors
    /// As [`Transaction::query`], and errors of `read`.
    pub(crate) fn list<T>(
        &mut self,
        sql: &str,
        parameters: &[SqlValue],
        read: impl Fn(&SqlRow) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        self.query(sql, parameters)?.iter().map(read).collect()
    }

    /// As [`Self::list`], by [`Transaction::query_again`].
    ///
    /// # Errors
    /// As [`Transaction::query`], and errors of `read`.
    pub(crate) fn list_again<T>(
        &mut self,
        sql: &str,
        parameters: &[SqlValue],
        read: impl Fn(&SqlRow) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        self.query_again(sql, parameters)?.iter().map(read).collect()
    }

    /// Reads the first row of an answer, if there is one.
    ///
    /// # Errors
    /// As [`Transaction::query`], and errors of `read`.
    pub(crate) fn find<T>(
        &mut self,
        sql: &str,
        parameters: &[SqlValue],
        read: impl Fn(&SqlRow) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.query(sql, parameters)?.first().map(read).transpose()
    }

    /// The number in the first column of the first row; 0 where there is none.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub(crate) fn count(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<i64, Problem> {
        Ok(self.find(sql, parameters, |row| row.integer(0))?.flatten().unwrap_or_default())
    }

    /// True if the answer has a row.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub(crate) fn exists(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<bool, Problem> {
        Ok(!self.query(sql, parameters)?.is_empty())
    }
}

/// Timeout of writing a note.
const NOTE_TIME: Duration = Duration::from_millis(100);

/// Work within a transaction.
pub type Work<'a> = dyn FnMut(&mut dyn Transaction) -> Result<(), Problem> + 'a;

/// A store on which reviewers work.
pub trait Transact: Send + Sync {
    /// Runs `work` in a transaction that only reads: one moment of the store.
    ///
    /// # Errors
    /// Errors of the store or of `work`.
    fn read(&self, work: &mut Work<'_>) -> Result<(), Problem>;

    /// Runs `work` in a transaction that may write, and makes it durable. On SQLite it has the only
    /// write lock from its start, so keep it short.
    ///
    /// # Errors
    /// Errors of the store or of `work`; then nothing was changed.
    fn write(&self, work: &mut Work<'_>) -> Result<(), Problem>;

    /// As [`Transact::write`], for the beginning of a command, which is told to nobody before its end: it is durable with
    /// what the command's [`Writer`](super::Writer) makes durable.
    ///
    /// # Errors
    /// As [`Transact::write`].
    fn write_at_start(&self, work: &mut Work<'_>) -> Result<(), Problem> {
        self.write(work)
    }
}

/// Runs `work` in a read-only transaction, and returns its result.
///
/// # Errors
/// As [`Transact::read`].
pub fn read<T, S: Transact + ?Sized>(
    store: &S,
    mut work: impl FnMut(&mut dyn Transaction) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut value = None;
    store.read(&mut |transaction| {
        value = Some(work(transaction)?);
        Ok(())
    })?;
    value.ok_or_else(nothing_done)
}

/// Runs `work` in a transaction that may write, and returns its result. `work` may fail with an error of its own (a
/// refusal of the workflow, say); then nothing was changed.
///
/// # Errors
/// As [`Transact::write`].
pub fn write<T, E: From<Problem>, S: Transact + ?Sized>(
    store: &S,
    mut work: impl FnMut(&mut dyn Transaction) -> Result<T, E>,
) -> Result<T, E> {
    let mut value = None;
    let done = store.write(&mut |transaction| match work(transaction) {
        Ok(done) => {
            value = Some(Ok(done));
            Ok(())
        }
        Err(error) => {
            value = Some(Err(error));
            Err(Problem::new(Code::RolledBack, "the transaction was given up"))
        }
    });
    match (done, value) {
        // A failed commit fails the work, even if the work succeeded.
        (Err(problem), None | Some(Ok(_))) => Err(problem.into()),
        (_, Some(value)) => value,
        (Ok(()), None) => Err(nothing_done().into()),
    }
}

/// Runs `work` in a transaction that may write, if the store lets it soon. This is for notes that
/// that is not worth waiting for, such as when a session was last used.
///
/// # Errors
/// As [`Transact::write`], but for a store that can't be written to at the moment.
pub fn write_if_free<S: Transact + ?Sized>(
    store: &S,
    work: impl FnMut(&mut dyn Transaction) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match patience::within(NOTE_TIME, || write(store, work)) {
        Err(problem)
            if matches!(problem.code, Code::StoreBusy | Code::StoreReadOnly | Code::DiskFull) =>
        {
            Ok(())
        }
        done => done,
    }
}

fn nothing_done() -> Problem {
    Problem::new(Code::NothingDone, "a transaction ended without a result")
}

macro_rules! values_from {
    ($($type:ty => |$value:ident| $made:expr,)+) => {
        $(impl From<$type> for SqlValue {
            fn from($value: $type) -> Self { $made }
        })+
    };
}

values_from! {
    &str => |value| Self::Text(value.to_owned()),
    String => |value| Self::Text(value),
    &String => |value| Self::Text(value.clone()),
    i64 => |value| Self::Integer(value),
    i32 => |value| Self::Integer(value.into()),
    u32 => |value| Self::Integer(value.into()),
    u8 => |value| Self::Integer(value.into()),
    u64 => |value| Self::Integer(value.cast_signed()),
    usize => |value| Self::Integer(i64::try_from(value).unwrap_or(i64::MAX)),
    bool => |value| Self::Boolean(value),
    f64 => |value| Self::Real(value),
    Vec<u8> => |value| Self::Blob(value),
    &[u8] => |value| Self::Blob(value.to_vec()),
}

impl<T: Into<Self>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
