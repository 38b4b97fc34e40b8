//! Where steps, row functions and filters meet the script that the user wrote.

use crate::diagnostic::Place;
use crate::script::{NormalizeScript, ScriptError};

/// The functions of a script, as this stage calls them. One object per thread.
pub trait Functions {
    /// A function from a value to a value; `None` is null.
    fn value(&mut self, function: &str, text: &str) -> Result<Option<String>, ScriptError>;

    /// The whole-row function: `raw` has the source's columns by their own names (`None` is null),
    /// `fields` the mapped canonical fields as read, which it may change and add to.
    fn row(
        &mut self,
        raw: &[(&str, Option<&str>)],
        fields: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), ScriptError>;

    /// A filter: whether the row takes part.
    fn filter(&mut self, function: &str, raw: &[(&str, Option<&str>)])
    -> Result<bool, ScriptError>;
}

impl Functions for NormalizeScript {
    fn value(&mut self, function: &str, text: &str) -> Result<Option<String>, ScriptError> {
        self.call_value(function, text)
    }

    fn row(
        &mut self,
        raw: &[(&str, Option<&str>)],
        fields: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), ScriptError> {
        self.call_row(raw, fields)
    }

    fn filter(
        &mut self,
        function: &str,
        raw: &[(&str, Option<&str>)],
    ) -> Result<bool, ScriptError> {
        self.call_filter(function, raw)
    }
}

/// A job without a script. A checked configuration calls none of its functions.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoFunctions;

fn missing(function: &str) -> ScriptError {
    ScriptError {
        function: function.into(),
        place: Place::default(),
        message: "there is no normalize script".to_owned(),
        subject: None,
    }
}

impl Functions for NoFunctions {
    fn value(&mut self, function: &str, _: &str) -> Result<Option<String>, ScriptError> {
        Err(missing(function))
    }

    fn row(
        &mut self,
        _: &[(&str, Option<&str>)],
        _: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), ScriptError> {
        Err(missing("row"))
    }

    fn filter(&mut self, function: &str, _: &[(&str, Option<&str>)]) -> Result<bool, ScriptError> {
        Err(missing(function))
    }
}
