//! `recon import`: loads a result that was made on many machines as a run.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Problem, Problems};
use crate::exchange::Table;
use crate::files;
use crate::pipeline::shard::{Closed, ImportedTables, import};
use crate::report::{self, ReportData};
use crate::store::{self, Opening};

use super::args::Import;
use super::context::Context;
use super::{exit, output};

/// The name of a run's description.
const RUN: &str = "run.json";
/// The size of a run's description.
const RUN_BYTES: u64 = 64 << 20;

pub fn run(context: &Context, arguments: &Import) -> Result<u8, Problems> {
    context.listen()?;
    let mut found = ResultFiles::default();
    arguments.paths.iter().try_for_each(|path| found.add(path))?;
    let Some(path) = &found.run else {
        return Err(unreadable("there is no `run.json` among the files").into());
    };
    let text = files::read(path, RUN_BYTES).map_err(|error| in_file(path, &error))?;
    let closed =
        Closed::read(&String::from_utf8_lossy(&text)).map_err(|problem| problem.in_file(path))?;
    let store = store::open(&context.store_url(None)?, Opening::Create)?;
    let session = context.session(&*store, arguments.lock_timeout);
    let run = import(session, &closed, &found.tables)?;
    let summary = report::summary(&*store, &run, None)?;
    if context.global.json {
        context.console.result(|out| {
            report::write_json(&summary, out).map_err(|error| report::unwritable(&error))
        })?;
    } else {
        let data = ReportData::of(&*store, &run, summary)?;
        context.console.result(|out| {
            report::write_text(&data, out, context.console.paint(), output::columns())
                .map_err(|error| report::unwritable(&error))
        })?;
    }
    Ok(exit::DONE)
}

fn unreadable(message: impl Into<String>) -> Problem {
    Problem::new(Code::ResultUnreadable, message)
}

fn in_file(path: &Path, error: &std::io::Error) -> Problem {
    unreadable(format!("it can't be read: {error}")).in_file(path)
}

#[derive(Default)]
struct ResultFiles {
    run: Option<PathBuf>,
    tables: ImportedTables,
}

impl ResultFiles {
    fn add(&mut self, path: &Path) -> Result<(), Problem> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|error| in_file(path, &error))?;
            let mut inside = Vec::new();
            for entry in entries {
                inside.push(entry.map_err(|error| in_file(path, &error))?.path());
            }
            inside.sort_unstable();
            return inside
                .iter()
                .filter(|path| !is_hidden(path))
                .try_for_each(|path| self.add(path));
        }
        let of = |name: &str| Table::ALL.into_iter().find(|table| table.plural() == name);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let is_lines = matches!(&*extension, "jsonl" | "json");
        if name == RUN {
            self.run = Some(path.to_owned());
        } else if let Some(table) = of(&stem).or_else(|| of(&folder)) {
            self.tables.entry(table).or_default().push(path.to_owned());
        } else if is_lines {
            for table in Table::ALL {
                self.tables.entry(table).or_default().push(path.to_owned());
            }
        } else {
            let message = "the name does not say which table the file is of";
            return Err(unreadable(message).in_file(path).help(
                "put it into a folder called records, differences, attributions, members or rejected",
            ));
        }
        Ok(())
    }
}

/// Files that engines leave beside a table's own, such as `_SUCCESS`.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(['_', '.'])
}
