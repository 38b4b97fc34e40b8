//! The worker: rows of raw cells in, rows of typed cells out.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::boolean;
use super::function::{Functions, NoFunctions};
use super::memo::Memo;
use super::number::NumberFormat;
use super::plan::{FieldPlan, SidePlan};
use super::recent::Recent;
use super::step::{Buffers, Chained, Step, run};
use super::time_format::{Reading, TimeFormat, ambiguous_formats};
use crate::diagnostic::{Problem, nearest};
use crate::domain::row::push_cell;
use crate::domain::value::Kind;
use crate::domain::{Cell, Cells, Instant, RawCells};
use crate::script::{NormalizeScript, ScriptError};

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its cells have been appended.
    Row,
    /// The filter left it out; nothing was appended.
    Filtered,
    /// It can't take part; nothing was appended.
    Rejected(Box<Reject>),
}

/// Why a row takes no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// [`NULL_KEY`](Reject::NULL_KEY), [`UNPARSABLE_KEY`](Reject::UNPARSABLE_KEY) or
    /// [`SCRIPT_ERROR`](Reject::SCRIPT_ERROR).
    pub code: &'static str,
    /// What is wrong, with field, column and value, in one sentence.
    pub message: String,
    /// The encoded cells of the key, if it could be read nevertheless.
    pub key_cells: Option<Vec<u8>>,
}

impl Reject {
    /// A part of the key is null.
    pub const NULL_KEY: &'static str = "NULL_KEY";
    /// A part of the key is not of its type.
    pub const UNPARSABLE_KEY: &'static str = "UNPARSABLE_KEY";
    /// A function of the script failed.
    pub const SCRIPT_ERROR: &'static str = "SCRIPT_ERROR";
}

/// How many values of a field its formats read differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmbiguousValues {
    /// The canonical field.
    pub field: String,
    /// How many.
    pub values: u64,
}

/// Normalizes the rows of one side on one thread.
pub struct Normalizer {
    pub(super) plan: Arc<SidePlan>,
    pub(super) nulls: Nulls,
    pub(super) fields: Vec<FieldState>,
    pub(super) tools: Tools,
}

/// What is reused from cell to cell.
pub(super) struct Tools {
    pub(super) functions: Box<dyn Functions>,
    pub(super) buffers: Buffers,
    pub(super) scratch: Vec<u8>,
}

/// The cells that mean null.
pub(super) struct Nulls {
    empty: bool,
    others: Vec<Box<[u8]>>,
}

impl Nulls {
    fn new(values: &[String]) -> Self {
        let others = values.iter().filter(|value| !value.is_empty());
        Self {
            empty: values.iter().any(String::is_empty),
            others: others.map(|value| value.as_bytes().into()).collect(),
        }
    }

    pub(super) fn contains(&self, raw: &[u8]) -> bool {
        if raw.is_empty() { self.empty } else { self.others.iter().any(|null| **null == *raw) }
    }
}

/// A field of one side, as its worker holds it.
pub(super) struct FieldState {
    /// The source's steps, then the field's.
    pub(super) steps: Vec<Step>,
    pub(super) typing: Typing,
    /// What the column said lately, as long as that repeats.
    recent: Option<Recent>,
    memo: Option<Memo>,
    ambiguous_values: u64,
}

impl FieldState {
    fn new(plan: &FieldPlan, timezone: Option<&TimeZone>) -> Self {
        let steps: Vec<Step> = plan.source_steps.iter().chain(&plan.steps).cloned().collect();
        let typing = Typing::new(plan, timezone);
        let is_costly = steps.iter().any(Step::is_costly) || typing.is_costly();
        // A text without steps is copied; nothing is faster.
        let is_copied = steps.is_empty() && typing.kind == Kind::Text;
        Self {
            steps,
            typing,
            recent: (!is_copied).then(Recent::new),
            memo: is_costly.then(Memo::new),
            ambiguous_values: 0,
        }
    }

    /// Appends the cell that a text becomes, null or not.
    fn push(
        &mut self,
        text: &[u8],
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<(), ScriptError> {
        let place = match self.recent.as_mut().map(|recent| recent.find(text, out)) {
            Some(Ok(is_ambiguous)) => {
                self.ambiguous_values += u64::from(is_ambiguous);
                return Ok(());
            }
            Some(Err(place)) => place,
            None => return self.push_remembered(text, tools, out).map(drop),
        };
        let start = out.len();
        let is_ambiguous = self.push_remembered(text, tools, out)?;
        self.recent.take_if(|recent| !recent.pays());
        if let (Some(recent), Some(cell)) = (&mut self.recent, out.get(start..)) {
            recent.keep(place, text, cell, is_ambiguous);
        }
        Ok(())
    }

    /// The same for a text that has not come lately. Returns whether formats read it differently.
    fn push_remembered(
        &mut self,
        text: &[u8],
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<bool, ScriptError> {
        let slot = match self.memo.as_mut().map(|memo| memo.find(text)) {
            Some(Ok((cell, is_ambiguous))) => {
                out.extend_from_slice(cell);
                self.ambiguous_values += u64::from(is_ambiguous);
                return Ok(is_ambiguous);
            }
            Some(Err(slot)) => slot,
            None => None,
        };
        let start = out.len();
        let is_ambiguous = self.push_anew(text, tools, out)?;
        self.ambiguous_values += u64::from(is_ambiguous);
        if let (Some(memo), Some(slot), Some(cell)) = (&mut self.memo, slot, out.get(start..)) {
            memo.remember(slot, text, cell, is_ambiguous);
        }
        Ok(is_ambiguous)
    }

    /// The same, without remembering. Returns whether formats read the text differently.
    fn push_anew(
        &self,
        text: &[u8],
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<bool, ScriptError> {
        if self.steps.is_empty() && self.typing.kind != Kind::Text {
            return Ok(match self.typing.read(text, &mut tools.scratch) {
                Ok((cell, is_ambiguous)) => {
                    push_cell(out, cell);
                    is_ambiguous
                }
                Err(_) => {
                    push_cell(out, Cell::Unparsed(&text_of(text)));
                    false
                }
            });
        }
        let written = text_of(text);
        let Tools { functions, buffers, scratch } = tools;
        let mut is_ambiguous = false;
        match run(&self.steps, &written, buffers, functions.as_mut(), |_, _| ())? {
            Chained::Text(text) if self.typing.kind == Kind::Text => {
                push_cell(out, Cell::Text(text));
            }
            Chained::Text(text) => match self.typing.read(text.as_bytes(), scratch) {
                Ok((cell, ambiguous)) => {
                    push_cell(out, cell);
                    is_ambiguous = ambiguous;
                }
                Err(_) => push_cell(out, Cell::Unparsed(&written)),
            },
            Chained::Null => push_cell(out, Cell::Null),
            Chained::Refused(_) => push_cell(out, Cell::Unparsed(&written)),
        }
        Ok(is_ambiguous)
    }
}

/// From a text to a typed value.
pub(super) struct Typing {
    pub(super) kind: Kind,
    numbers: NumberFormat,
    formats: Vec<TimeFormat>,
    are_ambiguous: bool,
    timezone: Option<TimeZone>,
}

impl Typing {
    fn new(plan: &FieldPlan, timezone: Option<&TimeZone>) -> Self {
        let formats = if plan.formats.is_empty() {
            TimeFormat::defaults(plan.kind)
        } else {
            plan.formats.clone()
        };
        Self {
            kind: plan.kind,
            numbers: plan.numbers,
            are_ambiguous: ambiguous_formats(&plan.formats).is_some(),
            formats,
            timezone: timezone.filter(|zone| **zone != TimeZone::UTC).cloned(),
        }
    }

    fn is_costly(&self) -> bool {
        self.formats.iter().any(TimeFormat::is_costly)
            || (self.kind == Kind::Datetime && self.timezone.is_some())
    }

    /// The value of a text in a type other than text, and whether the formats disagree about it;
    /// or why it is none.
    pub(super) fn read(
        &self,
        text: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(Cell<'static>, bool), &'static str> {
        let cell = match self.kind {
            Kind::Decimal => Cell::Decimal(self.numbers.decimal(text, scratch)?),
            Kind::Integer => Cell::Integer(self.numbers.integer(text, scratch)?),
            Kind::Boolean => Cell::Boolean(boolean::parse(text)?),
            Kind::Date => {
                let (reading, is_ambiguous) = self.time(text)?;
                return Ok((Cell::Date(reading.date), is_ambiguous));
            }
            Kind::Datetime => {
                let (reading, is_ambiguous) = self.time(text)?;
                let instant = self.instant(reading).ok_or("outside the years of the calendar")?;
                return Ok((Cell::Instant(instant), is_ambiguous));
            }
            // A text needs no reading; whoever asks has it already.
            Kind::Text => Cell::Null,
        };
        Ok((cell, false))
    }

    fn time(&self, text: &[u8]) -> Result<(Reading, bool), &'static str> {
        let mut readings = self.formats.iter().filter_map(|format| format.read(text));
        let first = readings.next().ok_or("no format matches")?;
        let is_ambiguous = self.are_ambiguous && readings.any(|other| other != first);
        Ok((first, is_ambiguous))
    }

    fn instant(&self, reading: Reading) -> Option<Instant> {
        let Some(zone) = self.timezone.as_ref().filter(|_| reading.offset.is_none()) else {
            return Some(reading.instant());
        };
        let (year, month, day) = reading.date.civil();
        let second = i32::try_from(reading.second_of_day).ok()?;
        let date = jiff::civil::Date::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
        );
        let time = jiff::civil::Time::midnight()
            .checked_add(jiff::SignedDuration::from_secs(i64::from(second)));
        let civil = date.ok()?.to_datetime(time.ok()?);
        // Where clocks are put back the earlier instant is meant, where they are put forward the
        // time as if they had not been: RFC 5545's rule, and everybody's.
        let moment = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Instant::new(moment.as_second(), reading.nanoseconds))
    }
}

/// The text of a cell. Sources verify that it is UTF-8; should one not, nothing is lost in silence.
pub(super) fn text_of(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(raw),
    }
}

/// The canonical texts of a row after the whole-row function, in layout order.
pub(super) type RowTexts = Vec<Option<String>>;

impl Normalizer {
    /// A worker for one thread, with its own compiled copy of the plan's script.
    pub fn new(plan: Arc<SidePlan>) -> Result<Self, Problem> {
        let functions: Box<dyn Functions> = match plan.scripts.as_slice() {
            [] => Box::new(NoFunctions),
            scripts => Box::new(NormalizeScript::compile_all(scripts)?),
        };
        Ok(Self::with_functions(plan, functions))
    }

    /// A worker whose functions are these instead of the plan's script.
    pub fn with_functions(plan: Arc<SidePlan>, functions: Box<dyn Functions>) -> Self {
        let zone = plan.timezone.as_ref();
        Self {
            nulls: Nulls::new(&plan.null_values),
            fields: plan.fields.iter().map(|field| FieldState::new(field, zone)).collect(),
            tools: Tools { functions, buffers: Buffers::default(), scratch: Vec::new() },
            plan,
        }
    }

    /// Appends the row's cells to `out` in layout order, unless it is filtered or rejected.
    pub fn row<R: RawCells + ?Sized>(&mut self, raw: &R, out: &mut Vec<u8>) -> Outcome {
        match self.is_live(raw) {
            Ok(true) => (),
            Ok(false) => return Outcome::Filtered,
            Err(error) => {
                let texts = self.row_texts(raw).ok().flatten();
                let key_cells = self.key_cells(raw, texts.as_ref(), out);
                return rejected(Reject::SCRIPT_ERROR, error.to_string(), key_cells);
            }
        }
        let texts = match self.row_texts(raw) {
            Ok(texts) => texts,
            Err(error) => {
                // The key as read is the best guess there is, and the partner should be told.
                let key_cells = self.key_cells(raw, None, out);
                return rejected(Reject::SCRIPT_ERROR, error.to_string(), key_cells);
            }
        };
        let start = out.len();
        let mut key_end = None;
        for at in 0..self.fields.len() {
            let cell_start = out.len();
            if let Err(error) = self.push_field(at, raw, texts.as_ref(), out) {
                let message = format!("{}: {error}", self.describe(at, raw));
                let key_cells = key_end.and_then(|end| out.get(start..end)).map(<[u8]>::to_vec);
                out.truncate(start);
                return rejected(Reject::SCRIPT_ERROR, message, key_cells);
            }
            if at < self.plan.key_len {
                let cell = Cells::new(out.get(cell_start..).unwrap_or_default()).next();
                if let Some(cell) = cell.filter(|cell| cell.is_null() || cell.is_unparsed()) {
                    let is_null = cell.is_null();
                    out.truncate(start);
                    return self.bad_key(at, raw, is_null);
                }
                key_end = Some(out.len());
            }
        }
        Outcome::Row
    }

    /// How many values of each field two of its formats read differently; fields without such
    /// values are left out.
    pub fn ambiguities(&self) -> Vec<AmbiguousValues> {
        let fields = self.plan.fields.iter().zip(&self.fields);
        fields
            .filter(|(_, state)| state.ambiguous_values > 0)
            .map(|(plan, state)| AmbiguousValues {
                field: plan.name.clone(),
                values: state.ambiguous_values,
            })
            .collect()
    }

    /// Whether the filter lets the row take part.
    fn is_live<R: RawCells + ?Sized>(&mut self, raw: &R) -> Result<bool, ScriptError> {
        let Some(filter) = &self.plan.filter else { return Ok(true) };
        let texts = column_texts(&self.plan, raw);
        let columns = columns(&self.plan, &self.nulls, &texts);
        self.tools.functions.filter(filter, &columns)
    }

    /// The canonical texts after the whole-row function, if there is one.
    pub(super) fn row_texts<R: RawCells + ?Sized>(
        &mut self,
        raw: &R,
    ) -> Result<Option<RowTexts>, ScriptError> {
        if !self.plan.row_function {
            return Ok(None);
        }
        let texts = column_texts(&self.plan, raw);
        let columns = columns(&self.plan, &self.nulls, &texts);
        let mapped = self.plan.fields.iter().filter_map(|field| Some((field, field.column?)));
        let mut fields: Vec<(String, Option<String>)> = mapped
            .map(|(field, column)| {
                let cell = raw.cell(column);
                let text = (!self.nulls.contains(cell)).then(|| text_of(cell).into_owned());
                (field.name.clone(), text)
            })
            .collect();
        self.tools.functions.row(&columns, &mut fields)?;
        let mut texts: RowTexts = vec![None; self.plan.fields.len()];
        for (name, text) in fields {
            let position = self.plan.fields.iter().position(|field| field.name == name);
            match position.and_then(|at| texts.get_mut(at)) {
                Some(slot) => *slot = text,
                None => return Err(self.unknown_field(&name)),
            }
        }
        Ok(Some(texts))
    }

    fn unknown_field(&self, name: &str) -> ScriptError {
        let mut message = format!("`{name}` is set, which is not a field of the job");
        let names = self.plan.fields.iter().map(|field| field.name.as_str());
        if let Some(candidate) = nearest(name, names) {
            let _ = write!(message, " (did you mean `{candidate}`?)");
        }
        let place = self.plan.scripts.first().map(|script| script.place(0, 0));
        let place = place.unwrap_or_default();
        ScriptError { function: "row".into(), place, message, subject: None }
    }

    /// Appends the cell of one field.
    fn push_field<R: RawCells + ?Sized>(
        &mut self,
        at: usize,
        raw: &R,
        texts: Option<&RowTexts>,
        out: &mut Vec<u8>,
    ) -> Result<(), ScriptError> {
        let (Some(plan), Some(state)) = (self.plan.fields.get(at), self.fields.get_mut(at)) else {
            return Ok(());
        };
        let text = match texts {
            Some(texts) => texts.get(at).and_then(Option::as_ref).map(String::as_bytes),
            None => {
                plan.column.map(|column| raw.cell(column)).filter(|text| !self.nulls.contains(text))
            }
        };
        match text {
            Some(text) => state.push(text, &mut self.tools, out),
            None => {
                push_cell(out, Cell::Null);
                Ok(())
            }
        }
    }

    /// The encoded cells of the key of a row that is rejected for its form, if they can be read.
    pub fn key<R: RawCells + ?Sized>(&mut self, raw: &R) -> Option<Vec<u8>> {
        self.key_cells(raw, None, &mut Vec::new())
    }

    /// The key of a row that is rejected anyway, if it can be read.
    fn key_cells<R: RawCells + ?Sized>(
        &mut self,
        raw: &R,
        texts: Option<&RowTexts>,
        out: &mut Vec<u8>,
    ) -> Option<Vec<u8>> {
        let start = out.len();
        let key_len = self.plan.key_len;
        let could_be_read = (0..key_len).all(|at| self.push_field(at, raw, texts, out).is_ok());
        let cells = out.split_off(start);
        let is_key = Cells::new(&cells).all(|cell| !cell.is_null() && !cell.is_unparsed());
        (could_be_read && is_key).then_some(cells)
    }

    fn bad_key<R: RawCells + ?Sized>(&mut self, at: usize, raw: &R, is_null: bool) -> Outcome {
        let place = self.describe(at, raw);
        if is_null {
            return rejected(Reject::NULL_KEY, format!("{place}: a key can't be null"), None);
        }
        let trace = self.trace(raw).into_iter().nth(at);
        let kind = self.plan.fields.get(at).map_or(Kind::Text, |field| field.kind);
        let reason = trace.and_then(|trace| trace.unparsed).unwrap_or_default();
        let message = format!("{place}: a key must be of its type, {kind}: {reason}");
        rejected(Reject::UNPARSABLE_KEY, message, None)
    }

    /// A field, its column and its value, for a message.
    fn describe<R: RawCells + ?Sized>(&self, at: usize, raw: &R) -> String {
        let Some(field) = self.plan.fields.get(at) else { return String::new() };
        let Some(column) = field.column else { return format!("field `{}`", field.name) };
        let name = self.plan.columns.get(column).map_or("", String::as_str);
        let value = text_of(raw.cell(column));
        let shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
        let dots = if shown.len() < value.len() { "…" } else { "" };
        format!("field `{}`, column `{name}`, value `{shown}{dots}`", field.name)
    }
}

/// How much of a value a message shows.
const SHOWN_CHARACTERS: usize = 80;

fn rejected(code: &'static str, message: String, key_cells: Option<Vec<u8>>) -> Outcome {
    Outcome::Rejected(Box::new(Reject { code, message, key_cells }))
}

/// The texts of a row's columns.
fn column_texts<'r, R: RawCells + ?Sized>(plan: &SidePlan, raw: &'r R) -> Vec<Cow<'r, str>> {
    (0..plan.columns.len()).map(|column| text_of(raw.cell(column))).collect()
}

/// A row's columns by their own names, null as `None`: what scripts call `raw`.
fn columns<'t>(
    plan: &'t SidePlan,
    nulls: &Nulls,
    texts: &'t [Cow<'_, str>],
) -> Vec<(&'t str, Option<&'t str>)> {
    let cells = plan.columns.iter().zip(texts);
    cells
        .map(|(name, text)| {
            let text = text.as_ref();
            (name.as_str(), (!nulls.contains(text.as_bytes())).then_some(text))
        })
        .collect()
}
