//! References to a run: its id, a unique prefix of it, or `latest`.

use std::str::FromStr;

use crate::diagnostic::{Code, Problem};
use crate::domain::Date;
use crate::pipeline::newest_run;
use crate::store::{RunFilter, RunRow, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunReference {
    Latest,
    /// Lower-case hexadecimal digits, without hyphens.
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
        return newest_run(store, job, batch_date);
    };
    let filter = RunFilter { id_prefix: Some(prefix.clone()), ..RunFilter::default() };
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
