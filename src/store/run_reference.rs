//! References to a run: its id, a unique prefix of it, or `latest`. Command line and server resolve them
//! here.

use std::str::FromStr;

use crate::diagnostic::{Code, Problem};
use crate::domain::Date;

use super::{RunFilter, RunRow, Store};

/// A user's reference to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunReference {
    Latest,
    /// The start of an id: lower-case hexadecimal digits, without hyphens.
    Prefix(String),
}

impl FromStr for RunReference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::Latest);
        }
        let digits = text.replace('-', "").to_ascii_lowercase();
        let is_id =
            (1..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id {
            Ok(Self::Prefix(digits))
        } else {
            Err("give a run id, a unique prefix of one, or `latest`")
        }
    }
}

/// The referenced run; without a reference the job's newest that is not FAILED, on the given
/// business date if any.
pub fn find(
    store: &dyn Store,
    reference: Option<&RunReference>,
    job: Option<&str>,
    batch_date: Option<Date>,
) -> Result<RunRow, Problem> {
    let Some(RunReference::Prefix(prefix)) = reference else {
        return newest(store, job, batch_date, true);
    };
    of_prefix(store, prefix)
}

/// The run that a later command goes on with: as [`find`], and also one of which such a command failed.
/// Rows of earlier commands are complete.
///
/// # Errors
/// As [`find`].
pub fn find_to_go_on(
    store: &dyn Store,
    reference: Option<&RunReference>,
    job: Option<&str>,
    batch_date: Option<Date>,
) -> Result<RunRow, Problem> {
    match reference {
        Some(RunReference::Prefix(prefix)) => of_prefix(store, prefix),
        _ => newest(store, job, batch_date, false),
    }
}

fn of_prefix(store: &dyn Store, prefix: &str) -> Result<RunRow, Problem> {
    let filter = RunFilter { id_prefix: Some(prefix.to_owned()), ..RunFilter::default() };
    let mut runs = store.runs(&RunFilter { limit: Some(4), ..filter })?;
    match (runs.pop(), runs.is_empty()) {
        (Some(run), true) => Ok(run),
        (Some(run), false) => {
            let some: Vec<String> = runs
                .iter()
                .take(3)
                .chain((runs.len() < 3).then_some(&run))
                .map(|run| format!("{} ({}, {})", run.id, run.job, run.batch_date))
                .collect();
            let message = format!("several runs begin with `{prefix}`");
            Err(Problem::new(Code::RunAmbiguous, message)
                .help(format!("give a longer prefix: {}", some.join(", "))))
        }
        (None, _) => {
            let message = format!("the store has no run `{prefix}`");
            Err(Problem::new(Code::NoRun, message).help("`recon runs list` lists the runs"))
        }
    }
}

/// The job's newest run with a result, on the given business date if any. A run that another command is
/// still making is invisible.
fn newest(
    store: &dyn Store,
    job: Option<&str>,
    batch_date: Option<Date>,
    not_failed: bool,
) -> Result<RunRow, Problem> {
    // The newest run may be one in progress; that is rare, so try one row first.
    for limit in [Some(1), None] {
        let job = job.map(str::to_owned);
        let runs = store.runs(&RunFilter {
            job,
            batch_date,
            not_failed,
            limit,
            ..RunFilter::default()
        })?;
        if let Some(run) = runs.into_iter().find(|run| run.stage.is_some()) {
            return Ok(run);
        }
    }
    let whose = job.map_or_else(String::new, |job| format!(" of job `{job}`"));
    let when = batch_date.map_or_else(String::new, |date| format!(" for {date}"));
    Err(Problem::new(Code::NoRun, format!("the store has no finished run{whose}{when}"))
        .help("create one with `recon run`; `recon runs list` lists the runs"))
}

/// Prefixes that tell these runs apart, at least 13 characters (a UUID's time).
pub fn short(runs: &[RunRow]) -> Vec<String> {
    let ids: Vec<String> = runs.iter().map(|run| run.id.to_string()).collect();
    ids.iter()
        .map(|id| {
            let alike = |length: usize| {
                ids.iter().filter(|other| other.get(..length) == id.get(..length)).count() > 1
            };
            let length = (13..id.len()).find(|length| !alike(*length)).unwrap_or(id.len());
            // A prefix should not end with a hyphen.
            let length =
                if id.as_bytes().get(length - 1) == Some(&b'-') { length + 1 } else { length };
            id.get(..length).unwrap_or(id).to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_id_prefix_or_latest() {
        let prefix = |digits: &str| Ok(RunReference::Prefix(digits.to_owned()));
        assert_eq!("Latest".parse(), Ok(RunReference::Latest));
        assert_eq!("019A-7F".parse(), prefix("019a7f"));
        assert_eq!(
            "019a7f3e-0000-7000-8000-00000000000F".parse(),
            prefix("019a7f3e00007000800000000000000f")
        );
        for text in ["", "newest", "019g", "019a7f3e-0000-7000-8000-00000000000f0"] {
            assert!(text.parse::<RunReference>().is_err(), "{text}");
        }
    }
}
