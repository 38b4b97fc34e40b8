//! Calls of the script's functions: steps, row functions and filters.

use crate::diagnostic::Place;
use crate::script::{NormalizeScript, ScriptError};

/// The functions of a script; one object per thread.
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

/// For jobs without a script: a checked configuration never calls them.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoFunctions;

fn missing(function: &str) -> ScriptError {
    ScriptError {
        function: function.into(),
        place: Place::default(),
        message: "there is no normalize script".into(),
        subject: None,
        ran_out: false,
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

/// How much of a value an error shows.
const SHOWN_CHARACTERS: usize = 80;

/// Functions, and the first call that ran out of its limits, whatever became of its error.
pub(super) struct Watched {
    functions: Box<dyn Functions>,
    /// The error of that call; a function of a value was asked about that value.
    pub(super) ran_out: Option<ScriptError>,
}

impl Watched {
    pub(super) const fn new(functions: Box<dyn Functions>) -> Self {
        Self { functions, ran_out: None }
    }

    fn watch<T>(&mut self, result: &Result<T, ScriptError>, value: Option<&str>) {
        if let Err(error) = result
            && error.ran_out
            && self.ran_out.is_none()
        {
            let subject = value.map(|value| {
                let shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
                let dots = if shown.len() < value.len() { "…" } else { "" };
                format!("`{shown}{dots}`").into()
            });
            self.ran_out = Some(ScriptError { subject, ..error.clone() });
        }
    }
}

impl Functions for Watched {
    fn value(&mut self, function: &str, text: &str) -> Result<Option<String>, ScriptError> {
        let result = self.functions.value(function, text);
        self.watch(&result, Some(text));
        result
    }

    fn row(
        &mut self,
        raw: &[(&str, Option<&str>)],
        fields: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), ScriptError> {
        let result = self.functions.row(raw, fields);
        self.watch(&result, None);
        result
    }

    fn filter(
        &mut self,
        function: &str,
        raw: &[(&str, Option<&str>)],
    ) -> Result<bool, ScriptError> {
        let result = self.functions.filter(function, raw);
        self.watch(&result, None);
        result
    }
}
