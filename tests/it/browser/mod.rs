//! The review page in a real browser: with the mouse, with the keyboard alone, without scripts, by two
//! people at once, with hostile data, for people who can't see it, and against the clock.

mod access;
mod desk;
mod driver;
mod foreign;
mod journey;
mod speed;
mod town;

/// The share of the values that is at most the result: 0.95 for p95.
fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len());
    values[at - 1]
}
