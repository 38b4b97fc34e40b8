//! What this person decided, and what they can still take back.

use askama::Template;

use super::frame::{Frame, Undo};

/// My work.
#[derive(Template)]
#[template(path = "work.html")]
pub struct Work {
    /// The frame.
    pub frame: Frame,
    /// Figures: name, value, meaning.
    pub figures: Vec<(String, String, String)>,
    /// Proposals, newest first.
    pub rows: Vec<Row>,
    /// The page after.
    pub next: Option<String>,
}

/// A proposal of mine.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its page.
    pub href: String,
    /// What it does.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// How many differences.
    pub count: u64,
    /// Where it stands: word and class.
    pub state: (&'static str, &'static str),
    /// Words of whoever sent it back.
    pub answer: String,
    /// How old.
    pub when: String,
    /// Taking it back, while that is possible.
    pub undo: Option<Undo>,
}
