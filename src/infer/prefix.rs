//! Finds references that one side writes with a prefix, `TRANSFER-90001` for `90001`.

use std::collections::HashSet;

use super::extract::{Column, Extract, loose};
use crate::diagnostic::Problem;
use crate::domain::{Cell, Kind, PerSide, Side};
use crate::normalize::{ArgumentSpec, StepSpec};

/// Minimum number of values in common.
const LEAST: usize = 3;

/// How many values of a column are compared.
const MOST_VALUES: usize = 1_000;

/// Maximum number of pairs of columns that are compared.
const MOST_PAIRS: usize = 2_500;

/// The text before the digits that all values share.
fn prefix(column: &Column) -> Option<&str> {
    let is_text = column.profile.reading.kind == Kind::Text && !column.is_ambiguous;
    let mut values = column.profile.values.iter().map(|(text, _)| text.as_str());
    let first = values.next().filter(|_| is_text && column.profile.values.len() >= LEAST)?;
    let end = first.find(|c: char| c.is_numeric())?;
    let prefix = first.get(..end).filter(|prefix| prefix.contains(char::is_alphabetic))?;
    let goes_on = |text: &str| {
        let rest = text.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_numeric()))
    };
    values.all(goes_on).then_some(prefix)
}

/// Some values of a column without its prefix, as they are compared.
fn values(column: &Column, prefix: &str) -> HashSet<String> {
    let texts = column.profile.values.iter().take(MOST_VALUES);
    let texts = texts.filter_map(|(text, _)| text.strip_prefix(prefix));
    texts.filter_map(|text| loose(Cell::Text(text))).collect()
}

/// The references of a side, by their places.
fn references(extract: &Extract) -> Vec<HashSet<String>> {
    let is_one = |column: &&Column| {
        matches!(column.profile.reading.kind, Kind::Text | Kind::Integer) && !column.is_ambiguous
    };
    extract.columns.iter().filter(is_one).map(|column| values(column, "")).collect()
}

/// Removes such prefixes as the columns are read.
pub fn strip(extracts: &mut PerSide<Extract>) -> Result<(), Problem> {
    if extracts.a.columns.len() * extracts.b.columns.len() > MOST_PAIRS {
        return Ok(());
    }
    let references = extracts.as_ref().map(|_, extract| references(extract));
    for side in Side::BOTH {
        let columns = extracts[side].columns.iter().enumerate();
        let found = columns.filter_map(|(at, column)| {
            let prefix = prefix(column)?;
            let (with, without) = (values(column, ""), values(column, prefix));
            // Another column has the values without the prefix, and hardly any column has them with it.
            let others = &references[side.other()];
            let kept = others.iter().map(|others| with.intersection(others).count()).max();
            let is_found = |others: &HashSet<String>| {
                let common = without.intersection(others).count();
                common >= LEAST
                    && common * 2 >= without.len().min(others.len())
                    && kept.unwrap_or(0) * 5 <= common
            };
            others.iter().any(is_found).then(|| (at, prefix.to_owned()))
        });
        let found: Vec<(usize, String)> = found.collect();
        if !found.is_empty() {
            let steps = found.into_iter().map(|(at, prefix)| {
                (at, StepSpec::With("strip_prefix".to_owned(), ArgumentSpec::Text(prefix)))
            });
            extracts[side].read_with(steps.collect())?;
        }
    }
    Ok(())
}
