//! Raw sockets against the real server: what is malformed, endless, slow or many must cost its
//! sender, and nobody else.

mod client;
mod flood;
mod framing;
mod names;
mod server;
mod slow;

pub use client::{Answer, Client, Normal};
pub use server::Server;
