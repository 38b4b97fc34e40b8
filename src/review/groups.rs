//! The queue in groups of look-alikes, and counts for the filter bar: read from the counts that are
//! kept, not from the items, wherever the filter allows that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Problem;
use crate::domain::review::Permission;
use crate::domain::{Severity, Status};
use crate::store::SqlValue;
use crate::store::rows;

use super::actor::Actor;
use super::answer::{Group, Page, Share};
use super::ask::{GroupBy, PageAsk, QueueFilter};
use super::items::{Item, Key};
use super::queue::{Wanted, list_name};
use super::work::Work;
use super::{Desk, Found, page};

/// What is counted of one run and signature.
#[derive(Clone, Debug)]
struct Counted {
    run_no: i64,
    signature_id: i64,
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
    signatures: Vec<i64>,
    /// The signature with most items, whose items are shown.
    largest: (u64, i64),
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
                let Some(signature) = work.shelf.signature(one.signature_id)? else { continue };
                for (at, by, value) in [
                    (0, "job", &signature.job),
                    (1, "field_name", &signature.field),
                    (2, "diff_type", &signature.diff_type),
                    (3, "severity", &signature.severity),
                    (4, "reason_code", &signature.reason),
                ] {
                    *shares.entry((at, by, value.clone())).or_default() += one.items;
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
                    signature_id: row.count(1)?,
                    items,
                    amount: row.real(3)?.unwrap_or_default(),
                });
            }
        }
        Ok(counted)
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
            let signature = self.shelf.signature(one.signature_id)?;
            let name = match by {
                GroupBy::Signature => one.signature_id.to_string(),
                GroupBy::Field => {
                    signature.as_ref().map_or_else(String::new, |found| found.field.clone())
                }
                GroupBy::Reason => {
                    signature.as_ref().map_or_else(String::new, |found| found.reason.clone())
                }
            };
            let severity =
                signature.as_ref().and_then(|found| Severity::from_name(&found.severity));
            let run = self.shelf.run(one.run_no)?;
            let group = groups.entry(name).or_default();
            group.count += one.items;
            group.amount += one.amount;
            if !group.signatures.contains(&one.signature_id) {
                group.signatures.push(one.signature_id);
            }
            if one.items > group.largest.0 {
                group.largest = (one.items, one.signature_id);
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
            let narrowed = wanted.of_signature(group.largest.1);
            keys.push(self.first_of(&narrowed, 3)?);
        }
        let all: Vec<Key> = keys.iter().flatten().copied().collect();
        let items: Vec<Item> = self.shelf.items(&all, false)?;
        let places: Vec<Key> = items.iter().map(|item| item.key).collect();
        let views: BTreeMap<Key, _> = places.into_iter().zip(self.views(actor, items)?).collect();
        let mut described = Vec::with_capacity(groups.len());
        for ((name, group), keys) in groups.into_iter().zip(keys) {
            let sample: Vec<_> = keys.iter().filter_map(|key| views.get(key).cloned()).collect();
            let signature = self.shelf.signature(group.largest.1)?;
            let one = by == GroupBy::Signature;
            let label = match (&signature, one) {
                (Some(signature), true) => signature.label.clone(),
                _ if name.is_empty() => "other".to_owned(),
                _ if one => "other".to_owned(),
                _ => name.clone(),
            };
            let part = |text: fn(&super::items::Signature) -> &String, shown: bool| {
                signature.as_ref().filter(|_| shown).map(|found| text(found).clone())
            };
            let severity = Severity::from_code(group.severity).unwrap_or(Severity::Medium);
            described.push(Group {
                signature: (one && group.largest.1 != 0).then_some(name),
                label,
                job: part(|found| &found.job, one),
                field_name: part(|found| &found.field, one || by == GroupBy::Field),
                diff_type: part(|found| &found.diff_type, one),
                reason_code: part(|found| &found.reason, one || by == GroupBy::Reason),
                count: group.count,
                amount_sum: (group.amount > 0.0).then_some(group.amount),
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
