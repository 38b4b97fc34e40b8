//! The measured precision of rules' claims, from human decisions.
//!
//! A rule's claimed confidence is its author's estimate. With decisions at hand, the confidence
//! becomes the share of such claims that were right, with the claim as a prior worth [`PRIOR`]
//! decisions: a few decisions move it little, many determine it. Claims are separated by rule and
//! claimed confidence, because a rule that claims 0.95 in one case and 0.70 in another
//! distinguishes two cases.
//!
//! Beside a model, a claim stands only where the model is no surer of its own guess, and there a rule may
//! be right far less often than elsewhere: what the model finds hard is hard. So these claims are
//! counted once more, as doubtful ones.

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
    /// Claims where the model was no surer than `confidence`.
    pub doubtful: u64,
    /// Correct ones among these.
    pub doubtful_right: u64,
}

impl ClaimRecord {
    const fn new(claimed: f64) -> Self {
        Self { claimed, decided: 0, right: 0, doubtful: 0, doubtful_right: 0 }
    }

    /// The estimated precision of such a claim.
    pub fn confidence(&self) -> Confidence {
        estimated(self.right, self.decided, self.claimed)
    }

    /// The estimated precision of such a claim where the model's own guess has confidence `guess`.
    pub fn beside(&self, guess: f64) -> Confidence {
        let whole = self.confidence();
        if self.is_doubtful(guess) && self.doubtful > 0 {
            estimated(self.doubtful_right, self.doubtful, whole.get())
        } else {
            whole
        }
    }

    /// True if such a claim is likelier right than the model's guess of confidence `guess`, by more than its standard
    /// error. Where the model is no surer, what a rule is right in elsewhere says little: before decisions of its own, the
    /// claim counts as likely as the guess there. A rule that was lucky in a dozen decisions must not stand against better
    /// guesses.
    pub fn stands(&self, guess: f64) -> bool {
        let (right, decided, before) = match self.is_doubtful(guess) && self.doubtful > 0 {
            true => (self.doubtful_right, self.doubtful, guess),
            false => (self.right, self.decided, self.claimed),
        };
        let share = estimated(right, decided, before).get();
        let error = (share * (1.0 - share) / (decided as f64 + PRIOR)).sqrt();
        share - error >= guess
    }

    /// True if the model's precision is no higher than that of such claims.
    pub fn is_doubtful(&self, guess: f64) -> bool {
        guess <= self.confidence().get()
    }

    /// The note that explains the confidence; `guess` is the model's, if it counts.
    pub fn note(&self, guess: Option<f64>) -> String {
        let Self { claimed, decided, right, doubtful, doubtful_right } = self;
        let mut note =
            format!("the rule claims {claimed}; of {decided} such claims {right} were right");
        if guess.is_some_and(|guess| self.is_doubtful(guess)) && *doubtful > 0 {
            use std::fmt::Write as _;
            let _ = write!(
                note,
                ", {doubtful_right} of the {doubtful} decided ones where the model was no surer"
            );
        }
        note
    }
}

/// The share that was right, with an estimate from before that weighs [`PRIOR`] decisions.
fn estimated(right: u64, decided: u64, before: f64) -> Confidence {
    let share = (right as f64 + PRIOR * before) / (decided as f64 + PRIOR);
    // Both are between 0 and 1, and so is their weighted mean.
    let rounded = ((share * PARTS).round() / PARTS).clamp(0.0, 1.0);
    Confidence::new(rounded).unwrap_or(Confidence::ZERO)
}

/// The decided claims of a job's rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    rules: BTreeMap<String, Vec<ClaimRecord>>,
}

impl Claims {
    pub fn add(&mut self, rule: &str, claimed: f64, decided: u64, right: u64) {
        let record = self.record(rule, claimed);
        record.decided += decided;
        record.right += right.min(decided);
    }

    /// Adds claims where the model was no surer; they are among those that [`add`](Self::add) counts.
    pub fn add_doubtful(&mut self, rule: &str, claimed: f64, decided: u64, right: u64) {
        let record = self.record(rule, claimed);
        record.doubtful += decided;
        record.doubtful_right += right.min(decided);
    }

    fn record(&mut self, rule: &str, claimed: f64) -> &mut ClaimRecord {
        let known = self.rules.entry(rule.to_owned()).or_default();
        let at = known.iter().position(|record| is_same(record.claimed, claimed));
        let at = at.unwrap_or_else(|| {
            known.push(ClaimRecord::new(claimed));
            known.len() - 1
        });
        &mut known[at]
    }

    pub fn have_doubtful(&self) -> bool {
        self.rules.values().flatten().any(|record| record.doubtful > 0)
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

/// Compares at the stored resolution.
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
        let note = claims.known("attribute_fx", sure(0.9)).unwrap().note(None);
        assert_eq!(note, "the rule claims 0.9; of 1000 such claims 250 were right");
        assert_eq!(claims.decided(), 1_000);
    }

    #[test]
    fn beside_a_model_a_claim_has_its_precision_among_doubtful_differences() {
        let mut claims = Claims::default();
        claims.add("attribute_price", 0.75, 990, 720);
        let known = |claims: &Claims| claims.known("attribute_price", sure(0.75)).unwrap().clone();
        assert_eq!(known(&claims).beside(0.6), known(&claims).confidence());
        assert!(!claims.have_doubtful());
        claims.add_doubtful("attribute_price", 0.75, 390, 120);
        let record = known(&claims);
        assert_eq!((record.confidence(), claims.decided()), (sure(0.7275), 990));
        // (120 + 7.275) / 400; and where the model is surer, all claims count.
        assert_eq!(record.beside(0.7), sure(0.3182));
        assert_eq!(record.beside(0.73), sure(0.7275));
        // (120 + 2.7) / 400 ± 0.0231, and (120 + 2.9) / 400.
        assert!(record.stands(0.27) && !record.stands(0.29) && !record.stands(0.7));
        assert!(
            record.note(Some(0.7)).ends_with(
                "720 were right, 120 of the 390 decided ones where the model was no surer"
            )
        );
        assert!(record.note(Some(0.73)).ends_with("720 were right"));
    }
}
