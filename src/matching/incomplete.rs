//! Groups with a row that lacks a value of `equal`: such a row is in no block, and its group takes no part.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Pass;
use crate::domain::row::push_cell;
use crate::domain::{Cells, PerSide, RawCell, RowRef, Side, key};

/// The groups of one pass that a row without a block belongs to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Incomplete {
    /// By the hash of the group's values: these, and the row's values for fields that must be equal.
    groups: PerSide<HashMap<u64, Vec<Vec<u8>>>>,
}

impl Incomplete {
    /// Notes the group of a row that is in no block.
    pub fn add(&mut self, pass: &Pass, side: Side, row: &RowRef<'_>) {
        let Some((hash, values)) = values(pass, side, row) else { return };
        let known = self.groups[side].entry(hash).or_default();
        if !known.contains(&values) {
            known.push(values);
        }
    }

    /// Adds the groups of another one.
    pub fn merge(&mut self, other: Self) {
        for (own, other) in
            [(&mut self.groups.a, other.groups.a), (&mut self.groups.b, other.groups.b)]
        {
            for (hash, groups) in other {
                own.entry(hash).or_default().extend(groups);
            }
        }
    }

    /// True if a row belongs to such a group: the values of the group are the same, and so are the known ones of the
    /// values that must be equal.
    pub fn has(&self, pass: &Pass, side: Side, row: &RowRef<'_>) -> bool {
        if self.groups[side].is_empty() {
            return false;
        }
        let Some((hash, own)) = values(pass, side, row) else { return false };
        let count = pass.group[side].len();
        let lacks = |cell: RawCell<'_>| cell.is_null() || cell.is_unparsed();
        self.groups[side].get(&hash).into_iter().flatten().any(|known| {
            let pairs = Cells::new(known).zip(Cells::new(&own)).enumerate();
            pairs.into_iter().all(|(at, (known, own))| {
                (at >= count && lacks(known))
                    || known.decode(&mut [0; 36]) == own.decode(&mut [0; 36])
            })
        })
    }
}

/// A row's values of the group and of `equal`, and the hash of the first ones; `None` if it is in no group.
fn values(pass: &Pass, side: Side, row: &RowRef<'_>) -> Option<(u64, Vec<u8>)> {
    let group = &pass.group[side];
    if group.is_empty() {
        return None;
    }
    let cells: Vec<RawCell<'_>> = row.cells().collect();
    let mut values = Vec::new();
    for (at, field) in group.iter().chain(&pass.equal).enumerate() {
        let cell = cells.get(*field)?;
        if at < group.len() && (cell.is_null() || cell.is_unparsed()) {
            return None;
        }
        push_cell(&mut values, cell.decode(&mut [0; 36]));
    }
    Some((key::hash(Cells::new(&values), group.len()), values))
}

#[cfg(test)]
mod tests {
    use super::super::Shape;
    use super::*;
    use crate::domain::{Cell, Row};

    #[test]
    fn a_row_without_a_block_excludes_its_group_as_far_as_it_is_known() {
        let pass = Pass {
            name: "payout".to_owned(),
            equal: vec![1, 2],
            near: Vec::new(),
            group: PerSide { a: Vec::new(), b: vec![0] },
            shape: Shape::OneToOne,
            max_rows: 8,
            currency: None,
        };
        let row = |cells: [Cell<'_>; 3]| Row::of(cells);
        let text = Cell::Text;
        let mut incomplete = Incomplete::default();
        let lost = row([text("p1"), Cell::Null, text("x")]);
        incomplete.add(&pass, Side::B, &lost.borrow(0));
        for (cells, side, expected) in [
            ([text("p1"), text("EUR"), text("x")], Side::B, true),
            ([text("p1"), text("USD"), text("x")], Side::B, true),
            ([text("p1"), text("EUR"), text("y")], Side::B, false),
            ([text("p2"), text("EUR"), text("x")], Side::B, false),
            ([text("p1"), text("EUR"), text("x")], Side::A, false),
        ] {
            assert_eq!(incomplete.has(&pass, side, &row(cells).borrow(0)), expected);
        }
        let mut other = Incomplete::default();
        other.merge(incomplete);
        assert!(other.has(&pass, Side::B, &row([text("p1"), text("EUR"), text("x")]).borrow(0)));
    }
}
