//! `labels.csv`: the true causes of differences, written by hand or by `recon generate`.
//!
//! A row names a record by the canonical fields of its key, a field and a reason. Keys are compared
//! as typed values, as everywhere.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::diagnostic::{Code, Place, Problem, Problems, nearest};
use crate::domain::attribution::NO_REASON;
use crate::domain::{Cell, Cells, Date, Decimal, Instant, Kind, Layout, ReasonCode, Row, key};
use crate::files;

/// How many mistakes of a file are shown.
const SHOWN: usize = 10;

/// The labels of a file, by record.
#[derive(Debug, Default)]
pub(super) struct Labels {
    by_key: HashMap<u64, Vec<Label>>,
}

#[derive(Debug)]
struct Label {
    field: String,
    reason: String,
    used: bool,
}

impl Labels {
    pub fn read(
        path: &Path,
        layout: &Layout,
        reasons: &BTreeMap<String, ReasonCode>,
    ) -> Result<Self, Problems> {
        let unreadable = |error: csv::Error| {
            Problem::new(Code::LabelsUnreadable, format!("can't read the labels: {error}"))
                .in_file(path)
        };
        let bytes = files::read(path, files::LABELS)
            .map_err(|error| unreadable(csv::Error::from(error)))?;
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::None).from_reader(bytes.as_slice());
        let headers = reader.headers().map_err(unreadable)?.clone();
        let columns = Columns::find(&headers, layout).map_err(|problem| problem.in_file(path))?;
        let mut labels = Self::default();
        let mut problems = Problems::default();
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            let line = record.position().map_or(0, csv::Position::line);
            let reason = record.get(columns.reason).unwrap_or_default().trim();
            if !(reason == NO_REASON || reasons.contains_key(reason)) {
                if problems.0.len() < SHOWN {
                    problems.push(undeclared(reason, reasons).at(Place {
                        file: path.to_owned(),
                        line,
                        ..Place::default()
                    }));
                }
                continue;
            }
            let key = columns.key(&record, layout);
            labels.by_key.entry(key).or_default().push(Label {
                field: record.get(columns.field).unwrap_or_default().trim().to_owned(),
                reason: reason.to_owned(),
                used: false,
            });
        }
        if problems.0.is_empty() { Ok(labels) } else { Err(problems) }
    }

    /// The label of a difference. Several labels for one record and field (duplicates) are used in
    /// turn; the last one applies to the rest.
    pub fn take(&mut self, cells: Cells<'_>, key_len: usize, field: &str) -> Option<String> {
        let labels = self.by_key.get_mut(&key::hash(cells, key_len))?;
        let mut at = labels.iter().position(|label| !label.used && label.field == field);
        if at.is_none() {
            at = labels.iter().rposition(|label| label.field == field);
        }
        let label = labels.get_mut(at?)?;
        label.used = true;
        Some(label.reason.clone())
    }

    pub fn unused(&self) -> u64 {
        self.by_key.values().flatten().filter(|label| !label.used).count() as u64
    }
}

fn undeclared(reason: &str, reasons: &BTreeMap<String, ReasonCode>) -> Problem {
    let message = format!("the reason `{reason}` is not declared in `reason_codes`");
    let problem = Problem::new(Code::UndeclaredReason, message);
    match nearest(reason, reasons.keys().map(String::as_str)) {
        Some(meant) => problem.help(format!("did you mean {meant}?")),
        None => problem.help(format!("declare it, or use {NO_REASON} where no reason fits")),
    }
}

/// Column positions.
struct Columns {
    key: Vec<usize>,
    field: usize,
    reason: usize,
}

impl Columns {
    fn find(headers: &csv::StringRecord, layout: &Layout) -> Result<Self, Problem> {
        let names: Vec<&str> =
            headers.iter().map(|name| name.trim_start_matches('\u{feff}').trim()).collect();
        let keys: Vec<&str> = layout.names().take(layout.key_len()).collect();
        let position = |name: &str| names.iter().position(|column| *column == name);
        let missing: Vec<&str> = keys
            .iter()
            .copied()
            .chain(["field", "reason"])
            .filter(|name| position(name).is_none())
            .collect();
        if !missing.is_empty() {
            let message = format!("the labels lack the column {}", missing.join(", "));
            return Err(Problem::new(Code::LabelsColumns, message).help(format!(
                "labels need the key fields ({}), `field` and `reason`; found: {}",
                keys.join(", "),
                names.join(", ")
            )));
        }
        let at = |name: &str| position(name).unwrap_or_default();
        Ok(Self {
            key: keys.iter().map(|name| at(name)).collect(),
            field: at("field"),
            reason: at("reason"),
        })
    }

    /// The hash of a row's key.
    fn key(&self, record: &csv::StringRecord, layout: &Layout) -> u64 {
        let parts = self.key.iter().zip(layout.fields());
        let row = Row::of(
            parts.map(|(at, field)| typed(record.get(*at).unwrap_or_default(), field.kind)),
        );
        key::hash(Cells::new(&row.cells), layout.key_len())
    }
}

/// A canonical text as a typed cell; an unparsable one matches nothing.
fn typed(text: &str, kind: Kind) -> Cell<'_> {
    let cell = match kind {
        Kind::Text => Some(Cell::Text(text)),
        Kind::Decimal => text.parse::<Decimal>().ok().map(Cell::Decimal),
        Kind::Integer => text.parse().ok().map(Cell::Integer),
        Kind::Date => text.parse::<Date>().ok().map(Cell::Date),
        Kind::Datetime => Instant::parse_rfc3339_utc(text).map(Cell::Instant),
        Kind::Boolean => text.parse().ok().map(Cell::Boolean),
    };
    cell.unwrap_or(Cell::Unparsed(text))
}
