//! Where steps, row functions and filters meet the script that the user wrote.

use std::fmt;

use crate::diagnostic::Place;

/// The functions of a script, as this stage calls them. One object per thread.
pub trait Functions {
    /// A function from a value to a value; `None` is null.
    fn value(&mut self, function: &str, text: &str) -> Result<Option<String>, FunctionError>;

    /// The whole-row function: `raw` has the source's columns by their own names (`None` is null), `fields` the
    /// mapped canonical fields as read, which it may change and add to.
    fn row(
        &mut self,
        raw: &[(&str, Option<&str>)],
        fields: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), FunctionError>;

    /// An error of the row function that only the caller of it can see.
    fn error(&self, function: &str, message: String) -> FunctionError {
        FunctionError { function: function.to_owned(), place: Place::default(), message }
    }

    /// A filter: whether the row takes part.
    fn filter(&mut self, function: &str, raw: &[(&str, Option<&str>)]) -> Result<bool, FunctionError>;
}

/// A function that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// The function.
    pub function: String,
    /// Where in the script.
    pub place: Place,
    /// What went wrong.
    pub message: String,
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function `{}` failed at {}: {}", self.function, self.place, self.message)
    }
}

/// A job without a script.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoFunctions;

impl NoFunctions {
    fn missing(function: &str) -> FunctionError {
        FunctionError {
            function: function.to_owned(),
            place: Place::default(),
            message: "there is no normalize script".to_owned(),
        }
    }
}

impl Functions for NoFunctions {
    fn value(&mut self, function: &str, _: &str) -> Result<Option<String>, FunctionError> {
        Err(Self::missing(function))
    }

    fn row(
        &mut self,
        _: &[(&str, Option<&str>)],
        _: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), FunctionError> {
        Err(Self::missing("row"))
    }

    fn filter(&mut self, function: &str, _: &[(&str, Option<&str>)]) -> Result<bool, FunctionError> {
        Err(Self::missing(function))
    }
}
