//! Scripts that normalize: a value to a value, a row to a row, a row to whether it takes part.

use rhai::{Dynamic, ImmutableString, Map};

use super::engine::{self, Program};
use super::{ScriptError, ScriptSource};
use crate::diagnostic::{Place, Problem};

/// The compiled scripts of a source and of `rules.normalize`, for one thread. They are independent;
/// of two functions with the same name, the first script's is called.
///
/// A function of one value is pure: the same text always gives the same result, so the caller may
/// remember it.
pub struct NormalizeScript {
    programs: Vec<Program>,
}

impl NormalizeScript {
    pub fn compile(source: &ScriptSource) -> Result<Self, Problem> {
        Self::compile_all(std::slice::from_ref(source))
    }

    pub fn compile_all(sources: &[ScriptSource]) -> Result<Self, Problem> {
        let programs = sources.iter().map(|source| Program::compile(engine::build(), source));
        programs.collect::<Result<_, _>>().map(|programs| Self { programs })
    }

    /// The script with this function; without one, the first script, which reports it.
    fn program(&mut self, function: &str, arity: usize) -> Result<&mut Program, ScriptError> {
        let has = |program: &Program| program.outline().function(function, arity).is_some();
        let at = self.programs.iter().position(has).unwrap_or_default();
        self.programs.get_mut(at).ok_or_else(|| ScriptError {
            function: function.into(),
            place: Place::default(),
            message: "there is no normalize script".into(),
            subject: None,
            ran_out: false,
        })
    }

    /// Calls `fn function(value)`. Its result is text, the canonical text of a number or of `true`
    /// and `false`, or `None` for `()`.
    pub fn call_value(
        &mut self,
        function: &str,
        text: &str,
    ) -> Result<Option<String>, ScriptError> {
        let program = self.program(function, 1)?;
        let result = program.call(function, || [Dynamic::from(text.to_owned())])?;
        match text_of(result) {
            Ok(text) => Ok(text),
            Err(result) => {
                let expected = "a text without NUL, a number, true, false or ()";
                Err(program.wrong_result(function, &result, expected))
            }
        }
    }

    /// Calls `fn row(raw, r)`: `raw` has the source's columns, `fields` the mapped canonical fields
    /// as read. The result replaces `fields`: existing fields keep their order (null if dropped),
    /// new ones follow in the order of their names.
    pub fn call_row(
        &mut self,
        raw: &[(&str, Option<&str>)],
        fields: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), ScriptError> {
        const ROW: &str = "row";
        let row = || {
            let row: Map = fields
                .iter()
                .map(|(name, value)| (name.as_str().into(), dynamic(value.as_deref())))
                .collect();
            Dynamic::from_map(row)
        };
        let program = self.program(ROW, 2)?;
        let result = program.call(ROW, || [map(raw), row()])?;
        let mut returned = match result.try_cast_result::<Map>() {
            Ok(returned) => returned,
            Err(result) => {
                return Err(program.wrong_result(ROW, &result, "the row `r`"));
            }
        };
        let mut changed = Vec::with_capacity(fields.len().max(returned.len()));
        let mut take = |name: &str, value: Dynamic| match text_of(value) {
            Ok(text) => {
                changed.push((name.to_owned(), text));
                Ok(())
            }
            Err(value) => {
                let expected =
                    format!("a text without NUL, a number, true, false or () in `r.{name}`");
                Err(program.wrong_result(ROW, &value, &expected))
            }
        };
        for (name, _) in fields.iter() {
            take(name, returned.remove(name.as_str()).unwrap_or_default())?;
        }
        for (name, value) in returned {
            take(&name, value)?;
        }
        *fields = changed;
        Ok(())
    }

    /// Calls the filter `fn function(raw)`: whether the row takes part.
    pub fn call_filter(
        &mut self,
        function: &str,
        raw: &[(&str, Option<&str>)],
    ) -> Result<bool, ScriptError> {
        let program = self.program(function, 1)?;
        let result = program.call(function, || [map(raw)])?;
        result.as_bool().map_err(|_| program.wrong_result(function, &result, "true or false"))
    }
}

fn dynamic(value: Option<&str>) -> Dynamic {
    value.map_or(Dynamic::UNIT, |text| Dynamic::from(text.to_owned()))
}

fn map(cells: &[(&str, Option<&str>)]) -> Dynamic {
    let map: Map = cells.iter().map(|(name, value)| ((*name).into(), dynamic(*value))).collect();
    Dynamic::from_map(map)
}

/// The text of a scalar, `None` for null. Any other value is an error, and so is a text with NUL, which
/// PostgreSQL cannot store.
fn text_of(value: Dynamic) -> Result<Option<String>, Dynamic> {
    if value.is_unit() {
        return Ok(None);
    }
    if value.is_char() && value.as_char() == Ok('\0')
        || value.read_lock::<ImmutableString>().is_some_and(|text| text.contains('\0'))
    {
        return Err(value);
    }
    if value.is_string() {
        return value.into_string().map(Some).map_err(Dynamic::from);
    }
    if value.is_int() || value.is_decimal() || value.is_bool() || value.is_char() {
        return Ok(Some(value.to_string()));
    }
    Err(value)
}
