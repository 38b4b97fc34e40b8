//! Progress reporting and cancellation.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Items,
}

/// A listener to long work. All methods may be called from any thread.
pub trait Progress: Sync {
    /// A phase begins; `total` is in `unit`, 0 when unknown.
    fn start(&self, phase: &'static str, total: u64, unit: Unit);

    /// `amount` more is done in this phase.
    fn advance(&self, amount: u64);

    /// The work has ended; removes the bars.
    fn finish(&self);

    /// True once the user has asked to stop. Long work checks this often and ends cleanly.
    fn interrupted(&self) -> bool;
}

/// Ignores progress and never interrupts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn start(&self, _: &'static str, _: u64, _: Unit) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        false
    }
}
