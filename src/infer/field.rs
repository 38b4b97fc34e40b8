//! Infers a canonical field: its type, steps, source formats and tolerance.

mod inputs;

use serde::{Serialize, Serializer};

use super::extract::Column;
use super::file::percent;
use super::names;
use super::profile::Profile;
use super::reading::{NumberStyle, Reading, resolve};
use super::write::step_text;
use crate::domain::{Kind, PerSide, Side};
use crate::normalize::{FieldPlan, StepSpec, TimeFormat};

pub use inputs::FieldInputs;

/// A step that makes differently written values agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Uniting {
    /// The source it applies to; `None` for both.
    #[serde(serialize_with = "side_as_letter")]
    pub side: Option<Side>,
    /// The step or setting as written in `recon.yaml`.
    pub step: String,
    /// Rows that agree only with it.
    pub rows: u64,
    /// Joined rows in which both sides have a value, or one if that is what it is about; 0 if no joined row needs it.
    pub of: u64,
    /// Some of the values that it makes agree.
    pub examples: Vec<[String; 2]>,
    /// Written to the configuration, rather than only proposed.
    pub written: bool,
}

/// Agreement of joined rows under the inferred configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    pub equal: u64,
    /// Unequal, but within the written tolerance.
    pub within_tolerance: u64,
    /// Rows in which at least one side has a value.
    pub of: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldGuess {
    pub name: String,
    pub key: bool,
    pub columns: PerSide<String>,
    /// Confidence that the columns are the same field.
    pub confidence: f64,
    pub why: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Confidence in the type and its format.
    pub type_confidence: f64,
    #[serde(serialize_with = "steps_as_texts")]
    pub normalize: Vec<StepSpec>,
    #[serde(serialize_with = "steps_of_sides")]
    pub source_normalize: PerSide<Vec<StepSpec>>,
    /// Steps that make values agree, with the rows that need them.
    pub uniting: Vec<Uniting>,
    pub measured: Measured,
    /// Date and time formats other than ISO 8601.
    pub formats: PerSide<Vec<String>>,
    /// Number formats other than the default.
    #[serde(serialize_with = "numbers_as_text")]
    pub numbers: PerSide<Option<NumberStyle>>,
    pub tolerance: Option<String>,
    /// The value that null stands for.
    pub null_equals: Option<String>,
    pub notes: Vec<String>,
    #[serde(skip)]
    readings: PerSide<Reading>,
}

fn numbers_as_text<S: Serializer>(
    numbers: &PerSide<Option<NumberStyle>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = |style: &Option<NumberStyle>| style.as_ref().map(NumberStyle::to_string);
    PerSide { a: text(&numbers.a), b: text(&numbers.b) }.serialize(serializer)
}

fn side_as_letter<S: Serializer>(side: &Option<Side>, serializer: S) -> Result<S::Ok, S::Error> {
    side.map(Side::letter).serialize(serializer)
}

fn steps_as_texts<S: Serializer>(steps: &[StepSpec], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(steps.iter().map(step_text))
}

fn steps_of_sides<S: Serializer>(
    steps: &PerSide<Vec<StepSpec>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let texts = |steps: &[StepSpec]| steps.iter().map(step_text).collect::<Vec<_>>();
    PerSide { a: texts(&steps.a), b: texts(&steps.b) }.serialize(serializer)
}

impl FieldGuess {
    /// A field of which only its columns and its type are known yet.
    pub fn new(
        name: String,
        columns: PerSide<String>,
        confidence: f64,
        why: String,
        kind: Kind,
    ) -> Self {
        Self {
            name,
            key: false,
            columns,
            confidence,
            why,
            kind,
            type_confidence: if kind == Kind::Text { 0.99 } else { 0.0 },
            normalize: plain_steps(&["trim"]),
            source_normalize: PerSide::default(),
            uniting: Vec::new(),
            measured: Measured::default(),
            formats: PerSide::default(),
            numbers: PerSide::default(),
            tolerance: None,
            null_equals: None,
            notes: Vec::new(),
            readings: PerSide { a: Reading::plain(kind), b: Reading::plain(kind) },
        }
    }

    /// True if debit and credit marks stand beside its numbers.
    pub fn has_marks(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.readings[side].debit_credit.is_some())
    }

    /// How the run reads the field from this column, without script functions.
    pub fn plan(&self, side: Side, column: usize) -> FieldPlan {
        let formats = self.formats[side].iter();
        FieldPlan {
            kind: self.kind,
            source_steps: resolve(&self.source_normalize[side]),
            steps: resolve(&self.normalize),
            formats: formats.filter_map(|text| TimeFormat::parse(text, self.kind).ok()).collect(),
            ..self.readings[side].plan(column, &[])
        }
    }

    /// Whether [`FieldGuess::plan`] reads a column as this reading and trimming do.
    pub fn reads_like(&self, side: Side, reading: &Reading) -> bool {
        self.kind == reading.kind
            && self.source_normalize[side] == reading.source_steps()
            && self.normalize == plain_steps(&["trim"])
            && self.formats[side].iter().eq(&reading.format)
            && self.readings[side].numbers == reading.numbers
    }

    /// Records formats and number styles other than the defaults.
    fn set_readings(&mut self, profiles: &PerSide<Profile>) {
        for side in Side::BOTH {
            let profile = &profiles[side];
            let reading = &profile.reading;
            match self.kind {
                Kind::Date | Kind::Datetime => {
                    self.formats[side] = match (&reading.format, self.kind, reading.kind) {
                        (None, Kind::Date, Kind::Datetime) => days_of_instants(profile),
                        (None, ..) => Vec::new(),
                        (Some(format), Kind::Date, _) if format == "%Y-%m-%d" => Vec::new(),
                        (Some(format), ..) => vec![format.clone()],
                    };
                }
                Kind::Decimal | Kind::Integer => {
                    let numbers = &reading.numbers;
                    self.numbers[side] = (!numbers.is_plain()).then(|| numbers.clone());
                    self.source_normalize[side].splice(0..0, reading.source_steps());
                }
                Kind::Text | Kind::Boolean => continue,
            }
            if let Some(other) = profile.alternatives.first() {
                let other = match &other.format {
                    Some(format) => format!("`{format}`"),
                    None => format!("`{}`", other.numbers),
                };
                self.notes.push(format!(
                    "every sampled value of {side} could also be {other}: please choose"
                ));
            }
            let has_time = reading.kind == Kind::Datetime && self.kind == Kind::Date;
            if has_time && profile.values.iter().any(|(text, _)| !text.contains("00:00")) {
                self.notes.push(format!("only the days of {side} are compared, not its times"));
            }
            if profile.fit < 1.0 {
                self.notes.push(format!(
                    "{} of the values of {side} have this type; the others become TYPE_MISMATCH",
                    percent(profile.fit)
                ));
            }
        }
    }

    pub fn set_measured(&mut self, measured: Measured) {
        self.measured = measured;
        if measured.of == 0 {
            return;
        }
        let agree = match measured.within_tolerance {
            0 => format!("{} of {} joined rows agree", measured.equal, measured.of),
            within => format!(
                "{} of {} joined rows agree, {within} of these within the tolerance",
                measured.equal + within,
                measured.of
            ),
        };
        self.why = if self.why.is_empty() { agree } else { format!("{}; {agree}", self.why) };
    }

    /// Half a unit of the last decimal for amounts; a whole unit for rates and prices, whose last
    /// digit one side may have truncated. Where hardly any row needs it (`is_exact`), it is half a unit of the side with
    /// more decimals, which excuses no difference in them.
    fn set_tolerance(&mut self, a: u8, b: u8, is_exact: bool) {
        if self.kind != Kind::Decimal || self.key {
            return;
        }
        let scale = match (a, b) {
            (0, scale) | (scale, 0) => scale,
            (a, b) if is_exact => a.max(b),
            (a, b) => a.min(b),
        };
        self.tolerance = match usize::from(scale) {
            0 => None,
            scale if is_exact || scale <= 2 => Some(format!("0.{}5", "0".repeat(scale))),
            scale => Some(format!("0.{}1", "0".repeat(scale - 1))),
        };
    }
}

/// The formats that read the days of a column of instants in ISO 8601.
fn days_of_instants(profile: &Profile) -> Vec<String> {
    const FORMATS: [&str; 10] = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.fZ",
        "%Y-%m-%dT%H:%M:%S%.f%:z",
        "%Y-%m-%d %H:%M:%S%.f%:z",
        "%Y-%m-%d %H:%M:%S%.f %:z",
        "%Y-%m-%d %H:%M:%S%.fZ",
        "%Y-%m-%d %H:%M:%S%.f UTC",
        "%Y-%m-%dT%H:%M:%S%.f UTC",
        "%Y-%m-%d %H:%M:%S%.f Z",
    ];
    let is_used = |format: &&str| {
        let format = TimeFormat::parse(format, Kind::Date).ok();
        let reads =
            |text: &str| format.as_ref().is_some_and(|it| it.read(text.as_bytes()).is_some());
        profile.values.iter().any(|(text, _)| reads(text))
    };
    let used: Vec<&str> = FORMATS.into_iter().filter(is_used).collect();
    let used = if used.is_empty() { FORMATS[..4].to_vec() } else { used };
    used.into_iter().map(str::to_owned).collect()
}

/// Steps without arguments.
pub fn plain_steps(names: &[&str]) -> Vec<StepSpec> {
    names.iter().map(|name| StepSpec::Function((*name).to_owned())).collect()
}

fn type_confidence(field: &FieldGuess, profiles: &PerSide<Profile>) -> f64 {
    let of = |profile: &Profile| {
        let values = profile.values.len();
        let few: f64 = if values == 0 {
            0.5
        } else if values < 3 {
            0.8
        } else {
            0.99
        };
        if field.kind == Kind::Text {
            return few.max(0.8);
        }
        let ambiguous = if profile.is_ambiguous() { 0.55 } else { 1.0 };
        few * profile.fit * ambiguous
    };
    of(&profiles.a).min(of(&profiles.b))
}

/// Minimum share of numbers for a numeric column, if the other side's is numeric.
const MOSTLY: f64 = 0.5;

/// The type shared by both columns.
fn kind_of(a: &Column, b: &Column, is_key: bool) -> Kind {
    use Kind::{Boolean, Date, Datetime, Decimal, Integer, Text};
    let (kind_a, kind_b) = match (a.sketch.filled, b.sketch.filled) {
        // An empty column may have any type.
        (0, _) => (b.profile.reading.kind, b.profile.reading.kind),
        (_, 0) => (a.profile.reading.kind, a.profile.reading.kind),
        _ => (a.profile.reading.kind, b.profile.reading.kind),
    };
    let is_identifier = |column: &Column| {
        names::names_an_identifier(&column.name) && !names::names_a_measure(&column.name)
    };
    let is_bit = |column: &Column| {
        column.profile.values.iter().all(|(text, _)| matches!(text.as_str(), "0" | "1"))
    };
    match (kind_a, kind_b) {
        (Integer, Integer) if is_key || is_identifier(a) || is_identifier(b) => Text,
        (Integer, Integer) => Integer,
        (Decimal | Integer, Decimal | Integer) => Decimal,
        (Datetime, Datetime) => Datetime,
        (Date | Datetime, Date | Datetime) => Date,
        (Boolean, Boolean) => Boolean,
        // Mostly numbers, with some texts in between.
        (Decimal, Text) if b.profile.numeric >= MOSTLY && !b.profile.leading_zeros => Decimal,
        (Text, Decimal) if a.profile.numeric >= MOSTLY && !a.profile.leading_zeros => Decimal,
        (Boolean, Integer) if is_bit(b) => Boolean,
        (Integer, Boolean) if is_bit(a) => Boolean,
        _ => Text,
    }
}
