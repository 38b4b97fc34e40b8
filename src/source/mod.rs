//! Sources: an extract as a stream of blocks of whole rows, which any thread can parse.
//!
//! One file per kind. A source knows bytes, encodings and layout of its files, but not the meaning of cells. It never
//! drops a row in silence.
//!
//! One thread calls [`Blocks::next_block`], which is cheap; others turn the blocks into rows, each with its own clone
//! of the [`BlockParser`]. The rows do not depend on where the blocks were cut. A kind implements `kind::Kind` for
//! its options, and has a line in `kinds!` below; lists and globs, archives, places and filling down are the same for
//! all.

mod batch;
mod blocks;
pub mod columns;
pub mod csv;
mod dialect;
pub mod excel;
mod file;
mod fill;
pub mod fixed;
mod input;
pub mod json;
mod kind;
mod lines;
mod marks;
mod opened;
pub mod parquet;
mod parse;
pub mod sample;
pub mod sql;
pub mod statement;
mod stream;
mod text;
mod trailer;
mod unreadable;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

pub use blocks::Limits;
pub use fill::{Carried, Fill, Filled};
pub use kind::{RawRow, Unusable};
pub use opened::{Block, BlockParser, Blocks, Opened, SourceDigest};
pub use stream::{RowCounts, RowStream, StreamFormat};
pub use trailer::ReadNumber;

use input::Inputs;
use kind::Kind;
use trailer::Trailer;

use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::RawCells;
use crate::domain::place::Unit;

/// The kinds: the key under `read`, and the options of it.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident($spec:ty),)+) => {
        /// How a source is read. The kind is a key, so that every complaint keeps its exact line.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(rename_all = "lowercase", deny_unknown_fields)]
        pub enum ReadSpec {
            $($(#[doc = $doc])+ $name($spec),)+
        }

        impl ReadSpec {
            /// The kind, and its options.
            fn kind(&self) -> (String, &dyn KindSpec) {
                match self {
                    $(Self::$name(spec) => (stringify!($name).to_lowercase(), spec),)+
                }
            }
        }
    };
}

kinds! {
    /// Delimited text files.
    Csv(csv::CsvSpec),
    /// JSON: an object on each line, or an array of objects.
    Json(json::JsonSpec),
    /// Workbooks: xlsx, xlsm, xls, xlsb and ods.
    Excel(excel::ExcelSpec),
    /// Parquet files.
    Parquet(parquet::ParquetSpec),
    /// Text in columns of fixed width.
    Fixed(fixed::FixedSpec),
    /// Bank statements: camt.052, camt.053 and camt.054, of any version.
    Camt053(statement::Camt053Spec),
    /// Bank statements: SWIFT MT940, and MT942.
    Mt940(statement::Mt940Spec),
    /// Bank statements: BAI2.
    Bai2(statement::Bai2Spec),
    /// The result of a SELECT on PostgreSQL or SQLite.
    Sql(sql::SqlSpec),
}

/// The options of a kind, as written.
trait KindSpec {
    /// The plan; relative paths are relative to the folder `base`.
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>>;
}

impl ReadSpec {
    /// The plan; relative paths are relative to the folder `base`.
    ///
    /// # Errors
    /// Every problem of the piece.
    pub fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let (name, spec) = self.kind();
        spec.resolve(base).map_err(|problems| {
            problems.into_iter().map(|each| each.under(name.as_str())).collect()
        })
    }
}

/// How a source is read, with everything decided.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    name: PathBuf,
    inputs: Inputs,
    null_values: Vec<String>,
    kind: Arc<dyn Kind>,
    trailer: Option<Arc<Trailer>>,
    is_digested: bool,
}

impl SourcePlan {
    /// The cells `null_values` mean null; by default the empty cell does.
    fn new(inputs: Inputs, null_values: Option<&Vec<String>>, kind: impl Kind + 'static) -> Self {
        let null_values = null_values.cloned().unwrap_or_else(|| vec![String::new()]);
        let kind = Arc::new(kind);
        Self { name: inputs.name(), inputs, null_values, kind, trailer: None, is_digested: true }
    }

    /// The same source, whose files end in a trailer.
    fn with_trailer(mut self, trailer: Option<Trailer>) -> Self {
        self.trailer = trailer.map(Arc::new);
        self
    }

    /// The same source, read without digests of its files: for those who only look at it.
    #[must_use]
    pub fn without_digests(mut self) -> Self {
        self.is_digested = false;
        self
    }

    /// The columns that the trailer has sums of.
    pub fn summed_columns(&self) -> Vec<String> {
        let sums = self.trailer.iter().flat_map(|trailer| &trailer.sums);
        sums.map(|(column, _)| column.clone()).collect()
    }

    /// Says how the numbers of the summed columns are written, in their order.
    pub fn read_sums_with(&mut self, numbers: Vec<ReadNumber>) {
        if let Some(trailer) = &mut self.trailer {
            Arc::make_mut(trailer).numbers = numbers;
        }
    }

    /// The file; for several, and for other inputs, a name for messages.
    pub fn path(&self) -> &Path {
        &self.name
    }

    /// The cells that mean null.
    pub fn null_values(&self) -> &[String] {
        &self.null_values
    }

    /// The unit of a row's line number.
    pub fn unit(&self) -> Unit {
        self.kind.unit()
    }

    /// Whether a delimiter cuts its lines into columns.
    pub fn is_delimited(&self) -> bool {
        self.kind.is_delimited()
    }

    /// Whether `encoding` can be set: not where the source itself says how texts are kept.
    pub fn has_encoding(&self) -> bool {
        self.kind.has_encoding()
    }

    /// Whether it is standard input, which can be read once.
    pub fn is_stdin(&self) -> bool {
        self.inputs == Inputs::Stdin
    }

    /// True if reading its columns is cheap and changes nothing: not for standard input or a query.
    pub fn has_header_at_hand(&self) -> bool {
        matches!(self.inputs, Inputs::Files(_))
    }

    /// Opens the source and reads its header. `wanted` are the columns that the configuration names: kinds without a
    /// header look for those.
    ///
    /// # Errors
    /// It can't be read, or has no header.
    pub fn open(&self, wanted: &[String]) -> Result<Opened, Problem> {
        self.open_with(Limits::default(), wanted)
    }

    /// Opens the source with other limits than the usual ones. They never change the result.
    ///
    /// # Errors
    /// It can't be read, or has no header.
    pub fn open_with(&self, limits: Limits, wanted: &[String]) -> Result<Opened, Problem> {
        Opened::open(self, wanted, limits)
    }

    /// The names of its input files, in the order in which they are read; empty for other inputs.
    ///
    /// # Errors
    /// A folder or an archive that can't be read, a glob that matches nothing.
    pub fn input_names(&self) -> Result<Vec<String>, Problem> {
        if !self.has_header_at_hand() {
            return Ok(Vec::new());
        }
        let inputs = self.inputs.list()?;
        Ok(inputs.iter().map(|input| input.name.display().to_string()).collect())
    }

    /// Whether each input can be read without the others.
    pub fn is_separable(&self) -> bool {
        self.kind.has_header()
    }

    /// True if its files end in a trailer.
    pub const fn has_trailer(&self) -> bool {
        self.trailer.is_some()
    }

    /// Opens one input, by its number; the source has these columns.
    ///
    /// # Errors
    /// It can't be read, or lacks a wanted column.
    pub fn open_one(
        &self,
        number: usize,
        columns: &[String],
        wanted: &[String],
    ) -> Result<Opened, Problem> {
        Opened::one(self, number, columns, wanted)
    }

    /// The source with rows that another program gives on a stream.
    ///
    /// # Errors
    /// The stream can't be read, or lacks one of the columns.
    pub fn given(&self, columns: &[String], given: RowStream) -> Result<Opened, Problem> {
        Ok(Opened::given(self, columns, stream::pieces(columns, given)?))
    }

    /// The source as if it had the wanted columns, without opening it.
    pub fn unread(&self, wanted: &[String]) -> Opened {
        Opened::unread(self, wanted)
    }
}

/// A record of a source, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    pub columns: Vec<String>,
    /// The cells as they are, `None` where the source says that one is null: not as many as there are
    /// columns if the row is a ragged one.
    pub cells: Vec<Option<String>>,
}

impl RawCells for RawRecord {
    fn len(&self) -> usize {
        self.cells.len()
    }

    fn cell(&self, index: usize) -> &[u8] {
        self.cells.get(index).and_then(Option::as_deref).map_or(&[], str::as_bytes)
    }

    fn is_null(&self, index: usize) -> bool {
        self.cells.get(index).is_some_and(Option::is_none)
    }
}

/// The row at a place of the source, its line and its offset, also one that is rejected, with its empty
/// cells filled: of these columns, which are named as [`columns::unique_names`] does. `file` is the
/// input that it is of. None if no row is there.
///
/// # Errors
/// The source can't be read, or has no such input any more.
pub fn read_record(
    plan: &SourcePlan,
    file: &str,
    place: (u64, u64),
    columns: &[String],
    fill: &Fill,
) -> Result<Option<RawRecord>, Problem> {
    if plan.is_stdin() {
        let message = "the row was read from standard input, which is gone";
        return Err(Problem::new(Code::FileGone, message));
    }
    opened::read_record(plan, file, place, columns, fill)
}
