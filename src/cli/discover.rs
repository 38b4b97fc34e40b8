//! `recon discover`: candidate rules for unexplained differences.

use std::fmt::Write as _;

use serde_json::json;

use crate::diagnostic::Problems;
use crate::pipeline::learn::{self, Discovered};
use crate::report::figures;

use super::args::Discover;
use super::context::{Context, unwritable};

pub fn run(context: &Context, arguments: &Discover) -> Result<u8, Problems> {
    context.listen()?;
    let prepared = context.prepare_stored()?;
    let store = context.store(Some(&prepared.loaded))?;
    let run = context.which_run(&*store, arguments.which.run.as_ref(), Some(&prepared.plan.job))?;
    let session = context.session(&*store, 0);
    let found = learn::discover(session, &prepared.plan, &run, arguments.least)?;
    let script = script(&run.id.to_string(), &found);
    if let Some(path) = &arguments.output {
        std::fs::write(path, &script).map_err(|error| unwritable(path, &error))?;
    }
    if context.global.json {
        let groups: Vec<_> = found
            .groups
            .iter()
            .map(|group| {
                let mut json = json!(group);
                if let Some(map) = json.as_object_mut() {
                    map.insert("rule".to_owned(), json!(group.rhai()));
                }
                json
            })
            .collect();
        context.json(&json!({
            "run_id": run.id.to_string(),
            "unknown": found.unknown,
            "rest": found.rest,
            "groups": groups,
        }))?;
    } else if let Some(path) = &arguments.output {
        context.console.print(&summary(&found, &path.display().to_string()))?;
    } else {
        context.console.print(&script)?;
    }
    Ok(0)
}

fn script(run: &str, found: &Discovered) -> String {
    let mut text = format!(
        "// Candidate rules from the {} differences of run {run} whose reason is UNKNOWN.\n\
         // Each group has a description, examples and the number of differences its rule would claim.\n\
         // To use one, fill in the reason, check it, and move it into the job's rules.\n",
        figures::count(found.unknown)
    );
    if found.rest > 0 {
        let _ = writeln!(
            text,
            "// {} differences belong to no group of the minimum size (--least).",
            figures::count(found.rest)
        );
    }
    for group in &found.groups {
        let _ = write!(text, "\n{}", group.rhai());
    }
    text
}

fn summary(found: &Discovered, path: &str) -> String {
    let mut text = format!(
        "{path}: {} for {} unknown differences; {} are in no group\n",
        figures::counted(found.groups.len() as u64, "candidate", "candidates"),
        figures::count(found.unknown),
        figures::count(found.rest)
    );
    for group in &found.groups {
        let _ = writeln!(
            text,
            "  {:>8}  {} ({}): {}; its rule claims {}, {} of them unknown",
            figures::count(group.count),
            figures::visible(&group.field),
            group.diff_type,
            figures::visible(&group.words),
            figures::count(group.support.fires),
            figures::count(group.support.unknown),
        );
    }
    text
}
