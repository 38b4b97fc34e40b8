//! Rows in PostgreSQL's binary COPY format, sent in pieces of some megabytes.

use std::sync::Arc;

use ::postgres::Error;

use crate::database::postgres::Connector;
use crate::diagnostic::{Code, Problem};

/// From this size on a piece is sent.
const PIECE: usize = 1 << 20;
/// What comes before the rows of a copy, and what after them.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub(super) const TRAILER: &[u8] = &(-1i16).to_be_bytes();

/// A piece of the rows of one table.
pub(super) struct Rows {
    /// The statement that copies them.
    pub statement: Arc<str>,
    pub bytes: Vec<u8>,
}

/// Rows on their way into one table.
pub(super) struct Copy {
    statement: Arc<str>,
    columns: i16,
    bytes: Vec<u8>,
}

impl Copy {
    /// Rows for these columns of `table`. `fresh`: the table was made in this transaction, so that
    /// its rows need no later look by VACUUM.
    pub(super) fn new(table: &str, columns: &[&str], fresh: bool) -> Self {
        let freeze = if fresh { ", FREEZE true" } else { "" };
        Self {
            statement: format!(
                "COPY {table} ({}) FROM STDIN WITH (FORMAT binary{freeze})",
                columns.join(", ")
            )
            .into(),
            columns: i16::try_from(columns.len()).unwrap_or(i16::MAX),
            bytes: Vec::new(),
        }
    }

    /// Begins a row; as many fields follow as there are columns.
    pub(super) fn row(&mut self) {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
    }

    fn field(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            // A piece is far smaller than the 2 GiB that fit a field's length.
            Some(bytes) => {
                let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
                self.bytes.extend_from_slice(&length.to_be_bytes());
                self.bytes.extend_from_slice(bytes);
            }
            None => self.bytes.extend_from_slice(&(-1i32).to_be_bytes()),
        }
    }

    /// A text. PostgreSQL has no character NUL: the replacement character takes its place.
    pub(super) fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) if memchr::memchr(0, text.as_bytes()).is_some() => {
                self.field(Some(text.replace('\0', "\u{fffd}").as_bytes()));
            }
            text => self.field(text.map(str::as_bytes)),
        }
    }

    pub(super) fn int8(&mut self, value: Option<i64>) {
        self.field(value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    pub(super) fn int4(&mut self, value: Option<i32>) {
        self.field(value.map(i32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
    }

    pub(super) fn int2(&mut self, value: Option<i16>) {
        self.field(value.map(i16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice));
    }

    pub(super) fn float8(&mut self, value: Option<f64>) {
        self.field(value.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    pub(super) fn boolean(&mut self, value: Option<bool>) {
        self.field(value.map(|value| [u8::from(value)]).as_ref().map(<[u8; 1]>::as_slice));
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= PIECE
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The rows so far; those that follow are another piece.
    pub(super) fn take(&mut self) -> Rows {
        // The next piece will be about as long.
        let next = Vec::with_capacity(self.bytes.capacity());
        let bytes = std::mem::replace(&mut self.bytes, next);
        Rows { statement: Arc::clone(&self.statement), bytes }
    }
}

/// Why rows could not be sent.
#[derive(Debug)]
pub(super) enum CopyFailure {
    Postgres(Error),
    /// The connection broke.
    Connection(std::io::Error),
    /// Rows were encoded wrongly.
    Problem(Problem),
}

impl CopyFailure {
    /// What it means to users of this server.
    pub(super) fn problem(&self, connector: &Connector) -> Problem {
        match self {
            Self::Postgres(error) => connector.problem(error),
            Self::Problem(problem) => problem.clone(),
            Self::Connection(error) => Problem::new(
                Code::StoreUnreachable,
                format!("the connection to the store broke: {error}"),
            )
            .help("nothing of this command is stored; run it again when the server is up"),
        }
    }
}

impl From<Problem> for CopyFailure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for CopyFailure {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<std::io::Error> for CopyFailure {
    fn from(error: std::io::Error) -> Self {
        Self::Connection(error)
    }
}
