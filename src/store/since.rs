//! Passes over a run's differences that look only at what got another reason since the pass before.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::domain::{RunId, Stage};

use super::review::{ReviewTables, RunItems};
use super::run::{StoredDifference, StoredRecord};
use super::{Store, lots, reader, runs, transact};

/// Reasons that changed, beyond which everything is looked at: reading differences one by one costs more than reading
/// them in their order.
const MOST: usize = 20_000;

/// What a pass has seen, for the next one. Only the items of large runs are known.
#[derive(Clone, Default)]
pub struct Seen(Option<Arc<RunItems>>);

impl Seen {
    /// How many items are kept in memory for it.
    pub fn items(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.len())
    }
}

/// Is given a difference, its record and the reason that it had, if that is known.
pub type Visit<'v> =
    dyn FnMut(&StoredDifference<'_>, &StoredRecord<'_>, Option<&str>) -> Result<(), Problem> + 'v;

/// Calls `each` with every difference of a run as [`Store::each_difference`] does, and false; or, where it is known what a
/// pass before has seen, with all differences of the records in which the reason of one has changed since, with the reasons
/// that they had then, and true.
///
/// # Errors
/// Errors of the store and of `each`.
pub fn each_difference_since(
    store: &dyn Store,
    run: RunId,
    before: &Seen,
    each: &mut Visit<'_>,
) -> Result<(Seen, bool), Problem> {
    transact::read(store, |tx| {
        let key = runs::key(tx, run)?;
        let mut tables = ReviewTables::new(tx);
        let now = match key.stage {
            Some(Stage::Attributed) => tables.items_in_memory(key.run_no)?,
            _ => None,
        };
        let changed = now.as_ref().zip(before.0.as_ref()).and_then(|(now, before)| {
            let changed = now.other_reasons(before, MOST)?;
            let numbers = now.of_records(&changed);
            Some((changed, numbers))
        });
        let Some((changed, numbers)) = changed else {
            lots::of_differences(tx, run, &mut |lot| {
                lot.each(&mut |difference, record| {
                    each(difference, record, None).map(ControlFlow::Continue)
                })
            })?;
            return Ok((Seen(now), false));
        };
        let codes: BTreeMap<i64, String> =
            tables.reasons()?.iter().map(|one| (one.reason_id, one.code.clone())).collect();
        reader::differences_at(tx, key, &numbers, &mut |difference, record| {
            let had = changed.get(&difference.number.cast_signed());
            let had = had.and_then(|id| codes.get(id)).map(String::as_str);
            let now = difference.attribution.map(|decided| decided.reason);
            each(difference, record, Some(had.or(now).unwrap_or_default()))
        })?;
        Ok((Seen(now), true))
    })
}
