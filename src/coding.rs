//! Bytes as hexadecimal digits and text as percent escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// RFC 3986 leaves these characters alone everywhere in a URL.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const OUTSIDE_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// Lower-case digits, two for each byte.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of hexadecimal digits in either case; `None` if malformed.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some((digit(high)? << 4) | digit(low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

/// For a segment of a path, or a name or value of a query.
pub(crate) fn escape(text: impl AsRef<[u8]>) -> String {
    percent_encode(text.as_ref(), RESERVED).to_string()
}

/// For a whole path: leaves its slashes.
pub(crate) fn escape_path(path: impl AsRef<[u8]>) -> String {
    percent_encode(path.as_ref(), OUTSIDE_PATHS).to_string()
}

/// `None` where a `%` lacks its two digits; percent_encoding would leave it as it is.
pub(crate) fn unescape(text: &str) -> Option<Cow<'_, [u8]>> {
    let well_formed = text.split('%').skip(1).all(|rest| {
        rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    });
    well_formed.then(|| percent_decode(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_codes_are_refused() {
        assert_eq!(unhex("00fF1a"), Some(vec![0, 255, 26]));
        for text in ["0", "0g", "é", "+1", " 1", "0x"] {
            assert_eq!(unhex(text), None, "{text}");
        }
        assert_eq!(unescape("a%2Fb%c3").as_deref(), Some(&b"a/b\xc3"[..]));
        for text in ["%", "%4", "%zz", "%%41", "a%é", "%+1"] {
            assert_eq!(unescape(text), None, "{text}");
        }
        assert_eq!(
            (escape("a/b~é"), escape_path("a/b é")),
            ("a%2Fb~%C3%A9".into(), "a/b%20%C3%A9".into())
        );
    }

    proptest! {
        #[test]
        fn codes_read_back(bytes: Vec<u8>) {
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes.clone()));
            let escaped = escape(&bytes);
            prop_assert_eq!(unescape(&escaped).unwrap().into_owned(), bytes);
        }
    }
}
