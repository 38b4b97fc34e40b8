//! Dates: `business_days`, the business days of a `calendar`.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnostic::{Code, PathStep, Problem, SpecProblem};
use crate::domain::calendar::Calendar;
use crate::domain::{Cell, Date, Kind, Written};

use super::days::counted;
use super::tolerance::{self, Tolerance, keys, wrong};

keys! {
    /// Dates: the largest distance in business days.
    business_days: Written<u32>,
    /// The business calendar. Default Monday to Friday without holidays.
    calendar: CalendarSpec,
}

impl Bounds {
    /// The business days that are counted, if it is a bound in business days and its calendar is valid.
    pub(super) fn calendar(&self, base: &Path) -> Option<Calendar> {
        self.business_days?;
        self.calendar.as_ref().map_or(Some(Calendar::default()), |spec| spec.resolve(base).ok())
    }
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
pub enum WeekdaySpec {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl tolerance::Bounds for Bounds {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Date]
    }

    fn resolve(&self, base: &Path, problems: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>> {
        if self.business_days.is_none() {
            problems.push(wrong("calendar", "`calendar` needs `business_days`"));
        }
        let calendar = match self.calendar.as_ref().map(|spec| spec.resolve(base)) {
            None => Some(Calendar::default()),
            Some(Ok(calendar)) => Some(calendar),
            Some(Err(found)) => {
                problems.extend(found.into_iter().map(|problem| problem.under("calendar")));
                None
            }
        };
        Some(Arc::new(BusinessDays(self.business_days?.0, calendar?)))
    }

    fn tightest(&self) -> Box<dyn Tolerance> {
        Box::new(BusinessDays(0, Calendar::default()))
    }
}

#[derive(Debug)]
struct BusinessDays(u32, Calendar);

impl BusinessDays {
    fn apart(&self, a: Cell<'_>, b: Cell<'_>) -> Option<u64> {
        let (Cell::Date(a), Cell::Date(b)) = (a, b) else { return None };
        Some(self.1.business_days_between(a, b).unsigned_abs())
    }
}

impl Tolerance for BusinessDays {
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool {
        self.apart(a, b).is_some_and(|apart| apart <= u64::from(self.0))
    }

    fn describe(&self) -> String {
        format!("±{} business days", self.0)
    }

    fn calendar(&self) -> Option<&Calendar> {
        Some(&self.1)
    }

    fn missed(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        Some(counted(self.apart(a, b)?.checked_sub(u64::from(self.0))?, "business day"))
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        self.apart(a, b).map(|apart| format!("business_days: {apart}"))
    }
}

impl CalendarSpec {
    /// The calendar; relative paths start from `base`.
    ///
    /// # Errors
    /// Its problems, with the path from the calendar's map.
    pub fn resolve(&self, base: &Path) -> Result<Calendar, Vec<SpecProblem>> {
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
            problems.push(wrong("weekend", "at least one day must be a business day"));
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
            // A file that is not a calendar may hold anything: only what looks like a date is quoted.
            let looks_like_one = day.len() <= 10
                && day.chars().all(|letter| letter.is_ascii_digit() || "-./".contains(letter));
            let shown = if looks_like_one { format!("`{day}`") } else { "the text".to_owned() };
            let message = format!("line {} of {}: {shown} is {reason}", at + 1, path.display());
            Problem::new(Code::Calendar, message)
        })?);
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::super::FieldResult;
    use super::super::tolerance::tests::{compare, field, resolve};
    use super::*;
    use crate::domain::DiffType;

    #[test]
    fn a_weekend_is_one_business_day() {
        let field = field(Kind::Date, "{ business_days: 1 }");
        let date = |text: &str| Cell::Date(text.parse().unwrap());
        let (friday, monday) = (date("2026-01-09"), date("2026-01-12"));
        assert_eq!(compare(&field, friday, monday), FieldResult::Within);
        let tuesday = date("2026-01-13");
        assert_eq!(
            compare(&field, friday, tuesday),
            FieldResult::Different(DiffType::DateMismatch)
        );
        assert_eq!(field.clearing(friday, tuesday).unwrap(), "business_days: 2");
    }

    #[test]
    fn a_calendar_needs_business_days_and_real_dates() {
        let yaml = "{ calendar: { holidays: [2026-02-30] } }";
        let problems = resolve(Kind::Date, yaml).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[1].path.len(), 4);
    }
}
