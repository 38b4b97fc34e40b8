//! Texts: equal, or as alike as the field asks by Jaro–Winkler similarity
//! (Winkler 1990, "String Comparator Metrics and Enhanced Decision Rules in the Fellegi-Sunter
//! Model of Record Linkage").

use crate::domain::DiffType;

use super::{Outcome, Tolerance};

pub(super) fn compare(a: &str, b: &str, tolerance: &Tolerance) -> Outcome {
    if a == b {
        return Outcome::Equal;
    }
    match tolerance {
        Tolerance::Similarity(least) if strsim::jaro_winkler(a, b) >= *least => Outcome::Within,
        _ => Outcome::Different(DiffType::StringMismatch),
    }
}

pub(super) fn clearing(a: &str, b: &str) -> String {
    // Rounded down, so that the tolerance named really does let the pair pass.
    let similarity = (strsim::jaro_winkler(a, b) * 10_000.0).floor() / 10_000.0;
    format!("similarity: {similarity}")
}
