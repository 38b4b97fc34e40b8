//! Resolves column names: by the name, or by position where names are not enough.

use crate::diagnostic::{Code, PathStep, Problem, SpecProblem};

/// The meaning of a name in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnMatch {
    /// This column, from 0.
    At(usize),
    /// Several columns have the name.
    Several(Vec<usize>),
    /// No column has it.
    Nowhere,
}

/// The column that `name` means: the one of this name; else `#4` is the fourth column, and
/// `currency#2` the second one named `currency`.
pub fn find(header: &[String], name: &str) -> ColumnMatch {
    let named = |name: &str| -> Vec<usize> {
        let columns = header.iter().enumerate().filter(|(_, column)| *column == name);
        columns.map(|(at, _)| at).collect()
    };
    match named(name).as_slice() {
        [only] => return ColumnMatch::At(*only),
        [] => {}
        several => return ColumnMatch::Several(several.to_vec()),
    }
    let Some((base, number)) = name.rsplit_once('#') else { return ColumnMatch::Nowhere };
    let number = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let at = match (base, number) {
        (_, None) => None,
        ("", Some(place)) => (place < header.len()).then_some(place),
        (base, Some(which)) => named(base).get(which).copied(),
    };
    at.map_or(ColumnMatch::Nowhere, ColumnMatch::At)
}

/// The columns' names, each once: of several columns with one name, `currency#1` is the first and
/// `currency#2` the second. Several columns without a name are called by their places.
pub fn unique_names(header: &[String]) -> Vec<String> {
    let name = |(at, name): (usize, &String)| {
        let times = header.iter().filter(|other| *other == name).count();
        if times == 1 {
            return name.clone();
        }
        if name.is_empty() {
            return format!("#{}", at + 1);
        }
        let before = header.iter().take(at).filter(|other| *other == name).count();
        format!("{name}#{}", before + 1)
    };
    // Counting them anew for each column would take long in a very wide file.
    let mut sorted: Vec<&String> = header.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).all(|pair| pair.first() != pair.last()) {
        return header.to_vec();
    }
    header.iter().enumerate().map(name).collect()
}

/// The complaint about a name that several columns have, and how to name each.
pub fn several(problem: Problem, name: &str, columns: &[usize]) -> Problem {
    let places: Vec<String> = columns.iter().map(|at| (at + 1).to_string()).collect();
    let places = match places.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => places.concat(),
    };
    let first = columns.first().map_or(1, |at| at + 1);
    let help = if name.is_empty() {
        format!("columns {places} have no name: name one by its place, as in `\"#{first}\"`")
    } else {
        format!(
            "columns {places} have this name: write `\"{name}#1\"` or `\"{name}#2\"` for the first or \
             second of them, or its place, as in `\"#{first}\"`"
        )
    };
    problem.help(help)
}

/// The complaint about the name at a place of a list, if it stands there before.
pub fn repeated<'n>(names: impl Iterator<Item = &'n str> + Clone, at: usize) -> Option<Problem> {
    let name = names.clone().nth(at)?;
    let first = names.take(at).position(|other| other == name)?;
    let message = format!("columns {} and {} are both named `{name}`", first + 1, at + 1);
    Some(Problem::new(Code::DuplicateColumn, message))
}

/// Complaints about `columns`, the names of the columns of a source without a header.
pub fn check_names(names: &[String], problems: &mut Vec<SpecProblem>) {
    if names.is_empty() {
        problems.push(SpecProblem::new(["columns"], no_columns()));
    }
    for at in 0..names.len() {
        if let Some(problem) = repeated(names.iter().map(String::as_str), at) {
            let path = [PathStep::from("columns"), PathStep::from(at)];
            problems.push(SpecProblem::new(path, problem));
        }
    }
}

/// The complaint about `columns` without a column.
pub fn no_columns() -> Problem {
    Problem::new(Code::NoColumns, "`columns` is empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_column_is_found_by_its_name_or_its_place() {
        let header = header(&["date", "currency", "amount", "currency", "", "x#2", ""]);
        for (name, found) in [
            ("date", ColumnMatch::At(0)),
            ("currency", ColumnMatch::Several(vec![1, 3])),
            ("currency#1", ColumnMatch::At(1)),
            ("currency#2", ColumnMatch::At(3)),
            ("currency#3", ColumnMatch::Nowhere),
            ("date#1", ColumnMatch::At(0)),
            ("#1", ColumnMatch::At(0)),
            ("#7", ColumnMatch::At(6)),
            ("#8", ColumnMatch::Nowhere),
            ("#0", ColumnMatch::Nowhere),
            ("", ColumnMatch::Several(vec![4, 6])),
            ("x#2", ColumnMatch::At(5)),
            ("amount#two", ColumnMatch::Nowhere),
        ] {
            assert_eq!(find(&header, name), found, "{name}");
        }
    }

    #[test]
    fn every_column_has_a_name_of_its_own() {
        let header = header(&["a", "b", "", "b", ""]);
        let names = unique_names(&header);
        assert_eq!(names, ["a", "b#1", "#3", "b#2", "#5"]);
        for (at, name) in names.iter().enumerate() {
            assert_eq!(find(&header, name), ColumnMatch::At(at));
        }
        let plain = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(unique_names(&plain), plain);
    }
}
