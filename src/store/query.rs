//! Limits of a person's statement: which tables and how many rows, the same on every backend.

use std::time::Duration;

use crate::diagnostic::{Code, Problem};

/// How long a statement may run, and how many rows its answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// The time; `None` for as long as it takes.
    pub timeout: Option<Duration>,
    /// The rows; `None` for as many as there are.
    pub rows: Option<u64>,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { timeout: Some(Duration::from_secs(300)), rows: Some(1_000_000) }
    }
}

impl QueryLimits {
    /// Counts a row of the answer.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn count(self, rows: &mut u64) -> Result<(), Problem> {
        *rows += 1;
        match self.rows {
            Some(limit) if *rows > limit => Err(Problem::new(
                Code::SqlTooManyRows,
                format!("the answer has more than {limit} rows; it ends here"),
            )
            .help("add a LIMIT to the statement, or allow more rows with --limit")),
            _ => Ok(()),
        }
    }

    /// The statement took too long.
    pub(super) fn timed_out(self) -> Problem {
        let seconds = self.timeout.unwrap_or_default().as_secs();
        Problem::new(Code::SqlTimeout, format!("the statement ran for more than {seconds} s"))
            .help("narrow it down, or give it more time with --timeout")
    }
}

/// A column of a table or view, for people who write statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// The table or view, in the schema `recon`.
    pub table: String,
    pub column: String,
    /// Its type as the store names it; empty where SQLite has none, as in views.
    pub kind: String,
}

/// True for columns with credentials. They are stored as digests, and even those are never shown.
pub(super) fn is_secret(table: &str, column: &str) -> bool {
    column == "password"
        || column == "token"
        || column.contains("secret")
        || (table == "login_attempts" && column == "subject")
        || (table == "idempotency" && column == "response")
}

/// A statement that reads a secret.
pub(super) fn secret(table: &str, column: &str) -> Problem {
    Problem::new(Code::SqlSecret, format!("{table}.{column} is a secret and is never shown"))
        .help("name the columns that you need instead of `*`; `recon sql --tables` lists them")
}

/// A statement for people: the differences of a run that have a reason.
#[must_use]
pub fn differences_of_reason(run_id: &str, code: &str) -> String {
    format!(
        "SELECT d.* FROM recon.data_differences d \
         JOIN recon.attributions a ON a.diff_id = d.diff_id \
         JOIN recon.reason_codes r ON r.reason_id = a.reason_id \
         WHERE d.run_id = '{run_id}' AND r.code = '{code}'"
    )
}
