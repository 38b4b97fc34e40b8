//! The units that are matched: single rows, or all rows of a `group`, with their measured values.

use std::cmp::Ordering;
use std::collections::HashMap;

use bnum::types::I512;

use super::bound::{Limit, Measured, Position, scaled, text_distance};
use super::number::Exact;
use super::{Near, Pass};
use crate::domain::{Cell, Cells, Decimal, RawCell, RowRef, Side};

/// One unit of one side.
#[derive(Clone, Debug)]
pub(super) struct Item<N> {
    /// Its rows, as positions in the block, in the order of their values.
    pub rows: Vec<u32>,
    /// Its measured values, for each `near` field.
    pub values: Vec<Spread<N>>,
    /// Units with the same values in all fields are of one class and go by line.
    pub class: u32,
    /// Units with the same currency have the same number.
    pub currency: u32,
}

/// The values of a unit's rows in one field, or their sum.
#[derive(Clone, Debug)]
pub(super) enum Spread<N> {
    One(N),
    Many(Vec<N>),
    Texts(Vec<String>),
}

/// The units of both sides of a block, in one number type.
#[derive(Clone, Debug)]
pub(super) struct Items<N> {
    pub sides: [Vec<Item<N>>; 2],
    pub limits: Vec<Limit<N>>,
    /// The decimals of each field's unit.
    scales: Vec<u8>,
}

impl<N: Exact> Items<N> {
    /// A number of a field's unit as a decimal.
    pub fn decimal(&self, field: usize, value: N) -> Option<Decimal> {
        Decimal::new(i128::try_from(value.wide()).ok()?, *self.scales.get(field)?)
    }
}

/// A unit before its values are brought to the block's scale.
struct Raw {
    rows: Vec<u32>,
    values: Vec<Vec<Measured>>,
    class: u32,
    currency: u32,
}

/// The rows of a block that take part, as units.
pub(super) struct RawItems([Vec<Raw>; 2]);

/// Order of two rows by their values in all fields.
pub(super) fn by_values(a: Cells<'_>, b: Cells<'_>) -> Ordering {
    if a.are_same_bytes(b) {
        return Ordering::Equal;
    }
    for (left, right) in a.zip(b) {
        if left == right {
            continue;
        }
        let (mut left_text, mut right_text) = ([0; 36], [0; 36]);
        let order = by_value(left.decode(&mut left_text), right.decode(&mut right_text));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn by_value(a: Cell<'_>, b: Cell<'_>) -> Ordering {
    let rank = |cell: Cell<'_>| match cell {
        Cell::Null => 0,
        Cell::Boolean(_) => 1,
        Cell::Integer(_) | Cell::Decimal(_) => 2,
        Cell::Date(_) => 3,
        Cell::Instant(_) => 4,
        Cell::Text(_) => 5,
        Cell::Unparsed(_) => 6,
    };
    match (a, b) {
        (Cell::Boolean(a), Cell::Boolean(b)) => a.cmp(&b),
        (Cell::Integer(a), Cell::Integer(b)) => a.cmp(&b),
        (Cell::Decimal(a), Cell::Decimal(b)) => a.cmp(&b),
        (Cell::Date(a), Cell::Date(b)) => a.days().cmp(&b.days()),
        (Cell::Instant(a), Cell::Instant(b)) => a.nanoseconds_since(b).cmp(&0),
        (Cell::Text(a), Cell::Text(b)) | (Cell::Unparsed(a), Cell::Unparsed(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

impl RawItems {
    /// The units of a block. Rows that lack a value that the pass needs are left out, and so is every group that
    /// such a row belongs to.
    pub fn new(pass: &Pass, rows: [&[RowRef<'_>]; 2]) -> Self {
        let mut currencies: HashMap<&[u8], u32> = HashMap::new();
        let mut sides = [Vec::new(), Vec::new()];
        for side in Side::BOTH {
            let here = rows[side as usize];
            let mut order: Vec<u32> = (0..here.len() as u32).collect();
            order.sort_by(|x, y| {
                let (x, y) = (&here[*x as usize], &here[*y as usize]);
                by_values(x.cells(), y.cells()).then(x.order().cmp(&y.order()))
            });
            let mut last: Option<Vec<Cells<'_>>> = None;
            let mut class = 0;
            for rows in group(&pass.group[side], here, order) {
                let cells: Vec<_> = rows.iter().map(|row| here[*row as usize].cells()).collect();
                let Some(values) = measure(&pass.near, &cells) else { continue };
                let Some(currency) = currency(pass.currency, &cells) else { continue };
                let next = u32::try_from(currencies.len()).unwrap_or(u32::MAX);
                let currency = *currencies.entry(currency).or_insert(next);
                let is_alike = |last: &Vec<Cells<'_>>| {
                    last.len() == cells.len()
                        && last.iter().zip(&cells).all(|(x, y)| by_values(*x, *y).is_eq())
                };
                class += u32::from(last.as_ref().is_some_and(|last| !is_alike(last)));
                sides[side as usize].push(Raw { rows, values, class, currency });
                last = Some(cells);
            }
        }
        Self(sides)
    }

    /// The units in this number type, unless a value does not fit.
    pub fn measured<N: Exact>(&self, pass: &Pass) -> Option<Items<N>> {
        let scales: Vec<u8> = (0..pass.near.len())
            .map(|at| {
                let all = self.0.iter().flatten().flat_map(|item| &item.values[at]);
                let scale = |value: &Measured| match value {
                    Measured::Number(value) => value.scale(),
                    _ => 0,
                };
                all.map(scale).max().unwrap_or_default()
            })
            .collect();
        let limits =
            pass.near.iter().zip(&scales).map(|(near, scale)| Limit::new(&near.bound, *scale));
        let limits = limits.collect::<Option<Vec<_>>>()?;
        let side = |items: &[Raw]| {
            let measured = items.iter().map(|item| {
                let values = pass.near.iter().zip(&item.values).zip(&scales);
                let values = values
                    .map(|((near, values), scale)| Spread::new(near, values, *scale))
                    .collect::<Option<Vec<_>>>()?;
                Some(Item {
                    rows: item.rows.clone(),
                    values,
                    class: item.class,
                    currency: item.currency,
                })
            });
            measured.collect::<Option<Vec<_>>>()
        };
        Some(Items { sides: [side(&self.0[0])?, side(&self.0[1])?], limits, scales })
    }
}

/// Rows in the order of their values, put together where the fields of a group are equal.
fn group(fields: &[usize], rows: &[RowRef<'_>], order: Vec<u32>) -> Vec<Vec<u32>> {
    if fields.is_empty() {
        return order.into_iter().map(|row| vec![row]).collect();
    }
    let values = |row: u32| -> Vec<_> {
        let cells: Vec<_> = rows[row as usize].cells().collect();
        fields.iter().filter_map(|field| cells.get(*field).copied()).collect()
    };
    let mut keyed: Vec<(Vec<_>, u32)> = order
        .into_iter()
        .map(|row| (values(row), row))
        .filter(|(values, _)| !values.iter().any(|value| value.is_null() || value.is_unparsed()))
        .collect();
    let compare = |x: &[RawCell<'_>], y: &[RawCell<'_>]| {
        let mut pairs = x.iter().zip(y);
        pairs
            .find_map(|(x, y)| {
                let order = by_value(x.decode(&mut [0; 36]), y.decode(&mut [0; 36]));
                (order != Ordering::Equal).then_some(order)
            })
            .unwrap_or(Ordering::Equal)
    };
    keyed.sort_by(|(x, _), (y, _)| compare(x, y));
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut last: Option<Vec<_>> = None;
    for (values, row) in keyed {
        match (&last, groups.last_mut()) {
            (Some(before), Some(group)) if compare(before, &values) == Ordering::Equal => {
                group.push(row);
            }
            _ => groups.push(vec![row]),
        }
        last = Some(values);
    }
    groups
}

/// Measures each row of a unit in each field; `None` if one of them lacks a value.
fn measure(near: &[Near], rows: &[Cells<'_>]) -> Option<Vec<Vec<Measured>>> {
    let measure = |near: &Near, mut cells: Cells<'_>| {
        near.bound.measure(cells.nth(near.field)?.decode(&mut [0; 36]))
    };
    near.iter().map(|near| rows.iter().map(|cells| measure(near, *cells)).collect()).collect()
}

/// The currency of a unit's rows, as bytes; `None` if they mix currencies.
fn currency<'a>(field: Option<usize>, rows: &[Cells<'a>]) -> Option<&'a [u8]> {
    let Some(field) = field else { return Some(&[]) };
    let mut all = rows.iter().map(|cells| {
        let mut cells = *cells;
        cells.nth(field).map(RawCell::bytes)
    });
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

impl<N: Exact> Spread<N> {
    fn new(near: &Near, values: &[Measured], scale: u8) -> Option<Self> {
        let mut numbers = Vec::with_capacity(values.len());
        let mut texts = Vec::new();
        for value in values {
            match value {
                Measured::Number(value) => numbers.push(N::of(scaled(*value, scale))?),
                Measured::Whole(value) => numbers.push(N::of(I512::from(*value))?),
                Measured::Text(text) => texts.push(text.clone()),
            }
        }
        Some(match numbers.as_slice() {
            _ if !texts.is_empty() => Self::Texts(texts),
            [one] => Self::One(*one),
            all if near.summed => {
                Self::One(all.iter().fold(N::default(), |sum, value| sum + *value))
            }
            _ => Self::Many(numbers),
        })
    }

    /// The one value, if there is one: of a single row, or a sum.
    pub const fn single(&self) -> Option<N> {
        match self {
            Self::One(value) => Some(*value),
            _ => None,
        }
    }

    pub fn all(&self) -> &[N] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
            Self::Texts(_) => &[],
        }
    }
}

/// Whether two units are within a field's bound, every row of A with every row of B, and how far apart they are
/// in all.
pub(super) fn apart<N: Exact>(limit: &Limit<N>, a: &Spread<N>, b: &Spread<N>) -> (N, bool) {
    let mut distance = N::default();
    let mut within = true;
    if let (Limit::Similar(least), Spread::Texts(left), Spread::Texts(right)) = (limit, a, b) {
        for x in left {
            for y in right {
                let (apart, near) = text_distance(x, y, *least);
                distance = distance + N::of(I512::from(apart)).unwrap_or_default();
                within &= near;
            }
        }
        return (distance, within);
    }
    for x in a.all() {
        for y in b.all() {
            distance = distance + x.distance(*y);
            within &= limit.position(*x, *y) == Position::Within;
        }
    }
    (distance, within)
}
