//! `recon.yaml` as written: every key that the file may have.
//!
//! The doc comments are the descriptions in the JSON Schema and in the reference of the file. The
//! parts that a stage owns are declared there; what is meant by them, and whether it fits
//! together, is decided in [`check`](super::check).

mod review;

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::named::{Named, OneOrMany};
use super::settings::{MemorySize, RejectedLimit, Share, Threads};
use crate::compare::ToleranceSpec;
use crate::domain::{Decimal, Kind, Severity, Written};
use crate::normalize::{ConditionSpec, NumberSpec, StepSpec};
use crate::source::ReadSpec;

pub use review::{RegulatorySpec, ReviewSpec, SlaHoursSpec};

/// The configuration of a job of `recon`: two sources, what a record is, when its fields agree,
/// and the reasons why they may not.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "recon.yaml",
    example = serde_json::json!({
        "version": 1,
        "job": "payments_daily",
        "sources": {
            "a": {
                "system": "PROCESSOR",
                "read": { "csv": { "path": "processor.csv" } },
                "map": { "payment_id": "id", "amount": "amount" },
            },
            "b": {
                "system": "LEDGER",
                "read": { "csv": { "path": "ledger.csv", "delimiter": ";" } },
                "map": { "payment_id": "reference", "amount": "value" },
            },
        },
        "key": ["payment_id"],
        "fields": {
            "payment_id": { "type": "text", "normalize": ["trim"] },
            "amount": { "type": "decimal", "tolerance": { "absolute": 0.005 } },
        },
    }),
)]
pub struct Spec {
    /// The version of this file's format: 1.
    #[schemars(with = "Written<u64>", extend("const" = 1))]
    pub version: Option<Written<u64>>,
    /// The name of the job. Runs of one job and date supersede each other.
    #[schemars(with = "String", example = &"fx_trades_eod")]
    pub job: Option<String>,
    /// Where results are stored: `sqlite:PATH` or `postgres://user@host/database`. Default
    /// `sqlite:recon.db`.
    #[schemars(example = &"sqlite:recon.db")]
    pub store: Option<String>,
    /// The two systems' extracts.
    #[schemars(with = "SourcesSpec")]
    pub sources: Option<SourcesSpec>,
    /// The fields by which a row of A and a row of B are known to belong together.
    #[schemars(with = "Vec<String>", length(min = 1), example = ["transaction_id"])]
    pub key: Option<Vec<String>>,
    /// The canonical fields: the key's and those to compare.
    #[schemars(with = "Named<FieldSpec>")]
    pub fields: Option<Named<FieldSpec>>,
    /// The scripts.
    pub rules: Option<RulesSpec>,
    /// The causes that a difference may have. `UNKNOWN` always exists.
    pub reason_codes: Option<Named<ReasonCodeSpec>>,
    /// What the machine may settle alone.
    pub attribution: Option<AttributionSpec>,
    /// How a run is done.
    pub options: Option<OptionsSpec>,
    /// The rules of the review: who must agree to what, and by when.
    pub review: Option<ReviewSpec>,
    /// The review server, `recon serve`.
    pub server: Option<ServerSpec>,
}

/// Only the name of the job: the store's URL and the server's settings may hold secrets.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec").field("job", &self.job).finish_non_exhaustive()
    }
}

/// The two systems' extracts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourcesSpec {
    /// Source A.
    #[schemars(with = "SourceSpec")]
    pub a: Option<SourceSpec>,
    /// Source B.
    #[schemars(with = "SourceSpec")]
    pub b: Option<SourceSpec>,
}

/// One system's extract.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// The system's name in tables and reports.
    #[schemars(with = "String", example = &"FRONT_OFFICE")]
    pub system: Option<String>,
    /// How the extract is read: one kind with its options.
    #[schemars(with = "ReadSpec")]
    pub read: Option<ReadSpec>,
    /// Canonical field: the source's column by its name; `"currency#2"` is the second column named
    /// `currency`, `"#4"` the fourth column.
    #[schemars(with = "Named<String>")]
    pub map: Option<Named<String>>,
    /// Formats of dates and datetimes by field; they replace the field's own.
    pub formats: Option<Named<Vec<String>>>,
    /// How this source writes numbers, by field; it replaces the field's own.
    pub numbers: Option<Named<NumberSpec>>,
    /// Steps by field, only for this source, before the field's own.
    pub normalize: Option<Named<Vec<StepSpec>>>,
    /// The time zone of datetimes without one, such as `Europe/Zurich`. Default UTC. A date that is
    /// read from a time with an offset is the day in this zone; by default the day as written.
    #[schemars(example = &"Europe/Zurich")]
    pub timezone: Option<String>,
    /// A script of its own, whose functions steps, the filter and `row` of this source are before
    /// those of `rules.normalize`.
    #[schemars(example = &"rules/risk.rhai")]
    pub script: Option<String>,
    /// A function of the row, in the source's script or in `rules.normalize`, that says whether it
    /// takes part.
    #[schemars(example = &"is_live")]
    pub filter: Option<String>,
    /// Conditions that a row must meet to take part. They are asked before the width of the row is
    /// judged, so they can leave out totals and section lines.
    #[serde(rename = "where")]
    pub conditions: Option<Vec<ConditionSpec>>,
    /// Columns that are filled down: an empty cell takes the value of the row before.
    #[schemars(example = ["account"])]
    pub fill: Option<Vec<String>>,
}

/// A canonical field.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What it means, for people.
    pub description: Option<String>,
    /// Steps that every value goes through before its type is read.
    pub normalize: Option<Vec<StepSpec>>,
    /// Formats of dates and datetimes in strftime notation, tried in order. Default ISO 8601.
    #[schemars(example = ["%Y-%m-%d"])]
    pub formats: Option<Vec<String>>,
    /// How numbers are written.
    pub numbers: Option<NumberSpec>,
    /// Whether the two sides are compared. Default `true`. With `false` the field is informational: it
    /// is read, stored, shown and available to rules, but never a difference, and only one source
    /// needs to map it.
    pub compare: Option<Written<bool>>,
    /// How far the two sides may be apart. Default: not at all.
    pub tolerance: Option<ToleranceSpec>,
    /// How much a difference of this field matters, by default `medium`.
    pub severity: Option<SeveritySpec>,
    /// The value that a null stands for when it is compared.
    pub null_equals: Option<String>,
    /// Whether it is an amount of money, to which the review's thresholds apply. Default `false`.
    pub monetary: Option<Written<bool>>,
}

/// How much a difference matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeveritySpec {
    /// Cosmetic.
    Low,
    /// The default for fields.
    Medium,
    /// The default for missing and duplicate records.
    High,
    /// Must not wait.
    Critical,
}

impl From<SeveritySpec> for Severity {
    fn from(spec: SeveritySpec) -> Self {
        match spec {
            SeveritySpec::Low => Self::Low,
            SeveritySpec::Medium => Self::Medium,
            SeveritySpec::High => Self::High,
            SeveritySpec::Critical => Self::Critical,
        }
    }
}

/// The scripts, relative to the file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesSpec {
    /// The script whose functions steps, filters and `row` are.
    #[schemars(example = &"rules/normalize.rhai")]
    pub normalize: Option<String>,
    /// The scripts whose `attribute…` functions name the causes of differences, in their order.
    #[schemars(example = ["rules/attribution.rhai"])]
    pub attribute: Option<OneOrMany>,
}

/// A cause that a difference may have.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonCodeSpec {
    /// Whether business explains it (rounding, timing), or else it is an error to be mended.
    pub functional: Written<bool>,
    /// A sentence for people.
    pub description: String,
}

/// What the machine may settle alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributionSpec {
    /// The confidence, 0 to 1, from which on the machine settles a cause: a rule must claim it,
    /// and have been right so often where that was measured. Default 0.90.
    #[schemars(range(min = 0, max = 1))]
    pub accept_at: Option<Written<Decimal>>,
    /// Which reasons the machine may settle. Default `all`.
    pub accept: Option<AcceptSpec>,
    /// Instead of `accept_at`: the confidence is chosen so that this risk is kept.
    pub accept_risk: Option<AcceptRiskSpec>,
    /// The share of what the machine settled that people look at blindly: `0.05`, or `5%`. Default 0.
    pub audit_sample: Option<Written<Share>>,
    /// The model that is asked where no rule applies.
    pub model: Option<ModelSpec>,
}

/// Which reasons the machine may settle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AcceptSpec {
    /// Every reason.
    #[default]
    All,
    /// Only those that business explains.
    Functional,
}

/// A bound on wrong decisions of the machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRiskSpec {
    /// The largest share of settled causes that may be wrong: `0.005`, or `0.5%`.
    pub max_false: Written<Share>,
    /// How sure one wants to be that it is kept: `0.95`, or `95%`.
    pub assurance: Written<Share>,
}

/// The model that is asked where no rule applies.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Whether it is asked. Default `true`; without a trained model only the rules decide.
    pub enabled: Option<Written<bool>>,
    /// A rule that claims less than this confidence only hints: where there is a model, the model
    /// decides. Default: no rule is overruled.
    pub overrule_below: Option<Written<Share>>,
}

/// The review server, `recon serve`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// The address and port that it listens at. Default `127.0.0.1:8765`.
    #[schemars(example = &"127.0.0.1:8765")]
    pub bind: Option<String>,
    /// Where people reach it, without a path: requests for other hosts are refused.
    #[schemars(example = &"https://recon.example.com")]
    pub public_url: Option<String>,
    /// The proxy in front of it.
    pub trusted_proxy: Option<TrustedProxySpec>,
    /// Origins whose pages may call the API with a token. Default: none.
    #[schemars(example = ["https://tools.example.com"])]
    pub cors_origins: Option<Vec<String>>,
    /// Whether `/docs` and `/openapi.json` are only for who is logged in. Default `false`.
    pub docs_need_login: Option<Written<bool>>,
    /// Requests a second for each person, with four times as many at once; 0 for no limit.
    /// Default 50.
    #[schemars(range(min = 0))]
    pub requests_per_second: Option<Written<Decimal>>,
}

/// The proxy in front of the server: what it says about clients is believed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedProxySpec {
    /// The addresses or networks that it connects from.
    #[schemars(with = "Vec<String>", length(min = 1), example = ["10.0.0.7", "10.1.0.0/16"])]
    pub networks: Option<Vec<String>>,
    /// The header in which it names who is logged in. Default: it names nobody.
    #[schemars(example = &"X-Forwarded-User")]
    pub user_header: Option<String>,
}

/// How a run is done.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionsSpec {
    /// Which records are stored. Default `all`.
    pub keep: Option<KeepSpec>,
    /// The number of threads, or `auto`. Default `auto`: one for each core.
    pub threads: Option<Written<Threads>>,
    /// The memory for records before they go to temporary files. Default `4GiB`.
    pub memory_limit: Option<Written<MemorySize>>,
    /// The folder for temporary files. Default the system's.
    pub temp_dir: Option<String>,
    /// How many rejected rows of a source are too many: a count, or a percentage such as `5%`.
    /// Default: no number is.
    pub max_rejected: Option<Written<RejectedLimit>>,
    /// What an error in a script does to the run. Default `continue`.
    pub on_rule_error: Option<OnRuleErrorSpec>,
}

/// Which records are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeepSpec {
    /// All, as evidence.
    #[default]
    All,
    /// Only those with differences; every figure still counts all.
    Breaks,
}

/// What an error in a script does to the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRuleErrorSpec {
    /// The row or difference is reported and the run goes on.
    #[default]
    Continue,
    /// The run fails.
    Stop,
}
