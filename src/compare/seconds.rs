//! Datetimes: `seconds`, compared to the nanosecond.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::SpecProblem;
use crate::domain::{Cell, Decimal, Kind, Written};

use super::tolerance::{self, Tolerance, keys, not_negative};

keys! {
    /// Datetimes: the largest distance in seconds.
    seconds: Written<Decimal>,
}

impl tolerance::Bounds for Bounds {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Datetime]
    }

    fn resolve(&self, _: &Path, problems: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>> {
        not_negative("seconds", self.seconds, problems);
        // Nothing beyond the bound passes: what is less than a nanosecond does not count.
        Some(Arc::new(Nanoseconds(self.seconds?.0.whole_units(9))))
    }

    fn tightest(&self) -> Box<dyn Tolerance> {
        Box::new(Nanoseconds(0))
    }
}

#[derive(Debug)]
struct Nanoseconds(i128);

impl Nanoseconds {
    fn between(a: Cell<'_>, b: Cell<'_>) -> Option<Self> {
        let (Cell::Instant(a), Cell::Instant(b)) = (a, b) else { return None };
        Some(Self(a.nanoseconds_since(b).abs()))
    }

    /// As seconds, without trailing zeros.
    fn text(&self) -> String {
        Decimal::new(self.0, 9)
            .map_or_else(|| self.0.to_string(), |seconds| seconds.normalized().to_string())
    }
}

impl Tolerance for Nanoseconds {
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool {
        Self::between(a, b).is_some_and(|apart| apart.0 <= self.0)
    }

    fn describe(&self) -> String {
        format!("±{} seconds", self.text())
    }

    fn missed(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        let missed = Self(Self::between(a, b)?.0.checked_sub(self.0)?);
        Some(format!("{} seconds", missed.text()))
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        Self::between(a, b).map(|apart| format!("seconds: {}", apart.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FieldResult;
    use super::super::tolerance::tests::{compare, field};
    use super::*;
    use crate::domain::{DiffType, Instant};

    #[test]
    fn a_bound_is_never_rounded_up() {
        let at = |nanoseconds| Cell::Instant(Instant::new(0, nanoseconds));
        let mismatch = FieldResult::Different(DiffType::DateMismatch);
        let less = field(Kind::Datetime, "{ seconds: '0.0000000005' }");
        assert_eq!(compare(&less, at(0), at(1)), mismatch);
        let more = field(Kind::Datetime, "{ seconds: '0.0000000019' }");
        assert_eq!(compare(&more, at(0), at(1)), FieldResult::Within);
        assert_eq!(compare(&more, at(0), at(2)), mismatch);
    }

    #[test]
    fn instants_are_compared_to_the_nanosecond() {
        let half = field(Kind::Datetime, "{ seconds: '0.5' }");
        let at = |nanoseconds| Cell::Instant(Instant::new(0, nanoseconds));
        assert_eq!(compare(&half, at(0), at(500_000_000)), FieldResult::Within);
        let mismatch = FieldResult::Different(DiffType::DateMismatch);
        assert_eq!(compare(&half, at(0), at(500_000_001)), mismatch);
        assert_eq!(half.clearing(at(0), at(500_000_000)).unwrap(), "seconds: 0.5");
    }
}
