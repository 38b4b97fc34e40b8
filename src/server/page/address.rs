//! The list of a page, written into the query and read back, so that links, reloads and the back
//! button show the same list.

use crate::coding::escape;
use crate::diagnostic::Code;
use crate::review::{ItemKind, QueueFilter, QueueSort};
use crate::server::error::Denied;
use crate::server::parameter::{Kind, Parameter};
use crate::server::workflow;

/// `path?name=value&…`, without empty values.
pub fn with_query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut address = path.to_owned();
    let mut separator = '?';
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        address.push(separator);
        address.push_str(name);
        address.push('=');
        address.push_str(&escape(value));
        separator = '&';
    }
    address
}

/// A list of the queue: filter, order and position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    pub filter: QueueFilter,
    pub sort: QueueSort,
    pub cursor: Option<String>,
    /// Cursors of the pages before this one, for "previous".
    pub before: Vec<String>,
    /// Items instead of groups.
    pub items: bool,
    /// An unknown parameter, or one with an invalid value.
    pub unknown: Option<String>,
}

const SORTS: [(&str, QueueSort); 7] = [
    ("confidence", QueueSort::Confidence),
    ("-confidence", QueueSort::ConfidenceDescending),
    ("age", QueueSort::Age),
    ("amount", QueueSort::Amount),
    ("at_risk", QueueSort::AtRisk),
    ("severity", QueueSort::Severity),
    ("teaches", QueueSort::Teaches),
];

/// Filters: their names are those of the API.
const NAMES: [&str; 23] = [
    "status",
    "run_id",
    "job",
    "signature",
    "field_name",
    "diff_type",
    "severity",
    "reason_code",
    "present_reason",
    "monetary_field",
    "currency",
    "no_currency",
    "functional",
    "by_people",
    "min_confidence",
    "max_confidence",
    "min_amount",
    "max_amount",
    "assignee",
    "sla",
    "sent_back",
    "kind",
    "q",
];

/// Names of older addresses.
const FORMER: [(&str, &str); 8] = [
    ("run", "run_id"),
    ("field", "field_name"),
    ("type", "diff_type"),
    ("reason", "reason_code"),
    ("as", "present_reason"),
    ("least", "min_amount"),
    ("most", "max_amount"),
    ("by", "by_people"),
];

/// Parameters of the pages that are no filters.
const OTHERS: [&str; 5] = ["said", "mode", "signs", "choice", "code"];
/// Other parameters of a list, and two filters of older addresses.
const PLACE: [&str; 7] = ["sort", "cursor", "before", "view", "band", "back", "samples"];

/// All parameters of a list: the filters of the API, under older names too, and the place in it.
pub fn parameters() -> Vec<Parameter> {
    let mut filters = workflow::filters();
    for filter in &mut filters {
        if ["functional", "by_people"].contains(&filter.name) {
            filter.kind = Kind::One(vec!["true", "false", "yes", "no", "people", "machine"]);
        }
    }
    let former = FORMER.iter().filter_map(|(old, name)| {
        let filter = filters.iter().find(|filter| filter.name == *name)?;
        Some(Parameter { name: old, ..filter.clone() })
    });
    let former: Vec<Parameter> = former.collect();
    let place = PLACE.map(|name| Parameter::query(name, "Of the list", Kind::Text(8000)));
    filters.into_iter().chain(former).chain(place).collect()
}

/// Most cursors kept for "previous".
const REMEMBERED: usize = 20;

impl Listing {
    /// Of unknown parameters and values without sense it keeps the first name.
    pub fn parse(pairs: &[(String, String)]) -> Self {
        let mut listing = Self::default();
        let filter = &mut listing.filter;
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            let former = FORMER.iter().find(|(old, _)| old == name);
            let name = former.map_or(name.as_str(), |(_, name)| *name);
            let understood = match name {
                "band" => {
                    let (least, most) = value.split_once('-').unwrap_or((value, ""));
                    filter.set("min_confidence", least) && filter.set("max_confidence", most)
                }
                "back" => filter.set("sent_back", "true"),
                "samples" => {
                    filter.kind = Some(ItemKind::AuditSample);
                    true
                }
                "functional" | "by_people" if ["yes", "people"].contains(&value.as_str()) => {
                    filter.set(name, "true")
                }
                "functional" | "by_people" if ["no", "machine"].contains(&value.as_str()) => {
                    filter.set(name, "false")
                }
                name if NAMES.contains(&name) => {
                    filter.set(name, &value.chars().take(500).collect::<String>())
                }
                "sort" => match SORTS.iter().find(|(word, _)| word == value) {
                    Some((_, sort)) => {
                        listing.sort = *sort;
                        true
                    }
                    None => false,
                },
                "cursor" => {
                    listing.cursor = Some(value.clone());
                    true
                }
                "before" => {
                    listing.before =
                        value.split('.').filter(|part| !part.is_empty()).map(unjoined).collect();
                    true
                }
                "view" => {
                    listing.items = value == "items";
                    ["items", "groups"].contains(&value.as_str())
                }
                other => OTHERS.contains(&other),
            };
            if !understood {
                listing.unknown.get_or_insert_with(|| name.to_owned());
            }
        }
        // Blind samples are never grouped: common properties would reveal the answer.
        listing.items |= listing.filter.kind == Some(ItemKind::AuditSample);
        listing
    }

    /// Parses the address of a page; parameters that no list has are refused.
    pub fn of(pairs: &[(String, String)]) -> Result<Self, Denied> {
        let listing = Self::parse(pairs);
        match &listing.unknown {
            Some(name) => {
                let detail = format!("the queue has no filter “{name}”, or no such value of it");
                Err(Denied::new(Code::Invalid, detail))
            }
            None => Ok(listing),
        }
    }

    /// The query without the position.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let texts = self.filter.texts();
        let known = |name: &&'static str| {
            let (_, text) = texts.iter().find(|(known, _)| known == name)?;
            Some((*name, text.clone()))
        };
        let mut pairs: Vec<(&'static str, String)> = NAMES.iter().filter_map(known).collect();
        if self.sort != QueueSort::default() {
            pairs.push(("sort", self.sort_word().to_owned()));
        }
        if self.items {
            pairs.push(("view", "items".to_owned()));
        }
        pairs
    }

    pub fn remove(&mut self, name: &str) {
        self.filter.set(name, "");
    }

    pub fn sort_word(&self) -> &'static str {
        SORTS.iter().find(|(_, sort)| *sort == self.sort).map_or("confidence", |(word, _)| word)
    }

    /// The address without the position.
    pub fn address(&self, path: &str) -> String {
        let pairs = self.pairs();
        with_query(path, pairs.iter().map(|(name, value)| (*name, value.as_str())))
    }

    pub fn with_position(&self, path: &str) -> String {
        let mut pairs = self.pairs();
        pairs.extend(self.cursor.iter().map(|cursor| ("cursor", cursor.clone())));
        if !self.before.is_empty() {
            let before: Vec<String> = self.before.iter().map(|cursor| joined(cursor)).collect();
            pairs.push(("before", before.join(".")));
        }
        with_query(path, pairs.iter().map(|(name, value)| (*name, value.as_str())))
    }

    pub fn context(&self) -> String {
        self.with_position("")
    }

    /// The first page of a changed list.
    #[must_use]
    pub fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut listing = Self { cursor: None, before: Vec::new(), ..self.clone() };
        change(&mut listing);
        listing
    }

    #[must_use]
    pub fn following(&self, cursor: &str) -> Self {
        let mut before = self.before.clone();
        before.push(self.cursor.clone().unwrap_or_default());
        let forget = before.len().saturating_sub(REMEMBERED);
        before.drain(..forget);
        Self { cursor: Some(cursor.to_owned()), before, ..self.clone() }
    }

    /// How many pages come before this one, if that is known.
    pub fn pages_before(&self) -> Option<usize> {
        match &self.cursor {
            None => Some(0),
            Some(_) => Some(self.before.len()).filter(|pages| (1..REMEMBERED).contains(pages)),
        }
    }

    /// The previous page, if known.
    pub fn preceding(&self) -> Option<Self> {
        self.cursor.as_ref()?;
        let mut before = self.before.clone();
        let cursor = before.pop().filter(|cursor| !cursor.is_empty());
        Some(Self { cursor, before, ..self.clone() })
    }
}

// Cursors are joined with dots; a dash stands for the first page, which has none.
fn joined(cursor: &str) -> String {
    if cursor.is_empty() { "-".to_owned() } else { cursor.replace('~', "~0").replace('.', "~1") }
}

fn unjoined(part: &str) -> String {
    if part == "-" { String::new() } else { part.replace("~1", ".").replace("~0", "~") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::unescape;
    use crate::review::Sla;

    #[test]
    fn an_address_reads_back() {
        let mut listing = Listing::default();
        listing.filter.q = Some("a&b=<ü> %".into());
        listing.filter.min_confidence = Some(0.5);
        listing.filter.max_confidence = Some(0.9);
        listing.filter.sla = Some(Sla::Overdue);
        listing.filter.sent_back = Some(true);
        listing.sort = QueueSort::Amount;
        listing.items = true;
        let listing = listing.following("one.1").following("two~");
        let address = listing.with_position("/review/queue");
        assert!(address.contains("min_confidence=0.5") && address.contains("sent_back=true"));
        assert!(address.is_ascii() && !address.contains('<'));
        let pairs: Vec<(String, String)> = address
            .split_once('?')
            .unwrap()
            .1
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| {
                (name.to_owned(), String::from_utf8(unescape(value).unwrap().into_owned()).unwrap())
            })
            .collect();
        assert_eq!(Listing::parse(&pairs), listing);
        let first = listing.preceding().unwrap().preceding().unwrap();
        assert_eq!(first.cursor, None);
        assert_eq!(first.preceding(), None);
    }

    #[test]
    fn former_names_are_understood_and_unknown_ones_are_reported() {
        let parse = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, String)> =
                pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Listing::parse(&pairs)
        };
        let old =
            parse(&[("field", "amount"), ("back", "yes"), ("by", "people"), ("band", "0.5-")]);
        let new = parse(&[
            ("field_name", "amount"),
            ("sent_back", "true"),
            ("by_people", "true"),
            ("min_confidence", "0.5"),
        ]);
        assert_eq!((&old, &old.unknown), (&new, &None));
        for (name, value) in [("colour", "red"), ("sla", "late"), ("sort", "size")] {
            assert_eq!(parse(&[(name, value)]).unknown.as_deref(), Some(name));
        }
    }
}
