//! Matching: rows that share no key, by values that are equal, near, or add up.
//!
//! A pass is a pure function of one block: the open rows of both sides whose `equal` values are the same. It never
//! guesses: every match states whether all best solutions have it ([`Certificate`]). The result depends on the rows'
//! values only, not on their order, on threads or on time; searching is bounded by a count of steps.
//!
//! One to one is an exact assignment (`assign`). The other shapes search the sets of rows whose sums fit (`subsets`)
//! and then choose among them (`packing`). docs/matching.md explains both with pictures.

mod assign;
mod bound;
mod components;
mod incomplete;
mod item;
mod nearest;
mod number;
mod packing;
mod pairs;
mod subsets;
#[cfg(test)]
mod tests;

use bnum::types::I512;

use crate::domain::{PerSide, RowRef};

pub use bound::{Base, Bound};
pub use incomplete::Incomplete;
pub use nearest::{Candidate, Why};

use item::{Items, RawItems};
use number::Exact;

/// How many rows a match may have on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// One row of A and one of B.
    #[default]
    OneToOne,
    /// One row of A, several of B.
    OneToMany,
    /// Several rows of A, one of B.
    ManyToOne,
    /// Several rows of both.
    ManyToMany,
}

impl Shape {
    pub const ALL: [Self; 4] = [Self::OneToOne, Self::OneToMany, Self::ManyToOne, Self::ManyToMany];

    /// The name in `recon.yaml` and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneToOne => "one_to_one",
            Self::OneToMany => "one_to_many",
            Self::ManyToOne => "many_to_one",
            Self::ManyToMany => "many_to_many",
        }
    }

    /// The shape of a match with these numbers of rows of A and of B.
    pub const fn of(a: usize, b: usize) -> Self {
        match (a > 1, b > 1) {
            (false, false) => Self::OneToOne,
            (false, true) => Self::OneToMany,
            (true, false) => Self::ManyToOne,
            (true, true) => Self::ManyToMany,
        }
    }
}

/// Certainty of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Every best solution has it.
    Unique,
    /// Another best solution does without it.
    Tied,
    /// The effort ran out before either was proven.
    Undetermined,
}

impl Certificate {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unique => "UNIQUE",
            Self::Tied => "TIED",
            Self::Undetermined => "UNDETERMINED",
        }
    }
}

/// A field in which the two sides of a match may be apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// Its position in the layout.
    pub field: usize,
    pub bound: Bound,
    /// The sums of the sides are compared instead of every pair of rows.
    pub summed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    pub name: String,
    /// The fields that must be equal: positions in the layout.
    pub equal: Vec<usize>,
    /// The fields that must be near. Their order is the order in which distances count.
    pub near: Vec<Near>,
    /// The fields by which rows of a side are put together before they are matched.
    pub group: PerSide<Vec<usize>>,
    /// The shape of its matches.
    pub shape: Shape,
    /// How many rows or groups a many side may have.
    pub max_rows: usize,
    /// The field of the currency, which no side of a match mixes.
    pub currency: Option<usize>,
}

/// Steps of search for each component of rows that compete, unless the job says otherwise.
pub const EFFORT: u64 = 10_000_000;

/// Settings of all passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Matches that are not certain are made.
    pub take: bool,
    /// Steps of search for each connected component.
    pub effort: u64,
}

/// Rows that belong together. Rows are positions in the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Rows of A, in the order of their lines.
    pub a: Vec<u32>,
    /// Rows of B, in the order of their lines.
    pub b: Vec<u32>,
    pub certificate: Certificate,
    /// Best solutions without it, counted to 100; 0 if it is unique, or was not made.
    pub alternatives: u32,
    /// A match that is not certain is only made if the settings allow it.
    pub made: bool,
}

/// The matches of a pass in one block, and the rows that it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockMatches {
    /// The matches, also those that are not made.
    pub matches: Vec<Match>,
    /// For each row that stays open, its nearest candidates; empty for rows that took no part.
    pub candidates: PerSide<Vec<(u32, Vec<Candidate>)>>,
}

/// A possible match of units: their positions, and whether another best solution has it instead.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PossibleMatch {
    units: [Vec<usize>; 2],
    certificate: Certificate,
    alternatives: u32,
    /// Part of the chosen solution; if not, it is a tied alternative.
    chosen: bool,
}

pub fn match_block(pass: &Pass, settings: Settings, rows: PerSide<&[RowRef<'_>]>) -> BlockMatches {
    let raw = RawItems::new(pass, [rows.a, rows.b]);
    match raw.measured::<i128>(pass) {
        Some(items) => solve(pass, settings, rows, &items),
        None => raw
            .measured::<I512>(pass)
            .map_or_else(BlockMatches::default, |items| solve(pass, settings, rows, &items)),
    }
}

fn solve<N: Exact>(
    pass: &Pass,
    settings: Settings,
    rows: PerSide<&[RowRef<'_>]>,
    items: &Items<N>,
) -> BlockMatches {
    let found = match pass.shape {
        Shape::OneToOne => pairs::solve(settings, items),
        _ => packing::solve(pass, settings, items),
    };
    let lines = |side: usize, units: &[usize]| {
        let here = if side == 0 { rows.a } else { rows.b };
        let mut members: Vec<u32> =
            units.iter().flat_map(|unit| items.sides[side][*unit].rows.iter().copied()).collect();
        members.sort_by_key(|row| here[*row as usize].order());
        members
    };
    let is_made = |found: &PossibleMatch| {
        found.chosen && (settings.take || found.certificate == Certificate::Unique)
    };
    let matches = found
        .iter()
        .filter(|found| found.chosen)
        .map(|found| Match {
            a: lines(0, &found.units[0]),
            b: lines(1, &found.units[1]),
            certificate: found.certificate,
            alternatives: found.alternatives,
            made: is_made(found),
        })
        .collect();
    let candidates = nearest::candidates(pass, items, &found, is_made, lines);
    BlockMatches { matches, candidates }
}
