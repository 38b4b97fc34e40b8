//! The cost of a pair of rows, which is all that aligning needs from comparing.

use super::RowRef;

/// The cost of a pair: first the number of different fields, then of fields within tolerance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Fields beyond tolerance.
    pub different: u32,
    /// Fields within tolerance but not equal.
    pub within: u32,
}

/// The cost that decides which of several rows with one key belong together.
pub trait PairCost {
    fn cost(&self, a: RowRef<'_>, b: RowRef<'_>) -> Cost;

    /// Appends what is compared of a row besides its key: rows with the same bytes are identical.
    fn identity(&self, row: RowRef<'_>, out: &mut Vec<u8>);
}
