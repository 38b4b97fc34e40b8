//! Steps that put one text in the place of another, or null.

use std::sync::Arc;

use regex::Regex;

use super::step::{Arguments, Flow, Transform};
use crate::diagnostic::{Code, Problem};

/// Bytes by which a value may grow. Each step could multiply its length.
const MOST_ADDED: usize = 1 << 20;

/// The value counts as unparsable.
const TOO_LONG: Flow<'static> = Flow::Refused("replacing makes it more than 1 MiB longer");

struct Replace {
    from: String,
    to: String,
}

impl Transform for Replace {
    fn apply<'a>(&self, text: &'a str, out: &mut String) -> Flow<'a> {
        let mut end = 0;
        for (start, found) in text.match_indices(self.from.as_str()) {
            out.push_str(text.get(end..start).unwrap_or_default());
            out.push_str(&self.to);
            end = start + found.len();
            if out.len() > end + MOST_ADDED {
                return TOO_LONG;
            }
        }
        if end == 0 {
            return Flow::Part(text);
        }
        out.push_str(text.get(end..).unwrap_or_default());
        Flow::Written
    }
}

pub(super) fn replace(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    let (from, to) = (arguments.key("from")?.to_owned(), arguments.key("to")?.to_owned());
    if from.is_empty() {
        let problem =
            Problem::new(Code::StepArgument, "`from` is empty: it would match everywhere");
        arguments.problem(Some("from"), problem);
        return None;
    }
    Some(Arc::new(Replace { from, to }))
}

struct RegexReplace {
    pattern: Regex,
    with: String,
}

impl Transform for RegexReplace {
    fn apply<'a>(&self, text: &'a str, out: &mut String) -> Flow<'a> {
        let mut end = None;
        for groups in self.pattern.captures_iter(text) {
            let Some(found) = groups.get(0) else { continue };
            out.push_str(text.get(end.unwrap_or(0)..found.start()).unwrap_or_default());
            groups.expand(&self.with, out);
            end = Some(found.end());
            if out.len() > found.end() + MOST_ADDED {
                return TOO_LONG;
            }
        }
        let Some(end) = end else { return Flow::Part(text) };
        out.push_str(text.get(end..).unwrap_or_default());
        Flow::Written
    }
}

pub(super) fn regex_replace(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    let with = arguments.key("with")?.to_owned();
    match Regex::new(arguments.key("pattern")?) {
        Ok(pattern) => Some(Arc::new(RegexReplace { pattern, with })),
        Err(error) => {
            let message = format!("not a regular expression: {error}");
            arguments.problem(Some("pattern"), Problem::new(Code::StepArgument, message));
            None
        }
    }
}

struct NullIf(Vec<String>);

impl Transform for NullIf {
    fn apply<'a>(&self, text: &'a str, _: &mut String) -> Flow<'a> {
        if self.0.iter().any(|null| null == text) { Flow::Null } else { Flow::Part(text) }
    }
}

pub(super) fn null_if(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    Some(Arc::new(NullIf(arguments.texts().to_vec())))
}

#[cfg(test)]
mod tests {
    use super::super::function::NoFunctions;
    use super::super::step::{Buffers, Chained, apply_all, resolve_steps, run, steps};

    #[test]
    fn replacing() {
        for (chain, text, expected) in [
            ("[{replace: {from: aa, to: a}}]", "aaaxaa", "aaxa"),
            ("[{replace: {from: x, to: ''}}]", "xx", ""),
            ("[{replace: {from: x, to: y}}]", "abc", "abc"),
            (r"[{regex_replace: {pattern: '\s*/\s*', with: '-'}}]", "a / b/c", "a-b-c"),
            (r"[{regex_replace: {pattern: '', with: '.'}}]", "ab", ".a.b."),
            (r"[{regex_replace: {pattern: '^\d+$', with: ''}}]", "12a", "12a"),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text:?}");
        }
    }

    #[test]
    fn a_value_does_not_grow_without_a_limit() {
        let long = "x".repeat(100_000);
        for chain in ["replace: {from: x, to: LONG}", "regex_replace: {pattern: x, with: LONG}"] {
            let steps = steps(&format!("[{{{}}}]", chain.replace("LONG", &"y".repeat(1_000))));
            let (mut buffers, mut none) = (Buffers::default(), NoFunctions);
            let grown = run(&steps, &long, &mut buffers, &mut none, |_, _| ()).unwrap();
            assert!(matches!(grown, Chained::Refused(why) if why.contains("1 MiB")), "{chain}");
            assert_eq!(apply_all(&steps, "axa").unwrap().len(), 1_002);
        }
    }

    #[test]
    fn null_if_takes_whole_texts_only() {
        let chain = steps("[{null_if: [N/A, '']}]");
        assert_eq!(apply_all(&chain, "N/A"), None);
        assert_eq!(apply_all(&chain, ""), None);
        assert_eq!(apply_all(&chain, "N/A ").unwrap(), "N/A ");
    }

    #[test]
    fn mistakes_are_reported() {
        let specs: Vec<_> = serde_yaml::from_str(
            "[{replace: {from: '', to: x}}, {regex_replace: {pattern: '(', with: x}}]",
        )
        .unwrap();
        let problems = resolve_steps(&specs, ".".as_ref(), &|_| false).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
