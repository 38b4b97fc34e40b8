//! Attributing: a reason for every difference, from rules first and a model after them.
//!
//! A decision is a pure function of the difference, its record and the configuration. The machine
//! writes ACCEPTED and UNKNOWN only; everything else is people's.

mod accept;
pub mod calibrate;
pub mod discover;
pub mod drift;
pub mod features;
pub mod fixture;
pub mod forest;
pub mod heuristic;
pub mod metrics;
pub mod model;
pub mod risk;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Class, Problem};
use crate::domain::attribution::UNKNOWN;
use crate::domain::{AssignedBy, Attribution, Confidence, DifferenceContext, ReasonCode, Status};

pub use accept::Acceptance;

/// Everything that decides about differences. Shared by all threads.
#[derive(Clone, Debug)]
pub struct AttributionPlan {
    /// The rules, if there are any.
    pub rules: Option<heuristic::RulesPlan>,
    /// The declared reasons by code; UNKNOWN is always among them.
    pub reasons: BTreeMap<String, ReasonCode>,
    /// What the machine may settle.
    pub acceptance: Acceptance,
}

impl AttributionPlan {
    /// Whether business explains this reason.
    pub fn is_functional(&self, code: &str) -> bool {
        self.reasons.get(code).is_some_and(|reason| reason.functional)
    }
}

/// Decides about differences on one thread.
pub struct Attributor {
    plan: Arc<AttributionPlan>,
    rules: Option<heuristic::Rules>,
    failures: Vec<Problem>,
    failed: u64,
}

/// How many failures of rules are kept to be shown; all are counted.
const SHOWN_FAILURES: usize = 20;

impl Attributor {
    /// Compiles the rules for this thread.
    pub fn new(plan: Arc<AttributionPlan>) -> Result<Self, Problem> {
        let rules = plan.rules.as_ref().map(heuristic::Rules::new).transpose()?;
        Ok(Self { plan, rules, failures: Vec::new(), failed: 0 })
    }

    /// The machine's decision about a difference.
    pub fn decide(&mut self, difference: &DifferenceContext<'_>) -> Attribution {
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
        Attribution {
            reason: UNKNOWN.to_owned(),
            confidence: Confidence::ZERO,
            status: Status::Unknown,
            assigned_by: AssignedBy::Nobody,
            notes,
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
        let partner_rejected = difference.partner_rejected;
        let (status, why) =
            self.plan.acceptance.status(&reason, functional, confidence, partner_rejected);
        notes.extend(why.map(str::to_owned));
        Attribution { reason, confidence, status, assigned_by, notes }
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
