//! Exit codes: the one place where problems and findings become numbers.

use std::fmt;

use clap::ValueEnum;

use crate::diagnostic::{Class, Code, Problem, Problems};
use crate::domain::Stage;
use crate::report::Summary;
use crate::store::audit::Verdict;

pub(super) const DONE: u8 = 0;
pub(super) const FOUND: u8 = 1;
pub(super) const UNWRITABLE: u8 = code(Class::Usage);

/// The audit trail is broken.
const BROKEN: u8 = 10;
/// The audit trail has been cut off or forked, as a checkpoint shows.
const CUT: u8 = 11;
/// The tables disagree with the audit trail.
const DIFFERS: u8 = 12;

pub(super) const fn code(class: Class) -> u8 {
    match class {
        Class::Warning => DONE,
        Class::Usage => 2,
        Class::Source => 3,
        Class::Store => 4,
        Class::Inconsistent => 5,
        Class::Interrupted => 130,
    }
}

/// The exit code of the gravest problem.
pub(super) fn code_of(problems: &Problems) -> u8 {
    problems.0.iter().map(|problem: &Problem| problem.class).max().map_or(DONE, code)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Records with a difference
    Breaks,
    /// Differences whose status is UNKNOWN
    Unknown,
    /// Records that the data quality gate blocks
    Blocked,
    /// Rejected rows
    Rejected,
    /// Differences on which a rule failed
    #[value(name = "rule_errors")]
    RuleErrors,
}

impl FailOn {
    pub(super) fn count(self, summary: &Summary) -> u64 {
        match self {
            Self::Breaks => summary.records.breaks,
            Self::Unknown => summary.awaiting(),
            Self::Blocked => summary.gate.map_or(0, |gate| gate.blocked),
            Self::Rejected => summary.records.rejected_a + summary.records.rejected_b,
            Self::RuleErrors => summary.rule_errors,
        }
    }

    /// The stage a run must have reached before this can be counted.
    const fn needs(self) -> Stage {
        match self {
            Self::Rejected => Stage::Ingested,
            Self::Breaks => Stage::Compared,
            Self::Unknown | Self::Blocked | Self::RuleErrors => Stage::Attributed,
        }
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Breaks => "breaks",
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
            Self::Rejected => "rejected",
            Self::RuleErrors => "rule_errors",
        })
    }
}

/// Refuses a `--fail-on` that an earlier stage can't produce: the count would always be 0.
pub(super) fn check_fail_on(fail_on: &[FailOn], reached: Option<Stage>) -> Result<(), Problem> {
    let Some(what) = fail_on.iter().find(|what| reached < Some(what.needs())) else {
        return Ok(());
    };
    let (missing, command) = match what.needs() {
        Stage::Attributed => ("attributed", "recon attribute"),
        Stage::Compared => ("compared", "recon diff"),
        Stage::Ingested => ("ingested", "recon ingest"),
    };
    Err(Problem::new(
        Code::FailOnStage,
        format!("`--fail-on {what}` needs a run that is {missing}, and this one is not"),
    )
    .help(format!("give it to `recon run`, or to `{command}`")))
}

pub(super) fn code_of_run(summary: &Summary, fail_on: &[FailOn]) -> u8 {
    if fail_on.iter().any(|what| what.count(summary) > 0) { FOUND } else { DONE }
}

/// The exit code for the gravest finding of `recon audit verify`.
pub const fn code_of_verdict(verdict: &Verdict) -> u8 {
    if verdict.first_bad.is_some() {
        BROKEN
    } else if verdict.against_checkpoint.is_some() {
        CUT
    } else if !verdict.replay_differs.is_empty() {
        DIFFERS
    } else {
        DONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_class_has_its_code_and_the_gravest_decides() {
        let codes = [
            Class::Warning,
            Class::Usage,
            Class::Source,
            Class::Store,
            Class::Inconsistent,
            Class::Interrupted,
        ]
        .map(code);
        assert_eq!(codes, [0, 2, 3, 4, 5, 130]);
        assert_eq!(code_of(&Problems::default()), 0);
        let problems = Problems(vec![
            Problem::new(Code::SourceUnreadable, "x"),
            Problem::new(Code::AmbiguousFormat, "x"),
            Problem::new(Code::UnknownKey, "x"),
        ]);
        assert_eq!(code_of(&problems), 3);
    }

    #[test]
    fn fail_on_counts_the_requested_kind() {
        let mut summary = sample::summary();
        summary.rule_errors = 3;
        let all = [
            FailOn::Breaks,
            FailOn::Unknown,
            FailOn::Blocked,
            FailOn::Rejected,
            FailOn::RuleErrors,
        ];
        assert_eq!(all.map(|what| what.count(&summary)), [233, 20, 155, 2, 3]);
        let refused = |reached: Stage| {
            all.into_iter().filter(|what| check_fail_on(&[*what], Some(reached)).is_err()).count()
        };
        assert_eq!([Stage::Ingested, Stage::Compared, Stage::Attributed].map(refused), [4, 3, 0]);
        assert!(check_fail_on(&[], None).is_ok());
        assert_eq!(code_of_run(&summary, &[]), DONE);
        assert_eq!(code_of_run(&summary, &[FailOn::Rejected]), FOUND);
        summary.records.rejected_a = 0;
        assert_eq!(code_of_run(&summary, &[FailOn::Rejected]), DONE);
        assert_eq!(code_of_run(&summary, &[FailOn::Rejected, FailOn::Unknown]), FOUND);
        summary.gate = None;
        assert_eq!(FailOn::Blocked.count(&summary), 0);
        for what in all {
            assert_eq!(FailOn::from_str(&what.to_string(), false), Ok(what));
        }
    }
}
