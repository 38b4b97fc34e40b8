//! The noise file: how often each cause strikes.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cause::Cause;
use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::Written;
use crate::domain::written::Setting;

/// A share of the trades, from 0 to 100 %, in whole millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u32);

impl Rate {
    /// All trades, in millionths.
    pub const WHOLE: u32 = 1_000_000;

    /// Clamped to 1.
    const fn of_millionths(millionths: u32) -> Self {
        Self(if millionths > Self::WHOLE { Self::WHOLE } else { millionths })
    }

    /// From hundredths of a percent.
    const fn basis_points(basis_points: u32) -> Self {
        Self::of_millionths(basis_points * 100)
    }

    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:04}", self.0 % 10_000);
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{}", self.0 / 10_000)?;
        if !fraction.is_empty() {
            write!(f, ".{fraction}")?;
        }
        f.write_str("%")
    }
}

impl Setting for Rate {
    const EXPECTED: &'static str = "a percentage from `0%` to `100%`, such as `2%` or `0.05%`";
    const JSON_TYPES: &'static [&'static str] = &["string"];

    fn read(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
            return None;
        }
        let millionths = whole
            .parse::<u32>()
            .ok()?
            .checked_mul(10_000)?
            .checked_add(format!("{fraction:0<4}").parse().ok()?)?;
        (millionths <= Self::WHOLE).then_some(Self(millionths))
    }
}

/// A noise file: how often each cause strikes. Omitted keys keep their defaults.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoiseSpec {
    /// `FX_VARIANCE`: the amount was converted at another rate. Default `2%`.
    pub fx_variance: Option<Written<Rate>>,
    /// `TIMING_LAG`: a date is some business days late. Default `2%`.
    pub timing_lag: Option<Written<Rate>>,
    /// `ROUNDING_DIFF`: the amount lost decimals, or is a cent off. Default `3%`.
    pub rounding: Option<Written<Rate>>,
    /// `PRICE_FLUCTUATION`: the price was taken at another moment. Default `2%`.
    pub price_fluctuation: Option<Written<Rate>>,
    /// `ACCRUAL_DIFF`: interest was accrued for a day more or less. Default `1.5%`.
    pub accrual: Option<Written<Rate>>,
    /// `SYSTEM_CONVERSION`: a text is in the other system's format. Default `1.5%`.
    pub system_conversion: Option<Written<Rate>>,
    /// `MANUAL_ENTRY_ERR`: a typo, swapped digits, the wrong side, an empty field. Default `1.5%`.
    pub manual_entry: Option<Written<Rate>>,
    /// `DATA_TYPE_MISMATCH`: a text where a number or date belongs. Default `0.5%`.
    pub data_type: Option<Written<Rate>>,
    /// `MISSING_SOURCE_A`: the trade is only in B. Default `1%`.
    pub missing_a: Option<Written<Rate>>,
    /// `MISSING_SOURCE_B`: the trade is only in A. Default `1%`.
    pub missing_b: Option<Written<Rate>>,
    /// `DUPLICATE_ENTRY`: one side has the trade twice. Default `0.5%`.
    pub duplicate: Option<Written<Rate>>,
    /// `TRUNCATION_ERR`: the counterparty was cut off. Default `1%`.
    pub truncation: Option<Written<Rate>>,
    /// Prices that differ within tolerance, which are not differences. Default `2%`.
    pub within_tolerance: Option<Written<Rate>>,
    /// The share of differing pairs that have a second difference of another cause in another
    /// field. Default `5%`, with `hard` `25%`.
    pub second_difference: Option<Written<Rate>>,
    /// Whether causes overlap: smaller variances, larger roundings, causes in fields typical of
    /// another cause. For measuring models. Default `false`.
    pub hard: Option<Written<bool>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noise {
    rates: [Rate; Cause::ALL.len()],
    /// Unlabeled differences within tolerance.
    pub(super) within_tolerance: Rate,
    /// The share of differing pairs with a second difference.
    pub(super) second_difference: Rate,
    pub(super) hard: bool,
}

impl Default for Noise {
    fn default() -> Self {
        let default = NoiseSpec::default();
        Self {
            rates: Cause::ALL.map(|cause| default.rate(cause)),
            within_tolerance: Rate::basis_points(200),
            second_difference: Rate::basis_points(500),
            hard: false,
        }
    }
}

impl Noise {
    pub fn rate(&self, cause: Cause) -> Rate {
        self.rates.get(cause as usize).copied().unwrap_or_default()
    }

    /// The cause for `lot`, a number below [`Rate::WHOLE`]; the causes' rates are laid end to end.
    pub(super) fn cause_at(&self, lot: u32) -> Option<Cause> {
        let mut end = 0;
        Cause::ALL.into_iter().find(|cause| {
            end += self.rate(*cause).millionths();
            lot < end
        })
    }
}

impl NoiseSpec {
    /// The key of a cause's rate, its written value, and its default in hundredths of a percent.
    fn written(&self, cause: Cause) -> (&'static str, Option<Written<Rate>>, u32) {
        match cause {
            Cause::FxVariance => ("fx_variance", self.fx_variance, 200),
            Cause::TimingLag => ("timing_lag", self.timing_lag, 200),
            Cause::RoundingDiff => ("rounding", self.rounding, 300),
            Cause::PriceFluctuation => ("price_fluctuation", self.price_fluctuation, 200),
            Cause::AccrualDiff => ("accrual", self.accrual, 150),
            Cause::SystemConversion => ("system_conversion", self.system_conversion, 150),
            Cause::ManualEntryErr => ("manual_entry", self.manual_entry, 150),
            Cause::DataTypeMismatch => ("data_type", self.data_type, 50),
            Cause::MissingSourceA => ("missing_a", self.missing_a, 100),
            Cause::MissingSourceB => ("missing_b", self.missing_b, 100),
            Cause::DuplicateEntry => ("duplicate", self.duplicate, 50),
            Cause::TruncationErr => ("truncation", self.truncation, 100),
        }
    }

    fn rate(&self, cause: Cause) -> Rate {
        let (_, written, default) = self.written(cause);
        written.map_or(Rate::basis_points(default), |rate| rate.0)
    }

    /// Resolves the file. A trade has one first cause, so the causes' rates may not sum to more
    /// than 100 %.
    pub fn resolve(&self) -> Result<Noise, Vec<SpecProblem>> {
        let mut noise =
            Noise { rates: Cause::ALL.map(|cause| self.rate(cause)), ..Noise::default() };
        let sum: u32 = noise.rates.iter().map(|rate| rate.millionths()).sum();
        if sum > Rate::WHOLE {
            // Point at the largest written rate.
            let largest = Cause::ALL
                .into_iter()
                .map(|cause| self.written(cause))
                .filter_map(|(key, written, _)| Some((written?.0, key)))
                .max_by_key(|(rate, _)| *rate);
            let problem = Problem::new(
                Code::NoiseSum,
                format!("the causes sum to more than all trades: {}", SumOfRates(sum)),
            )
            .help("a trade has one first cause; lower some rates, or set others to 0%");
            return Err(vec![SpecProblem::new(largest.map(|(_, key)| key), problem)]);
        }
        noise.hard = self.hard.is_some_and(|hard| hard.0);
        if noise.hard {
            noise.second_difference = Rate::basis_points(2_500);
        }
        if let Some(rate) = self.second_difference {
            noise.second_difference = rate.0;
        }
        if let Some(rate) = self.within_tolerance {
            noise.within_tolerance = rate.0;
        }
        Ok(noise)
    }
}

/// A sum of rates, which may exceed the whole.
struct SumOfRates(u32);

impl fmt::Display for SumOfRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rate(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::PathStep;

    fn spec(json: serde_json::Value) -> Result<NoiseSpec, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn rates_are_percentages() {
        for (text, millionths) in
            [("2%", 20_000), ("0.05%", 500), ("100%", 1_000_000), ("0 %", 0), ("1.0001%", 10_001)]
        {
            assert_eq!(Rate::read(text).map(Rate::millionths), Some(millionths), "{text}");
        }
        for text in ["2", "101%", "-1%", "1.00001%", ".5%", "%", "1e1%", "4294967296%"] {
            assert_eq!(Rate::read(text), None, "{text}");
        }
        assert_eq!(Rate(20_500).to_string(), "2.05%");
        assert_eq!(Rate(1_000_000).to_string(), "100%");
    }

    #[test]
    fn omitted_rates_keep_their_defaults() {
        let noise = spec(serde_json::json!({ "rounding": "7%", "hard": "true" }))
            .unwrap()
            .resolve()
            .unwrap();
        assert_eq!(noise.rate(Cause::RoundingDiff), Rate(70_000));
        assert_eq!(noise.rate(Cause::FxVariance), Noise::default().rate(Cause::FxVariance));
        assert_eq!(noise.second_difference, Rate(250_000));
        assert_eq!(NoiseSpec::default().resolve(), Ok(Noise::default()));
    }

    #[test]
    fn an_invalid_percentage_is_refused() {
        let error = spec(serde_json::json!({ "rounding": "lots" })).unwrap_err();
        assert!(error.contains("`lots` is not a percentage"), "{error}");
        let error = spec(serde_json::json!({ "roundings": "1%" })).unwrap_err();
        assert!(error.contains("unknown field"), "{error}");
    }

    #[test]
    fn more_than_all_trades_is_refused_at_the_largest_rate() {
        let problems = spec(serde_json::json!({ "rounding": "20%", "fx_variance": "85%" }))
            .unwrap()
            .resolve()
            .unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, [PathStep::from("fx_variance")]);
        assert!(problems[0].problem.message.contains("117.5%"), "{}", problems[0].problem);
    }

    #[test]
    fn every_cause_has_its_span_of_the_lots() {
        let noise = Noise::default();
        let mut counts = [0u32; Cause::ALL.len()];
        for lot in 0..Rate::WHOLE {
            if let Some(cause) = noise.cause_at(lot) {
                counts[cause as usize] += 1;
            }
        }
        for cause in Cause::ALL {
            assert_eq!(counts[cause as usize], noise.rate(cause).millionths(), "{cause:?}");
        }
    }
}
