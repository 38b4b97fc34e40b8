//! Breaks as people list them, and the life of one.

use std::collections::BTreeMap;

use super::SqlValue;
use super::breaks;
use super::rows;
use super::transact::{SqlRow, Transaction};
use crate::diagnostic::Problem;
use crate::domain::Date;
use crate::domain::forecast::Watched;

/// The columns of `recon_breaks`, in their order.
pub const COLUMNS: [&str; 22] = [
    "break_id",
    "job",
    "ref",
    "field_name",
    "diff_type",
    "first_seen",
    "last_seen",
    "cleared_on",
    "cleared_how",
    "occurrences",
    "age_days",
    "age_business_days",
    "run_id",
    "diff_id",
    "attribution_id",
    "value_a",
    "value_b",
    "amount_abs",
    "severity",
    "reason",
    "status",
    "reopens",
];

/// Which breaks to list.
#[derive(Clone, Debug, Default)]
pub struct BreakFilter {
    /// Only this job's.
    pub job: Option<String>,
    /// Only open ones, or only cleared ones.
    pub open: Option<bool>,
    /// Only those that began on or after this date; of cleared ones those that cleared on or after it.
    pub since: Option<Date>,
    /// Only those whose id begins so, or with this reference.
    pub named: Option<String>,
    /// Maximum number of breaks.
    pub limit: Option<usize>,
}

/// Breaks of this filter: open ones first, the oldest first; cleared ones by the day on which they cleared,
/// newest first.
pub(super) fn list(
    tx: &mut dyn Transaction,
    filter: &BreakFilter,
) -> Result<Vec<Vec<SqlValue>>, Problem> {
    let (condition, values) = condition(filter);
    let limit = filter.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    let sql = format!(
        "SELECT {} FROM recon.recon_breaks WHERE {condition} \
         ORDER BY CASE WHEN cleared_on IS NULL THEN 0 ELSE 1 END, cleared_on DESC, first_seen, \
         break_id{limit}",
        COLUMNS.join(", ")
    );
    Ok(tx.query(&sql, &values)?.into_iter().map(|row| row.0).collect())
}

fn condition(filter: &BreakFilter) -> (String, Vec<SqlValue>) {
    let mut values: Vec<SqlValue> = Vec::new();
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut bind = |value: SqlValue| {
        values.push(value);
        format!("${}", values.len())
    };
    if let Some(job) = &filter.job {
        conditions.push(format!("job = {}", bind(job.into())));
    }
    match filter.open {
        Some(true) => conditions.push("cleared_on IS NULL".to_owned()),
        Some(false) => conditions.push("cleared_on IS NOT NULL".to_owned()),
        None => {}
    }
    if let Some(since) = filter.since {
        let place = bind(since.to_string().into());
        conditions.push(format!("coalesce(cleared_on, first_seen) >= {place}"));
    }
    if let Some(named) = &filter.named {
        let id = bind(format!("{}%", rows::literal(&named.to_ascii_lowercase())).into());
        let reference = bind(named.into());
        conditions
            .push(format!("(CAST(break_id AS text) LIKE {id} ESCAPE '\\' OR ref = {reference})"));
    }
    (conditions.join(" AND "), values)
}

/// A kind of break: its job, field and type of difference.
pub type Kind = (String, String, String);

/// How long the episodes of each kind were watched, in business days.
pub(super) fn watched(
    tx: &mut dyn Transaction,
    job: Option<&str>,
) -> Result<BTreeMap<Kind, Vec<Watched>>, Problem> {
    let filter = BreakFilter { job: job.map(str::to_owned), ..BreakFilter::default() };
    let (condition, values) = condition(&filter);
    let sql = format!(
        "SELECT job, field_name, diff_type, age_business_days, \
         CASE WHEN cleared_on IS NULL THEN 0 ELSE 1 END, count(*) \
         FROM recon.recon_breaks WHERE {condition} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
    );
    let mut kinds: BTreeMap<Kind, Vec<Watched>> = BTreeMap::new();
    for row in tx.query(&sql, &values)? {
        let kind = (row.required(0)?, row.required(1)?, row.required(2)?);
        kinds.entry(kind).or_default().push(Watched {
            days: row.count(3)?,
            cleared: row.boolean(4)?,
            count: row.count(5)?.cast_unsigned(),
        });
    }
    Ok(kinds)
}

/// Something that happened to a break.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The business date, or the time of a decision.
    pub at: String,
    /// `SEEN`, `CHANGED`, `CLEARED`, or the action of a decision.
    pub what: String,
    /// What was seen on both sides.
    pub values: Option<[Option<String>; 2]>,
    /// Who acted, and in which stage.
    pub by: Option<(String, String)>,
    /// What the person said, or how it cleared.
    pub said: Option<String>,
}

impl Event {
    /// Values, the person and what they said, or how it cleared.
    #[must_use]
    pub fn detail(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
        let said = self.said.clone().unwrap_or_default();
        match (&self.values, &self.by) {
            (Some([a, b]), _) => format!("A {}, B {}", text(a), text(b)),
            (None, Some((actor, stage))) if said.is_empty() => format!("{actor} as {stage}"),
            (None, Some((actor, stage))) => format!("{actor} as {stage}: {said}"),
            (None, None) => said,
        }
    }
}

/// The life of the break whose last difference has this attribution: when it was seen, how its values changed,
/// what people decided about it, and how it cleared.
pub(super) fn life(tx: &mut dyn Transaction, attribution_id: &str) -> Result<Vec<Event>, Problem> {
    let mut events = Vec::new();
    let mut ids = Vec::new();
    let mut last: Option<[Option<String>; 2]> = None;
    for seen in breaks::chain(tx, attribution_id)? {
        let what = match &last {
            None => "SEEN",
            Some(last) if *last != seen.values => "CHANGED",
            Some(_) => "",
        };
        if !what.is_empty() {
            events.push(Event {
                at: seen.date.clone(),
                what: what.to_owned(),
                values: Some(seen.values.clone()),
                ..Event::default()
            });
        }
        last = Some(seen.values);
        ids.push(seen.attribution_id);
    }
    let within = rows::texts_in(tx.dialect(), "$1");
    let sql = format!(
        "SELECT t.performed_at, t.action_type, t.stage, t.actor_id, t.comments \
         FROM recon.audit_trail t WHERE t.entity_id IN {within} ORDER BY t.seq"
    );
    let ids = rows::texts(ids.iter().map(String::as_str));
    events.extend(tx.list(&sql, &[ids], decision)?);
    events.extend(breaks::cleared(tx, attribution_id)?.map(|(on, how)| Event {
        at: on,
        what: "CLEARED".to_owned(),
        said: Some(how),
        ..Event::default()
    }));
    Ok(events)
}

fn decision(row: &SqlRow) -> Result<Event, Problem> {
    Ok(Event {
        at: row.required(0)?,
        what: row.required(1)?,
        values: None,
        by: Some((row.required(3)?, row.required(2)?)),
        said: row.text(4)?,
    })
}
