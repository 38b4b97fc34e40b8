//! The audit trail as a file, and the file verified without a store.
//!
//! An export holds exactly the texts that hashes are taken over: JSON values of the trail are
//! strings here, byte for byte, so that a reader needs no recon to recompute the chain
//! (docs/audit.md). In CSV a cell that is absent is empty, and one that is an empty text is `""`.

use std::io::{BufRead, Read, Write};

use serde_json::{Map, Value as Json};

use super::audit::{AuditRow, COLUMNS, Checkpoint, GENESIS, Verdict};
use super::chain::{Link, Links, cut_off, forked};
use crate::coding::unhex;
use crate::diagnostic::{Code, Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// The columns of an export after those that are hashed.
const CHAIN: [&str; 3] = ["prev_hash", "hash", "hash_version"];

/// Columns that are numbers in JSON.
const NUMBERS: [&str; 4] = ["seq", "proposal_version", "policy_version", "hash_version"];

pub fn columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter().chain(CHAIN)
}

/// The texts of a row, in the order of [`columns`].
pub fn cells(row: &AuditRow) -> Vec<Option<String>> {
    let chain =
        [Some(row.prev_hash.clone()), Some(row.hash.clone()), Some(row.hash_version.to_string())];
    row.texts().into_iter().chain(chain).collect()
}

/// Writes the part before the rows.
///
/// # Errors
/// The reader closed the connection.
pub fn begin(format: Format, out: &mut dyn Write) -> std::io::Result<()> {
    if format == Format::Csv {
        writeln!(out, "{}", columns().collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

/// Writes a row.
///
/// # Errors
/// The reader closed the connection.
pub fn write(format: Format, row: &AuditRow, out: &mut dyn Write) -> std::io::Result<()> {
    let cells = cells(row);
    let mut line = String::with_capacity(1024);
    match format {
        Format::Jsonl => {
            let mut object = Map::new();
            for (name, cell) in columns().zip(cells) {
                let value = match cell {
                    None => Json::Null,
                    Some(text) if NUMBERS.contains(&name) => {
                        text.parse::<i64>().map_or(Json::String(text), Json::from)
                    }
                    Some(text) => Json::String(text),
                };
                object.insert(name.to_owned(), value);
            }
            line.push_str(&Json::Object(object).to_string());
        }
        Format::Csv => {
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    line.push(',');
                }
                if let Some(text) = cell {
                    push_cell(text, &mut line);
                }
            }
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

fn push_cell(text: &str, line: &mut String) {
    if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}

/// Verifies an export: the chain, and the checkpoints.
///
/// # Errors
/// A file that is no export, or an export that is not meant for verifying. A row that can't be read is no error but a
/// broken chain.
pub fn verify(file: &mut dyn BufRead, checkpoints: &[Checkpoint]) -> Result<Verdict, Problem> {
    let first = file.fill_buf().map_err(|error| unreadable(&error))?.first().copied();
    let mut proof = Proof { links: Links::new(1, GENESIS.to_vec()), checkpoints, against: None };
    match first {
        None => {}
        Some(b'{') => jsonl(file, &mut proof)?,
        Some(_) => csv(file, &mut proof)?,
    }
    Ok(proof.end())
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem::new(Code::ExportUnreadable, format!("the export can't be read: {error}"))
}

fn no_export(why: &str) -> Problem {
    Problem::new(Code::NoExport, format!("the file is no export of an audit trail: {why}"))
        .help("`recon audit export --out FILE` writes one")
}

/// A chain being verified, with the result so far.
struct Proof<'a> {
    links: Links,
    checkpoints: &'a [Checkpoint],
    against: Option<String>,
}

impl Proof<'_> {
    /// The next row; `None` if it is malformed.
    fn take(&mut self, row: Option<Link>) {
        let Some(row) = row else {
            let seq = self.links.expected();
            self.links.bad(seq, "what stands there is no row of an audit trail");
            return;
        };
        let seq = row.seq;
        if seq > 1 && self.links.expected() == 1 && self.links.is_whole() {
            self.links.bad(1, "the row is missing: an export of a part can't be verified alone");
        }
        self.links.take(row);
        if !self.links.is_whole() {
            return;
        }
        for checkpoint in self.checkpoints.iter().filter(|checkpoint| checkpoint.n == seq) {
            if checkpoint.head_hash != self.links.head_hash() && self.against.is_none() {
                self.against = Some(forked(checkpoint));
            }
        }
    }

    fn end(self) -> Verdict {
        let (rows, whole) = (self.links.expected() - 1, self.links.is_whole());
        let mut verdict = self.links.end();
        verdict.against_checkpoint = self.against.or_else(|| {
            let missing = self.checkpoints.iter().find(|checkpoint| checkpoint.n > rows)?;
            whole.then(|| cut_off(missing, rows))
        });
        verdict.ok &= verdict.against_checkpoint.is_none();
        verdict
    }
}

/// The most bytes of a row; a file without line breaks is no export.
const MAX_ROW: u64 = 32 << 20;

/// Adds the next line to `row`; gives how many bytes that were.
fn next_line(file: &mut dyn BufRead, row: &mut Vec<u8>) -> Result<usize, Problem> {
    let room = (MAX_ROW + 1).saturating_sub(row.len() as u64);
    let read = Read::take(file, room).read_until(b'\n', row).map_err(|error| unreadable(&error))?;
    if row.len() as u64 > MAX_ROW {
        return Err(no_export(&format!("a row has more than {} MiB", MAX_ROW >> 20)));
    }
    Ok(read)
}

fn jsonl(file: &mut dyn BufRead, proof: &mut Proof<'_>) -> Result<(), Problem> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if next_line(file, &mut line)? == 0 {
            return Ok(());
        }
        let object: Option<Map<String, Json>> = serde_json::from_slice(&line).ok();
        let row = object.and_then(|object| {
            let cell = |name: &str| match object.get(name)? {
                Json::Null => Some(None),
                Json::String(text) => Some(Some(text.clone())),
                Json::Number(number) => Some(Some(number.to_string())),
                _ => None,
            };
            let known = object.len() == COLUMNS.len() + CHAIN.len();
            let cells = columns().map(cell).collect::<Option<Vec<_>>>()?;
            if known { row_of(cells) } else { None }
        });
        proof.take(row);
    }
}

/// A row of the cells of [`columns`].
fn row_of(cells: Vec<Option<String>>) -> Option<Link> {
    let mut cells: Vec<Option<Vec<u8>>> =
        cells.into_iter().map(|cell| cell.map(String::into_bytes)).collect();
    let text = |cell: Option<Vec<u8>>| String::from_utf8(cell?).ok();
    let version = text(cells.pop()?)?.parse().ok()?;
    let hash = unhex(&text(cells.pop()?)?)?;
    let previous = unhex(&text(cells.pop()?)?)?;
    let seq = std::str::from_utf8(cells.first()?.as_deref()?).ok()?.parse().ok()?;
    let fields = cells.try_into().ok()?;
    Some(Link { seq, fields, previous: Some(previous), hash: Some(hash), version })
}

fn csv(file: &mut dyn BufRead, proof: &mut Proof<'_>) -> Result<(), Problem> {
    let mut records = Records { file };
    let header = records.next().transpose()?.flatten().unwrap_or_default();
    let names: Vec<&str> = header.iter().map(|name| name.as_deref().unwrap_or_default()).collect();
    if names.last() == Some(&"_escaped") {
        return Err(no_export("its cells were made safe for spreadsheets")
            .help("export it with `cells=raw`, or as JSON lines"));
    }
    if !names.iter().copied().eq(columns()) {
        return Err(no_export("its first line names other columns"));
    }
    for record in records {
        proof.take(record?.and_then(row_of));
    }
    Ok(())
}

/// The records of a CSV file. An empty cell without quotes is absent; a record that can't be read is
/// `None`.
struct Records<'a> {
    file: &'a mut dyn BufRead,
}

impl Iterator for Records<'_> {
    type Item = Result<Option<Vec<Option<String>>>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        // A record ends with a line, unless the line's end is within quotes.
        let mut quotes = 0;
        loop {
            let read = match next_line(self.file, &mut bytes) {
                Err(problem) => return Some(Err(problem)),
                Ok(0) if bytes.is_empty() => return None,
                Ok(0) => break,
                Ok(read) => read,
            };
            let line = bytes.get(bytes.len() - read..).unwrap_or_default();
            quotes += line.iter().filter(|byte| **byte == b'"').count();
            if quotes % 2 == 0 {
                break;
            }
        }
        Some(Ok(String::from_utf8(bytes).ok().and_then(|text| record(&text))))
    }
}

fn record(text: &str) -> Option<Vec<Option<String>>> {
    let mut rest = text.strip_suffix('\n').unwrap_or(text);
    rest = rest.strip_suffix('\r').unwrap_or(rest);
    let mut cells = Vec::with_capacity(27);
    loop {
        let end;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut cell = String::new();
            let mut tail = quoted;
            loop {
                let at = tail.find('"')?;
                cell.push_str(tail.get(..at)?);
                tail = tail.get(at + 1..)?;
                match tail.strip_prefix('"') {
                    Some(more) => {
                        cell.push('"');
                        tail = more;
                    }
                    None => break,
                }
            }
            cells.push(Some(cell));
            end = tail;
        } else {
            let at = rest.find(',').unwrap_or(rest.len());
            let cell = rest.get(..at)?;
            if cell.contains('"') {
                return None;
            }
            cells.push((!cell.is_empty()).then(|| cell.to_owned()));
            end = rest.get(at..)?;
        }
        if end.is_empty() {
            return Some(cells);
        }
        rest = end.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_of_csv_read_back(cells in proptest::collection::vec(
            proptest::option::of("(?s)[\"',\r\n;a é]{0,6}"), 1..6,
        )) {
            let mut text = String::new();
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                if let Some(cell) = cell {
                    push_cell(cell, &mut text);
                }
            }
            text.push('\n');
            let twice = format!("{text}{text}");
            let read: Vec<_> =
                Records { file: &mut twice.as_bytes() }.map(|record| record.unwrap()).collect();
            prop_assert_eq!(read, vec![Some(cells.clone()), Some(cells)]);
        }
    }

    #[test]
    fn other_files_and_broken_exports_are_distinguished() {
        let verify = |text: &str| verify(&mut text.as_bytes(), &[]);
        assert!(verify("").unwrap().ok);
        assert_eq!(verify("a,b\n").unwrap_err().code, Code::NoExport);
        let header = columns().collect::<Vec<_>>().join(",");
        assert_eq!(verify(&format!("{header},_escaped\n")).unwrap_err().code, Code::NoExport);
        assert!(verify(&format!("{header}\n")).unwrap().ok);
        for broken in ["{\n", "{}\n", &format!("{header}\n1,2\n"), &format!("{header}\n\"\n")] {
            let verdict = verify(broken).unwrap();
            assert_eq!((verdict.ok, verdict.first_bad), (false, Some(1)), "{broken}");
        }
    }
}
