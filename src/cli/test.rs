//! `recon test`: the fixtures that sit beside the rules.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::attribute::fixture::{self, FixtureSpec};
use crate::config;
use crate::diagnostic::{Problem, Problems};
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
        let normalize = loaded.resolved.normalize_script.as_ref();
        results.extend(fixture::run(&spec, normalize, loaded.rules_plan().as_ref()));
    }
    let failed: Vec<_> = results.iter().filter(|result| !result.passed).collect();
    if context.global.json {
        let cases: Vec<_> = failed
            .iter()
            .map(|case| json!({ "name": case.name, "expected": case.expected, "got": case.got }))
            .collect();
        context.json(&json!({ "passed": results.len() - failed.len(), "failed": cases }))?;
    } else {
        let mut text = String::new();
        for case in &failed {
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
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".tests.yaml"))
        .collect();
    files.sort_unstable();
    files
}
