//! Dates and instants as plain numbers: days since 1970-01-01, and seconds with nanoseconds.
//! No clock is read here, and no time zone is known: an instant is UTC.

use std::fmt;

/// A calendar day of the proleptic Gregorian calendar, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

impl Date {
    /// The day `days` after (or before) 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// The day of a year, month (1 to 12) and day of month; `None` if there is no such day.
    pub fn from_civil(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(-9999..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        if day > days_in_month(year, month) {
            return None;
        }
        // Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
        let (month, day) = (month as i32, day as i32);
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// Year, month (1 to 12) and day of month.
    pub const fn civil(self) -> (i32, u32, u32) {
        // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
        let shifted = self.0 as i64 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (year as i32, month, day)
    }

    /// The ISO text of a day of the years 0 to 9999. Dates are written by the million; formatting each
    /// number apart is the slow way.
    pub fn iso(self) -> Option<[u8; 10]> {
        let (year, month, day) = self.civil();
        let year = u32::try_from(year).ok().filter(|year| *year <= 9999)?;
        let digit = |number: u32| b'0' + (number % 10) as u8;
        Some([
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b'-',
            digit(month / 10),
            digit(month),
            b'-',
            digit(day / 10),
            digit(day),
        ])
    }

    /// Monday is 0, Sunday is 6.
    pub const fn weekday(self) -> u32 {
        (self.0 as i64 + 3).rem_euclid(7) as u32
    }

    pub fn is_month_end(self) -> bool {
        let (year, month, day) = self.civil();
        day == days_in_month(year, month)
    }

    /// The same day `months` later (or earlier), or the last day of a shorter month.
    pub fn add_months(self, months: i32) -> Option<Self> {
        let (year, month, day) = self.civil();
        let months = year.checked_mul(12)?.checked_add(month as i32 - 1)?.checked_add(months)?;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
        Self::from_civil(year, month, day.min(days_in_month(year, month)))
    }

    /// Reads `YYYY-MM-DD`, strictly.
    pub fn parse_iso(text: &[u8]) -> Option<Self> {
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else { return None };
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0u32, |sum, digit| {
                digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'))
            })
        };
        let year = i32::try_from(number(&[y0, y1, y2, y3])?).ok()?;
        Self::from_civil(year, number(&[m0, m1])?, number(&[d0, d1])?)
    }
}

const fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.iso() {
            Some(text) => f.write_str(std::str::from_utf8(&text).unwrap_or_default()),
            None => {
                let (year, month, day) = self.civil();
                write!(f, "{year:04}-{month:02}-{day:02}")
            }
        }
    }
}

impl std::str::FromStr for Date {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_iso(text.as_bytes()).ok_or("not a date of the form YYYY-MM-DD")
    }
}

/// A point in time, UTC: whole seconds since 1970-01-01T00:00:00Z and the nanoseconds after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    seconds: i64,
    nanoseconds: u32,
}

impl Instant {
    /// The instant `seconds` and `nanoseconds` (below 10^9) after the epoch.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds: nanoseconds % 1_000_000_000 }
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`seconds`](Self::seconds).
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Nanoseconds from `other` to `self`.
    pub const fn nanoseconds_since(self, other: Self) -> i128 {
        (self.seconds as i128 - other.seconds as i128) * 1_000_000_000
            + (self.nanoseconds as i128 - other.nanoseconds as i128)
    }

    /// The UTC calendar day.
    pub fn date(self) -> Date {
        Date(i32::try_from(self.seconds.div_euclid(86_400)).unwrap_or(i32::MAX))
    }

    /// Reads the output of [`Display`](fmt::Display): `YYYY-MM-DDTHH:MM:SS[.fraction]Z`.
    pub fn parse_rfc3339_utc(text: &str) -> Option<Self> {
        let rest = text.strip_suffix('Z')?;
        let (date, time) = rest.split_once('T')?;
        let date = Date::parse_iso(date.as_bytes())?;
        let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
        let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        if fraction.len() > 9 || parts.next().is_some() {
            return None;
        }
        let nanoseconds =
            if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
        let seconds = i64::from(date.days()) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self { seconds, nanoseconds })
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = self.seconds.rem_euclid(86_400);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}", self.date())?;
        if self.nanoseconds > 0 {
            let fraction = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn knows_the_calendar() {
        assert_eq!(Date::parse_iso(b"1970-01-01"), Some(Date(0)));
        assert_eq!(Date::parse_iso(b"2000-02-29").map(|d| d.weekday()), Some(1));
        assert_eq!(Date::parse_iso(b"1900-02-29"), None);
        assert_eq!(Date::parse_iso(b"2026-1-01"), None);
        assert!(Date::parse_iso(b"2026-02-28").unwrap().is_month_end());
        let add = |months| Date::from_civil(2024, 1, 31)?.add_months(months).map(|day| day.civil());
        assert_eq!(add(1), Some((2024, 2, 29)));
        assert_eq!(add(13), Some((2025, 2, 28)));
        assert_eq!(add(-2), Some((2023, 11, 30)));
        assert_eq!(add(i32::MAX), None);
    }

    #[test]
    fn an_instant_before_the_epoch_prints_and_reads_back() {
        let instant = Instant::new(-1, 500_000_000);
        assert_eq!(instant.to_string(), "1969-12-31T23:59:59.5Z");
        assert_eq!(Instant::parse_rfc3339_utc(&instant.to_string()), Some(instant));
    }

    proptest! {
        #[test]
        fn every_day_reads_back(days in -700_000i32..2_900_000) {
            let date = Date::from_days(days);
            let (year, month, day) = date.civil();
            prop_assert_eq!(Date::from_civil(year, month, day), Some(date));
            if (0..=9999).contains(&year) {
                prop_assert_eq!(date.to_string().parse::<Date>(), Ok(date));
            }
        }
    }
}
