//! Steps for data that systems write in their own ways: accounts, companies, references.

use unicode_normalization::UnicodeNormalization;

use super::characters::{is_punctuation, with_marks};
use super::step::Flow;

pub(super) fn account_number<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    upper_of(text, out, |character| !character.is_whitespace() && !is_punctuation(character))
}

pub(super) fn reference<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    upper_of(text, out, char::is_alphanumeric)
}

/// The characters that `keeps` keeps, in upper case.
fn upper_of<'a>(text: &'a str, out: &mut String, keeps: impl Fn(char) -> bool) -> Flow<'a> {
    if text.is_ascii()
        && text.bytes().all(|byte| !byte.is_ascii_lowercase() && keeps(char::from(byte)))
    {
        return Flow::Part(text);
    }
    // Upper case first: of some letters it is a letter and a mark. Composed in the end, so that a
    // letter is one character, however it was typed.
    out.extend(with_marks(text.chars().flat_map(char::to_uppercase), keeps).nfc());
    Flow::Written
}

/// Legal forms of companies, without points.
const LEGAL_FORMS: [&str; 43] = [
    "AB",
    "AG",
    "AS",
    "ASA",
    "BV",
    "BVBA",
    "CO",
    "COMPANY",
    "CORP",
    "CORPORATION",
    "CV",
    "EG",
    "GMBH",
    "INC",
    "INCORPORATED",
    "KG",
    "KGAA",
    "KK",
    "LIMITED",
    "LLC",
    "LLLP",
    "LLP",
    "LP",
    "LTD",
    "LTDA",
    "NV",
    "OHG",
    "OY",
    "OYJ",
    "PBC",
    "PLC",
    "PTE",
    "PTY",
    "PVT",
    "SA",
    "SARL",
    "SAS",
    "SE",
    "SL",
    "SPA",
    "SRL",
    "SRO",
    "UG",
];

pub(super) fn company_name<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    // A point or an apostrophe joins (`S.A.`, `MOODY'S`), all other punctuation parts.
    for character in text.nfc() {
        if character.is_whitespace() || is_punctuation(character) {
            if !matches!(character, '.' | '\'' | '’') && !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.extend(character.to_uppercase());
        }
    }
    out.truncate(out.trim_end().len());
    // A name that is only a legal form (`SE`) stays.
    while let Some((name, last)) = out.rsplit_once(' ')
        && LEGAL_FORMS.contains(&last)
    {
        out.truncate(name.len());
    }
    // Of some letters the upper case is a letter and a mark.
    if !unicode_normalization::is_nfc(out) {
        *out = out.nfc().collect();
    }
    Flow::Written
}

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, steps};

    #[test]
    fn identifiers() {
        for (chain, text, expected) in [
            ("[account_number]", "gb29 nwbk\u{a0}6016-1331", "GB29NWBK60161331"),
            ("[account_number]", "GB29", "GB29"),
            ("[reference]", "ref#00042/é", "REF00042É"),
            ("[reference]", "REF1", "REF1"),
            ("[reference]", "cafe\u{301} rouge", "CAFÉROUGE"),
            ("[reference]", "café rouge", "CAFÉROUGE"),
            ("[account_number]", "e\u{301}-1", "É1"),
            ("[company_name]", "Socie\u{301}te\u{301} SA", "SOCIÉTÉ"),
            ("[company_name]", " Société Générale, S.A. ", "SOCIÉTÉ GÉNÉRALE"),
            ("[company_name]", "Foo,Inc", "FOO"),
            ("[company_name]", "Marks & Spencer P.L.C.", "MARKS SPENCER"),
            ("[company_name]", "Tata Motors (India) Pvt. Ltd.", "TATA MOTORS INDIA"),
            ("[company_name]", "McDonald's Corp", "MCDONALDS"),
            ("[company_name]", "Co", "CO"),
            ("[company_name]", "...", ""),
            ("[company_name]", "ACME", "ACME"),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text:?}");
        }
    }
}
