//! The start page: where the runs stand, in counts that add up, each a link to what it counts.

use askama::Template;

use super::frame::Frame;
use super::part::{Bar, Spark, Stack};

/// The start page.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct Overview {
    /// The frame.
    pub frame: Frame,
    /// The jobs there are: name, address, present.
    pub jobs: Vec<(String, String, bool)>,
    /// The run shown; none yet on a new store.
    pub run: Option<Run>,
    /// What waits for this person: number, what, address.
    pub inbox: Vec<(u64, String, String)>,
}

/// A run in figures.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its job.
    pub job: String,
    /// Its business date.
    pub date: String,
    /// When it ran and how long it took.
    pub ran: String,
    /// How it ended, and the class of its mark.
    pub status: (String, &'static str),
    /// The two systems.
    pub systems: (String, String),
    /// One sentence with the gist.
    pub gist: String,
    /// Key figures.
    pub figures: Vec<Figure>,
    /// Records: parts of the whole.
    pub records: Whole,
    /// Differences by where they stand.
    pub differences: Whole,
    /// Rows of each side, and where they went: name, A, B.
    pub books: Vec<(String, String, String)>,
    /// Reasons, most frequent first.
    pub reasons: Vec<Reason>,
    /// Ages of what is unknown: name, number, bar, address.
    pub ages: Vec<(String, u64, Bar, String)>,
    /// Earlier runs, newest first.
    pub runs: Vec<PastRun>,
}

/// A figure with its course over the runs.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// What the word means.
    pub meaning: &'static str,
    /// Its value.
    pub value: String,
    /// The change against the run before; empty without one.
    pub change: String,
    /// Whether that is good: `better`, `worse` or empty.
    pub class: &'static str,
    /// What it counts.
    pub href: String,
    /// Its course.
    pub spark: Spark,
}

/// A whole and its parts.
#[derive(Clone, Debug)]
pub struct Whole {
    /// How many in all.
    pub total: u64,
    /// The bar.
    pub stack: Stack,
    /// Name, number, address, class.
    pub parts: Vec<(String, u64, String, &'static str)>,
}

/// A reason and how often it was given.
#[derive(Clone, Debug)]
pub struct Reason {
    /// The code.
    pub code: String,
    /// What it means.
    pub description: String,
    /// Whether business explains it.
    pub functional: bool,
    /// How often.
    pub count: u64,
    /// Its share.
    pub bar: Bar,
    /// Those it counts.
    pub href: String,
}

/// An earlier run.
#[derive(Clone, Debug)]
pub struct PastRun {
    /// Its job.
    pub job: String,
    /// Its business date.
    pub date: String,
    /// Its page.
    pub href: String,
    /// How it ended, and the class of its mark.
    pub status: (String, &'static str),
    /// Records.
    pub records: u64,
    /// Breaks.
    pub breaks: u64,
    /// Its differences.
    pub breaks_href: String,
    /// Settled by the machine alone.
    pub stp: Bar,
    /// Without a cause.
    pub unknown: Bar,
    /// Whether it is the one shown.
    pub present: bool,
}

impl Run {
    /// The wholes and what they are of.
    fn wholes(&self) -> [(&'static str, &Whole); 2] {
        [("Records", &self.records), ("Differences", &self.differences)]
    }
}
