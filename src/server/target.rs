//! A request's target, decoded once. Ambiguous targets are refused.

use crate::coding::unescape;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Decoded; begins with `/`.
    pub path: String,
    /// Decoded, in their order.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// Parses the origin form, `/path?query`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        if !path.starts_with('/') {
            return Err("the target must begin with a slash");
        }
        if !text.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
            return Err("the target must be printable ASCII without spaces");
        }
        if text.contains('#') {
            return Err("the target must not have a fragment");
        }
        let mut decoded = String::with_capacity(path.len());
        for segment in path.split('/').skip(1) {
            let segment = decode(segment, false)?;
            if segment.contains(['/', '\\']) || segment.contains(char::is_control) {
                return Err("the path has an escaped slash, backslash or control character");
            }
            if segment == "." || segment == ".." {
                return Err("the path has a `.` or `..` segment");
            }
            decoded.push('/');
            decoded.push_str(&segment);
        }
        let query = query.map_or_else(|| Ok(Vec::new()), pairs)?;
        Ok(Self { path: decoded, query })
    }
}

/// Parses a query or an URL-encoded form.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name, true)?, decode(value, true)?))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, &'static str> {
    let text = if plus_is_space { text.replace('+', " ") } else { text.to_owned() };
    let bytes = unescape(&text).ok_or("a malformed percent escape")?;
    String::from_utf8(bytes.into_owned()).map_err(|_| "a percent escape that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::escape;
    use proptest::prelude::*;

    #[test]
    fn a_target_is_decoded_once() {
        let target = Target::parse("/a%20b/%252e?q=1+2&q=%C3%A9&empty&=x&&z=a=b").unwrap();
        assert_eq!(target.path, "/a b/%2e");
        let query: Vec<_> = target.query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let expected = [("q", "1 2"), ("q", "é"), ("empty", ""), ("", "x"), ("z", "a=b")];
        assert_eq!(query, expected);
        assert_eq!(Target::parse("/").unwrap().path, "/");
    }

    #[test]
    fn ambiguous_targets_are_refused() {
        for text in [
            "",
            "a",
            "*",
            "http://a/",
            "/../x",
            "/a/..",
            "/%2e%2e/x",
            "/%2e%2e%2fx",
            "/..%5cx",
            "/a%00",
            "/a%0d%0aSet-Cookie:x",
            "/./x",
            "/%zz",
            "/%4",
            "/a#b",
            "/%ff",
            "/?q=%ff",
            "/a b",
            "/\u{e9}",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn escaped_text_reads_back(text: String) {
            let query = format!("/?q={}", escape(&text));
            prop_assert_eq!(&Target::parse(&query).unwrap().query[0].1, &text);
        }
    }
}
