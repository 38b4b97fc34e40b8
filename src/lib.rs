#![doc = include_str!("../ARCHITECTURE.md")]

pub mod align;
pub mod attribute;
pub mod cli;
mod coding;
pub(crate) mod compare;
pub mod config;
pub mod database;
pub mod diagnostic;
pub mod domain;
pub mod exchange;
pub(crate) mod files;
pub(crate) mod generate;
pub(crate) mod infer;
pub(crate) mod matching;
pub mod normalize;
pub mod pipeline;
pub(crate) mod report;
pub mod review;
pub mod script;
pub mod server;
pub mod source;
pub mod store;
pub(crate) mod threads;
mod yaml;
