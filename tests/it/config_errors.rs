//! One folder per mistake in a configuration: `tests/errors/config/MISTAKE` has the `recon.yaml`
//! and, in `expected.txt`, all messages about it. `mended.yaml` is the same file after following
//! the help; it gives no messages.
//!
//! `UPDATE_EXPECTED=1 cargo test config_errors` writes the current messages; review the change
//! before committing it.

use std::fmt::Write as _;
use std::path::Path;

use recon::config::{Surroundings, load};
use recon::domain::Date;

/// The messages about the configuration in this folder; places name the file without its folder.
fn complaints(folder: &Path, file: &str) -> String {
    let batch_date = Date::from_civil(2026, 1, 15).unwrap();
    let environment = |_: &str| None;
    let surroundings = Surroundings { batch_date, environment: &environment };
    let problems = match load(&folder.join(file), surroundings) {
        Ok(loaded) => loaded.warnings.into_iter().chain(loaded.findings).collect(),
        Err(problems) => problems.0,
    };
    let mut said = String::new();
    for problem in &problems {
        let kind = if problem.is_warning() { "warning" } else { "error" };
        let place = problem.place.as_deref().cloned().unwrap_or_default();
        writeln!(said, "{place}: {kind} [{}]", problem.code).unwrap();
        if !place.text.is_empty() {
            writeln!(said, "  | {}", place.text).unwrap();
        }
        writeln!(said, "  {}", problem.message).unwrap();
        if let Some(help) = &problem.help {
            writeln!(said, "  help: {help}").unwrap();
        }
    }
    said.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors/config");
    let mut folders: Vec<_> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 25, "the mistakes have gone");
    let mut wrong = Vec::new();
    for folder in folders {
        let said = complaints(&folder, "recon.yaml");
        let expected = folder.join("expected.txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &said).unwrap();
        }
        let known = std::fs::read_to_string(&expected).unwrap_or_default();
        if said != known {
            wrong.push(format!("{}\n--- expected\n{known}--- said\n{said}", folder.display()));
        } else if said.is_empty() {
            wrong.push(format!("{}: nothing is said about it", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn following_the_help_fixes_the_mistake() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors/config");
    let mut wrong = Vec::new();
    let mut followed = 0;
    for entry in root.read_dir().unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("mended.yaml").exists() {
            followed += 1;
            let said = complaints(&folder, "mended.yaml");
            if !said.is_empty() {
                wrong.push(format!("{}\n{said}", folder.display()));
            }
        }
    }
    assert!(followed >= 55, "the mended files have gone");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
