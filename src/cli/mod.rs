//! The command line: arguments, one file per command, output, progress and exit codes.

pub mod exit;
pub mod output;
pub mod problem;
pub mod progress;
pub mod table;
