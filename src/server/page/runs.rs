//! The start page: runs and their figures. Figures cost a walk over a run's differences, so they are
//! kept for a while.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::diagnostic::{Code, Problem};
use crate::domain::attribution::AssignedBy;
use crate::domain::metadata::{self, Seconds};
use crate::domain::{Instant, RunId, Stage, Status};
use crate::report::{Summary, books_from_json};
use crate::review::answer::MASKED;
use crate::review::{PageAsk, QueueFilter, Refusal, Sla};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::store::{AttributionCount, RunFilter, RunRow, Store};

use super::context::{Here, html};
use super::frame::Place;
use super::overview::{Answers, Overview, RunFigures, Standing};

/// Runs of a job that are drawn.
const DRAWN: usize = 30;
/// Runs that are looked through.
const LOOKED_AT: usize = 200;
/// Seconds for which the figures of other runs than the one shown are kept: only people change them.
const OLD: i64 = 600;
/// What is shown of a warning that quotes what somebody may not see.
const MASKED_WARNING: &str = "Something puts the figures of this run into question. It is about fields that are \
     masked for you: ask somebody who may see them.";
/// Figures kept at most.
const KEPT: usize = 500;

/// Figures, when they were counted, and the version of what they were counted from.
type Kept = HashMap<(String, RunId), (Instant, String, RunFigures)>;

static FIGURES: Mutex<Option<Kept>> = Mutex::new(None);

/// The start page.
pub fn overview(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let (frame, inbox) = here.frame(Place::Overview)?;
    let store = &*call.app.store;
    let runs = attributed(store, None, LOOKED_AT)?;
    let mut jobs: Vec<String> = Vec::new();
    for run in &runs {
        if !jobs.contains(&run.job) {
            jobs.push(run.job.clone());
        }
    }
    let wanted = here.asked("run");
    let job = here.asked("job");
    let shown = runs
        .iter()
        .find(|run| run.id.to_string() == wanted)
        .or_else(|| runs.iter().find(|run| run.job == job))
        .or_else(|| runs.first());
    let mut figures = Vec::new();
    let mut ages = [0; 3];
    if let Some(shown) = shown {
        let same = runs.iter().filter(|run| run.job == shown.job);
        let mut drawn: Vec<&RunRow> = same
            .filter(|run| run.superseded_by.is_none() || run.id == shown.id)
            .take(DRAWN)
            .collect();
        if !drawn.iter().any(|run| run.id == shown.id) {
            drawn.push(shown);
        }
        for run in drawn {
            // The run shown is as it is now; a line may be drawn from figures of a while ago.
            let version = (run.id == shown.id).then_some(inbox.data_version.as_str());
            figures.push(known(store, run, here.now, version).map_err(Refusal::from)?);
        }
        ages = by_age(&here, shown)?;
    }
    let shown = shown.map(|run| run.id.to_string()).unwrap_or_default();
    let present = figures.iter().find(|run| run.summary.run_id == shown);
    let first = match present {
        Some(run) => first_warnings(&here, &run.summary)?,
        None => Vec::new(),
    };
    let answers = Answers {
        runs: &figures,
        shown: &shown,
        jobs: &jobs,
        inbox: &inbox,
        ages,
        first: &first,
        now: here.now,
    };
    html(200, &Overview::new(frame, &answers))
}

/// The warnings that put the whole result into question, and what to do; what the person may not see
/// in them is masked.
fn first_warnings(here: &Here<'_>, summary: &Summary) -> Result<Vec<(String, String)>, Denied> {
    if !summary.warnings.iter().any(|warning| warning.stands_first()) {
        return Ok(Vec::new());
    }
    let whole = serde_json::to_value(summary).unwrap_or_default();
    let seen = here.desk.figures(&here.actor, &summary.run_id, whole)?;
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
    // Newest first, by business date and then by when they ran.
    runs.sort_by_key(|run| std::cmp::Reverse((run.batch_date, run.started)));
    Ok(runs)
}

/// The figures of a run, from memory if they are of this version, or young enough where none is asked
/// for.
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
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, (now, version.unwrap_or_default().to_owned(), figures.clone()));
    }
    Ok(figures)
}

fn counted(store: &dyn Store, run: &RunRow) -> Result<RunFigures, Problem> {
    let unreadable = |what: &str| {
        Problem::new(Code::BooksUnreadable, format!("the counts of run {}: {what}", run.id))
    };
    let counts = run.metadata.get(metadata::COUNTS).ok_or_else(|| unreadable("there are none"))?;
    let books = books_from_json(counts).map_err(|error| unreadable(&error.to_string()))?;
    let attributions = store.attribution_counts(run.id)?;
    let gate = store.gate_counts(run.id)?;
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

/// Unknown differences of a run that are in time, nearly due and overdue.
fn by_age(here: &Here<'_>, run: &RunRow) -> Result<[u64; 3], Denied> {
    let ask = PageAsk { limit: Some(1), count: true, ..PageAsk::default() };
    let mut ages = [0; 3];
    for (number, sla) in ages.iter_mut().zip([Sla::Ok, Sla::Due, Sla::Overdue]) {
        let filter = QueueFilter {
            run_id: Some(run.id.to_string()),
            sla: Some(sla),
            ..QueueFilter::default()
        };
        let page = here.desk.queue(&here.actor, &filter, &ask)?;
        *number = page.total.unwrap_or_default();
    }
    Ok(ages)
}
