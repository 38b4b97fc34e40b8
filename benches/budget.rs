//! Checks that accept_risk keeps its budget on measured guesses, with 200 resamples.
//!
//! `recon sql "SELECT evidence …" | cargo bench --bench budget -- 0.02 0.95 2000 200`. The evidence
//! of a run serves as the population. Each resample draws decided guesses from it with replacement
//! (by default as many as there are), chooses thresholds, and applies them to the population, where
//! the share of wrong acceptances is known, not estimated.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark talks on stdout and may stop where it can't go on"
)]

use recon::attribute::evidence::Evidence;
use recon::attribute::risk::Budget;

const RESAMPLES: usize = 200;

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<f64>().ok());
    let max_false = numbers.next().unwrap_or(0.02);
    let assurance = numbers.next().unwrap_or(0.95);
    let budget = Budget::new(max_false, assurance).expect("a budget");
    let json = std::io::read_to_string(std::io::stdin()).expect("evidence on stdin");
    let json = serde_json::from_str(&json).expect("evidence is JSON");
    let evidence = Evidence::from_json(&json).expect("evidence");
    let decided = numbers.next().map_or(evidence.decided(), |decided| decided as u64);
    let times = numbers.next().map_or(RESAMPLES, |times| times as usize);
    let resampled = evidence.resample(budget, decided, times, 1);
    println!(
        "{{\"decided\":{},\"resamples\":{times},\"kept\":{},\"accepted\":{:.4},\"worst\":{:.5}}}",
        decided, resampled.kept, resampled.accepted, resampled.worst
    );
}
