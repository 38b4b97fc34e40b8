//! Prepares automatic attribution for a run: the job's champion, the thresholds that measured
//! evidence allows, and the warnings about both.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::attribute::claims::Claims;
use crate::attribute::evidence::Evidence;
use crate::attribute::features::RunContext;
use crate::attribute::model::Model;
use crate::attribute::risk::{AuditCheck, Bound, Budget, Policy, Shortage, is_audited, needed};
use crate::attribute::{Champion, HeldBack, Machine, Sure};
use crate::coding::{hex, unhex};
use crate::diagnostic::{Code, Problem};
use crate::domain::{Books, Date, DiffType, FieldRef, Layout, PerSide, Status};
use crate::store::{self, AttributionRow, Batch, ModelRow, Store, difference_number};

use super::Plan;

/// The metadata key that names the model of a run.
pub(super) const MODEL: &str = "model";
/// The metadata key for accepted causes and their evidence.
pub const ACCEPTANCE: &str = "acceptance";

/// The machine of a run with its metadata.
#[derive(Default)]
pub(super) struct RunMachine {
    pub machine: Machine,
    /// Identifies rules and model by their contents.
    pub basis: String,
    /// The acceptance part of the run's metadata.
    pub acceptance: Json,
    pub warnings: Vec<Problem>,
}

/// The record of automatic attribution in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineRecord {
    pub model: Option<String>,
    /// Identifies rules and model by their contents.
    pub basis: String,
    /// The acceptance and its evidence.
    pub acceptance: Json,
    /// Numbers of the accepted differences chosen for blind checks; `None` if not configured.
    pub sample: Option<Vec<u64>>,
}

impl RunMachine {
    /// The record, once everything is decided.
    pub fn record(&self, sampler: Sampler) -> MachineRecord {
        let mut acceptance = self.acceptance.clone();
        let sample = sampler.is_on().then_some(sampler.chosen);
        if let (Json::Object(map), Some(sample)) = (&mut acceptance, &sample) {
            map.insert("blind_checks".to_owned(), json!(sample.len()));
        }
        MachineRecord {
            model: self.machine.champion.as_ref().map(|champion| champion.version.clone()),
            basis: self.basis.clone(),
            acceptance,
            sample,
        }
    }
}

/// Reads the champion and the evidence of the plan's job.
pub(super) fn prepare(store: Option<&dyn Store>, plan: &Plan) -> Result<RunMachine, Problem> {
    let mut warnings = Vec::new();
    let champion = if let Some(store) = store.filter(|_| plan.attribution.model_enabled) {
        match store.champion(&plan.job)? {
            None => None,
            Some(row) => match read_model(store, &row, &plan.layout) {
                Ok(model) => Some(Champion { version: row.version.to_string(), model }),
                Err(problem) => {
                    let message =
                        format!("not using model {}; rules only: {}", row.version, problem.message);
                    let warning = Problem::new(Code::ModelLeftAside, message);
                    warnings.push(match problem.help {
                        Some(help) => warning.help(help),
                        None => warning,
                    });
                    None
                }
            },
        }
    } else {
        None
    };
    let basis = basis(plan, champion.as_ref().map(|champion| champion.version.as_str()));
    let kept = store.map_or(Ok(None), |store| store.evidence(&plan.job))?;
    let claims = kept.as_ref().map_or_else(Claims::default, |kept| claims_of(kept, &basis));
    let (policy, acceptance) = match plan.attribution.acceptance.sure {
        Sure::From(at) => {
            let mut says =
                vec![format!("auto-accepted at claimed confidence {at} or more (accept_at)")];
            if let (Some(kept), false) = (&kept, claims.is_empty()) {
                says.push(format!(
                    "where rules were measured ({}, {} decisions), also at measured precision {at} or more",
                    kept.measured,
                    claims.decided()
                ));
            }
            (None, json!({ "accept_at": at.get(), "basis": basis, "says": says }))
        }
        Sure::Within(budget) => {
            let thresholds = thresholds(store, plan, budget, &basis, kept)?;
            if let Some(stopped) = &thresholds.stopped {
                let warning = Problem::new(Code::NothingAccepted, stopped.message.clone());
                warnings.push(warning.help(stopped.help.clone().unwrap_or_default()));
            }
            let record = thresholds.record(budget, &basis);
            (thresholds.policy, record)
        }
    };
    let machine = Machine {
        champion,
        claims,
        run: RunContext::default(),
        held_back: HeldBack::default(),
        policy,
    };
    Ok(RunMachine { machine, basis, acceptance, warnings })
}

/// The machine of a run on its way to other machines.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ShippedMachine {
    /// Version and bytes of the model.
    champion: Option<(String, String)>,
    /// Measured precision of the rules' claims.
    claims: Option<Json>,
    policy: Option<Policy>,
    basis: String,
    acceptance: Json,
    warnings: Vec<Problem>,
}

impl ShippedMachine {
    /// Reads the champion and the evidence of the plan's job.
    pub fn pack(store: Option<&dyn Store>, plan: &Plan) -> Result<Self, Problem> {
        let ready = prepare(store, plan)?;
        let RunMachine { machine, basis, acceptance, warnings } = ready;
        let mut champion = None;
        if let (Some(store), Some(found)) = (store, &machine.champion) {
            let version = found.version.parse().unwrap_or_default();
            let bytes = store.model_bytes(version)?.unwrap_or_default();
            champion = Some((found.version.clone(), hex(bytes)));
        }
        let kept = store.map_or(Ok(None), |store| store.evidence(&plan.job))?;
        let kept = kept.filter(|kept| is_same_rules(&kept.basis, &basis));
        let (claims, policy) = (kept.map(|kept| kept.evidence), machine.policy);
        Ok(Self { champion, claims, policy, basis, acceptance, warnings })
    }

    pub const fn has_model(&self) -> bool {
        self.champion.is_some()
    }

    /// The machine without the facts that a run collects before the first decision.
    pub fn unpack(&self, layout: &Layout) -> Result<RunMachine, Problem> {
        let champion = match &self.champion {
            None => None,
            Some((version, bytes)) => {
                let model = Model::from_bytes(&unhex(bytes).unwrap_or_default(), layout)?;
                Some(Champion { version: version.clone(), model })
            }
        };
        let claims = self.claims.as_ref().and_then(Evidence::from_json);
        let machine = Machine {
            champion,
            claims: claims.unwrap_or_default().claims(),
            policy: self.policy.clone(),
            ..Machine::default()
        };
        let Self { basis, acceptance, warnings, .. } = self.clone();
        Ok(RunMachine { machine, basis, acceptance, warnings })
    }
}

/// A registered model, verified and compatible with this layout.
pub(super) fn read_model(
    store: &dyn Store,
    row: &ModelRow,
    layout: &Layout,
) -> Result<Model, Problem> {
    let bytes = store.model_bytes(row.version)?.unwrap_or_default();
    if sha256(&bytes) != row.sha256 {
        let message =
            format!("the bytes of model {} have changed since it was stored", row.version);
        return Err(Problem::new(Code::ModelDamaged, message).help("retrain: recon train"));
    }
    Model::from_bytes(&bytes, layout)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

/// Identifies rules and model by their contents; measured evidence and blind checks apply to one
/// basis only.
pub(super) fn basis(plan: &Plan, model: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for script in plan.attribution.rules.iter().flat_map(|rules| &rules.scripts) {
        hash.update(script.text());
        hash.update([0]);
    }
    let rules = hex(&hash.finalize()[..6]);
    format!("rules:{rules} model:{}", model.unwrap_or("none"))
}

/// The measured precision of the job's rules, if the current ones were measured.
pub(super) fn known_claims(store: &dyn Store, plan: &Plan) -> Result<Claims, Problem> {
    let kept = store.evidence(&plan.job)?;
    Ok(kept.map_or_else(Claims::default, |kept| claims_of(&kept, &basis(plan, None))))
}

fn is_same_rules(one: &str, other: &str) -> bool {
    one.split(' ').next() == other.split(' ').next()
}

/// Rule precision does not depend on the model, so changing the model keeps it.
fn claims_of(kept: &store::Evidence, basis: &str) -> Claims {
    if is_same_rules(&kept.basis, basis) {
        Evidence::from_json(&kept.evidence).unwrap_or_default().claims()
    } else {
        Claims::default()
    }
}

/// The thresholds of a run under `accept_risk`.
struct Thresholds {
    policy: Option<Policy>,
    /// Why nothing is accepted.
    stopped: Option<Problem>,
    audit: AuditCheck,
    says: Vec<String>,
}

fn thresholds(
    store: Option<&dyn Store>,
    plan: &Plan,
    budget: Budget,
    basis: &str,
    kept: Option<store::Evidence>,
) -> Result<Thresholds, Problem> {
    let outcomes = store.map(|store| store.audit_outcomes(&plan.job, basis)).transpose()?;
    let (checked, wrong) = outcomes.unwrap_or_default();
    let audit = AuditCheck::of(checked, wrong, budget);
    let mut says = vec![format!(
        "accepted where at most {} are wrong, with {} assurance (accept_risk)",
        percent(budget.max_false),
        percent(budget.assurance)
    )];
    let least = needed(0, budget.max_false, 1.0 - budget.assurance);
    let measure = "measure it: recon evaluate --keep, or recon train";
    let mut policy = None;
    let stopped = match kept {
        None => Some(
            Problem::new(
                Code::NothingAccepted,
                format!(
                    "nothing is accepted: the risk has not been measured; at least {least} correct \
                     decisions without a mistake are needed"
                ),
            )
            .help(measure),
        ),
        Some(kept) if kept.basis != basis => Some(
            Problem::new(
                Code::NothingAccepted,
                format!(
                    "nothing is accepted: rules or model have changed since the risk was measured \
                     ({})",
                    kept.measured
                ),
            )
            .help(measure),
        ),
        Some(_) if audit.broken => Some(
            Problem::new(
                Code::NothingAccepted,
                format!(
                    "nothing is accepted: blind checks found {wrong} of {checked} accepted causes \
                     wrong, exceeding the budget of {}",
                    percent(budget.max_false)
                ),
            )
            .help("fix the rules or retrain; review what was accepted so far"),
        ),
        Some(kept) => {
            let evidence = Evidence::from_json(&kept.evidence).unwrap_or_default();
            let chosen = evidence.choose(budget);
            let sentences = sentences(&chosen);
            let none = !chosen.groups.values().chain([&chosen.others]).any(accepts);
            says.extend(sentences);
            policy = Some(chosen);
            none.then(|| {
                let message = format!(
                    "nothing is accepted: {} decisions do not prove that at most {} are wrong",
                    evidence.decided(),
                    percent(budget.max_false)
                );
                let help =
                    policy.as_ref().map_or_else(String::new, |policy| missing(policy, least));
                Problem::new(Code::NothingAccepted, message).help(help)
            })
        }
    };
    says.extend(stopped.iter().map(|problem| problem.message.clone()));
    Ok(Thresholds { policy, stopped, audit, says })
}

const fn accepts(bound: &Bound) -> bool {
    bound.threshold.is_some()
}

impl Thresholds {
    fn record(&self, budget: Budget, basis: &str) -> Json {
        json!({
            "max_false": budget.max_false,
            "assurance": budget.assurance,
            "basis": basis,
            "policy": self.policy,
            "stopped": self.stopped.as_ref().map(|problem| problem.message.clone()),
            "audit": { "checked": self.audit.checked, "wrong": self.audit.wrong },
            "says": self.says,
        })
    }
}

/// One sentence per threshold.
pub(super) fn sentences(policy: &Policy) -> Vec<String> {
    let mut says: Vec<String> =
        policy.groups.iter().map(|(group, bound)| sentence(group, bound)).collect();
    if !policy.together.is_empty() {
        let named = policy.together.join(", ");
        says.push(sentence(&named, &policy.others));
    }
    says
}

fn sentence(group: &str, bound: &Bound) -> String {
    match (bound.threshold, bound.shortage) {
        (Some(threshold), _) => format!(
            "{group}: from {threshold:.3}; {} wrong of {} decided, at most {} wrong",
            bound.wrong,
            bound.decided,
            percent(bound.upper)
        ),
        (None, Some(Shortage::Decisions(more))) => format!(
            "{group}: nothing; {} wrong of {} decided, {} needed",
            bound.wrong,
            bound.decided,
            more_decisions(more)
        ),
        (None, _) => {
            format!("{group}: nothing; {} wrong of {} decided", bound.wrong, bound.decided)
        }
    }
}

fn more_decisions(more: u64) -> String {
    if more == 1 { "1 more decision".to_owned() } else { format!("{more} more decisions") }
}

/// Advice if no group has a threshold.
fn missing(policy: &Policy, least: u64) -> String {
    let bounds = policy.groups.values().chain([&policy.others]);
    let more = bounds
        .filter_map(|bound| match bound.shortage {
            Some(Shortage::Decisions(more)) => Some(more),
            _ => None,
        })
        .min();
    match more {
        Some(more) => {
            let verb = if more == 1 { "is" } else { "are" };
            format!(
                "{} without a mistake {verb} needed; then recon evaluate --keep",
                more_decisions(more)
            )
        }
        None => format!(
            "too many are wrong at every confidence; fix the rules or retrain (at least {least} decisions are needed)"
        ),
    }
}

/// A share in percent with at most three decimals.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Frequency of each kind of difference in a run with these books.
pub(super) fn run_context(
    systems: PerSide<String>,
    batch_date: Date,
    layout: &Layout,
    books: &Books,
) -> RunContext {
    let mut context = RunContext::new(systems, Some(batch_date), books.records());
    for (name, types) in &books.by_field_and_type {
        let field = if name == FieldRef::ENTIRE_RECORD {
            Some(FieldRef::EntireRecord)
        } else {
            layout.position(name).and_then(|at| u16::try_from(at).ok()).map(FieldRef::Field)
        };
        for (diff_type, count) in types {
            if let (Some(field), Some(diff_type)) = (field, DiffType::from_name(diff_type)) {
                context.count(field, diff_type, *count);
            }
        }
    }
    context
}

/// Chooses accepted differences for blind checks.
#[derive(Debug)]
pub(super) struct Sampler {
    share: f64,
    seed: u64,
    pub chosen: Vec<u64>,
}

impl Sampler {
    /// Seeded by job and date, so that the same differences are chosen however the run is made.
    pub fn new(plan: &Plan, batch_date: Date) -> Self {
        Self::of(&plan.job, batch_date, plan.attribution.audit_sample)
    }

    /// The same without a plan.
    pub fn of(job: &str, batch_date: Date, share: f64) -> Self {
        let digest = Sha256::digest(format!("{job}\0{batch_date}"));
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest[..8]);
        Self { share, seed: u64::from_le_bytes(seed), chosen: Vec::new() }
    }

    pub fn is_on(&self) -> bool {
        self.share > 0.0
    }

    /// Offers the differences of a batch whose records have their numbers, and its decisions.
    pub fn look_at(&mut self, batch: &Batch) {
        if !self.is_on() {
            return;
        }
        for row in &batch.decisions {
            self.look(row.number, &row.attribution);
        }
        for row in &batch.differences {
            let number = difference_number(row.record, row.field);
            row.attribution.iter().for_each(|decided| self.look(number, decided));
        }
    }

    /// Offers a difference that the machine decided.
    fn look(&mut self, number: u64, decided: &AttributionRow) {
        if decided.status == Status::Accepted && is_audited(number, self.seed, self.share) {
            self.chosen.push(number);
        }
    }
}
