//! Rows that another program gives on a stream, with their places: Arrow IPC, or CSV with a header row.
//!
//! A typed value becomes the text that the same value has in a Parquet file, so that it is read as
//! exactly as there. Columns whose names begin with `_recon_` say where a row stands; all others are
//! found by their names.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use super::batch::RowBatch;
use super::kind::{InputRead, Piece, Pieces};
use super::parquet::values::Writing;
use crate::diagnostic::{Code, Problem, nearest};
use crate::domain::place;
use crate::exchange::{ArrowStream, stream_problem};

/// The column with a row's line, from 1.
const LINE: &str = "_recon_line";
/// The column with the name of a row's file.
const FILE: &str = "_recon_file";
/// The column with a row's offset within its file.
const OFFSET: &str = "_recon_offset";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    Arrow,
    /// Text with commas and a header row, in UTF-8.
    Csv,
}

/// How many rows came of each file, by its number.
pub type RowCounts = Arc<Mutex<BTreeMap<u64, u64>>>;

pub struct RowStream {
    pub input: Box<dyn Read + Send>,
    pub format: StreamFormat,
    /// The files that a row may name, by their numbers.
    pub files: Vec<String>,
    /// The line of the first row, where rows have none.
    pub first_line: u64,
    /// Counted while the rows are read.
    pub counts: RowCounts,
}

const ROWS: usize = 4_096;

/// Opens the stream: rows of these columns.
pub(super) fn pieces(columns: &[String], given: RowStream) -> Result<Box<dyn Pieces>, Problem> {
    let RowStream { input, format, files, first_line, counts } = given;
    let files = files.into_iter().zip(0..).collect();
    let places = Places { files, next_line: first_line, counts };
    Ok(match format {
        StreamFormat::Arrow => {
            let stream = ArrowStream::open(input)?;
            let names: Vec<String> =
                stream.schema().fields().iter().map(|field| field.name().clone()).collect();
            let columns = find_all(columns, &names)?;
            for at in &columns {
                let field = stream.schema().field(*at).clone();
                if !is_read(field.data_type()) {
                    let message = format!(
                        "column `{}` is of the Arrow type {}, which can't be read",
                        field.name(),
                        field.data_type()
                    );
                    return Err(stream_problem(message).help("cast it to a string before"));
                }
            }
            let at = At::find(&names);
            Box::new(ArrowRows { stream, columns, at, places, batch: None })
        }
        StreamFormat::Csv => {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
            let header = reader.byte_headers().map_err(|error| not_csv(&error))?;
            let names: Vec<String> =
                header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            let columns = find_all(columns, &names)?;
            let at = At::find(&names);
            Box::new(CsvRows { reader, width: names.len(), columns, at, places })
        }
    })
}

/// Where each of the columns is among the names of the stream.
fn find_all(columns: &[String], names: &[String]) -> Result<Vec<usize>, Problem> {
    let find = |column: &String| {
        names.iter().position(|name| name == column).ok_or_else(|| {
            let problem =
                Problem::new(Code::MissingColumn, format!("the stream has no column `{column}`"));
            match nearest(column, names.iter().map(String::as_str)) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!("its columns are {}", names.join(", "))),
            }
        })
    };
    columns.iter().map(find).collect()
}

fn not_csv(error: &csv::Error) -> Problem {
    stream_problem(format!("the CSV stream can't be read: {error}"))
}

/// The columns that say where a row stands.
#[derive(Clone, Copy, Default)]
struct At {
    line: Option<usize>,
    file: Option<usize>,
    offset: Option<usize>,
}

impl At {
    fn find(names: &[String]) -> Self {
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        Self { line: find(LINE), file: find(FILE), offset: find(OFFSET) }
    }
}

/// Converts a row's place to numbers.
struct Places {
    files: BTreeMap<String, u64>,
    next_line: u64,
    counts: RowCounts,
}

impl Places {
    /// The place of the next row. Texts are None where the stream has no such column.
    fn next(
        &mut self,
        line: Option<&str>,
        file: Option<&str>,
        offset: Option<&str>,
    ) -> Result<(u64, u64), Problem> {
        let number = |column: &str, text: &str| {
            text.trim().parse::<u64>().map_err(|_| {
                stream_problem(format!("column `{column}` has `{text}`, which is no whole number"))
            })
        };
        let line = match line {
            Some(text) => number(LINE, text)?,
            None => {
                self.next_line += 1;
                self.next_line - 1
            }
        };
        let file = match file {
            None => 0,
            Some(name) => *self.files.get(name).ok_or_else(|| {
                let message = format!("column `{FILE}` names `{name}`, which the job does not");
                stream_problem(message).help("give `recon shard plan` the names of all files")
            })?,
        };
        let within = offset.map(|text| number(OFFSET, text)).transpose()?.unwrap_or_default();
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(file).or_default() += 1;
        Ok((line, place::in_input(file, within)))
    }
}

struct ArrowRows {
    stream: ArrowStream,
    columns: Vec<usize>,
    at: At,
    places: Places,
    /// The columns of the batch at hand, how many rows it has, and the next of them.
    batch: Option<(Vec<Cells>, usize, usize)>,
}

/// A column of a batch, with the values' positions if it is a dictionary.
struct Cells(ArrayRef, Option<Vec<usize>>);

impl Cells {
    fn of(column: &ArrayRef) -> Self {
        let keys = column.as_any_dictionary_opt().map(|dictionary| {
            if dictionary.values().is_empty() { Vec::new() } else { dictionary.normalized_keys() }
        });
        Self(Arc::clone(column), keys)
    }

    /// Appends the text of a value; says whether there is one.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        let Self(array, keys) = self;
        match keys {
            None => write(array, row, out),
            Some(keys) => match keys.get(row) {
                Some(at) if !array.is_null(row) => {
                    write(array.as_any_dictionary().values(), *at, out)
                }
                _ => false,
            },
        }
    }
}

impl Pieces for ArrowRows {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        let mut rows = RowBatch::default();
        loop {
            let (columns, count, start) = match self.batch.take() {
                Some(batch) => batch,
                None => match self.stream.next_batch()? {
                    Some(batch) => {
                        let columns = batch.columns().iter().map(Cells::of).collect();
                        (columns, batch.num_rows(), 0)
                    }
                    None if rows.is_empty() => return Ok(None),
                    None => return Ok(Some(Piece::Rows(rows))),
                },
            };
            let end = count.min(start + ROWS);
            for row in start..end {
                for column in self.columns.iter().filter_map(|at| columns.get(*at)) {
                    rows.cell_if(|out| column.write(row, out));
                }
                let text = |column: Option<usize>| {
                    let mut text = Vec::new();
                    columns
                        .get(column?)?
                        .write(row, &mut text)
                        .then(|| String::from_utf8_lossy(&text).into_owned())
                };
                let At { line, file, offset } = self.at;
                let place = self.places.next(
                    text(line).as_deref(),
                    text(file).as_deref(),
                    text(offset).as_deref(),
                )?;
                rows.end_row(place);
            }
            if end < count {
                self.batch = Some((columns, count, end));
            }
            if rows.is_full() {
                return Ok(Some(Piece::Rows(rows)));
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<InputRead, Problem> {
        Ok(InputRead::default())
    }
}

struct CsvRows {
    reader: csv::Reader<Box<dyn Read + Send>>,
    width: usize,
    columns: Vec<usize>,
    at: At,
    places: Places,
}

impl Pieces for CsvRows {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        let mut rows = RowBatch::default();
        let mut record = csv::ByteRecord::new();
        while !rows.is_full()
            && self.reader.read_byte_record(&mut record).map_err(|error| not_csv(&error))?
        {
            let text = |column: Option<usize>| {
                let cell = record.get(column?).filter(|cell| !cell.is_empty())?;
                Some(String::from_utf8_lossy(cell).into_owned())
            };
            let At { line, file, offset } = self.at;
            let place = self.places.next(
                text(line).as_deref(),
                text(file).as_deref(),
                text(offset).as_deref(),
            )?;
            if record.len() == self.width {
                for column in &self.columns {
                    rows.cell(record.get(*column).unwrap_or_default());
                }
                rows.end_row(place);
            } else {
                let written = record.iter().collect::<Vec<_>>().join(&b","[..]);
                let message =
                    format!("{} fields where the header has {}", record.len(), self.width);
                rows.reject_row(place, &written, Code::RaggedRow, message);
            }
        }
        Ok((!rows.is_empty()).then_some(Piece::Rows(rows)))
    }

    fn finish(self: Box<Self>) -> Result<InputRead, Problem> {
        Ok(InputRead::default())
    }
}

fn is_read(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale >= 0,
        DataType::Dictionary(_, values) => is_read(values),
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Binary
        | DataType::FixedSizeBinary(_)
        | DataType::LargeBinary
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => true,
        _ => false,
    }
}

const MILLISECONDS_OF_DAY: i64 = 86_400_000;

/// Appends the text of a value; says whether there is one.
fn write(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> bool {
    if array.is_null(row) {
        return false;
    }
    macro_rules! value {
        ($type:ty) => {
            array.as_primitive::<$type>().value(row)
        };
    }
    let integer = |number: i64, out: &mut Vec<u8>| Writing::Plain.integer(number, false, out);
    match array.data_type() {
        DataType::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => {
            out.extend_from_slice(array.as_string::<i64>().value(row).as_bytes());
        }
        DataType::Utf8View => out.extend_from_slice(array.as_string_view().value(row).as_bytes()),
        DataType::Binary => Writing::Bytes.bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => Writing::Bytes.bytes(array.as_binary::<i64>().value(row), out),
        DataType::FixedSizeBinary(_) => {
            Writing::Bytes.bytes(array.as_fixed_size_binary().value(row), out);
        }
        DataType::Boolean => {
            out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
        }
        DataType::Int8 => integer(value!(Int8Type).into(), out),
        DataType::Int16 => integer(value!(Int16Type).into(), out),
        DataType::Int32 => integer(value!(Int32Type).into(), out),
        DataType::Int64 => integer(value!(Int64Type), out),
        DataType::UInt8 => integer(value!(UInt8Type).into(), out),
        DataType::UInt16 => integer(value!(UInt16Type).into(), out),
        DataType::UInt32 => integer(value!(UInt32Type).into(), out),
        DataType::UInt64 => {
            Writing::Unsigned.integer(value!(UInt64Type).cast_signed(), false, out);
        }
        // Writing into a Vec can't fail.
        DataType::Float32 => drop(write!(out, "{:?}", value!(Float32Type))),
        DataType::Float64 => drop(write!(out, "{:?}", value!(Float64Type))),
        DataType::Decimal128(_, scale) => {
            let scale = usize::from(scale.unsigned_abs());
            Writing::Decimal(scale).bytes(&value!(Decimal128Type).to_be_bytes(), out);
        }
        DataType::Decimal256(_, scale) => {
            let scale = usize::from(scale.unsigned_abs());
            Writing::Decimal(scale).bytes(&value!(Decimal256Type).to_be_bytes(), out);
        }
        DataType::Date32 => Writing::Date.integer(value!(Date32Type).into(), true, out),
        DataType::Date64 => {
            let days = value!(Date64Type).div_euclid(MILLISECONDS_OF_DAY);
            Writing::Date.integer(days, false, out);
        }
        DataType::Timestamp(unit, zone) => {
            let (number, units) = match unit {
                TimeUnit::Second => (value!(TimestampSecondType), 1),
                TimeUnit::Millisecond => (value!(TimestampMillisecondType), 1_000),
                TimeUnit::Microsecond => (value!(TimestampMicrosecondType), 1_000_000),
                TimeUnit::Nanosecond => (value!(TimestampNanosecondType), 1_000_000_000),
            };
            Writing::Timestamp(units, zone.is_some()).integer(number, false, out);
        }
        DataType::Time32(TimeUnit::Second) => {
            Writing::Time(1).integer(value!(Time32SecondType).into(), true, out);
        }
        DataType::Time32(_) => {
            Writing::Time(1_000).integer(value!(Time32MillisecondType).into(), true, out);
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            Writing::Time(1_000_000_000).integer(value!(Time64NanosecondType), false, out);
        }
        DataType::Time64(_) => {
            Writing::Time(1_000_000).integer(value!(Time64MicrosecondType), false, out);
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array,
        Int64Array, LargeStringArray, StringArray, TimestampMicrosecondArray, UInt64Array,
    };

    #[test]
    fn typed_values_become_the_texts_that_parquet_has() {
        let dictionary: DictionaryArray<Int32Type> = vec![Some("EUR"), None].into_iter().collect();
        let decimal = Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(38, 2);
        let zoned = TimestampMicrosecondArray::from(vec![Some(1_768_471_200_500_000), None]);
        let naive = TimestampMicrosecondArray::from(vec![Some(-1), None]);
        let columns: Vec<(ArrayRef, &str)> = vec![
            (Arc::new(StringArray::from(vec![Some(" a,b "), None])), " a,b "),
            (Arc::new(LargeStringArray::from(vec![Some(""), None])), ""),
            (Arc::new(BooleanArray::from(vec![Some(true), None])), "true"),
            (Arc::new(Int64Array::from(vec![Some(i64::MIN), None])), "-9223372036854775808"),
            (Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])), "18446744073709551615"),
            (Arc::new(Float64Array::from(vec![Some(0.1), None])), "0.1"),
            (Arc::new(decimal.unwrap()), "-0.05"),
            (Arc::new(Date32Array::from(vec![Some(20_468), None])), "2026-01-15"),
            (Arc::new(zoned.with_timezone("UTC")), "2026-01-15T10:00:00.5Z"),
            (Arc::new(naive), "1969-12-31T23:59:59.999999"),
            (Arc::new(dictionary), "EUR"),
        ];
        for (array, expected) in columns {
            assert!(is_read(array.data_type()), "{}", array.data_type());
            let cells = Cells::of(&array);
            let mut text = Vec::new();
            assert!(cells.write(0, &mut text), "{expected}");
            assert_eq!(String::from_utf8(text).unwrap(), expected);
            assert!(!cells.write(1, &mut Vec::new()), "null is null: {}", array.data_type());
        }
        let list = DataType::List(Arc::new(arrow_schema::Field::new("x", DataType::Int32, true)));
        assert!(!is_read(&list));
        let empty = Int32Array::from(Vec::<i32>::new());
        assert!(is_read(empty.data_type()));
    }
}
