//! `recon generate`: a synthetic pair of sources with known causes.

use crate::config;
use crate::diagnostic::{Code, Problem, Problems};
use crate::generate::{self, GenerateOptions, Noise, NoiseSpec, Scenario};
use crate::report::figures;

use super::args::{self, Generate};
use super::context::Context;

/// The shipped rules, so that the generated folder is complete.
const ATTRIBUTION_RULES: &str = include_str!("../../rules/attribution.rhai");

pub fn run(context: &Context, arguments: &Generate) -> Result<u8, Problems> {
    let scenario = match arguments.scenario {
        args::Scenario::Trades => Scenario::Trades,
        args::Scenario::Payments => Scenario::Payments,
    };
    let noise = match &arguments.noise {
        None => Noise::default(),
        Some(_) if scenario == Scenario::Payments => {
            let message = "`--noise` sets the causes of trades; payments have none";
            return Err(Problem::new(Code::BadValue, message).into());
        }
        Some(file) => {
            let (spec, document) = config::read_file::<NoiseSpec>(file)?;
            spec.resolve().map_err(|found| document.placed(found))?
        }
    };
    let options = GenerateOptions {
        scenario,
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
    let truth = match generated.matches {
        Some(matches) => format!("{} true matches", figures::count(matches)),
        None => {
            format!("{} differences with their causes", figures::count(generated.differences))
        }
    };
    let mut text = format!(
        "{folder}: {} rows in A, {} in B, {truth} in labels.csv\n",
        figures::count(generated.rows_a),
        figures::count(generated.rows_b),
    );
    for (reason, count) in &generated.by_reason {
        text += &format!("  {:>10}  {reason}\n", figures::count(*count));
    }
    text += &format!("next: recon run -c {folder}/recon.yaml\n");
    context.console.print(&text)?;
    Ok(0)
}
