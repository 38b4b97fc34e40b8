//! Data of the start page. Figures of old runs take a pass over their differences, so they are cached.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::diagnostic::{Code, Problem};
use crate::domain::attribution::AssignedBy;
use crate::domain::metadata::{self, Seconds};
use crate::domain::review::Permission;
use crate::domain::{Instant, RunId, Stage, Status};
use crate::report::{Summary, books_from_json};
use crate::review::people::staffing;
use crate::review::{MASKED, Refusal};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::store::{AttributionCount, RunFilter, RunRow, Store};

use super::{Data, Overview, RunFigures, Standing};
use crate::server::page::context::{PageContext, html};
use crate::server::page::frame::Screen;

/// Runs in a chart.
const CHARTED: usize = 30;
/// Runs that are loaded.
const LOADED: usize = 200;
/// Seconds for which figures of other runs than the one shown stay cached: only users' decisions
/// change them.
const OLD: i64 = 600;
/// Replaces a warning that quotes masked values.
const MASKED_WARNING: &str = "Something puts the figures of this run into question. It is about fields that are \
     masked for you: ask a user who may see them.";
const CACHED: usize = 500;

/// Time of counting, data version, figures.
type Cache = HashMap<(String, RunId), (Instant, String, RunFigures)>;

static FIGURES: Mutex<Option<Cache>> = Mutex::new(None);

/// The ages of a run's breaks, with the version of the runs.
type Ageing = HashMap<(String, RunId), (String, [u64; 5])>;

static AGEING: Mutex<Option<Ageing>> = Mutex::new(None);

pub fn overview(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, inbox) = context.frame(Screen::Overview)?;
    let store = &*call.app.store;
    let runs = attributed(store, None, LOADED)?;
    let mut jobs: Vec<String> = Vec::new();
    for run in &runs {
        if !jobs.contains(&run.job) {
            jobs.push(run.job.clone());
        }
    }
    let wanted = context.asked("run");
    let job = context.asked("job");
    let shown = runs
        .iter()
        .find(|run| run.id.to_string() == wanted)
        .or_else(|| runs.iter().find(|run| run.job == job))
        .or_else(|| runs.first());
    let mut figures = Vec::new();
    let (mut ages, mut ageing) = ([0; 3], [0; 5]);
    if let Some(shown) = shown {
        let same = runs.iter().filter(|run| run.job == shown.job);
        let mut drawn: Vec<&RunRow> = same
            .filter(|run| run.superseded_by.is_none() || run.id == shown.id)
            .take(CHARTED)
            .collect();
        if !drawn.iter().any(|run| run.id == shown.id) {
            drawn.push(shown);
        }
        for run in drawn {
            // The shown run must be up to date; charts may use cached figures.
            let version = (run.id == shown.id).then_some(inbox.data_version.as_str());
            figures.push(known(store, run, context.now, version).map_err(Refusal::from)?);
        }
        ages = context.review.ages(&context.actor, &shown.id.to_string())?;
        ageing = ages_of_breaks(&context, shown, &inbox.data_version)?;
    }
    let shown = shown.map(|run| run.id.to_string()).unwrap_or_default();
    let present = figures.iter().find(|run| run.summary.run_id == shown);
    let first = match present {
        Some(run) => first_warnings(&context, &run.summary)?,
        None => Vec::new(),
    };
    let has_money = present.is_some_and(|run| !run.summary.money.is_empty());
    let sees_money = has_money && super::statement::may_see(&context, &shown)?;
    let answers = Data {
        runs: &figures,
        shown: &shown,
        jobs: &jobs,
        inbox: &inbox,
        ages,
        ageing,
        first: &first,
        steps: &first_steps(&context, !runs.is_empty())?,
        sees_money,
        now: context.now,
    };
    html(200, &Overview::new(frame, &answers))
}

/// By the age of their breaks. Decisions change nothing about it, only runs do: it is counted once for them.
fn ages_of_breaks(
    context: &PageContext<'_>,
    run: &RunRow,
    version: &str,
) -> Result<[u64; 5], Denied> {
    let key = (context.call.app.store.url(), run.id);
    let runs = version.split_once('-').map_or("", |(_, runs)| runs);
    if let Ok(mut kept) = AGEING.lock()
        && let Some((of, ages)) = kept.get_or_insert_default().get(&key)
        && of == runs
    {
        return Ok(*ages);
    }
    let ages = context.review.ageing(&context.actor, &run.id.to_string())?;
    if let Ok(mut kept) = AGEING.lock() {
        let kept = kept.get_or_insert_default();
        if kept.len() >= CACHED {
            kept.clear();
        }
        kept.insert(key, (runs.to_owned(), ages));
    }
    Ok(ages)
}

/// First steps of an administrator, until all are done.
fn first_steps(
    context: &PageContext<'_>,
    has_run: bool,
) -> Result<Vec<(String, String, bool)>, Denied> {
    let app = context.call.app;
    if !context.may(Permission::Administer) || app.review_settings.solo() {
        return Ok(Vec::new());
    }
    let staffed = staffing::warning(&*app.store, 6).map_err(Refusal::from)?.is_none();
    let public = app.settings.public_url.is_some();
    let steps = [
        ("Invite a maker, a checker and an authorizer", "/review/people", staffed),
        ("Reconcile two sources: recon run", "", has_run),
        ("Serve it where others reach it: server.public_url in recon.yaml", "", public),
    ];
    if staffed && has_run {
        return Ok(Vec::new());
    }
    Ok(steps.map(|(text, href, done)| (text.to_owned(), href.to_owned(), done)).to_vec())
}

/// Warnings that put the whole result into question, with remedies; hidden values are masked.
fn first_warnings(
    context: &PageContext<'_>,
    summary: &Summary,
) -> Result<Vec<(String, String)>, Denied> {
    if !summary.warnings.iter().any(|warning| warning.stands_first()) {
        return Ok(Vec::new());
    }
    let whole = serde_json::to_value(summary).unwrap_or_default();
    let seen = context.review.figures(&context.actor, &summary.run_id, whole)?;
    let mut first = Vec::new();
    for (at, warning) in summary.warnings.iter().enumerate() {
        if warning.stands_first() {
            let text =
                |name: &str| seen["warnings"][at][name].as_str().unwrap_or_default().to_owned();
            let message = match text("message") {
                text if text.is_empty() || text == MASKED => MASKED_WARNING.to_owned(),
                text => text,
            };
            first.push((
                message,
                Some(text("help")).filter(|help| help != MASKED).unwrap_or_default(),
            ));
        }
    }
    Ok(first)
}

fn attributed(store: &dyn Store, job: Option<String>, limit: usize) -> Result<Vec<RunRow>, Denied> {
    let filter = RunFilter { job, not_failed: true, limit: Some(limit), ..RunFilter::default() };
    let mut runs = store.runs(&filter).map_err(Refusal::from)?;
    runs.retain(|run| run.stage == Some(Stage::Attributed));
    // Newest first, by business date, then by start.
    runs.sort_by_key(|run| std::cmp::Reverse((run.batch_date, run.started)));
    Ok(runs)
}

/// The run of a job's newest date, or of the newest date of all if no job is named.
pub fn newest_of(store: &dyn Store, job: &str) -> Result<Option<RunRow>, Denied> {
    let job = Some(job.to_owned()).filter(|job| !job.is_empty());
    let runs = attributed(store, job, LOADED)?;
    Ok(runs.into_iter().find(|run| run.superseded_by.is_none()))
}

/// From the cache if of this version, or young enough if no version is given.
fn known(
    store: &dyn Store,
    run: &RunRow,
    now: Instant,
    version: Option<&str>,
) -> Result<RunFigures, Problem> {
    let key = (store.url(), run.id);
    if let Ok(mut kept) = FIGURES.lock()
        && let Some((at, of, figures)) = kept.get_or_insert_default().get(&key)
        && version.map_or(now.seconds() - at.seconds() < OLD, |version| of == version)
    {
        return Ok(figures.clone());
    }
    let figures = counted(store, run)?;
    if let Ok(mut kept) = FIGURES.lock() {
        let kept = kept.get_or_insert_default();
        if kept.len() >= CACHED {
            kept.clear();
        }
        kept.insert(key, (now, version.unwrap_or_default().to_owned(), figures.clone()));
    }
    Ok(figures)
}

fn counted(store: &dyn Store, run: &RunRow) -> Result<RunFigures, Problem> {
    let unreadable = |what: &str| {
        Problem::new(Code::BooksUnreadable, format!("counting run {} failed: {what}", run.id))
    };
    let counts = run.metadata.get(metadata::COUNTS).ok_or_else(|| unreadable("there are none"))?;
    let books = books_from_json(counts).map_err(|error| unreadable(&error.to_string()))?;
    let (attributions, gate) = match store.kept_counts(run.id)? {
        Some(kept) => (kept.attributions, kept.gate),
        None => (store.attribution_counts(run.id)?, store.gate_counts(run.id)?),
    };
    let seconds: Seconds = metadata::piece(&run.metadata, metadata::SECONDS).unwrap_or_default();
    let summary = Summary::new(run, &books, &attributions, Some(gate), &seconds).proved()?;
    Ok(RunFigures { started: run.started, summary, standing: standing(&attributions) })
}

fn standing(counts: &[AttributionCount]) -> Standing {
    let mut standing = Standing::default();
    for one in counts {
        let machine = !matches!(AssignedBy::parse(&one.assigned_by), AssignedBy::Person(_));
        let place = match one.status {
            Status::Accepted if machine && one.functional => &mut standing.machine_functional,
            Status::Accepted if machine => &mut standing.machine_error,
            Status::Accepted => &mut standing.people,
            Status::Rejected => &mut standing.rejected,
            Status::Pending => &mut standing.pending,
            Status::Unknown => &mut standing.unknown,
        };
        *place += one.count;
    }
    standing
}
