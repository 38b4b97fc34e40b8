//! `recon report --digest`: today's open work, for a daily message.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;

use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::review::ProposalState;
use crate::domain::{Stage, Status};
use crate::report::figures::{count, counted};
use crate::report::unwritable;
use crate::review::people::StoredDirectory;
use crate::review::{PageAsk, ProposalFilter, Refusal, Review, ReviewSettings};
use crate::store::{RunFilter, RunRow, Store};

use super::account::Account;
use super::args::Report;
use super::context::{Context, now};
use super::exit;

/// A job's newest run.
struct Newest {
    run: RunRow,
    to_decide: u64,
}

pub fn run(context: &Context, arguments: &Report) -> Result<u8, Problems> {
    let job = context.job_name()?;
    let store = context.store(None)?;
    let digest = digest(&*store, job)?;
    let json = context.global.json;
    context.console.result_to(arguments.output.as_deref(), |out| {
        let written = if json { writeln!(out, "{}", digest.json()) } else { digest.text(out) };
        written.map_err(|error| unwritable(&error))
    })?;
    Ok(exit::DONE)
}

struct Digest {
    day: String,
    to_decide: u64,
    overdue: u64,
    sent_back: u64,
    proposed: u64,
    settled: u64,
    breaks: u64,
    to_check: u64,
    to_authorize: u64,
    newest: Vec<Newest>,
}

fn digest(store: &dyn Store, job: Option<String>) -> Result<Digest, Problem> {
    let settings = ReviewSettings::new(StoredDirectory, now, false);
    let review = Review::new(store, &settings);
    let actor = Account::of_process().actor();
    let refused = |refusal: Refusal| refusal.into_problem();
    let summary = review.summary(&actor).map_err(refused)?;
    let waiting = |state: ProposalState| -> Result<u64, Problem> {
        let filter = ProposalFilter { state: Some(state), ..ProposalFilter::default() };
        let ask = PageAsk { limit: Some(1), count: true, ..PageAsk::default() };
        let page = review.proposals(&actor, &filter, &ask).map_err(refused)?;
        Ok(page.total.unwrap_or_default())
    };
    let of = |status: Status| summary.by_status.get(status.name()).copied().unwrap_or_default();
    Ok(Digest {
        day: now().date().to_string(),
        to_decide: of(Status::Unknown),
        overdue: summary.overdue,
        sent_back: summary.sent_back,
        proposed: of(Status::Pending),
        settled: of(Status::Accepted),
        breaks: of(Status::Rejected),
        to_check: waiting(ProposalState::Open)?,
        to_authorize: waiting(ProposalState::Checked)?,
        newest: newest(store, job)?,
    })
}

/// The newest attributed run of each job.
fn newest(store: &dyn Store, job: Option<String>) -> Result<Vec<Newest>, Problem> {
    let mut runs = store.runs(&RunFilter { job, not_failed: true, ..RunFilter::default() })?;
    runs.retain(|run| run.stage == Some(Stage::Attributed) && run.superseded_by.is_none());
    runs.sort_by_key(|run| std::cmp::Reverse((run.batch_date, run.started)));
    let mut jobs = BTreeSet::new();
    runs.retain(|run| jobs.insert(run.job.clone()));
    let mut newest = Vec::with_capacity(runs.len());
    for run in runs {
        let counts = match store.kept_counts(run.id)? {
            Some(kept) => kept.attributions,
            None => store.attribution_counts(run.id)?,
        };
        let undecided = counts.iter().filter(|count| count.status == Status::Unknown);
        newest.push(Newest { to_decide: undecided.map(|count| count.count).sum(), run });
    }
    if newest.is_empty() {
        let problem = Problem::new(Code::NoRun, "no run has been attributed yet");
        return Err(problem.help("`recon run` makes one"));
    }
    Ok(newest)
}

impl Digest {
    fn json(&self) -> serde_json::Value {
        let runs: Vec<_> = self
            .newest
            .iter()
            .map(|one| {
                json!({
                    "job": one.run.job,
                    "batch_date": one.run.batch_date.to_string(),
                    "run_id": one.run.id.to_string(),
                    "status": one.run.status.name(),
                    "differences": one.run.total_differences,
                    "to_decide": one.to_decide,
                })
            })
            .collect();
        json!({
            "day": self.day,
            "to_decide": self.to_decide,
            "overdue": self.overdue,
            "sent_back": self.sent_back,
            "proposed": self.proposed,
            "proposals_to_check": self.to_check,
            "proposals_to_authorize": self.to_authorize,
            "settled": self.settled,
            "confirmed_breaks": self.breaks,
            "runs": runs,
        })
    }

    fn text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let proposals = |number: u64| match number {
            1 => "1 proposal".to_owned(),
            many => format!("{} proposals", count(many)),
        };
        writeln!(out, "recon, {}", self.day)?;
        writeln!(out)?;
        writeln!(
            out,
            "To decide         {:>9}   {} overdue, {} sent back",
            count(self.to_decide),
            count(self.overdue),
            count(self.sent_back)
        )?;
        writeln!(
            out,
            "Proposed          {:>9}   {} to check, {} to authorize",
            count(self.proposed),
            proposals(self.to_check),
            count(self.to_authorize)
        )?;
        writeln!(out, "Settled           {:>9}", count(self.settled))?;
        writeln!(out, "Confirmed breaks  {:>9}", count(self.breaks))?;
        writeln!(out)?;
        for one in &self.newest {
            let (run, many) = (&one.run, one.run.total_differences);
            writeln!(
                out,
                "{} {}: {}, {} to decide",
                run.job,
                run.batch_date,
                counted(many, "difference", "differences"),
                count(one.to_decide)
            )?;
        }
        Ok(())
    }
}
