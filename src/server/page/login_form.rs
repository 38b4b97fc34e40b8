//! Logging in, and making the first administrator.

use askama::Template;

use super::frame::Frame;

/// The log-in form.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login {
    /// The frame, without a person.
    pub frame: Frame,
    /// What was typed before.
    pub username: String,
    /// Why it did not work.
    pub wrong: Option<String>,
    /// Where to go afterwards: a path of ours.
    pub then: String,
}

/// The form by which somebody changes their password.
#[derive(Template)]
#[template(path = "password.html")]
pub struct Password {
    /// The frame, without a person.
    pub frame: Frame,
    /// The login.
    pub username: String,
    /// Whether nothing else opens before.
    pub forced: bool,
    /// Why it did not work.
    pub wrong: Option<String>,
    /// Where to go afterwards: a path of ours.
    pub then: String,
}

/// The form behind the one-time link.
#[derive(Template)]
#[template(path = "first.html")]
pub struct FirstAdmin {
    /// The frame, without a person.
    pub frame: Frame,
    /// The one-time word of the link.
    pub token: String,
    /// Whether the link is for somebody who has a name already.
    pub invited: bool,
    /// What was typed before.
    pub username: String,
    /// Why it did not work.
    pub wrong: Option<String>,
}
