//! Numbers and times of a workbook as texts: numbers at 15 digits, times as ISO as far as the format of the
//! cell shows them.

use calamine::ExcelDateTime;
use jiff::SignedDuration;
use jiff::civil::DateTime;

/// A number at the 15 digits that Excel shows, without zeros at the end.
pub fn number_text(number: f64) -> String {
    let written = format!("{number:.14e}");
    let Some((mantissa, exponent)) = written.split_once('e') else { return written };
    let Ok(exponent) = exponent.parse::<i32>() else { return written };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let point = exponent + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if !(-20..=30).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{dot}{rest}e{exponent}");
    }
    if point <= 0 {
        return format!("{sign}0.{}{digits}", zeros(-point));
    }
    if point >= length {
        return format!("{sign}{digits}{}", zeros(point - length));
    }
    let (whole, rest) = digits.split_at(usize::try_from(point).unwrap_or(0));
    format!("{sign}{whole}.{rest}")
}

/// The parts of a time that a format shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub date: bool,
    pub time: bool,
    /// Fractions of a second.
    pub fraction: bool,
}

impl Times {
    /// Of a number format such as `yyyy-mm-dd hh:mm`.
    pub fn of(format: &str) -> Self {
        let mut found = Self { date: false, time: false, fraction: false };
        let mut characters = format.chars();
        let mut last = ' ';
        while let Some(character) = characters.next() {
            match character {
                '"' => {
                    characters.by_ref().find(|end| *end == '"');
                }
                '\\' | '_' | '*' => {
                    characters.next();
                }
                // Colors and languages; the reader recognizes elapsed time.
                '[' => {
                    characters.by_ref().find(|end| *end == ']');
                }
                ';' => break,
                'y' | 'Y' | 'd' | 'D' | 'e' | 'E' | 'g' | 'G' => found.date = true,
                'h' | 'H' | 's' | 'S' => found.time = true,
                '0' if matches!(last, '.' | ',') => found.fraction = true,
                // Months, or minutes, which never stand alone.
                _ => {}
            }
            if !character.is_whitespace() {
                last = character;
            }
        }
        if !found.time && !found.date {
            found.date = true;
        }
        found
    }
}

/// A time as ISO, as far as its format shows it; without a format, its time if it has one.
pub fn time_text(time: &ExcelDateTime, times: Option<Times>) -> String {
    let number = time.as_f64();
    if time.is_duration() {
        return clock_text(number * 86_400.0);
    }
    let has_time = number.fract() != 0.0;
    let times = times.unwrap_or(Times { date: true, time: has_time, fraction: false });
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    // Excel's day that never was, and days beyond its calendar, are no dates.
    let is_outside = !(0.0..2_958_466.0).contains(&number);
    if is_outside {
        return number_text(number);
    }
    let civil = |year: u16, month: u8, day: u8| {
        let small = |number: u8| i8::try_from(number).unwrap_or(0);
        let year = i16::try_from(year).unwrap_or(0);
        let date = jiff::civil::Date::new(year, small(month), small(day)).ok()?;
        let clock = jiff::civil::Time::new(
            small(hour),
            small(minute),
            small(second),
            i32::from(milli) * 1_000_000,
        );
        Some(date.to_datetime(clock.ok()?))
    };
    match civil(year, month, day) {
        Some(moment) => moment_text(moment, times),
        None => format!("{year:04}-{month:02}-{day:02}"),
    }
}

/// A time that the workbook has as ISO text, as in ods.
pub fn iso_text(text: &str, times: Option<Times>) -> String {
    let Ok(moment) = text.parse::<DateTime>() else { return text.to_owned() };
    let has_time = text.contains('T');
    moment_text(moment, times.unwrap_or(Times { date: true, time: has_time, fraction: false }))
}

/// A time of the day, or a duration, that the workbook has as ISO text.
pub fn duration_text(text: &str) -> String {
    match text.parse::<SignedDuration>() {
        Ok(duration) => clock_text(duration.as_secs_f64()),
        Err(_) => text.to_owned(),
    }
}

fn clock_text(seconds: f64) -> String {
    let (sign, seconds) =
        if seconds < 0.0 { ("-", -seconds.round()) } else { ("", seconds.round()) };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative"
    )]
    let seconds = seconds as u64;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// The parts of a moment that the format shows; a fraction that it does not show is rounded.
fn moment_text(moment: DateTime, times: Times) -> String {
    let milli = moment.millisecond();
    let fraction = if times.fraction && milli > 0 { format!(".{milli:03}") } else { String::new() };
    let moment = if !times.fraction && milli >= 500 {
        moment.saturating_add(jiff::Span::new().seconds(1))
    } else {
        moment
    };
    match (times.date, times.time) {
        (false, true) => format!("{}{fraction}", moment.time().strftime("%H:%M:%S")),
        (_, true) => format!("{}{fraction}", moment.strftime("%Y-%m-%dT%H:%M:%S")),
        (_, false) => moment.strftime("%Y-%m-%d").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn numbers_are_written_as_excel_shows_them() {
        for (number, text) in [
            (0.1 + 0.2, "0.3"),
            (1234.5, "1234.5"),
            (-0.000_012_5, "-0.0000125"),
            (1e15, "1000000000000000"),
            (123_456_789_012_345_680.0, "123456789012346000"),
            (0.0, "0"),
            (-0.0, "0"),
            (1e-30, "1e-30"),
            (2.5e40, "2.5e40"),
            (19.99 * 3.0, "59.97"),
            (100.0, "100"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn a_format_says_whether_a_time_is_shown() {
        let of = |format| {
            let Times { date, time, fraction } = Times::of(format);
            (date, time, fraction)
        };
        assert_eq!(of("yyyy-mm-dd"), (true, false, false));
        assert_eq!(of("mm-dd-yy"), (true, false, false));
        assert_eq!(of("[$-409]d\\-mmm\\-yyyy;@"), (true, false, false));
        assert_eq!(of("m/d/yy h:mm"), (true, true, false));
        assert_eq!(of("h:mm AM/PM"), (false, true, false));
        assert_eq!(of("yyyy\"h\""), (true, false, false));
        assert_eq!(of("yyyy-mm-dd hh:mm:ss.000"), (true, true, true));
        assert_eq!(of("mmm"), (true, false, false));
    }

    #[test]
    fn times_are_iso_in_both_epochs() {
        let text = |number, is_1904, format: Option<&str>| {
            let time = ExcelDateTime::new(number, ExcelDateTimeType::DateTime, is_1904);
            time_text(&time, format.map(Times::of))
        };
        assert_eq!(text(46_037.0, false, Some("yyyy-mm-dd")), "2026-01-15");
        assert_eq!(text(44_575.0, true, Some("yyyy-mm-dd")), "2026-01-15");
        assert_eq!(text(46_037.0, false, Some("yyyy-mm-dd hh:mm")), "2026-01-15T00:00:00");
        assert_eq!(text(46_037.75, false, Some("dd/mm/yyyy")), "2026-01-15");
        assert_eq!(text(46_037.75, false, None), "2026-01-15T18:00:00");
        assert_eq!(text(46_037.0 + 43_199.999_9 / 86_400.0, false, None), "2026-01-15T12:00:00");
        assert_eq!(text(0.5, false, Some("h:mm")), "12:00:00");
        assert_eq!(text(1.0, false, Some("d.m.y")), "1900-01-01");
        assert_eq!(text(60.0, false, Some("d.m.y")), "1900-02-29");
        assert_eq!(text(-1.0, false, Some("d.m.y")), "-1");
        let long = ExcelDateTime::new(1.5, ExcelDateTimeType::TimeDelta, false);
        assert_eq!(time_text(&long, None), "36:00:00");
    }

    #[test]
    fn iso_texts_follow_the_format_too() {
        let text = |text, format: &str| iso_text(text, Some(Times::of(format)));
        assert_eq!(text("2026-01-15", "yyyy-mm-dd hh:mm"), "2026-01-15T00:00:00");
        assert_eq!(text("2026-01-15T18:30:00", "dd/mm/yyyy"), "2026-01-15");
        assert_eq!(text("2026-01-15T18:30:59.600", "d.m.y h:mm"), "2026-01-15T18:31:00");
        assert_eq!(iso_text("2026-01-15", None), "2026-01-15");
        assert_eq!(iso_text("2026-01-15T18:30:00", None), "2026-01-15T18:30:00");
        assert_eq!(iso_text("15 January", None), "15 January");
        assert_eq!(duration_text("PT9H30M00S"), "09:30:00");
        assert_eq!(duration_text("PT36H00M00.4S"), "36:00:00");
    }
}
