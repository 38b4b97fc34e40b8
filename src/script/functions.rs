//! Functions for scripts besides Rhai's own for texts, arrays and maps: one table for the engine,
//! the reference and the tests of the examples.

use rhai::{Array, Dynamic, Engine, INT, ImmutableString};
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::engine::CallResult;
use super::exact::{self, failure};
use super::work::{charge_product, charge_texts};
use crate::domain;
use crate::domain::decimal::DecimalError;
use crate::domain::words::jaro_winkler;

/// Texts longer than this are not compared letter by letter: the work grows with the square.
pub const MAX_COMPARED: usize = 2_000;

/// A function that scripts may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionDoc {
    /// Its declaration.
    pub signature: &'static str,
    pub meaning: &'static str,
    /// An expression that is true; empty for functions that only a run has.
    pub example: &'static str,
}

const fn doc(signature: &'static str, meaning: &'static str, example: &'static str) -> FunctionDoc {
    FunctionDoc { signature, meaning, example }
}

const FUNCTIONS: &[FunctionDoc] = &[
    doc("is_blank(text)", "True if the text is empty or only spaces.", r#"is_blank("  ")"#),
    doc("digits(text)", "The digits 0 to 9 of the text.", r#"digits("INV-042/7") == "0427""#),
    doc(
        "letters(text)",
        "The letters of the text, of any alphabet.",
        r#"letters("É-1 b") == "Éb""#,
    ),
    doc(
        "alphanumeric(text)",
        "The letters of any alphabet and the digits 0 to 9 of the text.",
        r#"alphanumeric("É-1 b.") == "É1b""#,
    ),
    doc(
        "has_word(text, words)",
        "True if the text contains one of the words, in whatever case.",
        r#"has_word("Net_Amount", ["price", "amount"])"#,
    ),
    doc(
        "without_prefix(text, prefix)",
        "The text without the prefix, if it begins with it.",
        r#"without_prefix("FX-77", "FX-") == "77""#,
    ),
    doc(
        "without_suffix(text, suffix)",
        "The text without the suffix, if it ends with it.",
        r#"without_suffix("ACME LTD", " LTD") == "ACME""#,
    ),
    doc(
        "similarity(a, b)",
        "The Jaro-Winkler similarity of two texts, 0 to 1, rounded to 4 decimals.",
        r#"similarity("MARTHA", "MARHTA") == 0.9611"#,
    ),
    doc(
        "edits(a, b)",
        "Edit distance: letters to insert, remove, replace or exchange with their neighbor.",
        r#"edits("1324", "1234") == 1"#,
    ),
    doc(
        "is_transposed(a, b)",
        "True if exchanging two neighboring characters of one text gives the other.",
        r#"is_transposed("1324", "1234") && !is_transposed("12", "12")"#,
    ),
    doc(
        "parse_decimal(text)",
        "The exact decimal that the text writes in plain or scientific notation.",
        r#"parse_decimal("12.50") == 12.5"#,
    ),
    doc("parse_int(text)", "The integer that the text writes.", r#"parse_int("-42") == -42"#),
    doc("to_decimal(number)", "The number as a decimal.", "to_decimal(7) / 2 == 3.5"),
    doc(
        "to_int(number)",
        "The number as an integer; an error if it has decimals.",
        "to_int(7.00) == 7",
    ),
    doc("abs(number)", "The number without its sign.", "abs(-0.5) == 0.5"),
    doc("sign(number)", "-1, 0 or 1.", "sign(-0.5) == -1"),
    doc("min(a, b)", "The smaller number.", "min(1, 0.5) == 0.5"),
    doc("max(a, b)", "The larger number.", "max(1, 0.5) == 1"),
    doc(
        "round(number, decimals)",
        "The number rounded half away from zero.",
        "round(2.345, 2) == 2.35 && round(-0.5, 0) == -1",
    ),
    doc("floor(number)", "The largest whole number that is not above.", "floor(-1.5) == -2"),
    doc("ceiling(number)", "The smallest whole number that is not below.", "ceiling(1.2) == 2"),
    doc("truncate(number)", "The number without its decimals.", "truncate(-1.9) == -1"),
    doc(
        "days_between(a, b)",
        "Days from the date a to the date b, both YYYY-MM-DD (a time behind it is ignored).",
        r#"days_between("2026-02-27", "2026-03-02") == 3"#,
    ),
    doc(
        "add_days(date, days)",
        "The date this many days later, or earlier if negative.",
        r#"add_days("2026-02-27", 3) == "2026-03-02""#,
    ),
    doc(
        "add_months(date, months)",
        "The same day this many months later, or the last day of a shorter month.",
        r#"add_months("2026-01-31", 1) == "2026-02-28""#,
    ),
    doc("weekday(date)", "1 for Monday to 7 for Sunday.", r#"weekday("2026-01-15") == 4"#),
    doc(
        "is_month_end(date)",
        "True if the date is the last day of its month.",
        r#"is_month_end("2026-02-28")"#,
    ),
    doc(
        "is_business_day(date), is_business_day(date, holidays), is_business_day(date, field)",
        "True if it is a day from Monday to Friday, and none of the holidays. With a field's name, the calendar of its `tolerance` in business days decides.",
        r#"is_business_day("2026-01-16") && !is_business_day("2026-01-16", ["2026-01-16"])"#,
    ),
    doc(
        "add_business_days(date, days), add_business_days(date, days, holidays), add_business_days(date, days, field)",
        "The business day this many business days after the date, or before it if negative; with a field's name, by its calendar.",
        r#"add_business_days("2026-01-16", 1) == "2026-01-19""#,
    ),
    doc(
        "business_days_between(a, b), business_days_between(a, b, holidays), business_days_between(a, b, field)",
        "The business days after the date a up to and including the date b; negative if b is earlier. With a field's name, by its calendar.",
        r#"business_days_between("2026-01-16", "2026-01-20") == 2"#,
    ),
    doc(
        "parse_date(text, format)",
        "The date that the text writes in this format, as YYYY-MM-DD; () if it is not of the format. Formats are those of `formats` in recon.yaml.",
        r#"parse_date("16. Januar 2026", "[de] %d. %B %Y") == "2026-01-16" && parse_date("x", "%F") == ()"#,
    ),
    doc(
        "format_date(date, format)",
        "The date, or the instant in UTC, written in this format.",
        r#"format_date("2026-01-16", "%d/%m/%y") == "16/01/26""#,
    ),
    doc("batch_date()", "The business date of the run, as YYYY-MM-DD.", ""),
    doc(
        "reason(code, confidence)",
        "Rules only: the result that claims a difference. The code is declared in `reason_codes`, the confidence is within 0..1.",
        "",
    ),
    doc("note(sentence)", "Rules only: adds a sentence to the explanation.", ""),
];

/// Every function that recon offers to scripts.
pub const fn functions() -> &'static [FunctionDoc] {
    FUNCTIONS
}

/// Registers all functions except `reason` and `note`, which only rules have.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("is_blank", |text: &str| -> CallResult<bool> {
            charge_texts(&[text])?;
            Ok(text.trim().is_empty())
        })
        .register_fn("digits", digits)
        .register_fn("letters", letters)
        .register_fn("alphanumeric", alphanumeric)
        .register_fn("has_word", |text: &str, words: Array| -> CallResult<bool> {
            let words: Vec<ImmutableString> =
                words.into_iter().filter_map(|word| word.into_immutable_string().ok()).collect();
            has_word(text, words.iter().map(ImmutableString::as_str))
        })
        .register_fn("without_prefix", |text: &str, prefix: &str| -> CallResult<String> {
            charge_texts(&[text])?;
            Ok(text.strip_prefix(prefix).unwrap_or(text).to_owned())
        })
        .register_fn("without_suffix", |text: &str, suffix: &str| -> CallResult<String> {
            charge_texts(&[text])?;
            Ok(text.strip_suffix(suffix).unwrap_or(text).to_owned())
        })
        .register_fn("similarity", |a: &str, b: &str| -> CallResult<Decimal> {
            comparable(a, b)?;
            Ok(similarity(a, b))
        })
        .register_fn("edits", edits)
        .register_fn("is_transposed", |a: &str, b: &str| -> CallResult<bool> {
            charge_texts(&[a, b])?;
            Ok(is_transposed(a, b))
        });
    register_numbers(engine);
}

fn register_numbers(engine: &mut Engine) {
    engine
        .register_fn("parse_decimal", parse_decimal)
        .register_fn("parse_int", |text: &str| -> CallResult<INT> {
            text.parse().map_or_else(|_| failure(format!("`{text}` is not an integer")), Ok)
        })
        .register_fn("to_decimal", |x: INT| Decimal::from(x))
        .register_fn("to_decimal", |x: Decimal| x)
        .register_fn("to_int", |x: INT| x)
        .register_fn("to_int", to_int)
        .register_fn("abs", |x: INT| -> CallResult<INT> {
            x.checked_abs().map_or_else(|| failure(format!("integer overflow: abs({x})")), Ok)
        })
        .register_fn("abs", |x: Decimal| x.abs())
        .register_fn("sign", |x: INT| x.signum())
        .register_fn("sign", sign)
        .register_fn("floor", |x: INT| x)
        .register_fn("floor", |x: Decimal| x.floor())
        .register_fn("ceiling", |x: INT| x)
        .register_fn("ceiling", |x: Decimal| x.ceil())
        .register_fn("truncate", |x: INT| x)
        .register_fn("truncate", |x: Decimal| x.trunc())
        .register_fn("round", |x: INT, _: INT| x)
        .register_fn("round", round);
    // The smaller and the larger keep their own type: 1 stays an integer.
    macro_rules! extremes {
        ($($x:ty, $y:ty;)+) => {$(
            engine
                .register_fn("min", |x: $x, y: $y| {
                    if Decimal::from(x) <= Decimal::from(y) { Dynamic::from(x) } else { Dynamic::from(y) }
                })
                .register_fn("max", |x: $x, y: $y| {
                    if Decimal::from(x) >= Decimal::from(y) { Dynamic::from(x) } else { Dynamic::from(y) }
                });
        )+};
    }
    extremes! {
        Decimal, Decimal;
        Decimal, INT;
        INT, Decimal;
    }
}

pub(super) fn digits(text: &str) -> CallResult<String> {
    charge_texts(&[text])?;
    Ok(text.chars().filter(char::is_ascii_digit).collect())
}

pub(super) fn letters(text: &str) -> CallResult<String> {
    keep(text, char::is_alphabetic)
}

pub(super) fn alphanumeric(text: &str) -> CallResult<String> {
    keep(text, |character| character.is_alphabetic() || character.is_ascii_digit())
}

pub(super) fn has_word<'w>(
    text: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> CallResult<bool> {
    charge_texts(&[text])?;
    let lower = text.to_lowercase();
    for word in words {
        // The text is looked through for each word.
        charge_texts(&[text, word])?;
        if lower.contains(&word.to_lowercase()) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn edits(a: &str, b: &str) -> CallResult<INT> {
    comparable(a, b)?;
    Ok(rapidfuzz::distance::osa::distance(a.chars(), b.chars()) as INT)
}

pub(super) fn to_int(x: Decimal) -> CallResult<INT> {
    match x.normalize() {
        whole if whole.scale() == 0 => whole.to_i64(),
        _ => None,
    }
    .map_or_else(|| failure(format!("{x} is not an integer of at most 18 digits")), Ok)
}

pub(super) const fn sign(x: Decimal) -> INT {
    x.mantissa().signum() as INT
}

pub(super) fn round(x: Decimal, decimals: INT) -> CallResult<Decimal> {
    match u32::try_from(decimals) {
        Ok(decimals) => {
            Ok(x.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero))
        }
        Err(_) => failure(format!("can't round to {decimals} decimals")),
    }
}

/// The characters that are `wanted`, each with its combining marks.
fn keep(text: &str, wanted: impl Fn(char) -> bool) -> CallResult<String> {
    charge_texts(&[text])?;
    if text.is_ascii() {
        return Ok(text.chars().filter(|character| wanted(*character)).collect());
    }
    let mut keeps = false;
    let kept = text.chars().filter(|character| {
        if !is_combining_mark(*character) {
            keeps = wanted(*character);
        }
        keeps
    });
    Ok(kept.nfc().collect())
}

fn comparable(a: &str, b: &str) -> CallResult<()> {
    if a.len().max(b.len()) > MAX_COMPARED {
        return failure(format!("texts of more than {MAX_COMPARED} bytes are too long to compare"));
    }
    charge_product(a, b)
}

/// The Jaro-Winkler similarity of two texts, rounded to 4 decimals.
pub(super) fn similarity(a: &str, b: &str) -> Decimal {
    #[expect(clippy::cast_possible_truncation, reason = "it is within 0..=10000")]
    let ten_thousandths = (jaro_winkler(a, b) * 10_000.0).round() as i64;
    Decimal::new(ten_thousandths, 4)
}

pub(super) fn is_transposed(a: &str, b: &str) -> bool {
    let mut left = a.chars();
    let mut right = b.chars();
    loop {
        match (left.next(), right.next()) {
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) => {
                return left.next() == Some(y)
                    && right.next() == Some(x)
                    && left.as_str() == right.as_str();
            }
            _ => return false,
        }
    }
}

pub(super) fn parse_decimal(text: &str) -> CallResult<Decimal> {
    let parsed = text.parse::<domain::Decimal>();
    match parsed.map(exact::from_domain) {
        Ok(Some(value)) => Ok(value),
        Ok(None) | Err(DecimalError::TooManyDigits) => {
            failure(format!("`{text}` has more digits than the 28 that a script can hold"))
        }
        Err(DecimalError::Malformed) => failure(format!("`{text}` is not a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_true_as_written() {
        let engine = super::super::engine::build();
        for function in functions().iter().filter(|function| !function.example.is_empty()) {
            let result = engine.eval_expression::<bool>(function.example);
            assert!(matches!(result, Ok(true)), "{}: {result:?}", function.example);
            let name = function.signature.split('(').next().unwrap();
            assert!(function.example.contains(&format!("{name}(")), "{}", function.signature);
        }
        // A letter keeps its mark.
        let result = engine.eval_expression::<bool>("letters(\"e\u{301}1\") == \"é\"");
        assert!(matches!(result, Ok(true)), "{result:?}");
    }
}
