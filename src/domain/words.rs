//! The words of a text, for comparing texts whatever the order of their words.

use std::collections::BTreeSet;

/// The words of a text in alphabetical order, each once, with a space between.
pub fn sorted_words(text: &str) -> String {
    let words: BTreeSet<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}
