//! The reconciliation statement of a run: from A's balance to B's, each line a link to its differences.

use std::collections::BTreeMap;
use std::sync::Mutex;

use askama::Template;
use serde_json::json;

use crate::domain::{RunId, Stage};
use crate::report::statement::{self, Line, Statement, Statements, Waterfall};
use crate::report::{Summary, summary};
use crate::review::Refusal;
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::store::{RunRow, Store};

use crate::server::page::address::with_query;
use crate::server::page::context::{PageContext, html};
use crate::server::page::frame::{Frame, Screen};

/// A statement takes a pass over the run's differences, so the last ones are cached: until something is decided
/// they are current, and then of a large run only the changes are read.
static CACHE: Mutex<BTreeMap<(String, RunId), CachedStatement>> = Mutex::new(BTreeMap::new());

#[derive(Clone)]
struct CachedStatement {
    /// The version of the data.
    version: String,
    statements: Statements,
    found: statement::StatementState,
}

const MOST_CACHED: usize = 50;
/// The most items of large runs for which statements are kept; an item takes up to 40 bytes.
const MOST_ITEMS: usize = 4_000_000;

#[derive(Template)]
#[template(path = "overview/statement.html")]
pub struct StatementPage {
    pub frame: Frame,
    pub job: String,
    pub date: String,
    /// The address of the run's page.
    pub back: String,
    pub systems: (String, String),
    /// The user may not see some field of the records.
    pub masked: bool,
    pub parts: Vec<Part>,
    pub not_added: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Part {
    pub title: String,
    pub chart: Waterfall,
    pub from: String,
    pub to: String,
    pub lines: Vec<Row>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub functional: bool,
    pub amount: String,
    pub count: String,
    /// Empty for amounts within tolerance, which are no differences.
    pub href: String,
}

impl Part {
    fn new(one: &Statement, summary: &Summary) -> Self {
        let systems = (summary.sources.a.system.as_str(), summary.sources.b.system.as_str());
        let row = |line: &Line| Row {
            name: line.name(),
            functional: line.functional,
            amount: one.shown(&line.amount),
            count: line.counted(),
            href: statement::differences(&summary.run_id, one, line).unwrap_or_default(),
        };
        Self {
            title: one.title(),
            chart: Waterfall::new(one, systems),
            from: one.shown(&one.a),
            to: one.shown(&one.b),
            lines: one.lines.iter().map(row).collect(),
        }
    }
}

/// True if the user may see every field of a run's records, and so its amounts.
pub fn may_see(context: &PageContext<'_>, run_id: &str) -> Result<bool, Denied> {
    let seen = context.review.figures(&context.actor, run_id, json!({ "money": true }))?;
    Ok(seen.get("money").is_some())
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, inbox) = context.frame(Screen::Overview)?;
    let store = &*call.app.store;
    let id: RunId = context.asked("run").parse().map_err(|_| Denied::not_found())?;
    let run =
        store.run(id).map_err(Refusal::from)?.filter(|run| run.stage >= Some(Stage::Compared));
    let run = run.ok_or_else(Denied::not_found)?;
    let kept = store.kept_counts(run.id).map_err(Refusal::from)?;
    let summary = summary(store, &run, kept.as_ref()).map_err(Refusal::from)?;
    let masked = !may_see(&context, &summary.run_id)?;
    let statements = match masked {
        true => Statements::default(),
        false => statements(store, &run, &summary, &inbox.data_version)?,
    };
    let page = StatementPage {
        frame,
        job: summary.job.clone(),
        date: summary.batch_date.clone(),
        back: with_query("/review", [("run", summary.run_id.as_str())]),
        systems: (summary.sources.a.system.clone(), summary.sources.b.system.clone()),
        masked,
        parts: statements.statement.iter().map(|one| Part::new(one, &summary)).collect(),
        not_added: statements.not_added,
    };
    html(200, &page)
}

/// The statements of a run at this version of the data.
fn statements(
    store: &dyn Store,
    run: &RunRow,
    summary: &Summary,
    version: &str,
) -> Result<Statements, Denied> {
    let key = (store.url(), run.id);
    let known = CACHE.lock().ok().and_then(|known| known.get(&key).cloned());
    let found = match known {
        Some(known) if known.version == version => return Ok(known.statements),
        Some(known) => known.found,
        None => statement::StatementState::default(),
    };
    // The cache may be of a store that was changed from outside: then everything is read.
    let (statements, found) = statement::read_again(store, run, summary, found)
        .or_else(|_| {
            statement::read_again(store, run, summary, statement::StatementState::default())
        })
        .map_err(Refusal::from)?;
    if let Ok(mut known) = CACHE.lock() {
        let items: usize = known.values().map(|one| one.found.items()).sum();
        if known.len() >= MOST_CACHED || items > MOST_ITEMS {
            known.clear();
        }
        let (version, statements) = (version.to_owned(), statements.clone());
        known.insert(key, CachedStatement { version, statements, found });
    }
    Ok(statements)
}
