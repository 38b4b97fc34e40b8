//! The audit trail.

use askama::Template;

use crate::domain::Status;
use crate::domain::review::Permission::{self, AuditAll, AuditOwn};
use crate::domain::review::ProposalState;
use crate::review::{AuditFilter, AuditView, Checkpoint, Page, Verdict};
use crate::server::audit;
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::Parameter;
use crate::server::reports::period_parameters;
use crate::server::route::Access::OneOf;
use crate::server::route::Route;
use crate::server::routes::get;

use super::address::with_query;
use super::context::{PageContext, html};
use super::frame::{Frame, Screen};
use super::queue::{Chip, Facet, FacetOption};
use super::{labels, yes};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/audit", "page_audit", show, OneOf(&[AuditOwn, AuditAll])).takes(parameters()),
    ]
}

#[derive(Template)]
#[template(path = "audit/audit.html")]
pub struct Audit {
    pub frame: Frame,
    pub search: String,
    pub from: String,
    pub to: String,
    pub facets: Vec<Facet>,
    pub chips: Vec<Chip>,
    /// `None` without permission.
    pub chain: Option<Chain>,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    /// Address and name.
    pub exports: Vec<(String, String)>,
    /// The user may only see their own rows.
    pub own_only: bool,
}

#[derive(Clone, Debug)]
pub struct Chain {
    /// `good`, `bad` or `note`.
    pub class: &'static str,
    pub text: String,
    /// For the auditor's records.
    pub checkpoint: String,
    /// The chain was just verified.
    pub checked: bool,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub seq: u64,
    pub at: String,
    pub when: String,
    pub actor: String,
    pub roles: String,
    pub stage: String,
    pub action: String,
    /// Name and address.
    pub entity: (String, Option<String>),
    /// Name, before, after.
    pub changes: Vec<(String, String, String)>,
    pub comment: String,
    /// The rows of its step, where there are several.
    pub unfold: Option<String>,
    pub control: String,
    pub hash: String,
    /// Login method, address, request and so on: name and value.
    pub details: Vec<(String, String)>,
}

pub struct Data<'a> {
    pub filter: &'a AuditFilter,
    pub page: &'a Page<AuditView>,
    /// `None` without permission.
    pub chain: Option<(&'a Checkpoint, Option<&'a Verdict>)>,
    pub own_only: bool,
}

const ACTIONS: [&str; 12] = [
    "APPROVE", "OVERRIDE", "REJECT", "REOPEN", "MATCH", "UNMATCH", "AMEND", "WITHDRAW", "COMMENT",
    "ASSIGN", "CARRY", "MOVE",
];

fn parameters() -> Vec<Parameter> {
    let mut all = audit::filters().to_vec();
    all.extend(period_parameters());
    all.extend([yes("each"), yes("verify"), Parameter::cursor()]);
    all
}

impl Audit {
    pub fn new(frame: Frame, answers: &Data<'_>) -> Self {
        let filter = answers.filter;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            frame,
            search: text(&filter.q),
            from: text(&filter.from),
            to: text(&filter.to),
            facets: vec![
                facet("action", "What", &ACTIONS, &filter.action),
                facet("stage", "As", &audit::STAGES, &filter.stage),
            ],
            chips: chips(filter),
            chain: answers.chain.map(|(checkpoint, verdict)| chain(checkpoint, verdict)),
            rows: answers.page.items.iter().map(row).collect(),
            next: answers.page.next.as_ref().map(|cursor| {
                let mut pairs = pairs(filter);
                pairs.push(("cursor", cursor.clone()));
                address(&pairs)
            }),
            exports: if answers.own_only { Vec::new() } else { exports(filter) },
            own_only: answers.own_only,
        }
    }
}

/// Exactly the rows of the filter.
fn exports(filter: &AuditFilter) -> Vec<(String, String)> {
    let files = [("csv", "CSV"), ("xlsx", "XLSX"), ("jsonl", "JSON lines")];
    let address = |format| {
        let own = pairs(filter);
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        with_query("/v1/audit/export", own.chain([("format", format)]))
    };
    files.map(|(format, name)| (address(format), name.to_owned())).to_vec()
}

fn facet(
    name: &'static str,
    label: &'static str,
    values: &[&str],
    present: &Option<String>,
) -> Facet {
    let chosen = present.as_deref().unwrap_or_default();
    let any = FacetOption { value: String::new(), label: "any".into(), chosen: chosen.is_empty() };
    let others = values.iter().map(|value| FacetOption {
        value: (*value).to_owned(),
        label: labels::sentence(value),
        chosen: *value == chosen,
    });
    Facet { name, label, options: std::iter::once(any).chain(others).collect() }
}

fn pairs(filter: &AuditFilter) -> Vec<(&'static str, String)> {
    [
        ("q", &filter.q),
        ("action", &filter.action),
        ("stage", &filter.stage),
        ("actor", &filter.actor),
        ("entity", &filter.entity),
        ("from", &filter.from),
        ("to", &filter.to),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.clone().map(|value| (name, value)))
    .collect()
}

fn address(pairs: &[(&'static str, String)]) -> String {
    with_query("/review/audit", pairs.iter().map(|(name, value)| (*name, value.as_str())))
}

fn chips(filter: &AuditFilter) -> Vec<Chip> {
    let all = pairs(filter);
    all.iter()
        .map(|(name, value)| {
            let label = match *name {
                "q" => format!("“{value}”"),
                "action" | "stage" => labels::sentence(value),
                "actor" => format!("by {value}"),
                "entity" => "one entity".to_owned(),
                "from" => format!("from {value}"),
                _ => format!("until {value}"),
            };
            let others: Vec<_> = all.iter().filter(|(other, _)| other != name).cloned().collect();
            Chip { label, is_search: false, without: address(&others) }
        })
        .collect()
}

fn chain(checkpoint: &Checkpoint, verdict: Option<&Verdict>) -> Chain {
    let note = crate::store::checkpoint::line(checkpoint);
    let rows = labels::count(&u64::try_from(checkpoint.n).unwrap_or_default());
    let (class, text) = match verdict {
        None => ("note", format!("{rows} rows, each with the hash of the one before.")),
        Some(verdict) if verdict.ok => {
            ("good", format!("The chain is intact: {rows} rows were checked just now."))
        }
        Some(verdict) => {
            let bad = verdict.first_bad.map(|seq| format!(" at row {seq}")).unwrap_or_default();
            let what = verdict.what.clone().unwrap_or_default();
            ("bad", format!("The chain is broken{bad}. {what}").trim_end().to_owned())
        }
    };
    Chain { class, text, checkpoint: note, checked: verdict.is_some() }
}

/// The changed members of a value; the others are evidence.
fn changes(previous: Option<&str>, new: Option<&str>) -> Vec<(String, String, String)> {
    let object = |text: Option<&str>| {
        text.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
            .and_then(|value| value.as_object().cloned())
            .unwrap_or_default()
    };
    let (before, after) = (object(previous), object(new));
    let plain = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for name in after.keys().chain(before.keys().filter(|name| !after.contains_key(*name))) {
        let (old, new) = (plain(before.get(name)), plain(after.get(name)));
        if old != new {
            rows.push((name.clone(), clipped(&old), clipped(&new)));
        }
    }
    rows
}

/// Longest value in the list, in characters.
const CLIP: usize = 120;

fn clipped(text: &str) -> String {
    let mut short: String = text.chars().take(CLIP).collect();
    if text.chars().nth(CLIP).is_some() {
        short.push('…');
    }
    short
}

/// Members of a value that are evidence.
const EVIDENCE: [&str; 10] = [
    "item",
    "version",
    "is_locked",
    "action",
    "assigned_by",
    "comment_id",
    "payload",
    "content_hash",
    "sealed",
    "blind",
];

/// Record and field of a row, from its evidence.
fn about(new: Option<&str>) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(new?).ok()?;
    let item = value.get("item").unwrap_or(&value);
    let text = |name: &str| item.get(name).and_then(|value| value.as_str());
    let reference = text("source_a_ref_id").or_else(|| text("source_b_ref_id"))?;
    let field = text("field_name").map(labels::field)?;
    Some(format!("{}, {field}", clipped(reference)))
}

/// A step is about its proposal, not about the one item of its last row.
fn about_step(view: &AuditView) -> Option<String> {
    view.step_rows.filter(|rows| *rows > 1).map(|_| "the proposal".to_owned())
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn row(view: &AuditView) -> Row {
    let row = &view.row;
    let proposal = row.proposal_id.as_ref().map(|id| format!("/review/proposals/{id}"));
    let step = proposal.clone();
    let item = row.attribution_id.as_ref().map(|id| format!("/review/items/{id}"));
    let short = row.entity_id.rsplit('-').next().unwrap_or_default();
    let href = match row.entity_type.as_str() {
        "proposal" => proposal,
        _ => item.or(proposal),
    };
    let mut details = vec![("entity".to_owned(), format!("{} {}", row.entity_type, row.entity_id))];
    let optional = [
        ("proposal", row.proposal_id.clone()),
        ("version", row.proposal_version.map(|version| version.to_string())),
        ("content", row.proposal_hash.clone()),
        ("policy", row.policy_version.map(|version| version.to_string())),
        ("model", row.model_version.clone()),
        ("rules", row.rule_version.clone()),
        ("by way of", row.auth_method.clone()),
        ("address", row.ip.clone()),
        ("client", row.user_agent.clone()),
        ("request", row.request_id.clone()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            details.push((name.to_owned(), value));
        }
    }
    let all = changes(
        row.previous_value.as_ref().map(|value| value.get()),
        row.new_value.as_ref().map(|value| value.get()),
    );
    let (evidence, shown): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(name, ..)| EVIDENCE.contains(&name.as_str()));
    for (name, old, new) in evidence {
        let change = if old.is_empty() { new } else { format!("{old} → {new}") };
        details.push((name.replace('_', " "), change));
    }
    let in_words = |name: &str, value: String| match name {
        "status" if Status::from_name(&value).is_some() => labels::status(&value).0.to_owned(),
        "proposal_state" => ProposalState::from_name(&value)
            .map_or(value, |state| labels::proposal(state).0.to_owned()),
        "assignee" => view.assignees.get(&value).cloned().unwrap_or(value),
        "confidence" => value.parse().map_or(value, labels::percent),
        "assigned_at" => labels::short_moment(&value),
        _ => value,
    };
    let shown = shown.into_iter().map(|(name, old, new)| {
        let (old, new) = (in_words(&name, old), in_words(&name, new));
        (name.replace('_', " "), old, new)
    });
    let shown = shown.collect();
    Row {
        seq: u64::try_from(row.seq).unwrap_or_default(),
        at: row.performed_at.clone(),
        when: labels::short_moment(&row.performed_at),
        actor: view.actor_name.clone(),
        roles: row.actor_roles.clone().unwrap_or_default(),
        stage: row.stage.to_lowercase(),
        action: capital(&match view.step_rows {
            Some(rows) if rows > 1 => labels::step(&row.action_type, &row.stage, rows),
            _ => labels::did(&row.action_type, &row.stage),
        }),
        unfold: view.step_rows.filter(|rows| *rows > 1).and(row.proposal_id.as_ref()).map(|id| {
            let pairs = [
                ("entity", id.as_str()),
                ("stage", row.stage.as_str()),
                ("action", row.action_type.as_str()),
                ("each", "yes"),
            ];
            with_query("/review/audit", pairs)
        }),
        entity: (
            about_step(view)
                .or_else(|| about(row.new_value.as_ref().map(|value| value.get())))
                .unwrap_or_else(|| {
                    format!("{} {short}", labels::sentence(&row.entity_type).to_lowercase())
                }),
            if view.step_rows.is_some_and(|rows| rows > 1) { step } else { href },
        ),
        changes: shown,
        comment: row.comments.clone().unwrap_or_default(),
        control: row.control.as_deref().map(labels::sentence).unwrap_or_default(),
        hash: row.hash.clone(),
        details,
    }
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Audit)?;
    let filter = AuditFilter { folded: context.asked("each") != "yes", ..audit::filter(call) };
    let page = context.review.audit_search(&context.actor, &filter, &context.page_asked())?;
    let all = context.may(Permission::AuditAll);
    let checkpoint = if all { Some(context.review.checkpoint(&context.actor)?) } else { None };
    let verdict = if all && context.asked("verify") == "yes" {
        Some(context.review.verify(&context.actor, None, None)?)
    } else {
        None
    };
    let answers = Data {
        filter: &filter,
        page: &page,
        chain: checkpoint.as_ref().map(|checkpoint| (checkpoint, verdict.as_ref())),
        own_only: !all,
    };
    html(200, &Audit::new(frame, &answers))
}
