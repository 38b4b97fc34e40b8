//! Runs, their differences, and exports of them.

use std::io::Write;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::diagnostic::{Class, Code, Problem};
use crate::domain::RunId;
use crate::report::ReportData;
use crate::report::xlsx_table::TableBook;
use crate::review::{Page, PageAsk, QueueFilter, Refusal, ReviewItem};
use crate::store::{RunFilter, RunRow};

use super::App;
use super::call::Call;
use super::csv::Table;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};
use super::schema::Anything;
use super::workflow::{filter, filters};

pub fn describe(route: Route) -> Route {
    let id = || Parameter::run("id").example("0190b5a0-0000-7000-8000-00000000000c");
    match route.operation {
        "runs" => route
            .about("List runs, newest first")
            .description(
                "A run is one reconciliation of a job for a business date. A later run of the \
                 same job and date replaces it.",
            )
            .takes([
                Parameter::query("job", "The job", Kind::Text(200)),
                Parameter::limit(),
                Parameter::cursor(),
            ])
            .page_of::<RunView>("Runs"),
        "run" => route
            .about("Show a run with its figures, as in `recon report --json`")
            .description(
                "Counts of records, differences and reasons, totals of money, and the books: \
                 where each row went.",
            )
            .takes([id()])
            .json::<RunDetail>(200, "The run"),
        "run_differences" => route
            .about("List a run's differences by id")
            .description(
                "All differences of one run, settled ones too unless `status` says otherwise.",
            )
            .takes([id()])
            .takes(filters_of_run())
            .takes([Parameter::limit(), Parameter::cursor()])
            .page_of::<ReviewItem>("Differences with their attributions"),
        "run_export" => route
            .about("Download a run's differences")
            .description(
                "Safe cells put an apostrophe before what a spreadsheet would execute and name such columns \
                 in `_escaped`; raw cells and JSON lines stay as they are.",
            )
            .takes([id()])
            .takes(filters_of_run())
            .takes(list_parameters())
            .answers(200, "The file", Content::Media("*/*")),
        _ => route,
    }
}

/// A run.
#[derive(Serialize, ToSchema)]
struct RunView {
    /// Its id.
    run_id: String,
    /// Its job.
    job: String,
    /// The business date.
    #[schema(example = "2026-01-15")]
    batch_date: String,
    /// The system on side A
    source_system_a: String,
    /// The system on side B
    source_system_b: String,
    /// When it started
    start_time: String,
    /// When it ended
    end_time: Option<String>,
    /// Status of its last command
    status: &'static str,
    /// The last completed stage
    stage: Option<&'static str>,
    /// The run that replaced it
    superseded_by: Option<String>,
    /// Its records.
    total_records: u64,
    /// Its differences.
    total_differences: u64,
}

/// A run with its figures.
#[derive(Serialize, ToSchema)]
struct RunDetail {
    /// The run.
    #[serde(flatten)]
    run: RunView,
    /// As in `recon report --json`; null for a run without a result
    #[schema(value_type = Option<Anything>)]
    summary: Option<serde_json::Value>,
}

fn view(run: &RunRow) -> RunView {
    RunView {
        run_id: run.id.to_string(),
        job: run.job.clone(),
        batch_date: run.batch_date.to_string(),
        source_system_a: run.system_a.clone(),
        source_system_b: run.system_b.clone(),
        start_time: run.started.to_string(),
        end_time: run.ended.map(|ended| ended.to_string()),
        status: run.status.name(),
        stage: run.stage.map(|stage| stage.name()),
        superseded_by: run.superseded_by.map(|id| id.to_string()),
        total_records: run.total_records,
        total_differences: run.total_differences,
    }
}

#[derive(Serialize)]
struct Runs {
    items: Vec<RunView>,
    next: Option<String>,
}

pub fn list(call: &Call<'_>) -> Result<Response, Denied> {
    let limit: usize = call.number("limit").unwrap_or(50);
    // Runs are few; the cursor is the id of the last one shown.
    let after = match call.text("cursor") {
        None => None,
        Some(text) => Some(text.parse::<RunId>().map_err(|_| {
            Denied::new(Code::InvalidCursor, "the cursor does not belong to this list")
        })?),
    };
    let filter = RunFilter { job: call.text("job").map(str::to_owned), ..RunFilter::default() };
    let runs = call.app.store.runs(&filter).map_err(crate::review::Refusal::from)?;
    let start = match after {
        None => 0,
        Some(after) => match runs.iter().position(|run| run.id == after) {
            Some(at) => at + 1,
            None => {
                let detail = "the cursor does not belong to this list";
                return Err(Denied::new(Code::InvalidCursor, detail));
            }
        },
    };
    let items: Vec<RunView> = runs.iter().skip(start).take(limit).map(view).collect();
    let more = runs.len() > start + items.len();
    let next = items.last().filter(|_| more).map(|run| run.run_id.clone());
    let page = Runs { items, next };
    Ok(call.linked(Response::json(200, &page), page.next.as_deref()))
}

fn run(call: &Call<'_>) -> Result<RunRow, Denied> {
    let id: RunId = call.path("id").parse().map_err(|_| Denied::not_found())?;
    let found = call.app.store.run(id).map_err(crate::review::Refusal::from)?;
    found.ok_or_else(Denied::not_found)
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let run = run(call)?;
    // Failed runs have no figures.
    let summary = match ReportData::load(&*call.app.store, &run) {
        Ok(data) => match serde_json::to_value(&data.summary) {
            Ok(summary) => {
                Some(call.review().figures(&call.actor()?, &run.id.to_string(), summary)?)
            }
            Err(_) => None,
        },
        Err(problem) if problem.class == Class::Usage => None,
        Err(problem) => return Err(crate::review::Refusal::from(problem).into()),
    };
    Ok(Response::json(200, &RunDetail { run: view(&run), summary }))
}

pub fn differences(call: &Call<'_>) -> Result<Response, Denied> {
    let run = run(call)?;
    let found = call.review().run_differences(
        &call.actor()?,
        &run.id.to_string(),
        &of_any_status(call),
        &call.page_ask(),
    );
    call.page(found)
}

/// Filters of a run's differences, which come in every status unless one is asked for.
fn filters_of_run() -> impl Iterator<Item = Parameter> {
    filters().into_iter().filter(|own| own.name != "run_id").map(|own| match own.name {
        "status" => Parameter { description: "The status; default ALL", ..own },
        _ => own,
    })
}

/// Lists of a run show every status by default.
fn of_any_status(call: &Call<'_>) -> QueueFilter {
    let mut filter = filter(call);
    filter.status.get_or_insert_with(|| "ALL".to_owned());
    filter
}

/// Format and escaping of a list of items.
pub fn list_parameters() -> [Parameter; 2] {
    let [_, cells] = file_parameters();
    [Parameter::query("format", "File format", Kind::One(vec!["csv", "xlsx", "jsonl"])), cells]
}

/// Format and escaping of a download.
fn file_parameters() -> [Parameter; 2] {
    [
        Parameter::query("format", "File format", Kind::One(vec!["csv", "jsonl"])),
        Parameter::query(
            "cells",
            "`safe`: escape what a spreadsheet would execute",
            Kind::One(vec!["safe", "raw"]),
        ),
    ]
}

const COLUMNS: &[&str] = &[
    "attribution_id",
    "run_id",
    "job",
    "batch_date",
    "source_a_ref_id",
    "source_b_ref_id",
    "field_name",
    "value_a",
    "value_b",
    "diff_type",
    "severity",
    "status",
    "reason_code",
    "is_functional",
    "confidence_score",
    "assigned_by",
    "amount_abs",
    "currency",
    "is_locked",
    "version",
    "assignee",
    "due_at",
];

fn cells(item: &ReviewItem) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let reason = item.current_reason.as_ref();
    vec![
        item.attribution_id.clone(),
        item.run_id.clone(),
        item.job.clone(),
        item.batch_date.clone(),
        text(&item.source_a_ref_id),
        text(&item.source_b_ref_id),
        item.difference.field_name.clone(),
        text(&item.difference.value_a),
        text(&item.difference.value_b),
        item.difference.diff_type.clone(),
        item.severity.clone(),
        item.status.clone(),
        reason.map(|reason| reason.code.clone()).unwrap_or_default(),
        reason.map(|reason| reason.is_functional.to_string()).unwrap_or_default(),
        item.confidence_score.to_string(),
        text(&item.assigned_by),
        text(&item.amount_abs),
        text(&item.currency),
        item.is_locked.to_string(),
        item.version.to_string(),
        text(&item.assignee_name),
        item.due_at.clone(),
    ]
}

pub fn export(call: &Call<'_>) -> Result<Response, Denied> {
    let run = run(call)?;
    let (actor, filter) = (call.actor()?, of_any_status(call));
    let id = run.id.to_string();
    let name = format!("recon-{id}");
    send(call, &name, move |app, ask| app.review().run_differences(&actor, &id, &filter, ask))
}

/// The queue's list with this filter, in its order.
pub fn export_queue(call: &Call<'_>) -> Result<Response, Denied> {
    let (actor, filter, sort) = (call.actor()?, filter(call), call.page_ask().sort);
    send(call, "recon-differences", move |app, ask| {
        app.review().queue(&actor, &filter, &PageAsk { sort, ..ask.clone() })
    })
}

/// Sends every page of a list as a file of the format asked for.
fn send(
    call: &Call<'_>,
    name: &str,
    page: impl Fn(&App, &PageAsk) -> Result<Page<ReviewItem>, Refusal> + Send + 'static,
) -> Result<Response, Denied> {
    let app = Arc::clone(call.app);
    // Permission errors must be raised before the file begins.
    page(&app, &first_page())?;
    let format = Format::of(call.text("format"));
    let safe = call.text("cells") != Some("raw");
    let (media, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Lines => ("application/x-ndjson", "jsonl"),
        Format::Workbook => {
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx")
        }
    };
    let stream = Box::new(move |out: &mut dyn Write| match format {
        Format::Lines => each(&app, &page, &mut |item| {
            serde_json::to_writer(&mut *out, item)?;
            out.write_all(b"\n")
        }),
        Format::Csv => {
            let mut table = Table::new(out, COLUMNS, safe)?;
            each(&app, &page, &mut |item| table.row(&cells(item)))?;
            table.finish()
        }
        Format::Workbook => {
            let failed = |problem: Problem| std::io::Error::other(problem.to_string());
            let mut book = TableBook::new("Differences", COLUMNS).map_err(failed)?;
            each(&app, &page, &mut |item| match book.row(&cells(item)).map_err(failed)? {
                true => Ok(()),
                false => Err(std::io::Error::other("a sheet has at most 1,048,575 rows")),
            })?;
            out.write_all(&book.finish().map_err(failed)?)
        }
    });
    Ok(attachment(Response::stream(media, stream), &format!("{name}.{ending}")))
}

/// The format of a downloaded list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Lines,
    Workbook,
}

impl Format {
    fn of(name: Option<&str>) -> Self {
        match name {
            Some("jsonl") => Self::Lines,
            Some("xlsx") => Self::Workbook,
            _ => Self::Csv,
        }
    }
}

/// `name` must be plain ASCII that no client chose.
pub fn attachment(response: Response, name: &str) -> Response {
    response.header("content-disposition", format!("attachment; filename=\"{name}\""))
}

fn first_page() -> PageAsk {
    PageAsk { limit: Some(200), ..PageAsk::default() }
}

/// Page by page, so that memory stays bounded.
fn each(
    app: &App,
    page: impl Fn(&App, &PageAsk) -> Result<Page<ReviewItem>, Refusal>,
    each: &mut dyn FnMut(&ReviewItem) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut ask = first_page();
    loop {
        let page = page(app, &ask).map_err(|refusal| std::io::Error::other(refusal.message))?;
        page.items.iter().try_for_each(&mut *each)?;
        match page.next {
            Some(next) => ask.cursor = Some(next),
            None => return Ok(()),
        }
    }
}
