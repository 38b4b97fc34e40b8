//! Batches: rows on their way into a store, in a form that either backend writes quickly.
//!
//! All texts of a batch share one buffer, so that making and freeing a batch of many thousand rows is
//! a handful of allocations.

use crate::domain::difference::names;
use crate::domain::gate::Gate;
use crate::domain::{Confidence, DiffType, FieldRef, Severity, Side, Status};

/// A piece of a batch's text buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    start: u32,
    end: u32,
}

names! {
    /// Which sides a record has, and why.
    RecordKind {
        /// Both sides.
        Pair = "PAIR" = 1,
        /// Side A alone: side B has no such key.
        OnlyA = "ONLY_A" = 2,
        /// Side B alone.
        OnlyB = "ONLY_B" = 3,
        /// A surplus row of side A.
        SurplusA = "SURPLUS_A" = 4,
        /// A surplus row of side B.
        SurplusB = "SURPLUS_B" = 5,
    }
}

/// A record to store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecordRow {
    /// Its number within the run, from 1, ascending within and over batches.
    pub number: u64,
    /// Which sides it has.
    pub kind: RecordKind,
    /// The evidence array of side A.
    pub a: Option<Text>,
    /// The evidence array of side B; for a pair `None` means: the same text as side A's.
    pub b: Option<Text>,
    /// The verdict, if the run is attributed in the same pass and the record has differences.
    pub gate: Option<Gate>,
    /// Whether it has differences (false while nobody has compared it).
    pub broken: bool,
    /// A row of the missing side with this key was rejected; that side's place is the rejected row's.
    pub partner_rejected: bool,
    /// Line and byte offset on side A.
    pub place_a: Option<(u64, u64)>,
    /// Line and byte offset on side B.
    pub place_b: Option<(u64, u64)>,
}

/// A difference to store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferenceRow {
    /// Its number within the run, from 1, ascending. Its attribution has the same number.
    pub number: u64,
    /// The number of its record.
    pub record: u64,
    /// The field it is about.
    pub field: FieldRef,
    /// What kind it is.
    pub diff_type: DiffType,
    /// How much it matters.
    pub severity: Severity,
    /// The canonical text of side A.
    pub value_a: Option<Text>,
    /// The canonical text of side B.
    pub value_b: Option<Text>,
    /// The machine's decision, where it is made in the same pass.
    pub attribution: Option<AttributionRow>,
}

/// What the machine decided about a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributionRow {
    /// The code of the reason.
    pub reason: Text,
    /// How sure.
    pub confidence: Confidence,
    /// Accepted or unknown.
    pub status: Status,
    /// Who says so, as `RULE:…`, `MODEL:…` or `NONE`.
    pub assigned_by: Text,
    /// The explanation as a JSON document, if there is one.
    pub explanation: Option<Text>,
}

/// A decision about a difference that is stored already (`recon attribute`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecisionRow {
    /// The number of the difference.
    pub number: u64,
    /// What the machine decided.
    pub attribution: AttributionRow,
}

/// A row that took no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Whose row.
    pub side: Side,
    /// The line on which it begins.
    pub line: u64,
    /// What kind of mistake.
    pub code: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The row as written, at most 4 KiB.
    pub text: String,
    /// Its key as a reference, if it could be read.
    pub key: Option<String>,
}

/// Rows to store, in one of three combinations: records with or without differences (`ingest`,
/// `run`), differences with the records they mark as broken (`diff`), or decisions with the verdicts
/// on their records (`attribute`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    text: String,
    /// New records.
    pub records: Vec<RecordRow>,
    /// New differences.
    pub differences: Vec<DifferenceRow>,
    /// Stored records that turned out to have differences, ascending.
    pub broken: Vec<u64>,
    /// Decisions on stored differences, ascending.
    pub decisions: Vec<DecisionRow>,
    /// Verdicts on stored records, ascending. Where a run is attributed again they only name the
    /// records to look at: their verdicts are computed from what then stands in the store, because
    /// people may have decided meanwhile.
    pub gates: Vec<(u64, Gate)>,
    /// Rejected rows.
    pub rejected: Vec<RejectedRow>,
}

impl Batch {
    /// A batch of nothing but rejected rows.
    pub fn of_rejected(rejected: Vec<RejectedRow>) -> Self {
        Self { rejected, ..Self::default() }
    }

    /// An empty batch with room for as much as `other` holds.
    pub fn like(other: &Self) -> Self {
        Self {
            text: String::with_capacity(other.text.len()),
            records: Vec::with_capacity(other.records.len()),
            differences: Vec::with_capacity(other.differences.len()),
            ..Self::default()
        }
    }

    /// Adds a text to the buffer.
    pub fn push(&mut self, text: &str) -> Text {
        self.build(|buffer| buffer.push_str(text))
    }

    /// Adds what `write` appends to the buffer.
    pub fn build(&mut self, write: impl FnOnce(&mut String)) -> Text {
        let start = self.text.len();
        write(&mut self.text);
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Text { start: position(start), end: position(self.text.len()) }
    }

    /// The text behind a reference into this batch.
    pub fn text(&self, text: Text) -> &str {
        self.text.get(text.start as usize..text.end as usize).unwrap_or_default()
    }

    /// Moves the numbers of new records and differences up by these amounts: a batch is made with
    /// numbers from 1 on, wherever it was made, and learns its place when it is written.
    pub fn renumber(&mut self, records: u64, differences: u64) {
        for record in &mut self.records {
            record.number += records;
        }
        for difference in &mut self.differences {
            difference.number += differences;
            difference.record += records;
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.differences.is_empty()
            && self.broken.is_empty()
            && self.decisions.is_empty()
            && self.gates.is_empty()
            && self.rejected.is_empty()
    }

    /// The bytes of text held, by which batches are kept to a size. At most 4 GiB fit.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }
}
