//! `recon init`: writes a commented `recon.yaml` and rules, inferred from two files if given.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::json;

use crate::database::StoreUrl;
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::{PerSide, Side};
use crate::files;
use crate::infer::{self, ATTRIBUTION_RULES, Inference, percent};
use crate::report::figures;

use super::args::Init;
use super::context::{Context, unwritable};

/// The fixtures of the shipped rules, so that `recon test` has something to run.
const NORMALIZE_TESTS: &str = include_str!("../../rules/normalize.tests.yaml");
const ATTRIBUTION_TESTS: &str = include_str!("../../rules/attribution.tests.yaml");

pub fn run(context: &Context, arguments: &Init) -> Result<u8, Problems> {
    let config = &context.global.config;
    let folder = match config.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::new(),
    };
    let inference = match (&arguments.a, &arguments.b) {
        (Some(a), Some(b)) => {
            let paths = PerSide { a: a.as_path(), b: b.as_path() }.map(|_, path| {
                let file = path.to_str().and_then(|text| text.strip_prefix("sqlite:"));
                file.map_or(path, Path::new)
            });
            let shown = PerSide::try_of(|side| shown(&folder, paths[side]))?;
            Some(infer::infer(paths, shown)?)
        }
        _ => None,
    };
    let (configuration, normalize) = match &inference {
        Some(inference) => (inference.configuration(), inference.normalize_rules()?),
        None => (infer::starter(), include_str!("../../rules/normalize.rhai").to_owned()),
    };
    let rules = folder.join("rules");
    let mut files = vec![
        (config.clone(), configuration),
        (rules.join("normalize.rhai"), normalize),
        (rules.join("normalize.tests.yaml"), NORMALIZE_TESTS.to_owned()),
        (rules.join("attribution.rhai"), ATTRIBUTION_RULES.to_owned()),
        (rules.join("attribution.tests.yaml"), ATTRIBUTION_TESTS.to_owned()),
    ];
    for side in Side::BOTH {
        let source = inference.as_ref().map(|inference| &inference.sources[side]);
        if let Some((file, row)) =
            source.and_then(|source| Some((source.script_file(side)?, source.row.as_ref()?)))
        {
            files.push((folder.join(file), row.script()));
        }
    }
    write(&files, arguments.force)?;
    if context.global.json {
        let written: Vec<String> =
            files.iter().map(|(path, _)| path.display().to_string()).collect();
        context.json(&json!({ "written": written, "guesses": inference }))?;
        return Ok(0);
    }
    let mut text = match &inference {
        Some(inference) => summary(inference),
        None => String::new(),
    };
    text += &format!("wrote {} and {}\n", config.display(), rules.display());
    let option = if config == Path::new("recon.yaml") {
        String::new()
    } else {
        format!(" -c {}", figures::shell_word(&config.display().to_string()))
    };
    text += &match &inference {
        Some(inference) if inference.key_candidates.is_empty() && inference.passes.is_empty() => {
            format!("next: write the key into it, then recon check{option} and recon run{option}\n")
        }
        Some(_) => format!("next: review it, then recon check{option} and recon run{option}\n"),
        None => format!(
            "next: fill in your files and columns, then recon check{option}; \
             or run recon init A.csv B.csv to infer them\n"
        ),
    };
    context.console.print(&text)?;
    Ok(0)
}

/// Writes all of the files, or none if one exists with other content and `force` is off.
fn write(files: &[(PathBuf, String)], force: bool) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for (path, text) in files {
        let is_same =
            || files::read(path, files::SMALL).is_ok_and(|there| there == text.as_bytes());
        if !force && path.exists() && !is_same() {
            let message = format!("{} exists", path.display());
            problems.push(
                Problem::new(Code::FileExists, message)
                    .help("name another file with --config, or overwrite it with --force"),
            );
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    let mut begun = Begun::default();
    let written = begun.write(files);
    if written.is_err() {
        begun.remove();
    }
    Ok(written?)
}

/// What was begun: on a full disk none of it remains.
#[derive(Default)]
struct Begun {
    /// Complete texts that wait for their names, each with its name.
    parts: Vec<(PathBuf, PathBuf)>,
    /// Folders that did not exist before, the outer ones first.
    folders: Vec<PathBuf>,
}

impl Begun {
    /// Writes all of the texts beside their places before the first takes its place.
    fn write(&mut self, files: &[(PathBuf, String)]) -> Result<(), Problem> {
        for (path, text) in files {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            if let Some(folder) = folder {
                let missing: Vec<&Path> = folder
                    .ancestors()
                    .take_while(|folder| *folder != Path::new("") && !folder.exists())
                    .collect();
                self.folders.extend(missing.into_iter().rev().map(Path::to_owned));
                fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
            }
            // A link stays one; what it leads to is replaced.
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            let mut name = target.file_name().unwrap_or_default().to_os_string();
            name.push(format!(".{}.part", std::process::id()));
            let part = target.with_file_name(name);
            self.parts.push((part.clone(), target));
            fs::write(&part, text).map_err(|error| unwritable(path, &error))?;
        }
        while let Some((part, target)) = self.parts.first() {
            fs::rename(part, target).map_err(|error| unwritable(target, &error))?;
            self.parts.remove(0);
        }
        Ok(())
    }

    /// Removes it. The first error matters more than one of this.
    fn remove(&self) {
        for (part, _) in &self.parts {
            let _ = fs::remove_file(part);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A source as it is named in `recon.yaml` in `folder`: a file by its path, a database by its URL without
/// its password.
fn shown(folder: &Path, path: &Path) -> Result<String, Problem> {
    match path.to_str().filter(|text| text.starts_with("postgres")) {
        Some(url) if url.contains("://") => Ok(StoreUrl::parse(url, folder)?.to_string()),
        _ => Ok(shown_from(folder, path)),
    }
}

/// A source's path as written into `recon.yaml` in `folder`: relative to the folder, unless it was
/// given as absolute and lies elsewhere.
fn shown_from(folder: &Path, path: &Path) -> String {
    let text = |path: &Path| path.to_string_lossy().replace('\\', "/");
    let base = std::path::absolute(Path::new(".").join(folder));
    let (Ok(base), Ok(target)) = (base, std::path::absolute(path)) else {
        return text(path);
    };
    let (base, target) = (without_dots(&base), without_dots(&target));
    if path.is_absolute() && !target.starts_with(&base) {
        return text(path);
    }
    let common = base.iter().zip(&target).take_while(|(left, right)| left == right).count();
    let up = base.len() - common;
    let steps = std::iter::repeat_n("..".to_owned(), up);
    let down = target.iter().skip(common).map(|step| text(step.as_ref()));
    steps.chain(down).collect::<Vec<_>>().join("/")
}

/// The components of an absolute path with `.` and `..` resolved.
fn without_dots(path: &Path) -> Vec<std::ffi::OsString> {
    let mut steps = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                steps.pop();
            }
            other => steps.push(other.as_os_str().to_owned()),
        }
    }
    steps
}

/// The inference in a few lines.
fn summary(inference: &Inference) -> String {
    let mut text = String::new();
    for side in Side::BOTH {
        let source = &inference.sources[side];
        let form = &source.form;
        if let Some(kind) = &form.kind {
            let options =
                kind.options.iter().map(|(option, value, _)| format!(", {option} {value}"));
            text += &format!(
                "{side}  {}: {}, {}{}\n",
                figures::visible(&source.path),
                figures::counted(source.rows, "row", "rows"),
                kind.spoken(),
                options.collect::<String>()
            );
            continue;
        }
        text += &format!(
            "{side}  {}: {}{}, {}{}\n",
            figures::visible(&source.path),
            figures::counted(source.rows, "row", "rows"),
            if source.whole { "" } else { " sampled" },
            form.encoding.value,
            if form.encoding.confidence < 0.9 {
                format!(" ({})", percent(form.encoding.confidence))
            } else {
                String::new()
            },
        );
        if form.encoding.confidence < 0.7 {
            text += &format!("   encoding: {}\n", figures::visible(&form.encoding.why));
        }
        if !form.columns_why.is_empty() {
            text +=
                &format!("   columns named by position: {}\n", figures::visible(&form.columns_why));
        }
        text += &format!(
            "   delimiter {:?} ({}), {} ({}){}{}\n",
            form.delimiter.value,
            percent(form.delimiter.confidence),
            if form.has_names() { "a header" } else { "no header" },
            percent(form.header.confidence),
            match form.preamble {
                0 => String::new(),
                lines => {
                    format!(", {} before it", figures::counted(lines, "line", "lines"))
                }
            },
            match source.unusable_rows {
                0 => String::new(),
                rows => {
                    format!(", {} would be rejected", figures::counted(rows, "row", "rows"))
                }
            },
        );
        if form.skip_footer.value > 0 {
            text += &format!(
                "   last {} skipped (skip_footer): {}\n",
                figures::counted(form.skip_footer.value, "row", "rows"),
                figures::visible(&form.skip_footer.why)
            );
        }
        if let Some(header) = &form.repeated_header {
            text += &format!("   {}: excluded (where)\n", figures::visible(&header.why()));
        }
        for (option, why) in [
            ("ignore_empty_extras", &form.ignore_empty_extras),
            ("pad_short_rows", &form.pad_short_rows),
        ] {
            if let Some(why) = why {
                text += &format!("   {option}: {}\n", figures::visible(why));
            }
        }
    }
    match inference.key_candidates.first() {
        Some(key) => {
            text += &format!(
                "key  {} ({}): {}\n",
                inference
                    .fields
                    .iter()
                    .filter(|field| field.key)
                    .map(|field| field.name.as_str())
                    .collect::<Vec<_>>()
                    .join(" + "),
                percent(key.confidence),
                key.why(),
            );
        }
        None if !inference.passes.is_empty() => {
            text += "key  none: no one, two or three columns identify the rows of each side; proposed passes:\n";
            for pass in &inference.passes {
                let equal = pass.equal.iter().map(String::as_str);
                let near = pass.near.iter().map(|(field, bound)| format!("{field} {bound}"));
                let sum = pass.sum.iter().map(|field| format!("sum of {field}, {}", pass.shape));
                let how: Vec<String> = equal.map(str::to_owned).chain(near).chain(sum).collect();
                text += &format!("  {}: {}\n", pass.name, figures::visible(&how.join(", ")));
                text += &format!("     {}\n", pass.why());
            }
        }
        None => {
            text += "key  NOT FOUND: no one, two or three columns identify rows and share values \
                     between the files;\n     write the key fields into `key: []`\n";
        }
    }
    let rows: Vec<[String; 6]> = inference
        .fields
        .iter()
        .map(|field| {
            [
                field.name.clone(),
                figures::visible(&field.columns.a).into_owned(),
                figures::visible(&field.columns.b).into_owned(),
                percent(field.confidence),
                format!("{} {}", field.kind, percent(field.type_confidence)),
                field.why.clone(),
            ]
        })
        .collect();
    let head = ["field", "A", "B", "confidence", "type", "why"].map(str::to_owned);
    let widths: Vec<usize> = (0..head.len())
        .map(|at| {
            rows.iter()
                .chain([&head])
                .map(|row| figures::width(&row[at]))
                .max()
                .unwrap_or(0)
                .min(40)
        })
        .collect();
    for row in std::iter::once(&head).chain(&rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| {
                if at + 1 == row.len() {
                    cell.clone()
                } else {
                    figures::pad(&figures::clip(cell, *width), *width, false)
                }
            })
            .collect();
        text += &format!("  {}\n", cells.join("  ").trim_end());
    }
    let of = |written: bool| {
        let fields = inference.fields.iter();
        fields
            .flat_map(|field| field.uniting.iter().map(move |uniting| (field, uniting)))
            .filter(move |(_, uniting)| uniting.written == written)
    };
    for (title, written) in [
        ("steps that make differently written values agree (remove any that hide errors):", true),
        ("steps not written that would make more values agree:", false),
    ] {
        if of(written).next().is_some() {
            text += &format!("{title}\n");
        }
        for (field, uniting) in of(written) {
            let sentence = uniting.sentence();
            let sentence = sentence.strip_prefix("not written: ").unwrap_or(&sentence);
            text += &format!("  {}: {}\n", field.name, figures::visible(sentence));
        }
    }
    for side in Side::BOTH {
        if let Some(row) = &inference.sources[side].row {
            text += &format!("{} in {side}: {}\n", row.field, figures::visible(&row.sentence()));
        }
    }
    for note in &inference.notes {
        text += &format!("check: {}\n", figures::visible(note));
    }
    for side in Side::BOTH {
        let unmapped = &inference.sources[side].unmapped;
        if !unmapped.is_empty() {
            let columns: Vec<_> = unmapped.iter().map(|name| figures::visible(name)).collect();
            text += &format!("unmapped columns of {side}: {}\n", columns.join(", "));
        }
    }
    for field in &inference.fields {
        for note in &field.notes {
            text += &format!("check {}: {note}\n", field.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_from_the_folder_of_the_configuration() {
        let shown = |folder: &str, path: &str| shown_from(Path::new(folder), Path::new(path));
        assert_eq!(shown("", "a.csv"), "a.csv");
        assert_eq!(shown(".", "./data/a.csv"), "data/a.csv");
        assert_eq!(shown("jobs/x", "data/a.csv"), "../../data/a.csv");
        assert_eq!(shown("jobs", "jobs/a.csv"), "a.csv");
        assert_eq!(shown("jobs", "/data/a.csv"), "/data/a.csv");
        assert_eq!(shown("/jobs", "/jobs/in/a.csv"), "in/a.csv");
    }
}
