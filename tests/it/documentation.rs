//! Checks documentation: references are generated from the program, and the commands of the README
//! run. `RECON_UPDATE_DOCS=1` rewrites the references.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;

use crate::program::Project;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares the part of a page between its markers with the generated text.
fn assert_produced(page: &str, part: &str, produced: &str) {
    let path = root().join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- produced: {part} -->\n"), "<!-- end -->");
    let start =
        text.find(&begin).unwrap_or_else(|| panic!("{page} has no part {part}")) + begin.len();
    let stop = start + text[start..].find(end).unwrap();
    let produced = format!("\n{}\n\n", produced.trim());
    if std::env::var_os("RECON_UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{}{produced}{}", &text[..start], &text[stop..])).unwrap();
    } else {
        let same = text[start..stop] == produced;
        assert!(same, "{page} is out of date; RECON_UPDATE_DOCS=1 cargo test writes it anew");
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The definition that a schema refers to, or the schema itself.
fn resolved<'a>(schema: &'a Json, root: &'a Json) -> &'a Json {
    let direct = schema.get("$ref");
    let nullable = schema.get("anyOf").and_then(|any| any.get(0)).and_then(|any| any.get("$ref"));
    match direct.or(nullable).and_then(Json::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn kind_of(schema: &Json) -> String {
    let types = match &schema["type"] {
        Json::String(name) => vec![name.as_str()],
        Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    // Values are read as text, so text may be any scalar.
    if types.contains(&"string") && types.contains(&"boolean") {
        return "text".to_owned();
    }
    let mut words: Vec<String> =
        types.into_iter().filter(|name| *name != "null").map(str::to_owned).collect();
    for choice in schema["enum"].as_array().into_iter().flatten() {
        words.extend(choice.as_str().map(|choice| format!("`{choice}`")));
    }
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        words.extend(choice["const"].as_str().map(|choice| format!("`{choice}`")));
    }
    words.join(", ")
}

/// One row for each key below `schema`, depth first. A key with the definition of one beside it refers to that.
fn keys(schema: &Json, root: &Json, path: &str, out: &mut String) {
    let schema = resolved(schema, root);
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut known: Vec<(&Json, String)> = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let target = resolved(property, root);
        let description = property.get("description").or_else(|| target.get("description"));
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let star = if required.contains(&Json::String(name.clone())) { " *" } else { "" };
        let description = description.and_then(Json::as_str).unwrap_or_default();
        let like = known.iter().find(|(one, _)| std::ptr::eq(*one, target));
        let like =
            like.map_or_else(String::new, |(_, path)| format!(" Its keys are those of `{path}`."));
        let (kind, description) = (kind_of(target), cell(description));
        writeln!(out, "| `{path}`{star} | {kind} | {description}{like} |").unwrap();
        if !like.is_empty() {
            continue;
        }
        keys(property, root, &path, out);
        for choice in target["oneOf"].as_array().into_iter().flatten() {
            // Of the kinds one is chosen.
            let mut rows = String::new();
            keys(choice, root, &path, &mut rows);
            out.push_str(&rows.replacen("` * |", "` |", 1));
        }
        if target["additionalProperties"].is_object() {
            keys(&target["additionalProperties"], root, &format!("{path}.NAME"), out);
        }
        if target["properties"].is_object() {
            known.push((target, path));
        }
    }
}

#[test]
fn the_configuration_reference_is_up_to_date() {
    let said = Project::new().recon(&["check", "--schema"]);
    let schema: Json = serde_json::from_str(&said.out).unwrap();
    let mut table = "Keys marked * are required. NAME is a name of yours.\n\n| key | type | meaning |\n| --- | --- | --- |\n".to_owned();
    keys(&schema, &schema, "", &mut table);
    assert_produced("docs/configuration.md", "keys", &table);
}

#[test]
fn the_list_of_steps_is_up_to_date() {
    let mut table = "| step | does | example |\n| --- | --- | --- |\n".to_owned();
    for step in recon::normalize::catalogue() {
        let [argument, text, result] = step.example;
        let written = if argument.is_empty() {
            step.name.to_owned()
        } else {
            format!("{{{}: {argument}}}", step.name)
        };
        let row = format!("`{text}` → `{result}`");
        writeln!(table, "| `{}` | {} | {} |", cell(&written), cell(step.description), cell(&row))
            .unwrap();
    }
    assert_produced("docs/configuration.md", "steps", &table);
}

#[test]
fn the_list_of_script_functions_is_up_to_date() {
    let mut table = "| function | does | example |\n| --- | --- | --- |\n".to_owned();
    for function in recon::script::functions() {
        let (signature, meaning) = (cell(function.signature), cell(function.meaning));
        writeln!(table, "| `{signature}` | {meaning} | `{}` |", cell(function.example)).unwrap();
    }
    assert_produced("docs/rules.md", "functions", &table);
}

/// The non-test part of every source file, with its path below `src`.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") && !path.ends_with("page/sample") {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("tests.rs")
                && !path.ends_with("catalogue.rs")
                && !path.ends_with("report/sample.rs")
                && !path.ends_with("page/sample.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                let name = path.strip_prefix(root().join("src")).unwrap();
                found.push((name.display().to_string(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    found
}

#[test]
fn every_code_of_the_catalogue_is_raised() {
    let everything: String = sources().into_iter().map(|(_, text)| text).collect();
    let raised: std::collections::HashSet<&str> = everything
        .split("Code::")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next())
        .collect();
    for code in recon::diagnostic::Code::SECTIONS.iter().flat_map(|(_, codes)| *codes) {
        assert!(raised.contains(format!("{code:?}").as_str()), "nothing raises `{code}`");
    }
}

#[test]
fn the_error_page_is_up_to_date() {
    use recon::diagnostic::{Class, Code, Shows};
    let mut page = String::new();
    for (title, codes) in Code::SECTIONS {
        writeln!(page, "### {title}\n\n| code | shows as | meaning | what to do |").unwrap();
        page += "| --- | --- | --- | --- |\n";
        for code in *codes {
            let shows: Vec<String> = code
                .shows()
                .iter()
                .map(|shows| match shows {
                    Shows::Exit(class) => match class {
                        Class::Warning => "warning".to_owned(),
                        Class::Usage => "exit 2".to_owned(),
                        Class::Source => "exit 3".to_owned(),
                        Class::Store => "exit 4".to_owned(),
                        Class::Inconsistent => "exit 5".to_owned(),
                        Class::Interrupted => "exit 130".to_owned(),
                    },
                    Shows::Http(status) => format!("HTTP {status}"),
                    Shows::Row => "rejected row".to_owned(),
                    Shows::SecurityLog => "security log".to_owned(),
                })
                .collect();
            let (meaning, remedy) = (cell(code.meaning()), cell(code.remedy()));
            writeln!(page, "| `{code}` | {} | {meaning} | {remedy} |", shows.join(", ")).unwrap();
        }
        page.push('\n');
    }
    assert_produced("docs/errors.md", "codes", &page);
}

#[test]
fn the_command_reference_is_up_to_date() {
    let project = Project::new();
    let help = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--help"]).collect();
        let said = project.recon(&arguments);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    };
    fn subcommands(help: &str) -> Vec<String> {
        let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
        let lines = listed.split("\n\n").next().unwrap_or_default().lines();
        // Continuation lines are indented further.
        let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        names.filter(|name| !matches!(*name, "help" | "")).map(str::to_owned).collect()
    }
    let top = help(&[]);
    let mut text = format!("```text\n{}\n```\n", top.trim());
    let mut path: Vec<Vec<String>> =
        subcommands(&top).into_iter().rev().map(|name| vec![name]).collect();
    while let Some(command) = path.pop() {
        let said = help(&command.iter().map(String::as_str).collect::<Vec<_>>());
        // Options of every command are listed once, at the top.
        let own = said.split("Options of every command:").next().unwrap();
        let title = command.join(" ");
        write!(text, "\n## recon {title}\n\n```text\n{}\n```\n", own.trim()).unwrap();
        for name in subcommands(own).into_iter().rev() {
            path.push(command.iter().cloned().chain([name]).collect());
        }
    }
    assert_produced("docs/commands.md", "commands", &text);
}

/// Meanings of columns that migrations add to a table.
const ADDED: &[(&str, &str)] = &[
    ("difference_rows.unlisted", "1 for a difference that is in no index for lists."),
    (
        "recon_runs.unlisted",
        "The run has more than 10,000 differences: those beyond are in no index for lists, and the review server keeps the run's items in memory.",
    ),
];

/// Meanings of tables and columns in plainer words than the released migrations, which never change.
const REWORDED: &[(&str, &str)] = &[
    (
        "acceptance_evidence",
        "Measured precision of automatic causes. The newest row of a job applies as long as its basis (rules and model) is the present one.",
    ),
    ("assigners", "Sources of reasons: RULE:function, MODEL:version, NONE or a person."),
    ("audit_samples", "Accepted differences chosen for blind checks, with their outcomes."),
    ("audit_samples.basis", "Rules and model that accepted it; the outcome applies to these only."),
    (
        "audit_trail",
        "Decisions and other changes: who, what, when and why. Rows are only ever added, each chained to the one before by its hash.",
    ),
    ("audit_trail.attribution_id", "Null for other objects, such as a new reason code."),
    ("break_dates.position", "Number of earlier dates."),
    ("break_dates.version", "Changes whenever the run's breaks are computed again."),
    (
        "break_partners",
        "Identities of the rows that each run matched, to tell a break that was matched from one that is gone.",
    ),
    (
        "break_states",
        "Identities of each run's differences, many to a row. The rowid is run_no << 40 | part.",
    ),
    ("claims", "Users who are looking at an item: hints, never locks."),
    ("difference_rows.reason_id", "Null before the run is attributed."),
    (
        "difference_rows.functional",
        "True if business explained the reason when it was given: with status 3 the difference passes the gate. Always set together with reason_id.",
    ),
    (
        "difference_rows.amount_abs",
        "Amount at stake: the size of the difference of a monetary field.",
    ),
    ("difference_rows.assigned_at", "Null stands for the time when the run was attributed."),
    ("difference_rows.audit_sample", "Chosen for a blind check."),
    ("field_grants", "Masked fields that a user may see; no role includes that."),
    ("idempotency", "Answers to requests, kept for repeated ones."),
    (
        "invitations",
        "Links that work once: for the first administrator, and for users who choose their own password.",
    ),
    ("invitations.login_key", "Null for the link of the first administrator."),
    (
        "item_counts",
        "Number of items of each run, signature and status, so that lists need not count them. Changed in the same transaction as the status of an attribution.",
    ),
    (
        "job_calendars",
        "Business days of jobs with other weeks than Monday to Friday: the number of business days of a week up to Monday, Tuesday and so on, as a JSON array, and the holidays among them, as days since 1970-01-01.",
    ),
    (
        "job_reason_codes",
        "Codes of each job's file: a code stays active as long as one job has it.",
    ),
    ("login_attempts", "Recent log-in attempts, by account and by address."),
    (
        "matched_by_hand",
        "Differences that were matched by hand. The proposal that settled them names the match.",
    ),
    ("models", "Trained models, with their origin, quality and promotion."),
    ("models.training_hash", "SHA-256 of the training rows and their reasons."),
    ("models.trained_on", "Ids of the runs with these rows, a JSON array."),
    ("people", "Persons, the unit of four eyes. A person logs in with one of several logins."),
    ("people.is_service", "A service account is no person and cannot approve."),
    ("policies.proposal_id", "Null for the first policy, which comes from the configuration."),
    (
        "proposal_items.facts",
        "Facts about the item for audit rows: refs, field, type and both values.",
    ),
    (
        "proposals.control",
        "Control under which it was applied; until then the control that it needs.",
    ),
    ("proposals.figures", "Sums of amounts and predictions, for lists."),
    (
        "reason_codes",
        "The catalogue of causes. Codes of recon.yaml have the origin 'file'; approved ones have the origin 'people' and are changed by people only. A code is never deleted.",
    ),
    (
        "recon_runs",
        "Runs.\n\nThe columns from run_id to metadata are the contract. The others keep a run's rows small: every row of a run has a number, its rowid is run_no << 40 | number, and a visible id is the run's prefix of 24 characters followed by the number in hexadecimal.",
    ),
    ("recon_runs.ingested_at", "Times at which the stages were reached."),
    (
        "recon_runs.keep_all",
        "keep: all; otherwise matched records are hidden once the run is compared.",
    ),
    ("recon_runs.trim_pending", "Hidden matched records are still to be deleted."),
    (
        "record_rows",
        "Records, 64 to a row: writing a row costs about as much as writing a record would. `records` is a JSON array of entries [kind, a, b, line_a, offset_a, line_b, offset_b]. A side is one JSON array of values in the layout's order; b is null for a pair whose sides are the same text, and of a pair that differs an object with the values in which B differs, by their positions (in runs before migration 0028 an array too). Kinds are 1 PAIR, 2 ONLY_A, 3 ONLY_B, 4 SURPLUS_A, 5 SURPLUS_B, plus 8 where a row of the missing side with this key was rejected. An entry is null if its record is no longer kept. The rowid is run_no << 40 | row, and row r holds the records 64 r + 1 to 64 r + 64. Results of comparing and attributing are in the record's differences.",
    ),
    (
        "run_fields",
        "Names of a run's fields in their order, as in `layout` of recon_runs: a look-up takes a fraction of the time of parsing the layout for each record.",
    ),
    (
        "run_figures",
        "Figures of current runs for the overview: blocked records, and items by reason, status and assigner (0: none). Changed in the same transaction as an attribution; the server counts a run without a row here.",
    ),
    ("saved_views", "Named filters of the queue."),
    (
        "search_grams",
        "Records of a part that contain three characters in a row: each record's number as the difference to the one before, in groups of seven bits. A character has 21 bits of `gram`.",
    ),
    ("search_runs", "Progress of each run's search index: the item at which the next part begins."),
    (
        "security_log",
        "Refused attempts. Separate from the audit trail, so that nobody can flood that.",
    ),
    ("sent_back", "Undecided items that were sent back, with the comment."),
    ("signatures", "Groups of similar differences: a key, and its label."),
];

/// The migrations' comments on tables, views and columns.
fn comments() -> std::collections::BTreeMap<String, String> {
    let folder = root().join("migrations/sqlite");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.ends_with("schema.sql"));
    files.sort();
    let (mut found, mut comment, mut table) =
        (std::collections::BTreeMap::new(), String::new(), String::new());
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let text = line.trim();
            let name = text.split([' ', '(', ',']).next().unwrap_or_default();
            if let Some(words) = text.strip_prefix("--") {
                comment += if words.is_empty() { "\n\n" } else { words };
                continue;
            }
            let created = ["CREATE TABLE ", "CREATE VIEW current_"].into_iter().find_map(|start| {
                let rest = text.strip_prefix(start)?;
                let name = rest.split([' ', '(']).next().unwrap_or_default();
                Some(format!("{}{name}", start.rsplit(' ').next().unwrap_or_default()))
            });
            if let Some(created) = created {
                table =
                    if text.starts_with("CREATE TABLE") { created.clone() } else { String::new() };
                found.insert(created, comment.trim().to_owned());
            } else if text.starts_with(')') {
                table.clear();
            } else if !table.is_empty() && line.starts_with("    ") && !comment.is_empty() {
                found.insert(format!("{table}.{name}"), comment.trim().to_owned());
            }
            comment.clear();
        }
    }
    for (name, meaning) in REWORDED {
        let old = found.insert((*name).to_owned(), (*meaning).to_owned());
        assert!(old.is_some_and(|old| old != *meaning), "nothing to reword: {name}");
    }
    for (name, meaning) in ADDED {
        assert_eq!(found.insert((*name).to_owned(), (*meaning).to_owned()), None, "{name}");
    }
    found
}

#[test]
fn the_table_reference_is_up_to_date() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let said = project.recon(&["sql", "--tables", "--json"]);
    let columns: Vec<Json> = serde_json::from_str(&said.out).unwrap();
    let comments = comments();
    let (mut text, mut last, mut meanings) = (String::new(), String::new(), String::new());
    let mut names: Vec<String> = Vec::new();
    let finish = |names: &mut Vec<String>, meanings: &mut String, text: &mut String| {
        if !names.is_empty() {
            write!(text, "{}\n{meanings}", names.join(", ")).unwrap();
        }
        names.clear();
        meanings.clear();
    };
    for one in &columns {
        let (table, column) = (one["table"].as_str().unwrap(), one["column"].as_str().unwrap());
        if table != last {
            finish(&mut names, &mut meanings, &mut text);
            write!(text, "\n### {table}\n\n").unwrap();
            if let Some(comment) = comments.get(table).filter(|comment| !comment.is_empty()) {
                write!(text, "{comment}\n\n").unwrap();
            }
            last = table.to_owned();
        }
        names.push(format!("`{column}`"));
        if let Some(comment) = comments.get(&format!("{table}.{column}")) {
            let comment = comment.replace("\n\n", " ");
            let start = if meanings.is_empty() { "\n" } else { "" };
            writeln!(meanings, "{start}* `{column}`: {comment}").unwrap();
        }
    }
    finish(&mut names, &mut meanings, &mut text);
    assert_produced("docs/tables.md", "tables", &text);
}

#[test]
fn the_commands_of_the_readme_run() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let project = Project::of(".");
    let mut commands = 0;
    for block in readme.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()) {
        for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let recon = line.replace("cargo run --release --", "recon");
            let Some(arguments) = recon.strip_prefix("recon ") else { continue };
            let said = std::process::Command::new("sh")
                .args(["-c", &format!("\"$RECON\" {arguments}")])
                .env("RECON", env!("CARGO_BIN_EXE_recon"))
                .env_remove("RECON_STORE")
                .current_dir(project.path(""))
                .output()
                .unwrap();
            assert!(said.status.success(), "{line}: {}", String::from_utf8_lossy(&said.stderr));
            commands += 1;
        }
    }
    assert!(commands >= 5, "only {commands} commands of the README were found");
}

#[test]
fn completions_and_man_pages_are_written() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(project.recon(&["completions", shell]).out.contains("recon"), "{shell}");
    }
    assert!(project.recon(&["man"]).out.contains(".TH"));
    assert_eq!(project.recon(&["man", "-o", "pages"]).code, 0);
    assert!(project.path("pages/recon-run.1").exists());
}

#[test]
fn the_schema_accepts_the_shipped_files() {
    let said = Project::new().recon(&["check", "--schema"]);
    let schema: Json = serde_json::from_str(&said.out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for file in ["recon.yaml", "examples/payments_ledger/recon.yaml"] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let yaml: Json = serde_yaml::from_str(&text).unwrap();
        let problems: Vec<_> =
            validator.iter_errors(&yaml).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{file}: {problems:?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "version": 1, "jbo": "x" })));
}
