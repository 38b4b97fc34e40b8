//! Formats of dates and datetimes: strftime, as sources write them.
//!
//! The usual directives are compiled into a small matcher of our own, which is fast and stricter
//! than strptime where leniency would be guessing: `%Y` is four digits, a space is a space. Numbers
//! of two digits may lack their leading zero where a separator stands on both sides of them
//! (`1/2/2026`). Formats with rarer directives are read by jiff.

use std::fmt;

use jiff::fmt::strtime;

use crate::diagnostic::Problem;
use crate::domain::value::Kind;
use crate::domain::{Date, Instant};

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    text: String,
    matcher: Matcher,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Matcher {
    Own(Vec<Item>),
    Jiff,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(u8),
    /// Digits; `exact` if a directive of digits stands beside it, `spaced` if a space may stand in
    /// place of the leading zero.
    Digits {
        part: Part,
        exact: bool,
        spaced: bool,
    },
    /// English names, in any case; `full` or three letters.
    MonthName {
        full: bool,
    },
    WeekdayName {
        full: bool,
    },
    Meridiem,
    /// Decimals of the second, with their point and optional if it is `pointed`.
    Fraction {
        pointed: bool,
    },
    /// `+0530`, `+05:30` or `Z`.
    Offset {
        optional: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    YearOfCentury,
    Month,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
}

/// What a format read: a day, a time of day (midnight if the format has none), and the offset from
/// UTC in seconds if the text had one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) date: Date,
    pub(super) second_of_day: u32,
    pub(super) nanoseconds: u32,
    pub(super) offset: Option<i32>,
}

impl Reading {
    /// The instant, if this reading is UTC but for its own offset.
    pub(super) fn instant(self) -> Instant {
        let seconds = i64::from(self.date.days()) * 86_400 + i64::from(self.second_of_day)
            - i64::from(self.offset.unwrap_or(0));
        Instant::new(seconds, self.nanoseconds)
    }
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl TimeFormat {
    /// Compiles a strftime format for a field of type `date` or `datetime`.
    ///
    /// Unknown directives, directives that can only be printed, and formats that leave a part of
    /// the day open are problems.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Problem> {
        if !matches!(kind, Kind::Date | Kind::Datetime) {
            let message = format!("a field of type {kind} has no format `{text}`");
            return Err(Problem::usage("time-format", message));
        }
        let matcher = compile(text).map_or(Matcher::Jiff, Matcher::Own);
        let format = Self { text: text.to_owned(), matcher };
        format.check()?;
        Ok(format)
    }

    /// The formats of a field that names none.
    pub fn defaults(kind: Kind) -> Vec<Self> {
        let texts: &[&str] = match kind {
            Kind::Date => &["%Y-%m-%d"],
            Kind::Datetime => &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"],
            _ => &[],
        };
        let own = texts.iter().filter_map(|text| {
            let mut items = compile(text)?;
            if kind == Kind::Datetime {
                items.push(Item::Offset { optional: true });
            }
            Some(Self { text: (*text).to_owned(), matcher: Matcher::Own(items) })
        });
        own.collect()
    }

    /// Whether reading takes so long that results are worth remembering.
    pub(super) const fn is_costly(&self) -> bool {
        matches!(self.matcher, Matcher::Jiff)
    }

    /// Reads a text; `None` if it is not of this format or no such day or time exists.
    pub(super) fn read(&self, text: &[u8]) -> Option<Reading> {
        match &self.matcher {
            Matcher::Own(items) => read_items(items, text),
            Matcher::Jiff => read_with_jiff(&self.text, text),
        }
    }

    /// Writes a sample and reads it back.
    fn check(&self) -> Result<(), Problem> {
        let text = &self.text;
        let wrong = |error: &dyn fmt::Display| {
            Problem::usage("time-format", format!("`{text}` is not a format of times: {error}"))
                .help("formats are those of strftime, such as `%d/%m/%Y %H:%M:%S`")
        };
        let sample = sample(2026, 11, 23);
        let written = strtime::format(text, &sample).map_err(|error| wrong(&error))?;
        if matches!(self.matcher, Matcher::Jiff) {
            strtime::parse(text, &written).map_err(|error| wrong(&error))?;
        }
        // 23 November 2026: nothing but the whole date gives this back.
        match self.read(written.as_bytes()) {
            Some(reading) if reading.date.civil() == (2026, 11, 23) => Ok(()),
            _ => Err(wrong(&"it does not give a whole date (year, month and day)")),
        }
    }
}

/// A moment of this day, in UTC, at which hour, minute and second differ.
fn sample(year: i16, month: i8, day: i8) -> jiff::Zoned {
    jiff::civil::date(year, month, day)
        .at(4, 5, 6, 0)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap_or_default()
}

/// The items of a format; `None` if it has a directive that is left to jiff.
fn compile(text: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            items.push(Item::Literal(byte));
            continue;
        }
        let mut directive = bytes.next()?;
        // How a number is padded when it is printed; `%-d` reads what `%d` reads.
        let is_flag = matches!(directive, b'-' | b'0' | b'_');
        let spaced = directive == b'_';
        if is_flag {
            directive = bytes.next()?;
        }
        let mut digits = |parts: &[Part], spaced: bool, separator: u8| {
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    items.push(Item::Literal(separator));
                }
                items.push(Item::Digits { part: *part, exact: false, spaced });
            }
        };
        match directive {
            b'Y' => digits(&[Part::Year], false, 0),
            b'y' => digits(&[Part::YearOfCentury], false, 0),
            b'm' => digits(&[Part::Month], spaced, 0),
            b'd' => digits(&[Part::Day], spaced, 0),
            b'e' => digits(&[Part::Day], true, 0),
            b'H' => digits(&[Part::Hour], spaced, 0),
            b'k' => digits(&[Part::Hour], true, 0),
            b'I' => digits(&[Part::Hour12], spaced, 0),
            b'l' => digits(&[Part::Hour12], true, 0),
            b'M' => digits(&[Part::Minute], spaced, 0),
            b'S' => digits(&[Part::Second], spaced, 0),
            _ if is_flag => return None,
            b'F' => digits(&[Part::Year, Part::Month, Part::Day], false, b'-'),
            b'D' => digits(&[Part::Month, Part::Day, Part::YearOfCentury], false, b'/'),
            b'T' => digits(&[Part::Hour, Part::Minute, Part::Second], false, b':'),
            b'R' => digits(&[Part::Hour, Part::Minute], false, b':'),
            b'B' => items.push(Item::MonthName { full: true }),
            b'b' | b'h' => items.push(Item::MonthName { full: false }),
            b'A' => items.push(Item::WeekdayName { full: true }),
            b'a' => items.push(Item::WeekdayName { full: false }),
            b'p' | b'P' => items.push(Item::Meridiem),
            b'f' => items.push(Item::Fraction { pointed: false }),
            b'z' => items.push(Item::Offset { optional: false }),
            b'%' => items.push(Item::Literal(b'%')),
            b'.' if bytes.next()? == b'f' => items.push(Item::Fraction { pointed: true }),
            b':' if bytes.next()? == b'z' => items.push(Item::Offset { optional: false }),
            _ => return None,
        }
    }
    let is_number = |item: Option<&Item>| {
        matches!(item, Some(Item::Digits { .. } | Item::Fraction { pointed: false }))
    };
    let beside_a_number: Vec<bool> = (0..items.len())
        .map(|at| {
            let before = at.checked_sub(1).and_then(|before| items.get(before));
            is_number(before) || is_number(items.get(at + 1))
        })
        .collect();
    for (item, beside) in items.iter_mut().zip(beside_a_number) {
        if let Item::Digits { exact, .. } = item {
            *exact = beside;
        }
    }
    Some(items)
}

/// The parts that have been read so far.
#[derive(Default)]
struct Parts {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: u32,
    hour12: Option<u32>,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    afternoon: Option<bool>,
    weekday: Option<u32>,
    offset: Option<i32>,
}

impl Parts {
    /// Sets a part; `None` if there is no such hour, minute or second.
    fn set(&mut self, part: Part, value: u32) -> Option<()> {
        let below = |limit: u32| (value < limit).then_some(value);
        match part {
            Part::Year => self.year = Some(i32::try_from(value).ok()?),
            // POSIX: 69 to 99 are of the twentieth century.
            Part::YearOfCentury => {
                let century = if value < 69 { 2000 } else { 1900 };
                self.year = Some(i32::try_from(century + value).ok()?);
            }
            Part::Month => self.month = Some(value),
            Part::Day => self.day = Some(value),
            Part::Hour => self.hour = below(24)?,
            Part::Hour12 => self.hour12 = Some(below(13).filter(|hour| *hour > 0)?),
            Part::Minute => self.minute = below(60)?,
            Part::Second => self.second = below(60)?,
        }
        Some(())
    }

    fn reading(&self) -> Option<Reading> {
        let date = Date::from_civil(self.year?, self.month?, self.day?)?;
        if self.weekday.is_some_and(|weekday| weekday != date.weekday()) {
            return None;
        }
        let hour = match (self.hour12, self.afternoon) {
            (None, _) => self.hour,
            (Some(hour), afternoon) => hour % 12 + if afternoon? { 12 } else { 0 },
        };
        Some(Reading {
            date,
            second_of_day: hour * 3_600 + self.minute * 60 + self.second,
            nanoseconds: self.nanoseconds,
            offset: self.offset,
        })
    }
}

fn read_items(items: &[Item], text: &[u8]) -> Option<Reading> {
    let mut parts = Parts::default();
    let mut rest = text;
    for item in items {
        rest = match *item {
            Item::Literal(byte) => match rest {
                [first, after @ ..] if *first == byte => after,
                _ => return None,
            },
            Item::Digits { part, exact, spaced } => {
                let width = if part == Part::Year { 4 } else { 2 };
                let (value, after) = read_digits(rest, width, exact, spaced)?;
                parts.set(part, value)?;
                after
            }
            Item::MonthName { full } => {
                let (at, after) = read_name(rest, &MONTHS, full)?;
                parts.month = Some(at + 1);
                after
            }
            Item::WeekdayName { full } => {
                let (at, after) = read_name(rest, &WEEKDAYS, full)?;
                parts.weekday = Some(at);
                after
            }
            Item::Meridiem => {
                let [half, b'm' | b'M', after @ ..] = rest else { return None };
                parts.afternoon = Some(match half {
                    b'p' | b'P' => true,
                    b'a' | b'A' => false,
                    _ => return None,
                });
                after
            }
            Item::Fraction { pointed } => {
                let digits = if pointed { rest.strip_prefix(b".") } else { Some(rest) };
                match digits {
                    Some(digits) => {
                        let (nanoseconds, after) = read_fraction(digits)?;
                        parts.nanoseconds = nanoseconds;
                        after
                    }
                    None => rest,
                }
            }
            Item::Offset { optional: true } if rest.is_empty() => rest,
            Item::Offset { .. } => {
                let (offset, after) = read_offset(rest)?;
                parts.offset = Some(offset);
                after
            }
        };
    }
    if rest.is_empty() { parts.reading() } else { None }
}

fn read_digits(text: &[u8], width: usize, exact: bool, spaced: bool) -> Option<(u32, &[u8])> {
    let (text, width) = match text {
        [b' ', after @ ..] if spaced => (after, 1),
        _ => (text, width),
    };
    let count = text.iter().take(width).take_while(|byte| byte.is_ascii_digit()).count();
    let fits = count == width || (count == 1 && width == 2 && !exact);
    let (digits, after) = text.split_at_checked(count).filter(|_| fits)?;
    Some((digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), after))
}

/// The position of the name at the start of `text`, and what follows it.
fn read_name<'a>(text: &'a [u8], names: &[&str], full: bool) -> Option<(u32, &'a [u8])> {
    names.iter().zip(0..).find_map(|(name, at)| {
        let name = if full { name.as_bytes() } else { name.as_bytes().get(..3)? };
        let (start, after) = text.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some((at, after))
    })
}

/// One to nine decimals of a second as nanoseconds.
fn read_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > 9 {
        return None;
    }
    let (digits, after) = text.split_at_checked(count)?;
    let value = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
    Some((value.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), after))
}

/// `Z`, `+HHMM` or `+HH:MM` as seconds east of UTC.
fn read_offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let (sign, rest) = match text {
        [b'Z' | b'z', after @ ..] => return Some((0, after)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = read_digits(rest, 2, true, false)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (minutes, rest) = read_digits(rest, 2, true, false)?;
    if hours > 25 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    Some((sign * seconds, rest))
}

fn read_with_jiff(format: &str, text: &[u8]) -> Option<Reading> {
    let parts = strtime::parse(format, text).ok()?;
    let (civil, offset) = match parts.to_datetime() {
        Ok(civil) => (civil, parts.offset()),
        Err(_) => match (parts.to_date(), parts.to_zoned()) {
            (Ok(date), _) => (date.at(0, 0, 0, 0), parts.offset()),
            (Err(_), Ok(zoned)) => (zoned.datetime(), Some(zoned.offset())),
            (Err(_), Err(_)) => {
                let offset = parts.offset().unwrap_or(jiff::tz::Offset::UTC);
                (offset.to_datetime(parts.to_timestamp().ok()?), Some(offset))
            }
        },
    };
    // An IANA name in the text (`%Q`) decides the offset.
    let offset = match parts.iana_time_zone() {
        Some(_) => Some(parts.to_zoned().ok()?.offset()),
        None => offset,
    };
    let (year, month, day) = (civil.year(), civil.month(), civil.day());
    let [hour, minute, second] = [civil.hour(), civil.minute(), civil.second()].map(u32::try_from);
    Some(Reading {
        date: Date::from_civil(year.into(), month.try_into().ok()?, day.try_into().ok()?)?,
        second_of_day: hour.ok()? * 3_600 + minute.ok()? * 60 + second.ok()?,
        nanoseconds: civil.subsec_nanosecond().try_into().ok()?,
        offset: offset.map(jiff::tz::Offset::seconds),
    })
}

/// Two formats of one field that read a text differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmbiguousFormats {
    /// The positions of both formats; the first one wins.
    pub formats: (usize, usize),
    /// A text that both read.
    pub example: String,
    /// What each makes of it.
    pub readings: (String, String),
}

impl std::fmt::Display for AmbiguousFormats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "two of these formats read `{}` differently: as {} and as {}; the first that fits wins",
            self.example, self.readings.0, self.readings.1
        )
    }
}

/// The first two of these formats that read some text differently, if there are such: the field
/// should keep one of them. Found by writing sample days in one format and reading them in another.
pub fn ambiguous_formats(formats: &[TimeFormat]) -> Option<AmbiguousFormats> {
    // Days and months that can change places, in years that can change places with days.
    let samples = [(2026, 1, 2), (2026, 12, 11), (2011, 10, 12), (2012, 1, 3)];
    for (first, earlier) in formats.iter().enumerate() {
        for (second, later) in formats.iter().enumerate().skip(first + 1) {
            for (year, month, day) in samples {
                let sample = sample(year, month, day);
                for format in [earlier, later] {
                    let Ok(example) = strtime::format(&format.text, &sample) else { continue };
                    if let (Some(one), Some(other)) =
                        (earlier.read(example.as_bytes()), later.read(example.as_bytes()))
                        && one != other
                    {
                        let readings = (describe(one), describe(other));
                        return Some(AmbiguousFormats {
                            formats: (first, second),
                            example,
                            readings,
                        });
                    }
                }
            }
        }
    }
    None
}

/// The day alone if that is all, else the instant.
fn describe(reading: Reading) -> String {
    if reading.second_of_day == 0 && reading.nanoseconds == 0 {
        reading.date.to_string()
    } else {
        reading.instant().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: &str, text: &str) -> Option<String> {
        let format = TimeFormat::parse(format, Kind::Datetime).unwrap();
        format.read(text.as_bytes()).map(|reading| reading.instant().to_string())
    }

    #[test]
    fn usual_formats_are_read_by_the_own_matcher() {
        for (format, text, expected) in [
            ("%Y-%m-%d", "2026-01-15", "2026-01-15T00:00:00Z"),
            ("%d/%m/%Y", "15/01/2026", "2026-01-15T00:00:00Z"),
            ("%d/%m/%Y", "5/1/2026", "2026-01-05T00:00:00Z"),
            ("%Y%m%d", "20260115", "2026-01-15T00:00:00Z"),
            ("%m/%d/%y", "01/15/70", "1970-01-15T00:00:00Z"),
            ("%d.%m.%Y", "15.01.2026", "2026-01-15T00:00:00Z"),
            ("%d %b %Y", "15 JAN 2026", "2026-01-15T00:00:00Z"),
            ("%d-%B-%Y", "15-may-2026", "2026-05-15T00:00:00Z"),
            ("%A, %e %B %Y", "Thursday,  5 March 2026", "2026-03-05T00:00:00Z"),
            ("%-d/%-m/%Y", "5/1/2026", "2026-01-05T00:00:00Z"),
            ("%FT%T%.f%:z", "2026-01-15T10:20:30.25+05:30", "2026-01-15T04:50:30.25Z"),
            ("%FT%T%.f%:z", "2026-01-15T10:20:30Z", "2026-01-15T10:20:30Z"),
            ("%Y-%m-%d %H:%M:%S.%f %z", "2026-01-15 00:20:30.5 -0100", "2026-01-15T01:20:30.5Z"),
            ("%D %I:%M %p", "01/15/26 12:05 am", "2026-01-15T00:05:00Z"),
            ("%D %I:%M %p", "01/15/26 1:05 PM", "2026-01-15T13:05:00Z"),
            ("%Y%m%d%H%M%S", "20260115102030", "2026-01-15T10:20:30Z"),
            ("100%% %F %R", "100% 2026-01-15 09:59", "2026-01-15T09:59:00Z"),
        ] {
            assert!(compile(format).is_some(), "{format}");
            assert_eq!(read(format, text).as_deref(), Some(expected), "{format} {text}");
        }
    }

    #[test]
    fn what_is_not_of_the_format_is_not_guessed() {
        for (format, text) in [
            ("%Y-%m-%d", "26-01-15"),
            ("%Y-%m-%d", "2026-02-30"),
            ("%Y-%m-%d", "2026-01-15 "),
            ("%Y-%m-%d", " 2026-01-15"),
            ("%Y-%m-%d", "2026-001-15"),
            ("%Y-%m-%d", ""),
            ("%d %b %Y", "15  Jan 2026"),
            ("%d %b %Y", "15 January 2026"),
            ("%Y%m%d", "2026115"),
            ("%Y%m%d", "202601150"),
            ("%F %T", "2026-01-15 24:00:00"),
            ("%F %T", "2026-01-15 23:59:60"),
            ("%F %T%.f", "2026-01-15 23:59:59."),
            ("%F %T%.f", "2026-01-15 23:59:59.1234567890"),
            ("%F %I:%M %p", "2026-01-15 13:00 PM"),
            ("%a %F", "Fri 2026-01-15"),
            ("%F %T%z", "2026-01-15 10:00:00"),
        ] {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn rarer_formats_are_read_by_jiff() {
        for (format, text, expected) in [
            ("%Y-%j", "2026-015", "2026-01-15T00:00:00Z"),
            ("%G-W%V-%u", "2026-W03-4", "2026-01-15T00:00:00Z"),
            ("%s", "1768443630", "2026-01-15T02:20:30Z"),
            ("%F %T %Q", "2026-07-15 10:20:30 Europe/Berlin", "2026-07-15T08:20:30Z"),
            ("%Y-%m-%d%n%H:%M", "2026-01-15\n10:20", "2026-01-15T10:20:00Z"),
        ] {
            assert_eq!(compile(format), None, "{format}");
            assert_eq!(read(format, text).as_deref(), Some(expected), "{format} {text}");
            assert_eq!(read(format, "x"), None, "{format}");
        }
    }

    #[test]
    fn bad_formats_are_told() {
        for (format, part) in [
            ("%Y-%m-%K", "%K"),
            ("%Y-%m", "whole date"),
            ("%H:%M", "whole date"),
            ("%d/%m", "whole date"),
            ("", "whole date"),
            ("dd/mm/yyyy", "whole date"),
            ("%c", "%c"),
            ("%F %Z", "%Z"),
            ("%F %", "%"),
        ] {
            let problem = TimeFormat::parse(format, Kind::Date).unwrap_err();
            assert!(problem.message.contains(part), "{format}: {problem}");
        }
        assert!(TimeFormat::parse("%F", Kind::Text).is_err());
    }

    #[test]
    fn formats_that_read_a_text_differently_are_found() {
        let formats = |texts: &[&str]| -> Vec<TimeFormat> {
            texts.iter().map(|text| TimeFormat::parse(text, Kind::Date).unwrap()).collect()
        };
        let found = ambiguous_formats(&formats(&["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"])).unwrap();
        assert_eq!(found.formats, (1, 2));
        assert_ne!(found.readings.0, found.readings.1);
        assert!(ambiguous_formats(&formats(&["%d/%m/%y", "%y/%m/%d"])).is_some());
        assert!(ambiguous_formats(&formats(&["%F %R", "%F %M:%H"])).is_some());
        for fine in [&["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d"][..], &["%F", "%Y-%m-%d"], &["%F"], &[]] {
            assert_eq!(ambiguous_formats(&formats(fine)), None, "{fine:?}");
        }
    }

    #[test]
    fn defaults_are_iso() {
        let formats = TimeFormat::defaults(Kind::Datetime);
        let read = |text: &str| {
            formats.iter().find_map(|format| format.read(text.as_bytes())).map(|it| it.offset)
        };
        assert_eq!(read("2026-01-15T10:20:30"), Some(None));
        assert_eq!(read("2026-01-15T10:20:30.123Z"), Some(Some(0)));
        assert_eq!(read("2026-01-15 10:20:30+01:00"), Some(Some(3600)));
        assert_eq!(read("2026-01-15"), None);
        assert_eq!(TimeFormat::defaults(Kind::Date).len(), 1);
        assert!(TimeFormat::defaults(Kind::Text).is_empty());
    }

    proptest! {
        #[test]
        fn what_jiff_prints_is_read_as_jiff_reads_it(
            days in -700_000i32..2_900_000, seconds in 0i64..86_400,
            format in prop::sample::select(vec![
                "%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%d %b %Y", "%A %e %B %Y %k:%M:%S", "%F %I:%M:%S %p",
                "%Y-%m-%dT%H:%M:%S%:z", "%-d.%-m.%Y %T", "%Y%m%d%H%M%S",
            ]),
        ) {
            let (year, month, day) = Date::from_days(days).civil();
            prop_assume!((1..=9999).contains(&year));
            let date = jiff::civil::date(year.try_into().unwrap(), month.try_into().unwrap(), day.try_into().unwrap());
            let moment = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap()
                .checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
            let text = strtime::format(format, &moment).unwrap();
            let own = TimeFormat::parse(format, Kind::Datetime).unwrap();
            prop_assert!(!own.is_costly());
            prop_assert_eq!(own.read(text.as_bytes()), read_with_jiff(format, text.as_bytes()), "{}", text);
        }

        #[test]
        fn nothing_panics(format in "(%[A-Za-z.:0-9_-]{1,2}|[-/ T])*", text in "\\PC*") {
            if let Ok(format) = TimeFormat::parse(&format, Kind::Datetime) {
                format.read(text.as_bytes());
            }
        }
    }
}
