//! Texts: `similarity`, the Jaro–Winkler similarity
//! (Winkler 1990, "String Comparator Metrics and Enhanced Decision Rules in the Fellegi-Sunter
//! Model of Record Linkage").

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::SpecProblem;
use crate::domain::words::jaro_winkler;
use crate::domain::{Cell, Decimal, Kind, Written};

use super::tolerance::{self, Tolerance, keys, likeness, rounded_down};

keys! {
    /// Text: the smallest Jaro–Winkler similarity, 0 to 1.
    similarity: Written<Decimal>,
}

impl tolerance::Bounds for Bounds {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Text]
    }

    fn resolve(&self, _: &Path, problems: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>> {
        Some(Arc::new(Similarity(likeness("similarity", self.similarity?, problems)?)))
    }

    fn tightest(&self) -> Box<dyn Tolerance> {
        Box::new(Similarity(1.0))
    }
}

/// The least similarity, 0 to 1.
#[derive(Debug)]
struct Similarity(f64);

fn similarity(a: Cell<'_>, b: Cell<'_>) -> Option<f64> {
    let (Cell::Text(a), Cell::Text(b)) = (a, b) else { return None };
    Some(jaro_winkler(a, b))
}

impl Tolerance for Similarity {
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool {
        similarity(a, b).is_some_and(|found| found >= self.0)
    }

    fn describe(&self) -> String {
        format!("similarity of at least {}", self.0)
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        similarity(a, b).map(|found| format!("similarity: {}", rounded_down(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FieldResult;
    use super::super::tolerance::tests::{compare, complaints, field};
    use super::*;
    use crate::domain::DiffType;

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
