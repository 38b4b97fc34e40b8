//! Recognizes files that are not delimited text, and says how to get a CSV from them. Files
//! recognizable by a few bytes are handled where files are opened.

use std::path::Path;

use crate::diagnostic::{Code, Problem};

/// Names of the kinds that [`kind_of`] recognizes and recon reads.
pub const JSON: &str = "JSON";
pub const CAMT: &str = "a bank statement in XML (camt)";
pub const MT940: &str = "an MT940 statement";
pub const BAI2: &str = "a BAI2 statement";

/// How much of a file is inspected.
const LOOKED_AT: usize = 4_096;

/// The kind of a text that is not delimited, and the remedy.
pub fn kind_of(text: &str) -> Option<(&'static str, &'static str)> {
    const STATEMENT: &str =
        "ask the bank for a CSV statement, or convert it with the bank's software";
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let head: String = text.chars().take(LOOKED_AT).collect();
    let lower = head.to_lowercase();
    let has_line = |start: &str| head.lines().any(|line| line.starts_with(start));
    if head.starts_with("OFXHEADER") || lower.contains("<ofx>") || head.contains("<?OFX") {
        return Some(("an OFX statement", STATEMENT));
    }
    if head.starts_with("!Type:") || head.starts_with("!Account") {
        return Some(("a QIF file", "export CSV instead of QIF"));
    }
    let is_swift = (head.starts_with(":20:") || head.starts_with("{1:") || has_line(":20:"))
        && (has_line(":60F:") || has_line(":60M:") || has_line(":61:") || has_line(":25:"));
    if is_swift {
        return Some((MT940, STATEMENT));
    }
    if head.starts_with("01,") && has_line("02,") && head.lines().any(|line| line.ends_with('/')) {
        return Some((BAI2, STATEMENT));
    }
    if head.starts_with("UNA:+") || head.starts_with("UNB+") {
        return Some(("an EDIFACT message", "ask for CSV, or convert it"));
    }
    if head.starts_with("ISA*") {
        return Some(("an X12 message", "ask for CSV, or convert it"));
    }
    if lower.starts_with("<!doctype html")
        || ["<html", "<table", "<head", "<body", "<meta", "<div"]
            .iter()
            .any(|tag| lower.starts_with(tag))
        || (lower.starts_with('<') && lower.contains("<html"))
    {
        return Some((
            "a web page (HTML), despite its name",
            "open it in a spreadsheet and save the sheet as CSV",
        ));
    }
    let is_xml = lower.starts_with("<?xml")
        || (head.starts_with('<')
            && head.chars().nth(1).is_some_and(|c| c.is_alphabetic() || c == '!')
            && head.contains('>'));
    if is_xml {
        return Some(if lower.contains("bktocstmr") || lower.contains("camt.05") {
            (CAMT, STATEMENT)
        } else if lower.contains("office:spreadsheet") {
            ("an Excel workbook in XML", "save the sheet as CSV")
        } else {
            ("XML", "convert its records to CSV first")
        });
    }
    is_json(&head).then_some((
        JSON,
        "convert it to CSV first, for example: duckdb -csv -c \"FROM 'x.json'\" > x.csv",
    ))
}

/// Whether it starts like JSON; `[id],[amount]` is a SQL Server header.
fn is_json(head: &str) -> bool {
    let after = |text: &str| text.trim_start().chars().next();
    match head.chars().next() {
        Some('{') => matches!(after(head.get(1..).unwrap_or_default()), Some('"' | '}')),
        Some('[') => {
            let inner = head.get(1..).unwrap_or_default();
            match after(inner) {
                Some('{' | '[') => true,
                Some('"') => inner.contains("\",") || inner.contains("\"]"),
                Some(']') => true,
                _ => false,
            }
        }
        _ => false,
    }
}

/// Whether this is no text in any encoding. Tables have hardly any control characters; of random bytes every
/// eighth is one, and programs are full of NUL.
fn is_binary(text: &str) -> bool {
    let is_odd = |c: char| (c.is_control() && !"\t\n\r\u{c}\u{1a}".contains(c)) || c == '\u{fffd}';
    let (odd, all) = text
        .chars()
        .take(LOOKED_AT)
        .fold((0, 0), |(odd, all), c| (odd + usize::from(is_odd(c)), all + 1));
    odd >= 4 && odd * 20 > all
}

/// Rejects a file that is known not to be delimited text.
pub fn check(path: &Path, text: &str) -> Result<(), Problem> {
    if is_binary(text) {
        return Err(Problem::new(Code::SourceNotText, "this is binary data, not text")
            .in_file(path)
            .help("name the right file, or export the list as CSV"));
    }
    match kind_of(text) {
        None => Ok(()),
        Some((what, help)) => {
            Err(Problem::new(Code::SourceNotDelimited, format!("this is {what}, not CSV"))
                .in_file(path)
                .help(help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_data_is_no_table() {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let bytes: Vec<u8> = (0..=255).collect();
        assert!(is_binary(&text(&bytes)));
        assert!(is_binary(&text(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0")));
        for table in
            ["id\u{1f}v\n1\u{1f}x\n", "id,v\r\n1,M\u{fffd}ller\r\n", "", "\u{1a}", "id;\u{200b}v\n"]
        {
            assert!(!is_binary(table), "{table:?}");
        }
    }

    #[test]
    fn other_file_kinds_are_recognized() {
        for (text, what) in [
            ("[{\"id\":1}]", "JSON"),
            ("\u{feff}\n {\"id\": 1}\n{\"id\": 2}", "JSON"),
            ("OFXHEADER:100\nDATA:OFXSGML", "OFX"),
            ("<?xml version=\"1.0\"?><OFX><A>", "OFX"),
            (":20:STARTUMS\n:25:1/2\n:60F:C240101EUR1,00", "MT940"),
            ("{1:F01BANK}{2:I940}{4:\n:20:X\n:25:1\n", "MT940"),
            ("<!DOCTYPE html><html>", "HTML"),
            ("<table><tr><td>1", "HTML"),
            ("<?xml version=\"1.0\"?><Document><BkToCstmrStmt>", "camt"),
            ("<Records><Record id=\"1\"/></Records>", "XML"),
            ("!Type:Bank\nD1/1/26\n", "QIF"),
            ("01,A,B,260101,1,1,,,2/\n02,C,D,1,260101,,,2/\n", "BAI2"),
        ] {
            assert!(kind_of(text).is_some_and(|(kind, _)| kind.contains(what)), "{text}");
        }
        for text in [
            "id,amount\n1,2\n",
            "[id],[amount]\n1,2\n",
            "{id};{amount}\n",
            "\"id\",\"amount\"\n",
            "<10,>10\n1,2\n",
            "01,5\n02,6\n",
            "",
        ] {
            assert_eq!(kind_of(text), None, "{text}");
        }
    }
}
