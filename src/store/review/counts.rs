//! Numbers of items by kind, and of those that wait for a user.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use crate::diagnostic::Problem;
use crate::domain::{DiffType, Severity, Status};
use crate::store::breaks;
use crate::store::layout::ItemKey;
use crate::store::rows::parameters;

use super::condition::Where;
use super::few;
use super::{ItemQuery, ReviewTables, read_key};

/// Items of one run and signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignatureCount {
    pub run_no: i64,
    /// 0 for items without a signature.
    pub signature_id: i64,
    pub items: u64,
    pub amount: f64,
}

/// The kept count of undecided items of a run and signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindCount {
    pub count: SignatureCount,
    /// None of them has a lower confidence.
    pub least_confidence: f64,
    /// No break of theirs began before or after these days, as days since 1970-01-01.
    pub days: (i32, i32),
}

/// One row's share of the counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowCount {
    pub key: ItemKey,
    pub status: Option<Status>,
    pub locked: bool,
    pub signature_id: i64,
    pub diff_type: Option<DiffType>,
    pub severity: Option<Severity>,
    pub amount: f64,
    /// The first date of its break, as days since 1970-01-01.
    pub since: Option<i32>,
}

impl RowCount {
    /// The key of all items of this run and field.
    pub const fn of_field(&self) -> ItemKey {
        ItemKey { run_no: self.key.run_no, number: self.key.slot() }
    }
}

/// The person whose items the page's head counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeadCount<'a> {
    /// Undecided items that a checker sent back.
    SentBack,
    /// Undecided items that are assigned to this person.
    AssignedTo(&'a str),
    /// Unchecked blind samples.
    Samples,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, which PostgreSQL sums as numeric"
)]
pub(super) const fn whole(count: f64) -> u64 {
    count as u64
}

impl ReviewTables<'_> {
    /// Items of a query by run and signature: from the counts that are kept where the query allows that.
    pub fn counts(&mut self, query: &ItemQuery) -> Result<Vec<SignatureCount>, Problem> {
        let query = &ItemQuery { some_runs: true, ..query.clone() };
        // Items that have left are in no kept count.
        let kept = query.conditions.is_empty() && !(query.with_later && query.has_undecided());
        if kept && query.status == Some(Status::Unknown) {
            let runs: HashSet<i64> = query.runs.iter().copied().collect();
            let chosen = |id: &i64| query.signatures.as_ref().is_none_or(|ids| ids.contains(id));
            let all = self.undecided()?;
            let counts = all.iter().map(|kind| kind.count);
            return Ok(counts
                .filter(|one| runs.contains(&one.run_no) && chosen(&one.signature_id))
                .collect());
        }
        if let Some(items) = self.found_items(query)? {
            return Ok(few::counts_of(&items));
        }
        let (from, run, columns, conditions) = if kept {
            (
                "recon.item_counts d",
                "d.run_no".to_owned(),
                "CAST(sum(d.items) AS double precision), sum(d.amount_sum)",
                vec![self.condition(query, "d.run_no")],
            )
        } else {
            let run = self.dialect().run_no("d");
            let conditions = self.row_conditions(query)?;
            ("recon.difference_rows d", run, "count(*), sum(d.amount_abs)", conditions)
        };
        let mut counts = Vec::new();
        for condition in conditions {
            let sql = format!(
                "SELECT {run}, coalesce(d.signature_id, 0), {columns} FROM {from} \
                 WHERE {} GROUP BY 1, 2",
                condition.sql
            );
            counts.extend(self.tx.list(&sql, &condition.values, |row| {
                Ok(SignatureCount {
                    run_no: row.count(0)?,
                    signature_id: row.count(1)?,
                    items: whole(row.real(2)?.unwrap_or_default()),
                    amount: row.real(3)?.unwrap_or_default(),
                })
            })?);
        }
        counts.retain(|count| count.items > 0);
        Ok(counts)
    }

    /// Calls `each` for every item of a query, where no kept count tells them apart.
    pub fn each_count(
        &mut self,
        query: &ItemQuery,
        each: &mut dyn FnMut(RowCount) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let dialect = self.dialect();
        let query = &ItemQuery { some_runs: true, ..query.clone() };
        let code = |value: i64| u8::try_from(value).unwrap_or_default();
        for condition in self.row_conditions(query)? {
            let sql = format!(
                "SELECT {}, d.status, d.is_locked, coalesce(d.signature_id, 0), d.diff_type, \
                 d.severity, coalesce(d.amount_abs, 0), d.since FROM recon.difference_rows d \
                 WHERE {}",
                dialect.key("d"),
                condition.sql
            );
            self.tx.query_each(&sql, &condition.values, &mut |row| {
                each(RowCount {
                    key: read_key(&row)?,
                    status: Status::from_code(code(row.count(2)?)),
                    locked: row.boolean(3)?,
                    signature_id: row.count(4)?,
                    diff_type: DiffType::from_code(code(row.count(5)?)),
                    severity: Severity::from_code(code(row.count(6)?)),
                    amount: row.real(7)?.unwrap_or_default(),
                    since: row.integer(8)?.and_then(|day| i32::try_from(day).ok()),
                })
            })?;
        }
        Ok(())
    }

    /// The kept counts of all undecided items.
    pub fn undecided(&mut self) -> Result<Rc<Vec<KindCount>>, Problem> {
        if let Some(counts) = &self.undecided {
            return Ok(Rc::clone(counts));
        }
        let sql = "SELECT run_no, signature_id, items, amount_sum, least_confidence, least_since, \
                   most_since FROM recon.item_counts WHERE status = 1 AND items > 0";
        let day = |count: i64| i32::try_from(count).unwrap_or_default();
        let counts = Rc::new(self.tx.list(sql, &[], |row| {
            Ok(KindCount {
                count: SignatureCount {
                    run_no: row.count(0)?,
                    signature_id: row.count(1)?,
                    items: row.count(2)?.cast_unsigned(),
                    amount: row.real(3)?.unwrap_or_default(),
                },
                least_confidence: row.real(4)?.unwrap_or_default(),
                days: (day(row.count(5)?), day(row.count(6)?)),
            })
        })?);
        self.undecided = Some(Rc::clone(&counts));
        Ok(counts)
    }

    /// How many items of the current runs have each status, as far as that is kept.
    pub fn current_counts(&mut self) -> Result<BTreeMap<Status, u64>, Problem> {
        let sql = "SELECT n.status, CAST(sum(n.items) AS double precision) FROM recon.item_counts n \
                   JOIN recon.recon_runs r ON r.run_no = n.run_no \
                   WHERE r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL GROUP BY 1";
        let rows = self.tx.list(sql, &[], |row| {
            let status = u8::try_from(row.count(0)?).ok().and_then(Status::from_code);
            Ok(status.zip(row.real(1)?.map(whole)))
        })?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The runs that have undecided items.
    pub fn undecided_runs(&mut self) -> Result<HashSet<i64>, Problem> {
        let sql = "SELECT DISTINCT run_no FROM recon.item_counts WHERE status = 1 AND items > 0";
        Ok(self.tx.list_again(sql, &[], |row| row.count(0))?.into_iter().collect())
    }

    /// How many undecided items of current runs have this signature.
    pub fn group_size(&mut self, signature_id: i64) -> Result<Option<u64>, Problem> {
        let sql = "SELECT CAST(sum(n.items) AS double precision) FROM recon.item_counts n \
                   JOIN recon.recon_runs r ON r.run_no = n.run_no \
                   WHERE n.signature_id = $1 AND n.status = 1 AND r.superseded_by IS NULL";
        let size = self.tx.find(sql, &parameters![signature_id], |row| row.real(0))?;
        Ok(size.flatten().map(whole))
    }

    /// How many breaks of a run began on each day, as days since 1970-01-01.
    pub fn began_on(&mut self, run_no: i64) -> Result<Vec<(i64, u64)>, Problem> {
        let sql = format!(
            "SELECT d.since, count(*) FROM recon.difference_rows d \
             WHERE {} AND d.since IS NOT NULL GROUP BY 1 ORDER BY 1",
            self.dialect().of_run("d", run_no)
        );
        self.tx.list(&sql, &[], |row| Ok((row.count(0)?, row.count(1)?.cast_unsigned())))
    }

    /// Number of waiting items of current runs that match.
    pub fn count_waiting(&mut self, look: HeadCount<'_>) -> Result<u64, Problem> {
        let undecided = format!("d.status = 1 AND {} <= 0", breaks::left(self.dialect(), "d"));
        let undecided = undecided.as_str();
        let (table, kept, item, values) = match look {
            HeadCount::SentBack => ("sent_back", "1 = 1", undecided, Vec::new()),
            HeadCount::AssignedTo(person) => {
                ("assignments", "a.assignee = $1", undecided, vec![person.into()])
            }
            HeadCount::Samples => {
                ("audit_samples", "a.outcome IS NULL", "d.status = 3", Vec::new())
            }
        };
        let from = format!(
            "recon.{table} a JOIN recon.recon_runs r ON r.run_no = a.run_no \
             WHERE r.superseded_by IS NULL AND {kept}"
        );
        let sql = format!("SELECT DISTINCT a.run_no FROM {from} ORDER BY 1");
        let runs = self.tx.list_again(&sql, &values, |row| row.count(0))?;
        if runs.is_empty() {
            return Ok(0);
        }
        // The small table leads: a join may begin with the items of all runs.
        let mut place = Where::new(self.dialect(), self.dialect().located("d", "a"));
        place.of_runs(&self.dialect().run_no("d"), &runs);
        let sql = format!(
            "SELECT count(*) FROM {from} AND (SELECT {item} FROM recon.difference_rows d WHERE {})",
            place.sql
        );
        let count = self.tx.list_again(&sql, &values, |row| row.count(0))?;
        Ok(count.first().copied().unwrap_or_default().cast_unsigned())
    }

    pub fn has_samples(&mut self) -> Result<bool, Problem> {
        self.tx.exists("SELECT 1 FROM recon.audit_samples WHERE outcome IS NULL LIMIT 1", &[])
    }

    /// The unchecked blind samples of all runs.
    pub fn open_samples(&mut self) -> Result<HashSet<ItemKey>, Problem> {
        let sql = "SELECT run_no, number FROM recon.audit_samples WHERE outcome IS NULL";
        Ok(self.tx.list(sql, &[], read_key)?.into_iter().collect())
    }

    /// Stores the result of a blind check.
    pub fn close_sample(
        &mut self,
        key: ItemKey,
        agrees: bool,
        person_id: &str,
        at: &str,
    ) -> Result<(), Problem> {
        let outcome = if agrees { "AGREED" } else { "DISAGREED" };
        self.tx
            .execute(
                "UPDATE recon.audit_samples SET outcome = $3, checked_by = $4, checked_at = $5 \
                 WHERE run_no = $1 AND number = $2 AND outcome IS NULL",
                &parameters![key.run_no, key.number, outcome, person_id, at],
            )
            .map(drop)
    }

    /// A text that changes whenever the queue may have changed, at the cost of one small query.
    pub fn data_version(&mut self) -> Result<String, Problem> {
        let seq = self.tx.count("SELECT coalesce(max(seq), 0) FROM recon.audit_trail", &[])?;
        let sql = "SELECT count(*), max(attributed_at), max(end_time) FROM recon.recon_runs";
        let time = |text: Option<String>| text.unwrap_or_default().replace([':', '-'], "");
        let runs = self.tx.find(sql, &[], |row| {
            Ok(format!("{}-{}-{}", row.count(0)?, time(row.text(1)?), time(row.text(2)?)))
        })?;
        Ok(format!("{seq}-{}", runs.unwrap_or_default()))
    }
}
