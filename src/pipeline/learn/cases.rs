//! Labelled differences of stored runs, with everything that features and rules may use.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::attribute::features::{Encoder, Extractor, Learner, RunContext, Together};
use crate::attribute::model::TrainingSet;
use crate::attribute::{AttributionPlan, Attributor, Machine};
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::attribution::UNKNOWN;
use crate::domain::progress::Unit;
use crate::domain::review::label::Labels as DecidedLabels;
use crate::domain::run::IdClass;
use crate::domain::{
    AssignedBy, Attribution, Cells, DiffType, DifferenceContext, FieldRef, Layout, PerSide, RunId,
    Severity, Stage, Status, key,
};
use crate::pipeline::machine::run_context;
use crate::pipeline::walk::{CurrentAttribution, Record, RecordDifference, walk};
use crate::pipeline::{Plan, Session, stored_outcome};
use crate::store::{AttributionCount, RunFilter, RunRow, training, transact};

use super::labels::Labels;

/// One record in 5 is held out of training.
const HELD_OUT: u64 = 5;

#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A file, joined to the differences of one run.
    File(&'a Path),
    /// Users' decisions in the store, from the audit trail, and the additional ones requested.
    Decided(Also),
}

/// Additional decisions that count as labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Also {
    /// Reasons accepted from rules.
    pub rules: bool,
    /// Decisions made alone (`recon serve --solo`).
    pub solo: bool,
}

/// A difference's label.
struct Label {
    reason: String,
    /// Its weight in training.
    weight: f32,
    /// The decision that it was made by, if that has other differences, too.
    bulk: Option<u64>,
}

impl Label {
    const fn alone(reason: String) -> Self {
        Self { reason, weight: 1.0, bulk: None }
    }
}

/// Returns a difference's label.
type Labelling<'l> = dyn FnMut(&Record<'_>, &RecordDifference) -> Option<Label> + 'l;

/// A run that cases come from.
pub(super) struct RunOfCases {
    pub id: RunId,
    pub context: RunContext,
    pub systems: PerSide<String>,
}

/// A record with labelled differences.
struct CaseRecord {
    run: usize,
    a: Option<Box<[u8]>>,
    b: Option<Box<[u8]>>,
    partner_rejected: bool,
    matched: Option<Box<str>>,
    held_out: bool,
    together: Vec<(FieldRef, DiffType)>,
}

pub(super) struct Case {
    /// An index into the records of [`Cases`].
    pub record: usize,
    field: FieldRef,
    diff_type: DiffType,
    severity: Severity,
    /// An index into [`Cases::reasons`].
    pub label: usize,
    /// Its weight in training.
    weight: f32,
    /// See [`Label::bulk`].
    pub bulk: Option<u64>,
    /// See [`identity`].
    pub identity: u32,
    /// The rules' attribution.
    pub claim: Option<Attribution>,
}

pub(super) struct Cases<'p> {
    pub plan: &'p AttributionPlan,
    layout: &'p Layout,
    pub runs: Vec<RunOfCases>,
    records: Vec<CaseRecord>,
    pub cases: Vec<Case>,
    /// The reasons that occur as labels.
    pub reasons: Vec<String>,
    /// Labels that matched no difference.
    pub unused_labels: u64,
    /// Differences without a label.
    pub unlabelled: u64,
    /// Those of them whose label is UNKNOWN, which is no cause and does not count.
    pub unknown: u64,
    /// How many differences each rule claims, labelled or not.
    pub fired: BTreeMap<String, u64>,
    pub warnings: Vec<Problem>,
}

/// Labels from decisions, with the audit rows they come from.
struct Decided {
    labels: DecidedLabels,
    also: Also,
    /// Identities already seen: a break that lasts for days is one example.
    seen: HashSet<u32>,
}

impl Decided {
    fn read(session: Session<'_>, also: Also) -> Result<Self, Problem> {
        let labels = transact::read(session.store, |tx| training::labels(tx))?;
        Ok(Self { labels, also, seen: HashSet::new() })
    }

    /// True if a run may contain labels.
    fn is_in(&self, run: &RunRow, counts: &[AttributionCount]) -> bool {
        let prefix = run.id.prefix(IdClass::Attribution);
        self.labels.live().any(|label| label.attribution_id.starts_with(&prefix))
            || (self.also.rules && counts.iter().any(|one| one.assigned_by.starts_with("RULE:")))
    }

    /// A difference's label.
    fn of(&self, run: RunId, number: u64, given: &CurrentAttribution) -> Option<Label> {
        let id = run.derived(IdClass::Attribution, number).to_string();
        match self.labels.of(&id) {
            Some(label) if self.also.solo || !label.solo => {
                let weight = self.labels.weight(label) as f32;
                let bulk = (weight < 1.0).then(|| fnv(&[&label.group]));
                Some(Label { reason: label.reason.clone(), weight, bulk })
            }
            _ => {
                let code = rule_decision(given).filter(|_| self.also.rules)?;
                Some(Label::alone(code.to_owned()))
            }
        }
    }
}

/// The reason accepted from a rule.
fn rule_decision(given: &CurrentAttribution) -> Option<&str> {
    let by_rule = given.attribution.assigned_by.starts_with("RULE:");
    (by_rule && given.attribution.status == Status::Accepted).then_some(&given.attribution.reason)
}

/// Whether a record is held out of every training. The choice depends only on the reference, so
/// neither candidates nor champions have ever seen these records.
pub(super) fn is_held_out(cells: Cells<'_>, key_len: usize) -> bool {
    // The low bits of FNV are the weakest.
    (fnv(&[&key::reference(cells, key_len)]) >> 32).is_multiple_of(HELD_OUT)
}

/// FNV-1a, 64 bits. Fixed here because registered models depend on it.
fn fnv(parts: &[&str]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        for byte in part.as_bytes().iter().chain(&[0xff]) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    state
}

/// Identifies a difference across runs by key, field, kind and both values: a break that lasts for
/// days is one example, not one a day.
fn identity(context: &DifferenceContext<'_>) -> u32 {
    let spread = context.layout.spread_len();
    let key = context.a.or(context.b).map(|cells| key::reference(cells, spread));
    let [a, b] = [context.a, context.b].map(|side| {
        let mut buffer = [0; 36];
        context.cell(side, &mut buffer).to_string()
    });
    let parts = [&key.unwrap_or_default(), context.field_name(), context.diff_type.name(), &a, &b];
    (fnv(&parts) >> 32) as u32
}

impl<'p> Cases<'p> {
    /// Says why there is nothing to learn from or to measure against, if all labels are UNKNOWN.
    pub fn only_unknown(&self, source: Source<'_>) -> Option<(String, &'static str)> {
        if !self.cases.is_empty() || self.unknown == 0 {
            return None;
        }
        let labels = match (source, self.unknown) {
            (Source::File(_), 1) => {
                "the one label that matches a difference of the run is".to_owned()
            }
            (Source::File(_), n) => {
                format!("all {n} labels that match a difference of the run are")
            }
            (Source::Decided(_), 1) => "the one decision is".to_owned(),
            (Source::Decided(_), n) => format!("all {n} decisions are"),
        };
        let message =
            format!("{labels} {UNKNOWN}, which is no cause and does not count as a label");
        Some((message, "label differences with their causes, and with NONE where no cause fits"))
    }

    /// Gathers the labelled differences of `run`, or of all the job's runs if decisions are used
    /// and no run is given.
    pub fn gather(
        session: Session<'_>,
        plan: &'p Plan,
        source: Source<'_>,
        run: Option<&RunRow>,
    ) -> Result<Self, Problems> {
        let mut cases = Self {
            plan: &plan.attribution,
            layout: &plan.layout,
            runs: Vec::new(),
            records: Vec::new(),
            cases: Vec::new(),
            reasons: Vec::new(),
            unused_labels: 0,
            unlabelled: 0,
            unknown: 0,
            fired: BTreeMap::new(),
            warnings: Vec::new(),
        };
        match (source, run) {
            (Source::File(path), Some(run)) => {
                check(run, plan)?;
                let mut labels = Labels::read(path, &plan.layout, &plan.attribution.reasons)?;
                let key_len = plan.layout.key_len();
                cases.add_run(session, plan, run, &mut |record, difference| {
                    let field = record.context(difference).field_name();
                    labels.take(record.cells()?, key_len, field).map(Label::alone)
                })?;
                cases.unused_labels = labels.unused();
            }
            (Source::File(_), None) => {
                return Err(Problem::new(
                    Code::NoRun,
                    "labels need a run whose differences they describe",
                )
                .help("create one with `recon run`")
                .into());
            }
            (Source::Decided(also), Some(run)) => {
                check(run, plan)?;
                let mut decided = Decided::read(session, also)?;
                cases.add_decided(session, plan, run, &mut decided)?;
            }
            (Source::Decided(also), None) => {
                let mut decided = Decided::read(session, also)?;
                let filter = RunFilter {
                    job: Some(plan.job.clone()),
                    not_failed: true,
                    ..RunFilter::default()
                };
                for run in session.store.runs(&filter)? {
                    if run.stage != Some(Stage::Attributed) {
                        continue;
                    }
                    let counts = session.store.attribution_counts(run.id)?;
                    if !decided.is_in(&run, &counts) {
                        continue;
                    }
                    if let Err(problem) = check(&run, plan) {
                        let message = format!("skipped run {}: {}", run.id, problem.message);
                        cases.warnings.push(Problem::new(Code::RunLeftOut, message));
                        continue;
                    }
                    cases.add_decided(session, plan, &run, &mut decided)?;
                }
            }
        }
        session.progress.finish();
        Ok(cases)
    }

    /// Adds the decisions of a run.
    fn add_decided(
        &mut self,
        session: Session<'_>,
        plan: &'p Plan,
        run: &RunRow,
        decided: &mut Decided,
    ) -> Result<(), Problem> {
        self.add_run(session, plan, run, &mut |record, difference| {
            let given = difference.attribution.as_ref()?;
            let label = decided.of(run.id, difference.number, given)?;
            let context = record.context(difference);
            decided.seen.insert(identity(&context)).then_some(label)
        })
    }

    fn add_run(
        &mut self,
        session: Session<'_>,
        plan: &'p Plan,
        run: &RunRow,
        label: &mut Labelling<'_>,
    ) -> Result<(), Problem> {
        let books = stored_outcome(session.store, run)?.books;
        let systems = PerSide { a: run.system_a.clone(), b: run.system_b.clone() };
        let context = run_context(systems.clone(), run.batch_date, &plan.layout, &books);
        let machine = Machine::default();
        let mut rules = Attributor::new(&plan.attribution, &machine, &plan.layout)?;
        let at = self.runs.len();
        self.runs.push(RunOfCases { id: run.id, context, systems });
        session.progress.start("reading", run.total_differences, Unit::Items);
        walk(session.store, run.id, &plan.layout, &mut |record| {
            if session.progress.interrupted() {
                return Err(Problem::interrupted());
            }
            session.progress.advance(record.differences.len() as u64);
            let mut index = None;
            for difference in record.differences {
                let context = record.context(difference);
                let said = rules.decide(&context, record.together);
                rules.stop_on_failure(false)?;
                let claim = match &said.assigned_by {
                    AssignedBy::Rule(name) => {
                        match self.fired.get_mut(name) {
                            Some(count) => *count += 1,
                            None => drop(self.fired.insert(name.clone(), 1)),
                        }
                        Some(said)
                    }
                    _ => None,
                };
                let given = label(record, difference);
                self.unknown += u64::from(given.as_ref().is_some_and(|one| one.reason == UNKNOWN));
                let given = given.filter(|label| label.reason != UNKNOWN);
                let Some(Label { reason, weight, bulk }) = given else {
                    self.unlabelled += 1;
                    continue;
                };
                let label = self.reason(&reason);
                let record = *index.get_or_insert_with(|| self.add_record(at, record));
                self.cases.push(Case {
                    record,
                    field: difference.field,
                    diff_type: difference.diff_type,
                    severity: difference.severity,
                    label,
                    weight,
                    bulk,
                    identity: identity(&context),
                    claim,
                });
            }
            Ok(())
        })?;
        self.warnings.extend(rules.failures().warnings());
        Ok(())
    }

    fn reason(&mut self, reason: &str) -> usize {
        self.reasons.iter().position(|known| known == reason).unwrap_or_else(|| {
            self.reasons.push(reason.to_owned());
            self.reasons.len() - 1
        })
    }

    fn add_record(&mut self, run: usize, record: &Record<'_>) -> usize {
        let own = |cells: Option<Cells<'_>>| cells.map(|cells| cells.whole().into());
        let key_len = self.layout.spread_len();
        self.records.push(CaseRecord {
            run,
            a: own(record.a),
            b: own(record.b),
            partner_rejected: record.partner_rejected,
            matched: record.matched.map(Into::into),
            held_out: record.cells().is_some_and(|cells| is_held_out(cells, key_len)),
            together: record.together.to_vec(),
        });
        self.records.len() - 1
    }

    pub fn label(&self, case: &Case) -> &str {
        self.reasons.get(case.label).map_or(UNKNOWN, String::as_str)
    }

    pub fn is_held_out(&self, case: &Case) -> bool {
        self.records[case.record].held_out
    }

    pub fn run(&self, case: &Case) -> &RunOfCases {
        &self.runs[self.records[case.record].run]
    }

    fn context(&self, case: &Case) -> DifferenceContext<'_> {
        let record = &self.records[case.record];
        DifferenceContext {
            layout: self.layout,
            field: case.field,
            diff_type: case.diff_type,
            severity: case.severity,
            a: record.a.as_deref().map(Cells::new),
            b: record.b.as_deref().map(Cells::new),
            partner_rejected: record.partner_rejected,
            matched: record.matched.as_deref(),
        }
    }

    fn together(&self, case: &Case) -> Together<'_> {
        &self.records[case.record].together
    }

    /// Learns names and values from these cases.
    pub fn encoder(&self, cases: &[&Case]) -> Encoder {
        let mut learner = Learner::new(self.layout);
        for case in cases {
            learner.observe(&self.context(case), &self.run(case).systems, self.label(case));
        }
        learner.finish()
    }

    /// The features of cases that the encoder has not learned from.
    pub fn fresh_set(&self, cases: &[&Case], encoder: &Encoder) -> TrainingSet {
        self.set(cases, |run| Extractor::new(encoder, &run.context, self.layout))
    }

    /// The features of cases that the encoder has learned from.
    pub fn training_set(&self, cases: &[&Case], encoder: &Encoder) -> TrainingSet {
        self.set(cases, |run| Extractor::new(encoder, &run.context, self.layout).of_known())
    }

    fn set<'e>(
        &'e self,
        cases: &[&Case],
        extractor: impl Fn(&'e RunOfCases) -> Extractor<'e>,
    ) -> TrainingSet {
        let mut extractors: Vec<Extractor<'_>> = self.runs.iter().map(extractor).collect();
        let mut set = TrainingSet::default();
        for case in cases {
            let extractor = &mut extractors[self.records[case.record].run];
            let row = extractor.row(&self.context(case), self.together(case));
            let record = case.record as u32;
            set.push_known(&row, self.label(case), case.identity, case.weight, record);
        }
        set
    }
}

/// Checks that the current configuration fits a run's differences.
pub(super) fn check(run: &RunRow, plan: &Plan) -> Result<(), Problem> {
    if run.stage < Some(Stage::Compared) {
        let message = format!("run {} has not been compared yet", run.id);
        return Err(Problem::new(Code::NotCompared, message).help("compare it first: `recon diff`"));
    }
    if run.layout != *plan.layout {
        let message = format!("`fields` or `key` have changed since run {} was ingested", run.id);
        return Err(Problem::new(Code::ConfigurationChanged, message)
            .help("ingest again: `recon ingest`, or `recon run`"));
    }
    Ok(())
}
