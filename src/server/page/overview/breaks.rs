//! The breaks of a job: the open ones, and those that are new or cleared on its newest date.

use askama::Template;

use crate::review::Refusal;
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::store::NewestBreak;

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
    /// Title, text of an empty list, and the breaks.
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
    fn new(one: NewestBreak, masked: bool, systems: &[String]) -> Self {
        Self {
            reference: if masked { String::new() } else { one.reference },
            href: format!("/review/items/{}", one.attribution_id),
            field: labels::field(&one.field).to_owned(),
            kind: difference::kind(one.diff_type.name(), systems),
            since: one.first_seen.to_string(),
            day: one.age_days + 1,
            cleared: one.cleared_how.map_or("", labels::cleared),
            is_back: one.is_back,
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
    let most = Some(MOST).filter(|_| format.is_none());
    let found = store.newest_breaks(&run.job, most).map_err(Refusal::from)?;
    let rows = |breaks: Vec<NewestBreak>| -> Vec<Row> {
        breaks.into_iter().map(|one| Row::new(one, masked, &systems)).collect()
    };
    let lists = vec![
        ("Open, the oldest first", "No breaks are open.", rows(found.open)),
        ("New on this date", "No breaks are new.", rows(found.new)),
        ("Cleared on this date", "No breaks have cleared.", rows(found.cleared)),
    ];
    if let Some(format) = format {
        let lines =
            lists.iter().flat_map(|(list, _, rows)| rows.iter().map(move |row| Line { list, row }));
        return file::response(format, "recon-breaks", &lines.collect::<Vec<_>>());
    }
    let forecasts = context.review.forecasts(&context.actor, &run.job)?;
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
