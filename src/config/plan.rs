//! From the resolved configuration to the stages' plan, once the sources' headers are known.

use std::sync::Arc;

use serde_json::json;

use super::resolved::Accept;
use super::settings::RejectedLimit;
use super::spec::AcceptSpec;
use super::storage::digest;
use super::{Loaded, check_headers};
use crate::attribute::heuristic::RulesPlan;
use crate::attribute::risk::Budget;
use crate::attribute::{Acceptance, AttributionPlan, Sure};
use crate::compare::Comparison;
use crate::diagnostic::Problems;
use crate::domain::{PerSide, Side};
use crate::normalize::{FieldPlan, SidePlan};
use crate::pipeline::{ConfigurationRecord, MaxRejected, OpenItems, Options, Plan};
use crate::script::ScriptSource;
use crate::source::columns::{ColumnMatch, find, unique_names};
use crate::source::{Fill, Opened, SourcePlan};

impl Loaded {
    /// Opens both sources and reads their headers; both are tried, so that one attempt shows the errors of either.
    ///
    /// # Errors
    /// Every source that can't be opened.
    pub fn open_sources(&self) -> Result<PerSide<Opened>, Problems> {
        self.open_sources_if(|_| true)
    }

    /// As [`Self::open_sources`], without reading standard input, which the run needs.
    ///
    /// # Errors
    /// Every source that can't be opened.
    pub fn look_at_sources(&self) -> Result<PerSide<Opened>, Problems> {
        self.open_sources_if(|source| !source.is_stdin())
    }

    fn open_sources_if(
        &self,
        opens: impl Fn(&SourcePlan) -> bool,
    ) -> Result<PerSide<Opened>, Problems> {
        let mut problems = Problems::default();
        let opened = PerSide::of(|side| {
            let source = &self.resolved.sources[side];
            if !opens(&source.read) {
                return Some(source.read.unread(&source.wanted()));
            }
            source.read.open(&source.wanted()).map_err(|problem| problems.push(problem)).ok()
        });
        match (opened.a, opened.b) {
            (Some(a), Some(b)) => Ok(PerSide { a, b }),
            _ => Err(problems),
        }
    }

    /// The plan of a run, with the columns of these headers.
    ///
    /// # Errors
    /// Every mapped column that its source lacks or has twice.
    pub fn plan(&self, opened: &PerSide<Opened>) -> Result<Plan, Problems> {
        self.plan_of_headers(&opened.as_ref().map(|_, opened| opened.columns().to_vec()))
    }

    /// The plan for a stored run, whose sources may be gone: if one can't be opened or its header
    /// has changed, its columns are those of the map.
    ///
    /// # Errors
    /// None that [`Self::plan`] does not have.
    pub fn plan_of_stored(&self) -> Result<Plan, Problems> {
        self.plan_of_headers(&PerSide::of(|side| {
            let source = &self.resolved.sources[side];
            let mapped = source.wanted();
            let is_whole = |header: &[String]| {
                mapped.iter().all(|column| matches!(find(header, column), ColumnMatch::At(_)))
            };
            let there = source.read.has_header_at_hand().then(|| source.read.open(&mapped).ok());
            let there = there.flatten().map(|opened| opened.columns().to_vec());
            there.filter(|header| is_whole(header)).unwrap_or(mapped)
        }))
    }

    /// The plan of sources with these columns.
    ///
    /// # Errors
    /// Every mapped column that its source lacks or has twice.
    pub fn plan_of_headers(&self, headers: &PerSide<Vec<String>>) -> Result<Plan, Problems> {
        let columns = check_headers(self, headers)?;
        let resolved = &self.resolved;
        let layout = Arc::new(resolved.layout.clone());
        let normalize = PerSide::of(|side| {
            let source = &resolved.sources[side];
            let fields = layout.fields().iter().zip(&source.fields).zip(&columns.indices[side]);
            Arc::new(SidePlan {
                columns: unique_names(&headers[side]),
                fields: fields
                    .map(|((field, reading), column)| FieldPlan {
                        name: field.name.clone(),
                        kind: field.kind,
                        column: *column,
                        source_steps: reading.source_steps.clone(),
                        steps: reading.steps.clone(),
                        formats: reading.formats.clone(),
                        numbers: reading.numbers.clone(),
                    })
                    .collect(),
                key_len: layout.key_len(),
                key_may_be_null: resolved.matching.is_some(),
                null_values: source.read.null_values().to_vec(),
                timezone: source.timezone.clone(),
                scripts: source.script.iter().chain(&resolved.normalize_script).cloned().collect(),
                row_function: source.row_function,
                filter: source.filter.clone(),
                conditions: {
                    let at = columns.conditions[side].iter().copied();
                    at.zip(source.conditions.iter().cloned()).collect()
                },
            })
        });
        let compare = resolved.fields.iter().map(|field| field.compare.clone()).collect();
        Ok(Plan {
            job: resolved.job.clone(),
            batch_date: resolved.batch_date,
            systems: PerSide::of(|side| resolved.sources[side].system.clone()),
            sources: PerSide::of(|side| resolved.sources[side].read.clone()),
            fill: PerSide::of(|side| Fill::new(columns.fill[side].clone())),
            comparison: Arc::new(Comparison::new(compare, layout.key_len())),
            money: resolved.money.clone(),
            layout,
            matching: resolved.matching.clone(),
            open_items: resolved.open_items,
            carried: Arc::default(),
            normalize,
            attribution: Arc::new(self.attribution()),
            reason_codes: resolved.reason_codes.clone(),
            unused_columns: columns.unused,
            findings: columns.findings,
            options: self.options(),
            carry_across_dates: resolved.carry_across_dates,
            record: ConfigurationRecord {
                configuration: resolved.stored.clone(),
                identity: resolved.fingerprint.clone(),
                rules: self.rules_record(),
            },
        })
    }

    pub fn rules_plan(&self) -> Option<RulesPlan> {
        let scripts = &self.resolved.attribute_scripts;
        (!scripts.is_empty()).then(|| RulesPlan {
            scripts: scripts.clone(),
            codes: self.resolved.reason_codes.iter().map(|reason| reason.code.clone()).collect(),
        })
    }

    /// Every script of the job: the normalizing ones (the job's, then the sources'), then the rules
    /// in their order.
    pub fn scripts(&self) -> impl Iterator<Item = &ScriptSource> {
        self.normalize_scripts().chain(&self.resolved.attribute_scripts)
    }

    /// The normalizing scripts: the job's, then the sources' own.
    pub fn normalize_scripts(&self) -> impl Iterator<Item = &ScriptSource> {
        let resolved = &self.resolved;
        let own = Side::BOTH.map(|side| resolved.sources[side].script.as_ref());
        resolved.normalize_script.iter().chain(own.into_iter().flatten())
    }

    fn attribution(&self) -> AttributionPlan {
        let attribution = &self.resolved.attribution;
        AttributionPlan {
            rules: self.rules_plan(),
            reasons: self
                .resolved
                .reason_codes
                .iter()
                .map(|reason| (reason.code.clone(), reason.clone()))
                .collect(),
            model_enabled: attribution.model_enabled,
            overrule_below: attribution.overrule_below,
            audit_sample: attribution.audit_sample,
            acceptance: Acceptance {
                sure: match attribution.accept_at {
                    Accept::At(confidence) => Sure::From(confidence),
                    Accept::Risk { max_false, assurance } => Sure::Within(Budget {
                        max_false: max_false.to_f64(),
                        assurance: assurance.to_f64(),
                    }),
                },
                functional_only: attribution.accept == AcceptSpec::Functional,
            },
        }
    }

    fn options(&self) -> Options {
        let options = &self.resolved.options;
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Options {
            // A movement that matched takes part again, so it has to be kept.
            keep_all: options.keep_all || self.resolved.open_items.is_some_and(OpenItems::is_mixed),
            threads: options.threads.map_or_else(cores, std::num::NonZero::get),
            memory_limit: options.memory_limit,
            temp_dir: options.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
            max_rejected: options.max_rejected.as_ref().map(|limit| match limit {
                RejectedLimit::Count(count) => MaxRejected::Count(*count),
                RejectedLimit::Percent(percent) => MaxRejected::Percent(*percent),
            }),
            stop_on_rule_error: options.on_rule_error_stop,
        }
    }

    /// The scripts' digests, stored with a run so that auditors know which rules decided.
    fn rules_record(&self) -> serde_json::Value {
        self.scripts()
            .map(|script| {
                let functions: serde_json::Map<_, _> = script
                    .check()
                    .map(|outline| outline.functions)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|function| (function.name, json!(function.line)))
                    .collect();
                let text = script.text();
                json!({
                    "path": script.path().display().to_string(),
                    "bytes": text.len(),
                    "sha256": digest(text),
                    "functions": functions,
                })
            })
            .collect()
    }
}
