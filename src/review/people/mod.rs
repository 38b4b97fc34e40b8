//! People: who they are, how they prove it, what they may do and see.
//!
//! A *person* is what four eyes compare; a *login* is a name by which a person comes in, and one
//! person may have several. Password, token, proxy and command line all lead to a [`Principal`], which every
//! service checks instead of the request.
//!
//! No secret is kept: passwords as argon2id, the secrets of sessions, tokens and links as SHA-256.
//! Nothing here reads a clock or draws a random number on its own; both are arguments.

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
