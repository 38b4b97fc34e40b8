//! Steps about amounts: marks of debit and credit, turned signs and other units.

use std::sync::Arc;

use super::step::{Arguments, Flow, Transform};
use crate::diagnostic::{Code, Problem};
use crate::domain::Decimal;

/// A step on the parsed number. It runs after all steps on the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberStep {
    /// The other sign.
    Negate,
    Scale(Decimal),
}

impl NumberStep {
    /// Applies the step to a decimal.
    pub(super) fn decimal(self, value: Decimal) -> Result<Decimal, &'static str> {
        match self {
            Self::Negate => Ok(value.negated()),
            Self::Scale(factor) => value.checked_mul(factor).ok_or("too many digits"),
        }
    }

    /// Applies the step to a whole number.
    pub(super) fn integer(self, value: i128) -> Result<i128, &'static str> {
        let value = self.decimal(Decimal::new(value, 0).ok_or("too many digits")?)?.normalized();
        if value.scale() == 0 { Ok(value.coefficient()) } else { Err("not a whole number") }
    }
}

pub(super) fn scale(arguments: &mut Arguments<'_>) -> Option<NumberStep> {
    let text = arguments.text();
    match text.parse::<Decimal>() {
        Ok(factor) if !factor.is_zero() => Some(NumberStep::Scale(factor)),
        _ => {
            let message = format!("`{text}` is not a number other than 0");
            let help = "such as `{scale: 0.01}` for amounts in cents";
            arguments.problem(None, Problem::new(Code::StepArgument, message).help(help));
            None
        }
    }
}

/// The usual marks; longer ones first.
const DEBIT: [&str; 9] = ["DEBIT", "SOLL", "DR.", "DR", "DB", "DT", "D.", "D", "S"];
const CREDIT: [&str; 8] = ["CREDIT", "HABEN", "CR.", "CR", "CT", "C.", "C", "H"];

pub(super) fn debit_credit<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    signed(text, &DEBIT, &CREDIT, out)
}

struct Marks {
    debit: [String; 1],
    credit: [String; 1],
}

impl Transform for Marks {
    fn apply<'a>(&self, text: &'a str, out: &mut String) -> Flow<'a> {
        signed(text, &self.debit, &self.credit, out)
    }
}

pub(super) fn debit_credit_marks(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    let marks = [arguments.key("debit")?, arguments.key("credit")?];
    for (key, mark) in ["debit", "credit"].into_iter().zip(marks) {
        if mark.trim().is_empty() || mark.contains(|c: char| c.is_ascii_digit()) {
            let message = format!("`{mark}` is not a mark of {key}");
            arguments.problem(Some(key), Problem::new(Code::StepArgument, message));
        }
    }
    if marks[0].to_uppercase() == marks[1].to_uppercase() {
        let message = format!("`{}` can't be the mark of both", marks[0]);
        arguments.problem(Some("credit"), Problem::new(Code::StepArgument, message));
    }
    let [debit, credit] = marks.map(|mark| [mark.trim().to_owned()]);
    Some(Arc::new(Marks { debit, credit }))
}

/// The text without its mark, a minus before it for a debit.
fn signed<'a>(
    text: &'a str,
    debit: &[impl AsRef<str>],
    credit: &[impl AsRef<str>],
    out: &mut String,
) -> Flow<'a> {
    let find = |marks: &[&str]| marks.iter().find_map(|mark| without_mark(text, mark));
    let debit: Vec<&str> = debit.iter().map(AsRef::as_ref).collect();
    let credit: Vec<&str> = credit.iter().map(AsRef::as_ref).collect();
    if let Some(amount) = find(&debit) {
        out.push('-');
        out.push_str(amount);
        return Flow::Written;
    }
    Flow::Part(find(&credit).unwrap_or(text))
}

/// The text without a mark at one of its ends, ignoring case; `None` without it. The end of a word
/// is not a mark: the `D` of `5 USD` does not count.
fn without_mark<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let is_mark = |part: &str| part.to_uppercase() == mark.to_uppercase();
    let is_apart = |c: Option<char>| c.is_some_and(|c| !c.is_alphabetic());
    let text = text.trim();
    let at = text.len().checked_sub(mark.len())?;
    if let (Some(amount), Some(true)) = (text.get(..at), text.get(at..).map(is_mark))
        && is_apart(amount.chars().next_back())
    {
        return Some(amount.trim_end());
    }
    let amount = text.get(mark.len()..)?;
    let starts = text.get(..mark.len()).is_some_and(is_mark);
    (starts && is_apart(amount.chars().next())).then(|| amount.trim_start())
}

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, resolve_steps, steps};

    #[test]
    fn marks_of_debit_and_credit_become_signs() {
        for (text, expected) in [
            ("12.50 DR", "-12.50"),
            ("12.50Cr", "12.50"),
            ("1.234,50 S", "-1.234,50"),
            ("1.234,50 H", "1.234,50"),
            ("D 5", "-5"),
            ("Soll 5", "-5"),
            ("5 USD", "5 USD"),
            ("5 C", "5"),
            ("5", "5"),
            ("DR", "DR"),
            ("", ""),
            // A sign and a mark: the number's type refuses it.
            ("-5 DR", "--5"),
            ("é5 D", "-é5"),
        ] {
            assert_eq!(apply_all(&steps("[debit_credit]"), text).unwrap(), expected, "{text}");
        }
        let own = steps("[{debit_credit: {debit: AF, credit: BIJ}}]");
        assert_eq!(apply_all(&own, "5,00 Af").unwrap(), "-5,00");
        assert_eq!(apply_all(&own, "5,00 DR").unwrap(), "5,00 DR");
    }

    #[test]
    fn numbers_change_their_sign_and_unit_exactly() {
        for (chain, text, expected) in [
            ("[negate]", "12.50", "-12.50"),
            ("[negate]", "-0.10", "0.10"),
            ("[{scale: '0.01'}]", "12345", "123.45"),
            ("[{scale: 1000}]", "1.50", "1500.00"),
            ("[{scale: '0.01'}, negate]", "-1", "0.01"),
            // They run after the steps on the text, whatever their position.
            ("[negate, {strip_prefix: x}]", "x5", "-5"),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text}");
        }
    }

    #[test]
    fn a_factor_is_a_number_other_than_0_and_marks_are_two() {
        let specs: Vec<_> = serde_yaml::from_str(
            "[{scale: 0}, {scale: x}, scale, {negate: 1}, {debit_credit: {debit: D}}, \
             {debit_credit: {debit: D, credit: d}}]",
        )
        .unwrap();
        let problems = resolve_steps(&specs, ".".as_ref(), &|_| false).unwrap_err();
        assert_eq!(problems.len(), 6, "{problems:?}");
    }

    #[test]
    fn a_function_of_the_script_with_the_name_of_a_newer_step_is_still_called() {
        let specs: Vec<super::super::StepSpec> =
            serde_yaml::from_str("[debit_credit, trim]").unwrap();
        let steps: Vec<super::super::Step> =
            resolve_steps(&specs, ".".as_ref(), &|_| true).unwrap();
        assert_eq!(steps[0].function(), Some("debit_credit"));
        assert_eq!(steps[1].function(), None);
    }
}
