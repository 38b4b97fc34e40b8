//! What every screen shares: who is here, where they are, what has just been said.

use super::assets;

/// The entries of the navigation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Figures of the runs.
    Overview,
    /// Differences that wait for a maker.
    Queue,
    /// Proposals that wait for a checker or an authorizer.
    Check,
    /// The trail.
    Audit,
    /// Reason codes.
    Reasons,
    /// Reports for auditors.
    Reports,
    /// What this person did.
    Work,
    /// Settings of this person's page.
    Profile,
    /// Keys and words.
    Help,
    /// None of them.
    #[default]
    Elsewhere,
}

/// One link of the navigation.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which screen.
    pub place: Place,
    /// Its name.
    pub name: &'static str,
    /// Its address.
    pub href: &'static str,
    /// The two keys that go there.
    pub keys: &'static str,
}

/// The navigation, in order.
pub const ENTRIES: [Entry; 7] = [
    Entry { place: Place::Overview, name: "Overview", href: "/review", keys: "g o" },
    Entry { place: Place::Queue, name: "Queue", href: "/review/queue", keys: "g q" },
    Entry { place: Place::Check, name: "Check", href: "/review/check", keys: "g c" },
    Entry { place: Place::Audit, name: "Audit", href: "/review/audit", keys: "g a" },
    Entry { place: Place::Reasons, name: "Reasons", href: "/review/reasons", keys: "g r" },
    Entry { place: Place::Reports, name: "Reports", href: "/review/reports", keys: "g p" },
    Entry { place: Place::Work, name: "My work", href: "/review/work", keys: "g w" },
];

/// The person who looks at the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The name shown.
    pub name: String,
    /// Roles, in words.
    pub roles: String,
}

/// Light, dark, or whatever the device says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the device says.
    #[default]
    Auto,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// The word in the cookie and in the markup.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads [`Self::word`]; anything else is `auto`.
    pub fn parse(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }
}

/// Whether a message is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// Something to know.
    Note,
    /// It did not work.
    Bad,
}

impl Tone {
    /// The class in the markup.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// What the last step led to, said once on the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// How it went.
    pub tone: Tone,
    /// One sentence.
    pub text: String,
    /// Where the words in full are, and what the link is called.
    pub link: Option<(String, String)>,
    /// The proposal that "Undo" would withdraw.
    pub undo: Option<Undo>,
}

/// A withdrawal, ready to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// Where it is posted to.
    pub action: String,
    /// The version it is for.
    pub version: String,
    /// The key that makes posting it twice one withdrawal.
    pub key: String,
}

/// The frame around a screen.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Which entry of the navigation is the present one.
    pub place: Place,
    /// Who is logged in.
    pub person: Option<Person>,
    /// Whether this person reads reports.
    pub reports: bool,
    /// Proposals that this person could approve.
    pub to_check: u64,
    /// The theme chosen.
    pub theme: Theme,
    /// Whether single keys do anything.
    pub shortcuts: bool,
    /// Keys that this person moved: `j=n k=p`.
    pub moved_keys: String,
    /// What has just happened.
    pub said: Option<Said>,
    /// A line on every page: one person decides alone, or the policy can't be staffed.
    pub banner: Option<String>,
    /// Seconds until the session ends if nothing happens.
    pub session_seconds: u64,
}

impl Frame {
    /// The style sheet's address.
    pub fn css(&self) -> String {
        assets::STYLE.path()
    }

    /// The script's address.
    pub fn js(&self) -> String {
        assets::SCRIPT.path()
    }

    /// The navigation, with its present entry.
    pub fn entries(&self) -> impl Iterator<Item = (Entry, bool)> {
        let (place, reports) = (self.place, self.reports);
        let mine = move |entry: &Entry| entry.place != Place::Reports || reports;
        ENTRIES.into_iter().filter(mine).map(move |entry| (entry, entry.place == place))
    }

    /// Whether `entry` counts the proposals that wait.
    pub fn counts(&self, entry: &Entry) -> bool {
        entry.place == Place::Check && self.to_check > 0
    }

    /// The first letters of the person's name.
    pub fn initials(&self) -> String {
        let name = self.person.as_ref().map_or("", |person| person.name.as_str());
        let mut letters = name
            .split(|c: char| !c.is_alphanumeric())
            .filter_map(|word| word.chars().next())
            .flat_map(char::to_uppercase);
        letters.next().into_iter().chain(letters.next()).collect()
    }
}
