//! Content shared by the text, Markdown and HTML reports: verdict, table rows, wording and
//! commands.

use crate::domain::metadata::Warning;
use crate::domain::{DiffType, FieldRef};

use super::characters;
use super::details::{FieldDetails, Row};
use super::figures::{bytes, clip, count, counted, duration, share, shell_word, visible};
use super::{Example, ReasonCount, RejectedSample, Summary};

/// How many fields the table of differences lists.
pub(super) const FIELDS_SHOWN: usize = 15;
/// How many rules are listed.
const RULES_SHOWN: usize = 3;
/// How many characters of a value are shown.
const VALUE: usize = 24;

/// Difference types of a field, with their headings.
const FIELD_TYPES: [(DiffType, &str); 6] = [
    (DiffType::NumericMismatch, "NUMERIC"),
    (DiffType::DateMismatch, "DATE"),
    (DiffType::StringMismatch, "STRING"),
    (DiffType::BooleanMismatch, "BOOLEAN"),
    (DiffType::NullMismatch, "NULL"),
    (DiffType::TypeMismatch, "TYPE"),
];

/// Difference types of a whole record, in words.
pub(super) const RECORD_TYPES: [(DiffType, &str); 4] = [
    (DiffType::MissingInSourceA, "records missing in A"),
    (DiffType::MissingInSourceB, "records missing in B"),
    (DiffType::DuplicateInSourceA, "duplicate rows in A"),
    (DiffType::DuplicateInSourceB, "duplicate rows in B"),
];

/// The result in one sentence.
pub(super) fn verdict(summary: &Summary) -> String {
    let records = &summary.records;
    let total = records.total();
    if !summary.is_compared() {
        return format!("{} ingested.", counted(total, "record", "records"));
    }
    if records.breaks == 0 {
        let nothing_compared = summary.warnings.iter().any(|one| one.code == "nothing-compared");
        let mut sentence = match total {
            0 => "There are no records".to_owned(),
            1 if nothing_compared => {
                "The one record has the same key; no field is compared".to_owned()
            }
            _ if nothing_compared => {
                format!("{} records have the same key; no field is compared", count(total))
            }
            1 => "The one record matches".to_owned(),
            _ => format!("All {} records match", count(total)),
        };
        let rejected = records.rejected_a + records.rejected_b;
        if rejected > 0 {
            let rows = if rejected == 1 { "row was rejected" } else { "rows were rejected" };
            sentence += &format!("; {} {rows}", count(rejected));
        }
        return sentence + ".";
    }
    let mut sentence = format!(
        "{} of {} {} ({})",
        count(records.breaks),
        counted(total, "record", "records"),
        if records.breaks == 1 { "breaks" } else { "break" },
        share(records.breaks, total)
    );
    if let Some(gate) = summary.gate {
        sentence += &format!("; {} blocked", count(gate.blocked));
        let awaiting = summary.awaiting();
        if awaiting > 0 {
            sentence += &format!(", {} to review", counted(awaiting, "difference", "differences"));
        }
    }
    sentence + "."
}

/// A warning as a sentence, with its place and code.
pub(super) fn warning(warning: &Warning) -> String {
    let place = warning.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{} [{}]", warning.message, warning.code)
}

/// The warnings that come before the figures, or all others.
pub(super) fn warnings(summary: &Summary, first: bool) -> Vec<&Warning> {
    summary.warnings.iter().filter(|warning| warning.stands_first() == first).collect()
}

/// Fields by number of differences, without whole records.
pub(super) fn fields_by_count(summary: &Summary) -> Vec<(&str, u64)> {
    let mut fields: Vec<(&str, u64)> = summary
        .differences
        .by_field
        .iter()
        .filter(|(field, _)| *field != FieldRef::ENTIRE_RECORD)
        .map(|(field, number)| (field.as_str(), *number))
        .collect();
    fields.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    fields
}

/// The field difference types that occur, with their headings.
pub(super) fn occurring_types(summary: &Summary) -> Vec<(DiffType, &'static str)> {
    let by_type = &summary.differences.by_type;
    FIELD_TYPES.into_iter().filter(|(kind, _)| by_type.contains_key(kind.name())).collect()
}

pub(super) fn cell(summary: &Summary, field: &str, diff_type: DiffType) -> u64 {
    let types = summary.differences.by_field_and_type.get(field);
    types.and_then(|types| types.get(diff_type.name())).copied().unwrap_or_default()
}

/// The functional or non-functional reasons, most frequent first.
pub(super) fn reasons_of(summary: &Summary, functional: bool) -> Vec<&ReasonCount> {
    let reasons = summary.attributions.reasons.iter();
    reasons.filter(|reason| reason.functional == functional).collect()
}

/// The three rates and their meanings.
pub(super) fn rates(summary: &Summary) -> [(&'static str, f64, &'static str); 3] {
    let attributions = &summary.attributions;
    [
        (
            "STP rate",
            attributions.stp_rate,
            "of the differences: accepted automatically, functional",
        ),
        ("unknown rate", attributions.unknown_rate, "of the differences: no cause found"),
        ("awaiting rate", attributions.awaiting_rate, "of the differences: not accepted yet"),
    ]
}

/// The rules that decided most, with their counts.
pub(super) fn rules_named(summary: &Summary) -> String {
    let rules = &summary.top_rules;
    let mut text = rules
        .iter()
        .take(RULES_SHOWN)
        .map(|rule| format!("{} {}", visible(&rule.rule), count(rule.count)))
        .collect::<Vec<_>>()
        .join(", ");
    if rules.len() > RULES_SHOWN {
        text += ", …";
    }
    text
}

/// Accepted and unaccepted differences, and the thresholds.
pub(super) fn acceptance(summary: &Summary) -> Vec<String> {
    let says = summary.acceptance_says();
    if says.is_empty() || !summary.is_attributed() {
        return Vec::new();
    }
    let status = |name| summary.attributions.by_status.get(name).copied().unwrap_or_default();
    let mut lines = vec![format!(
        "accepted {}, unknown {}",
        count(status("ACCEPTED")),
        count(status("UNKNOWN"))
    )];
    lines.extend(says.iter().map(|sentence| visible(sentence).into_owned()));
    let checks = summary.acceptance.as_ref().and_then(|kept| kept.get("blind_checks")?.as_u64());
    if let Some(checks) = checks {
        lines.push(format!("{} were chosen for blind checks", count(checks)));
    }
    lines
}

/// The model's version, if one was used.
pub(super) fn model_named(summary: &Summary) -> String {
    summary.model.as_ref().map_or_else(String::new, |version| format!("version {version}"))
}

/// Where a rejected row starts.
pub(super) fn place(row: &RejectedSample) -> String {
    let (name, file, line) = (row.side.to_uppercase(), visible(&row.file), row.line);
    match &row.words {
        Some(words) => format!("{name} {file}, {}", visible(words)),
        None if file.is_empty() => format!("{name}, line {line}"),
        None => format!("{name} {file}:{line}"),
    }
}

pub(super) fn time(summary: &Summary) -> String {
    let seconds = &summary.seconds;
    let stages = [
        ("read", seconds.read),
        ("align", seconds.align),
        ("compare", seconds.compare),
        ("store", seconds.store),
    ];
    let stages = stages
        .into_iter()
        // Truncate instead of rounding, so that the parts never exceed their total.
        .map(|(name, time)| (name, (time * 100.0 + 1e-6).floor() / 100.0))
        .filter(|(_, time)| *time > 0.0)
        .map(|(name, time)| format!("{name} {}", duration(time)))
        .collect::<Vec<_>>();
    let mut text = duration(seconds.total);
    if !stages.is_empty() {
        text += &format!(" ({})", stages.join(", "));
    }
    let rows = summary.records.a + summary.records.b;
    if seconds.total > 0.0 {
        let rate = (rows as f64 / seconds.total).round() as u64;
        text += &format!(", {}/s", counted(rate, "row", "rows"));
    }
    let size = summary.sources.a.bytes + summary.sources.b.bytes;
    if size > 0 {
        text += &format!(", {}", bytes(size));
    }
    text
}

/// A field's totals, one sentence per currency.
pub(super) fn sums(field: &FieldDetails) -> Vec<String> {
    let too_long = || "too large to add".to_owned();
    field
        .sums
        .iter()
        .map(|(currency, sums)| {
            let sum = sums.sum.clone().unwrap_or_else(too_long);
            let size = sums.size.clone().unwrap_or_else(too_long);
            let currency = if currency.is_empty() { String::new() } else { format!(" {currency}") };
            if field.entire {
                format!("{sum}{currency} in {}", counted(sums.count, "record", "records"))
            } else {
                format!(
                    "B − A is {sum}{currency} in {}; absolute total {size}{currency}",
                    counted(sums.count, "difference", "differences")
                )
            }
        })
        .collect()
}

/// One difference on a line.
pub(super) fn row_line(row: &Row) -> String {
    let mut line = visible(&row.reference).into_owned();
    let value = |text: &Option<String>| {
        text.as_deref().map_or_else(
            || "null".to_owned(),
            |text| clip(&characters::value(text), VALUE).into_owned(),
        )
    };
    match (&row.a, &row.b) {
        (Some(a), Some(b)) => {
            let (a, b) = characters::pair(a, b);
            line += &format!("  {} | {}", clip(&a, VALUE), clip(&b, VALUE));
        }
        (a, b) => line += &format!("  {} | {}", value(a), value(b)),
    }
    if let Some(delta) = &row.delta {
        let sign = if delta.starts_with('-') { "" } else { "+" };
        line += &format!("  ({sign}{delta})");
    }
    for more in [&row.currency, &row.date] {
        if !more.is_empty() {
            line += &format!("  {}", visible(more));
        }
    }
    if let Some(date) = &row.open_since {
        line += &format!("  open since {date}");
    }
    line
}

/// Commands to run next, and their purpose.
pub(super) fn next_steps(summary: &Summary, example: Option<&Example>) -> Vec<(String, String)> {
    let mut steps = Vec::new();
    if summary.differences.total == 0 {
        return steps;
    }
    // Commands default to the newest run.
    let run = match summary.superseded_by {
        Some(_) => format!(" --run {}", summary.run_id),
        None => String::new(),
    };
    if let Some(example) = example {
        let dashes = if example.reference.starts_with('-') { "-- " } else { "" };
        let reference = shell_word(&visible(&example.reference));
        let value = |value: &Option<String>| match value {
            Some(text) => clip(&visible(text), VALUE).into_owned(),
            None => "null".to_owned(),
        };
        let purpose = if example.field == FieldRef::ENTIRE_RECORD {
            "one record, step by step".to_owned()
        } else {
            let (a, b) = (value(&example.value_a), value(&example.value_b));
            format!("{}: {a} against {b}", visible(&example.field))
        };
        steps.push((format!("recon explain{run} {dashes}{reference}"), purpose));
    }
    steps.push((
        format!("recon report{run} --format csv -o breaks.csv"),
        "every difference, one per row".to_owned(),
    ));
    let waiting = summary.awaiting();
    if waiting > 0 && summary.superseded_by.is_none() {
        let what = match waiting {
            1 => "1 difference to decide".to_owned(),
            many => format!("{} differences to decide", count(many)),
        };
        steps.push(("recon serve".to_owned(), what));
    }
    let table = match (summary.stage, &summary.superseded_by) {
        (Some("ATTRIBUTED"), None) => "recon.current_differences".to_owned(),
        _ => format!("recon.data_differences WHERE run_id = '{}'", summary.run_id),
    };
    steps.push((
        format!("recon sql \"SELECT * FROM {table} LIMIT 20\""),
        "the tables behind this report".to_owned(),
    ));
    steps
}
