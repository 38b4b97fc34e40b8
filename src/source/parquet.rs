//! Parquet: columns as they are stored, in groups of rows. Decimals, dates, instants and integers are
//! exact.
//!
//! Columns are read directly, not through a table library: a cell is needed as text and as nothing
//! else. Fields within structs are dotted paths; within lists they have an index, as in JSON.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::schema::types::{ColumnDescriptor, Type};
use schemars::JsonSchema;
use serde::Deserialize;

use super::batch::{BatchParser, RowBatch};
use super::excel::no_encoding;
use super::file::{SourceFile, Stamp, changed};
use super::guarded::guarded;
use super::input::{Input, Inputs, Paths};
use super::json::parts;
use super::kind::{Ask, InputRead, Kind, Opening, Piece, Pieces};
use super::{KindSpec, SourcePlan};
use crate::coding::hex;
use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::place::Unit;
use crate::domain::{Date, Instant};

/// The options of `read: { parquet: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParquetSpec {
    /// The file, relative to `recon.yaml`, or a list of files; each may be a glob. Pages may be
    /// uncompressed, or compressed with Snappy, gzip or Zstandard.
    pub path: Paths,
    /// Cells that mean null, besides null. Default the empty text; replaces the default.
    pub null_values: Option<Vec<String>>,
    /// Parquet has no encoding to choose.
    #[schemars(skip)]
    pub encoding: Option<String>,
}

/// How Parquet is read.
#[derive(Clone, Debug)]
struct ParquetPlan;

impl KindSpec for ParquetSpec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let inputs = Inputs::resolve(&self.path, base).map_err(|problem| problems.push(problem));
        no_encoding(self.encoding.as_ref(), "Parquet", &mut problems);
        let (Ok(inputs), true) = (inputs, problems.is_empty()) else { return Err(problems) };
        Ok(SourcePlan::new(inputs, self.null_values.as_ref(), ParquetPlan))
    }
}

/// A file that is not read where it lies (it is compressed, or a member of an archive) is held in memory.
const LARGEST: u64 = 1 << 30;

impl Kind for ParquetPlan {
    fn open(&self, input: &Input, ask: &Ask<'_>) -> Result<Opening, Problem> {
        let mut file = SourceFile::open(input)?;
        let size = file.size();
        let wrong = |error: &ParquetError| broken(input, error);
        let plain = input.plain_file().filter(|_| file.is_plain());
        let stamp = plain.and_then(|path| path.metadata().ok()).as_ref().and_then(Stamp::of);
        if file.peek(4)? != b"PAR1" {
            let message = "this is no Parquet file: it does not begin with `PAR1`";
            return Err(Problem::new(Code::BadParquet, message)
                .in_file(&input.name)
                .help("name the right file, or read it as the kind that it is"));
        }
        let (reader, read): (Box<dyn FileReader>, Option<InputRead>) = match plain {
            Some(path) => {
                let file =
                    File::open(path).map_err(|error| super::file::not_opened(path, &error))?;
                let reader = guarded(|| SerializedFileReader::new(file));
                let reader = reader.unwrap_or_else(|| Err(senseless()));
                (Box::new(reader.map_err(|error| wrong(&error))?), None)
            }
            None => {
                let bytes = Bytes::from(file.read_all(LARGEST)?);
                let read = file.finish()?;
                let reader = guarded(|| SerializedFileReader::new(bytes));
                let reader = reader.unwrap_or_else(|| Err(senseless()));
                (Box::new(reader.map_err(|error| wrong(&error))?), Some(read))
            }
        };
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut leaves = Vec::new();
        walk(schema.root_schema(), &mut Vec::new(), false, &mut leaves);
        let columns = columns_of(&leaves, ask.wanted);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let writings = schema.columns().iter().map(|column| Writing::of(column)).collect();
        Ok(Opening {
            parser: Arc::new(BatchParser::new(&names)),
            columns: names,
            header_line: 1,
            size,
            pieces: Box::new(Groups {
                input: input.clone(),
                stamp,
                read,
                reader,
                columns,
                writings,
                next_group: 0,
                readers: Vec::new(),
                left: 0,
                row: 0,
                size,
            }),
        })
    }

    fn unit(&self) -> Unit {
        Unit::Row
    }
}

/// The error of a file on which the library panics.
fn senseless() -> ParquetError {
    ParquetError::General("its content makes no sense".to_owned())
}

fn broken(input: &Input, error: &ParquetError) -> Problem {
    let said = error.to_string();
    let help = if said.contains("Disabled feature") || said.contains("codec") {
        "write it with Snappy, gzip or Zstandard"
    } else {
        "it is cut off or damaged; fetch it again"
    };
    Problem::new(Code::BadParquet, format!("the Parquet file can't be read: {said}"))
        .in_file(&input.name)
        .help(help)
}

/// A part of the path to a stored column.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Name(String),
    /// The place in a list.
    Index,
}

/// The paths of the stored columns, in their order.
fn walk(node: &Type, path: &mut Vec<Part>, in_list: bool, leaves: &mut Vec<Vec<Part>>) {
    for field in node.get_fields() {
        let info = field.get_basic_info();
        let is_repeated = info.has_repetition() && info.repetition() == Repetition::REPEATED;
        let before = path.len();
        // Lists have wrappers: `items (LIST) > list (repeated) > element`.
        let is_wrapper = in_list && is_repeated;
        if !is_wrapper {
            path.push(Part::Name(field.name().replace('.', "\\.")));
        }
        if is_repeated {
            path.push(Part::Index);
        }
        if field.is_primitive() {
            leaves.push(path.clone());
        } else {
            let is_list =
                matches!(info.logical_type_ref(), Some(LogicalType::List | LogicalType::Map))
                    || matches!(
                        info.converted_type(),
                        ConvertedType::LIST | ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE
                    );
            let only = match field.get_fields() {
                [only] if is_wrapper => Some(only),
                _ => None,
            };
            match only {
                // The element of a list of three levels has no name of its own.
                Some(only) if only.is_primitive() => leaves.push(path.clone()),
                Some(only) => walk_element(only, path, leaves),
                None => walk(field, path, is_list, leaves),
            }
        }
        path.truncate(before);
    }
}

fn walk_element(element: &Type, path: &mut Vec<Part>, leaves: &mut Vec<Vec<Part>>) {
    let info = element.get_basic_info();
    let is_list = matches!(info.logical_type_ref(), Some(LogicalType::List | LogicalType::Map))
        || matches!(info.converted_type(), ConvertedType::LIST | ConvertedType::MAP);
    walk(element, path, is_list, leaves);
}

/// A column of the source: a stored column, and where in its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    leaf: usize,
    indices: Vec<usize>,
}

/// Each stored column, of lists the first element, and what the configuration names besides.
fn columns_of(leaves: &[Vec<Part>], wanted: &[String]) -> Vec<Column> {
    let name = |leaf: &[Part], indices: &[usize]| -> String {
        let mut indices = indices.iter();
        let parts = leaf.iter().map(|part| match part {
            Part::Name(name) => name.clone(),
            Part::Index => indices.next().copied().unwrap_or_default().to_string(),
        });
        parts.collect::<Vec<_>>().join(".")
    };
    let depth = |leaf: &[Part]| leaf.iter().filter(|part| **part == Part::Index).count();
    let mut columns: Vec<Column> = Vec::new();
    for (at, leaf) in leaves.iter().enumerate() {
        let indices = vec![0; depth(leaf)];
        columns.push(Column { name: name(leaf, &indices), leaf: at, indices });
    }
    for wanted in wanted {
        let asked = parts(wanted);
        for (at, leaf) in leaves.iter().enumerate().filter(|(_, leaf)| leaf.len() == asked.len()) {
            let mut indices = Vec::new();
            let fits = leaf.iter().zip(&asked).all(|(part, asked)| match part {
                Part::Name(name) => name.replace("\\.", ".") == *asked,
                Part::Index => asked.parse().map(|index| indices.push(index)).is_ok(),
            });
            let column = Column { name: wanted.clone(), leaf: at, indices };
            if fits && !columns.iter().any(|one| one.name == column.name) {
                columns.push(column);
            }
        }
    }
    columns
}

/// How the values of a stored column become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Plain,
    Unsigned,
    Decimal(usize),
    Date,
    /// Units in a second; whether it is an instant.
    Timestamp(i64, bool),
    Time(i64),
    Text,
    Bytes,
    Uuid,
    Half,
}

impl Writing {
    fn of(column: &ColumnDescriptor) -> Self {
        let per_second = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => 1_000_000_000,
        };
        let scale = |scale: i32| usize::try_from(scale).unwrap_or(0);
        match column.logical_type_ref() {
            Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => Self::Text,
            Some(LogicalType::Decimal(decimal)) => Self::Decimal(scale(decimal.scale)),
            Some(LogicalType::Date) => Self::Date,
            Some(LogicalType::Timestamp(time)) => {
                Self::Timestamp(per_second(&time.unit), time.is_adjusted_to_u_t_c)
            }
            Some(LogicalType::Time(time)) => Self::Time(per_second(&time.unit)),
            Some(LogicalType::Integer(number)) if !number.is_signed => Self::Unsigned,
            Some(LogicalType::Integer(_)) => Self::Plain,
            Some(LogicalType::Uuid) => Self::Uuid,
            Some(LogicalType::Float16) => Self::Half,
            _ => match column.converted_type() {
                ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Self::Text,
                ConvertedType::DECIMAL => Self::Decimal(scale(column.type_scale())),
                ConvertedType::DATE => Self::Date,
                ConvertedType::TIMESTAMP_MILLIS => Self::Timestamp(1_000, true),
                ConvertedType::TIMESTAMP_MICROS => Self::Timestamp(1_000_000, true),
                ConvertedType::TIME_MILLIS => Self::Time(1_000),
                ConvertedType::TIME_MICROS => Self::Time(1_000_000),
                ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64 => Self::Unsigned,
                _ => Self::Bytes,
            },
        }
    }

    fn integer(self, number: i64, is_narrow: bool, out: &mut Vec<u8>) {
        // Writing into a Vec can't fail.
        let _ = match self {
            Self::Unsigned if is_narrow => {
                write!(out, "{}", u32::try_from(number & 0xffff_ffff).unwrap_or_default())
            }
            Self::Unsigned => write!(out, "{}", number.cast_unsigned()),
            Self::Decimal(scale) => {
                write_decimal(&number.unsigned_abs().to_string(), number < 0, scale, out);
                Ok(())
            }
            Self::Date => {
                let days = i32::try_from(number).unwrap_or(i32::MAX);
                write!(out, "{}", Date::from_days(days))
            }
            Self::Timestamp(units, is_instant) => write_time(number, units, is_instant, out),
            Self::Time(units) => {
                let seconds = number.div_euclid(units);
                let _ = write!(
                    out,
                    "{:02}:{:02}:{:02}",
                    seconds / 3_600,
                    seconds / 60 % 60,
                    seconds % 60
                );
                write_fraction(number.rem_euclid(units), units, out);
                Ok(())
            }
            _ => write!(out, "{number}"),
        };
    }

    fn bytes(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Decimal(scale) => {
                let (digits, is_negative) = digits_of(bytes);
                write_decimal(&digits, is_negative, scale, out);
            }
            Self::Uuid if bytes.len() == 16 => {
                let text = hex(bytes);
                let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
                out.extend_from_slice(parts.join("-").as_bytes());
            }
            Self::Half => {
                let bits = <[u8; 2]>::try_from(bytes).map(u16::from_le_bytes).unwrap_or_default();
                let _ = write!(out, "{:?}", half(bits));
            }
            Self::Text => out.extend_from_slice(bytes),
            // Many writers say nothing about texts.
            _ if std::str::from_utf8(bytes).is_ok() => out.extend_from_slice(bytes),
            _ => out.extend_from_slice(hex(bytes).as_bytes()),
        }
    }
}

/// A float of 16 bits.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10) & 0x1f, f32::from(bits & 0x3ff) / 1024.0);
    match exponent {
        0 => sign * fraction * (-14.0f32).exp2(),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction) * (f32::from(exponent) - 15.0).exp2(),
    }
}

/// The digits of a number in two's complement, the highest byte first, of any length.
fn digits_of(bytes: &[u8]) -> (String, bool) {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if is_negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (inverted, overflow) = (!*byte).overflowing_add(u8::from(carry));
            *byte = inverted;
            carry = overflow;
        }
    }
    if let Some(wide) = (magnitude.len() <= 16)
        .then(|| magnitude.iter().fold(0u128, |number, byte| number << 8 | u128::from(*byte)))
    {
        return (wide.to_string(), is_negative);
    }
    // Schoolbook division by ten, for numbers that no type here holds anyway.
    let mut digits = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut rest = 0u32;
        for byte in &mut magnitude {
            let number = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(number / 10).unwrap_or_default();
            rest = number % 10;
        }
        digits.push(char::from(b'0' + u8::try_from(rest).unwrap_or_default()));
    }
    let digits: String = digits.into_iter().rev().collect();
    (if digits.is_empty() { "0".into() } else { digits }, is_negative)
}

fn write_decimal(digits: &str, is_negative: bool, scale: usize, out: &mut Vec<u8>) {
    if is_negative {
        out.push(b'-');
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

fn write_time(number: i64, units: i64, is_instant: bool, out: &mut Vec<u8>) -> std::io::Result<()> {
    let second = Instant::new(number.div_euclid(units), 0).to_string();
    let second = second.trim_end_matches('Z');
    write!(out, "{second}")?;
    write_fraction(number.rem_euclid(units), units, out);
    if is_instant {
        out.push(b'Z');
    }
    Ok(())
}

fn write_fraction(rest: i64, units: i64, out: &mut Vec<u8>) {
    if rest > 0 {
        let width = units.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// The rows of a file, group by group.
struct Groups {
    input: Input,
    stamp: Option<Stamp>,
    /// What the file is, where it was read as a whole.
    read: Option<InputRead>,
    reader: Box<dyn FileReader>,
    columns: Vec<Column>,
    writings: Vec<Writing>,
    next_group: usize,
    /// The stored columns of the group at hand.
    readers: Vec<Leaf>,
    /// How many rows of the group are still to be read.
    left: usize,
    row: u64,
    size: u64,
}

/// How many rows are read at once.
const ROWS: usize = 2_048;

impl Pieces for Groups {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        let rows = guarded(|| self.next_rows()).unwrap_or_else(|| Err(senseless()));
        rows.map_err(|error| broken(&self.input, &error))
    }

    fn disk_bytes(&mut self) -> u64 {
        let groups = self.reader.num_row_groups().max(1) as u64;
        self.size * self.next_group as u64 / groups
    }

    fn finish(self: Box<Self>) -> Result<InputRead, Problem> {
        if let Some(read) = self.read {
            return Ok(read);
        }
        let read = SourceFile::open(&self.input)?.finish()?;
        let metadata = self.input.plain_file().and_then(|path| path.metadata().ok());
        let now = metadata.as_ref().and_then(Stamp::of);
        if self.stamp != now {
            return Err(changed(&self.input.name, self.stamp, now));
        }
        Ok(read)
    }
}

impl Groups {
    fn next_rows(&mut self) -> Result<Option<Piece>, ParquetError> {
        while self.left == 0 {
            if self.next_group >= self.reader.num_row_groups() {
                return Ok(None);
            }
            let group = self.reader.get_row_group(self.next_group)?;
            self.next_group += 1;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            let schema = self.reader.metadata().file_metadata().schema_descr_ptr();
            self.readers.clear();
            for (at, column) in schema.columns().iter().enumerate() {
                let levels = (column.max_def_level(), column.max_rep_level());
                self.readers.push(Leaf::new(group.get_column_reader(at)?, levels));
            }
        }
        let rows = self.left.min(ROWS);
        for leaf in &mut self.readers {
            leaf.fill(rows)?;
        }
        self.left -= rows;
        let mut batch = RowBatch::default();
        let mut at: Vec<Cursor> = vec![Cursor::default(); self.readers.len()];
        for _ in 0..rows {
            self.row += 1;
            for column in &self.columns {
                let leaf = &self.readers[column.leaf];
                match leaf.value_of(&column.indices, at[column.leaf]) {
                    Some(value) => {
                        let writing = self.writings[column.leaf];
                        batch.cell_of(|out| leaf.values.write(value, writing, out));
                    }
                    None => batch.null(),
                }
            }
            for (leaf, cursor) in self.readers.iter().zip(&mut at) {
                leaf.advance(cursor);
            }
            batch.end_row((self.row, 0));
        }
        Ok(Some(Piece::Rows(batch)))
    }
}

/// Where a record begins in a column.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    level: usize,
    value: usize,
}

/// A stored column of a group of rows: some rows of it.
struct Leaf {
    reader: ColumnReader,
    most_defined: i16,
    most_repeated: i16,
    defined: Vec<i16>,
    repeated: Vec<i16>,
    values: Values,
}

impl Leaf {
    fn new(reader: ColumnReader, (most_defined, most_repeated): (i16, i16)) -> Self {
        Self {
            reader,
            most_defined,
            most_repeated,
            defined: Vec::new(),
            repeated: Vec::new(),
            values: Values::Bool(Vec::new()),
        }
    }

    /// Reads the next rows.
    fn fill(&mut self, rows: usize) -> Result<(), ParquetError> {
        self.defined.clear();
        self.repeated.clear();
        let levels = Levels {
            rows,
            defined: (self.most_defined > 0).then_some(&mut self.defined),
            repeated: (self.most_repeated > 0).then_some(&mut self.repeated),
        };
        self.values = match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => Values::Bool(levels.read(reader)?),
            ColumnReader::Int32ColumnReader(reader) => Values::I32(levels.read(reader)?),
            ColumnReader::Int64ColumnReader(reader) => Values::I64(levels.read(reader)?),
            ColumnReader::Int96ColumnReader(reader) => Values::I96(levels.read(reader)?),
            ColumnReader::FloatColumnReader(reader) => Values::F32(levels.read(reader)?),
            ColumnReader::DoubleColumnReader(reader) => Values::F64(levels.read(reader)?),
            ColumnReader::ByteArrayColumnReader(reader) => Values::Bytes(levels.read(reader)?),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                Values::Fixed(levels.read(reader)?)
            }
        };
        Ok(())
    }

    fn is_value(&self, level: usize) -> bool {
        self.most_defined == 0 || self.defined.get(level) == Some(&self.most_defined)
    }

    /// The number of the value with these indices, in the record that begins at the cursor.
    fn value_of(&self, indices: &[usize], mut cursor: Cursor) -> Option<usize> {
        if self.most_repeated == 0 {
            return self.is_value(cursor.level).then_some(cursor.value);
        }
        let mut here = vec![0usize; indices.len()];
        loop {
            if here == indices {
                return self.is_value(cursor.level).then_some(cursor.value);
            }
            cursor.value += usize::from(self.is_value(cursor.level));
            cursor.level += 1;
            let repeated = usize::try_from(*self.repeated.get(cursor.level)?).ok()?;
            if repeated == 0 {
                return None;
            }
            if let Some((last, rest)) = here.get_mut(repeated - 1..)?.split_first_mut() {
                *last += 1;
                rest.fill(0);
            }
        }
    }

    fn advance(&self, cursor: &mut Cursor) {
        loop {
            cursor.value += usize::from(self.is_value(cursor.level));
            cursor.level += 1;
            if self.most_repeated == 0 || self.repeated.get(cursor.level).is_none_or(|at| *at == 0)
            {
                return;
            }
        }
    }
}

/// Where the levels of a column are read to.
struct Levels<'l> {
    rows: usize,
    defined: Option<&'l mut Vec<i16>>,
    repeated: Option<&'l mut Vec<i16>>,
}

impl Levels<'_> {
    fn read<T: DataType>(
        mut self,
        reader: &mut ColumnReaderImpl<T>,
    ) -> Result<Vec<T::T>, ParquetError> {
        let mut values = Vec::with_capacity(self.rows);
        let mut left = self.rows;
        while left > 0 {
            let (records, ..) = reader.read_records(
                left,
                self.defined.as_deref_mut(),
                self.repeated.as_deref_mut(),
                &mut values,
            )?;
            if records == 0 {
                let message = "a column ends before its group of rows does";
                return Err(ParquetError::General(message.to_owned()));
            }
            left -= records;
        }
        Ok(values)
    }
}

/// Values of a stored column.
enum Values {
    Bool(Vec<bool>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I96(Vec<Int96>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

impl Values {
    fn write(&self, at: usize, writing: Writing, out: &mut Vec<u8>) {
        match self {
            Self::Bool(values) => {
                let value = values.get(at).copied().unwrap_or_default();
                out.extend_from_slice(if value { b"true" } else { b"false" });
            }
            Self::I32(values) => {
                writing.integer(values.get(at).copied().unwrap_or_default().into(), true, out);
            }
            Self::I64(values) => {
                writing.integer(values.get(at).copied().unwrap_or_default(), false, out);
            }
            Self::I96(values) => {
                if let Some([low, high, day]) = values.get(at).map(Int96::data) {
                    let nanos = i64::from(*low) | i64::from(*high) << 32;
                    // Julian days, as old writers count.
                    let seconds = (i64::from(*day) - 2_440_588) * 86_400 + nanos / 1_000_000_000;
                    let _ = write_time(seconds, 1, false, out);
                    write_fraction(nanos % 1_000_000_000, 1_000_000_000, out);
                }
            }
            Self::F32(values) => {
                let _ = write!(out, "{:?}", values.get(at).copied().unwrap_or_default());
            }
            Self::F64(values) => {
                let _ = write!(out, "{:?}", values.get(at).copied().unwrap_or_default());
            }
            Self::Bytes(values) => {
                if let Some(bytes) = values.get(at) {
                    writing.bytes(bytes.data(), out);
                }
            }
            Self::Fixed(values) => {
                if let Some(bytes) = values.get(at) {
                    writing.bytes(bytes.data(), out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_times_are_exact() {
        let integer = |writing: Writing, number| text(|out| writing.integer(number, false, out));
        assert_eq!(integer(Writing::Decimal(2), -5), "-0.05");
        assert_eq!(integer(Writing::Decimal(0), 12), "12");
        assert_eq!(integer(Writing::Decimal(4), 123_456), "12.3456");
        assert_eq!(integer(Writing::Unsigned, -1), "18446744073709551615");
        assert_eq!(text(|out| Writing::Unsigned.integer(-1, true, out)), "4294967295");
        assert_eq!(integer(Writing::Date, 20_468), "2026-01-15");
        let micros = Writing::Timestamp(1_000_000, true);
        assert_eq!(integer(micros, 1_768_471_200_500_000), "2026-01-15T10:00:00.5Z");
        assert_eq!(integer(Writing::Timestamp(1_000, false), -1), "1969-12-31T23:59:59.999");
        assert_eq!(integer(Writing::Time(1_000), 36_000_007), "10:00:00.007");
        let bytes = |writing: Writing, bytes: &[u8]| text(|out| writing.bytes(bytes, out));
        assert_eq!(bytes(Writing::Decimal(2), &[0xff, 0x85]), "-1.23");
        assert_eq!(bytes(Writing::Decimal(0), &[1; 17]), "341616807575530379006368233343265341697");
        assert_eq!(bytes(Writing::Bytes, &[0xff, 0]), "ff00");
        assert_eq!(bytes(Writing::Half, &[0x00, 0x3e]), "1.5");
    }

    #[test]
    fn columns_are_dotted_paths_with_indices() {
        let name = |name: &str| Part::Name(name.to_owned());
        let leaves = [vec![name("id")], vec![name("items"), Part::Index, name("sku")]];
        let wanted = ["items.2.sku".to_owned(), "items.x.sku".to_owned(), "id".to_owned()];
        let columns = columns_of(&leaves, &wanted);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "items.0.sku", "items.2.sku"]);
        assert_eq!(columns[2].indices, [2]);
    }
}
