//! Amounts spread over two columns: one for debits and one for credits, or one with a debit/credit
//! mark beside it (`S` and `H`, `D` and `C`, or words that the other side's signs show). The other side has one signed amount; a `row`
//! function in the source's own script computes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::diagnostic::Problem;
use crate::domain::unseen::quoted;
use crate::domain::{Kind, PerSide, RawCells, Side};

use super::extract::{Column, Extract};
use super::joined::{Fact, Joined};
use super::mapping::TELLING_ROWS;
use super::money;
use super::names;

/// How one signed amount is computed from two columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The name of the amount.
    pub name: String,
    pub columns: [String; 2],
    places: [usize; 2],
    how: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// A debit and a credit column. Debits get a minus unless they have one.
    Sides { debits_have_minus: bool },
    /// An amount and a mark column, with the marks of debits and credits.
    Marks { debits: Vec<String>, credits: Vec<String> },
}

/// Maximum number of words that tell signs.
const MOST_WORDS: usize = 6;

/// Maximum number of pairs of columns that are compared.
const MOST_PAIRS: usize = 2_500;

/// Minimum number of rows with each sign.
const LEAST: usize = 3;

/// One row in this many may deviate.
const OTHERWISE: u64 = 50;

impl Joint {
    /// The two columns of a file that form one amount, if any.
    pub fn detect(extract: &Extract) -> Result<Option<Self>, Problem> {
        match Self::sides(extract)? {
            Some(joint) => Ok(Some(joint)),
            None => Self::marks(extract),
        }
    }

    fn sides(extract: &Extract) -> Result<Option<Self>, Problem> {
        let find = |word: &str| {
            let mut found = extract.columns.iter().enumerate().filter(|(_, column)| {
                let is_number = column.profile.is_number() || column.sketch.filled == 0;
                is_number && names::words(&column.name).iter().any(|other| other == word)
            });
            Some((found.next()?.0, found.next())).filter(|(_, second)| second.is_none())
        };
        let (Some((debit, _)), Some((credit, _))) = (find("debit"), find("credit")) else {
            return Ok(None);
        };
        if debit == credit {
            return Ok(None);
        }
        let (mut rows, mut both, mut minus, mut debits) = (0u64, 0u64, 0u64, 0u64);
        extract.rows.each(|row| {
            let (debit, credit) = (text(row, debit), text(row, credit));
            rows += 1;
            both += u64::from(!is_nothing(&debit) && !is_nothing(&credit));
            debits += u64::from(!is_nothing(&debit));
            minus += u64::from(debit.starts_with(['-', '\u{2212}', '(']));
        })?;
        let is_one = rows > 0 && both * OTHERWISE <= rows;
        Ok(is_one.then(|| {
            let how = Form::Sides { debits_have_minus: minus * 2 > debits };
            Self::of(extract, [debit, credit], how)
        }))
    }

    fn marks(extract: &Extract) -> Result<Option<Self>, Problem> {
        let marked = extract.columns.iter().enumerate().find_map(|(at, column)| {
            let values: Vec<&str> =
                column.profile.values.iter().map(|(text, _)| text.as_str()).collect();
            let is_text = matches!(column.profile.reading.kind, Kind::Text);
            let (debit, credit) = money::marks(&values).filter(|_| is_text)?;
            // A single letter may mean anything; both marks must occur.
            (values.len() == 2).then_some((at, debit, credit))
        });
        let Some((mark, debit, credit)) = marked else { return Ok(None) };
        let is_amount = |at: &usize| {
            let column = extract.columns.get(*at);
            column.is_some_and(|column| column.profile.is_number() && !has_minus(column))
        };
        let named = (0..extract.columns.len()).filter(is_amount).find(|at| {
            let column = extract.columns.get(*at);
            column.is_some_and(|column| names::names_a_measure(&column.name))
        });
        let beside = [mark.checked_sub(1), Some(mark + 1)];
        let amount = beside.into_iter().flatten().find(is_amount).or(named);
        let how = Form::Marks { debits: vec![debit], credits: vec![credit] };
        Ok(amount.map(|amount| Self::of(extract, [amount, mark], how)))
    }

    /// A column without signs whose rows are negative on the other side exactly where another column has certain
    /// words, such as `refund` or `SELL`.
    pub fn learned(extracts: &PerSide<Extract>, joined: &Joined) -> Option<(Side, Self)> {
        if joined.rows < TELLING_ROWS {
            return None;
        }
        Side::BOTH.into_iter().find_map(|side| {
            let (own, other) = (&extracts[side], &extracts[side.other()]);
            if own.joint().is_some() || !own.form.has_names() {
                return None;
            }
            let numbers = |extract: &Extract, is_signed: bool| {
                places(extract, |column| {
                    column.profile.is_number() && has_minus(column) == is_signed
                })
            };
            let (amounts, signed) = (numbers(own, false), numbers(other, true));
            if amounts.len() * signed.len() > MOST_PAIRS {
                return None;
            }
            let words = places(own, |column| {
                (2..=MOST_WORDS).contains(&column.profile.values.len())
                    && column.profile.reading.kind == Kind::Text
            });
            let pairs =
                amounts.iter().flat_map(|amount| signed.iter().map(move |at| (*amount, *at)));
            pairs.into_iter().find_map(|(amount, signed)| {
                let rows = rows_with_sign(joined, side, amount, signed)?;
                let marks = words.iter().filter_map(|at| {
                    Some((*at, words_of_sign(joined.facts[side].get(*at)?, &rows)?))
                });
                let (mark, how) = marks.min_by_key(|(at, _)| at.abs_diff(amount))?;
                let mut joint = Self::of(own, [amount, mark], how);
                // It has the other side's name, if this side does not use that.
                let name = other.columns.get(signed)?.name.clone();
                let is_taken = own.columns.iter().any(|column| column.name == name);
                joint.name = match is_taken || name.trim().is_empty() {
                    true => format!("signed {}", own.columns.get(amount)?.name.trim()),
                    false => name,
                };
                Some((side, joint))
            })
        })
    }

    fn of(extract: &Extract, places: [usize; 2], how: Form) -> Self {
        let name = |at: usize| {
            extract.columns.get(at).map_or_else(String::new, |column| column.name.clone())
        };
        let is_taken = |name: &str| extract.columns.iter().any(|column| column.name == name);
        let own = if is_taken("amount") { "signed_amount" } else { "amount" };
        Self { name: own.to_owned(), columns: places.map(name), places, how }
    }

    /// The signed amount of a row, as the script function computes it.
    pub fn text<R: RawCells + ?Sized>(&self, row: &R) -> String {
        let [first, second] = self.places.map(|at| text(row, at));
        match &self.how {
            Form::Sides { debits_have_minus } => match (is_nothing(&first), is_nothing(&second)) {
                (true, _) if second.is_empty() => first,
                (true, _) => second,
                (false, true) if *debits_have_minus => first,
                (false, true) => format!("-{first}"),
                (false, false) => format!("debit {first}, credit {second}"),
            },
            Form::Marks { debits, credits } => {
                let mark = second.to_uppercase();
                let is_in = |marks: &[String]| marks.iter().any(|it| it.to_uppercase() == mark);
                match () {
                    () if first.is_empty() => first,
                    () if is_in(debits) => format!("-{first}"),
                    () if is_in(credits) => first,
                    () => format!("{first} ? {mark}"),
                }
            }
        }
    }

    pub fn sentence(&self) -> String {
        let [first, second] = &self.columns;
        match &self.how {
            Form::Sides { .. } => format!("`{second}` as it is, or `{first}` with a minus"),
            Form::Marks { debits, .. } => {
                let debits: Vec<String> = debits.iter().map(|mark| format!("`{mark}`")).collect();
                format!("`{first}`, with a minus where `{second}` is {}", debits.join(" or "))
            }
        }
    }

    /// The script of the source, whose `row` sets the field.
    pub fn script(&self, field: &str) -> String {
        let [first, second] = self.columns.each_ref().map(|name| quoted(name));
        let mut text = format!(
            "// This source has amounts in two columns; `row` combines them into one signed amount \
             before\n// the steps and the number format of the field are applied.\n\n\
             fn row(raw, r) {{\n    r[{}] = signed(raw[{first}], raw[{second}]);\n    r\n}}\n",
            quoted(field)
        );
        match &self.how {
            Form::Sides { debits_have_minus } => {
                let debit = if *debits_have_minus { "debit" } else { "\"-\" + debit" };
                let _ = write!(
                    text,
                    r#"
/// The credit, or the debit with a minus. A row with both becomes unparsable so that someone checks
/// it.
private fn signed(debit, credit) {{
    if is_nothing(debit) {{
        return if credit == () {{ debit }} else {{ credit }};
    }}
    if is_nothing(credit) {{
        debit.trim();
        return {debit};
    }}
    "debit " + debit + ", credit " + credit
}}

/// Empty, or only zeros.
private fn is_nothing(v) {{
    if v == () {{
        return true;
    }}
    for digit in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {{
        if v.contains(digit) {{
            return false;
        }}
    }}
    true
}}
"#
                );
            }
            Form::Marks { debits, credits } => {
                let list = |marks: &[String]| {
                    let marks: Vec<String> =
                        marks.iter().map(|mark| quoted(&mark.to_uppercase())).collect();
                    marks.join(" | ")
                };
                let (debits, credits) = (list(debits), list(credits));
                let _ = write!(
                    text,
                    r#"
/// The amount, with a minus for debits. Any other mark makes it unparsable so that someone checks
/// it.
private fn signed(amount, mark) {{
    if amount == () {{
        return ();
    }}
    amount.trim();
    let mark = if mark == () {{ "" }} else {{ mark }};
    mark.trim();
    switch mark.to_upper() {{
        {debits} => "-" + amount,
        {credits} => amount,
        _ => amount + " ? " + mark
    }}
}}
"#
                );
            }
        }
        text
    }
}

/// The positions of unambiguous columns that satisfy `is_one`.
fn places(extract: &Extract, is_one: impl Fn(&Column) -> bool) -> Vec<usize> {
    let columns = extract.columns.iter().enumerate();
    columns.filter(|(_, it)| !it.is_ambiguous && is_one(it)).map(|(at, _)| at).collect()
}

fn has_minus(column: &Column) -> bool {
    column.profile.values.iter().any(|(text, _)| text.starts_with(['-', '\u{2212}', '(']))
}

/// The joined rows in which two columns have the same digits, each with whether the signed one is negative; `None` if
/// those are not nearly all, or too few have one of the signs.
fn rows_with_sign(
    joined: &Joined,
    side: Side,
    amount: usize,
    signed: usize,
) -> Option<Vec<(usize, bool)>> {
    let columns = match side {
        Side::A => PerSide { a: amount, b: signed },
        Side::B => PerSide { a: signed, b: amount },
    };
    let (mut rows, mut of) = (Vec::new(), 0);
    for (at, (a, b)) in joined.pairs(columns).enumerate() {
        let (own, other) = if side == Side::A { (a, b) } else { (b, a) };
        let (Some(own), Some(other)) = (own.number, other.number) else { continue };
        if own == 0.0 && other == 0.0 {
            continue;
        }
        of += 1;
        if (own.abs() - other.abs()).abs() < 1e-9 * own.abs() {
            rows.push((at, other < 0.0));
        }
    }
    let negative = rows.iter().filter(|(_, is_negative)| *is_negative).count();
    let is_telling =
        negative >= LEAST && rows.len() - negative >= LEAST && rows.len() * 10 >= of * 9;
    is_telling.then_some(rows)
}

/// The words of the negative and of the positive rows, if each word has one sign.
fn words_of_sign(facts: &[Fact], rows: &[(usize, bool)]) -> Option<Form> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (at, is_negative) in rows {
        let count = counts.entry(facts.get(*at)?.written.trim()).or_default();
        match is_negative {
            true => count.0 += 1,
            false => count.1 += 1,
        }
    }
    let (mut debits, mut credits) = (Vec::new(), Vec::new());
    for (word, (negative, positive)) in counts {
        // A word that occurs once has one sign by chance.
        let is_sure =
            negative + positive >= 2 && negative.min(positive) * OTHERWISE <= negative + positive;
        if !is_sure {
            return None;
        }
        if negative > positive { &mut debits } else { &mut credits }.push(word.to_owned());
    }
    (!debits.is_empty() && !credits.is_empty()).then_some(Form::Marks { debits, credits })
}

fn text<R: RawCells + ?Sized>(row: &R, at: usize) -> String {
    String::from_utf8_lossy(row.cell(at)).trim().to_owned()
}

/// Empty, or only zeros.
fn is_nothing(text: &str) -> bool {
    !text.contains(|c| matches!(c, '1'..='9'))
}
