//! A page for what went wrong.

use askama::Template;

use super::frame::Frame;

/// A problem, in words that help.
#[derive(Template)]
#[template(path = "problem.html")]
pub struct Problem {
    /// The frame.
    pub frame: Frame,
    /// The HTTP status.
    pub status: u16,
    /// What it is, short.
    pub title: String,
    /// One or two sentences.
    pub detail: String,
    /// What to do now: address and name.
    pub next: (String, String),
    /// The id under which the log knows more.
    pub request_id: String,
}
