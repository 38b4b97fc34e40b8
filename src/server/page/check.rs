//! Proposals that wait: to check, to authorize, one's own.

use askama::Template;

use super::frame::Frame;

/// The list of proposals.
#[derive(Template)]
#[template(path = "check.html")]
pub struct Check {
    /// The frame.
    pub frame: Frame,
    /// One sentence.
    pub about: String,
    /// Lists with their sizes.
    pub tabs: Vec<super::queue::Tab>,
    /// The proposals, oldest first.
    pub proposals: Vec<Row>,
    /// What to say if there is none.
    pub nothing: (String, String),
    /// The page after.
    pub next: Option<String>,
}

/// A proposal in the list.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its page.
    pub href: String,
    /// What it would do.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// How many differences.
    pub count: u64,
    /// Whose it is.
    pub maker: String,
    /// How old.
    pub age: String,
    /// 2, 4 or 6, and how many have looked.
    pub eyes: (u8, u8),
    /// Why six, short.
    pub trigger: String,
    /// Where it stands: word and class.
    pub state: (&'static str, &'static str),
    /// Why this person may not approve it.
    pub why_not: Option<String>,
}
