//! Formats for engines that spread a run over many machines: rows between the steps of `recon shard`, and the tables
//! of the result.
//!
//! This module knows formats (Arrow IPC, JSON lines, Parquet) and nothing about the meaning of rows. docs/shard.md
//! describes them; their version is [`VERSION`].

mod arrow;
mod guarded;
mod payload;
mod result;
mod stored;
mod tables;

use crate::diagnostic::{Code, Problem};

pub use arrow::{ArrowStream, RowReader, RowWriter};
pub use guarded::guarded;
pub use payload::{Kind, Payload, Tag};
pub use result::ResultWriter;
pub use stored::{Rows, StoredRow, stored_rows};
pub use tables::{Cell, Table};

/// The version of the exchange: of the payloads, of the result's columns and of a job's file.
pub const VERSION: u8 = 1;

/// An error about a malformed stream.
pub fn stream_problem(message: impl Into<String>) -> Problem {
    Problem::new(Code::ShardStream, message)
}
