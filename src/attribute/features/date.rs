//! Facts about two dates or instants.

use super::{ABSENT, flag};
use crate::domain::{Cell, Date};

/// Facts about two dates; if a side has none, flags are 0 and the rest [`ABSENT`].
#[derive(Clone, Copy, Debug)]
pub(super) struct DateFacts {
    pub days: f32,
    pub days_apart: f32,
    pub business_days: f32,
    pub month_end: f32,
    pub weekend: f32,
    pub month_crossed: f32,
    pub year_crossed: f32,
    pub day_month_swapped: f32,
    pub same_day_of_month: f32,
    pub seconds: f32,
    pub whole_hours: f32,
    pub midnight_side: f32,
    pub age: f32,
}

impl DateFacts {
    pub(super) const NONE: Self = Self {
        days: ABSENT,
        days_apart: ABSENT,
        business_days: ABSENT,
        month_end: 0.0,
        weekend: 0.0,
        month_crossed: 0.0,
        year_crossed: 0.0,
        day_month_swapped: 0.0,
        same_day_of_month: 0.0,
        seconds: ABSENT,
        whole_hours: 0.0,
        midnight_side: 0.0,
        age: ABSENT,
    };

    /// The facts of two cells, if both hold a date or an instant.
    pub(super) fn of(a: Cell<'_>, b: Cell<'_>, batch_date: Option<Date>) -> Self {
        let (Some(date_a), Some(date_b)) = (day(a), day(b)) else {
            return Self { age: age(day(a).or_else(|| day(b)), batch_date), ..Self::NONE };
        };
        let days = i64::from(date_b.days()) - i64::from(date_a.days());
        let ((year_a, month_a, of_month_a), (year_b, month_b, of_month_b)) =
            (date_a.civil(), date_b.civil());
        let mut facts = Self {
            days: days as f32,
            days_apart: days.abs() as f32,
            business_days: business_days(date_a, date_b) as f32,
            month_end: flag(date_a.is_month_end() || date_b.is_month_end()),
            weekend: flag(date_a.weekday() >= 5 || date_b.weekday() >= 5),
            month_crossed: flag((year_a, month_a) != (year_b, month_b)),
            year_crossed: flag(year_a != year_b),
            day_month_swapped: flag(swapped(date_a, date_b)),
            same_day_of_month: flag(of_month_a == of_month_b && days != 0),
            age: age(Some(date_a), batch_date),
            ..Self::NONE
        };
        if let (Cell::Instant(a), Cell::Instant(b)) = (a, b) {
            let nanoseconds = b.nanoseconds_since(a);
            facts.seconds = (nanoseconds as f64 / 1e9) as f32;
            facts.whole_hours = flag(nanoseconds != 0 && nanoseconds % 3_600_000_000_000 == 0);
            let midnight = |at: crate::domain::Instant| {
                at.seconds().rem_euclid(86_400) == 0 && at.nanoseconds() == 0
            };
            facts.midnight_side = flag(midnight(a) != midnight(b));
        }
        facts
    }
}

pub(super) fn day(cell: Cell<'_>) -> Option<Date> {
    match cell {
        Cell::Date(date) => Some(date),
        Cell::Instant(instant) => Some(instant.date()),
        _ => None,
    }
}

fn age(date: Option<Date>, batch_date: Option<Date>) -> f32 {
    match (date, batch_date) {
        (Some(date), Some(batch)) => (i64::from(batch.days()) - i64::from(date.days())) as f32,
        _ => ABSENT,
    }
}

/// Monday to Friday from `a` (inclusive) to `b` (exclusive), negative if `b` is earlier.
fn business_days(a: Date, b: Date) -> i64 {
    // The business days before a day, counted from a Monday.
    let before = |date: Date| {
        let days = i64::from(date.days()) + 3;
        days.div_euclid(7) * 5 + days.rem_euclid(7).min(5)
    };
    before(b) - before(a)
}

/// Whether day and month are swapped, in the same year.
pub(in crate::attribute) fn swapped(a: Date, b: Date) -> bool {
    let ((year_a, month_a, day_a), (year_b, month_b, day_b)) = (a.civil(), b.civil());
    year_a == year_b && month_a == day_b && day_a == month_b && month_a != month_b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Instant;
    use proptest::prelude::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn calendars_are_read() {
        // A Friday and the Monday after it.
        let (friday, monday) = (date("2026-01-30"), date("2026-02-02"));
        let facts = DateFacts::of(Cell::Date(friday), Cell::Date(monday), Some(date("2026-02-03")));
        assert_eq!((facts.days, facts.business_days, facts.age), (3.0, 1.0, 4.0));
        assert_eq!((facts.month_end, facts.month_crossed, facts.weekend), (0.0, 1.0, 0.0));
        assert!(swapped(date("2026-03-07"), date("2026-07-03")));
        assert!(!swapped(date("2026-03-03"), date("2026-03-03")));
        let facts = DateFacts::of(
            Cell::Instant(Instant::new(0, 0)),
            Cell::Instant(Instant::new(7_200, 0)),
            None,
        );
        assert_eq!((facts.seconds, facts.whole_hours, facts.midnight_side), (7_200.0, 1.0, 1.0));
    }

    proptest! {
        #[test]
        fn business_days_are_counted_one_by_one(start in -9_000i32..30_000, length in 0i32..60) {
            let (a, b) = (Date::from_days(start), Date::from_days(start + length));
            let counted = (start..start + length).filter(|day| Date::from_days(*day).weekday() < 5);
            prop_assert_eq!(business_days(a, b), counted.count() as i64);
            prop_assert_eq!(business_days(b, a), -business_days(a, b));
        }
    }
}
