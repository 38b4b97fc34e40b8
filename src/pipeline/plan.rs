//! The plan of a job: everything the stages need, resolved and checked.

use std::path::PathBuf;
use std::sync::Arc;

use crate::attribute::AttributionPlan;
use crate::compare::Comparison;
use crate::diagnostic::Problem;
use crate::domain::calendar::Calendar;
use crate::domain::{Date, Decimal, Layout, MoneyFields, PerSide, ReasonCode};
use crate::matching::{Bound, Pass, Settings};
use crate::normalize::SidePlan;
use crate::source::{Fill, SourcePlan};

use super::open_items::CarriedRows;

/// A job for one business date, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub job: String,
    pub batch_date: Date,
    pub systems: PerSide<String>,
    pub sources: PerSide<SourcePlan>,
    /// Columns to fill down.
    pub fill: PerSide<Fill>,
    pub layout: Arc<Layout>,
    /// How rows without a common key are matched.
    pub matching: Option<MatchPlan>,
    /// The sides whose rows stay open from date to date.
    pub open_items: Option<OpenItems>,
    /// The rows taken over from the previous date, once they are known.
    pub carried: Arc<CarriedRows>,
    pub normalize: PerSide<Arc<SidePlan>>,
    pub comparison: Arc<Comparison>,
    /// Fields that are amounts of money, and the one with their currency.
    pub money: MoneyFields,
    pub attribution: Arc<AttributionPlan>,
    pub reason_codes: Vec<ReasonCode>,
    /// Columns that the map does not use.
    pub unused_columns: PerSide<Vec<String>>,
    /// Warnings about headers and filters.
    pub findings: Vec<Problem>,
    pub options: Options,
    /// Human decisions hold on the next date.
    pub carry_across_dates: bool,
    /// Stored with the run.
    pub record: ConfigurationRecord,
}

impl Plan {
    /// The job's business calendar: that of the first field or pass that counts business days.
    pub fn calendar(&self) -> Option<&Calendar> {
        let passes = || {
            let matching = self.matching.iter();
            let mut near = matching.flat_map(|one| &one.passes).flat_map(|pass| &pass.near);
            near.find_map(|near| match &near.bound {
                Bound::BusinessDays(_, calendar) => Some(calendar),
                _ => None,
            })
        };
        self.comparison.calendar().or_else(passes)
    }
}

/// How rows that share no key are matched.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchPlan {
    /// The passes after that by the key, if there is one.
    pub passes: Vec<Pass>,
    /// Settings of all passes.
    pub settings: Settings,
    /// The fields that name a row: positions in the layout; the key if there are none.
    pub refs: Vec<usize>,
}

impl MatchPlan {
    /// The name of the pass by the key.
    pub const KEY_PASS: &str = "key";
}

/// The sides whose rows stay open from date to date, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenItems {
    /// The sources that deliver only new rows.
    pub movements: PerSide<bool>,
    /// A row without a partner that is older than this expires.
    pub max_age_days: Option<u32>,
}

impl OpenItems {
    /// One source delivers everything, the other only new rows: a movement takes part as long as the snapshot
    /// delivers its partner.
    pub const fn is_mixed(self) -> bool {
        self.movements.a != self.movements.b
    }
}

/// Settings that affect how a run executes, not its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Also store matched records.
    pub keep_all: bool,
    pub threads: usize,
    /// Bytes that rows may use in memory.
    pub memory_limit: u64,
    /// Where rows spill beyond that.
    pub temp_dir: PathBuf,
    /// The limit for rejected rows.
    pub max_rejected: Option<MaxRejected>,
    /// A failing rule ends the run.
    pub stop_on_rule_error: bool,
}

/// The limit for rejected rows of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxRejected {
    Count(u64),
    /// A percentage of the rows read.
    Percent(Decimal),
}

impl MaxRejected {
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

/// The configuration as stored with a run: before replacement of variables, without passwords.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigurationRecord {
    pub configuration: serde_json::Value,
    /// The parts that determine records and differences: `key`, `map`, `fields`, `normalize`. Later
    /// commands on the run require them unchanged.
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
