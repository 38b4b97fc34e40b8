//! `recon.yaml`, from its text to its meaning.
//!
//! The text is parsed into a tree with places (`parse`, `tree`); variables are replaced (`substitute`); the tree is
//! read as the types of `spec` (`typed`); and these are resolved across the stages (`check`). Each step reports every
//! mistake with its place and passes on the intact parts, so that one run shows all mistakes.
//!
//! Nothing here opens a source or a store.

mod check;
mod filled;
mod named;
mod parse;
mod plan;
mod resolved;
mod schema;
pub(crate) mod secrets;
mod settings;
mod shipment;
mod spec;
mod storage;
mod substitute;
#[cfg(test)]
mod tests;
mod tree;
mod typed;

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use check::{Columns, check_headers};
pub use resolved::Resolved;
pub use schema::schema;
pub use shipment::Shipment;
pub use spec::Spec;
pub use tree::Document;

use self::tree::Content;
use crate::database::StoreUrl;
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::Date;

/// The store of a configuration that names none.
const DEFAULT_STORE: &str = "sqlite:recon.db";

/// The inputs of a configuration besides its text.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub batch_date: Date,
    /// The variables that the file may name.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The parsed file, with places.
    pub document: Document,
    pub resolved: Resolved,
    pub warnings: Vec<Problem>,
    /// Mistakes in scripts that matter only if a row reaches them: errors for `check`, warnings for
    /// a run.
    pub findings: Vec<Problem>,
}

/// Reads the configuration in `file`; its places name the file as `file` is written.
///
/// # Errors
/// Every mistake in it, in the order of their places.
pub fn load(file: &Path, surroundings: Surroundings<'_>) -> Result<Loaded, Problems> {
    load_text(&read_text(file)?, file, surroundings)
}

/// Reads a configuration of this text as if it stood in `file`.
///
/// # Errors
/// Every mistake in it, in the order of their places.
pub fn load_text(
    text: &str,
    file: &Path,
    surroundings: Surroundings<'_>,
) -> Result<Loaded, Problems> {
    let (document, mut problems) = document(text, file, surroundings);
    let Some(document) = document else { return Err(sorted(problems)) };
    let (spec, found) = typed::read::<Spec>(&document);
    problems.extend(found);
    let Some(spec) = spec else { return Err(sorted(problems)) };
    let check::Checked { resolved, problems: found, findings } =
        check::check(&document, &spec, surroundings.batch_date);
    problems.extend(found);
    match resolved {
        Some(resolved) if problems.iter().all(Problem::is_warning) => {
            let (Problems(warnings), Problems(findings)) = (sorted(problems), sorted(findings));
            Ok(Loaded { document, resolved, warnings, findings })
        }
        _ => {
            problems.extend(findings);
            Err(sorted(problems))
        }
    }
}

/// The store that `file` names, whatever else is wrong in it: a mistake in a field must not keep
/// users from the stored runs.
///
/// # Errors Invalid YAML or invalid store URL.
pub fn store_url(file: &Path, surroundings: Surroundings<'_>) -> Result<StoreUrl, Problems> {
    let (document, mut problems) = document(&read_text(file)?, file, surroundings);
    let Some(document) = document else { return Err(sorted(problems)) };
    let at = tree::path(["store"]);
    let place = document.place(&at);
    problems.retain(|problem| problem.place.as_deref() == Some(&place));
    if !problems.is_empty() {
        return Err(sorted(problems));
    }
    let written = match document.find(&at).map(|node| &node.content) {
        Some(Content::Scalar(scalar)) if !scalar.is_null() => &scalar.value,
        Some(Content::Map(_) | Content::List(_)) => {
            return Err(Problem::new(Code::WrongType, "the store's URL is a text")
                .at(place)
                .into());
        }
        _ => DEFAULT_STORE,
    };
    let base = file.parent().unwrap_or(Path::new(""));
    StoreUrl::parse(written, base).map_err(|problem| problem.at(place).into())
}

/// The job that the configuration in `file` names, whatever else is wrong in it.
///
/// # Errors Invalid YAML, or no job.
pub fn job_name(file: &Path, surroundings: Surroundings<'_>) -> Result<String, Problems> {
    let (document, problems) = document(&read_text(file)?, file, surroundings);
    let Some(document) = document else { return Err(sorted(problems)) };
    match document.find(&tree::path(["job"])).map(|node| &node.content) {
        Some(Content::Scalar(scalar)) if !scalar.is_null() => Ok(scalar.value.clone()),
        _ => Err(Problem::new(Code::MissingKey, "the key `job` is missing").in_file(file).into()),
    }
}

/// Reads another of the user's files, such as fixtures or a noise profile, as `T`, without
/// replacing variables. The document gives later problems their places.
///
/// # Errors
/// Every mistake in it, in the order of their places.
pub fn read_file<T: DeserializeOwned + JsonSchema>(file: &Path) -> Result<(T, Document), Problems> {
    // The help is about a missing recon.yaml.
    let text = read_text(file).map_err(|problem| Problem { help: None, ..problem })?;
    let (root, mut problems) = parse::parse(&text, file);
    let Some(root) = root else { return Err(sorted(problems)) };
    let document = Document { file: file.to_owned(), root };
    let (read, found) = typed::read::<T>(&document);
    problems.extend(found);
    match read {
        Some(read) if problems.iter().all(Problem::is_warning) => Ok((read, document)),
        _ => Err(sorted(problems)),
    }
}

/// The file's tree with its variables replaced.
fn document(
    text: &str,
    file: &Path,
    surroundings: Surroundings<'_>,
) -> (Option<Document>, Vec<Problem>) {
    let (root, mut problems) = parse::parse(text, file);
    let document = root.map(|mut root| {
        let Surroundings { batch_date, environment } = surroundings;
        problems.extend(substitute::substitute(&mut root, file, batch_date, environment));
        Document { file: file.to_owned(), root }
    });
    (document, problems)
}

fn read_text(file: &Path) -> Result<String, Problem> {
    let bytes = crate::files::read(file, crate::files::SMALL).map_err(|error| {
        let message = format!("can't read {}: {error}", file.display());
        let problem = Problem::new(Code::ConfigUnreadable, message);
        if error.kind() == std::io::ErrorKind::NotFound {
            problem.help("`recon init` writes one; `--config` names another")
        } else {
            problem
        }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let message = format!("{} is not UTF-8 text from line {line} on", file.display());
        Problem::new(Code::ConfigUnreadable, message).help("save it with the encoding UTF-8")
    })
}

/// Sorted by place, without repetitions and without warnings about a place that has an error.
fn sorted(mut problems: Vec<Problem>) -> Problems {
    let at = |problem: &Problem| {
        problem.place.as_ref().map(|place| (place.file.clone(), place.line, place.column))
    };
    let mistaken: std::collections::HashSet<_> =
        problems.iter().filter(|problem| !problem.is_warning()).filter_map(at).collect();
    problems.retain(|problem| {
        !(problem.is_warning() && at(problem).is_some_and(|place| mistaken.contains(&place)))
    });
    problems.sort_by_key(|problem| {
        problem
            .place
            .as_ref()
            .map(|place| (place.file.clone(), place.line, place.column))
            .unwrap_or_default()
    });
    let mut unique: Vec<Problem> = Vec::with_capacity(problems.len());
    for problem in problems {
        // They are sorted by place, so duplicates are near each other.
        let same_place = unique.iter().rev().take_while(|other| at(other) == at(&problem));
        if !same_place.into_iter().any(|other| *other == problem) {
            unique.push(problem);
        }
    }
    Problems(unique)
}
