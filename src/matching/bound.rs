//! Distances between two values, and bounds.

use bnum::types::I512;

use super::number::Exact;
use crate::domain::calendar::Calendar;
use crate::domain::words::{Likeness, sorted_words};
use crate::domain::{Cell, Date, Decimal, Instant};

/// The base of a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The larger of both sizes.
    Larger,
    /// The smaller of both sizes.
    Smaller,
    A,
    B,
}

/// Bound on the distance of a match's two sides in one field, inclusive.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    Number {
        /// |B − A| at most this.
        absolute: Option<Decimal>,
        /// |B − A| at most this percentage of the base.
        percent: Option<(Decimal, Base)>,
        either: bool,
    },
    /// Dates: B − A in days is from the first to the second.
    Days(i64, i64),
    /// Dates: most business days.
    BusinessDays(u32, Calendar),
    /// Instants: most nanoseconds.
    Nanoseconds(i128),
    /// Texts: at least this Jaro–Winkler similarity.
    Similarity(Decimal),
    /// Texts: at least this similarity of their words, whatever the order.
    Words(Decimal),
}

/// A value of one row in one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measured {
    /// A number with its decimals, a day, or nanoseconds.
    Number(Decimal),
    Whole(i128),
    Text(String),
}

impl Bound {
    /// The value in which this field is measured; `None` if it is null, unreadable or of another type.
    pub(super) fn measure(&self, cell: Cell<'_>) -> Option<Measured> {
        Some(match (self, cell) {
            (Self::Number { .. }, Cell::Decimal(value)) => Measured::Number(value),
            (Self::Number { .. }, Cell::Integer(value)) => {
                Decimal::new(value, 0).map(Measured::Number)?
            }
            (Self::Days(..), Cell::Date(day)) => Measured::Whole(day.days().into()),
            (Self::BusinessDays(_, calendar), Cell::Date(day)) => {
                let origin = Date::from_days(0);
                Measured::Whole(calendar.business_days_between(origin, day).into())
            }
            (Self::Nanoseconds(_), Cell::Instant(value)) => {
                Measured::Whole(value.nanoseconds_since(Instant::new(0, 0)))
            }
            (Self::Similarity(_), Cell::Text(text)) => Measured::Text(text.to_owned()),
            (Self::Words(_), Cell::Text(text)) => Measured::Text(sorted_words(text)),
            _ => return None,
        })
    }
}

/// A bound in a block's unit.
#[derive(Clone, Debug)]
pub(super) enum Limit<N> {
    Number { absolute: Option<N>, percent: Option<(Decimal, Base)>, either: bool },
    Between(N, N),
    Similar(Likeness),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Below,
    Within,
    Above,
}

impl<N: Exact> Limit<N> {
    /// The bound, where one unit of the field is 10^`scale` of the block's.
    pub fn new(bound: &Bound, scale: u8) -> Option<Self> {
        let whole = |value: i128| N::of(I512::from(value));
        Some(match bound {
            Bound::Number { absolute, percent, either } => Self::Number {
                absolute: match absolute {
                    Some(absolute) => Some(N::of(scaled(*absolute, scale))?),
                    None => None,
                },
                percent: *percent,
                either: *either,
            },
            Bound::Days(from, to) => Self::Between(whole((*from).into())?, whole((*to).into())?),
            Bound::BusinessDays(days, _) => {
                Self::Between(whole(-i128::from(*days))?, whole((*days).into())?)
            }
            Bound::Nanoseconds(most) => Self::Between(whole(-*most)?, whole(*most)?),
            Bound::Similarity(least) | Bound::Words(least) => {
                Self::Similar(Likeness::at_least(*least))
            }
        })
    }

    /// True if B's value is within the bound of A's, and otherwise on which side of it.
    pub fn position(&self, a: N, b: N) -> Position {
        let within = match self {
            Self::Number { absolute, percent, either } => {
                let near = absolute.map(|most| a.distance(b) <= most);
                let share = percent.map(|(percent, base)| within_percent(a, b, percent, base));
                match (near, share) {
                    (Some(near), Some(share)) if *either => near || share,
                    (Some(near), Some(share)) => near && share,
                    (near, share) => near.or(share).unwrap_or(a == b),
                }
            }
            Self::Between(from, to) => {
                let apart = b - a;
                return if apart < *from {
                    Position::Below
                } else if apart > *to {
                    Position::Above
                } else {
                    Position::Within
                };
            }
            Self::Similar(_) => true,
        };
        match within {
            true => Position::Within,
            false if b < a => Position::Below,
            false => Position::Above,
        }
    }

    /// Whether the values within the bound of a value are neighbors, so that a window holds them all. A
    /// percentage of 100 and more reaches beyond zero.
    pub fn is_window(&self) -> bool {
        match self {
            Self::Number { percent, .. } => percent
                .is_none_or(|(percent, _)| Decimal::new(100, 0).is_some_and(|all| percent < all)),
            Self::Between(..) => true,
            Self::Similar(_) => false,
        }
    }
}

/// |a − b| ≤ percent / 100 × base, exactly: all in one unit.
fn within_percent<N: Exact>(a: N, b: N, percent: Decimal, base: Base) -> bool {
    let size = |value: N| value.distance(N::default());
    let base = match base {
        Base::Larger => size(a).max(size(b)),
        Base::Smaller => size(a).min(size(b)),
        Base::A => size(a),
        Base::B => size(b),
    };
    let hundred = I512::from(100u8) * I512::from(10u8).pow(percent.scale().into());
    a.distance(b).wide() * hundred <= I512::from(percent.coefficient()) * base.wide()
}

/// A decimal in units of 10^−`scale`, rounded towards zero where it has more decimals.
pub(super) fn scaled(value: Decimal, scale: u8) -> I512 {
    let coefficient = I512::from(value.coefficient());
    match scale.checked_sub(value.scale()) {
        Some(more) => coefficient * I512::from(10u8).pow(more.into()),
        None => coefficient / I512::from(10u8).pow((value.scale() - scale).into()),
    }
}

/// Distance of two texts, and true if they are alike enough.
pub(super) fn text_distance(a: &str, b: &str, least: Likeness) -> (i128, bool) {
    if a == b {
        return (0, true);
    }
    let found = Likeness::of(a, b);
    (found.distance().into(), found >= least)
}
