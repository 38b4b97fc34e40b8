//! Active learning: the undecided differences whose labels would improve a model most, for the queue.
//!
//! As `recon train --ask` without the model: the store has the confidence of each item and its group, by signature.
//! Items whose suggestion is hidden from makers are left out, since their position would reveal the confidence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::diagnostic::Problem;
use crate::domain::teaching::{Alike, WEIGHING, places};
use crate::store::review::ItemKey;

use super::queue::Wanted;
use super::responses::ReviewItem;
use super::work::Work;

/// Groups that are looked at, the largest first.
const GROUPS: usize = 48;
/// Items of a group that may be asked about.
const OF_A_GROUP: usize = 16;

impl Work<'_> {
    /// Up to `most` undecided items, the one that teaches most first.
    pub(super) fn teaching(
        &mut self,
        wanted: &Wanted,
        most: usize,
    ) -> Result<Vec<ItemKey>, Problem> {
        let mut sizes: HashMap<i64, u64> = HashMap::new();
        for count in self.tables.counts(&wanted.query)? {
            *sizes.entry(count.signature_id).or_default() += count.items;
        }
        let mut sizes: Vec<(i64, u64)> = sizes.into_iter().collect();
        sizes.sort_unstable_by_key(|(id, items)| (std::cmp::Reverse(*items), *id));
        sizes.truncate(GROUPS);
        let known = match wanted.blind > 0.0 {
            true => None,
            false => self.found_items(wanted)?,
        };
        let mut known = known.map(|items| wanted.first_of_each(&items, OF_A_GROUP));
        let mut groups = Vec::new();
        let mut waiting = Vec::new();
        for (signature_id, items) in sizes {
            let keys = match &mut known {
                Some(known) => known.remove(&signature_id).unwrap_or_default(),
                None => self.first_of(wanted, signature_id, OF_A_GROUP)?,
            };
            let mut found: Vec<(f64, ItemKey)> = self
                .in_order(&keys)?
                .iter()
                .map(|item| (1.0 - item.confidence, item.key))
                .collect();
            found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let doubt: f64 = found.iter().map(|(doubt, _)| doubt).sum();
            // The others are at most as doubtful as the surest of these.
            let others = items.saturating_sub(found.len() as u64) as f64;
            let least = found.last().map_or(0.0, |(doubt, _)| *doubt);
            groups.push(Alike { doubt: doubt + others * least, most: found.len(), decided: 0 });
            waiting.push(found.into_iter());
        }
        let chosen = places(&groups, WEIGHING, most);
        Ok(chosen.into_iter().filter_map(|at| waiting[at].next()).map(|(_, key)| key).collect())
    }

    /// Says how many undecided items look like each of these, which is half of why they are asked about.
    pub(super) fn count_alike(&mut self, items: &mut [ReviewItem]) -> Result<(), Problem> {
        let mut sizes: HashMap<i64, Option<u64>> = HashMap::new();
        for item in items {
            let Some(id) = item.signature.as_ref().and_then(|id| id.parse().ok()) else { continue };
            if let Entry::Vacant(unknown) = sizes.entry(id) {
                unknown.insert(self.tables.group_size(id)?);
            }
            item.group_size = sizes[&id];
        }
        Ok(())
    }
}
