//! `recon evaluate`: measures rules and model, and detects drift.

use std::fmt::Write as _;

use serde_json::json;

use crate::attribute::drift::DriftReport;
use crate::diagnostic::{Code, Problem, Problems};
use crate::pipeline::learn::{self, EvaluateRequest, Evaluated};
use crate::report::{Paint, figures};

use super::args::Evaluate;
use super::context::Context;
use super::measures::{rows, write_figures, write_reasons, write_reliability, write_rules};
use super::train::{run_of_labels, source};

/// Maximum number of drifted features shown.
const FEATURES_SHOWN: usize = 10;

pub fn run(context: &Context, arguments: &Evaluate) -> Result<u8, Problems> {
    context.listen()?;
    let prepared = context.prepare_stored()?;
    let store = context.store(Some(&prepared.loaded))?;
    let session = context.session(&*store, 0);
    let plan = &prepared.plan;
    let source = source(arguments.labels.as_deref(), &arguments.include);
    let run = run_of_labels(context, &prepared, &*store, &source, arguments.which.run.as_ref())?;
    let request =
        EvaluateRequest { source, run: run.as_ref(), model: arguments.model, keep: arguments.keep };
    let evaluated = match learn::evaluate(session, plan, &request) {
        Ok(evaluated) => Some(evaluated),
        // Drift needs no labels.
        Err(problems) if arguments.drift && is_empty(&problems) => None,
        Err(problems) => return Err(problems),
    };
    let drift = if arguments.drift {
        let run = match run {
            Some(run) => run,
            None => context.which_run(&*store, None, Some(&plan.job))?,
        };
        Some(learn::drift(session, plan, &run, arguments.model)?)
    } else {
        None
    };
    if let Some(evaluated) = &evaluated {
        context.warn(&evaluated.warnings);
    }
    if context.global.json {
        let mut json = evaluated.as_ref().map_or_else(|| json!({}), as_json);
        if let (Some(object), Some((version, report))) = (json.as_object_mut(), &drift) {
            object.insert("model_version".to_owned(), json!(version));
            object.insert("drift".to_owned(), json!(report));
        }
        context.json(&json)?;
        return Ok(0);
    }
    let mut text = String::new();
    let paint = context.console.paint();
    if let Some(evaluated) = &evaluated {
        write_evaluated(evaluated, paint, &mut text);
    }
    if let Some((version, report)) = &drift {
        write_drift(*version, report, paint, &mut text);
    }
    context.console.print(&text)?;
    Ok(0)
}

fn is_empty(problems: &Problems) -> bool {
    problems.0.iter().all(|problem: &Problem| problem.code == Code::EvaluateEmpty)
}

fn write_evaluated(evaluated: &Evaluated, paint: Paint, out: &mut String) {
    let model = match evaluated.version {
        Some(version) => format!("model {version}"),
        None => "no model".to_owned(),
    };
    let _ = writeln!(
        out,
        "{} labelled differences of {} ({model}); unmatched: {} labels, {} differences",
        figures::count(evaluated.measured.combined.n),
        figures::counted(evaluated.runs.len() as u64, "run", "runs"),
        figures::count(evaluated.unused_labels),
        figures::count(evaluated.unlabelled),
    );
    if evaluated.trained_on > 0 {
        let _ = writeln!(
            out,
            "{} more are not scored because the model was trained on them",
            figures::count(evaluated.trained_on)
        );
    }
    out.push('\n');
    let measured = &evaluated.measured;
    write_figures(&rows(measured), paint, out);
    write_reasons(&measured.combined, paint, out);
    write_rules(measured, paint, out);
    write_reliability(&measured.combined, paint, out);
    if let Some((_, words)) = &evaluated.policy {
        let _ = writeln!(out, "\n{}", paint.strong("accept_risk would accept"));
        for sentence in words {
            let _ = writeln!(out, "  {sentence}");
        }
        if !evaluated.kept {
            let next = "next: recon evaluate --keep, to base `accept_risk` on these decisions";
            let _ = writeln!(out, "{next}");
        }
    }
    if evaluated.kept {
        let accepts = if evaluated.policy.is_some() { " and for `accept_risk`" } else { "" };
        let _ = writeln!(
            out,
            "\nsaved: later runs use this as rule confidence{accepts}\n\
             next: recon attribute --again, to re-decide the differences of a run"
        );
    }
}

fn write_drift(version: u64, report: &DriftReport, paint: Paint, out: &mut String) {
    let _ = writeln!(
        out,
        "\n{}: {} recent differences against {} that model {version} was trained on",
        paint.strong("Drift"),
        figures::count(report.recent),
        figures::count(report.trained_on)
    );
    let drifted = report.features.iter().filter(|feature| feature.drifted).count();
    let _ = writeln!(
        out,
        "  {drifted} of {} features drifted; {} novel differences ({:.1} %)",
        report.features.len(),
        figures::count(report.novel),
        report.novel_rate * 100.0
    );
    if let Some(agreement) = &report.agreement {
        let _ = writeln!(
            out,
            "  users agree with {} of {} guesses, {:.1} % ({:.1} – {:.1} %); expected: {:.1} %",
            figures::count(agreement.agreed),
            figures::count(agreement.decided),
            agreement.rate * 100.0,
            agreement.lower * 100.0,
            agreement.upper * 100.0,
            agreement.expected * 100.0
        );
    }
    if drifted > 0 {
        let heading = format!(
            "  {:<28}{:>9}  {:<20}{:>10}{:>10}",
            "feature", "PSI", "test", "statistic", "p"
        );
        let _ = writeln!(out, "{}", paint.dim(heading));
    }
    for feature in report.features.iter().filter(|feature| feature.drifted).take(FEATURES_SHOWN) {
        let _ = writeln!(
            out,
            "  {:<28}{:>9.3}  {:<20}{:>10.3}{:>10.1e}",
            feature.name, feature.psi, feature.test, feature.statistic, feature.p_value
        );
    }
    if report.retrain {
        let _ = writeln!(out, "{}: recon train", paint.caution("retrain"));
        for why in &report.why {
            let _ = writeln!(out, "  {why}");
        }
    } else {
        let _ = writeln!(out, "{}", paint.good("no reason to retrain"));
    }
}

fn as_json(evaluated: &Evaluated) -> serde_json::Value {
    let runs: Vec<String> = evaluated.runs.iter().map(ToString::to_string).collect();
    json!({
        "runs": runs,
        "model_version": evaluated.version,
        "rules": evaluated.measured.rules,
        "model": evaluated.measured.model,
        "combined": evaluated.measured.combined,
        "unmatched": evaluated.unused_labels + evaluated.unlabelled,
        "unmatched_labels": evaluated.unused_labels,
        "unmatched_differences": evaluated.unlabelled,
        "trained_on": evaluated.trained_on,
        "acceptance": evaluated.policy.as_ref().map(|(policy, words)| json!({
            "policy": policy, "says": words,
        })),
        "kept": evaluated.kept,
    })
}
