//! Users: identities, credentials, permissions.
//!
//! A *person* is the unit of four eyes; a *login* is a name that a person logs in with, and one person may have
//! several. Password, token, proxy and command line all lead to a [`Principal`], which every service checks instead
//! of the request.
//!
//! No secret is stored: passwords as argon2id, the secrets of sessions, tokens and links as SHA-256. Nothing here
//! reads a clock or draws a random number on its own; both are arguments.

pub mod directory;
pub mod invitation;
pub mod login;
mod name;
mod password;
mod principal;
pub mod proxy;
mod record;
mod secret;
pub mod session;
pub mod staffing;
mod throttle;
pub mod token;

pub use directory::{NewPerson, Person, StoredDirectory};
pub use password::Hashing;
pub use principal::{AuthMethod, Principal, command_line_actor};
pub use secret::{Random, system_random};
