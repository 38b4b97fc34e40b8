//! The command line as written: what `--help` says is the contract.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::Date;
use crate::domain::review::{Permission, Role};
use crate::pipeline::learn::Promote;
use crate::report::Format;

use super::exit::FailOn;
use super::output::{ColorWhen, LogFormat};
use super::run_reference::RunReference;
use super::table::AnswerFormat;

/// Above the options of every command, so that a command's own come first.
const ALL: &str = "Options of every command";

/// Reconcile two sources: align, compare, attribute a reason to every difference, review.
#[derive(Debug, Parser)]
#[command(
    name = "recon",
    version,
    about,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 done, and --fail-on found some; 2 wrong usage or configuration; \
3 a source could not be read; 4 the store failed; 5 recon found its own result inconsistent; \
130 interrupted.\n\nStart with `recon init A.csv B.csv`, or try `recon run` in a checkout of recon."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The configuration file
    #[arg(short, long, global = true, help_heading = ALL, value_name = "FILE", default_value = "recon.yaml")]
    pub config: PathBuf,
    /// Where runs are kept: sqlite:PATH or postgres://user@host/db [the file's `store`]
    #[arg(long, global = true, help_heading = ALL, env = "RECON_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
    /// The business date [default: today, local time]
    #[arg(long, global = true, help_heading = ALL, value_name = "YYYY-MM-DD")]
    pub batch_date: Option<Date>,
    /// Say nothing on stderr; the exit code tells
    #[arg(short, long, global = true, help_heading = ALL)]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true, help_heading = ALL, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How messages on stderr are written
    #[arg(long, global = true, help_heading = ALL, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Whether output is colored
    #[arg(long, global = true, help_heading = ALL, value_enum, default_value_t = ColorWhen::Auto, value_name = "WHEN")]
    pub color: ColorWhen,
    /// Write one JSON object to stdout instead of text for people
    #[arg(long, global = true, help_heading = ALL)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented recon.yaml and rules, guessed from two files if given
    #[command(after_help = "Example: recon init front_office.csv risk.csv")]
    Init(Init),
    /// Check configuration, scripts and the sources' headers without touching data
    Check(Check),
    /// Run the fixtures that sit beside the rules
    #[command(after_help = "Exits 1 if a fixture fails.")]
    Test(Test),
    /// Write a synthetic pair of sources with known noise and labels
    Generate(Generate),
    /// Read, normalize and align both sources; store the run and its records
    Ingest(Pass),
    /// Compare a stored run's records; store the differences
    Diff(Stored),
    /// Give every difference a reason, a confidence and a status
    Attribute(Attribute),
    /// Ingest, diff and attribute in one pass
    #[command(
        after_help = "Examples:\n  recon run --batch-date 2026-01-15\n  recon run --json --fail-on breaks > summary.json"
    )]
    Run(Pass),
    /// Train a model on decided differences or on labels
    Train(Train),
    /// Measure rules and model against decided differences or labels
    Evaluate(Evaluate),
    /// List, show, promote and roll back models
    #[command(subcommand)]
    Model(Model),
    /// Group what nothing explains, and write candidate rules
    Discover(Discover),
    /// Show the result of a run
    #[command(
        after_help = "Examples:\n  recon report --format md -o report.md\n  recon report --format csv --batch-date 2026-01-15 > breaks.csv"
    )]
    Report(Report),
    /// Show one record from raw rows to attribution
    #[command(after_help = "Example: recon explain FX-20260115-0013")]
    Explain(Explain),
    /// Run one read-only statement on the store
    #[command(
        after_help = "Examples:\n  recon sql \"SELECT diff_type, count(*) FROM recon.current_differences GROUP BY 1\"\n  recon sql --format csv < statement.sql > answer.csv\n  recon sql --tables\n\nViews of current runs, the newest attributed run of each job and date: current_runs, current_records,\ncurrent_differences, current_attributions. Of all runs: recon_runs, recon_records, data_differences,\nattributions, rejected_rows. Also reason_codes and audit_trail. All are in the schema recon;\ndocs/tables.md describes their columns."
    )]
    Sql(Sql),
    /// List and show runs
    #[command(subcommand)]
    Runs(Runs),
    /// Serve the review: the queue, the decisions about it, the audit trail
    Serve(Serve),
    /// The people who review: who they are and what they may do
    #[command(subcommand)]
    User(User),
    /// Tokens by which programs use the server
    #[command(subcommand)]
    Token(Token),
    /// The audit trail: is it whole, and what does it say
    #[command(subcommand)]
    Audit(Audit),
    /// Bring the store's tables up to date
    Migrate(Migrate),
    /// Write completions for a shell
    Completions(Completions),
    /// Write man pages
    Man(Man),
}

/// How long to wait, and when to fail.
#[derive(Clone, Debug, Args)]
pub struct Finish {
    /// Exit 1 if the run has some of these (repeatable)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub fail_on: Vec<FailOn>,
    /// Seconds to wait for another run of the same job and date
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub lock_timeout: u64,
}

/// `ingest` and `run`.
#[derive(Clone, Debug, Args)]
pub struct Pass {
    /// When to fail.
    #[command(flatten)]
    pub finish: Finish,
}

/// Which run.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// The run: its id, the beginning of its id, or `latest` [default: the job's newest that is not
    /// FAILED]
    #[arg(long, value_name = "ID")]
    pub run: Option<RunReference>,
}

/// `diff`.
#[derive(Clone, Debug, Args)]
pub struct Stored {
    /// Which run.
    #[command(flatten)]
    pub which: Which,
    /// When to fail.
    #[command(flatten)]
    pub finish: Finish,
}

/// `attribute`.
#[derive(Clone, Debug, Args)]
pub struct Attribute {
    /// Which run.
    #[command(flatten)]
    pub which: Which,
    /// Decide again what the machine decided and no person has touched
    #[arg(long)]
    pub again: bool,
    /// When to fail.
    #[command(flatten)]
    pub finish: Finish,
}

/// `init`.
#[derive(Clone, Debug, Args)]
pub struct Init {
    /// The first system's extract
    #[arg(value_name = "A.csv", requires = "b")]
    pub a: Option<PathBuf>,
    /// The second system's extract
    #[arg(value_name = "B.csv")]
    pub b: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long)]
    pub force: bool,
}

/// `check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Print the JSON Schema of recon.yaml, for editors
    #[arg(long)]
    pub schema: bool,
}

/// `test`.
#[derive(Clone, Debug, Args)]
pub struct Test {
    /// Fixture files [default: every *.tests.yaml beside the configured rules]
    pub files: Vec<PathBuf>,
}

/// `generate`.
#[derive(Clone, Debug, Args)]
pub struct Generate {
    /// True trades; each side keeps almost all of them
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub rows: u64,
    /// The same seed writes the same files
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub seed: u64,
    /// A YAML file with the rate of each cause
    #[arg(long, value_name = "FILE")]
    pub noise: Option<PathBuf>,
    /// Where to write source_a.csv, source_b.csv, labels.csv and recon.yaml
    #[arg(short, long, value_name = "FOLDER", default_value = "generated")]
    pub output: PathBuf,
    /// Overwrite what is there
    #[arg(long)]
    pub force: bool,
}

/// `train`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Without --labels, a model learns from what people decided in the review of all \
runs of the job (of one with --run). One record in five is never trained on: on these, candidate and \
champion are compared."
)]
pub struct Train {
    /// Print the table of features, and train nothing
    #[arg(long)]
    pub features: bool,
    /// A CSV file with the key's fields, `field` and `reason`, joined to the differences of the run
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Which run.
    #[command(flatten)]
    pub which: Which,
    /// Learn also from what these settled, after people's decisions
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "labels")]
    pub include: Vec<Include>,
    /// The same data and seed give the same model
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub seed: u64,
    /// When the model becomes the champion: when it is better on held-out differences, always, never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = PromoteWhen::Auto)]
    pub promote: PromoteWhen,
}

/// What else counts as a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Include {
    /// What rules settled
    Rules,
    /// What one person decided alone (`recon serve --solo`)
    Solo,
}

/// When a model becomes the champion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PromoteWhen {
    /// When it is better on the same held-out differences, or there is no champion yet
    #[default]
    Auto,
    /// In any case
    Always,
    /// In no case
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

/// `evaluate`.
#[derive(Clone, Debug, Args)]
pub struct Evaluate {
    /// A CSV file with the key's fields, `field` and `reason`, joined to the differences of the run
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Which run.
    #[command(flatten)]
    pub which: Which,
    /// Measure also against what these settled
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "labels")]
    pub include: Vec<Include>,
    /// The version of the model [default: the champion]
    #[arg(long, value_name = "VERSION")]
    pub model: Option<u64>,
    /// Compare the run's differences with those that the model was trained on
    #[arg(long)]
    pub drift: bool,
    /// Keep what is measured: from now on rules are as sure as that, and `accept_risk` rests on it
    #[arg(long, conflicts_with = "model")]
    pub keep: bool,
}

/// `model`.
#[derive(Clone, Debug, Subcommand)]
pub enum Model {
    /// The models, newest first
    List(ModelList),
    /// One model: where it comes from and how good it is
    Show(ModelOf),
    /// Make a model the champion of its job
    Promote(ModelPromote),
    /// Make the champion before the present one the champion again
    Rollback(ModelOf),
}

/// `model list`.
#[derive(Clone, Debug, Args)]
pub struct ModelList {
    /// Only this job's [default: the configuration's, if there is one]
    #[arg(long)]
    pub job: Option<String>,
}

/// `model show` and `model rollback`.
#[derive(Clone, Debug, Args)]
pub struct ModelOf {
    /// The version [default: show the champion, roll back to the one before]
    #[arg(id = "model_version", value_name = "VERSION")]
    pub version: Option<u64>,
    /// The job [default: the configuration's]
    #[arg(long)]
    pub job: Option<String>,
}

/// `model promote`.
#[derive(Clone, Debug, Args)]
pub struct ModelPromote {
    /// The version
    #[arg(id = "model_version", value_name = "VERSION")]
    pub version: u64,
    /// Why, for the record
    #[arg(long, value_name = "SENTENCE", default_value = "promoted by hand")]
    pub why: String,
}

/// `discover`.
#[derive(Clone, Debug, Args)]
pub struct Discover {
    /// Which run.
    #[command(flatten)]
    pub which: Which,
    /// The fewest differences of a group
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub least: u64,
    /// Write the candidate rules to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `report`.
#[derive(Clone, Debug, Args)]
pub struct Report {
    /// Which run.
    #[command(flatten)]
    pub which: Which,
    /// What it is written as
    #[arg(long, value_parser = format_parser(), default_value = "text")]
    pub format: Format,
    /// Begin CSV with a byte order mark, so that Excel reads it as UTF-8
    #[arg(long)]
    pub bom: bool,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit 1 if the run has some of these (repeatable)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub fail_on: Vec<FailOn>,
}

/// `explain`.
#[derive(Clone, Debug, Args)]
pub struct Explain {
    /// The record: its key parts joined by `|` (`\` escapes `|` and `\`)
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Which run.
    #[command(flatten)]
    pub which: Which,
}

/// `sql`.
#[derive(Clone, Debug, Args)]
pub struct Sql {
    /// One statement that reads, e.g. "SELECT * FROM recon.current_runs"; `-` or nothing reads it from
    /// standard input
    #[arg(conflicts_with = "tables")]
    pub statement: Option<String>,
    /// List tables and views with their columns and types
    #[arg(long)]
    pub tables: bool,
    /// Stop with an error after N rows; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub limit: u64,
    /// Stop with an error after so many seconds; 0 is no limit
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
    /// How the answer is written [default: table; json with --json]
    #[arg(long, value_enum)]
    pub format: Option<AnswerFormat>,
}

/// `serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The address and port to listen at [default: 127.0.0.1:8765, or `server.bind`]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// Where people reach it, such as `https://recon.example.com` [default: `server.public_url`]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// One person decides alone; the audit trail and every page say so
    #[arg(long)]
    pub solo: bool,
    /// Append the access log, a JSON object for each request, to this file [default: none; `-` is
    /// stderr]
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
}

/// `runs`.
#[derive(Clone, Debug, Subcommand)]
pub enum Runs {
    /// The runs, newest first
    List(RunsList),
    /// One run with its configuration, rules, sources and counts
    Show(RunsShow),
    /// Delete old runs; keep what people decided
    Prune(RunsPrune),
}

/// `runs list`.
#[derive(Clone, Debug, Args)]
pub struct RunsList {
    /// Only this job's
    #[arg(long)]
    pub job: Option<String>,
    /// Show at most N
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// `runs show`.
#[derive(Clone, Debug, Args)]
pub struct RunsShow {
    /// The run: its id, the beginning of its id, or `latest` [default: the newest that is not FAILED]
    pub run: Option<RunReference>,
}

/// `runs prune`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Current runs, the newest attributed one of each job and date, stay unless --current is given. What \
people decided stays always, and each pruned run has its row in the audit trail.\n\n\
Example: recon runs prune --keep 90d --dry-run"
)]
pub struct RunsPrune {
    /// Keep the runs of so many days or weeks, such as 90d or 12w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub keep: std::time::Duration,
    /// Only this job's [default: the configuration's]
    #[arg(long, conflicts_with = "all_jobs")]
    pub job: Option<String>,
    /// Every job's
    #[arg(long)]
    pub all_jobs: bool,
    /// Current runs, too
    #[arg(long)]
    pub current: bool,
    /// Give free disk space back to the operating system: rewrites the store, which takes as much free
    /// space again and makes writers wait
    #[arg(long)]
    pub vacuum: bool,
    /// Only show what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}

/// An age in days or weeks.
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

/// `user`.
#[derive(Clone, Debug, Subcommand)]
pub enum User {
    /// Make a person, or with --same-as one more login of a person
    Add(UserAdd),
    /// Everybody, with roles
    List,
    /// Give a person these roles and no others
    Roles(UserRoles),
    /// Shut a person out; sessions end, tokens open nothing
    Disable(UserName),
    /// Let a person in again
    Enable(UserName),
    /// Reset a password: its owner must change it at the next log-in; ends sessions
    Password(UserPassword),
    /// Print a link by which a person chooses a password
    Invite(UserName),
    /// Let a person see the values of a masked field
    Grant(UserField),
    /// Let a person no longer see the values of a masked field
    Revoke(UserField),
}

/// `user add`.
#[derive(Clone, Debug, Args)]
pub struct UserAdd {
    /// The login: letters, digits, and `.`, `_`, `-`, `@`, `+` between them
    pub name: String,
    /// A role (repeatable)
    #[arg(long, value_parser = role_parser(), value_name = "ROLE")]
    pub role: Vec<Role>,
    /// The name that others see [default: the login]
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
    /// A file whose first line is the password, to be changed at the first log-in; `-` is standard input
    /// [default: ask]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_password", "service", "same_as"])]
    pub password_file: Option<PathBuf>,
    /// No password: a proxy says who comes, or `recon user invite` lets them choose one
    #[arg(long)]
    pub no_password: bool,
    /// The person's other login, whose roles this one shares; the person must agree to it
    #[arg(long, value_name = "NAME", conflicts_with = "service")]
    pub same_as: Option<String>,
    /// A program, which comes in by tokens only and is nobody's second pair of eyes
    #[arg(long)]
    pub service: bool,
}

/// `user roles`.
#[derive(Clone, Debug, Args)]
pub struct UserRoles {
    /// The login
    pub name: String,
    /// A role (repeatable); without any, the person has none
    #[arg(long, value_parser = role_parser(), value_name = "ROLE")]
    pub role: Vec<Role>,
}

/// `user disable`, `user enable` and `user invite`.
#[derive(Clone, Debug, Args)]
pub struct UserName {
    /// The login
    pub name: String,
}

/// `user password`.
#[derive(Clone, Debug, Args)]
pub struct UserPassword {
    /// The login
    pub name: String,
    /// A file whose first line is the password; `-` is standard input [default: ask]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `user grant` and `user revoke`.
#[derive(Clone, Debug, Args)]
pub struct UserField {
    /// The login
    pub name: String,
    /// The field
    pub field: String,
}

/// `token`.
#[derive(Clone, Debug, Subcommand)]
pub enum Token {
    /// Make a token; it is shown once
    Create(TokenCreate),
    /// The tokens, newest first, without their secrets
    List(TokenList),
    /// Make a token useless
    Revoke(TokenRevoke),
}

/// `token create`.
#[derive(Clone, Debug, Args)]
pub struct TokenCreate {
    /// What it is for
    pub name: String,
    /// The login of whose rights it has a part
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// What it may do, no more than its person (repeatable)
    #[arg(long, value_parser = scope_parser(), value_name = "SCOPE", required = true)]
    pub scope: Vec<Permission>,
    /// For how long it is good, at most 90d
    #[arg(long, value_parser = days, value_name = "DAYS", default_value = "30d")]
    pub expires: i64,
}

/// `token list`.
#[derive(Clone, Debug, Args)]
pub struct TokenList {
    /// Only this login's
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// `token revoke`.
#[derive(Clone, Debug, Args)]
pub struct TokenRevoke {
    /// The token's id, the part after `rcn_`
    pub id: String,
}

/// Roles by their names.
fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.iter().map(|role| role.name()))
        .try_map(|name| Role::from_name(&name).ok_or("no role"))
}

/// Permissions by their names.
fn scope_parser() -> impl TypedValueParser<Value = Permission> {
    PossibleValuesParser::new(Permission::ALL.iter().map(|one| one.name()))
        .try_map(|name| Permission::from_name(&name).ok_or("no scope"))
}

/// `30d` or `30`.
fn days(text: &str) -> Result<i64, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    number.parse().map_err(|_| "write a number of days, such as 30d".to_owned())
}

/// `audit`.
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Check that no row of the trail was changed, taken out or put in
    #[command(
        after_help = "Exit codes: 0 whole; 10 broken: the first bad row is named; 11 cut off or forked, as a \
checkpoint tells; 12 the tables are not what the trail tells; 2 and 4 as everywhere.\n\n\
Examples:\n  recon audit verify --checkpoint audit.checkpoints --replay\n  \
recon audit verify --export trail.jsonl\n\ndocs/audit.md shows how to verify without recon."
    )]
    Verify(AuditVerify),
    /// Note down the end of the trail, to keep outside the store
    #[command(
        after_help = "The chain is checked first, and against the checkpoints that the file has: exits 10 and 11 as \
`recon audit verify`, and then nothing is added.\n\nExample: recon audit checkpoint --out audit.checkpoints"
    )]
    Checkpoint(AuditCheckpoint),
    /// Write the trail to a file that can be verified without the store
    #[command(after_help = "Example: recon audit export --out trail.jsonl")]
    Export(AuditExport),
}

/// `audit verify`.
#[derive(Clone, Debug, Args)]
pub struct AuditVerify {
    /// Compare with the checkpoints of this file
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Each checkpoint must be signed by this public key (Ed25519, PEM)
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub signed_by: Option<PathBuf>,
    /// Rebuild every decided attribution from the trail and compare it with the tables
    #[arg(long, conflicts_with = "export")]
    pub replay: bool,
    /// Verify this export instead of a store; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
}

/// `audit checkpoint`.
#[derive(Clone, Debug, Args)]
pub struct AuditCheckpoint {
    /// Add it to this file instead of writing it to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Sign it with this private key (Ed25519, PEM)
    #[arg(long, value_name = "FILE")]
    pub sign: Option<PathBuf>,
}

/// `audit export`.
#[derive(Clone, Debug, Args)]
pub struct AuditExport {
    /// What it is written as
    #[arg(long, value_enum, default_value_t = TrailFormat::Jsonl)]
    pub format: TrailFormat,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What an export of the audit trail is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TrailFormat {
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values; cells are as they are, also those that a spreadsheet would run
    Csv,
}

/// `migrate`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "With --owner-url the tables belong to that role, and the role of --store may only read the audit \
trail and add to it: then not even the server can change what was written (docs/audit.md)."
)]
pub struct Migrate {
    /// PostgreSQL: the role that owns the tables, when another one serves
    #[arg(long, value_name = "URL")]
    pub owner_url: Option<String>,
}

/// `completions`.
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Clone, Debug, Args)]
pub struct Man {
    /// Write one page for each command into this folder, instead of recon(1) to stdout
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}

/// Report formats by the names that the report gives them.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}
