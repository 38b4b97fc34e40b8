//! Dates: `days`, calendar days.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::SpecProblem;
use crate::domain::{Cell, Kind, Written};

use super::tolerance::{self, Tolerance, keys};

keys! {
    /// Dates: the largest distance in calendar days.
    days: Written<u32>,
}

impl tolerance::Bounds for Bounds {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Date]
    }

    fn resolve(&self, _: &Path, _: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>> {
        self.days.map(|days| Arc::new(Days(days.0)) as Arc<dyn Tolerance>)
    }

    fn tightest(&self) -> Box<dyn Tolerance> {
        Box::new(Days(0))
    }
}

#[derive(Debug)]
struct Days(u32);

fn apart(a: Cell<'_>, b: Cell<'_>) -> Option<u32> {
    let (Cell::Date(a), Cell::Date(b)) = (a, b) else { return None };
    Some(a.days().abs_diff(b.days()))
}

/// `1 day`, `3 days`.
pub(super) fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

impl Tolerance for Days {
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool {
        apart(a, b).is_some_and(|apart| apart <= self.0)
    }

    fn describe(&self) -> String {
        format!("±{} days", self.0)
    }

    fn missed(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        Some(counted(apart(a, b)?.checked_sub(self.0)?.into(), "day"))
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        apart(a, b).map(|apart| format!("days: {apart}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FieldResult;
    use super::super::tolerance::tests::{compare, field};
    use super::*;

    #[test]
    fn a_weekend_counts() {
        let date = |text: &str| Cell::Date(text.parse().unwrap());
        let (friday, monday) = (date("2026-01-09"), date("2026-01-12"));
        assert_eq!(compare(&field(Kind::Date, "{ days: 3 }"), friday, monday), FieldResult::Within);
        let two = field(Kind::Date, "{ days: 2 }");
        assert!(matches!(compare(&two, friday, monday), FieldResult::Different(_)));
        assert_eq!(field(Kind::Date, "{}").clearing(friday, monday).unwrap(), "days: 3");
        assert_eq!(two.missed(friday, monday).unwrap(), "1 day");
    }
}
