//! Decimals and integers: absolute and percentage bounds, exactly.

use crate::domain::{Decimal, DiffType};

use super::{BaseSpec, CombineSpec, Outcome, Tolerance};

/// Bounds on the distance of two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NumberTolerance {
    /// |a − b| ≤ bound.
    Absolute(Decimal),
    /// |a − b| ≤ percent / 100 × base.
    Percent(Decimal, BaseSpec),
    /// Both bounds, joined as said.
    Joined { absolute: Decimal, percent: Decimal, base: BaseSpec, combine: CombineSpec },
}

impl NumberTolerance {
    fn holds(&self, a: Decimal, b: Decimal) -> bool {
        match *self {
            Self::Absolute(bound) => Decimal::within_absolute(a, b, bound),
            Self::Percent(percent, base) => within_percent(a, b, percent, base),
            Self::Joined { absolute, percent, base, combine } => {
                let absolute = Decimal::within_absolute(a, b, absolute);
                match combine {
                    CombineSpec::Either => absolute || within_percent(a, b, percent, base),
                    CombineSpec::Both => absolute && within_percent(a, b, percent, base),
                }
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        let of = |percent: &Decimal, base: &BaseSpec| format!("±{percent} % of {}", base.words());
        match self {
            Self::Absolute(bound) => format!("±{bound}"),
            Self::Percent(percent, base) => of(percent, base),
            Self::Joined { absolute, percent, base, combine } => {
                let join = match combine {
                    CombineSpec::Either => "or",
                    CombineSpec::Both => "and",
                };
                format!("±{absolute} {join} {}", of(percent, base))
            }
        }
    }
}

fn within_percent(a: Decimal, b: Decimal, percent: Decimal, base: BaseSpec) -> bool {
    let base = match base {
        BaseSpec::Larger => a.abs().max(b.abs()),
        BaseSpec::Smaller => a.abs().min(b.abs()),
        BaseSpec::A => a.abs(),
        BaseSpec::B => b.abs(),
    };
    Decimal::within_percent(a, b, percent, base)
}

pub(super) fn compare(a: Decimal, b: Decimal, tolerance: &Tolerance) -> Outcome {
    if a == b {
        return Outcome::Equal;
    }
    match tolerance {
        Tolerance::Number(tolerance) if tolerance.holds(a, b) => Outcome::Within,
        _ => Outcome::Different(DiffType::NumericMismatch),
    }
}

pub(super) fn clearing(a: Decimal, b: Decimal) -> Option<String> {
    let delta = b.checked_sub(a)?.abs();
    let larger = a.abs().max(b.abs());
    let percent = delta.percent_of(larger, 4).map(|percent| {
        // Rounded up, so that the tolerance named really does let the pair pass.
        let short = !Decimal::within_percent(a, b, percent, larger);
        let unit = Decimal::new(i128::from(short), 4).unwrap_or(Decimal::ZERO);
        percent.checked_sub(unit.negated()).unwrap_or(percent)
    });
    Some(match percent {
        Some(percent) => format!("absolute: {delta}, or percent: {percent} of the larger"),
        None => format!("absolute: {delta}"),
    })
}
