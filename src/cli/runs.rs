//! `recon runs list`, `show` and `prune`: what the store holds.

use serde_json::{Value as Json, json};

use crate::diagnostic::Problems;
use crate::domain::Instant;
use crate::store::{RunFilter, RunRow};

use super::args::{Runs, RunsList, RunsPrune, RunsShow};
use super::context::{Context, now};
use super::table::{self, AnswerFormat, Look, answer};

/// Lists or shows runs.
pub fn run(context: &Context, arguments: &Runs) -> Result<u8, Problems> {
    match arguments {
        Runs::List(arguments) => list(context, arguments),
        Runs::Show(arguments) => show(context, arguments),
        Runs::Prune(arguments) => prune(context, arguments),
    }
}

fn list(context: &Context, arguments: &RunsList) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let runs = store.runs(&RunFilter {
        job: arguments.job.clone(),
        batch_date: context.global.batch_date,
        limit: Some(arguments.limit),
        ..RunFilter::default()
    })?;
    if context.global.json {
        let runs: Vec<Json> = runs.iter().map(as_json).collect();
        context.json(&json!({ "runs": runs }))?;
        return Ok(0);
    }
    let look = Look { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    context.console.result(|out| {
        let mut sink = answer(AnswerFormat::Table, out, look);
        table::runs(&runs, &mut *sink)?;
        sink.finish()?;
        Ok(())
    })?;
    Ok(0)
}

fn show(context: &Context, arguments: &RunsShow) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let run = context.which_run(&*store, arguments.run, None)?;
    let json = as_json(&run);
    if context.global.json {
        context.json(&json)?;
    } else {
        let text = serde_json::to_string_pretty(&json).unwrap_or_default();
        context.console.say(&format!("{text}\n"))?;
    }
    Ok(0)
}

fn prune(context: &Context, arguments: &RunsPrune) -> Result<u8, Problems> {
    let store = context.store(None)?;
    store.repair()?;
    let now = now();
    let age = i64::try_from(arguments.keep.as_secs()).unwrap_or(i64::MAX);
    let before = Instant::new(now.seconds().saturating_sub(age), now.nanoseconds());
    let pruned = store.prune(before, arguments.dry_run)?;
    if context.global.json {
        let runs: Vec<Json> = pruned
            .iter()
            .map(|run| json!({ "run_id": run.run.to_string(), "kept_differences": run.kept }))
            .collect();
        context.json(&json!({ "dry_run": arguments.dry_run, "pruned": runs }))?;
        return Ok(0);
    }
    let verb = if arguments.dry_run { "would forget" } else { "forgot" };
    for run in &pruned {
        let kept = match run.kept {
            0 => String::new(),
            kept => format!(", but for {kept} differences that people decided"),
        };
        context.console.say(&format!("{verb} run {}{kept}\n", run.run))?;
    }
    if pruned.is_empty() {
        context.console.say("no run is that old\n")?;
    }
    Ok(0)
}

fn as_json(run: &RunRow) -> Json {
    json!({
        "run_id": run.id.to_string(),
        "job": run.job,
        "source_system_a": run.system_a,
        "source_system_b": run.system_b,
        "batch_date": run.batch_date.to_string(),
        "start_time": run.started.to_string(),
        "end_time": run.ended.map(|ended| ended.to_string()),
        "status": run.status.name(),
        "stage": run.stage.map(|stage| stage.name()),
        "superseded_by": run.superseded_by.map(|id| id.to_string()),
        "total_records": run.total_records,
        "total_differences": run.total_differences,
        "metadata": run.metadata,
    })
}
