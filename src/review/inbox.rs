//! Proposals for the people who decide about them: lists with their subjects, and a digest of many items.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::diagnostic::Problem;
use crate::domain::Decimal;
use crate::store::review::{ItemKey, Proposal};

use super::actor::Actor;
use super::requests::{PageAsk, ProposalFilter};
use super::responses::{
    DeltaCount, InboxEntry, Page, ProposalDigest, ReviewItem, RunCount, Waiting,
};
use super::work::Work;
use super::{QueryResult, Review};

/// Items of a digest: with the largest differences, and drawn at random.
const LARGEST: usize = 5;
const DRAWN: usize = 15;
/// Bars of a histogram.
const BARS: usize = 24;

/// Most open proposals that are announced at once.
const WAITING: usize = 1_000;

impl Review<'_> {
    /// The open proposals, newest first, for announcements.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn waiting(&self) -> QueryResult<Vec<Waiting>> {
        self.read(|work| {
            let open = work.tables.waiting_proposals(WAITING)?;
            Ok(open
                .into_iter()
                .map(|proposal| Waiting {
                    proposal_id: proposal.proposal_id,
                    version: proposal.version,
                    kind: proposal.kind,
                    state: proposal.state,
                    eyes: proposal.eyes,
                    item_count: proposal.item_count,
                    maker_id: proposal.maker_id,
                    created_at: proposal.created_at,
                })
                .collect())
        })
    }

    /// A page of proposals, each with its item, or the first of several.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn inbox(
        &self,
        actor: &Actor,
        filter: &ProposalFilter,
        ask: &PageAsk,
    ) -> QueryResult<Page<InboxEntry>> {
        let page = self.proposals(actor, filter, ask)?;
        let items = self.read(|work| {
            let mut items = Vec::with_capacity(page.items.len());
            for view in &page.items {
                items.push(work.first_item(actor, &view.proposal_id)?);
            }
            Ok(items)
        })?;
        let entries = page.items.into_iter().zip(items);
        let entries = entries.map(|(proposal, item)| InboxEntry { proposal, item }).collect();
        Ok(Page { items: entries, next: page.next, total: page.total })
    }
}

impl Work<'_> {
    fn first_item(
        &mut self,
        actor: &Actor,
        proposal_id: &str,
    ) -> Result<Option<ReviewItem>, Problem> {
        let keys = self.tables.keys_of_proposal(proposal_id, ItemKey::default(), 1)?;
        Ok(self.known_items(actor, proposal_id, &keys)?.pop())
    }

    /// These items of a proposal, in this order, with the predictions that were known when it was made.
    pub fn known_items(
        &mut self,
        actor: &Actor,
        proposal_id: &str,
        keys: &[ItemKey],
    ) -> Result<Vec<ReviewItem>, Problem> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.in_order(keys)?;
        let priors = self.tables.priors(proposal_id, keys)?;
        self.views_as_known(actor, items, &priors)
    }

    /// Summarizes many items: shared values and differences; `None` for a proposal that fits on a page.
    pub fn digest(
        &mut self,
        actor: &Actor,
        proposal: &Proposal,
    ) -> Result<Option<ProposalDigest>, Problem> {
        if usize::try_from(proposal.item_count).unwrap_or_default() <= LARGEST + DRAWN {
            return Ok(None);
        }
        let visible = self.visibility(actor);
        let hidden = self.hides_of(&visible, proposal)?;
        let id = proposal.proposal_id.as_str();
        let mut runs: BTreeMap<i64, u64> = BTreeMap::new();
        let mut deltas: Vec<(f64, ItemKey)> = Vec::new();
        let mut lots: Vec<(Vec<u8>, ItemKey)> = Vec::new();
        for item in self.tables.proposal_items(id)? {
            *runs.entry(item.key.run_no).or_default() += 1;
            let lot = format!("{id} {} {}", item.key.run_no, item.key.number);
            lots.push((Sha256::digest(lot.as_bytes()).to_vec(), item.key));
            // A record without a partner is worth its amount.
            let delta = delta_of(&item.facts).or(item.amount);
            if let Some(delta) = delta.filter(|_| !hidden) {
                deltas.push((delta, item.key));
            }
        }
        lots.sort_unstable();
        deltas.sort_by(|left, right| right.0.abs().total_cmp(&left.0.abs()));
        let largest: Vec<ItemKey> = deltas.iter().take(LARGEST).map(|(_, key)| *key).collect();
        let drawn: Vec<ItemKey> = lots
            .iter()
            .map(|(_, key)| *key)
            .filter(|key| !largest.contains(key))
            .take(DRAWN)
            .collect();
        let mut of_runs = Vec::with_capacity(runs.len());
        for (run_no, count) in runs {
            let run = self.tables.run(run_no)?;
            of_runs.push(RunCount {
                run_id: run.run_id.clone(),
                job: run.job.clone(),
                batch_date: run.batch_date.clone(),
                count,
            });
        }
        Ok(Some(ProposalDigest {
            runs: of_runs,
            deltas: histogram(&deltas.iter().map(|(delta, _)| *delta).collect::<Vec<_>>()),
            largest: self.known_items(actor, id, &largest)?,
            drawn: self.known_items(actor, id, &drawn)?,
        }))
    }
}

/// B − A of two numbers.
fn delta_of(facts: &Json) -> Option<f64> {
    let read = |name: &str| Decimal::parse(facts.get(name)?.as_str()?.as_bytes()).ok();
    Some(read("value_b")?.checked_sub(read("value_a")?)?.to_f64())
}

/// How many numbers fall into each of some equal ranges.
fn histogram(numbers: &[f64]) -> Vec<DeltaCount> {
    let least = numbers.iter().copied().reduce(f64::min);
    let most = numbers.iter().copied().reduce(f64::max);
    let (Some(least), Some(most)) = (least, most) else { return Vec::new() };
    if least >= most {
        return vec![DeltaCount { from: least, to: most, count: numbers.len() as u64 }];
    }
    let width = (most - least) / BARS as f64;
    let at = |bar: usize| least + width * bar as f64;
    let mut counts: Vec<DeltaCount> =
        (0..BARS).map(|bar| DeltaCount { from: at(bar), to: at(bar + 1), count: 0 }).collect();
    for number in numbers {
        let bar = ((number - least) / width) as usize;
        if let Some(count) = counts.get_mut(bar.min(BARS - 1)) {
            count.count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_every_number_once() {
        let numbers = [-1.0, 0.0, 0.0, 0.5, 3.0];
        let counts = histogram(&numbers);
        assert_eq!(counts.len(), BARS);
        assert_eq!(counts.iter().map(|one| one.count).sum::<u64>(), 5);
        assert_eq!(histogram(&[2.0, 2.0]).iter().map(|one| one.count).collect::<Vec<_>>(), [2]);
        assert!(histogram(&[]).is_empty());
    }
}
