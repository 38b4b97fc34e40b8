//! Items: differences with their attributions, and the records that they are about.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::{Decimal, DiffType, Layout, Matched, Severity, Status};
use crate::store::batch::difference_range;
use crate::store::layout::{ItemKey, row_id};
use crate::store::rows::{self, parameters};
use crate::store::transact::{Dialect, SqlRow};
use crate::store::{SqlValue, StoredRecord, breaks, chunk};

use super::{ReviewTables, Run, read_key};

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub key: ItemKey,
    pub diff_type: DiffType,
    pub severity: Severity,
    pub value_a: Option<String>,
    pub value_b: Option<String>,
    pub reason_id: i64,
    pub functional: Option<bool>,
    pub confidence: f64,
    pub status: Status,
    pub assigner_id: Option<i64>,
    pub assigned_by: Option<String>,
    pub by_person: bool,
    pub explanation: Option<String>,
    pub signature_id: Option<i64>,
    pub amount_abs: Option<f64>,
    pub assigned_at: Option<String>,
    pub locked: bool,
    pub version: i64,
    /// Chosen for a blind check, and unchecked.
    pub audit_sample: bool,
    /// The first date of its break, as days since 1970-01-01.
    pub since: Option<i64>,
    /// Its break goes on at a later date, or has cleared: while it is undecided, neither queue nor counts have it.
    pub has_left: bool,
}

impl Item {
    /// The item's record, field and values, so that an audit row can be read by itself.
    pub fn facts(&self, run: &Run, references: &[Option<String>; 2]) -> Json {
        let [a, b] = references;
        json!({
            "run_id": run.run_id,
            "job": run.job,
            "batch_date": run.batch_date,
            "source_a_ref_id": a,
            "source_b_ref_id": b,
            "field_name": run.field_name(self.key.field()),
            "diff_type": self.diff_type.name(),
            "value_a": self.value_a,
            "value_b": self.value_b,
        })
    }

    /// True if it waits for a blind check: the present reason is hidden.
    pub fn is_sample(&self) -> bool {
        self.audit_sample && !self.locked && self.status == Status::Accepted
    }

    /// The exact size of the difference of two decimals.
    pub fn amount(&self) -> Option<Decimal> {
        let read = |text: &Option<String>| Decimal::parse(text.as_deref()?.as_bytes()).ok();
        Some(read(&self.value_a)?.checked_sub(read(&self.value_b)?)?.abs())
    }
}

/// An item's columns and tables, as [`item`] reads them.
fn select(dialect: Dialect) -> String {
    let (key, left) = (dialect.key("d"), breaks::left(dialect, "d"));
    format!(
        "SELECT {key}, d.diff_type, d.severity, d.value_a, d.value_b, d.reason_id, d.functional, \
         d.confidence, d.status, d.assigner_id, w.name, w.is_person, d.explanation, \
         d.signature_id, d.amount_abs, d.assigned_at, d.is_locked, d.version, \
         EXISTS (SELECT 1 FROM recon.audit_samples s \
                 WHERE (s.run_no, s.number) = ({key}) AND s.outcome IS NULL), d.since, \
         d.status IN (1, 2) AND {left} > 0 \
         FROM recon.difference_rows d \
         LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id"
    )
}

fn item(row: &SqlRow) -> Result<Item, Problem> {
    let damaged = |what: &str| Problem::new(Code::StoreDamaged, format!("an item without {what}"));
    let code = |column: usize| -> Result<u8, Problem> {
        Ok(u8::try_from(row.integer(column)?.unwrap_or_default()).unwrap_or_default())
    };
    Ok(Item {
        key: read_key(row)?,
        diff_type: DiffType::from_code(code(2)?).ok_or_else(|| damaged("type"))?,
        severity: Severity::from_code(code(3)?).ok_or_else(|| damaged("severity"))?,
        value_a: row.text(4)?,
        value_b: row.text(5)?,
        reason_id: row.count(6)?,
        functional: row.integer(7)?.map(|value| value != 0),
        confidence: row.real(8)?.unwrap_or_default(),
        status: Status::from_code(code(9)?).ok_or_else(|| damaged("status"))?,
        assigner_id: row.integer(10)?,
        assigned_by: row.text(11)?,
        by_person: row.boolean(12)?,
        explanation: row.text(13)?,
        signature_id: row.integer(14)?,
        amount_abs: row.real(15)?,
        assigned_at: row.text(16)?,
        locked: row.boolean(17)?,
        version: row.count(18)?,
        audit_sample: row.boolean(19)?,
        since: row.integer(20)?,
        has_left: row.boolean(21)?,
    })
}

impl ReviewTables<'_> {
    /// The last item of the break of an item, if that goes on at a later date.
    pub fn goes_on_at(&mut self, item: &Item) -> Result<Option<ItemKey>, Problem> {
        let is_decided = matches!(item.status, Status::Accepted | Status::Rejected);
        if !item.has_left && !is_decided {
            return Ok(None);
        }
        let last = breaks::last_seen(self.tx, item.key.run_no, item.key.number)?;
        Ok(last.map(|(run_no, number)| ItemKey { run_no, number }))
    }

    /// Where the items of these attribution ids are; `None` if one of them does not exist.
    pub fn keys<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i str>,
    ) -> Result<Option<Vec<ItemKey>>, Problem> {
        let mut prefixes: HashMap<String, Option<i64>> = HashMap::new();
        let mut keys = Vec::new();
        for id in ids {
            let Ok(uuid) = id.parse::<uuid::Uuid>() else { return Ok(None) };
            let text = uuid.to_string();
            let (prefix, number) = text.split_at(24);
            let run_no = match prefixes.get(prefix) {
                Some(run_no) => *run_no,
                None => {
                    let run_no = self.tx.find(
                        "SELECT run_no FROM recon.recon_runs \
                         WHERE attribution_prefix = $1 AND stage = 'ATTRIBUTED'",
                        &parameters![prefix],
                        |row| row.count(0),
                    )?;
                    prefixes.insert(prefix.to_owned(), run_no);
                    run_no
                }
            };
            match (run_no, i64::from_str_radix(number, 16)) {
                (Some(run_no), Ok(number)) => keys.push(ItemKey { run_no, number }),
                _ => return Ok(None),
            }
        }
        Ok(Some(keys))
    }

    /// The items with these keys, in the order of runs and numbers, without missing ones. With `lock` they cannot
    /// change until the transaction ends.
    pub fn items(&mut self, keys: &[ItemKey], lock: bool) -> Result<Vec<Item>, Problem> {
        let mut items = Vec::with_capacity(keys.len());
        for (run_no, numbers) in by_run(keys) {
            // Every transaction locks runs before their items, to avoid deadlock.
            if lock {
                self.stays_current(run_no)?;
            }
            let dialect = self.dialect();
            let lock = match dialect {
                Dialect::Postgres if lock => " FOR UPDATE OF d",
                _ => "",
            };
            let sql = format!(
                "{} WHERE {} ORDER BY {}{lock}",
                select(dialect),
                at_numbers(dialect),
                dialect.order("d", "")
            );
            let places = place_parameters(self.dialect(), run_no, &numbers);
            self.tx.query_each(&sql, &places, &mut |row| {
                items.push(item(&row)?);
                Ok(())
            })?;
        }
        Ok(items)
    }

    /// Which of these items are of breaks that go on at a later date or have cleared, whatever their status.
    pub fn have_left(&mut self, keys: &[ItemKey]) -> Result<HashSet<ItemKey>, Problem> {
        let mut found = HashSet::new();
        let dialect = self.dialect();
        for (run_no, numbers) in by_run(keys) {
            let sql = format!(
                "SELECT {} FROM recon.difference_rows d WHERE {} AND {} > 0",
                dialect.key("d"),
                at_numbers(dialect),
                breaks::left(dialect, "d")
            );
            let places = place_parameters(dialect, run_no, &numbers);
            found.extend(self.tx.list(&sql, &places, read_key)?);
        }
        Ok(found)
    }

    pub fn item(&mut self, attribution_id: &str, lock: bool) -> Result<Option<Item>, Problem> {
        match self.keys([attribution_id])? {
            Some(keys) => Ok(self.items(&keys, lock)?.pop()),
            None => Ok(None),
        }
    }

    /// All items of the record that an item is about.
    pub fn items_of_record(&mut self, key: ItemKey) -> Result<Vec<Item>, Problem> {
        let (from, to) = difference_range(key.record().cast_unsigned());
        let dialect = self.dialect();
        let sql = format!(
            "{} WHERE {} ORDER BY {}",
            select(dialect),
            dialect.between("d", key.run_no, from.cast_signed(), to.cast_signed()),
            dialect.order("d", "")
        );
        self.tx.list(&sql, &[], item)
    }

    pub fn count_undecided(&mut self, signatures: &[i64]) -> Result<u64, Problem> {
        let within = rows::numbers_in(self.dialect(), "$1");
        let sql = format!(
            "SELECT CAST(coalesce(sum(n.items), 0) AS bigint) FROM recon.item_counts n \
             WHERE n.status = 1 AND n.items > 0 AND n.signature_id IN {within}"
        );
        let found = self.tx.count(&sql, &[rows::numbers(signatures.iter().copied())])?;
        Ok(found.cast_unsigned())
    }

    /// Counts an item that goes from one status to another.
    pub(super) fn moves(&mut self, item: &Item, to: Status) {
        let amount = item.amount_abs.unwrap_or_default();
        for (status, sign) in [(item.status, -1), (to, 1)] {
            if item.has_left && status == Status::Unknown {
                continue;
            }
            let at = (item.key.run_no, item.signature_id.unwrap_or_default(), status.code());
            if sign > 0 && status == Status::Unknown {
                self.returned.insert((at.0, at.1));
            }
            let (items, sum) = self.moved.entry(at).or_default();
            *items += sign;
            *sum += if sign < 0 { -amount } else { amount };
        }
    }

    /// Brings the counts of items up to date. The end of the audit trail is locked before, so that they cannot change
    /// meanwhile.
    pub fn write_counts(&mut self) -> Result<(), Problem> {
        let (moved, returned) =
            (std::mem::take(&mut self.moved), std::mem::take(&mut self.returned));
        (self.undecided, self.has_written) = (None, true);
        for ((run_no, signature_id, status), (items, sum)) in moved {
            let is_undecided = status == Status::Unknown.code();
            if items != 0 || sum != 0.0 || is_undecided {
                // A returning item may be below the stored lower bound.
                let unbounded = match is_undecided && returned.contains(&(run_no, signature_id)) {
                    true => {
                        ", least_confidence = 0, least_since = -2147483648, most_since = 2147483646"
                    }
                    false => "",
                };
                let sql = format!(
                    "INSERT INTO recon.item_counts (run_no, signature_id, status, items, amount_sum) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run_no, signature_id, status) \
                     DO UPDATE SET items = item_counts.items + excluded.items, \
                     amount_sum = item_counts.amount_sum + excluded.amount_sum{unbounded}"
                );
                self.tx.execute(&sql, &parameters![run_no, signature_id, status, items, sum])?;
            }
        }
        self.write_figures()
    }

    /// Takes items into a proposal: locked and PENDING.
    pub fn take(&mut self, items: &[&Item]) -> Result<(), Problem> {
        let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        for item in items {
            self.moves(item, Status::Pending);
            self.recount(item, (item.reason_id, Status::Pending, item.assigner_id));
        }
        let keys = keys.as_slice();
        self.recount_blocked(keys, -1)?;
        self.update("status = 2, is_locked = $2, version = version + 1", keys, &[true.into()])?;
        self.recount_blocked(keys, 1)
    }

    /// Locks items as they are: people have confirmed the machine's decision.
    pub fn hold(&mut self, items: &[&Item]) -> Result<(), Problem> {
        let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        self.update("is_locked = $2, version = version + 1", &keys, &[true.into()])
    }

    /// Writes human decisions to items.
    pub fn settle(&mut self, items: &[&Item], settled: &Settled<'_>) -> Result<(), Problem> {
        let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        let given = (settled.reason_id, settled.status, Some(settled.assigner_id));
        for item in items {
            self.moves(item, settled.status);
            self.recount(item, given);
        }
        self.recount_blocked(&keys, -1)?;
        self.update(
            "status = $2, reason_id = $3, functional = $4, confidence = $5, assigner_id = $6, \
             assigned_at = $7, is_locked = $8, version = version + 1",
            &keys,
            &parameters![
                settled.status.code(),
                settled.reason_id,
                settled.functional,
                settled.confidence,
                settled.assigner_id,
                settled.at,
                true,
            ],
        )?;
        self.recount_blocked(&keys, 1)
    }

    pub(super) fn update(
        &mut self,
        set: &str,
        keys: &[ItemKey],
        values: &[SqlValue],
    ) -> Result<(), Problem> {
        self.has_written = true;
        for (run_no, numbers) in by_run(keys) {
            let dialect = self.dialect();
            // The places come first, so that the statement's own values keep their numbers.
            let (condition, places) = match dialect {
                Dialect::Sqlite => (
                    "id IN (SELECT value FROM json_each($1))".to_owned(),
                    place_parameters(dialect, run_no, &numbers),
                ),
                Dialect::Postgres => {
                    let mut places = place_parameters(dialect, run_no, &numbers);
                    let numbers = places.pop().unwrap_or(SqlValue::Null);
                    (format!("run_no = {run_no} AND number = ANY($1::bigint[])"), vec![numbers])
                }
            };
            let sql = format!("UPDATE recon.difference_rows SET {set} WHERE {condition}");
            let changed = self.tx.execute(&sql, &[places, values.to_vec()].concat())?;
            if changed != numbers.len() as u64 {
                return Err(Problem::new(
                    Code::ItemsChanged,
                    format!("{changed} of {} items were changed", numbers.len()),
                ));
            }
        }
        Ok(())
    }

    /// Gives these items of a proposal their earlier states back, and gives the items then.
    pub fn restore(&mut self, proposal_id: &str, before: &[Item]) -> Result<Vec<Item>, Problem> {
        let place = self.dialect().located("d", "p");
        let keys: Vec<ItemKey> = before.iter().map(|item| item.key).collect();
        self.has_written = true;
        self.recount_blocked(&keys, -1)?;
        self.tx.execute(
            &format!(
                "UPDATE recon.difference_rows AS d SET status = p.prior_status, \
                 reason_id = p.prior_reason_id, functional = p.prior_functional, \
                 confidence = p.prior_confidence, assigner_id = p.prior_assigner_id, \
                 assigned_at = p.prior_assigned_at, is_locked = p.prior_locked, \
                 version = d.version + 1 \
                 FROM recon.proposal_items p WHERE (p.run_no, p.number) IN {} \
                 AND p.proposal_id = $2 AND {place}",
                keys_in(self.dialect())
            ),
            &[keys_parameter(&keys), proposal_id.into()],
        )?;
        self.recount_blocked(&keys, 1)?;
        let after = self.items(&keys, false)?;
        for (before, after) in before.iter().zip(&after) {
            self.moves(before, after.status);
            self.recount(before, (after.reason_id, after.status, after.assigner_id));
        }
        Ok(after)
    }

    /// The records of these items, by run and number.
    pub fn records(&mut self, keys: &[ItemKey]) -> Result<HashMap<(i64, i64), Record>, Problem> {
        let mut found = HashMap::new();
        let wanted: std::collections::HashSet<(i64, i64)> =
            keys.iter().map(|key| (key.run_no, key.record())).collect();
        let rows: Vec<ItemKey> = wanted
            .iter()
            .map(|(run_no, record)| ItemKey {
                run_no: *run_no,
                number: chunk::chunk_of(record.cast_unsigned()).cast_signed(),
            })
            .collect();
        let dialect = self.dialect();
        for (run_no, numbers) in by_run(&rows) {
            let sql = format!(
                "SELECT {}, d.records FROM recon.record_rows d WHERE {}",
                dialect.number("d"),
                at_numbers(dialect)
            );
            let places = place_parameters(dialect, run_no, &numbers);
            self.tx.query_each(&sql, &places, &mut |row| {
                chunk::read(row.count(0)?.cast_unsigned(), &row.required(1)?, |record| {
                    let at = (run_no, record.number.cast_signed());
                    if wanted.contains(&at) {
                        found.insert(at, Record::of(record)?);
                    }
                    Ok::<_, Problem>(())
                })
            })?;
        }
        Ok(found)
    }
}

/// People's decision, as the row of an item keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Settled<'a> {
    pub status: Status,
    pub reason_id: i64,
    pub functional: bool,
    pub confidence: f64,
    pub assigner_id: i64,
    pub at: &'a str,
}

/// Numbers by run, ascending, each once: locks are taken in this order.
fn by_run(keys: &[ItemKey]) -> BTreeMap<i64, Vec<i64>> {
    let mut runs: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for key in keys {
        runs.entry(key.run_no).or_default().push(key.number);
    }
    for numbers in runs.values_mut() {
        numbers.sort_unstable();
        numbers.dedup();
    }
    runs
}

pub(in crate::store) fn at_numbers(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "d.id IN (SELECT value FROM json_each($1))",
        Dialect::Postgres => "d.run_no = $1 AND d.number = ANY($2::bigint[])",
    }
}

pub(in crate::store) fn place_parameters(
    dialect: Dialect,
    run_no: i64,
    numbers: &[i64],
) -> Vec<SqlValue> {
    let joined = |values: Vec<String>| values.join(",");
    match dialect {
        Dialect::Sqlite => {
            let ids = numbers.iter().map(|number| row_id(run_no, *number));
            vec![format!("[{}]", joined(ids.map(|id| id.to_string()).collect())).into()]
        }
        Dialect::Postgres => vec![
            run_no.into(),
            format!("{{{}}}", joined(numbers.iter().map(ToString::to_string).collect())).into(),
        ],
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// JSON arrays of values, in the order of the layout.
    pub sides: [Option<Vec<serde_json::Value>>; 2],
    /// Line and offset in the sources.
    pub places: [Option<(u64, u64)>; 2],
    /// How it was matched, or could have been; of a job with `match`.
    pub matched: Option<Matched>,
}

impl Record {
    fn of(record: &StoredRecord<'_>) -> Result<Self, Problem> {
        let side = |side: Option<&str>| {
            side.map(serde_json::from_str).transpose().map_err(|error| {
                Problem::new(Code::StoreDamaged, format!("a record can't be read: {error}"))
            })
        };
        Ok(Self {
            sides: [side(record.a)?, side(record.b)?],
            places: [record.place_a, record.place_b],
            matched: record.matched.map(serde_json::from_str).transpose().map_err(|error| {
                Problem::new(Code::StoreDamaged, format!("a record can't be read: {error}"))
            })?,
        })
    }

    /// The reference of a side: its `ref`, else its key parts joined by `|`.
    pub fn reference(&self, side: usize, layout: &Layout) -> Option<String> {
        let matched = self.matched.as_ref();
        let name = matched.and_then(|one| if side == 0 { &one.ref_a } else { &one.ref_b }.clone());
        if name.is_some() {
            return name;
        }
        let values = self.sides.get(side)?.as_ref()?;
        let parts = values.iter().take(layout.key_len()).map(|value| {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            text.replace('\\', "\\\\").replace('|', "\\|")
        });
        Some(parts.collect::<Vec<_>>().join("|"))
    }

    /// Reference of its break: that of A, or of a group's one side.
    pub fn name(&self, layout: &Layout) -> Option<String> {
        let matched = self.matched.as_ref();
        let b_leads = matched.is_some_and(|one| !one.a.is_empty() && one.b.len() == 1);
        let [first, second] = if b_leads { [1, 0] } else { [0, 1] };
        self.reference(first, layout).or_else(|| self.reference(second, layout))
    }

    /// The largest amount in these fields of either side, without its sign.
    pub fn largest_amount(&self, fields: &[usize]) -> Option<Decimal> {
        let cells = self.sides.iter().flatten().flat_map(|values| {
            fields.iter().filter_map(|at| values.get(*at).and_then(super::cell_text))
        });
        cells
            .filter_map(|text| Decimal::parse(text.as_bytes()).ok())
            .map(Decimal::abs)
            .reduce(|most, one| if one > most { one } else { most })
    }

    /// The references of both sides and of a group's rows.
    pub fn references(&self, layout: &Layout) -> Vec<String> {
        let sides = [self.reference(0, layout), self.reference(1, layout)];
        let members = self.matched.iter().flat_map(|one| one.a.iter().chain(&one.b));
        sides.into_iter().flatten().chain(members.map(|one| one.reference.clone())).collect()
    }

    /// A field's text on the first side that has it.
    pub fn text(&self, layout: &Layout, field: &str) -> Option<String> {
        let at = layout.position(field)?;
        self.sides.iter().flatten().find_map(|values| match values.get(at)? {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Null => None,
            other => Some(other.to_string()),
        })
    }
}

/// Places as one parameter, for [`keys_in`].
pub(super) fn keys_parameter(keys: &[ItemKey]) -> SqlValue {
    let pairs = keys.iter().map(|key| format!("[{},{}]", key.run_no, key.number));
    SqlValue::Text(format!("[{}]", pairs.collect::<Vec<_>>().join(",")))
}

/// The places of [`keys_parameter`], for `(run_no, number) IN`.
pub(super) const fn keys_in(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "(SELECT value ->> 0, value ->> 1 FROM json_each($1))",
        Dialect::Postgres => {
            "(SELECT (value ->> 0)::integer, (value ->> 1)::bigint \
             FROM json_array_elements($1::json))"
        }
    }
}
