//! `recon breaks list` and `show`.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::Decimal;
use crate::domain::forecast::HORIZONS;
use crate::report::figures::visible;
use crate::report::forecast::forecasts;
use crate::store::{BREAK_COLUMNS, BreakFilter, Event, SqlValue};

use super::args::{Breaks, BreaksList, BreaksShow};
use super::context::Context;
use super::table::{ResultFormat, TableStyle, answer};

pub fn run(context: &Context, arguments: &Breaks) -> Result<u8, Problems> {
    match arguments {
        Breaks::List(arguments) => list(context, arguments),
        Breaks::Show(arguments) => show(context, arguments),
    }
}

/// Columns that fit on a terminal.
const SHOWN: [&str; 9] = [
    "ref",
    "field_name",
    "diff_type",
    "first_seen",
    "age_days",
    "cleared_on",
    "cleared_how",
    "reason",
    "status",
];

fn list(context: &Context, arguments: &BreaksList) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let open = match (arguments.open, arguments.cleared) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let breaks = store.breaks(&BreakFilter {
        job: arguments.job.clone(),
        open,
        since: arguments.since,
        limit: Some(arguments.limit),
        named: None,
    })?;
    let forecasts = forecasts(&*store, arguments.job.as_deref())?;
    if context.global.json {
        let breaks: Vec<Json> = breaks.iter().map(|one| object(one)).collect();
        context.json(&json!({ "breaks": breaks, "forecast": forecasts }))?;
        return Ok(0);
    }
    let style =
        TableStyle { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    let columns: Vec<usize> = SHOWN
        .iter()
        .filter_map(|name| BREAK_COLUMNS.iter().position(|column| column == name))
        .collect();
    context.console.result(|out| {
        let mut sink = answer(ResultFormat::Table, out, style);
        sink.columns(&SHOWN.map(str::to_owned))?;
        for one in &breaks {
            let row: Vec<SqlValue> =
                columns.iter().filter_map(|column| one.get(*column).cloned()).collect();
            sink.row(&row)?;
        }
        sink.finish()?;
        Ok(())
    })?;
    let mut text = String::new();
    for one in &forecasts {
        let share = |days: i64| {
            let percent = |key: &str| {
                let share = one["within"][days.to_string()][key].as_f64().unwrap_or_default();
                format!("{:.0}", 100.0 * share)
            };
            format!("{} % ({} to {})", percent("share"), percent("low"), percent("high"))
        };
        let shares: Vec<String> =
            HORIZONS.iter().map(|days| format!("{} within {days}", share(*days))).collect();
        let kind = one["kind"].as_str().unwrap_or_default();
        text += &format!("{}: {} business days\n", visible(kind), shares.join(", "));
    }
    if !text.is_empty() {
        context
            .console
            .print(&format!("\nHow soon breaks clear, with the 95 % interval\n{text}"))?;
    }
    Ok(0)
}

fn show(context: &Context, arguments: &BreaksShow) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let breaks = store.breaks(&BreakFilter {
        job: arguments.job.clone(),
        named: Some(arguments.named.clone()),
        ..BreakFilter::default()
    })?;
    if breaks.is_empty() {
        let message = format!("no break is called `{}`", visible(&arguments.named));
        return Err(Problem::new(Code::NoSuchBreak, message)
            .help("`recon breaks list --json` has the ids")
            .into());
    }
    let mut shown = Vec::new();
    let mut page = String::new();
    for one in &breaks {
        let one = object(one);
        let id = one["attribution_id"].as_str().unwrap_or_default();
        let life = store.life_of_break(id)?;
        if !page.is_empty() {
            page.push('\n');
        }
        page += &text(&one, &life);
        let history: Vec<Json> = life
            .iter()
            .map(|event| json!({ "at": event.at, "what": event.what, "detail": event.detail() }))
            .collect();
        let mut one = one;
        one["history"] = Json::Array(history);
        shown.push(one);
    }
    if context.global.json {
        context.json(&json!({ "breaks": shown }))?;
    } else {
        context.console.print(&page)?;
    }
    Ok(0)
}

fn text(one: &Json, life: &[Event]) -> String {
    let mut page = String::new();
    for column in BREAK_COLUMNS {
        let value = match &one[column] {
            Json::Null => continue,
            Json::String(text) => visible(text).into_owned(),
            other => other.to_string(),
        };
        page += &format!("{column:<18}{value}\n");
    }
    for event in life {
        page += &format!("{:<28}{:<9}{}\n", event.at, event.what, visible(&event.detail()));
    }
    page
}

fn object(values: &[SqlValue]) -> Json {
    let json = |value: &SqlValue| match value {
        SqlValue::Integer(value) => json!(value),
        SqlValue::Real(value) => json!(value),
        SqlValue::Text(text) | SqlValue::Json(text) => json!(text),
        SqlValue::Boolean(value) => json!(value),
        SqlValue::Null | SqlValue::Blob(_) => Json::Null,
    };
    let mut one: serde_json::Map<String, Json> = BREAK_COLUMNS
        .iter()
        .zip(values)
        .map(|(name, value)| ((*name).to_owned(), json(value)))
        .collect();
    let amount = one.get("amount_abs").and_then(Json::as_f64);
    if let Some(amount) = amount {
        one.insert("amount_abs".to_owned(), exact(&one, amount).into());
    }
    Json::Object(one)
}

/// The amount of a break as text: exact where both values are numbers.
fn exact(one: &serde_json::Map<String, Json>, amount: f64) -> String {
    let value = |name: &str| {
        let text = one.get(name)?.as_str()?;
        Decimal::parse(text.as_bytes()).ok()
    };
    let apart = || value("value_a")?.checked_sub(value("value_b")?);
    apart().map_or_else(|| amount.to_string(), |apart| apart.abs().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_texts_and_exact_where_both_values_are_numbers() {
        let amount = |a: &str, b: &str, amount: f64| {
            let values: Vec<SqlValue> = BREAK_COLUMNS
                .iter()
                .map(|name| match *name {
                    "value_a" => a.into(),
                    "value_b" => b.into(),
                    "amount_abs" => amount.into(),
                    _ => SqlValue::Null,
                })
                .collect();
            object(&values)["amount_abs"].clone()
        };
        assert_eq!(amount("0.10", "0.40", 0.300_000_000_000_000_04), "0.30");
        assert_eq!(amount("EXISTS", "", 1250.5), "1250.5");
    }
}
