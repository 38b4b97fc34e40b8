//! Currencies and units beside numbers. A number format removes them, so that `EUR 5.00` is 5.00. Where the sides may
//! differ in them, they become a field of their own; otherwise equal numbers in two currencies would match.

use std::collections::BTreeSet;

use super::extract::{Column, Extract};
use super::field::{FieldGuess, FieldInputs, Uniting, plain_steps};
use super::joined::{Fact, Joined};
use super::mapping::Pair;
use super::money::{is_currency, is_sign, may_be_same};
use super::words::{WordFunction, function_name};
use crate::domain::{Kind, PerSide, Side};
use crate::normalize::{ArgumentSpec, StepSpec};

/// The letters and currency signs beside a number; a backslash is the yen sign of Shift_JIS.
fn code(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic() || is_sign(*c)).collect()
}

/// The step that does the same.
fn code_step() -> StepSpec {
    let map = [("pattern", "[^\\p{L}\\p{Sc}\\\\]+"), ("with", "")];
    let map = map.map(|(key, text)| (key.to_owned(), text.to_owned())).to_vec();
    StepSpec::With("regex_replace".to_owned(), ArgumentSpec::Map(map))
}

/// Source of a side's currency codes.
#[derive(Clone, Copy)]
enum CodeSource {
    Beside(usize),
    Column(usize),
}

impl CodeSource {
    const fn column(self) -> usize {
        match self {
            Self::Beside(at) | Self::Column(at) => at,
        }
    }

    fn read(self, text: &str) -> String {
        match self {
            Self::Beside(_) => code(text),
            Self::Column(_) => text.trim().to_owned(),
        }
    }
}

/// The codes of both sides in the joined rows.
struct Codes(Vec<PerSide<String>>);

impl Codes {
    fn of(joined: &Joined, places: PerSide<CodeSource>) -> Self {
        let rows = joined.pairs(places.map(|_, place| place.column()));
        let rows = rows.filter(|(a, b)| a.loose.is_some() && b.loose.is_some());
        let read = |(a, b): (&Fact, &Fact)| PerSide {
            a: places.a.read(&a.written),
            b: places.b.read(&b.written),
        };
        Self(rows.map(read).collect())
    }

    fn distinct(&self, side: Side) -> BTreeSet<&str> {
        let codes = self.0.iter().map(|row| row[side].as_str());
        codes.filter(|code| !code.is_empty()).collect()
    }

    /// True if each side has one code, and both may mean the same.
    fn are_one(&self) -> bool {
        let (a, b) = (self.distinct(Side::A), self.distinct(Side::B));
        let is_complete = self.0.iter().all(|row| row.a.is_empty() == row.b.is_empty());
        let is_same = || a.iter().zip(&b).all(|(a, b)| may_be_same(a, b));
        a.len() == 1 && b.len() == 1 && is_complete && is_same()
    }

    /// Different spellings that can only mean each other, such as `€` and `EUR`.
    fn spellings(&self) -> Vec<PerSide<String>> {
        let (of_a, of_b) = (self.distinct(Side::A), self.distinct(Side::B));
        let mut found = Vec::new();
        for a in &of_a {
            let mut same = of_b.iter().filter(|b| may_be_same(a, b));
            let (Some(b), None) = (same.next(), same.next()) else { continue };
            let is_only = of_a.iter().filter(|a| may_be_same(a, b)).count() == 1;
            if a != b && is_only {
                found.push(PerSide { a: (*a).to_owned(), b: (*b).to_owned() });
            }
        }
        found
    }
}

/// The one column of a side that has currencies and is not mapped.
fn currency_column(extract: &Extract, is_free: impl Fn(usize) -> bool) -> Option<usize> {
    let is_one = |(at, column): &(usize, &Column)| {
        let values = &column.profile.values;
        let is_text = column.profile.reading.kind == Kind::Text && !column.is_ambiguous;
        let are_codes = || values.iter().all(|(text, _)| is_currency(text));
        is_text && is_free(*at) && !values.is_empty() && are_codes()
    };
    let mut columns = extract.columns.iter().enumerate().filter(is_one);
    let (at, _) = columns.next()?;
    columns.next().is_none().then_some(at)
}

impl FieldInputs<'_> {
    /// Fields of the codes that stand beside the numbers of `fields`, where the sides may differ in them. Adds notes
    /// on codes that can't be compared.
    pub fn codes(
        &self,
        fields: &mut [FieldGuess],
        pairs: &[Pair],
        functions: &mut Vec<WordFunction>,
    ) -> Vec<FieldGuess> {
        let mut found: Vec<FieldGuess> = Vec::new();
        let mut taken: Vec<(Side, usize)> = pairs
            .iter()
            .flat_map(|pair| Side::BOTH.map(|side| (side, pair.columns[side])))
            .collect();
        let mut names: BTreeSet<String> = fields.iter().map(|field| field.name.clone()).collect();
        for (field, pair) in fields.iter_mut().zip(pairs) {
            let Some(places) = self.places(field, pair, &taken) else { continue };
            let codes = Codes::of(self.joined, places);
            if codes.0.is_empty() {
                continue;
            }
            let are_beside =
                matches!(places, PerSide { a: CodeSource::Beside(_), b: CodeSource::Beside(_) });
            if are_beside && codes.are_one() {
                if let Some(one) = codes.spellings().first() {
                    field.notes.push(format!("`{}` of A is taken for the `{}` of B", one.a, one.b));
                }
                continue;
            }
            taken.extend(Side::BOTH.map(|side| (side, places[side].column())));
            let name = name(&field.name, &codes, &names);
            names.insert(name.clone());
            found.push(self.of_codes(name, places, &codes, functions));
        }
        found
    }

    /// Positions of a number's currency codes on both sides, if they can be compared.
    fn places(
        &self,
        field: &mut FieldGuess,
        pair: &Pair,
        taken: &[(Side, usize)],
    ) -> Option<PerSide<CodeSource>> {
        let marks = PerSide::of(|side| {
            let numbers = field.numbers[side].as_ref();
            numbers.map(|numbers| numbers.around.currency.clone()).unwrap_or_default()
        });
        let is_computed = |side: Side| {
            let joint = self.extracts[side].joint();
            joint.is_some_and(|(at, _)| at == pair.columns[side])
        };
        if Side::BOTH.into_iter().any(is_computed) || field.has_marks() {
            return None;
        }
        let with = |side: Side| CodeSource::Beside(pair.columns[side]);
        let side = match (marks.a.is_empty(), marks.b.is_empty()) {
            (true, true) => return None,
            (false, false) => return Some(PerSide::of(with)),
            (false, true) => Side::A,
            (true, false) => Side::B,
        };
        let other = side.other();
        let is_free = |at: usize| !taken.contains(&(other, at));
        let Some(column) = currency_column(&self.extracts[other], is_free) else {
            if marks[side].len() > 1 {
                field.notes.push(format!(
                    "the amounts of {side} are in several currencies ({}), but {other} does not say which: only the \
                     numbers are compared",
                    marks[side].join(", ")
                ));
            }
            return None;
        };
        Some(PerSide::of(|one| if one == side { with(one) } else { CodeSource::Column(column) }))
    }

    fn of_codes(
        &self,
        name: String,
        places: PerSide<CodeSource>,
        codes: &Codes,
        functions: &mut Vec<WordFunction>,
    ) -> FieldGuess {
        let columns = places.map(|_, place| place.column());
        let names = PerSide::of(|side| {
            let column = self.extracts[side].columns.get(columns[side]);
            column.map_or_else(String::new, |column| column.name.clone())
        });
        let why = "what stands beside the numbers".to_owned();
        let mut field = FieldGuess::new(name, names, 0.95, why, Kind::Text);
        for side in Side::BOTH {
            if matches!(places[side], CodeSource::Beside(_)) {
                field.source_normalize[side].push(code_step());
            }
        }
        let spellings = codes.spellings();
        for side in Side::BOTH {
            // Signs become codes, which are longer.
            let is_translated = |words: &&PerSide<String>| {
                let length = words.as_ref().map(|_, word| word.chars().count());
                (length.a < length.b) == (side == Side::A)
            };
            let words = spellings.iter().filter(is_translated);
            let words: Vec<(String, String)> =
                words.map(|it| (it[side].clone(), it[side.other()].clone())).collect();
            if words.is_empty() {
                continue;
            }
            let step = function_name(&field.name, side);
            field.source_normalize[side].extend(plain_steps(&[&step]));
            let is_one = |row: &&PerSide<String>| words.iter().any(|(word, _)| *word == row[side]);
            field.uniting.push(Uniting {
                side: Some(side),
                step: step.clone(),
                rows: codes.0.iter().filter(is_one).count() as u64,
                of: codes.0.len() as u64,
                examples: words.iter().map(|(from, to)| [from.clone(), to.clone()]).collect(),
                written: true,
            });
            functions.push(WordFunction::of_side(step, &field.name, side, words));
        }
        let words: Vec<(String, String)> =
            spellings.into_iter().map(|words| (words.a, words.b)).collect();
        let measured = self.measure(&field, columns, Some(&words));
        field.set_measured(measured);
        field
    }
}

/// The number's name with the kind of its codes.
fn name(number: &str, codes: &Codes, others: &BTreeSet<String>) -> String {
    let mut all = codes.distinct(Side::A).into_iter().chain(codes.distinct(Side::B));
    let what = if all.all(is_currency) { "currency" } else { "unit" };
    let name = format!("{number}_{what}");
    match others.contains(&name) {
        true => format!("{name}_2"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(rows: &[[&str; 2]]) -> Codes {
        let row = |[a, b]: &[&str; 2]| PerSide { a: code(a), b: code(b) };
        Codes(rows.iter().map(row).collect())
    }

    #[test]
    fn codes_stand_beside_the_digits() {
        for (text, expected) in [
            ("EUR 1.234,50", "EUR"),
            ("-US$ 5", "US$"),
            ("Rs. 12,00,000.00", "Rs"),
            ("\\463", "\\"),
            ("5.00", ""),
            ("1 234,56 kr", "kr"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn one_currency_in_two_spellings_is_no_difference() {
        assert!(codes(&[["$5", "USD 5"], ["$6", "USD 6"]]).are_one());
        assert!(!codes(&[["EUR 5", "USD 5"]]).are_one());
        assert!(!codes(&[["$5", "USD 5"], ["$6", "6"]]).are_one());
        assert!(!codes(&[["$5", "USD 5"], ["€6", "USD 6"]]).are_one());
    }

    #[test]
    fn signs_are_translated_if_only_one_code_can_be_meant() {
        let spellings = |rows: &[[&str; 2]]| {
            let found = codes(rows).spellings().into_iter();
            found.map(|words| format!("{} {}", words.a, words.b)).collect::<Vec<_>>()
        };
        assert_eq!(spellings(&[["€5", "EUR 5"], ["$6", "USD 6"]]), ["$ USD", "€ EUR"]);
        assert_eq!(spellings(&[["$5", "CAD 5"], ["$6", "USD 6"]]), [""; 0]);
        assert_eq!(spellings(&[["EUR 5", "EUR 5"], ["EUR 5", "USD 5"]]), [""; 0]);
    }
}
