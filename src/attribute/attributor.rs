//! Decides differences on one thread: rules first, then the model.

use super::claims::ClaimRecord;
use super::evidence::group;
use super::failures::RuleFailures;
use super::features::{COUNT, Extractor, Together};
use super::machine::{Champion, Machine};
use super::{AttributionPlan, Sure, heuristic};
use crate::diagnostic::{Class, Problem};
use crate::domain::attribution::{NO_REASON, UNKNOWN};
use crate::domain::{AssignedBy, Attribution, Confidence, DifferenceContext, Layout, Status};

/// Decides differences on one thread.
pub struct Attributor<'m> {
    plan: &'m AttributionPlan,
    machine: &'m Machine,
    rules: Option<heuristic::Rules>,
    guesser: Option<Guesser<'m>>,
    failures: RuleFailures,
    /// Set when a rule exceeds its limits, which ends the run; no further rules are called.
    ran_out: Option<Problem>,
}

/// The model, ready for use.
struct Guesser<'m> {
    champion: &'m Champion,
    extractor: Extractor<'m>,
    row: [f32; COUNT],
}

impl<'m> Attributor<'m> {
    /// Compiles the rules for this thread.
    pub fn new(
        plan: &'m AttributionPlan,
        machine: &'m Machine,
        layout: &Layout,
    ) -> Result<Self, Problem> {
        let rules = plan.rules.as_ref().map(heuristic::Rules::new).transpose()?;
        let guesser = machine.champion.as_ref().map(|champion| Guesser {
            champion,
            extractor: Extractor::new(champion.model.encoder(), &machine.run, layout),
            row: [0.0; COUNT],
        });
        Ok(Self { plan, machine, rules, guesser, failures: RuleFailures::default(), ran_out: None })
    }

    /// The automatic decision about a difference; `together` has all differences of its record.
    pub fn decide(
        &mut self,
        difference: &DifferenceContext<'_>,
        together: Together<'_>,
    ) -> Attribution {
        let claim = match self.call_rules(difference) {
            RulesResult::Claimed(claim) => claim,
            RulesResult::Passed(notes) => Claim { notes, ..Claim::default() },
        };
        let is_claimed = claim.by != AssignedBy::Nobody;
        let measured = self.measured(&claim);
        let Some(guesser) = &mut self.guesser else {
            return if is_claimed {
                self.settle(difference, claim, None, None)
            } else {
                claim.unknown(None)
            };
        };
        if is_claimed && !self.plan.may_yield(claim.confidence, measured.is_some()) {
            return self.settle(difference, claim, None, None);
        }
        guesser.extractor.extract(difference, together, &mut guesser.row);
        let model = &guesser.champion.model;
        if is_claimed && self.plan.overrule_below.is_none() {
            // Most claims stand, and need no explanation of a guess that does not count.
            let guess = model.guess_one(&guesser.row);
            if !self.plan.yields(claim.confidence, measured, guess.confidence) {
                let says = !guess.novel && model.reasons()[guess.reason] != NO_REASON;
                return self.settle(difference, claim, None, says.then_some(guess.confidence));
            }
        }
        let said = model.explain(&guesser.row);
        let version = guesser.champion.version.clone();
        let model = Some(said.to_json(&version).to_string());
        let novel = said.novel;
        let (reason, confidence) = said.reasons.into_iter().next().unwrap_or_default();
        let refused = if novel {
            Some("unlike anything the model was trained on".to_owned())
        } else if reason == NO_REASON {
            Some("users reject most such differences: no reason explains them".to_owned())
        } else if !self.plan.reasons.contains_key(&reason) {
            Some(format!("the model says {reason}, which is no longer declared"))
        } else {
            None
        };
        let mut notes = claim.notes.clone();
        if is_claimed {
            if refused.is_some() {
                return self.settle(difference, claim, model, None);
            }
            notes.push(match (measured, self.plan.overrule_below) {
                (Some(measured), None) => format!(
                    "{} claims {}; such claims were right in {} of cases, and the model is surer",
                    claim.by,
                    claim.reason,
                    measured.beside(confidence)
                ),
                _ => format!("{} hinted at {} ({})", claim.by, claim.reason, claim.confidence),
            });
        }
        if let Some(refused) = refused {
            notes.push(refused);
            return Claim { notes, ..Claim::default() }.unknown(model);
        }
        let confidence = Confidence::new(confidence.clamp(0.0, 1.0)).unwrap_or(Confidence::ZERO);
        let guess = Claim { reason, confidence, by: AssignedBy::Model(version), notes };
        self.settle(difference, guess, model, None)
    }

    fn call_rules(&mut self, difference: &DifferenceContext<'_>) -> RulesResult {
        let Some(rules) = &mut self.rules else { return RulesResult::Passed(Vec::new()) };
        if self.ran_out.is_some() {
            return RulesResult::Passed(Vec::new());
        }
        match rules.decide(difference) {
            heuristic::Decision::Claimed { code, confidence, rule, notes, .. } => {
                let code = self.plan.rules.as_ref().and_then(|plan| plan.codes.get(code));
                let name = rules.rules().get(rule).map_or("", |rule| rule.name.as_str());
                RulesResult::Claimed(Claim {
                    reason: code.cloned().unwrap_or_else(|| UNKNOWN.to_owned()),
                    confidence,
                    by: AssignedBy::Rule(name.to_owned()),
                    notes,
                })
            }
            heuristic::Decision::Passed { mut notes, error } => {
                if let Some(error) = error {
                    notes.push(format!("{} failed: {}", error.function, error.message));
                    let ran_out = error.ran_out;
                    let problem = Problem::from(error);
                    if ran_out {
                        self.ran_out = Some(problem.clone());
                    }
                    self.failures.add(Problem { class: Class::Warning, ..problem }, 1);
                }
                RulesResult::Passed(notes)
            }
        }
    }

    /// Measured precision of such claims, if known.
    fn measured(&self, claim: &Claim) -> Option<&'m ClaimRecord> {
        match &claim.by {
            AssignedBy::Rule(rule) => self.machine.claims.known(rule, claim.confidence),
            _ => None,
        }
    }

    /// `against` is the confidence of the model's guess that a claim stands against.
    fn settle(
        &self,
        difference: &DifferenceContext<'_>,
        claim: Claim,
        model: Option<String>,
        against: Option<f64>,
    ) -> Attribution {
        let known = self.measured(&claim);
        let Claim { reason, confidence: claimed, by, mut notes } = claim;
        let confidence = known.map_or(claimed, |known| match against {
            Some(guess) => known.beside(guess),
            None => known.confidence(),
        });
        notes.extend(known.map(|known| known.note(against)));
        let functional = self.plan.is_functional(&reason);
        let sure = match (self.plan.acceptance.sure, &self.machine.policy) {
            // A measured confidence can withdraw acceptance, but can't grant it to a claim that its
            // author wanted reviewed; only `accept_risk` can.
            (Sure::From(at), _) => claimed >= at && confidence >= at,
            (Sure::Within(_), None) => false,
            (Sure::Within(_), Some(policy)) => policy.accepts(&group(&by, &reason), claimed.get()),
        };
        let held_back = if difference.partner_rejected {
            Some("a row of the other side with this key was rejected")
        } else {
            self.machine.held_back.why(difference)
        };
        let (status, why) = self.plan.acceptance.status(&reason, functional, sure, held_back);
        notes.extend(why);
        Attribution { reason, confidence, status, assigned_by: by, notes, model }
    }

    /// A rule failure that ends the run, as an error. A rule that exceeds its limits always ends
    /// it; with `of_any` (jobs that stop on rule errors), every failure does.
    pub fn stop_on_failure(&self, of_any: bool) -> Result<(), Problem> {
        if let Some(problem) = &self.ran_out {
            return Err(problem.clone());
        }
        match self.failures.first().filter(|_| of_any) {
            None => Ok(()),
            Some(failure) => Err(Problem { class: Class::Usage, ..failure.clone() }
                .help("fix the rule, or let runs continue with `options.on_rule_error: continue`")),
        }
    }

    /// The rule failures.
    pub fn failures(self) -> RuleFailures {
        self.failures
    }
}

enum RulesResult {
    Claimed(Claim),
    /// No claim, only notes.
    Passed(Vec<String>),
}

/// A reason and its source.
struct Claim {
    reason: String,
    confidence: Confidence,
    by: AssignedBy,
    notes: Vec<String>,
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            reason: UNKNOWN.to_owned(),
            confidence: Confidence::ZERO,
            by: AssignedBy::Nobody,
            notes: Vec::new(),
        }
    }
}

impl Claim {
    /// The attribution of an unclaimed difference.
    fn unknown(self, model: Option<String>) -> Attribution {
        Attribution {
            reason: self.reason,
            confidence: self.confidence,
            status: Status::Unknown,
            assigned_by: self.by,
            notes: self.notes,
            model,
        }
    }
}
