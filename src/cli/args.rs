//! Command-line arguments. The doc comments are the help texts, and docs/commands.md is produced
//! from them.

mod people;
mod shard;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::Date;
use crate::pipeline::learn::Promote;
use crate::report::Format;
use crate::store::run_reference::RunReference;

use super::exit::FailOn;
use super::output::{ColorWhen, LogFormat};
use super::table::ResultFormat;

pub use people::{Token, TokenCreate, User, UserAdd, UserField};
pub use shard::{
    InputFormat, Shard, ShardClose, ShardDecide, ShardFormat, ShardJob, ShardPlan, ShardPrepare,
    ShardStep, SideOf,
};

/// Clap prints headings in order of first use, so this one comes after a command's own options.
const ALL: &str = "Options of every command";

/// Reconcile two sources: align, compare, give every difference a reason, review
#[derive(Debug, Parser)]
#[command(
    name = "recon",
    version,
    about,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 success; 1 success, but --fail-on found something; 2 wrong usage or configuration; \
3 a source could not be read; 4 the store failed; 5 recon found its own result inconsistent; \
130 interrupted.\n\nStart with `recon init A.csv B.csv`, or try `recon run` in a checkout of recon."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Configuration file
    #[arg(short, long, global = true, help_heading = ALL, value_name = "FILE", default_value = "recon.yaml")]
    pub config: PathBuf,
    /// Store for runs: sqlite:PATH or postgres://user@host/db [default: `store` in the
    /// configuration]
    #[arg(long, global = true, help_heading = ALL, env = "RECON_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
    /// Business date [default: today, local time]
    #[arg(long, global = true, help_heading = ALL, value_name = "YYYY-MM-DD")]
    pub batch_date: Option<Date>,
    /// Print nothing on stderr; check the exit code instead
    #[arg(short, long, global = true, help_heading = ALL)]
    pub quiet: bool,
    /// Print more detail on stderr
    #[arg(short, long, global = true, help_heading = ALL, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Format of messages on stderr
    #[arg(long, global = true, help_heading = ALL, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// When to color output
    #[arg(long, global = true, help_heading = ALL, value_enum, default_value_t = ColorWhen::Auto, value_name = "WHEN")]
    pub color: ColorWhen,
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true, help_heading = ALL)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented recon.yaml and rules, inferred from two files if given
    #[command(after_help = "Example: recon init front_office.csv risk.csv")]
    Init(Init),
    /// Check the configuration, scripts and source headers without reading data rows
    Check(Check),
    /// Run the test fixtures beside the rules
    #[command(after_help = "Exits 1 if a fixture fails.")]
    Test(Test),
    /// Generate a synthetic pair of sources with known causes and labels
    Generate(Generate),
    /// Read, normalize and align both sources; store the run and its records
    Ingest(Pass),
    /// Compare a stored run's records and store the differences
    Diff(Stored),
    /// Give every difference a reason, a confidence and a status
    Attribute(Attribute),
    /// Ingest, diff and attribute in one pass
    #[command(
        after_help = "Examples:\n  recon run --batch-date 2026-01-15\n  recon run --json --fail-on breaks > summary.json"
    )]
    Run(Pass),
    /// Train a model on decided differences or labels
    Train(Train),
    /// Measure rules and model against decided differences or labels
    Evaluate(Evaluate),
    /// List, show, promote and roll back models
    #[command(subcommand)]
    Model(Model),
    /// Group unexplained differences and write candidate rules
    Discover(Discover),
    /// Show the result of a run
    #[command(
        after_help = "Examples:\n  recon report --format md -o report.md\n  recon report --format csv --batch-date 2026-01-15 > breaks.csv"
    )]
    Report(Report),
    /// Explain one record, from raw rows to reasons
    #[command(after_help = "Example: recon explain FX-20260115-0013")]
    Explain(Explain),
    /// Run one read-only SQL statement on the store
    #[command(
        after_help = "Examples:\n  recon sql \"SELECT diff_type, count(*) FROM recon.current_differences GROUP BY 1\"\n  recon sql --format csv < statement.sql > answer.csv\n  recon sql --tables\n\nThe current run of a job and date is its newest attributed run. Views of current runs: current_runs,\ncurrent_records, current_differences, current_attributions. Tables of all runs: recon_runs, recon_records,\ndata_differences, attributions, rejected_rows. Also reason_codes and audit_trail. All are in the schema\nrecon; docs/tables.md describes their columns."
    )]
    Sql(Sql),
    /// List and show breaks: differences followed from date to date
    #[command(subcommand)]
    Breaks(Breaks),
    /// List, show and prune runs
    #[command(subcommand)]
    Runs(Runs),
    /// Run the steps of a job on many machines, moved by an engine such as Apache Spark
    #[command(subcommand)]
    Shard(Shard),
    /// Load a result that was made on many machines as a run
    #[command(after_help = "Example: recon import /data/result --store postgres://recon@db/recon")]
    Import(Import),
    /// Start the review server: page, API and audit trail
    Serve(Serve),
    /// Manage the users of the review server
    #[command(subcommand)]
    User(User),
    /// Manage API tokens
    #[command(subcommand)]
    Token(Token),
    /// Verify, checkpoint and export the audit trail
    #[command(subcommand)]
    Audit(Audit),
    /// Update the store's tables to this version
    Migrate(Migrate),
    /// Print shell completions
    Completions(Completions),
    /// Print or write man pages
    Man(Man),
}

#[derive(Clone, Debug, Args)]
pub struct Finish {
    /// Exit 1 if the run has any of these (repeatable)
    #[arg(long, value_enum, value_name = "KIND")]
    pub fail_on: Vec<FailOn>,
    /// Seconds to wait for another run of the same job and date
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub lock_timeout: u64,
}

#[derive(Clone, Debug, Args)]
pub struct Pass {
    #[command(flatten)]
    pub finish: Finish,
}

#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Run: its id, a unique prefix of it, or `latest` [default: the job's newest run that is not
    /// FAILED]
    #[arg(long, value_name = "ID")]
    pub run: Option<RunReference>,
}

#[derive(Clone, Debug, Args)]
pub struct Stored {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub finish: Finish,
}

#[derive(Clone, Debug, Args)]
pub struct Attribute {
    #[command(flatten)]
    pub which: Which,
    /// Re-decide automatic attributions that no user has decided or proposed to change
    #[arg(long)]
    pub again: bool,
    #[command(flatten)]
    pub finish: Finish,
}

#[derive(Clone, Debug, Args)]
pub struct Import {
    /// Folder with run.json, records, differences, attributions and rejected; or these files
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Seconds to wait for another run of the same job and date
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub lock_timeout: u64,
}

#[derive(Clone, Debug, Args)]
pub struct Init {
    /// Extract of the first system: a file, or the URL of a database (postgres://user@host/db, sqlite:PATH)
    #[arg(value_name = "A.csv", requires = "b")]
    pub a: Option<PathBuf>,
    /// Extract of the second system: a file, or the URL of a database
    #[arg(value_name = "B.csv")]
    pub b: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Print the JSON Schema of recon.yaml, for editors
    #[arg(long)]
    pub schema: bool,
    /// Print the configuration with all defaults; variables are kept, secrets left out
    #[arg(long, conflicts_with = "schema")]
    pub resolved: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Test {
    /// Fixture files [default: every *.tests.yaml beside the configured rules]
    pub files: Vec<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct Generate {
    /// Scenario
    #[arg(long, value_enum, value_name = "SCENARIO", default_value_t = Scenario::Trades)]
    pub scenario: Scenario,
    /// Number of trades, of which each side has almost all, or of payments
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub rows: u64,
    /// Random seed; the same seed writes the same files
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub seed: u64,
    /// YAML file with the rate of each cause of trades
    #[arg(long, value_name = "FILE")]
    pub noise: Option<PathBuf>,
    /// Folder for source_a.csv, source_b.csv, labels.csv and recon.yaml
    #[arg(short, long, value_name = "FOLDER", default_value = "generated")]
    pub output: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Without --labels, the model is trained on users' decisions in all runs of the job (with --run, in \
one). A fifth of the records is held out of training; candidate and champion are compared on it."
)]
pub struct Train {
    /// Print the table of features without training
    #[arg(long)]
    pub features: bool,
    /// List the N undecided differences whose labels would improve the model most, without training; those of --labels count as decided
    #[arg(long, value_name = "N", conflicts_with_all = ["features", "include"])]
    pub ask: Option<usize>,
    /// CSV file with the key fields, `field` and `reason`, joined to the differences of the run
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    #[command(flatten)]
    pub which: Which,
    /// Also learn from these, after users' decisions (repeatable)
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "labels")]
    pub include: Vec<Include>,
    /// Do not learn from this feature, or from those that begin with NAME if it ends with `*` (repeatable)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["features", "ask"])]
    pub without: Vec<String>,
    /// Random seed; the same data and seed give the same model
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub seed: u64,
    /// When to make the new model the champion
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = PromoteWhen::Auto)]
    pub promote: PromoteWhen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Trades with an id that both sides know; labels.csv has the cause of every difference
    Trades,
    /// Bank lines and ledger entries without a common key; labels.csv has the true matches
    Payments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Include {
    /// Reasons accepted from rules
    Rules,
    /// Decisions made alone under `recon serve --solo`
    Solo,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PromoteWhen {
    /// If it is better on the same held-out differences, or there is no champion yet
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<PromoteWhen> for Promote {
    fn from(when: PromoteWhen) -> Self {
        match when {
            PromoteWhen::Auto => Self::Auto,
            PromoteWhen::Always => Self::Always,
            PromoteWhen::Never => Self::Never,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct Evaluate {
    /// CSV file with the key fields, `field` and `reason`, joined to the differences of the run
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    #[command(flatten)]
    pub which: Which,
    /// Also measure against these (repeatable)
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "labels")]
    pub include: Vec<Include>,
    /// Model version [default: the champion]
    #[arg(long, value_name = "VERSION")]
    pub model: Option<u64>,
    /// Compare the run's differences with the model's training data
    #[arg(long)]
    pub drift: bool,
    /// Save the result; later runs use it as rule confidence and for `accept_risk`
    #[arg(long, conflicts_with = "model")]
    pub keep: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Model {
    /// List models, newest first
    List(ModelList),
    /// Show one model: its origin and its quality
    Show(ModelOf),
    /// Make a model the champion of its job
    Promote(ModelPromote),
    /// Restore the previous champion
    Rollback(ModelOf),
}

#[derive(Clone, Debug, Args)]
pub struct ModelList {
    /// Only models of this job [default: the configured job, if any]
    #[arg(long)]
    pub job: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ModelOf {
    /// Version [default: show the champion; roll back to its predecessor]
    #[arg(id = "model_version", value_name = "VERSION")]
    pub version: Option<u64>,
    /// Job [default: the configured job]
    #[arg(long)]
    pub job: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ModelPromote {
    /// Version
    #[arg(id = "model_version", value_name = "VERSION")]
    pub version: u64,
    /// Reason, for the record
    #[arg(long, value_name = "SENTENCE", default_value = "promoted by hand")]
    pub why: String,
}

#[derive(Clone, Debug, Args)]
pub struct Discover {
    #[command(flatten)]
    pub which: Which,
    /// Minimum group size
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub least: u64,
    /// Write the candidate rules to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub which: Which,
    /// Output format
    #[arg(long, value_parser = format_parser(), default_value = "text")]
    pub format: Format,
    /// Print only the reconciliation statement: from A's balance to B's, a line for each reason
    #[arg(long)]
    pub statement: bool,
    /// Print today's open work instead: counts, waiting proposals, the newest run of each job
    #[arg(long, conflicts_with_all = ["statement", "bom", "run", "fail_on", "format"])]
    pub digest: bool,
    /// Start CSV with a byte order mark so that Excel reads it as UTF-8
    #[arg(long)]
    pub bom: bool,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit 1 if the run has any of these (repeatable)
    #[arg(long, value_enum, value_name = "KIND")]
    pub fail_on: Vec<FailOn>,
}

#[derive(Clone, Debug, Args)]
pub struct Explain {
    /// Record: its key values joined by `|` (`\` escapes `|` and `\`)
    #[arg(value_name = "REF")]
    pub reference: String,
    #[command(flatten)]
    pub which: Which,
    /// Print the fixture that pins these reasons instead, for rules/NAME.tests.yaml
    #[arg(long)]
    pub fixture: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Sql {
    /// A statement that only reads, e.g. "SELECT * FROM recon.current_runs"; `-` or no argument
    /// reads standard input
    #[arg(conflicts_with = "tables")]
    pub statement: Option<String>,
    /// List tables and views with their columns and types
    #[arg(long)]
    pub tables: bool,
    /// Fail after N rows; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub limit: u64,
    /// Fail after this many seconds; 0 means no limit
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
    /// Output format [default: table; json with --json]
    #[arg(long, value_enum)]
    pub format: Option<ResultFormat>,
}

#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// Address and port to listen on [default: `server.bind`, else 127.0.0.1:8765]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// URL under which users reach the server, such as `https://recon.example.com` [default:
    /// `server.public_url`]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Let one user decide alone; the audit trail and every page say so
    #[arg(long)]
    pub solo: bool,
    /// Append an access log to this file, one JSON object per request; `-` is stderr [default:
    /// none]
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Breaks {
    /// List breaks: open ones first, the oldest first; and how soon breaks of each kind clear
    List(BreaksList),
    /// Show one break: its episodes and its history
    Show(BreaksShow),
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  recon breaks list --open\n  recon breaks list --cleared --since 2026-01-01 --json\n\n\
Ages run to the day on which a break cleared, or to the newest date of its job. With 30 or more cleared breaks of a \
kind, the shares that cleared within 1, 2 and 5 business days are a forecast, with their 95 % interval."
)]
pub struct BreaksList {
    /// Only breaks of this job
    #[arg(long)]
    pub job: Option<String>,
    /// Only open breaks
    #[arg(long, conflicts_with = "cleared")]
    pub open: bool,
    /// Only cleared breaks
    #[arg(long)]
    pub cleared: bool,
    /// Only breaks that began on or after this date; of cleared ones those that cleared on or after it
    #[arg(long, value_name = "DATE")]
    pub since: Option<Date>,
    /// Show at most N
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: usize,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Example: recon breaks show T-1007")]
pub struct BreaksShow {
    /// Break: its id, the beginning of it, or the reference of its record
    #[arg(value_name = "BREAK")]
    pub named: String,
    /// Only breaks of this job
    #[arg(long)]
    pub job: Option<String>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Runs {
    /// List runs, newest first
    List(RunsList),
    /// Show one run: configuration, rules, sources and counts
    Show(RunsShow),
    /// Delete old runs; keep human decisions
    Prune(RunsPrune),
}

#[derive(Clone, Debug, Args)]
pub struct RunsList {
    /// Only runs of this job
    #[arg(long)]
    pub job: Option<String>,
    /// Show at most N
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

#[derive(Clone, Debug, Args)]
pub struct RunsShow {
    /// Run: its id, a unique prefix of it, or `latest` [default: the newest run that is not FAILED]
    pub run: Option<RunReference>,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The current run of a job and date, its newest attributed one, is kept unless --current is given. Human \
decisions are always kept. The audit trail records every pruned run.\n\n\
Example: recon runs prune --keep 90d --dry-run"
)]
pub struct RunsPrune {
    /// Keep runs younger than this many days or weeks, such as 90d or 12w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub keep: std::time::Duration,
    /// Only runs of this job [default: the configured job]
    #[arg(long, conflicts_with = "all_jobs")]
    pub job: Option<String>,
    /// Runs of every job
    #[arg(long)]
    pub all_jobs: bool,
    /// Delete current runs too
    #[arg(long)]
    pub current: bool,
    /// Return free disk space to the operating system. Rewrites the store: needs as much free space
    /// again and blocks writers meanwhile
    #[arg(long)]
    pub vacuum: bool,
    /// Only show what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}

fn age(text: &str) -> Result<std::time::Duration, String> {
    const DAY: u64 = 86_400;
    let unit = match text.chars().last() {
        Some('d') => DAY,
        Some('w') => 7 * DAY,
        _ => return Err("an age is a number and d (days) or w (weeks), such as 90d".to_owned()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| "not a whole number".to_owned())?;
    let seconds = count.checked_mul(unit).ok_or_else(|| "too long".to_owned())?;
    Ok(std::time::Duration::from_secs(seconds))
}

#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Check that no row of the trail was changed, removed or inserted
    #[command(
        after_help = "Exit codes: 0 intact; 10 broken, naming the first bad row; 11 cut off or forked since a \
checkpoint; 12 tables disagree with the trail; 2 and 4 as for every command.\n\n\
Examples:\n  recon audit verify --checkpoint audit.checkpoints --replay\n  \
recon audit verify --export trail.jsonl\n\ndocs/audit.md shows how to verify without recon."
    )]
    Verify(AuditVerify),
    /// Write a checkpoint of the trail's end, to keep outside the store
    #[command(
        after_help = "Verifies the chain first, also against the checkpoints already in the file. Exits 10 or 11 like \
`recon audit verify` if that fails; no checkpoint is written then.\n\nExample: recon audit checkpoint --out audit.checkpoints"
    )]
    Checkpoint(AuditCheckpoint),
    /// Export the trail to a file that can be verified without the store
    #[command(after_help = "Example: recon audit export --out trail.jsonl")]
    Export(AuditExport),
}

#[derive(Clone, Debug, Args)]
pub struct AuditVerify {
    /// Compare with the checkpoints in this file
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Require every checkpoint to be signed by this public key (Ed25519, PEM)
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub signed_by: Option<PathBuf>,
    /// Rebuild every decided attribution from the trail and compare with the tables
    #[arg(long, conflicts_with = "export")]
    pub replay: bool,
    /// Verify this export instead of a store; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct AuditCheckpoint {
    /// Append to this file instead of printing to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Sign with this private key (Ed25519, PEM)
    #[arg(long, value_name = "FILE")]
    pub sign: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct AuditExport {
    /// Output format
    #[arg(long, value_enum, default_value_t = TrailFormat::Jsonl)]
    pub format: TrailFormat,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TrailFormat {
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values, unescaped: cells may hold formulas that a spreadsheet would run
    Csv,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "With --owner-url, that role owns the tables, and the role of --store may only read the audit trail \
and append to it, so that even the server can't change existing rows (docs/audit.md)."
)]
pub struct Migrate {
    /// PostgreSQL only: URL of the role that owns the tables, if it is not the role that serves
    #[arg(long, value_name = "URL")]
    pub owner_url: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// Shell
    pub shell: clap_complete::Shell,
}

#[derive(Clone, Debug, Args)]
pub struct Man {
    /// Write one page per command into this folder, instead of recon(1) to stdout
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}
