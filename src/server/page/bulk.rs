//! Deciding many differences in one step: what exactly, before it happens.

use askama::Template;

use super::frame::Frame;
use super::part::{Bar, Value};

/// The confirmation of a bulk decision.
#[derive(Template)]
#[template(path = "bulk.html")]
pub struct Bulk {
    /// The frame.
    pub frame: Frame,
    /// The frozen membership.
    pub token: String,
    /// The key that makes posting it twice one decision.
    pub key: String,
    /// What will be decided, in words: `Accept ROUNDING_DIFF`.
    pub title: String,
    /// How many.
    pub count: u64,
    /// The sum of their amounts.
    pub amount: Option<String>,
    /// What will happen.
    pub outcome: String,
    /// Why more eyes are needed.
    pub triggers: Vec<String>,
    /// How the members divide: name, number, share.
    pub breakdown: Vec<(String, String, Bar)>,
    /// Members that do not fit the others.
    pub outliers: Vec<Sample>,
    /// Members taken at random.
    pub samples: Vec<Sample>,
    /// Differences that were left out: reference, address, why.
    pub excluded: Vec<(String, String, String)>,
    /// Whether the samples must have been looked at.
    pub must_look: bool,
    /// Whether words are needed.
    pub needs_comment: bool,
    /// What was typed before.
    pub comment: String,
    /// What went wrong.
    pub wrong: Option<String>,
    /// The way back.
    pub back: String,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its record.
    pub reference: String,
    /// Its field.
    pub field: String,
    /// Its page.
    pub href: String,
    /// Its sides.
    pub sides: (Value, Value),
    /// The guess, how sure.
    pub guess: String,
    /// Why it stands out.
    pub note: String,
}
