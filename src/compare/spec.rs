//! What `recon.yaml` says about comparing a field, and what it means.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnostic::{Code, PathStep, Problem, SpecProblem};
use crate::domain::{Date, Decimal, Kind, Severity, Value, Written};

use super::number::NumberTolerance;
use super::{Calendar, FieldCompare, Tolerance};

/// How far two values of a field may be apart. Bounds are inclusive.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToleranceSpec {
    /// Decimals and integers: the largest |a − b|.
    pub absolute: Option<Written<Decimal>>,
    /// Decimals and integers: the largest |a − b| in percent of the base.
    pub percent: Option<Written<Decimal>>,
    /// What `percent` is of. Default `larger`.
    pub base: Option<BaseSpec>,
    /// With both `absolute` and `percent`: whether one of them suffices. There is no default.
    pub combine: Option<CombineSpec>,
    /// Dates: the largest distance in calendar days.
    pub days: Option<Written<u32>>,
    /// Dates: the largest distance in business days.
    pub business_days: Option<Written<u32>>,
    /// The business calendar. Default Monday to Friday without holidays.
    pub calendar: Option<CalendarSpec>,
    /// Datetimes: the largest distance in seconds.
    pub seconds: Option<Written<Decimal>>,
    /// Text: the smallest Jaro–Winkler similarity, 0 to 1.
    pub similarity: Option<Written<Decimal>>,
}

/// What a percentage is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseSpec {
    /// The larger of |a| and |b|: A against B gives what B against A gives.
    #[default]
    Larger,
    /// The smaller of |a| and |b|.
    Smaller,
    /// |a|.
    A,
    /// |b|.
    B,
}

impl BaseSpec {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Larger => "the larger",
            Self::Smaller => "the smaller",
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// How an absolute and a percentage bound join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CombineSpec {
    /// One bound suffices.
    Either,
    /// Both bounds must hold.
    Both,
}

/// A business calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarSpec {
    /// The weekly days off. Default Saturday and Sunday.
    pub weekend: Option<Vec<WeekdaySpec>>,
    /// Single days off, `YYYY-MM-DD`.
    pub holidays: Option<Vec<String>>,
    /// A file with one such day a line, relative to `recon.yaml`; `#` begins a comment.
    pub file: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum WeekdaySpec {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What a field of `recon.yaml` says about comparing it, gathered by `config`.
#[derive(Clone, Debug)]
pub struct CompareSpec<'a> {
    /// The type of the field.
    pub kind: Kind,
    /// Its `tolerance`.
    pub tolerance: Option<&'a ToleranceSpec>,
    /// Its `severity`.
    pub severity: Option<Severity>,
    /// Its `null_equals`, already read as a value of the field's type.
    pub null_equals: Option<Value>,
}

impl CompareSpec<'_> {
    /// What it means; `base` is the folder that relative paths start from. Problems carry the path
    /// from the field's map.
    pub fn resolve(&self, base: &Path) -> Result<FieldCompare, Vec<SpecProblem>> {
        let tolerance = match self.tolerance {
            None => Tolerance::Exact,
            Some(spec) => spec.resolve(self.kind, base).map_err(|problems| {
                problems.into_iter().map(|problem| problem.under("tolerance")).collect::<Vec<_>>()
            })?,
        };
        Ok(FieldCompare {
            tolerance,
            null_equals: self.null_equals.clone(),
            severity: self.severity,
            ..FieldCompare::exact(self.kind)
        })
    }
}

impl ToleranceSpec {
    fn resolve(&self, kind: Kind, base: &Path) -> Result<Tolerance, Vec<SpecProblem>> {
        let mut problems = self.misplaced(kind);
        let bounds = [
            ("absolute", self.absolute),
            ("percent", self.percent),
            ("seconds", self.seconds),
            ("similarity", self.similarity),
        ];
        for (key, bound) in bounds {
            if bound.is_some_and(|bound| bound.0 < Decimal::ZERO) {
                problems.push(wrong(key, format!("`{key}` can't be negative")));
            }
        }
        if self.similarity.is_some_and(|least| least.0.to_f64() > 1.0) {
            problems.push(wrong("similarity", "`similarity` is between 0 and 1".to_owned()));
        }
        if self.days.is_some() && self.business_days.is_some() {
            problems.push(wrong(
                "business_days",
                "`days` and `business_days` exclude each other".to_owned(),
            ));
        }
        if self.calendar.is_some() && self.business_days.is_none() {
            problems.push(wrong("calendar", "`calendar` needs `business_days`".to_owned()));
        }
        if self.base.is_some() && self.percent.is_none() {
            problems.push(wrong("base", "`base` needs `percent`".to_owned()));
        }
        match (self.absolute, self.percent, self.combine) {
            (Some(_), Some(_), None) => problems.push(SpecProblem::new(
                ["percent"],
                Problem::new(
                    Code::ToleranceCombine,
                    "with both `absolute` and `percent`, say how they join",
                )
                .help("add `combine: either` (one suffices) or `combine: both`"),
            )),
            (None, _, Some(_)) | (_, None, Some(_)) => problems
                .push(wrong("combine", "`combine` needs both `absolute` and `percent`".to_owned())),
            _ => {}
        }
        let calendar = match self.calendar.as_ref().map(|spec| spec.resolve(base)) {
            None => Calendar::default(),
            Some(Ok(calendar)) => calendar,
            Some(Err(found)) => {
                problems.extend(found.into_iter().map(|problem| problem.under("calendar")));
                Calendar::default()
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(self.meaning(kind, calendar))
    }

    fn meaning(&self, kind: Kind, calendar: Calendar) -> Tolerance {
        let percent = self.percent.map(|percent| percent.0);
        let base = self.base.unwrap_or_default();
        match kind {
            Kind::Decimal | Kind::Integer => match (self.absolute, percent, self.combine) {
                (Some(absolute), Some(percent), Some(combine)) => {
                    let absolute = absolute.0;
                    Tolerance::Number(NumberTolerance::Joined { absolute, percent, base, combine })
                }
                (Some(absolute), ..) => Tolerance::Number(NumberTolerance::Absolute(absolute.0)),
                (None, Some(percent), _) => {
                    Tolerance::Number(NumberTolerance::Percent(percent, base))
                }
                (None, None, _) => Tolerance::Exact,
            },
            Kind::Date => match (self.days, self.business_days) {
                (_, Some(days)) => Tolerance::BusinessDays(days.0, calendar),
                (Some(days), None) => Tolerance::Days(days.0),
                (None, None) => Tolerance::Exact,
            },
            Kind::Datetime => self.seconds.map_or(Tolerance::Exact, |seconds| {
                let scaled = seconds.0.rounded(9);
                let unit = 10i128.pow(9 - u32::from(scaled.scale()));
                Tolerance::Nanoseconds(scaled.coefficient().saturating_mul(unit))
            }),
            Kind::Text => self
                .similarity
                .map_or(Tolerance::Exact, |least| Tolerance::Similarity(least.0.to_f64())),
            Kind::Boolean => Tolerance::Exact,
        }
    }

    /// Bounds that this type doesn't have.
    fn misplaced(&self, kind: Kind) -> Vec<SpecProblem> {
        let bounds: [(&str, bool, &[Kind]); 7] = [
            ("absolute", self.absolute.is_some(), &[Kind::Decimal, Kind::Integer]),
            ("percent", self.percent.is_some(), &[Kind::Decimal, Kind::Integer]),
            ("days", self.days.is_some(), &[Kind::Date]),
            ("business_days", self.business_days.is_some(), &[Kind::Date]),
            ("calendar", self.calendar.is_some(), &[Kind::Date]),
            ("seconds", self.seconds.is_some(), &[Kind::Datetime]),
            ("similarity", self.similarity.is_some(), &[Kind::Text]),
        ];
        let fitting: Vec<_> = bounds
            .iter()
            .filter(|(_, _, kinds)| kinds.contains(&kind))
            .map(|(key, ..)| format!("`{key}`"))
            .collect();
        let help = if fitting.is_empty() {
            format!("a {kind} field has no tolerance")
        } else {
            format!("a {kind} field may have {}", fitting.join(", "))
        };
        bounds
            .iter()
            .filter(|(_, given, kinds)| *given && !kinds.contains(&kind))
            .map(|(key, ..)| {
                let message = format!("a {kind} field has no tolerance `{key}`");
                let problem = Problem::new(Code::ToleranceType, message).help(help.clone());
                SpecProblem::new([*key], problem)
            })
            .collect()
    }
}

impl CalendarSpec {
    fn resolve(&self, base: &Path) -> Result<Calendar, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let mut holidays = Vec::new();
        for (at, text) in self.holidays.iter().flatten().enumerate() {
            match text.parse::<Date>() {
                Ok(day) => holidays.push(day),
                Err(reason) => {
                    let path = [PathStep::from("holidays"), PathStep::from(at)];
                    let problem = Problem::new(Code::Calendar, format!("`{text}` is {reason}"));
                    problems.push(SpecProblem::new(path, problem));
                }
            }
        }
        if let Some(file) = &self.file {
            match read_holidays(&base.join(file)) {
                Ok(days) => holidays.extend(days),
                Err(problem) => problems.push(SpecProblem::new(["file"], *problem)),
            }
        }
        let weekend = match &self.weekend {
            None => Calendar::default_weekend(),
            Some(days) => {
                let mut weekend = [false; 7];
                for day in days {
                    weekend[*day as usize] = true;
                }
                weekend
            }
        };
        if weekend.iter().all(|off| *off) {
            problems.push(wrong("weekend", "at least one day must be a business day".to_owned()));
        }
        if problems.is_empty() { Ok(Calendar::new(weekend, holidays)) } else { Err(problems) }
    }
}

fn read_holidays(path: &Path) -> Result<Vec<Date>, Box<Problem>> {
    let text = crate::files::read_text(path, crate::files::SMALL).map_err(|error| {
        Problem::new(Code::Calendar, format!("can't read {}: {error}", path.display()))
    })?;
    let mut days = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let day = line.split('#').next().unwrap_or_default().trim();
        if day.is_empty() {
            continue;
        }
        days.push(day.parse().map_err(|reason| {
            // A file that is no calendar is not quoted: nobody knows what it holds.
            let looks_like_one = day.len() <= 10
                && day.chars().all(|letter| letter.is_ascii_digit() || "-./".contains(letter));
            let shown = if looks_like_one { format!("`{day}`") } else { "the text".to_owned() };
            let message = format!("line {} of {}: {shown} is {reason}", at + 1, path.display());
            Problem::new(Code::Calendar, message)
        })?);
    }
    Ok(days)
}

fn wrong(key: &str, message: String) -> SpecProblem {
    SpecProblem::new([key], Problem::new(Code::Tolerance, message))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Field {
        tolerance: Option<ToleranceSpec>,
        null_equals: Option<String>,
    }

    fn resolve(kind: Kind, yaml: &str) -> Result<FieldCompare, Vec<SpecProblem>> {
        let field: Field = serde_yaml::from_str(yaml).unwrap();
        let null_equals =
            field.null_equals.map(|text| Value::Decimal(Decimal::parse(text.as_bytes()).unwrap()));
        CompareSpec { kind, tolerance: field.tolerance.as_ref(), severity: None, null_equals }
            .resolve(Path::new("."))
    }

    pub(crate) fn field(kind: Kind, yaml: &str) -> FieldCompare {
        resolve(kind, yaml).unwrap()
    }

    #[test]
    fn says_everything_that_is_wrong_at_once() {
        let yaml =
            "tolerance: { days: '1', absolute: '-1', percent: '1', base: a, similarity: '0.5' }";
        let problems = resolve(Kind::Decimal, yaml).unwrap_err();
        let messages: Vec<_> = problems.iter().map(|p| p.problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "a decimal field has no tolerance `days`",
                "a decimal field has no tolerance `similarity`",
                "`absolute` can't be negative",
                "with both `absolute` and `percent`, say how they join",
            ]
        );
        assert_eq!(problems[0].path, [PathStep::from("tolerance"), PathStep::from("days")]);
    }

    #[test]
    fn a_calendar_needs_business_days_and_real_dates() {
        let yaml = "tolerance: { calendar: { holidays: [2026-02-30] } }";
        let problems = resolve(Kind::Date, yaml).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[1].path.len(), 4);
    }
}
