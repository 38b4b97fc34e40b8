//! Parquet: columns as they are stored, in groups of rows. Decimals, dates, instants and integers are
//! exact.
//!
//! Columns are read directly, not through a table library: a cell is needed as text and as nothing
//! else. Fields within structs are dotted paths; within lists they have an index, as in JSON.

mod schema;
pub(super) mod values;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use schemars::JsonSchema;
use serde::Deserialize;

use schema::{Column, Field};
use values::{Cursor, Leaf};

use super::batch::{BatchParser, RowBatch};
use super::file::{SourceFile, Stamp, changed};
use super::input::{Input, Inputs};
use super::kind::{InputRead, Kind, OpenContext, Opening, Piece, Pieces, no_encoding};
use super::{KindSpec, SourcePlan};
use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::OneOrMany;
use crate::domain::place::Unit;
use crate::exchange::guarded;

/// The options of `read: { parquet: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParquetSpec {
    /// The file, relative to `recon.yaml`, or a list of files; each may be a glob. Pages may be
    /// uncompressed, or compressed with Snappy, gzip, LZ4 or Zstandard.
    pub path: OneOrMany,
    /// Cells that mean null, besides null. Default the empty text; replaces the default.
    pub null_values: Option<Vec<String>>,
    /// Parquet has no encoding to choose.
    #[schemars(skip)]
    pub encoding: Option<String>,
}

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
    fn has_encoding(&self) -> bool {
        false
    }

    fn open(&self, input: &Input, ask: &OpenContext<'_>) -> Result<Opening, Problem> {
        let mut file = SourceFile::open(input)?;
        let size = file.size();
        let wrong = |error: &ParquetError| broken(input, error);
        let plain = input.plain_file().filter(|_| file.is_plain());
        let stamp = plain.and_then(|path| path.metadata().ok()).as_ref().and_then(Stamp::of);
        if file.peek(4)?.starts_with(b"PARE") {
            let message = "the Parquet file is encrypted";
            return Err(Problem::new(Code::BadParquet, message)
                .in_file(&input.name)
                .help("write it without encryption: recon has no keys"));
        }
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
        if let Some(codec) = unknown_codec(reader.metadata()) {
            let message = format!("its columns are compressed with {codec}, which is not read");
            return Err(Problem::new(Code::BadParquet, message)
                .in_file(&input.name)
                .help("write it with Snappy, gzip, LZ4 or Zstandard"));
        }
        let root = Field::root(reader.metadata().file_metadata().schema_descr().root_schema());
        let longest = guarded(|| longest_lists(&*reader)).unwrap_or_else(|| Err(senseless()));
        let longest = longest.map_err(|error| wrong(&error))?;
        let elements = |leaf: usize, level: i16| {
            let level = usize::try_from(level).unwrap_or(0).saturating_sub(1);
            longest.get(leaf).and_then(|lists| lists.get(level)).copied().unwrap_or(1)
        };
        let wanted = ask.wanted.iter().chain(ask.columns.into_iter().flat_map(|it| it.iter()));
        let columns = Column::all(&root, &elements, wanted);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        Ok(Opening {
            parser: Arc::new(BatchParser::new(&names)),
            columns: names,
            size,
            pieces: Box::new(Groups {
                input: input.clone(),
                stamp,
                read,
                reader,
                columns,
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
    Problem::new(Code::BadParquet, format!("the Parquet file can't be read: {error}"))
        .in_file(&input.name)
        .help("it is cut off, damaged or encrypted; fetch it again")
}

/// A codec of the file that is not read.
fn unknown_codec(metadata: &ParquetMetaData) -> Option<&'static str> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    columns.into_iter().find_map(|column| match column.compression() {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    })
}

/// Elements of a list that are examined for columns.
const MOST_ELEMENTS: usize = 32;
/// How many records are looked at for the length of lists.
const SAMPLED: usize = 1_000;

/// How many elements the lists of each stored column have in the first records, by their level.
fn longest_lists(reader: &dyn FileReader) -> Result<Vec<Vec<usize>>, ParquetError> {
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let mut longest = vec![Vec::new(); schema.num_columns()];
    if reader.num_row_groups() == 0 {
        return Ok(longest);
    }
    let group = reader.get_row_group(0)?;
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0).min(SAMPLED);
    for (at, (column, longest)) in schema.columns().iter().zip(&mut longest).enumerate() {
        if column.max_rep_level() > 0 {
            let mut leaf = Leaf::new(group.get_column_reader(at)?, column);
            leaf.fill(rows)?;
            *longest = leaf.longest_lists();
            longest.iter_mut().for_each(|count| *count = (*count).min(MOST_ELEMENTS));
        }
    }
    Ok(longest)
}

/// The rows of a file, group by group.
struct Groups {
    input: Input,
    stamp: Option<Stamp>,
    /// Size and digest of a file that was read as a whole.
    read: Option<InputRead>,
    reader: Box<dyn FileReader>,
    columns: Vec<Column>,
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
                self.readers.push(Leaf::new(group.get_column_reader(at)?, column));
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
                batch.cell_if(|out| column.write(&self.readers, &at, out));
            }
            for (leaf, cursor) in self.readers.iter().zip(&mut at) {
                leaf.pass_record(cursor);
            }
            batch.end_row((self.row, 0));
        }
        Ok(Some(Piece::Rows(batch)))
    }
}
