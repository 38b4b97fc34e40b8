//! A resolved configuration: every setting has a value.

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
use crate::domain::{Confidence, Date, Decimal, Layout, MoneyFields, PerSide, ReasonCode};
use crate::normalize::{Condition, NumberFormat, Step, TimeFormat};
use crate::pipeline::{MatchPlan, OpenItems};
use crate::script::ScriptSource;
use crate::source::SourcePlan;

/// A job, every setting decided.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub job: String,
    pub batch_date: Date,
    /// The folder of the file: relative paths start from it.
    pub base: PathBuf,
    /// The canonical fields: the key's in its order, then the others in the order of the file.
    pub layout: Layout,
    /// How each field is treated, in the order of the layout.
    pub fields: Vec<ResolvedField>,
    /// Fields that are amounts of money, and the one with their currency.
    pub money: MoneyFields,
    pub sources: PerSide<ResolvedSource>,
    /// How rows without a common key are matched.
    pub matching: Option<MatchPlan>,
    /// The sides whose rows stay open from date to date.
    pub open_items: Option<OpenItems>,
    /// The reasons in the order of the file; `UNKNOWN` is among them.
    pub reason_codes: Vec<ReasonCode>,
    /// Automatic acceptance.
    pub attribution: ResolvedAttribution,
    pub options: ResolvedOptions,
    pub review: Policy,
    /// Human decisions hold on the next date.
    pub carry_across_dates: bool,
    pub server: ResolvedServer,
    pub store: StoreUrl,
    /// The script of steps, filters and `row`.
    pub normalize_script: Option<ScriptSource>,
    /// The scripts of rules, in their order.
    pub attribute_scripts: Vec<ScriptSource>,
    /// The configuration to store with a run: before replacement, without passwords.
    pub stored: Json,
    /// Equal fingerprints make equal records of equal sources.
    pub fingerprint: Json,
}

/// How a field is treated on both sides.
#[derive(Clone, Debug)]
pub struct ResolvedField {
    pub compare: FieldCompare,
    pub monetary: bool,
}

#[derive(Clone, Debug)]
pub struct ResolvedSource {
    /// Its own script, whose functions go before the job's.
    pub script: Option<ScriptSource>,
    pub row_function: bool,
    /// The system's name.
    pub system: String,
    /// The column of each field of the layout; `None` for fields that the script's `row` sets.
    pub columns: Vec<Option<String>>,
    /// The function that says whether a row takes part.
    pub filter: Option<String>,
    /// Conditions for a row to take part.
    pub conditions: Vec<Condition>,
    /// The columns that are filled down.
    pub fill: Vec<String>,
    pub read: SourcePlan,
    /// How each field of the layout is read.
    pub fields: Vec<Reading>,
    /// The zone of datetimes without one; `None` is UTC.
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
    /// The source's own steps, which run first.
    pub source_steps: Vec<Step>,
    pub steps: Vec<Step>,
    /// Formats of dates and datetimes; empty for the usual ones.
    pub formats: Vec<TimeFormat>,
    /// How numbers are written.
    pub numbers: NumberFormat,
}

/// Automatic acceptance.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedAttribution {
    pub accept_at: Accept,
    pub accept: AcceptSpec,
    /// Share of automatically accepted differences that are checked blind.
    pub audit_sample: f64,
    pub model_enabled: bool,
    /// The confidence below which the model may overrule a rule.
    pub overrule_below: Option<Confidence>,
}

/// The threshold for automatic acceptance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accept {
    /// A fixed confidence.
    At(Confidence),
    /// The confidence that keeps this risk.
    Risk {
        /// Maximum share of wrong acceptances.
        max_false: Decimal,
        /// The confidence level of that bound.
        assurance: Decimal,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedServer {
    pub bind: SocketAddr,
    /// Everything else.
    pub settings: ServerSettings,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedOptions {
    /// Matched records are stored too.
    pub keep_all: bool,
    /// `None`: one per core.
    pub threads: Option<NonZeroUsize>,
    /// The memory for records, in bytes.
    pub memory_limit: u64,
    /// `None`: the system's.
    pub temp_dir: Option<PathBuf>,
    /// How many rejected rows of a source are too many.
    pub max_rejected: Option<RejectedLimit>,
    /// A script error ends the run.
    pub on_rule_error_stop: bool,
}
