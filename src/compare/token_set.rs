//! Texts: `token_set`, the Jaro–Winkler similarity of the words of two texts in alphabetical order,
//! each once: `Smith, John` and `John Smith` are the same.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::SpecProblem;
use crate::domain::words::{Likeness, sorted_words};
use crate::domain::{Cell, Decimal, Kind, Written};

use super::tolerance::{self, Tolerance, keys, likeness};

keys! {
    /// Text: the smallest similarity of the words, whatever their order, punctuation and repetition,
    /// 0 to 1.
    token_set: Written<Decimal>,
}

impl tolerance::Bounds for Bounds {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Text]
    }

    fn resolve(&self, _: &Path, problems: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>> {
        Some(Arc::new(TokenSet::new(likeness("token_set", self.token_set?, problems)?)))
    }

    fn tightest(&self) -> Box<dyn Tolerance> {
        Box::new(TokenSet::new(Decimal::ONE))
    }
}

/// The least similarity, 0 to 1.
#[derive(Debug)]
struct TokenSet {
    written: Decimal,
    least: Likeness,
}

impl TokenSet {
    fn new(written: Decimal) -> Self {
        Self { written, least: Likeness::at_least(written) }
    }
}

fn similarity(a: Cell<'_>, b: Cell<'_>) -> Option<Likeness> {
    let (Cell::Text(a), Cell::Text(b)) = (a, b) else { return None };
    Some(Likeness::of(&sorted_words(a), &sorted_words(b)))
}

impl Tolerance for TokenSet {
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool {
        similarity(a, b).is_some_and(|found| found >= self.least)
    }

    fn describe(&self) -> String {
        format!("token_set of at least {}", self.written.normalized())
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        similarity(a, b).map(|found| format!("token_set: {}", found.rounded_down().normalized()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FieldResult;
    use super::super::tolerance::tests::{compare, field};
    use super::*;
    use crate::domain::DiffType;

    #[test]
    fn a_similarity_that_is_exactly_the_bound_passes() {
        let (a, b) = (Cell::Text("abb!"), Cell::Text("aab"));
        assert_eq!(compare(&field(Kind::Text, "{ token_set: 0.8 }"), a, b), FieldResult::Within);
        let one = field(Kind::Text, "{ token_set: 1 }");
        assert_eq!(one.clearing(a, b).unwrap(), "token_set: 0.8");
    }

    #[test]
    fn order_punctuation_and_repetition_of_words_do_not_count() {
        let one = field(Kind::Text, "{ token_set: 1 }");
        let text = Cell::Text;
        assert_eq!(compare(&one, text("Smith, John"), text("John Smith")), FieldResult::Within);
        assert_eq!(compare(&one, text("A.B. Ltd"), text("Ltd A B A")), FieldResult::Within);
        let mismatch = FieldResult::Different(DiffType::StringMismatch);
        assert_eq!(compare(&one, text("John Smith"), text("John Smyth")), mismatch);
        let (a, b) = (text("Smyth, John"), text("John Smith"));
        let least = one.clearing(a, b).unwrap();
        assert!(least.starts_with("token_set: 0.9"), "{least}");
        assert_eq!(
            compare(&field(Kind::Text, &format!("{{ {least} }}")), a, b),
            FieldResult::Within
        );
    }
}
