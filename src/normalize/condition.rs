//! `where`: selects the rows that are data by the text of a column.

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::normalizer::text_of;
use crate::diagnostic::{Code, Problem, SpecProblem};

/// A condition for a row to take part. With several tests, the row must pass all.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionSpec {
    /// The column: its name, or `#4` for the fourth.
    pub column: String,
    /// The cell is one of these texts.
    pub equals: Option<Vec<String>>,
    /// The cell equals none of these texts; `""` is the empty cell.
    pub not_equals: Option<Vec<String>>,
    /// The cell, or a part of it, matches this regular expression.
    #[schemars(example = &r"^\d\d/\d\d/\d{4}$")]
    pub matches: Option<String>,
}

/// A condition, ready to be asked.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The column as written.
    pub column: String,
    equals: Option<Vec<String>>,
    not_equals: Vec<String>,
    matches: Option<Regex>,
}

impl ConditionSpec {
    ///
    /// # Errors
    /// Every problem of the piece.
    pub fn resolve(&self) -> Result<Condition, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        if self.equals.is_none() && self.not_equals.is_none() && self.matches.is_none() {
            let message = format!("nothing is asked of the column `{}`", self.column);
            let problem = Problem::new(Code::EmptyCondition, message)
                .help("add `equals: [TEXT]`, `not_equals: [TEXT]` or `matches: PATTERN`");
            problems.push(SpecProblem::new(["column"], problem));
        }
        let matches = match self.matches.as_deref().map(Regex::new) {
            None => None,
            Some(Ok(pattern)) => Some(pattern),
            Some(Err(error)) => {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default();
                let reason = reason.trim_start_matches("error: ");
                let message = format!("this is not a regular expression: {reason}");
                let problem = Problem::new(Code::ConditionPattern, message);
                problems.push(SpecProblem::new(["matches"], problem));
                None
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Condition {
            column: self.column.clone(),
            equals: self.equals.clone(),
            not_equals: self.not_equals.clone().unwrap_or_default(),
            matches,
        })
    }
}

impl Condition {
    pub(super) fn is_met(&self, cell: &[u8]) -> bool {
        let is = |text: &String| text.as_bytes() == cell;
        self.equals.as_ref().is_none_or(|texts| texts.iter().any(is))
            && !self.not_equals.iter().any(is)
            && self.matches.as_ref().is_none_or(|pattern| pattern.is_match(&text_of(cell)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(yaml: &str) -> Condition {
        serde_yaml::from_str::<ConditionSpec>(yaml).unwrap().resolve().unwrap()
    }

    #[test]
    fn every_test_must_be_passed() {
        for (yaml, met, not_met) in [
            ("{column: x, equals: [a, b]}", ["a", "b"], ["", "A"]),
            ("{column: x, not_equals: [a, '']}", ["b", " "], ["a", ""]),
            (r"{column: x, matches: '^\d+$'}", ["1", "22"], ["", "1a"]),
            ("{column: x, matches: a, not_equals: [ab]}", ["a", "xa"], ["ab", "x"]),
        ] {
            let condition = condition(yaml);
            assert!(met.iter().all(|cell| condition.is_met(cell.as_bytes())), "{yaml}");
            assert!(!not_met.iter().any(|cell| condition.is_met(cell.as_bytes())), "{yaml}");
        }
    }

    #[test]
    fn a_condition_asks_something_that_can_be_asked() {
        for (yaml, code) in [
            ("{column: x}", Code::EmptyCondition),
            ("{column: x, matches: '('}", Code::ConditionPattern),
        ] {
            let spec: ConditionSpec = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(spec.resolve().unwrap_err()[0].problem.code, code);
        }
    }
}
