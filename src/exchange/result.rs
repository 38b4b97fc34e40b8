//! Writes the tables of a result as one stream: Arrow IPC with a nullable struct for each table, or JSON lines
//! without empty columns.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, StructArray, new_null_array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use serde_json::{Map, Value as Json};

use super::arrow::unwritable;
use super::tables::{Cell, Table, Type};
use crate::coding::hex;
use crate::diagnostic::{Code, Problem};

/// The tables that share a row: a difference comes with its attribution.
const ROWS: [&[Table]; 5] = [
    &[Table::Record],
    &[Table::Difference, Table::Attribution],
    &[Table::Member],
    &[Table::Rejected],
    &[Table::Counts],
];
const BATCH_ROWS: usize = 4_096;
/// How many bytes of text make a batch.
const BATCH_BYTES: usize = 8 << 20;

enum Column {
    Text(StringBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Real(Float64Builder),
    Flag(BooleanBuilder),
    Bytes(BinaryBuilder),
}

impl Column {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Text => Self::Text(StringBuilder::new()),
            Type::Int => Self::Int(Int32Builder::new()),
            Type::Long => Self::Long(Int64Builder::new()),
            Type::Real => Self::Real(Float64Builder::new()),
            Type::Flag => Self::Flag(BooleanBuilder::new()),
            Type::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    /// Adds a value; one of another type is null.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(column), Cell::Text(text)) => column.append_value(text),
            (Self::Text(column), _) => column.append_null(),
            (Self::Int(column), Cell::Whole(number)) => {
                column.append_option(i32::try_from(number).ok());
            }
            (Self::Int(column), _) => column.append_null(),
            (Self::Long(column), Cell::Whole(number)) => column.append_value(number),
            (Self::Long(column), _) => column.append_null(),
            (Self::Real(column), Cell::Real(number)) => column.append_value(number),
            (Self::Real(column), _) => column.append_null(),
            (Self::Flag(column), Cell::Flag(flag)) => column.append_value(flag),
            (Self::Flag(column), _) => column.append_null(),
            (Self::Bytes(column), Cell::Bytes(bytes)) => column.append_value(bytes),
            (Self::Bytes(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Long(column) => Arc::new(column.finish()),
            Self::Real(column) => Arc::new(column.finish()),
            Self::Flag(column) => Arc::new(column.finish()),
            Self::Bytes(column) => Arc::new(column.finish()),
        }
    }
}

fn fields(table: Table) -> Fields {
    let columns = table.columns().iter();
    columns.map(|(name, kind)| Field::new(*name, kind.arrow(), true)).collect()
}

fn schema() -> SchemaRef {
    let mut columns = vec![
        Field::new("slot", DataType::Int32, false),
        Field::new("index", DataType::Int64, false),
    ];
    columns.extend(Table::ALL.map(|table| match table {
        Table::Counts => Field::new(table.name(), DataType::Binary, true),
        table => Field::new(table.name(), DataType::Struct(fields(table)), true),
    }));
    Arc::new(Schema::new(columns))
}

/// Rows of the same tables on their way into a batch.
struct Rows {
    tables: &'static [Table],
    slots: Int32Builder,
    indices: Int64Builder,
    columns: Vec<Column>,
    count: usize,
    bytes: usize,
}

impl Rows {
    fn new(tables: &'static [Table]) -> Self {
        let columns = tables.iter().flat_map(|table| table.columns());
        Self {
            tables,
            slots: Int32Builder::new(),
            indices: Int64Builder::new(),
            columns: columns.map(|(_, kind)| Column::new(*kind)).collect(),
            count: 0,
            bytes: 0,
        }
    }

    fn batch(&mut self, schema: &SchemaRef) -> Result<RecordBatch, Problem> {
        let count = std::mem::take(&mut self.count);
        self.bytes = 0;
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(self.slots.finish()), Arc::new(self.indices.finish())];
        let mut arrays = self.columns.iter_mut().map(Column::finish);
        for (table, field) in Table::ALL.into_iter().zip(schema.fields().iter().skip(2)) {
            columns.push(match table {
                table if !self.tables.contains(&table) => new_null_array(field.data_type(), count),
                Table::Counts => {
                    arrays.next().unwrap_or_else(|| new_null_array(field.data_type(), count))
                }
                table => {
                    let own = arrays.by_ref().take(table.columns().len()).collect();
                    let array = StructArray::try_new(fields(table), own, None);
                    Arc::new(array.map_err(|error| unwritable(&error))?)
                }
            });
        }
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| unwritable(&error))
    }
}

pub struct ResultWriter<W: Write>(Out<W>);

enum Out<W: Write> {
    Arrow { writer: Box<StreamWriter<W>>, schema: SchemaRef, rows: Vec<Rows> },
    Lines(W),
}

impl<W: Write> ResultWriter<W> {
    /// As Arrow IPC.
    ///
    /// # Errors
    /// It can't be written.
    pub fn arrow(out: W) -> Result<Self, Problem> {
        let schema = schema();
        let writer = StreamWriter::try_new(out, &schema).map_err(|error| unwritable(&error))?;
        let rows = ROWS.map(Rows::new).into();
        Ok(Self(Out::Arrow { writer: Box::new(writer), schema, rows }))
    }

    pub const fn lines(out: W) -> Self {
        Self(Out::Lines(out))
    }

    /// Writes a row: the cells of its table, or of its two tables one after the other.
    ///
    /// # Errors
    /// It can't be written.
    pub fn row(
        &mut self,
        (slot, index): (u32, u64),
        table: Table,
        cells: &[Cell<'_>],
    ) -> Result<(), Problem> {
        match &mut self.0 {
            Out::Lines(out) => write_line(out, (slot, index), table, cells),
            Out::Arrow { writer, schema, rows } => {
                let Some(rows) = rows.iter_mut().find(|rows| rows.tables.contains(&table)) else {
                    return Ok(());
                };
                rows.slots.append_value(slot.cast_signed());
                rows.indices.append_value(index.cast_signed());
                for (at, column) in rows.columns.iter_mut().enumerate() {
                    let cell = cells.get(at).copied().unwrap_or(Cell::Null);
                    rows.bytes += match cell {
                        Cell::Text(text) => text.len(),
                        Cell::Bytes(bytes) => bytes.len(),
                        _ => 8,
                    };
                    column.push(cell);
                }
                rows.count += 1;
                if rows.count < BATCH_ROWS && rows.bytes < BATCH_BYTES {
                    return Ok(());
                }
                let batch = rows.batch(schema)?;
                writer.write(&batch).map_err(|error| unwritable(&error))
            }
        }
    }

    /// Writes the remaining rows and the end of the stream.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0 {
            Out::Lines(mut out) => out.flush().map_err(|error| not_written(&error)),
            Out::Arrow { mut writer, schema, rows } => {
                for mut rows in rows {
                    if rows.count > 0 {
                        let batch = rows.batch(&schema)?;
                        writer.write(&batch).map_err(|error| unwritable(&error))?;
                    }
                }
                writer.finish().map_err(|error| unwritable(&error))
            }
        }
    }
}

fn not_written(error: &std::io::Error) -> Problem {
    Problem::new(Code::OutputFailed, format!("can't write the result: {error}"))
}

fn write_line(
    out: &mut impl Write,
    (slot, index): (u32, u64),
    table: Table,
    cells: &[Cell<'_>],
) -> Result<(), Problem> {
    let mut line = Map::new();
    line.insert("slot".to_owned(), slot.into());
    line.insert("index".to_owned(), index.into());
    let mut cells = cells.iter();
    let tables = ROWS.into_iter().find(|tables| tables.contains(&table)).unwrap_or_default();
    for table in tables {
        let mut object = Map::new();
        for ((name, _), cell) in table.columns().iter().zip(cells.by_ref()) {
            let value = match *cell {
                Cell::Null => continue,
                Cell::Text(text) => text.into(),
                Cell::Whole(number) => number.into(),
                Cell::Real(number) => number.into(),
                Cell::Flag(flag) => flag.into(),
                Cell::Bytes(bytes) => Json::String(hex(bytes)),
            };
            object.insert((*name).to_owned(), value);
        }
        let value = match table {
            Table::Counts => object.remove(table.name()).unwrap_or_default(),
            _ => Json::Object(object),
        };
        line.insert(table.name().to_owned(), value);
    }
    writeln!(out, "{}", Json::Object(line)).map_err(|error| not_written(&error))
}
