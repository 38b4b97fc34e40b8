//! Conditions of statements, built from a filter.

use crate::store::SqlValue;
use crate::store::rows;
use crate::store::transact::Dialect;

/// The text of a condition with the values of its parameters.
#[derive(Clone, Debug)]
pub(super) struct Where {
    pub dialect: Dialect,
    pub sql: String,
    pub values: Vec<SqlValue>,
}

impl Where {
    pub fn new(dialect: Dialect, condition: impl Into<String>) -> Self {
        Self { dialect, sql: condition.into(), values: Vec::new() }
    }

    /// Adds a value and gives its parameter.
    pub fn bind(&mut self, value: impl Into<SqlValue>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    pub fn and(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    /// Adds the condition that a column holds one of these numbers.
    pub fn one_of(&mut self, column: &str, numbers: &[i64]) {
        let place = self.bind(rows::numbers(numbers.iter().copied()));
        let condition = rows::is_among(self.dialect, column, &place);
        self.and(&condition);
    }

    /// Adds the condition that a run is one of the query's. Written out, so that partitions are left out.
    pub fn of_runs(&mut self, column: &str, runs: &[i64]) {
        self.and(&match runs {
            [] => "1 = 0".to_owned(),
            runs => format!("{column} IN ({})", joined(runs)),
        });
    }
}

pub(super) fn joined(numbers: &[i64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
