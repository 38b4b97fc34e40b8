//! Connection pools from a URL. Passwords are never shown: no `Display`, `Debug`, error or log line
//! holds one.

pub mod password_file;
pub mod patience;
pub mod postgres;
pub mod sqlite;
pub mod tls;
pub mod url;

pub use url::{PostgresUrl, StoreUrl};

use crate::diagnostic::Problem;

/// Threads that a pool of connections starts for itself.
const POOL_THREADS: usize = 3;

/// Makes sure that so many threads can be had: libraries panic where the system gives them none.
///
/// # Errors
/// The system gives fewer.
pub fn threads_to_spare(count: usize) -> Result<(), Problem> {
    // All at once, as the library has them. They end when their channels do.
    let started: Result<Vec<_>, _> = (0..count)
        .map(|_| {
            let (end, wait) = std::sync::mpsc::channel::<()>();
            let thread = std::thread::Builder::new().name("probe".into());
            thread.spawn(move || drop(wait.recv())).map(|thread| (end, thread))
        })
        .collect();
    for (end, thread) in started.map_err(|error| crate::domain::thread::refused(&error))? {
        drop(end);
        let _ = thread.join();
    }
    Ok(())
}

/// The name of this host, for people.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this host".to_owned())
}
