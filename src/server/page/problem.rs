//! The page for a problem.

use askama::Template;

use super::frame::Frame;

#[derive(Template)]
#[template(path = "problem.html")]
pub struct Problem {
    pub frame: Frame,
    pub status: u16,
    pub title: String,
    pub detail: String,
    /// Where to go: address and text.
    pub next: (String, String),
    /// For finding the request in the log.
    pub request_id: String,
}
