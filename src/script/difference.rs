//! `d`, the difference in a rule: properties are computed when a script reads them, and the reads
//! are recorded.
//!
//! The record of the reads is what makes rules cheap. A rule is a pure function of what it reads,
//! so the values it read, in order, determine its answer without running it.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, INT, ImmutableString, Map};
use rust_decimal::Decimal as ScriptDecimal;

use super::engine::CallResult;
use super::exact::{self, failure};
use super::functions::similarity;
use super::work;
use crate::diagnostic::nearest;
use crate::domain::row::{TextBuffer, push_cell};
use crate::domain::{
    CandidateRow, Cell, Cells, Decimal, DiffType, DifferenceContext, Field, FieldRef, Kind, Layout,
    Matched, Severity, Side,
};

/// Something that a script may read from a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    Field,
    DiffType,
    Severity,
    /// Side A's value, typed.
    A,
    /// Side B's value, typed.
    B,
    /// Side A's value as the tables show it.
    TextA,
    /// Side B's value as the tables show it.
    TextB,
    /// B − A, of numbers.
    Delta,
    /// |B − A|, of numbers.
    AbsDelta,
    /// |B − A| in percent of the larger of |A| and |B|.
    Percent,
    /// Whole days from A to B, of dates and instants.
    Days,
    /// The Jaro-Winkler similarity, of texts.
    Similarity,
    /// Whether a row of the missing side was rejected.
    PartnerRejected,
    /// The record's match or candidates, as JSON.
    Matched,
    /// The record of a side, if it has one.
    Record(Side),
    RecordField(Side, Box<str>),
    /// The fields of the record whose values on the two sides differ, or agree and are not null.
    Fields(Comparison),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Differing,
    Agreeing,
}

impl Comparison {
    /// The names of the fields.
    pub fn names<'d>(self, d: &DifferenceContext<'d>) -> impl Iterator<Item = &'d str> {
        let layout = d.layout;
        self.positions(d).filter_map(|at| layout.names().nth(at))
    }

    /// The positions of the fields; none if the record has one side only.
    fn positions(self, d: &DifferenceContext<'_>) -> impl Iterator<Item = usize> {
        let sides = d.a.zip(d.b);
        let pairs = sides.into_iter().flat_map(|(a, b)| a.zip(b)).enumerate();
        pairs.filter_map(move |(at, (a, b))| {
            let differs = a != b && {
                let [first, second] = &mut [[0; 36]; 2];
                let (a, b) = (a.decode(first), b.decode(second));
                // Decimals of another scale may be the same number.
                a.number().zip(b.number()).map_or(a != b, |(a, b)| a != b)
            };
            let found = match self {
                Self::Differing => differs,
                Self::Agreeing => !differs && !a.is_null(),
            };
            found.then_some(at)
        })
    }
}

pub(super) enum PropertyError {
    TooManyDigits,
    NoSuchField,
}

/// Decimals of `d.percent`.
const PERCENT_SCALE: u8 = 6;
/// Texts longer than this have no `d.similarity`: the work grows with the square.
const MAX_COMPARED: usize = 2_000;
/// Stands before a reading that failed; no cell's encoding begins with it.
const FAILED: u8 = 0xff;

impl Property {
    /// Reads the property of a difference. Names (field, diff type, severity) are texts.
    pub(super) fn read<'b>(
        &self,
        d: &DifferenceContext<'b>,
        buffers: &'b mut [TextBuffer; 2],
    ) -> Result<Cell<'b>, PropertyError> {
        let [first, second] = buffers;
        let entire = d.field == FieldRef::EntireRecord;
        let exists = |side: Option<Cells<'_>>| match side {
            Some(_) => Cell::Text(FieldRef::EXISTS),
            None => Cell::Null,
        };
        Ok(match self {
            Self::Field => Cell::Text(d.field_name()),
            Self::DiffType => Cell::Text(d.diff_type.name()),
            Self::Severity => Cell::Text(d.severity.name()),
            Self::PartnerRejected => Cell::Boolean(d.partner_rejected),
            Self::Matched => d.matched.map_or(Cell::Null, Cell::Text),
            // A list, which is no cell: see `encode` and `Subject::get`.
            Self::Fields(_) => Cell::Null,
            Self::TextA if entire => exists(d.a),
            Self::TextB if entire => exists(d.b),
            Self::A | Self::TextA => d.cell(d.a, first),
            Self::B | Self::TextB => d.cell(d.b, first),
            Self::Delta => delta(d.cell(d.a, first), d.cell(d.b, second))?,
            Self::AbsDelta => match delta(d.cell(d.a, first), d.cell(d.b, second))? {
                Cell::Integer(value) => {
                    value.checked_abs().map(Cell::Integer).ok_or(PropertyError::TooManyDigits)?
                }
                Cell::Decimal(value) => Cell::Decimal(value.abs()),
                other => other,
            },
            Self::Percent => percent(d.cell(d.a, first), d.cell(d.b, second))?,
            Self::Days => days(d.cell(d.a, first), d.cell(d.b, second)),
            Self::Similarity => match (d.cell(d.a, first), d.cell(d.b, second)) {
                (Cell::Text(a), Cell::Text(b)) if a.len().max(b.len()) <= MAX_COMPARED => {
                    exact::to_domain(similarity(a, b)).map_or(Cell::Null, Cell::Decimal)
                }
                _ => Cell::Null,
            },
            Self::Record(side) => Cell::Boolean(record(d, *side).is_some()),
            Self::RecordField(side, name) => {
                let at = d.layout.position(name).ok_or(PropertyError::NoSuchField)?;
                record(d, *side)
                    .and_then(|mut cells| cells.nth(at))
                    .map_or(Cell::Null, |raw| raw.decode(first))
            }
        })
    }

    /// Whether an encoded value (see [`Self::encode`]) is a number.
    pub fn is_number(&self, value: &[u8]) -> bool {
        let is_cell = !matches!(self, Self::DiffType | Self::Severity | Self::Fields(_))
            && value.first().is_some_and(|first| *first != FAILED);
        let cell = is_cell.then(|| Cells::new(value).next()).flatten();
        cell.is_some_and(|raw| raw.decode(&mut [0; 36]).number().is_some())
    }

    /// Appends the value that a script would read: with equal bytes, it cannot distinguish two
    /// differences by this property.
    pub fn encode(&self, d: &DifferenceContext<'_>, out: &mut Vec<u8>) {
        match self {
            // By far the most frequent ones, and no text is needed to tell them apart.
            Self::DiffType => out.push(d.diff_type.code()),
            Self::Severity => out.push(d.severity.code()),
            Self::Fields(comparison) => {
                for name in comparison.names(d) {
                    push_cell(out, Cell::Text(name));
                }
            }
            _ => match self.read(d, &mut [[0; 36]; 2]) {
                Ok(cell) => push_cell(out, cell),
                Err(PropertyError::TooManyDigits) => out.extend([FAILED, 0]),
                Err(PropertyError::NoSuchField) => out.extend([FAILED, 1]),
            },
        }
    }
}

fn record<'a>(d: &DifferenceContext<'a>, side: Side) -> Option<Cells<'a>> {
    match side {
        Side::A => d.a,
        Side::B => d.b,
    }
}

fn delta(a: Cell<'_>, b: Cell<'_>) -> Result<Cell<'static>, PropertyError> {
    if let (Cell::Integer(a), Cell::Integer(b)) = (a, b) {
        return b.checked_sub(a).map(Cell::Integer).ok_or(PropertyError::TooManyDigits);
    }
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => {
            b.checked_sub(a).map(Cell::Decimal).ok_or(PropertyError::TooManyDigits)
        }
        _ => Ok(Cell::Null),
    }
}

fn percent(a: Cell<'_>, b: Cell<'_>) -> Result<Cell<'static>, PropertyError> {
    let (Some(a), Some(b)) = (a.number(), b.number()) else { return Ok(Cell::Null) };
    let delta = b.checked_sub(a).ok_or(PropertyError::TooManyDigits)?;
    let larger = a.abs().max(b.abs());
    if larger.is_zero() {
        return Ok(Cell::Decimal(Decimal::ZERO));
    }
    narrow_percent(delta, larger)
        .or_else(|| delta.abs().percent_of(larger, PERCENT_SCALE))
        .map(Cell::Decimal)
        .ok_or(PropertyError::TooManyDigits)
}

/// |`delta`| in percent of `larger`, if 128 bits suffice, as they nearly always do: rules ask for
/// it more than for anything else, and the wide way takes ten times as long.
fn narrow_percent(delta: Decimal, larger: Decimal) -> Option<Decimal> {
    let scale = u32::from(delta.scale().checked_sub(larger.scale())?);
    let unit = 10i128.pow(2 + u32::from(PERCENT_SCALE));
    let numerator = delta.coefficient().abs().checked_mul(unit)?.checked_mul(2)?;
    let denominator = larger.coefficient().checked_mul(10i128.checked_pow(scale)?)?;
    let rounded = numerator.checked_add(denominator)? / denominator.checked_mul(2)?;
    Decimal::new(rounded, PERCENT_SCALE)
}

fn days(a: Cell<'_>, b: Cell<'_>) -> Cell<'static> {
    const DAY_NS: i128 = 86_400 * 1_000_000_000;
    match (a, b) {
        (Cell::Date(a), Cell::Date(b)) => {
            Cell::Integer(i128::from(b.days()) - i128::from(a.days()))
        }
        (Cell::Instant(a), Cell::Instant(b)) => Cell::Integer(b.nanoseconds_since(a) / DAY_NS),
        _ => Cell::Null,
    }
}

/// The properties that a function read from a difference, in order and each once.
#[derive(Debug, Default)]
pub struct Reads {
    properties: Vec<(Property, usize)>,
    values: Vec<u8>,
    /// It read a property without an encoding, such as the list of all fields.
    opaque: bool,
}

impl Reads {
    /// True if the result depends on the recorded reads only.
    pub fn are_complete(&self) -> bool {
        !self.opaque
    }

    /// The properties with the values read (see [`Property::encode`]), in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Property, &[u8])> {
        let mut start = 0;
        self.properties.iter().map(move |(property, end)| {
            let value = self.values.get(start..*end).unwrap_or_default();
            start = *end;
            (property, value)
        })
    }

    fn clear(&mut self) {
        self.properties.clear();
        self.values.clear();
        self.opaque = false;
    }

    fn record(&mut self, property: &Property, d: &DifferenceContext<'_>) {
        // A second read gives the same value; after an opaque one, recording is pointless.
        if !self.opaque && self.properties.iter().all(|(known, _)| known != property) {
            property.encode(d, &mut self.values);
            self.properties.push((property.clone(), self.values.len()));
        }
    }
}

/// The difference that a script is reading: a copy of the few hundred bytes that rules may read, because a value of
/// Rhai can't borrow. The copy's memory is reused.
pub(super) struct Subject {
    layout: Layout,
    field: FieldRef,
    diff_type: DiffType,
    severity: Severity,
    partner_rejected: bool,
    matched: Option<String>,
    a: Vec<u8>,
    b: Vec<u8>,
    has: [bool; 2],
    recording: bool,
    pub(super) reads: Reads,
    names: Names,
}

/// The texts that rules compare most, ready to be handed out without a copy.
struct Names {
    fields: Vec<ImmutableString>,
    entire_record: ImmutableString,
    diff_types: Vec<ImmutableString>,
    severities: Vec<ImmutableString>,
}

impl Subject {
    /// No difference yet.
    pub(super) fn new() -> Self {
        // Some layout, until the first difference brings its own.
        let nothing = Field::new(FieldRef::ENTIRE_RECORD, Kind::Text);
        Self {
            layout: Layout::new(vec![nothing], 1),
            field: FieldRef::EntireRecord,
            diff_type: DiffType::MissingInSourceA,
            severity: Severity::High,
            partner_rejected: false,
            matched: None,
            a: Vec::new(),
            b: Vec::new(),
            has: [false; 2],
            recording: false,
            reads: Reads::default(),
            names: Names {
                fields: Vec::new(),
                entire_record: FieldRef::ENTIRE_RECORD.into(),
                diff_types: DiffType::ALL.iter().map(|kind| kind.name().into()).collect(),
                severities: Severity::ALL.iter().map(|kind| kind.name().into()).collect(),
            },
        }
    }

    pub(super) fn load(&mut self, d: &DifferenceContext<'_>) {
        if self.layout != *d.layout {
            self.layout = d.layout.clone();
            self.names.fields = d.layout.names().map(Into::into).collect();
        }
        self.field = d.field;
        self.diff_type = d.diff_type;
        self.severity = d.severity;
        self.partner_rejected = d.partner_rejected;
        self.matched = d.matched.map(str::to_owned);
        self.has = [d.a.is_some(), d.b.is_some()];
        for (copy, cells) in [(&mut self.a, d.a), (&mut self.b, d.b)] {
            copy.clear();
            cells.into_iter().for_each(|cells| cells.push_to(copy));
        }
    }

    /// A rule begins; `recording` records its reads.
    pub(super) fn begin(&mut self, recording: bool) {
        self.recording = recording;
        self.reads.clear();
    }

    fn context(&self) -> DifferenceContext<'_> {
        let [has_a, has_b] = self.has;
        DifferenceContext {
            layout: &self.layout,
            field: self.field,
            diff_type: self.diff_type,
            severity: self.severity,
            a: has_a.then(|| Cells::new(&self.a)),
            b: has_b.then(|| Cells::new(&self.b)),
            partner_rejected: self.partner_rejected,
            matched: self.matched.as_deref(),
        }
    }

    fn recorded(&mut self, property: &Property) {
        if self.recording {
            // Taken out while the context borrows the rest.
            let mut reads = std::mem::take(&mut self.reads);
            reads.record(property, &self.context());
            self.reads = reads;
        }
    }

    /// Charges for looking at the fields: a unit for this many of them, and for the bytes of both records.
    fn charge(&self, fields: usize) -> CallResult<()> {
        let bytes = (self.a.len() + self.b.len()) / BYTES;
        work::charge(self.names.fields.len() / fields + bytes)
    }

    /// The record's match or candidates.
    fn matched(&mut self) -> CallResult<Matched> {
        self.recorded(&Property::Matched);
        let Some(text) = self.matched.as_deref() else { return Ok(Matched::default()) };
        work::charge_texts(&[text])?;
        Ok(serde_json::from_str(text).unwrap_or_default())
    }

    /// The pass that matched the record; nothing for an open row.
    fn match_pass(&mut self) -> CallResult<Option<String>> {
        self.recorded(&Property::Record(Side::A));
        self.recorded(&Property::Record(Side::B));
        // A pair that no pass says it has made was made by the key.
        Ok(self.matched()?.pass.or_else(|| (self.has == [true; 2]).then(|| "key".to_owned())))
    }

    /// How many rows a side has.
    fn members(&mut self, side: Side) -> CallResult<usize> {
        self.recorded(&Property::Record(side));
        let members = self.matched()?.members()[side];
        Ok(members.max(usize::from(self.has[side as usize])))
    }

    fn get(&mut self, property: &Property) -> CallResult<Dynamic> {
        self.recorded(property);
        let name = |names: &[ImmutableString], at: Option<usize>| {
            at.and_then(|at| names.get(at)).cloned().map_or(Dynamic::UNIT, Dynamic::from)
        };
        match property {
            Property::Field => Ok(match self.field {
                FieldRef::EntireRecord => self.names.entire_record.clone().into(),
                FieldRef::Field(at) => name(&self.names.fields, Some(usize::from(at))),
            }),
            Property::DiffType => {
                let at = DiffType::ALL.iter().position(|kind| *kind == self.diff_type);
                Ok(name(&self.names.diff_types, at))
            }
            Property::Severity => {
                let at = Severity::ALL.iter().position(|kind| *kind == self.severity);
                Ok(name(&self.names.severities, at))
            }
            Property::Fields(comparison) => {
                self.charge(COMPARED)?;
                let d = self.context();
                let fields = comparison.positions(&d);
                let names = fields.map(|at| name(&self.names.fields, Some(at)));
                Ok(Dynamic::from_array(names.collect()))
            }
            _ => {
                self.charge(PASSED)?;
                let mut buffers = [[0; 36]; 2];
                match property.read(&self.context(), &mut buffers) {
                    Ok(cell) if matches!(property, Property::TextA | Property::TextB) => {
                        Ok(cell.text().map_or(Dynamic::UNIT, Dynamic::from))
                    }
                    Ok(cell) => dynamic(cell),
                    Err(PropertyError::TooManyDigits) => failure(
                        "the difference of the two numbers has more digits than recon can hold",
                    ),
                    Err(PropertyError::NoSuchField) => self.no_such_field(property),
                }
            }
        }
    }

    fn no_such_field(&self, property: &Property) -> CallResult<Dynamic> {
        let Property::RecordField(_, name) = property else { return Ok(Dynamic::UNIT) };
        work::charge(self.names.fields.len() / 2 * (1 + name.len() / BYTES))?;
        failure(match nearest(name, self.layout.names()) {
            Some(meant) => format!("the record has no field `{name}`; did you mean `{meant}`?"),
            None => format!("the record has no field `{name}`"),
        })
    }
}

/// A typed value as a script sees it.
fn dynamic(cell: Cell<'_>) -> CallResult<Dynamic> {
    let decimal = |value: Decimal| match exact::from_domain(value) {
        Some(value) => Ok(Dynamic::from_decimal(value)),
        None => failure(format!(
            "the number {value} has more digits than the 28 that a script can hold; its text is in \
             d.text_a or d.text_b"
        )),
    };
    match cell {
        Cell::Null => Ok(Dynamic::UNIT),
        Cell::Text(text) | Cell::Unparsed(text) => Ok(ImmutableString::from(text).into()),
        Cell::Decimal(value) => decimal(value),
        Cell::Integer(value) => match (INT::try_from(value), Decimal::new(value, 0)) {
            (Ok(value), _) => Ok(Dynamic::from_int(value)),
            (_, Some(value)) => decimal(value),
            (_, None) => failure("the number has more digits than recon can hold"),
        },
        Cell::Boolean(value) => Ok(value.into()),
        Cell::Date(_) | Cell::Instant(_) => Ok(Dynamic::from(cell.to_string())),
    }
}

/// `d` in a script.
#[derive(Clone)]
pub(super) struct ScriptDifference(pub(super) Rc<RefCell<Subject>>);

/// `d.record_a` or `d.record_b` in a script.
#[derive(Clone)]
struct ScriptRecord(Rc<RefCell<Subject>>, Side);

impl ScriptRecord {
    fn get(&mut self, name: &str) -> CallResult<Dynamic> {
        charged(self.0.borrow_mut().get(&Property::RecordField(self.1, name.into()))?)
    }

    /// Every field's name. Which fields a job has is no single value, so this read is opaque.
    fn names(&mut self) -> CallResult<Array> {
        let mut subject = self.0.borrow_mut();
        subject.charge(PASSED)?;
        subject.reads.opaque = true;
        Ok(subject.names.fields.iter().cloned().map(Dynamic::from).collect())
    }
}

/// A value that a script gets from a difference: a long text counts as work, whatever is done with it.
fn charged(value: Dynamic) -> CallResult<Dynamic> {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        work::charge_texts(&[text.as_str()])?;
    }
    Ok(value)
}

/// A candidate of an open row, as an object.
fn candidate(row: CandidateRow) -> CallResult<Dynamic> {
    let CandidateRow { reference, why, field, by, taken_by, rows: _ } = row;
    work::charge_texts(&[&reference, &why])?;
    let text = |text: Option<String>| text.map_or(Dynamic::UNIT, Dynamic::from);
    let by = match by.as_deref().map(str::parse::<Decimal>) {
        Some(Ok(by)) if by.scale() == 0 => dynamic(Cell::Integer(by.coefficient()))?,
        Some(Ok(by)) => dynamic(Cell::Decimal(by))?,
        _ => Dynamic::UNIT,
    };
    let mut object = Map::new();
    for (name, value) in [
        ("ref", reference.into()),
        ("why", why.into()),
        ("field", text(field)),
        ("by", by),
        ("taken_by", text(taken_by)),
    ] {
        object.insert(name.into(), value);
    }
    Ok(object.into())
}

/// Fields of a record to compare that are one unit of work.
const COMPARED: usize = 8;
/// Fields to pass on the way to one that are one unit of work.
const PASSED: usize = 32;
/// Bytes of the records that are one unit of work.
const BYTES: usize = 256;

/// Properties with the difference's own values.
const PROPERTIES: [(&str, Property); 15] = [
    ("field", Property::Field),
    ("diff_type", Property::DiffType),
    ("severity", Property::Severity),
    ("a", Property::A),
    ("b", Property::B),
    ("text_a", Property::TextA),
    ("text_b", Property::TextB),
    ("delta", Property::Delta),
    ("abs_delta", Property::AbsDelta),
    ("percent", Property::Percent),
    ("days", Property::Days),
    ("similarity", Property::Similarity),
    ("partner_rejected", Property::PartnerRejected),
    ("differing", Property::Fields(Comparison::Differing)),
    ("agreeing", Property::Fields(Comparison::Agreeing)),
];

pub(super) fn property(name: &str) -> Option<Property> {
    PROPERTIES.into_iter().find(|(known, _)| *known == name).map(|(_, property)| property)
}

/// Registers `d` and its properties.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ScriptDifference>("difference")
        .register_type_with_name::<ScriptRecord>("record")
        .register_type_with_name::<ScriptDecimal>("decimal");
    for (name, property) in PROPERTIES {
        engine.register_get(name, move |d: &mut ScriptDifference| {
            charged(d.0.borrow_mut().get(&property)?)
        });
    }
    engine.register_get("match_pass", |d: &mut ScriptDifference| {
        charged(d.0.borrow_mut().match_pass()?.map_or(Dynamic::UNIT, Dynamic::from))
    });
    engine.register_get("candidates", |d: &mut ScriptDifference| -> CallResult<Array> {
        let matched = d.0.borrow_mut().matched()?;
        matched.candidates.into_iter().map(candidate).collect()
    });
    for (name, side) in [("members_a", Side::A), ("members_b", Side::B)] {
        engine.register_get(name, move |d: &mut ScriptDifference| -> CallResult<INT> {
            Ok(INT::try_from(d.0.borrow_mut().members(side)?).unwrap_or(INT::MAX))
        });
    }
    for (name, side) in [("record_a", Side::A), ("record_b", Side::B)] {
        engine.register_get(name, move |d: &mut ScriptDifference| -> Dynamic {
            let mut subject = d.0.borrow_mut();
            subject.recorded(&Property::Record(side));
            match record(&subject.context(), side) {
                Some(_) => Dynamic::from(ScriptRecord(Rc::clone(&d.0), side)),
                None => Dynamic::UNIT,
            }
        });
    }
    engine
        .register_indexer_get(|record: &mut ScriptRecord, name: &str| record.get(name))
        .register_fn("keys", ScriptRecord::names)
        .register_fn("contains", |record: &mut ScriptRecord, name: &str| -> CallResult<bool> {
            Ok(record.names()?.into_iter().any(|field| {
                field.into_immutable_string().is_ok_and(|field| field.as_str() == name)
            }))
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_narrow_percentage_is_the_wide_one(
            a in -1_000_000_000_000i64..1_000_000_000_000,
            b in -1_000_000_000_000i64..1_000_000_000_000,
            scales in (0u8..9, 0u8..9),
        ) {
            let a = Decimal::new(a.into(), scales.0).unwrap();
            let b = Decimal::new(b.into(), scales.1).unwrap();
            let delta = b.checked_sub(a).unwrap();
            let larger = a.abs().max(b.abs());
            if !larger.is_zero() {
                let narrow = narrow_percent(delta, larger).unwrap();
                prop_assert_eq!(Some(narrow), delta.abs().percent_of(larger, PERCENT_SCALE));
            }
        }
    }
}
