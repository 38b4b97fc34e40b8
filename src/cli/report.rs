//! `recon report`: the result of a stored run in any format.

use std::io::Write;

use crate::diagnostic::{Code, Problem, Problems};
use crate::report::{self, Format, Paint, ReportData};
use crate::store::{RunRow, Store};

use super::args::Report;
use super::context::Context;
use super::{exit, output};

pub fn run(context: &Context, arguments: &Report) -> Result<u8, Problems> {
    if arguments.digest {
        return super::digest::run(context, arguments);
    }
    let job = context.job_name()?;
    let store = context.store(None)?;
    let run = context.which_run(&*store, arguments.which.run.as_ref(), job.as_deref())?;
    exit::check_fail_on(&arguments.fail_on, run.stage)?;
    let format = if context.global.json { Format::Json } else { arguments.format };
    if arguments.bom && format != Format::Csv {
        let problem =
            Problem::new(Code::NotCsv, format!("--bom works only with CSV, not with {format}"));
        return Err(problem.help("add --format csv, or drop --bom").into());
    }
    if arguments.statement && !matches!(format, Format::Text | Format::Md | Format::Json) {
        let message = format!("--statement prints text, Markdown or JSON, not {format}");
        let help = "the formats `html` and `xlsx` contain the statement; leave out --statement";
        return Err(Problem::new(Code::StatementFormat, message).help(help).into());
    }
    // CSV lists every difference, so it needs no aggregates.
    let mut data = match format {
        Format::Csv => ReportData::load(&*store, &run)?,
        _ if arguments.statement => ReportData::load_with_statement(&*store, &run)?,
        _ => ReportData::load_with_details(&*store, &run)?,
    };
    if !data.statements.is_empty() {
        data.statements.page = context.public_url();
    }
    if format == Format::Xlsx && arguments.output.is_none() && context.console.result_is_terminal()
    {
        let problem = Problem::new(Code::NoOutputFile, "a workbook can't be printed to a terminal");
        return Err(problem.help("pass --output FILE").into());
    }
    let paint = if arguments.output.is_some() { Paint::Plain } else { context.console.paint() };
    context.console.result_to(arguments.output.as_deref(), |out| {
        if arguments.statement {
            let written = match format {
                Format::Json => report::statement::write_json(&data.statements, out),
                Format::Md => report::write_statement_markdown(&data, out),
                _ => report::write_statement(&data, out, paint, output::columns()),
            };
            return written.map_err(|error| report::unwritable(&error));
        }
        write(&*store, &run, &data, (format, arguments.bom), paint, out)
    })?;
    Ok(exit::code_of_run(&data.summary, &arguments.fail_on))
}

fn write(
    store: &dyn Store,
    run: &RunRow,
    data: &ReportData,
    (format, bom): (Format, bool),
    paint: Paint,
    out: &mut dyn Write,
) -> Result<(), Problem> {
    let written = match format {
        Format::Text => report::write_text(data, out, paint, output::columns()),
        Format::Md => report::write_markdown(data, out),
        Format::Json => report::write_json_with_details(data, out),
        Format::Csv => return report::write_csv(store, run, bom, out),
        Format::Html => return report::write_html(store, run, data, out),
        Format::Xlsx => return report::write_xlsx(store, run, data, out),
    };
    written.map_err(|error| report::unwritable(&error))
}
