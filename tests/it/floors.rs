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
    ("matching", 2),
    ("attribute", 2),
    ("store", 2),
    ("exchange", 1),
    ("script", 1),
    ("database", 1),
    ("domain", 0),
    ("diagnostic", 0),
    ("coding", 0),
    ("files", 0),
    ("threads", 0),
    ("yaml", 0),
];

/// Modules that may not use everything on the floors below them, and the modules they may not use.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "server",
        &["pipeline", "infer", "generate", "source", "normalize", "align", "compare", "attribute"],
    ),
    ("config", &["server", "review", "report", "infer", "generate"]),
];

/// A package and the only modules that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("rhai", &["script"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli/progress"]),
    ("saphyr_parser", &["config"]),
    ("serde_yaml", &["yaml"]),
    ("smartcore", &["attribute/forest/train"]),
    ("argon2", &["review/people/password"]),
    ("caseless", &["review/people/name"]),
    ("unicode_security", &["review/people/name"]),
    ("rust_xlsxwriter", &["report/xlsx"]),
    ("rpassword", &["cli"]),
    ("tiny_http", &["server/backend"]),
    ("httparse", &["server/guard"]),
    ("ureq", &["server/notify"]),
    ("hmac", &["server/notify"]),
    ("percent_encoding", &["coding"]),
    ("utoipa_swagger_ui_vendored", &["server/docs"]),
    ("rusqlite", &["database", "store", "source/sql"]),
    ("postgres", &["database", "store", "source/sql"]),
    ("calamine", &["source/excel"]),
    ("cfb", &["source/excel"]),
    // Its kind has the same name.
    ("parquet", &["source/parquet", "source/mod", "source/stream", "exchange/stored"]),
    ("arrow_array", &["exchange", "source/stream"]),
    ("arrow_ipc", &["exchange"]),
    ("arrow_schema", &["exchange", "source/stream"]),
    ("zip", &["source/excel", "source/input", "server/docs"]),
    ("glob", &["source/input"]),
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

/// The code of a file, of the same length: comments, texts and test-only code are blank, so that
/// line numbers stay.
fn code(text: &str) -> String {
    let mut code: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < code.len() {
        let rest = &code[at..];
        let end = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['"', ..] => end_of_text(rest),
            ['r', '"' | '#', ..] if at == 0 || !is_name(code[at - 1]) => end_of_raw_text(rest),
            ['\'', '\\', _, ..] => rest[3..].iter().position(|c| *c == '\'').map_or(4, |at| at + 4),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        blank(&mut code[at..at + end]);
        at += end.max(1);
    }
    let attribute: Vec<char> = "#[cfg(test)]".chars().collect();
    while let Some(from) = code.windows(attribute.len()).position(|part| part == attribute) {
        let end = end_of_item(&code[from..]);
        blank(&mut code[from..from + end]);
    }
    code.into_iter().collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn blank(part: &mut [char]) {
    part.iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
}

fn end_of_text(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Where `r"…"` or `r#"…"#` ends; 0 for `r#name`.
fn end_of_raw_text(rest: &[char]) -> usize {
    let signs = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + signs) != Some(&'"') {
        return 0;
    }
    let mut close = vec!['"'];
    close.resize(1 + signs, '#');
    let inside = &rest[2 + signs..];
    let length = inside.windows(close.len()).position(|part| part == close);
    length.map_or(rest.len(), |length| 2 + signs + length + close.len())
}

/// End of the item after an attribute.
fn end_of_item(rest: &[char]) -> usize {
    let mut depth = 0_i32;
    for (at, c) in rest.iter().enumerate() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (*c == ';' || *c == '}') {
            return at + 1;
        }
    }
    rest.len()
}

/// The modules of ours that the code of a file names, each with its line: `crate::store`,
/// `use crate::{store, domain}` over several lines, and `super::` as often as it leads to the root.
fn named(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let supers = "super::".repeat(depth);
    let mut found = Vec::new();
    for root in ["crate::", supers.as_str()] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with(|c: char| is_name(c) || c == ':') {
                continue;
            }
            let rest = &code[at + root.len()..];
            let line = code[..at].matches('\n').count() + 1;
            let names = match rest.strip_prefix('{') {
                Some(group) => heads(group),
                None => vec![rest],
            };
            found.extend(names.into_iter().map(|name| {
                let end = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
                (line, &name[..end])
            }));
        }
    }
    found
}

/// The beginnings of the parts of `a::{b, c}, d}`: `a…` and `d…`.
fn heads(group: &str) -> Vec<&str> {
    let (mut heads, mut depth) = (vec![group.trim_start()], 0_i32);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(group[at + 1..].trim_start()),
            _ => {}
        }
    }
    heads
}

/// Wrong imports of a file with this path below `src`, without `.rs`.
fn wrong_imports(inside: &str, text: &str) -> Vec<String> {
    let module = inside.split('/').next().unwrap_or_default();
    let Some(own) = floor(module) else {
        return vec![format!("src/{inside}.rs: module `{module}` has no floor")];
    };
    let code = code(text);
    let depth = inside.trim_end_matches("/mod").split('/').count();
    let mut wrong = Vec::new();
    for (line, used) in named(&code, depth) {
        let Some(other) = floor(used) else { continue };
        let forbidden =
            FORBIDDEN.iter().any(|(name, others)| *name == module && others.contains(&used));
        let allowed = used == module || (other < own && !forbidden) || (own == 0 && other == 0);
        if !allowed {
            let message = format!("{module} (floor {own}) uses {used} (floor {other})");
            wrong.push(format!("src/{inside}.rs:{line}: {message}"));
        }
    }
    for (package, homes) in
        HOMES.iter().filter(|(_, homes)| !homes.iter().any(|home| inside.starts_with(home)))
    {
        for (at, _) in code.match_indices(package) {
            let (before, after) = (&code[..at], &code[at + package.len()..]);
            let is_package = !before.ends_with(|c: char| is_name(c) || c == ':')
                && (after.starts_with("::")
                    || (before.ends_with("use ") && after.starts_with([';', ' '])));
            if is_package {
                let line = before.matches('\n').count() + 1;
                wrong.push(format!("src/{inside}.rs:{line}: {package} belongs into {homes:?}"));
            }
        }
    }
    wrong
}

#[test]
fn a_planted_import_is_found_wherever_it_stands() {
    let found = |inside: &str, text: &str| wrong_imports(inside, text);
    let upward = "use crate::domain::Kind;\n\n#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}\n\n\
                  use crate::{\n    domain::{Cell, Row},\n    store::Store,\n};\n";
    assert_eq!(
        found("domain/x", upward),
        ["src/domain/x.rs:8: domain (floor 0) uses store (floor 2)"]
    );
    let after_a_module_of_tests = "#[cfg(test)]\nmod tests;\n\nfn f() { crate::cli::run(); }\n";
    assert_eq!(
        found("config/mod", after_a_module_of_tests),
        ["src/config/mod.rs:4: config (floor 5) uses cli (floor 6)"]
    );
    assert_eq!(found("compare/mod", "use super::align;").len(), 1);
    assert_eq!(found("compare/number", "use super::super::align;").len(), 1);
    assert_eq!(found("compare/number", "use super::align;"), [""; 0]);
    assert_eq!(found("store/x", "use rhai::Engine;\n").len(), 1);
    let harmless = "// crate::cli\nconst A: &str = \"crate::cli\";\nconst B: &str = r#\"\"crate::cli\"#;\n\
                    const C: char = '\"'; /* no */ const D: &str = \"\\\"crate::cli\";\n";
    assert_eq!(found("domain/x", harmless), [""; 0]);
    assert_eq!(found("newcomer/x", ""), ["src/newcomer/x.rs: module `newcomer` has no floor"]);
}

#[test]
fn the_map_lists_every_module_on_its_floor() {
    let map =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for (module, floor) in FLOORS {
        let row = map.lines().find(|line| line.starts_with(&format!("| {floor} |"))).unwrap();
        let listed = row.split('|').nth(2).unwrap();
        assert!(listed.contains(&format!("`{module}`")), "floor {floor} lacks `{module}`");
        let times = map.lines().filter(|line| line.starts_with("| ")).filter(|line| {
            line.split('|').nth(2).is_some_and(|cell| cell.contains(&format!("`{module}`")))
        });
        assert_eq!(times.count(), 1, "`{module}` is on one floor");
    }
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
        if !matches!(inside.as_str(), "lib" | "main") && !inside.contains("/tests") {
            wrong.extend(wrong_imports(&inside, &fs::read_to_string(&file).unwrap()));
        }
    }
    assert!(wrong.is_empty(), "imports that don't point down:\n{}", wrong.join("\n"));
}

/// Statements of SQL, and how rows are numbered.
const SQL: &[&str] = &[
    "SELECT ",
    "INSERT INTO",
    "DELETE FROM",
    "UPDATE recon.",
    "FROM recon.",
    "JOIN recon.",
    "1099511627775",
    "1_099_511_627_775",
    ">> 40",
];

/// Texts that show a command, a setting or a statement to type, not a statement of ours.
const EXAMPLES: &[&str] =
    &["recon sql ", "sqlite3 ", "read: { sql", "schemars(example", "LIMIT 20"];

/// Lines with their numbers, without comments and test-only code.
fn lines_with_texts(text: &str) -> Vec<(usize, &str)> {
    let mut in_tests = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        in_tests |= line == "#[cfg(test)]";
        if !in_tests && !line.trim_start().starts_with("//") {
            lines.push((at + 1, line));
        }
        in_tests &= !(line.starts_with('}') || line.starts_with("mod ") && line.ends_with(';'));
    }
    lines
}

fn has_sql(line: &str) -> bool {
    SQL.iter().any(|word| line.contains(word)) && !EXAMPLES.iter().any(|one| line.contains(one))
}

#[test]
fn sql_is_in_the_store_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut wrong, mut statements) = (Vec::new(), 0);
    for file in files {
        let inside = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        for (line, text) in lines_with_texts(&text).into_iter().filter(|(_, text)| has_sql(text)) {
            if inside.starts_with("store/") || inside.starts_with("database/") {
                statements += 1;
            } else {
                wrong.push(format!("src/{inside}:{line}: {}", text.trim()));
            }
        }
    }
    assert!(statements > 100, "this test finds no SQL where there is some");
    assert!(wrong.is_empty(), "SQL outside of the store:\n{}", wrong.join("\n"));
    let example =
        "// SELECT 1\n#[cfg(test)]\nmod tests {\n    \"SELECT 2\";\n}\nlet sql = \"SELECT 3\";\n";
    let found: Vec<usize> = lines_with_texts(example)
        .into_iter()
        .filter(|(_, text)| has_sql(text))
        .map(|(line, _)| line)
        .collect();
    assert_eq!(found, [6]);
}

/// Everybody who builds recon compiles each of them: raise the limit only with a reason in the
/// commit.
const MOST_PACKAGES: usize = 405;

#[test]
fn a_new_package_is_a_decision() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let text = fs::read_to_string(lock).unwrap();
    let packages = text.lines().filter(|line| *line == "[[package]]").count();
    assert!(packages > 100, "Cargo.lock is not read as it is written");
    assert!(packages <= MOST_PACKAGES, "{packages} packages are locked, {MOST_PACKAGES} allowed");
}
