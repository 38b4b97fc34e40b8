//! The step that looks a text up in a CSV file. The file is read once, when the step is resolved.

use std::fmt::Display;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use sha2::{Digest, Sha256};

use super::step::{Arguments, FileNote, Flow, Transform};
use crate::diagnostic::{Code, Problem, nearest};
use crate::files;

struct Lookup {
    texts: Texts,
    otherwise: Otherwise,
    digest: String,
    note: FileNote,
}

/// The result for a text that is not in the file.
#[derive(Clone, Copy)]
enum Otherwise {
    Keep,
    Null,
    Error,
}

impl Transform for Lookup {
    fn file_digest(&self) -> Option<&str> {
        Some(&self.digest)
    }

    fn file_note(&self) -> Option<&FileNote> {
        Some(&self.note)
    }

    fn apply<'a>(&self, text: &'a str, out: &mut String) -> Flow<'a> {
        match (self.texts.get(text), self.otherwise) {
            (Some(found), _) => {
                out.push_str(found);
                Flow::Written
            }
            (None, Otherwise::Keep) => Flow::Part(text),
            (None, Otherwise::Null) => Flow::Null,
            (None, Otherwise::Error) => Flow::Refused("not in the lookup file"),
        }
    }
}

pub(super) fn lookup(arguments: &mut Arguments<'_>) -> Option<Arc<dyn Transform>> {
    let otherwise = match arguments.key("otherwise") {
        Some("null") => Otherwise::Null,
        Some("error") => Otherwise::Error,
        _ => Otherwise::Keep,
    };
    let (texts, digest, note) = load(arguments)?;
    Some(Arc::new(Lookup { texts, otherwise, digest, note }))
}

type Texts = HashMap<Box<str>, Box<str>, FixedState>;

/// The table, the file's SHA-256, and whether its first line is a header.
fn load(arguments: &mut Arguments<'_>) -> Option<(Texts, String, FileNote)> {
    let file = arguments.key("file")?;
    let unreadable = |error: &dyn Display| {
        Problem::new(Code::LookupFile, format!("cannot read lookup file {file}: {error}"))
    };
    let text = match files::read_text(&arguments.base().join(file), files::LOOKUP) {
        Ok(text) => text,
        Err(error) => {
            arguments.problem(Some("file"), unreadable(&error));
            return None;
        }
    };
    let digest = crate::coding::hex(Sha256::digest(&text));
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let has_header = arguments.key("header") != Some("false");
    let mut reader = csv::ReaderBuilder::new().has_headers(has_header).from_reader(text.as_bytes());
    let first = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            arguments.problem(Some("file"), unreadable(&error));
            return None;
        }
    };
    let header = if has_header {
        first.clone()
    } else {
        (1..=first.len()).map(|number| format!("#{number}")).collect()
    };
    let from = column(arguments, &header, "from", 0);
    let to = column(arguments, &header, "to", 1);
    let (from, to) = (from?, to?);
    let mut texts = HashMap::with_hasher(FixedState::default());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                arguments.problem(Some("file"), unreadable(&error));
                return None;
            }
        };
        let key: Box<str> = record.get(from).unwrap_or_default().into();
        let value: Box<str> = record.get(to).unwrap_or_default().into();
        let before = texts.entry(key).or_insert_with(|| value.clone());
        if *before != value {
            let line = record.position().map_or(0, csv::Position::line);
            let message = format!(
                "{file}:{line}: `{}` becomes `{value}` here but `{before}` further up",
                record.get(from).unwrap_or_default()
            );
            arguments.problem(Some("file"), Problem::new(Code::LookupFile, message));
        }
    }
    let is_said = ["header", "from", "to"].iter().any(|key| arguments.key(key).is_some());
    let cell = |at| first.get(at).unwrap_or_default();
    let looks_like_data = looks_like_data(cell(from), cell(to), &texts);
    Some((texts, digest, note(file, has_header, &first, has_header && !is_said && looks_like_data)))
}

/// Whether the first line of a file, in which these are the cells that count, is more probably data
/// than names of columns.
fn looks_like_data(from: &str, to: &str, texts: &Texts) -> bool {
    let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    has_digit(from) || has_digit(to) || texts.values().any(|other| **other == *to)
}

fn note(file: &str, has_header: bool, first: &csv::StringRecord, is_doubtful: bool) -> FileNote {
    let line = first.iter().collect::<Vec<_>>().join(",");
    let taken = if has_header { "its header" } else { "data" };
    let says = format!("lookup file {file}: the first line, `{line}`, is {taken}");
    let warning = is_doubtful.then(|| {
        let message = format!("the first line of {file}, `{line}`, is taken for its header");
        Problem::new(Code::LookupHeader, message).help(
            "if it is data, write `header: false` beside `file`; else `header: true`, and this is not \
             said any more",
        )
    });
    FileNote { says, warning }
}

/// The position of the column that `key` names, or the `default` one.
fn column(
    arguments: &mut Arguments<'_>,
    header: &csv::StringRecord,
    key: &'static str,
    default: usize,
) -> Option<usize> {
    let file = arguments.key("file")?;
    let Some(name) = arguments.key(key) else {
        if default < header.len() {
            return Some(default);
        }
        let message = format!("lookup file {file} needs two columns");
        arguments.problem(Some("file"), Problem::new(Code::LookupFile, message));
        return None;
    };
    let position = header.iter().position(|column| column == name);
    if position.is_none() {
        let problem = Problem::new(Code::LookupFile, format!("{file} has no column `{name}`"));
        let help = match nearest(name, header) {
            Some(column) => format!("did you mean `{column}`?"),
            None => format!("it has {}", header.iter().collect::<Vec<_>>().join(", ")),
        };
        arguments.problem(Some(key), problem.help(help));
    }
    position
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::function::NoFunctions;
    use super::super::step::{Buffers, Chained, Step, apply_all, path_text, resolve_steps, run};
    use crate::diagnostic::SpecProblem;

    fn resolve(base: &Path, yaml: &str) -> Result<Vec<Step>, Vec<SpecProblem>> {
        resolve_steps(&serde_yaml::from_str::<Vec<_>>(yaml).unwrap(), base, &|_| false)
    }

    #[test]
    fn looks_up_and_does_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let file = "\u{feff}id,short,long\n1,JPM,\"JP, Morgan\"\n2,GS,Goldman\n2,GS,Goldman\n";
        std::fs::write(folder.path().join("a.csv"), file).unwrap();
        let chain = |yaml: &str| resolve(folder.path(), yaml).unwrap();
        let steps = chain("[{lookup: {file: a.csv}}]");
        assert_eq!(apply_all(&steps, "1").unwrap(), "JPM");
        assert_eq!(apply_all(&steps, "9").unwrap(), "9");
        let steps = chain("[{lookup: {file: a.csv, from: short, to: long, otherwise: 'null'}}]");
        assert_eq!(apply_all(&steps, "JPM").unwrap(), "JP, Morgan");
        assert_eq!(apply_all(&steps, "XY"), None);
        let steps = chain("[{lookup: {file: a.csv, otherwise: error}}, upper]");
        let mut buffers = Buffers::default();
        let result = run(&steps, "9", &mut buffers, &mut NoFunctions, |_, _| ()).unwrap();
        assert_eq!(result, Chained::Refused("not in the lookup file"));
    }

    #[test]
    fn the_first_line_is_a_header_or_data_and_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "JPM,JP MORGAN\nJPMC,JP MORGAN\n").unwrap();
        std::fs::write(folder.path().join("b.csv"), "alias,name\nJPM,JP MORGAN\n").unwrap();
        for (yaml, jpm, says, warns) in [
            ("{file: a.csv}", "JPM", "`JPM,JP MORGAN`, is its header", true),
            ("{file: a.csv, header: true}", "JPM", "is its header", false),
            ("{file: a.csv, header: false}", "JP MORGAN", "is data", false),
            ("{file: a.csv, header: false, from: '#1', to: '#2'}", "JP MORGAN", "is data", false),
            ("{file: b.csv}", "JP MORGAN", "`alias,name`, is its header", false),
        ] {
            let steps = resolve(folder.path(), &format!("[{{lookup: {yaml}}}]")).unwrap();
            assert_eq!(apply_all(&steps, "JPM").unwrap(), jpm, "{yaml}");
            let note = steps[0].file_note().unwrap();
            assert!(note.says.contains(says), "{yaml}: {}", note.says);
            assert_eq!(note.warning.is_some(), warns, "{yaml}");
        }
    }

    #[test]
    fn a_bad_file_is_an_error_with_key_and_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("two.csv"), "from,to\nx,1\nx,2\n").unwrap();
        std::fs::write(folder.path().join("one.csv"), "from\nx\n").unwrap();
        std::fs::write(folder.path().join("ragged.csv"), "from,to\nx\n").unwrap();
        for (yaml, path, part) in [
            ("[{lookup: {file: none.csv}}]", "0.lookup.file", "none.csv"),
            ("[{lookup: {file: two.csv}}]", "0.lookup.file", "two.csv:3: `x` becomes `2`"),
            ("[{lookup: {file: one.csv}}]", "0.lookup.file", "two columns"),
            ("[{lookup: {file: ragged.csv}}]", "0.lookup.file", "ragged.csv"),
            ("[{lookup: {file: two.csv, to: too}}]", "0.lookup.to", "did you mean `to`"),
        ] {
            let problems = resolve(folder.path(), yaml).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(path_text(&problems[0].path), path);
            let text = problems[0].problem.to_string();
            assert!(text.contains(part), "{text}");
        }
    }
}
