//! Batches: rows on their way into a store, in a form that either backend writes quickly.
//!
//! All texts of a batch share one buffer, so that making and freeing a batch of many thousand rows is
//! a handful of allocations.

use crate::domain::difference::names;
use crate::domain::money::Fate;
use crate::domain::{Cells, Confidence, DiffType, FieldRef, Severity, Side, Status};

use super::StoredRecord;
use super::chunk::Entries;
use crate::diagnostic::Problem;

/// A piece of a batch's text buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    start: u32,
    end: u32,
}

names! {
    /// The sides of a record, and why.
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
        /// Several rows of a side, or of both, that were matched.
        Group = "GROUP" = 6,
    }
}

impl RecordKind {
    /// The rows of such a record.
    pub const fn fate(self) -> Fate {
        match self {
            Self::Pair | Self::Group => Fate::Matched,
            Self::OnlyA => Fate::Alone(Side::A),
            Self::OnlyB => Fate::Alone(Side::B),
            Self::SurplusA => Fate::Surplus(Side::A),
            Self::SurplusB => Fate::Surplus(Side::B),
        }
    }
}

/// A record to store. Records have no number here: they are numbered as they come, from 1 on.
#[derive(Clone, Copy, Debug)]
pub struct RecordRow<'a> {
    pub kind: RecordKind,
    pub a: Option<Cells<'a>>,
    pub b: Option<Cells<'a>>,
    /// A row of the missing side with this key was rejected; that side's place is the rejected row's.
    pub partner_rejected: bool,
    /// Line and byte offset on side A.
    pub place_a: Option<(u64, u64)>,
    /// Line and byte offset on side B.
    pub place_b: Option<(u64, u64)>,
    /// How it was matched, or could have been, as the JSON of a [`Matched`](crate::domain::Matched).
    pub matched: Option<&'a str>,
}

/// A difference to store. Its record and its field are its identity; see [`difference_number`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferenceRow {
    /// The number of its record. Differences come in the order of their records.
    pub record: u64,
    /// The identity of its row from date to date: see [`crate::domain::identity`].
    pub row: u64,
    pub field: FieldRef,
    pub diff_type: DiffType,
    pub severity: Severity,
    /// The canonical text of side A.
    pub value_a: Option<Text>,
    /// The canonical text of side B.
    pub value_b: Option<Text>,
    /// The amount at stake: the size of the difference of a monetary field.
    pub amount_abs: Option<f64>,
    /// The machine's decision, where it is made in the same pass.
    pub attribution: Option<AttributionRow>,
}

/// The machine's decision about a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributionRow {
    pub reason: Text,
    pub confidence: Confidence,
    /// Accepted or unknown.
    pub status: Status,
    /// The origin, as `RULE:…`, `MODEL:…` or `NONE`.
    pub assigned_by: Text,
    /// The explanation as a JSON document, if there is one.
    pub explanation: Option<Text>,
    /// Differences that are alike in all that matters to a decision have one signature: its key,
    /// and a label for people.
    pub signature: Option<(Text, Text)>,
}

/// A decision about a difference that is stored already (`recon attribute`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecisionRow {
    /// The number of the difference.
    pub number: u64,
    pub attribution: AttributionRow,
}

/// The bits of a difference's number that say which field of its record it is about.
pub const FIELD_BITS: u32 = 10;

/// The most fields a record may have, so that [`difference_number`] holds them.
pub const MAX_FIELDS: usize = (1 << FIELD_BITS) - 1;

/// The number of a difference within its run: its record's number, then 0 for the entire record or
/// the field's position and 1. So differences lie in the order of their records, and those of a
/// record are found by a range of numbers, without an index.
pub const fn difference_number(record: u64, field: FieldRef) -> u64 {
    let slot = match field {
        FieldRef::EntireRecord => 0,
        FieldRef::Field(position) => position as u64 + 1,
    };
    record << FIELD_BITS | slot
}

/// The numbers that differences of a record may have: from, to.
pub const fn difference_range(record: u64) -> (u64, u64) {
    (record << FIELD_BITS, record << FIELD_BITS | MAX_FIELDS as u64)
}

/// The record that a difference's number holds.
pub const fn record_of(difference: u64) -> u64 {
    difference >> FIELD_BITS
}

/// The field that a difference's number holds.
pub const fn field_of(difference: u64) -> FieldRef {
    match (difference & MAX_FIELDS as u64) as u16 {
        0 => FieldRef::EntireRecord,
        slot => FieldRef::Field(slot - 1),
    }
}

/// A row that took no part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RejectedRow {
    pub side: Side,
    /// The line on which it begins.
    pub line: u64,
    /// Where it is besides its line, as [`crate::domain::place`] packs it.
    pub offset: u64,
    pub code: String,
    /// The mistake, in a sentence.
    pub message: String,
    /// The row as written, at most 4 KiB.
    pub text: String,
    /// Its key as a reference, if it could be read.
    pub key: Option<String>,
}

/// Rows to store, in one of three combinations: records with or without differences (`ingest`,
/// `run`), differences (`diff`), or decisions (`attribute`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    text: String,
    /// New records in the form in which they are kept.
    pub(super) records: Entries,
    pub differences: Vec<DifferenceRow>,
    /// Decisions on stored differences, ascending.
    pub decisions: Vec<DecisionRow>,
    pub rejected: Vec<RejectedRow>,
    /// Identities of the matched rows from date to date, in any order.
    pub partners: Vec<u64>,
}

impl Batch {
    /// Adds a record and gives its number within the batch, from 1.
    pub fn record(&mut self, row: &RecordRow<'_>) -> u64 {
        self.records.push(row);
        self.records.len() as u64
    }

    /// Calls `each` for every new record, numbered from 1.
    ///
    /// # Errors
    /// `each` failed.
    pub fn each_record(
        &self,
        each: impl FnMut(&StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.records.each(each)
    }

    /// A batch of nothing but rejected rows.
    pub fn of_rejected(rejected: Vec<RejectedRow>) -> Self {
        Self { rejected, ..Self::default() }
    }

    /// Forgets everything and keeps the room for it: memory that has been used costs less than new.
    pub fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
        self.differences.clear();
        self.decisions.clear();
        self.rejected.clear();
        self.partners.clear();
    }

    /// Adds a text to the buffer.
    pub fn push(&mut self, text: &str) -> Text {
        self.build(|buffer| buffer.push_str(text))
    }

    /// Adds the output of `write` to the buffer, with the replacement character for U+0000, which not every store can
    /// hold.
    pub fn build(&mut self, write: impl FnOnce(&mut String)) -> Text {
        let start = self.text.len();
        write(&mut self.text);
        if self.text.get(start..).is_some_and(|new| memchr::memchr(0, new.as_bytes()).is_some()) {
            let clean =
                super::stored::clean(self.text.get(start..).unwrap_or_default()).into_owned();
            self.text.truncate(start);
            self.text.push_str(&clean);
        }
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Text { start: position(start), end: position(self.text.len()) }
    }

    /// The text behind a reference into this batch.
    pub fn text(&self, text: Text) -> &str {
        self.text.get(text.start as usize..text.end as usize).unwrap_or_default()
    }

    /// How many new records there are.
    pub fn record_count(&self) -> u64 {
        self.records.len() as u64
    }

    /// Adds this number to the record numbers of new differences: a batch is made with numbers from 1 on, and gets
    /// its place when it is written.
    pub fn renumber(&mut self, records: u64) {
        for difference in &mut self.differences {
            difference.record += records;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.records.len() == 0
            && self.differences.is_empty()
            && self.decisions.is_empty()
            && self.rejected.is_empty()
            && self.partners.is_empty()
    }

    /// The bytes of text held, by which batches are kept to a size. At most 4 GiB fit.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }
}
