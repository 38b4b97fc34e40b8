//! The floors of ARCHITECTURE.md: an import may only point down, and stages meet only below.

use std::fs;
use std::path::{Path, PathBuf};

/// Every top-level module and its floor.
const FLOORS: &[(&str, u32)] = &[
    ("cli", 6),
    ("config", 5),
    ("server", 4),
    ("pipeline", 3),
    ("review", 3),
    ("report", 3),
    ("infer", 3),
    ("generate", 3),
    ("source", 2),
    ("normalize", 2),
    ("align", 2),
    ("compare", 2),
    ("attribute", 2),
    ("store", 2),
    ("script", 1),
    ("database", 1),
    ("domain", 0),
    ("diagnostic", 0),
    ("files", 0),
    ("threads", 0),
];

/// What the server may use, although more lies below it.
const SERVER_MAY_USE: &[&str] = &[
    "review",
    "report",
    "store",
    "script",
    "database",
    "domain",
    "diagnostic",
    "files",
    "threads",
];

/// A package and the only modules that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("rhai", &["script"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli/progress"]),
    ("saphyr_parser", &["config"]),
    ("smartcore", &["attribute/forest/train"]),
    ("argon2", &["review/people/password"]),
    ("caseless", &["review/people/name"]),
    ("unicode_security", &["review/people/name"]),
    ("rust_xlsxwriter", &["report/xlsx"]),
    ("rpassword", &["cli"]),
    ("tiny_http", &["server/backend"]),
    ("httparse", &["server/guard"]),
    ("utoipa_swagger_ui", &["server/docs"]),
    ("rusqlite", &["database", "store"]),
    ("postgres", &["database", "store"]),
];

fn floor(module: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Lines of code with their numbers: without comments, and without the tests at a file's end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// The modules of ours that a line names: `crate::store`, `use crate::{store, domain}`.
fn named(line: &str) -> Vec<&str> {
    let mut modules = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("crate::") {
        rest = &rest[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            modules
                .extend(group.split(',').map(|name| name.trim().split("::").next().unwrap_or("")));
        } else {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            modules.push(&rest[..end]);
        }
    }
    modules
}

#[test]
fn imports_point_down_and_packages_stay_at_home() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources are not where this test looks for them");
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let inside = inside.to_string_lossy().into_owned();
        let module = inside.split('/').next().unwrap_or_default();
        if matches!(module, "lib" | "main") || inside.contains("/tests") {
            continue;
        }
        let Some(own) = floor(module) else {
            wrong.push(format!("src/{inside}.rs: module `{module}` has no floor"));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for (line, code) in code(&text) {
            for used in named(code) {
                let Some(other) = floor(used) else { continue };
                let allowed = used == module
                    || (other < own && (module != "server" || SERVER_MAY_USE.contains(&used)))
                    || (own == 0 && other == 0);
                if !allowed {
                    wrong.push(format!(
                        "src/{inside}.rs:{line}: {module} (floor {own}) uses {used} (floor {other})"
                    ));
                }
            }
            for (package, homes) in HOMES {
                let names = [format!("{package}::"), format!("use {package};")];
                let uses = names.iter().any(|name| {
                    code.match_indices(name.as_str()).any(|(at, _)| {
                        !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                    })
                });
                if uses && !homes.iter().any(|home| inside.starts_with(home)) {
                    wrong.push(format!("src/{inside}.rs:{line}: {package} belongs into {homes:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that don't point down:\n{}", wrong.join("\n"));
}
