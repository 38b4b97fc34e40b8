//! Arrow IPC streams: of any columns, and those of payloads with their slots.

use std::io::{Read, Write};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int32Builder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::guarded::guarded;
use super::stream_problem;
use crate::diagnostic::{Code, Problem};

/// End of every stream.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Remembers the last bytes that were read: a stream that was cut off between two batches has no end.
struct Watched {
    input: Box<dyn Read + Send>,
    last: Vec<u8>,
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(out)?;
        let new = out.get(..count).unwrap_or_default();
        let kept = new.get(new.len().saturating_sub(END.len())..).unwrap_or_default();
        let over = (self.last.len() + kept.len()).saturating_sub(END.len());
        self.last.drain(..over);
        self.last.extend_from_slice(kept);
        Ok(count)
    }
}

/// The batches of a stream.
pub struct ArrowStream {
    reader: StreamReader<Watched>,
}

impl ArrowStream {
    /// Reads the schema.
    ///
    /// # Errors
    /// It is no Arrow IPC stream.
    pub fn open(input: Box<dyn Read + Send>) -> Result<Self, Problem> {
        let input = Watched { input, last: Vec::new() };
        let opened = guarded(|| StreamReader::try_new(input, None));
        let reader = opened.unwrap_or_else(|| Err(senseless())).map_err(|error| {
            stream_problem(format!("standard input is no Arrow IPC stream: {error}"))
                .help("it begins with a schema, as `pyarrow.ipc.new_stream` writes it")
        })?;
        Ok(Self { reader })
    }

    pub fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// The stream is damaged, or cut off.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, Problem> {
        match guarded(|| self.reader.next()).unwrap_or_else(|| Some(Err(senseless()))) {
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(error)) => {
                Err(stream_problem(format!("the Arrow stream can't be read: {error}")))
            }
            None if self.reader.get_ref().last == END => Ok(None),
            None => Err(stream_problem("the Arrow stream is cut off: it has no end mark")),
        }
    }
}

/// The error for a panic of the library.
fn senseless() -> ArrowError {
    ArrowError::IpcError("a length or a position in it makes no sense".to_owned())
}

pub struct RowReader {
    stream: ArrowStream,
    slot: usize,
    payload: usize,
}

impl RowReader {
    /// Checks the columns.
    ///
    /// # Errors
    /// It is no Arrow IPC stream, or has other columns.
    pub fn open(input: Box<dyn Read + Send>) -> Result<Self, Problem> {
        let stream = ArrowStream::open(input)?;
        let schema = stream.schema();
        let column = |name: &str, data_type: &DataType| {
            let found = schema.fields().iter().position(|field| field.name() == name);
            found.filter(|at| schema.field(*at).data_type() == data_type).ok_or_else(|| {
                stream_problem(format!("the stream has no column `{name}` of the type {data_type}"))
                    .help("give the step the rows that the step before wrote")
            })
        };
        let (slot, payload) =
            (column("slot", &DataType::Int32)?, column("payload", &DataType::Binary)?);
        Ok(Self { stream, slot, payload })
    }

    /// Calls `each` with every payload.
    ///
    /// # Errors
    /// The stream is damaged or cut off, or `each` failed.
    pub fn each(
        mut self,
        mut each: impl FnMut(i32, &[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        while let Some(batch) = self.stream.next_batch()? {
            let slots = batch.column(self.slot).as_primitive::<Int32Type>();
            let payloads = batch.column(self.payload).as_binary::<i32>();
            if slots.null_count() + payloads.null_count() > 0 {
                return Err(stream_problem("a row of the stream has no slot or no payload"));
            }
            for row in 0..batch.num_rows() {
                each(slots.value(row), payloads.value(row))?;
            }
        }
        Ok(())
    }
}

/// How many bytes of payloads go into a batch.
const BATCH_BYTES: usize = 4 << 20;
/// How many payloads go into a batch.
const BATCH_ROWS: usize = 4_096;

/// A failure to write a stream, or a closed pipe.
pub(super) fn unwritable(error: &ArrowError) -> Problem {
    Problem::new(Code::OutputFailed, format!("the Arrow stream can't be written: {error}"))
}

pub struct RowWriter<W: Write> {
    writer: StreamWriter<W>,
    schema: SchemaRef,
    slots: Int32Builder,
    payloads: BinaryBuilder,
    rows: usize,
    bytes: usize,
}

impl<W: Write> RowWriter<W> {
    /// Writes the schema.
    ///
    /// # Errors
    /// It can't be written.
    pub fn new(out: W) -> Result<Self, Problem> {
        let field = |name, data_type| Field::new(name, data_type, false);
        let fields = vec![field("slot", DataType::Int32), field("payload", DataType::Binary)];
        let schema = Arc::new(Schema::new(fields));
        let writer = StreamWriter::try_new(out, &schema).map_err(|error| unwritable(&error))?;
        let (slots, payloads) = (Int32Builder::new(), BinaryBuilder::new());
        Ok(Self { writer, schema, slots, payloads, rows: 0, bytes: 0 })
    }

    /// Writes a payload.
    ///
    /// # Errors
    /// It can't be written.
    pub fn push(&mut self, slot: i32, payload: &[u8]) -> Result<(), Problem> {
        self.slots.append_value(slot);
        self.payloads.append_value(payload);
        self.rows += 1;
        self.bytes += payload.len();
        if self.bytes > BATCH_BYTES || self.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Problem> {
        if self.rows == 0 {
            return Ok(());
        }
        (self.rows, self.bytes) = (0, 0);
        let columns: Vec<arrow_array::ArrayRef> =
            vec![Arc::new(self.slots.finish()), Arc::new(self.payloads.finish())];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        batch.and_then(|batch| self.writer.write(&batch)).map_err(|error| unwritable(&error))
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(mut self) -> Result<(), Problem> {
        self.flush()?;
        self.writer.finish().map_err(|error| unwritable(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(rows: &[(i32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = RowWriter::new(&mut out).unwrap();
        rows.iter().for_each(|(slot, payload)| writer.push(*slot, payload).unwrap());
        writer.finish().unwrap();
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<(i32, Vec<u8>)>, Problem> {
        let mut rows = Vec::new();
        let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
        RowReader::open(input)?.each(|slot, payload| {
            rows.push((slot, payload.to_vec()));
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn rows_come_back_and_a_cut_stream_never_passes_for_a_whole_one() {
        let bytes = stream(&[(-1, b"counts"), (4095, &[7; 3_000])]);
        assert_eq!(read(&bytes).unwrap(), [(-1, b"counts".to_vec()), (4095, vec![7; 3_000])]);
        assert_eq!(read(&stream(&[])).unwrap(), []);
        for cut in 0..bytes.len() {
            let problem = read(&bytes[..cut]).unwrap_err();
            assert_eq!(problem.code, Code::ShardStream, "cut at {cut}");
        }
    }

    #[test]
    fn damaged_lengths_and_positions_are_no_panic() {
        let mut stream = Vec::new();
        let mut writer = RowWriter::new(&mut stream).unwrap();
        for slot in 0..40 {
            writer.push(slot, &[7; 21]).unwrap();
        }
        writer.finish().unwrap();
        let read = |bytes: Vec<u8>| {
            RowReader::open(Box::new(std::io::Cursor::new(bytes)))?.each(|_, _| Ok(()))
        };
        assert!(read(stream.clone()).is_ok());
        let mut refused = 0;
        for at in 0..stream.len() - 4 {
            for damage in [[0xff; 4], [0xff, 0xff, 0xff, 0x7f], [0, 0, 0, 0x80]] {
                let mut bytes = stream.clone();
                bytes[at..at + 4].copy_from_slice(&damage);
                refused += usize::from(read(bytes).is_err());
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
