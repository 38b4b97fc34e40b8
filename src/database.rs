//! Connection pools from a URL. Passwords are never shown: no `Display`, `Debug`, error or log line
//! holds one.

mod password_file;
pub mod patience;
pub mod postgres;
pub mod sqlite;
pub mod tables;
mod tls;
mod url;
pub mod wire;

pub use url::{PostgresUrl, StoreUrl};

/// The name of this host, for display.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this host".to_owned())
}
