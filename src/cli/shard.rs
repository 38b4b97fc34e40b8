//! `recon shard`: each step of a run as a filter, for an engine that moves rows between machines.

use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::coding::{hex, unhex};
use crate::config::{Loaded, Shipment};
use crate::database::StoreUrl;
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::metadata::{self, Seconds};
use crate::domain::{Instant, PerSide, Side};
use crate::exchange::{ResultWriter, RowReader, RowWriter, Tag, VERSION, stream_problem};
use crate::files;
use crate::pipeline::Plan;
use crate::pipeline::shard::{self, Closed, DRIVER, Reading, Spread, SpreadSource, State, Task};
use crate::report::{self, Summary};
use crate::source::{RowCounts, RowStream, StreamFormat};
use crate::store::{self, Opening};

use super::args::{
    InputFormat, Shard, ShardClose, ShardDecide, ShardFormat, ShardJob, ShardPlan, ShardPrepare,
    ShardStep, SideOf,
};
use super::context::{Context, now, unwritable};
use super::exit;

/// The size of a job file: lookups are most of it.
const JOB_BYTES: u64 = 1 << 30;

pub fn run(context: &Context, arguments: &Shard) -> Result<u8, Problems> {
    context.listen()?;
    match arguments {
        Shard::Plan(arguments) => plan(context, arguments)?,
        Shard::Prepare(arguments) => prepare(context, arguments)?,
        Shard::Decide(arguments) => decide(context, arguments)?,
        Shard::Match(arguments) => {
            let job = Job::read(context, &arguments.step.of)?;
            let state = job.state(&arguments.step)?;
            filter(context, |rows, out| {
                shard::match_step(job.task(context), &state, arguments.pass, rows, out)
            })?;
        }
        Shard::Survey(arguments) => {
            let job = Job::read(context, &arguments.of)?;
            let state = job.state(arguments)?;
            filter(context, |rows, out| shard::survey(job.task(context), &state, rows, out))?;
        }
        Shard::Join(arguments) => {
            let job = Job::read(context, &arguments.step.of)?;
            let state = job.state(&arguments.step)?;
            context.console.result(|out| {
                let mut results = match arguments.format {
                    ShardFormat::Arrow => ResultWriter::arrow(out)?,
                    ShardFormat::Jsonl => ResultWriter::lines(out),
                };
                shard::join(job.task(context), &state, &mut *stdin_rows()?, &mut results)?;
                results.finish()
            })?;
        }
        Shard::Close(arguments) => close(context, arguments)?,
    }
    Ok(exit::DONE)
}

fn stdin() -> Box<dyn Read + Send> {
    Box::new(BufReader::with_capacity(1 << 20, std::io::stdin()))
}

/// The payloads on standard input.
fn stdin_rows() -> Result<Box<shard::In<'static>>, Problem> {
    let mut reader = Some(RowReader::open(stdin())?);
    Ok(Box::new(move |each| match reader.take() {
        Some(reader) => reader.each(each),
        None => Ok(()),
    }))
}

/// Runs a step that writes payloads.
fn filter(
    context: &Context,
    work: impl FnOnce(&mut shard::In<'_>, &mut shard::Out<'_>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    context.console.result(|out| {
        let mut writer = RowWriter::new(out)?;
        work(&mut *stdin_rows()?, &mut |slot, payload| writer.push(slot, payload))?;
        writer.finish()
    })
}

/// The content of a job file.
#[derive(Serialize, Deserialize)]
struct JobFile {
    /// The version of the exchange.
    exchange: u8,
    version: String,
    shipment: Shipment,
    spread: Spread,
}

/// A job, ready for a step.
struct Job {
    loaded: Loaded,
    plan: Plan,
    spread: Spread,
    tag: Tag,
}

fn tag_of(job: &[u8]) -> (String, Tag) {
    let digest = Sha256::digest(job);
    let mut tag = Tag::default();
    tag.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    (hex(digest), tag)
}

fn wrong_job(path: &Path, message: impl Display) -> Problem {
    Problem::new(Code::ShardJob, format!("the job can't be used: {message}")).in_file(path)
}

impl Job {
    fn read(context: &Context, of: &ShardJob) -> Result<Self, Problems> {
        let path = &of.job;
        let bytes = files::read(path, JOB_BYTES).map_err(|error| wrong_job(path, error))?;
        let (_, tag) = tag_of(&bytes);
        #[derive(Deserialize)]
        struct Versions {
            exchange: u8,
            version: String,
        }
        let wrong = |error: serde_json::Error| wrong_job(path, error);
        let Versions { exchange, version } = serde_json::from_slice(&bytes).map_err(wrong)?;
        let own = env!("CARGO_PKG_VERSION");
        if (exchange, version.as_str()) != (VERSION, own) {
            let message = format!("recon {version} wrote it, and this is recon {own}");
            return Err(wrong_job(path, message)
                .help("use one version of recon on all machines")
                .into());
        }
        let job: JobFile = serde_json::from_slice(&bytes).map_err(wrong)?;
        let JobFile { shipment, spread, .. } = job;
        let loaded = shipment.unpack()?;
        let columns = spread.sources.as_ref().map(|_, source| source.columns.clone());
        let mut plan = plan_of(&loaded, &shipment, &columns)?;
        plan.options.threads = of.threads.into();
        plan.options.memory_limit = of.memory.saturating_mul(1 << 20);
        context.console.detail(&format!("run {} of job {}", spread.run_id()?, plan.job));
        Ok(Self { loaded, plan, spread, tag })
    }

    fn task<'t>(&'t self, context: &'t Context) -> Task<'t> {
        let Self { plan, spread, tag, .. } = self;
        Task { plan, spread, tag: *tag, progress: context.console.progress() }
    }

    fn state(&self, step: &ShardStep) -> Result<State, Problem> {
        read_state(&step.state, self.tag)
    }
}

fn plan_of(
    loaded: &Loaded,
    shipment: &Shipment,
    columns: &PerSide<Vec<String>>,
) -> Result<Plan, Problems> {
    let mut plan = loaded.plan_of_headers(columns)?;
    plan.record.configuration = shipment.stored().clone();
    Ok(plan)
}

fn read_state(path: &Path, tag: Tag) -> Result<State, Problem> {
    let text = files::read(path, JOB_BYTES).map_err(|error| wrong_job(path, error))?;
    State::read(&String::from_utf8_lossy(&text), tag).map_err(|problem| problem.in_file(path))
}

/// One side of the file given with `--sources`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenSource {
    name: Option<String>,
    columns: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenSources {
    a: Option<GivenSource>,
    b: Option<GivenSource>,
}

fn plan(context: &Context, arguments: &ShardPlan) -> Result<(), Problems> {
    let started = match &arguments.started {
        None => now(),
        Some(text) => Instant::parse_rfc3339_utc(text).ok_or_else(|| {
            let message = format!("`{text}` is no time in UTC like 2026-01-15T06:00:00Z");
            Problem::new(Code::ShardJob, message)
        })?,
    };
    let given = match &arguments.sources {
        None => GivenSources::default(),
        Some(path) => {
            let text =
                files::read_text(path, files::SMALL).map_err(|error| wrong_job(path, error))?;
            serde_json::from_str(&text).map_err(|error| wrong_job(path, error))?
        }
    };
    let loaded = context.load()?;
    let GivenSources { a, b } = given;
    let sources =
        PerSide { a: source_of(&loaded, Side::A, a)?, b: source_of(&loaded, Side::B, b)? };
    let columns = sources.as_ref().map(|_, source| source.columns.clone());
    let (shipment, again) =
        Shipment::pack(&loaded, &context.global.config, context.surroundings())?;
    let plan = plan_of(&again, &shipment, &columns)?;
    for finding in &plan.findings {
        let class = crate::diagnostic::Class::Warning;
        context.console.problem(&Problem { class, ..finding.clone() });
    }
    check_given(&plan, &sources)?;
    let store = match context.store_url(Some(&loaded))? {
        StoreUrl::Sqlite(path) if !path.exists() => None,
        url => Some(store::open(&url, Opening::Existing)?),
    };
    let spread = Spread::new(store.as_deref(), &plan, sources, arguments.run_id, started)?;
    let run_id = spread.run_id()?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let job = JobFile { exchange: VERSION, version, shipment, spread };
    let bytes = serde_json::to_vec(&job).map_err(|error| wrong_job(&arguments.output, error))?;
    let (digest, tag) = tag_of(&bytes);
    write_private(context, &arguments.output, &bytes)?;
    let spread = &job.spread;
    let task = Task { plan: &plan, spread, tag, progress: context.console.progress() };
    context.json(&json!({
        "job": digest,
        "run_id": run_id.to_string(),
        "slots": 1 << crate::align::FIXED_BITS,
        "passes": task.match_steps(),
        "survey": if spread.has_model() { "all" } else { "low" },
        "reads": spread.sources.as_ref().map(|_, source| source.reads),
        "columns": columns,
    }))?;
    Ok(())
}

fn write_file(context: &Context, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    context
        .console
        .result_to(Some(path), |out| out.write_all(bytes).map_err(|error| unwritable(path, &error)))
}

/// Writes a file that only its owner may read: it may hold values of variables, or rows.
fn write_private(context: &Context, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    write_file(context, path, bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        if path.is_file() {
            std::fs::set_permissions(path, mode).map_err(|error| unwritable(path, &error))?;
        }
    }
    Ok(())
}

fn unsupported(message: String, help: &str) -> Problem {
    Problem::new(Code::ShardUnsupported, message).help(help)
}

fn source_of(
    loaded: &Loaded,
    side: Side,
    given: Option<GivenSource>,
) -> Result<SpreadSource, Problem> {
    let source = &loaded.resolved.sources[side];
    if let Some(GivenSource { name, columns, files }) = given {
        let name = name.unwrap_or_else(|| source.read.path().display().to_string());
        return Ok(SpreadSource { columns, name, files, is_given: true, reads: 0 });
    }
    if source.read.is_stdin() {
        let message = format!("source {side} is standard input, which tasks can't read");
        return Err(unsupported(message, "let the engine read it: describe it in --sources"));
    }
    let files = source.read.input_names()?;
    let opened = source.read.open(&source.wanted())?;
    Ok(SpreadSource {
        columns: opened.columns().to_vec(),
        name: source.read.path().display().to_string(),
        reads: if source.read.is_separable() { files.len().max(1) } else { 1 },
        files,
        is_given: false,
    })
}

/// Refuses settings that need all rows of a file one after the other, for rows that come in any order.
fn check_given(plan: &Plan, sources: &PerSide<SpreadSource>) -> Result<(), Problem> {
    for side in Side::BOTH.into_iter().filter(|side| sources[*side].is_given) {
        let what = if !plan.fill[side].is_empty() {
            "fills columns down"
        } else if plan.sources[side].has_trailer() {
            "has a trailer"
        } else {
            continue;
        };
        let message = format!("source {side} {what}, which rows on a stream can't do");
        return Err(unsupported(message, "let recon read the files: leave it out of --sources"));
    }
    Ok(())
}

fn prepare(context: &Context, arguments: &ShardPrepare) -> Result<(), Problems> {
    let job = Job::read(context, &arguments.of)?;
    let side = match arguments.side {
        SideOf::A => Side::A,
        SideOf::B => Side::B,
    };
    let source = &job.spread.sources[side];
    let plan = &job.plan.sources[side];
    let wanted = job.loaded.resolved.sources[side].wanted();
    let (opened, reading) = match arguments.read {
        None => {
            let counts = RowCounts::default();
            let format = match arguments.format {
                InputFormat::Arrow => StreamFormat::Arrow,
                InputFormat::Csv => StreamFormat::Csv,
            };
            let given = RowStream {
                input: stdin(),
                format,
                files: source.files.clone(),
                first_line: arguments.first_line,
                counts: counts.clone(),
            };
            (plan.given(&source.columns, given)?, Reading::RowStream(counts))
        }
        Some(number) if number >= source.reads => {
            let reads = source.reads;
            let message =
                format!("source {side} has {reads} inputs to read, and no input {number}");
            return Err(unsupported(message, "`recon shard plan` says how many: `reads`").into());
        }
        Some(_) if source.reads == 1 => (plan.open(&wanted)?, Reading::Inputs(0)),
        Some(number) => {
            (plan.open_one(number, &source.columns, &wanted)?, Reading::Inputs(number as u64))
        }
    };
    context.console.result(|out| {
        let mut writer = RowWriter::new(out)?;
        shard::prepare(job.task(context), side, opened, reading, &mut |slot, payload| {
            writer.push(slot, payload)
        })?;
        writer.finish()
    })?;
    Ok(())
}

fn decide(context: &Context, arguments: &ShardDecide) -> Result<(), Problems> {
    let job = Job::read(context, &arguments.of)?;
    let state = match &arguments.state {
        None => State::default(),
        Some(path) => read_state(path, job.tag)?,
    };
    let (state, decision) = shard::decide(job.task(context), state, &mut *stdin_rows()?)?;
    write_private(context, &arguments.output, state.write(job.tag).as_bytes())?;
    context.json(&decision.to_json())?;
    Ok(())
}

/// The counts among result lines on standard input.
fn stdin_lines() -> Box<shard::In<'static>> {
    Box::new(|each| {
        let wrong = |error: &dyn Display| stream_problem(format!("no result line: {error}"));
        for line in BufReader::new(std::io::stdin()).lines() {
            let line = line.map_err(|error| wrong(&error))?;
            let line: Json = serde_json::from_str(&line).map_err(|error| wrong(&error))?;
            let Some(counts) = line.get("counts").and_then(Json::as_str) else { continue };
            let bytes = unhex(counts).ok_or_else(|| wrong(&"its counts can't be read"))?;
            each(DRIVER, &bytes)?;
        }
        Ok(())
    })
}

fn close(context: &Context, arguments: &ShardClose) -> Result<(), Problems> {
    let job = Job::read(context, &arguments.step.of)?;
    let state = job.state(&arguments.step)?;
    let mut rows = match arguments.format {
        ShardFormat::Arrow => stdin_rows()?,
        ShardFormat::Jsonl => stdin_lines(),
    };
    let (closed, warnings) = shard::close(job.task(context), state, &mut *rows, now())?;
    context.warn(&warnings);
    let summary = summary(&closed)?;
    let run = serde_json::to_value(&summary).unwrap_or_default();
    write_file(context, &arguments.output, closed.write().as_bytes())?;
    context.json(&json!({ "run": run, "ids": closed.ids()? }))?;
    Ok(())
}

fn summary(closed: &Closed) -> Result<Summary, Problem> {
    let (run, counts, rejected) = closed.for_report()?;
    let books = run.metadata.get(metadata::COUNTS).cloned().unwrap_or_default();
    let books = report::books_from_json(&books)
        .map_err(|error| Problem::new(Code::BooksUnreadable, error))?;
    let seconds: Seconds = metadata::piece(&run.metadata, metadata::SECONDS).unwrap_or_default();
    let gate = Some(counts.gate);
    Summary::new(&run, &books, &counts.attributions, gate, &seconds)
        .with_rejected(rejected)
        .proved()
}
