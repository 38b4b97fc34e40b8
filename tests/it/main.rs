//! The program's behavior, told in one binary.

mod config_errors;
mod floors;
mod postgres;
mod store;
