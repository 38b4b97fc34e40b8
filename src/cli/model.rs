//! `recon model`: the model registry.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::attribute::metrics::Evaluation;
use crate::diagnostic::{Code, Problem, Problems};
use crate::pipeline::learn::Measured;
use crate::report::figures;
use crate::store::{ModelRow, Promotion, Store};

use super::args::{Model, ModelOf, ModelPromote};
use super::context::{Context, now};
use super::measures::{rows, write_figures, write_reasons};

pub fn run(context: &Context, arguments: &Model) -> Result<u8, Problems> {
    match arguments {
        Model::List(arguments) => list(context, arguments.job.as_deref()),
        Model::Show(arguments) => show(context, arguments),
        Model::Promote(arguments) => promote(context, arguments),
        Model::Rollback(arguments) => rollback(context, arguments),
    }
}

/// The option's job, or the configured one if any.
fn job(context: &Context, named: Option<&str>) -> Result<Option<String>, Problems> {
    match named {
        Some(job) => Ok(Some(job.to_owned())),
        None if context.global.config.exists() => Ok(Some(context.load()?.resolved.job)),
        None => Ok(None),
    }
}

fn needed(job: Option<String>) -> Result<String, Problems> {
    job.ok_or_else(|| {
        Problem::new(Code::NoJob, "no job given, and there is no configuration")
            .help("pass --job, or a configuration with --config")
            .into()
    })
}

fn list(context: &Context, named: Option<&str>) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let models = store.models(job(context, named)?.as_deref())?;
    if context.global.json {
        let models: Vec<Json> = models.iter().map(as_json).collect();
        context.json(&json!({ "models": models }))?;
        return Ok(0);
    }
    if models.is_empty() {
        context.console.print("no models yet; to train one: recon train\n")?;
        return Ok(0);
    }
    let mut text = format!(
        "{:>7}  {:<9}  {:<20}  {:<20}  {:>9}  {:>9}  {:<12}  by\n",
        "version", "", "created", "job", "accuracy", "log loss", "training set"
    );
    for model in &models {
        let figures = held_out(model).and_then(|measured| measured.model);
        let figure = |value: fn(&Evaluation) -> f64| {
            figures.as_ref().map_or_else(String::new, |figures| format!("{:.4}", value(figures)))
        };
        let _ = writeln!(
            text,
            "{:>7}  {:<9}  {:<20}  {:<20}  {:>9}  {:>9}  {:<12}  {}",
            model.version,
            if model.champion { "champion" } else { "" },
            short_time(&model.created.to_string()),
            figures::visible(&model.job),
            figure(|figures| figures.accuracy),
            figure(|figures| figures.log_loss),
            model.training_hash.get(..12).unwrap_or(&model.training_hash),
            figures::visible(&model.created_by),
        );
    }
    context.console.print(&text)?;
    Ok(0)
}

/// A timestamp cut to the second.
fn short_time(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(whole, _)| format!("{whole}Z"))
}

fn held_out(model: &ModelRow) -> Option<Measured> {
    serde_json::from_value(model.metrics.get("held_out")?.clone()).ok()
}

fn no_champion(job: &str) -> Problem {
    Problem::new(Code::NoModel, format!("job `{job}` has no champion"))
        .help("`recon train` trains a model; `recon model list` lists existing ones")
}

/// The given version, or the champion.
fn which(context: &Context, store: &dyn Store, arguments: &ModelOf) -> Result<ModelRow, Problems> {
    match arguments.version {
        Some(version) => Ok(store.model(version)?.ok_or_else(|| no_such_model(version))?),
        None => {
            let job = needed(job(context, arguments.job.as_deref())?)?;
            Ok(store.champion(&job)?.ok_or_else(|| no_champion(&job))?)
        }
    }
}

fn no_such_model(version: u64) -> Problem {
    Problem::new(Code::NoSuchModel, format!("the store has no model {version}"))
        .help("`recon model list` lists the models")
}

fn show(context: &Context, arguments: &ModelOf) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let model = which(context, &*store, arguments)?;
    let promotions = store.promotions(&model.job)?;
    let promotions: Vec<&Promotion> =
        promotions.iter().filter(|change| change.version == model.version).collect();
    if context.global.json {
        let mut json = as_json(&model);
        if let Some(map) = json.as_object_mut() {
            map.insert("features".to_owned(), model.features.clone());
            map.insert("metrics".to_owned(), model.metrics.clone());
            let changes: Vec<Json> = promotions.iter().map(|change| promotion(change)).collect();
            map.insert("promotions".to_owned(), json!(changes));
        }
        context.json(&json)?;
        return Ok(0);
    }
    let paint = context.console.paint();
    let mut text = String::new();
    let champion = if model.champion { "  champion" } else { "" };
    let _ = writeln!(
        text,
        "{} of job {}{}",
        paint.strong(format!("model {}", model.version)),
        figures::visible(&model.job),
        paint.good(champion)
    );
    let _ = writeln!(text, "  trained       {} by {}", model.created, model.created_by);
    for change in &promotions {
        let action = if change.rollback { "rolled back" } else { "promoted" };
        let _ = writeln!(text, "  {action:<12}  {} by {}: {}", change.at, change.by, change.why);
    }
    let _ = writeln!(text, "  training set  {}", model.training_hash);
    let _ = writeln!(text, "  model         {} ({})", model.sha256, figures::bytes(model.size));
    for run in &model.trained_on {
        let _ = writeln!(text, "  from run      {run}");
    }
    let _ = writeln!(text, "  parameters    {}", model.parameters);
    let features = model.features.as_array().map_or(0, Vec::len);
    let _ = writeln!(text, "  features      {features} (recon train --features)");
    if let Some(measured) = held_out(&model) {
        let _ = writeln!(text, "\nOn the differences held out of its training:");
        write_figures(&rows(&measured), paint, &mut text);
        if let Some(model) = &measured.model {
            write_reasons(model, paint, &mut text);
        }
    }
    context.console.print(&text)?;
    Ok(0)
}

fn promote(context: &Context, arguments: &ModelPromote) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let model = store.model(arguments.version)?.ok_or_else(|| no_such_model(arguments.version))?;
    if model.champion {
        context.console.print(&format!("model {} is already the champion\n", model.version))?;
        return Ok(0);
    }
    change(context, &*store, &model, false, &arguments.why)
}

fn rollback(context: &Context, arguments: &ModelOf) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let job = needed(job(context, arguments.job.as_deref())?)?;
    let champion = store.champion(&job)?.ok_or_else(|| no_champion(&job))?;
    let version = match arguments.version {
        Some(version) => version,
        None => store
            .promotions(&job)?
            .iter()
            .find(|change| change.version == champion.version && !change.rollback)
            .and_then(|change| change.replaced)
            .ok_or_else(|| {
                let message = format!("model {} had no predecessor", champion.version);
                Problem::new(Code::NoEarlierChampion, message)
                    .help("to use rules only: `attribution: { model: { enabled: false } }`")
            })?,
    };
    let model = store.model(version)?.ok_or_else(|| no_such_model(version))?;
    if model.job != job {
        let message = format!("model {version} belongs to job `{}`, not `{job}`", model.job);
        let help = "`recon model list` lists the models of this job";
        return Err(Problem::new(Code::OtherJob, message).help(help).into());
    }
    let why = format!("rolled back from model {}", champion.version);
    change(context, &*store, &model, true, &why)
}

fn change(
    context: &Context,
    store: &dyn Store,
    model: &ModelRow,
    rollback: bool,
    why: &str,
) -> Result<u8, Problems> {
    let before = store.champion(&model.job)?.map(|model| model.version);
    store.promote(&Promotion {
        version: model.version,
        replaced: before,
        rollback,
        at: now(),
        by: context.person(),
        why: why.to_owned(),
    })?;
    if context.global.json {
        context.json(&json!({
            "job": model.job, "champion": model.version, "replaced": before, "why": why,
        }))?;
    } else {
        let instead = before.map_or_else(String::new, |version| format!(" instead of {version}"));
        context.console.print(&format!(
            "model {} is the champion of {}{instead}\n\
             next: recon attribute --again, for runs already attributed; with accept_risk, first \
             recon evaluate --keep\n",
            model.version, model.job
        ))?;
    }
    Ok(0)
}

fn promotion(change: &Promotion) -> Json {
    json!({
        "action": if change.rollback { "ROLLBACK" } else { "PROMOTE" },
        "at": change.at.to_string(),
        "by": change.by,
        "replaced": change.replaced,
        "why": change.why,
    })
}

fn as_json(model: &ModelRow) -> Json {
    let runs: Vec<String> = model.trained_on.iter().map(ToString::to_string).collect();
    json!({
        "version": model.version,
        "job": model.job,
        "champion": model.champion,
        "created_at": model.created.to_string(),
        "created_by": model.created_by,
        "promoted_at": model.promoted.as_ref().map(|(at, _)| at.to_string()),
        "promoted_by": model.promoted.as_ref().map(|(_, by)| by),
        "training_hash": model.training_hash,
        "trained_on": runs,
        "parameters": model.parameters,
        "sha256": model.sha256,
        "bytes": model.size,
        "held_out": model.metrics.pointer("/held_out/model").map(|figures| json!({
            "n": figures.get("n"), "accuracy": figures.get("accuracy"),
            "log_loss": figures.get("log_loss"), "ece": figures.get("ece"),
        })),
    })
}
