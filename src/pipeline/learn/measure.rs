//! Measures rules, model and both on labelled differences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attribute::claims::{ClaimRecord, Claims};
use crate::attribute::evidence::{Evidence, group};
use crate::attribute::features::COUNT;
use crate::attribute::metrics::{Evaluation, Evaluator, winner};
use crate::attribute::model::Model;
use crate::attribute::risk::{lower_bound, upper_bound};
use crate::domain::attribution::{NO_REASON, UNKNOWN};
use crate::domain::{AssignedBy, Attribution, Confidence};

use super::cases::{Case, Cases};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Rules alone: an unclaimed difference counts as UNKNOWN.
    pub rules: RulesMeasured,
    /// The model alone.
    pub model: Option<Evaluation>,
    /// Rules first, then the model, as in a run.
    pub combined: Evaluation,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesMeasured {
    /// All rules together.
    #[serde(flatten)]
    pub all: Evaluation,
    /// Rules that claimed at least one difference.
    pub per_rule: BTreeMap<String, RuleMeasured>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleMeasured {
    /// Differences it claimed, labelled or not.
    pub fired: u64,
    /// Labelled ones among them.
    pub decided: u64,
    /// Correct ones among these.
    pub right: u64,
    /// `right` ÷ `decided`; 0 without labels.
    pub precision: f64,
    /// 95 % bounds of the precision (Clopper–Pearson).
    pub lower: f64,
    pub upper: f64,
    /// The mean confidence it claimed.
    pub claimed: f64,
    /// The mean confidence that a run gives its claims: as measured before, else as claimed.
    #[serde(default)]
    pub confidence: f64,
}

/// Log loss clamps probabilities to at least this.
const LEAST_PROBABILITY: f64 = 1e-12;

pub(super) struct Measurement {
    pub measured: Measured,
    pub evidence: Evidence,
    /// The model's log loss for each scored case, in order.
    pub losses: Vec<f64>,
}

/// The measured precision of the rules' claims about these cases.
pub(super) fn claims<'c>(cases: &Cases<'_>, of: impl Iterator<Item = &'c Case>) -> Claims {
    let mut claims = Claims::default();
    for case in of {
        let Some(claim) = case.claim.as_ref().filter(|claim| claim.reason != UNKNOWN) else {
            continue;
        };
        if let AssignedBy::Rule(rule) = &claim.assigned_by {
            let right = claim.reason == cases.label(case);
            claims.add(rule, claim.confidence.get(), 1, u64::from(right));
        }
    }
    claims
}

/// Measured precision of such claims.
fn measured<'c>(claims: &'c Claims, claim: &Attribution) -> Option<&'c ClaimRecord> {
    match &claim.assigned_by {
        AssignedBy::Rule(rule) => claims.known(rule, claim.confidence),
        _ => None,
    }
}

/// The confidence that a run without a model gives a claim.
fn given(claims: &Claims, claim: &Attribution) -> Confidence {
    measured(claims, claim).map_or(claim.confidence, ClaimRecord::confidence)
}

/// The model's judgements of cases.
struct Judgements<'m> {
    model: &'m Model,
    rows: Vec<f32>,
    probabilities: Vec<f32>,
}

impl<'m> Judgements<'m> {
    fn of(model: &'m Model, cases: &Cases<'_>, chosen: &[&Case]) -> Self {
        let rows = cases.fresh_set(chosen, model.encoder()).rows().to_vec();
        let mut probabilities = Vec::new();
        model.probabilities(&rows, &mut probabilities);
        Self { model, rows, probabilities }
    }

    fn probabilities(&self, number: usize) -> &[f32] {
        let classes = self.model.reasons().len();
        &self.probabilities[number * classes..(number + 1) * classes]
    }

    fn is_novel(&self, number: usize) -> bool {
        self.model.statistics().is_novel(&self.rows[number * COUNT..(number + 1) * COUNT])
    }

    /// The confidence of its guess, if it is one that may stand against a rule.
    fn guess(&self, number: usize) -> Option<f64> {
        let probabilities = self.probabilities(number);
        let best = winner(probabilities);
        let says = !self.is_novel(number) && self.model.reasons()[best] != NO_REASON;
        says.then(|| probabilities[best].into())
    }
}

/// Counts claims where the model was no surer than such claims were right.
fn count_doubtful(
    cases: &Cases<'_>,
    chosen: &[&Case],
    judged: &Judgements<'_>,
    known: &Claims,
    count: &mut dyn FnMut(&str, f64, bool),
) {
    for (number, case) in chosen.iter().enumerate() {
        if let Some(claim) = &case.claim
            && let AssignedBy::Rule(rule) = &claim.assigned_by
            && claim.reason != UNKNOWN
            && let Some(measured) = measured(known, claim)
            && judged.guess(number).is_some_and(|guess| measured.is_doubtful(guess))
        {
            count(rule, claim.confidence.get(), claim.reason == cases.label(case));
        }
    }
}

/// Measures cases, weighing rules' claims by `known`. Evidence for rules counts every case, since
/// rules are not trained (unless the model may overrule them); evidence for the model counts only
/// `fresh` cases, which it was not trained on.
pub(super) fn measure(
    cases: &Cases<'_>,
    fresh: &dyn Fn(&Case) -> bool,
    model: Option<&Model>,
    known: &Claims,
    unmatched: u64,
) -> Measurement {
    let reasons = all_reasons(cases, model);
    let at = |reason: &str| reasons.iter().position(|known| known == reason).unwrap_or_default();
    let chosen: Vec<&Case> = cases.cases.iter().filter(|case| fresh(case)).collect();
    let judged = model.map(|model| Judgements::of(model, cases, &chosen));
    let mut evidence = Evidence::default();
    let mut known = known.clone();
    if let Some(judged) = &judged {
        let before = known.clone();
        let is_new = !known.have_doubtful();
        count_doubtful(cases, &chosen, judged, &before, &mut |rule, claimed, right| {
            evidence.add_doubtful(rule, claimed, right);
            if is_new {
                known.add_doubtful(rule, claimed, 1, u64::from(right));
            }
        });
    }
    let known = &known;
    let mut evaluators = [(); 3].map(|()| Evaluator::new(&reasons));
    let [by_rules, by_model, combined] = &mut evaluators;
    let mut decisions = Decisions::default();
    let overrules = model.is_some() && (cases.plan.overrule_below.is_some() || !known.is_empty());
    let mut per_rule: BTreeMap<String, RuleMeasured> = cases
        .fired
        .iter()
        .map(|(rule, fired)| {
            (rule.clone(), RuleMeasured { fired: *fired, ..RuleMeasured::default() })
        })
        .collect();
    for case in &cases.cases {
        let Some(claim) = &case.claim else { continue };
        let right = claim.reason == cases.label(case);
        let AssignedBy::Rule(rule) = &claim.assigned_by else { continue };
        if let Some(measured) = per_rule.get_mut(rule) {
            measured.decided += 1;
            measured.right += u64::from(right);
            measured.claimed += claim.confidence.get();
            measured.confidence += given(known, claim).get();
        }
        if !overrules {
            decisions.claim(case, claim, right);
        } else if !fresh(case) {
            count_hint(&mut evidence, claim, right);
        }
    }
    let unknown = at(UNKNOWN);
    let mut losses = Vec::new();
    let mut padded = vec![0.0; reasons.len()];
    for (number, case) in chosen.iter().enumerate() {
        let label = at(cases.label(case));
        let claimed =
            case.claim.as_ref().map(|claim| (at(&claim.reason), given(known, claim).get()));
        let (guess, confidence) = claimed.unwrap_or((unknown, 0.0));
        by_rules.add_guess(label, guess, confidence);
        let Some(judged) = &judged else {
            combined.add_guess(label, guess, confidence);
            continue;
        };
        // The model's reasons come first.
        let probabilities = judged.probabilities(number);
        padded[..probabilities.len()].copy_from_slice(probabilities);
        by_model.add(label, &padded);
        losses.push(-f64::from(padded[label]).max(LEAST_PROBABILITY).ln());
        let best = winner(&padded);
        let novel = judged.is_novel(number);
        let model_says = judged.guess(number);
        let overruled = case.claim.as_ref().is_none_or(|claim| {
            let measured = measured(known, claim);
            model_says.is_some_and(|guess| cases.plan.yields(claim.confidence, measured, guess))
        });
        if overruled && let Some(claim) = &case.claim {
            count_hint(&mut evidence, claim, guess == label);
        }
        match claimed {
            Some((guess, confidence)) if !overruled => {
                let beside = case.claim.as_ref().filter(|_| cases.plan.overrule_below.is_none());
                let beside = beside.and_then(|claim| measured(known, claim)).zip(model_says);
                let confidence =
                    beside.map_or(confidence, |(known, guess)| known.beside(guess).get());
                combined.add_guess(label, guess, confidence);
                if overrules && let Some(claim) = &case.claim {
                    decisions.claim(case, claim, guess == label);
                }
            }
            _ if novel => combined.add_guess(label, unknown, 0.0),
            _ => {
                combined.add(label, &padded);
                if reasons[best] != NO_REASON {
                    decisions.add(case, &reasons[best], padded[best].into(), best == label);
                }
            }
        }
    }
    decisions.count(&mut evidence);
    for measured in per_rule.values_mut().filter(|measured| measured.decided > 0) {
        let (decided, wrong) = (measured.decided, measured.decided - measured.right);
        measured.precision = measured.right as f64 / decided as f64;
        measured.lower = 1.0 - upper_bound(wrong, decided, 0.025);
        measured.upper = 1.0 - lower_bound(wrong, decided, 0.025);
        measured.claimed /= decided as f64;
        measured.confidence /= decided as f64;
    }
    let [by_rules, by_model, combined] = evaluators;
    let measured = Measured {
        rules: RulesMeasured { all: by_rules.finish(unmatched), per_rule },
        model: model.map(|_| by_model.finish(unmatched)),
        combined: combined.finish(unmatched),
    };
    Measurement { measured, evidence, losses }
}

/// Decided guesses of the machine. Decided differences depend on each other, and thresholds need decisions
/// that don't: guesses of one group about one record are one decision, wrong if any is. So are those about
/// the differences of a bulk decision, which were decided because they are alike; of them one counts,
/// chosen by its identity.
#[derive(Default)]
struct Decisions {
    made: BTreeMap<(Unit, String), Decision>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Record(usize),
    Bulk(u64),
}

#[derive(Clone, Copy)]
struct Decision {
    confidence: f64,
    right: bool,
    /// The lowest counts.
    turn: u32,
}

impl Decisions {
    fn claim(&mut self, case: &Case, claim: &Attribution, right: bool) {
        if claim.reason != UNKNOWN {
            let group = group(&claim.assigned_by, &claim.reason);
            self.add(case, &group, claim.confidence.get(), right);
        }
    }

    fn add(&mut self, case: &Case, group: &str, confidence: f64, right: bool) {
        let turn = case.identity.wrapping_mul(0x9e37_79b9);
        self.add_to(
            case.bulk.map_or(Unit::Record(case.record), Unit::Bulk),
            group,
            Decision { confidence, right, turn },
        );
    }

    fn add_to(&mut self, unit: Unit, group: &str, one: Decision) {
        let made = self.made.entry((unit, group.to_owned())).or_insert(one);
        match unit {
            Unit::Record(_) => {
                made.confidence = made.confidence.max(one.confidence);
                made.right &= one.right;
            }
            Unit::Bulk(_) if one.turn < made.turn => *made = one,
            Unit::Bulk(_) => {}
        }
    }

    fn count(self, evidence: &mut Evidence) {
        for ((_, group), made) in self.made {
            evidence.add(&group, made.confidence, made.right);
        }
    }
}

fn count_hint(evidence: &mut Evidence, claim: &Attribution, right: bool) {
    if let AssignedBy::Rule(rule) = &claim.assigned_by
        && claim.reason != UNKNOWN
    {
        evidence.add_hint(rule, claim.confidence.get(), right);
    }
}

/// All reasons that may be guessed or are labels, the model's first.
fn all_reasons(cases: &Cases<'_>, model: Option<&Model>) -> Vec<String> {
    let mut reasons: Vec<String> = model.map_or_else(Vec::new, |model| model.reasons().to_vec());
    let claims = cases.cases.iter().filter_map(|case| case.claim.as_ref());
    let claimed: std::collections::BTreeSet<&str> =
        claims.map(|claim| claim.reason.as_str()).collect();
    let others = cases.reasons.iter().map(String::as_str).chain(claimed).chain([UNKNOWN]);
    for reason in others {
        if !reasons.iter().any(|known| known == reason) {
            reasons.push(reason.to_owned());
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_and_a_bulk_are_one_decision_each() {
        let mut decisions = Decisions::default();
        let one = |confidence, right, turn| Decision { confidence, right, turn };
        for at in 0..100 {
            decisions.add_to(Unit::Bulk(7), "FX", one(0.9, at != 3, 1_000 - at));
        }
        decisions.add_to(Unit::Bulk(8), "FX", one(0.8, false, 5));
        decisions.add_to(Unit::Record(7), "FX", one(0.6, false, 9));
        decisions.add_to(Unit::Record(7), "FX", one(0.7, true, 1));
        decisions.add_to(Unit::Record(7), "TIMING", one(0.95, true, 1));
        let mut evidence = Evidence::default();
        decisions.count(&mut evidence);
        let mut expected = Evidence::default();
        for (group, confidence, right) in
            [("FX", 0.9, true), ("FX", 0.8, false), ("FX", 0.7, false), ("TIMING", 0.95, true)]
        {
            expected.add(group, confidence, right);
        }
        assert_eq!(evidence, expected);
    }
}
