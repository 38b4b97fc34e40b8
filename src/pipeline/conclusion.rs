//! Concludes a run from the counts of its stages: books and their proof, warnings, status.

use crate::attribute::RuleFailures;
use crate::diagnostic::{Code, Place, Problem};
use crate::domain::metadata::{Seconds, Source};
use crate::domain::place::{self, Unit};
use crate::domain::time_format::Doubt;
use crate::domain::{Books, Money, PerSide, RowRef, RunStatus, Side};
use crate::matching::{Certificate, Shape};
use crate::source::{SourceDigest, SourcePlan};
use crate::store::RejectedRow;

use super::conventions::{Conventions, as_warning, first_warnings};
use super::read::DoubtfulFields;
use super::recorder::Depth;
use super::tally::Tally;
use super::{MatchPlan, Plan, RunOutcome};

/// The results of a run's stages.
pub(super) struct Findings {
    /// The sum of all counts.
    pub tally: Tally,
    /// Matches that were not made because they are not certain.
    pub left_ambiguous: u64,
    /// Keys repeated so often that their rows were paired greedily.
    pub greedy_keys: u64,
    pub rule_failures: RuleFailures,
    pub digests: PerSide<SourceDigest>,
    pub doubtful: PerSide<DoubtfulFields>,
    pub conventions: Conventions,
    /// Warnings about rows taken over from the previous date.
    pub taken_warnings: Vec<Problem>,
    /// Warnings about the model and the acceptance.
    pub machine_warnings: Vec<Problem>,
}

impl Findings {
    /// Proves the books, and returns the outcome.
    pub fn conclude(self, plan: &Plan, depth: Depth) -> Result<RunOutcome, Problem> {
        let Self { tally, digests, conventions, .. } = self;
        let mut warnings = doubtful_values(&self.doubtful);
        warnings.extend(self.taken_warnings);
        for side in Side::BOTH {
            warnings.extend(digests[side].warnings.iter().cloned());
        }
        let mut books = tally.books(&plan.layout);
        count_matches(plan, self.left_ambiguous, &mut books);
        books.money = money(plan, &tally, &digests);
        // Without comparing, the differences between the totals are unknown.
        let untied =
            (depth == Depth::Attribute).then(|| Money::discrepancy(&books.money)).flatten();
        if let Some(sentence) = books.discrepancy().or(untied) {
            return Err(Problem::new(Code::BooksDoNotClose, sentence)
                .help("this is a bug in recon; please report it with the configuration"));
        }
        if self.greedy_keys > 0 {
            warnings.push(Problem::new(
                Code::GreedyPairing,
                format!(
                    "keys repeated more than {} times, whose rows were paired greedily: {}",
                    crate::align::OPTIMAL_LIMIT,
                    self.greedy_keys
                ),
            ));
        }
        warnings.splice(0..0, conventions.warnings());
        warnings.splice(0..0, first_warnings(plan, &books));
        // Warnings about the configuration were shown before the run; they are stored with it.
        let data_warnings =
            warnings.iter().chain(&doubtful_lookups(plan)).map(as_warning).collect();
        let rule_errors = self.rule_failures.count();
        let clean = books.rejected == PerSide::default() && rule_errors == 0;
        warnings.extend(self.rule_failures.warnings());
        warnings.extend(self.machine_warnings);
        Ok(RunOutcome {
            open_items: None,
            machine: None,
            status: if clean { RunStatus::Completed } else { RunStatus::CompletedWithErrors },
            sources: describe_sources(plan, &digests, &books.read),
            books,
            attributions: tally.attributions,
            gate: (tally.passed, tally.blocked),
            rule_errors,
            warnings,
            data_warnings,
            conventions,
            seconds: Seconds::default(),
        })
    }
}

/// Lookup files whose first line may be data mistaken for a header.
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

/// Adds the pairs of the key to the matches that the passes have counted.
fn count_matches(plan: &Plan, left_ambiguous: u64, books: &mut Books) {
    if plan.matching.is_none() {
        return;
    }
    let made = books.aligned + books.groups;
    let matches = books.matches.get_or_insert_default();
    matches.left_ambiguous = left_ambiguous;
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
pub(super) fn check_rejected(
    plan: &Plan,
    books: &Books,
    digests: &PerSide<SourceDigest>,
    first: &PerSide<Option<RejectedRow>>,
) -> Result<(), Problem> {
    for side in Side::BOTH {
        let (rejected, rows) = (books.rejected[side], books.read[side]);
        let system = &plan.systems[side];
        let (digest, unit) = (&digests[side], plan.sources[side].unit());
        let file =
            first[side].as_ref().and_then(|row| digest.files.get(place::input_of(row.offset)));
        let why = first[side].as_ref().map_or_else(String::new, |row| {
            let words = file.map_or_else(
                || place::line_words(unit, row.line),
                |file| file.describe(unit, row.line, row.offset),
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
            let help = all_rejected_help(code, side, &plan.sources[side]);
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
fn all_rejected_help(code: &str, side: Side, source: &SourcePlan) -> String {
    let at = format!("sources.{}", side.letter());
    match code {
        "RAGGED_ROW" => format!(
            "the header and the rows differ in width: check `delimiter` and `quote` of `{at}.read`; \
             if there are lines above the header, skip them with `skip_rows`"
        ),
        "BAD_ENCODING" | "NUL_BYTE" if !source.has_encoding() => match source.unit() {
            Unit::Query => format!(
                "convert the column in `query` of `{at}.read`, as by `hex(…)`, leave it out, or mend \
                 it in the database"
            ),
            _ => "mend the texts at the source: there is no `encoding` to set".to_owned(),
        },
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
