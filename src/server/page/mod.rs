//! The review page: complete HTML from the server, one style sheet, one script, no external
//! resources. Every screen is a folder, and a template with plain data.
//!
//! Templates escape everything; only [`fragment`] emits markup. Screens make no decisions and know
//! no SQL: they show what the services return and post forms to them.

pub(super) mod address;
mod assets;
mod audit;
mod by_hand;
mod check;
mod context;
mod diff;
mod difference;
mod file;
mod fragment;
mod frame;
mod item;
mod labels;
mod login;
mod overview;
mod people;
mod prefs;
mod problem;
mod profile;
mod queue;
mod reasons;
mod reports;
#[cfg(test)]
mod sample;
mod work;

pub use context::problem_page;

use super::http::Method;
use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};

/// Pages may load our two files and post to us, nothing else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The routes of all screens. Each screen is a folder: its routes, its handlers, its templates.
pub fn routes() -> Vec<Route> {
    let screens = [
        login::routes(),
        overview::routes(),
        queue::routes(),
        item::routes(),
        by_hand::routes(),
        check::routes(),
        reasons::routes(),
        work::routes(),
        audit::routes(),
        reports::routes(),
        people::routes(),
        profile::routes(),
    ];
    screens.into_iter().flatten().collect()
}

/// A parameter that is `yes` or absent.
fn yes(name: &'static str) -> Parameter {
    Parameter::query(name, "`yes` shows it", Kind::One(vec!["yes"]))
}

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
    let said = (route.method == Method::Get)
        .then(|| Parameter::query("said", "The message about the previous step", Kind::Text(200)));
    route
        .page()
        .about("A page for people")
        .takes(parameters)
        .takes(said)
        .answers(200, "The page", Content::Media("text/html"))
        .answers(303, "To another page", Content::None)
}
