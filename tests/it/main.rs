//! The tests of what people see, in one binary.

mod config_errors;
mod floors;
