//! The functions that rules use most: those of recon itself, and a few of Rhai that are made anew here.

use std::borrow::Cow;

use super::Value;
use crate::script::{exact, functions};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
    Abs,
    Sign,
    Min,
    Max,
    Round,
    Floor,
    Ceiling,
    Truncate,
    ToDecimal,
    ToInt,
    ParseDecimal,
    IsBlank,
    Digits,
    Letters,
    Alphanumeric,
    WithoutPrefix,
    WithoutSuffix,
    Similarity,
    Edits,
    IsTransposed,
    Length,
    IsEmpty,
    Contains,
    StartsWith,
    EndsWith,
    ToUpper,
    ToLower,
    IndexOf,
    SubString,
}

/// Operators with the number of their operands.
const OPERATORS: [(&str, usize, Native); 5] = [
    ("+", 2, Native::Add),
    ("-", 2, Native::Subtract),
    ("*", 2, Native::Multiply),
    ("/", 2, Native::Divide),
    ("-", 1, Native::Negate),
];

/// Functions with the number of their arguments.
const FUNCTIONS: [(&str, usize, Native); 30] = [
    ("abs", 1, Native::Abs),
    ("sign", 1, Native::Sign),
    ("min", 2, Native::Min),
    ("max", 2, Native::Max),
    ("round", 2, Native::Round),
    ("floor", 1, Native::Floor),
    ("ceiling", 1, Native::Ceiling),
    ("truncate", 1, Native::Truncate),
    ("to_decimal", 1, Native::ToDecimal),
    ("to_int", 1, Native::ToInt),
    ("parse_decimal", 1, Native::ParseDecimal),
    ("is_blank", 1, Native::IsBlank),
    ("digits", 1, Native::Digits),
    ("letters", 1, Native::Letters),
    ("alphanumeric", 1, Native::Alphanumeric),
    ("without_prefix", 2, Native::WithoutPrefix),
    ("without_suffix", 2, Native::WithoutSuffix),
    ("similarity", 2, Native::Similarity),
    ("edits", 2, Native::Edits),
    ("is_transposed", 2, Native::IsTransposed),
    ("len", 1, Native::Length),
    ("is_empty", 1, Native::IsEmpty),
    ("contains", 2, Native::Contains),
    ("starts_with", 2, Native::StartsWith),
    ("ends_with", 2, Native::EndsWith),
    ("to_upper", 1, Native::ToUpper),
    ("to_lower", 1, Native::ToLower),
    ("index_of", 2, Native::IndexOf),
    ("sub_string", 2, Native::SubString),
    ("sub_string", 3, Native::SubString),
];

fn find(table: &[(&str, usize, Native)], name: &str, arguments: usize) -> Option<Native> {
    let found = table.iter().find(|(known, arity, _)| *known == name && *arity == arguments);
    found.map(|(_, _, native)| *native)
}

impl Native {
    pub(super) fn operator(sign: &str, operands: usize) -> Option<Self> {
        find(&OPERATORS, sign, operands)
    }

    pub(super) fn function(name: &str, arguments: usize) -> Option<Self> {
        find(&FUNCTIONS, name, arguments)
    }

    /// The value for arguments that are of its types and give one.
    pub(super) fn call<'v>(self, arguments: &mut [Value<'v>]) -> Option<Value<'v>> {
        use Value::{Boolean, Decimal, Integer, Text};
        Some(match (self, arguments) {
            (Self::Add, [Integer(x), Integer(y)]) => Integer(x.checked_add(*y)?),
            (Self::Subtract, [Integer(x), Integer(y)]) => Integer(x.checked_sub(*y)?),
            (Self::Multiply, [Integer(x), Integer(y)]) => Integer(x.checked_mul(*y)?),
            (Self::Divide, [Integer(x), Integer(y)]) => Integer(x.checked_div(*y)?),
            (Self::Add, [Text(x), Text(y)]) => Text(format!("{x}{y}").into()),
            (Self::Add | Self::Subtract | Self::Multiply | Self::Divide, [x, y]) => {
                let (x, y) = (x.number()?, y.number()?);
                let result = match self {
                    Self::Add => exact::add(x, y),
                    Self::Subtract => exact::subtract(x, y),
                    Self::Multiply => exact::multiply(x, y),
                    _ => exact::divide(x, y),
                };
                Decimal(result.ok()?)
            }
            (Self::Negate, [Integer(x)]) => Integer(x.checked_neg()?),
            (Self::Negate, [Decimal(x)]) => Decimal(-*x),
            (Self::Abs, [Integer(x)]) => Integer(x.checked_abs()?),
            (Self::Abs, [Decimal(x)]) => Decimal(x.abs()),
            (Self::Sign, [Integer(x)]) => Integer(x.signum()),
            (Self::Sign, [Decimal(x)]) => Integer(functions::sign(*x)),
            (Self::Min, [x, y]) => {
                let first = x.number()? <= y.number()?;
                if first { x.clone() } else { y.clone() }
            }
            (Self::Max, [x, y]) => {
                let first = x.number()? >= y.number()?;
                if first { x.clone() } else { y.clone() }
            }
            (Self::Floor | Self::Ceiling | Self::Truncate | Self::ToInt, [Integer(x)])
            | (Self::Round, [Integer(x), Integer(_)]) => Integer(*x),
            (Self::Round, [Decimal(x), Integer(decimals)]) => {
                Decimal(functions::round(*x, *decimals).ok()?)
            }
            (Self::Floor, [Decimal(x)]) => Decimal(x.floor()),
            (Self::Ceiling, [Decimal(x)]) => Decimal(x.ceil()),
            (Self::Truncate, [Decimal(x)]) => Decimal(x.trunc()),
            (Self::ToDecimal, [x]) => Decimal(x.number()?),
            (Self::ToInt, [Decimal(x)]) => Integer(functions::to_int(*x).ok()?),
            (Self::ParseDecimal, [Text(text)]) => Decimal(functions::parse_decimal(text).ok()?),
            (Self::IsBlank, [Text(text)]) => Boolean(text.trim().is_empty()),
            (Self::Digits, [Text(text)]) => Text(functions::digits(text).ok()?.into()),
            (Self::Letters, [Text(text)]) => Text(functions::letters(text).ok()?.into()),
            (Self::Alphanumeric, [Text(text)]) => Text(functions::alphanumeric(text).ok()?.into()),
            (Self::WithoutPrefix, [Text(text), Text(prefix)]) => {
                let rest = text.strip_prefix(&**prefix).map(str::to_owned);
                Text(rest.map_or_else(|| std::mem::take(text), Cow::Owned))
            }
            (Self::WithoutSuffix, [Text(text), Text(suffix)]) => {
                let rest = text.strip_suffix(&**suffix).map(str::to_owned);
                Text(rest.map_or_else(|| std::mem::take(text), Cow::Owned))
            }
            (Self::Similarity, [Text(a), Text(b)]) => Decimal(functions::similarity(a, b)),
            (Self::Edits, [Text(a), Text(b)]) => Integer(functions::edits(a, b).ok()?),
            (Self::IsTransposed, [Text(a), Text(b)]) => Boolean(functions::is_transposed(a, b)),
            (Self::Length, [Text(text)]) => Integer(i64::try_from(text.chars().count()).ok()?),
            (Self::IsEmpty, [Text(text)]) => Boolean(text.is_empty()),
            (Self::Contains, [Text(text), Text(part)]) => Boolean(text.contains(&**part)),
            (Self::StartsWith, [Text(text), Text(part)]) => Boolean(text.starts_with(&**part)),
            (Self::EndsWith, [Text(text), Text(part)]) => Boolean(text.ends_with(&**part)),
            (Self::ToUpper, [Text(text)]) => Text(text.to_uppercase().into()),
            (Self::ToLower, [Text(text)]) => Text(text.to_lowercase().into()),
            (Self::IndexOf, [Text(text), Text(part)]) if !text.is_empty() => {
                let at = text.find(&**part).and_then(|at| text.get(..at));
                Integer(at.map_or(Some(-1), |before| i64::try_from(before.chars().count()).ok())?)
            }
            (Self::SubString, [Text(text), Integer(start), rest @ ..]) => {
                // Counting from the end is left to the script.
                let start = usize::try_from(*start).ok()?;
                let length = match rest {
                    [Integer(length)] => usize::try_from((*length).max(0)).ok()?,
                    [] => usize::MAX,
                    _ => return None,
                };
                Text(text.chars().skip(start).take(length).collect::<String>().into())
            }
            _ => return None,
        })
    }
}
