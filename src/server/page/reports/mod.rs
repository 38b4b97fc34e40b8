//! Reports for auditors: overrides, access, separation of duties.

use askama::Template;

use crate::domain::review::Permission;
use crate::review::{AccessRow, OverrideRow, Period, SodFinding};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::reports::{period, period_parameters};
use crate::server::route::Access::OneOf;
use crate::server::route::Route;
use crate::server::routes::get;

use super::address::with_query;
use super::context::{PageContext, html};
use super::frame::{Frame, Screen};
use super::{file, labels};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/reports", "page_reports", show, OneOf(&[Permission::Reports])).takes(parameters()),
    ]
}

fn parameters() -> Vec<Parameter> {
    let which = Kind::One(vec!["overrides", "access", "duties"]);
    let mut all = vec![Parameter::query("report", "The report", which), file::parameter()];
    all.extend(period_parameters());
    all
}

/// Most rows on the page; files have all.
const SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "reports/reports.html")]
pub struct Reports {
    pub frame: Frame,
    /// Name, address, present.
    pub tabs: Vec<(&'static str, String, bool)>,
    pub about: &'static str,
    pub which: &'static str,
    pub from: String,
    /// The day after the last.
    pub to: String,
    /// Column heads, and whether the column has numbers.
    pub heads: Vec<(&'static str, bool)>,
    pub rows: Vec<Vec<Cell>>,
    /// Rows not shown.
    pub more: u64,
    /// Text of the empty list.
    pub nothing: &'static str,
    /// Address and name of each file of this list.
    pub exports: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub text: String,
    pub sub: String,
    pub href: Option<String>,
    pub number: bool,
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn number(number: u64) -> Self {
        Self { text: labels::count(&number), number: true, ..Self::default() }
    }

    fn at(moment: &str) -> Self {
        Self { text: labels::short_moment(moment), number: true, ..Self::default() }
    }

    fn none(text: &str) -> Self {
        Self { text: text.to_owned(), number: true, ..Self::default() }
    }

    fn sub(self, sub: impl Into<String>) -> Self {
        Self { sub: sub.into(), ..self }
    }

    fn to(self, href: String) -> Self {
        Self { href: Some(href), ..self }
    }
}

pub enum Report {
    /// Overrides, and decisions without a second person.
    Overrides(Vec<OverrideRow>),
    /// Users' permissions and activity.
    Access(Vec<AccessRow>),
    /// Violations of the separation of duties, and attempts.
    Duties(Vec<SodFinding>),
}

impl Report {
    const fn word(&self) -> &'static str {
        match self {
            Self::Overrides(_) => "overrides",
            Self::Access(_) => "access",
            Self::Duties(_) => "duties",
        }
    }
}

impl Reports {
    pub fn new(frame: Frame, period: &Period, found: &Report) -> Self {
        let which = found.word();
        let (from, to) =
            (period.from.clone().unwrap_or_default(), period.to.clone().unwrap_or_default());
        let address = |path: &str, report: &str| {
            with_query(path, [("report", report), ("from", from.as_str()), ("to", to.as_str())])
        };
        let (heads, mut rows, about, nothing) = match found {
            Report::Overrides(rows) => (
                vec![
                    ("Decision", false),
                    ("Items", true),
                    ("Prediction", false),
                    ("Maker", false),
                    ("Approved by", false),
                    ("Control", false),
                    ("In force", true),
                ],
                rows.iter().map(override_row).collect::<Vec<_>>(),
                "Settled decisions against the prediction, and those without a second person.",
                "No settled decision of this period went against the prediction.",
            ),
            Report::Access(rows) => (
                vec![
                    ("Person", false),
                    ("Roles", false),
                    ("As maker", true),
                    ("As checker", true),
                    ("As authorizer", true),
                    ("Other", true),
                    ("Last", true),
                ],
                rows.iter().map(access_row).collect(),
                "What each user may do now, and what they did.",
                "There are no users.",
            ),
            Report::Duties(rows) => (
                vec![("Finding", false), ("Who", false), ("About", false), ("When", true)],
                rows.iter().map(duty_row).collect(),
                "Violations of the separation of duties, and attempts.",
                "No violation, and no attempt.",
            ),
        };
        let more = rows.len().saturating_sub(SHOWN) as u64;
        rows.truncate(SHOWN);
        let tab = |name, word| (name, address("/review/reports", word), which == word);
        Self {
            frame,
            tabs: vec![
                tab("Overrides", "overrides"),
                tab("Access", "access"),
                tab("Separation of duties", "duties"),
            ],
            about,
            which,
            exports: file::links(&address("/review/reports", which)),
            from,
            to,
            heads,
            rows,
            more,
            nothing,
        }
    }
}

fn override_row(row: &OverrideRow) -> Vec<Cell> {
    let code = row.reason_code.as_deref();
    let decision = match row.action.as_str() {
        "REJECT" => "Confirm as break".to_owned(),
        "APPROVE" => "Accept the predicted cause".to_owned(),
        _ => code.map_or_else(|| "Settle".to_owned(), |code| format!("Settle as {code}")),
    };
    let sure = row.confidence.map(|sure| format!("{} sure", labels::percent(sure)));
    vec![
        Cell::text(decision)
            .sub(row.comments.clone().unwrap_or_default())
            .to(format!("/review/proposals/{}", row.proposal_id)),
        Cell::number(row.items),
        Cell::text(row.predicted.clone().unwrap_or_else(|| "none".to_owned()))
            .sub(sure.unwrap_or_default()),
        Cell::text(row.maker.clone()).sub(labels::short_moment(&row.proposed_at)),
        Cell::text(if row.approvers.is_empty() {
            "nobody".to_owned()
        } else {
            row.approvers.join(", ")
        }),
        Cell::text(labels::control(&row.control)),
        row.applied_at.as_deref().map_or_else(|| Cell::none("not yet"), Cell::at),
    ]
}

fn access_row(row: &AccessRow) -> Vec<Cell> {
    let of = |stage: &str| row.actions.get(stage).copied().unwrap_or_default();
    let named = ["MAKER", "CHECKER", "AUTHORIZER"];
    let other = row.actions.iter().filter(|(stage, _)| !named.contains(&stage.as_str()));
    let other: u64 = other.map(|(_, count)| count).sum();
    let trail = with_query("/review/audit", [("actor", row.person_id.as_str())]);
    vec![
        Cell::text(row.name.clone()).to(trail),
        Cell::text(row.roles.clone()),
        Cell::number(of("MAKER")),
        Cell::number(of("CHECKER")),
        Cell::number(of("AUTHORIZER")),
        Cell::number(other),
        row.last_action_at.as_deref().map_or_else(|| Cell::none("never"), Cell::at),
    ]
}

fn duty_row(row: &SodFinding) -> Vec<Cell> {
    let decided = ["one-administrator", "solo", "two-eye", "self-approval", "same-approver"];
    let is_proposal =
        decided.contains(&row.kind.as_str()) && row.entity.parse::<uuid::Uuid>().is_ok();
    let entity = if is_proposal {
        Cell::text("the proposal").to(format!("/review/proposals/{}", row.entity))
    } else {
        Cell::text(row.entity.clone())
    };
    vec![
        Cell::text(labels::sentence(&row.kind.replace('-', "_"))).sub(row.what.clone()),
        Cell::text(row.name.clone()),
        entity,
        Cell::at(&row.at),
    ]
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Reports)?;
    let period = period(call);
    let found = match context.asked("report") {
        "access" => Report::Access(context.review.report_access(&context.actor, &period)?),
        "duties" => Report::Duties(context.review.report_sod(&context.actor, &period)?),
        _ => Report::Overrides(context.review.report_overrides(&context.actor, &period)?),
    };
    if let Some(format) = file::asked(&context) {
        return match &found {
            Report::Overrides(rows) => file::response(format, "recon-overrides", rows),
            Report::Access(rows) => file::response(format, "recon-access", rows),
            Report::Duties(rows) => file::response(format, "recon-duties", rows),
        };
    }
    html(200, &Reports::new(frame, &period, &found))
}
