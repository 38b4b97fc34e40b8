//! Names of the users behind a run's decisions, with checker, authorizer and comments.

use std::collections::HashMap;

use crate::diagnostic::Problem;
use crate::store::review::decisions_of;
use crate::store::{RunRow, Store, people, transact};

/// A human decision about one difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Empty if one user decided alone.
    pub checker: String,
    /// Empty unless six eyes were required.
    pub authorizer: String,
    /// Comments of maker, checker and authorizer.
    pub comment: String,
}

#[derive(Clone, Debug, Default)]
pub struct Deciders {
    names: HashMap<String, String>,
    decisions: HashMap<u64, Decision>,
}

impl Deciders {
    /// Reads the names of all users and the applied decisions of the run.
    pub fn read(store: &dyn Store, run: &RunRow) -> Result<Self, Problem> {
        let mut deciders = Self::default();
        let (names, decisions) = transact::read(store, |tx| {
            let names = people::names(tx)?;
            // Without people there are no decisions.
            let decided = if names.is_empty() { Vec::new() } else { decisions_of(tx, run.id)? };
            Ok((names, decided))
        })?;
        deciders.names = names.into_iter().collect();
        let mut said: HashMap<u64, Vec<String>> = HashMap::new();
        for row in decisions {
            let name = row.person_id.map(|id| deciders.name(&id).to_owned()).unwrap_or_default();
            let decision = deciders.decisions.entry(row.number).or_default();
            match row.stage.as_deref() {
                Some("CHECKER") => decision.checker = name,
                Some("AUTHORIZER") => decision.authorizer = name,
                _ => {}
            }
            let comments = said.entry(row.number).or_default();
            for comment in [row.made, row.approved].into_iter().flatten() {
                if !comment.trim().is_empty() && !comments.contains(&comment) {
                    comments.push(comment);
                }
            }
        }
        for (number, comments) in said {
            if let Some(decision) = deciders.decisions.get_mut(&number) {
                decision.comment = comments.join(" / ");
            }
        }
        Ok(deciders)
    }

    /// The user's name; rules, models and deleted users keep their id.
    pub fn name<'n>(&'n self, assigned_by: &'n str) -> &'n str {
        self.names.get(assigned_by).map_or(assigned_by, String::as_str)
    }

    /// The human decision about a difference, if any.
    pub fn decision(&self, number: u64) -> Option<&Decision> {
        self.decisions.get(&number)
    }
}
