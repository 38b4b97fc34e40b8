//! Problems: what went wrong, where, and what to do about it; several at once.
//!
//! A problem is raised beside its cause. `cli/exit.rs` alone turns its class into an exit code,
//! and nothing here prints.

mod catalogue;

use std::fmt;
use std::path::PathBuf;

use rapidfuzz::distance::jaro_winkler;
use serde::{Deserialize, Serialize};

pub use catalogue::{Code, Shows};

/// The class of a problem; it decides on the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A warning; the work continues.
    Warning,
    /// Wrong usage or configuration (exit 2).
    Usage,
    /// A source could not be read (exit 3).
    Source,
    /// The store failed (exit 4).
    Store,
    /// recon found its own result inconsistent (exit 5).
    Inconsistent,
    /// The user asked to stop (exit 130).
    Interrupted,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: u64,
    /// The column in characters, from 1; 0 when the whole line is meant.
    pub column: u64,
    /// The offending text as written; may be empty.
    pub text: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SentProblem", try_from = "SentProblem")]
pub struct Problem {
    pub class: Class,
    /// Its row of the error catalogue.
    pub code: Code,
    pub message: String,
    pub place: Option<Box<Place>>,
    /// The remedy, if known.
    pub help: Option<String>,
}

/// A problem on its way to another process.
#[derive(Serialize, Deserialize)]
struct SentProblem {
    code: String,
    is_warning: bool,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<(PathBuf, u64, u64, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl From<Problem> for SentProblem {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code.name().to_owned(),
            is_warning: problem.is_warning(),
            message: problem.message,
            place: problem.place.map(|place| (place.file, place.line, place.column, place.text)),
            help: problem.help,
        }
    }
}

impl TryFrom<SentProblem> for Problem {
    type Error = String;

    fn try_from(told: SentProblem) -> Result<Self, String> {
        let code = Code::of_name(&told.code).ok_or_else(|| format!("no code `{}`", told.code))?;
        let place = |(file, line, column, text)| Box::new(Place { file, line, column, text });
        Ok(Self {
            class: if told.is_warning { Class::Warning } else { code.class() },
            code,
            message: told.message,
            place: told.place.map(place),
            help: told.help,
        })
    }
}

/// The longest sentence, in bytes. Some quote the faulty text, and that may be megabytes.
const LONGEST: usize = 4_000;

/// The sentence, its middle left out where it is too long.
fn bounded(sentence: String) -> String {
    if sentence.len() <= LONGEST {
        return sentence;
    }
    let whole = |at: &usize| sentence.is_char_boundary(*at);
    let start = (0..=LONGEST / 2).rev().find(whole).unwrap_or_default();
    let end = (sentence.len() - LONGEST / 4..sentence.len()).find(whole).unwrap_or(sentence.len());
    format!(
        "{} … {}",
        sentence.get(..start).unwrap_or_default(),
        sentence.get(end..).unwrap_or_default()
    )
}

impl Problem {
    /// A problem without place or help yet; its code decides on its class.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = bounded(message.into());
        Self { class: code.class(), code, message, place: None, help: None }
    }

    /// The user asked to stop.
    pub fn interrupted() -> Self {
        Self::new(Code::Interrupted, "interrupted; the run is marked FAILED")
    }

    /// The same problem with its place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// The same problem in this file.
    #[must_use]
    pub fn in_file(self, file: impl Into<PathBuf>) -> Self {
        self.at(Place { file: file.into(), ..Place::default() })
    }

    /// The same problem with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(bounded(help.into()));
        self
    }

    pub fn is_warning(&self) -> bool {
        self.class == Class::Warning
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// All problems in the order of their places; as an error, never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| !problem.is_warning())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The candidate that `name` most likely meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let lower = lower.chars();
            (jaro_winkler::similarity(lower, candidate.to_lowercase().chars()), candidate)
        })
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// One step from a part of the configuration to a part within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathStep {
    Key(String),
    /// The element of a sequence, from 0.
    Index(usize),
}

impl From<&str> for PathStep {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for PathStep {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A problem with a piece of the configuration. The stage that owns the piece knows the path within
/// it; `config` knows the file and sets the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The keys that lead from the piece to the offending value.
    pub path: Vec<PathStep>,
    pub problem: Problem,
}

impl SpecProblem {
    /// A problem with the value at `path` of the piece.
    pub fn new<S: Into<PathStep>>(path: impl IntoIterator<Item = S>, problem: Problem) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), problem }
    }

    /// The same problem with `step` in front of its path.
    #[must_use]
    pub fn under(mut self, step: impl Into<PathStep>) -> Self {
        self.path.insert(0, step.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_quotes_too_much_loses_its_middle() {
        let quote = "é".repeat(1_000_000);
        let problem = Problem::new(Code::WrongType, format!("found `{quote}`, not a map"));
        assert!(problem.message.len() < LONGEST, "{}", problem.message.len());
        assert!(
            problem.message.starts_with("found `éé") && problem.message.ends_with("é`, not a map")
        );
        let whole = "x".repeat(LONGEST);
        assert_eq!(Problem::new(Code::WrongType, whole.clone()).message, whole);
    }
}
