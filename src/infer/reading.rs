//! The ways to read a column: types and formats, tried with the same normalizer as a run.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Code, Problem};
use crate::domain::row::TextBuffer;
use crate::domain::{Cell, Cells, Kind, RawCells};
use crate::normalize::{
    ArgumentSpec, FieldPlan, GroupingSpec, NegativeSpec, Normalizer, NumberFormat, NumberSpec,
    PercentSpec, SidePlan, Step, StepSpec, Texts, TimeFormat, resolve_steps,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberStyle {
    pub decimal: char,
    /// Between groups of digits; each number uses one of them.
    pub thousands: Vec<char>,
    pub grouping: GroupingSpec,
    /// Signs and codes around the digits.
    pub around: Around,
}

/// Signs and codes around the digits of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// `(1.00)` is negative.
    pub parentheses: bool,
    /// `1.00-` is negative.
    pub trailing_minus: bool,
    pub unicode_minus: bool,
    /// Currency signs and codes.
    pub currency: Vec<String>,
    /// The meaning of a percent sign, if values have one.
    pub percent: Option<PercentSpec>,
}

/// Apostrophes used as thousands separators.
const APOSTROPHES: [char; 2] = ['\'', '\u{2019}'];

/// Spaces used as thousands separators.
const SPACES: [char; 4] = [' ', '\u{a0}', '\u{202f}', '\u{2009}'];

impl NumberStyle {
    /// `-1234.50`
    pub fn plain() -> Self {
        Self::separated('.', &[])
    }

    fn separated(decimal: char, thousands: &[char]) -> Self {
        Self {
            decimal,
            thousands: thousands.to_vec(),
            grouping: GroupingSpec::Thousands,
            around: Around::default(),
        }
    }

    /// The separators to try, most likely first.
    pub fn all() -> Vec<Self> {
        let with = |separator: char, others: &[char]| [&[separator], others].concat();
        vec![
            Self::plain(),
            Self::separated('.', &[',']),
            Self::separated(',', &['.']),
            Self::separated('.', &APOSTROPHES),
            Self::separated('.', &SPACES),
            Self::separated(',', &SPACES),
            Self::separated(',', &APOSTROPHES),
            Self { grouping: GroupingSpec::Indian, ..Self::separated('.', &[',']) },
            Self::separated('.', &[with(',', &SPACES), APOSTROPHES.to_vec()].concat()),
            Self::separated(',', &[with('.', &SPACES), APOSTROPHES.to_vec()].concat()),
        ]
    }

    pub fn with(self, around: &Around) -> Self {
        Self { around: around.clone(), ..self }
    }

    pub fn separates_like(&self, other: &Self) -> bool {
        (self.decimal, &self.thousands, self.grouping)
            == (other.decimal, &other.thousands, other.grouping)
    }

    pub fn is_plain(&self) -> bool {
        *self == Self::plain()
    }

    /// Drops separators that no value uses.
    pub fn narrow<'v>(&mut self, values: impl Iterator<Item = &'v str> + Clone) {
        if self.thousands.len() > 1 {
            self.thousands.retain(|separator| {
                let apart = |text: &str| {
                    let digits = text.split(*separator).collect::<Vec<_>>();
                    digits.windows(2).any(|two| {
                        two[0].ends_with(|c: char| c.is_ascii_digit())
                            && two[1].starts_with(|c: char| c.is_ascii_digit())
                    })
                };
                values.clone().any(apart)
            });
        }
    }

    fn format(&self) -> NumberFormat {
        // Every generated style is valid; a test resolves each.
        self.spec().resolve().unwrap_or_default()
    }

    fn spec(&self) -> NumberSpec {
        let around = &self.around;
        let negative = [
            (around.parentheses, NegativeSpec::Parentheses),
            (around.trailing_minus, NegativeSpec::TrailingMinus),
            (around.unicode_minus, NegativeSpec::UnicodeMinus),
        ];
        let negative = negative.into_iter().filter_map(|(is_used, way)| is_used.then_some(way));
        let texts = |texts: Vec<String>| (!texts.is_empty()).then_some(Texts(texts));
        NumberSpec {
            decimal: Some(self.decimal.to_string()),
            thousands: texts(self.thousands.iter().map(char::to_string).collect()),
            grouping: (self.grouping != GroupingSpec::Thousands).then_some(self.grouping),
            negative: Some(negative.collect()),
            currency: texts(around.currency.clone()),
            percent: around.percent,
        }
    }
}

impl fmt::Display for NumberStyle {
    /// As written in `recon.yaml`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Unusual spaces are written as escapes.
        let character = |character: &char| match character {
            '"' | '\\' => format!("\"\\{character}\""),
            '$' => "\"$$\"".to_owned(),
            plain if plain.is_whitespace() && *plain != ' ' => {
                format!("\"\\u{:04X}\"", u32::from(*plain))
            }
            plain => format!("\"{plain}\""),
        };
        let around = &self.around;
        let mut parts = Vec::new();
        if self.decimal != '.' {
            parts.push(format!("decimal: {}", character(&self.decimal)));
        }
        match self.thousands.as_slice() {
            [] => {}
            [one] => parts.push(format!("thousands: {}", character(one))),
            several => {
                let several: Vec<String> = several.iter().map(character).collect();
                parts.push(format!("thousands: [{}]", several.join(", ")));
            }
        }
        if self.grouping == GroupingSpec::Indian {
            parts.push("grouping: indian".to_owned());
        }
        let negative: Vec<&str> = [
            (around.parentheses, "parentheses"),
            (around.trailing_minus, "trailing_minus"),
            (around.unicode_minus, "unicode_minus"),
        ]
        .into_iter()
        .filter_map(|(is_used, name)| is_used.then_some(name))
        .collect();
        if !negative.is_empty() {
            parts.push(format!("negative: [{}]", negative.join(", ")));
        }
        if !around.currency.is_empty() {
            let signs: Vec<String> =
                around.currency.iter().map(|sign| super::write::quoted(sign)).collect();
            parts.push(format!("currency: [{}]", signs.join(", ")));
        }
        match around.percent {
            None => {}
            Some(PercentSpec::AsWritten) => parts.push("percent: as_written".to_owned()),
            Some(PercentSpec::AsFraction) => parts.push("percent: as_fraction".to_owned()),
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
    pub kind: Kind,
    /// The date or datetime format; `None` is ISO 8601.
    pub format: Option<String>,
    pub numbers: NumberStyle,
    /// Debit and credit marks beside numbers.
    pub debit_credit: Option<(String, String)>,
    /// Steps before the number is read.
    pub steps: Vec<StepSpec>,
}

impl Reading {
    /// Unchanged text.
    pub fn text() -> Self {
        Self::plain(Kind::Text)
    }

    /// A type in its default format.
    pub fn plain(kind: Kind) -> Self {
        Self {
            kind,
            format: None,
            numbers: NumberStyle::plain(),
            debit_credit: None,
            steps: Vec::new(),
        }
    }

    pub fn number(numbers: NumberStyle) -> Self {
        Self { numbers, ..Self::plain(Kind::Decimal) }
    }

    pub fn time(kind: Kind, format: impl Into<String>) -> Self {
        Self { format: Some(format.into()), ..Self::plain(kind) }
    }

    /// The steps that the source needs.
    pub fn source_steps(&self) -> Vec<StepSpec> {
        let marks = self.debit_credit.iter().map(|(debit, credit)| {
            let marks = [("debit", debit), ("credit", credit)];
            let marks = marks.map(|(key, mark)| (key.to_owned(), mark.clone())).to_vec();
            StepSpec::With("debit_credit".to_owned(), ArgumentSpec::Map(marks))
        });
        self.steps.iter().cloned().chain(marks).collect()
    }

    pub fn plan(&self, column: usize, steps: &[Step]) -> FieldPlan {
        let format = self.format.as_deref();
        FieldPlan {
            name: column.to_string(),
            kind: self.kind,
            column: Some(column),
            source_steps: resolve(&self.source_steps()),
            steps: steps.to_vec(),
            formats: format
                .and_then(|format| TimeFormat::parse(format, self.kind).ok())
                .into_iter()
                .collect(),
            numbers: self.numbers.format(),
        }
    }
}

/// The date formats to try. If several fit, the first is preferred.
const DATE_FORMATS: [&str; 26] = [
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
    "%Y年%m月%d日",
    "%Y.%m.%d.",
    "%d.%m.%Y.",
    "%d. %m. %Y",
    "%Y. %m. %d",
];

/// The time formats that may follow a date.
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

/// Every date and datetime reading to try.
pub fn time_readings() -> Vec<Reading> {
    let days = DATE_FORMATS.iter().map(|format| Reading::time(Kind::Date, *format));
    let moments = DATE_FORMATS
        .iter()
        .filter(|format| {
            !format.ends_with("%b%Y") && !format.contains(". ") && !format.ends_with('.')
        })
        .flat_map(|day| {
            TIME_FORMATS
                .iter()
                .map(move |time| Reading::time(Kind::Datetime, format!("{day}{time}")))
        });
    let default = std::iter::once(Reading::plain(Kind::Datetime));
    days.chain(default).chain(moments).collect()
}

/// Languages other than English whose names of months are tried.
const LANGUAGES: [&str; 13] =
    ["de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "nb", "cs", "ru", "tr"];

/// How dates are written with these names.
const NAMED_DATES: [&str; 8] = [
    "%d %B %Y",
    "%d. %B %Y",
    "%d %b %Y",
    "%d. %b %Y",
    "%d-%b-%Y",
    "%d.%b.%Y",
    "%d de %B de %Y",
    "%d %B %Y г.",
];

/// Dates with the name of the day.
const DAYS_OF_THE_WEEK: [&str; 6] =
    ["%a %d %b %Y", "%a, %d %b %Y", "%a %b %d %Y", "%a %d/%m/%Y", "%A, %d %B %Y", "%A, %B %d, %Y"];

/// Dates with names of days, and of months in other languages.
pub fn named_readings() -> Vec<Reading> {
    let formats = LANGUAGES
        .iter()
        .flat_map(|language| NAMED_DATES.iter().map(move |date| format!("[{language}] {date}")));
    let days = DAYS_OF_THE_WEEK.map(str::to_owned).into_iter();
    days.chain(formats).map(|format| Reading::time(Kind::Date, format)).collect()
}

/// Formats of numbers that count days or seconds.
pub const COUNTED: [&str; 6] = ["excel", "%s", "%s%3f", "%s%6f", "excel1904", "%Y%j"];

/// Built-in steps, resolved; script functions are omitted.
pub fn resolve(steps: &[StepSpec]) -> Vec<Step> {
    let resolved = steps.iter().filter_map(|step| {
        resolve_steps(std::slice::from_ref(step), Path::new(""), &|_| false).ok()
    });
    resolved.flatten().collect()
}

pub fn first(problems: impl IntoIterator<Item = Problem>) -> Problem {
    let unknown = || Problem::new(Code::Guess, "an inferred setting is invalid");
    problems.into_iter().next().unwrap_or_else(unknown)
}

/// Reads a row of cells in several ways.
pub struct Trial {
    normalizer: Normalizer,
    cells: Vec<u8>,
}

impl Trial {
    pub fn new(fields: Vec<FieldPlan>, columns: usize, null_values: Vec<String>) -> Self {
        let plan = SidePlan {
            columns: (0..columns).map(|column| column.to_string()).collect(),
            fields,
            key_len: 0,
            key_may_be_null: false,
            null_values,
            timezone: None,
            scripts: Vec::new(),
            row_function: false,
            filter: None,
            conditions: Vec::new(),
        };
        Self { normalizer: Normalizer::for_trial(Arc::new(plan)), cells: Vec::new() }
    }

    /// Reads one text in all of these ways; the empty text is null.
    pub fn of_one(readings: &[Reading]) -> Self {
        let fields = readings.iter().map(|reading| reading.plan(0, &[])).collect();
        Self::new(fields, 1, vec![String::new()])
    }

    /// Passes each field's value of a row to `each`.
    pub fn row<R: RawCells + ?Sized>(&mut self, raw: &R, mut each: impl FnMut(usize, Cell<'_>)) {
        self.cells.clear();
        // Without a key and a filter, no row is rejected.
        self.normalizer.row(raw, &mut self.cells);
        let mut buffer: TextBuffer = [0; 36];
        for (at, cell) in Cells::new(&self.cells).enumerate() {
            each(at, cell.decode(&mut buffer));
        }
    }

    /// Passes the result of each way of reading a text to `each`.
    pub fn text(&mut self, text: &str, each: impl FnMut(usize, Cell<'_>)) {
        self.row(&[text][..], each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_and_style_is_valid() {
        for reading in time_readings().into_iter().chain(named_readings()) {
            if let Some(format) = &reading.format {
                assert!(TimeFormat::parse(format, reading.kind).is_ok(), "{format}");
            }
        }
        let around = Around {
            parentheses: true,
            trailing_minus: true,
            unicode_minus: true,
            currency: vec!["$".into(), "EUR".into(), "Rs.".into()],
            percent: Some(PercentSpec::AsWritten),
        };
        for style in NumberStyle::all() {
            let style = style.with(&around);
            assert!(style.spec().resolve().is_ok(), "{style:?}");
            // The text written into recon.yaml has the same meaning; `$$` is `$` there.
            let written = style.to_string().replace("$$", "$");
            let read: NumberSpec = serde_yaml::from_str(&written).unwrap();
            assert_eq!(read.resolve().unwrap(), style.format(), "{written}");
        }
    }

    #[test]
    fn a_trial_reads_a_text_in_every_way() {
        let ways = [
            Reading::number(NumberStyle::plain()),
            Reading::number(NumberStyle::all()[2].clone()),
            Reading::time(Kind::Date, "%d.%m.%Y"),
        ];
        let mut trial = Trial::of_one(&ways);
        let mut found = Vec::new();
        trial.text("1.234,5", |_, cell| found.push(cell.text()));
        assert_eq!(found, [Some("1.234,5".into()), Some("1234.5".into()), Some("1.234,5".into())]);
    }
}
