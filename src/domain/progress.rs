//! How long work tells how far it is, and learns that it shall stop.

/// What the work is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes read.
    Bytes,
    /// Rows, records or differences.
    Items,
}

/// A listener to long work. All methods may be called from any thread.
pub trait Progress: Sync {
    /// A phase begins; `total` is in `unit`, 0 when unknown.
    fn start(&self, phase: &'static str, total: u64, unit: Unit);

    /// `amount` more is done in this phase.
    fn advance(&self, amount: u64);

    /// All is done, or given up: the bars go away.
    fn finish(&self);

    /// Whether somebody asked to stop. Work checks this often and ends cleanly.
    fn interrupted(&self) -> bool;
}

/// Nobody listens and nobody interrupts.
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
