//! The tables of the review: items, proposals, the queue, notes about items, and the audit trail for searching.
//!
//! [`ReviewTables`] is one transaction with a cache of its reads. It answers with plain types and decides nothing:
//! permissions and visibility are `review`'s.

mod ages;
mod bits;
mod condition;
mod counts;
mod few;
pub(super) mod figures;
mod history;
mod holders;
mod items;
mod links;
mod memory;
mod moved;
mod notes;
mod orders;
mod proposals;
mod query;
mod queue;
mod ranked;
mod reports;
mod requests;
mod saved;
mod search;
mod sections;
mod trail;
mod unlisted;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value as Json;

use crate::diagnostic::{Code, Problem};
use crate::domain::metadata::{self, Source};
use crate::domain::{FieldRef, Layout, MoneyFields, PerSide};

use super::rows::parameters;
use super::transact::{Dialect, SqlRow, Transaction};

pub(crate) use super::layout::ItemKey;
pub(crate) use counts::{HeadCount, KindCount, RowCount, SignatureCount};
pub(crate) use few::{ByKind, HeldItem};
pub(crate) use items::{Item, Record, Settled};
pub(super) use items::{at_numbers, place_parameters};
pub(crate) use links::Before;
pub(super) use links::carry_matches;
pub(crate) use memory::{FoundItems, RunItems};
pub use memory::{LEAST_IN_MEMORY, LEAST_WALKED};
pub(crate) use moved::InCurrency;
pub(crate) use proposals::{
    Approval, NewProposalItem, Prior, Proposal, ProposalItem, ProposalQuery,
};
pub(crate) use query::{Aged, Condition, ItemOrder, ItemQuery, Position};
pub(crate) use reports::{Between, Finding, decisions_of};
pub(crate) use requests::{BulkPreviewRow, KeptAnswer, Refused, policy_in_force};
pub(crate) use search::{SearchText, cell_text};
pub(crate) use trail::AuditQuery;

#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub run_no: i64,
    pub run_id: String,
    pub job: String,
    pub batch_date: String,
    pub systems: [String; 2],
    pub layout: Layout,
    /// The positions of the fields that are amounts of money.
    pub monetary: Vec<usize>,
    /// The totals that its differences move.
    pub money: MoneyFields,
    record_prefix: String,
    difference_prefix: String,
    attribution_prefix: String,
    pub attributed_at: String,
}

impl Run {
    /// A run of records with these fields.
    #[cfg(test)]
    pub(crate) fn for_tests(layout: Layout) -> Self {
        let text = String::new;
        Self {
            run_no: 1,
            run_id: text(),
            job: text(),
            batch_date: text(),
            systems: [text(), text()],
            layout,
            monetary: Vec::new(),
            money: MoneyFields::default(),
            record_prefix: text(),
            difference_prefix: text(),
            attribution_prefix: text(),
            attributed_at: text(),
        }
    }

    /// The run of this number.
    pub(super) fn find(tx: &mut dyn Transaction, run_no: i64) -> Result<Self, Problem> {
        let sql = format!("{RUN} WHERE run_no = $1");
        tx.find(&sql, &parameters![run_no], read_run)?.ok_or_else(|| {
            Problem::new(Code::StoreDamaged, format!("there is no run with the number {run_no}"))
        })
    }

    pub fn attribution_id(&self, key: ItemKey) -> String {
        format!("{}{:012x}", self.attribution_prefix, key.number)
    }

    pub fn difference_id(&self, key: ItemKey) -> String {
        format!("{}{:012x}", self.difference_prefix, key.number)
    }

    pub fn record_id(&self, key: ItemKey) -> String {
        format!("{}{:012x}", self.record_prefix, key.record())
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
pub(crate) struct Reason {
    pub reason_id: i64,
    pub code: String,
    pub description: String,
    pub functional: bool,
    pub active: bool,
    pub origin: String,
    pub closes: bool,
}

/// The values that similar items share. Stored as a JSON array of job, field, type, reason, pattern, severity and
/// whether the field is an amount of money.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signature {
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
    fn read(row: &SqlRow) -> Result<Self, Problem> {
        let parts: Vec<String> = serde_json::from_str(&row.required(1)?).unwrap_or_default();
        let mut parts = parts.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let (job, field, diff_type, reason) = (part(), part(), part(), part());
        Ok(Self {
            signature_id: row.count(0)?,
            label: row.required(2)?,
            job,
            field,
            diff_type,
            reason,
            severity: parts.nth(1).unwrap_or_default(),
            monetary: parts.next().is_some_and(|part| part == "monetary"),
        })
    }
}

/// A transaction, with a cache of its reads.
pub(crate) struct ReviewTables<'t> {
    /// For other tables: people and the audit trail.
    pub tx: &'t mut dyn Transaction,
    reasons: Option<Rc<Vec<Reason>>>,
    runs: HashMap<i64, Rc<Run>>,
    /// Runs that are locked, and whether each is current.
    current: HashMap<i64, bool>,
    signatures: HashMap<i64, Rc<Signature>>,
    /// The runs that have left the queue, but for some items.
    left: Option<Rc<HashSet<i64>>>,
    /// The runs that are in no index.
    unlisted: Option<Rc<HashSet<i64>>>,
    /// By text and runs, the records that may contain a text.
    held: HashMap<(String, Vec<i64>), Rc<Vec<ItemKey>>>,
    /// Of the last text that was searched, the records that may contain it by runs and parts of the index.
    candidates: Option<(String, search::PartRecords)>,
    /// The kept counts of undecided items.
    undecided: Option<Rc<Vec<KindCount>>>,
    /// Large runs as they are in memory, if they can be.
    kept_runs: HashMap<i64, Option<Arc<memory::RunItems>>>,
    /// Runs with fewer items are read from the store: the same ones in all of a transaction.
    least_in_memory: u64,
    /// The last query that memory answered, and its items.
    in_memory: Option<(ItemQuery, Rc<memory::FoundItems>)>,
    /// Items were changed, so that memory has them no longer.
    has_written: bool,
    /// Items and amounts that came and went, by run, signature and status.
    moved: BTreeMap<(i64, i64, u8), (i64, f64)>,
    /// The runs and signatures that some undecided items returned to.
    returned: BTreeSet<(i64, i64)>,
    figures: figures::Moved,
}

const RUN: &str = "SELECT run_no, run_id, job, batch_date, source_system_a, source_system_b, layout, \
     key_length, record_prefix, difference_prefix, attribution_prefix, attributed_at, \
     CAST(metadata -> 'configuration' -> 'fields' AS text), \
     CAST(metadata -> 'money_fields' AS text) \
     FROM recon.recon_runs";

fn read_run(row: &SqlRow) -> Result<Run, Problem> {
    let layout = super::read_layout(&row.required(6)?, row.count(7)?)?;
    let fields: serde_json::Value =
        row.str(12)?.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_money = |name: &str| {
        let monetary = &fields[name]["monetary"];
        *monetary == true || *monetary == "true"
    };
    let all = layout.fields().iter().enumerate();
    let monetary = all.filter(|(_, field)| is_money(&field.name)).map(|(at, _)| at).collect();
    Ok(Run {
        run_no: row.count(0)?,
        run_id: row.required(1)?,
        job: row.required(2)?,
        batch_date: row.required(3)?,
        systems: [row.required(4)?, row.required(5)?],
        layout,
        monetary,
        money: row.str(13)?.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
        record_prefix: row.required(8)?,
        difference_prefix: row.required(9)?,
        attribution_prefix: row.required(10)?,
        attributed_at: row.text(11)?.unwrap_or_default(),
    })
}

fn read_key(row: &SqlRow) -> Result<ItemKey, Problem> {
    Ok(ItemKey { run_no: row.count(0)?, number: row.count(1)? })
}

impl<'t> ReviewTables<'t> {
    pub fn new(tx: &'t mut dyn Transaction) -> Self {
        Self {
            tx,
            reasons: None,
            runs: HashMap::new(),
            current: HashMap::new(),
            signatures: HashMap::new(),
            left: None,
            unlisted: None,
            held: HashMap::new(),
            candidates: None,
            undecided: None,
            kept_runs: HashMap::new(),
            least_in_memory: LEAST_IN_MEMORY.load(Ordering::Relaxed),
            in_memory: None,
            has_written: false,
            moved: BTreeMap::new(),
            returned: BTreeSet::new(),
            figures: figures::Moved::default(),
        }
    }

    fn dialect(&self) -> Dialect {
        self.tx.dialect()
    }

    /// The catalogue of reasons.
    pub fn reasons(&mut self) -> Result<Rc<Vec<Reason>>, Problem> {
        if let Some(reasons) = &self.reasons {
            return Ok(Rc::clone(reasons));
        }
        let reasons = Rc::new(self.tx.list(
            "SELECT reason_id, code, description, is_functional, is_active, origin, \
             closes FROM recon.reason_codes ORDER BY code",
            &[],
            |row| {
                Ok(Reason {
                    reason_id: row.count(0)?,
                    code: row.required(1)?,
                    description: row.required(2)?,
                    functional: row.boolean(3)?,
                    active: row.boolean(4)?,
                    origin: row.required(5)?,
                    closes: row.boolean(6)?,
                })
            },
        )?);
        self.reasons = Some(Rc::clone(&reasons));
        Ok(reasons)
    }

    pub fn reason(&mut self, reason_id: i64) -> Result<Option<Reason>, Problem> {
        Ok(self.reasons()?.iter().find(|reason| reason.reason_id == reason_id).cloned())
    }

    pub fn reason_by_code(&mut self, code: &str) -> Result<Option<Reason>, Problem> {
        Ok(self.reasons()?.iter().find(|reason| reason.code == code).cloned())
    }

    /// The reason UNKNOWN, which always exists.
    pub fn unknown_reason(&mut self) -> Result<Reason, Problem> {
        self.reason_by_code(crate::domain::attribution::UNKNOWN)?.ok_or_else(|| {
            Problem::new(Code::UnknownReason, "the catalogue lacks the reason UNKNOWN")
        })
    }

    /// Adds a reason that people approved.
    pub fn add_reason(
        &mut self,
        code: &str,
        description: &str,
        functional: bool,
        closes: bool,
    ) -> Result<(), Problem> {
        self.tx.execute(
            "INSERT INTO recon.reason_codes (code, description, is_functional, is_active, origin, \
             closes) VALUES ($1, $2, $3, $4, 'people', $5)",
            &parameters![code, description, functional, true, closes],
        )?;
        self.reasons = None;
        Ok(())
    }

    /// The sources of a run, by side.
    pub fn sources(&mut self, run_no: i64) -> Result<PerSide<Source>, Problem> {
        let sql = "SELECT metadata ->> 'sources' FROM recon.recon_runs WHERE run_no = $1";
        let text = self.tx.find(sql, &parameters![run_no], |row| row.text(0))?.flatten();
        let sources: Json =
            text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let of = |side: &str| metadata::piece(&sources, side).unwrap_or_default();
        Ok(PerSide { a: of("a"), b: of("b") })
    }

    pub fn run(&mut self, run_no: i64) -> Result<Rc<Run>, Problem> {
        if let Some(run) = self.runs.get(&run_no) {
            return Ok(Rc::clone(run));
        }
        let run = Rc::new(Run::find(self.tx, run_no)?);
        self.runs.insert(run_no, Rc::clone(&run));
        Ok(run)
    }

    /// The attributed run of this id.
    pub fn run_by_id(&mut self, run_id: &str) -> Result<Option<Rc<Run>>, Problem> {
        let Ok(run_id) = run_id.parse::<uuid::Uuid>() else { return Ok(None) };
        let sql = format!("{RUN} WHERE run_id = $1 AND stage = 'ATTRIBUTED'");
        let run = self.tx.find(&sql, &parameters![run_id.to_string()], read_run)?.map(Rc::new);
        self.runs.extend(run.iter().map(|run| (run.run_no, Rc::clone(run))));
        Ok(run)
    }

    /// The attributed runs that no newer one has superseded, newest first.
    pub fn current_runs(&mut self) -> Result<Vec<Rc<Run>>, Problem> {
        let sql = format!(
            "{RUN} WHERE stage = 'ATTRIBUTED' AND superseded_by IS NULL ORDER BY run_no DESC"
        );
        let runs = self.tx.list(&sql, &[], |row| read_run(row).map(Rc::new))?;
        self.runs.extend(runs.iter().map(|run| (run.run_no, Rc::clone(run))));
        Ok(runs)
    }

    /// How many attributed runs there are, superseded ones too.
    pub fn count_attributed_runs(&mut self) -> Result<i64, Problem> {
        self.tx.count("SELECT count(*) FROM recon.recon_runs WHERE stage = 'ATTRIBUTED'", &[])
    }

    pub fn is_current_run(&mut self, run_no: i64) -> Result<bool, Problem> {
        let sql = "SELECT superseded_by FROM recon.recon_runs WHERE run_no = $1";
        let superseded = self.tx.find(sql, &parameters![run_no], |row| row.text(0))?;
        Ok(superseded.is_some_and(|by| by.is_none()))
    }

    /// True if a run is current, and stays so until the transaction ends. A run that would supersede it waits, and
    /// then carries the decision.
    pub fn stays_current(&mut self, run_no: i64) -> Result<bool, Problem> {
        if let Some(current) = self.current.get(&run_no) {
            return Ok(*current);
        }
        let lock = match self.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR SHARE",
        };
        let sql = format!("SELECT superseded_by FROM recon.recon_runs WHERE run_no = $1{lock}");
        let superseded = self.tx.find(&sql, &parameters![run_no], |row| row.text(0))?;
        let current = superseded.is_some_and(|by| by.is_none());
        self.current.insert(run_no, current);
        Ok(current)
    }

    pub fn signature(&mut self, signature_id: i64) -> Result<Option<Rc<Signature>>, Problem> {
        if let Some(signature) = self.signatures.get(&signature_id) {
            return Ok(Some(Rc::clone(signature)));
        }
        let sql = "SELECT signature_id, signature, label FROM recon.signatures \
                   WHERE signature_id = $1";
        let found = self.tx.find(sql, &parameters![signature_id], Signature::read)?.map(Rc::new);
        self.signatures.extend(found.iter().map(|found| (signature_id, Rc::clone(found))));
        Ok(found)
    }

    /// All signatures. There are as many as kinds of differences, not as many as differences.
    pub fn signatures(&mut self) -> Result<Vec<Rc<Signature>>, Problem> {
        let sql =
            "SELECT signature_id, signature, label FROM recon.signatures ORDER BY signature_id";
        let all = self.tx.list(sql, &[], |row| Signature::read(row).map(Rc::new))?;
        self.signatures.extend(all.iter().map(|one| (one.signature_id, Rc::clone(one))));
        Ok(all)
    }

    /// The number of a person as the giver of reasons.
    pub fn assigner(&mut self, person_id: &str) -> Result<i64, Problem> {
        self.tx.execute(
            "INSERT INTO recon.assigners (name, is_person) VALUES ($1, $2) \
             ON CONFLICT (name) DO NOTHING",
            &parameters![person_id, true],
        )?;
        let sql = "SELECT assigner_id FROM recon.assigners WHERE name = $1";
        let found = self.tx.find(sql, &parameters![person_id], |row| row.count(0))?;
        found.ok_or_else(|| Problem::new(Code::NoAssigner, "an assigner has vanished"))
    }
}
