//! The result of one SELECT on PostgreSQL or SQLite, read in a transaction that can't write.
//!
//! A thread of its own reads the result as PostgreSQL's COPY writes it: a line for each row, tabs
//! between cells, `\N` for null. Any thread takes the lines apart. The digest of the source is that of
//! this text, so that an auditor can make it again: `psql -c "COPY (…) TO STDOUT" | sha256sum`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use postgres::error::SqlState;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::blocks::TextBlock;
use super::dialect::{Fields, Span};
use super::input::{Input, Inputs};
use super::kind::{
    InputRead, Kind, OpenContext, Opening, Piece, Pieces, RawRow, RowParser, Sink, no_encoding,
};
use super::unreadable::unreadable_cell;
use super::{KindSpec, SourcePlan};
use crate::coding::hex;
use crate::database::postgres::{Connector, of_source};
use crate::database::{PostgresUrl, StoreUrl};
use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::place::Unit;

/// The options of `read: { sql: … }`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlSpec {
    /// The database: `postgres://user@host/database`, or `sqlite:PATH` relative to `recon.yaml`. Its
    /// password is never stored.
    #[schemars(example = &"postgres://reader@db.example.com/ledger")]
    pub url: String,
    /// One SELECT. Its columns are those of the source.
    #[schemars(example = &"SELECT id, amount FROM payments")]
    pub query: String,
    /// Cells that mean null, besides NULL. Default the empty text; replaces the default.
    pub null_values: Option<Vec<String>>,
    /// Databases have no encoding to choose.
    #[schemars(skip)]
    pub encoding: Option<String>,
}

/// Only the query: the URL may hold a password.
impl std::fmt::Debug for SqlSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlSpec").field("query", &self.query).finish_non_exhaustive()
    }
}

/// A query, with everything decided.
#[derive(Clone, Debug)]
struct SqlPlan {
    url: StoreUrl,
    query: String,
}

impl KindSpec for SqlSpec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        no_encoding(self.encoding.as_ref(), "a database", &mut problems);
        let url = StoreUrl::parse(&self.url, base).map_err(|problem| {
            let message = problem
                .message
                .replace("the store", "the database")
                .replace("kind of store", "kind of database");
            problems.push(SpecProblem::new(["url"], Problem { message, ..problem }));
        });
        let query = self.query.trim().trim_end_matches(';').trim_end().to_owned();
        let first = first_word(&query);
        if !["SELECT", "WITH", "VALUES", "TABLE"].contains(&first.as_str()) {
            let message = match first.as_str() {
                "" => "`query` has no statement".to_owned(),
                other => format!("`query` begins with {other}, and is not one SELECT"),
            };
            let problem = Problem::new(Code::NotOneSelect, message).help(ONLY_READ);
            problems.push(SpecProblem::new(["query"], problem));
        }
        let (Ok(url), true) = (url, problems.is_empty()) else { return Err(problems) };
        let inputs = Inputs::Named(url.to_string());
        let plan = SqlPlan { url, query };
        Ok(SourcePlan::new(inputs, self.null_values.as_ref(), plan))
    }
}

/// The first word of a statement behind its comments, in capitals.
fn first_word(query: &str) -> String {
    let mut rest = query.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else {
            break;
        };
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    }
    rest.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_uppercase()
}

impl Kind for SqlPlan {
    fn open(&self, _: &Input, _: &OpenContext<'_>) -> Result<Opening, Problem> {
        let PreparedQuery { columns, writings, work, cancel } = match &self.url {
            StoreUrl::Postgres(url) => self.open_postgres(url)?,
            StoreUrl::Sqlite(path) => self.open_sqlite(path)?,
        };
        Ok(Opening {
            parser: Arc::new(CopyParser { columns: columns.clone(), writings }),
            columns,
            size: 0,
            pieces: Box::new(QueryPieces { work: Some(work), cancel, pieces: None, end: None }),
        })
    }

    fn unit(&self) -> Unit {
        Unit::Query
    }

    fn has_encoding(&self) -> bool {
        false
    }
}

/// Conversion of a column to the texts that other kinds of source have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    AsItIs,
    /// `t` and `f`.
    Boolean,
    /// `2026-01-15 10:00:00`, with `+00` if it is an instant.
    Time,
}

/// Reads the whole result into the channel.
type Work = Box<dyn FnOnce(&Sender<Sent>) -> Result<InputRead, Problem> + Send>;
type Sent = Result<(u64, Vec<u8>), Problem>;
type Cancel = Box<dyn Fn() + Send>;

/// A query that is ready to be run.
struct PreparedQuery {
    columns: Vec<String>,
    writings: Vec<Writing>,
    work: Work,
    /// Makes the database give up.
    cancel: Cancel,
}

/// A piece of the result has about this many bytes.
const PIECE: usize = 512 * 1024;
/// How many pieces may wait to be parsed.
const WAITING: usize = 4;
/// Attempts to cancel a query, 20 ms apart.
const CANCELLATIONS: usize = 100;
const ONLY_READ: &str = "a source is read, never changed: write one SELECT";
/// Time a reader waits for the database before it checks for interruptions.
const PATIENCE: Duration = Duration::from_millis(100);

impl SqlPlan {
    fn open_postgres(&self, url: &PostgresUrl) -> Result<PreparedQuery, Problem> {
        let shown = url.to_string();
        let failed = move |error: &postgres::Error| {
            let said = match error.as_db_error() {
                Some(error) => {
                    let place = match error.position() {
                        Some(postgres::error::ErrorPosition::Original(at)) => {
                            format!(", at character {at} of the query")
                        }
                        _ => String::new(),
                    };
                    format!("{}{place} (SQLSTATE {})", error.message(), error.code().code())
                }
                None => error.to_string(),
            };
            let help = match error.code() {
                Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => ONLY_READ,
                _ => "mend the query or the database, then run again; nothing was stored",
            };
            Problem::new(Code::BadQuery, format!("{shown}: {said}")).help(help)
        };
        let reached = |problem| of_source(problem, "`url`");
        let connector = Connector::new(url).map_err(reached)?;
        let mut client = connector.connect().map_err(reached)?;
        let cancel = Box::new(connector.canceller(&client));
        // A read-only transaction cannot write, even by functions that the query calls.
        client
            .batch_execute(
                "RESET search_path; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; \
                 SET bytea_output = 'hex'; SET extra_float_digits = 1; \
                 BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            )
            .map_err(|error| failed(&error))?;
        // Preparing it shows that it is one statement, which may then stand within another.
        let statement = client.prepare(&self.query).map_err(|error| failed(&error))?;
        if !statement.params().is_empty() {
            return Err(Problem::new(
                Code::BadQuery,
                "the query has parameters, which nothing fills",
            )
            .help("write the values into the query"));
        }
        let columns = statement.columns();
        if columns.is_empty() {
            let message = "the query gives no columns: it is not one SELECT";
            return Err(Problem::new(Code::NotOneSelect, message).help(ONLY_READ));
        }
        let writings = columns
            .iter()
            .map(|column| match *column.type_() {
                postgres::types::Type::BOOL => Writing::Boolean,
                postgres::types::Type::TIMESTAMP | postgres::types::Type::TIMESTAMPTZ => {
                    Writing::Time
                }
                _ => Writing::AsItIs,
            })
            .collect();
        let columns = columns.iter().map(|column| column.name().to_owned()).collect();
        drop(statement);
        let copy = format!("COPY ({}\n) TO STDOUT", self.query);
        let work: Work = Box::new(move |sender| {
            let mut reader = client.copy_out(&copy).map_err(|error| failed(&error))?;
            let mut out = Lines::new(sender);
            loop {
                let length = {
                    let buffer = out.room();
                    reader.read(buffer).map_err(|error| {
                        let error = error
                            .into_inner()
                            .and_then(|inner| inner.downcast::<postgres::Error>().ok());
                        match error {
                            Some(error) => failed(&error),
                            None => Problem::new(Code::BadQuery, "the connection broke off"),
                        }
                    })?
                };
                if length == 0 {
                    break;
                }
                if !out.filled(length) {
                    break;
                }
            }
            Ok(out.finish())
        });
        Ok(PreparedQuery { columns, writings, work, cancel })
    }

    fn open_sqlite(&self, path: &Path) -> Result<PreparedQuery, Problem> {
        let shown: PathBuf = path.to_owned();
        let failed = move |error: &rusqlite::Error| {
            let problem = match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
                    let message = "the query would do more than read";
                    Problem::new(Code::BadQuery, message).help(ONLY_READ)
                }
                Some(rusqlite::ErrorCode::CannotOpen) => {
                    Problem::new(Code::SourceUnreadable, "the database can't be opened")
                        .help("check the path in `url`; recon does not create it")
                }
                _ => Problem::new(Code::BadQuery, error.to_string())
                    .help("mend the query or the database, then run again; nothing was stored"),
            };
            problem.in_file(&shown)
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        connection.busy_timeout(Duration::from_secs(30)).map_err(|error| failed(&error))?;
        connection.authorizer(Some(only_reading));
        let columns = {
            let mut statements = rusqlite::Batch::new(&connection, &self.query);
            let statement = rusqlite::fallible_iterator::FallibleIterator::next(&mut statements)
                .map_err(|error| failed(&error))?;
            let more = rusqlite::fallible_iterator::FallibleIterator::next(&mut statements);
            let Some(statement) = statement.filter(|_| matches!(more, Ok(None))) else {
                return Err(Problem::new(Code::NotOneSelect, "`query` is more than one statement")
                    .help("write one SELECT"));
            };
            if !statement.readonly() || statement.parameter_count() > 0 {
                let message = "the query would do more than read, or has parameters";
                return Err(Problem::new(Code::BadQuery, message)
                    .in_file(path)
                    .help("write one SELECT, with the values in it"));
            }
            statement.column_names().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let (query, width) = (self.query.clone(), columns.len());
        let handle = connection.get_interrupt_handle();
        let work: Work = Box::new(move |sender| {
            let mut statement = connection.prepare(&query).map_err(|error| failed(&error))?;
            let mut rows = statement.query([]).map_err(|error| failed(&error))?;
            let mut out = Lines::new(sender);
            while let Some(row) = rows.next().map_err(|error| failed(&error))? {
                for at in 0..width {
                    let value = row.get_ref(at).map_err(|error| failed(&error))?;
                    out.value(at, value);
                }
                if !out.end_row() {
                    break;
                }
            }
            Ok(out.finish())
        });
        let writings = vec![Writing::AsItIs; width];
        Ok(PreparedQuery { columns, writings, work, cancel: Box::new(move || handle.interrupt()) })
    }
}

/// Lets a statement read, and nothing else.
fn only_reading(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Function { .. } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

/// The lines of a result on their way to the parsers.
struct Lines<'s> {
    sender: &'s Sender<Sent>,
    text: Vec<u8>,
    filled: usize,
    digest: Sha256,
    bytes: u64,
    line: u64,
}

impl<'s> Lines<'s> {
    fn new(sender: &'s Sender<Sent>) -> Self {
        Self { sender, text: Vec::new(), filled: 0, digest: Sha256::new(), bytes: 0, line: 1 }
    }

    /// Room for some more bytes.
    fn room(&mut self) -> &mut [u8] {
        self.text.resize(self.filled + 64 * 1024, 0);
        &mut self.text[self.filled..]
    }

    /// Takes the bytes read; true if there is room for more.
    fn filled(&mut self, length: usize) -> bool {
        self.filled += length;
        self.filled < PIECE || self.send(false)
    }

    fn value(&mut self, at: usize, value: ValueRef<'_>) {
        use std::io::Write as _;
        if at > 0 {
            self.text.push(b'\t');
        }
        // Writing into a Vec can't fail.
        let _ = match value {
            ValueRef::Null => self.text.write_all(b"\\N"),
            ValueRef::Integer(number) => write!(self.text, "{number}"),
            ValueRef::Real(number) => write!(self.text, "{number:?}"),
            ValueRef::Text(text) => {
                for byte in text {
                    match byte {
                        b'\\' => self.text.extend_from_slice(b"\\\\"),
                        b'\t' => self.text.extend_from_slice(b"\\t"),
                        b'\n' => self.text.extend_from_slice(b"\\n"),
                        b'\r' => self.text.extend_from_slice(b"\\r"),
                        other => self.text.push(*other),
                    }
                }
                Ok(())
            }
            ValueRef::Blob(bytes) => write!(self.text, "\\\\x{}", hex(bytes)),
        };
    }

    fn end_row(&mut self) -> bool {
        self.text.push(b'\n');
        self.filled = self.text.len();
        self.filled < PIECE || self.send(false)
    }

    /// Sends whole lines, at the end all.
    fn send(&mut self, all: bool) -> bool {
        self.text.truncate(self.filled);
        let end = match memchr::memrchr(b'\n', &self.text) {
            _ if all => self.text.len(),
            Some(end) => end + 1,
            None => return true,
        };
        if end == 0 {
            return true;
        }
        let rest = self.text.split_off(end);
        let piece = std::mem::replace(&mut self.text, rest);
        self.filled = self.text.len();
        self.digest.update(&piece);
        self.bytes += piece.len() as u64;
        let line = self.line;
        self.line += memchr::memchr_iter(b'\n', &piece).count() as u64;
        // The receiver is gone when the run has been given up.
        self.sender.send(Ok((line, piece))).is_ok()
    }

    fn finish(mut self) -> InputRead {
        self.send(true);
        let sha256 = hex(std::mem::take(&mut self.digest).finalize());
        InputRead { bytes: self.bytes, sha256, ..InputRead::default() }
    }
}

/// The pieces of a result. The query is not run before the first is asked for.
struct QueryPieces {
    work: Option<Work>,
    cancel: Cancel,
    pieces: Option<(Receiver<Sent>, std::thread::JoinHandle<Option<InputRead>>)>,
    end: Option<InputRead>,
}

impl QueryPieces {
    fn start(&mut self) -> Result<(), Problem> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let (sender, receiver) = bounded(WAITING);
        let read = move || match work(&sender) {
            Ok(read) => Some(read),
            Err(problem) => {
                let _ = sender.send(Err(problem));
                None
            }
        };
        let thread = std::thread::Builder::new()
            .name("source".to_owned())
            .spawn(read)
            .map_err(|error| Problem::new(Code::BadQuery, format!("no thread: {error}")))?;
        self.pieces = Some((receiver, thread));
        Ok(())
    }
}

/// Cancels an abandoned query. Its thread may be about to send it: a database without a running query ignores a
/// cancellation, so it is repeated until the thread has ended.
impl Drop for QueryPieces {
    fn drop(&mut self) {
        let Some((receiver, thread)) = self.pieces.take() else { return };
        // A thread that waits to hand over a piece ends by itself.
        drop(receiver);
        for _ in 0..CANCELLATIONS {
            if thread.is_finished() {
                return;
            }
            (self.cancel)();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Pieces for QueryPieces {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        self.start()?;
        let Some((receiver, _)) = &self.pieces else { return Ok(None) };
        match receiver.recv_timeout(PATIENCE) {
            Ok(Ok((line, bytes))) => Ok(Some(Piece::Text(TextBlock::of(bytes, line, 0)))),
            Ok(Err(problem)) => Err(problem),
            // A piece without rows, so that the reader can check for interruptions.
            Err(RecvTimeoutError::Timeout) => Ok(Some(Piece::Text(TextBlock::of(vec![], 0, 0)))),
            Err(RecvTimeoutError::Disconnected) => {
                let thread = self.pieces.take().map(|(_, thread)| thread);
                self.end = thread.and_then(|thread| thread.join().ok()).flatten();
                Ok(None)
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<InputRead, Problem> {
        while self.next()?.is_some() {}
        let end = self.end.take();
        end.ok_or_else(|| Problem::new(Code::BadQuery, "the query broke off before its end"))
    }
}

/// Takes lines of COPY apart.
struct CopyParser {
    columns: Vec<String>,
    writings: Vec<Writing>,
}

impl RowParser for CopyParser {
    fn rows(&self, piece: &Piece, fields: &mut Fields, each: &mut Sink<'_>) {
        let Piece::Text(block) = piece else { return };
        let (mut bytes, mut line) = (block.bytes(), block.first_line());
        // SQLite keeps any bytes as a text. All at once is checked much faster than row by row.
        let is_suspicious =
            simdutf8::basic::from_utf8(bytes).is_err() || memchr::memchr(0, bytes).is_some();
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
            let written = &bytes[..end];
            fields.spans.clear();
            fields.scratch.clear();
            let mut start = 0;
            for end in memchr::memchr_iter(b'\t', written).chain([written.len()]) {
                let writing = self.writings.get(fields.spans.len()).copied();
                let span = cell(written, start, end, writing, &mut fields.scratch);
                fields.spans.push(span);
                start = end + 1;
            }
            // A query without columns has rows without cells.
            fields.spans.truncate(self.columns.len());
            let row =
                RawRow { line, offset: 0, written, scratch: &fields.scratch, spans: &fields.spans };
            let fault = is_suspicious.then(|| unreadable_cell(&self.columns, &row, None)).flatten();
            each(row, fault);
            line += 1;
            bytes = bytes.get(end + 1..).unwrap_or_default();
        }
    }
}

/// One cell of a line.
fn cell(
    written: &[u8],
    start: usize,
    end: usize,
    writing: Option<Writing>,
    scratch: &mut Vec<u8>,
) -> Span {
    let text = &written[start..end];
    if text == b"\\N" {
        return Span::NULL;
    }
    let before = scratch.len();
    match writing {
        Some(Writing::Boolean) if text == b"t" => scratch.extend_from_slice(b"true"),
        Some(Writing::Boolean) if text == b"f" => scratch.extend_from_slice(b"false"),
        Some(Writing::Time) if text.get(10) == Some(&b' ') && !text.ends_with(b"BC") => {
            scratch.extend_from_slice(&text[..10]);
            scratch.push(b'T');
            match text[11..].strip_suffix(b"+00") {
                Some(clock) => {
                    scratch.extend_from_slice(clock);
                    scratch.push(b'Z');
                }
                None => scratch.extend_from_slice(&text[11..]),
            }
        }
        _ if memchr::memchr(b'\\', text).is_some() => unescape(text, scratch),
        _ => return Span::new(start, end),
    }
    Span::scratch(before, scratch.len())
}

fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'b') => 8,
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(b'v') => 11,
            Some(b'f') => 12,
            Some(b'r') => b'\r',
            Some(other) => other,
            None => b'\\',
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &str, writing: Writing) -> Option<String> {
        let mut scratch = Vec::new();
        let span = cell(written.as_bytes(), 0, written.len(), Some(writing), &mut scratch);
        let text = span.of(written.as_bytes(), &scratch).to_vec();
        (!span.is_null()).then(|| String::from_utf8(text).unwrap())
    }

    #[test]
    fn cells_are_those_of_other_kinds() {
        for (written, writing, expected) in [
            ("\\N", Writing::AsItIs, None),
            ("\\\\N", Writing::AsItIs, Some("\\N")),
            ("a\\tb\\nc\\\\", Writing::AsItIs, Some("a\tb\nc\\")),
            ("t", Writing::Boolean, Some("true")),
            ("t", Writing::AsItIs, Some("t")),
            ("2026-01-15 10:00:00", Writing::Time, Some("2026-01-15T10:00:00")),
            ("2026-01-15 10:00:00.5+00", Writing::Time, Some("2026-01-15T10:00:00.5Z")),
            ("infinity", Writing::Time, Some("infinity")),
        ] {
            assert_eq!(text(written, writing).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn a_source_is_one_select() {
        let wrong = |query: &str| {
            let spec = SqlSpec {
                url: "sqlite:x.db".into(),
                query: query.into(),
                null_values: None,
                encoding: None,
            };
            spec.resolve(Path::new("")).err().map(|problems| problems[0].problem.code)
        };
        for query in
            ["SELECT 1", " -- why\nselect 1;", "/* x */ WITH a AS (SELECT 1) TABLE a", "(SELECT 1)"]
        {
            assert_eq!(wrong(query), None, "{query}");
        }
        for query in
            ["", "DELETE FROM t", "-- SELECT", "COPY t TO STDOUT", "SET x = 1", "EXPLAIN SELECT 1"]
        {
            assert_eq!(wrong(query), Some(Code::NotOneSelect), "{query}");
        }
    }
}
