//! Random draws with the same stream on every machine and in every version.
//!
//! ChaCha is fully specified, and every number here is made from its words by integer arithmetic
//! only: no floats, and no library distribution that may change.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::noise::Rate;

pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of a block under `seed`. Each block has its own, so that it does not matter which
    /// thread makes which.
    pub fn of_block(seed: u64, block: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(bytes);
        generator.set_stream(block);
        Self(generator)
    }

    /// A number in `0..limit`; 0 if `limit` is 0. The bias of at most limit / 2^32 is negligible
    /// for noise.
    pub fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(limit)) >> 32) as u32
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `percent` of 100 draws.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    pub fn at(&mut self, rate: Rate) -> bool {
        self.below(Rate::WHOLE) < rate.millionths()
    }

    /// 1 or −1.
    pub fn sign(&mut self) -> i64 {
        if self.below(2) == 0 { 1 } else { -1 }
    }

    /// One of `choices`; `fallback` only if there are none.
    pub fn one_of<'a, T: ?Sized>(&mut self, choices: &[&'a T], fallback: &'a T) -> &'a T {
        let at = self.below(u32::try_from(choices.len()).unwrap_or(u32::MAX)) as usize;
        choices.get(at).copied().unwrap_or(fallback)
    }

    pub fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(u32::try_from(last + 1).unwrap_or(u32::MAX)) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_streams_of_their_own() {
        let first = Draw::of_block(7, 0).bytes();
        assert_eq!(first, Draw::of_block(7, 0).bytes());
        assert_ne!(first, Draw::of_block(7, 1).bytes());
        assert_ne!(first, Draw::of_block(8, 0).bytes());
    }

    #[test]
    fn draws_reach_both_ends_and_not_beyond() {
        let mut draw = Draw::of_block(1, 0);
        let seen: std::collections::BTreeSet<u32> = (0..200).map(|_| draw.between(3, 5)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(draw.below(0), 0);
    }
}
