//! The breaks of a job: what is open, and what is new and cleared on its newest date.

use askama::Template;

use crate::review::Refusal;
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::store::{BREAK_COLUMNS, BreakFilter, SqlValue};

use super::runs::newest_of;
use crate::server::page::address::with_query;
use crate::server::page::context::{PageContext, html};
use crate::server::page::frame::{Frame, Screen};
use crate::server::page::{difference, file, item, labels};

/// Breaks in a list.
const MOST: usize = 100;

#[derive(Template)]
#[template(path = "overview/breaks.html")]
pub struct BreaksPage {
    pub frame: Frame,
    pub job: String,
    pub date: String,
    /// The address of the run's page.
    pub back: String,
    /// The user may not see some field of the records.
    pub masked: bool,
    /// Title, what to say of an empty one, and the breaks.
    pub lists: Vec<(&'static str, &'static str, Vec<Row>)>,
    /// Field, kind and how soon such breaks clear.
    pub forecasts: Vec<(String, String, String)>,
    /// Address and name of each file of this list.
    pub exports: Vec<(String, &'static str)>,
}

/// A break in a file.
#[derive(serde::Serialize)]
struct Line<'a> {
    list: &'a str,
    #[serde(flatten)]
    row: &'a Row,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct Row {
    /// Empty where a field is masked.
    pub reference: String,
    pub href: String,
    pub field: String,
    pub kind: String,
    pub since: String,
    /// Days on which it was there, the first one included.
    pub day: i64,
    /// How it cleared; empty for an open one.
    pub cleared: &'static str,
    /// The first date of the episode before was earlier: it is back.
    pub is_back: bool,
}

impl Row {
    fn new(values: &[SqlValue], masked: bool, systems: &[String]) -> Self {
        let at = |name: &str| {
            BREAK_COLUMNS.iter().position(|column| *column == name).and_then(|at| values.get(at))
        };
        let text = |name: &str| match at(name) {
            Some(SqlValue::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let age = match at("age_days") {
            Some(SqlValue::Integer(days)) => *days,
            _ => 0,
        };
        Self {
            reference: if masked { String::new() } else { text("ref") },
            href: format!("/review/items/{}", text("attribution_id")),
            field: labels::field(&text("field_name")).to_owned(),
            kind: difference::kind(&text("diff_type"), systems),
            since: text("first_seen"),
            day: age + 1,
            cleared: labels::cleared(&text("cleared_how")),
            is_back: !text("reopens").is_empty(),
        }
    }
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Overview)?;
    let store = &*call.app.store;
    let run = newest_of(store, context.asked("job"))?.ok_or_else(Denied::not_found)?;
    let run_id = run.id.to_string();
    let masked = !super::statement::may_see(&context, &run_id)?;
    let systems = [run.system_a.clone(), run.system_b.clone()];
    let format = file::asked(&context);
    let list = |open: bool, today: bool| {
        let filter = BreakFilter {
            job: Some(run.job.clone()),
            open: Some(open),
            since: today.then_some(run.batch_date),
            named: None,
            limit: Some(MOST).filter(|_| format.is_none()),
        };
        let found = store.breaks(&filter).map_err(Refusal::from)?;
        Ok::<_, Denied>(found.iter().map(|one| Row::new(one, masked, &systems)).collect::<Vec<_>>())
    };
    let lists = vec![
        ("Open, the oldest first", "No breaks are open.", list(true, false)?),
        ("New on this date", "No breaks are new.", list(true, true)?),
        ("Cleared on this date", "No breaks have cleared.", list(false, true)?),
    ];
    if let Some(format) = format {
        let lines =
            lists.iter().flat_map(|(list, _, rows)| rows.iter().map(move |row| Line { list, row }));
        return file::response(format, "recon-breaks", &lines.collect::<Vec<_>>());
    }
    let forecasts = context.desk.forecasts(&context.actor, &run.job)?;
    let page = BreaksPage {
        forecasts: forecasts
            .iter()
            .map(|(field, kind, one)| {
                (
                    labels::field(field).to_owned(),
                    difference::kind(kind, &systems),
                    item::forecast(one),
                )
            })
            .collect(),
        frame,
        job: run.job.clone(),
        date: run.batch_date.to_string(),
        back: with_query("/review", [("run", run_id.as_str())]),
        masked,
        lists,
        exports: file::links(&with_query("/review/breaks", [("job", run.job.as_str())])),
    };
    html(200, &page)
}
