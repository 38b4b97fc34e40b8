//! Target encoding: the reasons given to training differences with the same values.
//!
//! A counterparty that nets its fees, or a branch that types by hand, is recognized by the reasons that occurred
//! with it. Frequencies come from the training set; every text or yes-or-no field of the record counts, and the
//! evidence of all of them is added up as if they were independent (naive Bayes). A training difference must not see
//! its own label, so its numbers come from the records of other folds only.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::ABSENT;

/// Maximum number of remembered values; rarer ones count as new.
const MOST_VALUES: usize = 8_192;
/// A value is remembered if this many differences have it.
const LEAST: u32 = 3;
/// As many differences as the reasons' overall shares weigh.
const PRIOR: f32 = 4.0;
/// Gains are rounded to the inverse of this.
const STEPS: f32 = 1_000.0;
/// The folds of the training set.
pub(super) const FOLDS: usize = 5;
/// The reasons with a feature of their own.
pub(super) const REASONS: usize = 12;

/// Frequency of each reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Of each reason, most often seen first.
    totals: Vec<u32>,
    /// Hash of a field's value, and reasons with their counts, ascending by hash and reason.
    values: Vec<(u64, Vec<(u16, u32)>)>,
}

/// Training statistics for a difference's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SeenFacts {
    /// The likeliest reason's place among the reasons.
    pub reason: f32,
    pub share: f32,
    /// Log-likelihood ratio of each of the first reasons, given the values.
    pub gains: [f32; REASONS],
}

impl SeenFacts {
    pub(super) const NONE: Self = Self { reason: ABSENT, share: ABSENT, gains: [ABSENT; REASONS] };
}

impl Seen {
    /// Statistics for the values with these hashes. Shares of reasons come from `whole`, all folds together: they
    /// must not reveal the fold.
    pub(super) fn of(&self, whole: &Self, values: &[u64]) -> SeenFacts {
        if self.totals.is_empty() {
            return SeenFacts::NONE;
        }
        let all = self.totals.iter().sum::<u32>().max(1) as f32;
        let shares: Vec<f32> = self.totals.iter().map(|total| *total as f32 / all).collect();
        let mut gains = vec![0.0f32; shares.len()];
        for value in values {
            if let Ok(at) = self.values.binary_search_by_key(value, |(value, _)| *value) {
                add_gains(&mut gains, &shares, &self.values[at].1);
            }
        }
        // A value that tells nothing must not differ in the last digit from fold to fold.
        gains.iter_mut().for_each(|gain| *gain = (*gain * STEPS).round() / STEPS);
        let prior = whole.totals.iter().map(|total| (*total as f32 + 0.5).ln());
        let likely: Vec<f32> = prior.zip(&gains).map(|(prior, gain)| prior + gain).collect();
        let best =
            (0..likely.len()).max_by(|a, b| likely[*a].total_cmp(&likely[*b]).then(b.cmp(a)));
        let Some(best) = best else { return SeenFacts::NONE };
        let sum: f32 = likely.iter().map(|one| (one - likely[best]).exp()).sum();
        let mut facts =
            SeenFacts { reason: best as f32, share: 1.0 / sum, gains: [ABSENT; REASONS] };
        for (own, gain) in facts.gains.iter_mut().zip(gains) {
            *own = gain;
        }
        facts
    }
}

/// Adds the evidence of one value: the logarithm of each reason's share with it ÷ its share in all.
fn add_gains(gains: &mut [f32], shares: &[f32], counts: &[(u16, u32)]) {
    let all = counts.iter().map(|(_, count)| *count).sum::<u32>() as f32;
    let mut with = counts.iter().peekable();
    for (reason, (gain, share)) in gains.iter_mut().zip(shares).enumerate() {
        let count = with.next_if(|(own, _)| usize::from(*own) == reason);
        let count = count.map_or(0.0, |(_, count)| *count as f32);
        // A reason that other folds do not have is neither likelier nor less likely.
        if *share > 0.0 {
            *gain += ((count + PRIOR * share) / (all + PRIOR) / share).ln();
        }
    }
}

/// Learns [`Seen`], as a whole and without each fold.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    reasons: Vec<String>,
    /// Fold, reason and values of each difference.
    differences: Vec<(u8, u16, Vec<u64>)>,
}

impl Witness {
    pub(super) fn add(&mut self, reason: &str, fold: usize, values: Vec<u64>) {
        let at = self.reasons.iter().position(|known| known == reason).unwrap_or_else(|| {
            self.reasons.push(reason.to_owned());
            self.reasons.len() - 1
        });
        self.differences.push((fold as u8, at as u16, values));
    }

    pub(super) fn finish(self) -> (Seen, Vec<Seen>) {
        let mut totals = vec![0u32; self.reasons.len()];
        let mut occurrences: HashMap<u64, u32> = HashMap::new();
        for (_, reason, values) in &self.differences {
            totals[usize::from(*reason)] += 1;
            for value in values {
                *occurrences.entry(*value).or_default() += 1;
            }
        }
        let mut ranked: Vec<_> =
            occurrences.into_iter().filter(|(_, count)| *count >= LEAST).collect();
        ranked.sort_unstable_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
        ranked.truncate(MOST_VALUES);
        let kept: BTreeMap<u64, usize> =
            ranked.into_iter().enumerate().map(|(at, (value, _))| (value, at)).collect();
        // The reason seen most often is the first one.
        let mut order: Vec<usize> = (0..totals.len()).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(totals[*at]), &self.reasons[*at]));
        let mut places = vec![0u16; totals.len()];
        for (place, at) in order.into_iter().enumerate() {
            places[at] = place as u16;
        }
        let without = |fold: Option<usize>| {
            let mut seen = Seen { totals: vec![0; totals.len()], values: Vec::new() };
            let mut counts: Vec<BTreeMap<u16, u32>> = vec![BTreeMap::new(); kept.len()];
            for (own, reason, values) in &self.differences {
                if fold == Some(usize::from(*own)) {
                    continue;
                }
                let place = places[usize::from(*reason)];
                seen.totals[usize::from(place)] += 1;
                for at in values.iter().filter_map(|value| kept.get(value)) {
                    *counts[*at].entry(place).or_default() += 1;
                }
            }
            let of = |(value, at): (&u64, &usize)| {
                (*value, counts[*at].iter().map(|(reason, count)| (*reason, *count)).collect())
            };
            seen.values = kept.iter().map(of).collect();
            seen
        };
        ((without)(None), (0..FOLDS).map(|fold| without(Some(fold))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_tell_reasons_and_no_difference_sees_its_own_label() {
        let mut witness = Witness::default();
        for at in 0..100u64 {
            // Value 1 means FEE and value 2 TAX; 3 is everywhere, and every fourth difference has a value of its own.
            let reason = if at % 2 == 0 { "FEE" } else { "TAX" };
            let mut values = vec![1 + at % 2, 3];
            if at % 4 == 0 {
                values.push(1_000 + at);
            }
            witness.add(reason, at as usize % FOLDS, values);
        }
        witness.add("RARE", 0, vec![9]);
        let (seen, folds) = witness.finish();
        let of = |values: &[u64]| seen.of(&seen, values);
        let fee = of(&[1, 3]);
        assert!(
            fee.reason == 0.0 && fee.share > 0.9 && fee.gains[0] > 0.5 && fee.gains[1] < 0.0,
            "{fee:?}"
        );
        assert_eq!(of(&[2, 3]).reason, 1.0);
        // Values of one difference tell nothing, and there is no fourth reason.
        assert_eq!(of(&[1, 3, 1_004]), fee);
        assert_eq!((fee.gains[2] > ABSENT, fee.gains[3]), (true, ABSENT));
        // RARE is only in fold 0.
        assert_eq!((folds[0].totals[2], folds[1].totals[2]), (0, 1));
        assert_eq!(folds[0].of(&seen, &[1, 3]).gains[2], 0.0);
        assert_eq!(Seen::default().of(&seen, &[1]), SeenFacts::NONE);
    }

    #[test]
    fn a_value_that_all_differences_share_predicts_nothing_in_any_fold() {
        let mut witness = Witness::default();
        for at in 0..97usize {
            witness.add(["A", "B", "C"][at * at % 3], at * 7 % FOLDS, vec![5]);
        }
        let (seen, folds) = witness.finish();
        let facts = seen.of(&seen, &[5]);
        assert_eq!(facts.gains[..2], [0.0; 2]);
        assert!(folds.iter().all(|fold| fold.of(&seen, &[5]) == facts));
    }
}
