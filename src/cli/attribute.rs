//! `recon diff` and `recon attribute`: the later stages on a stored run.

use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::Stage;
use crate::pipeline;

use super::args::{Attribute, Stored};
use super::context::{Context, OnRun};
use super::exit;
use super::pass::conclude;

pub fn diff(context: &Context, arguments: &Stored) -> Result<u8, Problems> {
    context.listen()?;
    let OnRun { store, run, plan } = context.on_run(arguments.which.run.as_ref())?;
    exit::check_fail_on(&arguments.finish.fail_on, run.stage.max(Some(Stage::Compared)))?;
    let session = context.session(&*store, arguments.finish.lock_timeout);
    let finished = pipeline::diff(session, &plan, &run)?;
    conclude(context, &*store, &finished, &arguments.finish)
}

pub fn attribute(context: &Context, arguments: &Attribute) -> Result<u8, Problems> {
    context.listen()?;
    let OnRun { store, run, plan } = context.on_run(arguments.which.run.as_ref())?;
    if !arguments.again && pipeline::rules_changed(&plan, &run) {
        context.console.problem(
            &Problem::new(
                Code::RulesChanged,
                format!("the rules have changed since run {} was attributed", run.id),
            )
            .help("to re-decide what no user has touched: `recon attribute --again`"),
        );
    }
    let session = context.session(&*store, arguments.finish.lock_timeout);
    if !arguments.again && pipeline::model_changed(session, &plan, &run)? {
        context.console.problem(
            &Problem::new(
                Code::ModelChanged,
                format!(
                    "run {} was attributed with a model that is no longer the champion",
                    run.id
                ),
            )
            .help("to re-decide what no user has touched: `recon attribute --again`"),
        );
    }
    let finished = pipeline::attribute(session, &plan, &run, arguments.again)?;
    conclude(context, &*store, &finished, &arguments.finish)
}
