//! Aligning: rows of both sides that share a key become records, one to one.
//!
//! One partition is aligned at a time. The result is a pure function of its rows: threads and
//! spilling rely on that.

mod duplicates;
mod gather;
mod join;
mod partition;
mod spill;

pub use duplicates::OPTIMAL_LIMIT;
pub use gather::{BEFORE, FIXED_BITS, Gathered, Partitioning, Partitions, row_of};
pub use join::{Notes, Placed, align, align_at};
pub use partition::{BlockRows, part_of};
pub use spill::SpillRoom;
