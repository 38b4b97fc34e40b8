//! The whole way from a file to its rows, with blocks of every size.

mod boundaries;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::csv::{CsvPlan, CsvSpec};
use super::sample::{decode_sample, read_sample};
use super::*;
use crate::diagnostic::{Class, Code, Problem};
use crate::domain::{RawCells as _, Rejection, Written};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("extract.csv");
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn spec(path: &Path) -> CsvSpec {
    CsvSpec { path: path.to_str().unwrap().into(), ..CsvSpec::default() }
}

fn plan(path: &Path) -> CsvPlan {
    spec(path).resolve(Path::new("")).unwrap()
}

fn limits(block: usize) -> Limits {
    Limits { block, ..Limits::default() }
}

type Rows = Vec<Result<(u64, Vec<String>), Rejection>>;

fn rows_with(plan: &CsvPlan, limits: Limits) -> Rows {
    let (mut blocks, mut parser) =
        SourcePlan::from(plan.clone()).open_with(limits, &[]).unwrap().blocks();
    let mut rows = Rows::new();
    while let Some(block) = blocks.next_block().unwrap() {
        parser.parse(&block, &mut |row| {
            let row = row.map_err(|unusable| unusable.rejection);
            rows.push(row.map(|row| {
                let text = |at| String::from_utf8(row.cell(at).to_vec()).unwrap();
                (row.line, (0..row.len()).map(text).collect())
            }));
        });
    }
    rows
}

fn rows(plan: &CsvPlan) -> Rows {
    let rows = rows_with(plan, Limits::default());
    for block in [1, 2, 3, 7, 64] {
        assert_eq!(rows_with(plan, limits(block)), rows, "blocks of {block}");
    }
    rows
}

fn good(line: u64, cells: &[&str]) -> Result<(u64, Vec<String>), Rejection> {
    Ok((line, cells.iter().map(|&cell| cell.to_owned()).collect()))
}

fn rejected(row: &Result<(u64, Vec<String>), Rejection>) -> (Code, u64, &str) {
    let rejection = row.as_ref().unwrap_err();
    (rejection.code, rejection.line, &rejection.message)
}

fn refused(plan: &CsvPlan) -> Problem {
    let problem = SourcePlan::from(plan.clone()).open(&[]).err().unwrap();
    assert_eq!(problem.class, Class::Source);
    assert!(problem.help.is_some(), "{problem}");
    problem
}

#[test]
fn a_record_may_be_much_larger_than_a_block() {
    let folder = Folder::new();
    let huge = "\"line\n\"\"".repeat(300_000).replace("\"line", "line");
    let text = format!("x,y\n1,2\n\"{huge}\",3\n4,5\n");
    let plan = plan(&folder.file(&text));
    let read = rows_with(&plan, limits(1000));
    assert_eq!(read, rows_with(&plan, Limits::default()));
    assert_eq!(read.len(), 3);
    assert_eq!(read[1].as_ref().unwrap().1[0], huge.replace("\"\"", "\""));
    assert_eq!(read[2], good(300_004, &["4", "5"]));
}

#[test]
fn a_record_without_end_is_refused_with_the_line_of_its_beginning() {
    let folder = Folder::new();
    let path = folder.file(format!("x,y\n1,2\n\n\"3,4\n{}", "5,6\n".repeat(1000)));
    let plan = SourcePlan::from(plan(&path));
    for block in [1, 10, 10_000] {
        let opened = plan.open_with(Limits { block, record: 300 }, &[]).unwrap();
        let (mut blocks, _) = opened.blocks();
        let problem = loop {
            match blocks.next_block() {
                Ok(block) => assert!(block.is_some()),
                Err(problem) => break problem,
            }
        };
        assert_eq!(problem.code, Code::RecordTooLong);
        assert_eq!(problem.place.unwrap().line, 4);
        assert!(problem.help.unwrap().contains("quote"));
    }
}

#[test]
fn the_header_names_the_columns() {
    let folder = Folder::new();
    let path = folder.file("\n\"a\nb\",c,c,\n1,2,3,4\n");
    let opened = SourcePlan::from(plan(&path)).open(&[]).unwrap();
    assert_eq!(opened.columns(), ["a\nb", "c", "c", ""]);
    assert_eq!(opened.size(), 20);
    assert_eq!(rows(&plan(&path)), [good(4, &["1", "2", "3", "4"])]);
}

#[test]
fn without_a_header_columns_are_counted_or_named() {
    let folder = Folder::new();
    let path = folder.file("1,2\n3,4\n");
    let both = [good(1, &["1", "2"]), good(2, &["3", "4"])];
    let counted = CsvSpec { header: Some(Written(false)), ..spec(&path) };
    let named = CsvSpec { columns: Some(vec!["x".into(), "y".into()]), ..counted.clone() };
    let counted = counted.resolve(Path::new("")).unwrap();
    assert_eq!(SourcePlan::from(counted.clone()).open(&[]).unwrap().columns(), ["#1", "#2"]);
    assert_eq!(rows(&counted), both);
    let named = named.resolve(Path::new("")).unwrap();
    assert_eq!(SourcePlan::from(named.clone()).open(&[]).unwrap().columns(), ["x", "y"]);
    assert_eq!(rows(&named), both);

    folder.file("");
    assert_eq!(refused(&counted).code, Code::NoHeader);
    assert_eq!(rows(&named), []);
}

#[test]
fn lines_before_the_header_are_skipped_whatever_they_hold() {
    let folder = Folder::new();
    let path = folder.file("Report \"x\r\n\r\nas of today\n# c\nx,y\n1,2\n");
    let plan = CsvSpec { skip_rows: Some(Written(3)), comment: Some("#".into()), ..spec(&path) };
    let plan = plan.resolve(Path::new("")).unwrap();
    for block in [1, 5, 1000] {
        let opened = SourcePlan::from(plan.clone()).open_with(limits(block), &[]).unwrap();
        assert_eq!(opened.columns(), ["x", "y"]);
    }
    assert_eq!(rows(&plan), [good(6, &["1", "2"])]);
    let plan = CsvPlan { skip_rows: 100, ..plan };
    assert_eq!(refused(&plan).code, Code::NoHeader);
}

#[test]
fn a_file_needs_a_header_but_no_rows() {
    let folder = Folder::new();
    for text in ["x,y", "x,y\n", "x,y\r\n\r\n"] {
        assert_eq!(rows(&plan(&folder.file(text))), []);
    }
    for text in ["", "\n\n", "\u{feff}", "\r"] {
        let problem = refused(&plan(&folder.file(text)));
        assert_eq!(problem.code, Code::NoHeader);
    }
    assert_eq!(refused(&plan(&folder.file("x,\"y\n1,2\n"))).code, Code::BadHeader);
}

#[test]
fn rows_that_cannot_take_part_are_given_with_their_place_and_text() {
    let folder = Folder::new();
    let mut bytes = b"x,y\n1,2\n1\n1,2,3\r\n\"1\n\",caf\xe9\n1,\"a\"\"\0\"\n3,4\n".to_vec();
    bytes.extend_from_slice(b"5,\"6\n7,8\n9,10");
    let rows = rows(&plan(&folder.file(&bytes)));
    assert_eq!(rows[0], good(2, &["1", "2"]));
    assert_eq!(rejected(&rows[1]), (Code::RaggedRow, 3, "1 field where the header has 2"));
    assert_eq!(rejected(&rows[2]), (Code::RaggedRow, 4, "3 fields where the header has 2"));
    assert_eq!(rows[2].as_ref().unwrap_err().text, "1,2,3");
    let (code, line, message) = rejected(&rows[3]);
    assert_eq!((code, line), (Code::BadEncoding, 5));
    assert!(message.starts_with("column `y`: byte 4 (0xE9) is not UTF-8; set `encoding:`"));
    assert_eq!(rows[3].as_ref().unwrap_err().text, "\"1\n\",caf\u{fffd}");
    let (code, line, message) = rejected(&rows[4]);
    assert_eq!((code, line), (Code::NulByte, 7));
    assert!(message.starts_with("column `y`: byte 3 is NUL"));
    assert_eq!(rows[5], good(8, &["3", "4"]));
    let (code, line, message) = rejected(&rows[6]);
    assert_eq!((code, line), (Code::UnclosedQuote, 9));
    assert!(
        message.ends_with(
            "never closed; the 2 lines after it are not part of it: each is read as a row"
        ),
        "{message}"
    );
    assert_eq!(rows[6].as_ref().unwrap_err().text, "5,\"6");
    assert_eq!(rows[7..], [good(10, &["7", "8"]), good(11, &["9", "10"])]);
}

#[test]
fn a_stray_quote_joins_no_rows() {
    let folder = Folder::new();
    // Quotes that are not doubled, in two rows: the text between them belongs to neither row's cells.
    let text = "id,what,n\nK1,\"pipe 12\"\",1\nK2,item,2\n\nK3,\"cable 3\"\",3\nK4,item,4\n";
    let rows = rows(&plan(&folder.file(text)));
    let (code, line, message) = rejected(&rows[0]);
    assert_eq!((code, line), (Code::StrayQuote, 2));
    assert!(message.contains("the 3 lines after it"), "{message}");
    assert_eq!(rows[1], good(3, &["K2", "item", "2"]));
    assert_eq!((rejected(&rows[2]).0, rejected(&rows[2]).1), (Code::UnclosedQuote, 5));
    assert_eq!(rows[3..], [good(6, &["K4", "item", "4"])]);

    // Closed by accident where the number of fields is right again.
    let text = "id,what,n\nK1,\"pipe,1\nK2,\"b\" c,2\nK3,item 3\",3\nK4,item,4\n";
    let rows = self::rows(&plan(&folder.file(text)));
    let found: Vec<_> =
        rows.iter().map(|row| row.as_ref().map_or_else(|error| error.line, |row| row.0)).collect();
    assert_eq!(found, [2, 3, 4, 5], "{rows:?}");
    assert_eq!(rows[2], good(4, &["K3", "item 3\"", "3"]));
    assert_eq!(rows[3], good(5, &["K4", "item", "4"]));
    let text = "id,what,n\nK1,\"pipe,1\nK2,item 3\",3\nK4,item,4\n";
    let rows = self::rows(&plan(&folder.file(text)));
    assert_eq!(rejected(&rows[0]).0, Code::StrayQuote);
    assert_eq!(rejected(&rows[1]).0, Code::StrayQuote);
    assert_eq!(rows[2], good(4, &["K4", "item", "4"]));

    // One line only.
    let rows = self::rows(&plan(&folder.file("x,y\n\"a\"b,1\n\"a\" ,2\n")));
    assert_eq!(
        rejected(&rows[0]),
        (
            Code::StrayQuote,
            2,
            "text follows the closing \" of field 1; a \" within a quoted field is written twice"
        )
    );
    assert_eq!(rows[1], good(3, &["a ", "2"]));
}

#[test]
fn a_text_of_several_lines_is_one_cell() {
    let folder = Folder::new();
    let text = "id,note\n1,\"Dear Sir,\n\nyours, me\"\nA,\"b, c\nd\"\n";
    let expected = [good(2, &["1", "Dear Sir,\n\nyours, me"]), good(5, &["A", "b, c\nd"])];
    assert_eq!(rows(&plan(&folder.file(text))), expected);
    let rows = rows(&plan(&folder.file("id,note,n\n1,\"Dear,\nSir\"\n")));
    let message = "2 fields where the header has 3; a quoted field makes it go on over 2 lines";
    assert_eq!(rejected(&rows[0]), (Code::RaggedRow, 2, message));
}

#[test]
fn a_mark_before_a_later_row_is_no_part_of_it() {
    let folder = Folder::new();
    let text = "\u{feff}x,y\n1,2\n\u{feff}3,4\r\n\u{feff}\"5\",6\n\u{feff}\n7,\u{feff}8\n\u{feff}";
    let expected = [
        good(2, &["1", "2"]),
        good(3, &["3", "4"]),
        good(4, &["5", "6"]),
        good(6, &["7", "\u{feff}8"]),
    ];
    assert_eq!(rows(&plan(&folder.file(text))), expected);
}

#[test]
fn rows_of_another_width_are_read_if_allowed() {
    let folder = Folder::new();
    let path = folder.file("x,y\n1,2,,\n1,2,3\n1,2,,4\n5\n");
    let plain = rows(&plan(&path));
    assert!(plain.iter().all(Result::is_err));
    assert!(rejected(&plain[0]).2.contains("ignore_empty_extras"), "{plain:?}");
    let extras = CsvSpec { ignore_empty_extras: Some(Written(true)), ..spec(&path) };
    let read = rows(&extras.resolve(Path::new("")).unwrap());
    assert_eq!(read[0], good(2, &["1", "2"]));
    assert!(read[1..].iter().all(Result::is_err));
    let short = CsvSpec { pad_short_rows: Some(Written(true)), ..spec(&path) };
    let read = rows(&short.resolve(Path::new("")).unwrap());
    assert!(read[..3].iter().all(Result::is_err));
    assert_eq!(read[3].as_ref().unwrap().0, 5);
}

#[test]
fn a_footer_is_not_read() {
    let folder = Folder::new();
    let footer = |text: &str, rows: u64| {
        let path = folder.file(text);
        let spec = CsvSpec { skip_footer: Some(Written(rows)), ..spec(&path) };
        self::rows(&spec.resolve(Path::new("")).unwrap())
    };
    let text = "x,y\n1,2\n3,\"4\"\nTotal\n\nend,,\n\n";
    let both = [good(2, &["1", "2"]), good(3, &["3", "4"])];
    assert_eq!(footer(text, 2), both);
    assert_eq!(footer(text, 3), both[..1]);
    assert_eq!(footer(text, 4), []);
    assert_eq!(footer(text, 5), []);
    assert_eq!(footer("x,y\n1,2\n3,\"4\"\nTotal 1 \"", 1), both);
    // A record over several lines is never skipped: it may have swallowed rows.
    let swallowed = footer("x,y\n1,2\n3,\"4\n5,6\n7,8\n", 1);
    assert_eq!(swallowed[0], both[0]);
    assert_eq!(rejected(&swallowed[1]).0, Code::UnclosedQuote);
    assert_eq!(swallowed.len(), 4);
    let spec = CsvSpec { skip_footer: Some(Written(1_001)), ..spec(Path::new("x")) };
    assert_eq!(spec.resolve(Path::new("")).unwrap_err()[0].problem.code, Code::FooterTooLong);
}

#[test]
fn the_text_of_a_rejected_row_is_clipped() {
    let folder = Folder::new();
    let rows = rows(&plan(&folder.file(format!("x,y\n{}\n", "é".repeat(3000)))));
    assert_eq!(rows[0].as_ref().unwrap_err().text.len(), Rejection::MAX_TEXT);
}

fn in_encoding(path: &Path, label: &str) -> CsvPlan {
    CsvSpec { encoding: Some(label.into()), ..spec(path) }.resolve(Path::new("")).unwrap()
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn other_encodings_are_decoded() {
    let folder = Folder::new();
    let path = folder.file(b"name,amount\r\nCaf\xe9 \x80,1\r\n");
    let cafe = [good(2, &["Café €", "1"])];
    assert_eq!(rows(&in_encoding(&path, "windows-1252")), cafe);
    assert_eq!(rows(&in_encoding(&path, "latin1")), cafe);

    let text = "name,amount\nCafé €,1\n\"😀,\n\",2\n";
    let expected = [good(2, &["Café €", "1"]), good(3, &["😀,\n", "2"])];
    for mark in ["", "\u{feff}"] {
        let text = format!("{mark}{text}");
        folder.file(utf16(&text, u16::to_le_bytes));
        assert_eq!(rows(&in_encoding(&path, "utf-16le")), expected);
        assert_eq!(rows(&in_encoding(&path, "utf-16")), expected);
        folder.file(utf16(&text, u16::to_be_bytes));
        assert_eq!(rows(&in_encoding(&path, "utf-16be")), expected);
        folder.file(&text);
        assert_eq!(rows(&plan(&path)), expected);
    }
}

#[test]
fn the_decoder_goes_on_over_the_ends_of_its_input() {
    let folder = Folder::new();
    let many = "é€😀,x\n".repeat(50_000);
    let path = folder.file(utf16(&format!("a,b\n{many}"), u16::to_le_bytes));
    let rows = rows_with(&in_encoding(&path, "utf-16le"), limits(1000));
    assert_eq!(rows.len(), 50_000);
    assert!(rows.iter().all(|row| row.as_ref().unwrap().1 == ["é€😀", "x"]));
}

#[test]
fn bytes_outside_the_encoding_reject_the_row() {
    let folder = Folder::new();
    let path = folder.file(b"x,y\n\x82\xa0,1\n\x82,2\na\xff,3\nb,4\n\x82");
    let rows = rows(&in_encoding(&path, "shift_jis"));
    assert_eq!(rows[0], good(2, &["あ", "1"]));
    assert_eq!(rejected(&rows[1]).0, Code::BadEncoding);
    assert!(rejected(&rows[1]).2.contains("is not Shift_JIS"));
    assert_eq!(rejected(&rows[2]).0, Code::BadEncoding);
    assert_eq!(rows[3], good(5, &["b", "4"]));
    assert_eq!(rejected(&rows[4]).0, Code::RaggedRow);
    assert_eq!(rows.len(), 5);
    // Half a unit at the end is not forgotten either.
    let mut bytes = utf16("x\n1\n", u16::to_le_bytes);
    bytes.push(b'2');
    folder.file(bytes);
    let rows = self::rows(&in_encoding(&path, "utf-16le"));
    assert_eq!(rows[0], good(2, &["1"]));
    assert_eq!(rejected(&rows[1]).0, Code::BadEncoding);
}

#[test]
fn a_byte_order_mark_of_another_encoding_is_a_clear_error() {
    let folder = Folder::new();
    let path = folder.file(utf16("\u{feff}x,y\n", u16::to_le_bytes));
    let problem = refused(&plan(&path));
    assert_eq!(problem.code, Code::WrongEncoding);
    assert_eq!(problem.help.unwrap(), "set `encoding: utf-16le`");
    assert_eq!(refused(&in_encoding(&path, "utf-16be")).code, Code::WrongEncoding);
    folder.file("\u{feff}x,y\n");
    assert_eq!(refused(&in_encoding(&path, "latin1")).help.unwrap(), "set `encoding: utf-8`");
    folder.file(utf16("x,y\n", u16::to_le_bytes));
    assert!(refused(&plan(&path)).help.unwrap().contains("utf-16le"));
    folder.file(b"caf\xe9,y\n");
    assert!(refused(&plan(&path)).message.contains("column 1"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn sum(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_archive_has_a_bounded_number_of_files() {
    let folder = Folder::new();
    let archive = |members: usize, width: usize| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        for number in 0..members {
            writer.start_file(format!("{number:0width$}.csv"), options).unwrap();
            writer.write_all(b"x,y\n1,2\n").unwrap();
        }
        folder.file(writer.finish().unwrap().into_inner())
    };
    assert_eq!(rows_with(&plan(&archive(30, 60_000)), Limits::default()).len(), 30);
    let few = refused(&plan(&archive(20_001, 8)));
    assert_eq!(few.code, Code::TooManyFiles);
    assert!(few.message.contains("20001 files, more than 20000"), "{}", few.message);
    let long = refused(&plan(&archive(300, 60_000)));
    assert_eq!((long.code, long.message.contains("16 MiB")), (Code::TooManyFiles, true));
}

#[test]
fn compressed_files_are_read_as_they_are() {
    let folder = Folder::new();
    let text = format!("\u{feff}x,y\n{}", "1,\"2\n\"\n".repeat(1000));
    let expected = rows_with(&plan(&folder.file(&text)), Limits::default());
    assert_eq!(expected.len(), 1000);
    let (left, right) = text.as_bytes().split_at(1234);
    let zstd = |bytes| zstd::encode_all(bytes, 1).unwrap();
    for bytes in [
        gzip(text.as_bytes()),
        [gzip(left), gzip(right)].concat(),
        zstd(text.as_bytes()),
        [zstd(left), zstd(right)].concat(),
    ] {
        let plan = plan(&folder.file(&bytes));
        assert_eq!(rows_with(&plan, limits(100)), expected);
        let (mut blocks, _) = SourcePlan::from(plan.clone()).open(&[]).unwrap().blocks();
        let mut disk_bytes = 0;
        while let Some(block) = blocks.next_block().unwrap() {
            disk_bytes += block.disk_bytes();
        }
        assert_eq!(disk_bytes, bytes.len() as u64);
        let digest = blocks.finish().unwrap();
        assert_eq!(digest.sha256, sum(&bytes));
        assert_eq!(digest.bytes, bytes.len() as u64);

        // Half of it is an error, not half of the rows.
        folder.file(&bytes[..bytes.len() / 2]);
        let problem = match SourcePlan::from(plan).open(&[]) {
            Err(problem) => problem,
            Ok(opened) => {
                let (mut blocks, _) = opened.blocks();
                loop {
                    match blocks.next_block() {
                        Ok(block) => assert!(block.is_some()),
                        Err(problem) => break problem,
                    }
                }
            }
        };
        assert_eq!((problem.class, problem.code), (Class::Source, Code::SourceUnreadable));
        assert!(problem.help.unwrap().contains("incomplete"));
    }
}

#[test]
fn the_digest_covers_the_bytes_on_disk() {
    let folder = Folder::new();
    let text = format!("\u{feff}x,y\n{}", "1,2\n".repeat(100_000));
    let path = folder.file(&text);
    for blocks_read in [0, 1, usize::MAX] {
        let (mut blocks, _) =
            SourcePlan::from(plan(&path)).open_with(limits(1000), &[]).unwrap().blocks();
        for _ in 0..blocks_read {
            if blocks.next_block().unwrap().is_none() {
                break;
            }
        }
        let digest = blocks.finish().unwrap();
        assert_eq!(digest.files.len(), 1);
        assert_eq!(
            (digest.path, digest.bytes, digest.sha256),
            (path.clone(), 400_007, sum(text.as_bytes()))
        );
    }
}

#[test]
fn an_unreadable_file_is_an_error_that_names_its_form() {
    let folder = Folder::new();
    folder.file("");
    let missing = refused(&plan(&folder.0.path().join("extrakt.csv")));
    assert_eq!(missing.code, Code::SourceUnreadable);
    assert_eq!(missing.help.unwrap(), "did you mean `extract.csv`?");
    let missing = refused(&plan(&folder.0.path().join("no/such/folder")));
    assert!(missing.message.starts_with("cannot open the file"));
    let problem = refused(&plan(folder.0.path()));
    assert_eq!(problem.message, "this is a folder, not a file");
    assert_eq!(problem.place.unwrap().file, folder.0.path());
    let path = folder.file(b"PK\x03\x04....");
    assert_eq!(refused(&plan(&path)).code, Code::BadArchive);
    let path = folder.file(b"\xd0\xcf\x11\xe0....");
    assert_eq!(refused(&plan(&path)).code, Code::SourceNotText);
}

#[test]
fn a_record_is_found_by_its_line() {
    let folder = Folder::new();
    let path = folder.file("x,y\n1,\"2\n3\"\n\n4\n5,6");
    let plan = SourcePlan::from(plan(&path));
    let columns = ["x".to_owned(), "y".to_owned()];
    let record = |line| read_record(&plan, "", (line, 0), &columns, &Fill::default()).unwrap();
    let cells = |line| -> Option<Vec<String>> {
        record(line).map(|record| record.cells.into_iter().map(Option::unwrap).collect())
    };
    assert_eq!(cells(2).unwrap(), ["1", "2\n3"]);
    assert_eq!(cells(5).unwrap(), ["4"]);
    assert_eq!(cells(6).unwrap(), ["5", "6"]);
    for line in [0, 1, 3, 4, 7, 1000] {
        assert_eq!(cells(line), None, "{line}");
    }
    assert_eq!(record(6).unwrap().columns, ["x", "y"]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_no_source() {
    let folder = Folder::new();
    let text = format!("x,y\n{}", "1,2\n".repeat(1000));
    let ending = |change: &dyn Fn(&std::path::Path)| {
        let path = folder.file(&text);
        let (mut blocks, _) =
            SourcePlan::from(plan(&path)).open_with(limits(100), &[]).unwrap().blocks();
        blocks.next_block().unwrap();
        change(&path);
        while blocks.next_block().unwrap().is_some() {}
        blocks.finish()
    };
    for size in [0, 500, 10_000] {
        let problem = ending(&|path| {
            std::fs::File::options().write(true).open(path).unwrap().set_len(size).unwrap();
        });
        let problem = problem.unwrap_err();
        assert_eq!(problem.code, Code::SourceChanged, "{size}");
        assert!(problem.message.contains(&format!("4004 bytes and has {size}")), "{problem}");
    }
    // Another file of this name, or none, changes nothing for who reads this one.
    ending(&|path| std::fs::remove_file(path).unwrap()).unwrap();
    let other = folder.0.path().join("other");
    std::fs::write(&other, "x").unwrap();
    ending(&|path| std::fs::rename(&other, path).unwrap()).unwrap();
}

#[test]
fn work_can_be_spread_over_threads() {
    fn movable<T: Send>() {}
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    movable::<Opened>();
    movable::<Blocks>();
    movable::<Block>();
    shared::<BlockParser>();
    shared::<SourcePlan>();
}

#[test]
fn buffers_are_used_again() {
    let folder = Folder::new();
    let path = folder.file(format!("x,y\n{}", "1,2\n".repeat(1000)));
    let (mut blocks, _) =
        SourcePlan::from(plan(&path)).open_with(limits(100), &[]).unwrap().blocks();
    let mut buffers = std::collections::HashSet::new();
    while let Some(block) = blocks.next_block().unwrap() {
        buffers.insert(block.text().unwrap().bytes().as_ptr());
    }
    assert!(buffers.len() <= 3, "{}", buffers.len());
}

#[test]
fn a_sample_guesses_the_encoding() {
    let folder = Folder::new();
    let path = folder.file("é,é");
    let sample = read_sample(&path, 4).unwrap();
    assert_eq!(
        (sample.text.as_str(), sample.encoding.as_str(), sample.whole),
        ("é,", "utf-8", false)
    );
    let sample = read_sample(&path, 5).unwrap();
    assert_eq!((sample.text.as_str(), sample.whole), ("é,é", true));
    folder.file(gzip(b"caf\xe9"));
    let sample = read_sample(&path, 100).unwrap();
    assert_eq!((sample.text.as_str(), sample.encoding.as_str()), ("café", "windows-1252"));
    let (text, encoding) = decode_sample(&utf16("\u{feff}é", u16::to_le_bytes), true);
    assert_eq!((text.as_str(), encoding.name()), ("é", "UTF-16LE"));
    assert_eq!(decode_sample(b"a\xc3", true).0, "aÃ");
    assert_eq!(decode_sample(b"a\xc3", false).0, "a");
}
