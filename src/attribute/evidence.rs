//! Evidence: how often automatic guesses were right, by group and confidence.
//!
//! It is counted once, when human decisions are available, and stored; thresholds are chosen from
//! it at the start of a run. So a different budget needs no new measurement, and what a run
//! accepted can be traced to counts that anyone can check.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::claims::Claims;
use super::risk::{Budget, Decided, Policy};
use crate::domain::AssignedBy;

/// Resolution of confidences. They are rounded down, so that nothing looks more certain than it
/// was, and the thresholds are multiples of it.
const PARTS: f64 = 10_000.0;

/// The guesses of one group at one confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// The group's name; see [`group`].
    pub group: String,
    /// Rounded down.
    pub confidence: f64,
    /// Guesses that users decided.
    pub decided: u64,
    /// Wrong ones among them.
    pub wrong: u64,
}

/// The behavior of a budget over many resamples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resampled {
    /// Resamples in which the accepted share of wrong guesses was within the budget.
    pub kept: usize,
    /// The mean share of guesses that were accepted.
    pub accepted: f64,
    /// The largest share of wrong ones among the accepted.
    pub worst: f64,
}

/// Decided guesses, counted by group and confidence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    counts: BTreeMap<String, BTreeMap<u32, (u64, u64)>>,
}

/// Prefix of the groups of rules.
const RULE: &str = "RULE:";
/// Prefix for a rule's claims that no run would have stored, because the model overrules them or
/// was trained on them. They count towards the rule's precision, but not towards acceptance.
const HINT: &str = "HINT:";
/// Prefix for claims where the model was no surer than such claims were right. They are counted under
/// one of the other two prefixes as well.
const DOUBT: &str = "DOUBT:";

/// The group that shares a threshold: a rule, or the model's guesses of one reason.
pub fn group(assigned_by: &AssignedBy, reason: &str) -> String {
    match assigned_by {
        AssignedBy::Rule(_) => assigned_by.to_string(),
        _ => reason.to_owned(),
    }
}

impl Evidence {
    pub fn add(&mut self, group: &str, confidence: f64, right: bool) {
        // Slightly above a multiple, so that 0.9 is not 0.8999.
        let part = ((confidence.clamp(0.0, 1.0) + 1e-9) * PARTS) as u32;
        let counts = match self.counts.get_mut(group) {
            Some(counts) => counts,
            None => self.counts.entry(group.to_owned()).or_default(),
        };
        let count = counts.entry(part).or_default();
        count.0 += 1;
        count.1 += u64::from(!right);
    }

    /// Counts a rule's claim that is not evidence for acceptance.
    pub fn add_hint(&mut self, rule: &str, claimed: f64, right: bool) {
        self.add(&format!("{HINT}{rule}"), claimed, right);
    }

    /// Counts a rule's claim where the model was no surer.
    pub fn add_doubtful(&mut self, rule: &str, claimed: f64, right: bool) {
        self.add(&format!("{DOUBT}{rule}"), claimed, right);
    }

    /// The guesses that are evidence for acceptance.
    fn guesses(&self) -> impl Iterator<Item = (&String, &BTreeMap<u32, (u64, u64)>)> {
        let counts = |group: &str| ![HINT, DOUBT].iter().any(|prefix| group.starts_with(prefix));
        self.counts.iter().filter(move |(group, _)| counts(group))
    }

    /// How many guesses were counted.
    pub fn decided(&self) -> u64 {
        self.guesses().flat_map(|(_, counts)| counts.values()).map(|(decided, _)| decided).sum()
    }

    /// The measured precision of rules' claims.
    pub fn claims(&self) -> Claims {
        let mut claims = Claims::default();
        for (group, counts) in &self.counts {
            let claimed = group.strip_prefix(RULE).or_else(|| group.strip_prefix(HINT));
            let doubtful = group.strip_prefix(DOUBT);
            for (part, (decided, wrong)) in counts {
                let (confidence, right) = (f64::from(*part) / PARTS, decided - wrong);
                if let Some(rule) = claimed {
                    claims.add(rule, confidence, *decided, right);
                }
                if let Some(rule) = doubtful {
                    claims.add_doubtful(rule, confidence, *decided, right);
                }
            }
        }
        claims
    }

    /// Chooses thresholds that keep a budget.
    pub fn choose(&self, budget: Budget) -> Policy {
        let mut decided = Vec::new();
        for (group, counts) in self.guesses() {
            for (part, (count, wrong)) in counts {
                let confidence = f64::from(*part) / PARTS;
                for at in 0..*count {
                    decided.push(Decided { group, confidence, right: at >= *wrong });
                }
            }
        }
        Policy::choose(&decided, budget)
    }

    /// Repeatedly draws `decided` guesses with replacement, chooses thresholds from the draw, and
    /// applies them to the whole evidence.
    pub fn resample(&self, budget: Budget, decided: u64, times: usize, seed: u64) -> Resampled {
        let population: Vec<(&str, u32, bool)> = self
            .guesses()
            .flat_map(|(group, counts)| {
                counts.iter().flat_map(move |(part, (decided, wrong))| {
                    (0..*decided).map(move |at| (group.as_str(), *part, at >= *wrong))
                })
            })
            .collect();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut resampled = Resampled::default();
        for _ in 0..times {
            let mut drawn = Self::default();
            for _ in 0..decided {
                if let Some((group, part, right)) = random.choice(&population) {
                    drawn.add(group, f64::from(*part) / PARTS, *right);
                }
            }
            let policy = drawn.choose(budget);
            let accepts = |group: &str, part: u32| policy.accepts(group, f64::from(part) / PARTS);
            let (mut accepted, mut wrong) = (0u64, 0u64);
            for (group, part, right) in &population {
                if accepts(group, *part) {
                    accepted += 1;
                    wrong += u64::from(!right);
                }
            }
            let rate = wrong as f64 / accepted.max(1) as f64;
            resampled.kept += usize::from(rate <= budget.max_false);
            resampled.worst = resampled.worst.max(rate);
            resampled.accepted +=
                accepted as f64 / population.len().max(1) as f64 / times.max(1) as f64;
        }
        resampled
    }

    pub fn to_json(&self) -> serde_json::Value {
        let counts: Vec<Count> = self
            .counts
            .iter()
            .flat_map(|(group, counts)| {
                counts.iter().map(|(part, (decided, wrong))| Count {
                    group: group.clone(),
                    confidence: f64::from(*part) / PARTS,
                    decided: *decided,
                    wrong: *wrong,
                })
            })
            .collect();
        serde_json::json!(counts)
    }

    /// Reads [`to_json`](Self::to_json); `None` if malformed.
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        let counts: Vec<Count> = serde_json::from_value(json.clone()).ok()?;
        let mut evidence = Self::default();
        for count in counts {
            let part = ((count.confidence.clamp(0.0, 1.0) + 1e-9) * PARTS) as u32;
            let wrong = count.wrong.min(count.decided);
            let sum = evidence.counts.entry(count.group).or_default().entry(part).or_default();
            sum.0 += count.decided;
            sum.1 += wrong;
        }
        Some(evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Confidence;

    #[test]
    fn counts_give_the_same_thresholds_as_single_guesses() {
        let mut random = fastrand::Rng::with_seed(3);
        let budget = Budget::new(0.02, 0.95).unwrap();
        let guesses: Vec<(&str, f64, bool)> = (0..8_000)
            .map(|_| {
                let confidence = 1.0 - random.f64() * random.f64();
                let group = if random.bool() { "FX_VARIANCE" } else { "RULE:attribute_rounding" };
                (group, confidence, random.f64() * 4.0 >= 1.0 - confidence)
            })
            .collect();
        let mut evidence = Evidence::default();
        guesses.iter().for_each(|(group, confidence, right)| {
            evidence.add(group, *confidence, *right);
        });
        let decided: Vec<Decided<'_>> = guesses
            .iter()
            .map(|(group, confidence, right)| Decided {
                group,
                confidence: *confidence,
                right: *right,
            })
            .collect();
        let policy = evidence.choose(budget);
        assert_eq!(policy, Policy::choose(&decided, budget));
        assert!(policy.bound_of("FX_VARIANCE").unwrap().threshold.is_some());
        let resampled = evidence.resample(budget, 8_000, 60, 1);
        assert!(resampled.kept >= 54 && resampled.accepted > 0.05, "{resampled:?}");
        let read = Evidence::from_json(&evidence.to_json()).unwrap();
        assert_eq!((read.decided(), read.choose(budget)), (8_000, policy));
        // Hints count towards a rule's precision, but not as evidence.
        let before = evidence.claims().decided();
        evidence.add_hint("attribute_rounding", 0.999, false);
        assert_eq!((evidence.decided(), evidence.choose(budget)), (8_000, read.choose(budget)));
        assert_eq!(evidence.claims().decided(), before + 1);
        assert!(evidence.claims().known("attribute_other", Confidence::ONE).is_none());
        let count = evidence.claims();
        let count = count.known("attribute_rounding", Confidence::new(0.999).unwrap());
        assert!(count.is_some_and(|count| count.decided > count.right));
        // Neither do doubtful claims, which are counted once more.
        evidence.add_doubtful("attribute_rounding", 0.999, false);
        assert_eq!((evidence.decided(), evidence.choose(budget)), (8_000, read.choose(budget)));
        assert_eq!(evidence.claims().decided(), before + 1);
        assert!(evidence.claims().have_doubtful() && !read.claims().have_doubtful());
    }
}
