//! How a record was matched: pass, certificate, members of groups, and the candidates of an open row. A run stores it
//! as one JSON document beside the record's evidence.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::PerSide;

/// How a record was matched, or why not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Matched {
    /// The pass that matched it; none for an open row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// `one_to_one`, `one_to_many` and so on, by its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
    /// `UNIQUE`, `TIED` or `UNDETERMINED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Best solutions without it, counted to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternatives: Option<u32>,
    /// How far apart its sides are in the first near field: a number, days or seconds. Only where each side has one
    /// value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// Positions of fields that are not compared because a group's rows disagree in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<usize>,
    /// The reference of A's side, where that is not its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ref_a: Option<String>,
    /// The reference of B's side, where that is not its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ref_b: Option<String>,
    /// Origin of A's row, if it was carried from an earlier date; of a group its oldest row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_a: Option<Carried>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_b: Option<Carried>,
    /// A group's rows of A.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub a: Vec<Member>,
    /// A group's rows of B.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub b: Vec<Member>,
    /// Candidates of an open row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateRow>,
}

/// A row of a group, or of a tied candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    pub line: u64,
    pub offset: u64,
    #[serde(rename = "ref")]
    pub reference: String,
    /// The evidence array of its values.
    pub values: Box<RawValue>,
    /// Origin of the row, if it was carried from an earlier date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Carried>,
}

/// Origin of a row that was carried from an earlier date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    pub from: String,
    /// The number of its record in the previous date's run.
    pub record: u64,
    pub file: String,
    /// It had a partner on the previous date, and agreed with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agreed: bool,
}

/// Candidates of an open row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CandidateRow {
    /// The reference of the other row; several are joined by ` + `.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Why it was not taken, in a sentence.
    pub why: String,
    /// The field whose bound is missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// By how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The row that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<String>,
    /// The rows of a tied one, to choose between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Member>,
}

impl Matched {
    /// The reference of a side, where that is not its key.
    pub fn reference(&self, side: super::Side) -> Option<&str> {
        match side {
            super::Side::A => self.ref_a.as_deref(),
            super::Side::B => self.ref_b.as_deref(),
        }
    }

    /// Origin of a side's row, if it was carried.
    pub const fn carried(&self, side: super::Side) -> Option<&Carried> {
        match side {
            super::Side::A => self.carried_a.as_ref(),
            super::Side::B => self.carried_b.as_ref(),
        }
    }

    /// The earlier date since when it is open: that of its oldest row which had no partner or disagreed with it.
    pub fn open_since(&self) -> Option<&str> {
        let carried = self.carried_a.iter().chain(&self.carried_b).filter(|one| !one.agreed);
        carried.map(|one| one.from.as_str()).min()
    }

    /// How many rows a group has on each side.
    pub const fn members(&self) -> PerSide<usize> {
        PerSide { a: self.a.len(), b: self.b.len() }
    }
}
