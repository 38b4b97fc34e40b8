//! The measured precision of rules' claims, from human decisions.
//!
//! A rule's claimed confidence is its author's estimate. With decisions at hand, the confidence
//! becomes the share of such claims that were right, with the claim as a prior worth [`PRIOR`]
//! decisions: a few decisions move it little, many determine it. Claims are separated by rule and
//! claimed confidence, because a rule that claims 0.95 in one case and 0.70 in another
//! distinguishes two cases.

use std::collections::BTreeMap;

use crate::domain::Confidence;

/// The weight of a claim, in decisions.
const PRIOR: f64 = 10.0;
/// Resolution of stored confidences.
const PARTS: f64 = 10_000.0;

/// A rule's claims at one confidence.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRecord {
    pub claimed: f64,
    /// Claims that users decided.
    pub decided: u64,
    /// Correct ones among them.
    pub right: u64,
}

impl ClaimRecord {
    /// The estimated precision of such a claim.
    pub fn confidence(&self) -> Confidence {
        let share = (self.right as f64 + PRIOR * self.claimed) / (self.decided as f64 + PRIOR);
        // Both are between 0 and 1, and so is their weighted mean.
        let rounded = ((share * PARTS).round() / PARTS).clamp(0.0, 1.0);
        Confidence::new(rounded).unwrap_or(Confidence::ZERO)
    }

    /// The note that explains the confidence.
    pub fn note(&self) -> String {
        format!(
            "the rule claims {}; of {} such claims {} were right",
            self.claimed, self.decided, self.right
        )
    }
}

/// The decided claims of a job's rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    rules: BTreeMap<String, Vec<ClaimRecord>>,
}

impl Claims {
    pub fn add(&mut self, rule: &str, claimed: f64, decided: u64, right: u64) {
        let known = self.rules.entry(rule.to_owned()).or_default();
        match known.iter_mut().find(|worth| is_same(worth.claimed, claimed)) {
            Some(worth) => {
                worth.decided += decided;
                worth.right += right.min(decided);
            }
            None => known.push(ClaimRecord { claimed, decided, right: right.min(decided) }),
        }
    }

    /// The decided claims of a rule at this confidence, if any.
    pub fn known(&self, rule: &str, claimed: Confidence) -> Option<&ClaimRecord> {
        self.rules.get(rule)?.iter().find(|worth| is_same(worth.claimed, claimed.get()))
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The number of decided claims.
    pub fn decided(&self) -> u64 {
        self.rules.values().flatten().map(|worth| worth.decided).sum()
    }
}

/// Whether two confidences are equal at the stored resolution.
fn is_same(left: f64, right: f64) -> bool {
    (left - right).abs() < 1.0 / PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confidence(claims: &Claims, rule: &str, claimed: Confidence) -> Confidence {
        claims.known(rule, claimed).map_or(claimed, ClaimRecord::confidence)
    }

    fn sure(value: f64) -> Confidence {
        Confidence::new(value).unwrap()
    }

    #[test]
    fn decisions_move_a_claimed_confidence_to_the_measured_one() {
        let mut claims = Claims::default();
        assert_eq!(confidence(&claims, "attribute_fx", sure(0.9)), sure(0.9));
        let mut after = Vec::new();
        for at in 0..1_000u64 {
            claims.add("attribute_fx", 0.9, 1, u64::from(at % 4 == 0));
            if [0, 9, 999].contains(&at) {
                after.push(confidence(&claims, "attribute_fx", sure(0.9)).get());
            }
        }
        // (1 + 9) / 11, (3 + 9) / 20, (250 + 9) / 1,010.
        assert_eq!(after, [0.9091, 0.6, 0.2564]);
        assert_eq!(confidence(&claims, "attribute_fx", sure(0.75)), sure(0.75), "another claim");
        assert_eq!(confidence(&claims, "attribute_null", sure(0.9)), sure(0.9), "another rule");
        let note = claims.known("attribute_fx", sure(0.9)).unwrap().note();
        assert_eq!(note, "the rule claims 0.9; of 1000 such claims 250 were right");
        assert_eq!(claims.decided(), 1_000);
    }
}
