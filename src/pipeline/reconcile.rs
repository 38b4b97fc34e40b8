//! One pass over both sources: read, align, compare, attribute and store, without reading back.

use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::align::{Partitioning, SpillRoom};
use crate::diagnostic::{Code, Place, Problem};
use crate::domain::metadata::{Seconds, Source};
use crate::domain::place;
use crate::domain::time_format::Doubt;
use crate::domain::{Books, Money, PerSide, Progress, RowRef, RunStatus, Side};
use crate::matching::{Certificate, Shape};
use crate::source::{Opened, SourceDigest};
use crate::store::{Batch, RejectedRow, Writer};
use crate::threads;

use super::conventions::{Conventions, Sample, as_warning, first_warnings};
use super::halt::Halt;
use super::join::{count_differences, join_partitions};
use super::machine::{RunMachine, Sampler, run_context};
use super::matching::Rows;
use super::open_items::{Taken, Waiting};
use super::read::{DoubtfulFields, Read, read};
use super::recorder::Depth;
use super::tally::Tally;
use super::{MatchPlan, Outcome, Plan};

/// About what a row that was taken over needs in memory.
const WAITING_BYTES: u64 = 200;

/// Reads both sources and stores the result, which becomes visible when the writer finishes.
pub(super) fn reconcile(
    plan: &Plan,
    mut ready: RunMachine,
    opened: PerSide<Opened>,
    waiting: Option<Waiting>,
    depth: Depth,
    writer: &mut dyn Writer,
    progress: &dyn Progress,
) -> Result<Outcome, Problem> {
    let begun = Instant::now();
    let halt = Halt::default();
    let waiting_bytes = waiting.as_ref().map_or(0, |waiting| waiting.len() as u64 * WAITING_BYTES);
    let size = opened.a.size() + opened.b.size() + waiting_bytes;
    let options = &plan.options;
    let how = Partitioning::new(size, options.threads, options.memory_limit);
    // Dropping it removes its temporary files, however the run ends.
    let room = SpillRoom::new(&options.temp_dir);
    let mut store = Duration::ZERO;
    let mut first = PerSide::default();
    let read = read_and_write_rejected(
        plan,
        opened,
        (how, &room),
        &halt,
        writer,
        &mut store,
        &mut first,
        progress,
    )?;
    check_rejected(plan, &read, &first)?;
    let read_for = begun.elapsed();
    let Read { mut partitions, tally: mut read_tally, digests, doubtful } = read;
    let mut with_carried = plan.clone();
    let mut taken_warnings = Vec::new();
    let mut open_items = None;
    if let Some(waiting) = waiting {
        let Taken { rows, counts, record, warnings } =
            waiting.take_over(plan, &mut partitions, (how, &room))?;
        with_carried.carried = std::sync::Arc::new(rows);
        read_tally.books.open_items = Some(counts);
        open_items = Some(record);
        taken_warnings = warnings;
    }
    let plan = &with_carried;
    let rows = Rows::new(plan, partitions, (how, &room), &halt, progress)?;
    let mut warnings = doubtful_values(&doubtful);
    warnings.append(&mut taken_warnings);
    for side in Side::BOTH {
        warnings.extend(digests[side].warnings.iter().cloned());
    }
    let conventions = match depth {
        // Conventions are detected when the run is compared.
        Depth::Ingest => Conventions::default(),
        Depth::Attribute => {
            let mut sample = Sample::new(&plan.layout, read_tally.books.read);
            sample.gather(plan, &rows)?;
            sample.conventions(plan)
        }
    };
    ready.machine.held_back = conventions.held_back(&plan.layout, &read_tally.books);
    if depth == Depth::Attribute && ready.machine.champion.is_some() {
        let counted = count_differences(plan, &rows, &halt, progress)?;
        let books = counted.books(&plan.layout);
        let systems = plan.systems.clone();
        ready.machine.run = run_context(systems, plan.batch_date, &plan.layout, &books);
    }
    let mut sampler = Sampler::new(plan, plan.batch_date);
    let joined =
        join_partitions(plan, &ready.machine, depth, &rows, writer, &mut sampler, &halt, progress)?;
    let mut tally = Tally::default();
    tally.add(&read_tally);
    tally.add(&rows.tally);
    tally.add(&joined.tally);
    let mut books = tally.books(&plan.layout);
    count_matches(plan, &rows, &mut books);
    books.money = money(plan, &tally, &digests);
    // Without comparing, nothing is known of what lies between the totals.
    let untied = (depth == Depth::Attribute).then(|| Money::discrepancy(&books.money)).flatten();
    if let Some(sentence) = books.discrepancy().or(untied) {
        return Err(Problem::new(Code::BooksDoNotClose, sentence)
            .help("this is a bug in recon; please report it with the configuration"));
    }
    if joined.greedy_keys > 0 {
        warnings.push(Problem::new(
            Code::GreedyPairing,
            format!(
                "keys repeated more than {} times, whose rows were paired greedily: {}",
                crate::align::OPTIMAL_LIMIT,
                joined.greedy_keys
            ),
        ));
    }
    warnings.splice(0..0, conventions.warnings());
    warnings.splice(0..0, first_warnings(plan, &books));
    // What the configuration makes doubtful was said before the run, and is kept with it.
    let data_warnings = warnings.iter().chain(&doubtful_lookups(plan)).map(as_warning).collect();
    let (rule_errors, failures) = joined.rule_failures;
    let clean = books.rejected == PerSide::default() && rule_errors == 0;
    warnings.extend(failures);
    let machine = (depth == Depth::Attribute).then(|| ready.record(sampler));
    warnings.extend(ready.warnings);
    Ok(Outcome {
        open_items,
        machine,
        status: if clean { RunStatus::Completed } else { RunStatus::CompletedWithErrors },
        sources: describe_sources(plan, &digests, &books.read),
        books,
        attributions: tally.attributions,
        gate: (tally.passed, tally.blocked),
        rule_errors,
        warnings,
        data_warnings,
        conventions,
        seconds: Seconds {
            total: 0.0,
            read: read_for.as_secs_f64(),
            align: joined.align.as_secs_f64(),
            compare: joined.compare.as_secs_f64(),
            store: (store + joined.store).as_secs_f64(),
        },
    })
}

/// Lookup files whose first line may be data that was taken for a header.
fn doubtful_lookups(plan: &Plan) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    for side in Side::BOTH {
        for field in &plan.normalize[side].fields {
            for step in field.source_steps.iter().chain(&field.steps) {
                let warning = step.file_note().and_then(|note| note.warning.as_ref());
                found.extend(warning.filter(|one| !found.contains(one)).cloned());
            }
        }
    }
    found
}

/// Reads, and writes the rejected rows as they come; the first of each side is kept in `first`.
#[expect(clippy::too_many_arguments, reason = "one step of `reconcile`, extracted for readability")]
fn read_and_write_rejected(
    plan: &Plan,
    opened: PerSide<Opened>,
    spill: (Partitioning, &SpillRoom),
    halt: &Halt,
    writer: &mut dyn Writer,
    spent: &mut Duration,
    first: &mut PerSide<Option<RejectedRow>>,
    progress: &dyn Progress,
) -> Result<Read, Problem> {
    let (sender, receiver) = bounded::<Vec<RejectedRow>>(16);
    let read = std::thread::scope(|scope| {
        let work = move || read(plan, opened, spill, halt, &sender, progress);
        let reading = threads::start(scope, work)?;
        for rejected in receiver {
            for row in &rejected {
                let known = &mut first[row.side];
                let place = |row: &RejectedRow| (place::input_of(row.offset), row.line);
                if known.as_ref().is_none_or(|known| place(row) < place(known)) {
                    *known = Some(row.clone());
                }
            }
            let begun = Instant::now();
            halt.guard(writer.write(&Batch::of_rejected(rejected)));
            *spent += begun.elapsed();
        }
        super::read::join(reading)
    });
    halt.outcome()?;
    read
}

/// Adds the pairs of the key to the matches that the passes have counted.
fn count_matches(plan: &Plan, rows: &Rows, books: &mut Books) {
    if plan.matching.is_none() {
        return;
    }
    let made = books.aligned + books.groups;
    let matches = books.matches.get_or_insert_default();
    matches.left_ambiguous = rows.left_ambiguous;
    let keyed = made.saturating_sub(matches.total());
    if keyed > 0 {
        let (shape, certificate) = (Shape::OneToOne.name(), Certificate::Unique.name());
        matches.count(MatchPlan::KEY_PASS, shape, certificate, keyed);
    }
}

/// The amounts of the run, with the files of those that can't be read.
fn money(plan: &Plan, tally: &Tally, digests: &PerSide<SourceDigest>) -> Vec<Money> {
    let mut money = tally.money.money(&plan.money, &plan.layout);
    let books = &tally.books;
    for one in &mut money {
        PerSide { a: one.filtered_a, b: one.filtered_b } = books.filtered;
        PerSide { a: one.rejected_a, b: one.rejected_b } = books.rejected;
        for unreadable in &mut one.unreadable {
            let digest = if unreadable.side == "a" { &digests.a } else { &digests.b };
            let row = RowRef::new(0, unreadable.line, unreadable.offset, &[]);
            let file = digest.files.get(place::input_of(unreadable.offset));
            unreadable.file = match (plan.carried.of(&row), file) {
                (Some(carried), _) => carried.file,
                (None, Some(file)) => file.path.clone(),
                (None, None) => digest.path.display().to_string(),
            };
        }
    }
    money
}

/// A warning for each field with ambiguous values.
fn doubtful_values(doubtful: &PerSide<DoubtfulFields>) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for side in Side::BOTH {
        for ((field, doubt), (values, example)) in &doubtful[side] {
            let doubt = Doubt::of_bits(*doubt);
            let of = format!("of `{field}` in source {side}");
            let count = match values {
                1 => format!("1 value {of}, `{example}`,"),
                _ => format!("{values} values {of}, such as `{example}`,"),
            };
            let is = if *values == 1 { "is" } else { "are" };
            let warning = if doubt.has(Doubt::FORMATS) {
                let message = format!(
                    "{count} {is} read differently by two of its formats; the first that fits \
                     was taken"
                );
                Problem::new(Code::AmbiguousFormat, message)
                    .help("keep only the format that the source uses")
            } else if doubt.has(Doubt::TWICE) {
                let message = format!(
                    "{count} {is} a local time that exists twice, because clocks were put back; the \
                     earlier one was used"
                );
                Problem::new(Code::LocalTimeTwice, message).help(
                    "if the source can write the UTC offset, read it with `%z`; otherwise expect these \
                     to be an hour off",
                )
            } else {
                let message = format!(
                    "{count} {is} a local time that does not exist, because clocks were put forward; it \
                     was read as if they had not"
                );
                Problem::new(Code::LocalTimeNever, message).help(
                    "check `timezone` of this source: its times may be in another zone, or in UTC",
                )
            };
            warnings.push(warning);
        }
    }
    warnings
}

/// Too many rejected rows, or only rejected rows, make a source unreadable.
fn check_rejected(
    plan: &Plan,
    read: &Read,
    first: &PerSide<Option<RejectedRow>>,
) -> Result<(), Problem> {
    let books = &read.tally.books;
    for side in Side::BOTH {
        let (rejected, rows) = (books.rejected[side], books.read[side]);
        let system = &plan.systems[side];
        let (digest, unit) = (&read.digests[side], plan.sources[side].unit());
        let file =
            first[side].as_ref().and_then(|row| digest.files.get(place::input_of(row.offset)));
        let why = first[side].as_ref().map_or_else(String::new, |row| {
            let words = file.map_or_else(
                || place::line_words(unit, row.line),
                |file| file.words(unit, row.line, row.offset),
            );
            format!("; the first in {words}, {}: {}", row.code, row.message)
        });
        let place = Place {
            file: file.map_or_else(|| digest.path.clone(), |file| file.path.clone().into()),
            line: first[side].as_ref().map_or(0, |row| row.line),
            ..Place::default()
        };
        if rejected > 0 && rejected == rows {
            let message = match rows {
                1 => format!("the only row of source {side} ({system}) was rejected{why}"),
                _ => format!("all {rows} rows of source {side} ({system}) were rejected{why}"),
            };
            let code = first[side].as_ref().map_or("", |row| row.code.as_ref());
            let help = all_rejected_help(code, side);
            return Err(Problem::new(Code::AllRowsRejected, message).at(place).help(help));
        }
        if plan.options.max_rejected.is_some_and(|limit| limit.exceeded(rejected, rows)) {
            let message = format!(
                "{rejected} of {rows} rows of source {side} ({system}) were rejected, more than \
                 `options.max_rejected` allows{why}"
            );
            return Err(Problem::new(Code::TooManyRejected, message).at(place));
        }
    }
    Ok(())
}

/// Advice when every row of a source is rejected, by the first row's problem.
fn all_rejected_help(code: &str, side: Side) -> String {
    let at = format!("sources.{}", side.letter());
    match code {
        "RAGGED_ROW" => format!(
            "the header and the rows differ in width: check `delimiter` and `quote` of `{at}.read`; \
             if there are lines above the header, skip them with `skip_rows`"
        ),
        "BAD_ENCODING" => format!(
            "the file has another encoding: set `encoding` of `{at}.read`, such as `windows-1252`"
        ),
        "NUL_BYTE" => format!(
            "the file is probably UTF-16: set `encoding: utf-16le` (or `utf-16be`) of `{at}.read`"
        ),
        "UNCLOSED_QUOTE" | "STRAY_QUOTE" => format!(
            "the quote character is plain text in this file: set `quote` of `{at}.read` to one that \
             does not occur, or fix the row"
        ),
        "NULL_KEY" => format!(
            "the key is empty in every row: map another column in `{at}.map`, or set it in \
             `fn row(raw, r)` of the script"
        ),
        "UNPARSABLE_KEY" => format!(
            "the key does not have the format its type expects: set `formats` or `numbers` for \
             it in `{at}`, add a step in `{at}.normalize`, or make the field `text`"
        ),
        "SCRIPT_ERROR" => "fix the script at the place named in the message".to_owned(),
        _ => format!("check `read` and `map` of `{at}`"),
    }
}

fn describe_sources(
    plan: &Plan,
    digests: &PerSide<SourceDigest>,
    rows: &PerSide<u64>,
) -> PerSide<Source> {
    PerSide::of(|side| Source {
        system: plan.systems[side].clone(),
        path: digests[side].path.display().to_string(),
        bytes: digests[side].bytes,
        sha256: digests[side].sha256.clone(),
        rows: rows[side],
        unused_columns: plan.unused_columns[side].clone(),
        unit: plan.sources[side].unit(),
        files: {
            let files = &digests[side].files;
            let is_plain = files.len() < 2 && files.iter().all(|file| file.parts.is_empty());
            if is_plain { Vec::new() } else { files.clone() }
        },
    })
}
