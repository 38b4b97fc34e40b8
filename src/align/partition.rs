//! Partitions: rows sorted by the hash of their key, so that each part can be joined alone.
//!
//! A worker turns a block of a source into a [`PartitionedBlock`]: the rows of the block, grouped by
//! partition in one exact allocation. A partition is then the concatenation of its pieces in the
//! order of the blocks, which is the order of the lines, whatever thread parsed which block.

use crate::domain::RowRef;

/// The partition of a key hash among `1 << bits` partitions. The low bits are left to hash tables.
pub const fn partition_of(hash: u64, bits: u32) -> usize {
    if bits == 0 { 0 } else { (hash >> (64 - bits)) as usize }
}

/// The rows of one block, grouped by partition.
#[derive(Clone, Debug, Default)]
pub struct PartitionedBlock {
    /// The position of the block in its source.
    sequence: u64,
    bytes: Vec<u8>,
    /// Where each partition begins; one more entry ends the last.
    starts: Vec<u32>,
}

impl PartitionedBlock {
    /// Groups the rows that [`RowRef::push`] wrote to `rows`, in their order, by partition.
    pub fn group(sequence: u64, rows: &[u8], bits: u32) -> Self {
        let mut sizes = vec![0u32; 1 << bits];
        let mut rest = rows;
        while let Some((row, after)) = RowRef::read(rest) {
            sizes[partition_of(row.hash, bits)] += (rest.len() - after.len()) as u32;
            rest = after;
        }
        let mut starts = Vec::with_capacity(sizes.len() + 1);
        let mut start = 0;
        for size in sizes {
            starts.push(start);
            start += size;
        }
        starts.push(start);
        let mut bytes = vec![0u8; rows.len()];
        let mut ends = starts.clone();
        let mut rest = rows;
        while let Some((row, after)) = RowRef::read(rest) {
            let row_bytes = &rest[..rest.len() - after.len()];
            let end = &mut ends[partition_of(row.hash, bits)];
            let at = *end as usize;
            bytes[at..at + row_bytes.len()].copy_from_slice(row_bytes);
            *end += row_bytes.len() as u32;
            rest = after;
        }
        Self { sequence, bytes, starts }
    }

    /// The rows of one partition.
    fn partition(&self, index: usize) -> &[u8] {
        match (self.starts.get(index), self.starts.get(index + 1)) {
            (Some(start), Some(end)) => {
                self.bytes.get(*start as usize..*end as usize).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

/// All rows of one side.
#[derive(Debug, Default)]
pub struct Partitioned {
    blocks: Vec<PartitionedBlock>,
}

impl Partitioned {
    /// The blocks of one side, in any order.
    pub fn new(mut blocks: Vec<PartitionedBlock>) -> Self {
        blocks.sort_unstable_by_key(|block| block.sequence);
        Self { blocks }
    }

    /// The rows of one partition in the order of their lines, in `rows` (which is emptied first).
    pub fn rows<'a>(&'a self, index: usize, rows: &mut Vec<RowRef<'a>>) {
        rows.clear();
        for block in &self.blocks {
            let mut rest = block.partition(index);
            while let Some((row, after)) = RowRef::read(rest) {
                rows.push(row);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cell, Row};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_row_is_lost_and_lines_stay_in_order(keys in proptest::collection::vec(any::<i64>(), 0..200), bits in 0u32..5, cut in 0usize..200) {
            let rows: Vec<_> = keys.iter().enumerate().map(|(at, key)| Row {
                line: at as u64,
                ..Row::of([Cell::Integer((*key).into())])
            }).collect();
            let (first, second) = rows.split_at(cut.min(rows.len()));
            let block = |sequence, rows: &[Row]| {
                let mut bytes = Vec::new();
                rows.iter().for_each(|row| row.borrow(1).push(&mut bytes));
                PartitionedBlock::group(sequence, &bytes, bits)
            };
            let all = Partitioned::new(vec![block(1, second), block(0, first)]);
            let mut lines = Vec::new();
            let mut found = Vec::new();
            for index in 0..1 << bits {
                all.rows(index, &mut found);
                prop_assert!(found.is_sorted_by_key(|row| row.line));
                prop_assert!(found.iter().all(|row| partition_of(row.hash, bits) == index));
                lines.extend(found.iter().map(|row| row.line));
            }
            lines.sort_unstable();
            prop_assert_eq!(lines, (0..rows.len() as u64).collect::<Vec<_>>());
        }
    }
}
