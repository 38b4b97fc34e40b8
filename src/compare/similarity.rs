//! Texts: `similarity`, the Jaro–Winkler similarity
//! (Winkler 1990, "String Comparator Metrics and Enhanced Decision Rules in the Fellegi-Sunter
//! Model of Record Linkage").

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::SpecProblem;
use crate::domain::words::Likeness;
use crate::domain::{Cell, Decimal, Kind, Written};

use super::tolerance::{self, Tolerance, keys, likeness};

keys! {
    /// Text: the smallest Jaro–Winkler similarity, 0 to 1.
    similarity: Written<Decimal>,
}

impl tolerance::Bounds for Bounds {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Text]
    }

    fn resolve(&self, _: &Path, problems: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>> {
        Some(Arc::new(Similarity::new(likeness("similarity", self.similarity?, problems)?)))
    }

    fn tightest(&self) -> Box<dyn Tolerance> {
        Box::new(Similarity::new(Decimal::ONE))
    }
}

/// The least similarity, 0 to 1.
#[derive(Debug)]
struct Similarity {
    written: Decimal,
    least: Likeness,
}

impl Similarity {
    fn new(written: Decimal) -> Self {
        Self { written, least: Likeness::at_least(written) }
    }
}

fn similarity(a: Cell<'_>, b: Cell<'_>) -> Option<Likeness> {
    let (Cell::Text(a), Cell::Text(b)) = (a, b) else { return None };
    Some(Likeness::of(a, b))
}

impl Tolerance for Similarity {
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool {
        similarity(a, b).is_some_and(|found| found >= self.least)
    }

    fn describe(&self) -> String {
        format!("similarity of at least {}", self.written.normalized())
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        similarity(a, b).map(|found| format!("similarity: {}", found.rounded_down().normalized()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FieldResult;
    use super::super::tolerance::tests::{compare, complaints, field};
    use super::*;
    use crate::domain::DiffType;

    #[test]
    fn a_similarity_that_is_exactly_the_bound_passes() {
        // Jaro's similarity is 7/9, and a tenth of what is missing comes on top: 4/5.
        let (a, b) = (Cell::Text("abb"), Cell::Text("aab"));
        let field = |least: &str| field(Kind::Text, &format!("{{ similarity: '{least}' }}"));
        assert_eq!(compare(&field("0.8"), a, b), FieldResult::Within);
        assert_eq!(field("1").clearing(a, b).unwrap(), "similarity: 0.8");
        let mismatch = FieldResult::Different(DiffType::StringMismatch);
        for above in ["0.8001", "0.8000000000000000000000000001"] {
            assert_eq!(compare(&field(above), a, b), mismatch);
        }
        let above = complaints(Kind::Text, "{ similarity: '1.0000000000000000000000000001' }");
        assert_eq!(above, ["`similarity` is between 0 and 1"]);
    }

    #[test]
    fn the_least_similarity_is_inclusive_and_within_0_and_1() {
        let (a, b) = (Cell::Text("MARTHA"), Cell::Text("MARHTA"));
        let field = |least: &str| field(Kind::Text, &format!("{{ similarity: '{least}' }}"));
        assert_eq!(field("1").clearing(a, b).unwrap(), "similarity: 0.9611");
        assert_eq!(compare(&field("0.9611"), a, b), FieldResult::Within);
        let mismatch = FieldResult::Different(DiffType::StringMismatch);
        assert_eq!(compare(&field("0.9612"), a, b), mismatch);
        for outside in ["-0.1", "1.1"] {
            let yaml = format!("{{ similarity: '{outside}' }}");
            assert_eq!(complaints(Kind::Text, &yaml), ["`similarity` is between 0 and 1"]);
        }
    }
}
