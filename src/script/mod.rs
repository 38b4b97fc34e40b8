//! The only Rhai engine: its limits, the places of its errors, and what scripts may call.
//!
//! A script is a pure function of its arguments. It cannot reach files, the network, clocks, random
//! numbers, standard output or other scripts; it cannot `eval`; and the limits on its time and
//! memory are the same in debug and release builds. Only this module names types of Rhai, so that
//! replacing it means rewriting this folder.

mod dates;
mod difference;
mod engine;
mod exact;
mod functions;
mod lint;
mod normalize;
mod plain;
mod rule;
mod source;
mod work;

pub use difference::{Property, Reads};
pub use functions::{FunctionDoc, MAX_COMPARED, functions};
pub use normalize::NormalizeScript;
pub use rule::{Reason, RuleFunction, RuleScript, Verdict};
pub use source::{ColumnRead, FunctionInfo, ScriptOutline, ScriptSource};

use std::fmt;

use crate::diagnostic::{Code, Place, Problem};

/// An error in a call of a script's function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    pub function: Box<str>,
    /// Where in the script, with the line as written.
    pub place: Place,
    /// The message, without the place.
    pub message: Box<str>,
    /// The field or record of the call, if known.
    pub subject: Option<Box<str>>,
    /// The call used up its operations, work or processor time. The next call would do so again, so
    /// this ends a run.
    pub ran_out: bool,
}

impl ScriptError {
    /// The sentence, with the function and its argument.
    fn sentence(&self) -> String {
        let Self { function, message, .. } = self;
        match &self.subject {
            Some(subject) => format!("in `{function}`, asked about {subject}: {message}"),
            None => format!("in `{function}`: {message}"),
        }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.sentence())
    }
}

impl std::error::Error for ScriptError {}

impl From<ScriptError> for Problem {
    fn from(error: ScriptError) -> Self {
        let sentence = error.sentence();
        let problem = if error.ran_out {
            Self::new(Code::ScriptLimit, sentence).help(
                "end the loop, or let the function do less; such a call ends the run at once, \
                 because the next one would take as long",
            )
        } else {
            Self::new(Code::ScriptError, sentence)
        };
        problem.at(error.place)
    }
}

#[cfg(test)]
mod tests;
