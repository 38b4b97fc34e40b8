//! Statements as a kind of source: options, and rows in batches.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use encoding_rs::{Encoding, UTF_8};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{COLUMNS, Format, OpenPages, Prove, Rows, camt053, mt940};
use crate::diagnostic::{Problem, SpecProblem};
use crate::domain::OneOrMany;
use crate::domain::place;
use crate::source::SourcePlan;
use crate::source::batch::{BatchParser, RowBatch};
use crate::source::csv;
use crate::source::file::SourceFile;
use crate::source::input::{Input, Inputs};
use crate::source::kind::{InputRead, Kind, OpenContext, Opening, Piece, Pieces};
use crate::source::text::Text;

/// The options that all statement kinds have.
pub(super) struct Common<'s> {
    pub path: &'s OneOrMany,
    pub encoding: Option<&'s str>,
    pub null_values: Option<&'s Vec<String>>,
    pub prove: Option<Prove>,
}

impl Common<'_> {
    /// The plan; relative paths are relative to the folder `base`.
    pub fn plan(&self, format: Format, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let inputs = Inputs::resolve(self.path, base).map_err(|problem| problems.push(problem));
        let encoding = self.encoding.map(|label| csv::encoding_of(Some(label), &mut problems));
        let (Ok(inputs), true) = (inputs, problems.is_empty()) else { return Err(problems) };
        let kind = StatementPlan { format, prove: self.prove.unwrap_or_default(), encoding };
        Ok(SourcePlan::new(inputs, self.null_values, kind))
    }
}

/// The options of statement kinds that have no others.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementSpec {
    /// The file, relative to `recon.yaml`, or a list of files; each may be a glob. `.gz`, `.zst` and
    /// `.zip` are read as they are; `-` is standard input.
    pub path: OneOrMany,
    /// Treatment of a statement whose balances and movements do not add up: it cannot be read (`on`, the default), is
    /// read with a warning (`warn`), or nothing is checked (`off`).
    pub prove: Option<Prove>,
    /// A WHATWG encoding label such as `windows-1252`. Default UTF-8.
    pub encoding: Option<String>,
    /// Texts that mean null, besides missing values, `NOTPROVIDED` and `NONREF`. Default the empty text; replaces the
    /// default.
    pub null_values: Option<Vec<String>>,
}

impl StatementSpec {
    pub(super) fn plan(&self, format: Format, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let common = Common {
            path: &self.path,
            encoding: self.encoding.as_deref(),
            null_values: self.null_values.as_ref(),
            prove: self.prove,
        };
        common.plan(format, base)
    }
}

/// How statements are read, with everything decided.
#[derive(Clone, Debug)]
struct StatementPlan {
    format: Format,
    prove: Prove,
    /// As the configuration says; none leaves it to the file.
    encoding: Option<&'static Encoding>,
}

impl Kind for StatementPlan {
    fn open(&self, input: &Input, _: &OpenContext<'_>) -> Result<Opening, Problem> {
        let mut file = SourceFile::open_text(input)?;
        let size = file.size();
        let own = match self.format {
            Format::Camt053(_) => {
                let head = file.peek(1024)?;
                let mark = Encoding::for_bom(head).map(|(encoding, _)| encoding);
                mark.or_else(|| camt053::declared_encoding(head))
            }
            _ => None,
        };
        let text = Text::new(file, self.encoding.or(own).unwrap_or(UTF_8))?;
        let text = Arc::new(Mutex::new(text));
        let rows = self.format.rows(Shared(Arc::clone(&text)), self.prove);
        let columns: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        let parser = Arc::new(BatchParser::new(&columns));
        let pieces = Box::new(Statements { name: input.name.clone(), rows, text });
        Ok(Opening { columns, size, pieces, parser })
    }

    fn prove_rest(&self, pages: OpenPages) -> Result<Vec<Problem>, Problem> {
        match self.format {
            Format::Camt053(_) => camt053::prove_rest(pages, self.prove),
            Format::Mt940 => Ok(mt940::prove_rest(&pages, self.prove)),
            Format::Bai2 => Ok(Vec::new()),
        }
    }

    /// All files have the same columns, so none is opened for them beforehand.
    fn has_header(&self) -> bool {
        false
    }
}

/// The text of a file, which a reader reads while others ask how far it has come.
struct Shared(Arc<Mutex<Text>>);

impl Read for Shared {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.read(out).map_err(io::Error::other)
    }
}

struct Statements {
    name: PathBuf,
    rows: Box<dyn Rows>,
    text: Arc<Mutex<Text>>,
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Statements {
    fn lock(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The problem, in this file.
    fn here(&self, mut problem: Problem) -> Problem {
        let mut place = problem.place.take().unwrap_or_default();
        place.file.clone_from(&self.name);
        problem.at(*place)
    }
}

impl Pieces for Statements {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        let mut batch = RowBatch::default();
        while !batch.is_full() {
            let row = match self.rows.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(problem) => return Err(self.here(problem)),
            };
            let place = (row.line, place::in_part(row.part, row.entry));
            for cell in row.into_cells() {
                match cell {
                    Some(text) => batch.cell(text),
                    None => batch.null(),
                }
            }
            batch.end_row(place);
        }
        Ok((!batch.is_empty()).then_some(Piece::Rows(batch)))
    }

    fn go_on_with(&mut self, pages: OpenPages) {
        if let Some(open) = self.rows.open_pages() {
            *open = pages;
        }
    }

    fn disk_bytes(&mut self) -> u64 {
        self.lock().file().bytes_read()
    }

    fn finish(mut self: Box<Self>) -> Result<InputRead, Problem> {
        let parts = self.rows.parts();
        let warnings = self.rows.warnings();
        let mut open_pages = self.rows.open_pages().map(std::mem::take).unwrap_or_default();
        open_pages.are_in(&self.name);
        let warnings = warnings.into_iter().map(|warning| self.here(warning)).collect();
        let Self { rows, text, .. } = *self;
        drop(rows);
        let text = Arc::into_inner(text).and_then(|text| text.into_inner().ok());
        let read = text.map_or_else(|| Ok(InputRead::default()), Text::finish)?;
        Ok(InputRead { parts, warnings, open_pages, ..read })
    }
}
