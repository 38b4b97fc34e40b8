//! Login names: which are allowed, and which are one and the same.

use std::collections::BTreeSet;

use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

use crate::diagnostic::Code;
use crate::review::Refusal;

/// The longest name, in characters.
const LONGEST: usize = 64;

/// The form in which names are compared: NFKC with full case folding, so that `Ann`, `ann` and `ａnn` are
/// one, and `Straße`, `STRASSE` and `STRAẞE` are.
pub fn fold(name: &str) -> String {
    name.nfkc().default_case_fold().nfkc().default_case_fold().nfkc().collect()
}

/// A name's skeletons by Unicode TR 39, as typed and folded. Names that share one look alike: `Iris` and `lris`,
/// `scope` and `ѕсоре`.
pub fn looks(name: &str) -> BTreeSet<String> {
    let as_typed: String = name.nfkc().collect();
    [as_typed, fold(name)].iter().map(|form| fold(&skeleton(form).collect::<String>())).collect()
}

/// The folded form of a name that a person may have.
///
/// # Errors
/// A name that could be mistaken for another, or that does not fit where names are shown.
pub fn checked(name: &str) -> Result<String, Refusal> {
    let key = fold(name);
    let wrong = |why: &str| {
        let shown = name.escape_debug();
        Err(Refusal::new(
            Code::BadLogin,
            format!(
                "the login `{shown}` {why}; use letters, digits, and `.`, `_`, `-`, `@`, `+` \
                 between them"
            ),
        ))
    };
    if key.is_empty() || key.chars().count() > LONGEST {
        return wrong("is empty, or longer than 64 characters");
    }
    if !key.chars().all(|c| c.is_alphanumeric() || ".-_@+".contains(c)) {
        return wrong("has characters that a login can't have");
    }
    if !key.starts_with(char::is_alphanumeric) || !key.ends_with(char::is_alphanumeric) {
        return wrong("does not begin and end with a letter or digit");
    }
    // A Cyrillic а among Latin letters makes a second `ann` that no eye tells from the first.
    let foreign = |c: char| c.is_alphabetic() && !is_latin(c);
    if key.chars().any(is_latin) && key.chars().any(foreign) {
        return wrong("mixes letters of several scripts");
    }
    Ok(key)
}

/// Letters of the Latin blocks.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_many_spellings() {
        for name in ["Ann", "ann", "ａnn", "ANN", "Ａｎｎ"] {
            assert_eq!(checked(name).as_deref(), Ok("ann"));
        }
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
        for name in ["Straße", "STRAẞE", "strasse", "ＳＴＲＡẞＥ"] {
            assert_eq!(fold(name), "strasse");
        }
        // e and a combining accent, or the letter that has it.
        assert_eq!(checked("rene\u{301}").unwrap(), checked("ren\u{e9}").unwrap());
    }

    #[test]
    fn names_that_look_the_same_share_a_look() {
        let alike = |one: &str, other: &str| !looks(one).is_disjoint(&looks(other));
        for (one, other) in [
            ("Iris", "lris"),
            ("ann1", "annl"),
            ("b0b", "bob"),
            ("scope", "\u{455}\u{441}\u{43e}\u{440}\u{435}"),
            ("modern", "modem"),
            ("Straße", "STRAẞE"),
        ] {
            assert!(alike(one, other), "{one} {other}");
        }
        for (one, other) in [("ann", "bob"), ("ann", "anna"), ("iris", "lris"), ("u1", "u2")] {
            assert!(!alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn names_that_deceive_are_refused() {
        for name in [
            "",
            "a b",
            "ann\u{200b}",
            "ann\u{202e}",
            "\u{430}nn",
            "ann\0",
            "ann\n",
            "<script>",
            ".ann",
            "ann.",
            "ann/../bob",
            &"a".repeat(65),
        ] {
            assert_eq!(checked(name).unwrap_err().code, Code::BadLogin, "{name:?}");
        }
        for name in ["ann", "ann.smith@example.com", "o-neill_2", "rené", "анна", "7"] {
            assert!(checked(name).is_ok(), "{name}");
        }
    }
}
