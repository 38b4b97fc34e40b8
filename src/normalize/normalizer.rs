//! The worker: rows of raw cells in, rows of typed cells out.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::boolean;
use super::function::{Functions, NoFunctions, Watched};
use super::memo::Memo;
use super::number::NumberFormat;
use super::plan::{FieldPlan, SidePlan};
use super::recent::Recent;
use super::step::{Buffers, Chained, Step, run};
use crate::diagnostic::{Code, Problem, nearest};
use crate::domain::dictionary::Dictionary;
use crate::domain::row::{UuidLetters, push_cell, push_uuid};
use crate::domain::time_format::{Doubt, Reading, TimeFormat, ambiguous_formats};
use crate::domain::value::Kind;
use crate::domain::{Cell, Cells, RawCells};
use crate::script::{NormalizeScript, ScriptError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowResult {
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
    /// `NullKey`, `UnparsableKey` or `ScriptErrorRow`.
    pub code: Code,
    /// The message, with field, column and value.
    pub message: String,
    /// The encoded cells of the key, if it could be read nevertheless.
    pub key_cells: Option<Vec<u8>>,
}

/// How many values of a field were read with a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubtfulValues {
    pub field: String,
    pub doubt: Doubt,
    pub values: u64,
    /// An example: the first in the order of texts.
    pub example: String,
}

/// The doubtful values of a field, counted.
#[derive(Default)]
struct Doubtful([(u64, Vec<u8>); Doubt::ALL.len()]);

impl Doubtful {
    #[inline]
    fn count(&mut self, flags: u8, text: &[u8]) {
        if flags != 0 {
            self.count_each(Doubt::of_bits(flags), text);
        }
    }

    #[cold]
    fn count_each(&mut self, doubt: Doubt, text: &[u8]) {
        for (kind, (values, example)) in Doubt::ALL.into_iter().zip(&mut self.0) {
            if doubt.has(kind) {
                *values += 1;
                // The example must not depend on the threads.
                if *values == 1 || text < example.as_slice() {
                    *example = text.to_vec();
                }
            }
        }
    }
}

/// Normalizes the rows of one side on one thread.
pub struct Normalizer {
    pub(super) plan: Arc<SidePlan>,
    pub(super) nulls: Nulls,
    pub(super) fields: Vec<FieldState>,
    pub(super) tools: Tools,
}

/// Buffers and functions that all cells share.
pub(super) struct Tools {
    pub(super) functions: Watched,
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

    #[inline]
    pub(super) fn contains(&self, raw: &[u8]) -> bool {
        if raw.is_empty() { self.empty } else { self.others.iter().any(|null| **null == *raw) }
    }

    /// The cell of this column, unless it is null.
    #[inline]
    fn text<'r, R: RawCells + ?Sized>(&self, raw: &'r R, column: usize) -> Option<&'r [u8]> {
        let cell = raw.cell(column);
        let is_null = self.contains(cell) || (cell.is_empty() && raw.is_null(column));
        (!is_null).then_some(cell)
    }

    /// True if the cell of this column is null by its text or by the source's mark.
    pub(super) fn is_null<R: RawCells + ?Sized>(&self, raw: &R, column: usize) -> bool {
        self.text(raw, column).is_none()
    }
}

/// A field of one side, as its worker holds it.
pub(super) struct FieldState {
    /// The source's column; none for a field that only the whole-row function sets.
    column: Option<usize>,
    /// The source's steps, then the field's.
    pub(super) steps: Vec<Step>,
    pub(super) typing: Typing,
    /// What the steps of a text make of a UUID, which keys often are, if it stays one.
    uuid: Option<UuidLetters>,
    /// The column's recent values, as long as they repeat.
    recent: Option<Recent>,
    memo: Option<Memo>,
    doubtful: Doubtful,
}

impl FieldState {
    /// `remembers`: whether to keep results for repeated texts.
    fn new(plan: &FieldPlan, timezone: Option<&TimeZone>, remembers: bool) -> Self {
        let all = plan.source_steps.iter().chain(&plan.steps);
        let steps: Vec<Step> = all.filter(|step| !step.is_for_numbers()).cloned().collect();
        let typing = Typing::new(plan, timezone);
        let is_costly = steps.iter().any(Step::is_costly) || typing.is_costly();
        // A text without steps is copied, which is fastest.
        let is_copied = steps.is_empty() && typing.kind == Kind::Text;
        let letters = |so_far, step: &Step| match step.uuid_letters()? {
            UuidLetters::AsWritten => Some(so_far),
            changed => Some(changed),
        };
        let uuid = steps.iter().try_fold(UuidLetters::AsWritten, letters);
        Self {
            column: plan.column,
            uuid: uuid.filter(|_| typing.kind == Kind::Text),
            steps,
            typing,
            recent: (remembers && !is_copied).then(Recent::new),
            memo: (remembers && is_costly).then(Memo::new),
            doubtful: Doubtful::default(),
        }
    }

    /// Appends the cell that a text becomes, null or not.
    #[inline(always)]
    fn push(
        &mut self,
        text: &[u8],
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<(), ScriptError> {
        if let Some(recent) = &mut self.recent {
            return match recent.find(text, out) {
                Some(0) => Ok(()),
                Some(doubt) => {
                    self.doubtful.count(doubt, text);
                    Ok(())
                }
                None => self.push_new(text, tools, out),
            };
        }
        if self.uuid.is_some_and(|letters| push_uuid(out, text, letters)) {
            return Ok(());
        }
        self.push_remembered(text, tools, out).map(drop)
    }

    /// The same for a text that is not among the recent ones.
    #[inline(never)]
    fn push_new(
        &mut self,
        text: &[u8],
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<(), ScriptError> {
        let start = out.len();
        let doubt = self.push_remembered(text, tools, out)?;
        self.recent.take_if(|recent| !recent.pays());
        if let (Some(recent), Some(cell)) = (&mut self.recent, out.get(start..)) {
            recent.keep(text, cell, doubt);
        }
        Ok(())
    }

    /// The same from the memo. Returns the doubts about how it was read.
    fn push_remembered(
        &mut self,
        text: &[u8],
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<u8, ScriptError> {
        let slot = match self.memo.as_mut().map(|memo| memo.find(text)) {
            Some(Ok((cell, doubt))) => {
                out.extend_from_slice(cell);
                self.doubtful.count(doubt, text);
                return Ok(doubt);
            }
            Some(Err(slot)) => slot,
            None => None,
        };
        let start = out.len();
        let doubt = self.push_anew(text, tools, out)?.bits();
        self.doubtful.count(doubt, text);
        if let (Some(memo), Some(slot), Some(cell)) = (&mut self.memo, slot, out.get(start..)) {
            memo.remember(slot, text, cell, doubt);
        }
        Ok(doubt)
    }

    /// The same, without remembering.
    fn push_anew(
        &self,
        text: &[u8],
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<Doubt, ScriptError> {
        if let Some(letters) = self.uuid
            && push_uuid(out, text, letters)
        {
            return Ok(Doubt::NONE);
        }
        if self.steps.is_empty() && self.typing.kind != Kind::Text {
            return Ok(match self.typing.read(text, &mut tools.scratch) {
                Ok((cell, doubt)) => {
                    push_cell(out, cell);
                    doubt
                }
                Err(_) => {
                    push_cell(out, Cell::Unparsed(&text_of(text)));
                    Doubt::NONE
                }
            });
        }
        let written = text_of(text);
        let Tools { functions, buffers, scratch } = tools;
        let mut doubt = Doubt::NONE;
        match run(&self.steps, &written, buffers, functions, |_, _| ())? {
            Chained::Text(text) if self.typing.kind == Kind::Text => {
                push_cell(out, Cell::Text(text));
            }
            Chained::Text(text) => match self.typing.read(text.as_bytes(), scratch) {
                Ok((cell, found)) => {
                    push_cell(out, cell);
                    doubt = found;
                }
                Err(_) => push_cell(out, Cell::Unparsed(&written)),
            },
            Chained::Null => push_cell(out, Cell::Null),
            Chained::Refused(_) => push_cell(out, Cell::Unparsed(&written)),
        }
        Ok(doubt)
    }
}

/// From a text to a typed value.
pub(super) struct Typing {
    pub(super) kind: Kind,
    numbers: NumberFormat,
    /// The steps on the number that was read, in their order.
    number_steps: Vec<Step>,
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
            numbers: plan.numbers.clone(),
            number_steps: plan
                .source_steps
                .iter()
                .chain(&plan.steps)
                .filter(|step| step.is_for_numbers())
                .cloned()
                .collect(),
            are_ambiguous: ambiguous_formats(&plan.formats, plan.kind, timezone).is_some(),
            formats,
            timezone: timezone.cloned(),
        }
    }

    fn is_costly(&self) -> bool {
        let has_zone = self.timezone.as_ref().is_some_and(|zone| *zone != TimeZone::UTC);
        self.formats.iter().any(TimeFormat::is_costly) || (self.kind == Kind::Datetime && has_zone)
    }

    /// Parses a text as a type other than text: the value and the doubts about it, or why it fails.
    pub(super) fn read(
        &self,
        text: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(Cell<'static>, Doubt), &'static str> {
        self.read_seeing(text, scratch, |_, _| ())
    }

    /// The same; calls `seen` for each step on the number.
    pub(super) fn read_seeing(
        &self,
        text: &[u8],
        scratch: &mut Vec<u8>,
        mut seen: impl FnMut(&Step, Cell<'_>),
    ) -> Result<(Cell<'static>, Doubt), &'static str> {
        let steps = self.number_steps.iter().filter_map(|step| Some((step, step.number()?)));
        let cell = match self.kind {
            Kind::Decimal => {
                let mut value = self.numbers.decimal(text, scratch)?;
                for (step, number) in steps {
                    value = number.decimal(value)?;
                    seen(step, Cell::Decimal(value));
                }
                Cell::Decimal(value)
            }
            Kind::Integer => {
                let mut value = self.numbers.integer(text, scratch)?;
                for (step, number) in steps {
                    value = number.integer(value)?;
                    seen(step, Cell::Integer(value));
                }
                Cell::Integer(value)
            }
            Kind::Boolean => Cell::Boolean(boolean::parse(text)?),
            Kind::Date | Kind::Datetime => return self.time(text),
            // A text needs no reading: the caller has it already.
            Kind::Text => Cell::Null,
        };
        Ok((cell, Doubt::NONE))
    }

    fn time(&self, text: &[u8]) -> Result<(Cell<'static>, Doubt), &'static str> {
        let mut readings = self.formats.iter().filter_map(|format| format.read(text));
        let first = readings.next().ok_or("no format matches")?;
        let value = |reading: Reading| reading.value(self.kind, self.timezone.as_ref());
        let (cell, mut doubt) = value(first).ok_or("outside the years of the calendar")?;
        if self.are_ambiguous
            && readings.any(|other| value(other).is_none_or(|(other, _)| other != cell))
        {
            doubt = doubt.and(Doubt::FORMATS);
        }
        Ok((cell, doubt))
    }
}

/// The text of a cell. Sources verify UTF-8; otherwise invalid bytes are replaced visibly.
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

    /// A worker without scripts that keeps no results, for trying many plans on a few values.
    pub fn for_trial(plan: Arc<SidePlan>) -> Self {
        Self::of(plan, Box::new(NoFunctions), false)
    }

    /// A worker with these functions instead of the plan's script.
    pub fn with_functions(plan: Arc<SidePlan>, functions: Box<dyn Functions>) -> Self {
        Self::of(plan, functions, true)
    }

    fn of(plan: Arc<SidePlan>, functions: Box<dyn Functions>, remembers: bool) -> Self {
        let zone = plan.timezone.as_ref();
        Self {
            nulls: Nulls::new(&plan.null_values),
            fields: plan
                .fields
                .iter()
                .map(|field| FieldState::new(field, zone, remembers))
                .collect(),
            tools: Tools {
                functions: Watched::new(functions),
                buffers: Buffers::default(),
                scratch: Vec::new(),
            },
            plan,
        }
    }

    /// From now on, cells that occur again may be codes of this dictionary, except the first `without`.
    pub fn encode_with(&mut self, dictionary: &Arc<Dictionary>, without: usize) {
        let without = without.max(self.plan.key_len);
        let recent = self.fields.iter_mut().skip(without).filter_map(|field| field.recent.as_mut());
        recent.for_each(|recent| recent.encode_with(dictionary.clone()));
    }

    /// Appends the row's cells to `out` in layout order, unless it is filtered or rejected.
    pub fn row<R: RawCells + ?Sized>(&mut self, raw: &R, out: &mut Vec<u8>) -> RowResult {
        match self.is_live(raw) {
            Ok(true) => (),
            Ok(false) => return RowResult::Filtered,
            Err(error) => {
                let texts = self.row_texts(raw).ok().flatten();
                let key_cells = self.key_cells(raw, texts.as_ref(), out);
                return rejected(Code::ScriptErrorRow, error.to_string(), key_cells);
            }
        }
        let texts = match self.row_texts(raw) {
            Ok(texts) => texts,
            Err(error) => {
                // The key as read is the best guess for the partner's `partner_rejected`.
                let key_cells = self.key_cells(raw, None, out);
                return rejected(Code::ScriptErrorRow, error.to_string(), key_cells);
            }
        };
        let start = out.len();
        for at in 0..self.plan.key_len {
            let cell_start = out.len();
            if let Err(error) = self.push_fields(at..at + 1, raw, texts.as_ref(), out) {
                return self.failed(*error, raw, (start, cell_start), out);
            }
            let cell = Cells::new(out.get(cell_start..).unwrap_or_default()).next();
            let bad = cell.filter(|cell| cell.is_null() || cell.is_unparsed());
            if let Some(cell) = bad.filter(|_| !self.plan.key_may_be_null) {
                let is_null = cell.is_null();
                out.truncate(start);
                return self.bad_key(at, raw, is_null);
            }
        }
        let key_end = out.len();
        let others = self.plan.key_len..self.fields.len();
        match self.push_fields(others, raw, texts.as_ref(), out) {
            Ok(()) => RowResult::Row,
            Err(error) => self.failed(*error, raw, (start, key_end), out),
        }
    }

    /// Rejects a row because a function failed on the field at this position; its key lies in this range of `out`, as
    /// far as it was read.
    #[cold]
    fn failed<R: RawCells + ?Sized>(
        &self,
        (at, error): (usize, ScriptError),
        raw: &R,
        (start, key_end): (usize, usize),
        out: &mut Vec<u8>,
    ) -> RowResult {
        let message = format!("{}: {error}", self.describe(at, raw));
        let key_cells = out.get(start..key_end).filter(|key| !key.is_empty()).map(<[u8]>::to_vec);
        out.truncate(start);
        rejected(Code::ScriptErrorRow, message, key_cells)
    }

    /// A call that ran out of its limits since this was last asked, if one did: the run can't go on.
    /// Every call counts, also one that only looked for the key of a row that is rejected anyway.
    pub const fn ran_out(&mut self) -> Option<ScriptError> {
        self.tools.functions.ran_out.take()
    }

    /// How many values of each field were read with each kind of doubt; what did not occur is left
    /// out.
    pub fn doubtful_values(&self) -> Vec<DoubtfulValues> {
        let mut found = Vec::new();
        for (plan, state) in self.plan.fields.iter().zip(&self.fields) {
            for (doubt, (values, example)) in Doubt::ALL.into_iter().zip(&state.doubtful.0) {
                if *values > 0 {
                    found.push(DoubtfulValues {
                        field: plan.name.clone(),
                        doubt,
                        values: *values,
                        example: text_of(example).into_owned(),
                    });
                }
            }
        }
        found
    }

    /// True if a row with a wrong number of columns is filtered out: conditions and filter are evaluated as far as
    /// the cells they need are there.
    pub fn leaves_out<R: RawCells + ?Sized>(&mut self, raw: &R) -> bool {
        let there = raw.len().min(self.plan.columns.len());
        let mut conditions = self.plan.conditions.iter().filter(|(column, _)| *column < there);
        if conditions.any(|(column, condition)| !condition.is_met(raw.cell(*column))) {
            return true;
        }
        let Some(filter) = &self.plan.filter else { return false };
        let texts = column_texts(&self.plan, raw);
        let mut columns = columns(&self.plan, &self.nulls, raw, &texts);
        columns.truncate(there);
        // A filter that reads a missing cell is undecided.
        matches!(self.tools.functions.filter(filter, &columns), Ok(false))
    }

    /// Evaluates the conditions and the filter.
    fn is_live<R: RawCells + ?Sized>(&mut self, raw: &R) -> Result<bool, ScriptError> {
        let conditions = &self.plan.conditions;
        if !conditions.iter().all(|(column, condition)| condition.is_met(raw.cell(*column))) {
            return Ok(false);
        }
        let Some(filter) = &self.plan.filter else { return Ok(true) };
        let texts = column_texts(&self.plan, raw);
        let columns = columns(&self.plan, &self.nulls, raw, &texts);
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
        let columns = columns(&self.plan, &self.nulls, raw, &texts);
        let mapped = self.plan.fields.iter().filter_map(|field| Some((field, field.column?)));
        let mut fields: Vec<(String, Option<String>)> = mapped
            .map(|(field, column)| {
                let text = (!self.nulls.is_null(raw, column))
                    .then(|| text_of(raw.cell(column)).into_owned());
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
        ScriptError {
            function: "row".into(),
            place,
            message: message.into(),
            subject: None,
            ran_out: false,
        }
    }

    /// Appends the cells of some fields. An error names the field that failed.
    #[inline]
    fn push_fields<R: RawCells + ?Sized>(
        &mut self,
        which: Range<usize>,
        raw: &R,
        texts: Option<&RowTexts>,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<(usize, ScriptError)>> {
        let Self { fields, nulls, tools, .. } = self;
        let (mut at, fields) = (which.start, fields.get_mut(which).unwrap_or_default());
        for state in fields {
            let text = match (texts, state.column) {
                (None, Some(column)) => nulls.text(raw, column),
                (None, None) => None,
                (Some(texts), _) => texts.get(at).and_then(Option::as_ref).map(String::as_bytes),
            };
            at += 1;
            match text {
                Some(text) => {
                    state.push(text, tools, out).map_err(|error| Box::new((at - 1, error)))?
                }
                None => push_cell(out, Cell::Null),
            }
        }
        Ok(())
    }

    /// The encoded cells of the key of a row that is rejected for its form, if they can be read.
    pub fn key<R: RawCells + ?Sized>(&mut self, raw: &R) -> Option<Vec<u8>> {
        let parts = self.plan.fields.iter().take(self.plan.key_len);
        let is_text =
            |cell: &[u8]| std::str::from_utf8(cell).is_ok_and(|text| !text.contains('\0'));
        if !parts.filter_map(|field| field.column).all(|column| is_text(raw.cell(column))) {
            return None;
        }
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
        let could_be_read = self.push_fields(0..key_len, raw, texts, out).is_ok();
        let cells = out.split_off(start);
        let is_key =
            key_len > 0 && Cells::new(&cells).all(|cell| !cell.is_null() && !cell.is_unparsed());
        (could_be_read && is_key).then_some(cells)
    }

    fn bad_key<R: RawCells + ?Sized>(&mut self, at: usize, raw: &R, is_null: bool) -> RowResult {
        let place = self.describe(at, raw);
        if is_null {
            return rejected(Code::NullKey, format!("{place}: a key can't be null"), None);
        }
        let trace = self.trace(raw).into_iter().nth(at);
        let kind = self.plan.fields.get(at).map_or(Kind::Text, |field| field.kind);
        let reason = trace.and_then(|trace| trace.unparsed).unwrap_or_default();
        let message = format!("{place}: a key must be of its type, {kind}: {reason}");
        rejected(Code::UnparsableKey, message, None)
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

fn rejected(code: Code, message: String, key_cells: Option<Vec<u8>>) -> RowResult {
    RowResult::Rejected(Box::new(Reject { code, message, key_cells }))
}

/// The texts of a row's columns.
fn column_texts<'r, R: RawCells + ?Sized>(plan: &SidePlan, raw: &'r R) -> Vec<Cow<'r, str>> {
    (0..plan.columns.len()).map(|column| text_of(raw.cell(column))).collect()
}

/// A row's columns by their own names, null as `None`: `raw` in scripts.
fn columns<'t, R: RawCells + ?Sized>(
    plan: &'t SidePlan,
    nulls: &Nulls,
    raw: &R,
    texts: &'t [Cow<'_, str>],
) -> Vec<(&'t str, Option<&'t str>)> {
    let cells = plan.columns.iter().zip(texts).enumerate();
    cells
        .map(|(at, (name, text))| {
            (name.as_str(), (!nulls.is_null(raw, at)).then_some(text.as_ref()))
        })
        .collect()
}
