//! True against false.

use crate::domain::DiffType;

use super::Outcome;

/// Booleans agree or they don't.
pub(super) const fn compare(a: bool, b: bool) -> Outcome {
    if a == b { Outcome::Equal } else { Outcome::Different(DiffType::BooleanMismatch) }
}
