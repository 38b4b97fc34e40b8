//! Infers a column's type, format and null markers, with a confidence.

use std::collections::{BTreeSet, HashMap};

use super::money::{Notation, notation};
use super::reading::{NumberStyle, Reading, Trial, named_readings, time_readings};
use super::sketch::ratio;
use crate::domain::{Cell, Kind};

#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub reading: Reading,
    /// Equally good readings that give different values.
    pub alternatives: Vec<Reading>,
    /// Number styles that give the same values as `reading`.
    pub same_numbers: Vec<NumberStyle>,
    /// The share of values that have the type.
    pub fit: f64,
    /// The share of values that are numbers.
    pub numeric: f64,
    number_reading: Option<Reading>,
    /// Texts that seem to mean null.
    pub null_markers: Vec<String>,
    pub padded: bool,
    /// The most common number of decimals.
    pub scale: u8,
    /// Whether it may be an identifier despite being all digits.
    pub leading_zeros: bool,
    /// Distinct values with their counts, most frequent first.
    pub values: Vec<(String, u64)>,
}

/// Common texts for null.
const NULL_MARKERS: [&str; 21] = [
    "n/a",
    "na",
    "#n/a",
    "null",
    "(null)",
    "<null>",
    "none",
    "nil",
    "nan",
    "\\n",
    "-",
    "--",
    "?",
    "missing",
    "n.a.",
    // Days that databases and ERP systems write for none.
    "0000-00-00",
    "0000-00-00 00:00:00",
    "0000-00-00t00:00:00",
    "00.00.0000",
    "00/00/0000",
    "0000/00/00",
];

/// Maximum number of null markers with spaces around them that are written.
const MOST_PADDED: usize = 12;

/// Pairs of words for true and false.
const BOOLEANS: [[&str; 2]; 4] = [["true", "false"], ["yes", "no"], ["y", "n"], ["t", "f"]];

/// The minimum share of values of a type.
const FITS: f64 = 0.9;

/// The same for dates and times, which are unmistakable: a column may also contain `Pending`.
const TIMES_FIT: f64 = 0.65;

/// How many values each reading is tried on first; only those that fit are tried on all.
const FIRST_LOOK: usize = 200;

/// Infers columns. Reused, because it prepares many ways to read a cell.
pub struct Profiler {
    /// Numbers without surroundings.
    numbers: Ways,
    times: Ways,
    /// Tried only on texts that may have the name of a month.
    named: Ways,
}

/// Candidate readings, and the normalizer that tries them.
struct Ways {
    readings: Vec<Reading>,
    trial: Trial,
}

impl Ways {
    fn new(readings: Vec<Reading>) -> Self {
        Self { trial: Trial::of_one(&readings), readings }
    }

    /// The readings that fit enough of the first values.
    fn fitting(&mut self, sample: &[(String, u64)]) -> Vec<Reading> {
        let mut read = vec![0u64; self.readings.len()];
        for (text, count) in sample {
            self.trial.text(text, |at, cell| {
                if let Some(read) = read.get_mut(at).filter(|_| is_read(cell)) {
                    *read += count;
                }
            });
        }
        let looked_at: u64 = sample.iter().map(|(_, count)| count).sum();
        let enough = (looked_at * 3 / 5).max(1);
        let fitting = self.readings.iter().zip(&read).filter(|(_, read)| **read >= enough);
        fitting.map(|(reading, _)| reading.clone()).collect()
    }
}

/// The result of one reading.
#[derive(Clone, Debug, Default)]
struct Score {
    read: u64,
    /// The parsed values, to detect readings that differ.
    results: Vec<Option<String>>,
    scales: HashMap<u8, u64>,
}

impl Profiler {
    pub fn new() -> Self {
        let numbers = NumberStyle::all().into_iter().map(Reading::number).collect();
        Self {
            numbers: Ways::new(numbers),
            times: Ways::new(time_readings()),
            named: Ways::new(named_readings()),
        }
    }

    /// Whether a text seems to mean null.
    pub fn is_null_marker(text: &str) -> bool {
        NULL_MARKERS.contains(&text.to_lowercase().as_str())
    }

    /// Infers a column from its cells.
    pub fn profile<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> Profile {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        let mut padded = false;
        let mut padded_markers: BTreeSet<&str> = BTreeSet::new();
        for cell in cells {
            let text = cell.trim();
            padded |= text.len() < cell.len();
            // Null is decided before any step, so the spaces count.
            if text.len() < cell.len() && Self::is_null_marker(text) {
                padded_markers.insert(cell);
            }
            if !text.is_empty() {
                *counts.entry(text).or_default() += 1;
            }
        }
        let mut values: Vec<(String, u64)> =
            counts.into_iter().map(|(text, count)| (text.to_owned(), count)).collect();
        values.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        let (markers, meant): (Vec<_>, Vec<_>) =
            values.iter().cloned().partition(|(text, _)| Self::is_null_marker(text));
        let mut profile = self.of_values(&meant);
        profile.padded = padded;
        if profile.reading.kind != Kind::Text {
            let padded = padded_markers.into_iter().take(MOST_PADDED).map(str::to_owned);
            profile.null_markers =
                markers.into_iter().map(|(text, _)| text).chain(padded).collect();
        }
        profile.values = values;
        profile
    }

    fn of_values(&mut self, values: &[(String, u64)]) -> Profile {
        let mut profile = Profile {
            reading: Reading::text(),
            alternatives: Vec::new(),
            same_numbers: Vec::new(),
            fit: 1.0,
            numeric: 0.0,
            number_reading: None,
            null_markers: Vec::new(),
            padded: false,
            scale: 0,
            leading_zeros: false,
            values: Vec::new(),
        };
        let all: u64 = values.iter().map(|(_, count)| count).sum();
        if all == 0 {
            return profile;
        }
        if is_boolean(values) {
            profile.reading.kind = Kind::Boolean;
            return profile;
        }
        let with_zeros = values.iter().filter(|(text, _)| has_leading_zero(text));
        profile.leading_zeros = ratio(with_zeros.map(|(_, count)| count).sum(), all) > 0.02;
        let scores = self.scores(values);
        let most = |are: fn(Kind) -> bool| {
            let those = scores.iter().filter(|(reading, _)| are(reading.kind));
            those.map(|(_, score)| score.read).max().unwrap_or(0)
        };
        let most_times = most(|kind| kind != Kind::Decimal);
        let most_numbers = most(|kind| kind == Kind::Decimal);
        profile.numeric = ratio(most_numbers, all);
        let is_best = |(reading, score): &&(Reading, Score)| {
            reading.kind == Kind::Decimal && score.read == most_numbers
        };
        profile.number_reading = scores.iter().find(is_best).map(|(reading, _)| reading.clone());
        // 20260115 is also a number, but seldom meant as one.
        let is_time = most_times >= most_numbers;
        let fits = if is_time { TIMES_FIT } else { FITS };
        if ratio(most_times.max(most_numbers), all) < fits {
            return profile;
        }
        if !is_time && profile.leading_zeros && !values.iter().any(|(text, _)| has_decimals(text)) {
            return profile;
        }
        let read = most_times.max(most_numbers);
        profile.fit = ratio(read, all);
        let best: Vec<_> = scores
            .iter()
            .filter(|(reading, score)| {
                score.read == read && (reading.kind != Kind::Decimal) == is_time
            })
            .collect();
        let Some((first, rest)) = best.split_first() else { return profile };
        profile.reading = first.0.clone();
        let (same, different): (Vec<_>, Vec<_>) =
            rest.iter().copied().partition(|(_, score)| score.results == first.1.results);
        // Of readings that give the same values, one suffices.
        let mut known: Vec<&[Option<String>]> = Vec::new();
        for (reading, score) in different {
            if !known.contains(&score.results.as_slice()) {
                known.push(&score.results);
                profile.alternatives.push(reading.clone());
            }
        }
        if is_time {
            return profile;
        }
        profile.same_numbers = if are_bare(values) {
            NumberStyle::all()
        } else {
            same.iter().map(|(reading, _)| reading.numbers.clone()).collect()
        };
        let scales = &first.1.scales;
        profile.scale =
            scales.iter().max_by_key(|(scale, count)| (**count, **scale)).map_or(0, |most| *most.0);
        let is_whole = scales.keys().all(|scale| *scale == 0);
        // Whole amounts with a currency are still amounts.
        if is_whole && profile.reading.numbers.around.currency.is_empty() {
            profile.reading.kind = Kind::Integer;
        }
        profile
    }

    /// The results on all values of the readings that fit the first ones, in order of preference.
    fn scores(&mut self, values: &[(String, u64)]) -> Vec<(Reading, Score)> {
        let sample = values.get(..FIRST_LOOK).unwrap_or(values);
        let seen = look_around(values);
        let mut fitting = if are_bare(values) {
            // Bare digits are the same number in every style.
            vec![Reading::number(NumberStyle::plain())]
        } else if seen == Notation::default() {
            self.numbers.fitting(sample)
        } else {
            let numbers = NumberStyle::all().into_iter().map(|style| Reading {
                debit_credit: seen.debit_credit.clone(),
                steps: seen.steps.clone(),
                ..Reading::number(style.with(&seen.around))
            });
            Ways::new(numbers.collect()).fitting(sample)
        };
        if sample.iter().take(8).any(|(text, _)| may_be_time(text)) {
            let times = self.times.fitting(sample);
            if times.is_empty() && sample.iter().take(8).any(|(text, _)| may_name_a_month(text)) {
                fitting.extend(self.named.fitting(sample));
            }
            fitting.extend(times);
        }
        let mut trial = Trial::of_one(&fitting);
        let mut scores = vec![Score::default(); fitting.len()];
        for (text, count) in values {
            trial.text(text, |at, cell| {
                let Some(score) = scores.get_mut(at) else { return };
                if !is_read(cell) {
                    score.results.push(None);
                    return;
                }
                score.read += count;
                if let Some(number) = cell.number() {
                    *score.scales.entry(number.scale()).or_default() += count;
                }
                score.results.push(cell.text());
            });
        }
        fitting.into_iter().zip(scores).collect()
    }
}

/// Whether the values are whole numbers without separators or surroundings.
fn are_bare(values: &[(String, u64)]) -> bool {
    values.iter().all(|(text, _)| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        (1..=30).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn look_around(values: &[(String, u64)]) -> Notation {
    notation(values.iter().map(|(text, _)| text.as_str()))
}

/// Whether a text can be a date or time; a cheap test, because there are many formats.
fn may_be_time(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let others = text.len() - digits;
    digits >= 3 && (others >= 2 || digits == text.len() && matches!(digits, 8 | 14))
}

/// Whether a text has a word, a day and a year, and little else.
fn may_name_a_month(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (3..=20).contains(&letters) && (5..=6).contains(&digits) && text.len() <= 36
}

impl Profile {
    /// Whether another reading is as good but gives different values.
    pub fn is_ambiguous(&self) -> bool {
        !self.alternatives.is_empty()
    }

    pub fn is_number(&self) -> bool {
        matches!(self.reading.kind, Kind::Decimal | Kind::Integer)
    }

    /// Whether the values are numbers with signs or decimals, which no identifier has.
    pub fn is_amount(&self) -> bool {
        let is_signed = |text: &str| text.starts_with(['-', '+', '(', '\u{2212}']);
        self.is_number()
            && self.values.iter().any(|(text, _)| is_signed(text) || has_decimals(text))
    }

    /// A value that lacks digits, if most do: `4.90000E+11`, as spreadsheets show long numbers.
    pub fn shortened(&self) -> Option<&str> {
        let lacks_digits = |text: &str| {
            let (digits, exponent) = text.split_once("E+")?;
            let decimals = digits.split_once(['.', ',']).map_or(0, |(_, decimals)| decimals.len());
            let is_number =
                digits.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte));
            Some(is_number && exponent.parse::<usize>().ok()? > decimals)
        };
        let is_one = |text: &str| lacks_digits(text) == Some(true);
        let count: u64 = self.values.iter().filter(|(text, _)| is_one(text)).map(|(_, n)| n).sum();
        let all: u64 = self.values.iter().map(|(_, n)| n).sum();
        let (value, _) = self.values.iter().find(|(text, _)| is_one(text))?;
        (count * 2 > all).then_some(value.as_str())
    }

    /// Whether the values are whole numbers, some written with decimals: `1000.0`.
    pub fn is_whole(&self) -> bool {
        let is_whole = |text: &str| match text.split_once('.') {
            Some((digits, zeros)) => {
                digits.bytes().all(|byte| byte.is_ascii_digit())
                    && zeros.bytes().all(|byte| byte == b'0')
            }
            None => text.bytes().all(|byte| byte.is_ascii_digit()),
        };
        self.is_number() && self.values.iter().all(|(text, _)| is_whole(text))
    }

    /// Switches to one of the alternatives.
    pub fn prefer(&mut self, at: usize) {
        if let Some(other) = self.alternatives.get_mut(at) {
            if self.reading.kind == Kind::Integer {
                other.kind = Kind::Decimal;
            }
            std::mem::swap(&mut self.reading, other);
            self.same_numbers.clear();
        }
    }

    /// Reads the column as numbers although some values are not.
    pub fn read_as_number(&mut self) {
        if let Some(reading) = self.number_reading.clone().filter(|_| !self.is_number()) {
            self.reading = reading;
            self.fit = self.numeric;
            self.alternatives.clear();
            self.narrow();
        }
    }

    /// Drops separators that no value uses.
    pub fn narrow(&mut self) {
        let values = self.values.iter().map(|(text, _)| text.as_str());
        let alternatives = self.alternatives.iter_mut().map(|reading| &mut reading.numbers);
        for numbers in std::iter::once(&mut self.reading.numbers).chain(alternatives) {
            numbers.narrow(values.clone());
        }
    }
}

/// Resolves ambiguous number and date readings by the file's unambiguous columns.
pub fn follow_the_others(profiles: &mut [Profile]) {
    let mut styles: Vec<(NumberStyle, usize)> = Vec::new();
    let mut formats: Vec<(String, usize)> = Vec::new();
    for profile in profiles.iter().filter(|profile| !profile.is_ambiguous()) {
        let style = &profile.reading.numbers;
        if profile.is_number() && !style.separates_like(&NumberStyle::plain()) {
            match styles.iter_mut().find(|(known, _)| known.separates_like(style)) {
                Some((_, count)) => *count += 1,
                None => styles.push((style.clone(), 1)),
            }
        } else if let Some(format) = &profile.reading.format {
            match formats.iter_mut().find(|(known, _)| known == format) {
                Some((_, count)) => *count += 1,
                None => formats.push((format.clone(), 1)),
            }
        }
    }
    let house_style = styles.iter().max_by_key(|(_, count)| *count).map(|(style, _)| style);
    for profile in profiles.iter_mut() {
        if let (Some(house), true) = (house_style, profile.is_number()) {
            let like_house = |style: &NumberStyle| style.separates_like(house);
            if let Some(same) = profile.same_numbers.iter().find(|style| like_house(style)) {
                profile.reading.numbers = same.clone();
            }
            let other =
                profile.alternatives.iter().position(|reading| like_house(&reading.numbers));
            if let Some(at) = other {
                profile.prefer(at);
            }
            if profile.reading.numbers.separates_like(house) {
                profile.alternatives.clear();
            }
        } else if profile.is_ambiguous() {
            let is_known = |reading: &Reading| {
                formats.iter().any(|(format, _)| reading.format.as_ref() == Some(format))
            };
            if is_known(&profile.reading) {
                profile.alternatives.clear();
            } else if let Some(at) = profile.alternatives.iter().position(is_known) {
                profile.prefer(at);
                profile.alternatives.clear();
            }
        }
    }
}

/// Whether a value was read, and plausibly.
fn is_read(cell: Cell<'_>) -> bool {
    let days = match cell {
        Cell::Null | Cell::Unparsed(_) => return false,
        Cell::Date(date) => date,
        Cell::Instant(instant) => instant.date(),
        _ => return true,
    };
    (1900..2200).contains(&days.civil().0)
}

fn is_boolean(values: &[(String, u64)]) -> bool {
    let words: Vec<String> = values.iter().take(8).map(|(text, _)| text.to_lowercase()).collect();
    values.len() <= words.len()
        && BOOLEANS.iter().any(|pair| {
            words.iter().all(|word| pair.contains(&word.as_str()))
                && pair.iter().all(|half| words.iter().any(|word| word == half))
        })
}

/// `007`, and `EUR 007` too.
fn has_leading_zero(text: &str) -> bool {
    let text = text.trim_matches(|c: char| !c.is_ascii_digit());
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_decimals(text: &str) -> bool {
    text.contains(['.', ','])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(cells: &[&str]) -> Profile {
        Profiler::new().profile(cells.iter().copied())
    }

    #[test]
    fn all_values_decide_the_type() {
        assert_eq!(profile(&["1", "2", "30"]).reading.kind, Kind::Integer);
        assert_eq!(profile(&["1.5", "2", "30"]).reading.kind, Kind::Decimal);
        assert_eq!(profile(&["007", "008"]).reading, Reading::text());
        assert_eq!(profile(&["0.07", "0.08"]).reading.kind, Kind::Decimal);
        assert_eq!(profile(&["Y", "n", "Y"]).reading.kind, Kind::Boolean);
        assert_eq!(profile(&["Y", "Y"]).reading, Reading::text());
        assert_eq!(profile(&["BUY", "SELL"]).reading, Reading::text());
        assert_eq!(profile(&[]).reading, Reading::text());
    }

    #[test]
    fn separators_are_detected_and_checked() {
        let numbers = |cells: &[&str]| {
            let mut profile = profile(cells);
            profile.narrow();
            profile.reading.numbers
        };
        let german = numbers(&["1.234,56", "7,5", "1.000.000,00-"]);
        assert_eq!((german.decimal, german.thousands.as_slice()), (',', &['.'][..]));
        assert!(german.around.trailing_minus && !german.around.parentheses);
        let accountant = numbers(&["(1,250.00)", "3.10"]);
        assert_eq!((accountant.decimal, accountant.thousands.as_slice()), ('.', &[','][..]));
        assert!(accountant.around.parentheses);
        for (cells, written) in [
            (&["12,34,567.00", "1,234.50", "99.00"][..], "{ thousands: \",\", grouping: indian }"),
            (&["1'234.50", "1\u{2019}234.50"], "{ thousands: [\"'\", \"\u{2019}\"] }"),
            (
                &["€ 1.234,50", "- € 5,00"],
                "{ decimal: \",\", thousands: \".\", currency: [\"€\"] }",
            ),
            (&["$1,037.25", "$5.00"], "{ thousands: \",\", currency: [\"$$\"] }"),
            (&["\u{2212}5.10", "7.20"], "{ negative: [unicode_minus] }"),
            (
                &["1\u{202f}234,50", "1 234,50"],
                "{ decimal: \",\", thousands: [\" \", \"\\u202F\"] }",
            ),
            (&["1.234,50", "12 345,00"], "{ decimal: \",\", thousands: [\".\", \" \"] }"),
            (&["12,5 %", "7,0%"], "{ decimal: \",\", thousands: \".\", percent: as_written }"),
            (&["5.00", "6.25"], "{ decimal: \".\" }"),
        ] {
            assert_eq!(numbers(cells).to_string(), written, "{cells:?}");
        }
        let marked = profile(&["5.00 DR", "6.00 CR", "7.00 DR"]);
        assert_eq!(marked.reading.kind, Kind::Decimal);
        assert_eq!(marked.reading.debit_credit, Some(("DR".into(), "CR".into())));
        let dollars = profile(&["$5", "$7"]);
        assert_eq!(dollars.reading.kind, Kind::Decimal);
        // Three digits after the only separator: two possible numbers.
        assert!(profile(&["10,713", "9,939"]).is_ambiguous());
        assert!(!profile(&["10,713", "11,206.33"]).is_ambiguous());
        assert_eq!(profile(&["1,7079", "0,5"]).reading.numbers.decimal, ',');
    }

    #[test]
    fn all_values_decide_between_day_and_month() {
        let format = |cells: &[&str]| profile(cells).reading.format.unwrap_or_default();
        assert_eq!(format(&["01/02/2026", "13/02/2026"]), "%d/%m/%Y");
        assert_eq!(format(&["01/02/2026", "02/13/2026"]), "%m/%d/%Y");
        assert_eq!(format(&["20260114", "20260115"]), "%Y%m%d");
        assert_eq!(format(&["14-Jan-2026"]), "%d-%b-%Y");
        assert_eq!(format(&["13.01.26", "03.01.26"]), "%d.%m.%y");
        assert_eq!(format(&["14/01/2026 12:30"]), "%d/%m/%Y %H:%M");
        let both = profile(&["01/02/2026", "03/04/2026"]);
        assert!(both.is_ambiguous());
        assert_eq!(both.reading.format.as_deref(), Some("%d/%m/%Y"));
        let iso = profile(&["2026-01-15T10:00:00Z", "2026-01-15T10:00:00.5+01:00"]);
        assert_eq!(iso.reading, Reading::plain(Kind::Datetime));
    }

    #[test]
    fn markers_mean_null_only_if_the_rest_has_a_type() {
        let price = profile(&["1.5", "N/A", "2.5", "3.5"]);
        assert_eq!((price.reading.kind, price.fit), (Kind::Decimal, 1.0));
        assert_eq!(price.null_markers, ["N/A"]);
        assert!(profile(&["x", "N/A", "y"]).null_markers.is_empty());
        // The dash that accounting formats show for zero.
        assert_eq!(profile(&["1.5", " -   ", "2.5", "3.5"]).null_markers, ["-", " -   "]);
        // One typo in twenty does not make a column text.
        let mut cells = vec!["1.25"; 19];
        cells.push("1O0,00");
        assert_eq!(profile(&cells).reading.kind, Kind::Decimal);
        // Nor does an impossible date in a column with two dates.
        let mut cells = [["14-Jan-2026", "15-Jan-2026"]; 20].concat();
        cells.push("31-Feb-2026");
        assert_eq!(profile(&cells).reading.kind, Kind::Date);
    }

    #[test]
    fn ambiguous_columns_follow_the_others_of_the_file() {
        let mut profiler = Profiler::new();
        let mut profiles: Vec<Profile> = [
            ["11,206.33", "9,939"],
            ["10,713", "9,939"],
            ["540.89", "329.94"],
            ["01/02/2026", "01/03/2026"],
            ["01/02/2026", "01/13/2026"],
        ]
        .into_iter()
        .map(|cells| profiler.profile(cells))
        .collect();
        follow_the_others(&mut profiles);
        for profile in &profiles[..3] {
            assert_eq!(profile.reading.numbers.thousands, [',']);
            assert!(!profile.is_ambiguous());
        }
        assert_eq!(profiles[3].reading.format.as_deref(), Some("%m/%d/%Y"));
    }
}
