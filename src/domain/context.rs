//! A difference with its record and run, as rules and features read it.

use super::row::TextBuffer;
use super::{Cell, Cells, DiffType, FieldRef, Layout, RawCell, Severity};

/// A difference and the two rows it stands in.
#[derive(Clone, Copy, Debug)]
pub struct DifferenceContext<'a> {
    pub layout: &'a Layout,
    pub field: FieldRef,
    pub diff_type: DiffType,
    pub severity: Severity,
    /// Side A's cells; `None` when that side is missing (a duplicate has its own side only).
    pub a: Option<Cells<'a>>,
    pub b: Option<Cells<'a>>,
    /// A row of the missing side with this key was rejected.
    pub partner_rejected: bool,
    /// How the record was matched, or could have been: the JSON of a [`Matched`](super::Matched).
    pub matched: Option<&'a str>,
}

impl<'a> DifferenceContext<'a> {
    /// The name of the field: `ENTIRE_RECORD` for the whole record.
    pub fn field_name(&self) -> &'a str {
        match self.field {
            FieldRef::EntireRecord => FieldRef::ENTIRE_RECORD,
            FieldRef::Field(at) => {
                self.layout.fields().get(usize::from(at)).map_or("", |field| field.name.as_str())
            }
        }
    }

    /// This field's cell of a side; null when it concerns the whole record or the side is missing.
    pub fn cell<'b>(&self, side: Option<Cells<'a>>, buffer: &'b mut TextBuffer) -> Cell<'b>
    where
        'a: 'b,
    {
        self.raw(side).map_or(Cell::Null, |raw| raw.decode(buffer))
    }

    /// The same, encoded.
    pub fn raw(&self, side: Option<Cells<'a>>) -> Option<RawCell<'a>> {
        let FieldRef::Field(at) = self.field else { return None };
        side?.nth(usize::from(at))
    }
}
