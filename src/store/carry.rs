//! CARRY: what people decided about a run goes over to the run that takes its place, and to the run of the next
//! date, where key, field, diff type and both values are the same. Open proposals follow: see [`super::follow`].
//!
//! This is done when the new run is published, in the transaction that supersedes the old one, so that no decision is
//! lost in between and none is shown twice. Finding equal differences reads both runs, and on SQLite that is done
//! before the write lock is taken; what people decided after that is looked up again under the lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::audit::Entry;
use super::chunk::{self, chunk_of};
use super::layout::{ItemKey, row_id};
use super::publication::ItemCounts;
use super::review::{Run, carry_matches};
use super::rows::{self, parameters};
use super::transact::{Dialect, SqlRow, Transaction};
use super::{SqlValue, StoredRecord, field_of, record_of};
use crate::diagnostic::{Code, Problem};
use crate::domain::{Decimal, DiffType, Field, FieldRef, Kind, Layout, Matched, Status};

/// Rows of records that are read at once.
const CHUNKS: usize = 512;
/// Items that are changed by one statement.
const ITEMS: usize = 1_000;

fn is_of_record(number: i64) -> bool {
    field_of(number.cast_unsigned()) == FieldRef::EntireRecord
}

const fn key_in(run: &Run, number: i64) -> ItemKey {
    ItemKey { run_no: run.run_no, number }
}

/// The values that make two differences the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Same {
    field: String,
    diff_type: i64,
    value_a: Option<String>,
    value_b: Option<String>,
}

/// A record's key, as values, and as its sides write it.
#[derive(Clone, Debug)]
struct Named {
    key: Vec<String>,
    references: [Option<String>; 2],
    /// The compared values of A's row, else of B's, by their fields.
    row: BTreeMap<String, String>,
}

impl Named {
    /// True if two rows without a partner are the same: all values that both runs compare.
    fn has_same_row(&self, other: &Self) -> bool {
        self.row.iter().all(|(name, value)| other.row.get(name).is_none_or(|of| of == value))
    }
}

/// A difference of the new run that is the same as one of the old.
pub(super) struct Twin {
    pub number: i64,
    pub references: [Option<String>; 2],
}

/// The carried decisions, and the twins that open proposals go to.
pub(super) struct Carried {
    pub entries: Vec<Entry>,
    pub twins: Twins,
}

/// Differences of a run, by their numbers, with the same ones of another run.
pub(super) struct Twins {
    pub old: Run,
    pub new: Run,
    pub pairs: BTreeMap<i64, Twin>,
}

/// Decisions that may go from one run to another.
pub(super) struct Carry {
    old: Run,
    new: Run,
    /// Differences of the old run that people hold or held, with their twins if they have some.
    twins: BTreeMap<i64, Option<Twin>>,
    /// Twins that are taken: each decision goes to one difference.
    taken: BTreeSet<i64>,
}

/// The condition that a row is one of the numbers at `$1`.
fn at_numbers(dialect: Dialect, run_no: i64) -> String {
    match dialect {
        Dialect::Sqlite => "d.id IN (SELECT value FROM json_each($1))".to_owned(),
        Dialect::Postgres => format!(
            "d.run_no = {run_no} AND d.number = ANY (ARRAY(\
             SELECT value::bigint FROM json_array_elements_text($1::json)))"
        ),
    }
}

fn place(dialect: Dialect, run_no: i64, number: i64) -> i64 {
    match dialect {
        Dialect::Sqlite => row_id(run_no, number),
        Dialect::Postgres => number,
    }
}

/// The run of the same job and date that a run supersedes.
pub(super) fn replaced(tx: &mut dyn Transaction, run_no: i64) -> Result<Option<i64>, Problem> {
    let sql = "SELECT r.run_no FROM recon.recon_runs r \
               JOIN recon.recon_runs n ON n.run_no = $1 \
               WHERE r.job = n.job AND r.batch_date = n.batch_date AND r.run_no <> n.run_no \
                 AND r.stage = 'ATTRIBUTED' \
                 AND (r.superseded_by IS NULL OR r.superseded_by = n.run_id) \
                 AND (r.start_time, r.run_no) < (n.start_time, n.run_no) \
               ORDER BY r.start_time DESC, r.run_no DESC LIMIT 1";
    tx.find(sql, &parameters![run_no], |row| row.count(0))
}

impl Carry {
    /// Decisions that may be carried to a run that is about to be published: `None` if it supersedes no other run, or
    /// if that one's records had another key.
    pub fn prepare(tx: &mut dyn Transaction, run_no: i64) -> Result<Option<Self>, Problem> {
        let Some(old) = replaced(tx, run_no)? else { return Ok(None) };
        let old = Run::find(tx, old)?;
        let new = Run::find(tx, run_no)?;
        let key = |run: &Run| -> Vec<_> {
            let fields = run.layout.fields().iter().take(run.layout.key_len());
            fields.map(|field| (field.name.clone(), field.kind)).collect()
        };
        if key(&old) != key(&new) {
            return Ok(None);
        }
        let mut carry = Self { old, new, twins: BTreeMap::new(), taken: BTreeSet::new() };
        let sql = format!(
            "SELECT {} FROM recon.difference_rows d WHERE {} AND d.is_locked = $1 ORDER BY 1",
            tx.dialect().number("d"),
            tx.dialect().of_run("d", carry.old.run_no)
        );
        let held = tx.query(&sql, &parameters![true])?;
        let held: Vec<i64> = held.iter().map(|row| row.count(0)).collect::<Result<_, _>>()?;
        carry.find(tx, &held)?;
        Ok(Some(carry))
    }

    /// Decisions that may be carried from the run of the previous date to this one: `pairs` are the numbers, in both,
    /// of breaks that continue.
    pub fn across(
        tx: &mut dyn Transaction,
        old: i64,
        new: i64,
        pairs: &[(i64, i64)],
    ) -> Result<Option<Self>, Problem> {
        let dialect = tx.dialect();
        let (old, new) = (Run::find(tx, old)?, Run::find(tx, new)?);
        let columns = format!("{}, d.diff_type, d.value_a, d.value_b", dialect.number("d"));
        let sql = format!(
            "SELECT {columns} FROM recon.difference_rows d WHERE {} AND d.is_locked = $1",
            dialect.of_run("d", old.run_no)
        );
        let held = tx.query(&sql, &parameters![true])?;
        let held: HashMap<i64, Same> =
            held.iter().map(|row| same(&old, row)).collect::<Result<_, _>>()?;
        let by_new: BTreeMap<i64, i64> = pairs
            .iter()
            .filter(|(old, _)| held.contains_key(old))
            .map(|(old, new)| (*new, *old))
            .collect();
        // A decision that was carried from the superseded run stays.
        let sql = format!(
            "SELECT {columns} FROM recon.difference_rows d WHERE {} AND d.is_locked = $2",
            at_numbers(dialect, new.run_no)
        );
        let mut twins: BTreeMap<i64, i64> = BTreeMap::new();
        let numbers: Vec<i64> = by_new.keys().copied().collect();
        for some in numbers.chunks(ITEMS) {
            let places = some.iter().map(|number| place(dialect, new.run_no, *number));
            for row in tx.query(&sql, &[rows::numbers(places), false.into()])? {
                let (number, now) = same(&new, &row)?;
                if let Some(old) = by_new.get(&number)
                    && held.get(old) == Some(&now)
                {
                    twins.insert(number, *old);
                }
            }
        }
        if twins.is_empty() {
            return Ok(None);
        }
        let numbers: Vec<i64> = twins.keys().copied().collect();
        let mut carry = Self { old, new, twins: BTreeMap::new(), taken: BTreeSet::new() };
        // A missing row has no value in the difference: the decision was about this row.
        let mut olds: Vec<i64> = twins.values().copied().filter(|old| is_of_record(*old)).collect();
        olds.sort_unstable();
        let mut rows: HashMap<i64, Named> = HashMap::new();
        names(tx, &carry.old, &olds, &mut |number, named| {
            rows.insert(number, named);
        })?;
        let found = &mut carry.twins;
        names(tx, &carry.new, &numbers, &mut |number, named| {
            if let Some(old) = twins.get(&number)
                && rows.get(old).is_none_or(|row| row.has_same_row(&named))
            {
                found.insert(*old, Some(Twin { number, references: named.references }));
            }
        })?;
        Ok(Some(carry))
    }

    /// Carries the present human decisions. Gives the rows of the audit trail, and brings the counts of the new run's
    /// items up to date.
    pub fn apply(
        mut self,
        tx: &mut dyn Transaction,
        counts: &mut ItemCounts,
    ) -> Result<Carried, Problem> {
        // Items that people took up since the differences were compared.
        let since = tx.query(
            "SELECT number FROM recon.proposal_items WHERE run_no = $1 \
             UNION SELECT number FROM recon.audit_samples \
             WHERE run_no = $1 AND outcome IS NOT NULL",
            &parameters![self.old.run_no],
        )?;
        let mut missing = Vec::new();
        for row in since {
            let number = row.count(0)?;
            if !self.twins.contains_key(&number) {
                missing.push(number);
            }
        }
        missing.sort_unstable();
        self.find(tx, &missing)?;
        self.carry_all(tx, counts)
    }

    /// Carries human decisions about the differences that have a twin.
    pub fn carry_all(
        mut self,
        tx: &mut dyn Transaction,
        counts: &mut ItemCounts,
    ) -> Result<Carried, Problem> {
        let twins: Vec<(i64, Twin)> = std::mem::take(&mut self.twins)
            .into_iter()
            .filter_map(|(number, twin)| Some((number, twin?)))
            .collect();
        let mut entries = Vec::new();
        for some in twins.chunks(ITEMS) {
            self.carry(tx, some, counts, &mut entries)?;
        }
        let pairs = twins.into_iter().collect();
        Ok(Carried { entries, twins: Twins { old: self.old, new: self.new, pairs } })
    }

    /// Finds the twins of these differences of the old run.
    fn find(&mut self, tx: &mut dyn Transaction, numbers: &[i64]) -> Result<(), Problem> {
        if numbers.is_empty() {
            return Ok(());
        }
        let dialect = tx.dialect();
        let mut wanted: HashMap<Same, Vec<i64>> = HashMap::new();
        let columns = format!("{}, d.diff_type, d.value_a, d.value_b", dialect.number("d"));
        for some in numbers.chunks(ITEMS) {
            let sql = format!(
                "SELECT {columns} FROM recon.difference_rows d WHERE {}",
                at_numbers(dialect, self.old.run_no)
            );
            let places = some.iter().map(|number| place(dialect, self.old.run_no, *number));
            tx.query_each(&sql, &[rows::numbers(places)], &mut |row| {
                let (number, same) = same(&self.old, &row)?;
                wanted.entry(same).or_default().push(number);
                self.twins.insert(number, None);
                Ok(())
            })?;
        }
        // Differences of the new run that are the same but, perhaps, for the key.
        let types: BTreeSet<i64> = wanted.keys().map(|same| same.diff_type).collect();
        let types = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if types.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT {columns} FROM recon.difference_rows d \
             WHERE {} AND d.diff_type IN ({types}) ORDER BY 1",
            dialect.of_run("d", self.new.run_no)
        );
        let mut candidates: Vec<(i64, Same)> = Vec::new();
        tx.query_each(&sql, &[], &mut |row| {
            let (number, same) = same(&self.new, &row)?;
            if wanted.contains_key(&same) {
                candidates.push((number, same));
            }
            Ok(())
        })?;
        if candidates.is_empty() {
            return Ok(());
        }
        // Waiting items of the old run by key, in the order of their numbers.
        let mut waiting: HashMap<(Same, Vec<String>), Vec<i64>> = HashMap::new();
        let by_number: BTreeMap<i64, &Same> = wanted
            .iter()
            .flat_map(|(same, numbers)| numbers.iter().map(move |number| (*number, same)))
            .collect();
        let olds: Vec<i64> = by_number.keys().copied().collect();
        names(tx, &self.old, &olds, &mut |number, named| {
            if let Some(same) = by_number.get(&number) {
                waiting.entry(((*same).clone(), named.key)).or_default().push(number);
            }
        })?;
        let candidates: BTreeMap<i64, Same> = candidates.into_iter().collect();
        let numbers: Vec<i64> = candidates.keys().copied().collect();
        let (twins, taken) = (&mut self.twins, &mut self.taken);
        names(tx, &self.new, &numbers, &mut |number, named| {
            let Some(same) = candidates.get(&number) else { return };
            if taken.contains(&number) {
                return;
            }
            // Rows that share a key may have several such differences: each goes to one of the new.
            let Some(olds) = waiting.get_mut(&(same.clone(), named.key)) else { return };
            if olds.is_empty() {
                return;
            }
            let old = olds.remove(0);
            taken.insert(number);
            twins.insert(old, Some(Twin { number, references: named.references }));
        })
    }

    fn carry(
        &self,
        tx: &mut dyn Transaction,
        twins: &[(i64, Twin)],
        counts: &mut ItemCounts,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Problem> {
        let dialect = tx.dialect();
        let decided = self.decided(tx, twins)?;
        if decided.is_empty() {
            return Ok(());
        }
        let mut origins = self.origins(tx, decided.keys().copied())?;
        let twins: HashMap<i64, (i64, &Twin)> = twins
            .iter()
            .filter(|(old, _)| decided.contains_key(old))
            .map(|(old, twin)| (twin.number, (*old, twin)))
            .collect();
        let places = || twins.keys().map(|number| place(dialect, self.new.run_no, *number));
        let sql = format!(
            "SELECT {}, d.status, c.code, d.confidence, d.is_locked, d.version, w.name, \
             d.diff_type, d.value_a, d.value_b, d.signature_id, d.amount_abs, d.functional, \
             d.assigned_at \
             FROM recon.difference_rows d \
             LEFT JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
             LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id WHERE {} ORDER BY 1",
            dialect.number("d"),
            at_numbers(dialect, self.new.run_no)
        );
        let mut values: Vec<Json> = Vec::with_capacity(twins.len());
        for row in tx.query(&sql, &[rows::numbers(places())])? {
            let number = row.count(0)?;
            let Some((old, twin)) = twins.get(&number) else { continue };
            let Some(held) = decided.get(old) else { continue };
            let before = u8::try_from(row.count(1)?).ok().and_then(Status::from_code);
            let before = before.unwrap_or(Status::Unknown);
            let version = row.count(5)?;
            let state = |status: Status, reason: &str, confidence, locked: bool, version, by| {
                json!({
                    "status": status.name(), "reason_code": reason, "confidence": confidence,
                    "is_locked": locked, "version": version, "assigned_by": by,
                })
            };
            let with = |mut state: Json, functional: Option<bool>, at: Option<&str>| {
                if let Json::Object(map) = &mut state {
                    map.insert("functional".to_owned(), functional.into());
                    map.insert("assigned_at".to_owned(), at.into());
                }
                state
            };
            let by = row.text(6)?;
            let previous = state(
                before,
                &row.text(2)?.unwrap_or_default(),
                row.real(3)?.unwrap_or_default(),
                row.boolean(4)?,
                version,
                by.clone(),
            );
            let functional = row.integer(12)?.map(|value| value != 0);
            let previous = with(previous, functional, row.text(13)?.as_deref());
            let after = state(
                held.status,
                &held.reason_code,
                held.confidence,
                true,
                version + 1,
                held.assigned_by.clone(),
            );
            let mut after = with(after, held.functional, held.assigned_at.as_deref());
            let origin = origins.remove(old).unwrap_or_default();
            let diff_type = u8::try_from(row.count(7)?).ok().and_then(DiffType::from_code);
            if let Json::Object(map) = &mut after {
                let from = json!({
                    "run_id": self.old.run_id,
                    "batch_date": self.old.batch_date,
                    "attribution_id": self.old.attribution_id(key_in(&self.old, *old)),
                    "proposal_id": origin.proposal_id,
                    "decided_at": held.assigned_at,
                });
                map.insert("carried_from".to_owned(), from);
                let [a, b] = &twin.references;
                let item = json!({
                    "run_id": self.new.run_id,
                    "job": self.new.job,
                    "batch_date": self.new.batch_date,
                    "source_a_ref_id": a,
                    "source_b_ref_id": b,
                    "field_name": self.new.field_name(key_in(&self.new, number).field()),
                    "diff_type": diff_type.map_or("", DiffType::name),
                    "value_a": row.text(8)?,
                    "value_b": row.text(9)?,
                });
                map.insert("item".to_owned(), item);
            }
            let attribution_id = self.new.attribution_id(key_in(&self.new, number));
            let machine = |prefix: &str| by.clone().filter(|by| by.starts_with(prefix));
            entries.push(Entry {
                attribution_id: Some(attribution_id.clone()),
                entity_type: "attribution".to_owned(),
                entity_id: attribution_id,
                stage: "SYSTEM".to_owned(),
                action_type: "CARRY".to_owned(),
                previous_value: Some(previous.to_string()),
                new_value: Some(after.to_string()),
                model_version: machine("MODEL:"),
                rule_version: machine("RULE:"),
                control: origin.control,
                ..Entry::default()
            });
            counts.moved(
                row.integer(10)?.unwrap_or_default(),
                before,
                held.status,
                row.real(11)?.unwrap_or_default(),
            );
            values.push(json!([
                place(dialect, self.new.run_no, number),
                held.status.code(),
                held.reason_id,
                held.functional,
                held.confidence,
                held.assigner_id,
                held.assigned_at,
            ]));
        }
        write(tx, self.new.run_no, values)?;
        let pairs: Vec<(i64, i64)> = twins.iter().map(|(new, (old, _))| (*old, *new)).collect();
        carry_matches(tx, self.old.run_no, self.new.run_no, &pairs)?;
        // A blind check of decided items would ask people once more.
        let numbers = || rows::numbers(twins.keys().copied());
        tx.execute(
            &format!(
                "DELETE FROM recon.audit_samples WHERE run_no = {} AND outcome IS NULL \
                 AND number IN {}",
                self.new.run_no,
                rows::numbers_in(dialect, "$1")
            ),
            &[numbers()],
        )?;
        Ok(())
    }

    /// Human decisions about these differences of the old run. Items in a proposal have the state from before it.
    fn decided(
        &self,
        tx: &mut dyn Transaction,
        twins: &[(i64, Twin)],
    ) -> Result<BTreeMap<i64, Held>, Problem> {
        let dialect = tx.dialect();
        let sql = format!(
            "SELECT x.number, x.status, x.reason_id, x.functional, x.confidence, x.assigner_id, \
             x.assigned_at, x.locked, c.code, w.name FROM ( \
                 SELECT {number} AS number, \
                 CASE WHEN i.number IS NULL THEN d.status ELSE i.prior_status END AS status, \
                 CASE WHEN i.number IS NULL THEN d.reason_id ELSE i.prior_reason_id END \
                     AS reason_id, \
                 CASE WHEN i.number IS NULL THEN d.functional ELSE i.prior_functional END \
                     AS functional, \
                 CASE WHEN i.number IS NULL THEN d.confidence ELSE i.prior_confidence END \
                     AS confidence, \
                 CASE WHEN i.number IS NULL THEN d.assigner_id ELSE i.prior_assigner_id END \
                     AS assigner_id, \
                 CASE WHEN i.number IS NULL THEN d.assigned_at ELSE i.prior_assigned_at END \
                     AS assigned_at, \
                 CASE WHEN i.number IS NULL THEN d.is_locked ELSE i.prior_locked END AS locked \
                 FROM recon.difference_rows d LEFT JOIN recon.proposal_items i \
                     ON i.run_no = {old} AND i.number = {number} AND i.open = $2 WHERE {at}) x \
             LEFT JOIN recon.reason_codes c ON c.reason_id = x.reason_id \
             LEFT JOIN recon.assigners w ON w.assigner_id = x.assigner_id",
            number = dialect.number("d"),
            old = self.old.run_no,
            at = at_numbers(dialect, self.old.run_no),
        );
        let places = twins.iter().map(|(old, _)| place(dialect, self.old.run_no, *old));
        let mut decided = BTreeMap::new();
        for row in tx.query(&sql, &[rows::numbers(places), true.into()])? {
            let status = u8::try_from(row.count(1)?).ok().and_then(Status::from_code);
            let (Some(status @ (Status::Accepted | Status::Rejected)), true) =
                (status, row.boolean(7)?)
            else {
                continue;
            };
            let held = Held {
                status,
                reason_id: row.count(2)?,
                functional: row.integer(3)?.map(|value| value != 0),
                confidence: row.real(4)?.unwrap_or_default(),
                assigner_id: row.integer(5)?,
                assigned_at: row.text(6)?.or_else(|| Some(self.old.attributed_at.clone())),
                reason_code: row.required(8)?,
                assigned_by: row.text(9)?,
            };
            decided.insert(row.count(0)?, held);
        }
        Ok(decided)
    }

    /// The proposals and controls behind human decisions on the old run, from the last rows of the audit trail.
    fn origins(
        &self,
        tx: &mut dyn Transaction,
        numbers: impl Iterator<Item = i64>,
    ) -> Result<HashMap<i64, Origin>, Problem> {
        let by_id: HashMap<String, i64> = numbers
            .map(|number| (self.old.attribution_id(key_in(&self.old, number)), number))
            .collect();
        let ids = rows::texts(by_id.keys().map(String::as_str));
        let within = match tx.dialect() {
            Dialect::Sqlite => "(SELECT value FROM json_each($1))",
            Dialect::Postgres => "(SELECT value::uuid FROM json_array_elements_text($1::json))",
        };
        let mut origins = HashMap::new();
        let sql = format!(
            "SELECT attribution_id, proposal_id, control, new_value FROM recon.audit_trail \
             WHERE attribution_id IN {within} ORDER BY seq"
        );
        tx.query_each(&sql, &[ids], &mut |row| {
            let told: Json =
                serde_json::from_str(&row.text(3)?.unwrap_or_default()).unwrap_or_default();
            let text = |at: &str| told.pointer(at).and_then(Json::as_str).map(str::to_owned);
            let decided = matches!(text("/status").as_deref(), Some("ACCEPTED" | "REJECTED"))
                && told.pointer("/is_locked") == Some(&Json::Bool(true));
            if let Some(number) = by_id.get(&row.required(0)?).filter(|_| decided) {
                let proposal_id = row.text(1)?.or_else(|| text("/carried_from/proposal_id"));
                origins.insert(*number, Origin { proposal_id, control: row.text(2)? });
            }
            Ok(())
        })?;
        Ok(origins)
    }
}

/// People's decision about a difference.
struct Held {
    status: Status,
    reason_id: i64,
    functional: Option<bool>,
    confidence: f64,
    assigner_id: Option<i64>,
    assigned_at: Option<String>,
    reason_code: String,
    assigned_by: Option<String>,
}

/// Origin of a decision.
#[derive(Default)]
struct Origin {
    proposal_id: Option<String>,
    control: Option<String>,
}

fn same(run: &Run, row: &SqlRow) -> Result<(i64, Same), Problem> {
    let number = row.count(0)?;
    let same = Same {
        field: run.field_name(key_in(run, number).field()).to_owned(),
        diff_type: row.count(1)?,
        value_a: row.text(2)?,
        value_b: row.text(3)?,
    };
    Ok((number, same))
}

/// Writes decisions to differences.
fn write(tx: &mut dyn Transaction, run_no: i64, values: Vec<Json>) -> Result<(), Problem> {
    let wanted = values.len() as u64;
    let sql = match tx.dialect() {
        Dialect::Sqlite => "UPDATE recon.difference_rows AS d SET status = p.value ->> 1, \
             reason_id = p.value ->> 2, functional = p.value ->> 3, confidence = p.value ->> 4, \
             assigner_id = p.value ->> 5, assigned_at = p.value ->> 6, is_locked = 1, \
             version = d.version + 1 \
             FROM json_each($1) p WHERE d.id = p.value ->> 0"
            .to_owned(),
        Dialect::Postgres => format!(
            "UPDATE recon.difference_rows d SET status = (p.value ->> 1)::smallint, \
             reason_id = (p.value ->> 2)::integer, functional = (p.value ->> 3)::boolean, \
             confidence = (p.value ->> 4)::double precision, \
             assigner_id = (p.value ->> 5)::integer, \
             assigned_at = (p.value ->> 6)::timestamptz, is_locked = true, \
             version = d.version + 1 \
             FROM json_array_elements($1::json) p (value) \
             WHERE d.run_no = {run_no} AND d.number = (p.value ->> 0)::bigint"
        ),
    };
    let changed = tx.execute(&sql, &[SqlValue::Text(Json::Array(values).to_string())])?;
    if changed == wanted {
        Ok(())
    } else {
        Err(Problem::new(
            Code::ItemsChanged,
            format!("{changed} of {wanted} decisions were carried to the new run"),
        ))
    }
}

/// Calls `each` for each of these differences with the key of its record, in the order of numbers.
fn names(
    tx: &mut dyn Transaction,
    run: &Run,
    numbers: &[i64],
    each: &mut dyn FnMut(i64, Named),
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    let mut chunks: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for number in numbers {
        let chunk = chunk_of(record_of(number.cast_unsigned()));
        chunks.entry(chunk.cast_signed()).or_default().push(*number);
    }
    let all: Vec<i64> = chunks.keys().copied().collect();
    let sql = format!(
        "SELECT {}, d.records FROM recon.record_rows d WHERE {} ORDER BY 1",
        dialect.number("d"),
        at_numbers(dialect, run.run_no)
    );
    for some in all.chunks(CHUNKS) {
        let places = some.iter().map(|chunk| place(dialect, run.run_no, *chunk));
        tx.query_each(&sql, &[rows::numbers(places)], &mut |row| {
            let (chunk, text) = (row.count(0)?, row.required(1)?);
            let damaged = |error: serde_json::Error| {
                Problem::new(Code::StoreDamaged, format!("a row of records can't be read: {error}"))
            };
            let wanted = chunks.get(&chunk).map(Vec::as_slice).unwrap_or_default();
            chunk::read(chunk.cast_unsigned(), &text, |record| -> Result<(), Problem> {
                let is_own = |number: &&i64| record_of(number.cast_unsigned()) == record.number;
                for number in wanted.iter().filter(is_own) {
                    each(*number, named(record, &run.layout).map_err(damaged)?);
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

fn named(record: &StoredRecord<'_>, layout: &Layout) -> Result<Named, serde_json::Error> {
    let key_of = |side: Option<&str>| -> Result<Option<Vec<String>>, serde_json::Error> {
        let Some(side) = side else { return Ok(None) };
        let parts: Vec<&RawValue> = serde_json::from_str(side)?;
        let parts = parts.into_iter().take(layout.key_len()).map(|part| {
            Ok(match serde_json::from_str(part.get())? {
                Json::String(text) => Some(text),
                Json::Null => None,
                other => Some(other.to_string()),
            })
        });
        let parts = parts.collect::<Result<Option<Vec<_>>, serde_json::Error>>()?;
        // A row without a key is identified by all its values.
        let parts = parts.filter(|parts| !parts.is_empty());
        Ok(Some(parts.unwrap_or_else(|| vec![side.to_owned()])))
    };
    let (a, b) = (key_of(record.a)?, key_of(record.b)?);
    let reference = |parts: &Vec<String>| {
        let escaped = parts.iter().map(|part| part.replace('\\', "\\\\").replace('|', "\\|"));
        escaped.collect::<Vec<_>>().join("|")
    };
    let matched: Matched = match record.matched {
        Some(matched) => serde_json::from_str(matched)?,
        None => Matched::default(),
    };
    let references = [
        matched.ref_a.or_else(|| a.as_ref().map(reference)),
        matched.ref_b.or_else(|| b.as_ref().map(reference)),
    ];
    let mut key = a.or(b).unwrap_or_default();
    for (part, field) in key.iter_mut().zip(layout.fields()) {
        make_plain(part, field);
    }
    let parts: Vec<&RawValue> = match record.a.or(record.b) {
        Some(side) => serde_json::from_str(side)?,
        None => Vec::new(),
    };
    let values = parts.into_iter().zip(layout.fields()).filter(|(_, field)| field.compared);
    let row = values.map(|(part, field)| {
        let mut value = match serde_json::from_str(part.get())? {
            Json::String(text) => text,
            other => other.to_string(),
        };
        make_plain(&mut value, field);
        Ok((field.name.clone(), value))
    });
    let row = row.collect::<Result<_, serde_json::Error>>()?;
    Ok(Named { key, references, row })
}

/// Decimals are compared as values: 1.0 is 1.00.
fn make_plain(text: &mut String, field: &Field) {
    if field.kind == Kind::Decimal
        && let Ok(value) = Decimal::parse(text.as_bytes())
    {
        *text = value.normalized().to_string();
    }
}
