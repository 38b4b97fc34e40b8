//! Forecasts: how soon breaks of each kind clear, for `recon breaks list` and the page.

use serde_json::{Map, Value as Json, json};

use crate::diagnostic::Problem;
use crate::domain::forecast::{HORIZONS, Watched, cleared, within};
use crate::store::Store;

/// Forecasts for each kind of break with enough cleared episodes.
///
/// # Errors
/// Errors of the store.
pub fn forecasts(store: &dyn Store, job: Option<&str>) -> Result<Vec<Json>, Problem> {
    let mut forecasts = Vec::new();
    for ((job, field, diff_type), watched) in store.watched_breaks(job)? {
        let within = shares(&watched);
        if !within.is_empty() {
            forecasts.push(json!({
                "kind": format!("{field} {diff_type}"),
                "job": job,
                "field_name": field,
                "diff_type": diff_type,
                "cleared": cleared(&watched),
                "within": within,
            }));
        }
    }
    Ok(forecasts)
}

/// The share that clears within each number of business days; empty where too few have cleared.
fn shares(watched: &[Watched]) -> Map<String, Json> {
    let mut shares = Map::new();
    for days in HORIZONS {
        if let Some(share) = within(watched, days) {
            let (low, high) = (share.low, share.high);
            shares.insert(
                days.to_string(),
                json!({ "share": share.share, "low": low, "high": high }),
            );
        }
    }
    shares
}
