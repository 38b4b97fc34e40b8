//! The steps of a run, each a filter of its own, so that an engine such as Apache Spark can spread them over many
//! machines: [`prepare`], [`match_step`], [`survey`], [`decide`], [`join`] and [`close`].
//!
//! Each step calls the same stages as a run on one machine. Rows travel in partitions that are the same for every
//! size ([`crate::align::FIXED_BITS`]), so that the result depends neither on the number of tasks nor on their order.
//! The counts of a step go to the driver, which alone has all of them.

mod close;
mod counts;
mod import;
mod prepare;
mod results;
mod rows;

use serde::{Deserialize, Serialize};

use crate::align::FIXED_BITS;
use crate::diagnostic::{Code, Problem};
use crate::domain::{Instant, PerSide, Progress, RunId};
use crate::exchange::Tag;
use crate::store::{Store, read_time, time_text};

use super::Plan;
use super::machine::{RunMachine, ShippedMachine, run_context};

pub use close::{Closed, close};
pub use counts::{Decision, State, decide};
pub use import::{ImportedTables, import};
pub use prepare::{Reading, prepare};
pub use results::join;
pub use rows::{match_step, survey};

/// The slots of rows by their key, of records that passes have made, and of open rows.
const SLOTS: i32 = 1 << FIXED_BITS;
/// The first slot of records that passes have made.
const SETTLED: i32 = SLOTS;
/// The first slot of open rows.
const OPEN: i32 = 2 * SLOTS;
/// The slot of payloads for the driver.
pub const DRIVER: i32 = -1;
/// The most passes: a payload's header has their number.
const MOST_PASSES: usize = 120;

/// Takes payloads with their slots.
pub type Out<'o> = dyn FnMut(i32, &[u8]) -> Result<(), Problem> + 'o;
/// Calls a function with every payload of the input and its slot.
pub type In<'i> =
    dyn FnMut(&mut dyn FnMut(i32, &[u8]) -> Result<(), Problem>) -> Result<(), Problem> + 'i;

/// A source of a job whose steps are spread.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SpreadSource {
    pub columns: Vec<String>,
    pub name: String,
    /// Its files, by their numbers.
    pub files: Vec<String>,
    /// Its rows come on a stream.
    pub is_given: bool,
    /// Number of tasks that can read it.
    pub reads: usize,
}

/// Settings that all steps of a spread job share, besides its plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spread {
    run_id: String,
    started: String,
    pub sources: PerSide<SpreadSource>,
    machine: ShippedMachine,
}

impl Spread {
    /// Fixes the run's id, its start, and the machine.
    ///
    /// # Errors
    /// The plan has something that can't be spread, or the store failed.
    pub fn new(
        store: Option<&dyn Store>,
        plan: &Plan,
        sources: PerSide<SpreadSource>,
        run: Option<RunId>,
        started: Instant,
    ) -> Result<Self, Problem> {
        if plan.open_items.is_some() {
            let message = "a job with `open_items` can't be spread: it needs the rows of the \
                           previous date's run";
            return Err(
                Problem::new(Code::ShardUnsupported, message).help("use `recon run` for this job")
            );
        }
        if plan.matching.as_ref().is_some_and(|matching| matching.passes.len() > MOST_PASSES) {
            let message = format!("a job with more than {MOST_PASSES} passes can't be spread");
            return Err(Problem::new(Code::ShardUnsupported, message));
        }
        let run_id = run.unwrap_or_else(|| super::new_run_id(started)).to_string();
        let machine = ShippedMachine::pack(store, plan)?;
        Ok(Self { run_id, started: time_text(started), sources, machine })
    }

    /// The run's id.
    ///
    /// # Errors
    /// The job file was changed.
    pub fn run_id(&self) -> Result<RunId, Problem> {
        self.run_id.parse().map_err(|error: &str| Problem::new(Code::ShardJob, error))
    }

    fn started(&self) -> Result<Instant, Problem> {
        read_time(&self.started).map_err(|problem| Problem::new(Code::ShardJob, problem.message))
    }

    /// True if a model counts the differences of the whole run before the first decision.
    pub const fn has_model(&self) -> bool {
        self.machine.has_model()
    }
}

#[derive(Clone, Copy)]
pub struct Task<'t> {
    pub plan: &'t Plan,
    pub spread: &'t Spread,
    /// Tells the job from others.
    pub tag: Tag,
    pub progress: &'t dyn Progress,
}

impl Task<'_> {
    /// The steps of matching: by the key, each pass, and the rest; none without `match`.
    pub fn match_steps(&self) -> usize {
        self.plan.matching.as_ref().map_or(0, |matching| matching.passes.len() + 2)
    }

    /// The machine, with the driver's decisions.
    fn machine(&self, state: &State) -> Result<RunMachine, Problem> {
        let layout = &self.plan.layout;
        let mut ready = self.spread.machine.unpack(layout)?;
        ready.machine.held_back = state.conventions.held_back(layout, &state.counts.read.books);
        if let Some(counted) = &state.counts.counted {
            let (systems, date) = (self.plan.systems.clone(), self.plan.batch_date);
            ready.machine.run = run_context(systems, date, layout, &counted.books(layout));
        }
        Ok(ready)
    }
}
