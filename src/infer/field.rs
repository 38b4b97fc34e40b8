//! What a canonical field becomes: its type, its steps, how each source writes it, and how far its
//! sides may be apart.

use serde::{Serialize, Serializer};

use super::extract::{Column, Extract};
use super::file::percent;
use super::joined::{Fact, Joined};
use super::mapping::{Pair, TELLING_ROWS};
use super::names;
use super::profile::Profile;
use super::reading::{NumberStyle, Reading, Trial, step};
use super::sketch::ratio;
use super::words::{Shipped, WordFunction, translate};
use crate::diagnostic::Problem;
use crate::domain::{Kind, PerSide, Side};

/// A canonical field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldGuess {
    /// Its name.
    pub name: String,
    /// Whether it is a part of the key.
    pub key: bool,
    /// The columns' names.
    pub columns: PerSide<String>,
    /// How sure it is that the columns are the same field.
    pub confidence: f64,
    /// Why.
    pub why: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// How sure the type and its format are.
    pub type_confidence: f64,
    /// Its steps.
    pub normalize: Vec<String>,
    /// The steps of one source.
    pub source_normalize: PerSide<Vec<String>>,
    /// The formats of days and times where they are not ISO 8601.
    pub formats: PerSide<Vec<String>>,
    /// How numbers are written, where it is not plainly.
    #[serde(serialize_with = "numbers_as_text")]
    pub numbers: PerSide<Option<NumberStyle>>,
    /// How far numbers may be apart.
    pub tolerance: Option<String>,
    /// What a null stands for.
    pub null_equals: Option<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

fn numbers_as_text<S: Serializer>(
    numbers: &PerSide<Option<NumberStyle>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = |style: &Option<NumberStyle>| style.map(|style| style.to_string());
    PerSide { a: text(&numbers.a), b: text(&numbers.b) }.serialize(serializer)
}

/// What fields are made of.
pub struct Evidence<'e> {
    /// Both sides.
    pub extracts: &'e PerSide<Extract>,
    /// The rows of both.
    pub joined: &'e Joined,
    /// The functions that `rules/normalize.rhai` has already.
    pub shipped: &'e mut Shipped,
}

impl Evidence<'_> {
    /// The field that a pair of columns becomes; a function is added to `functions` if it needs one.
    pub fn field(
        &mut self,
        name: String,
        pair: &Pair,
        is_key: bool,
        functions: &mut Vec<WordFunction>,
    ) -> Result<Option<FieldGuess>, Problem> {
        let (Some(a), Some(b)) = (
            self.extracts.a.columns.get(pair.columns.a),
            self.extracts.b.columns.get(pair.columns.b),
        ) else {
            return Ok(None);
        };
        let mut profiles = PerSide { a: a.profile.clone(), b: b.profile.clone() };
        let mut field = FieldGuess {
            name,
            key: is_key,
            columns: PerSide { a: a.name.clone(), b: b.name.clone() },
            confidence: pair.confidence,
            why: pair.why.clone(),
            kind: kind_of(a, b, is_key),
            type_confidence: 0.0,
            normalize: vec!["trim".to_owned()],
            source_normalize: PerSide::default(),
            formats: PerSide::default(),
            numbers: PerSide::default(),
            tolerance: None,
            null_equals: None,
            notes: Vec::new(),
        };
        if field.kind != Kind::Text {
            self.settle(pair.columns, &mut profiles)?;
        }
        field.type_confidence = type_confidence(&field, &profiles);
        field.set_readings(&profiles);
        match field.kind {
            Kind::Text => self.text(&mut field, pair, functions)?,
            Kind::Decimal | Kind::Integer => {
                field.set_tolerance(&profiles);
                self.zero_for_null(&mut field, pair.columns);
                let agreement = self.joined.agreement(pair.columns);
                if agreement.near && agreement.rows >= TELLING_ROWS {
                    field.notes.push(
                        "the sides are often nearly, not quite the same: think of \
                         `tolerance: { percent: … }`"
                            .to_owned(),
                    );
                }
            }
            _ => {}
        }
        Ok(Some(field))
    }

    /// Decides between several ways to read a column by the other side's values in the same rows.
    fn settle(
        &self,
        columns: PerSide<usize>,
        profiles: &mut PerSide<Profile>,
    ) -> Result<(), Problem> {
        if !profiles.a.is_ambiguous() && !profiles.b.is_ambiguous() {
            return Ok(());
        }
        let ways = |profile: &Profile| -> Vec<Reading> {
            std::iter::once(&profile.reading).chain(&profile.alternatives).cloned().collect()
        };
        let (ways_a, ways_b) = (ways(&profiles.a), ways(&profiles.b));
        let (mut trial_a, mut trial_b) = (Trial::of_one(&ways_a)?, Trial::of_one(&ways_b)?);
        let mut agreeing = vec![0u64; ways_a.len() * ways_b.len()];
        for (a, b) in self.joined.pairs(columns) {
            let read = |trial: &mut Trial, fact: &Fact| {
                let mut values = Vec::new();
                trial.text(fact.written.trim(), |_, cell| {
                    values.push(super::extract::loose(cell).filter(|_| !cell.is_unparsed()));
                });
                values
            };
            let (values_a, values_b) = (read(&mut trial_a, a), read(&mut trial_b, b));
            for (at, count) in agreeing.iter_mut().enumerate() {
                let value_a = values_a.get(at / ways_b.len()).cloned().flatten();
                let value_b = values_b.get(at % ways_b.len()).cloned().flatten();
                *count += u64::from(value_a.is_some() && value_a == value_b);
            }
        }
        let best = agreeing.iter().copied().max().unwrap_or(0);
        let mut winners = agreeing.iter().enumerate().filter(|(_, count)| **count == best);
        if let (Some((winner, _)), None) = (winners.next(), winners.next()) {
            for (profile, at) in
                [(&mut profiles.a, winner / ways_b.len()), (&mut profiles.b, winner % ways_b.len())]
            {
                if let Some(at) = at.checked_sub(1) {
                    profile.prefer(at);
                }
                profile.alternatives.clear();
            }
        }
        Ok(())
    }

    /// The steps that make texts agree, the simplest that do.
    fn text(
        &mut self,
        field: &mut FieldGuess,
        pair: &Pair,
        functions: &mut Vec<WordFunction>,
    ) -> Result<(), Problem> {
        if let Some(words) =
            self.joined.words(pair.columns).filter(|_| self.joined.agreement(pair.columns).by_words)
        {
            translate(field, &words, self.shipped, functions);
            field.normalize = vec!["trim".to_owned(), "upper".to_owned()];
            return Ok(());
        }
        const LADDER: [&[&str]; 8] = [
            &["trim"],
            &["trim", "upper"],
            &["trim", "collapse_spaces"],
            &["trim", "collapse_spaces", "upper"],
            &["trim", "strip_leading_zeros"],
            &["trim", "upper", "strip_leading_zeros"],
            &["reference"],
            &["reference", "strip_leading_zeros"],
        ];
        let mut fields = Vec::with_capacity(LADDER.len());
        for names in LADDER {
            let mut steps = Vec::new();
            for name in names {
                steps.extend(step(name)?);
            }
            fields.push(Reading::TEXT.plan(0, &steps));
        }
        let mut trial = Trial::new(fields, 1, Vec::new())?;
        let mut agreeing = [0u64; LADDER.len()];
        let mut all = 0;
        for (a, b) in self.joined.pairs(pair.columns) {
            if a.loose.is_none() || b.loose.is_none() {
                continue;
            }
            all += 1;
            let mut results: Vec<Option<String>> = Vec::with_capacity(LADDER.len());
            trial.text(&a.written, |_, cell| results.push(cell.text()));
            trial.text(&b.written, |at, cell| {
                if let (Some(count), Some(result)) = (agreeing.get_mut(at), results.get(at)) {
                    *count += u64::from(*result == cell.text());
                }
            });
        }
        let [plain, upper, collapsed, both, ..] = agreeing;
        let gain = |with: u64, without: u64| with.saturating_sub(without);
        // For a single row of many, a difference in case is rather an error than a habit; but not
        // in a key, where it would part a record in two.
        let matters = |gain: u64| gain >= 2 || gain > 0 && (field.key || gain * 100 >= all);
        let mut chosen = match (matters(gain(both, collapsed)), gain(both, upper) > 0) {
            (false, false) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (true, true) => 3,
        };
        // What leaves something out must make a habit of it.
        let known = agreeing.get(chosen).copied().unwrap_or(plain);
        let mut most = known;
        for (at, count) in agreeing.iter().enumerate().skip(4) {
            if *count > most && gain(*count, known) * 10 >= all * 3 {
                (chosen, most) = (at, *count);
            }
        }
        if let Some(names) = LADDER.get(chosen) {
            field.normalize = names.iter().map(|name| (*name).to_owned()).collect();
        }
        Ok(())
    }

    /// Whether one side leaves empty what the other writes as 0.
    fn zero_for_null(&self, field: &mut FieldGuess, columns: PerSide<usize>) {
        let (mut zeros, mut alone) = (0u64, 0u64);
        for (a, b) in self.joined.pairs(columns) {
            let value = match (&a.loose, &b.loose) {
                (None, Some(value)) | (Some(value), None) => value,
                _ => continue,
            };
            alone += 1;
            zeros += u64::from(value == "0");
        }
        if zeros >= 3 && ratio(zeros, alone) > 0.5 {
            field.null_equals = Some("0".to_owned());
            field.notes.push(format!(
                "where only one side has a value, it is 0 in {} of the rows",
                percent(ratio(zeros, alone))
            ));
        }
    }
}

impl FieldGuess {
    /// How each side writes it, where it is not the usual way.
    fn set_readings(&mut self, profiles: &PerSide<Profile>) {
        for side in Side::BOTH {
            let profile = &profiles[side];
            let reading = &profile.reading;
            match self.kind {
                Kind::Date | Kind::Datetime => {
                    self.formats[side] = match (&reading.format, self.kind, reading.kind) {
                        (None, Kind::Date, Kind::Datetime) => [
                            "%Y-%m-%dT%H:%M:%S%.f",
                            "%Y-%m-%d %H:%M:%S%.f",
                            "%Y-%m-%dT%H:%M:%S%.fZ",
                            "%Y-%m-%dT%H:%M:%S%.f%:z",
                        ]
                        .map(str::to_owned)
                        .to_vec(),
                        (None, ..) => Vec::new(),
                        (Some(format), Kind::Date, _) if format == "%Y-%m-%d" => Vec::new(),
                        (Some(format), ..) => vec![format.clone()],
                    };
                }
                Kind::Decimal | Kind::Integer => {
                    let is_plain = reading.numbers == NumberStyle::PLAIN;
                    self.numbers[side] = (!is_plain).then_some(reading.numbers);
                }
                Kind::Text | Kind::Boolean => continue,
            }
            if let Some(other) = profile.alternatives.first() {
                let other = match &other.format {
                    Some(format) => format!("`{format}`"),
                    None => format!("`{}`", other.numbers),
                };
                self.notes.push(format!(
                    "every value of {side} looked at could be {other} too: please decide"
                ));
            }
            if profile.fit < 1.0 {
                self.notes.push(format!(
                    "{} of the values of {side} are of the type, the others will be TYPE_MISMATCH",
                    percent(profile.fit)
                ));
            }
        }
    }

    /// Half a unit of the last decimal that amounts have; a whole unit for rates and prices, whose
    /// last digit one side may have cut off.
    fn set_tolerance(&mut self, profiles: &PerSide<Profile>) {
        if self.kind != Kind::Decimal || self.key {
            return;
        }
        let scale = match (profiles.a.scale, profiles.b.scale) {
            (0, scale) | (scale, 0) => scale,
            (a, b) => a.min(b),
        };
        self.tolerance = match usize::from(scale) {
            0 => None,
            scale @ 1..=2 => Some(format!("0.{}5", "0".repeat(scale))),
            scale => Some(format!("0.{}1", "0".repeat(scale - 1))),
        };
    }
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

/// The type that both columns' values have.
fn kind_of(a: &Column, b: &Column, is_key: bool) -> Kind {
    use Kind::{Boolean, Date, Datetime, Decimal, Integer, Text};
    let (kind_a, kind_b) = match (a.sketch.filled, b.sketch.filled) {
        // An empty column is of any type.
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
        (Boolean, Integer) if is_bit(b) => Boolean,
        (Integer, Boolean) if is_bit(a) => Boolean,
        _ => Text,
    }
}
