//! `recon check`: configuration, scripts and headers, without touching data.

use serde_json::json;

use crate::config;
use crate::diagnostic::Problems;

use super::args::Check;
use super::context::Context;

/// Checks everything that can be checked without data; every problem at once.
pub fn run(context: &Context, arguments: &Check) -> Result<u8, Problems> {
    if arguments.schema {
        let text = serde_json::to_string_pretty(&config::schema()).unwrap_or_default();
        context.console.say(&format!("{text}\n"))?;
        return Ok(0);
    }
    let prepared = context.prepare_strictly()?;
    let plan = &prepared.plan;
    if context.global.json {
        context.json(&json!({
            "ok": true,
            "job": plan.job,
            "fields": plan.layout.names().collect::<Vec<_>>(),
            "key": plan.layout.names().take(plan.layout.key_len()).collect::<Vec<_>>(),
            "unused_columns": { "a": plan.unused_columns.a, "b": plan.unused_columns.b },
        }))?;
        return Ok(0);
    }
    let file = context.global.config.display();
    context.console.say(&format!(
        "{file} is in order: job `{}`, {} fields, key {}\n",
        plan.job,
        plan.layout.len(),
        plan.layout.names().take(plan.layout.key_len()).collect::<Vec<_>>().join(" + "),
    ))?;
    for side in crate::domain::Side::BOTH {
        let unused = &plan.unused_columns[side];
        if !unused.is_empty() {
            context.console.say(&format!(
                "source {side} has columns that the map does not use: {}\n",
                unused.join(", ")
            ))?;
        }
    }
    Ok(0)
}
