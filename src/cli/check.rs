//! `recon check`: validates configuration, scripts and headers without reading data rows.

use serde_json::json;

use crate::config;
use crate::diagnostic::Problems;
use crate::normalize::Step;
use crate::pipeline::Plan;
use crate::yaml;

use super::args::Check;
use super::context::Context;

pub fn run(context: &Context, arguments: &Check) -> Result<u8, Problems> {
    if arguments.schema {
        let text = serde_json::to_string_pretty(&config::schema()).unwrap_or_default();
        context.console.print(&format!("{text}\n"))?;
        return Ok(0);
    }
    if arguments.resolved {
        let filled = context.load()?.document.filled();
        if context.global.json {
            context.json(&filled)?;
        } else {
            context.console.print(&yaml::document(&filled))?;
        }
        return Ok(0);
    }
    let prepared = context.prepare_strictly()?;
    let plan = &prepared.plan;
    let key = plan.layout.names().take(plan.layout.key_len()).collect::<Vec<_>>();
    let passes = plan.matching.iter().flat_map(|matching| &matching.passes);
    let passes = passes.map(|pass| pass.name.as_str()).collect::<Vec<_>>();
    if context.global.json {
        let mut said = json!({
            "ok": true,
            "job": plan.job,
            "fields": plan.layout.names().collect::<Vec<_>>(),
            "key": key,
            "lookups": lookups(plan),
            "unused_columns": { "a": plan.unused_columns.a, "b": plan.unused_columns.b },
        });
        if !passes.is_empty() {
            said["passes"] = json!(passes);
        }
        context.json(&said)?;
        return Ok(0);
    }
    let file = context.global.config.display();
    let mut by = Vec::new();
    if !key.is_empty() {
        by.push(format!("key {}", key.join(" + ")));
    }
    if !passes.is_empty() {
        by.push(format!("passes {}", passes.join(", ")));
    }
    context.console.print(&format!(
        "{file} is valid: job `{}`, {} fields, {}\n",
        plan.job,
        plan.layout.len(),
        by.join(", "),
    ))?;
    for lookup in lookups(plan) {
        context.console.print(&format!("{lookup}\n"))?;
    }
    for side in crate::domain::Side::BOTH {
        let unused = &plan.unused_columns[side];
        if !unused.is_empty() {
            context
                .console
                .print(&format!("unmapped columns of source {side}: {}\n", unused.join(", ")))?;
        }
    }
    Ok(0)
}

/// The file of each lookup, each once.
fn lookups(plan: &Plan) -> Vec<&str> {
    let mut said: Vec<&str> = Vec::new();
    for side in crate::domain::Side::BOTH {
        let fields = plan.normalize[side].fields.iter();
        let steps = fields.flat_map(|field| field.source_steps.iter().chain(&field.steps));
        for note in steps.filter_map(Step::file_note) {
            if !said.contains(&note.says.as_str()) {
                said.push(&note.says);
            }
        }
    }
    said
}
