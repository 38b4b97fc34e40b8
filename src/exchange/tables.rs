//! The tables of a result: their columns, in order. Reading and writing follow this one list.

use arrow_schema::DataType;

/// A table of the result. Rejected rows have a place of their own; members are of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Record,
    Difference,
    Attribution,
    Member,
    Rejected,
    Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Long,
    Real,
    Flag,
    Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(&'a str),
    Whole(i64),
    Real(f64),
    Flag(bool),
    Bytes(&'a [u8]),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<u64>> for Cell<'_> {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Null, |number| Self::Whole(number.cast_signed()))
    }
}

impl Type {
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Bytes => DataType::Binary,
        }
    }
}

use Type::{Bytes, Flag, Int, Long, Real, Text};

const RECORD: &[(&str, Type)] = &[
    ("source_a_ref_id", Text),
    ("source_b_ref_id", Text),
    ("normalized_data_a", Text),
    ("normalized_data_b", Text),
    ("line_a", Long),
    ("offset_a", Long),
    ("line_b", Long),
    ("offset_b", Long),
    ("gate_status", Text),
    ("kind", Text),
    ("partner_rejected", Flag),
    ("is_break", Flag),
    ("file_a", Text),
    ("file_b", Text),
    ("match_pass", Text),
    ("match_shape", Text),
    ("match_certificate", Text),
    ("match_alternatives", Int),
    ("members_a", Int),
    ("members_b", Int),
    ("match_details", Text),
    ("input_a", Int),
    ("input_b", Int),
];

const DIFFERENCE: &[(&str, Type)] = &[
    ("field", Int),
    ("field_name", Text),
    ("value_a", Text),
    ("value_b", Text),
    ("diff_type", Text),
    ("severity", Text),
];

const ATTRIBUTION: &[(&str, Type)] = &[
    ("reason_code", Text),
    ("confidence_score", Real),
    ("status", Text),
    ("assigned_by", Text),
    ("explanation", Text),
    ("signature", Text),
    ("signature_label", Text),
    ("amount_abs", Real),
];

const MEMBER: &[(&str, Type)] = &[
    ("side", Text),
    ("file", Text),
    ("line", Long),
    ("offset", Long),
    ("ref_id", Text),
    ("normalized_data", Text),
    ("input", Int),
];

const REJECTED: &[(&str, Type)] = &[
    ("side", Text),
    ("file", Text),
    ("line", Long),
    ("offset", Long),
    ("code", Text),
    ("text", Text),
    ("message", Text),
    ("key", Text),
    ("input", Int),
];

impl Table {
    pub const ALL: [Self; 6] = [
        Self::Record,
        Self::Difference,
        Self::Attribution,
        Self::Member,
        Self::Rejected,
        Self::Counts,
    ];

    /// The column of the result stream.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Difference => "difference",
            Self::Attribution => "attribution",
            Self::Member => "member",
            Self::Rejected => "rejected",
            Self::Counts => "counts",
        }
    }

    /// The folder or file of the table in a stored result.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Record => "records",
            Self::Difference => "differences",
            Self::Attribution => "attributions",
            Self::Member => "members",
            Self::Rejected => "rejected",
            Self::Counts => "counts",
        }
    }

    /// The columns with their types; counts are one column.
    pub(super) const fn columns(self) -> &'static [(&'static str, Type)] {
        match self {
            Self::Record => RECORD,
            Self::Difference => DIFFERENCE,
            Self::Attribution => ATTRIBUTION,
            Self::Member => MEMBER,
            Self::Rejected => REJECTED,
            Self::Counts => &[("counts", Bytes)],
        }
    }
}
