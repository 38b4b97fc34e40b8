//! A source whose header has been read: its columns are known, its rows are still to come.

use std::sync::Arc;

use super::RawRecord;
use super::blocks::{Blocks, Limits, Window};
use super::csv::{CsvPlan, Header};
use super::dialect::{Fields, PieceKind};
use super::fill::{Fill, Filled};
use super::parse::BlockParser;
use crate::diagnostic::{Code, Place, Problem};
use crate::domain::RawCells;

/// An open source.
pub struct Opened {
    plan: Arc<CsvPlan>,
    columns: Arc<[String]>,
    header_line: u64,
    size: u64,
    window: Window,
}

impl Opened {
    pub(super) fn open(plan: &CsvPlan, limits: Limits) -> Result<Self, Problem> {
        let plan = Arc::new(plan.clone());
        let mut window = Window::open(&plan, limits)?;
        for _ in 0..plan.skip_rows {
            if !window.skip_line()? {
                break;
            }
        }
        let first = loop {
            match window.piece()? {
                Some(piece) if matches!(piece.kind, PieceKind::Blank | PieceKind::Comment) => {
                    window.consume(piece.next);
                }
                first => break first,
            }
        };
        let header_line = window.line();
        let columns = match (&plan.header, first) {
            (Header::Named(names), _) => names.clone(),
            (_, None) => return Err(no_header(&plan)),
            (header, Some(piece)) => {
                let place = Place { line: header_line, ..Place::default() };
                let wrong = match piece.kind {
                    PieceKind::Unclosed => "a quote is opened in the first row and never closed",
                    PieceKind::Stray if plan.header == Header::FirstRow => {
                        "text follows a closing quote in the header"
                    }
                    _ => "",
                };
                if !wrong.is_empty() {
                    return Err(bad_header(&plan, place, wrong));
                }
                let mut fields = Fields::default();
                plan.dialect.piece_with_fields(window.text(), &mut fields);
                if *header == Header::Numbered {
                    (1..=fields.spans.len()).map(|number| format!("#{number}")).collect()
                } else {
                    let mut names = Vec::with_capacity(fields.spans.len());
                    for (at, span) in fields.spans.iter().enumerate() {
                        match std::str::from_utf8(span.of(window.text(), &fields.scratch)) {
                            Ok(name) if !name.contains('\0') => names.push(name.to_owned()),
                            _ => return Err(undecodable(&plan, place, at + 1)),
                        }
                    }
                    window.consume(piece.next);
                    names
                }
            }
        };
        let size = window.size();
        Ok(Self { plan, columns: columns.into(), header_line, size, window })
    }

    /// The names of the columns as the file has them; with `header: false` the names that were
    /// given, or `#1`, `#2` and so on.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The line of the header; where there is none, of the first row.
    pub fn header_line(&self) -> u64 {
        self.header_line
    }

    /// The bytes that the file has on disk; 0 if that is not known.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The rows: a sequential producer of blocks, and what each worker parses them with.
    pub fn blocks(self) -> (Blocks, BlockParser) {
        (Blocks::new(self.window), BlockParser::new(&self.plan, self.columns))
    }
}

/// The record that begins on line `line` of the file, see [`super::read_record`].
pub(super) fn read_record(
    plan: &CsvPlan,
    line: u64,
    fill: &Fill,
) -> Result<Option<RawRecord>, Problem> {
    let opened = Opened::open(plan, Limits::default())?;
    let columns = opened.columns().to_vec();
    let (mut blocks, mut parser) = opened.blocks();
    let mut carried = fill.begin();
    while let Some(block) = blocks.next_block()? {
        if block.first_line() > line {
            break;
        }
        // What is filled down may come from any row before.
        if line > block.first_line() + block.lines() && fill.is_empty() {
            continue;
        }
        let mut cells = None;
        parser.every_row(&block, |row, known| {
            if row.line > line {
                return;
            }
            fill.note(Some(&known), &mut carried);
            if row.line == line {
                let filled = Filled::new(&row, fill, &carried);
                let text = |at| String::from_utf8_lossy(filled.cell(at)).into_owned();
                cells = Some((0..row.len()).map(text).collect());
            }
        });
        if let Some(cells) = cells {
            return Ok(Some(RawRecord { columns, cells }));
        }
    }
    Ok(None)
}

fn no_header(plan: &CsvPlan) -> Problem {
    let problem = if plan.header == Header::FirstRow {
        Problem::new(Code::NoHeader, "the file has no header row")
            .help("if it has none by design, set `header: false`")
    } else {
        Problem::new(Code::NoHeader, "the file has no rows, so its columns cannot be counted")
            .help("name them with `columns: […]`")
    };
    problem.in_file(&plan.path)
}

fn bad_header(plan: &CsvPlan, place: Place, message: impl Into<String>) -> Problem {
    Problem::new(Code::BadHeader, message)
        .at(Place { file: plan.path.clone(), ..place })
        .help("check `quote` and `delimiter`")
}

fn undecodable(plan: &CsvPlan, place: Place, column: usize) -> Problem {
    let encoding = plan.encoding.name();
    bad_header(plan, place, format!("the name of column {column} is not text in {encoding}"))
        .help("set `encoding:` to that of the file, such as windows-1252 or utf-16le")
}
