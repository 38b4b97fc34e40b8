//! The lines of a block of text, for kinds in which a line is a row.

use encoding_rs::{Encoding, UTF_8};
use memchr::memchr2;

use super::blocks::TextBlock;
use super::kind::Fault;
use crate::diagnostic::Code;

/// A line, without its line break.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'b> {
    pub number: u64,
    pub offset: u64,
    pub bytes: &'b [u8],
}

/// The lines of a block that are not empty.
pub(super) fn lines(block: &TextBlock) -> impl Iterator<Item = Line<'_>> {
    let bytes = block.bytes();
    let (mut number, mut at) = (block.first_line(), 0);
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = Line { number, offset: block.offset() + at as u64, bytes: rest.get(..end)? };
        let two = rest.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n"));
        at += end + 1 + usize::from(two);
        number += 1;
        Some(line)
    })
    .filter(|line| !line.bytes.is_empty())
}

/// The text of a line, or the mistake in its bytes.
pub(super) fn text_of<'b>(line: &Line<'b>, encoding: &'static Encoding) -> Result<&'b str, Fault> {
    match std::str::from_utf8(line.bytes) {
        Ok(text) if memchr::memchr(0, line.bytes).is_none() => Ok(text),
        Ok(_) => {
            let message = "the line has a NUL, which a text cannot hold; check `encoding:`";
            Err(Fault { code: Code::NulByte, message: message.into(), known: 0 })
        }
        Err(error) => {
            let at = error.valid_up_to();
            let message = if encoding == UTF_8 {
                format!(
                    "byte {} of the line is not UTF-8; set `encoding:` if the file is in another \
                     encoding, such as windows-1252",
                    at + 1
                )
            } else {
                format!(
                    "what follows byte {at} of the line is not {}; check `encoding:`",
                    encoding.name()
                )
            };
            Err(Fault { code: Code::BadEncoding, message, known: 0 })
        }
    }
}
