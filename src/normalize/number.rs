//! Numbers as sources write them: separators that are checked, and several kinds of minus.

use super::spec::{NegativeSpec, NumberSpec};
use crate::diagnostic::{Problem, SpecProblem};
use crate::domain::Decimal;
use crate::domain::decimal::DecimalError;

/// How a column's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    decimal: char,
    thousands: Option<char>,
    parentheses: bool,
    trailing_minus: bool,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self { decimal: '.', thousands: None, parentheses: false, trailing_minus: false }
    }
}

const NOT_A_NUMBER: &str = "not a number";
const TOO_MANY_DIGITS: &str = "too many digits";
const NOT_WHOLE: &str = "not a whole number";
const GROUPS: &str = "thousands separators do not part groups of three digits";

impl NumberSpec {
    /// What was meant, or every problem with its key.
    pub fn resolve(&self) -> Result<NumberFormat, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let mut separator = |key: &'static str, text: Option<&String>| {
            let text = text?;
            let mut characters = text.chars();
            let (Some(character), None) = (characters.next(), characters.next()) else {
                let message = format!("`{text}` is not one character");
                problems.push(SpecProblem::new([key], Problem::usage("number-format", message)));
                return None;
            };
            if character.is_alphanumeric() || matches!(character, '+' | '-' | '(' | ')') {
                let message = format!("`{text}` can't separate: it may be a part of a number");
                problems.push(SpecProblem::new([key], Problem::usage("number-format", message)));
                return None;
            }
            Some(character)
        };
        let decimal = separator("decimal", self.decimal.as_ref());
        let thousands = separator("thousands", self.thousands.as_ref());
        let decimal = decimal.unwrap_or('.');
        if problems.is_empty() && thousands == Some(decimal) {
            let message = format!("`{decimal}` separates decimals already");
            let problem = Problem::usage("number-format", message)
                .help("give `decimal` and `thousands` different characters");
            problems.push(SpecProblem::new(["thousands"], problem));
        }
        let negative = self.negative.as_deref().unwrap_or_default();
        let format = NumberFormat {
            decimal,
            thousands,
            parentheses: negative.contains(&NegativeSpec::Parentheses),
            trailing_minus: negative.contains(&NegativeSpec::TrailingMinus),
        };
        if problems.is_empty() { Ok(format) } else { Err(problems) }
    }
}

impl NumberFormat {
    /// Reads a decimal. `scratch` is room to write in. The error says why it is none.
    pub(super) fn decimal(
        &self,
        text: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<Decimal, &'static str> {
        if *self == Self::default() {
            return match short_decimal(text) {
                Some(value) => Ok(value),
                None => Decimal::parse(text).map_err(reason),
            };
        }
        self.write_plain(text, scratch)?;
        match short_decimal(scratch) {
            Some(value) => Ok(value),
            None => Decimal::parse(scratch).map_err(reason),
        }
    }

    /// Reads a whole number: digits with an optional sign, in this format.
    pub(super) fn integer(&self, text: &[u8], scratch: &mut Vec<u8>) -> Result<i128, &'static str> {
        if *self == Self::default() {
            return whole(text);
        }
        self.write_plain(text, scratch)?;
        whole(scratch)
    }

    /// Writes `text` in plain notation: a leading minus, no groups, a decimal point.
    fn write_plain(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        out.clear();
        let (negative, body) = match text {
            [b'-', body @ ..] => (true, body),
            [b'+', body @ ..] => (false, body),
            [b'(', body @ .., b')'] if self.parentheses => (true, body),
            [body @ .., b'-'] if self.trailing_minus => (true, body),
            body => (false, body),
        };
        if negative {
            out.push(b'-');
        }
        let (mut point, mut separator) = ([0; 4], [0; 4]);
        let point = self.decimal.encode_utf8(&mut point).as_bytes();
        let separator: &[u8] = match self.thousands {
            Some(character) => character.encode_utf8(&mut separator).as_bytes(),
            None => &[],
        };
        let (mut groups, mut digits, mut in_decimals) = (0usize, 0usize, false);
        let mut rest = body;
        while let [byte, after @ ..] = rest {
            if byte.is_ascii_digit() {
                out.push(*byte);
                digits += 1;
                rest = after;
            } else if let (false, Some(after)) = (in_decimals, rest.strip_prefix(point)) {
                check_last_group(groups, digits)?;
                in_decimals = true;
                out.push(b'.');
                rest = after;
            } else if let (false, false, Some(after)) =
                (in_decimals, separator.is_empty(), rest.strip_prefix(separator))
            {
                let fits = if groups == 0 { (1..=3).contains(&digits) } else { digits == 3 };
                if !fits {
                    return Err(GROUPS);
                }
                groups += 1;
                digits = 0;
                rest = after;
            } else if matches!(byte, b'e' | b'E') {
                break;
            } else {
                return Err(NOT_A_NUMBER);
            }
        }
        if !in_decimals {
            check_last_group(groups, digits)?;
        }
        // An exponent, or nothing: whoever reads the plain notation checks it.
        out.extend_from_slice(rest);
        Ok(())
    }
}

const fn check_last_group(groups: usize, digits: usize) -> Result<(), &'static str> {
    if groups > 0 && digits != 3 { Err(GROUPS) } else { Ok(()) }
}

const fn reason(error: DecimalError) -> &'static str {
    match error {
        DecimalError::Malformed => NOT_A_NUMBER,
        DecimalError::TooManyDigits => TOO_MANY_DIGITS,
    }
}

/// The usual amounts, of at most 18 digits, in 64 bits: several times as fast as the general way,
/// which decides everything that this one does not understand.
fn short_decimal(text: &[u8]) -> Option<Decimal> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let (mut value, mut point) = (0i64, None);
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() && digits.len() > 1 => point = Some(at),
            _ => return None,
        }
    }
    let scale = point.map_or(0, |at| digits.len() - at - 1);
    Decimal::new(i128::from(if negative { -value } else { value }), u8::try_from(scale).ok()?)
}

fn whole(text: &[u8]) -> Result<i128, &'static str> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    // `1.0` is a whole number; `1e3` may have lost digits.
    let digits = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) if digits[point + 1..].iter().all(|digit| *digit == b'0') => &digits[..point],
        _ => digits,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(match Decimal::parse(text) {
            Err(DecimalError::Malformed) => NOT_A_NUMBER,
            _ => NOT_WHOLE,
        });
    }
    if digits.len() <= 18 {
        let value = digits.iter().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        return Ok(i128::from(if negative { -value } else { value }));
    }
    let value = Decimal::parse(digits).map_err(reason)?.coefficient();
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(yaml: &str) -> NumberFormat {
        serde_yaml::from_str::<NumberSpec>(yaml).unwrap().resolve().unwrap()
    }

    fn decimal(format: &NumberFormat, text: &str) -> Result<String, &'static str> {
        format.decimal(text.as_bytes(), &mut Vec::new()).map(|value| value.to_string())
    }

    #[test]
    fn separators_are_checked_not_just_removed() {
        let us = format("{thousands: ','}");
        for (text, expected) in [
            ("1,234.50", Ok("1234.50")),
            ("1234.50", Ok("1234.50")),
            ("-1,234,567", Ok("-1234567")),
            ("12,345e2", Ok("1234500")),
            (".5", Ok("0.5")),
            ("1,23", Err(GROUPS)),
            ("1234,567", Err(GROUPS)),
            (",123", Err(GROUPS)),
            ("1,,234", Err(GROUPS)),
            ("1,234,", Err(GROUPS)),
            ("1,23.4", Err(GROUPS)),
            ("1.234,5", Err(NOT_A_NUMBER)),
            ("(1)", Err(NOT_A_NUMBER)),
            ("1-", Err(NOT_A_NUMBER)),
            ("", Err(NOT_A_NUMBER)),
            ("-", Err(NOT_A_NUMBER)),
            (" 1", Err(NOT_A_NUMBER)),
            ("1e", Err(NOT_A_NUMBER)),
        ] {
            assert_eq!(decimal(&us, text), expected.map(str::to_owned), "{text}");
        }
        let german = format("{decimal: ',', thousands: '.'}");
        assert_eq!(decimal(&german, "1.234.567,8").unwrap(), "1234567.8");
        assert_eq!(decimal(&german, "1.5"), Err(GROUPS));
        assert_eq!(decimal(&format("{decimal: ','}"), "1.5"), Err(NOT_A_NUMBER));
        let french = format("{decimal: ',', thousands: '\u{202f}'}");
        assert_eq!(decimal(&french, "1\u{202f}234,5").unwrap(), "1234.5");
        assert_eq!(decimal(&french, "1 234,5"), Err(NOT_A_NUMBER));
    }

    #[test]
    fn negative_numbers_are_written_as_the_source_says() {
        let format = format("{thousands: ',', negative: [parentheses, trailing_minus]}");
        assert_eq!(decimal(&format, "(1,234.50)").unwrap(), "-1234.50");
        assert_eq!(decimal(&format, "1,234.50-").unwrap(), "-1234.50");
        assert_eq!(decimal(&format, "-7").unwrap(), "-7");
        for text in ["(-1)", "-1-", "+1-", "(1", "1)", "()", "((1))", "(1-)"] {
            assert_eq!(decimal(&format, text), Err(NOT_A_NUMBER), "{text}");
        }
        assert_eq!(format.integer(b"(1,234)", &mut Vec::new()), Ok(-1234));
    }

    #[test]
    fn integers_are_digits() {
        let plain = NumberFormat::default();
        let integer = |text: &str| plain.integer(text.as_bytes(), &mut Vec::new());
        assert_eq!(integer("-007"), Ok(-7));
        assert_eq!(integer("+12"), Ok(12));
        assert_eq!((integer("1.0"), integer("-7.000")), (Ok(1), Ok(-7)));
        assert_eq!(
            integer(&format!("-{}.0", "9".repeat(38))),
            Ok(-"9".repeat(38).parse::<i128>().unwrap())
        );
        assert_eq!(integer(&"9".repeat(38)), Ok("9".repeat(38).parse().unwrap()));
        assert_eq!(integer(&format!("{}1", "0".repeat(60))), Ok(1));
        assert_eq!(integer(&"9".repeat(39)), Err(TOO_MANY_DIGITS));
        for (text, why) in [
            ("5.01", NOT_WHOLE),
            ("1e3", NOT_WHOLE),
            ("x", NOT_A_NUMBER),
            ("", NOT_A_NUMBER),
            (".", NOT_A_NUMBER),
        ] {
            assert_eq!(integer(text), Err(why), "{text}");
        }
    }

    #[test]
    fn more_digits_than_can_be_held_are_said_to_be_too_many() {
        let plain = NumberFormat::default();
        assert_eq!(decimal(&plain, &"1".repeat(39)), Err(TOO_MANY_DIGITS));
        assert_eq!(decimal(&plain, &format!("0.{}1", "0".repeat(28))), Err(TOO_MANY_DIGITS));
    }

    #[test]
    fn bad_separators_are_all_told() {
        for (yaml, count) in [
            ("{decimal: ''}", 1),
            ("{decimal: ab, thousands: '5'}", 2),
            ("{thousands: '.'}", 1),
            ("{decimal: '-'}", 1),
        ] {
            let spec: NumberSpec = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(spec.resolve().unwrap_err().len(), count, "{yaml}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_gives_what_the_general_one_gives(text in "[-+]?[0-9]{0,20}[.]?[0-9]{0,9}(e[0-9])?") {
            let short = decimal(&NumberFormat::default(), &text);
            let general = Decimal::parse(text.as_bytes());
            prop_assert_eq!(short, general.map(|value| value.to_string()).map_err(reason));
        }

        #[test]
        fn grouped_numbers_read_as_their_digits(value in any::<i64>()) {
            let digits = value.unsigned_abs().to_string();
            let mut grouped = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    grouped.push('\'');
                }
                grouped.push(digit);
            }
            let sign = if value < 0 { "-" } else { "" };
            let format = format("{thousands: \"'\"}");
            let read = format.integer(format!("{sign}{grouped}").as_bytes(), &mut Vec::new());
            prop_assert_eq!(read, Ok(i128::from(value)));
        }
    }
}
