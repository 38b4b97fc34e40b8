//! Steps that take a part from the start or the end of a text, without copying.

use std::sync::Arc;

use super::characters::is_mark;
use super::step::{Arguments, Flow, Transform};
use crate::diagnostic::{Code, Problem};

pub(super) fn strip_leading_zeros<'a>(text: &'a str, _: &mut String) -> Flow<'a> {
    let rest = text.trim_start_matches('0');
    let zeros = text.len() - rest.len();
    // The zero of `0`, `0.5` and `00-12` is a digit of its number, not padding.
    let needs_one = zeros > 0 && !rest.starts_with(char::is_alphanumeric);
    Flow::Part(text.get(zeros - usize::from(needs_one)..).unwrap_or(text))
}

struct Prefix(String);

impl Transform for Prefix {
    fn apply<'a>(&self, text: &'a str, _: &mut String) -> Flow<'a> {
        Flow::Part(text.strip_prefix(self.0.as_str()).unwrap_or(text))
    }
}

pub(super) fn strip_prefix(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    Some(Arc::new(Prefix(arguments.text().to_owned())))
}

struct Suffix(String);

impl Transform for Suffix {
    fn apply<'a>(&self, text: &'a str, _: &mut String) -> Flow<'a> {
        Flow::Part(text.strip_suffix(self.0.as_str()).unwrap_or(text))
    }
}

pub(super) fn strip_suffix(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    Some(Arc::new(Suffix(arguments.text().to_owned())))
}

/// The starts of a text's letters: a mark belongs to the letter before it.
fn letters(text: &str) -> impl DoubleEndedIterator<Item = (usize, char)> {
    text.char_indices().filter(|(_, character)| !is_mark(*character))
}

/// The first characters.
struct First(usize);

impl Transform for First {
    fn apply<'a>(&self, text: &'a str, _: &mut String) -> Flow<'a> {
        Flow::Part(match letters(text).nth(self.0) {
            Some((end, _)) => text.split_at(end).0,
            None => text,
        })
    }
}

pub(super) fn first(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    Some(Arc::new(First(arguments.count(None, arguments.text())?)))
}

/// The last characters.
struct Last(usize);

impl Transform for Last {
    fn apply<'a>(&self, text: &'a str, _: &mut String) -> Flow<'a> {
        Flow::Part(match letters(text).rev().nth(self.0 - 1) {
            Some((start, _)) => text.split_at(start).1,
            None => text,
        })
    }
}

pub(super) fn last(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    Some(Arc::new(Last(arguments.count(None, arguments.text())?)))
}

struct PadLeft {
    width: usize,
    with: char,
}

/// Wider would only be a typing mistake that fills the memory.
const WIDEST: usize = 1_000;

impl Transform for PadLeft {
    fn apply<'a>(&self, text: &'a str, out: &mut String) -> Flow<'a> {
        let missing = self.width.saturating_sub(letters(text).count());
        if missing == 0 {
            return Flow::Part(text);
        }
        out.extend(std::iter::repeat_n(self.with, missing));
        out.push_str(text);
        Flow::Written
    }
}

pub(super) fn pad_left(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    let width = arguments.count(Some("width"), arguments.key("width")?);
    if width.is_some_and(|width| width > WIDEST) {
        let message = format!("a width of more than {WIDEST} characters");
        arguments.problem(Some("width"), Problem::new(Code::StepArgument, message));
    }
    let with = arguments.key("with").unwrap_or("0");
    let mut characters = with.chars();
    let (Some(with), None) = (characters.next(), characters.next()) else {
        let message = format!("`{with}` is not one character");
        arguments.problem(Some("with"), Problem::new(Code::StepArgument, message));
        return None;
    };
    Some(Arc::new(PadLeft { width: width?, with }))
}

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, resolve_steps, steps};

    #[test]
    fn starts_and_ends() {
        for (chain, text, expected) in [
            ("[strip_leading_zeros]", "000", "0"),
            ("[strip_leading_zeros]", "", ""),
            ("[strip_leading_zeros]", "120", "120"),
            ("[strip_leading_zeros]", "00A1", "A1"),
            ("[strip_leading_zeros]", "00.50", "0.50"),
            ("[{strip_prefix: é}]", "éx", "x"),
            ("[{strip_prefix: y}]", "éx", "éx"),
            ("[{strip_suffix: é}]", "xé", "x"),
            ("[{truncate: 2}]", "éàx", "éà"),
            ("[{first: 9}]", "éàx", "éàx"),
            ("[{last: 2}]", "éàx", "àx"),
            ("[{last: 9}]", "éàx", "éàx"),
            ("[{last: 1}]", "", ""),
            ("[{first: 4}]", "Cafe\u{301} X", "Cafe\u{301}"),
            ("[{last: 2}]", "Cafe\u{301}s", "e\u{301}s"),
            ("[{pad_left: {width: 3}}]", "e\u{301}", "00e\u{301}"),
            ("[{pad_left: {width: 4}}]", "é", "000é"),
            ("[{pad_left: {width: 4, with: ·}}]", "x", "···x"),
            ("[{pad_left: {width: 1}}]", "xyz", "xyz"),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text:?}");
        }
    }

    #[test]
    fn padding_needs_one_character_and_a_sane_width() {
        let specs: Vec<_> = serde_yaml::from_str(
            "[{pad_left: {width: 4, with: ab}}, {pad_left: {width: 1001}}, {pad_left: {width: x}}]",
        )
        .unwrap();
        let problems = resolve_steps(&specs, ".".as_ref(), &|_| false).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
