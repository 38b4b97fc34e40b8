//! Finds the key: columns that are unique on each side and share values between the sides.

use std::collections::HashSet;

use serde::Serialize;

use super::extract::{Extract, are_comparable, loose};
use super::field::FieldGuess;
use super::file::percent;
use super::joined::{Joined, KeySketcher};
use super::mapping::{self, Pair};
use super::names;
use super::reading::Trial;
use super::sketch::{Sketch, hash_of};
use crate::diagnostic::Problem;
use crate::domain::{Kind, PerSide, Side};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyCandidate {
    /// Column positions, from 0.
    #[serde(skip)]
    pub columns: Vec<PerSide<usize>>,
    pub names: PerSide<Vec<String>>,
    /// The share of values that are not repeated, per side.
    pub uniqueness: PerSide<f64>,
    /// The share of the smaller side's values that occur on both.
    pub overlap: f64,
    /// Rows that lack a part of it, which the run rejects.
    pub without: PerSide<u64>,
    /// From 0 to 1.
    pub confidence: f64,
    /// The share of rows that have it, on the side that has it more rarely.
    #[serde(skip)]
    filled: f64,
}

/// Minimum uniqueness; a file may repeat some keys by mistake.
const UNIQUE: f64 = 0.97;

/// Minimum overlap.
const OVERLAPPING: f64 = 0.2;

/// Minimum share of rows that have a key; with fewer, rows are better matched in passes.
const FILLED: f64 = 0.8;

/// How many columns may be combined into a key.
const PARTS: usize = 8;

/// How many pairs of unmapped columns may be parts too, and the share of their values that both sides must have.
const SPARE: usize = 4;
const ALIKE: f64 = 0.5;

/// The candidates, best first; the others are shown as alternatives.
pub fn candidates(
    extracts: &PerSide<Extract>,
    mapping: &[Pair],
) -> Result<Vec<KeyCandidate>, Problem> {
    let mut found = single(extracts);
    if !found.iter().any(KeyCandidate::is_unique) {
        found.extend(composite(extracts, mapping)?);
    }
    found.sort_by(|left, right| right.confidence.total_cmp(&left.confidence));
    found.truncate(5);
    Ok(found)
}

/// Amounts are often unique, but by chance, so they are no keys.
fn can_be_key(extract: &Extract, at: usize) -> bool {
    extract.columns.get(at).is_some_and(|column| {
        let profile = &column.profile;
        !column.is_ambiguous
            && column.sketch.filled > 0
            && match profile.reading.kind {
                Kind::Text => true,
                Kind::Integer => {
                    !names::names_a_measure(&column.name)
                        && !profile.values.iter().any(|(text, _)| {
                            text.starts_with(['-', '(']) || text.contains([',', '.', '\''])
                        })
                }
                // Identifiers that a program took for numbers.
                Kind::Decimal => names::names_an_identifier(&column.name) && profile.is_whole(),
                _ => false,
            }
    })
}

fn single(extracts: &PerSide<Extract>) -> Vec<KeyCandidate> {
    // A column that is unique on neither side is not a key, which excludes most pairs early.
    let tells_apart = PerSide::of(|side| {
        let extract = &extracts[side];
        let columns = 0..extract.columns.len();
        let is_unique = |at: usize| {
            let column = extract.columns.get(at);
            column.is_some_and(|column| column.sketch.uniqueness() >= UNIQUE)
        };
        columns.map(|at| (can_be_key(extract, at), is_unique(at))).collect::<Vec<_>>()
    });
    let mut found = Vec::new();
    for columns in mapping::worth_comparing(extracts) {
        let of = |side: Side| tells_apart[side].get(columns[side]).copied().unwrap_or_default();
        let ((can_a, unique_a), (can_b, unique_b)) = (of(Side::A), of(Side::B));
        let (Some(a), Some(b)) =
            (extracts.a.columns.get(columns.a), extracts.b.columns.get(columns.b))
        else {
            continue;
        };
        let can_be = can_a && can_b && (unique_a || unique_b);
        if can_be && are_comparable(a.profile.reading.kind, b.profile.reading.kind) {
            let sketches = PerSide { a: &a.sketch, b: &b.sketch };
            found.extend(candidate(extracts, vec![columns], sketches));
        }
    }
    found
}

/// The columns as a key candidate, if they qualify.
fn candidate(
    extracts: &PerSide<Extract>,
    columns: Vec<PerSide<usize>>,
    sketches: PerSide<&Sketch>,
) -> Option<KeyCandidate> {
    let uniqueness = sketches.map(|_, sketch| sketch.uniqueness());
    let (common, overlap) = sketches.a.overlap(sketches.b);
    let (least, most) = (uniqueness.a.min(uniqueness.b), uniqueness.a.max(uniqueness.b));
    let smaller = sketches.a.distinct().min(sketches.b.distinct());
    let is_little = common < 2 && !(common == 1 && smaller <= 2);
    // One side may repeat its keys: payments of one invoice, a file delivered twice.
    if most < UNIQUE || overlap < OVERLAPPING || is_little {
        return None;
    }
    let unique = if least >= UNIQUE { least } else { f64::midpoint(1.0, least) * 0.97 };
    let name = |extract: &Extract, at: usize| {
        extract.columns.get(at).map_or_else(String::new, |column| column.name.clone())
    };
    let names = PerSide {
        a: columns.iter().map(|pair| name(&extracts.a, pair.a)).collect::<Vec<_>>(),
        b: columns.iter().map(|pair| name(&extracts.b, pair.b)).collect::<Vec<_>>(),
    };
    let is_named = |names: &[String]| names.iter().any(|name| names::names_an_identifier(name));
    // Rows without a key value would be rejected.
    let rows = extracts.a.reach.rows.min(extracts.b.reach.rows);
    let filled = super::sketch::ratio(sketches.a.filled.min(sketches.b.filled), rows).min(1.0);
    // An account may be unique on a quiet day; a reference always is.
    let is_reference = |names: &[String]| {
        names.iter().any(|name| names::words(name).iter().any(|word| word == "id"))
    };
    let is_text = columns.iter().any(|pair| {
        let column = extracts.a.columns.get(pair.a);
        column.is_some_and(|column| column.profile.reading.kind == Kind::Text)
    });
    let mut confidence = unique * filled * (0.55 + 0.45 * overlap);
    if !is_named(&names.a) && !is_named(&names.b) {
        confidence *= if is_text { 0.95 } else { 0.85 };
    }
    if !is_reference(&names.a) && !is_reference(&names.b) {
        confidence *= 0.97;
    }
    if names.a.iter().chain(&names.b).any(|name| names::names_a_description(name)) {
        confidence *= 0.9;
    }
    if columns.len() > 1 {
        confidence *= 0.95;
    }
    Some(KeyCandidate {
        columns,
        names,
        uniqueness,
        overlap,
        without: without(extracts, sketches),
        confidence: confidence.clamp(0.0, 0.99),
        filled,
    })
}

/// The rows that lack a part of a key.
fn without(extracts: &PerSide<Extract>, sketches: PerSide<&Sketch>) -> PerSide<u64> {
    PerSide::of(|side| extracts[side].reach.rows.saturating_sub(sketches[side].filled))
}

/// Columns that count rows, and why that seems so.
pub struct Doubted {
    pub columns: Vec<PerSide<usize>>,
    pub why: String,
}

/// Share of other columns that agree by a key. Below it, a key is doubted.
const AGREEING: f64 = 0.5;

/// Additional share of values that another key must make agree.
const MORE: f64 = 0.3;

/// Joins the rows by the best candidate. If the other columns seldom agree by it, but do by another, that one becomes
/// the best: the numbers of rows are unique on both sides too. Returns the columns that count rows, with the reason.
pub fn join(
    extracts: &PerSide<Extract>,
    mapping: &[Pair],
    candidates: &mut Vec<KeyCandidate>,
) -> Result<(Joined, Option<Doubted>), Problem> {
    let Some(first) = candidates.first() else { return Ok((Joined::nothing(extracts), None)) };
    let joined = Joined::on(extracts, &first.columns)?;
    let own = first.agreeing(mapping, &joined).filter(|_| joined.rows >= mapping::TELLING_ROWS);
    let Some(share) = own.filter(|share| *share < AGREEING) else { return Ok((joined, None)) };
    if first.columns.len() == 1 {
        candidates.extend(composite(extracts, mapping)?);
    }
    let mut best: Option<(usize, f64, Joined)> = None;
    for (at, candidate) in candidates.iter().enumerate().skip(1).take(2 * PARTS) {
        let joined = Joined::on(extracts, &candidate.columns)?;
        let Some(agreeing) = candidate.agreeing(mapping, &joined) else { continue };
        let least = best.as_ref().map_or(share + MORE, |(_, most, _)| *most);
        if agreeing > least && joined.rows >= mapping::TELLING_ROWS {
            best = Some((at, agreeing, joined));
        }
    }
    let Some((at, agreeing, joined)) = best else { return Ok((joined, None)) };
    let better = candidates.remove(at);
    let first = candidates.remove(0);
    let why = format!(
        "`{}` is unique on both sides too, but by it the other columns agree in {} of the rows, by `{}` in {}: it \
         seems to count rows and is not compared",
        first.names.a.join(" + "),
        percent(share),
        better.names.a.join(" + "),
        percent(agreeing)
    );
    // A part of the better key is no mere count.
    let columns = first.columns.into_iter().filter(|part| !better.columns.contains(part)).collect();
    candidates.insert(0, better);
    candidates.truncate(5);
    Ok((joined, Some(Doubted { columns, why })))
}

/// Pairs and triples of columns: the fewest that are unique, and more if fewer rows lack them.
fn composite(extracts: &PerSide<Extract>, mapping: &[Pair]) -> Result<Vec<KeyCandidate>, Problem> {
    let is_part = |columns: PerSide<usize>| {
        let is_day = |extract: &Extract, at: usize| {
            let column = extract.columns.get(at);
            column.is_some_and(|column| column.profile.reading.kind == Kind::Date)
        };
        let PerSide { a, b } = columns;
        (can_be_key(&extracts.a, a) || is_day(&extracts.a, a))
            && (can_be_key(&extracts.b, b) || is_day(&extracts.b, b))
    };
    let mapped = mapping.iter().map(|pair| pair.columns);
    let mut parts: Vec<PerSide<usize>> = mapped.filter(|it| is_part(*it)).take(PARTS).collect();
    parts.extend(unmapped_parts(extracts, mapping, is_part).into_iter().take(SPARE));
    // In the order of A's columns, as one would write them.
    parts.sort_by_key(|pair| pair.a);
    let mut combinations: Vec<Vec<PerSide<usize>>> = Vec::new();
    let are_apart = |one: &PerSide<usize>, two: &PerSide<usize>| one.a != two.a && one.b != two.b;
    for (first, one) in parts.iter().enumerate() {
        for (second, two) in parts.iter().enumerate().skip(first + 1) {
            if !are_apart(one, two) {
                continue;
            }
            combinations.push(vec![*one, *two]);
            let others = parts.iter().skip(second + 1);
            for three in others.filter(|three| are_apart(one, three) && are_apart(two, three)) {
                combinations.push(vec![*one, *two, *three]);
            }
        }
    }
    let sketches = PerSide::try_of_both(|side| {
        let of_side =
            combinations.iter().map(|parts| parts.iter().map(|part| part[side]).collect());
        sketches(&extracts[side], &of_side.collect::<Vec<_>>())
    })?;
    let mut found: Vec<KeyCandidate> = combinations
        .into_iter()
        .zip(sketches.a.iter().zip(&sketches.b))
        .filter_map(|(columns, (a, b))| candidate(extracts, columns, PerSide { a, b }))
        .filter(KeyCandidate::is_unique)
        .collect();
    let fewest = found.iter().map(|candidate| candidate.columns.len()).min().unwrap_or(0);
    let of_fewest = found.iter().filter(|candidate| candidate.columns.len() == fewest);
    let filled = of_fewest.map(|candidate| candidate.filled).fold(0.0, f64::max);
    found.retain(|candidate| candidate.columns.len() == fewest || candidate.filled > filled);
    Ok(found)
}

/// Columns that are not mapped although the other side has their values: the numbers of an order's lines are so few that
/// nothing but a key tells that they belong together. The likest come first.
fn unmapped_parts(
    extracts: &PerSide<Extract>,
    mapping: &[Pair],
    is_part: impl Fn(PerSide<usize>) -> bool,
) -> Vec<PerSide<usize>> {
    let mapped: PerSide<HashSet<usize>> =
        PerSide::of(|side| mapping.iter().map(|pair| pair.columns[side]).collect());
    let is_free =
        |columns: PerSide<usize>| !mapped.a.contains(&columns.a) && !mapped.b.contains(&columns.b);
    let pairs = mapping::worth_comparing(extracts).into_iter();
    let free = pairs.filter(|columns| is_free(*columns) && is_part(*columns));
    let alike = free.filter_map(|columns| {
        let a = extracts.a.columns.get(columns.a)?;
        let b = extracts.b.columns.get(columns.b)?;
        let likeness = a.sketch.likeness(&b.sketch);
        let are_alike = are_comparable(a.profile.reading.kind, b.profile.reading.kind)
            && a.sketch.overlap(&b.sketch).0 >= 2
            && likeness >= ALIKE;
        are_alike.then_some((likeness, columns))
    });
    let mut alike: Vec<(f64, PerSide<usize>)> = alike.collect();
    alike.sort_by(|left, right| right.0.total_cmp(&left.0));
    alike.into_iter().map(|(_, columns)| columns).collect()
}

/// A sketch of the combined values, for each combination of columns.
fn sketches(extract: &Extract, combinations: &[Vec<usize>]) -> Result<Vec<Sketch>, Problem> {
    let mut reader = extract.reader();
    let mut sketches = vec![Sketch::default(); combinations.len()];
    let mut hashes: Vec<Option<u64>> = Vec::new();
    extract.rows.each(|row| {
        hashes.clear();
        reader.row(row, |_, cell| hashes.push(loose(cell).map(hash_of)));
        for (sketch, columns) in sketches.iter_mut().zip(combinations) {
            let parts: Option<Vec<u64>> =
                columns.iter().map(|at| hashes.get(*at).copied().flatten()).collect();
            if let Some(parts) = parts {
                sketch.add(hash_of(parts), 1);
            }
        }
    })?;
    Ok(sketches)
}

/// Measures the best candidate again, now with the values as the run reads and pairs them.
pub fn measure(
    extracts: &PerSide<Extract>,
    candidate: &mut KeyCandidate,
    fields: &[FieldGuess],
    joined: &Joined,
) -> Result<(), Problem> {
    let sketches = PerSide::try_of_both(|side| {
        let extract = &extracts[side];
        let fields = || fields.iter().filter(|field| field.key).zip(&candidate.columns);
        let is_read_alike = |(field, columns): (&FieldGuess, &PerSide<usize>)| {
            let column = extract.columns.get(columns[side]);
            column.is_some_and(|column| field.reads_like(side, &column.profile.reading))
        };
        if joined.key == candidate.columns && fields().all(is_read_alike) {
            return Ok(joined.keys[side].clone());
        }
        let plans = fields().map(|(field, columns)| field.plan(side, columns[side])).collect();
        let nulls = extract.form.null_values.clone();
        let mut reader = Trial::new(plans, extract.columns.len(), nulls);
        let mut sketcher = KeySketcher::default();
        extract.rows.each(|row| {
            reader.row(row, |_, cell| sketcher.add(cell));
            sketcher.end_row();
        })?;
        Ok::<_, Problem>(sketcher.sketch)
    })?;
    candidate.uniqueness = sketches.as_ref().map(|_, sketch| sketch.uniqueness());
    candidate.overlap = sketches.a.overlap(&sketches.b).1;
    candidate.without = without(extracts, sketches.as_ref().map(|_, sketch| sketch));
    Ok(())
}

impl KeyCandidate {
    /// The average share of joined rows in which other mapped columns agree.
    fn agreeing(&self, mapping: &[Pair], joined: &Joined) -> Option<f64> {
        let is_other = |pair: &&Pair| {
            self.columns.iter().all(|part| part.a != pair.columns.a && part.b != pair.columns.b)
        };
        let agreements = mapping.iter().filter(is_other).map(|pair| joined.agreement(pair.columns));
        let shares: Vec<f64> =
            agreements.filter(|it| it.says_something()).map(|it| it.share).collect();
        #[expect(clippy::cast_precision_loss, reason = "a file has few columns")]
        let count = shares.len() as f64;
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / count)
    }

    /// True if so many rows lack it that it does not identify them.
    pub fn is_often_missing(&self) -> bool {
        self.filled < FILLED
    }

    fn is_unique(&self) -> bool {
        self.uniqueness.a.min(self.uniqueness.b) >= UNIQUE
    }

    pub fn why(&self) -> String {
        let lacking = match (self.without.a, self.without.b) {
            (0, 0) => String::new(),
            (a, 0) => format!("; rows that lack it and are rejected: {a} of A"),
            (0, b) => format!("; rows that lack it and are rejected: {b} of B"),
            (a, b) => format!("; rows that lack it and are rejected: {a} of A, {b} of B"),
        };
        format!(
            "{} unique in A, {} in B; {} of the smaller side's values occur in both{lacking}",
            percent(self.uniqueness.a),
            percent(self.uniqueness.b),
            percent(self.overlap),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::Profiler;
    use super::*;

    #[test]
    fn a_key_is_measured_the_same_from_the_join_and_from_the_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let letter = |at: usize| if at.is_multiple_of(2) { 'K' } else { 'k' };
        let rows = (0..50).map(|at| format!(" {}{},{at}.5\n", letter(at), at / 2));
        std::fs::write(file.path(), format!("id,amount\n{}", rows.collect::<String>())).unwrap();
        let extracts =
            PerSide::try_of_both(|_| Extract::of(file.path(), &mut Profiler::new())).unwrap();
        let columns = vec![PerSide { a: 0, b: 0 }];
        let mut joined = Joined::on(&extracts, &columns).unwrap();
        let names = PerSide { a: "id".to_owned(), b: "id".to_owned() };
        let mut field = FieldGuess::new("id".into(), names, 1.0, String::new(), Kind::Text);
        field.key = true;
        let mut candidate = KeyCandidate {
            columns,
            names: PerSide::default(),
            uniqueness: PerSide::default(),
            overlap: 0.0,
            without: PerSide::default(),
            confidence: 1.0,
            filled: 1.0,
        };
        let mut measured = |field: &FieldGuess, joined: &Joined| {
            measure(&extracts, &mut candidate, std::slice::from_ref(field), joined).unwrap();
            (candidate.uniqueness.a, candidate.overlap)
        };
        assert_eq!(measured(&field, &joined), (1.0, 1.0));
        joined.key.clear();
        assert_eq!(measured(&field, &joined), (1.0, 1.0));
        // A field with another step is read from the files.
        joined.key = vec![PerSide { a: 0, b: 0 }];
        field.normalize = super::super::field::plain_steps(&["trim", "upper"]);
        assert_eq!(measured(&field, &joined), (0.5, 1.0));
    }
}
