//! Pages of statements that are not all there yet: the others may be in another file.
//!
//! Camt numbers its pages and marks the last. MT940 numbers them in `:28C:`, behind a stroke; the balances `:60M:` and
//! `:62M:` say that a page goes on from another, and that another follows. Either shows whether one is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::camt053;
use crate::diagnostic::Place;
use crate::domain::Decimal;

/// An account, and the number of a statement.
pub(super) type Name = (Option<String>, Option<String>);

/// Statements of which pages are missing so far, by account and statement.
#[derive(Clone, Debug, Default)]
pub struct OpenPages {
    pub(super) camt: BTreeMap<Name, camt053::Pages>,
    pub(super) linked: BTreeMap<Name, LinkedPages>,
}

impl OpenPages {
    /// Says that pages whose file is not known yet are in this one.
    pub(super) fn are_in(&mut self, file: &Path) {
        let camt = self.camt.values_mut().map(|pages| &mut pages.begin);
        let linked = self.linked.values_mut().map(|pages| &mut pages.begin);
        camt.chain(linked).for_each(|begin| begin.is_in(file));
    }
}

/// Where the first of the pages begins, as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Begin {
    file: Option<PathBuf>,
    line: u64,
}

impl Begin {
    pub fn at(line: u64) -> Self {
        Self { file: None, line }
    }

    fn is_in(&mut self, file: &Path) {
        self.file.get_or_insert_with(|| file.to_owned());
    }

    pub fn place(&self) -> Place {
        let file = self.file.clone().unwrap_or_default();
        Place { file, line: self.line, ..Place::default() }
    }
}

/// A balance with which a page opens or closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Another page is before or behind it.
    pub is_between: bool,
    pub currency: String,
    pub balance: Decimal,
}

/// Pages that go on from one another by their balances.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkedPages {
    pub begin: Begin,
    pub name: String,
    numbers: BTreeSet<u64>,
    has_first: bool,
    has_last: bool,
    /// Balances between pages: how many more pages close with one than open with it.
    between: BTreeMap<(String, Decimal), i64>,
}

impl LinkedPages {
    pub fn new(name: String, line: u64) -> Self {
        Self { begin: Begin::at(line), name, ..Self::default() }
    }

    pub fn add(&mut self, number: Option<u64>, opening: Option<Link>, closing: Option<Link>) {
        self.numbers.extend(number);
        self.has_first |= opening.as_ref().is_some_and(|link| !link.is_between);
        self.has_last |= closing.as_ref().is_some_and(|link| !link.is_between);
        let links = opening.map(|link| (link, -1)).into_iter().chain(closing.map(|link| (link, 1)));
        for (link, count) in links.filter(|(link, _)| link.is_between) {
            let key = (link.currency, link.balance);
            let left = self.between.get(&key).copied().unwrap_or_default() + count;
            match left {
                0 => self.between.remove(&key),
                _ => self.between.insert(key, left),
            };
        }
    }

    /// Which pages are missing; none if all are there, or nothing says that there are others.
    pub fn missing(&self) -> Option<String> {
        let (lowest, highest) = (self.numbers.first().copied(), self.numbers.last().copied());
        if let (Some(lowest), Some(highest)) = (lowest, highest) {
            let first = self.has_first.then_some(lowest);
            let last = self.has_last.then_some(highest);
            if let Some(missing) = missing(&self.numbers, first, last) {
                return Some(missing);
            }
        }
        let ((currency, balance), count) = self.between.first_key_value()?;
        Some(match *count > 0 {
            true => format!("the page that goes on from {balance} {currency}"),
            false => format!("the page that closes with {balance} {currency}"),
        })
    }
}

/// More gaps are not named.
const MOST_GAPS: usize = 5;

/// Which pages from the first to the last are not among these numbers, in words; the first or the last is none if it
/// is not there and its number is not known. None if all are there.
pub(super) fn missing(
    numbers: &BTreeSet<u64>,
    first: Option<u64>,
    last: Option<u64>,
) -> Option<String> {
    let (Some(lowest), Some(highest)) = (numbers.first().copied(), numbers.last().copied()) else {
        return last.is_none().then(|| "its last page".to_owned());
    };
    let mut missing = Vec::new();
    if first.is_none() {
        missing.push(format!("the pages before page {lowest}"));
    }
    let mut next = first.unwrap_or(lowest);
    let mut gaps = 0;
    for number in numbers.iter().copied().chain(last.map(|last| last.saturating_add(1))) {
        if number > next {
            gaps += 1;
            match (number - 1, gaps) {
                (_, gap) if gap > MOST_GAPS => {}
                (end, _) if end == next => missing.push(format!("page {next}")),
                (end, _) => missing.push(format!("pages {next} to {end}")),
            }
        }
        next = next.max(number.saturating_add(1));
    }
    if gaps > MOST_GAPS {
        missing.push("others".to_owned());
    }
    if last.is_none() {
        missing.push(format!("the pages after page {highest}"));
    }
    let end = missing.pop()?;
    Some(match missing.is_empty() {
        true => end,
        false => format!("{} and {end}", missing.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_pages_are_named_as_far_as_they_are_known() {
        let said = |numbers: &[u64], first, last| {
            missing(&numbers.iter().copied().collect(), first, last).unwrap_or_default()
        };
        assert_eq!(said(&[1, 2, 3], Some(1), Some(3)), "");
        assert_eq!(said(&[1, 3], Some(1), Some(3)), "page 2");
        assert_eq!(said(&[2, 6], Some(1), Some(6)), "page 1 and pages 3 to 5");
        assert_eq!(said(&[1], Some(1), None), "the pages after page 1");
        assert_eq!(said(&[1, 3], Some(1), None), "page 2 and the pages after page 3");
        assert_eq!(said(&[4], None, Some(4)), "the pages before page 4");
        assert_eq!(
            said(&[2], Some(1), Some(u64::MAX)),
            format!("page 1 and pages 3 to {}", u64::MAX - 1)
        );
        assert_eq!(said(&[], Some(1), None), "its last page");
        assert_eq!(
            said(&[2, 4, 6, 8, 10, 12, 14], Some(1), Some(14)),
            "page 1, page 3, page 5, page 7, page 9 and others"
        );
    }
}
