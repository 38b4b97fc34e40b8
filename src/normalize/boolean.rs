//! Booleans as sources write them.

/// true/false, t/f, yes/no, y/n, 1/0, in any case.
pub(super) fn parse(text: &[u8]) -> Result<bool, &'static str> {
    const WORDS: [(&[u8], bool); 10] = [
        (b"true", true),
        (b"false", false),
        (b"1", true),
        (b"0", false),
        (b"y", true),
        (b"n", false),
        (b"yes", true),
        (b"no", false),
        (b"t", true),
        (b"f", false),
    ];
    WORDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text))
        .map(|(_, value)| *value)
        .ok_or("neither true nor false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_listed_words_in_any_case_and_nothing_else() {
        for (text, value) in
            [("TRUE", true), ("f", false), ("Yes", true), ("nO", false), ("1", true)]
        {
            assert_eq!(parse(text.as_bytes()), Ok(value), "{text}");
        }
        for text in ["", " true", "on", "01", "wahr"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
