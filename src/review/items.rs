//! Items as the store keeps them: the one place that knows the tables of differences and records.
//!
//! An item is an attribution; its row is that of its difference. It is found by the number of its run
//! and its number within the run, which on SQLite are one rowid.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::diagnostic::{Code, Problem};
use crate::domain::{Decimal, DiffType, FieldRef, Layout, Severity, Status};
use crate::store::SqlValue;
use crate::store::rows::parameters;
use crate::store::transact::{Answer, Dialect, Transaction};

use super::refusal::Refusal;

/// Bits of a difference's number that say which field it is about.
const FIELD_BITS: u32 = 10;
/// Bits of a rowid on SQLite that are the number within the run.
pub(super) const NUMBER_BITS: u32 = 40;
/// Records in a row of records.
const RECORDS: i64 = 64;

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub run_no: i64,
    pub number: i64,
}

impl Key {
    /// The rowid on SQLite.
    pub const fn row_id(self) -> i64 {
        self.run_no << NUMBER_BITS | self.number
    }

    /// The number of the record.
    pub const fn record(self) -> i64 {
        self.number >> FIELD_BITS
    }

    /// The field.
    pub fn field(self) -> FieldRef {
        match u16::try_from(self.number & ((1 << FIELD_BITS) - 1)).unwrap_or_default() {
            0 => FieldRef::EntireRecord,
            slot => FieldRef::Field(slot - 1),
        }
    }
}

/// What is known of a run whose items are looked at.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub run_no: i64,
    pub run_id: String,
    pub job: String,
    pub batch_date: String,
    pub systems: [String; 2],
    pub layout: Layout,
    pub record_prefix: String,
    pub difference_prefix: String,
    pub attribution_prefix: String,
    pub attributed_at: String,
}

impl Run {
    /// A run of records with these fields.
    #[cfg(test)]
    pub fn for_tests(layout: Layout) -> Self {
        let text = String::new;
        Self {
            run_no: 1,
            run_id: text(),
            job: text(),
            batch_date: text(),
            systems: [text(), text()],
            layout,
            record_prefix: text(),
            difference_prefix: text(),
            attribution_prefix: text(),
            attributed_at: text(),
        }
    }

    pub fn attribution_id(&self, number: i64) -> String {
        format!("{}{number:012x}", self.attribution_prefix)
    }

    pub fn difference_id(&self, number: i64) -> String {
        format!("{}{number:012x}", self.difference_prefix)
    }

    pub fn record_id(&self, record: i64) -> String {
        format!("{}{record:012x}", self.record_prefix)
    }

    pub fn field_name(&self, field: FieldRef) -> &str {
        match field {
            FieldRef::EntireRecord => FieldRef::ENTIRE_RECORD,
            FieldRef::Field(at) => {
                self.layout.fields().get(usize::from(at)).map_or("", |field| field.name.as_str())
            }
        }
    }
}

/// A reason of the catalogue.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub reason_id: i64,
    pub code: String,
    pub description: String,
    pub functional: bool,
    pub active: bool,
    pub origin: String,
}

/// What look-alikes have in common, as it is kept: a JSON array of job, field, type, reason,
/// pattern, severity and whether the field is an amount of money.
#[derive(Clone, Debug, Default)]
pub(super) struct Signature {
    pub signature_id: i64,
    pub label: String,
    pub job: String,
    pub field: String,
    pub diff_type: String,
    pub reason: String,
    pub severity: String,
    pub monetary: bool,
}

impl Signature {
    fn read(signature_id: i64, key: &str, label: String) -> Self {
        let parts: Vec<String> = serde_json::from_str(key).unwrap_or_default();
        let mut parts = parts.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let (job, field, diff_type, reason) = (part(), part(), part(), part());
        Self {
            signature_id,
            label,
            job,
            field,
            diff_type,
            reason,
            severity: parts.nth(1).unwrap_or_default(),
            monetary: parts.next().is_some_and(|part| part == "monetary"),
        }
    }
}

/// An item.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub key: Key,
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
    /// Drawn for a blind look that nobody has taken yet.
    pub audit_sample: bool,
}

impl Item {
    /// Whether people are asked what they think of it, not knowing what the machine thought.
    pub fn is_sample(&self) -> bool {
        self.audit_sample && !self.locked && self.status == Status::Accepted
    }

    /// |delta| of two decimals, exactly.
    pub fn amount(&self) -> Option<Decimal> {
        let read = |text: &Option<String>| Decimal::parse(text.as_deref()?.as_bytes()).ok();
        Some(read(&self.value_a)?.checked_sub(read(&self.value_b)?)?.abs())
    }
}

/// The columns of [`item`], of `difference_rows d LEFT JOIN assigners w`.
pub(super) fn columns(dialect: Dialect) -> String {
    let key = match dialect {
        Dialect::Sqlite => "d.id >> 40, d.id & 1099511627775",
        Dialect::Postgres => "d.run_no, d.number",
    };
    format!(
        "{key}, d.diff_type, d.severity, d.value_a, d.value_b, d.reason_id, d.functional, \
         d.confidence, d.status, d.assigner_id, w.name, w.is_person, d.explanation, \
         d.signature_id, d.amount_abs, d.assigned_at, d.is_locked, d.version, \
         EXISTS (SELECT 1 FROM recon.audit_samples s \
                 WHERE (s.run_no, s.number) = ({key}) AND s.outcome IS NULL)"
    )
}

/// The tables of [`columns`].
pub(super) const FROM: &str = "recon.difference_rows d \
     LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id";

/// An item of a row of [`columns`].
pub(super) fn item(row: &Answer) -> Result<Item, Problem> {
    let damaged = |what: &str| Problem::new(Code::StoreDamaged, format!("an item without {what}"));
    let code = |column: usize| -> Result<u8, Problem> {
        Ok(u8::try_from(row.integer(column)?.unwrap_or_default()).unwrap_or_default())
    };
    Ok(Item {
        key: Key { run_no: row.count(0)?, number: row.count(1)? },
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
    })
}

/// A transaction, and what has been read within it.
pub(super) struct Shelf<'t> {
    pub tx: &'t mut dyn Transaction,
    reasons: Option<Rc<Vec<Reason>>>,
    runs: HashMap<i64, Rc<Run>>,
    /// Runs that are held, and whether each is current.
    current: HashMap<i64, bool>,
    signatures: HashMap<i64, Rc<Signature>>,
    /// Items and amounts that came and went, by run, signature and status.
    moved: BTreeMap<(i64, i64, u8), (i64, f64)>,
}

const RUN: &str = "run_no, run_id, job, batch_date, source_system_a, source_system_b, layout, \
     key_length, record_prefix, difference_prefix, attribution_prefix, attributed_at";

fn read_run(row: &Answer) -> Result<Run, Problem> {
    Ok(Run {
        run_no: row.count(0)?,
        run_id: row.required(1)?,
        job: row.required(2)?,
        batch_date: row.required(3)?,
        systems: [row.required(4)?, row.required(5)?],
        layout: crate::store::read_layout(&row.required(6)?, row.count(7)?)?,
        record_prefix: row.required(8)?,
        difference_prefix: row.required(9)?,
        attribution_prefix: row.required(10)?,
        attributed_at: row.text(11)?.unwrap_or_default(),
    })
}

impl<'t> Shelf<'t> {
    pub fn new(tx: &'t mut dyn Transaction) -> Self {
        Self {
            tx,
            reasons: None,
            runs: HashMap::new(),
            current: HashMap::new(),
            signatures: HashMap::new(),
            moved: BTreeMap::new(),
        }
    }

    pub fn dialect(&self) -> Dialect {
        self.tx.dialect()
    }

    /// The catalogue of reasons.
    pub fn reasons(&mut self) -> Result<Rc<Vec<Reason>>, Problem> {
        if let Some(reasons) = &self.reasons {
            return Ok(Rc::clone(reasons));
        }
        let rows = self.tx.query(
            "SELECT reason_id, code, description, is_functional, is_active, origin \
             FROM recon.reason_codes ORDER BY code",
            &[],
        )?;
        let reason = |row: &Answer| {
            Ok(Reason {
                reason_id: row.count(0)?,
                code: row.required(1)?,
                description: row.required(2)?,
                functional: row.boolean(3)?,
                active: row.boolean(4)?,
                origin: row.required(5)?,
            })
        };
        let reasons = Rc::new(rows.iter().map(reason).collect::<Result<Vec<_>, Problem>>()?);
        self.reasons = Some(Rc::clone(&reasons));
        Ok(reasons)
    }

    pub fn reason(&mut self, reason_id: i64) -> Result<Option<Reason>, Problem> {
        Ok(self.reasons()?.iter().find(|reason| reason.reason_id == reason_id).cloned())
    }

    pub fn reason_by_code(&mut self, code: &str) -> Result<Option<Reason>, Problem> {
        Ok(self.reasons()?.iter().find(|reason| reason.code == code).cloned())
    }

    /// The reason that stands for not knowing.
    pub fn unknown_reason(&mut self) -> Result<Reason, Problem> {
        self.reason_by_code(crate::domain::attribution::UNKNOWN)?.ok_or_else(|| {
            Problem::new(Code::UnknownReason, "the catalogue lacks the reason UNKNOWN")
        })
    }

    pub fn run(&mut self, run_no: i64) -> Result<Rc<Run>, Problem> {
        if let Some(run) = self.runs.get(&run_no) {
            return Ok(Rc::clone(run));
        }
        let sql = format!("SELECT {RUN} FROM recon.recon_runs WHERE run_no = $1");
        let rows = self.tx.query(&sql, &parameters![run_no])?;
        let row = rows.first().ok_or_else(|| {
            Problem::new(Code::StoreDamaged, format!("there is no run with the number {run_no}"))
        })?;
        let run = Rc::new(read_run(row)?);
        self.runs.insert(run_no, Rc::clone(&run));
        Ok(run)
    }

    /// The attributed run of this id.
    pub fn run_by_id(&mut self, run_id: &str) -> Result<Option<Rc<Run>>, Problem> {
        let Ok(run_id) = run_id.parse::<uuid::Uuid>() else { return Ok(None) };
        let sql = format!(
            "SELECT {RUN} FROM recon.recon_runs WHERE run_id = $1 AND stage = 'ATTRIBUTED'"
        );
        let rows = self.tx.query(&sql, &parameters![run_id.to_string()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let run = Rc::new(read_run(row)?);
        self.runs.insert(run.run_no, Rc::clone(&run));
        Ok(Some(run))
    }

    /// The attributed runs that no newer one has superseded, newest first.
    pub fn current_runs(&mut self) -> Result<Vec<Rc<Run>>, Problem> {
        let sql = format!(
            "SELECT {RUN} FROM recon.recon_runs \
             WHERE stage = 'ATTRIBUTED' AND superseded_by IS NULL ORDER BY run_no DESC"
        );
        let rows = self.tx.query(&sql, &[])?;
        let runs = rows.iter().map(|row| Ok(Rc::new(read_run(row)?)));
        let runs = runs.collect::<Result<Vec<_>, Problem>>()?;
        for run in &runs {
            self.runs.insert(run.run_no, Rc::clone(run));
        }
        Ok(runs)
    }

    /// Whether a run is the one that people decide about, and stays so until the transaction ends. Who
    /// supersedes it waits, and then carries what was decided.
    pub fn stays_current(&mut self, run_no: i64) -> Result<bool, Problem> {
        if let Some(current) = self.current.get(&run_no) {
            return Ok(*current);
        }
        let lock = match self.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR SHARE",
        };
        let sql = format!("SELECT superseded_by FROM recon.recon_runs WHERE run_no = $1{lock}");
        let rows = self.tx.query(&sql, &parameters![run_no])?;
        let current = match rows.first() {
            Some(row) => row.text(0)?.is_none(),
            None => false,
        };
        self.current.insert(run_no, current);
        Ok(current)
    }

    pub fn signature(&mut self, signature_id: i64) -> Result<Option<Rc<Signature>>, Problem> {
        if let Some(signature) = self.signatures.get(&signature_id) {
            return Ok(Some(Rc::clone(signature)));
        }
        let rows = self.tx.query(
            "SELECT signature, label FROM recon.signatures WHERE signature_id = $1",
            &parameters![signature_id],
        )?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read = Signature::read(signature_id, &row.required(0)?, row.required(1)?);
        let signature = Rc::new(read);
        self.signatures.insert(signature_id, Rc::clone(&signature));
        Ok(Some(signature))
    }

    /// All signatures. There are as many as kinds of differences, not as many as differences.
    pub fn signatures(&mut self) -> Result<Vec<Rc<Signature>>, Problem> {
        let rows = self.tx.query(
            "SELECT signature_id, signature, label FROM recon.signatures ORDER BY signature_id",
            &[],
        )?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.count(0)?;
            let signature = Rc::new(Signature::read(id, &row.required(1)?, row.required(2)?));
            self.signatures.insert(id, Rc::clone(&signature));
            all.push(signature);
        }
        Ok(all)
    }

    /// Where the items of these ids are. Ids of no attribution of the store are refused.
    pub fn keys<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i str>,
    ) -> Result<Vec<Key>, Refusal> {
        let missing = || Refusal::new(Code::NoSuchItem, "Attribution record not found");
        let mut prefixes: HashMap<String, i64> = HashMap::new();
        let mut keys = Vec::new();
        for id in ids {
            let uuid = id.parse::<uuid::Uuid>().map_err(|_| missing())?;
            let text = uuid.to_string();
            let (prefix, number) = text.split_at(24);
            let number = i64::from_str_radix(number, 16).map_err(|_| missing())?;
            let run_no = match prefixes.get(prefix) {
                Some(run_no) => *run_no,
                None => {
                    let rows = self.tx.query(
                        "SELECT run_no FROM recon.recon_runs \
                         WHERE attribution_prefix = $1 AND stage = 'ATTRIBUTED'",
                        &parameters![prefix],
                    )?;
                    let run_no = rows.first().ok_or_else(missing)?.count(0)?;
                    prefixes.insert(prefix.to_owned(), run_no);
                    run_no
                }
            };
            keys.push(Key { run_no, number });
        }
        Ok(keys)
    }

    /// The items at these places, in the order of runs and numbers, without those that are not
    /// there. With `lock` nobody else changes them until the transaction ends.
    pub fn items(&mut self, keys: &[Key], lock: bool) -> Result<Vec<Item>, Problem> {
        let mut items = Vec::with_capacity(keys.len());
        for (run_no, numbers) in by_run(keys) {
            let sql = format!(
                "SELECT {} FROM {FROM} WHERE {} ORDER BY {}{}",
                columns(self.dialect()),
                at_numbers(self.dialect()),
                match self.dialect() {
                    Dialect::Sqlite => "d.id",
                    Dialect::Postgres => "d.number",
                },
                if lock && self.dialect() == Dialect::Postgres { " FOR UPDATE OF d" } else { "" }
            );
            let places = place_parameters(self.dialect(), run_no, &numbers);
            self.tx.query_each(&sql, &places, &mut |row| {
                items.push(item(&row)?);
                Ok(())
            })?;
        }
        Ok(items)
    }

    /// One item, or a refusal.
    pub fn one(&mut self, attribution_id: &str, lock: bool) -> Result<Item, Refusal> {
        let keys = self.keys([attribution_id])?;
        self.items(&keys, lock)?
            .pop()
            .ok_or_else(|| Refusal::new(Code::NoSuchItem, "Attribution record not found"))
    }

    /// Counts an item that goes from one status to another.
    fn moves(&mut self, item: &Item, to: Status) {
        let amount = item.amount_abs.unwrap_or_default();
        for (status, sign) in [(item.status, -1), (to, 1)] {
            let at = (item.key.run_no, item.signature_id.unwrap_or_default(), status.code());
            let (items, sum) = self.moved.entry(at).or_default();
            *items += sign;
            *sum += if sign < 0 { -amount } else { amount };
        }
    }

    /// Brings the counts of items up to date. The end of the audit trail is locked before, so that
    /// nobody else changes them meanwhile.
    pub fn write_counts(&mut self) -> Result<(), Problem> {
        let moved = std::mem::take(&mut self.moved);
        for ((run_no, signature_id, status), (items, sum)) in moved {
            if items == 0 && sum == 0.0 {
                continue;
            }
            self.tx.execute(
                "INSERT INTO recon.item_counts (run_no, signature_id, status, items, amount_sum) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run_no, signature_id, status) \
                 DO UPDATE SET items = item_counts.items + excluded.items, \
                 amount_sum = item_counts.amount_sum + excluded.amount_sum",
                &parameters![run_no, signature_id, status, items, sum],
            )?;
        }
        Ok(())
    }

    /// Takes items into a proposal: locked and PENDING.
    pub fn take(&mut self, items: &[&Item]) -> Result<(), Problem> {
        let keys: Vec<Key> = items.iter().map(|item| item.key).collect();
        for item in items {
            self.moves(item, Status::Pending);
        }
        let keys = keys.as_slice();
        self.update("status = 2, is_locked = $2, version = version + 1", keys, &[true.into()])
    }

    /// Locks items as they are: people have confirmed what the machine settled.
    pub fn hold(&mut self, items: &[&Item]) -> Result<(), Problem> {
        let keys: Vec<Key> = items.iter().map(|item| item.key).collect();
        self.update("is_locked = $2, version = version + 1", &keys, &[true.into()])
    }

    /// Gives items what people decided.
    pub fn settle(&mut self, items: &[&Item], settled: &Settled<'_>) -> Result<(), Problem> {
        let keys: Vec<Key> = items.iter().map(|item| item.key).collect();
        for item in items {
            self.moves(item, settled.status);
        }
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
        )
    }

    fn update(&mut self, set: &str, keys: &[Key], values: &[SqlValue]) -> Result<(), Problem> {
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

    /// Gives the items of a proposal back what they had, and gives them as they are then.
    pub fn restore(&mut self, proposal_id: &str, before: &[Item]) -> Result<Vec<Item>, Problem> {
        let place = match self.dialect() {
            Dialect::Sqlite => "d.id = p.run_no << 40 | p.number",
            Dialect::Postgres => "d.run_no = p.run_no AND d.number = p.number",
        };
        self.tx.execute(
            &format!(
                "UPDATE recon.difference_rows AS d SET status = p.prior_status, \
                 reason_id = p.prior_reason_id, functional = p.prior_functional, \
                 confidence = p.prior_confidence, assigner_id = p.prior_assigner_id, \
                 assigned_at = p.prior_assigned_at, is_locked = p.prior_locked, \
                 version = d.version + 1 \
                 FROM recon.proposal_items p WHERE p.proposal_id = $1 AND {place}"
            ),
            &parameters![proposal_id],
        )?;
        let keys: Vec<Key> = before.iter().map(|item| item.key).collect();
        let after = self.items(&keys, false)?;
        for (before, after) in before.iter().zip(&after) {
            self.moves(before, after.status);
        }
        Ok(after)
    }

    /// The number under which a person is known to the table of attributions.
    pub fn assigner(&mut self, person_id: &str) -> Result<i64, Problem> {
        self.tx.execute(
            "INSERT INTO recon.assigners (name, is_person) VALUES ($1, $2) \
             ON CONFLICT (name) DO NOTHING",
            &parameters![person_id, true],
        )?;
        let rows = self.tx.query(
            "SELECT assigner_id FROM recon.assigners WHERE name = $1",
            &parameters![person_id],
        )?;
        rows.first().map_or_else(
            || Err(Problem::new(Code::NoAssigner, "an assigner has vanished")),
            |row| row.count(0),
        )
    }

    /// The records of these items.
    pub fn records(&mut self, keys: &[Key]) -> Result<HashMap<(i64, i64), Record>, Problem> {
        let mut found = HashMap::new();
        let mut wanted: BTreeMap<(i64, i64), Vec<i64>> = BTreeMap::new();
        for key in keys {
            let record = key.record();
            let records = wanted.entry((key.run_no, (record - 1) / RECORDS)).or_default();
            if !records.contains(&record) {
                records.push(record);
            }
        }
        let mut runs: BTreeMap<i64, Vec<Key>> = BTreeMap::new();
        for (run_no, number) in wanted.keys() {
            runs.entry(*run_no).or_default().push(Key { run_no: *run_no, number: *number });
        }
        for (run_no, rows) in runs {
            let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
            let sql = match self.dialect() {
                Dialect::Sqlite => format!(
                    "SELECT d.id & 1099511627775, d.records FROM recon.record_rows d WHERE {}",
                    at_numbers(Dialect::Sqlite)
                ),
                Dialect::Postgres => format!(
                    "SELECT d.number, d.records FROM recon.record_rows d WHERE {}",
                    at_numbers(Dialect::Postgres)
                ),
            };
            let places = place_parameters(self.dialect(), run_no, &numbers);
            self.tx.query_each(&sql, &places, &mut |row| {
                let (chunk, text) = (row.count(0)?, row.required(1)?);
                let records = wanted.get(&(run_no, chunk)).map(Vec::as_slice).unwrap_or_default();
                Record::read(chunk, &text, records, |record, read| {
                    found.insert((run_no, record), read);
                })
            })?;
        }
        Ok(found)
    }
}

/// What people decided, as the row of an item keeps it.
#[derive(Clone, Debug)]
pub(super) struct Settled<'a> {
    pub status: Status,
    pub reason_id: i64,
    pub functional: bool,
    pub confidence: f64,
    pub assigner_id: i64,
    pub at: &'a str,
}

/// Numbers by run, ascending, each once: locks are taken in this order.
fn by_run(keys: &[Key]) -> BTreeMap<i64, Vec<i64>> {
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

fn at_numbers(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "d.id IN (SELECT value FROM json_each($1))",
        Dialect::Postgres => "d.run_no = $1 AND d.number = ANY($2::bigint[])",
    }
}

fn place_parameters(dialect: Dialect, run_no: i64, numbers: &[i64]) -> Vec<SqlValue> {
    let joined = |values: Vec<String>| values.join(",");
    match dialect {
        Dialect::Sqlite => {
            let ids = numbers.iter().map(|number| Key { run_no, number: *number }.row_id());
            vec![format!("[{}]", joined(ids.map(|id| id.to_string()).collect())).into()]
        }
        Dialect::Postgres => vec![
            run_no.into(),
            format!("{{{}}}", joined(numbers.iter().map(ToString::to_string).collect())).into(),
        ],
    }
}

/// A record's evidence.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// JSON arrays of values, in the order of the layout.
    pub sides: [Option<Vec<serde_json::Value>>; 2],
    /// Lines in the sources.
    pub lines: [Option<u64>; 2],
}

/// An entry of a row of records: kind, sides, line and offset on each side.
#[derive(serde::Deserialize)]
struct Entry<'a>(
    u8,
    #[serde(borrow)] Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)] Option<&'a serde_json::value::RawValue>,
    Option<u64>,
    serde::de::IgnoredAny,
    Option<u64>,
    serde::de::IgnoredAny,
);

impl Record {
    fn read(
        chunk: i64,
        text: &str,
        records: &[i64],
        mut each: impl FnMut(i64, Self),
    ) -> Result<(), Problem> {
        let damaged = |error: serde_json::Error| {
            Problem::new(Code::StoreDamaged, format!("a row of records can't be read: {error}"))
        };
        let entries: Vec<Option<Entry<'_>>> = serde_json::from_str(text).map_err(damaged)?;
        for record in records {
            let at = usize::try_from(record - 1 - chunk * RECORDS).unwrap_or(usize::MAX);
            let Some(Some(entry)) = entries.get(at) else { continue };
            let side = |raw: Option<&serde_json::value::RawValue>| {
                raw.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(damaged)
            };
            let a: Option<Vec<_>> = side(entry.1)?;
            let b = side(entry.2)?;
            let b = if entry.0 & 7 == 1 { b.or_else(|| a.clone()) } else { b };
            each(*record, Self { sides: [a, b], lines: [entry.3, entry.5] });
        }
        Ok(())
    }

    /// The reference of a side: its key parts joined by `|`.
    pub fn reference(&self, side: usize, layout: &Layout) -> Option<String> {
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
pub(super) fn keys_parameter(keys: &[Key]) -> SqlValue {
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
