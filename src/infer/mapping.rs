//! Matches columns of A and B by name, by values and, once rows are joined, by agreement within
//! rows.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::extract::{Column, Extract, are_comparable};
use super::file::percent;
use super::joined::{Agreement, Joined};
use super::names;
use crate::domain::{Kind, PerSide, Side};

/// A column of A matched with one of B.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Column positions, from 0.
    pub columns: PerSide<usize>,
    /// From 0 to 1.
    pub confidence: f64,
    pub why: String,
}

/// Minimum confidence for mapping a pair.
const WORTH: f64 = 0.4;

/// Minimum number of joined rows to judge agreement.
pub const TELLING_ROWS: usize = 10;

/// The pairs by names and values alone, best first.
pub fn by_names_and_values(extracts: &PerSide<Extract>) -> Vec<Pair> {
    assign(extracts, |_, a, b| from_names_and_values(a, b))
}

/// The pairs after joining rows, best first.
pub fn by_rows(extracts: &PerSide<Extract>, joined: &Joined) -> Vec<Pair> {
    assign(extracts, |columns, a, b| {
        let (alone, why) = from_names_and_values(a, b);
        let agreement = joined.agreement(columns);
        // A computed amount counts only if it is found on the other side.
        let is_made = Side::BOTH
            .into_iter()
            .any(|side| extracts[side].joint().is_some_and(|(at, _)| at == columns[side]));
        if is_made && joined.rows >= TELLING_ROWS && agreement.beyond_chance() < 0.5 {
            return (0.0, String::new());
        }
        if agreement.rows < TELLING_ROWS {
            return (alone, why);
        }
        from_rows(a, b, alone, why, &agreement)
    })
}

/// The only date of each side, if no date is mapped yet: days apart, they have few values in common, but passes match by
/// their distance.
pub fn only_dates(extracts: &PerSide<Extract>, pairs: &[Pair]) -> Option<Pair> {
    let only = |side: Side| {
        let columns = extracts[side].columns.iter().enumerate();
        let mut dates = columns.filter(|(_, column)| {
            !column.is_ambiguous
                && matches!(column.profile.reading.kind, Kind::Date | Kind::Datetime)
        });
        let (at, column) = dates.next()?;
        let is_free = pairs.iter().all(|pair| pair.columns[side] != at);
        let is_alone = is_free && dates.next().is_none();
        (is_alone && column.profile.reading.kind == Kind::Date).then_some(at)
    };
    let columns = PerSide { a: only(Side::A)?, b: only(Side::B)? };
    Some(Pair { columns, confidence: 0.5, why: "the only date of each file".to_owned() })
}

/// Maximum number of column pairs compared. In wider files columns of the same name come first,
/// then others up to this limit.
const PAIRS: usize = 10_000;

/// The column pairs to compare: all, unless there are too many.
pub fn worth_comparing(extracts: &PerSide<Extract>) -> Vec<PerSide<usize>> {
    let all = |side: Side| (0..extracts[side].columns.len()).collect::<Vec<_>>();
    let every = |of_a: &[usize], of_b: &[usize]| -> Vec<PerSide<usize>> {
        of_a.iter().flat_map(|a| of_b.iter().map(|b| PerSide { a: *a, b: *b })).collect()
    };
    let (of_a, of_b) = (all(Side::A), all(Side::B));
    if of_a.len() * of_b.len() <= PAIRS {
        return every(&of_a, &of_b);
    }
    let mut pairs = same_names(extracts);
    let is_left = |side: Side| {
        let paired: HashSet<usize> = pairs.iter().map(|pair| pair[side]).collect();
        move |at: &usize| !paired.contains(at)
    };
    let (is_left_a, is_left_b) = (is_left(Side::A), is_left(Side::B));
    let rest_a: Vec<usize> = of_a.into_iter().filter(is_left_a).take(100).collect();
    let rest_b: Vec<usize> = of_b.into_iter().filter(is_left_b).take(100).collect();
    pairs.extend(every(&rest_a, &rest_b));
    pairs
}

/// Columns with the same name on both sides, in the order of A.
fn same_names(extracts: &PerSide<Extract>) -> Vec<PerSide<usize>> {
    let plain = |column: &Column| names::plain(&column.name);
    // Columns without names are called by their positions, which mean nothing.
    if Side::BOTH.into_iter().any(|side| !extracts[side].form.has_names()) {
        return Vec::new();
    }
    let usable = |side: Side| {
        let columns = extracts[side].columns.iter().enumerate();
        let joint = extracts[side].joint().map(|(at, _)| at);
        columns.filter(move |(at, column)| {
            !column.is_ambiguous && !column.name.trim().is_empty() && Some(*at) != joint
        })
    };
    let mut of_b: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, column) in usable(Side::B) {
        of_b.entry(plain(column)).or_default().push(at);
    }
    let mut pairs = Vec::new();
    for (a, column) in usable(Side::A) {
        // Of several names that differ only in spelling, prefers the identical one.
        let Some(candidates) = of_b.get(&plain(column)) else { continue };
        let exact = |at: &&usize| {
            extracts.b.columns.get(**at).is_some_and(|other| other.name == column.name)
        };
        if let Some(b) = candidates.iter().find(exact).or(candidates.first()) {
            pairs.push(PerSide { a, b: *b });
        }
    }
    pairs
}

/// A greedy assignment, most confident pair first.
fn assign(
    extracts: &PerSide<Extract>,
    mut score: impl FnMut(PerSide<usize>, &Column, &Column) -> (f64, String),
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for columns in worth_comparing(extracts) {
        let (Some(a), Some(b)) =
            (extracts.a.columns.get(columns.a), extracts.b.columns.get(columns.b))
        else {
            continue;
        };
        if a.is_ambiguous || b.is_ambiguous {
            continue;
        }
        let (confidence, why) = score(columns, a, b);
        if confidence >= WORTH {
            pairs.push(Pair { columns, confidence: confidence.min(0.99), why });
        }
    }
    pairs.sort_by(|left, right| {
        right
            .confidence
            .total_cmp(&left.confidence)
            .then_with(|| (left.columns.a, left.columns.b).cmp(&(right.columns.a, right.columns.b)))
    });
    let (mut taken_a, mut taken_b) = (HashSet::new(), HashSet::new());
    let mut chosen: Vec<Pair> = Vec::new();
    let is_free = |taken_a: &HashSet<usize>, taken_b: &HashSet<usize>, columns: PerSide<usize>| {
        !taken_a.contains(&columns.a) && !taken_b.contains(&columns.b)
    };
    for pair in pairs {
        if is_free(&taken_a, &taken_b, pair.columns) {
            taken_a.insert(pair.columns.a);
            taken_b.insert(pair.columns.b);
            chosen.push(pair);
        }
    }
    // Columns of the same name belong together unless others agree better: users expect them.
    for columns in same_names(extracts) {
        if is_free(&taken_a, &taken_b, columns) {
            taken_a.insert(columns.a);
            taken_b.insert(columns.b);
            let why = "the same name, but different values".to_owned();
            chosen.push(Pair { columns, confidence: WORTH, why });
        }
    }
    chosen
}

/// Why columns of the same name are not mapped to each other.
pub fn notes(extracts: &PerSide<Extract>, pairs: &[Pair]) -> Vec<String> {
    let partners_a: HashMap<usize, &Pair> =
        pairs.iter().map(|pair| (pair.columns.a, pair)).collect();
    let partners_b: HashMap<usize, &Pair> =
        pairs.iter().map(|pair| (pair.columns.b, pair)).collect();
    let name = |side: Side, at: usize| {
        extracts[side].columns.get(at).map_or("", |column| column.name.as_str())
    };
    let mut notes = Vec::new();
    for columns in same_names(extracts) {
        let (of_a, of_b) = (partners_a.get(&columns.a), partners_b.get(&columns.b));
        if of_a.is_some_and(|pair| pair.columns.b == columns.b) {
            continue;
        }
        // A count of rows, or an amount without its sign, of which other lines tell.
        let is_joint = |side: Side, pair: Option<&&Pair>| {
            let joint = extracts[side].joint().map(|(at, _)| at);
            joint.is_some() && joint == pair.map(|pair| pair.columns[side])
        };
        if (of_a.is_none() && of_b.is_none()) || is_joint(Side::A, of_b) || is_joint(Side::B, of_a)
        {
            continue;
        }
        let mut others = Vec::new();
        if let Some(pair) = of_a {
            others.push(format!("A's agrees better with `{}` of B", name(Side::B, pair.columns.b)));
        }
        if let Some(pair) = of_b {
            others.push(format!("B's agrees better with `{}` of A", name(Side::A, pair.columns.a)));
        }
        notes.push(format!(
            "both sides have a column `{}`, but they are not mapped to each other: {}",
            name(Side::A, columns.a),
            others.join(", ")
        ));
    }
    notes.extend(synonyms(extracts, pairs));
    for side in Side::BOTH {
        let ambiguous = extracts[side].columns.iter().filter(|column| column.is_ambiguous);
        let names: HashSet<&str> = ambiguous.map(|column| column.name.as_str()).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        for name in names {
            notes.push(format!("{side} has several columns named `{name}`; they are not mapped"));
        }
    }
    notes
}

/// Unmapped columns with synonymous names, with the reason why they are not mapped.
fn synonyms(extracts: &PerSide<Extract>, pairs: &[Pair]) -> Vec<String> {
    let mapped = |side: Side| pairs.iter().map(|pair| pair.columns[side]).collect::<HashSet<_>>();
    let mapped = PerSide::of(mapped);
    let is_left = |side: Side, at: usize, column: &Column| {
        let is_joint = extracts[side].joint().is_some_and(|(joint, _)| joint == at);
        !mapped[side].contains(&at) && !column.is_ambiguous && !is_joint && column.sketch.filled > 0
    };
    let mut notes = Vec::new();
    for columns in worth_comparing(extracts) {
        let (Some(a), Some(b)) =
            (extracts.a.columns.get(columns.a), extracts.b.columns.get(columns.b))
        else {
            continue;
        };
        let are_left = is_left(Side::A, columns.a, a) && is_left(Side::B, columns.b, b);
        if !are_left || names::likeness(&a.name, &b.name) < SYNONYMOUS {
            continue;
        }
        let example = |column: &Column| {
            let values = &column.profile.values;
            values.first().map_or_else(String::new, |(text, _)| super::write::clipped(text))
        };
        notes.push(format!(
            "`{}` of A and `{}` of B have names of the same meaning, but they are not mapped to each other: their values, \
             such as `{}` and `{}`, have nothing in common as they are read",
            a.name.trim(),
            b.name.trim(),
            example(a),
            example(b)
        ));
    }
    notes.truncate(5);
    notes
}

/// Minimum likeness of synonymous names.
const SYNONYMOUS: f64 = 0.85;

/// Describes name similarity.
fn name_reason(likeness: f64) -> Option<&'static str> {
    match likeness {
        alike if alike >= 0.99 => Some("the same name"),
        alike if alike >= SYNONYMOUS => Some("synonymous names"),
        alike if alike >= 0.5 => Some("similar names"),
        _ => None,
    }
}

fn from_names_and_values(a: &Column, b: &Column) -> (f64, String) {
    let alike = names::likeness(&a.name, &b.name);
    let (kind_a, kind_b) = (a.profile.reading.kind, b.profile.reading.kind);
    let is_empty = a.sketch.filled == 0 || b.sketch.filled == 0;
    if !is_empty && !are_comparable(kind_a, kind_b) {
        return (0.0, String::new());
    }
    let (common, share) = a.sketch.overlap(&b.sketch);
    // A few common values prove little: many columns contain 1 or EUR. Dates are few and occur in
    // every column; the same column has the same ones.
    let (share, enough) = match (kind_a, kind_b) {
        (Kind::Text, Kind::Text) => (share, 2.0),
        (Kind::Date | Kind::Datetime, _) => (a.sketch.likeness(&b.sketch), 1.0),
        _ => (share, 15.0),
    };
    #[expect(clippy::cast_precision_loss, reason = "a sketch keeps a few thousand values")]
    let telling = common as f64 / (common as f64 + enough);
    let by_values = share * telling * 0.95;
    // Texts without common values are different fields, whatever their names, unless they may be
    // code words for the same things.
    let few = a.sketch.distinct().max(b.sketch.distinct()) <= 12;
    let by_name = if !is_empty && common == 0 && !few && kind_a == Kind::Text {
        alike * 0.3
    } else {
        alike * 0.8
    };
    let confidence = 1.0 - (1.0 - by_name) * (1.0 - by_values);
    let mut reasons: Vec<String> = name_reason(alike).map(str::to_owned).into_iter().collect();
    if by_values > 0.2 {
        reasons.push(format!("{} of the values occur in both", percent(share)));
    }
    (confidence, reasons.join(", "))
}

fn from_rows(
    a: &Column,
    b: &Column,
    alone: f64,
    why: String,
    agreement: &Agreement,
) -> (f64, String) {
    let alike = names::likeness(&a.name, &b.name);
    let beyond_chance = agreement.beyond_chance();
    let mut reasons: Vec<String> = name_reason(alike).map(str::to_owned).into_iter().collect();
    if agreement.says_something() {
        // Row agreement is measured later, after the comparison is chosen.
        let what = match agreement.by_words {
            true => Some("different words for the same values"),
            false if agreement.by_digits => Some("the same digits"),
            false if agreement.near => Some("nearly the same values"),
            false if reasons.is_empty() => Some("equal values in the same rows"),
            false => None,
        };
        reasons.extend(what.map(str::to_owned));
        // Names may match although the systems rarely agree. Texts that never agree are paired only
        // under the same name.
        let is_text = a.profile.reading.kind == Kind::Text;
        let by_name = alike * if is_text && alike < 0.99 { 0.35 } else { 0.5 };
        // Another column may agree including sign and unit.
        let beyond_chance = beyond_chance * if agreement.by_digits { 0.8 } else { 1.0 };
        let likely = 1.0 - (1.0 - by_name) * (1.0 - beyond_chance.max(0.0));
        return (likely, reasons.join(", "));
    }
    // Nearly all rows have one value; if it is the same on both sides, that counts.
    if agreement.share >= 0.95 && a.profile.reading.kind == Kind::Text {
        reasons.push("nearly all rows of both have the same value".to_owned());
        return (alone.max(0.6), reasons.join(", "));
    }
    (alone * 0.9, why)
}
