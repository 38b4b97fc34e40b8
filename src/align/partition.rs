//! Partitions: rows sorted apart by the hash of their key, so that each part can be joined alone.
//!
//! A worker splits the rows of a block of a source into [`Piece`]s, one for each partition. A
//! partition is its pieces in the order of the blocks, which is the order of the lines, whichever
//! thread parsed a block. Records are ordered by the hash of their key, so the result does not
//! depend on the number of partitions or on splitting one again.

use crate::domain::{RowRef, Side};

/// The partition of a key hash among `1 << bits`, after the first `skipped` bits, which chose a
/// larger partition.
pub const fn part_of(hash: u64, skipped: u32, bits: u32) -> usize {
    if bits == 0 { 0 } else { (hash << skipped >> (64 - bits)) as usize }
}

/// The rows of one block, with their hashes. Meant to be used again for the next block.
#[derive(Clone, Debug, Default)]
pub struct BlockRows {
    bytes: Vec<u8>,
    /// Hash and end of each row.
    index: Vec<(u64, u32)>,
}

impl BlockRows {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    #[inline]
    pub fn push(&mut self, row: &RowRef<'_>) {
        row.push(&mut self.bytes);
        // A block is far smaller than 4 GiB.
        self.index.push((row.hash, u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)));
    }

    /// The rows of each of `1 << bits` partitions, in one exact allocation each.
    pub(super) fn cut(&self, bits: u32) -> Vec<Vec<u8>> {
        let mut sizes = vec![0usize; 1 << bits];
        let mut start = 0;
        for (hash, end) in &self.index {
            sizes[part_of(*hash, 0, bits)] += (end - start) as usize;
            start = *end;
        }
        let mut parts: Vec<_> = sizes.into_iter().map(Vec::with_capacity).collect();
        let mut start = 0;
        for (hash, end) in &self.index {
            let row = &self.bytes[start as usize..*end as usize];
            parts[part_of(*hash, 0, bits)].extend_from_slice(row);
            start = *end;
        }
        parts
    }
}

/// The rows that one block has of one partition.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Side of the rows, and the position of their block in its source.
    pub side: Side,
    pub sequence: u64,
    pub bytes: Vec<u8>,
}
