//! Days as spreadsheets count them: `45306` is 15 January 2024, `45306.5` noon of that day.

use super::Reading;
use crate::domain::Date;

/// First day of a spreadsheet's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// 1 is 1 January 1900, and 60 is a 29 February that never was.
    From1900,
    /// 0 is 1 January 1904: old workbooks of the Mac.
    From1904,
}

const MILLISECONDS_A_DAY: i128 = 86_400_000;
/// Days from 1970-01-01 to the days that both systems count from.
const DAY_0_OF_1900: i32 = -25_569;
const DAY_0_OF_1904: i32 = -24_107;
/// The last day that spreadsheets know, 9999-12-31.
const LAST_DAY: i32 = 2_932_896;

impl System {
    /// The system that a format names.
    pub(super) fn of(format: &str) -> Option<Self> {
        match format {
            "excel" => Some(Self::From1900),
            "excel1904" => Some(Self::From1904),
            _ => None,
        }
    }

    /// Reads a number of days with its fraction, rounded to milliseconds: spreadsheets store binary
    /// fractions of a day, which are not more precise.
    pub(super) fn read(self, text: &[u8]) -> Option<Reading> {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |digits: &str, most: usize| {
            (1..=most).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        let has_fraction = text.len() > whole.len();
        if !is_digits(whole, 7) || (has_fraction && !is_digits(fraction, 20)) {
            return None;
        }
        let mut days: i32 = whole.parse().ok()?;
        let unit = 10i128.pow(u32::try_from(fraction.len()).ok()?);
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        let mut milliseconds = (part * MILLISECONDS_A_DAY * 2 + unit) / (unit * 2);
        if milliseconds == MILLISECONDS_A_DAY {
            (days, milliseconds) = (days + 1, 0);
        }
        let day = match (self, days) {
            (Self::From1904, _) => DAY_0_OF_1904 + days,
            (Self::From1900, 1..=59) => DAY_0_OF_1900 + 1 + days,
            (Self::From1900, 0 | 60) => return None,
            (Self::From1900, _) => DAY_0_OF_1900 + days,
        };
        if day > LAST_DAY {
            return None;
        }
        Some(Reading {
            date: Date::from_days(day),
            second_of_day: u32::try_from(milliseconds / 1_000).ok()?,
            nanoseconds: u32::try_from(milliseconds % 1_000).ok()? * 1_000_000,
            offset: None,
            has_time: has_fraction,
        })
    }

    /// Writes a day and the seconds after its midnight.
    pub(super) fn write(self, date: Date, second_of_day: u32) -> String {
        let days = match self {
            Self::From1904 => date.days() - DAY_0_OF_1904,
            Self::From1900 => match date.days() - DAY_0_OF_1900 {
                late @ 61.. => late,
                early => early - 1,
            },
        };
        if second_of_day == 0 {
            return days.to_string();
        }
        // Ten decimals are enough to distinguish seconds.
        let decimals = u64::from(second_of_day) * 10_000_000_000 / 86_400;
        format!("{days}.{decimals:010}").trim_end_matches('0').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(system: System, text: &str) -> Option<String> {
        system.read(text.as_bytes()).map(|reading| reading.instant().to_string())
    }

    #[test]
    fn serial_days_are_those_of_spreadsheets() {
        for (text, expected) in [
            ("1", Some("1900-01-01T00:00:00Z")),
            ("59", Some("1900-02-28T00:00:00Z")),
            ("60", None),
            ("61", Some("1900-03-01T00:00:00Z")),
            ("45306", Some("2024-01-15T00:00:00Z")),
            ("45306.5", Some("2024-01-15T12:00:00Z")),
            ("45306.3541666667", Some("2024-01-15T08:30:00Z")),
            ("45306.354166666664", Some("2024-01-15T08:30:00Z")),
            ("45306.99999999999", Some("2024-01-16T00:00:00Z")),
            ("2958465", Some("9999-12-31T00:00:00Z")),
            ("2958466", None),
            ("0", None),
            ("-1", None),
            ("45306.", None),
            ("45,306", None),
            ("", None),
            ("4.5306E4", None),
        ] {
            assert_eq!(read(System::From1900, text).as_deref(), expected, "{text}");
        }
        assert_eq!(read(System::From1904, "43844").unwrap(), "2024-01-15T00:00:00Z");
        assert_eq!(read(System::From1904, "0").unwrap(), "1904-01-01T00:00:00Z");
    }

    #[test]
    fn written_numbers_read_back() {
        for system in [System::From1900, System::From1904] {
            for (day, second) in [(-24_000, 0), (0, 1), (20_000, 86_399), (20_000, 12_345)] {
                let text = system.write(Date::from_days(day), second);
                let read = system.read(text.as_bytes()).unwrap();
                assert_eq!((read.date.days(), read.second_of_day), (day, second), "{text}");
            }
        }
    }
}
