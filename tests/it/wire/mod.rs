//! Raw sockets against the real server: malformed, endless, slow or numerous requests must cost
//! only their sender.

mod client;
mod flood;
mod framing;
mod names;
mod server;
mod slow;

pub use client::{Answer, Client, Normal};
pub use server::Server;
