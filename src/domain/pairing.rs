//! What aligning needs to know of comparing: the cost of a pair.

use super::RowRef;

/// How badly two rows fit: by fields that differ, then by fields that only tolerance lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Fields beyond tolerance.
    pub different: u32,
    /// Fields within tolerance but not equal.
    pub within: u32,
}

/// The cost that decides which of several rows with one key belong together.
pub trait PairCost {
    /// The cost of pairing these rows.
    fn cost(&self, a: RowRef<'_>, b: RowRef<'_>) -> Cost;
}
