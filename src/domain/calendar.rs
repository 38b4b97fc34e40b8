//! Business calendars: weekends and holidays.

use crate::domain::Date;

/// The days on which business is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Days off, Monday first.
    weekend: [bool; 7],
    /// Sorted, each on a weekday, each once.
    holidays: Vec<Date>,
}

impl Default for Calendar {
    /// Monday to Friday, no holidays.
    fn default() -> Self {
        Self::new(Self::default_weekend(), Vec::new())
    }
}

impl Calendar {
    /// Saturday and Sunday, as days off Monday first.
    pub const fn default_weekend() -> [bool; 7] {
        [false, false, false, false, false, true, true]
    }

    /// A calendar with these weekly days off (Monday first) and these single ones.
    pub fn new(weekend: [bool; 7], mut holidays: Vec<Date>) -> Self {
        holidays.retain(|day| !weekend[day.weekday() as usize]);
        holidays.sort_unstable();
        holidays.dedup();
        Self { weekend, holidays }
    }

    /// The business days after `from` up to and including `to`; negative when `to` is earlier.
    pub fn business_days_between(&self, from: Date, to: Date) -> i64 {
        self.ordinal(to) - self.ordinal(from)
    }

    pub fn is_business_day(&self, day: Date) -> bool {
        !self.weekend[day.weekday() as usize] && self.holidays.binary_search(&day).is_err()
    }

    /// The business day `count` business days after `day` (before it, if negative); `None` outside
    /// the range of dates.
    pub fn add_business_days(&self, day: Date, count: i32) -> Option<Date> {
        let farthest = count.unsigned_abs().checked_mul(7)?.checked_add(20_000)?;
        let (mut day, mut left) = (day, count.unsigned_abs());
        for _ in 0..farthest {
            if left == 0 {
                return Some(day);
            }
            day = Date::from_days(day.days().checked_add(count.signum())?);
            left -= u32::from(self.is_business_day(day));
        }
        None
    }

    /// How many of a week's days are business days up to and including each, Monday first.
    pub fn week(&self) -> [u8; 7] {
        let mut so_far = 0;
        self.weekend.map(|off| {
            so_far += u8::from(!off);
            so_far
        })
    }

    /// The days off besides weekends, sorted.
    pub fn holidays(&self) -> &[Date] {
        &self.holidays
    }

    /// The calendar of which these are [`Self::week`] and [`Self::holidays`].
    pub fn from_week(week: [u8; 7], holidays: Vec<Date>) -> Self {
        let mut before = 0;
        let weekend = week.map(|so_far| so_far == std::mem::replace(&mut before, so_far));
        Self::new(weekend, holidays)
    }

    /// The number of business days up to and including `day`, from an arbitrary origin.
    fn ordinal(&self, day: Date) -> i64 {
        let working = 7 - self.weekend.iter().filter(|off| **off).count() as i64;
        // Weeks begin on the Monday before 1970-01-01.
        let since_monday = i64::from(day.days()) + 3;
        let weeks = since_monday.div_euclid(7);
        let in_week = since_monday.rem_euclid(7) as usize;
        let so_far = self.weekend[..=in_week].iter().filter(|off| !**off).count() as i64;
        let holidays = self.holidays.partition_point(|holiday| *holiday <= day) as i64;
        weeks * working + so_far - holidays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counting_agrees_with_counting_day_by_day(start in -400i32..400, length in 0i32..400, off in proptest::collection::vec(-500i32..900, 0..9)) {
            let holidays: Vec<_> = off.into_iter().map(Date::from_days).collect();
            let calendar = Calendar::new([false, false, false, false, true, true, false], holidays.clone());
            let by_hand = (start + 1..=start + length)
                .map(Date::from_days)
                .filter(|day| !matches!(day.weekday(), 4 | 5) && !holidays.contains(day))
                .count() as i64;
            let again = Calendar::from_week(calendar.week(), calendar.holidays().to_vec());
            prop_assert_eq!(&again, &calendar);
            let (from, to) = (Date::from_days(start), Date::from_days(start + length));
            prop_assert_eq!(calendar.business_days_between(from, to), by_hand);
            prop_assert_eq!(calendar.business_days_between(to, from), -by_hand);
        }

        #[test]
        fn adding_and_counting_agree(start in -400i32..400, count in -300i32..300, off in proptest::collection::vec(-500i32..900, 0..9)) {
            let calendar = Calendar::new(Calendar::default_weekend(), off.into_iter().map(Date::from_days).collect());
            let start = Date::from_days(start);
            let end = calendar.add_business_days(start, count).unwrap();
            if count == 0 {
                prop_assert_eq!(end, start);
            } else {
                prop_assert!(calendar.is_business_day(end));
                let between = calendar.business_days_between(start, end);
                // Days before `start` are counted from the day that begins there.
                let off_by = i64::from(count < 0 && !calendar.is_business_day(start));
                prop_assert!(between == i64::from(count) || between == i64::from(count) + off_by, "{between}");
            }
        }
    }
}
