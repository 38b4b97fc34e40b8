//! Which items a list has and in which order they come, and the conditions of that on their rows.

use serde::{Deserialize, Serialize};

use crate::domain::{Severity, Status};
use crate::store::batch::FIELD_BITS;
use crate::store::layout::{ItemKey, NUMBER_BITS, row_id};
use crate::store::transact::Dialect;
use crate::store::{SqlValue, breaks, rows};

use super::condition::{Where, joined};
use super::moved::Moved;

/// Selects the items for which every condition holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ItemQuery {
    /// `None`: any.
    pub status: Option<Status>,
    /// The numbers of the runs.
    pub runs: Vec<i64>,
    /// Other runs have items of this status, so the run must be compared.
    pub some_runs: bool,
    /// `None`: any.
    pub signatures: Option<Vec<i64>>,
    /// Conditions that no index knows.
    pub conditions: Vec<Condition>,
    /// Only unchecked blind samples.
    pub samples: bool,
    /// Includes undecided items whose break goes on at a later date: for lists of one run.
    pub with_later: bool,
    /// The chance that a break stays, by signature; 1 for others. For the order by money at risk.
    pub chances: Vec<(i64, f64)>,
    /// Leaves out undecided items among the share with hidden suggestions.
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
    /// Is no unchecked blind sample.
    NoSample,
    NoSignature,
    /// Of one of these runs, severities and ages.
    Aged(Vec<Aged>),
    /// One of these, by run: differences that move a total of money.
    Moves(Vec<(i64, Moved)>),
    /// Of a record that has this text in a field on either side: by runs, the field's position.
    Holds(String, Vec<(Vec<i64>, usize)>),
}

impl Condition {
    /// True if it bounds a column from one end, so that an index of that order can answer it.
    pub(super) fn bounds(&self, column: Column) -> bool {
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

impl ItemOrder {
    /// How many there are.
    pub(super) const COUNT: usize = Self::SeverityAndNumber as usize + 1;
}

/// End of a page.
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
    pub(super) fn of((key, value): (ItemKey, f64)) -> Self {
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
pub(super) type Ordered = (ItemKey, f64);

/// A column by which undecided items are ordered.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) descending: bool,
    pub(super) by_signature: bool,
}

pub(super) const LOWEST_CONFIDENCE: Column =
    Column { name: "confidence", descending: false, by_signature: true };

pub(super) const HIGHEST_CONFIDENCE: Column =
    Column { name: "confidence", descending: true, by_signature: true };

pub(super) const OLDEST: Column = Column { name: "since", descending: false, by_signature: false };

pub(super) const LARGEST_AMOUNT: Column =
    Column { name: "amount_abs", descending: true, by_signature: false };

impl Column {
    pub(super) fn order(self, dialect: Dialect) -> String {
        let down = if self.descending { " DESC" } else { "" };
        format!("d.{}{down}, {}", self.name, dialect.order("d", down))
    }

    pub(super) fn compare(self, left: &Ordered, right: &Ordered) -> std::cmp::Ordering {
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
        if query.with_later || !query.has_undecided() {
            return;
        }
        let left = breaks::left(self.dialect, "d");
        self.and(&match query.status {
            Some(_) => format!("{left} <= 0"),
            None => format!("(d.status <> {} OR {left} <= 0)", Status::Unknown.code()),
        });
    }

    /// Adds the signatures, the column of which is that of `table`, and the conditions that no index knows.
    pub(super) fn narrow(&mut self, query: &ItemQuery, table: &str) {
        if let Some(ids) = &query.signatures {
            self.one_of(&format!("{table}.signature_id"), ids);
        }
        for condition in &query.conditions {
            let sql = self.sql_of(condition);
            self.and(&sql);
        }
    }

    pub(super) fn sql_of(&mut self, condition: &Condition) -> String {
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
            Condition::Moves(arms) => {
                let arms: Vec<String> = arms
                    .iter()
                    .filter(|(_, moved)| !moved.is_empty())
                    .map(|(run_no, moved)| self.is_one_of(*run_no, &moved.numbers()))
                    .collect();
                any(arms.into_iter())
            }
            Condition::Holds(text, arms) => {
                // Without a run the value has no place.
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

    /// The condition that an item is one of these of a run.
    fn is_one_of(&mut self, run_no: i64, items: &[i64]) -> String {
        match self.dialect {
            Dialect::Sqlite => {
                let ids = rows::numbers(items.iter().map(|number| row_id(run_no, *number)));
                let place = self.bind(ids);
                rows::is_among(self.dialect, "d.id", &place)
            }
            Dialect::Postgres => {
                let place = self.bind(rows::numbers(items.iter().copied()));
                let is_among = rows::is_among(self.dialect, "d.number", &place);
                format!("(d.run_no = {run_no} AND {is_among})")
            }
        }
    }

    /// The condition that an item is an unchecked blind sample.
    pub(super) fn is_sample(&mut self) -> String {
        let unlocked = self.bind(false);
        format!(
            "(d.status = {} AND EXISTS (SELECT 1 FROM recon.audit_samples s \
             WHERE {} AND s.outcome IS NULL) AND d.is_locked = {unlocked})",
            Status::Accepted.code(),
            self.dialect.about("s", "d")
        )
    }

    /// Adds the condition that a row comes behind this position.
    pub(super) fn behind(&mut self, column: Column, at: Position) {
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
pub(super) fn any(conditions: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = conditions.collect();
    if all.is_empty() { "1 = 0".to_owned() } else { format!("({})", all.join(" OR ")) }
}

/// The condition that a record of items `d`, counted from 0, has a text in the field at this position.
pub(super) fn holds(dialect: Dialect, record: &str, text: &str, at: usize) -> String {
    match dialect {
        Dialect::Sqlite => {
            let side = |path: &str| {
                format!("json_extract(k.records, '$[' || ({record} % 64) || '][{path}')")
            };
            format!(
                "EXISTS (SELECT 1 FROM recon.record_rows k \
                 WHERE k.id = (((d.id >> {NUMBER_BITS}) << {NUMBER_BITS}) | ({record} / 64)) \
                 AND {text} IN ({}, {}, {}))",
                side(&format!("1][{at}]")),
                side(&format!("2][{at}]")),
                // Of a side B by the positions of what differs.
                side(&format!("2].{at}"))
            )
        }
        Dialect::Postgres => format!(
            "EXISTS (SELECT 1 FROM recon.record_rows k CROSS JOIN LATERAL \
             (SELECT k.records::json -> ({record} % 64)::integer AS entry) e \
             WHERE k.run_no = d.run_no AND k.number = {record} / 64 \
             AND {text} IN (e.entry -> 1 ->> {at}, e.entry -> 2 ->> {at}, e.entry -> 2 ->> '{at}'))"
        ),
    }
}

impl ItemQuery {
    /// True if it selects undecided items.
    pub fn waits(&self) -> bool {
        self.status == Some(Status::Unknown) && !self.with_later
    }

    /// True if it selects undecided items, perhaps among others.
    pub fn has_undecided(&self) -> bool {
        self.status.is_none_or(|status| status == Status::Unknown)
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

    /// True if a table of notes gives these items.
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
    pub(super) fn of_any_age(&self) -> Self {
        let mut query = self.clone();
        query.conditions.retain(|one| !matches!(one, Condition::Aged(_)));
        query
    }

    /// The runs, without those that no item of the query is of.
    pub(super) fn sorted_runs(&self) -> Vec<i64> {
        let mut runs = self.runs.clone();
        if let Some(arms) = self.ages() {
            runs.retain(|run| arms.iter().any(|arm| arm.runs.contains(run)));
        }
        runs.sort_unstable();
        runs
    }
}
