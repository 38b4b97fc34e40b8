//! The queue: pages of items, at the same cost wherever the page is.
//!
//! Undecided items are found through small indexes: in the order of confidence or amount, and within each
//! signature in the order of confidence. Conditions on what a signature holds (job, field, type, reason)
//! choose signatures, whose items are merged. Items of other statuses, and lists by time, come in the order of
//! their numbers, from an index of status and signature. Lists that a small table knows (assigned, sent back,
//! proposed, samples) start from that table. What is left for row by row conditions is read until a page is full or
//! there are no more rows, so that a page is never empty while items follow.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Problem;
use crate::domain::review::is_blind;
use crate::domain::{Severity, Status};
use crate::store::batch::FIELD_BITS;
use crate::store::layout::{ItemKey, MAX_NUMBER, NUMBER_BITS, row_id};
use crate::store::rows;
use crate::store::transact::{Dialect, SqlRow};
use crate::store::{MAX_FIELDS, SqlValue, breaks};

use super::condition::{Where, joined};
use super::counts::whole;
use super::memory::FoundItems;
use super::{ReviewTables, read_key};

/// Rows that are looked at in one statement where no index knows which ones match.
const BUDGET: usize = 20_000;
/// Runs of PostgreSQL that are read together, where those that come first are looked for.
const TOGETHER: usize = 8;
/// Signatures whose items are merged; where more match, the queue is read in its own order.
const STREAMS: usize = 48;

/// Selects the items for which every condition holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ItemQuery {
    /// `None`: any.
    pub status: Option<Status>,
    /// The numbers of the runs.
    pub runs: Vec<i64>,
    /// Whether other runs have items of this status, so that the run has to be compared.
    pub some_runs: bool,
    /// `None`: any.
    pub signatures: Option<Vec<i64>>,
    /// Conditions that no index knows.
    pub conditions: Vec<Condition>,
    /// Only blind samples that nobody has checked yet.
    pub samples: bool,
    /// Undecided items whose break goes on at a later date are there, too: for lists of one run, in the order of
    /// their numbers.
    pub with_later: bool,
    /// The chance that a break stays, by signature; 1 for others. For the order by money at risk.
    pub chances: Vec<(i64, f64)>,
    /// Leaves out undecided items that are among this share whose suggestions are hidden.
    pub without_blind: Option<f64>,
}

/// A condition on one item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Severity(Severity),
    MinConfidence(f64),
    MaxConfidence(f64),
    MinAmount(f64),
    MaxAmount(f64),
    /// Has no amount.
    NoAmount,
    /// Has the reason of this code.
    Reason(String),
    /// Has a functional reason, or one that is not.
    Functional(bool),
    /// Decided by people, or not.
    Locked(bool),
    AssignedTo(String),
    Unassigned,
    /// Sent back by a checker, or not.
    SentBack(bool),
    /// Is no blind sample that nobody has checked yet.
    NoSample,
    NoSignature,
    /// Of one of these runs, severities and ages.
    Aged(Vec<Aged>),
    /// Of these fields (0: of the whole record), by runs with the same.
    Fields(Vec<(Vec<i64>, Vec<i64>)>),
    /// Of a record that has this text in a field on either side: by runs, the field's position.
    Holds(String, Vec<(Vec<i64>, usize)>),
}

impl Condition {
    /// Whether it is about the first or last values of a column, so that an index of that order knows it.
    fn bounds(&self, column: Column) -> bool {
        match self {
            Self::MinConfidence(_) | Self::MaxConfidence(_) => column.name == "confidence",
            Self::MinAmount(_) | Self::MaxAmount(_) => column.name == "amount_abs",
            _ => false,
        }
    }
}

/// Items of a severity whose breaks began within some days.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aged {
    pub severity: Severity,
    pub runs: Vec<i64>,
    pub since: Days,
}

/// The first and the last of some days, as days since 1970-01-01; `None` for any.
pub(crate) type Days = (Option<i32>, Option<i32>);

/// Undecided items of a run and signature whose breaks began on a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DayCount {
    pub run_no: i64,
    pub signature_id: i64,
    pub since: i32,
    pub items: u64,
}

/// The days of each severity and run.
struct Ages(HashMap<(u8, i64), Days>);

impl Ages {
    fn new(arms: &[Aged]) -> Self {
        let days = arms
            .iter()
            .flat_map(|arm| arm.runs.iter().map(|run| ((arm.severity.code(), *run), arm.since)));
        Self(days.collect())
    }

    /// The days that all runs of a severity lie within; `None` where there is no such run.
    fn days(&self, severity: Severity) -> Option<Days> {
        let own = self.0.iter().filter(|((code, _), _)| *code == severity.code());
        own.map(|(_, days)| *days).reduce(|(first, last), (other_first, other_last)| {
            let least = first.zip(other_first).map(|(one, other)| one.min(other));
            let most = last.zip(other_last).map(|(one, other)| one.max(other));
            (least, most)
        })
    }

    fn has(&self, severity: Severity, run_no: i64, since: f64) -> bool {
        self.0.get(&(severity.code(), run_no)).is_some_and(|(first, last)| {
            first.is_none_or(|first| f64::from(first) <= since)
                && last.is_none_or(|last| since <= f64::from(last))
        })
    }
}

/// In which order items come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemOrder {
    /// By run and number: for items of any status.
    Number,
    /// Lowest confidence first; undecided items only, as the rest.
    Confidence,
    /// Highest confidence first.
    HighestConfidence,
    /// Largest amount first.
    Amount,
    /// Largest product of the amount and the chance of staying first.
    AtRisk,
    /// The oldest break first.
    Age,
    /// Highest severity first, then as [`Self::Confidence`].
    Severity,
    /// Highest severity first, then as [`Self::Number`].
    SeverityAndNumber,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The severity, where that comes first; in the order of amounts 1 for items without one.
    pub(super) level: u8,
    /// The bits of the confidence or amount.
    pub(super) bits: u64,
    pub(super) run_no: i64,
    pub(super) number: i64,
}

impl Position {
    fn of((key, value): (ItemKey, f64)) -> Self {
        Self { level: 0, bits: value.to_bits(), run_no: key.run_no, number: key.number }
    }

    pub fn after(key: ItemKey) -> Self {
        Self::of((key, 0.0))
    }

    pub const fn key(self) -> ItemKey {
        ItemKey { run_no: self.run_no, number: self.number }
    }
}

/// An item with the value that it is ordered by.
type Ordered = (ItemKey, f64);
/// A page's items, and where the next begins.
type Page = (Vec<Ordered>, Option<Position>);

/// A column by which undecided items are ordered.
#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    descending: bool,
    /// Whether the index of signatures has this order.
    by_signature: bool,
}

const LOWEST_CONFIDENCE: Column =
    Column { name: "confidence", descending: false, by_signature: true };
const HIGHEST_CONFIDENCE: Column =
    Column { name: "confidence", descending: true, by_signature: true };
const OLDEST: Column = Column { name: "since", descending: false, by_signature: false };
const LARGEST_AMOUNT: Column = Column { name: "amount_abs", descending: true, by_signature: false };

impl Column {
    fn order(self, dialect: Dialect) -> String {
        let down = if self.descending { " DESC" } else { "" };
        format!("d.{}{down}, {}", self.name, dialect.order("d", down))
    }

    fn compare(self, left: &Ordered, right: &Ordered) -> std::cmp::Ordering {
        let order = left.1.total_cmp(&right.1).then(left.0.cmp(&right.0));
        if self.descending { order.reverse() } else { order }
    }
}

impl Where {
    /// Adds all of a query but the runs, on items `d`.
    pub(super) fn matching(&mut self, query: &ItemQuery) {
        match query.status {
            Some(status) => self.and(&format!("d.status = {}", status.code())),
            None => self.and("d.status IS NOT NULL"),
        }
        self.narrow(query, "d");
        self.newest(query);
    }

    /// Leaves out undecided items whose break goes on at a later date, row by row.
    pub fn newest(&mut self, query: &ItemQuery) {
        if query.waits() {
            let left = breaks::left(self.dialect, "d");
            self.and(&format!("{left} <= 0"));
        }
    }

    /// Adds the signatures, the column of which is that of `table`, and the conditions that no index knows.
    fn narrow(&mut self, query: &ItemQuery, table: &str) {
        if let Some(ids) = &query.signatures {
            self.one_of(&format!("{table}.signature_id"), ids);
        }
        for condition in &query.conditions {
            let sql = self.sql_of(condition);
            self.and(&sql);
        }
    }

    fn sql_of(&mut self, condition: &Condition) -> String {
        let dialect = self.dialect;
        let about = |table: &str| {
            format!("EXISTS (SELECT 1 FROM recon.{table} a WHERE {}", dialect.about("a", "d"))
        };
        let not = |yes: bool| if yes { "" } else { "NOT " };
        let mut reason = |column: &str, value: SqlValue| {
            let place = self.bind(value);
            format!(
                "d.reason_id IN (SELECT r.reason_id FROM recon.reason_codes r \
                 WHERE r.{column} = {place})"
            )
        };
        match condition {
            Condition::Severity(severity) => format!("d.severity = {}", severity.code()),
            Condition::Reason(code) => reason("code", code.into()),
            Condition::Functional(functional) => reason("is_functional", (*functional).into()),
            Condition::MinConfidence(bound) => format!("d.confidence >= {}", self.bind(*bound)),
            Condition::MaxConfidence(bound) => format!("d.confidence <= {}", self.bind(*bound)),
            Condition::MinAmount(bound) => format!("d.amount_abs >= {}", self.bind(*bound)),
            Condition::MaxAmount(bound) => format!("d.amount_abs <= {}", self.bind(*bound)),
            Condition::NoAmount => "d.amount_abs IS NULL".to_owned(),
            Condition::Locked(locked) => format!("d.is_locked = {}", self.bind(*locked)),
            Condition::Unassigned => format!("NOT {})", about("assignments")),
            Condition::AssignedTo(person) => {
                format!("{} AND a.assignee = {})", about("assignments"), self.bind(person))
            }
            Condition::SentBack(yes) => format!("{}{})", not(*yes), about("sent_back")),
            Condition::NoSample => format!("NOT {}", self.is_sample()),
            Condition::NoSignature => "d.signature_id IS NULL".to_owned(),
            Condition::Fields(arms) => {
                let (run, number) = (dialect.run_no("d"), dialect.number("d"));
                any(arms.iter().map(|(runs, fields)| {
                    format!(
                        "({run} IN ({}) AND ({number} & {MAX_FIELDS}) IN ({}))",
                        joined(runs),
                        joined(fields)
                    )
                }))
            }
            Condition::Holds(text, arms) => {
                // Without a run to look in there is no place for the value.
                if arms.is_empty() {
                    return any(std::iter::empty());
                }
                let (run, text) = (dialect.run_no("d"), self.bind(text));
                let record = format!("(({} >> {FIELD_BITS}) - 1)", dialect.number("d"));
                any(arms.iter().map(|(runs, at)| {
                    let holds = holds(dialect, &record, &text, *at);
                    format!("({run} IN ({}) AND {holds})", joined(runs))
                }))
            }
            Condition::Aged(arms) => {
                let run = dialect.run_no("d");
                let arm = |arm: &Aged| {
                    let (first, last) = arm.since;
                    let first = first.map(|day| format!(" AND d.since >= {day}"));
                    let last = last.map(|day| format!(" AND d.since <= {day}"));
                    format!(
                        "(d.severity = {} AND {run} IN ({}){}{})",
                        arm.severity.code(),
                        joined(&arm.runs),
                        first.unwrap_or_default(),
                        last.unwrap_or_default()
                    )
                };
                any(arms.iter().filter(|arm| !arm.runs.is_empty()).map(arm))
            }
        }
    }

    /// The condition that an item is a blind sample that nobody has checked yet.
    fn is_sample(&mut self) -> String {
        let unlocked = self.bind(false);
        format!(
            "(d.status = {} AND EXISTS (SELECT 1 FROM recon.audit_samples s \
             WHERE {} AND s.outcome IS NULL) AND d.is_locked = {unlocked})",
            Status::Accepted.code(),
            self.dialect.about("s", "d")
        )
    }

    /// Adds the condition that a row comes behind this position.
    fn behind(&mut self, column: Column, at: Position) {
        let sign = if column.descending { "<" } else { ">" };
        let value = self.bind(f64::from_bits(at.bits));
        let place = match self.dialect {
            Dialect::Sqlite => {
                let id = self.bind(row_id(at.run_no, at.number));
                format!("(d.{}, d.id) {sign} ({value}, {id})", column.name)
            }
            Dialect::Postgres => {
                let (run_no, number) = (self.bind(at.run_no), self.bind(at.number));
                format!(
                    "(d.{}, d.run_no, d.number) {sign} ({value}, {run_no}, {number})",
                    column.name
                )
            }
        };
        self.and(&place);
    }
}

/// One of these conditions.
fn any(conditions: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = conditions.collect();
    if all.is_empty() { "1 = 0".to_owned() } else { format!("({})", all.join(" OR ")) }
}

/// The condition that a record of items `d`, counted from 0, has a text in the field at this position.
fn holds(dialect: Dialect, record: &str, text: &str, at: usize) -> String {
    match dialect {
        Dialect::Sqlite => {
            let side = |side: u8| {
                format!("json_extract(k.records, '$[' || ({record} % 64) || '][{side}][{at}]')")
            };
            format!(
                "EXISTS (SELECT 1 FROM recon.record_rows k \
                 WHERE k.id = (((d.id >> {NUMBER_BITS}) << {NUMBER_BITS}) | ({record} / 64)) \
                 AND {text} IN ({}, {}))",
                side(1),
                side(2)
            )
        }
        Dialect::Postgres => format!(
            "EXISTS (SELECT 1 FROM recon.record_rows k CROSS JOIN LATERAL \
             (SELECT k.records::json -> ({record} % 64)::integer AS entry) e \
             WHERE k.run_no = d.run_no AND k.number = {record} / 64 \
             AND {text} IN (e.entry -> 1 ->> {at}, e.entry -> 2 ->> {at}))"
        ),
    }
}

impl ItemQuery {
    /// Whether it is about what waits for a decision.
    pub fn waits(&self) -> bool {
        self.status == Some(Status::Unknown) && !self.with_later
    }

    /// The same query for the items of one signature (0: of none).
    #[must_use]
    pub fn of_signature(&self, signature_id: i64) -> Self {
        let mut narrowed = self.clone();
        narrowed.keep_samples_out();
        if signature_id == 0 {
            narrowed.conditions.push(Condition::NoSignature);
        } else {
            narrowed.signatures = Some(vec![signature_id]);
        }
        narrowed
    }

    /// Leaves blind samples out, where items are chosen by the machine's reason.
    pub fn keep_samples_out(&mut self) {
        let accepted = self.status.is_none_or(|status| status == Status::Accepted);
        if accepted && !self.samples && !self.conditions.contains(&Condition::NoSample) {
            self.conditions.push(Condition::NoSample);
        }
    }

    /// Whether a table of notes knows which items these are.
    pub(super) fn is_kept_by_item(&self) -> bool {
        let kept =
            |one: &Condition| matches!(one, Condition::AssignedTo(_) | Condition::SentBack(true));
        self.conditions.iter().any(kept)
    }

    /// The ages that it narrows by.
    pub(super) fn ages(&self) -> Option<&[Aged]> {
        self.conditions.iter().find_map(|one| match one {
            Condition::Aged(arms) => Some(arms.as_slice()),
            _ => None,
        })
    }

    /// The same query without the ages.
    fn of_any_age(&self) -> Self {
        let mut query = self.clone();
        query.conditions.retain(|one| !matches!(one, Condition::Aged(_)));
        query
    }

    /// The runs, without those that no item of the query is of.
    fn sorted_runs(&self) -> Vec<i64> {
        let mut runs = self.runs.clone();
        if let Some(arms) = self.ages() {
            runs.retain(|run| arms.iter().any(|arm| arm.runs.contains(run)));
        }
        runs.sort_unstable();
        runs
    }
}

impl ReviewTables<'_> {
    /// A page of items in this order, from behind `at`.
    pub fn page(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<(Vec<ItemKey>, Option<Position>), Problem> {
        if query.runs.is_empty() || query.signatures.as_ref().is_some_and(Vec::is_empty) {
            return Ok((Vec::new(), None));
        }
        if let Some(page) = self.few(query, order, at, limit)? {
            return Ok(page);
        }
        let (found, next) = match order {
            _ if query.samples => self.samples(query, at, limit)?,
            _ if query.status == Some(Status::Pending) => self.pending(query, at, limit)?,
            _ if query.is_kept_by_item() => self.noted(query, at, limit)?,
            _ if query.status != Some(Status::Unknown)
                || query.with_later
                || query.without_blind.is_some() =>
            {
                self.by_number(query, at, limit)?
            }
            _ if query.ages().is_some() => self.by_age(query, at, limit)?,
            ItemOrder::Number => self.by_number(query, at, limit)?,
            ItemOrder::Confidence => self.ordered(query, LOWEST_CONFIDENCE, at, limit)?,
            ItemOrder::HighestConfidence => self.ordered(query, HIGHEST_CONFIDENCE, at, limit)?,
            ItemOrder::Amount => self.by_amount(query, at, limit, false)?,
            ItemOrder::AtRisk => self.by_amount(query, at, limit, true)?,
            ItemOrder::Age => self.by_age(query, at, limit)?,
            ItemOrder::Severity => self.by_severity(query, false, at, limit)?,
            ItemOrder::SeverityAndNumber => self.by_severity(query, true, at, limit)?,
        };
        Ok((found.into_iter().map(|(key, _)| key).collect(), next))
    }

    /// The runs of a query that may have undecided items of a severity.
    fn runs_of_severity(
        &mut self,
        query: &ItemQuery,
        severity: Severity,
    ) -> Result<Vec<i64>, Problem> {
        let mut counts = Where::new(self.dialect(), "n.status = 1 AND n.items > 0");
        counts.of_runs("n.run_no", &query.runs);
        if let Some(mut ids) = self.signatures_of_severity(query, severity)? {
            // Those of items without a signature.
            ids.push(0);
            counts.and(&format!("n.signature_id IN ({})", joined(&ids)));
        }
        let sql = format!(
            "SELECT DISTINCT n.run_no FROM recon.item_counts n WHERE {} ORDER BY 1",
            counts.sql
        );
        self.tx.list(&sql, &[], |row| row.count(0))
    }

    /// The runs that have left the queue, but for some items.
    fn left(&mut self) -> Result<Rc<HashSet<i64>>, Problem> {
        if let Some(left) = &self.left {
            return Ok(Rc::clone(left));
        }
        let left = Rc::new(breaks::runs_that_left(self.tx)?);
        self.left = Some(Rc::clone(&left));
        Ok(left)
    }

    /// Where the undecided items of these runs are.
    pub(super) fn sections(&mut self, runs: &[i64]) -> Result<Vec<Section>, Problem> {
        let left = self.left()?;
        let (staying, whole): (Vec<i64>, Vec<i64>) =
            runs.iter().partition(|run| left.contains(run));
        Ok(Section::all(self.dialect(), whole, staying))
    }

    /// The places of a section that are read one after the other, each with the first value that it may have in a
    /// column, in that order.
    fn bounds(
        &mut self,
        column: Column,
        section: &Section,
        signature: Option<i64>,
        narrow: &dyn Fn(&mut Where),
    ) -> Result<Vec<Bound>, Problem> {
        match section.dialect {
            Dialect::Postgres => {
                let mut counts = Where::new(section.dialect, "n.status = 1 AND n.items > 0");
                counts.of_runs("n.run_no", &section.places);
                let sql = format!(
                    "SELECT n.run_no, 0, min(n.least_{}), n.run_no, \
                     CAST(sum(n.items) AS double precision) FROM recon.item_counts n \
                     WHERE {} GROUP BY 1 ORDER BY 3, 1",
                    column.name, counts.sql
                );
                self.tx.list_again(&sql, &counts.values, bound)
            }
            Dialect::Sqlite => {
                let mut places = section.places.clone();
                if let Some(id) = signature {
                    let all = self.undecided()?;
                    let own = all.iter().filter(|kind| kind.count.signature_id == id);
                    let runs: HashSet<i64> = own.map(|kind| kind.count.run_no).collect();
                    places.retain(|place| runs.contains(&place.abs()));
                }
                let mut rows = Where::new(section.dialect, "");
                let values = rows.bind(rows::numbers(places.iter().copied()));
                rows.sql = format!("{UNDECIDED} AND {PLACE} = s.value");
                narrow(&mut rows);
                let down = if column.descending { " DESC" } else { "" };
                let sql = format!(
                    "SELECT {}, d.{}, x.place FROM (SELECT s.value AS place, \
                     (SELECT d.id FROM recon.difference_rows d WHERE {} ORDER BY {} LIMIT 1) AS id \
                     FROM json_each({values}) s) x CROSS JOIN recon.difference_rows d ON d.id = x.id \
                     ORDER BY d.{}{down}, d.id{down}",
                    section.dialect.key("d"),
                    column.name,
                    rows.sql,
                    column.order(section.dialect),
                    column.name,
                );
                self.tx.list_again(&sql, &rows.values, bound)
            }
        }
    }

    /// The same of a signature, lowest confidence first, as it is kept.
    fn kept_bounds(&mut self, section: &Section, signature: i64) -> Result<Vec<Bound>, Problem> {
        let places: HashMap<i64, i64> =
            section.places.iter().map(|place| (place.abs(), *place)).collect();
        let all = self.undecided()?;
        let mut bounds: Vec<Bound> = all
            .iter()
            .filter(|kind| kind.count.signature_id == signature)
            .filter_map(|kind| {
                let run_no = kind.count.run_no;
                Some(Bound {
                    first: (ItemKey { run_no, number: 0 }, kind.least_confidence),
                    place: *places.get(&run_no)?,
                    items: kind.count.items,
                })
            })
            .collect();
        bounds.sort_by(|left, right| LOWEST_CONFIDENCE.compare(&left.first, &right.first));
        Ok(bounds)
    }

    /// The first items of a section in the order of a column. On PostgreSQL, to plan a statement over all partitions
    /// takes longer than to read from those that come first; on SQLite each place is in that order in the index.
    fn first(
        &mut self,
        column: Column,
        section: &Section,
        bounds: &[Bound],
        most: usize,
        narrow: &dyn Fn(&mut Where),
    ) -> Result<Vec<Ordered>, Problem> {
        let dialect = section.dialect;
        let (mut found, mut done): (Vec<Ordered>, _) = (Vec::new(), 0);
        let mut together = match dialect {
            Dialect::Sqlite => 1,
            Dialect::Postgres => with_enough(bounds, most),
        };
        while let Some(next) = bounds.get(done) {
            if found.len() == most
                && found.last().is_some_and(|last| column.compare(last, &next.first).is_lt())
            {
                break;
            }
            let some = &bounds[done..bounds.len().min(done + together)];
            let places: Vec<i64> = some.iter().map(|bound| bound.place).collect();
            let mut rows = section.rows(&places);
            narrow(&mut rows);
            let sql = format!(
                "SELECT {}, d.{} FROM recon.difference_rows d WHERE {} ORDER BY {} LIMIT {most}",
                dialect.key("d"),
                column.name,
                rows.sql,
                column.order(dialect)
            );
            // A plan on few runs is made sooner than another would be missed.
            found.extend(match places.len() <= TOGETHER {
                true => self.tx.list(&sql, &rows.values, ordered)?,
                false => self.ordered_keys(&sql, &rows.values)?,
            });
            found.sort_by(|left, right| column.compare(left, right));
            found.truncate(most);
            done += some.len();
            if dialect == Dialect::Postgres {
                together *= 4;
            }
        }
        Ok(found)
    }

    /// Undecided items, the oldest break first: those of each severity come from the index, and are merged.
    fn by_age(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let (all, ages) = (query.of_any_age(), query.ages().map(Ages::new));
        let mut found: Vec<Ordered> = Vec::new();
        for severity in Severity::ALL {
            let Some(since) = ages.as_ref().map_or(Some((None, None)), |ages| ages.days(*severity))
            else {
                continue;
            };
            let runs = self.runs_of_severity(&all, *severity)?;
            for section in self.sections(&runs)? {
                let fits = |(key, since): &Ordered| {
                    ages.as_ref().is_none_or(|ages| ages.has(*severity, key.run_no, *since))
                };
                let (mut at, mut own) = (at, 0);
                // Few are left out where the days of most runs are those of all.
                let mut most = (2 * limit).max(100);
                loop {
                    let aged = |rows: &mut Where| {
                        rows.aged(*severity, since);
                        if let Some(at) = at {
                            rows.behind(OLDEST, at);
                        }
                    };
                    let bounds = self.bounds(OLDEST, &section, None, &aged)?;
                    let read = self.first(OLDEST, &section, &bounds, most, &|rows| {
                        aged(rows);
                        rows.narrow(&all, "d");
                    })?;
                    at = read.last().copied().map(Position::of);
                    let is_all = read.len() < most;
                    let before = found.len();
                    found.extend(read.into_iter().filter(fits));
                    own += found.len() - before;
                    if is_all || own > limit {
                        break;
                    }
                    most = (4 * most).min(BUDGET);
                }
            }
        }
        found.sort_by(|left, right| OLDEST.compare(left, right));
        Ok(cut(found, limit).unwrap_or_else(|found| (found, None)))
    }

    /// How many undecided items of the query there are by run, signature and first day.
    pub fn by_first_day(
        &mut self,
        query: &ItemQuery,
        severity: Severity,
        since: Days,
    ) -> Result<Vec<DayCount>, Problem> {
        if let Some(items) = self.found_items(query)? {
            return Ok(counts_by_day(&items, severity, since));
        }
        let runs = self.runs_of_severity(query, severity)?;
        let mut counts = Vec::new();
        for section in self.sections(&runs)? {
            let mut condition = section.all_rows();
            condition.aged(severity, since);
            condition.narrow(query, "d");
            let sql = format!(
                "SELECT {}, coalesce(d.signature_id, 0), d.since, count(*) \
                 FROM recon.difference_rows d WHERE {} AND d.since IS NOT NULL GROUP BY 1, 2, 3",
                self.dialect().run_no("d"),
                condition.sql
            );
            counts.extend(self.tx.list_again(&sql, &condition.values, |row| {
                Ok(DayCount {
                    run_no: row.count(0)?,
                    signature_id: row.count(1)?,
                    since: i32::try_from(row.count(2)?).unwrap_or_default(),
                    items: row.count(3)?.cast_unsigned(),
                })
            })?);
        }
        Ok(counts)
    }

    /// The day on which the first break of the undecided items of a query began, by run and signature; only of those that
    /// began before a day.
    pub fn first_days(
        &mut self,
        query: &ItemQuery,
        before: Option<i32>,
    ) -> Result<HashMap<(i64, i64), i32>, Problem> {
        let mut days = HashMap::new();
        if let Some(items) = self.found_items(query)? {
            items.each(|item| {
                if let Some(since) = item.since
                    && before.is_none_or(|day| since < day)
                {
                    let first = days.entry(item.kind()).or_insert(since);
                    *first = since.min(*first);
                }
            });
            return Ok(days);
        }
        for mut condition in self.row_conditions(query)? {
            // For the index of ages.
            condition.and("d.severity IN (1, 2, 3, 4)");
            condition.and(&match before {
                Some(day) => format!("d.since < {day}"),
                None => "d.since IS NOT NULL".to_owned(),
            });
            let sql = format!(
                "SELECT {}, coalesce(d.signature_id, 0), min(d.since) \
                 FROM recon.difference_rows d WHERE {} GROUP BY 1, 2",
                self.dialect().run_no("d"),
                condition.sql
            );
            days.extend(self.tx.list(&sql, &condition.values, |row| {
                let day = i32::try_from(row.count(2)?).unwrap_or_default();
                Ok(((row.count(0)?, row.count(1)?), day))
            })?);
        }
        Ok(days)
    }

    /// How many undecided items have these ages.
    fn count_aged(&mut self, query: &ItemQuery, ages: &Ages) -> Result<u64, Problem> {
        let (all, mut items) = (query.of_any_age(), 0);
        for severity in Severity::ALL {
            let Some(since) = ages.days(*severity) else { continue };
            for count in self.by_first_day(&all, *severity, since)? {
                if ages.has(*severity, count.run_no, count.since.into()) {
                    items += count.items;
                }
            }
        }
        Ok(items)
    }

    pub fn count(&mut self, query: &ItemQuery) -> Result<u64, Problem> {
        if let Some(items) = self.found_items(query)? {
            return Ok(items.count());
        }
        if let Some(ages) = query.ages()
            && query.status == Some(Status::Unknown)
            && !query.with_later
        {
            return self.count_aged(query, &Ages::new(ages));
        }
        let mut items = 0;
        for condition in self.row_conditions(query)? {
            let sql =
                format!("SELECT count(*) FROM recon.difference_rows d WHERE {}", condition.sql);
            items += self.tx.count(&sql, &condition.values)?.cast_unsigned();
        }
        Ok(items)
    }

    /// Conditions on items `d` that together choose those of a query, each once.
    pub(super) fn row_conditions(&mut self, query: &ItemQuery) -> Result<Vec<Where>, Problem> {
        if !query.waits() {
            return Ok(vec![self.condition(query, &self.dialect().run_no("d"))]);
        }
        let sections = self.sections(&query.runs)?;
        let conditions = sections.iter().map(|section| {
            let mut condition = section.all_rows();
            condition.narrow(query, "d");
            condition
        });
        Ok(conditions.collect())
    }

    /// All of a query as one condition on items `d`, whose run is in this column.
    pub(super) fn condition(&self, query: &ItemQuery, run: &str) -> Where {
        let dialect = self.dialect();
        let mut condition = Where::new(
            dialect,
            match query.status {
                Some(status) => format!("d.status = {}", status.code()),
                None => "d.status IS NOT NULL".to_owned(),
            },
        );
        if query.some_runs || query.status != Some(Status::Unknown) {
            condition.of_runs(run, &query.runs);
        }
        condition.narrow(query, "d");
        if query.samples {
            let is_sample = condition.is_sample();
            condition.and(&is_sample);
        }
        condition
    }

    /// Blind samples that nobody has checked yet, in the order of their numbers.
    fn samples(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut condition = Where::new(self.dialect(), "x.outcome IS NULL AND d.status = 3");
        let unlocked = condition.bind(false);
        condition.and(&format!("d.is_locked = {unlocked}"));
        condition.narrow(query, "d");
        self.kept_in("audit_samples", condition, query, at, limit)
    }

    /// Items that are assigned or were sent back, in the order of their numbers.
    fn noted(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut condition = Where::new(self.dialect(), "1 = 1");
        condition.matching(query);
        let assigned = |one: &Condition| matches!(one, Condition::AssignedTo(_));
        let table = if query.conditions.iter().any(assigned) { "assignments" } else { "sent_back" };
        self.kept_in(table, condition, query, at, limit)
    }

    /// Items of open proposals, in the order of their numbers.
    fn pending(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut condition = Where::new(self.dialect(), "x.open = $1");
        condition.bind(true);
        condition.narrow(query, "x");
        self.kept_in("proposal_items", condition, query, at, limit)
    }

    /// Items that another table `x` keeps something about, in the order of their numbers.
    fn kept_in(
        &mut self,
        table: &str,
        mut condition: Where,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let at = at.map_or(ItemKey::default(), Position::key);
        condition.of_runs("x.run_no", &query.runs);
        let sql = format!(
            "SELECT x.run_no, x.number, 0 FROM recon.{table} x \
             JOIN recon.difference_rows d ON {} \
             WHERE {} AND (x.run_no, x.number) > ({}, {}) ORDER BY x.run_no, x.number LIMIT {}",
            self.dialect().located("d", "x"),
            condition.sql,
            at.run_no,
            at.number,
            limit + 1
        );
        let found = self.ordered_keys(&sql, &condition.values)?;
        Ok(cut(found, limit).unwrap_or_else(|found| (found, None)))
    }

    /// The highest severity first, and within one by number or by confidence.
    fn by_severity(
        &mut self,
        query: &ItemQuery,
        by_number: bool,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut found = Vec::new();
        let mut level = at.map_or(4, |at| at.level);
        let mut at = at.filter(|at| at.run_no != 0);
        while let Some(severity) = Severity::from_code(level) {
            let mut narrowed = query.clone();
            narrowed.conditions.push(Condition::Severity(severity));
            narrowed.signatures = self.signatures_of_severity(query, severity)?;
            if !narrowed.signatures.as_ref().is_some_and(Vec::is_empty) {
                let room = limit - found.len();
                let (more, next) = if by_number {
                    self.by_number(&narrowed, at, room)?
                } else {
                    self.ordered(&narrowed, LOWEST_CONFIDENCE, at, room)?
                };
                found.extend(more);
                if let Some(next) = next {
                    return Ok((found, Some(Position { level, ..next })));
                }
            }
            level -= 1;
            at = None;
            if found.len() == limit && level > 0 {
                return Ok((found, Some(Position { level, bits: 0, run_no: 0, number: 0 })));
            }
        }
        Ok((found, None))
    }

    fn signatures_of_severity(
        &mut self,
        query: &ItemQuery,
        severity: Severity,
    ) -> Result<Option<Vec<i64>>, Problem> {
        let all = self.signatures()?;
        // Where some signature does not hold its severity, the condition on the row decides.
        if all.iter().any(|signature| signature.severity.is_empty()) {
            return Ok(query.signatures.clone());
        }
        let chosen = |id: i64| query.signatures.as_ref().is_none_or(|ids| ids.contains(&id));
        Ok(Some(
            all.iter()
                .filter(|signature| {
                    signature.severity == severity.name() && chosen(signature.signature_id)
                })
                .map(|signature| signature.signature_id)
                .collect(),
        ))
    }

    /// Undecided items in the order of a column.
    fn ordered(
        &mut self,
        query: &ItemQuery,
        column: Column,
        mut at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        loop {
            let (found, next) = self.ordered_step(query, column, at, limit)?;
            if !found.is_empty() || next.is_none() {
                return Ok((found, next));
            }
            at = next;
        }
    }

    /// Some of them: from the column's index or, where few signatures are chosen, merged from the items of
    /// each.
    fn ordered_step(
        &mut self,
        query: &ItemQuery,
        column: Column,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let streams: Vec<Option<i64>> = match &query.signatures {
            Some(ids) if ids.len() <= STREAMS && column.by_signature => {
                ids.iter().copied().map(Some).collect()
            }
            _ => vec![None],
        };
        let mut reading = Reading {
            column,
            at,
            limit,
            budget: (BUDGET / streams.len()).max(limit + 1),
            found: Vec::new(),
            horizon: None,
        };
        for section in self.sections(&query.runs)? {
            for stream in &streams {
                self.read_stream(query, &section, *stream, &mut reading)?;
            }
        }
        let Reading { mut found, horizon, .. } = reading;
        found.sort_by(|left, right| column.compare(left, right));
        if let Some(horizon) = horizon {
            found.retain(|one| column.compare(one, &horizon).is_le());
        }
        Ok(cut(found, limit).unwrap_or_else(|found| (found, horizon.map(Position::of))))
    }

    /// Reads the first items of a section, and of a signature, in the order of a column.
    fn read_stream(
        &mut self,
        query: &ItemQuery,
        section: &Section,
        signature: Option<i64>,
        reading: &mut Reading,
    ) -> Result<(), Problem> {
        let Reading { column, at, limit, budget, .. } = *reading;
        let dialect = section.dialect;
        // What the index knows.
        let indexed = |rows: &mut Where| {
            if let Some(id) = signature {
                rows.and(&format!("d.signature_id = {id}"));
            }
            if column.name == LARGEST_AMOUNT.name {
                rows.and("d.amount_abs IS NOT NULL");
            }
            if let Some(at) = at {
                rows.behind(column, at);
            }
            for condition in query.conditions.iter().filter(|one| one.bounds(column)) {
                let sql = rows.sql_of(condition);
                rows.and(&sql);
            }
        };
        // What is looked at row by row.
        let mut rest = query.clone();
        rest.conditions.retain(|one| !one.bounds(column));
        if signature.is_some() {
            rest.signatures = None;
        }
        let narrow = |condition: &mut Where| condition.narrow(&rest, "d");
        let is_narrow = !rest.conditions.is_empty() || rest.signatures.is_some();
        let has_bounds = dialect == Dialect::Sqlite
            || (column.name == LOWEST_CONFIDENCE.name && !column.descending && !is_narrow);
        let places = match signature {
            _ if !has_bounds => Vec::new(),
            // On SQLite the index tells which places have nothing behind the page before.
            Some(id)
                if column.name == LOWEST_CONFIDENCE.name
                    && !column.descending
                    && (dialect == Dialect::Postgres || at.is_none()) =>
            {
                self.kept_bounds(section, id)?
            }
            _ => self.bounds(column, section, signature, &indexed)?,
        };
        if has_bounds && !is_narrow {
            let first = self.first(column, section, &places, limit + 1, &indexed)?;
            reading.take(first, None);
            return Ok(());
        }
        let order = column.order(dialect);
        let value = format!("d.{}", column.name);
        let mut read = |places: &[i64], budget: usize| {
            let mut rows = section.rows(places);
            indexed(&mut rows);
            let window = Window { rows: &rows, value: &value, order: &order, budget };
            self.window(&window, narrow, limit)
        };
        if dialect == Dialect::Postgres {
            let (found, last) = read(&section.places, budget)?;
            reading.take(found, last);
            return Ok(());
        }
        for (count, bound) in places.iter().enumerate() {
            if reading.is_behind(&bound.first) {
                break;
            }
            let budget = (budget >> count.min(16)).max(limit + 1);
            let (found, last) = read(&[bound.place], budget)?;
            reading.take(found, last);
        }
        Ok(())
    }

    /// Undecided items with the largest product of amount and chance of staying first: all of them are looked at.
    fn by_risk(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let dialect = self.dialect();
        let chances: Vec<String> = query
            .chances
            .iter()
            .map(|(signature, stays)| format!("WHEN {signature} THEN {stays:?}"))
            .collect();
        let risk = match chances.as_slice() {
            [] => "d.amount_abs".to_owned(),
            some => format!("d.amount_abs * CASE d.signature_id {} ELSE 1.0 END", some.join(" ")),
        };
        let order = format!("x.risk DESC, {}", dialect.order("x", " DESC"));
        let place = match dialect {
            Dialect::Sqlite => "d.id",
            Dialect::Postgres => "d.run_no, d.number",
        };
        let mut found: Vec<Ordered> = Vec::new();
        for mut rows in self.row_conditions(query)? {
            rows.and("d.amount_abs IS NOT NULL");
            let mut behind = Where { sql: "1 = 1".to_owned(), ..rows.clone() };
            if let Some(at) = at {
                let value = behind.bind(f64::from_bits(at.bits));
                behind.and(&match dialect {
                    Dialect::Sqlite => {
                        format!("(x.risk, x.id) < ({value}, {})", row_id(at.run_no, at.number))
                    }
                    Dialect::Postgres => format!(
                        "(x.risk, x.run_no, x.number) < ({value}, {}, {})",
                        at.run_no, at.number
                    ),
                });
            }
            let sql = format!(
                "SELECT {}, x.risk FROM (SELECT {place}, {risk} AS risk FROM recon.difference_rows d \
                 WHERE {}) x WHERE {} ORDER BY {order} LIMIT {}",
                dialect.key("x"),
                rows.sql,
                behind.sql,
                limit + 1
            );
            found.extend(self.ordered_keys(&sql, &behind.values)?);
        }
        // As of any column: the largest first.
        found.sort_by(|left, right| LARGEST_AMOUNT.compare(left, right));
        Ok(cut(found, limit).unwrap_or_else(|found| (found, None)))
    }

    /// Largest amount (or amount at risk) first, then the items without an amount by their numbers.
    fn by_amount(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
        at_risk: bool,
    ) -> Result<Page, Problem> {
        let behind_amounts = at.filter(|at| at.level == 1);
        let mut found = Vec::new();
        if behind_amounts.is_none() {
            let (more, next) = if at_risk {
                self.by_risk(query, at, limit)?
            } else {
                self.ordered(query, LARGEST_AMOUNT, at, limit)?
            };
            if next.is_some() {
                return Ok((more, next));
            }
            found = more;
        }
        if query.conditions.iter().any(|one| one.bounds(LARGEST_AMOUNT)) {
            return Ok((found, None));
        }
        let mut rest = query.clone();
        rest.conditions.push(Condition::NoAmount);
        let level = |at: Position| Position { level: 1, ..at };
        if found.len() == limit {
            let follows = !self.by_number(&rest, None, 1)?.0.is_empty();
            let next = follows.then(|| level(Position::after(ItemKey::default())));
            return Ok((found, next));
        }
        let (more, next) = self.by_number(&rest, behind_amounts, limit - found.len())?;
        found.extend(more);
        Ok((found, next.map(level)))
    }

    /// Items of any status, in the order of their numbers: those of each status and signature of a run come from
    /// the index, and are merged.
    fn by_number(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut found: Vec<Ordered> = Vec::new();
        for run_no in query.sorted_runs() {
            let mut from = match at {
                Some(at) if at.run_no > run_no => continue,
                Some(at) if at.run_no == run_no => at.number,
                _ => 0,
            };
            let kinds = self.kinds_of(query, run_no)?;
            loop {
                let batch = self.merged(query, run_no, &kinds, from, limit + 1)?;
                let last = batch.last().map(|(key, _)| key.number);
                let whole = batch.len() <= limit;
                found.extend(self.without_blind(query, batch)?);
                found = match cut(found, limit) {
                    Ok(page) => return Ok(page),
                    Err(found) => found,
                };
                match last {
                    Some(last) if !whole => from = last,
                    _ => break,
                }
            }
        }
        Ok((found, None))
    }

    /// The statuses and signatures (0: none) of which a run has items, as far as a query wants them.
    fn kinds_of(&mut self, query: &ItemQuery, run_no: i64) -> Result<Vec<(i64, i64)>, Problem> {
        let mut condition = Where::new(self.dialect(), format!("n.run_no = {run_no}"));
        // Kinds whose items all go on at a later date have a count of 0.
        if !query.with_later {
            condition.and("n.items > 0");
        }
        if let Some(status) = query.status {
            condition.and(&format!("n.status = {}", status.code()));
        }
        if let Some(ids) = &query.signatures {
            condition.one_of("n.signature_id", ids);
        }
        let sql = format!(
            "SELECT n.status, n.signature_id FROM recon.item_counts n WHERE {}",
            condition.sql
        );
        self.tx.list(&sql, &condition.values, |row| Ok((row.count(0)?, row.count(1)?)))
    }

    /// The first items behind `from` of these statuses and signatures of a run.
    fn merged(
        &mut self,
        query: &ItemQuery,
        run_no: i64,
        kinds: &[(i64, i64)],
        from: i64,
        most: usize,
    ) -> Result<Vec<Ordered>, Problem> {
        let dialect = self.dialect();
        let narrowed = ItemQuery { signatures: None, ..query.clone() };
        let mut found = Vec::new();
        for (status, signature) in kinds {
            let signature = match signature {
                0 => "d.signature_id IS NULL".to_owned(),
                id => format!("d.signature_id = {id}"),
            };
            let place = dialect.between("d", run_no, from + 1, MAX_NUMBER);
            let mut condition =
                Where::new(dialect, format!("d.status = {status} AND {signature} AND {place}"));
            condition.narrow(&narrowed, "d");
            condition.newest(query);
            let sql = format!(
                "SELECT {}, 0 FROM recon.difference_rows d WHERE {} ORDER BY {} LIMIT {most}",
                dialect.key("d"),
                condition.sql,
                dialect.order("d", "")
            );
            found.extend(self.ordered_keys(&sql, &condition.values)?);
        }
        found.sort_unstable_by_key(|(key, _)| *key);
        found.truncate(most);
        Ok(found)
    }

    /// Reads rows in an order, and of these the ones that `narrow` leaves: one more than `limit`. Where it
    /// leaves out some, no more rows are looked at than the budget; then the last of these is the second
    /// answer.
    fn window(
        &mut self,
        window: &Window<'_>,
        narrow: impl Fn(&mut Where),
        limit: usize,
    ) -> Result<(Vec<Ordered>, Option<Ordered>), Problem> {
        let dialect = self.dialect();
        let Window { rows, value, order, budget } = *window;
        let columns = format!("{}, {value}", dialect.key("d"));
        let from = "FROM recon.difference_rows d";
        let mut narrowed = Where { sql: String::new(), ..rows.clone() };
        narrow(&mut narrowed);
        let wanted = limit + 1;
        if narrowed.sql.is_empty() {
            let sql = format!(
                "SELECT {columns} {from} WHERE {} ORDER BY {order} LIMIT {wanted}",
                rows.sql
            );
            return Ok((self.ordered_keys(&sql, &rows.values)?, None));
        }
        let found = self.ordered_keys(
            &format!(
                "SELECT {columns} FROM (SELECT d.* {from} WHERE {} ORDER BY {order} LIMIT {budget}) d \
                 WHERE 1 = 1{} ORDER BY {order} LIMIT {wanted}",
                rows.sql, narrowed.sql
            ),
            &narrowed.values,
        )?;
        if found.len() > limit {
            return Ok((found, None));
        }
        let last = self.ordered_keys(
            &format!(
                "SELECT {columns} {from} WHERE {} ORDER BY {order} LIMIT 1 OFFSET {}",
                rows.sql,
                budget - 1
            ),
            &rows.values,
        )?;
        Ok((found, last.first().copied()))
    }

    /// Of these items, those whose machine's reason may be told.
    fn without_blind(
        &mut self,
        query: &ItemQuery,
        keys: Vec<Ordered>,
    ) -> Result<Vec<Ordered>, Problem> {
        let Some(share) = query.without_blind else { return Ok(keys) };
        let places: Vec<ItemKey> = keys.iter().map(|(key, _)| *key).collect();
        let undecided: std::collections::HashSet<ItemKey> = match query.status {
            Some(Status::Unknown) => places.into_iter().collect(),
            Some(_) => return Ok(keys),
            None => {
                let items = self.items(&places, false)?;
                let unknown = items.iter().filter(|item| item.status == Status::Unknown);
                unknown.map(|item| item.key).collect()
            }
        };
        let mut shown = Vec::with_capacity(keys.len());
        for (key, value) in keys {
            let run = self.run(key.run_no)?;
            if !(undecided.contains(&key) && is_blind(&run.attribution_id(key), share)) {
                shown.push((key, value));
            }
        }
        Ok(shown)
    }

    fn ordered_keys(&mut self, sql: &str, values: &[SqlValue]) -> Result<Vec<Ordered>, Problem> {
        self.tx.list_again(sql, values, ordered)
    }
}

/// Undecided items on SQLite, as its indexes have them: by the place, which is the run's number, below 0 for those that
/// stay though their run has left the queue.
const UNDECIDED: &str = "d.status = 1 AND coalesce(d.later, 0) <= 0";
const PLACE: &str = "coalesce(d.later, d.id >> 40)";

/// Undecided items that are read through the same indexes.
pub(super) struct Section {
    dialect: Dialect,
    /// On PostgreSQL the numbers of the runs.
    places: Vec<i64>,
    /// On PostgreSQL: the items that stay though these runs have left the queue.
    stay: bool,
}

impl Section {
    /// Of runs that are in the queue as a whole, and of some that have left it but for some items.
    fn all(dialect: Dialect, whole: Vec<i64>, staying: Vec<i64>) -> Vec<Self> {
        let section = |places, stay| Self { dialect, places, stay };
        let mut sections = match dialect {
            Dialect::Postgres => vec![section(whole, false), section(staying, true)],
            Dialect::Sqlite => {
                let staying = staying.into_iter().map(|run| -run);
                vec![section(whole.into_iter().chain(staying).collect(), false)]
            }
        };
        sections.retain(|section| !section.places.is_empty());
        sections
    }

    /// The items at some of the places.
    fn rows(&self, places: &[i64]) -> Where {
        let mut rows = Where::new(
            self.dialect,
            match (self.dialect, self.stay) {
                (Dialect::Sqlite, _) => UNDECIDED,
                (Dialect::Postgres, false) => "d.status = 1 AND d.later IS NULL",
                (Dialect::Postgres, true) => "d.status = 1 AND d.later < 0",
            },
        );
        match (self.dialect, places) {
            // One text for all places is prepared once.
            (Dialect::Sqlite, [one]) => {
                let one = rows.bind(*one);
                rows.and(&format!("{PLACE} = {one}"));
            }
            (Dialect::Sqlite, places) => rows.of_runs(PLACE, places),
            (Dialect::Postgres, places) => rows.of_runs("d.run_no", places),
        }
        rows
    }

    pub(super) fn all_rows(&self) -> Where {
        self.rows(&self.places)
    }
}

/// A place, and the first item that it has or may have.
#[derive(Clone, Copy)]
struct Bound {
    first: Ordered,
    place: i64,
    /// How many items are there, if that is known.
    items: u64,
}

fn bound(row: &SqlRow) -> Result<Bound, Problem> {
    let items = row.real(4)?.map(whole).unwrap_or_default();
    Ok(Bound { first: ordered(row)?, place: row.count(3)?, items })
}

fn ordered(row: &SqlRow) -> Result<Ordered, Problem> {
    Ok((read_key(row)?, row.real(2)?.unwrap_or_default()))
}

/// How many places to read at first for so many items.
fn with_enough(bounds: &[Bound], most: usize) -> usize {
    let mut items = 0;
    let before = bounds.iter().take(TOGETHER).take_while(|bound| {
        let is_short = items < most as u64;
        items += bound.items;
        is_short
    });
    before.count().max(1)
}

/// Items read so far for a page.
struct Reading {
    column: Column,
    at: Option<Position>,
    limit: usize,
    budget: usize,
    found: Vec<Ordered>,
    /// Where a stream was not read to its end, nothing behind that place may be shown yet.
    horizon: Option<Ordered>,
}

impl Reading {
    fn take(&mut self, found: Vec<Ordered>, last: Option<Ordered>) {
        let column = self.column;
        if let Some(last) = last
            && self.horizon.is_none_or(|known| column.compare(&last, &known).is_lt())
        {
            self.horizon = Some(last);
        }
        self.found.extend(found);
        self.found.sort_by(|left, right| column.compare(left, right));
        self.found.truncate(self.limit + 1);
    }

    /// Whether an item comes behind all that the page can show.
    fn is_behind(&self, item: &Ordered) -> bool {
        let full = self.found.get(self.limit);
        full.into_iter().chain(&self.horizon).any(|end| self.column.compare(item, end).is_gt())
    }
}

impl Where {
    /// Of a severity, and of breaks that began within some days.
    fn aged(&mut self, severity: Severity, (first, last): Days) {
        self.and(&format!("d.severity = {}", severity.code()));
        for (sign, day) in [(">=", first), ("<=", last)] {
            if let Some(day) = day {
                self.and(&format!("d.since {sign} {day}"));
            }
        }
    }
}

/// Items of a severity whose breaks began within some days, by run, signature and first day.
fn counts_by_day(items: &FoundItems, severity: Severity, (first, last): Days) -> Vec<DayCount> {
    let mut counts: BTreeMap<(i64, i64, i32), u64> = BTreeMap::new();
    items.each(|item| {
        if item.severity == i64::from(severity.code())
            && let Some(since) = item.since
            && first.is_none_or(|first| first <= since)
            && last.is_none_or(|last| since <= last)
        {
            let (run_no, signature_id) = item.kind();
            *counts.entry((run_no, signature_id, since)).or_default() += 1;
        }
    });
    let count =
        |((run_no, signature_id, since), items)| DayCount { run_no, signature_id, since, items };
    counts.into_iter().map(count).collect()
}

/// Rows that are read in an order.
#[derive(Clone, Copy)]
struct Window<'a> {
    rows: &'a Where,
    /// The sort column, before their numbers.
    value: &'a str,
    order: &'a str,
    /// How many are looked at where some are left out.
    budget: usize,
}

/// A page and where the next begins, if more than a page was found; else what was found.
fn cut(mut found: Vec<Ordered>, limit: usize) -> Result<Page, Vec<Ordered>> {
    if found.len() <= limit {
        return Err(found);
    }
    found.truncate(limit);
    let next = found.last().map(|last| Position::of(*last));
    Ok((found, next))
}
