//! Exact whole numbers: 128 bits where a block's values fit, 512 bits where they don't.

use std::fmt::Debug;
use std::ops::{Add, Neg, Sub};

use bnum::types::I512;

/// A whole number in which a block is solved. Nothing rounds.
pub(super) trait Exact:
    Copy + Debug + Default + Ord + Add<Output = Self> + Sub<Output = Self> + Neg<Output = Self>
{
    /// The number, if it fits with room for sums of millions of them.
    fn of(value: I512) -> Option<Self>;

    fn wide(self) -> I512;

    /// The next number below that is a multiple, or the number itself.
    fn whole(self, of: u32) -> Self;

    fn distance(self, other: Self) -> Self {
        if self < other { other - self } else { self - other }
    }
}

/// Beyond this, sums could overflow 128 bits.
const ROOM: i128 = 1 << 100;

impl Exact for i128 {
    fn of(value: I512) -> Option<Self> {
        Self::try_from(value).ok().filter(|value| (-ROOM..=ROOM).contains(value))
    }

    fn wide(self) -> I512 {
        I512::from(self)
    }

    fn whole(self, of: u32) -> Self {
        self - self.rem_euclid(of.into())
    }
}

impl Exact for I512 {
    fn of(value: I512) -> Option<Self> {
        Some(value)
    }

    fn wide(self) -> I512 {
        self
    }

    fn whole(self, of: u32) -> Self {
        self - self.rem_euclid(I512::from(of))
    }
}

/// The cost of a pair: an ordered group, so sums compare as their terms do.
pub(super) trait Cost: Clone + Debug + Ord {
    fn plus(&self, other: &Self) -> Self;
    fn minus(&self, other: &Self) -> Self;
}

impl Cost for i128 {
    fn plus(&self, other: &Self) -> Self {
        self + other
    }

    fn minus(&self, other: &Self) -> Self {
        self - other
    }
}

/// Costs by rank: the first component decides, then the second, and so on.
impl<N: Exact> Cost for Vec<N> {
    fn plus(&self, other: &Self) -> Self {
        self.iter().zip(other).map(|(left, right)| *left + *right).collect()
    }

    fn minus(&self, other: &Self) -> Self {
        self.iter().zip(other).map(|(left, right)| *left - *right).collect()
    }
}

/// Steps of search that are left. A count, never a time, so that every machine finds the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort(u64);

impl Effort {
    pub const fn new(steps: u64) -> Self {
        Self(steps)
    }

    /// Takes steps; `false` when they are used up.
    pub const fn spend(&mut self, steps: u64) -> bool {
        if self.0 < steps {
            self.0 = 0;
            return false;
        }
        self.0 -= steps;
        self.0 > 0
    }

    /// Does some work with an equal share of the remaining effort; effort not used is left to the others.
    pub fn share<T>(&mut self, among: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        let share = (self.0 / among.max(1) as u64).max(1);
        let mut own = Self(share);
        let result = work(&mut own);
        self.0 = self.0.saturating_sub(share - own.0);
        result
    }

    pub const fn is_gone(self) -> bool {
        self.0 == 0
    }

    pub const fn left(self) -> u64 {
        self.0
    }
}
