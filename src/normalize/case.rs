//! Upper and lower case, in the Unicode sense.

use super::step::Flow;

pub(super) fn upper<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    // One look at each byte, without a branch: texts that are in upper case already are the rule.
    let (all_bits, has_lower) = text
        .bytes()
        .fold((0, false), |(bits, lower), byte| (bits | byte, lower | byte.is_ascii_lowercase()));
    if !all_bits.is_ascii() {
        out.extend(text.chars().flat_map(char::to_uppercase));
        return Flow::Written;
    }
    if !has_lower {
        return Flow::Part(text);
    }
    out.push_str(text);
    out.make_ascii_uppercase();
    Flow::Written
}

pub(super) fn lower<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    if !text.is_ascii() {
        // The standard library handles the final sigma, which depends on its neighbors.
        out.push_str(&text.to_lowercase());
        return Flow::Written;
    }
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Flow::Part(text);
    }
    out.push_str(text);
    out.make_ascii_lowercase();
    Flow::Written
}

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, steps};

    #[test]
    fn case_is_that_of_unicode() {
        for (chain, text, expected) in [
            ("[upper]", "straße éa", "STRASSE ÉA"),
            ("[upper]", "ABC 1", "ABC 1"),
            ("[upper]", "aBc", "ABC"),
            ("[lower]", "ΟΔΟΣ", "οδος"),
            ("[lower]", "ABC", "abc"),
            ("[lower]", "abc", "abc"),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text:?}");
        }
    }
}
