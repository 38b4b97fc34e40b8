//! Normalizing: from the bytes of a row to its typed cells.
//!
//! A cell passes through null markers, the source's own steps, the field's steps and the type. Text
//! that the type can't parse is kept as written and marked unparsed; nothing is guessed.
//!
//! The specs (`*Spec`) are resolved once into plans that threads share; a [`Normalizer`] is one
//! thread's worker with its buffers, remembered results and scripts. A [`Step`] is one row of the
//! [`catalogue`]: a new one is a function in the file of its family (or a new file) and that row.

mod affix;
mod amount;
mod boolean;
mod case;
mod catalogue;
mod characters;
mod condition;
mod function;
mod identifier;
mod lookup;
mod memo;
mod normalizer;
mod number;
mod plan;
mod recent;
mod replace;
mod spaces;
mod spec;
mod step;
mod trace;
mod unicode;

#[cfg(test)]
mod tests;

pub use crate::domain::time_format::{AmbiguousFormats, Doubt, TimeFormat, ambiguous_formats};
pub use catalogue::{Argument, ArgumentKey, StepDoc, catalogue};
pub use condition::{Condition, ConditionSpec};
pub use function::Functions;
pub use normalizer::{DoubtfulValues, Normalizer, Reject, RowResult};
pub use number::NumberFormat;
pub use plan::{FieldPlan, SidePlan, resolve_timezone};
pub use spec::{
    ArgumentSpec, GroupingSpec, NegativeSpec, NumberSpec, PercentSpec, StepSpec, Texts,
};
pub use step::{FileNote, Step, resolve_steps};
pub use trace::{FieldTrace, StepTrace};
