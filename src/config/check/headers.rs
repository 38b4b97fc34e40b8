//! The sources' headers against the map.

use crate::config::Loaded;
use crate::config::tree::path;
use crate::config::typed::listed;
use crate::diagnostic::{PathStep, Problem, Problems, nearest};
use crate::domain::{PerSide, Side};
use crate::source::columns::{Found, find, several, unique_names};

/// What the headers and the configuration have to do with each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// For each field of the layout the index of its column; none for a field that the script's
    /// `row` sets.
    pub indices: PerSide<Vec<Option<usize>>>,
    /// The columns of the conditions, in their order.
    pub conditions: PerSide<Vec<usize>>,
    /// The columns that are filled down.
    pub fill: PerSide<Vec<usize>>,
    /// The columns that the map does not use, in the order of the header.
    pub unused: PerSide<Vec<String>>,
}

/// Finds the columns that the configuration names in the headers.
///
/// # Errors
/// Every named column that its source lacks or has twice.
pub fn check_headers(loaded: &Loaded, headers: &PerSide<Vec<String>>) -> Result<Columns, Problems> {
    let mut problems = Problems::default();
    let mut columns = Columns::default();
    for side in Side::BOTH {
        let header = &headers[side];
        let source = &loaded.resolved.sources[side];
        let mut find = |column: &str, at: &[PathStep]| {
            let index = column_index(header, side, column);
            index.map_err(|found| problems.push(found.at(loaded.document.place(at)))).ok()
        };
        let names = loaded.resolved.layout.names().zip(&source.columns);
        let indices: Vec<Option<usize>> = names
            .map(|(field, column)| {
                find(column.as_deref()?, &path(["sources", side.letter(), "map", field]))
            })
            .collect();
        let of_source = |key| path(["sources", side.letter(), key]);
        for (number, condition) in source.conditions.iter().enumerate() {
            let mut at = of_source("where");
            at.extend([PathStep::from(number), "column".into()]);
            columns.conditions[side].extend(find(&condition.column, &at));
        }
        for (number, column) in source.fill.iter().enumerate() {
            let mut at = of_source("fill");
            at.push(number.into());
            columns.fill[side].extend(find(column, &at));
        }
        let unused = unique_names(header)
            .into_iter()
            .enumerate()
            .filter(|(index, _)| !indices.contains(&Some(*index)));
        columns.unused[side] = unused.map(|(_, name)| name).collect();
        columns.indices[side] = indices;
    }
    if problems.has_errors() { Err(problems) } else { Ok(columns) }
}

fn column_index(header: &[String], side: Side, column: &str) -> Result<usize, Problem> {
    match find(header, column) {
        Found::At(index) => Ok(index),
        Found::Several(columns) => {
            let message = format!("source {side} has more than one column `{column}`");
            Err(several(Problem::usage("ambiguous-column", message), column, &columns))
        }
        Found::Nowhere => {
            let message = format!("source {side} has no column `{column}`");
            let problem = Problem::usage("missing-column", message);
            Err(match nearest(column, header.iter().map(String::as_str)) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!("its columns are {}", listed(header))),
            })
        }
    }
}
