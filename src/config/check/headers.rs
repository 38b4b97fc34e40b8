//! The sources' headers against the map.

use crate::config::Loaded;
use crate::config::tree::path;
use crate::config::typed::listed;
use crate::diagnostic::{Problem, Problems, nearest};
use crate::domain::{PerSide, Side};

/// What the headers and the map have to do with each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// For each field of the layout the index of its column; none for a field that the script's
    /// `row` sets.
    pub indices: PerSide<Vec<Option<usize>>>,
    /// The columns that the map does not use, in the order of the header.
    pub unused: PerSide<Vec<String>>,
}

/// Finds the columns of the map in the headers.
///
/// # Errors
/// Every mapped column that its source lacks or has twice.
pub fn check_headers(loaded: &Loaded, headers: &PerSide<Vec<String>>) -> Result<Columns, Problems> {
    let mut problems = Problems::default();
    let found = PerSide::of(|side| {
        let header = &headers[side];
        let resolved = &loaded.resolved;
        let names = resolved.layout.names().zip(&resolved.sources[side].columns);
        let indices: Vec<Option<usize>> = names
            .map(|(field, column)| {
                let column = column.as_deref()?;
                let at = path(["sources", side.letter(), "map", field]);
                let index = column_index(header, side, column);
                index.map_err(|found| problems.push(found.at(loaded.document.place(&at)))).ok()
            })
            .collect();
        let unused = header
            .iter()
            .enumerate()
            .filter(|(index, _)| !indices.contains(&Some(*index)))
            .map(|(_, name)| name.clone())
            .collect();
        (indices, unused)
    });
    if problems.has_errors() {
        return Err(problems);
    }
    let PerSide { a: (a, unused_a), b: (b, unused_b) } = found;
    Ok(Columns { indices: PerSide { a, b }, unused: PerSide { a: unused_a, b: unused_b } })
}

fn column_index(header: &[String], side: Side, column: &str) -> Result<usize, Problem> {
    let mut indices = header.iter().enumerate().filter(|(_, name)| *name == column);
    match (indices.next(), indices.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => {
            let message = format!("source {side} has more than one column `{column}`");
            Err(Problem::usage("ambiguous-column", message))
        }
        (None, _) => {
            let message = format!("source {side} has no column `{column}`");
            let problem = Problem::usage("missing-column", message);
            Err(match nearest(column, header.iter().map(String::as_str)) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!("its columns are {}", listed(header))),
            })
        }
    }
}
