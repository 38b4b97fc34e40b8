//! The beginning of a file of which nothing is known yet, for those who guess how it is read.

use std::path::Path;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::file::SourceFile;
use crate::diagnostic::Problem;

/// The beginning of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The text.
    pub text: String,
    /// The label of the encoding it was read as: the one of the byte order mark, UTF-8 if the bytes
    /// are that, else windows-1252, which any bytes can be.
    pub encoding: String,
    /// Whether this is all of the file.
    pub whole: bool,
}

/// Reads at most `limit` bytes of the content of the file at `path`, decompressed.
///
/// # Errors
/// The file can't be read.
pub fn read_sample(path: &Path, limit: usize) -> Result<Sample, Problem> {
    let mut file = SourceFile::open(path)?;
    let bytes = file.peek(limit.saturating_add(1))?;
    let whole = bytes.len() <= limit;
    let (text, encoding) = decode_sample(&bytes[..bytes.len().min(limit)], whole);
    Ok(Sample { text, encoding: encoding.name().to_lowercase(), whole })
}

/// The text of the beginning of a file and the encoding it seems to have. Unless the bytes are the
/// `whole` file, they may end within a character.
pub fn decode_sample(bytes: &[u8], whole: bool) -> (String, &'static Encoding) {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| {
        let encoding = match std::str::from_utf8(bytes) {
            Ok(_) => UTF_8,
            Err(error) if error.error_len().is_none() && !whole => UTF_8,
            Err(_) => WINDOWS_1252,
        };
        (encoding, 0)
    });
    let bytes = &bytes[mark..];
    let mut text = String::with_capacity(bytes.len() * 3 + 16);
    let mut decoder = encoding.new_decoder_without_bom_handling();
    // There is room for every byte to be replaced; so this ends at the end of the input.
    let _ = decoder.decode_to_string(bytes, &mut text, whole);
    (text, encoding)
}
