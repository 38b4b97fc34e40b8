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
    /// Meaning, form field, default key, present key.
    pub keys: Vec<(&'static str, &'static str, &'static str, String)>,
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
            (&["v"], "characters, one line, bytes"),
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

/// Keys that can be remapped: name, default key, meaning.
pub const MOVABLE: [(&str, &str, &str); 17] = [
    ("next", "j", "Next"),
    ("previous", "k", "Previous"),
    ("first", "1", "First cause"),
    ("second", "2", "Second cause"),
    ("third", "3", "Third cause"),
    ("other", "o", "Another cause"),
    ("reject", "r", "Confirmed break"),
    ("match", "m", "Match by hand"),
    ("comment", "c", "Comment"),
    ("take", "s", "Take it"),
    ("undo", "u", "Undo"),
    ("select", "x", "Select"),
    ("examples", "e", "Examples"),
    ("approve", "a", "Approve"),
    ("back", "b", "Send back"),
    ("mode", "v", "Show as"),
    ("signs", "w", "Invisible"),
];
