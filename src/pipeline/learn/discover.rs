//! `recon discover`: groups the unknown differences of a run by common properties.

use crate::attribute::discover::{Group, Measuring, Miner};
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::Stage;
use crate::domain::attribution::UNKNOWN;
use crate::domain::progress::Unit;
use crate::pipeline::walk::{RecordDifference, walk};
use crate::pipeline::{Plan, Session};
use crate::store::RunRow;

use super::cases::check;

#[derive(Clone, Debug)]
pub struct Discovered {
    /// Differences without a reason.
    pub unknown: u64,
    /// Differences in no group.
    pub rest: u64,
    /// Largest first.
    pub groups: Vec<Group>,
}

/// A difference's reason; `None` if unknown.
fn reason(difference: &RecordDifference) -> Option<&str> {
    let given = difference.attribution.as_ref()?;
    Some(given.attribution.reason.as_str()).filter(|reason| *reason != UNKNOWN)
}

/// Groups the UNKNOWN differences of a run and counts the claims of each candidate rule.
pub fn discover(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    least: u64,
) -> Result<Discovered, Problems> {
    check(run, plan)?;
    if run.stage != Some(Stage::Attributed) {
        let message = format!("run {} has not been attributed yet", run.id);
        let problem = Problem::new(Code::NotAttributed, message);
        return Err(problem.help("attribute it first: `recon attribute`").into());
    }
    let interrupted = || {
        if session.progress.interrupted() { Err(Problem::interrupted()) } else { Ok(()) }
    };
    session.progress.start("grouping", run.total_differences, Unit::Items);
    let mut miner = Miner::default();
    let mut unknown = 0;
    walk(session.store, run.id, &plan.layout, &mut |record| {
        interrupted()?;
        for difference in record.differences.iter().filter(|found| reason(found).is_none()) {
            unknown += 1;
            miner.observe(&record.context(difference));
        }
        session.progress.advance(record.differences.len() as u64);
        Ok(())
    })?;
    let mut groups = miner.finish(least);
    if !groups.is_empty() {
        session.progress.start("measuring", run.total_differences, Unit::Items);
        let mut measuring = Measuring::new(&mut groups);
        walk(session.store, run.id, &plan.layout, &mut |record| {
            interrupted()?;
            for difference in record.differences {
                measuring.measure(&record.context(difference), reason(difference));
            }
            session.progress.advance(record.differences.len() as u64);
            Ok(())
        })?;
    }
    session.progress.finish();
    let grouped: u64 = groups.iter().map(|group| group.count).sum();
    Ok(Discovered { unknown, rest: unknown - grouped, groups })
}
