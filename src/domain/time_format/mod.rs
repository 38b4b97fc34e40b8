//! Formats of dates and datetimes in strftime notation.
//!
//! Common directives are compiled into a matcher that is faster and stricter than strptime: `%Y` is
//! four digits, a space is a space. Two-digit numbers may lack their leading zero between
//! separators (`1/2/2026`). jiff reads formats with rarer directives. Formats that would ignore a
//! part of the text are refused.

mod ambiguity;
mod items;
mod names;
mod parts;
mod reading;
mod serial;

use std::fmt;

use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use self::items::{Item, compile, read_items, write_items};
use self::names::Language;
use self::reading::civil;
use self::serial::System;
use crate::diagnostic::{Code, Problem};
use crate::domain::Date;
use crate::domain::value::Kind;

pub use ambiguity::{AmbiguousFormats, ambiguous_formats};
pub use names::codes as language_codes;
pub use reading::{Doubt, Reading};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    text: String,
    matcher: Matcher,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Matcher {
    Own(Vec<Item>),
    Serial(System),
    Jiff { has_time: bool },
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The language that a format begins with, as `[de] `, and the rest of it.
fn language_of(text: &str) -> Option<(Result<&'static Language, &str>, &str)> {
    let (code, format) = text.strip_prefix('[')?.split_once("] ")?;
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_lowercase());
    is_code.then(|| (Language::of(code).ok_or(code), format))
}

impl TimeFormat {
    /// Compiles a format for a field of type `date` or `datetime`: strftime, perhaps with the language
    /// of its names before it (`[de] %d. %B %Y`), or `excel` or `excel1904` for the days of
    /// spreadsheets.
    ///
    /// Unknown directives, directives that can only be printed, formats that leave a part of the day
    /// open, and those that read a part and ignore it, are problems.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Problem> {
        if !matches!(kind, Kind::Date | Kind::Datetime) {
            let message = format!("a field of type {kind} has no format `{text}`");
            return Err(Problem::new(Code::TimeFormat, message));
        }
        if let Some(system) = System::of(text) {
            return Ok(Self { text: text.to_owned(), matcher: Matcher::Serial(system) });
        }
        let (language, strftime) = match language_of(text) {
            None => (None, text),
            Some((Ok(language), format)) => (Some(language), format),
            Some((Err(code), _)) => {
                let known: Vec<_> = names::codes().collect();
                let message = format!("the names of the language `{code}` are not known");
                let help = format!("known are {}", known.join(", "));
                return Err(Problem::new(Code::TimeFormat, message).help(help));
            }
        };
        if let Some((complaint, help)) = parts::complaint(strftime) {
            let message = format!("`{text}`: {complaint}");
            return Err(Problem::new(Code::TimeFormat, message).help(help));
        }
        let matcher = match (compile(strftime, language), language) {
            (Some(items), _) => Matcher::Own(items),
            (None, None) => Matcher::Jiff { has_time: parts::has_time(strftime) },
            (None, Some(_)) => {
                let message = format!("`{text}` has directives that can't be read with a language");
                let help = "usual ones are `%d`, `%B`, `%b`, `%m`, `%y`, `%Y`, `%H`, `%M` and `%S`";
                return Err(Problem::new(Code::TimeFormat, message).help(help));
            }
        };
        let format = Self { text: text.to_owned(), matcher };
        format.check()?;
        Ok(format)
    }

    /// The default formats.
    pub fn defaults(kind: Kind) -> Vec<Self> {
        let texts: &[&str] = match kind {
            Kind::Date => &["%Y-%m-%d"],
            Kind::Datetime => &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"],
            _ => &[],
        };
        let own = texts.iter().filter_map(|text| {
            let mut items = compile(text, None)?;
            if kind == Kind::Datetime {
                items.push(Item::Offset { optional: true });
            }
            Some(Self { text: (*text).to_owned(), matcher: Matcher::Own(items) })
        });
        own.collect()
    }

    /// True if reading takes so long that results are worth remembering.
    pub const fn is_costly(&self) -> bool {
        matches!(self.matcher, Matcher::Jiff { .. })
    }

    /// True if the format reads a UTC offset, so that no time zone is needed.
    pub fn has_offset(&self) -> bool {
        match &self.matcher {
            Matcher::Own(items) => items.iter().any(|item| {
                matches!(item, Item::Offset { .. } | Item::Utc(_) | Item::Epoch { .. })
            }),
            Matcher::Serial(_) => false,
            Matcher::Jiff { .. } => {
                ["%z", "%:z", "%Q", "%:Q", "%s"].iter().any(|it| self.text.contains(it))
            }
        }
    }

    /// Parses a text; `None` if it does not match or the day or time does not exist.
    pub fn read(&self, text: &[u8]) -> Option<Reading> {
        match &self.matcher {
            Matcher::Own(items) => read_items(items, text),
            Matcher::Serial(system) => system.read(text),
            Matcher::Jiff { has_time } => read_with_jiff(&self.text, text, *has_time),
        }
    }

    /// Formats a UTC time; `None` if the format can only be read.
    pub fn write(&self, date: Date, second_of_day: u32, nanoseconds: u32) -> Option<String> {
        match &self.matcher {
            Matcher::Own(items) => Some(write_items(items, date, second_of_day, nanoseconds)),
            Matcher::Serial(system) => Some(system.write(date, second_of_day)),
            Matcher::Jiff { .. } => {
                let civil = civil(date, second_of_day, nanoseconds)?;
                strtime::format(&self.text, &civil.to_zoned(TimeZone::UTC).ok()?).ok()
            }
        }
    }

    /// Writes a sample and reads it back.
    fn check(&self) -> Result<(), Problem> {
        let text = &self.text;
        let wrong = |error: &dyn fmt::Display| {
            Problem::new(Code::TimeFormat, format!("`{text}` is not a format of times: {error}"))
                .help("formats are those of strftime, such as `%d/%m/%Y %H:%M:%S`")
        };
        // 23 November 2026: its day, month and year are distinct numbers.
        let day = Date::from_civil(2026, 11, 23).unwrap_or(Date::from_days(0));
        if matches!(self.matcher, Matcher::Jiff { .. }) {
            let sample = civil(day, 14_706, 0).unwrap_or_default().to_zoned(TimeZone::UTC);
            let sample = sample.map_err(|error| wrong(&error))?;
            let written = strtime::format(text, &sample).map_err(|error| wrong(&error))?;
            strtime::parse(text, &written).map_err(|error| wrong(&error))?;
        }
        let written = self.write(day, 14_706, 0).unwrap_or_default();
        match self.read(written.as_bytes()) {
            Some(reading) if reading.date == day => Ok(()),
            _ => Err(wrong(&"it does not give a whole date (year, month and day)")),
        }
    }
}

fn read_with_jiff(format: &str, text: &[u8], has_time: bool) -> Option<Reading> {
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
        has_time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: &str, text: &str) -> Option<String> {
        let format = TimeFormat::parse(format, Kind::Datetime).unwrap();
        format.read(text.as_bytes()).map(|reading| reading.instant().to_string())
    }

    fn day(format: &str, text: &str, zone: Option<&str>) -> Option<String> {
        let zone = zone.map(|zone| TimeZone::get(zone).unwrap());
        let format = TimeFormat::parse(format, Kind::Date).unwrap();
        let (value, _) = format.read(text.as_bytes())?.value(Kind::Date, zone.as_ref())?;
        value.text()
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
            ("%F %T%z", "2026-01-15 10:20:30+00", "2026-01-15T10:20:30Z"),
            ("%F %T%z", "2026-01-15 10:20:30-05", "2026-01-15T15:20:30Z"),
            ("%F %T %z", "2026-01-15 10:20:30 UTC", "2026-01-15T10:20:30Z"),
            ("%F %T UTC", "2026-01-15 10:20:30 UTC", "2026-01-15T10:20:30Z"),
            ("%s", "1768443630", "2026-01-15T02:20:30Z"),
            ("%s", "-1", "1969-12-31T23:59:59Z"),
            ("%s%.f", "1768443630.123", "2026-01-15T02:20:30.123Z"),
            ("%s%.f", "-1.25", "1969-12-31T23:59:58.75Z"),
            ("%s.%f", "1768443630.5", "2026-01-15T02:20:30.5Z"),
            ("%s%3f", "1768443630123", "2026-01-15T02:20:30.123Z"),
            ("%s%3f", "0", "1970-01-01T00:00:00Z"),
            ("%s%3f", "5", "1970-01-01T00:00:00.005Z"),
            ("%s%3f", "005", "1970-01-01T00:00:00.005Z"),
            ("%s%3f", "123", "1970-01-01T00:00:00.123Z"),
            ("%s%3f", "-1", "1969-12-31T23:59:59.999Z"),
            ("%s%3f", "-1500", "1969-12-31T23:59:58.5Z"),
            ("%s%6f", "1768443630123456", "2026-01-15T02:20:30.123456Z"),
            ("%s%6f", "-1", "1969-12-31T23:59:59.999999Z"),
            ("%s%9f", "1", "1970-01-01T00:00:00.000000001Z"),
            ("%F %T.%3f", "2026-01-15 10:20:30.250", "2026-01-15T10:20:30.25Z"),
            ("%F %T%.3f", "2026-01-15 10:20:30.250", "2026-01-15T10:20:30.25Z"),
            ("[de] %d. %B %Y", "15. Januar 2026", "2026-01-15T00:00:00Z"),
            ("[de] %d-%b-%Y", "15-Mrz-2026", "2026-03-15T00:00:00Z"),
            ("[fr] %d %b %Y", "15 févr. 2026", "2026-02-15T00:00:00Z"),
            ("[fr] %A %-d %B %Y", "jeudi 15 janvier 2026", "2026-01-15T00:00:00Z"),
            ("[es] %d de %B de %Y", "15 de enero de 2026", "2026-01-15T00:00:00Z"),
            ("[pl] %d %b %y", "15 sty 26", "2026-01-15T00:00:00Z"),
        ] {
            assert!(!TimeFormat::parse(format, Kind::Datetime).unwrap().is_costly(), "{format}");
            assert_eq!(read(format, text).as_deref(), Some(expected), "{format} {text}");
        }
    }

    #[test]
    fn other_formats_are_not_guessed() {
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
            ("%F %T%z", "2026-01-15 10:00:00+5"),
            ("%F %T%z", "2026-01-15 10:00:00 CET"),
            ("%s", "1768443630.5"),
            ("%s", ""),
            ("%s%3f", ""),
            ("%s%3f", "-"),
            ("%s%3f", "1768443630.123"),
            ("%s", "99999999999999"),
            ("%F %T.%3f", "2026-01-15 10:20:30.25"),
            ("%F %T%.3f", "2026-01-15 10:20:30"),
            ("[de] %d. %B %Y", "15. January 2026"),
            ("[fr] %A %-d %B %Y", "lundi 15 janvier 2026"),
        ] {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn rarer_formats_are_read_by_jiff() {
        for (format, text, expected) in [
            ("%Y-%j", "2026-015", "2026-01-15T00:00:00Z"),
            ("%G-W%V-%u", "2026-W03-4", "2026-01-15T00:00:00Z"),
            ("%F %T %Q", "2026-07-15 10:20:30 Europe/Berlin", "2026-07-15T08:20:30Z"),
            ("%Y-%m-%d%n%H:%M", "2026-01-15\n10:20", "2026-01-15T10:20:00Z"),
        ] {
            assert_eq!(compile(format, None), None, "{format}");
            assert_eq!(read(format, text).as_deref(), Some(expected), "{format} {text}");
            assert_eq!(read(format, "x"), None, "{format}");
        }
    }

    #[test]
    fn bad_formats_are_reported() {
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
            ("%F %H:%M %p", "`%p` would be read and ignored beside `%H`"),
            ("%F %I:%M", "`%p` (AM or PM) is missing"),
            ("[xx] %d %B %Y", "language `xx`"),
            ("[de] %G-W%V-%u", "with a language"),
            ("[de] %d %B", "whole date"),
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
        let ambiguous_formats =
            |formats: &[TimeFormat]| super::ambiguous_formats(formats, Kind::Date, None);
        let found = ambiguous_formats(&formats(&["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"])).unwrap();
        assert_eq!(found.formats, (1, 2));
        assert_ne!(found.readings.0, found.readings.1);
        assert!(ambiguous_formats(&formats(&["%d/%m/%y", "%y/%m/%d"])).is_some());
        let times = formats(&["%F %R", "%F %M:%H"]);
        assert_eq!(ambiguous_formats(&times), None);
        assert!(super::ambiguous_formats(&times, Kind::Datetime, None).is_some());
        // A text that names UTC is of UTC, whatever the zone of the others.
        let zone = TimeZone::get("Europe/Zurich").unwrap();
        for fine in [["%FT%T%:z", "%FT%TZ"], ["%F %T UTC", "%F %T %z"], ["%F %T", "%F %T%.f"]] {
            let formats = formats(&fine);
            for zone in [None, Some(&zone)] {
                assert_eq!(
                    super::ambiguous_formats(&formats, Kind::Datetime, zone),
                    None,
                    "{fine:?}"
                );
            }
        }
        for fine in [&["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d"][..], &["%F", "%Y-%m-%d"], &["%F"], &[]] {
            assert_eq!(ambiguous_formats(&formats(fine)), None, "{fine:?}");
        }
    }

    #[test]
    fn a_date_may_be_the_day_of_an_instant() {
        let new_york = Some("America/New_York");
        for (format, text, zone, expected) in [
            ("%F %T", "2026-01-15 23:30:00", new_york, "2026-01-15"),
            ("%FT%T%:z", "2026-01-15T23:30:00-05:00", None, "2026-01-15"),
            ("%FT%T%:z", "2026-01-16T04:30:00Z", None, "2026-01-16"),
            ("%FT%T%:z", "2026-01-16T04:30:00Z", new_york, "2026-01-15"),
            ("%FT%T%:z", "2026-01-15T23:30:00-05:00", Some("UTC"), "2026-01-16"),
            ("%s", "1768537800", new_york, "2026-01-15"),
            ("%s", "1768537800", None, "2026-01-16"),
            ("%F%:z", "2026-01-15+01:00", new_york, "2026-01-15"),
            ("excel", "46037", new_york, "2026-01-15"),
        ] {
            assert_eq!(day(format, text, zone).as_deref(), Some(expected), "{format} {text}");
        }
    }

    #[test]
    fn local_times_that_exist_twice_or_never_are_doubtful() {
        let zone = TimeZone::get("Europe/Zurich").unwrap();
        let format = TimeFormat::parse("%F %T", Kind::Datetime).unwrap();
        for (text, instant, doubt) in [
            ("2026-01-15 10:00:00", "2026-01-15T09:00:00Z", Doubt::NONE),
            ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z", Doubt::TWICE),
            ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z", Doubt::NEVER),
        ] {
            let value = format.read(text.as_bytes()).unwrap().value(Kind::Datetime, Some(&zone));
            let (value, found) = value.unwrap();
            assert_eq!((value.text().as_deref(), found), (Some(instant), doubt), "{text}");
        }
    }

    #[test]
    fn written_times_read_back() {
        for format in [
            "%d.%m.%Y %H:%M:%S",
            "%s%3f",
            "%s%.f",
            "%F %I:%M:%S%.3f %p",
            "excel",
            "excel1904",
            "%F %T UTC",
            "[pl] %A, %e %B %Y %T",
            "[fr] %a %d %b %Y %R:%S",
            "%Y-%j %T",
            "%FT%T%:z",
        ] {
            let format = TimeFormat::parse(format, Kind::Datetime).unwrap();
            let date = Date::from_civil(2026, 8, 9).unwrap();
            let text = format.write(date, 45_296, 0).unwrap();
            let read = format.read(text.as_bytes()).unwrap();
            assert_eq!((read.date, read.second_of_day), (date, 45_296), "{format}: {text}");
        }
    }

    #[test]
    fn instants_around_1970_read_back() {
        for format in ["%s", "%s%3f", "%s%6f", "%s%9f"] {
            let format = TimeFormat::parse(format, Kind::Datetime).unwrap();
            for text in ["0", "5", "-1", "999", "-1000", "-1500", "1768443630"] {
                let read = format.read(text.as_bytes()).unwrap();
                let written = format.write(read.date, read.second_of_day, read.nanoseconds);
                assert_eq!(written.as_deref(), Some(text), "{format}");
            }
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
        for zone in ["+00", " +00:00", " UTC", "Z", " Z"] {
            assert_eq!(read(&format!("2026-01-15 10:20:30.5{zone}")), Some(Some(0)), "{zone}");
        }
        assert_eq!(read("2026-01-15"), None);
        assert_eq!(TimeFormat::defaults(Kind::Date).len(), 1);
        assert!(TimeFormat::defaults(Kind::Text).is_empty());
    }

    proptest! {
        #[test]
        fn text_printed_by_jiff_is_read_as_by_jiff(
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
            prop_assert_eq!(own.read(text.as_bytes()), read_with_jiff(format, text.as_bytes(), parts::has_time(format)), "{}", text);
        }

        #[test]
        fn nothing_panics(format in "(%[A-Za-z.:0-9_-]{1,2}|[-/ T])*", text in "\\PC*") {
            if let Ok(format) = TimeFormat::parse(&format, Kind::Datetime) {
                format.read(text.as_bytes());
            }
        }
    }
}
