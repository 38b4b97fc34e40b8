//! What the claims of rules are worth: how often each was right, where people have decided.
//!
//! The confidence that a rule claims is what its author wrote, and nobody measured it. Once there are
//! decisions, the confidence of a rule's claim is the share of such claims that were right, and the
//! claim is only where that estimate begins: it counts as much as `PRIOR` decisions, so that a few
//! of them move it little and many of them settle it. Claims are told apart by rule and claimed
//! confidence, because a rule that claims 0.95 here and 0.70 there has told two cases apart.

use std::collections::BTreeMap;

use crate::domain::Confidence;

/// How many decisions a claim counts for.
const PRIOR: f64 = 10.0;
/// Confidences are kept in this part of 1.
const PARTS: f64 = 10_000.0;

/// The claims of a rule with one confidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// What it claims.
    pub claimed: f64,
    /// How many such claims people decided on.
    pub decided: u64,
    /// How many of them were right.
    pub right: u64,
}

impl Worth {
    /// How sure such a claim is.
    pub fn confidence(&self) -> Confidence {
        let share = (self.right as f64 + PRIOR * self.claimed) / (self.decided as f64 + PRIOR);
        // Both are between 0 and 1, and so is what lies between them.
        let rounded = ((share * PARTS).round() / PARTS).clamp(0.0, 1.0);
        Confidence::new(rounded).unwrap_or(Confidence::ZERO)
    }

    /// What is said beside the confidence.
    pub fn note(&self) -> String {
        format!(
            "the rule claims {}; of {} such claims {} were right",
            self.claimed, self.decided, self.right
        )
    }
}

/// The claims of a job's rules on which people decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    rules: BTreeMap<String, Vec<Worth>>,
}

impl Claims {
    /// Counts claims of a rule on which people decided.
    pub fn add(&mut self, rule: &str, claimed: f64, decided: u64, right: u64) {
        let known = self.rules.entry(rule.to_owned()).or_default();
        match known.iter_mut().find(|worth| is_same(worth.claimed, claimed)) {
            Some(worth) => {
                worth.decided += decided;
                worth.right += right.min(decided);
            }
            None => known.push(Worth { claimed, decided, right: right.min(decided) }),
        }
    }

    /// What is known of a rule's claims of this confidence; nothing where nobody decided on one.
    pub fn known(&self, rule: &str, claimed: Confidence) -> Option<&Worth> {
        self.rules.get(rule)?.iter().find(|worth| is_same(worth.claimed, claimed.get()))
    }

    /// How sure a rule's claim is: as measured, or else as claimed.
    pub fn confidence(&self, rule: &str, claimed: Confidence) -> Confidence {
        self.known(rule, claimed).map_or(claimed, Worth::confidence)
    }

    /// Whether nobody has decided on any claim.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many claims were decided on.
    pub fn decided(&self) -> u64 {
        self.rules.values().flatten().map(|worth| worth.decided).sum()
    }
}

/// Whether two claims are the same as far as evidence tells them apart.
fn is_same(left: f64, right: f64) -> bool {
    (left - right).abs() < 1.0 / PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure(value: f64) -> Confidence {
        Confidence::new(value).unwrap()
    }

    #[test]
    fn decisions_move_a_claim_from_what_is_written_to_what_is_measured() {
        let mut claims = Claims::default();
        assert_eq!(claims.confidence("attribute_fx", sure(0.9)), sure(0.9));
        let mut after = Vec::new();
        for at in 0..1_000u64 {
            claims.add("attribute_fx", 0.9, 1, u64::from(at % 4 == 0));
            if [0, 9, 999].contains(&at) {
                after.push(claims.confidence("attribute_fx", sure(0.9)).get());
            }
        }
        // (1 + 9) / 11, (3 + 9) / 20, (250 + 9) / 1,010.
        assert_eq!(after, [0.9091, 0.6, 0.2564]);
        assert_eq!(claims.confidence("attribute_fx", sure(0.75)), sure(0.75), "another claim");
        assert_eq!(claims.confidence("attribute_null", sure(0.9)), sure(0.9), "another rule");
        let note = claims.known("attribute_fx", sure(0.9)).unwrap().note();
        assert_eq!(note, "the rule claims 0.9; of 1000 such claims 250 were right");
        assert_eq!(claims.decided(), 1_000);
    }
}
