//! `recon.yaml` as written: every key that the file may have.
//!
//! The doc comments are the descriptions in the JSON Schema and the reference. Stages declare their
//! own parts; [`check`](super::check) resolves them and checks that they fit together.

mod matching;
mod review;

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::named::Named;
use super::settings::{MemorySize, RejectedLimit, Share, Threads};
use crate::compare::ToleranceSpec;
use crate::domain::OneOrMany;
use crate::domain::{Decimal, Kind, Severity, Written};
use crate::normalize::{ConditionSpec, NumberSpec, StepSpec};
use crate::source::ReadSpec;

pub use matching::{AmbiguousSpec, MatchSpec, NearSpec, PassSpec, ShapeSpec};
pub use review::ReviewSpec;

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
    /// The fields by which a row of A and a row of B are known to belong together. Required unless there is
    /// `match`; with both, the key is the first pass.
    #[schemars(length(min = 1), example = ["transaction_id"])]
    pub key: Option<Vec<String>>,
    /// With `match`: the fields that name a row in reports. Default the key, else side and line, such as
    /// `A:17`.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1), example = ["invoice_no"])]
    pub reference: Option<Vec<String>>,
    /// How rows that share no key are matched.
    #[serde(rename = "match")]
    pub matching: Option<MatchSpec>,
    /// Sources that deliver only new rows: those without a partner take part again on the next business date.
    pub open_items: Option<OpenItemsSpec>,
    /// The canonical fields: the key's and those to compare.
    #[schemars(with = "Named<FieldSpec>")]
    pub fields: Option<Named<FieldSpec>>,
    /// The field that holds the currency of a record's amounts. Fields with `monetary: true` are added up by
    /// it.
    #[schemars(example = &"currency")]
    pub currency_field: Option<String>,
    /// The scripts.
    pub rules: Option<RulesSpec>,
    /// The causes that a difference may have. `UNKNOWN` always exists.
    pub reason_codes: Option<Named<ReasonCodeSpec>>,
    /// Automatic acceptance.
    pub attribution: Option<AttributionSpec>,
    /// Options of a run.
    pub options: Option<OptionsSpec>,
    /// The review policy: approvals, thresholds and deadlines.
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

/// Sources that deliver only new rows.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenItemsSpec {
    /// How source A delivers. Default `snapshot`.
    pub a: Option<DeliverySpec>,
    /// How source B delivers. Default `snapshot`.
    pub b: Option<DeliverySpec>,
    /// A row without a partner that is older than this number of days expires. Default: never.
    #[schemars(range(min = 0))]
    pub max_age_days: Option<Written<u32>>,
}

/// How a source delivers rows for a business date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliverySpec {
    /// Everything there is.
    #[default]
    Snapshot,
    /// Only new rows.
    Movements,
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
    /// A script for this source only; its functions take precedence over those of
    /// `rules.normalize`.
    #[schemars(example = &"rules/risk.rhai")]
    pub script: Option<String>,
    /// A function of the row, in the source's script or in `rules.normalize`, that returns whether
    /// the row takes part.
    #[schemars(example = &"is_live")]
    pub filter: Option<String>,
    /// Conditions for a row to take part. They are checked before the number of fields, so they can
    /// leave out totals and section lines.
    #[serde(rename = "where")]
    pub conditions: Option<Vec<ConditionSpec>>,
    /// Columns to fill down: an empty cell takes the previous row's value.
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
    /// A description for users.
    pub description: Option<String>,
    /// Steps that every value goes through before its type is read.
    pub normalize: Option<Vec<StepSpec>>,
    /// Formats of dates and datetimes in strftime notation, tried in order. Default ISO 8601.
    #[schemars(example = ["%Y-%m-%d"])]
    pub formats: Option<Vec<String>>,
    /// How numbers are written.
    pub numbers: Option<NumberSpec>,
    /// `false` makes the field informational: it is read, stored, shown and available to rules, but never a
    /// difference, and only one source needs to map it. Default `true`.
    pub compare: Option<Written<bool>>,
    /// How far the two sides may be apart. Default: not at all.
    pub tolerance: Option<ToleranceSpec>,
    /// Severity of a difference of this field, by default `medium`.
    pub severity: Option<SeveritySpec>,
    /// The value that null equals.
    pub null_equals: Option<String>,
    /// An amount of money: added up by currency, and subject to the review's thresholds. Default `false`.
    pub monetary: Option<Written<bool>>,
}

/// The severity of a difference.
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
    /// The script with functions for steps and filters, and `row`.
    #[schemars(example = &"rules/normalize.rhai")]
    pub normalize: Option<String>,
    /// The scripts with rules (`attribute…` functions), in order.
    #[schemars(example = ["rules/attribution.rhai"])]
    pub attribute: Option<OneOrMany>,
}

/// A cause that a difference may have.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonCodeSpec {
    /// `true` if business explains it (rounding, timing); `false` for an error to mend at the source.
    pub functional: Written<bool>,
    /// A sentence for people.
    pub description: String,
    /// With `open_items`: an open row to which people give this reason is closed and does not take part
    /// again. Default `false`.
    pub closes: Option<Written<bool>>,
}

/// Automatic acceptance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributionSpec {
    /// Minimum confidence for automatic acceptance, 0 to 1; a rule's measured precision, where
    /// known, must reach it too. Default 0.90.
    #[schemars(range(min = 0, max = 1))]
    pub accept_at: Option<Written<Decimal>>,
    /// Which reasons are accepted automatically. Default `all`.
    pub accept: Option<AcceptSpec>,
    /// Instead of `accept_at`: thresholds are chosen that keep this risk.
    pub accept_risk: Option<AcceptRiskSpec>,
    /// Share of automatically accepted differences that are checked blind: `0.05`, or `5%`. Default
    /// 0.
    pub audit_sample: Option<Written<Share>>,
    /// The model, used where no rule applies.
    pub model: Option<ModelSpec>,
}

/// Which reasons are accepted automatically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AcceptSpec {
    /// Every reason.
    #[default]
    All,
    /// Only those that business explains.
    Functional,
}

/// A bound on wrong automatic acceptances.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRiskSpec {
    /// Maximum share of wrong acceptances: `0.005`, or `0.5%`.
    pub max_false: Written<Share>,
    /// Confidence level of that bound: `0.95`, or `95%`.
    pub assurance: Written<Share>,
}

/// The model, used where no rule applies.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// `false` turns the model off. Default `true`; without a trained model only the rules decide.
    pub enabled: Option<Written<bool>>,
    /// Below this confidence, the model decides instead of a rule. Default: if it is surer than such claims were right.
    pub overrule_below: Option<Written<Share>>,
}

/// The review server, `recon serve`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// Address and port to listen on. Default `127.0.0.1:8765`.
    #[schemars(example = &"127.0.0.1:8765")]
    pub bind: Option<String>,
    /// Its address in browsers, without a path: requests for other hosts are refused.
    #[schemars(example = &"https://recon.example.com")]
    pub public_url: Option<String>,
    /// The proxy in front of it.
    pub trusted_proxy: Option<TrustedProxySpec>,
    /// Origins whose pages may call the API with a token. Default: none.
    #[schemars(example = ["https://tools.example.com"])]
    pub cors_origins: Option<Vec<String>>,
    /// Whether `/docs` and `/openapi.json` need a login. Default `false`.
    pub docs_need_login: Option<Written<bool>>,
    /// Requests a second for each user, with bursts of four times as many; 0 for no limit. Default
    /// 50.
    #[schemars(range(min = 0))]
    pub requests_per_second: Option<Written<Decimal>>,
    /// Webhooks. Default: none.
    pub notify: Option<NotifySpec>,
}

/// Webhooks: messages sent to a URL, signed with a secret.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifySpec {
    /// The URL to post to.
    #[schemars(example = &"https://hooks.example.com/recon")]
    pub url: Option<String>,
    /// The key of the signature; give it as a variable.
    #[schemars(example = &"${RECON_NOTIFY_SECRET}")]
    pub secret: Option<String>,
    /// Which events: `run_finished`, `item_overdue`, `proposal_waiting`. Default: all.
    #[schemars(example = ["run_finished", "proposal_waiting"])]
    pub events: Option<Vec<String>>,
}

/// The trusted proxy in front of the server: its headers about clients are believed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedProxySpec {
    /// Its addresses or networks.
    #[schemars(with = "Vec<String>", length(min = 1), example = ["10.0.0.7", "10.1.0.0/16"])]
    pub networks: Option<Vec<String>>,
    /// The header with the logged-in user. Default: none.
    #[schemars(example = &"X-Forwarded-User")]
    pub user_header: Option<String>,
}

/// Options of a run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionsSpec {
    /// Which records are stored. Default `all`.
    pub keep: Option<KeepSpec>,
    /// The number of threads, or `auto`. Default `auto`: one for each core.
    pub threads: Option<Written<Threads>>,
    /// Memory for records; beyond it, temporary files are used. Default `4GiB`.
    pub memory_limit: Option<Written<MemorySize>>,
    /// Folder for temporary files. Default the system's.
    pub temp_dir: Option<String>,
    /// Maximum number of rejected rows of a source: a count, or a percentage such as `5%`. Default:
    /// no limit.
    pub max_rejected: Option<Written<RejectedLimit>>,
    /// Whether an error in a script ends the run. Default `continue`.
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

/// Whether an error in a script ends the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRuleErrorSpec {
    /// The row or difference is reported, and the run continues.
    #[default]
    Continue,
    /// The run fails.
    Stop,
}
