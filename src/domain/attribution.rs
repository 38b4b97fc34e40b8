//! Attributions: the reason given to a difference, its confidence, its status and who gave it.

use std::fmt;

use super::difference::names;

/// The code of differences without a known cause.
pub const UNKNOWN: &str = "UNKNOWN";

/// The label of rejected differences: confirmed breaks that no reason explains. A model may learn
/// it, but it is not a reason code; a prediction of it becomes UNKNOWN.
pub const NO_REASON: &str = "NONE";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonCode {
    /// `UPPER_SNAKE_CASE` name.
    pub code: String,
    /// Business explains it (rounding, timing, FX); otherwise it is an error to be mended.
    pub functional: bool,
    /// A sentence for people.
    pub description: String,
    /// An open item to which people give it does not take part again.
    pub closes: bool,
}

/// A probability in 0..=1, never NaN.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// Not sure at all.
    pub const ZERO: Self = Self(0.0);
    /// Certain.
    pub const ONE: Self = Self(1.0);

    /// The confidence `value`, if it is within 0..=1.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

names! {
    Status {
        /// No reason is certain enough.
        Unknown = "UNKNOWN" = 1,
        /// People are deciding: exactly one proposal is open.
        Pending = "PENDING" = 2,
        /// The cause is settled.
        Accepted = "ACCEPTED" = 3,
        /// A confirmed break that no reason explains.
        Rejected = "REJECTED" = 4,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AssignedBy {
    /// The rule function of this name.
    Rule(String),
    /// The model of this version.
    Model(String),
    /// No rule or model gave a reason.
    Nobody,
    Person(String),
}

impl AssignedBy {
    /// Reads the output of [`Display`](fmt::Display).
    pub fn parse(text: &str) -> Self {
        if text == "NONE" {
            Self::Nobody
        } else if let Some(function) = text.strip_prefix("RULE:") {
            Self::Rule(function.to_owned())
        } else if let Some(version) = text.strip_prefix("MODEL:") {
            Self::Model(version.to_owned())
        } else {
            Self::Person(text.to_owned())
        }
    }

    /// `rule`, `model`, `none` or `person`, the keys of `by_source`, from the output of [`Display`](fmt::Display).
    pub fn source_of(text: &str) -> &'static str {
        match text {
            "NONE" => "none",
            _ if text.starts_with("RULE:") => "rule",
            _ if text.starts_with("MODEL:") => "model",
            _ => "person",
        }
    }

    /// Compares with the output of [`Display`](fmt::Display), without writing it.
    pub fn is_written(&self, text: &str) -> bool {
        match self {
            Self::Rule(function) => text.strip_prefix("RULE:") == Some(function),
            Self::Model(version) => text.strip_prefix("MODEL:") == Some(version),
            Self::Nobody => text == "NONE",
            Self::Person(person) => text == person,
        }
    }
}

impl fmt::Display for AssignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(function) => write!(f, "RULE:{function}"),
            Self::Model(version) => write!(f, "MODEL:{version}"),
            Self::Nobody => f.write_str("NONE"),
            Self::Person(person) => f.write_str(person),
        }
    }
}

/// The attribution that rules and model give to a difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The reason's code, or [`UNKNOWN`].
    pub reason: String,
    /// 0 without a reason.
    pub confidence: Confidence,
    /// `Accepted` or `Unknown`; other statuses come from users.
    pub status: Status,
    /// The rule or model.
    pub assigned_by: AssignedBy,
    /// Sentences for the explanation: the rule's notes, why it was not accepted, a script's error.
    pub notes: Vec<String>,
    /// The model's explanation as a JSON object, where the model was asked.
    pub model: Option<String>,
}
