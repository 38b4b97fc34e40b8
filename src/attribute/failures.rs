//! The failures of rules, counted by their places in the scripts: one mistake can fail for a million differences.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Problem;

/// For each place of a script that failed, an example and the number of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFailures(Vec<(Problem, u64)>);

/// Orders failures: what they have in common, by file, line and column.
fn place(problem: &Problem) -> (Option<(&Path, u64, u64)>, &str) {
    let place = problem.place.as_ref();
    (place.map(|place| (place.file.as_path(), place.line, place.column)), problem.code.name())
}

impl RuleFailures {
    /// Adds failures of one place. The example is the one whose sentence comes first, so that it does not depend on
    /// which thread found it.
    pub fn add(&mut self, problem: Problem, count: u64) {
        match self.0.binary_search_by(|(known, _)| place(known).cmp(&place(&problem))) {
            Ok(at) => {
                let Some((known, counted)) = self.0.get_mut(at) else { return };
                *counted += count;
                if problem.message < known.message {
                    *known = problem;
                }
            }
            Err(at) => self.0.insert(at, (problem, count)),
        }
    }

    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(problem, count)| self.add(problem, count));
    }

    /// How many differences a rule failed for.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    pub fn first(&self) -> Option<&Problem> {
        self.0.first().map(|(problem, _)| problem)
    }

    /// One warning for each place, with the number of its failures.
    pub fn warnings(self) -> impl Iterator<Item = Problem> {
        self.0.into_iter().map(|(mut problem, count)| {
            if count > 1 {
                problem.message = format!("{} (and {} more here)", problem.message, count - 1);
            }
            problem
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Place};

    #[test]
    fn all_failures_of_a_place_are_counted_whoever_finds_them() {
        let problem = |line: u64, record: u64| {
            let place = Place { file: "r.rhai".into(), line, ..Place::default() };
            Problem::new(Code::ScriptError, format!("record {record:03}")).at(place)
        };
        let mut all = RuleFailures::default();
        let mut threads = [RuleFailures::default(), RuleFailures::default()];
        for record in (0..735).rev() {
            all.add(problem(2, record), 1);
            threads[record as usize % 2].add(problem(2, record), 1);
        }
        all.add(problem(1, 7), 1);
        threads[1].add(problem(1, 7), 1);
        let [mut merged, other] = threads;
        merged.merge(other);
        assert_eq!(merged, all);
        assert_eq!(all.count(), 736);
        let said: Vec<_> = all.warnings().map(|warning| warning.message).collect();
        assert_eq!(said, ["record 007", "record 000 (and 734 more here)"]);
    }
}
