//! One read-only statement of a person.
//!
//! The statement must begin like one that reads, is prepared (so there can be only one), is examined
//! for functions that act and for secrets ([`super::examine`]), and runs in a read-only transaction
//! with a time limit. Its answer comes through a cursor, in portions of rows of bounded size.

use ::postgres::error::SqlState;
use ::postgres::types::Type;
use ::postgres::{Client, SimpleQueryMessage};

use super::examine::examine;
use crate::database::postgres::Connector;
use crate::diagnostic::{Code, Problem};
use crate::store::query::{QueryLimits, TableColumn, is_secret};
use crate::store::{RowSink, SqlValue};

/// The longest row, in bytes of its texts.
const LONGEST_ROW: usize = 4 << 20;
/// The rows of a portion of an answer. A portion is in memory as a whole, and any row may be as long as
/// rows can be.
const PORTION: usize = 64;

/// Runs `sql`.
pub(super) fn run(
    connector: &Connector,
    sql: &str,
    limits: QueryLimits,
    sink: &mut dyn RowSink,
) -> Result<(), Problem> {
    let keyword = first_word(sql).to_ascii_lowercase();
    let (explained, statement_text) = match keyword.as_str() {
        "select" | "with" | "values" | "table" => (false, sql),
        "explain" => (true, explained(sql).ok_or_else(refused)?),
        "" => return Err(Problem::new(Code::Sql, "there is no statement")),
        _ => return Err(refused()),
    };
    let failed = |error: ::postgres::Error| problem(connector, &error, limits);
    let mut client = connector.connect()?;
    let timeout = limits.timeout.map_or(0, |time| time.as_millis());
    // The planner can't know how many records a row of the store holds, nor that ids are unique, and expects far more
    // rows: it would compile statements that run for a moment, and join records with differences one by one.
    client
        .batch_execute(&format!(
            "SET statement_timeout = {timeout}; SET lock_timeout = {timeout}; SET jit = off; \
             SET enable_nestloop = off; SET cursor_tuple_fraction = 1; SET work_mem = '32MB'"
        ))
        .map_err(failed)?;
    let statement = client.prepare(sql).map_err(failed)?;
    if !statement.params().is_empty() {
        return Err(Problem::new(Code::Sql, "the statement has parameters, which nothing fills")
            .help("write the values into the statement"));
    }
    let columns = statement.columns();
    let names: Vec<String> = columns.iter().map(|column| column.name().to_owned()).collect();
    let types: Vec<Type> = columns.iter().map(|column| column.type_().clone()).collect();
    if names.is_empty() {
        return Err(Problem::new(Code::Sql, "the statement selects no columns"));
    }
    let width = if explained {
        client.prepare(statement_text).map_err(failed)?.columns().len()
    } else {
        names.len()
    };
    examine(&mut client, statement_text, width, &failed)?;
    client
        .batch_execute("SET default_transaction_read_only = on; BEGIN READ ONLY")
        .map_err(failed)?;
    sink.columns(&names)?;
    let mut answer = QueryOutput { types, failed: &failed, limits, rows: 0 };
    if explained {
        return answer.pass_on(&mut client, sql, sink).map(drop);
    }
    // Through a cursor a long answer comes in portions, and as the server's own text: exact for
    // every type there is.
    let declared = format!("DECLARE answer NO SCROLL CURSOR FOR {}", bounded(sql, names.len()));
    client.batch_execute(&declared).map_err(|error| match error.code() {
        // It was prepared as it is, so it has a comment or the like behind its last semicolon.
        Some(&SqlState::SYNTAX_ERROR) => {
            Problem::new(Code::Sql, "something follows the statement's semicolon")
                .help("end the statement without a semicolon and a comment behind it")
        }
        _ => failed(error),
    })?;
    while answer.pass_on(&mut client, &format!("FETCH {PORTION} FROM answer"), sink)? == PORTION {}
    Ok(())
}

/// The statement with a last column that says whether the row is short enough; all others are null where
/// it is not. Their types stay as they are.
fn bounded(sql: &str, columns: usize) -> String {
    let each = |write: &dyn Fn(usize) -> String, between: &str| -> String {
        (1..=columns).map(write).collect::<Vec<_>>().join(between)
    };
    let shown = each(&|at| format!("CASE WHEN size.fits THEN c{at} END"), ", ");
    let size = each(&|at| format!("coalesce(octet_length(c{at}::text), 0)::bigint"), " + ");
    let names = each(&|at| format!("c{at}"), ", ");
    let sql = sql.trim_end_matches(|last: char| last.is_whitespace() || last == ';');
    // The line break ends a comment. Without OFFSET the size would be measured for each column again.
    format!(
        "SELECT {shown}, size.fits FROM (\n{sql}\n) AS answer ({names}), \
         LATERAL (SELECT {size} <= {LONGEST_ROW} AS fits OFFSET 0) AS size"
    )
}

fn too_long() -> Problem {
    let most = LONGEST_ROW >> 20;
    Problem::new(Code::SqlTooLong, format!("a row of the answer is longer than {most} MiB"))
        .help("select a part of long values, as in left(column, 1000)")
}

/// The columns of every table and view, without secrets. Partitions are parts of their tables.
pub(super) fn tables(connector: &Connector) -> Result<Vec<TableColumn>, Problem> {
    let rows = connector
        .connect()?
        .query(
            "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) \
             FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
             WHERE n.nspname = 'recon' AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition \
               AND a.attnum > 0 AND NOT a.attisdropped \
             ORDER BY c.relname COLLATE \"C\", a.attnum",
            &[],
        )
        .map_err(|error| connector.problem(&error))?;
    let mut columns = Vec::with_capacity(rows.len());
    for row in rows {
        let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let (table, column, kind) = read().map_err(|error| connector.problem(&error))?;
        columns.push(TableColumn { table, column, kind });
    }
    columns.retain(|one| !is_secret(&one.table, &one.column));
    Ok(columns)
}

struct QueryOutput<'a> {
    types: Vec<Type>,
    failed: &'a dyn Fn(::postgres::Error) -> Problem,
    limits: QueryLimits,
    rows: u64,
}

impl QueryOutput<'_> {
    /// Passes the rows of a statement on; gives how many there were.
    fn pass_on(
        &mut self,
        client: &mut Client,
        sql: &str,
        sink: &mut dyn RowSink,
    ) -> Result<usize, Problem> {
        let mut rows = 0;
        let mut values = Vec::with_capacity(self.types.len());
        for message in client.simple_query(sql).map_err(self.failed)? {
            let SimpleQueryMessage::Row(row) = message else { continue };
            self.limits.count(&mut self.rows)?;
            // An answer to EXPLAIN lacks that column.
            if row.len() > self.types.len()
                && row.try_get(self.types.len()).map_err(self.failed)? != Some("t")
            {
                return Err(too_long());
            }
            values.clear();
            for (at, kind) in self.types.iter().enumerate() {
                let text = row.try_get(at).map_err(self.failed)?;
                values.push(text.map_or(SqlValue::Null, |text| value(kind, text)));
            }
            sink.row(&values)?;
            rows += 1;
        }
        Ok(rows)
    }
}

/// The value behind PostgreSQL's text for it; the text itself where it is not one of ours.
fn value(kind: &Type, text: &str) -> SqlValue {
    let value = match *kind {
        Type::BOOL => Some(SqlValue::Boolean(text == "t")),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => {
            text.parse().ok().map(SqlValue::Integer)
        }
        Type::FLOAT4 | Type::FLOAT8 => text.parse().ok().map(SqlValue::Real),
        // As they are: numbers may have more digits than any type of ours.
        Type::JSON | Type::JSONB => Some(SqlValue::Json(text.to_owned())),
        // NaN and the infinities are no numbers of JSON.
        Type::NUMERIC => text
            .ends_with(|last: char| last.is_ascii_digit())
            .then(|| SqlValue::Json(text.to_owned())),
        Type::BYTEA => text.strip_prefix("\\x").and_then(crate::coding::unhex).map(SqlValue::Blob),
        // 2026-01-15 00:00:00.25+00; infinite and ancient times keep PostgreSQL's form.
        Type::TIMESTAMPTZ => text.strip_suffix("+00").and_then(|time| {
            let (date, clock) = time.split_once(' ')?;
            let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
            Some(SqlValue::Text(format!("{date}T{clock}.{fraction:0<6}Z")))
        }),
        _ => None,
    };
    value.unwrap_or_else(|| SqlValue::Text(text.to_owned()))
}

/// The first word of a statement, behind comments, white space and opening parentheses.
fn first_word(sql: &str) -> &str {
    let rest = behind_space(sql, &['(']);
    let end = rest.find(|character: char| !character.is_alphanumeric());
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

/// The text after white space, comments and these characters.
fn behind_space<'s>(sql: &'s str, and: &[char]) -> &'s str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|character: char| {
            character.is_whitespace() || and.contains(&character)
        });
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("/*") {
            rest = behind_comment(rest);
        } else {
            return rest;
        }
    }
}

/// The statement that an EXPLAIN is about, if it is one that reads.
fn explained(sql: &str) -> Option<&str> {
    let mut rest = behind_space(sql, &[]).get("explain".len()..)?;
    rest = behind_space(rest, &[]);
    if let Some(options) = rest.strip_prefix('(') {
        rest = options.split_once(')')?.1;
    } else {
        while ["analyze", "analyse", "verbose"]
            .contains(&first_word(rest).to_ascii_lowercase().as_str())
        {
            rest = behind_space(rest, &[]);
            rest = rest.get(first_word(rest).len()..)?;
        }
    }
    let reads = ["select", "with", "values", "table"];
    reads.contains(&first_word(rest).to_ascii_lowercase().as_str()).then_some(rest)
}

/// The text after the comment at the start of `text`; comments nest.
fn behind_comment(text: &str) -> &str {
    let mut depth = 0usize;
    let mut rest = text;
    while !rest.is_empty() {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        rest = rest.get(step..).unwrap_or_default();
        if depth == 0 {
            break;
        }
    }
    rest
}

pub(super) fn refused() -> Problem {
    Problem::new(Code::SqlRefused, "only statements that read are allowed here")
        .help("SELECT, WITH, VALUES, TABLE and EXPLAIN read")
}

/// A mistake in the statement is its author's, anything else the store's.
fn problem(connector: &Connector, error: &::postgres::Error, limits: QueryLimits) -> Problem {
    let Some(said) = error.as_db_error() else { return connector.problem(error) };
    match said.code().code() {
        "25006" => refused(),
        // Cancelled by a time limit of the statement or of a lock.
        "57014" | "55P03" => limits.timed_out(),
        "42501" => connector.problem(error),
        // Data exceptions, features that are not supported, syntax and names.
        code if ["22", "0A", "42"].iter().any(|class| code.starts_with(class)) => {
            let problem = Problem::new(Code::Sql, said.message());
            match said.hint() {
                Some(hint) => problem.help(hint),
                None => problem,
            }
        }
        _ => connector.problem(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_anything() {
        for (sql, word) in [
            ("SELECT 1", "SELECT"),
            (" \n-- x\n/* a /* b */ ü */((values (1)))", "values"),
            ("/* never closed", ""),
            ("-- only", ""),
            ("/**/;", ""),
            ("explain(analyze) select 1", "explain"),
        ] {
            assert_eq!(first_word(sql), word, "{sql}");
        }
    }

    #[test]
    fn the_explained_statement_is_found() {
        for (sql, inner) in [
            ("EXPLAIN SELECT 1", Some("SELECT 1")),
            ("explain /* x */ analyze verbose select 2", Some(" select 2")),
            ("EXPLAIN (ANALYZE, COSTS off) (SELECT 3)", Some(" (SELECT 3)")),
            ("EXPLAIN DELETE FROM x", None),
            ("EXPLAIN (ANALYZE", None),
            ("EXPLAIN", None),
        ] {
            assert_eq!(explained(sql), inner, "{sql}");
        }
    }

    #[test]
    fn texts_of_the_server_become_values() {
        let text = |text: &str| SqlValue::Text(text.to_owned());
        for (kind, written, expected) in [
            (Type::BOOL, "t", SqlValue::Boolean(true)),
            (Type::INT8, "-7", SqlValue::Integer(-7)),
            (Type::FLOAT8, "1e-3", SqlValue::Real(0.001)),
            (Type::NUMERIC, "0.500", SqlValue::Json("0.500".to_owned())),
            (Type::NUMERIC, "NaN", text("NaN")),
            (Type::BYTEA, "\\x00ff", SqlValue::Blob(vec![0, 255])),
            (Type::JSONB, "[1e38]", SqlValue::Json("[1e38]".to_owned())),
            (Type::TIMESTAMPTZ, "2026-01-15 00:00:01+00", text("2026-01-15T00:00:01.000000Z")),
            (Type::TIMESTAMPTZ, "infinity", text("infinity")),
            (Type::DATE, "2026-01-15", text("2026-01-15")),
        ] {
            assert_eq!(value(&kind, written), expected);
        }
    }
}
