//! Workbooks in ways of writing that their reader does not know, rewritten in one that it knows. Each function gives
//! nothing where there is nothing to rewrite, or where the archive is damaged, which the reader itself reports.

use std::io::{Cursor, Read as _, Write as _};

use memchr::memmem;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::formats::{BRT_ROW_HDR, u32_at, xlsb_records};

/// The archive with the members whose names begin with `prefix` rewritten; `None` of `rewrite` leaves one as it is.
fn members(
    bytes: &[u8],
    prefix: &str,
    rewrite: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut rewritten = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).ok()?;
        if member.name().ok()?.starts_with(prefix) {
            let mut content = Vec::new();
            member.read_to_end(&mut content).ok()?;
            rewritten.extend(rewrite(&content).map(|content| (index, content)));
        }
    }
    if rewritten.is_empty() {
        return None;
    }
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut rewritten = rewritten.into_iter().peekable();
    for index in 0..archive.len() {
        let member = archive.by_index(index).ok()?;
        match rewritten.next_if(|(at, _)| *at == index) {
            Some((_, content)) => {
                writer.start_file(member.name().ok()?.into_owned(), stored).ok()?;
                writer.write_all(&content).ok()?;
            }
            None => writer.raw_copy_file(member).ok()?,
        }
    }
    Some(writer.finish().ok()?.into_inner())
}

/// An xlsx with the errors of its cells (`t="e"`) as texts: the reader knows those of older versions only.
pub fn errors_as_texts(bytes: &[u8]) -> Option<Vec<u8>> {
    members(bytes, "xl/worksheets/", |xml| {
        let mut out = Vec::with_capacity(xml.len());
        let mut from = 0;
        for at in memmem::find_iter(xml, "t=\"e\"") {
            // Only within a tag: its `<` is nearer than any `>`.
            let is_in_tag =
                memchr::memrchr2(b'<', b'>', &xml[..at]).is_some_and(|it| xml[it] == b'<');
            if is_in_tag && xml[at - 1] == b' ' {
                out.extend_from_slice(&xml[from..at]);
                out.extend_from_slice(b"t=\"str\"");
                from = at + 5;
            }
        }
        out.extend_from_slice(&xml[from..]);
        Some(out)
    })
}

/// An ods without the white space between its cells, which some programs write for people to read.
pub fn without_indents(bytes: &[u8]) -> Option<Vec<u8>> {
    members(bytes, "content.xml", |xml| {
        let mut out = Vec::with_capacity(xml.len());
        for part in xml.split_inclusive(|byte| *byte == b'>') {
            let text = part.trim_ascii_start();
            let is_of_table = text.starts_with(b"<table:") || text.starts_with(b"</table:");
            out.extend_from_slice(if is_of_table { text } else { part });
        }
        Some(out)
    })
}

/// How much higher the kind of a short cell is than that of the same cell with its column before it
/// (\[MS-XLSB\] 2.3.2, BrtShortBlank to BrtShortIsst).
const SHORT: u16 = 11;

/// An xlsb in which every cell names its column: the reader skips short ones, which stand right of the cell before.
pub fn full_cells(bytes: &[u8]) -> Option<Vec<u8>> {
    members(bytes, "xl/worksheets/", |sheet| {
        let is_short = |kind: u16| (12..=18).contains(&kind);
        if !xlsb_records(sheet).any(|(kind, _)| is_short(kind)) {
            return None;
        }
        let mut out = Vec::with_capacity(sheet.len() * 3 / 2);
        let mut column = 0u32;
        for (kind, data) in xlsb_records(sheet) {
            match kind {
                BRT_ROW_HDR => column = 0,
                1..=11 => column = u32_at(data, 0)?.wrapping_add(1),
                _ => {}
            }
            if is_short(kind) {
                header(kind - SHORT, data.len() + 4, &mut out);
                out.extend_from_slice(&column.to_le_bytes());
                column = column.wrapping_add(1);
            } else {
                header(kind, data.len(), &mut out);
            }
            out.extend_from_slice(data);
        }
        Some(out)
    })
}

/// The kind and the length of a record, each with seven bits in a byte.
fn header(kind: u16, length: usize, out: &mut Vec<u8>) {
    for mut number in [usize::from(kind), length] {
        while number > 0x7f {
            out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
}
