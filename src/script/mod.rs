//! The only Rhai engine: its limits, the places of its errors, and what scripts may call.
//!
//! A script is a pure function of what it is given. It can't reach a file, the network, a clock,
//! a random number, standard output or another script; it can't `eval`; and every limit on its
//! time and memory is set here, the same in debug and release builds. Nothing outside this module
//! names a type of Rhai, so that replacing it is rewriting this folder.

mod dates;
mod difference;
mod engine;
mod exact;
mod functions;
mod lint;
mod normalize;
mod rule;
mod source;
mod work;

pub use difference::{Property, Reads};
pub use functions::{FunctionDoc, functions};
pub use normalize::NormalizeScript;
pub use rule::{Reason, RuleFunction, RuleScript, Verdict};
pub use source::{ColumnRead, FunctionInfo, ScriptOutline, ScriptSource};

use std::fmt;

use crate::diagnostic::{Code, Place, Problem};

/// What went wrong when a function of a script was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The function that was called.
    pub function: Box<str>,
    /// Where in the script, with the line as written.
    pub place: Place,
    /// What is wrong, in one sentence, without the place.
    pub message: Box<str>,
    /// What it was asked about, such as the field of a record, where the caller knows.
    pub subject: Option<Box<str>>,
    /// The call used up its operations, work or processor time. The next call would do so again, so
    /// this ends a run.
    pub ran_out: bool,
}

impl ScriptError {
    /// The sentence with the function and what it was asked about.
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
