//! `recon explain`: the trace of one record, as text and as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::{AssignedBy, CandidateRow, PerSide, Side, Status};
use crate::normalize::FieldTrace;
use crate::pipeline::{
    self, DifferenceExplanation, Explanation, FieldExplanation, MatchExplanation,
    MemberExplanation, SideExplanation,
};
use crate::report::deciders::Deciders;
use crate::report::reasoning::Reasoning;
use crate::report::{Paint, characters, figures};
use crate::review::{RuleWords, Tracer};
use crate::yaml;

use super::args::Explain;
use super::context::{AsStored, Change, Context, plan_stored_with};

/// Traces records for the review page, with the configuration that was stored with their run.
pub fn tracer(file: PathBuf) -> Tracer {
    Box::new(move |store, run_id, number| {
        let run = run_id.parse().ok().map(|id| store.run(id)).transpose()?.flatten();
        let Some(run) = run else { return Ok(Json::Null) };
        let plan = plan_stored_with(&run, &file).map_err(|Problems(problems)| {
            let first = problems.into_iter().next();
            first.unwrap_or_else(|| Problem::new(Code::ConfigurationGone, "no configuration"))
        })?;
        match store.record(run.id, number)? {
            Some(record) => Ok(as_json(&pipeline::explain_record(&plan, &run, &record)?)),
            None => Ok(Json::Null),
        }
    })
}

/// Looks up the words of rules for the review page; each is read once for a run.
pub fn rule_words(file: PathBuf) -> RuleWords {
    let known: Mutex<HashMap<(String, String), Option<String>>> = Mutex::default();
    Box::new(move |store, run_id, function| {
        let key = (run_id.to_owned(), function.to_owned());
        if let Some(words) = known.lock().ok().and_then(|known| known.get(&key).cloned()) {
            return words;
        }
        let run = run_id.parse().ok().and_then(|id| store.run(id).ok().flatten())?;
        let plan = plan_stored_with(&run, &file).ok()?;
        let words = pipeline::words_of_rule(&plan, &run, function);
        if let Ok(mut known) = known.lock() {
            known.insert(key, words.clone());
        }
        words
    })
}

pub fn run(context: &Context, arguments: &Explain) -> Result<u8, Problems> {
    let AsStored { store, run, plan, changed } =
        context.on_stored_run(arguments.which.run.as_ref())?;
    let mut explanations = pipeline::explain(&*store, &plan, &run, &arguments.reference)?;
    let deciders = Deciders::read(&*store, &run)?;
    explanations.iter_mut().for_each(|one| name_people(one, &deciders));
    if arguments.fixture {
        let cases = fixture(&explanations);
        if context.global.json {
            context.json(&cases)?;
        } else {
            context.console.print(&yaml::document(&cases))?;
        }
    } else if context.global.json {
        let records: Vec<Json> = explanations.iter().map(as_json).collect();
        let changed: Vec<Json> = changed
            .iter()
            .map(|change| json!({ "path": change.path, "then": change.then, "now": change.now }))
            .collect();
        context.json(&json!({
            "run_id": run.id.to_string(), "records": records, "configuration_changed": changed,
        }))?;
    } else {
        let mut text = String::new();
        for explanation in &explanations {
            write_record(explanation, context.console.paint(), &mut text);
        }
        write_changes(&changed, context.console.paint(), &mut text);
        context.console.print(&text)?;
    }
    Ok(0)
}

/// The cases of `recon test` that pin the reasons of these records.
fn fixture(explanations: &[Explanation]) -> Json {
    let cases = explanations.iter().flat_map(|record| {
        let fields = record.fields.iter();
        let fields = fields.filter_map(|field| Some((Some(field), field.difference.as_ref()?)));
        let entire = record.entire.iter().map(|difference| (None, difference));
        fields.chain(entire).filter_map(|(field, difference)| case(record, field, difference))
    });
    json!({ "attribute": cases.collect::<Vec<_>>() })
}

/// `None` before attribution, and for a model's reason: fixtures test rules.
fn case(
    record: &Explanation,
    field: Option<&FieldExplanation>,
    difference: &DifferenceExplanation,
) -> Option<Json> {
    let attribution = difference.attribution.as_ref()?;
    let (reason, by) = match AssignedBy::parse(&attribution.assigned_by) {
        AssignedBy::Rule(function) => (attribution.reason.as_str(), Some(function)),
        AssignedBy::Person(_) if attribution.status == Status::Accepted => {
            (attribution.reason.as_str(), None)
        }
        AssignedBy::Person(_) | AssignedBy::Nobody => ("none", None),
        AssignedBy::Model(_) => return None,
    };
    let others = |side: Side| {
        let others = record.fields.iter();
        let others = others.filter(|other| field.is_none_or(|field| field.name != other.name));
        let values = others.filter_map(|other| {
            Some((other.name.clone(), Json::from(other.values[side].clone()?)))
        });
        Json::Object(values.collect())
    };
    let mut written = json!({ "diff_type": difference.diff_type.name() });
    if let Some(field) = field {
        written["field"] = json!(field.name);
        written["a"] = json!(field.values.a);
        written["b"] = json!(field.values.b);
    }
    if record.rejected_partner.is_some() {
        written["partner_rejected"] = json!("true");
    }
    if difference.severity != difference.diff_type.default_severity() {
        written["severity"] = json!(difference.severity.name());
    }
    if let Some(matched) = &record.matched {
        write_matched_case(matched, &mut written);
    }
    for (name, side) in [("record_a", Side::A), ("record_b", Side::B)] {
        if record.sides[side].is_some() {
            written[name] = others(side);
        }
    }
    let what = field.map_or("the record", |field| field.name.as_str());
    let name = format!("{}, {what}", record.reference);
    let mut case = json!({ "name": name, "difference": written, "reason": reason });
    if let Some(function) = by {
        case["by"] = json!(function);
    }
    Some(case)
}

/// What rules may ask about the match of a record, where it is not what a case without it says.
fn write_matched_case(matched: &MatchExplanation, case: &mut Json) {
    if let Some(pass) = &matched.pass {
        case["match_pass"] = json!(pass);
    }
    for (name, side) in [("members_a", Side::A), ("members_b", Side::B)] {
        let count = matched.members[side].len();
        if count > 1 {
            case[name] = json!(count);
        }
    }
    if !matched.candidates.is_empty() {
        let candidate = |one: &CandidateRow| {
            let mut written = json!({ "ref": one.reference, "why": one.why });
            for (name, value) in
                [("field", &one.field), ("by", &one.by), ("taken_by", &one.taken_by)]
            {
                if let Some(value) = value {
                    written[name] = json!(value);
                }
            }
            written
        };
        case["candidates"] = matched.candidates.iter().map(candidate).collect();
    }
}

/// Replaces user ids with names.
fn name_people(explanation: &mut Explanation, deciders: &Deciders) {
    let of_fields = explanation.fields.iter_mut().filter_map(|field| field.difference.as_mut());
    for difference in of_fields.chain(&mut explanation.entire) {
        if let Some(attribution) = &mut difference.attribution {
            attribution.assigned_by = deciders.name(&attribution.assigned_by).to_owned();
        }
        if let Some(decision) = deciders.decision(difference.number) {
            difference.checker.clone_from(&decision.checker);
            difference.authorizer.clone_from(&decision.authorizer);
            difference.comment.clone_from(&decision.comment);
        }
    }
}

/// Where the current configuration differs from the one the run was made with. Everything above
/// follows the latter.
fn write_changes(changed: &[Change], paint: Paint, out: &mut String) {
    if changed.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {}", paint.caution("Changed since this run, and not used above"));
    for change in changed {
        let [then, now] = [&change.then, &change.now].map(|value| match value {
            Json::Null => "nothing".to_owned(),
            Json::String(text) => figures::clip(&figures::visible(text), 60).into_owned(),
            other => figures::clip(&figures::visible(&other.to_string()), 60).into_owned(),
        });
        let _ = writeln!(out, "    {}: {then} then, {now} now", figures::visible(&change.path));
    }
    out.push('\n');
}

/// A value for display: null is a word, invisible characters are escaped.
fn shown(value: Option<&str>) -> String {
    match value {
        None => "null".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => characters::value(text).into_owned(),
    }
}

/// Two values side by side; shows what distinguishes values that style alike.
fn both(a: Option<&str>, b: Option<&str>) -> String {
    match (a, b) {
        (a, b) if a == b => shown(a),
        (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => {
            let (a, b) = characters::pair(a, b);
            format!("{a} | {b}")
        }
        (a, b) => format!("{} | {}", shown(a), shown(b)),
    }
}

fn write_record(explanation: &Explanation, paint: Paint, out: &mut String) {
    let gate = explanation.gate.map_or("not attributed yet", |gate| gate.name());
    let _ =
        writeln!(out, "{}  {}", paint.strong(shown(Some(&explanation.reference))), paint.dim(gate));
    let _ = writeln!(out, "  record {}", explanation.record_id);
    for side in Side::BOTH {
        match &explanation.sides[side] {
            Some(origin) => {
                write_side(side, origin, paint, out);
                if let Some(from) = explanation.carried[side].as_ref().filter(|one| !one.agreed) {
                    let since = format!("open since {}", from.from);
                    let _ = writeln!(out, "    {}", paint.caution(since));
                }
            }
            None => {
                let _ = writeln!(out, "\n  {} no row", paint.strong(side));
                if let Some(partner) = &explanation.rejected_partner {
                    let _ = writeln!(out, "    a row of this key was rejected: {}", partner.place);
                }
            }
        }
    }
    if let Some(matched) = &explanation.matched {
        write_match(matched, paint, out);
    }
    let _ = writeln!(out, "\n  {}", paint.strong("Comparison"));
    if let Some(difference) = &explanation.entire {
        let _ = writeln!(out, "    {}", paint.bad(difference.diff_type));
        write_difference(difference, paint, out);
    } else {
        let width = explanation.fields.iter().map(|field| figures::width(&field.name)).max();
        for field in &explanation.fields {
            write_field(field, width.unwrap_or(0), paint, out);
        }
    }
    if let Some(later) = &explanation.later {
        let _ = writeln!(out, "\n  {}", paint.strong("Later"));
        let words = if later.is_cleared { "cleared" } else { "still open" };
        let partner = later
            .partner
            .as_deref()
            .filter(|_| later.is_cleared)
            .map_or_else(String::new, |partner| format!(" by {}", figures::visible(partner)));
        let _ = writeln!(out, "    {words} on {}{partner}: record {}", later.date, later.record_id);
    }
    out.push('\n');
}

/// How the record was matched, or why its row stayed open.
fn write_match(matched: &MatchExplanation, paint: Paint, out: &mut String) {
    if matched.pass.is_none() && matched.candidates.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  {}", paint.strong("Matching"));
    if let (Some(pass), Some(certificate)) = (&matched.pass, &matched.certificate) {
        let _ = writeln!(out, "    {}", match_sentence(matched, certificate));
        let _ = writeln!(out, "    {}", paint.dim(format!("by pass {}", figures::visible(pass))));
    }
    for candidate in &matched.candidates {
        let reference = figures::visible(&candidate.reference);
        let field = candidate
            .field
            .as_deref()
            .map_or_else(String::new, |field| format!(" ({})", figures::visible(field)));
        let why = figures::visible(&candidate.why);
        let _ = writeln!(out, "    not taken: {reference} is {why}{field}");
    }
}

/// `A:17 1,200.00 matches B:3 700.00 + B:9 500.00; unique`
fn match_sentence(matched: &MatchExplanation, certificate: &str) -> String {
    let side = |members: &[MemberExplanation]| {
        let member = |member: &MemberExplanation| {
            let mut words = vec![figures::visible(&member.reference).into_owned()];
            words.extend(member.values.iter().map(|value| grouped(value)));
            words.join(" ")
        };
        members.iter().map(member).collect::<Vec<_>>().join(" + ")
    };
    let sure = match (certificate, matched.alternatives) {
        ("TIED", 0 | 1) => "tied with another solution".to_owned(),
        ("TIED", count) => format!("tied with {count} other solutions"),
        (other, _) => other.to_lowercase(),
    };
    format!("{} matches {}; {sure}", side(&matched.members.a), side(&matched.members.b))
}

/// A number with its thousands set apart; any other text as it is.
fn grouped(value: &str) -> String {
    let (sign, digits) = value.strip_prefix('-').map_or(("", value), |digits| ("-", digits));
    let (whole, rest) = digits.find('.').map_or((digits, ""), |at| digits.split_at(at));
    let is_number = !whole.is_empty()
        && whole.bytes().all(|byte| byte.is_ascii_digit())
        && rest.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    if !is_number {
        return figures::visible(value).into_owned();
    }
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}{rest}")
}

fn write_side(side: Side, origin: &SideExplanation, paint: Paint, out: &mut String) {
    let _ = writeln!(out, "\n  {} {}  {}", paint.strong(side), origin.system, origin.place);
    if let Some(why) = &origin.unreadable {
        let _ = writeln!(out, "    {}", paint.caution(why));
    }
    let width = origin.traces.iter().map(|trace| figures::width(&trace.field)).max().unwrap_or(0);
    for trace in &origin.traces {
        write_trace(trace, width, paint, out);
    }
}

fn write_trace(trace: &FieldTrace, width: usize, paint: Paint, out: &mut String) {
    let _ = write!(out, "    {}  ", figures::pad(&trace.field, width, false));
    match (&trace.column, &trace.raw) {
        (Some(column), Some(raw)) => {
            let _ = write!(out, "{} {}", paint.dim(format!("[{column}]")), shown(Some(raw)));
        }
        _ => {
            let _ = write!(out, "{}", paint.dim("(not mapped)"));
        }
    }
    if trace.is_null_value {
        let _ = write!(out, " {} null", paint.dim("is a null value →"));
    }
    let mut last = trace.raw.clone().filter(|_| !trace.is_null_value);
    if let Some(set) = &trace.after_row_function {
        if *set != last {
            let _ = write!(out, " {} {}", paint.dim("row →"), shown(set.as_deref()));
        }
        last.clone_from(set);
    }
    for step in &trace.steps {
        // A step without effect is not shown.
        if step.result != last {
            let arrow = format!("{} →", step.step);
            let _ = write!(out, " {} {}", paint.dim(arrow), shown(step.result.as_deref()));
            last.clone_from(&step.result);
        }
    }
    if let Some(error) = trace.error.as_ref().or(trace.unparsed.as_ref()) {
        let _ = write!(out, " {}", paint.bad(format!("unparsed: {error}")));
    } else if trace.value != last {
        let _ = write!(out, " {} {}", paint.dim("is"), shown(trace.value.as_deref()));
    }
    out.push('\n');
}

fn write_field(field: &FieldExplanation, width: usize, paint: Paint, out: &mut String) {
    let name = figures::pad(&field.name, width, false);
    let PerSide { a, b } = &field.values;
    let both = both(a.as_deref(), b.as_deref());
    let Some(difference) = &field.difference else {
        let word = if a == b || !field.compared { "" } else { " within tolerance" };
        let detail = paint.dim(format!("({}{word})", field.comparison));
        let sign = if field.compared { paint.good("=") } else { paint.dim("·") };
        let _ = writeln!(out, "    {sign} {name}  {both}  {detail}");
        return;
    };
    let detail = paint.dim(format!("({})", field.comparison));
    let _ = writeln!(
        out,
        "    {} {name}  {both}  {} {detail}",
        paint.bad("≠"),
        paint.bad(difference.diff_type)
    );
    write_difference(difference, paint, out);
}

fn write_difference(difference: &DifferenceExplanation, paint: Paint, out: &mut String) {
    if let Some(missed) = &difference.missed {
        let _ = writeln!(out, "        missed by    {missed}");
    }
    if let Some(clearing) = &difference.clearing {
        let _ = writeln!(out, "        cleared by   tolerance {clearing}");
    }
    let Some(attribution) = &difference.attribution else { return };
    let by = match &difference.rule_place {
        Some(place) => format!("{} at {place}", attribution.assigned_by),
        None => attribution.assigned_by.clone(),
    };
    let _ = writeln!(
        out,
        "        reason       {} {} {} by {by}",
        paint.accent(&attribution.reason),
        figures::percent(attribution.confidence),
        attribution.status,
    );
    if let Some(words) = &difference.rule_words {
        let _ = writeln!(out, "                     {}", paint.dim(figures::visible(words)));
    }
    for (title, text) in [
        ("checked by", &difference.checker),
        ("authorized by", &difference.authorizer),
        ("comment", &difference.comment),
    ] {
        if !text.is_empty() {
            let _ = writeln!(out, "        {title:<12} {}", figures::visible(text));
        }
    }
    let reasoning = Reasoning::read(attribution.explanation.as_deref());
    for note in &reasoning.notes {
        let _ = writeln!(out, "                     {}", paint.dim(note));
    }
    if let Some(model) = &reasoning.model {
        let _ = writeln!(out, "                     {}", model.reasons());
        for term in model.terms() {
            let _ = writeln!(out, "                     {}", paint.dim(term));
        }
    }
}

/// The model's stored explanation.
fn model(explanation: Option<&str>) -> Option<Json> {
    serde_json::from_str::<Json>(explanation?).ok()?.get("model").cloned()
}

fn as_json(explanation: &Explanation) -> Json {
    let difference = |found: &DifferenceExplanation| {
        let attribution = found.attribution.as_ref().map(|attribution| {
            json!({
                "reason": attribution.reason,
                "confidence": attribution.confidence,
                "status": attribution.status.name(),
                "assigned_by": attribution.assigned_by,
                "rule": found.rule_place,
                "rule_words": found.rule_words,
                "notes": Reasoning::read(attribution.explanation.as_deref()).notes,
                "model": model(attribution.explanation.as_deref()),
            })
        });
        json!({
            "diff_id": found.diff_id.to_string(),
            "diff_type": found.diff_type.name(),
            "severity": found.severity.name(),
            "cleared_by": found.clearing,
            "missed_by": found.missed,
            "checker": found.checker,
            "authorizer": found.authorizer,
            "comment": found.comment,
            "attribution": attribution,
        })
    };
    let side = |origin: &SideExplanation| {
        let traces: Vec<Json> = origin
            .traces
            .iter()
            .map(|trace| {
                let steps: Vec<Json> = trace
                    .steps
                    .iter()
                    .map(|step| json!({ "step": step.step, "result": step.result }))
                    .collect();
                json!({
                    "field": trace.field, "column": trace.column, "raw": trace.raw,
                    "null_value": trace.is_null_value, "steps": steps,
                    "value": trace.value, "unparsed": trace.unparsed, "error": trace.error,
                })
            })
            .collect();
        json!({
            "system": origin.system, "file": origin.file, "line": origin.line,
            "place": origin.place,
            "fields": traces, "unreadable": origin.unreadable,
        })
    };
    let fields: Vec<Json> = explanation
        .fields
        .iter()
        .map(|field| {
            json!({
                "field": field.name,
                "value_a": field.values.a,
                "value_b": field.values.b,
                "comparison": field.comparison,
                "compared": field.compared,
                "difference": field.difference.as_ref().map(difference),
            })
        })
        .collect();
    let matched = explanation.matched.as_ref().map(|matched| {
        let members = |members: &[MemberExplanation]| -> Vec<Json> {
            let member =
                |one: &MemberExplanation| json!({ "ref": one.reference, "values": one.values });
            members.iter().map(member).collect()
        };
        json!({
            "pass": matched.pass,
            "certificate": matched.certificate,
            "alternatives": matched.alternatives,
            "members_a": members(&matched.members.a),
            "members_b": members(&matched.members.b),
            "candidates": matched.candidates,
        })
    });
    let mut record = json!({
        "record_id": explanation.record_id.to_string(),
        "reference": explanation.reference,
        "kind": explanation.kind.name(),
        "gate_status": explanation.gate.map(|gate| gate.name()),
        "a": explanation.sides.a.as_ref().map(side),
        "b": explanation.sides.b.as_ref().map(side),
        "fields": fields,
        "difference": explanation.entire.as_ref().map(difference),
        "rejected_partner_file": explanation.rejected_partner.as_ref().map(|row| &row.file),
        "rejected_partner_line": explanation.rejected_partner.as_ref().map(|row| row.line),
    });
    if let Some(matched) = matched {
        record["matched"] = matched;
    }
    for (key, side) in [("carried_from_a", Side::A), ("carried_from_b", Side::B)] {
        if let Some(from) = &explanation.carried[side] {
            record[key] = from.from.as_str().into();
        }
    }
    if let Some(later) = &explanation.later {
        record["later"] = json!({
            "batch_date": later.date,
            "run_id": later.run_id,
            "record_id": later.record_id.to_string(),
            "partner": later.partner,
            "cleared": later.is_cleared,
        });
    }
    record
}
