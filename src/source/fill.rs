//! Filling down: an empty cell of a column takes the value of the rows before.
//!
//! A value is only carried as far as it is known: after a row whose cell can't be found (too short a row, or invalid
//! text), nothing is filled until a row has a value again.

use crate::domain::RawCells;

/// Columns that are filled down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    columns: Vec<usize>,
    nulls: Vec<Box<[u8]>>,
}

/// The last value of each filled column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried(Vec<Option<Vec<u8>>>);

impl Fill {
    /// Fills these columns, counted from 0, where a cell is one of the null values.
    pub fn new(columns: Vec<usize>, null_values: &[String]) -> Self {
        let nulls = null_values.iter().map(|value| value.as_bytes().into()).collect();
        Self { columns, nulls }
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The state before the first row.
    pub fn begin(&self) -> Carried {
        Carried(vec![None; self.columns.len()])
    }

    /// Notes the values of a row; `None` is one whose cells can't be found.
    pub fn note<R: RawCells + ?Sized>(&self, row: Option<&R>, carried: &mut Carried) {
        for (column, carried) in self.columns.iter().zip(&mut carried.0) {
            let Some(cell) = row.filter(|row| *column < row.len()).map(|row| row.cell(*column))
            else {
                *carried = None;
                continue;
            };
            if self.is_null(cell) || row.is_some_and(|row| row.is_null(*column)) {
                continue;
            }
            *carried = std::str::from_utf8(cell).is_ok().then(|| cell.to_vec());
        }
    }

    fn is_null(&self, cell: &[u8]) -> bool {
        self.nulls.iter().any(|null| **null == *cell)
    }
}

/// A row in which empty cells are filled.
#[derive(Clone, Copy, Debug)]
pub struct Filled<'a, R: ?Sized> {
    row: &'a R,
    fill: &'a Fill,
    carried: &'a Carried,
}

impl<'a, R: RawCells + ?Sized> Filled<'a, R> {
    /// `row` with the carried values.
    pub const fn new(row: &'a R, fill: &'a Fill, carried: &'a Carried) -> Self {
        Self { row, fill, carried }
    }
}

impl<'a, R: ?Sized> Filled<'a, R> {
    fn carried_to(&self, index: usize) -> Option<&'a [u8]> {
        let at = self.fill.columns.iter().position(|column| *column == index)?;
        self.carried.0.get(at)?.as_deref()
    }
}

impl<R: RawCells + ?Sized> RawCells for Filled<'_, R> {
    fn len(&self) -> usize {
        self.row.len()
    }

    fn cell(&self, index: usize) -> &[u8] {
        let cell = self.row.cell(index);
        if !self.fill.is_null(cell) && !self.row.is_null(index) {
            return cell;
        }
        self.carried_to(index).unwrap_or(cell)
    }

    fn is_null(&self, index: usize) -> bool {
        self.row.is_null(index) && self.carried_to(index).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_goes_down_until_another_comes_or_nothing_is_known() {
        let fill = Fill::new(vec![0, 2], &[String::new(), "-".to_owned()]);
        let mut carried = fill.begin();
        let mut read = |row: Option<&[&str]>| {
            fill.note(row, &mut carried);
            let row = row.unwrap_or(&["", "", ""]);
            let filled = Filled::new(row, &fill, &carried);
            (0..3)
                .map(|at| String::from_utf8(filled.cell(at).to_vec()).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(read(Some(&["", "1", ""])), ["", "1", ""]);
        assert_eq!(read(Some(&["A", "2", "x"])), ["A", "2", "x"]);
        assert_eq!(read(Some(&["-", "", ""])), ["A", "", "x"]);
        assert_eq!(read(Some(&["B", "3"])), ["B", "3", ""]);
        assert_eq!(read(Some(&["", "4", ""])), ["B", "4", ""]);
        assert_eq!(read(None), ["", "", ""]);
        assert_eq!(read(Some(&["", "5", "y"])), ["", "5", "y"]);
    }
}
