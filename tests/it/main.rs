//! The program's behavior, told in one binary.

mod postgres;
mod store;
