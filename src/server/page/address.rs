//! The list of a page, written into the query and read back, so that links, reloads and the back
//! button show the same list.

use crate::coding::escape;
use crate::review::{ItemKind, QueueFilter, QueueSort};

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
}

const SORTS: [(&str, QueueSort); 5] = [
    ("confidence", QueueSort::Confidence),
    ("-confidence", QueueSort::ConfidenceDescending),
    ("age", QueueSort::Age),
    ("amount", QueueSort::Amount),
    ("severity", QueueSort::Severity),
];

/// Filters: names in the page's address and in [`QueueFilter`].
const NAMES: [(&str, &str); 14] = [
    ("status", "status"),
    ("run", "run_id"),
    ("job", "job"),
    ("signature", "signature"),
    ("field", "field_name"),
    ("type", "diff_type"),
    ("severity", "severity"),
    ("reason", "reason_code"),
    ("as", "present_reason"),
    ("assignee", "assignee"),
    ("q", "q"),
    ("least", "min_amount"),
    ("most", "max_amount"),
    ("sla", "sla"),
];

/// Most cursors kept for "previous".
const REMEMBERED: usize = 20;

impl Listing {
    /// Ignores unknown and invalid parameters.
    pub fn parse(pairs: &[(String, String)]) -> Self {
        let mut listing = Self::default();
        let filter = &mut listing.filter;
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            if let Some((_, own)) = NAMES.iter().find(|(known, _)| known == name) {
                filter.set(own, &value.chars().take(500).collect::<String>());
                continue;
            }
            match name.as_str() {
                "band" => {
                    let (least, most) = value.split_once('-').unwrap_or((value, ""));
                    filter.set("min_confidence", least);
                    filter.set("max_confidence", most);
                }
                "back" => filter.sent_back = Some(true),
                "functional" => filter.functional = Some(value == "yes"),
                "by" => filter.by_people = Some(value == "people"),
                "samples" => filter.kind = Some(ItemKind::AuditSample),
                "sort" => {
                    if let Some((_, sort)) = SORTS.iter().find(|(word, _)| word == value) {
                        listing.sort = *sort;
                    }
                }
                "cursor" => listing.cursor = Some(value.clone()),
                "before" => {
                    listing.before =
                        value.split('.').filter(|part| !part.is_empty()).map(unjoined).collect();
                }
                "view" => listing.items = value == "items",
                _ => {}
            }
        }
        // Blind samples are never grouped: what they share would reveal the answer.
        listing.items |= listing.filter.kind == Some(ItemKind::AuditSample);
        listing
    }

    /// The query without the position.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let filter = &self.filter;
        let texts = filter.texts();
        for (name, own) in NAMES {
            if let Some((_, text)) = texts.iter().find(|(known, _)| known == own) {
                pairs.push((name, text.clone()));
            }
        }
        if let Some(band) = self.band() {
            pairs.push(("band", band));
        }
        if filter.sent_back == Some(true) {
            pairs.push(("back", "yes".to_owned()));
        }
        let either =
            |yes: bool, words: (&str, &str)| if yes { words.0 } else { words.1 }.to_owned();
        if let Some(functional) = filter.functional {
            pairs.push(("functional", either(functional, ("yes", "no"))));
        }
        if let Some(by_people) = filter.by_people {
            pairs.push(("by", either(by_people, ("people", "machine"))));
        }
        if filter.kind == Some(ItemKind::AuditSample) {
            pairs.push(("samples", "yes".to_owned()));
        }
        if self.sort != QueueSort::default() {
            pairs.push(("sort", self.sort_word().to_owned()));
        }
        if self.items {
            pairs.push(("view", "items".to_owned()));
        }
        pairs
    }

    /// Removes a filter by its name in the address.
    pub fn remove(&mut self, name: &str) {
        let filter = &mut self.filter;
        match name {
            "band" => (filter.min_confidence, filter.max_confidence) = (None, None),
            "functional" => filter.functional = None,
            "by" => filter.by_people = None,
            _ => {
                if let Some((_, own)) = NAMES.iter().find(|(known, _)| *known == name) {
                    filter.set(own, "");
                }
            }
        }
    }

    pub fn sort_word(&self) -> &'static str {
        SORTS.iter().find(|(_, sort)| *sort == self.sort).map_or("confidence", |(word, _)| word)
    }

    /// The confidence band, as `0.5-0.9`.
    pub fn band(&self) -> Option<String> {
        let text = |number: Option<f64>| number.map(|n| n.to_string()).unwrap_or_default();
        let (least, most) = (self.filter.min_confidence, self.filter.max_confidence);
        (least.is_some() || most.is_some()).then(|| format!("{}-{}", text(least), text(most)))
    }

    /// The address without the position.
    pub fn address(&self, path: &str) -> String {
        let pairs = self.pairs();
        with_query(path, pairs.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// The address with the position.
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
}
