//! Block boundaries never matter: adversarial files, read with blocks of every size, give the same rows as the csv
//! crate and a plain state machine.

use proptest::prelude::*;

use super::super::csv::{CsvPlan, Header};
use super::super::dialect::{Dialect, Fields, PieceKind};
use super::super::parse::CsvParser;
use super::*;

/// A record as read, of any content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RecordRead {
    line: u64,
    offset: u64,
    cells: Vec<Vec<u8>>,
    written: Vec<u8>,
    unclosed: bool,
}

fn records(plan: &CsvPlan, limits: Limits) -> Vec<RecordRead> {
    let opened = SourcePlan::from(plan.clone()).open_with(limits, &[]).unwrap();
    let parser = CsvParser::new(plan, opened.columns());
    let (mut blocks, _) = opened.blocks();
    let mut fields = Fields::default();
    let mut found = Vec::new();
    let mut sequence = 0;
    while let Some(block) = blocks.next_block().unwrap() {
        assert_eq!(block.sequence(), sequence);
        sequence += 1;
        parser.records(block.text().unwrap(), &mut fields, |record, row| {
            found.push(RecordRead {
                line: row.line,
                offset: row.offset,
                cells: (0..row.len()).map(|at| row.cell(at).to_vec()).collect(),
                written: row.written().to_vec(),
                unclosed: record.kind == PieceKind::Unclosed,
            });
        });
    }
    found
}

/// Lines and offsets of the records, by the slowest and plainest state machine.
fn places(bytes: &[u8], dialect: Dialect) -> Vec<(u64, u64)> {
    #[derive(PartialEq)]
    enum State {
        Outside,
        Comment,
        FieldStart,
        Unquoted,
        Quoted,
        QuoteInQuoted,
    }
    let mut places = Vec::new();
    let mut state = State::Outside;
    let mut line = 1;
    let mut skip = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let breaks = matches!(byte, b'\r' | b'\n');
        if state == State::Outside && !breaks {
            // A byte order mark at the beginning of a line is no part of it.
            let mark = if bytes[at..].starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let first = bytes.get(at + mark).copied();
            let is_blank = matches!(first, None | Some(b'\r' | b'\n'));
            if !is_blank && dialect.comment == first {
                state = State::Comment;
            } else if !is_blank {
                places.push((line, at as u64));
                state = State::FieldStart;
            }
            if mark > 0 {
                skip = mark - 1;
                continue;
            }
        }
        state = match state {
            State::Quoted if byte == dialect.quote => State::QuoteInQuoted,
            State::Quoted => State::Quoted,
            State::QuoteInQuoted if byte == dialect.quote => State::Quoted,
            _ if breaks => State::Outside,
            State::Comment => State::Comment,
            _ if byte == dialect.delimiter => State::FieldStart,
            State::FieldStart if byte == dialect.quote => State::Quoted,
            _ => State::Unquoted,
        };
        let first_half = byte == b'\r' && bytes.get(at + 1) == Some(&b'\n');
        line += u64::from(breaks && !first_half);
    }
    places
}

/// The records as the csv crate reads them.
fn by_the_crate(bytes: &[u8], dialect: Dialect) -> Vec<Vec<Vec<u8>>> {
    ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .quote(dialect.quote)
        .comment(dialect.comment)
        .from_reader(bytes)
        .byte_records()
        .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
        .collect()
}

const DIALECTS: [Dialect; 4] = [
    Dialect { delimiter: b',', quote: b'"', comment: None },
    Dialect { delimiter: b';', quote: b'\'', comment: None },
    Dialect { delimiter: b'\t', quote: b'"', comment: Some(b'#') },
    Dialect { delimiter: b'a', quote: b'b', comment: Some(b',') },
];

/// Reads `bytes` with blocks of every size, and compares with the csv crate and with `places`.
fn check(bytes: &[u8], dialect: Dialect) -> Vec<RecordRead> {
    let folder = Folder::new();
    let plan =
        CsvPlan { dialect, header: Header::Named(vec!["x".into()]), ..plan(&folder.file(bytes)) };
    let whole = records(&plan, Limits::default());
    for block in (1..=bytes.len().min(40)).chain([bytes.len() + 1]) {
        assert_eq!(records(&plan, limits(block)), whole, "blocks of {block}");
    }
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let expected: Vec<_> = places(&bytes[mark..], dialect)
        .into_iter()
        .map(|(line, offset)| (line, offset + mark as u64))
        .collect();
    let found: Vec<_> = whole.iter().map(|each| (each.line, each.offset)).collect();
    assert_eq!(found, expected);
    for each in &whole {
        assert!(bytes[each.offset as usize..].starts_with(&each.written));
    }
    // The crate lets a comment go on after a lone `\r`.
    let lone = (0..bytes.len()).any(|at| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    // To the crate a byte order mark behind the beginning is data.
    let marked = bytes[mark..].windows(3).any(|three| three == b"\xef\xbb\xbf");
    if (dialect.comment.is_none() || !lone) && !marked {
        let cells: Vec<_> = whole.iter().map(|each| each.cells.clone()).collect();
        let mut expected = by_the_crate(bytes, dialect);
        // It also gives an empty record for a comment that ends with the file.
        let last_line = bytes[mark..].rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        if expected.len() == cells.len() + 1
            && dialect.comment.is_some()
            && last_line.first() == dialect.comment.as_ref()
        {
            assert_eq!(expected.pop().unwrap(), [b""]);
        }
        assert_eq!(cells, expected);
    }
    whole
}

#[test]
fn adversarial_files_are_read_as_by_the_csv_crate() {
    for text in [
        "",
        "\n",
        "\r",
        "\r\n\r\n",
        "a",
        "a,b\nc,d",
        "a,b\r\nc,d\r\n",
        "a,b\rc,d\r",
        "a\n\r\nb\r\r\nc",
        "\"\"",
        "\"\"\n\"\"",
        "\"a\nb\",\"c\r\nd\"\r\n\"e\rf\",g\n",
        "\"a\"\"b\",\"\"\"\",\"\"\"a\"\n",
        "a\"b,c\"\"d,e\"\nf",
        "\"a\"b,\"c\"\"\"d\"e\n\"f\" \"g\n\"\n",
        "\"a\" ,\"b\"\r\"c\"\n",
        ",\"\n\",\n,,\n",
        "\"never closed\n1,2\n3,4\n",
        "x,\"never closed\r\n",
        "x,\"closed at the end\"",
        "x,\"escaped at the end\"\"",
        "# a \"comment\n1,2\n#\n# b",
        "1,#2\n#\"\n\"#\n#\",3\n",
        "\u{feff}a,b\n\u{feff}c,d\n\u{feff}\"e\",f\n",
        "\u{feff}",
        ";';';''\n';\n';;\n",
        "\t\"\t\"\t\n",
    ] {
        for dialect in DIALECTS {
            check(text.as_bytes(), dialect);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_file_is_read_as_by_the_csv_crate(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "\"", "\"", "\"\"", "\n", "\r", "\r\n", ",", ",", ",\"", "\",", "\"\n", ";", "'",
                "';'", "a", "b", "#", "\n#", "\t", "é", "\0", "\u{feff}", "some longer text",
            ]),
            0..40,
        ),
        dialect in prop::sample::select(DIALECTS.to_vec()),
    ) {
        check(pieces.concat().as_bytes(), dialect);
    }

    #[test]
    fn any_bytes_are_read_as_by_the_csv_crate(
        bytes in prop::collection::vec(
            prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), b'0'..=0xfc],
            0..60,
        ),
    ) {
        check(&bytes, Dialect::default());
    }

    #[test]
    fn written_csv_reads_back(
        table in prop::collection::vec(prop::collection::vec("[a\",\r\n é]{0,6}", 3), 1..6),
        block in 1usize..50,
    ) {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(["x", "y", "z"]).unwrap();
        for row in &table {
            writer.write_record(row).unwrap();
        }
        let folder = Folder::new();
        let plan = plan(&folder.file(writer.into_inner().unwrap()));
        let read: Vec<_> =
            rows_with(&plan, limits(block)).into_iter().map(|row| row.unwrap().1).collect();
        prop_assert_eq!(read, table);
    }
}

#[test]
fn a_comment_ends_with_its_line_also_at_a_lone_carriage_return() {
    let dialect = Dialect { comment: Some(b'#'), ..Dialect::default() };
    let found = check(b"# one\r1,2\r# two\r3,4\r", dialect);
    assert_eq!(found.iter().map(|each| each.line).collect::<Vec<_>>(), [2, 4]);
}
