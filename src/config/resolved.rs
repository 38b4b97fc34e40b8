//! What a configuration means, every setting decided.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::settings::RejectedLimit;
use super::spec::AcceptSpec;
use crate::compare::FieldCompare;
use crate::database::StoreUrl;
use crate::domain::review::Policy;
use crate::domain::review::server::ServerSettings;
use crate::domain::{Confidence, Date, Decimal, Layout, PerSide, ReasonCode};
use crate::normalize::{Condition, NumberFormat, Step, TimeFormat};
use crate::script::ScriptSource;
use crate::source::SourcePlan;

/// A job, every setting decided.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The name of the job.
    pub job: String,
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
    /// The rules of the review.
    pub review: Policy,
    /// The review server.
    pub server: ResolvedServer,
    /// Where runs are kept.
    pub store: StoreUrl,
    /// The script of steps, filters and `row`.
    pub normalize_script: Option<ScriptSource>,
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
    /// Its own script, whose functions go before the job's.
    pub script: Option<ScriptSource>,
    /// Whether a script of the side has a function of a whole row.
    pub row_function: bool,
    /// The system's name.
    pub system: String,
    /// For each field of the layout the column that it is read from; none for a field that the
    /// script's `row` sets.
    pub columns: Vec<Option<String>>,
    /// The function that says whether a row takes part.
    pub filter: Option<String>,
    /// What a row must meet to take part.
    pub conditions: Vec<Condition>,
    /// The columns that are filled down.
    pub fill: Vec<String>,
    /// How the file is read.
    pub read: SourcePlan,
    /// How each field of the layout is read.
    pub fields: Vec<Reading>,
    /// The zone of datetimes that have none of their own; none is UTC.
    pub timezone: Option<jiff::tz::TimeZone>,
}

impl ResolvedSource {
    /// The columns that the configuration names, each once.
    pub fn wanted(&self) -> Vec<String> {
        let conditions = self.conditions.iter().map(|condition| &condition.column);
        let mut wanted: Vec<String> = Vec::new();
        let summed = self.read.summed_columns();
        let mapped = self.columns.iter().flatten();
        for column in mapped.chain(conditions).chain(&self.fill).chain(&summed) {
            if !wanted.contains(column) {
                wanted.push(column.clone());
            }
        }
        wanted
    }
}

/// How the cells of a field are read from one source.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The source's own steps; they come first.
    pub source_steps: Vec<Step>,
    /// The field's steps.
    pub steps: Vec<Step>,
    /// Formats of dates and datetimes; empty for the usual ones.
    pub formats: Vec<TimeFormat>,
    /// How numbers are written.
    pub numbers: NumberFormat,
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
    /// The confidence below which the model may overrule a rule.
    pub overrule_below: Option<Confidence>,
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

/// The review server.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedServer {
    /// Where it listens.
    pub bind: SocketAddr,
    /// Everything else.
    pub settings: ServerSettings,
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
