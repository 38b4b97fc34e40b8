//! Values that both backends store in the same form: layouts, times, references, and holders of locks.

use std::borrow::Cow;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::diagnostic::{Code, Problem};
use crate::domain::evidence::write_json_string;
use crate::domain::{Date, Field, Instant, Kind, Layout, Matched, RunId, Stage, Status};

use super::{MAX_FIELDS, StoredRecord};

pub(super) fn read_stage(name: Option<&str>) -> Result<Option<Stage>, Problem> {
    name.map(|name| Stage::from_name(name).ok_or_else(|| damaged("stage", name))).transpose()
}

/// The value with the number `code` in `column`.
pub(super) fn read_code<T>(
    column: &str,
    code: i64,
    from_code: impl Fn(u8) -> Option<T>,
) -> Result<T, Problem> {
    u8::try_from(code).ok().and_then(from_code).ok_or_else(|| damaged(column, &code.to_string()))
}

/// True if people have decided an attribution or hold it in a proposal.
pub(super) fn held_by_people(status: Status, locked: bool, person: bool) -> bool {
    locked || person || matches!(status, Status::Pending | Status::Rejected)
}

/// The layout as the JSON array that `recon_runs.layout` holds.
pub(crate) fn layout_json(layout: &Layout) -> serde_json::Value {
    let field = |field: &Field| {
        let mut stored = json!({ "name": field.name, "kind": field.kind.name() });
        if !field.compared {
            stored["compared"] = json!(false);
        }
        if field.in_ref {
            stored["ref"] = json!(true);
        }
        stored
    };
    layout.fields().iter().map(field).collect()
}

/// The layout behind [`layout_json`].
pub(crate) fn read_layout(json: &str, key_length: i64) -> Result<Layout, Problem> {
    #[derive(serde::Deserialize)]
    struct StoredField {
        name: String,
        kind: Kind,
        compared: Option<bool>,
        #[serde(rename = "ref", default)]
        in_ref: bool,
    }
    let fields: Vec<StoredField> =
        serde_json::from_str(json).map_err(|error| damaged("layout", &error.to_string()))?;
    let fields: Vec<Field> = fields
        .into_iter()
        .map(|field| Field {
            compared: field.compared.unwrap_or(true),
            in_ref: field.in_ref,
            ..Field::new(field.name, field.kind)
        })
        .collect();
    match usize::try_from(key_length) {
        Ok(key_len) if key_len <= fields.len() => Ok(Layout::new(fields, key_len)),
        _ => Err(damaged("key_length", &key_length.to_string())),
    }
}

/// A text without the character U+0000, which PostgreSQL can't hold: the replacement character takes its
/// place, on both stores.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A JSON document without the character U+0000.
pub(super) fn clean_json(value: &serde_json::Value) -> Cow<'_, serde_json::Value> {
    use serde_json::Value;
    fn cleaned(value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(clean(text).into_owned()),
            Value::Array(values) => Value::Array(values.iter().map(cleaned).collect()),
            Value::Object(map) => Value::Object(
                map.iter().map(|(key, value)| (clean(key).into_owned(), cleaned(value))).collect(),
            ),
            other => other.clone(),
        }
    }
    // Its text can hold that character only as an escape.
    if value.to_string().contains("\\u0000") {
        Cow::Owned(cleaned(value))
    } else {
        Cow::Borrowed(value)
    }
}

/// A column with a value that recon never writes.
pub(super) fn damaged(column: &str, found: &str) -> Problem {
    Problem::new(Code::StoreDamaged, format!("the store has an invalid {column}: {found}"))
        .help("it was changed by another hand, or it is damaged")
}

/// More fields than a difference's number can tell apart.
pub(super) fn check_fields(layout: &Layout) -> Result<(), Problem> {
    if layout.len() <= MAX_FIELDS {
        return Ok(());
    }
    let message =
        format!("{} fields are more than the {MAX_FIELDS} that a run may have", layout.len());
    Err(Problem::new(Code::TooManyFields, message).help("map the fields that matter"))
}

/// A number that the store has no room for.
pub(super) fn too_many(what: &str) -> Problem {
    Problem::new(Code::StoreFull, format!("the store has no number left for another {what}"))
        .help("use another store for this job: --store")
}

pub(super) fn no_such_run(run: RunId) -> Problem {
    Problem::new(Code::NoSuchRun, format!("there is no run {run} in the store"))
        .help("`recon runs list` shows the runs")
}

/// A run that another process took from under a writer.
pub(super) fn lost_run(run: RunId) -> Problem {
    Problem::new(Code::RunLost, format!("the run {run} is no longer this command's"))
        .help("another process marked it FAILED while this one seemed to be gone; run it again")
}

/// A reason that the catalogue lacks.
pub(super) fn unknown_reason(code: &str) -> Problem {
    Problem::new(
        Code::UnknownReason,
        format!("the reason `{code}` is not in the store's catalogue"),
    )
}

/// A moment as text in which the order of texts is the order of moments. PostgreSQL keeps
/// microseconds, so both do.
pub(crate) fn time_text(instant: Instant) -> String {
    let whole = Instant::new(instant.seconds(), 0).to_string();
    let whole = whole.trim_end_matches('Z');
    format!("{whole}.{:06}Z", instant.nanoseconds() / 1_000)
}

/// The moment behind [`time_text`].
pub(crate) fn read_time(text: &str) -> Result<Instant, Problem> {
    Instant::parse_rfc3339_utc(text).ok_or_else(|| damaged("time", text))
}

/// The name of the lock on a job's date: 32 bytes that no two share.
pub(super) fn lock_name(job: &str, batch_date: Date) -> [u8; 32] {
    Sha256::digest(format!("{job}\0{batch_date}")).into()
}

/// The lock on a job's date was not to be had.
pub(super) fn locked(job: &str, batch_date: Date, holder: &str, seconds: u64) -> Problem {
    Problem::new(
        Code::Locked,
        format!("job {job}, {batch_date}, is locked: held by {holder}, waited {seconds} s"),
    )
    .help("wait for it to end, or wait longer with --lock-timeout")
}

/// The values of the key that has this reference, as evidence has them. `None` if no key of this layout is written so.
fn key_values(layout: &Layout, reference: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut characters = reference.chars();
    while let Some(character) = characters.next() {
        match character {
            '|' => parts.push(String::new()),
            '\\' => parts.last_mut()?.push(characters.next()?),
            plain => parts.last_mut()?.push(plain),
        }
    }
    if parts.len() != layout.key_len() {
        return None;
    }
    let values = parts.iter().zip(layout.fields()).map(|(part, field)| match field.kind {
        Kind::Integer => Some(part.parse::<i128>().ok()?.to_string()),
        Kind::Boolean => Some(part.parse::<bool>().ok()?.to_string()),
        Kind::Text | Kind::Decimal | Kind::Date | Kind::Datetime => {
            let mut value = String::new();
            write_json_string(part, &mut value);
            Some(value)
        }
    });
    values.collect()
}

/// How the evidence array of a side with this reference begins: up to the end of the key, then `,`
/// or `]`.
fn evidence_starts(layout: &Layout, reference: &str) -> Option<[String; 2]> {
    let start = key_values(layout, reference)?.join(",");
    Some([format!("[{start},"), format!("[{start}]")])
}

/// Texts, one of which occurs in the row that stores a record of this reference if side A has another: 1.0 and 1.00 are
/// one key.
pub(super) fn changed_needles(layout: &Layout, reference: &str) -> Vec<String> {
    let values = key_values(layout, reference).unwrap_or_default();
    values.iter().enumerate().map(|(at, value)| format!("\"{at}\":{value}")).collect()
}

/// Texts, one of which occurs in the row that stores a record of this reference: two possible beginnings of the key's
/// evidence, and a reference that is not the key.
pub(super) fn needles(layout: &Layout, reference: &str) -> [String; 3] {
    let mut name = ":".to_owned();
    write_json_string(reference, &mut name);
    match evidence_starts(layout, reference) {
        Some([inner, only]) => [inner, only, name],
        None => [name.clone(), name.clone(), name],
    }
}

/// True if a record or one of its rows has this reference.
pub(super) fn has_reference(
    record: &StoredRecord<'_>,
    needles: &[String; 3],
    reference: &str,
) -> bool {
    if let Some(matched) = record.matched.filter(|matched| matched.contains(needles[2].as_str()))
        && let Ok(matched) = serde_json::from_str::<Matched>(matched)
    {
        let mut members = matched.a.iter().chain(&matched.b);
        if [&matched.ref_a, &matched.ref_b].into_iter().flatten().any(|name| name == reference)
            || members.any(|member| member.reference == reference)
        {
            return true;
        }
    }
    let begins = |side: &str| needles[..2].iter().any(|start| side.starts_with(start));
    [record.a, record.b].into_iter().flatten().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cell, Cells, Row, evidence, key};
    use proptest::prelude::*;

    #[test]
    fn a_layout_reads_back() {
        let field = |kind: Kind| Field::new(format!("a \"{kind}\""), kind);
        let mut fields: Vec<Field> = Kind::ALL.into_iter().map(field).collect();
        fields.push(Field { compared: false, ..Field::new("comment", Kind::Text) });
        let layout = Layout::new(fields, 2);
        assert_eq!(read_layout(&layout_json(&layout).to_string(), 2), Ok(layout));
        for (text, key_length) in [("[]", 1), ("{}", 1), (r#"[{"name":"x","kind":"text"}]"#, 2)] {
            assert_eq!(read_layout(text, key_length).unwrap_err().code, Code::StoreDamaged);
        }
    }

    #[test]
    fn the_character_nul_is_replaced_wherever_it_stands() {
        let value = json!({"a\0": ["\0b", {"c": "\\u0000"}]});
        assert_eq!(*clean_json(&value), json!({"a\u{fffd}": ["\u{fffd}b", {"c": "\\u0000"}]}));
        assert_eq!(clean("a\0"), "a\u{fffd}");
    }

    #[test]
    fn times_sort_as_texts() {
        let early = time_text(Instant::new(1_700_000_000, 0));
        let late = time_text(Instant::new(1_700_000_000, 1_999));
        assert_eq!(early, "2023-11-14T22:13:20.000000Z");
        assert!(early < late);
        assert_eq!(read_time(&late), Ok(Instant::new(1_700_000_000, 1_000)));
    }

    #[test]
    fn a_reference_that_no_key_has_finds_nothing() {
        let field = |kind: Kind| Field::new(kind.name(), kind);
        let layout = Layout::new(vec![field(Kind::Text), field(Kind::Integer)], 2);
        for reference in ["", "a", "a|b", "a|1|2", "a|1\\", "a\\|1"] {
            assert_eq!(evidence_starts(&layout, reference), None, "{reference}");
        }
    }

    proptest! {
        #[test]
        fn the_start_of_evidence_is_found_by_its_reference(
            text: String, number: i128, truth: bool, rest in 0usize..2,
        ) {
            let fields = [Kind::Text, Kind::Integer, Kind::Boolean, Kind::Text];
            let fields: Vec<Field> =
                fields.iter().map(|kind| Field::new(kind.to_string(), *kind)).collect();
            let layout = Layout::new(fields[..3 + rest].to_vec(), 3);
            let cells =
                [Cell::Text(&text), Cell::Integer(number), Cell::Boolean(truth), Cell::Text("x")];
            let row = Row::of(cells.into_iter().take(3 + rest));
            let mut json = Vec::new();
            evidence::write(Cells::new(&row.cells), &mut json);
            let json = String::from_utf8(json).unwrap();
            let reference = key::reference(Cells::new(&row.cells), 3);
            let starts = evidence_starts(&layout, &reference).unwrap();
            prop_assert!(starts.iter().any(|start| json.starts_with(start.as_str())), "{json}");
        }
    }
}
