//! The queue: pages of items in the order that a reviewer wants, however many there are.
//!
//! A page costs the same wherever it is. Items that people have to decide are found through two small
//! indexes, one in the order of confidence, one within each signature; a filter on what a signature
//! says (job, field, type, reason) chooses signatures, and their items are merged. What no
//! index knows (a text, an amount, a time) is looked for in at most [`BUDGET`] rows: then the page ends
//! early, with a cursor that goes on from there.

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Problem};
use crate::domain::review::Permission;
use crate::domain::{Severity, Status};
use crate::store::SqlValue;
use crate::store::rows;
use crate::store::transact::{Answer, Dialect};

use super::actor::Actor;
use super::answer::{Page, ReviewItem};
use super::ask::PageAsk;
use super::filter::{ItemKind, QueueFilter, QueueSort, Sla};
use super::items::{Item, Key, NUMBER_BITS, Run, Signature};
use super::refusal::Refusal;
use super::sight::Sight;
use super::views::{is_blind, sla};
use super::work::Work;
use super::{Desk, Found, page};

/// Rows that are looked at for one page where no index knows which ones match.
const BUDGET: usize = 20_000;
/// Signatures whose items are merged; where more match, the queue is read in its own order.
const STREAMS: usize = 48;

/// What a filter means.
pub(super) struct Wanted {
    /// `None`: whatever.
    pub status: Option<Status>,
    /// The runs; `None`: all that are attributed.
    pub runs: Vec<std::rc::Rc<Run>>,
    /// Whether there are other runs with undecided items.
    pub some_runs: bool,
    /// `None`: whatever.
    pub signatures: Option<Vec<i64>>,
    /// Conditions that no index knows, with the value of their parameter.
    pub residual: Vec<(String, Option<SqlValue>)>,
    /// The text that is looked for.
    pub q: Option<String>,
    /// Only blind samples.
    pub samples: bool,
    /// Whether the filter asks what the machine thinks: then items whose suggestion is hidden, and blind
    /// samples, are not among the answers, or being among them would tell it.
    pub telling: bool,
    /// The share of undecided items whose suggestions are hidden. If there are any, undecided items come
    /// in the order of their ids: the order of confidence would tell how sure the machine is.
    pub blind: f64,
    /// What the person may see: a text is looked for nowhere else.
    pub sight: Sight,
    /// The condition that an item is a blind sample.
    is_sample: String,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct At {
    /// The severity, where that comes first.
    level: u8,
    /// The bits of the confidence or amount.
    bits: u64,
    run_no: i64,
    number: i64,
}

impl At {
    const fn key(self) -> Key {
        Key { run_no: self.run_no, number: self.number }
    }
}

/// A page's items and where the next begins.
type Keys = (Vec<(Key, f64)>, Option<At>);

impl Desk<'_> {
    /// The queue: items of current runs.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn queue(
        &self,
        actor: &Actor,
        filter: &QueueFilter,
        ask: &PageAsk,
    ) -> Found<Page<ReviewItem>> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let limit = page::limit(ask)?;
            let list = list_name("queue", filter, ask);
            let at: Option<At> = page::position(ask, &list, actor)?;
            let wanted = work.wanted(actor, filter)?;
            may_sort(&wanted, filter, ask.sort)?;
            let (keys, next) = work.page_of(&wanted, ask.sort, at, limit)?;
            let total = if ask.count { work.count(&wanted)? } else { None };
            let items = work.in_order(&keys)?;
            Ok(Page {
                items: work.views(actor, items)?,
                next: next.map(|at| page::cursor(&at, &list, actor)),
                total,
            })
        })
    }

    /// Items of a run by any status, in the order of their ids: `/runs/{id}/differences` and exports.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn run_differences(
        &self,
        actor: &Actor,
        run_id: &str,
        filter: &QueueFilter,
        ask: &PageAsk,
    ) -> Found<Page<ReviewItem>> {
        actor.must(Permission::View)?;
        let filter = QueueFilter {
            run_id: Some(run_id.to_owned()),
            status: Some(filter.status.clone().unwrap_or_else(|| "ALL".to_owned())),
            ..filter.clone()
        };
        self.look(|work| {
            let limit = page::limit(ask)?;
            let list = list_name("run", &filter, ask);
            let at: Option<At> = page::position(ask, &list, actor)?;
            let wanted = work.wanted(actor, &filter)?;
            let (keys, next) = work.by_id(&wanted, at, limit)?;
            let total = if ask.count { work.count(&wanted)? } else { None };
            let items = work.in_order(&keys)?;
            Ok(Page {
                items: work.views(actor, items)?,
                next: next.map(|at| page::cursor(&at, &list, actor)),
                total,
            })
        })
    }
}

/// The name of a list, in which a cursor is good.
pub(super) fn list_name(name: &str, filter: &impl Serialize, ask: &PageAsk) -> String {
    let filter = serde_json::to_string(filter).unwrap_or_default();
    format!("{name}:{filter}:{:?}", ask.sort)
}

/// A text in `LIKE` that stands for itself.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Whoever could narrow blind samples by what the machine thought would know it.
fn refuse_telling(filter: &QueueFilter) -> Result<(), Refusal> {
    let telling = [
        ("status", filter.status.is_some()),
        ("signature", filter.signature.is_some()),
        ("reason_code", filter.reason_code.is_some()),
        ("min_confidence", filter.min_confidence.is_some()),
        ("max_confidence", filter.max_confidence.is_some()),
        ("q", filter.q.is_some()),
        ("present_reason", filter.present_reason.is_some()),
        ("functional", filter.functional.is_some()),
        ("by_people", filter.by_people.is_some()),
    ];
    match telling.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(invalid(name, "can't narrow blind samples")),
        None => Ok(()),
    }
}

/// Whether a filter asks what the machine thinks of items.
const fn is_telling(filter: &QueueFilter) -> bool {
    filter.signature.is_some()
        || filter.reason_code.is_some()
        || filter.min_confidence.is_some()
        || filter.max_confidence.is_some()
        || filter.present_reason.is_some()
        || filter.functional.is_some()
}

/// Refuses an order that would tell what the person may not see.
fn may_sort(wanted: &Wanted, filter: &QueueFilter, sort: QueueSort) -> Result<(), Refusal> {
    if sort == QueueSort::Amount {
        refuse_amounts(wanted, filter, "sort")?;
    }
    let undecided = matches!(wanted.status, None | Some(Status::Unknown));
    let by_confidence = sort == QueueSort::ConfidenceDescending;
    let by_amount = sort == QueueSort::Amount && wanted.telling;
    if wanted.blind > 0.0 && undecided && (by_confidence || by_amount) {
        return Err(Refusal::new(
            Code::SuggestionsHidden,
            "some suggestions are hidden until the maker has chosen: this order would tell them",
        )
        .with("sort", "would tell hidden suggestions"));
    }
    Ok(())
}

/// Refuses to choose or order by amounts some of which the person may not see.
fn refuse_amounts(wanted: &Wanted, filter: &QueueFilter, name: &str) -> Result<(), Refusal> {
    let hidden = wanted.runs.iter().any(|run| match filter.field_name.as_deref() {
        Some(field) if run.layout.position(field).is_some() => wanted.sight.hides(field),
        _ => wanted.sight.hides_amounts(&run.layout),
    });
    if hidden {
        return Err(Refusal::new(
            Code::MaskedField,
            "the amounts are those of a masked field, which needs a grant",
        )
        .with(name, "asks for what you may not see"));
    }
    Ok(())
}

fn invalid(field: &str, detail: &str) -> Refusal {
    Refusal::new(Code::InvalidFilter, format!("{field}: {detail}")).with(field, detail)
}

impl Work<'_> {
    /// What a filter means; refuses what makes no sense.
    pub fn wanted(&mut self, actor: &Actor, filter: &QueueFilter) -> Result<Wanted, Refusal> {
        let status = match filter.status.as_deref() {
            None => Some(Status::Unknown),
            Some("ALL") => None,
            Some(name) => Some(Status::from_name(name).ok_or_else(|| {
                invalid("status", "is UNKNOWN, PENDING, ACCEPTED, REJECTED or ALL")
            })?),
        };
        let current = self.shelf.current_runs()?;
        let mut some_runs = false;
        let mut runs = match filter.run_id.as_deref() {
            None => current,
            Some(run_id) => {
                some_runs = true;
                let run = self.shelf.run_by_id(run_id)?;
                vec![run.ok_or_else(|| Refusal::new(Code::NoSuchRun, "there is no such run"))?]
            }
        };
        if let Some(job) = &filter.job {
            some_runs = true;
            runs.retain(|run| run.job == *job);
        }
        if !some_runs {
            let rows = self
                .shelf
                .tx
                .query("SELECT count(*) FROM recon.recon_runs WHERE stage = 'ATTRIBUTED'", &[])?;
            let all = rows.first().map_or(Ok(0), |row| row.count(0))?;
            some_runs = usize::try_from(all).unwrap_or_default() != runs.len();
        }
        let mut wanted = Wanted {
            status,
            runs,
            some_runs,
            signatures: self.signatures_of(filter)?,
            residual: Vec::new(),
            q: filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(str::to_owned),
            samples: filter.kind == Some(ItemKind::AuditSample),
            telling: is_telling(filter),
            blind: self.policy.blind_suggestions,
            sight: self.sight(actor),
            is_sample: format!(
                "(d.status = {} AND EXISTS (SELECT 1 FROM recon.audit_samples s \
                 WHERE {} AND s.outcome IS NULL) AND d.is_locked = $?)",
                Status::Accepted.code(),
                self.same_item("s")
            ),
        };
        if wanted.samples {
            refuse_telling(filter)?;
            wanted.status = Some(Status::Accepted);
        }
        if wanted.q.as_deref().is_some_and(|q| q.chars().count() > 200) {
            return Err(invalid("q", "has at most 200 characters"));
        }
        if let Some(name) = &filter.severity {
            let severity = Severity::from_name(name)
                .ok_or_else(|| invalid("severity", "is LOW, MEDIUM, HIGH or CRITICAL"))?;
            wanted.push(format!("d.severity = {}", severity.code()), None);
        }
        for (name, value, low, high) in [
            ("min_confidence", filter.min_confidence, 0.0, 1.0),
            ("max_confidence", filter.max_confidence, 0.0, 1.0),
            ("min_amount", filter.min_amount, 0.0, f64::MAX),
            ("max_amount", filter.max_amount, 0.0, f64::MAX),
        ] {
            let Some(value) = value else { continue };
            if !(low..=high).contains(&value) {
                return Err(invalid(name, "is out of range"));
            }
            if name.ends_with("amount") {
                refuse_amounts(&wanted, filter, name)?;
            }
            let (bound, column) = name.split_once('_').unwrap_or_default();
            let column = if column == "amount" { "amount_abs" } else { column };
            let sign = if bound == "min" { ">=" } else { "<=" };
            wanted.push(format!("d.{column} {sign} $?"), Some(value.into()));
        }
        if let Some(code) = &filter.present_reason {
            let condition = "d.reason_id IN (SELECT r.reason_id FROM recon.reason_codes r \
                             WHERE r.code = $?)";
            wanted.push(condition.to_owned(), Some(code.as_str().into()));
        }
        if let Some(functional) = filter.functional {
            let condition = "d.reason_id IN (SELECT r.reason_id FROM recon.reason_codes r \
                             WHERE r.is_functional = $?)";
            wanted.push(condition.to_owned(), Some(functional.into()));
        }
        if let Some(by_people) = filter.by_people {
            // What people settled is locked, what the machine settled is not.
            wanted.push("d.is_locked = $?".to_owned(), Some(by_people.into()));
        }
        let same = self.same_item("a");
        match filter.assignee.as_deref() {
            None => {}
            Some("none") => wanted
                .push(format!("NOT EXISTS (SELECT 1 FROM recon.assignments a WHERE {same})"), None),
            Some(person) => {
                let person = if person == "me" { &actor.person_id } else { person };
                wanted.push(
                    format!(
                        "EXISTS (SELECT 1 FROM recon.assignments a \
                         WHERE {same} AND a.assignee = $?)"
                    ),
                    Some(person.into()),
                );
            }
        }
        if let Some(sent_back) = filter.sent_back {
            let not = if sent_back { "" } else { "NOT " };
            wanted
                .push(format!("{not}EXISTS (SELECT 1 FROM recon.sent_back a WHERE {same})"), None);
        }
        if wanted.telling {
            wanted.keep_samples_out();
        }
        if let Some(which) = filter.sla {
            let condition = self.in_time(&wanted, which)?;
            wanted.push(condition, None);
        }
        Ok(wanted)
    }

    /// The condition that a row of another table is about the item.
    pub fn same_item(&self, table: &str) -> String {
        match self.shelf.dialect() {
            Dialect::Sqlite => format!(
                "{table}.run_no = d.id >> {NUMBER_BITS} \
                 AND {table}.number = d.id & 1099511627775"
            ),
            Dialect::Postgres => {
                format!("{table}.run_no = d.run_no AND {table}.number = d.number")
            }
        }
    }

    /// The runs and severities whose items are in time, nearly due, or overdue now.
    fn in_time(&self, wanted: &Wanted, which: Sla) -> Result<String, Problem> {
        let mut arms = Vec::new();
        for severity in Severity::ALL {
            let hours = self.policy.sla_hours.of(*severity);
            let mut runs = Vec::new();
            for run in &wanted.runs {
                let began = crate::store::read_time(&run.attributed_at)?;
                if sla(self.now, began, self.due(run, hours)?) == which {
                    runs.push(run.run_no.to_string());
                }
            }
            if !runs.is_empty() {
                arms.push(format!(
                    "(d.severity = {} AND {} IN ({}))",
                    severity.code(),
                    self.run_column(),
                    runs.join(", ")
                ));
            }
        }
        Ok(if arms.is_empty() { "1 = 0".to_owned() } else { format!("({})", arms.join(" OR ")) })
    }

    /// The number of an item's run.
    pub fn run_column(&self) -> &'static str {
        match self.shelf.dialect() {
            Dialect::Sqlite => "(d.id >> 40)",
            Dialect::Postgres => "d.run_no",
        }
    }

    /// The signatures that a filter chooses; `None` if it does not ask for what they say.
    pub fn signatures_of(&mut self, filter: &QueueFilter) -> Result<Option<Vec<i64>>, Refusal> {
        let chosen = match filter.signature.as_deref() {
            None => None,
            Some(id) => {
                Some(id.parse::<i64>().map_err(|_| invalid("signature", "is the id of a group"))?)
            }
        };
        if chosen.is_none()
            && filter.field_name.is_none()
            && filter.diff_type.is_none()
            && filter.reason_code.is_none()
            && filter.job.is_none()
        {
            return Ok(None);
        }
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let all = self.shelf.signatures()?;
        let fits = |signature: &&std::rc::Rc<Signature>| {
            chosen.is_none_or(|chosen| signature.signature_id == chosen)
                && fits(&filter.field_name, &signature.field)
                && fits(&filter.diff_type, &signature.diff_type)
                && fits(&filter.reason_code, &signature.reason)
                && fits(&filter.job, &signature.job)
        };
        Ok(Some(all.iter().filter(fits).map(|signature| signature.signature_id).collect()))
    }

    /// Items at these places, in this order.
    fn in_order(&mut self, keys: &[(Key, f64)]) -> Result<Vec<Item>, Problem> {
        let places: Vec<Key> = keys.iter().map(|(key, _)| *key).collect();
        let mut items: std::collections::HashMap<Key, Item> =
            self.shelf.items(&places, false)?.into_iter().map(|item| (item.key, item)).collect();
        Ok(places.iter().filter_map(|key| items.remove(key)).collect())
    }

    fn page_of(
        &mut self,
        wanted: &Wanted,
        sort: QueueSort,
        at: Option<At>,
        limit: usize,
    ) -> Result<Keys, Refusal> {
        if wanted.runs.is_empty() || wanted.signatures.as_ref().is_some_and(Vec::is_empty) {
            return Ok((Vec::new(), None));
        }
        if wanted.samples {
            return Ok(self.samples(wanted, at, limit)?);
        }
        if wanted.q.is_some() {
            return self.searched(wanted, at, limit);
        }
        match (wanted.status, sort) {
            (Some(Status::Unknown), QueueSort::Confidence | QueueSort::ConfidenceDescending)
                if wanted.blind > 0.0 =>
            {
                self.by_id(wanted, at, limit)
            }
            (Some(Status::Unknown), QueueSort::Confidence) => {
                Ok(self.ordered(wanted, ORDER_CONFIDENCE, at, limit)?)
            }
            (Some(Status::Unknown), QueueSort::ConfidenceDescending) => {
                Ok(self.ordered(wanted, ORDER_SUREST, at, limit)?)
            }
            (Some(Status::Unknown), QueueSort::Amount) => {
                Ok(self.ordered(wanted, ORDER_AMOUNT, at, limit)?)
            }
            (Some(Status::Unknown), QueueSort::Severity) => self.gravest(wanted, at, limit),
            (Some(Status::Pending), _) => Ok(self.pending(wanted, at, limit)?),
            _ => self.by_id(wanted, at, limit),
        }
    }

    /// Blind samples that nobody has looked at yet, in the order of their ids.
    fn samples(&mut self, wanted: &Wanted, at: Option<At>, limit: usize) -> Result<Keys, Problem> {
        let dialect = self.shelf.dialect();
        let mut values = Vec::new();
        let mut condition = wanted.runs_condition("s.run_no");
        if let Some(at) = at {
            let place = format!(" AND (s.run_no, s.number) > ({}, {})", at.run_no, at.number);
            condition.push_str(&place);
        }
        if let Some(ids) = &wanted.signatures {
            let place = bind(&mut values, rows::numbers(ids.iter().copied()));
            let within = rows::numbers_in(dialect, &place);
            condition.push_str(&format!(" AND d.signature_id IN {within}"));
        }
        wanted.conditions(&mut condition, &mut values);
        let same = match dialect {
            Dialect::Sqlite => "d.id = s.run_no << 40 | s.number",
            Dialect::Postgres => "d.run_no = s.run_no AND d.number = s.number",
        };
        let unlocked = bind(&mut values, false.into());
        let sql = format!(
            "SELECT s.run_no, s.number, 0 FROM recon.audit_samples s \
             JOIN recon.difference_rows d ON {same} \
             WHERE s.outcome IS NULL AND d.status = 3 AND d.is_locked = {unlocked}{condition} \
             ORDER BY s.run_no, s.number LIMIT {}",
            limit + 1
        );
        let mut found = self.keys_of(&sql, &values)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(key, _)| at_of(*key, 0.0));
        Ok((found, next))
    }

    /// The gravest first, and among those the least sure.
    fn gravest(&mut self, wanted: &Wanted, at: Option<At>, limit: usize) -> Result<Keys, Refusal> {
        let mut found = Vec::new();
        let mut level = at.map_or(4, |at| at.level);
        let mut at = at.filter(|at| at.run_no != 0);
        while level > 0 {
            let mut narrowed = wanted.clone_with(format!("d.severity = {level}"));
            narrowed.signatures = self.of_severity(wanted, level)?;
            if !narrowed.signatures.as_ref().is_some_and(Vec::is_empty) {
                let room = limit - found.len();
                let (more, next) = if wanted.blind > 0.0 {
                    self.by_id(&narrowed, at, room)?
                } else {
                    self.ordered(&narrowed, ORDER_CONFIDENCE, at, room)?
                };
                found.extend(more);
                if let Some(next) = next {
                    return Ok((found, Some(At { level, ..next })));
                }
            }
            level -= 1;
            at = None;
            if found.len() == limit && level > 0 {
                return Ok((found, Some(At { level, bits: 0, run_no: 0, number: 0 })));
            }
        }
        Ok((found, None))
    }

    fn of_severity(&mut self, wanted: &Wanted, level: u8) -> Result<Option<Vec<i64>>, Problem> {
        let name = Severity::from_code(level).map_or("", Severity::name);
        let all = self.shelf.signatures()?;
        // Where some signature does not tell its severity, the condition on the row decides.
        if all.iter().any(|signature| signature.severity.is_empty()) {
            return Ok(wanted.signatures.clone());
        }
        let chosen = |id: i64| wanted.signatures.as_ref().is_none_or(|ids| ids.contains(&id));
        Ok(Some(
            all.iter()
                .filter(|signature| signature.severity == name && chosen(signature.signature_id))
                .map(|signature| signature.signature_id)
                .collect(),
        ))
    }

    /// Undecided items in the order of a column.
    fn ordered(
        &mut self,
        wanted: &Wanted,
        order: Order,
        at: Option<At>,
        limit: usize,
    ) -> Result<Keys, Problem> {
        match &wanted.signatures {
            Some(ids) if ids.len() <= STREAMS && order.by_signature => {
                self.merged(wanted, ids, order, at, limit)
            }
            _ => self.scanned(wanted, order, at, limit),
        }
    }

    /// Reads the queue in the order of its index.
    fn scanned(
        &mut self,
        wanted: &Wanted,
        order: Order,
        at: Option<At>,
        limit: usize,
    ) -> Result<Keys, Problem> {
        let dialect = self.shelf.dialect();
        let mut values = Vec::new();
        let inner = format!(
            "d.status = 1{}{}{}",
            if order.column == "amount_abs" { " AND d.amount_abs IS NOT NULL" } else { "" },
            beyond(dialect, order, at, &mut values),
            if dialect == Dialect::Postgres {
                wanted.runs_condition("d.run_no")
            } else {
                String::new()
            },
        );
        let mut residual = String::new();
        if dialect == Dialect::Sqlite && wanted.some_runs {
            residual.push_str(&wanted.runs_condition("(d.id >> 40)"));
        }
        if let Some(ids) = &wanted.signatures {
            let place = bind(&mut values, rows::numbers(ids.iter().copied()));
            let within = rows::numbers_in(dialect, &place);
            residual.push_str(&format!(" AND d.signature_id IN {within}"));
        }
        wanted.conditions(&mut residual, &mut values);
        let sorted = order.by(dialect);
        let wanted_rows = limit + 1;
        let sql = if residual.is_empty() {
            format!(
                "SELECT {}, d.{} FROM recon.difference_rows d WHERE {inner} \
                 ORDER BY {sorted} LIMIT {wanted_rows}",
                key_columns(dialect),
                order.column
            )
        } else {
            format!(
                "SELECT {}, d.{} FROM (SELECT d.* FROM recon.difference_rows d WHERE {inner} \
                 ORDER BY {sorted} LIMIT {BUDGET}) d WHERE 1 = 1{residual} \
                 ORDER BY {sorted} LIMIT {wanted_rows}",
                key_columns(dialect),
                order.column
            )
        };
        let mut found = self.keys_of(&sql, &values)?;
        if found.len() > limit {
            found.truncate(limit);
            let next = found.last().map(|(key, value)| at_of(*key, *value));
            return Ok((found, next));
        }
        if residual.is_empty() {
            return Ok((found, None));
        }
        // The budget is spent: the next page goes on behind the last row that was looked at.
        let mut values = Vec::new();
        let behind = beyond(dialect, order, at, &mut values);
        let inner = format!(
            "d.status = 1{}{behind}{}",
            if order.column == "amount_abs" { " AND d.amount_abs IS NOT NULL" } else { "" },
            if dialect == Dialect::Postgres {
                wanted.runs_condition("d.run_no")
            } else {
                String::new()
            },
        );
        let sql = format!(
            "SELECT {}, d.{} FROM recon.difference_rows d WHERE {inner} ORDER BY {sorted} \
             LIMIT 1 OFFSET {}",
            key_columns(dialect),
            order.column,
            BUDGET - 1
        );
        let last = self.keys_of(&sql, &values)?;
        Ok((found, last.first().map(|(key, value)| at_of(*key, *value))))
    }

    /// Merges the items of several signatures.
    fn merged(
        &mut self,
        wanted: &Wanted,
        ids: &[i64],
        order: Order,
        at: Option<At>,
        limit: usize,
    ) -> Result<Keys, Problem> {
        let dialect = self.shelf.dialect();
        let sorted = order.by(dialect);
        let mut found: Vec<(Key, f64)> = Vec::new();
        // Where a stream was not read to its end, nothing behind that place may be shown yet.
        let mut horizon: Option<(Key, f64)> = None;
        for id in ids {
            let mut values = Vec::new();
            let mut inner = format!(
                "d.status = 1 AND d.signature_id = {id}{}",
                beyond(dialect, order, at, &mut values)
            );
            if dialect == Dialect::Postgres {
                inner.push_str(&wanted.runs_condition("d.run_no"));
            }
            let mut residual = String::new();
            if dialect == Dialect::Sqlite && wanted.some_runs {
                residual.push_str(&wanted.runs_condition("(d.id >> 40)"));
            }
            wanted.conditions(&mut residual, &mut values);
            let (budget, sql) = if residual.is_empty() {
                let sql = format!(
                    "SELECT {}, d.{} FROM recon.difference_rows d WHERE {inner} \
                     ORDER BY {sorted} LIMIT {}",
                    key_columns(dialect),
                    order.column,
                    limit + 1
                );
                (0, sql)
            } else {
                let budget = (BUDGET / ids.len()).max(limit + 1);
                let sql = format!(
                    "SELECT {}, d.{} FROM (SELECT d.* FROM recon.difference_rows d WHERE {inner} \
                     ORDER BY {sorted} LIMIT {budget}) d WHERE 1 = 1{residual} \
                     ORDER BY {sorted} LIMIT {}",
                    key_columns(dialect),
                    order.column,
                    limit + 1
                );
                (budget, sql)
            };
            let stream = self.keys_of(&sql, &values)?;
            if budget > 0 && stream.len() <= limit {
                let mut values = Vec::new();
                let mut inner = format!(
                    "d.status = 1 AND d.signature_id = {id}{}",
                    beyond(dialect, order, at, &mut values)
                );
                if dialect == Dialect::Postgres {
                    inner.push_str(&wanted.runs_condition("d.run_no"));
                }
                let sql = format!(
                    "SELECT {}, d.{} FROM recon.difference_rows d WHERE {inner} \
                     ORDER BY {sorted} LIMIT 1 OFFSET {}",
                    key_columns(dialect),
                    order.column,
                    budget - 1
                );
                if let Some(last) = self.keys_of(&sql, &values)?.pop()
                    && horizon.is_none_or(|known| order.compare(&last, &known).is_lt())
                {
                    horizon = Some(last);
                }
            }
            found.extend(stream);
        }
        found.sort_by(|left, right| order.compare(left, right));
        if let Some(horizon) = horizon {
            found.retain(|one| order.compare(one, &horizon).is_le());
        }
        if found.len() > limit {
            found.truncate(limit);
            let next = found.last().map(|(key, value)| at_of(*key, *value));
            return Ok((found, next));
        }
        Ok((found, horizon.map(|(key, value)| at_of(key, value))))
    }

    /// Items of any status, in the order of their ids.
    pub fn by_id(
        &mut self,
        wanted: &Wanted,
        at: Option<At>,
        limit: usize,
    ) -> Result<Keys, Refusal> {
        let dialect = self.shelf.dialect();
        let mut runs: Vec<i64> = wanted.runs.iter().map(|run| run.run_no).collect();
        runs.sort_unstable();
        let mut found: Vec<(Key, f64)> = Vec::new();
        let mut budget = BUDGET;
        for run_no in runs {
            let from = match at {
                Some(at) if at.run_no > run_no => continue,
                Some(at) if at.run_no == run_no => at.number,
                _ => 0,
            };
            let (mut from, end) = (from, i64::MAX >> (63 - NUMBER_BITS));
            loop {
                let mut values = Vec::new();
                let mut residual = String::new();
                if let Some(status) = wanted.status {
                    residual.push_str(&format!(" AND d.status = {}", status.code()));
                }
                if let Some(ids) = &wanted.signatures {
                    let place = bind(&mut values, rows::numbers(ids.iter().copied()));
                    let within = rows::numbers_in(dialect, &place);
                    residual.push_str(&format!(" AND d.signature_id IN {within}"));
                }
                wanted.conditions(&mut residual, &mut values);
                let place = match dialect {
                    Dialect::Sqlite => format!(
                        "d.id > {} AND d.id <= {}",
                        Key { run_no, number: from }.row_id(),
                        Key { run_no, number: end }.row_id()
                    ),
                    Dialect::Postgres => format!("d.run_no = {run_no} AND d.number > {from}"),
                };
                let sorted = match dialect {
                    Dialect::Sqlite => "d.id",
                    Dialect::Postgres => "d.number",
                };
                let step = budget.min(4_000);
                // Of hidden ones among them nothing is known before they are read.
                let drops = wanted.telling && wanted.blind > 0.0;
                let wanted_rows = if drops { step } else { limit + 1 - found.len() };
                let sql = format!(
                    "SELECT {}, 0 FROM (SELECT d.* FROM recon.difference_rows d WHERE {place} \
                     ORDER BY {sorted} LIMIT {step}) d WHERE 1 = 1{residual} \
                     ORDER BY {sorted} LIMIT {wanted_rows}",
                    key_columns(dialect)
                );
                let more = self.keys_of(&sql, &values)?;
                found.extend(if drops { self.without_hidden(wanted, more)? } else { more });
                if found.len() > limit {
                    found.truncate(limit);
                    let next = found.last().map(|(key, value)| at_of(*key, *value));
                    return Ok((found, next));
                }
                let last = self.keys_of(
                    &format!(
                        "SELECT {}, 0 FROM recon.difference_rows d WHERE {place} \
                         ORDER BY {sorted} LIMIT 1 OFFSET {}",
                        key_columns(dialect),
                        step - 1
                    ),
                    &[],
                )?;
                let Some((last, _)) = last.first() else { break };
                from = last.number;
                budget = budget.saturating_sub(step);
                if budget == 0 {
                    return Ok((found, Some(at_of(*last, 0.0))));
                }
            }
        }
        Ok((found, None))
    }

    /// Items that people are deciding.
    fn pending(&mut self, wanted: &Wanted, at: Option<At>, limit: usize) -> Result<Keys, Problem> {
        let dialect = self.shelf.dialect();
        let at = at.map_or(Key { run_no: 0, number: 0 }, At::key);
        let mut values = vec![SqlValue::from(true)];
        let mut residual = wanted.runs_condition("i.run_no");
        if let Some(ids) = &wanted.signatures {
            let place = bind(&mut values, rows::numbers(ids.iter().copied()));
            residual
                .push_str(&format!(" AND i.signature_id IN {}", rows::numbers_in(dialect, &place)));
        }
        wanted.conditions(&mut residual, &mut values);
        let joined = match dialect {
            Dialect::Sqlite => "d.id = i.run_no << 40 | i.number",
            Dialect::Postgres => "d.run_no = i.run_no AND d.number = i.number",
        };
        let sql = format!(
            "SELECT i.run_no, i.number, 0 FROM recon.proposal_items i \
             JOIN recon.difference_rows d ON {joined} \
             WHERE i.open = $1 AND (i.run_no, i.number) > ({}, {}){residual} \
             ORDER BY i.run_no, i.number LIMIT {}",
            at.run_no,
            at.number,
            limit + 1
        );
        let mut found = self.keys_of(&sql, &values)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(key, value)| at_of(*key, *value));
        Ok((found, next))
    }

    /// Items whose references, values or field have a text. Records are looked through in their order.
    fn searched(&mut self, wanted: &Wanted, at: Option<At>, limit: usize) -> Result<Keys, Refusal> {
        let dialect = self.shelf.dialect();
        let q = wanted.q.clone().unwrap_or_default();
        // As the text stands within a row of records.
        let json = serde_json::to_string(&q).unwrap_or_default();
        let needle = json.trim_matches('"').to_owned();
        let mut runs: Vec<i64> = wanted.runs.iter().map(|run| run.run_no).collect();
        runs.sort_unstable();
        let mut found: Vec<(Key, f64)> = Vec::new();
        let mut budget = 1_500i64;
        for run_no in runs {
            let mut from = match at {
                Some(at) if at.run_no > run_no => continue,
                Some(at) if at.run_no == run_no => at.number,
                _ => 0,
            };
            loop {
                // Differences behind `from`, of a number of rows of records.
                let chunk = ((from >> 10).max(1) - 1) / 64;
                let step = budget.min(300);
                let (place, number, sorted) = match dialect {
                    Dialect::Sqlite => (
                        format!(
                            "x.id BETWEEN {} AND {}",
                            run_no << 40 | chunk,
                            run_no << 40 | (chunk + step - 1)
                        ),
                        "x.id & 1099511627775",
                        "x.id",
                    ),
                    Dialect::Postgres => (
                        format!(
                            "x.run_no = {run_no} AND x.number BETWEEN {chunk} AND {}",
                            chunk + step - 1
                        ),
                        "x.number",
                        "x.number",
                    ),
                };
                let sql = format!(
                    "SELECT {number} FROM recon.record_rows x WHERE {place} \
                     AND x.records LIKE $1 ESCAPE '\\' ORDER BY {sorted}"
                );
                let like = format!("%{}%", literal(&needle));
                let chunks = self.shelf.tx.query(&sql, &[like.into()])?;
                for row in chunks {
                    let matched = row.count(0)?;
                    found.extend(self.within_chunk(wanted, run_no, matched, from, &q)?);
                    if found.len() > limit {
                        found.truncate(limit);
                        let next = found.last().map(|(key, value)| at_of(*key, *value));
                        return Ok((found, next));
                    }
                }
                budget -= step;
                from = ((chunk + step) * 64 + 1) << 10;
                let beyond = match dialect {
                    Dialect::Sqlite => format!(
                        "x.id > {} AND x.id <= {}",
                        run_no << 40 | (chunk + step - 1),
                        run_no << 40 | 1_099_511_627_775
                    ),
                    Dialect::Postgres => {
                        format!("x.run_no = {run_no} AND x.number > {}", chunk + step - 1)
                    }
                };
                let more = self.shelf.tx.query(
                    &format!("SELECT 1 FROM recon.record_rows x WHERE {beyond} LIMIT 1"),
                    &[],
                )?;
                if more.is_empty() {
                    break;
                }
                if budget <= 0 {
                    return Ok((found, Some(at_of(Key { run_no, number: from }, 0.0))));
                }
            }
        }
        Ok((found, None))
    }

    /// The items of a row of records that match, behind `from`.
    fn within_chunk(
        &mut self,
        wanted: &Wanted,
        run_no: i64,
        chunk: i64,
        from: i64,
        q: &str,
    ) -> Result<Vec<(Key, f64)>, Problem> {
        let dialect = self.shelf.dialect();
        let (low, high) = ((chunk * 64 + 1) << 10, (chunk * 64 + 65) << 10);
        let low = low.max(from + 1);
        let mut values = Vec::new();
        let mut condition = match dialect {
            Dialect::Sqlite => {
                format!("d.id >= {} AND d.id < {}", run_no << 40 | low, (run_no << 40) + high)
            }
            Dialect::Postgres => {
                format!("d.run_no = {run_no} AND d.number >= {low} AND d.number < {high}")
            }
        };
        if let Some(status) = wanted.status {
            condition.push_str(&format!(" AND d.status = {}", status.code()));
        }
        if let Some(ids) = &wanted.signatures {
            let place = bind(&mut values, rows::numbers(ids.iter().copied()));
            let within = rows::numbers_in(dialect, &place);
            condition.push_str(&format!(" AND d.signature_id IN {within}"));
        }
        wanted.conditions(&mut condition, &mut values);
        let sorted = if dialect == Dialect::Sqlite { "d.id" } else { "d.number" };
        let sql = format!(
            "SELECT {}, 0 FROM recon.difference_rows d WHERE {condition} ORDER BY {sorted}",
            key_columns(dialect)
        );
        let mut keys = self.keys_of(&sql, &values)?;
        if wanted.telling && wanted.blind > 0.0 {
            keys = self.without_hidden(wanted, keys)?;
        }
        let items = self.in_order(&keys)?;
        let weighed = self.weigh(items)?;
        let run = self.shelf.run(run_no)?;
        let key_seen = !wanted.sight.hides_key(&run.layout);
        let has = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains(q));
        Ok(weighed
            .iter()
            .filter(|one| {
                (!wanted.sight.hides(&one.field)
                    && (has(&one.item.value_a) || has(&one.item.value_b)))
                    || (key_seen && one.references.iter().any(has))
                    || one.field.contains(q)
            })
            .map(|one| (one.item.key, 0.0))
            .collect())
    }

    /// Of these items, those whose machine's reason may be told.
    fn without_hidden(
        &mut self,
        wanted: &Wanted,
        keys: Vec<(Key, f64)>,
    ) -> Result<Vec<(Key, f64)>, Problem> {
        let undecided: std::collections::HashSet<Key> = match wanted.status {
            Some(Status::Unknown) => keys.iter().map(|(key, _)| *key).collect(),
            Some(_) => return Ok(keys),
            None => {
                let places: Vec<Key> = keys.iter().map(|(key, _)| *key).collect();
                let items = self.shelf.items(&places, false)?;
                let unknown = items.iter().filter(|item| item.status == Status::Unknown);
                unknown.map(|item| item.key).collect()
            }
        };
        let mut shown = Vec::with_capacity(keys.len());
        for (key, value) in keys {
            let run = self.shelf.run(key.run_no)?;
            let id = run.attribution_id(key.number);
            if !(undecided.contains(&key) && is_blind(&id, wanted.blind)) {
                shown.push((key, value));
            }
        }
        Ok(shown)
    }

    /// How many items match; `None` where the number would tell hidden suggestions or what a search found.
    pub fn count(&mut self, wanted: &Wanted) -> Result<Option<u64>, Problem> {
        let undecided = matches!(wanted.status, None | Some(Status::Unknown));
        if wanted.telling && wanted.blind > 0.0 && undecided {
            return Ok(None);
        }
        let dialect = self.shelf.dialect();
        let mut values = Vec::new();
        let mut condition = match wanted.status {
            Some(status) => format!("d.status = {}", status.code()),
            None => "d.status IS NOT NULL".to_owned(),
        };
        if wanted.some_runs || wanted.status != Some(Status::Unknown) {
            condition.push_str(&wanted.runs_condition(self.run_column()));
        }
        if let Some(ids) = &wanted.signatures {
            let place = bind(&mut values, rows::numbers(ids.iter().copied()));
            let within = rows::numbers_in(dialect, &place);
            condition.push_str(&format!(" AND d.signature_id IN {within}"));
        }
        wanted.conditions(&mut condition, &mut values);
        if wanted.samples {
            let same = self.same_item("s");
            condition.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM recon.audit_samples s \
                 WHERE {same} AND s.outcome IS NULL) AND d.is_locked = {}",
                bind(&mut values, false.into())
            ));
        }
        let rows = self.shelf.tx.query(
            &format!("SELECT count(*) FROM recon.difference_rows d WHERE {condition}"),
            &values,
        )?;
        Ok(Some(rows.first().map_or(Ok(0), |row| row.count(0))?.cast_unsigned()))
    }

    /// The first items that match, for a glance at a group.
    pub fn first_of(&mut self, wanted: &Wanted, most: usize) -> Result<Vec<Key>, Refusal> {
        let (found, _) = self.page_of(wanted, QueueSort::Confidence, None, most)?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }

    fn keys_of(&mut self, sql: &str, values: &[SqlValue]) -> Result<Vec<(Key, f64)>, Problem> {
        let rows = self.shelf.tx.query(sql, values)?;
        let read = |row: &Answer| {
            let key = Key { run_no: row.count(0)?, number: row.count(1)? };
            Ok((key, row.real(2)?.unwrap_or_default()))
        };
        rows.iter().map(read).collect()
    }

    /// Every item that matches, up to `most`; more are refused.
    pub fn all_of(&mut self, wanted: &Wanted, most: usize) -> Result<Vec<Key>, Refusal> {
        let mut keys = Vec::new();
        let mut at = None;
        loop {
            let (found, next) = self.page_of(wanted, QueueSort::Confidence, at, 2_000)?;
            keys.extend(found.into_iter().map(|(key, _)| key));
            if keys.len() > most {
                return Err(Refusal::new(
                    Code::TooManyItems,
                    format!("a bulk has at most {most} items: narrow the filter"),
                ));
            }
            let Some(next) = next else { return Ok(keys) };
            at = Some(next);
        }
    }
}

/// In which order undecided items come.
#[derive(Clone, Copy)]
struct Order {
    column: &'static str,
    descending: bool,
    /// Whether the index of signatures has this order.
    by_signature: bool,
}

const ORDER_CONFIDENCE: Order =
    Order { column: "confidence", descending: false, by_signature: true };
const ORDER_SUREST: Order = Order { column: "confidence", descending: true, by_signature: true };
const ORDER_AMOUNT: Order = Order { column: "amount_abs", descending: true, by_signature: false };

impl Order {
    fn by(self, dialect: Dialect) -> String {
        let down = if self.descending { " DESC" } else { "" };
        match dialect {
            Dialect::Sqlite => format!("d.{}{down}, d.id{down}", self.column),
            Dialect::Postgres => {
                format!("d.{}{down}, d.run_no{down}, d.number{down}", self.column)
            }
        }
    }

    fn compare(self, left: &(Key, f64), right: &(Key, f64)) -> std::cmp::Ordering {
        let order = left.1.total_cmp(&right.1).then(left.0.cmp(&right.0));
        if self.descending { order.reverse() } else { order }
    }
}

fn at_of(key: Key, value: f64) -> At {
    At { level: 0, bits: value.to_bits(), run_no: key.run_no, number: key.number }
}

const fn key_columns(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "d.id >> 40, d.id & 1099511627775",
        Dialect::Postgres => "d.run_no, d.number",
    }
}

/// The condition that a row lies behind the place where the page before ended.
fn beyond(dialect: Dialect, order: Order, at: Option<At>, values: &mut Vec<SqlValue>) -> String {
    let Some(at) = at else { return String::new() };
    let sign = if order.descending { "<" } else { ">" };
    let value = bind(values, f64::from_bits(at.bits).into());
    match dialect {
        Dialect::Sqlite => {
            format!(" AND (d.{}, d.id) {sign} ({value}, {})", order.column, at.key().row_id())
        }
        Dialect::Postgres => format!(
            " AND (d.{}, d.run_no, d.number) {sign} ({value}, {}, {})",
            order.column, at.run_no, at.number
        ),
    }
}

/// Adds a value and gives its parameter.
fn bind(values: &mut Vec<SqlValue>, value: SqlValue) -> String {
    values.push(value);
    format!("${}", values.len())
}

impl Wanted {
    fn push(&mut self, condition: String, value: Option<SqlValue>) {
        self.residual.push((condition, value));
    }

    fn clone_with(&self, condition: String) -> Self {
        let mut residual = self.residual.clone();
        residual.push((condition, None));
        Self {
            status: self.status,
            runs: self.runs.clone(),
            some_runs: self.some_runs,
            signatures: self.signatures.clone(),
            residual,
            q: self.q.clone(),
            samples: self.samples,
            telling: self.telling,
            blind: self.blind,
            sight: self.sight.clone(),
            is_sample: self.is_sample.clone(),
        }
    }

    /// The same filter for the items of one signature (0: of none).
    pub fn of_signature(&self, signature_id: i64) -> Self {
        let mut narrowed = self.clone_with("1 = 1".to_owned());
        narrowed.residual.pop();
        narrowed.telling = true;
        if !self.telling {
            narrowed.keep_samples_out();
        }
        if signature_id == 0 {
            narrowed.residual.push(("d.signature_id IS NULL".to_owned(), None));
        } else {
            narrowed.signatures = Some(vec![signature_id]);
        }
        narrowed
    }

    /// The condition that an item is of these runs.
    pub fn runs_condition(&self, column: &str) -> String {
        let numbers: Vec<String> = self.runs.iter().map(|run| run.run_no.to_string()).collect();
        if numbers.is_empty() {
            return " AND 1 = 0".to_owned();
        }
        format!(" AND {column} IN ({})", numbers.join(", "))
    }

    /// Adds the conditions that no index knows.
    pub fn conditions(&self, sql: &mut String, values: &mut Vec<SqlValue>) {
        for (condition, value) in &self.residual {
            sql.push_str(" AND ");
            match value {
                None => sql.push_str(condition),
                Some(value) => {
                    let place = bind(values, value.clone());
                    sql.push_str(&condition.replace("$?", &place));
                }
            }
        }
    }

    /// Keeps blind samples out of what is chosen by the machine's reason.
    fn keep_samples_out(&mut self) {
        if !self.samples && self.status.is_none_or(|status| status == Status::Accepted) {
            let condition = format!("NOT {}", self.is_sample);
            self.push(condition, Some(false.into()));
        }
    }
}
