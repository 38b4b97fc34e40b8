//! The queue in groups of look-alikes, and counts for the filter bar: read from the counts that are
//! kept, not from the items, wherever the filter allows that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Problem;
use crate::domain::review::Permission;
use crate::domain::{DiffType, Severity, Status};
use crate::store::SqlValue;
use crate::store::rows;
use crate::store::transact::Dialect;

use super::actor::Actor;
use super::answer::{Group, Page, Share};
use super::ask::{GroupBy, PageAsk};
use super::filter::QueueFilter;
use super::items::{Item, Key, Run, Signature};
use super::queue::{Wanted, list_name};
use super::views::is_blind;
use super::work::Work;
use super::{Desk, Found, page};

/// What stands for a reason that nobody is told now.
const HIDDEN: &str = "suggestion hidden";

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    /// Items of one signature (0: of none).
    Signature(i64),
    /// Items whose machine's reason is hidden now, by the slot of the field, type and severity: their
    /// signature would tell the reason.
    Hidden(i64, u8, u8),
}

/// What is counted of one run.
#[derive(Clone, Debug)]
struct Counted {
    run_no: i64,
    alike: Alike,
    items: u64,
    amount: f64,
}

/// Where a page of groups ended: behind a group of this size and name.
#[derive(Serialize, Deserialize)]
struct At {
    count: u64,
    name: String,
}

#[derive(Default)]
struct Together {
    count: u64,
    amount: f64,
    overdue: u64,
    oldest: String,
    /// Whether some of the amounts are hidden.
    amount_hidden: bool,
    /// The signature with most items, whose items are shown.
    largest: (u64, Option<i64>),
    severity: u8,
}

impl Desk<'_> {
    /// The queue in groups of look-alikes, the largest first.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn groups(
        &self,
        actor: &Actor,
        filter: &QueueFilter,
        by: GroupBy,
        ask: &PageAsk,
    ) -> Found<Page<Group>> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let limit = page::limit(ask)?;
            let list = format!("groups:{by:?}:{}", list_name("", filter, ask));
            let at: Option<At> = page::position(ask, &list, actor)?;
            let wanted = work.wanted(actor, filter)?;
            let counted = work.counted(&wanted)?;
            let mut groups: Vec<(String, Together)> =
                work.together(&wanted, counted, by)?.into_iter().collect();
            groups.sort_by(|left, right| {
                right.1.count.cmp(&left.1.count).then_with(|| left.0.cmp(&right.0))
            });
            let total = ask.count.then_some(groups.len() as u64);
            if let Some(at) = at {
                groups.retain(|(name, group)| {
                    group.count < at.count || (group.count == at.count && *name > at.name)
                });
            }
            let more = groups.len() > limit;
            groups.truncate(limit);
            let next = groups
                .last()
                .filter(|_| more)
                .map(|(name, group)| At { count: group.count, name: name.clone() })
                .map(|at| page::cursor(&at, &list, actor));
            let items = work.described(actor, &wanted, groups, by)?;
            Ok(Page { items, next, total })
        })
    }

    /// How many items of the filter have each value of `job`, `field_name`, `diff_type`, `severity` and
    /// `reason_code`, for the filter bar.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn facets(&self, actor: &Actor, filter: &QueueFilter) -> Found<Vec<Share>> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let wanted = work.wanted(actor, filter)?;
            let mut shares: BTreeMap<(u8, &'static str, String), u64> = BTreeMap::new();
            for one in work.counted(&wanted)? {
                let Some(said) = work.said_of(&one)? else { continue };
                for (at, by, value) in [
                    (0, "job", said.job),
                    (1, "field_name", said.field),
                    (2, "diff_type", said.diff_type),
                    (3, "severity", said.severity),
                    (4, "reason_code", said.reason),
                ] {
                    // Of hidden ones no reason is told.
                    if at < 4 || !value.is_empty() {
                        *shares.entry((at, by, value)).or_default() += one.items;
                    }
                }
            }
            Ok(shares
                .into_iter()
                .map(|((_, by, value), count)| Share { by: by.to_owned(), value, count })
                .collect())
        })
    }
}

impl Work<'_> {
    /// Items of the filter by run and signature.
    fn counted(&mut self, wanted: &Wanted) -> Result<Vec<Counted>, Problem> {
        if wanted.samples {
            // What they have in common would tell what the machine thought.
            return Ok(Vec::new());
        }
        let undecided = wanted.status.is_none_or(|status| status == Status::Unknown);
        let settled = wanted.status.is_none_or(|status| status == Status::Accepted);
        if (undecided && wanted.blind > 0.0) || (settled && self.has_samples()?) {
            return self.counted_one_by_one(wanted);
        }
        let mut values: Vec<SqlValue> = Vec::new();
        let mut condition = String::new();
        let kept = wanted.residual.is_empty() && wanted.q.is_none();
        let (from, run, columns) = if kept {
            if let Some(status) = wanted.status {
                condition.push_str(&format!(" AND d.status = {}", status.code()));
            }
            (
                "recon.item_counts d",
                "d.run_no",
                "CAST(sum(d.items) AS double precision), sum(d.amount_sum)",
            )
        } else {
            match wanted.status {
                Some(status) => condition.push_str(&format!(" AND d.status = {}", status.code())),
                None => condition.push_str(" AND d.status IS NOT NULL"),
            }
            wanted.conditions(&mut condition, &mut values);
            ("recon.difference_rows d", self.run_column(), "count(*), sum(d.amount_abs)")
        };
        if let Some(ids) = &wanted.signatures {
            values.push(rows::numbers(ids.iter().copied()));
            let within = rows::numbers_in(self.shelf.dialect(), &format!("${}", values.len()));
            condition.push_str(&format!(" AND d.signature_id IN {within}"));
        }
        condition.push_str(&wanted.runs_condition(run));
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT {run}, coalesce(d.signature_id, 0), {columns} FROM {from} \
                 WHERE 1 = 1{condition} GROUP BY 1, 2"
            ),
            &values,
        )?;
        let mut counted = Vec::with_capacity(rows.len());
        for row in rows {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count, which PostgreSQL sums as numeric"
            )]
            let items = row.real(2)?.unwrap_or_default() as u64;
            if items > 0 {
                counted.push(Counted {
                    run_no: row.count(0)?,
                    alike: Alike::Signature(row.count(1)?),
                    items,
                    amount: row.real(3)?.unwrap_or_default(),
                });
            }
        }
        Ok(counted)
    }

    /// Whether blind samples wait for somebody.
    fn has_samples(&mut self) -> Result<bool, Problem> {
        let sql = "SELECT 1 FROM recon.audit_samples WHERE outcome IS NULL LIMIT 1";
        Ok(!self.shelf.tx.query(sql, &[])?.is_empty())
    }

    /// The same where the machine's reason is hidden of some: no kept count tells them apart.
    fn counted_one_by_one(&mut self, wanted: &Wanted) -> Result<Vec<Counted>, Problem> {
        let mut samples: HashSet<Key> = HashSet::new();
        let sql = "SELECT run_no, number FROM recon.audit_samples WHERE outcome IS NULL";
        for row in self.shelf.tx.query(sql, &[])? {
            samples.insert(Key { run_no: row.count(0)?, number: row.count(1)? });
        }
        let (key, run) = match self.shelf.dialect() {
            Dialect::Sqlite => ("d.id >> 40, d.id & 1099511627775", "(d.id >> 40)"),
            Dialect::Postgres => ("d.run_no, d.number", "d.run_no"),
        };
        let mut values: Vec<SqlValue> = Vec::new();
        let mut condition = match wanted.status {
            Some(status) => format!("d.status = {}", status.code()),
            None => "d.status IS NOT NULL".to_owned(),
        };
        wanted.conditions(&mut condition, &mut values);
        if let Some(ids) = &wanted.signatures {
            values.push(rows::numbers(ids.iter().copied()));
            let within = rows::numbers_in(self.shelf.dialect(), &format!("${}", values.len()));
            condition.push_str(&format!(" AND d.signature_id IN {within}"));
        }
        condition.push_str(&wanted.runs_condition(run));
        let prefixes: HashMap<i64, Rc<Run>> =
            wanted.runs.iter().map(|run| (run.run_no, Rc::clone(run))).collect();
        let mut counts: BTreeMap<(i64, Alike), (u64, f64)> = BTreeMap::new();
        let code = |value: i64| u8::try_from(value).unwrap_or_default();
        self.shelf.tx.query_each(
            &format!(
                "SELECT {key}, d.status, d.is_locked, coalesce(d.signature_id, 0), d.diff_type, \
                 d.severity, coalesce(d.amount_abs, 0) FROM recon.difference_rows d \
                 WHERE {condition}"
            ),
            &values,
            &mut |row| {
                let key = Key { run_no: row.count(0)?, number: row.count(1)? };
                let hidden = match Status::from_code(code(row.count(2)?)) {
                    Some(Status::Unknown) => prefixes
                        .get(&key.run_no)
                        .is_some_and(|run| is_blind(&run.attribution_id(key.number), wanted.blind)),
                    Some(Status::Accepted) => !row.boolean(3)? && samples.contains(&key),
                    _ => false,
                };
                if hidden && wanted.telling {
                    return Ok(());
                }
                let alike = if hidden {
                    let (diff_type, severity) = (code(row.count(5)?), code(row.count(6)?));
                    Alike::Hidden(key.number & 1023, diff_type, severity)
                } else {
                    Alike::Signature(row.count(4)?)
                };
                let (items, amount) = counts.entry((key.run_no, alike)).or_default();
                *items += 1;
                *amount += row.real(7)?.unwrap_or_default();
                Ok(())
            },
        )?;
        let counted = counts.into_iter().map(|((run_no, alike), (items, amount))| Counted {
            run_no,
            alike,
            items,
            amount,
        });
        Ok(counted.collect())
    }

    /// What counted items have in common; `None` for items without a signature.
    fn said_of(&mut self, one: &Counted) -> Result<Option<Signature>, Problem> {
        Ok(match one.alike {
            Alike::Signature(id) => self.shelf.signature(id)?.map(|found| (*found).clone()),
            Alike::Hidden(slot, diff_type, severity) => {
                let run = self.shelf.run(one.run_no)?;
                let field = Key { run_no: one.run_no, number: slot }.field();
                Some(Signature {
                    job: run.job.clone(),
                    field: run.field_name(field).to_owned(),
                    diff_type: DiffType::from_code(diff_type).map_or("", DiffType::name).to_owned(),
                    severity: Severity::from_code(severity).map_or("", Severity::name).to_owned(),
                    ..Signature::default()
                })
            }
        })
    }

    /// Counts put together by what the groups are by.
    fn together(
        &mut self,
        wanted: &Wanted,
        counted: Vec<Counted>,
        by: GroupBy,
    ) -> Result<BTreeMap<String, Together>, Problem> {
        let mut groups: BTreeMap<String, Together> = BTreeMap::new();
        let open = wanted.status.is_none_or(|status| status == Status::Unknown);
        for one in counted {
            let said = self.said_of(&one)?;
            let field = said.as_ref().map_or_else(String::new, |said| said.field.clone());
            let name = match (by, one.alike) {
                (GroupBy::Field, _) => field.clone(),
                (GroupBy::Signature, Alike::Signature(id)) => id.to_string(),
                (GroupBy::Signature, Alike::Hidden(..)) => format!("{HIDDEN}: {field}"),
                (GroupBy::Reason, Alike::Signature(_)) => {
                    said.as_ref().map_or_else(String::new, |said| said.reason.clone())
                }
                (GroupBy::Reason, Alike::Hidden(..)) => HIDDEN.to_owned(),
            };
            let severity = said.as_ref().and_then(|said| Severity::from_name(&said.severity));
            let run = self.shelf.run(one.run_no)?;
            let group = groups.entry(name).or_default();
            group.count += one.items;
            group.amount += one.amount;
            group.amount_hidden |= match run.layout.position(&field) {
                Some(_) => wanted.sight.hides(&field),
                None => wanted.sight.hides_amounts(&run.layout),
            };
            if one.items > group.largest.0 {
                let shown = match one.alike {
                    Alike::Signature(id) => Some(id),
                    Alike::Hidden(..) => None,
                };
                group.largest = (one.items, shown);
            }
            group.severity = group.severity.max(severity.map_or(0, Severity::code));
            if group.oldest.is_empty() || run.attributed_at < group.oldest {
                group.oldest.clone_from(&run.attributed_at);
            }
            let hours = self.policy.sla_hours.of(severity.unwrap_or(Severity::Medium));
            if open && self.due(&run, hours)?.seconds() <= self.now.seconds() {
                group.overdue += one.items;
            }
        }
        Ok(groups)
    }

    /// Groups as reviewers see them, each with three of its items.
    fn described(
        &mut self,
        actor: &Actor,
        wanted: &Wanted,
        groups: Vec<(String, Together)>,
        by: GroupBy,
    ) -> Result<Vec<Group>, super::Refusal> {
        let mut keys: Vec<Vec<Key>> = Vec::with_capacity(groups.len());
        for (_, group) in &groups {
            keys.push(match group.largest.1 {
                Some(signature) => self.first_of(&wanted.of_signature(signature), 3)?,
                None => Vec::new(),
            });
        }
        let all: Vec<Key> = keys.iter().flatten().copied().collect();
        let items: Vec<Item> = self.shelf.items(&all, false)?;
        let places: Vec<Key> = items.iter().map(|item| item.key).collect();
        let views: BTreeMap<Key, _> = places.into_iter().zip(self.views(actor, items)?).collect();
        let mut described = Vec::with_capacity(groups.len());
        for ((name, group), keys) in groups.into_iter().zip(keys) {
            let sample: Vec<_> = keys.iter().filter_map(|key| views.get(key).cloned()).collect();
            let signature = match group.largest.1 {
                Some(id) => self.shelf.signature(id)?,
                None => None,
            };
            let one = by == GroupBy::Signature;
            let label = match (&signature, one) {
                (Some(signature), true) => {
                    wanted.sight.label(&signature.field, &signature.diff_type, &signature.label)
                }
                _ if name.starts_with(HIDDEN) => name.clone(),
                _ if name.is_empty() => "other".to_owned(),
                _ if one => "other".to_owned(),
                _ => name.clone(),
            };
            let part = |text: fn(&super::items::Signature) -> &String, shown: bool| {
                signature.as_ref().filter(|_| shown).map(|found| text(found).clone())
            };
            let severity = Severity::from_code(group.severity).unwrap_or(Severity::Medium);
            described.push(Group {
                signature: group.largest.1.filter(|id| one && *id != 0).map(|id| id.to_string()),
                label,
                job: part(|found| &found.job, one),
                field_name: part(|found| &found.field, one || by == GroupBy::Field),
                diff_type: part(|found| &found.diff_type, one),
                reason_code: part(|found| &found.reason, one || by == GroupBy::Reason),
                count: group.count,
                amount_sum: (group.amount > 0.0 && !group.amount_hidden).then_some(group.amount),
                predictions: sample
                    .iter()
                    .find(|item| !item.predictions.is_empty())
                    .map(|item| item.predictions.clone())
                    .unwrap_or_default(),
                sample,
                oldest: group.oldest,
                overdue: group.overdue,
                severity: severity.name().to_owned(),
            });
        }
        Ok(described)
    }
}
