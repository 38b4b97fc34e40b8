//! The review page in a real browser: mouse, keyboard only, no scripts, two users at once, hostile
//! data, accessibility, and speed.

mod access;
mod driver;
mod foreign;
mod item;
mod journey;
mod site;
mod speed;
mod work;

/// The quantile of the values: 0.95 for p95.
fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len());
    values[at - 1]
}
