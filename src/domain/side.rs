//! The two sides of a reconciliation.

use std::fmt;
use std::ops::{Index, IndexMut};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Side {
    A,
    B,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `a` or `b`, as `recon.yaml` and the summary spell it.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// `A` or `B`, as tables and messages spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PerSide<T> {
    pub a: T,
    pub b: T,
}

impl<T> PerSide<T> {
    /// Makes the thing for each side, A first.
    pub fn of(mut make: impl FnMut(Side) -> T) -> Self {
        Self { a: make(Side::A), b: make(Side::B) }
    }

    /// Makes the thing for each side, A first; the first failure ends it.
    pub fn try_of<E>(mut make: impl FnMut(Side) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { a: make(Side::A)?, b: make(Side::B)? })
    }

    /// Like [`Self::try_of`], with B made on another thread. A's failure is reported first.
    pub fn try_of_both<E: Send>(make: impl Fn(Side) -> Result<T, E> + Sync) -> Result<Self, E>
    where
        T: Send,
    {
        std::thread::scope(|scope| {
            let b = scope.spawn(|| make(Side::B));
            let a = make(Side::A);
            let b = b.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(Self { a: a?, b: b? })
        })
    }

    /// Maps both sides, A first.
    pub fn map<U>(self, mut make: impl FnMut(Side, T) -> U) -> PerSide<U> {
        PerSide { a: make(Side::A, self.a), b: make(Side::B, self.b) }
    }

    pub const fn as_ref(&self) -> PerSide<&T> {
        PerSide { a: &self.a, b: &self.b }
    }
}

impl<T> Index<Side> for PerSide<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }
}

impl<T> IndexMut<Side> for PerSide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}
