//! Traces each step on each value of one row, for `recon explain`.

use super::normalizer::{Normalizer, RowTexts, text_of};
use super::step::{Chained, Step, run};
use crate::domain::value::Kind;
use crate::domain::{Cell, RawCells};

/// The steps of one field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTrace {
    pub field: String,
    /// The source's column, if the field is mapped.
    pub column: Option<String>,
    /// The cell as read, if the field is mapped.
    pub raw: Option<String>,
    /// The cell is one of the source's null values.
    pub is_null_value: bool,
    /// The value after `fn row` (null as `None`), if there is one.
    pub after_row_function: Option<Option<String>>,
    /// The steps in order, as far as they were called.
    pub steps: Vec<StepTrace>,
    /// The canonical text of the value; `None` for null. An unparsable value is as written.
    pub value: Option<String>,
    /// Why the value is unparsable, if it is.
    pub unparsed: Option<String>,
    /// The function that failed, and how.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTrace {
    /// The step as written.
    pub step: String,
    /// Its result; `None` is null.
    pub result: Option<String>,
}

impl Normalizer {
    /// Traces each field of a row, in layout order, without remembering or counting.
    pub fn trace<R: RawCells + ?Sized>(&mut self, raw: &R) -> Vec<FieldTrace> {
        let (texts, error) = match self.row_texts(raw) {
            Ok(texts) => (texts, None),
            Err(error) => (None, Some(error.to_string())),
        };
        (0..self.fields.len())
            .map(|at| {
                let mut trace = self.trace_field(at, raw, texts.as_ref());
                if trace.error.is_none() {
                    trace.error.clone_from(&error);
                }
                trace
            })
            .collect()
    }

    fn trace_field<R: RawCells + ?Sized>(
        &mut self,
        at: usize,
        raw: &R,
        texts: Option<&RowTexts>,
    ) -> FieldTrace {
        let plan = self.plan.fields.get(at);
        let column = plan.and_then(|plan| plan.column);
        let cell = column.map(|column| raw.cell(column));
        let is_null_value = column.is_some_and(|column| self.nulls.is_null(raw, column));
        let read = cell.map(|cell| text_of(cell).into_owned());
        let after = texts.map(|texts| texts.get(at).cloned().flatten());
        let mut trace = FieldTrace {
            field: plan.map(|plan| plan.name.clone()).unwrap_or_default(),
            column: column.and_then(|column| self.plan.columns.get(column).cloned()),
            raw: read.clone(),
            is_null_value,
            after_row_function: after.clone(),
            steps: Vec::new(),
            value: None,
            unparsed: None,
            error: None,
        };
        let written = after.unwrap_or_else(|| read.filter(|_| !is_null_value));
        let (Some(written), Some(state)) = (written, self.fields.get(at)) else { return trace };
        let tools = &mut self.tools;
        let steps = &mut trace.steps;
        let chained = run(
            &state.steps,
            &written,
            &mut tools.buffers,
            &mut tools.functions,
            |step, result| {
                let step = step.label().to_owned();
                steps.push(StepTrace { step, result: result.map(str::to_owned) });
            },
        );
        let reason = match chained {
            Err(error) => {
                trace.error = Some(error.to_string());
                return trace;
            }
            Ok(Chained::Null) => return trace,
            Ok(Chained::Refused(reason)) => reason,
            Ok(Chained::Text(text)) if state.typing.kind == Kind::Text => {
                trace.value = Some(text.to_owned());
                return trace;
            }
            Ok(Chained::Text(text)) => {
                let seen = |step: &Step, result: Cell<'_>| {
                    let step = step.label().to_owned();
                    steps.push(StepTrace { step, result: result.text() });
                };
                match state.typing.read_seeing(text.as_bytes(), &mut tools.scratch, seen) {
                    Ok((cell, _)) => {
                        trace.value = Cell::text(cell);
                        return trace;
                    }
                    Err(reason) => reason,
                }
            }
        };
        trace.unparsed = Some(reason.to_owned());
        trace.value = Some(written);
        trace
    }
}
