//! The first phase of a pass: all cores read, normalize and partition both sources.
//!
//! A free worker takes the next block of either source, parses it, and groups its rows by
//! partition. Taking a block is cheap and sequential; parsing takes the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;

use crate::align::{BlockRows, Gathered, Partitioning, Partitions, SpillRoom};
use crate::diagnostic::Problem;
use crate::domain::dictionary::Dictionary;
use crate::domain::place;
use crate::domain::progress::Unit;
use crate::domain::{Cells, PerSide, Progress, RawCells, Rejection, RowRef, Side, key};
use crate::normalize::{DoubtfulValues, Normalizer, Reject, RowResult};
use crate::script::ScriptError;
use crate::source::{
    Block, BlockParser, Blocks, Carried, Fill, Filled, Opened, RawRow, SourceDigest, Unusable,
};
use crate::store::RejectedRow;
use crate::threads;

use super::Plan;
use super::halt::{Halt, lock};
use super::tally::Tally;

pub(super) struct Read {
    pub partitions: Partitions,
    /// Counts of rows read, filtered and rejected.
    pub tally: Tally,
    pub digests: PerSide<SourceDigest>,
    /// Values that could be read in two ways: their number by field and kind of doubt, with an
    /// example.
    pub doubtful: PerSide<DoubtfulFields>,
}

/// By field and kind of doubt, the number of values and an example.
pub(super) type DoubtfulFields = BTreeMap<(String, u8), (u64, String)>;

pub(super) fn add_doubtful(
    all: &mut DoubtfulFields,
    key: (String, u8),
    values: u64,
    example: String,
) {
    let entry = all.entry(key).or_insert_with(|| (0, example.clone()));
    entry.0 += values;
    if example < entry.1 {
        entry.1 = example;
    }
}

/// A source while it is read.
struct Feed<'p> {
    sequence: Mutex<Sequence<'p>>,
    parser: BlockParser,
}

/// State that only one thread at a time may use.
struct Sequence<'p> {
    blocks: Blocks,
    is_done: bool,
    fill: Option<FillingDown<'p>>,
}

/// Filling down needs the values of earlier blocks, so blocks are scanned in order.
struct FillingDown<'p> {
    fill: &'p Fill,
    parser: BlockParser,
    carried: Carried,
}

/// The columns to fill down in a block, and the values that earlier blocks left in them.
type FilledDown<'p> = Option<(&'p Fill, Carried)>;

impl<'p> Feed<'p> {
    fn new(opened: Opened, fill: &'p Fill) -> Self {
        let (blocks, parser) = opened.blocks();
        let fill = (!fill.is_empty()).then(|| FillingDown {
            fill,
            parser: parser.clone(),
            carried: fill.begin(),
        });
        Self { sequence: Mutex::new(Sequence { blocks, is_done: false, fill }), parser }
    }

    /// The next block, with the values to fill down into it, if any.
    fn next(&self) -> Result<Option<(Block, FilledDown<'p>)>, Problem> {
        let mut sequence = lock(&self.sequence);
        if sequence.is_done {
            return Ok(None);
        }
        let Some(block) = sequence.blocks.next_block()? else {
            sequence.is_done = true;
            return Ok(None);
        };
        let carried = sequence.fill.as_mut().map(|filling| {
            if block.is_first_of_input() {
                filling.carried = filling.fill.begin();
            }
            let before = filling.carried.clone();
            filling.parser.note(&block, filling.fill, &mut filling.carried);
            (filling.fill, before)
        });
        Ok(Some((block, carried)))
    }

    fn finish(self) -> Result<SourceDigest, Problem> {
        self.sequence.into_inner().unwrap_or_else(PoisonError::into_inner).blocks.finish()
    }
}

/// Reads both sources into partitions. Rejected rows go to `rejected` as they occur.
pub(super) fn read(
    plan: &Plan,
    opened: PerSide<Opened>,
    (how, room): (Partitioning, &SpillRoom),
    halt: &Halt,
    rejected: &Sender<Vec<RejectedRow>>,
    progress: &dyn Progress,
) -> Result<Read, Problem> {
    threads::room_for(plan.options.threads)?;
    progress.start("reading", opened.a.size() + opened.b.size(), Unit::Bytes);
    let feeds = opened.map(|side, opened| Feed::new(opened, &plan.fill[side]));
    let dictionary = Arc::default();
    let workers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.options.threads)
            .filter_map(|number| {
                let feeds = feeds.as_ref();
                let (rejected, dictionary) = (rejected.clone(), &dictionary);
                let started = threads::start(scope, move || {
                    let preferred = if number % 2 == 0 { Side::A } else { Side::B };
                    let gathered = Gathered::new(how, room);
                    let worker = Worker::new(plan, feeds, gathered, dictionary, rejected)?;
                    // Stop the other threads now, not when this one is joined.
                    let stop = |problem: &Problem| halt.stop(problem.clone());
                    worker.run(preferred, halt, progress).inspect_err(stop)
                });
                halt.guard(started)
            })
            .collect();
        threads.into_iter().filter_map(|thread| halt.guard(join(thread))).collect::<Vec<_>>()
    });
    halt.outcome()?;
    let digests = PerSide { a: feeds.a.finish()?, b: feeds.b.finish()? };
    let mut tally = Tally::default();
    let mut doubtful: PerSide<DoubtfulFields> = PerSide::default();
    let mut gathered = Vec::new();
    for worker in workers {
        tally.add(&worker.tally);
        gathered.push(worker.gathered);
        for side in Side::BOTH {
            for (key, (values, example)) in &worker.doubtful[side] {
                add_doubtful(&mut doubtful[side], key.clone(), *values, example.clone());
            }
        }
    }
    let partitions = Partitions::new(how, gathered).with_codes(dictionary.finish());
    Ok(Read { partitions, tally, digests, doubtful })
}

/// A thread's result; its panic continues here.
pub(super) fn join<T>(
    thread: std::thread::ScopedJoinHandle<'_, Result<T, Problem>>,
) -> Result<T, Problem> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

struct WorkerResult<'r> {
    gathered: Gathered<'r>,
    tally: Tally,
    doubtful: PerSide<DoubtfulFields>,
}

struct Worker<'p, 'f, 'r> {
    plan: &'p Plan,
    feeds: PerSide<&'f Feed<'p>>,
    parsers: PerSide<BlockParser>,
    normalizers: PerSide<Normalizer>,
    rejected: Sender<Vec<RejectedRow>>,
    result: WorkerResult<'r>,
    /// Reused, because fresh memory for each block costs more than parsing it.
    rows: BlockRows,
    cells: Vec<u8>,
}

impl<'p, 'f, 'r> Worker<'p, 'f, 'r> {
    fn new(
        plan: &'p Plan,
        feeds: PerSide<&'f Feed<'p>>,
        gathered: Gathered<'r>,
        dictionary: &Arc<Dictionary>,
        rejected: Sender<Vec<RejectedRow>>,
    ) -> Result<Self, Problem> {
        let normalizer = |side: Side| -> Result<Normalizer, Problem> {
            let mut normalizer = Normalizer::new(plan.normalize[side].clone())?;
            normalizer.encode_with(dictionary, plan.layout.spread_len());
            Ok(normalizer)
        };
        Ok(Self {
            plan,
            feeds,
            parsers: PerSide::of(|side| feeds[side].parser.clone()),
            normalizers: PerSide::try_of(normalizer)?,
            rejected,
            result: WorkerResult {
                gathered,
                tally: Tally::default(),
                doubtful: PerSide::default(),
            },
            rows: BlockRows::default(),
            cells: Vec::new(),
        })
    }

    /// Takes blocks of the preferred source until it is exhausted, then of the other.
    fn run(
        mut self,
        preferred: Side,
        halt: &Halt,
        progress: &dyn Progress,
    ) -> Result<WorkerResult<'r>, Problem> {
        for side in [preferred, preferred.other()] {
            while !halt.check(progress) {
                let Some((block, carried)) = self.feeds[side].next()? else { break };
                progress.advance(block.disk_bytes());
                self.block(side, &block, carried)?;
            }
        }
        for side in Side::BOTH {
            for found in self.normalizers[side].doubtful_values() {
                let DoubtfulValues { field, doubt, values, example } = found;
                let all = &mut self.result.doubtful[side];
                add_doubtful(all, (field, doubt.bits()), values, example);
            }
        }
        Ok(self.result)
    }

    fn block(&mut self, side: Side, block: &Block, carried: FilledDown<'_>) -> Result<(), Problem> {
        let key_len = self.plan.layout.spread_len();
        self.rows.clear();
        let mut taker = Taker {
            side,
            key_len,
            normalizer: &mut self.normalizers[side],
            rows: &mut self.rows,
            cells: &mut self.cells,
            read: 0,
            filtered: 0,
            rejected: Vec::new(),
            ran_out: None,
        };
        let parser = &mut self.parsers[side];
        match carried {
            None => parser.parse(block, &mut |raw| match raw {
                Ok(raw) => taker.take(&raw, &raw),
                Err(unusable) => taker.refuse(&unusable, unusable.row.as_ref()),
            }),
            Some((fill, mut carried)) => parser.parse(block, &mut |raw| match raw {
                Ok(raw) => {
                    fill.note(&raw, &mut carried);
                    taker.take(&raw, &Filled::new(&raw, fill, &carried));
                }
                Err(unusable) => {
                    let raw = unusable.row.as_ref();
                    fill.note_rejected(raw, &mut carried);
                    let filled = raw.map(|raw| Filled::new(raw, fill, &carried));
                    taker.refuse(&unusable, filled.as_ref());
                }
            }),
        }
        let Taker { read, filtered, rejected, ran_out, .. } = taker;
        if let Some((line, error)) = ran_out {
            let source = &self.plan.sources[side];
            let line = place::line_words(source.unit(), line);
            let row = format!("{line} of {}", block.input().display());
            let subject = match &error.subject {
                Some(value) => format!("{value} on {row}"),
                None => row,
            };
            return Err(ScriptError { subject: Some(subject.into()), ..error }.into());
        }
        let books = &mut self.result.tally.books;
        books.read[side] += read;
        books.filtered[side] += filtered;
        books.rejected[side] += rejected.len() as u64;
        let hiding = rejected.iter().filter(|row| hides_rows(row)).count();
        books.rejected_without_key[side] += hiding as u64;
        self.result.gathered.add(side, block.sequence(), &self.rows)?;
        if !rejected.is_empty() {
            // The receiver is gone only if the run was abandoned.
            let _ = self.rejected.send(rejected);
        }
        Ok(())
    }
}

struct Taker<'w> {
    side: Side,
    key_len: usize,
    normalizer: &'w mut Normalizer,
    rows: &'w mut BlockRows,
    cells: &'w mut Vec<u8>,
    read: u64,
    filtered: u64,
    rejected: Vec<RejectedRow>,
    /// A script call that hit its limits, and the line of its row; no further rows are taken.
    ran_out: Option<(u64, ScriptError)>,
}

impl Taker<'_> {
    /// Takes a row with the cells `raw`; its position and text are those of `row`.
    fn take<R: RawCells>(&mut self, row: &RawRow<'_>, raw: &R) {
        if self.ran_out.is_some() {
            return;
        }
        self.read += 1;
        self.cells.clear();
        match self.normalizer.row(raw, self.cells) {
            RowResult::Row => {
                let hash = key::hash(Cells::new(self.cells), self.key_len);
                self.rows.push(&RowRef::new(hash, row.line, row.offset, self.cells));
            }
            RowResult::Filtered => self.filtered += 1,
            RowResult::Rejected(reject_row) => {
                let Reject { code, message, key_cells } = *reject_row;
                let key = key_cells.map(|key_cells| {
                    push_rejected(self.rows, row.line, row.offset, &key_cells, self.key_len)
                });
                let text = Rejection::clip(&row.written());
                let (line, offset) = (row.line, row.offset);
                let rejection = Rejection { code, line, offset, message, text, key };
                self.rejected.push(reject(self.side, rejection));
            }
        }
        self.ran_out = self.normalizer.ran_out().map(|error| (row.line, error));
    }

    /// Takes an unreadable row, of which `raw` has the cells that are certain. A row that is
    /// unreadable only because of its width may still be no data.
    fn refuse<R: RawCells>(&mut self, unusable: &Unusable<'_>, raw: Option<&R>) {
        if self.ran_out.is_some() {
            return;
        }
        self.book(unusable, raw);
        self.ran_out = self.normalizer.ran_out().map(|error| (unusable.rejection.line, error));
    }

    /// Counts such a row as filtered or rejected.
    fn book<R: RawCells>(&mut self, unusable: &Unusable<'_>, raw: Option<&R>) {
        self.read += 1;
        if unusable.is_ragged() && raw.is_some_and(|raw| self.normalizer.leaves_out(raw)) {
            self.filtered += 1;
            return;
        }
        let mut rejection = unusable.rejection.clone();
        rejection.key = raw.zip(unusable.row).and_then(|(raw, row)| {
            let key_cells = self.normalizer.key(raw)?;
            Some(push_rejected(self.rows, row.line, row.offset, &key_cells, self.key_len))
        });
        self.rejected.push(reject(self.side, rejection));
    }
}

/// True if a rejected row could be the partner of any row of the other side: its key is unknown, or it spans several
/// lines that may be rows swallowed by an unclosed quote.
fn hides_rows(row: &RejectedRow) -> bool {
    row.key.is_none() || row.text.trim_end_matches(['\n', '\r']).contains(['\n', '\r'])
}

fn reject(side: Side, rejection: Rejection) -> RejectedRow {
    RejectedRow {
        side,
        line: rejection.line,
        offset: rejection.offset,
        code: rejection.code.name().to_owned(),
        message: rejection.message,
        text: rejection.text,
        key: rejection.key,
    }
}

/// Adds the key of a rejected row to the rows, so that its partner is marked, and returns it as
/// text.
fn push_rejected(
    rows: &mut BlockRows,
    line: u64,
    offset: u64,
    key_cells: &[u8],
    key_len: usize,
) -> String {
    let cells = Cells::new(key_cells);
    let mut row = RowRef::new(key::hash(cells, key_len), line, offset, key_cells);
    row.rejected = true;
    rows.push(&row);
    key::reference(cells, key_len)
}
