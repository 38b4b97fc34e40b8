//! Stored columns: their values and levels, and how values become text.

use std::io::Write as _;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescriptor;

use crate::coding::hex;
use crate::domain::{Date, Instant};

/// Conversion of a stored column's values to text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
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
    /// Months, days and milliseconds.
    Interval,
}

impl Writing {
    fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp(..) | Self::Time(_))
    }

    pub fn of(column: &ColumnDescriptor) -> Self {
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
                ConvertedType::INTERVAL => Self::Interval,
                _ => Self::Bytes,
            },
        }
    }

    pub fn integer(self, number: i64, is_narrow: bool, out: &mut Vec<u8>) {
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

    pub fn bytes(self, bytes: &[u8], out: &mut Vec<u8>) {
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
            Self::Interval if bytes.len() == 12 => write_interval(bytes, out),
            Self::Text => out.extend_from_slice(bytes),
            // Many writers say nothing about texts, none of which has a NUL.
            _ if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() => {
                out.extend_from_slice(bytes)
            }
            _ => out.extend_from_slice(hex(bytes).as_bytes()),
        }
    }
}

/// Months, days and milliseconds as ISO 8601 writes them.
fn write_interval(bytes: &[u8], out: &mut Vec<u8>) {
    let mut parts = bytes
        .chunks_exact(4)
        .map(|part| part.iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte)));
    let mut part = || parts.next().unwrap_or_default();
    let (months, days, millis) = (part(), part(), part());
    let _ = write!(out, "P{months}M{days}DT{}", millis / 1_000);
    write_fraction((millis % 1_000).into(), 1_000, out);
    out.push(b'S');
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

/// Position of a record in a column.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    pub level: usize,
    pub value: usize,
}

/// A stored column of a group of rows: some rows of it.
pub struct Leaf {
    reader: ColumnReader,
    most_defined: i16,
    most_repeated: i16,
    defined: Vec<i16>,
    repeated: Vec<i16>,
    values: Values,
    writing: Writing,
}

impl Leaf {
    pub fn new(reader: ColumnReader, column: &ColumnDescriptor) -> Self {
        Self {
            reader,
            most_defined: column.max_def_level(),
            most_repeated: column.max_rep_level(),
            writing: Writing::of(column),
            defined: Vec::new(),
            repeated: Vec::new(),
            values: Values::Bool(Vec::new()),
        }
    }

    pub fn fill(&mut self, rows: usize) -> Result<(), ParquetError> {
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

    /// How much of the path to the value is there.
    pub fn defined_at(&self, level: usize) -> i16 {
        self.defined.get(level).copied().unwrap_or(0)
    }

    /// At which level of lists the next value is repeated; 0 where a record begins or the column ends.
    pub fn repeated_at(&self, level: usize) -> i16 {
        self.repeated.get(level).copied().unwrap_or(0)
    }

    /// How many elements its lists have at most, by their level.
    pub fn longest_lists(&self) -> Vec<usize> {
        let lists = usize::try_from(self.most_repeated).unwrap_or(0);
        let (mut here, mut longest) = (vec![1usize; lists], vec![1usize; lists]);
        for repeated in &self.repeated {
            let level = usize::try_from(*repeated).unwrap_or(0);
            if let Some(at) = level.checked_sub(1).and_then(|at| here.get_mut(at)) {
                *at += 1;
            }
            if let Some(inner) = here.get_mut(level..) {
                inner.fill(1);
            }
            for (most, count) in longest.iter_mut().zip(&here) {
                *most = (*most).max(*count);
            }
        }
        longest
    }

    /// Position of the element with these indices, in the record at the cursor.
    pub fn find(&self, indices: &[usize], mut cursor: Cursor) -> Option<Cursor> {
        if indices.is_empty() {
            return Some(cursor);
        }
        let mut here = vec![0usize; indices.len()];
        while here != indices {
            self.pass(&mut cursor);
            let repeated = usize::try_from(self.repeated_at(cursor.level)).ok()?;
            let at = repeated.checked_sub(1)?;
            if let Some((last, inner)) = here.get_mut(at..).and_then(<[usize]>::split_first_mut) {
                *last += 1;
                inner.fill(0);
            }
        }
        Some(cursor)
    }

    /// Passes one value, or one that is not there.
    pub fn pass(&self, cursor: &mut Cursor) {
        cursor.value += usize::from(self.is_value(cursor.level));
        cursor.level += 1;
    }

    pub fn pass_record(&self, cursor: &mut Cursor) {
        self.pass(cursor);
        while self.repeated_at(cursor.level) > 0 {
            self.pass(cursor);
        }
    }

    /// Writes the value as text; says whether there is one.
    pub fn write(&self, cursor: Cursor, out: &mut Vec<u8>) -> bool {
        let is_there = self.is_value(cursor.level);
        if is_there {
            self.values.write(cursor.value, self.writing, out);
        }
        is_there
    }

    /// Writes the value as JSON.
    pub fn write_json(&self, cursor: Cursor, out: &mut Vec<u8>) {
        let start = out.len();
        self.write(cursor, out);
        let text = out.split_off(start);
        let is_number = match &self.values {
            Values::Bool(_) => true,
            Values::I32(_) | Values::I64(_) => !self.writing.is_time(),
            Values::F32(_) | Values::F64(_) => text.iter().any(u8::is_ascii_digit),
            Values::I96(_) => false,
            Values::Bytes(_) | Values::Fixed(_) => match self.writing {
                Writing::Decimal(_) => true,
                Writing::Half => text.iter().any(u8::is_ascii_digit),
                _ => false,
            },
        };
        match std::str::from_utf8(&text) {
            Ok(text) if !is_number => {
                // Writing into a Vec can't fail.
                let _ = serde_json::to_writer(out, text);
            }
            // `BatchParser` rejects a row that is not UTF-8.
            _ => out.extend_from_slice(&text),
        }
    }
}

/// Read position in a column's levels.
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
        assert_eq!(bytes(Writing::Bytes, b"a\0"), "6100");
        assert_eq!(bytes(Writing::Half, &[0x00, 0x3e]), "1.5");
        let interval = [1, 0, 0, 0, 2, 0, 0, 0, 0xac, 0x0d, 0, 0];
        assert_eq!(bytes(Writing::Interval, &interval), "P1M2DT3.5S");
    }
}
