//! How the cells of a column may be read: every type and format worth trying, tried by the very
//! normalizer that a run uses, so that what is guessed here is what is read later.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::domain::row::TextBuffer;
use crate::domain::{Cell, Cells, Kind, RawCells, Side};
use crate::normalize::{
    FieldPlan, NegativeSpec, Normalizer, NumberFormat, NumberSpec, SidePlan, Step, StepSpec,
    TimeFormat, resolve_steps,
};

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberStyle {
    /// Between the whole and the decimals.
    pub decimal: char,
    /// Between groups of three digits.
    pub thousands: Option<char>,
    /// Whether `(1.00)` is a negative number.
    pub parentheses: bool,
    /// Whether `1.00-` is a negative number.
    pub trailing_minus: bool,
}

impl NumberStyle {
    /// `-1234.50`
    pub const PLAIN: Self = Self::separated('.', None);

    const fn separated(decimal: char, thousands: Option<char>) -> Self {
        Self { decimal, thousands, parentheses: false, trailing_minus: false }
    }

    /// The separators worth trying, the likelier ones first.
    pub const ALL: [Self; 9] = [
        Self::PLAIN,
        Self::separated('.', Some(',')),
        Self::separated(',', Some('.')),
        Self::separated('.', Some('\'')),
        Self::separated('.', Some('\u{2019}')),
        Self::separated('.', Some(' ')),
        Self::separated(',', Some(' ')),
        Self::separated(',', Some('\u{a0}')),
        Self::separated(',', Some('\u{202f}')),
    ];

    /// The same separators, and every way to write a negative number.
    pub const fn with_any_negative(self) -> Self {
        Self { parentheses: true, trailing_minus: true, ..self }
    }

    /// Whether separators are the same.
    pub fn separates_like(self, other: Self) -> bool {
        (self.decimal, self.thousands) == (other.decimal, other.thousands)
    }

    fn format(self) -> NumberFormat {
        let mut negative = Vec::new();
        if self.parentheses {
            negative.push(NegativeSpec::Parentheses);
        }
        if self.trailing_minus {
            negative.push(NegativeSpec::TrailingMinus);
        }
        let spec = NumberSpec {
            decimal: Some(self.decimal.to_string()),
            thousands: self.thousands.map(String::from),
            negative: Some(negative),
        };
        // The separators above are all accepted; a test resolves each.
        spec.resolve().unwrap_or_default()
    }
}

impl fmt::Display for NumberStyle {
    /// As `recon.yaml` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.decimal != '.' {
            parts.push(format!("decimal: \"{}\"", self.decimal));
        }
        if let Some(thousands) = self.thousands {
            // Spaces that look like any other are told by their code.
            parts.push(match thousands {
                '\u{a0}' | '\u{202f}' => {
                    format!("thousands: \"\\u{:04X}\"", u32::from(thousands))
                }
                plain => format!("thousands: \"{plain}\""),
            });
        }
        let negative: Vec<&str> =
            [(self.parentheses, "parentheses"), (self.trailing_minus, "trailing_minus")]
                .into_iter()
                .filter_map(|(is_used, name)| is_used.then_some(name))
                .collect();
        if !negative.is_empty() {
            parts.push(format!("negative: [{}]", negative.join(", ")));
        }
        if parts.is_empty() {
            return f.write_str("{ decimal: \".\" }");
        }
        write!(f, "{{ {} }}", parts.join(", "))
    }
}

/// How a column is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The type.
    pub kind: Kind,
    /// The format of a date or datetime; none is the default, ISO 8601.
    pub format: Option<String>,
    /// How numbers are written.
    pub numbers: NumberStyle,
}

impl Reading {
    /// As it is written.
    pub const TEXT: Self = Self::plain(Kind::Text);

    /// A type in its usual form.
    pub const fn plain(kind: Kind) -> Self {
        Self { kind, format: None, numbers: NumberStyle::PLAIN }
    }

    /// A number with these separators.
    pub const fn number(numbers: NumberStyle) -> Self {
        Self { kind: Kind::Decimal, format: None, numbers }
    }

    /// A day or moment in this format.
    pub fn time(kind: Kind, format: impl Into<String>) -> Self {
        Self { kind, format: Some(format.into()), numbers: NumberStyle::PLAIN }
    }

    /// How the normalizer is told.
    pub fn plan(&self, column: usize, steps: &[Step]) -> FieldPlan {
        let format = self.format.as_deref();
        FieldPlan {
            name: column.to_string(),
            kind: self.kind,
            column: Some(column),
            source_steps: Vec::new(),
            steps: steps.to_vec(),
            formats: format
                .and_then(|format| TimeFormat::parse(format, self.kind).ok())
                .into_iter()
                .collect(),
            numbers: self.numbers.format(),
        }
    }
}

/// The formats of days worth trying. Where several fit, the first is preferred.
pub const DATE_FORMATS: [&str; 21] = [
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d/%b/%Y",
    "%d%b%Y",
    "%d-%b-%y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
];

/// The formats of times of day that follow a day.
const TIME_FORMATS: [&str; 9] = [
    " %H:%M:%S%.f",
    "T%H:%M:%S%.f",
    " %H:%M",
    "T%H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
    " %H:%M:%S%.f%:z",
    "T%H:%M:%S%.f%:z",
    "T%H:%M:%S%.fZ",
];

/// Every way to read a day or a moment that is worth trying.
pub fn time_readings() -> Vec<Reading> {
    let days = DATE_FORMATS.iter().map(|format| Reading::time(Kind::Date, *format));
    let moments = DATE_FORMATS.iter().filter(|format| !format.ends_with("%b%Y")).flat_map(|day| {
        TIME_FORMATS.iter().map(move |time| Reading::time(Kind::Datetime, format!("{day}{time}")))
    });
    let default = std::iter::once(Reading::plain(Kind::Datetime));
    days.chain(default).chain(moments).collect()
}

/// A step by its name.
pub fn step(name: &str) -> Result<Vec<Step>, Problem> {
    resolve_steps(&[StepSpec::Function(name.to_owned())], Path::new(""), &|_| false)
        .map_err(|problems| first(problems.into_iter().map(|each| each.problem)))
}

/// The first of these problems.
pub fn first(problems: impl IntoIterator<Item = Problem>) -> Problem {
    let unknown = || Problem::inconsistent("guess", "a guess can't be read back");
    problems.into_iter().next().unwrap_or_else(unknown)
}

/// A row of cells read in certain ways.
pub struct Trial {
    normalizer: Normalizer,
    cells: Vec<u8>,
}

impl Trial {
    /// Reads rows of `columns` columns as these fields.
    pub fn new(
        fields: Vec<FieldPlan>,
        columns: usize,
        null_values: Vec<String>,
    ) -> Result<Self, Problem> {
        let plan = SidePlan {
            side: Side::A,
            columns: (0..columns).map(|column| column.to_string()).collect(),
            fields,
            key_len: 0,
            null_values,
            timezone: None,
            scripts: Vec::new(),
            row_function: false,
            filter: None,
            conditions: Vec::new(),
        };
        Ok(Self { normalizer: Normalizer::new(Arc::new(plan))?, cells: Vec::new() })
    }

    /// Reads one text in all of these ways; the empty text is null.
    pub fn of_one(readings: &[Reading]) -> Result<Self, Problem> {
        let fields = readings.iter().map(|reading| reading.plan(0, &[])).collect();
        Self::new(fields, 1, vec![String::new()])
    }

    /// Gives each field's value of a row to `each`.
    pub fn row<R: RawCells + ?Sized>(&mut self, raw: &R, mut each: impl FnMut(usize, Cell<'_>)) {
        self.cells.clear();
        // Without a key and a filter every row is one.
        self.normalizer.row(raw, &mut self.cells);
        let mut buffer: TextBuffer = [0; 36];
        for (at, cell) in Cells::new(&self.cells).enumerate() {
            each(at, cell.decode(&mut buffer));
        }
    }

    /// Gives what each way makes of a text to `each`.
    pub fn text(&mut self, text: &str, each: impl FnMut(usize, Cell<'_>)) {
        self.row(&[text][..], each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_and_style_is_one_that_recon_accepts() {
        for reading in time_readings() {
            if let Some(format) = &reading.format {
                assert!(TimeFormat::parse(format, reading.kind).is_ok(), "{format}");
            }
        }
        for style in NumberStyle::ALL {
            let format = style.with_any_negative().format();
            assert_ne!(format, NumberFormat::default(), "{style:?}");
        }
    }

    #[test]
    fn a_trial_reads_a_text_in_every_way() {
        let ways = [
            Reading::number(NumberStyle::PLAIN),
            Reading::number(NumberStyle::ALL[2]),
            Reading::time(Kind::Date, "%d.%m.%Y"),
        ];
        let mut trial = Trial::of_one(&ways).unwrap();
        let mut found = Vec::new();
        trial.text("1.234,5", |_, cell| found.push(cell.text()));
        assert_eq!(found, [Some("1.234,5".into()), Some("1234.5".into()), Some("1.234,5".into())]);
    }
}
