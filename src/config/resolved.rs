//! What a configuration means, every setting decided.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::settings::RejectedLimit;
use super::spec::AcceptSpec;
use crate::compare::FieldCompare;
use crate::database::StoreUrl;
use crate::domain::{Confidence, Date, Decimal, Layout, PerSide, ReasonCode, Side};
use crate::normalize::{FieldPlan, NumberFormat, SidePlan, Step, TimeFormat};
use crate::script::ScriptSource;
use crate::source::SourcePlan;

/// A job, every setting decided.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The name of the job.
    pub job: String,
    /// Where results are stored; relative paths start from the folder of the file.
    pub store: StoreUrl,
    /// The business date.
    pub batch_date: Date,
    /// The folder of the file: relative paths start from it.
    pub base: PathBuf,
    /// The canonical fields: the key's in its order, then the others in the order of the file.
    pub layout: Layout,
    /// How each field is treated, in the order of the layout.
    pub fields: Vec<ResolvedField>,
    /// The two sources.
    pub sources: PerSide<ResolvedSource>,
    /// The reasons in the order of the file; `UNKNOWN` is among them.
    pub reason_codes: Vec<ReasonCode>,
    /// What the machine may settle alone.
    pub attribution: ResolvedAttribution,
    /// How a run is done.
    pub options: ResolvedOptions,
    /// The script of steps, filters and `row`.
    pub normalize_script: Option<ScriptSource>,
    /// Whether that script has a function `row`.
    pub has_row_function: bool,
    /// The scripts of rules, in their order.
    pub attribute_scripts: Vec<ScriptSource>,
    /// The configuration to store with a run: before replacement, without passwords.
    pub stored: Json,
    /// What decides whether a stored run's records are still those of this configuration.
    pub fingerprint: Json,
}

/// How a field is treated on both sides.
#[derive(Clone, Debug)]
pub struct ResolvedField {
    /// The steps that its values go through after the source's own.
    pub steps: Vec<Step>,
    /// Its formats of dates and datetimes; empty for ISO 8601.
    pub formats: Vec<TimeFormat>,
    /// How its numbers are written.
    pub numbers: NumberFormat,
    /// How it is compared.
    pub compare: FieldCompare,
    /// Whether it is an amount of money.
    pub monetary: bool,
    /// What it means, for people.
    pub description: Option<String>,
}

/// A source.
#[derive(Clone, Debug)]
pub struct ResolvedSource {
    /// The system's name.
    pub system: String,
    /// How it is read.
    pub read: SourcePlan,
    /// For each field of the layout the column that it is read from; none for a field that the
    /// script's `row` sets.
    pub columns: Vec<Option<String>>,
    /// What this source does differently, for each field of the layout.
    pub ways: Vec<SourceWays>,
    /// The time zone of datetimes that have none of their own; none is UTC.
    pub timezone: Option<TimeZone>,
    /// The function that says whether a row takes part.
    pub filter: Option<String>,
}

/// What a source does differently with a field.
#[derive(Clone, Debug, Default)]
pub struct SourceWays {
    /// The steps that come before the field's own.
    pub steps: Vec<Step>,
    /// Formats instead of the field's.
    pub formats: Option<Vec<TimeFormat>>,
    /// How numbers are written, instead of the field's.
    pub numbers: Option<NumberFormat>,
}

impl Resolved {
    /// How the rows of a side become typed rows, given the names of its columns and, for each
    /// field of the layout, which of them it is read from ([`check_headers`](super::check_headers)).
    pub fn side_plan(&self, side: Side, header: Vec<String>, indices: &[Option<usize>]) -> SidePlan {
        let source = &self.sources[side];
        let parts = self.layout.fields().iter().zip(&self.fields).zip(&source.ways).zip(indices);
        let fields = parts
            .map(|(((field, treatment), ways), column)| FieldPlan {
                name: field.name.clone(),
                kind: field.kind,
                column: *column,
                source_steps: ways.steps.clone(),
                steps: treatment.steps.clone(),
                formats: ways.formats.clone().unwrap_or_else(|| treatment.formats.clone()),
                numbers: ways.numbers.clone().unwrap_or_else(|| treatment.numbers.clone()),
            })
            .collect();
        SidePlan {
            side,
            columns: header,
            fields,
            key_len: self.layout.key_len(),
            null_values: source.read.null_values().to_vec(),
            timezone: source.timezone.clone(),
            script: self.normalize_script.clone(),
            row_function: self.has_row_function,
            filter: source.filter.clone(),
        }
    }
}

/// What the machine may settle alone.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedAttribution {
    /// From which confidence on.
    pub accept_at: Accept,
    /// Which reasons.
    pub accept: AcceptSpec,
    /// The share of settled causes that people look at blindly.
    pub audit_sample: f64,
    /// Whether the model is asked.
    pub model_enabled: bool,
}

/// From which confidence on the machine settles a cause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accept {
    /// This one.
    At(Confidence),
    /// The one that keeps this risk.
    Risk {
        /// The largest share of settled causes that may be wrong.
        max_false: Decimal,
        /// How sure one wants to be of that.
        assurance: Decimal,
    },
}

/// How a run is done.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedOptions {
    /// Whether records without differences are stored.
    pub keep_all: bool,
    /// The number of threads; none for one per core.
    pub threads: Option<NonZeroUsize>,
    /// The memory for records, in bytes.
    pub memory_limit: u64,
    /// The folder for temporary files; none for the system's.
    pub temp_dir: Option<PathBuf>,
    /// How many rejected rows of a source are too many.
    pub max_rejected: Option<RejectedLimit>,
    /// Whether an error in a script ends the run.
    pub on_rule_error_stop: bool,
}
