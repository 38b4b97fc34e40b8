//! Breaks as people list them, and the life of one.

use std::collections::{BTreeMap, HashMap};

use super::batch::field_of;
use super::breaks;
use super::rows;
use super::transact::{SqlRow, Transaction};
use super::{MAX_FIELDS, SqlValue};
use crate::diagnostic::{Code, Problem};
use crate::domain::calendar::Calendar;
use crate::domain::forecast::Watched;
use crate::domain::{Date, DiffType, FieldRef, Layout};

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

#[derive(Clone, Debug, Default)]
pub struct BreakFilter {
    pub job: Option<String>,
    /// Only open ones, or only cleared ones.
    pub open: Option<bool>,
    /// Only those that began on or after this date; of cleared ones those that cleared on or after it.
    pub since: Option<Date>,
    /// Only breaks whose id begins with this, or with this reference.
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

/// Observed durations of each kind's episodes, in business days.
///
/// Reads the tables and not the view, which computes every column of each episode.
pub(super) fn watched(
    tx: &mut dyn Transaction,
    job: Option<&str>,
) -> Result<BTreeMap<Kind, Vec<Watched>>, Problem> {
    let of_job = if job.is_some() { "b.job = $1" } else { "1 = 1" };
    let values: Vec<SqlValue> = job.into_iter().map(SqlValue::from).collect();
    let sql = format!(
        "SELECT b.run_no, b.job, b.day, r.layout, r.key_length FROM recon.break_dates b \
         JOIN recon.recon_runs r ON r.run_no = b.run_no WHERE {of_job}"
    );
    let dates = tx.list(&sql, &values, |row| {
        let date = WatchedDate {
            job: row.required(1)?,
            day: day(row, 2)?,
            layout: super::read_layout(&row.required(3)?, row.count(4)?)?,
        };
        Ok((row.count(0)?, date))
    })?;
    let dates: HashMap<i64, WatchedDate> = dates.into_iter().collect();
    let sql = "SELECT job, week, holidays FROM recon.job_calendars";
    let calendars = tx.list(sql, &[], |row| {
        let holidays: Vec<i32> = json(row, 2)?;
        let holidays = holidays.into_iter().map(Date::from_days).collect();
        Ok((row.required(0)?, Calendar::from_week(json(row, 1)?, holidays)))
    })?;
    let calendars: HashMap<String, Calendar> = calendars.into_iter().collect();
    let usual = Calendar::default();

    let mut kinds: BTreeMap<Kind, BTreeMap<(i64, bool), u64>> = BTreeMap::new();
    let mut add = |run_no: i64, row: &SqlRow, until: Option<Date>| -> Result<(), Problem> {
        let Some(date) = dates.get(&run_no) else { return Ok(()) };
        let field = match field_of(row.count(0)?.cast_unsigned()) {
            FieldRef::EntireRecord => FieldRef::ENTIRE_RECORD,
            FieldRef::Field(at) => date.layout.names().nth(at.into()).unwrap_or_default(),
        };
        let diff_type = u8::try_from(row.count(1)?).ok().and_then(DiffType::from_code);
        let diff_type = diff_type.map_or("", DiffType::name);
        let calendar = calendars.get(&date.job).unwrap_or(&usual);
        let days = calendar.business_days_between(day(row, 2)?, until.unwrap_or(date.day));
        let kind = (date.job.clone(), field.to_owned(), diff_type.to_owned());
        let watched = kinds.entry(kind).or_default();
        *watched.entry((days, until.is_some())).or_default() += row.count(3)?.cast_unsigned();
        Ok(())
    };
    let sql = format!(
        "SELECT c.number & {MAX_FIELDS}, c.diff_type, c.since, count(*), c.run_no, c.cleared_on \
         FROM recon.cleared_breaks c JOIN recon.break_dates b ON b.run_no = c.run_no \
         WHERE {of_job} AND c.diff_type IS NOT NULL AND c.cleared_how <> 6 GROUP BY 1, 2, 3, 5, 6"
    );
    for row in tx.query(&sql, &values)? {
        add(row.count(4)?, &row, Some(day(&row, 5)?))?;
    }
    let dialect = tx.dialect();
    let mut newest: BTreeMap<&str, (Date, i64)> = BTreeMap::new();
    for (run_no, date) in &dates {
        let last = newest.entry(&date.job).or_insert((date.day, *run_no));
        *last = (*last).max((date.day, *run_no));
    }
    for (_, run_no) in newest.into_values() {
        let sql = format!(
            "SELECT {} & {MAX_FIELDS}, d.diff_type, d.since, count(*) \
             FROM recon.difference_rows d WHERE {} AND d.since IS NOT NULL GROUP BY 1, 2, 3",
            dialect.number("d"),
            dialect.of_run("d", run_no)
        );
        for row in tx.query(&sql, &[])? {
            add(run_no, &row, None)?;
        }
    }
    let watched = |((days, cleared), count)| Watched { days, cleared, count };
    let all = kinds.into_iter();
    Ok(all.map(|(kind, of)| (kind, of.into_iter().map(watched).collect())).collect())
}

/// A business date with its run's fields.
struct WatchedDate {
    job: String,
    day: Date,
    layout: Layout,
}

fn json<T: serde::de::DeserializeOwned>(row: &SqlRow, column: usize) -> Result<T, Problem> {
    serde_json::from_str(&row.required(column)?).map_err(|error| {
        Problem::new(Code::StoreDamaged, format!("the calendar of a job can't be read: {error}"))
    })
}

/// A day that is stored as days since 1970-01-01.
fn day(row: &SqlRow, column: usize) -> Result<Date, Problem> {
    Ok(Date::from_days(i32::try_from(row.count(column)?).unwrap_or_default()))
}

/// Something that happened to a break.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The business date, or the time of a decision.
    pub at: String,
    /// `SEEN`, `CHANGED`, `CLEARED`, or the action of a decision.
    pub what: String,
    /// The values of both sides.
    pub values: Option<[Option<String>; 2]>,
    /// Who acted, and in which stage.
    pub by: Option<(String, String)>,
    /// The person's comment, or how it cleared.
    pub said: Option<String>,
}

impl Event {
    /// Values, the user and their comment, or how it cleared.
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

/// The life of the break whose last difference has this attribution: its dates, changes of its values, human
/// decisions about it, and how it cleared.
pub(super) fn life(tx: &mut dyn Transaction, attribution_id: &str) -> Result<Vec<Event>, Problem> {
    let mut events = Vec::new();
    let mut ids = Vec::new();
    let mut last: Option<[Option<String>; 2]> = None;
    for seen in breaks::occurrences(tx, attribution_id)? {
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
