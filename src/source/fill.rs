//! Filling down: an empty cell of a column takes the value of the rows before.
//!
//! A value is only carried as far as it is known: after a row whose cell can't be found (a row that was cut short, or
//! invalid text), nothing is filled until a row has a value again. A text that the source declares to mean null is a
//! value like any other: it is not filled, and the empty cells below it get it.

use crate::domain::RawCells;

/// Columns that are filled down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    columns: Vec<usize>,
}

/// The last value of each filled column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried(Vec<Option<Vec<u8>>>);

impl Fill {
    /// Fills these columns, counted from 0.
    pub const fn new(columns: Vec<usize>) -> Self {
        Self { columns }
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The state before the first row.
    pub fn begin(&self) -> Carried {
        Carried(vec![None; self.columns.len()])
    }

    /// Notes the values of a row. Cells that it lacks at its end are empty.
    pub fn note<R: RawCells + ?Sized>(&self, row: &R, carried: &mut Carried) {
        self.note_cells(Some(row), usize::MAX, carried);
    }

    /// Notes the values of a row that is rejected, as far as its cells are certain.
    pub fn note_rejected<R: RawCells + ?Sized>(&self, row: Option<&R>, carried: &mut Carried) {
        self.note_cells(row, row.map_or(0, RawCells::len), carried);
    }

    /// Notes the first `known` cells of a row; what the others would be is unknown.
    fn note_cells<R: RawCells + ?Sized>(
        &self,
        row: Option<&R>,
        known: usize,
        carried: &mut Carried,
    ) {
        for (column, carried) in self.columns.iter().zip(&mut carried.0) {
            match row.filter(|_| *column < known).map(|row| row.cell(*column)) {
                None => *carried = None,
                Some([]) => {}
                Some(cell) => *carried = std::str::from_utf8(cell).is_ok().then(|| cell.to_vec()),
            }
        }
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
    /// A cell that is filled is there, also in a row that ends before it.
    fn len(&self) -> usize {
        let filled = self.fill.columns.iter().zip(&self.carried.0);
        let filled = filled.filter(|(_, carried)| carried.is_some()).map(|(column, _)| column + 1);
        filled.max().unwrap_or_default().max(self.row.len())
    }

    fn cell(&self, index: usize) -> &[u8] {
        let cell = self.row.cell(index);
        if cell.is_empty() { self.carried_to(index).unwrap_or(cell) } else { cell }
    }

    fn is_null(&self, index: usize) -> bool {
        self.row.is_null(index) && self.carried_to(index).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads rows of three columns, of which the first and the last are filled down: `Err` is a rejected row with
    /// its certain cells, if any.
    fn read<const N: usize>(rows: [Result<&[&str], Option<&[&str]>>; N]) -> [Vec<String>; N] {
        let fill = Fill::new(vec![0, 2]);
        let mut carried = fill.begin();
        rows.map(|row| {
            match row {
                Ok(row) => fill.note(row, &mut carried),
                Err(row) => fill.note_rejected(row, &mut carried),
            }
            let row = row.unwrap_or_else(|row| row.unwrap_or_default());
            let filled = Filled::new(row, &fill, &carried);
            let text = |at| String::from_utf8(filled.cell(at).to_vec()).unwrap();
            (0..filled.len()).map(text).collect()
        })
    }

    #[test]
    fn a_value_goes_down_until_another_comes_or_nothing_is_known() {
        let read = read([
            Ok(&["", "1", ""]),
            Ok(&["A", "2", "x"]),
            Ok(&["", "", ""]),
            Err(Some(&["B", "3"])),
            Ok(&["", "4", ""]),
            Err(None),
            Ok(&["", "5", "y"]),
        ]);
        assert_eq!(read[0], ["", "1", ""]);
        assert_eq!(read[1], ["A", "2", "x"]);
        assert_eq!(read[2], ["A", "", "x"]);
        assert_eq!(read[3], ["B", "3"]);
        assert_eq!(read[4], ["B", "4", ""]);
        assert!(read[5].is_empty());
        assert_eq!(read[6], ["", "5", "y"]);
    }

    #[test]
    fn a_row_that_may_be_short_ends_in_empty_cells() {
        let read = read([Ok(&["A", "1", "x"]), Ok(&["B"]), Ok(&[]), Ok(&["", "2", ""])]);
        assert_eq!(read[1], ["B", "", "x"]);
        assert_eq!(read[2], ["B", "", "x"]);
        assert_eq!(read[3], ["B", "2", "x"]);
    }

    #[test]
    fn a_declared_null_is_kept_and_goes_down() {
        let read = read([Ok(&["A", "1", "x"]), Ok(&["N/A", "2", "y"]), Ok(&["", "3", ""])]);
        assert_eq!(read[1], ["N/A", "2", "y"]);
        assert_eq!(read[2], ["N/A", "3", "y"]);
    }
}
