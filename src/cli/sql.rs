//! `recon sql`: one read-only statement on the store.

use crate::diagnostic::Problems;

use super::args::Sql;
use super::context::Context;
use super::table::{AnswerFormat, Look, answer};

/// Runs the statement and writes its answer as it comes.
pub fn run(context: &Context, arguments: &Sql) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let format = arguments.format.unwrap_or(if context.global.json {
        AnswerFormat::Json
    } else {
        AnswerFormat::Table
    });
    let look = Look { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    context.console.result(|out| {
        let mut sink = answer(format, out, look);
        store.query(&arguments.statement, &mut *sink)?;
        sink.finish()?;
        Ok(())
    })?;
    Ok(0)
}
