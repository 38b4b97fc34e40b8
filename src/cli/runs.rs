//! `recon runs list`, `show` and `prune`.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::{Instant, Stage, metadata};
use crate::report::Paint;
use crate::report::figures::{self, visible};
use crate::store::run_reference;
use crate::store::{PruneOrder, RunFilter, RunRow};

use super::account::Account;
use super::args::{Runs, RunsList, RunsPrune, RunsShow};
use super::context::{Context, now};
use super::table::{self, ResultFormat, TableStyle, answer};

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
    let style =
        TableStyle { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    context.console.result(|out| {
        let mut sink = answer(ResultFormat::Table, out, style);
        table::runs(&runs, &run_reference::short(&runs), &mut *sink)?;
        sink.finish()?;
        Ok(())
    })?;
    Ok(0)
}

fn show(context: &Context, arguments: &RunsShow) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let run = context.which_run(&*store, arguments.run.as_ref(), None)?;
    if context.global.json {
        let mut shown = as_json(&run);
        // As in the summary: only once something is compared.
        let money =
            run.metadata.pointer("/counts/money").filter(|_| run.stage >= Some(Stage::Compared));
        if let Some(money) = money {
            shown["money"] = money.clone();
        }
        context.json(&shown)?;
    } else {
        context.console.print(&page(&run, context.console.paint()))?;
    }
    Ok(0)
}

/// One run as text: its sources, configuration and results.
fn page(run: &RunRow, paint: Paint) -> String {
    let mut lines: Vec<(&str, String)> = vec![
        ("run", run.id.to_string()),
        ("job", format!("{}, {}", visible(&run.job), run.batch_date)),
        ("state", table::state(run)),
    ];
    let superseded = run.superseded_by.map(|id| id.to_string());
    lines.extend(superseded.map(|id| ("superseded by", id)));
    lines.push(("started", whole_seconds(run.started)));
    lines.extend(run.ended.map(|ended| ("ended", whole_seconds(ended))));
    let piece = |key: &str| run.metadata.get(key);
    let text = |value: &Json, key: &str| {
        value.get(key).and_then(Json::as_str).map(|text| visible(text).into_owned())
    };
    if let Some(failure) = piece("failure").and_then(Json::as_str) {
        lines.push(("failure", visible(failure).into_owned()));
    }
    if let Some(pruned) = piece("pruned_at").and_then(Json::as_str) {
        lines.push(("pruned", format!("{pruned}; only human decisions are left")));
    }
    lines.push(("records", figures::count(run.total_records)));
    lines.push(("differences", figures::count(run.total_differences)));
    for (side, name, system) in [("a", "A", &run.system_a), ("b", "B", &run.system_b)] {
        let source: metadata::Source = piece(metadata::SOURCES)
            .and_then(|sources| metadata::piece(sources, side))
            .unwrap_or_default();
        let mut line = visible(system).into_owned();
        if !source.path.is_empty() {
            line += &format!(
                ": {}, {} rows, {} bytes, SHA-256 {}",
                visible(&source.path),
                figures::count(source.rows),
                figures::count(source.bytes),
                source.sha256
            );
        }
        lines.push((if name == "A" { "source A" } else { "source B" }, line));
    }
    for rules in piece("rules").and_then(Json::as_array).into_iter().flatten() {
        if let (Some(path), Some(digest)) = (text(rules, "path"), text(rules, "sha256")) {
            lines.push(("script", format!("{path}, SHA-256 {digest}")));
        }
    }
    if let Some(model) = piece("model").and_then(Json::as_str) {
        lines.push(("model", model.to_owned()));
    }
    if let Some(errors) = piece("rule_errors").and_then(Json::as_u64).filter(|errors| *errors > 0) {
        lines.push(("rule errors", figures::count(errors)));
    }
    let seconds: Option<metadata::Seconds> = metadata::piece(&run.metadata, metadata::SECONDS);
    if let Some(seconds) = seconds {
        lines.push(("time", figures::duration(seconds.total)));
    }
    let warnings: Vec<metadata::Warning> =
        metadata::piece(&run.metadata, metadata::WARNINGS).unwrap_or_default();
    for warning in warnings {
        lines.push(("warning", visible(&warning.message).into_owned()));
    }
    if let Some(version) = piece("program").and_then(|program| text(program, "version")) {
        lines.push(("version", format!("recon {version}")));
    }
    let widest = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut page = String::new();
    for (name, value) in lines {
        let spaces = widest - name.len() + 2;
        page += &format!("{}{:spaces$}{value}\n", paint.strong(name), "");
    }
    page + "\n`recon runs show --json` has the configuration.\n"
}

fn whole_seconds(instant: Instant) -> String {
    Instant::new(instant.seconds(), 0).to_string()
}

fn prune(context: &Context, arguments: &RunsPrune) -> Result<u8, Problems> {
    let job = match (&arguments.job, arguments.all_jobs) {
        (Some(job), _) => Some(job.clone()),
        (None, true) => None,
        (None, false) => Some(context.job_name()?.ok_or_else(|| {
            Problem::new(Code::NoJob, "no job given, and there is no configuration")
                .help("pass --job, or --all-jobs for the runs of every job")
        })?),
    };
    let store = context.store(None)?;
    let now = now();
    let age = i64::try_from(arguments.keep.as_secs()).unwrap_or(i64::MAX);
    let before = Instant::new(now.seconds().saturating_sub(age), now.nanoseconds());
    let outcome = store.prune(&PruneOrder {
        before,
        job,
        current: arguments.current,
        dry_run: arguments.dry_run,
        vacuum: arguments.vacuum,
        by: Account::of_process().actor().by(),
        now,
    })?;
    if context.global.json {
        let runs: Vec<Json> = outcome
            .runs
            .iter()
            .map(|run| {
                json!({
                    "run_id": run.run.to_string(), "job": run.job,
                    "batch_date": run.batch_date.to_string(), "current": run.is_current,
                    "records": run.records, "differences": run.differences,
                    "kept_differences": run.kept,
                })
            })
            .collect();
        context.json(&json!({
            "dry_run": arguments.dry_run, "pruned": runs, "kept_for_open_items": outcome.resting,
            "reusable_bytes": outcome.reusable,
        }))?;
        return unshrunk(outcome.unshrunk);
    }
    let verb = if arguments.dry_run { "would delete" } else { "deleted" };
    let mut text = String::new();
    for run in &outcome.runs {
        let current = if run.is_current { ", current" } else { "" };
        let kept = match run.kept {
            0 => String::new(),
            kept => format!("; kept {kept} with human decisions, and their records"),
        };
        text += &format!(
            "{verb} run {} ({}, {}{current}): {} records, {} differences{kept}\n",
            run.run,
            visible(&run.job),
            run.batch_date,
            figures::count(run.records),
            figures::count(run.differences)
        );
    }
    if outcome.runs.is_empty() {
        text += "no runs are that old\n";
        if !arguments.current {
            text += "current runs were kept; --current includes them\n";
        }
    }
    if outcome.resting > 0 {
        let runs = figures::counted(outcome.resting, "run", "runs");
        text += &format!("kept {runs}: open items rest on them\n");
    }
    match outcome.reusable.filter(|free| *free >= WORTH_TELLING && !arguments.dry_run) {
        None => {}
        Some(free) => {
            text += &format!(
                "{} of the store's file are free for later runs; to return them to the operating \
                 system: recon runs prune --keep … --vacuum\n",
                figures::bytes(free)
            );
        }
    }
    context.console.print(&text)?;
    unshrunk(outcome.unshrunk)
}

/// The runs are deleted, even if the space of the file could not be given back.
fn unshrunk(problem: Option<Problem>) -> Result<u8, Problems> {
    let Some(problem) = problem else { return Ok(0) };
    let message = format!("the file could not be made smaller: {}", problem.message);
    let problem = Problem::new(problem.code, message);
    Err(problem.help("the runs named above are deleted; repeat --vacuum where there is room for a copy of the store").into())
}

/// Free space worth mentioning.
const WORTH_TELLING: u64 = 1 << 20;

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
