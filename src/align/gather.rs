//! Rows on their way from the blocks of the sources to the partitions that are joined.
//!
//! Each worker collects the rows it parses; beyond its share of the memory, it writes them to a
//! temporary file. Together they become the [`Partitions`], each of which is taken once.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostic::Problem;
use crate::domain::dictionary::{Codes, NO_CODES};
use crate::domain::{Cells, PerSide, RowRef, Side, key};

use super::partition::{BlockRows, Piece, part_of};
use super::spill::{Extent, SpillFile, SpillRoom};

/// Partitioning of rows, and the memory limit.
#[derive(Clone, Copy, Debug)]
pub struct Partitioning {
    /// There are `1 << bits` partitions.
    pub bits: u32,
    /// The bytes of rows that one worker may keep.
    pub share: usize,
    /// A partition of more bytes is joined in parts.
    pub part_limit: u64,
    /// The records of so many neighboring partitions are written together.
    pub together: usize,
}

/// The bytes of input that one partition is meant to hold. Its rows are read in the order of their hashes, which is
/// no order in memory: they must lie in the cache that a core has for itself.
const PARTITION_BYTES: u64 = 384 << 10;

/// The bytes of input whose records are written together: a transaction for fewer costs more.
const WRITTEN_BYTES: u64 = 3 << 20;

/// However small the sources are, each thread gets so many parts of the work: partitions differ, and so do rows.
const PARTS_EACH: u64 = 4;

/// No part of the work has less input than this: about a thousand rows, for which a thread and a batch of their own pay.
const PART_BYTES: u64 = 128 << 10;

/// The most bits while rows stay in memory: beyond it, blocks would hold too few rows of each part.
const MAX_BITS: u32 = 10;

/// The most bits where rows are spilled.
const MAX_SPILLED_BITS: u32 = 13;

impl Partitioning {
    /// For sources of `size` bytes, read by `threads` threads within `memory_limit` bytes of
    /// memory.
    pub fn new(size: u64, threads: usize, memory_limit: u64) -> Self {
        let threads = threads.max(1) as u64;
        // Two fifths of the memory hold the rows; each thread gets an eighth of its share for its
        // results.
        let part_limit = (memory_limit / (16 * threads)).max(1 << 16);
        let parts = (size / PART_BYTES).clamp(1, PARTS_EACH * threads);
        let bits = (size / PARTITION_BYTES).max(parts).ilog2().min(MAX_BITS);
        let needed = (size / part_limit).max(1).ilog2() + 1;
        let bits =
            if size > memory_limit / 4 { bits.max(needed.min(MAX_SPILLED_BITS)) } else { bits };
        let share = memory_limit / 5 * 2 / threads;
        let together = WRITTEN_BYTES.min(part_limit) / (size >> bits).max(1);
        let together = together.min((1 << bits) / parts);
        Self {
            bits,
            share: usize::try_from(share).unwrap_or(usize::MAX),
            part_limit,
            together: usize::try_from(together).unwrap_or(1).clamp(1, 1 << bits),
        }
    }
}

/// The bits of [`Partitioning::fixed`].
pub const FIXED_BITS: u32 = 12;

impl Partitioning {
    /// The same partitions for every size, so that rows of many processes meet in them.
    pub fn fixed(threads: usize, memory_limit: u64) -> Self {
        Self { bits: FIXED_BITS, together: 1, ..Self::new(0, threads, memory_limit) }
    }
}

/// Blocks with this position and those after it come before the blocks of the sources.
pub const BEFORE: u64 = 1 << 63;

/// The bytes of a short row.
const ROW_BYTES: usize = 32;

/// The rows that one worker collected, by partition.
#[derive(Debug)]
pub struct Gathered<'r> {
    how: Partitioning,
    room: &'r SpillRoom,
    pieces: Vec<Vec<Piece>>,
    held: usize,
    extents: Vec<Vec<Extent>>,
    file: Option<SpillFile>,
}

impl<'r> Gathered<'r> {
    pub fn new(how: Partitioning, room: &'r SpillRoom) -> Self {
        let partitions = 1 << how.bits;
        Self {
            how,
            room,
            pieces: std::iter::repeat_with(Vec::new).take(partitions).collect(),
            held: 0,
            extents: std::iter::repeat_with(Vec::new).take(partitions).collect(),
            file: None,
        }
    }

    /// Adds the rows of the block with this position in its source.
    ///
    /// # Errors
    /// Temporary files can't be written.
    pub fn add(&mut self, side: Side, sequence: u64, rows: &BlockRows) -> Result<(), Problem> {
        for (pieces, bytes) in self.pieces.iter_mut().zip(rows.cut(self.how.bits)) {
            if !bytes.is_empty() {
                self.held += bytes.len() + size_of::<Piece>();
                pieces.push(Piece { side, sequence, bytes });
            }
        }
        if self.held > self.how.share { self.spill() } else { Ok(()) }
    }

    /// Adds rows of one partition as they were taken from another's; their order is not kept.
    ///
    /// # Errors
    /// Temporary files can't be written.
    pub fn add_taken(&mut self, side: Side, partition: usize, rows: &[u8]) -> Result<(), Problem> {
        let Some(pieces) = self.pieces.get_mut(partition) else { return Ok(()) };
        self.held += rows.len() + size_of::<Piece>();
        pieces.push(Piece { side, sequence: 0, bytes: rows.to_vec() });
        if self.held > self.how.share { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), Problem> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(SpillFile::create(self.room)?),
        };
        for (pieces, extents) in self.pieces.iter_mut().zip(&mut self.extents) {
            if !pieces.is_empty() {
                extents.push(file.write(&std::mem::take(pieces))?);
            }
        }
        self.held = 0;
        file.flush()
    }
}

/// The rows of one partition.
#[derive(Debug, Default)]
struct Partition {
    pieces: Vec<Piece>,
    extents: Vec<Extent>,
}

/// All rows of both sides, each partition to be taken once.
#[derive(Debug)]
pub struct Partitions {
    how: Partitioning,
    partitions: Vec<Mutex<Partition>>,
    /// What codes mean in the rows.
    codes: Arc<Codes>,
}

impl Partitions {
    /// Combines the workers' rows; all used the same `how`.
    pub fn new<'r>(how: Partitioning, gathered: impl IntoIterator<Item = Gathered<'r>>) -> Self {
        let mut partitions: Vec<Partition> =
            std::iter::repeat_with(Partition::default).take(1 << how.bits).collect();
        for worker in gathered {
            for (partition, pieces) in partitions.iter_mut().zip(worker.pieces) {
                partition.pieces.extend(pieces);
            }
            for (partition, extents) in partitions.iter_mut().zip(worker.extents) {
                partition.extents.extend(extents);
            }
        }
        let partitions = partitions.into_iter().map(Mutex::new).collect();
        Self { how, partitions, codes: Arc::default() }
    }

    /// The same of rows that have codes.
    #[must_use]
    pub fn with_codes(self, codes: Arc<Codes>) -> Self {
        Self { codes, ..self }
    }

    /// Adds the rows of another worker that used the same `how`.
    pub fn add(&mut self, gathered: Gathered<'_>) {
        for (partition, (pieces, extents)) in
            self.partitions.iter_mut().zip(gathered.pieces.into_iter().zip(gathered.extents))
        {
            let partition = partition.get_mut().unwrap_or_else(PoisonError::into_inner);
            partition.pieces.extend(pieces);
            partition.extents.extend(extents);
        }
    }

    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The records of so many neighboring partitions are written together.
    pub const fn together(&self) -> usize {
        self.how.together
    }

    /// Takes a partition out, so that its memory is free afterwards, and calls `each` with its rows, in
    /// parts if it is too large to be joined at once: rows of both sides in the order of their lines.
    /// Rows of one key are never in two parts, and every hash of a part is smaller than every hash of the
    /// next.
    ///
    /// # Errors
    /// Temporary files can't be read, or `each` failed.
    pub fn take(
        &self,
        index: usize,
        key_len: usize,
        each: impl FnMut(PerSide<&[RowRef<'_>]>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let Some(partition) = self.partitions.get(index) else { return Ok(()) };
        let taken = std::mem::take(&mut *partition.lock().unwrap_or_else(PoisonError::into_inner));
        self.parts(&taken, key_len, each)
    }

    /// The same, but the partition stays to be taken.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn look(
        &self,
        index: usize,
        key_len: usize,
        each: impl FnMut(PerSide<&[RowRef<'_>]>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let Some(partition) = self.partitions.get(index) else { return Ok(()) };
        let partition = partition.lock().unwrap_or_else(PoisonError::into_inner);
        self.parts(&partition, key_len, each)
    }

    fn parts(
        &self,
        partition: &Partition,
        key_len: usize,
        mut each: impl FnMut(PerSide<&[RowRef<'_>]>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let held: usize = partition.pieces.iter().map(|piece| piece.bytes.len()).sum();
        let spilled: u64 = partition.extents.iter().map(|extent| extent.length).sum();
        let parts = (held as u64 + spilled).div_ceil(self.how.part_limit.max(1)).max(1);
        // A partition is split only where that frees memory.
        let split = if spilled == 0 { 0 } else { parts.next_power_of_two().ilog2().min(16) };
        let skipped = self.how.bits;
        for part in 0..1usize << split {
            let mut loaded = Vec::new();
            for extent in &partition.extents {
                extent.read(|mut piece| {
                    if split > 0 {
                        keep_part(&mut piece.bytes, key_len, |hash| {
                            part_of(hash, skipped, split) == part
                        });
                    }
                    loaded.push(piece);
                })?;
            }
            let held = partition.pieces.iter().map(Cow::Borrowed);
            let mut pieces: Vec<Cow<'_, Piece>> =
                held.chain(loaded.into_iter().map(Cow::Owned)).collect();
            pieces.sort_unstable_by_key(|piece| piece.sequence.wrapping_sub(BEFORE));
            // Copying pieces fetches many lines of them at a time; reading their rows would wait for each. And what
            // is read in the order of hashes later lies close together.
            let mut together = PerSide::of(|side| {
                let pieces = pieces.iter().filter(|piece| piece.side == side);
                Vec::with_capacity(pieces.map(|piece| piece.bytes.len()).sum())
            });
            for piece in pieces {
                together[piece.side].extend_from_slice(&piece.bytes);
            }
            let rows = PerSide::of(|side| {
                let mut rest = together[side].as_slice();
                // Room for nearly all of them, as rows are seldom shorter.
                let mut rows = Vec::with_capacity((rest.len() / ROW_BYTES) >> split);
                while let Some((row, after)) = RowRef::read(rest, key_len, &self.codes) {
                    if split == 0 || part_of(row.hash, skipped, split) == part {
                        rows.push(row);
                    }
                    rest = after;
                }
                rows
            });
            each(PerSide { a: &rows.a, b: &rows.b })?;
        }
        Ok(())
    }
}

/// Keeps the rows whose key's hash is wanted.
fn keep_part(bytes: &mut Vec<u8>, key_len: usize, wanted: impl Fn(u64) -> bool) {
    let mut kept = Vec::new();
    let mut rest = bytes.as_slice();
    // Keys have no codes.
    while let Some((row, after)) = RowRef::read(rest, key_len, &NO_CODES) {
        if wanted(row.hash) {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    *bytes = kept;
}

/// A row's place among the partitions is decided by this hash of its key.
pub fn row_of(line: u64, offset: u64, cells: &[u8], key_len: usize) -> RowRef<'_> {
    RowRef::new(key::hash(Cells::new(cells), key_len), line, offset, cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cell, Row};
    use proptest::prelude::*;

    /// Lines and hashes by side, part by part, of keys that came in blocks of this size.
    fn parts(
        keys: &[u8],
        block: usize,
        how: Partitioning,
        workers: usize,
    ) -> Vec<PerSide<Vec<(u64, u64)>>> {
        let base = tempfile::tempdir().unwrap();
        let room = SpillRoom::new(base.path());
        let mut gathered: Vec<_> =
            std::iter::repeat_with(|| Gathered::new(how, &room)).take(workers).collect();
        let mut rows = BlockRows::default();
        // The later blocks come first: order is by sequence, not by arrival.
        for (sequence, block_keys) in keys.chunks(block).enumerate().rev() {
            for side in Side::BOTH {
                rows.clear();
                for (at, key) in block_keys.iter().enumerate() {
                    let line = (sequence * block + at) as u64;
                    let row = Row { line, ..Row::of([Cell::Integer((*key).into())]) };
                    rows.push(&row.borrow(1));
                }
                gathered[sequence % workers].add(side, sequence as u64, &rows).unwrap();
            }
        }
        let partitions = Partitions::new(how, gathered);
        let mut parts = Vec::new();
        for index in 0..partitions.len() {
            let keep = |rows: &[RowRef<'_>]| rows.iter().map(|r| (r.line, r.hash)).collect();
            let mut seen = 0;
            let look = |rows: PerSide<&[RowRef<'_>]>| {
                seen += rows.a.len() + rows.b.len();
                Ok(())
            };
            partitions.look(index, 1, look).unwrap();
            partitions
                .take(index, 1, |rows| {
                    seen -= rows.a.len() + rows.b.len();
                    parts.push(rows.map(|_, rows| keep(rows)));
                    Ok(())
                })
                .unwrap();
            assert_eq!(seen, 0);
        }
        parts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_row_is_lost_and_lines_stay_in_order(
            keys in proptest::collection::vec(any::<u8>(), 0..300),
            bits in 0u32..4,
            block in 1usize..50,
            share in 0usize..4_000,
            part_limit in 1u64..5_000,
            workers in 1usize..4,
        ) {
            let how = Partitioning { bits, share, part_limit, together: 1 };
            let parts = parts(&keys, block, how, workers);
            for side in Side::BOTH {
                let mut lines: Vec<_> =
                    parts.iter().flat_map(|part| part[side].iter().map(|(line, _)| *line)).collect();
                lines.sort_unstable();
                prop_assert_eq!(lines, (0..keys.len() as u64).collect::<Vec<_>>());
                prop_assert!(parts.iter().all(|part| part[side].is_sorted_by_key(|(line, _)| *line)));
            }
            let ranges: Vec<_> = parts.iter().filter_map(|part| {
                let hashes = || part.a.iter().chain(&part.b).map(|(_, hash)| *hash);
                Some((hashes().min()?, hashes().max()?))
            }).collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }

    #[test]
    fn memory_decides_how_rows_are_sorted_apart() {
        let small = Partitioning::new(200 << 20, 2, 4 << 30);
        assert_eq!((small.bits, small.share), (9, (4usize << 30) / 5 * 2 / 2));
        assert_eq!(small.together, 7);
        // All threads have work where there is some.
        for (size, parts) in [(100 << 10, 1), (1 << 20, 8), (8 << 20, 8), (100 << 20, 36)] {
            let how = Partitioning::new(size, 2, 4 << 30);
            assert_eq!((1 << how.bits) / how.together, parts, "{size}");
        }
        let many = Partitioning::new(100 << 20, 64, 4 << 30);
        assert_eq!((many.bits, many.together), (8, 1));
        let large = Partitioning::new(2 << 30, 2, 512 << 20);
        assert_eq!((large.bits, large.together), (10, 1));
        assert!(Partitioning::new(1 << 40, 2, 512 << 20).bits == MAX_SPILLED_BITS);
    }
}
