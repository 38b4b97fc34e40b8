//! `recon test`: the fixtures that sit beside the rules.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::attribute::fixture::{self, CaseResult, FixtureSpec};
use crate::config;
use crate::diagnostic::{Place, Problem, Problems};
use crate::script::ScriptSource;

use super::args::Test;
use super::context::Context;

/// Runs every fixture and shows those that fail. Failing fixtures are an error of the rules: exit 2.
pub fn run(context: &Context, arguments: &Test) -> Result<u8, Problems> {
    let loaded = context.load()?;
    let files = if arguments.files.is_empty() {
        beside(loaded.scripts().map(ScriptSource::path))
    } else {
        arguments.files.clone()
    };
    if files.is_empty() {
        return Err(Problem::usage("no-fixtures", "there are no fixtures beside the rules")
            .help("write rules/NAME.tests.yaml beside rules/NAME.rhai")
            .into());
    }
    let mut results = Vec::new();
    for file in &files {
        let (spec, _) = config::read_file::<FixtureSpec>(file)?;
        // `risk.tests.yaml` is about `risk.rhai` first.
        let about = |script: &ScriptSource| file_prefix(script.path()) == file_prefix(file);
        let (first, others): (Vec<_>, Vec<_>) =
            loaded.normalize_scripts().cloned().partition(about);
        let scripts = [first, others].concat();
        let cases = fixture::run(&spec, &scripts, loaded.rules_plan().as_ref());
        results.extend(cases.into_iter().map(|case| (file, case)));
    }
    let failed: Vec<_> = results.iter().filter(|(_, result)| !result.passed).collect();
    if context.global.json {
        // A program that is told of an error finds nothing on stdout.
        if !failed.is_empty() {
            return Err(Problems(
                failed.into_iter().map(|(file, case)| problem(file, case)).collect(),
            ));
        }
        context.json(&json!({ "passed": results.len(), "failed": [] }))?;
    } else {
        let mut text = String::new();
        for (_, case) in &failed {
            text +=
                &format!("FAILED {}: expected {}, got {}\n", case.name, case.expected, case.got);
        }
        text += &format!("{} passed, {} failed\n", results.len() - failed.len(), failed.len());
        context.console.say(&text)?;
    }
    Ok(if failed.is_empty() { 0 } else { 2 })
}

/// The fixture files beside these scripts: `rules/x.tests.yaml` for any file in `rules/`.
fn beside<'a>(scripts: impl IntoIterator<Item = &'a Path>) -> Vec<PathBuf> {
    let mut folders: Vec<_> = scripts.into_iter().filter_map(Path::parent).collect();
    folders.sort_unstable();
    folders.dedup();
    let mut files: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|folder| {
            // A script beside recon.yaml is in a folder without a name.
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let entries = std::fs::read_dir(here).into_iter().flatten().flatten();
            entries.map(|entry| folder.join(entry.file_name())).collect::<Vec<_>>()
        })
        .filter(|path| path.to_string_lossy().ends_with(".tests.yaml"))
        .collect();
    files.sort_unstable();
    files
}

/// `risk` of `rules/risk.rhai` and of `rules/risk.tests.yaml`.
fn file_prefix(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    name.split('.').next().map(str::to_owned)
}

fn problem(file: &Path, case: &CaseResult) -> Problem {
    let CaseResult { name, expected, got, .. } = case;
    Problem::usage("fixture-failed", format!("{name}: expected {expected}, got {got}")).at(Place {
        file: file.to_owned(),
        line: case.line.unwrap_or_default(),
        ..Place::default()
    })
}
