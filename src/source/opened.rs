//! A source whose header has been read: its columns are known, its rows are still to come.
//!
//! Several inputs are one source. They are opened one after the other, never at once; each maps the
//! source's columns by its own header.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::batch::BatchParser;
use super::blocks::Limits;
use super::columns::{ColumnMatch, find, unique_names};
use super::dialect::{Fields, Span};
use super::fill::{Carried, Fill, Filled};
use super::input::Input;
use super::kind::{Fault, OpenContext, Opening, Piece, Pieces, RawRow, RowParser, Unusable};
use super::statement::OpenPages;
use super::trailer::{FileCounts, Tally};
use super::{RawRecord, SourcePlan};
use crate::coding::hex;
use crate::diagnostic::{Code, Problem, nearest};
use crate::domain::place::{self, SourceFile};
use crate::domain::{RawCells as _, Rejection};

/// Size and digests of a source, so that an auditor can show that it is still the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDigest {
    /// The file; of several, as the configuration names them.
    pub path: PathBuf,
    /// The size on disk, in bytes.
    pub bytes: u64,
    /// The SHA-256 of these bytes, in lower-case hexadecimal digits. Of several inputs, that of their
    /// list as `sha256sum` writes it: digest, two spaces, name, line break.
    pub sha256: String,
    pub files: Vec<SourceFile>,
    pub warnings: Vec<Problem>,
}

impl SourceDigest {
    /// Of these inputs of the source called `name`.
    pub fn of(name: &Path, files: Vec<SourceFile>, warnings: Vec<Problem>) -> Self {
        let sha256 = match files.as_slice() {
            [one] => one.sha256.clone(),
            all => {
                let mut list = Sha256::new();
                for file in all {
                    list.update(format!("{}  {}\n", file.sha256, file.path));
                }
                hex(list.finalize())
            }
        };
        let path = match files.as_slice() {
            [one] => one.path.clone().into(),
            _ => name.to_owned(),
        };
        let bytes = files.iter().map(|file| file.bytes).sum();
        Self { path, bytes, sha256, files, warnings }
    }
}

pub struct Opened {
    plan: SourcePlan,
    wanted: Vec<String>,
    limits: Limits,
    columns: Arc<[String]>,
    size: u64,
    /// The first input, open; none if nothing is to be read.
    first: Option<(Input, Opening)>,
    rest: VecDeque<Input>,
    /// The number of the first input; none if rows come with their whole places.
    first_number: Option<u64>,
}

impl Opened {
    /// Opens the first input, and looks at the headers of the others.
    pub(super) fn open(
        plan: &SourcePlan,
        wanted: &[String],
        limits: Limits,
    ) -> Result<Self, Problem> {
        let mut inputs: VecDeque<Input> = plan.inputs.list()?.into();
        inputs.iter_mut().for_each(|input| input.is_digested = plan.is_digested);
        let Some(first) = inputs.pop_front() else {
            return Err(Problem::new(Code::NoFiles, "there is no file").in_file(plan.path()));
        };
        let ask = OpenContext { limits, wanted, alone: inputs.is_empty(), columns: None };
        let opening = plan.kind.open(&first, &ask)?;
        let mut opened = Self {
            columns: opening.columns.clone().into(),
            size: opening.size,
            plan: plan.clone(),
            wanted: wanted.to_vec(),
            limits,
            first: None,
            rest: inputs,
            first_number: Some(0),
        };
        for column in plan.summed_columns() {
            if plan.kind.has_header()
                && !matches!(find(&opened.columns, &column), ColumnMatch::At(_))
            {
                let message = format!("the trailer has a sum of `{column}`, which is no column");
                return Err(missing_column(message, &column, &opened.columns).in_file(&first.name));
            }
        }
        for input in &opened.rest {
            if opened.plan.kind.has_header() {
                let other = opened.open_next(input)?;
                opened.size += other.0.size;
            } else {
                opened.size += input.open()?.size;
            }
        }
        opened.first = Some((first, opening));
        Ok(opened)
    }

    /// The source without opening it: its columns are the wanted ones.
    pub(super) fn unread(plan: &SourcePlan, wanted: &[String]) -> Self {
        Self {
            plan: plan.clone(),
            wanted: wanted.to_vec(),
            limits: Limits::default(),
            columns: wanted.into(),
            size: 0,
            first: None,
            rest: VecDeque::new(),
            first_number: Some(0),
        }
    }

    /// One input of the source, by its number; the source has these columns.
    pub(super) fn one(
        plan: &SourcePlan,
        number: usize,
        columns: &[String],
        wanted: &[String],
    ) -> Result<Self, Problem> {
        let Some(input) = plan.inputs.list()?.into_iter().nth(number) else {
            let message = format!("the source has no input number {number} any more");
            return Err(Problem::new(Code::FileGone, message).in_file(plan.path()));
        };
        let mut opened = Self::unread(plan, wanted);
        opened.columns = columns.into();
        opened.first_number = Some(number as u64);
        let size = input.open()?.size;
        opened.size = size;
        opened.rest = VecDeque::from([input]);
        Ok(opened)
    }

    /// Rows of these columns that another program reads.
    pub(super) fn given(plan: &SourcePlan, columns: &[String], pieces: Box<dyn Pieces>) -> Self {
        let mut opened = Self::unread(plan, columns);
        let parser = Arc::new(BatchParser::new(columns));
        let columns = columns.to_vec();
        let opening = Opening { columns, size: 0, pieces, parser };
        opened.first = Some((Input::nothing(plan.path()), opening));
        opened.first_number = None;
        opened
    }

    /// The names of the columns as the file has them; with `header: false` the names that were
    /// given, or `#1`, `#2` and so on.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The bytes that the source has on disk; 0 if that is not known.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens another input, and says where it has the source's columns.
    fn open_next(&self, input: &Input) -> Result<(Opening, Option<Remap>), Problem> {
        let ask = OpenContext {
            limits: self.limits,
            wanted: &self.wanted,
            alone: false,
            columns: Some(&self.columns),
        };
        let opening = self.plan.kind.open(input, &ask)?;
        if opening.columns == *self.columns {
            return Ok((opening, None));
        }
        let own = unique_names(&opening.columns);
        let remap: Remap = unique_names(&self.columns)
            .iter()
            .map(|name| own.iter().position(|own| own == name))
            .collect();
        for wanted in &self.wanted {
            if let ColumnMatch::At(at) = find(&self.columns, wanted)
                && remap.get(at).copied().flatten().is_none()
            {
                let message = format!("this file has no column `{wanted}`");
                return Err(missing_column(message, wanted, &own).in_file(&input.name));
            }
        }
        Ok((opening, Some(remap)))
    }

    /// The rows: a sequential producer of blocks, and the parser for each worker.
    pub fn blocks(mut self) -> (Blocks, BlockParser) {
        let first = self.first.take();
        let mut blocks = Blocks {
            current: None,
            inputs: self.first_number,
            opened: self,
            sequence: 0,
            has_failed: false,
            disk_bytes: 0,
            read: Vec::new(),
            states: Vec::new(),
            warnings: Vec::new(),
            open_pages: OpenPages::default(),
        };
        if let Some((input, opening)) = first {
            blocks.begin(input, opening, None);
        }
        (blocks, BlockParser::default())
    }
}

/// For each column of the source, which one it is of an input.
type Remap = Vec<Option<usize>>;

/// The state that all pieces of an input share.
struct InputState {
    /// None if rows come with their whole places.
    number: Option<u64>,
    name: PathBuf,
    parser: Arc<dyn RowParser>,
    remap: Option<Remap>,
    rows: AtomicU64,
    trailer: Option<FileCounts>,
}

/// An input that is being read.
struct Current {
    name: PathBuf,
    pieces: Box<dyn Pieces>,
    state: Arc<InputState>,
    disk_bytes: u64,
    has_begun: bool,
}

/// Some whole rows of a source, one after the other.
pub struct Block {
    sequence: u64,
    is_first: bool,
    disk_bytes: u64,
    piece: Piece,
    state: Arc<InputState>,
}

impl Block {
    /// Its place among the blocks of its source, from 0.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    pub fn is_first_of_input(&self) -> bool {
        self.is_first
    }

    /// The input that its rows are of.
    pub fn input(&self) -> &Path {
        &self.state.name
    }

    /// How many bytes have been read from the disk since the block before: for progress.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Its text, in kinds that have one.
    #[cfg(test)]
    pub(super) fn text(&self) -> Option<&super::blocks::TextBlock> {
        match &self.piece {
            Piece::Text(text) => Some(text),
            Piece::Rows(_) => None,
        }
    }

    /// Its size in bytes, about.
    pub fn len(&self) -> usize {
        self.piece.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The blocks of a source, in order.
pub struct Blocks {
    opened: Opened,
    current: Option<Current>,
    /// The number of the next input.
    inputs: Option<u64>,
    sequence: u64,
    /// After an error nothing more is read, so that another thread reports no later error instead.
    has_failed: bool,
    /// Bytes that blocks have reported.
    disk_bytes: u64,
    read: Vec<SourceFile>,
    states: Vec<Arc<InputState>>,
    warnings: Vec<Problem>,
    open_pages: OpenPages,
}

impl Blocks {
    fn begin(&mut self, input: Input, opening: Opening, remap: Option<Remap>) {
        let state = Arc::new(InputState {
            number: self.inputs,
            name: input.name.clone(),
            parser: opening.parser,
            remap,
            rows: AtomicU64::new(0),
            trailer: {
                let trailer = self.opened.plan.trailer.as_ref();
                trailer.map(|trailer| FileCounts::new(trailer, &opening.columns))
            },
        });
        self.inputs = self.inputs.map(|number| number + 1);
        self.states.push(Arc::clone(&state));
        let mut pieces = opening.pieces;
        pieces.go_on_with(std::mem::take(&mut self.open_pages));
        self.current =
            Some(Current { name: input.name, pieces, state, disk_bytes: 0, has_begun: false });
    }

    /// Ends the input that is open, and opens the next; says whether there is one.
    fn advance(&mut self) -> Result<bool, Problem> {
        if let Some(current) = self.current.take() {
            let read = current.pieces.finish()?;
            self.warnings.extend(read.warnings);
            self.open_pages = read.open_pages;
            self.read.push(SourceFile {
                path: current.name.display().to_string(),
                bytes: read.bytes,
                sha256: read.sha256,
                rows: 0,
                parts: read.parts,
            });
        }
        let Some(input) = self.opened.rest.pop_front() else { return Ok(false) };
        let (opening, remap) = self.opened.open_next(&input)?;
        self.begin(input, opening, remap);
        Ok(true)
    }

    /// The next block; none at the end of the source.
    ///
    /// # Errors
    /// An input can't be read any further, or a record is so long that it can't be one.
    pub fn next_block(&mut self) -> Result<Option<Block>, Problem> {
        loop {
            if self.current.is_none() && self.read.is_empty() && !self.advance()? {
                return Ok(None);
            }
            let Some(current) = self.current.as_mut().filter(|_| !self.has_failed) else {
                return Ok(None);
            };
            let piece = match current.pieces.next() {
                Ok(piece) => piece,
                Err(problem) => {
                    self.has_failed = true;
                    return Err(problem);
                }
            };
            let read = current.pieces.disk_bytes();
            self.disk_bytes += read - current.disk_bytes;
            current.disk_bytes = read;
            if let Some(piece) = piece {
                let state = Arc::clone(&current.state);
                let disk_bytes = std::mem::take(&mut self.disk_bytes);
                let is_first = !std::mem::replace(&mut current.has_begun, true);
                let block = Block { sequence: self.sequence, is_first, disk_bytes, piece, state };
                self.sequence += 1;
                return Ok(Some(block));
            }
            // `finish` reads the rest of the last input, such as a footer.
            if self.opened.rest.is_empty() || !self.advance()? {
                return Ok(None);
            }
        }
    }

    /// The digest, once all blocks have been parsed. If some are left, the inputs are read to
    /// their end without looking at them.
    ///
    /// # Errors
    /// An input can't be read to its end, or was changed while it was read.
    pub fn finish(mut self) -> Result<SourceDigest, Problem> {
        while self.advance()? {}
        self.conclude()?;
        let plan = &self.opened.plan;
        let rest = plan.kind.prove_rest(std::mem::take(&mut self.open_pages));
        let placed = |problem: Problem| match &problem.place {
            Some(place) if place.file != Path::new("") => problem,
            _ => problem.in_file(plan.path()),
        };
        let rest = rest.map_err(placed)?;
        self.warnings.extend(rest.into_iter().map(placed));
        let mut files = self.read;
        for (file, state) in files.iter_mut().zip(&self.states) {
            file.rows = state.rows.load(Ordering::Relaxed);
        }
        Ok(SourceDigest::of(self.opened.plan.path(), files, self.warnings))
    }
}

impl Blocks {
    /// Asks every input whether it can be trusted, and refuses columns that no row of any had.
    fn conclude(&self) -> Result<(), Problem> {
        let mut missing: Option<Vec<String>> = None;
        for state in &self.states {
            let of_input = state.parser.conclude()?;
            if let Some(trailer) = &state.trailer {
                trailer.prove(&state.name)?;
            }
            match &mut missing {
                Some(missing) => missing.retain(|column| of_input.contains(column)),
                None => missing = Some(of_input),
            }
        }
        let missing = missing.unwrap_or_default();
        let has_rows = self.states.iter().any(|state| state.rows.load(Ordering::Relaxed) > 0);
        let Some(column) = missing.first().filter(|_| has_rows) else { return Ok(()) };
        let there = self.opened.columns.iter().filter(|name| !missing.contains(name));
        let there: Vec<String> = there.cloned().collect();
        let message = format!("no row has `{column}`");
        Err(missing_column(message, column, &there).in_file(self.opened.plan.path()))
    }
}

/// A column that the configuration names and the source lacks, with those that it has.
fn missing_column(message: String, column: &str, there: &[String]) -> Problem {
    Problem::new(Code::MissingColumn, message).help(
        match nearest(column, there.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("its columns are {}", there.join(", ")),
        },
    )
}

/// Turns blocks into rows. Each worker has its own.
#[derive(Clone, Debug, Default)]
pub struct BlockParser {
    fields: Fields,
    remapped: Vec<Span>,
}

impl BlockParser {
    /// Gives each row of the block, or why it is rejected, to `each`, in the order of the source.
    pub fn parse(&mut self, block: &Block, each: &mut dyn FnMut(Result<RawRow<'_>, Unusable<'_>>)) {
        let mut rows = 0;
        let mut tally = Tally::default();
        self.rows_with(block, Some(&mut tally), &mut |row, fault| {
            rows += 1;
            each(match fault {
                None => Ok(row),
                Some(Fault { code, message, known }) => Err(Unusable {
                    rejection: Rejection {
                        code,
                        line: row.line,
                        offset: row.offset,
                        message,
                        text: Rejection::clip(&row.written()),
                        key: None,
                    },
                    row: (known > 0).then(|| row.first(known)),
                }),
            });
        });
        block.state.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(trailer) = &block.state.trailer {
            trailer.add(tally);
        }
    }

    /// Gives each row of the block, also one that is rejected, after taking note of it for filling down.
    fn every_row(
        &mut self,
        block: &Block,
        fill: &Fill,
        carried: &mut Carried,
        mut each: impl FnMut(RawRow<'_>, &Carried),
    ) {
        self.rows(block, &mut |row, fault| {
            match fault {
                None => fill.note(&row, carried),
                Some(fault) => fill.note_rejected(Some(&row.first(fault.known)), carried),
            }
            each(row, carried);
        });
    }

    /// Takes note of the rows of the block for filling down.
    pub fn note(&mut self, block: &Block, fill: &Fill, carried: &mut Carried) {
        self.every_row(block, fill, carried, |_, _| {});
    }

    fn rows(&mut self, block: &Block, each: &mut dyn FnMut(RawRow<'_>, Option<Fault>)) {
        self.rows_with(block, None, each);
    }

    /// Gives each row that is data, and counts rows and trailers.
    fn rows_with(
        &mut self,
        block: &Block,
        mut tally: Option<&mut Tally>,
        each: &mut dyn FnMut(RawRow<'_>, Option<Fault>),
    ) {
        let Self { fields, remapped } = self;
        let state = &*block.state;
        state.parser.rows(&block.piece, fields, &mut |mut row, mut fault| {
            if let Some(number) = state.number {
                row.offset = place::in_input(number, row.offset);
            }
            if let Some(trailer) = &state.trailer {
                if let Some(tally) = &mut tally {
                    trailer.note(&row, tally);
                }
                if trailer.is_trailer(&row) {
                    return;
                }
            }
            let Some(remap) = &state.remap else { return each(row, fault) };
            let known = fault.as_ref().map_or(usize::MAX, |fault| fault.known);
            let span = |at: &Option<usize>| at.and_then(|at| row.spans.get(at)).copied();
            remapped.clear();
            remapped.extend(remap.iter().map(|at| span(at).unwrap_or(Span::NULL)));
            if let Some(fault) = &mut fault {
                let is_certain = |at: &Option<usize>| at.is_none_or(|at| at < known);
                fault.known = remap.iter().take_while(|at| is_certain(at)).count();
            }
            each(RawRow { spans: remapped, ..row }, fault);
        });
    }
}

/// The row at a place of the source, see [`super::read_record`].
pub(super) fn read_record(
    plan: &SourcePlan,
    file: &str,
    (line, offset): (u64, u64),
    columns: &[String],
    fill: &Fill,
) -> Result<Option<RawRecord>, Problem> {
    let inputs = plan.inputs.list()?;
    // The only file may have been moved; of several, one that is gone is not the one that is left.
    let only = inputs.len() == 1 && !plan.inputs.may_vary();
    let named = |input: &&Input| only || Path::new(file) == input.name;
    let Some(input) = inputs.iter().find(named) else {
        let message = format!("{file} is not one of the source's files any more");
        return Err(Problem::new(Code::FileGone, message));
    };
    let columns: Arc<[String]> = columns.into();
    let opened = Opened {
        plan: plan.clone(),
        wanted: Vec::new(),
        limits: Limits::default(),
        columns: Arc::clone(&columns),
        size: 0,
        first: None,
        rest: VecDeque::new(),
        first_number: Some(0),
    };
    let (opening, remap) = opened.open_next(input)?;
    let (mut blocks, mut parser) = opened.blocks();
    blocks.begin(input.clone(), opening, remap);
    let within = place::within(offset);
    let mut is_exact = false;
    let mut found = None;
    let mut carried = fill.begin();
    while let Some(block) = blocks.next_block()? {
        if let Piece::Text(text) = &block.piece {
            if text.first_line() > line {
                break;
            }
            // A value that is filled down may come from any row before.
            if line > text.first_line() + text.lines() && fill.is_empty() {
                continue;
            }
        }
        parser.every_row(&block, fill, &mut carried, |row, carried| {
            if is_exact {
                return;
            }
            // Several rows may stand on one line; where a file was written anew, its lines may be the same.
            is_exact = row.line == line && place::within(row.offset) == within;
            if is_exact || row.line == line && found.is_none() {
                let filled = Filled::new(&row, fill, carried);
                let text = |at| {
                    let text = String::from_utf8_lossy(filled.cell(at)).into_owned();
                    (!filled.is_null(at)).then_some(text)
                };
                found = Some((0..filled.len()).map(text).collect());
            }
        });
        if is_exact {
            break;
        }
    }
    Ok(found.map(|cells| RawRecord { columns: columns.to_vec(), cells }))
}
