//! Profile and help.

pub mod account;

use askama::Template;

use crate::review::people::{AuthMethod, directory};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::route::Access::LoggedIn;
use crate::server::route::Route;
use crate::server::routes::{get, post};

use self::account::Account;
use super::address::with_query;
use super::context::{PageContext, html, sentence};
use super::frame::{Frame, Screen, Theme};
use super::prefs::Prefs;

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/profile", "page_profile", show, LoggedIn),
        post("/review/profile", "page_set_profile", save, LoggedIn),
        post("/review/profile/tokens", "page_create_token", account::create_token, LoggedIn).lasting(),
        post("/review/profile/tokens/revoke", "page_revoke_token", account::revoke_token, LoggedIn).lasting(),
        post("/review/profile/sessions", "page_end_session", account::end_session, LoggedIn),
        get("/review/help", "page_help", help, LoggedIn),
    ]
}

#[derive(Template)]
#[template(path = "profile/profile.html")]
pub struct Profile {
    pub frame: Frame,
    pub page_size: u16,
    pub account: Account,
    /// Second logins that await the user's consent.
    pub waiting: Vec<String>,
    /// The user logged in with a password.
    pub has_password: bool,
    pub wrong: Option<String>,
}

impl Profile {
    /// Name, label, chosen.
    fn themes(&self) -> [(&'static str, &'static str, bool); 3] {
        [Theme::Auto, Theme::Light, Theme::Dark].map(|theme| {
            let label = match theme {
                Theme::Auto => "Same as device",
                Theme::Light => "Light",
                Theme::Dark => "Dark",
            };
            (theme.word(), label, theme == self.frame.theme)
        })
    }
}

/// Keyboard map and glossary.
#[derive(Template)]
#[template(path = "profile/help.html")]
pub struct Help {
    pub frame: Frame,
}

/// Title, and keys with their meaning.
type KeyGroup = (&'static str, &'static [(&'static [&'static str], &'static str)]);

pub const KEYS: [KeyGroup; 4] = [
    (
        "Move",
        &[
            (&["j", "↓"], "next"),
            (&["k", "↑"], "previous"),
            (&["Enter"], "open"),
            (&["Esc"], "back"),
            (&["[", "]"], "previous, next page"),
            (&["e"], "show a group's examples"),
            (&["/"], "search"),
            (&["f"], "filters"),
        ],
    ),
    (
        "Decide",
        &[
            (&["1", "2", "3"], "choose the first, second, third prediction"),
            (&["o"], "choose another cause"),
            (&["r"], "confirmed break: no cause explains it"),
            (&["y"], "why: the rows, steps and rules behind it"),
            (&["m"], "match a row by hand"),
            (&["Enter"], "commit the choice"),
            (&["Ctrl", "Enter"], "commit, also while writing"),
            (&["c"], "comment"),
            (&["t"], "a phrase for the reason of a decision"),
            (&["s"], "assign the item to me"),
            (&["u"], "undo my last decision"),
        ],
    ),
    (
        "Many items, and others' proposals",
        &[
            (&["x"], "select"),
            (&["Shift", "x"], "select up to here"),
            (&["*"], "select the whole page"),
            (&["."], "decide the selected items"),
            (&["Space"], "I looked at the samples"),
            (&["a"], "approve"),
            (&["b"], "send back"),
        ],
    ),
    (
        "View and navigate",
        &[
            (&["v"], "two texts side by side or in one line"),
            (&["w"], "show invisible characters"),
            (&["g", "o"], "overview"),
            (&["g", "q"], "queue"),
            (&["g", "c"], "check"),
            (&["g", "a"], "audit"),
            (&["g", "r"], "reasons"),
            (&["g", "p"], "reports"),
            (&["g", "w"], "my work"),
            (&["?"], "this help"),
        ],
    ),
];

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    page(&context, None, None, 200)
}

pub fn page(
    context: &PageContext<'_>,
    wrong: Option<String>,
    made: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Profile)?;
    let person = context.call.person()?;
    let logins = directory::logins_of(&*context.call.app.store, &person.person_id)
        .map_err(crate::review::Refusal::from)?;
    let waiting = logins.into_iter().filter(|own| own.awaits_consent).map(|own| own.login);
    let page = Profile {
        frame,
        waiting: waiting.collect(),
        has_password: matches!(person.method, AuthMethod::Session(_)),
        page_size: context.prefs.size,
        account: Account::of(context, made)?,
        wrong: wrong.as_deref().map(sentence),
    };
    html(status, &page)
}

/// Keyboard map and glossary.
pub fn help(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Help)?;
    html(200, &Help { frame })
}

/// Saves the settings in a cookie.
pub fn save(call: &Call<'_>) -> Result<Response, Denied> {
    let prefs = Prefs::from_form(&call.form);
    let address = with_query("/review/profile", [("said", "saved")]);
    Ok(Response::see_other(&address).header("set-cookie", prefs.set_cookie()))
}
