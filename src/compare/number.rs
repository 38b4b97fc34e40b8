//! Decimals and integers: `absolute` and `percent`, computed exactly.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::{Cell, Decimal, Kind, Written};

use super::tolerance::{self, Tolerance, keys, not_negative, wrong};

keys! {
    /// Decimals and integers: the largest |a − b|.
    absolute: Written<Decimal>,
    /// Decimals and integers: the largest |a − b| in percent of the base.
    percent: Written<Decimal>,
    /// Base of `percent`; default `larger`.
    base: BaseSpec,
    /// With both `absolute` and `percent`: whether one of them suffices. There is no default.
    combine: CombineSpec,
}

/// Base of a percentage.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseSpec {
    /// The larger of |a| and |b|: A against B gives what B against A gives.
    #[default]
    Larger,
    /// The smaller of |a| and |b|.
    Smaller,
    /// |a|.
    A,
    /// |b|.
    B,
}

/// How an absolute and a percentage bound join.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CombineSpec {
    /// One bound suffices.
    Either,
    /// Both bounds must hold.
    Both,
}

impl tolerance::Bounds for Bounds {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Decimal, Kind::Integer]
    }

    fn resolve(&self, _: &Path, problems: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>> {
        not_negative("absolute", self.absolute, problems);
        not_negative("percent", self.percent, problems);
        if self.base.is_some() && self.percent.is_none() {
            problems.push(wrong("base", "`base` needs `percent`"));
        }
        if self.combine.is_some() && (self.absolute.is_none() || self.percent.is_none()) {
            problems.push(wrong("combine", "`combine` needs both `absolute` and `percent`"));
        }
        let percent = self.percent.map(|percent| Percent(percent.0, self.base.unwrap_or_default()));
        Some(Arc::new(match (self.absolute, percent, self.combine) {
            (Some(absolute), Some(percent), Some(CombineSpec::Either)) => {
                Number::Either(absolute.0, percent)
            }
            (Some(absolute), Some(percent), Some(CombineSpec::Both)) => {
                Number::Both(absolute.0, percent)
            }
            (Some(_), Some(_), None) => {
                let message = "with both `absolute` and `percent`, say how they join";
                let problem = Problem::new(Code::ToleranceCombine, message)
                    .help("add `combine: either` (one suffices) or `combine: both`");
                problems.push(SpecProblem::new(["percent"], problem));
                return None;
            }
            (Some(absolute), None, _) => Number::Absolute(absolute.0),
            (None, Some(percent), _) => Number::Percent(percent),
            (None, None, _) => return None,
        }))
    }

    fn tightest(&self) -> Box<dyn Tolerance> {
        Box::new(Number::Absolute(Decimal::ZERO))
    }
}

#[derive(Debug)]
enum Number {
    Absolute(Decimal),
    Percent(Percent),
    Either(Decimal, Percent),
    Both(Decimal, Percent),
}

/// |a − b| ≤ percent / 100 × base.
#[derive(Clone, Copy, Debug)]
struct Percent(Decimal, BaseSpec);

impl Percent {
    fn holds(self, a: Decimal, b: Decimal) -> bool {
        let base = match self.1 {
            BaseSpec::Larger => a.abs().max(b.abs()),
            BaseSpec::Smaller => a.abs().min(b.abs()),
            BaseSpec::A => a.abs(),
            BaseSpec::B => b.abs(),
        };
        Decimal::within_percent(a, b, self.0, base)
    }

    fn describe(self) -> String {
        let base = match self.1 {
            BaseSpec::Larger => "the larger",
            BaseSpec::Smaller => "the smaller",
            BaseSpec::A => "A",
            BaseSpec::B => "B",
        };
        format!("±{} % of {base}", self.0)
    }
}

impl Tolerance for Number {
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool {
        let (Some(a), Some(b)) = (a.number(), b.number()) else { return false };
        let within = |bound: Decimal| Decimal::within_absolute(a, b, bound);
        match *self {
            Self::Absolute(bound) => within(bound),
            Self::Percent(percent) => percent.holds(a, b),
            Self::Either(bound, percent) => within(bound) || percent.holds(a, b),
            Self::Both(bound, percent) => within(bound) && percent.holds(a, b),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Absolute(bound) => format!("±{bound}"),
            Self::Percent(percent) => percent.describe(),
            Self::Either(bound, percent) => format!("±{bound} or {}", percent.describe()),
            Self::Both(bound, percent) => format!("±{bound} and {}", percent.describe()),
        }
    }

    fn missed(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        let Self::Absolute(bound) = self else { return None };
        let delta = b.number()?.checked_sub(a.number()?)?.abs();
        Some(delta.checked_sub(*bound)?.normalized().to_string())
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        let (a, b) = (a.number()?, b.number()?);
        let delta = b.checked_sub(a)?.abs();
        let larger = a.abs().max(b.abs());
        let percent = delta.percent_of(larger, 4).map(|percent| {
            // Rounded up: the tolerance that is named must let the pair pass.
            let short = !Decimal::within_percent(a, b, percent, larger);
            let unit = Decimal::new(i128::from(short), 4).unwrap_or(Decimal::ZERO);
            percent.checked_sub(unit.negated()).unwrap_or(percent)
        });
        Some(match percent {
            Some(percent) => format!("absolute: {delta}, or percent: {percent} of the larger"),
            None => format!("absolute: {delta}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FieldResult;
    use super::super::tolerance::tests::{compare, complaints, field};
    use super::*;

    fn decimal(text: &str) -> Cell<'static> {
        Cell::Decimal(text.parse().unwrap())
    }

    #[test]
    fn base_and_combine_need_their_bounds() {
        assert_eq!(
            complaints(Kind::Integer, "{ absolute: '1', base: a, combine: both }"),
            ["`base` needs `percent`", "`combine` needs both `absolute` and `percent`"]
        );
    }

    #[test]
    fn a_field_says_its_tolerance_and_which_would_have_cleared_a_difference() {
        let absolute = field(Kind::Decimal, "{ absolute: '0.005' }");
        assert_eq!(absolute.describe(), "±0.005");
        assert_eq!(
            absolute.clearing(decimal("100"), decimal("100.25")).unwrap(),
            "absolute: 0.25, or percent: 0.2494 of the larger"
        );
        assert_eq!(absolute.missed(decimal("100"), decimal("100.25")).unwrap(), "0.245");
        assert_eq!(absolute.clearing(Cell::Null, decimal("1")), None);
        let joined = "{ absolute: '1', percent: '2', base: b, combine: both }";
        assert_eq!(field(Kind::Decimal, joined).describe(), "±1 and ±2 % of B");
    }

    proptest! {
        #[test]
        fn a_wider_tolerance_never_adds_a_difference(a: i32, b: i32, narrow in 0u32..1000, more in 0u32..1000) {
            let (a, b) = (Cell::Integer(a.into()), Cell::Integer(b.into()));
            for unit in ["absolute", "percent"] {
                let at = |bound: u32| field(Kind::Integer, &format!("{{ {unit}: '{bound}' }}"));
                let tight = compare(&at(narrow), a, b);
                let wide = compare(&at(narrow + more), a, b);
                prop_assert!(matches!(tight, FieldResult::Different(_)) || !matches!(wide, FieldResult::Different(_)));
            }
        }

        #[test]
        fn swapping_the_sides_mirrors_the_result(a: i64, b: i64, scale in 0u8..6, bound in 0u32..100_000) {
            let cell = |value: i64| Cell::Decimal(Decimal::new(value.into(), scale).unwrap());
            for tolerance in [
                format!("{{ absolute: '{bound}' }}"),
                format!("{{ percent: '{bound}' }}"),
                format!("{{ percent: '{bound}', base: smaller }}"),
                format!("{{ percent: '1', absolute: '{bound}', combine: either }}"),
                format!("{{ percent: '1', absolute: '{bound}', combine: both }}"),
            ] {
                let field = field(Kind::Decimal, &tolerance);
                prop_assert_eq!(compare(&field, cell(a), cell(b)), compare(&field, cell(b), cell(a)));
            }
        }
    }
}
