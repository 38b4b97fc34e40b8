//! `recon sql`: one read-only statement on the store, or a list of its tables.

use std::io::{IsTerminal as _, Read as _};
use std::time::Duration;

use crate::diagnostic::{Code, Problem, Problems};
use crate::store::{QueryLimits, SqlValue};

use super::args::Sql;
use super::context::Context;
use super::table::{ResultFormat, TableStyle, answer};

/// Maximum length of a statement on standard input.
const LONGEST_STATEMENT: u64 = 1 << 20;

pub fn run(context: &Context, arguments: &Sql) -> Result<u8, Problems> {
    let statement = if arguments.tables { None } else { Some(statement(arguments)?) };
    let store = context.store(None)?;
    let format = arguments.format.unwrap_or(if context.global.json {
        ResultFormat::Json
    } else {
        ResultFormat::Table
    });
    let style =
        TableStyle { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    let limits = QueryLimits {
        timeout: (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout)),
        rows: (arguments.limit > 0).then_some(arguments.limit),
    };
    context.console.result(|out| {
        let mut sink = answer(format, out, style);
        match &statement {
            Some(statement) => store.query_within(statement, limits, &mut *sink)?,
            None => {
                sink.columns(&["table", "column", "type"].map(str::to_owned))?;
                for one in store.tables()? {
                    sink.row(&[one.table, one.column, one.kind].map(SqlValue::Text))?;
                }
            }
        }
        sink.finish()?;
        Ok(())
    })?;
    Ok(0)
}

/// The statement from the command line or standard input.
fn statement(arguments: &Sql) -> Result<String, Problem> {
    let given = arguments.statement.as_deref();
    if let Some(statement) = given.filter(|statement| *statement != "-") {
        return Ok(statement.to_owned());
    }
    let input = std::io::stdin();
    if given.is_none() && input.is_terminal() {
        return Err(Problem::new(Code::Sql, "no statement given")
            .help("pass one to `recon sql`, or list the tables with `recon sql --tables`"));
    }
    let mut text = String::new();
    input.take(LONGEST_STATEMENT + 1).read_to_string(&mut text).map_err(|error| {
        Problem::new(Code::Sql, format!("standard input can't be read as UTF-8 text: {error}"))
    })?;
    if text.len() as u64 > LONGEST_STATEMENT {
        return Err(Problem::new(Code::Sql, "the statement is longer than 1 MiB"));
    }
    Ok(text)
}
