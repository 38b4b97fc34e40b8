//! Connection pools from a URL. Passwords are never shown: no `Display`, `Debug`, error or log line
//! holds one.

pub mod password_file;
pub mod postgres;
pub mod sqlite;
pub mod tls;
pub mod url;

pub use url::{PostgresUrl, StoreUrl};
