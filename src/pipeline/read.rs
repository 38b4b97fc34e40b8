//! The first phase of a pass: all cores read, normalize and partition both sources.
//!
//! Whoever is free takes the next block of either source, parses it, and keeps its rows grouped by
//! partition. Taking a block is cheap and sequential; parsing is where the time goes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::Sender;

use crate::align::{BlockRows, Gathered, Partitioning, Partitions, SpillRoom};
use crate::diagnostic::Problem;
use crate::domain::progress::Unit;
use crate::domain::{Cells, PerSide, Progress, Rejection, RowRef, Side, key};
use crate::normalize::{Normalizer, Outcome, Reject};
use crate::source::{Block, BlockParser, Blocks, Opened, SourceDigest, Unusable};
use crate::store::RejectedRow;

use super::Plan;
use super::halt::{Halt, lock};
use super::tally::Tally;

/// Both sources, read.
pub(super) struct Read {
    /// The rows by partition.
    pub partitions: Partitions,
    /// What was read, filtered and rejected.
    pub tally: Tally,
    /// What the sources were.
    pub digests: PerSide<SourceDigest>,
    /// How many values of a field two of its formats read differently.
    pub ambiguous: PerSide<BTreeMap<String, u64>>,
}

/// A source while it is read.
struct Feed {
    blocks: Mutex<(Blocks, bool)>,
    parser: BlockParser,
}

impl Feed {
    fn next(&self) -> Result<Option<Block>, Problem> {
        let mut guard = lock(&self.blocks);
        if guard.1 {
            return Ok(None);
        }
        let block = guard.0.next_block()?;
        guard.1 = block.is_none();
        Ok(block)
    }

    fn finish(self) -> Result<SourceDigest, Problem> {
        self.blocks.into_inner().unwrap_or_else(PoisonError::into_inner).0.finish()
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
    progress.start("reading", opened.a.size() + opened.b.size(), Unit::Bytes);
    let feeds = opened.map(|_, opened| {
        let (blocks, parser) = opened.blocks();
        Feed { blocks: Mutex::new((blocks, false)), parser }
    });
    let workers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.options.threads)
            .map(|number| {
                let feeds = feeds.as_ref();
                let rejected = rejected.clone();
                scope.spawn(move || {
                    let preferred = if number % 2 == 0 { Side::A } else { Side::B };
                    let worker = Worker::new(plan, feeds, Gathered::new(how, room), rejected)?;
                    worker.run(preferred, halt, progress)
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| halt.guard(join(thread))).collect::<Vec<_>>()
    });
    halt.outcome()?;
    let digests = PerSide { a: feeds.a.finish()?, b: feeds.b.finish()? };
    let mut tally = Tally::default();
    let mut ambiguous: PerSide<BTreeMap<String, u64>> = PerSide::default();
    let mut gathered = Vec::new();
    for worker in workers {
        tally.add(&worker.tally);
        gathered.push(worker.gathered);
        for side in Side::BOTH {
            for (field, values) in &worker.ambiguous[side] {
                *ambiguous[side].entry(field.clone()).or_default() += values;
            }
        }
    }
    Ok(Read { partitions: Partitions::new(how, gathered), tally, digests, ambiguous })
}

/// What a thread brought back; its panic goes on here.
pub(super) fn join<T>(
    thread: std::thread::ScopedJoinHandle<'_, Result<T, Problem>>,
) -> Result<T, Problem> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What a worker brings back.
struct Harvest<'r> {
    gathered: Gathered<'r>,
    tally: Tally,
    ambiguous: PerSide<BTreeMap<String, u64>>,
}

struct Worker<'p, 'r> {
    plan: &'p Plan,
    feeds: PerSide<&'p Feed>,
    parsers: PerSide<BlockParser>,
    normalizers: PerSide<Normalizer>,
    rejected: Sender<Vec<RejectedRow>>,
    harvest: Harvest<'r>,
    /// The rows of the block at hand, and the cells of its row: reused, because fresh memory for each
    /// block costs more than parsing it.
    rows: BlockRows,
    cells: Vec<u8>,
}

impl<'p, 'r> Worker<'p, 'r> {
    fn new(
        plan: &'p Plan,
        feeds: PerSide<&'p Feed>,
        gathered: Gathered<'r>,
        rejected: Sender<Vec<RejectedRow>>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            plan,
            feeds,
            parsers: PerSide::of(|side| feeds[side].parser.clone()),
            normalizers: PerSide::try_of(|side| Normalizer::new(plan.normalize[side].clone()))?,
            rejected,
            harvest: Harvest { gathered, tally: Tally::default(), ambiguous: PerSide::default() },
            rows: BlockRows::default(),
            cells: Vec::new(),
        })
    }

    /// Takes blocks of the preferred source until there are none, then of the other.
    fn run(
        mut self,
        preferred: Side,
        halt: &Halt,
        progress: &dyn Progress,
    ) -> Result<Harvest<'r>, Problem> {
        for side in [preferred, preferred.other()] {
            while !halt.check(progress) {
                let Some(block) = self.feeds[side].next()? else { break };
                progress.advance(block.disk_bytes());
                self.block(side, &block)?;
            }
        }
        for side in Side::BOTH {
            for ambiguous in self.normalizers[side].ambiguities() {
                *self.harvest.ambiguous[side].entry(ambiguous.field).or_default() +=
                    ambiguous.values;
            }
        }
        Ok(self.harvest)
    }

    fn block(&mut self, side: Side, block: &Block) -> Result<(), Problem> {
        let key_len = self.plan.layout.key_len();
        let normalizer = &mut self.normalizers[side];
        let (mut read, mut filtered) = (0u64, 0u64);
        let mut rejected = Vec::new();
        let (rows, cells) = (&mut self.rows, &mut self.cells);
        rows.clear();
        self.parsers[side].parse(block, &mut |raw| {
            read += 1;
            let raw = match raw {
                Ok(raw) => raw,
                Err(unusable) => {
                    let Unusable { mut rejection, row } = unusable;
                    rejection.key = row.and_then(|raw| {
                        let key_cells = normalizer.key(&raw)?;
                        Some(push_rejected(rows, raw.line, raw.offset, &key_cells, key_len))
                    });
                    return rejected.push(reject(side, rejection));
                }
            };
            cells.clear();
            match normalizer.row(&raw, cells) {
                Outcome::Row => {
                    let hash = key::hash(Cells::new(cells), key_len);
                    rows.push(&RowRef::new(hash, raw.line, raw.offset, cells));
                }
                Outcome::Filtered => filtered += 1,
                Outcome::Rejected(reject_row) => {
                    let Reject { code, message, key_cells } = *reject_row;
                    let key = key_cells.map(|key_cells| {
                        push_rejected(rows, raw.line, raw.offset, &key_cells, key_len)
                    });
                    let text = Rejection::clip(raw.written());
                    let line = raw.line;
                    rejected.push(reject(side, Rejection { code, line, message, text, key }));
                }
            }
        });
        let books = &mut self.harvest.tally.books;
        books.read[side] += read;
        books.filtered[side] += filtered;
        books.rejected[side] += rejected.len() as u64;
        self.harvest.gathered.add(side, block.sequence(), rows)?;
        if !rejected.is_empty() {
            // The receiver is gone only when the run has been given up.
            let _ = self.rejected.send(rejected);
        }
        Ok(())
    }
}

fn reject(side: Side, rejection: Rejection) -> RejectedRow {
    RejectedRow {
        side,
        line: rejection.line,
        code: rejection.code.to_owned(),
        message: rejection.message,
        text: rejection.text,
        key: rejection.key,
    }
}

/// Adds the key of a rejected row to the rows, so that its partner is told, and gives it in words.
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
