//! Synthetic sources with known causes: a pair of extracts, the `recon.yaml` that reconciles them,
//! and `labels.csv` with the true cause of every difference, or the true matches of payments.
//!
//! The same seed and noise give the same bytes on every machine and at any thread count, without
//! clock or floats. The module knows the formats it writes and nothing of how recon reads them, so
//! that the pair is an independent test of all stages.

mod block;
mod cause;
mod folder;
mod noise;
mod payments;
mod random;
mod trade;
mod write;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use crossbeam_channel::bounded;
use serde::Serialize;

use self::block::{Block, TRADES_PER_BLOCK};
#[cfg(test)]
use self::cause::Cause;
use self::folder::PairFolder;
pub use self::noise::{Noise, NoiseSpec};
use crate::diagnostic::{Code, Problem};
use crate::domain::progress::{Progress, Unit};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// Trades that both systems know by one id, with causes for their differences.
    #[default]
    Trades,
    /// A bank's lines and a ledger's entries without a common key, with the true matches.
    Payments,
}

#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    pub scenario: Scenario,
    /// The number of true trades, of which each side has nearly all; or of payments.
    pub rows: u64,
    /// The same seed gives the same files.
    pub seed: u64,
    pub noise: Noise,
    /// Rules to write as `rules/attribution.rhai`; without them the written `recon.yaml` names none
    /// and leaves every cause to the model.
    pub attribution_rules: Option<String>,
    pub force: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Generated {
    /// Data rows of `source_a.csv`.
    pub rows_a: u64,
    /// Data rows of `source_b.csv`.
    pub rows_b: u64,
    /// Every difference of the pair, each with a row in `labels.csv`.
    pub differences: u64,
    /// True matches; only of payments, whose `labels.csv` has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<u64>,
    /// The labels by reason code, or the payments by kind; kinds that do not occur are omitted.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// The files written, in the folder.
    pub files: Vec<&'static str>,
}

impl Generated {
    fn count(&mut self, scenario: Scenario, block: &Block) {
        self.rows_a += block.rows.a;
        self.rows_b += block.rows.b;
        for (reason, count) in &block.by_reason {
            *self.by_reason.entry(reason).or_default() += count;
        }
        match scenario {
            Scenario::Trades => self.differences += block.by_reason.values().sum::<u64>(),
            Scenario::Payments => *self.matches.get_or_insert(0) += block.matches,
        }
    }
}

/// Writes `source_a.csv`, `source_b.csv`, `labels.csv`, `recon.yaml` and `rules/` into `folder`,
/// creating it if necessary. No file appears under its name before all are complete.
///
/// Errors: an existing file (without `force`), one that can't be written, interruption.
pub fn generate(
    options: &GenerateOptions,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Generated, Problem> {
    let mut folder = PairFolder::create(folder, options)?;
    let mut generated = Generated::default();
    progress.start("generate", options.rows, Unit::Items);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let outcome = for_each_block(options, threads, |block| {
        if progress.interrupted() {
            return Err(Problem::interrupted());
        }
        folder.append(&block)?;
        generated.count(options.scenario, &block);
        progress.advance(block.trades);
        Ok(())
    });
    progress.finish();
    outcome?;
    generated.files = folder.keep()?;
    Ok(generated)
}

/// Makes the blocks on several threads and passes them to `take` in order. Only a few blocks per
/// thread are buffered.
fn for_each_block(
    options: &GenerateOptions,
    threads: usize,
    mut take: impl FnMut(Block) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let blocks = options.rows.div_ceil(TRADES_PER_BLOCK);
    let make = |number: u64| {
        let trades = TRADES_PER_BLOCK.min(options.rows - number * TRADES_PER_BLOCK);
        match options.scenario {
            Scenario::Trades => Block::make(options.seed, number, trades, &options.noise),
            Scenario::Payments => payments::block(options.seed, number, trades),
        }
    };
    thread::scope(|scope| {
        // Thread t makes the blocks t, t + threads, …, so round-robin gives them in order. The
        // receivers are dropped with this closure, which ends the threads if `take` fails.
        let receivers: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, receiver) = bounded(4);
                crate::threads::start(scope, move || {
                    for number in (first as u64..blocks).step_by(threads) {
                        if sender.send(make(number)).is_err() {
                            break;
                        }
                    }
                })?;
                Ok(receiver)
            })
            .collect::<Result<_, Problem>>()?;
        for (_, receiver) in (0..blocks).zip(receivers.iter().cycle()) {
            let block = receiver
                .recv()
                .map_err(|_| Problem::new(Code::BlockLost, "a block of trades is missing"))?;
            take(block)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
