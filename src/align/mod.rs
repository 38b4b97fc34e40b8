//! Aligning: rows of both sides that share a key become records, one to one.
//!
//! One partition is aligned at a time. What comes out is a pure function of the rows that go in:
//! everything that scales (threads, spilling) rests on that.

mod duplicates;
mod join;
mod partition;

pub use duplicates::OPTIMAL_LIMIT;
pub use join::{Notes, Placed, align};
pub use partition::{Partitioned, PartitionedBlock, partition_of};
