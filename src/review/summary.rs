//! The counts at the head of every page.

use std::collections::BTreeMap;

use crate::diagnostic::Problem;
use crate::domain::review::Permission;
use crate::domain::{Date, Instant, Status};
use crate::store::review::{HeadCount, ItemQuery};
use crate::store::time_text;

use super::actor::Actor;
use super::proposals;
use super::requests::{ProposalFilter, ProposalsFor};
use super::responses::Summary;
use super::work::Work;
use super::{QueryResult, Review};

impl Review<'_> {
    /// Counts for the page's head.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn summary(&self, actor: &Actor) -> QueryResult<Summary> {
        actor.must(Permission::View)?;
        self.read(|work| Ok(work.summary(actor)?))
    }

    /// How many undecided items of a run are in time, nearly due and overdue.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn ages(&self, actor: &Actor, run_id: &str) -> QueryResult<[u64; 3]> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let Some(run) = work.tables.run_by_id(run_id)? else { return Ok([0; 3]) };
            let query = ItemQuery {
                status: Some(Status::Unknown),
                runs: vec![run.run_no],
                some_runs: true,
                with_later: !work.tables.is_newest(run.run_no)?,
                ..ItemQuery::default()
            };
            Ok(work.ages(&query, &[run])?)
        })
    }

    /// How many breaks of a run are 0 to 1, 2 to 5, 6 to 30, 31 to 90 and more days old on its date.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn ageing(&self, actor: &Actor, run_id: &str) -> QueryResult<[u64; 5]> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let mut buckets = [0; 5];
            let Some(run) = work.tables.run_by_id(run_id)? else { return Ok(buckets) };
            let Ok(date) = run.batch_date.parse::<Date>() else { return Ok(buckets) };
            for (day, count) in work.tables.began_on(run.run_no)? {
                let age = i64::from(date.days()) - day;
                let at = [1, 5, 30, 90].iter().filter(|most| age > **most).count();
                if let Some(bucket) = buckets.get_mut(at) {
                    *bucket += count;
                }
            }
            Ok(buckets)
        })
    }
}

impl Work<'_> {
    fn summary(&mut self, actor: &Actor) -> Result<Summary, Problem> {
        let me = &actor.person_id;
        let counts = self.tables.current_counts()?;
        let count = |status: &Status| counts.get(status).copied().unwrap_or_default();
        let by_status: BTreeMap<String, u64> =
            Status::ALL.iter().map(|status| (status.name().to_owned(), count(status))).collect();
        let mut runs = self.tables.current_runs()?;
        let undecided = self.tables.undecided_runs()?;
        runs.retain(|run| undecided.contains(&run.run_no));
        let query = ItemQuery {
            status: Some(Status::Unknown),
            runs: runs.iter().map(|run| run.run_no).collect(),
            ..ItemQuery::default()
        };
        let [_, _, overdue] = self.ages(&query, &runs)?;
        let (decisions_per_minute, decided_today) = self.pace(me)?;
        let month = time_text(Instant::new(self.now.seconds() - 30 * 86_400, 0));
        Ok(Summary {
            data_version: self.tables.data_version()?,
            by_status,
            overdue,
            sent_back: self.tables.count_waiting(HeadCount::SentBack)?,
            assigned_to_me: self.tables.count_waiting(HeadCount::AssignedTo(me))?,
            mine: self.tables.count_own_open(me)?,
            to_check: self.count_for(actor, ProposalsFor::ToCheck)?,
            to_authorize: self.count_for(actor, ProposalsFor::ToAuthorize)?,
            samples: self.tables.count_waiting(HeadCount::Samples)?,
            decisions_per_minute,
            decided_today,
            sent_back_rate: self.tables.share_sent_back(me, &month)?,
            solo: self.solo,
        })
    }

    /// How many proposals wait for the person at a stage.
    fn count_for(&mut self, actor: &Actor, stage: ProposalsFor) -> Result<u64, Problem> {
        let filter = ProposalFilter { stage: Some(stage), ..ProposalFilter::default() };
        match proposals::query(actor, &filter) {
            Some(query) => self.tables.count_proposals(&query),
            None => Ok(0),
        }
    }

    /// Decisions within the last hour per minute that had one (a bulk is one decision), and the items decided
    /// since midnight (UTC).
    fn pace(&mut self, person_id: &str) -> Result<(f64, u64), Problem> {
        let hour = time_text(Instant::new(self.now.seconds() - 3_600, 0));
        let mut minutes = std::collections::BTreeSet::new();
        let mut decisions = 0.0;
        for at in self.tables.made_since(person_id, &hour)? {
            minutes.insert(at.chars().take(16).collect::<String>());
            decisions += 1.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most sixty")]
        let pace = if minutes.is_empty() { 0.0 } else { decisions / minutes.len() as f64 };
        let midnight =
            time_text(Instant::new(self.now.seconds() - self.now.seconds().rem_euclid(86_400), 0));
        let today = self.tables.items_made_since(person_id, &midnight)?;
        Ok((pace, today))
    }
}
