//! `recon run` and `recon ingest`: one pass over the sources.

use crate::diagnostic::Problems;
use crate::domain::Stage;
use crate::pipeline::{self, Depth, Finished};
use crate::report::{self, ReportData};
use crate::store::Store;

use super::args::{Finish, Pass};
use super::context::Context;
use super::{exit, output};

pub fn run(context: &Context, arguments: &Pass) -> Result<u8, Problems> {
    pass(context, &arguments.finish, Depth::Attribute)
}

pub fn ingest(context: &Context, arguments: &Pass) -> Result<u8, Problems> {
    pass(context, &arguments.finish, Depth::Ingest)
}

fn pass(context: &Context, arguments: &Finish, depth: Depth) -> Result<u8, Problems> {
    exit::check_fail_on(
        &arguments.fail_on,
        Some(match depth {
            Depth::Ingest => Stage::Ingested,
            Depth::Attribute => Stage::Attributed,
        }),
    )?;
    context.listen()?;
    let prepared = context.prepare()?;
    let store = context.make_store(&prepared.loaded)?;
    let session = context.session(&*store, arguments.lock_timeout);
    let finished = pipeline::pass(session, &prepared.plan, prepared.opened, depth)?;
    conclude(context, &*store, &finished, arguments)
}

/// Prints the summary of a run and chooses the exit code.
pub fn conclude(
    context: &Context,
    store: &dyn Store,
    finished: &Finished,
    arguments: &Finish,
) -> Result<u8, Problems> {
    context.warn(&finished.outcome.warnings);
    let summary = report::summary(store, &finished.run, finished.counts.as_ref())?;
    let code = exit::code_of_run(&summary, &arguments.fail_on);
    if context.global.json {
        context.console.result(|out| {
            report::write_json(&summary, out).map_err(|error| report::unwritable(&error))
        })?;
    } else {
        let data = ReportData::of(store, &finished.run, summary)?;
        context.console.result(|out| {
            report::write_text(&data, out, context.console.paint(), output::columns())
                .map_err(|error| report::unwritable(&error))
        })?;
    }
    Ok(code)
}
