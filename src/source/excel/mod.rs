//! Workbooks: one sheet is a source. Numbers have Excel's 15 digits, dates are ISO.
//!
//! A workbook is read as a whole; its rows are given on in pieces like those of any source.

mod formats;
mod rewrite;
mod times;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use calamine::{
    Data, DataRef, Ods, OdsError, Reader, Xls, XlsError, Xlsb, XlsbError, Xlsx, XlsxError,
};
use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use formats::Formats;
use times::{Times, duration_text, iso_text, number_text, time_text};

use super::batch::{BatchParser, RowBatch};
use super::columns;
use super::file::SourceFile;
use super::input::{Input, Inputs};
use super::kind::{InputRead, Kind, OpenContext, Opening, Piece, Pieces, no_encoding};
use super::{KindSpec, SourcePlan};
use crate::diagnostic::{Code, Place, Problem, SpecProblem, nearest};
use crate::domain::place::{Unit, in_part};
use crate::domain::{OneOrMany, Written};
use crate::exchange::guarded;

/// The options of `read: { excel: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExcelSpec {
    /// The workbook (xlsx, xlsm, xls, xlsb, ods), relative to `recon.yaml`, or a list of workbooks; each
    /// may be a glob.
    pub path: OneOrMany,
    /// The sheet: its name, or its number from 1. Default the first.
    pub sheet: Option<Sheet>,
    /// The row of the sheet that names the columns, from 1; 0 if none does. Default 1.
    pub header_row: Option<Written<u64>>,
    /// The names of the columns where no row has them.
    pub columns: Option<Vec<String>>,
    /// Cells that mean null, besides empty ones. Default the empty text; replaces the default.
    pub null_values: Option<Vec<String>>,
    /// Workbooks have no encoding to choose.
    #[schemars(skip)]
    pub encoding: Option<String>,
}

/// Selects a sheet of a workbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sheet {
    Name(String),
    /// By its place, from 1.
    Number(u64),
}

impl<'de> Deserialize<'de> for Sheet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrNumber;

        impl Visitor<'_> for NameOrNumber {
            type Value = Sheet;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a sheet or its number from 1")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Sheet, E> {
                // Every value of the file comes as a text; a sheet named like a number is found by it too.
                Ok(match text.parse() {
                    Ok(number) => Sheet::Number(number),
                    Err(_) => Sheet::Name(text.to_owned()),
                })
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Sheet, E> {
                Ok(Sheet::Number(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Sheet, E> {
                u64::try_from(number).map(Sheet::Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NameOrNumber)
    }
}

impl JsonSchema for Sheet {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sheet".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "minimum": 1 })
    }
}

/// How a workbook is read, with everything decided.
#[derive(Clone, Debug)]
struct ExcelPlan {
    sheet: Option<Sheet>,
    header_row: u64,
    columns: Option<Vec<String>>,
}

impl KindSpec for ExcelSpec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let inputs = Inputs::resolve(&self.path, base).map_err(|problem| problems.push(problem));
        no_encoding(self.encoding.as_ref(), "a workbook", &mut problems);
        let header_row = self.header_row.map_or(1, |row| *row);
        if self.sheet == Some(Sheet::Number(0)) {
            let problem = Problem::new(Code::NoSheet, "`sheet` is 0; sheets are counted from 1");
            problems.push(SpecProblem::new(["sheet"], problem));
        }
        if let Some(names) = &self.columns {
            if header_row > 0 {
                let message = "`columns` names the columns of a sheet without a header row";
                let problem = Problem::new(Code::ColumnsWithHeader, message)
                    .help("add `header_row: 0`, or remove `columns`");
                problems.push(SpecProblem::new(["columns"], problem));
            }
            columns::check_names(names, &mut problems);
        }
        let (Ok(inputs), true) = (inputs, problems.is_empty()) else { return Err(problems) };
        let plan =
            ExcelPlan { sheet: self.sheet.clone(), header_row, columns: self.columns.clone() };
        Ok(SourcePlan::new(inputs, self.null_values.as_ref(), plan))
    }
}

/// A workbook is held in memory; a larger one is not made by people.
const LARGEST: u64 = 1 << 30;

impl Kind for ExcelPlan {
    fn has_encoding(&self) -> bool {
        false
    }

    fn open(&self, input: &Input, _: &OpenContext<'_>) -> Result<Opening, Problem> {
        let mut file = SourceFile::open(input)?;
        let size = file.size();
        let bytes = Bytes::from(file.read_all(LARGEST)?);
        let read = file.finish()?;
        let (name, grid) = guarded(|| Grid::read(&bytes, self.sheet.as_ref(), input))
            .unwrap_or_else(|| Err(broken(input, "its content makes no sense")))?;
        let table = grid.table(self, &name, input)?;
        let parts = vec![format!("sheet {name}")];
        Ok(Opening {
            parser: Arc::new(BatchParser::new(&table.columns)),
            columns: table.columns,
            size,
            pieces: Box::new(Sheets {
                batches: table.batches,
                read: InputRead { parts, ..read },
                size: size.max(1),
            }),
        })
    }

    fn unit(&self) -> Unit {
        Unit::Row
    }
}

/// The rows of a sheet, which have all been read.
struct Sheets {
    batches: VecDeque<RowBatch>,
    read: InputRead,
    size: u64,
}

impl Pieces for Sheets {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        Ok(self.batches.pop_front().map(Piece::Rows))
    }

    fn disk_bytes(&mut self) -> u64 {
        self.size
    }

    fn finish(self: Box<Self>) -> Result<InputRead, Problem> {
        Ok(self.read)
    }
}

/// A cell that has something in it.
enum Value {
    Text(String),
    /// A formula that was never calculated.
    NoResult,
}

/// The cells of a sheet that are not empty, by row and column, from 0.
#[derive(Default)]
struct Grid(BTreeMap<u32, Vec<(u32, Value)>>);

/// A sheet as columns and rows.
struct Table {
    columns: Vec<String>,
    batches: VecDeque<RowBatch>,
}

type Content = Cursor<Bytes>;

impl Grid {
    fn read(
        bytes: &Bytes,
        sheet: Option<&Sheet>,
        input: &Input,
    ) -> Result<(String, Self), Problem> {
        let has = |name: &[u8]| memchr::memmem::find(bytes, name).is_some();
        if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Self::of_xls(bytes, sheet, input);
        }
        if !bytes.starts_with(b"PK") {
            let message = "this is no workbook";
            return Err(Problem::new(Code::BadWorkbook, message)
                .in_file(&input.name)
                .help("xlsx, xlsm, xls, xlsb and ods are read; text is read by `csv`"));
        }
        if has(b"xl/workbook.bin") {
            return Self::of_xlsb(bytes, sheet, input);
        }
        if has(b"content.xml") && !has(b"xl/workbook.xml") {
            return Self::of_ods(bytes, sheet, input);
        }
        Self::of_xlsx(bytes, sheet, input)
    }

    fn of_xls(
        bytes: &Bytes,
        sheet: Option<&Sheet>,
        input: &Input,
    ) -> Result<(String, Self), Problem> {
        // A workbook of the newer kind with a password looks like one of the older.
        let content = || Cursor::new(bytes.clone());
        if matches!(Xlsx::new(content()), Err(XlsxError::Password))
            || formats::is_encrypted_xls(bytes)
        {
            return Err(password(input));
        }
        match Xls::new(content()) {
            Ok(book) => Self::of_range(book, sheet, input, &|at, _| formats::of_xls(bytes, at)),
            Err(XlsError::Password) => Err(password(input)),
            Err(error) => Err(broken(input, &error.to_string())),
        }
    }

    fn of_xlsb(
        bytes: &Bytes,
        sheet: Option<&Sheet>,
        input: &Input,
    ) -> Result<(String, Self), Problem> {
        let full = rewrite::full_cells(bytes).map(Bytes::from);
        let bytes = full.as_ref().unwrap_or(bytes);
        match Xlsb::new(Cursor::new(bytes.clone())) {
            Ok(book) => Self::of_range(book, sheet, input, &|at, _| formats::of_xlsb(bytes, at)),
            Err(XlsbError::Password) => Err(password(input)),
            Err(error) => Err(broken(input, &error.to_string())),
        }
    }

    fn of_ods(
        bytes: &Bytes,
        sheet: Option<&Sheet>,
        input: &Input,
    ) -> Result<(String, Self), Problem> {
        let mut book = Ods::new(Cursor::new(bytes.clone()));
        if matches!(book, Err(OdsError::Mismatch { .. }))
            && let Some(rewritten) = rewrite::without_indents(bytes)
        {
            book = Ods::new(Cursor::new(Bytes::from(rewritten)));
        }
        match book {
            Ok(book) => Self::of_range(book, sheet, input, &|_, name| formats::of_ods(bytes, name)),
            Err(OdsError::Password) => Err(password(input)),
            Err(error) => Err(broken(input, &error.to_string())),
        }
    }

    fn of_xlsx(
        bytes: &Bytes,
        sheet: Option<&Sheet>,
        input: &Input,
    ) -> Result<(String, Self), Problem> {
        let wrong = |error: XlsxError| match error {
            XlsxError::Password => password(input),
            error => broken(input, &error.to_string()),
        };
        let mut book = Xlsx::new(Cursor::new(bytes.clone())).map_err(wrong)?;
        let name = choose(&book.sheet_names(), sheet, input)?;
        let grid = match Self::of_cells(&mut book, &name) {
            // The reader knows the errors of older versions only.
            Err(XlsxError::CellError(_)) => {
                let texts = rewrite::errors_as_texts(bytes)
                    .ok_or_else(|| broken(input, "a sheet can't be unpacked"))?;
                let mut book = Xlsx::new(Cursor::new(Bytes::from(texts))).map_err(wrong)?;
                Self::of_cells(&mut book, &name)
            }
            grid => grid,
        };
        Ok((name, grid.map_err(wrong)?))
    }

    /// An xlsx has the format of each cell, and its formulas.
    fn of_cells(book: &mut Xlsx<Content>, name: &str) -> Result<Self, XlsxError> {
        let mut grid = Self::default();
        let mut empty = HashSet::new();
        let mut cells = book.worksheet_cells_reader(name)?;
        let formats: Vec<Option<Times>> = cells
            .styles()
            .iter()
            .map(|style| style.number_format.as_ref().map(|format| Times::of(&format.format_code)))
            .collect();
        while let Some((cell, style)) = cells.next_cell_with_style_id()? {
            let (row, column) = cell.get_position();
            let text = match cell.get_value() {
                DataRef::SharedString(text) => Some((*text).to_owned()),
                DataRef::DateTime(time) => {
                    Some(time_text(time, formats.get(style).copied().flatten()))
                }
                other => text_of(&Data::from(other.clone())),
            };
            match text {
                Some(text) => grid.push(row, column, Value::Text(text)),
                None => _ = empty.insert((row, column)),
            }
        }
        drop(cells);
        if empty.is_empty() {
            return Ok(grid);
        }
        // Reading the formulas takes as long as reading the values.
        let mut cells = book.worksheet_cells_reader(name)?;
        while let Some(cell) = cells.next_cell_with_formula_metadata()? {
            if cell.formula.is_some() && empty.contains(&cell.pos) {
                grid.push(cell.pos.0, cell.pos.1, Value::NoResult);
            }
        }
        Ok(grid)
    }

    fn push(&mut self, row: u32, column: u32, value: Value) {
        self.0.entry(row).or_default().push((column, value));
    }

    /// Of other workbooks the reader says only whether a number is a time. `formats` are those of the sheet,
    /// by its place in the workbook or its name.
    fn of_range<R: Reader<Content>>(
        mut book: R,
        sheet: Option<&Sheet>,
        input: &Input,
        formats: &dyn Fn(usize, &str) -> Option<Formats>,
    ) -> Result<(String, Self), Problem>
    where
        R::Error: std::fmt::Display,
    {
        let names = book.sheet_names();
        let name = choose(&names, sheet, input)?;
        let range =
            book.worksheet_range(&name).map_err(|error| broken(input, &error.to_string()))?;
        let at = names.iter().position(|one| *one == name).unwrap_or_default();
        let formats = formats(at, &name).unwrap_or_default();
        let (first_row, first_column) = range.start().unwrap_or_default();
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut grid = Self::default();
        for (row, column, value) in range.used_cells() {
            let (row, column) = (first_row + position(row), first_column + position(column));
            let times = || formats.times.get(&(row, column)).copied();
            let text = match value {
                Data::DateTime(time) => Some(time_text(time, times())),
                Data::DateTimeIso(text) => Some(iso_text(text, times())),
                other => text_of(other),
            };
            if let Some(text) = text {
                grid.push(row, column, Value::Text(text));
            }
        }
        for (row, column) in formats.no_result {
            grid.push(row, column, Value::NoResult);
        }
        Ok((name, grid))
    }

    fn table(mut self, plan: &ExcelPlan, name: &str, input: &Input) -> Result<Table, Problem> {
        let header = match plan.header_row.checked_sub(1) {
            None => Vec::new(),
            Some(at) => {
                let row = u32::try_from(at).unwrap_or(u32::MAX);
                let cells = self.0.remove(&row).unwrap_or_default();
                if cells.is_empty() {
                    let message =
                        format!("row {} of sheet {name} is empty, so it names no columns", at + 1);
                    let place =
                        Place { file: input.name.clone(), line: at + 1, ..Place::default() };
                    return Err(Problem::new(Code::NoHeader, message)
                        .at(place)
                        .help("set `header_row` to the row that has the names, or to 0"));
                }
                self.0 = self.0.split_off(&row);
                cells
            }
        };
        let width = self.0.values().flatten().map(|(column, _)| *column as usize + 1).max();
        let width = width.unwrap_or(0);
        let columns: Vec<String> = if let Some(columns) = &plan.columns {
            columns.clone()
        } else if plan.header_row == 0 {
            (1..=width).map(|number| format!("#{number}")).collect()
        } else {
            let last = header.iter().map(|(column, _)| *column as usize + 1).max().unwrap_or(0);
            let mut names = vec![String::new(); last.max(width)];
            for (column, value) in header {
                if let (Some(name), Value::Text(text)) = (names.get_mut(column as usize), value) {
                    *name = text;
                }
            }
            names
        };
        if columns.is_empty() {
            let message = format!("sheet {name} has no rows, so its columns cannot be counted");
            return Err(Problem::new(Code::NoHeader, message)
                .in_file(&input.name)
                .help("name them with `columns: […]`"));
        }
        let mut batches = VecDeque::new();
        let mut batch = RowBatch::default();
        for (row, cells) in self.0 {
            add_row(&mut batch, row, cells, &columns);
            if batch.is_full() {
                batches.push_back(std::mem::take(&mut batch));
            }
        }
        if !batch.is_empty() {
            batches.push_back(batch);
        }
        Ok(Table { columns, batches })
    }
}

fn add_row(batch: &mut RowBatch, row: u32, mut cells: Vec<(u32, Value)>, columns: &[String]) {
    let place = (u64::from(row) + 1, in_part(0, 0));
    cells.sort_by_key(|(column, _)| *column);
    let mut next = 0;
    for (column, value) in &cells {
        let column = *column as usize;
        if column >= columns.len() {
            let message =
                format!("column {} has a value, but `columns` has {}", column + 1, columns.len());
            batch.reject_row(place, &[], Code::RaggedRow, message);
            return;
        }
        for _ in next..column {
            batch.null();
        }
        next = column + 1;
        match value {
            Value::Text(text) => batch.cell(text),
            Value::NoResult => {
                let name = columns.get(column).map_or("", String::as_str);
                let message = format!(
                    "column `{name}` has a formula without a stored result; open the workbook, let it \
                     calculate, and save it"
                );
                batch.reject_row(place, &[], Code::NoResult, message);
                return;
            }
        }
    }
    for _ in next..columns.len() {
        batch.null();
    }
    batch.end_row(place);
}

fn password(input: &Input) -> Problem {
    Problem::new(Code::BadWorkbook, "the workbook has a password")
        .in_file(&input.name)
        .help("save a copy without a password: recon asks for none")
}

fn broken(input: &Input, said: &str) -> Problem {
    Problem::new(Code::BadWorkbook, format!("the workbook can't be read: {said}"))
        .in_file(&input.name)
        .help("it is cut off or damaged; open it in a spreadsheet and save it anew")
}

/// The sheet that is meant.
fn choose(names: &[String], sheet: Option<&Sheet>, input: &Input) -> Result<String, Problem> {
    let found = match sheet {
        None => names.first(),
        Some(Sheet::Name(name)) => names.iter().find(|one| *one == name),
        Some(Sheet::Number(number)) => {
            let named = names.iter().find(|one| **one == number.to_string());
            let at = usize::try_from(*number).ok().and_then(|at| at.checked_sub(1));
            named.or_else(|| names.get(at?))
        }
    };
    if let Some(name) = found {
        return Ok(name.clone());
    }
    let message = match sheet {
        None => "the workbook has no sheets".to_owned(),
        Some(Sheet::Name(name)) => format!("the workbook has no sheet `{name}`"),
        Some(Sheet::Number(number)) => {
            format!("the workbook has no sheet {number}: there are {}", names.len())
        }
    };
    let problem = Problem::new(Code::NoSheet, message).in_file(&input.name);
    let meant = match sheet {
        Some(Sheet::Name(name)) => nearest(name, names.iter().map(String::as_str)),
        _ => None,
    };
    Err(match meant {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help(format!("its sheets are {}", names.join(", "))),
    })
}

/// The text of a value; none if it is empty.
fn text_of(value: &Data) -> Option<String> {
    Some(match value {
        Data::Empty => return None,
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number_text(*number),
        Data::String(text) => text.clone(),
        Data::DateTimeIso(text) => iso_text(text, None),
        Data::DurationIso(text) => duration_text(text),
        Data::Bool(value) => value.to_string(),
        Data::DateTime(time) => time_text(time, None),
        Data::Error(error) => error.to_string(),
    })
}
