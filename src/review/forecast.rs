//! Probability that breaks stay, from the episodes of their kind: for an item's page and the queue's order by money
//! at risk.
//!
//! Reading all episodes takes a pass over them, so the result is reused until a run is published, run again or
//! pruned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::diagnostic::Problem;
use crate::domain::forecast::{HORIZONS, Watched, cleared, within};
use crate::domain::review::Permission;
use crate::store::BreakKind;
use crate::store::review::Signature;

use super::actor::Actor;
use super::responses::{Forecast, ForecastShare};
use super::work::Work;
use super::{QueryResult, Review};

/// By the state of the breaks.
static KNOWN: Mutex<Option<HashMap<String, Arc<Kinds>>>> = Mutex::new(None);
const MOST_KNOWN: usize = 20;
/// A break that is likely to clear within these business days is not at risk.
const SOON: i64 = 5;

#[derive(Debug, Default)]
pub(super) struct Kinds(HashMap<BreakKind, Forecast>);

impl Kinds {
    fn new(watched: impl IntoIterator<Item = (BreakKind, Vec<Watched>)>) -> Self {
        let kinds = watched.into_iter().filter_map(|(kind, watched)| {
            let shares: Vec<(String, ForecastShare)> = HORIZONS
                .iter()
                .filter_map(|days| {
                    let found = within(&watched, *days)?;
                    let share =
                        ForecastShare { share: found.share, low: found.low, high: found.high };
                    Some((days.to_string(), share))
                })
                .collect();
            let within = shares.into_iter().collect();
            let forecast = Forecast { cleared: cleared(&watched), within };
            (!forecast.within.is_empty()).then_some((kind, forecast))
        });
        Self(kinds.collect())
    }

    /// Of a job's differences of a field and type.
    pub fn of(&self, job: &str, field: &str, diff_type: &str) -> Option<&Forecast> {
        self.0.get(&(job.to_owned(), field.to_owned(), diff_type.to_owned()))
    }

    /// The chance that a break of this signature stays: 1 without data.
    pub fn stays(&self, signature: &Signature) -> f64 {
        let known = self.of(&signature.job, &signature.field, &signature.diff_type);
        let soon = known.and_then(|known| known.within.get(&SOON.to_string()));
        soon.map_or(1.0, |soon| 1.0 - soon.share)
    }
}

impl Review<'_> {
    /// Forecasts of a job: field, type and forecast of each kind of break of which enough have cleared.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn forecasts(
        &self,
        actor: &Actor,
        job: &str,
    ) -> QueryResult<Vec<(String, String, Forecast)>> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let kinds = work.kinds()?;
            let own = kinds.0.iter().filter(|((of, ..), _)| of == job);
            let mut own: Vec<_> = own
                .map(|((_, field, diff_type), one)| (field.clone(), diff_type.clone(), one.clone()))
                .collect();
            own.sort_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
            Ok(own)
        })
    }
}

impl Work<'_> {
    /// Forecasts of each kind of break, from the episodes of all jobs.
    pub fn kinds(&mut self) -> Result<Arc<Kinds>, Problem> {
        let state = self.tables.state_of_breaks()?;
        let known = KNOWN.lock().ok().and_then(|known| known.as_ref()?.get(&state).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let kinds = Arc::new(Kinds::new(self.tables.watched_breaks()?));
        if let Ok(mut known) = KNOWN.lock() {
            let known = known.get_or_insert_default();
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(state, Arc::clone(&kinds));
        }
        Ok(kinds)
    }

    /// The chance that items of each signature stay, where it is known.
    pub fn chances(&mut self) -> Result<Vec<(i64, f64)>, Problem> {
        let kinds = self.kinds()?;
        let all = self.tables.signatures()?;
        let chances = all.iter().map(|one| (one.signature_id, kinds.stays(one)));
        Ok(chances.filter(|(_, stays)| *stays < 1.0).collect())
    }
}
