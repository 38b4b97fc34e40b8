//! The review page: complete HTML from the server, one style sheet, one script, no external
//! resources. Every screen is a template with plain data.
//!
//! Templates escape everything; only [`fragment`] emits markup. Screens make no decisions and know
//! no SQL: they show what the services return and post forms to them.

pub mod account;
pub(super) mod address;
mod assets;
mod audit;
pub mod breaks;
mod bulk;
pub mod by_hand;
mod check;
mod context;
mod diff;
mod difference;
mod file;
pub mod forms;
mod fragment;
mod frame;
mod item;
mod labels;
pub mod login;
mod login_form;
mod overview;
pub mod people;
mod prefs;
mod problem;
mod profile;
mod proposal;
mod queue;
mod reasons;
mod reports;
pub mod runs;
#[cfg(test)]
mod sample;
pub mod screens;
pub mod statement;
pub mod views;
pub mod why;
mod work;

pub use context::problem_page;

use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};

/// Pages may load our two files and post to us, nothing else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

pub fn describe(route: Route) -> Route {
    let parameters = if route.path.contains("{id}") {
        vec![Parameter::id("id", "The id")]
    } else if route.path.contains("{login}") {
        vec![Parameter::path("login", "The login", Kind::Text(100)).example("ann")]
    } else if route.path.contains("{file}") {
        vec![Parameter::path("file", "The file", Kind::Text(100))]
    } else {
        Vec::new()
    };
    route
        .page()
        .about("A page for people")
        .takes(parameters)
        .answers(200, "The page", Content::Media("text/html"))
        .answers(303, "To another page", Content::None)
}
