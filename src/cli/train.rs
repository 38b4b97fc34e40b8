//! `recon train`: trains a model on decided differences or on labels.

use std::fmt::Write as _;

use serde_json::json;

use crate::attribute::features::catalogue;
use crate::diagnostic::Problems;
use crate::pipeline::learn::{self, Also, Asked, Source, TrainRequest, Trained};
use crate::report::{Paint, figures};
use crate::store::RunRow;
use crate::store::run_reference::RunReference;

use super::args::{Include, Train};
use super::context::{Context, Stored};
use super::measures::{rows, write_figures, write_reasons};

pub fn run(context: &Context, arguments: &Train) -> Result<u8, Problems> {
    if arguments.features {
        return features(context);
    }
    context.listen()?;
    let prepared = context.prepare_stored()?;
    let store = context.store(Some(&prepared.loaded))?;
    let session = context.session(&*store, 0);
    if let Some(count) = arguments.ask {
        let run =
            context.which_run(&*store, arguments.which.run.as_ref(), Some(&prepared.plan.job))?;
        let labels = arguments.labels.as_deref();
        let asked = learn::ask(session, &prepared.plan, &run, labels, count)?;
        return show_asked(context, &run.id.to_string(), &asked);
    }
    let source = source(arguments.labels.as_deref(), &arguments.include);
    let run = run_of_labels(context, &prepared, &*store, &source, arguments.which.run.as_ref())?;
    let person = context.person();
    let trained = learn::train(
        session,
        &prepared.plan,
        &TrainRequest {
            source,
            run: run.as_ref(),
            without: &arguments.without,
            seed: arguments.seed,
            promote: arguments.promote.into(),
            person: &person,
        },
    )?;
    context.warn(&trained.warnings);
    if context.global.json {
        context.json(&as_json(&prepared.plan.job, &trained))?;
    } else {
        context.console.print(&as_text(&prepared.plan.job, &trained, context.console.paint()))?;
    }
    Ok(0)
}

fn show_asked(context: &Context, run: &str, asked: &[Asked]) -> Result<u8, Problems> {
    if context.global.json {
        context.json(&json!({ "run_id": run, "ask": asked }))?;
        return Ok(0);
    }
    let mut text = String::new();
    let paint = context.console.paint();
    for one in asked {
        let _ = writeln!(
            text,
            "{}  {}  {} {}, {} alike",
            paint.strong(&one.reference),
            one.field,
            one.reason,
            figures::percent(one.confidence),
            figures::count(one.alike),
        );
    }
    let _ = match asked.first() {
        Some(first) => {
            let word = figures::shell_word(&first.reference);
            writeln!(
                text,
                "\nnext: recon explain {word}, decide them in the review, then recon train"
            )
        }
        None => {
            writeln!(text, "nothing to ask: every difference of run {run} is decided or accepted")
        }
    };
    context.console.print(&text)?;
    Ok(0)
}

pub fn source<'p>(labels: Option<&'p std::path::Path>, include: &[Include]) -> Source<'p> {
    match labels {
        Some(path) => Source::File(path),
        None => Source::Decided(Also {
            rules: include.contains(&Include::Rules),
            solo: include.contains(&Include::Solo),
        }),
    }
}

/// The run that labels belong to: the named one, or for a file the job's newest.
pub fn run_of_labels(
    context: &Context,
    prepared: &Stored,
    store: &dyn crate::store::Store,
    source: &Source<'_>,
    run: Option<&RunReference>,
) -> Result<Option<RunRow>, Problems> {
    match (source, run) {
        (Source::Decided(_), None) => Ok(None),
        (_, run) => Ok(Some(context.which_run(store, run, Some(&prepared.plan.job))?)),
    }
}

fn features(context: &Context) -> Result<u8, Problems> {
    if context.global.json {
        context.json(&json!({ "features": catalogue() }))?;
        return Ok(0);
    }
    let width = |text: fn(&crate::attribute::features::Feature) -> &'static str| {
        catalogue().iter().map(|feature| figures::width(text(feature))).max().unwrap_or(0)
    };
    let (names, units) = (width(|feature| feature.name), width(|feature| feature.unit));
    let mut text = String::new();
    for feature in catalogue() {
        let _ = writeln!(
            text,
            "{}  {}  {}",
            context.console.paint().strong(figures::pad(feature.name, names, false)),
            figures::pad(feature.unit, units, false),
            feature.meaning
        );
    }
    context.console.print(&text)?;
    Ok(0)
}

fn as_text(job: &str, trained: &Trained, paint: Paint) -> String {
    let mut text = String::new();
    let became = if trained.promoted { "the champion now" } else { "not promoted" };
    let _ = writeln!(
        text,
        "{} of job {job}: {became} ({})",
        paint.strong(format!("model {}", trained.version)),
        trained.why
    );
    let trained_on: u64 = trained.by_reason.values().sum();
    let _ = writeln!(
        text,
        "  trained on {} labelled differences in {:.1} s; {} held out, {} unmatched; calibration {}",
        figures::count(trained_on),
        trained.seconds,
        figures::count(trained.held_out),
        figures::count(trained.unmatched),
        trained.calibration,
    );
    for (tried, chosen) in trained.tried.iter().zip([", chosen", ""]) {
        let _ = writeln!(
            text,
            "  {}: log loss {:.4}, {} at 99 % on training differences it did not see{chosen}",
            tried.learner,
            tried.log_loss,
            figures::percent(tried.coverage),
        );
    }
    let _ = writeln!(text, "\nOn the held-out differences:");
    let mut table = rows(&trained.measured);
    let champion = trained.champion.map(|version| format!("champion {version}"));
    let before = trained.champion_measured.as_ref().and_then(|measured| measured.model.as_ref());
    if let (Some(name), Some(before)) = (&champion, before) {
        table.push((name, before));
    }
    write_figures(&table, paint, &mut text);
    if let Some(model) = &trained.measured.model {
        write_reasons(model, paint, &mut text);
    }
    if !trained.promoted {
        let _ = writeln!(text, "\nnext: recon model promote {}", trained.version);
    }
    text
}

fn as_json(job: &str, trained: &Trained) -> serde_json::Value {
    json!({
        "job": job,
        "version": trained.version,
        "promoted": trained.promoted,
        "why": trained.why,
        "champion_before": trained.champion,
        "labelled": trained.labelled,
        "held_out": trained.held_out,
        "unmatched": trained.unmatched,
        "by_reason": trained.by_reason,
        "training_hash": trained.training_hash,
        "sha256": trained.sha256,
        "bytes": trained.bytes,
        "learner": trained.tried.first().map(|tried| tried.learner.as_str()),
        "learners": trained.tried,
        "calibration": trained.calibration,
        "seconds": (trained.seconds * 1000.0).round() / 1000.0,
        "rules": trained.measured.rules,
        "model": trained.measured.model,
        "combined": trained.measured.combined,
        "champion": trained.champion_measured.as_ref().and_then(|before| before.model.as_ref()),
    })
}
