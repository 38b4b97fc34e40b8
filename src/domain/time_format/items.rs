//! The directives of a format: compiling them, and reading and writing times by them.

use super::Reading;
use super::names::{Language, List};
use crate::domain::Date;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Literal(u8),
    /// Digits; `exact` next to another directive of digits, `spaced` if a space may replace the
    /// leading zero.
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
    /// Decimals of the second: optional and with their point if `pointed`; `count` of them if the
    /// format sets it.
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
    /// Seconds since 1970; with decimals, as a whole number of 10^−`decimals` seconds.
    Epoch {
        decimals: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    YearOfCentury,
    Month,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
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

/// The items of a format; `None` if it has a directive that is left to jiff.
pub(super) fn compile(text: &str, language: Option<&'static Language>) -> Option<Vec<Item>> {
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

/// A literal `UTC` or `Z` at the end of a format sets the zone.
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
    /// Sets a part; `None` if out of range.
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

pub(super) fn read_items(items: &[Item], text: &[u8]) -> Option<Reading> {
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
                let seconds = count.saturating_sub(decimals.into());
                if count == 0 || seconds > 15 {
                    return None;
                }
                // A number of few digits is less than a second.
                let (seconds, fraction) = digits.split_at_checked(seconds)?;
                let number = |digits: &[u8]| {
                    digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
                };
                let (seconds, fraction) = (number(seconds), number(fraction));
                let unit = 10i64.pow(9u32.saturating_sub(decimals.into()));
                let nanoseconds = u32::try_from(fraction * unit).ok()?;
                parts.epoch = Some((is_negative, seconds, nanoseconds));
                after
            }
        };
    }
    if rest.is_empty() { parts.reading() } else { None }
}

pub(super) fn write_items(
    items: &[Item],
    date: Date,
    second_of_day: u32,
    nanoseconds: u32,
) -> String {
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
                let seconds = i128::from(date.days()) * 86_400 + i128::from(second_of_day);
                let unit = 10u32.pow(9u32.saturating_sub((*decimals).into()));
                let fraction = i128::from(nanoseconds / unit);
                write!(text, "{}", seconds * 10i128.pow((*decimals).into()) + fraction)
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

/// The position of the name at the start of `text`, and the rest.
fn read_name<'a>(text: &'a [u8], names: &[&str], full: bool) -> Option<(u32, &'a [u8])> {
    names.iter().zip(0..).find_map(|(name, at)| {
        let name = if full { name.as_bytes() } else { name.as_bytes().get(..3)? };
        let (start, after) = text.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some((at, after))
    })
}

/// One to nine decimals of a second (or exactly `count`), as nanoseconds.
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
