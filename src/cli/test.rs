//! `recon test`: the fixtures beside the rules.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::attribute::fixture::{self, CaseResult, FixtureSpec, MatchCase};
use crate::compare::Comparison;
use crate::config;
use crate::diagnostic::{Code, PathStep, Problem, Problems};
use crate::domain::PerSide;
use crate::pipeline;
use crate::script::ScriptSource;

use super::args::Test;
use super::context::Context;
use super::exit;

/// Runs every fixture and prints the failures; any failure is exit 1.
pub fn run(context: &Context, arguments: &Test) -> Result<u8, Problems> {
    let loaded = context.load()?;
    let files = if arguments.files.is_empty() {
        let beside_file = loaded.resolved.base.join("recon.yaml");
        let scripts = loaded.scripts().map(ScriptSource::path);
        // The passes of `match` stand in recon.yaml itself, so their fixtures are beside that.
        let own = loaded.resolved.matching.is_some().then_some(beside_file.as_path());
        beside(scripts.chain(own))
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
        let spec = fixtures(file)?;
        // `risk.tests.yaml` tests `risk.rhai` first.
        let about = |script: &ScriptSource| file_prefix(script.path()) == file_prefix(file);
        let (first, others): (Vec<_>, Vec<_>) =
            loaded.normalize_scripts().cloned().partition(about);
        let scripts = [first, others].concat();
        let layout = &loaded.resolved.layout;
        let cases = fixture::run(&spec, &scripts, loaded.rules_plan().as_ref(), layout);
        let matches = spec.matching.iter().map(|case| match_case(&loaded, case));
        results.extend(cases.into_iter().chain(matches).map(|case| (file, case)));
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
        context.console.print(&text)?;
    }
    Ok(if failed.is_empty() { exit::DONE } else { exit::FOUND })
}

/// Runs the passes over the rows of a case.
fn match_case(loaded: &config::Loaded, case: &MatchCase) -> CaseResult {
    let resolved = &loaded.resolved;
    let compare = resolved.fields.iter().map(|field| field.compare.clone()).collect();
    let comparison = Comparison::new(compare, resolved.layout.key_len());
    let got = match (&resolved.matching, case.rows(&resolved.layout)) {
        (None, _) => "recon.yaml has no `match`".to_owned(),
        (_, Err(wrong)) => wrong,
        (Some(matching), Ok(rows)) => {
            let rows = PerSide { a: rows.a.as_slice(), b: rows.b.as_slice() };
            let made = pipeline::try_passes(&resolved.layout, &comparison, matching, rows);
            let numbers =
                |rows: &[usize]| -> Vec<u64> { rows.iter().map(|row| *row as u64 + 1).collect() };
            let made: Vec<_> = made
                .iter()
                .map(|one| {
                    let (a, b) = (numbers(&one.a), numbers(&one.b));
                    (a, b, one.pass.as_str(), one.certificate.name())
                })
                .collect();
            case.got(&made)
        }
    };
    let (name, expected, line) = (case.name.clone(), case.expected(), case.line);
    CaseResult { passed: got == expected, name, expected, got, line }
}

/// The cases of a file with their lines.
fn fixtures(file: &Path) -> Result<FixtureSpec, Problems> {
    let (mut spec, document) = config::read_file::<FixtureSpec>(file)?;
    let line =
        |list: &str, at: usize| Some(document.place(&[list.into(), PathStep::Index(at)]).line);
    for (at, case) in spec.normalize.iter_mut().enumerate() {
        case.line = line("normalize", at);
    }
    for (at, case) in spec.attribute.iter_mut().enumerate() {
        case.line = line("attribute", at);
    }
    for (at, case) in spec.matching.iter_mut().enumerate() {
        case.line = line("match", at);
    }
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
