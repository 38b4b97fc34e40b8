//! Cells that are no text: with bytes that are not UTF-8, or with NUL, which no store keeps.

use encoding_rs::{Encoding, UTF_8};
use memchr::memchr;

use super::kind::{Fault, RawRow};
use crate::diagnostic::Code;
use crate::domain::RawCells;

/// The fault of a row with such a cell: it names the column of the first. The other cells are as they were read, so
/// the key may be among them. `encoding` is that of the source; none where there is none to set.
#[cold]
pub(super) fn unreadable_cell(
    columns: &[String],
    row: &RawRow<'_>,
    encoding: Option<&'static Encoding>,
) -> Option<Fault> {
    let known = row.len();
    columns
        .iter()
        .enumerate()
        .find_map(|(index, column)| unreadable(column, row.cell(index), encoding))
        .map(|(code, message)| Fault { code, message, known })
}

/// Why a cell of this column is no text.
pub(super) fn unreadable(
    column: &str,
    cell: &[u8],
    encoding: Option<&'static Encoding>,
) -> Option<(Code, String)> {
    if let Err(error) = std::str::from_utf8(cell) {
        let at = error.valid_up_to();
        let byte = cell.get(at).copied().unwrap_or_default();
        let message = match encoding {
            None => format!(
                "column `{column}`: byte {} (0x{byte:02X}) is not UTF-8; mend it at the source",
                at + 1
            ),
            Some(encoding) if encoding == UTF_8 => format!(
                "column `{column}`: byte {} (0x{byte:02X}) is not UTF-8; set `encoding:` if the \
                 file is in another encoding, such as windows-1252",
                at + 1
            ),
            Some(encoding) => format!(
                "column `{column}`: what follows byte {at} is not {}; check `encoding:`",
                encoding.name()
            ),
        };
        return Some((Code::BadEncoding, message));
    }
    let at = memchr(0, cell)?;
    let remedy = match encoding {
        None => "remove it at the source",
        Some(_) => "check `encoding:`",
    };
    let message =
        format!("column `{column}`: byte {} is NUL, which a text cannot hold; {remedy}", at + 1);
    Some((Code::NulByte, message))
}
