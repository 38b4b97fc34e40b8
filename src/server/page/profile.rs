//! Profile and help.

use askama::Template;

use super::account::Account;
use super::frame::{Frame, Theme};

#[derive(Template)]
#[template(path = "profile.html")]
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
#[template(path = "help.html")]
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
            (&["c"], "comment; then t for a phrase"),
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
