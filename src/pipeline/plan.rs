//! The plan of a job: everything the stages need, resolved and checked.

use std::path::PathBuf;
use std::sync::Arc;

use crate::attribute::AttributionPlan;
use crate::compare::Comparison;
use crate::diagnostic::Problem;
use crate::domain::{Date, Decimal, Layout, PerSide, ReasonCode};
use crate::normalize::SidePlan;
use crate::source::{Fill, SourcePlan};

/// A job for one business date, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The job's name.
    pub job: String,
    /// The business date.
    pub batch_date: Date,
    /// The systems behind the sources.
    pub systems: PerSide<String>,
    /// How the sources are read.
    pub sources: PerSide<SourcePlan>,
    /// Which of their columns are filled down.
    pub fill: PerSide<Fill>,
    /// The canonical fields.
    pub layout: Arc<Layout>,
    /// How rows become cells.
    pub normalize: PerSide<Arc<SidePlan>>,
    /// How records are compared.
    pub comparison: Arc<Comparison>,
    /// Which of the fields are amounts of money.
    pub monetary: Vec<bool>,
    /// How differences get reasons.
    pub attribution: Arc<AttributionPlan>,
    /// The reason codes of the file.
    pub reason_codes: Vec<ReasonCode>,
    /// Columns that one side has and the map does not use.
    pub unused_columns: PerSide<Vec<String>>,
    /// What should be looked at in the sources' headers and filters.
    pub findings: Vec<Problem>,
    /// Settings of the machinery.
    pub options: Options,
    /// What is stored with the run.
    pub record: ConfigurationRecord,
}

/// Settings that change how a run works, not what it finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Keep matched records, too.
    pub keep_all: bool,
    /// Worker threads.
    pub threads: usize,
    /// Bytes that rows may take up in memory.
    pub memory_limit: u64,
    /// Where rows go beyond that.
    pub temp_dir: PathBuf,
    /// How many rejected rows are too many.
    pub max_rejected: Option<MaxRejected>,
    /// A failing rule ends the run.
    pub stop_on_rule_error: bool,
}

/// How many rejected rows of a source are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxRejected {
    /// More than so many.
    Count(u64),
    /// More than this percentage of the rows read.
    Percent(Decimal),
}

impl MaxRejected {
    /// Whether this is too many.
    pub fn exceeded(self, rejected: u64, read: u64) -> bool {
        match self {
            Self::Count(limit) => rejected > limit,
            Self::Percent(limit) => {
                let decimal = |count: u64| Decimal::new(count.into(), 0).unwrap_or(Decimal::ZERO);
                let (rejected, read) = (decimal(rejected), decimal(read));
                !Decimal::within_percent(rejected, Decimal::ZERO, limit, read)
            }
        }
    }
}

/// The configuration as it is stored with a run: before replacement, without passwords.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigurationRecord {
    /// The whole file.
    pub configuration: serde_json::Value,
    /// The parts that decide what records and differences are: `key`, `map`, `fields`,
    /// `normalize`. A later command on the run must find them unchanged.
    pub identity: serde_json::Value,
    /// The rule files with path, size, SHA-256 and the lines of their functions.
    pub rules: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_of_rejected_rows_is_exact() {
        let limit = MaxRejected::Percent("0.5".parse().unwrap());
        assert!(!limit.exceeded(5, 1_000));
        assert!(limit.exceeded(6, 1_000));
        assert!(!limit.exceeded(0, 0));
        assert!(MaxRejected::Count(0).exceeded(1, 100));
    }
}
