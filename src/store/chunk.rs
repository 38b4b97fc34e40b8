//! Records as they are stored: many to a row.
//!
//! A row holds the entries of [`RECORDS`] records, as one JSON array. Writing a row costs about as much as writing a
//! record would, so records by the dozen make keeping all of them cheap; views take the array apart with the
//! database's own JSON functions. An entry is `[kind, a, b, line_a, offset_a, line_b, offset_b]`: a side is the
//! evidence array of its values; b is null for a pair whose sides are the same, and of a pair that differs an object with
//! the values in which B differs, `{"3":"LTD"}`, by their positions; 8 is added to the kind where the partner was rejected. A job with `match` has one element more: how the record was matched, as an object. A record
//! that is no longer kept is `null`.

use crate::diagnostic::Problem;
use crate::domain::evidence::{self, write_number};
use crate::domain::scan::Scanner;
use crate::domain::{Cells, NextPair};

use super::batch::RecordRow;
use super::stored;
use super::{RecordKind, StoredRecord};

/// The records of one row; the views know it as well.
pub(super) const RECORDS: u64 = 64;

/// Added to the kind of a record whose partner was rejected.
const PARTNER_REJECTED: u8 = 8;

/// The row of a record, counted from 0.
pub(super) const fn chunk_of(record: u64) -> u64 {
    record.saturating_sub(1) / RECORDS
}

/// The first record of a row.
pub(super) const fn first_of(chunk: u64) -> u64 {
    chunk * RECORDS + 1
}

/// Entries one after the other, each with a comma behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entries {
    /// UTF-8, as all of it comes from texts.
    text: Vec<u8>,
    /// Where each entry ends, behind its comma.
    ends: Vec<u32>,
}

impl Entries {
    /// Forgets them and keeps their room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn push(&mut self, row: &RecordRow<'_>) {
        let out = &mut self.text;
        let rejected = if row.partner_rejected { PARTNER_REJECTED } else { 0 };
        out.push(b'[');
        write_number((row.kind.code() + rejected).into(), out);
        out.push(b',');
        match (row.kind, row.a, row.b) {
            (RecordKind::Pair, Some(a), Some(b)) => {
                evidence::write(a, out);
                out.push(b',');
                push_changes(a, b, out);
                out.push(b',');
            }
            (_, a, b) => {
                for side in [a, b] {
                    match side {
                        Some(cells) => evidence::write(cells, out),
                        None => out.extend_from_slice(b"null"),
                    }
                    out.push(b',');
                }
            }
        }
        for (place, is_last) in [(row.place_a, false), (row.place_b, true)] {
            match place {
                Some((line, offset)) => {
                    write_number(line, out);
                    out.push(b',');
                    write_number(offset, out);
                }
                None => out.extend_from_slice(b"null,null"),
            }
            out.push(if is_last && row.matched.is_none() { b']' } else { b',' });
        }
        if let Some(matched) = row.matched {
            out.extend_from_slice(matched.as_bytes());
            out.push(b']');
        }
        out.push(b',');
        self.ends.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
    }

    /// Calls `each` for every record, numbered from 1.
    pub fn each(
        &self,
        mut each: impl FnMut(&StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let mut whole = String::new();
        for at in 0..self.len() {
            let text = String::from_utf8_lossy(self.slice(at, at + 1));
            let number = at as u64 + 1;
            let entry = Entry::read(&mut Scanner::new(&text)).ok_or_else(|| {
                let what = format!("the entry of record {number} can't be read");
                stored::damaged("row of records", &what)
            })?;
            each(&entry.record(number, &mut whole)?)?;
        }
        Ok(())
    }

    /// The text of the entries from `first` to before `last`, with the comma behind each.
    fn slice(&self, first: usize, last: usize) -> &[u8] {
        let end = |count: usize| match count.checked_sub(1).and_then(|at| self.ends.get(at)) {
            Some(end) => *end as usize,
            None => 0,
        };
        self.text.get(end(first)..end(last)).unwrap_or_default()
    }
}

/// Appends side B of a pair: null, or the values in which it differs from side A.
fn push_changes<'c>(mut a: Cells<'c>, mut b: Cells<'c>, out: &mut Vec<u8>) {
    let mut is_first = true;
    if !a.are_same_bytes(b) {
        for at in 0.. {
            let Some(next) = Cells::next_pair(&mut a, &mut b) else { break };
            let NextPair::Cells(own, other) = next else { continue };
            if own == other {
                continue;
            }
            out.extend_from_slice(if std::mem::take(&mut is_first) { b"{\"" } else { b",\"" });
            write_number(at, out);
            out.extend_from_slice(b"\":");
            evidence::write_cell(other, out);
        }
    }
    out.extend_from_slice(if is_first { b"null" } else { b"}" });
}

/// Writes into `whole` the evidence array that has these values of an object by their positions, and else those of the
/// array `a`.
fn change(a: &str, changes: &str, whole: &mut String) -> Option<()> {
    whole.clear();
    let (mut own, mut changed) = (Scanner::new(a), Scanner::new(changes));
    let mut next_change = |first: bool| -> Option<Option<(usize, &str)>> {
        if !changed.take(if first { b'{' } else { b',' }) {
            return (!first && changed.take(b'}') && changed.is_at_end()).then_some(None);
        }
        let at = changed.string()?.parse().ok()?;
        if !changed.take(b':') {
            return None;
        }
        Some(Some((at, changed.value()?)))
    };
    let mut change = next_change(true)?;
    let mut at = 0;
    while own.take(if at == 0 { b'[' } else { b',' }) {
        whole.push(if at == 0 { '[' } else { ',' });
        let value = own.value()?;
        match change {
            Some((place, changed)) if place == at => {
                whole.push_str(changed);
                change = next_change(false)?;
            }
            _ => whole.push_str(value),
        }
        at += 1;
    }
    whole.push(']');
    (change.is_none() && own.take(b']') && own.is_at_end()).then_some(())
}

/// Cuts entries into rows; an incomplete row waits for the next entries.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    text: Vec<u8>,
    /// The records so far, those of `text` included.
    records: u64,
}

impl Chunks {
    /// How many records have come so far.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Adds entries and gives every row that is full, with its number, to `write`.
    pub fn add<E>(
        &mut self,
        entries: &Entries,
        mut write: impl FnMut(u64, String) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = 0;
        while at < entries.len() {
            if self.text.is_empty() {
                self.text.push(b'[');
            }
            let room = (RECORDS - self.records % RECORDS) as usize;
            let until = entries.len().min(at + room);
            self.text.extend_from_slice(entries.slice(at, until));
            self.records += (until - at) as u64;
            at = until;
            if self.records.is_multiple_of(RECORDS) {
                self.flush(&mut write)?;
            }
        }
        Ok(())
    }

    /// Gives the last row, if there is one that is not full, to `write`.
    pub fn flush<E>(
        &mut self,
        mut write: impl FnMut(u64, String) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.text.pop().is_some() {
            self.text.push(b']');
            // The next row will be about as long.
            let next = Vec::with_capacity(self.text.len() + self.text.len() / 16);
            // One check of a row instead of one of each text; nothing is ever replaced.
            let text = String::from_utf8(std::mem::replace(&mut self.text, next));
            let text =
                text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            write(chunk_of(self.records), text)?;
        }
        Ok(())
    }
}

/// An entry, read: kind, sides, places.
struct Entry<'a> {
    code: u8,
    a: Option<&'a str>,
    b: Option<&'a str>,
    place_a: Option<(u64, u64)>,
    place_b: Option<(u64, u64)>,
    matched: Option<&'a str>,
}

impl<'a> Entry<'a> {
    fn read(scan: &mut Scanner<'a>) -> Option<Self> {
        let next = |scan: &mut Scanner<'a>| scan.take(b',').then_some(());
        let side = |scan: &mut Scanner<'a>| -> Option<Option<&'a str>> {
            next(scan)?;
            let side = scan.value()?;
            match side.as_bytes().first() {
                Some(b'[' | b'{') => Some(Some(side)),
                _ => (side == "null").then_some(None),
            }
        };
        let place = |scan: &mut Scanner<'a>| -> Option<Option<(u64, u64)>> {
            next(scan)?;
            let line = scan.count()?;
            next(scan)?;
            Some(line.zip(scan.count()?))
        };
        if !scan.take(b'[') {
            return None;
        }
        let code = u8::try_from(scan.count()??).ok()?;
        let (a, b) = (side(scan)?, side(scan)?);
        let (place_a, place_b) = (place(scan)?, place(scan)?);
        let matched = if scan.take(b',') { Some(scan.value()?) } else { None };
        scan.take(b']').then_some(Self { code, a, b, place_a, place_b, matched })
    }

    /// The record; there is room for a side that is not written as a whole.
    fn record<'r>(self, number: u64, whole: &'r mut String) -> Result<StoredRecord<'r>, Problem>
    where
        'a: 'r,
    {
        let Self { code, a, b, place_a, place_b, matched } = self;
        let is_whole = |side: &str| side.starts_with('[');
        let b = match (a, b) {
            (Some(a), Some(changes)) if is_whole(a) && !is_whole(changes) => {
                change(a, changes, whole).ok_or_else(|| {
                    let what = format!("side B of record {number} can't be read");
                    stored::damaged("row of records", &what)
                })?;
                Some(whole.as_str())
            }
            (_, b) => b,
        };
        let kind =
            stored::read_code("kind", i64::from(code & !PARTNER_REJECTED), RecordKind::from_code)?;
        Ok(StoredRecord {
            number,
            kind,
            a,
            b: if kind == RecordKind::Pair { b.or(a) } else { b },
            place_a,
            place_b,
            partner_rejected: code & PARTNER_REJECTED != 0,
            matched,
        })
    }
}

/// The text of a row when only the records that `keep` tells are kept; `None` if none is.
pub(super) fn only(
    chunk: u64,
    text: &str,
    keep: impl Fn(u64) -> bool,
) -> Result<Option<String>, Problem> {
    let damaged = || stored::damaged("row of records", "its entries can't be read");
    let mut scan = Scanner::new(text);
    let mut kept = String::with_capacity(text.len());
    let mut any = false;
    for number in first_of(chunk).. {
        let first = kept.is_empty();
        if !scan.take(if first { b'[' } else { b',' }) {
            if first || !scan.take(b']') || !scan.is_at_end() {
                return Err(damaged());
            }
            break;
        }
        kept.push(if first { '[' } else { ',' });
        let entry = scan.value().ok_or_else(damaged)?;
        let keeps = keep(number);
        any |= keeps;
        kept.push_str(if keeps { entry } else { "null" });
    }
    kept.push(']');
    Ok(any.then_some(kept))
}

/// The records of a row.
pub(super) fn read<E: From<Problem>>(
    chunk: u64,
    text: &str,
    mut each: impl FnMut(&StoredRecord<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |number: u64| {
        let what = format!("the entry of record {number} can't be read");
        E::from(stored::damaged("row of records", &what))
    };
    let (mut scan, mut whole) = (Scanner::new(text), String::new());
    let first = first_of(chunk);
    for number in first.. {
        if !scan.take(if number == first { b'[' } else { b',' }) {
            let is_whole = number > first && scan.take(b']') && scan.is_at_end();
            return if is_whole { Ok(()) } else { Err(damaged(number)) };
        }
        if scan.peek() == Some(b'n') {
            // No longer kept.
            scan.value().ok_or_else(|| damaged(number))?;
            continue;
        }
        let entry = Entry::read(&mut scan).ok_or_else(|| damaged(number))?;
        each(&entry.record(number, &mut whole)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cell, Row};
    use proptest::prelude::*;

    /// Rows as a store keeps them, of records that came in batches of these sizes.
    fn rows(batches: &[usize]) -> Vec<(u64, String)> {
        let (mut chunks, mut rows) = (Chunks::default(), Vec::new());
        let mut keep = |chunk: u64, text: String| -> Result<(), Problem> {
            rows.push((chunk, text));
            Ok(())
        };
        let mut line = 0u64;
        for size in batches {
            let mut entries = Entries::default();
            for _ in 0..*size {
                line += 1;
                let row = Row::of([Cell::Integer(line.into()), Cell::Text("a\",[\\")]);
                entries.push(&RecordRow {
                    kind: RecordKind::OnlyA,
                    a: Some(Cells::new(&row.cells)),
                    b: None,
                    partner_rejected: line.is_multiple_of(2),
                    place_a: Some((line, 7)),
                    place_b: None,
                    matched: line.is_multiple_of(3).then_some(r#"{"pass":"x, ]"}"#),
                });
            }
            chunks.add(&entries, &mut keep).unwrap();
        }
        chunks.flush(&mut keep).unwrap();
        assert_eq!(chunks.records(), line);
        rows
    }

    proptest! {
        #[test]
        fn every_record_comes_back_under_its_number(
            batches in proptest::collection::vec(0usize..150, 0..5),
        ) {
            let mut next = 0;
            for (chunk, text) in rows(&batches) {
                read(chunk, &text, |record| -> Result<(), Problem> {
                    next += 1;
                    assert_eq!(record.number, next);
                    assert_eq!(chunk_of(next), chunk);
                    assert_eq!((record.place_a, record.place_b), (Some((next, 7)), None));
                    assert_eq!(record.partner_rejected, next.is_multiple_of(2));
                    assert_eq!(record.matched.is_some(), next.is_multiple_of(3));
                    assert!(record.a.unwrap().starts_with(&format!("[{next},")));
                    Ok(())
                }).unwrap();
            }
            prop_assert_eq!(next, batches.iter().sum::<usize>() as u64);
        }
    }

    /// The entry of a pair of these rows, and its sides as they are read.
    fn pair(a: &[Cell<'_>], b: &[Cell<'_>]) -> (String, [String; 2]) {
        let (a, b) = (Row::of(a.iter().copied()), Row::of(b.iter().copied()));
        let mut entries = Entries::default();
        entries.push(&RecordRow {
            kind: RecordKind::Pair,
            a: Some(Cells::new(&a.cells)),
            b: Some(Cells::new(&b.cells)),
            partner_rejected: false,
            place_a: Some((2, 7)),
            place_b: Some((3, 8)),
            matched: None,
        });
        let mut sides = Default::default();
        entries
            .each(|record| {
                sides = [record.a, record.b].map(|side| side.unwrap().to_owned());
                Ok(())
            })
            .unwrap();
        (String::from_utf8(entries.text).unwrap(), sides)
    }

    #[test]
    fn of_side_b_only_what_differs_is_stored() {
        let a = [Cell::Text("k,\"{"), Cell::Integer(1), Cell::Null, Cell::Unparsed("x")];
        let b = [Cell::Text("k,\"{"), Cell::Null, Cell::Text("}"), Cell::Unparsed("x")];
        let (text, [read_a, read_b]) = pair(&a, &b);
        assert_eq!(text, r#"[1,["k,\"{",1,null,{"unparsed":"x"}],{"1":null,"2":"}"},2,7,3,8],"#);
        assert_eq!(read_a, r#"["k,\"{",1,null,{"unparsed":"x"}]"#);
        assert_eq!(read_b, r#"["k,\"{",null,"}",{"unparsed":"x"}]"#);
        assert_eq!(pair(&a, &a).0, r#"[1,["k,\"{",1,null,{"unparsed":"x"}],null,2,7,3,8],"#);
    }

    #[test]
    fn a_side_b_that_an_earlier_version_wrote_as_a_whole_is_read() {
        let text = r#"[[1,["k",1],["k",2],1,0,2,0]]"#;
        let mut sides = Vec::new();
        read(0, text, |record| -> Result<(), Problem> {
            sides.extend([record.a, record.b].map(|side| side.unwrap().to_owned()));
            Ok(())
        })
        .unwrap();
        assert_eq!(sides, [r#"["k",1]"#, r#"["k",2]"#]);
    }

    #[test]
    fn a_side_that_can_not_be_completed_is_damage() {
        for (a, changes) in [
            ("[1,2]", "{}"),
            ("[1,2]", r#"{"2":1}"#),
            ("[1,2]", r#"{"1":1,"0":1}"#),
            ("[1,2]", r#"{"1":1"#),
            ("[1,2", r#"{"1":1}"#),
            ("[1,2]", r#"{"x":1}"#),
        ] {
            let text = format!("[[1,{a},{changes},1,0,2,0]]");
            assert!(read(0, &text, |_| -> Result<(), Problem> { Ok(()) }).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_sides_of_a_pair_come_back(
            values in proptest::collection::vec((0u8..3, 0u8..3), 1..9),
        ) {
            let cell = |value: u8| match value {
                0 => Cell::Null,
                1 => Cell::Text("\"1\":["),
                _ => Cell::Integer(12),
            };
            let (a, b): (Vec<_>, Vec<_>) =
                values.iter().map(|(a, b)| (cell(*a), cell(*b))).unzip();
            let array = |cells: &[Cell<'_>]| {
                let mut text = Vec::new();
                evidence::write(Cells::new(&Row::of(cells.iter().copied()).cells), &mut text);
                String::from_utf8(text).unwrap()
            };
            prop_assert_eq!(pair(&a, &b).1, [array(&a), array(&b)]);
        }
    }

    #[test]
    fn a_row_of_which_some_records_are_kept() {
        let text = r#"[[1,[1],null,1,0,2,0],null,[3,null,["]"],null,null,3,9]]"#;
        let only = |kept: &[u64]| only(1, text, |number| kept.contains(&number)).unwrap();
        assert_eq!(only(&[65, 66, 67]).as_deref(), Some(text));
        let last = r#"[null,null,[3,null,["]"],null,null,3,9]]"#;
        assert_eq!(only(&[67]).as_deref(), Some(last));
        assert_eq!(only(&[64, 68]), None);
    }

    #[test]
    fn a_deleted_record_keeps_its_number() {
        let text = r#"[null,[1,[1],null,1,0,2,0],null,[3,null,[2],null,null,3,9]]"#;
        let mut seen = Vec::new();
        read(2, text, |record| -> Result<(), Problem> {
            seen.push((record.number, record.kind, record.b.map(str::to_owned)));
            Ok(())
        })
        .unwrap();
        for cut in 0..text.len() {
            assert!(read(2, &text[..cut], |_| -> Result<(), Problem> { Ok(()) }).is_err());
        }
        assert_eq!(
            seen,
            [
                (130, RecordKind::Pair, Some("[1]".to_owned())),
                (132, RecordKind::OnlyB, Some("[2]".to_owned()))
            ]
        );
    }
}
