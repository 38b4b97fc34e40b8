//! Parameters of path, query and headers. One definition documents and validates them.

use regex::Regex;
use serde_json::{Value, json};

use crate::store::run_reference::RunReference;

use crate::diagnostic::Code;
use crate::review::Idempotency;

use super::error::Denied;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    Path,
    Query,
    Header,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// At most this many characters.
    Text(usize),
    /// Matches this anchored, bounded pattern.
    Pattern(&'static str),
    /// A run by its id, the beginning of its id, or `latest`. Handlers get the id.
    Run,
    /// An integer between these, inclusive.
    Integer(i64, i64),
    Number(f64, f64),
    One(Vec<&'static str>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub location: Location,
    pub name: &'static str,
    pub description: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// May be given several times.
    pub many: bool,
    pub example: Option<&'static str>,
}

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

pub const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

const RUN: &str = "^([Ll][Aa][Tt][Ee][Ss][Tt]|[0-9A-Fa-f-]{1,36})$";

impl Parameter {
    fn new(location: Location, name: &'static str, description: &'static str, kind: Kind) -> Self {
        let required = location == Location::Path;
        Self { location, name, description, kind, required, many: false, example: None }
    }

    pub fn path(name: &'static str, description: &'static str, kind: Kind) -> Self {
        Self::new(Location::Path, name, description, kind)
    }

    pub fn id(name: &'static str, description: &'static str) -> Self {
        Self::path(name, description, Kind::Pattern(UUID))
    }

    pub fn run(name: &'static str) -> Self {
        let description = "The run: its id, the beginning of its id, or `latest`";
        Self::path(name, description, Kind::Run)
    }

    pub fn query(name: &'static str, description: &'static str, kind: Kind) -> Self {
        Self::new(Location::Query, name, description, kind)
    }

    pub fn header(name: &'static str, description: &'static str, kind: Kind) -> Self {
        Self::new(Location::Header, name, description, kind)
    }

    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    #[must_use]
    pub fn many(mut self) -> Self {
        self.many = true;
        self
    }

    #[must_use]
    pub fn example(mut self, value: &'static str) -> Self {
        self.example = Some(value);
        self
    }

    pub fn limit() -> Self {
        Self::query("limit", "Page size", Kind::Integer(1, 200)).example("50")
    }

    pub fn cursor() -> Self {
        Self::query(
            "cursor",
            "The position after the previous page, from its `next`",
            Kind::Pattern("^[A-Za-z0-9_.~=-]{1,2000}$"),
        )
    }

    pub fn if_match() -> Self {
        Self::header("If-Match", "The version that you saw, from `ETag`", Kind::Text(200))
            .required()
    }

    pub fn if_none_match() -> Self {
        Self::header("If-None-Match", "The version that you have, from `ETag`", Kind::Text(2000))
    }

    pub fn idempotency_key() -> Self {
        Self::header(
            IDEMPOTENCY_KEY,
            "A repeated request with the same key gets the first answer again, for 24 hours",
            Kind::Pattern(Idempotency::PATTERN),
        )
    }

    pub fn schema(&self) -> Value {
        match &self.kind {
            Kind::Text(most) => {
                let least = usize::from(self.location == Location::Path);
                json!({ "type": "string", "minLength": least, "maxLength": most })
            }
            Kind::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
            Kind::Run => json!({ "type": "string", "pattern": RUN }),
            Kind::Integer(least, most) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Kind::Number(least, most) => {
                json!({ "type": "number", "minimum": least, "maximum": most })
            }
            Kind::One(values) => json!({ "type": "string", "enum": values }),
        }
    }

    pub fn validate(&self, value: &str) -> Result<(), Denied> {
        let expected = match &self.kind {
            _ if value.contains('\0') => Some("a text without NUL characters".to_owned()),
            Kind::Text(most) => {
                (value.chars().count() > *most).then(|| format!("at most {most} characters"))
            }
            Kind::Pattern(pattern) => {
                let fits = Regex::new(pattern).is_ok_and(|regex| regex.is_match(value));
                (!fits).then(|| format!("text matching {pattern}"))
            }
            Kind::Run => value
                .parse::<RunReference>()
                .is_err()
                .then(|| "the id of a run, the beginning of one, or `latest`".to_owned()),
            Kind::Integer(least, most) => {
                let plain = value.strip_prefix('-').unwrap_or(value);
                let digits = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse::<i64>().ok().filter(|_| digits);
                (!number.is_some_and(|number| (*least..=*most).contains(&number)))
                    .then(|| format!("an integer from {least} to {most}"))
            }
            Kind::Number(least, most) => {
                let plain = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
                let number = value.parse::<f64>().ok().filter(|_| value.bytes().all(plain));
                (!number.is_some_and(|number| (*least..=*most).contains(&number)))
                    .then(|| format!("a number from {least} to {most}"))
            }
            Kind::One(values) => {
                (!values.contains(&value)).then(|| format!("one of {}", values.join(", ")))
            }
        };
        match expected {
            None => Ok(()),
            Some(_) if self.location == Location::Path => Err(Denied::not_found()),
            Some(expected) => {
                let denied = Denied::invalid(self.name, format!("must be {expected}"));
                let is_key = self.name == IDEMPOTENCY_KEY;
                Err(if is_key { denied.coded(Code::InvalidIdempotencyKey) } else { denied })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_validated() {
        let judge =
            |kind: Kind, value: &str| Parameter::query("x", "", kind).validate(value).is_ok();
        for (kind, good, bad) in [
            (Kind::Text(3), vec!["", "abc", "äöü"], vec!["abcd", "a\0"]),
            (
                Kind::Integer(1, 200),
                vec!["1", "200"],
                vec!["0", "201", "", "1.0", "+1", "1e2", "x"],
            ),
            (Kind::Number(0.0, 1.0), vec!["0", "0.5", "1e-3"], vec!["NaN", "inf", "", "2", "x"]),
            (Kind::One(vec!["a", "b"]), vec!["a"], vec!["", "A", "c"]),
            (
                Kind::Pattern(UUID),
                vec!["0190b5a0-0000-7000-8000-00000000000a"],
                vec!["", "0190b5a0", "0190B5A0-0000-7000-8000-00000000000A"],
            ),
            (
                Kind::Run,
                vec!["latest", "0190b5a0-0000-7000-8000-00000000000a", "0190B5", "0190b5a0-"],
                vec!["", "newest", "0190g", "-", "0190b5a0-0000-7000-8000-00000000000a0"],
            ),
        ] {
            for value in good {
                assert!(judge(kind.clone(), value), "{kind:?}: {value}");
            }
            for value in bad {
                assert!(!judge(kind.clone(), value), "{kind:?}: {value}");
            }
        }
        assert_eq!(Parameter::id("id", "").validate("x").unwrap_err().status, 404);
    }
}
