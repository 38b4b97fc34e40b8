//! Tests of the program's behavior, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that meets what it does not expect fails by panicking, and its helpers too"
)]

mod advice;
mod api;
mod audit;
mod availability;
mod awkward;
mod breaks;
mod browser;
mod commands;
mod config_errors;
mod contract;
mod documentation;
mod examples;
mod floors;
mod init;
mod learned;
mod learning;
mod limits;
mod matching;
mod money;
mod moving;
mod open_items;
mod people;
mod postgres;
mod program;
mod reading;
mod report_money;
mod review;
mod runs;
mod settled;
mod shard;
mod sources;
mod statements;
mod store;
mod wire;
mod workbook;
