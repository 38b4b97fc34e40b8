//! `recon test`: the fixtures beside the rules.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::attribute::fixture::{self, FixtureSpec};
use crate::config;
use crate::diagnostic::{Code, PathStep, Problem, Problems};
use crate::script::ScriptSource;

use super::args::Test;
use super::context::Context;
use super::exit;

/// Runs every fixture and prints the failures; any failure is exit 1.
pub fn run(context: &Context, arguments: &Test) -> Result<u8, Problems> {
    let loaded = context.load()?;
    let files = if arguments.files.is_empty() {
        beside(loaded.scripts().map(ScriptSource::path))
    } else {
        arguments.files.clone()
    };
    if files.is_empty() {
        return Err(Problem::new(Code::NoFixtures, "no fixtures beside the rules")
            .help("write rules/NAME.tests.yaml beside rules/NAME.rhai")
            .into());
    }
    let mut results = Vec::new();
    for file in &files {
        let spec = fixtures(file, &loaded)?;
        // `risk.tests.yaml` tests `risk.rhai` first.
        let about = |script: &ScriptSource| file_prefix(script.path()) == file_prefix(file);
        let (first, others): (Vec<_>, Vec<_>) =
            loaded.normalize_scripts().cloned().partition(about);
        let scripts = [first, others].concat();
        let cases = fixture::run(&spec, &scripts, loaded.rules_plan().as_ref());
        results.extend(cases.into_iter().map(|case| (file, case)));
    }
    let failed: Vec<_> = results.iter().filter(|(_, result)| !result.passed).collect();
    let passed = results.len() - failed.len();
    if context.global.json {
        let failed: Vec<_> = failed
            .iter()
            .map(|(file, case)| {
                json!({
                    "file": file.display().to_string(), "line": case.line, "name": case.name,
                    "expected": case.expected, "got": case.got,
                })
            })
            .collect();
        context.json(&json!({ "passed": passed, "failed": failed }))?;
    } else {
        let mut text = String::new();
        for (file, case) in &failed {
            let line = case.line.map_or_else(String::new, |line| format!(":{line}"));
            text += &format!(
                "FAILED {}{line} {}: expected {}, got {}\n",
                file.display(),
                case.name,
                case.expected,
                case.got
            );
        }
        text += &format!("{passed} passed, {} failed\n", failed.len());
        context.console.say(&text)?;
    }
    Ok(if failed.is_empty() { exit::DONE } else { exit::FOUND })
}

/// The cases of a file with their lines. A field has its type from recon.yaml unless the case gives
/// another.
fn fixtures(file: &Path, loaded: &config::Loaded) -> Result<FixtureSpec, Problems> {
    let (mut spec, document) = config::read_file::<FixtureSpec>(file)?;
    let line =
        |list: &str, at: usize| Some(document.place(&[list.into(), PathStep::Index(at)]).line);
    for (at, case) in spec.normalize.iter_mut().enumerate() {
        case.line = line("normalize", at);
    }
    for (at, case) in spec.attribute.iter_mut().enumerate() {
        case.line = line("attribute", at);
    }
    spec.take_types(&loaded.resolved.layout);
    Ok(spec)
}

/// The fixture files beside these scripts: `rules/x.tests.yaml` for any file in `rules/`.
fn beside<'a>(scripts: impl IntoIterator<Item = &'a Path>) -> Vec<PathBuf> {
    let mut folders: Vec<_> = scripts.into_iter().filter_map(Path::parent).collect();
    folders.sort_unstable();
    folders.dedup();
    let mut files: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|folder| {
            // The parent of `x.rhai` is an empty path.
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let entries = std::fs::read_dir(here).into_iter().flatten().flatten();
            entries.map(|entry| folder.join(entry.file_name())).collect::<Vec<_>>()
        })
        .filter(|path| path.to_string_lossy().ends_with(".tests.yaml"))
        .collect();
    files.sort_unstable();
    files
}

/// `risk` for `rules/risk.rhai` and for `rules/risk.tests.yaml`.
fn file_prefix(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    name.split('.').next().map(str::to_owned)
}
