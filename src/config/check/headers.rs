//! The sources' headers against the map.

use crate::config::Loaded;
use crate::config::tree::path;
use crate::config::typed::listed;
use crate::diagnostic::{Code, PathStep, Problem, Problems, nearest};
use crate::domain::{PerSide, Side};
use crate::script::ScriptOutline;
use crate::source::columns::{ColumnMatch, find, several, unique_names};

/// The headers matched with the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The index of each field's column; `None` for fields that the script's `row` sets.
    pub indices: PerSide<Vec<Option<usize>>>,
    /// The columns of the conditions, in their order.
    pub conditions: PerSide<Vec<usize>>,
    /// The columns that are filled down.
    pub fill: PerSide<Vec<usize>>,
    /// The columns that neither the map nor a script uses, in the order of the header.
    pub unused: PerSide<Vec<String>>,
    /// Problems with filters.
    pub findings: Vec<Problem>,
}

/// Finds the columns that the configuration names in the headers.
///
/// # Errors
/// Every named column that its source lacks or has twice, or that the delimiter looks wrong.
pub fn check_headers(loaded: &Loaded, headers: &PerSide<Vec<String>>) -> Result<Columns, Problems> {
    let mut problems = Problems::default();
    let mut columns = Columns::default();
    for side in Side::BOTH {
        let header = &headers[side];
        if let Some(problem) = wrong_delimiter(loaded, side, header) {
            problems.push(problem);
            continue;
        }
        let scripts = RowScripts::of(loaded, side);
        columns.findings.extend(scripts.filter_findings(side, header));
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
            .filter(|(index, name)| !indices.contains(&Some(*index)) && !scripts.mention(name));
        columns.unused[side] = unused.map(|(_, name)| name).collect();
        columns.indices[side] = indices;
    }
    if problems.has_errors() { Err(problems) } else { Ok(columns) }
}

/// How the functions of whole rows of a side (`row` and the filter) use its columns.
struct RowScripts<'l> {
    filter: Option<&'l str>,
    outlines: Vec<ScriptOutline>,
}

impl<'l> RowScripts<'l> {
    fn of(loaded: &'l Loaded, side: Side) -> Self {
        let source = &loaded.resolved.sources[side];
        let filter = source.filter.as_deref();
        let mut outlines = Vec::new();
        if filter.is_some() || source.row_function {
            let scripts = source.script.iter().chain(&loaded.resolved.normalize_script);
            outlines.extend(scripts.filter_map(|script| script.check().ok()));
        }
        Self { filter, outlines }
    }

    /// True if a script mentions the column. Any text equal to its name counts: a column is unmapped only if no
    /// script can use it.
    fn mention(&self, column: &str) -> bool {
        self.outlines.iter().any(|outline| outline.mentions.contains(column))
    }

    /// Warnings about a filter that reads no column, or one that the header lacks.
    fn filter_findings(&self, side: Side, header: &[String]) -> Vec<Problem> {
        let Some(name) = self.filter else { return Vec::new() };
        let has = |outline: &&ScriptOutline| outline.function(name, 1).is_some();
        let Some(outline) = self.outlines.iter().find(has) else { return Vec::new() };
        if !header.iter().any(|column| self.mention(column)) {
            let message = format!("the filter `{name}` names no column of source {side}");
            let help = format!("its columns are {}", listed(header));
            return vec![Problem::new(Code::FilterColumn, message).help(help)];
        }
        let reads = outline.columns.iter().filter(|read| read.function == name);
        let missing = reads.filter(|read| !header.contains(&read.column));
        missing
            .map(|read| {
                let column = &read.column;
                let message =
                    format!("the filter `{name}` reads `{column}`, which source {side} lacks");
                let problem = Problem::new(Code::FilterColumn, message).at(read.place.clone());
                problem.help(match nearest(column, header.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("its columns are {}", listed(header)),
                })
            })
            .collect()
    }
}

/// Says once that the delimiter looks wrong, where another one would give the mapped columns that
/// this one does not.
fn wrong_delimiter(loaded: &Loaded, side: Side, header: &[String]) -> Option<Problem> {
    let source = &loaded.resolved.sources[side];
    if !source.read.is_delimited() {
        return None;
    }
    let mapped: Vec<&str> = source.columns.iter().flatten().map(String::as_str).collect();
    let there = |names: &mut dyn Iterator<Item = &str>| {
        let names: Vec<&str> = names.map(|name| name.trim().trim_matches('"')).collect();
        mapped.iter().filter(|column| names.contains(column)).count()
    };
    // Spaces and quotes around names hide them whatever the delimiter.
    let found = there(&mut header.iter().map(String::as_str));
    let (best, delimiter) = [';', ',', '\t', '|', ':']
        .into_iter()
        .filter(|one| header.iter().any(|name| name.contains(*one)))
        .map(|one| (there(&mut header.iter().flat_map(|name| name.split(one))), one))
        .max_by_key(|(found, _)| *found)?;
    // One column more may be a name that contains the character; most of the map can't be.
    if best <= found || best * 2 <= mapped.len() {
        return None;
    }
    let written = if delimiter == '\t' { "\\t".to_owned() } else { delimiter.to_string() };
    let message = format!(
        "the delimiter of source {side} looks wrong: {} of {} mapped columns are found with `{written}`, {found} without",
        best,
        mapped.len()
    );
    let at = path(["sources", side.letter(), "read"]);
    let problem = Problem::new(Code::WrongDelimiter, message).at(loaded.document.key_place(&at));
    Some(problem.help(format!("set `delimiter: \"{written}\"`")))
}

fn column_index(header: &[String], side: Side, column: &str) -> Result<usize, Problem> {
    match find(header, column) {
        ColumnMatch::At(index) => Ok(index),
        ColumnMatch::Several(columns) => {
            let message = format!("source {side} has more than one column `{column}`");
            Err(several(Problem::new(Code::AmbiguousColumn, message), column, &columns))
        }
        ColumnMatch::Nowhere => {
            let message = format!("source {side} has no column `{column}`");
            let problem = Problem::new(Code::MissingColumn, message);
            Err(match nearest(column, header.iter().map(String::as_str)) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!("its columns are {}", listed(header))),
            })
        }
    }
}
