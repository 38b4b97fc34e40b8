//! Forms of log-in, password and invitation.

use askama::Template;

use crate::server::page::frame::Frame;

#[derive(Template)]
#[template(path = "login/login.html")]
pub struct Login {
    pub frame: Frame,
    pub username: String,
    pub wrong: Option<String>,
    /// Where to go afterwards.
    pub then: String,
}

#[derive(Template)]
#[template(path = "login/password.html")]
pub struct Password {
    pub frame: Frame,
    pub username: String,
    /// The user must change the password now.
    pub forced: bool,
    pub wrong: Option<String>,
    /// Where to go afterwards.
    pub then: String,
}

#[derive(Template)]
#[template(path = "login/first.html")]
pub struct FirstAdmin {
    pub frame: Frame,
    /// The invitation's secret.
    pub token: String,
    /// An invited user, not the first administrator.
    pub invited: bool,
    pub username: String,
    pub wrong: Option<String>,
}
