//! What varies in a request's path, query and headers: named, described and judged in one place, so
//! that the document says what the server does.

use regex::Regex;
use serde_json::{Value, json};

use crate::store::run_reference::RunReference;

use super::error::Denied;

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A text of at most so many characters.
    Text(usize),
    /// A text of this pattern; the pattern is anchored and bounded.
    Pattern(&'static str),
    /// A run: its id, the beginning of its id, or `latest`. Handlers get the id.
    Run,
    /// A whole number between these.
    Integer(i64, i64),
    /// A number between these.
    Number(f64, f64),
    /// One of these.
    One(Vec<&'static str>),
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Where it stands.
    pub place: Place,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// A value as an example.
    pub example: Option<&'static str>,
}

/// The form of ids.
pub const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/// The forms of runs.
const RUN: &str = "^([Ll][Aa][Tt][Ee][Ss][Tt]|[0-9A-Fa-f-]{1,36})$";

impl Parameter {
    fn new(place: Place, name: &'static str, description: &'static str, kind: Kind) -> Self {
        let required = place == Place::Path;
        Self { place, name, description, kind, required, example: None }
    }

    /// A name in the path.
    pub fn path(name: &'static str, description: &'static str, kind: Kind) -> Self {
        Self::new(Place::Path, name, description, kind)
    }

    /// An id in the path.
    pub fn id(name: &'static str, description: &'static str) -> Self {
        Self::path(name, description, Kind::Pattern(UUID))
    }

    /// A run in the path.
    pub fn run(name: &'static str) -> Self {
        let description = "The run: its id, the beginning of its id, or `latest`";
        Self::path(name, description, Kind::Run)
    }

    /// A name in the query.
    pub fn query(name: &'static str, description: &'static str, kind: Kind) -> Self {
        Self::new(Place::Query, name, description, kind)
    }

    /// A header.
    pub fn header(name: &'static str, description: &'static str, kind: Kind) -> Self {
        Self::new(Place::Header, name, description, kind)
    }

    /// The same parameter, which must be there.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same parameter with an example.
    #[must_use]
    pub fn example(mut self, value: &'static str) -> Self {
        self.example = Some(value);
        self
    }

    /// How many elements a page of a list has.
    pub fn limit() -> Self {
        Self::query("limit", "How many at most", Kind::Integer(1, 200)).example("50")
    }

    /// Where a page of a list begins.
    pub fn cursor() -> Self {
        Self::query(
            "cursor",
            "Where the page before ended, as its link `next` says",
            Kind::Pattern("^[A-Za-z0-9_.~=-]{1,2000}$"),
        )
    }

    /// The version that the client saw.
    pub fn if_match() -> Self {
        Self::header("If-Match", "The version that was seen, from `ETag`", Kind::Text(200))
            .required()
    }

    /// The version that the client has.
    pub fn if_none_match() -> Self {
        Self::header("If-None-Match", "The version that is at hand, from `ETag`", Kind::Text(2000))
    }

    /// The key under which a repeated request gets the first one's answer.
    pub fn idempotency_key() -> Self {
        Self::header(
            "Idempotency-Key",
            "A request repeated with the same key gets the first one's answer, for 24 hours",
            Kind::Pattern("^[A-Za-z0-9_.:-]{1,100}$"),
        )
    }

    /// What the document says that its values are.
    pub fn schema(&self) -> Value {
        match &self.kind {
            Kind::Text(most) => {
                let least = usize::from(self.place == Place::Path);
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

    /// Judges a value.
    ///
    /// # Errors
    /// 422 with what it should be; 404 for a name in the path that can't be anything.
    pub fn judge(&self, value: &str) -> Result<(), Denied> {
        let expected = match &self.kind {
            _ if value.contains('\0') => Some("a text without NUL characters".to_owned()),
            Kind::Text(most) => {
                (value.chars().count() > *most).then(|| format!("at most {most} characters"))
            }
            Kind::Pattern(pattern) => {
                let fits = Regex::new(pattern).is_ok_and(|regex| regex.is_match(value));
                (!fits).then(|| format!("a text like {pattern}"))
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
                    .then(|| format!("a whole number from {least} to {most}"))
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
            Some(_) if self.place == Place::Path => Err(Denied::not_found()),
            Some(expected) => Err(Denied::invalid(self.name, format!("this is to be {expected}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_as_the_document_says() {
        let judge = |kind: Kind, value: &str| Parameter::query("x", "", kind).judge(value).is_ok();
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
        assert_eq!(Parameter::id("id", "").judge("x").unwrap_err().status, 404);
    }
}
