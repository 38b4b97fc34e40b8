//! Rows of both sides with the same key, used to compare their columns.

use std::collections::HashMap;

use super::extract::{Extract, loose, sample_size, sampled};
use super::sketch::{Sketch, hash_of, ratio};
use crate::diagnostic::Problem;
use crate::domain::{Cell, PerSide, RawCells};

/// Columns with at most this many distinct values may be code words.
const FEW_WORDS: usize = 12;

/// A value of a joined row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    pub written: String,
    /// Without insignificant variations; `None` for null.
    pub loose: Option<String>,
    pub number: Option<f64>,
}

/// Rows with the same key.
pub struct Joined {
    /// The facts of each column, row by row.
    pub facts: PerSide<Vec<Vec<Fact>>>,
    pub rows: usize,
    /// The key's columns.
    pub key: Vec<PerSide<usize>>,
    /// All keys of the files, as their columns are read.
    pub keys: PerSide<Sketch>,
}

/// How well two columns agree in the joined rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Rows in which at least one of the two has a value.
    pub rows: usize,
    /// The share of them that agrees.
    pub share: f64,
    /// The share expected if the rows were shuffled.
    pub chance: f64,
    pub near: bool,
    /// Values agree by a one-to-one translation.
    pub by_words: bool,
    /// Numbers agree except for sign or unit.
    pub by_digits: bool,
}

impl Agreement {
    /// Agreement corrected for chance: 1 is perfect, 0 is no better than chance.
    pub fn beyond_chance(&self) -> f64 {
        if self.chance >= 1.0 { 0.0 } else { (self.share - self.chance) / (1.0 - self.chance) }
    }

    /// True if agreement and chance can be distinguished.
    pub fn says_something(&self) -> bool {
        self.rows > 0 && self.chance < 0.97
    }
}

impl Joined {
    /// Joins the rows of both sides on these pairs of columns.
    pub fn on(extracts: &PerSide<Extract>, key: &[PerSide<usize>]) -> Result<Self, Problem> {
        let rows = extracts.a.reach.rows.max(extracts.b.reach.rows);
        // Chosen by their hashes, so both sides sample the same keys.
        let columns = extracts.a.columns.len().max(extracts.b.columns.len());
        let limit = match rows / sample_size(columns) as u64 {
            0 | 1 => u64::MAX,
            times => u64::MAX / times,
        };
        let PerSide { a: (mut rows_a, keys_a), b: (mut rows_b, keys_b) } =
            PerSide::try_of_both(|side| {
                let columns: Vec<usize> = key.iter().map(|pair| pair[side]).collect();
                rows_by_key(&extracts[side], &columns, limit)
            })?;
        let mut common: Vec<u64> =
            rows_a.keys().copied().filter(|key| rows_b.contains_key(key)).collect();
        common.sort_unstable();
        let empty = |extract: &Extract| vec![Vec::new(); extract.columns.len()];
        let mut facts = PerSide { a: empty(&extracts.a), b: empty(&extracts.b) };
        let mut joined = 0;
        for key in common {
            // A repeated key does not say which rows belong together.
            let (Some(Some(row_a)), Some(Some(row_b))) = (rows_a.remove(&key), rows_b.remove(&key))
            else {
                continue;
            };
            joined += 1;
            for (columns, row) in [(&mut facts.a, row_a), (&mut facts.b, row_b)] {
                for (column, fact) in columns.iter_mut().zip(row) {
                    column.push(fact);
                }
            }
        }
        let keys = PerSide { a: keys_a, b: keys_b };
        Ok(Self { facts, rows: joined, key: key.to_vec(), keys })
    }

    pub fn nothing(extracts: &PerSide<Extract>) -> Self {
        let empty = |extract: &Extract| vec![Vec::new(); extract.columns.len()];
        let facts = PerSide { a: empty(&extracts.a), b: empty(&extracts.b) };
        Self { facts, rows: 0, key: Vec::new(), keys: PerSide::default() }
    }

    /// The facts of two columns, row by row.
    pub fn pairs(&self, columns: PerSide<usize>) -> impl Iterator<Item = (&Fact, &Fact)> + Clone {
        let of = |facts: &'_ [Vec<Fact>], at: usize| -> std::ops::Range<usize> {
            0..facts.get(at).map_or(0, Vec::len)
        };
        let rows = of(&self.facts.a, columns.a).len().min(of(&self.facts.b, columns.b).len());
        (0..rows).filter_map(move |row| {
            Some((self.facts.a.get(columns.a)?.get(row)?, self.facts.b.get(columns.b)?.get(row)?))
        })
    }

    pub fn agreement(&self, columns: PerSide<usize>) -> Agreement {
        let pairs: Vec<(&Fact, &Fact)> =
            self.pairs(columns).filter(|(a, b)| a.loose.is_some() || b.loose.is_some()).collect();
        let rows = pairs.len();
        if rows == 0 {
            return Agreement::default();
        }
        let share = |agree: fn(&Fact, &Fact) -> bool, shift: usize| {
            let partners = pairs.iter().cycle().skip(shift).map(|(_, b)| *b);
            let agreeing = pairs.iter().zip(partners).filter(|((a, _), b)| agree(a, b)).count();
            ratio(agreeing as u64, rows as u64)
        };
        let shifts = [rows / 2, rows / 3, rows / 5 + 1];
        let by_chance = |agree| shifts.map(|shift| share(agree, shift)).iter().sum::<f64>() / 3.0;
        let of = |agree: fn(&Fact, &Fact) -> bool| Agreement {
            rows,
            share: share(agree, 0),
            chance: by_chance(agree),
            ..Agreement::default()
        };
        let exact = of(same);
        // Perfect agreement needs no further attempts.
        if exact.beyond_chance() >= 0.95 {
            return exact;
        }
        let near = Agreement { near: true, ..of(nearly_same) };
        let digits = Agreement { by_digits: true, ..of(same_digits) };
        let best = if near.beyond_chance() > exact.beyond_chance() + 0.1 { near } else { exact };
        let best = if digits.beyond_chance() > best.beyond_chance() + 0.3 { digits } else { best };
        match self.words(columns) {
            Some(words) if words.agreement.beyond_chance() > best.beyond_chance() + 0.2 => {
                words.agreement
            }
            _ => best,
        }
    }

    /// The one-to-one translation between the few values of two columns, if there is one.
    pub fn words(&self, columns: PerSide<usize>) -> Option<Translation> {
        let mut counts: HashMap<(&str, &str), u64> = HashMap::new();
        let (mut of_a, mut of_b): (HashMap<&str, u64>, HashMap<&str, u64>) = Default::default();
        let (mut all, mut either) = (0, 0);
        for (a, b) in self.pairs(columns) {
            either += u64::from(a.loose.is_some() || b.loose.is_some());
            let (Some(_), Some(_)) = (&a.loose, &b.loose) else { continue };
            // Numbers that differ are not translations of each other.
            if a.number.is_some() && b.number.is_some() {
                return None;
            }
            let (a, b) = (a.written.trim(), b.written.trim());
            *counts.entry((a, b)).or_default() += 1;
            *of_a.entry(a).or_default() += 1;
            *of_b.entry(b).or_default() += 1;
            all += 1;
            if of_a.len() > FEW_WORDS || of_b.len() > FEW_WORDS {
                return None;
            }
        }
        let mut ranked: Vec<((&str, &str), u64)> = counts.into_iter().collect();
        ranked.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut agreeing = 0;
        for ((a, b), count) in ranked {
            if pairs.iter().all(|(known_a, known_b)| known_a != a && known_b != b) {
                pairs.push((a.to_owned(), b.to_owned()));
                agreeing += count;
            }
        }
        // Code words repeat; values that occur once correspond by chance.
        let comes_again = all >= 4 * pairs.len() as u64 && ratio(all, either) > 0.5;
        if pairs.len() < 2 || pairs.len() < of_a.len().min(of_b.len()) || !comes_again {
            return None;
        }
        let chance = of_a.values().max().max(of_b.values().max()).copied().unwrap_or(all);
        pairs.sort();
        Some(Translation {
            pairs,
            agreement: Agreement {
                rows: usize::try_from(all).unwrap_or(usize::MAX),
                share: ratio(agreeing, all),
                chance: ratio(chance, all),
                by_words: true,
                ..Agreement::default()
            },
        })
    }
}

/// A translation from words of A to words of B.
pub struct Translation {
    /// One to one.
    pub pairs: Vec<(String, String)>,
    /// The agreement under this translation.
    pub agreement: Agreement,
}

fn same(a: &Fact, b: &Fact) -> bool {
    match (&a.loose, &b.loose) {
        (Some(a), Some(b)) => a == b,
        // One column may be empty where the other has 0.
        (None, Some(_)) => b.number == Some(0.0),
        (Some(_), None) => a.number == Some(0.0),
        (None, None) => true,
    }
}

fn nearly_same(a: &Fact, b: &Fact) -> bool {
    match (a.number, b.number) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.005 * a.abs().max(b.abs()),
        _ => same(a, b),
    }
}

/// Whether numbers agree except for the sign and the position of the decimal point.
fn same_digits(a: &Fact, b: &Fact) -> bool {
    match (a.number, b.number) {
        (Some(a), Some(b)) if a != 0.0 && b != 0.0 => {
            let places = (a.abs() / b.abs()).log10();
            (places - places.round()).abs() < 1e-12 && places.abs() < 7.0
        }
        _ => same(a, b),
    }
}

type RowsByKey = HashMap<u64, Option<Vec<Fact>>>;

/// The rows with the smallest hashes of keys, and a sketch of all keys.
fn rows_by_key(
    extract: &Extract,
    key: &[usize],
    limit: u64,
) -> Result<(RowsByKey, Sketch), Problem> {
    let (mut keys, mut reader) = (extract.reader_of(key.iter().copied()), extract.reader());
    let mut rows: RowsByKey = HashMap::new();
    let mut sketched = KeySketcher::default();
    let mut parts: Vec<Option<String>> = Vec::new();
    extract.rows.each(|row| {
        parts.clear();
        keys.row(row, |_, cell| {
            parts.push(loose(cell));
            sketched.add(cell);
        });
        sketched.end_row();
        let is_whole = parts.iter().all(Option::is_some);
        let Some(hash) = is_whole.then(|| hash_of(&parts)).filter(|hash| *hash <= limit) else {
            return;
        };
        let mut facts: Vec<Fact> = Vec::with_capacity(row.len());
        reader.row(row, |at, cell| {
            let number = match cell {
                Cell::Decimal(_) | Cell::Integer(_) => cell.number().map(|number| number.to_f64()),
                _ => None,
            };
            let written = sampled(row.cell(at)).into_owned();
            facts.push(Fact { written, loose: loose(cell), number });
        });
        rows.entry(hash).and_modify(|known| *known = None).or_insert(Some(facts));
    })?;
    Ok((rows, sketched.sketch))
}

/// Sketches keys as a run pairs them.
#[derive(Default)]
pub struct KeySketcher {
    /// Of the present row.
    parts: Vec<Option<String>>,
    pub sketch: Sketch,
}

impl KeySketcher {
    /// Adds the next part of a row's key.
    pub fn add(&mut self, cell: Cell<'_>) {
        let number = || cell.number().map(|number| number.normalized().to_string());
        let text = if cell.is_unparsed() { None } else { number().or_else(|| cell.text()) };
        self.parts.push(text);
    }

    pub fn end_row(&mut self) {
        if self.parts.iter().all(Option::is_some) {
            self.sketch.add(hash_of(&self.parts), 1);
        }
        self.parts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[&str]) -> Vec<Fact> {
        let fact = |cell: &&str| Fact {
            written: (*cell).to_owned(),
            loose: (!cell.is_empty()).then(|| (*cell).to_owned()),
            number: cell.parse().ok(),
        };
        cells.iter().map(fact).collect()
    }

    fn joined(a: &[&str], b: &[&str]) -> Joined {
        let facts = PerSide { a: vec![column(a)], b: vec![column(b)] };
        Joined { facts, rows: a.len(), key: vec![FIRST], keys: PerSide::default() }
    }

    const FIRST: PerSide<usize> = PerSide { a: 0, b: 0 };

    #[test]
    fn translations_between_words_are_found() {
        let joined = joined(
            &["BUY", "SELL", "BUY", "SELL", "SELL", "BUY", "BUY", "SELL"],
            &["B", "S", "B", "S", "S", "B", "B", "S"],
        );
        let words = joined.words(FIRST).unwrap();
        assert_eq!(words.pairs, [("BUY".into(), "B".into()), ("SELL".into(), "S".into())]);
        let agreement = joined.agreement(FIRST);
        assert!(agreement.by_words && agreement.beyond_chance() > 0.99);
    }

    #[test]
    fn values_that_occur_once_are_not_translated() {
        let once = joined(&["a", "b", "c", "d"], &["w", "x", "y", "z"]);
        assert!(once.words(FIRST).is_none());
        let numbers = joined(
            &["1", "2", "1", "2", "1", "2", "1", "2"],
            &["5", "6", "5", "6", "5", "6", "5", "6"],
        );
        assert!(numbers.words(FIRST).is_none());
    }

    #[test]
    fn agreement_by_chance_does_not_count() {
        let joined = joined(&["x", "y", "x", "y"], &["x", "x", "x", "x"]);
        let agreement = joined.agreement(FIRST);
        assert!(agreement.beyond_chance() < 0.01, "{agreement:?}");
    }

    #[test]
    fn prices_of_two_sources_are_nearly_the_same() {
        let joined = joined(
            &["100.00", "57.10", "12.30", "7.70", "230.00"],
            &["100.10", "57.13", "12.31", "7.70", "230.40"],
        );
        let agreement = joined.agreement(FIRST);
        assert!(agreement.near && agreement.beyond_chance() > 0.9, "{agreement:?}");
    }

    #[test]
    fn null_and_zero_agree_provisionally() {
        let joined = joined(&["", "", "5", "8"], &["0", "0", "5", "8"]);
        assert!((joined.agreement(FIRST).share - 1.0).abs() < f64::EPSILON);
    }
}
