//! Amounts spread over two columns: one for debits and one for credits, or one with a debit/credit
//! mark beside it (`S` and `H`, `D` and `C`). The other side has one signed amount; a `row`
//! function in the source's own script computes it.

use std::fmt::Write as _;

use crate::diagnostic::Problem;
use crate::domain::{Kind, RawCells};

use super::extract::Extract;
use super::money;
use super::names;
use super::words::quoted;

/// How one signed amount is computed from two columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The name of the amount.
    pub name: String,
    pub columns: [String; 2],
    places: [usize; 2],
    how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// A debit and a credit column. Debits get a minus unless they have one.
    Sides { debits_have_minus: bool },
    /// An amount and a mark column, with the marks of debits and credits.
    Marks { debit: String, credit: String },
}

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
            let how = How::Sides { debits_have_minus: minus * 2 > debits };
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
            extract.columns.get(*at).is_some_and(|column| {
                let values = &column.profile.values;
                column.profile.is_number()
                    && !values.iter().any(|(text, _)| text.starts_with(['-', '\u{2212}', '(']))
            })
        };
        let named = (0..extract.columns.len()).filter(is_amount).find(|at| {
            let column = extract.columns.get(*at);
            column.is_some_and(|column| names::names_a_measure(&column.name))
        });
        let beside = [mark.checked_sub(1), Some(mark + 1)];
        let amount = beside.into_iter().flatten().find(is_amount).or(named);
        Ok(amount.map(|amount| Self::of(extract, [amount, mark], How::Marks { debit, credit })))
    }

    fn of(extract: &Extract, places: [usize; 2], how: How) -> Self {
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
            How::Sides { debits_have_minus } => match (is_nothing(&first), is_nothing(&second)) {
                (true, _) if second.is_empty() => first,
                (true, _) => second,
                (false, true) if *debits_have_minus => first,
                (false, true) => format!("-{first}"),
                (false, false) => format!("debit {first}, credit {second}"),
            },
            How::Marks { debit, credit } => match second.to_uppercase() {
                _ if first.is_empty() => first,
                mark if mark == debit.to_uppercase() => format!("-{first}"),
                mark if mark == credit.to_uppercase() => first,
                mark => format!("{first} {mark}"),
            },
        }
    }

    pub fn sentence(&self) -> String {
        let [first, second] = &self.columns;
        match &self.how {
            How::Sides { .. } => format!("`{second}` as it is, or `{first}` with a minus"),
            How::Marks { debit, .. } => {
                format!("`{first}`, with a minus where `{second}` is `{debit}`")
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
            How::Sides { debits_have_minus } => {
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
            How::Marks { debit, credit } => {
                let (debit, credit) =
                    (quoted(&debit.to_uppercase()), quoted(&credit.to_uppercase()));
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
        {debit} => "-" + amount,
        {credit} => amount,
        _ => amount + " " + mark
    }}
}}
"#
                );
            }
        }
        text
    }
}

fn text<R: RawCells + ?Sized>(row: &R, at: usize) -> String {
    String::from_utf8_lossy(row.cell(at)).trim().to_owned()
}

/// Empty, or only zeros.
fn is_nothing(text: &str) -> bool {
    !text.contains(|c| matches!(c, '1'..='9'))
}
