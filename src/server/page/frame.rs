//! The frame of every screen: user, navigation, message.

use super::assets;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    Overview,
    Queue,
    Check,
    Audit,
    Reasons,
    Reports,
    Work,
    People,
    Profile,
    Help,
    #[default]
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub place: Screen,
    pub name: &'static str,
    pub href: &'static str,
    /// Its two keys.
    pub keys: &'static str,
}

pub const ENTRIES: [Entry; 8] = [
    Entry { place: Screen::Overview, name: "Overview", href: "/review", keys: "g o" },
    Entry { place: Screen::Queue, name: "Queue", href: "/review/queue", keys: "g q" },
    Entry { place: Screen::Check, name: "Check", href: "/review/check", keys: "g c" },
    Entry { place: Screen::Audit, name: "Audit", href: "/review/audit", keys: "g a" },
    Entry { place: Screen::Reasons, name: "Reasons", href: "/review/reasons", keys: "g r" },
    Entry { place: Screen::Reports, name: "Reports", href: "/review/reports", keys: "g p" },
    Entry { place: Screen::Work, name: "My work", href: "/review/work", keys: "g w" },
    Entry { place: Screen::People, name: "People", href: "/review/people", keys: "g u" },
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub roles: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    /// The name in cookie and markup.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Anything unknown is `auto`.
    pub fn parse(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Note,
    Bad,
}

impl Tone {
    /// CSS class.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// A message about the previous step, shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub tone: Tone,
    pub text: String,
    /// Address and text.
    pub link: Option<(String, String)>,
    pub undo: Option<Undo>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// Form address.
    pub action: String,
    pub version: String,
    /// Idempotency key.
    pub key: String,
    /// The present page, to return to.
    pub back: String,
}

#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The present entry of the navigation.
    pub place: Screen,
    pub person: Option<Person>,
    /// The user may read reports.
    pub reports: bool,
    /// The user manages others.
    pub people: bool,
    /// The user proposes decisions.
    pub work: bool,
    /// Decisions that the present users cannot complete.
    pub light: Option<&'static str>,
    /// Proposals that the user may approve.
    pub to_check: u64,
    pub theme: Theme,
    /// Lists have low rows.
    pub dense: bool,
    /// Single-letter shortcuts are on.
    pub shortcuts: bool,
    pub said: Option<Message>,
    /// A line on every page.
    pub banner: Option<String>,
    /// Idle seconds until the session ends.
    pub session_seconds: u64,
}

impl Frame {
    pub fn css(&self) -> String {
        assets::STYLE.path()
    }

    pub fn js(&self) -> String {
        assets::SCRIPT.path()
    }

    /// Entries, and whether each is the present one.
    pub fn entries(&self) -> impl Iterator<Item = (Entry, bool)> {
        let (place, reports, people, work) = (self.place, self.reports, self.people, self.work);
        let alone = self.alone();
        let mine = move |entry: &Entry| match entry.place {
            Screen::Reports => reports,
            Screen::People => people,
            Screen::Work => work,
            // A single user has no proposals to check.
            Screen::Check => !alone,
            _ => true,
        };
        ENTRIES.into_iter().filter(mine).map(move |entry| (entry, entry.place == place))
    }

    pub const fn alone(&self) -> bool {
        self.banner.is_some()
    }

    /// True if `entry` shows the number of waiting proposals.
    pub fn counts(&self, entry: &Entry) -> bool {
        entry.place == Screen::Check && self.to_check > 0
    }

    pub fn initials(&self) -> String {
        let name = self.person.as_ref().map_or("", |person| person.name.as_str());
        let mut letters = name
            .split(|c: char| !c.is_alphanumeric())
            .filter_map(|word| word.chars().next())
            .flat_map(char::to_uppercase);
        letters.next().into_iter().chain(letters.next()).collect()
    }
}
