//! Dates by calendar or business days, instants by seconds.

use crate::domain::{Date, DiffType, Instant};

use super::{Outcome, Tolerance};

pub(super) fn compare(a: Date, b: Date, tolerance: &Tolerance) -> Outcome {
    if a == b {
        return Outcome::Equal;
    }
    let within = match tolerance {
        Tolerance::Days(days) => a.days().abs_diff(b.days()) <= *days,
        Tolerance::BusinessDays(days, calendar) => {
            calendar.business_days_between(a, b).unsigned_abs() <= u64::from(*days)
        }
        _ => false,
    };
    if within { Outcome::Within } else { Outcome::Different(DiffType::DateMismatch) }
}

pub(super) fn compare_instants(a: Instant, b: Instant, tolerance: &Tolerance) -> Outcome {
    let apart = a.nanoseconds_since(b).abs();
    match tolerance {
        _ if apart == 0 => Outcome::Equal,
        Tolerance::Nanoseconds(bound) if apart <= *bound => Outcome::Within,
        _ => Outcome::Different(DiffType::DateMismatch),
    }
}

pub(super) fn clearing(a: Date, b: Date, tolerance: &Tolerance) -> String {
    match tolerance {
        Tolerance::BusinessDays(_, calendar) => {
            format!("business_days: {}", calendar.business_days_between(a, b).unsigned_abs())
        }
        _ => format!("days: {}", a.days().abs_diff(b.days())),
    }
}

pub(super) fn clearing_instants(a: Instant, b: Instant) -> String {
    format!("seconds: {}", seconds_text(a.nanoseconds_since(b).abs()))
}

/// Nanoseconds as seconds, without trailing zeros.
pub(super) fn seconds_text(nanoseconds: i128) -> String {
    crate::domain::Decimal::new(nanoseconds, 9)
        .map_or_else(|| nanoseconds.to_string(), |seconds| seconds.normalized().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Calendar;
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_weekend_is_one_business_day() {
        let tolerance = Tolerance::BusinessDays(1, Calendar::default());
        let (friday, monday, tuesday) =
            (date("2026-01-09"), date("2026-01-12"), date("2026-01-13"));
        assert_eq!(compare(friday, monday, &tolerance), Outcome::Within);
        assert_eq!(
            compare(friday, tuesday, &tolerance),
            Outcome::Different(DiffType::DateMismatch)
        );
        assert_eq!(
            compare(friday, monday, &Tolerance::Days(2)),
            Outcome::Different(DiffType::DateMismatch)
        );
        assert_eq!(clearing(friday, monday, &Tolerance::Exact), "days: 3");
    }

    #[test]
    fn instants_are_compared_to_the_nanosecond() {
        let tolerance = Tolerance::Nanoseconds(500_000_000);
        let (a, b) = (Instant::new(0, 0), Instant::new(0, 500_000_000));
        assert_eq!(compare_instants(a, b, &tolerance), Outcome::Within);
        assert_eq!(
            compare_instants(a, Instant::new(0, 500_000_001), &tolerance),
            Outcome::Different(DiffType::DateMismatch)
        );
        assert_eq!(clearing_instants(a, b), "seconds: 0.5");
    }
}
