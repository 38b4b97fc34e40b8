//! Names of the users behind a run's decisions, with checker, authorizer and comments.

use std::collections::HashMap;

use crate::diagnostic::Problem;
use crate::store::{RowSink, RunRow, SqlValue, Store};

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
        for row in rows(store, "SELECT person_id, display_name FROM recon.people")? {
            if let [Some(id), Some(name)] = row.as_slice() {
                deciders.names.insert(id.clone(), name.clone());
            }
        }
        if deciders.names.is_empty() {
            return Ok(deciders);
        }
        // A run id contains nothing that needs quoting.
        let sql = format!(
            "SELECT i.number, p.comments, a.stage, a.person_id, a.comments \
             FROM recon.proposal_items i \
             JOIN recon.recon_runs r ON r.run_no = i.run_no \
             JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
             LEFT JOIN recon.approvals a ON a.proposal_id = p.proposal_id \
               AND a.proposal_version = p.version AND a.decision = 'APPROVE' AND NOT a.void \
             WHERE r.run_id = '{}' AND p.state = 'APPLIED' \
             ORDER BY p.proposal_id, i.number, a.stage DESC",
            run.id
        );
        let mut said: HashMap<u64, Vec<String>> = HashMap::new();
        for row in rows(store, &sql)? {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten();
            let Some(number) = next().and_then(|text| text.parse().ok()) else { continue };
            let (made, stage, person, approved) = (next(), next(), next(), next());
            let name = person.map(|id| deciders.name(&id).to_owned()).unwrap_or_default();
            let decision = deciders.decisions.entry(number).or_default();
            match stage.as_deref() {
                Some("CHECKER") => decision.checker = name,
                Some("AUTHORIZER") => decision.authorizer = name,
                _ => {}
            }
            let comments = said.entry(number).or_default();
            for comment in [made, approved].into_iter().flatten() {
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

/// All rows of a query, as text.
fn rows(store: &dyn Store, sql: &str) -> Result<Vec<Vec<Option<String>>>, Problem> {
    struct Rows(Vec<Vec<Option<String>>>);
    impl RowSink for Rows {
        fn columns(&mut self, _: &[String]) -> Result<(), Problem> {
            Ok(())
        }
        fn row(&mut self, values: &[SqlValue]) -> Result<(), Problem> {
            let text = |value: &SqlValue| match value {
                SqlValue::Text(text) | SqlValue::Json(text) => Some(text.clone()),
                SqlValue::Integer(number) => Some(number.to_string()),
                _ => None,
            };
            self.0.push(values.iter().map(text).collect());
            Ok(())
        }
    }
    let mut rows = Rows(Vec::new());
    store.query(sql, &mut rows)?;
    Ok(rows.0)
}
