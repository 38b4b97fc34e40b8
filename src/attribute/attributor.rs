//! Deciding about differences, on one thread: rules first, the model after them.

use super::evidence::group;
use super::features::{COUNT, Extractor, Together};
use super::machine::{Champion, Machine};
use super::{AttributionPlan, Sure, heuristic};
use crate::diagnostic::{Class, Problem};
use crate::domain::attribution::{NO_REASON, UNKNOWN};
use crate::domain::{AssignedBy, Attribution, Confidence, DifferenceContext, Layout, Status};

/// Decides about differences on one thread.
pub struct Attributor<'m> {
    plan: &'m AttributionPlan,
    machine: &'m Machine,
    rules: Option<heuristic::Rules>,
    guesser: Option<Guesser<'m>>,
    failures: Vec<Problem>,
    failed: u64,
}

/// The model, ready to be asked.
struct Guesser<'m> {
    champion: &'m Champion,
    extractor: Extractor<'m>,
    row: [f32; COUNT],
}

/// How many failures of rules are kept to be shown; all are counted.
const SHOWN_FAILURES: usize = 20;

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
        Ok(Self { plan, machine, rules, guesser, failures: Vec::new(), failed: 0 })
    }

    /// The machine's decision about a difference; `together` has all differences of its record.
    pub fn decide(
        &mut self,
        difference: &DifferenceContext<'_>,
        together: Together<'_>,
    ) -> Attribution {
        let mut notes = Vec::new();
        if let Some(rules) = &mut self.rules {
            match rules.decide(difference) {
                heuristic::Decision::Claimed { code, confidence, rule, notes, .. } => {
                    let code = self.plan.rules.as_ref().and_then(|plan| plan.codes.get(code));
                    let reason = code.cloned().unwrap_or_else(|| UNKNOWN.to_owned());
                    let name = rules.rules().get(rule).map_or("", |rule| rule.name.as_str());
                    let assigned_by = AssignedBy::Rule(name.to_owned());
                    return self.settle(difference, reason, confidence, assigned_by, notes);
                }
                heuristic::Decision::Passed { notes: said, error } => {
                    notes.extend(said);
                    if let Some(error) = error {
                        notes.push(format!("{} failed: {}", error.function, error.message));
                        self.failed += 1;
                        if self.failures.len() < SHOWN_FAILURES {
                            let problem = Problem::from(error);
                            self.failures.push(Problem { class: Class::Warning, ..problem });
                        }
                    }
                }
            }
        }
        match &mut self.guesser {
            None => unknown(notes, None),
            Some(guesser) => {
                guesser.extractor.extract(difference, together, &mut guesser.row);
                let said = guesser.champion.model.explain(&guesser.row);
                let version = guesser.champion.version.clone();
                let model = Some(said.to_json(&version).to_string());
                let (reason, confidence) = said.reasons.into_iter().next().unwrap_or_default();
                if said.novel {
                    notes.push("unlike anything the model was trained on".to_owned());
                    return unknown(notes, model);
                }
                if reason == NO_REASON {
                    notes.push("people reject most such differences: no reason explains them".into());
                    return unknown(notes, model);
                }
                if !self.plan.reasons.contains_key(&reason) {
                    notes.push(format!("the model says {reason}, which is not declared any more"));
                    return unknown(notes, model);
                }
                let confidence =
                    Confidence::new(confidence.clamp(0.0, 1.0)).unwrap_or(Confidence::ZERO);
                let by = AssignedBy::Model(version);
                Attribution { model, ..self.settle(difference, reason, confidence, by, notes) }
            }
        }
    }

    fn settle(
        &self,
        difference: &DifferenceContext<'_>,
        reason: String,
        confidence: Confidence,
        assigned_by: AssignedBy,
        mut notes: Vec<String>,
    ) -> Attribution {
        let functional = self.plan.is_functional(&reason);
        let sure = match (self.plan.acceptance.sure, &self.machine.policy) {
            (Sure::From(at), _) => confidence >= at,
            (Sure::Within(_), None) => false,
            (Sure::Within(_), Some(policy)) => {
                policy.accepts(&group(&assigned_by, &reason), confidence.get())
            }
        };
        let rejected = difference.partner_rejected;
        let (status, why) = self.plan.acceptance.status(&reason, functional, sure, rejected);
        notes.extend(why.map(str::to_owned));
        Attribution { reason, confidence, status, assigned_by, notes, model: None }
    }

    /// The first failure of a rule as an error, for jobs that stop on it.
    pub fn stop_on_failure(&self) -> Result<(), Problem> {
        match self.failures.first() {
            None => Ok(()),
            Some(failure) => Err(Problem { class: Class::Usage, ..failure.clone() }
                .help("mend the rule, or let runs go on with `options.on_rule_error: continue`")),
        }
    }

    /// How many rules failed, and the first of the failures.
    pub fn failures(self) -> (u64, Vec<Problem>) {
        (self.failed, self.failures)
    }
}

/// What nothing claims.
fn unknown(notes: Vec<String>, model: Option<String>) -> Attribution {
    Attribution {
        reason: UNKNOWN.to_owned(),
        confidence: Confidence::ZERO,
        status: Status::Unknown,
        assigned_by: AssignedBy::Nobody,
        notes,
        model,
    }
}
