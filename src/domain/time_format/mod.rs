//! Formats of dates and datetimes: strftime, as sources write them.
//!
//! The usual directives are compiled into a small matcher of our own, which is fast and stricter
//! than strptime where leniency would be guessing: `%Y` is four digits, a space is a space. Numbers
//! of two digits may lack their leading zero where a separator stands on both sides of them
//! (`1/2/2026`). Formats with rarer directives are read by jiff. A format that would read a part of
//! a text and ignore it is refused.

mod names;
mod parts;
mod serial;

use std::fmt;

use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use self::names::{Language, List};
use self::serial::System;
use crate::diagnostic::{Code, Problem};
use crate::domain::value::Kind;
use crate::domain::{Cell, Date, Instant};

pub use names::codes as language_codes;

/// A compiled format.
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
    /// Names of another language.
    Name {
        language: &'static Language,
        list: List,
        with_point: bool,
    },
    Meridiem,
    /// Decimals of the second, with their point and optional if it is `pointed`; so many of them, if
    /// the format says so.
    Fraction {
        pointed: bool,
        count: Option<u8>,
    },
    /// `+05`, `+0530`, `+05:30`, `Z` or `UTC`.
    Offset {
        optional: bool,
    },
    /// The letters of UTC at the end of the format.
    Utc(&'static str),
    /// Seconds since 1970, of which the last digits are so many decimals.
    Epoch {
        decimals: u8,
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
pub struct Reading {
    /// The day as written.
    pub date: Date,
    /// The time of day, in seconds after midnight.
    pub second_of_day: u32,
    /// The rest of the time of day.
    pub nanoseconds: u32,
    /// The seconds that the time is ahead of UTC, if the text says so.
    pub offset: Option<i32>,
    /// Whether the text has a time of day.
    pub has_time: bool,
}

/// What is doubtful about how a time was read, as flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubt(u8);

impl Doubt {
    /// Nothing is doubtful.
    pub const NONE: Self = Self(0);
    /// Another format of the field reads something else.
    pub const FORMATS: Self = Self(1);
    /// The local time exists twice, because clocks were put back; the earlier instant was taken.
    pub const TWICE: Self = Self(2);
    /// The local time does not exist, because clocks were put forward; it was read as if they had not
    /// been.
    pub const NEVER: Self = Self(4);
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::FORMATS, Self::TWICE, Self::NEVER];

    /// The flags as bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The flags of these bits.
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Reading {
    /// The instant, if this reading is UTC but for its own offset.
    pub fn instant(self) -> Instant {
        let seconds = i64::from(self.date.days()) * 86_400 + i64::from(self.second_of_day)
            - i64::from(self.offset.unwrap_or(0));
        Instant::new(seconds, self.nanoseconds)
    }

    /// The value of type `kind`, a date or a datetime. A time without an offset is one of the zone, or
    /// of UTC. The date of a time with an offset is its day in the zone; without a zone it is the day
    /// as written. None outside of the years of the calendar.
    pub fn value(self, kind: Kind, zone: Option<&TimeZone>) -> Option<(Cell<'static>, Doubt)> {
        if kind == Kind::Date {
            let zone = zone.filter(|_| self.offset.is_some() && self.has_time);
            let date = match zone {
                None => self.date,
                Some(zone) => {
                    let moment = jiff::Timestamp::new(self.instant().seconds(), 0).ok()?;
                    let day = zone.to_datetime(moment).date();
                    let (month, day_of_month) = (day.month(), day.day());
                    let (month, day_of_month) =
                        (u32::try_from(month).ok()?, u32::try_from(day_of_month).ok()?);
                    Date::from_civil(day.year().into(), month, day_of_month)?
                }
            };
            return Some((Cell::Date(date), Doubt::NONE));
        }
        let Some(zone) = zone.filter(|zone| self.offset.is_none() && **zone != TimeZone::UTC)
        else {
            return Some((Cell::Instant(self.instant()), Doubt::NONE));
        };
        let civil = civil(self.date, self.second_of_day, 0)?;
        // Where clocks are put back the earlier instant is meant, where they are put forward the
        // time as if they had not been: RFC 5545's rule, and everybody's.
        let local = zone.to_ambiguous_timestamp(civil);
        let doubt = match local.offset() {
            jiff::tz::AmbiguousOffset::Unambiguous { .. } => Doubt::NONE,
            jiff::tz::AmbiguousOffset::Fold { .. } => Doubt::TWICE,
            jiff::tz::AmbiguousOffset::Gap { .. } => Doubt::NEVER,
        };
        let moment = local.compatible().ok()?;
        Some((Cell::Instant(Instant::new(moment.as_second(), self.nanoseconds)), doubt))
    }
}

fn civil(date: Date, second_of_day: u32, nanoseconds: u32) -> Option<jiff::civil::DateTime> {
    let (year, month, day) = date.civil();
    let date = jiff::civil::Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    );
    let time = jiff::civil::Time::midnight()
        .checked_add(jiff::SignedDuration::new(
            i64::from(second_of_day),
            i32::try_from(nanoseconds).ok()?,
        ))
        .ok()?;
    Some(date.ok()?.to_datetime(time))
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

    /// The formats of a field that names none.
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

    /// Whether reading takes so long that results are worth remembering.
    pub const fn is_costly(&self) -> bool {
        matches!(self.matcher, Matcher::Jiff { .. })
    }

    /// Whether what it reads is an instant, which needs no time zone to be one.
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

    /// Reads a text; `None` if it is not of this format or no such day or time exists.
    pub fn read(&self, text: &[u8]) -> Option<Reading> {
        match &self.matcher {
            Matcher::Own(items) => read_items(items, text),
            Matcher::Serial(system) => system.read(text),
            Matcher::Jiff { has_time } => read_with_jiff(&self.text, text, *has_time),
        }
    }

    /// Writes a time of UTC in this format; none if it has something that can only be read.
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
        // 23 November 2026: nothing but the whole date gives this back.
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

/// The items of a format; `None` if it has a directive that is left to jiff.
fn compile(text: &str, language: Option<&'static Language>) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut bytes = text.bytes().peekable();
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
        let name = |list: List| match (language, list) {
            (Some(language), _) => Item::Name { language, list, with_point: false },
            (None, List::Months { full }) => Item::MonthName { full },
            (None, List::Weekdays { full }) => Item::WeekdayName { full },
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
            b'B' => items.push(name(List::Months { full: true })),
            b'b' | b'h' => items.push(name(List::Months { full: false })),
            b'A' => items.push(name(List::Weekdays { full: true })),
            b'a' => items.push(name(List::Weekdays { full: false })),
            b'p' | b'P' => items.push(Item::Meridiem),
            b's' => items.push(Item::Epoch { decimals: 0 }),
            b'f' => items.push(Item::Fraction { pointed: false, count: None }),
            b'1'..=b'9' if bytes.next()? == b'f' => {
                let count = directive - b'0';
                match items.last_mut() {
                    // Milliseconds since 1970 are seconds with three more digits.
                    Some(Item::Epoch { decimals }) if *decimals == 0 => *decimals = count,
                    _ => items.push(Item::Fraction { pointed: false, count: Some(count) }),
                }
            }
            b'z' => items.push(Item::Offset { optional: false }),
            b'%' => items.push(Item::Literal(b'%')),
            b'.' => {
                let count = bytes.next_if(u8::is_ascii_digit).map(|digit| digit - b'0');
                if bytes.next()? != b'f' || count == Some(0) {
                    return None;
                }
                items.push(Item::Fraction { pointed: true, count });
            }
            b':' if bytes.next()? == b'z' => items.push(Item::Offset { optional: false }),
            _ => return None,
        }
    }
    end_with_utc(&mut items);
    let is_number = |item: Option<&Item>| {
        matches!(item, Some(Item::Digits { .. } | Item::Fraction { pointed: false, .. }))
    };
    let beside_a_number: Vec<bool> = (0..items.len())
        .map(|at| {
            let before = at.checked_sub(1).and_then(|before| items.get(before));
            is_number(before) || is_number(items.get(at + 1))
        })
        .collect();
    let point_follows: Vec<bool> =
        (1..=items.len()).map(|next| items.get(next) == Some(&Item::Literal(b'.'))).collect();
    for ((item, beside), point) in items.iter_mut().zip(beside_a_number).zip(point_follows) {
        match item {
            Item::Digits { exact, .. } => *exact = beside,
            Item::Name { list, with_point, .. } => {
                let is_short =
                    matches!(list, List::Months { full: false } | List::Weekdays { full: false });
                *with_point = is_short && !point;
            }
            _ => {}
        }
    }
    Some(items)
}

/// Letters at the end of a format that name UTC say in which zone the time before them is.
fn end_with_utc(items: &mut Vec<Item>) {
    for (letters, item) in [(" UTC", "UTC"), ("UTC", "UTC"), (" GMT", "GMT"), ("Z", "Z")] {
        let Some(start) = items.len().checked_sub(letters.len()).filter(|start| *start > 0) else {
            continue;
        };
        let is_end = items[start..]
            .iter()
            .zip(letters.bytes())
            .all(|(item, byte)| *item == Item::Literal(byte));
        let follows_time = matches!(
            items.get(start - 1),
            Some(
                Item::Digits { part: Part::Hour | Part::Hour12 | Part::Minute | Part::Second, .. }
                    | Item::Fraction { .. }
                    | Item::Meridiem
            )
        );
        if is_end && follows_time {
            let blank = letters.len() - item.len();
            items.truncate(start + blank);
            items.push(Item::Utc(item));
            return;
        }
    }
}

/// The parts that have been read so far.
#[derive(Default)]
struct Parts {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    hour12: Option<u32>,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    afternoon: Option<bool>,
    weekday: Option<u32>,
    offset: Option<i32>,
    /// The sign of an instant, its seconds and its nanoseconds.
    epoch: Option<(bool, i64, u32)>,
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
            Part::Hour => self.hour = Some(below(24)?),
            Part::Hour12 => self.hour12 = Some(below(13).filter(|hour| *hour > 0)?),
            Part::Minute => self.minute = below(60)?,
            Part::Second => self.second = below(60)?,
        }
        Some(())
    }

    fn reading(&self) -> Option<Reading> {
        if let Some((is_negative, seconds, nanoseconds)) = self.epoch {
            return since_1970(is_negative, seconds, nanoseconds.max(self.nanoseconds));
        }
        let date = Date::from_civil(self.year?, self.month?, self.day?)?;
        if self.weekday.is_some_and(|weekday| weekday != date.weekday()) {
            return None;
        }
        let hour = match (self.hour12, self.afternoon) {
            (None, _) => self.hour.unwrap_or_default(),
            (Some(hour), afternoon) => hour % 12 + if afternoon? { 12 } else { 0 },
        };
        Some(Reading {
            date,
            second_of_day: hour * 3_600 + self.minute * 60 + self.second,
            nanoseconds: self.nanoseconds,
            offset: self.offset,
            has_time: self.hour.or(self.hour12).is_some(),
        })
    }
}

/// The instant so long after 1970, or before it.
fn since_1970(is_negative: bool, seconds: i64, nanoseconds: u32) -> Option<Reading> {
    const NANOSECONDS: u32 = 1_000_000_000;
    let (seconds, nanoseconds) = match (is_negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, NANOSECONDS - nanoseconds),
    };
    let days = i32::try_from(seconds.div_euclid(86_400)).ok()?;
    let date = Date::from_days(days);
    // The years that other formats can write.
    if !(0..=9999).contains(&date.civil().0) {
        return None;
    }
    Some(Reading {
        date,
        second_of_day: u32::try_from(seconds.rem_euclid(86_400)).ok()?,
        nanoseconds,
        offset: Some(0),
        has_time: true,
    })
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
            Item::Name { language, list, with_point } => {
                let (at, after) = language.read(list, rest, with_point)?;
                match list {
                    List::Months { .. } => parts.month = Some(at + 1),
                    List::Weekdays { .. } => parts.weekday = Some(at),
                }
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
            Item::Fraction { pointed, count } => {
                let digits = if pointed { rest.strip_prefix(b".") } else { Some(rest) };
                match digits {
                    Some(digits) => {
                        let (nanoseconds, after) = read_fraction(digits, count)?;
                        parts.nanoseconds = nanoseconds;
                        after
                    }
                    None if count.is_some() => return None,
                    None => rest,
                }
            }
            Item::Offset { optional: true } if rest.is_empty() => rest,
            Item::Offset { optional } => {
                let text = if optional { rest.strip_prefix(b" ").unwrap_or(rest) } else { rest };
                let (offset, after) = read_offset(text)?;
                parts.offset = Some(offset);
                after
            }
            Item::Utc(letters) => {
                parts.offset = Some(0);
                rest.strip_prefix(letters.as_bytes())?
            }
            Item::Epoch { decimals } => {
                let (is_negative, digits) = match rest.strip_prefix(b"-") {
                    Some(digits) => (true, digits),
                    None => (false, rest),
                };
                let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (digits, after) = digits.split_at_checked(count)?;
                let seconds =
                    count.checked_sub(decimals.into()).filter(|left| (1..=15).contains(left))?;
                let (seconds, fraction) = digits.split_at_checked(seconds)?;
                let seconds =
                    seconds.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
                let nanoseconds = match fraction {
                    [] => 0,
                    fraction => read_fraction(fraction, None)?.0,
                };
                parts.epoch = Some((is_negative, seconds, nanoseconds));
                after
            }
        };
    }
    if rest.is_empty() { parts.reading() } else { None }
}

fn write_items(items: &[Item], date: Date, second_of_day: u32, nanoseconds: u32) -> String {
    use std::fmt::Write as _;
    let (year, month, day) = date.civil();
    let (hour, minute, second) =
        (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    // Bytes, because literals are given byte by byte.
    let mut out = Vec::new();
    for item in items {
        let mut text = String::new();
        let written = match item {
            Item::Literal(byte) => {
                out.push(*byte);
                continue;
            }
            Item::Digits { part, spaced, .. } => {
                let value = match part {
                    Part::Year => year.unsigned_abs(),
                    Part::YearOfCentury => year.unsigned_abs() % 100,
                    Part::Month => month,
                    Part::Day => day,
                    Part::Hour => hour,
                    Part::Hour12 => (hour + 11) % 12 + 1,
                    Part::Minute => minute,
                    Part::Second => second,
                };
                match (part, spaced) {
                    (Part::Year, _) => write!(text, "{value:04}"),
                    (_, true) => write!(text, "{value:2}"),
                    (_, false) => write!(text, "{value:02}"),
                }
            }
            Item::MonthName { full } => {
                let name = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
                write!(text, "{}", if *full { name } else { name.get(..3).unwrap_or(name) })
            }
            Item::WeekdayName { full } => {
                let name = WEEKDAYS.get(date.weekday() as usize).copied().unwrap_or_default();
                write!(text, "{}", if *full { name } else { name.get(..3).unwrap_or(name) })
            }
            Item::Name { language, list, .. } => {
                let at = match list {
                    List::Months { .. } => month - 1,
                    List::Weekdays { .. } => date.weekday(),
                };
                write!(text, "{}", language.name(*list, at))
            }
            Item::Meridiem => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
            Item::Fraction { pointed, count } => {
                let all = format!("{nanoseconds:09}");
                let digits = match count {
                    Some(count) => all.get(..usize::from(*count)).unwrap_or(&all),
                    None => all.trim_end_matches('0'),
                };
                match (pointed, digits) {
                    (true, "") => Ok(()),
                    (true, digits) => write!(text, ".{digits}"),
                    (false, "") => write!(text, "0"),
                    (false, digits) => write!(text, "{digits}"),
                }
            }
            Item::Offset { optional: true } => Ok(()),
            Item::Offset { optional: false } => write!(text, "+00:00"),
            Item::Utc(letters) => write!(text, "{letters}"),
            Item::Epoch { decimals } => {
                let seconds = i64::from(date.days()) * 86_400 + i64::from(second_of_day);
                let all = format!("{nanoseconds:09}");
                let decimals = all.get(..usize::from(*decimals)).unwrap_or_default();
                write!(text, "{seconds}{decimals}")
            }
        };
        // Writing into a text does not fail.
        let _ = written;
        out.extend_from_slice(text.as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
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

/// One to nine decimals of a second, or so many, as nanoseconds.
fn read_fraction(text: &[u8], count: Option<u8>) -> Option<(u32, &[u8])> {
    let most = count.map_or(usize::MAX, usize::from);
    let found = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if found == 0 || found > 9 || count.is_some_and(|count| usize::from(count) != found) {
        return None;
    }
    let count = found;
    let (digits, after) = text.split_at_checked(count)?;
    let value = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
    Some((value.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), after))
}

/// `Z`, `UTC`, `GMT`, `+HH`, `+HHMM` or `+HH:MM` as seconds east of UTC.
fn read_offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let (sign, rest) = match text {
        [b'Z' | b'z', after @ ..] => return Some((0, after)),
        [b'U', b'T', b'C', after @ ..] | [b'G', b'M', b'T', after @ ..] => return Some((0, after)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = read_digits(rest, 2, true, false)?;
    // Databases write `+00` where there are no minutes.
    let has_minutes = rest.first().is_some_and(|byte| *byte == b':' || byte.is_ascii_digit());
    let (minutes, rest) = if has_minutes {
        let rest = rest.strip_prefix(b":").unwrap_or(rest);
        read_digits(rest, 2, true, false)?
    } else {
        (0, rest)
    };
    if hours > 25 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    Some((sign * seconds, rest))
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

impl fmt::Display for AmbiguousFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "two of these formats read `{}` differently: as {} and as {}; the first that fits wins",
            self.example, self.readings.0, self.readings.1
        )
    }
}

/// The first two of these formats that make different values of some text, if there are such: the
/// field should keep one of them. Found by writing sample days in one format and reading them in
/// another.
pub fn ambiguous_formats(
    formats: &[TimeFormat],
    kind: Kind,
    zone: Option<&TimeZone>,
) -> Option<AmbiguousFormats> {
    // Days and months that can change places, in years that can change places with days.
    let samples = [(2026, 1, 2), (2026, 12, 11), (2011, 10, 12), (2012, 1, 3)];
    for (first, earlier) in formats.iter().enumerate() {
        for (second, later) in formats.iter().enumerate().skip(first + 1) {
            for (year, month, day) in samples {
                let day = Date::from_civil(year, month, day)?;
                for format in [earlier, later] {
                    let Some(example) = format.write(day, 14_706, 0) else { continue };
                    let value = |format: &TimeFormat| {
                        format.read(example.as_bytes())?.value(kind, zone).map(|(value, _)| value)
                    };
                    if let (Some(one), Some(other)) = (value(earlier), value(later))
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
fn describe(value: Cell<'_>) -> String {
    let text = value.to_string();
    text.strip_suffix("T00:00:00Z").map_or_else(|| text.clone(), str::to_owned)
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
            ("%s%6f", "1768443630123456", "2026-01-15T02:20:30.123456Z"),
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
            ("%F %T%z", "2026-01-15 10:00:00+5"),
            ("%F %T%z", "2026-01-15 10:00:00 CET"),
            ("%s", "1768443630.5"),
            ("%s", ""),
            ("%s%3f", "123"),
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
    fn what_is_written_in_a_format_is_read_back() {
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
