//! The review page: complete HTML from the server, one style sheet, one script, nothing from
//! elsewhere. Every screen is a template and the plain data that it shows.
//!
//! Templates escape everything; only the parts in [`part`] may emit markup, each from a template of its
//! own. A screen never decides anything and never speaks SQL: it shows what the services say, and
//! posts forms to them.

mod act;
pub mod address;
pub mod assets;
pub mod audit;
pub mod bulk;
pub mod check;
mod desk;
pub mod difference;
mod door;
pub mod enter;
pub mod frame;
pub mod item;
mod look;
pub mod marks;
pub mod overview;
pub mod part;
pub mod prefs;
pub mod problem;
pub mod profile;
pub mod proposal;
pub mod queue;
pub mod reasons;
pub mod reports;
mod routes;
mod runs;
#[cfg(test)]
mod sample;
pub mod words;
pub mod work;

pub use desk::problem_page;
pub use routes::routes;

/// What a browser may do on these pages: load our own two files and post to us, nothing else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";
