//! Parsing numbers: separators are checked, and there are several kinds of minus.

use std::sync::Arc;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::spec::{GroupingSpec, NegativeSpec, NumberSpec, PercentSpec, Texts};
use crate::diagnostic::{Code, PathStep, Problem, SpecProblem};
use crate::domain::Decimal;
use crate::domain::decimal::DecimalError;

/// How a column's numbers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    decimal: char,
    thousands: Arc<[char]>,
    grouping: GroupingSpec,
    parentheses: bool,
    trailing_minus: bool,
    unicode_minus: bool,
    currency: Currency,
    percent: Option<PercentSpec>,
    /// Everything above is the default, which has a fast path.
    is_plain: bool,
}

/// Currencies allowed beside a number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Currency {
    None,
    Any,
    /// These, the longest first.
    These(Arc<[String]>),
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self {
            decimal: '.',
            thousands: Arc::default(),
            grouping: GroupingSpec::Thousands,
            parentheses: false,
            trailing_minus: false,
            unicode_minus: false,
            currency: Currency::None,
            percent: None,
            is_plain: true,
        }
    }
}

const NOT_A_NUMBER: &str = "not a number";
const TOO_MANY_DIGITS: &str = "too many digits";
const NOT_WHOLE: &str = "not a whole number";
const GROUPS: &str = "thousands separators do not part groups of three digits";
const INDIAN_GROUPS: &str = "separators do not part three digits, then groups of two";
const MYRIAD_GROUPS: &str = "separators do not part groups of four digits";

impl NumberSpec {
    /// The number format, or every problem with its key.
    pub fn resolve(&self) -> Result<NumberFormat, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let mut complain = |path: Vec<PathStep>, message: String, help: Option<&str>| {
            let mut problem = Problem::new(Code::NumberFormat, message);
            problem.help = help.map(str::to_owned);
            problems.push(SpecProblem { path, problem });
        };
        let decimal = self.decimal.as_deref().and_then(|text| match separator(text) {
            Ok(character) => Some(character),
            Err(message) => {
                complain(vec!["decimal".into()], message, None);
                None
            }
        });
        let is_decimal_known = decimal.is_some() || self.decimal.is_none();
        let decimal = decimal.unwrap_or('.');
        let mut thousands = Vec::new();
        for (path, text) in entries("thousands", self.thousands.as_ref()) {
            match separator(text) {
                Err(message) => complain(path, message, None),
                Ok(character) if is_decimal_known && character == decimal => {
                    let help = "give `decimal` and `thousands` different characters";
                    complain(path, format!("`{text}` separates decimals already"), Some(help));
                }
                Ok(character) if thousands.contains(&character) => {
                    complain(path, format!("`{text}` is in the list twice"), None);
                }
                Ok(character) => thousands.push(character),
            }
        }
        if self.grouping.is_some() && self.thousands.is_none() {
            let message = "`grouping` needs the separator that parts the groups".to_owned();
            complain(vec!["grouping".into()], message, Some("add `thousands: \",\"`"));
        }
        let mut currencies = Vec::new();
        for (path, text) in entries("currency", self.currency.as_ref()) {
            let is_part = |c: char| c.is_numeric() || matches!(c, '+' | '-' | '(' | ')' | '%');
            if text.trim().is_empty() || text.trim() != text {
                let message = format!("`{text}` is not a currency sign or code");
                complain(path, message, Some("such as `\"€\"` or `EUR`"));
            } else if text.contains(is_part) {
                let message = format!("`{text}` can't be a currency: it may be a part of a number");
                complain(path, message, None);
            } else {
                currencies.push(text.to_owned());
            }
        }
        currencies.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let currency = match currencies.as_slice() {
            [] => Currency::None,
            [any] if any == "any" => Currency::Any,
            _ => Currency::These(currencies.into()),
        };
        let negative = self.negative.as_deref().unwrap_or_default();
        let mut format = NumberFormat {
            decimal,
            thousands: thousands.into(),
            grouping: self.grouping.unwrap_or_default(),
            parentheses: negative.contains(&NegativeSpec::Parentheses),
            trailing_minus: negative.contains(&NegativeSpec::TrailingMinus),
            unicode_minus: negative.contains(&NegativeSpec::UnicodeMinus),
            currency,
            percent: self.percent,
            is_plain: true,
        };
        format.is_plain = format == NumberFormat::default();
        if problems.is_empty() { Ok(format) } else { Err(problems) }
    }
}

/// The texts of a key, each with its path: the key alone where only one text is written.
fn entries<'t>(
    key: &'static str,
    texts: Option<&'t Texts>,
) -> impl Iterator<Item = (Vec<PathStep>, &'t str)> {
    let texts = texts.map_or(&[][..], |texts| &texts.0);
    let is_one = texts.len() == 1;
    texts.iter().enumerate().map(move |(at, text)| {
        let path = if is_one { vec![key.into()] } else { vec![key.into(), at.into()] };
        (path, text.as_str())
    })
}

/// The one character that a text is, if it can't be a part of a number.
fn separator(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else {
        return Err(format!("`{text}` is not one character"));
    };
    if character.is_alphanumeric() || matches!(character, '+' | '-' | '(' | ')' | '%') {
        return Err(format!("`{text}` can't separate: it may be a part of a number"));
    }
    Ok(character)
}

/// The parts around the digits of a number.
#[derive(Clone, Copy, Debug, Default)]
struct Around {
    negative: bool,
    has_sign: bool,
    has_currency: bool,
    has_percent: bool,
}

impl NumberFormat {
    /// Parses a decimal; `scratch` is a buffer.
    pub fn decimal(&self, text: &[u8], scratch: &mut Vec<u8>) -> Result<Decimal, &'static str> {
        if self.is_plain {
            return match short_decimal(text) {
                Some(value) => Ok(value),
                None => Decimal::parse(text).map_err(reason),
            };
        }
        let around = self.write_plain(text, scratch)?;
        let value = match short_decimal(scratch) {
            Some(value) => value,
            None => Decimal::parse(scratch).map_err(reason)?,
        };
        if around.has_percent && self.percent == Some(PercentSpec::AsFraction) {
            let value = Decimal::new(value.coefficient(), value.scale().saturating_add(2));
            return value.ok_or(TOO_MANY_DIGITS);
        }
        Ok(value)
    }

    /// Reads a whole number: digits with an optional sign, in this format.
    pub(super) fn integer(&self, text: &[u8], scratch: &mut Vec<u8>) -> Result<i128, &'static str> {
        if self.is_plain {
            return whole(text);
        }
        let around = self.write_plain(text, scratch)?;
        if around.has_percent && self.percent == Some(PercentSpec::AsFraction) {
            return Err(NOT_WHOLE);
        }
        whole(scratch)
    }

    /// Writes `text` in plain notation: a leading minus, no groups, a decimal point. Returns the text around the
    /// digits.
    fn write_plain(&self, text: &[u8], out: &mut Vec<u8>) -> Result<Around, &'static str> {
        out.clear();
        let text = std::str::from_utf8(text).map_err(|_| NOT_A_NUMBER)?;
        let (body, around) = self.peel(text);
        if around.negative {
            out.push(b'-');
        }
        let mut separator = None;
        let (mut groups, mut digits, mut in_decimals) = (0usize, 0usize, false);
        let mut rest = body;
        while let Some(character) = rest.chars().next() {
            let after = rest.get(character.len_utf8()..).unwrap_or_default();
            if let ('0'..='9', Ok(byte)) = (character, u8::try_from(character)) {
                out.push(byte);
                digits += 1;
            } else if !in_decimals && character == self.decimal {
                self.check_last_group(groups, digits)?;
                in_decimals = true;
                out.push(b'.');
            } else if !in_decimals && self.thousands.contains(&character) {
                // One number does not mix its separators.
                if separator.is_some_and(|known| known != character) {
                    return Err(NOT_A_NUMBER);
                }
                separator = Some(character);
                self.check_group(groups, digits)?;
                groups += 1;
                digits = 0;
            } else if matches!(character, 'e' | 'E') {
                break;
            } else {
                return Err(NOT_A_NUMBER);
            }
            rest = after;
        }
        if !in_decimals {
            self.check_last_group(groups, digits)?;
        }
        // The rest may be an exponent, which the parser of plain notation checks.
        out.extend_from_slice(rest.as_bytes());
        Ok(around)
    }

    /// Removes one sign, one currency and one percent sign around the digits, in any usual order.
    fn peel<'t>(&self, text: &'t str) -> (&'t str, Around) {
        let (mut body, mut around) = (text, Around::default());
        loop {
            let peeled = self
                .peel_sign(body, &mut around)
                .or_else(|| self.peel_currency(body, &mut around))
                .or_else(|| self.peel_percent(body, &mut around));
            match peeled {
                Some(rest) => body = rest,
                None => return (body, around),
            }
        }
    }

    fn peel_sign<'t>(&self, body: &'t str, around: &mut Around) -> Option<&'t str> {
        if around.has_sign {
            return None;
        }
        let is_minus = |c: char| c == '-' || self.unicode_minus && is_unicode_minus(c);
        let (rest, negative) = if let Some(rest) = body.strip_prefix(is_minus) {
            (rest, true)
        } else if let Some(rest) = body.strip_prefix('+') {
            (rest, false)
        } else if let (true, Some(rest)) =
            (self.parentheses, body.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')))
        {
            (rest, true)
        } else {
            let rest = body.strip_suffix(is_minus).filter(|_| self.trailing_minus)?;
            // `5.-` is five and no cents.
            (Some(rest).filter(|rest| !rest.ends_with(self.decimal))?, true)
        };
        (around.has_sign, around.negative) = (true, negative);
        // `- 5,00 €` and `( € 5.00 )`: spaces are a part of how amounts of money are set.
        let is_money = self.currency != Currency::None;
        Some(if is_money { rest.trim_matches(is_space) } else { rest })
    }

    fn peel_currency<'t>(&self, body: &'t str, around: &mut Around) -> Option<&'t str> {
        if around.has_currency {
            return None;
        }
        let rest = match &self.currency {
            Currency::None => None,
            Currency::These(known) => known.iter().find_map(|sign| {
                let sign = sign.as_str();
                body.strip_prefix(sign).or_else(|| body.strip_suffix(sign))
            }),
            Currency::Any => {
                let start: String = body.chars().take_while(|c| is_of_currency(*c)).collect();
                let end: String = body.chars().rev().take_while(|c| is_of_currency(*c)).collect();
                if is_currency(&start) {
                    body.get(start.len()..)
                } else {
                    let is_one = is_currency(&end.chars().rev().collect::<String>());
                    body.get(..body.len() - end.len()).filter(|_| is_one)
                }
            }
        }?;
        around.has_currency = true;
        Some(rest.trim_matches(is_space))
    }

    fn peel_percent<'t>(&self, body: &'t str, around: &mut Around) -> Option<&'t str> {
        if around.has_percent || self.percent.is_none() {
            return None;
        }
        let rest = body.strip_suffix('%').or_else(|| body.strip_prefix('%'))?;
        around.has_percent = true;
        Some(rest.trim_matches(is_space))
    }

    /// Checks that a separator may follow a group of this many digits.
    fn check_group(&self, groups_before: usize, digits: usize) -> Result<(), &'static str> {
        let (first, next, wrong) = match self.grouping {
            GroupingSpec::Thousands => (1..=3, 3, GROUPS),
            GroupingSpec::Indian => (1..=2, 2, INDIAN_GROUPS),
            GroupingSpec::Myriads => (1..=4, 4, MYRIAD_GROUPS),
        };
        let fits = if groups_before == 0 { first.contains(&digits) } else { digits == next };
        if fits { Ok(()) } else { Err(wrong) }
    }

    fn check_last_group(&self, groups_before: usize, digits: usize) -> Result<(), &'static str> {
        let (last, wrong) = match self.grouping {
            GroupingSpec::Thousands => (3, GROUPS),
            GroupingSpec::Indian => (3, INDIAN_GROUPS),
            GroupingSpec::Myriads => (4, MYRIAD_GROUPS),
        };
        if groups_before == 0 || digits == last { Ok(()) } else { Err(wrong) }
    }
}

/// A minus sign other than the hyphen of ASCII.
const fn is_unicode_minus(character: char) -> bool {
    matches!(character, '\u{2212}' | '\u{2013}' | '\u{fe63}' | '\u{ff0d}')
}

/// Spaces between a number and its sign or currency.
const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}' | '\u{202f}' | '\u{2007}' | '\u{2009}')
}

fn is_of_currency(character: char) -> bool {
    character.is_ascii_alphabetic() || is_currency_sign(character)
}

fn is_currency_sign(character: char) -> bool {
    character.general_category() == GeneralCategory::CurrencySymbol
}

/// Whether a text is a sign (`€`, `US$`) or has the form of a code (`EUR`).
fn is_currency(text: &str) -> bool {
    let signs = text.chars().filter(|c| is_currency_sign(*c)).count();
    let letters = text.chars().count() - signs;
    match signs {
        0 => letters == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        1 => letters <= 3,
        _ => false,
    }
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
        // Five and no cents, not minus five.
        assert_eq!(decimal(&format, "5.-"), Err(NOT_A_NUMBER));
    }

    #[test]
    fn a_unicode_minus_is_read_if_configured() {
        let format = format("{negative: [unicode_minus, trailing_minus]}");
        for text in ["\u{2212}7.5", "\u{2013}7.5", "-7.5", "7.5\u{2212}"] {
            assert_eq!(decimal(&format, text).unwrap(), "-7.5", "{text}");
        }
        assert_eq!(decimal(&NumberFormat::default(), "\u{2212}7.5"), Err(NOT_A_NUMBER));
    }

    #[test]
    fn one_of_several_separators_is_used_at_a_time() {
        let swiss = format("{thousands: [\"'\", \"\u{2019}\", \"\u{a0}\"]}");
        for text in ["1'234'567.50", "1\u{2019}234\u{2019}567.50", "1\u{a0}234\u{a0}567.50"] {
            assert_eq!(decimal(&swiss, text).unwrap(), "1234567.50", "{text}");
        }
        assert_eq!(decimal(&swiss, "1'234\u{2019}567.50"), Err(NOT_A_NUMBER));
    }

    #[test]
    fn digits_are_grouped_as_the_source_says() {
        let indian = format("{thousands: ',', grouping: indian}");
        for (text, expected) in [
            ("12,34,567.00", Ok("1234567.00")),
            ("1,23,45,678", Ok("12345678")),
            ("1,234", Ok("1234")),
            ("1234567", Ok("1234567")),
            ("1,234,567", Err(INDIAN_GROUPS)),
            ("123,456", Err(INDIAN_GROUPS)),
            ("12,34,56", Err(INDIAN_GROUPS)),
        ] {
            assert_eq!(decimal(&indian, text), expected.map(str::to_owned), "{text}");
        }
        let myriads = format("{thousands: ',', grouping: myriads}");
        assert_eq!(decimal(&myriads, "123,4567").unwrap(), "1234567");
        assert_eq!(decimal(&myriads, "1,234"), Err(MYRIAD_GROUPS));
    }

    #[test]
    fn currencies_stand_before_or_after_a_number() {
        let euro = format(
            "{decimal: ',', thousands: '.', currency: ['€', EUR], negative: [parentheses, trailing_minus]}",
        );
        for text in [
            "€ 1.234,50",
            "1.234,50 €",
            "€1.234,50",
            "1.234,50\u{a0}EUR",
            "EUR 1.234,50",
            "+1234,50",
        ] {
            assert_eq!(decimal(&euro, text).unwrap(), "1234.50", "{text}");
        }
        for text in [
            "-€5,00",
            "€-5,00",
            "€ -5,00",
            "- 5,00 €",
            "(€ 5,00)",
            "€ (5,00)",
            "5,00- €",
            "5,00 €-",
        ] {
            assert_eq!(decimal(&euro, text).unwrap(), "-5.00", "{text}");
        }
        for text in ["$5,00", "€5,00€", "€", "- € -5,00", "EUR", "5,00 USD", "€ EUR 5"] {
            assert_eq!(decimal(&euro, text), Err(NOT_A_NUMBER), "{text}");
        }
        let any = format("{currency: any, thousands: ','}");
        for text in ["$1,000", "US$ 1,000", "USD1,000", "1,000 CHF", "¥1,000", "1,000 zł"] {
            let expected =
                if text.contains('z') { Err(NOT_A_NUMBER) } else { Ok("1000".to_owned()) };
            assert_eq!(decimal(&any, text), expected, "{text}");
        }
        assert_eq!(decimal(&any, "1e3").unwrap(), "1000");
        let rupees = format("{currency: [Rs., \"₹\"], thousands: ',', grouping: indian}");
        assert_eq!(decimal(&rupees, "Rs. 12,34,567.00").unwrap(), "1234567.00");
    }

    #[test]
    fn a_percent_sign_is_a_part_of_the_number_or_a_division() {
        let written = format("{decimal: ',', percent: as_written}");
        assert_eq!(decimal(&written, "12,5 %").unwrap(), "12.5");
        let fraction = format("{percent: as_fraction}");
        assert_eq!(decimal(&fraction, "-12.5%").unwrap(), "-0.125");
        assert_eq!(decimal(&fraction, "0.125").unwrap(), "0.125");
        assert_eq!(decimal(&NumberFormat::default(), "5%"), Err(NOT_A_NUMBER));
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
    fn all_bad_separators_are_reported() {
        for (yaml, count) in [
            ("{decimal: ''}", 1),
            ("{decimal: ab, thousands: '5'}", 2),
            ("{thousands: '.'}", 1),
            ("{decimal: '-'}", 1),
            ("{thousands: [',', '.', ',']}", 2),
            ("{grouping: indian}", 1),
            ("{currency: ['', '5', ' ']}", 3),
        ] {
            let spec: NumberSpec = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(spec.resolve().unwrap_err().len(), count, "{yaml}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_the_general_one(text in "[-+]?[0-9]{0,20}[.]?[0-9]{0,9}(e[0-9])?") {
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
