//! Settings of one's own page, and help.

use askama::Template;

use super::frame::{Frame, Theme};

/// The settings.
#[derive(Template)]
#[template(path = "profile.html")]
pub struct Profile {
    /// The frame.
    pub frame: Frame,
    /// Rows of a list.
    pub page_size: u16,
    /// Keys: what they do, the name in the form, the usual one, the present one.
    pub keys: Vec<(&'static str, &'static str, &'static str, String)>,
    /// Second logins that wait for this person's consent.
    pub waiting: Vec<String>,
    /// Whether the person came in by a password.
    pub has_password: bool,
    /// What went wrong.
    pub wrong: Option<String>,
}

impl Profile {
    /// The themes: word, label, chosen.
    fn themes(&self) -> [(&'static str, &'static str, bool); 3] {
        [Theme::Auto, Theme::Light, Theme::Dark].map(|theme| {
            let label = match theme {
                Theme::Auto => "As the device",
                Theme::Light => "Light",
                Theme::Dark => "Dark",
            };
            (theme.word(), label, theme == self.frame.theme)
        })
    }
}

/// The keyboard map and the words.
#[derive(Template)]
#[template(path = "help.html")]
pub struct Help {
    /// The frame.
    pub frame: Frame,
}

/// A part of the keyboard map: what it is for, and keys with what they do.
type KeyGroup = (&'static str, &'static [(&'static [&'static str], &'static str)]);

/// Every key and what it does.
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
            (&["1", "2", "3"], "choose the machine's first, second, third cause"),
            (&["o"], "choose another cause"),
            (&["r"], "confirmed break: no cause explains it"),
            (&["Enter"], "commit what is chosen"),
            (&["Ctrl", "Enter"], "commit, also while writing"),
            (&["c"], "comment; then t for a phrase"),
            (&["s"], "take the item"),
            (&["u"], "undo my last decision"),
        ],
    ),
    (
        "Many and other people's",
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
        "Look and go",
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

/// Keys that can be moved: name, usual key, what it does.
pub const MOVABLE: [(&str, &str, &str); 16] = [
    ("next", "j", "Next"),
    ("previous", "k", "Previous"),
    ("first", "1", "First cause"),
    ("second", "2", "Second cause"),
    ("third", "3", "Third cause"),
    ("other", "o", "Another cause"),
    ("reject", "r", "Confirmed break"),
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
