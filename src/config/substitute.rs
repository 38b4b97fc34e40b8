//! `${NAME}` and `${NAME:-default}` in the values of the file.
//!
//! Variables are replaced in the tree, after parsing, so that they can't add YAML. `$$` is `$`;
//! `${BATCH_DATE}` is always the business date.

use std::path::Path;

use super::tree::{Content, Node};
use crate::diagnostic::{Code, Problem, nearest};
use crate::domain::Date;

/// How deep variables may stand in the defaults of others.
const MAX_DEPTH: usize = 32;
/// The longest value, and the most bytes of all values together.
const MAX_VALUE: usize = 1 << 20;
const MAX_TOTAL: usize = 16 << 20;

/// The variable that is always the business date.
pub const BATCH_DATE: &str = "BATCH_DATE";

/// Replaces the variables in every scalar value; keys stay as they are.
pub fn substitute(
    root: &mut Node,
    file: &Path,
    batch_date: Date,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<Problem> {
    let date = batch_date.to_string();
    let lookup =
        |name: &str| if name == BATCH_DATE { Some(date.clone()) } else { environment(name) };
    let mut problems = Vec::new();
    let mut total = 0;
    walk(root, &mut |node| {
        let Content::Scalar(scalar) = &mut node.content else { return };
        if total > MAX_TOTAL {
            return;
        }
        let replaced = replace(&scalar.written, &lookup, 0).and_then(|value| {
            total += value.len();
            if total > MAX_TOTAL { Err(too_long(MAX_TOTAL)) } else { Ok(value) }
        });
        match replaced {
            Ok(value) => scalar.value = value,
            Err(problem) => problems.push(problem.at(node.spot.place(file))),
        }
    });
    problems
}

fn walk(node: &mut Node, visit: &mut dyn FnMut(&mut Node)) {
    visit(node);
    match &mut node.content {
        Content::Scalar(_) => {}
        Content::Map(entries) => entries.iter_mut().for_each(|entry| walk(&mut entry.value, visit)),
        Content::List(items) => items.iter_mut().for_each(|item| walk(item, visit)),
    }
}

fn too_long(limit: usize) -> Problem {
    let message = format!("with its variables replaced, it has more than {} MiB", limit >> 20);
    Problem::new(Code::BadVariable, message).help("name fewer or shorter variables")
}

fn replace(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, Problem> {
    if depth > MAX_DEPTH {
        let message = format!("variables are nested more than {MAX_DEPTH} levels deep");
        let help = "give the innermost default alone";
        return Err(Problem::new(Code::BadVariable, message).help(help));
    }
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        replaced.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            replaced.push('$');
            rest = tail;
        } else if let Some(inner) = after.strip_prefix('{') {
            let Some((variable, tail)) = split_at_end(inner) else {
                let problem = Problem::new(Code::BadVariable, "a `${` is not closed");
                return Err(problem.help("write `$${` for the two characters"));
            };
            replaced.push_str(&value_of(variable, lookup, depth)?);
            if replaced.len() > MAX_VALUE {
                return Err(too_long(MAX_VALUE));
            }
            rest = tail;
        } else {
            // A lone dollar stays.
            replaced.push('$');
            rest = after;
        }
    }
    replaced.push_str(rest);
    Ok(replaced)
}

/// Splits at the brace that closes a variable; its default may contain variables.
fn split_at_end(inner: &str) -> Option<(&str, &str)> {
    let mut depth = 0usize;
    let mut before = ' ';
    for (at, character) in inner.char_indices() {
        match character {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some((&inner[..at], &inner[at + 1..])),
            '}' => depth -= 1,
            _ => {}
        }
        before = character;
    }
    None
}

fn value_of(
    variable: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, Problem> {
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    let mut characters = name.chars();
    let begins_well =
        characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !begins_well || !characters.all(|next| next.is_ascii_alphanumeric() || next == '_') {
        let message = format!("`${{{variable}}}` names no variable");
        let help = "write `${NAME}` or `${NAME:-default}`; `$$` is a dollar";
        return Err(Problem::new(Code::BadVariable, message).help(help));
    }
    match (lookup(name), default) {
        // As in a shell, an empty variable is as good as none.
        (Some(value), Some(default)) if value.is_empty() => replace(default, lookup, depth + 1),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => replace(default, lookup, depth + 1),
        (None, None) => {
            let message = format!("the environment variable `{name}` is not set");
            let help = match nearest(name, [BATCH_DATE]) {
                Some(meant) => format!("did you mean `${{{meant}}}`?"),
                None => format!("set it, or give a default: `${{{name}:-default}}`"),
            };
            Err(Problem::new(Code::UndefinedVariable, message).help(help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "DIR" => Some("/data".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${DIR}: {a: b}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_dollars() {
        for (text, expected) in [
            ("${DIR}/a.csv", "/data/a.csv"),
            ("${NONE:-x}${EMPTY:-y}${EMPTY}", "xy"),
            ("$$${DIR}$", "$/data$"),
            ("^a$|$b", "^a$|$b"),
            ("${NONE:-}", ""),
            ("${NONE:-${DIR}/${EMPTY:-x}}.csv", "/data/x.csv"),
            ("${NONE:-$$}", "$"),
            // The value of a variable is text: neither YAML nor another variable.
            ("${TRICK}", "${DIR}: {a: b}"),
        ] {
            assert_eq!(replace(text, &lookup, 0).as_deref(), Ok(expected));
        }
        for text in ["${NONE}", "${", "${A:-${B}", "${1X}", "${}", "${A B}"] {
            assert!(replace(text, &lookup, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_and_growth_are_bounded() {
        let nested = |levels| ["${NONE:-".repeat(levels), "x".into(), "}".repeat(levels)].concat();
        assert_eq!(replace(&nested(20), &lookup, 0).as_deref(), Ok("x"));
        let refused = replace(&nested(20_000), &lookup, 0).unwrap_err();
        assert!(refused.message.contains("32 levels"), "{refused}");
        let long = |_: &str| Some("x".repeat(100_000));
        assert!(replace(&"${A}".repeat(10), &long, 0).is_ok());
        let refused = replace(&"${A}".repeat(11), &long, 0).unwrap_err();
        assert!(refused.message.contains("1 MiB"), "{refused}");
    }
}
