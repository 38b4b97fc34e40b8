//! Typed values: the contents of a cell after reading and normalizing.

use std::fmt;

use super::{Date, Decimal, Instant};

/// The type of a canonical field.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Unicode text.
    Text,
    /// An exact decimal number.
    Decimal,
    /// A whole number of up to 38 digits.
    Integer,
    /// A calendar day.
    Date,
    /// A point in time.
    Datetime,
    /// True or false.
    Boolean,
}

impl Kind {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Decimal, Self::Integer, Self::Date, Self::Datetime, Self::Boolean];

    /// The name in `recon.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Decimal => "decimal",
            Self::Integer => "integer",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Boolean => "boolean",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value that borrows its text.
///
/// `Display` is the canonical text (`value_a`, `value_b` in the tables): decimals at their written
/// scale, ISO dates, RFC 3339 UTC instants, `true`/`false`, unparsable values as written, and
/// nothing at all for null (use [`Cell::text`] where null must stay apart from empty text).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value: a type of its own, never a marker text.
    Null,
    Text(&'a str),
    Decimal(Decimal),
    Integer(i128),
    Date(Date),
    Instant(Instant),
    Boolean(bool),
    /// A text that the field's type can't parse, as written.
    Unparsed(&'a str),
}

impl<'a> Cell<'a> {
    /// The canonical text, `None` for null.
    pub fn text(self) -> Option<String> {
        match self {
            Cell::Null => None,
            Cell::Text(text) | Cell::Unparsed(text) => Some(text.to_owned()),
            other => Some(other.to_string()),
        }
    }

    pub const fn is_null(self) -> bool {
        matches!(self, Cell::Null)
    }

    pub const fn is_unparsed(self) -> bool {
        matches!(self, Cell::Unparsed(_))
    }

    /// The number, where the value is a decimal or an integer.
    pub fn number(self) -> Option<Decimal> {
        match self {
            Cell::Decimal(value) => Some(value),
            Cell::Integer(value) => Decimal::new(value, 0),
            _ => None,
        }
    }

    /// An owned copy.
    #[inline]
    pub fn to_value(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Text(text) => Value::Text(text.to_owned()),
            Cell::Decimal(value) => Value::Decimal(value),
            Cell::Integer(value) => Value::Integer(value),
            Cell::Date(value) => Value::Date(value),
            Cell::Instant(value) => Value::Instant(value),
            Cell::Boolean(value) => Value::Boolean(value),
            Cell::Unparsed(text) => Value::Unparsed(text.to_owned()),
        }
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => Ok(()),
            Cell::Text(text) | Cell::Unparsed(text) => f.write_str(text),
            Cell::Decimal(value) => value.fmt(f),
            Cell::Integer(value) => value.fmt(f),
            Cell::Date(value) => value.fmt(f),
            Cell::Instant(value) => value.fmt(f),
            Cell::Boolean(value) => value.fmt(f),
        }
    }
}

/// A value that owns its text; see [`Cell`] for the meaning of each.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Decimal(Decimal),
    Integer(i128),
    Date(Date),
    Instant(Instant),
    Boolean(bool),
    /// A text that the field's type can't parse.
    Unparsed(String),
}

impl Value {
    /// The same value, borrowed.
    pub fn as_cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(text),
            Self::Decimal(value) => Cell::Decimal(*value),
            Self::Integer(value) => Cell::Integer(*value),
            Self::Date(value) => Cell::Date(*value),
            Self::Instant(value) => Cell::Instant(*value),
            Self::Boolean(value) => Cell::Boolean(*value),
            Self::Unparsed(text) => Cell::Unparsed(text),
        }
    }
}
