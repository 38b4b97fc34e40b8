//! The report in GitHub-flavored Markdown.

use std::io::{self, Write};

use super::details::FieldDetails;
use super::figures::{count, percent, share, visible};
use super::findings::{
    self, FIELDS_SHOWN, RECORD_TYPES, acceptance, cell, fields_by_count, model_named, next_steps,
    occurring_types, place, rates, reasons_of, row_line, rules_named, sums, time, verdict,
};
use super::statement::Statements;
use super::{Example, NO_STATEMENT, ReportData, Summary};

pub fn write_markdown(data: &ReportData, out: &mut dyn Write) -> io::Result<()> {
    let summary = &data.summary;
    head(summary, out)?;
    warnings(summary, true, out)?;
    rows(summary, out)?;
    records(summary, out)?;
    matches(summary, out)?;
    if summary.differences.total > 0 {
        differences(summary, out)?;
        if summary.is_attributed() {
            reasons(summary, out)?;
        }
    }
    statements(&data.statements, summary, out)?;
    details(&data.details, out)?;
    gate(summary, out)?;
    remarks(summary, out)?;
    next(summary, data.example.as_ref(), out)
}

/// Writes only the statement.
pub fn write_statement_markdown(data: &ReportData, out: &mut dyn Write) -> io::Result<()> {
    head(&data.summary, out)?;
    if !data.statements.is_empty() {
        return statements(&data.statements, &data.summary, out);
    }
    writeln!(out, "\n{NO_STATEMENT}\n")?;
    data.statements.not_added.iter().try_for_each(|one| writeln!(out, "- {}", with_code(one)))
}

fn statements(all: &Statements, summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Reconciliation statement")?;
    for one in &all.statement {
        writeln!(out, "\n### {}", safe(&one.title()))?;
        table(out, &["Line", "Amount", "Differences", "Nature"])?;
        let side = |system: &str, side: &str| format!("**{} ({side})**", safe(system));
        let total = |amount: String| [format!("**{amount}**"), String::new(), String::new()];
        row(out, &side(&summary.sources.a.system, "A"), &total(one.shown(&one.a)))?;
        for line in &one.lines {
            let figures = [one.shown(&line.amount), count(line.count), line.nature().to_owned()];
            let name = safe(&line.name());
            let name = match all.link(&summary.run_id, one, line) {
                Some(link) => format!("[{name}]({link})"),
                None => name,
            };
            row(out, &name, &figures)?;
        }
        row(out, &side(&summary.sources.b.system, "B"), &total(one.shown(&one.b)))?;
    }
    let command = all.command(&summary.run_id).filter(|_| all.page.is_none());
    if command.is_some() || !all.not_added.is_empty() {
        writeln!(out)?;
    }
    if let Some((line, command)) = command {
        writeln!(out, "- Differences with the reason {}: {}", safe(&line), code(&command))?;
    }
    all.not_added.iter().try_for_each(|one| writeln!(out, "- {}", with_code(one)))
}

fn details(details: &[FieldDetails], out: &mut dyn Write) -> io::Result<()> {
    if details.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Amounts and examples")?;
    for field in details {
        writeln!(out, "\n### {}: {}\n", safe(&field.name), count(field.count))?;
        for sentence in sums(field) {
            writeln!(out, "- {}", safe(&sentence))?;
        }
        let first = field.sample.iter().filter(|row| !field.largest.contains(row));
        for row in field.largest.iter().chain(first) {
            writeln!(out, "- {}", safe(&row_line(row)))?;
        }
    }
    Ok(())
}

/// Escapes external text so that it neither ends its cell nor becomes markup.
fn safe(text: &str) -> String {
    let text = visible(text);
    let mut safe = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut before = None;
    while let Some(character) = characters.next() {
        let in_word = |other: Option<&char>| other.is_some_and(|other| other.is_alphanumeric());
        match character {
            // An underscore within a word is not markup; codes stay readable.
            '_' if in_word(before.as_ref()) && in_word(characters.peek()) => safe.push('_'),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => {
                safe.push('\\');
                safe.push(character);
            }
            // Otherwise GitHub links names and addresses that occur in the data.
            '@' => safe.push_str("&#64;"),
            plain => safe.push(plain),
        }
        before = Some(character);
    }
    safe
}

/// A command as inline code. A `|` would end a table cell, so commands are listed outside tables.
fn code(command: &str) -> String {
    let fence = if command.contains('`') { "``" } else { "`" };
    let space = if command.contains('`') { " " } else { "" };
    format!("{fence}{space}{command}{space}{fence}")
}

/// A sentence in which backticked parts stay code, for copying.
fn with_code(sentence: &str) -> String {
    let sentence = visible(sentence);
    let parts = sentence.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { safe(part) } else { code(part) }).collect()
}

/// A table head: first column left-aligned, the others right-aligned.
fn table(out: &mut dyn Write, columns: &[&str]) -> io::Result<()> {
    writeln!(out, "\n| {} |", columns.join(" | "))?;
    writeln!(out, "| --- |{}", " ---: |".repeat(columns.len().saturating_sub(1)))
}

fn row(out: &mut dyn Write, name: &str, figures: &[String]) -> io::Result<()> {
    writeln!(out, "| {name} | {} |", figures.join(" | "))
}

fn head(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let sources = &summary.sources;
    writeln!(out, "# {}, {}\n", safe(&summary.job), summary.batch_date)?;
    writeln!(out, "**{}**\n", verdict(summary))?;
    writeln!(out, "- {} (A) against {} (B)", safe(&sources.a.system), safe(&sources.b.system))?;
    let stage = summary.stage.unwrap_or("not ingested");
    writeln!(out, "- run `{}`, {}, {stage}", summary.run_id, safe(summary.status))?;
    if let Some(newer) = &summary.superseded_by {
        writeln!(out, "- superseded by run `{newer}`")?;
    }
    writeln!(out, "- {}", time(summary))
}

fn rows(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let records = &summary.records;
    table(out, &["Rows", "A", "B"])?;
    for (at, (name, a, b)) in records.rows().into_iter().enumerate() {
        let name = match at {
            0 => format!("**{name}**"),
            1 => format!("= {name}"),
            _ => format!("+ {name}"),
        };
        row(out, &name, &[count(a), count(b)])?;
    }
    for (at, (name, a, b)) in summary.open_rows().into_iter().enumerate() {
        if at == 0 {
            table(out, &["Open items", "A", "B"])?;
        }
        row(out, name, &[count(a), count(b)])?;
    }
    Ok(())
}

fn records(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let records = &summary.records;
    let total = records.total();
    table(out, &["Records", "count", "share"])?;
    if summary.is_compared() {
        for (name, number) in [
            ("matched", records.matched),
            ("of which within tolerance", records.within_tolerance),
            ("breaks", records.breaks),
        ] {
            row(out, name, &[count(number), share(number, total)])?;
        }
    }
    row(out, "**all**", &[count(total), share(total, total)])
}

fn matches(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let figures = summary.match_figures();
    if figures.is_empty() {
        return Ok(());
    }
    table(out, &["Matches", "count"])?;
    for (name, number) in figures {
        row(out, &safe(&name), &[count(number)])?;
    }
    row(out, "**all**", &[count(summary.match_total())])
}

fn differences(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let differences = &summary.differences;
    let types = occurring_types(summary);
    let mut columns = vec!["Differences", "count"];
    columns.extend(types.iter().map(|(_, name)| *name));
    table(out, &columns)?;
    let fields = fields_by_count(summary);
    for (field, total) in fields.iter().take(FIELDS_SHOWN) {
        let mut figures = vec![count(*total)];
        figures.extend(types.iter().map(|(kind, _)| count(cell(summary, field, *kind))));
        row(out, &safe(field), &figures)?;
    }
    let blank = vec![String::new(); types.len()];
    let total_only = |number: u64| [vec![count(number)], blank.clone()].concat();
    if let Some(rest) = fields.get(FIELDS_SHOWN..).filter(|rest| !rest.is_empty()) {
        let sum = rest.iter().map(|(_, total)| total).sum();
        row(out, &format!("{} more fields", rest.len()), &total_only(sum))?;
    }
    for (diff_type, words) in RECORD_TYPES {
        let number = differences.by_type.get(diff_type.name()).copied().unwrap_or_default();
        if number > 0 {
            row(out, words, &total_only(number))?;
        }
    }
    row(out, "**all**", &total_only(differences.total))
}

fn reasons(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let total = summary.differences.total;
    table(out, &["Reasons", "count", "share", "accepted"])?;
    for (functional, name) in [(true, "**functional**"), (false, "**non-functional**")] {
        let reasons = reasons_of(summary, functional);
        let sum = reasons.iter().map(|reason| reason.count).sum();
        let accepted = reasons.iter().map(|reason| reason.accepted).sum();
        row(out, name, &[count(sum), share(sum, total), count(accepted)])?;
        for reason in reasons {
            let figures = [count(reason.count), share(reason.count, total), count(reason.accepted)];
            row(out, &safe(&reason.code), &figures)?;
        }
    }
    let sources = &summary.attributions.by_source;
    table(out, &["Reasons from", "count", "share"])?;
    let rules = rules_named(summary);
    let rules = if rules.is_empty() { String::new() } else { format!(" ({})", safe(&rules)) };
    let model = model_named(summary);
    let model = if model.is_empty() { model } else { format!(" ({})", safe(&model)) };
    for (name, number) in [
        (format!("rules{rules}"), sources.rule),
        (format!("model{model}"), sources.model),
        ("users".to_owned(), sources.person),
        ("none found".to_owned(), sources.none),
    ] {
        if number > 0 {
            row(out, &name, &[count(number), share(number, total)])?;
        }
    }
    let lines = acceptance(summary);
    if !lines.is_empty() {
        writeln!(out)?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "* {}", safe(line)))
}

fn gate(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let Some(gate) = summary.gate else { return Ok(()) };
    let total = summary.records.total();
    table(out, &["Data quality gate", "records", "share"])?;
    row(out, "PASSED", &[count(gate.passed), share(gate.passed, total)])?;
    row(out, "BLOCKED", &[count(gate.blocked), share(gate.blocked, total)])?;
    if summary.differences.total > 0 {
        writeln!(out)?;
        for (name, rate, meaning) in rates(summary) {
            writeln!(out, "- {name}: {} {meaning}", percent(rate).replace('<', "&lt;"))?;
        }
    }
    Ok(())
}

fn remarks(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let rejected = summary.records.rejected_a + summary.records.rejected_b;
    if rejected > 0 {
        writeln!(out, "\n## Rejected rows: {}\n", count(rejected))?;
        for sample in &summary.rejected {
            let place = place(sample);
            let (code, message) = (safe(&sample.code), safe(&sample.message));
            writeln!(out, "- {}: {code}, {message}", safe(&place))?;
        }
        let shown = summary.rejected.len() as u64;
        if rejected > shown {
            writeln!(out, "- and {} more, in `recon.rejected_rows`", count(rejected - shown))?;
        }
    }
    let sources = [("A", &summary.sources.a), ("B", &summary.sources.b)];
    if sources.iter().any(|(_, source)| !source.unused_columns.is_empty()) {
        writeln!(out, "\n## Unmapped columns\n")?;
        for (side, source) in sources {
            if !source.unused_columns.is_empty() {
                writeln!(out, "- {side}: {}", safe(&source.unused_columns.join(", ")))?;
            }
        }
    }
    warnings(summary, false, out)
}

fn warnings(summary: &Summary, first: bool, out: &mut dyn Write) -> io::Result<()> {
    let warnings = findings::warnings(summary, first);
    if warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## {}\n", if first { "Check this first" } else { "Warnings" })?;
    for warning in warnings {
        writeln!(out, "- {}", safe(&findings::warning(warning)))?;
        if let Some(help) = &warning.help {
            writeln!(out, "  {}", with_code(help))?;
        }
    }
    Ok(())
}

fn next(summary: &Summary, example: Option<&Example>, out: &mut dyn Write) -> io::Result<()> {
    let steps = next_steps(summary, example);
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Next steps\n")?;
    for (command, purpose) in steps {
        writeln!(out, "- {}: {}", code(&command), safe(&purpose))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn matches_the_sample() {
        let mut out = Vec::new();
        write_markdown(&sample::data(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), include_str!("sample.md"));
    }

    #[test]
    fn a_warning_that_questions_the_result_precedes_the_figures() {
        let mut data = sample::data();
        data.summary.warnings.push(sample::first_warning());
        let mut out = Vec::new();
        write_markdown(&data, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let first = text.find("Check this first").unwrap();
        assert!(first < text.find("| Rows |").unwrap(), "{text}");
        assert!(text.contains("`normalize: { amount: [negate] }`"), "{text}");
        assert!(text.find("## Warnings").unwrap() > first, "{text}");
    }

    #[test]
    fn data_cannot_become_markup() {
        assert_eq!(
            safe("A_B _a_|b <img> `x` *y* @me \u{1b}[2J"),
            r"A_B \_a\_\|b &lt;img&gt; \`x\` \*y\* &#64;me \\u{1b}\[2J"
        );
        assert_eq!(code("recon explain 'a`b'"), "`` recon explain 'a`b' ``");
    }
}
