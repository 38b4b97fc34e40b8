//! Arguments of `recon shard`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// docs/shard.md describes the streams and the order of the steps.
#[derive(Debug, Subcommand)]
pub enum Shard {
    /// Write the job file, the only file that the other steps need
    Plan(ShardPlan),
    /// Read rows of one source: stdin or an input of the source; write prepared rows with their slots
    Prepare(ShardPrepare),
    /// Add up the counts of a step's tasks, and write the state for the next steps
    Decide(ShardDecide),
    /// One step of matching: by the key, each pass, then the rest
    Match(ShardMatch),
    /// Sample the records before the first decision; with a model, count all differences
    Survey(ShardStep),
    /// Make records, differences and reasons of the rows of whole slots
    Join(ShardJoin),
    /// Add up everything, prove the books, and write run.json
    Close(ShardClose),
}

#[derive(Clone, Debug, Args)]
pub struct ShardPlan {
    /// Write the job to this file
    #[arg(short, long, value_name = "JOB")]
    pub output: PathBuf,
    /// JSON file that describes sources that arrive as a stream: name, columns, files
    #[arg(long, value_name = "FILE")]
    pub sources: Option<PathBuf>,
    /// Id of the run, a UUIDv7 [default: a new one]
    #[arg(long, value_name = "UUID")]
    pub run_id: Option<crate::domain::RunId>,
    /// Start of the run, in UTC, e.g. 2026-01-15T06:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub started: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ShardJob {
    /// File written by `recon shard plan`
    #[arg(long, value_name = "JOB")]
    pub job: PathBuf,
    /// Worker threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// Memory for rows, in MiB; beyond it they go to temporary files
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub memory: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// Arrow IPC stream
    #[default]
    Arrow,
    /// Comma-separated values with a header row, in UTF-8
    Csv,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ShardFormat {
    /// Arrow IPC stream
    #[default]
    Arrow,
    /// One JSON object per line
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideOf {
    /// Source A
    A,
    /// Source B
    B,
}

#[derive(Clone, Debug, Args)]
pub struct ShardPrepare {
    #[command(flatten)]
    pub of: ShardJob,
    /// Side of the rows
    #[arg(long, value_enum)]
    pub side: SideOf,
    /// Format of standard input
    #[arg(long, value_enum, default_value_t, conflicts_with = "read")]
    pub format: InputFormat,
    /// Line of the first row, if rows have no column `_recon_line`
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "read")]
    pub first_line: u64,
    /// Read the source's N-th input (from 0) instead of standard input
    #[arg(long, value_name = "N")]
    pub read: Option<usize>,
}

#[derive(Clone, Debug, Args)]
pub struct ShardDecide {
    #[command(flatten)]
    pub of: ShardJob,
    /// State written by the last `recon shard decide`
    #[arg(long, value_name = "STATE")]
    pub state: Option<PathBuf>,
    /// Write the new state to this file
    #[arg(short, long, value_name = "STATE")]
    pub output: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ShardStep {
    #[command(flatten)]
    pub of: ShardJob,
    /// State written by the last `recon shard decide`
    #[arg(long, value_name = "STATE")]
    pub state: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ShardMatch {
    #[command(flatten)]
    pub step: ShardStep,
    /// Which step of matching, from 0
    #[arg(long, value_name = "N")]
    pub pass: usize,
}

#[derive(Clone, Debug, Args)]
pub struct ShardJoin {
    #[command(flatten)]
    pub step: ShardStep,
    /// Format of the result
    #[arg(
        id = "result_format",
        long = "format",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub format: ShardFormat,
}

#[derive(Clone, Debug, Args)]
pub struct ShardClose {
    #[command(flatten)]
    pub step: ShardStep,
    /// Format of standard input: rows of the slot -1 whose payload are counts, or result lines
    #[arg(
        id = "result_format",
        long = "format",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub format: ShardFormat,
    /// Write the run's description to this file
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}
