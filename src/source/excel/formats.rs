//! Formats of the cells of a sheet that show times, in workbooks whose reader does not give them: xls, xlsb and ods.
//! A damaged workbook gives no formats here; the reader itself reports the damage.

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read as _};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::times::Times;

/// Facts about a sheet's cells, by row and column, from 0.
#[derive(Debug, Default)]
pub struct Formats {
    /// The parts of a time that a cell shows.
    pub times: HashMap<(u32, u32), Times>,
    /// Formulas that were never calculated.
    pub no_result: HashSet<(u32, u32)>,
}

/// A format that every workbook knows by its number, if it shows times.
fn built_in(code: u16) -> Option<&'static str> {
    Some(match code {
        14 => "m/d/yy",
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 => "h:mm",
        21 => "h:mm:ss",
        22 => "m/d/yy h:mm",
        45 => "mm:ss",
        46 => "[h]:mm:ss",
        47 => "mm:ss.0",
        _ => return None,
    })
}

/// The parts of a time that the formats with these numbers show; none for a format that shows no times.
fn times_of(codes: &[u16], texts: &HashMap<u16, String>) -> Vec<Option<Times>> {
    let text = |code| texts.get(code).map(String::as_str).or_else(|| built_in(*code));
    codes.iter().map(|code| text(code).map(Times::of)).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
}

/// The records of an xls workbook (BIFF 5 and 8).
fn xls_stream(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).ok()?;
    let name = ["/Workbook", "/Book"].into_iter().find(|name| file.is_stream(name))?;
    let mut stream = Vec::new();
    file.open_stream(name).ok()?.read_to_end(&mut stream).ok()?;
    Some(stream)
}

/// True if an xls workbook is encrypted in any way: its reader mistakes the weakest one for plain content.
pub fn is_encrypted_xls(bytes: &[u8]) -> bool {
    xls_stream(bytes).is_some_and(|stream| {
        let head = biff_records(&stream).take_while(|(kind, _)| *kind != EOF);
        head.into_iter().any(|(kind, _)| kind == FILE_PASS)
    })
}

/// Of the sheet at this place of an xls workbook.
pub fn of_xls(bytes: &[u8], sheet: usize) -> Option<Formats> {
    let stream = xls_stream(bytes)?;
    let (mut texts, mut codes, mut sheets, mut is_biff8) = (HashMap::new(), vec![], vec![], true);
    for (kind, data) in biff_records(&stream) {
        match kind {
            BOF => is_biff8 = u16_at(data, 0)? >= 0x0600,
            FORMAT => {
                let text = biff_text(data.get(2..)?, is_biff8)?;
                texts.insert(u16_at(data, 0)?, text);
            }
            XF => codes.push(u16_at(data, 2)?),
            BOUND_SHEET => sheets.push(u32_at(data, 0)?),
            EOF => break,
            _ => {}
        }
    }
    let styles = times_of(&codes, &texts);
    let mut found = Formats::default();
    let (mut no_result, mut is_calculated) = (HashSet::new(), false);
    let mut add = |row: u16, column: u16, style: u16| {
        if let Some(times) = styles.get(usize::from(style)).copied().flatten() {
            found.times.insert((row.into(), column.into()), times);
        }
    };
    // Charts within the sheet are streams of their own.
    let mut depth = 0u32;
    for (kind, data) in biff_records(stream.get(usize::try_from(*sheets.get(sheet)?).ok()?..)?) {
        match kind {
            BOF => depth += 1,
            EOF if depth <= 1 => break,
            EOF => depth -= 1,
            NUMBER | RK | FORMULA if depth <= 1 => {
                let (row, column) = (u16_at(data, 0)?, u16_at(data, 2)?);
                add(row, column, u16_at(data, 4)?);
                if kind == FORMULA && is_blank_result(data) {
                    no_result.insert((row.into(), column.into()));
                } else if kind == FORMULA {
                    is_calculated = true;
                }
            }
            MUL_RK if depth <= 1 => {
                let (row, first) = (u16_at(data, 0)?, u16_at(data, 2)?);
                let cells = data.get(4..)?.chunks_exact(6);
                for (column, cell) in (first..).zip(cells) {
                    add(row, column, u16_at(cell, 0)?);
                }
            }
            _ => {}
        }
    }
    // An empty text and no result look the same; where no formula has a result, none was calculated.
    if !is_calculated {
        found.no_result = no_result;
    }
    Some(found)
}

fn is_blank_result(data: &[u8]) -> bool {
    data.get(6) == Some(&3) && data.get(12..14) == Some(&[0xff, 0xff])
}

const FORMULA: u16 = 0x0006;
const EOF: u16 = 0x000a;
const FILE_PASS: u16 = 0x002f;
const BOUND_SHEET: u16 = 0x0085;
const MUL_RK: u16 = 0x00bd;
const XF: u16 = 0x00e0;
const NUMBER: u16 = 0x0203;
const RK: u16 = 0x027e;
const FORMAT: u16 = 0x041e;
const BOF: u16 = 0x0809;

/// The records of a BIFF stream: kind and content.
fn biff_records(stream: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (kind, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        let data = rest.get(4..4 + length)?;
        rest = &rest[4 + length..];
        Some((kind, data))
    })
}

/// The text of a format. Letters that matter are ASCII in every code page.
fn biff_text(data: &[u8], is_biff8: bool) -> Option<String> {
    if !is_biff8 {
        let length = usize::from(*data.first()?);
        return Some(data.get(1..1 + length)?.iter().map(|byte| char::from(*byte)).collect());
    }
    let (length, is_wide) = (usize::from(u16_at(data, 0)?), data.get(2)? & 1 == 1);
    Some(match is_wide {
        true => utf16(data.get(3..3 + length * 2)?),
        false => data.get(3..3 + length)?.iter().map(|byte| char::from(*byte)).collect(),
    })
}

type Archive<'b> = ZipArchive<Cursor<&'b [u8]>>;

/// A part of a workbook that is a zip archive.
fn part(archive: &mut Archive<'_>, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    archive.by_name(name).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Of the sheet at this place of an xlsb workbook.
pub fn of_xlsb(bytes: &[u8], sheet: usize) -> Option<Formats> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let (mut texts, mut codes, mut is_cell) = (HashMap::new(), Vec::new(), false);
    for (kind, data) in xlsb_records(&part(&mut archive, "xl/styles.bin")?) {
        match kind {
            BRT_FMT => {
                texts.insert(u16_at(data, 0)?, wide(data.get(2..)?)?);
            }
            BRT_BEGIN_CELL_XFS => is_cell = true,
            BRT_END_CELL_XFS => is_cell = false,
            BRT_XF if is_cell => codes.push(u16_at(data, 2)?),
            _ => {}
        }
    }
    let styles = times_of(&codes, &texts);
    let workbook = part(&mut archive, "xl/workbook.bin")?;
    let mut sheets = xlsb_records(&workbook)
        .filter(|(kind, data)| *kind == BRT_BUNDLE_SH && u32_at(data, 8) != Some(u32::MAX));
    let relation = wide(sheets.nth(sheet)?.1.get(8..)?)?;
    let target = relation_target(&part(&mut archive, "xl/_rels/workbook.bin.rels")?, &relation)?;
    let name = match target.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("xl/{target}"),
    };
    let mut found = Formats::default();
    let mut row = 0;
    for (kind, data) in xlsb_records(&part(&mut archive, &name)?) {
        match kind {
            BRT_ROW_HDR => row = u32_at(data, 0)?,
            BRT_CELL_RK | BRT_CELL_REAL | BRT_FMLA_NUM => {
                let style = usize::try_from(u32_at(data, 4)? & 0x00ff_ffff).ok()?;
                if let Some(times) = styles.get(style).copied().flatten() {
                    found.times.insert((row, u32_at(data, 0)?), times);
                }
            }
            _ => {}
        }
    }
    Some(found)
}

pub(super) const BRT_ROW_HDR: u16 = 0x0000;
const BRT_CELL_RK: u16 = 0x0002;
const BRT_CELL_REAL: u16 = 0x0005;
const BRT_FMLA_NUM: u16 = 0x0009;
const BRT_FMT: u16 = 0x002c;
const BRT_XF: u16 = 0x002f;
const BRT_BUNDLE_SH: u16 = 0x009c;
const BRT_BEGIN_CELL_XFS: u16 = 0x0269;
const BRT_END_CELL_XFS: u16 = 0x026a;

/// The records of a part of an xlsb workbook: kind and content. Both numbers have 7 bits in a byte.
pub(super) fn xlsb_records(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    let number = |rest: &mut &[u8], most: usize| {
        let mut value = 0u32;
        for at in 0..most {
            let (byte, after) = rest.split_first()?;
            *rest = after;
            value |= u32::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(value)
    };
    std::iter::from_fn(move || {
        let kind = u16::try_from(number(&mut rest, 2)?).ok()?;
        let length = usize::try_from(number(&mut rest, 4)?).ok()?;
        let (data, after) = rest.split_at_checked(length)?;
        rest = after;
        Some((kind, data))
    })
}

/// A text with its length before it.
fn wide(data: &[u8]) -> Option<String> {
    let length = usize::try_from(u32_at(data, 0)?).ok()?;
    Some(utf16(data.get(4..length.checked_mul(2)?.checked_add(4)?)?))
}

fn relation_target(rels: &[u8], id: &str) -> Option<String> {
    let mut xml = Reader::from_reader(rels);
    let mut buffer = Vec::new();
    loop {
        match xml.read_event_into(&mut buffer).ok()? {
            Event::Start(start) | Event::Empty(start)
                if attribute(&start, "Id").as_deref() == Some(id) =>
            {
                return attribute(&start, "Target");
            }
            Event::Eof => return None,
            _ => {}
        }
        buffer.clear();
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|found| found.key.as_ref() == name)?;
    Some(quick_xml::escape::unescape(&found.value).ok()?.into_owned())
}

/// The styles of an ods workbook.
#[derive(Debug, Default)]
struct OdsStyles {
    /// The parts of a time that each format shows, by its name.
    formats: HashMap<String, Times>,
    /// The format of a cell style, and the style that it is derived from.
    cells: HashMap<String, (Option<String>, Option<String>)>,
}

impl OdsStyles {
    fn times(&self, style: Option<&String>) -> Option<Times> {
        let mut style = style?;
        // A style may be derived from another, though never from itself.
        for _ in 0..16 {
            match self.cells.get(style)? {
                (Some(format), _) => return self.formats.get(format).copied(),
                (None, Some(parent)) => style = parent,
                (None, None) => return None,
            }
        }
        None
    }
}

/// Of the sheet with this name of an ods workbook.
pub fn of_ods(bytes: &[u8], sheet: &str) -> Option<Formats> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut walk = OdsWalk { sheet, ..OdsWalk::default() };
    for name in ["styles.xml", "content.xml"] {
        if let Some(xml) = part(&mut archive, name) {
            walk.document(&xml)?;
        }
    }
    Some(walk.found)
}

/// A walk through the documents of an ods workbook.
#[derive(Default)]
struct OdsWalk<'s> {
    sheet: &'s str,
    styles: OdsStyles,
    found: Formats,
    /// The format at hand.
    format: Option<String>,
    /// The walk has reached the sheet.
    is_here: bool,
    /// The styles of the sheet's columns: the last column of each, and its name.
    columns: Vec<(u32, Option<String>)>,
    /// Rows that the current row element stands for, and its style.
    row_repeats: u32,
    row_style: Option<String>,
    row: u32,
    column: u32,
}

/// A sheet has no more rows than this.
const MOST_ROWS: u32 = 1_048_576;
/// A sheet has no more columns than this.
const MOST_COLUMNS: u32 = 16_384;

impl OdsWalk<'_> {
    fn document(&mut self, xml: &[u8]) -> Option<()> {
        let mut xml = Reader::from_reader(xml);
        let mut buffer = Vec::new();
        loop {
            match xml.read_event_into(&mut buffer).ok()? {
                Event::Start(start) => self.open(&start),
                Event::Empty(start) => {
                    self.open(&start);
                    self.close(start.name().as_ref());
                }
                Event::End(end) => self.close(end.name().as_ref()),
                Event::Eof => return Some(()),
                _ => {}
            }
            buffer.clear();
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) {
        let get = |name: &str| attribute(start, name);
        let repeats = |name: &str| get(name).and_then(|count| count.parse().ok()).unwrap_or(1u32);
        match start.name().as_ref() {
            "style:style" => {
                if let Some(name) = get("style:name") {
                    let style = (get("style:data-style-name"), get("style:parent-style-name"));
                    self.styles.cells.insert(name, style);
                }
            }
            "number:date-style" | "number:time-style" => {
                self.format = get("style:name");
                if let Some(name) = &self.format {
                    let nothing = Times { date: false, time: false, fraction: false };
                    self.styles.formats.insert(name.clone(), nothing);
                }
            }
            "table:table" => {
                self.is_here = get("table:name").as_deref() == Some(self.sheet);
                (self.row, self.columns) = (0, Vec::new());
            }
            "table:table-column" if self.is_here => {
                let last = self.columns.last().map_or(0, |(last, _)| *last);
                let last = last.saturating_add(repeats("table:number-columns-repeated"));
                self.columns.push((last, get("table:default-cell-style-name")));
            }
            "table:table-row" if self.is_here => {
                self.row_repeats = repeats("table:number-rows-repeated");
                self.row_style = get("table:default-cell-style-name");
                self.column = 0;
            }
            "table:table-cell" | "table:covered-table-cell" if self.is_here => {
                let count = repeats("table:number-columns-repeated");
                self.cell(count, &get);
                self.column = self.column.saturating_add(count);
            }
            part => {
                let format = self.format.as_ref().and_then(|it| self.styles.formats.get_mut(it));
                let Some(format) = format else { return };
                match part {
                    "number:hours" | "number:minutes" => format.time = true,
                    "number:seconds" => {
                        format.time = true;
                        let places = get("number:decimal-places");
                        format.fraction |= places.is_some_and(|places| places != "0");
                    }
                    "number:year" | "number:month" | "number:day" => format.date = true,
                    _ => {}
                }
            }
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "number:date-style" | "number:time-style" => self.format = None,
            "table:table" => self.is_here = false,
            "table:table-row" => self.row = self.row.saturating_add(self.row_repeats),
            _ => {}
        }
    }

    fn cell(&mut self, count: u32, get: &impl Fn(&str) -> Option<String>) {
        let kind = get("office:value-type");
        let is_uncalculated = kind.is_none() && get("table:formula").is_some();
        let is_date = kind.as_deref() == Some("date");
        if !is_date && !is_uncalculated {
            return;
        }
        let own = get("table:style-name");
        let rows = self.row..self.row.saturating_add(self.row_repeats).min(MOST_ROWS);
        for column in self.column..self.column.saturating_add(count).min(MOST_COLUMNS) {
            let of_column = || self.columns.iter().find(|(last, _)| column < *last)?.1.as_ref();
            let style = own.as_ref().or(self.row_style.as_ref()).or_else(of_column);
            let times = self.styles.times(style);
            for row in rows.clone() {
                if is_uncalculated {
                    self.found.no_result.insert((row, column));
                } else if let Some(times) = times {
                    self.found.times.insert((row, column), times);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn record(kind: u16, data: &[u8], out: &mut Vec<u8>) {
        match kind {
            0..0x80 => out.push(u8::try_from(kind).unwrap()),
            _ => out.extend([kind.to_le_bytes()[0] | 0x80, u8::try_from(kind >> 7).unwrap()]),
        }
        out.push(u8::try_from(data.len()).unwrap());
        out.extend_from_slice(data);
    }

    fn wide_text(text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        length.into_iter().chain(text.bytes().flat_map(|byte| [byte, 0])).collect()
    }

    #[test]
    fn cells_of_an_xlsb_follow_their_styles() {
        let (mut styles, mut workbook, mut sheet) = (Vec::new(), Vec::new(), Vec::new());
        record(BRT_FMT, &[&[164, 0][..], &wide_text("dd/mm/yyyy")].concat(), &mut styles);
        record(BRT_BEGIN_CELL_XFS, &[], &mut styles);
        for code in [0u16, 164, 22] {
            record(BRT_XF, &[&[0, 0], &code.to_le_bytes()[..]].concat(), &mut styles);
        }
        record(BRT_END_CELL_XFS, &[], &mut styles);
        for id in ["rId1", "rId2"] {
            let bundle = [&[0; 8][..], &wide_text(id), &wide_text("Sheet")].concat();
            record(BRT_BUNDLE_SH, &bundle, &mut workbook);
        }
        record(BRT_ROW_HDR, &7u32.to_le_bytes(), &mut sheet);
        for column in 0..3u8 {
            let cell = [&[column, 0, 0, 0, column, 0, 0, 0][..], &[0; 8]].concat();
            record(BRT_CELL_REAL, &cell, &mut sheet);
        }
        let rels = "<Relationships><Relationship Id=\"rId1\" Target=\"worksheets/sheet1.bin\"/>\
            <Relationship Id=\"rId2\" Target=\"/xl/worksheets/b.bin\"/></Relationships>";
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in [
            ("xl/styles.bin", styles.as_slice()),
            ("xl/workbook.bin", &workbook),
            ("xl/_rels/workbook.bin.rels", rels.as_bytes()),
            ("xl/worksheets/b.bin", &sheet),
        ] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        let times = of_xlsb(&bytes, 1).unwrap().times;
        let shown = |date, time| Some(Times { date, time, fraction: false });
        assert_eq!(times.get(&(7, 0)).copied(), None);
        assert_eq!(times.get(&(7, 1)).copied(), shown(true, false));
        assert_eq!(times.get(&(7, 2)).copied(), shown(true, true));
        assert!(of_xlsb(&bytes, 2).is_none() && of_xlsb(b"PK", 0).is_none());
    }
}
