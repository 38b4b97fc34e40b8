//! `recon generate`: a synthetic pair of sources with known causes.

use crate::config;
use crate::diagnostic::Problems;
use crate::generate::{self, GenerateOptions, Noise, NoiseSpec};
use crate::report::figures;

use super::args::Generate;
use super::context::Context;

/// The shipped rules, so that the generated folder is complete.
const ATTRIBUTION_RULES: &str = include_str!("../../rules/attribution.rhai");

pub fn run(context: &Context, arguments: &Generate) -> Result<u8, Problems> {
    let noise = match &arguments.noise {
        None => Noise::default(),
        Some(file) => {
            let (spec, document) = config::read_file::<NoiseSpec>(file)?;
            spec.resolve().map_err(|found| document.placed(found))?
        }
    };
    let options = GenerateOptions {
        rows: arguments.rows,
        seed: arguments.seed,
        noise,
        attribution_rules: Some(ATTRIBUTION_RULES.to_owned()),
        force: arguments.force,
    };
    let progress = context.listen()?;
    let generated = generate::generate(&options, &arguments.output, progress)?;
    if context.global.json {
        context.json(&serde_json::json!(generated))?;
        return Ok(0);
    }
    let folder = arguments.output.display();
    let mut text = format!(
        "{folder}: {} rows in A, {} in B, {} differences with their causes in labels.csv\n",
        figures::count(generated.rows_a),
        figures::count(generated.rows_b),
        figures::count(generated.differences),
    );
    for (reason, count) in &generated.by_reason {
        text += &format!("  {:>10}  {reason}\n", figures::count(*count));
    }
    text += &format!("next: recon run -c {folder}/recon.yaml\n");
    context.console.say(&text)?;
    Ok(0)
}
