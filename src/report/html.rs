//! The result as one self-contained page, to be mailed, printed or archived.
//!
//! External text is escaped by the template, after invisible characters are made visible. The page
//! loads and runs nothing; its content security policy enforces that.

use std::io::Write;
use std::ops::ControlFlow;

use askama::Template;

use crate::diagnostic::{Code, Problem};
use crate::domain::Status;
use crate::store::{RunRow, Store};

use super::differences::References;
use super::figures::{bytes, clip, count, counted, percent, ratio, share, visible};
use super::findings::{
    self, FIELDS_SHOWN, RECORD_TYPES, cell, fields_by_count, next_steps, occurring_types, place,
    rates, reasons_of, row_line, rules_named, sums, time, verdict,
};
use super::statement::{Line, Statement, Waterfall};
use super::{ReportData, Summary, field_name, unwritable};

/// How many differences awaiting review are shown.
const AWAITING_SHOWN: usize = 100;
/// How many characters of a value are shown.
const VALUE: usize = 120;

#[derive(Template)]
#[template(path = "run_report.html")]
struct Page {
    details: Vec<(String, Vec<String>)>,
    statements: Vec<StatementPart>,
    not_added: Vec<String>,
    style: &'static str,
    job: String,
    date: String,
    system_a: String,
    system_b: String,
    verdict: String,
    superseded: Option<String>,
    tiles: Vec<Tile>,
    records: Vec<Part>,
    rows: Vec<SourceRow>,
    /// How rows were matched: name and count.
    matches: Vec<(String, String)>,
    gate: Option<Gate>,
    rates: Vec<Rate>,
    reasons: Vec<ReasonGroup>,
    deciders: String,
    kinds: Vec<&'static str>,
    fields: Vec<FieldRow>,
    awaiting: Vec<Item>,
    awaiting_count: usize,
    awaiting_total: String,
    rejected: Vec<Rejected>,
    rejected_total: String,
    rejected_more: u64,
    first_warnings: Vec<Advice>,
    warnings: Vec<Advice>,
    run: String,
    status: String,
    sources: Vec<SourceFacts>,
    time: String,
    steps: Vec<(String, String)>,
}

/// A statement with its chart.
struct StatementPart {
    title: String,
    chart: Waterfall,
    from: (String, String),
    /// Name, amount, count, nature, and the reason whose differences it is made of.
    lines: Vec<(String, String, String, &'static str, Option<String>)>,
    to: (String, String),
}

/// A warning with its remedy.
struct Advice {
    warning: String,
    help: String,
}

struct Tile {
    tone: &'static str,
    figure: String,
    what: &'static str,
    of: String,
}

struct Part {
    tone: &'static str,
    what: &'static str,
    count: String,
    share: String,
    from: String,
    width: String,
}

struct SourceRow {
    name: &'static str,
    a: String,
    b: String,
}

struct Gate {
    passed: String,
    blocked: String,
    share: String,
    arc: String,
    rest: String,
}

struct Rate {
    name: &'static str,
    value: String,
}

struct ReasonGroup {
    name: &'static str,
    tone: &'static str,
    count: String,
    share: String,
    settled: String,
    bars: Vec<Bar>,
}

struct Bar {
    code: String,
    name: String,
    count: String,
    share: String,
    settled: String,
    width: String,
    inner: String,
}

struct FieldRow {
    name: String,
    count: String,
    cells: Vec<Heat>,
}

struct Heat {
    count: String,
    heat: u8,
}

struct Item {
    reference: String,
    field: String,
    a: Option<String>,
    b: Option<String>,
    reason: String,
    confidence: String,
}

struct Rejected {
    place: String,
    code: String,
    message: String,
}

struct SourceFacts {
    side: &'static str,
    system: String,
    path: String,
    size: String,
    sha256: String,
}

pub fn write_html(
    store: &dyn Store,
    run: &RunRow,
    data: &ReportData,
    out: &mut dyn Write,
) -> Result<(), Problem> {
    let awaiting = awaiting(store, run, &data.summary)?;
    let page = page(data, awaiting);
    let text = page.render().map_err(|error| {
        Problem::new(Code::PageNotMade, format!("the page could not be made: {error}"))
    })?;
    out.write_all(text.as_bytes()).map_err(|error| unwritable(&error))
}

/// The first differences that await review.
fn awaiting(store: &dyn Store, run: &RunRow, summary: &Summary) -> Result<Vec<Item>, Problem> {
    let wanted = usize::try_from(summary.awaiting()).unwrap_or(usize::MAX).min(AWAITING_SHOWN);
    let mut items = Vec::with_capacity(wanted);
    if wanted == 0 {
        return Ok(items);
    }
    let mut references = References::default();
    store.differences_until(run.id, &mut |difference, record| {
        let Some(decided) = difference.attribution.filter(|it| it.status == Status::Unknown) else {
            return Ok(ControlFlow::Continue(()));
        };
        references.of(record, &run.layout)?;
        let reference = if references.a.is_empty() { &references.b } else { &references.a };
        let shown =
            |value: Option<&str>| value.map(|text| clip(&visible(text), VALUE).into_owned());
        items.push(Item {
            reference: visible(reference).into_owned(),
            field: visible(field_name(&run.layout, difference.field)).into_owned(),
            a: shown(difference.value_a),
            b: shown(difference.value_b),
            reason: visible(decided.reason).into_owned(),
            confidence: decided.confidence.to_string(),
        });
        let is_enough = items.len() == wanted;
        Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(items)
}

fn page(data: &ReportData, awaiting: Vec<Item>) -> Page {
    let summary = &data.summary;
    let details = data.details.iter().map(|field| {
        let first = field.sample.iter().filter(|row| !field.largest.contains(row));
        let rows = field.largest.iter().chain(first).map(row_line);
        let lines = sums(field).into_iter().map(|text| visible(&text).into_owned()).chain(rows);
        (format!("{}: {}", visible(&field.name), count(field.count)), lines.collect())
    });
    let shown = |text: &str| visible(text).into_owned();
    let rejected = summary.records.rejected_a + summary.records.rejected_b;
    let warnings = |first| {
        let warnings = findings::warnings(summary, first).into_iter().map(|warning| Advice {
            warning: shown(&findings::warning(warning)),
            help: warning.help.as_deref().map(shown).unwrap_or_default(),
        });
        warnings.collect()
    };
    let samples = summary.rejected.iter().map(|sample| Rejected {
        place: place(sample),
        code: shown(&sample.code),
        message: shown(&sample.message),
    });
    let sources = [("Source A", &summary.sources.a), ("Source B", &summary.sources.b)];
    let stage = summary.stage.unwrap_or("not ingested");
    Page {
        details: details.collect(),
        statements: data.statements.statement.iter().map(|one| part(one, summary)).collect(),
        not_added: data.statements.not_added.clone(),
        style: include_str!("templates/run_report.css"),
        job: shown(&summary.job),
        date: summary.batch_date.clone(),
        system_a: shown(&summary.sources.a.system),
        system_b: shown(&summary.sources.b.system),
        verdict: verdict(summary),
        superseded: summary.superseded_by.clone(),
        tiles: tiles(summary),
        records: records(summary),
        rows: rows(summary),
        matches: summary
            .match_figures()
            .into_iter()
            .map(|(name, number)| (visible(&name).into_owned(), count(number)))
            .collect(),
        gate: gate(summary),
        rates: rates(summary)
            .into_iter()
            .filter(|_| summary.differences.total > 0)
            .map(|(name, rate, _)| Rate { name: capital(name), value: percent(rate) })
            .collect(),
        reasons: reasons(summary),
        deciders: deciders(summary),
        kinds: occurring_types(summary).iter().map(|(_, name)| *name).collect(),
        fields: fields(summary),
        awaiting_count: usize::try_from(summary.awaiting()).unwrap_or(usize::MAX),
        awaiting_total: count(summary.awaiting()),
        awaiting,
        rejected: samples.collect(),
        rejected_total: count(rejected),
        rejected_more: rejected.saturating_sub(summary.rejected.len() as u64),
        first_warnings: warnings(true),
        warnings: warnings(false),
        run: summary.run_id.clone(),
        status: format!("{}, {stage}", summary.status),
        sources: sources
            .into_iter()
            .map(|(side, source)| SourceFacts {
                side,
                system: shown(&source.system),
                path: shown(&source.path),
                size: bytes(source.bytes),
                sha256: shown(&source.sha256),
            })
            .collect(),
        time: time(summary),
        steps: next_steps(summary, data.example.as_ref()),
    }
}

fn part(one: &Statement, summary: &Summary) -> StatementPart {
    let (a, b) = (&summary.sources.a.system, &summary.sources.b.system);
    let reasons = &summary.attributions.reasons;
    let attributed = |reason: &&String| reasons.iter().any(|known| known.code == **reason);
    let line = |line: &Line| {
        let reason = Some(&line.reason).filter(attributed).cloned();
        (line.name(), one.shown(&line.amount), count(line.count), line.nature(), reason)
    };
    StatementPart {
        title: one.title(),
        chart: Waterfall::new(one, (a, b)),
        from: (format!("{} (A)", visible(a)), one.shown(&one.a)),
        lines: one.lines.iter().map(line).collect(),
        to: (format!("{} (B)", visible(b)), one.shown(&one.b)),
    }
}

fn capital(name: &'static str) -> &'static str {
    match name {
        "unknown rate" => "Unknown rate",
        "awaiting rate" => "Awaiting rate",
        other => other,
    }
}

fn tiles(summary: &Summary) -> Vec<Tile> {
    let records = &summary.records;
    let total = records.total();
    let mut tiles = vec![Tile {
        tone: "",
        figure: count(total),
        what: "records",
        of: format!("{} in A, {} in B", count(records.a), count(records.b)),
    }];
    if summary.is_compared() {
        tiles.push(Tile {
            tone: if records.breaks > 0 { "broken" } else { "good" },
            figure: count(records.breaks),
            what: if records.breaks == 1 { "break" } else { "breaks" },
            of: format!("{} of the records", share(records.breaks, total)),
        });
    }
    if let Some(gate) = summary.gate {
        let settled = summary.differences.total - summary.awaiting();
        tiles.push(Tile {
            tone: if gate.blocked > 0 { "bad" } else { "good" },
            figure: count(gate.blocked),
            what: "blocked",
            of: format!("{} of the records", share(gate.blocked, total)),
        });
        tiles.push(Tile {
            tone: if summary.awaiting() > 0 { "broken" } else { "good" },
            figure: count(summary.awaiting()),
            what: "to review",
            of: format!(
                "{} of the differences are accepted",
                share(settled, summary.differences.total)
            ),
        });
    }
    tiles
}

/// The length of a chart segment.
fn length(part: u64, whole: u64, full: f64) -> String {
    format!("{:.2}", ratio(part, whole) * full)
}

fn records(summary: &Summary) -> Vec<Part> {
    let records = &summary.records;
    let total = records.total();
    if !summary.is_compared() || total == 0 {
        return Vec::new();
    }
    let exact = records.matched - records.within_tolerance;
    let mut before = 0;
    [
        ("matched", "match exactly", exact),
        ("near", "match within tolerance", records.within_tolerance),
        ("broken", "break", records.breaks),
    ]
    .into_iter()
    .filter(|(_, _, number)| *number > 0)
    .map(|(tone, what, number)| {
        let from = length(before, total, 1_000.0);
        before += number;
        Part {
            tone,
            what,
            count: count(number),
            share: share(number, total),
            from,
            width: length(number, total, 1_000.0),
        }
    })
    .collect()
}

fn rows(summary: &Summary) -> Vec<SourceRow> {
    let records = &summary.records;
    records
        .rows()
        .into_iter()
        .chain(summary.open_rows())
        .map(|(name, a, b)| SourceRow { name, a: count(a), b: count(b) })
        .collect()
}

fn gate(summary: &Summary) -> Option<Gate> {
    let gate = summary.gate?;
    let total = gate.passed + gate.blocked;
    let arc = ratio(gate.passed, total) * 100.0;
    Some(Gate {
        passed: count(gate.passed),
        blocked: count(gate.blocked),
        share: share(gate.passed, total),
        arc: format!("{arc:.2}"),
        rest: format!("{:.2}", 100.0 - arc),
    })
}

fn reasons(summary: &Summary) -> Vec<ReasonGroup> {
    let total = summary.differences.total;
    let most = summary.attributions.reasons.iter().map(|reason| reason.count).max().unwrap_or(0);
    [
        (true, "Functional: explained by the business", "functional"),
        (false, "Non-functional: errors to fix", "error"),
    ]
    .into_iter()
    .filter_map(|(functional, name, tone)| {
        let reasons = reasons_of(summary, functional);
        let sum: u64 = reasons.iter().map(|reason| reason.count).sum();
        let settled = reasons.iter().map(|reason| reason.accepted).sum();
        let bars = reasons.iter().map(|reason| Bar {
            code: reason.code.clone(),
            name: visible(&reason.code).into_owned(),
            count: count(reason.count),
            share: share(reason.count, total),
            settled: count(reason.accepted),
            width: length(reason.count, most, 100.0),
            inner: length(reason.accepted, most, 100.0),
        });
        (sum > 0).then(|| ReasonGroup {
            name,
            tone,
            count: count(sum),
            share: share(sum, total),
            settled: count(settled),
            bars: bars.collect(),
        })
    })
    .collect()
}

fn deciders(summary: &Summary) -> String {
    let sources = &summary.attributions.by_source;
    let total = summary.differences.total;
    let rules = rules_named(summary);
    let rules = if rules.is_empty() { rules } else { format!(" ({rules})") };
    let parts: Vec<String> = [
        (sources.rule, format!("by rules{rules}")),
        (sources.model, "by the model".to_owned()),
        (sources.person, "by users".to_owned()),
        (sources.none, "none found".to_owned()),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, who)| format!("{} {who}", share(number, total)))
    .collect();
    if parts.is_empty() { String::new() } else { format!("Reasons: {}.", parts.join(", ")) }
}

fn fields(summary: &Summary) -> Vec<FieldRow> {
    let kinds = occurring_types(summary);
    let by_count = fields_by_count(summary);
    let most = by_count.first().map_or(0, |(_, number)| *number);
    let heat = |number: u64| match ratio(number, most) {
        _ if number == 0 => 0,
        part if part < 0.1 => 1,
        part if part < 0.3 => 2,
        part if part < 0.7 => 3,
        _ => 4,
    };
    let mut rows: Vec<FieldRow> = by_count
        .iter()
        .take(FIELDS_SHOWN)
        .map(|(field, total)| FieldRow {
            name: visible(field).into_owned(),
            count: count(*total),
            cells: kinds
                .iter()
                .map(|(kind, _)| cell(summary, field, *kind))
                .map(|number| Heat {
                    count: if number == 0 { String::new() } else { count(number) },
                    heat: heat(number),
                })
                .collect(),
        })
        .collect();
    let blank = || kinds.iter().map(|_| Heat { count: String::new(), heat: 0 }).collect();
    if let Some(rest) = by_count.get(FIELDS_SHOWN..).filter(|rest| !rest.is_empty()) {
        let sum = rest.iter().map(|(_, total)| total).sum();
        let name = counted(rest.len() as u64, "more field", "more fields");
        rows.push(FieldRow { name, count: count(sum), cells: blank() });
    }
    for (diff_type, words) in RECORD_TYPES {
        let by_type = &summary.differences.by_type;
        let number = by_type.get(diff_type.name()).copied().unwrap_or_default();
        if number > 0 {
            rows.push(FieldRow { name: words.to_owned(), count: count(number), cells: blank() });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn data_cannot_become_markup_and_the_page_loads_nothing() {
        let mut data = sample::data();
        data.summary.job = "<script>alert(1)</script>".into();
        data.summary.sources.a.system = "\"><img src=x onerror=alert(1)>".into();
        data.summary.sources.b.path = "javascript:alert(1)\u{202e}'".into();
        data.summary.rejected[0].message = "</ul></main><svg onload=alert(1)>".into();
        let item = Item {
            reference: "=1|<b>".into(),
            field: "a&b".into(),
            a: Some("</td><script>".into()),
            b: None,
            reason: "{{7*7}}".into(),
            confidence: "0.5".into(),
        };
        let text = page(&data, vec![item]).render().unwrap();
        for markup in ["<script", "<img", "<svg onload", "<b>&", "</td><script", "49", "\u{202e}"] {
            assert!(!text.contains(markup) || markup == "49", "{markup}");
        }
        assert!(text.contains("{{7*7}}") && text.contains("&#60;script&#62;"), "{text}");
        for loads in ["src=\"", "href=", "url(", "@import", "http://", "https://"] {
            assert!(!text.contains(loads), "{loads}");
        }
        assert!(text.len() < 40_000, "{}", text.len());
    }

    #[test]
    fn figures_add_up_in_the_charts() {
        let data = sample::data();
        let page = page(&data, Vec::new());
        let widths: f64 = page.records.iter().map(|part| part.width.parse::<f64>().unwrap()).sum();
        assert!((widths - 1_000.0).abs() < 0.1, "{widths}");
        assert_eq!(
            page.tiles.iter().map(|tile| tile.figure.as_str()).collect::<Vec<_>>(),
            ["993", "233", "155", "20"]
        );
        let gate = page.gate.unwrap();
        assert_eq!((gate.share.as_str(), gate.arc.as_str()), ("84.4 %", "84.39"));
        assert_eq!(page.reasons.len(), 2);
        assert!(page.deciders.starts_with("Reasons: 70.8 % by rules ("), "{}", page.deciders);
    }
}
