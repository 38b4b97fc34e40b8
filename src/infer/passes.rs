//! Passes for files that no key joins: proposed from the columns, and tried on the rows at hand.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::extract::Extract;
use super::field::FieldGuess;
use super::mapping::Pair;
use super::names;
use super::reading::Trial;
use crate::diagnostic::Problem;
use crate::domain::row::push_cell;
use crate::domain::{Cells, Decimal, Kind, PerSide, RawCell, Row, RowRef, Side, key};
use crate::matching::{Bound, EFFORT, Near, Pass, Settings, Shape, match_block};

/// How many rows of a side the passes are tried on.
const MOST_ROWS: usize = 20_000;

/// A text with at most this many values on a side is a code, such as a currency.
const CODES: usize = 12;

/// The least share of a column's values that the other side has too.
const SHARED: f64 = 0.2;

/// Largest distance of dates, and most rows of a split.
const DAYS: i64 = 5;
pub const SPLIT: usize = 5;

/// A pass to propose, and its result for the files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProposedPass {
    pub name: String,
    pub equal: Vec<String>,
    /// Fields and their bounds, as written in `recon.yaml`.
    pub near: Vec<(String, String)>,
    /// The summed field; none if rows match one to one.
    pub sum: Option<String>,
    pub shape: &'static str,
    /// Rows that it matches, and rows that are tied.
    pub matched: PerSide<u64>,
    pub tied: PerSide<u64>,
    /// Rows that were open before it.
    pub open: PerSide<u64>,
}

impl ProposedPass {
    /// Its result on the files, in a sentence.
    pub fn why(&self) -> String {
        let side = |side: Side| {
            format!("{} of {} open rows of {side}", self.matched[side], self.open[side])
        };
        let mut text = format!("matches {} and {}", side(Side::A), side(Side::B));
        if self.tied.a + self.tied.b > 0 {
            text += &format!("; {} and {} are tied and stay open", self.tied.a, self.tied.b);
        }
        text
    }
}

/// The part that a field can have in a pass.
#[derive(Default)]
struct Roles {
    /// Texts with few values, such as currencies.
    codes: Vec<usize>,
    /// Texts that rows share, such as customers.
    names: Vec<usize>,
    /// Texts that are nearly unique.
    references: Vec<usize>,
    amount: Option<usize>,
    date: Option<usize>,
}

/// The passes that match something, in order.
pub fn propose(
    extracts: &PerSide<Extract>,
    fields: &[FieldGuess],
    pairs: &[Pair],
) -> Result<Vec<ProposedPass>, Problem> {
    let rows = PerSide::try_of_both(|side| rows(&extracts[side], side, fields, pairs))?;
    let roles = roles(fields, &rows);
    let mut open = PerSide::of(|side| (0..rows[side].len()).collect::<Vec<usize>>());
    let mut proposed = Vec::new();
    for pass in candidates(fields, &roles) {
        let (matched, tied) = attempt(&pass, &rows, &open);
        let count = |rows: &PerSide<HashSet<usize>>| PerSide::of(|side| rows[side].len() as u64);
        if matched.a.is_empty() {
            continue;
        }
        let name = |field: usize| fields.get(field).map_or("", |field| &field.name).to_owned();
        let near = pass.near.iter().map(|near| (name(near.field), written(&near.bound)));
        let summed = pass.near.iter().find(|near| near.summed);
        proposed.push(ProposedPass {
            name: pass.name.clone(),
            equal: pass.equal.iter().map(|field| name(*field)).collect(),
            near: near.collect(),
            sum: summed.map(|near| name(near.field)),
            shape: pass.shape.name(),
            matched: count(&matched),
            tied: count(&tied),
            open: PerSide::of(|side| open[side].len() as u64),
        });
        for side in Side::BOTH {
            open[side].retain(|row| !matched[side].contains(row));
        }
    }
    Ok(proposed)
}

/// The first rows of a side as the run would read them.
fn rows(
    extract: &Extract,
    side: Side,
    fields: &[FieldGuess],
    pairs: &[Pair],
) -> Result<Vec<Row>, Problem> {
    let plans = fields.iter().zip(pairs).map(|(field, pair)| field.plan(side, pair.columns[side]));
    let nulls = extract.form.null_values.clone();
    let mut reader = Trial::new(plans.collect(), extract.columns.len(), nulls);
    let mut rows: Vec<Row> = Vec::new();
    extract.rows.first(MOST_ROWS, |raw| {
        let mut row = Row { line: rows.len() as u64 + 1, ..Row::default() };
        reader.row(raw, |_, cell| push_cell(&mut row.cells, cell));
        rows.push(row);
    })?;
    rows.truncate(MOST_ROWS);
    Ok(rows)
}

fn cell(row: &Row, field: usize) -> Option<RawCell<'_>> {
    let cell = Cells::new(&row.cells).nth(field)?;
    (!cell.is_null() && !cell.is_unparsed()).then_some(cell)
}

fn roles(fields: &[FieldGuess], rows: &PerSide<Vec<Row>>) -> Roles {
    let mut roles = Roles::default();
    for (at, field) in fields.iter().enumerate() {
        match field.kind {
            Kind::Decimal | Kind::Integer if names::names_a_measure(&field.name) => {
                roles.amount.get_or_insert(at);
            }
            Kind::Date => {
                roles.date.get_or_insert(at);
            }
            Kind::Text | Kind::Integer => {
                let values = PerSide::of(|side| {
                    let mut counts: HashMap<String, u64> = HashMap::new();
                    for value in rows[side].iter().filter_map(|row| cell(row, at)) {
                        *counts.entry(value.decode(&mut [0; 36]).to_string()).or_default() += 1;
                    }
                    counts
                });
                let (fewer, more) = if values.a.len() <= values.b.len() {
                    (&values.a, &values.b)
                } else {
                    (&values.b, &values.a)
                };
                let shared = fewer.keys().filter(|value| more.contains_key(*value)).count();
                if fewer.is_empty() || (shared as f64) < SHARED * fewer.len() as f64 {
                    continue;
                }
                let repeats = |counts: &HashMap<String, u64>| {
                    counts.values().sum::<u64>() as f64 / counts.len().max(1) as f64
                };
                if more.len() <= CODES && repeats(more) >= 2.0 {
                    roles.codes.push(at);
                } else if repeats(&values.a).min(repeats(&values.b)) < 1.2 {
                    roles.references.push(at);
                } else {
                    roles.names.push(at);
                }
            }
            _ => {}
        }
    }
    let is_decimal = |field: &FieldGuess| field.kind == Kind::Decimal;
    roles.amount = roles.amount.or_else(|| fields.iter().position(is_decimal));
    roles
}

/// Passes from the surest to the loosest.
fn candidates(fields: &[FieldGuess], roles: &Roles) -> Vec<Pass> {
    let name = |field: usize| fields.get(field).map_or("", |field| &field.name);
    let near = |days: i64, summed: bool| -> Vec<Near> {
        let zero = Bound::Number { absolute: Some(Decimal::ZERO), percent: None, either: false };
        let amount = roles.amount.map(|field| Near { field, bound: zero, summed });
        let date = roles.date.map(|field| {
            let bound = Bound::Days(-days, days);
            Near { field, bound, summed: false }
        });
        amount.into_iter().chain(date).collect()
    };
    let pass = |name: String, equal: Vec<usize>, near: Vec<Near>, shape: Shape| Pass {
        name,
        equal,
        near,
        group: PerSide::default(),
        shape,
        max_rows: SPLIT,
        currency: None,
    };
    let with = |others: &[usize]| [roles.codes.as_slice(), others].concat();
    let mut passes: Vec<Pass> = Vec::new();
    for reference in &roles.references {
        let title = format!("by_{}", name(*reference));
        passes.push(pass(title, with(&[*reference]), Vec::new(), Shape::OneToOne));
    }
    let Some(amount) = roles.amount else { return passes };
    let title = |what: &str, field: Option<&usize>| match field {
        Some(field) => format!("{what}_and_{}", name(*field)),
        None => what.to_owned(),
    };
    let by_amount = title(&format!("by_{}", name(amount)), roles.names.first());
    passes.push(pass(by_amount, with(&roles.names), near(DAYS, false), Shape::OneToOne));
    if !roles.names.is_empty() || !roles.codes.is_empty() {
        for (title, shape) in [("split", Shape::OneToMany), ("collected", Shape::ManyToOne)] {
            passes.push(pass(title.to_owned(), with(&roles.names), near(DAYS, true), shape));
        }
    }
    if !roles.names.is_empty() {
        let last = title(&format!("by_{}", name(amount)), roles.date.as_ref());
        passes.push(pass(last, with(&[]), near(3, false), Shape::OneToOne));
    }
    passes
}

/// The rows that a pass matches, and those that it leaves open because they are tied.
fn attempt(
    pass: &Pass,
    rows: &PerSide<Vec<Row>>,
    open: &PerSide<Vec<usize>>,
) -> (PerSide<HashSet<usize>>, PerSide<HashSet<usize>>) {
    let (mut matched, mut tied) = (PerSide::default(), PerSide::default());
    let mut blocks: BTreeMap<u64, PerSide<Vec<usize>>> = BTreeMap::new();
    for side in Side::BOTH {
        for row in &open[side] {
            let mut values = Vec::new();
            let mut parts = pass.equal.iter().map(|field| cell(&rows[side][*row], *field));
            let whole = parts.all(|part| {
                part.inspect(|part| push_cell(&mut values, part.decode(&mut [0; 36]))).is_some()
            });
            if whole {
                let hash = key::hash(Cells::new(&values), pass.equal.len());
                blocks.entry(hash).or_default()[side].push(*row);
            }
        }
    }
    let settings = Settings { take: false, effort: EFFORT };
    for block in blocks.into_values() {
        let own = PerSide::of(|side| {
            block[side].iter().map(|row| rows[side][*row].borrow(0)).collect::<Vec<RowRef<'_>>>()
        });
        let outcome = match_block(pass, settings, PerSide { a: &own.a, b: &own.b });
        for one in &outcome.matches {
            let into = if one.made { &mut matched } else { &mut tied };
            for (side, members) in [(Side::A, &one.a), (Side::B, &one.b)] {
                let places = members.iter().filter_map(|row| block[side].get(*row as usize));
                HashSet::extend(&mut into[side], places.copied());
            }
        }
    }
    (matched, tied)
}

/// A bound as written in `recon.yaml`.
fn written(bound: &Bound) -> String {
    match bound {
        Bound::Days(_, days) => format!("{{ days: {days} }}"),
        _ => "{ absolute: 0 }".to_owned(),
    }
}
